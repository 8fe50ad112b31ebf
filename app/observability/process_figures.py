"""What the operating system says of this process, for its figures."""

import contextlib
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from app.observability import metrics as m

if TYPE_CHECKING:
    from app.observability.cells import Cells

_PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class ProcessFigures:
    """CPU time, memory and open files."""

    def __init__(self, cells: "Cells") -> None:
        """Take where they are kept."""
        self._cells = cells
        self._cpu_seconds = 0.0

    def look(self) -> None:
        """Take them as they are now."""
        used = time.process_time()
        self._cells.numbers[self._cells.place((m.CPU_SECONDS.name,))] += used - self._cpu_seconds
        self._cpu_seconds = used
        # What /proc tells is there on Linux alone.
        with contextlib.suppress(OSError, IndexError, ValueError):
            self._set(m.RESIDENT, int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES)
            self._set(m.OPEN_FILES, len(os.listdir("/proc/self/fd")))  # noqa: PTH208 -- counting needs no paths

    def _set(self, metric: m.Metric, value: float) -> None:
        self._cells.numbers[self._cells.place((metric.name,))] = value
