"""What only one node at a time does: the one that holds an advisory lock for as long as its connection lasts."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Final

import structlog

from adapters.postgres.errors import AWAY
from domain.ports import LedgerUnavailableError

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_KEY: Final = 7424361
_SECONDS: Final = 1.0
_AWAY: Final = (*AWAY, LedgerUnavailableError)

_log = structlog.get_logger(__name__)


class Duty:
    """Runs a chore about once a second while this node has the lock; another node takes over within a second or two."""

    def __init__(self, pool: "Pool", chore: Callable[[], Awaitable[None]], *, seconds: float = _SECONDS) -> None:
        """Take the database whose lock it is, and what to do."""
        self._pool = pool
        self._chore = chore
        self._seconds = seconds
        self._task: asyncio.Task[None] | None = None
        self.is_mine = False
        """Whether this node has the duty."""

    async def start(self) -> None:
        """Begin to apply for it."""
        self._task = asyncio.create_task(self._run(), name="routing-duty")

    async def stop(self) -> None:
        """Give it up."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        while True:
            try:
                async with self._pool.acquire() as connection:
                    if await connection.fetchval("SELECT pg_try_advisory_lock($1)", _KEY):
                        try:
                            await self._serve(connection)
                        finally:
                            self.is_mine = False
                            await _unlock(connection)
            except _AWAY as error:
                _log.debug("duty_lost", error=type(error).__name__)
            await asyncio.sleep(self._seconds)

    async def _serve(self, connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
        self.is_mine = True
        while True:
            try:
                await self._chore()
            except _AWAY as error:
                _log.warning("duty_delayed", error=type(error).__name__)
            except Exception:  # noqa: BLE001 -- one round that fails must not end the duty: the log has its traceback
                _log.exception("duty_failed")
            await asyncio.sleep(self._seconds)
            # The lock lasts as long as the connection does: whoever lost that has lost the duty.
            await connection.execute("SELECT 1")


async def _unlock(connection: "asyncpg.pool.PoolConnectionProxy[asyncpg.Record]") -> None:
    with contextlib.suppress(*_AWAY):
        await connection.execute("SELECT pg_advisory_unlock($1)", _KEY)
