"""Commands under faults: a wire that breaks, deliveries that repeat, eight processes, a reaper in a hurry."""

import asyncio
import dataclasses
import errno
import os
import random
import sys
from collections import Counter
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import asyncpg
import msgspec
import pytest

from adapters.ids import new_id
from adapters.journal import Journal
from adapters.postgres.flusher import Flusher
from adapters.postgres.ledger import apply
from app.relay.settlement import Settlements
from domain.accounts import tenant_account
from domain.ids import EventId, first_lane
from domain.ledger.commands import Answer, Code, Command
from tests.faults.checks import audit, bodies, charged
from tests.projections.workload import Customer
from tests.support.ledger import WALLET, Connection, Sender, make_days
from tests.support.pg_proxy import PgProxy

pytestmark = pytest.mark.faults

SEED = 20_261_123
CREDIT_NANOS = 10**15


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    await make_days(connection)
    yield connection
    await connection.close()


@pytest.fixture
def rng() -> random.Random:
    sys.stdout.write(f"seed {SEED}\n")
    return random.Random(SEED)


@pytest.fixture
async def customer(connection: Connection) -> Customer:
    """A tenant with more than enough credit."""
    made = Customer()
    await connection.execute("SELECT ledger.open_lane($1, $2)", made.tenant_id, first_lane(made.tenant_id))
    assert {answer.code for answer in await apply(connection, [made.openings(), made.grant(CREDIT_NANOS)])} == {Code.OK}
    return made


async def held(
    connection: Connection, customer: Customer, rng: random.Random, count: int, timeout_seconds: int
) -> None:
    commands = [customer.hold(rng, timeout_seconds=timeout_seconds) for _ in range(count)]
    for start in range(0, count, 250):
        answers = await apply(connection, commands[start : start + 250])
        assert {answer.code for answer in answers} == {Code.OK}


async def spent(connection: Connection, customer: Customer) -> int:
    account = tenant_account(customer.tenant_id)
    return -int(await connection.fetchval("SELECT posted FROM ledger.account WHERE account_id = $1", account))


# ---- The disk


async def test_a_full_disk_admits_nobody_and_charges_what_runs(
    *,
    database: str,
    connection: Connection,
    customer: Customer,
    rng: random.Random,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """PostgreSQL is well, and the journal's disk is not: what was admitted is settled all the same."""
    await held(connection, customer, rng, 20, 600)
    captures = [customer.capture(rng, hold) for hold in list(customer.open.values())]
    ledger = Flusher(database)
    await ledger.start()
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        journal = Journal(tmp_path, "node", 64 * 2**20)
        settlements = Settlements(ledger, journal, pool)
        with monkeypatch.context() as full:
            full.setattr(os, "write", _no_space)
            # The control: the disk is full indeed, and whoever insists on the journal charges nothing.
            with pytest.raises(OSError, match="No space"):
                journal.write(captures[0])
            full_before = settlements.is_full
            settlements.checkpoint(captures[0])
            answers = await asyncio.gather(*(settlements.settle(command) for command in captures))
            assert {answer.code for answer in answers if answer is not None} == {Code.OK}
            full_after = settlements.is_full
        assert (full_before, full_after, settlements.is_full) == (False, True, False), "noticed, and then room again"
        assert settlements.open_holds == 0
        journal.close()
    await ledger.stop(1.0)

    assert await charged(connection) == sum(command.money_nanos for command in captures)
    assert await audit(connection) == []


def _no_space(file: int, data: bytes) -> int:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), (file, len(data)))


# ---- The wire


@dataclasses.dataclass
class Storm:
    """Break the wire again and again, at moments that only the seed knows."""

    proxy: PgProxy
    rng: random.Random

    async def rage(self) -> None:
        while True:
            fault = self.rng.randrange(5)
            if fault == 0:
                self.proxy.cut_replies.add(self.proxy.calls_answered + 1)
            elif fault == 1:
                self.proxy.cut_calls.add(self.proxy.calls_sent + 1)
            elif fault == 2:
                self.proxy.outage()
                await asyncio.sleep(self.rng.random() * 0.05)
                self.proxy.heal()
            elif fault == 3:
                self.proxy.black_hole()
                await asyncio.sleep(self.rng.random() * 0.05)
                self.proxy.drop_connections()
                self.proxy.heal()
            else:
                self.proxy.delay_seconds = self.rng.random() * 0.005
            healthy = self.proxy.calls_answered + self.rng.randint(1, 3)
            await self.proxy.until(lambda wire, healthy=healthy: wire.calls_answered >= healthy)  # type: ignore[misc]


