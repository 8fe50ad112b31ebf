"""Requests that are passed on as they are, through the running server: bytes intact, paid for by the call."""

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from tests.support.operator import Customer, Operator
from tests.support.receipts import charge_of, check_receipt, nanos
from tests.support.server import ServerProcess

PRICE_NANOS = 2_000_000
PIECES = 5


class Service:
    """Something that speaks no contract of ours."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.goes_on = asyncio.Event()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.read()
        self.seen.append(
            (request.method, request.path_qs, {name.lower(): value for name, value in request.headers.items()}, body)
        )
        match request.path:
            case "/api/refuse":
                return web.json_response({"detail": "no such thing as key tok-vendor"}, status=422)
            case "/api/deny":
                return web.Response(status=401)
            case "/api/nothing":
                return web.Response(status=204)
            case "/api/events":
                return await self._stream(request)
            case _:
                return web.Response(status=201, body=b"\x00\xffbytes", content_type="application/x-thing")

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        for number in range(PIECES):
            await response.write(f"event: odd\nid: {number}\ndata: piece\n\n".encode())
            if number == 0:
                await self.goes_on.wait()
        return response


@pytest.fixture(scope="module")
async def running(operator: Operator) -> AsyncIterator[Service]:
    service = Service()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", service.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}/api"
    await operator.channel(base, "acme-rank", type="43", key="Token tok-vendor")
    yield service
    await runner.cleanup()


@pytest.fixture
def service(running: Service) -> Service:
    running.seen.clear()
    return running


@pytest.fixture
async def http(customer: Customer) -> AsyncIterator[aiohttp.ClientSession]:
    headers = {"Authorization": f"Bearer {customer.secret}", "X-Option": "7", "Cookie": "a=b"}
    async with aiohttp.ClientSession(headers=headers) as session:
        yield session


def url(server: ServerProcess, path: str, prefix: str = "/v1/proxy") -> str:
    return f"{server.url}{prefix}/acme-rank{path}"


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "PATCH", "DELETE"])
async def test_bytes_pass_both_ways_and_the_call_is_paid_for(
    server: ServerProcess, operator: Operator, service: Service, http: aiohttp.ClientSession, method: str
) -> None:
    sent = b"" if method == "GET" else b"\x01\xfe"
    async with http.request(
        method, url(server, "/things?x=1&key=mine"), data=sent or None, headers={"Content-Type": "image/x"}
    ) as answer:
        assert (answer.status, answer.content_type) == (201, "application/x-thing")
        assert await answer.read() == b"\x00\xffbytes"
        charged = charge_of(answer.headers)
        receipt = await operator.receipt(answer.headers["x-tallygate-request-id"])

    ((asked, path, headers, body),) = service.seen
    assert (asked, path, body) == (method, "/api/things?x=1", sent)
    assert headers["authorization"] == "Token tok-vendor"
    assert headers["x-option"] == "7"
    assert "cookie" not in headers
    assert charged == PRICE_NANOS
    check_receipt(receipt, PRICE_NANOS)
    assert (receipt["hold"]["surface"], receipt["end"]["basis"]) == ("raw", "policy")


async def test_one_apis_path_leads_there_too_and_an_answer_of_nothing_is_one(
    server: ServerProcess, service: Service, http: aiohttp.ClientSession
) -> None:
    async with http.post(url(server, "/nothing", prefix="/v1/oneapi/proxy")) as answer:
        assert answer.status == 204
        assert charge_of(answer.headers) == PRICE_NANOS
    assert service.seen[0][1] == "/api/nothing"


async def test_events_pass_as_they_come(
    server: ServerProcess, service: Service, http: aiohttp.ClientSession, customer: Customer
) -> None:
    service.goes_on.clear()
    async with http.get(url(server, "/events")) as answer:
        first = await answer.content.readuntil(b"\n\n")
        service.goes_on.set()
        rest = await answer.read()

    wanted = b"".join(b"event: odd\nid: %d\ndata: piece\n\n" % number for number in range(PIECES))
    assert first + rest == wanted
    assert nanos((await customer.balance())["available"]) == 5 * 10**9 - PRICE_NANOS


@pytest.mark.usefixtures("service")
@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/refuse", (422, "no such thing")),
        ("/%2e%2e/admin", (400, "lead out")),
        # The last one, for a channel whose key is refused is left alone for a while.
        ("/deny", (503, "vendor_unavailable")),
    ],
)
async def test_what_fails_is_free_and_tells_nothing_of_the_key(
    server: ServerProcess, http: aiohttp.ClientSession, customer: Customer, path: str, told: tuple[int, str]
) -> None:
    async with http.post(URL(url(server, path), encoded=True)) as answer:
        body = await answer.text()
        assert answer.status == told[0], body

    assert told[1] in body
    assert "tok-vendor" not in body
    assert (await customer.balance())["available"] == "5"


async def test_a_proxys_model_is_no_chats_and_a_chats_is_no_proxys(
    server: ServerProcess, service: Service, http: aiohttp.ClientSession
) -> None:
    chat = {"model": "demo-chat", "messages": []}
    async with http.post(f"{server.url}/v1/proxy/demo-chat/x", json=chat) as answer:
        assert (answer.status, (await answer.json())["error"]["code"]) == (400, "unsupported_surface")
    async with http.request("OPTIONS", url(server, "/x")) as answer:
        assert answer.status == 405
    assert service.seen == []
