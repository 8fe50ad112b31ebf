"""Redemptions: who turned which code of a batch into credit, and when. Codes are known by hashes only."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from domain.grants.events import CodeClaimed
from projections.base import StoredEvent

if TYPE_CHECKING:
    import asyncpg

_COLUMNS: Final = (
    "position",
    "tenant_id",
    "generation",
    "batch_id",
    "code_hash",
    "redeemed_for",
    "user_id",
    "grant_id",
    "amount_nanos",
    "redeemed_at",
)


class Redemptions:
    """The projection `redemptions`: one row for each use of a code, in the order in which the uses were taken."""

    name = "redemptions"
    version = 1
    tables = ("projection.redemptions",)
    types = frozenset({"code.claimed.v1"})

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Insert a row for each claim."""
        rows = [_row(event, event.value, generation) for event in events]
        await connection.copy_records_to_table("redemptions", schema_name="projection", columns=_COLUMNS, records=rows)


def _row(event: StoredEvent, claim: CodeClaimed, generation: int) -> tuple[object, ...]:
    return (
        event.position,
        event.tenant_id,
        generation,
        claim.batch_id,
        claim.code_hash,
        claim.tenant_id,
        claim.user_id,
        claim.grant_id,
        claim.amount_nanos,
        event.recorded_at,
    )


REDEMPTIONS: Final = Redemptions()
