"""How fast the log is sealed and verified: `python -m tests.bench.proof [EVENTS]`, on a database of its own.

Many lanes and one long one, sealed from nothing as after an upgrade, then verified whole; the parts of a verification
are timed apart. One process each, on whatever else the machine is doing: compare runs on a quiet one.
"""

import asyncio
import sys
import tempfile
import time
from pathlib import Path

import asyncpg

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.migrate import migrate
from adapters.seal_keys import SealKeys
from app.projections import PROJECTIONS
from app.sealer import Sealer
from app.verify import Checked, Options, verify
from projections.runner import advance, ensure
from tests.projections.workload import Workload

_LANES = 40
_BATCH = 240


async def measure(events: int) -> None:
    """Print the figures."""
    with tempfile.TemporaryDirectory(prefix="tallygate-bench-") as directory:
        keys = SealKeys.open(Path(directory) / "seal.key")
        async with EmbeddedPostgres(Path(directory) / "data", shared_buffers_mebibytes=256) as server:
            await migrate(server.dsn)
            async with asyncpg.create_pool(server.dsn, min_size=1, max_size=8) as pool:
                await _write(server.dsn, events)
                await _fold(pool)
                await _seal(pool, keys)
                await _verify(pool, keys)


async def _write(dsn: str, events: int) -> None:
    connection = await asyncpg.connect(dsn)
    workload = Workload(seed=1, customers=_LANES)
    await workload.begin(connection)
    while workload.events < events:
        await workload.run(connection, 1, _BATCH)
    await connection.close()


async def _fold(pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    await ensure(pool, PROJECTIONS)
    for projection in PROJECTIONS:
        for row in await pool.fetch("SELECT tenant_id, lane FROM ledger.lane"):
            await advance(pool, projection, row["tenant_id"], row["lane"])


async def _seal(pool: "asyncpg.Pool[asyncpg.Record]", keys: SealKeys) -> None:
    began, cpu = time.perf_counter(), time.process_time()
    sealed = await Sealer(pool, lambda: keys).seal_all()
    seconds, cpu = time.perf_counter() - began, time.process_time() - cpu
    size = await pool.fetchval("SELECT pg_total_relation_size('proof.block') + pg_total_relation_size('proof.seal')")
    _say(f"sealed {sealed} events: {sealed / seconds:,.0f} events/s; {cpu / sealed * 1e6:.1f} us of CPU per event in")
    _say(f"    the sealer's process; {size / sealed:.0f} bytes of blocks and seals per event")


async def _verify(pool: "asyncpg.Pool[asyncpg.Record]", keys: SealKeys) -> None:
    ends: dict[str, tuple[float, int]] = {}

    def report(checked: Checked) -> None:
        ends[checked.part] = time.perf_counter(), checked.total

    began, cpu = time.perf_counter(), time.process_time()
    result = await verify(pool, PROJECTIONS, report, Options(trusted_keys=keys.public_keys))
    cpu = time.process_time() - cpu
    _say(f"verified {result.events} events, {result.sealed} of them sealed, in {result.seconds:.1f} s: {result.clean}")
    _say(f"    {cpu / result.events * 1e6:.0f} us of CPU per event in the process that verifies")
    for part, (end, total) in ends.items():
        _say(f"    {part}: {total / (end - began):,.0f} events/s")
        began = end


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


if __name__ == "__main__":
    asyncio.run(measure(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000))
