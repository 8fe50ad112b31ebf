"""Latency and availability over time, from the rows of the projection `pulse`; refusals by reason.

There are rows of 5 minutes, of an hour and of a day (UTC), and a page reads the longest that its buckets allow; rows of
each channel, of each model, of both, and of all together, so that it reads as many as it shows, whatever the number of
requests. The primary key (tenant, kind of row, time) gives just those.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from domain.ids import TenantId
from domain.reports.periods import Bucket, ReportRangeError
from projections.base import live
from projections.pulse import ALL, BOUNDS, CLASSES, COLUMNS, COUNTS, DAY, EVERYBODY, HOUR, SHORT

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

By = Literal["model", "channel"]
_COLUMN: Final[Mapping[By, str]] = {"model": "model", "channel": "channel_id"}
_LIVE: Final = live("pulse")
_SHORT_MAX: Final = dt.timedelta(hours=48)
_HOURS_MAX: Final = dt.timedelta(days=45)
_ONE_DAY: Final = dt.timedelta(days=1)
_TOO_FINE: Final = (
    "Latencies are kept by 5 minutes for 48 hours of all tenants together, by model or by channel; by the hour for"
    f" {_HOURS_MAX.days} days, and by the day of UTC beyond: ask for larger buckets, the zone UTC, or less at once."
)
_GROUPED_BUCKETS_MAX: Final = 400
_LAST_MILLISECONDS: Final = 600_000
"""What the class without a bound is taken to end at: no request takes longer."""
_BOUNDS: Final = (*BOUNDS, _LAST_MILLISECONDS)

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

    @property
    def is_grouped(self) -> bool:
        """Whether there may be many rows for each bucket."""
        return ("model" in self.by and self.model is None) or ("channel" in self.by and self.channel_id is None)


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
    return percentiles(classes, percent)[0]


def percentiles(classes: Sequence[int], *percents: int) -> list[int | None]:
    """Give several percentiles of the same requests."""
    passed = list(accumulate(classes))
    total = passed[-1]
    if not total:
        return [None] * len(percents)
    found: list[int | None] = []
    for percent in percents:
        # The rank as a whole number: the smallest that so many percent are at or below.
        rank = -(-total * percent // 100) or 1
        n = bisect_left(passed, rank)
        before, lower = (passed[n - 1], _BOUNDS[n - 1]) if n else (0, 0)
        found.append(lower + (_BOUNDS[n] - lower) * (rank - before) // (passed[n] - before))
    return found


async def read_pulse(pool: "Pool", query: PulseQuery) -> list[PulseRow]:
    """Give the counts of each bucket and group; raises ReportRangeError for what no kind of row can tell."""
    stretches = stretches_of(query)
    values: list[Any] = [
        query.tenant_id if query.tenant_id is not None else EVERYBODY,
        [tile.starts_at for tile in query.tiles],
        *(list(column) for column in zip(*stretches, strict=True)),
    ]
    where = [f"generation = {_LIVE}", "tenant_id = $1", "minutes = s.kind", "at >= s.starts_at", "at < s.ends_at"]
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
        f"SELECT greatest(width_bucket(at, $2::timestamptz[]) - 1, 0) AS n{keys}, {_SUMS}"
        " FROM unnest($3::smallint[], $4::timestamptz[], $5::timestamptz[]) AS s (kind, starts_at, ends_at)"
        # Without OFFSET the planner may join what it thinks is most of the table, and reads all of it.
        f" CROSS JOIN LATERAL (SELECT * FROM projection.pulse WHERE {' AND '.join(where)} OFFSET 0) AS p"
        f" GROUP BY {numbers} ORDER BY {numbers}",
        *values,
    )
    return [_row(row, 1 + len(query.by)) for row in rows]


class Stretch(NamedTuple):
    """A part of the range that is read from one kind of row."""

    minutes: int
    starts_at: dt.datetime
    ends_at: dt.datetime


def stretches_of(query: PulseQuery) -> list[Stretch]:
    """Say what is read from which kind of row: whole days (UTC) that no bucket cuts by the day, the rest by the hour.

    Up to two days of everybody are read by 5 minutes. A range that begins within a row has all of that row.
    """
    first, last = query.tiles[0].starts_at, query.tiles[-1].ends_at
    starts = [tile.starts_at for tile in query.tiles[1:]]
    is_joint = len({*query.by, *(["model"] if query.model else []), *(["channel"] if query.channel_id else [])}) > 1
    is_short = query.tenant_id is None and not is_joint and last - first <= _SHORT_MAX
    if is_short and all(_is_at(start, SHORT) for start in starts):
        return [Stretch(SHORT, _floor(first, SHORT), last)]
    if not all(_is_at(start, HOUR) for start in starts):
        raise ReportRangeError(_TOO_FINE)
    if query.is_grouped and len(starts) >= _GROUPED_BUCKETS_MAX:
        raise ReportRangeError(
            f"Models or channels are told apart in at most {_GROUPED_BUCKETS_MAX} buckets: ask for larger ones, less at"
            " once, or for one of them."
        )
    found: list[Stretch] = []
    cut = {_floor(start, DAY) for start in starts if start != _floor(start, DAY)}
    moment = _floor(first, HOUR)
    while moment < last:
        following = _floor(moment, DAY) + _ONE_DAY
        is_whole = moment == _floor(moment, DAY) and following <= last and moment not in cut
        kind = DAY if is_whole else HOUR
        if found and found[-1].minutes == kind:
            found[-1] = found[-1]._replace(ends_at=min(following, last))
        else:
            found.append(Stretch(kind, moment, min(following, last)))
        moment = following
    hours = sum((each.ends_at - each.starts_at for each in found if each.minutes == HOUR), dt.timedelta())
    if hours > _HOURS_MAX:
        raise ReportRangeError(_TOO_FINE)
    return found


def _floor(moment: dt.datetime, minutes: int) -> dt.datetime:
    """Give the beginning of the row that a moment is in."""
    hour = moment.replace(minute=0, second=0, microsecond=0)
    if minutes == DAY:
        return hour.replace(hour=0)
    return hour if minutes == HOUR else hour.replace(minute=moment.minute - moment.minute % SHORT)


def _is_at(moment: dt.datetime, minutes: int) -> bool:
    return moment.second == moment.microsecond == 0 and moment.minute % minutes == 0


def _row(row: "asyncpg.Record", first: int) -> PulseRow:
    values = tuple(row)
    latency = first + len(COUNTS)
    return PulseRow(
        bucket=values[0],
        keys=values[1:first],
        counts=dict(zip(COUNTS, values[first:latency], strict=True)),
        latency=values[latency : latency + CLASSES],
        first_byte=values[latency + CLASSES :],
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
    """Count refusals by reason, and by model if wished. The most first."""
    model = "model" if by_model else "NULL::text"
    rows = await pool.fetch(
        f"SELECT greatest(width_bucket(hour, $2::timestamptz[]) - 1, 0) AS n, reason, {model} AS model,"
        " sum(refusals)::bigint AS refusals FROM projection.refusal_hour"
        f" WHERE generation = {_LIVE} AND tenant_id = $1 AND hour >= $3 AND hour < $4"
        f" AND model {'<>' if by_model else '='} $5 GROUP BY 1, 2, 3 ORDER BY 1, 4 DESC, 2, 3 LIMIT $6",
        tenant_id if tenant_id is not None else EVERYBODY,
        [tile.starts_at for tile in tiles],
        _floor(tiles[0].starts_at, HOUR),
        tiles[-1].ends_at,
        ALL,
        limit,
    )
    return [
        RefusalRow(bucket=row["n"], reason=row["reason"], model=row["model"], refusals=row["refusals"]) for row in rows
    ]
