"""The official `openai` SDK, unmodified, against the server as a process: every surface that it has."""

from typing import TYPE_CHECKING

import openai
import pytest
from openai.lib.streaming.chat import ContentDoneEvent
from pydantic import BaseModel

from tests.acceptance.conftest import Connect, Sell
from tests.support.fake_vendor import FakeVendor
from tests.support.operator import Customer, Operator
from tests.support.receipts import FAKE_CHARGE_NANOS, charge_of, check_receipt, nanos

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

WEATHER: "ChatCompletionToolParam" = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {
            "type": "object",
            "properties": {"city": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "kelvin"]}},
            "required": ["city", "unit"],
        },
    },
}
HELLO: "list[ChatCompletionMessageParam]" = [{"role": "user", "content": "Hello!"}]


class Invoice(BaseModel):
    customer: str
    items: int
    paid: bool


def demo_nanos(prompt_tokens: int, completion_tokens: int) -> int:
    return 150 * prompt_tokens + 600 * completion_tokens


# ---- Chat


async def test_plain_chat_carries_usage_and_its_exact_charge(customer: Customer, connect: Connect) -> None:
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(model="demo-chat", messages=HELLO)

    answer = raw.parse()
    assert answer.object == "chat.completion"
    assert answer.model == "demo-chat"
    assert "demo answer" in (answer.choices[0].message.content or "")
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 6  # four for the message, "Hello", "!"
    assert answer.usage.total_tokens == 6 + answer.usage.completion_tokens
    assert charge_of(raw.headers) == demo_nanos(6, answer.usage.completion_tokens)
    assert nanos(raw.headers["x-tallygate-balance"]) == 5 * 10**9 - charge_of(raw.headers)
    assert raw.headers["x-tallygate-request-id"] == raw.headers["x-request-id"] == answer._request_id


def test_the_sync_client_chats_and_streams(sync_client: openai.OpenAI) -> None:
    answer = sync_client.chat.completions.create(model="demo-chat", messages=HELLO)

    with sync_client.chat.completions.create(model="demo-chat", messages=HELLO, stream=True) as stream:
        streamed = "".join(chunk.choices[0].delta.content or "" for chunk in stream)

    assert streamed == answer.choices[0].message.content


def test_the_sync_client_embeds_lists_models_and_raises_its_own_errors(sync_client: openai.OpenAI) -> None:
    assert len(sync_client.embeddings.create(model="demo-embedding", input="Hello!").data[0].embedding) == 256
    assert sync_client.models.retrieve("demo-chat").id in [model.id for model in sync_client.models.list()]
    with pytest.raises(openai.NotFoundError):
        sync_client.chat.completions.create(model="no-such-model", messages=HELLO)
    with pytest.raises(openai.AuthenticationError):
        sync_client.with_options(api_key="sk-wrong").models.list()


async def test_a_stream_without_usage_has_no_usage_for_the_client_and_is_charged_by_it(
    client: openai.AsyncOpenAI, operator: Operator, sell: Sell, vendor: FakeVendor
) -> None:
    model = await sell()

    async with await client.chat.completions.create(model=model, messages=HELLO, stream=True) as stream:
        chunks = [chunk async for chunk in stream]
        request_id = stream.response.headers["x-tallygate-request-id"]

    assert all(chunk.usage is None and chunk.choices for chunk in chunks)
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks) == "word " * 20
    assert chunks[-1].choices[0].finish_reason == "stop"
    metered = next(each for each in vendor.meter if each.body["model"] == "fake:plain" and each.body.get("stream"))
    assert metered.body["stream_options"] == {"include_usage": True}
    receipt = await operator.receipt(request_id)
    assert receipt["end"]["basis"] == "vendor"
    check_receipt(receipt, FAKE_CHARGE_NANOS)


async def test_a_stream_with_usage_ends_with_it(client: openai.AsyncOpenAI, sell: Sell) -> None:
    model = await sell()

    stream = await client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert [chunk.usage for chunk in chunks[:-1]] == [None] * (len(chunks) - 1)
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None
    assert (chunks[-1].usage.prompt_tokens, chunks[-1].usage.completion_tokens) == (9, 20)


