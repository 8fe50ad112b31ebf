"""`python -m tests.bench.routing`: what routing takes, how soon nodes agree, and what a flood costs the others.

Bounded to about two minutes. Alone and beside the flood take turns, so that whatever else the machine does hits both.
"""

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import uvloop

from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.routing.choice import Need, Now, Pools, decide
from tests.faults.nodes import Nodes, state, two_nodes
from tests.faults.world import MODEL, World, world
from tests.support.operator import Customer
from tests.support.postgres import create_database, run_server

CHANGES: Final = 20
CALLS: Final = 100
FLOOD: Final = 64
"""Clients of one tenant that ask again and again, where 16 requests are served at a time, and 16 may wait."""
_LOOK_SECONDS: Final = 0.06
"""How often a node is asked for a channel's health: as often as the API's own limit lets one person."""
_VENDOR_MILLISECONDS: Final = 100
_PAUSE_SECONDS: Final = 0.1
"""What a client of the flood waits after a refusal that asks for a second."""


def _percentile(values: list[float], percent: int) -> float:
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)] * 1000


def decisions() -> list[str]:
    """Measure the choice among a few and among many."""
    lines = []
    for count in (2, 8, 64):
        channels = [
            Channel(channel_id=EntityId(f"{number:02}"), name=f"c{number}", type="demo", models=("m",), weight=10)
            for number in range(count)
        ]
        members, need, now = Pools(channels).members("m"), Need(), Now(milliseconds=0)
        times = 20_000 // count
        began = time.perf_counter()
        for seed in range(times):
            decide(members, need, now, seed=seed)
        lines.append(f"| a decision among {count} channels | {(time.perf_counter() - began) / times * 1e6:.1f} us |")
    return lines


async def reach(nodes: Nodes) -> list[str]:
    """Measure how long after a node has seen a fault the other one goes by it."""
    channel, vendor = nodes.channels[0], nodes.vendors[0]
    vendor.script[MODEL] = vendor.script["/models"] = "fake:error,status=401"
    took = []
    for _ in range(CHANGES):
        await _until(lambda: _asked_until_out(nodes.a, channel))
        began = time.perf_counter()
        await _until(lambda: _is(nodes.b, channel, "out"))
        took.append(time.perf_counter() - began)
        await nodes.a.operator.post(f"/channels/{channel}/health/reset", {"reason": "once more"})
        await _until(lambda: _is(nodes.b, channel, "sound"))
    return [
        f"| health on the other node, p50 of {CHANGES} changes | {_percentile(took, 50):.0f} ms |",
        f"| health on the other node, at most | {max(took) * 1000:.0f} ms |",
    ]


async def _until(happened: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(60):
        while not await happened():  # noqa: ASYNC110 -- another process' state: only looking tells
            await asyncio.sleep(_LOOK_SECONDS)


async def _asked_until_out(node: World, channel: str) -> bool:
    await node.ask()
    return await _is(node, channel, "out")


async def _is(node: World, channel: str, wanted: str) -> bool:
    return await state(node, channel) == wanted


async def flood(node: World, rounds: int) -> list[str]:
    """Measure one tenant's requests, alone and while another one floods, in turn."""
    node.script(f"slow,delay_ms={_VENDOR_MILLISECONDS}")
    other = await node.operator.customer()
    alone: list[float] = []
    crowded: list[float] = []
    for _ in range(rounds):
        alone += await _calls(node, other)
        stop = asyncio.Event()
        clients = [asyncio.create_task(_flooding(node, stop)) for _ in range(FLOOD)]
        crowded += await _calls(node, other)
        stop.set()
        await asyncio.gather(*clients)
    refused = sum(told.status == 429 for told in node.told)
    quiet, loud = _percentile(alone, 99), _percentile(crowded, 99)
    return [
        f"| p50 / p99 alone, vendor {_VENDOR_MILLISECONDS} ms | {_percentile(alone, 50):.0f} / {quiet:.0f} ms |",
        f"| p50 / p99 beside the flood | {_percentile(crowded, 50):.0f} / {loud:.0f} ms |",
        f"| p99 beside the flood to p99 alone (at most 2) | {loud / quiet:.2f} |",
        f"| requests of the flood served / shed | {len(node.told) - refused} / {refused} |",
    ]


async def _calls(node: World, customer: Customer) -> list[float]:
    took = []
    for _ in range(CALLS):
        began = time.perf_counter()
        async with node.http.post(
            f"{node.server.url}/v1/chat/completions",
            json=node.body(stream=False, max_tokens=20),
            headers={"authorization": f"Bearer {customer.secret}"},
        ) as answer:
            await answer.read()
        if answer.status != 200:
            raise RuntimeError(f"the other tenant was refused: {answer.status}")
        took.append(time.perf_counter() - began)
    return took


async def _flooding(node: World, stop: asyncio.Event) -> None:
    while not stop.is_set():
        if (await node.ask(max_tokens=20)).status != 200:
            await asyncio.sleep(_PAUSE_SECONDS)


async def _run(rounds: int) -> list[str]:
    lines = decisions()
    with tempfile.TemporaryDirectory(prefix="tallygate-bench-") as folder:
        async with run_server("embedded") as postgres:
            async with two_nodes(await create_database(postgres), Path(folder) / "two", 2) as nodes:
                lines += await reach(nodes)
            bounds = {"REQUESTS_MAX": "16", "QUEUE_MAX": "16", "QUEUE_SECONDS": "1"}
            settings = bounds | {"DATABASE_URL": await create_database(postgres)}
            async with world(Path(folder) / "one", settings) as node:
                lines += await flood(node, rounds)
    return lines


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of a hundred requests, alone and beside the flood")
    lines = uvloop.run(_run(parser.parse_args().rounds))
    sys.stdout.write("\n".join(["| what | measured |", "|---|---|", *lines, ""]))


if __name__ == "__main__":
    main()
