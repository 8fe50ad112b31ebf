"""The door of a busy process."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.routing.shedding import Shedder, ShedError
from domain.ids import TenantId

FLOOD, OTHER, THIRD = TenantId(1), TenantId(2), TenantId(3)


def door(running_max: int = 8, waiting_max: int = 4, wait_seconds: float = 5.0) -> Shedder:
    return Shedder(running_max=running_max, waiting_max=waiting_max, wait_seconds=wait_seconds)


def at_once(entering: Coroutine[Any, Any, None]) -> None:
    """Have what comes to an end without waiting for anything."""
    try:
        entering.send(None)
    except StopIteration:
        return
    entering.close()
    pytest.fail("it waits")


async def waiting(shedder: Shedder, *tenants: TenantId) -> list[asyncio.Task[None]]:
    """Let requests wait at the door, in this order."""
    tasks = []
    for tenant in tenants:
        tasks.append(asyncio.create_task(shedder.enter(tenant)))
        await asyncio.sleep(0)
    return tasks


async def test_one_tenant_never_has_all_slots_so_that_another_is_let_in_at_once() -> None:
    shedder = door()
    for _ in range(7):
        await shedder.enter(FLOOD)
    (stuck,) = await waiting(shedder, FLOOD)

    at_once(shedder.enter(OTHER))

    assert not stuck.done()
    stuck.cancel()


async def test_free_slots_go_around_the_tenants() -> None:
    shedder = door(running_max=1)
    await shedder.enter(THIRD)
    order: list[int] = []

    async def serve(tenant: TenantId) -> None:
        await shedder.enter(tenant)
        order.append(tenant)
        shedder.leave(tenant)

    tasks = []
    for tenant in (FLOOD, FLOOD, FLOOD, OTHER):
        tasks.append(asyncio.create_task(serve(tenant)))
        await asyncio.sleep(0)
    shedder.leave(THIRD)
    await asyncio.gather(*tasks)

    assert order.index(OTHER) <= 1
    assert (shedder.running, shedder.waiting, len(shedder._lines)) == (0, 0, 0)


async def test_past_the_bound_a_request_is_turned_away_at_once() -> None:
    shedder = door(running_max=1, waiting_max=2)
    await shedder.enter(FLOOD)
    tasks = await waiting(shedder, FLOOD, FLOOD)

    with pytest.raises(ShedError) as refusal:
        at_once(shedder.enter(FLOOD))

    assert refusal.value.own
    assert refusal.value.retry_after_seconds > 0
    for task in tasks:
        task.cancel()


async def test_a_full_queue_takes_another_tenant_in_place_of_the_flood() -> None:
    shedder = door(running_max=1, waiting_max=3)
    await shedder.enter(THIRD)
    flood = await waiting(shedder, FLOOD, FLOOD, FLOOD)

    (other,) = await waiting(shedder, OTHER)
    await asyncio.sleep(0)

    assert [task.done() for task in (*flood, other)] == [False, False, True, False]
    with pytest.raises(ShedError):
        flood[2].result()
    for task in (*flood[:2], other):
        task.cancel()


async def test_nobody_waits_for_longer_than_the_bound() -> None:
    shedder = door(running_max=1, wait_seconds=0.02)
    await shedder.enter(FLOOD)

    with pytest.raises(ShedError):
        await shedder.enter(OTHER)

    assert shedder.waiting == 0


async def test_who_goes_while_waiting_leaves_no_trace() -> None:
    shedder = door(running_max=1)
    await shedder.enter(FLOOD)
    first, second = await waiting(shedder, OTHER, OTHER)
    first.cancel()
    await asyncio.wait([first])
    shedder.leave(FLOOD)
    await asyncio.wait_for(second, 1)
    shedder.leave(OTHER)

    assert (shedder.running, shedder.waiting, len(shedder._lines)) == (0, 0, 0)


async def test_who_goes_in_the_moment_of_being_let_in_gives_the_slot_back() -> None:
    shedder = door(running_max=1)
    await shedder.enter(FLOOD)
    (first,) = await waiting(shedder, OTHER)
    shedder.leave(FLOOD)
    first.cancel()
    await asyncio.wait([first])

    assert (shedder.running, shedder.waiting) == (0, 0)
    at_once(shedder.enter(THIRD))


@given(
    st.lists(st.tuples(st.integers(1, 3), st.integers(0, 5), st.booleans()), max_size=60),
    st.integers(1, 9),
    st.integers(0, 5),
)
def test_whatever_comes_and_goes_the_bounds_hold_and_nothing_is_left(
    visits: list[tuple[int, int, bool]], running_max: int, waiting_max: int
) -> None:
    async def play() -> None:
        shedder = Shedder(running_max=running_max, waiting_max=waiting_max, wait_seconds=1.0)

        async def visit(tenant: int, turns: int) -> None:
            try:
                await shedder.enter(TenantId(tenant))
            except ShedError:
                return
            try:
                for _ in range(turns):
                    await asyncio.sleep(0)
                assert 0 < shedder.running <= running_max
                assert shedder.waiting <= waiting_max
            finally:
                shedder.leave(TenantId(tenant))

        tasks = []
        for tenant, turns, goes in visits:
            task = asyncio.create_task(visit(tenant, turns))
            tasks.append(task)
            await asyncio.sleep(0)
            if goes:
                task.cancel()
        for result in await asyncio.gather(*tasks, return_exceptions=True):
            assert result is None or isinstance(result, asyncio.CancelledError)
        assert (shedder.running, shedder.waiting, len(shedder._lines)) == (0, 0, 0)

    asyncio.run(play())


async def test_a_flood_never_has_another_tenant_wait_that_keeps_to_the_slots_out_of_its_reach() -> None:
    """So its answers take as long as ever: `python -m tests.bench.routing` has the times."""
    shedder = Shedder(running_max=16, waiting_max=64, wait_seconds=60.0)
    served = 0

    async def flood() -> None:
        nonlocal served
        while True:
            try:
                await shedder.enter(FLOOD)
            except ShedError:
                await asyncio.sleep(0)
                continue
            for _ in range(5):
                await asyncio.sleep(0)
            shedder.leave(FLOOD)
            served += 1

    async def other() -> None:
        for _ in range(200):
            at_once(shedder.enter(OTHER))
            for _ in range(5):
                await asyncio.sleep(0)
            shedder.leave(OTHER)

    floods = [asyncio.create_task(flood()) for _ in range(200)]
    await asyncio.sleep(0)
    await asyncio.gather(other(), other())
    for task in floods:
        task.cancel()

    assert shedder.shed > 0
    assert served > 1_000, "the flood has gone on"
