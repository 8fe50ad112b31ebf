import datetime as dt
import json
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.dialects.openai import OPENAI, AzureDialect, OpenAIDialect
from adapters.sse import SseSplitter
from adapters.surfaces.responses import SURFACE
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
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import Frame, Said, Target

SAID = Said(answer_id="0123abcd", created=1700000000)
USAGE = TokenUsage(input_tokens=5, cached_input_tokens=4, output_tokens=2, reasoning_tokens=3)
SCHEMA = {"type": "object", "properties": {}}


@dataclass
class Refused:
    status: int
    message: str
    type: str
    code: str | None
    param: str | None


def _call(**members: Any) -> Call:
    return SURFACE.parse("chat", json.dumps({"model": "m", "input": "hi", **members}).encode())


def _chat(**members: Any) -> ChatRequest:
    request = SURFACE.canonical(_call(**members))
    assert isinstance(request, ChatRequest)
    return request


def _target(**members: Any) -> Target:
    return Target(
        base_url="https://vendor.example",
        key="sk-v",
        model="vendor-m",
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
        **members,
    )


def _events(data: bytes) -> list[dict[str, Any]]:
    splitter = SseSplitter()
    frames = [*splitter.feed(data), *splitter.finish()]
    events = [json.loads(frame.data) for frame in frames if frame.data]
    assert [frame.event.decode() for frame in frames if frame.data] == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


# ---- Reading


