"""Multipliers: the matrix as it is, and as it was at any record time."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from domain.admin.events import Archived, Changed, Created, Restored
from projections.base import StoredEvent

if TYPE_CHECKING:
    import asyncpg

    from domain.admin.entities import Multiplier

_END: Final = """
UPDATE projection.multipliers SET valid_to = $4
WHERE multiplier_id = $1 AND tenant_id = $2 AND generation = $3 AND valid_to IS NULL
"""

_BEGIN: Final = """
INSERT INTO projection.multipliers
    (multiplier_id, tenant_id, generation, valid_from, position, user_group, channel_group, value, actor, reason)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""


class Multipliers:
    """The projection `multipliers`: one row for each value that a cell of the matrix ever had.

    The row in force has no `valid_to`. One that was changed holds up to the moment at which the next was recorded.
    """

    name = "multipliers"
    version = 1
    tables = ("projection.multipliers",)
    types = frozenset(
        {"multiplier.created.v1", "multiplier.changed.v1", "multiplier.archived.v1", "multiplier.restored.v1"}
    )

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """End the row in force, and begin the next."""
        for event in events:
            change: Created[Multiplier] | Changed[Multiplier] | Archived[Multiplier] | Restored[Multiplier] = (
                event.value
            )
            after = None if isinstance(change, Archived) else change.after
            of = change.before if isinstance(change, Archived) else change.after
            where = (of.multiplier_id, event.tenant_id, generation, event.recorded_at)
            await connection.execute(_END, *where)
            if after is not None:
                cell = (after.user_group, after.channel_group, after.value)
                await connection.execute(_BEGIN, *where, event.position, *cell, event.actor, change.reason)


MULTIPLIERS: Final = Multipliers()
