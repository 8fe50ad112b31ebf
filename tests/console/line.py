"""The line between a browser and the server, which can be cut."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Self

from tests.support.server import free_port


class Line:
    """Passes on bytes between a port of its own and the server's, as long as it is whole."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._port = free_port()
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where the server is reached over it."""
        return f"http://127.0.0.1:{self._port}"

    async def mend(self) -> Self:
        """Let everything through."""
        self._server = await asyncio.start_server(self._join, "127.0.0.1", self._port)
        return self

    def cut(self) -> None:
        """Break off whatever is under way, and let nobody through any more."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in self._writers:
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
        ends = {writer, there}
        self._writers |= ends
        try:
            await asyncio.gather(_pass(reader, there), _pass(there_reader, writer))
        finally:
            self._writers -= ends


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        while part := await reader.read(65_536):
            writer.write(part)
            await writer.drain()
    writer.close()


@contextlib.asynccontextmanager
async def line_to(port: int) -> AsyncIterator[Line]:
    """Give a whole line to a port of this machine."""
    line = await Line(port).mend()
    try:
        yield line
    finally:
        line.cut()
