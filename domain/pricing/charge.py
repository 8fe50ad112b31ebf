"""Charges: a usage, a price and a multiplier make an amount, exactly, and with one rounding.

    amount = round_half_even( sum over meters of quantity x unit price  x  multiplier )

The sum is an integer over a common denominator (`rates.py`), so nothing is lost before the rounding, and the
whole is fast enough to run twice in every request: once for the hold and once for the capture.
"""

from collections.abc import Collection
from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from typing import ClassVar, Final, Literal, NamedTuple

import msgspec

from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES, Meter, TokenClass, TokenUsage
from domain.money import NANOS_PER_UNIT, check_nanos, format_amount, round_half_even
from domain.pricing.rate_card import ModelPrice, PricingError
from domain.pricing.rates import Rates, TierRates

ONE: Final = Decimal(1)


class AllowanceExhaustedError(PricingError):
    """The group uses the model for free within its allowance, and the allowance does not cover the call."""

    code: ClassVar[str] = "allowance_exhausted"


class ChargeLine(msgspec.Struct, frozen=True):
    """One meter of a charge."""

    meter: Meter
    quantity: int
    price: Decimal
    """Units of currency for `per` of the meter, before the multiplier."""
    per: int

    @property
    def nanos(self) -> Fraction:
        """The line's nano-units before the multiplier, exactly."""
        return Fraction(self.price) * self.quantity * NANOS_PER_UNIT / self.per

    @property
    def subtotal_nanos(self) -> str:
        """The same as text: a plain decimal, or "numerator/denominator" where no decimal is exact."""
        return exact_text(self.nanos)


class ChargeFactors(msgspec.Struct, frozen=True, omit_defaults=True):
    """All that a charge was made of: enough to compute it again with no rate card at hand."""

    lines: tuple[ChargeLine, ...]
    """The meters that counted something; a price of zero is a line too."""
    multiplier: Decimal = ONE
    input_tokens_from: int = 0
    """Where the price tier begins that the prompt reached; 0 for the base prices."""
    rounding: Literal["half_even"] = "half_even"


class Due(NamedTuple):
    """Who pays for a charge."""

    wallet_nanos: int
    allowance_nanos: int
    """Taken from the group's free allowance, valued at the price with multiplier 1."""


class Charge(msgspec.Struct, frozen=True):
    """What a call costs, and why."""

    amount_nanos: int
    factors: ChargeFactors

    @property
    def exact_nanos(self) -> str:
        """The amount before it was rounded, as text."""
        return exact_text(_exact(self.factors, self.factors.multiplier))

    @property
    def list_nanos(self) -> int:
        """The amount that the same usage costs with multiplier 1."""
        return _rounded(_exact(self.factors, ONE))

    @property
    def due(self) -> Due:
        """Who pays: the wallet, or with multiplier 0 the free allowance, at the list amount."""
        if self.factors.multiplier == 0:
            return Due(0, self.list_nanos)
        return Due(self.amount_nanos, 0)


def charge(usage: TokenUsage, price: ModelPrice, multiplier: Decimal = ONE) -> Charge:
    """Give what a usage costs; raises AmountRangeError if a ledger column cannot hold it."""
    rates = price.rates
    tier = rates.tiers[0] if len(rates.tiers) == 1 else rates.tier_for(usage.input_total)
    lines = []
    scaled = 0
    for meter, unit_price, per, nanos_scaled in tier.rates:
        quantity: int = getattr(usage, meter)
        if quantity:
            lines.append(ChargeLine(meter, quantity, unit_price, per))
            scaled += quantity * nanos_scaled
    if usage.images and (image := rates.image_rate(usage.image_variant)) is not None:
        lines.append(ChargeLine("images", usage.images, image.price, image.per))
        scaled += usage.images * image.nanos_scaled
    factors = ChargeFactors(tuple(lines), multiplier, tier.input_tokens_from)
    return Charge(_amount(scaled, rates, multiplier), factors)


def reprice(factors: ChargeFactors) -> int:
    """Compute the amount again from what was recorded, by another way than `charge` took."""
    return _rounded(_exact(factors, factors.multiplier))


def worst_case(
    prompt_tokens_upper: int,
    output_tokens_max: int,
    price: ModelPrice,
    multiplier: Decimal = ONE,
    *,
    other: TokenUsage | None = None,
    impossible: Collection[TokenClass] = (),
) -> int:
    """Give the most that a call can cost: what to hold before it is made.

    Every token counts at the dearest class of its direction, in the dearest tier that a prompt of up to this
    length can reach, so no split of the tokens costs more. `other` says what else the call consumes
    (calls, images, milliseconds, characters, searches; its tokens are not read); by default, one call. `impossible`
    names classes that the request rules out, such as audio output of a request for text: less is held.
    """
    rates = price.rates
    rest = _without_tokens(other if other is not None else _ONE_CALL, rates)
    scaled = max(
        _prompt_scaled(reach, tier, impossible) + output_tokens_max * _dearest_output(tier, impossible)
        for tier, reach in _reachable(rates, prompt_tokens_upper)
    )
    return _amount(scaled + rest, rates, multiplier)


