"""/api/groups: labels on tenants and on channels, which the multiplier matrix speaks of."""

from collections.abc import Sequence
from typing import Literal

from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.api.call import IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import ThisListing
from app.api.permissions import Permission
from app.api.schemas.common import History, Listing
from app.api.schemas.groups import GroupChange, GroupState, GroupView, NewGroup, group_state
from domain.admin.entities import Group
from domain.ids import EntityId
from domain.money import parse_amount

GROUPS = Resource(
    "group", state=group_state, view=GroupView, read=Permission.PRICING_READ, write=Permission.PRICING_WRITE
)


@post("/groups", **route(Permission.PRICING_WRITE, "createGroup", "Make a group", 409, 422))
async def create_group(call: ThisCall, data: JSONBody[NewGroup]) -> Response[GroupView]:
    group = Group(
        group_id=EntityId(""),
        side=data.side,
        label=data.label,
        name=data.name,
        allowance_nanos=parse_amount(data.allowance),
        allowance_period=data.allowance_period,
    )
    return await GROUPS.created(call, group, data.reason)


@get("/groups", **route(Permission.PRICING_READ, "listGroups", "List groups", 422))
async def list_groups(
    call: ThisCall,
    listing: ThisListing,
    *,
    side: FromQuery[Literal["user", "channel"] | None] = None,
) -> Listing[GroupView]:
    return await GROUPS.list(call, listing, owner=side)


@get("/groups/{group_id:str}", **route(Permission.PRICING_READ, "getGroup", "Read a group", 404))
async def read_group(call: ThisCall, group_id: FromPath[str]) -> Response[GroupView]:
    return await GROUPS.read(call, group_id)


@patch(
    "/groups/{group_id:str}",
    **route(Permission.PRICING_WRITE, "changeGroup", "Change a group", 404, 409, 412, 422, 428),
)
async def change_group(
    call: ThisCall, group_id: FromPath[str], data: JSONBody[GroupChange], if_match: IfMatch = None
) -> Response[GroupView]:
    return await GROUPS.change(call, group_id, if_match, data)


@delete(
    "/groups/{group_id:str}",
    status_code=200,
    **route(Permission.PRICING_WRITE, "archiveGroup", "Take a group out of use for good", 404, 409, 412, 428),
)
async def archive_group(
    call: ThisCall, group_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[GroupView]:
    return await GROUPS.archive(call, group_id, if_match, reason)


@get(
    "/groups/{group_id:str}/history",
    **route(Permission.PRICING_READ, "getGroupHistory", "Who changed a group, and how", 404),
)
async def group_history(call: ThisCall, group_id: FromPath[str], limit: Limit = 50) -> History[GroupState]:
    return await GROUPS.history(call, group_id, limit)


ROUTES: Sequence[BaseRouteHandler] = (
    GROUPS.restoring("/groups", "Group"),
    create_group,
    list_groups,
    read_group,
    change_group,
    archive_group,
    group_history,
)
