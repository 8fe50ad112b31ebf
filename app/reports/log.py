"""The request log: pages by key, never by offset, newest first; and what came in since, for the live log and exports.

A page with a rare filter would have to look through all that there is. It looks for a bounded time, and then says how
far it came: `next` goes on from there.
"""

import datetime as dt
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.ids import TenantId
from domain.metering.usage import TOKEN_CLASSES
from domain.reports.periods import Bucket, ReportRangeError
from projections.base import live
from projections.usage import LOG_COLUMNS

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]

LOOK_SECONDS: Final = 0.06
"""How long a page looks for rows; the slice that it is in is finished."""
_QUICK_SECONDS: Final = 0.01
_SLOW_SECONDS: Final = 0.04
_CHUNK: Final = 2000
_SLICE: Final = dt.timedelta(days=1)
_SLICE_MIN: Final = dt.timedelta(hours=1)
_SLICE_MAX: Final = dt.timedelta(days=16)
_SLICE_ROWS: Final = 200_000
"""The most that a slice has to look through, should no index help: a tenth of a second."""
_RECENT: Final = dt.timedelta(days=2)
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_LIVE: Final = live("usage")
_PLANNED: Final = (
    "SELECT set_config('plan_cache_mode', 'force_custom_plan', true), set_config('jit', 'off', true),"
    " set_config('max_parallel_workers_per_gather', '0', true)"
)
"""Whether a value is rare says which index finds it: each statement is planned for its values. Compiling one would take
longer than what it does, and two cores for one reader would make others wait."""
_DENSEST_DAY: Final = """
SELECT coalesce(max(reltuples), 0) FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'projection.request_log'::regclass
"""
_COLUMNS: Final = ", ".join(name for name in LOG_COLUMNS if name != "generation")

# ruff: noqa: S608 -- statements are put together from constants of this module; every value is a parameter

TOKENS: Final = f"({' + '.join(TOKEN_CLASSES)})"
EQUAL: Final[Mapping[str, str]] = {
    "state": "text",
    "request_id": "uuid",
    "token_id": "text",
    "user_id": "text",
    "surface": "text",
    "stream": "boolean",
    "cached": "boolean",
    "model_asked": "text",
    "model_routed": "text",
    "model_billed": "text",
    "channel_id": "text",
    "outcome": "text",
    "status": "integer",
    "code": "text",
    "basis": "text",
    "multiplier": "numeric",
    "multiplier_id": "text",
    "card_id": "text",
    "card_version": "integer",
    "limit_name": "text",
}
"""Columns that a filter names a value of, with their types."""
RANGES: Final[Mapping[str, str]] = {
    "attempts": "attempts",
    "latency_milliseconds": "latency_milliseconds",
    "first_byte_milliseconds": "first_byte_milliseconds",
    "tokens": TOKENS,
    "input_tokens": "input_tokens",
    "cached_input_tokens": "cached_input_tokens",
    "output_tokens": "output_tokens",
    "reasoning_tokens": "reasoning_tokens",
    "charged_nanos": "captured_nanos",
    "allowance_nanos": "allowance_nanos",
    "overrun_nanos": "overrun_nanos",
    "cost_nanos": "cost_nanos",
    "margin_nanos": "(captured_nanos - cost_nanos)",
}
"""What a filter names bounds of, both included."""


class Cursor(NamedTuple):
    """Where a row stands: the order of the log is (record time, tenant, lane)."""

    recorded_at: dt.datetime
    tenant_id: int
    lane: int
    position: int

    def text(self) -> str:
        """Give what a client sends back: also the id of a row."""
        micros = (self.recorded_at - _EPOCH) // _MICROSECOND
        return f"{micros}-{self.tenant_id}-{self.lane}-{self.position}"


def cursor_of(text: str) -> Cursor:
    """Read a cursor; raises ReportRangeError for what is none."""
    parts = text.split("-")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 18 for part in parts):  # noqa: PLR2004
        raise ReportRangeError("This is no position of the log: send `next`, or the id of a row, as it was given.")
    micros, tenant_id, lane, position = (int(part) for part in parts)
    return Cursor(_EPOCH + _MICROSECOND * min(micros, 7 * 10**15), tenant_id, lane, position)


class LogQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for."""

    range: Bucket
    tenant_id: TenantId | None = None
    equal: Mapping[str, Any] = {}
    """By name in EQUAL."""
    least: Mapping[str, int] = {}
    most: Mapping[str, int] = {}
    """By name in RANGES."""
    tag: str | None = None
    channels: Sequence[str] | None = None
    """Only these, as a filter by vendor says."""
    states: Sequence[str] | None = None


class LogPage(NamedTuple):
    """A part of the log, the newest first."""

    rows: list["asyncpg.Record"]
    next: str | None
    searched_to: dt.datetime
    """Everything from here on has been looked at."""


class _Where:
    def __init__(self, query: LogQuery) -> None:
        self.values: list[Any] = []
        self.conditions = [f"generation = {_LIVE}"]
        if query.tenant_id is not None:
            self.add("tenant_id = {}", query.tenant_id, "bigint")
        for name, value in query.equal.items():
            self.add(f"{name} = {{}}", value, EQUAL[name])
        for name, bound in query.least.items():
            self.add(f"{RANGES[name]} >= {{}}", bound, "bigint")
        for name, bound in query.most.items():
            self.add(f"{RANGES[name]} <= {{}}", bound, "bigint")
        if query.tag is not None:
            self.add("{} = ANY (tags)", query.tag, "text")
        if query.channels is not None:
            self.add("channel_id = ANY ({})", list(query.channels), "text[]")
        if query.states is not None:
            self.add("state = ANY ({})", list(query.states), "text[]")

    def add(self, condition: str, value: Any, type_: str) -> None:
        self.values.append(value)
        self.conditions.append(condition.format(f"${len(self.values)}::{type_}"))

    def within(self, first: dt.datetime, last: dt.datetime) -> None:
        self.add("recorded_at >= {}", first, "timestamptz")
        self.add("recorded_at < {}", last, "timestamptz")

    def text(self) -> str:
        return " AND ".join(self.conditions)


async def read_page(pool: "Pool", query: LogQuery, *, after: str | None, limit: int) -> LogPage:
    """Give the next rows; fewer than `limit`, with a `next`, where the look took too long. Raises ReportRangeError."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.fetchrow(_PLANNED)
        return await _look(connection, query, after=after, limit=limit)


async def _look(connection: "Connection", query: LogQuery, *, after: str | None, limit: int) -> LogPage:
    cursor = cursor_of(after) if after is not None else None
    upper = min(query.range.ends_at, cursor.recorded_at + _MICROSECOND) if cursor else query.range.ends_at
    if cursor is None:
        # Nothing is newer than the newest row: a range that ends in the future begins where there is something.
        newest = await _newest(connection, query)
        upper = min(upper, newest + _MICROSECOND) if newest else query.range.starts_at
    rows: list[asyncpg.Record] = []
    until, longest = time.monotonic() + LOOK_SECONDS, await _longest_slice(connection)
    size = min(_SLICE, longest)
    while upper > query.range.starts_at and len(rows) <= limit and time.monotonic() < until:
        began = time.monotonic()
        lower = max(query.range.starts_at, upper - size)
        rows += await _slice(connection, query, lower, upper, cursor=cursor, limit=limit + 1 - len(rows))
        upper = lower
        size = min(_next_size(size, time.monotonic() - began), longest)
    if len(rows) > limit:
        last = place_of(rows[limit - 1])
        return LogPage(rows[:limit], last.text(), last.recorded_at)
    if upper <= query.range.starts_at:
        return LogPage(rows, None, query.range.starts_at)
    return LogPage(rows, Cursor(upper - _MICROSECOND, 10**17 - 1, 0, 0).text(), upper)


async def _longest_slice(connection: "Connection") -> dt.timedelta:
    """Give how long a slice may be: that one was quickly done by index says little about what the next one holds."""
    densest: float = await connection.fetchval(_DENSEST_DAY)
    return max(_SLICE_MIN, min(_SLICE_MAX, dt.timedelta(days=_SLICE_ROWS / max(densest, 1.0))))


def _next_size(size: dt.timedelta, seconds: float) -> dt.timedelta:
    """Give how long the next slice is: where there is much to look through, the last one must not take long."""
    if seconds < _QUICK_SECONDS:
        return min(4 * size, _SLICE_MAX)
    return max(min(size, _SLICE) / 4, _SLICE_MIN) if seconds > _SLOW_SECONDS else min(size, _SLICE)


async def _newest(connection: "Connection", query: LogQuery) -> dt.datetime | None:
    """Give when the last row of a range was recorded: looked for in its last days first, not in a year's partitions.

    Of this tenant alone: where a page ends must not tell when somebody else last asked for something.
    """
    where = "recorded_at >= $1 AND recorded_at < $2"
    values: list[int] = []
    if query.tenant_id is not None:
        where, values = f"{where} AND tenant_id = $3", [query.tenant_id]
    span = _RECENT
    while True:
        lower = max(query.range.starts_at, query.range.ends_at - span)
        newest: dt.datetime | None = await connection.fetchval(
            f"SELECT max(recorded_at) FROM projection.request_log WHERE {where}",
            lower,
            query.range.ends_at,
            *values,
        )
        if newest is not None or lower == query.range.starts_at:
            return newest
        span *= 8


