"""`tallygate parked`: what stands still is listed, and tried again."""

import asyncio
import json
from pathlib import Path

import asyncpg
import msgspec
import pytest
from click.testing import CliRunner, Result

from app.cli import cli
from app.parked import list_parked, retry_parked
from app.projections import PROJECTIONS
from app.rebuild import UnknownProjectionError
from domain.ids import first_lane
from projections.balances import BALANCES
from projections.checkpoints import ensure
from projections.folder import ProjectionParkedError, advance
from tests.projections.workload import Workload, post


class _Nonsense(msgspec.Struct):
    hold_id: int = 7


@pytest.fixture
async def lane(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """The lane of a database that the command will use, which stands still in the projection of balances."""
    monkeypatch.setenv("TALLYGATE_DATABASE_URL", database)
    monkeypatch.setenv("TALLYGATE_DATA", str(tmp_path))
    connection = await asyncpg.connect(database)
    workload = Workload(seed=4)
    await workload.begin(connection)
    tenant_id = workload.customers[0].tenant_id
    await workload.send(connection, [post(tenant_id, _Nonsense(), type="hold.voided.v1")])
    await connection.close()
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await ensure(pool, PROJECTIONS)
        with pytest.raises(ProjectionParkedError):
            await advance(pool, BALANCES, tenant_id, first_lane(tenant_id))
        (stands,) = await list_parked(pool, "balances")
        assert await list_parked(pool, "multipliers") == []
        with pytest.raises(UnknownProjectionError, match="choose from"):
            await retry_parked(pool, "nonsense")
    return stands.lane


def tallygate(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments, catch_exceptions=False)


def test_what_stands_still_is_listed_with_position_and_reason(lane: int) -> None:
    listed = tallygate("parked")

    assert listed.exit_code == 1
    assert f"balances: lane {lane} of tenant {lane} at position " in listed.stdout
    assert "ValidationError" in listed.stdout
    assert listed.stdout.endswith("1 lanes are parked\n")
    (found,) = json.loads(tallygate("parked", "--json").stdout)["parked"]
    assert (found["projection"], found["lane"]) == ("balances", lane)


def test_a_retry_frees_what_was_named_and_nothing_else(lane: int, database: str) -> None:
    assert "0 lanes try again" in tallygate("parked", "--retry", "--tenant", "1").stdout
    assert tallygate("parked", "balances").exit_code == 1

    retried = tallygate("parked", "balances", "--retry", "--lane", str(lane), "--json")
    assert retried.exit_code == 0
    assert json.loads(retried.stdout)["retried"] == 1

    async def left() -> int:
        connection = await asyncpg.connect(database)
        count: int = await connection.fetchval("SELECT count(*) FROM projection.checkpoint WHERE error IS NOT NULL")
        await connection.close()
        return count

    assert asyncio.run(left()) == 0
    assert tallygate("parked").exit_code == 0


@pytest.mark.usefixtures("lane")
def test_a_wrong_choice_is_refused() -> None:
    unknown = tallygate("parked", "nonsense")
    assert unknown.exit_code == 2
    assert "choose from" in unknown.stderr
    lonely = tallygate("parked", "--tenant", "1")
    assert lonely.exit_code == 2
    assert "add --retry" in lonely.stderr
