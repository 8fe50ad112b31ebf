"""Tells another process of this machine which lanes have just moved: a pipe of hints, each of which may be lost.

Any number of processes write to it, and one reads. Nothing is ever waited for: what finds no room is dropped, for
whoever reads looks for moved lanes by itself, too, if less often.
"""

import array
import asyncio
import contextlib
import os
import select
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Final, NamedTuple

from domain.ids import Lane, TenantId

PAUSE_SECONDS: Final = 0.05
"""What moves within so long of the last hint is told together."""
_NUMBER_BYTES: Final = 8
_AT_ONCE: Final = select.PIPE_BUF // (2 * _NUMBER_BYTES) * 2
"""Numbers of one write: up to this size it is in the pipe whole or not at all, whoever else writes."""
_READ_BYTES: Final = 64 * 1024


class HintPipe(NamedTuple):
    """The ends of a pipe, which processes inherit."""

    reads: int
    writes: int


@contextlib.contextmanager
def hint_pipe() -> Iterator[HintPipe]:
    """Give a pipe that is open for as long as the block lasts: who reads may die, and another one read on."""
    pipe = HintPipe(*os.pipe())
    try:
        for end in pipe:
            os.set_blocking(end, False)
        yield pipe
    finally:
        for end in pipe:
            os.close(end)


class HintWriter:
    """The end of a process whose commits move lanes; use from one event loop."""

    def __init__(self, descriptor: int) -> None:
        """Take the pipe's end; it is not closed here."""
        self._descriptor = descriptor
        self._moved: set[tuple[TenantId, Lane]] = set()
        self._timer: asyncio.TimerHandle | None = None

    def notice(self, lanes: Iterable[tuple[TenantId, Lane]]) -> None:
        """Tell of lanes that have just moved: the first at once, those that follow soon after it together."""
        self._moved.update(lanes)
        if self._timer is None:
            self._tell()

    def _tell(self) -> None:
        self._timer = None
        if not self._moved:
            return
        self._timer = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._tell)
        numbers = array.array("q", chain.from_iterable(self._moved))
        self._moved.clear()
        # A full pipe, and one that nobody reads any more: then the hints are lost.
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            for at in range(0, len(numbers), _AT_ONCE):
                os.write(self._descriptor, numbers[at : at + _AT_ONCE].tobytes())


@contextlib.contextmanager
def hearing(descriptor: int, on_lanes: Callable[[Iterable[tuple[TenantId, Lane]]], None]) -> Iterator[None]:
    """Pass hints on for as long as the block lasts, in the running event loop."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        numbers = array.array("q", os.read(descriptor, _READ_BYTES))
        if not numbers:
            # Nobody is left who could write.
            loop.remove_reader(descriptor)
        on_lanes(zip(map(TenantId, numbers[::2]), map(Lane, numbers[1::2]), strict=True))

    loop.add_reader(descriptor, read)
    try:
        yield
    finally:
        loop.remove_reader(descriptor)
