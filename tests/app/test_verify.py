"""Verification: a running system is clean, and each way of tampering with it is found, and located."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest

from app.projections import PROJECTIONS
from app.verify import Checked, Options, Report, Verification
from app.verify import verify as verify_all
from domain.ids import TenantId, first_lane
from projections.base import Projection
from projections.runner import advance, ensure, parked
from tests.projections.workload import Connection, Customer, Workload
from tests.support.scratch import scratch_on

if TYPE_CHECKING:
    from domain.verification import Check, Finding

    Pool = asyncpg.Pool[asyncpg.Record]


_options = Options()


@pytest.fixture(autouse=True)
def scratch(postgres_dsn: str, template_database: str) -> None:
    global _options  # noqa: PLW0603 -- set before every test, to the same
    _options = Options(scratch=scratch_on(postgres_dsn, template_database))


async def verify(pool: "Pool", projections: Sequence[Projection], report: Report = lambda _: None) -> Verification:
    return await verify_all(pool, projections, report, _options)


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=4) as pool:
        await ensure(pool, PROJECTIONS)
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    """A connection of somebody who can do everything to the database."""
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def history(pool: "Pool", writer: Connection) -> Workload:
    workload = Workload(seed=77)
    await workload.begin(writer)
    await workload.run(writer, 40)
    for projection in PROJECTIONS:
        for tenant_id in workload.lanes:
            await advance(pool, projection, tenant_id, first_lane(tenant_id))
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    return workload


async def first_finding(pool: "Pool", check: "Check") -> "Finding":
    result = await verify(pool, PROJECTIONS)
    assert not result.clean
    assert check in {finding.check for finding in result.findings}, result.findings
    return next(finding for finding in result.findings if finding.check == check)


async def find_event(writer: Connection, tenant_id: TenantId, condition: str) -> int:
    """Give the position of an event in the middle of a lane."""
    position: int | None = await writer.fetchval(
        f"SELECT position FROM ledger.event WHERE lane = $1 AND {condition} ORDER BY position OFFSET 1 LIMIT 1",
        tenant_id,
    )
    assert position is not None
    return position


async def rewrite(writer: Connection, tenant_id: TenantId, position: int, **fields: object) -> None:
    """Change some members of a stored body."""
    data = await writer.fetchval("SELECT data FROM ledger.event WHERE lane = $1 AND position = $2", tenant_id, position)
    body = msgspec.json.decode(data) | fields
    await writer.execute(
        "UPDATE ledger.event SET data = $3 WHERE lane = $1 AND position = $2",
        tenant_id,
        position,
        msgspec.json.encode(body),
    )


async def test_a_random_history_is_clean(pool: "Pool", history: Workload) -> None:
    seen: list[Checked] = []

    result = await verify(pool, PROJECTIONS, seen.append)

    assert result.findings == ()
    assert result.notes == ()
    assert (result.lanes, result.events) == (4, history.events)
    assert {checked.part for checked in seen} == {"ledger", "seals", *(projection.name for projection in PROJECTIONS)}
    assert all(checked.done <= checked.total for checked in seen)
    assert seen[-1].done == seen[-1].total


async def test_a_system_that_is_being_written_to_is_clean(pool: "Pool", writer: Connection, history: Workload) -> None:
    writing = asyncio.create_task(history.run(writer, 25))
    results = [await verify(pool, PROJECTIONS) for _ in range(3)]
    await writing

    assert [result.findings for result in results] == [()] * 3


async def test_nothing_is_left_behind(pool: "Pool", history: Workload) -> None:
    assert history.events
    before = await pool.fetchval("SELECT count(*) FROM projection.balances")
    await verify(pool, PROJECTIONS)
    assert await pool.fetchval("SELECT count(*) FROM projection.balances") == before
    assert await pool.fetchval("SELECT count(*) FROM projection.balances WHERE generation < 0") == 0


async def test_a_missing_event_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = 20", tenant_id)

    finding = await first_finding(pool, "positions")
    assert (finding.lane, finding.position) == (tenant_id, 20)


async def test_a_tail_that_was_cut_off_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    head = await writer.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", tenant_id)
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = $2", tenant_id, head)

    finding = await first_finding(pool, "positions")
    assert (finding.lane, finding.position) == (tenant_id, head)


async def test_a_record_time_that_goes_back_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute(
        "UPDATE ledger.event SET recorded_at = recorded_at - interval '1 day' WHERE lane = $1 AND position = 15",
        tenant_id,
    )

    finding = await first_finding(pool, "time")
    assert (finding.lane, finding.position) == (tenant_id, 15)


async def test_a_body_that_cannot_be_read_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(writer, tenant_id, "type = 'hold.captured.v1'")
    await writer.execute("UPDATE ledger.event SET data = '{' WHERE lane = $1 AND position = $2", tenant_id, position)

    finding = await first_finding(pool, "readable")
    assert (finding.lane, finding.position) == (tenant_id, position)


async def test_a_body_that_reads_well_and_cannot_be_folded_is_found_by_every_part(
    pool: "Pool", writer: Connection, history: Workload
) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(writer, tenant_id, "type = 'hold.captured.v1'")
    await rewrite(writer, tenant_id, position, hold_id="01a1e8e8-9756-73b8,b424-a2c0dbb862cb")

    finding = await first_finding(pool, "projection")

    assert (finding.lane, finding.position) == (tenant_id, position)
    assert "cannot be folded" in finding.message


async def test_a_captured_amount_that_was_changed_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(
        writer, tenant_id, "type = 'hold.captured.v1' AND convert_from(data, 'UTF8') LIKE '%\"multiplier\":\"1.5\"%'"
    )
    await rewrite(writer, tenant_id, position, captured_nanos=1)

    for check in ("price", "postings"):
        finding = await first_finding(pool, check)
        assert (finding.lane, finding.position) == (tenant_id, position)


async def test_a_price_that_was_changed_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(writer, tenant_id, "type = 'hold.captured.v1'")
    factors = {"lines": [{"meter": "input_tokens", "quantity": 7, "price": "2.5", "per": 1000}], "multiplier": "1"}
    await rewrite(writer, tenant_id, position, factors=factors)

    finding = await first_finding(pool, "price")
    assert (finding.lane, finding.position) == (tenant_id, position)


async def test_a_late_charge_that_was_changed_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    for customer in history.customers:
        await history.send(writer, [customer.adjust_usage(customer.ended.pop())])
    tenant_id = history.customers[0].tenant_id
    position = await writer.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", tenant_id)
    await rewrite(writer, tenant_id, position, charged_nanos=3)

    finding = await first_finding(pool, "price")
    assert (finding.lane, finding.position) == (tenant_id, position)


async def test_an_overrun_that_was_not_flagged_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(
        writer, tenant_id, "type = 'hold.captured.v1' AND convert_from(data, 'UTF8') LIKE '%overrun_nanos%'"
    )
    await rewrite(writer, tenant_id, position, overrun_nanos=0)

    finding = await first_finding(pool, "overrun")
    assert (finding.lane, finding.position) == (tenant_id, position)


async def test_credit_that_appeared_from_nowhere_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[1].tenant_id
    await writer.execute(
        "UPDATE ledger.account SET posted = posted + 1000 WHERE lane = $1 AND name LIKE 'grant.paid:%'", tenant_id
    )

    for check in ("accounts", "wallet"):
        assert (await first_finding(pool, check)).lane == tenant_id


async def test_a_grant_that_was_enlarged_in_log_and_account_is_found(
    pool: "Pool", writer: Connection, history: Workload
) -> None:
    tenant_id = history.customers[1].tenant_id
    position = await find_event(writer, tenant_id, "type = 'credit.granted.v1'")
    await writer.execute(
        "UPDATE ledger.event SET posted[1] = posted[1] + 1000 WHERE lane = $1 AND position = $2", tenant_id, position
    )

    finding = await first_finding(pool, "postings")
    assert (finding.lane, finding.position) == (tenant_id, position)


async def test_a_held_amount_without_a_hold_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute("UPDATE ledger.account SET held = held + 5 WHERE lane = $1 AND name LIKE 'token:%'", tenant_id)

    assert (await first_finding(pool, "holds")).lane == tenant_id


async def test_a_hold_that_was_deleted_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    customer = next(customer for customer in history.customers if customer.open)
    hold_id = next(iter(customer.open))
    await writer.execute("DELETE FROM ledger.hold WHERE hold_id = $1", hold_id)

    finding = await first_finding(pool, "holds")
    assert finding.lane == customer.tenant_id
    assert "open only in the log" in finding.message or "open holds come to" in finding.message


async def test_a_terminal_without_a_hold_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(writer, tenant_id, "type = 'hold.captured.v1'")
    other = "01990000-0000-7000-8000-000000000000"
    await rewrite(writer, tenant_id, position, hold_id=other)

    finding = await first_finding(pool, "terminals")
    assert (finding.lane, finding.position) == (tenant_id, position)


async def test_a_second_terminal_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    first = await find_event(writer, tenant_id, "type = 'hold.captured.v1'")
    data = await writer.fetchval("SELECT data FROM ledger.event WHERE lane = $1 AND position = $2", tenant_id, first)
    later = await writer.fetchval(
        "SELECT position FROM ledger.event WHERE lane = $1 AND position > $2 AND type = 'hold.captured.v1'"
        " ORDER BY position LIMIT 1",
        tenant_id,
        first,
    )
    await writer.execute("UPDATE ledger.event SET data = $3 WHERE lane = $1 AND position = $2", tenant_id, later, data)

    finding = await first_finding(pool, "terminals")
    assert (finding.lane, finding.position) == (tenant_id, later)


async def swap_payers(pool: "Pool", writer: Connection, customer: Customer) -> int:
    """Let the second grant pay for a capture that the first one paid for, in the log and in the accounts."""
    await writer.execute("SELECT ledger.open_lane($1, $1)", customer.tenant_id)
    workload = Workload(seed=1, customers=0)
    workload.customers = [customer]
    await workload.send(writer, [customer.openings()])
    await workload.send(
        writer, [customer.grant(10_000_000_000, priority=1), customer.grant(10_000_000_000, priority=2)]
    )
    rng = random.Random(0)
    hold = customer.hold(rng, amount_nanos=40_000_000)
    while b'"multiplier":"0"' in hold.data:
        customer.open.clear()
        hold = customer.hold(rng, amount_nanos=40_000_000)
    await workload.send(writer, [hold])
    (held,) = customer.open.values()
    await workload.send(writer, [customer.capture(rng, held)])
    first, second = await writer.fetch(
        "SELECT account_id FROM ledger.account WHERE lane = $1 AND name LIKE 'grant.%' ORDER BY priority",
        customer.tenant_id,
    )
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute(
        "UPDATE ledger.event SET account_ids = array_replace(account_ids, $2, $3)"
        " WHERE lane = $1 AND type IN ('hold.authorized.v1', 'hold.captured.v1')",
        customer.tenant_id,
        first[0],
        second[0],
    )
    await writer.execute(
        "UPDATE ledger.account AS a SET posted = b.posted FROM ledger.account AS b"
        " WHERE a.lane = $1 AND b.lane = $1 AND (a.account_id, b.account_id) IN (($2, $3), ($3, $2))",
        customer.tenant_id,
        first[0],
        second[0],
    )
    assert await parked(pool) == []
    return 4


async def test_a_grant_that_paid_out_of_turn_is_found(pool: "Pool", writer: Connection) -> None:
    customer = Customer()
    await writer.execute("SELECT ledger.create_days((now() AT TIME ZONE 'UTC')::date - 1, 3)")
    position = await swap_payers(pool, writer, customer)

    result = await verify(pool, ())
    (finding,) = result.findings
    assert (finding.lane, finding.position, finding.check) == (customer.tenant_id, position, "burn_order")


async def test_credit_that_was_held_after_its_expiry_is_found(
    pool: "Pool", writer: Connection, history: Workload
) -> None:
    tenant_id = history.customers[0].tenant_id
    # The grants that paid are said to have expired when they were made.
    await writer.execute(
        "UPDATE ledger.account SET expires_at = opened_at WHERE lane = $1 AND name LIKE 'grant.%'", tenant_id
    )
    first = await writer.fetchval(
        "SELECT min(e.position) FROM ledger.event AS e, unnest(e.account_ids, e.held) AS u (account_id, held)"
        " JOIN ledger.account AS a ON a.account_id = u.account_id"
        " WHERE e.lane = $1 AND a.lane = $1 AND u.held > 0 AND a.name LIKE 'grant.%'",
        tenant_id,
    )

    finding = await first_finding(pool, "expiry")
    assert (finding.lane, finding.position) == (tenant_id, first)


async def test_a_wallet_that_owes_more_than_it_may_is_found(
    pool: "Pool", writer: Connection, history: Workload
) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute("UPDATE ledger.account SET pool_floor = -7 WHERE lane = $1 AND credit_line", tenant_id)

    assert (await first_finding(pool, "floor")).lane == tenant_id


async def test_a_grant_below_zero_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    position = await find_event(writer, tenant_id, "type = 'credit.granted.v1'")
    await writer.execute("UPDATE ledger.event SET posted[1] = 1 WHERE lane = $1 AND position = $2", tenant_id, position)

    assert (await first_finding(pool, "floor")).lane == tenant_id


async def test_an_account_that_was_deleted_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute(
        "DELETE FROM ledger.account WHERE lane = $1 AND name LIKE 'token:%' AND posted <> 0", tenant_id
    )

    finding = await first_finding(pool, "accounts")
    assert finding.lane == tenant_id
    assert "is missing" in finding.message


async def test_windows_that_were_purged_are_no_finding(pool: "Pool", writer: Connection, history: Workload) -> None:
    for customer in history.customers:
        await history.send(writer, [customer.void(held, None) for held in list(customer.open.values())])
    await writer.execute("UPDATE ledger.account SET purge_at = now() - interval '1 hour' WHERE name LIKE 'rpm.%'")
    gone = 0
    for customer in history.customers:
        gone += await writer.fetchval("SELECT ledger.purge_windows($1, $1, 100)", customer.tenant_id)
    assert gone > 0

    assert (await verify(pool, ())).findings == ()
    # Opened anew, they count from zero, and only from then on.
    await history.run(writer, 10)
    assert (await verify(pool, ())).findings == ()


@pytest.mark.parametrize(
    ("name", "tamper"),
    [
        ("balances", "UPDATE projection.balances SET captured_nanos = captured_nanos + 1 WHERE owner = 'token'"),
        ("balances", "DELETE FROM projection.balances WHERE owner = 'user'"),
        (
            "usage",
            "UPDATE projection.usage_hourly SET output_tokens = output_tokens - 1 WHERE output_tokens > 0",
        ),
        ("usage", "UPDATE projection.request_log SET cost_nanos = cost_nanos + 1"),
        ("usage", "DELETE FROM projection.credit_log WHERE kind = 'lapsed'"),
        ("multipliers", "UPDATE projection.multipliers SET value = value + 1"),
        ("multipliers", "UPDATE projection.multipliers SET valid_from = valid_from - interval '1 us'"),
    ],
)
async def test_a_projection_that_was_changed_is_found(
    pool: "Pool", writer: Connection, history: Workload, name: str, tamper: str
) -> None:
    assert history.events
    await writer.execute(tamper)

    finding = await first_finding(pool, "projection")
    assert finding.message.startswith(f"{name}: ")


async def test_a_checkpoint_that_was_moved_is_found(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute(
        "UPDATE projection.checkpoint SET position = position - 9 WHERE lane = $1 AND name = 'balances'", tenant_id
    )

    assert (await first_finding(pool, "projection")).lane == tenant_id


async def test_a_parked_lane_is_a_finding(pool: "Pool", writer: Connection, history: Workload) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute(
        "UPDATE projection.checkpoint SET error = 'ouch' WHERE lane = $1 AND name = 'balances'", tenant_id
    )

    finding = await first_finding(pool, "projection")
    assert finding.lane == tenant_id
    assert "ouch" in finding.message
