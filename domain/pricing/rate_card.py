"""Rate cards: what each model costs, by class of token and by anything else that can be counted.

Prices are exact decimals in the card's currency, written as strings on the wire. A card is dated and, once
published, never changes: a new price is a new card with a later version.
"""

from datetime import datetime
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from typing import Annotated, ClassVar

import msgspec

from domain.errors import TallygateError
from domain.ids import EntityId
from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES, TokenClass
from domain.pricing.rates import PRICE_FIELD, Rates, compile_rates

DECIMALS_MAX = 18
"""Decimal places that a price may have: 10^-18 of a unit per million tokens is nothing that anyone sells."""

PRICE_LIMIT = Decimal(10**12)
"""A price must stay below this, so that the arithmetic stays in small integers; the lint is far stricter."""

UNIT_PRICES = ("per_call", "per_image", "per_second", "per_hour", "per_character", "per_search")
"""The fields of a price by something else than tokens."""

_PARENT: dict[TokenClass, TokenClass] = {
    **dict.fromkeys(INPUT_CLASSES[1:], INPUT_CLASSES[0]),
    **dict.fromkeys(OUTPUT_CLASSES[1:], OUTPUT_CLASSES[0]),
    "cache_write_1h_tokens": "cache_write_tokens",
}
"""What a class without a price of its own is paid by."""


class PricingError(TallygateError):
    """A price that cannot be used, or is not there."""

    code: ClassVar[str] = "pricing_error"


class InvalidPriceError(PricingError):
    """A price below zero, not a number, or finer than arithmetic should bear."""

    code: ClassVar[str] = "invalid_price"


class InvalidRateCardError(PricingError):
    """A card that contradicts itself or its series."""

    code: ClassVar[str] = "invalid_rate_card"


class CardPublishedError(PricingError):
    """A card with this id and version is published already, and published cards never change."""

    code: ClassVar[str] = "rate_card_published"


class UnpricedModelError(PricingError):
    """The rate card in force has no price for the model, so a call to it is refused, never free."""

    code: ClassVar[str] = "model_unpriced"

    def __init__(self, model: str) -> None:
        """Name the model that nobody has priced."""
        super().__init__(f"The model {model!r} has no price, so it cannot be used.")
        self.model = model


