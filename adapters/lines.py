"""Lines of JSON as vendors stream them: bytes in, split anywhere; whole lines out."""

from typing import Final

from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError

LINE_BYTES_MAX: Final = 16 * 1024 * 1024


class LineSplitter:
    """Splits one stream, in linear time whatever the sizes of its chunks. Blank lines say nothing."""

    __slots__ = ("_bytes_max", "_partial")

    def __init__(self, *, line_bytes_max: int = LINE_BYTES_MAX) -> None:
        """Take the longest line to hold; a longer one is a VendorError of kind protocol."""
        self._bytes_max = line_bytes_max
        self._partial = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """Give the lines that this chunk completes."""
        *ended, rest = chunk.split(b"\n")
        frames: list[Frame] = []
        for line in ended:
            self._add(line, frames)
        self._hold(rest)
        return frames

    def finish(self) -> list[Frame]:
        """Give the last line, which may have no end."""
        frames: list[Frame] = []
        self._add(b"", frames)
        return frames

    def _add(self, line: bytes, frames: list[Frame]) -> None:
        if self._partial:
            self._hold(line)
            line = bytes(self._partial)
            self._partial.clear()
        line = line.strip()
        if line:
            frames.append(Frame(line, line + b"\n"))

    def _hold(self, piece: bytes) -> None:
        if len(self._partial) + len(piece) > self._bytes_max:
            self._partial.clear()
            raise VendorError("protocol", vendor_code="frame_too_large")
        self._partial += piece


class WholeMessages:
    """For transports that keep messages apart themselves: each chunk is one."""

    def feed(self, chunk: bytes) -> list[Frame]:
        """Give the chunk as a frame."""
        return [Frame(chunk, chunk)] if chunk else []

    def finish(self) -> list[Frame]:
        """Nothing is ever left over."""
        return []
