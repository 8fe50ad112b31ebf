"""Every vendor of OpenAI's dialect: what is sent to it, and what is made of what it sends, from recorded shapes.

`<row>.requests.json` has client bodies with what the vendor gets, or which parameter is refused; `<row>.stream.txt` a
stream, with what is read out of it and what a client of the same contract sees; `<row>.answers.json` whole answers of
status 200, and `<row>.errors.json` failed ones.
"""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.channel_types import TYPES
from adapters.channel_types.openai_family import ROWS
from adapters.dialects.openai import OpenAIDialect
from adapters.sse import SseSplitter
from domain.metering.usage import TokenUsage
from domain.relay.assemble import Assembler
from domain.relay.call import Call, parse_call
from domain.relay.chat import ChatRequest, Message, Text
from domain.relay.delta import Delta, UsageTally
from domain.relay.dialect import Frame, Native, Target, UnsupportedParameterError

GOLDEN = Path(__file__).parents[1] / "dialects" / "golden" / "openai_family"
HI = [{"role": "user", "content": "hi"}]


def _cases(suffix: str) -> list[str]:
    return sorted(path.name.removesuffix(suffix) for path in GOLDEN.glob(f"*{suffix}"))


def _load(name: str) -> Any:
    return json.loads((GOLDEN / name).read_text())


def _dialect(row: str) -> OpenAIDialect:
    dialect = TYPES[row.partition("-")[0]].dialect
    assert isinstance(dialect, OpenAIDialect)
    return dialect


def _target(row: str, case: dict[str, Any]) -> Target:
    type_ = TYPES[row.partition("-")[0]]
    return Target(
        base_url=case.get("base_url") or type_.base_url or "https://resource.example",
        key=case.get("key", "sk-vendor"),
        model=case.get("model", "vendor-m"),
        options=case.get("options", {}),
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
        output_tokens_max=case.get("output_tokens_max"),
        drops_unsupported=case.get("drops", False),
    )


def _call(asked: dict[str, Any]) -> Call:
    return parse_call("chat", json.dumps({"model": "m", "messages": HI, **asked}).encode())


def sent(row: str, case: dict[str, Any]) -> dict[str, Any]:
    """Give what the vendor gets for a client's body: where, with which key, and what differs from the plainest call."""
    try:
        made = _dialect(row).encode_native(_call(case["asked"]), _target(row, case))
    except UnsupportedParameterError as refused:
        return {"refused": refused.param}
    body = json.loads(made.body)
    keys = ("Authorization", "api-key", "HTTP-Referer", "X-Title", "appid", "cf-aig-authorization")
    return {
        "url": made.url,
        "headers": {name: made.headers[name] for name in keys if name in made.headers},
        "body": {
            name: value
            for name, value in body.items()
            if (name, value) not in (("model", "vendor-m"), ("messages", HI))
        },
    }


def summary(deltas: list[Delta]) -> dict[str, Any]:
    """Give what was said, by kind, and what it used."""
    tally, whole = UsageTally(), Assembler()
    for delta in deltas:
        tally.add(delta.report)
        whole.add(delta)
    pieces = whole.whole().pieces
    found: dict[str, Any] = {
        "text": "".join(piece.text for piece in pieces),
        "reasoning": "".join(piece.reasoning for piece in pieces),
        "tools": [msgspec.to_builtins(piece.tool) for piece in pieces if piece.tool is not None],
        "citations": [note["url_citation"]["url"] for piece in pieces for note in piece.annotations],
        "finish_reasons": [piece.finish_reason for piece in pieces if piece.finish_reason],
        "usage": None if tally.last is None else _classes(tally.last.usage),
        "vendor_total": None if tally.last is None else tally.last.vendor_total,
        "flags": list(tally.flags),
        "errors": [[delta.error.kind, delta.error.vendor_code] for delta in deltas if delta.error],
    }
    return {name: value for name, value in found.items() if value not in ("", [], None)}


def _classes(usage: TokenUsage | None) -> dict[str, int]:
    counts: dict[str, int] = {} if usage is None else msgspec.to_builtins(usage)
    return {name: count for name, count in counts.items() if name.endswith("tokens") and count}


def _frames(cuts: list[bytes]) -> list[Frame]:
    splitter = SseSplitter()
    return [*(frame for cut in cuts for frame in splitter.feed(cut)), *splitter.finish()]


def read_stream(row: str, cuts: list[bytes]) -> dict[str, Any]:
    """Read a stream in full."""
    decoder = _dialect(row).decoder(_call({"stream": True}))
    deltas = [delta for frame in _frames(cuts) for delta in decoder.feed(frame)]
    return summary([*deltas, *decoder.finish()])


