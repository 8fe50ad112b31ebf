"""What is no chat, through the running server: official SDKs, a strict script, and the exact charge of each kind."""

import asyncio
import base64
import io
import json
import re
import wave
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import cohere
import httpx
import openai
import pytest
from google import genai
from google.genai import types
from mistralai.client import Mistral

from tests.support.operator import Customer, Operator
from tests.support.receipts import charge_of, check_receipt, nanos
from tests.support.scripted_vendor import ScriptedVendor, Step
from tests.support.server import ServerProcess

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
BEARER = {"Authorization": "Bearer sk-vendor"}
FORM = {**BEARER, "content-type": ""}
USAGE = {"input_tokens": 12, "output_tokens": 34, "total_tokens": 46}
JUDGED: dict[str, Any] = {
    "flagged": False,
    "categories": {},
    "category_scores": {},
    "category_applied_input_types": {},
}


def step(path: str, answer: Any, *, headers: dict[str, str] = BEARER, **more: Any) -> Step:
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    return Step(path=path, headers=headers, answer=body, members=None, **more)


STEPS = (
    step("/v1/images/generations", {"created": 1, "data": [{"b64_json": "aGk="}, {"b64_json": "aGk="}]}),
    step("/v1/images/edits", {"created": 1, "data": [{"b64_json": "aGk="}]}, headers=FORM),
    step("/v1/audio/speech", b"ID3sound", whole_type="audio/mpeg"),
    step("/v1/audio/transcriptions", {"text": "Good day."}, headers=FORM),
    step("/v1/audio/translations", {"text": "Good day."}, headers=FORM),
    step("/v1/moderations", {"id": "modr-1", "model": "m", "results": [JUDGED]}),
    step(
        "/v1/rerank",
        {
            "model": "m",
            "results": [{"index": 1, "relevance_score": 0.9}, {"index": 0, "relevance_score": 0.1}],
            "usage": {"total_tokens": 11},
        },
    ),
    step(
        "/v1/embeddings",
        {
            "id": "embd-1",
            "object": "list",
            "model": "m",
            "data": [{"object": "embedding", "index": 0, "embedding": [1.0, -2.0]}],
            "usage": {"prompt_tokens": 5, "total_tokens": 5},
        },
    ),
)
PRICED = ("acme-paint", "acme-voice", "acme-ear", "acme-judge", "acme-rank", "acme-embed")


@pytest.fixture(scope="module")
async def studio(operator: Operator) -> AsyncIterator[ScriptedVendor]:
    async with ScriptedVendor(*STEPS) as vendor:
        # A type that serves every kind of call.
        base = f"{vendor.url}/v1"
        given: dict[str, Any] = {"name": "studio", "type": "custom", "base_url": base, "key": "sk-vendor"}
        await operator.post("/channels", given | {"models": list(PRICED)})
        yield vendor


@pytest.fixture
def vendor(studio: ScriptedVendor) -> ScriptedVendor:
    studio.forget()
    return studio


@pytest.fixture(scope="module")
async def customer(operator: Operator) -> Customer:
    return await operator.customer()


