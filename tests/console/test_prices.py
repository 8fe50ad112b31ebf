"""The price book: a draft is made, typed over, looked at from all sides, and published."""

import re

from playwright.async_api import expect

from tests.console.conftest import Visit
from tests.console.world import World


async def test_a_draft_is_typed_over_compared_tried_on_past_usage_and_published_with_the_number_of_changes(
    visit: Visit, world: World
) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/prices")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="aurora-large", exact=True))
    await expect(row).to_contain_text("$15.00")
    await page.get_by_role("button", name="New draft").click()
    form = page.get_by_role("dialog", name="New draft")
    await form.get_by_label("Source").fill("price list of June")
    await form.get_by_role("button", name="Make the draft").click()

    await expect(page.get_by_text("No price was changed.")).to_be_visible()
    await page.get_by_label("aurora-large: Output", exact=True).fill("1x")
    await expect(page.get_by_text("aurora-large has a price that is no number")).to_be_visible()
    await expect(page.get_by_role("button", name="Save prices")).to_be_disabled()
    await page.get_by_label("aurora-large: Output", exact=True).fill("30")
    await page.get_by_label("aurora-mini: Input", exact=True).fill("0.2")
    await expect(page.get_by_text("2 models changed")).to_be_visible()
    await page.get_by_role("button", name="Save prices").click()
    await expect(page.get_by_text("No price was changed.")).to_be_visible()

    await page.get_by_role("tab", name="Changes").click()
    changes = page.get_by_role("table", name="Changes")
    raised = changes.get_by_role("row").filter(has_text="aurora-large")
    await expect(raised).to_contain_text("Raised")
    await expect(raised).to_contain_text("+100%")
    await expect(changes.get_by_role("row").filter(has_text="aurora-mini")).to_contain_text("Lowered")

    await page.get_by_role("tab", name="Findings").click()
    await tab.settle()
    await page.get_by_role("tab", name="What if").click()
    tried = page.get_by_role("table", name="What if")
    await expect(tried.get_by_role("row", name=re.compile("^Northwind Analytics aurora-large"))).to_contain_text("+$")
    assert await tab.axe() == []

    await page.get_by_role("button", name="Publish …").click()
    question = page.get_by_role("dialog", name="Publish this card")
    await expect(question).to_contain_text("2 prices change.")
    await expect(question).to_contain_text("1 raised, 1 lowered, 0 added, 0 removed.")
    await expect(question).to_contain_text("They hold from")
    await question.get_by_label(re.compile("^Type")).fill("3")
    await question.get_by_role("button", name="Publish", exact=True).click()
    await expect(question).to_be_visible()
    await question.get_by_label(re.compile("^Type")).fill("2")
    await question.get_by_role("button", name="Publish", exact=True).click()
    await expect(question).to_be_hidden()
    await expect(page.get_by_role("button", name="Publish …")).to_be_hidden()
    card = await world.root.get(f"/rate-cards/{page.url.partition('/prices/')[2].partition('?')[0]}")
    assert card["published"]
    assert card["models"]["aurora-large"]["output"] == "30"
    assert await tab.troubles() == []
    await page.close()


async def test_what_prices_were_and_what_is_left_of_them_is_shown_by_model(visit: Visit, world: World) -> None:
    tab = await visit("root")
    page = tab.page
    await tab.open("/admin/prices?tab=history&model=aurora-large")
    await expect(page.get_by_role("figure")).to_contain_text("Price by effective date")
    history = page.get_by_role("table", name="Price by effective date").first
    await expect(history).to_contain_text("$0.30")
    await page.get_by_role("tab", name="Margin").click()
    margin = page.get_by_role("table", name="Margin by model").last
    charged = margin.get_by_role("row").filter(has_text="aurora-large")
    await expect(charged).to_contain_text("$")
    await tab.open(f"/admin/prices/{world.ids['cardId']}")
    await page.get_by_role("button", name="All prices of demo-chat").click()
    form = page.get_by_role("dialog", name="All prices of demo-chat")
    await form.get_by_role("button", name="Add a tier").click()
    await form.get_by_label("From tokens").fill("200000")
    await form.get_by_label("Input", exact=True).last.fill("0.3")
    await form.get_by_label("Audio input").last.fill("4")
    names = form.get_by_label("Other names")
    await names.fill("aurora-large")
    await names.press("Enter")
    await form.get_by_role("button", name="Apply").click()
    await expect(form.get_by_text("aurora-large already means aurora-large on this card.")).to_be_visible()
    await names.press("Backspace")
    await names.fill("demo-latest")
    await names.press("Enter")
    await form.get_by_role("button", name="Apply").click()
    await expect(page.get_by_text("1 model changed")).to_be_visible()
    await page.get_by_role("button", name="Save prices").click()
    await expect(page.get_by_text("No price was changed.")).to_be_visible()
    card = await world.root.get(f"/rate-cards/{world.ids['cardId']}")
    (tier,) = card["models"]["demo-chat"]["tiers"]
    assert (tier["input_tokens_from"], tier["input"], tier["audio_input"]) == (200000, "0.3", "4")
    assert card["aliases"] == {"demo-latest": "demo-chat"}
    await expect(page.get_by_role("row").filter(has_text="demo-chat")).to_contain_text("demo-latest")
    await page.get_by_role("tab", name="Changes").click()
    await expect(page.get_by_text("demo-latest means demo-chat.")).to_be_visible()
    assert await tab.troubles() == []
    await page.close()
