"""A vendor simulator that others wrote (llmock): its answers, its faults, and its verdict on how we bear them.

Its verdict takes a request with the same body for a repetition of the one before that failed. Two of its findings say
that nobody repeated a failed call; where the caller here does not, on purpose, they are not asked for.
"""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import aiohttp
import openai
import pytest

from tests.acceptance.conftest import Connect
from tests.support.operator import Customer, Operator
from tests.support.programs import run_program
from tests.support.receipts import charge_of, check_receipt, nanos

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

HELLO: "list[ChatCompletionMessageParam]" = [{"role": "user", "content": "Tell me about ledgers."}]
RETRIES = 2


class Simulator:
    """The simulator's own controls."""

    def __init__(self, url: str, session: aiohttp.ClientSession) -> None:
        self.url = url
        self._session = session

    async def expect(self, *behaviors: dict[str, Any]) -> None:
        """Forget everything, and behave so next."""
        await self._post("reset")
        if behaviors:
            await self._post("scenario", {"behaviors": behaviors})

    async def findings(self, *, caller_gave_up: bool = False) -> list[str]:
        """Give the codes of what it found wrong with its client, which is Tallygate."""
        expected = {"gave_up", "malformed_chunk_ignored", "truncated_stream_accepted"} if caller_gave_up else set()
        verdict = await self._get("verdict")
        return [finding["code"] for finding in verdict["findings"] if finding["code"] not in expected]

    async def attempts(self) -> int:
        return int((await self._get("verdict"))["attempts"])

    async def _post(self, what: str, body: Any = None) -> None:
        async with self._session.post(f"{self.url}/_llmock/{what}", json=body) as response:
            assert response.ok, await response.text()

    async def _get(self, what: str) -> Any:
        async with self._session.get(f"{self.url}/_llmock/{what}") as response:
            return await response.json()


@pytest.fixture(scope="module")
async def running_simulator() -> AsyncIterator[Simulator]:
    program = str(Path(sys.executable).parent / "llmock")
    async with (
        run_program([program, "serve", "-p", "{port}"], ready="/health") as url,
        aiohttp.ClientSession() as session,
    ):
        yield Simulator(url, session)


@pytest.fixture
async def simulator(running_simulator: Simulator) -> Simulator:
    await running_simulator.expect()
    return running_simulator


@pytest.fixture
async def model(operator: Operator, simulator: Simulator, model_names: Iterator[str]) -> str:
    """A model that one channel has, at 1250 nano-units a token in and 10000 out."""
    name = next(model_names)
    await operator.channel(simulator.url, name, model_map={name: "gpt-4o-mini"})
    return name


@pytest.fixture
async def retrying(customer: Customer, connect: Connect) -> openai.AsyncOpenAI:
    """The SDK as it is out of the box: it tries twice more by itself."""
    return await connect(customer.secret, max_retries=RETRIES)


def price(usage: Any) -> int:
    return int(usage.prompt_tokens) * 1250 + int(usage.completion_tokens) * 10000


async def test_a_plain_answer_costs_the_usage_that_it_reports(
    client: openai.AsyncOpenAI, operator: Operator, simulator: Simulator, model: str
) -> None:
    raw = await client.chat.completions.with_raw_response.create(model=model, messages=HELLO)

    usage = raw.parse().usage
    assert usage is not None
    assert usage.completion_tokens > 0
    assert charge_of(raw.headers) == price(usage)
    check_receipt(await operator.receipt(raw.headers["x-tallygate-request-id"]), price(usage))
    assert await simulator.findings() == []


async def test_a_stream_says_the_same_as_a_plain_answer_and_costs_the_same(
    client: openai.AsyncOpenAI, operator: Operator, model: str
) -> None:
    plain = await client.chat.completions.create(model=model, messages=HELLO)

    stream = await client.chat.completions.create(
        model=model, messages=HELLO, stream=True, stream_options={"include_usage": True}
    )
    chunks = [chunk async for chunk in stream]

    text = "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)
    assert text == plain.choices[0].message.content
    assert chunks[-1].usage is not None
    assert price(chunks[-1].usage) == price(plain.usage)
    check_receipt(await operator.receipt(stream.response.headers["x-tallygate-request-id"]), price(plain.usage))


async def test_embeddings_pass_through_in_the_form_that_was_asked(client: openai.AsyncOpenAI, model: str) -> None:
    raw = await client.embeddings.with_raw_response.create(model=model, input=["one", "two"])
    floats = await client.embeddings.create(model=model, input=["one", "two"], encoding_format="float")

    packed = raw.parse()
    assert len(packed.data) == 2
    assert packed.data[0].embedding == pytest.approx(floats.data[0].embedding, abs=1e-6)
    assert charge_of(raw.headers) == packed.usage.prompt_tokens * 1250


