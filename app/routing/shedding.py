"""The door of a busy process: so many requests at a time, a short queue that is fair between tenants, and no more.

A tenant that floods waits in its own queue, and the slots that come free go around the tenants; part of the slots is
kept from any one tenant, so that another one's request is let in at once.
"""

import asyncio
from collections import OrderedDict, deque
from typing import Final

import msgspec

from domain.ids import TenantId

_KEPT_PART: Final = 8
"""An eighth of the slots is out of any single tenant's reach."""


class ShedError(Exception):
    """There is no room: come back later."""

    def __init__(self, retry_after_seconds: float, *, own: bool) -> None:
        """Take when to come back, and whether it is the tenant's own requests that fill the room."""
        super().__init__("no room")
        self.retry_after_seconds = retry_after_seconds
        self.own = own


class _Line(msgspec.Struct):
    """One tenant: its requests under way, and those that wait."""

    running: int = 0
    waiting: "deque[asyncio.Future[None]]" = msgspec.field(default_factory=deque)


class Shedder:
    """Admits requests of a process."""

    def __init__(self, *, running_max: int, waiting_max: int, wait_seconds: float) -> None:
        """Take how many may run and wait at a time, and for how long one waits."""
        self._running_max = running_max
        self._waiting_max = waiting_max
        self._wait_seconds = wait_seconds
        self._tenant_max = max(1, running_max - running_max // _KEPT_PART)
        self._lines: OrderedDict[TenantId, _Line] = OrderedDict()
        """In the order in which tenants get the next free slot."""
        self.running = 0
        self.waiting = 0
        self.shed = 0
        """Requests turned away so far."""

    async def enter(self, tenant_id: TenantId) -> None:
        """Take a slot, after a wait if need be; ShedError if there is none to be had. Ends with `leave`."""
        line = self._lines.get(tenant_id)
        if line is None:
            line = self._lines[tenant_id] = _Line()
        if not line.waiting and self._may_run(line):
            line.running += 1
            self.running += 1
            return
        try:
            self._make_room(line)
        except ShedError:
            self._drop_if_idle(tenant_id, line)
            raise
        turn = asyncio.get_running_loop().create_future()
        line.waiting.append(turn)
        self.waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await turn
        except (TimeoutError, asyncio.CancelledError) as gone:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                # The slot came in the very moment in which its taker gave up.
                self.leave(tenant_id)
            if isinstance(gone, TimeoutError):
                self.shed += 1
                raise ShedError(1.0, own=self._is_own(line)) from None
            raise
        finally:
            self._withdraw(tenant_id, line, turn)

    def leave(self, tenant_id: TenantId) -> None:
        """Give a slot back; whoever is next in turn gets it."""
        line = self._lines[tenant_id]
        line.running -= 1
        self.running -= 1
        self._drop_if_idle(tenant_id, line)
        self._admit()

    def _may_run(self, line: _Line) -> bool:
        return self.running < self._running_max and line.running < self._tenant_max

    def _admit(self) -> None:
        """Hand free slots out, one to each tenant in turn."""
        if not self.waiting:
            return
        for tenant_id in list(self._lines):
            if not self.waiting or self.running >= self._running_max:
                return
            line = self._lines[tenant_id]
            while line.waiting and line.waiting[0].done():
                line.waiting.popleft()
                self.waiting -= 1
            if line.waiting and self._may_run(line):
                line.waiting.popleft().set_result(None)
                self.waiting -= 1
                line.running += 1
                self.running += 1
                self._lines.move_to_end(tenant_id)

    def _make_room(self, line: _Line) -> None:
        """Keep the queue within its bound: the tenant with the most that wait loses its latest."""
        if self.waiting < self._waiting_max:
            return
        longest = max(self._lines.values(), key=lambda each: len(each.waiting))
        self.shed += 1
        if len(longest.waiting) <= len(line.waiting) + 1:
            raise ShedError(1.0, own=self._is_own(line))
        loser = longest.waiting.pop()
        self.waiting -= 1
        if not loser.done():
            loser.set_exception(ShedError(1.0, own=True))

    def _is_own(self, line: _Line) -> bool:
        return line.running >= self._tenant_max or line.running * 2 > self._running_max

    def _withdraw(self, tenant_id: TenantId, line: _Line, turn: "asyncio.Future[None]") -> None:
        if turn in line.waiting:
            line.waiting.remove(turn)
            self.waiting -= 1
        self._drop_if_idle(tenant_id, line)

    def _drop_if_idle(self, tenant_id: TenantId, line: _Line) -> None:
        if not line.running and not line.waiting and self._lines.get(tenant_id) is line:
            del self._lines[tenant_id]
