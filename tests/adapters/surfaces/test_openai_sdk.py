"""The official SDKs read what we write, and send what we send for the same call."""

import datetime as dt
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx2 as httpx
import openai
import pytest
from mistralai.client import Mistral

from adapters.channel_types import TYPES
from adapters.dialects.openai import OpenAIDialect
from adapters.surfaces import openai as openai_surface
from adapters.surfaces import responses as responses_surface
from domain.metering.usage import TokenUsage
from domain.relay.assemble import Assembler
from domain.relay.call import Surface
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import ClientSurface, Said, Target
from domain.relay.tasks import Embeddings, TaskResult, Transcript

SAID = Said(answer_id="0123abcd", created=1700000000)
USAGE = TokenUsage(input_tokens=5, output_tokens=2, reasoning_tokens=3)
DELTAS = (
    said(Piece(reasoning="Hm")),
    said(Piece(text="Hel")),
    said(Piece(text="lo")),
    said(Piece(tool=ToolDelta(index=0, call_id="a", name="f", arguments='{"x"'))),
    said(Piece(tool=ToolDelta(index=0, arguments=":1}"))),
    said(Piece(tool=ToolDelta(index=1, call_id="b", name="g", arguments="{}"), finish_reason="tool_calls")),
)
TOOLS: list[Any] = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}]
Handler = Callable[[httpx.Request], httpx.Response]


@dataclass
class Refused:
    status: int
    message: str
    type: str
    code: str | None
    param: str | None


def _client(handler: Handler) -> openai.OpenAI:
    http = httpx.Client(transport=httpx.MockTransport(handler))
    return openai.OpenAI(api_key="sk-x", base_url="https://gateway.example/v1", http_client=http, max_retries=0)


def _serve(surface: ClientSurface, kind: Surface, result: TaskResult | None = None) -> Handler:
    """Answer as the gateway would, with no vendor behind it."""

    def answer(request: httpx.Request) -> httpx.Response:
        call = surface.parse(kind, request.content, content_type=request.headers["content-type"])
        if call.stream:
            writer = surface.writer(call, SAID)
            data = b"".join(map(writer.write, DELTAS)) + writer.finish(USAGE, b"tallygate charge=1")
            return httpx.Response(200, content=data, headers={"content-type": writer.media_type})
        whole = Assembler()
        for delta in DELTAS:
            whole.add(delta)
        delta = whole.whole() if result is None else Delta(result=result)
        body, media_type = surface.answer(call, SAID, delta, USAGE)
        return httpx.Response(200, content=body, headers={"content-type": media_type})

    return answer


def test_the_sdk_reads_our_chats() -> None:
    client = _client(_serve(openai_surface.SURFACE, "chat"))
    whole = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
    with client.chat.completions.stream(
        model="m",
        messages=[{"role": "user", "content": "hi"}],
        stream_options={"include_usage": True},
    ) as stream:
        stream.until_done()
        streamed = stream.get_final_completion()

    for answer in (whole, streamed):
        message = answer.choices[0].message
        calls = [(call.id, call.function.name, call.function.arguments) for call in message.tool_calls or ()]  # type: ignore[union-attr]  # functions only
        assert message.content == "Hello"
        assert calls == [("a", "f", '{"x":1}'), ("b", "g", "{}")]
        assert answer.choices[0].finish_reason == "tool_calls"
        assert answer.usage is not None
        assert answer.usage.total_tokens == 10


def test_the_sdk_reads_our_responses() -> None:
    client = _client(_serve(responses_surface.SURFACE, "chat"))
    whole = client.responses.create(model="m", input="hi")
    with client.responses.stream(model="m", input="hi") as stream:
        streamed = stream.get_final_response()

    for answer in (whole, streamed):
        assert answer.output_text == "Hello"
        assert [item.type for item in answer.output] == ["reasoning", "message", "function_call", "function_call"]
        assert answer.status == "completed"
        assert answer.usage is not None
        assert answer.usage.total_tokens == 10


def test_the_sdk_unpacks_our_vectors_and_reads_our_transcripts() -> None:
    vectors = _client(_serve(openai_surface.SURFACE, "embeddings", Embeddings(((1.0, -2.0), (0.5, 0.25)))))
    heard = _client(_serve(openai_surface.SURFACE, "transcriptions", Transcript(text="Hi there")))

    assert [row.embedding for row in vectors.embeddings.create(model="m", input=["a", "b"]).data] == [
        [1.0, -2.0],
        [0.5, 0.25],
    ]
    assert heard.audio.transcriptions.create(model="m", file=("a.wav", b"RIFF")).text == "Hi there"


