"""/api/reports/.../export: the same figures as files, CSV or Parquet, in the words of FOCUS where it has any."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final

from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, PathParameter, QueryParameter
from litestar.response import Stream

from app.api.call import Call, TenantNumber, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_money import CURRENCY, moment_of, statement_of, what_if_of
from app.api.report_scope import (
    FormatName,
    From,
    Names,
    Scope,
    To,
    Zone,
    channels_of,
    scope_of,
    span_of,
    vendors_of,
    zone_of,
)
from app.api.reports import (
    LOG,
    ORDER,
    USAGE_FILTERS,
    Order,
    UsageFilters,
    WithLogFilters,
    WithUsageFilters,
    groups_of,
    log_query,
)
from app.reports.balances import read_balances
from app.reports.export import MEDIA_TYPES, Format, stream
from app.reports.log import walk
from app.reports.usage import UsageQuery, read_usage
from domain.ids import TenantId
from domain.money import parse_amount
from domain.reports.focus import COST_COLUMNS, REQUEST_COLUMNS, USAGE_COLUMNS, Kind, request_row, usage_row
from domain.reports.periods import Bucket, BucketSize, ReportRangeError, buckets

_GROUPS_MAX: Final = 50_000
_WALLETS_MAX: Final = 1_000_000
_PIECE: Final = 2000
_TenantPath = Annotated[int, PathParameter(ge=1, le=2**53 - 1)]
_Resume = Annotated[
    str | None,
    QueryParameter(
        name="after",
        max_length=60,
        description="Where an export was cut: SubAccountId-x_Lane-x_Position of its last row. The rest follows.",
    ),
]

BALANCE_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "x_At": "time",
    "x_Balance": "amount",
    "x_Held": "amount",
    "BillingCurrency": "text",
}
WHAT_IF_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "SkuId": "text",
    "ChargePeriodStart": "time",
    "ChargePeriodEnd": "time",
    "x_Requests": "number",
    "BilledCost": "amount",
    "x_RateCardId": "text",
    "x_CostUnderCard": "amount",
    "x_Difference": "amount",
    "BillingCurrency": "text",
}
STATEMENT_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "BillingPeriodStart": "time",
    "BillingPeriodEnd": "time",
    "ChargePeriodStart": "text",
    "ChargeCategory": "text",
    "ChargeDescription": "text",
    "BilledCost": "amount",
    "BillingCurrency": "text",
    "x_Balance": "amount",
}


Pieces = AsyncIterator[Sequence[Mapping[str, Any]]]


async def file_of(format_: Format, name: str, chunks: Pieces, columns: Mapping[str, Kind]) -> Stream:
    """Give an answer that is a file, written as its rows are read.

    The first piece is read before the answer begins: what cannot be read at all is a problem, and no file cut short.
    """
    try:
        first = await anext(chunks)
    except StopAsyncIteration:
        first = ()

    async def all_pieces() -> Pieces:
        yield first
        async for piece in chunks:
            yield piece

    return Stream(
        stream(format_, all_pieces(), columns),
        media_type=MEDIA_TYPES[format_],
        headers={"cache-control": "no-store", "content-disposition": f'attachment; filename="{name}.{format_}"'},
    )


async def _pieces(rows: Sequence[Mapping[str, Any]]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    for start in range(0, len(rows), _PIECE):
        yield rows[start : start + _PIECE]


@get(
    "/reports/requests/export",
    media_type="text/csv",
    dependencies=LOG,
    **route(
        Permission.OWN_REPORT_READ, "exportRequests", "The request log as a file, by lane and position", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def export_requests(
    call: ThisCall,
    filters: WithLogFilters,
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    starts_at: From = None,
    ends_at: To = None,
    after: _Resume = None,
) -> Stream:
    scope = scope_of(call, tenant_id)
    vendors = await vendors_of(call)
    query = log_query(scope, filters, span_of(call, starts_at, ends_at), vendors)
    place = _place(after)

    async def chunks() -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        async for rows in walk(call.api.pool, query, after=place):
            yield [request_row(row, vendors, CURRENCY) for row in rows]

    columns = {**REQUEST_COLUMNS, **(COST_COLUMNS if scope.with_cost else {})}
    return await file_of(format_, "requests", chunks(), columns)


def _place(text: str | None) -> tuple[int, int, int] | None:
    if text is None:
        return None
    parts = text.split("-")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 18 for part in parts):  # noqa: PLR2004
        raise ReportRangeError("`after` is SubAccountId-x_Lane-x_Position of the last row, such as 17-17-90210.")
    return int(parts[0]), int(parts[1]), int(parts[2])


@get(
    "/reports/usage/export",
    media_type="text/csv",
    dependencies=USAGE_FILTERS,
    **route(Permission.OWN_REPORT_READ, "exportUsage", "Usage over time as a file", 404, 422, within="entity"),
)
async def export_usage(
    call: ThisCall,
    filters: WithUsageFilters,
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    bucket: FromQuery[BucketSize] = "day",
    by: Names = "",
    starts_at: From = None,
    ends_at: To = None,
    zone: Zone = None,
) -> Stream:
    scope = scope_of(call, tenant_id)
    tiles = buckets(bucket, *span_of(call, starts_at, ends_at), await zone_of(call, scope, zone))
    return await _usage_file(call, scope, filters, tiles, by=by, format_=format_, name="usage")


async def _usage_file(
    call: Call,
    scope: Scope,
    filters: UsageFilters,
    tiles: Sequence[Bucket],
    *,
    by: str,
    format_: Format,
    name: str,
    order: str = "charged",
) -> Stream:
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
        top=_GROUPS_MAX,
    )
    found = await read_usage(call.api.pool, query, vendors)
    named = {group: _GROUP_COLUMNS[group] for group in groups}

    def rows() -> Iterator[dict[str, Any]]:
        for row in found:
            made = usage_row(tiles[row.bucket], row.sums, scope.tenant_id, CURRENCY)
            yield made | {named[group]: key for group, key in zip(groups, row.keys, strict=True)}

    columns: dict[str, Kind] = {**USAGE_COLUMNS, **dict.fromkeys(named.values(), "text")}
    return await file_of(format_, name, _pieces(list(rows())), {**columns, **(COST_COLUMNS if scope.with_cost else {})})


@get(
    "/reports/top/export",
    media_type="text/csv",
    dependencies=USAGE_FILTERS,
    **route(Permission.OWN_REPORT_READ, "exportTopList", "A top list as a file", 404, 422, within="entity"),
)
async def export_top(
    call: ThisCall,
    filters: WithUsageFilters,
    *,
    by: Names,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    order: FromQuery[Order] = "charged",
    starts_at: From = None,
    ends_at: To = None,
) -> Stream:
    scope = scope_of(call, tenant_id)
    tiles = (span_of(call, starts_at, ends_at),)
    return await _usage_file(call, scope, filters, tiles, by=by, format_=format_, name="top", order=order)


@get(
    "/rate-cards/{card_id:str}/what-if/export",
    media_type="text/csv",
    **route(Permission.COST_READ, "exportWhatIf", "A past range of usage under a card as a file", 404, 422),
)
async def export_what_if(
    call: ThisCall,
    card_id: FromPath[str],
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    starts_at: From = None,
    ends_at: To = None,
) -> Stream:
    span, found = await what_if_of(call, card_id, tenant_id, starts_at, ends_at)
    rows = [
        {
            "BillingAccountId": "tallygate",
            "SubAccountId": str(row.tenant_id),
            "SkuId": row.model,
            "ChargePeriodStart": span.starts_at,
            "ChargePeriodEnd": span.ends_at,
            "x_Requests": row.requests,
            "BilledCost": row.charged_nanos,
            "x_RateCardId": card_id,
            "x_CostUnderCard": row.rerated_nanos,
            "x_Difference": row.difference_nanos,
            "BillingCurrency": CURRENCY,
        }
        for row in found.rows
    ]
    return await file_of(format_, "what-if", _pieces(rows), WHAT_IF_COLUMNS)


_GROUP_COLUMNS: Final = {
    "tenant": "SubAccountId",
    "user": "x_UserId",
    "token": "ResourceId",
    "model_asked": "x_ModelAsked",
    "model_routed": "x_ModelRouted",
    "model_billed": "SkuId",
    "channel": "x_ChannelId",
    "vendor": "PublisherName",
    "tag": "x_Tag",
    "multiplier": "x_Multiplier",
}


@get(
    "/reports/balances/export",
    media_type="text/csv",
    **route(Permission.REPORT_READ, "exportBalances", "Balances as a file", 404, 422, within="entity"),
)
async def export_balances(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    at: Annotated[dt.datetime | None, QueryParameter(name="at")] = None,
) -> Stream:
    scope = scope_of(call, tenant_id)
    if scope.user_id is not None:
        raise ApiError("forbidden")
    found = await read_balances(
        call.api.pool,
        at=moment_of(call, at) if at is not None else None,
        tenant_id=scope.tenant_id,
        now=call.api.clock(),
        limit=_WALLETS_MAX,
    )
    rows = [
        {
            "BillingAccountId": "tallygate",
            "SubAccountId": str(each.tenant_id),
            "x_At": found.at,
            "x_Balance": each.balance_nanos,
            "x_Held": each.held_nanos,
            "BillingCurrency": CURRENCY,
        }
        for each in found.wallets
    ]
    return await file_of(format_, "balances", _pieces(rows), BALANCE_COLUMNS)


@get(
    "/tenants/{tenant_id:int}/statements/{period:str}/export",
    media_type="text/csv",
    **route(Permission.REPORT_READ, "exportStatement", "A statement as a file", 404, 500, within="tenant"),
)
async def export_statement(
    call: ThisCall,
    tenant_id: _TenantPath,
    period: Annotated[str, PathParameter(max_length=20)],
    *,
    format_: FormatName = "csv",
) -> Stream:
    return await file_of(
        format_,
        f"statement-{tenant_id}-{period if period.replace('-', '').isalnum() else 'period'}",
        _pieces(await _statement_rows(call, TenantId(tenant_id), period)),
        STATEMENT_COLUMNS,
    )


async def _statement_rows(call: Call, tenant_id: TenantId, period: str) -> list[dict[str, Any]]:
    view = await statement_of(call, tenant_id, period)

    def row(at: str, category: str, text: str, amount: int, balance: int | None) -> dict[str, Any]:
        return {
            "BillingAccountId": "tallygate",
            "SubAccountId": str(tenant_id),
            "BillingPeriodStart": view.starts_at,
            "BillingPeriodEnd": view.ends_at,
            "ChargePeriodStart": at,
            "ChargeCategory": category,
            "ChargeDescription": text,
            "BilledCost": amount,
            "BillingCurrency": view.currency,
            "x_Balance": balance,
        }

    opening = parse_amount(view.opening)
    rows = [row(view.starts_at.isoformat(), "Opening balance", "", 0, opening)]
    rows += [
        row(each.at.isoformat(), "Credit", f"{each.kind} {each.reference}".strip(), -parse_amount(each.amount), None)
        for each in view.credits
    ]
    rows += [
        row(each.day, "Usage", "Charges of the day", parse_amount(each.charged), parse_amount(each.balance))
        for each in view.days
    ]
    return [*rows, row(view.ends_at.isoformat(), "Closing balance", "", 0, parse_amount(view.closing))]


ROUTES: Sequence[BaseRouteHandler] = (
    export_requests,
    export_usage,
    export_top,
    export_balances,
    export_statement,
    export_what_if,
)
