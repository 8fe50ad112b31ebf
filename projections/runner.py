"""Keeps projections up with the log in the background; new versions of them are filled while the old ones serve."""

import asyncio
import contextlib
import hashlib
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from projections.base import Projection
from projections.checkpoints import (
    TRANSIENT,
    Lag,
    LaneKey,
    ParkedLane,
    behind_shared,
    lag,
    live_generation,
    moved_lanes,
    parked,
    rejoin,
    resume,
)
from projections.folder import TRANSACTION_LANES, Folder, OnPark, ProjectionParkedError, advance, ensure
from projections.generations import FillParkedError, is_outdated, rebuild
from projections.group import Group, StrangerError

if TYPE_CHECKING:
    from projections.checkpoints import Pool

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

# Taken, or said again: by its holder, or by anybody once it has run out. Losing it in a crash costs nothing.
_LEAD: Final = """
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO projection.lease AS l (projections, holder, until)
SELECT $1, $2, now() + $3 * interval '1 second' FROM quick
ON CONFLICT (projections) DO UPDATE SET holder = excluded.holder, until = excluded.until
WHERE l.holder = excluded.holder OR l.until < now()
RETURNING true
"""


class Runner:
    """Folds moved lanes in the background, all live projections together.

    Any number of processes may run one: of those with the same projections one folds, under a lease that another takes
    over when it runs out. `notice` makes it fold soon what this process wrote; a poll of the lanes' heads finds
    everything else, and is the only thing relied upon.
    """

    REST_MIN_SECONDS: Final = 0.2
    REST_MAX_SECONDS: Final = 1.0
    REST_SHARE: Final = 9
    """A round rests this many times as long as it works, within those bounds.

    The rest gathers what comes in meanwhile: ten new events of a lane are folded at almost the cost of one. It is taken
    in pieces, one after each transaction: a round of a thousand lanes in one go keeps a core busy for as long as
    requests that want it are seen to wait.
    """
    LANES_AT_ONCE: Final = 50
    """Lanes of one transaction: who wants one of them folded at once waits for it that long."""
    POLL_MIN_SECONDS: Final = 0.05
    POLL_MAX_SECONDS: Final = 1.0
    POLL_SHARE: Final = 10
    """A poll that takes long is followed by a pause of this many times as long."""
    APART_SECONDS: Final = 2.0
    """The pause between two looks for projections that are not with the others."""
    APART_LANES: Final = 5000
    LEASE_SECONDS: Final = 3.0
    RENEW_SECONDS: Final = 60.0
    """The pause before a rebuild that an event is in the way of is tried again."""

    def __init__(
        self,
        pool: "Pool",
        projections: Sequence[Projection],
        *,
        transaction_lanes: int = TRANSACTION_LANES,
        on_park: OnPark = lambda _: None,
    ) -> None:
        """Take the pool to work on: up to two connections are used at a time. `on_park` hears of lanes that park."""
        self._pool = pool
        self._projections = tuple(projections)
        self._transaction_lanes = transaction_lanes
        self._group = Group(projections)
        self._folders = {p.name: Folder(p, on_park=on_park) for p in projections}
        self._holder = uuid.uuid4().hex
        versions = " ".join(sorted(f"{p.name}.{p.version}" for p in projections))
        self._lease = hashlib.sha256(versions.encode()).hexdigest()
        self._leads = False
        self._lead_again = 0.0
        self._noticed: dict[LaneKey, None] = {}
        self._woken = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin; parked lanes get another chance, for this may be the version that understands their event."""
        await ensure(self._pool, self._projections)
        for projection in self._projections:
            await resume(self._pool, projection.name)
        await self._pool.execute("DELETE FROM projection.lease WHERE until < now() - interval '1 day'")
        self._tasks = [
            asyncio.create_task(self._run(), name="projections"),
            asyncio.create_task(self._run_apart(), name="projections-apart"),
            *(asyncio.create_task(self._renew(each), name=f"projection:{each.name}") for each in self._projections),
        ]

    async def stop(self) -> None:
        """End; a batch that is cut short is rolled back whole."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        if self._leads:
            self._leads = False
            with contextlib.suppress(*TRANSIENT):
                await self._pool.execute("DELETE FROM projection.lease WHERE holder = $1", self._holder)

    def notice(self, lanes: Iterable[LaneKey]) -> None:
        """Say which lanes have just been written: a hint, which may be lost."""
        if self._leads:
            self._noticed.update(dict.fromkeys(lanes))
            self._woken.set()

    async def lag(self) -> list[Lag]:
        """Give how far each live projection is behind."""
        return await lag(self._pool, self._projections)

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        poll_at, pause = clock(), self.POLL_MIN_SECONDS
        while True:
            rest = self.REST_MIN_SECONDS
            try:
                if not await self._lead():
                    await asyncio.sleep(self.POLL_MAX_SECONDS)
                    continue
                began = clock()
                keys = list(self._noticed)
                self._noticed.clear()
                self._woken.clear()
                if began >= poll_at:
                    polled = await moved_lanes(self._pool)
                    pause = self.POLL_MIN_SECONDS if polled else min(2 * pause, self.POLL_MAX_SECONDS)
                    poll_at = clock() + max(pause, self.POLL_SHARE * (clock() - began))
                    keys = list(dict.fromkeys([*polled, *keys]))
                if keys:
                    more, rest = await self._fold(keys, began)
                    if more:
                        poll_at = min(poll_at, clock())
            except TRANSIENT as error:
                _log.warning("projections_delayed", error=str(error) or type(error).__name__)
                poll_at = clock() + self.POLL_MAX_SECONDS
            except Exception:  # noqa: BLE001 -- no event's fault, for that parks a lane: tried again, and told
                _log.exception("projections_failed")
                poll_at = clock() + self.POLL_MAX_SECONDS
            await asyncio.sleep(rest)
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken.wait(), max(0.0, poll_at - clock()))

    async def _lead(self) -> bool:
        """Say whether this process is the one that folds; hold the lease a third of its time before it is renewed."""
        now = asyncio.get_running_loop().time()
        if not self._leads or now >= self._lead_again:
            self._lead_again = now + self.LEASE_SECONDS / 3
            led = await self._pool.fetchval(_LEAD, self._lease, self._holder, self.LEASE_SECONDS)
            self._leads = led is not None
        return self._leads

    async def _fold(self, keys: Sequence[LaneKey], began: float) -> tuple[bool, float]:
        """Fold a batch of each lane; say whether any has more, and give the seconds that are left to rest."""
        clock = asyncio.get_running_loop().time
        more, rest, rested = False, 0.0, 0.0
        at_once = min(self._transaction_lanes, self.LANES_AT_ONCE)
        for start in range(0, len(keys), at_once):
            more = await self._fold_at_once(keys[start : start + at_once]) or more
            share = min(1.0, (start + at_once) / len(keys))
            rest = self.rest_due(clock() - began - rested, share) - rested
            if share < 1.0 and rest > 0:
                await asyncio.sleep(rest)
                rested += rest
        return more, max(rest, 0.0)

    @classmethod
    def rest_due(cls, worked_seconds: float, share: float) -> float:
        """Give how long a round must have rested when it has folded this share of its lanes in that time.

        It is the share of the rest that the whole round will have if it goes on like this.
        """
        whole = cls.REST_SHARE * worked_seconds / share
        return share * min(max(cls.REST_MIN_SECONDS, whole), cls.REST_MAX_SECONDS)

    async def _fold_at_once(self, lanes: Sequence[LaneKey]) -> bool:
        """Fold a batch of each lane in one transaction; say whether any has more."""
        async with self._pool.acquire() as connection:
            try:
                done = await self._group.lanes(connection, lanes)
            except StrangerError:
                # A newer version is at work, or an older one has left its rows: each for itself, then.
                return await self._fold_alone(lanes)
        return len(done) < len(lanes) or any(each.position < each.head for each in done.values())

    async def _fold_alone(self, lanes: Sequence[LaneKey]) -> bool:
        more = False
        for folder in self._folders.values():
            async with self._pool.acquire() as connection:
                generation = await live_generation(connection, folder.projection)
                if generation is not None:
                    done = await folder.lanes(connection, generation, lanes)
                    more = more or any(each.parked is None and each.position < each.head for each in done.values())
        return more

    async def _run_apart(self) -> None:
        """Bring those that are behind the others back to them, each for itself."""
        while True:
            more = False
            try:
                if self._leads:
                    await rejoin(self._pool, self.APART_LANES)
                    more = await self._catch_up()
            except TRANSIENT as error:
                _log.warning("projections_delayed", error=str(error) or type(error).__name__)
            except Exception:  # noqa: BLE001 -- no event's fault, for that parks a lane: tried again, and told
                _log.exception("projections_failed")
            await asyncio.sleep(self.POLL_MIN_SECONDS if more else self.APART_SECONDS)

    async def _catch_up(self) -> bool:
        found = await behind_shared(self._pool, list(self._folders), self.APART_LANES)
        for name, lanes in found.items():
            folder = self._folders[name]
            for start in range(0, len(lanes), self._transaction_lanes):
                async with self._pool.acquire() as connection:
                    generation = await live_generation(connection, folder.projection)
                    if generation is not None:
                        await folder.lanes(connection, generation, lanes[start : start + self._transaction_lanes])
        return bool(found)

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