def test_an_error_in_mid_stream_is_raised_by_the_sdk() -> None:
    def broken(request: httpx.Request) -> httpx.Response:
        call = openai_surface.SURFACE.parse("chat", request.content)
        writer = openai_surface.SURFACE.writer(call, SAID)
        data = writer.write(DELTAS[1]) + writer.fail(Refused(502, "broken", "server_error", None, None))
        return httpx.Response(200, content=data, headers={"content-type": writer.media_type})

    stream = _client(broken).chat.completions.create(
        model="m", messages=[{"role": "user", "content": "hi"}], stream=True
    )
    with pytest.raises(openai.APIError, match="broken"):
        list(stream)


# ---- What the SDKs send, and what we send


def _recorded(send: Callable[[Handler], Any]) -> tuple[str, dict[str, Any], dict[str, str]]:
    requests: list[httpx.Request] = []

    def record(request: httpx.Request) -> httpx.Response:
        requests.append(request)
        message = {"role": "assistant", "content": "x"}
        body = {
            "id": "x",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop", "logprobs": None}],
            "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2},
        }
        return httpx.Response(200, json=body)

    send(record)
    request = requests[0]
    return str(request.url), json.loads(request.content), dict(request.headers)


def _ours(row: str, asked: dict[str, Any], base_url: str) -> tuple[str, dict[str, Any], dict[str, str]]:
    """Give what our dialect sends for the same call by way of the canonical request."""
    dialect = TYPES[row].dialect
    assert isinstance(dialect, OpenAIDialect)
    call = openai_surface.SURFACE.parse("chat", json.dumps(asked).encode())
    target = Target(
        base_url=base_url,
        key="sk-x",
        model=asked["model"],
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
    )
    made = dialect.encode(call, openai_surface.SURFACE.canonical(call), target)
    return made.url, json.loads(made.body), {name.lower(): value for name, value in made.headers.items()}


CONVERSATION: list[Any] = [
    {"role": "system", "content": "Be kind."},
    {"role": "user", "content": [{"type": "text", "text": "See"}, {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}}]},
    {
        "role": "assistant",
        "content": "Let me see.",
        "tool_calls": [{"id": "D681PevKs", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
    },
    {"role": "tool", "tool_call_id": "D681PevKs", "content": "42"},
]  # fmt: skip


def test_we_send_what_openais_sdk_sends() -> None:
    asked: dict[str, Any] = {
        "model": "m",
        "messages": CONVERSATION,
        "tools": TOOLS,
        "tool_choice": "required",
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "response_format": {"type": "json_object"},
        "reasoning_effort": "low",
        "seed": 7,
        "stop": ["END"],
        "user": "u",
        "n": 2,
    }
    url, body, headers = _recorded(lambda handler: _client(handler).chat.completions.create(**asked))
    our_url, our_body, our_headers = _ours("openai", asked, "https://gateway.example")

    assert our_url == url
    assert our_body == body
    assert our_headers["authorization"] == headers["authorization"]
    assert our_headers["content-type"] == headers["content-type"]


def test_we_send_what_mistrals_sdk_sends() -> None:
    asked: dict[str, Any] = {
        "model": "m",
        "messages": CONVERSATION,
        "tools": TOOLS,
        "tool_choice": "required",
        "temperature": 0.5,
        "max_completion_tokens": 9,
        "response_format": {"type": "json_object"},
        "seed": 7,
        "stop": ["END"],
        "user": "u",
        "n": 2,
    }
    theirs = {name: value for name, value in asked.items() if name not in ("seed", "user", "max_completion_tokens")}
    theirs |= {"random_seed": 7, "max_tokens": 9}

    def send(handler: Handler) -> Any:
        http = httpx.Client(transport=httpx.MockTransport(handler))
        with Mistral(api_key="sk-x", server_url="https://vendor.example", client=http) as client:
            return client.chat.complete(**theirs)

    url, body, headers = _recorded(send)
    our_url, our_body, our_headers = _ours("mistral", asked, "https://vendor.example")
    # What the SDK says by default, its vendor assumes.
    said_by_default = {name: body.pop(name) for name in ("stream", "safe_prompt") if body.get(name) is False}

    assert set(said_by_default) <= {"stream", "safe_prompt"}
    assert our_url == url
    assert our_body == _without_defaults(body)
    assert our_headers["authorization"] == headers["authorization"]


def _without_defaults(body: dict[str, Any]) -> dict[str, Any]:
    """Leave out what the SDK adds to tools and messages without being asked, and means nothing."""
    for tool in body["tools"]:
        for name, default in (("strict", False), ("description", "")):
            if tool["function"].get(name) == default:
                del tool["function"][name]
    for message in body["messages"]:
        for call in message.get("tool_calls") or ():
            call.pop("index", None)
            call.setdefault("type", "function")
        if message.get("prefix") is False:
            del message["prefix"]
    return body
