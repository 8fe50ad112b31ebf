"""How far each lane is folded: one shared row for all live projections of a lane, rows of their own for the others.

A live projection without a row of its own on a lane is where the lane's shared row is. It has one while it is parked,
behind, or ahead. The shared row is the lock of all live checkpoints of its lane; a generation that is being filled
has rows of its own only, each its own lock.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import asyncpg
import msgspec

from domain.ids import Lane, TenantId
from projections.base import Projection

if TYPE_CHECKING:
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]

LaneKey = tuple[TenantId, Lane]

_FOLD_LOCK: Final = 7_101
"""The class of the advisory locks that let folds go on together, and a flip alone."""
_TOGETHER: Final = "*"
"""What folds of all live projections together are locked under; a fold of one, under its name."""

# What is wrong with the connection or the server and not with an event: the same batch is tried again later.
TRANSIENT: Final = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.TargetServerAttributeNotMatched,  # none of several hosts is the primary, while a standby takes over
    asyncpg.TransactionRollbackError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
)


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
    since: dt.datetime | None = None


class Progress(NamedTuple):
    """Where one lane got to."""

    position: int
    head: int
    """As it was when the fold began."""
    folded: int
    parked: str | None = None


class Own(NamedTuple):
    """A row that a live projection has of its own on a lane."""

    position: int
    parked: str | None


_LIVE: Final = "SELECT name, generation, version FROM projection.generation WHERE state = 'live' ORDER BY name"


async def ensure(pool: "Pool", projections: Iterable[Projection]) -> None:
    """Give each projection that the database has never seen its first generation: live at once, filled from the log."""
    async with pool.acquire() as connection:
        known = {row["name"] for row in await connection.fetch("SELECT DISTINCT name FROM projection.generation")}
        for projection in projections:
            if projection.name not in known:
                await _begin_life(connection, projection)


async def _begin_life(connection: "Connection", projection: Projection) -> None:
    async with connection.transaction():
        # Lanes that the others have folded already must have a row that says that this one has not: no fold of all
        # together may come between the look and the commit.
        await exclude_folds_together(connection)
        made = await connection.fetchval(
            "INSERT INTO projection.generation (name, generation, version, state)"
            " SELECT $1, 1, $2, 'live' WHERE NOT EXISTS (SELECT FROM projection.generation WHERE name = $1)"
            " ON CONFLICT DO NOTHING RETURNING true",
            projection.name,
            projection.version,
        )
        if made:
            await connection.execute(
                "INSERT INTO projection.checkpoint (name, generation, tenant_id, lane)"
                " SELECT $1, 1, s.tenant_id, s.lane FROM projection.shared_checkpoint AS s WHERE s.position > 0"
                " ON CONFLICT DO NOTHING",
                projection.name,
            )


async def live_generation(connection: "Connection", projection: Projection) -> int | None:
    """Give the live generation if it is of this code's version."""
    found: int | None = await connection.fetchval(
        "SELECT generation FROM projection.generation WHERE name = $1 AND version = $2 AND state = 'live'",
        projection.name,
        projection.version,
    )
    return found


async def live_generations(connection: "Connection") -> dict[str, tuple[int, int]]:
    """Give the generation and the version that is live, by name, in the order in which all fold."""
    return {row["name"]: (row["generation"], row["version"]) for row in await connection.fetch(_LIVE)}


async def enter_fold(connection: "Connection", name: str = _TOGETHER) -> None:
    """Begin to fold a projection, or all that are live, in the transaction that is open: flips wait until it ends."""
    # A fold that a crash undoes is folded again from its checkpoint: it need not wait for the disk.
    await connection.execute(
        "SELECT set_config('synchronous_commit', 'off', true), pg_advisory_xact_lock_shared($1, hashtext($2))",
        _FOLD_LOCK,
        name,
    )


async def exclude_folds(connection: "Connection", name: str) -> None:
    """Wait until no transaction folds this projection, and keep others from it until this transaction ends."""
    await connection.execute("SELECT pg_advisory_xact_lock($1, hashtext($2))", _FOLD_LOCK, name)


async def exclude_folds_together(connection: "Connection") -> None:
    """Wait until no transaction folds all live projections together, and keep others from it likewise."""
    await exclude_folds(connection, _TOGETHER)


async def try_to_flip(connection: "Connection", name: str) -> bool:
    """Keep folds of a projection, and of all together, out until this transaction ends, if there are none just now."""
    alone: bool = await connection.fetchval(
        "SELECT pg_try_advisory_xact_lock($1, hashtext($2)) AND pg_try_advisory_xact_lock($1, hashtext($3))",
        _FOLD_LOCK,
        name,
        _TOGETHER,
    )
    return alone


