"""The first rate card: the prices bundled in the package genai-prices, read without a network.

Its rules, and how they become ours:

- *Dates.* Of dated prices the last one in force on the given day counts. Of prices by the time of day the
  dearest counts, since a card has no hours: off-peak discounts are not passed on until the operator does so.
- *Tiers.* There, a tier applies above a number of input tokens; here, from the next number on.
- *Names.* A name that several vendors offer belongs to the one that makes the model; if none of them does, to
  the dearest, so that nobody sells below cost by default. Every offer is also there as "vendor/model".
- *What a card cannot say* (searches in stored files, cached audio apart from cached text) is left out,
  and noted. A model that charges mainly in such units, or that the price lint refuses, is skipped, and noted.
- *Free.* Only what is named ":free" and has no price is marked free. Any other model without a price is
  skipped, for a gap in the data is not an offer.
"""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from importlib import metadata
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from domain.ids import EntityId
from domain.pricing.lint import lint
from domain.pricing.rate_card import ModelPrice, PriceTier, PricingError, RateCard

if TYPE_CHECKING:
    from genai_prices import types as genai

BUNDLED_CARD_ID: Final = EntityId("01900000-0000-7000-8000-67656e616970")
"""The same on every installation, so that two of them can be compared; the time part means nothing."""

MAKERS: Final = (
    "openai",
    "anthropic",
    "google",
    "mistral",
    "cohere",
    "deepseek",
    "x-ai",
    "meta",
    "moonshotai",
    "zai",
    "zhipuai",
    "minimax",
    "perplexity",
    "voyageai",
    "arcee",
    "elevenlabs",
)
"""Vendors that make models, in the order in which they have a claim to a name; all others host what is made."""

DEMO_MODELS: Final[Mapping[str, ModelPrice]] = {
    "demo-chat": ModelPrice(
        input=Decimal("0.15"),
        cached_input=Decimal("0.075"),
        output=Decimal("0.60"),
        context_tokens_max=128_000,
        output_tokens_max=16_384,
    ),
    "demo-embedding": ModelPrice(input=Decimal("0.02"), context_tokens_max=8_192),
}
"""What the built-in demo channel sells: no vendor's price, made up so that a first call costs something."""

_TOKEN_FIELDS: Final[Mapping[str, str]] = {
    "input_mtok": "input",
    "cache_read_mtok": "cached_input",
    "cache_write_mtok": "cache_write",
    "cache_write_1h_mtok": "cache_write_1h",
    "input_audio_mtok": "audio_input",
    "input_image_mtok": "image_input",
    "output_mtok": "output",
    "output_reasoning_mtok": "reasoning",
    "output_audio_mtok": "audio_output",
    "output_image_mtok": "image_output",
}
_HOURS: Final = ("audio_hours", "input_audio_hours")
_LEFT_OUT: Final = frozenset(
    {
        "storage_searches_kcount",
        "cache_audio_read_mtok",
        "cache_image_read_mtok",
        "input_video_mtok",
        "output_citation_mtok",
    }
)
"""Prices that a card has no class for, of models that charge mainly by classes that it has."""


class Note(NamedTuple):
    """What became of an offer that could not be taken as it is."""

    kind: Literal["skipped", "approximated"]
    model: str
    """ "vendor/model"."""
    why: str


class Bundled(NamedTuple):
    """The card, and what it does not say."""

    card: RateCard
    notes: tuple[Note, ...]


class _Offer(NamedTuple):
    provider: str
    model: str
    other_names: tuple[str, ...]
    price: ModelPrice

    @property
    def qualified(self) -> str:
        return f"{self.provider}/{self.model}"

    @property
    def claim(self) -> tuple[int, Decimal]:
        """Sorts first what has the best claim to a name: makers in their order, then hosts, dearest first."""
        if self.provider in MAKERS:
            return MAKERS.index(self.provider), Decimal(0)
        return len(MAKERS), -_dearness(self.price)


