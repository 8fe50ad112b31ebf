"""Refusals and failures, as the official SDK raises them: its own classes, codes, and what it may retry."""

import datetime as dt
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import openai
import pytest

from adapters.clock import now
from tests.acceptance.conftest import BODY_BYTES_MAX, Connect, Sell
from tests.support.fake_vendor import FakeVendor
from tests.support.operator import Customer, Operator
from tests.support.receipts import check_receipt, nanos
from tests.support.server import free_port

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

HELLO: "list[ChatCompletionMessageParam]" = [{"role": "user", "content": "Hello!"}]


# ---- Who may ask


async def test_a_wrong_key_is_an_authentication_error(connect: Connect) -> None:
    client = await connect("sk-wrong", max_retries=2)

    with pytest.raises(openai.AuthenticationError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)

    assert refused.value.code == "invalid_api_key"
    assert refused.value.request_id
    with pytest.raises(openai.AuthenticationError):
        await client.models.list()


async def test_a_revoked_key_is_refused_at_once(customer: Customer, connect: Connect) -> None:
    client = await connect(customer.secret)
    await client.chat.completions.create(model="demo-chat", messages=HELLO)

    await customer.revoke()

    with pytest.raises(openai.AuthenticationError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)
    assert refused.value.code == "invalid_api_key"


async def test_an_expired_key_reads_like_a_wrong_one(operator: Operator, customer: Customer, connect: Connect) -> None:
    client = await connect(customer.secret)
    yesterday = (now() - dt.timedelta(days=1)).isoformat()
    await operator.change(f"/tokens/{customer.token_id}", {"expires_at": yesterday})

    with pytest.raises(openai.AuthenticationError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)

    assert refused.value.code == "invalid_api_key"


async def test_a_key_from_the_wrong_address_is_denied(operator: Operator, connect: Connect) -> None:
    customer = await operator.customer(token={"networks": ["192.0.2.0/24"]})
    client = await connect(customer.secret)

    with pytest.raises(openai.PermissionDeniedError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)

    assert refused.value.code == "address_not_allowed"


async def test_a_suspended_tenant_is_denied_until_it_is_let_in_again(
    operator: Operator, customer: Customer, connect: Connect
) -> None:
    client = await connect(customer.secret)

    await operator.change(f"/tenants/{customer.tenant_id}", {"suspended": True})
    with pytest.raises(openai.PermissionDeniedError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)
    assert refused.value.code == "tenant_suspended"

    await operator.change(f"/tenants/{customer.tenant_id}", {"suspended": False})
    assert (await client.chat.completions.create(model="demo-chat", messages=HELLO)).choices


# ---- What may be asked


async def test_an_unknown_model_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.chat.completions.create(model="no-such-model", messages=HELLO)

    assert refused.value.code == "model_not_found"
    assert "no-such-model" in refused.value.message


async def test_a_model_without_a_price_is_refused(
    client: openai.AsyncOpenAI, operator: Operator, vendor: FakeVendor
) -> None:
    await operator.channel(vendor.base_url, "never-priced")
    before = len(vendor.meter)

    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(model="never-priced", messages=HELLO)

    assert refused.value.code == "unpriced_model"
    assert len(vendor.meter) == before


