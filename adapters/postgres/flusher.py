"""Group commit: what queued up while the last call was under way goes into the next one.

One connection and one task per process and shard of lanes. Under light load a batch is one command; under heavy
load it is hundreds, at one round trip and one commit. A call is never cancelled and has no time-out of its own: if
its reply is lost the same ids are sent again, and the log answers `exists` for what it had accepted.
"""

import asyncio
import contextlib
import itertools
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import asyncpg
import structlog

from adapters.postgres.connection import Connection
from adapters.postgres.ledger import apply
from domain.ids import EventId, Lane, TenantId, day_of
from domain.ledger.commands import Answer, Code, Command
from domain.ports import LedgerUnavailableError

BATCH_MAX: Final = 256
_RETRY_SECONDS: Final = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
_CONNECT_TIMEOUT_SECONDS: Final = 5.0

_LOST: Final = (OSError, asyncpg.PostgresConnectionError, asyncpg.InterfaceError, asyncpg.InternalClientError)
"""The reply may have been lost on its way: nothing is known about the batch."""

_PASSING: Final = (
    asyncpg.DeadlockDetectedError,
    asyncpg.SerializationError,
    asyncpg.OperatorInterventionError,  # shutting down, or starting up
    asyncpg.InsufficientResourcesError,  # disk full, too many connections
    asyncpg.LockNotAvailableError,  # making a day's partition, while somebody else changes the table
    asyncpg.ReadOnlySQLTransactionError,  # a standby that is about to become the primary
)
"""The database says that nothing was applied, and that it may well be next time."""

_log = structlog.get_logger(__name__)

OnLanes = Callable[[set[tuple[TenantId, Lane]]], None]
OnBatch = Callable[[Sequence[Command], Sequence[Answer], float], None]


class _Item:
    __slots__ = ("answer", "command", "dropped", "on_late")

    def __init__(self, command: Command, answer: asyncio.Future[Answer]) -> None:
        self.command = command
        self.answer = answer
        self.dropped = False
        self.on_late: Callable[[Answer], None] | None = None


