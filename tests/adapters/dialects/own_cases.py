"""What each dialect with a format of its own is known to send and to get, from the vendors' own documents."""

import datetime as dt
import json
from typing import Any

import msgspec

from adapters.dialects import (
    aiproxy_library,
    cloudflare,
    cohere,
    cohere_v1,
    coze,
    dashscope,
    deepl,
    dify,
    ernie,
    hunyuan,
    ollama,
    replicate,
    spark,
    zhipu_v3,
)
from domain.relay.call import Call
from domain.relay.chat import ChatRequest, Message, Text
from domain.relay.dialect import Target, VendorDialect

NOW = dt.datetime(2023, 11, 14, 22, 13, 20, tzinfo=dt.UTC)
REQUEST_ID = "0190b2b4-0000-7000-8000-000000000001"


def target(base_url: str, model: str, key: str = "vendor-key", **more: Any) -> Target:
    return Target(base_url=base_url, key=key, model=model, now=NOW, request_id=REQUEST_ID, **more)


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """One dialect; all answers say "Hello" and stop."""

    name: str
    dialect: VendorDialect
    target: Target
    url: str
    """What a chat that streams is sent to."""
    body: dict[str, Any]
    """What its body must hold, at least."""
    headers: dict[str, str] = {}
    answer: str = ""
    """A whole answer; empty for a vendor that has none."""
    stream: bytes = b""
    """The same as a stream; empty for a vendor that has none."""
    tokens: tuple[int, int] | None = None
    """Read and written, as both answers report; None for a vendor that reports nothing."""
    errors: dict[str, str] = {}
    """Answers of status 200 that are errors, and their kinds."""
    failures: dict[tuple[int, str], str] = {}
    """Answers of other statuses, and their kinds."""
    takes_sampling: bool = True

    def __str__(self) -> str:
        return self.name


ASKED = ChatRequest(messages=(Message("system", (Text("Be kind."),)), Message("user", (Text("Hi"),))))


def call(*, stream: bool = True) -> Call:
    return Call(surface="chat", model="asked", stream=stream, body=b"{}")


def sse(*events: Any, done: bool = False) -> bytes:
    lines = [b"data: " + (e if isinstance(e, bytes) else json.dumps(e, ensure_ascii=False).encode()) for e in events]
    return b"".join(line + b"\n\n" for line in [*lines, *([b"data: [DONE]"] if done else [])])


def named(*events: tuple[str, Any], blank: str = " ") -> bytes:
    out = b""
    for name, data in events:
        payload = data if isinstance(data, str) else json.dumps(data)
        out += f"event:{blank}{name}\ndata:{blank}{payload}\n\n".encode()
    return out


def lines(*events: Any) -> bytes:
    return b"".join(json.dumps(event).encode() + b"\n" for event in events)


MESSAGES = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]

