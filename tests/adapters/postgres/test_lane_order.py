"""Many writers at once: lanes stay in order, wallets stay within their credit, and nothing happens twice."""

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Sequence

import asyncpg
import pytest

from adapters.postgres.ledger import apply
from domain.ids import AccountId
from domain.ledger.commands import Answer, Code, Command, Leg, Unit
from domain.ledger.model import AccountKey, Ledger, fold
from tests.support.ledger import GRANT, LINE, TOKEN, WALLET, Connection, Sender, make_days, read_ledger

WRITERS = 8
LANES = [Sender(tenant_id) for tenant_id in range(21, 25)]
TENANTS = [sender.tenant_id for sender in LANES]


@pytest.fixture
async def writers(database: str) -> AsyncIterator[list[Connection]]:
    async with contextlib.AsyncExitStack() as stack:
        connections = [await asyncpg.connect(database) for _ in range(WRITERS)]
        for connection in connections:
            stack.push_async_callback(connection.close)
        await make_days(connections[0])
        for sender in LANES:
            await connections[0].execute("SELECT ledger.open_lane($1, $2)", sender.tenant_id, sender.lane)
        yield connections


async def in_batches(connection: Connection, commands: Sequence[Command], size: int) -> list[Answer]:
    answers: list[Answer] = []
    for start in range(0, len(commands), size):
        answers += await apply(connection, commands[start : start + size])
    return answers


def log_of(ledger: Ledger, sender: Sender) -> list[tuple[int, int]]:
    return sorted(
        (event.position, event.recorded_at_micros) for event in ledger.events.values() if event.lane == sender.lane
    )


def available(ledger: Ledger, sender: Sender, name: AccountId) -> int:
    account = ledger.accounts[AccountKey(sender.tenant_id, sender.lane, name)]
    return account.posted - account.held


def assert_lanes_are_in_order(ledger: Ledger) -> None:
    for sender in LANES:
        log = log_of(ledger, sender)
        assert [position for position, _ in log] == list(range(1, len(log) + 1))
        assert all(earlier < later for (_, earlier), (_, later) in itertools.pairwise(log))
        assert ledger.lanes[sender.tenant_id, sender.lane].head == len(log)


async def test_a_wallet_that_can_pay_for_k_requests_admits_exactly_k(writers: list[Connection]) -> None:
    sender, price, k = LANES[0], 7, 100
    await apply(writers[0], [sender.wallet(price * k + price - 1)])
    holds = [
        [sender.hold((writer, number), Leg(TOKEN, 1), pool_id=WALLET, money_nanos=price) for number in range(40)]
        for writer in range(WRITERS)
    ]

    answers = await asyncio.gather(
        *(in_batches(connection, own, size) for connection, own, size in zip(writers, holds, range(1, 9), strict=True))
    )

    codes = [answer.code for own in answers for answer in own]
    assert codes.count(Code.OK) == k
    assert codes.count(Code.INSUFFICIENT) == WRITERS * 40 - k
    ledger = await read_ledger(writers[0], TENANTS)
    assert available(ledger, sender, GRANT) == price - 1
    assert len(ledger.holds) == k
    assert_lanes_are_in_order(ledger)


async def test_writers_of_several_lanes_do_not_deadlock(writers: list[Connection]) -> None:
    await apply(writers[0], [sender.wallet(1_000_000) for sender in LANES])

    def batches(writer: int) -> list[Command]:
        # Every writer names the lanes in another order: the adapter and the function sort them.
        lanes = [LANES[(writer + step) % len(LANES)] for step in range(len(LANES))]
        return [
            sender.hold((writer, sender.lane, number), Leg(TOKEN, 1, op=Unit.MONEY), pool_id=WALLET, money_nanos=1)
            for number in range(20)
            for sender in lanes
        ]

    async with asyncio.timeout(60):
        answers = await asyncio.gather(
            *(in_batches(connection, batches(writer), 12) for writer, connection in enumerate(writers))
        )

    assert {answer.code for own in answers for answer in own} == {Code.OK}
    ledger = await read_ledger(writers[0], TENANTS)
    assert_lanes_are_in_order(ledger)
    assert [available(ledger, sender, GRANT) for sender in LANES] == [1_000_000 - WRITERS * 20] * len(LANES)


