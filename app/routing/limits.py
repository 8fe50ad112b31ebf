"""What a vendor allows a channel, counted across nodes: requests and tokens per minute, requests in flight.

A node takes parts of a channel's allowance from PostgreSQL and spends them from memory: nobody can spend what nobody
was given, so the nodes together never pass a limit. The price is what lies unused at other nodes at the end of a
minute; docs/decisions/0013-channel-limits.md says how much that is.
"""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from adapters.postgres.errors import AWAY
from domain.admin.entities import Channel, Limits
from domain.ids import EntityId

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

PARTS: Final = 20
"""A node takes a twentieth of a minute's allowance at a time, or what the request needs if that is more."""
SLOTS_SECONDS: Final = 15.0
"""How long slots stay with a node that is silent."""
_RENEW_SECONDS: Final = 4.0
_RETRY_MILLISECONDS: Final = 200
"""How soon slots are asked for again after there were none."""
_MINUTE: Final = 60_000
_UNLIMITED: Final = Limits()

_log = structlog.get_logger(__name__)


class _Window(msgspec.Struct):
    minute: int = 0
    left: int = 0


class _Slots(msgspec.Struct):
    given: int = 0
    used: int = 0
    limit: int = 0


class Lease(msgspec.Struct):
    """What an attempt took of a channel's limits; given back by `ChannelLimits.release`."""

    channel_id: EntityId
    minute: int = 0
    tokens: int = 0
    has_slot: bool = False


FREE: Final = Lease(EntityId(""))


class ChannelLimits:
    """The limits of all channels, as far as this node may go."""

    def __init__(self, pool: "Pool", *, node: str, milliseconds: Callable[[], int]) -> None:
        """Take where the allowances are, and Unix time in milliseconds."""
        self._pool = pool
        self._node = node
        self._milliseconds = milliseconds
        self._windows: dict[tuple[EntityId, str], _Window] = {}
        self._slots: dict[EntityId, _Slots] = {}
        self._busy: defaultdict[EntityId, asyncio.Lock] = defaultdict(asyncio.Lock)
        self._task: asyncio.Task[None] | None = None
        self.used_up: dict[EntityId, tuple[str, int]] = {}
        """Channels that nobody can use at the moment: which limit, and the Unix time in milliseconds up to which."""

    async def start(self) -> None:
        """Begin to renew what is in use."""
        self._task = asyncio.create_task(self._renew(), name="channel-limits")

    async def stop(self) -> None:
        """Give back every slot."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        with contextlib.suppress(*AWAY):
            await self._pool.execute("DELETE FROM routing.channel_slots WHERE node = $1", self._node)

    async def take(self, channel: Channel, tokens: int) -> Lease | None:
        """Take what an attempt needs, or give None: the limit is reached, or nobody can say whether it is."""
        limits = channel.limits
        if limits == _UNLIMITED:
            return FREE
        now = self._milliseconds()
        used_up = self.used_up.get(channel.channel_id)
        if used_up is not None:
            if now < used_up[1]:
                return None
            del self.used_up[channel.channel_id]
        lease = Lease(channel.channel_id, now // _MINUTE)
        try:
            if await self._take_all(channel.channel_id, limits, tokens, lease):
                return lease
        except AWAY as error:
            _log.warning("channel_limits_away", channel_id=channel.channel_id, error=type(error).__name__)
        except BaseException:
            # The caller was cancelled while it waited: what it had got so far is free again.
            self.release(lease, 0)
            raise
        self.release(lease, 0)
        return None

    def release(self, lease: Lease, tokens_used: int) -> None:
        """End an attempt: its slot is free, and so are tokens that it did not come to."""
        if lease is FREE:
            return
        if lease.has_slot:
            self._slots[lease.channel_id].used -= 1
            lease.has_slot = False
        window = self._windows.get((lease.channel_id, "tokens_per_minute"))
        if window is not None and window.minute == lease.minute and lease.tokens:
            # What a vendor counted beyond the estimate is owed, too: the minute has so much less.
            window.left += lease.tokens - tokens_used
            if window.left > 0 and self.used_up.get(lease.channel_id, ("",))[0] == "tokens_per_minute":
                del self.used_up[lease.channel_id]
        lease.tokens = 0

    async def _take_all(self, channel_id: EntityId, limits: Limits, tokens: int, lease: Lease) -> bool:
        if limits.concurrency is not None:
            if not await self._slot(channel_id, limits.concurrency):
                return False
            lease.has_slot = True
        if limits.tokens_per_minute is not None:
            if not await self._window(channel_id, "tokens_per_minute", limits.tokens_per_minute, tokens, lease.minute):
                return False
            lease.tokens = tokens
        return limits.requests_per_minute is None or await self._window(
            channel_id, "requests_per_minute", limits.requests_per_minute, 1, lease.minute
        )

    async def _window(self, channel_id: EntityId, kind: str, limit: int, need: int, minute: int) -> bool:
        window = self._windows.setdefault((channel_id, kind), _Window())
        if window.minute != minute:
            window.minute, window.left = minute, 0
        if window.left < need:
            async with self._busy[channel_id]:
                if window.left < need and window.minute == minute:
                    want = max(need - window.left, limit // PARTS)
                    got = await self._pool.fetchval(
                        "SELECT routing.take_window($1, $2, $3, $4, $5)", channel_id, kind, minute, limit, want
                    )
                    window.left += got
                    if window.left <= 0:
                        self.used_up[channel_id] = (kind, (minute + 1) * _MINUTE)
        if window.minute != minute or window.left < need:
            return False
        window.left -= need
        return True

    async def _slot(self, channel_id: EntityId, limit: int) -> bool:
        slots = self._slots.setdefault(channel_id, _Slots())
        slots.limit = limit
        if slots.used >= slots.given:
            async with self._busy[channel_id]:
                if slots.used >= slots.given:
                    await self._ask(channel_id, slots, slots.used + max(1, limit // (2 * PARTS)))
        if slots.used >= min(slots.given, limit):
            self.used_up[channel_id] = ("concurrency", self._milliseconds() + _RETRY_MILLISECONDS)
            return False
        slots.used += 1
        return True

    async def _ask(self, channel_id: EntityId, slots: _Slots, want: int) -> None:
        slots.given = await self._pool.fetchval(
            "SELECT routing.take_slots($1, $2, $3, $4, $5)", channel_id, self._node, slots.limit, want, SLOTS_SECONDS
        )

    async def _renew(self) -> None:
        """Keep the slots in use, give back the others, and forget windows that are over."""
        while True:
            await asyncio.sleep(_RENEW_SECONDS)
            minute = self._milliseconds() // _MINUTE
            try:
                for channel_id, slots in list(self._slots.items()):
                    async with self._busy[channel_id]:
                        if slots.given or slots.used:
                            await self._ask(channel_id, slots, slots.used)
                await self._pool.execute("DELETE FROM routing.channel_window WHERE minute < $1", minute - 2)
            except AWAY as error:
                _log.warning("channel_slots_not_renewed", error=type(error).__name__)
            for key in [key for key, window in self._windows.items() if window.minute < minute]:
                del self._windows[key]
            for channel_id in [each for each, slots in self._slots.items() if not slots.given and not slots.used]:
                del self._slots[channel_id]
                self._busy.pop(channel_id, None)
