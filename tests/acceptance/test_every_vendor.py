"""The same chats over every dialect by every client contract: the running server between real SDKs and scripts.

A script is strict: a path, header, query or member that its vendor's page does not know fails the test.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any, NamedTuple

import anthropic
import msgspec
import openai
import pytest
from google import genai
from google.genai import types

from adapters.channel_types import TYPES
from tests.acceptance.vendor_scripts import SCRIPTS, Script, service_account
from tests.adapters.dialects.own_cases import CASES
from tests.support.operator import Customer, Operator
from tests.support.receipts import check_receipt, nanos
from tests.support.scripted_vendor import ScriptedVendor
from tests.support.server import ServerProcess

LIMIT = 9


class Said(NamedTuple):
    """What a client was told."""

    text: str
    finish: str | None
    read: int | None
    written: int | None
    request_id: str | None = None


class Vendor(NamedTuple):
    script: Script
    scripted: ScriptedVendor
    model: str


@pytest.fixture(scope="module")
async def vendors(operator: Operator, model_names: Iterator[str]) -> AsyncIterator[dict[str, Vendor]]:
    """Every script's vendor, connected."""
    async with contextlib.AsyncExitStack() as stack:
        made: dict[str, Vendor] = {}
        for script in SCRIPTS:
            scripted = await stack.enter_async_context(ScriptedVendor(*script.steps))
            name = next(model_names)
            given = trial(script, scripted) | {"model_map": {name: script.model}}
            del given["models"]
            await operator.channel(given.pop("base_url"), name, **given)
            made[script.name] = Vendor(script, scripted, name)
        yield made


@pytest.fixture(scope="module")
async def customer(operator: Operator) -> Customer:
    """One for all: no two of these calls run at once."""
    return await operator.customer()


@pytest.fixture(params=SCRIPTS, ids=str)
def vendor(request: pytest.FixtureRequest, vendors: dict[str, Vendor]) -> Vendor:
    script: Script = request.param
    found = vendors[script.name]
    found.scripted.forget()
    return found


def trial(script: Script, scripted: ScriptedVendor) -> dict[str, Any]:
    """Give a script's channel as a form has it before it is saved."""
    key = script.key or (service_account(scripted.url) if script.type == "vertex" else None)
    return {
        "type": script.type,
        "base_url": scripted.url.replace("http", script.scheme, 1) + script.suffix,
        "key": "AK|SK" if script.name == "ernie" else key,
        "options": dict(script.options),
        "models": [script.model],
    }


Ask = Callable[[str, bool], Awaitable[Said]]
"""Chats with a model, streamed or not."""


def openai_chat(customer: Customer, url: str) -> Ask:
    async def ask(model: str, stream: bool) -> Said:  # noqa: FBT001
        async with openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{url}/v1", max_retries=0) as client:
            given: Any = {
                "model": model,
                "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}],
                "max_tokens": LIMIT,
            }
            if not stream:
                raw = await client.chat.completions.with_raw_response.create(**given)
                answer = raw.parse()
                assert answer.model == model
                assert answer.usage is not None
                choice = answer.choices[0]
                return Said(
                    choice.message.content or "",
                    choice.finish_reason,
                    answer.usage.prompt_tokens,
                    answer.usage.completion_tokens,
                    raw.headers["x-tallygate-request-id"],
                )
            text, finish, usage, roles = "", None, None, 0
            chunks = await client.chat.completions.create(**given, stream=True, stream_options={"include_usage": True})
            async for chunk in chunks:
                assert chunk.model == model
                for one in chunk.choices:
                    assert usage is None
                    text += one.delta.content or ""
                    roles += one.delta.role is not None
                    if one.finish_reason is not None:
                        assert finish is None
                    finish = one.finish_reason or finish
                usage = chunk.usage or usage
            assert roles == 1
            assert usage is not None
            request_id = chunks.response.headers["x-tallygate-request-id"]
            return Said(text, finish, usage.prompt_tokens, usage.completion_tokens, request_id)

    return ask


