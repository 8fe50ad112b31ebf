import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.dialects.openai import (
    Quirks,
    decode_chunk,
    decode_error,
    decode_response,
    decode_usage,
    encode_request,
    endpoint,
    request_headers,
    rewrite_chunk,
    rewrite_response,
    usage_chunk,
)
from adapters.dialects.openai.profile import OPENAI
from adapters.dialects.openai.responses import decode_event, decode_response_body
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, parse_call
from domain.relay.dialect import Frame

ASKED = b'{"model": "gpt-x", "messages": [{"role":"user","content":"Hi \\u00e9 "}], "x_new": {"a" : 1.50, "b":[ ]}'
CHUNK = (
    b'{"id":"c","model":"vendor-x","choices":[{"index":0,"delta":{"content":"\\"usage\\":null"},'
    b'"finish_reason":null}],"usage":null}'
)


def test_a_usage_chunk_of_our_own_looks_like_the_stream_that_it_ends() -> None:
    like = b'{"id":"c","object":"chat.completion.chunk","created":7,"model":"vendor-x","choices":[{"index":0}]}'

    made = json.loads(usage_chunk(like, TokenUsage(input_tokens=5, reasoning_tokens=2, output_tokens=3), _chat()))

    assert made == {
        "id": "c",
        "object": "chat.completion.chunk",
        "created": 7,
        "model": "gpt-x",
        "choices": [],
        "usage": {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10},
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "delta", "message", "content", "usage", "error", "x_groq", "tool_calls", "function", "text"]
            )
            | st.text(max_size=5),
            inner,
            max_size=5,
        )
    ),
    max_leaves=25,
)


def _chat(members: bytes = b"") -> Call:
    return parse_call("chat", ASKED + members + b"}")


# ---- Requests


def test_untouched_values_keep_their_bytes() -> None:
    sent = encode_request(_chat(), model="gpt-x", output_tokens_max=None)

    assert b'[{"role":"user","content":"Hi \\u00e9 "}]' in sent
    assert b'{"a" : 1.50, "b":[ ]}' in sent


def test_routed_model_replaces_the_asked_one() -> None:
    sent = json.loads(encode_request(_chat(), model="vendor/x", output_tokens_max=None))

    assert sent["model"] == "vendor/x"


@pytest.mark.parametrize(
    ("members", "limit", "want"),
    [
        (b"", None, {}),
        (b"", 50, {"max_completion_tokens": 50}),
        (b',"max_tokens":100', 50, {"max_tokens": 50}),
        (b',"max_tokens":100', None, {"max_tokens": 100}),
        (b',"max_tokens":null', 50, {"max_tokens": None, "max_completion_tokens": 50}),
        (b',"max_completion_tokens":100', 50, {"max_completion_tokens": 50}),
        # A vendor that reads only the older name must not get the larger limit.
        (b',"max_completion_tokens":10,"max_tokens":9000', None, {"max_completion_tokens": 10, "max_tokens": 10}),
        (b',"max_completion_tokens":10,"max_tokens":9000', 5, {"max_completion_tokens": 5, "max_tokens": 5}),
        (b',"max_tokens":9000,"max_tokens":3', None, {"max_tokens": 3}),
        (b',"max_tokens":9000,"m\\u0061x_tokens":3', None, {"max_tokens": 3}),
    ],
)
def test_output_limit_is_the_priced_one(members: bytes, limit: int | None, want: dict[str, int | None]) -> None:
    sent = encode_request(_chat(members), model="gpt-x", output_tokens_max=limit)

    assert {name: value for name, value in json.loads(sent).items() if name.startswith("max_")} == want
    assert sent.count(b'"max_tokens"') <= 1


def test_legacy_completions_are_limited_by_their_own_member() -> None:
    call = parse_call("completions", b'{"model":"m","prompt":"x"}')

    assert json.loads(encode_request(call, model="m", output_tokens_max=7))["max_tokens"] == 7


@pytest.mark.parametrize(
    ("options", "want"),
    [
        (b"", {"include_usage": True}),
        (b',"stream_options":null', {"include_usage": True}),
        (
            b',"stream_options":{"include_usage":false,"include_obfuscation":false}',
            {"include_usage": True, "include_obfuscation": False},
        ),
    ],
)
def test_streams_are_always_asked_for_usage(options: bytes, want: dict[str, bool]) -> None:
    sent = encode_request(_chat(b',"stream":true' + options), model="gpt-x", output_tokens_max=None)

    assert json.loads(sent)["stream_options"] == want


