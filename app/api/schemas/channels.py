"""Channels as the API takes and gives them."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Body, LimitsBody, ModelNames, Name, Reasoned
from domain.admin import entities as e
from domain.admin.entities import Label, Limits
from domain.ids import EntityId


class ChannelState(msgspec.Struct, frozen=True, kw_only=True):
    """One vendor credential; its key can be written, never read."""

    id: EntityId
    name: str
    type: str
    base_url: str
    options: dict[str, str]
    drops_unsupported: bool
    key_hint: str
    key_version: int
    models: tuple[str, ...]
    model_map: dict[str, str]
    channel_groups: tuple[str, ...]
    weight: int
    priority: int
    enabled: bool
    cost_card_id: EntityId | None
    limits: Limits
    context_tokens_max: int | None


class ChannelView(ChannelState, frozen=True, kw_only=True):
    """A channel as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


VendorKey = Annotated[str, msgspec.Meta(min_length=1, max_length=65_536)]
"""One key, or several on a line each; a service account's JSON as it is."""
Weight = Annotated[int, msgspec.Meta(ge=0, le=1_000_000)]
ContextTokens = Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)]
Priority = Annotated[int, msgspec.Meta(ge=-1_000_000, le=1_000_000)]


class NewChannel(Reasoned, frozen=True, kw_only=True):
    """A vendor to call, and the key to call it with."""

    name: Name
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=63)]
    """A channel type's name, or One API's number for it."""
    base_url: Annotated[str, msgspec.Meta(max_length=2000)] = ""
    """Empty is the type's own."""
    options: dict[str, str] = msgspec.field(default_factory=dict)
    """The fields of the type's form."""
    drops_unsupported: bool = False
    """Leave out parameters that the vendor cannot do, rather than refuse calls that have them."""
    key: VendorKey | None = None
    """Kept encrypted, and never given back."""
    models: ModelNames = ()
    model_map: dict[str, str] = msgspec.field(default_factory=dict)
    channel_groups: tuple[Label, ...] = ("default",)
    weight: Weight = 100
    priority: Priority = 0
    enabled: bool = True
    cost_card_id: EntityId | None = None
    limits: LimitsBody = LimitsBody()
    """What the vendor allows, over all nodes and tenants."""
    context_tokens_max: ContextTokens | None = None
    """Longer requests are sent elsewhere; null is unknown."""


class ChannelChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different; a new key has a route of its own."""

    name: Name | UnsetType = UNSET
    base_url: Annotated[str, msgspec.Meta(max_length=2000)] | UnsetType = UNSET
    options: dict[str, str] | UnsetType = UNSET
    drops_unsupported: bool | UnsetType = UNSET
    models: ModelNames | UnsetType = UNSET
    model_map: dict[str, str] | UnsetType = UNSET
    channel_groups: tuple[Label, ...] | UnsetType = UNSET
    weight: Weight | UnsetType = UNSET
    priority: Priority | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET
    cost_card_id: EntityId | UnsetType | None = UNSET
    limits: LimitsBody | UnsetType = UNSET
    context_tokens_max: ContextTokens | UnsetType | None = UNSET


class NewChannelKey(Reasoned, frozen=True, kw_only=True):
    """A vendor's new key."""

    key: VendorKey


class NewChannels(Reasoned, frozen=True, kw_only=True):
    """Several channels: all are made, or none is."""

    items: Annotated[tuple[NewChannel, ...], msgspec.Meta(min_length=1, max_length=200)]


class ChannelStep(Body, frozen=True, kw_only=True):
    """One of several changes."""

    id: EntityId
    version: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    """That the change was made from, as in If-Match."""
    change: ChannelChange


class ChannelsChange(Reasoned, frozen=True, kw_only=True):
    """Several channels to be changed: all are, or none is. The reason is that of the whole."""

    items: Annotated[tuple[ChannelStep, ...], msgspec.Meta(min_length=1, max_length=200)]


class ChannelsView(msgspec.Struct, frozen=True, kw_only=True):
    """Several channels as they stand, in the order of the request."""

    items: tuple[ChannelView, ...]


def channel_state(channel: e.Channel) -> ChannelState:
    """Give a channel as the API shows it."""
    return ChannelState(
        id=channel.channel_id,
        name=channel.name,
        type=channel.type,
        base_url=channel.base_url,
        options=channel.options,
        drops_unsupported=channel.drops_unsupported,
        key_hint=channel.key_hint,
        key_version=channel.key_version,
        models=channel.models,
        model_map=channel.model_map,
        channel_groups=channel.channel_groups,
        weight=channel.weight,
        priority=channel.priority,
        enabled=channel.enabled,
        cost_card_id=channel.cost_card_id,
        limits=channel.limits,
        context_tokens_max=channel.context_tokens_max,
    )
