"""Verifications and rebuilds that people ask for in the console: each in a process of its own, one of a kind at a time.

A process of its own, for hours of work must take nothing from requests. The node that runs it writes every second how
far it is, and looks whether somebody wants it to end; a node that is silent for half a minute has died with it.
"""

import asyncio
import contextlib
import datetime as dt
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, Literal

import asyncpg
import msgspec
import structlog

from domain.errors import TallygateError

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

RunKind = Literal["verification", "rebuild"]
RunState = Literal["running", "done", "failed", "cancelled", "lost"]

BEAT_SECONDS: Final = 1.0
LOST_SECONDS: Final = 30
FINDINGS_KEPT: Final = 1000
_END_SECONDS: Final = 10.0
_LINE_MAX: Final = 64 * 2**20
_ERROR_MAX: Final = 500
_COLUMNS: Final = (
    "run_id::text, kind, subject, state, asked_by, asked_at, node, seen_at, ended_at, part, done, total, error, result"
)
_CALLS: Final[Mapping[RunKind, tuple[str, ...]]] = {
    "verification": ("verify", "--json", "--progress", "--state"),
    "rebuild": ("rebuild", "--json", "--progress"),
}

_log = structlog.get_logger(__name__)

# ruff: noqa: S608 -- statements are put together from constants of this module; every value is a parameter


class RunBusyError(TallygateError):
    """One of this kind is running already."""

    code: ClassVar[str] = "conflict"


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One verification or rebuild."""

    run_id: str
    kind: RunKind
    subject: str
    """The projection that is rebuilt; empty for a verification, which is of everything."""
    state: RunState
    asked_by: str
    asked_at: dt.datetime
    node: str
    seen_at: dt.datetime
    ended_at: dt.datetime | None
    part: str
    done: int
    total: int
    error: str
    result: bytes | None
    """JSON as the command printed it, with the first thousand findings."""


class Progress(msgspec.Struct, frozen=True):
    """A line of the command's error stream."""

    part: str
    done: int
    total: int


