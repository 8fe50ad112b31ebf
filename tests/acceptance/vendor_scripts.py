"""For every dialect a channel and its vendor's script: what a plain chat is sent as, and an answer of "Hello".

The facts of dialects with a format of their own are those of `tests/adapters/dialects/own_cases.py`.
"""

import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.adapters.dialects.own_cases import CASES, Case
from tests.support import aws_frames
from tests.support.scripted_vendor import Step

_OWN: Final = {case.name: case for case in CASES}


class Script(msgspec.Struct, frozen=True, kw_only=True):
    """One dialect."""

    name: str
    type: str
    """The channel's."""
    model: str
    """The vendor's own name for it."""
    key: str | None
    """Where it is None the vendor's address is in it: see `key_for`."""
    options: Mapping[str, str] = {}
    scheme: str = "http"
    suffix: str = ""
    """Of the base URL."""
    steps: tuple[Step, ...]
    tokens: tuple[int, int] | None
    """Read and written, as the answers report; None for a vendor that reports nothing."""

    def __str__(self) -> str:
        return self.name


def _own(name: str, type_: str, *steps: Step, suffix: str = "") -> Script:
    case = _OWN[name]
    model, key = case.target.model, case.target.key
    return Script(
        name=name,
        type=type_,
        model=model,
        key=key or None,
        options=dict(case.target.options),
        scheme="ws" if case.url.startswith("ws") else "http",
        suffix=suffix,
        steps=steps or (_chat(case),),
        tokens=case.tokens,
    )


def _chat(case: Case, *, path: str = "", **more: Any) -> Step:
    body = {**case.body}
    streams = [name for name in ("stream", "Stream", "response_mode") if name in body]
    for name in streams:
        del body[name]
    given: dict[str, Any] = {
        "path": path or urlsplit(case.url).path,
        "headers": case.headers,
        "body": body,
        "members": frozenset(streams),
        "answer": case.answer.encode(),
        "stream": case.stream,
    }
    return Step(**(given | more))


def _sse(*events: Any, done: bool = False, name: str = "") -> bytes:
    out = [f"event: {each[name]}\n" if name else "" for each in events]
    data = [f"data: {json.dumps(each)}\n\n" for each in events]
    body = "".join(map("".join, zip(out, data, strict=True)))
    return (body + ("data: [DONE]\n\n" if done else "")).encode()


_MESSAGES: Final = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
_BEARER: Final = {"Authorization": "Bearer vendor-key"}

# ---- OpenAI's family


def _chunk(**members: Any) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "vendor-m", **members}


