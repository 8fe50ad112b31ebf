"""Vendors' oddities that change money, through the running server: what is held, what is charged, what is free."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.support.operator import Customer, Operator
from tests.support.receipts import charge_of, check_receipt, nanos
from tests.support.scripted_vendor import ScriptedVendor, Step
from tests.support.server import ServerProcess

TONGUE_NANOS = 20_000
SEARCH_NANOS = 2_000_000
EAR_NANOS_PER_MILLISECOND = 100
HI = [{"role": "user", "content": "Hi"}]


class Bench:
    """A vendor that answers as it is told, and one client of the gateway before it."""

    def __init__(
        self, operator: Operator, server: ServerProcess, vendor: ScriptedVendor, model: str, session: Any
    ) -> None:
        self.operator = operator
        self.vendor = vendor
        self.model = model
        self._server = server
        self._session = session
        self.channel_id = ""

    async def connect(self, type_: str, vendors_model: str, *, model: str = "", **more: Any) -> None:
        """Connect the vendor; `model` is one of the card's, the test's own if it is not said."""
        self.model = model or self.model
        given = {"type": type_, "model_map": {self.model: vendors_model}, **more}
        made = await self.operator.channel(self.vendor.url, self.model, **given)
        self.channel_id = made["id"]

    def answers(self, path: str, *, whole: Any = None, stream: bytes = b"", **more: Any) -> None:
        """Say what is answered from now on."""
        answer = b"" if whole is None else whole if isinstance(whole, bytes) else json.dumps(whole).encode()
        given = {"members": None, "answer": answer, "stream": stream, "headers": {}, **more}
        self.vendor.steps = (Step(path=path, **given),)

    async def ask(self, customer: Customer, path: str, body: Any, **headers: str) -> tuple[int, Any, str]:
        """Give status, headers and body of an answer."""
        given: dict[str, Any] = {"data": body} if isinstance(body, aiohttp.FormData) else {"json": body}
        async with self._session.post(
            self._server.url + path, headers={"authorization": f"Bearer {customer.secret}", **headers}, **given
        ) as reply:
            return reply.status, reply.headers, await reply.text()

    async def receipt(self, headers: Any) -> Any:
        return await self.operator.receipt(headers["x-tallygate-request-id"])


@pytest.fixture
async def bench(operator: Operator, server: ServerProcess, model_names: Iterator[str]) -> AsyncIterator[Bench]:
    async with ScriptedVendor() as vendor, aiohttp.ClientSession() as session:
        made = Bench(operator, server, vendor, next(model_names), session)
        yield made
        if made.channel_id:
            await operator.change(f"/channels/{made.channel_id}", {"enabled": False})


def events(*payloads: Any, named: bool = False) -> bytes:
    out = b""
    for payload in payloads:
        name = f"event: {payload['type']}\n" if named else ""
        out += f"{name}data: {json.dumps(payload)}\n\n".encode()
    return out


async def cost_card(operator: Operator, model: str) -> str:
    """Give a card by which the vendor's tokens cost a tenth of what the tenant pays."""
    card = {"models": {model: {"input": "0.125", "output": "1"}}, "use": "cost"}
    made = await operator.post("/rate-cards", {**card, "effective_from": "2026-01-01T00:00:00Z"})
    match = f'"{made["version"]}"'
    await operator.post(f"/rate-cards/{made['id']}/publish", {"force": True}, **{"if-match": match})
    return str(made["series_id"])


@pytest.mark.parametrize("told", [5, None], ids=["told", "not told"])
async def test_a_translation_is_held_for_and_charged_by_the_character_whether_its_vendor_tells_or_not(
    bench: Bench, customer: Customer, told: int | None
) -> None:
    translation = {"text": "你好。"} | ({} if told is None else {"billed_characters": told})
    bench.answers("/v2/translate", whole={"translations": [translation]})
    await bench.connect("deepl", "deepl-zh", model="acme-tongue")

    _, headers, _ = await bench.ask(
        customer,
        "/v1/chat/completions",
        {"model": "acme-tongue", "messages": [{"role": "user", "content": "Grüße!"}]},
    )

    charged = (6 if told is None else told) * TONGUE_NANOS
    assert charge_of(headers) == charged
    receipt = await bench.receipt(headers)
    check_receipt(receipt, charged)
    assert nanos(receipt["hold"]["authorized"]) == 6 * TONGUE_NANOS


