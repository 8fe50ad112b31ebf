"""Anthropic's contract as clients speak it; the vendor's own SDK reads what we write."""

import contextlib
import json
from typing import Any

import anthropic
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects.anthropic import DIALECT
from adapters.surfaces.anthropic import SURFACE
from app.relay.errors import ApiError
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Media, Reasoning, ResponseFormat, Text, ToolChoice, ToolResult
from domain.relay.delta import FinishReason, Piece, ToolDelta, said
from domain.relay.dialect import UnsupportedParameterError
from tests.support.dialects import SAID, body_of, frames_of, joined, odd_json, read_frames, target

HEAD: dict[str, Any] = {"model": "claude", "max_tokens": 50, "messages": [{"role": "user", "content": "hi"}]}
USAGE = TokenUsage(
    input_tokens=5,
    cached_input_tokens=7,
    cache_write_tokens=2,
    cache_write_1h_tokens=6,
    output_tokens=3,
    reasoning_tokens=4,
    image_input_tokens=1,
)


def call_of(**members: Any) -> Call:
    return SURFACE.parse("chat", json.dumps(HEAD | members).encode())


def canonical(**members: Any) -> ChatRequest:
    request = SURFACE.canonical(call_of(**members))
    assert isinstance(request, ChatRequest)
    return request


# ---- Reading


def test_what_routing_needs_is_read() -> None:
    call = call_of(stream=True, tools=[{"name": "f", "input_schema": {}}], metadata={"user_id": "u"})

    assert (call.dialect, call.surface, call.model, call.stream) == ("anthropic", "chat", "claude", True)
    assert (call.output_tokens_max, call.has_tools, call.user) == (50, True, "u")


def test_count_of_tokens_needs_no_limit() -> None:
    call = SURFACE.parse("count_tokens", b'{"model":"claude","messages":[{"role":"user","content":"hi"}]}')

    assert (call.surface, call.stream) == ("count_tokens", False)
    assert SURFACE.answer(call, SAID, said(), TokenUsage(input_tokens=4, cached_input_tokens=3)) == (
        b'{"input_tokens":7}',
        "application/json",
    )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b"[" * 5_000, None),
        (b'{"model":"m","messages":[{}]}', "max_tokens"),
        (b'{"max_tokens":1,"messages":[{}]}', "model"),
        (b'{"model":"m","max_tokens":-1,"messages":[{}]}', "max_tokens"),
        (b'{"model":"m","max_tokens":1,"messages":[]}', "messages"),
    ],
)
def test_what_cannot_be_routed_is_refused_by_name(body: bytes, param: str | None) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        SURFACE.parse("chat", body)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": [{"role": "king", "content": "x"}]}, "messages[...].role"),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": 3}]}]}, "messages[0].content[0].text"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image", "source": {"type": "base64"}}]}]},
            "messages[0].content[0].source",
        ),
        ({"tools": [{"name": "f"}]}, "tools[0]"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_broken_member_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        canonical(**members)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param.partition("[...]")[0])


def test_blocks_are_read_into_parts() -> None:
    request = canonical(
        system=[{"type": "text", "text": "s", "cache_control": {"type": "ephemeral", "ttl": "1h"}}],
        messages=[
            {"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "https://a.test/i.png"}}]},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "t", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "enc"},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": 1}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "after"},
                    {"type": "tool_result", "tool_use_id": "t1", "content": "x", "is_error": True},
                ],
            },
        ],
        thinking={"type": "enabled", "budget_tokens": 2_000},
        output_config={"effort": "low", "format": {"type": "json_schema", "schema": {"type": "object"}}},
        tool_choice={"type": "any", "disable_parallel_tool_use": True},
    )

    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "user"]
    assert request.messages[0].parts == (Text("s", "1h"),)
    assert request.messages[1].parts == (Media(kind="image", url="https://a.test/i.png"),)
    assert request.messages[2].parts[:2] == (Reasoning(text="t", signature="sig"), Reasoning(redacted="enc"))
    assert request.messages[3].parts == (ToolResult(call_id="t1", name="f", parts=(Text("x"),), is_error=True),)
    assert request.tool_choice == ToolChoice("required")
    assert request.parallel_tool_calls is False
    assert request.reasoning is not None
    assert (request.reasoning.budget_tokens, request.reasoning.effort) == (2_000, "low")
    assert request.response_format == ResponseFormat(
        kind="json_schema", name="answer", schema={"type": "object"}, strict=True
    )
    assert request.others == {}


def test_what_only_this_contract_has_is_kept_by_its_path_so_that_others_refuse_it() -> None:
    request = canonical(
        messages=[{"role": "user", "content": [{"type": "search_result", "title": "words", "source": "s"}]}],
        tools=[{"type": "web_search_20250305", "name": "web_search"}],
        container="c",
    )

    assert set(request.others) == {"messages[0].content[0]", "tools", "container"}
    assert "words" in request.messages[0].text
    with pytest.raises(UnsupportedParameterError):
        DIALECT.encode(Call(surface="chat", model="m"), request, target("claude-sonnet-4-5"))