_USAGE: Final = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
_OPENAI_ANSWER: Final = json.dumps(
    {
        "id": "c1",
        "object": "chat.completion",
        "created": 1,
        "model": "vendor-m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello", "refusal": None},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": _USAGE,
    }
).encode()
_OPENAI_STREAM: Final = _sse(
    _chunk(choices=[{"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}]),
    _chunk(choices=[{"index": 0, "delta": {"content": "Hel"}, "finish_reason": None}]),
    _chunk(choices=[{"index": 0, "delta": {"content": "lo"}, "finish_reason": None}]),
    _chunk(choices=[{"index": 0, "delta": {}, "finish_reason": "stop"}]),
    _chunk(choices=[], usage=_USAGE),
    done=True,
)
_OPENAI: Final = Step(
    path="/v1/chat/completions",
    headers=_BEARER,
    body={"model": "vendor-m"},
    members=frozenset({"messages", "max_tokens", "max_completion_tokens", "stream", "stream_options"}),
    one_of=(("max_tokens", 9), ("max_completion_tokens", 9)),
    answer=_OPENAI_ANSWER,
    stream=_OPENAI_STREAM,
)


_RESPONSE: Final[dict[str, Any]] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": "Be kind.",
    "model": "vendor-m",
    "output": [],
    "parallel_tool_calls": True,
    "tool_choice": "auto",
    "tools": [],
    "metadata": {},
    "temperature": 1.0,
    "top_p": 1.0,
}
_HELLO: Final = {"type": "output_text", "text": "Hello", "annotations": [], "logprobs": []}
_ITEM: Final[dict[str, Any]] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [_HELLO],
}
_RESPONSE_DONE: Final[dict[str, Any]] = _RESPONSE | {
    "output": [_ITEM],
    "usage": {
        "input_tokens": 5,
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 7,
    },
}
_IN_ITEM: Final = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_RESPONSES: Final = Step(
    path="/v1/responses",
    headers=_BEARER,
    body={"model": "vendor-m"},
    members=frozenset({"instructions", "input", "max_output_tokens", "stream"}),
    one_of=(("max_output_tokens", 9),),
    answer=json.dumps(_RESPONSE_DONE).encode(),
    stream=_sse(
        *(
            event | {"sequence_number": number}
            for number, event in enumerate[dict[str, Any]](
                (
                    {"type": "response.created", "response": _RESPONSE | {"status": "in_progress"}},
                    {
                        "type": "response.output_item.added",
                        "output_index": 0,
                        "item": _ITEM | {"status": "in_progress", "content": []},
                    },
                    {"type": "response.content_part.added", "part": _HELLO | {"text": ""}, **_IN_ITEM},
                    {"type": "response.output_text.delta", "delta": "Hel", "logprobs": [], **_IN_ITEM},
                    {"type": "response.output_text.delta", "delta": "lo", "logprobs": [], **_IN_ITEM},
                    {"type": "response.output_text.done", "text": "Hello", "logprobs": [], **_IN_ITEM},
                    {"type": "response.content_part.done", "part": _HELLO, **_IN_ITEM},
                    {"type": "response.output_item.done", "output_index": 0, "item": _ITEM},
                    {"type": "response.completed", "response": _RESPONSE_DONE},
                )
            )
        ),
        name="type",
    ),
)


def _family(name: str, path: str, *, headers: Mapping[str, str] = _BEARER, responses: str = "", **more: Any) -> Script:
    """Give a vendor of the family; `responses` is where it speaks OpenAI's newer contract, too."""
    query = more.pop("query", {})
    steps = [msgspec.structs.replace(_OPENAI, path=path, headers=headers, query=query)]
    if responses:
        steps.append(msgspec.structs.replace(_RESPONSES, path=responses, headers=headers, query=query))
    given: dict[str, Any] = {"name": name, "type": name, "model": "vendor-m", "key": "vendor-key", "tokens": (5, 2)}
    return Script(**(given | more), steps=tuple(steps))


# ---- Anthropic, Gemini, Bedrock, Vertex

_CLAUDE_USAGE: Final = {"input_tokens": 5, "output_tokens": 1}
_CLAUDE_ANSWER: Final = json.dumps(
    {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [{"type": "text", "text": "Hello"}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": {"input_tokens": 5, "output_tokens": 2},
    }
).encode()
_CLAUDE_STREAM: Final = _sse(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "claude-x",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": _CLAUDE_USAGE,
        },
    },
    {"type": "ping"},
    {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hel"}},
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "lo"}},
    {"type": "content_block_stop", "index": 0},
    {
        "type": "message_delta",
        "delta": {"stop_reason": "end_turn", "stop_sequence": None},
        "usage": {"output_tokens": 2},
    },
    {"type": "message_stop"},
    name="type",
)
_CLAUDE_MEMBERS: Final = frozenset({"model", "stream", "system", "messages", "max_tokens"})
_CLAUDE_LIMIT: Final = (("max_tokens", 9),)


def _gemini_event(text: str, written: int, **members: Any) -> dict[str, Any]:
    return {
        "candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": text}]}, **members}],
        "usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": written, "totalTokenCount": 5 + written},
        "modelVersion": "gemini-x",
        "responseId": "r1",
    }


_GEMINI_ANSWER: Final = json.dumps(_gemini_event("Hello", 2, finishReason="STOP")).encode()
_GEMINI_STREAM: Final = _sse(_gemini_event("Hel", 1), _gemini_event("lo", 2, finishReason="STOP"))
_GEMINI_BODY: Final = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
_GEMINI_MEMBERS: Final = frozenset({"systemInstruction", "generationConfig"})


def _gemini(prefix: str, headers: Mapping[str, str]) -> tuple[Step, ...]:
    given: dict[str, Any] = {"headers": headers, "body": _GEMINI_BODY, "members": _GEMINI_MEMBERS}
    given["one_of"] = (("generationConfig", {"maxOutputTokens": 9}),)
    return (
        Step(path=f"{prefix}/gemini-x:generateContent", answer=_GEMINI_ANSWER, **given),
        Step(
            path=f"{prefix}/gemini-x:streamGenerateContent",
            query={"alt": "sse"},
            stream=_GEMINI_STREAM,
            **given,
        ),
    )