async def test_a_ranking_of_many_documents_is_held_for_and_charged_by_its_vendors_searches(
    bench: Bench, customer: Customer
) -> None:
    results = [{"index": 0, "relevance_score": 0.5}]
    bench.answers("/v2/rerank", whole={"results": results, "meta": {"billed_units": {"search_units": 3}}})
    await bench.connect("cohere", "rerank-v3.5", model="acme-search")

    asked = {"model": "acme-search", "query": "q", "documents": ["a document"] * 250}
    _, headers, _ = await bench.ask(customer, "/v1/rerank", asked)
    bench.answers("/v2/rerank", whole={"results": results})
    _, silent, _ = await bench.ask(customer, "/v1/rerank", asked)

    assert charge_of(headers) == 3 * SEARCH_NANOS
    receipt = await bench.receipt(headers)
    check_receipt(receipt, 3 * SEARCH_NANOS)
    assert nanos(receipt["hold"]["authorized"]) == 3 * SEARCH_NANOS
    assert charge_of(silent) == SEARCH_NANOS


async def test_a_recording_whose_length_nobody_tells_is_held_for_at_most_and_charged_as_likely(
    bench: Bench, customer: Customer
) -> None:
    bench.answers("/v1/audio/transcriptions", whole=b"Good day.", whole_type="text/plain")
    await bench.connect("openai", "whisper-1", model="acme-ear-2")
    form = aiohttp.FormData({"model": "acme-ear-2", "response_format": "text"})
    form.add_field("file", b"\xff\xfb" + bytes(31_998), filename="a.mp3", content_type="audio/mpeg")

    status, headers, text = await bench.ask(customer, "/v1/audio/transcriptions", form)

    assert (status, text) == (200, "Good day.")
    receipt = await bench.receipt(headers)
    # 128,000 bits a second are usual, 8,000 the fewest.
    assert charge_of(headers) == 2_000 * EAR_NANOS_PER_MILLISECOND
    assert nanos(receipt["hold"]["authorized"]) == 32_000 * EAR_NANOS_PER_MILLISECOND