async def _slice(
    connection: "Connection",
    query: LogQuery,
    lower: dt.datetime,
    upper: dt.datetime,
    *,
    cursor: Cursor | None,
    limit: int,
) -> list["asyncpg.Record"]:
    where = _Where(query)
    where.within(lower, upper)
    if cursor is not None:
        where.add("(recorded_at, tenant_id, lane) < ({}", cursor.recorded_at, "timestamptz")
        for value in (cursor.tenant_id, cursor.lane):
            where.values.append(value)
            where.conditions[-1] += f", ${len(where.values)}::bigint"
        where.conditions[-1] += ")"
    return await connection.fetch(
        f"SELECT {_COLUMNS} FROM projection.request_log WHERE {where.text()}"
        f" ORDER BY recorded_at DESC, tenant_id DESC, lane DESC LIMIT {limit:d}",
        *where.values,
    )


def place_of(row: Any) -> Cursor:
    """Give where a row stands."""
    return Cursor(row["recorded_at"], row["tenant_id"], row["lane"], row["position"])


def id_of(row: Any) -> str:
    """Give the id of a row: unique, and in the order of the log."""
    return place_of(row).text()


async def read_since(
    pool: "Pool", query: LogQuery, since: dt.datetime, limit: int, *, given: Iterable[Cursor] = ()
) -> list["asyncpg.Record"]:
    """Give what was recorded from a moment on, the oldest first.

    `given` are the last rows that a reader has of some lanes. Each lane is in order by itself, so that nothing of it up
    to there is given again: the rows are left out by PostgreSQL, where that costs least.
    """
    where = _Where(query)
    where.add("recorded_at >= {}", since, "timestamptz")
    lanes = [(cursor.tenant_id, cursor.lane, cursor.position) for cursor in given]
    if lanes:
        first = len(where.values) + 1
        where.values += map(list, zip(*lanes, strict=True))
        where.conditions.append(
            f"NOT EXISTS (SELECT FROM unnest(${first}::bigint[], ${first + 1}::bigint[], ${first + 2}::bigint[])"
            " AS given (tenant_id, lane, position) WHERE given.tenant_id = request_log.tenant_id"
            " AND given.lane = request_log.lane AND given.position >= request_log.position)"
        )
    return await pool.fetch(
        f"SELECT {_COLUMNS} FROM projection.request_log WHERE {where.text()}"
        f" ORDER BY recorded_at, tenant_id, lane LIMIT {limit:d}",
        *where.values,
    )


async def walk(pool: "Pool", query: LogQuery, *, after: tuple[int, int, int] | None) -> AsyncIterator[list[Any]]:
    """Give all rows in the order (tenant, lane, position), in pieces; `after` is where an export was cut.

    A row that is recorded meanwhile comes at the end of its lane, so that what was given never moves.
    """
    lanes = await pool.fetch(
        "SELECT tenant_id, lane FROM ledger.lane WHERE ($1::bigint IS NULL OR tenant_id = $1) ORDER BY tenant_id, lane",
        query.tenant_id,
    )
    for tenant_id, lane in lanes:
        if after is not None and (tenant_id, lane) < after[:2]:
            continue
        position = after[2] if after is not None and (tenant_id, lane) == after[:2] else 0
        since = query.range.starts_at
        while True:
            where = _Where(msgspec.structs.replace(query, tenant_id=tenant_id))
            where.within(since, query.range.ends_at)
            where.add("lane = {}", lane, "bigint")
            where.add("position > {}", position, "bigint")
            rows = await pool.fetch(
                f"SELECT {_COLUMNS} FROM projection.request_log WHERE {where.text()}"
                f" ORDER BY recorded_at LIMIT {_CHUNK}",
                *where.values,
            )
            if rows:
                yield rows
            if len(rows) < _CHUNK:
                break
            since, position = rows[-1]["recorded_at"], rows[-1]["position"]


_LAST_CALLS: Final = f"""
SELECT t.tenant_id, r.recorded_at
FROM unnest($1::bigint[]) AS t (tenant_id)
CROSS JOIN LATERAL (
    SELECT recorded_at FROM projection.request_log
    WHERE tenant_id = t.tenant_id AND generation = {_LIVE} ORDER BY recorded_at DESC LIMIT 1
) AS r
"""


async def last_calls(pool: "Pool", tenant_ids: Sequence[TenantId]) -> dict[TenantId, dt.datetime]:
    """Give when something last happened in the log of each of these tenants; those without anything are left out."""
    rows = await pool.fetch(_LAST_CALLS, list(tenant_ids))
    return {TenantId(row["tenant_id"]): row["recorded_at"] for row in rows}
