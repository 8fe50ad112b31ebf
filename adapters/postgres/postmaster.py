"""Finds the server that an earlier process left behind in a data directory, and only that one.

A process number in `postmaster.pid` proves nothing: the process may be a zombie that nobody reaps, or the number
may have gone to another program. What counts is what the kernel says: which process listens on the socket, and
in which directory the process with that number works (a postmaster's is its data directory).
"""

import asyncio
import contextlib
import os
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from pathlib import Path

from adapters.postgres.errors import PostgresError

PORT = 5432
"""Part of the socket's name only: no TCP port is opened."""

_IS_LINUX = sys.platform == "linux"
_DARWIN_SOL_LOCAL = 0
_DARWIN_LOCAL_PEERPID = 2


def socket_path(directory: Path) -> Path:
    """Give the socket in its directory, by PostgreSQL's naming."""
    return directory / f".s.PGSQL.{PORT}"


def find_postmaster(cluster: Path, socket_directory: Path) -> int | None:
    """Give the process number of the live postmaster of `cluster`, if there is one.

    Raises PostgresError when something else answers on the socket: that is not ours to stop, nor to use.
    """
    path = socket_path(socket_directory)
    listener = _listener_pid(path)
    while True:
        for pid in (_noted_pid(cluster), listener):
            if pid is not None and _works_in(pid, cluster, listener):
                return pid
        # One that ended between the two looks answered then, and does not any more.
        before, listener = listener, _listener_pid(path)
        if listener is None:
            return None
        if listener == before:
            raise PostgresError(f"a process that is not the server of {cluster} answers on {path}: stop it first")


def remove_remains(cluster: Path, socket_directory: Path) -> None:
    """Remove what a killed server left, once `find_postmaster` has found none.

    PostgreSQL itself would refuse to start while the number in one of these files belongs to any process of
    the same user. By the shared memory it still refuses while children of the killed server are alive.
    """
    for path in _remains(cluster, socket_directory):
        with contextlib.suppress(FileNotFoundError):
            path.unlink()


def _remains(cluster: Path, socket_directory: Path) -> Iterator[Path]:
    yield cluster / "postmaster.pid"
    yield socket_path(socket_directory)
    yield Path(f"{socket_path(socket_directory)}.lock")


async def stop_postmaster(cluster: Path, socket_directory: Path, pid: int) -> None:
    """Stop a postmaster that is not our child: fast shutdown, then without one. PostgresError if it stays."""
    for number, seconds in ((signal.SIGINT, 60.0), (signal.SIGQUIT, 15.0)):
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        if await _wait_gone(cluster, socket_directory, pid, seconds):
            return
    raise PostgresError(f"the PostgreSQL of an earlier run (process {pid}) does not stop: stop it first")


async def _wait_gone(cluster: Path, socket_directory: Path, pid: int, seconds: float) -> bool:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while loop.time() < deadline:
        if find_postmaster(cluster, socket_directory) != pid:
            return True
        # The kernel tells only a parent when a process ends.
        await asyncio.sleep(0.02)
    return False


def _noted_pid(cluster: Path) -> int | None:
    """Give the first line of `postmaster.pid`; None when it is missing or half written."""
    try:
        first = (cluster / "postmaster.pid").read_text(errors="replace").partition("\n")[0]
    except FileNotFoundError:
        return None
    return int(first) if first.isascii() and first.isdigit() and int(first) > 0 else None


def _listener_pid(path: Path) -> int | None:
    """Give the process that listens on a socket; None when nothing does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(2)
        try:
            connection.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return None
        if _IS_LINUX:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
            return int(struct.unpack("3i", credentials)[0])
        return connection.getsockopt(_DARWIN_SOL_LOCAL, _DARWIN_LOCAL_PEERPID)


def _works_in(pid: int, cluster: Path, listener: int | None) -> bool:
    """Tell whether a process is alive and is the postmaster of `cluster`."""
    if not _IS_LINUX:
        return pid == listener
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
        # The name is in parentheses and may hold any character; a zombie has no working directory any more.
        name, _, rest = status.partition("(")[2].rpartition(")")
        is_postgres = name.startswith("postgres") and rest.split()[0] not in {"Z", "X"}
        return is_postgres and Path(f"/proc/{pid}/cwd").samefile(cluster)
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return False
