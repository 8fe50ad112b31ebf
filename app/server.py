"""One worker: makes everything, serves, and takes it down again in an order that loses nothing."""

import asyncio
import contextlib
import functools
import logging
import os
import socket
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Protocol

import asyncpg
import click
import msgspec
import structlog
import uvicorn
from litestar import Litestar, Router

from adapters import clock, ids
from adapters.channel_types import TYPES
from adapters.demo import DemoVendor
from adapters.hints import HintWriter
from adapters.http import HttpVendor
from adapters.journal import Journal
from adapters.outbound import Outbound
from adapters.postgres.connection import Connection
from adapters.postgres.errors import PostgresError
from adapters.postgres.flusher import Flusher
from adapters.postgres.migrate import read_migrations
from adapters.postgres.row_security import TenantPool, find_gap, owner_of
from adapters.smtp import SmtpMail
from adapters.tokenizer import Tokenizer
from adapters.vault import Vault
from adapters.websocket import WebSocketVendor
from app.administration import Administration
from app.api.document import openapi_config
from app.api.public_pages import PublicPages
from app.api.router import api_router, make_api
from app.bootstrap import bootstrap
from app.catalog import Catalog
from app.housekeeper import Housekeeper
from app.http_protocol import BoundedProtocol
from app.jobs import Jobs
from app.links import Links
from app.mailer import Mailer
from app.main import create_app
from app.node import NodeReporter, Vitals
from app.observability.cells import Cells
from app.observability.database_figures import DatabaseFigures
from app.observability.health import Readiness
from app.observability.instruments import Instruments
from app.observability.middleware import Observed
from app.observability.refusals import CountedRefusals
from app.observability.routes import observability_routes
from app.observability.sampler import Sampler
from app.observability.wiring import metrics_folder, open_tracing
from app.process import node_name, spare_collections
from app.projections import PROJECTIONS
from app.relay.authentication import Authenticator
from app.relay.catalog_routes import CatalogRoutes
from app.relay.counting import TokenCounts
from app.relay.inspection import Inspection
from app.relay.quoting import Quoting, secret_of
from app.relay.repeats import Repeats
from app.relay.service import Relay
from app.relay.settlement import Settlements
from app.relay.vendors import Vendors
from app.routing.router import traits_of
from app.routing.service import Bounds, Routing
from app.routing.sinks import sinks_of
from app.runs import Runs
from app.settings import Settings, SettingsError
from app.wallets import Wallets
from app.web.build import Build
from app.web.prefix import Prefixed
from app.web.routes import Console
from domain.admin.entities import Channel
from domain.relay.ports import Timeouts
from domain.relay.vendor_errors import VendorError
from projections.runner import ensure, lag

if TYPE_CHECKING:
    from app.observability.tracing import TracedLedger, Tracing

    Pool = asyncpg.Pool[asyncpg.Record]

_log = structlog.get_logger(__name__)


class _Clock:
    now = staticmethod(clock.now)
    new_id = staticmethod(ids.new_id)


