"""A business with a past, on a server of its own: months of history, and a webhook that is told of alerts."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import asyncpg
from playwright.async_api import Browser

from adapters.postgres.embedded import find_running
from tests.console.browsing import LANGUAGES, WIDE, Watched, watched
from tests.support.listeners import Hook, webhook
from tests.support.operator import FIRST_PASSWORD, PASSWORD, Operator, log_in
from tests.support.server import ServerProcess, free_port

_HISTORY: Final = ("--days", "62", "--tenants", "4", "--requests", "4000", "--processes", "1")
"""Long enough to have a whole month in it, whatever day it is."""


class Books:
    """The server, its operator, and who is told of alerts: one place that hears them, and one that is not there."""

    def __init__(self, server: ServerProcess, root: Operator, hook: Hook) -> None:
        self.server = server
        self.root = root
        self.hook = hook

    @property
    def url(self) -> str:
        return self.server.url

    @contextlib.asynccontextmanager
    async def connection(self) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
        """Be where its data is, to stand in the way of something."""
        connection: Any = await asyncpg.connect(await find_running(self.server.data))
        try:
            yield connection
        finally:
            await connection.close()

    @contextlib.asynccontextmanager
    async def tab(self, browser: Browser, login: str = "root", **look: Any) -> AsyncIterator[Watched]:
        """Open a tab of a browser of its own as somebody who is logged in."""
        context = await browser.new_context(
            **{"locale": LANGUAGES["en"], "viewport": WIDE, "reduced_motion": "reduce", **look}
        )
        try:
            answer = await context.request.post(f"{self.url}/api/login", data={"login": login, "password": PASSWORD})
            assert answer.ok, await answer.text()
            yield await watched(context, self.url)
        finally:
            await context.close()


@contextlib.asynccontextmanager
async def old_business(folder: Path) -> AsyncIterator[Books]:
    """Make the history, then start the server on it."""
    async with webhook() as hook:
        settings = {
            "ROOT_PASSWORD": FIRST_PASSWORD,
            "SHARED_BUFFERS_MEBIBYTES": "64",
            "ALERT_URLS": f"{hook.url} http://127.0.0.1:{free_port()}/nobody",
        }
        history = ServerProcess(folder / "data", settings, program=("-m", "app", "demo-data", *_HISTORY))
        history.spawn()
        assert await history.wait() == 0, history.output
        server = ServerProcess(folder / "data", settings)
        try:
            await server.start()
            async with log_in(server, FIRST_PASSWORD) as root:
                yield Books(server, root, hook)
        finally:
            await server.close()
            await history.close()
