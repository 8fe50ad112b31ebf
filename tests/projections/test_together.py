"""All live projections of a process fold together, and whoever cannot keep step does so for itself and comes back."""

import asyncio
import random
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec
import pytest

from app.projections import PROJECTIONS
from domain.ids import TenantId, first_lane
from projections.balances import BALANCES, Balances
from projections.base import Projection, StoredEvent
from projections.checkpoints import LaneKey, ParkedLane
from projections.folder import Folder
from projections.generations import digest, rebuild
from projections.group import Group, StrangerError
from projections.multipliers import MULTIPLIERS
from projections.runner import Lag, Runner, advance, lag, parked, resume
from tests.projections.test_folding import eventually
from tests.projections.workload import Connection, Workload, post

if TYPE_CHECKING:
    import asyncpg

    from projections.folder import Pool

NAMES = sorted(projection.name for projection in PROJECTIONS)


class _Nonsense(msgspec.Struct):
    hold_id: int = 7


def key_of(tenant_id: TenantId) -> LaneKey:
    return tenant_id, first_lane(tenant_id)


async def fold_together(pool: "Pool", group: Group, keys: Sequence[LaneKey]) -> None:
    async with pool.acquire() as connection:
        while any(each.position < each.head for each in (await group.lanes(connection, keys)).values()):
            pass


async def digests(pool: "Pool") -> dict[str, str]:
    found = {}
    async with pool.acquire() as connection:
        for projection in PROJECTIONS:
            generation = await connection.fetchval(
                "SELECT generation FROM projection.generation WHERE name = $1 AND state = 'live'", projection.name
            )
            found[projection.name] = await digest(connection, projection, generation)
    return found


async def rebuilt(pool: "Pool") -> dict[str, str]:
    for projection in PROJECTIONS:
        await rebuild(pool, projection)
    return await digests(pool)


async def own_rows(pool: "Pool") -> list[tuple[str, int]]:
    rows = await pool.fetch("SELECT name, lane FROM projection.checkpoint ORDER BY name, lane")
    return [(row["name"], row["lane"]) for row in rows]


async def nobody_is_behind(pool: "Pool") -> bool:
    return all(each.events == 0 and each.lanes == 0 for each in await lag(pool, PROJECTIONS))


async def test_one_row_moves_for_all_projections(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 20)

    await fold_together(pool, Group(PROJECTIONS), [key_of(each) for each in workload.lanes])

    assert await nobody_is_behind(pool)
    assert await own_rows(pool) == []
    heads = await pool.fetch("SELECT tenant_id, lane, head FROM ledger.lane WHERE head > 0 ORDER BY lane")
    shared = await pool.fetch(
        "SELECT tenant_id, lane, position FROM projection.shared_checkpoint WHERE position > 0 ORDER BY lane"
    )
    assert [tuple(row) for row in shared] == [tuple(row) for row in heads]
    positions = await pool.fetch("SELECT DISTINCT name FROM projection.position WHERE position > 0 ORDER BY name")
    assert [row["name"] for row in positions] == NAMES
    folded = await digests(pool)
    assert await rebuilt(pool) == folded


async def test_who_is_ahead_is_given_no_event_twice(pool: "Pool", writer: Connection, workload: Workload) -> None:
    tenant_id = workload.customers[0].tenant_id
    keys = [key_of(each) for each in workload.lanes]
    group = Group(PROJECTIONS)
    await fold_together(pool, group, keys)
    await workload.run(writer, 10)
    await advance(pool, BALANCES, *key_of(tenant_id))
    assert await own_rows(pool) == [("balances", tenant_id)]

    await workload.run(writer, 10)
    await fold_together(pool, group, keys)

    assert await own_rows(pool) == []
    folded = await digests(pool)
    assert await rebuilt(pool) == folded


