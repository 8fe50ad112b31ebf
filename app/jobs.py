"""What goes on in the background of a process, and how it went the last time: for whoever asks how the system is."""

import contextlib
import datetime as dt
from collections.abc import Callable, Iterator

import msgspec

from adapters.clock import now


class Job(msgspec.Struct, kw_only=True):
    """One thing that is done again and again."""

    name: str
    every_seconds: float
    started_at: dt.datetime | None = None
    ended_at: dt.datetime | None = None
    """Of the last time that it came to an end, well or not."""
    done: int = 0
    """How much it did then."""
    error: str = ""
    """The class of what went wrong then; empty if nothing did."""
    runs: int = 0
    failures: int = 0


class Running:
    """A job under way."""

    def __init__(self) -> None:
        """Have done nothing yet."""
        self.done = 0


class Jobs:
    """The jobs of one process."""

    def __init__(self, *, clock: Callable[[], dt.datetime] = now) -> None:
        """Know of none yet."""
        self._clock = clock
        self._jobs: dict[str, Job] = {}

    @contextlib.contextmanager
    def running(self, name: str, every_seconds: float) -> Iterator[Running]:
        """Note that a job runs for as long as the block lasts, and how it ended."""
        job = self._jobs.setdefault(name, Job(name=name, every_seconds=every_seconds))
        job.started_at = self._clock()
        at_work = Running()
        try:
            yield at_work
        except Exception as error:
            job.failures += 1
            job.error = type(error).__name__
            raise
        else:
            job.error = ""
        finally:
            job.runs += 1
            job.done = at_work.done
            job.ended_at = self._clock()

    def all(self) -> tuple[Job, ...]:
        """Give them as they are, by name."""
        return tuple(self._jobs[name] for name in sorted(self._jobs))
