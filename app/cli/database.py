"""How a command gets at the database: an outside one, a running server's, or the embedded one for a while."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

from adapters.file_lock import LockHeldError
from adapters.postgres.embedded import EmbeddedPostgres, find_running, has_cluster
from adapters.postgres.migrate import check
from app.cli.refusals import StartError
from app.settings import Settings

_STARTING_SECONDS_MAX = 30.0


@contextlib.asynccontextmanager
async def database(settings: Settings, *, create: bool = False) -> AsyncIterator[str]:
    """Give the database's address for as long as the command works.

    A server that runs in another process is joined, not refused. With `create`, a missing database is made and its
    schema is not looked at; without, both must be in order. Raises what REFUSALS names.
    """
    async with contextlib.AsyncExitStack() as stack:
        dsn = settings.database_url or await find_running(settings.data)
        if dsn is None:
            if not create and not has_cluster(settings.data):
                raise StartError(f"there is no database in {settings.data} yet: `tallygate serve` makes it")
            dsn = await _start_or_join(settings, stack)
        if not create:
            await check(dsn)
        yield dsn


def embedded(settings: Settings) -> EmbeddedPostgres:
    """Give the embedded server of the data directory, not started."""
    return EmbeddedPostgres(
        settings.data,
        shared_buffers_mebibytes=settings.shared_buffers_mebibytes,
        wal_kept_mebibytes=settings.wal_kept_mebibytes,
    )


async def _start_or_join(settings: Settings, stack: contextlib.AsyncExitStack) -> str:
    server = embedded(settings)
    try:
        await stack.enter_async_context(server)
    except LockHeldError:
        # Whoever holds the lock is starting its server right now: it answers soon, or the lock's holder is told.
        dsn = await _wait_running(settings)
        if dsn is None:
            raise
        return dsn
    return server.dsn


async def _wait_running(settings: Settings) -> str | None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _STARTING_SECONDS_MAX
    while loop.time() < deadline:
        dsn = await find_running(settings.data)
        if dsn is not None:
            return dsn
        await asyncio.sleep(0.1)
    return None
