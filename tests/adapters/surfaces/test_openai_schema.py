"""What clients get is valid by OpenAI's own types, as its SDK publishes them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # the library ships no types
from openai.types import Completion, CreateEmbeddingResponse, ImagesResponse, ModerationCreateResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from adapters.sse import SseSplitter
from adapters.surfaces import openai, responses
from domain.metering.usage import TokenUsage
from domain.relay.assemble import Assembler
from domain.relay.call import Surface
from domain.relay.chat import Media
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import ClientSurface, Said
from domain.relay.tasks import Embeddings, Images, MadeImage, Moderation

SAID = Said(answer_id="0123abcd", created=1700000000)
USAGE = TokenUsage(input_tokens=5, cached_input_tokens=4, output_tokens=2, reasoning_tokens=3)
NOTE = {"type": "url_citation", "url_citation": {"start_index": 0, "end_index": 1, "url": "u", "title": "t"}}
TOKEN = {"token": "Hi", "bytes": [72, 105], "logprob": -0.5, "top_logprobs": []}

CASES: dict[str, tuple[Delta, ...]] = {
    "text": (said(Piece(text="Hel")), said(Piece(text="lo", finish_reason="stop"))),
    "nothing": (),
    "cut": (said(Piece(text="Hel", finish_reason="length")),),
    "filtered": (said(Piece(finish_reason="content_filter")),),
    "thoughts": (
        said(Piece(reasoning="Hm")),
        said(Piece(signature="s")),
        said(Piece(redacted="r")),
        said(Piece(text="a")),
    ),
    "refusal": (said(Piece(refusal="No.", finish_reason="stop")),),
    "tools": (
        said(Piece(text="Let me see.")),
        said(Piece(tool=ToolDelta(index=0, call_id="a", name="f", arguments='{"x"'))),
        said(Piece(tool=ToolDelta(index=1, call_id="b", name="g"))),
        said(Piece(tool=ToolDelta(index=0, arguments=":1}", signature="s"))),
        said(Piece(finish_reason="tool_calls")),
    ),
    "sources": (said(Piece(text="Hi", annotations=(NOTE,), logprobs={"content": [TOKEN]}, finish_reason="stop")),),
    "pictures": (said(Piece(media=Media(kind="image", data="QUJD", media_type="image/png"))), said(Piece(text="see"))),
}
ASKED = {
    "stream": True,
    "temperature": 0.5,
    "metadata": {"a": "b"},
    "tool_choice": "auto",
}
CHAT = openai.SURFACE.parse(
    "chat", json.dumps({"model": "m", "messages": [1], "stream_options": {"include_usage": True}, **ASKED}).encode()
)
TEXT = openai.SURFACE.parse("completions", b'{"model":"m","prompt":"x","stream":true}')
RESPONSES = responses.SURFACE.parse(
    "chat",
    json.dumps(
        {"model": "m", "input": "x", "tools": [{"type": "function", "name": "f", "parameters": {}}], **ASKED}
    ).encode(),
)


def _strict(type_: Any, *required: str) -> Draft202012Validator:
    """Give a validator; `required` are members that OpenAI's published document demands and its SDK forgives."""
    schema = TypeAdapter(type_).json_schema()
    schema["required"] = sorted({*schema.get("required", ()), *required})
    return Draft202012Validator(schema)


def _check(validator: Draft202012Validator, value: Any) -> None:
    errors = sorted(validator.iter_errors(value), key=str)
    assert not errors, f"{errors[0].json_path}: {errors[0].message}\n{json.dumps(value)[:2000]}"


def _stream(surface: ClientSurface, call: Any, deltas: tuple[Delta, ...]) -> Iterator[Any]:
    writer = surface.writer(call, SAID)
    data = b"".join(writer.write(delta) for delta in deltas) + writer.finish(USAGE, b"tallygate charge=1")
    splitter = SseSplitter()
    for frame in [*splitter.feed(data), *splitter.finish()]:
        if frame.data and frame.data != b"[DONE]":
            yield json.loads(frame.data)


def _whole(surface: ClientSurface, call: Any, deltas: tuple[Delta, ...]) -> Any:
    assembler = Assembler()
    for delta in deltas:
        assembler.add(delta)
    return json.loads(surface.answer(call, SAID, assembler.whole(), USAGE)[0])


@pytest.mark.parametrize("case", CASES)
def test_chats_are_valid(case: str) -> None:
    chunks = list(_stream(openai.SURFACE, CHAT, CASES[case]))
    whole = _whole(openai.SURFACE, CHAT, CASES[case])
    validator = _strict(ChatCompletionChunk)

    for chunk in chunks:
        _check(validator, chunk)
        for choice in chunk["choices"]:
            assert {"delta", "finish_reason", "index", "logprobs"} <= choice.keys()
    _check(_strict(ChatCompletion, "usage"), whole)
    for choice in whole["choices"]:
        assert {"finish_reason", "index", "message", "logprobs"} <= choice.keys()
        assert {"role", "content", "refusal"} <= choice["message"].keys()


@pytest.mark.parametrize("case", CASES)
def test_completions_are_valid(case: str) -> None:
    validator = _strict(Completion)

    for chunk in _stream(openai.SURFACE, TEXT, CASES[case]):
        # The SDK's type has no word for a chunk that is not the last, OpenAI's streams do: null.
        for choice in chunk["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        _check(validator, chunk)
    _check(validator, _whole(openai.SURFACE, TEXT, CASES[case]))


@pytest.mark.parametrize("case", CASES)
def test_responses_are_valid(case: str) -> None:
    validator = _strict(ResponseStreamEvent)

    for event in _stream(responses.SURFACE, RESPONSES, CASES[case]):
        _check(validator, event)
    _check(
        _strict(Response, "error", "incomplete_details", "instructions", "metadata", "temperature", "top_p", "usage"),
        _whole(responses.SURFACE, RESPONSES, CASES[case]),
    )


@pytest.mark.parametrize(
    ("surface", "body", "result", "type_"),
    [
        ("embeddings", {"input": "x"}, Embeddings(((0.5, 1.0),)), CreateEmbeddingResponse),
        ("images", {"prompt": "x"}, Images((MadeImage(url="https://x.example/1"),)), ImagesResponse),
        ("moderations", {"input": "x"}, Moderation(()), ModerationCreateResponse),
    ],
)
def test_results_are_valid(surface: Surface, body: Any, result: Any, type_: Any) -> None:
    call = openai.SURFACE.parse(surface, json.dumps({"model": "m", **body}).encode())

    _check(_strict(type_), json.loads(openai.SURFACE.answer(call, SAID, Delta(result=result), USAGE)[0]))


def test_the_check_can_fail() -> None:
    with pytest.raises(AssertionError):
        _check(_strict(ChatCompletionChunk), {"id": "x", "choices": [{"index": 0, "delta": {"content": 5}}]})
