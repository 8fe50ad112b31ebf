"""/api/reports: usage over time, top lists, the request log as pages and live, balances, prices as of, and why."""

import asyncio
import datetime as dt
import weakref
from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import get
from litestar.di import NamedDependency, Provide
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, HeaderParameter, QueryParameter, SkipValidation
from litestar.response import Stream

from app.api.call import After, Call, Limit, TenantNumber, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_scope import (
    AmountText,
    From,
    Names,
    Scope,
    Text,
    To,
    Zone,
    channels_of,
    nanos_of,
    only_given,
    scope_of,
    span_of,
    vendors_of,
    zone_of,
)
from app.api.report_views import BucketView, LogView, UsageGroupView, UsageView, log_row, sums_view
from app.reports.log import EQUAL, Cursor, LogQuery, cursor_of, id_of, place_of, read_page, read_since
from app.reports.usage import COLUMN, GROUPS_MAX, UsageQuery, read_usage
from domain.reports.periods import Bucket, BucketSize, buckets

CURRENCY: Final = "USD"
STREAMS_MAX: Final = 32
"""Live logs that one process serves at once."""
STREAM_SECONDS: Final = 300.0
"""How long one lasts; a client goes on where it was, as it does after any cut."""
POLL_SECONDS: Final = 1.0
OVERLAP: Final = dt.timedelta(seconds=20)
"""How far back a live log over several lanes looks again, for lanes that are folded later than others."""
_LIVE_ROWS: Final = 500
_LIVE_PIECE: Final = 50
_HEARTBEAT: Final = b": still here\n\n"

_streams: "weakref.WeakSet[_Turn]" = weakref.WeakSet()

Order = Literal["charged", "cost", "requests", "refusals", "voids", "failed_attempts", "input_tokens", "output_tokens"]
ORDER: Final = {"charged": "captured_nanos", "cost": "cost_nanos"}
States = Annotated[str, QueryParameter(max_length=200, description="States, between commas; all if left out.")]


TokenIds = Annotated[
    str,
    QueryParameter(
        max_length=4000,
        description="API keys, between commas: with `by=token` a line for each row of a list of them, in one call.",
    ),
]


class _Turn:
    """One live log that is being served."""


class UsageFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which usage counts."""

    equal: dict[str, str]
    vendor: str | None
    tokens: tuple[str, ...] | None = None


def usage_filters(  # noqa: PLR0917 -- litestar calls it by name: one parameter for each dimension
    user_id: Text = None,
    token_id: Text = None,
    model_asked: Text = None,
    model_routed: Text = None,
    model_billed: Text = None,
    channel_id: Text = None,
    vendor: Text = None,
    tag: Text = None,
    token_ids: TokenIds = "",
) -> UsageFilters:
    """Read the filters of usage; litestar calls this for each request."""
    named = {
        "user": user_id,
        "token": token_id,
        "model_asked": model_asked,
        "model_routed": model_routed,
        "model_billed": model_billed,
        "channel": channel_id,
        "tag": tag,
    }
    tokens = tuple(dict.fromkeys(part.strip() for part in token_ids.split(",") if part.strip()))
    return UsageFilters(equal=only_given(**named), vendor=vendor, tokens=tokens or None)


WithUsageFilters = NamedDependency[SkipValidation[UsageFilters]]
USAGE_FILTERS: Final = {"filters": Provide(usage_filters, sync_to_thread=False)}


@get(
    "/reports/usage",
    dependencies=USAGE_FILTERS,
    **route(Permission.OWN_REPORT_READ, "getUsage", "Usage over time", 404, 422, within="entity"),
)
async def usage(
    call: ThisCall,
    filters: WithUsageFilters,
    *,
    tenant_id: TenantNumber = None,
    bucket: FromQuery[BucketSize] = "day",
    by: Names = "",
    order: FromQuery[Order] = "charged",
    top: Annotated[int, QueryParameter(ge=1, le=100)] = 10,
    starts_at: From = None,
    ends_at: To = None,
    zone: Zone = None,
) -> UsageView:
    scope = scope_of(call, tenant_id)
    name = await zone_of(call, scope, zone)
    tiles = buckets(bucket, *span_of(call, starts_at, ends_at), name)
    return await usage_view(call, scope, filters, tiles, by=by, zone=name, order=order, top=top)


@get(
    "/reports/top",
    dependencies=USAGE_FILTERS,
    **route(Permission.OWN_REPORT_READ, "getTopList", "Who or what comes first", 404, 422, within="entity"),
)
async def top_list(
    call: ThisCall,
    filters: WithUsageFilters,
    *,
    by: Names,
    tenant_id: TenantNumber = None,
    order: FromQuery[Order] = "charged",
    limit: Annotated[int, QueryParameter(ge=1, le=500)] = 10,
    starts_at: From = None,
    ends_at: To = None,
) -> UsageView:
    scope = scope_of(call, tenant_id)
    tiles = (span_of(call, starts_at, ends_at),)
    return await usage_view(call, scope, filters, tiles, by=by, zone="UTC", order=order, top=limit)


async def usage_view(
    call: Call,
    scope: Scope,
    filters: UsageFilters,
    tiles: Sequence[Bucket],
    *,
    by: str,
    zone: str,
    order: str,
    top: int,
) -> UsageView:
    """Read usage and give it as the API shows it; raises ApiError for groups that there are not."""
    groups = groups_of(by)
    if order == "cost" and not scope.with_cost:
        raise ApiError("forbidden", "Cost is for the operator: order by something else.")
    vendors = await vendors_of(call) if "vendor" in groups or filters.vendor is not None else {}
    query = UsageQuery(
        tiles=tuple(tiles),
        tenant_id=scope.tenant_id,
        by_bucket=len(tiles) > 1,
        groups=groups,  # type: ignore[arg-type]  # groups_of has checked each
        filters=filters.equal | ({"user": scope.user_id} if scope.user_id is not None else {}),
        tokens=filters.tokens,
        channels=channels_of(vendors, filters.vendor),
        order=ORDER.get(order, order),
        top=top,
    )
    rows = await read_usage(call.api.pool, query, vendors)
    return UsageView(
        zone=zone,
        currency=CURRENCY,
        buckets=tuple(BucketView(starts_at=tile.starts_at, ends_at=tile.ends_at) for tile in tiles),
        rows=tuple(
            UsageGroupView(
                bucket=row.bucket,
                keys=dict(zip(groups, row.keys, strict=True)),
                sums=sums_view(row.sums, with_cost=scope.with_cost),
            )
            for row in rows
        ),
    )


def groups_of(by: str) -> tuple[str, ...]:
    """Read `by`: up to three dimensions, between commas."""
    names = tuple(dict.fromkeys(part.strip() for part in by.split(",") if part.strip()))
    unknown = [name for name in names if name not in COLUMN]
    if unknown or len(names) > GROUPS_MAX:
        raise ApiError(
            "invalid_request",
            f"`by` names up to {GROUPS_MAX} of {', '.join(COLUMN)}, between commas.",
            errors=tuple(f"by: {name[:40]!r} is none of them" for name in unknown),
        )
    return names


class LogFilters(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the log count."""

    equal: dict[str, Any]
    least: dict[str, int]
    most: dict[str, int]
    vendor: str | None
    tag: str | None
    states: tuple[str, ...] | None


