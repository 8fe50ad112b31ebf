"""Rebuild: the same bytes as the live rows, while writes and reads go on, however often it is killed."""

import asyncio
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from app.projections import PROJECTIONS
from domain.ids import first_lane
from projections.balances import BALANCES, Balances
from projections.base import Projection, live
from projections.folder import Folder
from projections.generations import Filling, FillParkedError, begin, digest, is_outdated, rebuild
from projections.runner import Runner, advance, lag
from tests.projections.test_folding import advance_all, eventually
from tests.projections.test_together import nobody_is_behind
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    from projections.folder import Pool

ROOT = Path(__file__).parents[2]

each_projection = pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda projection: projection.name)


async def live_digest(pool: "Pool", projection: Projection) -> str:
    async with pool.acquire() as connection:
        generation = await connection.fetchval(
            "SELECT generation FROM projection.generation WHERE name = $1 AND state = 'live'", projection.name
        )
        return await digest(connection, projection, generation)


@each_projection
async def test_a_rebuild_gives_the_bytes_that_live_folding_gave(
    pool: "Pool", writer: Connection, workload: Workload, projection: Projection
) -> None:
    for _ in range(8):
        await workload.run(writer, 4)
        await advance_all(pool, workload, [projection])
    before = await live_digest(pool, projection)

    assert await rebuild(pool, projection) == 2

    assert await live_digest(pool, projection) == before
    for table in projection.tables:
        assert await pool.fetchval(f"SELECT count(*) FROM {table} WHERE generation <> 2") == 0
    generations = await pool.fetch(
        "SELECT generation, state FROM projection.generation WHERE name = $1", projection.name
    )
    assert [tuple(row) for row in generations] == [(2, "live")]


async def test_the_digest_sees_the_least_change(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 10)
    await advance_all(pool, workload, [BALANCES])
    before = await live_digest(pool, BALANCES)
    await writer.execute("UPDATE projection.balances SET granted_nanos = granted_nanos + 1 WHERE owner = 'tenant'")

    assert await live_digest(pool, BALANCES) != before
    await rebuild(pool, BALANCES)
    assert await live_digest(pool, BALANCES) == before


@each_projection
async def test_rebuilds_while_events_are_written_and_the_live_rows_move(
    pool: "Pool", writer: Connection, workload: Workload, projection: Projection
) -> None:
    runner = Runner(pool, [projection])
    await runner.start()
    writing = asyncio.create_task(workload.run(writer, 60))
    generations = [await rebuild(pool, projection, batch_events=40) for _ in range(3)]
    await writing

    async def caught_up() -> bool:
        return all(each.events == 0 for each in await lag(pool, [projection]))

    await eventually(caught_up)
    await runner.stop()
    assert generations == [2, 3, 4]
    moved = await live_digest(pool, projection)
    await rebuild(pool, projection)
    assert await live_digest(pool, projection) == moved


async def test_readers_never_see_an_empty_projection_nor_an_older_state(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 10)
    await advance_all(pool, workload, [BALANCES])
    stopped = asyncio.Event()
    query = (
        f"SELECT sum(requests)::int FROM projection.balances WHERE generation = {live('balances')} AND owner = 'tenant'"
    )

    async def read() -> list[int]:
        seen = []
        while not stopped.is_set():
            seen.append(await pool.fetchval(query))
        return seen

    async def write() -> None:
        for _ in range(20):
            await workload.run(writer, 1)
            await advance_all(pool, workload, [BALANCES])

    reading = asyncio.create_task(read())
    writing = asyncio.create_task(write())
    for _ in range(4):
        await rebuild(pool, BALANCES, batch_events=30)
    await writing
    stopped.set()
    seen = await reading
    assert len(seen) > 10
    assert None not in seen
    assert seen == sorted(seen)


async def test_killed_half_way_it_goes_on_where_it_was(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 20)
    await advance_all(pool, workload, [BALANCES])
    before = await live_digest(pool, BALANCES)

    class KilledError(Exception):
        pass

    def kill(filling: Filling) -> None:
        if filling.done > filling.total // 2:
            raise KilledError

    with pytest.raises(KilledError):
        await rebuild(pool, BALANCES, kill, batch_events=20)
    assert await live_digest(pool, BALANCES) == before
    half = await pool.fetchval("SELECT sum(position) FROM projection.checkpoint WHERE generation = 2")
    seen: list[Filling] = []

    assert await rebuild(pool, BALANCES, seen.append, batch_events=20) == 2

    assert seen[0].done == half > 0
    assert seen[-1].done == seen[-1].total == workload.events
    assert await live_digest(pool, BALANCES) == before


