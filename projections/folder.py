"""Folds lanes of one projection: a batch and its checkpoint in one transaction; parks a lane that cannot be folded.

This is how a generation is filled, how a projection that is behind the others catches up, and how a reader has a lane
folded at once. What live projections fold from day to day they fold together: `projections/group.py`.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, cast

import structlog

from domain.ids import Lane, TenantId
from projections.base import BulkProjection, Projection, StoredEvent
from projections.checkpoints import (
    TRANSIENT,
    LaneKey,
    ParkedLane,
    Progress,
    drop_own,
    ensure,
    enter_fold,
    live_generation,
    lock_shared,
    make_shared,
    own_rows,
    park,
    put_own,
)
from projections.pages import Reader, Stretch

if TYPE_CHECKING:
    import asyncpg

    from projections.checkpoints import Connection as Connection  # noqa: PLC0414 -- others import it from here
    from projections.checkpoints import Pool as Pool  # noqa: PLC0414 -- others import it from here

__all__ = [
    "BATCH_EVENTS",
    "TRANSACTION_LANES",
    "Folder",
    "ProjectionParkedError",
    "advance",
    "ensure",
]

BATCH_EVENTS: Final = 5000
"""Events folded in one transaction, at most (or one for each lane in it)."""
TRANSACTION_LANES: Final = 500
"""Lanes folded in one transaction, at most. Citus wants one: `FOR UPDATE SKIP LOCKED` must name one tenant there."""
ERROR_CHARACTERS: Final = 500

_log = structlog.get_logger(__name__)

OnPark = Callable[[ParkedLane], None]
"""Hears of a lane that has just parked."""


class ProjectionParkedError(Exception):
    """A lane of the projection waits at an event that cannot be folded: its rows are behind the log."""


async def advance(pool: "Pool", projection: Projection, tenant_id: TenantId, lane: Lane) -> int:
    """Fold a lane up to its head of now, and give the position reached: what was committed before can be read after.

    Waits while another process folds the same lane. Raises ProjectionParkedError if an event is in the way. While a
    new version's first rebuild is under way the live rows belong to the old version, and to the processes that run it.
    """
    folder = Folder(projection)
    until = 0
    while True:
        async with pool.acquire() as connection:
            generation = await live_generation(connection, projection)
            if generation is None:
                return 0
            progress = (await folder.lane(connection, generation, (tenant_id, lane))) or Progress(0, 0, 0)
        if progress.parked is not None:
            raise ProjectionParkedError(f"{projection.name} stands at {progress.position}: {progress.parked}")
        until = until or progress.head
        if progress.position >= until:
            return progress.position


class Folder:
    """Folds batches of a projection; each batch and its checkpoints are one transaction."""

    def __init__(
        self, projection: Projection, *, batch_events: int = BATCH_EVENTS, on_park: OnPark = lambda _: None
    ) -> None:
        self.projection = projection
        self.batch_events = batch_events
        self._on_park = on_park
        self._reader = Reader(projection)
        # Lanes whose checkpoint is known to be there, and committed: of a fill, or shared ones.
        self._made: set[tuple[int, LaneKey]] = set()

    async def lane(self, connection: "Connection", generation: int, key: LaneKey) -> Progress | None:
        """Fold one batch of a lane, waiting for its turn; None if the generation is no longer to be folded.

        When the batch cannot be folded it is halved, until the event in the way stands alone: there the lane parks.
        """
        limit = self.batch_events
        while True:
            try:
                return (await self._transaction(connection, generation, [key], limit, wait=True)).get(key)
            except TRANSIENT:
                raise
            except Exception:
                # With one event the lane has parked: what is raised then is not about an event.
                if limit == 1:
                    raise
                limit //= 2

    async def lanes(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey]
    ) -> dict[LaneKey, Progress]:
        """Fold one batch of many lanes, without those that somebody else is folding.

        If they cannot be folded together, each is folded for itself, so that only the lane with the bad event parks.
        """
        try:
            return await self._transaction(connection, generation, keys, self.batch_events, wait=False)
        except TRANSIENT:
            raise
        except Exception:  # noqa: BLE001 -- folded again lane by lane, where the error is kept in the checkpoint
            alone = [(key, await self.lane(connection, generation, key)) for key in keys]
            return {key: progress for key, progress in alone if progress is not None}

    async def tail(self, connection: "Connection", generation: int, keys: Sequence[LaneKey]) -> None:
        """Fold all that lanes of a fill still lack, inside the caller's transaction; any error is the caller's."""
        pending = list(keys)
        while pending:
            states = await self._filled(connection, generation, pending, wait=True)
            done = await self._fold(connection, generation, states, self.batch_events)
            await put_own(connection, self.projection.name, generation, _positions(done))
            pending = [key for key, progress in done.items() if progress.position < progress.head]

    async def _transaction(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey], limit: int, *, wait: bool
    ) -> dict[LaneKey, Progress]:
        async with connection.transaction():
            await enter_fold(connection, self.projection.name)
            state = await connection.fetchval(
                "SELECT state FROM projection.generation"
                " WHERE name = $1 AND generation = $2 AND version = $3 AND state <> 'retired'",
                self.projection.name,
                generation,
                self.projection.version,
            )
            if state is None:
                return {}
            shared: dict[LaneKey, Progress] = {}
            if state == "live":
                shared = await self._shared(connection, generation, keys, wait=wait)
                states = await self._live(connection, generation, shared)
            else:
                states = await self._filled(connection, generation, keys, wait=wait)
            if limit == 1:
                done, stands = await self._one(connection, generation, states)
            else:
                done, stands = await self._fold(connection, generation, states, limit), None
            await self._move(connection, generation, shared, states, done)
        self._made.update((generation, key) for key in done)
        if stands is not None:
            self._tell(stands)
        return done

    async def _shared(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey], *, wait: bool
    ) -> dict[LaneKey, Progress]:
        if any((generation, key) not in self._made for key in keys):
            await make_shared(connection, keys)
        return await lock_shared(connection, keys, wait=wait)

    async def _live(
        self, connection: "Connection", generation: int, shared: Mapping[LaneKey, Progress]
    ) -> dict[LaneKey, Progress]:
        """Give where the live generation is on lanes whose shared rows are locked."""
        own = await own_rows(connection, shared, {self.projection.name: generation})
        states = dict(shared)
        for key, rows in own.items():
            if key in states:
                row = rows[self.projection.name]
                states[key] = states[key]._replace(position=row.position, parked=row.parked)
        return states

    async def _filled(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey], *, wait: bool
    ) -> dict[LaneKey, Progress]:
        """Lock the checkpoints of a fill, made if need be; those that another holds are waited for, or left out."""
        query = (
            "SELECT c.tenant_id, c.lane, c.position, c.error, l.head FROM projection.checkpoint AS c"
            " JOIN ledger.lane AS l ON l.lane = c.lane AND l.tenant_id = c.tenant_id"
            " WHERE c.name = $1 AND c.generation = $2 AND c.tenant_id = ANY ($3::bigint[])"
            " AND c.lane = ANY ($4::bigint[]) ORDER BY c.lane FOR UPDATE OF c"
        )
        where = (self.projection.name, generation, [key[0] for key in keys], [key[1] for key in keys])
        if any((generation, key) not in self._made for key in keys):
            # Made first and looked for after: two processes may see a new lane at the same time.
            await connection.execute(
                "INSERT INTO projection.checkpoint (name, generation, tenant_id, lane)"
                " SELECT $1, $2, l.tenant_id, l.lane FROM ledger.lane AS l"
                " WHERE l.tenant_id = ANY ($3::bigint[]) AND l.lane = ANY ($4::bigint[])"
                " AND NOT EXISTS (SELECT FROM projection.checkpoint AS c WHERE c.name = $1 AND c.generation = $2"
                " AND c.tenant_id = l.tenant_id AND c.lane = l.lane) ORDER BY l.lane ON CONFLICT DO NOTHING",
                *where,
            )
        return {
            (TenantId(row["tenant_id"]), Lane(row["lane"])): Progress(row["position"], row["head"], 0, row["error"])
            for row in await connection.fetch(query if wait else query + " SKIP LOCKED", *where)
        }

    async def _fold(
        self, connection: "Connection", generation: int, states: dict[LaneKey, Progress], limit: int
    ) -> dict[LaneKey, Progress]:
        """Fold one batch of the lanes, and give where they are then; the checkpoints are the caller's."""
        stretches = share_out(states, limit)
        if not stretches:
            return states
        rows = await self._reader.rows(connection, stretches, today=tail_day(stretches, limit))
        await fold_into(connection, generation, self.projection, self._reader.decode(rows))
        return states | {
            (s.tenant_id, s.lane): Progress(s.high, states[s.tenant_id, s.lane].head, s.high - s.low) for s in stretches
        }

    async def _one(
        self, connection: "Connection", generation: int, states: dict[LaneKey, Progress]
    ) -> tuple[dict[LaneKey, Progress], ParkedLane | None]:
        """Fold one event of a lane; if it cannot be folded, the lane parks before it while its checkpoint is locked."""
        try:
            async with connection.transaction():
                return await self._fold(connection, generation, states, 1), None
        except TRANSIENT:
            raise
        except Exception as error:  # noqa: BLE001 -- whatever a fold raises is kept in the checkpoint
            ((key, state),) = states.items()
            text = f"{type(error).__name__}: {error}"[:ERROR_CHARACTERS]
            stands = ParkedLane(self.projection.name, generation, *key, state.position + 1, text)
            await park(connection, stands)
            return {key: Progress(state.position, state.head, 0, text)}, stands

    async def _move(
        self,
        connection: "Connection",
        generation: int,
        shared: Mapping[LaneKey, Progress],
        states: Mapping[LaneKey, Progress],
        done: Mapping[LaneKey, Progress],
    ) -> None:
        moved = {key: each.position for key, each in done.items() if each.parked is None and each.folded}
        # Whatever says no more than the lane's shared row goes.
        joined = [
            key
            for key, each in done.items()
            if key in shared and each.parked is None and states[key] is not shared[key]
            and each.position == shared[key].position
        ]  # fmt: skip
        apart = {key: position for key, position in moved.items() if key not in set(joined)}
        if apart:
            await put_own(connection, self.projection.name, generation, apart)
        if joined:
            await drop_own(connection, [(self.projection.name, generation, key) for key in joined])

    def _tell(self, stands: ParkedLane) -> None:
        _log.error(
            "projection_parked",
            projection=stands.projection,
            generation=stands.generation,
            tenant_id=stands.tenant_id,
            lane=stands.lane,
            position=stands.position,
            error=stands.error,
        )
        self._on_park(stands)


