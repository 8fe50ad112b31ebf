"""Usage: the log of requests, the log of credit, and sums by the hour, from which all reports are made.

One row of the request log for each event that ended or changed a request, and for each coalesced refusal: rows are only
ever inserted. The hour of a sum is that of the record time, in UTC; days of any zone are sums over hours, and the hours
that a zone's midnight cuts are added up from the request log. All three move together, so that they agree to the nano.
"""

import datetime as dt
import hashlib
from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import msgspec

from domain.ids import day_of
from projections.base import StoredEvent
from projections.slices import slices
from projections.usage_events import (
    METERS,
    NO_USAGE,
    Adjusted,
    Authorized,
    Captured,
    CreditTaken,
    Expired,
    FailedAttempt,
    Granted,
    Lapsed,
    Redeemed,
    Refused,
    Usage,
    Voided,
)

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

SEPARATOR: Final = "\x1f"
"""Between the tags of one row of sums."""

SUMS: Final = (
    "requests",
    "voids",
    "expired",
    "refusals",
    "failed_attempts",
    "adjustments",
    "latencies",
    "latency_milliseconds",
    "first_bytes",
    "first_byte_milliseconds",
    *METERS,
    "captured_nanos",
    "allowance_nanos",
    "cost_nanos",
)
"""The columns of `usage_hourly` that are added to; how a row of the request log adds to each: `IN_LOG`."""

IN_LOG: Final[Mapping[str, str]] = {
    "requests": "(state = 'captured')::int",
    "voids": "(state = 'voided')::int",
    "expired": "(state = 'expired')::int",
    "refusals": "CASE state WHEN 'refused' THEN count ELSE 0 END",
    "failed_attempts": "(state = 'attempt_failed')::int",
    "adjustments": "(state = 'adjusted')::int",
    "latencies": "(latency_milliseconds IS NOT NULL AND state = 'captured')::int",
    "latency_milliseconds": "CASE state WHEN 'captured' THEN coalesce(latency_milliseconds, 0) ELSE 0 END",
    "first_bytes": "(first_byte_milliseconds IS NOT NULL AND state = 'captured')::int",
    "first_byte_milliseconds": "CASE state WHEN 'captured' THEN coalesce(first_byte_milliseconds, 0) ELSE 0 END",
}

DIMENSIONS: Final = (
    "token_id",
    "user_id",
    "model_asked",
    "model_routed",
    "model_billed",
    "channel_id",
    "tags",
    "multiplier",
)
"""The columns of `usage_hourly` that `part` is a hash of."""

# The authorization of a hold tells whose it was: its event has the hold's id, and the day that is in it.
_AUTHORIZED: Final = """
SELECT event_id::text, data FROM ledger.event
WHERE tenant_id = $1 AND event_id = ANY ($2::uuid[]) AND day = ANY ($3::date[]) AND type = 'hold.authorized.v1'
"""

_ADD: Final = (
    "INSERT INTO projection.usage_hourly AS t"  # noqa: S608  # names from this module
    f" (generation, hour, tenant_id, part, {', '.join(DIMENSIONS)}, {', '.join(SUMS)})"
    f" SELECT $1, u.hour, u.tenant_id, u.part, {', '.join('u.' + column for column in DIMENSIONS)}, "
    + ", ".join(f"coalesce(u.{column}, 0)" for column in SUMS)
    + " FROM unnest($2::timestamptz[], $3::bigint[], $4::uuid[], "
    + ", ".join(f"${n}::text[]" for n in range(5, 5 + len(DIMENSIONS)))
    + ", "
    + ", ".join(f"${n}::bigint[]" for n in range(5 + len(DIMENSIONS), 5 + len(DIMENSIONS) + len(SUMS)))
    + f") AS u (hour, tenant_id, part, {', '.join(DIMENSIONS)}, {', '.join(SUMS)})"
    + " ON CONFLICT (tenant_id, hour, part, generation) DO UPDATE SET "
    + ", ".join(f"{column} = t.{column} + excluded.{column}" for column in SUMS)
)

