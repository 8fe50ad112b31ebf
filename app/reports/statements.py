"""Statements: written once when a period is over, each beginning where the one before ended.

A period is a month of the tenant's calendar. Figures are sums over record times, so what turns up later (an adjustment,
late usage) is in the period that is open then. If a tenant moves to another zone, the running period begins where the
last statement ended, so that no moment is in two of them or in none.
"""

import bisect
import datetime as dt
import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Final, NamedTuple

import msgspec

from adapters.postgres.row_security import owner_of
from app.reports.usage import UsageQuery, UsageRow, read_usage
from domain.billing_windows import window, zone_info
from domain.errors import TallygateError
from domain.ids import Lane, TenantId
from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES
from domain.reports.periods import Bucket, buckets
from domain.reports.statement import CreditLine, DayMoves, ModelLine, Statement, running, seal
from projections.base import live
from projections.runner import advance
from projections.usage import USAGE

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

SETTLE: Final = dt.timedelta(minutes=5)
"""How long after its end a period is closed: what was being recorded at its last moment is in it by then."""
CURRENCY: Final = "USD"
_LIVE: Final = live("usage")

# ruff: noqa: S608 -- statements are put together from constants of this module; every value is a parameter


class UnknownPeriodError(TallygateError):
    """The tenant has no statement of this period: it is not over, or before the tenant's time."""

    code: ClassVar[str] = "not_found"


class StatementTamperedError(TallygateError):
    """What is stored is not what was written."""

    code: ClassVar[str] = "statement_tampered"


class Kept(NamedTuple):
    """A statement that is written."""

    statement: Statement
    sha256: str
    closed_at: dt.datetime


class Listed(NamedTuple):
    """A line of the list of statements."""

    period: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    closing_nanos: int
    sha256: str
    closed_at: dt.datetime


class _Totals(msgspec.Struct, frozen=True, kw_only=True):
    """What a list reads of a statement."""

    tenant_id: TenantId
    period: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    currency: str
    opening_nanos: int
    credited_nanos: int
    charged_nanos: int
    closing_nanos: int


class Summary(_Totals, frozen=True, kw_only=True):
    """A written statement with its totals."""

    sha256: str
    closed_at: dt.datetime


