"""Read models under faults: a server killed in the middle of a fold, and a rebuild while all goes on."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.faults.checks import charged
from tests.faults.test_postgres import family, load, more
from tests.faults.world import World, until
from tests.support.ledger import Connection

pytestmark = pytest.mark.faults

_LIVE = "(SELECT generation FROM projection.generation WHERE name = 'usage' AND state = 'live')"


async def shown(connection: Connection) -> int:
    """Give what the read model of usage says was charged."""
    return int(
        await connection.fetchval(
            f"SELECT coalesce(sum(captured_nanos), 0) FROM projection.usage_hourly WHERE generation = {_LIVE}"
        )
    )


async def test_a_server_killed_in_the_middle_of_a_fold_folds_each_event_once(shared_world: World) -> None:
    """The fold has written to one table and waits for the next: whatever it did so far was nothing."""
    world = shared_world
    connection, gate = await world.connect(), await world.connect()
    world.script("plain")
    assert (await world.ask()).done

    async def caught_up() -> bool:
        return await shown(connection) == await charged(connection)

    await until(caught_up, "what was charged so far is folded")
    before = await shown(connection)
    await gate.execute("BEGIN")
    await gate.execute("LOCK TABLE projection.usage_hourly IN SHARE MODE")
    assert all([(await world.ask(stream=stream)).done for stream in (False, True, False, True)])

    async def in_the_middle() -> bool:
        return bool(
            await connection.fetchval(
                "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted"
                " AND a.datname = current_database() AND l.relation = 'projection.usage_hourly'::regclass"
            )
        )

    await until(in_the_middle, "a fold waits for a table")
    await world.server.kill()
    # The control: it was charged, and the read model has not heard of it.
    assert before == await shown(connection) < await charged(connection)
    await gate.execute("ROLLBACK")
    await gate.close()
    await world.server.start()

    await until(caught_up, "the next one folds the rest")
    await world.check(connection)
    await connection.close()


def background(world: World) -> int | None:
    """Give the number of the process that folds; None while there is none."""
    found = [
        pid
        for pid in family(world.server.pid)[1:]
        if b"app.cli.background" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]
    return found[0] if found else None


async def test_the_process_that_folds_is_killed_in_the_middle_and_another_one_folds_each_event_once(
    shared_world: World,
) -> None:
    world = shared_world
    connection, gate = await world.connect(), await world.connect()
    world.script("plain")
    async with gate.transaction():
        await gate.execute("LOCK TABLE projection.usage_hourly IN SHARE MODE")
        assert (await world.ask()).done

        async def in_the_middle() -> bool:
            return bool(
                await connection.fetchval(
                    "SELECT count(*) FROM pg_locks AS l JOIN pg_stat_activity AS a USING (pid) WHERE NOT l.granted"
                    " AND a.application_name = 'tallygate background'"
                    " AND l.relation = 'projection.usage_hourly'::regclass"
                )
            )

        await until(in_the_middle, "a fold waits for a table")
        killed = background(world)
        assert killed is not None
        os.kill(killed, signal.SIGKILL)
        await until(lambda: background(world) not in {None, killed}, "another one has come")
        # The control: requests are served all the while, and the read model has heard of none of them.
        assert all([(await world.ask(stream=stream)).done for stream in (False, True)])
        assert await shown(connection) < await charged(connection)

    async def caught_up() -> bool:
        return await shown(connection) == await charged(connection)

    await until(caught_up, "the next one folds the rest")
    await world.check(connection)
    await gate.close()
    await connection.close()


async def test_a_rebuild_under_load_mends_what_is_wrong_and_loses_nothing_that_is_folded_meanwhile(
    shared_world: World,
) -> None:
    world = shared_world
    connection = await world.connect()
    world.script("plain,delay_ms=2")
    async with load(world) as told:
        await more(told)
        await connection.execute(
            f"UPDATE projection.usage_hourly SET requests = requests + 1 WHERE generation = {_LIVE}"
        )
        # The control: the proof sees a read model that is wrong by one.
        status, output = await world.command("verify")
        assert (status, "usage" in output) == (1, True), output

        before = sum(each.done for each in told)
        status, output = await world.command("rebuild", "usage")
        assert status == 0, output
        assert sum(each.done for each in told) > before, "requests were served all the while"
        await more(told)
    await world.nothing_open(connection)

    async def caught_up() -> bool:
        return await shown(connection) == await charged(connection)

    await until(caught_up, "what came meanwhile is folded")
    assert {each.status for each in told} == {200}
    await world.check(connection)
    await connection.close()


async def test_two_rebuilds_at_once_beside_a_load_leave_one_sound_read_model(shared_world: World) -> None:
    world = shared_world
    connection = await world.connect()
    generation = await connection.fetchval(f"SELECT {_LIVE}")
    async with load(world) as told:
        await more(told, 5)
        ended = await asyncio.gather(*(world.command("rebuild", "usage") for _ in range(2)))
        await more(told, 5)

    assert {status for status, _ in ended} <= {0, 2}, ended
    assert 0 in {status for status, _ in ended}, ended
    assert await connection.fetchval(f"SELECT {_LIVE}") > generation
    await world.nothing_open(connection)
    await world.check(connection)
    await connection.close()
