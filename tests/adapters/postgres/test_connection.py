"""Servers that vanish: what the kernel is told to do about it."""

import asyncio
import socket

import asyncpg

from adapters.postgres.connection import GONE_SECONDS, IDLE_SECONDS, Connection, keep_alive
from adapters.postgres.flusher import Flusher


async def test_a_tcp_connection_breaks_when_its_server_is_gone_without_a_word() -> None:
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    _, writer = await asyncio.open_connection("127.0.0.1", port)

    keep_alive(writer.transport)

    found = writer.transport.get_extra_info("socket")
    assert found.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
    idle = "TCP_KEEPIDLE" if hasattr(socket, "TCP_KEEPIDLE") else "TCP_KEEPALIVE"
    assert found.getsockopt(socket.IPPROTO_TCP, getattr(socket, idle)) == IDLE_SECONDS
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        assert found.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == GONE_SECONDS * 1000
    writer.close()
    server.close()
    await server.wait_closed()


async def test_the_ledger_and_pools_make_such_connections(database: str) -> None:
    async with asyncpg.create_pool(database, min_size=1, max_size=1, connection_class=Connection) as pool:
        assert await pool.fetchval("SELECT 1") == 1
    flusher = Flusher(database)
    await flusher.start()
    try:
        assert type(flusher._shards[0]._connection) is Connection
    finally:
        await flusher.stop(1.0)
