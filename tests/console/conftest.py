"""One server with a small business on it and one browser, for all tests of the console."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from playwright.async_api import Browser, BrowserContext, Playwright, async_playwright, expect

from app.web.build import DIST
from tests.console.books import Books, old_business
from tests.console.browsing import LANGUAGES, WIDE, Watched, watched
from tests.console.world import World, business, password_of
from tests.support.operator import FIRST_PASSWORD
from tests.support.server import ServerProcess, run_server_process

Visit = Callable[..., Awaitable[Watched]]

# What is expected is awaited, however busy the machine is; what does not come fails all the same.
expect.set_options(timeout=20_000)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/console/" in item.path.as_posix():
            item.add_marker("console")


@pytest.fixture(scope="session")
def built() -> None:
    """Fail in a word where nothing was built; `make test-console` builds first."""
    assert (DIST / "build.json").is_file(), "the console is not built: make console"


@pytest.fixture(scope="session")
async def server(built: None) -> AsyncIterator[ServerProcess]:  # noqa: ARG001 -- first things first
    settings = {"ROOT_PASSWORD": FIRST_PASSWORD, "SHARED_BUFFERS_MEBIBYTES": "64"}
    async with run_server_process(settings) as process:
        yield process


@pytest.fixture(scope="session")
async def world(server: ServerProcess) -> AsyncIterator[World]:
    async with business(server) as founded:
        yield founded


@pytest.fixture(scope="session")
async def books(built: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Books]:  # noqa: ARG001 -- first
    async with old_business(tmp_path_factory.mktemp("books")) as founded:
        yield founded


@pytest.fixture(scope="session")
async def playwright() -> AsyncIterator[Playwright]:
    async with async_playwright() as running:
        yield running


@pytest.fixture(scope="session")
async def browser(playwright: Playwright) -> AsyncIterator[Browser]:
    """Debian's Chromium: Playwright's own is a download from elsewhere."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    assert program is not None, "there is no Chromium: apt install chromium, or use make test-console"
    # Chromium's sandbox does not work as root; it is this repository's own pages that are looked at.
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    running = await playwright.chromium.launch(
        executable_path=program, args=[*sandbox, "--disable-dev-shm-usage", "--disable-gpu"]
    )
    try:
        yield running
    finally:
        await running.close()


@pytest.fixture(scope="session")
async def visit(browser: Browser, world: World) -> AsyncIterator[Visit]:
    """Open a tab as somebody who reads a language: `await visit("owner", "zh-CN")`; nobody is logged in as `""`.

    Each of them is one browser profile for the whole session, so that it logs in once.
    """
    async with contextlib.AsyncExitStack() as stack:
        profiles: dict[tuple[str, str], BrowserContext] = {}

        async def open_tab(role: str = "", language: str = "en") -> Watched:
            if (role, language) not in profiles:
                context = await browser.new_context(
                    locale=LANGUAGES[language], viewport=WIDE, color_scheme="light", reduced_motion="reduce"
                )
                stack.push_async_callback(context.close)
                if role:
                    await _log_in(context, world, role)
                profiles[role, language] = context
            return await watched(profiles[role, language], world.url)

        yield open_tab


async def _log_in(context: BrowserContext, world: World, role: str) -> None:
    answer = await context.request.post(
        f"{world.url}/api/login", data={"login": world.logins[role], "password": password_of(role)}
    )
    assert answer.ok, await answer.text()