async def make_shared(connection: "Connection", keys: Sequence[LaneKey]) -> None:
    """Make the shared rows of lanes that have none."""
    # Made first and looked for after: two processes may see a new lane at the same time.
    await connection.execute(
        "INSERT INTO projection.shared_checkpoint (tenant_id, lane) SELECT l.tenant_id, l.lane FROM ledger.lane AS l"
        " WHERE l.tenant_id = ANY ($1::bigint[]) AND l.lane = ANY ($2::bigint[])"
        " AND NOT EXISTS (SELECT FROM projection.shared_checkpoint AS s WHERE s.tenant_id = l.tenant_id"
        " AND s.lane = l.lane) ORDER BY l.lane ON CONFLICT DO NOTHING",
        [key[0] for key in keys],
        [key[1] for key in keys],
    )


async def lock_shared(connection: "Connection", keys: Sequence[LaneKey], *, wait: bool) -> dict[LaneKey, Progress]:
    """Lock lanes' shared rows, and give where they are; those that another holds are waited for, or left out."""
    query = (
        "SELECT s.tenant_id, s.lane, s.position, l.head FROM projection.shared_checkpoint AS s"
        " JOIN ledger.lane AS l ON l.lane = s.lane AND l.tenant_id = s.tenant_id"
        " WHERE s.tenant_id = ANY ($1::bigint[]) AND s.lane = ANY ($2::bigint[]) ORDER BY s.lane FOR UPDATE OF s"
    )
    rows = await connection.fetch(
        query if wait else query + " SKIP LOCKED", [key[0] for key in keys], [key[1] for key in keys]
    )
    return {(TenantId(row["tenant_id"]), Lane(row["lane"])): Progress(row["position"], row["head"], 0) for row in rows}


async def own_rows(
    connection: "Connection", keys: Iterable[LaneKey], live: dict[str, int]
) -> dict[LaneKey, dict[str, Own]]:
    """Give the rows of their own that live projections (name: generation) have on lanes that the caller has locked."""
    lanes = list(keys)
    found: dict[LaneKey, dict[str, Own]] = {}
    for row in await connection.fetch(
        "SELECT c.tenant_id, c.lane, c.name, c.generation, c.position, c.error FROM projection.checkpoint AS c"
        " WHERE c.tenant_id = ANY ($1::bigint[]) AND c.lane = ANY ($2::bigint[]) AND c.name = ANY ($3::text[])",
        [key[0] for key in lanes],
        [key[1] for key in lanes],
        list(live),
    ):
        if live[row["name"]] == row["generation"]:
            of_lane = found.setdefault((TenantId(row["tenant_id"]), Lane(row["lane"])), {})
            of_lane[row["name"]] = Own(row["position"], row["error"])
    return found


async def move_shared(connection: "Connection", moved: dict[LaneKey, int]) -> None:
    """Move the shared rows of lanes."""
    await connection.execute(
        "UPDATE projection.shared_checkpoint AS s SET position = u.position"
        " FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (tenant_id, lane, position)"
        " WHERE s.tenant_id = u.tenant_id AND s.lane = u.lane",
        [key[0] for key in moved],
        [key[1] for key in moved],
        list(moved.values()),
    )


async def put_own(connection: "Connection", name: str, generation: int, moved: dict[LaneKey, int]) -> None:
    """Write rows of its own for a projection."""
    await connection.execute(
        "INSERT INTO projection.checkpoint AS c (name, generation, tenant_id, lane, position)"
        " SELECT $1, $2, u.tenant_id, u.lane, u.position"
        " FROM unnest($3::bigint[], $4::bigint[], $5::bigint[]) AS u (tenant_id, lane, position) ORDER BY u.lane"
        " ON CONFLICT (lane, name, generation, tenant_id) DO UPDATE SET position = excluded.position",
        name,
        generation,
        [key[0] for key in moved],
        [key[1] for key in moved],
        list(moved.values()),
    )


async def drop_own(connection: "Connection", rows: Sequence[tuple[str, int, LaneKey]]) -> None:
    """Delete rows of projections (name, generation, lane) that are where their lanes' shared rows are."""
    await connection.execute(
        "DELETE FROM projection.checkpoint AS c"
        " USING unnest($1::text[], $2::integer[], $3::bigint[], $4::bigint[]) AS u (name, generation, tenant_id, lane)"
        " WHERE c.name = u.name AND c.generation = u.generation AND c.tenant_id = u.tenant_id AND c.lane = u.lane",
        [name for name, _, _ in rows],
        [generation for _, generation, _ in rows],
        [key[0] for _, _, key in rows],
        [key[1] for _, _, key in rows],
    )


async def park(connection: "Connection", stands: ParkedLane) -> None:
    """Let a lane stand still right before the event, in one projection."""
    await connection.execute(
        "INSERT INTO projection.checkpoint AS c (name, generation, tenant_id, lane, position, error, parked_at)"
        " VALUES ($1, $2, $3, $4, $5, $6, now()) ON CONFLICT (lane, name, generation, tenant_id)"
        " DO UPDATE SET position = excluded.position, error = excluded.error, parked_at = excluded.parked_at",
        stands.projection,
        stands.generation,
        stands.tenant_id,
        stands.lane,
        stands.position - 1,
        stands.error,
    )