def openai_responses(customer: Customer, url: str) -> Ask:
    async def ask(model: str, stream: bool) -> Said:  # noqa: FBT001
        async with openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{url}/v1", max_retries=0) as client:
            given: Any = {"model": model, "instructions": "Be kind.", "input": "Hi", "max_output_tokens": LIMIT}
            if stream:
                async with client.responses.stream(**given) as events:
                    async for _ in events:
                        pass
                    answer = await events.get_final_response()
            else:
                answer = await client.responses.create(**given)
            assert answer.model == model
            assert answer.status == "completed"
            assert answer.usage is not None
            return Said(answer.output_text, "stop", answer.usage.input_tokens, answer.usage.output_tokens)

    return ask


def anthropic_messages(customer: Customer, url: str) -> Ask:
    async def ask(model: str, stream: bool) -> Said:  # noqa: FBT001
        async with anthropic.AsyncAnthropic(api_key=customer.secret, base_url=url, max_retries=0) as client:
            given: Any = {
                "model": model,
                "system": "Be kind.",
                "messages": [{"role": "user", "content": "Hi"}],
                "max_tokens": LIMIT,
            }
            if stream:
                async with client.messages.stream(**given) as events:
                    answer: Any = await events.get_final_message()
            else:
                answer = await client.messages.create(**given)
            assert answer.model == model
            text = "".join(block.text for block in answer.content if block.type == "text")
            finish = {"end_turn": "stop"}.get(answer.stop_reason or "")
            return Said(text, finish, answer.usage.input_tokens, answer.usage.output_tokens)

    return ask


def gemini_contents(customer: Customer, url: str) -> Ask:
    def answers(model: str, stream: bool) -> list[types.GenerateContentResponse]:  # noqa: FBT001
        # Not its asynchronous half, which inherits from a class that must not be inherited from.
        client = genai.Client(api_key=customer.secret, http_options=types.HttpOptions(base_url=url))
        given: Any = {
            "model": model,
            "contents": "Hi",
            "config": types.GenerateContentConfig(system_instruction="Be kind.", max_output_tokens=LIMIT),
        }
        try:
            if stream:
                return list(client.models.generate_content_stream(**given))
            return [client.models.generate_content(**given)]
        finally:
            client.close()

    async def ask(model: str, stream: bool) -> Said:  # noqa: FBT001
        text, finish, usage = "", None, None
        for answer in await asyncio.to_thread(answers, model, stream):
            text += answer.text or ""
            finish = answer.candidates[0].finish_reason if answer.candidates else finish
            usage = answer.usage_metadata or usage
        assert usage is not None
        written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
        return Said(text, {"STOP": "stop"}.get(finish or ""), usage.prompt_token_count, written)

    return ask


CLIENTS = (openai_chat, openai_responses, anthropic_messages, gemini_contents)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
async def test_a_chat_by_any_contract_reaches_any_vendor_and_costs_what_it_reports(
    client: Callable[[Customer, str], Ask],
    vendor: Vendor,
    customer: Customer,
    operator: Operator,
    server: ServerProcess,
    *,
    stream: bool,
) -> None:
    before = nanos((await customer.balance())["available"])

    said = await client(customer, server.url)(vendor.model, stream)

    vendor.scripted.check()
    assert said.text == "Hello"
    assert said.finish == "stop"
    assert said.read is not None
    assert said.written is not None
    if vendor.script.tokens is not None:
        assert (said.read, said.written) == vendor.script.tokens
    charged = said.read * 1250 + said.written * 10_000
    if said.request_id is not None:
        check_receipt(await operator.receipt(said.request_id), charged)
    assert nanos((await customer.balance())["available"]) == before - charged


async def test_a_clients_limit_sizes_the_hold_only_where_the_vendor_keeps_it(
    vendor: Vendor, customer: Customer, operator: Operator, server: ServerProcess
) -> None:
    said = await openai_chat(customer, server.url)(vendor.model, False)

    held = (await operator.receipt(said.request_id))["hold"]["output_tokens_max"]
    assert (held == LIMIT) is TYPES[vendor.script.type].limits_output
    assert held >= LIMIT


@pytest.mark.parametrize("script", [each for each in SCRIPTS if TYPES[each.type].probe == "chat"], ids=str)
async def test_a_channel_that_lists_no_models_is_tried_by_the_shortest_chat(operator: Operator, script: Script) -> None:
    async with ScriptedVendor(
        *(msgspec.structs.replace(s, body=None, members=None, one_of=()) for s in script.steps)
    ) as scripted:
        found = await operator.post("/channels/test", trial(script, scripted))

        scripted.check()
        assert (found["ok"], found["kind"]) == (True, None)


