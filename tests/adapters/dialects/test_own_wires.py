"""What is peculiar to one vendor: signatures, tools, media, jobs, and calls other than chats."""

import json
from typing import Any

import msgspec
import pytest

from adapters.dialects import (
    cloudflare,
    cohere,
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
from adapters.dialects import voyage as voyage_module
from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.chat import (
    ChatRequest,
    Media,
    Message,
    ReasoningOptions,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from domain.relay.delta import Delta, ToolDelta
from domain.relay.dialect import Frame, UnsupportedParameterError, VendorDialect
from domain.relay.tasks import (
    Embeddings,
    EmbeddingsRequest,
    Images,
    ImagesRequest,
    MadeImage,
    Ranking,
    RerankRequest,
    Speech,
    SpeechRequest,
)
from domain.relay.vendor_errors import VendorError
from tests.adapters.dialects.own_cases import NOW, call, target

WEATHER = Tool(name="weather", description="Tells the weather", parameters={"type": "object", "properties": {}})
TOOLS = ChatRequest(
    messages=(
        Message("user", (Text("Oslo?"),)),
        Message("assistant", (ToolCall(call_id="c1", name="weather", arguments='{"city":"Oslo"}'),)),
        Message("tool", (ToolResult(call_id="c1", parts=(Text("cold"),)),)),
    ),
    tools=(WEATHER,),
)
SEEN = ChatRequest(
    messages=(Message("user", (Text("What?"), Media(kind="image", data="QUJD", media_type="image/png"))),)
)


def body_of(dialect: VendorDialect, request: Any, base_url: str, model: str, **more: Any) -> dict[str, Any]:
    sent = dialect.encode(call(stream=False), request, target(base_url, model, **more))
    body: dict[str, Any] = json.loads(sent.body)
    return body


def asked(surface: Any) -> Call:
    return Call(surface=surface, model="m")


def tool_of(delta: Delta) -> ToolDelta:
    return next(piece.tool for piece in delta.pieces if piece.tool is not None)


# ---- Signatures, each as the vendor's own SDK makes it (the versions are in the modules)


def test_zhipu_makes_its_token_as_the_sdk_does() -> None:
    key = "0123456789abcdef0123456789abcdef.TestSecret01234567"

    assert zhipu_v3.token(key, 1_700_000_000_000) == (
        "eyJhbGciOiJIUzI1NiIsInNpZ25fdHlwZSI6IlNJR04iLCJ0eXAiOiJKV1QifQ.eyJhcGlfa2V5IjoiMDEyMzQ1Njc4OWFiY2RlZjAxMjM0NT"
        "Y3ODlhYmNkZWYiLCJleHAiOjE3MDAwMDAyMTAwMDAsInRpbWVzdGFtcCI6MTcwMDAwMDAwMDAwMH0.g_Tc8QSXUAYodXSQNWD5AYzDtaTotULe"
        "4Y-vtUqrKnk"
    )


def test_hunyuan_signs_as_the_sdk_does() -> None:
    body = b'{"Model": "hunyuan-lite", "Messages": [{"Role": "user", "Content": "hi"}], "Stream": false}'
    signed = hunyuan.authorization(
        "AKIDEXAMPLE0000000000000000000000000",
        "TestSecretKey0000000000000000000",
        host="hunyuan.tencentcloudapi.com",
        timestamp=1_700_000_000,
        body=body,
    )

    assert signed.endswith("Signature=2112b27076b3bbf6aaf6d4f0d87de86e45a97aee88fb2101df778901d95fb53d")


def test_hunyuan_signs_the_bytes_that_it_sends() -> None:
    where = target("https://hunyuan.tencentcloudapi.com", "hunyuan-lite", key="ID|SECRET")
    sent = hunyuan.DIALECT.encode(call(), TOOLS, where)

    assert sent.headers["Authorization"] == hunyuan.authorization(
        "ID", "SECRET", host="hunyuan.tencentcloudapi.com", timestamp=int(NOW.timestamp()), body=sent.body
    )
    assert sent.headers["Content-Type"] == "application/json"


def test_spark_signs_its_address_as_the_sdk_does() -> None:
    url = spark.signed_url(
        "wss://spark-api.xf-yun.com/v3.5/chat",
        api_key="testapikey0000000000000000000000",
        api_secret="testapisecret00000000000000000000",
        now=NOW,
    )

    assert url.startswith(
        "wss://spark-api.xf-yun.com/v3.5/chat?authorization=YXBpX2tleT0idGVzdGFwaWtleTAwMDAwMDAwMDAwMDAwMDAwMDAwMDAiLCBh"
    )
    assert url.endswith("date=Tue%2C+14+Nov+2023+22%3A13%3A20+GMT&host=spark-api.xf-yun.com")


def test_ernie_exchanges_its_key_for_a_token() -> None:
    where = target("https://aip.baidubce.com", "ERNIE-4.0-8K", key="A K|S/K")
    exchange = ernie.DIALECT.token_request(where)

    assert exchange.url == (
        "https://aip.baidubce.com/oauth/2.0/token?grant_type=client_credentials&client_id=A%20K&client_secret=S%2FK"
    )
    token = ernie.DIALECT.decode_token(b'{"access_token":"24.x","expires_in":2592000}')
    assert (token.value, token.lifetime_seconds) == ("24.x", 2_592_000)
    with pytest.raises(VendorError) as refused:
        ernie.DIALECT.decode_token(b'{"error":"invalid_client","error_description":"unknown client id"}')
    assert refused.value.kind == "auth"


@pytest.mark.parametrize(
    ("dialect", "base_url"),
    [
        (spark.DIALECT, "wss://spark-api.xf-yun.com"),
        (hunyuan.DIALECT, "https://hunyuan.tencentcloudapi.com"),
        (zhipu_v3.DIALECT, "https://open.bigmodel.cn"),
    ],
)
def test_a_composite_key_that_lacks_a_part_is_the_channels_fault(dialect: VendorDialect, base_url: str) -> None:
    request = ChatRequest(messages=(Message("user", (Text("Hi"),)),))

    with pytest.raises(VendorError) as refused:
        dialect.encode(call(), request, target(base_url, "m", key="onlyonepart"))
    assert refused.value.kind == "auth"


# ---- Tools


def test_ollama_gets_arguments_as_an_object_and_results_by_name() -> None:
    body = body_of(ollama.DIALECT, TOOLS, "http://localhost:11434", "llama")

    assert body["messages"][1]["tool_calls"][0]["function"] == {"name": "weather", "arguments": {"city": "Oslo"}}
    assert body["messages"][2] == {"role": "tool", "tool_name": "weather", "tool_call_id": "c1", "content": "cold"}


def test_ollama_says_stop_for_tool_calls_and_is_put_right() -> None:
    line = {
        "message": {"content": "", "tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
        "done": True,
        "done_reason": "stop",
        "eval_count": 3,
    }
    delta = ollama.DIALECT.decode(json.dumps(line).encode(), {}, call(stream=False))

    assert tool_of(delta) == ToolDelta(index=0, call_id="call_0", name="f", arguments='{"a":1}')
    assert delta.finish_reason == "tool_calls"
    assert delta.usage == TokenUsage(output_tokens=3)


def test_cohere_names_a_tool_by_offering_only_that_one() -> None:
    other = Tool(name="other")
    request = msgspec.structs.replace(TOOLS, tools=(WEATHER, other), tool_choice=ToolChoice("named", "weather"))
    body = body_of(cohere.DIALECT, request, "https://api.cohere.com", "command")

    assert [tool["function"]["name"] for tool in body["tools"]] == ["weather"]
    assert body["tool_choice"] == "REQUIRED"
    assert body["messages"][2] == {"role": "tool", "tool_call_id": "c1", "content": "cold"}


def test_cohere_streams_a_tool_call_and_fills_in_arguments_that_never_came() -> None:
    decoder = cohere.DIALECT.decoder(call())
    events: list[dict[str, Any]] = [
        {"type": "tool-plan-delta", "delta": {"message": {"tool_plan": "I will"}}},
        {
            "type": "tool-call-start",
            "delta": {"message": {"tool_calls": {"id": "t", "type": "function", "function": {"name": "f"}}}},
        },
        {"type": "tool-call-delta", "delta": {"message": {"tool_calls": {"function": {"arguments": None}}}}},
        {"type": "tool-call-end"},
        {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}},
    ]
    deltas = [delta for event in events for delta in decoder.feed(Frame(json.dumps(event).encode()))]

    assert deltas[0].pieces[0].reasoning == "I will"
    assert deltas[1].pieces[0].tool == ToolDelta(index=0, call_id="t", name="f")
    assert deltas[2].pieces[0].tool == ToolDelta(index=0, arguments="{}")
    assert deltas[3].finish_reason == "tool_calls"


def test_ernie_takes_one_call_as_a_function_call() -> None:
    body = body_of(ernie.DIALECT, TOOLS, "https://aip.baidubce.com", "ERNIE-Functions-8K", access_token="t")

    assert body["messages"][1]["function_call"] == {"name": "weather", "arguments": '{"city":"Oslo"}'}
    assert body["messages"][2] == {"role": "function", "name": "weather", "content": "cold"}
    answer = {"id": "1", "result": "", "function_call": {"name": "f", "arguments": '{"a":1}'}}
    delta = ernie.DIALECT.decode(json.dumps(answer).encode(), {}, call(stream=False))
    assert tool_of(delta).arguments == '{"a":1}'
    assert delta.finish_reason == "tool_calls"


def test_hunyuan_gets_parameters_as_text() -> None:
    body = body_of(hunyuan.DIALECT, TOOLS, "https://hunyuan.tencentcloudapi.com", "m", key="a|b")

    assert body["Tools"][0]["Function"]["Parameters"] == '{"type":"object","properties":{}}'
    assert body["Messages"][1]["ToolCalls"][0]["Function"] == {"Name": "weather", "Arguments": '{"city":"Oslo"}'}
    assert body["Messages"][2] == {"Role": "tool", "ToolCallId": "c1", "Content": "cold"}


def test_dashscope_streams_a_call_whose_later_pieces_have_an_empty_id() -> None:
    decoder = dashscope.DIALECT.decoder(call())

    def event(call_id: str, name: str, arguments: str) -> Frame:
        tool = {"index": 0, "id": call_id, "function": {"name": name, "arguments": arguments}}
        choice = {"message": {"content": "", "tool_calls": [tool]}, "finish_reason": "null"}
        return Frame(json.dumps({"output": {"choices": [choice]}}).encode())

    pieces = [tool_of(decoder.feed(each)[0]) for each in (event("c1", "f", '{"a"'), event("", "", ":1}"))]
    assert pieces == [
        ToolDelta(index=0, call_id="c1", name="f", arguments='{"a"'),
        ToolDelta(index=0, arguments=":1}"),
    ]


@pytest.mark.parametrize(
    ("dialect", "base_url", "key"),
    [
        (ollama.DIALECT, "http://localhost:11434", ""),
        (dashscope.DIALECT, "https://dashscope.aliyuncs.com", "k"),
        (hunyuan.DIALECT, "https://hunyuan.tencentcloudapi.com", "a|b"),
        (spark.DIALECT, "wss://spark-api.xf-yun.com", "a|b|c"),
    ],
)
def test_a_tool_that_must_be_called_is_refused_where_it_cannot_be_demanded(
    dialect: VendorDialect, base_url: str, key: str
) -> None:
    request = msgspec.structs.replace(TOOLS, tool_choice=ToolChoice("required"))

    with pytest.raises(UnsupportedParameterError) as refused:
        dialect.encode(call(), request, target(base_url, "m", key=key))
    assert refused.value.param == "tool_choice"


# ---- Media, formats and thoughts


def test_images_go_where_each_vendor_takes_them() -> None:
    assert body_of(ollama.DIALECT, SEEN, "http://x", "m")["messages"][0]["images"] == ["QUJD"]
    seen = body_of(dashscope.DIALECT, SEEN, "https://x", "qwen-vl-max")["input"]["messages"][0]["content"]
    assert seen == [{"text": "What?"}, {"image": "data:image/png;base64,QUJD"}]
    seen = body_of(hunyuan.DIALECT, SEEN, "https://x", "m", key="a|b")["Messages"][0]["Contents"]
    assert seen[1] == {"Type": "image_url", "ImageUrl": {"Url": "data:image/png;base64,QUJD"}}
    seen = body_of(spark.DIALECT, SEEN, "wss://spark-api.xf-yun.com", "spark-image", key="a|b|c")
    assert seen["payload"]["message"]["text"][0] == {"role": "user", "content": "QUJD", "content_type": "image"}
    named = ChatRequest(messages=(Message("user", (Text("?"), Media(kind="image", url="https://x/i.png"))),))
    files = body_of(dify.DIALECT, named, "https://x", "m")["files"]
    assert files == [{"type": "image", "transfer_method": "remote_url", "url": "https://x/i.png"}]
    told = body_of(coze.DIALECT, named, "https://x", "bot-1")["additional_messages"][0]
    assert json.loads(told["content"])[1] == {"type": "image", "file_url": "https://x/i.png"}


def test_a_schema_is_sent_in_each_vendors_way() -> None:
    shape = ResponseFormat(kind="json_schema", name="n", schema={"type": "object"})
    request = ChatRequest(messages=(Message("user", (Text("json"),)),), response_format=shape)

    assert body_of(ollama.DIALECT, request, "http://x", "m")["format"] == {"type": "object"}
    wanted = {"type": "json_object", "json_schema": {"type": "object"}}
    assert body_of(cohere.DIALECT, request, "https://x", "m")["response_format"] == wanted
    with pytest.raises(UnsupportedParameterError):
        body_of(hunyuan.DIALECT, request, "https://x", "m", key="a|b")


@pytest.mark.parametrize(
    ("options", "cohere_says", "ollama_says", "dashscope_says"),
    [
        (ReasoningOptions(effort="none"), {"type": "disabled"}, False, {"enable_thinking": False}),
        (
            ReasoningOptions(effort="high"),
            {"type": "enabled", "token_budget": 24576},
            "high",
            {"enable_thinking": True, "thinking_budget": 24576},
        ),
        (
            ReasoningOptions(budget_tokens=1000),
            {"type": "enabled", "token_budget": 1000},
            "low",
            {"enable_thinking": True, "thinking_budget": 1000},
        ),
    ],
)
def test_effort_and_budget_are_said_in_each_vendors_way(
    options: ReasoningOptions, cohere_says: Any, ollama_says: Any, dashscope_says: dict[str, Any]
) -> None:
    request = ChatRequest(messages=(Message("user", (Text("?"),)),), reasoning=options)

    assert body_of(cohere.DIALECT, request, "https://x", "m")["thinking"] == cohere_says
    assert body_of(ollama.DIALECT, request, "http://x", "m")["think"] == ollama_says
    parameters = body_of(dashscope.DIALECT, request, "https://x", "m")["parameters"]
    assert dashscope_says.items() <= parameters.items()


# ---- Embeddings and rankings

TEXTS = EmbeddingsRequest(inputs=("a", "b"), dimensions=2)
RANK = RerankRequest(query="q", documents=("a", "b"), top_n=1)


@pytest.mark.parametrize(
    ("dialect", "more", "sent", "answer", "tokens"),
    [
        (
            cohere.DIALECT,
            {},
            {"texts": ["a", "b"], "input_type": "search_document", "output_dimension": 2},
            {"embeddings": {"float": [[1, 2], [3, 4]]}, "meta": {"billed_units": {"input_tokens": 7}}},
            7,
        ),
        (
            ollama.DIALECT,
            {},
            {"input": ["a", "b"], "dimensions": 2},
            {"embeddings": [[1, 2], [3, 4]], "prompt_eval_count": 7},
            7,
        ),
        (
            dashscope.DIALECT,
            {},
            {"input": {"texts": ["a", "b"]}, "parameters": {"dimension": 2}},
            {
                "output": {
                    "embeddings": [{"text_index": 1, "embedding": [3, 4]}, {"text_index": 0, "embedding": [1, 2]}]
                },
                "usage": {"total_tokens": 7},
            },
            7,
        ),
        (
            ernie.DIALECT,
            {"access_token": "t"},
            {"input": ["a", "b"]},
            {
                "data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [3, 4]}],
                "usage": {"prompt_tokens": 7, "total_tokens": 7},
            },
            7,
        ),
        (
            hunyuan.DIALECT,
            {"key": "a|b"},
            {"InputList": ["a", "b"]},
            {
                "Response": {
                    "Data": [{"Index": 0, "Embedding": [1, 2]}, {"Index": 0, "Embedding": [3, 4]}],
                    "Usage": {"TotalTokens": 7},
                }
            },
            7,
        ),
        (
            cloudflare.DIALECT,
            {},
            {"text": ["a", "b"]},
            {"result": {"shape": [2, 2], "data": [[1, 2], [3, 4]]}, "success": True},
            None,
        ),
        (
            voyage_module.VOYAGE,
            {},
            {"input": ["a", "b"], "output_dimension": 2},
            {
                "data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [3, 4]}],
                "usage": {"total_tokens": 7},
            },
            7,
        ),
        (
            voyage_module.JINA,
            {},
            {"input": ["a", "b"], "dimensions": 2, "embedding_type": "float"},
            {
                "data": [{"index": 0, "embedding": [1, 2]}, {"index": 1, "embedding": [3, 4]}],
                "usage": {"total_tokens": 7},
            },
            7,
        ),
    ],
)
def test_texts_become_vectors_in_their_order(
    dialect: VendorDialect, more: dict[str, Any], sent: dict[str, Any], answer: dict[str, Any], tokens: int | None
) -> None:
    body = body_of(dialect, TEXTS, "https://x", "m", **more)
    assert sent.items() <= body.items()

    delta = dialect.decode(json.dumps(answer).encode(), {}, asked("embeddings"))
    assert delta.result == Embeddings(((1.0, 2.0), (3.0, 4.0)))
    assert (delta.usage.total if delta.usage is not None else None) == tokens


@pytest.mark.parametrize(
    ("dialect", "sent", "answer", "searches"),
    [
        (
            cohere.DIALECT,
            {"query": "q", "documents": ["a", "b"], "top_n": 1},
            {"results": [{"index": 1, "relevance_score": 0.9}], "meta": {"billed_units": {"search_units": 1}}},
            1,
        ),
        (
            dashscope.DIALECT,
            {"input": {"query": "q", "documents": ["a", "b"]}},
            {"output": {"results": [{"index": 1, "relevance_score": 0.9}]}, "usage": {"total_tokens": 7}},
            0,
        ),
        (
            voyage_module.VOYAGE,
            {"query": "q", "documents": ["a", "b"], "top_k": 1},
            {"data": [{"index": 1, "relevance_score": 0.9}], "usage": {"total_tokens": 7}},
            0,
        ),
        (
            voyage_module.JINA,
            {"query": "q", "documents": ["a", "b"], "top_n": 1},
            {"results": [{"index": 1, "relevance_score": 0.9}], "usage": {"total_tokens": 7}},
            0,
        ),
    ],
)
def test_documents_are_ranked(
    dialect: VendorDialect, sent: dict[str, Any], answer: dict[str, Any], searches: int
) -> None:
    assert sent.items() <= body_of(dialect, RANK, "https://x", "m").items()

    delta = dialect.decode(json.dumps(answer).encode(), {}, asked("rerank"))
    assert delta.result == Ranking(((1, 0.9),), searches)


# ---- Jobs, images and voices


def test_dashscope_polls_a_job_until_it_is_done() -> None:
    where = target("https://dashscope.aliyuncs.com", "wanx")
    first = dashscope.DIALECT.encode(asked("images"), ImagesRequest(prompt="cat", size="512x512", n=2), where)
    assert json.loads(first.body)["parameters"] == {"size": "512*512", "n": 2}
    assert first.headers["X-DashScope-Async"] == "enable"

    pending = b'{"output":{"task_id":"t-1","task_status":"RUNNING"}}'
    poll = dashscope.DIALECT.follow(pending, first, where)
    assert poll is not None
    assert (poll.method, poll.url) == ("GET", "https://dashscope.aliyuncs.com/api/v1/tasks/t-1")
    assert poll.delay_seconds > 0

    done = b'{"output":{"task_id":"t-1","task_status":"SUCCEEDED","results":[{"url":"https://x/1.png"}]}}'
    assert dashscope.DIALECT.follow(done, poll, where) is None
    assert dashscope.DIALECT.decode(done, {}, asked("images")).result == Images((MadeImage(url="https://x/1.png"),))
    failed = b'{"output":{"task_id":"t","task_status":"FAILED","code":"DataInspectionFailed","message":"no"}}'
    error = dashscope.DIALECT.decode(failed, {}, asked("images")).error
    assert error is not None
    assert error.kind == "content"


def test_replicate_goes_to_the_stream_of_its_own_host_only() -> None:
    where = target("https://api.replicate.com", "meta/llama")
    first = replicate.DIALECT.encode(call(), ChatRequest(messages=(Message("user", (Text("Hi"),)),)), where)

    def made(stream: str) -> bytes:
        return json.dumps({"id": "p1", "status": "starting", "urls": {"stream": stream}}).encode()

    following = replicate.DIALECT.follow(made("https://stream.replicate.com/v1/files/x"), first, where)
    assert following is not None
    assert following.url == "https://stream.replicate.com/v1/files/x"
    assert following.headers["Accept"] == "text/event-stream"
    foreign = replicate.DIALECT.follow(made("https://evil.example/x"), first, where)
    assert foreign is not None
    assert foreign.url == "https://api.replicate.com/v1/predictions/p1"


def test_workers_ai_gives_images_and_voices_as_bytes_or_in_an_envelope() -> None:
    where = target("https://api.cloudflare.com", "@cf/x/tts", options={"account_id": "a"})
    sent = cloudflare.DIALECT.encode(asked("speech"), SpeechRequest(text="Hi", voice="v"), where)
    assert json.loads(sent.body) == {"prompt": "Hi"}

    spoken = cloudflare.DIALECT.decode(b'{"result":{"audio":"QUJD"},"success":true}', {}, asked("speech"))
    assert spoken.result == Speech(b"ABC", "audio/mpeg")
    image = cloudflare.DIALECT.decode(b"ABC", {"Content-Type": "image/png"}, asked("images"))
    assert image.result == Images((MadeImage(data="QUJD", media_type="image/png"),))


# ---- Small things that cost money or time


@pytest.mark.parametrize(
    ("model", "want"),
    [
        ("deepl-zh", "ZH"),
        ("deepl-en", "EN-US"),
        ("deepl-en-GB", "EN-GB"),
        ("deepl-pt", "PT-BR"),
        ("deepl-zh-Hans", "ZH-Hans"),
        ("deepl", "ZH"),
    ],
)
def test_deepl_reads_the_language_from_the_models_name(model: str, want: str) -> None:
    assert deepl.language(model) == want


def test_deepl_is_billed_by_the_character_that_it_says() -> None:
    answer = b'{"translations":[{"text":"\xe4\xbd\xa0\xe5\xa5\xbd","billed_characters":5}]}'

    assert deepl.DIALECT.decode(answer, {}, call(stream=False)).usage == TokenUsage(characters=5)


def test_coze_says_at_its_end_that_a_person_must_act() -> None:
    decoder = coze.DIALECT.decoder(call())
    event = {
        "required_action": {
            "submit_tool_outputs": {"tool_calls": [{"id": "t", "function": {"name": "f", "arguments": "{}"}}]}
        }
    }
    (delta,) = decoder.feed(Frame(json.dumps(event).encode(), event=b"conversation.chat.requires_action"))

    assert tool_of(delta).name == "f"
    assert delta.finish_reason == "tool_calls"


def test_dify_runs_workflows_and_reads_their_outputs() -> None:
    where = target("https://x/v1", "m", options={"app": "workflow", "input": "question"})
    request = ChatRequest(messages=(Message("user", (Text("Hi"),)),))
    sent = dify.DIALECT.encode(call(), request, where)
    assert sent.url == "https://x/v1/workflows/run"
    assert json.loads(sent.body)["inputs"] == {"question": "Hi"}

    decoder = dify.DIALECT.decoder(call())
    end = {"event": "workflow_finished", "data": {"status": "succeeded", "outputs": {"text": "Hello"}}}
    deltas = decoder.feed(Frame(json.dumps(end).encode()))
    assert [delta.text for delta in deltas] == ["Hello", ""]
    assert deltas[-1].finish_reason == "stop"
    failed = {"event": "workflow_finished", "data": {"status": "failed"}}
    (delta,) = dify.DIALECT.decoder(call()).feed(Frame(json.dumps(failed).encode()))
    assert delta.error is not None


def test_spark_says_that_an_answer_was_cut_where_the_limit_was_reached() -> None:
    decoder = spark.DIALECT.decoder(msgspec.structs.replace(call(), output_tokens_max=2))
    last = {
        "header": {"code": 0, "status": 2},
        "payload": {
            "choices": {"status": 2, "text": []},
            "usage": {"text": {"prompt_tokens": 1, "completion_tokens": 2}},
        },
    }

    assert decoder.feed(Frame(json.dumps(last).encode()))[0].finish_reason == "length"


@pytest.mark.parametrize(("code", "kind"), [(10013, "content"), (11200, "quota"), (10907, "bad_request")])
def test_spark_says_errors_in_its_header(code: int, kind: str) -> None:
    message = {"header": {"code": code, "message": "x"}}
    (delta,) = spark.DIALECT.decoder(call()).feed(Frame(json.dumps(message).encode()))

    assert delta.error is not None
    assert delta.error.kind == kind