def log_filters(  # noqa: PLR0917 -- litestar calls it by name: one parameter for each column
    states: States = "",
    request_id: Text = None,
    user_id: Text = None,
    token_id: Text = None,
    surface: Text = None,
    stream: FromQuery[bool | None] = None,
    cached: FromQuery[bool | None] = None,
    model_asked: Text = None,
    model_routed: Text = None,
    model_billed: Text = None,
    channel_id: Text = None,
    vendor: Text = None,
    tag: Text = None,
    outcome: Text = None,
    status: Annotated[int | None, QueryParameter(ge=0, le=999)] = None,
    code: Text = None,
    basis: Text = None,
    multiplier: Annotated[str | None, QueryParameter(pattern=r"^[0-9]{1,9}(\.[0-9]{1,9})?$")] = None,
    card_id: Text = None,
    card_version: Annotated[int | None, QueryParameter(ge=0, le=2**31 - 1)] = None,
    limit_name: Text = None,
    attempts_min: Annotated[int | None, QueryParameter(ge=0, le=1000)] = None,
    latency_min: Annotated[int | None, QueryParameter(ge=0, le=10**9)] = None,
    latency_max: Annotated[int | None, QueryParameter(ge=0, le=10**9)] = None,
    first_byte_min: Annotated[int | None, QueryParameter(ge=0, le=10**9)] = None,
    first_byte_max: Annotated[int | None, QueryParameter(ge=0, le=10**9)] = None,
    tokens_min: Annotated[int | None, QueryParameter(ge=0, le=10**12)] = None,
    tokens_max: Annotated[int | None, QueryParameter(ge=0, le=10**12)] = None,
    input_tokens_min: Annotated[int | None, QueryParameter(ge=0, le=10**12)] = None,
    input_tokens_max: Annotated[int | None, QueryParameter(ge=0, le=10**12)] = None,
    output_tokens_min: Annotated[int | None, QueryParameter(ge=0, le=10**12)] = None,
    output_tokens_max: Annotated[int | None, QueryParameter(ge=0, le=10**12)] = None,
    charged_min: AmountText = None,
    charged_max: AmountText = None,
    cost_min: AmountText = None,
    cost_max: AmountText = None,
    margin_max: AmountText = None,
) -> LogFilters:
    """Read the filters of the log; litestar calls this for each request."""
    values = locals()
    equal = only_given(**{name: values.get(name) for name in EQUAL})
    least = {
        "attempts": attempts_min,
        "latency_milliseconds": latency_min,
        "first_byte_milliseconds": first_byte_min,
        "tokens": tokens_min,
        "input_tokens": input_tokens_min,
        "output_tokens": output_tokens_min,
        "charged_nanos": nanos_of(charged_min),
        "cost_nanos": nanos_of(cost_min),
    }
    most = {
        "latency_milliseconds": latency_max,
        "first_byte_milliseconds": first_byte_max,
        "tokens": tokens_max,
        "input_tokens": input_tokens_max,
        "output_tokens": output_tokens_max,
        "charged_nanos": nanos_of(charged_max),
        "cost_nanos": nanos_of(cost_max),
        "margin_nanos": nanos_of(margin_max),
    }
    named = tuple(part.strip() for part in states.split(",") if part.strip())
    return LogFilters(
        equal=equal,
        least=only_given(**least),
        most=only_given(**most),
        vendor=vendor,
        tag=tag,
        states=named or None,
    )


WithLogFilters = NamedDependency[SkipValidation[LogFilters]]
LOG: Final = {"filters": Provide(log_filters, sync_to_thread=False)}


def log_query(scope: Scope, filters: LogFilters, span: Bucket, vendors: dict[str, str]) -> LogQuery:
    """Put together what to look for; what only the operator knows cannot be searched by others."""
    if not scope.with_cost and {"cost_nanos", "margin_nanos"} & (filters.least.keys() | filters.most.keys()):
        raise ApiError("forbidden", "Cost and margin are for the operator: filter by something else.")
    equal = filters.equal | ({"user_id": scope.user_id} if scope.user_id is not None else {})
    return LogQuery(
        range=span,
        tenant_id=scope.tenant_id,
        equal=equal,
        least=filters.least,
        most=filters.most,
        tag=filters.tag,
        channels=channels_of(vendors, filters.vendor),
        states=filters.states,
    )


