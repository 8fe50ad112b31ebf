"""Bedrock's Converse: facts of botocore 1.44.5 and its service model, examples of our own.

The signatures were made by botocore's SigV4Auth at 1700000000 and computed again with the standard library.
"""

import json
from typing import Any

import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.session import Session
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.aws_event_stream import AwsEventSplitter
from adapters.dialects.bedrock import DIALECT
from adapters.dialects.bedrock.answers import converse_usage
from adapters.dialects.bedrock.signing import Access, access_of, signed
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
from domain.relay.dialect import Frame, Target, UnsupportedParameterError
from domain.relay.tasks import Embeddings, EmbeddingsRequest
from domain.relay.vendor_errors import VendorError
from tests.support.aws_frames import event, exception
from tests.support.dialects import (
    NOW,
    body_of,
    classes,
    joined,
    odd_json,
    read_frames,
    read_stream,
    split_everywhere,
    tally_of,
    target,
)

CALL = Call(surface="chat", model="claude", output_tokens_max=400)
STREAMED = Call(surface="chat", model="claude", stream=True)
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
KEY = f"AKIDEXAMPLE|{SECRET}"
BASE = "https://bedrock-runtime.{region}.amazonaws.com"
MODEL = "anthropic.claude-3-haiku-20240307-v1:0"
NEWER = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
HI = (Message("user", (Text("hi"),)),)
BODY = b'{"messages":[{"role":"user","content":[{"text":"hi"}]}]}'


def place(model: str = MODEL, **members: Any) -> Target:
    return target(model, **({"base_url": BASE, "key": KEY} | members))


def chat(**members: Any) -> ChatRequest:
    return ChatRequest(**({"messages": HI} | members))


def encoded(request: ChatRequest, model: str = MODEL, call: Call = CALL, **members: Any) -> Any:
    return body_of(DIALECT.encode(call, request, place(model, **members)))


# ---- Signatures


@pytest.mark.parametrize(
    ("path", "token", "want"),
    [
        (
            "anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            "",
            "f3d6d99174c5c136e56301120e346b8f19a8ba4e9f9845095fa8047a2f730141",
        ),
        (
            "anthropic.claude-3-haiku-20240307-v1%3A0/converse",
            "SESSIONTOKENEXAMPLE",
            "722a480c79efd1424b6f7b03482a9e9799296037e08e3d07074bf36d1b2ceffd",
        ),
        (
            "us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/invoke-with-response-stream",
            "",
            "540bb5df59ebd5304ef37ea5bbac7f0cf467598c8e4d3ffda9f3b95df04fe646",
        ),
    ],
)
def test_signatures_are_those_of_the_vectors(path: str, token: str, want: str) -> None:
    access = Access(region="us-east-1", key_id="AKIDEXAMPLE", secret=SECRET, session_token=token)

    headers = signed(f"https://bedrock-runtime.us-east-1.amazonaws.com/model/{path}", BODY, access, NOW)

    signed_headers = "content-type;host;x-amz-date" + (";x-amz-security-token" if token else "")
    assert headers["Authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20231114/us-east-1/bedrock/aws4_request, "
        f"SignedHeaders={signed_headers}, Signature={want}"
    )
    assert headers["X-Amz-Date"] == "20231114T221320Z"
    assert headers.get("X-Amz-Security-Token", "") == token


def test_call_without_settings_is_the_vector_itself() -> None:
    sent = DIALECT.encode(Call(surface="chat", model="m"), chat(), place())

    assert sent.body == BODY
    assert sent.url == (
        "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-3-haiku-20240307-v1%3A0/converse"
    )
    assert sent.headers["Authorization"].endswith("f3d6d99174c5c136e56301120e346b8f19a8ba4e9f9845095fa8047a2f730141")


