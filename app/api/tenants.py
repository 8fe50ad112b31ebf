"""/api/tenants: billed customers, and the people of each."""

import datetime as dt
from collections.abc import Callable, Sequence
from typing import Annotated, Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from adapters.postgres.admin_store import Stored
from app.api.call import (
    Call,
    IfMatch,
    Limit,
    Resource,
    ThisCall,
    Why,
    route,
    version_of,
    versioned,
)
from app.api.listing import Label, ThisListing
from app.api.permissions import Permission, may_assign
from app.api.problems import ApiError
from app.api.schemas.changes import given
from app.api.schemas.common import History, Listing, budgets_in, budgets_out, history_item, limits_in
from app.api.schemas.tenants import TENANTS_OWN, NewTenant, TenantChange, TenantState, TenantView, tenant_state
from app.api.schemas.users import MemberChange, MemberState, MemberView, NewMember
from app.reports.log import last_calls
from domain.admin.entities import Membership, Tenant, TenantRole, User
from domain.ids import PLATFORM, EntityId, TenantId
from domain.money import parse_amount

_CHANGES_READ: Final = 500
"""Of a person, of which a tenant sees those that are about itself."""
TenantIds = Annotated[
    str,
    QueryParameter(
        pattern=r"^[0-9]{1,15}(,[0-9]{1,15}){0,499}$", description="Tenants, between commas: those of a list."
    ),
]


class LastCall(msgspec.Struct, frozen=True, kw_only=True):
    """When a tenant last called a model, refused or not; one that never did is not told."""

    tenant_id: TenantId
    at: dt.datetime


TENANTS = Resource(
    "tenant",
    state=tenant_state,
    view=TenantView,
    read=Permission.TENANT_READ,
    write=Permission.TENANT_WRITE,
)


@post("/tenants", **route(Permission.TENANT_CREATE, "createTenant", "Make a tenant with an empty wallet", 409, 422))
async def create_tenant(call: ThisCall, data: JSONBody[NewTenant]) -> Response[TenantView]:
    tenant = Tenant(
        tenant_id=TenantId(0),
        name=data.name,
        user_group=data.user_group,
        time_zone=data.time_zone,
        disconnect=data.disconnect,
        lower_output_limit=data.lower_output_limit,
        credit_limit_nanos=parse_amount(data.credit_limit),
        limits=limits_in(data.limits),
        budgets=budgets_in(data.budgets),
    )
    return await TENANTS.created(call, tenant, data.reason)


@get(
    "/tenants",
    **route(Permission.TENANT_READ, "listTenants", "List the tenants that you may see", 422, within="entity"),
)
async def list_tenants(
    call: ThisCall, listing: ThisListing, *, user_group: Label = None, suspended: FromQuery[bool | None] = None
) -> Listing[TenantView]:
    return await TENANTS.list(
        call,
        listing,
        filters={"suspended": suspended},
        owner=user_group,
        tenant_ids=None if call.principal.is_operator else sorted(call.principal.tenant_ids),
    )


@get(
    "/tenants/last-calls",
    **route(Permission.REPORT_READ, "listLastCalls", "When each of these tenants last called a model", 422),
)
async def list_last_calls(call: ThisCall, tenant_ids: TenantIds) -> Listing[LastCall]:
    wanted = [TenantId(int(part)) for part in dict.fromkeys(tenant_ids.split(","))]
    found = await last_calls(call.api.pool, wanted)
    return Listing(items=tuple(LastCall(tenant_id=each, at=at) for each, at in found.items()), next=None)


@get(
    "/tenants/{tenant_id:int}",
    **route(Permission.TENANT_READ, "getTenant", "Read a tenant", 404, within="tenant"),
)
async def read_tenant(call: ThisCall, tenant_id: FromPath[int]) -> Response[TenantView]:
    return await TENANTS.read(call, str(tenant_id))


@patch(
    "/tenants/{tenant_id:int}",
    **route(Permission.TENANT_WRITE, "changeTenant", "Change a tenant", 404, 409, 412, 422, 428, within="tenant"),
)
async def change_tenant(
    call: ThisCall, tenant_id: FromPath[int], data: JSONBody[TenantChange], if_match: IfMatch = None
) -> Response[TenantView]:
    # What limits a tenant is the operator's to say, not its own.
    governed = set(_named(data)) - TENANTS_OWN
    permission = Permission.TENANT_GOVERN if governed else Permission.TENANT_WRITE
    return await TENANTS.change(call, str(tenant_id), if_match, data, permission=permission)