# ---- Writing


class _Sdk:
    """The vendor's SDK before a server that answers with our bytes."""

    def __init__(self, status: int, body: bytes, media_type: str) -> None:
        self._answer = httpx2.Response(status, content=body, headers={"content-type": media_type})
        http = httpx2.Client(transport=httpx2.MockTransport(lambda _: self._answer))
        self.client = anthropic.Anthropic(api_key="k", base_url="https://gateway.test", http_client=http, max_retries=0)

    def __enter__(self) -> anthropic.Anthropic:
        return self.client

    def __exit__(self, *_: object) -> None:
        self.client.close()


PIECES = (
    Piece(reasoning="let me "),
    Piece(reasoning="see"),
    Piece(signature="sig"),
    Piece(redacted="enc"),
    Piece(text="Hel"),
    Piece(text="lo"),
    Piece(annotations=({"type": "url_citation", "url_citation": {"url": "https://a.test", "title": "A"}},)),
    Piece(tool=ToolDelta(index=0, call_id="t0", name="f", arguments='{"a"')),
    Piece(tool=ToolDelta(index=1, call_id="t1", name="g", arguments='{"b":')),
    Piece(tool=ToolDelta(index=0, arguments=":1}")),
    Piece(tool=ToolDelta(index=1, arguments="2}")),
    Piece(finish_reason="tool_calls"),
)


def written(pieces: tuple[Piece, ...], note: bytes = b"") -> bytes:
    writer = SURFACE.writer(call_of(stream=True), SAID)
    return b"".join(writer.write(said(piece)) for piece in pieces) + writer.finish(USAGE, note)