@pytest.mark.parametrize(
    ("key", "options", "base_url", "want"),
    [
        ("ABSKkey", {}, BASE, Access(region="us-east-1", bearer="ABSKkey")),
        ("ABSKkey|eu-west-1", {}, BASE, Access(region="eu-west-1", bearer="ABSKkey")),
        ("AK|SK", {"region": "eu-west-3"}, BASE, Access(region="eu-west-3", key_id="AK", secret="SK")),
        (
            "AK|SK",
            {},
            "https://bedrock-runtime.us-west-2.amazonaws.com",
            Access(region="us-west-2", key_id="AK", secret="SK"),
        ),
        ("AK|SK|ap-south-1", {"region": "x"}, BASE, Access(region="ap-south-1", key_id="AK", secret="SK")),
        (
            "AK|SK|us-gov-west-1|tok",
            {},
            BASE,
            Access(region="us-gov-west-1", key_id="AK", secret="SK", session_token="tok"),
        ),
    ],
)
def test_keys_are_read_in_every_form(key: str, options: dict[str, str], base_url: str, want: Access) -> None:
    assert access_of(place(key=key, options=options, base_url=base_url)) == want


@pytest.mark.parametrize("key", ["", "|", "AK|", "|SK", "a|b|c|d|e"])
def test_malformed_key_speaks_against_the_channel(key: str) -> None:
    with pytest.raises(VendorError) as caught:
        DIALECT.encode(CALL, chat(), place(key=key))
    assert (caught.value.kind, caught.value.vendor_code) == ("auth", "malformed_key")


def test_api_key_is_sent_as_a_bearer_to_the_keys_region() -> None:
    sent = DIALECT.encode(STREAMED, chat(), place("arn:aws:bedrock:eu:1:profile/x", key="ABSKkey|eu-west-1"))

    assert sent.headers["Authorization"] == "Bearer ABSKkey"
    assert sent.url == (
        "https://bedrock-runtime.eu-west-1.amazonaws.com/model/"
        "arn%3Aaws%3Abedrock%3Aeu%3A1%3Aprofile%2Fx/converse-stream"
    )


@pytest.mark.parametrize("base_url", [BASE, "https://bedrock-runtime.us-east-1.amazonaws.com"])
def test_vendors_own_address_is_the_one_of_the_credentials_region(base_url: str) -> None:
    sent = DIALECT.encode(CALL, chat(), place(key=f"{KEY}|eu-west-2", base_url=base_url))

    assert sent.url.startswith("https://bedrock-runtime.eu-west-2.amazonaws.com/model/")
    assert "/eu-west-2/bedrock/aws4_request" in sent.headers["Authorization"]
    elsewhere = DIALECT.encode(CALL, chat(), place(key=f"{KEY}|eu-west-2", base_url="https://vpc.test"))
    assert elsewhere.url.startswith("https://vpc.test/model/")


# ---- Requests


