"""HTTP as strangers send it: the head of a request is bounded in size and time, which uvicorn leaves open.

Both would otherwise cost whoever asks nothing and this process its memory or its connections, before any key is read.
"""

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.relay.errors import ApiError

HEAD_BYTES_MAX: Final = 64 * 1024
HEAD_SECONDS: Final = 30.0
"""How long a client may take from its first byte, or from connecting, to the end of a head."""
LINGER_SECONDS: Final = 1.0
"""How long a client whose head was refused may go on sending, which nobody reads."""


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with an end to heads that have none."""

    _head_bytes = 0
    """Of a head that is not complete; what came with the end of the one before is not counted."""
    _has_head = False
    _is_suspect = False
    """Whether so much has come that a head in it may be too long."""
    _late: asyncio.TimerHandle | None = None
    _is_refused = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a head."""
        super().connection_made(transport)
        self._late = self.loop.call_later(HEAD_SECONDS, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        self._stop_waiting()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Begin to wait for another head."""
        super().on_message_begin()
        if self._has_head:
            self._has_head = False
            self._head_bytes = 0
        if self._late is None:
            self._late = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def on_headers_complete(self) -> None:
        """Go on, if the head is not too long."""
        self._stop_waiting()
        self._has_head = True
        if self._is_suspect and len(self.url) + sum(len(name) + len(value) for name, value in self.headers) > (
            HEAD_BYTES_MAX
        ):
            self._refuse_head()
            raise ValueError("the head is too long")  # which ends the parsing
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Read on; a head that does not end is refused."""
        if self._is_refused:
            return
        if not self._has_head:
            self._head_bytes += len(data)
        self._is_suspect = max(self._head_bytes, len(data)) > HEAD_BYTES_MAX
        super().data_received(data)
        if not self._has_head and self._head_bytes > HEAD_BYTES_MAX and not self._is_refused:
            self._refuse_head()

    def send_400_response(self, msg: str) -> None:
        """Say what is wrong with a request that is none, unless that was said."""
        if not self._is_refused:
            super().send_400_response(msg)

    def _stop_waiting(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _refuse_head(self) -> None:
        self._is_refused = True
        self._stop_waiting()
        error = ApiError(
            431,
            f"The request's line and headers are larger than {HEAD_BYTES_MAX} bytes: send less.",
            code="headers_too_large",
            may_retry=False,
        )
        body = error.body()
        head = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: application/json\r\n"
        self.transport.write(head + b"content-length: %d\r\nconnection: close\r\n\r\n" % len(body) + body)
        # Hung up on at once a client that still sends would be reset, and never read why.
        self.transport.write_eof()
        self._late = self.loop.call_later(LINGER_SECONDS, self.transport.close)