LOG_COLUMNS: Final = (
    "recorded_at",
    "tenant_id",
    "lane",
    "position",
    "generation",
    "state",
    "request_id",
    "token_id",
    "user_id",
    "surface",
    "stream",
    "cached",
    "model_asked",
    "model_routed",
    "model_billed",
    "channel_id",
    "tags",
    "outcome",
    "status",
    "code",
    "basis",
    "attempts",
    "count",
    "latency_milliseconds",
    "first_byte_milliseconds",
    *METERS,
    "image_variant",
    "captured_nanos",
    "allowance_nanos",
    "overrun_nanos",
    "cost_nanos",
    "multiplier",
    "multiplier_id",
    "card_id",
    "card_version",
    "limit_name",
    "needed",
    "limit_amount",
)
CREDIT_COLUMNS: Final = (
    "recorded_at",
    "tenant_id",
    "lane",
    "position",
    "generation",
    "kind",
    "source",
    "grant_id",
    "grant_kind",
    "amount_nanos",
    "currency",
    "reference",
    "reason",
)


class Entry(msgspec.Struct, kw_only=True, gc=False):
    """What one event adds: a row of the request log, but for when and where."""

    state: str
    request_id: str | None = None
    token_id: str = ""
    user_id: str = ""
    surface: str = ""
    stream: bool = False
    cached: bool = False
    model_asked: str = ""
    model_routed: str = ""
    model_billed: str = ""
    channel_id: str = ""
    tags: tuple[str, ...] = ()
    outcome: str = ""
    status: int = 0
    code: str = ""
    basis: str = ""
    attempts: int = 0
    count: int = 1
    latency_milliseconds: int | None = None
    first_byte_milliseconds: int | None = None
    usage: Usage = NO_USAGE
    captured_nanos: int = 0
    allowance_nanos: int = 0
    overrun_nanos: int = 0
    cost_nanos: int = 0
    multiplier: Decimal = Decimal(1)
    multiplier_id: str = ""
    card_id: str = ""
    card_version: int = 0
    limit_name: str = ""
    needed: int = 0
    limit_amount: int = 0

    def row(self, event: StoredEvent, generation: int) -> tuple[Any, ...]:
        """Give the row of the request log."""
        return (
            event.recorded_at, event.tenant_id, event.lane, event.position, generation, self.state, self.request_id,
            self.token_id, self.user_id, self.surface, self.stream, self.cached, self.model_asked, self.model_routed,
            self.model_billed, self.channel_id, self.tags, self.outcome, self.status, self.code, self.basis,
            self.attempts, self.count, self.latency_milliseconds, self.first_byte_milliseconds, *self.usage.counts(),
            self.usage.image_variant, self.captured_nanos, self.allowance_nanos, self.overrun_nanos, self.cost_nanos,
            self.multiplier, self.multiplier_id, self.card_id, self.card_version, self.limit_name, self.needed,
            self.limit_amount,
        )  # fmt: skip

    def dimensions(self) -> tuple[str, ...]:
        """Give the columns that `part` is a hash of."""
        return (
            self.token_id,
            self.user_id,
            self.model_asked,
            self.model_routed,
            self.model_billed,
            self.channel_id,
            SEPARATOR.join(sorted(set(self.tags))),
            f"{self.multiplier:f}",
        )

    def sums(self) -> tuple[int, ...]:
        """Give what it adds to a row of sums."""
        state = self.state
        captured = state == "captured"
        latency = self.latency_milliseconds if captured else None
        first_byte = self.first_byte_milliseconds if captured else None
        return (
            int(captured),
            int(state == "voided"),
            int(state == "expired"),
            self.count if state == "refused" else 0,
            int(state == "attempt_failed"),
            int(state == "adjusted"),
            int(latency is not None),
            latency or 0,
            int(first_byte is not None),
            first_byte or 0,
            *self.usage.counts(),
            self.captured_nanos,
            self.allowance_nanos,
            self.cost_nanos,
        )


class Key(NamedTuple):
    """Whose row of sums it is, in the order in which rows are locked."""

    tenant_id: int
    hour: dt.datetime
    part: str


class Sums:
    """A row of sums while it is folded."""

    __slots__ = ("dimensions", "values")

    def __init__(self, dimensions: tuple[str, ...], values: list[int]) -> None:
        self.dimensions = dimensions
        self.values = values


