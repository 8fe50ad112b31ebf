"""Audit: who did what to which thing, when, why and from where. What was different stands in the event itself.

One row for each thing that an event is about. What people do to people stands in the platform's lane; the tenants that
it concerns get rows of their own, with only as much of it as they may know.
"""

from collections.abc import Callable, Iterator, Sequence
from collections.abc import Mapping as PerType
from typing import TYPE_CHECKING, Any, Final

import msgspec

from domain.admin.entities import (
    BULK_KINDS,
    KINDS,
    Announcement,
    Group,
    Mapping,
    Membership,
    Multiplier,
    PriceBook,
    User,
)
from domain.admin.events import (
    Archived,
    Bulk,
    Changed,
    ChannelKeyChanged,
    Created,
    InvitationCreated,
    InvitationEnded,
    LoggedIn,
    ParkedRetried,
    PasswordChanged,
    PersonalTokenCreated,
    PersonalTokenEnded,
    Restored,
    RunStarted,
    SessionsEnded,
    TenantLooked,
)
from domain.events import TYPES, encode
from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.ids import TenantId, day_of
from domain.routing.events import HealthChanged
from projections.base import StoredEvent

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_COLUMNS: Final = (
    "recorded_at",
    "tenant_id",
    "lane",
    "position",
    "part",
    "generation",
    "home",
    "event_id",
    "day",
    "type",
    "kind",
    "entity_id",
    "name",
    "action",
    "actor",
    "address",
    "reason",
    "detail",
)
CONCERNED_FROM: Final = 1_000_000
"""Parts from here on are of tenants that an event in the platform's lane concerns; the indexes say it, too."""


class MemberDetail(msgspec.Struct, frozen=True, kw_only=True):
    """A person as a tenant may know them."""

    login: str
    name: str
    disabled: bool
    membership: Membership


