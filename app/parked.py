"""Lanes that stand still in a projection, at an event that it cannot fold: which they are, and another try for them."""

from typing import TYPE_CHECKING

from app.projections import PROJECTIONS
from app.rebuild import UnknownProjectionError
from projections.checkpoints import ParkedLane, parked, resume

if TYPE_CHECKING:
    from domain.ids import Lane, TenantId
    from projections.checkpoints import Pool

__all__ = ["ParkedLane", "list_parked", "retry_parked"]


async def list_parked(pool: "Pool", projection: str | None = None) -> list[ParkedLane]:
    """Give the lanes that stand still, of one projection if named: the event's position, why, and since when.

    Raises UnknownProjectionError.
    """
    _check(projection)
    return [each for each in await parked(pool) if projection in {None, each.projection}]


async def retry_parked(
    pool: "Pool", projection: str | None = None, *, tenant_id: "TenantId | None" = None, lane: "Lane | None" = None
) -> int:
    """Let parked lanes try again, those of a projection, tenant or lane if named; gives how many there were.

    The server folds them within seconds. A lane whose event still cannot be folded parks again, with a new time. Raises
    UnknownProjectionError.
    """
    _check(projection)
    return await resume(pool, projection, tenant_id=tenant_id, lane=lane)


def _check(name: str | None) -> None:
    known = [projection.name for projection in PROJECTIONS]
    if name is not None and name not in known:
        raise UnknownProjectionError(f"there is no projection {name!r}: choose from {', '.join(known)}")
