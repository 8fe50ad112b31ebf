"""A process that rebuilds one projection, for a test that kills it: a line on standard output for each step."""

import asyncio
import sys

import asyncpg

from app.projections import PROJECTIONS
from projections.generations import Filling, rebuild


def _tell(filling: Filling) -> None:
    sys.stdout.write(f"{filling.done} {filling.total}\n")
    sys.stdout.flush()
    if filling.done > filling.total // 2:
        # What comes next is to be killed: the test has been told, and this process stands still until then.
        sys.stdin.readline()


async def _main(dsn: str, name: str) -> None:
    (projection,) = [each for each in PROJECTIONS if each.name == name]
    async with asyncpg.create_pool(dsn, min_size=1, max_size=4) as pool:
        await rebuild(pool, projection, _tell, batch_events=20)


if __name__ == "__main__":
    asyncio.run(_main(*sys.argv[1:]))
