"""How long the flip of a rebuild keeps folds waiting, while writes and folds go on: `make bench-rebuild`.

Every projection is made again several times from one log, on a database of its own, while one connection writes without
a pause and the live generation is kept up. The flip is what excludes folds of that one projection; nobody who reads or
writes waits for it. Exit status 1 when one took longer than it may.
"""

import argparse
import asyncio
import contextlib
import logging
import os
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import asyncpg
import msgspec
import structlog

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.migrate import migrate
from app.projections import PROJECTIONS
from app.rebuild import Rebuilt, rebuild_all
from projections.runner import Runner
from tests.bench.processes import ROOT
from tests.projections.workload import Workload

FLIP_MILLISECONDS_MAX = 50.0
_LANES = 40
_BATCH = 100


class Writer:
    """Writes without a pause, and knows the longest that it waited for a commit."""

    def __init__(self, workload: Workload, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        self.workload = workload
        self.worst_milliseconds = 0.0
        self._connection = connection
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            began = time.perf_counter()
            await self.workload.run(self._connection, 1)
            self.worst_milliseconds = max(self.worst_milliseconds, 1000 * (time.perf_counter() - began))


class Flips(msgspec.Struct, frozen=True):
    """What was measured of one projection."""

    projection: str
    milliseconds: tuple[float, ...]
    events_per_second: int

    @property
    def worst(self) -> float:
        return max(self.milliseconds)


async def measure(events: int, rounds: int) -> tuple[list[Flips], str]:
    """Give the flips of each projection, and a line about what went on meanwhile."""
    with tempfile.TemporaryDirectory(prefix=".rebuild-", dir=ROOT / "bench-results") as folder:
        async with (
            EmbeddedPostgres(Path(folder) / "data") as server,
            _prepared(server.dsn) as pool,
        ):
            connection = await asyncpg.connect(server.dsn)
            workload = Workload(seed=1, customers=_LANES)
            await workload.begin(connection)
            while workload.events < events:
                await workload.run(connection, 1, _BATCH)
            runner = Runner(pool, PROJECTIONS)
            await runner.start()
            writer = Writer(workload, connection)
            before, began = workload.events, time.perf_counter()
            rebuilt: list[Rebuilt] = []
            for _ in range(rounds):
                rebuilt += await rebuild_all(pool, PROJECTIONS)
            seconds = time.perf_counter() - began
            await writer.stop()
            await runner.stop()
            await connection.close()
    written = (workload.events - before) / seconds
    note = (
        f"{workload.events:,} events in {_LANES} lanes; {written:,.0f} events/s were written meanwhile, and the longest"
        f" that a batch of 12 took was {writer.worst_milliseconds:.0f} ms. Load average {os.getloadavg()[0]:.1f}."
    )
    return [_flips(projection.name, rebuilt) for projection in PROJECTIONS], note


@contextlib.asynccontextmanager
async def _prepared(dsn: str) -> AsyncIterator["asyncpg.Pool[asyncpg.Record]"]:
    await migrate(dsn)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=8) as pool:
        yield pool


def _flips(name: str, rebuilt: Sequence[Rebuilt]) -> Flips:
    mine = [each for each in rebuilt if each.projection == name]
    return Flips(
        name,
        tuple(each.flip_milliseconds for each in mine),
        max(each.events_per_second for each in mine),
    )


def render(flips: Sequence[Flips], note: str) -> str:
    """Give the table."""
    worst = max(each.worst for each in flips)
    verdict = "met" if worst <= FLIP_MILLISECONDS_MAX else "**missed**"
    return "\n".join(
        [
            "| rebuild, the longest flip under writes | at most 50 ms | reached | |",
            "|---|---|---|---|",
            f"| all projections | {FLIP_MILLISECONDS_MAX:.0f} ms | {worst:.1f} ms | {verdict} |",
            *(
                f"| {each.projection} | {each.events_per_second:,} events/s | {each.worst:.1f} ms |"
                f" {', '.join(f'{flip:.1f}' for flip in each.milliseconds)} |"
                for each in flips
            ),
            "",
            note,
            "",
        ]
    )


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(
        prog="make bench-rebuild", description="Measure the flips of rebuilds under writes"
    )
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    (ROOT / "bench-results").mkdir(exist_ok=True)
    flips, note = asyncio.run(measure(arguments.events, arguments.rounds))
    sys.stdout.write(render(flips, note))
    sys.exit(int(max(each.worst for each in flips) > FLIP_MILLISECONDS_MAX))


if __name__ == "__main__":
    main()
