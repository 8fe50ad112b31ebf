"""Movements of credit, and redemptions of codes: what there is of each, the latest first."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.ids import PLATFORM, EntityId, EventId, TenantId
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_MOVEMENTS: Final = f"""
SELECT c.position, c.recorded_at, c.kind, c.source, c.grant_id, c.grant_kind, c.amount_nanos, c.currency, c.reference,
    c.reason, e.event_id::text AS event_id, e.actor
FROM projection.credit_log AS c
JOIN ledger.event AS e ON e.lane = c.lane AND e.position = c.position AND e.tenant_id = c.tenant_id
WHERE c.tenant_id = $1 AND c.generation = {live("usage")}
    AND ($2::bigint IS NULL OR c.position < $2) AND ($3::text IS NULL OR c.kind = $3)
    AND ($4::text IS NULL OR c.source = $4) AND ($5::text IS NULL OR c.grant_id = $5)
    AND ($6::timestamptz IS NULL OR c.recorded_at >= $6) AND ($7::timestamptz IS NULL OR c.recorded_at < $7)
ORDER BY c.recorded_at DESC, c.position DESC LIMIT $8
"""  # noqa: S608 -- constants only

_REDEMPTIONS: Final = f"""
SELECT position, batch_id, code_hash, redeemed_for, user_id, grant_id, amount_nanos, redeemed_at
FROM projection.redemptions
WHERE batch_id = $1 AND tenant_id = $2 AND generation = {live("redemptions")}
    AND ($3::bigint IS NULL OR position < $3) AND ($4::bigint IS NULL OR redeemed_for = $4)
ORDER BY position DESC LIMIT $5
"""  # noqa: S608 -- constants only


class MovementFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which movements; None narrows nothing."""

    kind: str | None = None
    source: str | None = None
    grant_id: str | None = None
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None


class RecordedMovement(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that was given, lapsed or taken back."""

    position: int
    recorded_at: dt.datetime
    kind: str
    source: str
    grant_id: str
    grant_kind: str
    amount_nanos: int
    currency: str
    reference: str
    reason: str
    event_id: EventId
    actor: str


class RecordedRedemption(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a code."""

    position: int
    batch_id: EntityId
    code_hash: str
    redeemed_for: TenantId
    user_id: EntityId
    grant_id: EntityId
    amount_nanos: int
    redeemed_at: dt.datetime


async def read_movements(
    pool: "Pool", tenant_id: TenantId, filters: MovementFilters, *, before: int | None, limit: int
) -> list[RecordedMovement]:
    """Give a tenant's movements before a position of its lane, the latest first."""
    rows = await pool.fetch(
        _MOVEMENTS,
        tenant_id,
        before,
        filters.kind,
        filters.source,
        filters.grant_id,
        filters.starts_at,
        filters.ends_at,
        limit,
    )
    return [RecordedMovement(**_named(row)) for row in rows]


async def read_redemptions(
    pool: "Pool", batch_id: str, *, tenant_id: TenantId | None, before: int | None, limit: int
) -> list[RecordedRedemption]:
    """Give the redemptions of a batch before a position of the platform's lane, the latest first."""
    rows = await pool.fetch(_REDEMPTIONS, batch_id, PLATFORM, before, tenant_id, limit)
    return [RecordedRedemption(**_named(row)) for row in rows]


def _named(row: "asyncpg.Record") -> dict[str, Any]:
    return dict(row)
