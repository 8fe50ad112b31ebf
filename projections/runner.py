"""Keeps projections up with the log in the background; new versions of them are filled while the old ones serve."""

import asyncio
import contextlib
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from domain.ids import Lane, TenantId
from projections.base import Projection
from projections.folder import (
    TRANSACTION_LANES,
    TRANSIENT,
    Folder,
    Lag,
    LaneKey,
    ParkedLane,
    ProjectionParkedError,
    advance,
    ensure,
    lag,
    live_generation,
    parked,
    resume,
)
from projections.generations import FillParkedError, is_outdated, rebuild

if TYPE_CHECKING:
    from projections.folder import Pool

__all__ = [
    "Lag",
    "ParkedLane",
    "ProjectionParkedError",
    "Runner",
    "advance",
    "ensure",
    "lag",
    "parked",
    "resume",
]

_log = structlog.get_logger(__name__)


class Runner:
    """Folds moved lanes in the background: one task per projection, each lane a bounded batch in its turn.

    Any number of processes may run one: a lane that another process is folding is skipped. `notice` makes it fold soon
    what this process wrote; a poll of the lanes' heads finds everything else, and is the only thing relied upon.
    """

    POLL_MIN_SECONDS: Final = 0.05
    POLL_MAX_SECONDS: Final = 1.0
    GATHER_SECONDS: Final = 0.2
    """The rest after each round: under load, five rounds a second cost a tenth of what twenty do."""
    POLL_SHARE: Final = 10
    """A poll that takes long is followed by a pause of this many times as long."""
    SLOW_SECONDS: Final = 2.0
    """The rest of a projection that no request concerns: all that it does then is to move checkpoints past them.

    Whoever changes what it shows folds the lane at once, by `advance`.
    """
    RENEW_SECONDS: Final = 60.0
    """The pause before a rebuild that an event is in the way of is tried again."""

    def __init__(
        self, pool: "Pool", projections: Sequence[Projection], *, transaction_lanes: int = TRANSACTION_LANES
    ) -> None:
        """Take the pool to work on: one connection per projection is used at a time."""
        self._pool = pool
        self._projections = tuple(projections)
        self._transaction_lanes = transaction_lanes
        self._noticed: dict[str, dict[LaneKey, None]] = {p.name: {} for p in projections}
        self._rest_seconds = {
            p.name: self.GATHER_SECONDS if _follows_requests(p) else self.SLOW_SECONDS for p in projections
        }
        self._woken = {p.name: asyncio.Event() for p in projections}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; parked lanes get another chance, for this may be the version that understands their event."""
        await ensure(self._pool, self._projections)
        for projection in self._projections:
            await resume(self._pool, projection.name)
        self._tasks = [
            asyncio.create_task(self._run(projection), name=f"projection:{projection.name}")
            for projection in self._projections
        ]

    async def stop(self) -> None:
        """End; a batch that is cut short is rolled back whole."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    def notice(self, lanes: Iterable[LaneKey]) -> None:
        """Say which lanes have just been written: a hint, which may be lost."""
        keys = dict.fromkeys(lanes)
        for projection in self._projections:
            if _follows_requests(projection):
                self._noticed[projection.name].update(keys)
                self._woken[projection.name].set()

    async def lag(self) -> list[Lag]:
        """Give how far each live projection is behind."""
        return await lag(self._pool, self._projections)

    async def _run(self, projection: Projection) -> None:
        await self._renew(projection)
        folder = Folder(projection)
        clock = asyncio.get_running_loop().time
        poll_at, pause = clock(), self.POLL_MIN_SECONDS
        while True:
            try:
                keys = list(self._noticed[projection.name])
                self._noticed[projection.name].clear()
                self._woken[projection.name].clear()
                began = clock()
                if began >= poll_at:
                    polled = await self._moved(projection)
                    pause = self.POLL_MIN_SECONDS if polled else min(2 * pause, self.POLL_MAX_SECONDS)
                    poll_at = clock() + max(pause, self.POLL_SHARE * (clock() - began))
                    keys = list(dict.fromkeys([*polled, *keys]))
                if await self._fold(folder, keys):
                    poll_at = min(poll_at, clock())
            except TRANSIENT as error:
                _log.warning("projection_delayed", projection=projection.name, error=str(error) or type(error).__name__)
                poll_at = clock() + self.POLL_MAX_SECONDS
            # A short rest gathers what comes in meanwhile into one transaction.
            await asyncio.sleep(self._rest_seconds[projection.name])
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken[projection.name].wait(), max(0.0, poll_at - clock()))

    async def _renew(self, projection: Projection) -> None:
        """Fill a generation of this version if the live one is older: the old one serves meanwhile."""
        while True:
            try:
                if await is_outdated(self._pool, projection):
                    await rebuild(self._pool, projection, transaction_lanes=self._transaction_lanes)
            except FillParkedError as error:
                _log.error("projection_outdated", projection=projection.name, error=str(error))
                await asyncio.sleep(self.RENEW_SECONDS)
            except TRANSIENT as error:
                _log.warning("projection_delayed", projection=projection.name, error=str(error) or type(error).__name__)
                await asyncio.sleep(self.POLL_MAX_SECONDS)
            else:
                return

    async def _moved(self, projection: Projection) -> list[LaneKey]:
        rows = await self._pool.fetch(
            "SELECT l.tenant_id, l.lane FROM ledger.lane AS l"
            " JOIN projection.generation AS g ON g.name = $1 AND g.version = $2 AND g.state = 'live'"
            " LEFT JOIN projection.checkpoint AS c ON c.lane = l.lane AND c.tenant_id = l.tenant_id"
            " AND c.name = $1 AND c.generation = g.generation"
            " WHERE l.head > coalesce(c.position, 0) AND c.error IS NULL",
            projection.name,
            projection.version,
        )
        return [(TenantId(row["tenant_id"]), Lane(row["lane"])) for row in rows]

    async def _fold(self, folder: Folder, keys: Sequence[LaneKey]) -> bool:
        """Fold a batch of each lane; say whether any has more."""
        more = False
        for start in range(0, len(keys), self._transaction_lanes):
            async with self._pool.acquire() as connection:
                generation = await live_generation(connection, folder.projection)
                if generation is None:
                    return False
                done = await folder.lanes(connection, generation, keys[start : start + self._transaction_lanes])
            more = more or any(p.parked is None and p.position < p.head for p in done.values())
        return more


def _follows_requests(projection: Projection) -> bool:
    return any(name.startswith("hold.") for name in projection.types)
