"""Verification on a hot standby, with the scratch database that the command makes."""

from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.migrate import check, migrate
from adapters.seal_keys import SealKeys
from app.projections import PROJECTIONS
from app.sealer import Sealer
from app.verify import Options, verify
from domain.ids import first_lane
from projections.runner import advance, ensure
from tests.projections.workload import Workload


async def test_a_standby_is_verified_whole(tmp_path: Path) -> None:
    data = tmp_path / "data"
    keys = SealKeys.open(tmp_path / "seal.key")
    workload = Workload(seed=6)
    async with EmbeddedPostgres(data, shared_buffers_mebibytes=32, durable=False) as primary:
        await migrate(primary.dsn)
        connection = await asyncpg.connect(primary.dsn)
        await workload.begin(connection)
        await workload.run(connection, 10)
        await connection.close()
        async with asyncpg.create_pool(primary.dsn, min_size=1, max_size=3) as pool:
            await ensure(pool, PROJECTIONS)
            for projection in PROJECTIONS:
                for tenant_id in workload.lanes:
                    await advance(pool, projection, tenant_id, first_lane(tenant_id))
            await Sealer(pool, lambda: keys).seal_all()

    (data / "postgres" / "standby.signal").touch()
    async with EmbeddedPostgres(data, shared_buffers_mebibytes=32, durable=False) as standby:
        await check(standby.dsn)
        async with asyncpg.create_pool(standby.dsn, min_size=1, max_size=1) as pool:
            assert await pool.fetchval("SELECT pg_is_in_recovery()")
            with pytest.raises(asyncpg.ReadOnlySQLTransactionError):
                await pool.execute("CREATE TABLE t (x int)")
            result = await verify(pool, PROJECTIONS, options=Options(trusted_keys=keys.public_keys))

    assert result.findings == ()
    assert result.notes == ()
    assert (result.events, result.sealed) == (workload.events, workload.events)