def _named(data: TenantChange) -> list[str]:
    return [name for name in data.__struct_fields__ if name != "reason" and getattr(data, name) is not msgspec.UNSET]


@delete(
    "/tenants/{tenant_id:int}",
    status_code=200,
    **route(
        Permission.TENANT_CREATE, "archiveTenant", "Take a tenant out of use for good", 404, 409, 412, 428,
    ),
)  # fmt: skip
async def archive_tenant(
    call: ThisCall, tenant_id: FromPath[int], if_match: IfMatch = None, reason: Why = ""
) -> Response[TenantView]:
    return await TENANTS.archive(call, str(tenant_id), if_match, reason, permission=Permission.TENANT_CREATE)


@get(
    "/tenants/{tenant_id:int}/history",
    **route(Permission.TENANT_READ, "getTenantHistory", "Who changed a tenant, and how", 404, within="tenant"),
)
async def tenant_history(call: ThisCall, tenant_id: FromPath[int], limit: Limit = 50) -> History[TenantState]:
    return await TENANTS.history(call, str(tenant_id), limit)


# Members: users as their tenant sees them.


@get(
    "/tenants/{tenant_id:int}/members",
    **route(Permission.MEMBER_READ, "listMembers", "List the people of a tenant", 404, 422, within="tenant"),
)
async def list_members(call: ThisCall, tenant_id: FromPath[int], listing: ThisListing) -> Listing[MemberView]:
    page = await call.api.administration.list(
        "user",
        tenant_id=PLATFORM,
        member_of=TenantId(tenant_id),
        after=listing.after,
        limit=listing.limit,
        search=listing.search,
        sort=listing.sort,
    )
    items = (_member(stored.entity, TenantId(tenant_id), stored.version) for stored in page.items)
    return Listing(items=tuple(item for item in items if item is not None), next=page.next)


@post(
    "/tenants/{tenant_id:int}/members",
    **route(
        Permission.MEMBER_WRITE,
        "createMember",
        "Make a new person in a tenant",
        404,
        409,
        422,
        within="tenant",
        secrets=True,
    ),
)
async def create_member(call: ThisCall, tenant_id: FromPath[int], data: JSONBody[NewMember]) -> MemberView:
    place = Membership(TenantId(tenant_id), data.role, budgets_in(data.budgets))
    _may_assign(call, place.tenant_id, data.role)
    stored = await create_user(
        call,
        User(user_id=EntityId(""), login=data.login, name=data.name, memberships=(place,)),
        data.password,
        data.reason,
    )
    view = _member(stored.entity, place.tenant_id, stored.version)
    assert view is not None
    return view


@get(
    "/tenants/{tenant_id:int}/members/{user_id:str}",
    **route(Permission.MEMBER_READ, "getMember", "Read a member", 404, within="tenant"),
)
async def read_member(call: ThisCall, tenant_id: FromPath[int], user_id: FromPath[str]) -> Response[MemberView]:
    stored = await call.api.administration.store.member(user_id, TenantId(tenant_id))
    view = _member(stored.entity, TenantId(tenant_id), stored.version) if stored is not None else None
    if view is None:
        raise ApiError("not_found")
    return versioned(view)


@get(
    "/tenants/{tenant_id:int}/members/{user_id:str}/history",
    **route(
        Permission.MEMBER_READ, "getMemberHistory", "The changes of a member, as their tenant sees them", 404,
        within="tenant",
    ),
)  # fmt: skip
async def member_history(
    call: ThisCall, tenant_id: FromPath[int], user_id: FromPath[str], limit: Limit = 50
) -> History[MemberState]:
    entries = await call.api.administration.store.member_history(user_id, TenantId(tenant_id), _CHANGES_READ)
    items = [history_item(entry, lambda user: _state(user, TenantId(tenant_id))) for entry in entries]
    # What is different elsewhere is none of this tenant's business.
    seen = tuple(item for item in items if item.before != item.after)
    if not seen:
        raise ApiError("not_found")
    return History(items=seen[:limit])


@patch(
    "/tenants/{tenant_id:int}/members/{user_id:str}",
    **route(
        Permission.MEMBER_WRITE, "changeMember", "Change a member's role or budgets", 404, 409, 412, 422, 428,
        within="tenant",
    ),
)  # fmt: skip
async def change_member(
    call: ThisCall,
    tenant_id: FromPath[int],
    user_id: FromPath[str],
    data: JSONBody[MemberChange],
    if_match: IfMatch = None,
) -> MemberView:
    version = version_of(if_match)
    user = await _member_user(call, TenantId(tenant_id), user_id)
    values = given(data)
    place = next(each for each in user.memberships if each.tenant_id == tenant_id)
    _may_assign(call, place.tenant_id, place.role, values.get("role", place.role))
    stored = await _change_places(
        call, (user_id, place.tenant_id), version, lambda old: (msgspec.structs.replace(old, **values),), data.reason
    )
    return _view(stored.entity, next(p for p in stored.entity.memberships if p.tenant_id == tenant_id), stored.version)