def test_sdk_reads_our_stream_with_everything_in_it() -> None:
    with (
        _Sdk(200, written(PIECES, b"cost 1"), "text/event-stream") as client,
        client.messages.stream(model="claude", max_tokens=5, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        message = stream.get_final_message()

    content = [block.to_dict() for block in message.content]
    assert content[0] == {"type": "thinking", "thinking": "let me see", "signature": "sig"}
    assert content[1] == {"type": "redacted_thinking", "data": "enc"}
    assert content[2]["text"] == "Hello"
    assert [(block["name"], block["input"]) for block in content[3:]] == [("f", {"a": 1}), ("g", {"b": 2})]
    assert message.id == "msg_" + "0" * 32
    assert message.model == "claude"
    assert message.stop_reason == "tool_use"
    assert message.usage.input_tokens == 6
    assert message.usage.cache_read_input_tokens == 7
    assert message.usage.cache_creation_input_tokens == 8
    assert message.usage.output_tokens == 7


def test_sdk_reads_our_whole_answer() -> None:
    body, media_type = SURFACE.answer(call_of(), SAID, joined(said(piece) for piece in PIECES), USAGE)

    with _Sdk(200, body, media_type) as client:
        message = client.messages.create(model="claude", max_tokens=5, messages=[{"role": "user", "content": "hi"}])

    assert [block.type for block in message.content] == [
        "thinking",
        "redacted_thinking",
        "text",
        "tool_use",
        "tool_use",
    ]
    assert message.stop_reason == "tool_use"
    assert message.usage.output_tokens == 7


def test_events_come_in_the_contracts_order_one_block_at_a_time() -> None:
    events = [json.loads(frame.data) for frame in frames_of([written(PIECES)])]

    assert [event["type"] for event in events[:1] + events[-2:]] == ["message_start", "message_delta", "message_stop"]
    is_open = None
    for event in events[1:-2]:
        match event["type"]:
            case "content_block_start":
                assert is_open is None
                is_open = event["index"]
            case "content_block_stop":
                assert is_open == event["index"]
                is_open = None
            case _:
                assert is_open == event["index"]
    assert is_open is None


def test_what_we_write_our_own_reader_reads_again() -> None:
    frames = frames_of([written(PIECES)])

    again = joined(read_frames(DIALECT.decoder(call_of()), frames))

    want = joined(said(piece) for piece in PIECES)
    assert [piece.tool for piece in again.pieces if piece.tool] == [piece.tool for piece in want.pieces if piece.tool]
    assert "".join(piece.text for piece in again.pieces) == "Hello"


@pytest.mark.parametrize(
    ("reason", "sequence", "want"),
    [
        ("stop", "", "end_turn"),
        ("stop", "END", "stop_sequence"),
        ("length", "", "max_tokens"),
        ("content_filter", "", "refusal"),
        (None, "", "end_turn"),
    ],
)
def test_stop_reasons_are_the_contracts(reason: FinishReason | None, sequence: str, want: str) -> None:
    stream = written((Piece(text="x"), Piece(finish_reason=reason, stop_sequence=sequence)))

    (last,) = [json.loads(frame.data) for frame in frames_of([stream]) if b'"message_delta"' in frame.data]
    assert last["delta"] == {"stop_reason": want, "stop_sequence": sequence or None}


def test_answer_without_a_word_is_a_whole_stream() -> None:
    names = [json.loads(frame.data)["type"] for frame in frames_of([written(())])]

    assert names == ["message_start", "message_delta", "message_stop"]


def test_calls_that_wait_at_the_end_are_all_written() -> None:
    pieces = tuple(Piece(tool=ToolDelta(index=index, call_id=f"t{index}", name="f")) for index in range(3))

    starts = [frame for frame in frames_of([written(pieces)]) if b'"content_block_start"' in frame.data]

    assert [json.loads(frame.data)["content_block"]["id"] for frame in starts] == ["t0", "t1", "t2"]


def test_sdk_raises_what_we_refuse() -> None:
    error = ApiError(429, "Too fast.", type_="requests", code="rate_limit_exceeded")

    with (
        _Sdk(429, SURFACE.error(error), "application/json") as client,
        pytest.raises(anthropic.RateLimitError) as caught,
    ):
        client.messages.create(model="claude", max_tokens=5, messages=[{"role": "user", "content": "hi"}])

    assert caught.value.body == {"type": "error", "error": {"type": "rate_limit_error", "message": "Too fast."}}


def test_sdk_raises_on_an_error_in_mid_stream() -> None:
    writer = SURFACE.writer(call_of(stream=True), SAID)
    body = writer.write(said(Piece(text="x"))) + writer.fail(ApiError(503, "Busy.", type_="server_error"))

    with (
        _Sdk(200, body, "text/event-stream") as client,
        pytest.raises(anthropic.APIStatusError, match="Busy"),
        client.messages.stream(model="claude", max_tokens=5, messages=[{"role": "user", "content": "hi"}]) as stream,
    ):
        stream.get_final_message()


# ---- There and back

_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8).filter(lambda text: bool(text.strip()))
_cache = st.sampled_from([None, {"type": "ephemeral"}, {"type": "ephemeral", "ttl": "1h"}])


def _with_cache(block: dict[str, Any], cache: dict[str, Any] | None) -> dict[str, Any]:
    return block if cache is None else block | {"cache_control": cache}


_text_blocks = st.builds(lambda text, cache: _with_cache({"type": "text", "text": text}, cache), _texts, _cache)
_image_blocks = st.builds(
    lambda cache: _with_cache(
        {"type": "image", "source": {"type": "base64", "media_type": "image/gif", "data": "R0lGODlh"}}, cache
    ),
    _cache,
)
_result_blocks = st.builds(
    lambda text, cache: _with_cache({"type": "tool_result", "tool_use_id": "t", "content": text}, cache), _texts, _cache
)
_call_blocks = st.builds(lambda name: {"type": "tool_use", "id": "t", "name": name, "input": {"x": name}}, _texts)
_thought_blocks = st.builds(lambda text: {"type": "thinking", "thinking": text, "signature": "s"}, _texts)


@settings(max_examples=80)
@given(
    st.lists(_result_blocks, max_size=2),
    st.lists(_text_blocks | _image_blocks, min_size=1, max_size=3),
    st.lists(_thought_blocks | _text_blocks | _call_blocks, min_size=1, max_size=3),
    st.lists(_text_blocks, min_size=2, max_size=3),
)
def test_request_read_and_said_again_says_the_same(
    results: list[dict[str, Any]],
    asked: list[dict[str, Any]],
    spoken: list[dict[str, Any]],
    system: list[dict[str, Any]],
) -> None:
    body = HEAD | {
        "system": system,
        "messages": [
            {"role": "user", "content": asked},
            {"role": "assistant", "content": spoken},
            {"role": "user", "content": [*results, *asked]},
        ],
    }
    call = call_of(**body)

    assert body_of(DIALECT.encode(call, SURFACE.canonical(call), target("claude"))) == body


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(["messages", "system", "tools", "thinking", "tool_choice", "metadata", "output_config"]),
        odd_json(
            ("type", "text", "role", "user", "content", "source", "input", "tool_result", "name", "cache_control")
        ),
    )
)
def test_odd_bodies_are_read_or_refused(members: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidRequestError):
        SURFACE.canonical(call_of(**members))


@settings(max_examples=150)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_random_and_cut_bytes_are_read_or_refused(noise: bytes, cut: int) -> None:
    whole = json.dumps(HEAD).encode()
    surfaces: tuple[Surface, ...] = ("chat", "count_tokens")
    for body in (noise, whole[:cut] + noise):
        for surface in surfaces:
            with contextlib.suppress(InvalidRequestError):
                SURFACE.canonical(SURFACE.parse(surface, body))
