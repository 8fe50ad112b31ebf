"""What visitors do: read, sign up, and come back after forgetting a password."""

import re
from collections.abc import AsyncIterator
from typing import Final, NamedTuple

import pytest
from playwright.async_api import Browser, expect

from tests.console.browsing import WIDE, Watched, watched
from tests.console.conftest import Visit
from tests.support.mailbox import Mailbox, run_mailbox
from tests.support.operator import FIRST_PASSWORD, Operator, log_in
from tests.support.server import ServerProcess, run_server_process

_PASSWORD: Final = "a sentence that nobody guesses"


class Posted(NamedTuple):
    """A server that sends e-mail, and where it arrives."""

    server: ServerProcess
    root: Operator
    mailbox: Mailbox


@pytest.fixture(scope="module")
async def posted(built: None) -> AsyncIterator[Posted]:  # noqa: ARG001 -- first things first
    async with run_mailbox() as mailbox:
        settings = {"ROOT_PASSWORD": FIRST_PASSWORD, "SHARED_BUFFERS_MEBIBYTES": "64", "SMTP_URL": mailbox.url}
        async with run_server_process(settings) as server, log_in(server, FIRST_PASSWORD) as root:
            await root.set("sign_up_open", value=True)
            yield Posted(server, root, mailbox)


@pytest.fixture
async def stranger(browser: Browser, posted: Posted) -> AsyncIterator[Watched]:
    context = await browser.new_context(locale="en-US", viewport=WIDE, reduced_motion="reduce")
    yield await watched(context, posted.server.url)
    await context.close()


async def test_somebody_signs_up_forgets_the_password_and_comes_back(stranger: Watched, posted: Posted) -> None:
    page, email = stranger.page, "grace@hopper.example"
    await stranger.open("/sign-up")
    await page.get_by_label("E-mail").fill(email)
    await page.get_by_role("button", name="Send me the link").click()
    await expect(page.get_by_role("heading", name="Look into your mail")).to_be_visible()
    await stranger.open(await posted.mailbox.link_to(email))
    await page.get_by_label("Your name").fill("Grace Hopper")
    await page.get_by_label("Name of your company or team").fill("Flow-Matic Ltd")
    await page.get_by_label("New password", exact=True).fill("short")
    await page.get_by_label("New password again").fill("different")
    await page.get_by_role("button", name="Create the account").click()
    await expect(page.get_by_text("At least 12 characters.", exact=True)).to_be_visible()
    await page.get_by_label("New password", exact=True).fill(_PASSWORD)
    await page.get_by_label("New password again").fill(_PASSWORD)
    await page.get_by_role("button", name="Create the account").click()
    await page.wait_for_url(re.compile(r"/t/\d+"))
    await stranger.settle()
    await expect(page.get_by_text("Flow-Matic Ltd")).to_be_visible()
    await expect(page.get_by_text("Three steps to your first answer")).to_be_visible()

    await page.get_by_role("button", name="Account").click()
    await page.get_by_role("menuitem", name="Sign out").click()
    await stranger.settle()
    await page.get_by_role("link", name="Forgotten your password?").click()
    await page.get_by_label("Login or e-mail").fill(email)
    await page.get_by_role("button", name="Send me the link").click()
    await expect(page.get_by_text("If there is an account")).to_be_visible()
    link = await posted.mailbox.link_to(email)
    await stranger.open(link)
    await page.get_by_label("New password", exact=True).fill(f"{_PASSWORD} 2")
    await page.get_by_label("New password again").fill(f"{_PASSWORD} 2")
    await page.get_by_role("button", name="Set the password").click()
    await page.wait_for_url(re.compile(r"/t/\d+"))
    assert await stranger.troubles() == []

    await stranger.open("/docs")
    await stranger.open(link)
    await expect(page.get_by_role("heading", name="This link does not work")).to_be_visible()


async def test_the_home_page_is_what_the_operator_made_of_it(stranger: Watched, posted: Posted) -> None:
    page, root = stranger.page, posted.root
    await root.set("site_home_page", "# Models of *Acme*\n\n- one bill\n\n<script>document.title = 'owned'</script>")
    await stranger.open("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Models of Acme")
    await root.set("site_home_kind", "html")
    await root.set("site_home_page", '<h1>Plain</h1>    <p onclick="alert(1)">of HTML</p>')
    await stranger.open("/")
    await expect(page.get_by_role("heading", level=1)).to_have_text("Plain")
    assert "onclick" not in await page.locator("#content").inner_html()
    await root.set("site_home_frame", "https://acme.example/welcome")
    await root.set("site_home_kind", "frame")
    # The frame is another host's, which this machine does not reach: that it is asked for is what counts.
    await page.route(
        "https://acme.example/**", lambda route: route.fulfill(body="<p>Framed</p>", content_type="text/html")
    )
    await stranger.open("/")
    await expect(page.frame_locator("iframe").get_by_text("Framed")).to_be_visible()
    # The policy names the handler while the HTML is read to be cleaned; it never runs.
    expected = ("acme.example", "inline event handler", "script-src-attr")
    assert [each for each in await stranger.troubles() if not any(part in each for part in expected)] == []


async def test_visitors_read_prices_status_and_docs(visit: Visit) -> None:
    tab = await visit()
    page = tab.page
    await tab.open("/prices")
    row = page.get_by_role("row", name=re.compile("aurora-large"))
    await expect(row).to_contain_text("$3.00")
    await page.get_by_text("per 1K tokens", exact=True).click()
    await expect(row).to_contain_text("$0.003")
    await page.get_by_label("Find a model").fill("qwen")
    await expect(row).to_have_count(0)
    assert "search=qwen" in page.url
    await page.get_by_role("link", name="qwen-plus").click()
    await expect(page.get_by_role("dialog").get_by_text("How the price came to be").first).to_be_visible()

    await tab.open("/status")
    await expect(page.get_by_role("heading", name="aurora-large")).to_be_visible()
    feed = await page.request.get(str(await page.get_by_role("link", name="Atom feed").get_attribute("href")))
    assert feed.headers["content-type"].startswith("application/atom+xml")

    await tab.open("/docs?section=errors")
    await page.get_by_label("Find a code").fill("budget")
    await expect(page.get_by_role("row", name=re.compile("budget_exceeded"))).to_be_visible()
    await expect(page.get_by_role("row", name=re.compile("invalid_api_key"))).to_have_count(0)
    assert await tab.troubles() == []
    await page.close()