CASES = (
    Case(
        name="cohere",
        dialect=cohere.DIALECT,
        target=target("https://api.cohere.com", "command-a", output_tokens_max=9),
        url="https://api.cohere.com/v2/chat",
        headers={"Authorization": "Bearer vendor-key"},
        body={"model": "command-a", "messages": MESSAGES, "max_tokens": 9, "stream": True},
        answer=json.dumps(
            {
                "id": "m1",
                "message": {"role": "assistant", "content": [{"type": "text", "text": "Hello"}]},
                "finish_reason": "COMPLETE",
                "usage": {"billed_units": {"input_tokens": 2}, "tokens": {"input_tokens": 60, "output_tokens": 2}},
            }
        ),
        stream=named(
            ("message-start", {"id": "m1", "type": "message-start", "delta": {"message": {"role": "assistant"}}}),
            ("content-start", {"type": "content-start", "index": 0}),
            ("content-delta", {"type": "content-delta", "delta": {"message": {"content": {"text": "Hel"}}}}),
            ("content-delta", {"type": "content-delta", "delta": {"message": {"content": {"text": "lo"}}}}),
            ("content-end", {"type": "content-end", "index": 0}),
            (
                "message-end",
                {
                    "type": "message-end",
                    "delta": {
                        "finish_reason": "COMPLETE",
                        "usage": {"tokens": {"input_tokens": 60, "output_tokens": 2}},
                    },
                },
            ),
        ),
        tokens=(60, 2),
        errors={'{"message":"nothing here"}': "server"},
        failures={
            (401, '{"message":"invalid api token"}'): "auth",
            (402, '{"message":"add a card"}'): "quota",
            (404, '{"message":"model not found"}'): "not_found",
            (422, '{"message":"too many tokens: 9"}'): "bad_request",
            (429, '{"message":"trial limit"}'): "rate_limit",
        },
    ),
    Case(
        name="cohere_v1",
        dialect=cohere_v1.DIALECT,
        target=target("https://api.cohere.com", "command-r", output_tokens_max=9),
        url="https://api.cohere.com/v1/chat",
        headers={"Authorization": "Bearer vendor-key"},
        body={"model": "command-r", "message": "Hi", "preamble": "Be kind.", "max_tokens": 9, "stream": True},
        answer=json.dumps(
            {
                "response_id": "r1",
                "generation_id": "g1",
                "text": "Hello",
                "finish_reason": "COMPLETE",
                "meta": {
                    "api_version": {"version": "1"},
                    "billed_units": {"input_tokens": 2, "output_tokens": 2},
                    "tokens": {"input_tokens": 60, "output_tokens": 2},
                },
            }
        ),
        stream=lines(
            {"is_finished": False, "event_type": "stream-start", "generation_id": "g1"},
            {"is_finished": False, "event_type": "text-generation", "text": "Hel"},
            {"is_finished": False, "event_type": "text-generation", "text": "lo"},
            {"is_finished": False, "event_type": "citation-generation", "citations": []},
            {
                "is_finished": True,
                "event_type": "stream-end",
                "finish_reason": "COMPLETE",
                "response": {
                    "response_id": "r1",
                    "text": "Hello",
                    "finish_reason": "COMPLETE",
                    "meta": {"tokens": {"input_tokens": 60, "output_tokens": 2}},
                },
            },
        ),
        tokens=(60, 2),
        errors={'{"message":"nothing here"}': "server"},
        failures={
            (401, '{"message":"invalid api token"}'): "auth",
            (402, '{"message":"add a card"}'): "quota",
            (404, '{"message":"model not found"}'): "not_found",
            (422, '{"message":"too many tokens: 9"}'): "bad_request",
            (429, '{"message":"trial limit"}'): "rate_limit",
        },
    ),
    Case(
        name="ollama",
        dialect=ollama.DIALECT,
        target=target("http://localhost:11434", "llama3.2", key="", output_tokens_max=9, options={"num_ctx": "8192"}),
        url="http://localhost:11434/api/chat",
        body={
            "model": "llama3.2",
            "messages": MESSAGES,
            "stream": True,
            "options": {"num_predict": 9, "num_ctx": 8192},
        },
        answer=json.dumps(
            {
                "model": "llama3.2",
                "message": {"role": "assistant", "content": "Hello"},
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": 5,
                "eval_count": 2,
            }
        ),
        stream=lines(
            {"message": {"role": "assistant", "content": "Hel"}, "done": False},
            {"message": {"role": "assistant", "content": "lo"}, "done": False},
            {
                "message": {"role": "assistant", "content": ""},
                "done": True,
                "done_reason": "stop",
                "prompt_eval_count": 5,
                "eval_count": 2,
            },
        ),
        tokens=(5, 2),
        errors={'{"error":"unexpected EOF"}': "server"},
        failures={
            (404, '{"error":"model not found, try pulling it"}'): "not_found",
            (400, '{"error":"does not support tools"}'): "bad_request",
            (503, '{"error":"server busy, please try again"}'): "overloaded",
        },
    ),
    Case(
        name="dashscope",
        dialect=dashscope.DIALECT,
        target=target("https://dashscope.aliyuncs.com", "qwen-plus", output_tokens_max=9),
        url="https://dashscope.aliyuncs.com/api/v1/services/aigc/text-generation/generation",
        headers={"Authorization": "Bearer vendor-key", "X-DashScope-SSE": "enable", "Accept": "text/event-stream"},
        body={
            "model": "qwen-plus",
            "input": {"messages": MESSAGES},
            "parameters": {"max_tokens": 9, "result_format": "message", "incremental_output": True},
        },
        answer=json.dumps(
            {
                "request_id": "r-1",
                "output": {
                    "choices": [{"finish_reason": "stop", "message": {"role": "assistant", "content": "Hello"}}]
                },
                "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
            }
        ),
        stream=b"".join(
            f"id:{number}\nevent:result\n:HTTP_STATUS/200\ndata:{json.dumps(event)}\n\n".encode()
            for number, event in enumerate(
                (
                    {
                        "output": {
                            "choices": [{"message": {"content": "Hel", "role": "assistant"}, "finish_reason": "null"}]
                        },
                        "usage": {"input_tokens": 5, "output_tokens": 1, "total_tokens": 6},
                    },
                    {
                        "output": {
                            "choices": [{"message": {"content": "lo", "role": "assistant"}, "finish_reason": "stop"}]
                        },
                        "usage": {"input_tokens": 5, "output_tokens": 2, "total_tokens": 7},
                    },
                ),
                1,
            )
        ),
        tokens=(5, 2),
        errors={'{"code":"DataInspectionFailed","message":"no","request_id":"r"}': "content"},
        failures={
            (400, '{"code":"InvalidParameter","message":"Range of input length should be [1, 9]"}'): "bad_request",
            (400, '{"code":"Arrearage","message":"overdue"}'): "quota",
            (401, '{"code":"InvalidApiKey","message":"bad"}'): "auth",
            (429, '{"code":"Throttling.RateQuota","message":"slow"}'): "rate_limit",
            (429, '{"code":"Throttling.AllocationQuota","message":"used up"}'): "quota",
            (404, '{"code":"ModelNotFound","message":"no"}'): "not_found",
        },
    ),
    Case(
        name="ernie",
        dialect=ernie.DIALECT,
        target=target("https://aip.baidubce.com", "ERNIE-4.0-8K", access_token="24.a/b", output_tokens_max=9),
        url="https://aip.baidubce.com/rpc/2.0/ai_custom/v1/wenxinworkshop/chat/completions_pro?access_token=24.a%2Fb",
        body={
            "system": "Be kind.",
            "messages": [{"role": "user", "content": "Hi"}],
            "max_output_tokens": 9,
            "stream": True,
        },
        answer=json.dumps(
            {
                "id": "as-1",
                "result": "Hello",
                "is_truncated": False,
                "finish_reason": "normal",
                "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
            }
        ),
        stream=sse(
            {
                "id": "as-1",
                "sentence_id": 0,
                "is_end": False,
                "result": "Hel",
                "usage": {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2},
            },
            {
                "id": "as-1",
                "sentence_id": 1,
                "is_end": True,
                "result": "lo",
                "finish_reason": "normal",
                "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
            },
        ),
        tokens=(2, 3),
        errors={
            '{"error_code":336003,"error_msg":"bad param","id":"x"}': "bad_request",
            '{"error_code":111,"error_msg":"token expired"}': "auth",
            '{"error_code":17,"error_msg":"daily limit"}': "quota",
            '{"error_code":18,"error_msg":"qps"}': "rate_limit",
            '{"error_code":336100,"error_msg":"try again"}': "overloaded",
        },
    ),
    Case(
        name="hunyuan",
        dialect=hunyuan.DIALECT,
        target=target("https://hunyuan.tencentcloudapi.com", "hunyuan-lite", key="app|AKID|secret"),
        url="https://hunyuan.tencentcloudapi.com/",
        headers={"X-TC-Action": "ChatCompletions", "X-TC-Version": "2023-09-01", "X-TC-Timestamp": "1700000000"},
        body={
            "Model": "hunyuan-lite",
            "Messages": [{"Role": "system", "Content": "Be kind."}, {"Role": "user", "Content": "Hi"}],
            "Stream": True,
        },
        answer=json.dumps(
            {
                "Response": {
                    "RequestId": "r1",
                    "Choices": [{"FinishReason": "stop", "Message": {"Role": "assistant", "Content": "Hello"}}],
                    "Usage": {"PromptTokens": 3, "CompletionTokens": 2, "TotalTokens": 5},
                }
            }
        ),
        stream=sse(
            {
                "Choices": [{"Delta": {"Role": "assistant", "Content": "Hel"}, "FinishReason": ""}],
                "Usage": {"PromptTokens": 3, "CompletionTokens": 1, "TotalTokens": 4},
            },
            {
                "Choices": [{"Delta": {"Role": "assistant", "Content": "lo"}, "FinishReason": "stop"}],
                "Usage": {"PromptTokens": 3, "CompletionTokens": 2, "TotalTokens": 5},
            },
        ),
        tokens=(3, 2),
        errors={
            '{"Response":{"Error":{"Code":"AuthFailure.SignatureFailure","Message":"x"}}}': "auth",
            '{"Response":{"Error":{"Code":"FailedOperation.ResourcePackExhausted","Message":"x"}}}': "quota",
            '{"Response":{"Error":{"Code":"RequestLimitExceeded","Message":"x"}}}': "rate_limit",
            '{"Response":{"Error":{"Code":"InvalidParameterValue.Model","Message":"x"}}}': "not_found",
            '{"Response":{"Error":{"Code":"InvalidParameter","Message":"x"}}}': "bad_request",
            '{"Response":{"Error":{"Code":"OperationDenied.TextIllegalDetected","Message":"x"}}}': "content",
        },
    ),
    Case(
        name="spark",
        dialect=spark.DIALECT,
        target=target("wss://spark-api.xf-yun.com", "Spark-Max", key="APP|SECRET|KEY", output_tokens_max=9),
        url="wss://spark-api.xf-yun.com/v3.5/chat?authorization=",
        body={
            "header": {"app_id": "APP"},
            "parameter": {"chat": {"domain": "generalv3.5", "max_tokens": 9}},
            "payload": {"message": {"text": MESSAGES}},
        },
        stream=lines(
            {
                "header": {"code": 0, "sid": "s", "status": 0},
                "payload": {"choices": {"status": 0, "text": [{"content": "Hel", "role": "assistant"}]}},
            },
            {
                "header": {"code": 0, "sid": "s", "status": 2},
                "payload": {
                    "choices": {"status": 2, "text": [{"content": "lo", "role": "assistant"}]},
                    "usage": {"text": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
                },
            },
        ),
        tokens=(5, 2),
    ),
    Case(
        name="zhipu_v3",
        dialect=zhipu_v3.DIALECT,
        target=target("https://open.bigmodel.cn", "chatglm_turbo", key="id.secret-of-thirty-two-characters"),
        url="https://open.bigmodel.cn/api/paas/v3/model-api/chatglm_turbo/sse-invoke",
        body={
            "prompt": [
                {"role": "user", "content": "Be kind."},
                {"role": "assistant", "content": "OK"},
                {"role": "user", "content": "Hi"},
            ],
            "incremental": True,
        },
        answer=json.dumps(
            {
                "code": 200,
                "success": True,
                "data": {
                    "choices": [{"role": "assistant", "content": '"Hello"'}],
                    "usage": {"prompt_tokens": 2, "completion_tokens": 3, "total_tokens": 5},
                },
            }
        ),
        stream=(
            b"event:add\nid:7\ndata:Hel\n\nevent:add\nid:7\ndata:lo\n\n"
            b'event:finish\nid:7\ndata:\nmeta:{"usage":{"prompt_tokens":2,"completion_tokens":3,"total_tokens":5}}\n\n'
        ),
        tokens=(2, 3),
        errors={
            '{"code":1261,"msg":"too long","success":false}': "bad_request",
            '{"code":1113,"msg":"no money","success":false}': "quota",
            '{"code":1301,"msg":"no","success":false}': "content",
        },
    ),
    Case(
        name="coze",
        dialect=coze.DIALECT,
        target=target("https://api.coze.com", "bot-7300"),
        url="https://api.coze.com/v3/chat",
        headers={"Authorization": "Bearer vendor-key"},
        body={"bot_id": "7300", "user_id": "tallygate", "stream": True, "auto_save_history": False},
        stream=named(
            ("conversation.chat.created", {"id": "c"}),
            ("conversation.message.delta", {"role": "assistant", "type": "answer", "content": "Hel"}),
            ("conversation.message.delta", {"role": "assistant", "type": "answer", "content": "lo"}),
            ("conversation.message.completed", {"type": "answer", "content": "Hello"}),
            (
                "conversation.chat.completed",
                {"status": "completed", "usage": {"token_count": 20, "output_count": 5, "input_count": 15}},
            ),
            ("done", '"[DONE]"'),
            blank="",
        ),
        tokens=(15, 5),
        errors={
            '{"code":4100,"msg":"authentication is invalid"}': "auth",
            '{"code":4013,"msg":"slow"}': "rate_limit",
            '{"code":4028,"msg":"credits"}': "quota",
        },
        takes_sampling=False,
    ),
    Case(
        name="dify",
        dialect=dify.DIALECT,
        target=target("https://api.dify.ai/v1", "dify"),
        url="https://api.dify.ai/v1/chat-messages",
        headers={"Authorization": "Bearer vendor-key"},
        body={"query": "System: Be kind.\n\nUser: Hi", "response_mode": "streaming", "inputs": {}},
        answer=json.dumps(
            {
                "event": "message",
                "answer": "Hello",
                "metadata": {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}},
            }
        ),
        stream=b"".join(
            (
                sse({"event": "message", "answer": "Hel"}),
                b"event: ping\n\n",
                sse(
                    {"event": "message", "answer": "lo"},
                    {
                        "event": "message_end",
                        "metadata": {"usage": {"prompt_tokens": 10, "completion_tokens": 2, "total_tokens": 12}},
                    },
                ),
            )
        ),
        tokens=(10, 2),
        failures={
            (400, '{"code":"invalid_param","message":"x","status":400}'): "bad_request",
            (400, '{"code":"provider_quota_exceeded","message":"x","status":400}'): "quota",
            (400, '{"code":"app_unavailable","message":"x","status":400}'): "overloaded",
            (401, '{"code":"unauthorized","message":"x","status":401}'): "auth",
            (429, '{"code":"too_many_requests","message":"x","status":429}'): "rate_limit",
        },
        takes_sampling=False,
    ),
    Case(
        name="deepl",
        dialect=deepl.DIALECT,
        target=target("https://api.deepl.com", "deepl-en-gb", key="abc:fx"),
        url="https://api-free.deepl.com/v2/translate",
        headers={"Authorization": "DeepL-Auth-Key abc:fx"},
        body={"text": ["Hi"], "target_lang": "EN-GB", "context": "Be kind.", "show_billed_characters": True},
        answer='{"translations":[{"detected_source_language":"DE","text":"Hello","billed_characters":5}]}',
        failures={
            (403, '{"message":"forbidden"}'): "auth",
            (456, "{}"): "quota",
            (429, "{}"): "rate_limit",
            (529, "{}"): "overloaded",
        },
        takes_sampling=False,
    ),
    Case(
        name="replicate",
        dialect=replicate.DIALECT,
        target=target("https://api.replicate.com", "meta/llama", output_tokens_max=9),
        url="https://api.replicate.com/v1/models/meta/llama/predictions",
        headers={"Authorization": "Bearer vendor-key"},
        body={"input": {"prompt": "Hi", "system_prompt": "Be kind.", "max_tokens": 9}, "stream": True},
        answer=json.dumps(
            {
                "id": "p1",
                "status": "succeeded",
                "output": ["Hel", "lo"],
                "metrics": {"input_token_count": 4, "output_token_count": 2},
            }
        ),
        stream=named(("output", "Hel"), ("output", "lo"), ("done", "{}")),
        errors={
            '{"id":"p1","status":"failed","error":"NSFW content"}': "content",
            '{"id":"p1","status":"canceled"}': "server",
        },
        failures={
            (401, '{"title":"Unauthenticated","detail":"no token","status":401}'): "auth",
            (402, '{"title":"Billing","detail":"add a card","status":402}'): "quota",
            (422, '{"title":"Input validation failed","detail":"prompt","status":422}'): "bad_request",
            (429, '{"detail":"Request was throttled.","retry_after":9}'): "rate_limit",
        },
    ),
    Case(
        name="cloudflare",
        dialect=cloudflare.DIALECT,
        target=target("https://api.cloudflare.com", "@cf/meta/llama", options={"account_id": "acc"}),
        url="https://api.cloudflare.com/client/v4/accounts/acc/ai/run/@cf/meta/llama",
        headers={"Authorization": "Bearer vendor-key"},
        body={"messages": MESSAGES, "stream": True},
        answer=json.dumps(
            {
                "result": {
                    "response": "Hello",
                    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7},
                },
                "success": True,
                "errors": [],
            }
        ),
        stream=sse(
            {"response": "Hel", "p": "ab"},
            {"response": "lo", "p": "a"},
            {"response": "", "usage": {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}},
            done=True,
        ),
        tokens=(5, 2),
        errors={'{"result":null,"success":false,"errors":[{"code":3040,"message":"no capacity"}]}': "rate_limit"},
        failures={(403, '{"success":false,"errors":[{"code":10000,"message":"Authentication error"}]}'): "auth"},
    ),
    Case(
        name="aiproxy_library",
        dialect=aiproxy_library.DIALECT,
        target=target("https://api.aiproxy.io", "gpt", options={"library_id": "lib"}),
        url="https://api.aiproxy.io/api/library/ask",
        headers={"Authorization": "Bearer vendor-key"},
        body={"model": "gpt", "query": "Hi", "libraryId": "lib", "stream": True},
        answer='{"success":true,"answer":"Hello","documents":[]}',
        stream=sse({"content": "Hel", "finish": False}, {"content": "lo", "finish": True}),
        errors={'{"errCode":500,"message":"x"}': "server"},
        takes_sampling=False,
    ),
)
