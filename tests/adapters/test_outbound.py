"""The guard over real sockets: wherever a name, a redirect or a disguise leads, nobody inside is connected to."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Self

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from adapters.http import HttpVendor
from adapters.outbound import Fetched, FetchError, GuardedConnector, Outbound
from domain.outbound import OutboundRefusedError, OutboundRules
from domain.relay.ports import Timeouts, VendorRequest
from domain.relay.vendor_errors import VendorError

HERE = OutboundRules.parse("127.0.0.1")
NOWHERE = OutboundRules()


class Inside:
    """A server on this machine that must not be reached unless it is allowed; counts who connects."""

    def __init__(self) -> None:
        self.paths: list[str] = []
        self.location = ""
        self.release = asyncio.Event()

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{tail:.*}", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=0.2)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.port: int = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.release.set()
        await self._runner.cleanup()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}/{path}"

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.paths.append(request.path)
        match request.path:
            case "/redirect":
                return web.Response(status=302, headers={"Location": self.location})
            case "/loop":
                return web.Response(status=302, headers={"Location": "/loop"})
            case "/large":
                return web.Response(body=bytes(5000))
            case "/endless":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(bytes(1000))
            case "/zipped":
                return web.Response(body=b"x", headers={"Content-Encoding": "gzip"})
            case "/missing":
                return web.Response(status=404)
            case "/slow":
                await self.release.wait()
        return web.Response(body=b"a cat", headers={"Content-Type": "Image/PNG; charset=x"})


@pytest.fixture
async def inside() -> AsyncIterator[Inside]:
    async with Inside() as server:
        yield server


class Rebinding(AbstractResolver):
    """Answers with a public address first, and with this machine's ever after; or with whatever it is told."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def resolve(
        self,
        host: str,
        port: int = 0,
        family: socket.AddressFamily = socket.AF_INET,  # noqa: ARG002 -- the base's signature
    ) -> list[ResolveResult]:
        answer = self.answers[min(self.asked, len(self.answers) - 1)]
        self.asked += 1
        return [
            ResolveResult(
                hostname=host,
                host=address,
                port=port,
                family=socket.AF_INET6 if ":" in address else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST,
            )
            for address in answer
        ]

    async def close(self) -> None:
        """Hold nothing."""


async def test_what_is_allowed_is_fetched_with_its_type(inside: Inside) -> None:
    async with Outbound(HERE) as out:
        assert await out.fetch(inside.url("cat"), 100) == Fetched("image/png", b"a cat")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "0177.0.0.1",
        "127.1",
        "0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "user@127.0.0.1",
        "example.com@127.0.0.1",
        "１２７.0.0.1",  # noqa: RUF001 -- full-width digits
        "127。0。0。1",
    ],
)
async def test_no_name_of_this_machine_reaches_it(inside: Inside, host: str) -> None:
    async with Outbound(NOWHERE) as out:
        with pytest.raises(OutboundRefusedError):
            await out.fetch(inside.url("cat", host), 100)
    assert inside.paths == []


async def test_control_each_form_would_have_reached_it(inside: Inside) -> None:
    """Without the guard the machine's own resolver takes these for 127.0.0.1."""
    for host in ("2130706433", "0x7f.1", "0177.0.0.1", "127.1", "localhost"):
        found = await asyncio.get_running_loop().getaddrinfo(host, inside.port, family=socket.AF_INET)
        assert found[0][4][0] == "127.0.0.1", host


@pytest.mark.parametrize(
    "location",
    [
        lambda port: f"http://127.0.0.1:{port}/cat",
        lambda port: f"http://localhost:{port}/cat",
        lambda port: f"//127.1:{port}/cat",
        lambda port: f"http://[::ffff:127.0.0.1]:{port}/cat",
        lambda _: "http://169.254.169.254/latest/meta-data/",
        lambda _: "file:///etc/passwd",
        lambda _: "http://user:pw@10.0.0.1/",
    ],
)
async def test_a_redirect_is_judged_like_the_first_address(inside: Inside, location: Callable[[int], str]) -> None:
    """The first host is believed by its name; where it sends us is not."""
    rules = OutboundRules.parse("media.example")
    inside.location = location(inside.port)
    async with Outbound(rules, resolver=Rebinding(["127.0.0.1"])) as out:
        with pytest.raises(OutboundRefusedError):
            # `localhost` is not believed by its name either, whatever it resolves to.
            await out.fetch(inside.url("redirect", "media.example"), 100)
    assert inside.paths == ["/redirect"]


