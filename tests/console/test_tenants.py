"""Operators look at a tenant from all sides, and stop it."""

import re

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World


async def test_a_tenant_is_looked_at_suspended_and_let_on(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    name = "Northwind Analytics"
    await tab.open("/admin/tenants")
    spend = page.get_by_role("figure").filter(has_text="Spend by tenant")
    await expect(spend.get_by_text(name).first).to_be_attached()
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name=name, exact=True))
    await expect(row).to_contain_text(re.compile("ago|now"))
    quiet = page.get_by_role("row").filter(has=page.get_by_role("link", name="Empty Inc.", exact=True))
    await expect(quiet).to_contain_text("Never")
    await tab.open(f"/admin/tenants/{world.ids['tenantId']}")
    for part, table, text in (
        ("Members", "Members", "owner@northwind.example"),
        ("API keys", "API keys", "production"),
        ("Looks", "Looks", "root"),
    ):
        await page.get_by_role("tab", name=part).click()
        await expect(page.get_by_role("table", name=table)).to_contain_text(text)

    await page.get_by_role("button", name="Suspend").click()
    asked = page.get_by_role("dialog")
    await asked.get_by_role("button", name="Suspend").click()
    await expect(asked.get_by_text(f"Type {name} to confirm").last).to_be_visible()
    await asked.get_by_label(f"Type {name} to confirm").fill(name)
    await asked.get_by_label("Reason").fill("unpaid")
    await asked.get_by_role("button", name="Suspend").click()
    await expect(page.get_by_text("Suspended", exact=True)).to_be_visible()
    assert (await world.root.get(f"/tenants/{world.ids['tenantId']}"))["suspended"] is True
    await page.get_by_role("tab", name="History").click()
    await expect(page.get_by_text("unpaid")).to_be_visible()

    await page.get_by_role("button", name="Resume").click()
    await expect(page.get_by_text("Active", exact=True)).to_be_visible()
    await page.close()
