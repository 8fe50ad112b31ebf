"""Conversations over a WebSocket: the official SDK against a vendor that keeps its own meter."""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import openai
import pytest
from openai.resources.realtime.realtime import AsyncRealtimeConnection

from tests.acceptance.conftest import Connect
from tests.support.live_vendor import CHARGE_NANOS, KEY, LiveVendor
from tests.support.operator import FIRST_PASSWORD, Customer, Operator, log_in
from tests.support.receipts import check_receipt, nanos
from tests.support.server import ServerProcess, run_server_process

MODEL = "acme-live"
ONE_ANSWER_NANOS = 2_048 * 32_000 + 4_096 * 64_000
"""What is held for one answer at least: the shortest conversation that is covered, and the longest answer of sound."""


@pytest.fixture(scope="module")
async def shared(operator: Operator) -> AsyncIterator[LiveVendor]:
    async with LiveVendor() as vendor:
        await operator.channel(vendor.url, MODEL, key=KEY, model_map={MODEL: "gpt-realtime"})
        yield vendor


@pytest.fixture
def live(shared: LiveVendor) -> LiveVendor:
    shared.heard.clear()
    shared.answered = shared.refuses = 0
    shared.gone.clear()
    shared.came.clear()
    return shared


@pytest.fixture
async def client(customer: Customer, connect: Connect) -> openai.AsyncOpenAI:
    return await connect(customer.secret)


async def say(connection: AsyncRealtimeConnection, words: str) -> None:
    """Say something, and ask for an answer."""
    content: Any = [{"type": "input_text", "text": words}]
    await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
    await connection.response.create()


async def until(connection: AsyncRealtimeConnection, type_: str) -> Any:
    """Read on to the next event of a type."""
    async with asyncio.timeout(20):
        async for event in connection:
            if event.type == type_:
                return event
    raise AssertionError(f"the session ended before {type_}")


async def spent(customer: Customer) -> int:
    """Give what was taken, once nothing is held any more."""
    async with asyncio.timeout(20):
        while True:
            balance = await customer.balance()
            if nanos(balance["held"]) == 0:
                return 5 * 10**9 - nanos(balance["available"])
            await asyncio.sleep(0.02)


async def test_each_answer_of_a_conversation_is_charged_by_what_it_reports(
    client: openai.AsyncOpenAI, customer: Customer, live: LiveVendor
) -> None:
    async with client.realtime.connect(model=MODEL) as connection:
        created = await until(connection, "session.created")
        await say(connection, "hello")
        transcript = await until(connection, "response.output_audio_transcript.delta")
        done = await until(connection, "response.done")
        after_one = await customer.balance()
        await say(connection, "and again")
        await until(connection, "response.done")

    assert created.session.model == MODEL
    assert live.query == {"model": "gpt-realtime"}
    assert "openai-beta" not in {name.lower() for name in live.headers}
    assert transcript.delta == "Good day to you."
    assert done.response.usage.total_tokens == 340
    # When the client hears of its end an answer has been paid, and the next one is held for.
    assert nanos(after_one["available"]) + nanos(after_one["held"]) == 5 * 10**9 - CHARGE_NANOS
    assert nanos(after_one["held"]) >= ONE_ANSWER_NANOS
    assert await spent(customer) == 2 * CHARGE_NANOS
    assert live.answered == 2


async def test_the_first_answer_has_the_receipt_of_the_handshakes_id(
    customer: Customer, operator: Operator, live: LiveVendor, server: ServerProcess
) -> None:
    headers = {"Authorization": f"Bearer {customer.secret}"}
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}/v1/realtime?model={MODEL}", headers=headers) as socket,
    ):
        request_id = socket._response.headers["x-tallygate-request-id"]
        await socket.send_json({"type": "response.create"})
        async with asyncio.timeout(20):
            while (await socket.receive_json())["type"] != "response.done":
                pass

    receipt = await operator.receipt(request_id)
    check_receipt(receipt, CHARGE_NANOS)
    meters = {line["meter"]: line["quantity"] for line in receipt["price"]["lines"]}
    assert meters == {
        "input_tokens": 76,
        "cached_input_tokens": 64,
        "audio_input_tokens": 160,
        "output_tokens": 10,
        "audio_output_tokens": 30,
    }
    assert (receipt["hold"]["surface"], receipt["end"]["basis"]) == ("realtime", "vendor")
    assert live.answered == 1


