"""Probes: whether a channel that is out can be used again, asked at nobody's expense.

Only what is not sound is probed, by one node at a time, at intervals that grow while it stays down. A probe is an
event; what it finds goes the same way as the outcome of a request.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Final, Protocol

import structlog

from adapters.ids import new_id
from app.routing import platform
from app.routing.board import HealthBoard, Subject
from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.relay.vendor_errors import VendorError
from domain.routing.events import ChannelProbed
from domain.routing.health import Health, Sample, class_of

if TYPE_CHECKING:
    import asyncpg

    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]

INTERVAL_SECONDS: Final = 2.0
INTERVAL_SECONDS_MAX: Final = 60.0
PROBE_SECONDS: Final = 30.0
"""A vendor that takes as long as this to answer a probe has timed out, as with a request."""
_AT_ONCE: Final = 8

_log = structlog.get_logger(__name__)


class Prober(Protocol):
    """The cheapest call that shows that a channel works."""

    async def __call__(self, channel: Channel, key: int) -> int:
        """Give the vendor's status; VendorError if the channel does not work. `key`: of several, from 1; 0 the only."""


class Probes:
    """Looks after the channels that are out."""

    def __init__(
        self,
        ledger: "Ledger",
        pool: "Pool",
        board: HealthBoard,
        probe: Callable[[Channel, int], Awaitable[int]],
        *,
        channels: Callable[[], Mapping[EntityId, Channel]],
        node: str,
        milliseconds: Callable[[], int],
        interval_seconds: float = INTERVAL_SECONDS,
    ) -> None:
        """Take how a channel is asked, and which there are."""
        self._ledger = ledger
        self._pool = pool
        self._board = board
        self._probe = probe
        self._channels = channels
        self._node = node
        self._milliseconds = milliseconds
        self._interval_seconds = interval_seconds
        self._due: dict[Subject, tuple[float, float]] = {}
        """When next, and the interval after that."""

    async def round(self) -> int:
        """Probe whatever is due; give how many that were."""
        now = time.monotonic()
        channels = self._channels()
        down = [
            subject
            for subject, health in self._board.unsound()
            if _needs(health, self._milliseconds()) and subject[0] in channels and channels[subject[0]].enabled
        ]
        for subject in [each for each in self._due if each not in down]:
            del self._due[subject]
        for subject in down:
            self._due.setdefault(subject, (now + _jittered(self._interval_seconds) / 2, self._interval_seconds))
        due = [subject for subject in down if self._due[subject][0] <= now][:_AT_ONCE]
        await asyncio.gather(*(self._one(channels[subject[0]], subject) for subject in due))
        return len(due)

    async def _one(self, channel: Channel, subject: Subject) -> None:
        began = time.monotonic()
        error: VendorError | None = None
        status = 0
        try:
            async with asyncio.timeout(PROBE_SECONDS):
                status = await self._probe(channel, subject[1])
        except VendorError as failed:
            error, status = failed, failed.status or 0
        except TimeoutError:
            error = VendorError("timeout", vendor_code="first_byte_timeout")
        class_ = class_of(error.kind) if error is not None else "success"
        if error is not None and class_ in {"client", "content"}:
            # The vendor has judged the request: it works.
            class_ = "success"
        sample = Sample(
            class_=class_,
            at_milliseconds=self._milliseconds(),
            # A path that is not there says nothing about the key.
            is_probe=error is None or error.kind != "not_found",
            retry_after_milliseconds=_milliseconds_of(error),
        )
        self._board.note(channel.channel_id, sample, key=subject[1], keys=2 if subject[1] else 1)
        interval = self._interval_seconds
        if class_ != "success":
            interval = min(INTERVAL_SECONDS_MAX, 2 * self._due.get(subject, (0.0, interval))[1])
        self._due[subject] = (time.monotonic() + _jittered(interval), interval)
        event = ChannelProbed(
            channel_id=channel.channel_id,
            key=subject[1],
            outcome=class_,
            status=status,
            code=(error.vendor_code or error.kind)[:64] if error is not None else "",
            latency_milliseconds=round((time.monotonic() - began) * 1000),
            node=self._node,
        )
        await platform.submit(
            self._ledger, self._pool, platform.command(event, event_id=new_id(), actor="system:probes")
        )


def _needs(health: Health, now_milliseconds: int) -> bool:
    """Say whether only a probe can help: a pause ends by itself, and what has some weight has requests to judge it."""
    return health.out is not None or (health.percent < 100 and now_milliseconds >= health.paused_until_milliseconds)  # noqa: PLR2004 -- all of it


def _milliseconds_of(error: VendorError | None) -> int | None:
    if error is None or error.retry_after_seconds is None:
        return None
    return round(error.retry_after_seconds * 1000)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.75, 1.25)  # noqa: S311 -- spreads probes over time, keeps no secret
