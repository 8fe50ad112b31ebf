import asyncio
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from adapters.file_lock import LockHeldError
from adapters.postgres import embedded
from adapters.postgres.embedded import EmbeddedPostgres, find_running
from adapters.postgres.errors import PostgresError
from adapters.postgres.postmaster import find_postmaster, socket_path

REPOSITORY = Path(__file__).parents[3]
PATIENCE_SECONDS = 30

CHILD = """
import asyncio, signal, sys
from pathlib import Path
from adapters.postgres.embedded import EmbeddedPostgres

# A shell's background jobs ignore Ctrl-C, and so do their children.
signal.signal(signal.SIGINT, signal.default_int_handler)

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1]), shared_buffers_mebibytes=16, durable=False) as server:
        print(server.pid, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""
"""A program that runs a server until it is killed."""


def small(data_dir: Path) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, shared_buffers_mebibytes=16, durable=False)


async def query(dsn: str, sql: str) -> object:
    connection = await asyncpg.connect(dsn, timeout=10)
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def query_patiently(dsn: str, sql: str) -> object:
    """Ask again until the server is back."""
    async with asyncio.timeout(PATIENCE_SECONDS):
        while True:
            try:
                return await query(dsn, sql)
            except (OSError, asyncpg.CannotConnectNowError, asyncpg.ConnectionDoesNotExistError):
                await asyncio.sleep(0.02)


@pytest.fixture(scope="module")
def made_data() -> Iterator[Path]:
    """A data directory with a cluster in it, to be copied."""
    with tempfile.TemporaryDirectory(prefix="tallygate-") as directory:
        data = Path(directory) / "data"
        child = subprocess.Popen([sys.executable, "-c", CHILD, str(data)], cwd=REPOSITORY, stdout=subprocess.PIPE)
        assert child.stdout is not None
        assert int(child.stdout.readline()) > 0
        child.send_signal(signal.SIGINT)
        child.wait(PATIENCE_SECONDS)
        child.stdout.close()
        yield data


@pytest.fixture
def data_dir(made_data: Path, tmp_path: Path) -> Path:
    """A stopped cluster of the test's own."""
    subprocess.run(["cp", "-a", str(made_data), str(tmp_path / "data")], check=True)
    return tmp_path / "data"


@pytest.fixture
async def server(data_dir: Path) -> AsyncIterator[EmbeddedPostgres]:
    async with small(data_dir) as running:
        yield running


def start_child(data_dir: Path) -> tuple["subprocess.Popen[bytes]", int]:
    child = subprocess.Popen([sys.executable, "-c", CHILD, str(data_dir)], cwd=REPOSITORY, stdout=subprocess.PIPE)
    assert child.stdout is not None
    with child.stdout:
        return child, int(child.stdout.readline())


async def test_a_first_start_makes_a_durable_cluster_with_no_tcp_port(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "new" / "data") as server:
        settings = {
            name: await query(server.dsn, f"SHOW {name}")
            for name in ("fsync", "synchronous_commit", "listen_addresses", "shared_buffers", "server_encoding")
        }
        pids = [server.pid]
        assert await query(server.dsn, "SELECT current_user || '@' || current_database()") == "tallygate@tallygate"

    assert settings == {
        "fsync": "on",
        "synchronous_commit": "on",
        "listen_addresses": "",
        "shared_buffers": "256MB",
        "server_encoding": "UTF8",
    }
    pids.append(server.pid)
    assert pids[0] is not None
    assert pids[1] is None
    assert await find_running(tmp_path / "new" / "data") is None


async def wal_files_ahead(server: EmbeddedPostgres) -> object:
    """Count the files of the log that are there before anything is written to them."""
    ahead = "SELECT count(*) FROM pg_ls_waldir() WHERE name > pg_walfile_name(pg_current_wal_insert_lsn())"
    return await query(server.dsn, ahead)


async def test_a_first_start_makes_the_files_of_the_log_that_are_kept(tmp_path: Path) -> None:
    async with EmbeddedPostgres(tmp_path / "new", shared_buffers_mebibytes=16, wal_kept_mebibytes=128) as server:
        assert await wal_files_ahead(server) == 7
        await query(server.dsn, "SELECT pg_logical_emit_message(false, 'x', ''), pg_switch_wal()")
    async with EmbeddedPostgres(tmp_path / "new", shared_buffers_mebibytes=16, wal_kept_mebibytes=256) as server:
        assert await wal_files_ahead(server) in {6, 7}, "a later start makes none"


async def test_files_of_the_log_take_a_quarter_of_a_small_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_disk = shutil.disk_usage(tmp_path)._replace(free=300 * 1024 * 1024)
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: small_disk)
    async with EmbeddedPostgres(tmp_path / "new", shared_buffers_mebibytes=16, wal_kept_mebibytes=1024) as server:
        assert await wal_files_ahead(server) == 75 // 16 - 1


