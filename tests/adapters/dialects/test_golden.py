"""Streams as vendors send them, each with what must be read out of it and what the client must not see."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.dialects.openai import decode_chunk, rewrite_chunk
from adapters.sse import SseSplitter
from domain.relay.call import Call, parse_call
from domain.relay.delta import Delta, UsageTally

GOLDEN = Path(__file__).parent / "golden"
CASES = sorted(path.name.removesuffix(".stream.txt") for path in GOLDEN.glob("*.stream.txt"))


def _call(case: str) -> Call:
    body = (GOLDEN / f"{case}.request.json").read_bytes()
    return parse_call("completions" if b'"prompt"' in body else "chat", body)


def _payloads(pieces: list[bytes]) -> list[bytes]:
    splitter = SseSplitter()
    frames = [frame for piece in pieces for frame in splitter.feed(piece)] + splitter.finish()
    return [frame.data for frame in frames if frame.data]


def _summary(payloads: list[bytes], call: Call) -> dict[str, Any]:
    tally = UsageTally()
    deltas: list[Delta] = [decode_chunk(data) for data in payloads]
    for delta in deltas:
        tally.add(delta.report)
    reasons = [delta.finish_reason for delta in deltas if delta.finish_reason]
    found: dict[str, Any] = {
        "text": "".join(delta.text for delta in deltas),
        "finish_reason": reasons[-1] if reasons else None,
        "done": any(delta.is_done for delta in deltas),
        "total": tally.last.vendor_total if tally.last else None,
        "usage": {
            name: count
            for name, count in msgspec.to_builtins(tally.last.usage).items()
            if (name.endswith("tokens") or name == "searches") and count
        }
        if tally.last
        else None,
        "flags": list(tally.flags),
        "dropped": sum(
            rewrite_chunk(data, delta, call, call.model) is None for data, delta in zip(payloads, deltas, strict=True)
        ),
    }
    errors = [delta.error.kind for delta in deltas if delta.error]
    return found | ({"error": errors[-1]} if errors else {})


def test_golden_cases_are_found() -> None:
    assert len(CASES) >= 14


@pytest.mark.parametrize("case", CASES)
def test_stream_is_read_as_recorded(case: str) -> None:
    stream = (GOLDEN / f"{case}.stream.txt").read_bytes()

    assert _summary(_payloads([stream]), _call(case)) == json.loads((GOLDEN / f"{case}.want.json").read_text())


@pytest.mark.parametrize("case", CASES)
def test_split_at_any_byte_gives_the_same_payloads(case: str) -> None:
    stream = (GOLDEN / f"{case}.stream.txt").read_bytes()
    whole = _payloads([stream])

    assert _payloads([bytes((byte,)) for byte in stream]) == whole
    for cut in range(len(stream) + 1):
        assert _payloads([stream[:cut], stream[cut:]]) == whole, cut


@pytest.mark.parametrize("case", [case for case in CASES if case not in ("text-usage-asked", "error-in-mid-stream")])
def test_client_that_did_not_ask_sees_no_top_level_usage(case: str) -> None:
    call = _call(case)
    for data in _payloads([(GOLDEN / f"{case}.stream.txt").read_bytes()]):
        seen = rewrite_chunk(data, decode_chunk(data), call, call.model)
        if seen not in (None, b"[DONE]"):
            assert "usage" not in json.loads(seen or b"")