class ConcernDetail(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to a person, as far as it concerns a tenant."""

    before: MemberDetail | None
    after: MemberDetail | None


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    kind: str
    entity_id: str
    action: str
    name: str = ""
    reason: str = ""
    address: str = ""
    part: int = 0
    tenant_id: TenantId | None = None
    """Whose timeline it is in; None: that of whose lane it is."""
    detail: ConcernDetail | None = None


class Audit:
    """The projection `audit`. Its rows are only ever added, so that lanes may be folded in any mixture."""

    name = "audit"
    version = 1
    tables = ("projection.audit_log",)
    types = frozenset(
        # Some things are archived for good, and are never restored.
        (
            {f"{kind}.{verb}.v1" for kind in KINDS for verb in ("created", "changed", "archived", "restored")}
            & set(TYPES)
        )
        | {f"{kind}.bulk.v1" for kind in BULK_KINDS}
        | {
            "channel_key.changed.v1",
            "password.changed.v1",
            "session.opened.v1",
            "session.ended.v1",
            "run.started.v1",
            "parked.retried.v1",
            "personal_token.created.v1",
            "personal_token.ended.v1",
            "tenant.looked.v1",
            "invitation.created.v1",
            "invitation.ended.v1",
            "credit.granted.v1",
            "credit.adjusted.v1",
            "credit.lapsed.v1",
            "code.redeemed.v1",
            "channel_health.changed.v1",
        }
    )
    shapes: PerType[str, Any] = {name: TYPES[name] for name in types}
    effects: frozenset[str] = frozenset()
    names = True

    async def apply(self, connection: "Connection", generation: int, events: Sequence[StoredEvent]) -> None:
        """Insert a row for each thing that each event is about."""
        records = [_record(event, row, generation) for event in events for row in _rows(event)]
        if records:
            await connection.copy_records_to_table(
                "audit_log", schema_name="projection", columns=_COLUMNS, records=records
            )


def _record(event: StoredEvent, row: _Row, generation: int) -> tuple[Any, ...]:
    return (
        event.recorded_at,
        row.tenant_id if row.tenant_id is not None else event.tenant_id,
        event.lane,
        event.position,
        row.part,
        generation,
        event.tenant_id,
        event.event_id,
        day_of(event.event_id),
        event.type,
        row.kind,
        row.entity_id,
        row.name,
        row.action,
        event.actor,
        row.address,
        row.reason,
        encode(row.detail) if row.detail is not None else None,
    )


def _rows(event: StoredEvent) -> Iterator[_Row]:  # noqa: C901, PLR0912 -- one arm per type
    value = event.value
    match value:
        case Bulk():
            kind = event.type.split(".", 1)[0]
            for part, each in enumerate(value.parts()):
                yield from _administered(kind, each, part)
        case Created() | Changed() | Archived() | Restored():
            yield from _administered(event.type.split(".", 1)[0], value, 0)
        case ChannelKeyChanged():
            yield _Row(
                kind="channel", entity_id=value.channel_id, action="key_changed", reason=value.reason,
                address=value.address,
            )  # fmt: skip
        case PasswordChanged():
            yield _Row(
                kind="user", entity_id=value.user_id, action="password_changed", reason=value.reason,
                address=value.address,
            )  # fmt: skip
        case LoggedIn():
            yield _Row(kind="user", entity_id=value.user_id, action="signed_in", address=value.address)
        case SessionsEnded():
            yield _Row(
                kind="user", entity_id=value.user_id, action="sessions_ended", name=value.how, address=value.address
            )
        case RunStarted():
            yield _Row(
                kind="ledger", entity_id=value.run_id, action=value.kind, name=value.projection, address=value.address
            )
        case ParkedRetried():
            yield _Row(
                kind="ledger", entity_id=str(event.event_id), action="retried", name=value.projection,
                address=value.address,
            )  # fmt: skip
        case PersonalTokenCreated():
            yield _Row(
                kind="personal_token", entity_id=value.personal_token_id, action="created", name=value.name,
                address=value.address,
            )  # fmt: skip
        case PersonalTokenEnded():
            yield _Row(kind="personal_token", entity_id=value.personal_token_id, action="ended", address=value.address)
        case TenantLooked():
            yield _Row(kind="tenant", entity_id=str(value.tenant_id), action="looked", name=value.operation)
        case InvitationCreated():
            yield _Row(
                kind="invitation", entity_id=value.invitation_id, action="created", name=value.login,
                reason=value.reason, address=value.address,
            )  # fmt: skip
        case InvitationEnded():
            yield _Row(kind="invitation", entity_id=value.invitation_id, action=value.how, name=value.login)
        case CreditGranted():
            yield _Row(
                kind="credit", entity_id=value.grant_id, action="granted", name=value.source, reason=value.reason,
                address=value.address,
            )  # fmt: skip
        case CodeRedeemed():
            yield _Row(
                kind="credit", entity_id=value.grant.grant_id, action="redeemed", name="redemption",
                address=value.address,
            )  # fmt: skip
        case CreditAdjusted():
            yield _Row(
                kind="credit", entity_id=str(event.event_id), action="adjusted", reason=value.reason,
                address=value.address,
            )  # fmt: skip
        case CreditLapsed():
            yield _Row(kind="credit", entity_id=value.grant_id, action="lapsed")
        case HealthChanged():
            # What the machine does to a channel is in the channel's own timeline.
            if event.actor.startswith("user:"):
                yield _Row(kind="channel", entity_id=value.channel_id, action="health_reset", reason=value.reason)
        case _:
            raise TypeError(f"not an event of the audit: {event.type}")


def _administered(kind: str, change: Any, part: int) -> Iterator[_Row]:
    before = getattr(change, "before", None)
    after = getattr(change, "after", None)
    thing = after if after is not None else before
    yield _Row(
        kind=kind,
        entity_id=str(getattr(thing, KINDS[kind].__struct_fields__[0])),
        action=type(change).__name__.lower(),
        name=_name(thing),
        reason=change.reason,
        address=change.address,
        part=part,
    )
    if isinstance(thing, User):
        # Somebody who was archived, or comes back, loses or gets every place.
        was = before if not isinstance(change, Created | Restored) else None
        yield from _concerned(was, after, change)


def _concerned(before: User | None, after: User | None, change: Any) -> Iterator[_Row]:
    """Give a row for each tenant that a change of a person concerns."""
    was, is_ = _places(before), _places(after)
    for n, tenant_id in enumerate(sorted(was.keys() | is_.keys())):
        old, new = was.get(tenant_id), is_.get(tenant_id)
        if old == new:
            continue
        action = "changed" if old is not None and new is not None else "created" if old is None else "archived"
        known = new if new is not None else old
        assert known is not None
        yield _Row(
            kind="member",
            entity_id=(after if after is not None else before).user_id,  # type: ignore[union-attr]  # one is there
            action=action,
            name=known.login,
            reason=change.reason,
            address=change.address,
            part=CONCERNED_FROM + n,
            tenant_id=tenant_id,
            detail=ConcernDetail(before=old, after=new),
        )


def _places(user: User | None) -> dict[TenantId, MemberDetail]:
    if user is None:
        return {}
    return {
        place.tenant_id: MemberDetail(login=user.login, name=user.name, disabled=user.disabled, membership=place)
        for place in user.memberships
    }


def _name(entity: Any) -> str:
    """Give what people call a thing."""
    give = _NAMES.get(type(entity))
    return give(entity) if give is not None else str(entity.name)


_NAMES: Final[dict[type[Any], Callable[[Any], str]]] = {
    User: lambda user: str(user.login),
    Group: lambda group: str(group.label),
    Mapping: lambda mapping: str(mapping.model),
    PriceBook: lambda book: str(book.card.source),
    Announcement: lambda announcement: str(announcement.title),
    Multiplier: lambda cell: f"{cell.user_group} x {cell.channel_group}",
}


AUDIT: Final = Audit()
