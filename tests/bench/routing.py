"""`python -m tests.bench.routing`: what routing takes, how soon nodes agree, and what a flood costs the others.

Bounded to about two minutes. Alone and beside the flood take turns, so that whatever else the machine does hits both.
"""

import argparse
import asyncio
import contextlib
import logging
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import msgspec
import structlog
import uvloop

from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.routing.choice import Need, Now, Pools, decide
from tests.bench.load import Order, Sample
from tests.bench.prepare import MODEL_PACED, prepare
from tests.bench.processes import fast_vendor, generator, tallygate
from tests.faults.nodes import Nodes, state, two_nodes
from tests.faults.world import MODEL, World
from tests.support.postgres import create_database, run_server

CHANGES: Final = 20
_LOOK_SECONDS: Final = 0.06
"""How often a node is asked for a channel's health: about as often as the API's own limit lets one person."""
_CHUNK_MILLISECONDS: Final = 20
"""A stream has 20 chunks, and so takes 0.4 s."""
_FLOOD_PER_SECOND: Final = 200.0
"""Five times what one worker serves that takes 16 requests at a time, and has 16 more wait."""
_SECONDS: Final = 12.0


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


async def flood(folder: Path, rounds: int) -> list[str]:
    """Measure one tenant's streams, alone and while another one floods, in turn; each has a generator of its own."""
    alone: list[Sample] = []
    crowded: list[Sample] = []
    floods: list[Sample] = []
    async with contextlib.AsyncExitStack() as stack:
        vendor = await stack.enter_async_context(fast_vendor(delay_milliseconds=_CHUNK_MILLISECONDS))
        other, flooding = await prepare(folder, {MODEL_PACED: f"http://127.0.0.1:{vendor.port}"}, 2)
        bounds = {"REQUESTS_MAX": "16", "QUEUE_MAX": "16", "QUEUE_SECONDS": "1"}
        service = await stack.enter_async_context(tallygate(folder, 1, vendor, **bounds))
        quiet = await stack.enter_async_context(generator())
        loud = await stack.enter_async_context(generator())
        asked = Order(
            port=service.port,
            model=MODEL_PACED,
            tokens=[other],
            stream=True,
            connections=1,
            warmup_seconds=1.0,
            seconds=_SECONDS,
            pids={},
        )
        crowd = msgspec.structs.replace(
            asked, tokens=[flooding], connections=64, requests_per_second=_FLOOD_PER_SECOND, seconds=_SECONDS + 1.0
        )
        for _ in range(rounds):
            alone.append(await quiet.measure(asked))
            sample, beside = await asyncio.gather(loud.measure(crowd), quiet.measure(asked))
            crowded.append(beside)
            floods.append(sample)
    if any(sample.faults for sample in (*alone, *crowded)):
        raise RuntimeError(f"the other tenant was refused: {[sample.faults for sample in (*alone, *crowded)]}")
    before, beside_p99 = (max(sample.latency_p99 for sample in samples) for samples in (alone, crowded))
    served, shed = sum(each.requests for each in floods), sum(sum(each.faults.values()) for each in floods)
    return [
        f"| p50 / p99 of a stream alone | {_mean(alone):.0f} / {before:.0f} ms |",
        f"| p50 / p99 of it beside the flood | {_mean(crowded):.0f} / {beside_p99:.0f} ms |",
        f"| p99 beside the flood to p99 alone (at most 2) | {beside_p99 / before:.2f} |",
        f"| requests of the flood answered / refused | {served} / {shed} |",
    ]


def _mean(samples: list[Sample]) -> float:
    return sum(sample.latency_p50 for sample in samples) / len(samples)


async def _run(rounds: int) -> list[str]:
    lines = decisions()
    with tempfile.TemporaryDirectory(prefix="tallygate-bench-") as folder:
        async with (
            run_server("embedded") as postgres,
            two_nodes(await create_database(postgres), Path(folder) / "two", 2) as nodes,
        ):
            lines += await reach(nodes)
        lines += await flood(Path(folder) / "one", rounds)
    return lines


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.routing", description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="turns of twelve seconds, alone and beside the flood")
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    lines = uvloop.run(_run(parser.parse_args().rounds))
    sys.stdout.write("\n".join(["| what | measured |", "|---|---|", *lines, ""]))


if __name__ == "__main__":
    main()
