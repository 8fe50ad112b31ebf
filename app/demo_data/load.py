"""Writes the history: lanes in bulk, then everything that is made from them.

Several processes write, each some tenants' lanes, a day of all of them in one transaction: events by COPY, and the
accounts, open holds and head that they lead to. So whatever breaks a load off, what is there is whole.
"""

import asyncio
import datetime as dt
import gc
import multiprocessing
import os
import queue
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg
import msgspec

from app.demo_data.arrivals import arrivals
from app.demo_data.history import History
from app.demo_data.lane import ACCOUNT_COLUMNS, EVENT_COLUMNS, HOLD_COLUMNS, LaneBook
from app.demo_data.plan import Plan
from app.demo_data.world import World
from app.projections import PROJECTIONS
from app.reports.closing import Closer
from app.sealer import KeyFile, Sealer
from domain.ids import PLATFORM, TenantId, first_lane
from projections.folder import ensure
from projections.group import Group

if TYPE_CHECKING:
    from multiprocessing.process import BaseProcess
    from multiprocessing.queues import Queue

    Connection = asyncpg.Connection[asyncpg.Record]

FOLD_EVENTS: Final = 10_000
_POLL_SECONDS: Final = 0.2
_COPY_ROWS: Final = 20_000
_QUICK: Final = {"synchronous_commit": "off", "application_name": "tallygate-demo-data"}

_EMPTY: Final = "SELECT to_regclass('ledger.lane') IS NULL"
_UNUSED: Final = "SELECT NOT EXISTS (SELECT FROM ledger.lane) AND NOT EXISTS (SELECT FROM ledger.event)"


class Loaded(msgspec.Struct, frozen=True):
    """What was made."""

    tenants: int
    requests: int
    events: int
    first: dt.datetime
    until: dt.datetime
    write_seconds: float
    fold_seconds: float
    seconds: float
    """All of it, from the first event to the last seal."""

    @property
    def requests_per_second(self) -> int:
        """How fast requests were made up and written, as events."""
        return round(self.requests / max(self.write_seconds, 0.001))


class Progress(msgspec.Struct, frozen=True):
    """How far a part is."""

    part: str
    """`requests`, `read models` or `seals`."""
    done: int
    total: int


class LoadError(Exception):
    """A process that wrote a part of it has failed."""


Report = Callable[[Progress], None]


async def is_fresh(dsn: str) -> bool:
    """Say whether a database has nothing in it that a history would get in the way of."""
    connection = await asyncpg.connect(dsn)
    try:
        return bool(await connection.fetchval(_EMPTY) or await connection.fetchval(_UNUSED))
    finally:
        await connection.close()


async def load(
    dsn: str, plan: Plan, seal_key_file: Path, report: Report = lambda _: None, *, processes: int | None = None
) -> Loaded:
    """Write the history of a plan into a migrated database that has none, fold it and seal it."""
    began = time.perf_counter()
    count = min(processes or os.cpu_count() or 1, plan.tenants)
    async with asyncpg.create_pool(dsn, min_size=1, max_size=3, server_settings=_QUICK) as pool:
        days = [plan.until.date() - dt.timedelta(days=plan.days), plan.days + 2]
        await pool.execute("SELECT ledger.create_days($1, $2)", *days)
        await ensure(pool, PROJECTIONS)
        crew = _Crew(dsn, plan, count)
        try:
            await crew.until_written(report)
            written = time.perf_counter()
            keys = await asyncio.to_thread(KeyFile, seal_key_file)
            events = await pool.fetchval("SELECT sum(head)::bigint FROM ledger.lane")
            await asyncio.gather(crew.until_folded(report, events), _seal(pool, keys, report, events))
        finally:
            crew.stop()
        await Closer(pool).close()
        await pool.execute("ANALYZE")
    ended = time.perf_counter()
    return Loaded(
        plan.tenants,
        plan.requests,
        events,
        plan.until - dt.timedelta(days=plan.days),
        plan.until,
        round(written - began, 3),
        round(ended - written, 3),
        round(ended - began, 3),
    )


async def _seal(pool: "asyncpg.Pool[asyncpg.Record]", keys: KeyFile, report: Report, total: int) -> None:
    sealer, done = Sealer(pool, keys), 0
    while (one := await sealer.seal()).seal:
        done += one.events
        report(Progress("seals", done, total))


