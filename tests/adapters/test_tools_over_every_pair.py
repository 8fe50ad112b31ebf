"""Tools over every pair of contract and dialect: declared, called in parallel, streamed, answered.

Both halves meet in the canonical form. A conversation with two calls and their results is said in each of the four
contracts, and must come out of every dialect with both calls and both results, in order; what a dialect streams of two
calls must come out of every contract as two whole calls.
"""

import json
from typing import Any

import pytest

from adapters.aws_event_stream import AwsEventSplitter
from adapters.channel_types import TYPES
from adapters.lines import LineSplitter
from adapters.sse import SseSplitter
from app.relay.surfaces import SURFACES
from app.relay.translation import Translating
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, ClientDialect
from tests.adapters.dialects import test_anthropic, test_bedrock, test_gemini
from tests.adapters.dialects.own_cases import lines, named, sse
from tests.support.dialects import SAID, body_of, frames_of, target

SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
FUNCTION = {"name": "weather", "description": "The weather", "parameters": SCHEMA}
CITIES = ("Oslo", "Rome")
RESULTS = ("rain in the north", "sun in the south")

# ---- What clients say


def _openai() -> dict[str, Any]:
    calls = [
        {
            "id": f"call_{n}",
            "type": "function",
            "function": {"name": "weather", "arguments": json.dumps({"city": city})},
        }
        for n, city in enumerate(CITIES)
    ]
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": told} for n, told in enumerate(RESULTS)]
    return {
        "messages": [
            {"role": "user", "content": "Compare."},
            {"role": "assistant", "content": None, "tool_calls": calls},
            *results,
        ],
        "tools": [{"type": "function", "function": FUNCTION}],
        "max_tokens": 50,
    }


def _responses() -> dict[str, Any]:
    calls = [
        {"type": "function_call", "call_id": f"call_{n}", "name": "weather", "arguments": json.dumps({"city": city})}
        for n, city in enumerate(CITIES)
    ]
    results = [
        {"type": "function_call_output", "call_id": f"call_{n}", "output": told} for n, told in enumerate(RESULTS)
    ]
    return {
        "input": [{"role": "user", "content": "Compare."}, *calls, *results],
        "tools": [{"type": "function", "strict": False, **FUNCTION}],
        "max_output_tokens": 50,
    }


def _anthropic() -> dict[str, Any]:
    calls = [
        {"type": "tool_use", "id": f"call_{n}", "name": "weather", "input": {"city": city}}
        for n, city in enumerate(CITIES)
    ]
    results = [{"type": "tool_result", "tool_use_id": f"call_{n}", "content": told} for n, told in enumerate(RESULTS)]
    return {
        "messages": [
            {"role": "user", "content": "Compare."},
            {"role": "assistant", "content": calls},
            {"role": "user", "content": results},
        ],
        "tools": [{"name": "weather", "description": "The weather", "input_schema": SCHEMA}],
        "max_tokens": 50,
    }


def _gemini() -> dict[str, Any]:
    calls = [
        {"functionCall": {"id": f"call_{n}", "name": "weather", "args": {"city": city}}}
        for n, city in enumerate(CITIES)
    ]
    results = [
        {"functionResponse": {"id": f"call_{n}", "name": "weather", "response": {"output": told}}}
        for n, told in enumerate(RESULTS)
    ]
    return {
        "contents": [
            {"role": "user", "parts": [{"text": "Compare."}]},
            {"role": "model", "parts": calls},
            {"role": "user", "parts": results},
        ],
        "tools": [{"functionDeclarations": [FUNCTION]}],
        "generationConfig": {"maxOutputTokens": 50},
    }


BODIES: dict[ClientDialect, dict[str, Any]] = {
    "openai": _openai(),
    "responses": _responses(),
    "anthropic": _anthropic(),
    "gemini": _gemini(),
}
KEYS = {"spark": "APP|SECRET|KEY", "hunyuan": "id|secret", "bedrock": "AKID|secret", "ernie": "AK|SK"}
MODELS = {"spark": "Spark-4.0-Ultra", "bedrock": "amazon.nova-pro-v1:0", "ernie": "ERNIE-4.0-8K"}
# One row of each dialect that takes tools; OpenAI's family differs in what tests of its quirks show.
TOOLED = sorted({type(row.dialect): row.name for row in TYPES.values() if "tools" in row.capabilities}.values())
SEVERAL = [name for name in TOOLED if name != "ernie"]
"""ERNIE takes one call a turn, and refuses more by name."""


