"""What an operator watches: alerts and who hears of them, the system, and long work on the ledger."""

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
import pytest
from playwright.async_api import Browser, expect

from tests.console.books import Books
from tests.support.fake_vendor import FakeVendor
from tests.support.operator import FIRST_PASSWORD, PASSWORD

pytestmark = pytest.mark.xdist_group("books")
_MODEL: Final = "lighthouse-1"
_KEY: Final = "sk-of-the-vendor-of-the-lighthouse"


async def _until(what: Callable[[], Awaitable[bool]], why: str) -> None:
    """Ask the server until it says so."""
    for _ in range(300):
        if await what():
            return
        await asyncio.sleep(0.2)
    raise AssertionError(why)


async def _ask(books: Books, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    body = {"model": _MODEL, "messages": [{"role": "user", "content": "Is there a light?"}]}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{books.url}/v1/chat/completions", json=body) as answer,
    ):
        await answer.read()
        return answer.status


async def test_places_that_hear_of_alerts_are_tested(books: Books, browser: Browser) -> None:
    async with books.tab(browser) as tab:
        page = tab.page
        await tab.open("/admin/alerts?tab=sinks")
        places = page.get_by_role("table", name="Where alerts are told")
        await page.get_by_role("button", name="Send a test to all").click()
        heard = places.get_by_role("row").filter(has_text="Arrived")
        await expect(heard).to_have_count(2, timeout=30_000)
        await expect(heard.filter(has_text="webhook:")).to_have_count(1)
        await expect(places.get_by_role("row").filter(has_text="Given up")).to_have_count(1)
        tests = [each for each in books.hook.notices if each["kind"] == "test"]
        assert len(tests) == 1
        await heard.filter(has_text="webhook:").get_by_role("button", name="Send a test").click()
        await expect(heard.filter(has_text="webhook:")).to_have_count(1)
        assert books.hook.url not in await page.content()
        await tab.shoot("flow-alerts-sinks")
        assert await tab.troubles() == []


async def test_an_alert_is_raised_told_and_over_by_itself(books: Books, browser: Browser) -> None:
    root = books.root
    async with books.tab(browser) as tab, FakeVendor() as vendor:
        page = tab.page
        channel = await root.channel(f"{vendor.base_url}/v1", _MODEL, name="Lighthouse", key=_KEY)
        await root.publish({_MODEL: {"input": "1", "output": "2"}})
        customer = await root.customer(name="Harbor Master", credit="5")
        vendor.script[_MODEL] = vendor.script["/models"] = "fake:error,status=500"
        await _until(lambda: _is(503, books, customer.secret), "nobody serves the model")
        await tab.open("/admin/alerts")
        row = page.get_by_role("table", name="Open").get_by_role("row").filter(has_text=f"the model {_MODEL}")
        await expect(row).to_contain_text("Critical", timeout=30_000)
        await row.get_by_role("link").click()
        panel = page.get_by_role("dialog")
        await expect(panel).to_contain_text("No channel can serve")
        heard = panel.get_by_role("row").filter(has_text="webhook:").filter(has_text="Told")
        await expect(heard).to_have_count(1, timeout=60_000)
        await tab.shoot("flow-alert-open")
        assert _told(books) == ["alert.raised"]

        vendor.script.clear()
        await _until(lambda: _is(200, books, customer.secret), "the model is served again")
        # The panel stays open, and tells of the end by itself.
        await expect(panel).to_contain_text("is served again", timeout=60_000)
        await expect(heard).to_have_count(2, timeout=60_000)
        await tab.shoot("flow-alert-over")
        assert _told(books) == ["alert.raised", "alert.resolved"]
        await panel.get_by_role("button", name="Close").click()
        await page.get_by_role("tab", name="Past").click()
        past = page.get_by_role("table", name="Past").get_by_role("row").filter(has_text=f"the model {_MODEL}")
        await expect(past.first).to_be_visible()

        await page.get_by_role("tab", name="Deliveries").click()
        await page.get_by_role("combobox", name="Result").click()
        await page.get_by_role("option", name="Not told").click()
        await page.wait_for_url(re.compile(r"failed=true"))
        rows = page.get_by_role("table", name="Deliveries").locator("tbody tr")
        await expect(rows.filter(has_text="Given up")).not_to_have_count(0, timeout=30_000)
        await expect(rows.filter(has_text="Told")).to_have_count(0)
        assert await tab.troubles() == []
        await root.archive(f"/channels/{channel['id']}")


def _told(books: Books) -> list[str]:
    """Give what the webhook heard of the model."""
    return [each["event"] for each in books.hook.notices if each["subject"] == _MODEL]


async def _is(status: int, books: Books, secret: str) -> bool:
    return await _ask(books, secret) == status


