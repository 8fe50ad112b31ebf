"""A whole installation for fault tests: the server as a process, a vendor with its own meter, a client that keeps
its own journal of what it was told.

The one model costs 2 USD per million tokens of input and 10 of output: 2000 and 10 000 nano-units a token.
"""

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import aiohttp
import asyncpg
import msgspec

from adapters.postgres.embedded import find_running
from adapters.postgres.flusher import Flusher
from app.bootstrap import DEMO_TENANT
from app.housekeeper import Housekeeper
from tests.faults.checks import audit, bodies
from tests.support import fake_vendor
from tests.support.fake_vendor import FakeVendor
from tests.support.ledger import Connection
from tests.support.operator import FIRST_PASSWORD, Operator, log_in
from tests.support.server import ServerProcess

MODEL: Final = "fault-model"
INPUT_NANOS: Final = 2_000
OUTPUT_NANOS: Final = 10_000
PRICES: Final = {MODEL: {"input": "2", "output": "10"}}
CREDIT: Final = "100"
_WAIT_SECONDS: Final = 30.0
SERVE: Final = ("-m", "app", "serve")
_COMMAND: Final = (sys.executable, "-m", "app")


def price(prompt_tokens: int, completion_tokens: int) -> int:
    """Give what the vendor's own count is worth, in nano-units."""
    return prompt_tokens * INPUT_NANOS + completion_tokens * OUTPUT_NANOS


class Told(msgspec.Struct):
    """What a client knows of one of its requests."""

    status: int = 0
    """0: no answer came."""
    request_id: str = ""
    words: int = 0
    done: bool = False
    """The answer came to its end: what it charged is acknowledged."""
    charge: str = ""
    error: str = ""


async def until(happened: Callable[[], Awaitable[object] | object], what: str) -> None:
    """Wait for something that only looking tells: another process' state.

    Looks less often than the REST API lets one user ask for long, 50 times a second.
    """
    deadline = asyncio.get_running_loop().time() + _WAIT_SECONDS
    while True:
        found = happened()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return
        assert asyncio.get_running_loop().time() < deadline, f"never happened: {what}"
        await asyncio.sleep(0.03)


class World:
    """The server, its vendor, its customer, and a connection to its database."""

    def __init__(self, server: ServerProcess, vendor: FakeVendor, http: aiohttp.ClientSession) -> None:
        self.server = server
        self.vendor = vendor
        self.http = http
        self.secret = ""
        self.operator: Operator
        self.tenant_id = DEMO_TENANT
        self.dsn = ""
        self.told: list[Told] = []

    @property
    def headers(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.secret}"}

    def body(self, *, stream: bool, **more: Any) -> dict[str, Any]:
        asked = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2000}
        return asked | {"stream": stream} | more

    def script(self, behavior: str) -> None:
        self.vendor.script[MODEL] = f"fake:{behavior}"

    async def mend(self) -> None:
        """Let nothing of what the vendor has done before speak against its channel."""
        for channel in (await self.operator.get("/channels"))["items"]:
            await self.operator.post(f"/channels/{channel['id']}/health/reset", {"reason": "another test"})

    async def ask(self, *, stream: bool = False, stop_after: int | None = None, **more: Any) -> Told:
        """Call the model, and keep what was told; hang up after some words if asked to."""
        told = Told()
        self.told.append(told)
        try:
            async with self.http.post(
                f"{self.server.url}/v1/chat/completions", json=self.body(stream=stream, **more), headers=self.headers
            ) as reply:
                told.status = reply.status
                told.request_id = reply.headers.get("x-tallygate-request-id", "")
                if stream and reply.status == 200:
                    await self._read(reply, told, stop_after)
                else:
                    answer = await reply.json()
                    told.charge = reply.headers.get("x-tallygate-charge", "")
                    told.error = answer.get("error", {}).get("code") or answer.get("error", {}).get("type") or ""
                    told.done = reply.status == 200
        except (aiohttp.ClientError, OSError) as error:
            told.error = type(error).__name__
        return told

    async def _read(self, reply: aiohttp.ClientResponse, told: Told, stop_after: int | None) -> None:
        if stop_after == 0:
            reply.close()
            return
        async for line in reply.content:
            if line.startswith(b": tallygate "):
                told.charge = line.split(b"charge=")[1].split()[0].decode()
            elif line.startswith(b"data: [DONE]"):
                told.done = True
            elif line.startswith(b"data: "):
                event = json.loads(line[6:])
                if "error" in event:
                    told.error = event["error"].get("code") or event["error"].get("type") or "error"
                told.words += sum(bool(choice["delta"].get("content")) for choice in event.get("choices", ()))
            if stop_after is not None and told.words >= stop_after:
                reply.close()
                return

    async def connect(self) -> Connection:
        return await asyncpg.connect(self.dsn)

    async def open_holds(self, connection: Connection) -> int:
        return int(await connection.fetchval("SELECT count(*) FROM ledger.hold"))

    async def nothing_open(self, connection: Connection) -> None:
        """Wait until every request has ended."""

        async def none() -> bool:
            return await self.open_holds(connection) == 0

        await until(none, "every hold has its terminal")

    async def reap(self) -> None:
        """Expire every open hold, as the housekeeper does past deadline and grace."""
        async with asyncpg.create_pool(self.dsn, min_size=1, max_size=2) as pool:
            ledger = Flusher(self.dsn)
            await ledger.start()
            keeper = Housekeeper(ledger, pool, hold_timeout_seconds=1, grace_seconds=0)
            await until(lambda: _expired(keeper, pool), "overdue holds have expired")
            await ledger.stop(5.0)

    async def terminals(self, connection: Connection) -> dict[str, dict[str, Any]]:
        """Give the terminal of each request."""
        found = await bodies(connection, "hold.captured.v1", "hold.voided.v1", "hold.expired.v1")
        return {body["hold_id"]: body for body in found}

    async def check(self, connection: Connection) -> None:
        """Prove what must hold after every fault: a sound log, and everything acknowledged in it."""
        assert await audit(connection) == []
        ended = await self.terminals(connection)
        for told in self.told:
            if told.done and not told.error:
                captured = ended.get(told.request_id, {})
                assert captured.get("type") == "hold.captured.v1", (told, captured)
                assert captured["captured_nanos"] == nanos(told.charge), (told, captured)
        await self.verify()

    async def verify(self) -> None:
        """Run the product's own proof."""
        status, output = await self.command("verify")
        assert status == 0, output

    async def command(self, *words: str) -> tuple[int, str]:
        """Run a command of the product beside the server; give its exit status and what it said."""
        environ = {name: value for name, value in os.environ.items() if not name.startswith("TALLYGATE_")}
        environ |= {"TALLYGATE_DATABASE_URL": self.dsn, "TALLYGATE_DATA": str(self.server.data)}
        process = await asyncio.create_subprocess_exec(
            *(*_COMMAND, *words), env=environ, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
        )
        output, _ = await process.communicate()
        assert process.returncode is not None
        return process.returncode, output.decode()

    def metered(self) -> int:
        """Give what all that the vendor has metered is worth."""
        return price(*self.vendor.billed_tokens())


