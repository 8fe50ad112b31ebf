"""Operators change, rotate and revoke keys of any tenant, also while somebody else does."""

from playwright.async_api import expect

from tests.console.browsing import SETTLE_MILLISECONDS, confirm_password
from tests.console.conftest import Visit
from tests.console.world import World
from tests.support.operator import PASSWORD


async def test_an_operator_changes_the_terms_of_a_key_over_somebody_elses_change_and_gives_it_a_new_secret(
    visit: Visit, world: World
) -> None:
    root = world.root
    made = await root.post(
        "/tokens",
        {
            "tenant_id": int(world.ids["tenantId"]),
            "user_id": world.ids["userId"],
            "name": "nightly export",
            "expires_at": "2030-01-02T03:04:05Z",
        },
    )
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/tokens?search=nightly")
    await page.get_by_role("link", name="nightly export").click()
    panel = page.get_by_role("dialog", name="nightly export")
    await expect(panel.get_by_role("link", name="Northwind Analytics")).to_be_visible()

    await panel.get_by_role("button", name="Change").click()
    form = page.get_by_role("dialog", name="Change nightly export")
    await root.change(f"/tokens/{made['id']}", {"tags": ["night"]})
    await form.get_by_label("Only these").check()
    await form.get_by_role("combobox", name="Models").fill("demo-chat")
    await page.get_by_role("option", name="demo-chat", exact=True).click()
    await page.keyboard.press("Escape")
    await form.get_by_role("button", name="Add a budget").click()
    await form.get_by_label("Amount").fill("12.50")
    await form.get_by_label("Reason").fill("as agreed")
    await form.get_by_role("button", name="Save").click()
    conflict = form.get_by_role("alert").filter(has=page.get_by_role("button", name="Save mine"))
    await expect(conflict).to_contain_text("night", timeout=SETTLE_MILLISECONDS)
    await conflict.get_by_role("button", name="Save mine").click()
    await expect(form).to_be_hidden(timeout=SETTLE_MILLISECONDS)
    changed = await root.get(f"/tokens/{made['id']}")
    # Theirs stays, and what nobody touched is what it was, to the second.
    assert (changed["tags"], changed["models"], changed["expires_at"]) == (
        ["night"],
        ["demo-chat"],
        made["expires_at"],
    )
    assert [each["amount"] for each in changed["budgets"]] == ["12.5"]
    await expect(panel.get_by_text("$12.50").first).to_be_visible()

    await panel.get_by_role("button", name="New secret").click()
    rotation = page.get_by_role("dialog", name="A new secret for nightly export")
    await rotation.get_by_role("button", name="New secret").click()
    secret = rotation.get_by_role("region", name="API key", exact=True)
    await confirm_password(page, secret, PASSWORD)
    await expect(secret).to_contain_text("sk-", timeout=SETTLE_MILLISECONDS)
    assert await tab.axe() == []
    await rotation.get_by_role("button", name="I have stored it").click()
    await expect(panel.get_by_text("The former secret works until")).to_be_visible()
    await panel.get_by_role("tab", name="History").click()
    await expect(panel.get_by_text("as agreed")).to_be_visible()
    await page.close()