class Runs:
    """Starts, follows and ends runs of this node, and knows those of all."""

    def __init__(
        self,
        pool: "Pool",
        *,
        node: str,
        environment: Mapping[str, str],
        command: Sequence[str] = (sys.executable, "-m", "app"),
    ) -> None:
        """Take where they are noted, this node's name, and how commands are started and in what environment."""
        self._pool = pool
        self._node = node
        self._environment = dict(environment)
        self._command = command
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def stop(self) -> None:
        """End what this node runs."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def start(self, run_id: str, kind: RunKind, subject: str, *, actor: str) -> Run:
        """Begin one; raises RunBusyError."""
        await self._note_lost()
        try:
            await self._pool.execute(
                "INSERT INTO admin.run (run_id, kind, subject, state, asked_by, node)"
                " VALUES ($1, $2, $3, 'running', $4, $5)",
                run_id,
                kind,
                subject,
                actor,
                self._node,
            )
        except asyncpg.UniqueViolationError:
            raise RunBusyError(f"A {kind} is running already: wait for it, or cancel it.") from None
        task = asyncio.create_task(self._follow(run_id, kind, subject), name=f"{kind}-{run_id}")
        self._tasks[run_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(run_id, None))
        found = await self.get(run_id)
        assert found is not None
        return found

    async def get(self, run_id: str) -> Run | None:
        """Give one."""
        await self._note_lost()
        row = await self._pool.fetchrow(f"SELECT {_COLUMNS} FROM admin.run WHERE run_id::text = $1", run_id)
        return Run(**dict(row)) if row is not None else None

    async def list(self, *, kind: RunKind | None = None, limit: int = 20) -> "Sequence[Run]":
        """Give the latest first."""
        await self._note_lost()
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM admin.run WHERE ($1::text IS NULL OR kind = $1)"
            " ORDER BY asked_at DESC, run_id DESC LIMIT $2",
            kind,
            limit,
        )
        return [Run(**dict(row)) for row in rows]

    async def last_verification(self) -> Run | None:
        """Give the last verification that came to its end."""
        row = await self._pool.fetchrow(
            f"SELECT {_COLUMNS} FROM admin.run WHERE kind = 'verification' AND state = 'done'"
            " ORDER BY asked_at DESC LIMIT 1"
        )
        return Run(**dict(row)) if row is not None else None

    async def cancel(self, run_id: str) -> Run | None:
        """Want one to end, on whichever node it is; one that has ended stays as it is."""
        await self._pool.execute(
            "UPDATE admin.run SET cancel = true WHERE run_id::text = $1 AND state = 'running'", run_id
        )
        return await self.get(run_id)

    async def _note_lost(self) -> None:
        await self._pool.execute(
            "UPDATE admin.run SET state = 'lost', ended_at = seen_at"
            " WHERE state = 'running' AND seen_at < now() - make_interval(secs => $1)",
            LOST_SECONDS,
        )

    async def _follow(self, run_id: str, kind: RunKind, subject: str) -> None:
        state: RunState = "failed"
        error, result = "", b""
        try:
            with tempfile.TemporaryDirectory(prefix="tallygate-run-") as folder:
                more = (str(Path(folder) / "state"),) if kind == "verification" else (subject,)
                state, error, result = await self._execute(run_id, (*_CALLS[kind], *more))
        except asyncio.CancelledError:
            state, error = "cancelled", "the node was stopped"
            raise
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as failure:
            error = type(failure).__name__
            _log.warning("run_failed", run=run_id, kind=kind, error=error)
        finally:
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                # What is not written is found to be lost half a minute later.
                await self._pool.execute(
                    "UPDATE admin.run SET state = $2, ended_at = now(), seen_at = now(), error = $3, result = $4"
                    " WHERE run_id = $1 AND state = 'running'",
                    run_id,
                    state,
                    error[:_ERROR_MAX],
                    result or None,
                )

    async def _execute(self, run_id: str, arguments: "Sequence[str]") -> tuple[RunState, str, bytes]:
        process = await asyncio.create_subprocess_exec(
            *(*self._command, *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env=self._environment,
            limit=_LINE_MAX,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        told = _Told()
        output = asyncio.ensure_future(process.stdout.read())
        reading = [output, asyncio.ensure_future(told.read(process.stderr))]
        cancelled = False
        try:
            while not output.done():
                await asyncio.wait([output], timeout=BEAT_SECONDS)
                if await self._beat(run_id, told.progress):
                    cancelled = True
                    break
        finally:
            await _end(process, asked=not output.done())
            await asyncio.wait(reading)
        if cancelled:
            return "cancelled", "", b""
        result = _result(output.result())
        # 1 says that something was found, or that an event cannot be folded; both are in the result.
        if result is None or process.returncode not in {0, 1} or "error" in result:
            words = str(result["error"]) if result is not None and "error" in result else told.last
            return "failed", words or f"exit status {process.returncode}", b""
        return "done", "", msgspec.json.encode(result)

    async def _beat(self, run_id: str, progress: Progress) -> bool:
        """Say how far it is; say whether somebody wants it to end."""
        wanted = await self._pool.fetchval(
            "UPDATE admin.run SET seen_at = now(), part = $2, done = $3, total = $4"
            " WHERE run_id = $1 AND state = 'running' RETURNING cancel",
            run_id,
            progress.part,
            progress.done,
            progress.total,
        )
        # Nothing there means that others took it for lost.
        return wanted is None or bool(wanted)


class _Told:
    """What a command says on its error stream."""

    def __init__(self) -> None:
        self.progress = Progress("", 0, 0)
        self.last = ""

    async def read(self, stream: asyncio.StreamReader) -> None:
        async for line in stream:
            try:
                self.progress = msgspec.json.decode(line, type=Progress)
            except msgspec.MsgspecError:
                self.last = line.decode(errors="replace").strip()


async def _end(process: asyncio.subprocess.Process, *, asked: bool) -> None:
    """Have it end: if it is `asked` to, by a signal; else it is ending, and a signal might take its status away."""
    if process.returncode is not None:
        return
    if asked:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _result(output: bytes) -> dict[str, Any] | None:
    """Read what a command printed, and keep the first findings of many."""
    try:
        result = msgspec.json.decode(output, type=dict[str, Any])
    except msgspec.MsgspecError:
        return None
    findings = result.get("findings")
    if isinstance(findings, list):
        result["findings_total"] = len(findings)
        result["findings"] = findings[:FINDINGS_KEPT]
    return result
