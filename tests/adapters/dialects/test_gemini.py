"""Gemini as a vendor: facts of google-genai 3.4 and of recorded answers, examples of our own."""

import base64
import json
from typing import Any

import httpx2
import pytest
from google import genai
from google.genai import errors, types
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects.gemini import DIALECT
from adapters.surfaces.gemini import SURFACE
from adapters.surfaces.gemini_chat import _camel
from adapters.wire.gemini_answers import gemini_usage
from adapters.wire.google_tasks import aspect_ratio
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import (
    AudioOutput,
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
from domain.relay.delta import Delta, UsageReport
from domain.relay.dialect import Frame, UnsupportedParameterError
from domain.relay.tasks import Embeddings, EmbeddingsRequest, Images, ImagesRequest, Speech, SpeechRequest, Upload
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

CALL = Call(surface="chat", model="gemini", output_tokens_max=400)
HI = (Message("user", (Text("hi"),)),)
SCHEMA = {
    "type": "object",
    "properties": {"n": {"$ref": "#/$defs/N"}, "s": {"type": ["string", "null"]}},
    "additionalProperties": False,
    "$defs": {"N": {"type": "integer", "minimum": 1}},
}


def chat(**members: Any) -> ChatRequest:
    return ChatRequest(**({"messages": HI} | members))


def encoded(request: ChatRequest, model: str = "gemini-2.5-flash", call: Call = CALL, **members: Any) -> Any:
    return body_of(DIALECT.encode(call, request, target(model, **members)))


def config_of(request: ChatRequest, model: str = "gemini-2.5-flash", **members: Any) -> dict[str, Any]:
    config: dict[str, Any] = encoded(request, model, **members)["generationConfig"]
    config.pop("maxOutputTokens", None)
    return config


# ---- Requests


@pytest.mark.parametrize(
    ("base_url", "stream", "model", "want"),
    [
        ("https://g.test", False, "gemini-x", "https://g.test/v1beta/models/gemini-x:generateContent"),
        ("https://g.test", True, "gemini-x", "https://g.test/v1beta/models/gemini-x:streamGenerateContent?alt=sse"),
        ("https://g.test/v1", False, "models/a b", "https://g.test/v1/models/a%20b:generateContent"),
        ("https://g.test", False, "tunedModels/t", "https://g.test/v1beta/tunedModels/t:generateContent"),
    ],
)
def test_model_and_manner_are_in_the_address(base_url: str, *, stream: bool, model: str, want: str) -> None:
    call = Call(surface="chat", model="m", stream=stream)

    sent = DIALECT.encode(call, chat(), target(model, base_url=base_url))

    assert sent.url == want
    assert sent.headers["x-goog-api-key"] == "vendor-key"


def test_whole_conversation_is_said_in_parts() -> None:
    request = chat(
        messages=(
            Message("system", (Text("Be brief."),)),
            Message("user", (Text("Look"), Media(kind="image", data="/9j/AA=="))),
            Message("user", (Media(kind="video", url="https://youtu.be/x"),)),
            Message(
                "assistant",
                (
                    Reasoning(text="hm", signature="of another vendor"),
                    Text("I look."),
                    ToolCall(call_id="call_1", name="see", arguments='{"a":1}', signature="sig"),
                    ToolCall(call_id="fc2", name="hear"),
                ),
            ),
            Message("tool", (ToolResult(call_id="fc2", parts=(Text("bang"),)),)),
            Message("tool", (ToolResult(call_id="call_1", parts=(Text('{"color":"red"}'),), is_error=False),)),
            Message("user", (Text("Well?"),)),
        ),
    )

    body = encoded(request)

    assert body["systemInstruction"] == {"parts": [{"text": "Be brief."}]}
    assert body["contents"] == [
        {
            "role": "user",
            "parts": [
                {"text": "Look"},
                {"inlineData": {"mimeType": "image/jpeg", "data": "/9j/AA=="}},
                {"fileData": {"fileUri": "https://youtu.be/x"}},
            ],
        },
        {
            "role": "model",
            "parts": [
                {"text": "I look."},
                {"functionCall": {"name": "see", "args": {"a": 1}}, "thoughtSignature": "sig"},
                {"functionCall": {"name": "hear", "args": {}, "id": "fc2"}},
            ],
        },
        {
            "role": "user",
            "parts": [
                {"functionResponse": {"name": "hear", "response": {"result": "bang"}, "id": "fc2"}},
                {"functionResponse": {"name": "see", "response": {"color": "red"}}},
                {"text": "Well?"},
            ],
        },
    ]


def test_results_of_one_turn_come_in_the_order_of_its_calls() -> None:
    messages = (
        *HI,
        Message("assistant", (ToolCall(call_id="call_a", name="a"), ToolCall(call_id="call_b", name="b"))),
        Message(
            "tool", (ToolResult(call_id="call_b"), ToolResult(call_id="call_a", parts=(Text("no"),), is_error=True))
        ),
    )

    answers = encoded(chat(messages=messages))["contents"][-1]["parts"]

    assert [each["functionResponse"]["name"] for each in answers] == ["a", "b"]
    assert answers[0]["functionResponse"]["response"] == {"error": "no"}


def test_missing_signature_is_stood_in_for_on_models_that_demand_one() -> None:
    messages = (
        *HI,
        Message("assistant", (ToolCall(call_id="call_a", name="a"), ToolCall(call_id="call_b", name="b"))),
        Message("tool", (ToolResult(call_id="call_a"),)),
    )

    said = encoded(chat(messages=messages), "gemini-3-pro-preview")["contents"][1]["parts"]
    assert said[0]["thoughtSignature"] == "skip_thought_signature_validator"
    assert "thoughtSignature" not in said[1]
    assert "thoughtSignature" not in encoded(chat(messages=messages))["contents"][1]["parts"][0]


def test_settings_are_said_under_the_vendors_names() -> None:
    request = chat(
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        stop=("END",),
        seed=7,
        n=2,
        presence_penalty=0.1,
        frequency_penalty=0.2,
        logprobs=True,
        top_logprobs=2,
        modalities=("text", "image"),
        audio=AudioOutput("Kore", "wav"),
    )

    assert config_of(request) == {
        "temperature": 0.5,
        "topP": 0.9,
        "topK": 3,
        "candidateCount": 2,
        "stopSequences": ["END"],
        "seed": 7,
        "presencePenalty": 0.1,
        "frequencyPenalty": 0.2,
        "responseLogprobs": True,
        "logprobs": 2,
        "responseModalities": ["TEXT", "IMAGE"],
        "speechConfig": {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": "Kore"}}},
    }


def test_schema_is_said_as_it_is_to_newer_models_and_as_openapi_to_older_ones() -> None:
    request = chat(response_format=ResponseFormat(kind="json_schema", schema=SCHEMA))

    assert config_of(request) == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA}
    assert config_of(request, "gemini-2.0-flash")["responseSchema"] == {
        "type": "object",
        "properties": {"n": {"type": "integer", "minimum": 1}, "s": {"type": "string", "nullable": True}},
    }


def test_schema_that_refers_to_itself_is_refused() -> None:
    schema = {"$ref": "#/$defs/A", "$defs": {"A": {"type": "array", "items": {"$ref": "#/$defs/A"}}}}

    with pytest.raises(InvalidRequestError, match="refers to itself"):
        encoded(chat(response_format=ResponseFormat(kind="json_schema", schema=schema)), "gemini-2.0-flash")


@pytest.mark.parametrize(
    ("choice", "want"),
    [
        (None, None),
        (ToolChoice("auto"), {"mode": "AUTO"}),
        (ToolChoice("none"), {"mode": "NONE"}),
        (ToolChoice("required"), {"mode": "ANY"}),
        (ToolChoice("named", "f"), {"mode": "ANY", "allowedFunctionNames": ["f"]}),
    ],
)
def test_tools_are_declared_and_chosen(choice: ToolChoice | None, want: dict[str, Any] | None) -> None:
    tools = (
        Tool(name="f", description="d", parameters=SCHEMA),
        Tool(name="g", parameters={"type": "object", "properties": {}}),
    )
    body = encoded(chat(tools=tools, tool_choice=choice))

    assert body.get("toolConfig") == (None if want is None else {"functionCallingConfig": want})
    assert body["tools"] == [
        {"functionDeclarations": [{"name": "f", "description": "d", "parametersJsonSchema": SCHEMA}, {"name": "g"}]}
    ]


@pytest.mark.parametrize(
    ("model", "options", "want"),
    [
        ("gemini-2.5-flash", {"effort": "none"}, {"thinkingBudget": 0}),
        ("gemini-2.5-pro", {"effort": "none"}, {"thinkingBudget": 128}),
        ("gemini-2.5-flash", {"effort": "low"}, {"thinkingBudget": 1_024, "includeThoughts": True}),
        ("gemini-2.5-flash", {"budget_tokens": -1, "show": False}, {"thinkingBudget": -1, "includeThoughts": False}),
        ("gemini-2.5-flash", {"budget_tokens": 99_999}, {"thinkingBudget": 24_576, "includeThoughts": True}),
        ("gemini-3-pro-preview", {"effort": "xhigh"}, {"thinkingLevel": "high", "includeThoughts": True}),
        ("gemini-3.1-flash", {"budget_tokens": 4_000}, {"thinkingLevel": "medium", "includeThoughts": True}),
        ("gemini-3-flash", {"effort": "none"}, {"thinkingLevel": "minimal"}),
    ],
)
def test_effort_and_budget_become_what_the_model_takes(
    model: str, options: dict[str, Any], want: dict[str, Any]
) -> None:
    assert config_of(chat(reasoning=ReasoningOptions(**options)), model)["thinkingConfig"] == want


def test_safety_is_the_channels_choice_and_search_the_clients() -> None:
    body = encoded(chat(others={"web_search_options": {}}), options={"safety": "BLOCK_NONE"})

    assert {each["threshold"] for each in body["safetySettings"]} == {"BLOCK_NONE"}
    assert body["tools"] == [{"googleSearch": {}}]


def test_model_without_system_role_gets_it_in_the_first_turn() -> None:
    messages = (Message("system", (Text("Be brief."),)), *HI)

    body = encoded(chat(messages=messages), "gemma-3-27b-it")

    assert "systemInstruction" not in body
    assert body["contents"] == [{"role": "user", "parts": [{"text": "Be brief."}, {"text": "hi"}]}]


@pytest.mark.parametrize(
    ("members", "model", "param"),
    [
        ({"logit_bias": {"1": 2.0}}, "gemini-2.5-flash", "logit_bias"),
        ({"parallel_tool_calls": False}, "gemini-2.5-flash", "parallel_tool_calls"),
        ({"others": {"verbosity": "low"}}, "gemini-2.5-flash", "verbosity"),
        ({"reasoning": ReasoningOptions(effort="low")}, "gemini-2.0-flash", "reasoning_effort"),
    ],
)
def test_what_the_vendor_cannot_do_is_refused_or_dropped(members: dict[str, Any], model: str, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        encoded(chat(**members), model)
    assert caught.value.param == param

    assert set(encoded(chat(**members), model, drops_unsupported=True)) == {"contents", "generationConfig"}


def test_address_that_the_vendor_does_not_read_must_be_fetched_first() -> None:
    image = Media(kind="image", url="https://files.test/a.png")

    assert DIALECT.must_fetch(image)
    assert not DIALECT.must_fetch(Media(kind="video", url="https://youtu.be/x"))
    assert not DIALECT.must_fetch(Media(kind="image", data="AA=="))
    with pytest.raises(UnsupportedParameterError, match="base64"):
        encoded(chat(messages=(Message("user", (image,)),)))


# ---- The SDK as an oracle


def sent_by_sdk(**arguments: Any) -> dict[str, Any]:
    """Give what the vendor's own SDK sends for a call."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(400, json={"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT"}})

    with httpx2.Client(transport=httpx2.MockTransport(answer)) as http:
        options = types.HttpOptions(base_url="https://vendor.test", api_version="v1beta", httpx_client=http)  # type: ignore[call-arg, unused-ignore]
        client = genai.Client(api_key="vendor-key", http_options=options)
        with pytest.raises(errors.ClientError):
            client.models.generate_content(**arguments)
    assert seen[0].headers["x-goog-api-key"] == "vendor-key"
    body: dict[str, Any] = json.loads(seen[0].content)
    return body | {"url": str(seen[0].url)}


def test_what_the_sdk_sends_and_what_we_send_for_the_same_call_is_equal() -> None:
    theirs = sent_by_sdk(
        model="gemini-2.5-flash",
        contents=[
            types.Content(
                role="user",
                parts=[types.Part(text="hi"), types.Part.from_bytes(data=b"\x89PNG", mime_type="image/png")],
            ),
            types.Content(
                role="model",
                parts=[
                    types.Part(
                        function_call=types.FunctionCall(name="see", args={"a_b": 1}, id="fc1"),
                        thought_signature=b"signature",
                    )
                ],
            ),
            types.Content(
                role="user",
                parts=[types.Part(function_response=types.FunctionResponse(name="see", response={"x_y": 2}, id="fc1"))],
            ),
        ],
        config=types.GenerateContentConfig(
            system_instruction="Be brief.",
            temperature=0.5,
            top_p=0.9,
            max_output_tokens=99,
            stop_sequences=["END"],
            seed=3,
            response_mime_type="application/json",
            response_json_schema={"type": "object"},
            thinking_config=types.ThinkingConfig(thinking_budget=128, include_thoughts=True),
            safety_settings=[
                types.SafetySetting(
                    category=types.HarmCategory.HARM_CATEGORY_HARASSMENT,
                    threshold=types.HarmBlockThreshold.BLOCK_NONE,
                )
            ],
            tools=[
                types.Tool(
                    function_declarations=[
                        types.FunctionDeclaration(
                            name="see",
                            description="d",
                            parameters_json_schema={"type": "object", "properties": {"a_b": {}}},
                        )
                    ]
                )
            ],
            tool_config=types.ToolConfig(
                function_calling_config=types.FunctionCallingConfig(
                    mode=types.FunctionCallingConfigMode.ANY, allowed_function_names=["see"]
                )
            ),
            automatic_function_calling=types.AutomaticFunctionCallingConfig(disable=True),
        ),
    )
    url = theirs.pop("url")
    theirs["systemInstruction"].pop("role", None)
    call = SURFACE.parse("chat", json.dumps(theirs).encode(), model="gemini-2.5-flash")

    ours = DIALECT.encode(call, SURFACE.canonical(call), target("gemini-2.5-flash"))

    # The SDK mixes both ways of writing names, which the vendor takes for the same.
    assert body_of(ours) == _camel(theirs)
    assert ours.url == url
    assert DIALECT.encode_native(call, target("gemini-2.5-flash")).body == call.body


def test_native_body_gets_a_lowered_limit_and_keeps_everything_else() -> None:
    config = b'"generation_config":{"max_output_tokens":90,"newer":1}'
    body = b'{"contents":[{"parts":[{"text":"h\\u00e9"}]}],' + config + b',"x":{"a" : 1}}'
    call = SURFACE.parse("chat", body, model="gemini", stream=True)

    sent = DIALECT.encode_native(call, target("gemini-x", output_tokens_max=50))

    assert sent.url.endswith("/models/gemini-x:streamGenerateContent?alt=sse")
    assert b'"x":{"a" : 1}' in sent.body
    assert body_of(sent)["generation_config"] == {"newer": 1, "maxOutputTokens": 50}


def test_model_is_renamed_where_a_native_body_names_it_again() -> None:
    body = b'{"requests":[{"model":"models/mine","content":{"parts":[{"text":"a"}]}}]}'
    call = SURFACE.parse("embeddings", body, model="mine")

    sent = DIALECT.encode_native(call, target("gemini-embedding"))

    assert sent.url.endswith("/models/gemini-embedding:batchEmbedContents")
    assert body_of(sent)["requests"][0]["model"] == "models/gemini-embedding"


# ---- Answers and streams


def event(parts: list[dict[str, Any]] | None, usage: dict[str, Any], **members: Any) -> bytes:
    candidate: dict[str, Any] = {"index": 0, **members}
    if parts is not None:
        candidate["content"] = {"role": "model", "parts": parts}
    body = {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "gemini-x", "responseId": "r1"}
    return f"data: {json.dumps(body)}\r\n\r\n".encode()


STREAM = b"".join(
    (
        event(
            [{"text": "hm", "thought": True}], {"promptTokenCount": 9, "thoughtsTokenCount": 5, "totalTokenCount": 14}
        ),
        event(
            [{"text": "Hel"}],
            {"promptTokenCount": 9, "candidatesTokenCount": 1, "thoughtsTokenCount": 5, "totalTokenCount": 15},
        ),
        event(
            [
                {"text": "lo \u4f60"},
                {"functionCall": {"name": "f", "args": {"a": 1}}, "thoughtSignature": "sig"},
                {"functionCall": {"name": "g", "id": "fc2"}},
                {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
            ],
            {"promptTokenCount": 9, "candidatesTokenCount": 20, "thoughtsTokenCount": 5, "totalTokenCount": 34},
        ),
        event(
            [{"text": ""}],
            {
                "promptTokenCount": 9,
                "candidatesTokenCount": 23,
                "thoughtsTokenCount": 5,
                "cachedContentTokenCount": 4,
                "totalTokenCount": 37,
            },
            finishReason="STOP",
            groundingMetadata={"groundingChunks": [{"web": {"uri": "https://a.test", "title": "A"}}]},
        ),
    )
)


def test_stream_is_read_with_everything_in_it() -> None:
    deltas = read_stream(DIALECT, CALL, STREAM)
    pieces = joined(deltas).pieces

    assert "".join(piece.reasoning for piece in pieces) == "hm"
    assert "".join(piece.text for piece in pieces) == "Hello 你"
    tools = [piece.tool for piece in pieces if piece.tool is not None]
    assert [(tool.index, tool.name, tool.arguments, tool.signature) for tool in tools] == [
        (0, "f", '{"a":1}', "sig"),
        (1, "g", "{}", ""),
    ]
    assert tools[0].call_id.startswith("call_")
    assert tools[1].call_id == "fc2"
    assert [piece.media.media_type for piece in pieces if piece.media is not None] == ["image/png"]
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["tool_calls"]
    assert any(piece.annotations for piece in pieces)


def test_last_usage_counts_and_is_a_partition() -> None:
    tally = tally_of(read_stream(DIALECT, CALL, STREAM))

    assert tally.last is not None
    assert classes(tally.last.usage) == {
        "input_tokens": 5,
        "cached_input_tokens": 4,
        "output_tokens": 23,
        "reasoning_tokens": 5,
    }
    assert tally.last.vendor_total == 37
    assert tally.flags == ()


def test_passing_through_reports_the_same() -> None:
    deltas = [DIALECT.decode_native(frame) for frame in frames_of([STREAM])]

    assert tally_of(deltas).last == tally_of(read_stream(DIALECT, CALL, STREAM)).last
    assert "".join(delta.text for delta in deltas) == 'hmHello 你f{"a":1}g{}'
    assert not any(delta.pieces for delta in deltas)


def test_any_split_of_the_stream_gives_the_same() -> None:
    split_everywhere(STREAM)


def test_stream_without_a_reason_to_stop_was_cut_off() -> None:
    cut = STREAM[: STREAM.index(b"\r\n\r\n") + 4]

    (*_, last) = read_stream(DIALECT, CALL, cut)

    assert last.error is not None
    assert last.error.vendor_code == "stream_cut_off"


def test_error_in_mid_stream_is_read_in_any_framing() -> None:
    body = {"error": {"code": 503, "message": "m", "status": "UNAVAILABLE"}}
    for text in (json.dumps(body), json.dumps([body])):
        for stream in (f"data: {text}\n\n", text):
            errors_found = [delta.error for delta in read_stream(DIALECT, CALL, stream.encode()) if delta.error]
            assert [error.kind for error in errors_found] == ["overloaded"]


def test_model_has_the_clients_name_in_what_passes_through() -> None:
    frame = frames_of([STREAM])[0]

    assert json.loads(DIALECT.rewrite_frame(frame, Delta(), CALL, "gemini-x") or b"")["modelVersion"] == "gemini"
    assert DIALECT.rewrite_frame(frame, Delta(), CALL, "gemini") is frame.data


def test_blocked_prompt_is_an_error_of_the_clients() -> None:
    delta = DIALECT.decode(
        b'{"promptFeedback":{"blockReason":"SAFETY"},"usageMetadata":{"promptTokenCount":3}}', {}, CALL
    )

    assert delta.error is not None
    assert (delta.error.kind, delta.error.vendor_code) == ("content", "content_filter")
    assert not delta.error.is_retryable


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("SAFETY", "content_filter"),
        ("IMAGE_SAFETY", "content_filter"),
        ("MALFORMED_FUNCTION_CALL", "stop"),
        ("A_FILTER_OF_TOMORROW", "content_filter"),
    ],
)
def test_finish_reasons(reason: str, want: str) -> None:
    body = {"candidates": [{"content": {"parts": [{"text": "x"}]}, "finishReason": reason}]}

    assert DIALECT.decode(json.dumps(body).encode(), {}, CALL).finish_reason == want


def test_code_that_the_vendor_ran_is_shown_as_text() -> None:
    parts = [
        {"executableCode": {"language": "PYTHON", "code": "print(1)"}},
        {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": "1"}},
    ]
    body = {"candidates": [{"content": {"parts": parts}, "finishReason": "STOP"}]}

    delta = DIALECT.decode(json.dumps(body).encode(), {}, CALL)

    assert joined([delta]).pieces[0].text == "\n```python\nprint(1)\n```\n\n```\n1\n```\n"


def test_logprobs_are_given_in_the_canonical_form() -> None:
    result = {
        "chosenCandidates": [{"token": "a", "logProbability": -0.5}],
        "topCandidates": [{"candidates": [{"token": "b", "logProbability": -2}]}],
    }
    body = {"candidates": [{"content": {"parts": [{"text": "a"}]}, "finishReason": "STOP", "logprobsResult": result}]}

    (found,) = [
        piece.logprobs for piece in DIALECT.decode(json.dumps(body).encode(), {}, CALL).pieces if piece.logprobs
    ]

    assert found["content"] == [
        {
            "token": "a",
            "logprob": -0.5,
            "bytes": [97],
            "top_logprobs": [{"token": "b", "logprob": -2.0, "bytes": [98]}],
        }
    ]


# ---- Usage


def test_media_have_classes_of_their_own_and_the_cached_part_of_them_is_cached() -> None:
    report = gemini_usage(
        {
            "promptTokenCount": 100,
            "toolUsePromptTokenCount": 10,
            "candidatesTokenCount": 50,
            "thoughtsTokenCount": 7,
            "cachedContentTokenCount": 30,
            "totalTokenCount": 167,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": 20},
                {"modality": "IMAGE", "tokenCount": 60},
                {"modality": "AUDIO", "tokenCount": 20},
            ],
            "cacheTokensDetails": [{"modality": "IMAGE", "tokenCount": 30}],
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 40}],
        }
    )

    assert report is not None
    assert classes(report.usage) == {
        "input_tokens": 30,
        "cached_input_tokens": 30,
        "image_input_tokens": 30,
        "audio_input_tokens": 20,
        "output_tokens": 10,
        "reasoning_tokens": 7,
        "image_output_tokens": 40,
    }
    assert report.flags == ()


_counts = st.integers(0, 10**6)


@given(prompt=_counts, tools=_counts, spoken=_counts, thoughts=_counts, cached=_counts, image=_counts)
def test_classes_sum_to_the_vendors_total(
    *, prompt: int, tools: int, spoken: int, thoughts: int, cached: int, image: int
) -> None:
    total = prompt + tools + spoken + thoughts
    report = gemini_usage(
        {
            "promptTokenCount": prompt,
            "toolUsePromptTokenCount": tools,
            "candidatesTokenCount": spoken,
            "thoughtsTokenCount": thoughts,
            "cachedContentTokenCount": cached,
            "totalTokenCount": total,
            "promptTokensDetails": [{"modality": "IMAGE", "tokenCount": image}],
        }
    )

    assert report is not None
    assert report.usage is not None
    assert report.usage.total == total == report.vendor_total
    assert report.usage.reasoning_tokens == thoughts
    assert "total_mismatch" not in report.flags


# ---- Errors


def google(code: int, status: str, message: str, *details: dict[str, Any]) -> bytes:
    return json.dumps({"error": {"code": code, "message": message, "status": status, "details": details}}).encode()


RETRY = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.5s"}
DAILY = {"@type": "…QuotaFailure", "violations": [{"quotaId": "GenerateRequestsPerDayPerProject"}]}


@pytest.mark.parametrize(
    ("status", "body", "kind", "code", "retry"),
    [
        (400, google(400, "INVALID_ARGUMENT", "bad", {"reason": "API_KEY_INVALID"}), "auth", "invalid_argument", None),
        (400, google(400, "INVALID_ARGUMENT", "bad field"), "bad_request", None, None),
        (
            400,
            google(
                400, "INVALID_ARGUMENT", "The input token count (9) exceeds the maximum number of tokens allowed (8)."
            ),
            "bad_request",
            "context_length_exceeded",
            None,
        ),
        (
            400,
            google(400, "FAILED_PRECONDITION", "User location is not supported"),
            "auth",
            "failed_precondition",
            None,
        ),
        (403, google(403, "PERMISSION_DENIED", "no"), "auth", "permission_denied", None),
        (404, google(404, "NOT_FOUND", "models/x"), "not_found", "not_found", None),
        (429, google(429, "RESOURCE_EXHAUSTED", "quota", RETRY), "rate_limit", "resource_exhausted", 34.5),
        (429, google(429, "RESOURCE_EXHAUSTED", "quota", DAILY, RETRY), "quota", "daily_quota", 34.5),
        (429, b"[" + google(429, "RESOURCE_EXHAUSTED", "quota") + b"]", "rate_limit", "resource_exhausted", 3.0),
        (499, google(499, "CANCELLED", "x"), "server", "cancelled", None),
        (500, google(500, "INTERNAL", "x"), "server", "internal", None),
        (503, google(503, "UNAVAILABLE", "x"), "overloaded", "unavailable", None),
        (504, google(504, "DEADLINE_EXCEEDED", "x"), "timeout", "deadline_exceeded", None),
        (502, b"<html>", "server", None, None),
    ],
)
def test_errors_are_told_apart(status: int, body: bytes, kind: str, code: str | None, retry: float | None) -> None:
    headers = {"retry-after": "3"} if retry == 3.0 else {}

    error = DIALECT.decode_error(status, headers, body)

    assert (error.kind, error.vendor_code, error.retry_after_seconds) == (kind, code, retry)


def test_key_quoted_in_an_error_is_not_passed_on() -> None:
    body = google(400, "INVALID_ARGUMENT", "the key vendor-key is odd")

    assert "vendor-key" not in DIALECT.decode_error(400, {}, body, secrets=("vendor-key",)).message


# ---- Calls that are no chats


def test_texts_become_vectors_one_request_each() -> None:
    call = Call(surface="embeddings", model="m")
    request = EmbeddingsRequest(inputs=("a", "b"), dimensions=3, task="RETRIEVAL_QUERY")

    sent = DIALECT.encode(call, request, target("gemini-embedding-001"))

    assert sent.url.endswith("/models/gemini-embedding-001:batchEmbedContents")
    assert body_of(sent)["requests"][1] == {
        "model": "models/gemini-embedding-001",
        "content": {"parts": [{"text": "b"}]},
        "taskType": "RETRIEVAL_QUERY",
        "outputDimensionality": 3,
    }
    delta = DIALECT.decode(b'{"embeddings":[{"values":[1,0.5]},{"values":[0,1]}]}', {}, call)
    assert delta.result == Embeddings(((1.0, 0.5), (0.0, 1.0)))
    assert delta.report is None
    one = DIALECT.decode(b'{"embedding":{"values":[1]},"usageMetadata":{"promptTokenCount":4}}', {}, call)
    assert one.usage == TokenUsage(input_tokens=4)


def test_tokens_are_counted_for_a_whole_request() -> None:
    call = Call(surface="count_tokens", model="m")

    sent = DIALECT.encode(call, chat(), target("gemini-x"))

    assert sent.url.endswith("/models/gemini-x:countTokens")
    assert body_of(sent)["generateContentRequest"]["model"] == "models/gemini-x"
    usage = DIALECT.decode(b'{"totalTokens":9,"cachedContentTokenCount":4}', {}, call).usage
    assert usage == TokenUsage(input_tokens=5, cached_input_tokens=4)


def test_imagen_predicts_images() -> None:
    call = Call(surface="images", model="m")

    sent = DIALECT.encode(call, ImagesRequest(prompt="a cat", n=2, size="1024x1792"), target("imagen-4.0"))

    assert sent.url.endswith("/models/imagen-4.0:predict")
    assert body_of(sent) == {
        "instances": [{"prompt": "a cat"}],
        "parameters": {"sampleCount": 2, "aspectRatio": "9:16"},
    }
    answer = b'{"predictions":[{"mimeType":"image/png","bytesBase64Encoded":"AA=="},{"raiFilteredReason":"x"}]}'
    result = DIALECT.decode(answer, {}, call).result
    assert isinstance(result, Images)
    assert [image.data for image in result.images] == ["AA=="]
    filtered = DIALECT.decode(b'{"predictions":[{"raiFilteredReason":"x"}]}', {}, call)
    assert filtered.error is not None
    assert filtered.error.kind == "content"


def test_image_model_makes_and_changes_images_in_a_chat() -> None:
    call = Call(surface="image_edits", model="m")
    request = ImagesRequest(prompt="blue", images=(Upload("a.png", "image/png", b"\x89"),))

    body = body_of(DIALECT.encode(call, request, target("gemini-2.5-flash-image")))

    assert body["contents"][0]["parts"] == [{"inlineData": {"mimeType": "image/png", "data": "iQ=="}}, {"text": "blue"}]
    answer = {
        "candidates": [
            {"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "AA=="}}]}, "finishReason": "STOP"}
        ],
        "usageMetadata": {
            "promptTokenCount": 3,
            "candidatesTokenCount": 90,
            "totalTokenCount": 93,
            "candidatesTokensDetails": [{"modality": "IMAGE", "tokenCount": 90}],
        },
    }
    delta = DIALECT.decode(json.dumps(answer).encode(), {}, call)
    assert delta.usage == TokenUsage(input_tokens=3, image_output_tokens=90, images=1)


@pytest.mark.parametrize(
    ("size", "want"), [("", None), ("auto", None), ("1024x1024", "1:1"), ("1792x1024", "16:9"), ("3:4", "3:4")]
)
def test_sizes_become_the_nearest_ratio(size: str, want: str | None) -> None:
    assert aspect_ratio(size) == want


@pytest.mark.parametrize("size", ["big", "1x0", "x", "1x999999999999"])
def test_what_is_no_size_is_refused(size: str) -> None:
    with pytest.raises(InvalidRequestError):
        aspect_ratio(size)


def test_speech_gets_a_header_that_players_know() -> None:
    call = Call(surface="speech", model="m")
    sent = body_of(DIALECT.encode(call, SpeechRequest(text="hi", voice="Kore", format="wav"), target("gemini-tts")))
    assert sent["generationConfig"]["speechConfig"]["voiceConfig"]["prebuiltVoiceConfig"]["voiceName"] == "Kore"

    samples = base64.b64encode(b"\x01\x02").decode()
    sound = {"inlineData": {"mimeType": "audio/L16;codec=pcm;rate=16000", "data": samples}}
    answer = json.dumps({"candidates": [{"content": {"parts": [sound]}, "finishReason": "STOP"}]}).encode()
    result = DIALECT.decode(answer, {}, call).result
    assert isinstance(result, Speech)
    assert result.media_type == "audio/wav"
    assert result.content[:4] == b"RIFF"
    assert int.from_bytes(result.content[24:28], "little") == 16_000
    assert result.content[-2:] == b"\x01\x02"
    with pytest.raises(UnsupportedParameterError):
        DIALECT.encode(call, SpeechRequest(text="hi", voice="Kore"), target("gemini-tts"))


def test_models_are_listed() -> None:
    assert DIALECT.models_request(target("m")).url == "https://vendor.test/v1beta/models?pageSize=1000"
    assert DIALECT.decode_models(b'{"models":[{"name":"models/gemini-x"},3]}') == ("gemini-x",)


# ---- Nothing that a vendor sends raises

NAMES = (
    "candidates",
    "content",
    "parts",
    "text",
    "thought",
    "thoughtSignature",
    "functionCall",
    "name",
    "args",
    "id",
    "inlineData",
    "mimeType",
    "data",
    "finishReason",
    "STOP",
    "index",
    "usageMetadata",
    "promptTokenCount",
    "totalTokenCount",
    "promptTokensDetails",
    "tokenCount",
    "error",
    "details",
    "retryDelay",
    "status",
    "predictions",
    "embeddings",
    "values",
    "statistics",
    "token_count",
    "groundingMetadata",
    "logprobsResult",
    "chosenCandidates",
)


@settings(max_examples=150)
@given(st.lists(odd_json(NAMES), max_size=4))
def test_odd_answers_raise_nothing(found: list[Any]) -> None:
    frames = [Frame(json.dumps(each).encode()) for each in found]

    for delta in [*read_frames(DIALECT.decoder(CALL), frames), *map(DIALECT.decode_native, frames)]:
        assert delta.usage is None or delta.usage.total >= 0
    for frame in frames:
        for surface in ("chat", "embeddings", "images", "speech", "count_tokens"):
            DIALECT.decode(frame.data, {}, Call(surface=surface, model="m"))
        DIALECT.decode_error(400, {}, frame.data)
        DIALECT.rewrite_body(frame.data, CALL, "other")


@settings(max_examples=150)
@given(st.binary(max_size=300), st.integers(0, len(STREAM)))
def test_random_bytes_and_cut_streams_raise_nothing(noise: bytes, cut: int) -> None:
    for stream in (noise, STREAM[:cut] + noise):
        read_stream(DIALECT, CALL, stream)
    for surface in ("chat", "embeddings", "images", "speech", "count_tokens"):
        DIALECT.decode(noise, {}, Call(surface=surface, model="m"))
    DIALECT.decode_error(500, {}, noise)


def _grounded(model: str, *queries: list[str]) -> bytes:
    return json.dumps(
        {
            "candidates": [
                {
                    "index": number,
                    "content": {"parts": [{"text": "Found"}]},
                    "finishReason": "STOP",
                    "groundingMetadata": {"webSearchQueries": asked},
                }
                for number, asked in enumerate(queries)
            ],
            "usageMetadata": {"promptTokenCount": 3, "candidatesTokenCount": 2, "totalTokenCount": 5},
            "modelVersion": model,
        }
    ).encode()


@pytest.mark.parametrize(
    ("model", "queries", "searches"),
    [
        ("gemini-2.5-flash", (["a", "b"],), 1),
        ("gemini-2.5-flash", (["a"], ["b"]), 1),
        ("gemini-2.5-flash", ([],), 0),
        ("gemini-3-pro-preview", (["a", "b", " "],), 2),
        ("gemini-3.1-pro-preview", (["a"], ["b", "c"]), 3),
        # A name that says nothing of its generation is a newer one's.
        ("gemini-flash-latest", (["a", "b"],), 2),
    ],
)
def test_grounding_is_counted_by_the_prompt_until_generation_2_and_by_the_query_after(
    model: str, queries: tuple[list[str], ...], searches: int
) -> None:
    body = _grounded(model, *queries)

    for delta in (DIALECT.decode(body, {}, CALL), DIALECT.decode_native(Frame(body))):
        assert delta.usage == TokenUsage(input_tokens=3, output_tokens=2, searches=searches)


def test_searches_told_in_the_midst_of_a_stream_are_kept_to_its_end() -> None:
    frames = [Frame(_grounded("gemini-3-pro-preview", ["a", "b"])), Frame(_grounded("gemini-3-pro-preview", []))]

    assert tally_of([DIALECT.decode_native(frame) for frame in frames]).last == UsageReport(
        TokenUsage(input_tokens=3, output_tokens=2, searches=2), vendor_total=5
    )
