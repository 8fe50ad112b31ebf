"""OpenAI's dialect as a value: what is sent to vendors, and what is read in full of what they answer."""

import datetime as dt
import json
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects.openai import COMPATIBLE, OPENAI, AzureDialect, OpenAIDialect, Profile, Range, vendors
from adapters.sse import SseSplitter
from domain.metering.usage import TokenUsage
from domain.relay.assemble import Assembler
from domain.relay.call import Call, InvalidRequestError, parse_call
from domain.relay.chat import (
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
from domain.relay.delta import Delta, Piece, ToolDelta
from domain.relay.dialect import Frame, Native, Target, UnsupportedParameterError, VendorDialect
from domain.relay.tasks import Embeddings, EmbeddingsRequest
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from domain.relay.channel_type import Inspectable

GOLDEN = Path(__file__).parent / "golden"
USER = (Message("user", (Text("hi"),)),)
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}


def _target(*, drops: bool = False, **members: Any) -> Target:
    return Target(
        base_url=members.pop("base_url", "https://vendor.example"),
        key=members.pop("key", "sk-vendor"),
        model="vendor-m",
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
        drops_unsupported=drops,
        **members,
    )


def _call(**members: Any) -> Call:
    body = {"model": "m", "messages": [{"role": "user", "content": "hi"}], **members}
    return parse_call("chat", json.dumps(body).encode())


def _foreign(*, stream: bool = False) -> Call:
    return Call(surface="chat", dialect="anthropic", model="m", stream=stream)


def _sent(
    request: ChatRequest, profile: Profile = OPENAI, *, call: Call | None = None, target: Target | None = None
) -> dict[str, Any]:
    made = OpenAIDialect(profile).encode(call or _foreign(), request, target or _target())
    body: dict[str, Any] = json.loads(made.body)
    return body


def _native(profile: Profile, *, drops: bool = False, **members: Any) -> dict[str, Any]:
    made = OpenAIDialect(profile).encode_native(_call(**members), _target(drops=drops))
    body: dict[str, Any] = json.loads(made.body)
    return body


def _stream(profile: Profile, *chunks: Any) -> list[Delta]:
    decoder = OpenAIDialect(profile).decoder(_call(stream=True))
    deltas: list[Delta] = []
    for chunk in chunks:
        data = chunk if isinstance(chunk, bytes) else json.dumps(chunk).encode()
        deltas += decoder.feed(Frame(data))
    return [*deltas, *decoder.finish()]


def _chunk(reason: str | None = None, index: int = 0, **delta: Any) -> dict[str, Any]:
    return {
        "object": "chat.completion.chunk",
        "choices": [{"index": index, "delta": delta, "finish_reason": reason}],
    }


def _pieces(deltas: list[Delta]) -> list[Piece]:
    whole = Assembler()
    for delta in deltas:
        whole.add(delta)
    return list(whole.whole().pieces)


def _tools(*chunks: Any) -> list[ToolDelta]:
    return [piece.tool for piece in _pieces(_stream(OPENAI, *chunks, b"[DONE]")) if piece.tool is not None]


def test_the_dialect_is_what_the_ports_ask_for() -> None:
    dialect = OpenAIDialect()
    ports: tuple[VendorDialect, Native, Inspectable] = (dialect, dialect, dialect)

    assert ports[0].framing == "sse"


# ---- Canonical requests


def test_a_canonical_chat_is_said_in_full() -> None:
    request = ChatRequest(
        messages=(
            Message("system", (Text("Be kind."),)),
            Message(
                "user",
                (
                    Text("See"),
                    Media(kind="image", data="QUJD", media_type="image/jpeg", detail="low"),
                    Media(kind="image", url="https://x.example/a.png"),
                    Media(kind="audio", data="QUJD", media_type="audio/mpeg"),
                    Media(kind="file", data="QUJD", media_type="application/pdf"),
                ),
                "ann",
            ),
            Message("assistant", (Reasoning(text="Hm"), Text("Let me see."), ToolCall(call_id="c1", name="f"))),
            Message("tool", (ToolResult(call_id="c1", parts=(Text("42"),)),)),
            Message("assistant", (Refusal("No."),)),
        ),
        tools=(Tool(name="f", description="d", parameters=SCHEMA, strict=True), Tool(name="g")),
        tool_choice=ToolChoice("named", "f"),
        stop=("END",),
        temperature=0.5,
        response_format=ResponseFormat(kind="json_schema", name="s", schema=SCHEMA, strict=True),
        reasoning=ReasoningOptions(budget_tokens=2000),
        n=2,
        user="u",
    )

    assert _sent(request, call=_foreign(stream=True), target=_target(output_tokens_max=9)) == {
        "model": "vendor-m",
        "messages": [
            {"role": "system", "content": "Be kind."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "See"},
                    {"type": "image_url", "image_url": {"url": "data:image/jpeg;base64,QUJD", "detail": "low"}},
                    {"type": "image_url", "image_url": {"url": "https://x.example/a.png"}},
                    {"type": "input_audio", "input_audio": {"data": "QUJD", "format": "mp3"}},
                    {
                        "type": "file",
                        "file": {"filename": "file.pdf", "file_data": "data:application/pdf;base64,QUJD"},
                    },
                ],
                "name": "ann",
            },
            {
                "role": "assistant",
                "content": "Let me see.",
                "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
            },
            {"role": "tool", "tool_call_id": "c1", "content": "42"},
            {"role": "assistant", "content": "", "refusal": "No."},
        ],
        "tools": [
            {"type": "function", "function": {"name": "f", "description": "d", "parameters": SCHEMA, "strict": True}},
            {"type": "function", "function": {"name": "g", "parameters": {"type": "object", "properties": {}}}},
        ],
        "tool_choice": {"type": "function", "function": {"name": "f"}},
        "stop": ["END"],
        "temperature": 0.5,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "s", "schema": SCHEMA, "strict": True},
        },
        "reasoning_effort": "medium",
        "n": 2,
        "user": "u",
        "max_completion_tokens": 9,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def test_pictures_in_tool_results_follow_the_results() -> None:
    picture = Media(kind="image", url="https://x.example/a.png")
    request = ChatRequest(
        messages=(
            Message("tool", (ToolResult(call_id="a", parts=(Text("1"), picture)), ToolResult(call_id="b"))),
            Message("user", (Text("and?"),)),
        )
    )
    roles = [(said["role"], said.get("tool_call_id")) for said in _sent(request)["messages"]]

    assert roles == [("tool", "a"), ("tool", "b"), ("user", None), ("user", None)]