def test_whole_conversation_is_said_in_blocks() -> None:
    request = chat(
        messages=(
            Message("system", (Text("Be brief.", "1h"),)),
            Message(
                "user",
                (
                    Text("Look", "5m"),
                    Media(kind="image", data="iVBORw0KGgoA"),
                    Media(kind="file", data="AA==", media_type="text/csv", name="räume & co.csv"),
                    Media(kind="video", file_id="s3://b/v", media_type="video/mp4"),
                ),
            ),
            Message(
                "assistant",
                (
                    Reasoning(text="hm", signature="sig"),
                    Reasoning(redacted="ZW5j"),
                    Reasoning(text="not proven"),
                    ToolCall(call_id="t1", name="see", arguments='{"a":1}'),
                ),
            ),
            Message("user", (Text("Well?"),)),
            Message("tool", (ToolResult(call_id="t1", parts=(Text("no"),), is_error=True, cache="5m"),)),
        ),
        tools=(Tool(name="see", cache="5m"),),
        tool_choice=ToolChoice("required"),
        temperature=0.5,
        top_p=0.9,
        top_k=7,
        stop=("END", " "),
        service_tier="flex",
    )

    assert encoded(request) == {
        "system": [{"text": "Be brief."}, {"cachePoint": {"type": "default", "ttl": "1h"}}],
        "messages": [
            {
                "role": "user",
                "content": [
                    {"text": "Look"},
                    {"cachePoint": {"type": "default"}},
                    {"image": {"format": "png", "source": {"bytes": "iVBORw0KGgoA"}}},
                    {"document": {"format": "csv", "name": "r ume co", "source": {"bytes": "AA=="}}},
                    {"video": {"format": "mp4", "source": {"s3Location": {"uri": "s3://b/v"}}}},
                ],
            },
            {
                "role": "assistant",
                "content": [
                    {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                    {"reasoningContent": {"redactedContent": "ZW5j"}},
                    {"toolUse": {"toolUseId": "t1", "name": "see", "input": {"a": 1}}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"toolResult": {"toolUseId": "t1", "content": [{"text": "no"}], "status": "error"}},
                    {"cachePoint": {"type": "default"}},
                    {"text": "Well?"},
                ],
            },
        ],
        "inferenceConfig": {"maxTokens": 400, "temperature": 0.5, "topP": 0.9, "stopSequences": ["END"]},
        "toolConfig": {
            "tools": [
                {
                    "toolSpec": {
                        "name": "see",
                        "description": "see",
                        "inputSchema": {"json": {"type": "object", "properties": {}}},
                    }
                },
                {"cachePoint": {"type": "default"}},
            ],
            "toolChoice": {"any": {}},
        },
        "additionalModelRequestFields": {"top_k": 7},
        "serviceTier": {"type": "flex"},
    }


def test_tools_that_the_conversation_has_called_are_declared_if_the_client_has_left_them_out() -> None:
    messages = (
        *HI,
        Message("assistant", (ToolCall(call_id="t", name="see"),)),
        Message("tool", (ToolResult(call_id="t"),)),
    )

    declared = encoded(chat(messages=messages))["toolConfig"]
    assert [each["toolSpec"]["name"] for each in declared["tools"]] == ["see"]
    assert "toolChoice" not in declared
    with pytest.raises(UnsupportedParameterError) as caught:
        encoded(chat(messages=messages, tools=(Tool(name="see"),), tool_choice=ToolChoice("none")))
    assert caught.value.param == "tool_choice"


def test_tools_that_must_not_be_called_are_left_out() -> None:
    assert "toolConfig" not in encoded(chat(tools=(Tool(name="see"),), tool_choice=ToolChoice("none")))


def test_schema_is_said_natively_as_text_or_by_a_tool_that_stands_in() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    request = chat(response_format=ResponseFormat(kind="json_schema", name="a", schema=schema))

    native = encoded(request, NEWER)["outputConfig"]["textFormat"]
    assert native["type"] == "json_schema"
    assert json.loads(native["structure"]["jsonSchema"]["schema"]) == schema | {"additionalProperties": False}
    assert native["structure"]["jsonSchema"]["name"] == "a"
    stand_in = encoded(request)["toolConfig"]
    assert stand_in["toolChoice"] == {"tool": {"name": "structured_answer"}}
    assert stand_in["tools"][0]["toolSpec"]["inputSchema"] == {"json": schema}


def test_thinking_is_said_to_claude_in_its_own_words_with_a_limit() -> None:
    call = Call(surface="chat", model="m")
    request = chat(reasoning=ReasoningOptions(effort="low"))

    body = encoded(request, NEWER, call)
    assert body["additionalModelRequestFields"] == {"thinking": {"type": "enabled", "budget_tokens": 1_024}}
    assert body["inferenceConfig"]["maxTokens"] == 64_000
    newest = encoded(request, "us.anthropic.claude-opus-4-8-v1:0", call)
    assert newest["outputConfig"] == {"effort": "low"}
    assert newest["additionalModelRequestFields"] == {"thinking": {"type": "adaptive"}}


@pytest.mark.parametrize(
    ("members", "model", "param"),
    [
        ({"n": 2}, MODEL, "n"),
        ({"seed": 1}, MODEL, "seed"),
        ({"top_k": 1}, "amazon.nova-lite-v1:0", "top_k"),
        ({"reasoning": ReasoningOptions(effort="low")}, "amazon.nova-lite-v1:0", "reasoning_effort"),
        ({"temperature": 1.5}, MODEL, "temperature"),
        ({"others": {"verbosity": "low"}}, MODEL, "verbosity"),
    ],
)
def test_what_the_vendor_cannot_do_is_refused_or_dropped(members: dict[str, Any], model: str, param: str) -> None:
    with pytest.raises(UnsupportedParameterError) as caught:
        encoded(chat(**members), model)
    assert caught.value.param == param

    assert set(encoded(chat(**members), model, drops_unsupported=True)) == {"messages", "inferenceConfig"}


def test_media_by_address_must_be_fetched_and_odd_formats_are_refused() -> None:
    image = Media(kind="image", url="https://files.test/a.png")
    assert DIALECT.must_fetch(image)
    for media in (image, Media(kind="image", data="AA==", media_type="image/tiff")):
        with pytest.raises(UnsupportedParameterError):
            encoded(chat(messages=(Message("user", (media,)),)))
    with pytest.raises(InvalidRequestError):
        encoded(chat(messages=(Message("user", (Text("  "),)),)))


def test_what_botocore_sends_and_what_we_send_for_the_same_call_is_equal() -> None:
    request = chat(
        messages=(
            Message("system", (Text("Be brief."),)),
            Message("user", (Text("Look"), Media(kind="image", data="iVBORw0KGgoA"))),
            Message("assistant", (Reasoning(text="hm", signature="sig"), ToolCall(call_id="tool1", name="see"))),
            Message("tool", (ToolResult(call_id="tool1", parts=(Text("red"),)),)),
        ),
        tools=(Tool(name="see", description="d", parameters={"type": "object", "properties": {}}),),
        tool_choice=ToolChoice("auto"),
        temperature=0.5,
        stop=("END",),
    )
    sent = DIALECT.encode(CALL, request, place())
    ours = body_of(sent)
    seen: list[AWSPreparedRequest] = []

    def answer(request: AWSPreparedRequest, **_: Any) -> AWSResponse:
        seen.append(request)
        return AWSResponse(request.url, 200, {}, _Raw())

    client = Session().create_client(
        "bedrock-runtime", region_name="us-east-1", aws_access_key_id="AKIDEXAMPLE", aws_secret_access_key=SECRET
    )
    client.meta.events.register("before-send.bedrock-runtime.Converse", answer)
    given_to_sdk = json.loads(sent.body)
    given_to_sdk["messages"][0]["content"][1]["image"]["source"]["bytes"] = b"\x89PNG\r\n\x1a\n\x00"

    client.converse(modelId=MODEL, **given_to_sdk)

    assert json.loads(seen[0].body) == ours
    assert seen[0].url == sent.url


class _Raw:
    """An answer's body, as botocore reads it."""

    def stream(self, **_: Any) -> list[bytes]:
        return [b'{"output":{"message":{"role":"assistant","content":[]}},"stopReason":"end_turn"}']


# ---- Answers and streams

ANSWER = {
    "output": {
        "message": {
            "role": "assistant",
            "content": [
                {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "sig"}}},
                {"reasoningContent": {"redactedContent": "ZW5j"}},
                {"text": "Hello 你"},
                {"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}},
                {"toolUse": {"toolUseId": "t2", "name": "g", "input": {}}},
            ],
        }
    },
    "stopReason": "tool_use",
    "usage": {
        "inputTokens": 22,
        "outputTokens": 7,
        "totalTokens": 34,
        "cacheReadInputTokens": 3,
        "cacheWriteInputTokens": 2,
    },
}
STREAM = b"".join(
    (
        event("messageStart", role="assistant", p="abc"),
        event("contentBlockDelta", contentBlockIndex=0, delta={"reasoningContent": {"text": "hm"}}),
        event("contentBlockDelta", contentBlockIndex=0, delta={"reasoningContent": {"signature": "sig"}}),
        event("contentBlockStop", contentBlockIndex=0),
        event("contentBlockDelta", contentBlockIndex=1, delta={"reasoningContent": {"redactedContent": "ZW5j"}}),
        event("contentBlockStop", contentBlockIndex=1),
        event("contentBlockDelta", contentBlockIndex=2, delta={"text": "Hel"}),
        event("contentBlockDelta", contentBlockIndex=2, delta={"text": "lo 你"}),
        event("contentBlockStop", contentBlockIndex=2),
        event("contentBlockStart", contentBlockIndex=3, start={"toolUse": {"toolUseId": "t1", "name": "f"}}),
        event("contentBlockDelta", contentBlockIndex=3, delta={"toolUse": {"input": '{"a"'}}),
        event("contentBlockDelta", contentBlockIndex=3, delta={"toolUse": {"input": ":1}"}}),
        event("contentBlockStop", contentBlockIndex=3),
        event("contentBlockStart", contentBlockIndex=4, start={"toolUse": {"toolUseId": "t2", "name": "g"}}),
        event("contentBlockStop", contentBlockIndex=4),
        event("eventOfTomorrow", x=1),
        event("messageStop", stopReason="tool_use"),
        event("metadata", usage=ANSWER["usage"], metrics={"latencyMs": 3}),
    )
)


