"""What vendors with a format of their own report as used: a token in the wrong class has another price."""

import json
from typing import Any

import pytest

from adapters.channel_types import TYPES
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, Surface
from domain.relay.dialect import Frame

_HI: dict[str, Any] = {"role": "assistant", "content": "Hi"}
_COHERE: dict[str, Any] = {
    "billed_units": {"input_tokens": 12, "output_tokens": 7},
    "tokens": {"input_tokens": 507, "output_tokens": 10},
    "cached_tokens": 448,
}
_HUNYUAN: dict[str, Any] = {
    "PromptTokens": 100,
    "CompletionTokens": 9,
    "TotalTokens": 109,
    "PromptTokensDetails": {"CachedTokens": 60},
}
_DASHSCOPE: dict[str, Any] = {
    "input_tokens": 100,
    "output_tokens": 20,
    "total_tokens": 120,
    "prompt_tokens_details": {"cached_tokens": 40, "cache_creation_input_tokens": 10},
    "output_tokens_details": {"reasoning_tokens": 15},
}
_COUNTS: dict[str, int] = {"prompt_tokens": 30, "completion_tokens": 4, "total_tokens": 34}
_COUNTED = TokenUsage(input_tokens=30, output_tokens=4)
_CONVERSE: dict[str, int] = {
    "inputTokens": 22,
    "outputTokens": 7,
    "totalTokens": 129,
    "cacheReadInputTokens": 80,
    "cacheWriteInputTokens": 20,
}

WHOLE: dict[str, tuple[str, Any, TokenUsage]] = {
    "cohere": (
        "cohere",
        {"message": {"content": [{"type": "text", "text": "Hi"}]}, "finish_reason": "COMPLETE", "usage": _COHERE},
        TokenUsage(input_tokens=59, cached_input_tokens=448, output_tokens=10),
    ),
    "cohere, billed units alone": (
        "cohere",
        {
            "message": {"content": [{"type": "text", "text": "Hi"}]},
            "finish_reason": "COMPLETE",
            "usage": {"billed_units": _COHERE["billed_units"]},
        },
        TokenUsage(input_tokens=12, output_tokens=7),
    ),
    "hunyuan": (
        "hunyuan",
        {"Response": {"Choices": [{"Message": {"Content": "Hi"}, "FinishReason": "stop"}], "Usage": _HUNYUAN}},
        TokenUsage(input_tokens=40, cached_input_tokens=60, output_tokens=9),
    ),
    "dashscope": (
        "dashscope",
        {"output": {"choices": [{"message": _HI, "finish_reason": "stop"}]}, "usage": _DASHSCOPE},
        TokenUsage(
            input_tokens=50, cached_input_tokens=40, cache_write_tokens=10, output_tokens=5, reasoning_tokens=15
        ),
    ),
    "ernie": ("ernie", {"result": "Hi", "finish_reason": "normal", "usage": _COUNTS}, _COUNTED),
    "dify": ("dify", {"answer": "Hi", "metadata": {"usage": _COUNTS}}, _COUNTED),
    "cloudflare": (
        "cloudflare_native",
        {"success": True, "result": {"response": "Hi", "usage": _COUNTS}},
        _COUNTED,
    ),
    "zhipu": (
        "zhipu_v3",
        {"code": 200, "success": True, "data": {"choices": [{"content": '"Hi"'}], "usage": _COUNTS}},
        _COUNTED,
    ),
    "ollama": (
        "ollama",
        {"message": _HI, "done": True, "done_reason": "stop", "prompt_eval_count": 30, "eval_count": 4},
        _COUNTED,
    ),
    "replicate": (
        "replicate",
        {"status": "succeeded", "output": ["Hi"], "metrics": {"input_token_count": 30, "output_token_count": 4}},
        _COUNTED,
    ),
    "bedrock": (
        "bedrock",
        {"output": {"message": {"content": [{"text": "Hi"}]}}, "stopReason": "end_turn", "usage": _CONVERSE},
        TokenUsage(input_tokens=22, cached_input_tokens=80, cache_write_tokens=20, output_tokens=7),
    ),
    "deepl": (
        "deepl",
        {"translations": [{"text": "a", "billed_characters": 5}, {"text": "b", "billed_characters": 6}]},
        TokenUsage(characters=11),
    ),
}


