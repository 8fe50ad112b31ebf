"""The pipe of hints between processes, by its two ends in one."""

import asyncio
import os
from collections.abc import Iterable

from adapters.hints import HintWriter, hearing, hint_pipe
from domain.ids import Lane, TenantId

Key = tuple[TenantId, Lane]


class Heard:
    def __init__(self) -> None:
        self.lanes: list[Key] = []
        self.more = asyncio.Event()

    def __call__(self, lanes: Iterable[Key]) -> None:
        self.lanes += lanes
        self.more.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10):
            while len(self.lanes) < count:
                self.more.clear()
                await self.more.wait()


def keys(*numbers: int) -> set[Key]:
    return {(TenantId(number), Lane(number + 1)) for number in numbers}


async def test_a_lane_that_moves_is_told_at_once_and_what_follows_soon_after_it_together() -> None:
    heard = Heard()
    with hint_pipe() as pipe, hearing(pipe.reads, heard):
        writer = HintWriter(pipe.writes)
        writer.notice(keys(1))
        await heard.until(1)
        writer.notice(keys(2))
        writer.notice(keys(2, 3))
        assert len(heard.lanes) == 1
        await heard.until(3)

    assert heard.lanes[0] == (1, 2)
    assert set(heard.lanes) == keys(1, 2, 3)


async def test_hints_of_several_writers_stay_whole_however_many_lanes_they_name() -> None:
    heard = Heard()
    large = 2**53 - 1
    with hint_pipe() as pipe, hearing(pipe.reads, heard):
        for start in (0, 1000, large - 1000):
            HintWriter(pipe.writes).notice(keys(*range(start, start + 1000)))
        await heard.until(3000)

    assert set(heard.lanes) == keys(*range(2000), *range(large - 1000, large))


async def test_a_writer_waits_for_nobody_whether_the_pipe_is_full_or_nobody_reads() -> None:
    reads, writes = os.pipe()
    os.set_blocking(writes, False)
    HintWriter(writes).notice(keys(*range(100_000)))
    os.close(reads)
    HintWriter(writes).notice(keys(1))
    os.close(writes)


async def test_who_reads_hears_no_more_once_nobody_is_left_who_could_write() -> None:
    heard = Heard()
    reads, writes = os.pipe()
    with hearing(reads, heard):
        os.close(writes)
        await asyncio.wait_for(heard.more.wait(), 10)
    os.close(reads)

    assert heard.lanes == []
