"""A question to the database that is given up in time, whatever state the database is in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Answer = TypeVar("Answer")


class Probe(Generic[Answer]):
    """Asks one question at a time, in a task of its own.

    Cancelling is not enough where a server stands still: asyncpg then waits for it to confirm the cancellation. So an
    unanswered question is left alone, and as long as it stays so nobody asks again.
    """

    def __init__(self, ask: Callable[[], Awaitable[Answer]], seconds_max: float) -> None:
        """Take the question, and how long whoever asks waits for an answer."""
        self._ask = ask
        self._seconds_max = seconds_max
        self._asking: asyncio.Task[Answer] | None = None

    async def answer(self) -> Answer:
        """Give the answer; TimeoutError if it does not come in time, and what the question raises."""
        if self._asking is None or self._asking.done():
            self._asking = asyncio.ensure_future(self._run())
        asking = self._asking
        await asyncio.wait({asking}, timeout=self._seconds_max)
        if not asking.done():
            raise TimeoutError
        return asking.result()

    async def _run(self) -> Answer:
        return await self._ask()

    def stop(self) -> None:
        """Let go of a question that is still open."""
        if self._asking is not None:
            self._asking.cancel()
