"""The end of every hold: into the journal, then into the log, whatever becomes of the client or of PostgreSQL."""

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

import structlog

from adapters.journal import Journal
from domain import events
from domain.admission import adjustment_command
from domain.holds.events import HoldCaptured
from domain.ledger.commands import Answer, Code, Command

if TYPE_CHECKING:
    import asyncpg

_log = structlog.get_logger(__name__)

_REPLAY_AT_ONCE = 256
"""Recovered commands that are under way together."""


class _Queue(Protocol):
    def enqueue(self, command: Command) -> asyncio.Future[Answer]: ...


class Settlements:
    """Settles holds; `wait_seconds` is how long an answer waits for PostgreSQL before the journal has to do."""

    def __init__(
        self, ledger: _Queue, journal: Journal, pool: "asyncpg.Pool[asyncpg.Record]", *, wait_seconds: float = 3.0
    ) -> None:
        """Take where terminals go, and where they are kept meanwhile."""
        self._ledger = ledger
        self._journal = journal
        self._pool = pool
        self._wait_seconds = wait_seconds
        self._late: set[asyncio.Task[None]] = set()
        self._disk_failed = False
        self._slowest_seconds = 0.0

    def slowest_milliseconds(self) -> int:
        """Give how long the slowest terminal took into the log since this was last asked."""
        slowest, self._slowest_seconds = self._slowest_seconds, 0.0
        return round(slowest * 1000)

    @property
    def open_holds(self) -> int:
        """How many terminals the log has not acknowledged yet."""
        return self._journal.open_holds

    @property
    def is_full(self) -> bool:
        """Whether no request may be admitted, since what it will owe might find no room in the journal."""
        if self._disk_failed:
            self._disk_failed = not self._journal.has_room()
        return self._disk_failed or self._journal.is_full

    def checkpoint(self, command: Command) -> None:
        """Keep the terminal that a running request would have if this process died now."""
        self._keep(command)

    async def settle(self, command: Command) -> Answer | None:
        """End a hold; None if PostgreSQL is away and the journal has it, on disk: it will be there in the end.

        What the journal could not take waits for PostgreSQL as long as it takes.
        """
        is_kept = self._keep(command)
        began = time.monotonic()
        answer = self._ledger.enqueue(command)
        answer.add_done_callback(lambda done: self._settled(command, done, began))
        if await self._comes(answer, self._wait_seconds if is_kept else None):
            return answer.result()
        await asyncio.to_thread(self._journal.syncing())
        return None

    @staticmethod
    async def _comes(answer: asyncio.Future[Answer], seconds: float | None) -> bool:
        """Wait for an answer, and say whether it has come; whoever stops waiting does not stop the answer."""
        loop = asyncio.get_running_loop()
        over: asyncio.Future[None] = loop.create_future()

        def end(_: object = None) -> None:
            if not over.done():
                over.set_result(None)

        answer.add_done_callback(end)
        timer = loop.call_later(seconds, end) if seconds is not None else None
        try:
            await over
        finally:
            answer.remove_done_callback(end)
            if timer is not None:
                timer.cancel()
        return answer.done()

    async def recover(self) -> int:
        """Replay what processes left behind that died; give how many holds that were.

        One that the database cannot take keeps its file for the next start, and keeps nothing else back.
        """
        commands = self._journal.recover()
        failed = 0
        for start in range(0, len(commands), _REPLAY_AT_ONCE):
            batch = commands[start : start + _REPLAY_AT_ONCE]
            answers = await asyncio.gather(
                *(self._ledger.enqueue(command) for command in batch), return_exceptions=True
            )
            for command, answer in zip(batch, answers, strict=True):
                if isinstance(answer, BaseException):
                    failed += 1
                    _log.error("journal_record_refused", hold_id=command.hold_id, error=repr(answer))
                else:
                    await self._adjust_if_expired(command, answer)
        if not failed:
            self._journal.discard_recovered()
        return len(commands)

    async def drain(self) -> None:
        """Wait for late adjustments."""
        while self._late:
            await asyncio.wait(set(self._late))

    def _keep(self, command: Command) -> bool:
        """Write to the journal; a disk that is full or broken stops admission, not what is running."""
        try:
            self._journal.write(command)
        except OSError as error:
            self._disk_failed = True
            _log.error("journal_failed", hold_id=command.hold_id, error=repr(error))
            return False
        return True

    def _settled(self, command: Command, done: asyncio.Future[Answer], began: float) -> None:
        if done.cancelled():
            return
        self._slowest_seconds = max(self._slowest_seconds, time.monotonic() - began)
        error = done.exception()
        if error is not None:
            # The journal keeps it: the next start tries again, and the log shows the hold as open until then.
            _log.error("settlement_failed", hold_id=command.hold_id, error=repr(error))
            return
        assert command.hold_id is not None
        if done.result().accepted:
            self._journal.settled(command.hold_id)
            return
        task = asyncio.get_running_loop().create_task(self._settle_late(command, done.result()))
        self._late.add(task)
        task.add_done_callback(self._late.discard)

    async def _settle_late(self, command: Command, answer: Answer) -> None:
        """Leave the hold in the journal until its adjustment is in the log, or the next start has to make it."""
        try:
            await self._adjust_if_expired(command, answer)
        except Exception:  # noqa: BLE001 # the journal keeps what this could not do
            _log.exception("adjustment_failed", hold_id=command.hold_id)
            return
        assert command.hold_id is not None
        self._journal.settled(command.hold_id)

    async def _adjust_if_expired(self, command: Command, answer: Answer) -> None:
        """Charge what was used although the hold is over: its deadline had passed before we could say so."""
        if answer.accepted:
            return
        if answer.code is not Code.ENDED:
            _log.error("settlement_refused", hold_id=command.hold_id, code=answer.code.name)
            return
        value = events.decode(command.type, command.data)
        if not isinstance(value, HoldCaptured):
            return
        ended_as = await self._pool.fetchval(
            "SELECT type FROM ledger.event WHERE tenant_id = $1 AND event_id = $2", command.tenant_id, command.event_id
        )
        if ended_as != "hold.expired.v1":
            return
        late = await self._ledger.enqueue(adjustment_command(command, value))
        _log.warning("usage_after_expiry", hold_id=command.hold_id, accepted=late.accepted)
