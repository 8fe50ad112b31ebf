"""Announcements as the API takes and gives them."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Name, Reasoned
from domain.admin import entities as e
from domain.ids import EntityId

Level = Literal["info", "warning", "critical"]
Audience = Literal["everyone", "users", "operators"]
Markdown = Annotated[str, msgspec.Meta(max_length=20_000, pattern=r"^[^\x00]*$")]


class AnnouncementState(msgspec.Struct, frozen=True, kw_only=True):
    """Something that people are told on every page for a while."""

    id: EntityId
    title: str
    body: str
    """Markdown."""
    level: Level
    audience: Audience
    """`everyone` reads it without logging in, `users` are all who log in."""
    starts_at: str | None
    ends_at: str | None


class AnnouncementView(AnnouncementState, frozen=True, kw_only=True):
    """An announcement as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewAnnouncement(Reasoned, frozen=True, kw_only=True):
    """Something to tell; without times it stands from now on, until it is archived."""

    title: Name
    body: Markdown = ""
    level: Level = "info"
    audience: Audience = "users"
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None


class AnnouncementChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    title: Name | UnsetType = UNSET
    body: Markdown | UnsetType = UNSET
    level: Level | UnsetType = UNSET
    audience: Audience | UnsetType = UNSET
    starts_at: dt.datetime | UnsetType | None = UNSET
    ends_at: dt.datetime | UnsetType | None = UNSET


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """An announcement as those see it whom it is for."""

    id: EntityId
    title: str
    body: str
    level: Level
    since: dt.datetime


class Notices(msgspec.Struct, frozen=True, kw_only=True):
    """What there is to tell now, the gravest first, then the newest."""

    items: tuple[Notice, ...]


def announcement_state(announcement: e.Announcement) -> AnnouncementState:
    """Give an announcement as the API shows it."""
    return AnnouncementState(
        id=announcement.announcement_id,
        title=announcement.title,
        body=announcement.body,
        level=announcement.level,
        audience=announcement.audience,
        starts_at=announcement.starts_at,
        ends_at=announcement.ends_at,
    )
