"""Pulse: how fast and how available models and channels are, as counts from which percentiles are read.

A latency falls into one of 28 classes, each about 1.4 times as long as the one before: what is between two bounds is
told by interpolation, a few percent from the truth, and sums of classes over hours, channels and models stay right,
which sums of percentiles never are. All counts are integers, so that any order of lanes gives the same rows.
"""

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from projections.base import StoredEvent
from projections.slices import slices
from projections.sums import SumTable
from projections.usage_events import Captured, Expired, FailedAttempt, Refused, Voided

if TYPE_CHECKING:
    import asyncpg

BOUNDS: Final = (
    *(10, 14, 20, 28, 40, 57, 80, 113, 160, 226, 320, 453, 640, 905, 1280, 1810, 2560, 3620, 5120, 7241, 10_240),
    *(14_482, 20_480, 28_963, 40_960, 57_926, 81_920),
)
"""Milliseconds: the last that belongs to each class; the class behind them has no bound."""
CLASSES: Final = len(BOUNDS) + 1
COUNTS: Final = (
    "requests",
    "incomplete",
    "voids",
    "expired",
    "failed_attempts",
    "output_tokens",
    "stream_milliseconds",
)
"""`incomplete` are those of `requests` that were charged, but did not come to their end by themselves."""
LATENCY: Final = tuple(f"latency_{n}" for n in range(CLASSES))
FIRST_BYTE: Final = tuple(f"first_byte_{n}" for n in range(CLASSES))
COLUMNS: Final = (*COUNTS, *LATENCY, *FIRST_BYTE)
EVERYBODY: Final = 0
"""The tenant of the rows over all tenants; no tenant has this number."""
ALL: Final = "\x1f"
"""Instead of a channel or model: all of them together. So whoever groups by nothing reads one row for a stretch.

No name has a control character in it.
"""
SHORT, HOUR, DAY = 5, 60, 1440

_FIRST_LATENCY: Final = len(COUNTS)
_FIRST_FIRST_BYTE: Final = _FIRST_LATENCY + CLASSES
_BIG: Final = frozenset({"output_tokens", "stream_milliseconds"})
_TABLE: Final = SumTable(
    "projection.pulse",
    keys={"tenant_id": "bigint", "minutes": "smallint", "at": "timestamptz", "channel_id": "text", "model": "text"},
    sums={name: "bigint" if name in _BIG else "integer" for name in COLUMNS},
)
_REFUSALS: Final = SumTable(
    "projection.refusal_hour",
    keys={"tenant_id": "bigint", "hour": "timestamptz", "reason": "text", "model": "text"},
    sums={"refusals": "bigint"},
)


class Cell(NamedTuple):
    """Whose row it is, in the order in which rows are locked."""

    tenant_id: int
    minutes: int
    at: dt.datetime
    channel_id: str
    model: str


class RefusalKey(NamedTuple):
    """Whose row of refusals it is."""

    tenant_id: int
    hour: dt.datetime
    reason: str
    model: str


class Pulse:
    """The projection `pulse`."""

    name = "pulse"
    version = 3
    tables = ("projection.pulse", "projection.refusal_hour")
    shapes: Mapping[str, Any] = {
        "hold.captured.v1": Captured,
        "hold.voided.v1": Voided,
        "hold.expired.v1": Expired,
        "attempt.failed.v1": FailedAttempt,
        "requests.refused.v1": Refused,
    }
    types = frozenset(shapes)
    effects: frozenset[str] = frozenset()
    names = False

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Add what the events count to each row."""
        fine: dict[Cell, list[int]] = {}
        refusals: dict[RefusalKey, list[int]] = {}
        async for part in slices(events):
            fold(part, fine, refusals)
        await _TABLE.add(connection, generation, _spread(fine))
        await _REFUSALS.add(connection, generation, refusals)


def fold(events: Sequence[StoredEvent], fine: dict[Cell, list[int]], refusals: dict[RefusalKey, list[int]]) -> None:
    """Count what the events add: finely, before that is spread over the rows that are kept."""
    for event in events:
        value = event.value
        if isinstance(value, Refused):
            _refuse(refusals, event.tenant_id, event.recorded_at, value)
            continue
        channel_id, model = _where(value)
        at = event.recorded_at
        cell = Cell(
            event.tenant_id, SHORT, at.replace(minute=at.minute - at.minute % SHORT, second=0, microsecond=0),
            channel_id, model,
        )  # fmt: skip
        counts = fine.get(cell)
        if counts is None:
            counts = fine[cell] = [0] * len(COLUMNS)
        _count(counts, value)


def _refuse(refusals: dict[RefusalKey, list[int]], tenant_id: int, at: dt.datetime, value: Refused) -> None:
    """Count a refusal for its tenant and for everybody, by model and for all models."""
    hour = at.replace(minute=0, second=0, microsecond=0)
    for whose in (tenant_id, EVERYBODY):
        for model in (value.model_asked, ALL):
            refusals.setdefault(RefusalKey(whose, hour, value.reason, model), [0])[0] += value.count


def _where(value: Any) -> tuple[str, str]:
    """Give channel and model; what an event does not say is empty."""
    match value:
        case Captured():
            return value.channel_id, value.model_asked
        case Voided():
            return value.attempt.channel_id if value.attempt is not None else "", value.model_asked
        case FailedAttempt():
            return value.attempt.channel_id, ""
        case _:
            return "", ""


def _count(counts: list[int], value: Any) -> None:
    match value:
        case Captured():
            counts[0] += 1
            counts[1] += value.outcome != "completed"
            if value.cached:
                # The gateway's own speed says nothing of a vendor's.
                return
            attempt = value.attempt
            counts[_FIRST_LATENCY + bisect_left(BOUNDS, attempt.latency_milliseconds)] += 1
            first_byte = attempt.first_byte_milliseconds
            if first_byte is not None:
                counts[_FIRST_FIRST_BYTE + bisect_left(BOUNDS, first_byte)] += 1
                counts[5] += value.usage.output_tokens + value.usage.reasoning_tokens
                counts[6] += max(0, attempt.latency_milliseconds - first_byte)
        case Voided():
            counts[2] += 1
        case Expired():
            counts[3] += 1
        case _:
            counts[4] += 1


def _spread(fine: Mapping[Cell, list[int]]) -> dict[Cell, list[int]]:
    """Give the rows that are kept: of everybody by channel, by model and by both, of a tenant by model, and of all."""
    rows: dict[Cell, list[int]] = {}
    for cell, counts in fine.items():
        added = [(n, count) for n, count in enumerate(counts) if count]
        for row in _kept(cell):
            kept = rows.get(row)
            if kept is None:
                kept = rows[row] = [0] * len(COLUMNS)
            for n, count in added:
                kept[n] += count
    return rows


def _kept(cell: Cell) -> Iterator[Cell]:
    tenant_id, _, at, channel_id, model = cell
    hour = at.replace(minute=0)
    for minutes, beginning in ((SHORT, at), (HOUR, hour), (DAY, hour.replace(hour=0))):
        yield Cell(EVERYBODY, minutes, beginning, ALL, ALL)
        yield Cell(EVERYBODY, minutes, beginning, channel_id, ALL)
        yield Cell(EVERYBODY, minutes, beginning, ALL, model)
        if minutes != SHORT:
            yield Cell(EVERYBODY, minutes, beginning, channel_id, model)
            yield Cell(tenant_id, minutes, beginning, ALL, ALL)
            yield Cell(tenant_id, minutes, beginning, ALL, model)


PULSE: Final = Pulse()