def test_stream_and_whole_answer_say_the_same() -> None:
    whole = DIALECT.decode(json.dumps(ANSWER).encode(), {}, CALL)
    deltas = read_stream(DIALECT, STREAMED, STREAM, AwsEventSplitter)

    assert joined(deltas) == joined([whole])
    assert "".join(delta.text for delta in deltas) == whole.text == 'hmHello 你f{"a":1}g{}'
    assert tally_of(deltas).last == whole.report
    assert classes(whole.usage) == {
        "input_tokens": 22,
        "cached_input_tokens": 3,
        "cache_write_tokens": 2,
        "output_tokens": 7,
    }
    assert whole.finish_reason == "tool_calls"


def test_any_split_of_the_stream_gives_the_same() -> None:
    split_everywhere(STREAM, AwsEventSplitter)


def test_usage_may_come_before_the_end() -> None:
    stream = event("metadata", usage=ANSWER["usage"]) + event("messageStop", stopReason="end_turn")

    deltas = read_stream(DIALECT, STREAMED, stream, AwsEventSplitter)

    assert tally_of(deltas).last is not None
    assert not any(delta.error for delta in deltas)


def test_stream_without_an_end_was_cut_off() -> None:
    (*_, last) = read_stream(
        DIALECT, STREAMED, event("contentBlockDelta", contentBlockIndex=0, delta={"text": "x"}), AwsEventSplitter
    )

    assert last.error is not None
    assert last.error.vendor_code == "stream_cut_off"


