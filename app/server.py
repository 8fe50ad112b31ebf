"""One worker: makes everything, serves, and takes it down again in an order that loses nothing."""

import asyncio
import contextlib
import logging
import os
import secrets
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import asyncpg
import click
import structlog
import uvicorn
from litestar import Litestar

from adapters import clock, ids
from adapters.demo import DemoVendor
from adapters.http import HttpVendor
from adapters.journal import Journal
from adapters.postgres.flusher import Flusher
from adapters.tokenizer import Tokenizer
from adapters.vault import Vault
from app.administration import Administration
from app.api.router import api_router, openapi_config
from app.bootstrap import bootstrap
from app.catalog import Catalog
from app.housekeeper import Housekeeper
from app.main import create_app
from app.projections import PROJECTIONS
from app.relay.authentication import Authenticator
from app.relay.catalog_routes import CatalogRoutes
from app.relay.quoting import Quoting
from app.relay.refusals import Refusals
from app.relay.repeats import Repeats
from app.relay.service import Relay
from app.relay.settlement import Settlements
from app.relay.vendors import Vendors
from app.settings import Settings
from app.wallets import Wallets
from domain.relay.ports import Timeouts
from projections.runner import Runner

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


def _node_name() -> str:
    return f"{socket.gethostname()[:40]}-{os.getpid()}-{secrets.token_hex(3)}"


@contextlib.asynccontextmanager
async def _worker(settings: Settings, dsn: str, port: int) -> AsyncIterator[tuple[Litestar, Relay]]:
    """Make everything that a worker needs, in order; whatever was made is closed in the opposite one."""
    node = _node_name()
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(
            asyncpg.create_pool(
                dsn, min_size=2, max_size=10, timeout=5.0, server_settings={"application_name": "tallygate"}
            )
        )
        await pool.execute("SELECT ledger.create_days(current_date - 1, 9)")
        runner = Runner(pool, PROJECTIONS)
        ledger = Flusher(dsn, on_lanes=runner.notice)
        await ledger.start()
        stack.push_async_callback(ledger.stop, 10.0)

        await runner.start()
        stack.push_async_callback(runner.stop)

        journal = Journal(settings.data / "journal", node, settings.journal_max_bytes)
        stack.callback(journal.close)
        settlements = Settlements(ledger, journal, pool)
        recovered = await settlements.recover()
        if recovered:
            _log.warning("journal_recovered", holds=recovered)

        vault = Vault.open(settings.secret_key_file)
        catalog = Catalog(pool, vault)
        administration = Administration(ledger, pool, vault, on_change=catalog.refresh)
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
        housekeeper = Housekeeper(ledger, pool, hold_timeout_seconds=settings.hold_timeout_seconds)
        await housekeeper.start()
        stack.push_async_callback(housekeeper.stop)

        refusals = Refusals(ledger, now=clock.now, new_id=ids.new_id, node=node)
        refusals.start()
        stack.push_async_callback(refusals.stop)
        authenticator = Authenticator(catalog, now=clock.now, trusted_proxies=settings.trusted_proxies)
        relay = Relay(
            ledger=ledger,
            settlements=settlements,
            refusals=refusals,
            repeats=Repeats(pool),
            authenticator=authenticator,
            quoting=Quoting(catalog, tokenizer),
            vendors=_vendors(
                settings, await stack.enter_async_context(HttpVendor(rules=settings.outbound_allow)), tokenizer
            ),
            count=tokenizer.count,
            clock=_Clock(),
            node=node,
            body_bytes_max=settings.body_max_bytes,
            hold_timeout_seconds=int(settings.hold_timeout_seconds),
        )
        yield (
            create_app(
                relay=relay,
                catalog_routes=CatalogRoutes(catalog, authenticator, pool, clock.now),
                api=[
                    api_router(
                        administration=administration,
                        wallets=Wallets(ledger, pool),
                        pool=pool,
                        secure_cookies=(settings.public_url or "").startswith("https:"),
                        trusted_proxies=settings.trusted_proxies,
                    )
                ],
                openapi=openapi_config(),
                is_ready=_readiness(relay, ledger, catalog, pool),
            ),
            relay,
        )


def _vendors(settings: Settings, http: HttpVendor, tokenizer: Tokenizer) -> Vendors:
    return Vendors(
        {"openai": http, "demo": DemoVendor(count=lambda text: tokenizer.count(text, "gpt-4o"))},
        Timeouts(
            connect_seconds=settings.connect_timeout_seconds,
            first_byte_seconds=settings.first_byte_timeout_seconds,
            idle_seconds=settings.idle_timeout_seconds,
        ),
    )


def _readiness(
    relay: Relay, ledger: Flusher, catalog: Catalog, pool: "asyncpg.Pool[asyncpg.Record]"
) -> Callable[[], Awaitable[str | None]]:
    async def not_ready_because() -> str | None:
        if relay.stopping:
            return "stopping"
        try:
            await pool.fetchval("SELECT 1", timeout=2.0)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            return "the database is away"
        return None if ledger.available and catalog.fresh else "the ledger is catching up"

    return not_ready_because