@pytest.mark.parametrize(
    "ended", [{"output_tokens": 7}, {"input_tokens": 12, "output_tokens": 7}, {"input_tokens": 0, "output_tokens": 7}]
)
async def test_what_was_cached_costs_the_same_by_every_contract_however_the_vendor_ends_its_stream(
    bench: Bench, customer: Customer, ended: dict[str, int]
) -> None:
    begun = {"input_tokens": 12, "cache_read_input_tokens": 100, "output_tokens": 1}
    message = {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "claude-x",
        "content": [],
        "usage": begun,
    }
    stream = events(
        {"type": "message_start", "message": message},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}, "usage": ended},
        {"type": "message_stop"},
        named=True,
    )
    bench.answers("/v1/messages", stream=stream, headers={"x-api-key": "", "anthropic-version": ""})
    await bench.connect("anthropic", "claude-x")
    asked = {"model": bench.model, "messages": HI, "stream": True, "max_tokens": 50}

    charges = []
    for path in ("/v1/messages", "/v1/chat/completions"):
        _, headers, _ = await bench.ask(customer, path, asked)
        charges.append(nanos((await bench.receipt(headers))["price"]["charged"]))

    assert charges == [12 * 1250 + 100 * 125 + 7 * 10_000] * 2


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_what_is_kept_in_a_cache_for_an_hour_is_held_for_and_charged_at_its_own_price_by_every_contract(
    bench: Bench, customer: Customer, *, stream: bool
) -> None:
    totals = {"input_tokens": 12, "cache_creation_input_tokens": 1_280, "cache_read_input_tokens": 100}
    split = {"cache_creation": {"ephemeral_5m_input_tokens": 256, "ephemeral_1h_input_tokens": 1_024}}
    content = [{"type": "text", "text": "Hello"}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    whole = message | {"content": content, "stop_reason": "end_turn", "usage": totals | split | {"output_tokens": 7}}
    streamed = events(
        {"type": "message_start", "message": message | {"content": [], "usage": totals | split | {"output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hello"}},
        {"type": "content_block_stop", "index": 0},
        # The end repeats the totals, and not for how long.
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": totals | {"output_tokens": 7}},
        {"type": "message_stop"},
        named=True,
    )
    bench.answers(
        "/v1/messages",
        whole=json.dumps(whole).encode(),
        stream=streamed,
        headers={"x-api-key": "", "anthropic-version": ""},
    )
    await bench.connect("anthropic", "claude-x", model="acme-hours")
    long = {"type": "text", "text": "word " * 2_000, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    asked = {
        "model": bench.model,
        "messages": [{"role": "user", "content": [long]}],
        "stream": stream,
        "max_tokens": 50,
    }

    for path in ("/v1/messages", "/v1/chat/completions"):
        _, headers, text = await bench.ask(customer, path, asked)
        receipt = await bench.receipt(headers)
        charged = 12 * 1_250 + 100 * 125 + 256 * 1_562.5 + 1_024 * 2_500 + 7 * 10_000
        assert nanos(receipt["price"]["charged"]) == charged
        assert nanos(receipt["hold"]["authorized"]) >= charged
        # The upper bound of the prompt at 2.50 by the million, and 50 tokens of the answer.
        assert (nanos(receipt["hold"]["authorized"]) - 50 * 10_000) % 2_500 == 0
        lines = {line["meter"]: line["quantity"] for line in receipt["price"]["lines"]}
        assert lines["cache_write_tokens"] == 256
        assert lines["cache_write_1h_tokens"] == 1_024
        assert ("ephemeral_1h" in text) == (path == "/v1/messages")


SEARCH_PRICE_NANOS = 10_000_000


def _searching_message(searches: int) -> dict[str, Any]:
    usage = {"input_tokens": 900, "output_tokens": 7, "server_tool_use": {"web_search_requests": searches}}
    content = [{"type": "text", "text": "Found"}]
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x"}
    return message | {"content": content, "stop_reason": "end_turn", "usage": usage}


async def test_searches_are_held_for_as_many_as_a_request_allows_and_charged_as_the_vendor_counts_them(
    bench: Bench, customer: Customer
) -> None:
    bench.answers(
        "/v1/messages",
        whole=json.dumps(_searching_message(2)).encode(),
        headers={"x-api-key": "", "anthropic-version": ""},
    )
    await bench.connect("anthropic", "claude-x", model="acme-seeker")
    asked = {"model": bench.model, "messages": HI, "max_tokens": 50}
    held = {}
    for uses in (0, 3):
        tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": uses}]
        _, headers, _ = await bench.ask(customer, "/v1/messages", asked | {"tools": tools})
        receipt = await bench.receipt(headers)
        held[uses] = nanos(receipt["hold"]["authorized"])
        assert nanos(receipt["price"]["charged"]) == 900 * 1_250 + 7 * 10_000 + 2 * SEARCH_PRICE_NANOS
        assert {line["meter"]: line["quantity"] for line in receipt["price"]["lines"]}["searches"] == 2

    # Each is reckoned to bring in 8,000 tokens, too.
    assert held[3] - held[0] == 3 * (SEARCH_PRICE_NANOS + 8_000 * 1_250)


async def test_searches_begun_before_a_stream_breaks_off_are_charged(bench: Bench, customer: Customer) -> None:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "claude-x", "content": []}
    search = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {}}
    stream = events(
        {"type": "message_start", "message": message | {"usage": {"input_tokens": 900, "output_tokens": 1}}},
        {"type": "content_block_start", "index": 0, "content_block": search},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 1, "delta": {"type": "text_delta", "text": "Hello"}},
        named=True,
    )
    bench.answers("/v1/messages", stream=stream, headers={"x-api-key": "", "anthropic-version": ""})
    await bench.connect("anthropic", "claude-x", model="acme-seeker")
    tools = [{"type": "web_search_20250305", "name": "web_search", "max_uses": 2}]
    asked = {"model": bench.model, "messages": HI, "max_tokens": 50, "stream": True, "tools": tools}

    _, headers, text = await bench.ask(customer, "/v1/messages", asked)

    assert "error" in text
    receipt = await bench.receipt(headers)
    assert receipt["end"]["basis"] == "stream"
    assert receipt["end"]["usage"]["searches"] == 1
    lines = {line["meter"]: line for line in receipt["price"]["lines"]}
    assert lines["searches"]["quantity"] == 1
    assert nanos(receipt["price"]["charged"]) >= SEARCH_PRICE_NANOS


