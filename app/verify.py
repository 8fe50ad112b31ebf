"""`tallygate verify`: proves a running system right, or names what is wrong and where.

Each lane is read in one snapshot (repeatable read, read only), so that writers are neither waited for nor in the way.
Each projection is folded again beside its live rows in a transaction that is always rolled back: nothing it writes is
ever seen.
"""

import datetime as dt
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from adapters.postgres.event_reader import LaneHead, LoggedEvent, lane_heads, read_page
from domain import verification
from domain.errors import TallygateError
from domain.events import decode
from domain.ids import Lane, TenantId, first_lane
from domain.verification import AccountRow, Finding, HoldRow, LaneCheck
from projections.base import Projection
from projections.generations import differences
from projections.pages import MissingPositionError, Reader, Stretch

if TYPE_CHECKING:
    import asyncpg

    from projections.folder import Connection, Pool

PAGE_EVENTS: Final = 2000
SCRATCH_EVENTS: Final = 20_000

_ACCOUNTS: Final = """
SELECT account_id::text, name, posted, held, opened_at, expires_at, purge_at, pool_id::text, credit_line, priority,
    pool_floor
FROM ledger.account WHERE tenant_id = $1 AND lane = $2
"""

_HOLDS: Final = "SELECT hold_id::text, accounts::text[], amounts FROM ledger.hold WHERE tenant_id = $1 AND lane = $2"


class Checked(msgspec.Struct, frozen=True):
    """How far a verification is."""

    part: str
    """`ledger`, or the name of the projection that is compared."""
    done: int
    total: int
    """Events, each counted once per part."""


class Verification(msgspec.Struct, frozen=True):
    """What a verification found."""

    lanes: int
    events: int
    seconds: float
    findings: tuple[Finding, ...]
    """By lane, the first bad position of each first."""
    notes: tuple[str, ...] = ()
    """What could not be compared, and why; nothing wrong with it is known."""

    @property
    def clean(self) -> bool:
        """Whether everything is as it must be."""
        return not self.findings


Report = Callable[[Checked], None]


async def verify(pool: "Pool", projections: Sequence[Projection], report: Report = lambda _: None) -> Verification:
    """Check every lane, then every projection; what is written meanwhile is checked by the next run."""
    began = time.perf_counter()
    findings: list[Finding] = []
    notes: list[str] = []
    events = 0
    async with pool.acquire() as connection:
        heads = await lane_heads(connection)
        total = sum(head.head for head in heads)
        for head in heads:
            found, count = await _check_lane(connection, head, lambda done: report(_ledger(done, total)), events)
            findings += found
            events += count
        report(Checked("ledger", events, max(events, 1)))
        for projection in projections:
            found, skipped = await _check_projection(connection, projection, report)
            findings += found
            notes += skipped
    seconds = round(time.perf_counter() - began, 3)
    return Verification(len(heads), events, seconds, tuple(sorted(findings)), tuple(notes))


def _ledger(done: int, total: int) -> Checked:
    return Checked("ledger", done, max(total, done))


async def _check_lane(
    connection: "Connection", lane: LaneHead, report: Callable[[int], None], before: int
) -> tuple[list[Finding], int]:
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        row = await connection.fetchrow(
            "SELECT head, last_at FROM ledger.lane WHERE lane = $1 AND tenant_id = $2", lane.lane, lane.tenant_id
        )
        assert row is not None
        where = (lane.tenant_id, lane.lane)
        check = LaneCheck(*where, _accounts(await connection.fetch(_ACCOUNTS, *where)))
        position, count = 0, 0
        while page := await read_page(connection, *where, position, limit=PAGE_EVENTS):
            for event in page:
                check.event(_decoded(event))
            position = page[-1].position
            count += len(page)
            report(before + count)
        holds = [HoldRow(*hold) for hold in await connection.fetch(_HOLDS, *where)]
        check.finish(head=row["head"], last_at=row["last_at"], holds=holds)
    return check.findings, count


def _accounts(rows: Iterable["asyncpg.Record"]) -> Mapping[str, AccountRow]:
    return {row["account_id"]: AccountRow(**{name: _aware(value) for name, value in row.items()}) for row in rows}


