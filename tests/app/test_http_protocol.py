"""HTTP as strangers send it, to a bare application on uvicorn: what is served, and what is refused how soon."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import uvicorn

from app import http_protocol
from app.http_protocol import HEAD_BYTES_MAX, BoundedProtocol


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answer with the version of HTTP, the path and the body."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    told = f"{scope['http_version']} {scope['path']} ".encode() + body
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(told))]})
    await send({"type": "http.response.body", "body": told})


class _Server(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave signals to the test's runner."""


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = uvicorn.Config(
        echo, port=0, http=BoundedProtocol, lifespan="off", log_config=None, timeout_graceful_shutdown=1
    )
    server = _Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    try:
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        await server.shutdown()


async def exchange(port: int, *sent: bytes, pause: bool = False) -> bytes:
    """Send pieces, and give everything that comes until the server hangs up."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in sent:
            writer.write(piece)
            await writer.drain()
            if pause:
                await asyncio.sleep(0)
        async with asyncio.timeout(20):
            return await reader.read()
    finally:
        writer.close()


async def test_old_and_pipelined_and_chunked_requests_are_served(port: int) -> None:
    old = await exchange(port, b"POST /old HTTP/1.0\r\nContent-Length: 2\r\n\r\nhi")
    two = b"GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /two HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    pieces = b"POST /cut HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
    cut = await exchange(port, pieces, b"1\r\nh\r\n", b"1\r\ni\r\n0\r\n\r\n", pause=True)

    assert old.endswith(b"1.0 /old hi")
    assert [part.partition(b"\r\n\r\n")[2][:8] for part in (await exchange(port, two)).split(b"HTTP/1.1 200")[1:]] == [
        b"1.1 /one",
        b"1.1 /two",
    ]
    assert cut.endswith(b"1.1 /cut hi")


async def test_a_head_of_the_bound_is_served_and_a_longer_one_is_refused_with_a_word_on_why(port: int) -> None:
    fits = b"GET / HTTP/1.1\r\nConnection: close\r\nX-Long: " + b"a" * (HEAD_BYTES_MAX - 1_000) + b"\r\n\r\n"
    long = b"GET / HTTP/1.1\r\nX-Long: " + b"a" * HEAD_BYTES_MAX + b"\r\n\r\n"
    many = b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * (HEAD_BYTES_MAX // 4) + b"\r\n"

    assert (await exchange(port, fits)).startswith(b"HTTP/1.1 200")
    for head in (long, many):
        refused = await exchange(port, head)
        assert refused.startswith(b"HTTP/1.1 431 ")
        assert b'"code":"headers_too_large"' in refused


async def test_a_head_without_an_end_is_refused_when_it_is_too_long_to_be_one(port: int) -> None:
    refused = await exchange(port, b"GET / HTTP/1.1\r\nX-Long: ", *[b"a" * 16_000] * 10, pause=True)

    assert refused.startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost", b"GET /one HTTP/1.1\r\nHost: x\r\n\r\nGET /t"])
async def test_whoever_does_not_come_to_the_end_of_a_head_is_hung_up_on(
    port: int, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)

    told = await exchange(port, begun)

    assert told.count(b"HTTP/1.1 200") == begun.count(b"/one")


async def test_a_body_may_take_longer_than_a_head(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_protocol, "HEAD_SECONDS", 0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST /slow HTTP/1.1\r\nConnection: close\r\nContent-Length: 2\r\n\r\nh")
    # A connection without a head is over by then, so this one has outlived the bound.
    await exchange(port)
    writer.write(b"i")

    assert (await reader.read()).endswith(b"1.1 /slow hi")
    writer.close()
