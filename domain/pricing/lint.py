"""The price lint: finds what cannot be right in a rate card before it costs anybody money."""

from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from typing import ClassVar, Final, Literal

import msgspec

from domain.metering.usage import OUTPUT_CLASSES
from domain.pricing.rate_card import ModelPrice, PriceTier, PricingError, RateCard
from domain.pricing.rates import PRICE_FIELD

Severity = Literal["error", "warning"]

JUMP_ERROR: Final = 1000
"""A price this many times the previous one, or that much below it, has a slipped decimal point or unit."""
JUMP_WARNING: Final = 10

CEILINGS: Final = {
    "per_call": Decimal(1000),
    "per_image": Decimal(1000),
    "per_second": Decimal(100),
    "per_hour": Decimal(10_000),
    "per_character": Decimal(1),
    "per_search": Decimal(100),
}
"""Prices from which on a unit must have been confused; in units of currency, ample for a yen or a won."""
HOUR_TIMES_MAX: Final = 4
"""Vendors ask twice the price of input for keeping a prompt for an hour; twice that is a mistake."""
KEEPS_HOURS: Final = "claude"
"""In the name of every model that is known to be kept for an hour if a client asks for it."""
TOKEN_CEILING: Final = Decimal(100_000)
TOKEN_FLOOR: Final = Decimal("0.0001")
"""Per million tokens. Below it somebody has written a price per token or per thousand."""


class RateCardRefusedError(PricingError):
    """The lint found errors in a card, and nobody forced it."""

    code: ClassVar[str] = "rate_card_refused"

    def __init__(self, errors: list["Finding"]) -> None:
        """Name the first findings, and say how many there are."""
        shown = "; ".join(f"{error.model}: {error.message}" for error in errors[:3])
        more = f"; and {len(errors) - 3} more" if len(errors) > 3 else ""  # noqa: PLR2004 -- a message
        super().__init__(f"{len(errors)} prices cannot be right: {shown}{more}")
        self.errors = errors


class Finding(msgspec.Struct, frozen=True):
    """One thing that is wrong, or looks wrong, with a card."""

    severity: Severity
    code: str
    model: str
    message: str


_Found = tuple[Severity, str, str]


def lint(card: RateCard, previous: RateCard | None = None) -> list[Finding]:
    """Give what is wrong with a card, by itself and against the one before it; errors come first."""
    findings = [
        Finding(severity, code, model, message)
        for model, price in card.models.items()
        for severity, code, message in (
            *_impossible(price),
            *_free(price),
            *_classes(price),
            *_hours(model, price),
            *_tiers(price),
            *_magnitude(price),
            *_jumps(price, previous.find(model) if previous is not None else None),
        )
    ]
    findings += [
        Finding(
            "error",
            "alias_shadowed",
            alias,
            f"is a name for {model}, but has a price of its own, which is the one used",
        )
        for alias, model in card.aliases.items()
        if alias in card.models
    ]
    if previous is not None:
        findings += [
            Finding("warning", "alias_removed", alias, f"was a name for {model} on the previous card and is none now")
            for alias, model in previous.aliases.items()
            if card.find(alias) is None and card.find(model) is not None
        ]
        findings += [
            Finding("warning", "model_removed", model, "had a price on the previous card and has none now")
            for model in previous.models
            if card.find(model) is None
        ]
    return sorted(findings, key=lambda finding: (finding.severity, finding.model, finding.code))


def refuse_errors(findings: list[Finding], *, forced: bool = False) -> None:
    """Raise RateCardRefusedError if any finding is an error, unless a person has said to go on."""
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors and not forced:
        raise RateCardRefusedError(errors)


def _impossible(price: ModelPrice) -> Iterator[_Found]:
    """Check what the types refuse already, for a card may come from where they were not asked."""
    for name, value in price.prices():
        if not value.is_finite() or value < 0:
            yield "error", "negative_price", f"{name} is {value}"


def _free(price: ModelPrice) -> Iterator[_Found]:
    stated = [value for _, value in price.prices()]
    charges = any(value > 0 for value in stated)
    if not charges and not price.free:
        yield "error", "zero_not_marked_free", "costs nothing, but is not marked as free"
    if charges and price.free:
        yield "error", "free_with_price", "is marked as free, but has a price"
    if price.input is not None and price.input > 0 and price.output == 0 and not price.free:
        yield "warning", "zero_output", "charges for input, but nothing for output"


