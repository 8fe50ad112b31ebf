"""How the books are kept: projections, parked lanes, open holds, seals; and how the database is."""

import datetime as dt
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.node import NodeReport
from app.projections import PROJECTIONS
from projections.base import live
from projections.checkpoints import ParkedLane, lag, parked
from projections.pulse import EVERYBODY, HOUR

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

HOLD_AGES: Final = (10, 60, 300, 600, 3600)
"""Seconds; the class behind them has no bound."""
PARKED_SHOWN: Final = 500
PARTITIONS_SHOWN: Final = 500

_LOG: Final = "SELECT count(*) AS lanes, coalesce(sum(head), 0)::bigint AS events FROM ledger.lane"

_GENERATIONS: Final = """
SELECT g.name, g.generation, g.version, g.state,
    CASE g.state WHEN 'filling' THEN (SELECT coalesce(sum(c.position), 0)::bigint FROM projection.checkpoint AS c
        WHERE c.name = g.name AND c.generation = g.generation) END AS filled
FROM projection.generation AS g WHERE g.state IN ('live', 'filling') ORDER BY g.name, g.generation
"""

# Of open holds there are as many as requests under way. A hold's age is in its id, a UUIDv7.
_HOLDS: Final = """
WITH h AS (
    SELECT extract(epoch FROM now()) - (('x' || translate(left(hold_id::text, 13), '-', ''))::bit(48)::bigint / 1000.0)
        AS age, deadline,
        (SELECT coalesce(sum(l.amount), 0) FROM unnest(amounts, pooled) AS l (amount, pooled) WHERE l.pooled) AS held
    FROM ledger.hold
)
SELECT width_bucket(age, $1::numeric[]) AS class, count(*) AS holds, sum(held)::bigint AS held,
    count(*) FILTER (WHERE deadline < now()) AS overdue, max(age)::float8 AS oldest
FROM h GROUP BY 1 ORDER BY 1
"""

_EXPIRED: Final = f"""
SELECT at, sum(expired)::bigint AS expired FROM projection.pulse
WHERE generation = {live("pulse")} AND tenant_id = $1 AND minutes = $2 AND at >= $3 GROUP BY at ORDER BY at
"""  # noqa: S608 -- constants only

_SEALS: Final = """
SELECT (SELECT max(number) FROM proof.seal) AS number,
    (SELECT sealed_at FROM proof.seal ORDER BY number DESC LIMIT 1) AS sealed_at,
    (SELECT coalesce(sum(l.head - coalesce(t.position, 0)), 0)::bigint FROM ledger.lane AS l
        LEFT JOIN proof.tip AS t ON t.lane = l.lane AND t.tenant_id = l.tenant_id) AS unsealed
"""

# The lane that waits the longest is among those that are not sealed to their head; their next events tell since when.
_UNSEALED_SINCE: Final = """
SELECT min(e.recorded_at) FROM (
    SELECT l.tenant_id, l.lane, coalesce(t.position, 0) + 1 AS position FROM ledger.lane AS l
    LEFT JOIN proof.tip AS t ON t.lane = l.lane AND t.tenant_id = l.tenant_id
    WHERE l.head > coalesce(t.position, 0) LIMIT 100
) AS w
CROSS JOIN LATERAL (
    SELECT recorded_at FROM ledger.event AS e
    WHERE e.tenant_id = w.tenant_id AND e.lane = w.lane AND e.position = w.position AND e.day > current_date - 9
    LIMIT 1
) AS e
"""

_NODES: Final = "SELECT node, started_at, seen_at, report FROM admin.node ORDER BY started_at, node"

_CONFIG: Final = "SELECT max(position) FROM admin.config_position WHERE tenant_id = 1"

_SAMPLES: Final = """
SELECT date_bin($2::interval, at, 'epoch') AS at, node, avg(cpu_permille)::integer AS cpu_permille,
    max(resident_bytes) AS resident_bytes, max(loop_lag_milliseconds) AS loop_lag_milliseconds,
    max(pool_used) AS pool_used, max(pool_size) AS pool_size, max(requests_running) AS requests_running,
    max(settle_milliseconds) AS settle_milliseconds
FROM admin.node_sample WHERE at >= $1 GROUP BY 1, 2 ORDER BY 1, 2
"""

_DATABASE: Final = """
SELECT current_setting('server_version') AS version, pg_database_size(current_database()) AS size_bytes,
    (SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()) AS connections,
    current_setting('max_connections')::integer AS connections_max,
    pg_is_in_recovery() AS is_standby,
    (SELECT max(number) FROM schema_migration) AS migration
"""

_TABLES: Final = """
SELECT n.nspname || '.' || c.relname AS name, pg_total_relation_size(c.oid) AS size_bytes,
    greatest(c.reltuples, 0)::bigint AS rows
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND NOT c.relispartition AND n.nspname IN ('ledger', 'admin', 'projection', 'proof', 'routing')
ORDER BY 2 DESC, 1 LIMIT 50
"""

_PARTITIONS: Final = """
SELECT parent.oid::regclass::text AS parent, c.oid::regclass::text AS name,
    pg_total_relation_size(c.oid) AS size_bytes, greatest(c.reltuples, 0)::bigint AS rows
FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid JOIN pg_class AS parent ON parent.oid = i.inhparent
WHERE parent.oid IN ('ledger.event'::regclass, 'projection.request_log'::regclass)
ORDER BY 1, 2 DESC LIMIT $1
"""


class ProjectionHealth(msgspec.Struct, frozen=True, kw_only=True):
    """A read model."""

    name: str
    generation: int
    version: int
    events_behind: int
    lanes_behind: int
    parked: int
    filling: int | None
    """The generation that is being filled beside it."""
    filled: int
    """Events that are in that one."""