@pytest.mark.parametrize(
    ("message", "path"),
    [
        (Message("user", (Media(kind="video", url="https://x.example/a.mp4"),)), "messages[0].content[0]"),
        (Message("user", (Media(kind="audio", url="https://x.example/a.mp3"),)), "messages[0].content[0]"),
        (Message("user", (Media(kind="file", url="https://x.example/a.pdf"),)), "messages[0].content[0]"),
    ],
)
def test_content_that_cannot_be_said_is_refused_by_its_place(message: Message, path: str) -> None:
    with pytest.raises(UnsupportedParameterError) as refused:
        _sent(ChatRequest(messages=(message,)), target=_target(drops=True))

    assert refused.value.param == path


def test_members_of_another_contract_are_refused_or_dropped_and_those_of_this_one_pass() -> None:
    request = ChatRequest(messages=USER, others={"x_new": 1})

    with pytest.raises(UnsupportedParameterError):
        _sent(request)
    assert "x_new" not in _sent(request, target=_target(drops=True))
    assert _sent(request, call=_call())["x_new"] == 1


@pytest.mark.parametrize(
    ("thinking", "options", "want"),
    [
        ("effort", ReasoningOptions(effort="high"), {"reasoning_effort": "high"}),
        ("thinking", ReasoningOptions(effort="none"), {"thinking": {"type": "disabled"}}),
        ("thinking", ReasoningOptions(budget_tokens=-1), {"thinking": {"type": "enabled"}}),
        (
            "enable_thinking",
            ReasoningOptions(budget_tokens=99),
            {"enable_thinking": True, "thinking_budget": 99},
        ),
        ("enable_thinking", ReasoningOptions(effort="low"), {"enable_thinking": True}),
        (
            "reasoning",
            ReasoningOptions(budget_tokens=99, show=False),
            {"reasoning": {"max_tokens": 99, "exclude": True}},
        ),
        ("reasoning", ReasoningOptions(effort="low"), {"reasoning": {"effort": "low"}}),
    ],
)
def test_thinking_is_asked_for_in_the_vendors_words(
    thinking: Any, options: ReasoningOptions, want: dict[str, Any]
) -> None:
    sent = _sent(ChatRequest(messages=USER, reasoning=options), Profile(thinking=thinking))

    assert {name: sent[name] for name in sent if name not in ("model", "messages")} == want


def test_efforts_that_a_vendor_lacks_become_its_next_stronger_one() -> None:
    profile = Profile(efforts=("low", "high"))

    assert _sent(ChatRequest(messages=USER, reasoning=ReasoningOptions(effort="medium")), profile)[
        "reasoning_effort"
    ] == ("high")


# ---- Native requests with quirks


def test_clean_vendors_get_the_clients_own_bytes() -> None:
    body = b'{"model": "m", "messages": [ {"role":"developer","content":"Hi \\u00e9"} ], "x": 1.50}'
    made = OpenAIDialect().encode_native(parse_call("chat", body), _target())

    assert b'[ {"role":"developer","content":"Hi \\u00e9"} ]' in made.body
    assert b"1.50" in made.body


def test_what_a_vendor_cannot_do_is_refused_by_name_or_dropped_where_the_channel_says_so() -> None:
    profile = Profile(cannot=frozenset({"logit_bias", "seed", "user"}))

    with pytest.raises(UnsupportedParameterError) as refused:
        _native(profile, logit_bias={"1": 2}, user="u")
    assert refused.value.param == "logit_bias"
    assert "logit_bias" not in _native(profile, drops=True, logit_bias={"1": 2})
    assert "user" not in _native(profile, user="u")  # a hint that changes no answer
    assert "logit_bias" not in _native(profile, logit_bias=None)
    assert "logit_bias" not in _native(profile, logit_bias={})


