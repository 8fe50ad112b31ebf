"""The node's journal: what each running request will be charged, on local disk before the log has it.

A request's terminal is written here before it is sent to PostgreSQL, and a long stream writes now and then the
terminal that it would have if this process died. The last record of a hold counts. What the log has accepted needs
no mark: sending it again is answered `exists`, so a journal may be replayed at any time.

Files: one folder, one running process per file, held by a lock that dies with its holder. A file is a row of
records, each a length, a checksum and a MessagePack command; a torn record ends a file, for the write was not
acknowledged.
"""

import fcntl
import os
import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec
import structlog

from domain.ids import HoldId
from domain.ledger.commands import Command

_HEAD: Final = struct.Struct("<II")
_SEGMENT_BYTES: Final = 8 * 2**20
_PROBE_BYTES: Final = 16 * 1024
_log = structlog.get_logger(__name__)
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Command).decode


class _Segment:
    def __init__(self, path: Path) -> None:
        self.path = path
        # Locked before it has its name: whoever recovers must never find a file that is only about to be ours.
        fresh = path.with_suffix(".new")
        self.file = os.open(fresh, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC, 0o600)
        fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fresh.rename(path)
        self.size = 0
        self.open_holds: set[HoldId] = set()

    def close(self) -> None:
        self.path.unlink(missing_ok=True)
        os.close(self.file)


class Journal:
    """One process' journal; use from one thread."""

    def __init__(self, folder: Path, node: str, bytes_max: int) -> None:
        """Take the folder that all processes of this machine share, and this process' own name."""
        self._folder = folder
        self._node = node
        self._bytes_max = bytes_max
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._number = 0
        self._segments = [self._new_segment()]
        self._at: dict[HoldId, _Segment] = {}
        self._recovered: list[tuple[Path, int]] = []

    @property
    def is_full(self) -> bool:
        """Whether no further request may be admitted: what it will owe might find no room."""
        return len(self._at) > 0 and self.size_bytes > self._bytes_max

    @property
    def size_bytes(self) -> int:
        """How much of the disk the records take."""
        return sum(segment.size for segment in self._segments)

    @property
    def open_holds(self) -> int:
        """How many requests have a record here that the log has not acknowledged."""
        return len(self._at)

    def write(self, command: Command) -> None:
        """Keep a hold's terminal, in place of what was kept for it before; survives the death of this process.

        Raises OSError if the disk does not take it; what was kept before is kept still.
        """
        assert command.hold_id is not None
        body = _encode(command)
        record = _HEAD.pack(len(body), zlib.crc32(body)) + body
        segment = self._segments[-1]
        if segment.size > _SEGMENT_BYTES:
            segment = self._new_segment()
            self._segments.append(segment)
        written = os.write(segment.file, record)
        if written != len(record):
            # A torn record would hide the ones after it.
            os.ftruncate(segment.file, segment.size)
            raise OSError(28, "the journal's disk is full")
        segment.size += written
        before = self._at.get(command.hold_id)
        if before is not segment:
            if before is not None:
                before.open_holds.discard(command.hold_id)
                self._release(before)
            segment.open_holds.add(command.hold_id)
            self._at[command.hold_id] = segment

    def has_room(self) -> bool:
        """Try whether the disk takes a record, and leave nothing behind."""
        segment = self._segments[-1]
        try:
            return os.write(segment.file, bytes(_PROBE_BYTES)) == _PROBE_BYTES
        except OSError:
            return False
        finally:
            os.ftruncate(segment.file, segment.size)

    def syncing(self) -> Callable[[], None]:
        """Give what waits until everything written by now is on the disk: it survives the death of the machine.

        What is given may run in any thread, while this one goes on writing, settling and closing files.
        """
        files = [os.dup(segment.file) for segment in self._segments]
        files.append(os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC))
        return lambda: _sync(files)

    def settled(self, hold_id: HoldId) -> None:
        """Forget a hold: the log has its terminal."""
        segment = self._at.pop(hold_id, None)
        if segment is not None:
            segment.open_holds.discard(hold_id)
            self._release(segment)

    def close(self) -> None:
        """Let go; files with nothing open in them are removed, others stay for the next process."""
        for segment in self._segments:
            if segment.open_holds:
                os.close(segment.file)
            else:
                segment.close()
        self._segments = []
        self._at.clear()

    def recover(self) -> list[Command]:
        """Give the last record of each hold in files that no living process holds, and lock those files."""
        last: dict[HoldId, Command] = {}
        for path in sorted(self._folder.glob("*.journal")):
            file = _lock_abandoned(path)
            if file is None:
                continue
            self._recovered.append((path, file))
            for command in _records(path.name, file):
                assert command.hold_id is not None
                last[command.hold_id] = command
        return list(last.values())

    def discard_recovered(self) -> None:
        """Remove the recovered files: the log has all that they say."""
        for path, file in self._recovered:
            path.unlink(missing_ok=True)
            os.close(file)
        self._recovered = []

    def _new_segment(self) -> _Segment:
        self._number += 1
        return _Segment(self._folder / f"{self._node}-{self._number:06d}.journal")

    def _release(self, segment: _Segment) -> None:
        if segment.open_holds:
            return
        if segment is not self._segments[-1]:
            self._segments.remove(segment)
            segment.close()
        elif segment.size > _SEGMENT_BYTES // 8:
            os.ftruncate(segment.file, 0)
            segment.size = 0


def _lock_abandoned(path: Path) -> int | None:
    try:
        file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(file)
        return None
    return file


def _sync(files: list[int]) -> None:
    try:
        for file in files:
            os.fsync(file)
    finally:
        for file in files:
            os.close(file)


def _records(name: str, file: int) -> Iterator[Command]:
    # Read from what is locked: between opening and locking its last holder may have removed the name.
    data = os.pread(file, os.fstat(file).st_size, 0)
    at = 0
    while at + _HEAD.size <= len(data):
        length, checksum = _HEAD.unpack_from(data, at)
        body = data[at + _HEAD.size : at + _HEAD.size + length]
        if len(body) != length or zlib.crc32(body) != checksum:
            _log.warning("journal_torn", file=name, at=at)
            return
        yield _decode(body)
        at += _HEAD.size + length
