"""Anthropic's Messages as a vendor: facts of the vendor's SDK for Python 2.12, examples of our own."""

import json
from typing import Any

import anthropic
import httpx2
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects.anthropic import DIALECT
from adapters.surfaces.anthropic import SURFACE
from adapters.surfaces.anthropic_answers import usage_body
from adapters.wire.messages_answers import decode_event, messages_usage
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import (
    ChatRequest,
    Media,
    Message,
    Reasoning,
    ReasoningOptions,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from domain.relay.delta import Delta
from domain.relay.dialect import Frame, UnsupportedParameterError
from tests.support.dialects import (
    body_of,
    classes,
    frames_of,
    joined,
    odd_json,
    read_frames,
    read_stream,
    split_everywhere,
    tally_of,
    target,
)

CALL = Call(surface="chat", model="claude", output_tokens_max=400)
MODEL = "claude-sonnet-4-5-of-a-test"
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}, "required": ["n"]}
HI = (Message("user", (Text("hi"),)),)


def chat(**members: Any) -> ChatRequest:
    return ChatRequest(**({"messages": HI} | members))


def encoded(request: ChatRequest, model: str = MODEL, call: Call = CALL, **members: Any) -> Any:
    return body_of(DIALECT.encode(call, request, target(model, **members)))


# ---- Requests


def test_headers_carry_the_key_and_the_version() -> None:
    sent = DIALECT.encode(CALL, chat(), target(MODEL))

    assert sent.url == "https://vendor.test/v1/messages"
    assert sent.headers["x-api-key"] == "vendor-key"
    assert sent.headers["anthropic-version"] == "2023-06-01"
    assert "Authorization" not in sent.headers


def test_oauth_token_is_sent_as_a_bearer() -> None:
    headers = DIALECT.encode(CALL, chat(), target(MODEL, key="sk-ant-oat01-x")).headers

    assert headers["Authorization"] == "Bearer sk-ant-oat01-x"
    assert "x-api-key" not in headers


def test_whole_conversation_is_said_in_blocks() -> None:
    request = chat(
        messages=(
            Message("system", (Text("Be brief.", "1h"),)),
            Message("user", (Text("Look: "), Media(kind="image", data="iVBORw0KGgoA"), Text("", "5m"))),
            Message("user", (Media(kind="file", url="https://files.test/a.pdf", name="a", cache="5m"),)),
            Message(
                "assistant",
                (
                    Reasoning(text="hm", signature="sig"),
                    Reasoning(redacted="enc"),
                    Reasoning(text="not proven"),
                    Text("I look."),
                    ToolCall(call_id="t1", name="see", arguments='{"a":1}'),
                    ToolCall(call_id="t2", name="see", arguments=""),
                ),
            ),
            Message("tool", (ToolResult(call_id="t1", parts=(Text("red"),)),)),
            Message("user", (Text("Well?"),)),
            Message("tool", (ToolResult(call_id="t2", parts=(Text("no"),), is_error=True, cache="5m"),)),
            Message("system", (Text("And kind."),)),
        ),
        stop=("END",),
        user="u-1",
        service_tier="default",
        top_k=5,
    )

    assert encoded(request) == {
        "model": MODEL,
        "max_tokens": 400,
        "system": [
            {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral", "ttl": "1h"}},
            {"type": "text", "text": "And kind."},
        ],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Look: "},
                    {
                        "type": "image",
                        "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgoA"},
                    },
                    {
                        "type": "document",
                        "source": {"type": "url", "url": "https://files.test/a.pdf"},
                        "title": "a",
                        "cache_control": {"type": "ephemeral"},
                    },
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "sig"},
                    {"type": "redacted_thinking", "data": "enc"},
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "t1", "name": "see", "input": {"a": 1}},
                    {"type": "tool_use", "id": "t2", "name": "see", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "red"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "t2",
                        "content": "no",
                        "is_error": True,
                        "cache_control": {"type": "ephemeral"},
                    },
                    {"type": "text", "text": "Well?"},
                ],
            },
        ],
        "stop_sequences": ["END"],
        "top_k": 5,
        "metadata": {"user_id": "u-1"},
        "service_tier": "standard_only",
    }


