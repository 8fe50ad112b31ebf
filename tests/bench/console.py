"""The web console's speed in a real browser: `make bench-console`, or `python -m tests.bench.console`.

Cold loads of first pages over 4 Mbit/s, the live log at 200 requests/s, and, on a data directory with millions of
requests, pages and filters of the log. Milliseconds depend on what else the machine does, bytes and requests do not.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Final

import aiohttp
import msgspec
from playwright.async_api import Browser, BrowserContext

from app.web.build import DIST
from tests.bench.browser import FOLLOW, LISTS, WINDOW, Load, chromium, heap_bytes, load, log_in, metrics
from tests.bench.load import Order, Sample
from tests.bench.prepare import MODEL_AT_ONCE
from tests.bench.processes import ROOT, Service, fast_vendor, generator
from tests.bench.procfs import is_postgres, process_tree
from tests.bench.report import Surroundings
from tests.console.world import World, business, password_of
from tests.support.operator import FIRST_PASSWORD, PASSWORD, Operator
from tests.support.operator import log_in as log_in_first
from tests.support.server import ServerProcess, run_server_process

INTERACTIVE_MILLISECONDS: Final = 1500.0
SCRIPT_BYTES: Final = 350_000
RATE: Final = 200.0
FRAMES_PER_SECOND: Final = 58.0
LONG_TASKS: Final = 0
LIST_MILLISECONDS: Final = 300.0
_LOOKS_MAX: Final = 40
_SLOWEST_SHOWN: Final = 25
_SINCE: Final = "2026-10-21T12:00:00Z"
_UNTIL: Final = "2026-11-30T12:00:00Z"
_PAST: Final = "2026-11-20T12:00:00Z"
_OLDEST: Final = "2026-10-21T18:00:00Z"
_OPERATOR: Final = "olga.admin"
"""Of the demo data."""
_BOTH: Final = (
    "states=voided", "states=expired", "states=refused", "code=vendor_failed", "tag=production",
    "stream=true", "latency_min=20000", "charged_min=0.2",
)  # fmt: skip
_NOBODY: Final = (
    "token_id", "user_id", "model_asked", "model_routed", "model_billed", "channel_id", "vendor", "tag", "surface",
    "outcome", "code", "basis", "card_id", "limit_name",
)  # fmt: skip
"""What is asked for with a value that nothing has, which is looked for in all that there is."""
_AT_SERVER: Final = (
    *(f"{name}=nobody" for name in _NOBODY),
    *(f"states={name}" for name in ("captured", "adjusted", "attempt_failed")),
    *("stream=false", "cached=false", "status=429", "status=404", "card_version=2", "card_version=9"),
    *("multiplier=1", "multiplier=7.7", "attempts_min=2", "attempts_min=9"),
    *("latency_min=1000", "latency_min=90000000", "latency_max=1", "first_byte_min=90000000", "first_byte_max=1"),
    *("tokens_min=1000", "tokens_min=900000000", "tokens_max=0", "input_tokens_min=1000", "input_tokens_min=60000"),
    *("input_tokens_min=900000000", "output_tokens_min=1000", "output_tokens_min=900000000"),
    *("charged_min=0.001", "charged_min=10000"),
    # Two at once: each of them common, and both together rare or never.
    *("card_version=1&status=500", "card_version=1&latency_min=20000", "code=vendor_failed&model_asked=gpt-5-mini"),
    *("status=500&cached=true", "states=expired&stream=true", "tag=production&latency_min=20000"),
    *("tokens_min=60000&stream=false", "states=refused&cached=false"),
)
"""What the tenant filters by, too, beside what is looked for in a browser."""
_AT_SERVER_OPERATOR: Final = ("cost_min=0.001", "cost_min=10000", "margin_max=0", "margin_max=-1000")
_RESULTS: Final = ROOT / "bench-results"


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """What the live log cost: times in milliseconds, shares of one core."""

    unseen: Sample
    """The same load while nobody looks."""
    seen: Sample
    followers: int
    heard: int
    frames_per_second: float
    frame_p99: float
    frame_worst: float
    long_tasks: int
    long_worst: float
    script_share: float
    task_share: float
    heap_grown: float
    nodes_grown: float
    newest_p50: float
    oldest_p95: float


class Served(msgspec.Struct, frozen=True):
    """What the API took for one filter, in milliseconds."""

    first: list[float]
    """The first look of each try."""
    further: list[float]
    """What led to the second page: looks from where the one before had ended."""
    looks: int
    """Up to two full pages, or to the end of the range."""

    def worst(self) -> float:
        return max(*self.first, *self.further, 0.0)


class Lists(msgspec.Struct, frozen=True):
    """Filters and pages of a long log, by who reads it."""

    requests: int
    shown: dict[str, dict[str, list[float]]]
    """In a browser, from the click to the rows."""
    served: dict[str, dict[str, Served]]


class Goal(msgspec.Struct, frozen=True):
    """One target, and what was reached."""

    name: str
    wanted: float
    reached: float
    unit: str
    at_least: bool = False

    def row(self) -> str:
        met = self.reached >= self.wanted if self.at_least else self.reached <= self.wanted
        bound = "at least" if self.at_least else "at most"
        return (
            f"| {self.name} | {bound} {self.wanted:,.0f} {self.unit} | {self.reached:,.0f} {self.unit}"
            f" | {'met' if met else '**missed**'} |"
        )


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


@contextlib.asynccontextmanager
async def world() -> AsyncIterator[World]:
    """Run a server with a small business on it."""
    if not (DIST / "build.json").is_file():
        raise RuntimeError("the console is not built: make console")
    async with run_server_process({"ROOT_PASSWORD": FIRST_PASSWORD}) as process, business(process) as founded:
        yield founded


@contextlib.asynccontextmanager
async def bare_world() -> AsyncIterator[World]:
    """Run a server with nothing on it yet."""
    async with (
        run_server_process({"ROOT_PASSWORD": FIRST_PASSWORD}) as process,
        log_in_first(process, FIRST_PASSWORD) as root,
    ):
        yield World(process, root)


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


async def live(browser: Browser, founded: World, seconds: float, followers: int) -> Live:
    """Call models at a steady rate: first unseen, then with the live log open in a browser and so many followers."""
    async with fast_vendor(delay_milliseconds=150) as vendor, generator() as load_generator:
        order = await _order(founded, vendor, seconds)
        unseen = await load_generator.measure(msgspec.structs.replace(order, seconds=seconds / 3))
        context = await browser.new_context(locale="en-US", viewport=WINDOW)
        await log_in(context, founded.url, "root", password_of("root"))
        page = await context.new_page()
        line = await context.new_cdp_session(page)
        await page.add_init_script(FOLLOW)
        await page.goto(f"{founded.url}/admin/live", wait_until="commit")
        await page.wait_for_selector(".tg-live-body .tg-live-row")
        await line.send("Performance.enable")
        heard = [0] * followers
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_follow(founded, heard, at)) for at in range(followers)]
            measuring = group.create_task(load_generator.measure(order))
            await asyncio.sleep(order.warmup_seconds)
            before, heap = await metrics(line), await heap_bytes(page, line)
            await page.evaluate("() => window.__begin()")
            seen = await measuring
            told = await page.evaluate("() => window.__end()")
            after, grown = await metrics(line), await heap_bytes(page, line) - heap
            for task in tasks:
                task.cancel()
        await context.close()
    lasted = after["Timestamp"] - before["Timestamp"]
    return Live(
        unseen=unseen,
        seen=seen,
        followers=followers,
        heard=sum(heard),
        frames_per_second=told["frames"] / told["seconds"],
        frame_p99=told["frame_p99"],
        frame_worst=told["frame_worst"],
        long_tasks=told["long_tasks"],
        long_worst=told["long_worst"],
        script_share=(after["ScriptDuration"] - before["ScriptDuration"]) / lasted,
        task_share=(after["TaskDuration"] - before["TaskDuration"]) / lasted,
        heap_grown=grown,
        nodes_grown=after["Nodes"] - before["Nodes"],
        newest_p50=told["newest_p50"],
        oldest_p95=told["oldest_p95"],
    )


async def _order(founded: World, vendor: Service, seconds: float) -> Order:
    await founded.root.publish({MODEL_AT_ONCE: {"input": "0.15", "output": "0.60"}})
    await founded.root.channel(f"http://127.0.0.1:{vendor.port}/v1", MODEL_AT_ONCE, name="Fast")
    customers = [await founded.root.customer(name=f"Busy {n}", credit="1000") for n in range(10)]
    await _call(founded, customers[0].secret)
    server = founded.server
    tree = process_tree(server.pid)
    database = [pid for pid in [*tree, *process_tree(server.postgres_pid)] if is_postgres(pid)]
    return Order(
        port=server.port,
        model=MODEL_AT_ONCE,
        tokens=[customer.secret for customer in customers],
        connections=64,
        requests_per_second=RATE,
        warmup_seconds=3.0,
        seconds=seconds,
        pids={"app": [pid for pid in tree if not is_postgres(pid)], "postgres": sorted(set(database))},
    )


async def _call(founded: World, secret: str) -> None:
    """Call once, to hear in words what goes wrong."""
    body = {"model": MODEL_AT_ONCE, "messages": [{"role": "user", "content": "Hello?"}]}
    headers = {"authorization": f"Bearer {secret}"}
    async with (
        aiohttp.ClientSession() as session,
        session.post(f"{founded.url}/v1/chat/completions", json=body, headers=headers) as answer,
    ):
        if answer.status != 200:
            raise RuntimeError(f"a call is answered with {answer.status}: {await answer.text()}")


async def _follow(founded: World, heard: list[int], at: int) -> None:
    timeout = aiohttp.ClientTimeout(total=None)
    async with (
        aiohttp.ClientSession(headers=founded.root.headers, timeout=timeout, read_bufsize=2**20) as session,
        session.get(f"{founded.url}/api/reports/requests/live") as answer,
    ):
        async for part in answer.content.iter_any():
            heard[at] += part.count(b"\nevent: request\n")


def render_live(found: Live) -> list[str]:
    """Give the tables of the live log."""
    rows = (
        ("frames per second", f"{found.frames_per_second:.1f}"),
        ("time between frames, 99th percentile and worst", f"{found.frame_p99:.0f} and {found.frame_worst:.0f} ms"),
        ("tasks of more than 50 ms, and the worst", f"{found.long_tasks} and {found.long_worst:.0f} ms"),
        ("share of one core in script, and in all tasks", f"{found.script_share:.1%} and {found.task_share:.1%}"),
        ("memory of the script after garbage, grown by", f"{found.heap_grown / 2**20:.1f} MiB"),
        ("nodes of the document, grown by", f"{found.nodes_grown:.0f}"),
        ("from the event to its row: newest of what came, median", f"{found.newest_p50:.0f} ms"),
        ("from the event to its row: oldest of what came, 95th percentile", f"{found.oldest_p95:.0f} ms"),
        (f"rows that {found.followers} followers more received", f"{found.heard:,}"),
    )
    lines = [
        f"## The live log at {RATE:.0f} requests/s, {found.seen.seconds:.0f} s",
        "",
        "| in the browser | |",
        "|---|---|",
        *(f"| {name} | {figure} |" for name, figure in rows),
        "",
        "| at the server | nobody looks | browser and followers |",
        "|---|---|---|",
    ]
    sides = (found.unseen, found.seen)
    faults = [", ".join(f"{n} {what}" for what, n in each.faults.items()) or "none" for each in sides]
    server = {
        "requests/s answered": [f"{each.per_second:.0f}" for each in sides],
        "faults": faults,
        "latency p50, ms": [f"{each.latency_p50:.0f}" for each in sides],
        "latency p99, ms": [f"{each.latency_p99:.0f}" for each in sides],
        "cores, app": [f"{each.cpu_seconds['app'] / each.seconds:.2f}" for each in sides],
        "cores, PostgreSQL": [f"{each.cpu_seconds['postgres'] / each.seconds:.2f}" for each in sides],
    }
    lines += [f"| {name} | {' | '.join(figures)} |" for name, figures in server.items()]
    return [*lines, ""]


async def lists(browser: Browser, data: Path, repeats: int) -> Lists:
    """Filter and page the log of a data directory, as its operator and as the owner of its largest tenant."""
    _command(data, "migrate")
    passwords = {_OPERATOR: _new_password(data, _OPERATOR)}
    server = ServerProcess(data)
    await server.start()
    _say(f"serving {data}")
    shown: dict[str, dict[str, list[float]]] = {}
    served: dict[str, dict[str, Served]] = {}
    try:
        async with log_in_first(server, passwords[_OPERATOR], login=_OPERATOR) as root:
            await _whole(root)
            whole = f"from={_SINCE}&to={_UNTIL}"
            sums = (await root.get(f"/reports/top?{whole}&by=vendor&limit=500"))["rows"]
            requests = sum(row["sums"]["requests"] for row in sums)
            top = (await root.get(f"/reports/top?{whole}&by=tenant&limit=1"))["rows"][0]["keys"]["tenant"]
            members = (await root.get(f"/tenants/{top}/members?limit=500"))["items"]
            owner = next(each["login"] for each in members if each["role"] == "owner")
            passwords[owner] = _new_password(data, owner)
            values = await _values(root, int(top), whole)
            further = [*_AT_SERVER, *_AT_SERVER_OPERATOR]
            served["operator"] = await _serve(root, whole, [*values["operator"], *further], repeats)
            async with log_in_first(server, passwords[owner], login=owner) as member:
                theirs = f"{whole}&tenant_id={top}"
                served["tenant"] = await _serve(member, theirs, [*values["tenant"], *_AT_SERVER], repeats)
        for login, path in ((_OPERATOR, "/admin/requests"), (owner, f"/t/{top}/requests")):
            context = await browser.new_context(locale="en-US", viewport=WINDOW)
            await log_in(context, server.url, login, PASSWORD)
            name = "operator" if login == _OPERATOR else "tenant"
            shown[name] = await _walk(context, f"{server.url}{path}?{whole}", values[name], repeats)
            await context.close()
    finally:
        await server.close()
    return Lists(requests, shown, served)


async def _whole(root: Operator) -> None:
    """Wait until what this version makes of the log is made: data of another version are worked out anew."""
    told = False
    while any(each["filling"] is not None for each in (await root.get("/ledger/health"))["projections"]):
        if not told:
            _say("waiting until projections are rebuilt")
        told = True
        await asyncio.sleep(2.0)


async def _serve(client: Operator, whole: str, filters: Sequence[str], repeats: int) -> dict[str, Served]:
    """Ask the API for two pages with each filter, and for the last ones there are without any."""
    oldest = whole.replace(_query(whole, "to"), _OLDEST)
    asked = {"no filter": whole, "no filter, the last pages": oldest} | {each: f"{whole}&{each}" for each in filters}
    found = {}
    for name, query in asked.items():
        tries = [await _two_pages(client, query) for _ in range(repeats)]
        found[name] = Served(
            first=[times[0] for times in tries],
            further=[took for times in tries for took in times[1:]],
            looks=max(len(times) for times in tries),
        )
        if found[name].worst() > LIST_MILLISECONDS:
            _say(f"{name}: {found[name].worst():.0f} ms at the server")
    return found


async def _two_pages(client: Operator, query: str, rows: int = 100) -> list[float]:
    times: list[float] = []
    after = ""
    while rows > 0 and len(times) < _LOOKS_MAX:
        began = time.perf_counter()
        page = await client.get(f"/reports/requests?{query}&limit=50{after}")
        times.append(1000 * (time.perf_counter() - began))
        rows -= len(page["items"])
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    return times


async def _walk(context: BrowserContext, address: str, filters: list[str], repeats: int) -> dict[str, list[float]]:
    page = await context.new_page()
    await page.add_init_script(LISTS)
    await page.goto(address, wait_until="commit")
    await page.wait_for_selector(".tg-table-foot button")
    found: dict[str, list[float]] = {}
    for condition in filters:
        times = []
        for _ in range(repeats):
            # From all rows to the filtered ones, and back; the end moves, so that nothing is remembered.
            times.append(await page.evaluate("(address) => window.__filter(address)", f"{address}&{condition}"))
            found.setdefault("all rows again", []).append(
                await page.evaluate("(address) => window.__filter(address)", address)
            )
            address = _moved(address)
        found[condition] = times
        _say(f"{condition}: {', '.join(f'{each:.0f}' for each in times)} ms")
    for depth in (2, 3, 5, 10):
        while await page.locator(".tg-table-card .tg-table tbody tr").count() < 50 * (depth - 1):
            if await page.evaluate("() => window.__more()") is None:
                break
        found[f"page {depth}"] = [took for took in [await page.evaluate("() => window.__more()")] if took is not None]
    oldest = address.replace(_query(address, "to"), _OLDEST)
    found["the oldest page"] = [await page.evaluate("(address) => window.__filter(address)", oldest)]
    return found


def _query(address: str, name: str) -> str:
    return address.split(f"{name}=", 1)[1].split("&", 1)[0]


def _moved(address: str) -> str:
    """Give the address with an end a second earlier."""
    end = dt.datetime.fromisoformat(_query(address, "to")) - dt.timedelta(seconds=1)
    return address.replace(_query(address, "to"), end.isoformat().replace("+00:00", "Z"))


async def _values(root: Operator, tenant_id: int, whole: str) -> dict[str, list[str]]:
    """Give a filter on everything that the pages filter by, with values that the tenant has."""
    # None of them is on a first page: a row that is there with the filter and without it never goes.
    past = whole.replace(_query(whole, "to"), _PAST)
    some = (await root.get(f"/reports/requests?{past}&tenant_id={tenant_id}&limit=500"))["items"]
    one = next(row for row in some if row["state"] == "captured" and row["channel_id"])
    both = [f"{name}={one[name]}" for name in ("request_id", "token_id", "user_id", "model_asked")] + [*_BOTH]
    operators = [
        f"{name}={one[name]}" for name in ("channel_id", "vendor", "model_routed", "model_billed", "surface", "card_id")
    ]
    operators += [
        f"tenant_id={tenant_id}", "cached=true", "outcome=timeout", "status=500", "basis=vendor",
        "multiplier=1.1", "card_version=1", "limit_name=wallet", "attempts_min=3",
        "latency_max=5", "first_byte_min=2500", "first_byte_max=60", "tokens_min=60000", "output_tokens_min=4096",
        "charged_max=0", "cost_min=0.2", "margin_max=-0.1",
    ]  # fmt: skip
    return {"operator": [*both, *operators], "tenant": both}


def _command(data: Path, *words: str) -> str:
    environ = os.environ | {"TALLYGATE_DATA": str(data)}
    return subprocess.run(
        [sys.executable, "-m", "app", *words], cwd=ROOT, env=environ, check=True, capture_output=True, text=True
    ).stdout


def _new_password(data: Path, login: str) -> str:
    told: str = json.loads(_command(data, "user", "reset-password", login, "--json"))["password"]
    return told


def render_lists(found: Lists) -> list[str]:
    """Give the tables of lists, the slowest first."""
    lines = [
        f"## The request log of {found.requests:,} requests, from the click to the rows",
        "",
        (
            f"Within {LIST_MILLISECONDS:.0f} ms is wanted. The {_SLOWEST_SHOWN} slowest of"
            f" {sum(len(all_) for all_ in found.shown.values())}."
        ),
        "",
        "| who | what | median ms | worst |",
        "|---|---|---|---|",
    ]
    rows = [(who, what, times) for who, all_ in found.shown.items() for what, times in all_.items() if times]
    for who, what, times in sorted(rows, key=lambda each: -statistics.median(each[2]))[:_SLOWEST_SHOWN]:
        lines.append(f"| {who} | {what} | {statistics.median(times):.0f} | {max(times):.0f} |")
    lines += [
        "",
        "## The same at the server",
        "",
        (
            "Each call gives rows, or how far it has looked without any. *Looks* is how many it took to two full"
            f" pages or to the end. The {_SLOWEST_SHOWN} slowest of {sum(len(all_) for all_ in found.served.values())}."
        ),
        "",
        "| who | what | first page, median ms | next page, median | worst call | looks |",
        "|---|---|---|---|---|---|",
    ]
    calls = [(who, what, each) for who, all_ in found.served.items() for what, each in all_.items()]
    for who, what, each in sorted(calls, key=lambda call: -call[2].worst())[:_SLOWEST_SHOWN]:
        further = f"{statistics.median(each.further):.0f}" if each.further else ""
        lines.append(
            f"| {who} | {what} | {statistics.median(each.first):.0f} | {further} | {each.worst():.0f} | {each.looks} |"
        )
    return [*lines, ""]


def goals(loads: dict[str, list[Load]], seen: Live | None, lists_: Lists | None) -> list[Goal]:
    """Give each target that was measured."""
    found: list[Goal] = []
    if loads:
        script = max(each.script_bytes for times in loads.values() for each in times)
        slowest = max(statistics.median([each.interactive for each in times]) for times in loads.values())
        found += [
            Goal("script of a first page, compressed", SCRIPT_BYTES, script, "bytes"),
            Goal("cold load interactive, the slowest page's median", INTERACTIVE_MILLISECONDS, slowest, "ms"),
        ]
    if seen is not None:
        found += [
            Goal("live log, frames", FRAMES_PER_SECOND, seen.frames_per_second, "a second", at_least=True),
            Goal("live log, tasks above 50 ms", LONG_TASKS, seen.long_tasks, ""),
        ]
    if lists_ is not None:
        for who, all_ in lists_.served.items():
            medians = [statistics.median(each.first) for each in all_.values()]
            further = [statistics.median(each.further) for each in all_.values() if each.further]
            worst = max(each.worst() for each in all_.values())
            found += [
                Goal(
                    f"first page at the server, the slowest filter's median, {who}",
                    LIST_MILLISECONDS,
                    max(medians),
                    "ms",
                ),
                Goal(
                    f"next page at the server, the slowest filter's median, {who}",
                    LIST_MILLISECONDS,
                    max(further),
                    "ms",
                ),
                Goal(f"the slowest call of all, {who}", LIST_MILLISECONDS, worst, "ms"),
            ]
        for who, shown in lists_.shown.items():
            slowest = max(statistics.median(times) for times in shown.values() if times)
            found.append(
                Goal(f"from the click to the rows, the slowest median, {who}", LIST_MILLISECONDS, slowest, "ms")
            )
    return found


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
    wanted = PARTS if "all" in arguments.parts else arguments.parts
    loads: dict[str, list[Load]] = {}
    seen: Live | None = None
    found: Lists | None = None
    async with chromium() as browser:
        if "live" in wanted:
            async with bare_world() as founded:
                seen = await live(browser, founded, arguments.seconds, arguments.followers)
        if arguments.data is not None:
            found = await lists(browser, arguments.data, 3)
        if "cold" in wanted:
            async with world() as founded:
                loads = await cold(browser, founded, arguments.repeats)
    lines += ["## Targets", "", "| target | wanted | reached | |", "|---|---|---|---|"]
    lines += [*(goal.row() for goal in goals(loads, seen, found)), ""]
    lines += render_cold(loads) if loads else []
    lines += render_live(seen) if seen is not None else []
    lines += render_lists(found) if found is not None else []
    lines += render_waterfalls(loads) if arguments.waterfall else []
    return "\n".join(lines)


PARTS: Final[Sequence[str]] = ("cold", "live")


def main() -> None:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(prog="make bench-console", description="Measure the web console in a browser")
    parser.add_argument("parts", nargs="*", choices=(*PARTS, "none", "all"), default="all", help="all if left out")
    parser.add_argument("--repeats", type=int, default=7, help="cold loads of each page")
    parser.add_argument(
        "--data", type=Path, help="measure lists, too, on this data directory: a copy of one that bench-reports made"
    )
    parser.add_argument("--seconds", type=float, default=30.0, help="how long the live log is followed")
    parser.add_argument("--followers", type=int, default=10, help="how many follow it beside the browser")
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
