from decimal import Decimal
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES, TokenClass, TokenUsage
from domain.money import AmountRangeError
from domain.pricing.charge import (
    ChargeFactors,
    affordable_output_tokens,
    charge,
    exact_text,
    reprice,
    worst_case,
)
from domain.pricing.rate_card import ModelPrice, PriceTier
from tests.domain.pricing.strategies import multipliers, prices, usages

TEXT = ModelPrice(input=Decimal("2.5"), cached_input=Decimal("1.25"), output=Decimal(10))
TINY = ModelPrice(input=Decimal("0.0005"), output=Decimal("0.0015"))
AUDIO = ModelPrice(input=Decimal("2.5"), audio_input=Decimal(40), output=Decimal(10), audio_output=Decimal(80))


@given(usages(), prices(), multipliers)
def test_the_recorded_factors_give_the_recorded_amount(
    usage: TokenUsage, price: ModelPrice, multiplier: Decimal
) -> None:
    made = charge(usage, price, multiplier)

    assert reprice(made.factors) == made.amount_nanos


@given(usages(), prices(), multipliers)
def test_factors_survive_storage_as_json(usage: TokenUsage, price: ModelPrice, multiplier: Decimal) -> None:
    made = charge(usage, price, multiplier)

    stored = msgspec.json.decode(msgspec.json.encode(made.factors), type=ChargeFactors)

    assert stored == made.factors
    assert reprice(stored) == made.amount_nanos


@given(usages(), prices(), multipliers)
def test_a_charge_is_within_half_a_nano_of_the_exact_value(
    usage: TokenUsage, price: ModelPrice, multiplier: Decimal
) -> None:
    made = charge(usage, price, multiplier)

    lines = sum((Fraction(line.subtotal_nanos) for line in made.factors.lines), Fraction(0))
    assert lines * Fraction(multiplier) == Fraction(made.exact_nanos)
    assert abs(Fraction(made.exact_nanos) - made.amount_nanos) <= Fraction(1, 2)


@given(usages(), prices(), multipliers)
def test_no_charge_is_negative(usage: TokenUsage, price: ModelPrice, multiplier: Decimal) -> None:
    assert charge(usage, price, multiplier).amount_nanos >= 0


@given(usages(), prices(), multipliers, multipliers)
def test_a_higher_multiplier_is_never_cheaper(
    usage: TokenUsage, price: ModelPrice, one: Decimal, other: Decimal
) -> None:
    low, high = sorted((one, other))

    assert charge(usage, price, low).amount_nanos <= charge(usage, price, high).amount_nanos


@given(usages(), prices(), st.sampled_from(OUTPUT_CLASSES), st.integers(1, 1000))
def test_more_output_is_never_cheaper(usage: TokenUsage, price: ModelPrice, grown: TokenClass, more: int) -> None:
    larger = msgspec.structs.replace(usage, **{grown: getattr(usage, grown) + more})

    assert charge(usage, price).amount_nanos <= charge(larger, price).amount_nanos


@given(usages(), usages(), prices(), multipliers)
def test_two_calls_cost_what_they_cost_together_but_for_the_rounding(
    one: TokenUsage, other: TokenUsage, price: ModelPrice, multiplier: Decimal
) -> None:
    flat = msgspec.structs.replace(price, tiers=(), per_image=None, per_image_by={})
    sums = {
        name: getattr(one, name) + getattr(other, name)
        for name in TokenUsage.__struct_fields__
        if name != "image_variant"
    }

    apart = charge(one, flat, multiplier).amount_nanos + charge(other, flat, multiplier).amount_nanos

    assert abs(charge(TokenUsage(**sums), flat, multiplier).amount_nanos - apart) <= 1


@given(st.data(), prices(), multipliers, st.integers(0, 4000), st.integers(0, 4000))
def test_no_usage_within_the_bounds_costs_more_than_the_worst_case(
    data: st.DataObject, price: ModelPrice, multiplier: Decimal, prompt_upper: int, output_max: int
) -> None:
    usage = data.draw(usages(input_max=prompt_upper, output_max=output_max))

    held = worst_case(prompt_upper, output_max, price, multiplier, other=usage)

    assert charge(usage, price, multiplier).amount_nanos <= held


