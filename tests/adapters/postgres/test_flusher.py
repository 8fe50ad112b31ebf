"""Group commit over a wire that breaks: every command has its effect once, and every caller has an answer."""

import asyncio
import functools
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import msgspec
import pytest

from adapters.postgres.flusher import Flusher
from domain.ledger.commands import Answer, Code, Command, Leg, Opening, Unit
from domain.ports import LedgerUnavailableError
from tests.support.ledger import TOKEN, Connection, Sender, counter, make_days
from tests.support.pg_proxy import PgProxy
from tests.support.postgres import with_database

TENANT = 7
SENDER = Sender(TENANT)
CREDIT = 1_000_000


@pytest.fixture
async def ledger(database: str) -> AsyncIterator[Connection]:
    """A connection to a ledger with one lane and a wallet in it."""
    connection = await asyncpg.connect(database)
    await make_days(connection)
    await connection.execute("SELECT ledger.open_lane($1, $1)", TENANT)
    yield connection
    await connection.close()


@pytest.fixture
async def proxy(database: str, ledger: Connection) -> AsyncIterator[PgProxy]:
    del ledger
    async with PgProxy(database) as wire:
        yield wire


@pytest.fixture
async def flusher(proxy: PgProxy) -> AsyncIterator[Flusher]:
    flusher = Flusher(proxy.dsn)
    await flusher.start()
    await flusher.submit(SENDER.wallet(CREDIT))
    proxy.calls_sent = proxy.calls_answered = 0
    yield flusher
    proxy.heal()
    await flusher.stop(5.0)


def spend(name: object, nanos: int = 1) -> Command:
    return SENDER.post(name, Leg(TOKEN, nanos))


async def spent(ledger: Connection) -> int:
    value = await ledger.fetchval("SELECT posted FROM ledger.account WHERE account_id = $1", TOKEN)
    assert isinstance(value, int)
    return value


async def events(ledger: Connection) -> set[str]:
    return {str(row[0]) for row in await ledger.fetch("SELECT event_id FROM ledger.event")}


async def until_available(flusher: Flusher, *, state: bool) -> None:
    async with asyncio.timeout(20):
        while flusher.available is not state:  # noqa: ASYNC110 # it is a plain attribute, with nobody to tell
            await asyncio.sleep(0.01)


async def test_what_queues_up_during_a_call_goes_into_the_next_one(flusher: Flusher, proxy: PgProxy) -> None:
    proxy.black_hole()
    first = flusher.enqueue(spend("first"))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    rest = [flusher.enqueue(spend(number)) for number in range(10)]
    proxy.heal()

    assert {answer.code for answer in await asyncio.gather(first, *rest)} == {Code.OK}
    assert proxy.calls_sent == 2


async def test_a_batch_has_a_largest_size(proxy: PgProxy, flusher: Flusher) -> None:
    small = Flusher(proxy.dsn, batch_max=4)
    await small.start()
    answers = [small.enqueue(spend(number)) for number in range(10)]

    assert {answer.code for answer in await asyncio.gather(*answers)} == {Code.OK}
    assert proxy.calls_sent == 3
    await small.stop(1.0)
    assert flusher.available


async def test_a_reply_cut_after_the_commit_charges_once(flusher: Flusher, proxy: PgProxy, ledger: Connection) -> None:
    proxy.cut_replies = {1, 2}

    answer = await flusher.submit(spend("a", 5))

    assert (answer.code, proxy.calls_sent) == (Code.EXISTS, 3)
    assert await spent(ledger) == 5


async def test_a_call_that_never_arrived_is_sent_again(flusher: Flusher, proxy: PgProxy, ledger: Connection) -> None:
    proxy.cut_calls = {1}

    answer = await flusher.submit(spend("a", 5))

    assert (answer.code, proxy.calls_sent) == (Code.OK, 2)
    assert await spent(ledger) == 5