def _converse() -> tuple[Step, ...]:
    signed = {"Authorization": "", "X-Amz-Date": ""}
    given: dict[str, Any] = {
        "headers": signed,
        "body": {"messages": [{"role": "user", "content": [{"text": "Hi"}]}]},
        "members": frozenset({"system", "inferenceConfig"}),
        "one_of": (("inferenceConfig", {"maxTokens": 9}),),
    }
    usage = {"inputTokens": 5, "outputTokens": 2, "totalTokens": 7}
    answer = {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hello"}]}},
        "stopReason": "end_turn",
        "usage": usage,
    }
    stream = b"".join(
        (
            aws_frames.event("messageStart", role="assistant"),
            aws_frames.event("contentBlockDelta", contentBlockIndex=0, delta={"text": "Hel"}),
            aws_frames.event("contentBlockDelta", contentBlockIndex=0, delta={"text": "lo"}),
            aws_frames.event("contentBlockStop", contentBlockIndex=0),
            aws_frames.event("messageStop", stopReason="end_turn"),
            aws_frames.event("metadata", usage=usage, metrics={"latencyMs": 3}),
        )
    )
    path = "/model/us.amazon.nova-pro-v1%3A0"
    return (
        Step(path=f"{path}/converse", answer=json.dumps(answer).encode(), **given),
        Step(path=f"{path}/converse-stream", stream=stream, media_type="application/vnd.amazon.eventstream", **given),
    )


_TOKEN: Final = Step(
    path="/token",
    members=None,
    answer=b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}',
)
_PLACE: Final = "/v1/projects/test-project/locations/us-central1/publishers"


def _vertex(name: str, model: str, *steps: Step) -> Script:
    options = {"location": "us-central1"}
    return Script(
        name=name, type="vertex", model=model, key=None, options=options, steps=(_TOKEN, *steps), tokens=(5, 2)
    )


def service_account(url: str) -> str:
    """Give a service account whose tokens come from an address."""
    private = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "test-project",
            "private_key_id": "k1",
            "private_key": pem.decode(),
            "client_email": "svc@test-project.iam.gserviceaccount.com",
            "token_uri": f"{url}/token",
        }
    )


_YA29: Final = {"Authorization": "Bearer ya29.x"}
_ERNIE_PATH: Final = "/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions_pro"
_DASHSCOPE: Final = {
    "model": "qwen-plus",
    "input": {"messages": _MESSAGES},
    "parameters": {"max_tokens": 9, "result_format": "message"},
}
_REPLICATE: Final = _OWN["replicate"]
_ZHIPU: Final = _OWN["zhipu_v3"]

