"""PostgreSQL killed and stopped under load, and the server told to end: what was told stays, and the meters agree."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.checks import charged
from tests.faults.world import Told, World, price, until
from tests.support.fake_vendor import PROMPT_TOKENS

pytestmark = pytest.mark.faults

CLIENTS = 6
ANSWER = price(PROMPT_TOKENS, 20)


def family(pid: int) -> list[int]:
    """Give a postmaster and its children, each of which is a session of its own."""
    children = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                children += [int(entry.name)] if parent == pid else []
    return [pid, *children]


def send(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


@contextlib.asynccontextmanager
async def load(world: World) -> AsyncIterator[list[Told]]:
    """Six clients who ask and ask, half of them for streams; gives what they were told."""
    stop = asyncio.Event()

    async def ask_on(number: int) -> None:
        while not stop.is_set():
            told = await world.ask(stream=number % 2 == 0)
            if not told.done:
                await asyncio.sleep(0.02)

    clients = [asyncio.create_task(ask_on(number)) for number in range(CLIENTS)]
    try:
        yield world.told
    finally:
        stop.set()
        await asyncio.gather(*clients)


async def more(told: list[Told], count: int = 20) -> None:
    """Wait until some more requests have been answered whole."""
    enough = sum(each.done for each in told) + count
    await until(lambda: sum(each.done for each in told) >= enough, "the service answers")


async def books(world: World) -> None:
    """Prove that nothing is lost or charged twice: the server lived, so its vendor's meter is met exactly."""
    await until(lambda: all(each.outcome != "open" for each in world.vendor.meter), "the vendor is done")
    connection = await world.connect()
    try:
        await world.nothing_open(connection)
        await world.check(connection)
        assert await charged(connection) == world.metered()
        # The control: one charge more or less would show.
        assert await charged(connection) != world.metered() + ANSWER
    finally:
        await connection.close()


async def test_kill_9_of_postgresql_under_load_loses_no_charge(embedded_world: World) -> None:
    world = embedded_world
    world.script("plain")
    async with load(world) as told:
        for _ in range(2):
            await more(told)
            killed = world.server.postgres_pid
            send(family(killed), signal.SIGKILL)
            await until(lambda killed=killed: _restarted(world, killed), "PostgreSQL runs again, by itself")  # type: ignore[misc]
            await more(told)

    assert {each.status for each in told} <= {200, 503}
    await books(world)


def _restarted(world: World, killed: int) -> bool:
    with contextlib.suppress(FileNotFoundError, IndexError, ValueError):
        return world.server.postgres_pid != killed
    return False


async def test_a_stopped_postgresql_admits_nobody_and_loses_nothing(embedded_world: World) -> None:
    """What streams when it stops is answered from the journal; who asks meanwhile is told 503, and no vendor hears."""
    world = embedded_world
    world.script("plain,delay_ms=2")
    async with load(world) as told:
        await more(told)
        stopped = family(world.server.postgres_pid)
        send(stopped, signal.SIGSTOP)
        try:
            before = len(told)
            await until(lambda: sum(each.status == 503 for each in told[before:]) >= CLIENTS, "holds that fail closed")
            asked = len(world.vendor.meter)
            refused = await world.ask()
            assert (refused.status, refused.error) == (503, "ledger_unavailable")
            assert len(world.vendor.meter) == asked
        finally:
            send(stopped, signal.SIGCONT)
        await more(told)

    assert {each.status for each in told} <= {200, 503}
    await books(world)


async def test_sigterm_under_load_drains_settles_and_leaves_nothing_open(embedded_world: World) -> None:
    world = embedded_world
    world.script("plain,chunks=20,delay_ms=10")
    async with load(world) as told:
        await more(told, 10)
        before = len(told)
        ending = asyncio.create_task(world.server.stop())
        assert await ending == 0
        under_way = told[before - CLIENTS : before]

    assert all(each.done for each in under_way if each.status == 200), "what ran came to its end"
    assert not list((world.server.data / "journal").glob("*.journal")), "nothing is left to settle"
    await world.server.start()
    await books(world)


async def test_sigterm_interrupts_and_settles_what_does_not_end(embedded_world: World) -> None:
    """One answer without end, and one that never begins: past the time to drain both are broken off."""
    world = embedded_world
    asked, metered = len(world.vendor.meter), world.metered()
    world.script("endless,delay_ms=5")
    streaming = asyncio.create_task(world.ask(stream=True))
    await until(lambda: len(world.vendor.meter) > asked and world.told[-1].words >= 5, "an answer streams")
    world.script("hang")
    waiting = asyncio.create_task(world.ask())
    await until(lambda: len(world.vendor.meter) == asked + 2, "the vendor was asked")

    assert await world.server.stop() == 0
    streamed, waited = await streaming, await waiting

    assert not list((world.server.data / "journal").glob("*.journal"))
    await world.server.start()
    connection = await world.connect()
    terminals = await world.terminals(connection)
    assert terminals[waited.request_id]["type"] == "hold.voided.v1"
    captured = terminals[streamed.request_id]
    assert (captured["type"], captured["outcome"]) == ("hold.captured.v1", "interrupted")
    # Where a checkpoint cuts a text our own count is a token above it; there was one each two seconds, and an end.
    assert price(0, streamed.words) <= captured["captured_nanos"] <= world.metered() - metered + price(0, 4)
    assert streamed.error, "an answer that was broken off does not look whole"
    assert not streamed.done
    assert await world.open_holds(connection) == 0
    await world.check(connection)
    await connection.close()
