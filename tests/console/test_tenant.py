"""What a tenant does in its console, from one end to the other."""

import contextlib
import re
from collections.abc import AsyncIterator
from typing import Any, Final

import aiohttp
import pytest
from playwright.async_api import Browser, Page, expect

from tests.console.browsing import LANGUAGES, NARROW, WIDE, Watched, watched
from tests.console.world import World, password_of

_NEW_PASSWORD: Final = "a sentence that nobody guesses"


class Desk:
    """A browser of one member of the tenant, freshly logged in: no flow waits for another's password."""

    def __init__(self, tab: Watched, world: World) -> None:
        self.tab = tab
        self.page: Page = tab.page
        self.world = world
        self.base = f"/t/{world.ids['tenantId']}"

    async def open(self, path: str) -> None:
        await self.tab.open(self.base + path)

    async def press(self, name: str, *, exact: bool = True) -> None:
        await self.page.get_by_role("button", name=name, exact=exact).first.click()

    async def calm(self) -> None:
        """Fail for whatever went wrong in the browser meanwhile."""
        assert await self.tab.troubles() == []


@contextlib.asynccontextmanager
async def _desk(browser: Browser, world: World, role: str, language: str = "en") -> AsyncIterator[Desk]:
    context = await browser.new_context(
        locale=LANGUAGES[language], viewport=WIDE, reduced_motion="reduce", accept_downloads=True
    )
    try:
        answer = await context.request.post(
            f"{world.url}/api/login", data={"login": world.logins[role], "password": password_of(role)}
        )
        assert answer.ok, await answer.text()
        yield Desk(await watched(context, world.url), world)
    finally:
        await context.close()


@pytest.fixture
async def desk(browser: Browser, world: World) -> AsyncIterator[Desk]:
    async with _desk(browser, world, "owner") as opened:
        yield opened


async def _ask(world: World, secret: str, model: str = "demo-chat") -> int:
    headers = {"authorization": f"Bearer {secret}"}
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(f"{world.url}/v1/chat/completions", json=body) as response,
    ):
        await response.read()
        return response.status


async def _secret(page: Page) -> str:
    """Read the key that a dialog shows this once."""
    text = await page.get_by_role("region", name="API key", exact=True).inner_text()
    found = re.fullmatch(r"sk-\S+", text.strip())
    assert found is not None, text
    return found[0]


async def test_a_key_is_made_used_rotated_and_revoked(desk: Desk) -> None:
    page, world = desk.page, desk.world
    await desk.open("/keys")
    await desk.press("Create a key")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_role("button", name="Continue").click()
    await expect(dialog.get_by_text("Give it a name.")).to_be_visible()
    await dialog.get_by_label("Name").first.fill("reporting job")
    await dialog.get_by_role("button", name="Continue").click()
    await dialog.get_by_label("Only these").check()
    await dialog.get_by_role("combobox", name="Models").fill("demo-chat")
    await page.get_by_role("option", name="demo-chat", exact=True).click()
    await page.keyboard.press("Escape")
    await dialog.get_by_role("button", name="Continue").click()
    await dialog.get_by_role("button", name="Add a budget").click()
    await dialog.get_by_label("Amount").fill("2.50")
    await dialog.get_by_label("Requests per minute").fill("100")
    await dialog.get_by_role("button", name="Create a key").click()
    secret = await _secret(page)
    await dialog.get_by_role("tab", name="Python").click()
    await expect(dialog.get_by_text(f"{world.url}/v1").first).to_be_visible()
    await dialog.get_by_role("tab", name="Client settings").click()
    await expect(dialog.get_by_role("region", name="Base URL")).to_contain_text(f"{world.url}/v1")
    assert await _ask(world, secret) == 200
    assert await _ask(world, secret, "aurora-mini") == 404
    await dialog.get_by_role("button", name="I have stored it").click()

    row = page.get_by_role("row", name=re.compile("reporting job"))
    await expect(row).to_contain_text("$2.50")
    await expect(row).to_contain_text("100 requests/min")
    await row.get_by_role("link", name="reporting job").click()
    panel = page.get_by_role("dialog")
    await panel.get_by_role("button", name="New secret").click()
    rotation = page.get_by_role("dialog", name="A new secret for reporting job")
    await rotation.get_by_role("button", name="New secret").click()
    renewed = await _secret(page)
    assert renewed != secret
    assert [await _ask(world, each) for each in (secret, renewed)] == [200, 200]
    await rotation.get_by_role("button", name="I have stored it").click()
    await expect(panel.get_by_text("The former secret works until")).to_be_visible()

    await panel.get_by_role("tab", name="Use").click()
    await expect(panel.get_by_text(re.compile(r"^\d+ requests for"))).to_be_visible()
    await panel.get_by_role("button", name="Revoke").click()
    question = page.get_by_role("dialog", name="Revoke reporting job")
    await question.get_by_label("Type reporting job to confirm").fill("reporting job")
    await question.get_by_role("button", name="Revoke").click()
    await expect(question).to_be_hidden()
    assert [await _ask(world, each) for each in (secret, renewed)] == [401, 401]
    await desk.calm()