class _Server(uvicorn.Server):
    """uvicorn without its signal handlers: the supervisor decides when to stop."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def run(settings: Settings, dsn: str, *, listener: socket.socket, hints: int) -> None:
    """Serve on a listening socket until cancelled; then drain, settle and close everything.

    `hints` is the pipe that takes which lanes have moved.
    """
    # What uvicorn says at each start and stop is ours to say.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    async with _worker(settings, dsn, listener.getsockname()[1], HintWriter(hints)) as (app, relay):
        server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                # Left to guess, it would take what is called without `async` for the interface before this one.
                interface="asgi3",
                http=BoundedProtocol,
                lifespan="on",
                access_log=False,
                log_config=None,
                # TALLYGATE_TRUSTED_PROXIES says whom to believe; uvicorn would believe any loopback peer.
                proxy_headers=False,
                server_header=False,
                date_header=False,
                backlog=2048,
                timeout_keep_alive=75,
            )
        )
        spare_collections()
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        _log.info("serving", address=f"{settings.host}:{listener.getsockname()[1]}")
        try:
            await asyncio.shield(serving)
        except asyncio.CancelledError:
            # Requests under way end first: their holds are settled while everything still works.
            relay.stopping = True
            server.should_exit = True
            await relay.stop(settings.drain_seconds)
            server.force_exit = relay.running > 0
            await asyncio.wait([serving], timeout=5.0)


class _Part(Protocol):
    async def start(self) -> None: ...
    async def stop(self) -> None: ...


class _Base(msgspec.Struct, frozen=True, kw_only=True):
    """What every part of a worker stands on."""

    stack: contextlib.AsyncExitStack
    """Closes what was made, in the opposite order."""
    settings: Settings
    dsn: str
    port: int
    node: str
    pool: "Pool"
    instruments: Instruments
    tracing: "Tracing | None"
    ledger: Flusher
    traced: "Flusher | TracedLedger"
    """The ledger as requests see it."""
    jobs: Jobs

    async def run(self, part: _Part) -> None:
        """Start a part, and stop it in its turn."""
        await part.start()
        self.stack.push_async_callback(part.stop)


class _Site(msgspec.Struct, frozen=True, kw_only=True):
    """What is configured here, and who changes it."""

    vault: Vault
    catalog: Catalog
    walled: "Pool"
    administration: Administration
    tokenizer: Tokenizer


class _Gateway(msgspec.Struct, frozen=True, kw_only=True):
    """What serves the model routes."""

    journal: Journal
    authenticator: Authenticator
    inspection: Inspection
    routing: Routing
    relay: Relay


@contextlib.asynccontextmanager
async def _worker(
    settings: Settings, dsn: str, port: int, hints: HintWriter
) -> AsyncIterator[tuple[Observed | Prefixed, Relay]]:
    """Make everything that a worker needs, in order; whatever was made is closed in the opposite one."""
    async with contextlib.AsyncExitStack() as stack:
        base = await _stand(stack, settings, dsn, port, hints)
        journal, settlements = await _settle(base)
        site = await _configure(base)
        await _do_chores(base, site)
        gateway = await _open_gateway(base, site, journal, settlements)
        await _observe(base, journal)
        runs = await _report(base, site, gateway)
        yield _application(base, site, gateway, runs), gateway.relay


async def _stand(stack: contextlib.AsyncExitStack, settings: Settings, dsn: str, port: int, hints: HintWriter) -> _Base:
    """Reach the database; begin to count, and to write the log."""
    node = node_name()
    pool = await stack.enter_async_context(
        asyncpg.create_pool(
            dsn,
            min_size=2,
            max_size=10,
            timeout=5.0,
            connection_class=Connection,
            server_settings={"application_name": "tallygate"},
        )
    )
    await pool.execute("SELECT ledger.create_days(current_date - 1, 9)")
    # What folds them is another process, but who asks for a lane's state at once has it folded here.
    await ensure(pool, PROJECTIONS)
    cells = Cells(metrics_folder(settings.data), node)
    stack.callback(cells.close)
    instruments = Instruments(cells, now=clock.now)
    tracing = open_tracing(settings, node, stack)
    ledger = Flusher(dsn, on_lanes=hints.notice, on_batch=instruments.ledger_batch)
    await ledger.start()
    stack.push_async_callback(ledger.stop, 10.0)
    return _Base(
        stack=stack,
        settings=settings,
        dsn=dsn,
        port=port,
        node=node,
        pool=pool,
        instruments=instruments,
        tracing=tracing,
        ledger=ledger,
        traced=ledger if tracing is None else tracing.ledger(ledger),
        jobs=Jobs(),
    )


async def _settle(base: _Base) -> tuple[Journal, Settlements]:
    """Give where holds end; what processes left behind that died is settled before anything new is admitted."""
    journal = Journal(base.settings.data / "journal", base.node, base.settings.journal_max_bytes)
    base.stack.callback(journal.close)
    settlements = Settlements(base.traced, journal, base.pool)
    recovered = await settlements.recover()
    if recovered:
        _log.warning("journal_recovered", holds=recovered)
    return journal, settlements


async def _configure(base: _Base) -> _Site:
    """Read what is configured; at the first start of all, make it."""
    settings, pool, ledger = base.settings, base.pool, base.ledger
    vault = Vault.open(settings.secret_key_file)
    catalog = Catalog(pool, vault, traits=traits_of(TYPES))
    base.instruments.snapshot = lambda: catalog.snapshot
    walled = await _wall(base.stack, settings, base.dsn, pool)
    administration = Administration(ledger, walled, vault, on_change=catalog.refresh)
    tokenizer = Tokenizer()
    await tokenizer.load_off_loop()
    await bootstrap(
        administration,
        ledger,
        pool,
        root_password=settings.root_password,
        announce=lambda welcome: click.echo(welcome.text(settings.host, base.port)),
    )
    await administration.settle_members()
    await base.run(catalog)
    return _Site(vault=vault, catalog=catalog, walled=walled, administration=administration, tokenizer=tokenizer)


async def _wall(stack: contextlib.AsyncExitStack, settings: Settings, dsn: str, pool: "Pool") -> "Pool":
    """Give the pool that requests of tenants read by: confined by row-level security, if that is to be had.

    Raises PostgresError where it is required and is not.
    """
    if settings.row_security == "off":
        return pool
    gap = await find_gap(pool)
    if gap is not None:
        if settings.row_security == "required":
            raise PostgresError(f"TALLYGATE_ROW_SECURITY=required, but {gap}")
        _log.warning("row_security_off", reason=gap)
        return pool
    confined = await stack.enter_async_context(
        asyncpg.create_pool(
            dsn,
            min_size=1,
            max_size=5,
            timeout=5.0,
            connection_class=Connection,
            server_settings={"application_name": "tallygate tenants"},
        )
    )
    return TenantPool.over(pool, confined)


async def _do_chores(base: _Base, site: _Site) -> None:
    """See to what nobody asks for and what writes to the log; what only reads it is done in app/background.py."""
    settings, pool, jobs = base.settings, base.pool, base.jobs
    await base.run(Housekeeper(base.ledger, pool, hold_timeout_seconds=settings.hold_timeout_seconds, jobs=jobs))
    if settings.smtp_url is not None:
        address = settings.public_url or f"http://{settings.host}:{base.port}"
        mail = SmtpMail(settings.smtp_url, settings.mail_from)
        await base.run(Mailer(Links(pool), site.administration, mail, base_url=address, jobs=jobs))


async def _open_gateway(base: _Base, site: _Site, journal: Journal, settlements: Settlements) -> _Gateway:
    """Make the relay, the ways to its vendors, and what chooses among them."""
    settings, catalog = base.settings, site.catalog
    refusals = CountedRefusals(base.ledger, now=clock.now, new_id=ids.new_id, node=base.node)
    refusals.counted = base.instruments.refused
    refusals.start()
    base.stack.push_async_callback(refusals.stop)
    authenticator = Authenticator(catalog, now=clock.now, trusted_proxies=settings.trusted_proxies)
    vendors, outbound = await _ways_out(base, site.tokenizer)
    inspection = Inspection(vendors, ids.new_id, functools.partial(secret_of, catalog))
    routing = await _route(base, catalog, inspection)
    relay = Relay(
        ledger=base.traced,
        settlements=settlements,
        refusals=refusals,
        repeats=Repeats(base.pool),
        authenticator=authenticator,
        quoting=Quoting(catalog, site.tokenizer, routing.router, on_nobody=routing.nobody),
        routing=routing,
        vendors=vendors,
        fetch=outbound.fetch,
        count=site.tokenizer.count,
        clock=_Clock(),
        node=base.node,
        body_bytes_max=settings.body_max_bytes,
        hold_timeout_seconds=int(settings.hold_timeout_seconds),
    )
    return _Gateway(journal=journal, authenticator=authenticator, inspection=inspection, routing=routing, relay=relay)


async def _ways_out(base: _Base, tokenizer: Tokenizer) -> tuple[Vendors, Outbound]:
    """Open every way to vendors, by the scheme of an address, and to addresses that others name."""
    settings, tracing = base.settings, base.tracing
    rules = settings.outbound_allow
    http = await base.stack.enter_async_context(HttpVendor(rules=rules))
    websocket = await base.stack.enter_async_context(WebSocketVendor(rules=rules))
    demo = DemoVendor(count=lambda text: tokenizer.count(text, "gpt-4o"))
    vendors = Vendors(
        TYPES,
        {"https": http, "http": http, "wss": websocket, "ws": websocket, "demo": demo},
        Timeouts(
            connect_seconds=settings.connect_timeout_seconds,
            first_byte_seconds=settings.first_byte_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
        ),
        now=clock.now,
        watch=None if tracing is None else tracing.vendor,
        sockets=websocket,
    )
    return vendors, await base.stack.enter_async_context(Outbound(rules))


async def _route(base: _Base, catalog: Catalog, inspection: Inspection) -> Routing:
    """Know how channels are, and see to it that those that are out come back; SettingsError for an alert's address."""
    settings = base.settings
    try:
        sinks = sinks_of(settings.alert_urls, settings.outbound_allow)
    except ValueError as error:
        raise SettingsError(f"TALLYGATE_ALERT_URLS: its value (not shown) is wrong, it must be {error}") from None

    async def probe(channel: Channel, key: int) -> int:
        if not inspection.can_probe(channel):
            # Nothing cheap can be asked: it gets some weight back, and requests say the rest. A key is not tried so.
            raise VendorError("not_found")
        await inspection.probe(channel, secret_of(catalog, channel, key))
        return 200

    routing = Routing(
        ledger=base.ledger,
        pool=base.pool,
        catalog=catalog,
        node=base.node,
        probe=probe,
        sinks=sinks,
        bounds=Bounds(
            requests_max=settings.requests_max,
            queue_max=settings.queue_max,
            queue_seconds=settings.queue_seconds,
            cache_max_bytes=settings.cache_max_bytes,
        ),
    )
    return await base.stack.enter_async_context(routing.running())


