"""Budget windows: which minute, day, week or month of the tenant's own calendar a moment falls in.

A window's key is part of the name of the account that limits spending in it, so a new window has a new account
and nothing is ever reset. Windows of one period tile time: they have no gap and no overlap, in any zone.
"""

from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import ClassVar, Literal, NamedTuple, assert_never
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.errors import TallygateError

Period = Literal["minute", "day", "week", "month", "total"]
_DatedPeriod = Literal["day", "week", "month"]

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)


class UnknownZoneError(TallygateError):
    """The name is not a time zone of the IANA database."""

    code: ClassVar[str] = "unknown_time_zone"


class Window(NamedTuple):
    """A stretch of time that a limit applies to."""

    key: str
    """Names the window within its period: "2026-11-23T22:15Z", "2026-11-23", "2026-W48", "2026-11" or "total"."""
    starts_at: datetime | None
    """UTC, the first moment inside; None if it has always been open."""
    ends_at: datetime | None
    """UTC, the first moment outside; None if it never ends."""


def zone_info(name: str) -> ZoneInfo:
    """Give the time zone of an IANA name such as "Asia/Shanghai"; raises UnknownZoneError."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        # OSError: "" and "Asia" are a directory of the database; ValueError: a path that leads out of it.
        raise UnknownZoneError(f"{name!r} is not a time zone; use a name such as 'Asia/Shanghai' or 'UTC'") from error


def window(period: Period, now: datetime, zone: ZoneInfo | str = "UTC") -> Window:
    """Give the window of a period that holds the moment `now`, by the calendar of a zone.

    Weeks begin on Monday and bear ISO numbers. Minutes are those of UTC in every zone. Where clocks are set
    back over midnight, the hour that is lived twice belongs to the day that had begun already.
    """
    moment = now.astimezone(UTC)
    match period:
        case "total":
            return Window("total", None, None)
        case "minute":
            starts_at = moment.replace(second=0, microsecond=0)
            return Window(starts_at.strftime("%Y-%m-%dT%H:%MZ"), starts_at, starts_at + _MINUTE)
        case "day" | "week" | "month":
            return _dated_window(period, moment, zone if isinstance(zone, ZoneInfo) else zone_info(zone))
        case _:
            assert_never(period)


def _dated_window(period: _DatedPeriod, moment: datetime, zone: ZoneInfo) -> Window:
    found = _window_of_date(period, moment.astimezone(zone).date(), zone)
    assert found.ends_at is not None
    if moment >= found.ends_at:
        # Clocks went back over midnight: the calendar shows yesterday again, but today has begun.
        return _window_of_date(period, found.ends_at.astimezone(zone).date(), zone)
    return found


@lru_cache(maxsize=4096)
def _window_of_date(period: _DatedPeriod, day: date, zone: ZoneInfo) -> Window:
    match period:
        case "day":
            first, following, key = day, day + _DAY, day.isoformat()
        case "week":
            first = day - timedelta(days=day.weekday())
            following = first + timedelta(days=7)
            year, week, _ = day.isocalendar()
            key = f"{year:04d}-W{week:02d}"
        case "month":
            first = day.replace(day=1)
            following = (first + timedelta(days=31)).replace(day=1)
            key = f"{day.year:04d}-{day.month:02d}"
        case _:
            assert_never(period)
    return Window(key, _midnight(first, zone), _midnight(following, zone))


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Give the moment a local day begins: the first of two midnights, or the jump where midnight is skipped."""
    # fold=0 does both: of an ambiguous time it is the earlier moment, and a time that clocks jump over is read
    # with the offset from before the jump, which is the jump itself for the first skipped moment.
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