async def test_a_request_leads_to_a_receipt_that_can_be_checked_by_hand(desk: Desk) -> None:
    page = desk.page
    await desk.open("/requests?model_asked=aurora-large&states=captured")
    rows = page.get_by_role("table", name="Requests", exact=True).get_by_role("row")
    await expect(rows.nth(1)).to_contain_text("aurora-large")
    await rows.nth(1).get_by_role("link").first.click()
    panel = page.get_by_role("dialog", name="Receipt")
    sums = panel.get_by_role("table", name="How the charge was made")
    await expect(sums).to_contain_text("Input tokens")
    await expect(sums).to_contain_text("0.9")
    await expect(panel.get_by_text("the same, to the last digit")).to_be_visible()
    await panel.get_by_role("link", name="Open").click()
    await desk.tab.settle()
    assert re.search(r"/requests/[0-9a-f-]{36}$", page.url)
    await expect(page.get_by_text("the same, to the last digit")).to_be_visible()

    await desk.open("/requests?states=refused")
    await (
        page.get_by_role("table", name="Requests", exact=True)
        .get_by_role("row")
        .nth(1)
        .get_by_role("link")
        .first.click()
    )
    await expect(page.get_by_role("dialog").get_by_text("No model of this name is served")).to_be_visible()
    await desk.calm()


async def test_prices_stand_beside_speed_in_a_plot_that_says_its_figures(desk: Desk) -> None:
    page = desk.page
    await desk.open("/prices?speed=firstByte")
    plot = page.get_by_role("figure").filter(has_text="Price of output against speed")
    await expect(plot.get_by_text("aurora-large", exact=True).first).to_be_visible()
    await expect(plot).to_contain_text("costs least")
    control = plot.get_by_role("button", name="The numbers")
    await control.focus()
    await page.keyboard.press("Enter")
    row = plot.get_by_role("row").filter(has_text="aurora-large")
    await expect(row).to_contain_text("$")
    await expect(row).to_contain_text("ms")
    await expect(page.get_by_role("table", name="Models and prices")).to_contain_text("%")
    await page.set_viewport_size({"width": 360, "height": 800})
    await desk.tab.settle()
    assert await desk.tab.sideways() == []
    assert await desk.tab.axe() == []
    await page.set_viewport_size({"width": 1280, "height": 800})
    await desk.calm()


async def test_two_models_answer_in_the_playground_each_with_its_receipt(desk: Desk) -> None:
    page = desk.page
    await desk.open("/playground?model=demo-chat")
    await page.get_by_label("Compare two models").check()
    await page.get_by_label("Your message").fill("What is a ledger?")
    await page.keyboard.press("Enter")
    receipts = page.get_by_role("button", name="Receipt")
    await expect(receipts).to_have_count(2)
    await expect(page.get_by_text("This is a demo answer from Tallygate itself").first).to_be_visible()
    await receipts.first.click()
    panel = page.get_by_role("dialog", name="Receipt")
    await expect(panel.get_by_text("the same, to the last digit")).to_be_visible()
    await panel.get_by_role("button", name="Close").click()
    await page.get_by_role("button", name="This conversation as code").click()
    await page.get_by_role("tab", name="Python").click()
    await expect(page.get_by_role("region", name="Python")).to_contain_text("What is a ledger?")
    await desk.calm()