async def test_data_survives_a_restart_and_the_address_stays(data_dir: Path) -> None:
    async with small(data_dir) as server:
        first = server.dsn
        await query(first, "CREATE TABLE kept AS SELECT 7 AS x")
    async with small(data_dir) as server:
        assert server.dsn == first
        assert await query(server.dsn, "SELECT x FROM kept") == 7


async def test_only_the_owner_may_enter_the_socket_directory(server: EmbeddedPostgres) -> None:
    directory = embedded._socket_directory(server.data_dir)

    assert directory.stat().st_mode & 0o777 == 0o700
    assert (await query(server.dsn, "SELECT count(*) FROM pg_hba_file_rules WHERE auth_method <> 'peer'")) == 0


async def test_a_long_path_gets_a_short_socket_directory(data_dir: Path, tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir()
    data_dir.rename(deep)

    async with small(deep) as server:
        assert await query(server.dsn, "SELECT 1") == 1
        assert await find_running(deep) == server.dsn
        directory = embedded._socket_directory(deep)
        assert not directory.is_relative_to(deep)
    assert not directory.exists()


async def test_a_second_start_on_the_same_data_is_refused(server: EmbeddedPostgres) -> None:
    pid = server.pid

    with pytest.raises(LockHeldError, match=f"in use by another Tallygate \\(process {os.getpid()}\\)"):
        await small(server.data_dir).start()

    assert server.pid == pid
    assert await query(server.dsn, "SELECT 1") == 1


async def test_a_running_server_is_found_only_where_it_runs(server: EmbeddedPostgres, tmp_path: Path) -> None:
    assert await find_running(server.data_dir) == server.dsn
    assert await find_running(tmp_path / "elsewhere") is None


async def test_after_kill_9_of_postgres_it_runs_again_with_what_was_committed(server: EmbeddedPostgres) -> None:
    await query(server.dsn, "CREATE TABLE kept AS SELECT 7 AS x")
    before = server.pid
    assert before is not None
    os.kill(before, signal.SIGKILL)

    assert await query_patiently(server.dsn, "SELECT x FROM kept") == 7
    assert server.pid not in {None, before}


async def test_kills_in_the_middle_of_recovery_are_recovered_from(server: EmbeddedPostgres) -> None:
    killed: set[int | None] = {None}
    async with asyncio.timeout(PATIENCE_SECONDS):
        while len(killed) <= 4:
            if (pid := server.pid) in killed:
                await asyncio.sleep(0.005)
                continue
            assert pid is not None
            killed.add(pid)
            os.kill(pid, signal.SIGKILL)

    assert await query_patiently(server.dsn, "SELECT 1") == 1


async def test_a_server_that_keeps_dying_is_given_up_with_an_error(
    server: EmbeddedPostgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "_binaries", lambda: Path("/nonexistent"))
    assert server.pid is not None
    os.kill(server.pid, signal.SIGKILL)

    async with asyncio.timeout(PATIENCE_SECONDS):
        error = await server.wait_failed()

    assert "PostgreSQL does not start" in str(error)


async def test_after_kill_9_of_its_owner_the_server_ends_and_the_next_start_goes_on(data_dir: Path) -> None:
    child, postmaster = start_child(data_dir)
    dsn = small(data_dir).dsn
    await query(dsn, "CREATE TABLE kept AS SELECT 7 AS x")
    child.kill()
    child.wait()

    async with small(data_dir) as server:
        assert server.pid != postmaster
        assert await query(server.dsn, "SELECT x FROM kept") == 7


async def test_a_server_that_outlived_its_owner_is_stopped_before_the_next_start(data_dir: Path) -> None:
    """Elsewhere than on Linux nothing tells the server that its owner died."""
    child, postmaster = start_child(data_dir)
    os.kill(postmaster, signal.SIGSTOP)  # It cannot follow its owner while it is stopped.
    child.kill()
    child.wait()
    starting = asyncio.create_task(small_started(data_dir))
    await asyncio.sleep(0)  # It has found the server and told it to stop by its first wait.
    os.kill(postmaster, signal.SIGCONT)

    server = await starting
    try:
        assert server.pid != postmaster
        assert await query(server.dsn, "SELECT 1") == 1
    finally:
        await server.stop()


async def small_started(data_dir: Path) -> EmbeddedPostgres:
    server = small(data_dir)
    await server.start()
    return server


async def test_both_killed_at_once_is_recovered_from(data_dir: Path) -> None:
    child, postmaster = start_child(data_dir)
    os.kill(postmaster, signal.SIGKILL)
    child.kill()
    child.wait()

    async with small(data_dir) as server:
        assert await query(server.dsn, "SELECT 1") == 1


@pytest.mark.parametrize("whose", ["other program", "zombie", "nobody", "half written"])
async def test_a_stale_process_number_does_not_fool_the_start(data_dir: Path, whose: str) -> None:
    # As the server's own user, for PostgreSQL takes a number of another user's for stale by itself.
    owner = (data_dir / "postgres").stat()
    as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []} if os.geteuid() == 0 else {}
    with subprocess.Popen(["/bin/sleep", "60"], **as_owner) as other:  # type: ignore[call-overload] # a dict of options
        if whose == "zombie":
            other.kill()
            os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        number = {"nobody": "4194303", "half written": ""}.get(whose, str(other.pid))
        note = data_dir / "postgres" / "postmaster.pid"
        note.write_text(number if whose == "half written" else f"{number}\n{data_dir}/postgres\n0\n5432\n")
        os.chown(note, owner.st_uid, owner.st_gid)
        try:
            assert find_postmaster(data_dir / "postgres", data_dir / "run") is None
            async with small(data_dir) as server:
                assert await query(server.dsn, "SELECT 1") == 1
            assert whose != "other program" or other.poll() is None
        finally:
            other.kill()