@pytest.mark.parametrize(
    ("choice", "parallel", "want"),
    [
        (None, None, None),
        (None, False, {"type": "auto", "disable_parallel_tool_use": True}),
        (ToolChoice("auto"), None, {"type": "auto"}),
        (ToolChoice("none"), False, {"type": "none"}),
        (ToolChoice("required"), False, {"type": "any", "disable_parallel_tool_use": True}),
        (ToolChoice("named", "f"), None, {"type": "tool", "name": "f"}),
    ],
)
def test_tool_choice_is_said_in_the_vendors_words(
    *, choice: ToolChoice | None, parallel: bool | None, want: dict[str, Any] | None
) -> None:
    request = chat(tools=(Tool(name="f", cache="1h"),), tool_choice=choice, parallel_tool_calls=parallel)

    sent = encoded(request)

    assert sent.get("tool_choice") == want
    assert sent["tools"] == [
        {
            "name": "f",
            "cache_control": {"type": "ephemeral", "ttl": "1h"},
            "input_schema": {"type": "object", "properties": {}},
        }
    ]


@pytest.mark.parametrize(
    ("model", "own", "asked", "want"),
    [
        ("claude-3-haiku-20240307", None, None, 4_096),
        ("claude-3-5-sonnet-20241022", None, None, 8_192),
        ("claude-opus-4-1-20250805", None, None, 32_000),
        ("claude-sonnet-4-20250514", None, None, 64_000),
        ("my-own-alias", None, None, 8_192),
        ("claude-opus-4-8", None, 70, 70),
        ("claude-opus-4-8", 50, 70, 50),
    ],
)
def test_output_limit_is_always_said(model: str, own: int | None, asked: int | None, want: int) -> None:
    call = Call(surface="chat", model="m", output_tokens_max=asked)

    assert encoded(chat(), model, call, output_tokens_max=own)["max_tokens"] == want


def test_schema_is_said_natively_without_the_keywords_that_are_refused() -> None:
    sent = encoded(chat(response_format=ResponseFormat(kind="json_schema", schema=SCHEMA)))

    assert sent["output_config"] == {
        "format": {
            "type": "json_schema",
            "schema": {
                "type": "object",
                "properties": {"n": {"type": "integer", "description": "{minimum: 1}"}},
                "required": ["n"],
                "additionalProperties": False,
            },
        }
    }


def test_tool_stands_in_for_a_schema_and_its_call_is_read_as_text() -> None:
    sent = encoded(chat(response_format=ResponseFormat(kind="json_schema", schema=SCHEMA)), "claude-3-5-sonnet-latest")
    assert sent["tool_choice"] == {"type": "tool", "name": "structured_answer"}
    assert sent["tools"][0]["input_schema"] == SCHEMA

    answer = {
        "content": [{"type": "tool_use", "id": "t", "name": "structured_answer", "input": {"n": 2}}],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }
    delta = DIALECT.decode(json.dumps(answer).encode(), {}, CALL)
    assert [(piece.text, piece.finish_reason) for piece in delta.pieces] == [('{"n":2}', None), ("", "stop")]


@pytest.mark.parametrize(
    ("model", "options", "thinking", "effort"),
    [
        ("claude-opus-4-8", {"effort": "xhigh"}, {"type": "adaptive"}, "xhigh"),
        ("claude-opus-4-8", {"budget_tokens": 2_000}, {"type": "adaptive"}, "medium"),
        ("claude-opus-4-6", {"budget_tokens": 2_000}, {"type": "enabled", "budget_tokens": 2_000}, None),
        ("claude-opus-4-6", {"budget_tokens": -1, "show": True}, {"type": "adaptive", "display": "summarized"}, None),
        ("claude-sonnet-4-5", {"effort": "low"}, {"type": "enabled", "budget_tokens": 1_024}, None),
        ("claude-sonnet-4-5", {"effort": "high"}, {"type": "enabled", "budget_tokens": 3_999}, None),
        ("claude-sonnet-4-5", {"effort": "none"}, {"type": "disabled"}, None),
        ("claude-3-haiku-20240307", {"effort": "none"}, None, None),
    ],
)
def test_effort_and_budget_become_what_the_model_takes(
    model: str, options: dict[str, Any], thinking: dict[str, Any] | None, effort: str | None
) -> None:
    call = Call(surface="chat", model="m", output_tokens_max=4_000)

    sent = encoded(chat(reasoning=ReasoningOptions(**options)), model, call)

    assert sent.get("thinking") == thinking
    assert sent.get("output_config", {}).get("effort") == effort


