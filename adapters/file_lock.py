"""A lock on a file that dies with its holder, so that a crash leaves nothing to clean up."""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class LockHeldError(Exception):
    """Another live process holds the lock."""

    def __init__(self, path: Path, holder: int | None) -> None:
        self.path = path
        self.holder = holder
        """The process that took it. One that inherited it may hold it still when that one is dead."""
        super().__init__(
            f"the data directory {path.parent} is in use by another Tallygate (process {holder or 'unknown'})"
        )

    @property
    def is_orphaned(self) -> bool:
        """Whether the process that took the lock is gone, so that those which inherited it will end soon."""
        if self.holder is None:
            return False
        try:
            os.kill(self.holder, 0)
        except ProcessLookupError:
            return True
        except PermissionError:
            return False
        return False


class FileLock:
    """An exclusive lock, dropped by the kernel when the process ends, however it ends. The file stays."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor: int | None = None

    def acquire(self) -> None:
        """Take the lock at once, or raise LockHeldError; OSError if the file cannot be opened."""
        # Never through a symbolic link: root may run this in a directory that another user owns.
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _read_holder(descriptor)
            os.close(descriptor)
            raise LockHeldError(self.path, holder) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Give the descriptor: a process that inherits it keeps the lock until it ends, too."""
        if self._descriptor is None:
            raise RuntimeError("the lock is not held")
        return self._descriptor

    def release(self) -> None:
        """Give the lock back. Does nothing when it is not held."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def __enter__(self) -> Self:
        self.acquire()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.release()


def check_free(path: Path) -> None:
    """Raise LockHeldError if a live process holds the lock at `path`; creates nothing."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        raise LockHeldError(path, _read_holder(descriptor)) from None
    finally:
        os.close(descriptor)


def _read_holder(descriptor: int) -> int | None:
    text = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
    return int(text) if text.isascii() and text.isdigit() else None
