"""How far a verification is, in a file: so that one that was broken off is gone on with, and not begun again."""

import contextlib
import os
import time
from pathlib import Path
from typing import Final

import msgspec

from domain.verification import Finding, LaneState

SAVE_SECONDS: Final = 5.0


class LaneProgress(msgspec.Struct, frozen=True):
    """A lane that was broken off in."""

    tenant_id: int
    lane: int
    check: LaneState
    sealed: int
    seal_findings: tuple[Finding, ...]


class State(msgspec.Struct, kw_only=True):
    """What has been verified so far."""

    database: str
    """Tells one database from another."""
    after: tuple[int, int] = (0, 0)
    """Lane and tenant of the last lane that is done; lanes come in this order."""
    lanes: int = 0
    events: int = 0
    sealed: int = 0
    """Events that were found as they were sealed."""
    unsealed_since: int | None = None
    """When the oldest event that is not sealed was recorded, in microseconds since 1970."""
    lane: LaneProgress | None = None
    seals: tuple[int, bytes] | None = None
    """Number and hash of the last seal that is done."""
    seals_done: bool = False
    projections: tuple[str, ...] = ()
    """Those that are done."""
    findings: tuple[Finding, ...] = ()
    notes: tuple[str, ...] = ()
    seconds: float = 0.0


class StateError(Exception):
    """A state file cannot be used; the message says what to do."""


class StateFile:
    """Keeps the state of a run, every few seconds and at each end of a part."""

    def __init__(self, path: Path | None) -> None:
        """Take where it is; None keeps nothing."""
        self._path = path
        self._saved_at = time.monotonic()

    def load(self, database: str) -> State:
        """Give what a run over the same database left behind; a new state if there is none.

        Raises StateError for a file that is none, or of another database.
        """
        if self._path is None or not self._path.exists():
            return State(database=database)
        try:
            state = msgspec.msgpack.decode(self._path.read_bytes(), type=State)
        except (OSError, msgspec.DecodeError) as error:
            raise StateError(f"{self._path} is no state that can be gone on from: delete it ({error})") from None
        if state.database != database:
            raise StateError(f"{self._path} is of another database: delete it, or name another file")
        return state

    @property
    def is_due(self) -> bool:
        """Whether the last save was some time ago."""
        return self._path is not None and time.monotonic() - self._saved_at >= SAVE_SECONDS

    def save(self, state: State) -> None:
        """Write the state, whole or not at all; StateError if it cannot be written."""
        if self._path is None:
            return
        temporary = self._path.with_name(f"{self._path.name}.new")
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                file.write(msgspec.msgpack.encode(state))
            temporary.replace(self._path)
        except OSError as error:
            raise StateError(f"{self._path} cannot be written: {error.strerror}") from None
        self._saved_at = time.monotonic()

    def remove(self) -> None:
        """Forget a run that is done."""
        if self._path is not None:
            with contextlib.suppress(FileNotFoundError):
                self._path.unlink()
