"""How an operator finds a request, and checks what it cost."""

import re

from playwright.async_api import expect

from tests.console.conftest import Visit


async def test_a_request_is_found_and_its_charge_checked(visit: Visit) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/requests?range=7d")
    rows = page.get_by_role("table", name="Requests", exact=True).get_by_role("row")
    await expect(rows.nth(1)).to_be_visible()
    await page.get_by_role("button", name=re.compile("more filters")).click()
    await page.get_by_role("textbox", name="Attempts from").fill("2")
    await page.get_by_role("combobox", name="Model asked for").click()
    await page.get_by_role("option", name="aurora-large", exact=True).click()
    await page.wait_for_url(re.compile(r"model_asked=aurora-large"))
    assert "attempts_min=2" in page.url
    await page.get_by_role("combobox", name="Status", exact=True).click()
    await page.get_by_role("option", name="Answered").click()
    await page.keyboard.press("Escape")
    await tab.settle()
    await expect(rows.nth(1)).to_contain_text("Northwind")
    href = await page.get_by_role("link", name="CSV").get_attribute("href") or ""
    assert all(part in href for part in ("attempts_min=2", "model_asked=aurora-large", "states=captured"))
    await rows.nth(1).get_by_role("link").first.click()

    panel = page.get_by_role("dialog", name="Receipt")
    attempts = panel.get_by_role("table", name="Attempts")
    await expect(attempts).to_contain_text("Aurora, second account")
    await expect(attempts).to_contain_text("Vendor error")
    await panel.get_by_role("link", name="Open", exact=True).click()
    await page.wait_for_url(re.compile(r"/admin/requests/[0-9a-f-]{36}$"))
    await tab.settle()
    steps = page.get_by_role("table", name="Timeline")
    for step in ("Admission", "Attempt 2", "Settling"):
        await expect(steps.get_by_role("row").filter(has_text=step)).to_contain_text("ms")
    await expect(page.get_by_text("The hold was released whole")).to_be_visible()
    await expect(page.get_by_role("table", name="Settlement")).to_contain_text("tenant:")
    await page.get_by_role("button", name="Compute again").click()
    await expect(page.get_by_text("The same, to the last digit", exact=True)).to_have_count(2)
    await page.close()