def test_vendor_that_refuses_stream_options_gets_none() -> None:
    call = _chat(b',"stream":true,"stream_options":{"include_usage":true}')
    sent = encode_request(call, model="gpt-x", output_tokens_max=None, quirks=Quirks(takes_stream_options=False))

    assert "stream_options" not in json.loads(sent)


@pytest.mark.parametrize(
    ("base", "want"),
    [
        ("https://api.openai.com", "https://api.openai.com/v1/chat/completions"),
        ("https://api.openai.com/v1/", "https://api.openai.com/v1/chat/completions"),
        ("https://api.groq.com/openai", "https://api.groq.com/openai/v1/chat/completions"),
        ("https://ark.cn-beijing.volces.com/api/v3", "https://ark.cn-beijing.volces.com/api/v3/chat/completions"),
        ("https://g.example.com/v1beta/openai", "https://g.example.com/v1beta/openai/chat/completions"),
    ],
)
def test_base_url_with_and_without_version(base: str, want: str) -> None:
    assert endpoint(base, "chat") == want


def test_full_prefix_gets_no_version() -> None:
    assert (
        endpoint("https://api.perplexity.ai/", "chat", is_full_prefix=True)
        == "https://api.perplexity.ai/chat/completions"
    )


def test_only_the_channels_own_headers_go_out() -> None:
    assert request_headers("sk-channel", organization="org-1").keys() == {
        "Content-Type",
        "Accept-Encoding",
        "User-Agent",
        "Authorization",
        "OpenAI-Organization",
    }


# ---- Chunks


def test_chunk_passes_byte_for_byte_when_nothing_is_to_change() -> None:
    data = CHUNK.replace(b',"usage":null}', b"}")
    call = _chat(b',"stream":true')

    assert rewrite_chunk(data, decode_chunk(data), call, "gpt-x") is data


def test_null_usage_is_taken_out_and_text_that_looks_like_it_stays() -> None:
    seen = rewrite_chunk(CHUNK, decode_chunk(CHUNK), _chat(b',"stream":true'), "gpt-x")

    assert seen == CHUNK[: -len(b',"usage":null}')] + b"}"


def test_client_that_asked_for_usage_sees_it_all() -> None:
    call = _chat(b',"stream":true,"stream_options":{"include_usage":true}')

    assert rewrite_chunk(CHUNK, decode_chunk(CHUNK), call, "gpt-x") is CHUNK


@pytest.mark.parametrize("model", [b'"vendor-x"', b' "vendor-x-2026-01-01"'])
def test_mapped_model_is_named_as_the_client_asked(model: bytes) -> None:
    data = CHUNK.replace(b'"vendor-x"', model)
    seen = rewrite_chunk(data, decode_chunk(data), _chat(b',"stream":true'), "vendor-x")

    assert seen is not None
    assert json.loads(seen)["model"] == "gpt-x"
    assert json.loads(seen)["choices"] == json.loads(data)["choices"]


def test_answer_of_a_mapped_model_is_renamed() -> None:
    body = b'{"model":"vendor-x","choices":[{"message":{"content":"a"}}]}'

    assert rewrite_response(body, _chat(), "vendor-x") == body.replace(b"vendor-x", b"gpt-x")
    assert rewrite_response(body, _chat(), "gpt-x") is body


@pytest.mark.parametrize("data", [b"", b"{", b"null", b"12", b'"x"', b"[]", b"[" * 100_000, b'{"a":' * 100_000])
def test_payload_that_is_no_object_is_an_error_and_nothing_is_raised(data: bytes) -> None:
    delta = decode_chunk(data)

    assert delta.error is not None
    assert delta.error.kind == "protocol"


@pytest.mark.parametrize("content", [b'"\\ud83d"', b'"w\xff\xferd"'])
def test_broken_text_is_counted_not_refused(content: bytes) -> None:
    delta = decode_chunk(b'{"choices":[{"index":0,"delta":{"content":%b}}]}' % content)

    assert delta.error is None
    assert delta.text.encode()


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_decoders_never_raise(data: bytes) -> None:
    call = _chat(b',"stream":true')
    delta = decode_chunk(data)
    rewrite_chunk(data, delta, call, "other")
    rewrite_response(data, call, "other")
    whole = decode_response(data)
    error = decode_error(500, {}, data)

    assert error.kind
    for each in (delta, whole):
        each.text.encode()
        if each.usage is not None:
            assert min(each.usage.input_total, each.usage.output_total) >= 0


