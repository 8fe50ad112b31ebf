"""Folds lanes: a batch and its checkpoint in one transaction; parks a lane whose event is in the way; tells the lag."""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import asyncpg
import msgspec
import structlog

from domain.ids import Lane, TenantId
from projections.base import BulkProjection, Projection
from projections.pages import Reader, Stretch

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

LaneKey = tuple[TenantId, Lane]


BATCH_EVENTS: Final = 5000
"""Events folded in one transaction, at most (or one for each lane in it)."""
TRANSACTION_LANES: Final = 200
"""Lanes folded in one transaction, at most. Citus wants one: `FOR UPDATE SKIP LOCKED` must name one tenant there."""

_FLIP_LOCK: Final = 7_101
"""The class of the advisory locks that let folds of a projection go on together, and a flip alone."""

_log = structlog.get_logger(__name__)

# What is wrong with the connection or the server and not with an event: the same batch is tried again later.
TRANSIENT: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
)


class ProjectionParkedError(Exception):
    """A lane of the projection waits at an event that cannot be folded: its rows are behind the log."""


class Lag(msgspec.Struct, frozen=True):
    """How far a live projection is behind."""

    projection: str
    events: int
    lanes: int
    """Lanes that are behind, parked ones included."""
    parked: int


class ParkedLane(msgspec.Struct, frozen=True):
    """A lane that stands still."""

    projection: str
    generation: int
    tenant_id: int
    lane: int
    position: int
    """Of the event that cannot be folded."""
    error: str


class Progress(NamedTuple):
    """Where one lane got to."""

    position: int
    head: int
    """As it was when the fold began."""
    folded: int
    parked: str | None = None


async def ensure(pool: "Pool", projections: Iterable[Projection]) -> None:
    """Give each projection that the database has never seen its first generation: live at once, filled from the log."""
    for projection in projections:
        await pool.execute(
            "INSERT INTO projection.generation (name, generation, version, state)"
            " SELECT $1, 1, $2, 'live' WHERE NOT EXISTS (SELECT FROM projection.generation WHERE name = $1)"
            " ON CONFLICT DO NOTHING",
            projection.name,
            projection.version,
        )


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


async def live_generation(connection: "Connection", projection: Projection) -> int | None:
    """Give the live generation if it is of this code's version."""
    found: int | None = await connection.fetchval(
        "SELECT generation FROM projection.generation WHERE name = $1 AND version = $2 AND state = 'live'",
        projection.name,
        projection.version,
    )
    return found