def _aware(value: Any) -> Any:
    # asyncpg gives PostgreSQL's infinity as the largest datetime there is, without a zone.
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is None else value


def _decoded(event: LoggedEvent) -> verification.LoggedEvent:
    value: Any
    try:
        value = decode(event.type, event.data)
    except (msgspec.DecodeError, TallygateError):
        # The check reports it, with its position.
        value = None
    return verification.LoggedEvent(
        event.position, event.type, value, event.recorded_at, event.account_ids, event.posted, event.held
    )


async def _check_projection(
    connection: "Connection", projection: Projection, report: Report
) -> tuple[list[Finding], list[str]]:
    transaction = connection.transaction(isolation="repeatable_read")
    await transaction.start()
    try:
        generation = await connection.fetchval(
            "SELECT generation FROM projection.generation WHERE name = $1 AND version = $2 AND state = 'live'",
            projection.name,
            projection.version,
        )
        if generation is None:
            return [], [f"{projection.name} is of another version, or was never filled: not compared"]
        return await _compare(connection, projection, generation, report), []
    finally:
        if not connection.is_closed():
            await transaction.rollback()


async def _compare(connection: "Connection", projection: Projection, generation: int, report: Report) -> list[Finding]:
    """Fold the log up to the checkpoints into a generation that no other process uses, and compare the rows."""
    scratch: int = await connection.fetchval("SELECT -pg_backend_pid()")
    checkpoints = await connection.fetch(
        "SELECT c.tenant_id, c.lane, c.position, c.error, l.head FROM projection.checkpoint AS c"
        " LEFT JOIN ledger.lane AS l ON l.lane = c.lane AND l.tenant_id = c.tenant_id"
        " WHERE c.name = $1 AND c.generation = $2 ORDER BY c.lane",
        projection.name,
        generation,
    )
    findings = []
    total, done = sum(row["position"] for row in checkpoints), 0
    scratchpad = _Scratch(connection, projection, scratch)
    for row in checkpoints:
        where = (row["tenant_id"], row["lane"])
        if row["error"] is not None:
            message = f"{projection.name} is parked: {row['error']}"
            findings.append(Finding(*where, row["position"] + 1, "projection", message))
        if row["head"] is None or row["position"] > row["head"]:
            message = f"{projection.name} is at {row['position']}, beyond the lane's head"
            findings.append(Finding(*where, row["position"], "projection", message))
            continue
        try:
            async for folded in scratchpad.fold(*where, row["position"]):
                done += folded
                report(Checked(projection.name, done, max(total, 1)))
        except (msgspec.DecodeError, TallygateError, MissingPositionError) as error:
            findings.append(Finding(*where, row["position"], "projection", f"{projection.name}: {error}"))
            return findings
    positions = {row["tenant_id"]: row["position"] for row in checkpoints}
    for table, tenant_id, line in await differences(connection, projection, generation, scratch):
        lane = first_lane(TenantId(tenant_id))
        message = f"{projection.name}: a row of {table} is not what the log folds to: {line}"
        findings.append(Finding(tenant_id, lane, positions.get(tenant_id, 0), "projection", message))
    return findings


class _Scratch:
    """Folds lanes into a generation of a transaction that will be rolled back."""

    def __init__(self, connection: "Connection", projection: Projection, generation: int) -> None:
        self._connection = connection
        self._projection = projection
        self._generation = generation
        self._reader = Reader(projection)

    async def fold(self, tenant_id: int, lane: int, until: int) -> AsyncIterator[int]:
        """Fold a lane from its beginning; gives how many events each page had."""
        position = 0
        while position < until:
            stretch = Stretch(TenantId(tenant_id), Lane(lane), position, min(until, position + SCRATCH_EVENTS))
            events = self._reader.decode(await self._reader.rows(self._connection, [stretch]))
            if events:
                await self._projection.apply(self._connection, self._generation, events)  # type: ignore[arg-type]
            yield stretch.high - position
            position = stretch.high
