"""/api/rate-cards: prices. A draft may change; once published, a card never does."""

import datetime as dt
from collections.abc import Sequence
from typing import Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.api.call import IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import Label, ThisListing
from app.api.permissions import Permission
from app.api.schemas.changes import given
from app.api.schemas.common import History, Listing
from app.api.schemas.rate_cards import (
    CardChange,
    CardDifference,
    CardState,
    CardSummary,
    CardSummaryView,
    CardView,
    Findings,
    FindingView,
    NewCard,
    Publication,
    card_state,
    card_summary,
    prices_in,
)
from domain.admin.entities import PriceBook
from domain.ids import EntityId
from domain.pricing.comparison import compare
from domain.pricing.rate_card import InvalidRateCardError, RateCard

CARDS = Resource(
    "rate_card", state=card_state, view=CardView, read=Permission.PRICING_READ, write=Permission.PRICING_WRITE
)

SUMMARIES: Resource[CardSummary, CardSummaryView] = Resource(
    "rate_card", state=card_summary, view=CardSummaryView, read=Permission.PRICING_READ, write=Permission.PRICING_WRITE
)


@post("/rate-cards", **route(Permission.PRICING_WRITE, "createRateCard", "Make a rate card", 409, 422))
async def create_rate_card(call: ThisCall, data: JSONBody[NewCard]) -> Response[CardView]:
    entity_id = call.api.ids()
    book = PriceBook(
        card_id=EntityId(entity_id),
        use=data.use,
        card=RateCard(
            card_id=data.series_id or EntityId(entity_id),
            version=data.card_version,
            currency=data.currency,
            source=data.source or call.principal.actor,
            effective_from=_utc(data.effective_from),
            models=prices_in(data.models),
            aliases=data.aliases,
        ),
    )
    return await CARDS.created(call, book, data.reason)


@get("/rate-cards", **route(Permission.PRICING_READ, "listRateCards", "List rate cards", 422))
async def list_rate_cards(
    call: ThisCall,
    listing: ThisListing,
    *,
    series_id: Label = None,
    published: FromQuery[bool | None] = None,
    use: FromQuery[Literal["sale", "cost"] | None] = None,
) -> Listing[CardSummaryView]:
    return await SUMMARIES.list(call, listing, owner=use, filters={"published": published, "card.card_id": series_id})


@get("/rate-cards/{card_id:str}", **route(Permission.PRICING_READ, "getRateCard", "Read a rate card", 404))
async def read_rate_card(call: ThisCall, card_id: FromPath[str]) -> Response[CardView]:
    return await CARDS.read(call, card_id)


@patch(
    "/rate-cards/{card_id:str}",
    **route(Permission.PRICING_WRITE, "changeRateCard", "Change a rate card", 404, 409, 412, 422, 428),
)
async def change_rate_card(
    call: ThisCall, card_id: FromPath[str], data: JSONBody[CardChange], if_match: IfMatch = None
) -> Response[CardView]:
    values = given(data)
    values |= {"version": values.pop("card_version")} if "card_version" in values else {}
    values |= {"effective_from": _utc(values["effective_from"])} if "effective_from" in values else {}

    def transform(book: PriceBook) -> PriceBook:
        return msgspec.structs.replace(book, card=msgspec.structs.replace(book.card, **values))

    return await CARDS.change(call, card_id, if_match, data, transform=transform)


@delete(
    "/rate-cards/{card_id:str}",
    status_code=200,
    **route(Permission.PRICING_WRITE, "archiveRateCard", "Take a rate card out of use for good", 404, 409, 412, 428),
)
async def archive_rate_card(
    call: ThisCall, card_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[CardView]:
    return await CARDS.archive(call, card_id, if_match, reason)


@get(
    "/rate-cards/{card_id:str}/history",
    **route(Permission.PRICING_READ, "getRateCardHistory", "Who changed a rate card, and how", 404),
)
async def rate_card_history(call: ThisCall, card_id: FromPath[str], limit: Limit = 50) -> History[CardState]:
    return await CARDS.history(call, card_id, limit)


@get(
    "/rate-cards/{card_id:str}/lint",
    **route(Permission.PRICING_READ, "lintRateCard", "What looks wrong with a rate card's prices", 404),
)
async def lint_rate_card(call: ThisCall, card_id: FromPath[str]) -> Findings:
    stored = await CARDS.find(call, card_id)
    found = await call.api.administration.lint_card(stored.entity)
    return Findings(
        items=tuple(
            FindingView(severity=each.severity, code=each.code, model=each.model, message=each.message)
            for each in found
        )
    )


@get(
    "/rate-cards/{card_id:str}/diff",
    **route(Permission.PRICING_READ, "diffRateCard", "What differs from another card, or the one before", 404, 422),
)
async def diff_rate_card(call: ThisCall, card_id: FromPath[str], against: Label = None) -> CardDifference:
    book = (await CARDS.find(call, card_id)).entity
    if against is not None:
        other = (await CARDS.find(call, against)).entity.card
    else:
        other = await call.api.administration.previous_card(book)
    known = other.aliases if other is not None else {}
    return CardDifference(
        card_id=book.card_id,
        against=other.card_id if other is not None else None,
        against_version=other.version if other is not None else None,
        items=tuple(compare(other, book.card)),
        aliases_added={name: model for name, model in book.card.aliases.items() if known.get(name) != model},
        aliases_removed=tuple(sorted(known.keys() - book.card.aliases.keys())),
    )


@post(
    "/rate-cards/{card_id:str}/publish",
    status_code=200,
    **route(
        Permission.PRICING_WRITE, "publishRateCard", "Publish a rate card: it never changes from then on",
        404, 409, 412, 422, 428,
    ),
)  # fmt: skip
async def publish_rate_card(
    call: ThisCall, card_id: FromPath[str], data: JSONBody[Publication], if_match: IfMatch = None
) -> Response[CardView]:
    def transform(book: PriceBook) -> PriceBook:
        return msgspec.structs.replace(book, published=True)

    return await CARDS.change(call, card_id, if_match, data, transform=transform, force=data.force)


def _utc(moment: dt.datetime) -> dt.datetime:
    if moment.utcoffset() is None:
        raise InvalidRateCardError("effective_from needs a time zone")
    return moment.astimezone(dt.UTC)


ROUTES: Sequence[BaseRouteHandler] = (
    create_rate_card,
    list_rate_cards,
    read_rate_card,
    change_rate_card,
    archive_rate_card,
    rate_card_history,
    lint_rate_card,
    diff_rate_card,
    publish_rate_card,
)
