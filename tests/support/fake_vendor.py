"""A vendor of OpenAI's dialect that behaves as told, and keeps its own meter.

Two ways to run it: inside the test (`async with FakeVendor() as vendor`), scripted by the name of the model, and as a
process (`python -m tests.support.fake_vendor [--port 0] [--fast]`), which prints its port as its first line. `--fast`
is for benchmarks: a protocol on bare sockets, always well-behaved.

A model named `fake:<behavior>[,name=number...]` behaves so; any other name answers well. See BEHAVIORS.
"""

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Final, Self, cast

import httptools
import msgspec
from aiohttp import web

PROMPT_TOKENS: Final = 9
CHUNKS: Final = 20


class Metered(msgspec.Struct):
    """One request as the vendor saw it, and what it would bill for it."""

    key: str
    model: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    prompt_tokens: int = 0
    completion_tokens: int = 0
    outcome: str = "open"
    """open, done, or gone: the caller hung up before the end."""


class Behavior(msgspec.Struct, frozen=True):
    """A behavior's name and its numbers."""

    name: str
    chunks: int = CHUNKS
    delay_ms: int = 0
    after: int = 3
    status: int = 500
    retry_after: int = 1
    bytes: int = 10 * 1024 * 1024

    @classmethod
    def of(cls, model: str) -> "Behavior":
        """Read `fake:name,after=2`; any other model is the plain behavior."""
        if not model.startswith("fake:"):
            return cls("plain")
        name, *numbers = model.removeprefix("fake:").split(",")
        return cls(name, **{key: int(value) for key, _, value in (each.partition("=") for each in numbers)})


class Exchange:
    """One request being answered."""

    def __init__(self, request: web.Request, metered: Metered, behavior: Behavior, vendor: "FakeVendor") -> None:
        self.request = request
        self.metered = metered
        self.behavior = behavior
        self.vendor = vendor

    def usage(self) -> dict[str, Any]:
        """Report exactly what the meter will bill."""
        prompt, completion = self.metered.prompt_tokens, self.metered.completion_tokens
        return {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": prompt + completion}

    def answer(self, text: str, usage: object) -> dict[str, Any]:
        """Give a plain answer."""
        choice = {"index": 0, "logprobs": None, "finish_reason": "stop"}
        said = {"message": {"role": "assistant", "content": text, "refusal": None}}
        if self.metered.path.endswith("/completions") and "/chat/" not in self.metered.path:
            said = {"text": text}  # type: ignore[dict-item]
        body: dict[str, Any] = {
            "id": "chatcmpl-fake",
            "object": "chat.completion",
            "created": 1_700_000_000,
            "model": self.metered.model,
            "choices": [choice | said],
        }
        return body if usage is None else body | {"usage": usage}

    def chunk(self, content: str | None, finish_reason: str | None = None, **members: object) -> bytes:
        """Give one event of a stream."""
        delta = {} if content is None else {"content": content}
        choices = [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}]
        event = {
            "id": "chatcmpl-fake",
            "object": "chat.completion.chunk",
            "created": 1_700_000_000,
            "model": self.metered.model,
            "choices": choices,
        }
        return b"data: " + json.dumps(event | members, separators=(",", ":")).encode() + b"\n\n"

    def usage_chunk(self, usage: object) -> bytes:
        """Give the event after the last, with nothing but usage."""
        return self.chunk(None, None, choices=[], usage=usage)


Stream = Callable[[Exchange, web.StreamResponse], Awaitable[None]]


