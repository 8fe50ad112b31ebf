"""Every report page at five million events: `make bench-reports`, or `python -m tests.bench.reports [DATA]`.

The data are those of `tallygate demo-data`: 40 days of them, and 10 days with as much on each, to see that pages stay
as they are as days are added. They are made once and kept in bench-results/, which takes a quarter of an hour. Pages
are asked for through the API itself, without a network, as the operator and as a tenant's owner behind row-level
security. Milliseconds depend on what else the machine does; CPU time of this process and of PostgreSQL's does so much
less, and the blocks that PostgreSQL looked at do not. No statement is shared among parallel workers.
"""

import argparse
import asyncio
import contextlib
import datetime as dt
import logging
import resource
import statistics
import sys
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any, Final

import asyncpg
import httpx
import msgspec
import structlog
from litestar import Litestar

from adapters.ids import new_id
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.flusher import Flusher
from adapters.postgres.migrate import migrate
from adapters.postgres.row_security import TenantPool
from app.administration import Administration
from app.api.document import openapi_config
from app.api.router import api_router, make_api
from app.api.sessions import Sessions
from app.demo_data.load import load
from app.demo_data.plan import Plan
from app.projections import PROJECTIONS
from app.reports.closing import Closer
from app.reports.export import Format, stream
from app.reports.log import LogQuery, cursor_of, read_since, walk
from app.reports.statements import Statements
from app.wallets import Wallets
from domain.admin.entities import Membership, TenantRole, User
from domain.ids import EntityId, TenantId
from domain.reports.focus import REQUEST_COLUMNS, request_row
from domain.reports.periods import Bucket
from projections.runner import Runner
from tests.bench.processes import ROOT
from tests.bench.report import Surroundings
from tests.bench.report_pages import UNTIL, Asked, Page, pages_of

Pool = "asyncpg.Pool[asyncpg.Record]"

PAGE_MILLISECONDS: Final = 200.0
DAYS: Final = (10, 40)
REQUESTS_A_DAY: Final = 62_500
"""Two events each, and a few more: five million in 40 days."""
EXPORT_ROWS: Final = 200_000
_FOLD_SECONDS_MAX: Final = 3600.0
_ALONE: Final = {"max_parallel_workers_per_gather": "0"}


class Figure(msgspec.Struct, frozen=True):
    """What was measured of it."""

    page: Page
    milliseconds: tuple[float, ...]
    cpu: tuple[float, ...]
    """Milliseconds of CPU, of this process and of PostgreSQL's."""
    blocks: int
    """Blocks of 8 KiB that its statements looked at, from the cache or not."""

    @property
    def middle(self) -> float:
        return statistics.median(self.milliseconds)

    @property
    def cpu_middle(self) -> float:
        return statistics.median(self.cpu)

    @property
    def worst(self) -> float:
        return max(self.milliseconds)


