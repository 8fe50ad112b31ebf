"""The wheel that is built here has everything: installed by itself it serves the console and a first call."""

import asyncio
import gzip
import hashlib
import json
import os
import site
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any, Final

import aiohttp
import pytest

from tests.support.operator import first_password_of
from tests.support.server import REPOSITORY, ServerProcess

pytestmark = pytest.mark.xdist_group("wheel")
"""It is built once."""
FILE_BYTES_MAX: Final = 1024 * 1024
WHEEL_BYTES_MAX: Final = 6 * 1024 * 1024
_DIST: Final = "app/console/dist/"


async def _run(*command: str, folder: Path, **environ: str) -> str:
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, env=os.environ | environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0, printed.decode(errors="replace")
    return printed.decode(errors="replace")


@pytest.fixture(scope="module")
async def wheel(built: None, tmp_path_factory: pytest.TempPathFactory) -> Path:  # noqa: ARG001 -- first things first
    """Build a wheel as pip does, but with the tools that the lock names."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    await _run(*pip, "--wheel-dir", str(folder), ".", folder=REPOSITORY)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def contents(wheel: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_it_carries_the_console_as_it_was_built(contents: dict[str, bytes]) -> None:
    record: Any = json.loads(contents[f"{_DIST}build.json"])
    files = {name.removeprefix(_DIST): body for name, body in contents.items() if name.startswith(_DIST)}
    del files["build.json"]

    assert {name: hashlib.sha256(body).hexdigest() for name, body in files.items()} == record["files"]
    assert "index.html" in files
    for ending in (".js", ".css"):
        names = [name for name in files if name.startswith("assets/") and name.endswith(ending)]
        assert names
        for name in names:
            assert gzip.decompress(files[f"{name}.gz"]) == files[name]
            assert f"{name}.br" in files


def test_it_is_small_and_has_nothing_that_is_not_for_users(wheel: Path, contents: dict[str, bytes]) -> None:
    strange = [
        name
        for name in contents
        if name.endswith((".map", ".ts", ".tsx")) or "node_modules" in name or name.startswith(("tests/", "docs/"))
    ]
    here = str(REPOSITORY).encode()

    assert strange == []
    assert [name for name, body in contents.items() if len(body) > FILE_BYTES_MAX] == []
    # A folder at the root, /app in a container, is in many a text by chance.
    assert here.count(b"/") < 2 or [name for name, body in contents.items() if here in body] == []
    assert wheel.stat().st_size < WHEEL_BYTES_MAX


async def test_a_source_distribution_needs_no_node_to_become_a_wheel(built: None, tmp_path: Path) -> None:  # noqa: ARG001
    await _run(
        sys.executable, "-m", "hatchling", "build", "--target", "sdist", "--directory", str(tmp_path), folder=REPOSITORY
    )
    (packed,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(packed) as archive:
        # The filter came with Python 3.11.4, and later ones want it.
        options: Any = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
        archive.extractall(tmp_path, **options)
    (unpacked,) = (path for path in tmp_path.iterdir() if path.is_dir())

    # pip asks the hook what it needs before it builds.
    asked = "from hatchling.build import get_requires_for_build_wheel as ask; print(ask())"
    needed = await _run(sys.executable, "-c", asked, folder=unpacked)

    assert needed.strip().splitlines()[-1] == "[]"
    assert not (unpacked / "app" / "console" / "node_modules").exists()


async def test_it_serves_the_console_and_the_first_call_from_an_environment_of_its_own(
    wheel: Path, contents: dict[str, bytes], tmp_path: Path
) -> None:
    python = await _install(wheel, tmp_path)
    empty = tmp_path / "elsewhere"
    empty.mkdir()
    server = ServerProcess(tmp_path / "data", {"SHARED_BUFFERS_MEBIBYTES": "64"}, python=str(python), folder=empty)
    try:
        await server.start()
        async with aiohttp.ClientSession(server.url) as session:
            async with session.get("/") as answer:
                page = await answer.text()
                assert (answer.status, answer.content_type) == (200, "text/html")
            script = next(
                name for name in contents if name.startswith(f"{_DIST}assets/index-") and name.endswith(".js")
            )
            path = script.removeprefix(_DIST)
            assert path in page
            async with session.get(f"/{path}") as answer:
                assert await answer.read() == contents[script]
                assert answer.headers["content-encoding"] in {"gzip", "br"}
            login = {"login": "root", "password": first_password_of(server.output)}
            async with session.post("/api/login", json=login) as answer:
                assert answer.status == 200, await answer.text()
        where = await _run(str(python), "-c", "import app, migrations; print(app.__file__)", folder=empty)
        assert str(tmp_path) in where
    finally:
        await server.close()


async def _install(wheel: Path, folder: Path) -> Path:
    """Install it into an environment of its own, beside which only the packages of the lock can be seen."""
    await _run(sys.executable, "-m", "venv", "--without-pip", str(folder / "venv"), folder=folder)
    (packages,) = (folder / "venv" / "lib").glob("python*/site-packages")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--target", str(packages)]
    await _run(*pip, str(wheel), folder=folder)
    (packages / "locked.pth").write_text("\n".join(site.getsitepackages()) + "\n")
    return folder / "venv" / "bin" / "python"
