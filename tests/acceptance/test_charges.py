"""What requests cost, worked out by hand, and explained by their receipts to the last nano-unit."""

import asyncio
import contextlib
from typing import TYPE_CHECKING

import openai
import pytest

from tests.acceptance.conftest import Connect, Sell
from tests.support.fake_vendor import FakeVendor
from tests.support.operator import FIRST_PASSWORD, Customer, Operator, log_in
from tests.support.receipts import FAKE_CHARGE_NANOS, charge_of, check_receipt, nanos
from tests.support.server import ServerProcess

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

HELLO: "list[ChatCompletionMessageParam]" = [{"role": "user", "content": "Hello!"}]


async def test_a_receipt_explains_a_charge_and_the_balance_after_it(
    customer: Customer, connect: Connect, operator: Operator, sell: Sell
) -> None:
    model = await sell()
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(model=model, messages=HELLO)

    # 9 x 1250 + 20 x 10000
    assert raw.headers["x-tallygate-charge"] == "0.00021125"
    assert raw.headers["x-tallygate-balance"] == "4.99978875"
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    check_receipt(receipt, FAKE_CHARGE_NANOS)
    assert receipt["state"] == "captured"
    assert receipt["tenant_id"] == customer.tenant_id
    assert receipt["end"]["basis"] == "vendor"
    assert receipt["hold"]["token_id"] == customer.token_id
    assert nanos(receipt["hold"]["authorized"]) >= FAKE_CHARGE_NANOS
    assert {(line["meter"], line["quantity"]) for line in receipt["price"]["lines"] if line["quantity"]} == {
        ("input_tokens", 9),
        ("output_tokens", 20),
    }
    assert [attempt["outcome"] for attempt in receipt["attempts"]] == ["completed"]
    balance = await customer.balance()
    assert (balance["balance"], balance["held"], balance["holds_open"]) == ("4.99978875", "0", 0)


async def test_a_stream_says_before_its_end_mark_what_it_cost(customer: Customer, connect: Connect, sell: Sell) -> None:
    client = await connect(customer.secret)

    async with client.chat.completions.with_streaming_response.create(
        model=await sell(), messages=HELLO, stream=True
    ) as response:
        lines = [line async for line in response.iter_lines() if line]

    assert lines[-2:] == [": tallygate charge=0.00021125 balance=4.99978875", "data: [DONE]"]


async def test_a_member_reads_the_receipts_of_their_tenant_and_of_no_other(
    operator: Operator, server: ServerProcess, customer: Customer, connect: Connect
) -> None:
    stranger = await operator.customer()
    client = await connect(customer.secret)
    raw = await client.chat.completions.with_raw_response.create(model="demo-chat", messages=HELLO)
    request_id = raw.headers["x-tallygate-request-id"]

    async with log_in(server, FIRST_PASSWORD, login=customer.login) as member:
        receipt = await member.receipt(request_id)
        check_receipt(receipt, charge_of(raw.headers))
        assert [attempt["cost"] for attempt in receipt["attempts"]] == [None]
    async with log_in(server, FIRST_PASSWORD, login=stranger.login) as member:
        with pytest.raises(AssertionError, match="404"):
            await member.receipt(request_id)


async def test_a_vendors_zero_is_zero_and_its_silence_is_not(
    customer: Customer, connect: Connect, operator: Operator, sell: Sell
) -> None:
    client = await connect(customer.secret)

    zero = await client.chat.completions.with_raw_response.create(model=await sell("zero-usage"), messages=HELLO)
    silent = await client.chat.completions.with_raw_response.create(model=await sell("no-usage"), messages=HELLO)

    assert charge_of(zero.headers) == 0
    receipt = await operator.receipt(silent.headers["x-tallygate-request-id"])
    usage = receipt["end"]["usage"]
    assert receipt["end"]["basis"] == "stream"
    assert 20 <= usage["output_tokens"] <= 21  # the blank at the end may be a token of its own
    assert charge_of(silent.headers) == usage["input_tokens"] * 1250 + usage["output_tokens"] * 10000


async def test_a_client_that_asked_for_usage_gets_our_count_where_the_vendor_is_silent(
    customer: Customer, connect: Connect, operator: Operator, sell: Sell
) -> None:
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(
        model=await sell("no-usage"), messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in raw.parse()]

    told = chunks[-1].usage
    assert told is not None
    assert chunks[-1].choices == []
    assert chunks[-1].id == chunks[0].id
    charged = (await operator.receipt(raw.headers["x-tallygate-request-id"]))["end"]["usage"]
    assert told.prompt_tokens == charged["input_tokens"]
    assert told.completion_tokens == charged["output_tokens"]


async def test_a_mapped_model_is_asked_by_another_name_and_priced_by_policy(
    customer: Customer, connect: Connect, operator: Operator, sell: Sell, vendor: FakeVendor
) -> None:
    model = await sell()
    mapping = {"model": f"nick-of-{model}", "target": model, "tenant_id": customer.tenant_id}
    await operator.post("/mappings", mapping)
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(model=f"nick-of-{model}", messages=HELLO)

    assert vendor.meter[-1].body["model"] == "fake:plain"
    assert raw.parse().model == f"nick-of-{model}"
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert (receipt["hold"]["model_asked"], receipt["hold"]["model_billed"]) == (f"nick-of-{model}", model)
    assert receipt["attempts"][0]["model_routed"] == "fake:plain"
    check_receipt(receipt, FAKE_CHARGE_NANOS)


# ---- Idempotency