def _classes(price: ModelPrice) -> Iterator[_Found]:
    for tier in (None, *price.tiers):
        where = _where(tier)
        full, cached = price.token_price("input_tokens", tier), price.token_price("cached_input_tokens", tier)
        if full is not None and cached is not None and cached > full:
            yield "error", "cached_dearer", f"cached input at {cached} is dearer than input at {full}{where}"
        output = price.token_price("output_tokens", tier)
        if full is not None and output is not None and 0 < output < full:
            yield "warning", "output_cheaper", f"output at {output} is cheaper than input at {full}{where}"
        written = price.token_price("cache_write_tokens", tier)
        if full is not None and written is not None and written < full:
            yield (
                "warning",
                "cache_write_cheaper",
                f"cache writes at {written} are cheaper than input at {full}{where}",
            )
    kept = (price.cached_input, price.cache_write, price.cache_write_1h)
    if price.input is None and any(value is not None for value in kept):
        yield "error", "class_without_parent", "has a price for cached input, but none for input"
    if price.output is None and price.reasoning is not None:
        yield "error", "class_without_parent", "has a price for reasoning, but none for output"
    if price.input is None and price.output is not None:
        yield "warning", "output_only", "charges for output, but not for input"


def _hours(model: str, price: ModelPrice) -> Iterator[_Found]:
    """Check what is kept in a vendor's cache for an hour: at every vendor that sells it, dearer than for minutes."""
    for tier in (None, *price.tiers):
        where = _where(tier)
        full, written = price.token_price("input_tokens", tier), price.token_price("cache_write_tokens", tier)
        hour = price.token_price("cache_write_1h_tokens", tier)
        if hour is not None and written is not None and hour < written:
            message = f"cache writes for an hour at {hour} are cheaper than those for minutes at {written}{where}"
            yield "warning", "cache_write_1h_cheaper", message
        if hour is not None and full and hour > full * HOUR_TIMES_MAX:
            message = (
                f"cache writes for an hour at {hour} are dearer than {HOUR_TIMES_MAX} times input at {full}{where}"
            )
            yield "warning", "cache_write_1h_dearer", message
    if price.cache_write is not None and price.cache_write_1h is None and KEEPS_HOURS in model.lower():
        message = f"has no price for cache writes for an hour: they cost {price.cache_write}, as those for minutes"
        yield "warning", "cache_write_1h_missing", message


def _tiers(price: ModelPrice) -> Iterator[_Found]:
    for lower, higher in pairwise((None, *price.tiers)):
        for name in PRICE_FIELD:
            before, after = price.token_price(name, lower), price.token_price(name, higher)
            if before is not None and after is not None and after < before:
                kind = "output" if name in OUTPUT_CLASSES else "input"
                message = f"{kind} class {PRICE_FIELD[name]} falls from {before} to {after}{_where(higher)}"
                yield "warning", "tier_cheaper", message


def _magnitude(price: ModelPrice) -> Iterator[_Found]:
    for name, value in price.prices():
        field = name.split(" ", maxsplit=1)[0]
        ceiling = CEILINGS.get("per_image" if field == "per_image_by" else field, TOKEN_CEILING)
        if value > ceiling:
            yield "error", "absurd_price", f"{name} is {value}, and nothing costs more than {ceiling}"
        if 0 < value < TOKEN_FLOOR and field not in CEILINGS and field != "per_image_by":
            yield "error", "absurd_price", f"{name} is {value} per million tokens: meant per token?"


def _jumps(price: ModelPrice, previous: ModelPrice | None) -> Iterator[_Found]:
    if previous is None:
        return
    before = dict(previous.prices())
    for name, value in price.prices():
        old = before.get(name)
        if not old or not value:
            continue
        factor = max(value / old, old / value)
        if factor >= JUMP_ERROR:
            yield (
                "error",
                "price_jump",
                f"{name} goes from {old} to {value}: a slipped decimal point or unit?",
            )
        elif factor >= JUMP_WARNING:
            yield "warning", "price_jump", f"{name} goes from {old} to {value}"


def _where(tier: PriceTier | None) -> str:
    return f" from {tier.input_tokens_from} input tokens on" if tier is not None else ""
