"""What an operator does to control the business: prove the books right, and see who changed what."""

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World


async def test_the_books_are_verified_and_a_read_model_is_rebuilt(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/ledger")

    await page.get_by_role("button", name="Verify the books").click()
    await expect(page.locator(".tg-stat").first.get_by_text("Sound")).to_be_visible(timeout=60_000)
    row = page.get_by_role("row").filter(has_text="The postings of each event add up to zero.")
    await expect(row.get_by_text("Holds", exact=True)).to_be_visible()
    await page.get_by_role("tab", name="Read models").click()
    await page.get_by_role("button", name="Rebuild multipliers").click()
    await page.get_by_role("dialog").get_by_role("button", name="Rebuild", exact=True).click()
    await page.get_by_role("tab", name="Runs").click()
    rebuilt = page.get_by_role("row").filter(has_text="Rebuild multipliers")
    await expect(rebuilt.get_by_text("Done")).to_be_visible(timeout=60_000)

    runs = (await world.root.get("/ledger/runs"))["items"]
    assert [(run["kind"], run["state"]) for run in runs[:2]] == [("rebuild", "done"), ("verification", "done")]
    assert await tab.troubles() == []


async def test_a_change_is_found_with_before_and_after_and_how_the_thing_was(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open(f"/admin/audit?kind=channel&entity={world.ids['channelId']}")
    change = page.get_by_role("row").filter(has_text="the better one")
    await expect(change).to_contain_text("Aurora, first account")

    await change.get_by_role("link").click()
    panel = page.get_by_role("dialog")
    await expect(panel.get_by_role("row").filter(has_text="priority")).to_contain_text("5")
    await panel.get_by_role("tab", name="State as of").click()
    await expect(panel.get_by_text("Version 2, by root,")).to_be_visible()
    await panel.locator("input[type=datetime-local]").fill("2020-01-01T00:00")
    await expect(panel.get_by_text("At this moment it was not there yet.")).to_be_visible()

    # That it was not there is an answer, and the API says it with 404.
    assert [each for each in await tab.troubles() if "/api/audit/state" not in each] == []
