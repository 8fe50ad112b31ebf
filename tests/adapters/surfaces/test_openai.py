import base64
import json
import struct
from dataclasses import dataclass
from typing import Any

import pytest

from adapters.surfaces.openai import SURFACE
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import (
    AudioOutput,
    ChatRequest,
    Media,
    Message,
    Reasoning,
    ReasoningOptions,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import Said
from domain.relay.tasks import Embeddings, EmbeddingsRequest

SAID = Said(answer_id="0123abcd", created=1700000000)
USAGE = TokenUsage(input_tokens=5, cached_input_tokens=4, output_tokens=2, reasoning_tokens=3)
PNG = base64.b64encode(b"\x89PNG").decode()


@dataclass
class Refused:
    status: int
    message: str
    type: str
    code: str | None
    param: str | None


def _call(surface: Any = "chat", **members: Any) -> Call:
    body = {"model": "m", **members}
    if surface == "chat":
        body.setdefault("messages", [{"role": "user", "content": "hi"}])
    return SURFACE.parse(surface, json.dumps(body).encode())


def _chat(**members: Any) -> ChatRequest:
    request = SURFACE.canonical(_call(**members))
    assert isinstance(request, ChatRequest)
    return request


def _events(data: bytes) -> list[Any]:
    events = []
    for frame in data.decode().split("\n\n")[:-1]:
        if frame.startswith(": "):
            events.append(frame)
        else:
            text = frame.removeprefix("data: ")
            events.append(text if text == "[DONE]" else json.loads(text))
    return events


# ---- Reading


def test_every_kind_of_message_is_read() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
    request = _chat(
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "user",
                "name": "ann",
                "content": [
                    {"type": "text", "text": "See", "cache_control": {"type": "ephemeral"}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}},
                    {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "mp3"}},
                    {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PNG}", "filename": "a.pdf"}},
                    {"type": "file", "file": {"file_id": "file-1"}},
                    {"type": "video_url", "video_url": {"url": "https://x.example/a.mp4"}},
                ],
            },
            {"role": "assistant", "content": None, "reasoning_content": "Hm.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "42"},
            {"role": "assistant", "content": "No.", "refusal": "I will not."},
        ]
    )

    assert request.messages == (
        Message("system", (Text("Be kind."),)),
        Message(
            "user",
            (
                Text("See", "5m"),
                Media(kind="image", url="https://x.example/a.png", detail="low"),
                Media(kind="image", data=PNG, media_type="image/png"),
                Media(kind="audio", data="AAAA", media_type="audio/mpeg"),
                Media(kind="file", data=PNG, media_type="application/pdf", name="a.pdf"),
                Media(kind="file", file_id="file-1"),
                Media(kind="video", url="https://x.example/a.mp4"),
            ),
            "ann",
        ),
        Message("assistant", (Reasoning(text="Hm."), ToolCall(call_id="call_1", name="f", arguments='{"a":1}'))),
        Message("tool", (ToolResult(call_id="call_1", name="f", parts=(Text("42"),)),)),
        Message("assistant", (Text("No."), Refusal("I will not."))),
    )


def test_every_parameter_has_its_place_and_what_has_none_keeps_its_name() -> None:
    schema = {"type": "object", "properties": {}}
    request = _chat(
        tools=[
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": schema, "strict": True}},
            {"type": "web_search", "web_search": {"enable": True}},
        ],
        tool_choice={"type": "function", "function": {"name": "f"}},
        response_format={"type": "json_schema", "json_schema": {"name": "s", "schema": schema, "strict": True}},
        stop="END",
        temperature=0.5,
        n=2,
        logit_bias={"5": -1},
        reasoning_effort="high",
        verbosity="low",
        modalities=["text", "audio"],
        audio={"voice": "alloy", "format": "wav"},
        stream=True,
        stream_options={"include_usage": True},
        max_tokens=5,
        store=None,
    )

    assert request.tools == (Tool(name="f", description="d", parameters=schema, strict=True),)
    assert request.tool_choice == ToolChoice("named", "f")
    assert request.response_format == ResponseFormat(kind="json_schema", name="s", schema=schema, strict=True)
    assert (request.stop, request.temperature, request.n, request.logit_bias) == (("END",), 0.5, 2, {"5": -1.0})
    assert request.reasoning == ReasoningOptions(effort="high")
    assert request.audio == AudioOutput("alloy", "wav")
    assert request.others == {"verbosity": "low", "tools": [{"type": "web_search", "web_search": {"enable": True}}]}