def bundled_rate_card(at: datetime | None = None, *, card_id: EntityId = BUNDLED_CARD_ID, version: int = 1) -> RateCard:
    """Give the bundled prices in force at a moment (by default now) as a card, with the demo vendor's added."""
    return read_bundled(at, card_id=card_id, version=version).card


def read_bundled(at: datetime | None = None, *, card_id: EntityId = BUNDLED_CARD_ID, version: int = 1) -> Bundled:
    """Give the same, and notes on what could not be taken as it is. Takes about half a second: call it off the loop."""
    # Imported here because it costs 0.4 s and 40 MB, and only the first start and a price update need it.
    from genai_prices.data import providers  # noqa: PLC0415

    when = at if at is not None else datetime.now(UTC)
    notes: list[Note] = []
    offers = [
        offer
        for provider in providers
        for model in provider.models
        if (offer := _offer(provider.id, model, when, notes)) is not None
    ]
    card = RateCard(
        card_id=card_id,
        version=version,
        currency="USD",
        source=f"genai-prices {metadata.version('genai-prices')}",
        effective_from=when,
        **_names(offers),
    )
    return _without_errors(card, notes)


def _offer(provider: str, model: "genai.ModelInfo", when: datetime, notes: list[Note]) -> _Offer | None:
    qualified = f"{provider}/{model.id}"
    prices, by_hour = _in_force(model, when)
    unknown = sorted(
        prices.keys()
        - _TOKEN_FIELDS.keys()
        - _LEFT_OUT
        - set(_HOURS)
        - {"input_mchars", "requests_kcount", "web_searches_kcount"}
    )
    if unknown:
        notes.append(Note("skipped", qualified, f"charges by what a card has no class for: {', '.join(unknown)}"))
        return None
    try:
        price = _price(prices, model.context_window, free=model.id.endswith(":free"))
    except PricingError as error:
        notes.append(Note("skipped", qualified, str(error)))
        return None
    if not price.free and not any(value > 0 for _, value in price.prices()):
        notes.append(Note("skipped", qualified, "has no price in the data, and is not named as free"))
        return None
    if by_hour:
        notes.append(Note("approximated", qualified, "changes its price by the time of day; the dearest is taken"))
    left_out = sorted(prices.keys() & _LEFT_OUT)
    if left_out:
        notes.append(Note("approximated", qualified, f"without {', '.join(left_out)}"))
    return _Offer(provider, model.id, tuple(sorted(_equal_names(model.match))), price)


def _in_force(model: "genai.ModelInfo", when: datetime) -> tuple[dict[str, Any], bool]:
    """Give the prices in force, and whether they depend on the time of day."""
    from genai_prices.types import ModelPrice as GenaiPrice  # noqa: PLC0415 -- as in read_bundled
    from genai_prices.types import TimeOfDateConstraint  # noqa: PLC0415 -- as in read_bundled

    if isinstance(model.prices, GenaiPrice):
        return _stated(model.prices), False
    # Later entries take precedence. By the hour, any entry after the standing one may be in force some time.
    standing = 0
    for index, entry in enumerate(model.prices):
        if isinstance(entry.constraint, TimeOfDateConstraint):
            continue
        if entry.constraint is None or entry.constraint.active(when):
            standing = index
    hourly = [entry for entry in model.prices[standing + 1 :] if isinstance(entry.constraint, TimeOfDateConstraint)]
    candidates = [_stated(entry.prices) for entry in (model.prices[standing], *hourly)]
    return max(candidates, key=_raw_dearness), bool(hourly)


def _stated(prices: "genai.ModelPrice") -> dict[str, Any]:
    return {name: value for name, value in vars(prices).items() if value is not None}