THINKING = Call(surface="chat", model="m", output_tokens_max=4_000)


def test_tool_cannot_be_forced_while_the_model_thinks() -> None:
    request = chat(
        tools=(Tool(name="f"),), tool_choice=ToolChoice("required"), reasoning=ReasoningOptions(effort="low")
    )

    with pytest.raises(UnsupportedParameterError) as caught:
        encoded(request, MODEL, THINKING)
    assert caught.value.param == "tool_choice"
    dropped = encoded(request, MODEL, THINKING, drops_unsupported=True)
    assert dropped["tool_choice"] == {"type": "any"}
    assert "thinking" not in dropped


def test_thinking_model_is_asked_to_call_the_tool_that_stands_in_for_a_schema() -> None:
    request = chat(
        response_format=ResponseFormat(kind="json_schema", schema=SCHEMA), reasoning=ReasoningOptions(effort="low")
    )

    sent = encoded(request, "claude-sonnet-4-20250514", THINKING)

    assert sent["tool_choice"] == {"type": "auto"}
    assert "structured_answer" in sent["system"]
    assert sent["thinking"]["type"] == "enabled"


def test_turn_whose_thoughts_were_not_kept_ends_without_thinking() -> None:
    messages = (
        *HI,
        Message("assistant", (ToolCall(call_id="t", name="f"),)),
        Message("tool", (ToolResult(call_id="t"),)),
    )
    asked = chat(messages=messages, reasoning=ReasoningOptions(effort="low"))
    assert "thinking" not in encoded(asked, MODEL, THINKING)


