"""`tallygate rebuild`: makes projections again from the log while everything runs."""

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from app.projections import PROJECTIONS
from projections.generations import Filling, rebuild
from projections.runner import ensure

if TYPE_CHECKING:
    from projections.base import Projection
    from projections.folder import Pool


class UnknownProjectionError(Exception):
    """There is no projection of this name."""


class Rebuilt(msgspec.Struct, frozen=True):
    """One projection that was made again."""

    projection: str
    generation: int
    events: int
    """Events that this run folded or skipped as not its own."""
    seconds: float
    events_per_second: int
    flip_milliseconds: float
    """How long folds of the live generation were kept waiting; readers and writers were not."""


def choose(names: Sequence[str]) -> list["Projection"]:
    """Give the projections of these names, all of them for none; raise UnknownProjectionError."""
    known = {projection.name: projection for projection in PROJECTIONS}
    for name in names:
        if name not in known:
            raise UnknownProjectionError(f"there is no projection {name!r}: choose from {', '.join(known)}")
    return [known[name] for name in names] or list(PROJECTIONS)


async def rebuild_all(
    pool: "Pool", projections: Sequence["Projection"], report: Callable[[Filling], None] = lambda _: None
) -> list[Rebuilt]:
    """Rebuild one projection after another. A run that was killed is taken up where it was."""
    await ensure(pool, projections)
    return [await _rebuild(pool, projection, report) for projection in projections]


async def _rebuild(pool: "Pool", projection: "Projection", report: Callable[[Filling], None]) -> Rebuilt:
    seen: list[Filling] = []

    def note(filling: Filling) -> None:
        # The first and the last are enough to tell what this run did.
        seen[1:] = [filling]
        report(filling)

    flips: list[float] = []
    began = time.perf_counter()
    generation = await rebuild(pool, projection, note, on_flip=flips.append)
    seconds = time.perf_counter() - began
    events = seen[-1].done - seen[0].done
    return Rebuilt(
        projection.name, generation, events, round(seconds, 3), round(events / seconds), round(1000 * sum(flips), 1)
    )
