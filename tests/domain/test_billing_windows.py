from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.billing_windows import Period, UnknownZoneError, window, zone_info

ZONES = [
    "UTC",
    "Asia/Shanghai",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "Europe/Berlin",
    "America/New_York",
    "America/Havana",  # clocks go back from 1:00 to 0:00: midnight comes twice
    "America/St_Johns",  # until 2011 clocks went back over midnight, at 0:01
    "America/Sao_Paulo",  # until 2018 clocks went forward at midnight, which did not exist
    "Asia/Beirut",
    "Australia/Lord_Howe",  # half an hour of daylight saving
    "Africa/Casablanca",
    "Pacific/Apia",  # 2011-12-30 was skipped as a whole
    "Pacific/Kiritimati",
]
PERIODS: list[Period] = ["minute", "day", "week", "month"]

moments = st.datetimes(datetime(1990, 1, 1), datetime(2037, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 -- bounds of a strategy must be naive


@given(moments, st.sampled_from(ZONES), st.sampled_from(PERIODS))
@example(datetime(2011, 12, 30, 10, 0, tzinfo=UTC), "Pacific/Apia", "day")
@example(datetime(2011, 12, 30, 9, 59, tzinfo=UTC), "Pacific/Apia", "day")
@example(datetime(2010, 11, 7, 2, 45, tzinfo=UTC), "America/St_Johns", "day")
@example(datetime(2026, 11, 1, 4, 30, tzinfo=UTC), "America/Havana", "day")
@example(datetime(2018, 11, 4, 3, 0, tzinfo=UTC), "America/Sao_Paulo", "day")
def test_windows_tile_time_without_gap_or_overlap(moment: datetime, zone: str, period: Period) -> None:
    here = window(period, moment, zone)

    assert here.starts_at is not None
    assert here.ends_at is not None
    assert here.starts_at <= moment < here.ends_at
    before = window(period, here.starts_at - timedelta(microseconds=1), zone)
    after = window(period, here.ends_at, zone)
    assert before.ends_at == here.starts_at
    assert after.starts_at == here.ends_at
    assert len({before.key, here.key, after.key}) == 3


@given(moments, st.sampled_from(ZONES), st.sampled_from(PERIODS), st.integers(0, 10**6))
def test_every_moment_of_a_window_gives_the_same_window(
    moment: datetime, zone: str, period: Period, fraction: int
) -> None:
    here = window(period, moment, zone)
    assert here.starts_at is not None
    assert here.ends_at is not None

    inside = here.starts_at + (here.ends_at - here.starts_at) * fraction / (10**6 + 1)

    assert window(period, inside, zone) == here


@pytest.mark.parametrize(
    ("period", "moment", "zone", "want"),
    [
        (
            "minute",
            "2026-11-23T22:15:59",
            "Asia/Kolkata",
            ("2026-11-23T22:15Z", "2026-11-23T22:15", "2026-11-23T22:16"),
        ),
        ("day", "2026-11-23T15:59:59", "Asia/Shanghai", ("2026-11-23", "2026-11-22T16:00", "2026-11-23T16:00")),
        ("day", "2026-11-23T16:00:00", "Asia/Shanghai", ("2026-11-24", "2026-11-23T16:00", "2026-11-24T16:00")),
        ("day", "2026-11-23T18:30:00", "Asia/Kolkata", ("2026-11-24", "2026-11-23T18:30", "2026-11-24T18:30")),
        ("day", "2026-03-29T12:00:00", "Europe/Berlin", ("2026-03-29", "2026-03-28T23:00", "2026-03-29T22:00")),
        ("day", "2026-10-25T12:00:00", "Europe/Berlin", ("2026-10-25", "2026-10-24T22:00", "2026-10-25T23:00")),
        ("day", "2018-11-04T12:00:00", "America/Sao_Paulo", ("2018-11-04", "2018-11-04T03:00", "2018-11-05T02:00")),
        ("week", "2026-11-22T15:59:59", "Asia/Shanghai", ("2026-W47", "2026-11-15T16:00", "2026-11-22T16:00")),
        ("week", "2026-11-22T16:00:00", "Asia/Shanghai", ("2026-W48", "2026-11-22T16:00", "2026-11-29T16:00")),
        ("week", "2027-01-03T12:00:00", "UTC", ("2026-W53", "2026-12-28T00:00", "2027-01-04T00:00")),
        ("month", "2026-12-31T23:00:00", "Europe/Berlin", ("2027-01", "2026-12-31T23:00", "2027-01-31T23:00")),
        ("month", "2026-03-31T12:00:00", "Europe/Berlin", ("2026-03", "2026-02-28T23:00", "2026-03-31T22:00")),
        ("month", "2028-02-29T12:00:00", "UTC", ("2028-02", "2028-02-01T00:00", "2028-03-01T00:00")),
    ],
)
def test_windows_follow_the_calendar_of_the_zone(
    period: Period, moment: str, zone: str, want: tuple[str, str, str]
) -> None:
    key, starts_at, ends_at = want
    found = window(period, datetime.fromisoformat(moment).replace(tzinfo=UTC), ZoneInfo(zone))

    assert found == (
        key,
        datetime.fromisoformat(starts_at).replace(tzinfo=UTC),
        datetime.fromisoformat(ends_at).replace(tzinfo=UTC),
    )


def test_an_hour_lived_twice_over_midnight_belongs_to_the_day_that_had_begun() -> None:
    # St John's, 2010-11-07: at 0:01 the clocks went back to 23:01 of the day before.
    second_half_past_eleven = datetime(2010, 11, 7, 3, 0, tzinfo=UTC)

    assert second_half_past_eleven.astimezone(ZoneInfo("America/St_Johns")).day == 6
    assert window("day", second_half_past_eleven, "America/St_Johns").key == "2010-11-07"


def test_the_total_never_ends() -> None:
    assert window("total", datetime(2026, 1, 1, tzinfo=UTC), "Asia/Kolkata") == ("total", None, None)


def test_a_moment_given_in_another_zone_is_the_same_moment() -> None:
    moment = datetime(2026, 11, 24, 0, 0, tzinfo=timezone(timedelta(hours=8)))

    assert window("day", moment, "UTC").key == "2026-11-23"


@pytest.mark.parametrize(
    "name", ["", "Mars/Olympus", "Asia", "../../etc/passwd", "/etc/localtime", "a\x00b", "x" * 5000]
)
def test_what_is_no_zone_is_refused(name: str) -> None:
    with pytest.raises(UnknownZoneError):
        zone_info(name)
