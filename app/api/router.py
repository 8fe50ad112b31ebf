"""The REST API as one router: `api_router` for the application to mount, `openapi_config` to describe it."""

import datetime as dt
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from litestar import Request, Router
from litestar.di import Provide
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import JsonRenderPlugin
from litestar.openapi.spec import Components, SecurityScheme, Tag
from litestar.serialization import decode_json, encode_json

from adapters.clock import now
from adapters.ids import new_id
from app.administration import Administration
from app.api import (
    auth,
    channels,
    codes,
    groups,
    mappings,
    money,
    multipliers,
    proofs,
    rate_cards,
    report_exports,
    report_money,
    reports,
    requests,
    routing,
    settings,
    tenants,
    tokens,
    users,
)
from app.api.call import provide_call
from app.api.guards import Api, admit
from app.api.problems import EXCEPTION_HANDLERS
from app.api.sessions import Sessions
from app.api.throttle import FailureThrottle, RateLimiter
from app.receipts import Receipts
from app.routing.desk import Desk
from app.settings import MEBIBYTE, Network
from app.version import VERSION
from app.wallets import Wallets
from domain.outbound import OutboundRules

if TYPE_CHECKING:
    import asyncpg

PATH: Final = "/api"
BODY_MAX_BYTES: Final = MEBIBYTE

_TAGS: Final = {
    "Sessions": auth.ROUTES,
    "Tenants": tenants.ROUTES,
    "Users": users.ROUTES,
    "Tokens": tokens.ROUTES,
    "Channels": channels.ROUTES,
    "Groups": groups.ROUTES,
    "Multipliers": multipliers.ROUTES,
    "Rate cards": rate_cards.ROUTES,
    "Mappings": mappings.ROUTES,
    "Routing": routing.ROUTES,
    "Settings": settings.ROUTES,
    "Money": money.ROUTES,
    "Redemption codes": codes.ROUTES,
    "Requests": requests.ROUTES,
    "Reports": (*reports.ROUTES, *report_money.ROUTES, *report_exports.ROUTES),
    "Proof": proofs.ROUTES,
}


_GENERIC: Final = re.compile(r"(Listing|HistoryItem|History)_[a-z_.]+\.(\w+)_")


class _Document(JsonRenderPlugin):
    """The document as JSON, and nothing else: no page that would load scripts from a foreign host."""

    def __init__(self) -> None:
        super().__init__(path="/")
        self._rendered: bytes | None = None

    def has_path(self, path: str) -> bool:
        # Says that the document has its place, so that Litestar adds none of its own.
        return path in {"/", "/openapi.json"}

    def render(self, _request: Request[Any, Any, Any], openapi_schema: dict[str, Any]) -> bytes:
        if self._rendered is None:
            # `Listing[TokenView]` comes out with its module's path in its name: make it `TokenViewListing`.
            text = _GENERIC.sub(r"\2\1", encode_json(openapi_schema).decode())
            self._rendered = encode_json(_corrected(decode_json(text)))
        return self._rendered


def _corrected(part: Any) -> Any:
    """Give a part of the document with the items of lists as they are: `tuple[X, ...]` comes out as X or anything."""
    if isinstance(part, list):
        return [_corrected(each) for each in part]
    if not isinstance(part, dict):
        return part
    choices = part.get("oneOf")
    if isinstance(choices, list) and {} in choices and len(choices) == 2:  # noqa: PLR2004 -- X, or anything
        return _corrected(next(each for each in choices if each != {}))
    return {name: _corrected(each) for name, each in part.items()}


def api_router(
    *,
    administration: Administration,
    wallets: Wallets,
    pool: "asyncpg.Pool[asyncpg.Record]",
    secure_cookies: bool,
    trusted_proxies: tuple[Network, ...] = (),
    outbound: OutboundRules | None = None,
    desk: Desk | None = None,
    ids: Callable[[], str] = new_id,
    clock: Callable[[], dt.datetime] = now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Router:
    """Give everything under /api. `secure_cookies`: whether browsers reach this server over https."""
    api = Api(
        pool=pool,
        administration=administration,
        wallets=wallets,
        receipts=Receipts(pool),
        sessions=Sessions(pool),
        routing=desk,
        ids=ids,
        clock=clock,
        secure_cookies=secure_cookies,
        trusted_proxies=trusted_proxies,
        outbound=outbound if outbound is not None else OutboundRules(),
        logins=FailureThrottle(monotonic),
        addresses=FailureThrottle(monotonic, free=20),
        codes=FailureThrottle(monotonic, free=10),
        requests=RateLimiter(monotonic, per_second=50, burst=500),
        strangers=RateLimiter(monotonic, per_second=5, burst=50),
    )
    return Router(
        path=PATH,
        route_handlers=[
            *(Router(path="/", route_handlers=list(handlers), tags=[tag]) for tag, handlers in _TAGS.items()),
        ],
        guards=[admit],
        opt={"api": api},
        dependencies={
            "api": Provide(lambda: api, sync_to_thread=False),
            "call": Provide(provide_call(api), sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=BODY_MAX_BYTES,
    )


def openapi_config() -> OpenAPIConfig:
    """Describe the API, for the application that mounts its router; the document is at /api/openapi.json."""
    return OpenAPIConfig(
        title="Tallygate",
        version=VERSION,
        description="Operate Tallygate: tenants, prices, channels, credit. Amounts are decimal text, times ISO 8601.",
        path=f"{PATH}/openapi.json",
        render_plugins=[_Document()],
        tags=[Tag(name=tag) for tag in _TAGS],
        components=Components(
            security_schemes={
                "personal_token": SecurityScheme(type="http", scheme="bearer", bearer_format="tgp_..."),
                "session": SecurityScheme(type="apiKey", security_scheme_in="cookie", name="__Host-tallygate"),
            }
        ),
        security=[{"personal_token": []}, {"session": []}],
        use_handler_docstrings=False,
    )
