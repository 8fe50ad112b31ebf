"""Operators move money: wallets, and codes that customers redeem."""

import datetime as dt

from playwright.async_api import Page, expect

from tests.console.browsing import confirm_password
from tests.console.conftest import Visit
from tests.console.world import World
from tests.support.operator import PASSWORD


async def _confirm_password(page: Page) -> None:
    await confirm_password(page, page.locator(".mantine-Notification-root, .tg-codes"), PASSWORD)


async def test_an_operator_tops_up_takes_back_and_sees_the_movements(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    name = "Fjord Robotics"
    await tab.open("/admin/wallets")

    await page.get_by_role("button", name="Top up").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Tenant").click()
    await page.get_by_role("option", name=name).click()
    await form.get_by_label("Amount").fill("40.000000001")
    await form.get_by_label("Reference").fill("INV-7")
    await expect(form.get_by_text(f"{name} gets $40.00.")).to_be_visible()
    await form.get_by_role("button", name="Top up").click()
    await _confirm_password(page)
    await expect(page.get_by_text("The money is in the wallet.")).to_be_visible()

    await page.get_by_role("table", name="Wallets").get_by_role("link", name=name, exact=True).click()
    await tab.settle()
    first = page.get_by_role("table", name="Movements").locator("tbody tr").first
    await expect(first).to_contain_text("INV-7")
    await page.get_by_role("button", name="Other movements").click()
    await page.get_by_role("menuitem", name="Take credit back").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Amount").fill("15")
    await form.get_by_label("Reason").fill("paid twice")
    await form.get_by_role("button", name="Take credit back").click()
    await expect(form.get_by_text(f"Type {name} to confirm").last).to_be_visible()
    await form.get_by_label(f"Type {name} to confirm").fill(name)
    await form.get_by_role("button", name="Take credit back").click()
    await _confirm_password(page)
    await expect(page.get_by_text("The credit was taken back.")).to_be_visible()
    await expect(first).to_contain_text("paid twice")

    tenants = await world.root.get("/tenants?search=Fjord")
    balance = await world.root.get(f"/tenants/{tenants['items'][0]['id']}/balance")
    assert balance["balance"] == "275.000000001"
    await page.close()


async def test_credit_that_ends_soon_and_the_movements_of_all_tenants_are_shown_and_saved(
    visit: Visit, world: World
) -> None:
    root, name = world.root, "Blue Harbor Legal"
    other = (await root.get("/tenants?search=Blue"))["items"][0]["id"]
    soon = (dt.datetime.now(dt.UTC) + dt.timedelta(days=5)).isoformat()
    await root.pay(f"/tenants/{other}/grants", {"amount": "3", "kind": "promotional", "expires_at": soon})
    await root.pay(f"/tenants/{other}/top-ups", {"amount": "40", "reference": "INV-9"})
    await root.pay(f"/tenants/{other}/adjustments", {"amount": "1.5", "reason": "typed wrong"})
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/wallets?live=true")
    ending = page.get_by_role("table", name="Credit that ends within 30 days").get_by_role("row")
    await expect(ending.filter(has_text=name)).to_contain_text("$1.50")
    everybody = page.get_by_role("table", name="Movements of all tenants")
    taken = everybody.get_by_role("row").filter(has_text="typed wrong").filter(has_text=name)
    # The read model comes to it a moment later, and the list is read again.
    await expect(taken).to_contain_text("-$1.50", timeout=20_000)
    await expect(everybody).to_contain_text("Northwind Analytics")
    await page.get_by_role("combobox", name="Source").click()
    await page.get_by_role("option", name="Top-up", exact=True).click()
    await expect(taken).to_be_hidden()
    await expect(everybody.get_by_role("row").filter(has_text="INV-9")).to_contain_text("$40.00")
    file = page.locator('a[href*="reports/movements/export"]')
    address = await file.get_attribute("href")
    assert address is not None
    saved = await page.request.get(address)
    lines = (await saved.text()).splitlines()
    assert "INV-9" in "".join(lines)
    assert not any("typed wrong" in line for line in lines)
    await page.close()


async def test_codes_are_made_shown_once_redeemed_and_revoked(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/codes")

    await page.get_by_role("button", name="New codes").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("Winter sale")
    await form.get_by_label("Value of a code").fill("7.5")
    await form.get_by_role("textbox", name="Codes").fill("3")
    await expect(form.get_by_text("3 codes, 3 uses in all: $22.50 at most.")).to_be_visible()
    await form.get_by_role("button", name="Make codes").click()
    await _confirm_password(page)
    codes = page.locator(".tg-codes code")
    await expect(codes).to_have_count(3)
    code = await codes.first.inner_text()
    done = page.get_by_role("button", name="Done")
    await expect(done).to_be_disabled()
    await page.get_by_label("I have stored it").check()
    await done.click()

    tenant_id = world.ids["tenantId"]
    await world.root.pay(f"/tenants/{tenant_id}/redeem", {"code": code})
    await page.get_by_role("link", name="Winter sale").click()
    panel = page.get_by_role("dialog")
    await expect(panel.get_by_text("1 of 3 uses, $7.50")).to_be_visible()
    await expect(panel.get_by_role("table", name="Redemptions")).to_contain_text("Northwind Analytics")
    assert code not in await page.content()

    row = page.get_by_role("row").filter(has_text="Winter sale")
    await expect(row).to_contain_text("1 of 3", timeout=20_000)

    await panel.get_by_role("button", name="Revoke").click()
    asked = page.get_by_role("dialog").last
    await expect(asked.get_by_text("worth $15.00")).to_be_visible()
    await asked.get_by_label("Type Winter sale to confirm").fill("Winter sale")
    await asked.get_by_role("button", name="Revoke").click()
    await expect(page.get_by_text("The codes no longer work.")).to_be_visible()
    await expect(panel.get_by_text("Revoked", exact=True).first).to_be_visible()
    await page.close()
