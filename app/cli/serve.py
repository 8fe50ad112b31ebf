"""`tallygate serve`: port, lock, database, schema, then the processes; and all of it backwards at the end."""

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import click
import uvloop

from adapters.file_lock import FileLock, LockHeldError, check_free
from adapters.hints import hint_pipe
from adapters.logging import configure_logging
from adapters.postgres.embedded import EmbeddedPostgres, make_data_directory
from adapters.postgres.errors import PostgresError
from adapters.postgres.migrate import find_pending, migrate
from adapters.seal_keys import SealKeys
from app.cli.crew import KILL_AFTER_SECONDS, Crew
from app.cli.database import embedded
from app.cli.listeners import open_listeners
from app.cli.order import stop_on_signals
from app.cli.refusals import StartError
from app.observability.cells import clear
from app.observability.wiring import metrics_folder
from app.settings import PREFIX, Settings

_Result = TypeVar("_Result")


@click.command("serve", short_help="Serve the API, with its own PostgreSQL if no other is set.")
@click.option("--workers", metavar="N", help="Processes that serve; they share the port.")
@click.option("--host", metavar="ADDRESS", help="Address to listen on.")
@click.option("--port", metavar="PORT", help="Port to listen on.")
def command(workers: str | None, host: str | None, port: str | None) -> None:
    """Serve the API until Ctrl-C or SIGTERM, then finish what is open and settle it.

    Options take the place of the settings TALLYGATE_WORKERS, TALLYGATE_HOST and TALLYGATE_PORT.
    """
    chosen = {"WORKERS": workers, "HOST": host, "PORT": port}
    overrides = {PREFIX + name: value for name, value in chosen.items() if value is not None}
    environ = os.environ | overrides
    settings = Settings.load(environ)
    configure_logging(settings.log_level)
    raise SystemExit(uvloop.run(_serve(settings, environ)))


class _StoppedError(Exception):
    """The operator changed their mind while the server was starting."""


async def _serve(settings: Settings, environ: Mapping[str, str]) -> int:
    """Run everything and give the exit status."""
    stop = stop_on_signals()
    async with contextlib.AsyncExitStack() as stack:
        try:
            await _unless_stopped(stop, _wait_for_orphans(settings))
            if settings.database_url is not None:
                # Whatever is wrong with it is found before anything is made.
                await _unless_stopped(stop, find_pending(settings.database_url))
            listeners = _open_listeners(settings)
            for listener in listeners:
                stack.callback(listener.close)
            lock = stack.enter_context(_data_lock(settings.data))
            # Only the process beside the workers signs, but a file that cannot be used is to be told of now.
            SealKeys.open(settings.seal_key_file)
            server = await stack.enter_async_context(_postgres(settings, stop))
            dsn = server.dsn if server is not None else settings.database_url
            assert dsn is not None
            await _unless_stopped(stop, migrate(dsn))
        except _StoppedError:
            return 0
        clear(metrics_folder(settings.data))
        hints = stack.enter_context(hint_pipe())
        crew = Crew(settings, environ, dsn, listeners=listeners, hints=hints, inherited=[lock.fileno()])
        return await _work(crew, server, stop)


async def _wait_for_orphans(settings: Settings) -> None:
    """Let workers finish whose supervisor was killed: they drain, and keep port and journal until they are done."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + settings.drain_seconds + KILL_AFTER_SECONDS
    while loop.time() < deadline:
        try:
            check_free(_lock_path(settings.data))
        except LockHeldError as held:
            if not held.is_orphaned:
                raise
        except OSError:
            return
        else:
            return
        await asyncio.sleep(0.1)


def _open_listeners(settings: Settings) -> list[socket.socket]:
    """Take the port before anything is touched. A second start on the same data is told so, not of the port."""
    try:
        return open_listeners(settings.host, settings.port, settings.workers)
    except StartError:
        with contextlib.suppress(OSError):
            check_free(_lock_path(settings.data))
        raise


def _lock_path(data: Path) -> Path:
    return data / "serve.lock"


@contextlib.contextmanager
def _data_lock(data: Path) -> Iterator[FileLock]:
    """Be the only server on a data directory: its journal has one writer, whatever database is used."""
    lock = FileLock(_lock_path(data))
    try:
        make_data_directory(data)
        lock.acquire()
    except OSError as error:
        raise StartError(f"cannot use the data directory {data}: {error.strerror}") from error
    try:
        yield lock
    finally:
        lock.release()


@contextlib.asynccontextmanager
async def _postgres(settings: Settings, stop: asyncio.Event) -> AsyncIterator[EmbeddedPostgres | None]:
    """Run the embedded server, unless another database is set."""
    if settings.database_url is not None:
        yield None
        return
    server = embedded(settings)
    await _unless_stopped(stop, server.start())
    try:
        yield server
    finally:
        await server.stop()


async def _unless_stopped(stop: asyncio.Event, work: Coroutine[Any, Any, _Result]) -> _Result:
    """Give the result of `work`, or cancel it and raise _StoppedError when the stop comes first."""
    working = asyncio.create_task(work)
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait([working])
        raise _StoppedError
    return working.result()


async def _work(crew: Crew, server: EmbeddedPostgres | None, stop: asyncio.Event) -> int:
    """Serve until told to stop, or until the database is given up; give the exit status."""
    watching = asyncio.create_task(_stop_when_failed(server, stop)) if server is not None else None
    status = await crew.run(stop)
    if watching is None:
        return status
    if watching.done():
        click.echo(f"tallygate: {watching.result()}", err=True)
        return 1
    watching.cancel()
    return status


async def _stop_when_failed(server: EmbeddedPostgres, stop: asyncio.Event) -> PostgresError:
    try:
        return await server.wait_failed()
    finally:
        stop.set()
