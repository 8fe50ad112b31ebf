"""/api/audit: who did what, when, why and from where; what was different; and how things were at a past moment."""

import datetime as dt
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, QueryParameter
from litestar.response import Stream

from app.api.call import Call, Limit, TenantNumber, ThisCall, route
from app.api.listing import Label, Since, Until
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_exports import file_of
from app.api.report_money import moment_of
from app.api.report_scope import FormatName, From, To, Zone, span_of, tenant_of
from app.api.report_views import BucketView
from app.api.routing_policies import policy_state
from app.api.schemas.announcements import announcement_state
from app.api.schemas.channels import channel_state
from app.api.schemas.codes import batch_state
from app.api.schemas.common import Listing, budgets_out
from app.api.schemas.groups import group_state, multiplier_state
from app.api.schemas.mappings import mapping_state
from app.api.schemas.rate_cards import card_state, card_summary
from app.api.schemas.settings import setting_state
from app.api.schemas.tenants import tenant_state
from app.api.schemas.tokens import token_state
from app.api.schemas.users import user_state
from app.reports.audit import AuditEntry, AuditQuery, Place, count_changes, place_of, read_audit, read_state
from domain.admin.entities import (
    Announcement,
    Channel,
    CodeBatch,
    Group,
    Multiplier,
    PriceBook,
    RoutingPolicy,
    Setting,
    Tenant,
    Token,
    User,
)
from domain.admin.entities import (
    Mapping as ModelMapping,
)
from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted
from domain.ids import PLATFORM, TenantId
from domain.money import format_amount
from domain.reports.focus import Kind
from domain.reports.periods import BucketSize, buckets
from projections.audit import MemberDetail

_PIECE: Final = 500
_After = Annotated[str | None, QueryParameter(name="after", max_length=80, description="`next` of the part before.")]
_Kind = Annotated[str | None, QueryParameter(name="kind", max_length=40, description="Of thing, such as `token`.")]
_Action = Annotated[
    str | None,
    QueryParameter(name="action", max_length=40, description="Such as `created`, `changed`, `archived`, `signed_in`."),
]
_Actor = Annotated[
    str | None,
    QueryParameter(name="actor", max_length=200, description="Such as `user:<id>`, or the id of a person alone."),
]
_Id = Annotated[str, QueryParameter(name="entity_id", min_length=1, max_length=100)]
_At = Annotated[dt.datetime, QueryParameter(name="at", description="A past moment, with a time zone.")]
_KindOf = Annotated[str, QueryParameter(name="kind", min_length=1, max_length=40)]


