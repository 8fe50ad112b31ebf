"""Temporary files in memory: most of what a database of a test's own costs is its hundreds of files on a disk."""

import os
import tempfile
from pathlib import Path
from typing import Final

_MEMORY: Final = Path("/dev/shm")
_ROOM_BYTES_MIN: Final = 4 * 2**30


def keep_files_in_memory() -> None:
    """Let this process and its children make their temporary files in memory, if there is plenty of it.

    Whoever sets TMPDIR has said where they are to be.
    """
    if "TMPDIR" not in os.environ and _room_bytes() >= _ROOM_BYTES_MIN:
        os.environ["TMPDIR"] = str(_MEMORY)
        tempfile.tempdir = None


def _room_bytes() -> int:
    try:
        found = os.statvfs(_MEMORY)
        lines = Path("/proc/meminfo").read_text().splitlines()
    except OSError:
        return 0
    if found.f_flag & (os.ST_NOEXEC | os.ST_RDONLY):
        return 0
    available = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:"))
    return min(found.f_bavail * found.f_frsize, available)
