import datetime as dt
import itertools
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import EntityId, TenantId
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard
from domain.reports.focus import FORMULA_STARTS, csv_cells, guarded
from domain.reports.periods import BucketSize, ReportRangeError, buckets, cuts
from domain.reports.rerate import UsageGroup, price_group, rerate

UTC = dt.UTC
_HOUR = dt.timedelta(hours=1)


def at(text: str, zone: str = "UTC") -> dt.datetime:
    return dt.datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone))


@pytest.mark.parametrize(
    ("zone", "day", "hours"),
    [
        ("Europe/Berlin", "2026-03-29", 23),
        ("Europe/Berlin", "2026-10-25", 25),
        ("America/New_York", "2026-03-08", 23),
        ("America/New_York", "2026-11-01", 25),
        ("Australia/Lord_Howe", "2026-04-05", 24.5),
        ("Asia/Shanghai", "2026-03-29", 24),
    ],
)
def test_a_day_is_as_long_as_the_tenants_clock_says(zone: str, day: str, hours: float) -> None:
    begin = at(f"{day}T00:00:00", zone)
    (tile, *_) = buckets("day", begin, begin + dt.timedelta(days=3), zone)

    assert tile.ends_at - tile.starts_at == dt.timedelta(hours=hours)


@given(
    st.sampled_from(["hour", "day", "week", "month"]),
    st.datetimes(dt.datetime(2024, 1, 1), dt.datetime(2026, 12, 1), timezones=st.just(UTC)),  # noqa: DTZ001 -- timezones= says it
    st.timedeltas(dt.timedelta(seconds=1), dt.timedelta(days=40)),
    st.sampled_from(["UTC", "Asia/Kolkata", "Europe/Berlin", "America/New_York", "Pacific/Chatham"]),
)
def test_buckets_tile_their_range_and_so_do_hours_and_pieces(
    size: BucketSize, begin: dt.datetime, length: dt.timedelta, zone: str
) -> None:
    tiles = buckets(size, begin, begin + length, zone)

    assert (tiles[0].starts_at, tiles[-1].ends_at) == (begin, begin + length)
    assert all(one.ends_at == two.starts_at for one, two in itertools.pairwise(tiles))
    layout = cuts(tiles)
    whole = max(dt.timedelta(0), layout.last - layout.first) - len(layout.cut) * _HOUR
    pieces = sum((piece.ends_at - piece.starts_at for piece in layout.pieces), dt.timedelta(0))
    assert whole + pieces == length
    borders = {tile.starts_at for tile in tiles[1:]}
    assert all(
        not (hour < border < hour + _HOUR) or hour in layout.cut for border in borders for hour in _hours(layout)
    )


def _hours(layout: object) -> list[dt.datetime]:
    first, last = layout.first, layout.last  # type: ignore[attr-defined]  # a Cuts
    return [first + n * _HOUR for n in range(max(0, int((last - first) / _HOUR)))]


def test_ranges_that_make_no_report_are_refused() -> None:
    begin = at("2026-11-01T00:00:00")
    for size, length in (("minute", dt.timedelta(hours=7)), ("hour", dt.timedelta(days=80)), ("day", dt.timedelta(0))):
        with pytest.raises(ReportRangeError):
            buckets(size, begin, begin + length, "UTC")  # type: ignore[arg-type]  # each is a size
    with pytest.raises(ReportRangeError, match="zone"):
        buckets("day", begin.replace(tzinfo=None), begin, "UTC")


@pytest.mark.parametrize("start", FORMULA_STARTS)
def test_no_cell_of_text_is_a_formula(start: str) -> None:
    (cell,) = csv_cells({"Tags": f"{start}cmd|' /C calc'!A0"}, {"Tags": "text"})

    assert cell.startswith("'")


def test_amounts_and_plain_text_are_left_as_they_are() -> None:
    assert csv_cells({"a": -1_500_000_000, "b": "gpt-5", "c": None}, {"a": "amount", "b": "text", "c": "text"}) == [
        "-1.5",
        "gpt-5",
        "",
    ]
    assert guarded("") == ""


def _card(**models: ModelPrice) -> RateCard:
    return RateCard(
        card_id=EntityId("c"), version=1, currency="USD", source="t", effective_from=at("2026-01-01T00:00:00"),
        models=models,
    )  # fmt: skip


def _group(model: str, **fields: object) -> UsageGroup:
    values = {
        "tenant_id": TenantId(7), "model": model, "multiplier": Decimal("1.5"), "requests": 2,
        "quantities": {"input_tokens": 3000, "output_tokens": 10}, "charged_nanos": 1000,
    } | fields  # fmt: skip
    return UsageGroup(**values)  # type: ignore[arg-type]  # the fields above


def test_usage_is_rated_in_the_tier_that_its_prompts_reached() -> None:
    price = ModelPrice(
        input=Decimal(1), output=Decimal(2), per_call=Decimal("0.001"),
        tiers=(PriceTier(input_tokens_from=1500, input=Decimal(3)),),
    )  # fmt: skip
    card = _card(m=price)

    # (3000 x 1000 + 10 x 2000 + 2 x 1,000,000) x 1.5, then the same with 3000 x 3000.
    assert price_group(_group("m", input_tokens_each=1499), card) == 7_530_000
    assert price_group(_group("m", input_tokens_each=1500), card) == 16_530_000


def test_a_model_without_a_price_is_told_apart_from_a_free_one() -> None:
    rows = rerate([_group("m"), _group("lost"), _group("m")], _card(m=ModelPrice(input=Decimal(0), free=True)))

    assert [(row.model, row.rerated_nanos, row.difference_nanos) for row in rows] == [
        ("m", 0, -2000),
        ("lost", None, None),
    ]
