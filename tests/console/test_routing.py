"""Models and routes: what an operator does to say who serves what, and to see why."""

import re

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World

_PASTED = """curl https://api.example.com/v1/chat/completions -d '{
  "model": "best",
  "messages": [{"role": "user", "content": "What is a ledger?"}],
  "max_tokens": 64
}'"""


async def test_a_name_leads_to_its_channels_and_a_pasted_request_shows_who_would_serve_it(
    visit: Visit, world: World
) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/routing")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="best", exact=True))
    await expect(row).to_contain_text("aurora-large")
    await expect(row).to_contain_text("2 channels")

    await page.get_by_role("tab", name="Explain").click()
    await page.get_by_label("Paste a request").fill(_PASTED)
    await page.get_by_role("button", name="Read the request").click()
    await expect(page.get_by_role("heading", name="Who would serve best")).to_be_visible()
    candidates = page.get_by_role("table", name="Channels that would be tried, in this order")
    # The higher priority comes first, under the name that its vendor knows.
    await expect(candidates.get_by_role("row").nth(1)).to_contain_text("Aurora, second account")
    await expect(candidates.get_by_role("row").nth(1)).to_contain_text("fake:error")
    await expect(candidates.get_by_role("row").nth(2)).to_contain_text("Aurora, first account")
    others = page.get_by_role("table", name="Channels that would not be tried")
    await expect(others.get_by_role("row").filter(has_text="通义千问")).to_contain_text("Serves none of the models")
    assert "output=64" in page.url
    assert "model=best" in page.url
    assert await tab.troubles() == []
    # The question is in the address: whoever opens it sees the same.
    address = page.url.removeprefix(world.url)
    await page.reload()
    await tab.settle()
    assert page.url.removeprefix(world.url) == address
    await expect(page.get_by_role("heading", name="Who would serve best")).to_be_visible()
    await page.close()


async def test_a_mapping_is_made_led_elsewhere_and_archived_with_its_effect_in_numbers(
    visit: Visit, world: World
) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/routing?tab=mappings")
    await page.get_by_role("button", name="Add a mapping").click()
    form = page.get_by_role("dialog", name="Add a mapping")
    await form.get_by_label("Name asked for").fill("swift")
    await form.get_by_label("Leads to").fill("swift")
    await form.get_by_role("button", name="Save").click()
    await expect(form.get_by_text("A name cannot lead to itself")).to_be_visible()
    await form.get_by_label("Leads to").fill("aurora-mini")
    await form.get_by_label("Reason").fill("a name of our own")
    await form.get_by_role("button", name="Save").click()

    panel = page.get_by_role("dialog", name="swift")
    await expect(panel.get_by_text("a name of our own")).to_be_visible()
    await panel.get_by_role("button", name="Archive").click()
    question = page.get_by_role("dialog", name="Archive the mapping swift")
    await expect(question).to_contain_text("0 requests of the last 24 hours asked for it")
    await question.get_by_label(re.compile("^Type")).fill("swift")
    await question.get_by_role("button", name="Archive").click()
    await expect(question).to_be_hidden()
    await expect(panel.get_by_role("button", name="Restore")).to_be_visible()
    found = (await world.root.get("/mappings?include_archived=true&search=swift"))["items"]
    assert [(each["target"], each["archived"]) for each in found] == [("aurora-mini", True)]
    assert await tab.troubles() == []
    await page.close()


async def test_a_policy_gets_an_experiment_whose_arms_are_compared(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/routing?tab=policies")
    await page.get_by_role("button", name="Add a policy").click()
    form = page.get_by_role("dialog", name="Add a policy")
    await form.get_by_label("Name", exact=False).first.fill("Try qwen")
    await form.get_by_label("Model", exact=True).fill("qwen-plus")
    await form.get_by_role("button", name="Start an experiment").click()
    await form.get_by_label("Share").nth(1).fill("25")
    await form.get_by_role("button", name="Save").click()

    panel = page.get_by_role("dialog", name="Try qwen")
    await expect(panel).to_be_visible()
    made = (await world.root.get("/routing/policies?search=Try+qwen"))["items"][0]
    assert [(arm["name"], arm["share"]) for arm in made["arms"]] == [("control", 50), ("candidate", 25)]
    await panel.get_by_role("tab", name="Experiment").click()
    await expect(panel.get_by_role("table", name="Experiment")).to_contain_text("candidate")
    await panel.get_by_role("button", name="Switch off").click()
    await expect(panel.get_by_role("button", name="Switch on")).to_be_visible()
    await page.reload()
    await tab.settle()
    assert await tab.axe() == []
    assert await tab.troubles() == []
    await page.close()
