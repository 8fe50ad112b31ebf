"""The processes of a server: its workers, and the one beside them that folds and seals; started again when they die."""

import asyncio
import contextlib
import signal
import socket
import subprocess
import sys
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Final

import click
import msgspec
import structlog

from adapters.hints import HintPipe
from app.cli.order import Order
from app.cli.worker import run_worker
from app.settings import Settings

REFUSED: Final = 2
_DEATHS_MAX: Final = 5
_DEATH_WINDOW_SECONDS: Final = 60.0
_PAUSE_SECONDS: Final = 1.0
"""How long the process beside the workers is not there after it has died."""
KILL_AFTER_SECONDS: Final = 30.0
"""What a process may take beyond the time to drain before it is killed."""

_log = structlog.get_logger(__name__)


class _Role(msgspec.Struct, frozen=True):
    """What a process is there for."""

    name: str
    command: Sequence[str]
    hints: int
    listener: int | None = None


class Crew:
    """The processes of a server. One worker alone works in this very process."""

    def __init__(
        self,
        settings: Settings,
        environ: Mapping[str, str],
        dsn: str,
        *,
        listeners: list[socket.socket],
        hints: HintPipe,
        inherited: Sequence[int] = (),
        worker: Sequence[str] = (sys.executable, "-m", "app.cli.worker"),
        background: Sequence[str] = (sys.executable, "-m", "app.cli.background"),
    ) -> None:
        """Take what they work with: a socket for each worker, what all of them inherit, and how they are started."""
        self._settings = settings
        self._environ = environ
        self._dsn = dsn
        self._listeners = listeners
        self._hints = hints
        self._inherited = inherited
        self._worker = worker
        self._background = _Role("background", background, hints.reads)
        self._deaths: deque[float] = deque(maxlen=_DEATHS_MAX)
        self._status = 0

    async def run(self, stop: asyncio.Event) -> int:
        """Keep all of them until `stop` is set; give the exit status."""
        served = asyncio.Event()
        background = asyncio.create_task(self._keep_background(served, stop))
        try:
            await self._serve(stop)
        finally:
            # It ends last: what workers settle while they drain is folded as well.
            served.set()
            await background
        return self._status

    async def _serve(self, stop: asyncio.Event) -> None:
        if len(self._listeners) == 1:
            await run_worker(self._settings, self._dsn, self._listeners[0], stop, hints=self._hints.writes)
        else:
            await asyncio.gather(*(self._keep_worker(listener, stop) for listener in self._listeners))

    async def _keep_worker(self, listener: socket.socket, stop: asyncio.Event) -> None:
        role = _Role("worker", self._worker, self._hints.writes, listener.fileno())
        while (status := await self._run(role, stop)) is not None:
            # The loop starts another one, unless that would not help.
            now = asyncio.get_running_loop().time()
            if status == REFUSED:
                self._refused(stop)
            elif len(self._deaths) == _DEATHS_MAX and now - self._deaths[0] < _DEATH_WINDOW_SECONDS:
                click.echo("tallygate: the workers keep dying, see the log above", err=True)
                self._status = 1
                stop.set()
            self._deaths.append(now)

    async def _keep_background(self, served: asyncio.Event, stop: asyncio.Event) -> None:
        """Start it again however often it dies: requests are served without it."""
        while (status := await self._run(self._background, served)) is not None:
            if status == REFUSED:
                self._refused(stop)
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(served.wait(), _PAUSE_SECONDS)

    def _refused(self, stop: asyncio.Event) -> None:
        # It has said why, and would say it again.
        self._status = REFUSED
        stop.set()

    async def _run(self, role: _Role, until: asyncio.Event) -> int | None:
        """Run a process until it dies, and give its status; None when it was to end, or not to begin."""
        if until.is_set():
            return None
        process = await self._start(role)
        _log.info(f"{role.name} started", pid=process.pid)
        ending = asyncio.create_task(process.wait())
        stopping = asyncio.create_task(until.wait())
        await asyncio.wait([ending, stopping], return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not ending.done():
            await self._end(role, process, ending)
            return None
        if until.is_set():
            return None
        status = ending.result()
        _log.error(f"{role.name} died", pid=process.pid, status=status)
        return status

    async def _start(self, role: _Role) -> asyncio.subprocess.Process:
        order = Order(dsn=self._dsn, hints=role.hints, listener=role.listener)
        process = await asyncio.create_subprocess_exec(
            *role.command,
            stdin=subprocess.PIPE,
            env=dict(self._environ),
            pass_fds=[each for each in (role.listener, role.hints, *self._inherited) if each is not None],
            # Ctrl-C reaches the terminal's whole group, and processes are to hear of it from here, once.
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(order) + b"\n")
        return process

    async def _end(self, role: _Role, process: asyncio.subprocess.Process, ending: asyncio.Task[int]) -> None:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGTERM)
        await asyncio.wait([ending], timeout=self._settings.drain_seconds + KILL_AFTER_SECONDS)
        if not ending.done():
            _log.error(f"{role.name} does not end, killing it", pid=process.pid)
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await ending
