"""One suite of canonical cases over every dialect with a format of its own."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from adapters.lines import LineSplitter
from adapters.sse import SseSplitter
from domain.relay.assemble import Assembler
from domain.relay.call import InvalidRequestError
from domain.relay.chat import ChatRequest, Media, Message, Text
from domain.relay.delta import Delta, UsageTally
from domain.relay.dialect import Frame, UnsupportedParameterError
from domain.relay.tasks import EmbeddingsRequest
from domain.relay.vendor_errors import VendorError
from tests.adapters.dialects.own_cases import ASKED, CASES, Case, call

every = pytest.mark.parametrize("case", CASES, ids=str)
streaming = pytest.mark.parametrize("case", [case for case in CASES if case.stream], ids=str)
whole = pytest.mark.parametrize("case", [case for case in CASES if case.answer], ids=str)


def frames(case: Case, *parts: bytes) -> list[Frame]:
    splitter = SseSplitter() if case.dialect.framing == "sse" else LineSplitter()
    found: list[Frame] = []
    for part in parts:
        found += splitter.feed(part)
    return found + splitter.finish()


def read(case: Case, found: list[Frame]) -> list[Delta]:
    decoder = case.dialect.decoder(call())
    deltas: list[Delta] = []
    for frame in found:
        if frame.data or frame.event:
            deltas += decoder.feed(frame)
    return deltas + decoder.finish()


def told(deltas: list[Delta]) -> tuple[str, str | None, UsageTally]:
    assembler, tally = Assembler(), UsageTally()
    for delta in deltas:
        assert delta.error is None, delta.error
        assembler.add(delta)
        tally.add(delta.report)
    pieces = assembler.whole().pieces
    reasons = [piece.finish_reason for piece in pieces if piece.finish_reason]
    assert len(reasons) == 1
    return "".join(piece.text for piece in pieces), reasons[0], tally


def holds(found: Any, wanted: Any) -> bool:
    if isinstance(wanted, dict):
        return isinstance(found, dict) and all(holds(found.get(name), value) for name, value in wanted.items())
    return bool(found == wanted)


@every
def test_a_chat_is_sent_as_the_vendor_documents_it(case: Case) -> None:
    sent = case.dialect.encode(call(), ASKED, case.target)

    assert sent.url.startswith(case.url)
    if "?" not in case.url:
        assert sent.url == case.url
    assert case.headers.items() <= sent.headers.items()
    assert holds(msgspec.json.decode(sent.body), case.body), sent.body


@every
def test_a_plain_call_does_not_ask_for_a_stream_unless_the_vendor_only_streams(case: Case) -> None:
    sent = case.dialect.encode(call(stream=False), ASKED, case.target)
    body = msgspec.json.decode(sent.body)

    if sent.streams is None:
        assert body.get("stream") is not True
        assert body.get("Stream") is not True


@whole
def test_a_whole_answer_is_read(case: Case) -> None:
    delta = case.dialect.decode(case.answer.encode(), {}, call(stream=False))

    text, reason, tally = told([delta])
    assert (text, reason) == ("Hello", "stop")
    assert delta.text == "Hello"
    if case.tokens is not None:
        assert tally.last is not None
        assert tally.last.usage is not None
        assert (tally.last.usage.input_total, tally.last.usage.output_total) == case.tokens


@streaming
def test_a_stream_says_the_same(case: Case) -> None:
    deltas = read(case, frames(case, case.stream))

    text, reason, tally = told(deltas)
    assert (text, reason) == ("Hello", "stop")
    assert "".join(delta.text for delta in deltas) == "Hello"
    if case.tokens is not None:
        assert tally.last is not None
        assert tally.last.usage is not None
        assert (tally.last.usage.input_total, tally.last.usage.output_total) == case.tokens


@streaming
def test_a_stream_split_at_any_byte_says_the_same(case: Case) -> None:
    wanted = read(case, frames(case, case.stream))

    for cut in range(len(case.stream)):
        assert read(case, frames(case, case.stream[:cut], case.stream[cut:])) == wanted


@pytest.mark.parametrize(
    ("case", "body", "kind"), [(case, body, kind) for case in CASES for body, kind in case.errors.items()], ids=str
)
def test_an_error_with_status_200_is_an_error(case: Case, body: str, kind: str) -> None:
    error = case.dialect.decode(body.encode(), {}, call(stream=False)).error

    assert error is not None
    assert error.kind == kind


@pytest.mark.parametrize(
    ("case", "status", "body", "kind"),
    [(case, status, body, kind) for case in CASES for (status, body), kind in case.failures.items()],
    ids=str,
)
def test_a_failed_answer_is_of_its_kind(case: Case, status: int, body: str, kind: str) -> None:
    error = case.dialect.decode_error(status, {}, body.encode(), secrets=("vendor-key",))

    assert error.kind == kind
    assert error.status == status


@every
def test_what_the_vendor_cannot_do_is_refused_by_name(case: Case) -> None:
    asked = msgspec.structs.replace(ASKED, logit_bias={"1": 2.0})

    with pytest.raises(UnsupportedParameterError) as refused:
        case.dialect.encode(call(), asked, case.target)
    assert refused.value.param == "logit_bias"


# Replicate's models have inputs of their own: every member is passed on.
@pytest.mark.parametrize("case", [case for case in CASES if case.name != "replicate"], ids=str)
def test_a_member_that_nobody_knows_is_refused_by_name(case: Case) -> None:
    asked = msgspec.structs.replace(ASKED, others={"made_up": 1})

    with pytest.raises(UnsupportedParameterError) as refused:
        case.dialect.encode(call(), asked, case.target)
    assert refused.value.param == "made_up"


@every
def test_a_channel_may_drop_what_the_vendor_cannot_do(case: Case) -> None:
    asked = msgspec.structs.replace(ASKED, logit_bias={"1": 2.0}, top_logprobs=None, seed=None)
    lenient = msgspec.structs.replace(case.target, drops_unsupported=True)

    dropped = case.dialect.encode(call(), asked, lenient)
    assert b"logit_bias" not in dropped.body


@every
def test_a_temperature_is_sent_or_refused_and_never_lost(case: Case) -> None:
    asked = msgspec.structs.replace(ASKED, temperature=0.5)

    if case.takes_sampling:
        assert b"0.5" in case.dialect.encode(call(), asked, case.target).body
    else:
        with pytest.raises(UnsupportedParameterError):
            case.dialect.encode(call(), asked, case.target)


@every
def test_a_sound_is_never_dropped_without_a_word(case: Case) -> None:
    heard = Message("user", (Text("What is it?"), Media(kind="audio", data="AAAA", media_type="audio/wav")))
    asked = ChatRequest(messages=(heard,))

    try:
        sent = case.dialect.encode(call(), asked, case.target)
    except (UnsupportedParameterError, InvalidRequestError):
        return
    assert b"AAAA" in sent.body


@every
def test_a_kind_of_call_that_the_vendor_does_not_have_is_refused(case: Case) -> None:
    if "embeddings" in case.dialect.surfaces:
        assert case.dialect.encode(call(), EmbeddingsRequest(inputs=("a",)), case.target).body
    else:
        with pytest.raises(InvalidRequestError):
            case.dialect.encode(call(), EmbeddingsRequest(inputs=("a",)), case.target)


@streaming
def test_a_stream_cut_short_never_looks_whole(case: Case) -> None:
    first = frames(case, case.stream)[:1]
    deltas = read(case, first)

    assert not any(delta.is_done for delta in deltas)
    assert all(piece.finish_reason is None for delta in deltas for piece in delta.pieces)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


NAMES = [
    "message",
    "delta",
    "content",
    "text",
    "type",
    "tool_calls",
    "function",
    "arguments",
    "name",
    "id",
    "index",
    "usage",
    "choices",
    "output",
    "Choices",
    "Response",
    "Delta",
    "finish_reason",
    "result",
    "error",
    "code",
    "header",
    "payload",
    "data",
    "event",
    "answer",
    "status",
    "response",
    "embeddings",
    "metadata",
    "done",
]
SHAPED = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | st.sampled_from(["", "stop", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4),
    max_leaves=16,
)


@every
@settings(max_examples=60)
@given(garbage=st.binary(max_size=60) | SHAPED.map(_json), name=st.sampled_from(NAMES))
@example(garbage=b'{"status":[]}', name="status")
def test_garbage_gives_errors_of_ours_and_nothing_else(case: Case, garbage: bytes, name: str) -> None:
    decoder = case.dialect.decoder(call())
    for event in (b"", name.encode(), b"add", b"finish", b"output", b"done", b"error"):
        for delta in decoder.feed(Frame(garbage, garbage, event)):
            delta.text.encode()
    decoder.finish()
    for surface in ("chat", "embeddings", "rerank", "images", "speech", "transcriptions"):
        asked = msgspec.structs.replace(call(stream=False), surface=surface)
        case.dialect.decode(garbage, {}, asked)
    assert isinstance(case.dialect.decode_error(500, {}, garbage), VendorError)
    case.dialect.follow(garbage, case.dialect.encode(call(), ASKED, case.target), case.target)
