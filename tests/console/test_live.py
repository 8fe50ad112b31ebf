"""The live log as somebody watches it: it follows, waits, finds, and loses nothing when the line is cut."""

import asyncio
import re
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.browsing import LANGUAGES, WIDE, watched
from tests.console.conftest import Visit
from tests.console.line import line_to
from tests.console.world import World, password_of
from tests.support.operator import Customer

_OPERATIONS: Final = "captured,voided,expired,refused"
_SERVED: Final = (
    ("API key", "a key of the live log", "token_id"),
    ("Attempts from", "1", "attempts_min"),
    ("Model asked for", "aurora-large", "model_asked"),
    ("Channel", "Aurora, first account", "channel_id"),
    ("Input from", "2", "input_tokens_min"),
    ("Output from", "2", "output_tokens_min"),
    ("First byte to, ms", "60000", "first_byte_max"),
    ("Duration to, ms", "60000", "latency_max"),
    ("From cache", "No", "cached"),
    ("Charge from", "0.00001", "charged_min"),
)
_REFUSED: Final = (("Status", "Refused", "states"), ("Code", "model_not_found", "code"))
"""Filters as they are named, what is chosen or typed, and where the URL has it: one for each column of the log."""


class Log:
    """A customer of its own, whose requests are looked at."""

    def __init__(self, world: World, customer: Customer) -> None:
        self.world = world
        self.tenant_id = customer.tenant_id
        self._secret = customer.secret
        self._calls = 0
        self.path = f"/admin/live?tenant_id={self.tenant_id}"

    async def call(self, *models: str) -> None:
        """Ask models, one after the other, and wait until the log has it."""
        headers = {"authorization": f"Bearer {self._secret}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            for model in models:
                body = {"model": model, "messages": [{"role": "user", "content": "What is a ledger?"}]}
                async with session.post(f"{self.world.url}/v1/chat/completions", json=body) as answer:
                    await answer.read()
        self._calls += len(models)
        for _ in range(300):
            if sum(row["count"] for row in await self.rows()) >= self._calls:
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the log lacks what was asked")

    async def rows(self, **filters: str) -> list[dict[str, Any]]:
        """Give the rows that fit as the API has them, the newest first."""
        query = {"tenant_id": str(self.tenant_id), "states": _OPERATIONS, **filters}
        found: list[dict[str, Any]] = (await self.world.root.get(f"/reports/requests?{urlencode(query)}"))["items"]
        return found


@pytest.fixture
async def log(world: World) -> Log:
    customer = await world.root.customer(name="Live Ltd", credit="5", token={"name": "a key of the live log"})
    return Log(world, customer)


async def _shown(page: Page) -> list[str]:
    """Give the ids of the rows that are in sight, from the top."""
    links = page.locator(".tg-live-body a")
    addresses = [await each.get_attribute("href") or "" for each in await links.all()]
    return [found[1] for each in addresses if (found := re.search(r"row=([\d-]+)", each))]


async def _until(page: Page, count: int) -> None:
    """Wait until the log says that it has so many rows."""
    await expect(page.get_by_text(re.compile(rf"^{count} rows?, the newest first$"))).to_be_visible(timeout=20_000)


async def test_the_log_follows_waits_and_says_what_came_meanwhile(visit: Visit, log: Log) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open(log.path)
    await expect(page.get_by_text("Waiting for requests")).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible()
    await log.call("demo-chat")
    await _until(page, 1)

    await page.get_by_role("button", name="Pause").click()
    await expect(page.get_by_role("status").filter(has_text="Paused")).to_be_visible()
    await log.call("demo-chat", "no-such-model", "demo-chat")
    waiting = page.get_by_role("button", name="Go on")
    await expect(waiting).to_contain_text("3 new", timeout=20_000)
    await _until(page, 1)
    await tab.shoot("flow-live-paused")
    await waiting.click()
    await _until(page, 4)
    await expect(page.locator("[aria-live=polite]").filter(has_text="3 new requests, 1 not answered.")).to_have_count(1)
    assert await _shown(page) == [row["id"] for row in await log.rows()]
    assert await tab.troubles() == []
    await page.close()


async def _choose(page: Page, name: str, value: str, parameter: str) -> None:
    """Set a filter as a person does, and wait until the URL has it."""
    field = page.get_by_role("search").get_by_label(name, exact=True)
    box = page.get_by_role("search").get_by_role("combobox", name=name, exact=True)
    await expect(field.or_(box).first).to_be_visible()
    if await box.count():
        await box.click()
        await page.get_by_role("option", name=value, exact=True).click()
        await page.keyboard.press("Escape")
    else:
        await field.fill(value)
    await page.wait_for_url(re.compile(rf"[?&]{parameter}="))


def _chosen(url: str) -> dict[str, str]:
    """Give the filters that a URL has, as the API takes them."""
    found = {name: values[0].strip('"') for name, values in parse_qs(urlsplit(url).query).items()}
    return {name: value.strip('[]"') for name, value in found.items()}


async def test_each_column_is_filtered_in_the_url_and_filters_are_kept_by_name(visit: Visit, log: Log) -> None:
    await log.call("demo-chat", "aurora-large", "no-such-model", "aurora-mini", "aurora-large")
    tab = await visit("root")
    page = tab.page
    for filters in (_REFUSED, _SERVED):
        await tab.open(log.path)
        await page.get_by_role("button", name=re.compile("more filters")).click()
        counts = [len(await log.rows())]
        for name, value, parameter in filters:
            await _choose(page, name, value, parameter)
            rows = await log.rows(**_chosen(page.url))
            await _until(page, len(rows))
            assert await _shown(page) == [row["id"] for row in rows], name
            counts.append(len(rows))
        assert counts == sorted(counts, reverse=True)
        assert 0 < counts[-1] < counts[0]
    kept = _chosen(page.url)
    assert kept.keys() == {"tenant_id", *(parameter for *_, parameter in _SERVED)}

    await page.reload()
    await _until(page, counts[-1])
    assert _chosen(page.url) == kept
    await page.get_by_role("button", name="Saved filters").click()
    await page.get_by_role("menuitem", name="Save these filters").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Aurora, served")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await page.get_by_role("button", name="Clear").click()
    await page.wait_for_url(re.compile(r"/admin/live$"))
    await page.reload()
    await page.get_by_role("button", name="Saved filters").click()
    await page.get_by_role("menuitem", name="Aurora, served", exact=True).click()
    await _until(page, counts[-1])
    assert _chosen(page.url) == kept
    await page.get_by_role("button", name="Saved filters").click()
    await page.get_by_role("menuitem", name="Delete Aurora, served").click()
    await page.get_by_role("button", name="Saved filters").click()
    await expect(page.get_by_text("None saved in this browser")).to_be_visible()
    assert await tab.troubles() == []
    await page.close()


async def test_the_panel_of_a_row_has_an_address_of_its_own(visit: Visit, log: Log) -> None:
    await log.call("demo-chat", "no-such-model")
    tab = await visit("root")
    page = tab.page
    await tab.open(log.path)
    await _until(page, 2)
    refused, served = await log.rows()
    await page.locator(f'.tg-live-body a[href*="{served["id"]}"]').click()
    await expect(page.get_by_role("dialog", name="Receipt")).to_contain_text(served["request_id"])
    address = page.url
    assert served["id"] in address
    await page.close()

    other = await visit("root")
    await other.open(address.removeprefix(log.world.url))
    await expect(other.page.get_by_role("dialog", name="Receipt")).to_contain_text(served["request_id"])
    await other.page.keyboard.press("Escape")
    await expect(other.page.get_by_role("dialog")).to_have_count(0)
    assert served["id"] not in other.page.url
    await other.open(f"{log.path}&row={refused['id']}")
    await expect(other.page.get_by_role("dialog")).to_contain_text("No model of this name is served")
    assert await other.troubles() == []
    await other.page.close()


async def test_nothing_is_lost_or_doubled_while_the_line_is_cut(browser: Browser, world: World, log: Log) -> None:
    context = await browser.new_context(locale=LANGUAGES["en"], viewport=WIDE, reduced_motion="reduce")
    async with line_to(world.server.port) as line:
        answer = await context.request.post(
            f"{line.url}/api/login", data={"login": "root", "password": password_of("root")}
        )
        assert answer.ok, await answer.text()
        tab = await watched(context, line.url)
        page = tab.page
        await tab.open(log.path)
        await log.call("demo-chat", "demo-chat")
        await _until(page, 2)
        assert await tab.troubles() == []

        for cut in range(2):
            line.cut()
            await expect(page.get_by_role("status").filter(has_text="Connection lost")).to_be_visible(timeout=20_000)
            await log.call("demo-chat", "no-such-model")
            await line.mend()
            await expect(page.get_by_role("status").filter(has_text="Live")).to_be_visible(timeout=60_000)
            await log.call("demo-chat")
            rows = await log.rows()
            assert sum(row["count"] for row in rows) == 2 + 3 * (cut + 1)
            await _until(page, len(rows))
            assert await _shown(page) == [row["id"] for row in rows]
            await expect(page.locator(".tg-stat").filter(has_text="Seen")).to_contain_text(str(len(rows)))
    await context.close()
