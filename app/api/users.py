"""/api/users: people, as the operator sees them."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from adapters.postgres.row_security import owner_of
from app.api.call import (
    Call,
    IfMatch,
    Limit,
    Resource,
    TenantNumber,
    ThisCall,
    Why,
    route,
    version_of,
    versioned,
)
from app.api.listing import ThisListing
from app.api.own_access import open_session
from app.api.permissions import Permission, may_assign
from app.api.problems import ApiError
from app.api.schemas.changes import given
from app.api.schemas.common import History, Listing
from app.api.schemas.sessions import OpenSession
from app.api.schemas.users import NewUser, PasswordReset, UserChange, UserState, UserView, memberships_in, user_state
from app.api.tenants import create_user
from app.reports.audit import last_sign_ins
from domain.admin.entities import PlatformRole, User
from domain.admin.events import SessionsEnded
from domain.ids import PLATFORM, EntityId, TenantId

UserIds = Annotated[
    str, QueryParameter(name="user_ids", min_length=1, max_length=20_000, description="Of a list, between commas.")
]

USERS = Resource("user", state=user_state, view=UserView, read=Permission.USER_READ, write=Permission.USER_WRITE)


@post("/users", **route(Permission.USER_WRITE, "createUser", "Make a person who can log in", 409, 422, secrets=True))
async def create_person(call: ThisCall, data: JSONBody[NewUser]) -> Response[UserView]:
    user = User(
        user_id=EntityId(""),
        login=data.login,
        name=data.name,
        platform_role=data.platform_role,
        memberships=memberships_in(data.memberships),
    )
    _may_assign(call, None, user)
    stored = await create_user(call, user, data.password, data.reason)
    return versioned(USERS.view(stored), 201)


@get("/users", **route(Permission.USER_READ, "listUsers", "List people", 422))
async def list_users(
    call: ThisCall,
    listing: ThisListing,
    *,
    platform_role: FromQuery[PlatformRole | None] = None,
    disabled: FromQuery[bool | None] = None,
    tenant_id: TenantNumber = None,
) -> Listing[UserView]:
    return await USERS.list(
        call,
        listing,
        filters={"platform_role": platform_role, "disabled": disabled},
        tenant_id=PLATFORM,
        member_of=TenantId(tenant_id) if tenant_id is not None else None,
    )


@get("/users/{user_id:str}", **route(Permission.USER_READ, "getUser", "Read a person", 404))
async def read_user(call: ThisCall, user_id: FromPath[str]) -> Response[UserView]:
    return await USERS.read(call, user_id)


@patch(
    "/users/{user_id:str}",
    **route(Permission.USER_WRITE, "changeUser", "Change a person, their roles included", 404, 409, 412, 422, 428),
)
async def change_user(
    call: ThisCall, user_id: FromPath[str], data: JSONBody[UserChange], if_match: IfMatch = None
) -> Response[UserView]:
    values = given(data)

    def transform(user: User) -> User:
        changed = msgspec.structs.replace(user, **values)
        _may_assign(call, user, changed)
        return changed

    return await USERS.change(call, user_id, if_match, data, transform=transform)


@delete(
    "/users/{user_id:str}",
    status_code=200,
    **route(Permission.USER_WRITE, "archiveUser", "Take a person out of use for good", 404, 409, 412, 428),
)
async def archive_user(
    call: ThisCall, user_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[UserView]:
    version_of(if_match)
    found = await USERS.find(call, user_id)
    _may_assign(call, found.entity, None)
    return await USERS.archive(call, user_id, if_match, reason)


@post(
    "/users/{user_id:str}/password",
    status_code=200,
    **route(
        Permission.USER_WRITE,
        "resetPassword",
        "Give a person a new first password, and end their sessions",
        404,
        422,
        secrets=True,
    ),
)
async def reset_password(call: ThisCall, user_id: FromPath[str], data: JSONBody[PasswordReset]) -> Response[UserView]:
    found = await USERS.find(call, user_id)
    _may_assign(call, found.entity, None)
    await call.api.administration.set_password(
        user_id,
        data.password,
        actor=call.principal.actor,
        reason=data.reason,
        must_change=True,
        correlation_id=call.correlation_id,
    )
    return await USERS.read(call, user_id)


@get(
    "/users/{user_id:str}/history",
    **route(Permission.USER_READ, "getUserHistory", "Who changed a person, and how", 404),
)
async def user_history(call: ThisCall, user_id: FromPath[str], limit: Limit = 50) -> History[UserState]:
    return await USERS.history(call, user_id, limit)


@get(
    "/users/{user_id:str}/sessions",
    **route(Permission.USER_READ, "listUserSessions", "List a person's open sessions", 404),
)
async def list_user_sessions(call: ThisCall, user_id: FromPath[str]) -> Listing[OpenSession]:
    await USERS.find(call, user_id)
    found = await call.api.sessions.of_user(EntityId(user_id), now=call.api.clock())
    return Listing(items=tuple(open_session(each, call.principal.session_id) for each in found), next=None)


@delete(
    "/users/{user_id:str}/sessions/{session_id:str}",
    status_code=204,
    **route(Permission.USER_WRITE, "endUserSession", "End one of a person's sessions", 404),
)
async def end_user_session(call: ThisCall, user_id: FromPath[str], session_id: FromPath[str]) -> None:
    await _session_owner(call, user_id)
    if not await call.api.sessions.end(EntityId(user_id), session_id):
        raise ApiError("not_found")
    await _note_end(call, user_id, "one")


@delete(
    "/users/{user_id:str}/sessions",
    status_code=204,
    **route(Permission.USER_WRITE, "endUserSessions", "End all of a person's sessions", 404),
)
async def end_user_sessions(call: ThisCall, user_id: FromPath[str]) -> None:
    await _session_owner(call, user_id)
    await call.api.administration.store.end_sessions(user_id, keep=call.principal.session_hash)
    await _note_end(call, user_id, "all")


class SignIn(msgspec.Struct, frozen=True, kw_only=True):
    """When a person last signed in with their password."""

    user_id: EntityId
    at: dt.datetime
    address: str | None


@get(
    "/users/sign-ins",
    **route(Permission.USER_READ, "listSignIns", "When people last signed in, and from where", 422),
)
async def sign_ins(call: ThisCall, user_ids: UserIds) -> Listing[SignIn]:
    wanted = list(dict.fromkeys(part.strip() for part in user_ids.split(",") if part.strip()))
    found = await last_sign_ins(owner_of(call.api.pool), wanted)
    items = (SignIn(user_id=EntityId(each[0]), at=each[1], address=each[2] or None) for each in found)
    return Listing(items=tuple(items), next=None)


async def _session_owner(call: Call, user_id: str) -> None:
    """Raise unless the person is there, and of no higher role than this one may touch."""
    _may_assign(call, (await USERS.find(call, user_id)).entity, None)


async def _note_end(call: Call, user_id: str, how: Literal["one", "all"]) -> None:
    event = SessionsEnded(user_id=EntityId(user_id), how=how)
    await call.api.administration.note(event, actor=call.principal.actor, correlation_id=call.correlation_id)


def _may_assign(call: Call, before: User | None, after: User | None) -> None:
    """Refuse to touch a person of a higher role, and to hand out more than one has."""
    for user in (before, after):
        if user is None:
            continue
        roles: list[Any] = [(place.tenant_id, place.role) for place in user.memberships]
        if not may_assign(call.principal, platform_role=user.platform_role, tenant_roles=roles):
            raise ApiError("forbidden", "You cannot touch this role: nobody hands out, or takes, more than they have.")


ROUTES: Sequence[BaseRouteHandler] = (
    USERS.restoring("/users", "User", allow=lambda call, user: _may_assign(call, user, None)),
    create_person,
    list_users,
    read_user,
    change_user,
    archive_user,
    reset_password,
    user_history,
    list_user_sessions,
    end_user_session,
    end_user_sessions,
    sign_ins,
)
