"""Chromium over the console: what went wrong on a page, whether it is accessible, and pictures of it."""

import contextlib
import re
from pathlib import Path
from typing import Any, Final, NamedTuple

from playwright.async_api import BrowserContext, ConsoleMessage, Locator, Page, Request, Response, ViewportSize, expect
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import TimeoutError as PlaywrightTimeoutError

from tests.support.server import REPOSITORY

SCREENSHOTS: Final = REPOSITORY / "build" / "screenshots"
AXE: Final = REPOSITORY / "app" / "console" / "node_modules" / "axe-core" / "axe.min.js"
LANGUAGES: Final = {"en": "en-US", "zh-CN": "zh-CN"}
THEMES: Final = ("light", "dark")
WIDE: Final[ViewportSize] = {"width": 1280, "height": 800}
NARROW: Final[ViewportSize] = {"width": 360, "height": 800}
ZOOMED: Final[ViewportSize] = {"width": WIDE["width"] // 2, "height": WIDE["height"] // 2}
"""What is left of the window at 200 %."""
SETTLE_MILLISECONDS: Final = 30_000
_TAGS: Final = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]

# Quiet is: a heading is there, nothing is said to be loading, and that for a moment.
_SETTLED: Final = """
() => {
  const quiet = document.querySelector("#root :is(h1, main iframe, main .tg-markdown)") !== null
    && document.querySelector('[aria-busy="true"]') === null
    && document.querySelector(".mantine-Skeleton-root, .mantine-Loader-root") === null
    && document.readyState === "complete";
  if (!quiet) { window.__quietSince = undefined; return false; }
  window.__quietSince ??= performance.now();
  return performance.now() - window.__quietSince > 250;
}
"""
_LEAVE: Final = """
(path) => {
  const page = document.querySelector("main .tg-page");
  if (page && new URL(path, location.href).pathname !== location.pathname) page.dataset.left = "true";
  history.pushState({}, "", path);
}
"""
_LEFT: Final = "() => document.querySelector('main [data-left]') === null"
_DRAWN: Final = "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done())))"
_LISTEN: Final = """
window.__violations = [];
document.addEventListener("securitypolicyviolation", (event) => {
  const place = `${event.sourceFile}:${event.lineNumber}`;
  window.__violations.push(`${event.violatedDirective}: ${event.blockedURI} (${place})`);
});
"""
_CALM_MILLISECONDS: Final = 5000.0
_SIDEWAYS: Final = """
() => {
  const width = document.documentElement.clientWidth;
  const beyond = document.documentElement.scrollWidth - width;
  // Both are rounded.
  if (beyond <= 1) return [];
  const scrolls = (element) => {
    // What is placed absolutely scrolls only with what it is placed in.
    let placed = getComputedStyle(element).position === "absolute";
    for (let at = element.parentElement; at && at !== document.body; at = at.parentElement) {
      const style = getComputedStyle(at);
      placed &&= style.position === "static";
      if (!placed && /auto|scroll|hidden|clip/.test(style.overflowX)) return true;
    }
    return false;
  };
  const wide = [...document.querySelectorAll("#root *")]
    .filter((each) => each.getBoundingClientRect().right > width + 1 && !scrolls(each))
    .map((each) => `${each.tagName.toLowerCase()}.${[...each.classList].join(".")} "${each.textContent.slice(0, 40)}"`);
  return [`${beyond} px too wide`, ...wide.slice(0, 5)];
}
"""
_AXE: Final = """
async ({ type, values, within }) => {
  const rules = { runOnly: { type, values }, resultTypes: ["violations"] };
  const chosen = within && [...document.querySelectorAll(within)].filter((each) => each.checkVisibility());
  const found = await axe.run(chosen?.length ? { include: chosen } : document, rules);
  return found.violations.map((rule) => ({
    rule: rule.id, impact: rule.impact, help: rule.help,
    nodes: rule.nodes.map((node) => ({ target: node.target.flat().join(" "), why: node.any.concat(node.all, node.none)
      .map((check) => check.message).slice(0, 2).join("; ") || node.failureSummary })),
  }));
}
"""
_PAPER: Final = """
() => {
  const shown = (selector) => [...document.querySelectorAll(selector)].some((each) => each.checkVisibility());
  const light = (color) => color.match(/[\\d.]+/g).slice(0, 3).reduce((sum, each) => sum + Number(each), 0);
  const sheet = document.querySelector(".tg-print-sheet .mantine-Drawer-content") ?? document.querySelector("main");
  return {
    frame: [".tg-header", ".tg-navbar", ".tg-footer", ".mantine-Drawer-overlay"].filter(shown).concat(
      [...document.querySelectorAll("button")].filter((each) => each.checkVisibility()).map((each) => each.outerHTML)),
    ground: light(getComputedStyle(document.body).backgroundColor),
    ink: Math.max(...[...sheet.querySelectorAll("td")].slice(0, 20).map((each) => light(getComputedStyle(each).color))),
  };
}
"""
_WHITE: Final = 3 * 255


