"""What the relay asks of whoever carries a request to a vendor: sockets, or the demo inside the process."""

from collections.abc import AsyncIterator, Mapping
from typing import Protocol, runtime_checkable

import msgspec

from domain.relay.call import Method


class Timeouts(msgspec.Struct, frozen=True):
    """How long a vendor may take; there is no limit on the whole, for a long answer is not a fault."""

    connect_seconds: float = 10.0
    """Name look-up, TCP and TLS."""
    first_byte_seconds: float = 300.0
    """From the start, connecting included, to the first byte of the body."""
    idle_seconds: float = 120.0
    """Between two reads of the body."""


class VendorRequest(msgspec.Struct, frozen=True):
    """One request to a vendor, complete: nothing of the client's own headers is in it."""

    url: str
    headers: Mapping[str, str]
    """All headers that go out, apart from Host and Content-Length."""
    body: bytes
    timeouts: Timeouts = Timeouts()
    method: Method = "POST"
    streams: bool | None = None
    """Whether the vendor was asked to stream; None: as the client asked."""
    delay_seconds: float = 0.0
    """How long to wait before it is sent: for polling."""


class VendorReply(Protocol):
    """A vendor's answer, its status known and its body still on the way. Whoever gets it closes it."""

    @property
    def status(self) -> int:
        """The HTTP status, whatever it is: reading its meaning is the dialect's part."""

    @property
    def headers(self) -> Mapping[str, str]:
        """The vendor's headers, found by name in any case."""

    async def read(self, bytes_max: int) -> bytes:
        """Give the whole body; VendorError if it stalls, breaks off or is longer than `bytes_max`."""

    def chunks(self) -> AsyncIterator[bytes]:
        """Give the body as it arrives, split anywhere; VendorError if it stalls or breaks off."""

    async def close(self) -> None:
        """Let go: a body not read to its end is aborted, so that the vendor stops. Safe to call twice."""


class Vendor(Protocol):
    """One way to reach vendors."""

    async def send(self, request: VendorRequest) -> VendorReply:
        """Send a request and wait for the status; VendorError if there is none."""


@runtime_checkable
class VendorSocket(Protocol):
    """A conversation with a vendor, open until either side closes it. Whoever gets it closes it."""

    async def send(self, message: bytes) -> None:
        """Send one message of text; VendorError if the vendor is gone."""

    async def receive(self) -> bytes | None:
        """Wait for the next message; None when the vendor has closed, VendorError if it has broken off."""

    async def close(self) -> None:
        """Hang up. Safe to call twice."""


class SocketVendor(Protocol):
    """A way to reach vendors that converse."""

    async def converse(self, request: VendorRequest) -> VendorSocket | VendorReply:
        """Open a conversation, or give the answer that refuses it; VendorError if there is none."""