class _Crew:
    """The processes that write."""

    def __init__(self, dsn: str, plan: Plan, count: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._plan = plan
        self._said: Queue[tuple[str, int]] = context.Queue()
        self._go = context.Event()
        self._done = {"written": 0, "folded": 0, "requests": 0, "events": 0}
        self._processes: list[BaseProcess] = [
            context.Process(
                target=_work, args=(dsn, msgspec.json.encode(plan), (number, count), self._said, self._go), daemon=True
            )
            for number in range(count)
        ]
        for process in self._processes:
            process.start()

    async def until_written(self, report: Report) -> None:
        await self._until("written", lambda: report(Progress("requests", self._done["requests"], self._plan.requests)))

    async def until_folded(self, report: Report, total: int) -> None:
        self._go.set()
        await self._until("folded", lambda: report(Progress("read models", self._done["events"], total)))

    def stop(self) -> None:
        for process in self._processes:
            if process.is_alive():
                process.terminate()
            process.join()

    async def _until(self, what: str, tell: Callable[[], None]) -> None:
        while self._done[what] < len(self._processes):
            try:
                name, amount = self._said.get_nowait()
            except queue.Empty:
                tell()
                failed = [p for p in self._processes if p.exitcode not in (None, 0)]
                if failed:
                    raise LoadError(
                        "a process that wrote demo data has failed: its error is above. What was written is whole, but"
                        " not all of it: begin again with an empty database"
                    ) from None
                await asyncio.sleep(_POLL_SECONDS)
            else:
                self._done[name] += amount
        tell()


def _work(dsn: str, plan: bytes, share: tuple[int, int], said: "Queue[tuple[str, int]]", go: Any) -> None:
    # Nothing that is made here refers back to what made it, and there are millions of them.
    gc.disable()
    asyncio.run(_Worker(dsn, msgspec.json.decode(plan, type=Plan), said).run(*share, go))


class _Worker:
    def __init__(self, dsn: str, plan: Plan, said: "Queue[tuple[str, int]]") -> None:
        self._dsn = dsn
        self._plan = plan
        self._said = said

    async def run(self, number: int, count: int, go: Any) -> None:
        world = World(self._plan)
        counts = arrivals(world)
        mine = shares(counts, count)[number]
        histories = [History(world, tenant, counts[tenant]) for tenant in mine]
        connection = await asyncpg.connect(self._dsn, server_settings=_QUICK)
        try:
            if number == 0:
                async with connection.transaction():
                    await write(connection, [world.platform])
            for day in range(self._plan.days):
                async with connection.transaction():
                    for history in histories:
                        history.day(day)
                        await copy_events(connection, history.diary.book)
                    await write(connection, [history.diary.book for history in histories])
                self._said.put(("requests", sum(sum(counts[n][day * 24 : day * 24 + 24]) for n in mine)))
            self._said.put(("written", 1))
            await asyncio.to_thread(go.wait)
            lanes = [history.diary.book.tenant_id for history in histories] + ([PLATFORM] if number == 0 else [])
            await self._fold(connection, lanes)
            self._said.put(("folded", 1))
        finally:
            await connection.close()

    async def _fold(self, connection: "Connection", tenants: Sequence[TenantId]) -> None:
        group = Group(PROJECTIONS, batch_events=FOLD_EVENTS)
        left = [(tenant_id, first_lane(tenant_id)) for tenant_id in tenants]
        while left:
            done = await group.lanes(connection, left[:1])
            progress = done.get(left[0])
            if progress is None:
                continue
            self._said.put(("events", progress.folded))
            if progress.position >= progress.head:
                left.pop(0)


def shares(counts: Sequence[Sequence[int]], processes: int) -> list[list[int]]:
    """Share tenants out by their calls: the busiest first, each to whoever has least."""
    parts: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for tenant in sorted(range(len(counts)), key=lambda n: -sum(counts[n])):
        least = loads.index(min(loads))
        parts[least].append(tenant)
        loads[least] += sum(counts[tenant]) + 1
    return parts


async def copy_events(connection: "Connection", book: LaneBook) -> None:
    """Copy the events that a lane has left into the log; the caller commits them with `write`."""
    rows = book.take()
    for start in range(0, len(rows), _COPY_ROWS):
        await connection.copy_records_to_table(
            "event", schema_name="ledger", columns=EVENT_COLUMNS, records=rows[start : start + _COPY_ROWS]
        )


async def write(connection: "Connection", books: Sequence[LaneBook]) -> None:
    """Write the events that are left, and lanes, accounts and open holds as they are now, for those as they were."""
    for book in books:
        await copy_events(connection, book)
    where = ([book.tenant_id for book in books], [book.lane for book in books])
    for table in ("account", "hold"):
        await connection.execute(
            f"DELETE FROM ledger.{table} WHERE tenant_id = ANY ($1::bigint[]) AND lane = ANY ($2::bigint[])",  # noqa: S608
            *where,
        )
    for table, columns, rows in (
        ("account", ACCOUNT_COLUMNS, [row for book in books for row in book.account_rows()]),
        ("hold", HOLD_COLUMNS, [row for book in books for row in book.hold_rows()]),
    ):
        if rows:
            await connection.copy_records_to_table(table, schema_name="ledger", columns=columns, records=rows)
    begun = [book for book in books if book.head]
    await connection.execute(
        "INSERT INTO ledger.lane (tenant_id, lane, head, last_at)"
        " SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::timestamptz[])"
        " ON CONFLICT (lane, tenant_id) DO UPDATE SET head = excluded.head, last_at = excluded.last_at",
        [book.tenant_id for book in begun],
        [book.lane for book in begun],
        [book.head for book in begun],
        [book.last_time for book in begun],
    )
