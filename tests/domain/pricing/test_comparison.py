import datetime as dt
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from domain.ids import EntityId
from domain.pricing.comparison import below_cost, compare, gaps
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard

AT = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
PRICES = st.dictionaries(
    st.sampled_from("abc"), st.builds(ModelPrice, input=st.decimals(0, 9, places=2), output=st.decimals(0, 9, places=2))
)


def card(models: dict[str, ModelPrice], **more: dict[str, str]) -> RateCard:
    return RateCard(
        card_id=EntityId("c"), version=1, currency="USD", source="s", effective_from=AT, models=models, **more
    )


def price(input_: str, output: str) -> ModelPrice:
    return ModelPrice(input=Decimal(input_), output=Decimal(output))


def test_what_was_added_removed_raised_and_lowered_is_told_by_model_and_price() -> None:
    before = card({"gone": price("1", "2"), "same": price("1", "2"), "moved": price("1", "2")})
    after = card({"new": price("3", "4"), "same": price("1.0", "2"), "moved": price("2", "1.5")})

    told = [(d.model, d.price, d.change, d.before, d.after) for d in compare(before, after)]

    assert told == [
        ("gone", "input", "removed", Decimal(1), None),
        ("gone", "output", "removed", Decimal(2), None),
        ("moved", "input", "raised", Decimal(1), Decimal(2)),
        ("moved", "output", "lowered", Decimal(2), Decimal("1.5")),
        ("new", "input", "added", None, Decimal(3)),
        ("new", "output", "added", None, Decimal(4)),
    ]


def test_tiers_are_compared_by_where_they_begin() -> None:
    tiered = ModelPrice(input=Decimal(1), output=Decimal(2), tiers=(PriceTier(input_tokens_from=9, input=Decimal(3)),))

    (only,) = compare(card({"m": price("1", "2")}), card({"m": tiered}))

    assert (only.change, only.after) == ("added", Decimal(3))
    assert "9" in only.price


@given(one=PRICES, two=PRICES)
def test_a_card_differs_from_itself_in_nothing_and_from_another_the_same_way_back(
    one: dict[str, ModelPrice], two: dict[str, ModelPrice]
) -> None:
    assert compare(card(one), card(one)) == []
    there, back = compare(card(one), card(two)), compare(card(two), card(one))
    assert {(d.model, d.price, d.before, d.after) for d in there} == {
        (d.model, d.price, d.after, d.before) for d in back
    }


def test_a_served_model_without_a_price_is_a_gap_unless_an_alias_has_one() -> None:
    found = gaps(card({"m": price("1", "2")}, aliases={"best": "m"}), ["m", "best", "n", "n"])

    assert [(finding.code, finding.model, finding.severity) for finding in found] == [
        ("served_unpriced", "n", "warning")
    ]


def test_a_price_below_what_a_channel_costs_names_the_channel_and_both() -> None:
    found = below_cost(
        card({"m": price("1", "2")}), [("Vendor", "m", price("1", "2.5")), ("Vendor", "n", price("9", "9"))]
    )

    (finding,) = found
    assert (finding.code, finding.model) == ("below_cost", "m")
    assert "output at 2 is less than the 2.5 that the channel 'Vendor' costs" in finding.message