@pytest.fixture
async def client(customer: Customer, server: ServerProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{server.url}/v1", max_retries=0) as made:
        yield made


async def paid(operator: Operator, headers: Any, charged: int) -> None:
    """Check what the answer says that it cost, and what explains it."""
    assert charge_of(headers) == charged
    check_receipt(await operator.receipt(headers["x-tallygate-request-id"]), charged)


def recording(milliseconds: int) -> bytes:
    """Give silence of a length."""
    file = io.BytesIO()
    with wave.open(file, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(2)
        sound.setframerate(8_000)
        sound.writeframes(b"\0\0" * (8 * milliseconds))
    return file.getvalue()


async def test_images_cost_by_the_image_that_was_made(
    client: openai.AsyncOpenAI, operator: Operator, vendor: ScriptedVendor
) -> None:
    raw = await client.images.with_raw_response.generate(model="acme-paint", prompt="A cat", n=2, size="1024x1024")

    assert len(raw.parse().data or []) == 2
    assert vendor.asked == [{"model": "acme-paint", "prompt": "A cat", "n": 2, "size": "1024x1024"}]
    vendor.check()
    await paid(operator, raw.headers, 2 * 40_000_000)


async def test_edits_carry_their_files_and_cost_by_the_image(
    client: openai.AsyncOpenAI, operator: Operator, vendor: ScriptedVendor
) -> None:
    raw = await client.images.with_raw_response.edit(
        model="acme-paint", prompt="A hat", image=[("cat.png", PNG, "image/png")], mask=("mask.png", PNG, "image/png")
    )

    assert raw.parse().data
    assert vendor.asked[0].count(PNG) == 2
    assert b'filename="mask.png"' in vendor.asked[0]
    vendor.check()
    await paid(operator, raw.headers, 40_000_000)


async def test_speech_is_sound_and_costs_by_the_character(
    client: openai.AsyncOpenAI, operator: Operator, vendor: ScriptedVendor
) -> None:
    raw = await client.audio.speech.with_raw_response.create(model="acme-voice", input="你好, you", voice="alloy")

    assert raw.content == b"ID3sound"
    assert raw.headers["content-type"] == "audio/mpeg"
    vendor.check()
    await paid(operator, raw.headers, 7 * 15_000)


@pytest.mark.filterwarnings("ignore:deprecated:DeprecationWarning")  # the SDK's word on translations
@pytest.mark.parametrize("call", ["transcriptions", "translations"])
async def test_recordings_are_written_down_and_cost_by_their_length(
    client: openai.AsyncOpenAI, operator: Operator, vendor: ScriptedVendor, call: str
) -> None:
    sound = recording(2_500)

    raw = await getattr(client.audio, call).with_raw_response.create(model="acme-ear", file=("a.wav", sound))

    assert raw.parse().text == "Good day."
    assert sound in vendor.asked[0]
    vendor.check()
    # The header of 44 bytes counts as sound, where the vendor says no length.
    await paid(operator, raw.headers, 2_503 * 100)


async def test_judgments_are_free_where_the_card_says_so(
    client: openai.AsyncOpenAI, operator: Operator, vendor: ScriptedVendor
) -> None:
    raw = await client.moderations.with_raw_response.create(model="acme-judge", input="Hi")

    assert raw.parse().results[0].flagged is False
    vendor.check()
    await paid(operator, raw.headers, 0)


async def test_coheres_sdk_ranks(customer: Customer, server: ServerProcess, vendor: ScriptedVendor) -> None:
    before = nanos((await customer.balance())["available"])
    async with cohere.AsyncClient(api_key=customer.secret, base_url=server.url) as client:
        ranked = await client.rerank(model="acme-rank", query="q", documents=["a", "b"], top_n=2)

    assert [(each.index, each.relevance_score) for each in ranked.results] == [(1, 0.9), (0, 0.1)]
    vendor.check()
    assert before - nanos((await customer.balance())["available"]) == 2_000_000


@pytest.mark.parametrize("form", ["float", "base64", None])
async def test_vectors_come_in_the_form_that_was_asked(
    client: openai.AsyncOpenAI, operator: Operator, vendor: ScriptedVendor, form: Any
) -> None:
    given = {} if form is None else {"encoding_format": form}
    raw = await client.embeddings.with_raw_response.create(model="acme-embed", input="Hi", **given)

    if form == "base64":
        assert json.loads(raw.text)["data"][0]["embedding"] == "AACAPwAAAMA="
    else:
        assert raw.parse().data[0].embedding == [1.0, -2.0]
    vendor.check()
    await paid(operator, raw.headers, 5 * 20)


async def test_googles_sdk_gets_vectors_and_counts(customer: Customer, server: ServerProcess) -> None:
    client = genai.Client(api_key=customer.secret, http_options=types.HttpOptions(base_url=server.url))
    try:
        made = await asyncio.to_thread(client.models.embed_content, model="acme-embed", contents="Hi")
        counted = await asyncio.to_thread(client.models.count_tokens, model="acme-embed", contents="Hi there")
        listed = await asyncio.to_thread(lambda: [each.name for each in client.models.list()])
    finally:
        client.close()

    assert made.embeddings is not None
    assert made.embeddings[0].values == [1.0, -2.0]
    assert counted.total_tokens is not None
    assert 1 < counted.total_tokens < 20
    assert "models/acme-embed" in listed


async def test_anthropics_sdk_counts(customer: Customer, server: ServerProcess) -> None:
    before = (await customer.balance())["available"]
    async with anthropic.AsyncAnthropic(api_key=customer.secret, base_url=server.url) as client:
        counted = await client.messages.count_tokens(
            model="acme-embed", messages=[{"role": "user", "content": "Hi there"}]
        )
    assert 1 < counted.input_tokens < 20
    assert (await customer.balance())["available"] == before


async def test_anthropics_sdk_reads_the_request_id_of_answers_streams_counts_and_refusals(
    customer: Customer, server: ServerProcess, operator: Operator
) -> None:
    asked: Any = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}
    async with anthropic.AsyncAnthropic(api_key=customer.secret, base_url=server.url, max_retries=0) as client:
        whole = await client.messages.create(**asked)
        async with client.messages.stream(**asked) as events:
            streamed = events.request_id
            await events.get_final_message()
        counted = await client.messages.count_tokens(model="demo-chat", messages=asked["messages"])
        with pytest.raises(anthropic.NotFoundError) as refused:
            await client.messages.create(**asked | {"model": "nobody-has-this"})
        raw = await client.messages.with_raw_response.create(**asked)

    for found in (whole._request_id, streamed):
        assert (await operator.receipt(found))["state"] == "captured"
    assert counted._request_id
    assert refused.value.request_id == refused.value.response.headers["x-tallygate-request-id"]
    assert raw.request_id == raw.headers["x-tallygate-request-id"] == raw.headers["x-request-id"]


async def test_the_charge_at_the_end_of_a_stream_reads_the_same_in_every_contract(
    customer: Customer, server: ServerProcess
) -> None:
    chat: Any = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hi"}], "stream": True}
    bodies: dict[str, Any] = {
        "chat/completions": chat,
        "messages": chat | {"max_tokens": 9},
        "responses": {"model": "demo-chat", "input": "Hi", "stream": True},
    }
    async with httpx.AsyncClient(base_url=server.url, headers={"authorization": f"Bearer {customer.secret}"}) as client:
        told = {path: (await client.post(f"/v1/{path}", json=body)).text for path, body in bodies.items()}

    for path, text in told.items():
        assert len(re.findall(r"(?m)^: tallygate charge=0\.\d+ balance=\d+\.\d+$", text)) == 1, (path, text)


async def test_mistrals_sdk_chats_streams_and_embeds(customer: Customer, server: ServerProcess) -> None:
    client = Mistral(api_key=customer.secret, server_url=server.url)
    asked: Any = [{"role": "user", "content": "Hi"}]
    async with client:
        answer = await client.chat.complete_async(model="demo-chat", messages=asked)
        streamed = [
            event.data.choices[0].delta.content
            async for event in await client.chat.stream_async(model="demo-chat", messages=asked)
            if event.data.choices
        ]
        vectors = await client.embeddings.create_async(model="acme-embed", inputs=["Hi"])

    assert answer.choices[0].message is not None
    assert "".join(str(each) for each in streamed if each) == answer.choices[0].message.content
    assert vectors.data[0].embedding == [1.0, -2.0]
