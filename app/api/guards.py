"""The one door of the REST API: who is asking, may they, and with what. Closed unless a route says who may pass."""

import datetime as dt
import ipaddress
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from adapters.postgres.row_security import confine, unconfined
from app.administration import Administration
from app.administration.source import come_from
from app.api.looks import Looks
from app.api.permissions import ALL_SCOPES, Permission, Principal, scope_of
from app.api.permissions import Scope as TokenScope
from app.api.problems import ApiError
from app.api.public_pages import PublicPages
from app.api.sessions import PERSONAL_TOKEN_PREFIX, Sessions
from app.api.throttle import FailureThrottle, RateLimiter
from app.links import Links
from app.receipts import Receipts
from app.relay.inspection import Inspection
from app.routing.desk import Desk
from app.runs import Runs
from app.settings import Network
from app.wallets import Wallets
from domain.admin.entities import User
from domain.ids import PLATFORM, EntityId, TenantId
from domain.outbound import OutboundRules

if TYPE_CHECKING:
    import asyncpg
    from litestar.types import ASGIApp, Receive, Scope, Send

STEP_UP: Final = dt.timedelta(minutes=10)
"""So long after the password was given a session moves money and deals in secrets; then it is asked for again."""

NOBODY: Final = User(user_id=EntityId(""), login="nobody", name="Nobody")
"""Until it is known whose a session or token is."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_TENANTS_END: Final = 2**53
_CONTENT_TYPE: Final = "application/json"


class Api(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that the routes work with; made by `app.api.router.make_api`."""

    pool: "asyncpg.Pool[asyncpg.Record]"
    administration: Administration
    wallets: Wallets
    receipts: Receipts
    sessions: Sessions
    looks: Looks
    links: Links
    sends_mail: bool
    """Whether there is a mail server."""
    mails: RateLimiter
    """Mails that strangers may cause, by address and by login."""
    public: PublicPages
    routing: Desk | None = None
    """None where nothing is relayed: then nobody can be asked about it."""
    inspection: Inspection | None = None
    """Asks vendors about channels; None where nothing is relayed."""
    runs: Runs | None = None
    """Verifications and rebuilds; None where nothing can be run."""
    ids: Callable[[], str]
    clock: Callable[[], dt.datetime]
    secure_cookies: bool
    trusted_proxies: tuple[Network, ...]
    outbound: OutboundRules
    """Which addresses a channel may have."""
    logins: FailureThrottle
    """By login and address: somebody who tries many passwords."""
    names: FailureThrottle
    """By login alone: somebody who does so from many addresses."""
    addresses: FailureThrottle
    """By address: an office, or somebody who tries one password on many logins."""
    devices: FailureThrottle
    """By browser that has logged in before: nobody else can make it wait."""
    codes: FailureThrottle
    requests: RateLimiter
    strangers: RateLimiter

    def __deepcopy__(self, _memo: object) -> "Api":
        """Stay one: the framework copies routers whole when it takes them, and services cannot be copied."""
        return self

    @property
    def session_cookie(self) -> str:
        """The session's cookie; a `__Host-` name is accepted by browsers over https only, so http has its own."""
        return "__Host-tallygate" if self.secure_cookies else "tallygate_session"

    @property
    def csrf_cookie(self) -> str:
        """The cookie from which the console's script reads the CSRF token after a reload."""
        return "__Host-tallygate-csrf" if self.secure_cookies else "tallygate_csrf"

    @property
    def device_cookie(self) -> str:
        """The cookie of a browser that has logged in before."""
        return "__Host-tallygate-device" if self.secure_cookies else "tallygate_device"


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """Who may pass: declared on every route."""

    permission: Permission | None = None
    """None: anybody."""
    within: str = "platform"
    """`platform`; `tenant`: that of the path parameter tenant_id; `entity`: the handler asks again, once it has read
    whose the thing is."""
    session_only: bool = False
    """Not with a personal access token."""
    before_password_change: bool = False
    """Also open to who has not changed their first password yet."""
    secrets: bool = False
    """Gives out or takes in a secret: asks a session for its password again, and a token for the scope."""

    @property
    def step_up(self) -> TokenScope | None:
        """What the password is asked for again, and a token must have the scope for."""
        if self.secrets:
            return "secrets"
        return "money" if self.permission is not None and scope_of(self.permission) == "money" else None


