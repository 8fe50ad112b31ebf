"""Around the whole application: how long each request took, and by which route; nothing is kept of what it said."""

import time
from typing import TYPE_CHECKING, Any, Final

import structlog

from app.observability import metrics as m
from app.observability.instruments import OTHER, Instruments

if TYPE_CHECKING:
    from collections.abc import Callable

    from app.observability.tracing import Tracing

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_STATUSES: Final = {number: str(number) for number in range(100, 600)}
_GONE: Final = "499"
"""The client closed the connection before an answer began; nginx's number for it."""
_SWITCHED: Final = 101
_log = structlog.get_logger("app.access")


class Observed:
    """An ASGI application around another."""

    def __init__(
        self,
        app: Any,
        instruments: Instruments,
        *,
        new_id: "Callable[[], str]",
        tracing: "Tracing | None" = None,
        access_log: bool = False,
    ) -> None:
        """Take what is observed, and where the observations go."""
        self._app = app
        self._instruments = instruments
        self._new_id = new_id
        self._tracing = tracing
        self._access_log = access_log
        self._active = {part: instruments.cells.place((m.HTTP_ACTIVE.name, part)) for part in ("model", "other")}

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a request, and note how it went."""
        if scope["type"] == "websocket":
            await self._socket(scope, receive, send)
            return
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        instruments = self._instruments
        path: str = scope["path"]
        is_model = path.startswith("/v1")
        answer = _Answer(send)
        if not is_model:
            # Model routes make their own, which is their hold's as well.
            answer.request_id = self._new_id()
            structlog.contextvars.bind_contextvars(request_id=answer.request_id)
        at = self._active["model" if is_model else "other"]
        numbers = instruments.numbers
        numbers[at] += 1
        span = self._tracing.request(scope) if self._tracing is not None and is_model else None
        try:
            await self._app(scope, receive, answer.send)
        except BaseException as error:
            if span is not None:
                span.failed(error)
            raise
        finally:
            numbers[at] -= 1
            seconds = time.perf_counter() - answer.began
            method = scope["method"] if scope["method"] in _METHODS else "_OTHER"
            route = scope.get("path_template") or OTHER
            status = _STATUSES.get(answer.status, _GONE)
            instruments.request_ended(method, route, status, seconds)
            if answer.is_stream and answer.first_byte_seconds is not None:
                instruments.stream_began(route, answer.first_byte_seconds)
            if span is not None:
                span.ended(method, route, answer.status)
            if self._access_log:
                _log.info(
                    "request",
                    request_id=answer.request_id or answer.header(b"x-request-id"),
                    method=method,
                    route=route,
                    status=status,
                    milliseconds=round(seconds * 1000, 1),
                )
            if not is_model:
                structlog.contextvars.unbind_contextvars("request_id")

    async def _socket(self, scope: Any, receive: Any, send: Any) -> None:
        """Serve a WebSocket, and note how its handshake went and how long it was open; its answers are requests."""
        began = time.perf_counter()
        status = 0

        def look(message: Any) -> Any:
            nonlocal status
            if not status:
                status = message.get("status", _SWITCHED if message["type"] == "websocket.accept" else 0)
            return send(message)

        numbers, at = self._instruments.numbers, self._active["model"]
        numbers[at] += 1
        try:
            await self._app(scope, receive, look)
        finally:
            numbers[at] -= 1
            route = scope.get("path_template") or OTHER
            seconds = time.perf_counter() - began
            self._instruments.request_ended("GET", route, _STATUSES.get(status, _GONE), seconds)


class _Answer:
    """Looks at what is sent: the head, and when the body begins; every later piece passes untouched."""

    __slots__ = ("_send", "began", "first_byte_seconds", "headers", "is_stream", "request_id", "status")

    def __init__(self, send: Any) -> None:
        self._send = send
        self.began = time.perf_counter()
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.is_stream = False
        self.first_byte_seconds: float | None = None
        self.request_id = ""

    def send(self, message: Any) -> Any:
        """Give the awaitable of the sending itself: a coroutine around it would cost each piece of a stream."""
        if self.first_byte_seconds is None:
            self._look(message)
        return self._send(message)

    def _look(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = message["headers"]
            if self.request_id and not self.header(b"x-request-id"):
                message["headers"] = [*self.headers, (b"x-request-id", self.request_id.encode())]
            self.is_stream = self.header(b"content-type").startswith("text/event-stream")
        elif message.get("body"):
            self.first_byte_seconds = time.perf_counter() - self.began

    def header(self, wanted: bytes) -> str:
        return next((value.decode("latin-1") for name, value in self.headers if name == wanted), "")