class Watch:
    """Keeps the statements that a page sends, to be explained afterwards."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, tuple[Any, ...]]] | None = None
        self.pids: set[int] = set()

    async def attach(self, connection: Any) -> None:
        self.pids.add(connection.get_server_pid())
        connection.add_query_logger(self._note)

    def _note(self, record: Any) -> None:
        if self.seen is not None and record.query.lstrip().upper().startswith(("SELECT", "WITH")):
            self.seen.append((record.query, tuple(record.args or ())))


class Desk:
    """The API over one database, with somebody of the operator and somebody of its largest tenant."""

    def __init__(self, pool: Any, client: httpx.AsyncClient, watch: Watch) -> None:
        self.pool = pool
        self.client = client
        self.watch = watch
        self.secrets: dict[bool, str] = {}
        self.tenant_id = TenantId(0)

    async def get(self, page: Page) -> httpx.Response:
        headers = {"authorization": f"Bearer {self.secrets[page.as_tenant]}"}
        return await self.client.get(f"/api{page.path}", headers=headers)

    async def measure(self, page: Page, repeats: int) -> Figure:
        times, cpu = [], []
        for turn in range(repeats + 1):
            began, used = time.perf_counter(), self._cpu()
            answer = await self.get(page)
            took, used = 1000 * (time.perf_counter() - began), self._cpu() - used
            if answer.status_code != 200:
                raise RuntimeError(f"{page.name}: {answer.status_code} {answer.text[:300]}")
            if turn:
                times.append(took)
                cpu.append(used)
        return Figure(page, tuple(times), tuple(cpu), await self._blocks(page))

    def _cpu(self) -> float:
        """Give the milliseconds of CPU that this process and those of its connections have used so far."""
        served = sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in self.watch.pids)
        return 1000 * time.process_time() + served / 1_000_000

    async def _blocks(self, page: Page) -> int:
        self.watch.seen = []
        await self.get(page)
        statements, self.watch.seen = self.watch.seen, None
        total = 0
        async with self.pool.acquire() as connection:
            for statement, values in statements:
                with contextlib.suppress(asyncpg.PostgresError):
                    text = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {statement}", *values)
                    plan = msgspec.json.decode(text)[0]["Plan"]
                    total += plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
        return total


@contextlib.asynccontextmanager
async def desk_of(dsn: str) -> AsyncIterator[Desk]:
    """Give the API over a database."""
    watch = Watch()
    async with (
        asyncpg.create_pool(dsn, min_size=2, max_size=4, init=watch.attach, server_settings=_ALONE) as owner,
        asyncpg.create_pool(dsn, min_size=1, max_size=2, init=watch.attach, server_settings=_ALONE) as confined,
    ):
        pool = TenantPool.over(owner, confined)
        ledger = Flusher(dsn)
        await ledger.start()
        administration = Administration(ledger, pool, None)
        api = make_api(
            administration=administration,
            wallets=Wallets(ledger, pool),
            pool=pool,
            secure_cookies=False,
            clock=lambda: UNTIL,
        )
        app = Litestar([api_router(api)], openapi_config=openapi_config(), logging_config=None)
        transport = httpx.ASGITransport(app)  # type: ignore[arg-type]  # stricter than ASGI
        async with httpx.AsyncClient(transport=transport, base_url="http://bench") as client:
            desk = Desk(owner, client, watch)
            desk.tenant_id = TenantId(
                await owner.fetchval("SELECT tenant_id FROM ledger.lane WHERE tenant_id > 1 ORDER BY head DESC LIMIT 1")
            )
            sessions = Sessions(owner)
            for as_tenant in (False, True):
                desk.secrets[as_tenant] = await _secret(administration, sessions, desk.tenant_id, as_tenant=as_tenant)
            try:
                yield desk
            finally:
                await ledger.stop(5.0)


async def _secret(administration: Administration, sessions: Sessions, tenant_id: TenantId, *, as_tenant: bool) -> str:
    role: TenantRole = "owner"
    user = User(
        user_id=EntityId(""),
        login=f"bench-{new_id()}",
        name="Bench",
        platform_role=None if as_tenant else "root",
        memberships=(Membership(tenant_id, role),) if as_tenant else (),
    )
    stored = await administration.create("user", user, actor="system:bench")
    _, secret = await sessions.create_token(
        stored.entity.user_id,
        EntityId(new_id()),
        name="bench",
        scopes=("read",),
        expires_at=None,
        now=dt.datetime.now(dt.UTC),
    )
    return secret


async def live_start(desk: Desk, repeats: int) -> Figure:
    """Measure what a live log does when a client comes back: the look at what it may have missed."""
    times = []
    row = await desk.pool.fetchrow(
        "SELECT recorded_at, tenant_id, lane, position FROM projection.request_log ORDER BY recorded_at DESC LIMIT 1"
    )
    since = cursor_of(f"{int(row[0].timestamp() * 1_000_000)}-{row[1]}-{row[2]}-{row[3]}").recorded_at
    query = LogQuery(range=Bucket(UNTIL, UNTIL))
    for _ in range(repeats):
        began = time.perf_counter()
        await read_since(desk.pool, query, since - dt.timedelta(seconds=20), 500)
        times.append(1000 * (time.perf_counter() - began))
    return Figure(Page("live log, resumed, platform", ""), tuple(times), (0.0,), 0)


async def export_rate(desk: Desk, format_: Format) -> tuple[int, float, int]:
    """Stream the log of 30 days as a file: rows, rows per second, and by how many KiB the process grew meanwhile."""
    query = LogQuery(range=Bucket(UNTIL - dt.timedelta(days=30), UNTIL))
    rows = 0

    async def chunks() -> AsyncIterator[Sequence[dict[str, Any]]]:
        nonlocal rows
        async for piece in walk(desk.pool, query, after=None):
            rows += len(piece)
            yield [request_row(row, {}, "USD") for row in piece]
            if rows >= EXPORT_ROWS:
                return

    written = 0
    before, began = 0, time.perf_counter()
    async for part in stream(format_, chunks(), REQUEST_COLUMNS):
        written += len(part)
        if not before and rows >= EXPORT_ROWS // 10:
            # From when everything is imported and the first pieces are through.
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds = time.perf_counter() - began
    return rows, rows / seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before


async def prepare(data: Path, days: int, server: EmbeddedPostgres) -> None:
    """Make the data if they are not there; bring an older version's read models up to date."""
    await migrate(server.dsn)
    connection = await asyncpg.connect(server.dsn)
    is_empty = not await connection.fetchval("SELECT EXISTS (SELECT FROM ledger.lane)")
    await connection.close()
    if is_empty:
        plan = Plan(until=UNTIL, days=days, requests=days * REQUESTS_A_DAY)
        _say(f"making {days} days of demo data in {data}")
        done = await load(server.dsn, plan, data / "seal.key")
        _say(f"{done.events:,} events in {done.write_seconds:.0f} s, folded and sealed in {done.fold_seconds:.0f} s")
    async with asyncpg.create_pool(server.dsn, min_size=1, max_size=6) as pool:
        await pool.execute("SELECT ledger.create_days((now() AT TIME ZONE 'UTC')::date - 1, 3)")
        runner = Runner(pool, PROJECTIONS)
        await runner.start()
        was_behind = any(lag.events for lag in await runner.lag())
        async with asyncio.timeout(_FOLD_SECONDS_MAX):
            while any(lag.events for lag in await runner.lag()):  # noqa: ASYNC110 -- the database tells nobody
                await asyncio.sleep(0.5)
        await runner.stop()
        await Closer(pool).close()
        if was_behind:
            await pool.execute("ANALYZE")
        for row in await pool.fetch("SELECT tenant_id FROM ledger.lane WHERE tenant_id > 1"):
            await Statements(pool).close(TenantId(row["tenant_id"]), "UTC", UNTIL)


