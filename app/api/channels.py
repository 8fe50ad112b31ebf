"""/api/channels: vendors to call. A channel's key goes in, and never comes out."""

from collections.abc import Sequence
from typing import Annotated

from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from adapters.channel_types import find
from app.administration import BulkStep
from app.api.call import (
    NO_STORE,
    IfMatch,
    Limit,
    Resource,
    ThisCall,
    Why,
    route,
    version_of,
    versioned,
)
from app.api.listing import Label, ThisListing
from app.api.permissions import Permission
from app.api.schemas.channels import (
    ChannelChange,
    ChannelsChange,
    ChannelState,
    ChannelsView,
    ChannelView,
    NewChannel,
    NewChannelKey,
    NewChannels,
    channel_state,
)
from app.api.schemas.common import History, Listing, limits_in
from domain.admin.entities import Channel
from domain.admin.errors import InvalidEntityError
from domain.ids import EntityId
from domain.outbound import OutboundRefusedError, target

CHANNELS = Resource(
    "channel", state=channel_state, view=ChannelView, read=Permission.CHANNEL_READ, write=Permission.CHANNEL_WRITE
)


@post("/channels", **route(Permission.CHANNEL_WRITE, "createChannel", "Make a channel", 409, 422, secrets=True))
async def create_channel(call: ThisCall, data: JSONBody[NewChannel]) -> Response[ChannelView]:
    return await CHANNELS.created(call, _channel(call, data), data.reason, secret=data.key)


def _channel(call: ThisCall, data: NewChannel) -> Channel:
    known = find(data.type)
    check_address(call, data.base_url)
    return Channel(
        channel_id=EntityId(""),
        name=data.name,
        type=known.name if known is not None else data.type,
        base_url=data.base_url,
        options=data.options,
        drops_unsupported=data.drops_unsupported,
        models=data.models,
        model_map=data.model_map,
        channel_groups=data.channel_groups,
        weight=data.weight,
        priority=data.priority,
        enabled=data.enabled,
        cost_card_id=data.cost_card_id,
        limits=limits_in(data.limits),
        context_tokens_max=data.context_tokens_max,
    )


@post(
    "/channels/bulk",
    **route(Permission.CHANNEL_WRITE, "createChannels", "Make several channels, all or none", 409, 422, secrets=True),
)
async def create_channels(call: ThisCall, data: JSONBody[NewChannels]) -> Response[ChannelsView]:
    steps = [BulkStep(entity=_channel(call, each), secret=each.key) for each in data.items]
    made = await CHANNELS.bulk(call, steps, data.reason)
    view = ChannelsView(items=tuple(CHANNELS.view(stored) for stored in made))
    return Response(view, status_code=201, headers=dict(NO_STORE))


@patch(
    "/channels",
    **route(Permission.CHANNEL_WRITE, "changeChannels", "Change several channels, all or none", 404, 409, 412, 422),
)
async def change_channels(call: ThisCall, data: JSONBody[ChannelsChange]) -> ChannelsView:
    for each in data.items:
        if isinstance(each.change.base_url, str):
            check_address(call, each.change.base_url)
    changed = await CHANNELS.change_many(call, data.items, data.reason, [Permission.CHANNEL_WRITE] * len(data.items))
    return ChannelsView(items=changed)


TypeName = Annotated[str | None, QueryParameter(name="type", max_length=63)]


@get("/channels", **route(Permission.CHANNEL_READ, "listChannels", "List channels", 422))
async def list_channels(
    call: ThisCall,
    listing: ThisListing,
    *,
    type_: TypeName = None,
    enabled: FromQuery[bool | None] = None,
    channel_group: Label = None,
    model: Label = None,
) -> Listing[ChannelView]:
    return await CHANNELS.list(
        call, listing, filters={"type": type_, "enabled": enabled, "channel_groups": channel_group, "models": model}
    )


@get("/channels/{channel_id:str}", **route(Permission.CHANNEL_READ, "getChannel", "Read a channel", 404))
async def read_channel(call: ThisCall, channel_id: FromPath[str]) -> Response[ChannelView]:
    return await CHANNELS.read(call, channel_id)


@patch(
    "/channels/{channel_id:str}",
    **route(Permission.CHANNEL_WRITE, "changeChannel", "Change a channel", 404, 409, 412, 422, 428),
)
async def change_channel(
    call: ThisCall, channel_id: FromPath[str], data: JSONBody[ChannelChange], if_match: IfMatch = None
) -> Response[ChannelView]:
    if isinstance(data.base_url, str):
        check_address(call, data.base_url)
    return await CHANNELS.change(call, channel_id, if_match, data)


@delete(
    "/channels/{channel_id:str}",
    status_code=200,
    **route(Permission.CHANNEL_WRITE, "archiveChannel", "Take a channel out of use for good", 404, 409, 412, 428),
)
async def archive_channel(
    call: ThisCall, channel_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[ChannelView]:
    return await CHANNELS.archive(call, channel_id, if_match, reason)


@get(
    "/channels/{channel_id:str}/history",
    **route(Permission.CHANNEL_READ, "getChannelHistory", "Who changed a channel, and how", 404),
)
async def channel_history(call: ThisCall, channel_id: FromPath[str], limit: Limit = 50) -> History[ChannelState]:
    return await CHANNELS.history(call, channel_id, limit)


@post(
    "/channels/{channel_id:str}/key",
    status_code=200,
    **route(
        Permission.CHANNEL_WRITE,
        "setChannelKey",
        "Give a channel a new vendor key",
        404,
        409,
        412,
        422,
        428,
        secrets=True,
    ),
)
async def set_channel_key(
    call: ThisCall, channel_id: FromPath[str], data: JSONBody[NewChannelKey], if_match: IfMatch = None
) -> Response[ChannelView]:
    version = version_of(if_match)
    await CHANNELS.find(call, channel_id)
    stored = await call.api.administration.set_channel_key(
        channel_id,
        version,
        data.key,
        actor=call.principal.actor,
        reason=data.reason,
        correlation_id=call.correlation_id,
    )
    return versioned(CHANNELS.view(stored))


def check_address(call: ThisCall, base_url: str) -> None:
    """Refuse an address that no request could go to; what a name resolves to is judged when it is called."""
    try:
        if base_url:
            target(base_url, call.api.outbound, sockets=True)
    except OutboundRefusedError as refused:
        raise InvalidEntityError("base_url", str(refused)) from refused


ROUTES: Sequence[BaseRouteHandler] = (
    CHANNELS.restoring("/channels", "Channel"),
    create_channel,
    create_channels,
    change_channels,
    list_channels,
    read_channel,
    change_channel,
    archive_channel,
    channel_history,
    set_channel_key,
)