def test_stand_in_for_a_schema_is_read_as_text_in_streams_too() -> None:
    stream = b"".join(
        (
            event(
                "contentBlockStart",
                contentBlockIndex=0,
                start={"toolUse": {"toolUseId": "t", "name": "structured_answer"}},
            ),
            event("contentBlockDelta", contentBlockIndex=0, delta={"toolUse": {"input": '{"n":1}'}}),
            event("contentBlockStop", contentBlockIndex=0),
            event("messageStop", stopReason="tool_use"),
        )
    )

    (piece,) = joined(read_stream(DIALECT, STREAMED, stream, AwsEventSplitter)).pieces

    assert (piece.text, piece.tool, piece.finish_reason) == ('{"n":1}', None, "stop")


@pytest.mark.parametrize(
    ("name", "message", "kind"),
    [
        ("throttlingException", "slow", "rate_limit"),
        ("internalServerException", "x", "server"),
        ("modelStreamErrorException", "x", "server"),
        ("serviceUnavailableException", "x", "overloaded"),
        ("validationException", "Input is too long", "bad_request"),
        ("exceptionOfTomorrow", "x", None),
        ("newException", "x", "server"),
    ],
)
def test_exceptions_in_mid_stream(name: str, message: str, kind: str | None) -> None:
    deltas = read_stream(DIALECT, STREAMED, exception(name, message), AwsEventSplitter)

    assert deltas[0].error is not None
    assert deltas[0].error.kind == (kind or "server")
    assert len(deltas) == 1


