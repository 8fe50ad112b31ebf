"""What took channels out of the choice and back in, over all channels since a moment."""

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec

from domain.events import decode
from domain.ids import PLATFORM
from domain.routing.events import HealthChanged
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

SHOWN_MAX: Final = 500

# The index channel_timeline_time has the changes alone: probes are many, and changes few.
_SINCE: Final = f"""
SELECT at, actor, data FROM routing.channel_timeline
WHERE tenant_id = $1 AND generation = {live("routing")} AND kind = 'changed' AND at >= $2
ORDER BY at DESC, position DESC LIMIT $3
"""  # noqa: S608 -- constants only


class Breaker(msgspec.Struct, frozen=True, kw_only=True):
    """One change of a channel's health."""

    at: dt.datetime
    actor: str
    event: HealthChanged


async def read_breakers(pool: "Pool", since: dt.datetime) -> list[Breaker]:
    """Give the changes, the latest first."""
    rows = await pool.fetch(_SINCE, PLATFORM, since, SHOWN_MAX)
    return [
        Breaker(at=row["at"], actor=row["actor"], event=decode("channel_health.changed.v1", row["data"]))
        for row in rows
    ]
