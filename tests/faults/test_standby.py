"""The primary dies under load and its synchronous standby takes over: whatever was told is there, and nothing twice."""

import asyncio
import contextlib
import shutil
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from adapters.postgres.embedded import DATABASE, SUPERUSER, EmbeddedPostgres
from adapters.postgres.postmaster import PORT
from tests.faults.test_postgres import books, family, load, more, send
from tests.faults.world import World, until, world
from tests.support.ledger import Connection

pytestmark = pytest.mark.faults

_TRUST = "local all all trust\nlocal replication all trust\n"


class Pair:
    """A primary and its standby, on one machine; `dsn` names both, and leads to whichever takes writes."""

    def __init__(self, primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
        self.primary = primary
        self.standby = standby

    @property
    def dsn(self) -> str:
        hosts = ",".join(str(each.data_dir / "run") for each in (self.primary, self.standby))
        where = f"host={hosts}&port={PORT},{PORT}&target_session_attrs=read-write"
        return f"postgresql://{SUPERUSER}@/{DATABASE}?{where}"

    async def crash(self) -> None:
        """Kill the primary for good: nobody starts it again."""
        assert self.primary.pid is not None
        assert self.primary._watcher is not None
        self.primary._watcher.cancel()
        send(family(self.primary.pid), signal.SIGKILL)
        await until(lambda: self.primary.pid is None, "the primary is dead")

    async def promote(self) -> None:
        async with _connected(self.standby) as connection:
            assert await connection.fetchval("SELECT pg_promote()")

    async def part(self) -> None:
        """Let the standby hear of nothing any more."""
        async with _connected(self.standby) as connection:
            await connection.execute("ALTER SYSTEM SET primary_conninfo = ''")
            await connection.execute("SELECT pg_reload_conf()")
            await until(lambda: _hears_nothing(connection), "nothing is received any more")


async def _hears_nothing(connection: Connection) -> bool:
    return not await connection.fetchval("SELECT count(*) FROM pg_stat_wal_receiver")


@contextlib.asynccontextmanager
async def _connected(server: EmbeddedPostgres) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(server.dsn)
    try:
        yield connection
    finally:
        await connection.close()


async def _let_in(server: EmbeddedPostgres) -> None:
    """Let the standby in, which runs as another user than these tests; each start makes the rules anew."""
    (server.data_dir / "postgres.hba").write_text(_TRUST)
    async with _connected(server) as connection:
        await connection.execute("SELECT pg_reload_conf()")


async def _copy(primary: EmbeddedPostgres, standby: EmbeddedPostgres) -> None:
    """Make the standby from the running primary, to follow it."""
    await _let_in(primary)
    async with _connected(primary) as connection:
        await connection.execute("SELECT pg_create_physical_replication_slot('standby')")
    standby._prepare_directories()
    cluster = standby._cluster
    cluster.mkdir(mode=0o700)
    shutil.chown(cluster, primary._cluster.stat().st_uid, primary._cluster.stat().st_gid)
    arguments = ["--pgdata", str(cluster), "--host", str(primary.data_dir / "run"), "--port", str(PORT)]
    arguments += ["--username", SUPERUSER, "--slot", "standby", "--write-recovery-conf", "--checkpoint", "fast"]
    copying = standby._spawn("pg_basebackup", cluster, arguments)
    assert await asyncio.to_thread(copying.wait, 60) == 0, standby._log_file.read_text()
    standby._lock.release()


@contextlib.asynccontextmanager
async def pair(folder: Path, *, synchronous: bool) -> AsyncIterator[Pair]:
    names = {"synchronous_standby_names": "*"} if synchronous else {}
    primary = EmbeddedPostgres(folder / "a", shared_buffers_mebibytes=32, wal_kept_mebibytes=32, parameters=names)
    standby = EmbeddedPostgres(folder / "b", shared_buffers_mebibytes=32, wal_kept_mebibytes=32)
    # Not synchronous before its standby is there: whatever it commits would wait for that.
    async with EmbeddedPostgres(folder / "a", shared_buffers_mebibytes=32, wal_kept_mebibytes=32) as alone:
        await _copy(alone, standby)
    async with primary:
        await _let_in(primary)
        async with standby:
            yield Pair(primary, standby)


async def test_a_synchronous_standby_that_takes_over_has_all_that_was_told(tmp_path: Path) -> None:
    async with (
        pair(tmp_path, synchronous=True) as servers,
        world(tmp_path / "app", {"DATABASE_URL": servers.dsn, "DRAIN_SECONDS": "3"}) as made,
    ):
        made.script("plain")
        async with load(made) as told:
            await more(told)
            await servers.crash()
            await until(lambda: any(each.status == 503 for each in told), "nobody is admitted without a primary")
            await servers.promote()
            await more(told)

        assert {each.status for each in told} <= {200, 503}
        await books(made)
        # What goes on behind requests has found the new primary, too: configuration, health, and the duty that tells.
        newcomer = await made.operator.customer()
        made.secret, made.vendor.script["/models"] = newcomer.secret, "fake:error,status=401"
        made.script("error,status=401")
        await until(lambda: _is_refused(made), "the channel is out")
        await until(lambda: '"alert_raised"' in made.server.output, "somebody has the duty")


async def _is_refused(made: World) -> bool:
    return (await made.ask()).error == "no_channel_available"


async def test_control_a_standby_that_lags_behind_loses_what_was_told(tmp_path: Path) -> None:
    """The same without waiting for the standby: the check sees answers whose charges are gone."""
    async with (
        pair(tmp_path, synchronous=False) as servers,
        world(tmp_path / "app", {"DATABASE_URL": servers.dsn, "DRAIN_SECONDS": "3"}) as made,
    ):
        made.script("plain")
        async with load(made) as told:
            await more(told)
            await servers.part()
            await more(told)
        await servers.crash()
        await servers.promote()
        connection = await asyncpg.connect(servers.dsn)
        with pytest.raises(AssertionError):
            await made.check(connection)
        await connection.close()
