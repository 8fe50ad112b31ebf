"""One worker, in this process or in one of its own; run as `python -m app.cli.worker` by the supervisor."""

import asyncio
import socket

import structlog

from app.cli.order import Order, obey
from app.settings import Settings

_GRACE_SECONDS = 15.0
"""What a worker may take beyond the time to drain before it is cut off."""

_log = structlog.get_logger(__name__)


async def run_worker(settings: Settings, dsn: str, listener: socket.socket, stop: asyncio.Event, *, hints: int) -> None:
    """Serve until `stop` is set, then drain; returns early only when the server ended by itself."""
    # Imported late: what only reads the command line's help, or refuses a setting, should not wait for it.
    from app.server import run  # noqa: PLC0415

    serving = asyncio.create_task(run(settings, dsn, listener=listener, hints=hints))
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


async def _work(settings: Settings, order: Order, stop: asyncio.Event) -> None:
    with socket.socket(fileno=order.listener) as listener:
        await run_worker(settings, order.dsn, listener, stop, hints=order.hints)


if __name__ == "__main__":
    obey(_work)
