"""The listening sockets: opened once, before anything else is touched, and held for as long as the server lives."""

import contextlib
import errno
import os
import socket
import sys
from typing import Any, TypeAlias

from app.cli.refusals import StartError

_Address: TypeAlias = tuple[int, tuple[Any, ...]]
"""A family, and an address as the socket module has it."""

_BACKLOG = 2048
_CAN_BALANCE = sys.platform == "linux"
"""Only Linux spreads connections over several sockets on one port."""


def open_listeners(host: str, port: int, count: int) -> list[socket.socket]:
    """Give one listening socket for each worker, all on one port; raise StartError when the port is taken.

    On Linux each worker has its own, and the kernel spreads connections evenly; a shared one would give most of them
    to whoever wakes up first. The supervisor keeps them open, so those that wait for a worker that died are served
    by the one that replaces it. Elsewhere all workers share one.
    """
    try:
        return _open(_resolve(host, port), count)
    except OSError as error:
        reason = error.strerror or os.strerror(error.errno or 0)
        if error.errno == errno.EADDRINUSE:
            reason = "another program listens there already; choose another port with TALLYGATE_PORT"
        raise StartError(f"cannot listen on {host} port {port}: {reason}") from error


def _open(address: _Address, count: int) -> list[socket.socket]:
    if count == 1 or not _CAN_BALANCE:
        return [_listen(address, shared=False)] * count
    # Without SO_REUSEPORT, this one fails when any other server, even one of ours, has the port.
    with _listen(address, shared=False) as probe:
        family, (host, _, *rest) = address
        address = family, (host, probe.getsockname()[1], *rest)
    with contextlib.ExitStack() as stack:
        listeners = [stack.enter_context(_listen(address, shared=True)) for _ in range(count)]
        stack.pop_all()
    return listeners


def _resolve(host: str, port: int) -> _Address:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    # "localhost" means 127.0.0.1 first: some clients never try ::1.
    family, _, _, _, address = min(found, key=lambda one: one[0] != socket.AF_INET)
    return family, address


def _listen(address: _Address, *, shared: bool) -> socket.socket:
    family, where = address
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        # Connections of the last run, still in TIME_WAIT, do not count as "in use".
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind(where)
        listener.listen(_BACKLOG)
        listener.setblocking(False)
    except BaseException:
        listener.close()
        raise
    return listener
