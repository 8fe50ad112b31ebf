"""kill -9 of the server at each step of a request's life; then a start on the same data, and the books.

The steps are found by looking (a hold in the database, a call at the vendor's, a backend that waits for a lock, a
record in the journal), never by waiting some time. A lock on the lane's row is the gate that keeps what is on its way
to the log from getting there.
"""

import asyncio
import contextlib
import random
import socket
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.faults.checks import charged
from tests.faults.world import MODEL, Told, World, price, until
from tests.support.fake_vendor import PROMPT_TOKENS
from tests.support.ledger import Connection

pytestmark = pytest.mark.faults

SEED = 7_311
WORD_SECONDS = 0.02
CHECKPOINT_SECONDS = 2
ANSWER = price(PROMPT_TOKENS, 20)


@pytest.fixture
async def database_connection(shared_world: World) -> AsyncIterator[Connection]:
    shared_world.script("plain")
    connection = await shared_world.connect()
    yield connection
    await connection.close()


@contextlib.asynccontextmanager
async def gate(world: World) -> AsyncIterator[None]:
    """Let nothing of the customer into the log; whoever waits at the end is cut off, and has done nothing."""
    connection = await world.connect()
    try:
        await connection.execute("BEGIN")
        await connection.execute("SELECT FROM ledger.lane WHERE tenant_id = $1 FOR UPDATE", world.tenant_id)
        yield
        await connection.execute(f"SELECT pg_terminate_backend(pid) FROM ({_WAITERS}) AS w")
        await until(lambda: _no_waiters(connection), "who waited is gone")
        await connection.execute("ROLLBACK")
    finally:
        await connection.close()


_WAITERS = (
    "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tallygate-ledger'"
    " AND wait_event_type = 'Lock'"
)


async def _no_waiters(connection: Connection) -> bool:
    return not await connection.fetch(_WAITERS)


async def at_the_gate(connection: Connection) -> None:
    async def waits() -> bool:
        return bool(await connection.fetch(_WAITERS))

    await until(waits, "a command waits for its lane")


def journal(world: World) -> list[Path]:
    return [path for path in (world.server.data / "journal").glob("*.journal") if path.stat().st_size]


async def kill(world: World, asking: "asyncio.Task[Told]") -> Told:
    await world.server.kill()
    return await asking


async def request(connection: Connection) -> str:
    """Give the one open hold."""
    return str(await connection.fetchval("SELECT hold_id FROM ledger.hold"))


async def settled(world: World, connection: Connection, before: int) -> int:
    """Start again, expire what nobody can end, prove the log, and give what the request was charged."""
    await world.server.start()
    await world.reap()
    await world.check(connection)
    return await charged(connection) - before


async def test_before_the_hold_nothing_is_owed_and_no_vendor_asked(
    shared_world: World, database_connection: Connection
) -> None:
    before, asked = await charged(database_connection), len(shared_world.vendor.meter)
    async with gate(shared_world):
        asking = asyncio.create_task(shared_world.ask())
        await at_the_gate(database_connection)
        told = await kill(shared_world, asking)

    assert told.status == 0
    assert await settled(shared_world, database_connection, before) == 0
    assert len(shared_world.vendor.meter) == asked, "no vendor is asked before the hold has committed"


async def test_after_the_hold_it_expires_and_takes_nothing(
    shared_world: World, database_connection: Connection
) -> None:
    """The channel's vendor takes the connection and never reads: nothing has reached it."""
    before = await charged(database_connection)
    with socket.create_server(("127.0.0.1", 0), backlog=8) as deaf:
        path = f"/channels/{await channel_id(shared_world)}"
        await shared_world.operator.change(path, {"base_url": f"http://127.0.0.1:{deaf.getsockname()[1]}"})
        asking = asyncio.create_task(shared_world.ask())
        await until(lambda: shared_world.open_holds(database_connection), "the hold has committed")
        hold = await request(database_connection)
        await kill(shared_world, asking)
        assert await settled(shared_world, database_connection, before) == 0
        await shared_world.operator.change(path, {"base_url": shared_world.vendor.base_url})

    assert (await shared_world.terminals(database_connection))[hold]["type"] == "hold.expired.v1"


async def channel_id(world: World) -> str:
    channels = (await world.operator.get("/channels"))["items"]
    return next(str(each["id"]) for each in channels if MODEL in each["models"])


async def test_while_the_vendor_works_on_its_answer_the_request_is_lost_to_the_operator_alone(
    shared_world: World, database_connection: Connection
) -> None:
    """The bound: what had not been answered. The client was told nothing, and pays nothing."""
    before, metered = await charged(database_connection), shared_world.metered()
    shared_world.script("hang")
    shared_world.vendor.arrived.clear()
    asking = asyncio.create_task(shared_world.ask())
    await until(shared_world.vendor.arrived.is_set, "the vendor has been asked")
    hold = await request(database_connection)
    told = await kill(shared_world, asking)

    assert not told.done
    assert await settled(shared_world, database_connection, before) == 0
    assert (await shared_world.terminals(database_connection))[hold]["type"] == "hold.expired.v1"
    assert shared_world.metered() - metered <= ANSWER