@pytest.mark.parametrize(
    ("status", "type_", "message", "kind", "code"),
    [
        (400, "ValidationException", "bad field", "bad_request", None),
        (400, "ValidationException:http://x", "Too many input tokens", "bad_request", "context_length_exceeded"),
        (400, "ValidationException", "The provided model identifier is invalid.", "not_found", "model_not_found"),
        (403, "AccessDeniedException", "no", "auth", "AccessDeniedException"),
        (403, "UnrecognizedClientException", "no", "auth", "UnrecognizedClientException"),
        (403, "ExpiredTokenException", "no", "auth", "ExpiredTokenException"),
        (404, "ResourceNotFoundException", "no", "not_found", "ResourceNotFoundException"),
        (408, "ModelTimeoutException", "no", "timeout", "ModelTimeoutException"),
        (424, "ModelErrorException", "no", "server", "ModelErrorException"),
        (429, "ThrottlingException", "no", "rate_limit", "ThrottlingException"),
        (429, "ModelNotReadyException", "no", "overloaded", "ModelNotReadyException"),
        (400, "ServiceQuotaExceededException", "no", "rate_limit", "ServiceQuotaExceededException"),
        (500, "InternalServerException", "no", "server", "InternalServerException"),
        (503, "ServiceUnavailableException", "no", "overloaded", "ServiceUnavailableException"),
    ],
)
def test_errors_are_told_apart_by_header_or_body(
    status: int, type_: str, message: str, kind: str, code: str | None
) -> None:
    by_header = DIALECT.decode_error(status, {"x-amzn-errortype": type_}, json.dumps({"message": message}).encode())
    body = json.dumps({"__type": f"com.amazon#{type_.partition(':')[0]}", "Message": message}).encode()

    assert (by_header.kind, by_header.vendor_code) == (kind, code)
    assert DIALECT.decode_error(status, {}, body).kind == kind


def test_parts_of_a_composite_key_are_not_passed_on() -> None:
    body = json.dumps({"message": f"odd value {SECRET} of AKIDEXAMPLE"}).encode()

    error = DIALECT.decode_error(400, {"x-amzn-errortype": "ValidationException"}, body, secrets=(KEY,))

    assert SECRET not in error.message
    assert "AKIDEXAMPLE" not in error.message


_counts = st.integers(0, 10**6)


@given(plain=_counts, out=_counts, read=_counts, written=_counts, hour=_counts, holds_cache=st.booleans())
def test_classes_sum_to_what_the_vendor_counts(
    *, plain: int, out: int, read: int, written: int, hour: int, holds_cache: bool
) -> None:
    report = converse_usage(
        {
            "inputTokens": plain,
            "outputTokens": out,
            "totalTokens": plain + out + (read + written + hour if holds_cache else 0),
            "cacheReadInputTokens": read,
            "cacheWriteInputTokens": written + hour,
            "cacheDetails": [{"ttl": "5m", "inputTokens": written}, {"ttl": "1h", "inputTokens": hour}],
        }
    )

    assert report is not None
    assert report.usage is not None
    assert report.usage.total == plain + out + read + written + hour
    assert (report.usage.cache_write_tokens, report.usage.cache_write_1h_tokens) == (written, hour)
    assert report.flags == ()


def test_more_kept_for_an_hour_than_was_written_is_cut_and_flagged() -> None:
    report = converse_usage(
        {
            "inputTokens": 3,
            "outputTokens": 2,
            "cacheWriteInputTokens": 5,
            "cacheDetails": [{"ttl": "1h", "inputTokens": 4}, {"ttl": "1h", "inputTokens": 4}],
        }
    )

    assert report is not None
    assert report.usage == TokenUsage(input_tokens=3, cache_write_1h_tokens=5, output_tokens=2)
    assert report.flags == ("cache_write_mismatch",)


# ---- Calls that are no chats