@pytest.mark.parametrize(
    "body",
    [
        {"model": "demo-chat", "messages": "Hello!"},
        {"model": "demo-chat"},
        {"messages": [{"role": "user", "content": "Hello!"}]},
        {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello!"}], "n": "many"},
        ["not", "an", "object"],
    ],
    ids=["messages-no-list", "no-messages", "no-model", "n-no-number", "no-object"],
)
async def test_a_malformed_request_is_a_bad_request(client: openai.AsyncOpenAI, body: object) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.post("/chat/completions", body=body, cast_to=object)

    assert refused.value.type == "invalid_request_error"


async def test_too_long_a_body_is_413(client: openai.AsyncOpenAI) -> None:
    long: list[ChatCompletionMessageParam] = [{"role": "user", "content": "x" * BODY_BYTES_MAX}]

    with pytest.raises(openai.APIStatusError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=long)

    assert refused.value.status_code == 413
    assert refused.value.code == "body_too_large"


async def test_an_unknown_path_is_not_found(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as refused:
        await client.fine_tuning.jobs.create(model="demo-chat", training_file="file")

    assert refused.value.code == "unknown_url"


async def test_a_kind_of_call_that_no_channel_of_the_model_can_do_is_refused(client: openai.AsyncOpenAI) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.images.generate(prompt="A cat", model="demo-chat")

    assert refused.value.code == "unsupported_surface"


# ---- Rates and money


async def refused_after(client: openai.AsyncOpenAI, output_tokens: int) -> openai.RateLimitError:
    """Ask until the rate is used up. The minute may turn once meanwhile, so it can take twice as many as allowed."""
    for _ in range(10):
        try:
            await client.chat.completions.create(model="demo-chat", messages=HELLO, max_completion_tokens=output_tokens)
        except openai.RateLimitError as error:
            return error
    raise AssertionError("ten requests were within the rate")


async def test_requests_over_the_rate_are_refused_with_openais_headers(operator: Operator, connect: Connect) -> None:
    customer = await operator.customer(token={"limits": {"requests_per_minute": 2}})
    client = await connect(customer.secret)
    raw = await client.chat.completions.with_raw_response.create(model="demo-chat", messages=HELLO)
    assert raw.headers["x-ratelimit-limit-requests"] == "2"
    assert raw.headers["x-ratelimit-remaining-requests"] == "1"
    assert raw.headers["x-ratelimit-reset-requests"].endswith("ms")

    refused = await refused_after(client, 10)

    assert (refused.code, refused.type) == ("rate_limit_exceeded", "requests")
    headers = refused.response.headers
    assert headers["x-ratelimit-reset-requests"] == headers["retry-after-ms"] + "ms"
    assert 0 < int(headers["retry-after-ms"]) <= 60_000
    assert 1 <= int(headers["retry-after"]) <= 60
    assert headers["x-ratelimit-limit-requests"] == "2"
    assert headers["x-ratelimit-remaining-requests"] == "0"


async def test_tokens_over_the_rate_are_refused(operator: Operator, connect: Connect) -> None:
    customer = await operator.customer(token={"limits": {"tokens_per_minute": 300}})
    client = await connect(customer.secret)

    raw = await client.chat.completions.with_raw_response.create(
        model="demo-chat", messages=HELLO, max_completion_tokens=100
    )
    assert raw.headers["x-ratelimit-limit-tokens"] == "300"
    refused = await refused_after(client, 100)
    assert (refused.code, refused.type) == ("rate_limit_exceeded", "tokens")
    assert refused.response.headers["x-ratelimit-limit-tokens"] == "300"

    with pytest.raises(openai.BadRequestError) as too_large:
        await client.chat.completions.create(model="demo-chat", messages=HELLO, max_completion_tokens=400)
    assert too_large.value.code == "request_too_large"


async def test_an_empty_wallet_is_insufficient_quota_and_not_retried(operator: Operator, connect: Connect) -> None:
    customer = await operator.customer(credit="0")
    client = await connect(customer.secret, max_retries=2)

    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model="demo-chat", messages=HELLO)

    assert (refused.value.code, refused.value.type) == ("insufficient_quota", "insufficient_quota")
    assert refused.value.response.headers["x-should-retry"] == "false"
    assert refused.value.response.request.headers["x-stainless-retry-count"] == "0"


async def test_a_spent_budget_of_a_token_is_insufficient_quota(
    operator: Operator, connect: Connect, sell: Sell
) -> None:
    budget = {"unit": "money", "period": "total", "amount": "0.0004"}
    customer = await operator.customer(token={"budgets": [budget]})
    client = await connect(customer.secret)
    model = await sell()
    # One holds 20 tokens of output and its prompt: 0.0002 and a little; and costs 0.00021125.
    await client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=20)

    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=20)

    assert refused.value.code == "budget_exceeded"
    assert (await customer.balance())["available"] == "4.99978875"


@pytest.mark.parametrize("period", ["total", "day", "week", "month"])
@pytest.mark.parametrize(
    ("party", "unit", "amount"),
    [
        ("token", "money", "0.0004"),
        ("token", "tokens", "60"),
        ("user", "money", "0.0004"),
        ("user", "tokens", "60"),
        ("tenant", "money", "0.0004"),
        ("tenant", "tokens", "60"),
    ],
)
async def test_whosever_budget_is_spent_whatever_it_counts_the_next_request_is_refused_by_its_name(
    operator: Operator, connect: Connect, sell: Sell, *, party: str, unit: str, amount: str, period: str
) -> None:
    """A request takes 29 tokens and 0.00021125, and holds a little more: one fits, two do not."""
    budgets: dict[str, Any] = {"budgets": [{"unit": unit, "period": period, "amount": amount}]}
    customer = await operator.customer(
        token=budgets if party == "token" else None,
        time_zone="Pacific/Apia",
        **(budgets if party == "tenant" else {}),
    )
    if party == "user":
        (member,) = (await operator.get(f"/tenants/{customer.tenant_id}/members"))["items"]
        await operator.change_from(
            member["version"], f"/tenants/{customer.tenant_id}/members/{member['user_id']}", budgets
        )
    client = await connect(customer.secret)
    model = await sell()
    await client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=20)

    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=20)

    assert refused.value.code == "budget_exceeded"
    assert {"token": "this API key", "user": "this user", "tenant": "this account"}[party] in refused.value.message
    assert amount in refused.value.message
    assert (await customer.balance())["available"] == "4.99978875"