async def test_tools_that_nobody_would_be_charged_for_are_refused_unless_the_channel_allows_them(
    bench: Bench, customer: Customer
) -> None:
    bench.answers(
        "/v1/messages",
        whole=json.dumps(_searching_message(2)).encode(),
        headers={"x-api-key": "", "anthropic-version": ""},
    )
    await bench.connect("anthropic", "claude-x")
    search = {"type": "web_search_20250305", "name": "web_search"}
    code = {"type": "code_execution_20250825", "name": "code_execution"}
    asked = {"model": bench.model, "messages": HI, "max_tokens": 50}

    for tool in (search, code):
        status, _, text = await bench.ask(customer, "/v1/messages", asked | {"tools": [tool]})
        assert status == 400
        assert tool["type"] in json.loads(text)["error"]["message"]

    await bench.connect("anthropic", "claude-x", options={"unpriced_tools": "true"})
    for tool in (search, code):
        status, headers, _ = await bench.ask(customer, "/v1/messages", asked | {"model": bench.model, "tools": [tool]})
        assert status == 200
        receipt = await bench.receipt(headers)
        # What the vendor did is on the receipt, and costs nothing.
        assert nanos(receipt["price"]["charged"]) == 900 * 1_250 + 7 * 10_000
        assert receipt["end"]["usage"]["searches"] == 2


async def test_an_answer_of_a_chat_that_searches_is_one_search_where_its_vendor_reports_none(
    bench: Bench, customer: Customer
) -> None:
    usage = {"prompt_tokens": 20, "completion_tokens": 5, "total_tokens": 25}
    choice = {"index": 0, "message": {"role": "assistant", "content": "Found"}, "finish_reason": "stop"}
    whole = {"id": "c", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
    bench.answers("/v1/chat/completions", whole=json.dumps(whole).encode(), headers={"authorization": ""})
    await bench.connect("openai", "m", model="acme-seeker")
    asked = {"model": bench.model, "messages": HI, "max_tokens": 50, "web_search_options": {}}

    _, headers, _ = await bench.ask(customer, "/v1/chat/completions", asked)

    receipt = await bench.receipt(headers)
    assert nanos(receipt["price"]["charged"]) == 20 * 1_250 + 5 * 10_000 + SEARCH_PRICE_NANOS
    assert nanos(receipt["hold"]["authorized"]) >= nanos(receipt["price"]["charged"])


async def test_a_stream_that_fails_before_its_first_word_is_free_whatever_usage_it_reports_and_its_cost_is_booked(
    bench: Bench, customer: Customer
) -> None:
    said = {"index": 0, "delta": {"role": "assistant", "content": ""}, "finish_reason": None}
    usage = {"prompt_tokens": 1_000, "completion_tokens": 0, "total_tokens": 1_000}
    chunk = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [said]}
    error = {"error": {"message": "The engine failed", "type": "server_error", "code": None}}
    bench.answers("/v1/chat/completions", stream=events(chunk | {"usage": usage}, error), headers={"authorization": ""})
    await bench.connect("hunyuan_compatible", "m", cost_card_id=await cost_card(bench.operator, "m"))
    asked = {"model": bench.model, "messages": HI, "stream": True}

    _, headers, text = await bench.ask(customer, "/v1/chat/completions", asked)

    assert '"error"' in text
    assert "charge=0 " not in text
    receipt = await bench.receipt(headers)
    assert receipt["state"] == "voided"
    assert [nanos(each["cost"]) for each in receipt["attempts"]] == [1_000 * 125]


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_response_that_failed_is_free_whatever_usage_it_reports(
    bench: Bench, customer: Customer, *, stream: bool
) -> None:
    failed = {
        "id": "resp_1",
        "object": "response",
        "status": "failed",
        "error": {"code": "server_error", "message": "no"},
        "output": [],
        "model": "m",
        "usage": {"input_tokens": 500, "output_tokens": 0, "total_tokens": 500},
    }
    begun = failed | {"status": "in_progress", "error": None, "usage": None}
    told = events(
        {"type": "response.created", "sequence_number": 0, "response": begun},
        {"type": "response.failed", "sequence_number": 1, "response": failed},
        named=True,
    )
    bench.answers("/v1/responses", whole=failed, stream=told, headers={"authorization": ""})
    await bench.connect("openai", "m")

    _, headers, _ = await bench.ask(customer, "/v1/responses", {"model": bench.model, "input": "Hi", "stream": stream})

    assert (await bench.receipt(headers))["state"] == "voided"