async def moved_lanes(connection: "Pool | Connection") -> list[LaneKey]:
    """Give the lanes that have events which the shared checkpoint is before."""
    rows = await connection.fetch(
        "SELECT l.tenant_id, l.lane FROM ledger.lane AS l LEFT JOIN projection.shared_checkpoint AS s"
        " ON s.lane = l.lane AND s.tenant_id = l.tenant_id WHERE l.head > coalesce(s.position, 0)"
    )
    return [(TenantId(row["tenant_id"]), Lane(row["lane"])) for row in rows]


async def rejoin(connection: "Pool | Connection", limit: int) -> None:
    """Delete rows of live projections that say no more than their lanes' shared rows; a rebuild leaves many."""
    await connection.execute(
        "WITH same AS (SELECT c.name, c.generation, s.tenant_id, s.lane, s.position FROM projection.generation AS g"
        " JOIN projection.checkpoint AS c ON c.name = g.name AND c.generation = g.generation"
        " JOIN projection.shared_checkpoint AS s ON s.lane = c.lane AND s.tenant_id = c.tenant_id"
        " WHERE g.state = 'live' AND c.error IS NULL AND c.position = s.position LIMIT $1 FOR UPDATE OF s SKIP LOCKED)"
        " DELETE FROM projection.checkpoint AS c USING same AS s WHERE c.name = s.name AND c.generation = s.generation"
        " AND c.tenant_id = s.tenant_id AND c.lane = s.lane AND c.position = s.position AND c.error IS NULL",
        limit,
    )


async def behind_shared(connection: "Pool | Connection", names: Sequence[str], limit: int) -> dict[str, list[LaneKey]]:
    """Give the lanes on which live projections are behind the shared row and not parked, by projection."""
    found: dict[str, list[LaneKey]] = {}
    for row in await connection.fetch(
        "SELECT c.name, c.tenant_id, c.lane FROM projection.generation AS g"
        " JOIN projection.checkpoint AS c ON c.name = g.name AND c.generation = g.generation"
        " JOIN projection.shared_checkpoint AS s ON s.lane = c.lane AND s.tenant_id = c.tenant_id"
        " WHERE g.state = 'live' AND g.name = ANY ($1::text[]) AND c.error IS NULL AND c.position < s.position"
        " LIMIT $2",
        names,
        limit,
    ):
        found.setdefault(row["name"], []).append((TenantId(row["tenant_id"]), Lane(row["lane"])))
    return found


async def lag(pool: "Pool", projections: Iterable[Projection]) -> list[Lag]:
    """Give how many events each live projection has not folded yet."""
    names = [projection.name for projection in projections]
    rows = await pool.fetch(
        "WITH lane AS MATERIALIZED (SELECT l.tenant_id, l.lane, l.head, coalesce(s.position, 0) AS position"
        " FROM ledger.lane AS l LEFT JOIN projection.shared_checkpoint AS s"
        " ON s.lane = l.lane AND s.tenant_id = l.tenant_id),"
        " together AS (SELECT coalesce(sum(head - position), 0)::bigint AS events,"
        " count(*) FILTER (WHERE head > position) AS lanes FROM lane),"
        # Rows of their own say how much more, or less, a projection lacks than all together do.
        " own AS (SELECT c.name, c.generation, sum(l.position - c.position)::bigint AS events,"
        " sum((l.head > c.position)::integer - (l.head > l.position)::integer) AS lanes, count(c.error) AS parked"
        " FROM projection.checkpoint AS c JOIN lane AS l ON l.lane = c.lane AND l.tenant_id = c.tenant_id"
        " GROUP BY c.name, c.generation)"
        " SELECT g.name, t.events + coalesce(o.events, 0) AS events, t.lanes + coalesce(o.lanes, 0) AS lanes,"
        " coalesce(o.parked, 0) AS parked FROM projection.generation AS g CROSS JOIN together AS t"
        " LEFT JOIN own AS o ON o.name = g.name AND o.generation = g.generation"
        " WHERE g.state = 'live' AND g.name = ANY ($1::text[]) ORDER BY g.name",
        names,
    )
    return [Lag(row["name"], row["events"], row["lanes"], row["parked"]) for row in rows]


async def parked(pool: "Pool") -> list[ParkedLane]:
    """Give the lanes that stand still, of all projections."""
    rows = await pool.fetch(
        "SELECT name, generation, tenant_id, lane, position + 1 AS position, error, parked_at"
        " FROM projection.checkpoint WHERE error IS NOT NULL ORDER BY name, generation, tenant_id, lane"
    )
    return [ParkedLane(*row.values()) for row in rows]


async def resume(
    pool: "Pool", name: str | None = None, *, tenant_id: TenantId | None = None, lane: Lane | None = None
) -> int:
    """Let parked lanes try again, those of one projection, tenant or lane if named; gives how many there were."""
    done = await pool.execute(
        "UPDATE projection.checkpoint SET error = NULL, parked_at = NULL WHERE error IS NOT NULL"
        " AND name = coalesce($1, name) AND tenant_id = coalesce($2, tenant_id) AND lane = coalesce($3, lane)",
        name,
        tenant_id,
        lane,
    )
    return int(done.split()[-1])