@pytest.mark.parametrize(
    ("members", "model", "param"),
    [
        ({"n": 2}, MODEL, "n"),
        ({"seed": 1}, MODEL, "seed"),
        ({"logprobs": True}, MODEL, "logprobs"),
        ({"temperature": 1.5}, MODEL, "temperature"),
        ({"temperature": 0.5}, "claude-opus-4-7", "temperature"),
        ({"top_p": 0.5, "temperature": 0.5}, MODEL, "top_p"),
        ({"top_k": 3}, "claude-sonnet-5", "top_k"),
        ({"stop": (" ",)}, MODEL, "stop"),
        ({"reasoning": ReasoningOptions(effort="low")}, "claude-3-haiku-20240307", "reasoning_effort"),
        ({"others": {"verbosity": "low"}}, MODEL, "verbosity"),
    ],
)
def test_what_the_vendor_cannot_do_is_refused_or_dropped(members: dict[str, Any], model: str, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        encoded(chat(**members), model)
    assert caught.value.param == param

    sent = encoded(chat(**members), model, drops_unsupported=True)
    assert not {"n", "seed", "logprobs", "top_k", "stop", "verbosity", "thinking"} & set(sent)
    assert sent.get("temperature") in (None, 1.0, 0.5)


def test_sound_and_empty_conversations_are_refused() -> None:
    with pytest.raises(UnsupportedParameterError, match="audio"):
        encoded(chat(messages=(Message("user", (Media(kind="audio", data="AA=="),)),)))
    with pytest.raises(InvalidRequestError):
        encoded(chat(messages=(Message("user", (Text(""),)),)))


def test_count_of_tokens_is_asked_without_what_concerns_the_answer() -> None:
    call = Call(surface="count_tokens", model="claude")
    sent = DIALECT.encode(call, chat(temperature=0.5), target(MODEL))

    assert sent.url == "https://vendor.test/v1/messages/count_tokens"
    assert set(body_of(sent)) == {"model", "messages"}
    assert DIALECT.decode(b'{"input_tokens":14}', {}, call).usage == TokenUsage(input_tokens=14)


# ---- The SDK as an oracle


def sent_by_sdk(**arguments: Any) -> tuple[dict[str, Any], httpx2.Headers]:
    """Give what the vendor's own SDK sends for a call."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(400, json={"type": "error", "error": {"type": "invalid_request_error", "message": "x"}})

    with (
        httpx2.Client(transport=httpx2.MockTransport(answer)) as http,
        anthropic.Anthropic(api_key="vendor-key", base_url="https://vendor.test", http_client=http) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(**arguments)
    assert seen[0].url == "https://vendor.test/v1/messages"
    return json.loads(seen[0].content), seen[0].headers


SDK_CALL: dict[str, Any] = {
    "model": MODEL,
    "max_tokens": 2_000,
    "system": [
        {"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": "b"},
    ],
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "sig"},
                {"type": "text", "text": "so"},
                {"type": "tool_use", "id": "t1", "name": "see", "input": {"a": 1}},
            ],
        },
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "t1",
                    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}],
                },
                {"type": "image", "source": {"type": "url", "url": "https://files.test/a.png"}},
                {
                    "type": "document",
                    "source": {"type": "text", "media_type": "text/plain", "data": "Grüße"},
                    "title": "note",
                },
            ],
        },
    ],
    "tools": [
        {"name": "see", "description": "d", "input_schema": {"type": "object", "properties": {}}, "strict": True}
    ],
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "stop_sequences": ["END"],
    "metadata": {"user_id": "u"},
    "thinking": {"type": "enabled", "budget_tokens": 1_500},
    "service_tier": "standard_only",
}


def test_what_the_sdk_sends_and_what_we_send_for_the_same_call_is_equal() -> None:
    body, headers = sent_by_sdk(**SDK_CALL)
    call = SURFACE.parse("chat", json.dumps(body).encode())

    ours = DIALECT.encode(call, SURFACE.canonical(call), target(MODEL))

    assert body_of(ours) == body
    # The SDK speaks of a later version than the one that our reading is made for; a client's own passes through.
    native = DIALECT.encode_native(
        msgspec.structs.replace(call, headers={"anthropic-version": headers["anthropic-version"]}), target(MODEL)
    )
    assert native.headers["anthropic-version"] == headers["anthropic-version"]
    assert body_of(native) == body


def test_own_contract_is_passed_through_byte_by_byte() -> None:
    body = (
        b'{"model":"claude","max_tokens":9, "messages":[{"role":"user","content":"h\\u00e9"}],"new_member":{"a" : 1}}'
    )
    parsed = SURFACE.parse("chat", body)
    call = msgspec.structs.replace(parsed, headers={"anthropic-beta": "a,b", "anthropic-version": "2024-01-01"})

    sent = DIALECT.encode_native(call, target("claude-x", output_tokens_max=5, options={"betas": "b,c"}))

    assert sent.body == (
        b'{"model":"claude-x","max_tokens":5,"messages":[{"role":"user","content":"h\\u00e9"}],"new_member":{"a" : 1}}'
    )
    assert sent.headers["anthropic-beta"] == "a,b,c"
    assert sent.headers["anthropic-version"] == "2024-01-01"


@pytest.mark.parametrize(("limit", "want"), [(1_200, {"type": "enabled", "budget_tokens": 1_199}), (800, None)])
def test_lowered_limit_lowers_the_budget_of_a_native_body_with_it(limit: int, want: dict[str, Any] | None) -> None:
    body = json.dumps(SDK_CALL).encode()
    call = SURFACE.parse("chat", body)

    sent = body_of(DIALECT.encode_native(call, target(MODEL, output_tokens_max=limit)))

    assert sent["max_tokens"] == limit
    assert sent.get("thinking") == want


# ---- Streams


def event(name: str, **members: Any) -> bytes:
    return f"event: {name}\ndata: {json.dumps({'type': name, **members})}\n\n".encode()


START = event(
    "message_start",
    message={
        "id": "msg_1",
        "model": "claude-x",
        "usage": {
            "input_tokens": 12,
            "cache_read_input_tokens": 100,
            "cache_creation_input_tokens": 7,
            "output_tokens": 1,
        },
    },
)
STREAM = b"".join(
    (
        START,
        event("ping"),
        event("content_block_start", index=0, content_block={"type": "thinking", "thinking": "", "signature": ""}),
        event("content_block_delta", index=0, delta={"type": "thinking_delta", "thinking": "h\u00e4m"}),
        event("content_block_delta", index=0, delta={"type": "signature_delta", "signature": "sig"}),
        event("content_block_stop", index=0),
        event("content_block_start", index=1, content_block={"type": "redacted_thinking", "data": "enc"}),
        event("content_block_stop", index=1),
        event("content_block_start", index=2, content_block={"type": "text", "text": ""}),
        event("content_block_delta", index=2, delta={"type": "text_delta", "text": "Hel"}),
        event("content_block_delta", index=2, delta={"type": "text_delta", "text": "lo \u4f60"}),
        event(
            "content_block_delta",
            index=2,
            delta={
                "type": "citations_delta",
                "citation": {"type": "web_search_result_location", "url": "https://a.test", "title": "A"},
            },
        ),
        event("content_block_stop", index=2),
        event("content_block_start", index=3, content_block={"type": "tool_use", "id": "t1", "name": "f", "input": {}}),
        event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": ""}),
        event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": '{"a"'}),
        event("content_block_delta", index=3, delta={"type": "input_json_delta", "partial_json": ":1}"}),
        event("content_block_stop", index=3),
        event("content_block_start", index=4, content_block={"type": "tool_use", "id": "t2", "name": "g", "input": {}}),
        event("content_block_stop", index=4),
        event("event_of_tomorrow", index=9),
        event("message_delta", delta={"stop_reason": "tool_use", "stop_sequence": None}, usage={"output_tokens": 30}),
        event("message_stop"),
    )
)


def test_stream_is_read_with_everything_in_it() -> None:
    deltas = read_stream(DIALECT, CALL, STREAM)

    whole = joined(deltas).pieces
    assert [piece.reasoning for piece in whole] == ["häm", "", "", "", "", ""]
    assert whole[0].signature == "sig"
    assert whole[1].redacted == "enc"
    assert whole[2].text == "Hello 你"
    assert whole[2].annotations[0]["url_citation"]["url"] == "https://a.test"
    tools = [piece.tool for piece in whole[3:] if piece.tool is not None]
    assert [(tool.index, tool.call_id, tool.name, tool.arguments) for tool in tools] == [
        (0, "t1", "f", '{"a":1}'),
        (1, "t2", "g", "{}"),
    ]
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["tool_calls"]
    assert deltas[-1].is_done
    assert "".join(delta.text for delta in deltas) == 'hämHello 你f{"a":1}g{}'


def test_usage_of_start_and_end_is_one_report_and_nothing_is_added_up() -> None:
    tally = tally_of(read_stream(DIALECT, CALL, STREAM))

    assert tally.last is not None
    assert classes(tally.last.usage) == {
        "input_tokens": 12,
        "cached_input_tokens": 100,
        "cache_write_tokens": 7,
        "output_tokens": 30,
    }


def test_passing_through_reports_the_same_usage_and_text() -> None:
    frames = frames_of([STREAM])
    deltas = [DIALECT.decode_native(frame) for frame in frames]

    assert tally_of(deltas).last == tally_of(read_stream(DIALECT, CALL, STREAM)).last
    assert "".join(delta.text for delta in deltas) == 'hämHello 你f{"a":1}g'
    assert deltas[-1].is_done
    assert not any(delta.pieces for delta in deltas)


def test_stream_that_breaks_off_has_told_what_was_read_and_says_that_it_broke() -> None:
    deltas = read_stream(DIALECT, CALL, START + event("content_block_start", index=0, content_block={"type": "text"}))

    tally = tally_of(deltas)
    assert tally.last is None
    assert tally.begun is not None
    assert tally.begun.input_total == 119
    assert deltas[-1].error is not None
    assert deltas[-1].error.vendor_code == "stream_cut_off"


def test_any_split_of_the_stream_gives_the_same() -> None:
    split_everywhere(STREAM)


def test_model_has_the_clients_name_in_what_passes_through() -> None:
    frame = frames_of([START])[0]

    changed = DIALECT.rewrite_frame(frame, Delta(), CALL, "claude-x")

    assert json.loads(changed or b"")["message"]["model"] == "claude"
    assert DIALECT.rewrite_frame(frame, Delta(), CALL, CALL.model) is frame.data
    body = b'{"id":"m","model":"claude-x","content":[]}'
    assert DIALECT.rewrite_body(body, CALL, "claude-x") == b'{"id":"m","model":"claude","content":[]}'


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("pause_turn", "length"),
        ("refusal", "content_filter"),
        ("something_new", "stop"),
    ],
)
def test_stop_reasons(reason: str, want: str) -> None:
    answer = {
        "content": [{"type": "text", "text": "x"}],
        "stop_reason": reason,
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }

    assert DIALECT.decode(json.dumps(answer).encode(), {}, CALL).finish_reason == want


# ---- Usage


@pytest.mark.parametrize(
    ("usage", "want", "flags"),
    [
        (
            {"input_tokens": 20, "output_tokens": 30, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100},
            {"input_tokens": 20, "cached_input_tokens": 100, "output_tokens": 30},
            (),
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 9,
                "cache_creation_input_tokens": 8,
                "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 5},
                "output_tokens_details": {"thinking_tokens": 4},
            },
            {
                "input_tokens": 3,
                "cache_write_tokens": 3,
                "cache_write_1h_tokens": 5,
                "output_tokens": 5,
                "reasoning_tokens": 4,
            },
            (),
        ),
        (
            {
                "input_tokens": 3,
                "output_tokens": 9,
                "cache_creation_input_tokens": 8,
                "cache_creation": {"ephemeral_5m_input_tokens": 3, "ephemeral_1h_input_tokens": 50},
            },
            {"input_tokens": 3, "cache_write_1h_tokens": 8, "output_tokens": 9},
            ("cache_write_mismatch",),
        ),
        (
            {"input_tokens": 3, "output_tokens": 9, "cache_creation": {"ephemeral_1h_input_tokens": 4}},
            {"input_tokens": 3, "cache_write_1h_tokens": 4, "output_tokens": 9},
            (),
        ),
        (
            {"input_tokens": 3, "output_tokens": 9, "cache_creation": {"ephemeral_5m_input_tokens": 3}},
            {"input_tokens": 3, "cache_write_tokens": 3, "output_tokens": 9},
            (),
        ),
        ({"input_tokens": 0, "output_tokens": 0}, {}, ()),
        ({"input_tokens": -1, "output_tokens": 9}, {}, ("input_negative", "usage_incomplete")),
    ],
)
def test_usage_is_a_partition(usage: dict[str, Any], want: dict[str, int], flags: tuple[str, ...]) -> None:
    report = messages_usage(usage)

    assert report is not None
    assert classes(report.usage) == want
    assert report.flags == flags


_counts = st.integers(0, 10**6)


@given(plain=_counts, read=_counts, short=_counts, long=_counts, out=_counts, thought=_counts)
def test_classes_sum_to_what_the_vendor_counts(
    *, plain: int, read: int, short: int, long: int, out: int, thought: int
) -> None:
    report = messages_usage(
        {
            "input_tokens": plain,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": short + long,
            "cache_creation": {"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long},
            "output_tokens": out,
            "output_tokens_details": {"thinking_tokens": thought},
        }
    )

    assert report is not None
    assert report.usage is not None
    assert report.usage.input_total == plain + read + short + long
    assert report.usage.output_total == out
    assert report.usage.cache_write_tokens == short
    assert report.usage.cache_write_1h_tokens == long
    assert report.flags == () or thought > out


# What Anthropic sends: how long is said at the beginning only, the end has totals.
_TOTALS = '"input_tokens":4,"cache_creation_input_tokens":1280,"cache_read_input_tokens":7'
_SPLIT = '"cache_creation":{"ephemeral_5m_input_tokens":256,"ephemeral_1h_input_tokens":1024}'
HOUR_STREAM = tuple(
    line.encode()
    for line in (
        f'{{"type":"message_start","message":{{"usage":{{{_TOTALS},{_SPLIT},"output_tokens":1}}}}}}',
        '{"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}',
        '{"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}',
        '{"type":"content_block_stop","index":0}',
        f'{{"type":"message_delta","delta":{{"stop_reason":"end_turn"}},"usage":{{{_TOTALS},"output_tokens":9}}}}',
        '{"type":"message_stop"}',
    )
)
HOUR_USAGE = {
    "input_tokens": 4,
    "cached_input_tokens": 7,
    "cache_write_tokens": 256,
    "cache_write_1h_tokens": 1024,
    "output_tokens": 9,
}


@pytest.mark.parametrize("passes_through", [False, True])
@pytest.mark.parametrize("end", ["repeats the totals", "says output only", "repeats nothing of an hour"])
def test_stream_keeps_what_its_beginning_says_of_the_hour(*, passes_through: bool, end: str) -> None:
    last = {
        "repeats the totals": HOUR_STREAM[4],
        "says output only": b'{"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}',
        "repeats nothing of an hour": HOUR_STREAM[4].replace(
            b'"output_tokens"',
            b'"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":0},"output_tokens"',
        ),
    }[end]
    frames = [Frame(data) for data in (*HOUR_STREAM[:4], last, HOUR_STREAM[5])]

    tally = tally_of(
        [decode_event(frame.data) for frame in frames] if passes_through else read_frames(DIALECT.decoder(CALL), frames)
    )

    assert tally.last is not None
    assert classes(tally.last.usage) == HOUR_USAGE


SEARCH_STREAM = tuple(
    json.dumps(event).encode()
    for event in (
        {"type": "message_start", "message": {"usage": {"input_tokens": 9, "output_tokens": 1}}},
        *(
            {
                "type": "content_block_start",
                "index": number,
                "content_block": {"type": "server_tool_use", "id": f"s{number}", "name": name, "input": {}},
            }
            for number, name in enumerate(("web_search", "web_fetch", "web_search"))
        ),
        {"type": "content_block_start", "index": 3, "content_block": {"type": "text", "text": "Found"}},
        {
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn"},
            "usage": {"input_tokens": 900, "output_tokens": 5, "server_tool_use": {"web_search_requests": 2}},
        },
        {"type": "message_stop"},
    )
)


@pytest.mark.parametrize("passes_through", [False, True])
def test_searches_are_the_vendors_count_and_our_own_until_it_comes(*, passes_through: bool) -> None:
    frames = [Frame(data) for data in SEARCH_STREAM]
    deltas = (
        [decode_event(frame.data) for frame in frames]
        if passes_through
        else list(read_frames(DIALECT.decoder(CALL), frames))
    )

    tally = tally_of(deltas)

    assert tally.last is not None
    assert tally.last.usage == TokenUsage(input_tokens=900, output_tokens=5, searches=2)
    assert sum(delta.searches for delta in deltas) == 2


def test_searches_of_a_whole_answer_are_counted_and_told_to_the_client() -> None:
    report = messages_usage({"input_tokens": 3, "output_tokens": 2, "server_tool_use": {"web_search_requests": 4}})

    assert report is not None
    assert report.usage == TokenUsage(input_tokens=3, output_tokens=2, searches=4)
    assert usage_body(report.usage)["server_tool_use"] == {"web_search_requests": 4}


@pytest.mark.parametrize("passes_through", [False, True])
def test_stream_that_breaks_off_is_known_to_have_written_for_an_hour(*, passes_through: bool) -> None:
    frames = [Frame(data) for data in HOUR_STREAM[:3]]

    tally = tally_of(
        [decode_event(frame.data) for frame in frames] if passes_through else read_frames(DIALECT.decoder(CALL), frames)
    )

    assert classes(tally.begun) == HOUR_USAGE | {"output_tokens": 1}


# ---- Errors


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind", "code"),
    [
        (400, "invalid_request_error", "messages: field required", "bad_request", None),
        (400, "invalid_request_error", "prompt is too long: 9 > 8", "bad_request", "context_length_exceeded"),
        (400, "invalid_request_error", "Your credit balance is too low", "quota", None),
        (400, "invalid_request_error", "Output blocked by content filtering policy", "content", "content_filter"),
        (401, "authentication_error", "invalid x-api-key", "auth", "authentication_error"),
        (402, "billing_error", "pay", "quota", "billing_error"),
        (403, "permission_error", "no", "auth", "permission_error"),
        (404, "not_found_error", "model: claude-z", "not_found", "not_found_error"),
        (413, "request_too_large", "too large", "bad_request", "request_too_large"),
        (429, "rate_limit_error", "slow down", "rate_limit", "rate_limit_error"),
        (500, "api_error", "oops", "server", "api_error"),
        (504, "timeout_error", "late", "timeout", "timeout_error"),
        (529, "overloaded_error", "Overloaded", "overloaded", "overloaded_error"),
    ],
)
def test_errors_are_told_apart_by_answer_and_in_mid_stream(
    status: int, type_: str, message: str, kind: str, code: str | None
) -> None:
    body = json.dumps({"type": "error", "error": {"type": type_, "message": message}}).encode()

    error = DIALECT.decode_error(status, {"retry-after": "7"}, body)

    assert (error.kind, error.vendor_code, error.retry_after_seconds) == (kind, code, 7.0)
    (delta, *_) = DIALECT.decoder(CALL).feed(Frame(body))
    assert delta.error is not None
    assert delta.error.kind == kind


def test_key_quoted_in_an_error_is_not_passed_on() -> None:
    body = b'{"type":"error","error":{"type":"invalid_request_error","message":"bad key vendor-key in use"}}'

    assert "vendor-key" not in DIALECT.decode_error(400, {}, body, secrets=("vendor-key",)).message


def test_page_of_a_proxy_is_an_error_by_its_status() -> None:
    assert DIALECT.decode_error(502, {}, b"<html>bad gateway</html>").kind == "server"


def test_models_are_listed() -> None:
    request = DIALECT.models_request(target(MODEL))

    assert request.method == "GET"
    assert request.headers["x-api-key"] == "vendor-key"
    assert DIALECT.decode_models(b'{"data":[{"type":"model","id":"claude-a"},{"id":3}]}') == ("claude-a",)
    assert DIALECT.decode_models(b"nonsense") == ()


# ---- Nothing that a vendor sends raises

NAMES = (
    "type",
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "error",
    "index",
    "content_block",
    "delta",
    "message",
    "usage",
    "input_tokens",
    "output_tokens",
    "cache_creation",
    "content",
    "tool_use",
    "text",
    "thinking",
    "input",
    "partial_json",
    "input_json_delta",
    "stop_reason",
    "citations",
)


@settings(max_examples=150)
@given(st.lists(odd_json(NAMES), max_size=5))
def test_odd_events_raise_nothing(events: list[Any]) -> None:
    frames = [Frame(json.dumps(each).encode()) for each in events]

    for delta in [*read_frames(DIALECT.decoder(CALL), frames), *map(DIALECT.decode_native, frames)]:
        assert delta.usage is None or delta.usage.total >= 0
    for frame in frames:
        DIALECT.decode(frame.data, {}, CALL)
        DIALECT.decode_error(400, {}, frame.data)
        DIALECT.rewrite_frame(frame, Delta(), CALL, "other")
        DIALECT.rewrite_body(frame.data, CALL, "other")


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(0, len(STREAM)))
def test_random_bytes_and_cut_streams_raise_nothing(noise: bytes, cut: int) -> None:
    for stream in (noise, STREAM[:cut] + noise):
        read_stream(DIALECT, CALL, stream)
    DIALECT.decode(noise, {}, CALL)
    DIALECT.decode_error(500, {}, noise)