async def _expired(keeper: Housekeeper, pool: "asyncpg.Pool[asyncpg.Record]") -> bool:
    await keeper.expire_holds()
    return not await pool.fetchval("SELECT EXISTS (SELECT FROM ledger.hold)")


def nanos(amount: str) -> int:
    """Give a decimal amount as nano-units, with no float."""
    whole, _, part = amount.partition(".")
    return int(whole) * 10**9 + int(part.ljust(9, "0"))


@contextlib.asynccontextmanager
async def world(
    data: Path, settings: Mapping[str, str], *, vendor: FakeVendor | None = None, program: Sequence[str] = SERVE
) -> AsyncIterator[World]:
    """Start a server for the first time, with one channel, one price and one rich customer."""
    server = ServerProcess(data, {"ROOT_PASSWORD": FIRST_PASSWORD, **settings}, program=program)
    timeout = aiohttp.ClientTimeout(total=60)
    async with contextlib.AsyncExitStack() as stack:
        scripted = await stack.enter_async_context(FakeVendor()) if vendor is None else vendor
        http = await stack.enter_async_context(
            aiohttp.ClientSession(
                timeout=timeout, connector=aiohttp.TCPConnector(limit=0, force_close=True), read_bufsize=16 * 2**20
            )
        )
        stack.push_async_callback(server.close)
        await server.start()
        made = World(server, scripted, http)
        made.operator = await stack.enter_async_context(log_in(server, FIRST_PASSWORD))
        await made.operator.publish(PRICES)
        await made.operator.channel(scripted.base_url, MODEL)
        await made.operator.pay(f"/tenants/{DEMO_TENANT}/top-ups", {"amount": CREDIT})
        key = re.search(r"^ +API key +(\S+)", server.output, re.MULTILINE)
        assert key is not None, server.output
        made.secret = key[1]
        dsn = settings.get("DATABASE_URL") or await find_running(data)
        assert dsn is not None
        made.dsn = dsn
        yield made


async def _hang_after_usage(exchange: fake_vendor.Exchange, response: Any) -> None:
    """Say everything but the end."""
    await fake_vendor._words(exchange, response, exchange.behavior.chunks)
    await response.write(exchange.chunk(None, "stop"))
    await response.write(exchange.usage_chunk(exchange.usage()))
    await exchange.vendor.release.wait()


async def _usage_grows(exchange: fake_vendor.Exchange, response: Any) -> None:
    """Report what was used so far, and at the end all of it: the last report counts, and once."""
    await fake_vendor._words(exchange, response, exchange.behavior.chunks // 2)
    await response.write(exchange.usage_chunk(exchange.usage()))
    await fake_vendor._words(exchange, response, exchange.behavior.chunks - exchange.behavior.chunks // 2)
    await fake_vendor._end(exchange, response, exchange.usage())


fake_vendor._STREAMS.setdefault("hang-after-usage", _hang_after_usage)
fake_vendor._STREAMS.setdefault("usage-grows", _usage_grows)