async def _observe(base: _Base, journal: Journal) -> None:
    """Look now and then at what nobody counts as it happens."""
    sampler = Sampler(
        base.instruments,
        journal=journal,
        journal_bytes_max=base.settings.journal_max_bytes,
        ledger=base.ledger,
        outbox=base.tracing.outbox if base.tracing is not None else None,
    )
    sampler.start()
    base.stack.push_async_callback(sampler.stop)


async def _report(base: _Base, site: _Site, gateway: _Gateway) -> Runs:
    """Say to everybody how this process is; give who runs what people ask for."""
    journal, catalog = gateway.journal, site.catalog

    def vitals() -> Vitals:
        return Vitals(
            config_position=catalog.position,
            config_fresh=catalog.fresh,
            requests_running=gateway.relay.running,
            journal_bytes=journal.size_bytes,
            journal_bytes_max=base.settings.journal_max_bytes,
            journal_holds=journal.open_holds,
            settle_milliseconds=gateway.relay.settlements.slowest_milliseconds(),
            ledger_available=base.ledger.available,
        )

    runs = Runs(base.pool, node=base.node, environment=os.environ)
    base.stack.push_async_callback(runs.stop)
    await base.run(NodeReporter(base.pool, node=base.node, vitals=vitals, jobs=base.jobs))
    return runs