class Flusher:
    """The `domain.ports.Ledger` of a process."""

    def __init__(
        self,
        dsn: str,
        *,
        shards: int = 1,
        batch_max: int = BATCH_MAX,
        on_lanes: OnLanes | None = None,
        on_batch: OnBatch | None = None,
    ) -> None:
        """Take where the log is; `on_lanes` hears after each commit which (tenant, lane) have moved.

        `on_batch` hears of every call that came through: its commands, their answers, and how many seconds it took.
        """
        self._shards = [_Shard(dsn, batch_max, on_lanes, on_batch) for _ in range(shards)]

    async def start(self) -> None:
        """Connect, so that the first request does not pay for it."""
        for shard in self._shards:
            await shard.start()

    async def stop(self, timeout_seconds: float) -> int:
        """Flush what is queued, and disconnect; give how many commands were left when the time was up."""
        left = await asyncio.gather(*(shard.stop(timeout_seconds) for shard in self._shards))
        return sum(left)

    @property
    def available(self) -> bool:
        """Whether the last call came through."""
        return all(shard.available for shard in self._shards)

    async def submit(
        self,
        command: Command,
        *,
        patience_seconds: float | None = None,
        on_late: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Apply a command, and wait for its commit; see `domain.ports.Ledger`.

        After `patience_seconds` of silence LedgerUnavailableError is raised, and what was not sent yet never will be.
        What was on its way by then is answered some time later: if it was accepted, `on_late` hears of it, and may undo
        it. Without patience the command stays until it is answered.
        """
        return await self._shards[command.lane % len(self._shards)].submit(command, patience_seconds, on_late)

    def enqueue(self, command: Command) -> asyncio.Future[Answer]:
        """Queue a command until it is answered, and give where the answer will be."""
        return self._shards[command.lane % len(self._shards)].enqueue(command).answer

    async def open_lane(self, tenant_id: int, lane: int) -> None:
        """Make the lane of a new tenant; doing it again does nothing."""
        await self._shards[lane % len(self._shards)].open_lane(tenant_id, lane)


class _Shard:
    def __init__(self, dsn: str, batch_max: int, on_lanes: OnLanes | None, on_batch: OnBatch | None) -> None:
        self._dsn = dsn
        self._batch_max = batch_max
        self._on_lanes = on_lanes
        self._on_batch = on_batch
        self._queue: deque[_Item] = deque()
        self._wake = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._connection: asyncpg.Connection[asyncpg.Record] | None = None
        self._task: asyncio.Task[None] | None = None
        self._under_way: dict[EventId, _Item] = {}
        self.available = True

    async def start(self) -> None:
        await self._connect()
        self._task = asyncio.create_task(self._run(), name="ledger-flusher")

    async def stop(self, timeout_seconds: float) -> int:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._idle.wait(), timeout_seconds)
        left = [item for item in (*self._under_way.values(), *self._queue) if not item.dropped]
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        if self._connection is not None:
            # After a clean drain nothing is under way; otherwise the journal has what is left.
            self._connection.terminate()
        for item in left:
            _give_up(item)
        self._queue.clear()
        self._under_way.clear()
        self._idle.set()
        return len(left)

    def enqueue(self, command: Command) -> _Item:
        item = _Item(command, asyncio.get_running_loop().create_future())
        self._queue.append(item)
        self._idle.clear()
        self._wake.set()
        return item

    async def submit(
        self, command: Command, patience_seconds: float | None, on_late: Callable[[Answer], None] | None
    ) -> Answer:
        item = self.enqueue(command)
        item.on_late = on_late
        if patience_seconds is None:
            return await item.answer
        timer = asyncio.get_running_loop().call_later(patience_seconds, _give_up, item)
        try:
            return await item.answer
        finally:
            timer.cancel()

    async def open_lane(self, tenant_id: int, lane: int) -> None:
        connection = await asyncpg.connect(self._dsn, timeout=_CONNECT_TIMEOUT_SECONDS)
        try:
            await connection.execute("SELECT ledger.open_lane($1, $2)", tenant_id, lane)
        finally:
            await connection.close()

    async def _connect(self) -> None:
        self._disconnect()
        self._connection = await asyncpg.connect(
            self._dsn,
            timeout=_CONNECT_TIMEOUT_SECONDS,
            connection_class=Connection,
            server_settings={
                "application_name": "tallygate-ledger",
                "statement_timeout": "0",
                "lock_timeout": "0",
                # That of the function: where it changes with each call, every expression of it is looked at again.
                "search_path": "pg_catalog, pg_temp",
            },
        )

    def _disconnect(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None

    async def _run(self) -> None:
        while True:
            if not self._queue:
                self._idle.set()
                self._wake.clear()
                await self._wake.wait()
            batch = self._take()
            self._under_way = {item.command.event_id: item for item in batch}
            if batch:
                await self._flush(batch)

    def _take(self) -> list[_Item]:
        """Take what is queued; the second of two commands with one id waits for the first one's answer."""
        queue = self._queue
        batch: list[_Item] = []
        ids: set[str] = set()
        later: list[_Item] = []
        while queue and len(batch) < self._batch_max:
            item = queue.popleft()
            if item.dropped:
                continue
            if item.command.event_id in ids:
                later.append(item)
                continue
            ids.add(item.command.event_id)
            batch.append(item)
        queue.extendleft(reversed(later))
        return batch

    async def _flush(self, batch: list[_Item]) -> None:
        for attempt in itertools.count():
            if self._connection is None:
                await self._wait(attempt)
                await self._reconnect()
                continue
            began = time.perf_counter()
            try:
                results = await self._apply(batch)
            except (*_LOST, *_PASSING, TimeoutError) as error:
                self._note_outage(error, attempt)
                self._disconnect()
            except Exception as error:  # noqa: BLE001 # one command that cannot be sent must not end the shard
                await self._isolate(batch, error)
                return
            else:
                if not self.available:
                    self.available = True
                    _log.info("ledger_back")
                if self._on_batch is not None:
                    self._on_batch([item.command for item in batch], results, time.perf_counter() - began)
                self._answer(batch, results)
                return

    async def _apply(self, batch: list[_Item]) -> list[Answer]:
        assert self._connection is not None
        commands = [item.command for item in batch]
        try:
            return await apply(self._connection, commands)
        except asyncpg.CheckViolationError as error:
            if not await self._make_days(batch, error):
                raise
        return await apply(self._connection, commands)

    def _answer(self, batch: list[_Item], results: Sequence[Answer]) -> None:
        moved: set[tuple[TenantId, Lane]] = set()
        for item, result in zip(batch, results, strict=True):
            if result.code is Code.RESEND:
                self._queue.appendleft(item)
                continue
            self._under_way.pop(item.command.event_id, None)
            if result.code is Code.OK:
                moved.add((item.command.tenant_id, item.command.lane))
            if not item.answer.done():
                item.answer.set_result(result)
            elif item.dropped and item.on_late is not None and result.accepted:
                item.on_late(result)
        if moved and self._on_lanes is not None:
            self._on_lanes(moved)

    async def _wait(self, attempt: int) -> None:
        await asyncio.sleep(_RETRY_SECONDS[min(attempt, len(_RETRY_SECONDS) - 1)])

    async def _reconnect(self) -> None:
        # Whatever keeps us from connecting, even a wrong password after a change, is an outage: no command's fault.
        try:
            await self._connect()
        except (*_LOST, *_PASSING, asyncpg.PostgresError, TimeoutError) as error:
            self.available = False
            _log.debug("ledger_connect_failed", error=type(error).__name__)

    def _note_outage(self, error: Exception, attempt: int) -> None:
        if attempt == 0:
            _log.warning("ledger_call_lost", error=type(error).__name__)
        if attempt > 0 or isinstance(error, OSError | TimeoutError):
            self.available = False

    async def _make_days(self, batch: list[_Item], error: asyncpg.CheckViolationError) -> bool:
        """Make the partitions of the batch's days, where the database lacks one: the housekeeper should have."""
        if error.constraint_name is not None or self._connection is None:
            return False
        _log.warning("event_partition_missing")
        for day in {day_of(item.command.hold_id or item.command.event_id) for item in batch}:
            # Another process may be making the same day.
            with contextlib.suppress(asyncpg.DuplicateTableError, asyncpg.UniqueViolationError):
                await self._connection.execute("SELECT ledger.create_days($1, 1)", day)
        return True

    async def _isolate(self, batch: list[_Item], error: Exception) -> None:
        """One command sinks the call: halve until it stands alone, so that the others get their answers."""
        if len(batch) > 1:
            middle = len(batch) // 2
            await self._flush(batch[:middle])
            await self._flush(batch[middle:])
            return
        item = batch[0]
        self._under_way.pop(item.command.event_id, None)
        _log.error("ledger_command_refused", type=item.command.type, error=str(error))
        if not item.answer.done():
            item.answer.set_exception(error)


def _give_up(item: _Item) -> None:
    item.dropped = True
    if not item.answer.done():
        item.answer.set_exception(LedgerUnavailableError("the ledger did not answer in time"))
