"""Whoever is told of alerts: a mail server and a webhook on the loopback that keep what they hear."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

from aiohttp import web


class Mailbox:
    """The mails that came in, each as its text."""

    def __init__(self) -> None:
        self.mails: list[str] = []
        self.port = 0

    @property
    def url(self) -> str:
        """Where to send, as apprise writes it."""
        return f"mailto://127.0.0.1:{self.port}?to=you@example.com&from=me@example.com"

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 test\r\n")
        while line := await reader.readline():
            word = line[:4].upper()
            if word == b"DATA":
                writer.write(b"354 go\r\n")
                self.mails.append((await reader.readuntil(b"\r\n.\r\n")).decode())
            writer.write(b"221 bye\r\n" if word == b"QUIT" else b"250 ok\r\n")
        writer.close()


@contextlib.asynccontextmanager
async def mailbox() -> AsyncIterator[Mailbox]:
    """Listen for mail."""
    made = Mailbox()
    server = await asyncio.start_server(made._talk, "127.0.0.1", 0)
    made.port = server.sockets[0].getsockname()[1]
    async with server:
        yield made


class Hook:
    """The notices that were posted; the answer is `status`."""

    def __init__(self) -> None:
        self.notices: list[dict[str, Any]] = []
        self.status = 204
        self.url = ""

    async def _take(self, request: web.Request) -> web.Response:
        self.notices.append(await request.json())
        return web.Response(status=self.status)


@contextlib.asynccontextmanager
async def webhook() -> AsyncIterator[Hook]:
    """Listen for notices."""
    made = Hook()
    app = web.Application()
    app.router.add_post("/hook", made._take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
        yield made
    finally:
        await runner.cleanup()
