"""Several workers: one is killed or stopped, the others serve on, and what it left behind is settled by its successor.

A worker's number is in the name of its journal's file, so a test knows whom a request is with.
"""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.checks import charged
from tests.faults.test_kill_app import at_the_gate, gate
from tests.faults.test_postgres import family, load, more
from tests.faults.world import World, price, until, world
from tests.support.fake_vendor import PROMPT_TOKENS
from tests.support.ledger import Connection

pytestmark = pytest.mark.faults

WORKERS = 2
ANSWER = price(PROMPT_TOKENS, 20)


@pytest.fixture(scope="module")
async def crew(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """Two workers and the embedded PostgreSQL; both have heard of the channel."""
    settings = {"WORKERS": str(WORKERS), "DRAIN_SECONDS": "3", "HOLD_TIMEOUT_SECONDS": "3"}
    async with world(tmp_path_factory.mktemp("crew") / "data", settings) as made:
        made.script("plain")
        await until(lambda: _all_answer(made), "every worker knows the model")
        made.told.clear()
        yield made


async def _all_answer(crew: World) -> bool:
    return all([(await crew.ask()).done for _ in range(4 * WORKERS)])


@pytest.fixture
async def connection(crew: World) -> AsyncIterator[Connection]:
    crew.script("plain")
    made = await crew.connect()
    yield made
    await made.close()


def workers(crew: World) -> set[int]:
    """Give the workers' numbers: the supervisor's children, but for PostgreSQL and for those that have ended."""
    children = set(family(crew.server.pid)[1:]) - {crew.server.postgres_pid}
    return {pid for pid in children if b"app.cli.worker" in _command(pid)}


def _command(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def journals(crew: World) -> dict[int, int]:
    """Give the size of each worker's journal: what is settled stays in it for a while, so only its growth tells."""
    found: dict[int, int] = {}
    for path in (crew.server.data / "journal").glob("*.journal"):
        with contextlib.suppress(FileNotFoundError):
            found[int(path.name.split("-")[-3])] = path.stat().st_size
    return found


async def whose(crew: World, before: dict[int, int]) -> int:
    """Wait until a worker has written to its journal, and give it."""

    def grown() -> list[int]:
        return [pid for pid, size in journals(crew).items() if size > before.get(pid, 0)]

    await until(grown, "a record is in a journal")
    (found,) = grown()
    assert found in workers(crew)
    return found


async def replaced(crew: World, killed: int) -> None:
    await until(lambda: len(workers(crew) - {killed}) == WORKERS, "the supervisor has started another worker")
    await crew.server.wait_ready()


async def test_the_successor_of_a_killed_worker_charges_what_its_journal_says(
    crew: World, connection: Connection
) -> None:
    """The vendor has answered, the log has not heard of it, and the worker is killed: another one sees to the rest."""
    supervisor = crew.server.pid
    before, metered = await charged(connection), crew.metered()
    crew.script("hang")
    crew.vendor.release.clear()
    crew.vendor.arrived.clear()
    asking = asyncio.create_task(crew.ask(stream=True))
    await until(crew.vendor.arrived.is_set, "the vendor has been asked")
    async with gate(crew):
        sizes = journals(crew)
        crew.vendor.release.set()
        victim = await whose(crew, sizes)
        await at_the_gate(connection)
        # Held still, so that nobody comes in the victim's place before it was looked at what its death has left.
        os.kill(supervisor, signal.SIGSTOP)
        os.kill(victim, signal.SIGKILL)
        told = await asking
    try:
        assert not told.done
        # The control: nobody has charged it yet, and without the journal nobody ever would.
        assert await charged(connection) == before
        assert await crew.open_holds(connection) == 1
    finally:
        os.kill(supervisor, signal.SIGCONT)
    await replaced(crew, victim)
    await crew.nothing_open(connection)

    assert await charged(connection) - before == crew.metered() - metered == ANSWER
    assert victim not in journals(crew), "the dead worker's journal is done with"
    await crew.check(connection)


async def test_under_load_the_others_serve_on_and_no_acknowledged_charge_is_lost(
    crew: World, connection: Connection
) -> None:
    crew.script("plain,delay_ms=2")
    before, metered = await charged(connection), crew.metered()
    crew.told.clear()
    async with load(crew) as told:
        for _ in range(2):
            await more(told, 30)
            victim = min(workers(crew))
            os.kill(victim, signal.SIGKILL)
            # While there is one worker less, too.
            await more(told, 10)
            await replaced(crew, victim)
            await more(told, 30)
    await until(lambda: all(each.outcome != "open" for each in crew.vendor.meter), "the vendor has noticed")
    await crew.reap()
    await crew.check(connection)
    taken = await charged(connection) - before
    used = crew.metered() - metered
    done = sum(each.done for each in told)
    broken = sum(not each.done for each in told)

    assert done >= 120
    assert broken > 0, "the control: a kill that breaks nothing has hit nobody"
    assert done * ANSWER <= taken <= used
    assert used - taken <= broken * ANSWER, "what is lost is what nobody was told of"


async def test_a_worker_that_stands_still_in_mid_stream_goes_on_where_it_was(
    crew: World, connection: Connection
) -> None:
    before, metered = await charged(connection), crew.metered()
    crew.script("plain,chunks=60,delay_ms=50")
    sizes = journals(crew)
    asking = asyncio.create_task(crew.ask(stream=True))
    victim = await whose(crew, sizes)
    told = crew.told[-1]
    os.kill(victim, signal.SIGSTOP)
    try:
        await until(lambda: crew.vendor.meter[-1].outcome == "done", "the vendor has said all that it had to say")
        heard = told.words
    finally:
        os.kill(victim, signal.SIGCONT)
    await asking

    assert told.done
    assert heard < 60, "the control: it did stand still"
    assert told.words == 60
    await crew.nothing_open(connection)
    assert await charged(connection) - before == crew.metered() - metered == price(PROMPT_TOKENS, 60)
    await crew.check(connection)


async def test_a_worker_that_wakes_after_its_hold_has_expired_still_charges_what_was_used(
    crew: World, connection: Connection
) -> None:
    before, metered = await charged(connection), crew.metered()
    crew.script("plain,chunks=60,delay_ms=50")
    sizes = journals(crew)
    asking = asyncio.create_task(crew.ask(stream=True))
    victim = await whose(crew, sizes)
    hold = str(await connection.fetchval("SELECT hold_id FROM ledger.hold"))
    os.kill(victim, signal.SIGSTOP)
    try:
        await connection.execute("UPDATE ledger.hold SET deadline = now() - interval '1 hour'")
        await crew.reap()
        # The control: expired, and nothing charged.
        assert (await crew.terminals(connection))[hold]["type"] == "hold.expired.v1"
        assert await charged(connection) == before
    finally:
        os.kill(victim, signal.SIGCONT)
    await asking

    async def adjusted() -> bool:
        return await charged(connection) > before

    await until(adjusted, "what was used after all is charged")
    assert await charged(connection) - before == crew.metered() - metered == price(PROMPT_TOKENS, 60)
    crew.told.pop()
    await crew.check(connection)


async def test_after_all_of_it_the_workers_are_as_many_as_before(crew: World) -> None:
    assert len(workers(crew)) == WORKERS
    assert crew.server.output.count("worker died") == 3
    assert await crew.server.stop() == 0
    await crew.server.start()
    connection = await crew.connect()
    assert await crew.open_holds(connection) == 0
    await connection.close()