async def test_any_order_of_folds_gives_the_same_rows(pool: "Pool", writer: Connection, workload: Workload) -> None:
    rng = random.Random(7)
    keys = [key_of(each) for each in workload.lanes]
    group = Group(PROJECTIONS, batch_events=9)

    async def step() -> None:
        match rng.randrange(4):
            case 0:
                await advance(pool, rng.choice(PROJECTIONS), *rng.choice(keys))
            case 1:
                async with pool.acquire() as connection:
                    await group.lanes(connection, rng.sample(keys, 2))
            case 2:
                projection = rng.choice(PROJECTIONS)
                async with pool.acquire() as connection:
                    generation = await connection.fetchval(
                        "SELECT generation FROM projection.generation WHERE name = $1 AND state = 'live'",
                        projection.name,
                    )
                    await Folder(projection, batch_events=7).lanes(connection, generation, keys)
            case _:
                await rebuild(pool, rng.choice(PROJECTIONS), batch_events=50)

    for _ in range(12):
        await workload.run(writer, 2)
        await step()
        await asyncio.gather(*(step() for _ in range(2)))
    await fold_together(pool, Group(PROJECTIONS), keys)
    for projection in PROJECTIONS:
        for key in keys:
            await advance(pool, projection, *key)

    assert await nobody_is_behind(pool)
    folded = await digests(pool)
    assert await rebuilt(pool) == folded


