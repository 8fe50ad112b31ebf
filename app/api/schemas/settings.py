"""Settings as the API takes and gives them."""

import datetime as dt
from typing import Literal

import msgspec

from app.api.schemas.common import Name, Reasoned
from domain.admin import entities as e
from domain.ids import EntityId


class SettingState(msgspec.Struct, frozen=True, kw_only=True):
    """One value that the operator chose."""

    id: EntityId
    name: str
    value: str | int | bool | None


class SettingView(SettingState, frozen=True, kw_only=True):
    """A setting as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewSetting(Reasoned, frozen=True, kw_only=True):
    """A setting that has been at its default."""

    name: Name
    value: str | int | bool | None


class SettingChange(Reasoned, frozen=True, kw_only=True):
    """The setting's new value; null goes back to the default."""

    value: str | int | bool | None


class SettingEntry(msgspec.Struct, frozen=True, kw_only=True):
    """A setting that there is, whether or not anybody has set it."""

    name: str
    group: Literal["relay", "site", "access", "system"]
    type: Literal["integer", "boolean", "text", "choice", "color", "image", "links", "currency", "address"]
    meaning: str
    expected: str
    """What is accepted, in words."""
    choices: tuple[str, ...]
    value: str | int | bool | None
    """In force now."""
    default: str | int | bool | None
    is_default: bool
    id: EntityId | None
    """For its history; null if nobody ever set it."""
    version: int
    """To be sent as If-Match with a new value; 0 if nobody ever set it."""
    updated_at: dt.datetime | None
    updated_by: str | None
    """Who set it last; null if nobody ever did."""
    updated_by_login: str | None
    reason: str
    """Why it was set last."""


class SettingEntries(msgspec.Struct, frozen=True, kw_only=True):
    """Every setting."""

    items: tuple[SettingEntry, ...]


def setting_state(setting: e.Setting) -> SettingState:
    """Give a setting as the API shows it."""
    return SettingState(id=setting.setting_id, name=setting.name, value=setting.value)