async def test_a_redirect_to_what_is_allowed_is_followed_and_a_circle_ends(inside: Inside) -> None:
    inside.location = "/cat"
    async with Outbound(HERE) as out:
        assert (await out.fetch(inside.url("redirect"), 100)).body == b"a cat"
        with pytest.raises(FetchError, match="redirects too often"):
            await out.fetch(inside.url("loop"), 100)
    assert inside.paths.count("/loop") == 4


async def test_a_name_that_resolves_inside_is_refused(inside: Inside) -> None:
    async with Outbound(NOWHERE, resolver=Rebinding(["127.0.0.1"])) as out:
        with pytest.raises(OutboundRefusedError, match="this machine's"):
            await out.fetch(inside.url("cat", "evil.example"), 100)
    assert inside.paths == []


async def test_rebinding_cannot_slip_between_check_and_connect() -> None:
    """The answer that was judged is the one that is connected to: there is no second question to lie at."""
    resolver = Rebinding(["93.184.216.34"], ["127.0.0.1"])
    connector = GuardedConnector(NOWHERE, resolver=resolver, ttl_dns_cache=0)
    first = await connector._resolve_host("evil.example", 80)
    assert [each["host"] for each in first] == ["93.184.216.34"]
    assert resolver.asked == 1
    with pytest.raises(OSError, match="this machine's"):
        await connector._resolve_host("evil.example", 80)
    await connector.close()


async def test_of_several_addresses_only_the_allowed_are_connected_to() -> None:
    connector = GuardedConnector(NOWHERE, resolver=Rebinding(["127.0.0.1", "93.184.216.34", "::1", "fe80::1%eth0"]))
    assert [each["host"] for each in await connector._resolve_host("mixed.example", 80)] == ["93.184.216.34"]
    await connector.close()


async def test_a_name_that_turns_between_two_fetches_is_judged_each_time(inside: Inside) -> None:
    rules = OutboundRules.parse("127.0.0.1")
    async with Outbound(rules, resolver=Rebinding(["127.0.0.1"], ["127.0.0.2"])) as out:
        assert (await out.fetch(inside.url("cat", "turning.example"), 100)).body == b"a cat"
        # Its cached answer is a minute old at most; what is cached was judged as well.
        out._session.connector.clear_dns_cache()  # type: ignore[union-attr]
        with pytest.raises(OutboundRefusedError):
            await out.fetch(inside.url("cat", "turning.example"), 100)
    assert inside.paths == ["/cat"]


@pytest.mark.parametrize("path", ["large", "endless"])
async def test_more_than_was_asked_for_is_not_read(inside: Inside, path: str) -> None:
    async with Outbound(HERE) as out:
        with pytest.raises(FetchError, match="more than 4999 bytes"):
            await out.fetch(inside.url(path), 4999)


@pytest.mark.parametrize(
    ("path", "words"), [("zipped", "compressed"), ("missing", "status 404"), ("slow", "did not answer in time")]
)
async def test_what_cannot_be_had_is_told_without_a_word_on_our_network(inside: Inside, path: str, words: str) -> None:
    async with Outbound(HERE, seconds_max=0.2) as out:
        with pytest.raises(FetchError, match=words) as failed:
            await out.fetch(inside.url(path), 100)
    assert "127.0.0.1" not in str(failed.value)


async def test_a_closed_port_is_no_refusal(inside: Inside) -> None:
    del inside
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        async with Outbound(HERE) as out:
            with pytest.raises(FetchError, match="cannot be reached"):
                await out.fetch(f"http://127.0.0.1:{port}/", 100)


async def test_a_webhook_is_delivered_and_its_redirect_not_followed(inside: Inside) -> None:
    inside.location = inside.url("cat")
    async with Outbound(HERE) as out:
        assert await out.post(inside.url("hook"), b"{}", {"Content-Type": "application/json"}) == 200
        assert await out.post(inside.url("redirect"), b"{}", {}) == 302
    assert inside.paths == ["/hook", "/redirect"]
    async with Outbound(NOWHERE) as out:
        with pytest.raises(OutboundRefusedError):
            await out.post(inside.url("hook"), b"{}", {})


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "[::1]", "key@127.0.0.1"])
async def test_a_channel_on_a_private_address_needs_the_operators_word(inside: Inside, host: str) -> None:
    request = VendorRequest(inside.url("v1", host), {}, b"{}", Timeouts(5, 5, 5))
    async with HttpVendor() as http:
        for _ in range(2):
            with pytest.raises(VendorError) as failed:
                await http.send(request)
            assert (failed.value.kind, failed.value.vendor_code) == ("connect", "address_not_allowed")
    assert inside.paths == []
    if host != "127.0.0.1":
        return
    async with HttpVendor(rules=HERE) as http:
        reply = await http.send(request)
        assert reply.status == 200
        await reply.close()
