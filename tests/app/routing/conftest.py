"""Two nodes on one database: what one writes, the other one sees."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest

from app.projections import PROJECTIONS
from projections.folder import ensure
from tests.support.office import Office, open_office


@pytest.fixture
async def office(database: str) -> AsyncIterator[Office]:
    async with open_office(database) as opened:
        await ensure(opened.pool, PROJECTIONS)
        await opened.group()
        await opened.group(side="channel")
        yield opened


class Clock:
    """Unix time in milliseconds that a test may move ahead."""

    def __init__(self) -> None:
        self.ahead = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def until(condition: Callable[[], object], seconds: float = 30.0) -> None:
    """Wait for another node to see something; the bound only ends what would hang."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 -- what is tested is a poll: nobody tells this node anything
            await asyncio.sleep(0.01)
