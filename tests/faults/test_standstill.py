"""A backend of PostgreSQL that stands still, a disk that is full, a clock that leaps, a kill between two attempts."""

import asyncio
import contextlib
import os
import signal
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from tests.faults.checks import bodies, charged
from tests.faults.test_postgres import load, more
from tests.faults.world import MODEL, Told, World, price, until, world
from tests.support.fake_vendor import PROMPT_TOKENS, FakeVendor
from tests.support.ledger import Connection

pytestmark = pytest.mark.faults

ANSWER = price(PROMPT_TOKENS, 20)
HOUR = 3600
DISK_BYTES = 400 * 2**20


async def settle(world: World, connection: Connection) -> int:
    """Wait until every request has ended, prove the log, and give all that was charged: the vendor's meter, exactly."""
    await until(lambda: all(each.outcome != "open" for each in world.vendor.meter), "the vendor is done")
    await world.nothing_open(connection)
    await world.check(connection)
    taken = await charged(connection)
    assert taken == world.metered()
    # The control: one charge more or less would show.
    assert taken != world.metered() + ANSWER
    return taken


# ---- A backend that stands still


async def backend(connection: Connection) -> int:
    """Give the process of PostgreSQL that the ledger's calls run in."""
    pid = await connection.fetchval(
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'tallygate-ledger'"
    )
    assert isinstance(pid, int)
    return pid


async def test_a_ledger_backend_that_stands_still_admits_nobody_and_loses_no_charge(embedded_world: World) -> None:
    """What streams meanwhile is answered from the journal; who asks is told 503; the other backends work on."""
    world = embedded_world
    connection = await world.connect()
    world.script("plain,chunks=40,delay_ms=20")
    world.vendor.arrived.clear()
    asked = len(world.vendor.meter)
    streaming = asyncio.create_task(world.ask(stream=True))
    await until(lambda: len(world.vendor.meter) > asked, "the vendor has been asked: the hold has committed")
    stopped = await backend(connection)
    before = await charged(connection)
    os.kill(stopped, signal.SIGSTOP)
    try:
        told = await streaming
        # The control: it was told the end, and the log does not have it yet, for its backend stands still.
        assert (told.status, told.done) == (200, True)
        assert await charged(connection) == before
        assert await world.open_holds(connection) >= 1
        asked = len(world.vendor.meter)
        refused = await world.ask()
        assert (refused.status, refused.error) == (503, "ledger_unavailable")
        assert len(world.vendor.meter) == asked, "no vendor is asked without a hold"
    finally:
        os.kill(stopped, signal.SIGCONT)
    world.script("plain")
    await until(lambda: _answers(world), "the service is back")
    assert await settle(world, connection) > before
    await connection.close()


async def _answers(world: World) -> bool:
    return (await world.ask()).done


# ---- A server that stands still for longer than a vendor may


async def test_a_server_that_stood_still_does_not_take_its_own_silence_for_the_vendors(shared_world: World) -> None:
    """The vendor went on, and all that it said is there to be read: it must not be broken off for our pause."""
    world = shared_world
    connection = await world.connect()
    world.script("plain,chunks=60,delay_ms=20")
    asking = asyncio.create_task(world.ask(stream=True))
    await until(lambda: world.told and world.told[-1].words >= 5, "an answer streams")
    before = await charged(connection)
    os.kill(world.server.pid, signal.SIGSTOP)
    try:
        await until(lambda: world.vendor.meter[-1].completion_tokens >= 55, "the vendor went on")
        # The control: longer than the 0.6 s for which a vendor may be silent here.
        assert world.told[-1].words < 25
    finally:
        os.kill(world.server.pid, signal.SIGCONT)
    told = await asking

    assert (told.done, told.words, told.error) == (True, 60, "")
    await world.nothing_open(connection)
    assert await charged(connection) - before == price(PROMPT_TOKENS, 60)
    await connection.close()


# ---- A full disk


