"""Long work in short slices: where a reader has a lane folded at once, that goes on beside requests of its process."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final, TypeVar

Item = TypeVar("Item")

SLICE: Final = 200
"""Events or rows that are handled before others get their turn: two or three milliseconds of work."""


async def slices(items: Sequence[Item]) -> AsyncIterator[Sequence[Item]]:
    """Give the items in their order, slice by slice; between two, whatever else waits in the process goes on."""
    for start in range(0, len(items), SLICE):
        if start:
            await asyncio.sleep(0)
        yield items[start : start + SLICE]