async def test_a_code_is_redeemed_and_the_wallet_says_how_to_top_up(desk: Desk) -> None:
    page, root = desk.page, desk.world.root
    await root.set("site_top_up", "Pay by **invoice**.")
    batch = await root.post("/code-batches", {"name": "For the wallet", "count": 1, "amount": "7.25"})
    before = (await root.get(f"/tenants/{desk.world.ids['tenantId']}/balance"))["balance"]
    await desk.open("/wallet")
    await desk.press("Redeem a code")
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Redemption code").fill(batch["codes"][0].lower())
    await dialog.get_by_role("button", name="Redeem a code").click()
    await expect(page.get_by_text("The credit is in your wallet.")).to_be_visible()
    movements = page.get_by_role("table", name="Movements")
    await expect(movements.get_by_role("row").nth(1)).to_contain_text("+$7.25", timeout=15_000)
    after = (await root.get(f"/tenants/{desk.world.ids['tenantId']}/balance"))["balance"]
    assert _nanos(after) - _nanos(before) == 7_250_000_000

    await desk.press("Redeem a code")
    await dialog.get_by_label("Redemption code").fill(batch["codes"][0])
    await dialog.get_by_role("button", name="Redeem a code").click()
    await expect(dialog.get_by_role("alert")).to_be_visible()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Discard").click()
    await desk.press("Top up")
    await expect(page.get_by_role("dialog").get_by_text("invoice")).to_be_visible()
    found = [each for each in await desk.tab.troubles() if "/redeem" not in each]
    assert found == []


def _nanos(amount: str) -> int:
    whole, _, part = amount.partition(".")
    return int(whole + part.ljust(9, "0"))


async def test_an_invited_person_joins_gets_a_budget_and_is_removed(desk: Desk, browser: Browser) -> None:
    page, world = desk.page, desk.world
    login = "ada@northwind.example"
    await desk.open("/members")
    await desk.press("Invite")
    dialog = page.get_by_role("dialog", name="Invite", exact=True)
    await dialog.get_by_label("E-mail").fill(login)
    await dialog.get_by_role("button", name="Make the invitation").click()
    link = (await page.get_by_role("region", name="Link").inner_text()).strip()
    await page.get_by_role("dialog", name="Invited").get_by_role("button", name="Done").click()
    await expect(page.get_by_role("table", name="Open invitations")).to_contain_text(login)

    context = await browser.new_context(locale="en-US", viewport=NARROW, reduced_motion="reduce")
    guest = await watched(context, world.url)
    await guest.open(link.removeprefix(world.url))
    await guest.page.get_by_label("Your name").fill("Ada Invited")
    await guest.page.get_by_label("New password", exact=True).fill(_NEW_PASSWORD)
    await guest.page.get_by_label("New password again").fill(_NEW_PASSWORD)
    await guest.page.get_by_role("button", name="Join").click()
    await guest.page.wait_for_url(re.compile(rf"/t/{world.ids['tenantId']}"))
    await guest.settle()
    await expect(guest.page.get_by_role("heading", level=1)).to_have_text("Home")
    assert await guest.sideways() == []
    await guest.open(f"{desk.base}/members")
    await expect(guest.page.get_by_role("button", name="Invite", exact=True)).to_have_count(0)
    assert await guest.troubles() == []
    await context.close()

    await desk.open("/members")
    row = page.get_by_role("row", name=re.compile("Ada Invited"))
    await row.get_by_role("button", name="Change").click()
    panel = page.get_by_role("dialog", name="Change Ada Invited")
    await panel.get_by_role("combobox", name="Role").click()
    await page.get_by_role("option", name="Billing").click()
    await panel.get_by_role("button", name="Add a budget").click()
    await panel.get_by_label("Amount").fill("3")
    await panel.get_by_role("button", name="Save").click()
    await expect(row).to_contain_text("Billing")
    await expect(row).to_contain_text("$3.00")
    await desk.open("/limits?scope=user")
    await expect(page.get_by_role("row", name=re.compile("Ada Invited"))).to_contain_text("$3.00")

    await desk.open("/members")
    await row.get_by_role("button", name="Remove").click()
    question = page.get_by_role("dialog", name="Remove Ada Invited")
    await question.get_by_label(f"Type {login} to confirm").fill(login)
    await question.get_by_role("button", name="Remove").click()
    await expect(row).to_have_count(0)
    await desk.open("/audit?kind=member")
    await expect(page.get_by_role("table", name="Changes")).to_contain_text(login)
    await desk.calm()


