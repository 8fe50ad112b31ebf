"""Logging in and out, giving the password again, changing it."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, get, patch, post
from litestar.datastructures import Cookie
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody
from msgspec import UNSET

from adapters.postgres.admin_store import Stored
from app.api.call import NO_STORE, Call, ThisApi, ThisCall, route
from app.api.guards import STEP_UP, Api, client_address
from app.api.permissions import Permission, Principal
from app.api.problems import ApiError
from app.api.schemas.sessions import Credentials, Me, MeChange, NewPassword, SessionView, SteppedUp, StepUp
from app.api.schemas.users import user_state
from app.api.sessions import ABSOLUTE, OpenedSession, sha256
from app.api.throttle import FailureThrottle
from domain.ids import PLATFORM

_DEVICE_SECONDS: Final = 400 * 86_400
"""The longest that browsers keep a cookie."""


@post(
    "/login",
    status_code=200,
    **route(None, "login", "Open a session with login and password", 401),
)
async def login(request: Request[Any, Any, Any], api: ThisApi, data: JSONBody[Credentials]) -> Response[SessionView]:
    address = client_address(request, api.trusted_proxies)
    device = request.cookies.get(api.device_cookie)
    stored = await check_password(api, data.login.strip().casefold(), data.password, address, device)
    if stored is None or stored.archived or stored.entity.disabled:
        raise ApiError("invalid_credentials")
    device = await api.sessions.remember_device(stored.entity.user_id, device, api.clock())
    opened = await api.sessions.open(
        stored.entity.user_id,
        now=api.clock(),
        user_agent=request.headers.get("user-agent", ""),
        address=address,
    )
    await api.administration.note_login(stored.entity.user_id)
    view = SessionView(user=user_state(stored.entity), csrf_token=opened.csrf_token, expires_at=opened.expires_at)
    return Response(view, status_code=200, headers=dict(NO_STORE), cookies=_cookies(api, opened, device))


async def check_password(api: Api, name: str, password: str, address: str, device: str | None) -> Stored | None:
    """Give the user whom login and password name together, or None; whoever fails has to wait, longer each time.

    A browser that has logged in as this user before waits for its own failures only. So nobody can keep somebody else
    out: guesses at a login, from however many addresses, slow down the browsers that it was never used from.
    """
    throttles = await _throttles(api, name, address, device)
    for throttle, key in throttles:
        throttle.check(key)
    # Counted before the slow comparison: a thousand guesses at once are a thousand.
    for throttle, key in throttles:
        throttle.fail(key)
    stored = await api.administration.check_password(name, password)
    if stored is not None:
        for throttle, key in throttles:
            # Only this attempt of an address: else one's own account would wipe out the guesses at others.
            if throttle is api.addresses:
                throttle.take_back(key)
            else:
                throttle.forget(key)
    return stored


async def _throttles(api: Api, name: str, address: str, device: str | None) -> list[tuple[FailureThrottle, str]]:
    if device is not None:
        found = await api.administration.find("user", name)
        if found is not None and await api.sessions.knows_device(found.entity.user_id, device):
            return [(api.devices, f"{name}\n{sha256(device)}")]
    return [(api.logins, f"{name}\n{address}"), (api.names, name), (api.addresses, address)]


def _cookies(api: Api, opened: OpenedSession, device: str) -> list[Cookie]:
    seconds = int(ABSOLUTE.total_seconds())
    return [
        _cookie(api, api.device_cookie, device, _DEVICE_SECONDS, httponly=True),
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


@post(
    "/step-up",
    status_code=200,
    **route(
        Permission.SELF,
        "stepUp",
        "Give the password again, before money is moved or a secret shown",
        session_only=True,
        before_password_change=True,
    ),
)
async def step_up(request: Request[Any, Any, Any], call: ThisCall, data: JSONBody[StepUp]) -> SteppedUp:
    await _confirm_password(request, call, data.password)
    now = call.api.clock()
    if call.principal.session_hash is not None:
        await call.api.sessions.confirm(call.principal.session_hash, now)
    return SteppedUp(until=now + STEP_UP)


async def _confirm_password(request: Request[Any, Any, Any], call: Call, password: str) -> None:
    """Raise `invalid_credentials` unless this is the caller's own password; failures count as those of logins do."""
    api = call.api
    address = client_address(request, api.trusted_proxies)
    device = request.cookies.get(api.device_cookie)
    if await check_password(api, call.principal.user.login, password, address, device) is None:
        raise ApiError("invalid_credentials", "The current password is wrong.")


def _me(principal: Principal) -> Me:
    return Me(
        user=user_state(principal.user),
        scopes=tuple(sorted(principal.scopes)),
        stepped_up_until=principal.confirmed_at + STEP_UP if principal.confirmed_at is not None else None,
        platform_permissions=tuple(each.value for each in Permission if principal.may(each)),
        tenant_permissions={
            str(tenant_id): tuple(each.value for each in Permission if principal.may(each, tenant_id))
            for tenant_id in sorted(principal.tenant_ids)
        },
    )


@get("/me", **route(Permission.SELF, "getMe", "Whom the API takes you for", before_password_change=True))
async def me(call: ThisCall) -> Me:
    return _me(call.principal)


@patch(
    "/me",
    **route(Permission.SELF, "changeMe", "Change one's own name, language, theme or time zone", 422, session_only=True),
)
async def change_me(call: ThisCall, data: JSONBody[MeChange]) -> Me:
    values = {name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET}
    # Without a version: it is one's own, and what one chose last is what counts.
    stored = await call.api.administration.change(
        "user",
        call.principal.user.user_id,
        None,
        lambda user: msgspec.structs.replace(user, **values),
        actor=call.principal.actor,
        correlation_id=call.correlation_id,
        tenant_id=PLATFORM,
    )
    return _me(msgspec.structs.replace(call.principal, user=stored.entity))


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
    await _confirm_password(request, call, data.current)
    if data.new == data.current:
        raise ApiError("password_refused", "The new password must differ from the present one.")
    await call.api.administration.set_password(
        user.user_id,
        data.new,
        actor=call.principal.actor,
        keep_session=call.principal.session_hash,
        correlation_id=call.correlation_id,
    )


ROUTES: Sequence[BaseRouteHandler] = (login, logout, me, change_me, step_up, change_password)