class UsageProjection:
    """The projection `usage`."""

    name = "usage"
    version = 2
    tables = ("projection.request_log", "projection.credit_log", "projection.usage_hourly")
    shapes: Mapping[str, Any] = {
        "hold.captured.v1": Captured,
        "hold.voided.v1": Voided,
        "hold.expired.v1": Expired,
        "attempt.failed.v1": FailedAttempt,
        "requests.refused.v1": Refused,
        "usage.adjusted.v1": Adjusted,
        "credit.granted.v1": Granted,
        "code.redeemed.v1": Redeemed,
        "credit.lapsed.v1": Lapsed,
        "credit.adjusted.v1": CreditTaken,
    }
    types = frozenset(shapes)
    effects = frozenset({"credit.lapsed.v1"})
    names = False

    async def apply(self, connection: "Connection", generation: int, events: Sequence[StoredEvent]) -> None:
        """Insert a row for each event, and add what they sum up to."""
        if not events:
            return
        holders = await _holders(connection, events)
        moments = [event.recorded_at for event in events]
        await connection.execute("SELECT projection.begin_usage($1, $2, $3)", generation, min(moments), max(moments))
        rows: dict[Key, Sums] = {}
        async for part in slices(events):
            moved = [credit for event in part if (credit := _credit(event, generation)) is not None]
            entries = [(event, entry) for event in part if (entry := entry_of(event.value, holders)) is not None]
            if moved:
                await connection.copy_records_to_table(
                    "credit_log", schema_name="projection", columns=CREDIT_COLUMNS, records=moved
                )
            if entries:
                await connection.copy_records_to_table(
                    "request_log",
                    schema_name="projection",
                    columns=LOG_COLUMNS,
                    records=[entry.row(event, generation) for event, entry in entries],
                )
                fold(entries, rows)
        await _add(connection, generation, rows)


def fold(entries: Iterable[tuple[StoredEvent, Entry]], rows: dict[Key, Sums]) -> None:
    """Sum up what entries add to each row of sums."""
    for event, entry in entries:
        hour = event.recorded_at.replace(minute=0, second=0, microsecond=0)
        dimensions = entry.dimensions()
        key = Key(event.tenant_id, hour, part_of(dimensions))
        added = entry.sums()
        sums = rows.get(key)
        if sums is None:
            rows[key] = Sums(dimensions, list(added))
        else:
            for index, amount in enumerate(added):
                if amount:
                    sums.values[index] += amount


def part_of(dimensions: tuple[str, ...]) -> str:
    """Give the hash that stands for the dimensions in the key; no dimension holds a NUL."""
    return hashlib.blake2b("\x00".join(dimensions).encode(), digest_size=16).hexdigest()


async def _add(connection: "Connection", generation: int, rows: Mapping[Key, Sums]) -> None:
    async for keys in slices(sorted(rows)):
        columns: list[list[Any] | None] = [
            [key.hour for key in keys],
            [key.tenant_id for key in keys],
            [key.part for key in keys],
            *(list(column) for column in zip(*(rows[key].dimensions for key in keys), strict=True)),
            # Most sums of a batch are zero all the way down: such a column is not sent at all.
            *(
                list(column) if any(column) else None
                for column in zip(*(rows[key].values for key in keys), strict=True)
            ),
        ]
        await connection.execute(_ADD, generation, *columns)


def entry_of(value: Any, holders: Mapping[str, Authorized]) -> Entry | None:  # noqa: PLR0911 -- one arm per type
    """Give what an event about a request adds, None for one about credit; `holders` tells whose the bare ones are."""
    match value:
        case Captured():
            return _captured(value)
        case Voided():
            return _voided(value, holders.get(value.hold_id, _NOBODY))
        case Adjusted():
            return _adjusted(value)
        case Refused():
            return Entry(
                state="refused",
                token_id=value.token_id or "",
                model_asked=value.model_asked,
                code=value.reason,
                count=value.count,
                limit_name=value.limit_name,
                needed=value.needed,
                limit_amount=value.limit,
            )
        case Expired():
            return _of_hold("expired", value.hold_id, holders.get(value.hold_id, _NOBODY))
        case FailedAttempt():
            return _failed(value, holders.get(value.hold_id, _NOBODY))
        case _:
            return None


def _captured(value: Captured) -> Entry:
    attempt = value.attempt
    return Entry(
        state="captured",
        request_id=value.hold_id,
        token_id=value.token_id,
        user_id=value.user_id,
        surface=value.surface,
        stream=value.stream,
        cached=value.cached,
        model_asked=value.model_asked,
        model_routed=value.model_routed,
        model_billed=value.model_billed,
        channel_id=value.channel_id,
        tags=value.tags,
        outcome=value.outcome,
        status=attempt.status,
        code=attempt.code,
        basis=value.basis,
        attempts=value.attempts,
        latency_milliseconds=attempt.latency_milliseconds,
        first_byte_milliseconds=attempt.first_byte_milliseconds,
        usage=value.usage,
        captured_nanos=value.captured_nanos,
        allowance_nanos=value.allowance_nanos,
        overrun_nanos=value.overrun_nanos,
        cost_nanos=attempt.cost_nanos,
        multiplier=value.factors.multiplier,
        multiplier_id=value.multiplier_id or "",
        card_id=value.card_id,
        card_version=value.card_version,
    )


