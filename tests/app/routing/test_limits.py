"""A channel's limits over two nodes: what the vendor allows is what passes, and no more."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.routing.limits import FREE, ChannelLimits, Lease
from domain.admin.entities import Channel, Limits
from domain.ids import EntityId
from tests.app.routing.conftest import Clock
from tests.support.office import Office

Nodes = tuple[ChannelLimits, ChannelLimits]


class Still(Clock):
    """A clock that stands in the middle of a minute until it is moved."""

    def __call__(self) -> int:
        return 1_800_000_030_000 + self.ahead


@pytest.fixture
def still() -> Still:
    return Still()


@pytest.fixture
async def nodes(office: Office, still: Still) -> AsyncIterator[Nodes]:
    made = tuple(ChannelLimits(office.pool, node=node, milliseconds=still) for node in "ab")
    for each in made:
        await each.start()
    yield made[0], made[1]
    for each in made:
        await each.stop()


def channel(**limits: int) -> Channel:
    return Channel(channel_id=EntityId("c"), name="c", type="demo", limits=Limits(**limits))


async def take_all(nodes: Nodes, limited: Channel, tokens: int, times: int) -> list[Lease]:
    """Take as often as there is something, on both nodes at once."""
    taken = await asyncio.gather(*(nodes[number % 2].take(limited, tokens) for number in range(times)))
    return [lease for lease in taken if lease is not None]


async def test_a_channel_without_limits_costs_nothing(nodes: Nodes) -> None:
    assert await nodes[0].take(channel(), 10**9) is FREE


@pytest.mark.parametrize("limit", [1, 7, 19])
async def test_two_nodes_pass_exactly_a_small_limit_of_requests(nodes: Nodes, limit: int) -> None:
    assert len(await take_all(nodes, channel(requests_per_minute=limit), 0, 60)) == limit


async def test_two_nodes_pass_no_more_than_a_large_limit_and_leave_no_more_than_a_part(nodes: Nodes) -> None:
    passed = len(await take_all(nodes, channel(requests_per_minute=200), 0, 500))

    assert 190 <= passed <= 200


async def test_the_next_minute_begins_anew(nodes: Nodes, still: Still) -> None:
    limited = channel(requests_per_minute=3)
    assert len(await take_all(nodes, limited, 0, 10)) == 3
    assert "c" in nodes[0].used_up or "c" in nodes[1].used_up

    still.ahead += 60_000

    assert len(await take_all(nodes, limited, 0, 10)) == 3


async def test_tokens_count_at_their_worst_case_and_what_was_not_used_is_free_again(nodes: Nodes) -> None:
    a, _ = nodes
    limited = channel(tokens_per_minute=1000)
    lease = await a.take(limited, 900)
    assert lease is not None
    assert await a.take(limited, 200) is None

    a.release(lease, 100)

    assert await a.take(limited, 900) is not None
    assert await a.take(limited, 1) is None


async def test_a_request_that_is_too_large_leaves_room_for_a_small_one(nodes: Nodes) -> None:
    a, _ = nodes
    limited = channel(tokens_per_minute=1000)
    assert await a.take(limited, 950) is not None

    assert await a.take(limited, 100) is None
    assert await a.take(limited, 50) is not None


async def test_slots_are_shared_and_come_back(nodes: Nodes, still: Still) -> None:
    limited = channel(concurrency=3)
    taken = await take_all(nodes, limited, 0, 12)
    assert len(taken) == 3

    for node, lease in zip((nodes[0], nodes[1], nodes[0]), taken, strict=True):
        node.release(lease, 0)
    still.ahead += 1_000

    assert len(await take_all(nodes, limited, 0, 12)) >= 1


async def test_a_dead_nodes_slots_come_back_by_its_silence(nodes: Nodes, office: Office, still: Still) -> None:
    a, b = nodes
    limited = channel(concurrency=2)
    assert [await a.take(limited, 0) is not None for _ in range(3)] == [True, True, False]
    assert await b.take(limited, 0) is None
    assert a._task is not None
    a._task.cancel()

    await office.pool.execute(
        "UPDATE routing.channel_slots SET expires_at = now() - interval '1 second' WHERE node = 'a'"
    )
    still.ahead += 1_000

    assert await b.take(limited, 0) is not None


async def test_a_refusal_gives_back_what_it_had_taken_so_far(nodes: Nodes) -> None:
    a, _ = nodes
    assert await a.take(channel(concurrency=1, requests_per_minute=1), 0) is not None
    b_first: Any = await a.take(channel(concurrency=2, requests_per_minute=1), 0)

    assert b_first is None
    assert a._slots[EntityId("c")].used == 1


async def test_nobody_passes_while_the_database_is_away(nodes: Nodes, monkeypatch: pytest.MonkeyPatch) -> None:
    class Away:
        async def fetchval(self, *_: object) -> int:
            raise OSError("away")

        async def execute(self, *_: object) -> None:
            raise OSError("away")

    monkeypatch.setattr(nodes[0], "_pool", Away())

    assert await nodes[0].take(channel(requests_per_minute=5), 0) is None
