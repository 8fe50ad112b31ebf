"""Server-sent events as vendors send them: bytes in, split anywhere; whole events out.

After the WHATWG rules, and more forgiving where vendors are known to stray: the last event counts without
its blank line, and a bare JSON body in place of events (an error with HTTP 200) comes out as the data of
one event.
"""

from typing import Final

from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError

FRAME_BYTES_MAX: Final = 16 * 1024 * 1024

_BOM: Final = b"\xef\xbb\xbf"


class SseSplitter:
    """Splits one stream, in linear time whatever the sizes of its chunks."""

    __slots__ = ("_bytes_max", "_held_bytes", "_is_start", "_lines", "_partial", "_skips_lf")

    def __init__(self, *, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        """Take the longest frame to hold; a longer one is a VendorError of kind protocol."""
        self._bytes_max = frame_bytes_max
        self._lines: list[bytes] = []  # whole lines of the frame that is not ended yet
        self._partial = bytearray()  # the line that is not ended yet
        self._held_bytes = 0
        self._is_start = True
        self._skips_lf = False  # the last chunk ended with CR: an LF at the start of the next belongs to it

    def feed(self, chunk: bytes) -> list[Frame]:
        """Give the events that this chunk completes, line ends as LF, a byte order mark gone."""
        if (
            not self._held_bytes
            and not self._skips_lf
            and chunk[-2:] == b"\n\n"
            and len(chunk) <= self._bytes_max
            and b"\r" not in chunk
        ):
            return self._whole_frames(chunk)
        return self._split(chunk)

    def finish(self) -> list[Frame]:
        """Give what the end completes: vendors leave out the last blank line, or the last line's end."""
        frames: list[Frame] = []
        if self._partial:
            self._end_line(b"", frames)
        self._end_frame(frames)
        return frames

    def _whole_frames(self, chunk: bytes) -> list[Frame]:
        """Take the common chunk, one or more frames with nothing left over."""
        frames: list[Frame] = []
        for part in chunk[:-2].split(b"\n\n"):
            if part[:6] == b"data: " and b"\n" not in part:
                self._is_start = False
                frames.append(Frame(part[6:], part + b"\n\n"))
            else:
                for line in part.split(b"\n"):
                    self._end_line(line, frames)
                self._end_frame(frames)
        return frames

    def _split(self, chunk: bytes) -> list[Frame]:
        if not chunk:
            return []
        if self._skips_lf:
            self._skips_lf = False
            if chunk[:1] == b"\n":
                chunk = chunk[1:]
        if b"\r" in chunk:
            self._skips_lf = chunk[-1:] == b"\r"
            chunk = chunk.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        *ended, rest = chunk.split(b"\n")
        frames: list[Frame] = []
        for line in ended:
            self._end_line(line, frames)
        if rest:
            self._hold(len(rest))
            self._partial += rest
        return frames

    def _hold(self, count: int) -> None:
        self._held_bytes += count
        if self._held_bytes > self._bytes_max:
            self._lines.clear()
            self._partial.clear()
            raise VendorError("protocol", vendor_code="frame_too_large")

    def _end_line(self, line: bytes, frames: list[Frame]) -> None:
        self._hold(len(line) + 1)
        if self._partial:
            line = bytes(self._partial + line)
            self._partial.clear()
        if self._is_start:
            self._is_start = False
            line = line.removeprefix(_BOM)
        if line:
            self._lines.append(line)
        else:
            self._end_frame(frames)

    def _end_frame(self, frames: list[Frame]) -> None:
        self._held_bytes = 0
        if self._lines:
            frames.append(_frame(self._lines))
            self._lines = []


def _frame(lines: list[bytes]) -> Frame:
    raw = b"\n".join(lines) + b"\n\n"
    if lines[0][:1] in (b"{", b"["):
        return Frame(b"\n".join(lines), raw)
    data: list[bytes] = []
    event = b""
    for line in lines:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            event = value
    return Frame(b"\n".join(data), raw, event)