async def fold_into(
    connection: "Connection", generation: int, projection: Projection | BulkProjection, events: Sequence[StoredEvent]
) -> None:
    """Have a projection fold events: of all lanes at once if it can, else lane by lane."""
    if not events:
        return
    # The pool's proxy is a connection in all but its type.
    plain = cast("asyncpg.Connection[asyncpg.Record]", connection)
    if isinstance(projection, BulkProjection):
        await projection.apply(plain, generation, events)
        return
    by_lane: dict[LaneKey, list[Any]] = {}
    for event in events:
        by_lane.setdefault((event.tenant_id, event.lane), []).append(event)
    for batch in by_lane.values():
        await projection.apply(plain, generation, batch)


def share_out(states: Mapping[LaneKey, Progress], limit: int) -> list[Stretch]:
    """Share the batch out: lanes with little to fold get all of it, the others the rest in equal parts."""
    waiting = sorted(
        (state.head - state.position, key)
        for key, state in states.items()
        if state.position < state.head and state.parked is None
    )
    stretches = []
    for count, (events, key) in enumerate(waiting):
        share = min(events, max(1, limit // (len(waiting) - count)))
        limit -= share
        low = states[key].position
        stretches.append(Stretch(*key, low, low + share))
    return stretches


def tail_day(stretches: Sequence[Stretch], limit: int) -> dt.date | None:
    """Give today if the stretches are likely to be the end of the log, and not a full batch from its middle."""
    return dt.datetime.now(dt.UTC).date() if sum(s.high - s.low for s in stretches) < limit else None


def _positions(states: Mapping[LaneKey, Progress]) -> dict[LaneKey, int]:
    return {key: state.position for key, state in states.items()}
