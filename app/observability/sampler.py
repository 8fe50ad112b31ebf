"""Figures that nobody counts as they happen: looked at now and then, inside each worker."""

import asyncio
import contextlib
import time
from typing import TYPE_CHECKING, Final, Protocol

from app.observability import metrics as m
from app.observability.instruments import Instruments
from app.observability.process_figures import ProcessFigures
from app.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY_SECONDS: Final = 0.25
_EACH: Final = 4
"""How many looks at the event loop there are to one at everything else."""


class _Journal(Protocol):
    @property
    def open_holds(self) -> int: ...

    @property
    def size_bytes(self) -> int: ...


class _Ledger(Protocol):
    @property
    def available(self) -> bool: ...


class _Outbox(Protocol):
    dropped: int
    exported: int
    failed: int


class Sampler:
    """Looks at the event loop, the journal, the ledger's availability and the process."""

    def __init__(
        self,
        instruments: Instruments,
        *,
        journal: _Journal,
        journal_bytes_max: int,
        ledger: _Ledger,
        outbox: _Outbox | None = None,
    ) -> None:
        """Take what is looked at."""
        self._instruments = instruments
        self._journal = journal
        self._journal_bytes_max = journal_bytes_max
        self._ledger = ledger
        self._outbox = outbox
        self._process = ProcessFigures(instruments.cells)
        self._counted: dict[str, float] = {}
        self._task: asyncio.Task[None] | None = None
        self._worst = 0.0

    def start(self) -> None:
        """Look from now on."""
        self._instruments.set(m.BUILD, (VERSION,), 1)
        self.look()
        self._task = asyncio.get_running_loop().create_task(self._run(), name="sampler")

    async def stop(self) -> None:
        """Look once more, and no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        self.look()
        self._instruments.set(m.WORKERS, (), 0)

    def look(self) -> None:
        """Take every figure but the loop's."""
        put = self._instruments.set
        put(m.JOURNAL_HOLDS, (), self._journal.open_holds)
        put(m.JOURNAL_BYTES, (), self._journal.size_bytes)
        put(m.JOURNAL_BYTES_MAX, (), self._journal_bytes_max)
        put(m.LEDGER_AVAILABLE, (), float(self._ledger.available))
        put(m.LOOP_LAG_MAX, (), self._worst)
        self._worst = 0.0
        self._process.look()
        if self._outbox is not None:
            for fate in ("exported", "failed", "dropped"):
                self._advance(m.SPANS, (fate,), getattr(self._outbox, fate))

    def _advance(self, metric: m.Metric, labels: "Sequence[str]", total: float) -> None:
        """Count what has come to a total of this process since the last look."""
        key = "/".join((metric.name, *labels))
        self._instruments.add(metric, tuple(labels), total - self._counted.get(key, 0.0))
        self._counted[key] = total

    async def _run(self) -> None:
        while True:
            for _ in range(_EACH):
                # Not the loop's own time: uvloop's has whole milliseconds.
                due = time.perf_counter() + EVERY_SECONDS
                await asyncio.sleep(EVERY_SECONDS)
                lag = max(0.0, time.perf_counter() - due)
                self._worst = max(self._worst, lag)
                self._instruments.observe(m.LOOP_LAG, (), lag)
            self.look()
