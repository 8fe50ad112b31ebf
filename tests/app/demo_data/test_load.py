"""What `tallygate demo-data` leaves behind: books that add up, read models that are up to date, and sealed events."""

import asyncio
import datetime as dt
import json
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest
from click.testing import CliRunner, Result

from adapters.postgres.flusher import Flusher
from app.administration import Administration
from app.bootstrap import bootstrap
from app.cli import cli
from app.demo_data.load import Loaded, Progress, is_fresh, load
from app.demo_data.plan import Plan
from app.projections import PROJECTIONS
from app.reports.usage import UsageQuery, read_usage
from app.verify import Options, verify
from app.wallets import Wallets
from domain.ids import TenantId
from domain.reports.periods import Bucket
from projections.checkpoints import lag
from tests.support.scratch import scratch_on

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

UNTIL = dt.datetime(2026, 11, 30, 12, tzinfo=dt.UTC)
PLAN = Plan(until=UNTIL, days=4, tenants=7, requests=1500, seed=11)


@pytest.fixture(scope="module")
async def loaded(module_database: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[Loaded, list[Progress]]:
    seen: list[Progress] = []
    key = tmp_path_factory.mktemp("keys") / "seal.key"
    return await load(module_database, PLAN, key, seen.append, processes=2), seen


@pytest.fixture
async def pool(module_database: str, loaded: object) -> "AsyncIterator[asyncpg.Pool[asyncpg.Record]]":
    assert loaded is not None
    async with asyncpg.create_pool(module_database, min_size=1, max_size=2) as made:
        yield made


async def test_everything_that_verify_checks_is_in_order(
    pool: "asyncpg.Pool[asyncpg.Record]",
    postgres_dsn: str,
    template_database: str,
    loaded: tuple[Loaded, list[Progress]],
) -> None:
    result = await verify(pool, PROJECTIONS, options=Options(scratch=scratch_on(postgres_dsn, template_database)))

    assert result.findings == ()
    assert (result.events, result.sealed, result.lanes) == (loaded[0].events, loaded[0].events, PLAN.tenants + 1)


async def test_read_models_are_up_to_date_and_progress_was_told(
    pool: "asyncpg.Pool[asyncpg.Record]", loaded: tuple[Loaded, list[Progress]]
) -> None:
    assert all(each.events == 0 and each.parked == 0 for each in await lag(pool, PROJECTIONS))
    last = {each.part: each for each in loaded[1]}
    assert {name: (each.done, each.total) for name, each in last.items()} == {
        "requests": (PLAN.requests, PLAN.requests),
        "read models": (loaded[0].events, loaded[0].events),
        "seals": (loaded[0].events, loaded[0].events),
    }


async def test_reports_sum_to_the_log(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    span = Bucket(UNTIL - dt.timedelta(days=PLAN.days), UNTIL)
    by_tenant = await read_usage(pool, UsageQuery(tiles=(span,), groups=("tenant",), top=50), {})
    rows = await pool.fetch(
        "WITH e AS (SELECT tenant_id, type, convert_from(data, 'UTF8')::jsonb AS body FROM ledger.event"
        " WHERE type IN ('hold.captured.v1', 'usage.adjusted.v1'))"
        " SELECT tenant_id::text, count(*) FILTER (WHERE type = 'hold.captured.v1') AS requests,"
        " sum((coalesce(body ->> 'captured_nanos', body ->> 'charged_nanos'))::bigint)::bigint AS nanos"
        " FROM e GROUP BY tenant_id"
    )

    wanted = {row["tenant_id"]: (row["requests"], row["nanos"]) for row in rows if row["requests"]}
    found = {row.keys[0]: (row.sums["requests"], row.sums["captured_nanos"]) for row in by_tenant}
    assert {key: sums for key, sums in found.items() if sums[0]} == wanted
    assert sum(requests for requests, _ in wanted.values()) > 0.9 * PLAN.requests


async def test_balances_are_what_was_given_less_what_was_spent(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    tenants = await pool.fetch("SELECT DISTINCT tenant_id FROM ledger.lane WHERE tenant_id <> 1")
    for (tenant_id,) in tenants:
        balance = await Wallets(None, pool).balance(TenantId(tenant_id), UNTIL)  # type: ignore[arg-type]
        moved = await pool.fetchval(
            "SELECT coalesce((SELECT sum(amount_nanos) FROM projection.credit_log WHERE tenant_id = $1), 0)"
            " - coalesce((SELECT sum(captured_nanos) FROM projection.request_log WHERE tenant_id = $1), 0)",
            tenant_id,
        )
        assert balance.balance_nanos == moved


async def test_what_was_written_is_no_longer_fresh(pool: "asyncpg.Pool[asyncpg.Record]", module_database: str) -> None:
    assert pool is not None
    assert not await is_fresh(module_database)


async def test_the_first_start_goes_on_from_there(pool: "asyncpg.Pool[asyncpg.Record]", module_database: str) -> None:
    ledger = Flusher(module_database)
    await ledger.start()
    try:
        administration = Administration(ledger, pool, None)
        welcome = await bootstrap(administration, ledger, pool, root_password=None)
        channels = (await administration.list("channel", limit=500)).items
        demo = [each.entity for each in channels if each.entity.type == "demo"]
    finally:
        await ledger.stop(5.0)

    assert welcome is not None
    assert len(demo) == 1
    assert {"gpt-5", "claude-sonnet-4-5", "demo-chat"} <= {*demo[0].models, *demo[0].model_map}
    assert demo[0].priority > max(each.entity.priority for each in channels if each.entity.type != "demo")


def tallygate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def events(dsn: str) -> list[tuple[object, ...]]:
    async def read() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(dsn)
        rows = await connection.fetch("SELECT * FROM ledger.event ORDER BY lane, position")
        await connection.close()
        return [tuple(row.values()) for row in rows]

    return asyncio.run(read())


def test_the_command_fills_an_empty_database_and_refuses_one_that_is_not(
    empty_database: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TALLYGATE_DATABASE_URL", empty_database)
    monkeypatch.setenv("TALLYGATE_DATA", str(tmp_path))
    options = ("--days", "2", "--tenants", "3", "--requests", "60", "--until", "2026-11-30", "--processes", "1")

    first = tallygate("demo-data", *options, "--json")

    assert first.exit_code == 0
    told = json.loads(first.stdout)
    before = events(empty_database)
    assert (told["requests"], told["tenants"], told["events"]) == (60, 3, len(before))

    second = tallygate("demo-data", *options)

    assert second.exit_code == 2
    assert "there is data in this database already" in second.stderr
    assert second.stderr.count("\n") == 1
    assert events(empty_database) == before


@pytest.mark.parametrize("until", ["2999-01-01", "2025-01-15"])
def test_a_history_that_cannot_be_is_refused_before_anything_is_made(
    until: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TALLYGATE_DATA", str(tmp_path / "data"))

    result = tallygate("demo-data", "--until", until)

    assert result.exit_code == 2
    assert "a history" in result.stderr
    assert not (tmp_path / "data").exists()