@get(
    "/reports/requests",
    dependencies=LOG,
    **route(Permission.OWN_REPORT_READ, "listRequests", "The request log, newest first", 404, 422, within="entity"),
)
async def request_log(
    call: ThisCall,
    filters: WithLogFilters,
    *,
    tenant_id: TenantNumber = None,
    starts_at: From = None,
    ends_at: To = None,
    after: After = None,
    limit: Limit = 50,
) -> LogView:
    scope = scope_of(call, tenant_id)
    vendors = await vendors_of(call)
    query = log_query(scope, filters, span_of(call, starts_at, ends_at), vendors)
    page = await read_page(call.api.pool, query, after=after, limit=limit)
    return LogView(
        items=tuple(log_row(row, vendors, with_cost=scope.with_cost) for row in page.rows),
        next=page.next,
        searched_to=page.searched_to,
    )


LastEventId = Annotated[
    str | None, HeaderParameter(name="Last-Event-ID", max_length=100, description="The id of the last row received.")
]


@get(
    "/reports/requests/live",
    media_type="text/event-stream",
    dependencies=LOG,
    **route(
        Permission.OWN_REPORT_READ, "streamRequests", "The request log as it grows, by server-sent events", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def live_log(
    call: ThisCall, filters: WithLogFilters, *, tenant_id: TenantNumber = None, last_event_id: LastEventId = None
) -> Stream:
    scope = scope_of(call, tenant_id)
    since = cursor_of(last_event_id) if last_event_id else None
    now = call.api.clock()
    vendors = await vendors_of(call)
    query = log_query(scope, filters, Bucket(now, now), vendors)
    if len(_streams) >= STREAMS_MAX:
        raise ApiError("unavailable", "Too many live logs are open: try again later.", headers={"retry-after": "10"})
    rows = follow(call, query, since, vendors, with_cost=scope.with_cost)
    return Stream(
        rows,
        media_type="text/event-stream",
        headers={"cache-control": "no-store", "x-accel-buffering": "no"},
    )


async def follow(
    call: Call, query: LogQuery, since: Cursor | None, vendors: dict[str, str], *, with_cost: bool
) -> AsyncIterator[bytes]:
    """Give the rows as server-sent events: each at least once, in one stream exactly once.

    One without a place to go on from begins with the last seconds: whoever has read the log just before misses nothing.
    """
    turn = _Turn()
    _streams.add(turn)
    clock = asyncio.get_running_loop().time
    until, heard = clock() + STREAM_SECONDS, clock()
    newest = since.recorded_at if since is not None else call.api.clock()
    # The last row given of each lane, in the stretch that is looked at again; a client that comes back has its lane up
    # to its cursor.
    given: dict[tuple[int, int], Cursor] = {}
    if since is not None:
        given[since.tenant_id, since.lane] = since
    yield b"retry: 1000\n\n"
    while clock() < until:
        rows = await read_since(call.api.pool, query, newest - OVERLAP, _LIVE_ROWS, given=given.values())
        for first in range(0, len(rows), _LIVE_PIECE):
            heard = clock()
            piece = rows[first : first + _LIVE_PIECE]
            yield b"".join(_event(row, vendors, with_cost=with_cost) for row in piece)
            # Model requests on the same loop are not to wait until all of it is written.
            await asyncio.sleep(0)
        for row in rows:
            given[row["tenant_id"], row["lane"]] = place_of(row)
            newest = max(newest, row["recorded_at"])
        given = {lane: place for lane, place in given.items() if place.recorded_at >= newest - OVERLAP}
        if clock() - heard > 15:  # noqa: PLR2004 -- proxies close what is silent for 30 s
            heard = clock()
            yield _HEARTBEAT
        if len(rows) < _LIVE_ROWS:
            # All that there was: under steady traffic, too, the log is looked at once in a while, and not all the time.
            await asyncio.sleep(POLL_SECONDS)


def _event(row: Any, vendors: dict[str, str], *, with_cost: bool) -> bytes:
    body = msgspec.json.encode(log_row(row, vendors, with_cost=with_cost))
    return b"id: %b\nevent: request\ndata: %b\n\n" % (id_of(row).encode(), body)


ROUTES: Sequence[BaseRouteHandler] = (usage, top_list, request_log, live_log)