@given(json_values)
def test_usage_never_raises_and_is_never_negative(value: Any) -> None:
    report = decode_usage({"prompt_tokens": value, "completion_tokens": 3, "prompt_tokens_details": value})

    assert report is None or report.usage is None or report.usage.total >= 0


@pytest.mark.parametrize("place", ["cache_creation", "cache_creation_token_details"])
@pytest.mark.parametrize(
    ("said", "short", "long"),
    [
        ({"cache_write_tokens": 30}, 10, 20),
        ({"cache_creation_tokens": 15}, 0, 15),
        ({}, 0, 20),
    ],
    ids=["beside the whole", "more than the whole", "alone"],
)
def test_host_that_says_how_long_is_believed_as_far_as_it_fits(
    place: str, said: dict[str, int], short: int, long: int
) -> None:
    details = said | {"cached_tokens": 5, place: {"ephemeral_1h_input_tokens": 20}}

    report = decode_usage({"prompt_tokens": 100, "completion_tokens": 3, "prompt_tokens_details": details})

    assert report is not None
    assert report.usage == TokenUsage(
        input_tokens=95 - short - long,
        cached_input_tokens=5,
        cache_write_tokens=short,
        cache_write_1h_tokens=long,
        output_tokens=3,
    )


@given(
    prompt=st.integers(0, 10**6),
    completion=st.integers(0, 10**6),
    details=st.dictionaries(
        st.sampled_from(["cached_tokens", "audio_tokens", "image_tokens", "cache_write_tokens", "reasoning_tokens"]),
        st.integers(-10, 10**7),
    ),
)
def test_classes_sum_to_the_vendors_total(prompt: int, completion: int, details: dict[str, int]) -> None:
    usage = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": details,
    }
    report = decode_usage(usage)

    assert report is not None
    assert report.usage is not None
    if not {"cached_outside_prompt", "reasoning_outside_completion"} & set(report.flags):
        assert report.usage.total == prompt + completion


@given(
    prompt=st.integers(0, 10**6),
    completion=st.integers(0, 10**6),
    into=st.dictionaries(
        st.sampled_from(["cached_tokens", "cache_write_tokens", "cache_creation_input_tokens", "audio_tokens"]),
        st.integers(-5, 10**7) | st.floats() | st.text(max_size=3),
    ),
    beside=st.dictionaries(
        st.sampled_from(["prompt_cache_hit_tokens", "prompt_cache_miss_tokens", "cached_tokens", "reasoning_tokens"]),
        st.integers(-5, 10**7) | st.none(),
    ),
)
def test_details_under_any_vendors_names_never_change_the_total(
    prompt: int, completion: int, into: dict[str, Any], beside: dict[str, Any]
) -> None:
    total = prompt + completion
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, "total_tokens": total}
    report = decode_usage({**usage, "prompt_tokens_details": into, **beside})

    assert report is not None
    assert report.usage is not None
    # The total says that nothing stands beside it: whatever the details claim, they are parts.
    assert report.usage.total == total
    assert min(report.usage.input_tokens, report.usage.output_tokens, report.usage.reasoning_tokens) >= 0