def _application(base: _Base, site: _Site, gateway: _Gateway, runs: Runs) -> Observed | Prefixed:
    """Put every route together, and what stands before them all."""
    settings = base.settings
    public = PublicPages(owner_of(site.walled), clock.now, base_url=settings.public_url or "")
    routes = create_app(
        relay=gateway.relay,
        catalog_routes=CatalogRoutes(site.catalog, gateway.authenticator, base.pool, clock.now),
        token_counts=TokenCounts(gateway.authenticator, site.tokenizer, settings.body_max_bytes),
        api=[_api(base, site, gateway, runs, public)],
        openapi=openapi_config(),
        observability=observability_routes(
            readiness=Readiness(
                relay=gateway.relay,
                ledger=base.ledger,
                catalog=site.catalog,
                settlements=gateway.relay.settlements,
                pool=base.pool,
                migrations=[migration.number for migration in read_migrations()],
            ),
            instruments=base.instruments,
            figures=DatabaseFigures(base.pool, functools.partial(lag, base.pool, PROJECTIONS)),
            folder=metrics_folder(settings.data),
            token=settings.metrics_token,
        ),
    )
    app = Observed(
        _fronted(settings, public, routes),
        base.instruments,
        new_id=ids.new_id,
        tracing=base.tracing,
        access_log=settings.access_log,
    )
    return Prefixed(app, settings.prefix) if settings.prefix else app


def _api(base: _Base, site: _Site, gateway: _Gateway, runs: Runs, public: PublicPages) -> Router:
    settings = base.settings
    api = make_api(
        administration=site.administration,
        wallets=Wallets(base.ledger, site.walled),
        pool=site.walled,
        secure_cookies=(settings.public_url or "").startswith("https:"),
        public=public,
        trusted_proxies=settings.trusted_proxies,
        outbound=settings.outbound_allow,
        desk=gateway.routing.desk,
        inspection=gateway.inspection,
        sends_mail=settings.smtp_url is not None,
        runs=runs,
    )
    return api_router(api)


def _fronted(settings: Settings, public: PublicPages, app: Litestar) -> Litestar | Console:
    """Give the application with the console before it, if this node has one."""
    if not settings.console:
        return app
    build = Build.read()
    if build is None:
        _log.warning("console_not_built", remedy="make run builds it")
    return Console(app, build, public, prefix=settings.prefix)