@given(st.data(), prices(), multipliers, st.integers(0, 4000), st.integers(0, 4000))
def test_a_narrowed_worst_case_covers_every_usage_without_the_impossible_classes(
    data: st.DataObject, price: ModelPrice, multiplier: Decimal, prompt_upper: int, output_max: int
) -> None:
    impossible = data.draw(st.frozensets(st.sampled_from((*INPUT_CLASSES[1:], *OUTPUT_CLASSES[1:]))))
    drawn = data.draw(usages(input_max=prompt_upper, output_max=output_max))
    usage = msgspec.structs.replace(drawn, **dict.fromkeys(impossible, 0))

    held = worst_case(prompt_upper, output_max, price, multiplier, other=usage, impossible=impossible)

    assert charge(usage, price, multiplier).amount_nanos <= held
    assert held <= worst_case(prompt_upper, output_max, price, multiplier, other=usage)


@given(prices(), multipliers, st.integers(0, 4000), st.integers(0, 4000), st.integers(0, 10**10))
def test_the_affordable_limit_is_the_highest_whose_worst_case_is_covered(
    price: ModelPrice, multiplier: Decimal, prompt_upper: int, output_max: int, available: int
) -> None:
    limit = affordable_output_tokens(available, prompt_upper, output_max, price, multiplier)

    if limit is None:
        assert worst_case(prompt_upper, 0, price, multiplier) > available
    else:
        assert worst_case(prompt_upper, limit, price, multiplier) <= available
        assert limit == output_max or worst_case(prompt_upper, limit + 1, price, multiplier) > available


@given(st.integers(0, 50), st.integers(0, 50))
def test_the_affordable_limit_is_exact_at_rounding_halves(available: int, prompt_upper: int) -> None:
    limit = affordable_output_tokens(available, prompt_upper, 1000, TINY)

    if limit is None:
        assert worst_case(prompt_upper, 0, TINY) > available
    else:
        assert worst_case(prompt_upper, limit, TINY) <= available < worst_case(prompt_upper, limit + 1, TINY)


def test_the_output_of_a_model_that_charges_none_is_not_limited() -> None:
    embedding = ModelPrice(input=Decimal("0.02"))

    assert affordable_output_tokens(100, 5, 77, embedding) == 77
    assert affordable_output_tokens(99, 5, 77, embedding) is None


def test_a_hold_for_text_need_not_cover_audio() -> None:
    everything = worst_case(100, 100, AUDIO)
    text_only = worst_case(100, 100, AUDIO, impossible={"audio_input_tokens", "audio_output_tokens"})

    assert everything == 100 * 40_000 + 100 * 80_000
    assert text_only == 100 * 2_500 + 100 * 10_000


def test_a_prompt_that_may_reach_a_dearer_tier_is_held_for_at_that_tier() -> None:
    tiered = ModelPrice(
        input=Decimal(1), output=Decimal(4), tiers=(PriceTier(input_tokens_from=1000, output=Decimal(8)),)
    )

    assert worst_case(999, 10, tiered) == 999 * 1_000 + 10 * 4_000
    assert worst_case(1000, 10, tiered) == 1000 * 1_000 + 10 * 8_000


def test_a_cheaper_tier_does_not_lower_the_worst_case_of_the_shorter_prompts() -> None:
    falling = ModelPrice(input=Decimal(10), tiers=(PriceTier(input_tokens_from=101, input=Decimal(1)),))

    assert worst_case(200, 0, falling) == 100 * 10_000


def test_the_lines_say_what_was_counted_and_at_which_price() -> None:
    made = charge(TokenUsage(input_tokens=3, output_tokens=2, calls=1), TEXT, Decimal("1.1"))

    assert [(line.meter, line.quantity, line.price, line.per) for line in made.factors.lines] == [
        ("input_tokens", 3, Decimal("2.5"), 1_000_000),
        ("output_tokens", 2, Decimal(10), 1_000_000),
    ]
    assert [line.subtotal_nanos for line in made.factors.lines] == ["7500", "20000"]
    assert made.exact_nanos == "30250"
    assert made.factors.rounding == "half_even"
    assert made.list_nanos == 27_500


def test_a_worst_case_beyond_the_ledger_is_refused_rather_than_wrapped() -> None:
    with pytest.raises(AmountRangeError):
        worst_case(10**12, 10**12, ModelPrice(input=Decimal(1000), output=Decimal(10_000)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Fraction(0), "0"),
        (Fraction(5), "5"),
        (Fraction(100), "100"),
        (Fraction(1, 2), "0.5"),
        (Fraction(1, 1000), "0.001"),
        (Fraction(-1, 8), "-0.125"),
        (Fraction(12345, 100), "123.45"),
        (Fraction(1, 3), "1/3"),
        (Fraction(111, 36), "37/12"),
    ],
)
def test_exact_values_are_written_without_loss(value: Fraction, text: str) -> None:
    assert exact_text(value) == text


@given(st.fractions())
def test_exact_text_reads_back_as_the_same_number(value: Fraction) -> None:
    assert Fraction(exact_text(value)) == value
