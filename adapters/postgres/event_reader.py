"""Reads the log as it is: pages of one lane, in order, with everything that an event carries."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_PAGE: Final = """
SELECT tenant_id, lane, position, event_id::text, type, data, actor, correlation_id::text, causation_id::text,
    recorded_at, account_ids::text[], posted, held
FROM ledger.event
WHERE tenant_id = $1 AND lane = $2 AND position > $3 AND position <= $4
ORDER BY position LIMIT $5
"""


class LaneHead(NamedTuple):
    """A lane and how far it goes."""

    tenant_id: int
    lane: int
    head: int


class LoggedEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of the log, its body as stored."""

    tenant_id: int
    lane: int
    position: int
    event_id: str
    type: str
    data: bytes
    actor: str
    correlation_id: str
    causation_id: str
    recorded_at: dt.datetime
    account_ids: Sequence[str]
    posted: Sequence[int]
    held: Sequence[int]


async def lane_heads(
    connection: "Connection", *, tenant_id: int | None = None, lane: int | None = None
) -> list[LaneHead]:
    """Give the lanes in order: all, those of a tenant, or one."""
    rows = await connection.fetch(
        "SELECT tenant_id, lane, head FROM ledger.lane"
        " WHERE ($1::bigint IS NULL OR tenant_id = $1) AND ($2::bigint IS NULL OR lane = $2) ORDER BY lane, tenant_id",
        tenant_id,
        lane,
    )
    return [LaneHead(*row) for row in rows]


async def read_page(
    connection: "Connection", tenant_id: int, lane: int, after: int, *, up_to: int = 2**62, limit: int = 1000
) -> list[LoggedEvent]:
    """Give the events of a lane above a position, in order, at most `limit`."""
    return [LoggedEvent(*row) for row in await connection.fetch(_PAGE, tenant_id, lane, after, up_to, limit)]
