"""What the first page costs: script by weight, and a cold load over a slow line, measured and written down.

How long it takes belongs to the machine, so that is a figure in build/console-figures.json; only what no machine
excuses fails here.
"""

import json
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from playwright.async_api import Browser, BrowserContext

from tests.console.browsing import LANGUAGES, WIDE
from tests.console.world import World, password_of
from tests.support.server import REPOSITORY

FIGURES: Final = REPOSITORY / "build" / "console-figures.json"
SCRIPT_BYTES_MAX: Final = 350_000
_LINE: Final = {"offline": False, "latency": 40, "downloadThroughput": 500_000, "uploadThroughput": 125_000}
"""4 Mbit/s down."""
_INTERACTIVE: Final = """
new MutationObserver((_, observer) => {
  const ready = document.querySelector("#root h1, #root form");
  if (ready && !document.querySelector('[aria-busy="true"]')) {
    window.__interactive = performance.now();
    observer.disconnect();
  }
}).observe(document, { childList: true, subtree: true, attributes: true });
"""


@pytest.fixture
async def cold(browser: Browser) -> AsyncIterator[BrowserContext]:
    """A browser that has never been here."""
    context = await browser.new_context(locale=LANGUAGES["en"], viewport=WIDE)
    yield context
    await context.close()


async def _load(context: BrowserContext, address: str) -> dict[str, Any]:
    """Load a page over a slow line with nothing in the cache; give what it took."""
    page = await context.new_page()
    line = await context.new_cdp_session(page)
    sizes: dict[str, int] = {}
    addresses: dict[str, str] = {}
    line.on("Network.responseReceived", lambda told: addresses.update({told["requestId"]: told["response"]["url"]}))
    line.on("Network.loadingFinished", lambda told: sizes.update({told["requestId"]: int(told["encodedDataLength"])}))
    await line.send("Network.enable")
    await line.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await line.send("Network.emulateNetworkConditions", _LINE)
    await page.add_init_script(_INTERACTIVE)
    await page.goto(address)
    await page.wait_for_function("() => window.__interactive !== undefined")
    milliseconds = await page.evaluate("() => window.__interactive")
    scripts = [size for each, size in sizes.items() if addresses.get(each, "").split("?")[0].endswith(".js")]
    await page.close()
    return {
        "interactive_milliseconds": round(milliseconds),
        "script_bytes": sum(scripts),
        "scripts": len(scripts),
        "all_bytes": sum(sizes.values()),
        "requests": len(sizes),
    }


async def test_the_first_pages_are_light_and_how_fast_they_are_is_written_down(
    cold: BrowserContext, world: World
) -> None:
    figures = {"login": await _load(cold, f"{world.url}/login")}
    answer = await cold.request.post(
        f"{world.url}/api/login", data={"login": world.logins["owner"], "password": password_of("owner")}
    )
    assert answer.ok
    figures["tenant home"] = await _load(cold, f"{world.url}/t/{world.ids['tenantId']}")
    FIGURES.parent.mkdir(exist_ok=True)
    FIGURES.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

    for name, page in figures.items():
        assert 0 < page["script_bytes"] < SCRIPT_BYTES_MAX, (name, page)
        # 1.5 s is the aim and the figure; this is what would make a person leave on any machine.
        assert page["interactive_milliseconds"] < 15_000, (name, page)


async def test_a_second_visit_loads_no_script_again(cold: BrowserContext, world: World) -> None:
    page = await cold.new_page()
    await page.goto(f"{world.url}/login", wait_until="networkidle")
    again: list[str] = []
    page.on("response", lambda answer: again.append(answer.url) if "/assets/" in answer.url else None)

    await page.goto(f"{world.url}/login", wait_until="networkidle")

    fetched = await page.evaluate(
        "() => performance.getEntriesByType('resource').filter((each) => each.name.includes('/assets/')"
        " && each.transferSize > 0).map((each) => each.name)"
    )
    assert again
    assert fetched == []