async def test_the_system_tells_what_runs_and_on_what(books: Books, browser: Browser) -> None:
    async with books.tab(browser) as tab:
        page = tab.page
        await tab.open("/admin/system")
        system = await books.root.get("/system")
        table = page.get_by_role("table", name="Nodes")
        for node in system["nodes"]:
            await expect(table.get_by_role("row").filter(has_text=node["node"])).to_contain_text("Well")
        await page.get_by_role("tab", name="Background jobs").click()
        jobs = page.get_by_role("table", name="Background jobs")
        await expect(jobs.get_by_role("row").filter(has_text="statements")).to_contain_text("Well")
        await expect(jobs.locator("tbody tr")).to_have_count(sum(len(node["jobs"]) for node in system["nodes"]))
        await page.get_by_role("tab", name="Database").click()
        await expect(page.get_by_role("table", name="Largest tables")).to_contain_text("projection.")
        await expect(page.get_by_role("table", name="Partitions")).to_contain_text("ledger.event")
        await tab.shoot("flow-system-database")
        await page.get_by_role("tab", name="Licenses").click()
        await expect(page.get_by_role("table", name="Licenses")).to_contain_text("litestar")
        await expect(page.get_by_role("table", name="Licenses")).to_contain_text("MIT")

        assert await tab.troubles() == []


async def test_a_support_bundle_says_much_and_holds_no_secret(books: Books, browser: Browser) -> None:
    customer = await books.root.customer(name="Secret Keeper")
    async with FakeVendor() as vendor:
        await books.root.channel(f"{vendor.base_url}/v1", "secret-1", name="Secret vendor", key=_KEY)
    await books.root.set("site_footer", "a footer of ours")
    async with books.tab(browser) as tab:
        page = tab.page
        await tab.open("/admin/system")
        async with page.expect_download() as saving:
            await page.get_by_role("button", name="Support bundle").click()
        saved = await saving.value
        assert re.fullmatch(r"tallygate-support-[\dTZ-]+\.json", saved.suggested_filename)
        text = (await saved.path()).read_text(encoding="utf-8")
        bundle: dict[str, Any] = json.loads(text)
        assert [node["version"] for node in bundle["system"]["nodes"]] == [bundle["version"]] * 2
        assert bundle["things"]["tenant"] > 1
        assert bundle["environment"]["TALLYGATE_ALERT_URLS"] == "(set)"
        secrets = [customer.secret, _KEY, PASSWORD, FIRST_PASSWORD, books.hook.url, "a footer of ours", "Secret Keeper"]
        secrets += [books.root.headers["authorization"].removeprefix("Bearer "), str(books.server.data), "127.0.0.1"]
        secrets += [each["value"] for each in await page.context.cookies()]
        assert [each for each in secrets if each in text] == []
        assert await tab.troubles() == []


async def test_long_work_on_the_ledger_shows_how_far_it_is_and_can_be_ended(books: Books, browser: Browser) -> None:
    async with books.tab(browser) as tab, books.connection() as database:
        page = tab.page
        await tab.open("/admin/ledger?tab=models")
        row = page.get_by_role("row").filter(has_text="Usage, requests and statements")
        generation = re.search(r"\d+, version", await row.inner_text())
        assert generation is not None
        stands = database.transaction()
        await stands.start()
        # Whoever writes there waits: the rebuild stands while this does.
        await database.execute("LOCK TABLE projection.usage_hourly IN SHARE MODE")
        await row.get_by_role("button", name="Rebuild usage").click()
        await page.get_by_role("dialog").get_by_role("button", name="Rebuild", exact=True).click()
        running = page.get_by_role("region", name="Rebuild usage")
        await expect(running).to_contain_text(re.compile(r"usage: [\d,]+ of [\d,]+ \(\d+%\)"), timeout=60_000)
        await expect(running.get_by_role("progressbar")).to_have_attribute("aria-valuenow", re.compile(r"^\d"))
        await tab.shoot("flow-rebuild-running")
        await running.get_by_role("button", name="Cancel").click()
        await expect(running.get_by_role("button", name="Ending")).to_be_disabled()
        await expect(running).to_have_count(0, timeout=60_000)
        await stands.rollback()
        await page.get_by_role("tab", name="Runs").click()
        runs = page.get_by_role("table", name="Runs").locator("tbody tr")
        await expect(runs.first).to_contain_text("Cancelled", timeout=30_000)

        await page.get_by_role("tab", name="Read models").click()
        assert generation[0] in await row.inner_text()
        await row.get_by_role("button", name="Rebuild usage").click()
        await page.get_by_role("dialog").get_by_role("button", name="Rebuild", exact=True).click()
        await expect(row).not_to_contain_text(generation[0], timeout=120_000)

        stands = database.transaction()
        await stands.start()
        # A verification reads all of the read models; it stands where it may not read.
        await database.execute("LOCK TABLE projection.credit_log IN ACCESS EXCLUSIVE MODE")
        await page.get_by_role("button", name="Verify the books").click()
        running = page.get_by_role("region", name="Verification of all books")
        await expect(running).to_contain_text(re.compile(r"\w+: [\d,]+ of [\d,]+ \(\d+%\)"), timeout=60_000)
        await expect(page.get_by_role("button", name="Verify the books")).to_be_disabled()
        await tab.shoot("flow-verification-running")
        await stands.rollback()
        await expect(running).to_have_count(0, timeout=120_000)
        await expect(page.locator(".tg-stat").first.get_by_text("Sound")).to_be_visible()
        await page.get_by_role("tab", name="Runs").click()
        await expect(runs.first).to_contain_text("Sound")
        await runs.first.get_by_role("link").click()
        panel = page.get_by_role("dialog", name="Verification of all books")
        health = await books.root.get("/ledger/runs")
        assert health["items"][0]["clean"] is True
        await expect(panel).to_contain_text(f"{health['items'][0]['events']:,}")
        assert await tab.troubles() == []
