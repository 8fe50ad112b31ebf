"""Stretches of time of a report: buckets of a zone's own calendar, and how they lie on the hours of UTC."""

import datetime as dt
from collections.abc import Sequence
from typing import ClassVar, Final, Literal, NamedTuple

from domain.billing_windows import window, zone_info
from domain.errors import TallygateError

BucketSize = Literal["minute", "hour", "day", "week", "month"]

BUCKETS_MAX: Final = 1500
MINUTES_RANGE_MAX: Final = dt.timedelta(hours=6)
"""Minutes are added up from the request log, not from sums."""

_HOUR: Final = dt.timedelta(hours=1)
_STEP: Final = {"minute": dt.timedelta(minutes=1), "hour": _HOUR}


class ReportRangeError(TallygateError):
    """A range of time that no report can be about."""

    code: ClassVar[str] = "report_range"


class Bucket(NamedTuple):
    """One stretch: from `starts_at` up to, and not with, `ends_at`; both in UTC."""

    starts_at: dt.datetime
    ends_at: dt.datetime


class Cuts(NamedTuple):
    """How buckets lie on the hours of UTC."""

    first: dt.datetime
    """The whole hours begin here, and end at `last`; equal if there are none."""
    last: dt.datetime
    cut: tuple[dt.datetime, ...]
    """Hours within that a bucket begins or ends in the middle of: their sums are of no use."""
    pieces: tuple[Bucket, ...]
    """What has to be added up from single rows: the cut hours, and what is left over at both ends."""


def buckets(size: BucketSize, starts_at: dt.datetime, ends_at: dt.datetime, zone: str) -> tuple[Bucket, ...]:
    """Tile a range with the buckets of a zone's calendar; the first and the last are cut to the range.

    Days have 23 or 25 hours when clocks change. Raises ReportRangeError, UnknownZoneError.
    """
    first, last = check_range(starts_at, ends_at)
    if size == "minute" and last - first > MINUTES_RANGE_MAX:
        raise ReportRangeError("Minutes are given for at most 6 hours at once: ask for less, or for hours.")
    found: list[Bucket] = []
    moment = first
    while moment < last:
        if len(found) == BUCKETS_MAX:
            raise ReportRangeError(f"That would be more than {BUCKETS_MAX} buckets: ask for less, or for larger ones.")
        following = min(_end_of(size, moment, zone), last)
        found.append(Bucket(moment, following))
        moment = following
    return tuple(found)


def check_range(starts_at: dt.datetime, ends_at: dt.datetime) -> Bucket:
    """Give a range in UTC; raises ReportRangeError unless both ends have a zone and it is not empty."""
    if starts_at.utcoffset() is None or ends_at.utcoffset() is None:
        raise ReportRangeError("Times need a zone: write 2026-11-24T00:00:00Z, or with an offset.")
    try:
        found = Bucket(starts_at.astimezone(dt.UTC), ends_at.astimezone(dt.UTC))
    except OverflowError:
        raise ReportRangeError("Times must lie between the years 2000 and 2200.") from None
    if found.starts_at >= found.ends_at:
        raise ReportRangeError("The range is empty: `to` must be after `from`.")
    if found.starts_at.year < 2000 or found.ends_at.year > 2200:  # noqa: PLR2004 -- the years that the message names
        raise ReportRangeError("Times must lie between the years 2000 and 2200.")
    return found


def _end_of(size: BucketSize, moment: dt.datetime, zone: str) -> dt.datetime:
    if size in _STEP:
        step = _STEP[size]
        # Hours begin when a clock of the zone says so: half an hour off, where the zone is.
        offset = moment.astimezone(zone_info(zone)).utcoffset() or dt.timedelta(0)
        into = (moment - dt.datetime(2000, 1, 1, tzinfo=dt.UTC) + offset) % step
        return moment - into + step
    ends_at = window(size, moment, zone).ends_at  # type: ignore[arg-type]  # day, week or month: minute and hour are above
    assert ends_at is not None
    return ends_at


def cuts(tiles: Sequence[Bucket]) -> Cuts:
    """Say which whole hours of UTC lie in buckets that tile a range, and what is left beside them."""
    first, last = tiles[0].starts_at, tiles[-1].ends_at
    whole_from, whole_to = _ceiling(first), hour_of(last)
    if whole_from > whole_to:
        return Cuts(whole_to, whole_to, (), (Bucket(first, last),))
    cut = tuple(dict.fromkeys(hour_of(b.starts_at) for b in tiles[1:] if b.starts_at != hour_of(b.starts_at)))
    inside = tuple(hour for hour in cut if whole_from <= hour < whole_to)
    pieces = [Bucket(hour, hour + _HOUR) for hour in inside]
    if first < whole_from:
        pieces.insert(0, Bucket(first, whole_from))
    if whole_to < last:
        pieces.append(Bucket(whole_to, last))
    return Cuts(whole_from, whole_to, inside, tuple(_joined(pieces)))


def _joined(pieces: Sequence[Bucket]) -> list[Bucket]:
    """Make one piece of those that touch: where every hour is cut there would be hundreds."""
    joined: list[Bucket] = []
    for piece in pieces:
        if joined and joined[-1].ends_at == piece.starts_at:
            joined[-1] = Bucket(joined[-1].starts_at, piece.ends_at)
        else:
            joined.append(piece)
    return joined


def hour_of(moment: dt.datetime) -> dt.datetime:
    """Give the beginning of the hour (UTC) of a moment."""
    return moment.replace(minute=0, second=0, microsecond=0)


def _ceiling(moment: dt.datetime) -> dt.datetime:
    floor = hour_of(moment)
    return floor if floor == moment else floor + _HOUR
