"""Signing up, invitations and forgotten passwords as the API takes and gives them."""

import datetime as dt
from typing import Annotated

import msgspec

from app.api.schemas.common import Body, Login, Name, Password, Reasoned
from app.links import LinkKind
from domain.admin.entities import TenantRole
from domain.ids import EntityId

Email = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._+-]{0,62}@[a-z0-9-]{1,30}(\.[a-z0-9-]{1,30}){1,3}$")]
"""An e-mail address that can be a login: in lower case."""
Secret = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]


class SignUp(Body, frozen=True, kw_only=True):
    """Somebody who wants a tenant of their own."""

    email: Email


class ForgottenPassword(Body, frozen=True, kw_only=True):
    """Somebody who cannot log in."""

    login: Login


class LinkSecret(Body, frozen=True, kw_only=True):
    """What a link has after its #."""

    secret: Secret


class LinkView(msgspec.Struct, frozen=True, kw_only=True):
    """What a link is good for."""

    kind: LinkKind
    login: str
    tenant_name: str | None
    """Invitations: where to."""
    has_account: bool
    """Whether the login has a password already: an invitation is then accepted with that one."""
    expires_at: dt.datetime


class Acceptance(Body, frozen=True, kw_only=True):
    """What a link is used with."""

    secret: Secret
    password: Password
    """The new one; of who has an account already and accepts an invitation, the one they have."""
    name: Name | None = None
    """Of a new person; the login if left out."""
    tenant_name: Name | None = None
    """Signing up: the name of one's tenant; one's own if left out."""


class NewInvitation(Reasoned, frozen=True, kw_only=True):
    """Whom to invite, as what."""

    login: Login
    role: TenantRole = "member"


class InvitationView(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation that nobody has followed yet."""

    id: EntityId
    login: str
    role: TenantRole
    made_by: str
    created_at: dt.datetime
    expires_at: dt.datetime


class CreatedInvitation(InvitationView, frozen=True, kw_only=True):
    """A new invitation, with its secret where no e-mail carries it: it goes after the # of /accept."""

    secret: str | None
