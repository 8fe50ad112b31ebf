"""Chromium for measurements: a cold load over a slow line, and what a page costs while it is open."""

import contextlib
import os
import shutil
from collections.abc import AsyncIterator
from typing import Any, Final

import msgspec
from playwright.async_api import Browser, BrowserContext, CDPSession, Page, ViewportSize, async_playwright

LINE: Final = {"offline": False, "latency": 40, "downloadThroughput": 500_000, "uploadThroughput": 125_000}
"""4 Mbit/s down, 40 ms to the first byte of each answer."""
WINDOW: Final[ViewportSize] = {"width": 1280, "height": 800}
_PATIENCE_MILLISECONDS: Final = 60_000

# Interactive is: what the page is for can be read, nothing in it is still being loaded, a frame with it has been drawn,
# and the thread that answers keys and clicks was free after that. Drawings of charts are lazy, and timed by themselves;
# their tables and titles are not.
WATCH: Final = """
window.__blocked = [];
new PerformanceObserver((list) => {
  for (const task of list.getEntries()) window.__blocked.push([task.startTime, task.duration]);
}).observe({ type: "longtask", buffered: true });
(() => {
  const busy = '[aria-busy="true"], .mantine-Skeleton-root:not(.tg-chart *)';
  const look = () => {
    const there = document.querySelector("#root main h1, #root main form, #root main .tg-markdown");
    if (!there || document.querySelector(`#root main :is(${busy})`)) return;
    if (window.__content === undefined) {
      window.__content = performance.now();
      requestAnimationFrame(() => setTimeout(() => { window.__interactive = performance.now(); }));
    }
    const charts = document.querySelectorAll(".tg-chart").length;
    const drawn = document.querySelectorAll(".tg-chart .recharts-surface, .tg-chart p").length;
    if (drawn < charts || document.querySelector(".tg-chart .mantine-Skeleton-root")) return;
    window.__drawn = performance.now();
    observer.disconnect();
  };
  const observer = new MutationObserver(look);
  observer.observe(document, { childList: true, subtree: true, attributes: true });
})();
"""


# A row tells when it was recorded by the id in its link. What is newest on the screen came last; what is oldest of the
# same part waited for it since the part before.
FOLLOW: Final = """
(() => {
  let frames, gaps, last, began, newest, oldest, top, partAt;
  const tasks = [];
  new PerformanceObserver((list) => {
    for (const task of list.getEntries()) tasks.push([task.startTime, task.duration]);
  }).observe({ type: "longtask", buffered: true });
  const tick = (now) => {
    if (began !== undefined) {
      frames++;
      if (last !== undefined) gaps.push(now - last);
      last = now;
      const link = document.querySelector(".tg-live-body .tg-live-row a")?.getAttribute("href") ?? "";
      if (link !== top) {
        const at = Number(/row=[^\\d]*(\\d+)-/.exec(decodeURIComponent(link))?.[1] ?? 0) / 1000;
        if (top && partAt) {
          newest.push(Date.now() - at);
          oldest.push(Date.now() - partAt);
        }
        top = link;
        partAt = at;
      }
    }
    requestAnimationFrame(tick);
  };
  requestAnimationFrame(tick);
  const share = (list, part) => [...list].sort((a, b) => a - b)[Math.floor(list.length * part)] ?? 0;
  window.__begin = () => {
    [frames, gaps, newest, oldest, top, partAt, last] = [0, [], [], [], "", 0, undefined];
    began = performance.now();
  };
  window.__end = () => {
    const long = tasks.filter(([at]) => at >= began).map(([, took]) => took);
    return {
      frames, seconds: (performance.now() - began) / 1000,
      frame_p99: share(gaps, 0.99), frame_worst: Math.max(0, ...gaps),
      long_tasks: long.length, long_worst: Math.max(0, ...long),
      newest_p50: share(newest, 0.5), oldest_p95: share(oldest, 0.95),
    };
  };
})();
"""


# The address changes as a filter changes it; then the rows go, and others come, or the word that there are none. What
# is measured ends with the frame that shows them.
LISTS: Final = """
(() => {
  const rows = () => document.querySelectorAll(".tg-table-card .tg-table tbody tr").length;
  const shown = () => !document.querySelector('.tg-table-card [aria-busy="true"]')
    && (rows() > 0 || document.querySelector(".tg-table-note .tg-empty, .tg-table-foot"));
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  const until = (there) => new Promise((resolve, reject) => {
    const patience = setTimeout(() => {
      observer.disconnect();
      reject(new Error(`${location.href} does not come to ${there}: ${document.querySelector("main").innerText}`));
    }, 20000);
    const look = () => { if (there()) { clearTimeout(patience); observer.disconnect(); resolve(); } };
    const observer = new MutationObserver(look);
    observer.observe(document, { childList: true, subtree: true, attributes: true, characterData: true });
    look();
  });
  window.__filter = async (address) => {
    const before = document.querySelector(".tg-table-card .tg-table tbody tr, .tg-table-note .tg-empty");
    const began = performance.now();
    history.pushState({}, "", address);
    await until(() => !before || !before.isConnected);
    await until(shown);
    await frame();
    return performance.now() - began;
  };
  window.__more = async () => {
    const button = () => document.querySelector(".tg-table-foot button");
    // While the rows that are there are read anew, it waits.
    await until(() => !button() || !button().disabled);
    if (!button()) return null;
    const before = rows();
    const began = performance.now();
    button().click();
    await until(() => rows() > before);
    await frame();
    return performance.now() - began;
  };
})();
"""


