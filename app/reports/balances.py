"""Balances and liabilities: now from the ledger's accounts, and as of any past moment from the log.

A past balance is that of the end of the last closed day plus what moved since, so that it takes as long for yesterday
as for last year. It never changes: events of a past record time cannot come to be.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from app.reports.usage import closed_until
from domain.accounts import wallet
from domain.ids import TenantId
from domain.reports.periods import hour_of
from projections.base import live

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_LIVE: Final = live("usage")
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_BEGINNING: Final = dt.datetime(2000, 1, 1, tzinfo=dt.UTC)

# ruff: noqa: S608 -- statements are put together from constants of this module; every value is a parameter

_NOW: Final = """
SELECT tenant_id, sum(posted)::numeric AS balance, sum(held)::numeric AS held
FROM ledger.account WHERE pool_id IS NOT NULL AND NOT spent AND ($1::bigint IS NULL OR tenant_id = $1)
GROUP BY tenant_id
"""

_AS_OF: Final = f"""
WITH t AS (SELECT DISTINCT tenant_id FROM ledger.lane WHERE $1::bigint IS NULL OR tenant_id = $1),
moved AS (
    SELECT tenant_id, -sum(captured_nanos) AS nanos FROM projection.usage_hour_tenant
    WHERE generation = {_LIVE} AND hour >= $2 AND hour < $3 AND ($1::bigint IS NULL OR tenant_id = $1)
    GROUP BY tenant_id
    UNION ALL SELECT tenant_id, -sum(captured_nanos) FROM projection.usage_hourly
    WHERE generation = {_LIVE} AND hour >= $3 AND hour < $4 AND ($1::bigint IS NULL OR tenant_id = $1)
    GROUP BY tenant_id
    UNION ALL SELECT tenant_id, -sum(captured_nanos) FROM projection.request_log
    WHERE generation = {_LIVE} AND recorded_at >= $4 AND recorded_at < $5
        AND ($1::bigint IS NULL OR tenant_id = $1) GROUP BY tenant_id
    UNION ALL SELECT tenant_id, sum(amount_nanos) FROM projection.credit_log
    WHERE generation = {_LIVE} AND recorded_at >= $2 AND recorded_at < $5
        AND ($1::bigint IS NULL OR tenant_id = $1) GROUP BY tenant_id
)
SELECT t.tenant_id, coalesce(b.balance_nanos, 0) + coalesce(m.nanos, 0) AS balance, NULL::numeric AS held
FROM t
LEFT JOIN LATERAL (
    SELECT balance_nanos FROM projection.balance_day AS d
    WHERE d.generation = {_LIVE} AND d.tenant_id = t.tenant_id AND d.day < $2 ORDER BY d.day DESC LIMIT 1
) AS b ON true
LEFT JOIN (SELECT tenant_id, sum(nanos) AS nanos FROM moved GROUP BY tenant_id) AS m ON m.tenant_id = t.tenant_id
WHERE b.balance_nanos IS NOT NULL OR m.nanos IS NOT NULL
"""

# For each moment what a day's end, closed hours, open hours and the hour's own rows say: a handful of rows each.
_AT_EACH: Final = f"""
SELECT (coalesce((
    SELECT balance_nanos FROM projection.balance_day
    WHERE generation = {_LIVE} AND tenant_id = $1 AND day < m.base ORDER BY day DESC LIMIT 1
), 0) - coalesce((
    SELECT sum(captured_nanos) FROM projection.usage_hour_tenant
    WHERE generation = {_LIVE} AND tenant_id = $1 AND hour >= m.base AND hour < m.known
), 0) - coalesce((
    SELECT sum(captured_nanos) FROM projection.usage_hourly
    WHERE generation = {_LIVE} AND tenant_id = $1 AND hour >= m.known AND hour < m.hour
), 0) - coalesce((
    SELECT sum(captured_nanos) FROM projection.request_log
    WHERE generation = {_LIVE} AND tenant_id = $1 AND recorded_at >= m.hour AND recorded_at < m.ends_at
), 0) + coalesce((
    SELECT sum(amount_nanos) FROM projection.credit_log
    WHERE generation = {_LIVE} AND tenant_id = $1 AND recorded_at >= m.base AND recorded_at < m.ends_at
), 0))::numeric
FROM unnest($2::timestamptz[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
    WITH ORDINALITY AS m (base, known, hour, ends_at, n) ORDER BY m.n
"""

# A hold and its end are of one day, the hold's, and no hold is made for longer than a day. So requests that have begun
# and not ended among the events of two days were open; positions of the request log, which is read by time, say which.
_HELD: Final = f"""
WITH lane AS MATERIALIZED (
    SELECT lane FROM ledger.account WHERE pool_id = $5 AND tenant_id = $1 AND credit_line LIMIT 1
), open AS MATERIALIZED (
    SELECT e.correlation_id AS hold_id, min(e.day) AS day FROM ledger.event AS e
    WHERE e.tenant_id = $1 AND e.lane = (SELECT lane FROM lane) AND e.day >= $2::date AND e.day <= $3::date
        AND e.type IN ('hold.authorized.v1', 'hold.captured.v1', 'hold.voided.v1', 'hold.expired.v1')
        AND e.recorded_at < $4
        AND e.position > coalesce((
            SELECT position FROM projection.request_log
            WHERE generation = {_LIVE} AND tenant_id = $1 AND lane = (SELECT lane FROM lane)
                AND recorded_at < $4 - interval '25 hours' AND recorded_at >= $4 - interval '3 days'
            ORDER BY recorded_at DESC LIMIT 1
        ), 0)
        AND e.position < coalesce((
            SELECT position FROM projection.request_log
            WHERE generation = {_LIVE} AND tenant_id = $1 AND lane = (SELECT lane FROM lane)
                AND recorded_at >= $4 AND recorded_at < $4 + interval '3 days'
            ORDER BY recorded_at LIMIT 1
        ), 9223372036854775807)
    GROUP BY e.correlation_id HAVING bool_and(e.type = 'hold.authorized.v1')
)
SELECT coalesce(sum(h.held), 0)::numeric FROM open
JOIN ledger.event AS e ON e.event_id = open.hold_id AND e.tenant_id = $1 AND e.day = open.day
CROSS JOIN LATERAL unnest(e.account_ids, e.held) AS h (account_id, held)
JOIN ledger.account AS a ON a.account_id = h.account_id AND a.tenant_id = $1 AND a.lane = e.lane AND a.pool_id = $5
"""


class WalletAt(msgspec.Struct, frozen=True):
    """What a tenant had at a moment."""

    tenant_id: TenantId
    balance_nanos: int
    """Below zero: owed."""
    held_nanos: int | None
    """None where it was not asked for."""


class Liabilities(msgspec.Struct, frozen=True):
    """What the operator owed at a moment: credit that nobody has spent yet."""

    at: dt.datetime
    unspent_nanos: int
    owed_nanos: int
    """What tenants owed the operator."""
    tenants: int
    wallets: tuple[WalletAt, ...]
    """The largest balances first."""


async def read_balances(
    pool: "Pool", *, at: dt.datetime | None, tenant_id: TenantId | None, now: dt.datetime, limit: int
) -> Liabilities:
    """Give the balances now (None), or as of a past moment: all that was recorded up to it, and nothing after."""
    if at is None or at >= now:
        rows = await pool.fetch(_NOW, tenant_id)
        return _liabilities(rows, now, limit)
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        rows = await _as_of(connection, at, tenant_id)
        held = await _held(connection, at, tenant_id) if tenant_id is not None else None
    found = _liabilities(rows, at, limit)
    if held is None:
        return found
    wallets = tuple(WalletAt(each.tenant_id, each.balance_nanos, held) for each in found.wallets)
    return msgspec.structs.replace(found, wallets=wallets)


async def balances_after(pool: "Pool", tenant_id: TenantId, moments: Sequence[dt.datetime]) -> list[int]:
    """Give a tenant's balance right after each moment, for what is listed beside a running balance."""
    if not moments:
        return []
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        closed = await closed_until(connection)
        rows = await connection.fetch(
            _AT_EACH, tenant_id, *(list(each) for each in zip(*(_steps(at, closed) for at in moments), strict=True))
        )
    return [int(row[0]) for row in rows]


def _steps(
    at: dt.datetime, closed_until_: dt.datetime | None
) -> tuple[dt.datetime, dt.datetime, dt.datetime, dt.datetime]:
    """Give the last day whose end is known, the last closed hour, the beginning of the moment's hour, and its end."""
    end = at + _MICROSECOND
    closed = closed_until_ or _BEGINNING
    hour = hour_of(end)
    known = min(closed, hour)
    # A day's balance is there once all of the day is closed.
    return (known.replace(hour=0) if closed > _BEGINNING else _BEGINNING), known, hour, end


async def _as_of(connection: "Connection", at: dt.datetime, tenant_id: TenantId | None) -> list["asyncpg.Record"]:
    return await connection.fetch(_AS_OF, tenant_id, *_steps(at, await closed_until(connection)))


async def _held(connection: "Connection", at: dt.datetime, tenant_id: TenantId) -> int:
    day = at.astimezone(dt.UTC).date()
    return int(
        await connection.fetchval(
            _HELD, tenant_id, day - dt.timedelta(days=1), day, at + _MICROSECOND, wallet(tenant_id)
        )
    )


def _liabilities(rows: list["asyncpg.Record"], at: dt.datetime, limit: int) -> Liabilities:
    wallets = [
        WalletAt(TenantId(row["tenant_id"]), int(row["balance"]), None if row["held"] is None else int(row["held"]))
        for row in rows
    ]
    wallets.sort(key=lambda each: (-each.balance_nanos, each.tenant_id))
    return Liabilities(
        at=at,
        unspent_nanos=sum(max(0, each.balance_nanos) for each in wallets),
        owed_nanos=-sum(min(0, each.balance_nanos) for each in wallets),
        tenants=len(wallets),
        wallets=tuple(wallets[:limit]),
    )