class HoldClass(msgspec.Struct, frozen=True, kw_only=True):
    """Open holds of an age."""

    seconds_from: int
    seconds_to: int | None
    holds: int
    held_nanos: int


class LedgerHealth(msgspec.Struct, frozen=True, kw_only=True):
    """How the books are kept."""

    lanes: int
    events: int
    projections: tuple[ProjectionHealth, ...]
    parked: tuple[ParkedLane, ...]
    holds: tuple[HoldClass, ...]
    holds_overdue: int
    oldest_hold_seconds: float | None
    expired: tuple[tuple[dt.datetime, int], ...]
    """Holds that nobody had ended, by the hour."""
    seal_number: int | None
    sealed_at: dt.datetime | None
    unsealed: int
    unsealed_since: dt.datetime | None


async def read_health(pool: "Pool", now: dt.datetime) -> LedgerHealth:
    """Look at the books, but for what only reading all of them can tell."""
    log = await pool.fetchrow(_LOG)
    seals = await pool.fetchrow(_SEALS)
    assert log is not None
    assert seals is not None
    ages = await pool.fetch(_HOLDS, [0, *HOLD_AGES])
    expired = await pool.fetch(_EXPIRED, EVERYBODY, HOUR, now - dt.timedelta(hours=24))
    return LedgerHealth(
        lanes=log["lanes"],
        events=log["events"],
        projections=await _projections(pool),
        parked=tuple((await parked(pool))[:PARKED_SHOWN]),
        holds=_classes(ages),
        holds_overdue=sum(row["overdue"] for row in ages),
        oldest_hold_seconds=max((row["oldest"] for row in ages), default=None),
        expired=tuple((row["at"], row["expired"]) for row in expired),
        seal_number=seals["number"],
        sealed_at=seals["sealed_at"],
        unsealed=seals["unsealed"],
        unsealed_since=await pool.fetchval(_UNSEALED_SINCE) if seals["unsealed"] else None,
    )


async def _projections(pool: "Pool") -> tuple[ProjectionHealth, ...]:
    behind = {each.projection: each for each in await lag(pool, PROJECTIONS)}
    rows = await pool.fetch(_GENERATIONS)
    filling = {row["name"]: row for row in rows if row["state"] == "filling"}
    found = []
    for row in rows:
        if row["state"] != "live":
            continue
        late, next_ = behind.get(row["name"]), filling.get(row["name"])
        found.append(
            ProjectionHealth(
                name=row["name"],
                generation=row["generation"],
                version=row["version"],
                events_behind=late.events if late is not None else 0,
                lanes_behind=late.lanes if late is not None else 0,
                parked=late.parked if late is not None else 0,
                filling=next_["generation"] if next_ is not None else None,
                filled=next_["filled"] if next_ is not None else 0,
            )
        )
    return tuple(found)


def _classes(rows: list["asyncpg.Record"]) -> tuple[HoldClass, ...]:
    # 0 is before the first bound: a clock that is behind the one that made the id.
    counts: dict[int, tuple[int, int]] = {}
    for row in rows:
        n = max(1, row["class"])
        holds, held = counts.get(n, (0, 0))
        counts[n] = (holds + row["holds"], held + (row["held"] or 0))
    bounds = (0, *HOLD_AGES)
    return tuple(
        HoldClass(
            seconds_from=first,
            seconds_to=bounds[n + 1] if n + 1 < len(bounds) else None,
            holds=counts.get(n + 1, (0, 0))[0],
            held_nanos=counts.get(n + 1, (0, 0))[1],
        )
        for n, first in enumerate(bounds)
    )


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """A process, as it last said."""

    node: str
    started_at: dt.datetime
    seen_at: dt.datetime
    report: NodeReport


async def read_nodes(pool: "Pool") -> list[Node]:
    """Give every process that has not been silent for long."""
    return [
        Node(
            node=row["node"],
            started_at=row["started_at"],
            seen_at=row["seen_at"],
            report=msgspec.json.decode(row["report"], type=NodeReport),
        )
        for row in await pool.fetch(_NODES)
    ]


async def config_position(pool: "Pool") -> int:
    """Give how far the platform's configuration has come."""
    return int(await pool.fetchval(_CONFIG) or 0)


async def read_samples(pool: "Pool", since: dt.datetime, step: dt.timedelta) -> list["asyncpg.Record"]:
    """Give how nodes were, by steps of time."""
    return await pool.fetch(_SAMPLES, since, step)


class Size(msgspec.Struct, frozen=True, kw_only=True):
    """A table."""

    name: str
    size_bytes: int
    rows: int
    """As PostgreSQL last estimated."""


class Partition(Size, frozen=True, kw_only=True):
    """A day of a table."""

    parent: str


class DatabaseState(msgspec.Struct, frozen=True, kw_only=True):
    """The database."""

    version: str
    size_bytes: int
    connections: int
    connections_max: int
    is_standby: bool
    migration: int
    tables: tuple[Size, ...]
    partitions: tuple[Partition, ...]


async def read_database(pool: "Pool") -> DatabaseState:
    """Look at the database: sizes from its catalog, which a look at costs a stat of each file."""
    row = await pool.fetchrow(_DATABASE)
    assert row is not None
    fields: dict[str, Any] = dict(row)
    return DatabaseState(
        **fields,
        tables=tuple(Size(**dict(each)) for each in await pool.fetch(_TABLES)),
        partitions=tuple(Partition(**dict(each)) for each in await pool.fetch(_PARTITIONS, PARTITIONS_SHOWN)),
    )
