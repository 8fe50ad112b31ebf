"""/api/channels/{id}/suggested-prices: sale prices for a channel's models, for review and adoption into a draft."""

import asyncio
import datetime as dt
import functools
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter

from adapters.genai_prices import bundled_rate_card
from app.api.call import IfMatch, ThisCall, route, versioned
from app.api.channels import CHANNELS
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.rate_cards import CARDS
from app.api.schemas.common import DecimalText, Name, Reasoned
from app.api.schemas.rate_cards import CardView, PriceBody
from domain.admin.entities import Channel, PriceBook
from domain.ids import PLATFORM, EntityId
from domain.pricing.rate_card import ModelPrice, RateCard, RateCards
from domain.pricing.scaling import scaled

_FACTOR_MAX: Final = Decimal(1000)
_Markup = Annotated[
    str, QueryParameter(name="markup", pattern=r"^[0-9]{1,4}(\.[0-9]{1,6})?$", description="What prices are times.")
]


class SuggestedPrice(msgspec.Struct, frozen=True, kw_only=True):
    """What a model of a channel might be sold for."""

    model: str
    """As clients ask for it."""
    vendor_model: str
    """As the vendor knows it."""
    found_as: str | None
    """Under which name the bundled prices have it; null: they do not."""
    suggested: PriceBody | None
    """The vendor's list price times the markup."""
    present: PriceBody | None
    """On the rate card in force."""


class SuggestedPrices(msgspec.Struct, frozen=True, kw_only=True):
    """Suggestions for each model of a channel, by name. They are read from data in the package, not asked for."""

    source: str
    currency: str
    markup: str
    items: tuple[SuggestedPrice, ...]


class Adoption(Reasoned, frozen=True, kw_only=True):
    """Which suggestions are to be on a draft of the sale card."""

    models: Annotated[tuple[Name, ...], msgspec.Meta(min_length=1, max_length=1000)]
    markup: DecimalText = "1"
    card_id: EntityId | None = None
    """A draft to add them to, whose ETag is sent as If-Match; null makes one from the card in force."""
    effective_from: dt.datetime | None = None
    """Of a new draft; now if left out."""


@functools.cache
def _bundled(day: dt.date) -> RateCard:
    """Give the prices in force on a day: half a second of work, once a day and process."""
    return bundled_rate_card(dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC))


async def _card(call: ThisCall) -> RateCard:
    return await asyncio.to_thread(_bundled, call.api.clock().date())


@get(
    "/channels/{channel_id:str}/suggested-prices",
    **route(Permission.PRICING_READ, "getSuggestedPrices", "What a channel's models might be sold for", 404),
)
async def suggested_prices(call: ThisCall, channel_id: FromPath[str], markup: _Markup = "1") -> SuggestedPrices:
    if not call.principal.may(Permission.CHANNEL_READ):
        raise ApiError("forbidden")
    channel: Channel = (await CHANNELS.find(call, channel_id)).entity
    bundled = await _card(call)
    present = (await _sale(call)).at(call.api.clock())
    return SuggestedPrices(
        source=bundled.source,
        currency=bundled.currency,
        markup=markup,
        items=tuple(
            _suggestion(model, vendor_model, channel.type, bundled, present, Decimal(markup))
            for model, vendor_model in sorted(_models(channel).items())
        ),
    )


def _models(channel: Channel) -> dict[str, str]:
    names = dict.fromkeys((*channel.models, *channel.model_map))
    return {model: channel.model_map.get(model, model) for model in names}


def _find(card: RateCard, channel_type: str, *names: str) -> tuple[str, ModelPrice] | None:
    """Look a model up: as this vendor sells it before as anybody does, and by the vendor's name before the client's."""
    for name in names:
        for found_as in (f"{channel_type}/{name}", name):
            price = card.find(found_as)
            if price is not None:
                return found_as, price
    return None


