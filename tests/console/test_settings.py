"""Operators give the site its brand, and tell people what is going on."""

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World


async def test_a_setting_is_changed_shows_with_the_next_load_and_goes_back(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/settings")
    await page.get_by_role("button", name="Change Name").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name", exact=True).fill("Harbor AI")
    await form.get_by_label("Reason").fill("our brand")
    await form.get_by_role("button", name="Save").click()
    row = page.get_by_role("row").filter(has_text="site_name")
    await expect(row).to_contain_text("Harbor AI")
    await expect(row).to_contain_text("our brand")
    await expect(row).to_contain_text("root")

    await tab.open("/admin/settings")
    await expect(page.get_by_role("banner")).to_contain_text("Harbor AI")
    assert await page.title() == "Settings · Harbor AI"
    await page.get_by_role("button", name="History of Name").click()
    await expect(page.get_by_role("dialog")).to_contain_text("our brand")
    await page.keyboard.press("Escape")

    await page.get_by_role("button", name="Reset Name").click()
    asked = page.get_by_role("dialog", name="Reset Name")
    await asked.get_by_label("Type site_name to confirm").fill("site_name")
    await asked.get_by_role("button", name="Reset").click()
    await expect(row).not_to_contain_text("Harbor AI")
    values = await world.root.get("/setting-values")
    assert next(each["value"] for each in values["items"] if each["name"] == "site_name") == "Tallygate"
    await page.close()


async def test_an_announcement_is_written_read_by_visitors_and_archived(visit: Visit) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/settings?tab=announcements")
    await page.get_by_role("button", name="New announcement").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Title").fill("New models")
    await form.get_by_label("Text").fill("**Aurora** is here.")
    await expect(form.locator("strong")).to_have_text("Aurora")
    await form.get_by_role("button", name="Save").click()
    await expect(page.get_by_role("row").filter(has_text="New models")).to_contain_text("Shown")

    visitor = await visit()
    await visitor.open("/prices")
    await expect(visitor.page.get_by_text("New models")).to_be_visible()

    await page.get_by_role("link", name="New models").click()
    await page.get_by_role("dialog").get_by_role("button", name="Archive").click()
    asked = page.get_by_role("dialog", name="Archive", exact=True)
    await asked.get_by_label("Type New models to confirm").fill("New models")
    await asked.get_by_role("button", name="Archive").click()
    await expect(page.get_by_role("dialog").get_by_role("button", name="Restore")).to_be_visible()
    await visitor.open("/prices")
    await expect(visitor.page.get_by_text("New models")).to_have_count(0)
    await visitor.page.close()
    await page.close()