ACCESS: Final = "access"
"""The key of a route's `opt`."""


def refuse_undeclared(handlers: Iterable[BaseRouteHandler]) -> None:
    """Raise, as the server starts, for a route that does not say who may pass."""
    for handler in handlers:
        if not isinstance(handler.opt.get(ACCESS), Access):
            raise TypeError(f"the route {handler.paths} does not say who may pass: use route()")


async def admit(connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
    """Let a request pass, or raise. Litestar calls this for every route of the API's router."""
    access = handler.opt.get(ACCESS)
    if not isinstance(access, Access):
        # A route that forgot to say who may pass is open to nobody.
        raise ApiError("forbidden")
    api: Api = handler.opt["api"]
    _require_json(connection)
    address = client_address(connection, api.trusted_proxies)
    come_from(address)
    if access.permission is None:
        api.strangers.take(address)
        return
    principal = await _authenticate(connection, api, address)
    api.requests.take(principal.user.user_id)
    connection.scope["user"] = principal
    if access.session_only and principal.session_hash is None:
        raise ApiError("session_required")
    if principal.user.must_change_password and not access.before_password_change:
        raise ApiError("password_change_required")
    _authorize(access, access.permission, principal, connection.path_params)
    _step_up(access, principal, api.clock())
    confine(_confines(access, principal, connection.path_params))
    await _note_look(connection, api, principal, getattr(handler, "operation_id", None) or "")


async def _note_look(
    connection: ASGIConnection[Any, Any, Any, Any], api: Api, principal: Principal, operation: str
) -> None:
    """Record a look of the operator at the tenant that a path or a filter names; a thing's own is recorded with it."""
    if not principal.is_operator or connection.scope["method"] not in _SAFE:  # type: ignore[typeddict-item]  # http only
        return
    named = connection.path_params.get("tenant_id", connection.query_params.get("tenant_id", ""))
    if str(named).isdecimal() and 0 < int(named) < _TENANTS_END:
        await api.looks.note(principal, TenantId(int(named)), operation)


def _confines(access: Access, principal: Principal, parameters: dict[str, Any]) -> Iterable[TenantId] | None:
    """Give the tenants whose rows this request may see at most; None for the operator's lists, which see all.

    Made from who asks, not only from what is asked for: so it holds where a check of the latter is missing.
    """
    if access.within != "tenant":
        return None if principal.is_operator else principal.tenant_ids
    named = TenantId(parameters["tenant_id"])
    return (named,) if principal.is_operator or named in principal.tenant_ids else ()


def each_on_its_own(app: "ASGIApp") -> "ASGIApp":
    """Keep what a request is confined to from the next one on the same connection."""

    async def run(scope: "Scope", receive: "Receive", send: "Send") -> None:
        with unconfined():
            come_from("")
            await app(scope, receive, send)

    return run


def _step_up(access: Access, principal: Principal, now: dt.datetime) -> None:
    """Raise unless the password was given lately, or the personal access token is for this, too."""
    if access.step_up is None:
        return
    if principal.session_hash is None:
        if access.step_up not in principal.scopes:
            raise ApiError("forbidden", f"This needs a personal access token with the scope {access.step_up}.")
    elif principal.confirmed_at is None or now - principal.confirmed_at > STEP_UP:
        raise ApiError("step_up_required")


def _require_json(connection: ASGIConnection[Any, Any, Any, Any]) -> None:
    """Refuse bodies that a foreign page's form could send: those cannot be JSON by content type."""
    if connection.scope["method"] in _SAFE:  # type: ignore[typeddict-item]  # http only
        return
    has_body = connection.headers.get("content-length", "0") != "0" or "transfer-encoding" in connection.headers
    content_type = connection.headers.get("content-type", "").partition(";")[0].strip().lower()
    if has_body and content_type != _CONTENT_TYPE:
        raise ApiError("unsupported_media_type")
    if has_body and connection.headers.get("content-encoding", "identity").lower() != "identity":
        raise ApiError("unsupported_media_type", "Send the body as it is: compressed ones are not read here.")


async def _authenticate(connection: ASGIConnection[Any, Any, Any, Any], api: Api, address: str) -> Principal:
    scheme, _, bearer = connection.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        found = await _by_personal_token(api, bearer.strip(), address)
    else:
        found = await _by_session(connection, api)
    if found is None:
        api.strangers.take(address)
        raise ApiError("not_authenticated", headers={"www-authenticate": 'Bearer realm="tallygate"'})
    return found


async def _by_personal_token(api: Api, secret: str, address: str) -> Principal | None:
    if not secret.startswith(PERSONAL_TOKEN_PREFIX):
        return None
    token = await api.sessions.find_token(secret, now=api.clock(), address=address)
    if token is None:
        return None
    return await _principal(api, token.user_id, Principal(user=NOBODY, scopes=frozenset(token.scopes)))


async def _by_session(connection: ASGIConnection[Any, Any, Any, Any], api: Api) -> Principal | None:
    cookie = connection.cookies.get(api.session_cookie)
    session = await api.sessions.find(cookie, now=api.clock()) if cookie else None
    if session is None:
        return None
    method = connection.scope["method"]  # type: ignore[typeddict-item]  # http only
    if method not in _SAFE and not session.csrf_matches(connection.headers.get("x-csrf-token", "")):
        raise ApiError("csrf_token_required")
    came_with = Principal(
        user=NOBODY,
        scopes=ALL_SCOPES,
        session_hash=session.session_hash,
        session_id=session.session_id,
        confirmed_at=session.confirmed_at,
    )
    return await _principal(api, session.user_id, came_with)


async def _principal(api: Api, user_id: str, came_with: Principal) -> Principal | None:
    user = await api.administration.store.get("user", user_id, PLATFORM)
    if user is None or user.archived or user.entity.disabled:
        return None
    return msgspec.structs.replace(came_with, user=user.entity)


def _authorize(access: Access, permission: Permission, principal: Principal, parameters: dict[str, Any]) -> None:
    match access.within:
        case "tenant":
            require(principal, permission, TenantId(parameters["tenant_id"]))
        case "entity":
            if not may_somewhere(principal, permission):
                raise ApiError("forbidden")
        case _:
            if not principal.may(permission):
                raise ApiError("forbidden")


def may_somewhere(principal: Principal, *permissions: Permission) -> bool:
    """Say whether a person has one of the permissions on the platform or in any of their tenants."""
    places: Sequence[TenantId | None] = [None, *principal.tenant_ids]
    return any(principal.may(permission, place) for permission in permissions for place in places)


def require(principal: Principal, permission: Permission, tenant_id: TenantId) -> None:
    """Raise unless a person has a permission in a tenant: a tenant that is not theirs does not exist for them."""
    if not principal.sees(tenant_id):
        raise ApiError("not_found")
    if not principal.may(permission, tenant_id):
        raise ApiError("forbidden")


def client_address(connection: ASGIConnection[Any, Any, Any, Any], trusted: tuple[Network, ...]) -> str:
    """Give the client's address: the last one in X-Forwarded-For that no trusted proxy has, else the peer's."""
    peer = connection.client.host if connection.client is not None else ""
    forwarded = [part.strip() for part in connection.headers.get("x-forwarded-for", "").split(",") if part.strip()]
    address = peer
    while forwarded and _within(address, trusted):
        address = forwarded.pop()
    return address[:64]


def _within(address: str, networks: tuple[Network, ...]) -> bool:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(parsed in network for network in networks)