async def test_the_same_key_and_body_are_charged_once(customer: Customer, connect: Connect, sell: Sell) -> None:
    client = await connect(customer.secret)
    model = await sell()
    key = {"Idempotency-Key": "order-17"}

    first = await client.chat.completions.with_raw_response.create(model=model, messages=HELLO, extra_headers=key)
    with pytest.raises(openai.ConflictError) as again:
        await client.chat.completions.create(model=model, messages=HELLO, extra_headers=key)
    with pytest.raises(openai.UnprocessableEntityError) as other:
        await client.chat.completions.create(model=model, messages=HELLO, seed=1, extra_headers=key)

    assert again.value.code == "already_charged"
    assert first.headers["x-tallygate-request-id"] in again.value.message
    assert other.value.code == "idempotency_key_reused"
    assert nanos((await customer.balance())["available"]) == 5 * 10**9 - FAKE_CHARGE_NANOS


async def test_of_many_requests_with_one_key_one_is_charged(customer: Customer, connect: Connect, sell: Sell) -> None:
    client = await connect(customer.secret)
    model = await sell()

    async def ask() -> int:
        with contextlib.suppress(openai.ConflictError):
            await client.chat.completions.create(model=model, messages=HELLO, extra_headers={"Idempotency-Key": "1"})
            return 1
        return 0

    assert sum(await asyncio.gather(*(ask() for _ in range(8)))) == 1
    assert nanos((await customer.balance())["available"]) == 5 * 10**9 - FAKE_CHARGE_NANOS


async def test_a_key_is_free_again_after_a_request_that_came_to_nothing(
    customer: Customer, connect: Connect, sell: Sell, vendor: FakeVendor
) -> None:
    client = await connect(customer.secret)
    model = await sell(model_map={})
    vendor.script[model] = "fake:error,status=500"
    key = {"Idempotency-Key": "order-18"}

    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model=model, messages=HELLO, extra_headers=key)
    del vendor.script[model]
    answer = await client.chat.completions.create(model=model, messages=HELLO, extra_headers=key)

    assert answer.choices
    assert nanos((await customer.balance())["available"]) == 5 * 10**9 - FAKE_CHARGE_NANOS


# ---- Failover


@pytest.mark.parametrize("stream", [False, True], ids=["plain", "streamed"])
async def test_a_failing_channel_is_passed_over_before_the_first_byte(
    customer: Customer, connect: Connect, operator: Operator, sell: Sell, *, stream: bool
) -> None:
    model = await sell("error,status=500", priority=10)
    await sell(model=model, priority=0)
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(model=model, messages=HELLO, stream=stream)
    answer = raw.parse()

    if isinstance(answer, openai.AsyncStream):
        async for _ in answer:
            pass
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert [(each["outcome"], each["status"]) for each in receipt["attempts"]] == [
        ("vendor_error", 500),
        ("completed", 200),
    ]
    check_receipt(receipt, FAKE_CHARGE_NANOS)


async def test_a_request_that_the_vendor_refuses_is_not_tried_elsewhere(
    client: openai.AsyncOpenAI, operator: Operator, sell: Sell
) -> None:
    model = await sell("error,status=400", priority=10)
    await sell(model=model, priority=0)

    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model=model, messages=HELLO)

    assert len((await operator.receipt(refused.value.request_id))["attempts"]) == 1
    assert "sk-vendor" not in refused.value.message


async def test_no_other_channel_is_tried_after_the_first_byte(
    customer: Customer, connect: Connect, operator: Operator, sell: Sell
) -> None:
    model = await sell("error-in-stream,after=1", priority=10)
    await sell(model=model, priority=0)
    client = await connect(customer.secret)

    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError):
        async for _ in stream:
            pass

    receipt = await operator.receipt(stream.response.headers["x-tallygate-request-id"])
    assert len(receipt["attempts"]) == 1


# ---- Multipliers and allowances


async def test_a_multiplier_scales_the_price(operator: Operator, connect: Connect, sell: Sell) -> None:
    await operator.post("/groups", {"side": "user", "label": "partner", "name": "Partners"})
    await operator.post("/multipliers", {"user_group": "partner", "channel_group": "default", "multiplier": "0.7"})
    customer = await operator.customer(user_group="partner")
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(model=await sell(), messages=HELLO)

    assert charge_of(raw.headers) == 147_875  # 0.7 x 211250
    check_receipt(await operator.receipt(raw.headers["x-tallygate-request-id"]), 147_875)


async def test_a_multiplier_of_zero_is_free_within_the_allowance_and_then_refused(
    operator: Operator, connect: Connect, sell: Sell
) -> None:
    group = {"side": "user", "label": "student", "name": "Students", "allowance": "0.0005"}
    await operator.post("/groups", {**group, "allowance_period": "month"})
    await operator.post("/multipliers", {"user_group": "student", "channel_group": "all", "multiplier": "0"})
    customer = await operator.customer(user_group="student")
    client = await connect(customer.secret)
    model = await sell()

    # 0.00021125 each, at the list price: two fit into the allowance of 0.0005, with what a third may cost they do not.
    for _ in range(2):
        raw = await client.chat.completions.with_raw_response.create(
            model=model, messages=HELLO, max_completion_tokens=20
        )
        assert charge_of(raw.headers) == 0
    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=20)

    assert refused.value.code == "allowance_exhausted"
    assert (await customer.balance())["available"] == "5"
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert receipt["price"]["paid_by_allowance"]
    assert receipt["price"]["matches"]
