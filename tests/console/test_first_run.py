"""From nothing to the receipt of a first call: in the browser, as somebody does who has just installed it."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest
from playwright.async_api import Browser, expect

from tests.console.browsing import LANGUAGES, WIDE, Watched, watched
from tests.support.operator import PASSWORD, first_password_of
from tests.support.server import ServerProcess

SECONDS_MAX: Final = 120
"""What the first run may take, the start of the server and its database included."""


@pytest.fixture
async def fresh(built: None, tmp_path: Path) -> AsyncIterator[ServerProcess]:  # noqa: ARG001 -- first things first
    process = ServerProcess(tmp_path / "data")
    yield process
    await process.close()


@pytest.mark.parametrize("language", LANGUAGES)
async def test_the_first_call_is_seen_within_two_minutes_of_the_start_on_an_empty_directory(
    language: str, fresh: ServerProcess, browser: Browser
) -> None:
    async with asyncio.timeout(SECONDS_MAX):
        await fresh.start()
        context = await browser.new_context(locale=LANGUAGES[language], viewport=WIDE, reduced_motion="reduce")
        tab = await watched(context, fresh.url)
        await _come_in(tab, first_password_of(fresh.output))
        command = await _set_up(tab)
        await _paste(command)
        receipt = tab.page.get_by_test_id("first-receipt")
        await expect(receipt).to_be_visible(timeout=SECONDS_MAX * 1000)

    await tab.settle()
    await tab.shoot(f"first-run.{language}.light")
    assert "demo-chat" in await receipt.inner_text()
    assert await tab.axe() == []
    await tab.page.get_by_test_id("open-receipt").click()
    await tab.page.wait_for_url("**/admin/requests/*")
    await tab.settle()
    assert await tab.troubles() == []
    await context.close()


async def _come_in(tab: Watched, first_password: str) -> None:
    """Log in with what the server printed, and choose a password."""
    await tab.open("/welcome")
    form = tab.page.locator("main form")
    await form.locator("input:not([type=password])").fill("root")
    await form.locator("input[type=password]").fill(first_password)
    await form.locator("button[type=submit]").click()
    passwords = form.locator("input[type=password]")
    await expect(passwords).to_have_count(3)
    for at, text in enumerate((first_password, PASSWORD, PASSWORD)):
        await passwords.nth(at).fill(text)
    await form.locator("button[type=submit]").click()


async def _set_up(tab: Watched) -> str:
    """Go through the steps of the first page; give the command that it shows."""
    page = tab.page
    await page.get_by_test_id("you-done").click()
    await page.get_by_test_id("use-demo").click()
    await page.get_by_test_id("tenant-name").fill("Acme")
    await page.get_by_test_id("tenant-create").click()
    await expect(page.get_by_test_id("waiting")).to_be_visible()
    # What is shown is whole and works as it stands: neither the key nor the address is left to be filled in.
    return await page.locator("pre", has_text="curl ").first.inner_text()


async def _paste(command: str) -> None:
    shell = await asyncio.create_subprocess_exec(
        "sh", "-c", f"{command} --fail --silent --show-error", stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    printed, _ = await shell.communicate()
    assert shell.returncode == 0, printed.decode()