async def measure(data: Path, days: int, repeats: int, only: str) -> tuple[list[Figure], list[str]]:
    """Measure the pages on data of so many days."""
    notes: list[str] = []
    async with EmbeddedPostgres(data, shared_buffers_mebibytes=512) as server:
        await prepare(data, days, server)
        async with desk_of(server.dsn) as desk:
            events = await desk.pool.fetchval("SELECT sum(head)::bigint FROM ledger.lane")
            size = await desk.pool.fetchval("SELECT pg_size_pretty(pg_database_size(current_database()))")
            notes.append(f"{days} days: {events:,} events, {size}")
            figures = []
            for page in await pages_of(Asked(desk.pool, desk.tenant_id), days):
                if only not in page.name:
                    continue
                figures.append(await desk.measure(page, repeats))
                last = figures[-1]
                figures_of_it = f"{last.middle:7.1f} ms  {last.cpu_middle:7.1f} ms of CPU  {last.blocks:7,} blocks"
                _say(f"{days} days  {figures_of_it}  {page.name}")
            if only:
                return figures, notes
            figures.append(await live_start(desk, repeats))
            formats: tuple[Format, ...] = ("csv", "parquet")
            for format_ in formats:
                rows, rate, grown = await export_rate(desk, format_)
                notes.append(
                    f"{days} days: export of {rows:,} rows as {format_}: {rate:,.0f} rows/s, {grown:,} KiB more"
                )
    return figures, notes


def render(surroundings: Surroundings, measured: dict[int, list[Figure]], notes: Sequence[str]) -> str:
    """Give the table: the slowest pages of the longest history first."""
    longest = max(measured)
    by_name = {days: {figure.page.name: figure for figure in figures} for days, figures in measured.items()}
    slow = [figure for figure in measured[longest] if figure.middle > PAGE_MILLISECONDS]
    busy = [figure for figure in measured[longest] if figure.cpu_middle > PAGE_MILLISECONDS]
    verdict = "all within" if not slow else f"**{len(slow)} above**"
    heads = "".join(f" {days} days: p50 ms | worst | CPU ms | blocks |" for days in sorted(measured))
    lines = [
        "# Report pages",
        "",
        (
            f"Measured {surroundings.began} by `make bench-reports` on {surroundings.machine}; load average at first"
            f" {surroundings.load_average:.1f}. {len(measured[longest])} pages: {verdict} {PAGE_MILLISECONDS:.0f} ms at"
            f" the median, {len(busy)} take more CPU than that. Blocks are of 8 KiB, looked at in the cache or read."
        ),
        "",
        *(f"- {note}" for note in notes),
        "",
        f"| page |{heads}",
        "|---|" + "---|" * (4 * len(measured)),
    ]
    for figure in sorted(measured[longest], key=lambda each: -each.cpu_middle):
        cells = []
        for days in sorted(measured):
            found = by_name[days].get(figure.page.name)
            cells.append(" | | | |" if found is None else _cells(found))
        lines.append(f"| {figure.page.name} |{''.join(cells)}")
    return "\n".join([*lines, ""])


def _cells(found: Figure) -> str:
    return f" {found.middle:.1f} | {found.worst:.1f} | {found.cpu_middle:.1f} | {found.blocks:,} |"


def _say(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%H:%M:%S')}  {text}\n")


async def _run(folder: Path, days: Sequence[int], repeats: int, only: str) -> str:
    surroundings = Surroundings.look(folder)
    measured: dict[int, list[Figure]] = {}
    notes: list[str] = []
    for each in days:
        measured[each], more = await measure(folder / f"{each}-days", each, repeats, only)
        notes += more
    return render(surroundings, measured, notes)


def main() -> None:
    """Measure, print the table, and keep it."""
    parser = argparse.ArgumentParser(prog="make bench-reports", description="Measure every report page")
    parser.add_argument("--data", type=Path, default=ROOT / "bench-results" / ".reports", help="where data are kept")
    parser.add_argument("--days", type=int, nargs="*", default=list(DAYS))
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--only", default="", help="only pages with this in their name, and no files")
    arguments = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    arguments.data.mkdir(parents=True, exist_ok=True)
    table = asyncio.run(_run(arguments.data, arguments.days, arguments.repeats, arguments.only))
    if not arguments.only:
        (ROOT / "bench-results").mkdir(exist_ok=True)
        (ROOT / "bench-results" / f"{dt.datetime.now(dt.UTC):%Y-%m-%dT%H%M%SZ}-reports.md").write_text(table)
    sys.stdout.write(table)


if __name__ == "__main__":
    main()
