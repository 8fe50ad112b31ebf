"""The fake vendor as a process of its own, as benchmarks and fault tests start it."""

import asyncio
import json
import sys

import aiohttp
import pytest

from adapters.dialects.openai import decode_chunk
from adapters.sse import SseSplitter
from tests.support.fake_vendor import BEHAVIORS, Behavior


@pytest.mark.parametrize("arguments", [("--fast", "--chunks", "5"), ()])
async def test_process_prints_its_port_answers_and_stops(arguments: tuple[str, ...]) -> None:
    command = (sys.executable, "-m", "tests.support.fake_vendor", *arguments)
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    try:
        base = f"http://127.0.0.1:{int(await asyncio.wait_for(process.stdout.readline(), 20))}"
        asked = {"model": "fake:plain,chunks=5", "messages": [], "stream_options": {"include_usage": True}}
        async with aiohttp.ClientSession(base) as session:
            async with session.post("/v1/chat/completions", json=asked) as reply:
                plain = json.loads(await reply.read())
            async with session.post("/v1/chat/completions", json=asked | {"stream": True}) as reply:
                deltas = [decode_chunk(frame.data) for frame in SseSplitter().feed(await reply.read())]
            async with session.get("/_meter") as reply:
                meter = json.loads(await reply.read())
    finally:
        process.terminate()
    assert await asyncio.wait_for(process.wait(), 10) == 0
    assert plain["usage"]["completion_tokens"] == 5
    assert [delta.usage.output_total for delta in deltas if delta.usage is not None] == [5]
    assert deltas[-1].is_done
    if arguments:
        assert (meter["requests"], meter["streams"], meter["completion_tokens"]) == (1, 1, 10)
    else:
        assert [metered["completion_tokens"] for metered in meter] == [5, 5]


def test_behaviors_are_read_from_the_models_name() -> None:
    assert Behavior.of("gpt-x") == Behavior("plain")
    assert Behavior.of("fake:half-frame,after=2") == Behavior("half-frame", after=2)
    assert {"half-frame", "no-usage", "long-line"} <= BEHAVIORS