async def through_a_storm(
    database: str, rng: random.Random, commands: list[Command], send: Callable[[PgProxy, list[Command]], object]
) -> PgProxy:
    async with PgProxy(database) as proxy:
        raging = asyncio.create_task(Storm(proxy, rng).rage())
        try:
            for start in range(0, len(commands), 20):
                sending = send(proxy, commands[start : start + 20])
                assert asyncio.iscoroutine(sending)
                await sending
        finally:
            raging.cancel()
            await asyncio.gather(raging, return_exceptions=True)
            proxy.heal()
        return proxy


async def test_no_charge_is_lost_or_doubled_while_the_wire_breaks_everywhere(
    database: str, connection: Connection, customer: Customer, rng: random.Random
) -> None:
    await held(connection, customer, rng, 240, 600)
    captures = [customer.capture(rng, hold) for hold in list(customer.open.values())]
    answers: list[Answer] = []
    flushers: list[Flusher] = []

    async def send(proxy: PgProxy, commands: list[Command]) -> None:
        if not flushers:
            flushers.append(Flusher(proxy.dsn, batch_max=8))
            proxy.refusing = False
            await _started(flushers[0])
        answers.extend(await asyncio.gather(*(flushers[0].enqueue(command) for command in commands)))

    await through_a_storm(database, rng, captures, send)
    await flushers[0].stop(5.0)

    seen = Counter(answer.code for answer in answers)
    assert set(seen) == {Code.OK, Code.EXISTS}, "the storm has cut replies, and every command was answered"
    assert await charged(connection) == sum(command.money_nanos for command in captures)
    assert await spent(connection, customer) == await charged(connection)
    assert await audit(connection) == []


async def _started(flusher: Flusher) -> None:
    while True:
        try:
            await flusher.start()
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            continue
        return


async def test_control_a_client_that_takes_a_new_id_for_each_try_charges_twice(
    database: str, connection: Connection, customer: Customer
) -> None:
    """The same cut, and ids of chance: what the check above would see if ids did not stay."""
    charge = customer.adjust(5_000)
    async with PgProxy(database) as proxy:
        proxy.cut_replies = {1}
        for _ in range(2):
            try:
                wire = await asyncpg.connect(proxy.dsn)
                await apply(wire, [msgspec.structs.replace(charge, event_id=EventId(new_id()))])
            except asyncpg.PostgresConnectionError:
                continue
            await wire.close()

    wallet_taken = CREDIT_NANOS - int(
        await connection.fetchval("SELECT sum(posted) FROM ledger.account WHERE pool_id IS NOT NULL")
    )
    assert wallet_taken == 2 * charge.money_nanos


# ---- Deliveries


async def test_commands_delivered_up_to_three_times_have_one_effect(
    database: str, connection: Connection, customer: Customer, rng: random.Random
) -> None:
    """By three processes' flushers at once, out of order; and three times in one call."""
    holds = [customer.hold(rng) for _ in range(120)]
    flushers = [Flusher(database, batch_max=32) for _ in range(3)]
    for each in flushers:
        await each.start()
    for commands in (holds, [customer.capture(rng, hold) for hold in list(customer.open.values())]):
        deliveries = [(each, command) for command in commands for each in rng.sample(flushers, rng.randint(1, 3))]
        rng.shuffle(deliveries)
        answers = await asyncio.gather(*(each.submit(command) for each, command in deliveries))
        by_id: dict[str, Counter[Code]] = {}
        positions: dict[str, set[int]] = {}
        for (_, command), answer in zip(deliveries, answers, strict=True):
            by_id.setdefault(command.event_id, Counter())[answer.code] += 1
            positions.setdefault(command.event_id, set()).add(answer.position)
        assert all(codes[Code.OK] == 1 and set(codes) <= {Code.OK, Code.EXISTS} for codes in by_id.values())
        assert {len(each) for each in positions.values()} == {1}, "every delivery is given the same place"
    for each in flushers:
        await each.stop(1.0)
    late = [customer.adjust(1_000) for _ in range(30)]
    codes = [answer.code for answer in await apply(connection, [each for one in late for each in (one, one, one)])]

    assert codes == [Code.OK, Code.EXISTS, Code.EXISTS] * 30
    assert len(await bodies(connection, "hold.captured.v1")) == 120
    assert len(await bodies(connection, "credit.adjusted.v1")) == 30
    assert await audit(connection) == []


