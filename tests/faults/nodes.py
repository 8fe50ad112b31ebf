"""Two nodes on one database, and the vendors that both know as channels."""

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final, NamedTuple

from tests.faults.world import MODEL, World, world
from tests.support.fake_vendor import FakeVendor
from tests.support.server import ServerProcess

SETTINGS: Final = {"FIRST_BYTE_TIMEOUT_SECONDS": "1.0", "IDLE_TIMEOUT_SECONDS": "5", "HOLD_TIMEOUT_SECONDS": "30"}


class Nodes(NamedTuple):
    """Two nodes on one database, and eight vendors that both know as channels."""

    a: World
    b: World
    vendors: list[FakeVendor]
    channels: list[str]
    """The id of each vendor's channel."""


@contextlib.asynccontextmanager
async def two_nodes(dsn: str, folder: Path, count: int, *, alert_urls: str = "", **limits: Any) -> AsyncIterator[Nodes]:
    settings = SETTINGS | {"DATABASE_URL": dsn} | ({"ALERT_URLS": alert_urls} if alert_urls else {})
    async with contextlib.AsyncExitStack() as stack:
        vendors = [await stack.enter_async_context(FakeVendor()) for _ in range(count)]
        a = await stack.enter_async_context(world(folder / "a", settings, vendor=vendors[0]))
        (first,) = [each for each in (await a.operator.get("/channels"))["items"] if MODEL in each["models"]]
        await a.operator.change(f"/channels/{first['id']}", {"weight": 100, **limits})
        more = [await a.operator.channel(each.base_url, MODEL, **limits) for each in vendors[1:]]
        await a.operator.post("/routing/policies", {"name": "patient", "model": MODEL, "attempts_max": 16})
        keys = {"SECRET_KEY_FILE": str(folder / "a" / "secret.key"), "SEAL_KEY_FILE": str(folder / "a" / "seal.key")}
        second = ServerProcess(folder / "b", settings | keys)
        stack.push_async_callback(second.close)
        await second.start()
        b = World(second, vendors[0], a.http)
        b.secret, b.operator, b.dsn, b.told = a.secret, a.operator, a.dsn, a.told
        yield Nodes(a, b, vendors, [first["id"], *(each["id"] for each in more)])


async def health(node: World, channel: str) -> Any:
    """Give a channel's health as one node sees it."""
    async with node.http.get(
        f"{node.server.url}/api/channels/{channel}/health", headers=node.operator.headers
    ) as answer:
        assert answer.status == 200, await answer.text()
        return (await answer.json())["health"]


async def state(node: World, channel: str) -> str:
    found: str = (await health(node, channel))["state"]
    return found