class TokenPrices(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Prices per million tokens by class, in units of the card's currency; None says nothing of a class."""

    input: Decimal | None = None
    cached_input: Decimal | None = None
    cache_write: Decimal | None = None
    cache_write_1h: Decimal | None = None
    """Kept for an hour; if absent, such a token costs as much as `cache_write`."""
    audio_input: Decimal | None = None
    image_input: Decimal | None = None
    output: Decimal | None = None
    reasoning: Decimal | None = None
    audio_output: Decimal | None = None
    image_output: Decimal | None = None

    def __post_init__(self) -> None:
        """Raise InvalidPriceError for a price that no arithmetic should meet."""
        for name in PRICE_FIELD.values():
            check_price(name, getattr(self, name))


class PriceTier(TokenPrices, frozen=True, kw_only=True, omit_defaults=True):
    """Prices for the *whole* request once its input, cached tokens included, reaches a length.

    Vendors price long prompts so: one token more, and every token is dearer. What a tier does not state stays
    as in the base prices.
    """

    input_tokens_from: Annotated[int, msgspec.Meta(ge=1)]


class ModelPrice(TokenPrices, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """What one model costs.

    A class of input without a price of its own costs as much as `input`, a class of output as much as
    `output`, and what the vendor's cache keeps for an hour as much as what it keeps for minutes; a model with
    neither `input` nor `output` does not charge by token.
    """

    per_call: Decimal | None = None
    per_image: Decimal | None = None
    """An image of a variant that `per_image_by` does not name; if absent, such a one costs as the dearest."""
    per_image_by: dict[str, Decimal] = {}
    """By "size/quality" or "size", such as "1024x1024/hd"."""
    per_second: Decimal | None = None
    """Audio; counted in milliseconds and never rounded up to a second."""
    per_hour: Decimal | None = None
    """Audio of vendors that quote hours: a 3600th of 0.111 is no decimal. Not together with `per_second`."""
    per_character: Decimal | None = None
    per_search: Decimal | None = None
    """A search that the vendor makes for the answer. A model without it may not search, unless a channel allows it."""
    tiers: tuple[PriceTier, ...] = ()
    context_tokens_max: int | None = None
    """Tokens that the model reads and writes at most, where known; likewise `output_tokens_max`."""
    output_tokens_max: int | None = None
    free: bool = False
    """Says that a price of zero is meant. Nothing is free by omission."""

    def __post_init__(self) -> None:
        """Raise InvalidPriceError or InvalidRateCardError for what cannot be a price."""
        super().__post_init__()
        for name in UNIT_PRICES:
            check_price(name, getattr(self, name))
        for variant, price in self.per_image_by.items():
            check_price(f"per_image_by {variant!r}", price)
        if self.per_second is not None and self.per_hour is not None:
            raise InvalidRateCardError("a model is priced by the second or by the hour, not by both")
        starts = [tier.input_tokens_from for tier in self.tiers]
        if any(earlier >= later for earlier, later in pairwise(starts)):
            raise InvalidRateCardError(f"tiers must begin at rising numbers of input tokens, not at {starts}")

    @cached_property
    def rates(self) -> Rates:
        """The same prices as integers, worked out at the first use."""
        return compile_rates(self)

    def token_price(self, name: TokenClass, tier: PriceTier | None = None) -> Decimal | None:
        """Give a class's price per million: the tier's, else its own, else its parent's by the same rule."""
        field = PRICE_FIELD[name]
        own: Decimal | None = getattr(tier, field) if tier is not None else None
        if own is None:
            own = getattr(self, field)
        if own is None and name in _PARENT:
            return self.token_price(_PARENT[name], tier)
        return own

    def prices(self) -> list[tuple[str, Decimal]]:
        """Give every price that is stated, with a name for it that a person understands."""
        stated = [(name, getattr(self, name)) for name in PRICE_FIELD.values()]
        stated += [(name, getattr(self, name)) for name in UNIT_PRICES]
        stated += [(f"per_image_by {variant}", price) for variant, price in self.per_image_by.items()]
        for tier in self.tiers:
            label = f"from {tier.input_tokens_from} input tokens"
            stated += [(f"{name} {label}", getattr(tier, name)) for name in PRICE_FIELD.values()]
        return [(name, price) for name, price in stated if price is not None]


class RateCard(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, dict=True):
    """Prices of many models, in force from a moment on."""

    card_id: EntityId
    version: Annotated[int, msgspec.Meta(ge=1)]
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")]
    source: str
    """Where the prices come from, with its version: "genai-prices 0.2.3", or who typed them in."""
    effective_from: datetime
    """UTC."""
    models: dict[str, ModelPrice]
    aliases: dict[str, str] = {}
    """Other names of models, each to a name in `models`."""

    def __post_init__(self) -> None:
        """Raise InvalidRateCardError for a time without a zone, or an alias that leads nowhere."""
        if self.effective_from.utcoffset() is None:
            raise InvalidRateCardError("effective_from needs a time zone")
        lost = sorted(alias for alias, model in self.aliases.items() if model not in self.models)
        if lost:
            raise InvalidRateCardError(f"aliases that name no model of this card: {', '.join(lost[:5])}")

    def find(self, model: str) -> ModelPrice | None:
        """Give the price of a model by its exact name, else by a declared alias, else None."""
        price = self.models.get(model)
        if price is None and model in self.aliases:
            return self.models[self.aliases[model]]
        return price

    def price_of(self, model: str) -> ModelPrice:
        """Give the price of a model, or raise UnpricedModelError."""
        price = self.find(model)
        if price is None:
            raise UnpricedModelError(model)
        return price


class RateCards(msgspec.Struct, frozen=True):
    """The published cards of one series, such as what tenants pay, or what one channel costs."""

    cards: tuple[RateCard, ...] = ()

    def publish(self, card: RateCard) -> "RateCards":
        """Give the series with one card more.

        Raises CardPublishedError if a card of this id and version is published already, and
        InvalidRateCardError if it would change the currency of the series.
        """
        if any((known.card_id, known.version) == (card.card_id, card.version) for known in self.cards):
            raise CardPublishedError(f"version {card.version} of rate card {card.card_id} is published already")
        if self.cards and self.cards[0].currency != card.currency:
            raise InvalidRateCardError(f"this series is in {self.cards[0].currency}, not in {card.currency}")
        return RateCards((*self.cards, card))

    def at(self, when: datetime) -> RateCard | None:
        """Give the card in force: the last to take effect by then; of two at once, the one published last."""
        in_force = None
        for card in self.cards:
            if card.effective_from > when:
                continue
            if in_force is None or card.effective_from >= in_force.effective_from:
                in_force = card
        return in_force


def check_price(name: str, price: Decimal | None) -> None:
    """Raise InvalidPriceError unless the price is a finite number from 0 on, of at most 18 decimals."""
    if price is None:
        return
    if not price.is_finite() or price < 0 or price >= PRICE_LIMIT:
        raise InvalidPriceError(f"{name} cannot be {price}: a price is a number from 0 to 10^12")
    exponent = price.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMALS_MAX:
        raise InvalidPriceError(f"{name} has more than {DECIMALS_MAX} decimal places: {price}")
