"""Works out, once an hour or a day is over, the sums that pages of the whole platform and long stretches read.

Nothing of it is on the path of a request. What comes in late opens its hour again (`projection.begin_usage`), and the
next round works it out anew; whoever finds an hour open adds up its rows, so that figures never depend on this.
"""

import asyncio
import contextlib
import datetime as dt
from typing import TYPE_CHECKING, Final

import structlog

from adapters.postgres.errors import AWAY
from app.jobs import Jobs
from projections.usage import DIMENSIONS, SUMS

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

EVERY_SECONDS: Final = 60.0
SETTLE: Final = dt.timedelta(minutes=2)
"""How long after its end an hour is closed: most of what is late has come by then."""
_LOCK: Final = 7_102
_HOUR: Final = dt.timedelta(hours=1)
_DAY: Final = dt.timedelta(days=1)

_COLUMNS: Final = ", ".join(SUMS)
_ADDED: Final = ", ".join(f"sum({column})" for column in SUMS)
_ROUTE: Final = "model_asked, model_routed, model_billed, channel_id"
_ALL: Final = f"part, {', '.join(DIMENSIONS)}"
_OF_HOURS: Final = "WHERE generation = $1 AND hour >= $2 AND hour < $3"

# ruff: noqa: S608 -- every name in these statements is a constant of this package
_STEPS: Final = (
    (
        f"INSERT INTO projection.usage_hour_tenant (generation, hour, tenant_id, {_COLUMNS})"
        f" SELECT $1, hour, tenant_id, {_ADDED} FROM projection.usage_hourly {_OF_HOURS} GROUP BY hour, tenant_id"
    ),
    (
        f"INSERT INTO projection.usage_hour_route (generation, hour, {_ROUTE}, {_COLUMNS})"
        f" SELECT $1, hour, {_ROUTE}, {_ADDED} FROM projection.usage_hourly {_OF_HOURS} GROUP BY hour, {_ROUTE}"
    ),
)
_OF_DAY: Final = (
    (
        f"INSERT INTO projection.usage_day (generation, hour, tenant_id, {_ALL}, {_COLUMNS})"
        f" SELECT $1, $2, tenant_id, {_ALL}, {_ADDED} FROM projection.usage_hourly {_OF_HOURS}"
        f" GROUP BY tenant_id, {_ALL}"
    ),
    # The balance at the end of the day before, or of the last day on which the wallet moved, and what moved since.
    (
        "WITH moved AS ("
        "  SELECT tenant_id, -captured_nanos::numeric AS nanos FROM projection.usage_hour_tenant"
        "  WHERE generation = $1 AND hour >= $2 AND hour < $3 AND captured_nanos <> 0"
        "  UNION ALL SELECT tenant_id, amount_nanos FROM projection.credit_log"
        "  WHERE generation = $1 AND recorded_at >= $2 AND recorded_at < $3)"
        " INSERT INTO projection.balance_day (generation, tenant_id, day, balance_nanos)"
        " SELECT $1, m.tenant_id, $2, m.nanos + coalesce((SELECT b.balance_nanos FROM projection.balance_day AS b"
        "  WHERE b.generation = $1 AND b.tenant_id = m.tenant_id AND b.day < $2 ORDER BY b.day DESC LIMIT 1), 0)"
        " FROM (SELECT tenant_id, sum(nanos) AS nanos FROM moved GROUP BY tenant_id) AS m"
    ),
)
_FORGET: Final = (
    "DELETE FROM projection.usage_hour_tenant WHERE generation = $1 AND hour >= $2",
    "DELETE FROM projection.usage_hour_route WHERE generation = $1 AND hour >= $2",
    "DELETE FROM projection.usage_day WHERE generation = $1 AND hour >= date_trunc('day', $2::timestamptz, 'UTC')",
    "DELETE FROM projection.balance_day WHERE generation = $1 AND day >= date_trunc('day', $2::timestamptz, 'UTC')",
)
_TABLES: Final = ("usage_hour_tenant", "usage_hour_route", "usage_day", "balance_day", "usage_closed")

_log = structlog.get_logger(__name__)


class Closer:
    """Closes hours that are over. Any number of processes may run one: they take turns."""

    def __init__(self, pool: "Pool", *, settle: dt.timedelta = SETTLE, jobs: Jobs | None = None) -> None:
        """Take connections to work on."""
        self._pool = pool
        self._settle = settle
        self._jobs = jobs or Jobs()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look every minute."""
        self._task = asyncio.create_task(self._run(), name="report-closing")

    async def stop(self) -> None:
        """End; a day that is cut short is worked out again."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def close(self) -> int:
        """Close every hour that is over, in the live generation; give how many."""
        closed = 0
        while True:
            async with self._pool.acquire() as connection:
                hours = await self._step(connection)
            if not hours:
                return closed
            closed += hours

    async def _step(self, connection: "Connection") -> int:
        """Close the next hours, up to the end of their day at most."""
        async with connection.transaction():
            # What a crash undoes is worked out again.
            await connection.execute("SET LOCAL synchronous_commit = off")
            generation = await connection.fetchval(
                "SELECT generation FROM projection.generation WHERE name = 'usage' AND state = 'live'"
            )
            if generation is None:
                return 0
            # Folds hold this lock shared: while it is held here no hour can change.
            await connection.execute("SELECT pg_advisory_xact_lock($1, $2)", _LOCK, generation)
            began = await self._begin(connection, generation)
            until = await connection.fetchval("SELECT date_trunc('hour', now() - $1::interval, 'UTC')", self._settle)
            if began is None or began >= until:
                return 0
            next_day = began.replace(hour=0) + _DAY
            until = min(until, next_day)
            await self._write(connection, generation, began, until)
            if until == next_day:
                day = next_day - _DAY
                for statement in _OF_DAY:
                    await connection.execute(statement, generation, day, next_day)
            await connection.execute(
                "UPDATE projection.usage_closed SET closed_until = $2 WHERE generation = $1", generation, until
            )
            return int((until - began) / _HOUR)

    async def _begin(self, connection: "Connection", generation: int) -> dt.datetime | None:
        """Give the first hour that is not closed; drop what older generations left."""
        began: dt.datetime | None = await connection.fetchval(
            "SELECT closed_until FROM projection.usage_closed WHERE generation = $1", generation
        )
        if began is not None:
            return began
        for table in _TABLES:
            await connection.execute(f"DELETE FROM projection.{table} WHERE generation < $1", generation)
        began = await connection.fetchval(
            "SELECT date_trunc('day', least((SELECT min(hour) FROM projection.usage_hourly WHERE generation = $1),"
            " (SELECT min(recorded_at) FROM projection.credit_log WHERE generation = $1)), 'UTC')",
            generation,
        )
        if began is not None:
            await connection.execute("INSERT INTO projection.usage_closed VALUES ($1, $2, $2)", generation, began)
        return began

    async def _write(self, connection: "Connection", generation: int, began: dt.datetime, until: dt.datetime) -> None:
        for statement in _FORGET:
            await connection.execute(statement, generation, began)
        for statement in _STEPS:
            await connection.execute(statement, generation, began, until)

    async def _run(self) -> None:
        while True:
            try:
                with self._jobs.running("closer", EVERY_SECONDS) as job:
                    job.done = await self.close()
            except AWAY as error:
                _log.warning("report_closing_delayed", error=str(error) or type(error).__name__)
            await asyncio.sleep(EVERY_SECONDS)
