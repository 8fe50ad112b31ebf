"""What an operator reads and hands on: usage, by who and what it is of."""

from decimal import Decimal
from urllib.parse import parse_qs, urlsplit

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World


async def test_usage_of_a_tenant_is_exact_and_leads_to_what_is_within_it(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/usage")
    table = page.get_by_role("table", name="Usage", exact=True)
    month = await world.root.get(f"/reports/top?by=tenant&tenant_id={world.ids['tenantId']}")
    charged = Decimal(month["rows"][0]["sums"]["charged"])
    await expect(table.get_by_role("row", name="Northwind Analytics")).to_contain_text(f"${charged:.6f}".rstrip("0"))

    # A row leads to what is within it.
    await table.get_by_role("link", name="Northwind Analytics").click()
    await expect(table.get_by_role("columnheader", name="Model asked for")).to_be_visible()
    asked = parse_qs(urlsplit(page.url).query)
    assert asked["tenant_id"][0].strip('"') == world.ids["tenantId"]
    assert await tab.troubles() == []
