"""Movements of credit, and redemptions of codes: what there is of each, the latest first."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.reports.log import Cursor
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

# The newest of all tenants are found in an index alone; only then is each one's event looked up.
_SEARCHED: Final = """
SELECT c.*, e.event_id::text AS event_id, e.actor
FROM (
    SELECT tenant_id, lane, position, recorded_at, kind, source, grant_id, grant_kind, amount_nanos, currency,
        reference, reason
    FROM projection.credit_log
    WHERE {conditions}
    ORDER BY recorded_at DESC, tenant_id DESC, lane DESC LIMIT {limit}
) AS c
JOIN ledger.event AS e ON e.lane = c.lane AND e.position = c.position AND e.tenant_id = c.tenant_id
ORDER BY c.recorded_at DESC, c.tenant_id DESC, c.lane DESC
"""

# Served by the index account_expiry, which has grants that end and have something left.
_ENDING: Final = """
SELECT tenant_id, account_id::text AS account_id, name, posted, expires_at, count(*) OVER () AS grants,
    (sum(posted) OVER ())::bigint AS total
FROM ledger.account
WHERE pool_id IS NOT NULL AND NOT spent AND NOT credit_line AND expires_at >= $1 AND expires_at < $2
    AND expires_at < 'infinity' AND posted > 0
ORDER BY expires_at, account_id LIMIT $3
"""

_REDEEMED: Final = f"""
SELECT batch_id, count(*) AS uses, sum(amount_nanos)::bigint AS amount_nanos, count(DISTINCT redeemed_for) AS tenants,
    max(redeemed_at) AS last_at
FROM projection.redemptions
WHERE batch_id = ANY ($1) AND tenant_id = $2 AND generation = {live("redemptions")}
GROUP BY batch_id
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
    tenant_id: TenantId | None = None
    """Of a search over all tenants."""


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


class SearchedMovement(RecordedMovement, frozen=True, kw_only=True):
    """A movement with whose wallet it moved."""

    tenant_id: TenantId
    lane: int

    @property
    def place(self) -> str:
        """Where it stands among those of all tenants: what a client goes on from."""
        return Cursor(self.recorded_at, self.tenant_id, self.lane, self.position).text()


class EndingGrant(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that ends soon, with something left."""

    tenant_id: TenantId
    grant_id: EntityId
    kind: str
    remaining_nanos: int
    expires_at: dt.datetime


class EndingGrants(msgspec.Struct, frozen=True, kw_only=True):
    """The grants of all tenants that end within a time, the first ones, and what all of them still hold."""

    grants: int
    remaining_nanos: int
    first: tuple[EndingGrant, ...]


class Redeemed(msgspec.Struct, frozen=True, kw_only=True):
    """What of a batch of codes was redeemed so far."""

    batch_id: EntityId
    uses: int
    amount_nanos: int
    tenants: int
    last_at: dt.datetime


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


async def search_movements(
    pool: "Pool", filters: MovementFilters, *, before: Cursor | None, limit: int
) -> list[SearchedMovement]:
    """Give movements of all tenants, or of the one that is filtered for, before a place, the latest first.

    Only the filters that are given are in the statement, so that each is served by an index of its own.
    """
    values: list[Any] = []

    def placed(value: object) -> str:
        values.append(value)
        return f"${len(values)}"

    conditions = [f"generation = {live('usage')}"]
    for column in ("tenant_id", "kind", "source", "grant_id"):
        value = getattr(filters, column)
        if value is not None:
            conditions.append(f"{column} = {placed(value)}")
    if filters.starts_at is not None:
        conditions.append(f"recorded_at >= {placed(filters.starts_at)}")
    if filters.ends_at is not None:
        conditions.append(f"recorded_at < {placed(filters.ends_at)}")
    if before is not None:
        place = ", ".join(placed(part) for part in (before.recorded_at, before.tenant_id, before.lane))
        conditions.append(f"(recorded_at, tenant_id, lane) < ({place})")
    rows = await pool.fetch(_SEARCHED.format(conditions=" AND ".join(conditions), limit=placed(limit)), *values)
    return [SearchedMovement(**_named(row)) for row in rows]


async def read_ending(pool: "Pool", now: dt.datetime, until: dt.datetime, limit: int) -> EndingGrants:
    """Give the grants that end between two moments, straight from the ledger."""
    rows = await pool.fetch(_ENDING, now, until, limit)
    first = []
    for row in rows:
        kind, _, grant_id = row["name"].partition(":")
        first.append(
            EndingGrant(
                tenant_id=row["tenant_id"],
                grant_id=EntityId(grant_id),
                kind=kind.removeprefix("grant."),
                remaining_nanos=row["posted"],
                expires_at=row["expires_at"],
            )
        )
    return EndingGrants(
        grants=rows[0]["grants"] if rows else 0, remaining_nanos=rows[0]["total"] if rows else 0, first=tuple(first)
    )


async def read_redeemed(pool: "Pool", batch_ids: Sequence[str]) -> list[Redeemed]:
    """Give what was redeemed of each of these batches; those of which nothing was are left out."""
    rows = await pool.fetch(_REDEEMED, list(batch_ids), PLATFORM)
    return [Redeemed(**_named(row)) for row in rows]


async def read_redemptions(
    pool: "Pool", batch_id: str, *, tenant_id: TenantId | None, before: int | None, limit: int
) -> list[RecordedRedemption]:
    """Give the redemptions of a batch before a position of the platform's lane, the latest first."""
    rows = await pool.fetch(_REDEMPTIONS, batch_id, PLATFORM, before, tenant_id, limit)
    return [RecordedRedemption(**_named(row)) for row in rows]


def _named(row: "asyncpg.Record") -> dict[str, Any]:
    return dict(row)