async def test_the_streaming_helper_gives_the_final_completion(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="demo-chat", messages=HELLO, stream_options={"include_usage": True}
    ) as stream:
        done = [event.content async for event in stream if isinstance(event, ContentDoneEvent)]
        final = await stream.get_final_completion()

    assert done == [final.choices[0].message.content]
    assert final.usage is not None
    assert final.usage.prompt_tokens == 6


async def test_several_choices_come_and_each_is_charged(client: openai.AsyncOpenAI) -> None:
    one = await client.chat.completions.create(model="demo-chat", messages=HELLO)

    raw = await client.chat.completions.with_raw_response.create(model="demo-chat", messages=HELLO, n=3)

    three = raw.parse()
    assert [choice.index for choice in three.choices] == [0, 1, 2]
    assert one.usage is not None
    assert three.usage is not None
    assert three.usage.completion_tokens == 3 * one.usage.completion_tokens
    assert charge_of(raw.headers) == demo_nanos(6, three.usage.completion_tokens)


async def test_several_choices_stream_interleaved(client: openai.AsyncOpenAI) -> None:
    texts = {0: "", 1: ""}

    async for chunk in await client.chat.completions.create(model="demo-chat", messages=HELLO, n=2, stream=True):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""

    assert texts[0] == texts[1] != ""


async def test_an_output_limit_of_the_client_is_kept(client: openai.AsyncOpenAI) -> None:
    answer = await client.chat.completions.create(model="demo-chat", messages=HELLO, max_completion_tokens=10)

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 10


async def test_what_the_gateway_does_not_know_reaches_the_vendor(
    client: openai.AsyncOpenAI, sell: Sell, vendor: FakeVendor
) -> None:
    model = await sell("plain,chunks=1")

    await client.chat.completions.create(
        model=model,
        messages=HELLO,
        temperature=0.25,
        seed=7,
        logit_bias={"50256": -100},
        metadata={"shop": "north"},
        extra_body={"vendor_extension": {"deep": [1, 2.50, None]}},
    )

    sent = vendor.meter[-1]
    assert sent.body | {"temperature": 0.25, "seed": 7, "metadata": {"shop": "north"}} == sent.body
    assert sent.body["logit_bias"] == {"50256": -100}
    assert sent.body["vendor_extension"] == {"deep": [1, 2.5, None]}
    assert sent.key == "sk-vendor"
    assert not [name for name in sent.headers if name.lower().startswith("x-stainless")]


# ---- Tools and structured output


async def test_a_tool_is_called_and_its_result_answered(client: openai.AsyncOpenAI) -> None:
    messages: list[ChatCompletionMessageParam] = [{"role": "user", "content": "Ask get_weather about Oslo."}]
    asked = await client.chat.completions.create(model="demo-chat", messages=messages, tools=[WEATHER])

    message = asked.choices[0].message
    assert asked.choices[0].finish_reason == "tool_calls"
    assert message.tool_calls is not None
    call = message.tool_calls[0]
    assert call.type == "function"
    assert (call.function.name, call.function.arguments) == ("get_weather", '{"city":"demo","unit":"celsius"}')

    messages += [
        {
            "role": "assistant",
            "tool_calls": [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.function.name, "arguments": call.function.arguments},
                }
            ],
        },
        {"role": "tool", "tool_call_id": call.id, "content": "4 degrees"},
    ]
    answered = await client.chat.completions.create(model="demo-chat", messages=messages, tools=[WEATHER])
    assert answered.choices[0].finish_reason == "stop"


async def test_a_tool_call_streams_in_fragments_that_the_sdk_joins(client: openai.AsyncOpenAI) -> None:
    async with client.chat.completions.stream(
        model="demo-chat", messages=HELLO, tools=[WEATHER], tool_choice="required"
    ) as stream:
        final = await stream.get_final_completion()

    assert final.choices[0].finish_reason == "tool_calls"
    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert [call.function.name for call in calls] == ["get_weather"]
    assert calls[0].function.arguments == '{"city":"demo","unit":"celsius"}'


