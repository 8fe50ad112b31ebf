"""Writes the statements of periods that are over, so that lists of all tenants have them before anybody asks."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import structlog

from adapters.clock import now
from adapters.postgres.admin_store import AdminStore
from adapters.postgres.errors import AWAY
from app.jobs import Jobs
from app.reports.statements import Statements

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

EVERY_SECONDS: Final = 600.0
PERIOD_MIN: Final = dt.timedelta(days=28)
"""No period is shorter but a tenant's first, which begins where its first hour did."""
_DUE: Final = """
SELECT t.tenant_id FROM (SELECT DISTINCT tenant_id FROM ledger.lane) AS t
LEFT JOIN LATERAL (
    SELECT ends_at FROM projection.statement AS s WHERE s.tenant_id = t.tenant_id ORDER BY starts_at DESC LIMIT 1
) AS s ON true
WHERE s.ends_at IS NULL OR s.ends_at + $1::interval < $2
ORDER BY t.tenant_id
"""

_log = structlog.get_logger(__name__)


class StatementCloser:
    """Looks every ten minutes. Several processes may: a statement is written once."""

    def __init__(self, pool: "Pool", *, clock: Callable[[], dt.datetime] = now, jobs: Jobs | None = None) -> None:
        """Take connections to work on."""
        self._pool = pool
        self._store = AdminStore(pool)
        self._clock = clock
        self._jobs = jobs or Jobs()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="statement-closing")

    async def stop(self) -> None:
        """End; what was not written is written at the next start."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def close(self) -> int:
        """Write every statement that is due; give how many."""
        moment = self._clock()
        written = 0
        for row in await self._pool.fetch(_DUE, PERIOD_MIN, moment):
            tenant = await self._store.get("tenant", str(row["tenant_id"]), row["tenant_id"])
            if tenant is not None:
                written += await Statements(self._pool).close(tenant.tenant_id, tenant.entity.time_zone, moment)
        return written

    async def _run(self) -> None:
        while True:
            try:
                with self._jobs.running("statements", EVERY_SECONDS) as job:
                    job.done = await self.close()
            except AWAY as error:
                _log.warning("statement_closing_delayed", error=str(error) or type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)
