"""Vendors that nobody here wrote (llmock, mockllm), in each of the contracts that they speak, behind one of our own."""

import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

from tests.support.operator import Operator
from tests.support.programs import run_program
from tests.support.receipts import charge_of, check_receipt, nanos
from tests.support.server import ServerProcess

RESPONSES = """\
responses:
  "Tell me about ledgers.": "A ledger is a list of postings."
  # Its streams look the answer up as if it were a question.
  "A ledger is a list of postings.": "A ledger is a list of postings."
defaults:
  unknown_response: "I do not know."
settings:
  lag_enabled: false
"""
PROGRAMS = Path(sys.executable).parent
KINDS = [
    ("llmock", "openai", "", "gpt-4o-mini"),
    ("llmock", "anthropic", "/anthropic", "claude-sonnet-4-5"),
    ("llmock", "gemini", "/gemini", "gemini-2.5-flash"),
    ("llmock", "cohere", "/cohere", "command-a-03-2025"),
    ("llmock", "mistral", "/mistral", "mistral-large-latest"),
    ("llmock", "groq", "/groq/openai", "llama-3.3-70b-versatile"),
    ("llmock", "xai", "/xai", "grok-4"),
    ("mockllm", "openai", "", "gpt-4"),
]


@pytest.fixture(scope="module")
async def simulators(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[dict[str, str]]:
    responses = tmp_path_factory.mktemp("mockllm") / "responses.yml"
    responses.write_text(RESPONSES)
    mockllm = [str(PROGRAMS / "mockllm"), "start", "-r", str(responses), "-h", "127.0.0.1", "-p", "{port}"]
    async with (
        run_program([str(PROGRAMS / "llmock"), "serve", "-p", "{port}"], ready="/health") as llmock_url,
        run_program(mockllm, ready="/models") as mockllm_url,
    ):
        yield {"llmock": llmock_url, "mockllm": mockllm_url}


@pytest.fixture(params=KINDS, ids=lambda kind: f"{kind[0]}-{kind[1]}")
async def model(
    request: pytest.FixtureRequest, simulators: dict[str, str], operator: Operator, model_names: Iterator[str]
) -> str:
    """A model of a simulator, at 1250 nano-units a token in and 10000 out."""
    program, type_, path, model = request.param
    name = next(model_names)
    await operator.channel(simulators[program] + path, name, type=type_, model_map={name: model})
    return name


async def test_a_chat_comes_whole_and_as_a_stream_and_costs_what_it_says(
    model: str, client: openai.AsyncOpenAI, operator: Operator
) -> None:
    asked: Any = {"model": model, "messages": [{"role": "user", "content": "Tell me about ledgers."}], "max_tokens": 90}
    raw = await client.chat.completions.with_raw_response.create(**asked)
    whole = raw.parse()
    stream = await client.chat.completions.create(**asked, stream=True, stream_options={"include_usage": True})
    chunks = [chunk async for chunk in stream]

    text = whole.choices[0].message.content
    assert text
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices).strip() == text.strip()
    assert [choice.finish_reason for chunk in chunks for choice in chunk.choices if choice.finish_reason] == ["stop"]
    for usage, headers in ((whole.usage, raw.headers), (chunks[-1].usage, stream.response.headers)):
        assert usage is not None
        assert usage.completion_tokens > 0
        charged = usage.prompt_tokens * 1250 + usage.completion_tokens * 10_000
        check_receipt(await operator.receipt(headers["x-tallygate-request-id"]), charged)
    assert charge_of(raw.headers) == whole.usage.prompt_tokens * 1250 + whole.usage.completion_tokens * 10_000


async def test_a_stream_that_keeps_to_no_contract_is_an_error_and_free(
    simulators: dict[str, str], server: ServerProcess, operator: Operator, model_names: Iterator[str]
) -> None:
    # mockllm's streams of Anthropic's kind have neither a beginning nor an end, and end in OpenAI's mark.
    name = next(model_names)
    await operator.channel(simulators["mockllm"], name, type="anthropic", model_map={name: "claude-3-sonnet-20240229"})
    customer = await operator.customer()
    asked: Any = {"model": name, "messages": [{"role": "user", "content": "Tell me about ledgers."}], "max_tokens": 90}

    async with anthropic.AsyncAnthropic(api_key=customer.secret, base_url=server.url, max_retries=0) as client:
        whole = await client.messages.create(**asked)
        after = (await customer.balance())["available"]
        with pytest.raises(anthropic.APIStatusError) as refused:
            async with client.messages.stream(**asked) as stream:
                await stream.get_final_message()

    assert whole.content[0].text == "A ledger is a list of postings."
    charged = whole.usage.input_tokens * 1250 + whole.usage.output_tokens * 10_000
    assert nanos(after) == 5 * 10**9 - charged
    receipt = await operator.receipt(refused.value.response.headers["x-tallygate-request-id"])
    assert (receipt["state"], receipt["price"]) == ("voided", None)
    assert (await customer.balance())["available"] == after