def _of_hold(state: str, hold_id: str, held: Authorized) -> Entry:
    return Entry(
        state=state,
        request_id=hold_id,
        token_id=held.token_id,
        user_id=held.user_id,
        surface=held.surface,
        stream=held.stream,
        model_asked=held.model_asked,
        model_billed=held.model_billed,
        tags=held.tags,
        multiplier=held.multiplier,
        multiplier_id=held.multiplier_id or "",
        card_id=held.card_id,
        card_version=held.card_version,
    )


def _voided(value: Voided, held: Authorized) -> Entry:
    entry = _of_hold("voided", value.hold_id, held)
    entry.token_id, entry.user_id, entry.model_asked = value.token_id, value.user_id, value.model_asked
    entry.attempts, entry.code = value.attempts, value.reason
    if value.attempt is not None:
        entry.channel_id, entry.model_routed = value.attempt.channel_id, value.attempt.model_routed
        entry.outcome, entry.status = value.attempt.outcome, value.attempt.status
        entry.latency_milliseconds = value.attempt.latency_milliseconds
        entry.first_byte_milliseconds = value.attempt.first_byte_milliseconds
        entry.cost_nanos = value.attempt.cost_nanos
    return entry


def _failed(value: FailedAttempt, held: Authorized) -> Entry:
    entry, attempt = _of_hold("attempt_failed", value.hold_id, held), value.attempt
    entry.channel_id, entry.model_routed, entry.attempts = attempt.channel_id, attempt.model_routed, value.number
    entry.outcome, entry.status, entry.code = attempt.outcome, attempt.status, attempt.code
    entry.latency_milliseconds = attempt.latency_milliseconds
    entry.first_byte_milliseconds = attempt.first_byte_milliseconds
    entry.cost_nanos = attempt.cost_nanos
    return entry


def _adjusted(value: Adjusted) -> Entry:
    return Entry(
        state="adjusted",
        request_id=value.hold_id,
        token_id=value.token_id,
        user_id=value.user_id,
        model_asked=value.model_asked,
        model_billed=value.model_billed,
        channel_id=value.channel_id,
        code=value.reason,
        basis=value.basis,
        usage=value.usage,
        captured_nanos=value.charged_nanos,
        multiplier=value.factors.multiplier,
        card_id=value.card_id,
        card_version=value.card_version,
    )


def _credit(event: StoredEvent, generation: int) -> tuple[Any, ...] | None:
    """Give the row of the credit log; None for an event about a request."""
    value = event.value
    where = (event.recorded_at, event.tenant_id, event.lane, event.position, generation)
    match value:
        case Redeemed(grant=grant):
            return (*where, "redeemed", *grant.terms())
        case Granted():
            return (*where, "granted", *value.terms())
        case Lapsed():
            return (*where, "lapsed", "", value.grant_id, "", sum(event.posted), "USD", "", "")
        case CreditTaken():
            return (*where, "adjusted", "", "", "", -value.amount_nanos, "USD", value.reference, value.reason)
        case _:
            return None


async def _holders(connection: "Connection", events: Sequence[StoredEvent]) -> dict[str, Authorized]:
    """Look up whose the holds are of the events that say too little of them."""
    by_tenant: dict[int, set[str]] = {}
    for event in events:
        if isinstance(event.value, Expired | FailedAttempt | Voided):
            by_tenant.setdefault(event.tenant_id, set()).add(event.value.hold_id)
    found: dict[str, Authorized] = {}
    for tenant_id, hold_ids in by_tenant.items():
        days = {day_of(hold_id) for hold_id in hold_ids}
        for event_id, data in await connection.fetch(_AUTHORIZED, tenant_id, list(hold_ids), list(days)):
            found[event_id] = _DECODE(data)
    return found


_NOBODY: Final = Authorized()
_DECODE: Final = msgspec.json.Decoder(Authorized).decode

USAGE: Final = UsageProjection()
