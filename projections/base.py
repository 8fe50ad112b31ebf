"""What a projection is: a fold of the log into tables of its own, at its own pace, that can be made again from zero."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import msgspec

from domain.ids import EventId, Lane, TenantId

if TYPE_CHECKING:
    import asyncpg


class StoredEvent(msgspec.Struct, frozen=True, gc=False):
    """One event of the log, decoded."""

    tenant_id: TenantId
    lane: Lane
    position: int
    event_id: EventId
    type: str
    value: Any
    """The event's class, see `domain.events.TYPES`, or what a `BulkProjection` has decoded it to."""
    actor: str
    correlation_id: str
    recorded_at: dt.datetime
    account_ids: tuple[str, ...] = ()
    posted: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    """What the event did to accounts: the changes of `posted` and `held`, beside their ids."""


class Projection(Protocol):
    """One read model. Its tables have a `generation` column in their key, so that a new one can be filled beside it.

    No clock, no random number and no float may have a part in its rows: the same log must give the same bytes.
    """

    @property
    def name(self) -> str:
        """What its generations and checkpoints are kept under."""
        ...

    @property
    def version(self) -> int:
        """Grows when the tables or the meaning of their rows change: the next start fills a new generation."""
        ...

    @property
    def tables(self) -> tuple[str, ...]:
        """With their schema. Every column but `generation` is part of what two folds must agree on."""
        ...

    @property
    def types(self) -> frozenset[str]:
        """The event types that it folds; others only move its checkpoint."""
        ...

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Fold events of one lane, in order, into rows of a generation; the caller commits and keeps the checkpoint."""
        ...


@runtime_checkable
class BulkProjection(Projection, Protocol):
    """A projection that also takes the events of several lanes at once, each lane's in order, and reads few fields.

    Its `apply` must give the same rows however the lanes are interleaved, and lock rows in the order of their keys.
    """

    @property
    def shapes(self) -> Mapping[str, Any]:
        """By event type, the class that its body is decoded to; the event's own class where none is named."""
        ...

    @property
    def effects(self) -> frozenset[str]:
        """The event types of which it needs what they did to accounts."""
        ...

    @property
    def names(self) -> bool:
        """Whether its events come with their ids, actors and correlation."""
        ...

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Fold events of any lanes into the rows of a generation; the caller commits and keeps the checkpoints."""
        ...


def live(name: str) -> str:
    """Give the SQL for the live generation of a projection: `WHERE generation = <this> AND tenant_id = $1`.

    Part of the statement that reads, so that a flip between two statements cannot empty an answer.
    """
    return f"(SELECT generation FROM projection.generation WHERE name = '{name}' AND state = 'live')"  # noqa: S608  # a constant
