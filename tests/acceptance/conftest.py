"""One server for all acceptance tests of a test process: what a test makes on it is its own tenant and model."""

import asyncio
import contextlib
import itertools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import openai
import pytest

from tests.support.fake_vendor import FakeVendor
from tests.support.operator import FIRST_PASSWORD, Customer, Operator, log_in
from tests.support.server import ServerProcess, run_server_process

BODY_BYTES_MAX = 200_000
MODELS_MAX = 200

Sell = Callable[..., Awaitable[str]]
Connect = Callable[..., Awaitable[openai.AsyncOpenAI]]


@pytest.fixture(scope="session")
async def server() -> AsyncIterator[ServerProcess]:
    settings = {
        "ROOT_PASSWORD": FIRST_PASSWORD,
        "BODY_MAX_BYTES": str(BODY_BYTES_MAX),
        "SHARED_BUFFERS_MEBIBYTES": "64",
    }
    async with run_server_process(settings) as process:
        yield process
        await prove(process)


async def prove(server: ServerProcess) -> None:
    """Fail unless the product's own proof finds the books sound after all that was done to them."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLYGATE_")}
    command = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "app", "verify"),
        env=environ | {"TALLYGATE_DATA": str(server.data)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await command.communicate()
    assert command.returncode == 0, output.decode()


@pytest.fixture(scope="session")
async def operator(server: ServerProcess) -> AsyncIterator[Operator]:
    """Root, after publishing the prices that the expected charges are worked out with.

    In nano-units a token: demo-chat 150 and 600, demo-embedding 20, acme-* 1250 (cached 125) and 10000.
    """
    async with log_in(server, FIRST_PASSWORD) as root:
        live: dict[str, Any] = {
            "input": "4",
            "cached_input": "0.4",
            "audio_input": "32",
            "output": "16",
            "audio_output": "64",
        }
        acme = {"input": "1.25", "cached_input": "0.125", "output": "10"}
        await root.publish(
            {
                "demo-chat": {"input": "0.15", "output": "0.60"},
                "demo-embedding": {"input": "0.02"},
                "acme-paint": {"per_image": "0.04"},
                "acme-voice": {"per_character": "0.000015"},
                "acme-ear": {"per_second": "0.0001"},
                "acme-judge": {"per_call": "0", "free": True},
                "acme-rank": {"per_call": "0.002"},
                "acme-tongue": {"per_character": "0.00002"},
                "acme-search": {"per_call": "0.002"},
                "acme-ear-2": {"per_second": "0.0001"},
                "acme-embed": {"input": "0.02"},
                "acme-seeker": acme | {"per_search": "0.01"},
                "acme-hours": acme | {"cache_write": "1.5625", "cache_write_1h": "2.5"},
                "acme-live": live,
                "acme-scribe": {"input": "2.5", "audio_input": "6", "output": "10"},
                **{f"acme-{number}": acme for number in range(MODELS_MAX)},
            }
        )
        yield root


@pytest.fixture(scope="session")
async def vendor() -> AsyncIterator[FakeVendor]:
    async with FakeVendor() as running:
        yield running


@pytest.fixture(scope="session")
def model_names() -> Iterator[str]:
    """Names that are on the rate card and that no other test uses."""
    return (f"acme-{number}" for number in itertools.count())


@pytest.fixture
async def customer(operator: Operator) -> Customer:
    """A tenant of the test's own, with five dollars."""
    return await operator.customer()


@pytest.fixture
async def sell(operator: Operator, vendor: FakeVendor, model_names: Iterator[str]) -> Sell:
    """Connect the fake vendor as a channel with a model that behaves so; give the model's name."""

    async def connect(behavior: str = "plain", model: str | None = None, **channel: Any) -> str:
        name = model or next(model_names)
        fields = {"model_map": {name: f"fake:{behavior}"}, **channel}
        await operator.channel(f"{vendor.base_url}/v1", name, **fields)
        return name

    return connect


@pytest.fixture
async def connect(server: ServerProcess) -> AsyncIterator[Connect]:
    """Make SDK clients of other keys; they do not retry by themselves unless told to."""
    async with contextlib.AsyncExitStack() as stack:

        async def make(secret: str, **options: Any) -> openai.AsyncOpenAI:
            given = {"max_retries": 0, **options}
            made = openai.AsyncOpenAI(api_key=secret, base_url=f"{server.url}/v1", **given)
            return await stack.enter_async_context(made)

        yield make


@pytest.fixture(scope="session")
async def anybody(operator: Operator) -> Customer:
    """A tenant for tests that do not look at its balance."""
    return await operator.customer()


@pytest.fixture(scope="session")
async def client(anybody: Customer, server: ServerProcess) -> AsyncIterator[openai.AsyncOpenAI]:
    """The official SDK as its documentation says; it does not retry by itself."""
    async with openai.AsyncOpenAI(api_key=anybody.secret, base_url=f"{server.url}/v1", max_retries=0) as made:
        yield made


@pytest.fixture(scope="session")
def sync_client(anybody: Customer, server: ServerProcess) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=anybody.secret, base_url=f"{server.url}/v1", max_retries=0) as made:
        yield made