class AuditItem(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody did to one thing."""

    id: str
    at: dt.datetime
    event_id: str
    """Of the event in the log: what /api/events/{id}/proof takes."""
    type: str
    """Of the event."""
    tenant_id: TenantId
    """In whose log the event stands; 1 is the platform."""
    kind: str
    """Of the thing: a kind of resource, `member`, `credit`, `invitation` or `personal_token`."""
    entity_id: str
    name: str
    """What people call the thing; of a sign-in and the like what more there is to say."""
    action: str
    actor: str
    actor_login: str | None
    """Of a person, as it is now."""
    address: str | None
    """Whence it was asked for, where that is known and for the reader to know."""
    reason: str
    before: dict[str, Any] | None
    """As the thing's own history shows it, of a rate card without its prices; null where nothing can be shown."""
    after: dict[str, Any] | None
    changed: tuple[str, ...]
    """The fields that are different."""


class AuditState(msgspec.Struct, frozen=True, kw_only=True):
    """A thing as it was at a moment."""

    kind: str
    entity_id: str
    at: dt.datetime
    version: int
    archived: bool
    state: dict[str, Any]
    since: dt.datetime
    """When it came to be so."""
    event_id: str
    actor: str
    actor_login: str | None
    reason: str


class ChangeCount(msgspec.Struct, frozen=True, kw_only=True):
    """How often something was done in a bucket."""

    bucket: int
    """The index in `buckets`."""
    kind: str
    action: str
    changes: int


class ChangeCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What was done over time. A bucket in which nothing was has no row."""

    zone: str
    buckets: tuple[BucketView, ...]
    rows: tuple[ChangeCount, ...]


def _scope(call: Call, tenant_id: int | None) -> TenantId | None:
    """Give whose timeline it is: None is everybody's, for the operator."""
    principal = call.principal
    if tenant_id is None:
        if principal.may(Permission.AUDIT_READ):
            return None
        if len(principal.tenant_ids) != 1:
            raise ApiError("invalid_request", "You are in several tenants: name one as `tenant_id`.")
        (tenant_id,) = principal.tenant_ids
    tenant = TenantId(tenant_id)
    call.require(Permission.AUDIT_READ, tenant)
    return tenant


def _query(tenant_id: TenantId | None, **filters: Any) -> AuditQuery:
    actor = filters.pop("actor")
    if actor is not None and ":" not in actor:
        actor = f"user:{actor}"
    return AuditQuery(tenant_id=tenant_id, actor=actor, **filters)


@get(
    "/audit",
    **route(
        Permission.AUDIT_READ, "listAudit", "Who did what, when, why and from where, the latest first", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def list_audit(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    kind: _Kind = None,
    entity_id: Label = None,
    action: _Action = None,
    actor: _Actor = None,
    starts_at: Since = None,
    ends_at: Until = None,
    after: _After = None,
    limit: Limit = 50,
) -> Listing[AuditItem]:
    tenant = _scope(call, tenant_id)
    query = _query(
        tenant, kind=kind, entity_id=entity_id, action=action, actor=actor, starts_at=starts_at, ends_at=ends_at
    )
    place = place_of(after) if after is not None else None
    found = await read_audit(call.api.pool, query, after=place, limit=limit + 1)
    items = await _items(call, found[:limit], tenant)
    return Listing(items=items, next=found[limit - 1].place.text() if len(found) > limit else None)


@get(
    "/audit/changes",
    **route(
        Permission.AUDIT_READ, "countAudit", "How much was done over time, by kind and action", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def count_audit(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    bucket: FromQuery[BucketSize] = "day",
    starts_at: From = None,
    ends_at: To = None,
    zone: Zone = None,
) -> ChangeCounts:
    tenant = _scope(call, tenant_id)
    if zone is None:
        zone = (await tenant_of(call, tenant)).time_zone if tenant is not None else "UTC"
    tiles = buckets(bucket, *span_of(call, starts_at, ends_at), zone)
    rows = await count_changes(call.api.pool, tiles, tenant)
    return ChangeCounts(
        zone=zone,
        buckets=tuple(BucketView(starts_at=tile.starts_at, ends_at=tile.ends_at) for tile in tiles),
        rows=tuple(
            ChangeCount(bucket=row.bucket, kind=row.kind, action=row.action, changes=row.changes) for row in rows
        ),
    )


@get(
    "/audit/state",
    **route(Permission.AUDIT_READ, "getStateAt", "A thing as it was at a past moment", 404, 422, within="entity"),
)
async def state_at(
    call: ThisCall, *, kind: _KindOf, entity_id: _Id, at: _At, tenant_id: TenantNumber = None
) -> AuditState:
    tenant = _scope(call, tenant_id)
    moment = moment_of(call, at)
    found = await read_state(call.api.pool, kind, entity_id, moment, tenant_id=tenant)
    if found is None:
        raise ApiError("not_found", "There was no such thing then.")
    entry = found.entry
    if tenant is None:
        await call.looked_at(entry.tenant_id)
    before, after = _states(entry, whole=True)
    state = after if after is not None else before
    if state is None:
        raise ApiError("not_found", "There was no such thing then.")
    logins = await _logins(call, [entry])
    return AuditState(
        kind=kind,
        entity_id=entity_id,
        at=moment,
        version=found.version,
        archived=entry.action == "archived",
        state=state,
        since=entry.place.recorded_at,
        event_id=entry.event_id,
        actor=entry.actor,
        actor_login=logins.get(entry.actor),
        reason=entry.reason,
    )


COLUMNS: Final[Mapping[str, Kind]] = {
    "at": "time",
    "tenant_id": "text",
    "kind": "text",
    "entity_id": "text",
    "name": "text",
    "action": "text",
    "actor": "text",
    "actor_login": "text",
    "address": "text",
    "reason": "text",
    "changed": "text",
    "before": "text",
    "after": "text",
    "event_id": "text",
}


@get(
    "/audit/export",
    media_type="text/csv",
    **route(
        Permission.AUDIT_READ, "exportAudit", "The audit timeline as a file, as it is listed", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def export_audit(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    kind: _Kind = None,
    entity_id: Label = None,
    action: _Action = None,
    actor: _Actor = None,
    starts_at: Since = None,
    ends_at: Until = None,
) -> Stream:
    tenant = _scope(call, tenant_id)
    query = _query(
        tenant, kind=kind, entity_id=entity_id, action=action, actor=actor, starts_at=starts_at, ends_at=ends_at
    )

    async def chunks() -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        place: Place | None = None
        while True:
            found = await read_audit(call.api.pool, query, after=place, limit=_PIECE)
            yield [_cells(item) for item in await _items(call, found, tenant)]
            if len(found) < _PIECE:
                return
            place = found[-1].place

    return await file_of(format_, "audit", chunks(), COLUMNS)


def _cells(item: AuditItem) -> dict[str, Any]:
    def text(state: dict[str, Any] | None) -> str:
        return msgspec.json.encode(state).decode() if state is not None else ""

    return {
        "at": item.at,
        "tenant_id": str(item.tenant_id),
        "kind": item.kind,
        "entity_id": item.entity_id,
        "name": item.name,
        "action": item.action,
        "actor": item.actor,
        "actor_login": item.actor_login or "",
        "address": item.address or "",
        "reason": item.reason,
        "changed": " ".join(item.changed),
        "before": text(item.before),
        "after": text(item.after),
        "event_id": item.event_id,
    }


async def _items(call: Call, entries: Sequence[AuditEntry], tenant_id: TenantId | None) -> tuple[AuditItem, ...]:
    people = await _people(call, entries)
    return tuple(_item(call, entry, people.get(entry.actor), tenant_id) for entry in entries)


def _item(call: Call, entry: AuditEntry, actor: User | None, tenant_id: TenantId | None) -> AuditItem:
    before, after = _states(entry)
    # Where the operator's people sit is none of a tenant's business.
    is_theirs = actor is not None and actor.platform_role is None
    shows_address = call.principal.is_operator or (is_theirs and tenant_id is not None)
    return AuditItem(
        id=entry.place.text(),
        at=entry.place.recorded_at,
        event_id=entry.event_id,
        type=entry.type,
        tenant_id=entry.tenant_id,
        kind=entry.kind,
        entity_id=entry.entity_id,
        name=entry.name,
        action=entry.action,
        actor=entry.actor,
        actor_login=actor.login if actor is not None else None,
        address=(entry.address or None) if shows_address else None,
        reason=entry.reason,
        before=before,
        after=after,
        changed=_changed(before, after),
    )


def _changed(before: dict[str, Any] | None, after: dict[str, Any] | None) -> tuple[str, ...]:
    if before is None or after is None:
        return ()
    return tuple(name for name in after if before.get(name) != after[name])


async def _people(call: Call, entries: Sequence[AuditEntry]) -> dict[str, User]:
    """Give the persons who did it, by how events name them."""
    ids = sorted({entry.actor.removeprefix("user:") for entry in entries if entry.actor.startswith("user:")})
    found = await call.api.administration.store.entities("user", [PLATFORM], ids) if ids else []
    return {f"user:{stored.entity_id}": stored.entity for stored in found}


async def _logins(call: Call, entries: Sequence[AuditEntry]) -> dict[str, str]:
    return {actor: user.login for actor, user in (await _people(call, entries)).items()}


_SHOWN: Final[dict[type[Any], Callable[[Any], msgspec.Struct]]] = {
    Announcement: announcement_state,
    Channel: channel_state,
    CodeBatch: batch_state,
    Group: group_state,
    ModelMapping: mapping_state,
    Multiplier: multiplier_state,
    PriceBook: card_state,
    RoutingPolicy: policy_state,
    Setting: setting_state,
    Tenant: tenant_state,
    Token: token_state,
    User: user_state,
}


def _states(entry: AuditEntry, *, whole: bool = False) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """Give before and after as the thing's own history shows them; of credit what was moved."""
    value = entry.value
    match value:
        case CreditGranted():
            return None, _granted(value)
        case CodeRedeemed(grant=grant, batch_id=batch_id):
            return None, {**_granted(grant), "batch_id": batch_id}
        case CreditAdjusted():
            amount = format_amount(-value.amount_nanos)
            return None, {"amount": amount, "reference": value.reference, "strict": value.strict}
        case _:
            before, after = getattr(value, "before", None), getattr(value, "after", None)
            return _state(before, whole=whole), _state(after, whole=whole)


def _granted(grant: CreditGranted) -> dict[str, Any]:
    return {
        "amount": format_amount(grant.amount_nanos),
        "currency": grant.currency,
        "kind": grant.kind,
        "source": grant.source,
        "priority": grant.priority,
        "expires_at": grant.expires_at,
        "reference": grant.reference,
    }


def _state(thing: Any, *, whole: bool) -> dict[str, Any] | None:
    if isinstance(thing, MemberDetail):
        shown: dict[str, Any] = {
            "login": thing.login,
            "name": thing.name,
            "disabled": thing.disabled,
            "role": thing.membership.role,
            "budgets": msgspec.to_builtins(budgets_out(thing.membership.budgets)),
        }
        return shown
    show = _SHOWN.get(type(thing))
    if isinstance(thing, PriceBook) and not whole:
        # A card has a thousand prices: what differs between two is for /diff to say.
        show = card_summary
    if show is None:
        return None
    # JSON there and back: what is in it are texts and numbers as the API writes them everywhere.
    state: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(show(thing)))
    return state


ROUTES: Sequence[BaseRouteHandler] = (list_audit, count_audit, state_at, export_audit)
