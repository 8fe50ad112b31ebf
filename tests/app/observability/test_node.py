"""Metrics and readiness of a real node with two workers, one of which is killed."""

import asyncio
import os
import signal
import socket
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.faults.test_postgres import family, send
from tests.faults.world import MODEL, World, until, world
from tests.support.fake_vendor import PROMPT_TOKENS


@pytest.fixture(scope="module")
async def node(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    async with world(tmp_path_factory.mktemp("node") / "data", {"WORKERS": "2", "DRAIN_SECONDS": "5"}) as made:
        made.script("plain")

        async def known() -> bool:
            # The kernel spreads connections by chance: so many never go to one worker only.
            for _ in range(32):
                if not (await made.ask()).done:
                    return False
            return True

        await until(known, "both workers have heard of the channel")
        yield made


async def scrape(node: World, **headers: str) -> dict[tuple[str, ...], float]:
    """Give every figure by its name and the values of its labels, as any worker tells it."""
    async with node.http.get(f"{node.server.url}/metrics", headers=headers) as reply:
        assert reply.status == 200, await reply.text()
        text = await reply.text()
    return {
        (sample.name, *sample.labels.values()): sample.value
        for each in text_string_to_metric_families(text)
        for sample in each.samples
    }


def workers(node: World) -> list[int]:
    """Give the process numbers of the workers."""
    return [
        pid for pid in family(node.server.pid)[1:] if b"app.cli.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


async def test_every_worker_tells_the_figures_of_all_and_a_kill_9_takes_none_back(node: World) -> None:
    node.script("plain")
    told = [await node.ask(stream=number % 2 == 0) for number in range(12)]
    assert [each for each in told if not each.done] == []
    before = await scrape(node)
    asked = len(node.vendor.meter)
    assert before["tallygate_requests_total", "captured", "completed"] == asked
    assert before["http_server_request_duration_seconds_count", "POST", "200", "/v1/chat/completions"] == asked
    assert before["tallygate_tokens_total", MODEL, "input"] == PROMPT_TOKENS * asked
    assert before["tallygate_tokens_total", MODEL, "output"] == 20 * asked
    assert before["tallygate_spend_nanos_total", "USD", MODEL] == node.metered()
    assert before["tallygate_workers",] == 2
    assert before["tallygate_worker_starts_total",] == 2
    assert before["tallygate_database_up",] == 1

    # Both workers have counted: connections go to either, and each scrape takes a new one.
    pages = [await scrape(node) for _ in range(6)]
    assert {each["tallygate_spend_nanos_total", "USD", MODEL] for each in pages} == {float(node.metered())}
    files = list((node.server.data / "metrics").glob("*.cells"))
    assert len(files) == 3, "those of two workers, and of the process beside them"

    victim = workers(node)[0]
    os.kill(victim, signal.SIGKILL)

    async def replaced() -> bool:
        try:
            figures = await scrape(node)
        except (aiohttp.ClientError, OSError):
            return False
        # Never less than before, also while one worker is dead and its file nobody's.
        assert figures["tallygate_spend_nanos_total", "USD", MODEL] == node.metered()
        return figures["tallygate_workers",] == 2 and figures["tallygate_worker_starts_total",] == 3

    await until(replaced, "another worker has come in its place")
    assert victim not in workers(node)
    assert [each.name for each in sorted(files)] == [
        each.name for each in sorted((node.server.data / "metrics").glob("*.cells"))
    ], "the new worker has taken over the dead one's file"
    told = [await node.ask() for _ in range(6)]
    assert [each for each in told if not each.done] == []
    after = await scrape(node)
    assert after["tallygate_requests_total", "captured", "completed"] == asked + 6
    assert after["tallygate_spend_nanos_total", "USD", MODEL] == node.metered()


async def test_a_request_in_flight_is_seen_in_flight(node: World) -> None:
    node.script("hang")
    node.vendor.release.clear()
    node.vendor.arrived.clear()
    asking = asyncio.create_task(node.ask())
    await until(node.vendor.arrived.is_set, "the vendor has been asked")
    during = await scrape(node)
    node.vendor.release.set()
    await asking
    node.script("plain")

    assert during["http_server_active_requests", "model"] == 1

    async def over() -> bool:
        return (await scrape(node))["http_server_active_requests", "model"] == 0

    # The client has its last byte a moment before the server has put the request away.
    await until(over, "nothing is in flight")


async def test_refusals_and_failed_attempts_are_counted(node: World) -> None:
    before = await scrape(node)
    await node.ask(model="no-such-model")
    node.script("error,status=500")
    await node.ask()
    node.script("plain")
    after = await scrape(node)

    def more(*key: str) -> float:
        return after.get(key, 0.0) - before.get(key, 0.0)

    assert more("tallygate_refusals_total", "model_not_found") == 1
    assert more("tallygate_vendor_attempts_total", "openai", "vendor_error") >= 1
    assert more("tallygate_requests_total", "voided", "vendor_failed") == 1
    assert not [key for key in after if "no-such-model" in key], "what a client says is nobody's label"


async def test_without_a_token_only_this_machine_reads_the_metrics(node: World) -> None:
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"):
        async with node.http.get(f"{node.server.url}/metrics", headers={name: "203.0.113.7"}) as reply:
            assert reply.status == 403
            assert "TALLYGATE_METRICS_TOKEN" in await reply.text()


async def test_readiness_says_that_the_database_is_away_and_comes_back(node: World) -> None:
    async with node.http.get(f"{node.server.url}/health/ready") as reply:
        assert (reply.status, await reply.json()) == (200, {"status": "ready"})
    stopped = family(node.server.postgres_pid)
    send(stopped, signal.SIGSTOP)
    try:
        async with node.http.get(f"{node.server.url}/health/ready") as reply:
            answer = await reply.json()
            assert reply.status == 503
            assert answer["reasons"]["database"] == "the database is away"
            assert answer["reason"] in answer["reasons"].values()
        async with node.http.get(f"{node.server.url}/health/live") as reply:
            assert reply.status == 200, "alive it is: a restart would not help"

        async def told() -> bool:
            figures = await scrape(node)
            shown = any(key[0] == "tallygate_holds_open" for key in figures)
            return (figures["tallygate_database_up",], shown) == (0, False)

        await until(told, "the metrics say so, once what they had kept is old")
    finally:
        send(stopped, signal.SIGCONT)
    await node.server.wait_ready()


async def test_readiness_says_that_a_migration_is_missing(node: World) -> None:
    connection = await node.connect()
    row = await connection.fetchrow(
        "DELETE FROM schema_migration WHERE number = (SELECT max(number) FROM schema_migration) RETURNING *"
    )
    assert row is not None
    try:
        async with node.http.get(f"{node.server.url}/health/ready") as reply:
            assert reply.status == 503
            assert f"{row['number']:04d}" in (await reply.json())["reasons"]["migrations"]
    finally:
        columns = ", ".join(row.keys())
        marks = ", ".join(f"${place}" for place in range(1, len(row) + 1))
        await connection.execute(f"INSERT INTO schema_migration ({columns}) VALUES ({marks})", *row.values())
        await connection.close()
    await node.server.wait_ready()


async def test_a_node_that_stops_says_so(node: World) -> None:
    """Last, for it ends the server: a request is under way, so the workers drain and still answer."""
    node.script("hang")
    node.vendor.release.clear()
    node.vendor.arrived.clear()
    asking = asyncio.create_task(node.ask())
    await until(node.vendor.arrived.is_set, "the vendor has been asked")
    kept = [await asyncio.to_thread(socket.create_connection, ("127.0.0.1", node.server.port)) for _ in range(12)]
    await asyncio.sleep(0)
    node.server.signal(signal.SIGTERM)

    async def told() -> bool:
        for connection in kept:
            answer = await asyncio.to_thread(_ready, connection)
            if b"stopping" in answer:
                return True
        return False

    await until(told, "one of the workers says that it is stopping")
    for connection in kept:
        connection.close()
    node.vendor.release.set()
    assert await node.server.wait() == 0
    assert (await asking).done, "what was under way came to its end"


def _ready(connection: socket.socket) -> bytes:
    try:
        connection.settimeout(2.0)
        connection.sendall(b"GET /health/ready HTTP/1.1\r\nHost: x\r\n\r\n")
        return connection.recv(4096)
    except OSError:
        return b""


def test_the_folder_of_figures_is_for_its_owner_alone(node: World) -> None:
    assert (node.server.data / "metrics").stat().st_mode & 0o077 == 0
