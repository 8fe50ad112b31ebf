"""/api/multipliers: the matrix by which prices scale for a user group on a channel group."""

from collections.abc import Sequence
from decimal import Decimal

from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from app.api.call import IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import Label, ThisListing
from app.api.permissions import Permission
from app.api.schemas.common import History, Listing
from app.api.schemas.groups import MultiplierChange, MultiplierState, MultiplierView, NewMultiplier, multiplier_state
from domain.admin.entities import Multiplier
from domain.ids import EntityId

MULTIPLIERS = Resource(
    "multiplier",
    state=multiplier_state,
    view=MultiplierView,
    read=Permission.PRICING_READ,
    write=Permission.PRICING_WRITE,
)


@post("/multipliers", **route(Permission.PRICING_WRITE, "createMultiplier", "Make a multiplier", 409, 422))
async def create_multiplier(call: ThisCall, data: JSONBody[NewMultiplier]) -> Response[MultiplierView]:
    cell = Multiplier(
        multiplier_id=EntityId(""),
        user_group=data.user_group,
        channel_group=data.channel_group,
        value=Decimal(data.multiplier),
    )
    return await MULTIPLIERS.created(call, cell, data.reason)


@get("/multipliers", **route(Permission.PRICING_READ, "listMultipliers", "List multipliers", 422))
async def list_multipliers(
    call: ThisCall,
    listing: ThisListing,
    *,
    user_group: Label = None,
    channel_group: Label = None,
) -> Listing[MultiplierView]:
    return await MULTIPLIERS.list(call, listing, filters={"user_group": user_group, "channel_group": channel_group})


@get("/multipliers/{multiplier_id:str}", **route(Permission.PRICING_READ, "getMultiplier", "Read a multiplier", 404))
async def read_multiplier(call: ThisCall, multiplier_id: FromPath[str]) -> Response[MultiplierView]:
    return await MULTIPLIERS.read(call, multiplier_id)


@patch(
    "/multipliers/{multiplier_id:str}",
    **route(Permission.PRICING_WRITE, "changeMultiplier", "Change a multiplier", 404, 409, 412, 422, 428),
)
async def change_multiplier(
    call: ThisCall, multiplier_id: FromPath[str], data: JSONBody[MultiplierChange], if_match: IfMatch = None
) -> Response[MultiplierView]:
    return await MULTIPLIERS.change(call, multiplier_id, if_match, data)


@delete(
    "/multipliers/{multiplier_id:str}",
    status_code=200,
    **route(Permission.PRICING_WRITE, "archiveMultiplier", "Take a multiplier out of use for good", 404, 409, 412, 428),
)
async def archive_multiplier(
    call: ThisCall, multiplier_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[MultiplierView]:
    return await MULTIPLIERS.archive(call, multiplier_id, if_match, reason)


@get(
    "/multipliers/{multiplier_id:str}/history",
    **route(Permission.PRICING_READ, "getMultiplierHistory", "Who changed a multiplier, and how", 404),
)
async def multiplier_history(
    call: ThisCall, multiplier_id: FromPath[str], limit: Limit = 50
) -> History[MultiplierState]:
    return await MULTIPLIERS.history(call, multiplier_id, limit)


ROUTES: Sequence[BaseRouteHandler] = (
    MULTIPLIERS.restoring("/multipliers", "Multiplier"),
    create_multiplier,
    list_multipliers,
    read_multiplier,
    change_multiplier,
    archive_multiplier,
    multiplier_history,
)
