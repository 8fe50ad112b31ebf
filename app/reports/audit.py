"""The audit timeline: what the projection `audit` has found, with before and after from the events themselves.

Each filter has an index that ends in the time, so that a page is a few dozen rows of it whatever the length of history.
"""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.admin.events import Bulk
from domain.events import decode
from domain.ids import EventId, TenantId
from domain.reports.periods import Bucket, ReportRangeError
from projections.audit import CONCERNED_FROM, ConcernDetail
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_LIVE: Final = live("audit")
_ONCE: Final = f"part < {CONCERNED_FROM}"
"""Each event once: without the rows that tenants have of what stands in the platform's lane."""
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)
_LIFE: Final = ("created", "changed", "archived", "restored", "key_changed")
"""What changes the state of a thing, and counts as a version of it."""

# ruff: noqa: S608 -- statements are put together from constants of this module; every value is a parameter

_EVENTS: Final = """
SELECT event_id::text, type, data FROM ledger.event
WHERE (tenant_id, event_id, day) IN (SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::date[]))
    AND tenant_id = ANY ($1::bigint[]) AND day = ANY ($3::date[])
"""
_DAYS: Final = f"""
SELECT width_bucket(recorded_at, $2::timestamptz[]) - 1 AS n, kind, action, count(*) AS changes
FROM projection.audit_log
WHERE generation = {_LIVE} AND recorded_at >= $3 AND recorded_at < $4
    AND CASE WHEN $1::bigint IS NULL THEN {_ONCE} ELSE tenant_id = $1 END
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""


class Place(NamedTuple):
    """Where an entry stands."""

    recorded_at: dt.datetime
    lane: int
    position: int
    part: int

    def text(self) -> str:
        """Give what a client sends back."""
        micros = (self.recorded_at - _EPOCH) // _MICROSECOND
        return f"{micros}-{self.lane}-{self.position}-{self.part}"


def place_of(text: str) -> Place:
    """Read a place; raises ReportRangeError for what is none."""
    parts = text.split("-")
    if len(parts) != 4 or not all(part.isascii() and part.isdigit() and len(part) < 18 for part in parts):  # noqa: PLR2004
        raise ReportRangeError("This is no place of the timeline: send `next` as it was given.")
    micros, lane, position, part = (int(each) for each in parts)
    return Place(_EPOCH + _MICROSECOND * min(micros, 7 * 10**15), lane, position, min(part, 2**31 - 1))


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What to look for; None narrows nothing."""

    tenant_id: TenantId | None = None
    """None: everything, each event once."""
    kind: str | None = None
    entity_id: str | None = None
    action: str | None = None
    actor: str | None = None
    starts_at: dt.datetime | None = None
    ends_at: dt.datetime | None = None


class AuditEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that happened to one thing."""

    place: Place
    event_id: EventId
    type: str
    tenant_id: TenantId
    """In whose lane it is."""
    kind: str
    entity_id: str
    name: str
    action: str
    actor: str
    address: str
    reason: str
    value: Any
    """The event, or of several things in one the part that this is about; a ConcernDetail for a member."""


async def read_audit(pool: "Pool", query: AuditQuery, *, after: Place | None, limit: int) -> list[AuditEntry]:
    """Give the next entries, the latest first."""
    values: list[Any] = []
    where = [f"generation = {_LIVE}"]

    def add(condition: str, *given: Any) -> None:
        values.extend(given)
        numbers = [f"${n}" for n in range(len(values) - len(given) + 1, len(values) + 1)]
        where.append(condition.format(*numbers))

    if query.tenant_id is None:
        where.append(_ONCE)
    else:
        add("tenant_id = {}", query.tenant_id)
    for name in ("kind", "entity_id", "action", "actor"):
        if getattr(query, name) is not None:
            add(f"{name} = {{}}", getattr(query, name))
    if query.starts_at is not None:
        add("recorded_at >= {}", query.starts_at)
    if query.ends_at is not None:
        add("recorded_at < {}", query.ends_at)
    if after is not None:
        # The first condition is the one that an index can begin at.
        add("recorded_at <= {}", after.recorded_at)
        add("(recorded_at, lane, position, part) < ({}, {}, {}, {})", *after)
    rows = await pool.fetch(
        f"SELECT {_COLUMNS} FROM projection.audit_log WHERE {' AND '.join(where)}"
        f" ORDER BY recorded_at DESC, lane DESC, position DESC, part DESC LIMIT {limit:d}",
        *values,
    )
    return await _entries(pool, rows)


_COLUMNS: Final = (
    "recorded_at, lane, position, part, home, event_id::text, day, type, kind, entity_id, name, action, actor, address,"
    " reason, detail"
)


async def _entries(pool: "Pool", rows: Sequence["asyncpg.Record"]) -> list[AuditEntry]:
    wanted = [row for row in rows if row["detail"] is None]
    found = await pool.fetch(
        _EVENTS,
        [row["home"] for row in wanted],
        [row["event_id"] for row in wanted],
        [row["day"] for row in wanted],
    )
    events = {row["event_id"]: decode(row["type"], row["data"]) for row in found}
    return [_entry(row, events.get(row["event_id"])) for row in rows]


def _entry(row: "asyncpg.Record", event: Any) -> AuditEntry:
    value = event
    if row["detail"] is not None:
        value = msgspec.json.decode(row["detail"], type=ConcernDetail)
    elif isinstance(event, Bulk):
        value = event.parts()[row["part"]]
    return AuditEntry(
        place=Place(row["recorded_at"], row["lane"], row["position"], row["part"]),
        event_id=row["event_id"],
        type=row["type"],
        tenant_id=TenantId(row["home"]),
        kind=row["kind"],
        entity_id=row["entity_id"],
        name=row["name"],
        action=row["action"],
        actor=row["actor"],
        address=row["address"],
        reason=row["reason"],
        value=value,
    )


class StateAt(msgspec.Struct, frozen=True, kw_only=True):
    """A thing as it was."""

    entry: AuditEntry
    """What made it so."""
    version: int


async def read_state(
    pool: "Pool", kind: str, entity_id: str, at: dt.datetime, *, tenant_id: TenantId | None
) -> StateAt | None:
    """Give a thing as it was at a moment; None if it was not there yet. A new key changes nothing that can be shown."""
    whose = _ONCE if tenant_id is None else "tenant_id = $5"
    more = () if tenant_id is None else (tenant_id,)
    rows = await pool.fetch(
        f"SELECT {_COLUMNS}, count(*) OVER () AS versions FROM projection.audit_log"
        f" WHERE generation = {_LIVE} AND kind = $1 AND entity_id = $2 AND recorded_at <= $3"
        f" AND action = ANY ($4) AND {whose}"
        " ORDER BY recorded_at DESC, lane DESC, position DESC, part DESC LIMIT 1",
        kind,
        entity_id,
        at,
        list(_LIFE),
        *more,
    )
    if not rows:
        return None
    (entry,) = await _entries(pool, rows)
    if entry.action == "key_changed":
        # The state is what the change before it left.
        before = entry.place.recorded_at - _MICROSECOND
        found = await read_state(pool, kind, entity_id, before, tenant_id=tenant_id)
        return StateAt(entry=found.entry, version=rows[0]["versions"]) if found is not None else None
    return StateAt(entry=entry, version=rows[0]["versions"])


class DayOfChanges(msgspec.Struct, frozen=True):
    """How much was done in a bucket."""

    bucket: int
    kind: str
    action: str
    changes: int


async def count_changes(pool: "Pool", tiles: Sequence[Bucket], tenant_id: TenantId | None) -> list[DayOfChanges]:
    """Count what happened in each bucket, by kind and action."""
    rows = await pool.fetch(_DAYS, tenant_id, [tile.starts_at for tile in tiles], tiles[0].starts_at, tiles[-1].ends_at)
    return [DayOfChanges(*row) for row in rows]


# For each person the last row of the index audit_log_thing; sign-ins are most of what happens to a person.
_SIGN_INS: Final = f"""
SELECT u.user_id, a.recorded_at, a.address FROM unnest($1::text[]) WITH ORDINALITY AS u (user_id, n)
CROSS JOIN LATERAL (
    SELECT recorded_at, address FROM projection.audit_log
    WHERE entity_id = u.user_id AND kind = 'user' AND action = 'signed_in' AND generation = {_LIVE}
        AND {_ONCE}
    ORDER BY recorded_at DESC LIMIT 1
) AS a ORDER BY u.n
"""


async def last_sign_ins(pool: "Pool", user_ids: Sequence[str]) -> list[tuple[str, dt.datetime, str]]:
    """Give when each person last signed in, and from where; who never did is not there."""
    return [tuple(row) for row in await pool.fetch(_SIGN_INS, list(user_ids))]
