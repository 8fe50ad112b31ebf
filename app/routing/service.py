"""Routing of one process, put together: what the relay asks and tells, and what goes on behind it."""

import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from adapters.ids import new_id
from app.catalog import Catalog
from app.routing import platform
from app.routing.alerts import Alerts, Sink, Teller
from app.routing.board import HealthBoard
from app.routing.cache import AnswerCache
from app.routing.desk import Desk
from app.routing.duty import Duty
from app.routing.limits import ChannelLimits, Lease
from app.routing.probes import Probes
from app.routing.router import Router
from app.routing.shedding import Shedder
from app.routing.watch import watch_parked
from domain.admin.entities import Channel
from domain.admission import Route
from domain.ids import EntityId, first_lane
from domain.relay.vendor_errors import VendorError
from domain.routing.events import ExperimentMeasured
from domain.routing.health import Health, Sample, class_of

if TYPE_CHECKING:
    import asyncpg

    from adapters.postgres.flusher import Flusher

    Pool = asyncpg.Pool[asyncpg.Record]

NO_CHANNEL: Final = "no_channel_available"
CHANNEL_OUT: Final = "channel_out"
QUIET_SECONDS: Final = 5.0
"""How long a model must be served again before its alert is resolved, so that one that flaps tells nobody twice."""


class Bounds(msgspec.Struct, frozen=True, kw_only=True):
    """What a process takes on at most."""

    requests_max: int = 1000
    queue_max: int = 1000
    queue_seconds: float = 5.0
    cache_max_bytes: int = 64 * 2**20


def unix_milliseconds() -> int:
    """Give Unix time in milliseconds."""
    return time.time_ns() // 1_000_000


