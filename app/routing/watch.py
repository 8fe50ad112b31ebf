"""Watches what stands still in the read models, and says so as an alert: an event that cannot be folded needs a person.

One alert for each read model, however many of its lanes stand still and however many nodes see it; it is over once all
of them go on.
"""

from typing import TYPE_CHECKING, Final

from app.routing.alerts import Alert, Alerts
from projections.checkpoints import ParkedLane, parked

if TYPE_CHECKING:
    from collections.abc import Sequence

    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

PROJECTION_PARKED: Final = "projection_parked"


async def watch_parked(pool: "Pool", alerts: Alerts, raised: "Sequence[Alert]") -> None:
    """Raise an alert for each read model with a lane that stands still, and resolve those of models with none."""
    standing: dict[str, list[ParkedLane]] = {}
    for lane in await parked(pool):
        standing.setdefault(lane.projection, []).append(lane)
    for name, lanes in standing.items():
        first = lanes[0]
        more = f", and {len(lanes) - 1} other lanes" if len(lanes) > 1 else ""
        alerts.raise_(
            PROJECTION_PARKED,
            name,
            f"The read model {name} stands still on lane {first.lane} of tenant {first.tenant_id} at position"
            f" {first.position}{more}: `tallygate parked` says why. Everything else goes on.",
        )
    for alert in raised:
        if alert.kind == PROJECTION_PARKED and alert.subject not in standing:
            alerts.resolve(PROJECTION_PARKED, alert.subject, f"The read model {alert.subject} goes on.")
