"""Rate cards compared: what is different between two, and what a card asks less for than a vendor does."""

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Literal

import msgspec

from domain.pricing.lint import Finding
from domain.pricing.rate_card import ModelPrice, RateCard


class PriceDifference(msgspec.Struct, frozen=True, kw_only=True):
    """One price that is not the same on two cards."""

    model: str
    price: str
    """Which: `input`, or for a tier `output from 200000 input tokens on`."""
    change: Literal["added", "removed", "raised", "lowered"]
    before: Decimal | None
    after: Decimal | None


def compare(before: RateCard | None, after: RateCard) -> list[PriceDifference]:
    """Give what is different on the later card, by model; against no card everything is added."""
    old = before.models if before is not None else {}
    return [
        difference
        for model in sorted({*old, *after.models})
        for difference in _differences(model, _prices(old.get(model)), _prices(after.models.get(model)))
    ]


def _prices(price: ModelPrice | None) -> dict[str, Decimal]:
    return dict(price.prices()) if price is not None else {}


def _differences(model: str, old: Mapping[str, Decimal], new: Mapping[str, Decimal]) -> Iterator[PriceDifference]:
    for name in dict.fromkeys((*old, *new)):
        before, after = old.get(name), new.get(name)
        if before == after:
            continue
        change: Literal["added", "removed", "raised", "lowered"]
        if before is None or after is None:
            change = "added" if before is None else "removed"
        else:
            change = "raised" if after > before else "lowered"
        yield PriceDifference(model=model, price=name, change=change, before=before, after=after)


def gaps(card: RateCard, served: Iterable[str]) -> list[Finding]:
    """Give the models that a channel serves and that the card has no price for: they will be refused."""
    return [
        Finding("warning", "served_unpriced", model, "is served by a channel, but has no price on this card")
        for model in sorted(set(served))
        if card.find(model) is None
    ]


def below_cost(card: RateCard, costs: Iterable[tuple[str, str, ModelPrice]]) -> list[Finding]:
    """Give the prices that are below what a channel's vendor charges: `costs` are channel, model and its cost."""
    findings = []
    for channel, model, cost in costs:
        asked = _prices(card.find(model))
        for name, charged in _prices(cost).items():
            if name in asked and asked[name] < charged:
                message = f"{name} at {asked[name]} is less than the {charged} that the channel {channel!r} costs"
                findings.append(Finding("warning", "below_cost", model, message))
    return findings