def test_a_conversation_of_items_becomes_turns() -> None:
    request = _chat(
        instructions="Be kind.",
        input=[
            {"role": "developer", "content": "Dev."},
            {
                "role": "user",
                "content": [
                    {"type": "input_text", "text": "See"},
                    {"type": "input_image", "image_url": "https://x.example/a.png", "detail": "low"},
                    {"type": "input_file", "file_data": "data:application/pdf;base64,QUJD", "filename": "a.pdf"},
                ],
            },
            {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm"}]},
            {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Ok"}]},
            {"type": "function_call", "call_id": "c1", "name": "f", "arguments": "{}"},
            {"type": "function_call", "call_id": "c2", "name": "g", "arguments": "{}"},
            {"type": "function_call_output", "call_id": "c1", "output": "1"},
            {"type": "function_call_output", "call_id": "c2", "output": [{"type": "input_text", "text": "2"}]},
        ],
    )

    assert request.messages == (
        Message("system", (Text("Be kind."),)),
        Message("system", (Text("Dev."),)),
        Message(
            "user",
            (
                Text("See"),
                Media(kind="image", url="https://x.example/a.png", detail="low"),
                Media(kind="file", data="QUJD", media_type="application/pdf", name="a.pdf"),
            ),
        ),
        Message(
            "assistant",
            (
                Reasoning(text="Hm"),
                Text("Ok"),
                ToolCall(call_id="c1", name="f"),
                ToolCall(call_id="c2", name="g"),
            ),
        ),
        Message(
            "tool",
            (
                ToolResult(call_id="c1", name="f", parts=(Text("1"),)),
                ToolResult(call_id="c2", name="g", parts=(Text("2"),)),
            ),
        ),
    )


def test_settings_have_their_places_and_the_vendors_own_tools_keep_their_names() -> None:
    request = _chat(
        tools=[
            {"type": "function", "name": "f", "parameters": SCHEMA, "strict": True},
            {"type": "web_search"},
        ],
        tool_choice={"type": "function", "name": "f"},
        text={"format": {"type": "json_schema", "name": "s", "schema": SCHEMA, "strict": True}, "verbosity": "low"},
        reasoning={"effort": "high", "summary": "auto"},
        truncation="disabled",
        store=True,
        include=["reasoning.encrypted_content", "web_search_call.results"],
        max_output_tokens=9,
    )

    assert request.tools == (Tool(name="f", parameters=SCHEMA, strict=True),)
    assert request.tool_choice == ToolChoice("named", "f")
    assert request.response_format == ResponseFormat(kind="json_schema", name="s", schema=SCHEMA, strict=True)
    assert request.reasoning == ReasoningOptions(effort="high", show=True)
    assert request.others == {
        "tools": [{"type": "web_search"}],
        "text.verbosity": "low",
        "include": ["web_search_call.results"],
    }


@pytest.mark.parametrize(
    ("members", "param", "reason"),
    [
        ({"previous_response_id": "resp_1"}, "previous_response_id", "unsupported_parameter"),
        ({"conversation": "conv_1"}, "conversation", "unsupported_parameter"),
        ({"input": [{"type": "item_reference", "id": "x"}]}, "input[0]", "unsupported_parameter"),
        ({"input": [{"role": "robot", "content": "x"}]}, "input[0].role", "invalid_value"),
        ({"input": [{"type": "function_call", "name": "f"}]}, "input[0]", None),
        ({"tools": [{"type": "function"}]}, "tools[0]", None),
        ({"text": {"format": {"type": "poem"}}}, "text.format.type", "invalid_value"),
    ],
)
def test_what_cannot_be_served_is_refused_by_name(members: dict[str, Any], param: str, reason: str | None) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        _chat(**members)

    assert refused.value.param == param
    if reason is not None:
        assert refused.value.reason == reason


def test_what_routing_needs_is_read_first() -> None:
    call = _call(stream=True, max_output_tokens=9, tools=[{}], safety_identifier="u")

    assert (call.surface, call.dialect, call.stream, call.output_tokens_max) == ("chat", "responses", True, 9)
    assert (call.include_usage, call.has_tools, call.user) == (True, True, "u")
    for body in (
        b"",
        b"{}",
        b'{"model":"m"}',
        b'{"model":"m","input":[]}',
        b'{"model":"m","input":"x","background":true}',
    ):
        with pytest.raises(InvalidRequestError):
            SURFACE.parse("chat", body)


# ---- Writing


def test_a_stream_opens_grows_and_closes_its_items() -> None:
    writer = SURFACE.writer(_call(stream=True), SAID)
    data = b"".join(
        writer.write(delta)
        for delta in (
            said(Piece(reasoning="Hm")),
            said(Piece(signature="sig")),
            said(Piece(text="Hel")),
            said(Piece(text="lo", annotations=({"type": "url_citation", "url_citation": {"url": "u", "title": "t"}},))),
            said(Piece(tool=ToolDelta(index=0, call_id="c1", name="f"))),
            said(Piece(tool=ToolDelta(index=0, arguments='{"a":1}'))),
            said(Piece(tool=ToolDelta(index=1, call_id="c2", name="g"), finish_reason="tool_calls")),
        )
    )
    events = _events(data + writer.finish(USAGE, b"tallygate charge=1"))

    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "reasoning_summary_part.added",
        "reasoning_summary_text.delta",
        "reasoning_summary_text.done",
        "reasoning_summary_part.done",
        "output_item.done",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.annotation.added",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "output_item.added",
        "function_call_arguments.delta",
        "output_item.added",
        "function_call_arguments.done",
        "output_item.done",
        "function_call_arguments.done",
        "output_item.done",
        "completed",
    ]
    response = events[-1]["response"]
    assert [item["type"] for item in response["output"]] == ["reasoning", "message", "function_call", "function_call"]
    assert [item["status"] for item in response["output"]] == ["completed"] * 4
    assert response["output"][1]["content"][0]["text"] == "Hello"
    assert response["output"][1]["content"][0]["annotations"] == [{"type": "url_citation", "url": "u", "title": "t"}]
    assert [item["arguments"] for item in response["output"][2:]] == ['{"a":1}', "{}"]
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}
    assert response["usage"]["total_tokens"] == 14
    assert events[0]["response"]["output"] == []
    assert len({item["id"] for item in response["output"]}) == 4
    assert data.endswith(b"\n\n")


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("content_filter", "incomplete", {"reason": "content_filter"}),
    ],
)
def test_the_end_says_whether_the_answer_is_whole(reason: Any, status: str, details: Any) -> None:
    delta = Delta(pieces=(Piece(text="Hi", finish_reason=reason),))
    body = json.loads(SURFACE.answer(_call(), SAID, delta, USAGE)[0])

    assert (body["status"], body["incomplete_details"]) == (status, details)
    assert body["output"][0]["status"] == status
    assert body["id"] == "resp_0123abcd"


def test_an_error_in_mid_stream_is_told_twice_as_the_sdks_expect() -> None:
    writer = SURFACE.writer(_call(stream=True), SAID)
    data = writer.write(said(Piece(text="Hi")))
    events = _events(data + writer.fail(Refused(502, "broken", "server_error", "vendor_error", None)))

    assert events[-2]["type"] == "error"
    assert events[-2]["message"] == "broken"
    assert events[-1]["response"]["status"] == "failed"
    assert events[-1]["response"]["error"] == {"code": "server_error", "message": "broken"}


def test_what_we_say_is_read_back_as_it_was() -> None:
    delta = Delta(
        pieces=(
            Piece(reasoning="Hm", signature="sig"),
            Piece(redacted="enc"),
            Piece(text="Ok"),
            Piece(tool=ToolDelta(index=0, call_id="c", name="f", arguments="{}", signature="google")),
        )
    )
    output = json.loads(SURFACE.answer(_call(), SAID, delta, USAGE)[0])["output"]

    assert _chat(input=[{"role": "user", "content": "hi"}, *output]).messages[1].parts == (
        Reasoning(text="Hm", signature="sig"),
        Reasoning(redacted="enc"),
        Text("Ok"),
        ToolCall(call_id="c", name="f", signature="google"),
    )


