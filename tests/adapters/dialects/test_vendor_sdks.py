"""What vendors' own SDKs send for a call, recorded once, beside what our dialects send for the same call.

`golden/sdk/recorded.json` names each SDK's version. Where ours differs on purpose, the difference stands here with its
reason; SDKs that are dev dependencies are compared live in the tests of their dialects.
"""

import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from adapters.channel_types import TYPES
from domain.relay.call import Call
from domain.relay.chat import ChatRequest, Message, Text, Tool, ToolCall, ToolResult
from domain.relay.dialect import CanonicalRequest
from domain.relay.tasks import EmbeddingsRequest, RerankRequest
from tests.support.dialects import body_of, target

RECORDED: dict[str, Any] = json.loads((Path(__file__).parent / "golden" / "sdk" / "recorded.json").read_text())
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
TALK = (
    Message("system", (Text("Be kind."),)),
    Message("user", (Text("Weather in Oslo?"),)),
    Message("assistant", (ToolCall(call_id="call_1", name="weather", arguments='{"city":"Oslo"}'),)),
    Message("tool", (ToolResult(call_id="call_1", name="weather", parts=(Text("rain"),)),)),
)
GREETING = (Message("system", (Text("Be kind."),)), Message("user", (Text("Hi"),)))
TOOLS = (Tool(name="weather", description="The weather", parameters=SCHEMA),)
SAMPLED: dict[str, Any] = {"temperature": 0.5, "top_p": 0.9, "seed": 7}
TWO = ("a", "b")
KEYS = {"zhipu": "id.secret", "replicate": "r8_vendor", "coze": "pat_vendor", "deepl": "abc"}
Difference = dict[str, tuple[Any, Any]]
"""Per dotted path: what the SDK says, and what we say; None for nothing."""

CASES: dict[str, tuple[str, str, CanonicalRequest, Difference]] = {
    "cohere-chat": (
        "cohere",
        "command-a",
        ChatRequest(
            messages=TALK, tools=TOOLS, stop=("END",), top_k=5, frequency_penalty=0.1, presence_penalty=0.2, **SAMPLED
        ),
        {},
    ),
    "cohere-embed": ("cohere", "embed-v4.0", EmbeddingsRequest(inputs=TWO, task="search_document"), {}),
    "cohere-rerank": ("cohere", "rerank-v3.5", RerankRequest(query="q", documents=TWO, top_n=1), {}),
    "ollama-chat": (
        "ollama",
        "llama3.2",
        ChatRequest(
            messages=TALK, tools=TOOLS, stop=("END",), top_k=5, frequency_penalty=0.1, presence_penalty=0.2, **SAMPLED
        ),
        # Two calls of one tool are told apart by ids that newer servers know and older ones pass over.
        {"messages.2.tool_calls.0.id": (None, "call_1"), "messages.3.tool_call_id": (None, "call_1")},
    ),
    "ollama-embed": ("ollama", "nomic", EmbeddingsRequest(inputs=TWO), {}),
    "dashscope-chat": (
        "dashscope",
        "qwen-plus",
        ChatRequest(messages=TALK, tools=TOOLS, stop=("END",), top_k=5, presence_penalty=0.2, **SAMPLED),
        # The vendor's page has the tool's name beside its result.
        {"input.messages.3.name": (None, "weather")},
    ),
    "dashscope-stream": ("dashscope", "qwen-plus", ChatRequest(messages=TALK[:2]), {}),
    "dashscope-embed": ("dashscope", "text-embedding-v4", EmbeddingsRequest(inputs=TWO, dimensions=64), {}),
    "dashscope-rerank": ("dashscope", "gte-rerank-v2", RerankRequest(query="q", documents=TWO, top_n=1), {}),
    "zhipu-chat": ("zhipu", "glm-4", ChatRequest(messages=TALK, tools=TOOLS, stop=("END",), **SAMPLED), {}),
    "replicate-chat": (
        "replicate",
        "meta/llama",
        ChatRequest(
            messages=(Message("system", (Text("Be kind."),)), Message("user", (Text("Hi"),))), top_k=5, **SAMPLED
        ),
        {},
    ),
    "coze-chat": (
        "coze",
        "bot-7300",
        ChatRequest(
            messages=(
                Message("user", (Text("Hi"),)),
                Message("assistant", (Text("Hello"),)),
                Message("user", (Text("And?"),)),
            ),
            user="u1",
        ),
        {},
    ),
    "deepl-translate": (
        "deepl",
        "deepl-en-gb",
        ChatRequest(messages=GREETING),
        {},
    ),
    "voyage-embed": (
        "voyage",
        "voyage-3.5",
        EmbeddingsRequest(inputs=TWO, dimensions=256),
        # Vectors are read as numbers; what is too long is cut by the vendor's own default.
        {"encoding_format": ("base64", None), "truncation": (True, None)},
    ),
    "voyage-rerank": (
        "voyage",
        "rerank-2.5",
        RerankRequest(query="q", documents=TWO, top_n=1),
        {"truncation": (True, None)},
    ),
}


def flat(value: Any, path: str = "") -> dict[str, Any]:
    """Give every leaf that says something by its dotted path."""
    if isinstance(value, dict):
        return {place: leaf for name, inner in value.items() for place, leaf in flat(inner, f"{path}.{name}").items()}
    if isinstance(value, list) and value:
        return {
            place: leaf for number, inner in enumerate(value) for place, leaf in flat(inner, f"{path}.{number}").items()
        }
    return {} if value in (None, "", [], {}) else {path.lstrip("."): value}


@pytest.mark.parametrize("name", RECORDED)
def test_we_send_what_the_vendors_sdk_sends(name: str) -> None:
    recorded = RECORDED[name]
    type_, model, request, differences = CASES[name]
    surface: Any = {ChatRequest: "chat", EmbeddingsRequest: "embeddings", RerankRequest: "rerank"}[type(request)]
    key = {"zhipu": "id.secret", "replicate": "r8_vendor", "coze": "pat_vendor", "deepl": "abc"}.get(
        type_, "vendor-key"
    )
    limit = 9 if "max_tokens" in str(recorded["body"]) or "num_predict" in str(recorded["body"]) else None
    where = target(model, base_url=TYPES[type_].base_url, key=key, output_tokens_max=limit)
    call = Call(surface=surface, model=model, stream=name.endswith("stream"), output_tokens_max=limit)

    sent = TYPES[type_].dialect.encode(call, request, where)

    assert urlsplit(sent.url).path.endswith(recorded["path"].partition("?")[0])
    ours, theirs = flat(body_of(sent)), flat(recorded["body"])
    found = {
        place: (theirs.get(place), ours.get(place))
        for place in sorted({*ours, *theirs})
        if ours.get(place) != theirs.get(place)
    }
    assert found == differences
    if "authorization" in recorded["headers"]:
        assert sent.headers["Authorization"] == recorded["headers"]["authorization"]


def test_every_recording_names_its_sdk() -> None:
    assert set(CASES) == set(RECORDED)
    assert all(len(each["sdk"].split()) == 2 for each in RECORDED.values())
