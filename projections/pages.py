"""Pages of the log, as projections read them: few columns, every position accounted for."""

import datetime as dt
from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.events import TYPES, UnknownEventError
from domain.ids import Lane, TenantId
from projections.base import BulkProjection, Projection, StoredEvent

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

# Rows of types that are not folded come without their body. They count: a page has every position, or is refused.
# Each lane's index gives its events in order, merged over the days; sorting pages of wide rows would spill to disk. The
# tenants must not be named as an array here as well: PostgreSQL would sort that array again for every lane.
_PAGE: Final = """
SELECT e.tenant_id, e.lane, e.position, e.type, CASE WHEN e.type = ANY ($5::text[]) THEN e.data END AS data,
    e.recorded_at, {who},
    CASE WHEN e.type = ANY ($6::text[]) THEN e.account_ids::text[] END AS account_ids,
    CASE WHEN e.type = ANY ($6::text[]) THEN e.posted END AS posted,
    CASE WHEN e.type = ANY ($6::text[]) THEN e.held END AS held
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (tenant_id, lane, low, high)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.event
    WHERE event.tenant_id = u.tenant_id AND event.lane = u.lane
        AND event.position > u.low AND event.position <= u.high{days}
    ORDER BY event.position
) AS e
"""
_WHO: Final = "e.event_id::text AS event_id, e.actor, e.correlation_id::text AS correlation_id"
_NOBODY: Final = "NULL::text AS event_id, NULL::text AS actor, NULL::text AS correlation_id"
_IN_ORDER: Final = itemgetter("lane", "position")
# A terminal is stored under its hold's day; almost all of them are of today or, after midnight, of yesterday.
_DAYS: Final = " AND event.day BETWEEN $7::date AND $8::date"
_RECENT_DAYS: Final = dt.timedelta(days=1)


class Stretch(NamedTuple):
    """Positions of a lane that come next: above `low`, up to `high`."""

    tenant_id: TenantId
    lane: Lane
    low: int
    high: int


class MissingPositionError(Exception):
    """The log has fewer events between two positions of a lane than it must have."""


class CannotFoldError(Exception):
    """Some projections cannot fold an event; the others could."""

    def __init__(self, names: Sequence[str], cause: Exception) -> None:
        """Take the names of the projections, and what was raised."""
        super().__init__(f"{', '.join(names)}: {cause}")
        self.names = frozenset(names)
        self.cause = cause


class Reader:
    """Reads what some projections fold: one page for all of them, and each body once for each class that it becomes."""

    def __init__(self, *projections: Projection | BulkProjection) -> None:
        """Choose columns and decoders by what the projections say that they need."""
        self._names = [projection.name for projection in projections]
        wanted: dict[str, dict[Any, list[int]]] = {}
        effects: set[str] = set()
        for number, projection in enumerate(projections):
            bulk = projection if isinstance(projection, BulkProjection) else None
            effects |= bulk.effects if bulk else projection.types
            for name in projection.types:
                shape = bulk.shapes.get(name, TYPES.get(name)) if bulk else TYPES.get(name)
                if shape is not None:
                    wanted.setdefault(name, {}).setdefault(shape, []).append(number)
        self._types = sorted({name for projection in projections for name in projection.types})
        self._effects = sorted(effects)
        # By event type: decoders, and for which of the projections.
        self._plans: Mapping[str, list[tuple[Any, list[int]]]] = {
            name: [(msgspec.json.Decoder(shape).decode, numbers) for shape, numbers in shapes.items()]
            for name, shapes in wanted.items()
        }
        who = _WHO if any(_needs_names(projection) for projection in projections) else _NOBODY
        self._statement = _PAGE.format(days="", who=who)
        self._recent = _PAGE.format(days=_DAYS, who=who)

    async def rows(
        self,
        connection: "Connection",
        stretches: Sequence[Stretch],
        *,
        today: dt.date | None = None,
    ) -> list["asyncpg.Record"]:
        """Fetch the stretches; raises MissingPositionError if one has a gap.

        With `today` only the latest days are looked at first, which spares the tail of the log the look into each
        of a year's partitions. A hold that ended long after its day makes the count fall short: then all are read.
        """
        columns = [list(column) for column in zip(*stretches, strict=True)]
        wanted = sum(stretch.high - stretch.low for stretch in stretches)
        if today is not None:
            days = (today - _RECENT_DAYS, today + _RECENT_DAYS)
            recent = await connection.fetch(self._recent, *columns, self._types, self._effects, *days)
            if len(recent) == wanted:
                return sorted(recent, key=_IN_ORDER)
        found = await connection.fetch(self._statement, *columns, self._types, self._effects)
        if len(found) != wanted:
            raise MissingPositionError(f"{wanted - len(found)} events are missing in {_worded(stretches)}")
        return sorted(found, key=_IN_ORDER)

    def decode(self, rows: Sequence["asyncpg.Record"]) -> list[StoredEvent]:
        """Give the events that the one projection folds; raises what msgspec raises, and UnknownEventError."""
        try:
            return self.share(rows)[0]
        except CannotFoldError as error:
            raise error.cause from error

    def share(self, rows: Sequence["asyncpg.Record"], excused: frozenset[str] = frozenset()) -> list[list[StoredEvent]]:
        """Give each projection the events that it folds; raises CannotFoldError and UnknownEventError.

        What only those who are excused would have decoded is left out.
        """
        shared: list[list[StoredEvent]] = [[] for _ in self._names]
        plans = self._plans_without(excused) if excused else self._plans
        for row in rows:
            (tenant_id, lane, position, type_, data, recorded_at, event_id, actor, correlation_id,
             account_ids, posted, held) = row.values()  # fmt: skip
            if data is None and type_ in TYPES:
                continue
            plan = plans.get(type_)
            if plan is None:
                raise UnknownEventError(f"event type {type_!r} is not known here: run a newer version of Tallygate")
            effects = ((), (), ()) if account_ids is None else (tuple(account_ids), tuple(posted), tuple(held))
            for decode, numbers in plan:
                try:
                    value = decode(data)
                except msgspec.DecodeError as error:
                    raise CannotFoldError([self._names[number] for number in numbers], error) from error
                event = StoredEvent(
                    tenant_id, lane, position, event_id, type_, value, actor, correlation_id, recorded_at, *effects
                )
                for number in numbers:
                    shared[number].append(event)
        return shared

    def _plans_without(self, excused: frozenset[str]) -> "Mapping[str, list[tuple[Any, list[int]]]]":
        left = {number for number, name in enumerate(self._names) if name not in excused}
        return {
            type_: [(decode, kept) for decode, numbers in plan if (kept := [n for n in numbers if n in left])]
            for type_, plan in self._plans.items()
        }


def _needs_names(projection: Projection | BulkProjection) -> bool:
    return projection.names if isinstance(projection, BulkProjection) else True


def _worded(stretches: Sequence[Stretch]) -> str:
    named = [f"lane {s.lane} of tenant {s.tenant_id}, positions {s.low + 1} to {s.high}" for s in stretches[:3]]
    return "; ".join([*named, *(["and others"] if len(stretches) > len(named) else [])])
