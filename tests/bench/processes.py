"""The processes of a measurement: vendors, pass-throughs, Tallygate, and the generator of the load."""

import asyncio
import contextlib
import os
import socket
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import msgspec

from tests.bench.load import Order, Sample
from tests.bench.procfs import is_postgres, process_tree

ROOT = Path(__file__).resolve().parents[2]
_START_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 60.0


class Service(msgspec.Struct, frozen=True):
    """Something that listens, and the processes behind it, by part: each with all that descend from it."""

    port: int
    roots: dict[str, list[int]]

    def pids(self) -> dict[str, list[int]]:
        """Give the processes of now, by part; the database is one, whoever started it."""
        found: dict[str, list[int]] = {}
        for part, roots in self.roots.items():
            for pid in (pid for root in roots for pid in process_tree(root)):
                found.setdefault("postgres" if is_postgres(pid) else part, []).append(pid)
        return found


async def _start(
    *command: str, environ: Mapping[str, str] | None = None, stdin: int | None = None, stdout: int | None = None
) -> Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        *command,
        cwd=ROOT,
        env=dict(os.environ if environ is None else environ),
        stdin=stdin,
        stdout=stdout,
        limit=2**20,
    )


@contextlib.asynccontextmanager
async def _stopped(process: Process) -> AsyncIterator[Process]:
    """End the process with the block, and wait until it has."""
    try:
        yield process
    finally:
        if process.returncode is None:
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), _STOP_SECONDS_MAX)
        except TimeoutError:
            process.kill()
            await process.wait()


async def _read_port(process: Process) -> int:
    assert process.stdout is not None
    line = await asyncio.wait_for(process.stdout.readline(), _START_SECONDS_MAX)
    if not line:
        raise RuntimeError("a process ended before it listened; what it said is above")
    return int(line)


@contextlib.asynccontextmanager
async def fast_vendor(*, delay_milliseconds: int) -> AsyncIterator[Service]:
    """Run the fast mock vendor; streams have 20 chunks."""
    command = ("tests.support.fake_vendor", "--fast", "--delay-ms", str(delay_milliseconds))
    async with _stopped(await _start(*command, stdout=PIPE)) as process:
        yield Service(await _read_port(process), {"vendor": [process.pid]})


@contextlib.asynccontextmanager
async def bare_relay(vendor: Service, workers: int) -> AsyncIterator[Service]:
    """Run the pass-through in so many processes on one port."""
    url = f"http://127.0.0.1:{vendor.port}/v1/chat/completions"
    async with contextlib.AsyncExitStack() as stack:
        port, pids = 0, []
        for _ in range(workers):
            started = await _start("tests.bench.bare", "--vendor", url, "--port", str(port), stdout=PIPE)
            process = await stack.enter_async_context(_stopped(started))
            port = await _read_port(process)
            pids.append(process.pid)
        yield Service(port, {"app": pids} | vendor.roots)


@contextlib.asynccontextmanager
async def tallygate(data: Path, workers: int, vendor: Service, **settings: str) -> AsyncIterator[Service]:
    """Run `python -m app serve` on a prepared data directory, with the embedded PostgreSQL and everything on."""
    port = _free_port()
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLYGATE_")} | {
        "TALLYGATE_DATA": str(data),
        "TALLYGATE_PORT": str(port),
        "TALLYGATE_WORKERS": str(workers),
        "TALLYGATE_LOG_LEVEL": "warning",
        "TALLYGATE_OUTBOUND_ALLOW": "127.0.0.1",
        **{f"TALLYGATE_{name}": value for name, value in settings.items()},
    }
    async with _stopped(await _start("app", "serve", environ=environ)) as process:
        await _wait_ready(process, port, workers)
        yield Service(port, {"app": [process.pid]} | vendor.roots)


async def _wait_ready(process: Process, port: int, workers: int) -> None:
    """Wait until every worker is likely to have answered: the kernel spreads new connections over them."""
    deadline = time.monotonic() + _START_SECONDS_MAX
    good = 0
    while good < 8 * workers:
        if process.returncode is not None:
            raise RuntimeError("Tallygate ended before it was ready; what it said is above")
        if time.monotonic() > deadline:
            raise RuntimeError("Tallygate was not ready in time")
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=2)) as session,
                session.get(f"http://127.0.0.1:{port}/health/ready") as answer,
            ):
                good = good + 1 if answer.ok else 0
        except (aiohttp.ClientError, TimeoutError):
            good = 0
        if not good:
            await asyncio.sleep(0.1)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Generator:
    """The load generator's process."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def measure(self, order: Order) -> Sample:
        """Have one measurement made."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(msgspec.json.encode(order) + b"\n")
        line = await self._process.stdout.readline()
        if not line:
            raise RuntimeError("the load generator died; what it said is above")
        return msgspec.json.decode(line, type=Sample)


@contextlib.asynccontextmanager
async def generator() -> AsyncIterator[Generator]:
    """Run the load generator."""
    async with _stopped(await _start("tests.bench.load", stdin=PIPE, stdout=PIPE)) as process:
        yield Generator(process)