def test_numbers_out_of_range_are_refused_and_those_at_an_open_bound_moved_in() -> None:
    profile = Profile(ranges={"temperature": Range(0.01, 0.99, 0.01)})

    assert _native(profile, temperature=1)["temperature"] == 0.99
    assert _native(profile, temperature=0)["temperature"] == 0.01
    assert _native(profile, temperature=0.5)["temperature"] == 0.5
    assert _native(profile, drops=True, temperature=1.5)["temperature"] == 0.99
    with pytest.raises(UnsupportedParameterError, match=r"between 0\.01 and 0\.99"):
        _native(profile, temperature=1.5)


def test_names_limits_and_choices_are_the_vendors() -> None:
    profile = Profile(
        renamed={"seed": "random_seed"},
        output_limit_field="max_tokens",
        output_limit_only=True,
        stops_max=1,
        choices_max=1,
        tool_choices=frozenset({"auto"}),
    )
    sent = _native(profile, seed=5, max_completion_tokens=7, stop="x", tool_choice="none", tools=[{"type": "function"}])

    assert sent == {
        "model": "vendor-m",
        "messages": [{"role": "user", "content": "hi"}],
        "random_seed": 5,
        "max_tokens": 7,
        "stop": ["x"],
    }
    for members in ({"stop": ["a", "b"]}, {"n": 2}, {"tool_choice": "required"}):
        with pytest.raises(UnsupportedParameterError) as refused:
            _native(profile, **members)
        assert refused.value.param == next(iter(members))


def test_schemas_are_asked_for_in_words_where_the_vendor_knows_only_json() -> None:
    profile = Profile(formats=frozenset({"text", "json_object"}))
    asked = {"type": "json_schema", "json_schema": {"name": "s", "schema": SCHEMA}}
    sent = _native(profile, response_format=asked)

    assert sent["response_format"] == {"type": "json_object"}
    assert sent["messages"][0]["role"] == "system"
    assert json.dumps(SCHEMA, separators=(",", ":")) in sent["messages"][0]["content"]