@pytest.mark.parametrize("name", WHOLE)
def test_each_class_of_a_whole_answer_is_what_the_vendor_says(name: str) -> None:
    type_, answer, want = WHOLE[name]

    delta = TYPES[type_].dialect.decode(json.dumps(answer).encode(), {}, Call(surface="chat", model="m"))

    assert delta.error is None
    assert delta.usage == want


STREAMED: dict[str, tuple[str, bytes, Any, TokenUsage]] = {
    "cohere": (
        "cohere",
        b"message-end",
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE", "usage": _COHERE}},
        WHOLE["cohere"][2],
    ),
    "hunyuan": (
        "hunyuan",
        b"",
        {"Choices": [{"Delta": {"Content": ""}, "FinishReason": "stop"}], "Usage": _HUNYUAN},
        WHOLE["hunyuan"][2],
    ),
    "dashscope": ("dashscope", b"result", WHOLE["dashscope"][1], WHOLE["dashscope"][2]),
    "coze": (
        "coze",
        b"conversation.chat.completed",
        {"status": "completed", "usage": {"token_count": 34, "output_count": 4, "input_count": 30}},
        _COUNTED,
    ),
    "spark": (
        "spark",
        b"",
        {
            "header": {"code": 0, "status": 2},
            "payload": {
                "choices": {"status": 2, "text": [{"content": "Hi"}]},
                "usage": {"text": {**_COUNTS, "question_tokens": 29}},
            },
        },
        _COUNTED,
    ),
    "bedrock": ("bedrock", b"metadata", {"usage": _CONVERSE}, WHOLE["bedrock"][2]),
}


@pytest.mark.parametrize("name", STREAMED)
def test_each_class_at_the_end_of_a_stream_is_what_the_vendor_says(name: str) -> None:
    type_, event, payload, want = STREAMED[name]
    decoder = TYPES[type_].dialect.decoder(Call(surface="chat", model="m", stream=True))

    deltas = decoder.feed(Frame(json.dumps(payload).encode(), b"", event))

    assert [delta.usage for delta in deltas if delta.report is not None] == [want]


@pytest.mark.parametrize(
    ("type_", "surface", "answer", "want"),
    [
        (
            "minimax",
            "speech",
            {
                "data": {"audio": "6869"},
                "extra_info": {"usage_characters": 12, "audio_format": "mp3"},
                "base_resp": {"status_code": 0},
            },
            TokenUsage(characters=12),
        ),
        (
            "vertex",
            "embeddings",
            {
                "predictions": [
                    {"embeddings": {"values": [1.0], "statistics": {"token_count": count}}} for count in (3, 4)
                ]
            },
            TokenUsage(input_tokens=7),
        ),
        (
            "voyage",
            "embeddings",
            {"data": [{"embedding": [1.0]}], "usage": {"total_tokens": 6}},
            TokenUsage(input_tokens=6),
        ),
        (
            "siliconflow",
            "rerank",
            {"results": [{"index": 0, "relevance_score": 0.5}], "meta": {"tokens": {"input_tokens": 8}}},
            TokenUsage(input_tokens=8),
        ),
    ],
)
def test_other_work_than_chats_is_counted_as_the_vendor_says(
    type_: str, surface: Surface, answer: Any, want: TokenUsage
) -> None:
    delta = TYPES[type_].dialect.decode(json.dumps(answer).encode(), {}, Call(surface=surface, model="m"))

    assert delta.error is None
    assert delta.usage == want


def test_fastgpts_placeholder_is_no_report() -> None:
    message = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
    answer = {"choices": [message], "usage": {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 1}}

    delta = TYPES["fastgpt"].dialect.decode(json.dumps(answer).encode(), {}, Call(surface="chat", model="m"))

    assert delta.text == "Hi"
    assert delta.report is None


def test_what_dify_takes_back_ends_as_filtered() -> None:
    decoder = TYPES["dify"].dialect.decoder(Call(surface="chat", model="m", stream=True))
    events: list[dict[str, Any]] = [
        {"event": "message", "answer": "Hi"},
        {"event": "message_replace", "answer": "(removed)"},
        {"event": "message_end", "metadata": {"usage": _COUNTS}},
    ]

    deltas = [delta for event in events for delta in decoder.feed(Frame(json.dumps(event).encode()))]

    assert "".join(delta.text for delta in deltas) == "Hi"
    assert deltas[-1].finish_reason == "content_filter"
    assert deltas[-1].usage == _COUNTED