def _call(dialect: ClientDialect, *, stream: bool = False) -> Call:
    body = dict(BODIES[dialect])
    if dialect != "gemini":
        body |= {"model": "asked", "stream": stream}
    return SURFACES[dialect].parse("chat", json.dumps(body).encode(), model="asked", stream=stream)


@pytest.mark.parametrize("type_", SEVERAL)
@pytest.mark.parametrize("contract", BODIES)
def test_calls_and_their_results_reach_every_vendor(contract: ClientDialect, type_: str) -> None:
    row, call = TYPES[type_], _call(contract)
    where = target(
        MODELS.get(type_, "vendor-m"),
        base_url=row.base_url or "https://vendor.test",
        key=KEYS.get(type_, "vendor-key"),
        options={"account_id": "acc"},
        output_tokens_max=50,
        drops_unsupported=True,
    )

    sent = row.dialect.encode(call, SURFACES[contract].canonical(call), where)

    said = json.dumps(body_of(sent), ensure_ascii=False)
    places = [said.find(told) for told in (*CITIES, *RESULTS)]
    assert -1 not in places, said
    assert places == sorted(places)
    assert "weather" in said
    assert '"city"' in said.replace("\\", "")


# ---- What vendors stream


def _chunk(*calls: dict[str, Any], finish: str | None = None) -> dict[str, Any]:
    delta = {"role": "assistant", "tool_calls": list(calls)} if calls else {}
    return {
        "id": "c",
        "object": "chat.completion.chunk",
        "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
    }


def _piece(index: int, arguments: str, name: str = "") -> dict[str, Any]:
    first = {"id": f"call_{index}", "type": "function"} if name else {}
    return {"index": index, **first, "function": {**({"name": name} if name else {}), "arguments": arguments}}


OPENAI = sse(
    _chunk(_piece(0, "", "f"), _piece(1, "", "g")),
    _chunk(_piece(0, '{"a"')),
    _chunk(_piece(1, "{}"), _piece(0, ":1}")),
    _chunk(finish="tool_calls"),
    done=True,
)
COHERE = named(
    ("message-start", {"type": "message-start", "delta": {"message": {"role": "assistant"}}}),
    *(
        (name, {"type": name, "index": index, "delta": {"message": {"tool_calls": tool}}})
        for name, index, tool in (
            ("tool-call-start", 0, {"id": "f_1", "type": "function", "function": {"name": "f", "arguments": ""}}),
            ("tool-call-delta", 0, {"function": {"arguments": '{"a":'}}),
            ("tool-call-delta", 0, {"function": {"arguments": "1}"}}),
            ("tool-call-end", 0, {}),
            ("tool-call-start", 1, {"id": "g_1", "type": "function", "function": {"name": "g", "arguments": ""}}),
            ("tool-call-delta", 1, {"function": {"arguments": "{}"}}),
            ("tool-call-end", 1, {}),
        )
    ),
    ("message-end", {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}),
)
OLLAMA = lines(
    {
        "message": {
            "role": "assistant",
            "content": "",
            "tool_calls": [
                {"function": {"name": "f", "arguments": {"a": 1}}},
                {"function": {"name": "g", "arguments": {}}},
            ],
        },
        "done": False,
    },
    {"message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"},
)
DASHSCOPE = sse(
    *(
        {"output": {"choices": [{"message": {"content": "", "tool_calls": [call]}, "finish_reason": end}]}}
        for call, end in (
            (_piece(0, '{"a":', "f"), "null"),
            (_piece(0, "1}"), "null"),
            (_piece(1, "{}", "g"), "tool_calls"),
        )
    )
)
HUNYUAN = sse(
    *(
        {"Choices": [{"Delta": {"Role": "assistant", "Content": "", "ToolCalls": [call]}, "FinishReason": end}]}
        for call, end in (
            ({"Id": "f1", "Type": "function", "Index": 0, "Function": {"Name": "f", "Arguments": '{"a":1}'}}, ""),
            ({"Id": "g1", "Type": "function", "Index": 1, "Function": {"Name": "g", "Arguments": "{}"}}, "tool_calls"),
        )
    )
)
COHERE_V1 = lines(
    {"event_type": "stream-start", "generation_id": "g"},
    *(
        {"event_type": "tool-calls-chunk", "tool_call_delta": chunk}
        for chunk in (
            {"text": "I will"},
            {"index": 0, "name": "f"},
            {"index": 0, "parameters": '{"a":'},
            {"index": 0, "parameters": "1}"},
            {"index": 1, "name": "g"},
        )
    ),
    {
        "event_type": "tool-calls-generation",
        "tool_calls": [{"name": "f", "parameters": {"a": 1}}, {"name": "g", "parameters": {}}],
    },
    {"event_type": "stream-end", "finish_reason": "COMPLETE", "response": {"text": "I will"}},
)
STREAMS: dict[str, tuple[bytes, Any]] = {
    "openai": (OPENAI, SseSplitter),
    "anthropic": (test_anthropic.STREAM, SseSplitter),
    "gemini": (test_gemini.STREAM, SseSplitter),
    "vertex": (test_gemini.STREAM, SseSplitter),
    "bedrock": (test_bedrock.STREAM, AwsEventSplitter),
    "cohere": (COHERE, SseSplitter),
    "cohere_v1": (COHERE_V1, LineSplitter),
    "ollama": (OLLAMA, LineSplitter),
    "dashscope": (DASHSCOPE, SseSplitter),
    "hunyuan": (HUNYUAN, SseSplitter),
}