async def test_usage_limits_prices_and_statements_tell_the_same_figures(desk: Desk) -> None:
    page = desk.page
    await desk.open("/usage?by=token&compare=true")
    table = page.get_by_role("table", name="Usage")
    await expect(table).to_contain_text("production")
    async with page.expect_download() as saving:
        await page.get_by_role("link", name="CSV").click()
    text = (await (await saving.value).path()).read_text(encoding="utf-8")
    assert "charged" in text.splitlines()[0].lower() or "cost" in text.splitlines()[0].lower()
    await desk.open("/limits")
    await expect(page.get_by_role("row", name=re.compile("production.*Money"))).to_contain_text("$50.00")
    await desk.open("/prices?search=aurora-large")
    await expect(page.get_by_role("row", name=re.compile("aurora-large"))).to_contain_text("$2.70")
    await desk.open("/statements/current")
    shown = await page.get_by_role("heading", name="Balance at the end").locator("xpath=..").inner_text()
    current = await desk.world.root.get(f"/tenants/{desk.world.ids['tenantId']}/statements/current")
    assert current["closing"].partition(".")[0] in shown
    async with page.expect_download() as saving:
        await page.get_by_role("link", name="CSV").click()
    assert (await (await saving.value).path()).stat().st_size > 0
    await desk.calm()


async def test_settings_are_kept_a_token_works_and_other_sessions_end(desk: Desk, browser: Browser) -> None:
    page, world = desk.page, desk.world
    async with _desk(browser, world, "owner") as other:
        await desk.open("/settings")
        await desk.press("Change")
        panel = page.get_by_role("dialog", name="Account")
        await panel.get_by_label("Lower the output limit where credit is short").click()
        await panel.get_by_label("Reason").fill("we would rather be refused")
        await panel.get_by_role("button", name="Save").click()
        await expect(panel).to_be_hidden()
        await desk.press("History")
        await expect(page.get_by_role("dialog").get_by_text("we would rather be refused")).to_be_visible()
        await page.get_by_role("dialog").get_by_role("button", name="Close").click()

        await desk.press("New token")
        dialog = page.get_by_role("dialog", name="New token")
        await dialog.get_by_label("Name").fill("nightly")
        await dialog.get_by_role("button", name="Create").click()
        made = page.get_by_role("dialog", name="Your token")
        secret = (await made.get_by_role("region", name="nightly").inner_text()).strip()
        headers = {"authorization": f"Bearer {secret}"}
        async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{world.url}/api/me") as answer:
            assert (answer.status, (await answer.json())["scopes"]) == (200, ["read"])
        await made.get_by_role("button", name="Done").click()

        await desk.press("End all others")
        await expect(page.get_by_text("Ended").first).to_be_visible()
        await other.page.goto(world.url + other.base)
        await expect(other.page.get_by_role("heading", level=1)).to_contain_text("Sign in")

    await page.get_by_role("combobox", name="Language").click()
    await page.get_by_role("option", name="简体中文").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("设置")
    await _restore_language(page, world)
    await desk.calm()


async def _restore_language(page: Page, world: World) -> None:
    """Leave the owner as the other tests know them."""
    cookies: list[Any] = list(await page.context.cookies(world.url))
    token = next(cookie["value"] for cookie in cookies if "csrf" in cookie["name"])
    answer = await page.context.request.patch(
        f"{world.url}/api/me", data={"language": ""}, headers={"x-csrf-token": token}
    )
    assert answer.ok, await answer.text()


async def test_a_viewer_is_offered_nothing_that_they_may_not_do(browser: Browser, world: World) -> None:
    async with _desk(browser, world, "viewer") as desk:
        for path, forbidden in (
            ("/keys", "Create a key"),
            ("/members", "Invite"),
            ("/wallet", "Redeem a code"),
            ("/settings", "Change"),
        ):
            await desk.open(path)
            await expect(desk.page.get_by_role("button", name=forbidden, exact=True)).to_have_count(0)
        await desk.calm()
