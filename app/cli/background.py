"""The process beside the workers; run as `python -m app.cli.background` by the supervisor."""

import asyncio

from app.background import run
from app.cli.order import Order, obey
from app.settings import Settings


async def _work(settings: Settings, order: Order, stop: asyncio.Event) -> None:
    working = asyncio.create_task(run(settings, order.dsn, hints=order.hints))
    stopping = asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    working.cancel()
    await asyncio.wait([working])
    if not working.cancelled():
        working.result()


if __name__ == "__main__":
    obey(_work)
