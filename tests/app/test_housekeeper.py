"""The housekeeper: holds, grants, redemptions and windows that nobody ends end all the same, once, not too early."""

import asyncio
import datetime as dt
import random
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from adapters.ids import new_id
from adapters.postgres.flusher import Flusher
from app.housekeeper import ClockGuard, Housekeeper, Housework
from app.verify import verify
from app.wallets import Wallets
from domain.grants.events import CodeClaimed
from domain.ids import PLATFORM, EntityId, EventId, derive_id
from domain.ledger.commands import Code
from tests.projections.workload import Connection, Workload, post

if TYPE_CHECKING:
    from projections.folder import Pool

NOON = dt.datetime(2026, 11, 23, 12, tzinfo=dt.UTC)


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def ledger(database: str) -> AsyncIterator[Flusher]:
    flusher = Flusher(database)
    await flusher.start()
    yield flusher
    assert await flusher.stop(5.0) == 0


@pytest.fixture
async def workload(writer: Connection) -> Workload:
    made = Workload(seed=5)
    await made.begin(writer)
    return made


@pytest.fixture
def housekeeper(ledger: Flusher, pool: "Pool") -> Housekeeper:
    return Housekeeper(ledger, pool, hold_timeout_seconds=600.0)


async def overdue(writer: Connection) -> None:
    await writer.execute("UPDATE ledger.hold SET deadline = now() - interval '2 minutes'")


async def test_days_are_there_for_a_week_behind_and_ahead(empty_days: Connection, housekeeper: Housekeeper) -> None:
    made = await housekeeper.make_days()

    days = await empty_days.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'ledger.event'::regclass")
    assert made == days == 17
    assert await housekeeper.make_days() == 0


@pytest.fixture
async def empty_days(writer: Connection) -> Connection:
    for name in await writer.fetch(
        "SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'ledger.event'::regclass"
    ):
        await writer.execute(f"DROP TABLE {name['name']}")
    return writer


async def test_an_overdue_hold_expires_and_its_credit_comes_back(
    pool: "Pool", writer: Connection, workload: Workload, housekeeper: Housekeeper
) -> None:
    customer = workload.customers[0]
    rng = random.Random(1)
    await workload.send(writer, [customer.hold(rng, amount_nanos=100) for _ in range(5)])
    assert await housekeeper.expire_holds() == 0
    await overdue(writer)

    assert await housekeeper.expire_holds() == 5
    assert await housekeeper.expire_holds() == 0

    assert await pool.fetchval("SELECT sum(held)::bigint FROM ledger.account") == 0
    types = await pool.fetch("SELECT event_id::text, type, actor FROM ledger.event WHERE type = 'hold.expired.v1'")
    assert {row["event_id"] for row in types} == {derive_id(hold_id, "terminal") for hold_id in customer.open}
    assert {row["actor"] for row in types} == {"system:reaper"}
    assert (await verify(pool, ())).clean


async def test_a_hold_within_its_grace_is_left_alone(
    writer: Connection, workload: Workload, housekeeper: Housekeeper
) -> None:
    await workload.send(writer, [workload.customers[0].hold(random.Random(1), amount_nanos=100)])
    await writer.execute("UPDATE ledger.hold SET deadline = now() - interval '30 seconds'")

    assert await housekeeper.expire_holds() == 0


async def test_two_housekeepers_and_a_capture_end_each_hold_once(
    pool: "Pool", writer: Connection, workload: Workload, ledger: Flusher, housekeeper: Housekeeper
) -> None:
    customer = workload.customers[0]
    rng = random.Random(1)
    await workload.send(writer, [customer.hold(rng, amount_nanos=100) for _ in range(60)])
    await overdue(writer)
    captures = [customer.capture(rng, held) for held in list(customer.open.values())]
    other = Housekeeper(ledger, pool, hold_timeout_seconds=600.0)

    expired, more, answers = await asyncio.gather(
        housekeeper.expire_holds(),
        other.expire_holds(),
        asyncio.gather(*(ledger.submit(capture) for capture in captures)),
    )

    assert {answer.code for answer in answers} <= {Code.OK, Code.ENDED}
    assert expired + more + sum(answer.code is Code.OK for answer in answers) == 60
    assert await pool.fetchval("SELECT count(*) FROM ledger.hold") == 0
    assert (await verify(pool, ())).clean


async def test_expired_credit_lapses_but_for_what_is_held(
    pool: "Pool", writer: Connection, workload: Workload, housekeeper: Housekeeper
) -> None:
    customer = workload.customers[0]
    grant = customer.grant(1000, priority=0, expires_at=(dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)).isoformat())
    rng = random.Random(3)
    await workload.send(writer, [grant])
    hold = customer.hold(rng, amount_nanos=400)
    while b'"multiplier":"0"' in hold.data:
        customer.open.clear()
        hold = customer.hold(rng, amount_nanos=400)
    await workload.send(writer, [hold])
    await writer.execute("UPDATE ledger.account SET expires_at = now() WHERE account_id = $1", grant.legs[0].account_id)

    assert await housekeeper.lapse_grants() == 1
    assert await _posted(writer, grant.legs[0].account_id) == 400
    assert await housekeeper.lapse_grants() == 0
    await workload.send(writer, [customer.void(held, None) for held in list(customer.open.values())])
    assert await housekeeper.lapse_grants() == 1
    assert await _posted(writer, grant.legs[0].account_id) == 0
    lapsed = await pool.fetchval(
        "SELECT count(*) FROM ledger.event WHERE type = 'credit.lapsed.v1' AND actor = 'system:expiry'"
    )
    assert lapsed == 2


