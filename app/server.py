"""One worker: makes everything, serves, and takes it down again in an order that loses nothing."""

import asyncio
import contextlib
import functools
import gc
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from typing import TYPE_CHECKING

import asyncpg
import click
import structlog
import uvicorn
from litestar import Litestar

from adapters import clock, ids
from adapters.channel_types import TYPES
from adapters.demo import DemoVendor
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
from app.api.router import api_router
from app.bootstrap import bootstrap
from app.catalog import Catalog
from app.housekeeper import Housekeeper
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
from app.reports.closing import Closer
from app.reports.statement_closing import StatementCloser
from app.routing.router import traits_of
from app.routing.service import Bounds, Routing
from app.routing.sinks import sinks_of
from app.runs import Runs
from app.seal_heads import publishing
from app.sealer import KeyFile, Sealer
from app.settings import Settings, SettingsError
from app.wallets import Wallets
from app.web.build import Build
from app.web.prefix import Prefixed
from app.web.routes import Console
from domain.admin.entities import Channel
from domain.relay.ports import Timeouts
from domain.relay.vendor_errors import VendorError
from projections.runner import Runner

if TYPE_CHECKING:
    from app.observability.tracing import Tracing

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


async def run(settings: Settings, dsn: str, *, listener: socket.socket) -> None:
    """Serve on a listening socket until cancelled; then drain, settle and close everything."""
    # What uvicorn says at each start and stop is ours to say.
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    async with _worker(settings, dsn, listener.getsockname()[1]) as (app, relay):
        server = _Server(
            uvicorn.Config(
                app,
                loop="none",
                # Left to guess, it would take what is called without `async` for the interface before this one.
                interface="asgi3",
                http="httptools",
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
        _spare_collections()
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


def _spare_collections() -> None:
    """Keep what is there for good out of garbage collections: each look at all of it stops every request for 50 ms."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)


def _node_name() -> str:
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


@contextlib.asynccontextmanager
async def _worker(settings: Settings, dsn: str, port: int) -> AsyncIterator[tuple[Observed | Prefixed, Relay]]:
    """Make everything that a worker needs, in order; whatever was made is closed in the opposite one."""
    node = _node_name()
    async with contextlib.AsyncExitStack() as stack:
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
        runner = Runner(pool, PROJECTIONS)
        cells = Cells(metrics_folder(settings.data), node)
        stack.callback(cells.close)
        instruments = Instruments(cells, now=clock.now)
        tracing = open_tracing(settings, node, stack)
        ledger = Flusher(dsn, on_lanes=runner.notice, on_batch=instruments.ledger_batch)
        await ledger.start()
        stack.push_async_callback(ledger.stop, 10.0)

        await runner.start()
        stack.push_async_callback(runner.stop)

        journal = Journal(settings.data / "journal", node, settings.journal_max_bytes)
        stack.callback(journal.close)
        traced = ledger if tracing is None else tracing.ledger(ledger)
        settlements = Settlements(traced, journal, pool)
        await _recover(settlements)

        vault = Vault.open(settings.secret_key_file)
        catalog = Catalog(pool, vault, traits=traits_of(TYPES))
        instruments.snapshot = lambda: catalog.snapshot
        walled = await _wall(stack, settings, dsn, pool)
        administration = Administration(ledger, walled, vault, on_change=catalog.refresh)
        tokenizer = Tokenizer()
        await tokenizer.load_off_loop()
        await bootstrap(
            administration,
            ledger,
            pool,
            root_password=settings.root_password,
            announce=lambda welcome: click.echo(welcome.text(settings.host, port)),
        )
        await administration.settle_members()
        await catalog.start()
        stack.push_async_callback(catalog.stop)
        jobs = Jobs()
        housekeeper = Housekeeper(ledger, pool, hold_timeout_seconds=settings.hold_timeout_seconds, jobs=jobs)
        for chores in (housekeeper, Closer(pool, jobs=jobs), StatementCloser(pool, jobs=jobs)):
            await chores.start()
            stack.push_async_callback(chores.stop)
        await _seal(stack, settings, pool, jobs)

        await _send_mails(stack, settings, pool, administration, port, jobs)

        refusals = _count_refusals(stack, ledger, instruments, node)
        authenticator = Authenticator(catalog, now=clock.now, trusted_proxies=settings.trusted_proxies)
        vendors, outbound = await _ways_out(stack, settings, tokenizer, tracing)
        inspection = Inspection(vendors, ids.new_id, functools.partial(secret_of, catalog))
        routing = await _route(
            stack, settings, ledger=ledger, pool=pool, catalog=catalog, inspection=inspection, node=node
        )
        relay = Relay(
            ledger=traced,
            settlements=settlements,
            refusals=refusals,
            repeats=Repeats(pool),
            authenticator=authenticator,
            quoting=Quoting(catalog, tokenizer, routing.router, on_nobody=routing.nobody),
            routing=routing,
            vendors=vendors,
            fetch=outbound.fetch,
            count=tokenizer.count,
            clock=_Clock(),
            node=node,
            body_bytes_max=settings.body_max_bytes,
            hold_timeout_seconds=int(settings.hold_timeout_seconds),
        )
        sampler = Sampler(
            instruments,
            journal=journal,
            journal_bytes_max=settings.journal_max_bytes,
            ledger=ledger,
            outbox=tracing.outbox if tracing is not None else None,
        )
        sampler.start()
        stack.push_async_callback(sampler.stop)
        runs = await _report(
            stack,
            pool,
            node,
            lambda: Vitals(
                config_position=catalog.position,
                config_fresh=catalog.fresh,
                requests_running=relay.running,
                journal_bytes=journal.size_bytes,
                journal_bytes_max=settings.journal_max_bytes,
                journal_holds=journal.open_holds,
                ledger_available=ledger.available,
            ),
            jobs,
        )
        public = PublicPages(owner_of(walled), clock.now, base_url=settings.public_url or "")
        app = Observed(
            _fronted(
                settings,
                public,
                create_app(
                    relay=relay,
                    catalog_routes=CatalogRoutes(catalog, authenticator, pool, clock.now),
                    token_counts=TokenCounts(authenticator, tokenizer, settings.body_max_bytes),
                    api=[
                        api_router(
                            administration=administration,
                            wallets=Wallets(ledger, walled),
                            pool=walled,
                            secure_cookies=(settings.public_url or "").startswith("https:"),
                            public=public,
                            trusted_proxies=settings.trusted_proxies,
                            outbound=settings.outbound_allow,
                            desk=routing.desk,
                            inspection=inspection,
                            sends_mail=settings.smtp_url is not None,
                            runs=runs,
                        )
                    ],
                    openapi=openapi_config(),
                    observability=observability_routes(
                        readiness=Readiness(
                            relay=relay,
                            ledger=ledger,
                            catalog=catalog,
                            settlements=settlements,
                            pool=pool,
                            migrations=[migration.number for migration in read_migrations()],
                        ),
                        instruments=instruments,
                        figures=DatabaseFigures(pool, runner),
                        folder=metrics_folder(settings.data),
                        token=settings.metrics_token,
                    ),
                ),
            ),
            instruments,
            new_id=ids.new_id,
            tracing=tracing,
            access_log=settings.access_log,
        )
        yield Prefixed(app, settings.prefix) if settings.prefix else app, relay


def _count_refusals(
    stack: contextlib.AsyncExitStack, ledger: Flusher, instruments: Instruments, node: str
) -> CountedRefusals:
    refusals = CountedRefusals(ledger, now=clock.now, new_id=ids.new_id, node=node)
    refusals.counted = instruments.refused
    refusals.start()
    stack.push_async_callback(refusals.stop)
    return refusals


def _fronted(settings: Settings, public: PublicPages, app: Litestar) -> Litestar | Console:
    """Give the application with the console before it, if this node has one."""
    if not settings.console:
        return app
    build = Build.read()
    if build is None:
        _log.warning("console_not_built", remedy="make run builds it")
    return Console(app, build, public, prefix=settings.prefix)


async def _route(
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    *,
    ledger: Flusher,
    pool: "Pool",
    catalog: Catalog,
    inspection: Inspection,
    node: str,
) -> Routing:
    """Know how channels are, and see to it that those that are out come back; SettingsError for an alert's address."""
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
        ledger=ledger,
        pool=pool,
        catalog=catalog,
        node=node,
        probe=probe,
        sinks=sinks,
        bounds=Bounds(
            requests_max=settings.requests_max,
            queue_max=settings.queue_max,
            queue_seconds=settings.queue_seconds,
            cache_max_bytes=settings.cache_max_bytes,
        ),
    )
    return await stack.enter_async_context(routing.running())


async def _report(
    stack: contextlib.AsyncExitStack, pool: "Pool", node: str, vitals: Callable[[], Vitals], jobs: Jobs
) -> Runs:
    """Say to everybody how this process is; give who runs what people ask for."""
    runs = Runs(pool, node=node, environment=os.environ)
    stack.push_async_callback(runs.stop)
    reporter = NodeReporter(pool, node=node, vitals=vitals, jobs=jobs)
    await reporter.start()
    stack.push_async_callback(reporter.stop)
    return runs


async def _seal(stack: contextlib.AsyncExitStack, settings: Settings, pool: "Pool", jobs: Jobs) -> None:
    """Seal the log, and publish the heads of what is sealed."""
    heads = await stack.enter_async_context(
        publishing(pool, file=settings.seal_heads_file, url=settings.seal_heads_url, rules=settings.outbound_allow)
    )
    sealer = Sealer(pool, KeyFile(settings.seal_key_file), on_seal=heads.notice, jobs=jobs)
    await sealer.start()
    stack.push_async_callback(sealer.stop)


async def _send_mails(  # noqa: PLR0917 -- its one caller has them all
    stack: contextlib.AsyncExitStack,
    settings: Settings,
    pool: "Pool",
    administration: Administration,
    port: int,
    jobs: Jobs,
) -> None:
    """Send what is queued, if there is a mail server."""
    if settings.smtp_url is None:
        return
    mailer = Mailer(
        Links(pool),
        administration,
        SmtpMail(settings.smtp_url, settings.mail_from),
        base_url=settings.public_url or f"http://{settings.host}:{port}",
        jobs=jobs,
    )
    await mailer.start()
    stack.push_async_callback(mailer.stop)


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


async def _recover(settlements: Settlements) -> None:
    """Replay what processes left behind that died."""
    recovered = await settlements.recover()
    if recovered:
        _log.warning("journal_recovered", holds=recovered)


async def _ways_out(
    stack: contextlib.AsyncExitStack, settings: Settings, tokenizer: Tokenizer, tracing: "Tracing | None"
) -> tuple[Vendors, Outbound]:
    """Open every way to vendors, by the scheme of an address, and to addresses that others name."""
    rules = settings.outbound_allow
    http = await stack.enter_async_context(HttpVendor(rules=rules))
    websocket = await stack.enter_async_context(WebSocketVendor(rules=rules))
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
    return vendors, await stack.enter_async_context(Outbound(rules))
