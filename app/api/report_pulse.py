"""/api/reports/latency, /overview, /refusals, /api/channel-availability: how things go, from counts that are kept."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, QueryParameter

from adapters.postgres.row_security import owner_of
from app.api.call import Call, TenantNumber, ThisCall, route
from app.api.channel_health import HealthView, health_view
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_money import CURRENCY
from app.api.report_scope import From, Scope, To, Zone, scope_of, span_of, zone_of
from app.api.report_views import BucketView
from app.api.schemas.common import Amount
from app.reports.balances import read_balances
from app.reports.beginning import unpriced_models
from app.reports.breakers import read_breakers
from app.reports.pulse import (
    By,
    PulseQuery,
    PulseRow,
    RefusalRow,
    joined,
    percentile,
    percentiles,
    read_pulse,
    read_refusals,
)
from app.reports.usage import UsageQuery, read_usage
from domain.ids import PLATFORM, EntityId
from domain.money import format_amount
from domain.reports.periods import Bucket, BucketSize, buckets
from domain.routing.health import Health

CELL_MINUTES: Final = 5
UNPRICED: Final = "unpriced_model"
"""The code that the relay refuses with."""
_REFUSALS_MAX: Final = 10_000
_HOUR: Final = dt.timedelta(hours=1)
Size = Literal["five_minutes", "hour", "day", "week", "month"]
_By = Annotated[
    str, QueryParameter(name="by", pattern=r"^(model|channel|model,channel|channel,model)?$", max_length=20)
]
_Name = Annotated[str | None, QueryParameter(max_length=200)]


# ---- Latency


class LatencyRow(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of a group went in a bucket. Percentiles are in milliseconds, within a few percent."""

    bucket: int
    """The index in `buckets`."""
    keys: dict[str, str]
    """By `model` and `channel`, as asked for; an empty text where a request had none."""
    requests: int
    """Answered and charged."""
    incomplete: int
    """Of these, those that did not come to their end by themselves."""
    voids: int
    """Let in, and ended without an answer."""
    expired: int
    failed_attempts: int
    """Attempts at a vendor after which another was made; told by channel only, not by model."""
    error_permille: int | None
    """Voids and expired, in thousandths of all that were let in; null without any."""
    latency_p50: int | None
    latency_p95: int | None
    latency_p99: int | None
    first_byte_p50: int | None
    first_byte_p95: int | None
    tokens_per_second: int | None
    """Output tokens for each second between the first byte and the last."""


class LatencyView(msgspec.Struct, frozen=True, kw_only=True):
    """How fast and how well requests went over time. A bucket with nothing in it has no row."""

    zone: str
    buckets: tuple[BucketView, ...]
    rows: tuple[LatencyRow, ...]


@get(
    "/reports/latency",
    **route(
        Permission.REPORT_READ, "getLatency", "Latency, first byte, speed and errors over time, by model or channel",
        404, 422, within="entity",
    ),
)  # fmt: skip
async def latency(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    bucket: FromQuery[Size] = "hour",
    by: _By = "",
    model: _Name = None,
    channel_id: _Name = None,
    starts_at: From = None,
    ends_at: To = None,
    zone: Zone = None,
) -> LatencyView:
    scope = _scope(call, tenant_id)
    groups: tuple[By, ...] = tuple(part for part in by.split(",") if part)  # type: ignore[misc]  # the pattern says which
    if scope.tenant_id is not None and ("channel" in groups or channel_id is not None):
        raise ApiError("invalid_request", "Of one tenant latencies are kept by model only: leave the channel out.")
    name = await zone_of(call, scope, zone)
    span = span_of(call, starts_at, ends_at)
    tiles = _five_minutes(span) if bucket == "five_minutes" else buckets(bucket, *span, name)
    query = PulseQuery(tiles=tiles, tenant_id=scope.tenant_id, by=groups, model=model, channel_id=channel_id)
    rows = await read_pulse(call.api.pool, query)
    return LatencyView(
        zone=name,
        buckets=tuple(BucketView(starts_at=tile.starts_at, ends_at=tile.ends_at) for tile in tiles),
        rows=tuple(_latency(row, groups) for row in rows),
    )