async def test_a_new_projection_catches_up_while_the_others_go_on(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await pool.execute("DELETE FROM projection.generation WHERE name = 'balances'")
    others = [projection for projection in PROJECTIONS if projection.name != "balances"]
    keys = [key_of(each) for each in workload.lanes]
    await workload.run(writer, 20)
    await fold_together(pool, Group(others), keys)

    runner = Runner(pool, PROJECTIONS)
    await runner.start()
    await workload.run(writer, 5)

    async def all_together() -> bool:
        return await nobody_is_behind(pool) and await own_rows(pool) == []

    await eventually(all_together)
    await runner.stop()
    folded = await digests(pool)
    assert await rebuilt(pool) == folded


async def test_a_poison_event_parks_its_lane_in_its_projection_only(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    bad, good = workload.customers[:2]
    await workload.run(writer, 5)
    told: list[ParkedLane] = []
    runner = Runner(pool, PROJECTIONS, on_park=told.append)
    await runner.start()
    await eventually(lambda: nobody_is_behind(pool))
    before = await pool.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", bad.tenant_id)

    # Only projections of administration read this type: the others do not even decode it.
    poison = post(bad.tenant_id, _Nonsense(), type="multiplier.created.v1")
    await workload.send(writer, [poison, bad.grant(5), good.grant(5)])

    readers = sorted(projection.name for projection in PROJECTIONS if "multiplier.created.v1" in projection.types)

    async def only_its_readers_are_behind() -> bool:
        behind = [each.projection for each in await lag(pool, PROJECTIONS) if each.events]
        return behind == readers == [each.projection for each in await parked(pool)]

    await eventually(only_its_readers_are_behind)
    (found,) = [each for each in await parked(pool) if each.projection == "multipliers"]
    assert (found.tenant_id, found.lane, found.position) == (bad.tenant_id, first_lane(bad.tenant_id), before + 1)
    assert "ValidationError" in found.error
    assert found.since is not None
    assert [each.position for each in told if each.projection == "multipliers"] == [before + 1]
    assert {each.lane for each in await parked(pool)} == {bad.tenant_id}

    # Later events of the lane and of all others go on being folded by everybody else.
    await workload.send(writer, [bad.grant(7), good.grant(7)])
    granted = "SELECT granted_nanos FROM projection.balances WHERE owner = 'tenant' AND tenant_id = $1"

    async def others_go_on() -> bool:
        behind = [each for each in await lag(pool, PROJECTIONS) if each.events and not each.parked]
        return not behind and await pool.fetchval(granted, bad.tenant_id) == await pool.fetchval(
            "SELECT sum(posted)::numeric FROM ledger.account WHERE tenant_id = $1 AND pool_id IS NOT NULL"
            " AND NOT credit_line",
            bad.tenant_id,
        ) + await pool.fetchval(
            "SELECT captured_nanos + adjusted_nanos + lapsed_nanos FROM projection.balances"
            " WHERE owner = 'tenant' AND tenant_id = $1",
            bad.tenant_id,
        )

    await eventually(others_go_on)
    assert await lag(pool, [MULTIPLIERS]) == [Lag("multipliers", 3, 1, 1)]

    # Tried again in vain, it parks again; mended (here: by force), it comes back to the others.
    assert await resume(pool, "multipliers", tenant_id=bad.tenant_id) == 1
    await eventually(only_its_readers_are_behind)
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute("UPDATE ledger.event SET type = 'requests.refused.v1' WHERE event_id = $1", poison.event_id)
    await writer.execute(
        "UPDATE ledger.event SET data = (SELECT data FROM ledger.event WHERE type = 'requests.refused.v1'"
        " AND event_id <> $1 LIMIT 1) WHERE event_id = $1",
        poison.event_id,
    )
    assert await resume(pool) == len(readers)

    async def all_together() -> bool:
        return await nobody_is_behind(pool) and await own_rows(pool) == []

    await eventually(all_together)
    assert await parked(pool) == []
    await runner.stop()


async def test_a_projection_that_fails_on_its_rows_leaves_the_others(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    bad = workload.customers[1]

    class Choking(Balances):
        async def apply(
            self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
        ) -> None:
            if any(event.tenant_id == bad.tenant_id for event in events):
                await connection.execute("SELECT 1 / 0")
            await super().apply(connection, generation, events)

    mixed: list[Projection] = [
        Choking() if each is BALANCES or each.name == "balances" else each for each in PROJECTIONS
    ]
    await workload.run(writer, 10)
    runner = Runner(pool, mixed)
    await runner.start()

    async def one_lane_is_left() -> bool:
        return {(each.projection, each.lanes, each.parked) for each in await lag(pool, PROJECTIONS) if each.lanes} == {
            ("balances", 1, 1)
        }

    await eventually(one_lane_is_left)
    await runner.stop()
    (stands,) = await parked(pool)
    assert (stands.projection, stands.tenant_id) == ("balances", bad.tenant_id)
    assert "division by zero" in stands.error
    # A start of the code that can fold it is a retry.
    mended = Runner(pool, PROJECTIONS)
    await mended.start()
    await eventually(lambda: nobody_is_behind(pool))
    await mended.stop()
    folded = await digests(pool)
    assert await rebuilt(pool) == folded


async def test_at_a_gap_in_the_log_all_park_on_that_lane_only(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    gap = workload.customers[0].tenant_id
    await workload.run(writer, 5)
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = 4", gap)
    runner = Runner(pool, PROJECTIONS)
    await runner.start()

    async def all_parked() -> bool:
        found = await lag(pool, PROJECTIONS)
        return all((each.lanes, each.parked) == (1, 1) for each in found)

    await eventually(all_parked)
    await runner.stop()
    stand = await parked(pool)
    assert [each.projection for each in stand] == NAMES
    assert {(each.tenant_id, each.position) for each in stand} == {(gap, 4)}


async def test_a_process_that_lacks_a_live_projection_moves_no_shared_row(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 5)
    keys = [key_of(each) for each in workload.lanes]
    some = [projection for projection in PROJECTIONS if projection.name != "balances"]

    with pytest.raises(StrangerError, match=f"balances of version {BALANCES.version}"):
        await fold_together(pool, Group(some), keys)

    runner = Runner(pool, some)
    await runner.start()

    async def those_are_up() -> bool:
        return all(each.events == 0 for each in await runner.lag())

    await eventually(those_are_up)
    await runner.stop()
    assert [each.events for each in await lag(pool, [BALANCES])] == [workload.events]
    await fold_together(pool, Group(PROJECTIONS), keys)
    folded = await digests(pool)
    assert await rebuilt(pool) == folded


async def test_one_process_folds_and_another_takes_over(pool: "Pool", writer: Connection, workload: Workload) -> None:
    first, second = Runner(pool, PROJECTIONS), Runner(pool, PROJECTIONS)
    await first.start()

    async def holders() -> int:
        count: int = await pool.fetchval("SELECT count(*) FROM projection.lease WHERE until > now()")
        return count

    async def is_led() -> bool:
        return await holders() == 1

    await eventually(is_led)
    holder = await pool.fetchval("SELECT holder FROM projection.lease")
    await second.start()
    await workload.run(writer, 3)
    await eventually(lambda: nobody_is_behind(pool))
    assert await pool.fetchval("SELECT holder FROM projection.lease") == holder

    await first.stop()
    await workload.run(writer, 3)
    await eventually(lambda: nobody_is_behind(pool))
    assert await pool.fetchval("SELECT holder FROM projection.lease") not in {None, holder}
    await second.stop()
    assert await pool.fetchval("SELECT count(*) FROM projection.lease") == 0
