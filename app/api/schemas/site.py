"""What visitors read: the site's looks, the prices, and how available the models are."""

import datetime as dt
from typing import Literal

import msgspec

from app.api.schemas.announcements import Notice
from domain.admin.settings import Link
from domain.ids import EntityId
from domain.pricing.rate_card import ModelPrice


class SiteView(msgspec.Struct, frozen=True, kw_only=True):
    """How the operator's site looks, and what on it is open to visitors."""

    name: str
    logo: str
    """An https address, or a data URL; empty is the built-in one."""
    color: str
    footer: str
    """Markdown, like the notice."""
    theme: Literal["light", "dark", "system"]
    home_kind: Literal["markdown", "html", "frame"]
    home_page: str
    """Markdown or HTML, not yet cleaned: whoever shows it takes scripts out."""
    home_frame: str
    """The https address that is shown in a frame, where that is the home page's kind."""
    notice: str
    top_up: str
    """Markdown: how customers top up; empty where the operator says nothing of it."""
    links: tuple[Link, ...]
    currency: str
    sign_up_open: bool
    prices_open: bool
    status_open: bool
    announcements: tuple[Notice, ...]
    base_url: str
    """Where browsers and SDKs reach this server, as its operator says; empty: where the page came from."""
    version: str
    """Of the program."""


class PublicPrices(msgspec.Struct, frozen=True, kw_only=True):
    """List prices of the models that are served, before any multiplier, per million tokens or per unit."""

    card_id: EntityId | None
    """Null while no rate card is in force."""
    card_version: int | None
    currency: str
    effective_from: dt.datetime | None
    models: dict[str, ModelPrice]
    sha256: str
    """Of the prices in their canonical form: the same prices have the same hash."""


class PriceChange(msgspec.Struct, frozen=True, kw_only=True):
    """What a model cost from a moment on."""

    effective_from: dt.datetime
    card_version: int
    price: ModelPrice | None
    """Null: the card has no price for it."""


class PriceHistory(msgspec.Struct, frozen=True, kw_only=True):
    """How a model's list price came to be, the latest first; future cards are told, too."""

    model: str
    items: tuple[PriceChange, ...]


class DayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a day went, in UTC."""

    day: str
    available_percent: str | None
    """Of the requests that were let in, how many were answered; null without any."""


class HourStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How an hour went."""

    available_percent: str | None
    """Null without any request."""
    first_byte_p50: int | None
    """Milliseconds."""


class ModelStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How available a model is."""

    model: str
    state: Literal["up", "degraded", "down", "quiet"]
    """By the last two hours: 99 % and more is up, less than 90 % is down; quiet without requests."""
    first_byte_milliseconds: int | None
    """The mean of the last two hours."""
    first_byte_p50: int | None
    """Milliseconds, of the last two hours: half of the requests began to be answered by then."""
    first_byte_p95: int | None
    days: tuple[DayStatus, ...]
    """The last 90, the oldest first."""
    hours: tuple[HourStatus, ...]
    """The last 24, the oldest first; the last one is not over yet."""


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time in which no channel could serve a model."""

    id: str
    model: str
    began_at: dt.datetime
    ended_at: dt.datetime | None
    """Null: it goes on."""


class StatusView(msgspec.Struct, frozen=True, kw_only=True):
    """How available the models are, by what happened to real requests."""

    at: dt.datetime
    models: tuple[ModelStatus, ...]
    incidents: tuple[Incident, ...]
    """Of the last 90 days, the latest first: at most a hundred."""
