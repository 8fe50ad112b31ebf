"""Refusals that are not recorded yet, coalesced by key and reason as the relay does."""

from typing import Final

from app.demo_data.diary import Diary
from app.demo_data.lane import time_of
from app.demo_data.plan import NODES, SECOND
from app.relay import errors
from domain.holds.events import RequestsRefused
from domain.ids import EntityId, EventId

_FLUSH: Final = 5 * SECOND


class _Count:
    """Refusals of one token for one reason that are not recorded yet."""

    __slots__ = ("count", "error", "first_at", "last_at", "model")

    def __init__(self, at: int) -> None:
        self.count = 0
        self.first_at = self.last_at = at
        self.error: errors.ApiError | None = None
        self.model = ""


class Refusals:
    """What was refused in the last seconds."""

    def __init__(self, diary: Diary) -> None:
        """Take the lane that they are recorded in."""
        self._diary = diary
        self._counts: dict[tuple[EntityId, str], _Count] = {}
        self._flush_at = 0

    def until(self, at: int) -> None:
        """Record what has waited long enough by a moment."""
        if self._counts and at >= self._flush_at:
            self.flush(at)

    def add(self, at: int, token_id: EntityId, model: str, error: errors.ApiError) -> None:
        """Count a refusal."""
        key = (token_id, error.code or error.type)
        kept = self._counts.get(key)
        if kept is None:
            if not self._counts:
                self._flush_at = at + _FLUSH
            kept = self._counts[key] = _Count(at)
        kept.count += 1
        kept.last_at, kept.error, kept.model = at, error, model

    def flush(self, at: int) -> None:
        """Record all that there are."""
        kept, self._counts = self._counts, {}
        for (token_id, reason), count in kept.items():
            limit = count.error.limit if count.error is not None else None
            event = RequestsRefused(
                token_id=token_id,
                reason=reason,
                count=count.count,
                first_at=time_of(count.first_at).isoformat(),
                last_at=time_of(count.last_at).isoformat(),
                model_asked=count.model,
                limit_name=limit.name if limit is not None else "",
                needed=limit.amount if limit is not None else 0,
                limit=(limit.limit or 0) if limit is not None else 0,
            )
            moment = max(self._flush_at, count.last_at)
            command = self._diary.command(event, EventId(self._diary.ids.at(moment)), f"system:{NODES[0]}")
            self._diary.book.must(command, min(moment, at))
