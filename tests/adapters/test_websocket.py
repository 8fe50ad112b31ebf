from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from adapters.websocket import WebSocketVendor
from domain.outbound import OutboundRules
from domain.relay.ports import Timeouts, VendorRequest
from domain.relay.vendor_errors import VendorError

Handler = Callable[[web.WebSocketResponse], Awaitable[None]]


class Vendor:
    def __init__(self) -> None:
        self.heard: list[str] = []
        self.handler: Handler = self._echo
        self.url = ""

    async def _echo(self, socket: web.WebSocketResponse) -> None:
        self.heard.append(await socket.receive_str())
        await socket.send_str("one")
        await socket.send_bytes(b"two")

    async def serve(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        await self.handler(socket)
        await socket.close()
        return socket


@pytest.fixture
async def vendor() -> AsyncIterator[Vendor]:
    vendor = Vendor()

    async def refuse(_: web.Request) -> web.Response:
        return web.Response(status=401, text="no")

    async def redirect(_: web.Request) -> web.Response:
        return web.Response(status=302, headers={"Location": f"{vendor.url.replace('ws', 'http', 1)}/chat"})

    app = web.Application()
    app.router.add_get("/moved", redirect)
    app.router.add_get("/chat", vendor.serve)
    app.router.add_get("/refused", refuse)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    vendor.url = f"ws://127.0.0.1:{runner.addresses[0][1]}"
    yield vendor
    await runner.cleanup()


@pytest.fixture
async def client() -> AsyncIterator[WebSocketVendor]:
    async with WebSocketVendor(rules=OutboundRules.parse("127.0.0.1")) as client:
        yield client


def request(url: str, **timeouts: float) -> VendorRequest:
    return VendorRequest(url=url, headers={}, body=b'{"ask":1}', timeouts=Timeouts(**timeouts))


async def test_each_message_is_a_chunk_and_the_body_is_the_first_message(
    vendor: Vendor, client: WebSocketVendor
) -> None:
    reply = await client.send(request(f"{vendor.url}/chat"))

    assert [chunk async for chunk in reply.chunks()] == [b"one", b"two"]
    assert vendor.heard == ['{"ask":1}']
    await reply.close()


async def test_a_refused_handshake_is_an_answer_with_its_status(vendor: Vendor, client: WebSocketVendor) -> None:
    reply = await client.send(request(f"{vendor.url}/refused"))

    assert reply.status == 401
    assert await reply.read(100) == b""


async def test_a_vendor_that_says_nothing_times_out(vendor: Vendor, client: WebSocketVendor) -> None:
    async def silent(socket: web.WebSocketResponse) -> None:
        await socket.receive()
        await socket.receive()

    vendor.handler = silent
    reply = await client.send(request(f"{vendor.url}/chat", first_byte_seconds=0.2))

    with pytest.raises(VendorError) as late:
        await reply.read(100)
    assert (late.value.kind, late.value.vendor_code) == ("timeout", "first_byte_timeout")
    await reply.close()


async def test_nobody_there_is_a_fault_of_the_connection(client: WebSocketVendor) -> None:
    with pytest.raises(VendorError) as gone:
        await client.send(request("ws://127.0.0.1:9/chat"))
    assert gone.value.kind == "connect"


async def test_an_address_inside_is_not_called_unless_it_is_allowed(vendor: Vendor) -> None:
    async with WebSocketVendor() as guarded:
        with pytest.raises(VendorError) as refused:
            await guarded.send(request(f"{vendor.url}/chat"))
    assert (refused.value.kind, refused.value.vendor_code) == ("connect", "address_not_allowed")
    assert vendor.heard == []


async def test_a_redirect_is_not_followed_for_it_would_take_the_key_along(
    vendor: Vendor, client: WebSocketVendor
) -> None:
    reply = await client.send(request(f"{vendor.url}/moved"))

    assert reply.status == 502
    assert vendor.heard == []


async def test_answers_longer_than_the_limit_are_refused(vendor: Vendor, client: WebSocketVendor) -> None:
    reply = await client.send(request(f"{vendor.url}/chat"))

    with pytest.raises(VendorError) as refused:
        await reply.read(5)
    assert refused.value.vendor_code == "response_too_large"
    await reply.close()
