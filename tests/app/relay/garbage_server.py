"""`tallygate serve` that says what it leaves to the garbage collector: `python -m tests.app.relay.garbage_server FILE`.

Nothing is collected by itself. A signal USR1 collects, and writes to the file how many objects could not be reached.
"""

import gc
import signal
import sys
from pathlib import Path

from app import process


def _collect(file: Path) -> None:
    found = gc.collect()
    file.with_suffix(".new").write_text(str(found))
    file.with_suffix(".new").replace(file)


if __name__ == "__main__":
    found_in = Path(sys.argv[1])
    process.spare_collections = gc.disable
    signal.signal(signal.SIGUSR1, lambda *_: _collect(found_in))
    from app.__main__ import main

    sys.argv = ["tallygate", "serve"]
    main()