def affordable_output_tokens(
    available_nanos: int,
    prompt_tokens_upper: int,
    output_tokens_max: int,
    price: ModelPrice,
    multiplier: Decimal = ONE,
    *,
    other: TokenUsage | None = None,
    impossible: Collection[TokenClass] = (),
) -> int | None:
    """Give the highest output limit, up to `output_tokens_max`, whose worst case is within what is available.

    None if not even the prompt is. This is the exact inverse of `worst_case`: one token more would exceed.
    """
    rates = price.rates
    numerator, denominator = _ratio(multiplier)
    # round_half_even(x) <= a  <=>  2x < 2a + 1, or 2x == 2a + 1 where a is even.
    bound = (2 * available_nanos + 1) * rates.denominator * denominator - (available_nanos & 1)
    rest = _without_tokens(other if other is not None else _ONE_CALL, rates)
    affordable = output_tokens_max
    for tier, reach in _reachable(rates, prompt_tokens_upper):
        spare = bound - 2 * numerator * (_prompt_scaled(reach, tier, impossible) + rest)
        if spare < 0:
            return None
        each = 2 * numerator * _dearest_output(tier, impossible)
        if each:
            affordable = min(affordable, spare // each)
    return affordable


def check_allowance(allowance_nanos: int, remaining_nanos: int) -> int:
    """Give what the allowance has left after paying this much; raises AllowanceExhaustedError if it cannot.

    A call that would cross the end of the allowance is refused whole: it is never split between the allowance
    and the wallet, for the group's multiplier says that the wallet pays nothing.
    """
    if allowance_nanos > remaining_nanos:
        raise AllowanceExhaustedError(
            f"the free allowance has {format_amount(remaining_nanos)} left, "
            f"and this call may use {format_amount(allowance_nanos)}"
        )
    return remaining_nanos - allowance_nanos


def exact_text(value: Fraction) -> str:
    """Write a number exactly: as a plain decimal if it has one, else as "numerator/denominator"."""
    denominator = value.denominator
    places = 0
    for factor in (2, 5):
        count = 0
        while denominator % factor == 0:
            denominator //= factor
            count += 1
        places = max(places, count)
    if denominator != 1:
        return f"{value.numerator}/{value.denominator}"
    digits = str(abs(value.numerator) * 10**places // value.denominator).rjust(places + 1, "0")
    sign = "-" if value < 0 else ""
    return f"{sign}{digits[:-places]}.{digits[-places:]}" if places else f"{sign}{digits}"


_ONE_CALL: Final = TokenUsage()


@lru_cache(maxsize=1024)
def _ratio(multiplier: Decimal) -> tuple[int, int]:
    return multiplier.as_integer_ratio()


def _amount(scaled: int, rates: Rates, multiplier: Decimal) -> int:
    numerator, denominator = _ratio(multiplier)
    return check_nanos(round_half_even(scaled * numerator, rates.denominator * denominator))


def _exact(factors: ChargeFactors, multiplier: Decimal) -> Fraction:
    return sum((line.nanos for line in factors.lines), Fraction(0)) * Fraction(multiplier)


def _rounded(exact: Fraction) -> int:
    return round_half_even(exact.numerator, exact.denominator)


def _reachable(rates: Rates, prompt_tokens_upper: int) -> list[tuple[TierRates, int]]:
    """Give the tiers that a prompt of up to this length can reach, each with the longest prompt in it."""
    reachable = []
    for index, tier in enumerate(rates.tiers):
        if tier.input_tokens_from > prompt_tokens_upper:
            break
        following = rates.tiers[index + 1 : index + 2]
        longest = min([prompt_tokens_upper, *(after.input_tokens_from - 1 for after in following)])
        reachable.append((tier, longest))
    return reachable


def _prompt_scaled(tokens: int, tier: TierRates, impossible: Collection[TokenClass]) -> int:
    if tier.by_meter.keys().isdisjoint(impossible):
        return tokens * tier.dearest_input
    return tokens * max((tier.by_meter.get(name, 0) for name in INPUT_CLASSES if name not in impossible), default=0)


def _dearest_output(tier: TierRates, impossible: Collection[TokenClass]) -> int:
    if tier.by_meter.keys().isdisjoint(impossible):
        return tier.dearest_output
    return max((tier.by_meter.get(name, 0) for name in OUTPUT_CLASSES if name not in impossible), default=0)


def _without_tokens(other: TokenUsage, rates: Rates) -> int:
    """Give what calls, audio, characters, searches and images cost, scaled; images of unknown kind at the dearest."""
    by_meter = rates.tiers[0].by_meter
    scaled = (
        other.calls * by_meter.get("calls", 0)
        + other.milliseconds * by_meter.get("milliseconds", 0)
        + other.characters * by_meter.get("characters", 0)
        + other.searches * by_meter.get("searches", 0)
    )
    if not other.images:
        return scaled
    image = rates.image_rate(other.image_variant) if other.image_variant else None
    return scaled + other.images * (image.nanos_scaled if image is not None else rates.dearest_image)