class Watched:
    """One tab, and everything that went wrong in it."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self._url = url
        self._troubles: list[str] = []
        page.on("console", self._console)
        page.on("pageerror", lambda error: self._troubles.append(f"uncaught: {error}"))
        page.on("request", self._request)
        page.on("response", self._response)
        page.on("requestfailed", self._failed)

    async def open(self, path: str) -> None:
        """Go to a page and wait until it has settled."""
        await self.page.goto(f"{self._url}{path}")
        await self.settle()

    async def settle(self) -> None:
        """Wait until nothing loads any more."""
        try:
            await self.page.wait_for_function(_SETTLED, timeout=SETTLE_MILLISECONDS)
        except PlaywrightError as error:
            seen = (await self.page.inner_text("body"))[:500]
            raise AssertionError(f"{self.page.url} does not settle: {self._troubles} {seen!r}") from error

    async def troubles(self) -> list[str]:
        """Give what went wrong since the last time that this was asked."""
        violations = await self.page.evaluate("() => window.__violations.splice(0)")
        found = [*self._troubles, *(f"content security policy: {each}" for each in violations)]
        self._troubles.clear()
        return found

    async def go(self, path: str) -> None:
        """Go to another page of the console as its links do, without loading it again."""
        await self.page.evaluate(_LEAVE, path)
        await self.page.wait_for_function(_LEFT)
        await self.settle()

    async def axe(self, within: str | None = None, *, rule: str | None = None) -> list[str]:
        """Give what is not accessible by WCAG 2.2 AA, a line each: of what is in sight of `within`, else of all.

        With `rule` only that one is looked at.
        """
        if not await self.page.evaluate("() => 'axe' in window"):
            # By the debugging protocol: the page's policy lets no script in, and is to stay as it is.
            await self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found: list[dict[str, Any]] = await self.page.evaluate(
            _AXE, {"type": "rule" if rule else "tag", "values": [rule] if rule else _TAGS, "within": within}
        )
        return [
            f"axe {broken['rule']} ({broken['impact']}): {node['target']}: {node['why']}"
            for broken in found
            for node in broken["nodes"][:4]
        ]

    async def turn(self, theme: str) -> None:
        """Turn to a theme, and wait until every color is that of it."""
        await self.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
        await self.page.wait_for_selector(f'html[data-mantine-color-scheme="{theme}"]', state="attached")
        await self.page.evaluate(_DRAWN)

    async def sideways(self) -> list[str]:
        """Give what makes the page scroll sideways, once charts have come to the width of the window."""
        with contextlib.suppress(PlaywrightTimeoutError):
            await self.page.wait_for_function(f"() => ({_SIDEWAYS})().length === 0", timeout=_CALM_MILLISECONDS)
        found: list[str] = await self.page.evaluate(_SIDEWAYS)
        return found

    async def shoot(self, name: str, *, whole: bool = True) -> Path:
        """Take a picture of the whole page, or of what is in the window."""
        SCREENSHOTS.mkdir(parents=True, exist_ok=True)
        path = SCREENSHOTS / f"{name}.png"
        await self.page.screenshot(path=path, full_page=whole, animations="disabled", caret="hide")
        return path

    def _console(self, message: ConsoleMessage) -> None:
        # An answer that is an error is looked at as one, by its status.
        if message.type in {"error", "warning"} and not message.text.startswith("Failed to load resource"):
            self._troubles.append(f"console {message.type}: {message.text}")

    def _request(self, request: Request) -> None:
        if not request.url.startswith((f"{self._url}/", "data:", "blob:", "about:")):
            self._troubles.append(f"request to another host: {request.url}")

    def _response(self, response: Response) -> None:
        nobody = response.status == 401 and response.url.endswith("/api/me")
        if response.status >= 400 and not nobody:
            self._troubles.append(f"{response.status} {response.request.method} {response.url}")

    def _failed(self, request: Request) -> None:
        # Whoever leaves a page breaks off what it still asked for.
        if "ERR_ABORTED" not in (request.failure or ""):
            self._troubles.append(f"failed: {request.method} {request.url}: {request.failure}")


class Paper(NamedTuple):
    """A page as it would be printed, by somebody who uses the dark theme."""

    frame: list[str]
    """What is on it of the console around the page, and of what is only to be clicked."""
    is_white: bool
    """Black on white, that is."""


async def on_paper(page: Page) -> Paper:
    """Turn to what is printed; `emulate_media` turns back."""
    await page.emulate_media(media="screen", color_scheme="dark")
    await page.wait_for_selector('html[data-mantine-color-scheme="dark"]', state="attached")
    await page.emulate_media(media="print", color_scheme="dark")
    await page.wait_for_selector('html[data-mantine-color-scheme="light"]', state="attached")
    seen = await page.evaluate(_PAPER)
    return Paper(seen["frame"], seen["ground"] == _WHITE and seen["ink"] < _WHITE / 2)


async def watched(context: BrowserContext, url: str) -> Watched:
    """Open a tab."""
    page = await context.new_page()
    await page.add_init_script(_LISTEN)
    return Watched(page, url)


async def confirm_password(page: Page, done: Locator, password: str) -> None:
    """Give the password again, where the server asks for it before it goes on; `done` is what is there once it has."""
    field = page.get_by_label("Password", exact=True)
    await expect(field.or_(done).first).to_be_visible(timeout=SETTLE_MILLISECONDS)
    if await field.is_visible():
        await field.fill(password)
        await field.press("Enter")


def untranslated(text: str, namespaces: list[str]) -> list[str]:
    """Give what looks like the name of a text where the text should be."""
    names = "|".join(map(re.escape, namespaces))
    return sorted(set(re.findall(rf"\b(?:{names})[:.][A-Za-z]\w*(?:\.\w+)*\b", text)))