async def test_a_prompt_that_a_filter_blocked_is_free_and_what_its_vendor_bills_is_booked(
    bench: Bench, customer: Customer
) -> None:
    counts = {"promptTokenCount": 400, "totalTokenCount": 400}
    bench.answers(
        "/v1beta/models/g:generateContent",
        whole={"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": counts},
        headers={"x-goog-api-key": ""},
    )
    await bench.connect("gemini", "g", cost_card_id=await cost_card(bench.operator, "g"))

    status, headers, text = await bench.ask(customer, "/v1/chat/completions", {"model": bench.model, "messages": HI})

    assert (status, json.loads(text)["error"]["code"]) == (400, "content_filter")
    receipt = await bench.receipt(headers)
    assert receipt["state"] == "voided"
    assert [nanos(each["cost"]) for each in receipt["attempts"]] == [400 * 125]


async def test_answers_of_another_shape_than_was_asked_are_free_booked_and_no_word_against_the_channel(
    bench: Bench, customer: Customer
) -> None:
    bench.answers(
        "/chat-messages",
        whole={
            "answer": "No JSON",
            "metadata": {"usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110}},
        },
        headers={"authorization": ""},
    )
    await bench.connect("dify", "app", cost_card_id=await cost_card(bench.operator, "app"))
    shape = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "object", "required": ["x"]}}}
    asked = {"model": bench.model, "messages": HI, "response_format": shape}

    for _ in range(6):
        status, headers, _ = await bench.ask(customer, "/v1/chat/completions", asked)
        assert status == 502

    receipt = await bench.receipt(headers)
    assert receipt["state"] == "voided"
    assert sum(nanos(each["cost"]) for each in receipt["attempts"]) == 100 * 125 + 10 * 1_000
    health = await bench.operator.get(f"/channels/{bench.channel_id}/health")
    assert (health["health"]["state"], health["health"]["percent"]) == ("sound", 100)


async def test_a_kept_answer_is_given_in_the_form_that_the_path_asks_for(bench: Bench, operator: Operator) -> None:
    whole = {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP", "index": 0}],
        "usageMetadata": {"promptTokenCount": 6, "candidatesTokenCount": 2, "totalTokenCount": 8},
    }
    known: dict[str, Any] = {"headers": {"x-goog-api-key": ""}, "members": None}
    bench.vendor.steps = (
        Step(path="/v1beta/models/g:generateContent", answer=json.dumps(whole).encode(), **known),
        Step(path="/v1beta/models/g:streamGenerateContent", query={"alt": "sse"}, stream=events(whole), **known),
    )
    await bench.connect("gemini", "g")
    customer = await operator.customer(token={"cache_seconds": 60})
    asked = {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}
    models = f"/v1beta/models/{bench.model}"

    told = [
        await bench.ask(customer, f"{models}:{verb}", asked)
        for verb in ("generateContent", "streamGenerateContent?alt=sse", "streamGenerateContent", "generateContent")
    ]

    assert [status for status, _, _ in told] == [200] * 4, told
    assert [headers["x-tallygate-cache"] for _, headers, _ in told] == ["miss", "miss", "miss", "hit"]
    assert told[1][2].startswith("data: ")
    assert isinstance(json.loads(told[2][2]), list)
    assert isinstance(json.loads(told[3][2]), dict)
