"""Catching up: exact, in any batches, by any number of processes; a bad event stops its lane and nothing else."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest

from adapters.ids import new_id
from app.projections import PROJECTIONS
from domain.events import encode
from domain.holds.events import HoldVoided
from domain.ids import PLATFORM, EventId, HoldId, first_lane
from projections.balances import BALANCES
from projections.base import Projection, StoredEvent
from projections.folder import Folder
from projections.generations import digest
from projections.multipliers import MULTIPLIERS
from projections.runner import Lag, ProjectionParkedError, Runner, advance, lag, parked, resume
from projections.usage import USAGE
from tests.projections.workload import Connection, Workload, post

if TYPE_CHECKING:
    from projections.folder import Pool


async def advance_all(pool: "Pool", workload: Workload, projections: Sequence[Projection] = PROJECTIONS) -> None:
    for projection in projections:
        for tenant_id in workload.lanes:
            await advance(pool, projection, tenant_id, first_lane(tenant_id))


async def eventually(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(20):
        while not await condition():  # noqa: ASYNC110 -- another connection commits what is waited for
            await asyncio.sleep(0.02)


async def test_balances_are_what_the_events_say(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 30)
    await advance_all(pool, workload, [BALANCES])

    for customer in workload.customers:
        row = await pool.fetchrow(
            "SELECT * FROM projection.balances WHERE owner = 'tenant' AND tenant_id = $1", customer.tenant_id
        )
        assert row is not None
        left = row["granted_nanos"] - row["captured_nanos"] - row["adjusted_nanos"] - row["lapsed_nanos"]
        posted = await pool.fetchval(
            "SELECT sum(posted) FROM ledger.account WHERE pool_id IS NOT NULL AND tenant_id = $1", customer.tenant_id
        )
        assert left == posted
        assert row["lapsed_nanos"] == 5_000_000
        for owner in ("user", "token"):
            sums = await pool.fetchrow(
                "SELECT sum(captured_nanos) AS captured, sum(requests) AS requests, sum(tokens) AS tokens"
                " FROM projection.balances WHERE owner = $1 AND tenant_id = $2",
                owner,
                customer.tenant_id,
            )
            assert sums is not None
            assert tuple(sums) == (row["captured_nanos"], row["requests"], row["tokens"])


async def test_usage_by_the_hour_adds_up_to_the_balances(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 30)
    await advance_all(pool, workload, [BALANCES, USAGE])

    usage = await pool.fetch(
        "SELECT tenant_id, sum(captured_nanos) AS captured, sum(allowance_nanos) AS allowance,"
        " sum(requests) AS requests, sum(voids) AS voids,"
        " sum(input_tokens + cached_input_tokens + cache_write_1h_tokens + output_tokens) AS tokens"
        " FROM projection.usage_hourly GROUP BY tenant_id ORDER BY tenant_id"
    )
    balances = await pool.fetch(
        "SELECT tenant_id, captured_nanos AS captured, allowance_nanos AS allowance, requests, voids, tokens"
        " FROM projection.balances WHERE owner = 'tenant' AND captured_nanos > 0 ORDER BY tenant_id"
    )
    assert [tuple(row) for row in usage] == [tuple(row) for row in balances]


async def test_expired_holds_and_failed_attempts_count_for_whoever_made_the_request(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 40)
    await advance_all(pool, workload, [USAGE])

    counts = await pool.fetchrow(
        "SELECT sum(expired) AS expired, sum(failed_attempts) AS failed FROM projection.usage_hourly"
        " WHERE user_id <> '' AND token_id <> ''"
    )
    stored = await pool.fetchrow(
        "SELECT count(*) FILTER (WHERE type = 'hold.expired.v1') AS expired,"
        " count(*) FILTER (WHERE type = 'attempt.failed.v1') AS failed FROM ledger.event"
    )
    assert counts is not None
    assert stored is not None
    assert stored["expired"] > 0
    assert tuple(counts) == tuple(stored)


async def test_multipliers_keep_their_history(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 60)
    await advance_all(pool, workload, [MULTIPLIERS])

    now = await pool.fetch("SELECT multiplier_id, value FROM projection.multipliers WHERE valid_to IS NULL")
    assert {(row["multiplier_id"], row["value"]) for row in now} == {
        (each.multiplier_id, each.value) for each in workload.multipliers
    }
    overlaps = await pool.fetchval(
        "SELECT count(*) FROM projection.multipliers AS a JOIN projection.multipliers AS b USING (multiplier_id)"
        " WHERE a.position < b.position AND (a.valid_to IS NULL OR a.valid_to > b.valid_from)"
    )
    assert overlaps == 0
    assert await pool.fetchval("SELECT count(*) FROM projection.multipliers WHERE valid_to IS NOT NULL") > 0


@pytest.mark.parametrize("batch_events", [1, 7, 5000])
async def test_the_size_of_batches_leaves_no_trace(
    pool: "Pool", writer: Connection, workload: Workload, batch_events: int
) -> None:
    await workload.run(writer, 15)
    await advance_all(pool, workload)
    for projection in PROJECTIONS:
        await pool.execute(
            "INSERT INTO projection.generation VALUES ($1, 2, $2, 'filling')", projection.name, projection.version
        )
        folder = Folder(projection, batch_events=batch_events)
        async with pool.acquire() as connection:
            keys = [(tenant_id, first_lane(tenant_id)) for tenant_id in workload.lanes]
            while any(p.position < p.head for p in (await folder.lanes(connection, 2, keys)).values()):
                pass
            assert await digest(connection, projection, 2) == await digest(connection, projection, 1)


async def test_what_was_committed_can_be_read_after_advance(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    customer = workload.customers[0]
    await workload.send(writer, [customer.grant(77)])

    position = await advance(pool, BALANCES, customer.tenant_id, first_lane(customer.tenant_id))

    head = await pool.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", customer.tenant_id)
    granted = await pool.fetchval(
        "SELECT granted_nanos FROM projection.balances WHERE owner = 'tenant' AND tenant_id = $1", customer.tenant_id
    )
    assert position == head
    assert granted == 505_000_077


async def test_advance_of_an_unknown_lane_does_nothing(pool: "Pool") -> None:
    assert await advance(pool, BALANCES, PLATFORM, first_lane(PLATFORM)) == 0


async def test_several_processes_fold_each_event_once(pool: "Pool", writer: Connection, workload: Workload) -> None:
    runners = [Runner(pool, PROJECTIONS) for _ in range(2)]
    for runner in runners:
        await runner.start()
    await asyncio.gather(workload.run(writer, 40), *(advance_all(pool, workload) for _ in range(3)))

    async def caught_up() -> bool:
        return all(each.events == 0 for each in await lag(pool, PROJECTIONS))

    await eventually(caught_up)
    for runner in runners:
        await runner.stop()
    requests = await pool.fetchval("SELECT sum(requests) FROM projection.balances WHERE owner = 'tenant'")
    assert requests == await pool.fetchval("SELECT count(*) FROM ledger.event WHERE type = 'hold.captured.v1'")


async def test_the_runner_finds_lanes_with_and_without_a_hint(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    runner = Runner(pool, [BALANCES])
    await runner.start()

    async def caught_up() -> bool:
        return all(each.events == 0 for each in await runner.lag())

    await eventually(caught_up)
    await workload.run(writer, 2)
    runner.notice([(tenant_id, first_lane(tenant_id)) for tenant_id in workload.lanes])
    await eventually(caught_up)
    await workload.run(writer, 2)
    await eventually(caught_up)
    await runner.stop()


async def test_lag_counts_events_and_lanes(pool: "Pool", workload: Workload) -> None:
    assert await lag(pool, [BALANCES]) == [Lag("balances", workload.events, 3, 0)]
    first = workload.customers[0].tenant_id
    folded = await advance(pool, BALANCES, first, first_lane(first))
    assert await lag(pool, [BALANCES]) == [Lag("balances", workload.events - folded, 2, 0)]


async def test_a_bad_event_parks_its_lane_right_before_it_and_no_other(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    bad, good = workload.customers[:2]
    await workload.run(writer, 5)
    event_id = EventId(new_id())
    token, user = bad.tokens[0]
    before = await pool.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", bad.tenant_id)
    poison = post(bad.tenant_id, _Nonsense(), type="hold.voided.v1", event_id=event_id)
    await workload.send(writer, [poison, bad.grant(5), good.grant(5)])

    runner = Runner(pool, [BALANCES])
    await runner.start()

    async def only_the_bad_one_is_behind() -> bool:
        return await runner.lag() == [Lag("balances", 2, 1, 1)]

    await eventually(only_the_bad_one_is_behind)
    await runner.stop()
    (stands,) = await parked(pool)
    assert (stands.tenant_id, stands.position) == (bad.tenant_id, before + 1)
    assert "ValidationError" in stands.error
    with pytest.raises(ProjectionParkedError, match="balances stands at"):
        await advance(pool, BALANCES, bad.tenant_id, first_lane(bad.tenant_id))

    # The event is mended (here: by force), and the lane goes on.
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    data = encode(HoldVoided(hold_id=HoldId(event_id), reason="stopped", token_id=token, user_id=user, model_asked="x"))
    await writer.execute("UPDATE ledger.event SET data = $2 WHERE event_id = $1", event_id, data)
    assert await resume(pool, "balances") == 1
    assert await advance(pool, BALANCES, bad.tenant_id, first_lane(bad.tenant_id)) == before + 2
    assert await lag(pool, [BALANCES]) == [Lag("balances", 0, 0, 0)]


async def test_a_type_from_the_future_parks_the_lane(pool: "Pool", writer: Connection, workload: Workload) -> None:
    customer = workload.customers[0]
    await workload.send(writer, [post(customer.tenant_id, _Nonsense(), type="hold.teleported.v1")])

    with pytest.raises(ProjectionParkedError, match=r"run a newer version"):
        await advance(pool, MULTIPLIERS, customer.tenant_id, first_lane(customer.tenant_id))


async def test_a_missing_position_is_never_skipped(pool: "Pool", writer: Connection, workload: Workload) -> None:
    customer = workload.customers[0]
    await workload.run(writer, 5)
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = 4", customer.tenant_id)

    with pytest.raises(ProjectionParkedError, match="1 events are missing"):
        await advance(pool, BALANCES, customer.tenant_id, first_lane(customer.tenant_id))
    (stands,) = await parked(pool)
    assert stands.position == 4


async def test_a_killed_fold_leaves_rows_and_checkpoint_as_they_were(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    customer = workload.customers[0]
    key = (customer.tenant_id, first_lane(customer.tenant_id))
    await advance(pool, BALANCES, *key)
    async with pool.acquire() as connection:
        before = await digest(connection, BALANCES, 1)
    await workload.run(writer, 10)

    class Dying:
        name, version, tables = BALANCES.name, BALANCES.version, BALANCES.tables
        types, shapes, effects = BALANCES.types, BALANCES.shapes, BALANCES.effects

        async def apply(
            self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
        ) -> None:
            await BALANCES.apply(connection, generation, events)
            connection.terminate()

    with pytest.raises((asyncpg.InterfaceError, asyncpg.PostgresConnectionError)):
        await advance(pool, Dying(), *key)
    async with pool.acquire() as connection:
        assert await digest(connection, BALANCES, 1) == before
    await advance(pool, BALANCES, *key)
    assert await parked(pool) == []


class _Nonsense(msgspec.Struct):
    hold_id: int = 7
