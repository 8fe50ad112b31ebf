"""A model server that others wrote, with a model of random weights: real tokens, real usage, and their exact price."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import openai
import pytest

from adapters.tokenizer import Tokenizer
from tests.support.operator import FIRST_PASSWORD, Operator, log_in
from tests.support.programs import run_program
from tests.support.receipts import charge_of, check_receipt
from tests.support.server import REPOSITORY, ServerProcess, run_server_process

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam

pytestmark = pytest.mark.llama

PYTHON: Final = REPOSITORY / ".venv-llama" / "bin" / "python"
CONTEXT_TOKENS: Final = 512
TALK: "list[ChatCompletionMessageParam]" = [
    {"role": "system", "content": "we say it in the word of the letters"},
    {"role": "user", "content": "Hello, Grüße, 你好!"},
]


@pytest.fixture(scope="module")
async def model_server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[str]:
    """The address of llama-cpp-python's server with a model made here."""
    if not PYTHON.exists():
        pytest.fail("the model server is not installed: run `make test-llama`")
    model = tmp_path_factory.mktemp("model") / "tiny.gguf"
    await write_model(model)
    command = [str(PYTHON), "-m", "llama_cpp.server", "--model", str(model), "--model_alias", "tiny"]
    options = ["--n_ctx", str(CONTEXT_TOKENS), "--n_threads", "1", "--port", "{port}"]
    async with run_program([*command, *options], ready="/v1/models") as url:
        yield url


async def write_model(path: Path) -> None:
    process = await asyncio.create_subprocess_exec(PYTHON, Path(__file__).parent / "tiny_model.py", path)
    assert await process.wait() == 0


@pytest.fixture(scope="module")
async def server() -> AsyncIterator[ServerProcess]:
    async with run_server_process({"ROOT_PASSWORD": FIRST_PASSWORD, "SHARED_BUFFERS_MEBIBYTES": "64"}) as process:
        yield process


@pytest.fixture(scope="module")
async def operator(server: ServerProcess, model_server: str) -> AsyncIterator[Operator]:
    """Root, who sells the model at 1250 nano-units a token in and 10000 a token out."""
    async with log_in(server, FIRST_PASSWORD) as root:
        await root.publish({"random-llama": {"input": "1.25", "output": "10"}})
        await root.channel(model_server, "random-llama", model_map={"random-llama": "tiny"})
        yield root


@pytest.fixture(scope="module")
async def client(operator: Operator, server: ServerProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    customer = await operator.customer()
    async with openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{server.url}/v1", max_retries=0) as made:
        yield made


@pytest.fixture
async def direct(model_server: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The same SDK, past Tallygate."""
    async with openai.AsyncOpenAI(api_key="none", base_url=f"{model_server}/v1", max_retries=0) as made:
        yield made


async def test_a_plain_answer_is_the_models_own_and_costs_its_tokens(
    client: openai.AsyncOpenAI, direct: openai.AsyncOpenAI, operator: Operator
) -> None:
    raw = await client.chat.completions.with_raw_response.create(
        model="random-llama", messages=TALK, max_tokens=40, seed=7, temperature=0
    )
    expected = await direct.chat.completions.create(model="tiny", messages=TALK, max_tokens=40, seed=7, temperature=0)

    answer = raw.parse()
    assert answer.model == "random-llama"
    assert answer.choices[0].message.content == expected.choices[0].message.content != ""
    assert answer.usage is not None
    assert answer.usage == expected.usage
    charged = answer.usage.prompt_tokens * 1250 + answer.usage.completion_tokens * 10000
    assert charge_of(raw.headers) == charged
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert receipt["end"]["basis"] == "vendor"
    assert receipt["attempts"][0]["model_routed"] == "tiny"
    check_receipt(receipt, charged)


async def test_a_stream_without_a_usage_report_costs_the_tokens_that_were_counted(
    client: openai.AsyncOpenAI, direct: openai.AsyncOpenAI, operator: Operator
) -> None:
    expected = await direct.chat.completions.create(model="tiny", messages=TALK, max_tokens=40, seed=7, temperature=0)

    stream = await client.chat.completions.create(
        model="random-llama", messages=TALK, max_tokens=40, seed=7, temperature=0, stream=True
    )
    text, reasons = "", []
    async for chunk in stream:
        text += chunk.choices[0].delta.content or ""
        reasons.append(chunk.choices[0].finish_reason)

    assert text == expected.choices[0].message.content
    assert reasons[-1] == expected.choices[0].finish_reason
    receipt = await operator.receipt(stream.response.headers["x-tallygate-request-id"])
    # This server reports no usage in streams: what was delivered is counted by the tokenizer that we have.
    assert receipt["end"]["basis"] == "stream"
    usage = receipt["end"]["usage"]
    assert usage["output_tokens"] == await count(text)
    check_receipt(receipt, usage["input_tokens"] * 1250 + usage["output_tokens"] * 10000)


async def count(text: str) -> int:
    tokenizer = Tokenizer()
    await tokenizer.load_off_loop()
    return tokenizer.count(text, "tiny")


async def test_a_legacy_completion_that_reports_more_than_its_limit_is_charged_as_reported(
    client: openai.AsyncOpenAI, operator: Operator
) -> None:
    raw = await client.completions.with_raw_response.create(
        model="random-llama", prompt="it is the word", max_tokens=6, temperature=0
    )

    usage = raw.parse().usage
    assert usage is not None
    # The server counts one token more than it was allowed; the hold had foreseen the limit only.
    assert usage.completion_tokens in (6, 7)
    charged = usage.prompt_tokens * 1250 + usage.completion_tokens * 10000
    assert charge_of(raw.headers) == charged
    check_receipt(await operator.receipt(raw.headers["x-tallygate-request-id"]), charged)


async def test_a_prompt_that_is_too_long_for_the_model_is_a_bad_request_and_free(
    client: openai.AsyncOpenAI, operator: Operator
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        await client.chat.completions.create(
            model="random-llama", messages=[{"role": "user", "content": "word " * 1000}], max_tokens=10
        )

    assert refused.value.code == "context_length_exceeded"
    assert (await operator.receipt(refused.value.request_id))["state"] == "voided"
