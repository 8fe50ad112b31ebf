import base64
import json
import struct
from typing import Any

import pytest

from adapters.demo import DemoReply, DemoVendor
from adapters.dialects.openai import decode_chunk, decode_error, decode_response
from adapters.sse import SseSplitter
from domain.relay.delta import Delta
from domain.relay.ports import Vendor, VendorRequest

BASE = "http://demo.invalid/v1"
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "days": {"type": "integer"}, "unit": {"enum": ["C", "F"]}},
        },
    },
}


def _vendor(delay_seconds: float = 0.0) -> DemoVendor:
    return DemoVendor(chunk_delay_seconds=delay_seconds, now=lambda: 1_700_000_000.0)


async def _send(path: str = "/chat/completions", **members: Any) -> DemoReply:
    asked: dict[str, Any] = {"model": "demo-chat"}
    if path == "/chat/completions":
        asked["messages"] = [{"role": "user", "content": "two words"}]
    return await _vendor().send(VendorRequest(BASE + path, {}, json.dumps(asked | members).encode()))


async def _answer(path: str = "/chat/completions", **members: Any) -> dict[str, Any]:
    reply = await _send(path, **members)
    body = await reply.read(1_000_000)
    assert reply.status == 200, body
    answer: dict[str, Any] = json.loads(body)
    return answer


async def _deltas(path: str = "/chat/completions", **members: Any) -> list[Delta]:
    reply = await _send(path, stream=True, **members)
    splitter = SseSplitter()
    return [decode_chunk(frame.data) async for chunk in reply.chunks() for frame in splitter.feed(chunk)]


def test_demo_meets_the_port() -> None:
    vendor: Vendor = _vendor()

    assert vendor is not None


async def test_answer_says_plainly_that_it_is_a_demo_and_usage_adds_up() -> None:
    answer = await _answer()
    text = answer["choices"][0]["message"]["content"]

    assert "demo" in text
    assert answer["usage"]["prompt_tokens"] == 4 + 2
    assert answer["usage"]["completion_tokens"] == len(text.split())
    assert answer["usage"]["total_tokens"] == 6 + len(text.split())
    assert decode_response(json.dumps(answer).encode()).error is None


async def test_same_request_gets_the_same_answer() -> None:
    assert await _answer() == await _answer()


@pytest.mark.parametrize("member", ["max_tokens", "max_completion_tokens"])
@pytest.mark.parametrize("limit", [0, 1, 5])
async def test_output_limit_is_obeyed(member: str, limit: int) -> None:
    asked: dict[str, Any] = {member: limit}
    answer = await _answer(**asked)

    assert answer["usage"]["completion_tokens"] == limit
    assert answer["choices"][0]["finish_reason"] == "length"
    assert len(answer["choices"][0]["message"]["content"].split()) == limit


@pytest.mark.parametrize("path", ["/chat/completions", "/completions"])
async def test_stream_says_what_the_plain_answer_says(path: str) -> None:
    members = {} if path == "/chat/completions" else {"prompt": "two words"}
    plain = decode_response(json.dumps(await _answer(path, **members)).encode())
    deltas = await _deltas(path, stream_options={"include_usage": True}, **members)

    assert "".join(delta.text for delta in deltas) == plain.text
    assert [delta.usage for delta in deltas if delta.usage is not None] == [plain.usage]
    assert 15 <= len(deltas) <= 25
    assert deltas[-1].is_done


async def test_stream_without_the_wish_has_no_usage() -> None:
    assert [delta.usage for delta in await _deltas() if delta.usage is not None] == []


async def test_every_choice_is_answered_and_billed() -> None:
    one, three = await _answer(max_tokens=5), await _answer(max_tokens=5, n=3)

    assert [choice["index"] for choice in three["choices"]] == [0, 1, 2]
    assert three["usage"]["completion_tokens"] == 3 * one["usage"]["completion_tokens"]


