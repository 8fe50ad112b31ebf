"""Cohere's first chat beside the vendor's own SDK, which sends and reads the same."""

import json
from typing import Any

import cohere
import httpx
import pytest

from adapters.channel_types import TYPES
from adapters.dialects import cohere as cohere_v2
from adapters.dialects import cohere_v1
from domain.metering.usage import TokenUsage
from domain.relay.call import InvalidRequestError
from domain.relay.chat import (
    ChatRequest,
    Message,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from domain.relay.delta import Delta, ToolDelta
from domain.relay.dialect import Frame, UnsupportedParameterError
from tests.adapters.dialects.own_cases import CASES, call, target

BASE = "https://api.cohere.com"
(CASE,) = (case for case in CASES if case.name == "cohere_v1")
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where"},
        "unit": {"type": "string", "enum": ["c", "f"]},
        "days": {"type": "array", "items": {"type": "integer"}},
    },
    "required": ["city"],
}
ASKED = Message("user", (Text("Weather in Oslo?"),))
CALLED = Message("assistant", (ToolCall(call_id="call_0", name="weather", arguments='{"city":"Oslo"}'),))
OSLO = {"name": "weather", "parameters": {"city": "Oslo"}}
WEATHER = Tool(name="weather", description="The weather", parameters=SCHEMA)


def result(text: str, call_id: str = "call_0") -> Message:
    return Message("tool", (ToolResult(call_id=call_id, name="weather", parts=(Text(text),)),))


def sent(*messages: Message, stream: bool = False, **more: Any) -> dict[str, Any]:
    request = ChatRequest(messages=messages, **more)
    given = cohere_v1.DIALECT.encode(call(stream=stream), request, target(BASE, "command-r", output_tokens_max=9))
    body: dict[str, Any] = json.loads(given.body)
    return body


def read(*events: dict[str, Any]) -> list[Delta]:
    decoder = cohere_v1.DIALECT.decoder(call())
    deltas = [delta for event in events for delta in decoder.feed(Frame(json.dumps(event).encode()))]
    return deltas + decoder.finish()


def calls_of(deltas: list[Delta]) -> list[ToolDelta]:
    return [piece.tool for delta in deltas for piece in delta.pieces if piece.tool is not None]


def of_the_sdk(answer: bytes, media_type: str, **asked: Any) -> tuple[dict[str, Any], str, Any]:
    """Give what the SDK sends, where to, and what it reads of an answer."""
    seen: list[httpx.Request] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, content=answer, headers={"content-type": media_type})

    with httpx.Client(transport=httpx.MockTransport(serve)) as http:
        client = cohere.Client("vendor-key", base_url=BASE, httpx_client=http)
        told: Any = list(client.chat_stream(**asked)) if media_type != "application/json" else client.chat(**asked)
    return json.loads(seen[0].content), str(seen[0].url), told


def test_a_chat_with_history_is_sent_and_read_as_by_the_sdk() -> None:
    messages = (
        Message("system", (Text("Be kind."),)),
        Message("user", (Text("Hi"),)),
        Message("assistant", (Text("Hello"),)),
        Message("user", (Text("And?"),)),
    )
    ours = sent(
        *messages,
        temperature=0.5,
        top_p=0.9,
        top_k=5,
        seed=7,
        stop=("END",),
        frequency_penalty=0.1,
        presence_penalty=0.2,
    )
    theirs, url, told = of_the_sdk(
        CASE.answer.encode(),
        "application/json",
        model="command-r",
        message="And?",
        preamble="Be kind.",
        chat_history=[{"role": "USER", "message": "Hi"}, {"role": "CHATBOT", "message": "Hello"}],
        max_tokens=9,
        temperature=0.5,
        p=0.9,
        k=5,
        seed=7,
        stop_sequences=["END"],
        frequency_penalty=0.1,
        presence_penalty=0.2,
    )

    assert ours == theirs
    assert url == CASE.url
    assert (told.text, told.finish_reason) == ("Hello", "COMPLETE")
    assert told.meta.tokens.input_tokens == 60


def test_a_stream_that_the_sdk_reads_says_the_same_to_us() -> None:
    theirs, _, told = of_the_sdk(CASE.stream, "application/stream+json", model="command-r", message="Hi", max_tokens=9)

    assert sent(Message("user", (Text("Hi"),)), stream=True) == theirs
    text = "".join(event.text for event in told if event.event_type == "text-generation")
    assert text == "".join(delta.text for delta in read(*map(json.loads, CASE.stream.splitlines()))) == "Hello"
    assert told[-1].response.meta.tokens.output_tokens == 2


def test_results_of_tools_are_sent_with_their_calls_as_by_the_sdk() -> None:
    ours = sent(ASKED, CALLED, result("rain"), tools=(Tool(name="weather", description="The weather"),))
    theirs, _, _ = of_the_sdk(
        CASE.answer.encode(),
        "application/json",
        model="command-r",
        message="",
        max_tokens=9,
        chat_history=[
            {"role": "USER", "message": "Weather in Oslo?"},
            {"role": "CHATBOT", "message": "", "tool_calls": [OSLO]},
        ],
        tools=[{"name": "weather", "description": "The weather"}],
        tool_results=[{"call": OSLO, "outputs": [{"result": "rain"}]}],
    )

    assert ours == theirs


def test_what_a_flat_list_of_parameters_has_no_place_for_is_told_in_words() -> None:
    (tool,) = sent(ASKED, tools=(WEATHER,))["tools"]

    assert tool["parameter_definitions"] == {
        "city": {"description": "Where", "type": "str", "required": True},
        "unit": {"description": 'JSON Schema: {"enum":["c","f"]}', "type": "str", "required": False},
        "days": {"description": 'JSON Schema: {"items":{"type":"integer"}}', "type": "list", "required": False},
    }


