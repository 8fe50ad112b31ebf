"""Rate cards as the API takes and gives them."""

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Reasoned, Reference
from domain.admin import entities as e
from domain.ids import EntityId
from domain.pricing.comparison import PriceDifference
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard


class TierBody(PriceTier, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Prices for the whole request once its input reaches a length."""


class PriceBody(ModelPrice, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """What one model costs, as decimal text: per million tokens, or per unit."""

    tiers: tuple[TierBody, ...] = ()


def prices_in(bodies: dict[str, PriceBody]) -> dict[str, ModelPrice]:
    """Give the prices that a body names, as the domain's own type."""
    return msgspec.json.decode(msgspec.json.encode(bodies), type=dict[str, ModelPrice])


class CardSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A rate card without its prices."""

    id: EntityId
    series_id: EntityId
    card_version: int
    use: Literal["sale", "cost"]
    published: bool
    currency: str
    source: str
    effective_from: dt.datetime
    model_count: int


class CardSummaryView(CardSummary, frozen=True, kw_only=True):
    """A rate card in a list."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class CardState(CardSummary, frozen=True, kw_only=True):
    """A rate card: prices are decimal text per million tokens, or per unit."""

    models: dict[str, ModelPrice]
    aliases: dict[str, str]


class CardView(CardState, frozen=True, kw_only=True):
    """A rate card as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewCard(Reasoned, frozen=True, kw_only=True):
    """A draft. A later version of a card names the same series and a higher number."""

    series_id: EntityId | None = None
    card_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] = 1
    use: Literal["sale", "cost"] = "sale"
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] = "USD"
    source: Reference = ""
    effective_from: dt.datetime
    models: dict[str, PriceBody]
    aliases: dict[str, str] = msgspec.field(default_factory=dict)


class CardChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different of a draft."""

    card_version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | UnsetType = UNSET
    currency: Annotated[str, msgspec.Meta(pattern="^[A-Z]{3}$")] | UnsetType = UNSET
    source: Reference | UnsetType = UNSET
    effective_from: dt.datetime | UnsetType = UNSET
    models: dict[str, PriceBody] | UnsetType = UNSET
    aliases: dict[str, str] | UnsetType = UNSET


class Publication(Reasoned, frozen=True, kw_only=True):
    """From here on the card never changes."""

    force: bool = False
    """Publish it although the lint found errors."""


class FindingView(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that is wrong, or looks wrong, with a card."""

    severity: Literal["error", "warning"]
    code: str
    model: str
    message: str


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What the price lint says; errors keep a card from being published unless it is forced."""

    items: tuple[FindingView, ...]


class CardDifference(msgspec.Struct, frozen=True, kw_only=True):
    """What is different between a card and the one that it is compared with."""

    card_id: EntityId
    against: EntityId | None
    """The series of the other card; null where there is none."""
    against_version: int | None
    items: tuple[PriceDifference, ...]
    aliases_added: dict[str, str]
    aliases_removed: tuple[str, ...]


def card_summary(book: e.PriceBook) -> CardSummary:
    """Give a card without its prices."""
    return CardSummary(**_card_head(book))


def card_state(book: e.PriceBook) -> CardState:
    """Give a card as the API shows it."""
    return CardState(**_card_head(book), models=book.card.models, aliases=book.card.aliases)


def _card_head(book: e.PriceBook) -> dict[str, Any]:
    card: RateCard = book.card
    return {
        "id": book.card_id,
        "series_id": card.card_id,
        "card_version": card.version,
        "use": book.use,
        "published": book.published,
        "currency": card.currency,
        "source": card.source,
        "effective_from": card.effective_from,
        "model_count": len(card.models),
    }