@pytest.mark.parametrize(
    "members",
    [
        {"tool_choice": "required"},
        {"tool_choice": {"type": "function", "function": {"name": "get_weather"}}},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "call get_weather please"}]}]},
    ],
)
async def test_tool_is_called_with_arguments_of_its_schema(members: dict[str, Any]) -> None:
    answer = await _answer(tools=[WEATHER], **members)
    choice = answer["choices"][0]
    function = choice["message"]["tool_calls"][0]["function"]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    assert function["name"] == "get_weather"
    assert json.loads(function["arguments"]) == {"city": "demo", "days": 1, "unit": "C"}


async def test_tool_call_is_streamed_in_fragments() -> None:
    deltas = await _deltas(tools=[WEATHER], tool_choice="required")

    assert "".join(delta.text for delta in deltas) == 'get_weather{"city":"demo","days":1,"unit":"C"}'
    assert "tool_calls" in [delta.finish_reason for delta in deltas]


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tool_choice": "none"},
        {"messages": [{"role": "user", "content": "get_weather"}, {"role": "tool", "content": "sunny"}]},
    ],
)
async def test_tools_that_nobody_asks_for_are_not_called(members: dict[str, Any]) -> None:
    assert "tool_calls" not in (await _answer(tools=[WEATHER], **members))["choices"][0]["message"]


async def test_structured_output_fits_its_schema() -> None:
    schema = {"type": "object", "properties": {"ok": {"type": "boolean"}, "tags": {"type": "array"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    answer = await _answer(response_format=wanted)

    assert json.loads(answer["choices"][0]["message"]["content"]) == {"ok": True, "tags": []}


async def test_embeddings_are_unit_vectors_of_the_asked_length() -> None:
    members = {"model": "demo-embedding", "input": ["a b c", "d"], "dimensions": 8}
    floats = await _answer("/embeddings", **members)
    packed = await _answer("/embeddings", encoding_format="base64", **members)
    vector = floats["data"][0]["embedding"]

    assert len(vector) == 8
    assert sum(number * number for number in vector) == pytest.approx(1)
    assert struct.unpack("<8f", base64.b64decode(packed["data"][0]["embedding"])) == pytest.approx(vector)
    assert floats["data"][1]["embedding"] != vector
    assert floats["usage"] == {"prompt_tokens": 4, "total_tokens": 4}


async def test_token_ids_are_one_input() -> None:
    answer = await _answer("/embeddings", model="demo-embedding", input=[5, 6, 7])

    assert len(answer["data"]) == 1
    assert answer["usage"]["prompt_tokens"] == 3


async def test_own_counter_is_used() -> None:
    vendor = DemoVendor(count=len, chunk_delay_seconds=0)
    body = b'{"model":"demo-chat","messages":[{"role":"user","content":"abc"}],"max_tokens":10}'
    usage = decode_response(
        await (await vendor.send(VendorRequest(BASE + "/chat/completions", {}, body))).read(10**6)
    ).usage

    assert usage is not None
    assert usage.input_total == 4 + 3
    assert 0 < usage.output_total <= 10


@pytest.mark.parametrize(
    ("path", "members", "status", "kind"),
    [
        ("/chat/completions", {"model": "gpt-x"}, 404, "not_found"),
        ("/chat/completions", {"model": "demo-embedding"}, 404, "not_found"),
        ("/chat/completions", {"max_tokens": "many"}, 400, "bad_request"),
        ("/embeddings", {"model": "demo-embedding", "input": "x", "dimensions": 0}, 400, "bad_request"),
    ],
)
async def test_refusals_look_like_a_vendors(path: str, members: dict[str, Any], status: int, kind: str) -> None:
    reply = await _send(path, **members)
    error = decode_error(reply.status, reply.headers, await reply.read(10_000))

    assert (reply.status, error.kind) == (status, kind)


async def test_closed_stream_gives_no_more() -> None:
    reply = await _send(stream=True)
    chunks = reply.chunks()
    await anext(chunks)
    await reply.close()

    assert [chunk async for chunk in chunks] == []
