"""Refused requests, counted and recorded now and then: a flood of them must not be a flood of events."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable
from typing import Protocol

import structlog

from app.relay.errors import ApiError
from domain.events import encode, type_name
from domain.holds.events import RequestsRefused
from domain.ids import PLATFORM, EntityId, EventId, TenantId, first_lane
from domain.ledger.commands import Answer, Command, Kind

EVERY_SECONDS = 5.0
KINDS_MAX = 10_000
"""Different (token, reason) pairs that are kept between two recordings; what is beyond counts without its token."""

_log = structlog.get_logger(__name__)


class _Ledger(Protocol):
    async def submit(self, command: Command, *, patience_seconds: float | None = None) -> Answer: ...


class _Count:
    __slots__ = ("count", "error", "first_at", "last_at", "model")

    def __init__(self, now: dt.datetime) -> None:
        self.count = 0
        self.first_at = self.last_at = now
        self.model = ""
        self.error: ApiError | None = None


class Refusals:
    """Coalesces refusals per token and reason."""

    def __init__(
        self, ledger: _Ledger, *, now: Callable[[], dt.datetime], new_id: Callable[[], str], node: str
    ) -> None:
        """Take where they are recorded, a clock and a source of ids."""
        self._ledger = ledger
        self._now = now
        self._new_id = new_id
        self._node = node
        self._counts: dict[tuple[TenantId, EntityId | None, str], _Count] = {}
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Record every few seconds from now on."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="refusals")

    async def stop(self) -> None:
        """Record what is left, and stop."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self.flush()

    def add(self, tenant_id: TenantId | None, token_id: EntityId | None, error: ApiError, model: str = "") -> None:
        """Count one refusal."""
        now = self._now()
        key = (tenant_id or PLATFORM, token_id, error.code or error.type)
        if key not in self._counts and len(self._counts) >= KINDS_MAX:
            key = (PLATFORM, None, key[2])
        count = self._counts.setdefault(key, _Count(now))
        count.count += 1
        count.last_at = now
        count.model = model[:200]
        count.error = error

    async def flush(self) -> None:
        """Record what was counted, one event per token and reason."""
        counts, self._counts = self._counts, {}
        for (tenant_id, token_id, reason), count in counts.items():
            limit = count.error.limit if count.error is not None else None
            event = RequestsRefused(
                token_id=token_id,
                reason=reason,
                count=count.count,
                first_at=count.first_at.isoformat(),
                last_at=count.last_at.isoformat(),
                model_asked=count.model,
                limit_name=limit.name if limit is not None else "",
                needed=limit.amount if limit is not None else 0,
                limit=(limit.limit or 0) if limit is not None else 0,
            )
            event_id = EventId(self._new_id())
            command = Command(
                tenant_id=tenant_id,
                lane=first_lane(tenant_id),
                kind=Kind.POST,
                event_id=event_id,
                type=type_name(event),
                data=encode(event),
                actor=f"system:{self._node}",
                correlation_id=event_id,
                causation_id=event_id,
            )
            try:
                await self._ledger.submit(command, patience_seconds=2.0)
            except Exception as error:  # noqa: BLE001  # counts of refusals are not worth stopping anything for
                _log.warning("refusals_not_recorded", reason=reason, count=count.count, error=repr(error))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush()
