"""What a projection is: a fold of the log into tables of its own, at its own pace, that can be made again from zero."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

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
    """The event's class, see `domain.events.TYPES`."""
    actor: str
    correlation_id: str
    recorded_at: dt.datetime
    account_ids: tuple[str, ...] = ()
    posted: tuple[int, ...] = ()
    held: tuple[int, ...] = ()
    """What the event did to accounts: the changes of `posted` and `held`, beside their ids."""


class Projection(Protocol):
    """One read model. Its tables have a `generation` column in their key, so that a new one can be filled beside it."""

    name: str
    version: int
    """Grows when the tables or the meaning of their rows change: the next start fills a new generation."""
    tables: tuple[str, ...]
    types: frozenset[str]
    """The event types that it folds; others only move its checkpoint."""

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Fold events of one lane, in order, into the rows of a generation; the caller commits and keeps the checkpoint."""
        ...