async def test_a_browser_gives_its_key_as_a_subprotocol_and_hears_it_nowhere_again(
    customer: Customer, live: LiveVendor, server: ServerProcess
) -> None:
    protocols = ("realtime", f"openai-insecure-api-key.{customer.secret}")
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(f"{server.url}/v1/realtime?model={MODEL}", protocols=protocols) as socket,
    ):
        assert socket.protocol == "realtime"
        assert customer.secret not in str(socket._response.headers)
        assert (await socket.receive_json())["type"] == "session.created"
    assert customer.secret not in str(live.headers)


@pytest.mark.usefixtures("shared")
@pytest.mark.parametrize(
    ("key", "model", "told"),
    [
        ("sk-wrong", MODEL, (401, "invalid_api_key")),
        ("", MODEL, (401, "invalid_api_key")),
        (None, "no-such-model", (404, "model_not_found")),
        (None, "", (400, "missing_required_parameter")),
        (None, "demo-chat", (400, "unsupported_surface")),
    ],
)
async def test_what_cannot_be_is_refused_before_the_handshake_is_done(
    anybody: Customer, server: ServerProcess, key: str | None, model: str, told: tuple[int, str]
) -> None:
    headers = {"Authorization": f"Bearer {anybody.secret if key is None else key}"}
    url = f"{server.url}/v1/realtime?model={model}"
    async with aiohttp.ClientSession() as session:
        async with session.get(
            url,
            headers=headers
            | {
                "Connection": "Upgrade",
                "Upgrade": "websocket",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": base64.b64encode(b"0" * 16).decode(),
            },
        ) as refused:
            assert (refused.status, (await refused.json())["error"]["code"]) == told
        async with session.get(url, headers=headers) as plain:
            assert plain.status == 426


async def test_a_wallet_that_covers_no_answer_opens_no_session(
    operator: Operator, live: LiveVendor, connect: Connect
) -> None:
    poor = await operator.customer(credit="0.3")
    client = await connect(poor.secret)

    with pytest.raises(Exception, match="429"):
        await client.realtime.connect(model=MODEL).enter()

    assert live.query == {} or live.heard == []
    assert nanos((await poor.balance())["available"]) == 300_000_000


async def test_a_session_ends_when_the_next_answer_cannot_be_paid_and_never_overruns(
    operator: Operator, live: LiveVendor, connect: Connect
) -> None:
    credit = ONE_ANSWER_NANOS + CHARGE_NANOS // 2
    customer = await operator.customer(credit=f"{credit / 10**9:.9f}")
    client = await connect(customer.secret)

    async with client.realtime.connect(model=MODEL) as connection:
        await say(connection, "hello")
        await until(connection, "response.done")
        refused = await until(connection, "error")
        with pytest.raises(Exception, match="1008"):
            await until(connection, "nothing")

    assert refused.error.code == "insufficient_quota"
    await live.gone.wait()
    balance = await customer.balance()
    assert nanos(balance["held"]) == 0
    assert nanos(balance["available"]) == credit - CHARGE_NANOS
    assert live.answered == 1


@pytest.mark.usefixtures("live")
async def test_what_the_vendor_refuses_and_what_fails_costs_nothing(
    client: openai.AsyncOpenAI, customer: Customer
) -> None:
    async with client.realtime.connect(model=MODEL) as connection:
        await say(connection, "refuse")
        refused = await until(connection, "error")
        await say(connection, "fail")
        await until(connection, "response.done")
        await say(connection, "fail, having read")
        await until(connection, "response.done")

    assert refused.error.message == "not so, ***"
    assert await spent(customer) == 0


async def test_a_client_that_goes_pays_for_the_answer_that_was_running(
    operator: Operator, live: LiveVendor, connect: Connect
) -> None:
    customer = await operator.customer(disconnect="abort")
    client = await connect(customer.secret)
    connection = await client.realtime.connect(model=MODEL).enter()
    await say(connection, "linger")
    await until(connection, "response.output_audio.delta")
    await connection.close()

    # The vendor is told to stop, and says what it used until then.
    assert await spent(customer) == CHARGE_NANOS
    assert live.heard[-1]["type"] == "response.cancel"
    await live.gone.wait()