async def test_structured_output_parses_into_a_model(client: openai.AsyncOpenAI) -> None:
    parsed = await client.chat.completions.parse(model="demo-chat", messages=HELLO, response_format=Invoice)

    assert parsed.choices[0].message.parsed == Invoice(customer="demo", items=1, paid=True)


# ---- Legacy completions, embeddings, models


async def test_legacy_completions(client: openai.AsyncOpenAI) -> None:
    raw = await client.completions.with_raw_response.create(
        model="demo-chat", prompt=["Hello!", "Good morning"], max_tokens=12
    )

    answer = raw.parse()
    assert answer.object == "text_completion"
    assert [choice.finish_reason for choice in answer.choices] == ["length", "length"]
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 24
    assert charge_of(raw.headers) == demo_nanos(answer.usage.prompt_tokens, answer.usage.completion_tokens)


async def test_legacy_completions_that_name_no_limit_have_openais_of_16(client: openai.AsyncOpenAI) -> None:
    answer = await client.completions.create(model="demo-chat", prompt="Hello!")

    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 16


async def test_legacy_completions_stream(client: openai.AsyncOpenAI) -> None:
    plain = await client.completions.create(model="demo-chat", prompt="Hello!", max_tokens=30)

    stream = await client.completions.create(
        model="demo-chat", prompt="Hello!", max_tokens=30, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == plain.choices[0].text
    assert chunks[-1].usage == plain.usage


async def test_embeddings_are_the_same_in_base64_and_as_floats(client: openai.AsyncOpenAI) -> None:
    raw = await client.embeddings.with_raw_response.create(model="demo-embedding", input=["Hello!", "Bye"])
    floats = await client.embeddings.create(model="demo-embedding", input=["Hello!", "Bye"], encoding_format="float")

    answer = raw.parse()  # The SDK has asked for base64 without being told to.
    assert answer.usage.prompt_tokens == answer.usage.total_tokens == 3
    assert charge_of(raw.headers) == 3 * 20
    assert [each.index for each in answer.data] == [0, 1]
    for packed, plain in zip(answer.data, floats.data, strict=True):
        assert len(packed.embedding) == 256
        assert packed.embedding == pytest.approx(plain.embedding, abs=1e-6)


async def test_embeddings_have_as_many_dimensions_as_asked(client: openai.AsyncOpenAI) -> None:
    answer = await client.embeddings.create(model="demo-embedding", input="Hello!", dimensions=8)

    assert len(answer.data[0].embedding) == 8


async def test_models_are_listed_and_read(client: openai.AsyncOpenAI, sell: Sell) -> None:
    model = await sell()

    names = [each.id async for each in client.models.list()]

    assert {"demo-chat", "demo-embedding", model} <= set(names)
    one = await client.models.retrieve(model)
    assert (one.id, one.object, one.owned_by) == (model, "model", "tallygate")
    with pytest.raises(openai.NotFoundError):
        await client.models.retrieve("no-such-model")


async def test_a_token_sees_only_the_models_that_it_may_use(operator: Operator, connect: Connect) -> None:
    customer = await operator.customer(token={"models": ["demo-embedding"]})
    client = await connect(customer.secret)

    assert [each.id async for each in client.models.list()] == ["demo-embedding"]
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)
    assert refused.value.code == "model_not_found"


# ---- What old clients ask for a balance


async def test_old_clients_read_their_balance(customer: Customer, connect: Connect, sell: Sell) -> None:
    client = await connect(customer.secret)
    model = await sell()
    await client.chat.completions.create(model=model, messages=HELLO)

    subscription = await client.get("/dashboard/billing/subscription", cast_to=dict[str, object])
    usage = await client.get("/dashboard/billing/usage", cast_to=dict[str, object])
    grants = await client.get("/dashboard/billing/credit_grants", cast_to=dict[str, object])

    assert subscription["hard_limit_usd"] == 5
    assert usage == {"object": "list", "total_usage": 0.021125}  # in cents
    assert grants["total_granted"] == 5
    assert grants["total_used"] == 0.00021125
    assert grants["total_available"] == 4.99978875
    assert (await customer.balance())["available"] == "4.99978875"
