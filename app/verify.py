"""`tallygate verify`: proves a running system right, or names what is wrong and where.

It writes nothing to the database: a role that may only read will do, and so will a standby. Writers are neither waited
for nor in the way; what is written meanwhile is checked by the next run.
"""

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import asyncpg
import msgspec

from adapters.postgres import seals
from adapters.postgres.errors import PostgresError
from adapters.postgres.event_reader import LaneHead, lane_heads
from app.verification.lanes import LaneRun
from app.verification.projections import Comparison, Scratch, embedded_scratch
from app.verification.seals import check_seals
from app.verification.state import State, StateFile
from domain.verification import Finding
from projections.base import Projection

if TYPE_CHECKING:
    from adapters.postgres.seals import Connection

    Pool = asyncpg.Pool[asyncpg.Record]

UNSEALED_SECONDS_MAX: Final = 600.0
"""An event that has waited for its seal for longer is worth a note."""


class Checked(msgspec.Struct, frozen=True):
    """How far a verification is."""

    part: str
    """`ledger`, `seals`, or the name of the projection that is compared."""
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
    sealed: int = 0
    """Events that are as they were sealed; the others could have been changed without a trace but for the sums."""
    seals: int = 0

    @property
    def clean(self) -> bool:
        """Whether everything is as it must be."""
        return not self.findings


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """What a verification may rely on."""

    trusted_keys: Mapping[str, bytes] | None = None
    """The public keys that may have signed, by id; None believes those that the database itself names."""
    anchors: Mapping[int, str] = {}
    """Hashes of seals that were published, by number."""
    state: StateFile = StateFile(None)
    scratch: Scratch = embedded_scratch


Report = Callable[[Checked], None]


async def verify(
    pool: "Pool",
    projections: Sequence[Projection],
    report: Report = lambda _: None,
    options: Options | None = None,
) -> Verification:
    """Check every lane, then the seals, then every projection. Raises StateError for a state that cannot be used."""
    options = options or Options()
    async with pool.acquire() as connection:
        state = options.state.load(await _identity(connection))
        run = _Run(connection, state, report, options)
        with run.keeping():
            await run.lanes()
            await run.seals()
            await run.projections(projections)
        await run.note_unsealed()
    options.state.remove()
    return Verification(
        state.lanes,
        state.events,
        round(state.seconds, 3),
        tuple(sorted(state.findings)),
        state.notes,
        state.sealed,
        state.seals[0] if state.seals is not None else 0,
    )


async def _identity(connection: "Connection") -> str:
    """Tell this database from every other one."""
    found: str = await connection.fetchval(
        "SELECT current_database() || ' ' || coalesce((SELECT min(applied_at)::text FROM schema_migration), '')"
    )
    return found


class _Run:
    """One run: parts that are done are not done again."""

    def __init__(self, connection: "Connection", state: State, report: Report, options: Options) -> None:
        self._connection = connection
        self._state = state
        self._report = report
        self._options = options
        self._total = 0

    @contextlib.contextmanager
    def keeping(self) -> Iterator[None]:
        """Count the time, and keep the state if the run is broken off."""
        began, before = time.perf_counter(), self._state.seconds
        try:
            yield
        except BaseException:
            self._state.seconds = before + time.perf_counter() - began
            self._options.state.save(self._state)
            raise
        self._state.seconds = before + time.perf_counter() - began

    async def lanes(self) -> None:
        """Check the lanes that are left."""
        state = self._state
        heads = await lane_heads(self._connection)
        self._total = sum(head.head for head in heads)
        for head in heads:
            if (head.lane, head.tenant_id) > state.after:
                await self._lane(head)
        self._report(Checked("ledger", state.events, max(state.events, 1)))

    async def _lane(self, head: LaneHead) -> None:
        state = self._state
        before = state.lane
        if before is not None and (before.lane, before.tenant_id) != (head.lane, head.tenant_id):
            before = None
        run = LaneRun(self._connection, head, before, on_page=lambda: self._page(run))
        await run.run()
        state.findings += tuple(run.findings)
        state.events += run.events
        state.sealed += run.sealed
        state.lanes += 1
        if run.unsealed_since is not None:
            state.unsealed_since = min(run.unsealed_since, state.unsealed_since or run.unsealed_since)
        state.lane, state.after = None, (head.lane, head.tenant_id)
        if self._options.state.is_due:
            self._options.state.save(state)

    def _page(self, run: LaneRun) -> None:
        done = self._state.events + run.events
        self._report(Checked("ledger", done, max(self._total, done)))
        if self._options.state.is_due:
            self._state.lane = run.progress()
            self._options.state.save(self._state)

    async def seals(self) -> None:
        """Check the chain of seals."""
        state = self._state
        if state.seals_done:
            return
        keys = self._options.trusted_keys
        if keys is None:
            rows = await seals.read_public_keys(self._connection)
            keys = {row["key_id"]: row["public_key"] for row in rows}
            if keys:
                state.notes += (
                    "the keys that signed are those that the database names: give the public key to be sure",
                )
        total = await self._connection.fetchval("SELECT coalesce(sum(events), 0)::bigint FROM proof.seal")

        def page(done: int) -> None:
            self._report(Checked("seals", done, max(total, done, 1)))
            if self._options.state.is_due:
                self._options.state.save(state)

        await check_seals(self._connection, state, keys, self._options.anchors, page)
        state.seals_done = True
        self._report(Checked("seals", max(total, 1), max(total, 1)))

    async def projections(self, projections: Sequence[Projection]) -> None:
        """Compare the projections that are left."""
        left = [projection for projection in projections if projection.name not in self._state.projections]
        if not left:
            return
        async with contextlib.AsyncExitStack() as stack:
            try:
                scratch = await asyncpg.connect(await stack.enter_async_context(self._options.scratch()))
            except (OSError, PostgresError) as error:
                self._state.notes += (f"the projections were not compared, for lack of a scratch database: {error}",)
                return
            stack.push_async_callback(scratch.close)
            for projection in left:
                await self._projection(scratch, projection)

    async def _projection(self, scratch: "Connection", projection: Projection) -> None:
        comparison = Comparison(
            self._connection, scratch, projection, lambda name, done, total: self._report(Checked(name, done, total))
        )
        findings, notes = await comparison.run()
        self._state.findings += tuple(findings)
        self._state.notes += tuple(notes)
        self._state.projections += (projection.name,)
        if self._options.state.is_due:
            self._options.state.save(self._state)

    async def note_unsealed(self) -> None:
        """Say so when events have waited for a seal for so long that the sealer must be at a stand."""
        since = self._state.unsealed_since
        if since is None:
            return
        now = await self._connection.fetchval("SELECT clock_timestamp()")
        if seals.micros_of(now) - since > UNSEALED_SECONDS_MAX * 1_000_000:
            left = self._state.events - self._state.sealed
            self._state.notes += (f"{left} events are not sealed, the oldest since {seals.time_of(since):%F %T} UTC",)