class Load(msgspec.Struct, frozen=True, kw_only=True):
    """What one load of a page took: times in milliseconds since it was asked for, and bytes on the wire."""

    interactive: float
    painted: float
    """The first text or picture."""
    drawn: float
    """With its charts."""
    blocked: float
    """What tasks before interactive took beyond 50 ms each."""
    script_bytes: int
    """Up to interactive."""
    all_bytes: int
    requests: int
    waterfall: list[tuple[str, float, float, int]]
    """What was loaded: its name, when it was asked for, when it was there, and its bytes."""


@contextlib.asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Run Debian's Chromium."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    if program is None:
        raise RuntimeError("there is no Chromium: apt install chromium")
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=program,
            args=[*sandbox, "--disable-dev-shm-usage", "--disable-gpu", "--enable-precise-memory-info"],
        )
        try:
            yield browser
        finally:
            await browser.close()


async def log_in(context: BrowserContext, url: str, login: str, password: str) -> None:
    """Log a browser profile in."""
    answer = await context.request.post(f"{url}/api/login", data={"login": login, "password": password})
    if not answer.ok:
        raise RuntimeError(f"{login} cannot log in: {await answer.text()}")


async def load(context: BrowserContext, address: str) -> Load:
    """Load a page over a slow line with nothing in the cache."""
    page = await context.new_page()
    line = await context.new_cdp_session(page)
    wire = _Wire(line)
    await line.send("Network.enable")
    await line.send("Network.setCacheDisabled", {"cacheDisabled": True})
    await line.send("Network.emulateNetworkConditions", LINE)
    await page.add_init_script(WATCH)
    await page.goto(address, wait_until="commit")
    await page.wait_for_function(
        "() => window.__drawn !== undefined && window.__interactive !== undefined", timeout=_PATIENCE_MILLISECONDS
    )
    times: dict[str, Any] = await page.evaluate(
        "() => ({ interactive: window.__interactive, drawn: window.__drawn, blocked: window.__blocked,"
        " painted: performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? NaN })"
    )
    await page.close()
    waterfall = wire.waterfall()
    before = [each for each in waterfall if each[2] <= times["interactive"]]
    return Load(
        interactive=times["interactive"],
        painted=times["painted"],
        drawn=max(times["drawn"], times["interactive"]),
        blocked=sum(max(0.0, took - 50) for began, took in times["blocked"] if began < times["interactive"]),
        script_bytes=sum(size for name, _, _, size in before if name.endswith(".js")),
        all_bytes=sum(size for _, _, _, size in before),
        requests=len(before),
        waterfall=waterfall,
    )


class _Wire:
    def __init__(self, line: CDPSession) -> None:
        self._sent: dict[str, tuple[str, float]] = {}
        self._done: dict[str, tuple[float, int]] = {}
        line.on("Network.requestWillBeSent", self._asked)
        line.on("Network.loadingFinished", self._came)

    def _asked(self, told: Any) -> None:
        self._sent[told["requestId"]] = (told["request"]["url"], told["timestamp"])

    def _came(self, told: Any) -> None:
        self._done[told["requestId"]] = (told["timestamp"], int(told["encodedDataLength"]))

    def waterfall(self) -> list[tuple[str, float, float, int]]:
        began = min(at for _, at in self._sent.values())
        return sorted(
            (
                (_name(url), 1000 * (at - began), 1000 * (self._done[key][0] - began), self._done[key][1])
                for key, (url, at) in self._sent.items()
                if key in self._done
            ),
            key=lambda each: each[1],
        )


def _name(url: str) -> str:
    path = url.split("?", 1)[0].split("/", 3)[-1]
    return path or "/"


async def metrics(line: CDPSession) -> dict[str, float]:
    """Give what the page has used so far, in seconds and bytes."""
    told = await line.send("Performance.getMetrics")
    return {each["name"]: each["value"] for each in told["metrics"]}


async def heap_bytes(page: Page, line: CDPSession) -> float:
    """Give the memory of the page's script after what is garbage is gone."""
    await line.send("HeapProfiler.collectGarbage")
    used: float = await page.evaluate("() => performance.memory.usedJSHeapSize")
    return used
