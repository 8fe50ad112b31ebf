"""Eight vendors that slow down, fail, hang, recover and flap under load, over two nodes: no client sees any of it.

One of the eight always works; the others take turns in misbehaving, their probes with them. Every failed attempt is in
the log, health goes only by the specified steps and is the same on both nodes, and the money is exact.
"""

import asyncio
import json
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import pytest

from tests.faults.checks import audit, bodies, charged
from tests.faults.nodes import SETTINGS, Nodes, state, two_nodes
from tests.faults.world import MODEL, World, nanos, price, until, world
from tests.support.fake_vendor import FakeVendor
from tests.support.listeners import Hook, Mailbox, mailbox, webhook
from tests.support.postgres import create_database, drop_database

pytestmark = pytest.mark.faults

CLIENTS: Final = 8
CONTEXT: Final = 100_000
PERIOD_SECONDS: Final = 6.0
STEPS: Final = {(100, 0), (0, 20), (20, 40), (40, 60), (60, 80), (80, 100), (20, 0), (40, 0), (60, 0), (80, 0)}


@pytest.fixture
async def dsn(postgres_dsn: str) -> AsyncIterator[str]:
    made = await create_database(postgres_dsn)
    yield made
    await drop_database(made)


def phase(at: float, offset: float, share: float = 0.5) -> bool:
    """Say whether a vendor is in the bad part of its period."""
    return (at + offset) % PERIOD_SECONDS < share * PERIOD_SECONDS


BEHAVIORS: Final[list[Callable[[float], str]]] = [
    lambda _: "",
    lambda at: "fake:slow,delay_ms=200" if phase(at, 0.0) else "",
    lambda at: "fake:error,status=500" if phase(at, 1.0) else "",
    lambda at: "fake:hang" if phase(at, 2.0) else "",
    lambda at: "fake:error,status=503" if int(at / 0.3) % 2 else "",
    lambda at: "fake:error,status=429,retry_after=1" if phase(at, 3.0) else "",
    lambda at: "fake:error,status=401" if phase(at, 4.0) else "",
    lambda at: "fake:half-a-head" if phase(at, 5.0) else "",
]
"""What each of the eight does at a moment."""


async def misbehave(vendors: list[FakeVendor], seconds: float) -> None:
    """Let the vendors take turns, then all of them work."""
    began = time.monotonic()
    while (at := time.monotonic() - began) < seconds:
        for vendor, behavior in zip(vendors, BEHAVIORS, strict=True):
            vendor.script[MODEL] = vendor.script["/models"] = behavior(at)
            if not behavior(at):
                # What hung goes on, as a vendor does that comes back.
                vendor.release.set()
                vendor.release = asyncio.Event()
        await asyncio.sleep(0.05)
    for vendor in vendors:
        vendor.script.clear()
        vendor.release.set()


async def load(nodes: list[World], stop: asyncio.Event) -> None:
    """Ask one after another, every other time for a stream."""
    number = 0
    while not stop.is_set():
        number += 1
        await nodes[number % len(nodes)].ask(stream=number % 3 == 0)


async def run_load(nodes: Nodes, during: Any, clients: int = CLIENTS) -> None:
    stop = asyncio.Event()
    tasks = [asyncio.create_task(load([nodes.a, nodes.b], stop)) for _ in range(clients)]
    await during
    stop.set()
    await asyncio.gather(*tasks)