class Statements:
    """Closes and reads statements."""

    def __init__(self, pool: "Pool") -> None:
        """Take connections to work on."""
        self._pool = pool

    async def close(self, tenant_id: TenantId, zone: str, now: dt.datetime) -> int:
        """Write the statements of all periods that are over; give how many. Two at once write each once."""
        written = 0
        while True:
            starts_at, opening, before = await self._end(tenant_id)
            if starts_at is None:
                return written
            period, ends_at = _period(starts_at, zone, before)
            if ends_at + SETTLE > now:
                return written
            if not written:
                await self._catch_up(tenant_id)
            statement = await self._make(tenant_id, period, Bucket(starts_at, ends_at), zone, opening)
            body, digest = seal(statement)
            await self._pool.execute(
                "INSERT INTO projection.statement"
                " (tenant_id, starts_at, ends_at, period, closing_nanos, sha256, body)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
                tenant_id,
                starts_at,
                ends_at,
                period,
                statement.closing_nanos,
                digest,
                body,
            )
            written += 1

    async def current(self, tenant_id: TenantId, zone: str, now: dt.datetime) -> Statement | None:
        """Give the open period so far; None for a tenant to whom nothing has happened yet."""
        await self.close(tenant_id, zone, now)
        await self._catch_up(tenant_id)
        starts_at, opening, before = await self._end(tenant_id)
        if starts_at is None:
            return None
        period, ends_at = _period(starts_at, zone, before)
        return await self._make(tenant_id, period, Bucket(starts_at, max(ends_at, now)), zone, opening)

    async def read(self, tenant_id: TenantId, period: str) -> Kept:
        """Give a written statement; raises UnknownPeriodError, StatementTamperedError."""
        row = await self._pool.fetchrow(
            "SELECT body, sha256, closed_at FROM projection.statement WHERE tenant_id = $1 AND period = $2",
            tenant_id,
            period,
        )
        if row is None:
            raise UnknownPeriodError(f"There is no closed statement {period}: `current` is the open period.")
        if hashlib.sha256(row["body"]).hexdigest() != row["sha256"]:
            raise StatementTamperedError(f"The stored statement {period} is not the one that was written.")
        return Kept(msgspec.json.decode(row["body"], type=Statement), row["sha256"], row["closed_at"])

    async def list(self, tenant_id: TenantId, limit: int) -> list[Listed]:
        """Give the written statements, the latest first."""
        rows = await self._pool.fetch(
            "SELECT period, starts_at, ends_at, closing_nanos::bigint, sha256, closed_at FROM projection.statement"
            " WHERE tenant_id = $1 ORDER BY starts_at DESC LIMIT $2",
            tenant_id,
            limit,
        )
        return [Listed(*row) for row in rows]

    async def search(
        self,
        *,
        tenant_id: TenantId | None,
        period: str | None,
        before: tuple[dt.datetime, int] | None,
        limit: int,
    ) -> Sequence["Summary"]:
        """Give written statements of all tenants, the latest first, before a place (its beginning and tenant).

        The index `statement_time` serves it; what is in the body is decoded for the rows that are given only.
        """
        rows = await self._pool.fetch(
            "SELECT tenant_id, sha256, closed_at, body FROM projection.statement"
            " WHERE ($1::bigint IS NULL OR tenant_id = $1) AND ($2::text IS NULL OR period = $2)"
            " AND ($3::timestamptz IS NULL OR (starts_at, tenant_id) < ($3, $4))"
            " ORDER BY starts_at DESC, tenant_id DESC LIMIT $5",
            tenant_id,
            period,
            *(before or (None, None)),
            limit,
        )
        return [
            Summary(
                **msgspec.structs.asdict(msgspec.json.decode(row["body"], type=_Totals)),
                sha256=row["sha256"],
                closed_at=row["closed_at"],
            )
            for row in rows
        ]

    async def _end(self, tenant_id: TenantId) -> tuple[dt.datetime | None, int, str]:
        """Give where the open period begins, with what balance, and the last one's name; None if nothing happened."""
        row = await self._pool.fetchrow(
            "SELECT ends_at, closing_nanos::bigint, period FROM projection.statement WHERE tenant_id = $1"
            " ORDER BY starts_at DESC LIMIT 1",
            tenant_id,
        )
        if row is not None:
            return row[0], row[1], row[2]
        first: dt.datetime | None = await self._pool.fetchval(
            f"SELECT least((SELECT min(hour) FROM projection.usage_hourly WHERE generation = {_LIVE}"
            f" AND tenant_id = $1), (SELECT date_trunc('hour', min(recorded_at), 'UTC') FROM projection.credit_log"
            f" WHERE generation = {_LIVE} AND tenant_id = $1))",
            tenant_id,
        )
        return first, 0, ""

    async def _catch_up(self, tenant_id: TenantId) -> None:
        for row in await self._pool.fetch("SELECT lane FROM ledger.lane WHERE tenant_id = $1", tenant_id):
            await advance(owner_of(self._pool), USAGE, tenant_id, Lane(row["lane"]))

    async def _make(self, tenant_id: TenantId, period: str, span: Bucket, zone: str, opening_nanos: int) -> Statement:
        tiles = buckets("day", *span, zone)
        usage = await read_usage(
            self._pool, UsageQuery(tiles=tiles, tenant_id=tenant_id, groups=("model_billed",), top=100_000), {}
        )
        credits_ = await self._credits(tenant_id, span)
        charged = sum(row.sums["captured_nanos"] for row in usage)
        credited = sum(line.amount_nanos for line in credits_)
        return Statement(
            tenant_id=tenant_id,
            period=period,
            starts_at=span.starts_at,
            ends_at=span.ends_at,
            zone=zone,
            currency=CURRENCY,
            opening_nanos=opening_nanos,
            credited_nanos=credited,
            charged_nanos=charged,
            closing_nanos=opening_nanos + credited - charged,
            credits=credits_,
            models=_models(usage),
            days=running(opening_nanos, _days(tiles, usage, credits_, zone)),
        )

    async def _credits(self, tenant_id: TenantId, span: Bucket) -> tuple[CreditLine, ...]:
        rows = await self._pool.fetch(
            "SELECT recorded_at, lane, position, kind, source, amount_nanos, grant_id, reference"
            f" FROM projection.credit_log WHERE generation = {_LIVE} AND tenant_id = $1"
            " AND recorded_at >= $2 AND recorded_at < $3 ORDER BY recorded_at, lane",
            tenant_id,
            *span,
        )
        return tuple(
            CreditLine(
                at=row["recorded_at"],
                lane=row["lane"],
                position=row["position"],
                kind=row["kind"],
                source=row["source"],
                amount_nanos=row["amount_nanos"],
                grant_id=row["grant_id"],
                reference=row["reference"],
            )
            for row in rows
        )


def _period(starts_at: dt.datetime, zone: str, before: str) -> tuple[str, dt.datetime]:
    key, _, ends_at = window("month", starts_at, zone)
    assert ends_at is not None
    if key == before:
        # The tenant moved to a zone further west: the rest of the month that it has a statement of joins the next.
        key, _, ends_at = window("month", ends_at, zone)
        assert ends_at is not None
    return key, ends_at


def _models(usage: Sequence[UsageRow]) -> tuple[ModelLine, ...]:
    by_model: dict[str, dict[str, int]] = {}
    for row in usage:
        sums = by_model.setdefault(row.keys[0], {})
        for name, amount in row.sums.items():
            sums[name] = sums.get(name, 0) + amount
    return tuple(
        ModelLine(
            model=model,
            requests=sums["requests"],
            adjustments=sums["adjustments"],
            input_tokens=sum(sums[name] for name in INPUT_CLASSES),
            output_tokens=sum(sums[name] for name in OUTPUT_CLASSES),
            charged_nanos=sums["captured_nanos"],
        )
        for model, sums in sorted(by_model.items())
        if sums["requests"] or sums["adjustments"]
    )


def _days(
    tiles: Sequence[Bucket], usage: Sequence[UsageRow], credits_: Sequence[CreditLine], zone: str
) -> list[DayMoves]:
    charged, credited = [0] * len(tiles), [0] * len(tiles)
    for row in usage:
        charged[row.bucket] += row.sums["captured_nanos"]
    starts = [tile.starts_at for tile in tiles]
    for line in credits_:
        credited[bisect.bisect_right(starts, line.at) - 1] += line.amount_nanos
    place = zone_info(zone)
    names = [tile.starts_at.astimezone(place).date().isoformat() for tile in tiles]
    return [DayMoves(*each) for each in zip(names, credited, charged, strict=True)]
