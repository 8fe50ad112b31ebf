"""The operator's brand and address in the browser: with the next load of a page, below a path, and harmless."""

import base64
import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import aiohttp
import pytest
from aiohttp import web
from playwright.async_api import Browser, expect

from tests.console.browsing import LANGUAGES, WIDE, Watched, watched
from tests.support.operator import FIRST_PASSWORD, PASSWORD, Operator, log_in
from tests.support.server import ServerProcess, free_port

pytestmark = pytest.mark.xdist_group("brand")
"""One server for all of them, whose settings they change in turn."""
PREFIX: Final = "/teams/llm"
_SQUARE: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"><rect width="1" height="1" fill="#d00"/></svg>'
)
_CIRCLE: Final = (
    b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 2 2"><circle cx="1" cy="1" r="1" fill="#06c"/></svg>'
)
_LOGO: Final = f"data:image/svg+xml;base64,{base64.b64encode(_SQUARE).decode()}"
_EVIL: Final = (
    '</script><script>document.title = "taken"</script><img src="x" onerror="document.title = \'taken\'">'
    '<style>p { color: red }</style><p style="color: red">red</p>'
    '<iframe srcdoc="<script>top.document.title=\'taken\'</script>"></iframe><a href="javascript:alert(1)">here</a>'
)


_HANDLERS: Final = """
() => [...document.querySelectorAll("*")].flatMap((each) => [...each.attributes])
  .filter((attribute) => attribute.name.startsWith("on")).map((attribute) => attribute.name)
"""


class Site:
    """A server below a path, its operator, and two proxies before it, of which one strips the path."""

    def __init__(self, operator: Operator, keeping: str, stripping: str) -> None:
        self.operator = operator
        self.proxies = {"keeping": keeping, "stripping": stripping}


Look = Callable[..., Awaitable[Watched]]