async def test_a_small_balance_lowers_the_output_limit_and_an_empty_one_refuses(
    operator: Operator, connect: Connect, sell: Sell, vendor: FakeVendor
) -> None:
    customer = await operator.customer(credit="0.0009")
    client = await connect(customer.secret)
    model = await sell("plain,chunks=1000")

    raw = await client.chat.completions.with_raw_response.create(
        model=model, messages=HELLO, max_completion_tokens=1000
    )

    sent = vendor.meter[-1].body["max_completion_tokens"]
    assert 16 <= sent < 90  # at 10000 nano-units each, and the prompt is not free either
    usage = raw.parse().usage
    assert usage is not None
    assert usage.completion_tokens == sent
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert receipt["hold"]["output_limit_lowered"]
    check_receipt(receipt, 9 * 1250 + sent * 10000)
    assert nanos(raw.headers["x-tallygate-balance"]) == 900_000 - 9 * 1250 - sent * 10000 >= 0

    with pytest.raises(openai.RateLimitError) as refused:
        await client.chat.completions.create(model=model, messages=HELLO, max_completion_tokens=1000)
    assert refused.value.code == "insufficient_quota"


async def test_an_answer_that_was_cut_short_for_want_of_money_is_not_given_again(
    operator: Operator, connect: Connect, sell: Sell
) -> None:
    customer = await operator.customer(credit="0.0009", token={"cache_seconds": 60})
    client = await connect(customer.secret)
    model = await sell("plain,chunks=1000")

    async def ask() -> tuple[str, int]:
        raw = await client.chat.completions.with_raw_response.create(
            model=model, messages=HELLO, max_completion_tokens=200
        )
        usage = raw.parse().usage
        assert usage is not None
        return raw.headers["x-tallygate-cache"], usage.completion_tokens

    short = await ask()
    await customer.top_up("1")
    whole = [await ask() for _ in range(2)]

    assert short[0] == "miss"
    assert short[1] < 90
    assert whole == [("miss", 200), ("hit", 200)]


# ---- Vendors that fail


async def test_a_vendor_that_is_down_is_an_internal_server_error_and_free(
    operator: Operator, customer: Customer, connect: Connect, model_names: Iterator[str]
) -> None:
    model = next(model_names)
    await operator.channel(f"http://127.0.0.1:{free_port()}/v1", model)
    client = await connect(customer.secret)

    with pytest.raises(openai.InternalServerError) as failed:
        await client.chat.completions.create(model=model, messages=HELLO)

    assert failed.value.status_code == 503
    assert failed.value.code == "vendor_unavailable"
    receipt = await operator.receipt(failed.value.request_id)
    assert receipt["state"] == "voided"
    assert (await customer.balance())["available"] == "5"


async def test_a_vendors_refusal_of_our_key_is_not_the_clients(client: openai.AsyncOpenAI, sell: Sell) -> None:
    model = await sell("error,status=401")

    with pytest.raises(openai.InternalServerError) as failed:
        await client.chat.completions.create(model=model, messages=HELLO)

    assert failed.value.status_code == 503
    for secret in ("sk-vendor", "internal.example.com", "org-1a2b3c4d"):
        assert secret not in failed.value.response.text


async def test_a_vendors_rate_limit_is_passed_on_with_its_wait(client: openai.AsyncOpenAI, sell: Sell) -> None:
    model = await sell("error,status=429,retry_after=7")

    with pytest.raises(openai.RateLimitError) as failed:
        await client.chat.completions.create(model=model, messages=HELLO)

    assert failed.value.code == "rate_limit_exceeded"
    assert failed.value.response.headers["retry-after"] == "7"


async def test_an_error_in_mid_stream_is_raised_and_what_was_delivered_is_charged(
    operator: Operator, customer: Customer, connect: Connect, sell: Sell
) -> None:
    model = await sell("error-in-stream,after=3")
    client = await connect(customer.secret)
    text = ""

    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    chunks = aiter(stream)
    for _ in range(3):
        text += (await anext(chunks)).choices[0].delta.content or ""
    with pytest.raises(openai.APIError) as failed:
        await anext(chunks)

    assert text == "word " * 3
    assert not isinstance(failed.value, openai.APIStatusError)
    receipt = await operator.receipt(stream.response.headers["x-tallygate-request-id"])
    assert receipt["end"]["basis"] == "stream"
    assert receipt["end"]["outcome"] == "vendor_error"
    usage = receipt["end"]["usage"]
    assert 3 <= usage["output_tokens"] <= 4  # the blank at the end may be a token of its own
    check_receipt(receipt, usage["input_tokens"] * 1250 + usage["output_tokens"] * 10000)


async def test_a_stream_that_is_cut_is_raised_not_taken_for_an_end(client: openai.AsyncOpenAI, sell: Sell) -> None:
    model = await sell("cut-in-stream,after=3")

    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError):
        async for _ in stream:
            pass


async def test_an_error_before_the_first_byte_of_a_stream_is_an_answer_with_a_status(
    client: openai.AsyncOpenAI, sell: Sell
) -> None:
    model = await sell("error,status=500")

    with pytest.raises(openai.InternalServerError):
        await client.chat.completions.create(model=model, messages=HELLO, stream=True)