SCRIPTS: Final[tuple[Script, ...]] = (
    _family("openai", "/v1/chat/completions", responses="/v1/responses"),
    _family("openai_compatible", "/chat/completions"),
    _family(
        "azure",
        "/openai/deployments/vendor-m/chat/completions",
        headers={"api-key": "vendor-key"},
        query={"api-version": ""},
        responses="/openai/responses",
    ),
    _family("deepseek", "/chat/completions"),
    _family("doubao", "/api/v3/chat/completions", responses="/api/v3/responses"),
    _family("minimax", "/v1/text/chatcompletion_v2"),
    Script(
        name="anthropic",
        type="anthropic",
        model="claude-x",
        key="sk-ant-vendor",
        steps=(
            Step(
                path="/v1/messages",
                headers={"x-api-key": "sk-ant-vendor", "anthropic-version": ""},
                body={"model": "claude-x"},
                members=_CLAUDE_MEMBERS,
                one_of=_CLAUDE_LIMIT,
                answer=_CLAUDE_ANSWER,
                stream=_CLAUDE_STREAM,
            ),
        ),
        tokens=(5, 2),
    ),
    Script(
        name="gemini",
        type="gemini",
        model="gemini-x",
        key="AIza-vendor",
        steps=_gemini("/v1beta/models", {"x-goog-api-key": "AIza-vendor"}),
        tokens=(5, 2),
    ),
    Script(
        name="bedrock",
        type="bedrock",
        model="us.amazon.nova-pro-v1:0",
        key="AKIDEXAMPLE|wJalrXUtnFEMI/K7MDENG",
        steps=_converse(),
        tokens=(5, 2),
    ),
    _vertex("vertex_gemini", "gemini-x", *_gemini(f"{_PLACE}/google/models", _YA29)),
    _vertex(
        "vertex_claude",
        "claude-x",
        Step(
            path=f"{_PLACE}/anthropic/models/claude-x:rawPredict",
            headers=_YA29,
            body={"anthropic_version": "vertex-2023-10-16"},
            members=_CLAUDE_MEMBERS - {"model"},
            one_of=_CLAUDE_LIMIT,
            answer=_CLAUDE_ANSWER,
        ),
        Step(
            path=f"{_PLACE}/anthropic/models/claude-x:streamRawPredict",
            headers=_YA29,
            body={"anthropic_version": "vertex-2023-10-16", "stream": True},
            members=_CLAUDE_MEMBERS - {"model"},
            one_of=_CLAUDE_LIMIT,
            stream=_CLAUDE_STREAM,
        ),
    ),
    _own("cohere", "cohere"),
    _own("cohere_v1", "cohere_v1", _chat(_OWN["cohere_v1"], media_type="application/stream+json")),
    _own("ollama", "ollama", _chat(_OWN["ollama"], media_type="application/x-ndjson")),
    _own(
        "dashscope",
        "dashscope",
        _chat(
            _OWN["dashscope"], headers=_BEARER, optional=frozenset({"x-dashscope-sse"}), members=None, body=_DASHSCOPE
        ),
    ),
    _own(
        "ernie",
        "ernie",
        Step(
            path="/oauth/2.0/token",
            query={"grant_type": "client_credentials", "client_id": "AK", "client_secret": "SK"},
            answer=b'{"access_token":"24.a/b","expires_in":2592000}',
        ),
        _chat(_OWN["ernie"], path=_ERNIE_PATH, query={"access_token": "24.a/b"}),
    ),
    _own(
        "hunyuan",
        "hunyuan",
        _chat(
            _OWN["hunyuan"],
            headers={"X-TC-Action": "ChatCompletions", "X-TC-Version": "2023-09-01", "X-TC-Timestamp": ""}
            | {"Authorization": ""},
            members=frozenset({"Stream", "StreamModeration"}),
        ),
    ),
    _own(
        "spark",
        "spark",
        _chat(
            _OWN["spark"],
            path="/v3.5/chat",
            method="GET",
            query={"authorization": "", "date": "", "host": ""},
            is_socket=True,
        ),
    ),
    _own(
        "zhipu_v3",
        "zhipu_v3",
        _chat(_ZHIPU, headers={"Authorization": ""}, answer=b""),
        _chat(
            _ZHIPU,
            path="/api/paas/v3/model-api/chatglm_turbo/invoke",
            headers={"Authorization": ""},
            body={"prompt": _ZHIPU.body["prompt"]},
            stream=b"",
        ),
    ),
    _own("coze", "coze", _chat(_OWN["coze"], members=frozenset({"stream", "additional_messages"}))),
    _own(
        "dify",
        "dify",
        _chat(_OWN["dify"], members=frozenset({"response_mode", "user", "auto_generate_name"})),
        suffix="/v1",
    ),
    _own("deepl", "deepl", _chat(_OWN["deepl"], members=frozenset())),
    _own(
        "replicate",
        "replicate",
        _chat(
            _REPLICATE,
            headers=_BEARER,
            optional=frozenset({"prefer"}),
            members=frozenset({"stream"}),
            answer=b'{"id":"p1","status":"starting","urls":{"stream":"{url}/stream/p1"}}',
            stream=b"",
            status=201,
        ),
        Step(path="/v1/predictions/p1", method="GET", headers=_BEARER, answer=_REPLICATE.answer.encode(), members=None),
        Step(
            path="/stream/p1",
            method="GET",
            headers=_BEARER | {"cache-control": "no-store"},
            stream=_REPLICATE.stream,
            members=None,
        ),
    ),
    _own("cloudflare", "cloudflare_native", _chat(_OWN["cloudflare"], members=frozenset({"stream", "max_tokens"}))),
    _own("aiproxy_library", "aiproxy_library"),
)
