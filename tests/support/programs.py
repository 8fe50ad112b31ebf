"""Servers that others wrote, as processes of a test's own."""

import asyncio
import contextlib
import subprocess
import tempfile
from collections.abc import AsyncIterator, Sequence

import aiohttp

from tests.support.server import free_port

_READY_SECONDS_MAX = 60.0
_STOP_SECONDS_MAX = 10.0


@contextlib.asynccontextmanager
async def run_program(command: Sequence[str], *, ready: str) -> AsyncIterator[str]:
    """Run a server for as long as the block lasts and give its address, once the path `ready` answers with 200.

    "{port}" in the command becomes a free port of the loopback address.
    """
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [part.replace("{port}", str(port)) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
        try:
            if not await _is_ready(process, url + ready):
                output.seek(0)
                raise AssertionError(f"{command[0]} is not ready:\n{output.read().decode(errors='replace')}")
            yield url
        finally:
            await _end(process)


async def _is_ready(process: "subprocess.Popen[bytes]", url: str) -> bool:
    deadline = asyncio.get_running_loop().time() + _READY_SECONDS_MAX
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=5)) as session:
        while process.poll() is None and asyncio.get_running_loop().time() < deadline:
            with contextlib.suppress(aiohttp.ClientError, TimeoutError):
                async with session.get(url) as response:
                    if response.status == 200:
                        return True
            await asyncio.sleep(0.05)
    return False


async def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        await asyncio.to_thread(process.wait, _STOP_SECONDS_MAX)
    except subprocess.TimeoutExpired:
        process.kill()
        await asyncio.to_thread(process.wait)
