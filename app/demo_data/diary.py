"""What is to happen in one lane and when; it happens as time goes on, and is in the lane's book then."""

import heapq
import itertools
from typing import TYPE_CHECKING, Any

import msgspec

from app.demo_data.lane import LaneBook
from app.demo_data.plan import Ids, Plan
from domain.events import encode, type_name
from domain.ids import EventId, TenantId, first_lane
from domain.ledger.commands import Command, Kind

if TYPE_CHECKING:
    from collections.abc import Callable


class Diary:
    """A tenant's lane, and what is planned for it."""

    def __init__(self, plan: Plan, tenant_id: TenantId, ids: Ids) -> None:
        """Begin with nothing."""
        self.plan = plan
        self.tenant_id = tenant_id
        self.ids = ids
        self.book = LaneBook(tenant_id, first_lane(tenant_id))
        self._end = plan.end
        self._queue: list[tuple[int, int, Command | Callable[[int], None]]] = []
        self._number = itertools.count()

    def put(self, at: int, what: "Command | Callable[[int], None]") -> None:
        """Plan a command, or something that is decided when its time has come; nothing after the end."""
        if at < self._end:
            heapq.heappush(self._queue, (at, next(self._number), what))

    def until(self, at: int) -> None:
        """Do what is planned up to a moment."""
        queue = self._queue
        while queue and queue[0][0] <= at:
            due, _, what = heapq.heappop(queue)
            if isinstance(what, Command):
                self.book.must(what, due)
            else:
                what(due)

    def command(self, event: msgspec.Struct, event_id: EventId, actor: str, **fields: Any) -> Command:
        """Give the command for an event of this tenant, by default one that moves nothing."""
        values: dict[str, Any] = {
            "kind": Kind.POST,
            "correlation_id": event_id,
            "causation_id": event_id,
        }
        return Command(
            tenant_id=self.tenant_id,
            lane=first_lane(self.tenant_id),
            event_id=event_id,
            type=type_name(event),
            data=encode(event),
            actor=actor,
            **values | fields,
        )