def _price(prices: Mapping[str, Any], context_window: int | None, *, free: bool) -> ModelPrice:
    fields: dict[str, Any] = {field: _base(prices[name]) for name, field in _TOKEN_FIELDS.items() if name in prices}
    hours = [_base(prices[name]) for name in _HOURS if name in prices]
    if hours:
        fields["per_hour"] = max(hours)
    if "input_mchars" in prices:
        fields["per_character"] = _base(prices["input_mchars"]).scaleb(-6)
    if "web_searches_kcount" in prices:
        fields["per_search"] = _base(prices["web_searches_kcount"]).scaleb(-3)
    if "requests_kcount" in prices:
        fields["per_call"] = _base(prices["requests_kcount"]).scaleb(-3)
    charges = any(value > 0 for value in fields.values())
    return ModelPrice(**fields, tiers=_tiers(prices), context_tokens_max=context_window, free=free and not charges)


def _base(value: Any) -> Decimal:
    base = value if isinstance(value, Decimal) else value.base
    assert isinstance(base, Decimal), "the package's prices are decimals; a float would not be exact"
    return base


def _tiers(prices: Mapping[str, Any]) -> tuple[PriceTier, ...]:
    tiered = {_TOKEN_FIELDS[name]: prices[name] for name in _TOKEN_FIELDS.keys() & prices.keys()}
    tiered = {field: value for field, value in tiered.items() if not isinstance(value, Decimal)}
    starts = sorted({tier.start for value in tiered.values() for tier in value.tiers})
    return tuple(
        PriceTier(
            input_tokens_from=start + 1,
            **{
                field: max((tier for tier in value.tiers if tier.start <= start), key=lambda tier: tier.start).price
                for field, value in tiered.items()
                if any(tier.start <= start for tier in value.tiers)
            },
        )
        for start in starts
    )


def _equal_names(match: Any) -> Iterator[str]:
    """Give the names that a model is matched by as they are; patterns name no one model."""
    if hasattr(match, "equals"):
        yield match.equals
    for clause in getattr(match, "or_", ()):
        yield from _equal_names(clause)


def _names(offers: list[_Offer]) -> dict[str, Any]:
    """Give the card's models and aliases: who holds a plain name has it as its name, and "vendor/model" as alias."""
    qualified = {offer.qualified for offer in offers}
    holders: dict[str, _Offer] = {}
    ranked = sorted(offers, key=lambda offer: (offer.claim, offer.provider))
    claims = chain(
        ((offer.model, offer) for offer in ranked),
        ((name, offer) for offer in ranked for name in offer.other_names),
    )
    for name, offer in claims:
        # "deepseek/x" is first of all the model x of the vendor deepseek, then what a host calls by that name.
        if name not in qualified and name not in DEMO_MODELS:
            holders.setdefault(name, offer)
    models: dict[str, ModelPrice] = dict(DEMO_MODELS)
    aliases: dict[str, str] = {}
    for offer in offers:
        name = offer.model if holders.get(offer.model) is offer else offer.qualified
        models[name] = offer.price
        held = (other for other in offer.other_names if holders.get(other) is offer)
        aliases |= {other: name for other in (offer.qualified, *held) if other != name}
    return {"models": models, "aliases": aliases}


def _without_errors(card: RateCard, notes: list[Note]) -> Bundled:
    """Leave out what the lint refuses, so that the card can be published without force."""
    refused = {finding.model: finding for finding in lint(card) if finding.severity == "error"}
    notes += [Note("skipped", model, finding.message) for model, finding in refused.items()]
    sound = msgspec.structs.replace(
        card,
        models={name: price for name, price in card.models.items() if name not in refused},
        aliases={alias: model for alias, model in card.aliases.items() if model not in refused},
    )
    return Bundled(sound, tuple(sorted(notes)))


def _dearness(price: ModelPrice) -> Decimal:
    return sum((value for _, value in price.prices()), Decimal(0))


def _raw_dearness(prices: Mapping[str, Any]) -> Decimal:
    return sum((_base(value) for value in prices.values()), Decimal(0))
