"""Groups and the multiplier matrix as the API takes and gives them."""

import datetime as dt
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Amount, DecimalText, Name, Reasoned
from domain.admin import entities as e
from domain.admin.entities import Label, Period
from domain.ids import EntityId
from domain.money import format_amount


class GroupState(msgspec.Struct, frozen=True, kw_only=True):
    """A label on tenants or on channels."""

    id: EntityId
    side: Literal["user", "channel"]
    label: str
    name: str
    allowance: str
    allowance_period: Period


class GroupView(GroupState, frozen=True, kw_only=True):
    """A group as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewGroup(Reasoned, frozen=True, kw_only=True):
    """A label on tenants (`user`) or on channels (`channel`)."""

    side: Literal["user", "channel"]
    label: Label
    name: Name
    allowance: Amount = "0"
    """User groups: free use per period at list price, where the multiplier is 0."""
    allowance_period: Period = "month"


class GroupChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    name: Name | UnsetType = UNSET
    allowance: Amount | UnsetType = UNSET
    allowance_period: Period | UnsetType = UNSET


def group_state(group: e.Group) -> GroupState:
    """Give a group as the API shows it."""
    return GroupState(
        id=group.group_id,
        side=group.side,
        label=group.label,
        name=group.name,
        allowance=format_amount(group.allowance_nanos),
        allowance_period=group.allowance_period,
    )


class MultiplierState(msgspec.Struct, frozen=True, kw_only=True):
    """One cell of the multiplier matrix."""

    id: EntityId
    user_group: str
    channel_group: str
    multiplier: str


class MultiplierView(MultiplierState, frozen=True, kw_only=True):
    """A cell as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewMultiplier(Reasoned, frozen=True, kw_only=True):
    """How prices scale for a user group on a channel group; `all` stands for every group."""

    user_group: Label
    channel_group: Label
    multiplier: DecimalText


class MultiplierChange(Reasoned, frozen=True, kw_only=True):
    """The cell's new value."""

    multiplier: DecimalText


def multiplier_state(cell: e.Multiplier) -> MultiplierState:
    """Give a cell as the API shows it."""
    return MultiplierState(
        id=cell.multiplier_id,
        user_group=cell.user_group,
        channel_group=cell.channel_group,
        multiplier=f"{cell.value:f}",
    )