@pytest.fixture(scope="module")
async def site(built: None, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:  # noqa: ARG001 -- first
    settings = {
        "ROOT_PASSWORD": FIRST_PASSWORD,
        "SHARED_BUFFERS_MEBIBYTES": "64",
        "PUBLIC_URL": f"http://127.0.0.1{PREFIX}",
    }
    server = ServerProcess(tmp_path_factory.mktemp("brand") / "data", settings)
    async with contextlib.AsyncExitStack() as stack:
        stack.push_async_callback(server.close)
        await server.start()
        operator = await stack.enter_async_context(log_in(server, FIRST_PASSWORD))
        keeping = await stack.enter_async_context(_proxy(server.url, strip=False))
        stripping = await stack.enter_async_context(_proxy(server.url, strip=True))
        yield Site(operator, keeping, stripping)


@contextlib.asynccontextmanager
async def _proxy(server: str, *, strip: bool) -> AsyncIterator[str]:
    """Give the address of a proxy that serves the prefix only, as one does that serves others beside it."""
    async with aiohttp.ClientSession(auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def pass_on(request: web.Request) -> web.Response:
            path = request.rel_url.raw_path.removeprefix(PREFIX) if strip else request.rel_url.raw_path
            headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
            query = f"?{request.query_string}" if request.query_string else ""
            async with session.request(
                request.method,
                f"{server}{path}{query}",
                headers=headers,
                data=await request.read(),
                allow_redirects=False,
            ) as answer:
                passed = answer.headers.copy()
                passed.popall("transfer-encoding", None)
                return web.Response(status=answer.status, headers=passed, body=await answer.read())

        app = web.Application()
        app.router.add_route("*", f"{PREFIX}/{{rest:.*}}", pass_on)
        runner = web.AppRunner(app)
        await runner.setup()
        port = free_port()
        await web.TCPSite(runner, "127.0.0.1", port).start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            await runner.cleanup()


@pytest.fixture
async def look(browser: Browser, site: Site) -> AsyncIterator[Look]:
    """Open a page below the prefix, as somebody who has never been here."""
    async with contextlib.AsyncExitStack() as stack:

        async def open_page(path: str, proxy: str = "keeping") -> Watched:
            context = await browser.new_context(locale=LANGUAGES["en"], viewport=WIDE, color_scheme="light")
            stack.push_async_callback(context.close)
            tab = await watched(context, site.proxies[proxy])
            await tab.open(f"{PREFIX}{path}")
            return tab

        yield open_page


async def _log_in(tab: Watched) -> None:
    form = tab.page.locator("main form")
    await form.locator("input:not([type=password])").fill("root")
    await form.locator("input[type=password]").fill(PASSWORD)
    await form.locator("button[type=submit]").click()


@pytest.mark.parametrize("proxy", ["keeping", "stripping"])
async def test_the_console_works_below_a_path(proxy: str, look: Look, site: Site) -> None:
    tab = await look("/admin/channels", proxy)
    await _log_in(tab)
    await tab.page.wait_for_url(f"{site.proxies[proxy]}{PREFIX}/admin/channels*")
    await tab.settle()
    await tab.page.reload()
    await tab.settle()

    assert tab.page.url.startswith(f"{site.proxies[proxy]}{PREFIX}/admin/channels")
    assert await tab.troubles() == []
    addresses: list[str] = await tab.page.evaluate(
        "() => [...document.querySelectorAll('a[href]')].map((each) => each.href)"
    )
    inside = [each for each in addresses if each.startswith(site.proxies[proxy])]
    assert inside
    assert [each for each in inside if not each.startswith(f"{site.proxies[proxy]}{PREFIX}/")] == []


async def test_the_brand_shows_with_the_next_load(look: Look, site: Site) -> None:
    before = await look("/login")
    assert await before.page.title() == "Sign in · Tallygate"
    for name, value in (
        ("site_name", "Acme Models"),
        ("site_logo", _LOGO),
        ("site_color", "#7a1fa2"),
        ("site_theme", "dark"),
        ("site_footer", "Run by **Acme**."),
        ("site_links", '[{"label": "Terms", "url": "https://acme.example/terms"}]'),
    ):
        await site.operator.set(name, value)

    tab = await look("/login")

    assert await tab.page.title() == "Sign in · Acme Models"
    assert await tab.page.get_attribute("html", "data-mantine-color-scheme") == "dark"
    assert await tab.page.inner_text("footer strong") == "Acme"
    assert await tab.page.get_by_role("link", name="Terms").get_attribute("href") == "https://acme.example/terms"
    logo = tab.page.locator('header img[src*="brand/logo-"]').first
    assert await logo.evaluate("(image) => image.complete && image.naturalWidth > 0")
    assert (
        await tab.page.evaluate(
            "() => getComputedStyle(document.documentElement).getPropertyValue('--mantine-color-brand-6')"
        )
        == "#7a1fa2"
    )
    await tab.shoot("brand.en.dark")
    assert await tab.axe() == []
    assert await tab.troubles() == []


async def test_a_logo_is_uploaded_and_a_wrong_file_is_refused_in_words(look: Look) -> None:
    tab = await look("/admin/settings?setting=site_logo")
    page = tab.page
    await _log_in(tab)
    form = page.get_by_role("dialog", name="Logo")
    save = form.get_by_role("button", name="Save")
    upload = form.locator("input[type=file]")
    preview = form.get_by_role("region", name="Preview").locator("img")
    await expect(save).to_be_visible()
    before = await preview.get_attribute("src") if await preview.count() else None
    for name, kind, body, words in (
        ("prices.pdf", "application/pdf", b"%PDF-1.7", "no PNG, JPEG, WebP or SVG"),
        ("renamed.png", "image/png", b"no image at all", "no PNG, JPEG, WebP or SVG"),
        ("poster.png", "image/png", b"\x89PNG\r\n\x1a\n" + bytes(200_001), "larger than 200 kB"),
    ):
        await upload.set_input_files({"name": name, "mimeType": kind, "buffer": body})
        await expect(form.get_by_role("alert")).to_contain_text(words)
        assert (await preview.get_attribute("src") if await preview.count() else None) == before
    await tab.shoot("flow-logo-refused")

    await upload.set_input_files({"name": "logo.svg", "mimeType": "image/svg+xml", "buffer": _CIRCLE})
    await expect(form.get_by_role("alert")).to_have_count(0)
    await expect(preview).to_have_attribute("src", re.compile("^data:image/svg"))
    await form.get_by_label("Reason").fill("the new brand")
    await save.click()
    await expect(page.get_by_text("It shows with the next load of a page.").first).to_be_visible()

    visitor = await look("/login")
    logo = visitor.page.locator('header img[src*="brand/logo-"]').first
    assert await logo.evaluate("(image) => image.complete && image.naturalWidth > 0")
    shown = await visitor.page.request.get(await logo.evaluate("(image) => image.src"))
    assert await shown.body() == _CIRCLE
    assert await visitor.troubles() == []


@pytest.mark.parametrize("kind", ["markdown", "html"])
async def test_nothing_that_the_operator_writes_runs(kind: str, look: Look, site: Site) -> None:
    await site.operator.set("site_home_kind", kind)
    for name in ("site_home_page", "site_notice", "site_footer"):
        await site.operator.set(name, f"{name} {_EVIL}")
    await site.operator.set("site_name", "</title><script>1</script>")

    tab = await look("/")

    text = await tab.page.inner_text("body")
    assert "site_home_page" in text
    assert "site_footer" in text
    assert "taken" not in await tab.page.title()
    assert await tab.page.locator("a[href^='javascript:'], #root iframe, #root script").count() == 0
    assert await tab.page.evaluate(_HANDLERS) == []
    # The policy has nothing to refuse, for nothing of the kind reaches the browser's parser; the picture is not there.
    assert [each for each in await tab.troubles() if not each.endswith("/x")] == []


async def test_a_home_page_in_a_frame_is_of_the_allowed_origin_only(look: Look, site: Site) -> None:
    await site.operator.set("site_home_kind", "frame")
    await site.operator.set("site_home_frame", "https://www.acme.invalid/home")

    tab = await look("/")

    frame = tab.page.locator("iframe")
    assert await frame.get_attribute("src") == "https://www.acme.invalid/home"
    refused = await tab.page.evaluate("""() => new Promise((done) => {
      document.addEventListener("securitypolicyviolation", (event) => done(event.violatedDirective), { once: true });
      const other = document.createElement("iframe");
      other.src = "https://other.invalid/";
      document.body.append(other);
    })""")
    assert refused == "frame-src"
