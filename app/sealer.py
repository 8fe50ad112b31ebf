"""Seals the log: closes what was written a short while ago into blocks, and signs them, outside of the write path.

Every process may run one. A round is done by whoever gets the lock; the others find nothing left to do. No statement of
a round locks what a writer needs, none is sent per lane, and events are hashed by PostgreSQL, so that a round costs a
serving process little. A round that is cut off has stored nothing, or all of it: the next one goes on from the blocks.
"""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from adapters.postgres import seals
from adapters.postgres.errors import AWAY
from adapters.postgres.seals import Behind, ClosedBlock, Stretch
from adapters.seal_keys import SealKeyError, SealKeys
from app.jobs import Jobs
from domain.proof.seals import BLOCK_EVENTS_MAX, START, Tip, block_of, seal_of, sign, tip_of

if TYPE_CHECKING:
    from pathlib import Path

    import asyncpg

    from adapters.postgres.seals import Connection

    Pool = asyncpg.Pool[asyncpg.Record]

AGE_SECONDS: Final = 10.0
"""How long an event may wait for its seal."""
EVENTS_SOON: Final = 4000
"""As many waiting events, over all lanes, are sealed without waiting."""
ROUND_EVENTS: Final = 8192
"""Events of one seal, at most (or one for each lane in it)."""
ROUND_LANES: Final = 1000
_YIELD_LANES: Final = 64
"""Requests of the same process go first after so many lanes, or a full block: a millisecond or two."""
_LOOK_SECONDS: Final = 2.0
_REST_SECONDS: Final = 0.05
_STUCK_SECONDS: Final = 60.0
"""How long a lane is left alone that has a gap where its next event should be."""
_RECENT_DAYS: Final = dt.timedelta(days=9)
_LOCK_KEY: Final = 7_424_320

_FAILURES: Final = (*AWAY, SealKeyError)

_log = structlog.get_logger(__name__)


class Round(msgspec.Struct, frozen=True):
    """What one round did."""

    seal: int
    """Its number; 0 if there was nothing to seal."""
    blocks: int
    events: int
    more: bool
    """Whether events are left that this round had no room for."""


_NOTHING: Final = Round(0, 0, 0, more=False)


class KeyFile:
    """The keys of a file, read again when it changes."""

    def __init__(self, path: "Path") -> None:
        """Open the file, or make it; SealKeyError if it cannot be used."""
        self._path = path
        self._keys = SealKeys.open(path)
        self._stamp = self._stat()

    def __call__(self) -> SealKeys:
        """Give the keys as they are now; SealKeyError if the file has become unusable."""
        stamp = self._stat()
        if stamp != self._stamp:
            self._keys, self._stamp = SealKeys.read(self._path), stamp
        return self._keys

    def _stat(self) -> tuple[int, int]:
        try:
            found = self._path.stat()
        except OSError as error:
            raise SealKeyError(f"the seal key file {self._path} cannot be used: {error.strerror}") from None
        return found.st_mtime_ns, found.st_ino


