"""Operators and keys: a token of their own for programs, and keys of a tenant that are taken back together."""

import re

import aiohttp
from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World
from tests.support.operator import PASSWORD, Customer


async def _ask(world: World, secret: str) -> int:
    headers = {"authorization": f"Bearer {secret}"}
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello"}]}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{world.url}/v1/chat/completions", json=body) as answer,
    ):
        await answer.read()
        return answer.status


async def _status(url: str, secret: str) -> int:
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {secret}"}) as session,
        session.get(url) as answer,
    ):
        return answer.status


async def test_an_operators_own_token_is_made_used_and_ended(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/overview")
    await page.get_by_role("button", name=re.compile("^Account: ")).click()
    await page.get_by_role("menuitem", name="Your account").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Your account")
    await page.get_by_role("button", name="New token").click()
    form = page.get_by_role("dialog", name="New token")
    await form.get_by_role("button", name="Create").click()
    await expect(form.get_by_text("Give it a name.")).to_be_visible()
    await form.get_by_label("Name").fill("nightly export")
    await form.get_by_role("button", name="Create").click()
    made = page.get_by_role("dialog", name="Your token")
    password = page.locator("input[type=password]")
    await expect(made.or_(password).first).to_be_visible()
    if await password.is_visible():
        await password.fill(PASSWORD)
        await password.press("Enter")
    secret = (await made.get_by_role("region", name="nightly export").inner_text()).strip()
    assert await _status(f"{world.url}/api/tenants", secret) == 200
    async with (
        aiohttp.ClientSession(headers={"authorization": f"Bearer {secret}"}) as session,
        session.post(f"{world.url}/api/tenants", json={"name": "Not by reading"}) as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (403, "forbidden")
    await tab.shoot("flow-own-token")
    await page.keyboard.press("Escape")
    await page.mouse.click(20, 400)
    await expect(made).to_contain_text(secret)
    await made.get_by_role("button", name="Done").click()
    row = page.get_by_role("table", name="Personal access tokens").get_by_role("row").filter(has_text="nightly export")
    await expect(row).to_contain_text("read")
    await page.reload()
    await tab.settle()
    assert secret not in await page.content()

    await row.get_by_role("button", name="End").click()
    await page.get_by_role("dialog", name="End nightly export").get_by_role("button", name="End").click()
    await expect(row).to_have_count(0)
    assert await _status(f"{world.url}/api/tenants", secret) == 401
    await page.close()


async def test_keys_are_revoked_together_with_what_that_does_in_numbers(visit: Visit, world: World) -> None:
    customer: Customer = await world.root.customer(name="Key Holder", token={"name": "left behind"})
    [member] = (await world.root.get(f"/tenants/{customer.tenant_id}/members"))["items"]
    terms = {"tenant_id": customer.tenant_id, "user_id": member["user_id"]}
    keys = [await world.root.post("/tokens", {**terms, "name": name}) for name in ("stolen one", "stolen two")]
    secrets = [each["secret"] for each in keys]
    assert [await _ask(world, each) for each in (*secrets, customer.secret)] == [200, 200, 200]
    tab = await visit("root")
    page = tab.page
    await tab.open(f"/admin/tokens?tenant={customer.tenant_id}")
    table = page.get_by_role("table", name="API keys")
    for key in keys:
        await table.get_by_role("row").filter(has_text=key["name"]).get_by_role("checkbox").check()
    await expect(page.get_by_text("2 selected")).to_be_visible()
    await page.get_by_role("button", name="Revoke", exact=True).click()
    asked = page.get_by_role("dialog", name="Revoke 2 keys")
    await expect(asked).to_contain_text("2 keys are refused at once, on every node.")
    await expect(asked).to_contain_text("In the last 30 days: 2 requests, spending $0.00")
    await asked.get_by_label("Type 2 to confirm").fill("1")
    await asked.get_by_role("button", name="Revoke").click()
    assert [await _ask(world, each) for each in secrets] == [200, 200]
    await asked.get_by_label("Type 2 to confirm").fill("2")
    await asked.get_by_label("Reason").fill("seen in a public repository")
    await tab.shoot("flow-revoke-many")
    await asked.get_by_role("button", name="Revoke").click()
    await expect(asked).to_have_count(0)
    assert [await _ask(world, each) for each in (*secrets, customer.secret)] == [401, 401, 200]
    await expect(table.get_by_role("row").filter(has_text="left behind")).to_contain_text("Active")
    await table.get_by_role("link", name="left behind").click()
    await page.keyboard.press("Escape")
    for key in keys:
        history = await world.root.get(f"/tokens/{key['id']}/history")
        assert history["items"][0]["reason"] == "seen in a public repository"
    await page.close()


async def test_an_operator_makes_a_key_for_a_member_of_a_tenant(visit: Visit, world: World) -> None:
    customer: Customer = await world.root.customer(name="Without Engineers")
    [member] = (await world.root.get(f"/tenants/{customer.tenant_id}/members"))["items"]
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/tokens")
    await page.get_by_role("button", name="Create a key").click()
    form = page.get_by_role("dialog", name="Create a key")
    await form.get_by_role("combobox", name="Tenant").fill("Without Eng")
    await page.get_by_role("option", name="Without Engineers").click()
    await form.get_by_label("Name").fill("made by support")
    await tab.shoot("flow-key-for-a-tenant")
    for _ in range(2):
        await form.get_by_role("button", name="Continue").click()
    await form.get_by_role("button", name="Create a key").click()
    await expect(form.get_by_text("made by support")).to_be_visible()
    assert await _ask(world, (await form.get_by_role("region", name="API key", exact=True).inner_text()).strip()) == 200
    [key] = (await world.root.get(f"/tokens?tenant_id={customer.tenant_id}&search=made%20by"))["items"]
    assert (key["user_id"], key["name"]) == (member["user_id"], "made by support")
    await page.close()
