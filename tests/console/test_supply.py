"""What an operator does with vendors and groups: connect one, see it work, and set what a group pays on it."""

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World
from tests.support.fake_vendor import FakeVendor


async def test_a_vendor_is_connected_tested_and_switched_off(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    async with FakeVendor() as vendor:
        await tab.open("/admin/channels?new=true")
        form = page.get_by_role("dialog")
        await form.get_by_label("Key", exact=False).first.fill("sk-made-up-for-a-test")
        await form.get_by_label("Type").click()
        await page.get_by_role("option", name="OpenAI-compatible", exact=False).first.click()
        await form.get_by_label("Name", exact=True).fill("Second source")
        await form.get_by_role("textbox", name="Base URL").fill(f"{vendor.base_url}/v1")
        models = form.get_by_label("Models", exact=True)
        await models.fill("aurora-mini")
        await models.press("Enter")
        await form.get_by_role("button", name="Connect").click()

        # The panel of the new channel opens over the list.
        panel = page.get_by_role("dialog", name="Second source")
        await panel.get_by_role("button", name="Test", exact=True).click()
        await expect(panel.get_by_text("The vendor answered in")).to_be_visible()
        await panel.get_by_role("button", name="Switch off").click()
        await expect(panel.get_by_text("Switched off").first).to_be_visible()

    [channel] = (await world.root.get("/channels?search=Second%20source"))["items"]
    assert channel["enabled"] is False
    assert channel["models"] == ["aurora-mini"]
    assert "made-up" not in await page.content()
    assert await tab.troubles() == []


async def test_the_matrix_is_typed_into_and_saved_with_what_it_changes(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/groups")
    cell = page.get_by_label("Multiplier of All users on Premium")
    assert await cell.get_attribute("placeholder") == "1"

    await cell.fill("1.5x")
    await expect(page.get_by_role("button", name="Save the cells")).to_be_disabled()
    await cell.fill("1.5")
    await cell.press("ArrowUp")
    await page.get_by_role("button", name="Save the cells").click()
    await expect(page.get_by_text("All users on Premium: nothing → 1.5")).to_be_visible()
    await page.get_by_role("dialog").get_by_label("Reason").fill("dearer since December")
    await page.get_by_role("dialog").get_by_role("button", name="Save").click()
    await expect(page.get_by_text("1 cell saved")).to_be_visible()

    [set_cell] = (await world.root.get("/multipliers?user_group=all&channel_group=premium"))["items"]
    assert set_cell["multiplier"] == "1.5"
    history = await world.root.get(f"/multipliers/{set_cell['id']}/history")
    assert history["items"][0]["reason"] == "dearer since December"
    assert await tab.troubles() == []
