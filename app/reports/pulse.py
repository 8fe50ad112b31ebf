"""Latency and availability over time, from the rows of the projection `pulse`; refusals by reason.

A page reads one kind of row: of 5 minutes for up to two days of everybody, of an hour for up to a bit more than a
month, of a day (UTC) beyond. There are rows of each channel, of each model, of both, and of all
together, so a page reads as many as it shows, whatever the number of requests; the primary key (tenant, kind of row,
time) gives just those.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from domain.ids import TenantId
from domain.reports.periods import Bucket, ReportRangeError
from projections.base import live
from projections.pulse import ALL, BOUNDS, CLASSES, COLUMNS, COUNTS, DAY, EVERYBODY, FIRST_BYTE, HOUR, LATENCY, SHORT

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

By = Literal["model", "channel"]
_COLUMN: Final[Mapping[By, str]] = {"model": "model", "channel": "channel_id"}
_LIVE: Final = live("pulse")
_SHORT_MAX: Final = dt.timedelta(hours=48)
_HOURS_MAX: Final = dt.timedelta(days=45)
_LAST_MILLISECONDS: Final = 600_000
"""What the class without a bound is taken to end at: no request takes longer."""

# ruff: noqa: S608 -- statements are put together from constants of this module; every value is a parameter

_SUMS: Final = ", ".join(f"sum({name})::bigint AS {name}" for name in COLUMNS)


class PulseQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to add up; None narrows nothing."""

    tiles: tuple[Bucket, ...]
    tenant_id: TenantId | None = None
    """None: everybody together."""
    by: tuple[By, ...] = ()
    model: str | None = None
    channel_id: str | None = None


class PulseRow(msgspec.Struct, frozen=True, kw_only=True):
    """What was counted of one group in one bucket."""

    bucket: int
    keys: tuple[str, ...]
    counts: Mapping[str, int]
    latency: tuple[int, ...]
    first_byte: tuple[int, ...]

    @property
    def asked(self) -> int:
        """Requests that were let in and have ended."""
        return self.counts["requests"] + self.counts["voids"] + self.counts["expired"]

    @property
    def tokens_per_second(self) -> int | None:
        """Output tokens for each second from the first byte to the last; None where nothing came in pieces."""
        milliseconds = self.counts["stream_milliseconds"]
        return self.counts["output_tokens"] * 1000 // milliseconds if milliseconds else None