async def test_a_vendor_that_breaks_off_is_paid_for_what_came_by_our_own_count(
    client: openai.AsyncOpenAI, customer: Customer, live: LiveVendor
) -> None:
    async with client.realtime.connect(model=MODEL) as connection:
        await say(connection, "break off")
        broken = await until(connection, "error")
        with pytest.raises(Exception, match="1011"):
            await until(connection, "nothing")

    assert broken.error.type == "server_error"
    # Half a second of sound in G.711's measure, for the vendor has said no format; and the words that were said.
    charged = await spent(customer)
    assert 60 * 64_000 <= charged <= 61 * 64_000 + 200 * 16_000
    assert live.answered == 0


async def test_a_session_keeps_its_model_and_takes_no_model_without_a_price(
    client: openai.AsyncOpenAI, live: LiveVendor
) -> None:
    async with client.realtime.connect(model=MODEL) as connection:
        dearer: Any = {"type": "realtime", "model": "gpt-realtime-pro"}
        await connection.session.update(session=dearer)
        refused = await until(connection, "error")
        unpriced: Any = {"type": "realtime", "audio": {"input": {"transcription": {"model": "whisper-9"}}}}
        await connection.session.update(session=unpriced)
        free = await until(connection, "error")
        same: Any = {"type": "realtime", "model": MODEL, "instructions": "Be kind."}
        await connection.session.update(session=same)
        updated = await until(connection, "session.updated")

    assert (refused.error.code, refused.error.param) == ("unsupported_parameter", "session.model")
    assert free.error.code == "unpriced_model"
    assert updated.session.model == MODEL
    assert [event["session"]["model"] for event in live.heard] == ["gpt-realtime"]


@pytest.mark.usefixtures("live")
async def test_transcriptions_are_charged_by_their_own_model(client: openai.AsyncOpenAI, customer: Customer) -> None:
    async with client.realtime.connect(model=MODEL) as connection:
        session: Any = {"type": "realtime", "audio": {"input": {"transcription": {"model": "acme-scribe"}}}}
        await connection.session.update(session=session)
        await until(connection, "session.updated")
        await connection.input_audio_buffer.append(audio=base64.b64encode(b"\0" * 4_800).decode())
        await connection.input_audio_buffer.commit()
        await until(connection, "conversation.item.input_audio_transcription.completed")

    assert await spent(customer) == 20 * 6_000 + 6 * 10_000


async def test_a_long_talk_is_held_for_as_it_grows(
    client: openai.AsyncOpenAI, customer: Customer, live: LiveVendor
) -> None:
    async with client.realtime.connect(model=MODEL) as connection:
        await until(connection, "session.created")
        small = nanos((await customer.balance())["held"])
        content: Any = [{"type": "input_text", "text": "word " * 2_000}]
        await connection.conversation.item.create(item={"type": "message", "role": "user", "content": content})
        async with asyncio.timeout(20):
            while not live.heard:
                live.came.clear()
                await live.came.wait()
        large = nanos((await customer.balance())["held"])

    assert small == ONE_ANSWER_NANOS
    assert large >= 10_000 * 32_000 + 4_096 * 64_000
    assert await spent(customer) == 0


async def test_a_refused_handshake_of_the_vendor_is_no_fault_of_the_clients_and_free(
    client: openai.AsyncOpenAI, customer: Customer, operator: Operator
) -> None:
    async with LiveVendor() as broken:
        broken.refuses = 400
        await operator.channel(broken.url, "acme-199", key=KEY)
        with pytest.raises(Exception, match="400"):
            await client.realtime.connect(model="acme-199").enter()
    assert await spent(customer) == 0


async def test_a_stopping_server_ends_sessions_and_settles_them() -> None:
    async with (
        run_server_process({"ROOT_PASSWORD": FIRST_PASSWORD, "DRAIN_SECONDS": "5"}) as own,
        LiveVendor() as vendor,
        contextlib.AsyncExitStack() as stack,
    ):
        root = await stack.enter_async_context(log_in(own, FIRST_PASSWORD))
        await root.publish({MODEL: {"input": "4", "output": "16"}})
        await root.channel(vendor.url, MODEL, key=KEY)
        customer = await root.customer()
        client = await stack.enter_async_context(
            openai.AsyncOpenAI(api_key=customer.secret, base_url=f"{own.url}/v1", max_retries=0)
        )
        connection = await client.realtime.connect(model=MODEL).enter()
        await say(connection, "hello")
        await until(connection, "response.done")
        assert await own.stop() == 0
        await own.start()
        balance = await customer.balance()
        assert nanos(balance["held"]) == 0
        assert nanos(balance["available"]) == 5 * 10**9 - (236 * 4_000 + 64 * 4_000 + 40 * 16_000)