async def exclude_folds(connection: "Connection", name: str) -> None:
    """Wait until no transaction folds this projection, and keep others from it until this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _FLIP_LOCK, name)


class Folder:
    """Folds batches of a projection; each batch and its checkpoints are one transaction."""

    def __init__(self, projection: Projection, *, batch_events: int = BATCH_EVENTS) -> None:
        self.projection = projection
        self.batch_events = batch_events
        self._bulk = isinstance(projection, BulkProjection)
        self._reader = Reader(projection)
        # Lanes whose checkpoint is known to be there, and committed.
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
            except Exception as error:  # noqa: BLE001 -- whatever a fold raises is kept in the checkpoint
                if limit == 1:
                    return await self._park(connection, generation, key, error)
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
        """Fold all that the lanes still lack, inside the caller's transaction; any error is the caller's."""
        pending = list(keys)
        while pending:
            done = await self._fold(connection, generation, pending, self.batch_events, wait=True)
            pending = [key for key, progress in done.items() if progress.position < progress.head]

    async def _transaction(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey], limit: int, *, wait: bool
    ) -> dict[LaneKey, Progress]:
        async with connection.transaction():
            # A fold that a crash undoes is folded again from its checkpoint: it need not wait for the disk.
            await connection.execute("SET LOCAL synchronous_commit = off")
            await connection.execute(
                "SELECT pg_advisory_xact_lock_shared($1, hashtext($2))", _FLIP_LOCK, self.projection.name
            )
            if not await connection.fetchval(
                "SELECT EXISTS (SELECT FROM projection.generation"
                " WHERE name = $1 AND generation = $2 AND version = $3 AND state <> 'retired')",
                self.projection.name,
                generation,
                self.projection.version,
            ):
                return {}
            done = await self._fold(connection, generation, keys, limit, wait=wait)
        self._made.update((generation, key) for key in done)
        return done

    async def _fold(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey], limit: int, *, wait: bool
    ) -> dict[LaneKey, Progress]:
        states = await self._checkpoints(connection, generation, keys, wait=wait)
        stretches = _share_out(states, limit)
        if not stretches:
            return states
        today = dt.datetime.now(dt.UTC).date() if sum(s.high - s.low for s in stretches) < limit else None
        rows = await self._reader.rows(connection, stretches, today=today)
        events = self._reader.decode(rows)
        if self._bulk or len(stretches) == 1:
            batches = [events] if events else []
        else:
            by_lane: dict[LaneKey, list[Any]] = {}
            for event in events:
                by_lane.setdefault((event.tenant_id, event.lane), []).append(event)
            batches = list(by_lane.values())
        for batch in batches:
            # The pool's proxy is a connection in all but its type.
            await self.projection.apply(cast("asyncpg.Connection[asyncpg.Record]", connection), generation, batch)
        await self._move(connection, generation, stretches)
        return states | {
            (s.tenant_id, s.lane): Progress(s.high, states[s.tenant_id, s.lane].head, s.high - s.low) for s in stretches
        }

    async def _checkpoints(
        self, connection: "Connection", generation: int, keys: Sequence[LaneKey], *, wait: bool
    ) -> dict[LaneKey, Progress]:
        """Lock the lanes' checkpoints, made if need be; those that another holds are waited for, or left out."""
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

    async def _move(self, connection: "Connection", generation: int, stretches: Sequence[Stretch]) -> None:
        await connection.execute(
            "UPDATE projection.checkpoint AS c SET position = u.position"
            " FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS u (tenant_id, lane, position)"
            " WHERE c.name = $1 AND c.generation = $2 AND c.tenant_id = u.tenant_id AND c.lane = u.lane"
            " AND c.tenant_id = ANY ($3::bigint[]) AND c.lane = ANY ($4::bigint[])",
            self.projection.name,
            generation,
            [s.tenant_id for s in stretches],
            [s.lane for s in stretches],
            [s.high for s in stretches],
        )

    async def _park(self, connection: "Connection", generation: int, key: LaneKey, error: Exception) -> Progress | None:
        text = f"{type(error).__name__}: {error}"[:500]
        row = await connection.fetchrow(
            "UPDATE projection.checkpoint SET error = $5"
            " WHERE name = $1 AND generation = $2 AND tenant_id = $3 AND lane = $4 RETURNING position",
            self.projection.name,
            generation,
            *key,
            text,
        )
        if row is None:
            # The transaction that would have made it was rolled back: the lane parks before its first event.
            await connection.execute(
                "INSERT INTO projection.checkpoint (name, generation, tenant_id, lane, error)"
                " VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                self.projection.name,
                generation,
                *key,
                text,
            )
        position = row["position"] if row else 0
        _log.error(
            "projection_parked",
            projection=self.projection.name,
            generation=generation,
            tenant_id=key[0],
            lane=key[1],
            position=position + 1,
            error=text,
        )
        return Progress(position, position, 0, text)


def _share_out(states: Mapping[LaneKey, Progress], limit: int) -> list[Stretch]:
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


async def lag(pool: "Pool", projections: Iterable[Projection]) -> list[Lag]:
    """Give how many events each live projection has not folded yet."""
    names = [projection.name for projection in projections]
    rows = await pool.fetch(
        "SELECT g.name, coalesce(sum(l.head - coalesce(c.position, 0)), 0)::bigint AS events,"
        " count(l.lane) FILTER (WHERE l.head > coalesce(c.position, 0)) AS lanes, count(c.error) AS parked"
        " FROM projection.generation AS g CROSS JOIN ledger.lane AS l"
        " LEFT JOIN projection.checkpoint AS c ON c.lane = l.lane AND c.tenant_id = l.tenant_id AND c.name = g.name"
        " AND c.generation = g.generation"
        " WHERE g.state = 'live' AND g.name = ANY ($1::text[]) GROUP BY g.name ORDER BY g.name",
        names,
    )
    return [Lag(row["name"], row["events"], row["lanes"], row["parked"]) for row in rows]


async def parked(pool: "Pool") -> list[ParkedLane]:
    """Give the lanes that stand still, of all projections."""
    rows = await pool.fetch(
        "SELECT name, generation, tenant_id, lane, position + 1 AS position, error FROM projection.checkpoint"
        " WHERE error IS NOT NULL ORDER BY name, generation, tenant_id, lane"
    )
    return [ParkedLane(*row.values()) for row in rows]


async def resume(pool: "Pool", name: str) -> int:
    """Let the parked lanes of a projection try again, and give how many there were."""
    done = await pool.execute(
        "UPDATE projection.checkpoint SET error = NULL WHERE name = $1 AND error IS NOT NULL", name
    )
    return int(done.split()[-1])