REFUSALS = [
    (script, body, kind)
    for script in SCRIPTS
    if TYPES[script.type].probe == "chat"
    for case in CASES
    if case.name == script.name
    for body, kind in case.errors.items()
]


@pytest.mark.parametrize(
    ("script", "body", "kind"), REFUSALS, ids=lambda value: value[:30] if isinstance(value, str) else str(value)
)
async def test_a_vendor_that_refuses_with_status_200_fails_the_test_of_its_channel(
    operator: Operator, script: Script, body: str, kind: str
) -> None:
    *before, last = script.steps
    refusing = msgspec.structs.replace(
        last,
        body=None,
        members=None,
        one_of=(),
        answer=body.encode(),
        stream=b"",
        optional=frozenset({"x-dashscope-sse"}),
    )
    async with ScriptedVendor(*before, refusing) as scripted:
        found = await operator.post("/channels/test", trial(script, scripted))

    assert (found["ok"], found["kind"]) == (False, kind)


def test_every_dialect_that_chats_has_a_script() -> None:
    shown = {type(TYPES[script.type].dialect) for script in SCRIPTS}
    without = {"demo", "palm"}
    """One is inside the process, and one is no more."""

    missing = {
        row.name
        for row in TYPES.values()
        if "chat" in row.surfaces and type(row.dialect) not in shown and row.name not in without
    }
    assert missing == set()


async def test_an_earlier_response_is_named_to_the_vendor_that_keeps_it_and_refused_elsewhere(
    vendors: dict[str, Vendor], customer: Customer, server: ServerProcess
) -> None:
    keeps, lacks = vendors["openai"], vendors["openai_compatible"]
    keeps.scripted.forget()
    asked: Any = {"input": "And?", "previous_response_id": "resp_1", "max_output_tokens": LIMIT}
    async with openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{server.url}/v1", max_retries=0) as client:
        answer = await client.responses.create(model=keeps.model, **asked)
        with pytest.raises(openai.BadRequestError) as refused:
            await client.responses.create(model=lacks.model, **asked)

    assert answer.output_text == "Hello"
    assert keeps.scripted.asked[0]["previous_response_id"] == "resp_1"
    assert (refused.value.code, refused.value.param) == ("unsupported_parameter", "previous_response_id")


async def test_an_earlier_response_is_looked_for_at_every_account_and_is_the_clients_fault_where_none_has_it(
    vendors: dict[str, Vendor],
    operator: Operator,
    customer: Customer,
    server: ServerProcess,
    model_names: Iterator[str],
) -> None:
    unknown = {
        "message": "Previous response with id 'resp_1' not found.",
        "type": "invalid_request_error",
        "param": "previous_response_id",
        "code": "previous_response_not_found",
    }
    keeps = vendors["openai"]
    keeps.scripted.forget()
    step = msgspec.structs.replace(
        next(step for step in keeps.script.steps if step.path == "/v1/responses"),
        answer=msgspec.json.encode({"error": unknown}),
        stream=b"",
        status=400,
        body=None,
        members=None,
    )
    both, nowhere = next(model_names), next(model_names)
    asked: Any = {"input": "And?", "previous_response_id": "resp_1", "max_output_tokens": LIMIT}
    async with ScriptedVendor(step) as lacks:
        for name, scripted, priority in ((both, lacks, 2), (both, keeps.scripted, 1), (nowhere, lacks, 1)):
            more = {"model_map": {name: keeps.script.model}, "priority": priority, "key": keeps.script.key}
            await operator.channel(scripted.url + keeps.script.suffix, name, **more)
        async with openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{server.url}/v1", max_retries=0) as client:
            raw = await client.responses.with_raw_response.create(model=both, **asked)
            with pytest.raises(openai.BadRequestError) as refused:
                await client.responses.create(model=nowhere, **asked)

        assert len(lacks.seen) == 2
        lacks.check()
    assert raw.parse().output_text == "Hello"
    assert keeps.scripted.asked[-1]["previous_response_id"] == "resp_1"
    receipt = await operator.receipt(raw.headers["x-tallygate-request-id"])
    assert [attempt["outcome"] for attempt in receipt["attempts"]] == ["refused_by_vendor", "completed"]
    assert (refused.value.code, refused.value.param) == ("previous_response_not_found", "previous_response_id")