def test_refusals_and_pictures_are_items_too() -> None:
    delta = Delta(pieces=(Piece(refusal="No."), Piece(media=Media(kind="image", data="QUJD", media_type="image/png"))))
    output = json.loads(SURFACE.answer(_call(), SAID, delta, USAGE)[0])["output"]

    assert output[0]["content"] == [{"type": "refusal", "refusal": "No."}]
    assert output[1]["result"] == "QUJD"


# ---- Bytes that pass through


def test_bodies_pass_with_the_routed_model_and_the_limit_and_keep_their_place_in_a_conversation() -> None:
    call = _call(previous_response_id="resp_1", max_output_tokens=100)
    made = OpenAIDialect().encode_native(call, _target(output_tokens_max=50))

    assert made.url == "https://vendor.example/v1/responses"
    assert json.loads(made.body) == {
        "model": "vendor-m",
        "input": "hi",
        "previous_response_id": "resp_1",
        "max_output_tokens": 50,
    }


def test_azures_responses_belong_to_no_deployment() -> None:
    dialect = AzureDialect(frozenset({"chat"}))
    classic = dialect.encode_native(_call(), _target(options={"api_version": "2025-03-01-preview"}))
    v1 = dialect.encode_native(_call(), _target(options={"api": "v1"}))

    assert classic.url == "https://vendor.example/openai/responses?api-version=2025-03-01-preview"
    assert v1.url == "https://vendor.example/openai/v1/responses"


def _native(event: dict[str, Any]) -> tuple[Delta, Any]:
    dialect = OpenAIDialect()
    frame = Frame(json.dumps(event).encode(), event=event["type"].encode())
    delta = dialect.decode_native(frame)
    seen = dialect.rewrite_frame(frame, delta, _call(), "vendor-m")
    assert seen is not None
    return delta, json.loads(seen)


def test_events_are_read_for_text_usage_and_the_end_and_name_the_clients_model() -> None:
    usage = {
        "input_tokens": 9,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 3},
        "total_tokens": 14,
    }
    text, _ = _native({"type": "response.output_text.delta", "delta": "Hi"})
    arguments, _ = _native({"type": "response.function_call_arguments.delta", "delta": "{}"})
    created, seen = _native({"type": "response.created", "response": {"model": "vendor-m", "output": []}})
    end, _ = _native({"type": "response.completed", "response": {"status": "completed", "model": "x", "usage": usage}})
    cut, _ = _native(
        {"type": "response.incomplete", "response": {"incomplete_details": {"reason": "max_output_tokens"}}}
    )

    assert (text.text, arguments.text, created.text) == ("Hi", "{}", "")
    assert seen["response"]["model"] == "m"
    assert (end.usage, end.finish_reason, end.error) == (USAGE, "stop", None)
    assert cut.finish_reason == "length"


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit_exceeded", "message": "slow down", "param": None},
        {"type": "error", "error": {"code": "rate_limit_exceeded", "message": "slow down"}},
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit_exceeded"}}},
    ],
)
def test_errors_in_both_forms_are_errors(event: dict[str, Any]) -> None:
    delta, _ = _native(event)

    assert delta.error is not None
    assert delta.error.kind == "rate_limit"


def test_whole_responses_are_read_and_renamed() -> None:
    body = {
        "model": "vendor-m",
        "status": "completed",
        "error": None,
        "output": [
            {"type": "message", "content": [{"type": "output_text", "text": "Hi"}]},
            {"type": "function_call", "name": "f", "arguments": "{}"},
        ],
        "usage": {"input_tokens": 1, "output_tokens": 2, "total_tokens": 3},
    }
    dialect = OpenAIDialect(OPENAI)
    data = json.dumps(body).encode()
    delta = dialect.decode_native_body(data, {}, _call())

    assert (delta.text, delta.usage) == ("Hif{}", TokenUsage(input_tokens=1, output_tokens=2))
    assert json.loads(dialect.rewrite_body(data, _call(), "vendor-m"))["model"] == "m"
    assert dialect.decode_native_body(b'{"error":{"message":"x"},"output":[]}', {}, _call()).error is not None
    assert dialect.decode_native_body(b"<html>", {}, _call()).error is not None
    assert dialect.missing_usage(b"{}", USAGE, _call(stream=True)) == b""
