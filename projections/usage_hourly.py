"""Usage by the hour: what each tenant, user and token asked of which model and channel, and what it cost both sides.

The hour is that of the record time of the event that ended the request, in UTC; a day in a tenant's time zone is a sum
over hours (zones that are off by half an hour are cut at the hour).
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.ids import day_of
from projections.base import StoredEvent
from projections.sums import SumTable

if TYPE_CHECKING:
    import asyncpg

_TABLE: Final = SumTable(
    "projection.usage_hourly",
    keys={
        "hour": "timestamptz",
        "token_id": "text",
        "user_id": "text",
        "model_asked": "text",
        "model_billed": "text",
        "channel_id": "text",
        "tenant_id": "bigint",
    },
    sums={
        "requests": "bigint",
        "voids": "bigint",
        "expired": "bigint",
        "refusals": "bigint",
        "failed_attempts": "bigint",
        "adjustments": "bigint",
        "input_tokens": "bigint",
        "cached_input_tokens": "bigint",
        "cache_write_tokens": "bigint",
        "audio_input_tokens": "bigint",
        "image_input_tokens": "bigint",
        "output_tokens": "bigint",
        "reasoning_tokens": "bigint",
        "audio_output_tokens": "bigint",
        "image_output_tokens": "bigint",
        "images": "bigint",
        "milliseconds": "bigint",
        "characters": "bigint",
        "captured_nanos": "numeric",
        "allowance_nanos": "numeric",
        "cost_nanos": "numeric",
    },
)

# The authorization of a hold tells whose it was: its event has the hold's id, and the day that is in it.
_AUTHORIZED: Final = """
SELECT event_id::text, data FROM ledger.event
WHERE tenant_id = $1 AND event_id = ANY ($2::uuid[]) AND day = ANY ($3::date[]) AND type = 'hold.authorized.v1'
"""


class Attempt(msgspec.Struct, gc=False):
    channel_id: str
    cost_nanos: int = 0


class Usage(msgspec.Struct, gc=False):
    """What a call consumed; its fields are in the order of the table's columns."""

    input_tokens: int = 0
    cached_input_tokens: int = 0
    cache_write_tokens: int = 0
    audio_input_tokens: int = 0
    image_input_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0
    audio_output_tokens: int = 0
    image_output_tokens: int = 0
    images: int = 0
    milliseconds: int = 0
    characters: int = 0

    def counts(self) -> tuple[int, ...]:
        return (
            self.input_tokens,
            self.cached_input_tokens,
            self.cache_write_tokens,
            self.audio_input_tokens,
            self.image_input_tokens,
            self.output_tokens,
            self.reasoning_tokens,
            self.audio_output_tokens,
            self.image_output_tokens,
            self.images,
            self.milliseconds,
            self.characters,
        )


class Captured(msgspec.Struct, gc=False):
    captured_nanos: int
    usage: Usage
    token_id: str
    user_id: str
    model_asked: str
    model_billed: str
    channel_id: str
    attempt: Attempt
    allowance_nanos: int = 0


class Adjusted(msgspec.Struct, gc=False):
    charged_nanos: int
    usage: Usage
    token_id: str
    user_id: str
    model_asked: str
    model_billed: str
    channel_id: str


class Voided(msgspec.Struct, gc=False):
    token_id: str
    user_id: str
    model_asked: str
    attempt: Attempt | None = None


class Expired(msgspec.Struct, gc=False):
    hold_id: str


class FailedAttempt(msgspec.Struct, gc=False):
    hold_id: str
    attempt: Attempt


class Refused(msgspec.Struct, gc=False):
    token_id: str | None
    count: int
    model_asked: str = ""


class Authorized(msgspec.Struct, gc=False):
    token_id: str
    user_id: str
    model_asked: str
    model_billed: str


class Key(NamedTuple):
    """Whose row it is, in the order in which rows are locked."""

    hour: dt.datetime
    token_id: str
    user_id: str
    model_asked: str
    model_billed: str
    channel_id: str
    tenant_id: int


Part = tuple[tuple[str, str, str, str, str], tuple[int, ...]]

_NOBODY: Final = Authorized("", "", "", "")
_NO_USAGE: Final = (0,) * 12
_NO_MONEY: Final = (0, 0, 0)


