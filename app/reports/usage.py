"""Usage over time, and top lists: sums over a range, by bucket and by up to three things.

Which table is read depends on what is asked, never on luck: hours that are closed come from the table that has just the
columns in question, open ones from the sums by the hour, and hours that a bucket cuts from the request log.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from domain.ids import TenantId
from domain.reports.periods import Bucket, Cuts, ReportRangeError, cuts
from projections.base import live
from projections.usage import IN_LOG, SEPARATOR, SUMS

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

Dimension = Literal[
    "tenant", "user", "token", "model_asked", "model_routed", "model_billed", "channel", "vendor", "tag", "multiplier"
]
GROUPS_MAX: Final = 3
REST: Final = "(rest)"
OPEN_RANGE_MAX: Final = dt.timedelta(days=8)
"""How much of the whole platform is added up hour by hour, where no table of closed days can serve."""

COLUMN: Final[Mapping[str, str]] = {
    "tenant": "tenant_id",
    "user": "user_id",
    "token": "token_id",
    "model_asked": "model_asked",
    "model_routed": "model_routed",
    "model_billed": "model_billed",
    "channel": "channel_id",
    "vendor": "channel_id",
    "tag": "tags",
    "multiplier": "multiplier",
}
_ROUTE: Final = frozenset({"model_asked", "model_routed", "model_billed", "channel_id"})
_DAY: Final = dt.timedelta(days=1)
_LIVE: Final = live("usage")

# ruff: noqa: S608 -- statements are put together from the constants above; every value is a parameter


class UsageQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to add up. A filter of None is no filter."""

    tiles: tuple[Bucket, ...]
    tenant_id: TenantId | None = None
    """None: the whole platform."""
    by_bucket: bool = True
    """Otherwise sums over the whole range."""
    groups: tuple[Dimension, ...] = ()
    filters: Mapping[str, str] = {}
    """By dimension, but for vendor."""
    tokens: Sequence[str] | None = None
    """Only these, for the lines beside a list of them."""
    channels: Sequence[str] | None = None
    """Only these, as a filter by vendor says."""
    order: str = "captured_nanos"
    """The sum that says which groups are the top ones."""
    top: int = 20


class UsageRow(msgspec.Struct, frozen=True):
    """The sums of one group in one bucket."""

    bucket: int
    """From 0; 0 too where there are none."""
    keys: tuple[str, ...]
    sums: Mapping[str, int]


class _Sql:
    """Parameters, numbered as they are named."""

    def __init__(self) -> None:
        self.values: list[Any] = []

    def add(self, value: Any, type_: str) -> str:
        self.values.append(value)
        return f"${len(self.values)}::{type_}"


async def read_usage(
    pool: "asyncpg.Pool[asyncpg.Record]", query: UsageQuery, vendors: Mapping[str, str]
) -> list[UsageRow]:
    """Give the sums of the top groups, and of all others together as `(rest)`; `vendors`: the type of each channel."""
    keys = [f"k{n}" for n in range(len(query.groups))]
    # One snapshot: between two an hour might be closed, opened again, or the projection rebuilt.
    async with pool.acquire() as connection, connection.transaction(isolation="repeatable_read", readonly=True):
        closed = await closed_until(connection)
        sql = _Sql()
        parts = " UNION ALL ".join(_parts(sql, query, closed, vendors))
        rows = await connection.fetch(_statement(sql, query, parts, keys), *sql.values)
    return [
        UsageRow(row["n"], tuple(row[key] for key in keys), {name: int(row[name]) for name in SUMS}) for row in rows
    ]


async def closed_until(connection: "Connection") -> dt.datetime | None:
    """Give the moment up to which sums are worked out already; None if none are."""
    found: dt.datetime | None = await connection.fetchval(
        f"SELECT closed_until FROM projection.usage_closed WHERE generation = {_LIVE}"
    )
    return found


def _statement(sql: _Sql, query: UsageQuery, parts: str, keys: Sequence[str]) -> str:
    sums = ", ".join(f"sum({name}) AS {name}" for name in SUMS)
    if not keys:
        return f"SELECT n, {sums} FROM ({parts}) AS p GROUP BY n ORDER BY n"
    order = query.order if query.order in SUMS else "captured_nanos"
    rest = ", ".join(f"CASE WHEN top.k0 IS NOT NULL THEN p.{key} ELSE '{REST}' END AS {key}" for key in keys)
    same = " AND ".join(f"top.{key} = p.{key}" for key in keys)
    listed = ", ".join(keys)
    limit = sql.add(query.top, "integer")
    numbers = ", ".join(str(n + 2) for n in range(len(keys)))
    return (
        f"WITH p AS MATERIALIZED ({parts}), top AS (SELECT {listed}, sum({order}) AS amount FROM p GROUP BY {listed}"
        f" ORDER BY sum({order}) DESC, {listed} LIMIT {limit})"
        f" SELECT n, {rest}, {sums} FROM p LEFT JOIN top ON {same} GROUP BY 1, {numbers}"
        f" ORDER BY 1, bool_or(top.k0 IS NULL), max(top.amount) DESC, {numbers}"
    )


def _parts(sql: _Sql, query: UsageQuery, closed: dt.datetime | None, vendors: Mapping[str, str]) -> list[str]:
    layout = cuts(query.tiles)
    starts = sql.add([tile.starts_at for tile in query.tiles], "timestamptz[]") if query.by_bucket else ""
    maker = _Part(sql, query, starts, vendors)
    parts = [maker.of_log(piece) for piece in layout.pieces]
    parts += [maker.of_sums(table, *span, layout.cut) for table, span in _tables(query, layout, closed)]
    return parts


