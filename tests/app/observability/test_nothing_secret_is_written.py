"""A full run with secrets and prompts planted everywhere, and then a search through everything that it has written.

Output, logs at their most talkative, metrics, traces, PostgreSQL's files and log, the journal of a killed server.
"""

import asyncio
import base64
import contextlib
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
from aiohttp import web

from adapters.postgres.embedded import find_running
from app.bootstrap import DEMO_TENANT
from tests.faults.world import until
from tests.support.operator import Operator
from tests.support.server import ServerProcess

MODEL = "planted-model"
PROMPT = "Zebra-Prompt-7341-Quagga"
ANSWER = "Okapi-Answer-9920-Dikdik"
VENDOR_KEY = "vk-Ibex-Vendor-Key-5512"
ROOT_PASSWORD = "Kudu-Root-Password-8816"
NEW_PASSWORD = "Eland-New-Password-2291"
WRONG_PASSWORD = "Bongo-Wrong-Password-6604"
METRICS_TOKEN = "Gnu-Metrics-Token-3378"
HEADER = "Nyala-Header-1147"
COLLECTOR_KEY = "Oryx-Collector-Key-4423"


class EchoVendor:
    """Says back what it was asked, in answers and in errors, with the key that it was given."""

    def __init__(self) -> None:
        self.calls = 0
        self.fails_left = 0
        self.forever = False
        self.traceparents: list[str] = []

    async def serve(self, request: web.Request) -> web.StreamResponse:
        self.calls += 1
        self.traceparents += request.headers.getall("traceparent", [])
        asked = await request.json()
        said = f"{ANSWER} {json.dumps(asked.get('messages'))}"
        key = request.headers.get("Authorization")
        if self.fails_left > 0:
            self.fails_left -= 1
            error = {"message": f"{key} may not say {said}", "type": "server_error", "code": None}
            return web.json_response({"error": error}, status=500)
        if not asked.get("stream"):
            usage = {"prompt_tokens": 5, "completion_tokens": 5, "total_tokens": 10}
            choice = {"index": 0, "message": {"role": "assistant", "content": said}, "finish_reason": "stop"}
            return web.json_response({"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage})
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await response.prepare(request)
        while True:
            chunk = {"id": "x", "choices": [{"index": 0, "delta": {"content": said}}]}
            await response.write(b"data: " + json.dumps(chunk).encode() + b"\n\n")
            await asyncio.sleep(0.05)
            if not self.forever:
                break
        if asked["messages"][-1]["content"].startswith("break"):
            await response.write(b'data: {"error": {"message": "' + said.replace('"', "'").encode() + b'"}}\n\n')
        else:
            await response.write(b'data: {"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}\n\n')
            await response.write(b"data: [DONE]\n\n")
        return response


class Collector:
    """Takes traces."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    async def serve(self, request: web.Request) -> web.Response:
        assert request.headers["x-key"] == COLLECTOR_KEY
        self.bodies.append(await request.read())
        return web.Response(content_type="application/x-protobuf")


@contextlib.asynccontextmanager
async def listening(handler: Any, path: str) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post(path, handler)
    runner = web.AppRunner(app, shutdown_timeout=0.2, handler_cancellation=True)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


class Written:
    """Everything that was written, by place."""

    def __init__(self) -> None:
        self.places: dict[str, bytes] = {}

    def add_folder(self, folder: Path) -> None:
        for path in folder.rglob("*"):
            # The key file is itself a secret, and meant to be there.
            if path.is_file() and path.name != "secret.key":
                with contextlib.suppress(FileNotFoundError):
                    self.places[str(path.relative_to(folder))] = path.read_bytes()

    def having(self, words: str) -> list[str]:
        """Give the places that have some words, as they are or in base64."""
        forms = [words.encode(), words[:-4].encode()]
        for shift in range(3):
            coded = base64.b64encode(b"\0" * shift + words.encode())
            forms.append(coded[4 : len(coded) // 4 * 4 - 4])
        return sorted(place for place, content in self.places.items() if any(form in content for form in forms))


def test_the_search_finds_what_is_there() -> None:
    """The control of the search itself."""
    written = Written()
    written.places = {
        "plain": b"x" + PROMPT.encode() + b"y",
        "coded": base64.b64encode(b"ab" + PROMPT.encode() + b"c"),
        "other": b"nothing",
    }

    assert written.having(PROMPT) == ["coded", "plain"]


@pytest.fixture
async def vendor() -> EchoVendor:
    return EchoVendor()


@pytest.fixture
async def collector() -> Collector:
    return Collector()


async def test_no_secret_and_no_prompt_is_in_anything_that_a_run_writes(
    tmp_path: Path, vendor: EchoVendor, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = Written()
    async with (
        listening(collector.serve, "/v1/traces") as collects,
        listening(vendor.serve, "/v1/chat/completions") as serves,
        aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as http,
    ):
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collects)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", f"x-key={COLLECTOR_KEY}")
        settings = {
            "ROOT_PASSWORD": ROOT_PASSWORD,
            "LOG_LEVEL": "debug",
            "ACCESS_LOG": "on",
            "TRACES": "on",
            "TRACE_CONTEXT": "both",
            "METRICS_TOKEN": METRICS_TOKEN,
        }
        server = ServerProcess(tmp_path / "data", settings)
        try:
            await server.start()
            run = _Run(server, http, vendor)
            await run.everything(serves)
            written.places["metrics"] = await run.metrics()
            await until(lambda: any(MODEL.encode() in body for body in collector.bodies), "traces are exported")
            await run.leave_a_journal()
            written.places["output"] = server.output.encode()
            written.places["traces"] = b"".join(collector.bodies)
            written.add_folder(server.data)
        finally:
            await server.close()

    # The control: each kind of place is there, and the search can see into it.
    seen = written.having(MODEL)
    assert {"metrics", "traces"} <= set(seen)
    assert any(place.endswith(".journal") for place in seen)
    assert any(place.startswith("postgres/base/") for place in seen)
    assert any(place.startswith("postgres/pg_wal/") for place in seen)
    assert any(place.startswith("metrics/") for place in seen)
    output = written.places["output"].decode()
    assert "attempt_failed" in output
    assert run.request_ids
    assert written.having(run.request_ids[0])[:1], "a request can be followed by its id"
    assert f'"request_id":"{run.request_ids[0]}"' in output

    assert {plant: places for plant in run.plants if (places := written.having(plant))} == {}
    # A vendor hears of no trace but ours, and it is a child of the caller's.
    assert {parent.split("-")[1] for parent in vendor.traceparents} >= {"4bf92f3577b34da6a3ce929d0e0e4736"}


class _Run:
    """Does a bit of everything, well and badly."""

    def __init__(self, server: ServerProcess, http: aiohttp.ClientSession, vendor: EchoVendor) -> None:
        self.server = server
        self.http = http
        self.vendor = vendor
        self.request_ids: list[str] = []
        self.secret = ""
        self.plants = [
            PROMPT,
            ANSWER,
            VENDOR_KEY,
            ROOT_PASSWORD,
            NEW_PASSWORD,
            WRONG_PASSWORD,
            METRICS_TOKEN,
            HEADER,
            COLLECTOR_KEY,
        ]

    async def everything(self, vendor_url: str) -> None:
        await self._wrong_logins()
        operator = Operator(self.server.url, self.http)
        await operator.log_in(ROOT_PASSWORD, NEW_PASSWORD)
        self.plants.append(operator.headers["authorization"].removeprefix("Bearer "))
        self.plants += [cookie.value for cookie in self.http.cookie_jar]
        await operator.publish({MODEL: {"input": "2", "output": "10"}})
        for _ in range(2):
            await operator.channel(vendor_url, MODEL, key=VENDOR_KEY)
        await self._refused_channels()
        root = (await operator.get("/users?search=root"))["items"][0]["id"]
        made = await operator.post("/tokens", {"tenant_id": DEMO_TENANT, "user_id": root, "name": "planted"})
        self.secret = made["secret"]
        self.plants.append(self.secret)
        await self._calls()
        await self._database_trouble()
        await self._calls()

    async def _wrong_logins(self) -> None:
        for password in (WRONG_PASSWORD, WRONG_PASSWORD + "\0"):
            body = {"login": "root", "password": password}
            async with self.http.post(f"{self.server.url}/api/login", json=body) as reply:
                assert reply.status >= 400
        async with self.http.post(
            f"{self.server.url}/api/login", data=f'{{"login": "root", "password": "{WRONG_PASSWORD}'
        ) as reply:
            assert reply.status >= 400

    async def _refused_channels(self) -> None:
        for wrong in ({"key": 5, "note": VENDOR_KEY}, {"key": VENDOR_KEY + "\0"}, {"models": [PROMPT], "type": PROMPT}):
            async with self.http.post(f"{self.server.url}/api/channels", json={"name": "x", **wrong}) as reply:
                assert reply.status >= 400

    async def _calls(self) -> None:
        messages = [{"role": "user", "content": PROMPT}]
        for stream in (False, True):
            await self._call({"model": MODEL, "messages": messages, "stream": stream})
        await self._call({"model": MODEL, "messages": [{"role": "user", "content": f"break {PROMPT}"}], "stream": True})
        self.vendor.fails_left = 1
        await self._call({"model": MODEL, "messages": messages})
        self.vendor.fails_left = 2
        await self._call({"model": MODEL, "messages": messages})
        await self._call({"model": MODEL, "messages": PROMPT})
        await self._call({"model": "no-such-model", "messages": messages})
        await self._call({"model": MODEL, "messages": messages, "tools": PROMPT, "max_tokens": PROMPT})
        await self._call({"model": "demo-chat", "messages": messages, "max_tokens": 10**9})
        await self._call({"model": "demo-embedding", "input": PROMPT}, path="embeddings")
        await self._call(f'{{"model": "{MODEL}", "messages": "{PROMPT}')
        await self._call(b"\xff" + PROMPT.encode())
        wrong = {"Authorization": f"Bearer {self.secret[:-1]}~"}
        await self._call({"model": MODEL, "messages": messages}, headers=wrong)
        await self._call({"model": MODEL}, path=f"nowhere?prompt={PROMPT}")

    async def _call(self, body: Any, *, path: str = "chat/completions", headers: dict[str, str] | None = None) -> None:
        own = {
            "Authorization": f"Bearer {self.secret}",
            "X-Whatever": HEADER,
            "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        }
        data = body if isinstance(body, str | bytes) else json.dumps(body)
        async with self.http.post(f"{self.server.url}/v1/{path}", data=data, headers=own | (headers or {})) as reply:
            await reply.read()
            self.request_ids.append(reply.headers["x-tallygate-request-id"])

    async def _database_trouble(self) -> None:
        dsn = await find_running(self.server.data)
        assert dsn is not None
        connection = await asyncpg.connect(dsn)
        await connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid()"
            " AND application_name LIKE 'tallygate%'"
        )
        # Else nothing says when PostgreSQL's table files get what its log of changes has.
        await connection.execute("CHECKPOINT")
        await connection.close()
        await self.server.wait_ready()

    async def metrics(self) -> bytes:
        async with self.http.get(f"{self.server.url}/metrics") as reply:
            assert reply.status == 401
        headers = {"Authorization": f"Bearer {METRICS_TOKEN}"}
        async with self.http.get(f"{self.server.url}/metrics", headers=headers) as reply:
            assert reply.status == 200
            return await reply.read()

    async def leave_a_journal(self) -> None:
        """Kill the server in the middle of a stream that has a checkpoint."""
        self.vendor.forever = True
        body = {"model": MODEL, "messages": [{"role": "user", "content": PROMPT}], "stream": True}
        asking = asyncio.create_task(self._call(body))
        journal = self.server.data / "journal"
        await until(lambda: any(path.stat().st_size for path in journal.glob("*.journal")), "a checkpoint")
        await self.server.kill()
        with contextlib.suppress(aiohttp.ClientError):
            await asking


def test_the_plants_are_what_no_other_text_has() -> None:
    plants = [PROMPT, ANSWER, VENDOR_KEY, ROOT_PASSWORD, NEW_PASSWORD, WRONG_PASSWORD, METRICS_TOKEN, HEADER]

    assert all(re.fullmatch(r"[\w-]{15,}", plant) for plant in plants)
    assert len(set(plants)) == len(plants)