@pytest.fixture
def disk() -> Iterator[Path]:
    """A small disk of its own, in memory; only root may mount one."""
    with tempfile.TemporaryDirectory(prefix="tallygate-disk-") as folder:
        options = ("-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0755", "tmpfs", folder)
        try:
            done = subprocess.run(("mount", *options), capture_output=True, text=True, check=False)
        except OSError as error:
            pytest.skip(f"a full disk needs a disk that may be filled: {error}")
        if done.returncode:
            pytest.skip(f"a full disk needs root, who may mount one: {done.stderr.strip()}")
        try:
            yield Path(folder)
        finally:
            subprocess.run(("umount", "--lazy", folder), check=True)


def fill(filler: Path) -> None:
    """Leave not one byte free, also of what has been given back since the last time."""
    file = os.open(filler, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    try:
        with contextlib.suppress(OSError):
            while True:
                os.write(file, bytes(65536))
    finally:
        os.close(file)


@contextlib.asynccontextmanager
async def knocking(world: World) -> AsyncIterator[list[Told]]:
    """New clients, one after the other, each asking once: those who were let in before may wait for their answer.

    Gives what those who were answered were told.
    """
    stop = asyncio.Event()
    told: list[Told] = []

    async def ask() -> None:
        told.append(await world.ask())

    async def ask_on() -> None:
        async with asyncio.TaskGroup() as asking:
            while not stop.is_set():
                asking.create_task(ask())
                await asyncio.sleep(0.1)

    clients = asyncio.create_task(ask_on())
    try:
        yield told
    finally:
        stop.set()
        await clients


async def test_a_full_disk_under_postgresql_and_journal_loses_no_charge(disk: Path) -> None:
    async with world(disk / "data", {"DRAIN_SECONDS": "3", "SHARED_BUFFERS_MEBIBYTES": "16"}) as made:
        made.script("plain,delay_ms=2")
        async with load(made) as told:
            await more(told)
            filler = disk / "filler"

            def nobody_is_admitted() -> bool:
                fill(filler)
                return sum(each.status == 503 for each in answered) >= 6

            async with knocking(made) as answered:
                try:
                    await until(nobody_is_admitted, "nobody is admitted any more")
                    assert os.statvfs(disk).f_bavail == 0, "the control: the disk is full"
                    connection = await made.connect()
                    with pytest.raises(Exception, match=r"No space left|could not"):
                        # The control: PostgreSQL itself finds no room.
                        await connection.execute("CREATE TABLE filling AS SELECT generate_series(1, 999999)")
                    await connection.close()
                finally:
                    filler.unlink()
            await more(told)
        assert {each.status for each in told} <= {200, 503}
        connection = await made.connect()
        await settle(made, connection)
        await connection.close()


# ---- A clock that leaps


@pytest.fixture
async def shifted(tmp_path: Path) -> AsyncIterator[tuple[World, Path]]:
    """A server whose clock is what a file says."""
    file = tmp_path / "ahead"
    file.write_text("0")
    program = ("-m", "tests.faults.shifted_server", str(file))
    async with world(tmp_path / "data", {"DRAIN_SECONDS": "3"}, program=program) as made:
        made.script("plain")
        await until(lambda: _answers(made), "the service answers")
        made.told.clear()
        yield made, file


def leap(file: Path, seconds: int) -> None:
    """Set the clock, whole at once."""
    fresh = file.with_suffix(".new")
    fresh.write_text(str(seconds))
    fresh.rename(file)


async def test_a_clock_that_leaps_an_hour_either_way_loses_and_doubles_nothing(shifted: tuple[World, Path]) -> None:
    made, file = shifted
    made.script("plain,delay_ms=2")
    async with load(made) as told:
        for ahead in (HOUR, 2 * HOUR, HOUR, 0, HOUR, 0):
            before = len(told)
            await more(told)
            leap(file, ahead)
            await more(told)
            # Each was served: what is early or late for a hold is PostgreSQL's clock to say.
            assert {each.status for each in told[before:] if each.status} == {200}
    # The control: the clock has leapt indeed, for ids are made from it.
    times = [int(each.request_id.replace("-", "")[:12], 16) for each in told if each.request_id]
    assert max(times) - min(times) >= HOUR * 1000
    connection = await made.connect()
    taken = await settle(made, connection)
    # Before its prices were published nothing has a price: refused, and not given away.
    leap(file, -HOUR)
    asked = len(made.vendor.meter)
    refused = await made.ask()
    assert (refused.status, refused.error, len(made.vendor.meter)) == (400, "unpriced_model", asked)
    leap(file, 0)
    assert (await made.ask()).done
    assert await settle(made, connection) == taken + ANSWER
    expired = await bodies(connection, "hold.expired.v1")
    assert expired == [], "no hold has expired that nobody had forgotten"
    await connection.close()


async def test_a_stream_that_runs_while_the_clock_leaps_ends_as_if_nothing_was(shifted: tuple[World, Path]) -> None:
    made, file = shifted
    made.script("plain,chunks=50,delay_ms=30")
    asking = [asyncio.create_task(made.ask(stream=True)) for _ in range(4)]
    for ahead in (HOUR, 2 * HOUR, 0, -HOUR):
        words = sum(each.words for each in made.told)
        await until(lambda words=words: sum(each.words for each in made.told) > words + 20, "the streams go on")  # type: ignore[misc]
        leap(file, ahead)
    told = await asyncio.gather(*asking)

    assert all(each.done and each.words == 50 for each in told)
    connection = await made.connect()
    before = made.metered() - 4 * price(PROMPT_TOKENS, 50)
    assert before == ANSWER * (len(made.vendor.meter) - 4), "the four were metered whole"
    await settle(made, connection)
    await connection.close()


# ---- A kill between two attempts


async def test_killed_between_two_attempts_nothing_is_charged_and_the_failed_one_is_told_once(tmp_path: Path) -> None:
    async with (
        FakeVendor() as second,
        world(tmp_path / "data", {"HOLD_TIMEOUT_SECONDS": "2", "FIRST_BYTE_TIMEOUT_SECONDS": "20"}) as made,
    ):
        # The first one tried fails; the second takes its time.
        await made.operator.channel(second.base_url, MODEL, priority=-10)
        made.script("error,status=500")
        second.script[MODEL] = "fake:plain"
        await until(lambda: _second_answers(made, second), "the second channel is known, and tried after the first")
        connection = await made.connect()
        before = await charged(connection)
        failed = len(await bodies(connection, "attempt.failed.v1"))
        second.script[MODEL] = "fake:hang"
        second.arrived.clear()
        asking = asyncio.create_task(made.ask())
        await until(second.arrived.is_set, "the second vendor has been asked")
        hold = str(await connection.fetchval("SELECT hold_id FROM ledger.hold"))
        await made.server.kill()
        told = await asking
        await connection.close()
        second.script[MODEL] = "fake:plain"
        await made.server.start()
        connection = await made.connect()
        assert not told.done
        # The control: its hold is still open, and without the reaper its credit would stay set aside.
        assert await made.open_holds(connection) == 1
        await made.reap()
        await made.check(connection)

        assert await charged(connection) == before
        assert (await made.terminals(connection))[hold]["type"] == "hold.expired.v1"
        attempts = [each for each in await bodies(connection, "attempt.failed.v1") if each["hold_id"] == hold]
        assert [each["number"] for each in attempts] == [1]
        assert len(await bodies(connection, "attempt.failed.v1")) == failed + 1
        # And the control of the whole: not killed, the same request is answered by the second and charged once.
        assert (await made.ask()).done
        await made.nothing_open(connection)
        assert await charged(connection) == before + ANSWER
        await connection.close()


async def _second_answers(made: World, second: FakeVendor) -> bool:
    return (await made.ask()).done and bool(second.meter)
