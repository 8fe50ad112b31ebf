"""Generations of a projection: fill a new one beside the live one, flip to it, clear the old one away.

Reads and appends go on all the while, and whatever keeps the live generation up goes on doing so. The flip excludes
folds of this one projection, for as long as it takes to fold what came in since the last look.
"""

import asyncio
import hashlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from domain.ids import Lane, TenantId
from projections.base import Projection
from projections.checkpoints import TRANSIENT, LaneKey, exclude_folds, exclude_folds_together, try_to_flip
from projections.folder import Folder

if TYPE_CHECKING:
    from projections.checkpoints import Connection, Pool

FILL_EVENTS: Final = 20_000
"""Events of one transaction of a fill, at most: bigger than those of the live generation, which must be quick."""
FILL_LANES: Final = 500
_TAIL_EVENTS: Final = 100
"""A fill that is no further behind than this flips: that much is folded while others wait."""
_TAIL_EVENTS_MAX: Final = 2_000
"""The same after so many passes that left more, for it is written as fast as it is filled."""
_OUTRUN_MAX: Final = 50

_BUSY_SECONDS: Final = 0.05
_FLIP_TRIES: Final = 400
_FLIP_TRY_SECONDS: Final = 0.005

_log = structlog.get_logger(__name__)


class Filling(msgspec.Struct, frozen=True):
    """How far a fill is."""

    projection: str
    generation: int
    done: int
    """Events behind the checkpoints of the new generation, those included that an earlier run folded."""
    total: int
    """Events in the log; grows while it is filled."""


class FillParkedError(Exception):
    """An event cannot be folded: the new generation was not put in place, the live one serves on."""


Report = Callable[[Filling], None]


async def rebuild(
    pool: "Pool",
    projection: Projection,
    report: Report = lambda _: None,
    *,
    batch_events: int = FILL_EVENTS,
    transaction_lanes: int = FILL_LANES,
    on_flip: Callable[[float], None] = lambda _: None,
) -> int:
    """Make a projection again from the log, and give the generation that is live then.

    `on_flip` hears for how many seconds the flip kept folds of the live generation waiting.

    Killed half-way and called again it goes on where it was; two at once share the work. Raises FillParkedError.
    """
    await clear_retired(pool, projection)
    generation = await begin(pool, projection)
    folder = Folder(projection, batch_events=batch_events)
    # The lanes that parked when this was last tried get another chance.
    await pool.execute(
        "UPDATE projection.checkpoint SET error = NULL, parked_at = NULL"
        " WHERE name = $1 AND generation = $2 AND error IS NOT NULL",
        projection.name,
        generation,
    )
    filling, behind = await _behind(pool, projection, generation)
    flip = _Flip(pool, projection, generation, folder)
    outrun = 0
    while True:
        report(filling)
        await _Fill(pool, folder, filling, report).run(behind, batch_events, transaction_lanes)
        filling, behind = await _behind(pool, projection, generation)
        left = filling.total - filling.done
        outrun += left > _TAIL_EVENTS
        if left <= (_TAIL_EVENTS if outrun < _OUTRUN_MAX else _TAIL_EVENTS_MAX) and await flip.attempt():
            break
    if flip.seconds is not None:
        on_flip(flip.seconds)
    report(msgspec.structs.replace(filling, done=filling.total))
    await clear_retired(pool, projection)
    return generation


async def begin(pool: "Pool", projection: Projection) -> int:
    """Give the generation that is being filled, a new one if there is none of this version."""
    async with pool.acquire() as connection, connection.transaction():
        await exclude_folds(connection, projection.name)
        await connection.execute(
            "UPDATE projection.generation SET state = 'retired'"
            " WHERE name = $1 AND state = 'filling' AND version <> $2",
            projection.name,
            projection.version,
        )
        generation: int = await connection.fetchval(
            "WITH made AS (INSERT INTO projection.generation (name, generation, version, state)"
            " SELECT $1, coalesce(max(generation), 0) + 1, $2, 'filling' FROM projection.generation WHERE name = $1"
            " HAVING NOT coalesce(bool_or(state = 'filling'), false) RETURNING generation)"
            " SELECT generation FROM made UNION ALL"
            " SELECT generation FROM projection.generation WHERE name = $1 AND state = 'filling'",
            projection.name,
            projection.version,
        )
        return generation