def test_functions_of_old_become_tools_and_their_results_find_their_calls() -> None:
    request = _chat(
        functions=[{"name": "f"}],
        function_call={"name": "f"},
        messages=[
            {"role": "user", "content": "hi"},
            {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": "{}"}},
            {"role": "function", "name": "f", "content": "1"},
        ],
    )

    asked, given = request.messages[1].parts[0], request.messages[2].parts[0]
    assert request.tools == (Tool(name="f"),)
    assert request.tool_choice == ToolChoice("named", "f")
    assert isinstance(asked, ToolCall)
    assert isinstance(given, ToolResult)
    assert asked.call_id == given.call_id


def test_proofs_of_reasoning_come_back() -> None:
    said_before = {
        "role": "assistant",
        "content": "4",
        "reasoning_content": "2+2",
        "reasoning_details": [
            {"type": "reasoning.text", "signature": "sig"},
            {"type": "reasoning.encrypted", "data": "x"},
        ],
    }
    request = _chat(messages=[{"role": "user", "content": "hi"}, said_before])

    assert request.messages[1].parts == (Reasoning(text="2+2", signature="sig"), Reasoning(redacted="x"), Text("4"))


@pytest.mark.parametrize(
    ("members", "want"),
    [
        ({"thinking": {"type": "disabled"}}, ReasoningOptions(budget_tokens=0)),
        ({"thinking": {"type": "enabled", "budget_tokens": 99}}, ReasoningOptions(budget_tokens=99)),
        ({"reasoning": {"effort": "low", "exclude": True}}, ReasoningOptions(effort="low", show=False)),
        ({"reasoning": {"max_tokens": 7}}, ReasoningOptions(budget_tokens=7)),
    ],
)
def test_other_ways_to_ask_for_thinking_are_understood(members: dict[str, Any], want: ReasoningOptions) -> None:
    assert _chat(**members).reasoning == want


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": [{"role": "robot", "content": "x"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": [{"type": "smell"}]}]}, "messages[0].content[0].type"),
        (
            {
                "messages": [
                    {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
        (
            {
                "messages": [
                    {
                        "role": "user",
                        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,?"}}],
                    }
                ]
            },
            "messages[0].content[0].image_url.url",
        ),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {}}]}]}, "messages[0].content[0].file"),
        ({"temperature": "hot"}, "temperature"),
        ({"tools": [{"type": "function", "function": {"name": 5}}]}, "tools[0].function.name"),
        ({"tool_choice": {"function": {}}}, "tool_choice.function"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "poem"}}, "response_format.type"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        _chat(**members)

    assert refused.value.param == param


def test_a_legacy_prompt_becomes_a_chat_of_one_turn() -> None:
    request = SURFACE.canonical(_call("completions", prompt=["Once"], echo=False, suffix="end", max_tokens=5))

    assert isinstance(request, ChatRequest)
    assert request.messages == (Message("user", (Text("Once"),)),)
    assert request.others == {"suffix": "end"}


@pytest.mark.parametrize("prompt", [["a", "b"], [1, 2], [[1], [2]]])
def test_prompts_that_no_chat_can_be_made_of_are_refused(prompt: Any) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        SURFACE.canonical(_call("completions", prompt=prompt))

    assert refused.value.param == "prompt"


@pytest.mark.parametrize(
    ("given", "want"),
    [
        ("a", ("a",)),
        (["a", "b"], ("a", "b")),
        ([1, 2], ((1, 2),)),
        ([[1], [2, 3]], ((1,), (2, 3))),
    ],
)
def test_inputs_of_embeddings_are_texts_or_token_ids(given: Any, want: tuple[Any, ...]) -> None:
    request = SURFACE.canonical(_call("embeddings", input=given, dimensions=3, encoding_format="base64"))

    assert request == EmbeddingsRequest(inputs=want, dimensions=3)


def test_mixed_inputs_are_refused() -> None:
    with pytest.raises(InvalidRequestError):
        SURFACE.canonical(_call("embeddings", input=["a", 1]))


