import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from click.testing import CliRunner

from adapters.file_lock import FileLock, LockHeldError, check_free
from adapters.hints import hint_pipe
from app.cli import cli
from app.cli.crew import Crew
from app.cli.database import database
from app.cli.listeners import open_listeners
from app.cli.refusals import StartError
from app.settings import Settings
from app.version import VERSION
from tests.support.server import free_port

REPOSITORY = Path(__file__).parents[2]

WORKER = """
import json, os, signal, socket, sys
order = json.loads(sys.stdin.readline())
listener = socket.socket(fileno=order["listener"])
listener.setblocking(True)
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
while True:
    connection, _ = listener.accept()
    with connection:
        asked = connection.recv(10)
        connection.sendall(str(os.getpid()).encode())
    if asked == b"die":
        os._exit(9)
    if asked == b"refuse":
        os._exit(2)
"""
"""A worker that tells its process number, and dies or refuses when told so."""

BACKGROUND = "import sys; sys.stdin.read()"
"""A process beside them that lives for as long as its supervisor does."""


@pytest.fixture
def clean_environ(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, str]:
    for name in os.environ:
        if name.startswith("TALLYGATE_"):
            monkeypatch.delenv(name)
    return {
        "TALLYGATE_DATA": str(tmp_path / "data"),
        "TALLYGATE_PORT": str(free_port()),
        "TALLYGATE_WAL_KEPT_MEBIBYTES": "32",
    }


def run(environ: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "app", *arguments],
        cwd=REPOSITORY,
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def ask(port: int, what: bytes = b"who") -> int:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(what)
        return int(connection.recv(20))


def test_help_lists_every_command_with_a_line_of_its_own() -> None:
    result = CliRunner().invoke(cli, ["--help"], prog_name="tallygate")

    assert result.exit_code == 0
    listed = result.output.partition("Commands:")[2].splitlines()
    assert all(line.strip().partition("  ")[2].strip().endswith(".") for line in listed if line.strip())


def test_every_command_explains_itself() -> None:
    context = cli.make_context("tallygate", ["--help"], resilient_parsing=True)
    for name in cli.list_commands(context):
        result = CliRunner().invoke(cli, [name, "--help"], prog_name="tallygate")

        assert result.exit_code == 0, name
        assert name in result.output


def test_the_version_is_that_of_the_project() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]

    assert project["version"] == VERSION
    assert CliRunner().invoke(cli, ["--version"], prog_name="tallygate").output == f"tallygate {VERSION}\n"


@pytest.mark.parametrize(
    ("changed", "arguments", "message"),
    [
        ({"TALLYGATE_PROT": "1"}, ["serve"], "TALLYGATE_PROT is not a setting: did you mean TALLYGATE_PORT?"),
        ({"TALLYGATE_PORT": "http"}, ["serve"], "TALLYGATE_PORT: 'http' is wrong"),
        ({}, ["serve", "--workers", "0"], "TALLYGATE_WORKERS: '0' is wrong"),
        ({"TALLYGATE_HOST": "192.0.2.1"}, ["serve"], "cannot listen on 192.0.2.1"),
        ({"TALLYGATE_DATABASE_URL": "postgresql://u:hunter22@127.0.0.1:1/x"}, ["serve"], "cannot connect"),
        ({"TALLYGATE_DATABASE_URL": "postgresql://u:hunter22@127.0.0.1:1/x"}, ["migrate"], "cannot connect"),
    ],
)
def test_a_refused_start_is_one_line_with_status_2_and_touches_nothing(
    clean_environ: dict[str, str], changed: dict[str, str], arguments: list[str], message: str
) -> None:
    result = run(clean_environ | changed, *arguments)

    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("tallygate: ")
    assert message in result.stderr
    assert result.stderr.count("\n") == 1
    assert "hunter22" not in result.stderr
    assert not Path(clean_environ["TALLYGATE_DATA"]).exists()


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_port_in_use_is_refused(clean_environ: dict[str, str], workers: str) -> None:
    with socket.create_server(("127.0.0.1", int(clean_environ["TALLYGATE_PORT"]))):
        result = run(clean_environ, "serve", "--workers", workers)

    assert result.returncode == 2
    assert "another program listens there already" in result.stderr
    assert not Path(clean_environ["TALLYGATE_DATA"]).exists()


def test_a_second_start_on_the_same_data_directory_is_refused(clean_environ: dict[str, str]) -> None:
    data = Path(clean_environ["TALLYGATE_DATA"])
    data.mkdir()
    with FileLock(data / "serve.lock"):
        result = run(clean_environ, "serve")

    assert result.returncode == 2
    assert f"is in use by another Tallygate (process {os.getpid()})" in result.stderr
    assert [path.name for path in data.iterdir()] == ["serve.lock"]