def test_vectors_come_from_the_models_own_bodies() -> None:
    call = Call(surface="embeddings", model="m")

    titan = DIALECT.encode(
        call, EmbeddingsRequest(inputs=("a",), dimensions=256), place("amazon.titan-embed-text-v2:0")
    )
    assert titan.url.endswith("/model/amazon.titan-embed-text-v2%3A0/invoke")
    assert body_of(titan) == {"inputText": "a", "dimensions": 256}
    delta = DIALECT.decode(b'{"embedding":[0.5,1],"inputTextTokenCount":3}', {}, call)
    assert delta.result == Embeddings(((0.5, 1.0),))
    assert delta.usage == TokenUsage(input_tokens=3)

    cohere = DIALECT.encode(call, EmbeddingsRequest(inputs=("a", "b"), task="search_query"), place("cohere.embed-v4"))
    assert body_of(cohere) == {"texts": ["a", "b"], "input_type": "search_query"}
    for answer in (b'{"embeddings":[[1],[2]]}', b'{"embeddings":{"float":[[1],[2]]}}'):
        delta = DIALECT.decode(answer, {"x-amzn-bedrock-input-token-count": "4"}, call)
        assert delta.result == Embeddings(((1.0,), (2.0,)))
        assert delta.usage == TokenUsage(input_tokens=4)


def test_titan_takes_one_text_at_a_time() -> None:
    with pytest.raises(InvalidRequestError, match="one text"):
        DIALECT.encode(
            Call(surface="embeddings", model="m"), EmbeddingsRequest(inputs=("a", "b")), place("amazon.titan-embed")
        )


def test_tokens_are_counted_for_what_is_read() -> None:
    call = Call(surface="count_tokens", model="m")

    sent = DIALECT.encode(call, chat(temperature=0.5), place())

    assert sent.url.endswith("/count-tokens")
    assert body_of(sent) == {"input": {"converse": {"messages": [{"role": "user", "content": [{"text": "hi"}]}]}}}
    assert DIALECT.decode(b'{"inputTokens":4}', {}, call).usage == TokenUsage(input_tokens=4)


def test_models_are_listed_beside_the_runtime() -> None:
    request = DIALECT.models_request(place())

    assert request is not None
    assert request.url == "https://bedrock.us-east-1.amazonaws.com/foundation-models"
    assert "SignedHeaders=host;x-amz-date," in request.headers["Authorization"]
    assert DIALECT.models_request(place(base_url="https://gateway.test")) is None
    assert DIALECT.decode_models(b'{"modelSummaries":[{"modelId":"a"},{}]}') == ("a",)


# ---- Nothing that a vendor sends raises

NAMES = (
    "output",
    "message",
    "content",
    "text",
    "toolUse",
    "input",
    "name",
    "toolUseId",
    "reasoningContent",
    "reasoningText",
    "usage",
    "inputTokens",
    "totalTokens",
    "cacheDetails",
    "delta",
    "start",
    "contentBlockIndex",
    "stopReason",
    "embedding",
    "embeddings",
    "float",
    "__type",
)
EVENTS = (
    b"messageStart",
    b"contentBlockStart",
    b"contentBlockDelta",
    b"contentBlockStop",
    b"messageStop",
    b"metadata",
    b"throttlingException",
    b"",
)


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(EVENTS), odd_json(NAMES)), max_size=5))
def test_odd_messages_raise_nothing(found: list[tuple[bytes, Any]]) -> None:
    frames = [Frame(json.dumps(value).encode(), b"", name) for name, value in found]

    for delta in read_frames(DIALECT.decoder(STREAMED), frames):
        assert delta.usage is None or delta.usage.total >= 0
    for frame in frames:
        for surface in ("chat", "embeddings", "count_tokens"):
            DIALECT.decode(frame.data, {}, Call(surface=surface, model="m"))
        DIALECT.decode_error(400, {}, frame.data)


@settings(max_examples=100)
@given(st.binary(max_size=200), st.sampled_from(EVENTS))
def test_random_bytes_raise_nothing(noise: bytes, name: bytes) -> None:
    read_frames(DIALECT.decoder(STREAMED), [Frame(noise, noise, name)])
    DIALECT.decode(noise, {}, CALL)
    DIALECT.decode_error(500, {}, noise)
