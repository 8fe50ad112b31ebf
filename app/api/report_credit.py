"""/api/reports/credit and /api/reports/statements: how credit flows, and the statements of all tenants."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, QueryParameter

from app.api.call import Limit, TenantNumber, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_money import CURRENCY
from app.api.report_scope import From, To, Zone, scope_of, span_of, zone_of
from app.api.report_views import BucketView
from app.api.schemas.common import Amount, Listing
from app.reports.credit import read_ending
from app.reports.flows import read_flows
from app.reports.statements import Statements
from domain.ids import EntityId, TenantId
from domain.money import format_amount
from domain.reports.periods import BucketSize, buckets

_PLACE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,15}Z~[0-9]{1,16}$"
_AfterStatement = Annotated[
    str | None, QueryParameter(name="after", pattern=_PLACE, description="`next` of the part before.")
]
_Days = Annotated[int, QueryParameter(name="days", ge=1, le=366, description="How far ahead to look.")]
_Period = Annotated[str | None, QueryParameter(name="period", pattern=r"^[0-9]{4}-[0-9]{2}$")]


class CreditWay(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that came, lapsed or was taken back in one way."""

    kind: str
    """`granted`, `redeemed`, `lapsed` or `adjusted`."""
    source: str
    """Of granted credit: `top_up`, `redemption`, `allowance`, `adjustment` or `refund`; else empty."""
    amount: Amount
    """Below zero for what went."""


class CreditFlow(msgspec.Struct, frozen=True, kw_only=True):
    """What moved in one bucket."""

    bucket: int
    """The index in `buckets`."""
    inflow: Amount
    """All that came: credit given and redeemed."""
    outflow: Amount
    """All that went: charges, and credit that lapsed or was taken back."""
    charged: Amount
    ways: tuple[CreditWay, ...]
    unspent: Amount
    """At the end of the bucket: balances above zero together. Of one tenant: its balance, unless it owes."""
    owed: Amount
    """At the end of the bucket: what was owed to the operator."""


class CreditFlows(msgspec.Struct, frozen=True, kw_only=True):
    """Credit over time; every bucket has a row."""

    zone: str
    currency: str
    buckets: tuple[BucketView, ...]
    rows: tuple[CreditFlow, ...]


@get(
    "/reports/credit",
    **route(
        Permission.REPORT_READ, "getCreditFlows", "Credit in and out over time, and what was left", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def credit_flows(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    bucket: FromQuery[BucketSize] = "day",
    starts_at: From = None,
    ends_at: To = None,
    zone: Zone = None,
) -> CreditFlows:
    scope = scope_of(call, tenant_id)
    if scope.user_id is not None:
        raise ApiError("forbidden")
    name = await zone_of(call, scope, zone)
    tiles = buckets(bucket, *span_of(call, starts_at, ends_at), name)
    rows = []
    for n, flow in enumerate(await read_flows(call.api.pool, tiles, scope.tenant_id)):
        came = sum(nanos for nanos in flow.credits.values() if nanos > 0)
        went = -sum(nanos for nanos in flow.credits.values() if nanos < 0)
        rows.append(
            CreditFlow(
                bucket=n,
                inflow=format_amount(came),
                outflow=format_amount(went + flow.charged_nanos),
                charged=format_amount(flow.charged_nanos),
                ways=tuple(
                    CreditWay(kind=kind, source=source, amount=format_amount(nanos))
                    for (kind, source), nanos in sorted(flow.credits.items())
                ),
                unspent=format_amount(flow.unspent_nanos),
                owed=format_amount(flow.owed_nanos),
            )
        )
    return CreditFlows(
        zone=name,
        currency=CURRENCY,
        buckets=tuple(BucketView(starts_at=tile.starts_at, ends_at=tile.ends_at) for tile in tiles),
        rows=tuple(rows),
    )


class EndingGrantView(msgspec.Struct, frozen=True, kw_only=True):
    """A grant that ends soon: what is left of it by then lapses."""

    tenant_id: TenantId
    grant_id: EntityId
    kind: str
    remaining: Amount
    expires_at: dt.datetime


class EndingGrantsView(msgspec.Struct, frozen=True, kw_only=True):
    """Credit of all tenants that ends soon."""

    currency: str
    until: dt.datetime
    grants: int
    """How many there are in all."""
    remaining: Amount
    """What all of them still hold."""
    items: tuple[EndingGrantView, ...]
    """Those that end first."""


@get(
    "/reports/ending-grants",
    **route(Permission.BALANCE_READ, "getEndingGrants", "Credit of all tenants that ends soon, the first first", 422),
)
async def ending_grants(call: ThisCall, *, days: _Days = 30, limit: Limit = 50) -> EndingGrantsView:
    now = call.api.clock()
    until = now + dt.timedelta(days=days)
    found = await read_ending(call.api.pool, now, until, limit)
    return EndingGrantsView(
        currency=CURRENCY,
        until=until,
        grants=found.grants,
        remaining=format_amount(found.remaining_nanos),
        items=tuple(
            EndingGrantView(
                tenant_id=each.tenant_id,
                grant_id=each.grant_id,
                kind=each.kind,
                remaining=format_amount(each.remaining_nanos),
                expires_at=each.expires_at,
            )
            for each in found.first
        ),
    )


class StatementSummary(msgspec.Struct, frozen=True, kw_only=True):
    """A closed statement in the list over all tenants."""

    tenant_id: TenantId
    period: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    currency: str
    opening: Amount
    credited: Amount
    charged: Amount
    closing: Amount
    sha256: str
    closed_at: dt.datetime


@get(
    "/reports/statements",
    **route(
        Permission.REPORT_READ, "searchStatements", "Closed statements, of all tenants or one, the latest first",
        404, 422, within="entity",
    ),
)  # fmt: skip
async def search_statements(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    period: _Period = None,
    after: _AfterStatement = None,
    limit: Limit = 50,
) -> Listing[StatementSummary]:
    scope = scope_of(call, tenant_id)
    if scope.user_id is not None:
        raise ApiError("forbidden")
    found = await Statements(call.api.pool).search(
        tenant_id=scope.tenant_id, period=period, before=_place(after), limit=limit + 1
    )
    items = tuple(
        StatementSummary(
            tenant_id=each.tenant_id,
            period=each.period,
            starts_at=each.starts_at,
            ends_at=each.ends_at,
            currency=each.currency,
            opening=format_amount(each.opening_nanos),
            credited=format_amount(each.credited_nanos),
            charged=format_amount(each.charged_nanos),
            closing=format_amount(each.closing_nanos),
            sha256=each.sha256,
            closed_at=each.closed_at,
        )
        for each in found[:limit]
    )
    last = found[limit - 1] if len(found) > limit else None
    following = f"{last.starts_at.astimezone(dt.UTC):%Y-%m-%dT%H:%M:%S.%fZ}~{last.tenant_id}" if last else None
    return Listing(items=items, next=following)


def _place(after: str | None) -> tuple[dt.datetime, int] | None:
    if after is None:
        return None
    moment, _, tenant = after.partition("~")
    try:
        return dt.datetime.fromisoformat(moment), int(tenant)
    except ValueError:
        raise ApiError("invalid_request", "`after` is `next` of the part before.") from None


ROUTES: Sequence[BaseRouteHandler] = (credit_flows, ending_grants, search_statements)