async def test_an_offered_tool_is_called(client: openai.AsyncOpenAI, model: str) -> None:
    async with client.chat.completions.stream(
        model=model,
        messages=HELLO,
        tools=[
            {
                "type": "function",
                "function": {
                    "name": "find_ledger",
                    "strict": True,
                    "parameters": {
                        "type": "object",
                        "properties": {"name": {"type": "string"}},
                        "required": ["name"],
                        "additionalProperties": False,
                    },
                },
            }
        ],
    ) as stream:
        final = await stream.get_final_completion()

    calls = final.choices[0].message.tool_calls
    assert calls is not None
    assert calls[0].function.name == "find_ledger"
    assert isinstance(calls[0].function.parsed_arguments, dict)
    assert list(calls[0].function.parsed_arguments) == ["name"]


# ---- Faults


async def test_the_wait_that_the_vendor_asks_for_reaches_the_sdk_which_keeps_it(
    retrying: openai.AsyncOpenAI, customer: Customer, simulator: Simulator, model: str
) -> None:
    await simulator.expect({"type": "fail", "status": 429, "retry_after": 0.6, "times": 2})

    answer = await retrying.chat.completions.create(model=model, messages=HELLO)

    assert await simulator.attempts() == 3
    assert await simulator.findings() == []
    # Three requests of ours, of which two came to nothing.
    assert nanos((await customer.balance())["available"]) == 5 * 10**9 - price(answer.usage)


async def test_another_channel_answers_while_one_is_down(
    client: openai.AsyncOpenAI, operator: Operator, simulator: Simulator, model_names: Iterator[str]
) -> None:
    name = next(model_names)
    await operator.channel(simulator.url, name, model_map={name: "gpt-4o"}, priority=10)
    await operator.channel(simulator.url, name, model_map={name: "gpt-4o-mini"})
    await simulator.expect({"type": "fail", "status": 503, "times": None, "match": {"model": "gpt-4o"}})

    raw = await client.chat.completions.with_raw_response.create(model=name, messages=HELLO)

    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert [each["model_routed"] for each in receipt["attempts"]] == ["gpt-4o", "gpt-4o-mini"]
    check_receipt(receipt, price(raw.parse().usage))
    # To the simulator these are two calls, and it cannot know that the second is instead of the first.
    assert await simulator.findings(caller_gave_up=True) == []


async def test_an_outage_is_no_storm_and_costs_nothing(
    retrying: openai.AsyncOpenAI, customer: Customer, simulator: Simulator, model: str
) -> None:
    await simulator.expect({"type": "fail", "status": 503, "times": None})

    with pytest.raises(openai.InternalServerError):
        await retrying.chat.completions.create(model=model, messages=HELLO)

    # The SDK tries three times; the gateway does not multiply that.
    assert await simulator.attempts() == 1 + RETRIES
    assert await simulator.findings() == []
    assert (await customer.balance())["available"] == "5"


@pytest.mark.parametrize("status", [400, 422])
async def test_what_no_repetition_can_mend_is_not_repeated(
    retrying: openai.AsyncOpenAI, operator: Operator, simulator: Simulator, model: str, status: int
) -> None:
    await operator.channel(simulator.url, model, model_map={model: "gpt-4o-mini"})
    await simulator.expect({"type": "fail", "status": status, "times": None})

    with pytest.raises(openai.APIStatusError) as refused:
        await retrying.chat.completions.create(model=model, messages=HELLO)

    assert refused.value.status_code == status
    assert await simulator.attempts() == 1
    assert await simulator.findings() == []


@pytest.mark.parametrize("fault", ["disconnect", "truncate", "malformed"])
async def test_a_broken_stream_is_an_error_for_the_sdk_and_charged_for_what_came(
    client: openai.AsyncOpenAI, operator: Operator, simulator: Simulator, model: str, fault: str
) -> None:
    await simulator.expect({"type": "stream_fault", "kind": fault, "after_chunks": 3})
    text = ""

    async def read(stream: "openai.AsyncStream[Any]") -> None:
        nonlocal text
        async for chunk in stream:
            text += chunk.choices[0].delta.content or ""

    stream = await client.chat.completions.create(model=model, messages=HELLO, stream=True)
    with pytest.raises(openai.APIError):
        await read(stream)

    assert text
    receipt = await operator.receipt(stream.response.headers["x-tallygate-request-id"])
    assert receipt["state"] == "captured"
    assert receipt["end"]["basis"] == "stream"
    assert receipt["end"]["outcome"] != "completed"
    usage = receipt["end"]["usage"]
    assert usage["output_tokens"] > 0
    check_receipt(receipt, usage["input_tokens"] * 1250 + usage["output_tokens"] * 10000)

    # The caller knows that it has half an answer, and asks again: nothing was taken for whole. What came after a
    # malformed chunk was on its way before we could hang up, so there the simulator cannot tell.
    await read(await client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert await simulator.findings(caller_gave_up=fault == "malformed") == []