async def test_a_command_delivered_by_all_writers_executes_once(writers: list[Connection]) -> None:
    sender = LANES[0]
    await apply(writers[0], [sender.wallet(1_000)])
    holds = [sender.hold(number, Leg(TOKEN, 1), pool_id=WALLET, money_nanos=10) for number in range(20)]
    ends = [sender.end(number, 4) for number in range(20)]

    held = await asyncio.gather(*(in_batches(connection, holds, 6) for connection in writers))
    ended = await asyncio.gather(*(in_batches(connection, ends, 6) for connection in writers))

    for deliveries in (held, ended):
        for same in zip(*deliveries, strict=True):
            assert sorted(answer.code for answer in same) == [Code.OK] + [Code.EXISTS] * (WRITERS - 1)
            assert len({(answer.position, answer.recorded_at_micros) for answer in same}) == 1
    ledger = await read_ledger(writers[0], TENANTS)
    assert available(ledger, sender, GRANT) == 1_000 - 20 * 4
    assert_lanes_are_in_order(ledger)


async def test_a_capture_that_races_an_expiry_leaves_one_terminal(writers: list[Connection]) -> None:
    sender, requests = LANES[0], 60
    await apply(writers[0], [sender.wallet(10_000)])
    await apply(writers[0], [sender.hold(n, pool_id=WALLET, money_nanos=10) for n in range(requests)])
    ends = [sender.end(number, 10) for number in range(requests)]
    expiries = [sender.expire(number) for number in reversed(range(requests))]

    captured, expired = await asyncio.gather(in_batches(writers[0], ends, 3), in_batches(writers[1], expiries, 3))

    for capture, expiry in zip(captured, reversed(expired), strict=True):
        assert sorted((capture.code, expiry.code)) == [Code.OK, Code.ENDED]
        assert capture.position == expiry.position
    ledger = await read_ledger(writers[0], TENANTS)
    taken = sum(answer.code is Code.OK for answer in captured)
    assert available(ledger, sender, GRANT) == 10_000 - 10 * taken
    assert ledger.holds == {}
    assert_lanes_are_in_order(ledger)


async def test_money_is_conserved_under_a_mix_of_everything(writers: list[Connection]) -> None:
    await apply(writers[0], [sender.wallet(5_000) for sender in LANES])

    async def live(writer: int, connection: Connection) -> int:
        captured = 0
        for number in range(15):
            for sender in LANES[writer % 2 :: 2]:
                name = (writer, number)
                (hold,) = await apply(connection, [sender.hold(name, pool_id=WALLET, money_nanos=30)])
                if hold.code is Code.OK:
                    price = (writer * 7 + number) % 45
                    (end,) = await apply(connection, [sender.end(name, price)])
                    assert end.code is Code.OK
                    captured += price
        return captured

    captured = sum(await asyncio.gather(*(live(writer, connection) for writer, connection in enumerate(writers))))

    ledger = await read_ledger(writers[0], TENANTS)
    spent = sum(5_000 - available(ledger, sender, GRANT) - available(ledger, sender, LINE) for sender in LANES)
    assert spent == captured
    folded = fold(ledger.events.values())
    assert all(folded.get(key, (0, 0)) == (a.posted, a.held) for key, a in ledger.accounts.items())
    assert_lanes_are_in_order(ledger)


async def test_a_reader_never_sees_a_position_before_the_ones_below_it(writers: list[Connection]) -> None:
    sender = LANES[0]
    done = asyncio.Event()

    async def write(writer: int, connection: Connection) -> None:
        for number in range(0, 60, 3):
            await apply(connection, [sender.post((writer, number + step)) for step in range(3)])

    async def read(connection: Connection) -> int:
        polls = 0
        while not done.is_set():
            row = await connection.fetchrow(
                "SELECT count(*) AS events, coalesce(max(position), 0) AS head FROM ledger.event WHERE lane = $1",
                sender.lane,
            )
            assert row is not None
            assert row["events"] == row["head"]
            polls += 1
        return polls

    reader = asyncio.create_task(read(writers[0]))
    await asyncio.gather(*(write(writer, connection) for writer, connection in enumerate(writers[1:])))
    done.set()

    assert await reader > 1
    assert len(log_of(await read_ledger(writers[0], TENANTS), sender)) == 60 * (WRITERS - 1)