async def is_outdated(pool: "Pool", projection: Projection) -> bool:
    """Say whether the live generation was made by an older version of the code, so that a rebuild is due."""
    live = await pool.fetchval(
        "SELECT version FROM projection.generation WHERE name = $1 AND state = 'live'", projection.name
    )
    return live is None or live < projection.version


async def clear_retired(pool: "Pool", projection: Projection) -> None:
    """Delete the rows of generations that nobody reads any more."""
    rows = await pool.fetch(
        "SELECT generation FROM projection.generation WHERE name = $1 AND state = 'retired'", projection.name
    )
    for row in rows:
        generation = row["generation"]
        for table in (*projection.tables, "projection.checkpoint"):
            named = f" AND name = '{projection.name}'" if table == "projection.checkpoint" else ""
            await pool.execute(f"DELETE FROM {table} WHERE generation = $1{named}", generation)  # noqa: S608  # names from this package
        await pool.execute(
            "DELETE FROM projection.generation WHERE name = $1 AND generation = $2 AND state = 'retired'",
            projection.name,
            generation,
        )


async def digest(connection: "Connection", projection: Projection, generation: int) -> str:
    """Give SHA-256 over all rows of a generation, in the order of their texts, the generation left out.

    Two folds of one log agree in it. Runs in a transaction of its own unless the caller has one.
    """
    seen = hashlib.sha256()
    async with connection.transaction():
        await connection.execute("SET LOCAL timezone = 'UTC'")
        for table in projection.tables:
            seen.update(f"{table}\n".encode())
            line = await _row_text(connection, table)
            query = f'SELECT {line} FROM {table} WHERE generation = $1 ORDER BY {line} COLLATE "C"'  # noqa: S608  # names from the catalog
            async for row in connection.cursor(query, generation, prefetch=5000):
                seen.update(row[0].encode())
                seen.update(b"\n")
    return seen.hexdigest()


async def differences(
    connection: "Connection", projection: Projection, generation: int, other: int, limit: int = 10
) -> list[tuple[str, int, str]]:
    """Give rows that only one of two generations has: table, tenant, and the row as text."""
    found: list[tuple[str, int, str]] = []
    for table in projection.tables:
        row = await _row_text(connection, table)
        rows = [f"SELECT tenant_id, {row} AS line FROM {table} WHERE generation = ${n}" for n in (1, 2)]  # noqa: S608  # names from the catalog
        query = f"(({rows[0]}) EXCEPT ALL ({rows[1]})) UNION ALL (({rows[1]}) EXCEPT ALL ({rows[0]})) ORDER BY 1, 2"
        found += [(table, *found) for found in await connection.fetch(f"{query} LIMIT $3", generation, other, limit)]
    return found


async def _row_text(connection: "Connection", table: str) -> str:
    columns: list[str] = [
        row["attname"]
        for row in await connection.fetch(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
            " AND NOT attisdropped AND attname <> 'generation' ORDER BY attnum",
            table,
        )
    ]
    return f"ROW({', '.join(columns)})::text"


class _Fill:
    """One pass over the lanes that are behind, told as it goes."""

    def __init__(self, pool: "Pool", folder: Folder, filling: Filling, report: Report) -> None:
        self._pool = pool
        self._folder = folder
        self._filling = filling
        self._report = report
        self._done = filling.done

    async def run(self, behind: dict[LaneKey, int], batch_events: int, transaction_lanes: int) -> None:
        batches = _batches(behind, batch_events, transaction_lanes)
        # Two at once: while one's events are folded here, PostgreSQL fetches the other's.
        try:
            async with asyncio.TaskGroup() as group:
                for half in (batches[::2], batches[1::2]):
                    group.create_task(self._fold(half))
        except ExceptionGroup as failed:
            raise failed.exceptions[0] from None

    async def _fold(self, batches: list[list[LaneKey]]) -> None:
        for keys in batches:
            async with self._pool.acquire() as connection:
                await self._finish(connection, keys)

    async def _finish(self, connection: "Connection", keys: list[LaneKey]) -> None:
        """Fold the lanes as far as they go."""
        while keys:
            progress = await self._folder.lanes(connection, self._filling.generation, keys)
            if not progress:
                # Another process has these lanes, or has flipped: look again at what is left.
                await asyncio.sleep(_BUSY_SECONDS)
                return
            self._done += sum(each.folded for each in progress.values())
            total = max(self._done, self._filling.total)
            self._report(msgspec.structs.replace(self._filling, done=self._done, total=total))
            for key, each in progress.items():
                if each.parked is not None:
                    raise FillParkedError(
                        f"{self._filling.projection}: the event after position {each.position} of lane {key[1]} cannot"
                        f" be folded ({each.parked}); the live generation stays in place"
                    )
            keys = [key for key, each in progress.items() if each.position < each.head]


