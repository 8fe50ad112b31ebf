"""A session that ends in the middle of work takes nothing of it away."""

from playwright.async_api import Browser, BrowserContext, expect

from tests.console.browsing import LANGUAGES, WIDE, watched
from tests.console.world import World
from tests.support.operator import FIRST_PASSWORD, PASSWORD, log_in

_LOGIN = "eve.operator"


async def _sign_in(browser: Browser, world: World) -> BrowserContext:
    context = await browser.new_context(locale=LANGUAGES["en"], viewport=WIDE, reduced_motion="reduce")
    answer = await context.request.post(f"{world.url}/api/login", data={"login": _LOGIN, "password": PASSWORD})
    assert answer.ok, await answer.text()
    return context


async def _end_others(browser: Browser, world: World) -> None:
    """End every session of the person but a new one, from another browser."""
    context = await _sign_in(browser, world)
    token = next(each["value"] for each in await context.cookies(world.url) if "csrf" in each["name"])
    answer = await context.request.delete(f"{world.url}/api/sessions", headers={"x-csrf-token": token})
    assert answer.ok, await answer.text()
    await context.close()


async def test_a_form_of_an_operator_outlives_the_session(browser: Browser, world: World) -> None:
    person = {"login": _LOGIN, "name": "Eve Operator", "password": FIRST_PASSWORD, "platform_role": "admin"}
    await world.root.post("/users", person)
    async with log_in(world.server, FIRST_PASSWORD, login=_LOGIN):
        pass
    context = await _sign_in(browser, world)
    tab = await watched(context, world.url)
    page = tab.page
    await tab.open("/admin/wallets")
    await page.get_by_role("button", name="Top up").click()
    form = page.get_by_role("dialog", name="Top up")
    await form.get_by_label("Tenant").click()
    await page.get_by_role("option", name="Blue Harbor Legal").click()
    await form.get_by_label("Amount").fill("1.25")
    await form.get_by_label("Reference").fill("typed before the end")
    await _end_others(browser, world)
    await form.get_by_role("button", name="Top up").click()

    question = page.get_by_role("dialog", name="Your session is over")
    await expect(question).to_be_visible()
    await tab.shoot("flow-session-over")
    assert await tab.axe() == []
    await question.get_by_role("button", name="Cancel").click()
    await expect(form.get_by_role("alert")).to_be_visible()
    await expect(form.get_by_label("Amount")).to_have_value("1.25")
    await expect(form.get_by_label("Reference")).to_have_value("typed before the end")
    await form.get_by_role("button", name="Top up").click()
    await expect(question.get_by_label("Login or e-mail")).to_have_value(_LOGIN)
    await question.locator("input[type=password]").fill(PASSWORD)
    await question.get_by_role("button", name="Sign in").click()
    await expect(page.get_by_text("The money is in the wallet.")).to_be_visible()
    await expect(form).to_have_count(0)

    tenants = await world.root.get("/tenants?search=Blue%20Harbor")
    moved = (await world.root.get(f"/tenants/{tenants['items'][0]['id']}/movements"))["items"]
    assert [each["reference"] for each in moved].count("typed before the end") == 1
    # That nobody was logged in is what this is about.
    assert [each for each in await tab.troubles() if not each.startswith("401 ")] == []
    await context.close()
