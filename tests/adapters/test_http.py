"""The HTTP adapter against a vendor over real sockets; time-outs are awaited, never slept for."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest

from adapters.dialects.openai import decode_chunk, decode_response, endpoint, request_headers
from adapters.http import HttpVendor
from adapters.sse import SseSplitter
from domain.outbound import OutboundRules
from domain.relay.delta import Delta
from domain.relay.ports import Timeouts, VendorRequest
from domain.relay.vendor_errors import VendorError
from tests.support.fake_vendor import PROMPT_TOKENS, FakeVendor

SHORT = 0.15
MEBIBYTE = 1024 * 1024


@pytest.fixture
async def fake() -> AsyncIterator[FakeVendor]:
    async with FakeVendor() as vendor:
        yield vendor


@pytest.fixture
async def http() -> AsyncIterator[HttpVendor]:
    async with HttpVendor(rules=OutboundRules.parse("127.0.0.1, ::1")) as vendor:
        yield vendor


def _request(fake: FakeVendor, model: str, *, timeouts: Timeouts | None = None, **members: Any) -> VendorRequest:
    body = json.dumps({"model": model, "messages": [{"role": "user", "content": "Hi"}], **members}).encode()
    url = endpoint(fake.base_url, "chat")
    return VendorRequest(url, request_headers("sk-channel"), body, timeouts or Timeouts(5, 5, 5))


async def _stream(http: HttpVendor, request: VendorRequest) -> list[Delta]:
    reply = await http.send(request)
    splitter = SseSplitter()
    frames = []
    try:
        async for chunk in reply.chunks():
            frames += splitter.feed(chunk)
        frames += splitter.finish()
    finally:
        await reply.close()
    return [decode_chunk(frame.data) for frame in frames if frame.data]


async def _failure(http: HttpVendor, request: VendorRequest) -> tuple[str, str | None]:
    with pytest.raises(VendorError) as caught:
        await _whole(http, request)
    return caught.value.kind, caught.value.vendor_code


async def _whole(http: HttpVendor, request: VendorRequest) -> bytes:
    reply = await http.send(request)
    return await reply.read(MEBIBYTE)


async def test_plain_answer_and_the_meter_agree(fake: FakeVendor, http: HttpVendor) -> None:
    reply = await http.send(_request(fake, "m", max_tokens=7))
    delta = decode_response(await reply.read(MEBIBYTE))
    await reply.close()

    assert reply.status == 200
    assert reply.headers["content-type"].startswith("application/json")
    assert delta.usage is not None
    assert (delta.usage.input_total, delta.usage.output_total) == fake.billed_tokens() == (PROMPT_TOKENS, 7)


async def test_only_our_headers_reach_the_vendor(fake: FakeVendor, http: HttpVendor) -> None:
    await (await http.send(_request(fake, "m"))).read(MEBIBYTE)

    assert {name.lower() for name in fake.meter[0].headers} == {
        "host",
        "content-length",
        "content-type",
        "user-agent",
        "accept",
        "accept-encoding",
        "authorization",
    }
    assert fake.meter[0].headers["User-Agent"] == "Tallygate"
    assert fake.meter[0].key == "sk-channel"


@pytest.mark.parametrize(
    "behavior", ["plain", "split,chunks=3", "crlf", "comments", "usage-in-each-chunk", "usage-twice", "no-done"]
)
async def test_streams_are_read_to_their_usage(fake: FakeVendor, http: HttpVendor, behavior: str) -> None:
    deltas = await _stream(
        http, _request(fake, f"fake:{behavior}", stream=True, stream_options={"include_usage": True})
    )
    last = [delta.usage for delta in deltas if delta.usage is not None][-1]

    assert (last.input_total, last.output_total) == fake.billed_tokens()
    assert len("".join(delta.text for delta in deltas).split()) == fake.billed_tokens()[1]
    assert not [delta.error for delta in deltas if delta.error]


async def test_zero_usage_is_reported_and_no_usage_is_not(fake: FakeVendor, http: HttpVendor) -> None:
    asks: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    zero = await _stream(http, _request(fake, "fake:zero-usage", **asks))
    none = await _stream(http, _request(fake, "fake:no-usage", **asks))

    assert [delta.usage.total for delta in zero if delta.usage is not None] == [0]
    assert [delta.usage for delta in none if delta.usage is not None] == []


async def test_line_of_ten_megabytes_arrives(fake: FakeVendor, http: HttpVendor) -> None:
    deltas = await _stream(http, _request(fake, "fake:long-line", stream=True))

    assert max(len(delta.text) for delta in deltas) == 10 * MEBIBYTE


@pytest.mark.parametrize("behavior", ["error-in-stream", "error-in-200", "half-frame,after=2"])
async def test_failures_inside_a_stream_are_deltas_with_an_error(
    fake: FakeVendor, http: HttpVendor, behavior: str
) -> None:
    try:
        deltas = await _stream(http, _request(fake, f"fake:{behavior}", stream=True))
    except VendorError as error:
        assert (error.kind, error.vendor_code) == ("protocol", "broken_off")  # noqa: PT017 - a cut may come first
        return

    assert deltas[-1].error is not None


async def test_stream_cut_in_the_middle_is_a_protocol_error(fake: FakeVendor, http: HttpVendor) -> None:
    with pytest.raises(VendorError) as caught:
        await _stream(http, _request(fake, "fake:cut-in-stream", stream=True))

    assert (caught.value.kind, caught.value.vendor_code) == ("protocol", "broken_off")


async def test_invalid_utf8_is_text_not_a_failure(fake: FakeVendor, http: HttpVendor) -> None:
    deltas = await _stream(http, _request(fake, "fake:invalid-utf8", stream=True))

    assert not [delta.error for delta in deltas if delta.error]
    assert "\ufffd" in "".join(delta.text for delta in deltas)


@pytest.mark.parametrize("status", [401, 429, 500])
async def test_failed_statuses_are_answers(fake: FakeVendor, http: HttpVendor, status: int) -> None:
    reply = await http.send(_request(fake, f"fake:error,status={status}"))

    assert reply.status == status
    assert b"Failed for key" in await reply.read(MEBIBYTE)


async def test_redirects_are_not_followed(fake: FakeVendor, http: HttpVendor) -> None:
    reply = await http.send(_request(fake, "fake:redirect"))

    assert reply.status == 307


async def test_hang_before_the_status_times_out(fake: FakeVendor, http: HttpVendor) -> None:
    request = _request(fake, "fake:hang", timeouts=Timeouts(5, SHORT, 5))

    assert await _failure(http, request) == ("timeout", "first_byte_timeout")
    await asyncio.wait_for(fake.gone.wait(), 5)  # The vendor is told, by the closed connection.


async def test_hang_between_status_and_body_counts_as_before_the_first_byte(fake: FakeVendor, http: HttpVendor) -> None:
    request = _request(fake, "fake:hang-in-stream", stream=True, timeouts=Timeouts(5, SHORT, 5))

    assert await _failure(http, request) == ("timeout", "first_byte_timeout")


async def test_stream_without_an_end_times_out_when_idle(fake: FakeVendor, http: HttpVendor) -> None:
    # The first byte may take long, and that must not lengthen the pause after it.
    request = _request(fake, "fake:no-end", stream=True, timeouts=Timeouts(5, 60, SHORT))
    with pytest.raises(VendorError) as caught:
        await asyncio.wait_for(_stream(http, request), 5)

    assert (caught.value.kind, caught.value.vendor_code) == ("timeout", "idle_timeout")
    await asyncio.wait_for(fake.gone.wait(), 5)


async def test_slow_stream_outlives_its_idle_time_out_as_a_whole(fake: FakeVendor, http: HttpVendor) -> None:
    request = _request(fake, "fake:plain,chunks=8,delay_ms=50", stream=True, timeouts=Timeouts(5, 5, 0.3))

    assert sum(len(delta.text.split()) for delta in await _stream(http, request)) == 8


async def test_slow_reader_is_not_the_vendors_fault(fake: FakeVendor, http: HttpVendor) -> None:
    reply = await http.send(
        _request(fake, "fake:plain,chunks=30,delay_ms=10", stream=True, timeouts=Timeouts(5, 5, 0.1))
    )
    chunks = reply.chunks()
    received = await anext(chunks) + await anext(chunks)  # The second read starts the idle time-out.
    timer_has_fired = asyncio.Event()
    asyncio.get_running_loop().call_later(0.2, timer_has_fired.set)
    await timer_has_fired.wait()
    async for chunk in chunks:
        received += chunk

    assert received.endswith(b"data: [DONE]\n\n")


async def test_close_stops_the_vendor(fake: FakeVendor, http: HttpVendor) -> None:
    reply = await http.send(_request(fake, "fake:endless,delay_ms=5", stream=True))
    await anext(reply.chunks())
    await reply.close()
    await reply.close()

    await asyncio.wait_for(fake.gone.wait(), 5)
    assert fake.meter[0].outcome == "gone"


async def test_cancelled_send_lets_go_of_the_vendor(fake: FakeVendor, http: HttpVendor) -> None:
    sending = asyncio.create_task(http.send(_request(fake, "fake:hang")))
    await asyncio.wait_for(fake.arrived.wait(), 5)
    sending.cancel()

    with pytest.raises(asyncio.CancelledError):
        await sending
    await asyncio.wait_for(fake.gone.wait(), 5)


async def test_answer_beyond_the_limit_is_refused(fake: FakeVendor, http: HttpVendor) -> None:
    for limit in (100, MEBIBYTE):
        reply = await http.send(_request(fake, "fake:huge,bytes=3000000"))
        with pytest.raises(VendorError) as caught:
            await reply.read(limit)
        assert (caught.value.kind, caught.value.vendor_code) == ("protocol", "response_too_large")


@pytest.mark.parametrize(
    ("behavior", "want"),
    [
        ("short-body", ("protocol", "broken_off")),
        ("no-http", ("protocol", "invalid_http")),
        ("half-a-head", ("connect", "disconnected")),
    ],
)
async def test_broken_answers_are_vendor_errors(
    fake: FakeVendor, http: HttpVendor, behavior: str, want: tuple[str, str]
) -> None:
    assert await _failure(http, _request(fake, f"fake:{behavior}")) == want
    assert len(fake.meter) == 1


async def test_refused_connection_is_of_kind_connect(fake: FakeVendor, http: HttpVendor) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        fake.base_url = f"http://127.0.0.1:{unused.getsockname()[1]}"
        assert await _failure(http, _request(fake, "m")) == ("connect", "unreachable")


@pytest.mark.parametrize("url", ["", "no-scheme", "http://", "ftp://x/y", "http://[::1/v1"])
async def test_wrong_address_is_of_kind_connect(http: HttpVendor, url: str) -> None:
    kind, _ = await _failure(http, VendorRequest(url, {}, b"{}", Timeouts(1, 1, 1)))

    assert kind == "connect"


async def test_connection_that_never_opens_times_out(http: HttpVendor) -> None:
    with socket.socket() as listener:
        # A full backlog: the kernel answers no further SYN.
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        fillers = [socket.socket() for _ in range(4)]
        try:
            for filler in fillers:
                filler.setblocking(False)
                filler.connect_ex(("127.0.0.1", port))
            request = VendorRequest(f"http://127.0.0.1:{port}/v1", {}, b"{}", Timeouts(SHORT, 5, 5))
            assert await _failure(http, request) == ("timeout", "connect_timeout")
        finally:
            for filler in fillers:
                filler.close()


async def test_pooled_connection_lost_before_an_answer_is_replaced_once(fake: FakeVendor, http: HttpVendor) -> None:
    await (await http.send(_request(fake, "m"))).read(MEBIBYTE)
    fake.fails_left = 1
    reply = await http.send(_request(fake, "fake:cut"))

    assert decode_response(await reply.read(MEBIBYTE)).error is None
    assert len(fake.meter) == 3


async def test_pooled_connection_lost_twice_is_an_error(fake: FakeVendor, http: HttpVendor) -> None:
    await (await http.send(_request(fake, "m"))).read(MEBIBYTE)
    fake.fails_left = 5

    assert await _failure(http, _request(fake, "fake:cut")) == ("connect", "disconnected")
    assert len(fake.meter) == 3


async def test_fresh_connection_lost_before_an_answer_is_not_retried(fake: FakeVendor, http: HttpVendor) -> None:
    fake.fails_left = 1

    assert await _failure(http, _request(fake, "fake:cut")) == ("connect", "disconnected")
    assert len(fake.meter) == 1


async def test_connections_are_reused(fake: FakeVendor, http: HttpVendor) -> None:
    for _ in range(5):
        reply = await http.send(_request(fake, "m"))
        await reply.read(MEBIBYTE)
        await reply.close()
    await _stream(http, _request(fake, "m", stream=True))

    assert fake.connections == 1
