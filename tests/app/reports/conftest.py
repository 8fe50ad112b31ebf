import datetime as dt
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import pytest

from domain.ids import TenantId, first_lane
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    Pool: TypeAlias = asyncpg.Pool[asyncpg.Record]

BEGAN = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
"""Before everything that a test does."""


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=8) as pool:
        await ensure(pool, [USAGE])
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def workload(writer: Connection) -> Workload:
    """Three tenants with credit, and nothing spent yet."""
    made = Workload(seed=20261124)
    await made.begin(writer)
    return made


async def spread(writer: Connection, days: int) -> dt.datetime:
    """Move what was recorded to evenly spaced moments of the days past, in order; give the first.

    Nothing can be recorded in the past, so the log is bent before it is folded: the only trigger is put aside.
    """
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute(
        "UPDATE ledger.event AS e SET recorded_at = date_trunc('hour', now()) - make_interval(days => $1)"
        " + (e.position::float8 / l.head) * make_interval(days => $1) + e.lane % 977 * interval '1 us'"
        " FROM ledger.lane AS l WHERE l.lane = e.lane AND l.tenant_id = e.tenant_id",
        days,
    )
    await writer.execute("ALTER TABLE ledger.event ENABLE TRIGGER event_append_only")
    first: dt.datetime = await writer.fetchval("SELECT min(recorded_at) FROM ledger.event")
    return first


async def fold(pool: "Pool", tenants: list[TenantId]) -> None:
    """Bring the sums up to the log."""
    for tenant_id in tenants:
        await advance(pool, USAGE, tenant_id, first_lane(tenant_id))
