"""The commands over the books: events, rebuild, verify."""

import asyncio
import json
import sys
from collections.abc import Sequence

import asyncpg
import pytest
from click.testing import CliRunner, Result

from adapters.postgres.event_reader import lane_heads, read_page
from app.cli import cli
from app.cli.events import line
from app.projections import PROJECTIONS
from tests.projections.workload import Connection, Workload


@pytest.fixture
async def workload(database: str, monkeypatch: pytest.MonkeyPatch) -> Workload:
    """A database with a history, which the commands will use."""
    monkeypatch.setenv("TALLYGATE_DATABASE_URL", database)
    connection = await asyncpg.connect(database)
    made = Workload(seed=9)
    await made.begin(connection)
    await made.run(connection, 10)
    await connection.close()
    return made


def tallygate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def execute(dsn: str, statements: Sequence[str]) -> None:
    async def run() -> None:
        connection: Connection = await asyncpg.connect(dsn)
        for statement in statements:
            await connection.execute(statement)
        await connection.close()

    asyncio.run(run())


def test_events_are_printed_one_a_line_each_lane_in_order(workload: Workload) -> None:
    result = tallygate("events", "--json")

    events = [json.loads(text) for text in result.stdout.splitlines()]
    assert len(events) == workload.events
    by_lane: dict[int, list[int]] = {}
    for event in events:
        by_lane.setdefault(event["lane"], []).append(event["position"])
    assert set(by_lane) == set(workload.lanes)
    assert all(positions == list(range(1, len(positions) + 1)) for positions in by_lane.values())
    captured = next(event for event in events if event["type"] == "hold.captured.v1")
    assert captured["data"]["captured_nanos"] >= 0
    assert {"account_id", "posted", "held"} == set(captured["effects"][0])


def test_events_of_a_tenant_a_type_and_from_a_position(workload: Workload) -> None:
    tenant_id = workload.customers[0].tenant_id

    result = tallygate("events", "--tenant", str(tenant_id), "--type", "hold.", "--from", "9", "--json")

    events = [json.loads(text) for text in result.stdout.splitlines()]
    assert events
    assert {event["tenant_id"] for event in events} == {tenant_id}
    assert all(event["type"].startswith("hold.") and event["position"] >= 9 for event in events)


def test_events_read_well(workload: Workload) -> None:
    result = tallygate("events", "--lane", str(workload.customers[0].tenant_id), "--type", "credit.granted")

    first = result.stdout.splitlines()[0]
    assert " credit.granted.v1 system:test grant_id=" in first
    assert "amount_nanos=300000000" in first
    assert max(len(text) for text in result.stdout.splitlines()) < 300


async def test_a_page_goes_on_where_the_last_one_ended(workload: Workload, database: str) -> None:
    connection = await asyncpg.connect(database)
    (head,) = await lane_heads(connection, lane=workload.customers[0].tenant_id)
    pages = [await read_page(connection, head.tenant_id, head.lane, after, limit=7) for after in (0, 7, 14)]
    await connection.close()

    assert [event.position for page in pages for event in page] == list(range(1, 22))
    assert line(pages[0][0]).split(" ")[2] == f"{head.tenant_id}/1"


async def test_events_can_be_followed(workload: Workload, database: str) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "app", "events", "--follow", "--json", "--from", "1", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    async with asyncio.timeout(30):
        for _ in range(workload.events):
            assert json.loads(await process.stdout.readline())["position"] > 0
        connection = await asyncpg.connect(database)
        await workload.send(connection, [workload.customers[0].grant(42)])
        await connection.close()
        followed = json.loads(await process.stdout.readline())
        assert followed["data"]["amount_nanos"] == 42
        process.terminate()
        await process.wait()


def test_rebuild_of_everything_tells_its_speed(workload: Workload) -> None:
    result = tallygate("rebuild", "--json")

    rebuilt = json.loads(result.stdout)["rebuilt"]
    assert result.exit_code == 0
    assert [each["projection"] for each in rebuilt] == [projection.name for projection in PROJECTIONS]
    assert {each["events"] for each in rebuilt} == {workload.events}
    assert all(each["generation"] == 2 and each["events_per_second"] > 0 for each in rebuilt)


def test_rebuild_of_one_projection(workload: Workload) -> None:
    result = tallygate("rebuild", "balances")

    assert f"balances: generation 2 is live, {workload.events} events" in result.stdout


def test_rebuild_of_an_unknown_projection_names_those_that_are_known(workload: Workload) -> None:
    assert workload.events
    result = tallygate("rebuild", "balances_v2")

    assert result.exit_code == 2
    assert "balances" in result.stderr


def test_rebuild_that_meets_a_bad_event_says_which(workload: Workload, database: str) -> None:
    assert workload.events
    execute(
        database,
        [
            "ALTER TABLE ledger.event DISABLE TRIGGER event_append_only",
            "UPDATE ledger.event SET data = '{}' WHERE type = 'hold.captured.v1'",
        ],
    )

    result = tallygate("rebuild", "balances")

    assert result.exit_code == 1
    assert "cannot be folded" in result.stderr


def test_verify_of_good_books(workload: Workload) -> None:
    tallygate("rebuild")
    result = tallygate("verify")

    assert result.exit_code == 0
    assert result.stdout.endswith("everything adds up\n")
    as_json = json.loads(tallygate("verify", "--json").stdout)
    assert as_json["clean"]
    assert as_json["events"] == workload.events


def test_verify_of_bad_books_names_the_position(workload: Workload, database: str) -> None:
    tallygate("rebuild")
    tenant_id = workload.customers[0].tenant_id
    execute(
        database,
        [
            "ALTER TABLE ledger.event DISABLE TRIGGER event_append_only",
            f"DELETE FROM ledger.event WHERE lane = {tenant_id} AND position = 7",
        ],
    )

    result = tallygate("verify")

    assert result.exit_code == 1
    assert f"tenant {tenant_id} lane {tenant_id} position 7: positions:" in result.stdout
    as_json = tallygate("verify", "--json")
    assert as_json.exit_code == 1
    assert json.loads(as_json.stdout)["findings"][0]["position"] == 7
