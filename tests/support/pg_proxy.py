"""A proxy between a client and PostgreSQL that knows where messages end, and can break the wire at chosen moments.

A "call" is one execution of a statement whose text holds `match`. The server has committed it once its ReadyForQuery
is on the way: CommandComplete comes before the commit. A call's whole reply is kept back until then, so that a cut
reply is a reply of which the client has not seen one byte.
"""

import asyncio
import contextlib
import shutil
import struct
import tempfile
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self
from urllib.parse import parse_qs, quote, urlsplit

_PART_OF_A_CYCLE = frozenset(b"PBDEC")
"""Parse, Bind, Describe, Execute, Close: sent on only with the Sync that ends them."""


class PgProxy:
    """Listens on a Unix socket of its own; `dsn` is the address behind it, by way of this proxy."""

    def __init__(self, dsn: str, *, match: str = "ledger.apply") -> None:
        self._target = dsn
        self._match = match.encode()
        self._open = asyncio.Event()
        self._open.set()
        self._changed = asyncio.Event()
        self._connections: set[_Connection] = set()
        self.calls_sent = 0
        """Calls that clients have sent, on all connections."""
        self.calls_answered = 0
        """Calls that the server has committed and answered."""
        self.connected = 0
        """Connections that clients have made."""
        self.cut_calls: set[int] = set()
        """Numbers of calls, counted from 1 as sent, that never reach the server."""
        self.cut_replies: set[int] = set()
        """Numbers of calls, counted from 1 as answered, whose reply never reaches the client."""
        self.refusing = False
        """Whether new connections are closed at once."""
        self.delay_seconds = 0.0
        """How long each message is under way, in both directions."""

    async def __aenter__(self) -> Self:
        self._directory = Path(await asyncio.to_thread(tempfile.mkdtemp, prefix="tallygate-proxy-"))
        self._server = await asyncio.start_unix_server(self._serve, self._directory / ".s.PGSQL.5432")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()
        self._open.set()
        self.drop_connections()
        await self._server.wait_closed()
        await asyncio.to_thread(shutil.rmtree, self._directory)

    @property
    def dsn(self) -> str:
        parts = urlsplit(self._target)
        account = parts.netloc.rpartition("@")[0] or "tallygate"
        return f"postgresql://{account}@{parts.path}?host={quote(str(self._directory))}&port=5432"

    def black_hole(self) -> None:
        """Let nothing through from now on, and let nobody know."""
        self._open.clear()

    def heal(self) -> None:
        """Let everything through again, what was kept back first."""
        self.refusing = False
        self._open.set()

    def drop_connections(self) -> None:
        """Cut every connection, whatever is on it."""
        for connection in list(self._connections):
            connection.cut()

    def outage(self) -> None:
        """Be as a server that is not there."""
        self.refusing = True
        self.drop_connections()

    async def until(self, happened: Callable[["PgProxy"], bool], timeout_seconds: float = 20.0) -> None:
        """Wait until something has happened on the wire."""
        async with asyncio.timeout(timeout_seconds):
            while not happened(self):
                self._changed.clear()
                await self._changed.wait()

    def _notice(self) -> None:
        self._changed.set()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(self._target)
        query = parse_qs(parts.query)
        host = query.get("host", [parts.hostname or "localhost"])[0]
        port = int(query.get("port", [parts.port or 5432])[0])
        if host.startswith("/"):
            return await asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        return await asyncio.open_connection(host, port)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        self._notice()
        if self.refusing:
            writer.close()
            return
        try:
            upstream = await self._connect()
        except OSError:
            writer.close()
            return
        connection = _Connection(self, reader, writer, *upstream)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)


class _Connection:
    def __init__(
        self,
        proxy: PgProxy,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        server_reader: asyncio.StreamReader,
        server_writer: asyncio.StreamWriter,
    ) -> None:
        self.proxy = proxy
        self.reader, self.writer = reader, writer
        self.server_reader, self.server_writer = server_reader, server_writer
        self.statements: dict[bytes, bool] = {}
        self.cycles: deque[bool] = deque([False])
        """For each ReadyForQuery to come whether it ends a call; the first one ends the start-up."""

    def cut(self) -> None:
        for writer in (self.writer, self.server_writer):
            writer.transport.abort()

    async def run(self) -> None:
        pumps = [asyncio.create_task(self._requests()), asyncio.create_task(self._replies())]
        try:
            await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.cut()
            for pump in pumps:
                pump.cancel()
            await asyncio.gather(*pumps, return_exceptions=True)

    async def _requests(self) -> None:
        proxy = self.proxy
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = await self.reader.readexactly(4)
            await self._forward(
                self.server_writer, length + await self.reader.readexactly(int.from_bytes(length, "big") - 4)
            )
            pending = bytearray()
            is_call = False
            while True:
                kind, message = await _message(self.reader)
                pending += message
                is_call |= self._is_call(kind, message)
                if kind[0] in _PART_OF_A_CYCLE:
                    continue
                if kind in {b"S", b"Q"}:
                    if is_call:
                        proxy.calls_sent += 1
                        proxy._notice()
                        if proxy.calls_sent in proxy.cut_calls:
                            return
                    self.cycles.append(is_call)
                    is_call = False
                await self._forward(self.server_writer, bytes(pending))
                pending.clear()

    def _is_call(self, kind: bytes, message: bytes) -> bool:
        """Remember which prepared statements match; tell whether this message runs one of them."""
        if kind == b"P":
            name, text, _ = message[5:].split(b"\x00", 2)
            self.statements[name] = self.proxy._match in text
        elif kind == b"B":
            return self.statements.get(message[5:].split(b"\x00", 2)[1], False)
        return kind == b"Q" and self.proxy._match in message

    async def _replies(self) -> None:
        proxy = self.proxy
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            pending = bytearray()
            while True:
                kind, message = await _message(self.server_reader)
                pending += message
                if kind == b"Z" and self.cycles.popleft():
                    proxy.calls_answered += 1
                    proxy._notice()
                    if proxy.calls_answered in proxy.cut_replies:
                        return
                elif kind != b"Z" and self.cycles and self.cycles[0]:
                    continue
                await self._forward(self.writer, bytes(pending))
                pending.clear()

    async def _forward(self, writer: asyncio.StreamWriter, data: bytes) -> None:
        if self.proxy.delay_seconds:
            await asyncio.sleep(self.proxy.delay_seconds)
        await self.proxy._open.wait()
        writer.write(data)
        await writer.drain()


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readexactly(5)
    kind, length = struct.unpack("!cI", head)
    return kind, head + await reader.readexactly(length - 4)