@each_projection
async def test_killed_with_signal_9_half_way_it_goes_on_while_events_are_written(
    pool: "Pool", database: str, writer: Connection, workload: Workload, projection: Projection
) -> None:
    await workload.run(writer, 15)
    runner = Runner(pool, PROJECTIONS)
    await runner.start()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.projections.rebuilding", database, projection.name),
        cwd=ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    writing = asyncio.create_task(workload.run(writer, 30))
    assert process.stdout is not None
    async for line in process.stdout:
        done, total = map(int, line.split())
        if done > total // 2:
            break
    process.kill()
    assert await process.wait() == -signal.SIGKILL
    states = await pool.fetch("SELECT state FROM projection.generation WHERE name = $1 ORDER BY 1", projection.name)
    assert [row["state"] for row in states] == ["filling", "live"]

    # Its connections are gone only when PostgreSQL has seen it: what they had under way is rolled back then.
    seen: list[Filling] = []
    assert await rebuild(pool, projection, seen.append, batch_events=20) == 2
    await writing

    assert seen[0].done > 0
    await eventually(lambda: nobody_is_behind(pool))
    await runner.stop()
    moved = await live_digest(pool, projection)
    await rebuild(pool, projection)
    assert await live_digest(pool, projection) == moved


async def test_the_flip_says_how_long_it_kept_folds_waiting(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 5)
    stalls: list[float] = []

    await rebuild(pool, BALANCES, on_flip=stalls.append)

    assert len(stalls) == 1
    assert stalls[0] > 0


async def test_two_at_once_make_one_generation(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 20)
    await advance_all(pool, workload, [BALANCES])
    before = await live_digest(pool, BALANCES)

    both = await asyncio.gather(*(rebuild(pool, BALANCES, batch_events=25) for _ in range(2)))

    assert set(both) <= {2, 3}
    assert await live_digest(pool, BALANCES) == before


async def test_an_event_in_the_way_leaves_the_live_generation_in_place(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 10)
    await advance_all(pool, workload, [BALANCES])
    before = await live_digest(pool, BALANCES)
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute("UPDATE ledger.event SET data = '{}' WHERE type = 'hold.captured.v1'")

    with pytest.raises(FillParkedError, match="the live generation stays in place"):
        await rebuild(pool, BALANCES)
    assert await live_digest(pool, BALANCES) == before


async def test_a_new_version_is_filled_at_the_next_start(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 10)
    await advance_all(pool, workload, [BALANCES])

    class Next(Balances):
        version = Balances.version + 1

    newer = Next()
    assert await is_outdated(pool, newer)
    assert not await is_outdated(pool, BALANCES)
    runner = Runner(pool, [newer])
    await runner.start()

    async def flipped() -> bool:
        return not await is_outdated(pool, newer)

    await eventually(flipped)
    await runner.stop()
    customer = workload.customers[0]
    await workload.send(writer, [customer.grant(9)])
    assert await advance(pool, newer, customer.tenant_id, first_lane(customer.tenant_id)) > 0
    # The old code finds that its rows are gone, and leaves the new ones alone.
    assert await advance(pool, BALANCES, customer.tenant_id, first_lane(customer.tenant_id)) == 0


async def test_a_generation_that_was_put_away_is_folded_no_more(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 5)
    await advance_all(pool, workload, [BALANCES])
    customer = workload.customers[0]
    await rebuild(pool, BALANCES)

    async with pool.acquire() as connection:
        assert await Folder(BALANCES).lane(connection, 1, (customer.tenant_id, first_lane(customer.tenant_id))) is None


async def test_a_flip_waits_for_folds_under_way(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 5)
    await advance_all(pool, workload, [BALANCES])
    generation = await begin(pool, BALANCES)
    async with pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        await connection.execute("SELECT pg_advisory_xact_lock_shared(7101, hashtext('balances'))")
        flip = asyncio.create_task(rebuild(pool, BALANCES))
        done, _ = await asyncio.wait([flip], timeout=0.5)
        assert not done
        await transaction.rollback()
        assert await flip == generation
