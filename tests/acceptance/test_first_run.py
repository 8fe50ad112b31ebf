"""A stranger's first minutes: start, paste the call that was printed, log in, stop, start again."""

import asyncio
import json
import re
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import openai
import pytest

from adapters.postgres.embedded import find_running
from app.bootstrap import DEMO_CHANNEL
from tests.support.operator import PASSWORD, Operator, first_password_of
from tests.support.server import ServerProcess

pytestmark = pytest.mark.skipif(shutil.which("curl") is None, reason="the first call is pasted into a shell with curl")


@pytest.fixture(scope="module")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server after its first start, which no setting but data and port was given to."""
    process = ServerProcess(tmp_path_factory.mktemp("first-run") / "data")
    try:
        await process.start()
        yield process
    finally:
        await process.close()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as made:
        yield made


def printed_call(output: str) -> str:
    """Give the command as it was printed, to its last line."""
    found = re.search(r"^  curl .*?[^\\]$", output, re.MULTILINE | re.DOTALL)
    assert found is not None, output
    return found[0]


def printed_token(output: str) -> str:
    found = re.search(r"^  API key +(\S+)", output, re.MULTILINE)
    assert found is not None, output
    return found[1]


async def be_root(server: ServerProcess, session: aiohttp.ClientSession) -> Operator:
    """Log in, whether or not another test has changed the first password already."""
    root = Operator(server.url, session)
    try:
        await root.log_in(first_password_of(server.output))
    except AssertionError:
        login = await root.post("/login", {"login": "root", "password": PASSWORD})
        root.headers = {"x-csrf-token": login["csrf_token"]}
    return root


async def paste(command: str) -> Any:
    """Run a command as a shell reads it, and give the JSON that it prints."""
    process = await asyncio.create_subprocess_exec(
        "sh", "-c", f"{command} --silent --show-error", stdout=asyncio.subprocess.PIPE
    )
    printed, _ = await process.communicate()
    assert process.returncode == 0
    return json.loads(printed)


async def test_the_call_that_is_printed_works_when_pasted(server: ServerProcess) -> None:
    answer = await paste(printed_call(server.output))

    assert answer["choices"][0]["message"]["content"].startswith("This is a demo answer")
    assert answer["usage"]["total_tokens"] > 0


async def test_nothing_secret_is_logged_but_what_is_printed_once(server: ServerProcess) -> None:
    for secret in (first_password_of(server.output), printed_token(server.output)):
        lines = [line for line in server.output.splitlines() if secret in line]
        assert not [line for line in lines if line.startswith("{")]


async def test_root_can_do_nothing_before_changing_the_printed_password(
    server: ServerProcess, session: aiohttp.ClientSession
) -> None:
    password = first_password_of(server.output)
    root = Operator(server.url, session)
    with pytest.raises(AssertionError, match="401"):
        await root.post("/login", {"login": "root", "password": "root"})
    with pytest.raises(AssertionError, match="401"):
        await root.post("/login", {"login": "root", "password": "123456"})

    login = await root.post("/login", {"login": "root", "password": password})
    assert login["user"]["must_change_password"]
    root.headers = {"x-csrf-token": login["csrf_token"]}
    with pytest.raises(AssertionError, match=r"403.*password_change_required"):
        await root.get("/tenants")

    await root.post("/password", {"current": password, "new": PASSWORD})
    assert [tenant["name"] for tenant in (await root.get("/tenants"))["items"]] == ["Demo"]
    with pytest.raises(AssertionError, match="401"):
        await root.post("/login", {"login": "root", "password": password})


async def test_a_stop_drains_and_the_next_start_goes_on_with_the_same_data(server: ServerProcess) -> None:
    token = printed_token(server.output)
    async with openai.AsyncOpenAI(api_key=token, base_url=f"{server.url}/v1", max_retries=0) as client:
        stream = await client.chat.completions.create(
            model="demo-chat", messages=[{"role": "user", "content": "Hello!"}], stream=True
        )
        chunks = aiter(stream)
        await anext(chunks)

        stopping = asyncio.create_task(server.stop())
        rest = [chunk async for chunk in chunks]

        assert rest[-1].choices[0].finish_reason == "stop"
        assert await stopping == 0
    assert await find_running(server.data) is None
    before = server.output

    await server.start()

    printed = server.output[len(before) :]
    assert "Password" not in printed
    assert token not in printed
    async with openai.AsyncOpenAI(api_key=token, base_url=f"{server.url}/v1", max_retries=0) as client:
        grants = await client.get("/dashboard/billing/credit_grants", cast_to=dict[str, Any])
        assert grants["total_granted"] == 5
        assert 0 < grants["total_available"] < 5
    assert (await paste(printed_call(before)))["object"] == "chat.completion"


async def test_a_second_start_on_the_same_data_is_refused_with_one_line(server: ServerProcess) -> None:
    second = ServerProcess(server.data)
    second.spawn()

    assert await second.wait() == 2
    assert second.output.count("\n") == 1
    assert "in use by another Tallygate" in second.output
    await server.wait_ready()
    await second.close()


async def test_a_wrong_setting_is_refused_with_one_line_and_nothing_is_made(tmp_path: Path) -> None:
    process = ServerProcess(tmp_path / "data", {"WORKERS": "many"})
    process.spawn()

    assert await process.wait() == 2
    assert process.output.count("\n") == 1
    assert "TALLYGATE_WORKERS" in process.output
    assert not process.data.exists()
    await process.close()


async def test_the_demo_channel_can_be_removed(server: ServerProcess, session: aiohttp.ClientSession) -> None:
    root = await be_root(server, session)
    demo = next(each for each in (await root.get("/channels"))["items"] if each["name"] == DEMO_CHANNEL)

    await root.archive(f"/channels/{demo['id']}")

    async with openai.AsyncOpenAI(
        api_key=printed_token(server.output), base_url=f"{server.url}/v1", max_retries=0
    ) as client:
        assert [model.id async for model in client.models.list()] == []
        with pytest.raises(openai.NotFoundError):
            await client.chat.completions.create(model="demo-chat", messages=[{"role": "user", "content": "Hello!"}])
    assert await server.stop() == 0
    await server.start()
    assert DEMO_CHANNEL not in [each["name"] for each in (await root.get("/channels"))["items"]]