def _tables(
    query: UsageQuery, layout: Cuts, closed: dt.datetime | None
) -> list[tuple[str, tuple[dt.datetime, dt.datetime]]]:
    """Say which tables to read for which whole hours."""
    if layout.first >= layout.last:
        return []
    border = min(max(closed or layout.first, layout.first), layout.last)
    table = _closed_table(query)
    found: list[tuple[str, tuple[dt.datetime, dt.datetime]]] = []
    if table == "usage_day":
        # Whole days of what is closed; the ends hour by hour.
        first = _midnight(layout.first + _DAY - dt.timedelta(microseconds=1))
        last = _midnight(border)
        if first >= last:
            first = last = layout.first
        found = [("usage_hourly", (layout.first, first)), (table, (first, last)), ("usage_hourly", (last, layout.last))]
    elif table is not None:
        found = [(table, (layout.first, border)), ("usage_hourly", (border, layout.last))]
    else:
        if query.tenant_id is None and layout.last - layout.first > OPEN_RANGE_MAX:
            raise ReportRangeError(
                "Over all tenants, days of another zone than UTC by token, user or tag (or tenant together with"
                f" another dimension) are given for at most {OPEN_RANGE_MAX.days} days at once: name a tenant, use the"
                " zone UTC, or ask for less."
            )
        found = [("usage_hourly", (layout.first, layout.last))]
    return [(name, span) for name, span in found if span[0] < span[1]]


def _closed_table(query: UsageQuery) -> str | None:
    """Name the smallest table that has what is asked for; None if only the sums by the hour have."""
    columns = {COLUMN[name] for name in (*query.groups, *query.filters)}
    if query.tokens is not None:
        columns.add("token_id")
    if query.channels is not None:
        columns.add("channel_id")
    if columns <= {"tenant_id"}:
        return "usage_hour_tenant"
    if query.tenant_id is None and columns <= _ROUTE:
        return "usage_hour_route"
    is_daily = not query.by_bucket or all(tile.starts_at == _midnight(tile.starts_at) for tile in query.tiles[1:])
    return "usage_day" if is_daily else None


def _midnight(moment: dt.datetime) -> dt.datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


class _Part:
    """Makes the parts of the statement: each gives sums by bucket (`n`) and group (`k0` on)."""

    def __init__(self, sql: _Sql, query: UsageQuery, starts: str, vendors: Mapping[str, str]) -> None:
        self._sql = sql
        self._query = query
        self._starts = starts
        self._with_vendor = "vendor" in query.groups
        if self._with_vendor:
            self._vendors = (sql.add(list(vendors), "text[]"), sql.add(list(vendors.values()), "text[]"))

    def of_sums(self, table: str, first: dt.datetime, last: dt.datetime, cut: Sequence[dt.datetime]) -> str:
        where = [f"t.hour >= {self._time(first)}", f"t.hour < {self._time(last)}"]
        inside = [hour for hour in cut if first <= hour < last]
        if inside:
            where.append(f"t.hour <> ALL ({self._sql.add(inside, 'timestamptz[]')})")
        sums = ", ".join(f"sum(t.{name}) AS {name}" for name in SUMS)
        tags = f"string_to_array(nullif(t.tags, ''), '{SEPARATOR}')"
        return self._select(f"projection.{table}", "hour", where, sums, tags)

    def of_log(self, piece: Bucket) -> str:
        where = [f"t.recorded_at >= {self._time(piece.starts_at)}", f"t.recorded_at < {self._time(piece.ends_at)}"]
        sums = ", ".join(f"sum({IN_LOG.get(name, 't.' + name)}) AS {name}" for name in SUMS)
        return self._select("projection.request_log", "recorded_at", where, sums, "t.tags")

    def _select(self, table: str, time: str, where: list[str], sums: str, tags: str) -> str:
        query, sql = self._query, self._sql
        where = [f"t.generation = {_LIVE}", *where]
        if query.tenant_id is not None:
            where.append(f"t.tenant_id = {sql.add(query.tenant_id, 'bigint')}")
        for name, value in query.filters.items():
            if name == "tag":
                where.append(f"{sql.add(value, 'text')} = ANY ({tags})")
            else:
                where.append(f"t.{COLUMN[name]}::text = {sql.add(value, 'text')}")
        if query.tokens is not None:
            where.append(f"t.token_id = ANY ({sql.add(list(query.tokens), 'text[]')})")
        if query.channels is not None:
            where.append(f"t.channel_id = ANY ({sql.add(list(query.channels), 'text[]')})")
        joins = ""
        if self._with_vendor:
            names, types = self._vendors
            joins += f" LEFT JOIN unnest({names}, {types}) AS v (id, type) ON v.id = t.channel_id"
        if "tag" in query.groups:
            joins += f" LEFT JOIN LATERAL unnest({tags}) AS tag (name) ON true"
        keys = [_key(name) for name in query.groups]
        number = f"width_bucket(t.{time}, {self._starts}) - 1" if self._starts else "0"
        listed = "".join(f", {key} AS k{n}" for n, key in enumerate(keys))
        grouped = ", ".join(str(n + 1) for n in range(len(keys) + 1))
        return (
            f"(SELECT {number} AS n{listed}, {sums} FROM {table} AS t{joins} WHERE {' AND '.join(where)}"
            f" GROUP BY {grouped})"
        )

    def _time(self, moment: dt.datetime) -> str:
        return self._sql.add(moment, "timestamptz")


def _key(name: str) -> str:
    match name:
        case "vendor":
            return "coalesce(v.type, '')"
        case "tag":
            return "coalesce(tag.name, '')"
        case "tenant":
            return "t.tenant_id::text"
        case "multiplier":
            return "trim_scale(t.multiplier::numeric)::text"
        case _:
            return f"t.{COLUMN[name]}"
