"""Gemini's contract as clients speak it; the vendor's own SDK reads what we write."""

import contextlib
import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects.gemini import DIALECT
from adapters.surfaces.gemini import SURFACE, SURFACE_ARRAY
from app.relay.errors import ApiError
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Media, Reasoning, ResponseFormat, Text, ToolCall, ToolChoice, ToolResult
from domain.relay.delta import FinishReason, Piece, ToolDelta, said
from domain.relay.tasks import Embeddings, EmbeddingsRequest
from tests.support.dialects import SAID, body_of, frames_of, joined, odd_json, target

HEAD: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
USAGE = TokenUsage(input_tokens=5, cached_input_tokens=7, image_input_tokens=2, output_tokens=3, reasoning_tokens=4)


def call_of(**members: Any) -> Call:
    return SURFACE.parse("chat", json.dumps(HEAD | members).encode(), model="gemini")


def canonical(**members: Any) -> ChatRequest:
    request = SURFACE.canonical(call_of(**members))
    assert isinstance(request, ChatRequest)
    return request


# ---- Reading


@pytest.mark.parametrize(
    ("members", "param"),
    [
        (
            {"generation_config": {"maxOutputTokens": 9}, "generationConfig": {"maxOutputTokens": 1}},
            "generation_config",
        ),
        ({"generationConfig": {"maxOutputTokens": 1, "max_output_tokens": 9}}, "max_output_tokens"),
        ({"generationConfig": {"candidateCount": 1, "candidate_count": 8}}, "candidate_count"),
        ({"systemInstruction": {"parts": []}, "system_instruction": {"parts": []}}, "system_instruction"),
    ],
)
def test_a_member_in_both_spellings_is_refused_for_the_vendor_might_read_the_other(
    members: dict[str, Any], param: str
) -> None:
    with pytest.raises(InvalidRequestError, match="given twice") as refused:
        call_of(**members)

    assert refused.value.param == param


def test_what_routing_needs_is_read_from_path_and_body() -> None:
    body = json.dumps(HEAD | {"generation_config": {"max_output_tokens": 9, "candidate_count": 2}, "tools": [{}]})

    call = SURFACE.parse("chat", body.encode(), model="models/gemini-x", stream=True)

    assert (call.dialect, call.model, call.stream) == ("gemini", "gemini-x", True)
    assert (call.output_tokens_max, call.n, call.has_tools) == (9, 2, True)