class Routing:
    """What the relay of a process works with."""

    def __init__(
        self,
        *,
        ledger: "Flusher",
        pool: "Pool",
        catalog: Catalog,
        node: str,
        probe: Callable[[Channel, int], Awaitable[int]],
        sinks: Sequence[Sink],
        bounds: Bounds,
        milliseconds: Callable[[], int] = unix_milliseconds,
    ) -> None:
        """Take what it works with; nothing runs before `start`."""
        self._ledger = ledger
        self._pool = pool
        self._catalog = catalog
        self._node = node
        self.milliseconds = milliseconds
        self.alerts = Alerts(ledger, pool, node=node)
        self.board = HealthBoard(
            ledger,
            pool,
            node=node,
            milliseconds=milliseconds,
            acted_at=lambda: catalog.snapshot.acted_at,
            on_change=self._changed,
        )
        self.limits = ChannelLimits(pool, node=node, milliseconds=milliseconds)
        self.router = Router(self.board, self.limits, milliseconds=milliseconds)
        self.shedder = Shedder(
            running_max=bounds.requests_max, waiting_max=bounds.queue_max, wait_seconds=bounds.queue_seconds
        )
        self.cache = AnswerCache(bounds.cache_max_bytes, time.monotonic)
        self.desk = Desk(pool, catalog, self.router, self.board, sinks)
        self._probes = Probes(
            ledger,
            pool,
            self.board,
            probe,
            channels=lambda: catalog.snapshot.channels_by_id,
            node=node,
            milliseconds=milliseconds,
        )
        self._teller = Teller(pool, sinks, clock=time.monotonic)
        self._served_since: dict[str, float] = {}
        self._duty = Duty(pool, self._chore)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["Routing"]:
        """Run for as long as the block lasts."""
        async with contextlib.AsyncExitStack() as stack:
            for part in (self.alerts, self.limits, self.board, self._duty):
                await part.start()
                stack.push_async_callback(part.stop)
            yield self

    # What the relay asks and tells.

    async def begin(self, channel: Channel, tokens: int) -> Lease | None:
        """Begin an attempt: None if the vendor allows the channel no more at the moment."""
        lease = await self.limits.take(channel, tokens)
        if lease is not None:
            self.board.began(channel.channel_id)
        return lease

    def end(self, channel: Channel, lease: Lease, *, tokens_used: int, first_byte_milliseconds: int | None) -> None:
        """End an attempt, however it went."""
        self.limits.release(lease, tokens_used)
        self.board.ended(channel.channel_id, first_byte_milliseconds)

    def is_out(self, channel: Channel) -> bool:
        """Say whether a channel that was chosen a while ago is out by now."""
        health = self.board.view.get(channel.channel_id)
        return health is not None and health.why_out(self.milliseconds()) is not None

    def retry_seconds(self, routes: Iterable[Route]) -> float:
        """Give when it is worth asking again where none of the channels could be tried: the first limit's end."""
        now = self.milliseconds()
        ends = [self.limits.used_up.get(route.channel.channel_id, ("", 0))[1] - now for route in routes]
        return max(1.0, min((end / 1000 for end in ends if end > 0), default=1.0))

    def succeeded(self, channel: Channel, *, key: int = 0, keys: int = 1) -> None:
        """Note that a channel has answered, with which of how many keys."""
        if self.board.has_rows(channel.channel_id):
            sample = Sample(class_="success", at_milliseconds=self.milliseconds())
            self.board.note(channel.channel_id, sample, key=key, keys=keys)

    def failed(self, channel: Channel, error: VendorError, *, key: int = 0, keys: int = 1) -> None:
        """Note what a vendor's error says about its channel, or the key that was used."""
        after = error.retry_after_seconds
        sample = Sample(
            class_="client" if error.is_requests_own else class_of(error.kind),
            at_milliseconds=self.milliseconds(),
            retry_after_milliseconds=round(after * 1000) if after is not None else None,
        )
        self.board.note(channel.channel_id, sample, key=key, keys=keys)

    def nobody(self, model: str) -> None:
        """Note that a request found no channel at all: one alert, however many requests do."""
        self._served_since.pop(model, None)
        self.alerts.raise_(NO_CHANNEL, model, f"No channel can serve the model {model}: requests for it are refused.")

    def measured(self, event: ExperimentMeasured) -> None:
        """Record how a request of an experiment's arm went."""
        command = platform.command(event, event_id=new_id(), actor="system:routing")
        self._ledger.enqueue(
            msgspec.structs.replace(command, tenant_id=event.tenant_id, lane=first_lane(event.tenant_id))
        )

    # What goes on behind it.

    def _changed(self, channel_id: EntityId, before: Health, after: Health) -> None:
        """Raise an alert when a channel goes out, and resolve it when all of it is back."""
        channel = self._catalog.snapshot.channels_by_id.get(channel_id)
        name = channel.name if channel is not None else str(channel_id)
        was_out, is_out = _is_out(before), _is_out(after)
        if is_out and not was_out:
            why = {"auth": "its key is refused", "quota": "its credit is used up"}.get(after.out or "", "it fails")
            self.alerts.raise_(CHANNEL_OUT, channel_id, f"The channel {name} is out of the choice: {why}.", "warning")
        elif not is_out and after.percent == 100 and (was_out or before.percent < 100):  # noqa: PLR2004 -- all of it
            self.alerts.resolve(CHANNEL_OUT, channel_id, f"The channel {name} works again.")

    async def _chore(self) -> None:
        await self._probes.round()
        await self._look_at_alerts()
        await self._teller.tell()

    async def _look_at_alerts(self) -> None:
        """Resolve what is over, also what other nodes have raised, or who ended before they could."""
        snapshot, now = self._catalog.snapshot, time.monotonic()
        found = await self.alerts.open_alerts()
        await watch_parked(self._pool, self.alerts, found)
        for alert in found:
            if alert.kind == NO_CHANNEL:
                if not self.router.is_served(snapshot, alert.subject):
                    # A model that nobody has any more is nobody's worry, either.
                    if snapshot.pools.members(alert.subject):
                        self._served_since.pop(alert.subject, None)
                        continue
                elif now - self._served_since.setdefault(alert.subject, now) < QUIET_SECONDS:
                    continue
                self._served_since.pop(alert.subject, None)
                self.alerts.resolve(NO_CHANNEL, alert.subject, f"The model {alert.subject} is served again.")
            elif alert.kind == CHANNEL_OUT:
                channel = snapshot.channels_by_id.get(EntityId(alert.subject))
                health = self.board.view.get(EntityId(alert.subject))
                if channel is None or not channel.enabled or health is None:
                    name = channel.name if channel is not None else "that was archived"
                    self.alerts.resolve(CHANNEL_OUT, alert.subject, f"The channel {name} is no longer out.")


def _is_out(health: Health) -> bool:
    return health.out is not None or health.percent == 0
