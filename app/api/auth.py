"""Logging in and out, one's own password, one's own keys for this API."""

from collections.abc import Sequence
from typing import Any

from litestar import Request, Response, delete, get, post
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from adapters.postgres.admin_store import Stored
from app.api.call import NO_STORE, ThisApi, ThisCall, route
from app.api.guards import Api, client_address
from app.api.permissions import ALL_SCOPES, Permission
from app.api.problems import ApiError
from app.api.schemas.common import Listing
from app.api.schemas.sessions import (
    CreatedPersonalToken,
    Credentials,
    Me,
    NewPassword,
    NewPersonalToken,
    PersonalTokenView,
    SessionView,
)
from app.api.schemas.users import user_state
from app.api.sessions import ABSOLUTE, OpenedSession, PersonalToken
from domain.ids import EntityId


@post(
    "/login",
    status_code=200,
    **route(None, "login", "Open a session with login and password", 401),
)
async def login(request: Request[Any, Any, Any], api: ThisApi, data: JSONBody[Credentials]) -> Response[SessionView]:
    address = client_address(request, api.trusted_proxies)
    stored = await _check_password(api, data.login.strip().casefold(), data.password, address)
    if stored is None or stored.archived or stored.entity.disabled:
        raise ApiError("invalid_credentials")
    opened = await api.sessions.open(
        stored.entity.user_id,
        now=api.clock(),
        user_agent=request.headers.get("user-agent", ""),
        address=address,
    )
    await api.administration.note_login(stored.entity.user_id)
    view = SessionView(user=user_state(stored.entity), csrf_token=opened.csrf_token, expires_at=opened.expires_at)
    return Response(view, status_code=200, headers=dict(NO_STORE), cookies=_cookies(api, opened))


async def _check_password(api: Api, name: str, password: str, address: str) -> Stored | None:
    """Give the user whom login and password name together, or None; whoever fails has to wait, longer each time."""
    api.logins.check(name)
    api.addresses.check(address)
    # Counted before the slow comparison: a thousand guesses at once are a thousand.
    api.logins.fail(name)
    api.addresses.fail(address)
    stored = await api.administration.check_password(name, password)
    if stored is not None:
        api.logins.forget(name)
        # Only this attempt: else one's own account would wipe out the guesses at others.
        api.addresses.take_back(address)
    return stored


def _cookies(api: Api, opened: OpenedSession) -> list[Cookie]:
    seconds = int(ABSOLUTE.total_seconds())
    return [
        _cookie(api, api.session_cookie, opened.secret, seconds, httponly=True),
        _cookie(api, api.csrf_cookie, opened.csrf_token, seconds, httponly=False),
    ]


def _cookie(api: Api, name: str, value: str, max_age_seconds: int, *, httponly: bool) -> Cookie:
    return Cookie(
        key=name,
        value=value,
        max_age=max_age_seconds,
        path="/",
        secure=api.secure_cookies,
        httponly=httponly,
        samesite="lax",
    )


@post(
    "/logout",
    status_code=204,
    **route(Permission.SELF, "logout", "End this session", session_only=True, before_password_change=True),
)
async def logout(call: ThisCall) -> Response[None]:
    if call.principal.session_hash is not None:
        await call.api.sessions.close(call.principal.session_hash)
    cookies = [
        _cookie(call.api, name, "", 0, httponly=name == call.api.session_cookie)
        for name in (call.api.session_cookie, call.api.csrf_cookie)
    ]
    return Response(None, status_code=204, headers=dict(NO_STORE), cookies=cookies)


@get("/me", **route(Permission.SELF, "getMe", "Whom the API takes you for", before_password_change=True))
async def me(call: ThisCall) -> Me:
    principal = call.principal
    return Me(
        user=user_state(principal.user),
        scopes=tuple(sorted(principal.scopes)),
        platform_permissions=tuple(each.value for each in Permission if principal.may(each)),
        tenant_permissions={
            str(tenant_id): tuple(each.value for each in Permission if principal.may(each, tenant_id))
            for tenant_id in sorted(principal.tenant_ids)
        },
    )


@post(
    "/password",
    status_code=204,
    **route(
        Permission.SELF,
        "changePassword",
        "Change one's own password; ends all other sessions",
        422,
        session_only=True,
        before_password_change=True,
    ),
)
async def change_password(request: Request[Any, Any, Any], call: ThisCall, data: JSONBody[NewPassword]) -> None:
    user = call.principal.user
    address = client_address(request, call.api.trusted_proxies)
    if await _check_password(call.api, user.login, data.current, address) is None:
        raise ApiError("invalid_credentials", "The current password is wrong.")
    if data.new == data.current:
        raise ApiError("password_refused", "The new password must differ from the present one.")
    await call.api.administration.set_password(
        user.user_id,
        data.new,
        actor=call.principal.actor,
        keep_session=call.principal.session_hash,
        correlation_id=call.correlation_id,
    )


# Personal access tokens.


@post(
    "/personal-tokens",
    **route(
        Permission.SELF, "createPersonalToken", "Make a key for this API; it is shown once", 422, session_only=True
    ),
)
async def create_personal_token(call: ThisCall, data: JSONBody[NewPersonalToken]) -> Response[CreatedPersonalToken]:
    now = call.api.clock()
    if data.expires_at is not None and (data.expires_at.utcoffset() is None or data.expires_at <= now):
        raise ApiError("expiry_in_past", "The expiry must lie in the future, and have a time zone.")
    token, secret = await call.api.sessions.create_token(
        call.principal.user.user_id,
        EntityId(call.api.ids()),
        name=data.name,
        scopes=tuple(sorted(ALL_SCOPES & set(data.scopes))),
        expires_at=data.expires_at,
        now=now,
    )
    view = CreatedPersonalToken(**_fields(token), secret=secret)
    return Response(view, status_code=201, headers=dict(NO_STORE))


@get("/personal-tokens", **route(Permission.SELF, "listPersonalTokens", "List one's keys for this API"))
async def list_personal_tokens(call: ThisCall) -> Listing[PersonalTokenView]:
    tokens = await call.api.sessions.tokens(call.principal.user.user_id)
    return Listing(items=tuple(PersonalTokenView(**_fields(token)) for token in tokens), next=None)


@delete(
    "/personal-tokens/{personal_token_id:str}",
    status_code=204,
    **route(Permission.SELF, "deletePersonalToken", "End one of one's keys for this API", 404, session_only=True),
)
async def delete_personal_token(call: ThisCall, personal_token_id: FromPath[str]) -> None:
    if not await call.api.sessions.drop_token(call.principal.user.user_id, personal_token_id):
        raise ApiError("not_found")


def _fields(token: PersonalToken) -> dict[str, Any]:
    return {
        "id": token.personal_token_id,
        "name": token.name,
        "hint": token.hint,
        "scopes": token.scopes,
        "created_at": token.created_at,
        "seen_at": token.seen_at,
        "expires_at": token.expires_at,
    }


ROUTES: Sequence[BaseRouteHandler] = (
    login,
    logout,
    me,
    change_password,
    create_personal_token,
    list_personal_tokens,
    delete_personal_token,
)
