"""AWS's binary messages: bytes in, split anywhere; whole messages out, checked against their sums by botocore."""

import struct
from typing import Any, Final

import msgspec
from botocore.eventstream import EventStreamBuffer, ParserError

from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError

FRAME_BYTES_MAX: Final = 16 * 1024 * 1024

_LENGTH_BYTES: Final = 4
_LEAST_BYTES: Final = 16
"""Lengths, sums, and nothing between them."""


class AwsEventSplitter:
    """Splits one stream, in linear time whatever the sizes of its chunks."""

    __slots__ = ("_bytes_max", "_held")

    def __init__(self, *, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        """Take the longest message to hold; a longer or broken one is a VendorError of kind protocol."""
        self._bytes_max = frame_bytes_max
        self._held = bytearray()

    def feed(self, chunk: bytes) -> list[Frame]:
        """Give the messages that this chunk completes, named by their event, exception or error."""
        self._held += chunk
        frames: list[Frame] = []
        start = 0
        while (end := self._end(start)) is not None and end <= len(self._held):
            frames.append(_frame(bytes(self._held[start:end])))
            start = end
        del self._held[:start]
        return frames

    def finish(self) -> list[Frame]:
        """Give nothing: a message that is not whole is none, and who reads the messages knows what is missing."""
        self._held.clear()
        return []

    def _end(self, start: int) -> int | None:
        """Give where the message ends that starts there; None while its length has not come."""
        if len(self._held) - start < _LENGTH_BYTES:
            return None
        length = int.from_bytes(self._held[start : start + _LENGTH_BYTES], "big")
        if length > self._bytes_max or length < _LEAST_BYTES:
            self._held.clear()
            # What is no such message at all, a page of a proxy say, reads as a length beyond belief.
            raise VendorError(
                "protocol", vendor_code="frame_too_large" if length > self._bytes_max else "invalid_frame"
            )
        return start + length


def _frame(raw: bytes) -> Frame:
    buffer = EventStreamBuffer()
    try:
        buffer.add_data(raw)
        message = next(buffer, None)
    except (ParserError, struct.error, LookupError, ValueError, OverflowError):
        raise VendorError("protocol", vendor_code="invalid_frame") from None
    if message is None:
        raise VendorError("protocol", vendor_code="invalid_frame")
    headers: dict[str, Any] = message.headers
    match headers.get(":message-type"):
        case "error":
            data = msgspec.json.encode({"message": str(headers.get(":error-message", ""))})
            return Frame(data, raw, _exception(headers.get(":error-code")))
        case "exception":
            return Frame(message.payload, raw, _exception(headers.get(":exception-type")))
        case _:
            return Frame(message.payload, raw, str(headers.get(":event-type", "")).encode("utf-8", "replace"))


def _exception(name: object) -> bytes:
    """Give an exception's name; one that is called otherwise gets the ending by which exceptions are known."""
    known = str(name or "unknown").encode("utf-8", "replace")
    return known if known.endswith(b"Exception") else known + b"Exception"
