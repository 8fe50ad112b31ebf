"""What a node knows of its channels: their health, shared with all nodes; how busy and how fast they are, its own.

Rows of faults that are still short are a node's own. What changes the choice (a channel goes out, comes back by a
step, is paused, is refused) is an event that one node writes and every node reads within a second: the account that
counts a channel's changes in the ledger decides which node's comes first, and the others judge again from there.
"""

import asyncio
import contextlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec
import structlog

from adapters.ids import new_id
from adapters.postgres.errors import AWAY
from app.routing import platform
from domain.ids import PLATFORM, EntityId
from domain.ledger.commands import Code
from domain.ports import LedgerUnavailableError
from domain.routing.events import HealthChanged
from domain.routing.health import SOUND, Health, Sample, evolve, is_news
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]

POLL_SECONDS: Final = 0.5
FORGET_SECONDS: Final = 300.0
"""How long the speed of a channel that nobody has used counts."""
_NEWER: Final = 0.2
"""The part that the newest measurement has in a channel's speed."""
_AWAY: Final = (*AWAY, LedgerUnavailableError)

Subject: TypeAlias = tuple[EntityId, int]
"""A channel and the number of its key; 0 is the channel as a whole."""

_READ: Final = f"""
SELECT channel_id, key, version, position, state FROM routing.channel_health
WHERE tenant_id = $1 AND position > $2 AND generation = {live("routing")} ORDER BY position
"""  # noqa: S608 -- constants only

_HEALTH: Final = msgspec.json.Decoder(Health)
_log = structlog.get_logger(__name__)


class _Known(msgspec.Struct):
    """A subject: what all nodes have agreed on, and this node's own fold over it."""

    version: int = 0
    position: int = 0
    agreed: Health = SOUND
    own: Health = SOUND
    base: Health = SOUND
    """What `pending` is folded onto: the agreed state, with this node's own short rows."""
    pending: list[Sample] = []
    """Outcomes since the agreed state that others have not heard of; the last one is the newest."""