def _scope(call: Call, tenant_id: int | None) -> Scope:
    scope = scope_of(call, tenant_id)
    if scope.user_id is not None:
        raise ApiError("forbidden", "Latencies are kept for the whole tenant, not for each member.")
    return scope


def _five_minutes(span: Bucket) -> tuple[Bucket, ...]:
    step = dt.timedelta(minutes=CELL_MINUTES)
    first = span.starts_at.replace(
        minute=span.starts_at.minute - span.starts_at.minute % CELL_MINUTES, second=0, microsecond=0
    )
    count = -(-(span.ends_at - first) // step)
    if count > 48 * 60 // CELL_MINUTES + 1:
        raise ApiError("report_range", "Cells of 5 minutes are given for at most 48 hours at once.")
    return tuple(Bucket(first + n * step, first + (n + 1) * step) for n in range(count))


def _latency(row: PulseRow, groups: Sequence[str]) -> LatencyRow:
    failed = row.counts["voids"] + row.counts["expired"]
    latencies = percentiles(row.latency, 50, 95, 99)
    first_bytes = percentiles(row.first_byte, 50, 95)
    return LatencyRow(
        bucket=row.bucket,
        keys=dict(zip(groups, row.keys, strict=True)),
        requests=row.counts["requests"],
        incomplete=row.counts["incomplete"],
        voids=row.counts["voids"],
        expired=row.counts["expired"],
        failed_attempts=row.counts["failed_attempts"],
        error_permille=failed * 1000 // row.asked if row.asked else None,
        latency_p50=latencies[0],
        latency_p95=latencies[1],
        latency_p99=latencies[2],
        first_byte_p50=first_bytes[0],
        first_byte_p95=first_bytes[1],
        tokens_per_second=row.tokens_per_second,
    )


# ---- Refusals


class RefusalCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many requests were refused for a reason in a bucket."""

    bucket: int
    """The index in `buckets`."""
    reason: str
    model: str | None
    """As it was asked for; null where models are not told apart."""
    refusals: int


class RefusalCounts(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals over time, the most frequent reason of a bucket first."""

    zone: str
    buckets: tuple[BucketView, ...]
    rows: tuple[RefusalCount, ...]


@get(
    "/reports/refusals",
    **route(
        Permission.REPORT_READ, "countRefusals", "Refused requests over time, by reason", 404, 422, within="entity"
    ),
)
async def refusals(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    bucket: FromQuery[Literal["hour", "day", "week", "month"]] = "day",
    by_model: FromQuery[bool] = False,
    starts_at: From = None,
    ends_at: To = None,
    zone: Zone = None,
) -> RefusalCounts:
    scope = _scope(call, tenant_id)
    name = await zone_of(call, scope, zone)
    size: BucketSize = bucket
    tiles = buckets(size, *span_of(call, starts_at, ends_at), name)
    rows = await read_refusals(call.api.pool, tiles, tenant_id=scope.tenant_id, by_model=by_model, limit=_REFUSALS_MAX)
    return RefusalCounts(
        zone=name,
        buckets=tuple(BucketView(starts_at=tile.starts_at, ends_at=tile.ends_at) for tile in tiles),
        rows=tuple(_refusal(row) for row in rows),
    )


def _refusal(row: RefusalRow) -> RefusalCount:
    return RefusalCount(bucket=row.bucket, reason=row.reason, model=row.model, refusals=row.refusals)


# ---- Channels


class ChannelStrip(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel has been, cell by cell."""

    channel_id: EntityId
    name: str
    type: str
    enabled: bool
    in_flight: int
    """Requests under way with it now, at the node that answers."""
    answered: tuple[int, ...]
    """Requests that the channel answered, for each cell."""
    failed: tuple[int, ...]
    """Requests that ended with it without an answer, and attempts after which another was made."""
    first_byte_p50: tuple[int | None, ...]
    latency_p95: tuple[int | None, ...]


class BreakerEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The machine, or a person, took a channel or one of its keys out of the choice, or back in."""

    channel_id: EntityId
    at: dt.datetime
    key: int
    """The number of the key that it is about; 0 is the channel as a whole."""
    actor: str
    outcome: str
    reason: str
    before: HealthView
    after: HealthView


class ChannelAvailability(msgspec.Struct, frozen=True, kw_only=True):
    """All channels side by side."""

    starts_at: dt.datetime
    """Of the first cell."""
    cell_minutes: int
    cells: int
    channels: tuple[ChannelStrip, ...]
    """By name."""
    breakers: tuple[BreakerEvent, ...]
    """The latest first."""


Hours = Annotated[int, QueryParameter(name="hours", ge=1, le=48)]


@get(
    "/channel-availability",
    **route(Permission.ROUTING_READ, "getChannelAvailability", "How all channels were in the last hours, in 5 minutes"),
)
async def channel_availability(call: ThisCall, hours: Hours = 24) -> ChannelAvailability:
    now = call.api.clock()
    tiles = _five_minutes(Bucket(now - dt.timedelta(hours=hours), now))
    rows = await read_pulse(call.api.pool, PulseQuery(tiles=tiles, by=("channel",)))
    found: dict[str, dict[int, PulseRow]] = {}
    for row in rows:
        found.setdefault(row.keys[0], {})[row.bucket] = row
    channels = [each.entity for each in await call.api.administration.store.all("channel", PLATFORM)]
    breakers = await read_breakers(owner_of(call.api.pool), tiles[0].starts_at)
    # Where nothing is relayed nothing is under way.
    busy = call.api.routing.board.busy if call.api.routing is not None else {}
    return ChannelAvailability(
        starts_at=tiles[0].starts_at,
        cell_minutes=CELL_MINUTES,
        cells=len(tiles),
        channels=tuple(
            _strip(
                channel,
                found.get(channel.channel_id, {}),
                len(tiles),
                in_flight=busy.get(channel.channel_id, 0),
            )
            for channel in sorted(channels, key=lambda each: (each.name, each.channel_id))
        ),
        breakers=tuple(
            BreakerEvent(
                channel_id=each.event.channel_id,
                at=each.at,
                key=each.event.key,
                actor=each.actor,
                outcome=each.event.outcome,
                reason=each.event.reason,
                before=health_view(each.event.before, round(each.at.timestamp() * 1000)),
                after=health_view(each.event.after, round(each.at.timestamp() * 1000)),
            )
            for each in breakers
        ),
    )


def _strip(channel: Any, cells: Mapping[int, PulseRow], count: int, *, in_flight: int) -> ChannelStrip:
    nothing = joined(())
    rows = [cells.get(n, nothing) for n in range(count)]
    return ChannelStrip(
        channel_id=channel.channel_id,
        name=channel.name,
        type=channel.type,
        enabled=channel.enabled,
        in_flight=in_flight,
        answered=tuple(row.counts["requests"] for row in rows),
        failed=tuple(row.counts["voids"] + row.counts["failed_attempts"] for row in rows),
        first_byte_p50=tuple(percentile(row.first_byte, 50) for row in rows),
        latency_p95=tuple(percentile(row.latency, 95) for row in rows),
    )


# ---- Overview


class MoneyNow(msgspec.Struct, frozen=True, kw_only=True):
    """Money as the ledger has it now, and what moved in the range."""

    currency: str
    unspent: Amount
    """Balances above zero together: what the operator owes in use."""
    owed: Amount
    """What tenants owe the operator."""
    held: Amount
    """Set aside for requests under way."""
    settled: Amount
    """Charged in the range."""
    settled_before: Amount
    """Charged in the range of the same length before it."""
    cost: Amount | None
    margin: Amount | None


class RequestsNow(msgspec.Struct, frozen=True, kw_only=True):
    """Requests of the range."""

    requests: int
    requests_before: int
    voids: int
    expired: int
    refusals: int
    unpriced: int
    """Of the refusals, those for want of a price."""
    error_permille: int | None
    """Voids and expired, in thousandths of all that were let in."""
    latency_p50: int | None
    latency_p95: int | None
    first_byte_p50: int | None
    first_byte_p95: int | None
    tokens_per_second: int | None


class FailingChannel(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that the machine keeps out of the choice, or gives less than its weight."""

    channel_id: EntityId
    name: str
    health: HealthView


class Overview(msgspec.Struct, frozen=True, kw_only=True):
    """The whole at a glance."""

    at: dt.datetime
    starts_at: dt.datetime
    ends_at: dt.datetime
    money: MoneyNow
    requests: RequestsNow
    refusals: tuple[RefusalCount, ...]
    """By reason, all in one bucket."""
    unpriced_models: tuple[str, ...]
    """Models that are served, and have no price now; at most fifty."""
    failing_channels: tuple[FailingChannel, ...]
    """As this node sees them."""
    open_alerts: int


@get(
    "/reports/overview",
    **route(Permission.COST_READ, "getOverview", "Money, requests, refusals and what fails, at a glance", 422),
)
async def overview(call: ThisCall, *, starts_at: From = None, ends_at: To = None) -> Overview:
    now = call.api.clock()
    if starts_at is None:
        starts_at = (ends_at or now) - dt.timedelta(days=1)
    span = span_of(call, starts_at, ends_at)
    # By whole hours: an hour that is cut would be added up from single requests.
    whole = Bucket(_floor(span.starts_at), _floor(span.ends_at + _HOUR - dt.timedelta(microseconds=1)))
    length = whole.ends_at - whole.starts_at
    before = Bucket(whole.starts_at - length, whole.starts_at)
    pool = call.api.pool
    sums = {row.bucket: row.sums for row in await read_usage(pool, UsageQuery(tiles=(before, whole)), {})}
    then, today = sums.get(0, {}), sums.get(1, {})
    pulse = joined(await read_pulse(pool, PulseQuery(tiles=(whole,))))
    reasons = await read_refusals(pool, (whole,), tenant_id=None, by_model=False, limit=_REFUSALS_MAX)
    wallets = await read_balances(pool, at=None, tenant_id=None, now=now, limit=1_000_000)
    charged, cost = today.get("captured_nanos", 0), today.get("cost_nanos", 0)
    voids, expired, requests = (today.get(name, 0) for name in ("voids", "expired", "requests"))
    let_in = voids + expired + requests
    desk = call.api.routing
    return Overview(
        at=now,
        starts_at=whole.starts_at,
        ends_at=whole.ends_at,
        money=MoneyNow(
            currency=CURRENCY,
            unspent=format_amount(wallets.unspent_nanos),
            owed=format_amount(wallets.owed_nanos),
            held=format_amount(sum(each.held_nanos or 0 for each in wallets.wallets)),
            settled=format_amount(charged),
            settled_before=format_amount(then.get("captured_nanos", 0)),
            cost=format_amount(cost),
            margin=format_amount(charged - cost),
        ),
        requests=RequestsNow(
            requests=requests,
            requests_before=then.get("requests", 0),
            voids=voids,
            expired=expired,
            refusals=sum(row.refusals for row in reasons),
            unpriced=sum(row.refusals for row in reasons if row.reason == UNPRICED),
            error_permille=(voids + expired) * 1000 // let_in if let_in else None,
            latency_p50=percentile(pulse.latency, 50),
            latency_p95=percentile(pulse.latency, 95),
            first_byte_p50=percentile(pulse.first_byte, 50),
            first_byte_p95=percentile(pulse.first_byte, 95),
            tokens_per_second=pulse.tokens_per_second,
        ),
        refusals=tuple(_refusal(row) for row in reasons),
        unpriced_models=await unpriced_models(owner_of(pool), now),
        failing_channels=await _failing(call),
        open_alerts=sum(alert.resolved_at is None for alert in await desk.alerts(limit=500)) if desk else 0,
    )


def _floor(moment: dt.datetime) -> dt.datetime:
    return moment.replace(minute=0, second=0, microsecond=0)


async def _failing(call: Call) -> tuple[FailingChannel, ...]:
    desk = call.api.routing
    if desk is None:
        return ()
    milliseconds = round(call.api.clock().timestamp() * 1000)
    found = []
    for stored in await call.api.administration.store.all("channel", PLATFORM):
        channel = stored.entity
        view = health_view(desk.board.view.get(channel.channel_id, Health()), milliseconds)
        if channel.enabled and view.state != "sound":
            found.append(FailingChannel(channel_id=channel.channel_id, name=channel.name, health=view))
    return tuple(found)


ROUTES: Sequence[BaseRouteHandler] = (latency, refusals, channel_availability, overview)
