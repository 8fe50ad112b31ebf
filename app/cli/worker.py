"""One worker, in this process or in one of its own; run as `python -m app.cli.worker` by the supervisor.

Such a process reads its order as one line of JSON from standard input. The end of that stream means that the
supervisor is gone, and tells it to drain and end.
"""

import asyncio
import os
import signal
import socket
import sys

import msgspec
import structlog
import uvloop

from adapters.logging import configure_logging
from app.settings import Settings

_GRACE_SECONDS = 15.0
"""What a worker may take beyond the time to drain before it is cut off."""

_log = structlog.get_logger(__name__)


class WorkerOrder(msgspec.Struct, frozen=True):
    """What the supervisor tells a worker; a pipe carries it, since others can read arguments and environments."""

    dsn: str
    listener: int
    """The number of the inherited socket."""


async def run_worker(settings: Settings, dsn: str, listener: socket.socket, stop: asyncio.Event) -> None:
    """Serve until `stop` is set, then drain; returns early only when the server ended by itself."""
    # Imported late: what only reads the command line's help, or refuses a setting, should not wait for it.
    from app.server import run  # noqa: PLC0415

    serving = asyncio.create_task(run(settings, dsn, listener=listener))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([serving, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        serving.cancel()
        await asyncio.wait([serving], timeout=settings.drain_seconds + _GRACE_SECONDS)
    if not serving.done():
        _log.error("the server did not end in time", seconds=settings.drain_seconds + _GRACE_SECONDS)
    elif not serving.cancelled():
        serving.result()


def stop_on_signals() -> asyncio.Event:
    """Give an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


async def _work(settings: Settings, order: WorkerOrder) -> None:
    stop = stop_on_signals()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    with socket.socket(fileno=order.listener) as listener:
        await run_worker(settings, order.dsn, listener, stop)


def main() -> None:
    """Work until told to stop."""
    # Imported here, for the group imports every refusal, and this module is imported by one of its commands.
    from app.cli import refuse  # noqa: PLC0415
    from app.cli.refusals import REFUSALS  # noqa: PLC0415

    try:
        settings = Settings.load()
        configure_logging(settings.log_level)
        order = msgspec.json.decode(_read_line(sys.stdin.fileno()), type=WorkerOrder)
        uvloop.run(_work(settings, order))
    except REFUSALS as refusal:
        refuse(refusal)


def _read_line(descriptor: int) -> bytes:
    """Read up to the first line's end and no further, so that the stream's end stays to be seen."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            raise SystemExit(1)
        line += byte
    return bytes(line)


if __name__ == "__main__":
    main()
