"""Statements: they tie, they are printed and saved, and what is closed stays as it is."""

import csv
import io
import re
from decimal import Decimal
from typing import Any, Final

import pytest
from playwright.async_api import Browser, Locator, Page, expect

from tests.console.books import Books
from tests.console.browsing import on_paper
from tests.support.operator import FIRST_PASSWORD, log_in

pytestmark = pytest.mark.xdist_group("books")
_OWNER: Final = "statements@books.example"


async def _closed(books: Books) -> tuple[dict[str, Any], dict[str, Any]]:
    """Give a tenant and the statement of its last whole month, which asking for closes."""
    for tenant in (await books.root.get("/tenants?sort=created_at"))["items"]:
        found = (await books.root.get(f"/tenants/{tenant['id']}/statements"))["items"]
        if found:
            return tenant, await books.root.get(f"/tenants/{tenant['id']}/statements/{found[0]['period']}")
    raise AssertionError("nobody has a closed statement")


def _amount(text: str) -> Decimal:
    """Read an amount as it is shown."""
    return Decimal(re.sub(r"[^\d.]", "", text)) * (-1 if re.search(r"[-\u2212]", text) else 1)


async def _figures(table: Locator) -> list[list[str]]:
    rows = await table.locator("tbody tr").all()
    return [[await cell.inner_text() for cell in await row.locator("td").all()] for row in rows]


async def _ties(page: Page, statement: dict[str, Any]) -> None:
    """See that the sheet adds up from line to line, and to its sum."""
    # The list that led here has tiles of the same names, of the period that is open.
    await expect(page.get_by_role("table", name="By day")).to_be_visible()
    sums = {}
    for name in ("Balance at the beginning", "Credit that came", "Used", "Balance at the end"):
        tile = page.locator(".tg-stat").filter(has=page.get_by_role("heading", name=name, exact=True))
        sums[name] = _amount(await tile.locator(".tg-stat-value").inner_text())
    opening, came, used, closing = sums.values()
    exact = [Decimal(statement[key]) for key in ("opening", "credited", "charged", "closing")]
    assert exact[0] + exact[1] - exact[2] == exact[3]
    half = Decimal("0.0000005")
    for read, due in zip((opening, came, used, closing), exact, strict=True):
        assert abs(read - due) <= half, (sums, exact)

    balance = exact[0]
    days = await _figures(page.get_by_role("table", name="By day"))
    assert len(days) == len(statement["days"]) > 20
    for shown, day in zip(days, statement["days"], strict=True):
        balance += Decimal(day["credited"]) - Decimal(day["charged"])
        assert balance == Decimal(day["balance"]), day
        assert abs(_amount(shown[3]) - balance) <= half, (shown, day)
    assert balance == exact[3]
    models = await _figures(page.get_by_role("table", name="By model"))
    assert abs(sum(_amount(row[4]) for row in models) - exact[2]) <= half * len(models)


async def test_a_closed_statement_ties_and_stays_as_it_is(books: Books, browser: Browser) -> None:
    tenant, statement = await _closed(books)
    name, period = tenant["name"], statement["period"]
    async with books.tab(browser) as tab:
        page = tab.page
        await tab.open("/admin/statements")
        await page.get_by_role("combobox", name="Tenant").click()
        await page.get_by_role("option", name=name, exact=True).click()
        await page.get_by_role("combobox", name="Period").click()
        await page.get_by_role("option", name=period, exact=True).click()
        await page.wait_for_url(re.compile(rf"period=.*{period}"))
        row = page.get_by_role("table", name="Closed statements").get_by_role("row").filter(has_text=period)
        await expect(row).to_contain_text("Closed")
        await row.get_by_role("link", name=name).click()
        await page.wait_for_url(re.compile(rf"/admin/statements/{tenant['id']}/{period}$"))
        await tab.settle()
        await _ties(page, statement)
        await tab.shoot("flow-statement")
        sheet = await page.locator("main").inner_text()

        async with page.expect_download() as saving:
            await page.get_by_role("link", name="CSV").click()
        saved = await saving.value
        lines = list(csv.DictReader(io.StringIO((await saved.path()).read_text(encoding="utf-8"))))
        assert saved.suggested_filename == f"statement-{tenant['id']}-{period}.csv"
        assert [Decimal(line["x_Balance"]) for line in (lines[0], lines[-1])] == [
            Decimal(statement["opening"]),
            Decimal(statement["closing"]),
        ]
        spent = sum(Decimal(line["BilledCost"]) for line in lines)
        assert Decimal(statement["opening"]) - spent == Decimal(statement["closing"])

        # Money that moves later is of the month that is open.
        await books.root.pay(f"/tenants/{tenant['id']}/top-ups", {"amount": "3.5", "reference": "afterwards"})
        await page.reload()
        await tab.settle()
        assert await page.locator("main").inner_text() == sheet
        await page.get_by_role("link", name=name, exact=True).click()
        current = await books.root.get(f"/tenants/{tenant['id']}/statements/current")
        assert "3.5" in [each["amount"].rstrip("0") for each in current["credits"]]
        await expect(page.get_by_role("heading", name="This month so far")).to_be_visible()
        assert await tab.troubles() == []


async def test_a_statement_is_printed_without_the_frame_and_on_white(books: Books, browser: Browser) -> None:
    tenant, statement = await _closed(books)
    async with books.tab(browser, color_scheme="dark") as tab:
        page = tab.page
        await tab.open(f"/admin/statements/{tenant['id']}/{statement['period']}")
        assert await page.get_attribute("html", "data-mantine-color-scheme") == "dark"
        paper = await on_paper(page)
        await tab.shoot("flow-statement-print")
        assert paper.frame == []
        assert paper.is_white
        await expect(page.locator(".tg-letterhead")).to_contain_text(tenant["name"])
        await page.emulate_media(media="screen", color_scheme="dark")
        await page.wait_for_selector('html[data-mantine-color-scheme="dark"]', state="attached")
        printed = await page.pdf(format="A4")
        assert printed.startswith(b"%PDF-")
        assert await page.get_attribute("html", "data-mantine-color-scheme") == "dark"


async def test_a_tenant_reads_the_same_statement(books: Books, browser: Browser) -> None:
    tenant, statement = await _closed(books)
    person = {"login": _OWNER, "name": "Sam Owner", "password": FIRST_PASSWORD, "role": "owner"}
    await books.root.post(f"/tenants/{tenant['id']}/members", person)
    async with log_in(books.server, FIRST_PASSWORD, login=_OWNER):
        pass
    async with books.tab(browser, _OWNER) as tab:
        page = tab.page
        await tab.open(f"/t/{tenant['id']}/statements")
        await page.get_by_role("link", name=statement["period"], exact=True).click()
        await page.wait_for_url(re.compile(rf"/statements/{statement['period']}$"))
        await tab.settle()
        await _ties(page, statement)
        await expect(page.get_by_text(statement["sha256"][:12])).to_be_visible()
        assert (await on_paper(page)).frame == []
        assert await tab.troubles() == []