async def test_no_client_sees_what_eight_vendors_go_through(
    dsn: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    seconds: float = request.config.getoption("--routing-seconds")
    async with two_nodes(dsn, tmp_path, len(BEHAVIORS)) as nodes:
        await run_load(nodes, misbehave(nodes.vendors, seconds))

        assert len(nodes.a.told) > 20 * seconds / 10
        failed = [told for told in nodes.a.told if told.status != 200 or not told.done or told.error]
        assert failed == []
        for node in (nodes.a, nodes.b):
            for channel in nodes.channels:
                await until(lambda n=node, c=channel: _is_sound(n, c), "every channel is sound again")  # type: ignore[misc]

        connection = await asyncpg.connect(dsn)
        try:
            await _every_attempt_is_recorded(nodes, connection)
            changes = await bodies(connection, "channel_health.changed.v1")
            health_went_by_steps(changes)
            assert len({body["node"] for body in changes}) == 2, "both nodes have had something to say"
            failures = await bodies(connection, "attempt.failed.v1")
            sys.stdout.write(f"{len(nodes.a.told)} requests, {len(failures)} failed attempts, {len(changes)} changes\n")
            await _money_is_exact(nodes, connection)
            await _one_alert_each(connection)
            before = len(nodes.a.told)
            await asyncio.gather(*(_ask_some(nodes, 50) for _ in range(8)))
            await _shares_are_even(nodes, connection, len(nodes.a.told) - before)
        finally:
            await connection.close()


async def _is_sound(node: World, channel: str) -> bool:
    return await state(node, channel) == "sound"


async def _ask_some(nodes: Nodes, count: int) -> None:
    for number in range(count):
        await (nodes.a, nodes.b)[number % 2].ask()


async def _every_attempt_is_recorded(nodes: Nodes, connection: Any) -> None:
    """What reached a vendor is in the log, as the attempt that answered or as one that failed."""
    answered = Counter(body["channel_id"] for body in await bodies(connection, "hold.captured.v1"))
    failures = Counter(body["attempt"]["channel_id"] for body in await bodies(connection, "attempt.failed.v1"))
    for vendor, channel in zip(nodes.vendors, nodes.channels, strict=True):
        calls = [metered for metered in vendor.meter if metered.path.endswith("/chat/completions")]
        assert len(calls) == answered[channel] + failures[channel], channel
    assert sum(failures.values()) > 10


def health_went_by_steps(changes: list[dict[str, Any]]) -> None:
    """Weights fall to nothing and come back by a fifth at a time, whichever node saw why."""
    last: dict[str, int] = {}
    for body in changes:
        before, after = body["before"].get("percent", 100), body["after"].get("percent", 100)
        assert before == last.get(body["channel_id"], 100)
        assert before == after or (before, after) in STEPS, body
        last[body["channel_id"]] = after
    assert set(last.values()) == {100}


def test_the_check_of_steps_sees_a_leap_and_a_gap() -> None:
    def change(before: int, after: int) -> dict[str, Any]:
        return {"channel_id": "c", "before": {"percent": before}, "after": {"percent": after}}

    back = [change(0, 20), change(20, 40), change(40, 60), change(60, 80), change(80, 100)]
    health_went_by_steps([change(100, 0), *back])
    for wrong in ([change(100, 0), change(0, 100)], [change(100, 0), *back[1:]], [change(100, 0), *back[:-1]]):
        with pytest.raises(AssertionError):
            health_went_by_steps(wrong)


async def _money_is_exact(nodes: Nodes, connection: Any) -> None:
    assert await audit(connection) == []
    told = sum(nanos(each.charge) for each in nodes.a.told)
    assert told == await charged(connection)
    captures = await bodies(connection, "hold.captured.v1")
    for body in captures:
        usage = body["usage"]
        assert body["captured_nanos"] == price(usage["input_tokens"], usage["output_tokens"])
    await nodes.a.verify()


async def _one_alert_each(connection: Any) -> None:
    """A channel that is out is told once until it is back."""
    standing: Counter[str] = Counter()
    for body in await bodies(connection, "alert.raised.v1", "alert.resolved.v1"):
        standing[body["subject"]] += 1 if body["type"] == "alert.raised.v1" else -1
        assert standing[body["subject"]] in {0, 1}
        assert body["kind"] == "channel_out", "somebody could always be asked"


async def _shares_are_even(nodes: Nodes, connection: Any, count: int) -> None:
    """Eight sound channels of equal weight share what comes."""
    captures = (await bodies(connection, "hold.captured.v1"))[-count:]
    shares = Counter(body["channel_id"] for body in captures)
    assert set(shares) == set(nodes.channels)
    for channel in nodes.channels:
        assert shares[channel] / count == pytest.approx(1 / 8, abs=0.06)


async def test_without_failover_clients_see_what_a_vendor_goes_through(dsn: str, tmp_path: Path) -> None:
    """The control: with one attempt for each request the same faults do reach clients, and are seen to."""
    async with two_nodes(dsn, tmp_path, 2) as nodes:
        (policy,) = (await nodes.a.operator.get("/routing/policies"))["items"]
        await nodes.a.operator.change(f"/routing/policies/{policy['id']}", {"attempts_max": 1})
        nodes.vendors[0].script[MODEL] = "fake:error,status=500"

        await until(lambda: _one_failed(nodes), "a client sees a vendor's fault")

        assert {told.status for told in nodes.a.told} <= {200, 502}


async def _one_failed(nodes: Nodes) -> bool:
    told = await nodes.a.ask()
    return (told.status, told.error) == (502, "vendor_error")


async def test_70_and_30_the_first_times_out_three_times_and_recovers(dsn: str, tmp_path: Path) -> None:
    async with two_nodes(dsn, tmp_path, 2) as nodes:
        first, second = nodes.channels
        for channel, weight in ((first, 70), (second, 30)):
            await nodes.a.operator.change(f"/channels/{channel}", {"weight": weight})
        assert await weight_of(nodes.a, first) == 70
        nodes.vendors[0].script[MODEL] = nodes.vendors[0].script["/models"] = "fake:hang"
        await until(lambda: _asked_until_out(nodes.a, first), "three time-outs")
        assert await weight_of(nodes.a, first) == 0

        nodes.vendors[0].script.clear()
        nodes.vendors[0].release.set()
        for node in (nodes.a, nodes.b):
            await until(lambda n=node: _is_sound(n, first), "the channel is whole again")  # type: ignore[misc]
            assert await weight_of(node, first) == 70

        connection = await asyncpg.connect(dsn)
        try:
            changes = await bodies(connection, "channel_health.changed.v1")
            failures = await bodies(connection, "attempt.failed.v1")
        finally:
            await connection.close()
        assert [70 * body["after"].get("percent", 100) // 100 for body in changes] == [0, 14, 28, 42, 56, 70]
        assert {body["channel_id"] for body in changes} == {first}
        assert [body["attempt"]["outcome"] for body in failures] == ["timeout"] * 3
        assert all(told.status == 200 for told in nodes.a.told), "the second one has answered"


async def weight_of(node: World, channel: str) -> int:
    async with node.http.get(
        f"{node.server.url}/api/channels/{channel}/health", headers=node.operator.headers
    ) as answer:
        assert answer.status == 200, await answer.text()
        weight: int = (await answer.json())["weight_effective"]
        return weight


async def test_both_nodes_see_health_limits_and_revocations(dsn: str, tmp_path: Path) -> None:
    async with two_nodes(dsn, tmp_path, 2) as nodes:
        bad, good = nodes.channels
        nodes.vendors[0].script[MODEL] = nodes.vendors[0].script["/models"] = "fake:error,status=401"
        await until(lambda: _asked_until_out(nodes.a, bad), "the channel is out on the node that saw it")
        await until(lambda: _is_out(nodes.b, bad), "the channel is out on the other node")

        limits = {"limits": {"requests_per_minute": 6}, "context_tokens_max": CONTEXT}
        await nodes.a.operator.change(f"/channels/{good}", limits)
        await until(lambda: _know_the_limit(nodes, good), "both nodes know the limit")
        # In one calendar minute, whichever node is asked.
        await asyncio.sleep(max(0.0, 62 - time.time() % 60) if time.time() % 60 > 45 else 0.0)
        answers = [await (nodes.a, nodes.b)[number % 2].ask() for number in range(14)]
        assert sum(told.status == 200 for told in answers) == 6
        refused = [told for told in answers if told.status != 200]
        assert {(told.status, told.error) for told in refused} == {(503, "no_channel_available")}

        customer = await nodes.a.operator.customer()
        await customer.revoke()
        for node in (nodes.a, nodes.b):
            node.secret = customer.secret
            assert (await node.ask()).status == 401


async def _asked_until_out(node: World, channel: str) -> bool:
    await node.ask()
    return await _is_out(node, channel)


async def _is_out(node: World, channel: str) -> bool:
    return await state(node, channel) == "out"


async def _know_the_limit(nodes: Nodes, channel: str) -> bool:
    """Whether each node goes by the change: by what it says of a prompt that is too long since then."""
    return all([await _falls_out(node, channel) for node in (nodes.a, nodes.b)])


async def _falls_out(node: World, channel: str) -> bool:
    async with node.http.post(
        f"{node.server.url}/api/routing/explain",
        json={"model": MODEL, "prompt_tokens": CONTEXT + 1},
        headers=node.operator.headers,
    ) as answer:
        assert answer.status == 200, await answer.text()
        fell_out = (await answer.json())["fell_out"]
    return (channel, "context") in [(each["channel_id"], each["reason"]) for each in fell_out]


async def test_a_thousand_requests_while_all_are_down_are_one_alert_told_once_to_each_and_one_recovery(
    dsn: str, tmp_path: Path
) -> None:
    async with (
        mailbox() as mail,
        webhook() as hook,
        two_nodes(dsn, tmp_path, 2, alert_urls=f"{hook.url} {mail.url}") as nodes,
    ):
        for vendor in nodes.vendors:
            vendor.script[MODEL] = vendor.script["/models"] = "fake:error,status=500"
        await until(lambda: _refused(nodes), "nobody is left")
        nodes.a.told.clear()
        await asyncio.gather(*(_ask_some(nodes, 50) for _ in range(20)))
        assert Counter((told.status, told.error) for told in nodes.a.told) == {(503, "no_channel_available"): 1000}
        async with nodes.a.http.post(
            f"{nodes.a.server.url}/v1/chat/completions", json=nodes.a.body(stream=False), headers=nodes.a.headers
        ) as answer:
            assert int(answer.headers["retry-after"]) >= 1

        for vendor in nodes.vendors:
            vendor.script.clear()
        await until(lambda: _answered(nodes), "both nodes serve again")
        connection = await asyncpg.connect(dsn)
        try:
            await until(lambda: _resolved(connection), "the recovery is an event")
            told = await bodies(connection, "alert.raised.v1", "alert.resolved.v1")
            about = [(body["type"], body["subject"]) for body in told if body["kind"] == "no_channel_available"]
            assert about == [("alert.raised.v1", MODEL), ("alert.resolved.v1", MODEL)]
            assert await audit(connection) == []
        finally:
            await connection.close()

        await until(lambda: all(len(said) > 1 for said in _heard(nodes, hook, mail).values()), "everybody has heard it")
        for sink, said in _heard(nodes, hook, mail).items():
            assert said == ["raised", "resolved"], sink


def _heard(nodes: Nodes, hook: Hook, mail: Mailbox) -> dict[str, list[str]]:
    """Give what each sink was told of the model, which is served by nobody, in order."""
    lines = (nodes.a.server.output + nodes.b.server.output).splitlines()
    about = f"the model {MODEL}"
    return {
        "log": [
            json.loads(line)["event"].removeprefix("alert_") for line in lines if '"alert_r' in line and _ABOUT in line
        ],
        "webhook": [each["event"].removeprefix("alert.") for each in hook.notices if each["kind"] == _ABOUT],
        "mail": ["resolved" if "again" in each else "raised" for each in mail.mails if about in each.lower()],
    }


_ABOUT: Final = "no_channel_available"


async def _refused(nodes: Nodes) -> bool:
    answers = [await node.ask() for node in (nodes.a, nodes.b)]
    return all(told.error == "no_channel_available" for told in answers)


async def _answered(nodes: Nodes) -> bool:
    return all([(await node.ask()).status == 200 for node in (nodes.a, nodes.b)])


async def _resolved(connection: Any) -> bool:
    return any(body["kind"] == "no_channel_available" for body in await bodies(connection, "alert.resolved.v1"))


async def test_a_node_that_is_killed_in_the_middle_takes_nothing_with_it(dsn: str, tmp_path: Path) -> None:
    async with two_nodes(dsn, tmp_path, 3, limits={"concurrency": 50}) as nodes:
        nodes.vendors[1].script[MODEL] = "fake:slow,delay_ms=150"
        nodes.vendors[2].script[MODEL] = nodes.vendors[2].script["/models"] = "fake:error,status=500"

        async def kill() -> None:
            await until(lambda: len(nodes.a.told) > 60, "there is load")
            await nodes.a.server.kill()
            seen = len(nodes.a.told)
            await until(lambda: len(nodes.a.told) > seen + 100, "the load goes on")

        await run_load(nodes, kill())
        await nodes.a.server.start()
        nodes.vendors[2].script.clear()
        await until(lambda: _is_sound(nodes.b, nodes.channels[2]), "somebody else has taken over the probes")
        await nodes.b.reap()

        connection = await asyncpg.connect(dsn)
        try:
            assert await audit(connection) == []
            ended = await nodes.a.terminals(connection)
            for told in nodes.a.told:
                assert told.status in {200, 0}, told
                if told.done and not told.error:
                    assert ended[told.request_id]["captured_nanos"] == nanos(told.charge)
        finally:
            await connection.close()
        await nodes.a.verify()


async def test_a_flood_of_one_tenant_is_shed_and_another_is_served_while_all_of_it_stands_still(
    dsn: str, tmp_path: Path
) -> None:
    """Not one request of the flood ends before the other's have been answered: they wait for none of them."""
    settings = SETTINGS | {"DATABASE_URL": dsn, "REQUESTS_MAX": "16", "QUEUE_MAX": "16", "QUEUE_SECONDS": "30"}
    async with world(tmp_path / "a", settings | {"FIRST_BYTE_TIMEOUT_SECONDS": "60"}) as node:
        node.script("hang")
        floods = [asyncio.create_task(node.ask()) for _ in range(48)]
        await until(lambda: sum(told.status == 429 for told in node.told) >= 18, "what is too much is shed")
        await until(lambda: len(node.vendor.meter) == 14, "the flood fills all but an eighth of the slots")
        customer = await node.operator.customer()
        node.vendor.script[MODEL] = ""
        other = World(node.server, node.vendor, node.http)
        other.secret = customer.secret
        for _ in range(5):
            answers = await asyncio.gather(other.ask(), other.ask(stream=True))
            assert [told.status for told in answers] == [200, 200]

        assert sum(metered.outcome == "open" for metered in node.vendor.meter) == 14, "all of the flood stands still"
        node.vendor.release.set()
        await asyncio.gather(*floods)
        assert Counter(told.status for told in node.told) == {200: 30, 429: 18}
        refused = next(told for told in node.told if told.status == 429)
        assert refused.error == "too_many_requests"


def _headers(answer: aiohttp.ClientResponse) -> dict[str, str]:
    return {name: answer.headers.get(f"x-tallygate-{name}", "") for name in ("cache", "charge", "request-id")}


async def test_an_answer_is_given_again_to_a_token_that_wants_that(dsn: str, tmp_path: Path) -> None:
    async with world(tmp_path / "a", SETTINGS | {"DATABASE_URL": dsn}) as node:
        customer = await node.operator.customer(token={"cache_seconds": 60})

        async def ask(text: str = "Hi", **headers: str) -> tuple[dict[str, str], bytes]:
            body = node.body(stream=False) | {"messages": [{"role": "user", "content": text}]}
            sent = {"authorization": f"Bearer {customer.secret}", **headers}
            async with node.http.post(f"{node.server.url}/v1/chat/completions", json=body, headers=sent) as answer:
                assert answer.status == 200
                return _headers(answer), await answer.read()

        fresh, first = await ask()
        again, second = await ask()
        refreshed, _ = await ask(**{"cache-control": "no-cache"})
        other, _ = await ask("Ho")

        assert [each["cache"] for each in (fresh, again, refreshed, other)] == ["miss", "hit", "miss", "miss"]
        assert json.loads(first) == json.loads(second)
        assert (again["charge"], again["request-id"] != fresh["request-id"]) == ("0", True)
        assert len(node.vendor.meter) == 3
        receipt = await node.operator.receipt(again["request-id"])
        assert receipt["state"] == "captured"
        assert any("cache" in line for line in receipt["text"])
        connection = await asyncpg.connect(dsn)
        try:
            assert await audit(connection) == []
        finally:
            await connection.close()