def test_messages_are_fitted() -> None:
    profile = Profile(joins_text=True, short_tool_ids=True, is_strict=True, alternates=True, takes_names=False)
    call = {"id": "call_0123456789", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sent = _native(
        profile,
        messages=[
            {"role": "developer", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
            {"role": "user", "content": "1", "name": "ann"},
            {"role": "user", "content": "2"},
            {"role": "assistant", "content": None, "refusal": None, "annotations": [], "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_0123456789", "content": "x"},
        ],
    )["messages"]

    assert sent[0] == {"role": "system", "content": "a\nb"}
    assert sent[1] == {"role": "user", "content": "1\n\n2"}
    assert set(sent[2]) == {"role", "content", "tool_calls"}
    assert sent[2]["tool_calls"][0]["id"] == sent[3]["tool_call_id"]
    assert len(sent[3]["tool_call_id"]) == 9


@pytest.mark.parametrize(
    ("back", "after_tools", "plain"),
    [
        ("reasoning_content", {"reasoning_content"}, {"reasoning_content"}),
        ("after_tools", {"reasoning_content"}, set()),
        ("reasoning", {"reasoning"}, {"reasoning"}),
        ("", set(), set()),
    ],
)
def test_thoughts_are_given_back_where_the_vendor_wants_them(back: Any, after_tools: set[str], plain: set[str]) -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    sent = _native(
        Profile(reasoning_back=back),
        messages=[
            {"role": "assistant", "content": "a", "reasoning_content": "r", "tool_calls": [call]},
            {"role": "assistant", "content": "b", "reasoning_content": "r"},
        ],
    )["messages"]

    assert [set(said) & {"reasoning", "reasoning_content"} for said in sent] == [after_tools, plain]


# ---- Addresses


@pytest.mark.parametrize(
    ("prefix", "base", "want"),
    [
        ("/v1", "https://api.openai.com/", "https://api.openai.com/v1"),
        ("/v1", "https://gw.example/openai/v1", "https://gw.example/openai/v1"),
        ("/v1", "https://api.openai.com/v1/chat/completions", "https://api.openai.com/v1"),
        ("/openai/v1", "https://api.groq.com", "https://api.groq.com/openai/v1"),
        ("/openai/v1", "https://api.groq.com/openai", "https://api.groq.com/openai/v1"),
        ("/openai/v1", "https://gw.example/groq/openai", "https://gw.example/groq/openai/v1"),
        ("/api/paas/v4", "https://open.bigmodel.cn", "https://open.bigmodel.cn/api/paas/v4"),
        ("/api/paas/v4", "https://open.bigmodel.cn/api/coding/paas/v4", "https://open.bigmodel.cn/api/coding/paas/v4"),
        ("/compatible-mode/v1", "https://dashscope.aliyuncs.com", "https://dashscope.aliyuncs.com/compatible-mode/v1"),
        ("/api/v3", "https://gw.example/ark", "https://gw.example/ark/api/v3"),
        ("", "https://api.perplexity.ai", "https://api.perplexity.ai"),
    ],
)
def test_bases_are_completed_and_never_doubled(prefix: str, base: str, want: str) -> None:
    target = _target(base_url=base)

    assert OpenAIDialect(Profile(prefix=prefix)).url("chat", target) == want + "/chat/completions"


def test_a_full_prefix_is_taken_as_it_is() -> None:
    target = _target(base_url="https://gw.example/llm", options={"full_prefix": "true"})

    assert OpenAIDialect().url("embeddings", target) == "https://gw.example/llm/embeddings"


def test_requests_carry_the_channels_key_and_nothing_of_the_client() -> None:
    target = _target(key="sk-a|group", options={"organization": "org-1"})
    made = OpenAIDialect(
        Profile(key_separator="|", option_headers={"organization": "OpenAI-Organization"})
    ).encode_native(_call(), target)

    assert made.headers["Authorization"] == "Bearer sk-a"
    assert made.headers["OpenAI-Organization"] == "org-1"


# ---- Streams, read in full


def test_a_stream_is_read_into_pieces() -> None:
    deltas = _stream(
        OPENAI,
        _chunk(role="assistant", content=""),
        _chunk(reasoning_content="Hm", content=None),
        _chunk(content="Hi"),
        _chunk("stop", content="!"),
        {"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 3, "total_tokens": 8}},
        b"[DONE]",
    )

    assert _pieces(deltas) == [Piece(reasoning="Hm"), Piece(text="Hi!", finish_reason="stop")]
    assert [delta.usage for delta in deltas if delta.report] == [TokenUsage(input_tokens=5, output_tokens=3)]
    assert deltas[-1].is_done
    assert "".join(delta.text for delta in deltas) == "HmHi!"


def _f(name: str | None = None, arguments: str | None = None) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("arguments", arguments)) if value is not None}


@pytest.mark.parametrize(
    "chunks",
    [
        # As OpenAI does it.
        (
            _chunk(tool_calls=[{"index": 0, "id": "a", "type": "function", "function": _f("f", "")}]),
            _chunk(tool_calls=[{"index": 0, "function": _f(None, '{"x":')}]),
            _chunk(tool_calls=[{"index": 0, "function": _f(None, "1}")}]),
            _chunk(tool_calls=[{"index": 1, "id": "b", "type": "function", "function": _f("g", "{}")}]),
        ),
        # Without index or type, each whole (Mistral).
        (_chunk(tool_calls=[{"id": "a", "function": _f("f", '{"x":1}')}, {"id": "b", "function": _f("g", "{}")}]),),
        # The id repeated, or empty, and the name too (DashScope).
        (
            _chunk(tool_calls=[{"index": 0, "id": "a", "function": _f("f", '{"x"')}]),
            _chunk(tool_calls=[{"index": 0, "id": "", "function": _f("", ":1}")}]),
            _chunk(tool_calls=[{"index": 1, "id": "b", "function": _f("g", "{")}]),
            _chunk(tool_calls=[{"index": 1, "id": "b", "function": _f("g", "}")}]),
        ),
        # Every call counted as 0.
        (
            _chunk(tool_calls=[{"index": 0, "id": "a", "function": _f("f", '{"x":1}')}]),
            _chunk(tool_calls=[{"index": 0, "id": "b", "function": _f("g", "{}")}]),
        ),
        # Counted from 1.
        (
            _chunk(tool_calls=[{"index": 1, "id": "a", "function": _f("f", '{"x":1}')}]),
            _chunk(tool_calls=[{"index": 2, "id": "b", "function": _f("g")}]),
        ),
        # Arguments as an object, and none at all.
        (
            _chunk(tool_calls=[{"id": "a", "function": {"name": "f", "arguments": {"x": 1}}}]),
            _chunk(tool_calls=[{"id": "b", "function": {"name": "g", "arguments": None}}]),
        ),
    ],
)
def test_tool_calls_are_told_apart_however_they_are_numbered(chunks: tuple[Any, ...]) -> None:
    assert _tools(*chunks) == [
        ToolDelta(index=0, call_id="a", name="f", arguments='{"x":1}'),
        ToolDelta(index=1, call_id="b", name="g", arguments="{}"),
    ]


def test_calls_without_an_id_get_one_and_the_reason_is_that_they_are_calls() -> None:
    deltas = _stream(OPENAI, _chunk("stop", tool_calls=[{"function": _f("f", "{}")}]), b"[DONE]")
    pieces = _pieces(deltas)

    assert pieces[0].tool == ToolDelta(index=0, call_id="call_0_0", name="f", arguments="{}")
    assert pieces[-1].finish_reason == "tool_calls"


def test_thoughts_between_tags_are_told_from_the_answer_wherever_they_are_cut() -> None:
    text = "<think>\nWhy <b>not</b>?</think>\n\n4 < 5 </think>"
    for size in (1, 2, 3, 7, len(text)):
        cuts = [text[start : start + size] for start in range(0, len(text), size)]
        deltas = _stream(Profile(think_tags=True), *(_chunk(content=cut) for cut in cuts), _chunk("stop"), b"[DONE]")
        pieces = _pieces(deltas)
        assert "".join(piece.reasoning for piece in pieces) == "Why <b>not</b>?"
        assert "".join(piece.text for piece in pieces) == "4 < 5 </think>"


def test_an_answer_that_only_begins_like_a_tag_is_an_answer() -> None:
    deltas = _stream(Profile(think_tags=True), _chunk(content="<thi"), _chunk("stop"), b"[DONE]")

    assert [piece.text for piece in _pieces(deltas) if piece.text] == ["<thi"]


def test_content_in_parts_is_split_into_thoughts_and_words() -> None:
    parts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hi"}]

    assert _pieces(_stream(OPENAI, _chunk("stop", content=parts), b"[DONE]")) == [
        Piece(reasoning="Hm"),
        Piece(text="Hi", finish_reason="stop"),
    ]


@pytest.mark.parametrize(
    ("reason", "want"),
    [
        ("eos", "stop"),
        ("model_length", "length"),
        ("sensitive", "content_filter"),
        ("odd", "stop"),
        ("length", "length"),
    ],
)
def test_finish_reasons_are_openais(reason: str, want: str) -> None:
    assert _pieces(_stream(OPENAI, _chunk(content="a"), _chunk(reason), b"[DONE]"))[-1].finish_reason == want


def test_a_reason_that_means_a_fault_is_one_only_if_nothing_was_said() -> None:
    failed = _stream(OPENAI, _chunk("insufficient_system_resource"))
    cut = _stream(OPENAI, _chunk(content="a"), _chunk("insufficient_system_resource"), b"[DONE]")

    assert [delta.error.kind for delta in failed if delta.error] == ["overloaded"]
    assert _pieces(cut)[-1].finish_reason == "length"


def test_a_stream_without_an_end_is_an_error_unless_the_vendor_has_none() -> None:
    cut = _stream(OPENAI, _chunk(content="a"))
    ended = _stream(OPENAI, _chunk("stop", content="a"))
    silent = _stream(Profile(needs_finish=False), _chunk(content="a"))

    assert [delta.error.vendor_code for delta in cut if delta.error] == ["stream_truncated"]
    assert not any(delta.error for delta in ended)
    assert _pieces(silent)[-1].finish_reason == "stop"


def test_a_stream_of_nothing_but_its_end_is_no_answer() -> None:
    assert [delta.error.vendor_code for delta in _stream(OPENAI, b"[DONE]") if delta.error] == ["empty_stream"]


def test_proofs_go_back_only_to_those_who_know_them() -> None:
    said_before = Message(
        "assistant",
        (Reasoning(text="Hm", signature="s"), ToolCall(call_id="a", name="f", signature="g")),
    )
    request = ChatRequest(messages=(*USER, said_before))
    plain = _sent(request, COMPATIBLE)["messages"][1]
    detailed = _sent(request, vendors.OPENROUTER)["messages"][1]
    gemini = _sent(request, vendors.GEMINI)["messages"][1]

    assert plain["reasoning_content"] == "Hm"
    assert "reasoning_details" not in plain
    assert "extra_content" not in plain["tool_calls"][0]
    assert detailed["reasoning_details"] == [{"type": "reasoning.text", "text": "Hm", "signature": "s"}]
    assert gemini["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "g"}}


def test_nothing_follows_an_error() -> None:
    deltas = _stream(OPENAI, _chunk(content="a"), {"error": {"message": "busy"}}, _chunk(content="b"))

    assert [delta.text for delta in deltas] == ["a", ""]
    assert deltas[-1].error is not None


def test_the_last_event_may_repeat_the_message_which_is_not_told_twice() -> None:
    whole = {
        "choices": [{"index": 0, "finish_reason": "stop", "message": {"content": "Hi"}}],
        "usage": {"total_tokens": 3},
    }
    deltas = _stream(Profile(message_ends_stream=True), _chunk(content="Hi"), whole)

    assert _pieces(deltas) == [Piece(text="Hi", finish_reason="stop")]


def test_named_events_of_the_vendors_own_are_passed_over_and_its_errors_are_not() -> None:
    decoder = OpenAIDialect(Profile(events=frozenset({b"answer"}))).decoder(_call())
    quiet = decoder.feed(Frame(b'{"status":"running"}', event=b"flowNodeStatus"))
    text = decoder.feed(Frame(json.dumps(_chunk(content="a")).encode(), event=b"answer"))
    error = decoder.feed(Frame(b'{"code":500,"message":"busy"}', event=b"error"))

    assert quiet == []
    assert text[0].text == "a"
    assert error[0].error is not None


def test_citations_become_annotations() -> None:
    last = _chunk("stop") | {
        "citations": ["https://a.example"],
        "search_results": [{"url": "https://a.example", "title": "A"}],
    }
    pieces = _pieces(_stream(OPENAI, _chunk(content="x"), last, b"[DONE]"))

    assert pieces[0].annotations[0]["url_citation"]["title"] == "A"


def test_generated_pictures_and_sounds_are_media() -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,QUJD"}}
    pieces = _pieces(
        _stream(
            OPENAI,
            _chunk(images=[image]),
            _chunk(audio={"id": "audio_1", "data": "QU", "transcript": "He"}),
            _chunk("stop", audio={"data": "JD", "transcript": "llo"}),
            b"[DONE]",
        )
    )

    assert [piece.media for piece in pieces if piece.media] == [
        Media(kind="image", data="QUJD", media_type="image/png"),
        Media(kind="audio", data="QUJD", file_id="audio_1"),
    ]
    assert "".join(piece.text for piece in pieces) == "Hello"


def _recorded() -> list[str]:
    return sorted(path.name.removesuffix(".stream.txt") for path in GOLDEN.glob("*.stream.txt"))


@pytest.mark.parametrize("case", _recorded())
def test_recorded_streams_give_the_same_pieces_wherever_they_are_cut(case: str) -> None:
    data = (GOLDEN / f"{case}.stream.txt").read_bytes()

    def read(cuts: list[bytes]) -> tuple[list[Piece], list[Any]]:
        splitter, decoder = SseSplitter(), OpenAIDialect(COMPATIBLE).decoder(_call(stream=True))
        deltas = [delta for cut in cuts for frame in splitter.feed(cut) for delta in decoder.feed(frame)]
        deltas += [delta for frame in splitter.finish() for delta in decoder.feed(frame)]
        deltas += decoder.finish()
        return _pieces(deltas), [(delta.report, delta.error) for delta in deltas if delta.report or delta.error]

    whole = read([data])
    step = max(1, len(data) // 400)
    for cut in range(0, len(data), step):
        assert read([data[:cut], data[cut:]]) == whole
    assert read([data[place : place + 1] for place in range(len(data))]) == whole


# ---- Whole answers


def test_a_whole_answer_is_read_into_pieces() -> None:
    body = {
        "choices": [
            {
                "message": {
                    "content": "Hi",
                    "reasoning": "Hm",
                    "tool_calls": [{"id": "a", "function": {"name": "f", "arguments": "{}"}}],
                },
                "finish_reason": "stop",
                "logprobs": {"content": [{"token": "Hi"}]},
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3},
    }
    delta = OpenAIDialect().decode(json.dumps(body).encode(), {}, _call())

    assert delta.usage == TokenUsage(input_tokens=1, output_tokens=2)
    assert [piece.reasoning for piece in delta.pieces if piece.reasoning] == ["Hm"]
    assert [piece.text for piece in delta.pieces if piece.text] == ["Hi"]
    assert delta.pieces[-1].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("body", "kinds", "want"),
    [
        (b'{"base_resp":{"status_code":1004,"status_msg":"login fail"},"choices":null}', {"1004": "auth"}, "auth"),
        (b'{"base_resp":{"status_code":1026,"status_msg":"no"},"choices":[]}', {"1026": "content"}, "content"),
        (b'{"code":11200,"message":"no licence","sid":"x"}', {"11200": "auth"}, "auth"),
        (b'{"error":{"code":"1113","message":"x"}}', {"1113": "quota"}, "quota"),
        (b'{"choices":[{"message":{"content":""},"finish_reason":"network_error"}]}', {}, "server"),
        (b"<html>", {}, "protocol"),
    ],
)
def test_status_200_with_the_vendors_own_code_is_its_error(body: bytes, kinds: Any, want: str) -> None:
    dialect = OpenAIDialect(Profile(error_kinds=kinds))

    for delta in (dialect.decode(body, {}, _call()), dialect.decode_native_body(body, {}, _call())):
        assert delta.error is not None
        assert delta.error.kind == want


def test_success_with_a_code_of_zero_is_no_error() -> None:
    body = b'{"code":0,"message":"Success","sid":"x","choices":[{"message":{"role":"assistant","content":"Hi"}}]}'

    assert OpenAIDialect().decode(body, {}, _call()).pieces[0].text == "Hi"


# ---- Bytes that pass through


def _seen(chunk: Any, **asked: Any) -> Any:
    dialect = OpenAIDialect(COMPATIBLE)
    frame = Frame(json.dumps(chunk).encode())
    call = parse_call("chat", json.dumps({"model": "vendor-m", "messages": [1], "stream": True, **asked}).encode())
    data = dialect.rewrite_frame(frame, dialect.decode_native(frame), call, "vendor-m")
    return None if data is None else json.loads(data)


def test_a_clean_chunk_passes_untouched() -> None:
    frame = Frame(json.dumps(_chunk(content="a")).encode())
    dialect = OpenAIDialect(COMPATIBLE)

    assert dialect.rewrite_frame(frame, dialect.decode_native(frame), _call(), "m") is frame.data


def test_a_vendors_own_words_become_openais() -> None:
    thoughts = [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm"}]}, {"type": "text", "text": "Hi"}]

    assert _seen(_chunk(reasoning="Hm"))["choices"][0]["delta"] == {"reasoning_content": "Hm"}
    assert _seen(_chunk(content=thoughts))["choices"][0]["delta"] == {"content": "Hi", "reasoning_content": "Hm"}
    assert _seen(_chunk("eos"))["choices"][0]["finish_reason"] == "stop"
    assert _seen(_chunk("stop") | {"object": "chat.completion.done"})["object"] == "chat.completion.chunk"


def test_usage_in_odd_places_is_hidden_from_those_who_did_not_ask_and_moved_for_those_who_did() -> None:
    counts = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
    groq = _chunk("stop") | {"x_groq": {"id": "r", "usage": counts}}
    moonshot = _chunk("stop")
    moonshot["choices"][0]["usage"] = counts
    asked = {"stream_options": {"include_usage": True}}

    for chunk in (groq, moonshot):
        assert b"prompt_tokens" not in json.dumps(_seen(chunk)).encode()
        assert _seen(chunk, **asked)["usage"] == counts
        assert "x_groq" not in _seen(chunk, **asked)


def test_usage_that_still_runs_is_not_shown_for_clients_would_add_it_up() -> None:
    running = _chunk(content="a") | {"usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}}

    assert "usage" not in _seen(running, stream_options={"include_usage": True})


def test_whole_answers_are_mended_too() -> None:
    body = {
        "object": "chat.completion",
        "choices": [{"message": {"content": "Hi", "reasoning": "Hm"}, "finish_reason": "sensitive"}],
        "x_groq": {"id": "r"},
    }
    seen = json.loads(OpenAIDialect(COMPATIBLE).rewrite_body(json.dumps(body).encode(), _call(), "m"))

    assert seen["choices"][0] == {
        "message": {"content": "Hi", "reasoning_content": "Hm"},
        "finish_reason": "content_filter",
    }
    assert "x_groq" not in seen


def test_missing_usage_is_a_frame_for_those_who_asked() -> None:
    dialect = OpenAIDialect()
    asked = _call(stream=True, stream_options={"include_usage": True})
    frame = dialect.missing_usage(b'{"id":"x"}', TokenUsage(input_tokens=1), asked)

    assert dialect.missing_usage(b"{}", TokenUsage(), _call(stream=True)) == b""
    assert frame.startswith(b'data: {"id":"x"')
    assert frame.endswith(b"\n\n")


# ---- Embeddings


def _embeddings(**members: Any) -> Call:
    return parse_call("embeddings", json.dumps({"model": "m", "input": "a", **members}).encode())


def test_vectors_are_read_in_order_as_lists_or_packed() -> None:
    rows = [{"index": 1, "embedding": [0.5]}, {"index": 0, "embedding": "AACAPwAAAMA="}]
    delta = OpenAIDialect().decode(json.dumps({"data": rows, "usage": {"total_tokens": 4}}).encode(), {}, _embeddings())

    assert delta.result == Embeddings(vectors=((1.0, -2.0), (0.5,)))
    assert delta.usage == TokenUsage(input_tokens=4)


def test_texts_are_sent_with_the_vendors_names_and_ids_only_to_those_who_know_them() -> None:
    request = EmbeddingsRequest(inputs=("a", "b"), dimensions=3)
    made = OpenAIDialect(Profile(dimensions_field="output_dimension")).encode(_embeddings(), request, _target())

    assert json.loads(made.body) == {"model": "vendor-m", "input": ["a", "b"], "output_dimension": 3}
    with pytest.raises(InvalidRequestError):
        OpenAIDialect(COMPATIBLE).encode(_embeddings(), EmbeddingsRequest(inputs=((1, 2),)), _target())


def test_vectors_are_packed_for_the_client_where_the_vendor_cannot() -> None:
    dialect = OpenAIDialect(Profile(packs_vectors=False))
    call = _embeddings(encoding_format="base64")
    sent = json.loads(dialect.encode_native(call, _target()).body)
    seen = json.loads(dialect.rewrite_body(b'{"data":[{"embedding":[1.0,-2.0]}],"model":"vendor-m"}', call, "vendor-m"))

    assert "encoding_format" not in sent
    assert seen == {"data": [{"embedding": "AACAPwAAAMA="}], "model": "m"}


# ---- The channel itself


def test_models_are_listed_in_either_form() -> None:
    dialect = OpenAIDialect()
    asked = dialect.models_request(_target())

    assert asked is not None
    assert (asked.method, asked.url) == ("GET", "https://vendor.example/v1/models")
    assert asked.headers["Authorization"] == "Bearer sk-vendor"
    assert dialect.decode_models(b'{"data":[{"id":"a"},{"id":"models/b"},{}]}') == ("a", "b")
    assert dialect.decode_models(b'[{"id":"a"}]') == ("a",)
    assert dialect.decode_models(b"<html>") == ()
    assert OpenAIDialect(vendors.SPARK).models_request(_target()) is None


@pytest.mark.parametrize(
    ("profile", "path", "body", "want"),
    [
        (
            vendors.DEEPSEEK,
            "/user/balance",
            {"is_available": True, "balance_infos": [{"currency": "CNY", "total_balance": "110.00"}]},
            {"CNY": Decimal("110.00")},
        ),
        (vendors.MOONSHOT, "/v1/users/me/balance", {"data": {"available_balance": 49.5}}, {"CNY": Decimal("49.5")}),
        (vendors.SILICONFLOW, "/v1/user/info", {"data": {"totalBalance": "88.8"}}, {"CNY": Decimal("88.8")}),
        (vendors.OPENROUTER, "/api/v1/key", {"data": {"limit_remaining": None}}, {}),
    ],
)
def test_what_is_left_at_the_vendor_is_read_where_it_tells(
    profile: Profile, path: str, body: Any, want: dict[str, Decimal]
) -> None:
    dialect = OpenAIDialect(profile)
    asked = dialect.balance_request(_target())

    assert asked is not None
    assert asked.url == "https://vendor.example" + path
    assert dialect.decode_balance(json.dumps(body).encode()) == want
    assert dialect.decode_balance(b"[]") == {}
    assert OpenAIDialect().balance_request(_target()) is None


def test_azure_exchanges_a_credential_for_a_token() -> None:
    dialect = AzureDialect(frozenset({"chat"}))
    options = {"auth": "entra"}
    asked = dialect.token_request(_target(key="tenant/1|client|s&cret", options=options))
    token = dialect.decode_token(b'{"token_type":"Bearer","expires_in":3599,"access_token":"abc"}')

    assert asked is not None
    assert asked.url == "https://login.microsoftonline.com/tenant%2F1/oauth2/v2.0/token"
    assert b"client_secret=s%26cret" in asked.body
    assert (token.value, token.lifetime_seconds) == ("abc", 3599.0)
    assert dialect.token_request(_target(key="ready-made", options=options)) is None
    assert dialect.token_request(_target(key="a|b|c")) is None
    sent = dialect.encode_native(_call(), _target(key="a|b|c", options=options, access_token="abc"))
    assert sent.headers["Authorization"] == "Bearer abc"
    for body in (b"{}", b'{"error":"invalid_client"}', b"[]", b""):
        with pytest.raises(VendorError):
            dialect.decode_token(body)


# ---- Nothing is raised, whatever a vendor sends


WORDS = [
    "choices",
    "delta",
    "message",
    "content",
    "reasoning",
    "reasoning_content",
    "reasoning_details",
    "usage",
    "error",
    "x_groq",
    "tool_calls",
    "function",
    "function_call",
    "name",
    "arguments",
    "index",
    "id",
    "finish_reason",
    "type",
    "text",
    "thinking",
    "images",
    "image_url",
    "audio",
    "data",
    "annotations",
    "logprobs",
    "citations",
    "search_results",
    "base_resp",
    "status_code",
    "code",
    "object",
    "extra_content",
    "google",
    "embedding",
    "bot_usage",
    "model_usage",
    "total_tokens",
    "prompt_tokens",
    "completion_tokens",
    "custom",
    "input",
    "url",
    "signature",
]
junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.just(10**400),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS), inner, max_size=6),
    max_leaves=30,
)


def _bytes_of(value: Any) -> bytes:
    return json.dumps(value).encode()


@settings(max_examples=150)
@given(st.lists(st.binary(max_size=200) | junk.map(_bytes_of), max_size=6))
def test_no_stream_makes_the_decoder_raise(payloads: list[bytes]) -> None:
    for profile in (OPENAI, Profile(think_tags=True, message_ends_stream=True, events=frozenset({b"answer"}))):
        dialect = OpenAIDialect(profile)
        decoder = dialect.decoder(_call(stream=True))
        deltas = [delta for data in payloads for delta in decoder.feed(Frame(data))]
        for delta in [*deltas, *decoder.finish()]:
            delta.text.encode()
            msgspec.json.encode(delta.pieces)
        for data in payloads:
            native = dialect.decode_native(Frame(data))
            dialect.rewrite_frame(Frame(data), native, _call(stream=True), "other")


@settings(max_examples=150)
@given(st.binary(max_size=300) | junk.map(_bytes_of))
def test_no_answer_makes_a_decoder_raise(body: bytes) -> None:
    dialect = OpenAIDialect(COMPATIBLE)
    for call in (_call(), _embeddings(), _embeddings(encoding_format="base64")):
        dialect.decode(body, {}, call)
        dialect.decode_native_body(body, {}, call)
        dialect.rewrite_body(body, call, "other")
    dialect.decode_error(500, {}, body)
    dialect.decode_models(body)
    dialect.decode_balance(body)


def test_deep_nesting_and_floods_of_calls_are_bounded() -> None:
    deep = b'{"choices":[{"delta":{"content":' + b"[" * 100_000
    many = _chunk(tool_calls=[{"id": str(place), "function": {"name": "f"}} for place in range(5_000)])

    assert _stream(OPENAI, deep)[0].error is not None
    assert len(_tools(many)) <= 512
