"""The real server as a process of its own, for tests that talk to it over the network, or kill it."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path

import aiohttp

REPOSITORY = Path(__file__).parents[2]
READY_SECONDS_MAX = 60.0
STOP_SECONDS_MAX = 60.0
LOOPBACK = "127.0.0.0/8,::1"


class ServerProcess:
    """`tallygate serve` on a free port of the loopback address, its output in a file.

    It sees no TALLYGATE_ variable but those in `settings`, whose names are without the prefix:
    `ServerProcess(data, {"WORKERS": "2"})`.
    """

    def __init__(
        self,
        data: Path,
        settings: Mapping[str, str] | None = None,
        *,
        program: Sequence[str] = ("-m", "app", "serve"),
        python: str = sys.executable,
        folder: Path = REPOSITORY,
    ) -> None:
        """Take where its data is and its settings; `program` is what Python runs, if not the command itself.

        With another Python and folder it is what is installed there that runs.
        """
        self.data = data
        self._python = python
        self._folder = folder
        self._program = tuple(program)
        self.port = free_port()
        self._settings = dict(settings or {})
        self._process: subprocess.Popen[bytes] | None = None
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()

    @property
    def url(self) -> str:
        """Where it serves, without a slash at the end."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def pid(self) -> int:
        """The process number of the supervisor; with one worker, of everything but PostgreSQL."""
        return self._running().pid

    @property
    def postgres_pid(self) -> int:
        """The process number of the embedded PostgreSQL."""
        return int((self.data / "postgres" / "postmaster.pid").read_text().splitlines()[0])

    async def wait_new_postgres(self, old_pid: int) -> None:
        """Wait until the embedded PostgreSQL is another process than this one."""
        async with asyncio.timeout(READY_SECONDS_MAX):
            while True:
                # While one goes and the next one comes the file may be gone, or half written.
                with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
                    if self.postgres_pid != old_pid:
                        return
                await asyncio.sleep(0.02)

    @property
    def output(self) -> str:
        """Everything that it has printed, on both streams, over all its starts."""
        return os.pread(self._output.fileno(), 16 * 1024 * 1024, 0).decode(errors="replace")

    def spawn(self) -> None:
        """Start it and return at once."""
        # The vendors of tests are on this machine.
        own = {"DATA": str(self.data), "PORT": str(self.port), "OUTBOUND_ALLOW": LOOPBACK, "WAL_KEPT_MEBIBYTES": "32"}
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLYGATE_")}
        environ |= {f"TALLYGATE_{name}": value for name, value in (own | self._settings).items()}
        self._process = subprocess.Popen(
            [self._python, *self._program],
            cwd=self._folder,
            env=environ,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )

    async def start(self) -> None:
        """Start it and wait until it is ready; fails with its output when it is not."""
        self.spawn()
        await self.wait_ready()

    async def wait_ready(self) -> None:
        """Wait until /health/ready answers with 200."""
        deadline = asyncio.get_running_loop().time() + READY_SECONDS_MAX
        timeout = aiohttp.ClientTimeout(total=5)
        async with aiohttp.ClientSession(timeout=timeout) as session:
            while self._running().poll() is None and asyncio.get_running_loop().time() < deadline:
                with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                    async with session.get(f"{self.url}/health/ready") as response:
                        if response.status == 200:
                            return
                await asyncio.sleep(0.02)
        raise AssertionError(f"the server is not ready (status {self._running().poll()}):\n{self.output}")

    def signal(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self._running().send_signal(number)

    async def wait(self) -> int:
        """Wait until it has ended and give its exit status; negative is the signal that killed it."""
        return await asyncio.to_thread(self._running().wait, STOP_SECONDS_MAX)

    async def kill(self) -> None:
        """Kill -9 it and wait until it is gone."""
        self._running().kill()
        await self.wait()

    async def stop(self) -> int:
        """Ask it to end and give its exit status."""
        self._running().terminate()
        return await self.wait()

    async def close(self) -> None:
        """End it, if it runs, and forget its output."""
        if self._process is not None and self._process.poll() is None:
            try:
                await self.stop()
            except subprocess.TimeoutExpired:
                await self.kill()
        self._output.close()

    def _running(self) -> "subprocess.Popen[bytes]":
        assert self._process is not None, "start it first"
        return self._process


@contextlib.asynccontextmanager
async def run_server_process(settings: Mapping[str, str] | None = None) -> AsyncIterator[ServerProcess]:
    """Run a server on a data directory of its own for as long as the block lasts."""
    with tempfile.TemporaryDirectory(prefix="tallygate-test-") as directory:
        server = ServerProcess(Path(directory) / "data", settings)
        try:
            await server.start()
            yield server
        finally:
            await server.close()


def free_port() -> int:
    """Give a port that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
