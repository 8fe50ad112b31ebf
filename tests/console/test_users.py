"""Operators let people in, and keep them out."""

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World


async def test_a_person_is_made_signs_in_is_changed_and_disabled(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/users")
    await page.get_by_role("button", name="New person").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Name").fill("Ada Auditor")
    await form.get_by_label("Login").fill("ada@example.com")
    await form.get_by_label("Role on the platform").click()
    await page.get_by_role("option", name="Auditor").click()
    await expect(form.get_by_text("Sees everything and changes nothing.")).to_be_visible()
    await form.get_by_role("button", name="Save").click()
    shown = page.get_by_role("dialog", name="The first password")
    password = await shown.locator("code").inner_text()
    await shown.get_by_role("button", name="Done").click()
    row = page.get_by_role("row").filter(has_text="ada@example.com")
    await expect(row).to_contain_text("Must change password")
    assert password not in await page.content()

    context = page.context.browser
    assert context is not None
    elsewhere = await context.new_context()
    answer = await elsewhere.request.post(
        f"{world.url}/api/login", data={"login": "ada@example.com", "password": password}
    )
    assert answer.ok, await answer.text()

    await page.get_by_role("link", name="Ada Auditor").click()
    panel = page.get_by_role("dialog")
    await expect(panel.get_by_role("table", name="Sessions").locator("tbody tr")).to_have_count(1)
    await panel.get_by_role("button", name="Disable").click()
    asked = page.get_by_role("dialog", name="Disable ada@example.com")
    await expect(asked.get_by_text("They can no longer sign in, 1 session ends at once")).to_be_visible()
    await asked.get_by_label("Type ada@example.com to confirm").fill("ada@example.com")
    await asked.get_by_label("Reason").fill("left the company")
    await asked.get_by_role("button", name="Disable").click()
    await expect(panel.get_by_text("Disabled", exact=True)).to_be_visible()
    await expect(panel.get_by_text("Not signed in anywhere")).to_be_visible()
    assert (await elsewhere.request.get(f"{world.url}/api/me")).status == 401
    await elsewhere.close()

    await panel.get_by_role("tab", name="History").click()
    await expect(panel).to_contain_text("left the company")
    await page.close()