def percentile(classes: Sequence[int], percent: int) -> int | None:
    """Give the milliseconds that so many percent of requests did not exceed, by interpolation; None of nothing."""
    total = sum(classes)
    if not total:
        return None
    # The rank as a whole number: the smallest that so many percent are at or below.
    rank = max(1, -(-total * percent // 100))
    passed = 0
    for n, count in enumerate(classes):
        if passed + count >= rank:
            lower = BOUNDS[n - 1] if n else 0
            upper = BOUNDS[n] if n < len(BOUNDS) else _LAST_MILLISECONDS
            return lower + (upper - lower) * (rank - passed) // count
        passed += count
    raise AssertionError("the rank is within the total")


async def read_pulse(pool: "Pool", query: PulseQuery) -> list[PulseRow]:
    """Give the counts of each bucket and group; raises ReportRangeError for what no kind of row can tell."""
    minutes = _minutes(query)
    values: list[Any] = [
        query.tenant_id if query.tenant_id is not None else EVERYBODY,
        minutes,
        [tile.starts_at for tile in query.tiles],
        _beginning(query.tiles[0].starts_at, minutes),
        query.tiles[-1].ends_at,
    ]
    where = [f"generation = {_LIVE}", "tenant_id = $1", "minutes = $2", "at >= $4", "at < $5"]
    for name, value in (("model", query.model), ("channel", query.channel_id)):
        column = _COLUMN[name]  # type: ignore[index]  # of these two
        if value is None and name in query.by:
            values.append(ALL)
            where.append(f"{column} <> ${len(values)}")
        else:
            values.append(value if value is not None else ALL)
            where.append(f"{column} = ${len(values)}")
    keys = "".join(f", {_COLUMN[name]} AS k{n}" for n, name in enumerate(query.by))
    numbers = ", ".join(str(n + 1) for n in range(len(query.by) + 1))
    rows = await pool.fetch(
        f"SELECT width_bucket(at, $3::timestamptz[]) - 1 AS n{keys}, {_SUMS} FROM projection.pulse"
        f" WHERE {' AND '.join(where)} GROUP BY {numbers} ORDER BY {numbers}",
        *values,
    )
    return [_row(row, len(query.by)) for row in rows]


def _minutes(query: PulseQuery) -> int:
    tiles = query.tiles
    span = tiles[-1].ends_at - tiles[0].starts_at
    starts = [tile.starts_at for tile in tiles]
    is_joint = len({*query.by, *(["model"] if query.model else []), *(["channel"] if query.channel_id else [])}) > 1
    if (
        query.tenant_id is None
        and not is_joint
        and span <= _SHORT_MAX
        and all(_is_at(start, SHORT) for start in starts[1:])
    ):
        return SHORT
    if span <= _HOURS_MAX and all(_is_at(start, HOUR) for start in starts[1:]):
        return HOUR
    if all(start == start.replace(hour=0, minute=0, second=0, microsecond=0) for start in starts[1:]):
        return DAY
    raise ReportRangeError(
        "Latencies are kept by 5 minutes for 48 hours of all tenants together, by model or by channel; by the hour for"
        f" {_HOURS_MAX.days} days, and by the day of UTC beyond: ask for larger buckets, the zone UTC, or less at once."
    )


def _beginning(moment: dt.datetime, minutes: int) -> dt.datetime:
    """Give the beginning of the row that a moment is in: a range that begins within it has all of it."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if minutes == DAY:
        return hour.replace(hour=0)
    return hour if minutes == HOUR else hour.replace(minute=moment.minute - moment.minute % SHORT)


def _is_at(moment: dt.datetime, minutes: int) -> bool:
    return moment.second == moment.microsecond == 0 and moment.minute % minutes == 0


def _row(row: "asyncpg.Record", keys: int) -> PulseRow:
    return PulseRow(
        bucket=max(0, row["n"]),
        keys=tuple(row[f"k{n}"] for n in range(keys)),
        counts={name: row[name] for name in COUNTS},
        latency=tuple(row[name] for name in LATENCY),
        first_byte=tuple(row[name] for name in FIRST_BYTE),
    )


def joined(rows: Sequence[PulseRow]) -> PulseRow:
    """Add rows up; nothing gives a row of nothing."""
    return PulseRow(
        bucket=0,
        keys=(),
        counts={name: sum(row.counts[name] for row in rows) for name in COUNTS},
        latency=tuple(sum(row.latency[n] for row in rows) for n in range(CLASSES)),
        first_byte=tuple(sum(row.first_byte[n] for row in rows) for n in range(CLASSES)),
    )


class RefusalRow(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals for one reason in one bucket."""

    bucket: int
    reason: str
    model: str | None
    """None where models are not told apart."""
    refusals: int


async def read_refusals(
    pool: "Pool", tiles: Sequence[Bucket], *, tenant_id: TenantId | None, by_model: bool, limit: int
) -> list[RefusalRow]:
    """Count refusals by reason, and by model if wished: of hours, by the index on their time. The most first."""
    model = "model" if by_model else "NULL::text"
    rows = await pool.fetch(
        f"SELECT width_bucket(hour, $2::timestamptz[]) - 1 AS n, reason, {model} AS model,"
        " sum(refusals)::bigint AS refusals FROM projection.refusal_hour"
        f" WHERE generation = {_LIVE} AND hour >= $3 AND hour < $4 AND ($1::bigint IS NULL OR tenant_id = $1)"
        " GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3 LIMIT $5",
        tenant_id,
        [tile.starts_at for tile in tiles],
        tiles[0].starts_at.replace(minute=0, second=0, microsecond=0),
        tiles[-1].ends_at,
        limit,
    )
    return [
        RefusalRow(bucket=max(0, row["n"]), reason=row["reason"], model=row["model"], refusals=row["refusals"])
        for row in rows
    ]
