"""A request is gone when it is over: what only the garbage collector frees makes all others wait, for up to 60 ms."""

import signal
from pathlib import Path

from tests.faults.world import World, until, world

REQUESTS = 10
ROUNDS_MAX = 6


async def left(asked: World, file: Path) -> int:
    """Give how many objects nobody could reach any more."""
    file.unlink(missing_ok=True)
    asked.server.signal(signal.SIGUSR1)
    await until(file.exists, "the server has collected")
    return int(file.read_text())


async def left_of_requests(asked: World, file: Path, *, stream: bool) -> int:
    assert all([(await asked.ask(stream=stream)).done for _ in range(REQUESTS)])
    return await left(asked, file)


async def test_neither_plain_nor_streamed_requests_leave_anything_to_the_garbage_collector(tmp_path: Path) -> None:
    file = tmp_path / "found"
    program = ("-m", "tests.app.relay.garbage_server", str(file))
    async with world(tmp_path / "data", {}, program=program) as asked:
        asked.script("plain")
        for stream in (False, True):
            # Whatever is made once, for the first of its kind, is not meant.
            assert (await asked.ask(stream=stream)).done
            await left(asked, file)
            # What the server does by itself now and then leaves something, too: not every time, as a request would.
            found = [await left_of_requests(asked, file, stream=stream)]
            while found[-1] >= REQUESTS:
                assert len(found) < ROUNDS_MAX, f"stream={stream}: {found}"
                found.append(await left_of_requests(asked, file, stream=stream))
            # The control: what comes to nothing keeps its traceback, which is a circle.
            asked.script("error,status=500")
            assert not any([(await asked.ask(stream=stream)).done for _ in range(REQUESTS)])
            assert await left(asked, file) > REQUESTS
            asked.script("plain")
            await asked.mend()