# ---- Streams


def test_a_stream_has_one_role_then_text_one_reason_the_usage_the_note_and_the_end() -> None:
    writer = SURFACE.writer(_call(stream=True, stream_options={"include_usage": True}), SAID)
    data = writer.write(said(Piece(reasoning="Hm"))) + writer.write(said(Piece(text="Hi", finish_reason="stop")))
    data += writer.write(said(Piece(text="late", finish_reason="length")))
    events = _events(data + writer.finish(USAGE, b"tallygate charge=1"))

    assert [event["choices"][0]["delta"] for event in events[:4]] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"reasoning_content": "Hm"},
        {"content": "Hi"},
        {},
    ]
    assert [event["choices"][0]["finish_reason"] for event in events[:4]] == [None, None, None, "stop"]
    assert all(event["usage"] is None for event in events[:4])
    assert {event["id"] for event in events[:5]} == {"chatcmpl-0123abcd"}
    assert events[4]["choices"] == []
    assert events[4]["usage"]["total_tokens"] == 14
    assert events[4]["usage"]["prompt_tokens_details"]["cached_tokens"] == 4
    assert events[4]["usage"]["completion_tokens_details"]["reasoning_tokens"] == 3
    assert events[5:] == [": tallygate charge=1", "[DONE]"]


def test_usage_is_kept_from_those_who_did_not_ask() -> None:
    writer = SURFACE.writer(_call(stream=True), SAID)
    events = _events(writer.write(said(Piece(text="Hi"))) + writer.finish(USAGE, b""))

    assert all("usage" not in event for event in events[:-1])
    assert events[-2]["choices"][0]["finish_reason"] == "stop"  # owed, and given at the end


