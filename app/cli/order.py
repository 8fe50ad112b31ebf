"""How the supervisor starts a process of a server, and how such a process does what it was told.

It reads its order as one line of JSON from standard input. The end of that stream means that the supervisor is gone,
and tells it to end as if it had been asked to.
"""

import asyncio
import os
import signal
import sys
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from adapters.logging import configure_logging
from app.settings import Settings


class Order(msgspec.Struct, frozen=True):
    """What the supervisor tells a process; a pipe carries it, since others can read arguments and environments."""

    dsn: str
    hints: int
    """The number of the inherited end of the pipe that tells which lanes have moved."""
    listener: int | None = None
    """The number of the inherited socket, for one that serves."""


Work = Callable[[Settings, Order, asyncio.Event], Awaitable[None]]
"""What a process does until the event is set."""


def stop_on_signals() -> asyncio.Event:
    """Give an event that SIGINT and SIGTERM set."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    return stop


def obey(work: Work) -> None:
    """Read the order, and do it."""
    # Imported here, for the group imports every refusal, and this module is imported by one of its commands.
    from app.cli import refuse  # noqa: PLC0415
    from app.cli.refusals import REFUSALS  # noqa: PLC0415

    try:
        settings = Settings.load()
        configure_logging(settings.log_level)
        order = msgspec.json.decode(_read_line(sys.stdin.fileno()), type=Order)
        uvloop.run(_obey(work, settings, order))
    except REFUSALS as refusal:
        refuse(refusal)


async def _obey(work: Work, settings: Settings, order: Order) -> None:
    stop = stop_on_signals()
    asyncio.get_running_loop().add_reader(sys.stdin.fileno(), stop.set)
    await work(settings, order, stop)


def _read_line(descriptor: int) -> bytes:
    """Read up to the first line's end and no further, so that the stream's end stays to be seen."""
    line = bytearray()
    while not line.endswith(b"\n"):
        byte = os.read(descriptor, 1)
        if not byte:
            raise SystemExit(1)
        line += byte
    return bytes(line)
