"""What a process says of itself to everybody: that it is there, what it runs, how it is; and samples for plots."""

import asyncio
import contextlib
import datetime as dt
import os
import platform
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec
import structlog

from app.jobs import Job, Jobs
from app.version import VERSION

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

EVERY_SECONDS: Final = 5.0
SAMPLE_SECONDS: Final = 60.0
KEPT: Final = dt.timedelta(days=2)
_LOOK_SECONDS: Final = 0.5
_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")
_AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_log = structlog.get_logger(__name__)

_SAY: Final = """
INSERT INTO admin.node (node, started_at, seen_at, report) VALUES ($1, $2, now(), $3)
ON CONFLICT (node) DO UPDATE SET seen_at = now(), report = excluded.report
"""
_SAMPLE: Final = """
INSERT INTO admin.node_sample (at, node, cpu_permille, resident_bytes, loop_lag_milliseconds, pool_used, pool_size,
    requests_running, settle_milliseconds)
VALUES (now(), $1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT DO NOTHING
"""
_FORGET: Final = (
    "DELETE FROM admin.node_sample WHERE at < now() - $1::interval",
    "DELETE FROM admin.node WHERE seen_at < now() - $1::interval",
)


class PoolUse(msgspec.Struct, frozen=True, kw_only=True):
    """Connections of the pool that requests work on."""

    size: int
    idle: int
    most: int


class Vitals(msgspec.Struct, frozen=True, kw_only=True):
    """What only the parts of the process know."""

    config_position: int
    """How far it has read the platform's configuration."""
    config_fresh: bool
    requests_running: int
    journal_bytes: int
    journal_bytes_max: int
    journal_holds: int
    settle_milliseconds: int = 0
    """The longest that the end of a hold took into the log since the last report."""
    ledger_available: bool


class NodeReport(msgspec.Struct, frozen=True, kw_only=True):
    """A process as it describes itself."""

    host: str
    pid: int
    version: str
    python: str
    pool: PoolUse
    cpu_permille: int
    """Of one core, since the last report."""
    resident_bytes: int
    loop_lag_milliseconds: int
    """The longest that the event loop was late since the last report."""
    vitals: Vitals | None = None
    """Of a process that serves."""
    jobs: tuple[Job, ...]


class NodeReporter:
    """Writes a report every few seconds, and a sample every minute."""

    def __init__(self, pool: "Pool", *, node: str, vitals: Callable[[], Vitals] | None, jobs: Jobs) -> None:
        """Take where it is written, this process's name, and who knows how it is, where it serves."""
        self._pool = pool
        self._node = node
        self._vitals = vitals
        self._jobs = jobs
        self._started_at = dt.datetime.now(dt.UTC)
        self._cpu = (time.process_time(), time.monotonic())
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Say that it is there, and go on saying so: who asks the first request of it is told of it."""
        try:
            await self.say()
        except _AWAY as error:
            _log.debug("node_report_delayed", error=type(error).__name__)
        self._task = asyncio.create_task(self._run(), name="node-reports")

    async def stop(self) -> None:
        """End, and be there no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        with contextlib.suppress(*_AWAY):
            await self._pool.execute("DELETE FROM admin.node WHERE node = $1", self._node)

    async def say(self, lag_seconds: float = 0.0) -> NodeReport:
        """Write a report now."""
        report = self._report(lag_seconds)
        await self._pool.execute(_SAY, self._node, self._started_at, msgspec.json.encode(report))
        return report

    async def sample(self, report: NodeReport, *, settle_milliseconds: int) -> None:
        """Keep what plots are made of, and forget what is old."""
        await self._pool.execute(
            _SAMPLE,
            self._node,
            report.cpu_permille,
            report.resident_bytes,
            report.loop_lag_milliseconds,
            report.pool.size - report.pool.idle,
            report.pool.most,
            report.vitals.requests_running if report.vitals is not None else 0,
            settle_milliseconds,
        )
        for statement in _FORGET:
            await self._pool.execute(statement, KEPT)

    def _report(self, lag_seconds: float) -> NodeReport:
        cpu, at = time.process_time(), time.monotonic()
        (cpu_before, before), self._cpu = self._cpu, (cpu, at)
        return NodeReport(
            host=socket.gethostname(),
            pid=os.getpid(),
            version=VERSION,
            python=platform.python_version(),
            pool=PoolUse(size=self._pool.get_size(), idle=self._pool.get_idle_size(), most=self._pool.get_max_size()),
            cpu_permille=round(1000 * (cpu - cpu_before) / max(at - before, 0.001)),
            resident_bytes=_resident_bytes(),
            loop_lag_milliseconds=round(1000 * lag_seconds),
            vitals=self._vitals() if self._vitals is not None else None,
            jobs=self._jobs.all(),
        )

    async def _run(self) -> None:
        sample_at, slowest = 0.0, 0
        while True:
            lag = await self._wait()
            try:
                report = await self.say(lag)
                slowest = max(slowest, report.vitals.settle_milliseconds if report.vitals is not None else 0)
                if time.monotonic() >= sample_at:
                    sample_at = time.monotonic() + SAMPLE_SECONDS
                    await self.sample(report, settle_milliseconds=slowest)
                    slowest = 0
            except _AWAY as error:
                _log.debug("node_report_delayed", error=type(error).__name__)

    async def _wait(self) -> float:
        """Wait until the next report; give how late the event loop was at worst."""
        worst, until = 0.0, time.monotonic() + EVERY_SECONDS
        while time.monotonic() < until:
            due = time.perf_counter() + _LOOK_SECONDS
            await asyncio.sleep(_LOOK_SECONDS)
            worst = max(worst, time.perf_counter() - due)
        return worst


def _resident_bytes() -> int:
    # What /proc tells is there on Linux alone.
    with contextlib.suppress(OSError, IndexError, ValueError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
    return 0