class FakeVendor:
    """The scripted vendor, its meter, and the events a test may wait for."""

    def __init__(self) -> None:
        self.meter: list[Metered] = []
        self.script: dict[str, str] = {}
        """Model name, or vendor key, to behavior, for models that cannot carry it in their own name."""
        self.release = asyncio.Event()
        """Lets everything go on that hangs."""
        self.arrived = asyncio.Event()
        """Set when a request has come."""
        self.gone = asyncio.Event()
        """Set when a caller hung up on a hanging or streaming answer."""
        self._peers: set[tuple[str, int]] = set()
        self.fails_left = 0
        """Requests yet to be cut without an answer by the behavior `cut`."""

    async def __aenter__(self) -> Self:
        """Listen on a free port of the loopback."""
        await self.start(0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let go of what hangs, and stop."""
        self.release.set()
        await self._runner.cleanup()

    async def start(self, port: int) -> None:
        """Listen on the loopback; port 0 takes a free one."""
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_get("/_meter", self._show_meter)
        app.router.add_post("/_script", self._set_script)
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/{tail:.+}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", port)
        await site.start()
        self.port: int = self._runner.addresses[0][1]
        self.base_url = f"http://127.0.0.1:{self.port}"

    @property
    def connections(self) -> int:
        """Connections that carried requests."""
        return len(self._peers)

    def billed_tokens(self) -> tuple[int, int]:
        """Give prompt and completion tokens over all requests."""
        prompt = sum(metered.prompt_tokens for metered in self.meter)
        return prompt, sum(metered.completion_tokens for metered in self.meter)

    async def _show_meter(self, _: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self.meter), content_type="application/json")

    async def _set_script(self, request: web.Request) -> web.Response:
        self.script.update(await request.json())
        return web.json_response(self.script)

    async def _models(self, request: web.Request) -> web.StreamResponse:
        """List models, or behave as the script says for "/models": what probes of a channel find."""
        behavior = Behavior.of(self.script.get(_key(request)) or self.script.get("/models", ""))
        if behavior.name in _BEFORE:
            # Not on the meter, for nobody pays for it.
            metered = Metered("", "", request.path, dict(request.headers), {})
            found = await _BEFORE[behavior.name](Exchange(request, metered, behavior, self))
            if found is not None:
                return found
        models = [{"id": "fake-model", "object": "model", "created": 1_700_000_000, "owned_by": "fake"}]
        return web.json_response({"object": "list", "data": models})

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        body = await request.json()
        model = body.get("model", "")
        key = _key(request)
        wanted = request.headers.get("X-Fake-Behavior") or self.script.get(key) or self.script.get(model) or model
        self._peers.add(_transport(request).get_extra_info("peername"))
        metered = Metered(key, model, request.path, dict(request.headers), body)
        self.meter.append(metered)
        self.arrived.set()
        exchange = Exchange(request, metered, Behavior.of(wanted), self)
        try:
            response = await _answer(exchange)
        except (asyncio.CancelledError, ConnectionResetError):
            metered.outcome = "gone"
            self.gone.set()
            raise
        if metered.outcome == "open":
            metered.outcome = "done"
        return response


def _key(request: web.Request) -> str:
    return request.headers.get("Authorization", "").removeprefix("Bearer ")


async def _answer(exchange: Exchange) -> web.StreamResponse:
    name = exchange.behavior.name
    if name in _BEFORE:
        found = await _BEFORE[name](exchange)
        if found is not None:
            return found
    if exchange.metered.path.endswith("/embeddings"):
        return _embeddings(exchange)
    if exchange.metered.body.get("stream"):
        return await _stream(exchange)
    return _plain(exchange)


def _embeddings(exchange: Exchange) -> web.Response:
    asked = exchange.metered.body["input"]
    inputs = asked if isinstance(asked, list) else [asked]
    exchange.metered.prompt_tokens = PROMPT_TOKENS * len(inputs)
    data = [
        {"object": "embedding", "index": i, "embedding": "AACAPwAAAMA=" if _asks_base64(exchange) else [1.0, -2.0]}
        for i in range(len(inputs))
    ]
    usage = {"prompt_tokens": exchange.metered.prompt_tokens, "total_tokens": exchange.metered.prompt_tokens}
    return web.json_response({"object": "list", "data": data, "model": exchange.metered.model, "usage": usage})


def _asks_base64(exchange: Exchange) -> bool:
    return exchange.metered.body.get("encoding_format") == "base64"


def _plain(exchange: Exchange) -> web.Response:
    behavior, metered = exchange.behavior, exchange.metered
    words = behavior.chunks
    limit = metered.body.get("max_completion_tokens", metered.body.get("max_tokens"))
    metered.prompt_tokens = PROMPT_TOKENS
    metered.completion_tokens = words if limit is None else min(words, limit)
    text = "word " * metered.completion_tokens
    usage: object = exchange.usage()
    match behavior.name:
        case "no-usage":
            usage = None
        case "zero-usage":
            metered.prompt_tokens = metered.completion_tokens = 0
            usage = exchange.usage()
        case "negative-usage":
            usage = {"prompt_tokens": -5, "completion_tokens": "many", "total_tokens": 10**30}
        case "error-in-200":
            metered.prompt_tokens = metered.completion_tokens = 0
            return web.json_response({"error": {"message": "Provider is busy", "code": 429, "type": None}})
        case "huge":
            text = "x" * behavior.bytes
    return web.json_response(exchange.answer(text, usage))


# ---- What may happen before the first byte of an answer


async def _hang(exchange: Exchange) -> None:
    await exchange.vendor.release.wait()


async def _slow(exchange: Exchange) -> None:
    await asyncio.sleep(exchange.behavior.delay_ms / 1000)


async def _fail(exchange: Exchange) -> web.Response:
    status = exchange.behavior.status
    codes = {401: "invalid_api_key", 402: "insufficient_quota", 429: "rate_limit_exceeded"}
    types = {400: "invalid_request_error", 401: "invalid_request_error", 402: "insufficient_quota", 429: "requests"}
    default = "server_error" if status >= 500 else "invalid_request_error"
    message = f"Failed for key {exchange.metered.key} at https://internal.example.com/v1 of org-1a2b3c4d"
    error = {"message": message, "type": types.get(status, default), "param": None, "code": codes.get(status)}
    headers = {"Retry-After": str(exchange.behavior.retry_after)} if status in (429, 503) else {}
    return web.json_response({"error": error}, status=status, headers=headers)


async def _slow_error(exchange: Exchange) -> web.Response:
    await _slow(exchange)
    return await _fail(exchange)


async def _web_page(_: Exchange) -> web.Response:
    return web.Response(status=502, text="<html><h1>Bad gateway of host-17</h1></html>", content_type="text/html")


async def _cut(exchange: Exchange) -> None:
    """Close without an answer, as often as `fails_left` says, then answer well."""
    if exchange.vendor.fails_left > 0:
        exchange.vendor.fails_left -= 1
        _drop(exchange.request)
        await asyncio.Event().wait()


async def _half_a_head(exchange: Exchange) -> None:
    _transport(exchange.request).write(b"HTTP/1.1 200 OK\r\nContent-Ty")
    _drop(exchange.request)
    await asyncio.Event().wait()


async def _no_http(exchange: Exchange) -> None:
    _transport(exchange.request).write(b"220 mail.example.com ESMTP\r\n\r\n")
    _drop(exchange.request)
    await asyncio.Event().wait()


async def _short_body(exchange: Exchange) -> None:
    _transport(exchange.request).write(
        b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 600\r\n\r\n{"id":'
    )
    _drop(exchange.request)
    await asyncio.Event().wait()


async def _redirect(_: Exchange) -> web.Response:
    return web.Response(status=307, headers={"Location": "http://127.0.0.1:9/v1/elsewhere"})


_BEFORE: Final[dict[str, Callable[[Exchange], Awaitable[web.Response | None]]]] = {
    "hang": _hang,
    "slow": _slow,
    "error": _fail,
    "slow-error": _slow_error,
    "web-page": _web_page,
    "cut": _cut,
    "half-a-head": _half_a_head,
    "no-http": _no_http,
    "short-body": _short_body,
    "redirect": _redirect,
}


def _transport(request: web.Request) -> asyncio.Transport:
    # Not isinstance: uvloop's transports do not inherit from asyncio's.
    return cast("asyncio.Transport", request.transport)


def _drop(request: web.Request) -> None:
    _transport(request).close()


# ---- Streams


async def _stream(exchange: Exchange) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
    await response.prepare(exchange.request)
    metered = exchange.metered
    metered.prompt_tokens = PROMPT_TOKENS
    await _STREAMS.get(exchange.behavior.name, _well)(exchange, response)
    return response


async def _words(exchange: Exchange, response: web.StreamResponse, count: int) -> None:
    """Send chunks of one word, each a token on the meter."""
    limit = exchange.metered.body.get("max_completion_tokens", exchange.metered.body.get("max_tokens"))
    for _ in range(count if limit is None else min(count, limit)):
        if exchange.behavior.delay_ms:
            await asyncio.sleep(exchange.behavior.delay_ms / 1000)
        exchange.metered.completion_tokens += 1
        await response.write(exchange.chunk("word "))


async def _end(exchange: Exchange, response: web.StreamResponse, usage: object) -> None:
    await response.write(exchange.chunk(None, "stop"))
    if usage is not None and (exchange.metered.body.get("stream_options") or {}).get("include_usage"):
        await response.write(exchange.usage_chunk(usage))
    await response.write(b"data: [DONE]\n\n")


async def _well(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.chunks)
    await _end(exchange, response, exchange.usage())


async def _no_usage(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.chunks)
    await _end(exchange, response, None)


async def _zero_usage(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.chunks)
    exchange.metered.prompt_tokens = exchange.metered.completion_tokens = 0
    await _end(exchange, response, exchange.usage())


async def _usage_twice(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.chunks)
    await response.write(exchange.usage_chunk(exchange.usage()))
    await _end(exchange, response, exchange.usage())


async def _usage_in_each_chunk(exchange: Exchange, response: web.StreamResponse) -> None:
    for _ in range(exchange.behavior.chunks):
        exchange.metered.completion_tokens += 1
        await response.write(exchange.chunk("word ", usage=exchange.usage()))
    await response.write(exchange.chunk(None, "stop", usage=exchange.usage()))
    await response.write(b"data: [DONE]\n\n")


async def _half_frame(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.after)
    exchange.metered.completion_tokens += 1
    await response.write(exchange.chunk("word ")[:40])
    await _disconnect(exchange)


async def _long_line(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.after)
    exchange.metered.completion_tokens += 1
    frame = exchange.chunk("x" * exchange.behavior.bytes)
    for start in range(0, len(frame), 1024 * 1024):
        await response.write(frame[start : start + 1024 * 1024])
    await _end(exchange, response, exchange.usage())


async def _no_end(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.after)
    await exchange.vendor.release.wait()


async def _hang_in_stream(exchange: Exchange, response: web.StreamResponse) -> None:
    await exchange.vendor.release.wait()
    await _well(exchange, response)


async def _endless(exchange: Exchange, response: web.StreamResponse) -> None:
    while not exchange.vendor.release.is_set():
        await _words(exchange, response, 1)
        await asyncio.sleep(exchange.behavior.delay_ms / 1000)


async def _error_in_stream(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.after)
    error = {"message": "The engine failed", "type": "server_error", "param": None, "code": None}
    await response.write(b"data: " + json.dumps({"error": error}).encode() + b"\n\n")


async def _error_in_200(exchange: Exchange, response: web.StreamResponse) -> None:
    exchange.metered.prompt_tokens = 0
    await response.write(b'{"error":{"message":"Provider is busy","code":429,"type":null}}')


async def _cut_in_stream(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.after)
    await _disconnect(exchange)


async def _split(exchange: Exchange, response: web.StreamResponse) -> None:
    """Write byte by byte: a stream of a few words is a thousand writes."""
    for _ in range(exchange.behavior.chunks):
        exchange.metered.completion_tokens += 1
        for byte in exchange.chunk("wörd "):
            await response.write(bytes((byte,)))
    await _end(exchange, response, exchange.usage())


async def _crlf(exchange: Exchange, response: web.StreamResponse) -> None:
    for _ in range(exchange.behavior.chunks):
        exchange.metered.completion_tokens += 1
        await response.write(exchange.chunk("word ").replace(b"\n", b"\r\n"))
    await response.write(exchange.usage_chunk(exchange.usage()).replace(b"\n", b"\r\n"))
    await response.write(b"data: [DONE]\r\n\r\n")


async def _comments(exchange: Exchange, response: web.StreamResponse) -> None:
    for _ in range(exchange.behavior.chunks):
        await response.write(b": still thinking\n\n")
        await _words(exchange, response, 1)
    await _end(exchange, response, exchange.usage())


async def _invalid_utf8(exchange: Exchange, response: web.StreamResponse) -> None:
    for _ in range(exchange.behavior.chunks):
        exchange.metered.completion_tokens += 1
        await response.write(exchange.chunk("word ").replace(b"word", b"w\xff\xferd"))
    await _end(exchange, response, exchange.usage())


async def _no_done(exchange: Exchange, response: web.StreamResponse) -> None:
    await _words(exchange, response, exchange.behavior.chunks)
    await response.write(exchange.chunk(None, "stop"))
    await response.write(exchange.usage_chunk(exchange.usage()))


async def _disconnect(exchange: Exchange) -> None:
    exchange.metered.outcome = "cut"
    _drop(exchange.request)


_STREAMS: Final[dict[str, Stream]] = {
    "no-usage": _no_usage,
    "zero-usage": _zero_usage,
    "usage-twice": _usage_twice,
    "usage-in-each-chunk": _usage_in_each_chunk,
    "half-frame": _half_frame,
    "long-line": _long_line,
    "no-end": _no_end,
    "hang-in-stream": _hang_in_stream,
    "endless": _endless,
    "error-in-stream": _error_in_stream,
    "error-in-200": _error_in_200,
    "cut-in-stream": _cut_in_stream,
    "split": _split,
    "crlf": _crlf,
    "comments": _comments,
    "invalid-utf8": _invalid_utf8,
    "no-done": _no_done,
}

BEHAVIORS: Final = frozenset({"plain", "negative-usage", "huge", *_BEFORE, *_STREAMS})


# ---- The fast mode


class FastVendor:
    """Answers of one size, as fast as Python writes them; the meter is a pair of counters."""

    def __init__(self, chunks: int = CHUNKS, delay_ms: int = 0) -> None:
        self.chunks = chunks
        self.delay_ms = delay_ms
        self.requests = 0
        self.streams = 0
        scratch = Metered("", "fake-fast", "/v1/chat/completions", {}, {}, PROMPT_TOKENS, chunks)
        # The exchange only formats here; it serves no request.
        exchange = Exchange(None, scratch, Behavior("plain"), None)  # type: ignore[arg-type]
        self.plain = self._head(
            b"application/json", json.dumps(exchange.answer("word " * 60, exchange.usage())).encode()
        )
        words = [exchange.chunk("word ") for _ in range(chunks)]
        tail = exchange.chunk(None, "stop") + exchange.usage_chunk(exchange.usage()) + b"data: [DONE]\n\n"
        self.parts = [_http_chunk(part) for part in words] + [_http_chunk(tail) + b"0\r\n\r\n"]
        self.stream_head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        self.whole_stream = self.stream_head + b"".join(self.parts)

    @staticmethod
    def _head(content_type: bytes, body: bytes) -> bytes:
        return b"HTTP/1.1 200 OK\r\nContent-Type: %b\r\nContent-Length: %d\r\n\r\n%b" % (content_type, len(body), body)

    def meter(self) -> bytes:
        """Give the counters as an HTTP answer."""
        completion = (self.requests + self.streams) * self.chunks
        counts = {
            "requests": self.requests,
            "streams": self.streams,
            "prompt_tokens": (self.requests + self.streams) * PROMPT_TOKENS,
            "completion_tokens": completion,
        }
        return self._head(b"application/json", json.dumps(counts).encode())


def _http_chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


class FastProtocol(asyncio.Protocol):
    """One keep-alive connection of the fast vendor."""

    def __init__(self, vendor: FastVendor) -> None:
        self.vendor = vendor
        self.parser = httptools.HttpRequestParser(self)
        self.body = b""
        self.url = b""
        self.task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own class does not inherit from it

    def connection_lost(self, _: Exception | None) -> None:
        """Stop a stream that nobody reads."""
        if self.task is not None:
            self.task.cancel()

    def data_received(self, data: bytes) -> None:
        """Feed the parser; a caller that does not speak HTTP is cut off."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserError:
            self.transport.close()

    def on_message_begin(self) -> None:
        """Forget the last request."""
        self.body = b""
        self.url = b""

    def on_url(self, url: bytes) -> None:
        """Keep the path."""
        self.url += url

    def on_body(self, body: bytes) -> None:
        """Keep the body."""
        self.body += body

    def on_message_complete(self) -> None:
        """Answer."""
        vendor = self.vendor
        if self.url == b"/_meter":
            self.transport.write(vendor.meter())
        elif b'"stream":true' in self.body or b'"stream": true' in self.body:
            vendor.streams += 1
            if vendor.delay_ms:
                self.task = asyncio.get_running_loop().create_task(self._stream())
            else:
                self.transport.write(vendor.whole_stream)
        else:
            vendor.requests += 1
            self.transport.write(vendor.plain)

    async def _stream(self) -> None:
        self.transport.write(self.vendor.stream_head)
        for part in self.vendor.parts:
            await asyncio.sleep(self.vendor.delay_ms / 1000)
            self.transport.write(part)


async def start_fast(vendor: FastVendor, port: int = 0) -> tuple[asyncio.Server, int]:
    """Serve on the loopback; give the server and its port."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: FastProtocol(vendor), "127.0.0.1", port, backlog=2048)
    return server, server.sockets[0].getsockname()[1]


async def _run(arguments: argparse.Namespace) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with contextlib.AsyncExitStack() as stack:
        if arguments.fast:
            vendor = FastVendor(arguments.chunks, arguments.delay_ms)
            server, port = await start_fast(vendor, arguments.port)
            stack.callback(server.close)
        else:
            scripted = FakeVendor()
            await scripted.start(arguments.port)
            stack.push_async_exit(scripted.__aexit__)
            port = scripted.port
        sys.stdout.write(f"{port}\n")
        sys.stdout.flush()
        await stop.wait()


def main() -> None:
    """Run until SIGINT or SIGTERM."""
    parser = argparse.ArgumentParser(description="A fake vendor of OpenAI's dialect")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--fast", action="store_true", help="for benchmarks: no behaviors, bare sockets")
    parser.add_argument("--chunks", type=int, default=CHUNKS, help="chunks of a stream in fast mode")
    parser.add_argument("--delay-ms", type=int, default=0, help="pause before each chunk in fast mode")
    arguments = parser.parse_args()
    if arguments.fast:
        import uvloop  # noqa: PLC0415 - the scripted vendor runs without it

        uvloop.run(_run(arguments))
    else:
        asyncio.run(_run(arguments))


if __name__ == "__main__":
    main()
