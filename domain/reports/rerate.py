"""What if: what past usage would have cost under another card.

Sums of many requests are priced at once: a price is linear within a tier, so the sum is exact, and is rounded once. The
charges of the single requests would each have been rounded, so the two can differ by half a nano-unit per request.
"""

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

import msgspec

from domain.ids import TenantId
from domain.money import round_half_even
from domain.pricing.rate_card import RateCard

LONG_PROMPT: Final = 32_768
"""Tokens read from which on requests are found by an index (migrations/0092)."""


class UsageGroup(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of one tenant and model that have a multiplier, a tier and a kind of image in common, added up."""

    tenant_id: TenantId
    model: str
    multiplier: Decimal
    requests: int
    quantities: Mapping[str, int]
    """By meter, `calls` left out."""
    charged_nanos: int
    input_tokens_each: int = 0
    """Of one of the requests: says in which tier they all are."""
    image_variant: str = ""


class Rerated(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's use of one model, as charged and as it would have been."""

    tenant_id: TenantId
    model: str
    requests: int
    charged_nanos: int
    rerated_nanos: int | None
    """None: the card has no price for the model."""

    @property
    def difference_nanos(self) -> int | None:
        """What tenants would have paid more."""
        return None if self.rerated_nanos is None else self.rerated_nanos - self.charged_nanos


class Looks(msgspec.Struct, frozen=True, kw_only=True):
    """Which requests have to be looked at one by one, for a card prices them by what sums do not tell."""

    whole: tuple[str, ...] = ()
    """Models all of whose requests are: a price changes at a length below `LONG_PROMPT`."""
    special: tuple[str, ...] = ()
    """Models of which only long prompts are, or images."""


def looks(card: RateCard, models: Iterable[str]) -> Looks:
    """Say which requests of these models, named as they were billed, have to be looked at under a card."""
    whole: list[str] = []
    special: list[str] = []
    for model in sorted(set(models)):
        price = card.find(model)
        if price is None or not (price.tiers or price.per_image_by):
            continue
        is_whole = bool(price.tiers) and price.tiers[0].input_tokens_from < LONG_PROMPT
        (whole if is_whole else special).append(model)
    return Looks(whole=tuple(whole), special=tuple(special))


def without(group: UsageGroup, looked_at: Iterable[UsageGroup]) -> UsageGroup:
    """Give what is left of a group when requests that were looked at one by one are taken out of its sums."""
    quantities, requests, charged = dict(group.quantities), group.requests, group.charged_nanos
    for each in looked_at:
        requests -= each.requests
        charged -= each.charged_nanos
        for name, count in each.quantities.items():
            quantities[name] = quantities.get(name, 0) - count
    return msgspec.structs.replace(group, quantities=quantities, requests=requests, charged_nanos=charged)


def tier_starts(card: RateCard) -> list[int]:
    """Give every length of a prompt at which some model's price changes."""
    return sorted({tier.input_tokens_from for price in card.models.values() for tier in price.tiers})


def rerate(groups: Iterable[UsageGroup], card: RateCard) -> list[Rerated]:
    """Price usage under a card, by tenant and model; the largest differences first, unpriced models last."""
    rows: dict[tuple[TenantId, str], list[int | None]] = {}
    for group in groups:
        row = rows.setdefault((group.tenant_id, group.model), [0, 0, 0])
        row[0], row[1] = (row[0] or 0) + group.requests, (row[1] or 0) + group.charged_nanos
        nanos = price_group(group, card)
        row[2] = None if nanos is None or row[2] is None else row[2] + nanos
    rerated = [
        Rerated(tenant_id=tenant_id, model=model, requests=row[0] or 0, charged_nanos=row[1] or 0, rerated_nanos=row[2])
        for (tenant_id, model), row in rows.items()
    ]
    return sorted(
        rerated,
        key=lambda each: (
            each.difference_nanos is None,
            -abs(each.difference_nanos or 0),
            each.tenant_id,
            each.model,
        ),
    )


def price_group(group: UsageGroup, card: RateCard) -> int | None:
    """Give what a group would have cost; None without a price."""
    price = card.find(group.model)
    if price is None:
        return None
    rates = price.rates
    tier = rates.tier_for(group.input_tokens_each)
    counts = {**group.quantities, "calls": group.requests}
    scaled = sum(counts.get(rate.meter, 0) * rate.nanos_scaled for rate in tier.rates)
    images = counts.get("images", 0)
    if images and (image := rates.image_rate(group.image_variant)) is not None:
        scaled += images * image.nanos_scaled
    numerator, denominator = group.multiplier.as_integer_ratio()
    return round_half_even(scaled * numerator, rates.denominator * denominator)