async def test_in_mid_stream_the_journal_charges_all_but_the_last_seconds(
    shared_world: World, database_connection: Connection, tmp_path: Path
) -> None:
    before, metered = await charged(database_connection), shared_world.metered()
    shared_world.script(f"endless,delay_ms={int(WORD_SECONDS * 500)}")
    asking = asyncio.create_task(shared_world.ask(stream=True, max_tokens=20_000))
    await until(lambda: journal(shared_world), "a checkpoint is in the journal")
    at_checkpoint = shared_world.told[-1].words
    await until(lambda: shared_world.told[-1].words >= at_checkpoint + 10, "the stream went on")
    hold = await request(database_connection)
    told = await kill(shared_world, asking)
    assert not told.done

    # The control: a start without the journal knows nothing of what was used.
    (record,) = journal(shared_world)
    kept = record.rename(tmp_path / record.name)
    await shared_world.server.start()
    assert await shared_world.open_holds(database_connection) == 1
    assert await charged(database_connection) == before
    await shared_world.server.kill()
    kept.rename(record)

    taken = await settled(shared_world, database_connection, before)
    captured = (await shared_world.terminals(database_connection))[hold]
    assert (captured["type"], captured["outcome"], captured["basis"]) == ("hold.captured.v1", "interrupted", "stream")
    # Our count of a text is at most a token above its words, and our prompt at most the vendor's.
    used = shared_world.metered() - metered
    lost_at_most = price(2, round(CHECKPOINT_SECONDS / WORD_SECONDS) + 10)
    assert used - lost_at_most <= taken <= used + price(0, 1)
    assert taken > price(0, 10)
    assert not journal(shared_world)


async def test_after_the_vendors_usage_nothing_is_charged_twice_and_no_more_is_lost_than_the_bound(
    shared_world: World, database_connection: Connection
) -> None:
    """Usage has come, the end has not: the stream's last seconds, here all of it, are the bound."""
    before, metered = await charged(database_connection), shared_world.metered()
    shared_world.script("hang-after-usage,chunks=5")
    asking = asyncio.create_task(shared_world.ask(stream=True))
    await until(lambda: shared_world.told and shared_world.told[-1].words == 5, "all words have come")
    told = await kill(shared_world, asking)

    assert not told.done
    taken = await settled(shared_world, database_connection, before)
    assert 0 <= taken <= shared_world.metered() - metered <= price(PROMPT_TOKENS, 5)


@pytest.mark.parametrize("stream", [True, False])
async def test_before_the_flush_the_journal_has_the_charge(
    shared_world: World, database_connection: Connection, tmp_path: Path, *, stream: bool
) -> None:
    before = await charged(database_connection)
    shared_world.script("hang")
    shared_world.vendor.release.clear()
    shared_world.vendor.arrived.clear()
    asking = asyncio.create_task(shared_world.ask(stream=stream))
    await until(shared_world.vendor.arrived.is_set, "the vendor has been asked")
    hold = await request(database_connection)
    async with gate(shared_world):
        shared_world.vendor.release.set()
        await until(lambda: journal(shared_world), "the terminal is in the journal")
        await at_the_gate(database_connection)
        told = await kill(shared_world, asking)
    assert not told.done, "the end of an answer waits for its capture"
    assert await charged(database_connection) == before

    # The control: a start without the journal does not charge what the vendor has metered.
    (record,) = journal(shared_world)
    kept = record.rename(tmp_path / record.name)
    await shared_world.server.start()
    assert await charged(database_connection) == before
    assert await shared_world.open_holds(database_connection) == 1
    await shared_world.server.kill()
    kept.rename(record)

    assert await settled(shared_world, database_connection, before) == ANSWER
    assert (await shared_world.terminals(database_connection))[hold]["outcome"] == "completed"
    assert not journal(shared_world)


async def test_after_the_flush_everything_told_is_there(shared_world: World, database_connection: Connection) -> None:
    before = await charged(database_connection)
    told = await shared_world.ask(stream=True)
    await shared_world.server.kill()

    assert told.done
    assert await settled(shared_world, database_connection, before) == ANSWER


async def test_killed_at_random_under_load_no_acknowledged_charge_is_lost(
    shared_world: World, database_connection: Connection
) -> None:
    sys.stdout.write(f"seed {SEED}\n")
    rng = random.Random(SEED)
    shared_world.script("plain,delay_ms=2")
    for _ in range(2):
        before, metered = await charged(database_connection), shared_world.metered()
        first = len(shared_world.told)
        stop = asyncio.Event()
        clients = [asyncio.create_task(_ask_on(shared_world, stop, rng)) for _ in range(8)]
        enough = first + rng.randint(40, 80)
        await until(lambda enough=enough: len(shared_world.told) >= enough, "load")  # type: ignore[misc]
        await shared_world.server.kill()
        stop.set()
        await asyncio.gather(*clients)
        told = shared_world.told[first:]
        done = sum(each.done for each in told)
        taken = await settled(shared_world, database_connection, before)

        assert done >= 10
        assert done * ANSWER <= taken <= (await _metered(shared_world)) - metered
        unanswered = sum(not each.done for each in told)
        assert shared_world.metered() - metered - taken <= unanswered * ANSWER


async def _metered(world: World) -> int:
    await until(lambda: all(each.outcome != "open" for each in world.vendor.meter), "the vendor has noticed")
    return world.metered()


async def _ask_on(world: World, stop: asyncio.Event, rng: random.Random) -> None:
    while not stop.is_set():
        told = await world.ask(stream=rng.random() < 0.5)
        if told.status == 0:
            return