def _batches(behind: dict[LaneKey, int], batch_events: int, transaction_lanes: int) -> list[list[LaneKey]]:
    """Put lanes together that a transaction can fold whole: a lane folded in parts writes its rows once for each."""
    batches: list[list[LaneKey]] = []
    room = 0
    for key, events in behind.items():
        if events > room or len(batches[-1]) == transaction_lanes:
            batches.append([])
            room = batch_events
        batches[-1].append(key)
        room -= events
    return batches


async def _behind(
    connection: "Pool | Connection", projection: Projection, generation: int
) -> tuple[Filling, dict[LaneKey, int]]:
    """Give how far the fill is, and how many events each lane lacks that is behind."""
    rows = await connection.fetch(
        "SELECT l.tenant_id, l.lane, l.head, coalesce(c.position, 0) AS position FROM ledger.lane AS l"
        " LEFT JOIN projection.checkpoint AS c ON c.lane = l.lane AND c.tenant_id = l.tenant_id AND c.name = $1"
        " AND c.generation = $2 ORDER BY l.lane",
        projection.name,
        generation,
    )
    behind = {
        (TenantId(r["tenant_id"]), Lane(r["lane"])): r["head"] - r["position"]
        for r in rows
        if r["position"] < r["head"]
    }
    done, total = sum(r["position"] for r in rows), sum(r["head"] for r in rows)
    return Filling(projection.name, generation, done, total), behind


class _Flip:
    """Folds the rest and makes the generation the live one, in one transaction."""

    def __init__(self, pool: "Pool", projection: Projection, generation: int, folder: Folder) -> None:
        self._pool = pool
        self._projection = projection
        self._generation = generation
        self._folder = folder
        self._tries = 0
        self.seconds: float | None = None
        """For how long folds of the live generation were kept waiting."""

    async def attempt(self) -> bool:
        """Say whether it is done, by this process or another; False if folds or an event are in the way.

        While it waits for folds to end the log goes on, so whoever calls fills once more before the next attempt.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            began = time.perf_counter()
            self._tries += 1
            if self._tries > _FLIP_TRIES:
                # In the queue for the locks it holds up the folds behind it, for as long as the one before takes.
                await exclude_folds(connection, self._projection.name)
                await exclude_folds_together(connection)
            is_alone = self._tries > _FLIP_TRIES or await try_to_flip(connection, self._projection.name)
            done = is_alone and await _flip_locked(connection, self._projection, self._generation, self._folder)
        if done:
            self.seconds = time.perf_counter() - began
        elif not is_alone:
            await asyncio.sleep(_FLIP_TRY_SECONDS)
        return done


async def _flip_locked(connection: "Connection", projection: Projection, generation: int, folder: Folder) -> bool:
    # Folds wait for this commit, and it need not wait for the disk: a crash that undoes it undoes what follows, too.
    await connection.execute("SET LOCAL synchronous_commit = off")
    state = await connection.fetchval(
        "SELECT state FROM projection.generation WHERE name = $1 AND generation = $2", projection.name, generation
    )
    if state != "filling":
        return True
    _, behind = await _behind(connection, projection, generation)
    try:
        async with connection.transaction():
            await folder.tail(connection, generation, list(behind))
    except TRANSIENT:
        raise
    except Exception:  # noqa: BLE001 -- the next pass finds the event again, parks its lane and says which
        return False
    await connection.execute(
        "UPDATE projection.generation SET state = 'retired' WHERE name = $1 AND state = 'live'", projection.name
    )
    await connection.execute(
        "UPDATE projection.generation SET state = 'live' WHERE name = $1 AND generation = $2",
        projection.name,
        generation,
    )
    _log.info("projection_flipped", projection=projection.name, generation=generation, version=projection.version)
    return True