def seen_stream(row: str, data: bytes, asked: dict[str, Any]) -> list[Any]:
    """Give the chunks that a client of the same contract sees, by what is in them."""
    dialect = _dialect(row)
    native: Native = dialect
    call = parse_call("chat", json.dumps({"model": "m", "messages": HI, "stream": True, **asked}).encode())
    seen: list[Any] = []
    for frame in _frames([data]):
        if not frame.data:
            continue
        delta = native.decode_native(frame)
        if delta.error is not None:
            seen.append({"error": delta.error.kind})
            break
        payload = native.rewrite_frame(frame, delta, call, "vendor-m")
        if payload is None or payload == b"[DONE]":
            continue
        chunk = json.loads(payload)
        shown = [[choice.get("delta"), choice.get("finish_reason")] for choice in chunk.get("choices", [])]
        seen.append(shown + ([{"usage": chunk["usage"]["total_tokens"]}] if chunk.get("usage") else []))
        assert "x_groq" not in chunk
        assert chunk.get("model", "m") == "m"
    return seen


ASKING: dict[str, Any] = {"stream_options": {"include_usage": True}}


@pytest.mark.parametrize("row", _cases(".requests.json"))
def test_vendors_get_what_they_understand(row: str) -> None:
    for case in _load(f"{row}.requests.json"):
        assert sent(row, case) == case["want"], case["asked"]


@pytest.mark.parametrize("row", _cases(".stream.txt"))
def test_streams_are_read_in_full(row: str) -> None:
    data = (GOLDEN / f"{row}.stream.txt").read_bytes()

    assert read_stream(row, [data]) == _load(f"{row}.stream.want.json")["read"]


@pytest.mark.parametrize("row", _cases(".stream.txt"))
def test_streams_cut_at_any_byte_are_read_the_same(row: str) -> None:
    data = (GOLDEN / f"{row}.stream.txt").read_bytes()
    whole = read_stream(row, [data])

    assert read_stream(row, [data[place : place + 1] for place in range(len(data))]) == whole
    for cut in range(0, len(data), 3):
        assert read_stream(row, [data[:cut], data[cut:]]) == whole, cut


@pytest.mark.parametrize("row", [row for row in _cases(".stream.txt") if TYPES[row.partition("-")[0]].native])
def test_clients_of_the_same_contract_see_openais_words_and_usage_only_if_they_asked(row: str) -> None:
    data = (GOLDEN / f"{row}.stream.txt").read_bytes()
    want = _load(f"{row}.stream.want.json")

    assert seen_stream(row, data, ASKING) == want["seen"]
    assert not any("usage" in part for chunk in seen_stream(row, data, {}) for part in chunk if isinstance(part, dict))


@pytest.mark.parametrize("row", _cases(".stream.txt"))
def test_what_a_stream_used_is_a_partition_of_the_vendors_total(row: str) -> None:
    read = _load(f"{row}.stream.want.json")["read"]
    if "vendor_total" in read and "total_mismatch" not in read.get("flags", []):
        assert sum(read["usage"].values()) == read["vendor_total"]


@pytest.mark.parametrize("row", _cases(".answers.json"))
def test_whole_answers_are_read(row: str) -> None:
    for case in _load(f"{row}.answers.json"):
        assert summary([_dialect(row).decode(json.dumps(case["body"]).encode(), {}, _call({}))]) == case["want"]


@pytest.mark.parametrize("row", _cases(".errors.json"))
def test_failures_are_told_apart(row: str) -> None:
    for case in _load(f"{row}.errors.json"):
        error = _dialect(row).decode_error(case["status"], {}, json.dumps(case["body"]).encode())
        assert [error.kind, error.vendor_code] == case["want"], case["body"]


@pytest.mark.parametrize("row", [pytest.param(row.name, id=row.name) for row in ROWS])
def test_every_row_says_a_plain_chat_and_reads_the_answer(row: str) -> None:
    """The suite of canonical cases at its shortest: a chat from another contract, its stream, its answer."""
    dialect = _dialect(row)
    request = ChatRequest(messages=(Message("system", (Text("Be kind."),)), Message("user", (Text("hi"),))))
    call = Call(surface="chat", dialect="anthropic", model="m", stream=True)
    made = dialect.encode(call, request, _target(row, {"options": {"account_id": "acc"}}))
    body = json.loads(made.body)
    chunks = [
        {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hel"}}],
        },
        {
            "object": "chat.completion.chunk",
            "choices": [{"index": 0, "delta": {"content": "lo"}, "finish_reason": "stop"}],
        },
    ]
    data = b"".join(b"data: " + json.dumps(chunk).encode() + b"\n\n" for chunk in chunks) + b"data: [DONE]\n\n"

    assert made.url.startswith("http")
    assert "//" not in made.url.partition("://")[2]
    assert "/v1/v1" not in made.url
    assert body["messages"] == [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}]
    assert body["stream"] is True
    assert read_stream(row, [data]) == {"text": "Hello", "finish_reasons": ["stop"]}