@pytest.mark.parametrize(
    ("text", "outputs"),
    [
        ("rain", [{"result": "rain"}]),
        ('{"sky":"grey"}', [{"sky": "grey"}]),
        ('[{"a":1},{"b":2}]', [{"a": 1}, {"b": 2}]),
        ("[]", [{"result": "[]"}]),
        ("[1]", [{"result": "[1]"}]),
    ],
)
def test_results_are_objects_whatever_the_tool_said(text: str, outputs: list[dict[str, Any]]) -> None:
    assert sent(ASKED, CALLED, result(text))["tool_results"] == [{"call": OSLO, "outputs": outputs}]


def test_an_id_that_comes_again_means_the_latest_call_and_earlier_results_are_history() -> None:
    bergen = Message("assistant", (ToolCall(call_id="call_0", name="weather", arguments='{"city":"Bergen"}'),))
    body = sent(ASKED, CALLED, result("rain"), bergen, result("sun"))

    assert [turn["role"] for turn in body["chat_history"]] == ["USER", "CHATBOT", "TOOL", "CHATBOT"]
    assert body["chat_history"][2]["tool_results"][0]["call"]["parameters"] == {"city": "Oslo"}
    assert body["tool_results"][0]["call"]["parameters"] == {"city": "Bergen"}


@pytest.mark.parametrize("messages", [(ASKED, CALLED), (result("rain"),), (Message("system", (Text("Be kind."),)),)])
def test_what_cannot_be_said_is_refused_and_says_why(messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        sent(*messages)
    assert refused.value.param == "messages"


@pytest.mark.parametrize("mode", ["required", "none"])
def test_a_choice_of_tools_is_refused_by_name(mode: Any) -> None:
    with pytest.raises(UnsupportedParameterError) as refused:
        sent(ASKED, tools=(WEATHER,), tool_choice=ToolChoice(mode))
    assert refused.value.param == "tool_choice"
    assert "tool_choice" not in sent(ASKED, tools=(WEATHER,), tool_choice=ToolChoice("auto"))


def test_a_schema_goes_under_the_name_of_this_version() -> None:
    shape = ResponseFormat(kind="json_schema", name="w", schema=SCHEMA)
    assert sent(ASKED, response_format=shape)["response_format"] == {"type": "json_object", "schema": SCHEMA}


def test_a_whole_answer_with_calls_has_its_plan_as_reasoning() -> None:
    answer = {"text": "I will look.", "tool_calls": [OSLO], "finish_reason": "COMPLETE"}
    delta = cohere_v1.DIALECT.decode(json.dumps(answer).encode(), {}, call(stream=False))

    assert [piece.reasoning for piece in delta.pieces if piece.reasoning] == ["I will look."]
    assert calls_of([delta]) == [ToolDelta(index=0, call_id="call_0", name="weather", arguments='{"city":"Oslo"}')]
    assert delta.finish_reason == "tool_calls"


END = {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "", "tool_calls": [OSLO]}}
WHOLE = {"event_type": "tool-calls-generation", "tool_calls": [OSLO]}
CHUNKS = tuple(
    {"event_type": "tool-calls-chunk", "tool_call_delta": chunk}
    for chunk in ({"index": 0, "name": "weather"}, {"index": 0, "parameters": '{"city":'}, {"parameters": '"Oslo"}'})
)


@pytest.mark.parametrize(
    "events",
    [(*CHUNKS, WHOLE, END), (*CHUNKS, END), (WHOLE, END), (END,), (CHUNKS[0], WHOLE, END), (CHUNKS[0], END)],
    ids=["chunks and whole", "chunks", "whole", "end", "name and whole", "name and end"],
)
def test_a_call_counts_once_in_whichever_of_its_places_it_comes(events: tuple[dict[str, Any], ...]) -> None:
    deltas = read(*events)
    tools = calls_of(deltas)

    assert "".join(tool.name for tool in tools) == "weather"
    assert "".join(tool.call_id for tool in tools) == "call_0"
    assert json.loads("".join(tool.arguments for tool in tools)) == {"city": "Oslo"}
    assert deltas[-1].finish_reason == "tool_calls"


def test_text_that_comes_at_the_end_alone_is_not_lost() -> None:
    response = {"text": "Hello", "meta": {"billed_units": {"input_tokens": 3, "output_tokens": 1}}}
    deltas = read({"event_type": "stream-end", "finish_reason": "MAX_TOKENS", "response": response})

    assert "".join(delta.text for delta in deltas) == "Hello"
    assert (deltas[-1].finish_reason, deltas[-1].usage) == ("length", TokenUsage(input_tokens=3, output_tokens=1))


def test_a_stream_that_ends_in_a_failure_is_an_error() -> None:
    (delta,) = read({"event_type": "stream-end", "finish_reason": "ERROR", "response": {"text": ""}})

    assert delta.error is not None
    assert delta.error.kind == "server"


@pytest.mark.parametrize("base_url", [BASE, f"{BASE}/v1", f"{BASE}/v2"])
def test_the_type_says_the_version_whatever_the_address_ends_in(base_url: str) -> None:
    request = ChatRequest(messages=(ASKED,))
    urls = [
        dialect.encode(call(), request, target(base_url, "command-r")).url
        for dialect in (cohere_v1.DIALECT, cohere_v2.DIALECT)
    ]

    assert urls == [f"{BASE}/v1/chat", f"{BASE}/v2/chat"]
    assert cohere_v1.DIALECT.models_request(target(base_url, "")).url == f"{BASE}/v1/models?page_size=1000"


def test_the_type_serves_chats_alone() -> None:
    assert TYPES["cohere_v1"].surfaces == {"chat"}
