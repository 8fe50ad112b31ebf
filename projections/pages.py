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
# Each lane's index gives its events in order, merged over the days; sorting pages of wide rows would spill to disk.
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
        AND event.position > u.low AND event.position <= u.high AND event.tenant_id = ANY ($1::bigint[]){days}
    ORDER BY event.position
) AS e
"""
_WHO: Final = "e.event_id::text AS event_id, e.actor, e.correlation_id::text AS correlation_id"
_NOBODY: Final = "NULL::text AS event_id, NULL::text AS actor, NULL::text AS correlation_id"
_IN_ORDER: Final = itemgetter("lane", "position")
_DAYS: Final = " AND event.day >= $7::date"
_RECENT_DAYS: Final = dt.timedelta(days=9)


class Stretch(NamedTuple):
    """Positions of a lane that come next: above `low`, up to `high`."""

    tenant_id: TenantId
    lane: Lane
    low: int
    high: int


class MissingPositionError(Exception):
    """The log has fewer events between two positions of a lane than it must have."""


class Reader:
    """Reads what one projection folds."""

    def __init__(self, projection: Projection | BulkProjection) -> None:
        """Choose columns and decoders by what the projection says that it needs."""
        bulk = projection if isinstance(projection, BulkProjection) else None
        shapes: Mapping[str, Any] = bulk.shapes if bulk else {}
        self._types = sorted(projection.types)
        self._effects = sorted(bulk.effects) if bulk else self._types
        self._decode = {
            name: msgspec.json.Decoder(shapes.get(name, TYPES.get(name))).decode
            for name in projection.types
            if name in TYPES or name in shapes
        }
        who = _NOBODY if bulk else _WHO
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
            recent = await connection.fetch(self._recent, *columns, self._types, self._effects, today - _RECENT_DAYS)
            if len(recent) == wanted:
                return sorted(recent, key=_IN_ORDER)
        found = await connection.fetch(self._statement, *columns, self._types, self._effects)
        if len(found) != wanted:
            raise MissingPositionError(f"{wanted - len(found)} events are missing in {_worded(stretches)}")
        return sorted(found, key=_IN_ORDER)

    def decode(self, rows: Sequence["asyncpg.Record"]) -> list[StoredEvent]:
        """Give the events that are folded; raises what msgspec raises, and UnknownEventError."""
        decoders = self._decode
        events = []
        for row in rows:
            (tenant_id, lane, position, type_, data, recorded_at, event_id, actor, correlation_id,
             account_ids, posted, held) = row.values()  # fmt: skip
            if data is None:
                if type_ not in TYPES:
                    raise UnknownEventError(f"event type {type_!r} is not known here: run a newer version of Tallygate")
                continue
            value = decoders[type_](data)
            if account_ids is None:
                event = StoredEvent(
                    tenant_id, lane, position, event_id, type_, value, actor, correlation_id, recorded_at
                )
            else:
                effects = tuple(account_ids), tuple(posted), tuple(held)
                event = StoredEvent(
                    tenant_id, lane, position, event_id, type_, value, actor, correlation_id, recorded_at, *effects
                )
            events.append(event)
        return events


def _worded(stretches: Sequence[Stretch]) -> str:
    named = [f"lane {s.lane} of tenant {s.tenant_id}, positions {s.low + 1} to {s.high}" for s in stretches[:3]]
    return "; ".join([*named, *(["and others"] if len(stretches) > len(named) else [])])
