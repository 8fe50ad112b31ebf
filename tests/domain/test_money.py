from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import TallygateError
from domain.money import (
    NANOS_MAX,
    NANOS_MIN,
    NANOS_PER_UNIT,
    AmountFormatError,
    AmountRangeError,
    check_nanos,
    format_amount,
    parse_amount,
    round_half_even,
)

amounts = st.integers(NANOS_MIN, NANOS_MAX)


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("0", 0),
        ("-0", 0),
        ("1", 1_000_000_000),
        ("12.5", 12_500_000_000),
        ("12.50", 12_500_000_000),
        ("0.000000001", 1),
        ("-0.000000001", -1),
        ("007.1", 7_100_000_000),
        ("9223372036.854775807", NANOS_MAX),
        ("-9223372036.854775808", NANOS_MIN),
    ],
)
def test_plain_decimals_are_taken_exactly(text: str, nanos: int) -> None:
    assert parse_amount(text) == nanos


@pytest.mark.parametrize(
    "text",
    [
        "", " ", " 1", "1 ", "1\n", "+1", "--1", "1.", ".5", "1,5", "1_000", "1e3", "1E-9", "0x10",
        "NaN", "nan", "inf", "Infinity", "-", "1.0000000001", "1.2.3",
        "١٢", "\uff11", "½", "9" * 21, "9" * 5000,
    ],
)  # fmt: skip
def test_anything_else_is_refused_with_words(text: str) -> None:
    with pytest.raises(AmountFormatError, match="at most 9 decimal places") as refusal:
        parse_amount(text)

    assert refusal.value.code == "invalid_amount_format"
    assert len(str(refusal.value)) < 300
    assert isinstance(refusal.value, TallygateError)


@pytest.mark.parametrize("text", ["9223372036.854775808", "-9223372036.854775809", "9" * 20])
def test_what_a_ledger_column_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(AmountRangeError):
        parse_amount(text)


@pytest.mark.parametrize(
    ("nanos", "text"),
    [
        (0, "0"),
        (1, "0.000000001"),
        (-1, "-0.000000001"),
        (NANOS_PER_UNIT, "1"),
        (-1_500_000_000, "-1.5"),
        (10_000_000_000_000, "10000"),
        (NANOS_MIN, "-9223372036.854775808"),
    ],
)
def test_amounts_are_written_without_exponent_or_padding(nanos: int, text: str) -> None:
    assert format_amount(nanos) == text


@given(amounts)
def test_text_and_back_is_the_same_amount(nanos: int) -> None:
    text = format_amount(nanos)

    assert parse_amount(text) == nanos
    assert Decimal(text) == Decimal(nanos).scaleb(-9)


@pytest.mark.parametrize(
    ("numerator", "denominator", "rounded"),
    [
        (1, 2, 0),
        (3, 2, 2),
        (5, 2, 2),
        (7, 2, 4),
        (-1, 2, 0),
        (-3, 2, -2),
        (-5, 2, -2),
        (51, 100, 1),
        (49, 100, 0),
    ],
)
def test_halves_go_to_the_even_neighbor(numerator: int, denominator: int, rounded: int) -> None:
    assert round_half_even(numerator, denominator) == rounded


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**30))
def test_rounding_agrees_with_the_standard_library(numerator: int, denominator: int) -> None:
    assert round_half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(-(10**12), 10**12), st.integers(1, 1000))
def test_rounding_never_reverses_an_order(numerator: int, denominator: int) -> None:
    assert round_half_even(numerator, denominator) <= round_half_even(numerator + 1, denominator)


@pytest.mark.parametrize("denominator", [0, -1])
def test_a_denominator_that_is_not_positive_is_a_mistake(denominator: int) -> None:
    with pytest.raises(ValueError, match="must be positive"):
        round_half_even(1, denominator)


@given(amounts)
def test_an_amount_in_range_passes_the_check(nanos: int) -> None:
    assert check_nanos(nanos) == nanos


@pytest.mark.parametrize("nanos", [NANOS_MIN - 1, NANOS_MAX + 1])
def test_an_amount_out_of_range_fails_the_check(nanos: int) -> None:
    with pytest.raises(AmountRangeError):
        check_nanos(nanos)
