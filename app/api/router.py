"""The REST API as one router, for the application to mount; `app.api.document` describes it."""

import datetime as dt
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from litestar import Router
from litestar.di import Provide

from adapters.clock import now
from adapters.ids import new_id
from adapters.postgres.row_security import owner_of
from app.administration import Administration
from app.api.call import provide_call
from app.api.docs_page import docs_page
from app.api.guards import Api, admit, each_on_its_own, refuse_undeclared
from app.api.listing import provide_listing
from app.api.looks import Looks
from app.api.problems import EXCEPTION_HANDLERS
from app.api.public_pages import PublicPages
from app.api.routes import PATH, ROUTES
from app.api.sessions import Sessions
from app.api.throttle import FailureThrottle, RateLimiter
from app.links import Links
from app.receipts import Receipts
from app.relay.inspection import Inspection
from app.routing.desk import Desk
from app.runs import Runs
from app.settings import MEBIBYTE, Network
from app.wallets import Wallets
from domain.outbound import OutboundRules

if TYPE_CHECKING:
    import asyncpg

BODY_MAX_BYTES: Final = MEBIBYTE


def make_api(
    *,
    administration: Administration,
    wallets: Wallets,
    pool: "asyncpg.Pool[asyncpg.Record]",
    secure_cookies: bool,
    public: PublicPages | None = None,
    trusted_proxies: tuple[Network, ...] = (),
    outbound: OutboundRules | None = None,
    desk: Desk | None = None,
    inspection: Inspection | None = None,
    sends_mail: bool = False,
    runs: Runs | None = None,
    ids: Callable[[], str] = new_id,
    clock: Callable[[], dt.datetime] = now,
    monotonic: Callable[[], float] = time.monotonic,
) -> Api:
    """Give what the routes work with. `secure_cookies`: whether browsers reach this server over https.

    `public` is given where others show the same pages.
    """
    return Api(
        pool=pool,
        administration=administration,
        wallets=wallets,
        receipts=Receipts(pool),
        sessions=Sessions(owner_of(pool)),
        looks=Looks(administration, clock),
        links=Links(pool),
        sends_mail=sends_mail,
        mails=RateLimiter(monotonic, per_second=1 / 120, burst=5),
        public=public if public is not None else PublicPages(owner_of(pool), clock),
        routing=desk,
        inspection=inspection,
        runs=runs,
        ids=ids,
        clock=clock,
        secure_cookies=secure_cookies,
        trusted_proxies=trusted_proxies,
        outbound=outbound if outbound is not None else OutboundRules(),
        logins=FailureThrottle(monotonic),
        names=FailureThrottle(monotonic, free=20, last_seconds=60.0),
        addresses=FailureThrottle(monotonic, free=20),
        devices=FailureThrottle(monotonic, free=5),
        codes=FailureThrottle(monotonic, free=10),
        requests=RateLimiter(monotonic, per_second=50, burst=500),
        strangers=RateLimiter(monotonic, per_second=5, burst=50),
    )


def api_router(api: Api) -> Router:
    """Give everything under /api."""
    refuse_undeclared(handler for handlers in ROUTES.values() for handler in handlers)
    return Router(
        path=PATH,
        route_handlers=[
            *(Router(path="/", route_handlers=list(handlers), tags=[tag]) for tag, handlers in ROUTES.items()),
            docs_page,
        ],
        guards=[admit],
        middleware=[each_on_its_own],
        opt={"api": api},
        dependencies={
            "api": Provide(lambda: api, sync_to_thread=False),
            "call": Provide(provide_call(api), sync_to_thread=False),
            "listing": Provide(provide_listing, sync_to_thread=False),
        },
        exception_handlers=EXCEPTION_HANDLERS,
        request_max_body_size=BODY_MAX_BYTES,
    )
