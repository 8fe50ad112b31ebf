"""One HTTP exchange with a client: its headers and body in, an answer out, and whether the client is still there."""

import asyncio
import time
from collections.abc import Generator, Sequence
from functools import lru_cache
from typing import Any, Final, cast
from urllib.parse import parse_qs

from app.relay.errors import ApiError
from domain.relay.dialect import ClientSurface

Scope = dict[str, Any]
Headers = list[tuple[bytes, bytes]]

_JSON: Final = "application/json"
_EVENT_STREAM: Final = "text/event-stream; charset=utf-8"
_UNBUFFERED: Final[Headers] = [(b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no")]
_KEY_PROTOCOL: Final = "openai-insecure-api-key."
_POLICY: Final = 1008
_REASON_MAX: Final = 40
"""Characters of a closing's reason, which has 123 bytes."""
BODY_SECONDS: Final = 60.0
"""How long a body may take, and one second more for so many bytes of it: who sends more slowly holds others up."""
BODY_BYTES_PER_SECOND_LEAST: Final = 10_000
_CLIENT_STALL_SECONDS: Final = 60.0
"""A client that takes nothing for so long is as good as gone."""


class Exchange:
    """One request and its answer, over ASGI. After `gone` nothing is sent any more, and sending says nothing."""

    __slots__ = (
        "_receive",
        "_send",
        "extra",
        "gone",
        "headers",
        "path",
        "peer",
        "query",
        "request_id",
        "started",
        "surface",
    )

    def __init__(self, scope: Scope, receive: Any, send: Any, request_id: str, surface: ClientSurface) -> None:
        """Take the three of ASGI, the id that the answer will carry, and the contract that the client speaks."""
        self._receive = receive
        self.surface = surface
        """Words refusals, too."""
        self._send = send
        self.request_id = request_id
        self.headers: dict[bytes, bytes] = dict(scope["headers"])
        self.path: str = scope.get("raw_path", scope["path"].encode()).partition(b"?")[0].decode("latin-1")
        """As the client wrote it: a mounted route sees only its own part in the scope."""
        self.query: bytes = scope.get("query_string", b"")
        client = scope.get("client")
        self.peer: str = client[0] if client else ""
        self.started = False
        self.gone = False
        self.extra: Headers = [
            (b"x-request-id", request_id.encode()),
            (b"x-tallygate-request-id", request_id.encode()),
        ]
        """Headers that every answer to this request carries."""
        if surface.dialect == "anthropic":
            self.extra.append((b"request-id", request_id.encode()))

    def credential(self) -> bytes:
        """Give the API key, in whichever place the client's SDK puts it; empty if there is none.

        Bearer is OpenAI's, `x-api-key` Anthropic's, `x-goog-api-key` and `?key=` Gemini's, `api-key` Azure's.
        """
        scheme, _, secret = self.headers.get(b"authorization", b"").partition(b" ")
        if scheme.lower() == b"bearer" and secret.strip():
            return secret.strip()
        for name in (b"x-api-key", b"x-goog-api-key", b"api-key"):
            if name in self.headers:
                return self.headers[name].strip()
        if b"key=" in self.query:
            return b"".join(parse_qs(self.query).get(b"key", [])[:1]).strip()
        return b""

    def headers_of(self, surface: ClientSurface) -> dict[str, str]:
        """Give those of the client's headers that belong to its contract."""
        headers = self.headers
        return {name: headers[key].decode("latin-1") for name, key in _keys(surface.headers) if key in headers}

    async def body(self, bytes_max: int, *, is_opaque: bool = False) -> bytes:
        """Give the request's body; ApiError 413 if it is longer than `bytes_max`, 408 if it comes too slowly.

        `is_opaque` is one that nobody here reads: it may be compressed. Any other is refused then, with 415.
        """
        if not is_opaque and self.headers.get(b"content-encoding", b"identity").lower() != b"identity":
            raise _encoded(self.headers[b"content-encoding"])
        length = self.headers.get(b"content-length", b"0")
        if length.isdigit() and int(length) > bytes_max:
            raise _too_large(bytes_max)
        parts: list[bytes] = []
        size = 0
        began = time.monotonic()
        while True:
            message = await self._next(began + BODY_SECONDS + size / BODY_BYTES_PER_SECOND_LEAST)
            if message["type"] == "http.disconnect":
                self.gone = True
                raise ApiError(499, "The client closed the connection before its request was complete.")
            part = message.get("body", b"")
            size += len(part)
            if size > bytes_max:
                raise _too_large(bytes_max)
            parts.append(part)
            if not message.get("more_body"):
                return parts[0] if len(parts) == 1 else b"".join(parts)

    async def _next(self, deadline: float) -> dict[str, Any]:
        """Give the next part of the body; ApiError 408 if it does not come in time."""
        receiving = self._receive().__await__()
        try:
            waited_for = next(receiving)
        except StopIteration as arrived:
            # Nearly always it is there already: no timer is set for that.
            return cast("dict[str, Any]", arrived.value)
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                return cast("dict[str, Any]", await _Rest(receiving, waited_for))
        except TimeoutError:
            raise _too_slow() from None

    async def until_gone(self) -> None:
        """Return when the client has closed the connection; only after the whole body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.gone = True

    async def answer(
        self, status: int, body: bytes, headers: Sequence[tuple[bytes, bytes]] = (), *, media_type: str = _JSON
    ) -> None:
        """Send a whole answer."""
        sent = [
            (b"content-type", media_type.encode("latin-1")),
            (b"content-length", str(len(body)).encode()),
            *self.extra,
            *headers,
        ]
        await self._out({"type": "http.response.start", "status": status, "headers": sent})
        self.started = True
        await self._out({"type": "http.response.body", "body": body})

    async def refuse(self, error: ApiError) -> None:
        """Send a refusal as a whole answer."""
        await self.answer(error.status, self.surface.error(error), error.headers())

    async def stream(self, data: bytes, *, media_type: str = _EVENT_STREAM) -> None:
        """Send a piece of a stream, and the answer's head before the first one."""
        if not self.started:
            self.started = True
            sent = [(b"content-type", media_type.encode("latin-1")), *_UNBUFFERED, *self.extra]
            await self._out({"type": "http.response.start", "status": 200, "headers": sent})
        await self._out({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self) -> None:
        """End a stream."""
        await self._out({"type": "http.response.body", "body": b""})

    async def _out(self, message: dict[str, Any]) -> None:
        if self.gone:
            return
        sending = self._send(message).__await__()
        try:
            try:
                waited_for = next(sending)
            except StopIteration:
                # Nearly always there is room for it at once: no timer is set for that.
                return
            async with asyncio.timeout(_CLIENT_STALL_SECONDS):
                await _Rest(sending, waited_for)
        except (OSError, TimeoutError, RuntimeError):
            # RuntimeError is uvicorn's word for a WebSocket that has closed meanwhile.
            self.gone = True


class _Rest:
    """What is left of something awaited that had to wait."""

    __slots__ = ("_left", "_waited_for")

    def __init__(self, left: Generator[Any, None, Any], waited_for: Any) -> None:
        self._left = left
        self._waited_for = waited_for

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            yield self._waited_for
        except BaseException:
            self._left.close()
            raise
        return (yield from self._left)


class SocketExchange(Exchange):
    """A conversation with a client, over ASGI's WebSockets; until it is accepted it can be refused like any request."""

    __slots__ = ("_can_answer", "_protocols")

    def __init__(self, scope: Scope, receive: Any, send: Any, request_id: str, surface: ClientSurface) -> None:
        """Take the three of ASGI, the id of the session, and the contract that the client speaks."""
        super().__init__(scope, receive, send, request_id, surface)
        self._protocols: list[str] = list(scope.get("subprotocols") or ())
        self._can_answer = "websocket.http.response" in (scope.get("extensions") or {})

    def credential(self) -> bytes:
        """Give the API key: of a header, or of a subprotocol, for browsers can set no header."""
        found = super().credential()
        if found:
            return found
        keys = [name.removeprefix(_KEY_PROTOCOL) for name in self._protocols if name.startswith(_KEY_PROTOCOL)]
        return keys[0].encode("latin-1", "replace") if keys else b""

    async def opened(self) -> None:
        """Wait for the handshake's request."""
        await self._receive()

    async def accept(self) -> None:
        """Complete the handshake. Of the subprotocols the one without a secret is chosen."""
        self.started = True
        chosen = "realtime" if "realtime" in self._protocols else None
        await self._out({"type": "websocket.accept", "subprotocol": chosen, "headers": self.extra})

    async def message(self) -> bytes | None:
        """Give the next message; None when the client has gone. ApiError 400 for one that is not of text."""
        message = await self._receive()
        if message["type"] == "websocket.disconnect":
            self.gone = True
            return None
        text = message.get("text")
        if text is None:
            raise ApiError(400, "Messages must be of text.", code="invalid_event", may_retry=False)
        return str(text).encode()

    async def tell(self, data: bytes) -> None:
        """Send a message of text."""
        await self._out({"type": "websocket.send", "text": data.decode("utf-8", "replace")})

    async def refuse(self, error: ApiError) -> None:
        """Answer the handshake with a refusal, as a whole answer where the server can."""
        self.started = True
        if not self._can_answer:
            await self.close(_POLICY, error.message)
            return
        headers = [(b"content-type", _JSON.encode()), *self.extra, *error.headers()]
        await self._out({"type": "websocket.http.response.start", "status": error.status, "headers": headers})
        await self._out({"type": "websocket.http.response.body", "body": self.surface.error(error)})

    async def close(self, code: int, reason: str = "") -> None:
        """Say goodbye."""
        await self._out({"type": "websocket.close", "code": code, "reason": reason[:_REASON_MAX]})
        self.gone = True


@lru_cache(maxsize=64)
def _keys(names: frozenset[str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, name.encode()) for name in sorted(names))


def _encoded(encoding: bytes) -> ApiError:
    return ApiError(
        415,
        f"Send the body as it is: the Content-Encoding '{encoding[:40].decode('latin-1')}' is not read here.",
        code="unsupported_content_encoding",
        may_retry=False,
    )


def _too_slow() -> ApiError:
    return ApiError(408, "The request body did not arrive in time.", code="request_timeout")


def _too_large(bytes_max: int) -> ApiError:
    return ApiError(
        413,
        f"The request body is larger than {bytes_max} bytes. Send less, or ask the operator to raise the limit.",
        code="body_too_large",
        may_retry=False,
    )
