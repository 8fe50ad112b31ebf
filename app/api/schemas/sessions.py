"""Sessions and personal access tokens as the API takes and gives them."""

import datetime as dt
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from app.api.permissions import Scope
from app.api.schemas.common import Body, Name, Password
from app.api.schemas.users import UserState
from domain.admin.entities import Language, Theme
from domain.ids import EntityId


class Credentials(Body, frozen=True, kw_only=True):
    """Who somebody says that they are."""

    login: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class SessionView(msgspec.Struct, frozen=True, kw_only=True):
    """A session that was opened; the cookie came beside it."""

    user: UserState
    csrf_token: str
    """To be sent as X-CSRF-Token with every change; also in a cookie that scripts may read."""
    expires_at: dt.datetime


class OpenSession(msgspec.Struct, frozen=True, kw_only=True):
    """An open session."""

    id: str
    current: bool
    """Whether it is the one that asks."""
    created_at: dt.datetime
    seen_at: dt.datetime
    expires_at: dt.datetime
    user_agent: str
    address: str


class StepUp(Body, frozen=True, kw_only=True):
    """One's password, given again before money is moved or a secret shown."""

    password: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]


class SteppedUp(msgspec.Struct, frozen=True, kw_only=True):
    """How long money may be moved and secrets shown without asking again."""

    until: dt.datetime


class Me(msgspec.Struct, frozen=True, kw_only=True):
    """Whom the API takes you for."""

    user: UserState
    scopes: tuple[Scope, ...]
    stepped_up_until: dt.datetime | None
    """When the password will be asked for again before money and secrets; None with a personal access token."""
    platform_permissions: tuple[str, ...]
    tenant_permissions: dict[str, tuple[str, ...]]
    """By tenant id."""


class MeChange(Body, frozen=True, kw_only=True):
    """What is to be different of oneself."""

    name: Name | UnsetType = UNSET
    language: Language | UnsetType = UNSET
    """Of the console; empty is the browser's."""
    theme: Theme | UnsetType = UNSET
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] | UnsetType = UNSET
    """An IANA zone, in which the console shows times; empty is the browser's."""


class NewPassword(Body, frozen=True, kw_only=True):
    """One's own new password."""

    current: Annotated[str, msgspec.Meta(min_length=1, max_length=1024)]
    new: Password


class PersonalTokenView(msgspec.Struct, frozen=True, kw_only=True):
    """A key for this API; the key itself was shown once."""

    id: EntityId
    name: str
    hint: str
    scopes: tuple[Scope, ...]
    networks: tuple[str, ...]
    """CIDR blocks that it may be used from; none is everywhere."""
    created_at: dt.datetime
    seen_at: dt.datetime | None
    expires_at: dt.datetime | None


class CreatedPersonalToken(PersonalTokenView, frozen=True, kw_only=True):
    """A new key for this API, which is never shown again."""

    secret: str


class NewPersonalToken(Body, frozen=True, kw_only=True):
    """A key for this API."""

    name: Name
    scopes: Annotated[tuple[Scope, ...], msgspec.Meta(min_length=1, max_length=4)]
    """`secrets` goes beside the others: making an API key takes `write` and `secrets`."""
    networks: Annotated[tuple[Annotated[str, msgspec.Meta(max_length=50)], ...], msgspec.Meta(max_length=50)] = ()
    expires_at: dt.datetime | None = None