def test_explicit_zero_is_a_report_of_zero() -> None:
    report = decode_usage({"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0})

    assert report is not None
    assert report.usage is not None
    assert report.usage.total == 0


@pytest.mark.parametrize("usage", [None, {}, [], "x", {"cost": 3}])
def test_missing_usage_is_no_report(usage: object) -> None:
    assert decode_usage(usage) is None


def test_numbers_in_strings_and_floats_are_read_and_flagged() -> None:
    report = decode_usage({"prompt_tokens": "12", "completion_tokens": 3.0, "total_tokens": 15})

    assert report is not None
    assert report.usage is not None
    assert (report.usage.input_tokens, report.usage.output_tokens) == (12, 3)
    assert report.flags == ("prompt_not_integer", "completion_not_integer")


# ---- Plain answers


def test_chat_answer_is_read() -> None:
    body = (
        b'{"choices":[{"message":{"content":"A","reasoning_content":"r"},"finish_reason":"stop"},'
        b'{"message":{"content":"B"},"finish_reason":"length"}],'
        b'"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}'
    )
    delta = decode_response(b"\n\n  " + body)

    assert (delta.text, delta.choices, delta.finish_reason) == ("ArB", 2, "length")
    assert delta.usage is not None
    assert delta.usage.total == 5


def test_embeddings_with_only_a_total_are_input() -> None:
    delta = decode_response(b'{"data":[{"embedding":[0.5]}],"usage":{"total_tokens":5}}')

    assert delta.error is None
    assert delta.usage is not None
    assert (delta.usage.input_tokens, delta.usage.output_total) == (5, 0)


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'{"error":{"message":"busy","code":429}}', "overloaded"),
        (b'{"error":"Rate limit reached"}', "rate_limit"),
        (b'{"code":20015,"message":"System is really busy","data":null}', "overloaded"),
        (b'{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}', "quota"),
        (b'{"choices":[]}', "protocol"),
        (b'{"choices":null,"object":"chat.completion"}', "protocol"),
        (b"<html>", "protocol"),
        (b"", "protocol"),
    ],
)
def test_status_200_with_an_error_inside_is_an_error(body: bytes, kind: str) -> None:
    delta = decode_response(body)

    assert delta.error is not None
    assert delta.error.kind == kind


# ---- Errors


def _error(status: int, **members: object) -> Any:
    return decode_error(status, {}, json.dumps({"error": members}).encode())


@pytest.mark.parametrize(
    ("status", "body", "kind", "is_retryable"),
    [
        (400, {"error": {"code": "previous_response_not_found"}}, "bad_request", True),
        (401, {"error": {"message": "bad key", "code": "invalid_api_key"}}, "auth", True),
        (403, {"status": 403, "title": "Forbidden", "detail": "no"}, "auth", True),
        (400, {"error": "Incorrect API key provided"}, "auth", True),
        (402, {"error": {"message": "Insufficient Balance"}}, "quota", True),
        (429, {"error": {"message": "x", "type": "insufficient_quota"}}, "quota", True),
        (429, {"error": {"type": "exceeded_current_quota_error", "message": "x"}}, "quota", True),
        (403, {"error": {"code": "AccountOverdueError", "message": "x"}}, "quota", True),
        (429, {"error": {"type": "requests", "code": "rate_limit_exceeded", "message": "x"}}, "rate_limit", True),
        (429, {"error": {"code": "RateLimitExceeded.EndpointRPMExceeded", "message": "x"}}, "rate_limit", True),
        (413, {"error": {"code": "rate_limit_exceeded", "message": "x"}}, "rate_limit", True),
        (429, {"error": {"type": "engine_overloaded_error", "message": "x"}}, "overloaded", True),
        (503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}}, "overloaded", True),
        (500, {"error": {"message": "oops", "type": "server_error"}}, "server", True),
        (504, {}, "timeout", True),
        (404, {"error": {"code": "model_not_found", "message": "x"}}, "not_found", True),
        (307, {}, "protocol", True),
        (400, {"error": {"message": "bad", "type": "invalid_request_error"}}, "bad_request", False),
        (422, {"detail": [{"loc": ["body"], "msg": "field required"}]}, "bad_request", False),
        (400, {"error": {"code": "content_filter", "message": "no"}}, "content", False),
        (451, {"error": {"message": "no"}}, "content", False),
    ],
)
def test_failures_are_classified(status: int, body: object, kind: str, is_retryable: bool) -> None:  # noqa: FBT001 - a table
    error = decode_error(status, {}, json.dumps(body).encode())

    assert (error.kind, error.is_retryable) == (kind, is_retryable)


def test_context_length_is_named_from_words_alone() -> None:
    error = _error(400, code=400, message="request (9412 tokens) exceeds the available context size (8192 tokens)")

    assert (error.kind, error.vendor_code) == ("bad_request", "context_length_exceeded")
    assert "9412 tokens" in error.message


def test_number_codes_become_strings_and_param_is_kept() -> None:
    error = _error(400, code=400, message="bad", param="messages[0].role")

    assert (error.vendor_code, error.param) == ("400", "messages[0].role")