def _suggestion(  # noqa: PLR0917 -- each is a different thing
    model: str, vendor_model: str, type_: str, bundled: RateCard, present: RateCard | None, markup: Decimal
) -> SuggestedPrice:
    found = _find(bundled, type_, vendor_model, model)
    now = present.find(model) if present is not None else None
    return SuggestedPrice(
        model=model,
        vendor_model=vendor_model,
        found_as=found[0] if found is not None else None,
        suggested=_body(scaled(found[1], markup)) if found is not None else None,
        present=_body(now) if now is not None else None,
    )


def _body(price: ModelPrice) -> PriceBody:
    return msgspec.convert(msgspec.to_builtins(price), PriceBody)


async def _sale(call: ThisCall) -> RateCards:
    books = [each.entity for each in await call.api.administration.store.all("rate_card", PLATFORM)]
    return RateCards(tuple(book.card for book in books if book.published and book.use == "sale"))


@post(
    "/channels/{channel_id:str}/suggested-prices/adopt",
    status_code=200,
    **route(
        Permission.PRICING_WRITE, "adoptSuggestedPrices", "Put suggested prices on a draft of the sale card", 404, 409,
        412, 422, 428,
    ),
)  # fmt: skip
async def adopt(
    call: ThisCall, channel_id: FromPath[str], data: JSONBody[Adoption], if_match: IfMatch = None
) -> Response[CardView]:
    if not call.principal.may(Permission.CHANNEL_READ):
        raise ApiError("forbidden")
    channel: Channel = (await CHANNELS.find(call, channel_id)).entity
    markup = Decimal(data.markup)
    if not 0 < markup <= _FACTOR_MAX:
        raise ApiError("invalid_request", f"The markup is above 0, and at most {_FACTOR_MAX}.")
    prices = await _adopted(call, channel, data.models, markup)
    if data.card_id is not None:

        def add(book: PriceBook) -> PriceBook:
            models = {**book.card.models, **prices}
            return msgspec.structs.replace(book, card=msgspec.structs.replace(book.card, models=models))

        return await CARDS.change(call, data.card_id, if_match, data, transform=add)
    stored = await CARDS.create(call, await _draft(call, data, prices), data.reason)
    return versioned(CARDS.view(stored))


async def _adopted(call: ThisCall, channel: Channel, wanted: Sequence[str], markup: Decimal) -> dict[str, ModelPrice]:
    served, bundled = _models(channel), await _card(call)
    found = {name: _find(bundled, channel.type, served[name], name) for name in wanted if name in served}
    missing = [name for name in wanted if found.get(name) is None]
    if missing:
        raise ApiError(
            "invalid_request",
            "There is no suggestion for some of these models.",
            errors=tuple(f"models: {name[:100]!r} has none" for name in missing[:20]),
        )
    return {name: scaled(each[1], markup) for name, each in found.items() if each is not None}


async def _draft(call: ThisCall, data: Adoption, prices: dict[str, ModelPrice]) -> PriceBook:
    """Give the card in force with these prices, as the next version of its series."""
    now = call.api.clock()
    effective_from = data.effective_from if data.effective_from is not None else now
    if effective_from.utcoffset() is None:
        raise ApiError("invalid_request", "`effective_from` needs a time zone.")
    books: list[Any] = [
        each.entity for each in await call.api.administration.store.all("rate_card", PLATFORM)
        if each.entity.use == "sale"
    ]  # fmt: skip
    base = RateCards(tuple(book.card for book in books if book.published)).at(now)
    new_id = EntityId(call.api.ids())
    if base is None:
        card = RateCard(
            card_id=new_id,
            version=1,
            currency="USD",
            source="suggested prices",
            effective_from=effective_from.astimezone(dt.UTC),
            models=prices,
        )
        return PriceBook(card_id=new_id, use="sale", card=card)
    version = max(book.card.version for book in books if book.card.card_id == base.card_id) + 1
    card = msgspec.structs.replace(
        base,
        version=version,
        source="suggested prices",
        effective_from=effective_from.astimezone(dt.UTC),
        models={**base.models, **prices},
    )
    return PriceBook(card_id=new_id, use="sale", card=card)


ROUTES: Sequence[BaseRouteHandler] = (suggested_prices, adopt)