class Sealer:
    """Seals in the background; `seal` does one round now."""

    def __init__(
        self,
        pool: "Pool",
        keys: Callable[[], SealKeys],
        *,
        age_seconds: float = AGE_SECONDS,
        round_events: int = ROUND_EVENTS,
        on_seal: Callable[[], None] = lambda: None,
        jobs: Jobs | None = None,
    ) -> None:
        """Take the pool to work on, one connection at a time, and where the keys are; `on_seal` hears of each seal."""
        self._pool = pool
        self._keys = keys
        self._age_seconds = age_seconds
        self._round_events = round_events
        self._on_seal = on_seal
        self._jobs = jobs or Jobs()
        self._key_id = ""
        self._stuck: dict[int, float] = {}
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="sealer")

    async def stop(self) -> None:
        """End; a round that is cut off is as if it had not begun."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def seal(self) -> Round:
        """Seal what is there now, as much as one seal takes; nothing if another process is at it."""
        async with self._pool.acquire() as connection:
            if not await connection.fetchval("SELECT pg_try_advisory_lock($1)", _LOCK_KEY):
                return _NOTHING
            try:
                return await self._round(connection)
            finally:
                if not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)

    async def seal_all(self) -> int:
        """Seal everything that is there now, and give how many events that were."""
        done = 0
        while (one := await self.seal()).seal:
            done += one.events
            if not one.more:
                break
        return done

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        waiting_since: float | None = None
        pause = _LOOK_SECONDS
        while True:
            try:
                waiting = await self.waiting()
                if not waiting:
                    waiting_since = None
                elif waiting_since is None:
                    waiting_since = clock()
                due = waiting_since is not None and clock() - waiting_since >= self._age_seconds
                pause = min(_LOOK_SECONDS, self._age_seconds)
                if due or waiting >= EVENTS_SOON:
                    began = clock()
                    with self._jobs.running("sealer", self._age_seconds) as job:
                        done = await self.seal()
                        job.done = done.events
                    if done.more:
                        # Half of the time at most, so that a long history is sealed without being noticed.
                        pause = max(_REST_SECONDS, clock() - began)
                    else:
                        waiting_since = None
            except _FAILURES as error:
                _log.warning("sealing_delayed", error=str(error) or type(error).__name__)
                pause = _LOOK_SECONDS
            except Exception as error:  # noqa: BLE001 -- nothing ends it for good: a late seal is better than none
                _log.error("sealing_failed", error=f"{type(error).__name__}: {error}"[:300])
                pause = _STUCK_SECONDS
            await asyncio.sleep(pause)

    async def waiting(self) -> int:
        """Give how many events are not sealed."""
        waiting: int = await self._pool.fetchval(
            "SELECT coalesce(sum(l.head - coalesce(t.position, 0)), 0)::bigint FROM ledger.lane AS l"
            " LEFT JOIN proof.tip AS t ON t.lane = l.lane AND t.tenant_id = l.tenant_id"
            " WHERE l.head > coalesce(t.position, 0) AND NOT (l.lane = ANY ($1::bigint[]))",
            self._stuck_lanes(),
        )
        return waiting

    async def _round(self, connection: "Connection") -> Round:
        keys = self._keys()
        lanes = await seals.read_moved(connection, self._stuck_lanes(), ROUND_LANES)
        if not lanes:
            return _NOTHING
        tips = await self._tips(connection, lanes)
        stretches = _share_out(lanes, tips, self._round_events)
        if not stretches:
            return _NOTHING
        now: dt.datetime = await connection.fetchval("SELECT clock_timestamp()")
        hashes = await seals.read_hashes(connection, stretches, now.date() - _RECENT_DAYS)
        closed: list[ClosedBlock] = []
        for count, stretch in enumerate(stretches, 1):
            if count % _YIELD_LANES == 0:
                await asyncio.sleep(0)
            leaves = self._whole(stretch, hashes.get(stretch.lane, []))
            closed += await _close(stretch, tips.get(stretch.lane, START), leaves)
        if not closed:
            return _NOTHING
        if self._key_id != keys.key_id:
            await seals.put_public_key(connection, keys.key_id, keys.public_key)
            self._key_id = keys.key_id
        after = await seals.read_last_seal(connection)
        seal = seal_of([each.block for each in closed], after, seals.micros_of(now), keys.key_id)
        await seals.append(connection, sign(seal, keys.sign), closed)
        self._on_seal()
        wanted = sum(lane.head - tips.get(lane.lane, START).position for lane in lanes)
        return Round(seal.number, seal.blocks, seal.events, more=seal.events < wanted or len(lanes) == ROUND_LANES)

    async def _tips(self, connection: "Connection", lanes: Sequence[Behind]) -> dict[int, Tip]:
        """Give where the lanes' chains end: the blocks say, whatever was noted of them."""
        tips = await seals.read_tips(connection, lanes)
        wrong = [
            (lane.tenant_id, lane.lane, tips.get(lane.lane, START).position)
            for lane in lanes
            if tips.get(lane.lane, START).position != lane.position
        ]
        if wrong:
            await seals.correct_tips(connection, wrong)
        return tips

    def _whole(self, stretch: Stretch, events: Sequence[tuple[int, bytes]]) -> list[bytes]:
        """Give the hashes up to the first position that is missing: what lies behind a gap is not sealed over it."""
        leaves = []
        for expected, (position, leaf) in enumerate(events, stretch.low + 1):
            if position != expected:
                break
            leaves.append(leaf)
        if len(leaves) < stretch.high - stretch.low:
            self._stuck[stretch.lane] = asyncio.get_running_loop().time() + _STUCK_SECONDS
            _log.error(
                "sealing_stopped",
                tenant_id=stretch.tenant_id,
                lane=stretch.lane,
                position=stretch.low + len(leaves) + 1,
                consequence="this position is missing: the lane is not sealed behind it; run tallygate verify",
            )
        return leaves

    def _stuck_lanes(self) -> list[int]:
        now = asyncio.get_running_loop().time()
        self._stuck = {lane: until for lane, until in self._stuck.items() if until > now}
        return list(self._stuck)


def _share_out(lanes: Sequence[Behind], tips: dict[int, Tip], limit: int) -> list[Stretch]:
    """Share the round out: lanes with little to seal get all of it, the others the rest in equal parts."""
    stretches = []
    lanes = lanes[: max(1, limit)]
    for count, lane in enumerate(lanes):
        low = tips.get(lane.lane, START).position
        share = min(lane.head - low, max(1, limit // (len(lanes) - count)))
        if share > 0:
            limit -= share
            stretches.append(Stretch(lane.tenant_id, lane.lane, low, low + share))
    return stretches


async def _close(stretch: Stretch, tip: Tip, leaves: Sequence[bytes]) -> list[ClosedBlock]:
    """Make the blocks of a stretch."""
    closed = []
    for at in range(0, len(leaves), BLOCK_EVENTS_MAX):
        part = leaves[at : at + BLOCK_EVENTS_MAX]
        block = block_of(stretch.tenant_id, stretch.lane, tip, part)
        closed.append(ClosedBlock(block, b"".join(part)))
        tip = tip_of(block)
        if len(part) == BLOCK_EVENTS_MAX:
            await asyncio.sleep(0)
    return closed
