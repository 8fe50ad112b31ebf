"""`tallygate serve` with a clock that a file sets: `python -m tests.faults.shifted_server FILE`.

The file holds the seconds by which the application's clock is ahead; all in it that ask for the time are told so,
new ids included. PostgreSQL, which is another process, keeps the true time, and so do time-outs.
"""

import datetime as dt
import sys
import time
from collections.abc import Callable
from pathlib import Path

from adapters import clock

_file = Path(sys.argv[1])
_now, _time, _time_ns = clock.now, time.time, time.time_ns


def ahead_seconds() -> int:
    """Give how far the clock is ahead at this moment."""
    return int(_file.read_text())


def _shifted(read: Callable[[], float]) -> Callable[[], float]:
    return lambda: read() + ahead_seconds()


def main() -> None:
    """Serve. The clocks are replaced before anything takes hold of them."""
    clock.now = lambda: _now() + dt.timedelta(seconds=ahead_seconds())
    time.time = _shifted(_time)
    time.time_ns = lambda: _time_ns() + ahead_seconds() * 10**9
    from app.__main__ import main as run  # noqa: PLC0415 -- only now

    sys.argv = ["tallygate", "serve"]
    run()


if __name__ == "__main__":
    main()
