"""What an operator sees of limits: who is nearest, what was refused and why, and where it is changed."""

import asyncio
import re
from typing import Any

import aiohttp
from playwright.async_api import Page, expect

from tests.console.conftest import Visit
from tests.console.world import World
from tests.support.operator import Customer

_NAME = "Nearly There"


async def _ask(world: World, customer: Customer) -> tuple[int, str]:
    headers = {"authorization": f"Bearer {customer.secret}"}
    body = {"model": "demo-chat", "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 100}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{world.url}/v1/chat/completions", json=body) as answer,
    ):
        said: dict[str, Any] = await answer.json()
        return answer.status, said.get("error", {}).get("code", "")


async def _until_told(world: World, customer: Customer, refused: int) -> None:
    """Wait until the reports have the refusals, which are written some seconds later and together."""
    for _ in range(300):
        told = await world.root.get(f"/reports/refusals?tenant_id={customer.tenant_id}")
        if sum(row["refusals"] for row in told["rows"]) == refused:
            return
        await asyncio.sleep(0.2)
    raise AssertionError("the refusals are not told")


async def _shares(page: Page) -> list[float]:
    """Give how full the limits are, in the order in which they stand."""
    cells = await page.locator("main .tg-table .tg-full").all_inner_texts()
    return [float(text.strip().removesuffix("%").replace(",", "")) for text in cells]


async def test_the_nearest_limit_is_first_refusals_are_told_apart_and_a_limit_is_raised(
    visit: Visit, world: World
) -> None:
    customer = await world.root.customer(
        name=_NAME,
        budgets=[{"unit": "money", "period": "month", "amount": "0.0002"}],
        token={"name": "narrow key", "budgets": [{"unit": "money", "period": "month", "amount": "1"}]},
    )
    answers = [await _ask(world, customer) for _ in range(6)]
    assert answers[0] == (200, "")
    assert answers[-1] == (429, "budget_exceeded")
    refused = answers.count(answers[-1])
    await _until_told(world, customer, refused)
    limits = (await world.root.get(f"/limits?tenant_id={customer.tenant_id}"))["items"]
    full = next(each["used_permille"] for each in limits if each["scope"] == "tenant")
    assert full > 500
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/limits")
    shares = await _shares(page)
    assert len(shares) > 3
    assert shares == sorted(shares, reverse=True)
    row = page.get_by_role("row").filter(has_text=_NAME).filter(has_text="Account")
    await expect(row.locator(".tg-full")).to_have_text(re.compile(rf"^{full / 10:.0f}(\.\d)?%$"))
    await tab.shoot("flow-limits")

    await page.get_by_role("combobox", name="Tenant").click()
    await page.get_by_role("option", name=_NAME).click()
    await page.wait_for_url(re.compile(rf"tenant=.*{customer.tenant_id}"))
    await tab.settle()
    await page.get_by_role("button", name="The numbers").click()
    table = page.get_by_role("table", name="Refusals by reason")
    await expect(table.get_by_role("columnheader", name="budget_exceeded")).to_be_visible()
    await expect(table.locator("tbody tr").last).to_contain_text(str(refused))
    await expect(page.locator(".tg-notes")).to_contain_text("have the budget raised")

    await row.get_by_role("link", name=_NAME).click()
    await page.wait_for_url(re.compile(rf"/admin/tenants/{customer.tenant_id}$"))
    await page.get_by_role("button", name="Edit").click()
    form = page.get_by_role("dialog")
    await form.get_by_label("Amount").fill("10")
    await form.get_by_label("Reason").fill("they asked for more")
    await form.get_by_role("button", name="Save").click()
    await expect(form).to_have_count(0)
    assert await _ask(world, customer) == (200, "")
    await page.go_back()
    await expect(row).to_contain_text("$10.00", timeout=15_000)
    assert await tab.troubles() == []
    await page.close()