@pytest.mark.parametrize("status", [401, 402, 403, 429, 500])
def test_words_about_our_own_channel_never_reach_the_client(status: int) -> None:
    error = _error(status, message="Key sk-abc of org-123 at host-17 is out of credit")

    assert "sk-abc" not in error.message
    assert "host-17" not in error.message


@pytest.mark.parametrize(
    "secret",
    [
        "sk-proj-abcdef123456",
        "sk-abc***************xyz1",
        "Bearer abc.def.ghi",
        "https://eu.internal.example.com/v1?x=1",
        "org-AbC123dEf456",
        "AIzaSyA1234567890abcdefghij",
        "3f2c1b6e-9d7a-4c55-8a12-0123456789ab",
        "deadbeefdeadbeefdeadbeef00112233",
        "ops@example.com",
        "10.1.2.3:8080",
        "llm-7.prod.internal",
    ],
)
def test_messages_for_the_client_hold_no_secret(secret: str) -> None:
    error = _error(400, message=f"Invalid value for temperature ({secret}), see docs")

    assert error.kind == "bad_request"
    assert secret not in error.message
    assert error.message.startswith("Invalid value for temperature")


def test_channels_own_key_is_removed_whatever_its_shape() -> None:
    body = b'{"error":{"message":"cannot use hunter2 here"}}'

    assert "hunter2" not in decode_error(400, {}, body, secrets=("hunter2",)).message


def test_ordinary_words_survive() -> None:
    message = (
        "Unsupported parameter: 'max_tokens' with meta-llama/Llama-3.3-70B-Instruct-Turbo; use a user-provided key."
    )

    assert _error(400, message=message).message == message


def test_long_messages_are_cut() -> None:
    assert len(_error(400, message="long " * 10_000).message) == 500


@pytest.mark.parametrize(
    ("headers", "want"),
    [
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after": "2.5"}, 2.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 30.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT"}, None),
        ({"retry-after": "-3"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "1e99"}, 86_400.0),
        ({"retry-after": "soon"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], want: float | None) -> None:
    assert decode_error(429, headers, b"").retry_after_seconds == want


def test_encoded_request_of_any_client_body_is_json() -> None:
    assert msgspec.json.decode(encode_request(_chat(b',"n":3'), model='a"b', output_tokens_max=1))["model"] == 'a"b'


@pytest.mark.parametrize(
    ("usage", "searches"),
    [
        ({"server_tool_use": {"web_search_requests": 3}}, 3),
        ({"num_search_queries": 5, "search_context_size": "low"}, 5),
        ({"num_sources_used": 7}, 7),
        ({"num_sources_used": 0}, 0),
        ({"num_search_queries": -1}, 0),
        ({"server_tool_use": "many"}, 0),
    ],
)
def test_searches_are_read_by_every_name_that_they_have(usage: dict[str, Any], searches: int) -> None:
    report = decode_usage({"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6} | usage)

    assert report is not None
    assert report.usage == TokenUsage(input_tokens=4, output_tokens=2, searches=searches)


OUTPUT: list[dict[str, Any]] = [
    {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search", "query": "a"}},
    {"type": "web_search_call", "id": "ws_2", "status": "completed", "action": {"type": "open_page", "url": "u"}},
    {"type": "web_search_call", "id": "ws_3", "status": "completed", "action": {"type": "find_in_page"}},
    {"type": "web_search_call", "id": "ws_4", "status": "completed"},
    {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Found"}]},
]


def test_searches_of_a_response_are_those_among_its_items() -> None:
    usage = {"input_tokens": 4, "output_tokens": 2, "total_tokens": 6}
    response = {"object": "response", "status": "completed", "output": OUTPUT, "usage": usage}
    done = {"type": "response.completed", "response": response}
    items = [{"type": "response.output_item.done", "output_index": n, "item": item} for n, item in enumerate(OUTPUT)]

    whole = decode_response_body(json.dumps(response).encode(), OPENAI)
    told = [decode_event(Frame(json.dumps(event).encode()), OPENAI) for event in (*items, done)]

    assert whole.usage == told[-1].usage == TokenUsage(input_tokens=4, output_tokens=2, searches=2)
    # Of a stream that breaks off before its end.
    assert sum(delta.searches for delta in told) == whole.searches == 2
