"""The web console's speed in a real browser: `make bench-console`, or `python -m tests.bench.console`.

Cold loads of first pages over 4 Mbit/s. Milliseconds depend on what else the machine does, bytes and requests do not.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import os
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from playwright.async_api import Browser

from app.web.build import DIST
from tests.bench.browser import WINDOW, Load, chromium, load, log_in
from tests.bench.processes import ROOT
from tests.bench.report import Surroundings
from tests.console.world import World, business, password_of
from tests.support.operator import FIRST_PASSWORD
from tests.support.server import run_server_process

INTERACTIVE_MILLISECONDS: Final = 1500.0
SCRIPT_BYTES: Final = 350_000
_RESULTS: Final = ROOT / "bench-results"


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Run a server with a small business on it."""
    if not (DIST / "build.json").is_file():
        raise RuntimeError("the console is not built: make console")
    async with run_server_process({"ROOT_PASSWORD": FIRST_PASSWORD}) as process, business(process) as founded:
        yield founded


async def cold(browser: Browser, founded: World, repeats: int) -> dict[str, list[Load]]:
    """Load each first page so many times."""
    tenant = founded.ids["tenantId"]
    pages = (
        ("login", "", "/login"),
        ("tenant: home", "owner", f"/t/{tenant}"),
        ("tenant: requests", "owner", f"/t/{tenant}/requests"),
        ("operator: overview", "root", "/admin/overview"),
        ("operator: live log", "root", "/admin/live"),
    )
    found: dict[str, list[Load]] = {}
    for name, role, path in pages:
        context = await browser.new_context(locale="en-US", viewport=WINDOW)
        if role:
            await log_in(context, founded.url, founded.logins[role], password_of(role))
        found[name] = [await load(context, f"{founded.url}{path}") for _ in range(repeats)]
        _say(f"{name}: {', '.join(f'{each.interactive:.0f}' for each in found[name])} ms")
        await context.close()
    return found


def render_cold(found: dict[str, list[Load]]) -> list[str]:
    """Give the table of cold loads."""
    lines = [
        "## Cold loads, 4 Mbit/s and 40 ms",
        "",
        (
            f"Interactive within {INTERACTIVE_MILLISECONDS:.0f} ms with {SCRIPT_BYTES:,} bytes of script is wanted."
            " Medians; bytes and requests are those before interactive."
        ),
        "",
        "| page | interactive ms | best | worst | painted | charts | blocked | script bytes | all bytes | requests |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name, loads in found.items():
        times = [each.interactive for each in loads]
        typical = sorted(loads, key=lambda each: each.interactive)[len(loads) // 2]
        lines.append(
            f"| {name} | {statistics.median(times):.0f} | {min(times):.0f} | {max(times):.0f} | {typical.painted:.0f}"
            f" | {typical.drawn:.0f} | {typical.blocked:.0f} | {typical.script_bytes:,} | {typical.all_bytes:,}"
            f" | {typical.requests} |"
        )
    return [*lines, ""]


def render_waterfalls(found: dict[str, list[Load]]) -> list[str]:
    """Give what each page loads, in order, of its best load."""
    lines: list[str] = []
    for name, loads in found.items():
        best = min(loads, key=lambda each: each.interactive)
        lines += [f"### {name}: {best.interactive:.0f} ms", "", "```"]
        lines += [f"{asked:6.0f} {came:6.0f} {size:8,}  {what}" for what, asked, came, size in best.waterfall]
        lines += ["```", ""]
    return lines


async def _run(arguments: argparse.Namespace) -> str:
    surroundings = Surroundings.look(ROOT)
    lines = [
        "# The console's speed",
        "",
        (
            f"Measured {surroundings.began} by `make bench-console` on {surroundings.machine}; load average at first"
            f" {surroundings.load_average:.1f}."
        ),
        "",
    ]
    async with chromium() as browser, world() as founded:
        if "cold" in arguments.parts:
            loads = await cold(browser, founded, arguments.repeats)
            lines += render_cold(loads)
            if arguments.waterfall:
                lines += render_waterfalls(loads)
    return "\n".join(lines)


PARTS: Final[Sequence[str]] = ("cold",)


def main() -> None:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(prog="make bench-console", description="Measure the web console in a browser")
    parser.add_argument("parts", nargs="*", choices=PARTS, default=list(PARTS), help="all if left out")
    parser.add_argument("--repeats", type=int, default=7, help="cold loads of each page")
    parser.add_argument("--waterfall", action="store_true", help="show what each page loads, and when")
    arguments = parser.parse_args()
    table = asyncio.run(_run(arguments))
    _RESULTS.mkdir(exist_ok=True)
    path = _RESULTS / f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H%M%SZ}-console.md"
    path.write_text(table, encoding="utf-8")
    sys.stdout.write(table)
    _say(f"kept in {os.path.relpath(path)}")


if __name__ == "__main__":
    main()
