"""The health of channels on two nodes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.routing.board import POLL_SECONDS, HealthBoard
from domain.ids import EntityId
from domain.routing.health import SOUND, Sample
from tests.app.routing.conftest import Clock, until
from tests.support.office import Office

CHANNEL = EntityId("01935f00-0000-7000-8000-000000000002")
Nodes = tuple[HealthBoard, HealthBoard]


@contextlib.asynccontextmanager
async def running(office: Office, clock: Clock, node: str, **more: Any) -> AsyncIterator[HealthBoard]:
    board = HealthBoard(office.ledger, office.pool, node=node, milliseconds=clock, **more)
    await board.start()
    try:
        yield board
    finally:
        await board.stop()


@pytest.fixture
async def nodes(office: Office, clock: Clock) -> AsyncIterator[Nodes]:
    async with running(office, clock, "a") as a, running(office, clock, "b") as b:
        yield a, b


def happens(board: HealthBoard, clock: Clock, *classes: Any, is_probe: bool = False, **more: Any) -> None:
    for each in classes:
        board.note(CHANNEL, Sample(class_=each, at_milliseconds=clock(), is_probe=is_probe), **more)


def weight(board: HealthBoard, clock: Clock, configured: int = 70) -> int:
    return board.view.get(CHANNEL, SOUND).weight(configured, clock())


async def events(office: Office) -> int:
    count: int = await office.pool.fetchval(
        "SELECT count(*) FROM ledger.event WHERE tenant_id = 1 AND type = 'channel_health.changed.v1'"
    )
    return count


async def test_a_channel_that_one_node_finds_down_is_down_on_the_other_within_two_seconds(
    office: Office, clock: Clock
) -> None:
    """By looks, not by the clock: by the next, or the one after that if it was under way; four are in two seconds."""
    down = asyncio.Event()
    looks = 0

    class Counting(HealthBoard):
        async def refresh(self) -> None:
            nonlocal looks
            await super().refresh()
            looks += 1

    b = Counting(office.ledger, office.pool, node="b", milliseconds=clock, on_change=lambda *_: down.set())
    await b.start()
    async with running(office, clock, "a") as a:
        happens(a, clock, "timeout", "timeout", "timeout")
        assert weight(a, clock) == 0, "at once where it was seen"
        await until(lambda: not a._dirty)
        before = looks
        await asyncio.wait_for(down.wait(), 30)
    await b.stop()

    assert weight(b, clock) == 0
    assert looks - before <= 1, "the look that told it is not counted yet"
    assert 4 * POLL_SECONDS <= 2.0


async def test_the_steps_back_are_shared_one_by_one(nodes: Nodes, clock: Clock, office: Office) -> None:
    a, b = nodes
    happens(a, clock, "timeout", "timeout", "timeout")
    await until(lambda: weight(b, clock) == 0)
    seen = []

    for board, expected in ((b, 14), (a, 28), (b, 42), (a, 56), (b, 70)):
        happens(board, clock, "success")
        await until(lambda: weight(a, clock) == weight(b, clock) == expected)  # noqa: B023 -- awaited in the loop
        seen.append(weight(a, clock))

    assert seen == [14, 28, 42, 56, 70]
    assert await events(office) == 6


async def test_two_nodes_that_see_the_same_fault_leave_one_event(nodes: Nodes, clock: Clock, office: Office) -> None:
    a, b = nodes

    for board in nodes:
        happens(board, clock, "timeout", "timeout", "timeout")
    await until(lambda: not a._dirty and not b._dirty)

    assert await events(office) == 1
    assert weight(a, clock) == weight(b, clock) == 0


async def test_faults_that_change_nothing_yet_are_no_events(nodes: Nodes, clock: Clock, office: Office) -> None:
    a, _ = nodes

    for _ in range(50):
        happens(a, clock, "timeout", "timeout", "success", "client", "content")

    assert not a._dirty
    assert await events(office) == 0


async def test_a_node_that_starts_later_knows_what_the_others_know(nodes: Nodes, clock: Clock, office: Office) -> None:
    happens(nodes[0], clock, "auth")
    await until(lambda: not nodes[0]._dirty)

    async with running(office, clock, "c") as late:
        assert late.view[CHANNEL].out == "auth"


async def test_a_refused_key_comes_back_by_a_probe_of_any_node(nodes: Nodes, clock: Clock) -> None:
    a, b = nodes
    happens(a, clock, "quota")
    await until(lambda: weight(b, clock) == 0)

    happens(b, clock, "success")
    assert weight(b, clock) == 0
    happens(b, clock, "success", is_probe=True)

    await until(lambda: weight(a, clock) == 70)


async def test_a_refused_channel_is_used_again_once_a_person_has_changed_it(office: Office, clock: Clock) -> None:
    stored = await office.channel(secret="a vendor's key that is refused")
    channel_id = EntityId(stored.entity_id)
    acted: dict[EntityId, int] = {channel_id: stored.position}
    async with running(office, clock, "a", acted_at=lambda: acted) as board:
        board.note(channel_id, Sample(class_="auth", at_milliseconds=clock()))
        await until(lambda: not board._dirty)
        await board.refresh()
        assert board.view[channel_id].out == "auth"

        changed = await office.administration.set_channel_key(channel_id, None, "a key that is good", actor="user:me")
        acted[channel_id] = changed.position

        await until(lambda: channel_id not in board.view)


async def test_a_person_can_give_a_channel_a_fresh_start_everywhere(nodes: Nodes, clock: Clock) -> None:
    a, b = nodes
    happens(a, clock, "timeout", "timeout", "timeout")
    await until(lambda: weight(b, clock) == 0)

    await b.reset(CHANNEL, actor="user:me", reason="the vendor says it is mended")

    assert weight(b, clock) == 70
    await until(lambda: weight(a, clock) == 70)


async def test_one_key_of_several_is_left_out_and_the_channel_with_the_last_of_them(nodes: Nodes, clock: Clock) -> None:
    a, _ = nodes

    happens(a, clock, "auth", key=1, keys=2)
    assert (a.key_out(CHANNEL, 1), a.key_out(CHANNEL, 2), weight(a, clock)) == ("auth", None, 70)

    happens(a, clock, "quota", key=2, keys=2)
    assert weight(a, clock) == 0

    happens(a, clock, "success", key=2, keys=2, is_probe=True)
    assert (a.key_out(CHANNEL, 1), a.key_out(CHANNEL, 2), weight(a, clock)) == ("auth", None, 70)


async def test_what_cannot_be_written_while_the_database_is_away_is_shared_later(
    nodes: Nodes, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    a, b = nodes
    submit = a._ledger.submit
    failures = 2

    async def flaky(command: Any) -> Any:
        nonlocal failures
        if failures:
            failures -= 1
            raise OSError("away")
        return await submit(command)

    monkeypatch.setattr(a, "_ledger", type("Ledger", (), {"submit": staticmethod(flaky)})())
    happens(a, clock, "connect", "connect", "connect")

    assert weight(a, clock) == 0
    await until(lambda: weight(b, clock) == 0)


async def test_how_busy_and_how_fast_channels_are_is_known(nodes: Nodes) -> None:
    a, _ = nodes
    a.began(CHANNEL)
    a.began(CHANNEL)
    assert a.busy[CHANNEL] == 2

    a.ended(CHANNEL, 100.0)
    a.ended(CHANNEL, 200.0)

    assert CHANNEL not in a.busy
    assert a.first_byte[CHANNEL] == pytest.approx(120.0)


async def test_changes_are_told_once(office: Office, clock: Clock) -> None:
    told: list[tuple[int, int]] = []
    async with running(
        office, clock, "a", on_change=lambda _, before, after: told.append((before.percent, after.percent))
    ) as board:
        happens(board, clock, "timeout", "timeout", "timeout", "timeout", "success")
        await until(lambda: not board._dirty)
        await asyncio.sleep(0)

    assert [pair for pair in told if pair[0] != pair[1]] == [(100, 0), (0, 20)]