class HealthBoard:
    """The health of all channels as this node sees it."""

    def __init__(
        self,
        ledger: "Ledger",
        pool: "Pool",
        *,
        node: str,
        milliseconds: Callable[[], int],
        acted_at: Callable[[], Mapping[EntityId, int]] = dict,
        on_change: Callable[[EntityId, Health, Health], None] | None = None,
        poll_seconds: float = POLL_SECONDS,
    ) -> None:
        """Take where changes are written and read.

        `milliseconds` is Unix time. `acted_at` gives, by channel, where in the platform's lane a person last changed
        it. `on_change` hears of every change of a channel as a whole, with before and after.
        """
        self._ledger = ledger
        self._pool = pool
        self._node = node
        self._milliseconds = milliseconds
        self._acted_at = acted_at
        self._on_change = on_change
        self._poll_seconds = poll_seconds
        self._known: dict[Subject, _Known] = {}
        self._keys: dict[EntityId, int] = {}
        self._dirty: set[Subject] = set()
        self._wake = asyncio.Event()
        self._position = 0
        self._tasks: list[asyncio.Task[None]] = []
        self.view: dict[EntityId, Health] = {}
        """By channel, those that are not sound: what the choice reads."""
        self.busy: dict[EntityId, int] = {}
        self.first_byte: dict[EntityId, float] = {}
        """Milliseconds to the first token, the latest counting most."""
        self._measured: dict[EntityId, float] = {}

    async def start(self) -> None:
        """Read what the nodes have agreed on so far, and follow it."""
        await self.refresh()
        self._tasks = [
            asyncio.create_task(self._follow(), name="health-follow"),
            asyncio.create_task(self._share(), name="health-share"),
        ]

    async def stop(self) -> None:
        """Follow no more."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    # What the relay tells.

    def began(self, channel_id: EntityId) -> None:
        """Note that a request went to a channel."""
        self.busy[channel_id] = self.busy.get(channel_id, 0) + 1

    def ended(self, channel_id: EntityId, first_byte_milliseconds: float | None = None) -> None:
        """Note that it is over, and how long the first token took."""
        left = self.busy.get(channel_id, 0) - 1
        if left > 0:
            self.busy[channel_id] = left
        else:
            self.busy.pop(channel_id, None)
        if first_byte_milliseconds is not None:
            before = self.first_byte.get(channel_id, first_byte_milliseconds)
            self.first_byte[channel_id] = before + _NEWER * (first_byte_milliseconds - before)
            self._measured[channel_id] = asyncio.get_running_loop().time()

    def note(self, channel_id: EntityId, sample: Sample, *, key: int = 0, keys: int = 1) -> None:
        """Fold an outcome: of a channel's only key it concerns the channel, of one of several what the key says."""
        if keys > 1 and key and sample.class_ in {"auth", "quota", "rate_limit", "success"}:
            self._keys[channel_id] = keys
            self._fold((channel_id, key), sample)
            if sample.class_ != "success":
                return
        self._fold((channel_id, 0), sample)

    def has_rows(self, channel_id: EntityId) -> bool:
        """Say whether a success of a channel would change anything."""
        known = self._known.get((channel_id, 0))
        return known is not None and not known.own.is_sound

    def key_out(self, channel_id: EntityId, key: int) -> str | None:
        """Give why a key of a channel that has several is not used at the moment."""
        known = self._known.get((channel_id, key))
        return known.own.why_out(self._milliseconds()) if known is not None and key else None

    def health(self, channel_id: EntityId, key: int = 0) -> Health:
        """Give the state as this node sees it."""
        known = self._known.get((channel_id, key))
        return known.own if known is not None else SOUND

    def unsound(self) -> list[tuple[Subject, Health]]:
        """Give what is not sound, channels and keys: what has to be probed."""
        return [(subject, known.own) for subject, known in self._known.items() if not known.own.is_sound]

    async def reset(self, channel_id: EntityId, *, actor: str, reason: str) -> None:
        """Give a channel and its keys a fresh start, because a person says so; LedgerUnavailableError."""
        await self.refresh()
        for subject in [each for each in self._known if each[0] == channel_id]:
            known = self._known[subject]
            while not known.agreed.is_sound:
                known.pending.clear()
                if await self._write(subject, known, SOUND, outcome="reset", actor=actor, reason=reason):
                    break
            known.pending.clear()
            self._set(subject, known, known.agreed)

    # Folding.

    def _fold(self, subject: Subject, sample: Sample) -> None:
        known = self._known.get(subject)
        if known is None:
            if sample.class_ in {"success", "content", "client"}:
                return
            known = self._known[subject] = _Known()
        before = known.own
        after = evolve(before, sample)
        if after is before:
            return
        if is_news(before, after, sample.at_milliseconds) or known.pending:
            if not known.pending:
                known.base = before
            known.pending = [*known.pending, sample]
            self._dirty.add(subject)
            self._wake.set()
        self._set(subject, known, after)

    def _set(self, subject: Subject, known: _Known, own: Health) -> None:
        known.own = own
        channel_id = subject[0]
        before = self.view.get(channel_id, SOUND)
        after = self._view(channel_id)
        if after.is_sound:
            self.view.pop(channel_id, None)
        else:
            self.view[channel_id] = after
        if self._on_change is not None and after != before:
            self._on_change(channel_id, before, after)

    def _view(self, channel_id: EntityId) -> Health:
        """Give a channel's own health, which is also out when every one of its keys is."""
        known = self._known.get((channel_id, 0))
        whole = known.own if known is not None else SOUND
        count = self._keys.get(channel_id, 0)
        if count > 1 and whole.out is None:
            now = self._milliseconds()
            outs = [self.health(channel_id, key) for key in range(1, count + 1)]
            if all(each.why_out(now) is not None for each in outs):
                refused = next((each.out for each in outs if each.out is not None), None)
                until = 0 if refused is not None else min(each.paused_until_milliseconds for each in outs)
                return msgspec.structs.replace(
                    whole, out=refused, paused_until_milliseconds=max(until, whole.paused_until_milliseconds)
                )
        return whole

    # Sharing.

    async def refresh(self) -> None:
        """Read what other nodes have written since the last look."""
        rows = await self._pool.fetch(_READ, PLATFORM, self._position)
        for row in rows:
            subject = (EntityId(row["channel_id"]), row["key"])
            known = self._known.setdefault(subject, _Known())
            if row["version"] > known.version:
                self._agree(subject, known, row["version"], row["position"], _HEALTH.decode(row["state"]))
            self._position = max(self._position, row["position"])
            if row["key"]:
                self._keys[subject[0]] = max(row["key"], self._keys.get(subject[0], 0))
        self._heed_people()
        self._forget()

    def _agree(self, subject: Subject, known: _Known, version: int, position: int, agreed: Health) -> None:
        """Take what the nodes have agreed on, and judge again what they had not heard of."""
        known.version, known.position, known.agreed, known.base = version, position, agreed, agreed
        own = agreed
        for sample in known.pending:
            own = evolve(own, sample)
        if not known.pending or not is_news(agreed, own, self._milliseconds()):
            known.pending = []
        self._set(subject, known, own)

    def _heed_people(self) -> None:
        """Use a channel again that was refused before a person last changed it: that was meant to mend it."""
        acted_at = self._acted_at()
        for subject, known in self._known.items():
            if known.own.out is not None and known.version and acted_at.get(subject[0], 0) > known.position:
                known.pending = []
                known.agreed = msgspec.structs.replace(known.agreed, out=None)
                known.position = acted_at[subject[0]]
                self._set(subject, known, msgspec.structs.replace(known.own, out=None))

    def _forget(self) -> None:
        before = asyncio.get_running_loop().time() - FORGET_SECONDS
        for channel_id in [each for each, at in self._measured.items() if at < before]:
            del self._measured[channel_id], self.first_byte[channel_id]

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                async with asyncio.timeout(5.0):
                    await self.refresh()
            except _AWAY as error:
                _log.debug("health_not_followed", error=type(error).__name__)

    async def _share(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            for subject in list(self._dirty):
                try:
                    await self._propose(subject)
                    self._dirty.discard(subject)
                except _AWAY as error:
                    _log.warning("health_not_shared", channel_id=subject[0], error=type(error).__name__)
                    asyncio.get_running_loop().call_later(self._poll_seconds, self._wake.set)

    async def _propose(self, subject: Subject) -> None:
        """Write what this node has seen, step by step, until the nodes agree with it or it with them."""
        known = self._known[subject]
        while known.pending:
            step = _next_step(known, self._milliseconds())
            if step is None:
                known.pending = []
                return
            count, sample, after = step
            if await self._write(
                subject, known, after, outcome=sample.class_, is_probe=sample.is_probe, actor="system:health"
            ):
                known.pending = known.pending[count:]
                own = known.base = known.agreed
                for later in known.pending:
                    own = evolve(own, later)
                self._set(subject, known, own)

    async def _write(self, subject: Subject, known: _Known, after: Health, *, actor: str, **about: object) -> bool:
        """Write a change; where another node was first, take over what it wrote and give False."""
        version = known.version + 1
        event = HealthChanged(
            channel_id=subject[0],
            key=subject[1],
            version=version,
            before=known.agreed,
            after=after,
            node=self._node,
            **about,  # type: ignore[arg-type]  # outcome, is_probe and reason, from the two callers above
        )
        sent = platform.command(
            event, event_id=new_id(), actor=actor, owner=f"health:{subject[0]}:{subject[1]}", version=version
        )
        answer = await platform.submit(self._ledger, self._pool, sent)
        if answer.accepted:
            known.version, known.position, known.agreed = version, answer.position, after
            return True
        if answer.code in {Code.VERSION, Code.UNKNOWN_ACCOUNT}:
            await platform.fold(self._pool)
            await self.refresh()
            if known.version < version:
                # Not there yet, although it was refused: another node's fold has the lane; look again.
                await asyncio.sleep(0.02)
            return False
        _log.error("health_refused", channel_id=subject[0], code=answer.code.name)
        known.pending = []
        return False


def _next_step(known: _Known, now_milliseconds: int) -> tuple[int, Sample, Health] | None:
    """Give the first change that others must hear of: after how many outcomes, the last of them, and its result."""
    after = known.base
    for count, sample in enumerate(known.pending, 1):
        after = evolve(after, sample)
        if is_news(known.agreed, after, now_milliseconds):
            return count, sample, after
    return None
