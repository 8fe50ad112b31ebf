"""What happens to the things that people administer, as stored: who did it is the event's actor."""

from typing import Generic, TypeVar

import msgspec

from domain.admin.entities import Entity
from domain.ids import EntityId, TenantId

E = TypeVar("E", bound=Entity)


class Created(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """A thing came to be."""

    after: E
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class Changed(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """A thing changed."""

    before: E
    after: E
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class Archived(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """A thing is out of use for good; its history stays."""

    before: E
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class Restored(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """A thing that was out of use is in use again, as it was."""

    after: E
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class BulkItem(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """What happened to one of several things."""

    before: E | None
    """None for a thing that came to be."""
    after: E


class Bulk(msgspec.Struct, Generic[E], frozen=True, kw_only=True):
    """Several things of one kind came to be or changed, all at once or none of them."""

    items: tuple[BulkItem[E], ...]
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""

    def parts(self) -> tuple[Created[E] | Changed[E], ...]:
        """Give what happened to each, as if it had happened to it alone."""
        return tuple(
            Created(after=item.after, reason=self.reason, address=self.address)
            if item.before is None
            else Changed(before=item.before, after=item.after, reason=self.reason, address=self.address)
            for item in self.items
        )


class PasswordChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A user has a new password; it is in no event, not even hashed."""

    user_id: EntityId
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class ChannelKeyChanged(msgspec.Struct, frozen=True, kw_only=True):
    """A channel has a new vendor key; the key itself is in no event."""

    channel_id: EntityId
    hint: str
    version: int
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class AccountClosed(msgspec.Struct, frozen=True, kw_only=True):
    """A member's account in a tenant's lane refuses holds from here on, on every node."""

    tenant_id: TenantId
    user_id: EntityId
    reason: str = ""


class AccountReopened(msgspec.Struct, frozen=True, kw_only=True):
    """The member may spend again."""

    tenant_id: TenantId
    user_id: EntityId
    reason: str = ""


class LoggedIn(msgspec.Struct, frozen=True, kw_only=True):
    """A person opened a session."""

    user_id: EntityId
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the operator ended sessions of a person."""

    user_id: EntityId
    how: str
    """`one` or `all`."""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class PersonalTokenCreated(msgspec.Struct, frozen=True, kw_only=True):
    """A person has a new key for the REST API; the key is in no event, not even hashed."""

    personal_token_id: EntityId
    user_id: EntityId
    name: str
    scopes: tuple[str, ...]
    networks: tuple[str, ...] = ()
    """CIDR blocks that it may be used from; none is everywhere."""
    expires_at: str | None = None
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class PersonalTokenEnded(msgspec.Struct, frozen=True, kw_only=True):
    """A key for the REST API stopped working, on every node at once."""

    personal_token_id: EntityId
    user_id: EntityId
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class TenantLooked(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody of the operator looked at a tenant's data; once for each operation and quarter of an hour."""

    tenant_id: TenantId
    user_id: EntityId
    login: str
    """As it was at the time."""
    role: str
    """Of the platform."""
    operation: str
    """The operation of the REST API, as the OpenAPI document names it."""


class InvitationCreated(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody was invited into a tenant; the link's secret is in no event, not even hashed."""

    invitation_id: EntityId
    tenant_id: TenantId
    login: str
    role: str
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class InvitationEnded(msgspec.Struct, frozen=True, kw_only=True):
    """An invitation was accepted, or taken back."""

    invitation_id: EntityId
    tenant_id: TenantId
    login: str
    how: str
    """`accepted` or `withdrawn`."""


class MailSent(msgspec.Struct, frozen=True, kw_only=True):
    """The mail server took an e-mail; its text is in no event, for it has a link."""

    mail_id: EntityId
    kind: str
    """`invitation`, `password_reset` or `sign_up`."""
    recipient: str


class RunStarted(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody had the books verified, or a projection made again."""

    run_id: EntityId
    kind: str
    """`verification` or `rebuild`."""
    projection: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class ParkedRetried(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody let lanes try again that stood still in a projection."""

    projection: str
    """Empty: in every one."""
    lanes: int
    """How many there were."""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""
