"""Connections that notice that their server is gone without a word: no power, no network, nobody to say goodbye."""

import asyncio
import socket
from typing import TYPE_CHECKING, Any, Final

import asyncpg

if TYPE_CHECKING:
    _Connection = asyncpg.Connection[asyncpg.Record]
else:
    _Connection = asyncpg.Connection

IDLE_SECONDS: Final = 15
"""How long a server may say nothing before it is asked whether it is there."""
INTERVAL_SECONDS: Final = 5
PROBES: Final = 3
GONE_SECONDS: Final = IDLE_SECONDS + INTERVAL_SECONDS * PROBES
"""After so long without a sign of life a connection breaks, whether we wait for an answer or have it yet to send."""

_OPTIONS: Final = (
    # By name, for each system has some of them only. Linux tells milliseconds, macOS calls the idle time otherwise.
    ("TCP_KEEPIDLE", IDLE_SECONDS),
    ("TCP_KEEPALIVE", IDLE_SECONDS),
    ("TCP_KEEPINTVL", INTERVAL_SECONDS),
    ("TCP_KEEPCNT", PROBES),
    ("TCP_USER_TIMEOUT", GONE_SECONDS * 1000),
)


def keep_alive(transport: asyncio.BaseTransport) -> None:
    """Have the kernel look after a TCP connection; a Unix socket needs nobody to."""
    found = transport.get_extra_info("socket")
    if found is None or found.family not in {socket.AF_INET, socket.AF_INET6}:
        return
    found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _OPTIONS:
        number = getattr(socket, name, None)
        if number is not None:
            found.setsockopt(socket.IPPROTO_TCP, number, value)


class Connection(_Connection):
    """For whoever waits for the database without a time-out of its own: the ledger's calls have none."""

    __slots__ = ()

    def __init__(self, protocol: Any, transport: asyncio.BaseTransport, *others: Any) -> None:
        """Take what asyncpg makes a connection of."""
        super().__init__(protocol, transport, *others)
        keep_alive(transport)