async def test_an_outage_is_waited_out_and_told(flusher: Flusher, proxy: PgProxy, ledger: Connection) -> None:
    proxy.outage()
    waiting = [flusher.enqueue(spend(number)) for number in range(3)]
    await until_available(flusher, state=False)
    assert not any(answer.done() for answer in waiting)

    proxy.heal()

    assert {answer.code for answer in await asyncio.gather(*waiting)} == {Code.OK}
    assert flusher.available
    assert await spent(ledger) == 3


async def test_a_database_that_refuses_connections_is_an_outage_and_no_fault_of_a_command(
    flusher: Flusher, database: str, postgres_dsn: str, ledger: Connection
) -> None:
    name = urlsplit(database).path.lstrip("/")
    admin = await asyncpg.connect(with_database(postgres_dsn, "postgres"))
    await ledger.close()
    await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS false')
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1", name)
    waiting = flusher.enqueue(spend("a"))
    await until_available(flusher, state=False)
    assert not waiting.done()
    await admin.execute(f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS true')
    await admin.close()

    assert (await waiting).code is Code.OK


async def test_patience_ends_and_what_was_not_sent_never_will_be(
    flusher: Flusher, proxy: PgProxy, ledger: Connection
) -> None:
    proxy.black_hole()
    sent, queued = spend("sent"), spend("queued")
    first = asyncio.create_task(flusher.submit(sent, patience_seconds=0.05))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    second = asyncio.create_task(flusher.submit(queued, patience_seconds=0.05))
    for waiting in (first, second):
        with pytest.raises(LedgerUnavailableError):
            await waiting
    proxy.heal()

    assert (await flusher.submit(spend("later"))).code is Code.OK
    assert sent.event_id in await events(ledger), "nothing can take back what is on the wire"
    assert queued.event_id not in await events(ledger)


async def test_what_is_accepted_after_patience_has_ended_is_told_to_whoever_can_undo_it(
    flusher: Flusher, proxy: PgProxy
) -> None:
    late: list[tuple[str, Code]] = []
    proxy.black_hole()
    callers = []
    for name in ("sent", "queued"):
        hear = functools.partial(lambda name, answer: late.append((name, answer.code)), name)
        callers.append(asyncio.create_task(flusher.submit(spend(name), patience_seconds=0.05, on_late=hear)))
        await proxy.until(lambda wire: wire.calls_sent == 1)
    assert all(
        isinstance(each, LedgerUnavailableError) for each in await asyncio.gather(*callers, return_exceptions=True)
    )
    assert not late
    proxy.heal()
    await flusher.submit(spend("later"), on_late=lambda _: late.append(("in time", Code.OK)))

    assert late == [("sent", Code.OK)]


async def test_without_patience_a_command_stays_until_it_is_answered(flusher: Flusher, proxy: PgProxy) -> None:
    proxy.black_hole()
    waiting = asyncio.create_task(flusher.submit(spend("a")))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    proxy.drop_connections()
    proxy.heal()

    assert (await waiting).accepted


@pytest.mark.parametrize(
    "poison",
    [
        msgspec.structs.replace(spend("poison"), type="nul \x00 in a text"),
        msgspec.structs.replace(spend("poison"), timeout_seconds=2**40),
        msgspec.structs.replace(spend("poison"), openings=(Opening(TOKEN, "x", Unit.MONEY, expires_at="never"),)),
        msgspec.structs.replace(spend("poison"), correlation_id="no uuid"),
    ],
    ids=["database", "driver", "arguments", "uuid"],
)
async def test_a_poison_command_sinks_alone(
    flusher: Flusher, proxy: PgProxy, ledger: Connection, poison: Command
) -> None:
    proxy.black_hole()
    first = flusher.enqueue(spend("first"))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    good = [flusher.enqueue(spend(number)) for number in range(5)]
    bad = flusher.enqueue(poison)
    good += [flusher.enqueue(spend(number)) for number in range(5, 9)]
    proxy.heal()

    with pytest.raises((asyncpg.PostgresError, ValueError)):
        await bad
    assert {answer.code for answer in await asyncio.gather(first, *good)} == {Code.OK}
    assert await spent(ledger) == 10
    assert (await flusher.submit(spend("after"))).code is Code.OK


async def test_a_caller_cancelled_at_any_moment_takes_nothing_back(flusher: Flusher, ledger: Connection) -> None:
    commands = [spend(turns) for turns in range(40)]
    for turns, command in enumerate(commands):
        caller = asyncio.create_task(flusher.submit(command, patience_seconds=30.0))
        for _ in range(turns + 1):
            await asyncio.sleep(0)
        caller.cancel()
        await asyncio.gather(caller, return_exceptions=True)

    assert (await flusher.submit(spend("last"))).code is Code.OK
    assert {command.event_id for command in commands} <= await events(ledger)
    assert await spent(ledger) == 41


async def test_the_second_of_two_commands_with_one_id_gets_the_firsts_answer(flusher: Flusher, proxy: PgProxy) -> None:
    proxy.black_hole()
    first = flusher.enqueue(spend("first"))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    twins = [flusher.enqueue(spend("twin")) for _ in range(3)]
    proxy.heal()

    await first
    answers: list[Answer] = await asyncio.gather(*twins)
    assert [answer.code for answer in answers] == [Code.OK, Code.EXISTS, Code.EXISTS]
    assert len({answer.position for answer in answers}) == 1


async def test_a_terminal_in_its_holds_batch_is_sent_again_by_itself(flusher: Flusher, proxy: PgProxy) -> None:
    proxy.black_hole()
    first = flusher.enqueue(spend("first"))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    hold = flusher.enqueue(SENDER.hold("h", Leg(TOKEN, 1), timeout_seconds=60))
    end = flusher.enqueue(SENDER.end("h"))
    proxy.heal()

    assert [answer.code for answer in await asyncio.gather(first, hold, end)] == [Code.OK] * 3


async def test_a_day_without_a_partition_is_made_by_whoever_needs_it_first(database: str) -> None:
    connection = await asyncpg.connect(database)
    await connection.execute("SELECT ledger.open_lane($1, $1)", TENANT)
    flushers = [Flusher(database) for _ in range(4)]
    for each in flushers:
        await each.start()
    answers = await asyncio.gather(
        *(
            each.submit(SENDER.post(number, days=number % 2, openings=(counter(TOKEN),)))
            for number, each in enumerate(flushers)
        )
    )
    for each in flushers:
        assert await each.stop(5.0) == 0

    assert {answer.code for answer in answers} == {Code.OK}
    assert await connection.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'ledger.event'::regclass") == 2
    await connection.close()


async def test_listeners_hear_which_lanes_have_moved(proxy: PgProxy, flusher: Flusher) -> None:
    heard: list[set[tuple[int, int]]] = []
    listening = Flusher(proxy.dsn, on_lanes=lambda lanes: heard.append({*lanes}))
    await listening.start()
    await listening.submit(spend("a"))
    await listening.submit(spend("a"))
    await listening.stop(1.0)

    assert heard == [{(TENANT, TENANT)}], "what moved nothing is not told"
    assert flusher.available


async def test_stopping_flushes_what_is_queued(flusher: Flusher, ledger: Connection) -> None:
    answers = [flusher.enqueue(spend(number)) for number in range(600)]

    assert await flusher.stop(10.0) == 0
    assert all(answer.done() for answer in answers)
    assert await spent(ledger) == 600


async def test_stopping_in_an_outage_counts_what_is_left_and_tells_who_waits(flusher: Flusher, proxy: PgProxy) -> None:
    proxy.black_hole()
    under_way = flusher.enqueue(spend("under way"))
    await proxy.until(lambda wire: wire.calls_sent == 1)
    queued = flusher.enqueue(spend("queued"))

    assert await flusher.stop(0.05) == 2
    for answer in (under_way, queued):
        with pytest.raises(LedgerUnavailableError):
            await answer
