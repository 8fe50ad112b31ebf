"""Prices times a factor: what a tenant pays after its multiplier, and what a markup makes of a vendor's price."""

from decimal import ROUND_HALF_EVEN, Decimal, localcontext
from typing import Final

import msgspec

from domain.pricing.rate_card import UNIT_PRICES, ModelPrice, PriceTier
from domain.pricing.rates import PRICE_FIELD

_STEP: Final = Decimal("0.000000000001")
"""Twelve decimals of a price by the million: far below what any charge can show."""
_DIGITS: Final = 60


def scaled(price: ModelPrice, factor: Decimal) -> ModelPrice:
    """Give the price with everything in it that is money times the factor; lengths of contexts stay."""
    with localcontext(prec=_DIGITS):
        changes = {
            name: _times(value, factor)
            for name in (*PRICE_FIELD.values(), *UNIT_PRICES)
            if (value := getattr(price, name)) is not None
        }
        return msgspec.structs.replace(
            price,
            **changes,
            per_image_by={variant: _times(value, factor) for variant, value in price.per_image_by.items()},
            tiers=tuple(_tier(tier, factor) for tier in price.tiers),
        )


def _tier(tier: PriceTier, factor: Decimal) -> PriceTier:
    changes = {
        name: _times(value, factor) for name in PRICE_FIELD.values() if (value := getattr(tier, name)) is not None
    }
    return msgspec.structs.replace(tier, **changes)


def _times(value: Decimal, factor: Decimal) -> Decimal:
    made = (value * factor).quantize(_STEP, ROUND_HALF_EVEN)
    # Without the zeros behind, and never with an exponent: 90.000 is 90, and not 9E+1.
    return Decimal(f"{made:f}".rstrip("0").rstrip("."))