async def test_commands_refuse_when_there_is_no_database_yet(clean_environ: dict[str, str]) -> None:
    with pytest.raises(StartError, match="there is no database in"):
        async with database(Settings.load(clean_environ)):
            pass

    assert not Path(clean_environ["TALLYGATE_DATA"]).exists()


TAKER = """
import subprocess, sys
from pathlib import Path
from adapters.file_lock import FileLock

lock = FileLock(Path(sys.argv[1]))
lock.acquire()
quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
print(subprocess.Popen(["/bin/sleep", "60"], pass_fds=[lock.fileno()], **quiet).pid)
"""
"""A program that takes a lock, leaves it to another process, tells that one's number, and ends."""


def test_a_lock_outlives_its_taker_in_a_process_that_inherited_it(tmp_path: Path) -> None:
    path = tmp_path / "serve.lock"
    command = [sys.executable, "-c", TAKER, str(path)]
    done = subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, text=True)

    with pytest.raises(LockHeldError) as held:
        check_free(path)
    assert held.value.is_orphaned

    os.kill(int(done.stdout), signal.SIGKILL)


def test_listeners_of_several_workers_share_one_port() -> None:
    listeners = open_listeners("127.0.0.1", 0, 3)
    try:
        assert len({listener.getsockname()[1] for listener in listeners}) == 1
        with pytest.raises(StartError, match="another program"):
            open_listeners("127.0.0.1", listeners[0].getsockname()[1], 3)
    finally:
        for listener in listeners:
            listener.close()


class Running:
    """Workers that serve in the background of a test."""

    def __init__(self, background: str = BACKGROUND) -> None:
        self.listeners = open_listeners("127.0.0.1", 0, 2)
        self.port = int(self.listeners[0].getsockname()[1])
        self.stop = asyncio.Event()
        self.pipe = contextlib.ExitStack()
        crew = Crew(
            Settings.load({"TALLYGATE_WORKERS": "2"}),
            os.environ,
            "postgresql:///nowhere",
            listeners=self.listeners,
            hints=self.pipe.enter_context(hint_pipe()),
            worker=[sys.executable, "-c", WORKER],
            background=[sys.executable, "-c", background],
        )
        self.task = asyncio.create_task(crew.run(self.stop))

    async def ask_all(self) -> set[int]:
        """Ask until both workers have answered; the kernel spreads connections by chance."""
        answers: set[int] = set()
        async with asyncio.timeout(30):
            while len(answers) < 2:
                answers.add(await asyncio.to_thread(ask, self.port))
        return answers

    async def end(self) -> int:
        self.stop.set()
        status = await asyncio.wait_for(self.task, 30)
        for listener in self.listeners:
            listener.close()
        self.pipe.close()
        return status


async def test_a_worker_that_dies_is_replaced_and_no_connection_is_lost() -> None:
    running = Running()
    before = await running.ask_all()
    dead = await asyncio.to_thread(ask, running.port, b"die")
    after = await running.ask_all()

    assert dead in before
    assert dead not in after
    assert len(before & after) == 1
    assert await running.end() == 0


async def test_a_worker_that_refuses_ends_the_server_with_its_status() -> None:
    running = Running()
    await asyncio.to_thread(ask, running.port, b"refuse")

    assert await asyncio.wait_for(running.task, 30) == 2
    await running.end()


async def test_the_process_beside_the_workers_is_started_again_and_they_serve_meanwhile(tmp_path: Path) -> None:
    noted = tmp_path / "starts"
    running = Running(f"open({str(noted)!r}, 'a').write('x'); raise SystemExit(9)")
    before = await running.ask_all()
    async with asyncio.timeout(30):
        while not noted.exists() or len(noted.read_text()) < 2:  # noqa: ASYNC110 -- another process' doing
            await asyncio.sleep(0.02)

    assert await running.ask_all() == before
    assert await running.end() == 0


async def test_a_refusal_of_the_process_beside_the_workers_ends_the_server_with_its_status() -> None:
    running = Running("raise SystemExit(2)")

    assert await asyncio.wait_for(running.task, 30) == 2
    await running.end()


async def test_workers_that_keep_dying_are_given_up(capsys: pytest.CaptureFixture[str]) -> None:
    running = Running()
    deaths = 0
    while not running.stop.is_set():
        try:
            await asyncio.to_thread(ask, running.port, b"die")
        except (OSError, ValueError):
            break
        deaths += 1
        await asyncio.wait([running.task], timeout=0.05)

    assert await asyncio.wait_for(running.task, 30) == 1
    assert 6 <= deaths <= 8
    assert "keep dying" in capsys.readouterr().err
    await running.end()
