"""/api/channels/{id}/health: how a channel is, how it came to that, and a fresh start for it."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import msgspec
from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from app.api.call import Call, Limit, ThisCall, route
from app.api.permissions import Permission
from app.api.routing_desk import desk_of, rounded
from app.api.schemas.common import Reasoned
from domain.ids import PLATFORM, EntityId
from domain.routing.events import HealthChanged
from domain.routing.health import Health

if TYPE_CHECKING:
    from domain.admin.entities import Channel


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine thinks of a channel."""

    state: Literal["sound", "recovering", "out", "paused"]
    cause: str | None
    percent: int
    """Of the configured weight."""
    paused_until: dt.datetime | None


class HealthEntryView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a channel."""

    at: dt.datetime
    kind: Literal["changed", "probed"]
    key: int
    """The number of the key that it is about; 0 is the channel as a whole."""
    outcome: str
    is_probe: bool
    actor: str
    node: str
    before: HealthView | None
    after: HealthView | None
    status: int
    code: str
    latency_milliseconds: int | None
    reason: str


class ChannelHealthView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's health as this node sees it, and how it came to it, the latest first."""

    channel_id: EntityId
    enabled: bool
    """A person's switch, which the machine never touches."""
    weight: int
    weight_effective: int
    health: HealthView
    in_flight: int
    first_byte_milliseconds: int | None
    timeline: tuple[HealthEntryView, ...]


def health_view(health: Health, now_milliseconds: int) -> HealthView:
    """Give what the machine thinks of a channel, as the API shows it."""
    why = health.why_out(now_milliseconds)
    until = health.paused_until_milliseconds
    state: Literal["sound", "recovering", "out", "paused"] = "sound" if health.percent == 100 else "recovering"  # noqa: PLR2004 -- all of it
    if why is not None:
        state = "paused" if why == "paused" else "out"
    return HealthView(
        state=state,
        cause=why or health.cause,
        percent=0 if health.out is not None else health.percent,
        paused_until=dt.datetime.fromtimestamp(until / 1000, dt.UTC) if until > now_milliseconds else None,
    )


@get(
    "/channels/{channel_id:str}/health",
    **route(Permission.ROUTING_READ, "getChannelHealth", "How a channel is, and how it came to that", 404),
)
async def channel_health(call: ThisCall, channel_id: FromPath[str], limit: Limit = 50) -> ChannelHealthView:
    desk = desk_of(call)
    channel: Channel = (await call.api.administration.get("channel", channel_id, tenant_id=PLATFORM)).entity
    now = _milliseconds(call)
    health = desk.board.view.get(channel.channel_id, Health())
    entries = await desk.timeline(channel_id, limit=limit)
    return ChannelHealthView(
        channel_id=channel.channel_id,
        enabled=channel.enabled,
        weight=channel.weight,
        weight_effective=health.weight(channel.weight, now) if channel.enabled else 0,
        health=health_view(health, now),
        in_flight=desk.board.busy.get(channel.channel_id, 0),
        first_byte_milliseconds=rounded(desk.board.first_byte.get(channel.channel_id)),
        timeline=tuple(_entry(entry.at, entry.actor, entry.event) for entry in entries),
    )


class HealthReset(Reasoned, frozen=True, kw_only=True):
    """Why the channel is thought to work again."""


@post(
    "/channels/{channel_id:str}/health/reset",
    status_code=200,
    **route(Permission.ROUTING_WRITE, "resetChannelHealth", "Give a channel and its keys a fresh start", 404),
)
async def reset_health(call: ThisCall, channel_id: FromPath[str], data: JSONBody[HealthReset]) -> ChannelHealthView:
    desk = desk_of(call)
    await call.api.administration.get("channel", channel_id, tenant_id=PLATFORM)
    await desk.board.reset(EntityId(channel_id), actor=call.principal.actor, reason=data.reason)
    view: ChannelHealthView = await channel_health.fn(call, channel_id)
    return view


def _entry(at: dt.datetime, actor: str, event: Any) -> HealthEntryView:
    moment = round(at.timestamp() * 1000)
    changed = event if isinstance(event, HealthChanged) else None
    return HealthEntryView(
        at=at,
        kind="changed" if changed is not None else "probed",
        key=event.key,
        outcome=event.outcome,
        is_probe=changed is None or changed.is_probe,
        actor=actor,
        node=event.node,
        before=health_view(changed.before, moment) if changed is not None else None,
        after=health_view(changed.after, moment) if changed is not None else None,
        status=event.status if changed is None else 0,
        code=event.code if changed is None else "",
        latency_milliseconds=event.latency_milliseconds if changed is None else None,
        reason=changed.reason if changed is not None else "",
    )


def _milliseconds(call: Call) -> int:
    return round(call.api.clock().timestamp() * 1000)


ROUTES: Sequence[BaseRouteHandler] = (channel_health, reset_health)
