"""How an operator finds a request, and checks what it cost."""

import re
from decimal import Decimal

import aiohttp
from playwright.async_api import Page, Route, expect

from tests.console.browsing import on_paper
from tests.console.conftest import Visit
from tests.console.world import World
from tests.support.operator import PASSWORD, Customer


async def test_a_request_is_found_and_its_charge_checked(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open(f"/admin/requests?range=7d&tenant_id={world.ids['tenantId']}")
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


async def _served(world: World, customer: Customer) -> str:
    """Make a call that costs something; give its id."""
    headers = {"authorization": f"Bearer {customer.secret}"}
    body = {"model": "aurora-large", "messages": [{"role": "user", "content": "What is a ledger?"}]}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{world.url}/v1/chat/completions", json=body) as answer,
    ):
        assert answer.status == 200, await answer.text()
        return answer.headers["x-tallygate-request-id"]


async def _give_password(page: Page) -> None:
    """Give the password again, if the server asks for it before money is moved."""
    field = page.locator("input[type=password]")
    await expect(field.or_(page.get_by_role("alert")).first).to_be_visible()
    if await field.is_visible():
        await field.fill(PASSWORD)
        await field.press("Enter")


async def test_a_request_is_refunded_once_however_often_the_button_is_pressed(visit: Visit, world: World) -> None:
    name = "Twice Charged"
    customer = await world.root.customer(name=name, credit="5")
    request_id = await _served(world, customer)
    charged = (await world.root.receipt(request_id))["price"]["charged"]
    tab = await visit("root")
    page = tab.page
    keys: list[str] = []

    async def lose_the_first_answer(route: Route) -> None:
        keys.append(route.request.headers["idempotency-key"])
        answer = await route.fetch()
        # The server may want the password again, which moves nothing.
        if answer.ok and len(set(keys)) == len(keys):
            await route.abort("connectionreset")
        else:
            await route.fulfill(response=answer)

    await tab.open(f"/admin/requests/{request_id}")
    await page.get_by_role("button", name="Refund").click()
    form = page.get_by_role("dialog", name="Refund a request")
    await expect(form.get_by_label("Amount")).to_have_value(charged)
    await form.get_by_label("Reason").fill("answered twice")
    submit = form.get_by_role("button", name="Refund a request")
    await submit.click()
    await expect(form.get_by_text(f"Type {name} to confirm").last).to_be_visible()
    await form.get_by_label(f"Type {name} to confirm").fill(name)
    await expect(form.get_by_role("region", name="What this does")).to_contain_text(f"{name} gets")
    await page.route("**/refunds", lose_the_first_answer)
    await submit.dblclick()
    await _give_password(page)
    await expect(form.get_by_role("alert", name="This did not work")).to_be_visible()
    await submit.dblclick()
    await expect(page.get_by_text("The refund is in the wallet.")).to_be_visible()
    assert len(set(keys)) == 1
    refunds = page.locator("section").filter(has=page.get_by_role("heading", name="Refunds"))
    await expect(refunds).to_contain_text("answered twice", timeout=15_000)

    movements = (await world.root.get(f"/tenants/{customer.tenant_id}/movements?source=refund"))["items"]
    assert [(each["amount"], each["reference"]) for each in movements] == [(charged, request_id)]
    assert Decimal((await customer.balance())["balance"]) == 5
    await tab.open(f"/admin/wallets?tenant={customer.tenant_id}")
    moved = page.get_by_role("table", name="Movements").locator("tbody tr")
    await expect(moved.first).to_contain_text("answered twice", timeout=15_000)
    await expect(moved.filter(has_text="answered twice")).to_have_count(1)
    await page.close()


async def test_a_receipt_is_printed_alone_and_on_white(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    for path, place in (
        (f"/admin/requests/{world.ids['requestId']}", "page"),
        (f"/admin/requests?range=30d&row={world.ids['requestId']}", "panel"),
    ):
        await tab.open(path)
        await expect(page.get_by_role("table", name="How the charge was made")).to_be_visible()
        paper = await on_paper(page)
        await tab.shoot(f"flow-receipt-print-{place}")
        assert paper.frame == []
        assert paper.is_white
        assert await tab.sideways() == []
        assert (await page.pdf(format="A4")).startswith(b"%PDF-")
        await page.emulate_media(media="screen", color_scheme="light")
    await page.close()