async def test_control_ids_of_chance_triple_what_is_delivered_three_times(
    connection: Connection, customer: Customer
) -> None:
    one = customer.adjust(1_000)
    copies = [msgspec.structs.replace(one, event_id=EventId(new_id())) for _ in range(3)]

    assert {answer.code for answer in await apply(connection, copies)} == {Code.OK}
    assert len(await bodies(connection, "credit.adjusted.v1")) == 3


# ---- Eight processes, one wallet


PRICE_NANOS = 1_000
AFFORDABLE = 50
STRICT, NAIVE = 8, 9


async def test_eight_processes_admit_exactly_what_the_wallet_pays_for(database: str, connection: Connection) -> None:
    for tenant, credit in ((STRICT, AFFORDABLE * PRICE_NANOS), (NAIVE, PRICE_NANOS)):
        await connection.execute("SELECT ledger.open_lane($1, $1)", tenant)
        (answer,) = await apply(connection, [Sender(tenant).wallet(credit)])
        assert answer.code is Code.OK
    workers = [await _worker(database, number) for number in range(8)]
    try:
        strict = await _in_step(workers, "strict")
        # The control: a balance that is read, believed, and then taken from. All eight believe in the same credit.
        assert set(await _in_step(workers, "look")) == {PRICE_NANOS}
        naive = await _in_step(workers, "take")
    finally:
        for worker in workers:
            assert worker.stdin is not None
            worker.stdin.close()
            await worker.wait()

    assert sum(strict) == AFFORDABLE
    assert sum(1 for admitted in strict if admitted) > 1, "they have competed"
    assert await _left(connection, STRICT) == 0
    assert sum(naive) == 8, "one was affordable"
    assert await _left(connection, NAIVE) == -7 * PRICE_NANOS


async def _left(connection: Connection, tenant: int) -> int:
    return int(
        await connection.fetchval(
            "SELECT sum(posted - held) FROM ledger.account WHERE tenant_id = $1 AND pool_id = $2", tenant, WALLET
        )
    )


async def _worker(database: str, number: int) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.faults.admission_worker", database, str(number)),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )


async def _in_step(workers: list[asyncio.subprocess.Process], order: str) -> list[int]:
    """Give the order to all when all are ready, and what each says."""
    for worker in workers:
        assert worker.stdout is not None
        assert await asyncio.wait_for(worker.stdout.readline(), 60) == b"ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write(order.encode() + b"\n")
    said = []
    for worker in workers:
        assert worker.stdout is not None
        said.append(int(await asyncio.wait_for(worker.stdout.readline(), 60)))
    return said


# ---- The reaper


async def test_a_reaper_racing_captures_leaves_one_terminal_each_and_charges_all_use(
    database: str, connection: Connection, customer: Customer, rng: random.Random, tmp_path: Path
) -> None:
    await held(connection, customer, rng, 2000, 0)
    holds = list(customer.open.values())
    captures = [customer.capture(rng, hold) for hold in holds]
    used = sum(command.money_nanos for command in captures)
    expiries = [customer.expire(hold) for hold in holds]
    rng.shuffle(captures)
    rng.shuffle(expiries)
    node, reaper = Flusher(database, batch_max=16), Flusher(database, batch_max=16)
    await node.start()
    await reaper.start()
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        journal = Journal(tmp_path, "node", 64 * 2**20)
        settlements = Settlements(node, journal, pool, wait_seconds=60.0)
        race = [settlements.settle(command) for command in captures]
        ended = await asyncio.gather(
            asyncio.gather(*race), asyncio.gather(*(reaper.enqueue(command) for command in expiries))
        )
        await settlements.drain()
        wins = Counter("expired" if late is not None and late.code is Code.OK else "captured" for late in ended[1])
        assert await audit(connection) == []
        assert await charged(connection) == used
        assert len(await bodies(connection, "usage.adjusted.v1")) == wins["expired"]
        assert min(wins["expired"], wins["captured"]) > 20, f"both must win at times, or nothing raced: {wins}"
        assert await connection.fetchval("SELECT count(*) FROM ledger.hold") == 0
        assert settlements.open_holds == 0

        # Everything again, as a node does that died before it could forget: nothing moves.
        await asyncio.gather(*(settlements.settle(command) for command in captures))
        await settlements.drain()
        assert await charged(connection) == used
        assert await audit(connection) == []
        journal.close()
    # The control: captures alone, with no adjustments, have lost what the reaper took.
    captured = await bodies(connection, "hold.captured.v1")
    assert sum(body["captured_nanos"] for body in captured) < used
    for each in (node, reaper):
        assert await each.stop(1.0) == 0
