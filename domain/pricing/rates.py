"""Prices made ready for arithmetic: an integer per meter over one denominator, worked out once per model."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from math import lcm
from typing import TYPE_CHECKING, Final, NamedTuple

from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES, Meter, TokenClass
from domain.money import NANOS_PER_UNIT

if TYPE_CHECKING:
    from domain.pricing.rate_card import ModelPrice, PriceTier

PER_MILLION: Final = 1_000_000
MILLISECONDS_PER_SECOND: Final = 1_000
MILLISECONDS_PER_HOUR: Final = 3_600_000

PRICE_FIELD: Final[Mapping[TokenClass, str]] = {name: name.removesuffix("_tokens") for name in TOKEN_CLASSES}
"""The field of a price that each class of tokens is paid by."""


class Rate(NamedTuple):
    """The price of one meter: as published, and as an integer."""

    meter: Meter
    price: Decimal
    """Units of currency for `per` of the meter."""
    per: int
    nanos_scaled: int
    """Nano-units for one of the meter, times the denominator of the Rates it belongs to."""


class TierRates(NamedTuple):
    """The rates in force from one prompt length on."""

    input_tokens_from: int
    """Input tokens at which this tier begins; 0 for the base prices."""
    rates: tuple[Rate, ...]
    """Tokens by class, calls, milliseconds, characters and searches; images have variants and stand apart."""
    by_meter: Mapping[Meter, int]
    """The same as `meter -> nanos_scaled`."""
    dearest_input: int
    """The highest scaled rate of any class of input tokens; likewise output below."""
    dearest_output: int


class Rates(NamedTuple):
    """A model's prices as integers."""

    denominator: int
    tiers: tuple[TierRates, ...]
    """By rising `input_tokens_from`; the first is the base."""
    image_rates: Mapping[str, Rate]
    """By variant; "" is the price of a variant that the card does not name."""
    dearest_image: int

    def tier_for(self, input_total: int) -> TierRates:
        """Give the tier that a prompt of this many tokens is priced by, as a whole."""
        chosen = self.tiers[0]
        for tier in self.tiers[1:]:
            if input_total < tier.input_tokens_from:
                break
            chosen = tier
        return chosen

    def image_rate(self, variant: str) -> Rate | None:
        """Give the price of an image: its variant's, else its size's, else the default."""
        rates = self.image_rates
        return rates.get(variant) or rates.get(variant.partition("/")[0]) or rates.get("")


class _Priced(NamedTuple):
    meter: Meter
    price: Decimal
    per: int

    def nanos(self) -> Fraction:
        return Fraction(self.price) * NANOS_PER_UNIT / self.per


def compile_rates(price: "ModelPrice") -> Rates:
    """Work out a model's integer rates; costs tens of microseconds, so ModelPrice keeps the result."""
    tiers = [(0, _tier_prices(price, None))]
    tiers += [(tier.input_tokens_from, _tier_prices(price, tier)) for tier in price.tiers]
    images = {variant: _Priced("images", each, 1) for variant, each in _image_prices(price).items()}
    everything = [priced for _, listed in tiers for priced in listed] + list(images.values())
    denominator = lcm(1, *(priced.nanos().denominator for priced in everything))

    def scaled(priced: _Priced) -> Rate:
        return Rate(priced.meter, priced.price, priced.per, int(priced.nanos() * denominator))

    image_rates = {variant: scaled(priced) for variant, priced in images.items()}
    return Rates(
        denominator,
        tuple(_tier(starts, tuple(scaled(priced) for priced in listed)) for starts, listed in tiers),
        image_rates,
        max((rate.nanos_scaled for rate in image_rates.values()), default=0),
    )


def _tier(input_tokens_from: int, rates: tuple[Rate, ...]) -> TierRates:
    by_meter = {rate.meter: rate.nanos_scaled for rate in rates}
    return TierRates(
        input_tokens_from,
        rates,
        by_meter,
        max((by_meter[name] for name in INPUT_CLASSES if name in by_meter), default=0),
        max((by_meter[name] for name in OUTPUT_CLASSES if name in by_meter), default=0),
    )


def _tier_prices(price: "ModelPrice", tier: "PriceTier | None") -> list[_Priced]:
    prices: list[_Priced] = []
    for name in PRICE_FIELD:
        per_million = price.token_price(name, tier)
        if per_million is not None:
            prices.append(_Priced(name, per_million, PER_MILLION))
    if price.per_call is not None:
        prices.append(_Priced("calls", price.per_call, 1))
    if price.per_second is not None:
        prices.append(_Priced("milliseconds", price.per_second, MILLISECONDS_PER_SECOND))
    if price.per_hour is not None:
        prices.append(_Priced("milliseconds", price.per_hour, MILLISECONDS_PER_HOUR))
    if price.per_character is not None:
        prices.append(_Priced("characters", price.per_character, 1))
    if price.per_search is not None:
        prices.append(_Priced("searches", price.per_search, 1))
    return prices


def _image_prices(price: "ModelPrice") -> dict[str, Decimal]:
    """Give the price of an image by variant; one that is not named costs the default, else the dearest."""
    prices = dict(price.per_image_by)
    default = price.per_image if price.per_image is not None else max(prices.values(), default=None)
    if default is not None:
        prices[""] = default
    return prices
