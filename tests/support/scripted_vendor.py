"""A vendor that knows its script: what it is asked must be what its page says, and anything else fails the test."""

import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self

import msgspec
from aiohttp import WSMsgType, web

_COMMON_HEADERS: Final = frozenset(
    {"host", "content-length", "content-type", "accept", "accept-encoding", "user-agent", "authorization"}
)
_WEBSOCKET_HEADERS: Final = frozenset({"connection", "upgrade", "cache-control", "pragma", "origin"})


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request that the vendor knows, and its answer."""

    path: str
    """Without the query; an address that is signed anew each time has its query checked by `query`."""
    method: str = "POST"
    query: Mapping[str, str] = {}
    """What the query must hold; an empty text stands for anything."""
    headers: Mapping[str, str] = {}
    """What the headers must be; an empty text stands for anything."""
    body: Any = None
    """What the body must hold, at least."""
    members: frozenset[str] | None = frozenset()
    """Other members that the body may have; None does not look."""
    one_of: tuple[tuple[str, Any], ...] = ()
    """Members with their values, one of which the body must have."""
    optional: frozenset[str] = frozenset()
    """Headers that may be there, in lower case."""
    answer: bytes = b""
    """A whole answer."""
    stream: bytes = b""
    """The same as a stream, for who asks for one."""
    media_type: str = "text/event-stream"
    """Of the stream."""
    whole_type: str = "application/json"
    status: int = 200
    is_socket: bool = False
    """Whether the request is the first message of a WebSocket, and the stream its lines as messages."""


class ScriptedVendor:
    """Listens on a port of its own; `complaints` is empty at the end of a good test."""

    def __init__(self, *steps: Step) -> None:
        self.complaints: list[str] = []
        self.asked: list[Any] = []
        """The bodies, decoded, in their order."""
        self.seen: list[str] = []
        """Method and path of each request."""
        self.steps: tuple[Step, ...] = steps

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.5)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    def forget(self) -> None:
        """Begin anew."""
        for kept in (self.complaints, self.asked, self.seen):
            kept.clear()

    def check(self) -> None:
        """Fail if it was asked anything but what it knows, or nothing."""
        assert not self.complaints, self.complaints
        assert self.seen, "nothing was asked of the vendor"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        path = request.rel_url.raw_path
        self.seen.append(f"{request.method} {path}")
        step = next((s for s in self.steps if (s.method, s.path) == (request.method, path)), None)
        if step is None:
            self.complaints.append(f"unknown request: {request.method} {path}")
            return web.Response(status=599)
        if step.is_socket:
            return await self._converse(request, step)
        content = await request.read()
        is_json = content and "json" in request.headers.get("Content-Type", "")
        body = json.loads(content) if is_json else content
        self._check(request, step, body)
        if step.stream and (not step.answer or _wants_stream(request, body)):
            return await self._stream(request, step)
        answer = step.answer.replace(b"{url}", self.url.encode())
        return web.Response(status=step.status, body=answer, content_type=step.whole_type)

    async def _stream(self, request: web.Request, step: Step) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": step.media_type})
        await response.prepare(request)
        # In odd pieces: whoever reads must not rely on where they end.
        for start in range(0, len(step.stream), 37):
            await response.write(step.stream[start : start + 37])
        await response.write_eof()
        return response

    async def _converse(self, request: web.Request, step: Step) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        message = await socket.receive()
        assert message.type is WSMsgType.TEXT
        self._check(request, step, json.loads(message.data))
        for line in step.stream.splitlines():
            await socket.send_str(line.decode())
        await socket.close()
        return socket

    def _check(self, request: web.Request, step: Step, body: Any) -> None:
        self.asked.append(body)
        where = f"{request.method} {step.path}"
        query = dict(request.rel_url.query)
        if set(query) != set(step.query) or any(value and query[name] != value for name, value in step.query.items()):
            self.complaints.append(f"{where}: query {query}")
        wanted = {name.lower(): value for name, value in step.headers.items()}
        found = {name.lower(): value for name, value in request.headers.items()}
        for name, value in wanted.items():
            if name not in found or (value and found[name] != value):
                self.complaints.append(f"{where}: header {name} is {found.get(name)!r}")
        known = _COMMON_HEADERS | set(wanted) | step.optional | (_WEBSOCKET_HEADERS if step.is_socket else set())
        odd = [name for name in found if name not in known and not name.startswith("sec-websocket-")]
        if "authorization" in found and "authorization" not in wanted:
            odd.append("authorization")
        if odd:
            self.complaints.append(f"{where}: unknown headers {odd}")
        if step.body is not None and not holds(body, step.body):
            self.complaints.append(f"{where}: body {body}")
        if step.one_of and not any(holds(body, {name: value}) for name, value in step.one_of):
            self.complaints.append(f"{where}: none of {step.one_of} in {body}")
        if step.members is not None and isinstance(body, dict):
            unknown = set(body) - set(step.body or {}) - step.members - {name for name, _ in step.one_of}
            if unknown:
                self.complaints.append(f"{where}: unknown members {sorted(unknown)}")


def _wants_stream(request: web.Request, body: Any) -> bool:
    signs: tuple[Callable[[], bool], ...] = (
        lambda: request.headers.get("X-DashScope-SSE") == "enable",
        lambda: isinstance(body, dict) and bool(body.get("stream") or body.get("Stream")),
        lambda: isinstance(body, dict) and body.get("response_mode") == "streaming",
    )
    return any(sign() for sign in signs)


def holds(found: Any, wanted: Any) -> bool:
    """Tell whether something has all that is wanted of it; lists must be as they are wanted."""
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(
            name in found and holds(found[name], value) for name, value in wanted.items()
        )
    if isinstance(wanted, list):
        return isinstance(found, list) and len(found) == len(wanted) and all(map(holds, found, wanted))
    return bool(found == wanted)
