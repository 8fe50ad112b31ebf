"""Prices times a factor."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.pricing.rate_card import ModelPrice, PriceTier
from domain.pricing.scaling import scaled

PRICE = ModelPrice(
    input=Decimal("2.5"),
    cached_input=Decimal("0.075"),
    per_image=Decimal("0.04"),
    per_image_by={"1024x1024/hd": Decimal("0.08")},
    tiers=(PriceTier(input_tokens_from=200_000, input=Decimal(5)),),
    context_tokens_max=1000,
)


def test_everything_that_is_money_is_scaled_and_nothing_else() -> None:
    assert scaled(PRICE, Decimal("1.2")) == ModelPrice(
        input=Decimal(3),
        cached_input=Decimal("0.09"),
        per_image=Decimal("0.048"),
        per_image_by={"1024x1024/hd": Decimal("0.096")},
        tiers=(PriceTier(input_tokens_from=200_000, input=Decimal(6)),),
        context_tokens_max=1000,
    )


@pytest.mark.parametrize(("price", "factor", "text"), [("90", "10", "900"), ("0.1", "0", "0"), ("3", "0.333", "0.999")])
def test_a_price_is_written_plainly(price: str, factor: str, text: str) -> None:
    made = scaled(ModelPrice(input=Decimal(price)), Decimal(factor)).input
    assert made is not None
    assert str(made) == text


@given(
    st.decimals(min_value=0, max_value=10_000, places=9),
    st.decimals(min_value=0, max_value=1000, places=9),
)
def test_it_is_the_product_to_twelve_decimals(price: Decimal, factor: Decimal) -> None:
    made = scaled(ModelPrice(input=price), factor).input
    assert made is not None
    assert abs(made - price * factor) <= Decimal("0.0000000000005")


def test_one_changes_nothing() -> None:
    assert scaled(PRICE, Decimal(1)) == PRICE