class UsageHourly:
    """The projection `usage_hourly`."""

    name = "usage_hourly"
    version = 1
    tables = ("projection.usage_hourly",)
    shapes: Mapping[str, Any] = {
        "hold.captured.v1": Captured,
        "hold.voided.v1": Voided,
        "hold.expired.v1": Expired,
        "attempt.failed.v1": FailedAttempt,
        "requests.refused.v1": Refused,
        "usage.adjusted.v1": Adjusted,
    }
    types = frozenset(shapes)
    effects: frozenset[str] = frozenset()

    async def apply(
        self, connection: "asyncpg.Connection[asyncpg.Record]", generation: int, events: Sequence[StoredEvent]
    ) -> None:
        """Add what the events sum up to."""
        holders = await _holders(connection, events)
        await _TABLE.add(connection, generation, fold(events, holders))


def fold(events: Iterable[StoredEvent], holders: Mapping[str, Authorized]) -> dict[Key, list[int]]:
    """Sum up what the events add to each row; `holders` tells by hold id whose the bare ones are."""
    rows: dict[Key, list[int]] = {}
    for event in events:
        hour = event.recorded_at.replace(minute=0, second=0, microsecond=0)
        whose, added = _part(event.value, holders)
        key = Key(hour, *whose, event.tenant_id)
        sums = rows.get(key)
        if sums is None:
            rows[key] = list(added)
        else:
            for index, amount in enumerate(added):
                if amount:
                    sums[index] += amount
    return rows


def _part(value: Any, holders: Mapping[str, Authorized]) -> Part:
    """Give the row that an event adds to (without hour and tenant), and what it adds."""
    match value:
        case Captured():
            key = (value.token_id, value.user_id, value.model_asked, value.model_billed, value.channel_id)
            money = (value.captured_nanos, value.allowance_nanos, value.attempt.cost_nanos)
            part = key, (1, 0, 0, 0, 0, 0, *value.usage.counts(), *money)
        case Voided():
            channel_id = value.attempt.channel_id if value.attempt else ""
            cost_nanos = value.attempt.cost_nanos if value.attempt else 0
            key = (value.token_id, value.user_id, value.model_asked, "", channel_id)
            part = key, (0, 1, 0, 0, 0, 0, *_NO_USAGE, 0, 0, cost_nanos)
        case Adjusted():
            key = (value.token_id, value.user_id, value.model_asked, value.model_billed, value.channel_id)
            part = key, (0, 0, 0, 0, 0, 1, *value.usage.counts(), value.charged_nanos, 0, 0)
        case Refused():
            key = (value.token_id or "", "", value.model_asked, "", "")
            part = key, (0, 0, 0, value.count, 0, 0, *_NO_USAGE, *_NO_MONEY)
        case Expired():
            held = holders.get(value.hold_id, _NOBODY)
            key = (held.token_id, held.user_id, held.model_asked, held.model_billed, "")
            part = key, (0, 0, 1, 0, 0, 0, *_NO_USAGE, *_NO_MONEY)
        case FailedAttempt():
            held = holders.get(value.hold_id, _NOBODY)
            key = (held.token_id, held.user_id, held.model_asked, held.model_billed, value.attempt.channel_id)
            part = key, (0, 0, 0, 0, 1, 0, *_NO_USAGE, 0, 0, value.attempt.cost_nanos)
        case _:
            raise TypeError(f"usage_hourly does not fold {type(value).__name__}")
    return part


async def _holders(
    connection: "asyncpg.Connection[asyncpg.Record]", events: Sequence[StoredEvent]
) -> dict[str, Authorized]:
    """Look up whose the holds are of the events that name nothing but a hold."""
    by_tenant: dict[int, set[str]] = {}
    for event in events:
        if isinstance(event.value, Expired | FailedAttempt):
            by_tenant.setdefault(event.tenant_id, set()).add(event.value.hold_id)
    decode = msgspec.json.Decoder(Authorized).decode
    found: dict[str, Authorized] = {}
    for tenant_id, hold_ids in by_tenant.items():
        days = {day_of(hold_id) for hold_id in hold_ids}
        for event_id, data in await connection.fetch(_AUTHORIZED, tenant_id, list(hold_ids), list(days)):
            found[event_id] = decode(data)
    return found


USAGE_HOURLY: Final = UsageHourly()
