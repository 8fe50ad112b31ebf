"""Folds all live projections together: one read of a page for all of them, one checkpoint row for each lane.

A projection leaves the others on a lane when it cannot fold an event of it: it gets a row of its own there, the others
go on. `Folder` then folds it for itself, and parks it where it must. When it has caught up it is with the others again.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

from projections.base import BulkProjection, Projection, StoredEvent
from projections.checkpoints import (
    TRANSIENT,
    LaneKey,
    Own,
    Progress,
    drop_own,
    enter_fold,
    live_generations,
    lock_shared,
    make_shared,
    move_shared,
    own_rows,
    put_own,
)
from projections.folder import BATCH_EVENTS, fold_into, share_out, tail_day
from projections.pages import CannotFoldError, Reader
from projections.slices import slices

if TYPE_CHECKING:
    from projections.checkpoints import Connection

_FOLDED_NOT_AT_ALL: Final = 2**63 - 1


class StrangerError(Exception):
    """A projection is live that this process does not have in that version: it must not move the shared rows."""


class _Lane:
    """One lane in a fold: where each member is."""

    __slots__ = ("floors", "low", "own", "shared")

    def __init__(
        self, shared: Progress, own: Mapping[str, Own], members: Sequence[str], without: frozenset[str]
    ) -> None:
        self.shared = shared
        self.own = own
        # By member that does not simply go from the shared position: the position above which it is given events.
        self.floors: dict[str, int] = {}
        lows = []
        for name in members:
            row = own.get(name)
            position = shared.position if row is None else row.position
            if name in without or (row is not None and (row.parked is not None or position < shared.position)):
                self.floors[name] = _FOLDED_NOT_AT_ALL
                continue
            if position > shared.position:
                self.floors[name] = position
            lows.append(position)
        # A lane that nobody folds here is passed: those who are apart fold it for themselves.
        self.low = min(lows, default=shared.head)


class Group:
    """Folds batches of all live projections; each batch and its checkpoints are one transaction."""

    def __init__(self, projections: Sequence[Projection], *, batch_events: int = BATCH_EVENTS) -> None:
        """Take all projections of the process."""
        self._projections = {projection.name: projection for projection in projections}
        self._batch_events = batch_events
        self._readers: dict[tuple[str, ...], Reader] = {}
        # Lanes whose shared checkpoint is known to be there, and committed.
        self._made: set[LaneKey] = set()

    async def lanes(self, connection: "Connection", keys: Sequence[LaneKey]) -> dict[LaneKey, Progress]:
        """Fold one batch of many lanes, without those that somebody else is folding; raises StrangerError.

        A projection in the way of the others leaves them on these lanes. Where nobody can say which it is, such as at a
        gap in the log, the lanes are halved until one stands alone, which all leave.
        """
        without: frozenset[str] = frozenset()
        while True:
            try:
                return await self._transaction(connection, keys, without)
            except (StrangerError, *TRANSIENT):
                raise
            except CannotFoldError as error:
                if error.names <= without:
                    raise
                without |= error.names
            except Exception:
                if len(keys) > 1:
                    middle = len(keys) // 2
                    first = await self.lanes(connection, keys[:middle])
                    return first | await self.lanes(connection, keys[middle:])
                if without >= self._projections.keys():
                    raise
                without = frozenset(self._projections)

    async def _transaction(
        self, connection: "Connection", keys: Sequence[LaneKey], without: frozenset[str]
    ) -> dict[LaneKey, Progress]:
        async with connection.transaction():
            await enter_fold(connection)
            live = await self._members(connection)
            if not self._made.issuperset(keys):
                await make_shared(connection, keys)
            locked = await lock_shared(connection, keys, wait=False)
            own = await own_rows(connection, locked, live)
            lanes = {key: _Lane(shared, own.get(key, {}), list(live), without) for key, shared in locked.items()}
            done = await self._fold(connection, lanes, live)
            await self._move(connection, lanes, done, live, without)
        self._made.update(locked)
        return done

    async def _members(self, connection: "Connection") -> dict[str, int]:
        """Give the generation of each live projection, in the order in which all processes fold them."""
        live = await live_generations(connection)
        for name, (_, version) in live.items():
            known = self._projections.get(name)
            if known is None or known.version != version:
                raise StrangerError(f"{name} of version {version} is not known here")
        return {name: generation for name, (generation, _) in live.items()}

    async def _fold(
        self, connection: "Connection", lanes: Mapping[LaneKey, _Lane], live: Mapping[str, int]
    ) -> dict[LaneKey, Progress]:
        done = {key: Progress(lane.low, lane.shared.head, 0) for key, lane in lanes.items()}
        stretches = share_out(done, self._batch_events)
        if not stretches:
            return done
        reader = self._reader(tuple(live))
        rows = await reader.rows(connection, stretches, today=tail_day(stretches, self._batch_events))
        floors: dict[str, dict[LaneKey, int]] = {}
        for key, lane in lanes.items():
            for name, floor in lane.floors.items():
                floors.setdefault(name, {})[key] = floor
        excused = frozenset(
            name
            for name, of_lanes in floors.items()
            if len(of_lanes) == len(lanes) and set(of_lanes.values()) == {_FOLDED_NOT_AT_ALL}
        )
        shared: list[list[StoredEvent]] = [[] for _ in live]
        async for part in slices(rows):
            for all_events, more in zip(shared, reader.share(part, excused), strict=True):
                all_events.extend(more)
        for (name, generation), events in zip(live.items(), shared, strict=True):
            given = _above(events, floors[name]) if name in floors else events
            await self._apply(connection, generation, self._projections[name], given)
        return done | {
            (s.tenant_id, s.lane): Progress(s.high, done[s.tenant_id, s.lane].head, s.high - s.low) for s in stretches
        }

    async def _apply(
        self,
        connection: "Connection",
        generation: int,
        projection: Projection | BulkProjection,
        events: Sequence[StoredEvent],
    ) -> None:
        try:
            await fold_into(connection, generation, projection, events)
        except TRANSIENT:
            raise
        except Exception as error:
            raise CannotFoldError([projection.name], error) from error

    async def _move(
        self,
        connection: "Connection",
        lanes: Mapping[LaneKey, _Lane],
        done: Mapping[LaneKey, Progress],
        live: Mapping[str, int],
        without: frozenset[str],
    ) -> None:
        for name in without & live.keys():
            leaving = {key: lane.shared.position for key, lane in lanes.items() if name not in lane.own}
            await put_own(connection, name, live[name], leaving)
        moved = {key: each.position for key, each in done.items() if each.position > lanes[key].shared.position}
        if moved:
            await move_shared(connection, moved)
        joined = [
            (name, live[name], key)
            for key, lane in lanes.items()
            for name, row in lane.own.items()
            if name not in without and row.parked is None
            and lane.shared.position <= row.position <= done[key].position
        ]  # fmt: skip
        if joined:
            await drop_own(connection, joined)

    def _reader(self, names: tuple[str, ...]) -> Reader:
        reader = self._readers.get(names)
        if reader is None:
            reader = self._readers[names] = Reader(*(self._projections[name] for name in names))
        return reader


def _above(events: Sequence[StoredEvent], floors: Mapping[LaneKey, int]) -> list[StoredEvent]:
    return [event for event in events if event.position > floors.get((event.tenant_id, event.lane), 0)]