@pytest.mark.parametrize(
    "body", [b"{", b"[]", b'{"a":' * 5_000, b'{"generationConfig":{"maxOutputTokens":-1}}', b"\xff"]
)
def test_what_cannot_be_read_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequestError):
        SURFACE.parse("chat", body, model="m")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"contents": []}, "contents"),
        ({"contents": [{"role": "king", "parts": []}]}, "contents"),
        ({"contents": [{"parts": [{"text": 3}]}]}, "contents[0].parts[0].text"),
        ({"contents": [{"parts": [{}]}]}, "contents[0].parts[0]"),
        ({"generationConfig": {"temperature": "hot"}}, "generationConfig.temperature"),
        ({"tools": [{"functionDeclarations": [{}]}]}, "tools[0].functionDeclarations[0]"),
    ],
)
def test_broken_member_is_named(members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        canonical(**members)
    assert caught.value.param is not None
    assert caught.value.param.startswith(param)


def test_contents_are_read_into_turns() -> None:
    request = canonical(
        systemInstruction={"parts": [{"text": "s"}]},
        contents=[
            {
                "parts": [
                    {"inline_data": {"mime_type": "image/png", "data": "AA=="}},
                    {"fileData": {"fileUri": "gs://b/o"}},
                ]
            },
            {
                "role": "model",
                "parts": [
                    {"text": "hm", "thought": True, "thoughtSignature": "sig"},
                    {"functionCall": {"name": "f", "args": {"snake_case": 1}}, "thoughtSignature": "s2"},
                    {"functionCall": {"name": "f", "id": "own"}},
                ],
            },
            {
                "role": "user",
                "parts": [
                    {"functionResponse": {"name": "f", "response": {"r": 1}}},
                    {"functionResponse": {"name": "f", "response": {"r": 2}, "id": "own"}},
                    {"text": "so"},
                ],
            },
        ],
        toolConfig={"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["f"]}},
        generationConfig={
            "responseMimeType": "application/json",
            "responseSchema": {"type": "OBJECT", "properties": {"A_b": {"type": "STRING", "nullable": True}}},
            "thinkingConfig": {"thinkingBudget": 9, "includeThoughts": True},
        },
    )

    assert [message.role for message in request.messages] == ["system", "user", "assistant", "tool", "user"]
    assert request.messages[1].parts == (
        Media(kind="image", data="AA==", media_type="image/png"),
        Media(kind="file", file_id="gs://b/o"),
    )
    assert request.messages[2].parts == (
        Reasoning(text="hm", signature="sig"),
        ToolCall(call_id="call_0", name="f", arguments='{"snake_case":1}', signature="s2"),
        ToolCall(call_id="own", name="f", arguments="{}"),
    )
    assert request.messages[3].parts == (
        ToolResult(call_id="call_0", name="f", parts=(Text('{"r":1}'),)),
        ToolResult(call_id="own", name="f", parts=(Text('{"r":2}'),)),
    )
    assert request.tool_choice == ToolChoice("named", "f")
    assert request.response_format == ResponseFormat(
        kind="json_schema",
        name="answer",
        schema={"type": "object", "properties": {"A_b": {"type": ["string", "null"]}}},
    )
    assert request.reasoning is not None
    assert (request.reasoning.budget_tokens, request.reasoning.show) == (9, True)
    assert request.others == {}


def test_what_only_this_contract_has_is_kept_so_that_others_refuse_it() -> None:
    request = canonical(
        contents=[{"parts": [{"executableCode": {"language": "PYTHON", "code": "print(1)"}}]}],
        tools=[{"googleSearch": {}}],
        safetySettings=[{"category": "c", "threshold": "OFF"}],
        generationConfig={"mediaResolution": "LOW", "temperature": 1},
    )

    assert set(request.others) == {"contents[0].parts[0]", "tools", "safetySettings", "generationConfig"}
    assert request.others["generationConfig"] == {"mediaResolution": "LOW"}
    assert "print(1)" in request.messages[0].text


def test_vectors_are_asked_for_one_by_one_or_many() -> None:
    one = SURFACE.parse("embeddings", b'{"content":{"parts":[{"text":"a"}]},"outputDimensionality":3}', model="m")
    many = SURFACE.parse("embeddings", b'{"requests":[{"content":{"parts":[{"text":"a"}]},"taskType":"X"}]}', model="m")

    assert SURFACE.canonical(one) == EmbeddingsRequest(inputs=("a",), dimensions=3)
    assert SURFACE.canonical(many) == EmbeddingsRequest(inputs=("a",), task="X")
    answer = said()
    vectors = Embeddings(((0.5, 1.0),))
    assert SURFACE.answer(one, SAID, _with(answer, vectors), USAGE)[0] == b'{"embedding":{"values":[0.5,1.0]}}'
    assert SURFACE.answer(many, SAID, _with(answer, vectors), USAGE)[0] == b'{"embeddings":[{"values":[0.5,1.0]}]}'


def _with(delta: Any, result: Embeddings) -> Any:
    return type(delta)(result=result)


def test_batch_with_two_kinds_of_requests_is_refused() -> None:
    body = b'{"requests":[{"content":{"parts":[{"text":"a"}]},"title":"t"},{"content":{"parts":[{"text":"b"}]}}]}'

    with pytest.raises(InvalidRequestError, match="same task"):
        SURFACE.canonical(SURFACE.parse("embeddings", body, model="m"))


def test_count_is_answered_from_any_count() -> None:
    body = json.dumps({"generateContentRequest": {"model": "models/m", **HEAD}}).encode()
    call = SURFACE.parse("count_tokens", body, model="m")

    request = SURFACE.canonical(call)

    assert isinstance(request, ChatRequest)
    assert request.messages[0].text == "hi"
    assert SURFACE.answer(call, SAID, said(), USAGE)[0] == b'{"totalTokens":14}'


# ---- Writing

PIECES = (
    Piece(reasoning="hm"),
    Piece(signature="c2ln"),
    Piece(text="Hel"),
    Piece(text="lo"),
    Piece(media=Media(kind="image", data="iVBORw0KGgo=", media_type="image/png")),
    Piece(tool=ToolDelta(index=0, call_id="t0", name="f", arguments='{"a"', signature="c2ln")),
    Piece(tool=ToolDelta(index=1, call_id="t1", name="g")),
    Piece(tool=ToolDelta(index=0, arguments=":1}")),
    Piece(finish_reason="tool_calls"),
)


def written(pieces: tuple[Piece, ...], *, is_array: bool = False) -> bytes:
    writer = (SURFACE_ARRAY if is_array else SURFACE).writer(call_of(), SAID)
    return b"".join(writer.write(said(piece)) for piece in pieces) + writer.finish(USAGE, b"cost 1")


def sdk(status: int, body: bytes, media_type: str) -> genai.Client:
    def answer(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, content=body, headers={"content-type": media_type})

    http = httpx2.Client(transport=httpx2.MockTransport(answer))
    return genai.Client(api_key="k", http_options=types.HttpOptions(base_url="https://gateway.test", httpx_client=http))


def test_sdk_reads_our_stream_with_everything_in_it() -> None:
    client = sdk(200, written(PIECES), "text/event-stream")

    chunks = list(client.models.generate_content_stream(model="gemini", contents="hi"))

    parts = [
        part
        for chunk in chunks
        for each in chunk.candidates or []
        for part in (each.content and each.content.parts) or []
    ]
    assert [part.text for part in parts if part.thought] == ["hm"]
    assert "".join(part.text for part in parts if part.text and not part.thought) == "Hello"
    calls = [part.function_call for part in parts if part.function_call]
    assert [(call.id, call.name, call.args) for call in calls] == [("t0", "f", {"a": 1}), ("t1", "g", {})]
    assert [part.thought_signature for part in parts if part.function_call] == [b"sig", None]
    assert [part.inline_data.mime_type for part in parts if part.inline_data] == ["image/png"]
    usage = chunks[-1].usage_metadata
    assert usage is not None
    assert (usage.prompt_token_count, usage.candidates_token_count, usage.thoughts_token_count) == (14, 3, 4)
    assert (usage.cached_content_token_count, usage.total_token_count) == (7, 21)
    assert [chunk.candidates[0].finish_reason for chunk in chunks if chunk.candidates][-1] == types.FinishReason.STOP
    client.close()


def test_sdk_reads_our_whole_answer() -> None:
    body, media_type = SURFACE.answer(call_of(), SAID, joined(said(piece) for piece in PIECES), USAGE)
    client = sdk(200, body, media_type)

    answer = client.models.generate_content(
        model="gemini",
        contents="hi",
        config=types.GenerateContentConfig(
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True)
        ),
    )

    assert [call.name for call in answer.function_calls or []] == ["f", "g"]
    assert answer.model_version == "gemini"
    assert answer.candidates
    assert answer.candidates[0].finish_reason == types.FinishReason.STOP
    client.close()


def test_list_that_grows_holds_what_the_events_hold() -> None:
    events = [json.loads(frame.data) for frame in frames_of([written(PIECES)]) if frame.data]

    assert json.loads(written(PIECES, is_array=True)) == events
    assert not SURFACE_ARRAY.passes_bytes
    assert SURFACE.passes_bytes


def test_what_we_write_our_own_reader_reads_again() -> None:
    decoder = DIALECT.decoder(call_of())
    deltas = [delta for frame in frames_of([written(PIECES)]) for delta in decoder.feed(frame)]

    again = joined(deltas)

    want = joined(said(piece) for piece in PIECES)
    tools = [piece.tool for piece in again.pieces if piece.tool]
    assert [(tool.name, tool.arguments or "{}") for tool in tools] == [
        (piece.tool.name, piece.tool.arguments or "{}") for piece in want.pieces if piece.tool
    ]
    assert "".join(piece.text for piece in again.pieces) == "Hello"
    assert decoder.finish() == []


@pytest.mark.parametrize(
    ("reason", "want"), [("stop", "STOP"), ("length", "MAX_TOKENS"), ("content_filter", "SAFETY"), (None, "STOP")]
)
def test_finish_reasons_are_the_contracts(reason: FinishReason | None, want: str) -> None:
    (*_, last) = [json.loads(frame.data) for frame in frames_of([written((Piece(text="x", finish_reason=reason),))])]

    assert last["candidates"][0]["finishReason"] == want


def test_sdk_raises_what_we_refuse() -> None:
    client = sdk(429, SURFACE.error(ApiError(429, "Too fast.", type_="requests")), "application/json")

    with pytest.raises(errors.ClientError) as caught:
        client.models.generate_content(model="gemini", contents="hi")

    assert (caught.value.code, caught.value.status, caught.value.message) == (429, "RESOURCE_EXHAUSTED", "Too fast.")
    client.close()


def test_sdk_raises_on_an_error_in_mid_stream() -> None:
    writer = SURFACE.writer(call_of(), SAID)
    body = writer.write(said(Piece(text="x"))) + writer.fail(ApiError(503, "Busy.", type_="server_error"))
    client = sdk(200, body, "text/event-stream")

    with pytest.raises(errors.ServerError, match="Busy"):
        list(client.models.generate_content_stream(model="gemini", contents="hi"))
    client.close()


# ---- There and back

_texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
_said = st.builds(lambda text: {"text": text}, _texts)
_shown = st.just({"inlineData": {"mimeType": "image/gif", "data": "R0lGODlh"}})
_calls = st.builds(
    lambda name, text: {"functionCall": {"name": name, "args": {"x_y": text}, "id": "fc1"}, "thoughtSignature": "c2ln"},
    _texts,
    _texts,
)
_thoughts = st.builds(lambda text: {"text": text, "thought": True, "thoughtSignature": "c2ln"}, _texts)


@settings(max_examples=80)
@given(
    st.lists(_said | _shown, min_size=1, max_size=3),
    st.lists(_said | _calls | _thoughts, min_size=1, max_size=3),
    st.integers(1, 99),
)
def test_request_read_and_said_again_says_the_same(
    asked: list[dict[str, Any]], spoken: list[dict[str, Any]], limit: int
) -> None:
    body = {
        "systemInstruction": {"parts": [{"text": "s"}]},
        "contents": [
            {"role": "user", "parts": asked},
            {"role": "model", "parts": spoken},
            {"role": "user", "parts": asked},
        ],
        "safetySettings": [{"category": "c", "threshold": "OFF"}],
        "generationConfig": {"maxOutputTokens": limit, "mediaResolution": "LOW"},
    }
    call = call_of(**body)

    assert body_of(DIALECT.encode(call, SURFACE.canonical(call), target("gemini-2.5-flash"))) == body


@settings(max_examples=150)
@given(
    st.dictionaries(
        st.sampled_from(["contents", "systemInstruction", "tools", "toolConfig", "generationConfig"]),
        odd_json(("parts", "text", "role", "user", "functionCall", "name", "args", "inlineData", "data", "mimeType")),
    )
)
def test_odd_bodies_are_read_or_refused(members: dict[str, Any]) -> None:
    with contextlib.suppress(InvalidRequestError):
        SURFACE.canonical(call_of(**members))


@settings(max_examples=150)
@given(st.binary(max_size=200), st.integers(0, 200))
def test_random_and_cut_bytes_are_read_or_refused(noise: bytes, cut: int) -> None:
    whole = json.dumps(HEAD).encode()
    surfaces: tuple[Surface, ...] = ("chat", "count_tokens", "embeddings")
    for body in (noise, whole[:cut] + noise):
        for surface in surfaces:
            with contextlib.suppress(InvalidRequestError):
                SURFACE.canonical(SURFACE.parse(surface, body, model="m"))