def test_somebody_else_on_the_socket_is_refused_and_one_that_ends_while_it_is_looked_at_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(socket_path(tmp_path)))
        listener.listen()
        with pytest.raises(PostgresError, match="is not the server of"):
            find_postmaster(tmp_path / "postgres", tmp_path)
    looks: list[int | None] = [2**22 - 1, None]
    monkeypatch.setattr("adapters.postgres.postmaster._listener_pid", lambda _: looks.pop(0))

    assert find_postmaster(tmp_path / "postgres", tmp_path) is None
    assert looks == []


async def test_a_start_that_was_killed_within_initdb_is_begun_anew(tmp_path: Path) -> None:
    half = tmp_path / "data" / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")

    async with small(tmp_path / "data") as server:
        assert await query(server.dsn, "SELECT 1") == 1
    assert not half.exists()


async def test_a_cluster_of_another_version_is_refused_and_left_alone(data_dir: Path) -> None:
    (data_dir / "postgres" / "PG_VERSION").write_text("12\n")

    with pytest.raises(PostgresError, match="was made by PostgreSQL 12"):
        await small(data_dir).start()

    assert (data_dir / "postgres" / "PG_VERSION").read_text() == "12\n"


async def test_a_directory_of_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "postgres").mkdir()
    (tmp_path / "postgres" / "mine.txt").write_text("precious")

    with pytest.raises(PostgresError, match="is not a PostgreSQL data directory"):
        await small(tmp_path).start()

    assert (tmp_path / "postgres" / "mine.txt").read_text() == "precious"


async def test_a_server_that_cannot_start_is_reported_with_its_own_words(data_dir: Path) -> None:
    broken = EmbeddedPostgres(data_dir, parameters={"shared_buffers": "nonsense"})

    with pytest.raises(PostgresError, match='invalid value for parameter "shared_buffers"'):
        await broken.start()

    async with small(data_dir) as server:
        assert await query(server.dsn, "SELECT 1") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to become somebody else")
async def test_root_runs_it_as_somebody_else_below_a_directory_of_its_own(tmp_path: Path) -> None:
    private = Path(tempfile.mkdtemp(prefix="tallygate-", dir=tmp_path))
    private.chmod(0o700)
    async with small(private / "data") as server:
        status = Path(f"/proc/{server.pid}/status").read_text()

    fields = dict(line.split(":\t", 1) for line in status.splitlines())
    assert "0" not in fields["Uid"].split()
    assert int(fields["CapEff"], 16) in {1 << 1, 1 << 2}, "one capability, to search directories"
    assert private.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(private)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has capabilities to lose")
async def test_root_that_may_not_search_directories_is_told_so_in_one_line(tmp_path: Path) -> None:
    private = Path(tempfile.mkdtemp(prefix="tallygate-", dir=tmp_path))
    private.chmod(0o700)
    # Out of the bounding set (24), so that no child gets them back, and out of its own.
    without = (
        "import runpy, sys; from adapters.postgres import launch;"
        " launch._prctl(24, 1); launch._prctl(24, 2); kept = launch._permitted() & ~0b110;"
        " launch._capset(effective=kept, permitted=kept, inheritable=0);"
        " sys.argv = ['tallygate', 'serve']; runpy.run_module('app', run_name='__main__')"
    )
    environ = os.environ | {"TALLYGATE_DATA": str(private / "data"), "TALLYGATE_PORT": "0"}

    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", without, env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    _, said = await process.communicate()

    assert process.returncode == 2
    (line,) = said.decode().splitlines()
    assert "CAP_DAC_READ_SEARCH" in line
    shutil.rmtree(private)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
async def test_a_directory_that_may_not_be_written_is_reported(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)

    with pytest.raises(PostgresError, match="cannot use the data directory"):
        await small(tmp_path / "data").start()