def test_tool_calls_are_named_once_and_then_only_continued() -> None:
    writer = SURFACE.writer(_call(stream=True), SAID)
    data = b"".join(
        writer.write(said(Piece(tool=tool)))
        for tool in (
            ToolDelta(index=0, call_id="call_1", name="f"),
            ToolDelta(index=0, arguments='{"a"'),
            ToolDelta(index=1, call_id="call_2", name="g", arguments="{}"),
            ToolDelta(index=0, arguments=":1}"),
        )
    )
    events = _events(data + writer.finish(USAGE, b""))
    calls = [event["choices"][0]["delta"]["tool_calls"][0] for event in events[1:5]]

    assert events[0]["choices"][0]["delta"] == {"role": "assistant", "content": None, "refusal": None}
    assert calls == [
        {"index": 0, "id": "call_1", "type": "function", "function": {"name": "f", "arguments": ""}},
        {"index": 0, "function": {"arguments": '{"a"'}},
        {"index": 1, "id": "call_2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
        {"index": 0, "function": {"arguments": ":1}"}},
    ]
    assert events[5]["choices"][0]["finish_reason"] == "tool_calls"


def test_clients_that_speak_of_functions_are_answered_in_kind() -> None:
    call = _call(stream=True, functions=[{"name": "f"}])
    tool = ToolDelta(index=0, call_id="c", name="f", arguments="{}")
    writer = SURFACE.writer(call, SAID)
    events = _events(writer.write(said(Piece(tool=tool, finish_reason="tool_calls"))))
    whole = json.loads(SURFACE.answer(call, SAID, said(Piece(tool=tool, finish_reason="tool_calls")), USAGE)[0])

    assert events[1]["choices"][0]["delta"] == {"function_call": {"name": "f", "arguments": "{}"}}
    assert events[2]["choices"][0]["finish_reason"] == "function_call"
    assert whole["choices"][0]["message"]["function_call"] == {"name": "f", "arguments": "{}"}


def test_choices_interleave_and_each_ends_once() -> None:
    writer = SURFACE.writer(_call(stream=True, n=2), SAID)
    data = writer.write(said(Piece(text="a"), Piece(choice=1, text="b")))
    data += writer.write(said(Piece(choice=1, finish_reason="length")))
    events = _events(data + writer.finish(USAGE, b""))[:-1]

    assert [event["choices"][0]["index"] for event in events] == [0, 0, 1, 1, 1, 0]
    assert [event["choices"][0]["finish_reason"] for event in events[-2:]] == ["length", "stop"]


def test_an_answer_of_nothing_is_still_an_answer() -> None:
    events = _events(SURFACE.writer(_call(stream=True), SAID).finish(TokenUsage(), b""))

    assert [event["choices"][0]["finish_reason"] for event in events[:-1]] == [None, "stop"]


def test_an_error_in_mid_stream_is_the_last_thing_said() -> None:
    writer = SURFACE.writer(_call(stream=True), SAID)
    refused = Refused(502, "broken", "server_error", "vendor_error", None)

    assert _events(writer.fail(refused)) == [
        {"error": {"message": "broken", "type": "server_error", "param": None, "code": "vendor_error"}}
    ]


def test_legacy_completions_stream_as_text() -> None:
    call = _call("completions", prompt="Once", stream=True, stream_options={"include_usage": True})
    writer = SURFACE.writer(call, SAID)
    data = writer.write(said(Piece(text=" upon", finish_reason="tool_calls"))) + writer.finish(USAGE, b"n")
    events = _events(data)

    assert events[0]["object"] == "text_completion"
    assert events[0]["id"] == "cmpl-0123abcd"
    assert events[0]["choices"] == [{"text": " upon", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert events[1]["usage"]["completion_tokens"] == 5
    assert events[2:] == [": n", "[DONE]"]


# ---- Whole answers


def test_a_whole_answer_has_everything() -> None:
    delta = Delta(
        pieces=(
            Piece(reasoning="Hm", signature="sig"),
            Piece(text="Hi", annotations=({"type": "url_citation"},), logprobs={"content": [{"token": "Hi"}]}),
            Piece(media=Media(kind="image", data=PNG, media_type="image/png")),
            Piece(tool=ToolDelta(index=0, call_id="call_1", name="f"), finish_reason="stop"),
        )
    )
    body, media_type = SURFACE.answer(_call(), SAID, delta, USAGE)
    answer = json.loads(body)
    choice = answer["choices"][0]

    assert media_type == "application/json"
    assert (answer["id"], answer["object"], answer["model"]) == ("chatcmpl-0123abcd", "chat.completion", "m")
    assert choice["message"] == {
        "role": "assistant",
        "content": "Hi",
        "refusal": None,
        "annotations": [{"type": "url_citation"}],
        "reasoning_content": "Hm",
        "reasoning_details": [{"type": "reasoning.text", "text": "Hm", "signature": "sig"}],
        "images": [{"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}],
        "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    }
    assert choice["finish_reason"] == "tool_calls"
    assert choice["logprobs"] == {"content": [{"token": "Hi"}], "refusal": None}
    assert answer["usage"]["prompt_tokens"] == 9


def test_what_we_say_in_a_message_is_read_back_as_it_was() -> None:
    delta = Delta(
        pieces=(
            Piece(reasoning="Hm", signature="sig"),
            Piece(redacted="enc"),
            Piece(tool=ToolDelta(index=0, call_id="c", name="f", arguments="{}", signature="google")),
        )
    )
    message = json.loads(SURFACE.answer(_call(), SAID, delta, USAGE)[0])["choices"][0]["message"]

    assert _chat(messages=[{"role": "user", "content": "hi"}, message]).messages[1].parts == (
        Reasoning(text="Hm", signature="sig"),
        Reasoning(redacted="enc"),
        ToolCall(call_id="c", name="f", signature="google"),
    )


def test_vectors_come_as_floats_or_as_the_sdks_base64() -> None:
    delta = Delta(result=Embeddings(vectors=((1.0, -2.0), (0.5, 1e300))))
    floats = json.loads(SURFACE.answer(_call("embeddings", input="a"), SAID, delta, USAGE)[0])
    asked = _call("embeddings", input="a", encoding_format="base64")
    packed = json.loads(SURFACE.answer(asked, SAID, delta, USAGE)[0])

    assert floats["data"][0] == {"object": "embedding", "index": 0, "embedding": [1.0, -2.0]}
    assert packed["data"][0]["embedding"] == "AACAPwAAAMA="
    assert struct.unpack("<2f", base64.b64decode(packed["data"][1]["embedding"]))[1] > 1e38
    assert packed["usage"] == {"prompt_tokens": 9, "total_tokens": 14}