def _openai_calls(events: list[Any]) -> list[tuple[str, Any]]:
    found: dict[int, list[str]] = {}
    for choice in (choice for event in events for choice in event["choices"]):
        for call in choice["delta"].get("tool_calls") or ():
            known = found.setdefault(call["index"], ["", ""])
            known[0] += call["function"].get("name") or ""
            known[1] += call["function"].get("arguments") or ""
    return [(name, json.loads(arguments)) for name, arguments in found.values()]


def _response_calls(events: list[Any]) -> list[tuple[str, Any]]:
    items = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    return [(item["name"], json.loads(item["arguments"])) for item in items if item["type"] == "function_call"]


def _anthropic_calls(events: list[Any]) -> list[tuple[str, Any]]:
    blocks: dict[int, list[str]] = {}
    for event in events:
        block = event.get("content_block") or {}
        if block.get("type") == "tool_use":
            blocks[event["index"]] = [block["name"], ""]
        if (event.get("delta") or {}).get("type") == "input_json_delta":
            blocks[event["index"]][1] += event["delta"]["partial_json"]
    return [(name, json.loads(arguments or "{}")) for name, arguments in blocks.values()]


def _gemini_calls(events: list[Any]) -> list[tuple[str, Any]]:
    parts = [p for e in events for c in e.get("candidates", ()) for p in c.get("content", {}).get("parts", ())]
    called = [part["functionCall"] for part in parts if "functionCall" in part]
    return [(each["name"], each.get("args") or {}) for each in called]


READERS = {
    "openai": _openai_calls,
    "responses": _response_calls,
    "anthropic": _anthropic_calls,
    "gemini": _gemini_calls,
}
"""How a client of each contract finds the calls in a stream."""


@pytest.mark.parametrize("type_", STREAMS)
@pytest.mark.parametrize("contract", BODIES)
def test_streamed_calls_come_out_of_every_contract_whole(contract: ClientDialect, type_: str) -> None:
    stream, splitter = STREAMS[type_]
    surface = SURFACES[contract]
    call = _call(contract, stream=True)
    way = Translating(call, surface, TYPES[type_], lambda: surface.canonical(call), SAID)

    steps = [step for frame in frames_of([stream], splitter) for step in way.frame(frame)] + way.end()
    assert [step.delta.error for step in steps if step.delta.error] == []
    written = b"".join(step.out for step in steps) + way.close(TokenUsage(), b"", is_reported=True)

    events = [json.loads(f.data) for f in frames_of([written]) if f.data and f.data != b"[DONE]"]
    assert READERS[contract](events) == [("f", {"a": 1}), ("g", {})]


def test_every_dialect_of_several_calls_is_here() -> None:
    # One call an answer, or whole answers only: shown in the tests of their wires.
    alone = {"ernie", "spark", "cloudflare_native", "coze"}

    shown = {type(TYPES[name].dialect) for name in STREAMS}
    missing = {name for name in TOOLED if type(TYPES[name].dialect) not in shown} - alone
    assert {name for name in missing if not name.startswith(("azure", "minimax"))} == set()