async def _posted(writer: Connection, account_id: str) -> int:
    posted: int = await writer.fetchval("SELECT posted FROM ledger.account WHERE account_id = $1", account_id)
    return posted


async def test_a_redemption_that_stopped_half_way_is_finished_once(
    pool: "Pool", writer: Connection, workload: Workload, housekeeper: Housekeeper
) -> None:
    customer = workload.customers[0]
    claim_id = EventId(new_id())
    claim = CodeClaimed(
        batch_id=EntityId(new_id()),
        code_hash="ab" * 32,
        tenant_id=customer.tenant_id,
        user_id=customer.users[0],
        grant_id=EntityId(derive_id(claim_id, "grant")),
        amount_nanos=123,
    )
    await workload.send(writer, [post(PLATFORM, claim, event_id=claim_id)])

    assert await housekeeper.finish_redemptions() == 1
    assert await housekeeper.finish_redemptions() == 0

    event_id = derive_id(claim_id, "redeemed")
    assert await pool.fetchval("SELECT type FROM ledger.event WHERE event_id = $1", event_id) == "code.redeemed.v1"
    balance = await Wallets(housekeeper._ledger, pool).balance(customer.tenant_id, dt.datetime.now(dt.UTC))
    assert 123 in {grant.remaining_nanos for grant in balance.grants}


async def test_windows_are_purged_when_they_are_over_and_nothing_is_held(
    pool: "Pool", writer: Connection, workload: Workload, housekeeper: Housekeeper
) -> None:
    await workload.run(writer, 10)
    assert await housekeeper.purge_windows() == 0
    await writer.execute("UPDATE ledger.account SET purge_at = now() - interval '1 s' WHERE name LIKE 'rpm.%'")
    held = await pool.fetchval("SELECT count(*) FROM ledger.account WHERE name LIKE 'rpm.%' AND held > 0")

    assert await housekeeper.purge_windows() > 0

    assert await pool.fetchval("SELECT count(*) FROM ledger.account WHERE name LIKE 'rpm.%'") == held > 0
    assert (await verify(pool, ())).clean


async def test_run_once_does_every_chore(writer: Connection, workload: Workload, housekeeper: Housekeeper) -> None:
    customer = workload.customers[0]
    await workload.send(writer, [customer.hold(random.Random(1), amount_nanos=100)])
    await overdue(writer)

    done = await housekeeper.run_once()

    assert done.holds_expired == 1
    assert isinstance(done, Housework)


async def test_the_background_task_expires_holds_by_itself(
    pool: "Pool", writer: Connection, workload: Workload, housekeeper: Housekeeper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.housekeeper._jittered", lambda _: 0.01)
    customer = workload.customers[0]
    await workload.send(writer, [customer.hold(random.Random(1), amount_nanos=100)])
    await overdue(writer)
    await housekeeper.start()

    async with asyncio.timeout(20):
        while await pool.fetchval("SELECT count(*) FROM ledger.hold"):  # noqa: ASYNC110 -- a commit of another task
            await asyncio.sleep(0.02)
    await housekeeper.stop()


async def test_a_leap_of_the_database_clock_expires_nothing(
    writer: Connection, workload: Workload, housekeeper: Housekeeper
) -> None:
    assert await housekeeper.expire_holds() == 0
    await workload.send(writer, [workload.customers[0].hold(random.Random(1), amount_nanos=100)])
    await overdue(writer)
    assert housekeeper._guard._offset is not None
    housekeeper._guard._offset -= 3600

    assert await housekeeper.expire_holds() == 0
    # Negative control: with the clock back, the same hold is overdue.
    housekeeper._guard._offset += 3600
    assert await housekeeper.expire_holds() == 1


def test_a_clock_that_leaps_ahead_is_not_believed_until_holds_are_truly_overdue() -> None:
    guard = ClockGuard(pause_seconds=600)

    assert guard.trusts(NOON, 100)
    assert guard.trusts(NOON + dt.timedelta(seconds=5), 105)
    assert not guard.trusts(NOON + dt.timedelta(seconds=3610), 110)
    assert not guard.trusts(NOON + dt.timedelta(seconds=4209), 709)
    assert guard.trusts(NOON + dt.timedelta(seconds=4211), 711)
    assert guard.trusts(NOON + dt.timedelta(seconds=4216), 716)


def test_a_clock_that_comes_back_is_believed_at_once() -> None:
    guard = ClockGuard(pause_seconds=600)

    assert guard.trusts(NOON, 100)
    assert not guard.trusts(NOON + dt.timedelta(hours=1), 105)
    assert guard.trusts(NOON + dt.timedelta(seconds=10), 110)


def test_a_clock_that_drifts_or_falls_back_is_believed() -> None:
    guard = ClockGuard(pause_seconds=600)

    for minute in range(100):
        assert guard.trusts(NOON + dt.timedelta(seconds=61 * minute), 60 * minute)
    assert guard.trusts(NOON - dt.timedelta(hours=1), 6001)
