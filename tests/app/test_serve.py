import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from adapters.postgres.embedded import find_running
from tests.support.server import ServerProcess


@pytest.fixture(params=["1", "2"])
async def server(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[ServerProcess]:
    process = ServerProcess(tmp_path / "data", {"WORKERS": request.param})
    try:
        await process.start()
        yield process
    finally:
        await process.close()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_and_its_postgres_with_status_0(
    server: ServerProcess, number: signal.Signals
) -> None:
    postgres = server.postgres_pid
    server.signal(number)

    assert await server.wait() == 0
    assert not Path(f"/proc/{postgres}").exists()
    assert await find_running(server.data) is None
    assert "Traceback" not in server.output


async def test_a_second_start_is_refused_and_the_first_goes_on(server: ServerProcess) -> None:
    second = ServerProcess(server.data)
    second.spawn()

    assert await second.wait() == 2
    assert f"is in use by another Tallygate (process {server.pid})" in second.output
    assert second.output.count("\n") == 1
    await server.wait_ready()
    await second.close()


@pytest.mark.faults
async def test_after_kill_9_of_the_server_the_next_start_goes_on(server: ServerProcess) -> None:
    await server.kill()
    await server.start()

    assert server.output.count("Password") == 1, "the second start found the first one's data"
    assert await server.stop() == 0


@pytest.mark.faults
async def test_after_kill_9_of_postgres_the_server_is_ready_again(server: ServerProcess) -> None:
    before, killed = server.pid, server.postgres_pid
    os.kill(killed, signal.SIGKILL)
    await server.wait_new_postgres(killed)
    await server.wait_ready()

    assert server.pid == before
    assert await server.stop() == 0, server.output