@delete(
    "/tenants/{tenant_id:int}/members/{user_id:str}",
    status_code=200,
    **route(
        Permission.MEMBER_WRITE, "removeMember", "Take a person out of a tenant", 404, 409, 412, 428, within="tenant"
    ),
)
async def remove_member(
    call: ThisCall, tenant_id: FromPath[int], user_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> MemberView:
    version = version_of(if_match)
    user = await _member_user(call, TenantId(tenant_id), user_id)
    place = next(each for each in user.memberships if each.tenant_id == tenant_id)
    _may_assign(call, place.tenant_id, place.role)
    stored = await _change_places(call, (user_id, place.tenant_id), version, lambda _old: (), reason)
    return _view(user, place, stored.version)


async def create_user(call: Call, user: User, password: str, reason: str) -> Stored:
    """Make a user whose password must be changed at the first login."""
    _fit(password)
    user = msgspec.structs.replace(user, must_change_password=True)
    administration = call.api.administration
    stored = await administration.create(
        "user", user, actor=call.principal.actor, reason=reason, correlation_id=call.correlation_id
    )
    await administration.set_password(
        stored.entity_id,
        password,
        actor=call.principal.actor,
        reason=reason,
        must_change=True,
        correlation_id=call.correlation_id,
    )
    return await administration.get("user", stored.entity_id, tenant_id=PLATFORM)


def _fit(password: str) -> None:
    # Before the user is made: a user without a password could not log in, and would keep the login.
    if len(password) < 8:  # noqa: PLR2004 -- as adapters.passwords says
        raise ApiError("password_refused")


def _may_assign(call: Call, tenant_id: TenantId, *roles: TenantRole) -> None:
    if not may_assign(call.principal, platform_role=None, tenant_roles=[(tenant_id, role) for role in roles]):
        raise ApiError("forbidden", "You cannot give or take this role: nobody hands out more than they have.")


async def _member_user(call: Call, tenant_id: TenantId, user_id: str) -> User:
    stored = await call.api.administration.get("user", user_id, tenant_id=PLATFORM)
    if stored.archived or _member(stored.entity, tenant_id, 0) is None:
        raise ApiError("not_found")
    user: User = stored.entity
    return user


async def _change_places(
    call: Call,
    place: tuple[str, TenantId],
    version: int,
    new: Callable[[Membership], Sequence[Membership]],
    reason: str,
) -> Stored:
    """Change one user's place in one tenant to none or another; their places elsewhere stay as they are."""
    user_id, tenant_id = place

    def transform(user: User) -> User:
        places: list[Membership] = []
        for each in user.memberships:
            places += new(each) if each.tenant_id == tenant_id else (each,)
        return msgspec.structs.replace(user, memberships=tuple(places))

    return await call.api.administration.change(
        "user",
        user_id,
        version,
        transform,
        actor=call.principal.actor,
        reason=reason,
        correlation_id=call.correlation_id,
        tenant_id=PLATFORM,
    )


def _member(user: User, tenant_id: TenantId, version: int) -> MemberView | None:
    place = next((each for each in user.memberships if each.tenant_id == tenant_id), None)
    return _view(user, place, version) if place is not None else None


def _state(user: User, tenant_id: TenantId) -> MemberState | None:
    place = next((each for each in user.memberships if each.tenant_id == tenant_id), None)
    return _placed(user, place) if place is not None else None


def _placed(user: User, place: Membership) -> MemberState:
    return MemberState(
        user_id=user.user_id,
        login=user.login,
        name=user.name,
        role=place.role,
        budgets=budgets_out(place.budgets),
        disabled=user.disabled,
    )


def _view(user: User, place: Membership, version: int) -> MemberView:
    return MemberView(**msgspec.structs.asdict(_placed(user, place)), version=version)


ROUTES: Sequence[BaseRouteHandler] = (
    TENANTS.restoring("/tenants", "Tenant", permission=Permission.TENANT_CREATE),
    create_tenant,
    list_tenants,
    list_last_calls,
    read_tenant,
    change_tenant,
    archive_tenant,
    tenant_history,
    list_members,
    create_member,
    read_member,
    member_history,
    change_member,
    remove_member,
)
