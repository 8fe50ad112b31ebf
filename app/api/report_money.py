"""/api/reports: balances now and as of, statements, prices as of, explanations, what-if."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, PathParameter, QueryParameter

from app.api.call import Call, Limit, TenantNumber, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_scope import From, Names, Scope, To, scope_of, span_of, tenant_of
from app.api.report_views import (
    ChargeView,
    FactorView,
    LiabilitiesView,
    PriceAtView,
    RefusalView,
    StatementLine,
    StatementList,
    StatementView,
    WalletView,
    WhatIfRow,
    WhatIfView,
    statement_view,
)
from app.api.schemas.rate_cards import PriceBody
from app.reports.balances import read_balances
from app.reports.explain import check_card, price_at, read_refusal
from app.reports.log import cursor_of
from app.reports.statements import Statements
from app.reports.what_if import WhatIf, what_if
from domain.holds.events import HoldCaptured
from domain.ids import TenantId
from domain.money import format_amount
from domain.pricing.multipliers import ALL
from domain.reports.periods import Bucket, ReportRangeError, check_range

TenantPath = Annotated[int, PathParameter(ge=1, le=2**53 - 1)]
At = Annotated[
    dt.datetime | None, QueryParameter(name="at", description="A past moment; now if left out or in the future.")
]
CURRENCY = "USD"


def moment_of(call: Call, at: dt.datetime | None) -> dt.datetime:
    """Give a moment in UTC, by default now; raises ReportRangeError."""
    if at is None:
        return call.api.clock()
    if at.utcoffset() is None:
        raise ReportRangeError("Times need a zone: write 2026-11-24T00:00:00Z, or with an offset.")
    try:
        moment = at.astimezone(dt.UTC)
        return check_range(moment, moment + dt.timedelta(microseconds=1)).starts_at
    except OverflowError:
        raise ReportRangeError("Times must lie between the years 2000 and 2200.") from None


@get(
    "/reports/balances",
    **route(
        Permission.REPORT_READ, "getBalances", "Balances and liabilities, now or as of a past moment", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def balances(
    call: ThisCall, *, tenant_id: TenantNumber = None, at: At = None, limit: Limit = 50
) -> LiabilitiesView:
    scope = scope_of(call, tenant_id)
    if scope.user_id is not None:
        raise ApiError("forbidden")
    moment = moment_of(call, at) if at is not None else None
    found = await read_balances(call.api.pool, at=moment, tenant_id=scope.tenant_id, now=call.api.clock(), limit=limit)
    return LiabilitiesView(
        at=found.at,
        currency=CURRENCY,
        unspent=format_amount(found.unspent_nanos),
        owed=format_amount(found.owed_nanos),
        tenants=found.tenants,
        wallets=tuple(
            WalletView(
                tenant_id=each.tenant_id,
                balance=format_amount(each.balance_nanos),
                held=format_amount(each.held_nanos) if each.held_nanos is not None else None,
            )
            for each in found.wallets
        ),
    )


@get(
    "/tenants/{tenant_id:int}/statements",
    **route(Permission.REPORT_READ, "listStatements", "The statements of a tenant", 404, within="tenant"),
)
async def list_statements(call: ThisCall, tenant_id: TenantPath, limit: Limit = 50) -> StatementList:
    tenant = await tenant_of(call, TenantId(tenant_id))
    statements = Statements(call.api.pool)
    await statements.close(tenant.tenant_id, tenant.time_zone, call.api.clock())
    return StatementList(
        items=tuple(
            StatementLine(
                period=each.period,
                starts_at=each.starts_at,
                ends_at=each.ends_at,
                closing=format_amount(each.closing_nanos),
                sha256=each.sha256,
                closed_at=each.closed_at,
            )
            for each in await statements.list(tenant.tenant_id, limit)
        )
    )


@get(
    "/tenants/{tenant_id:int}/statements/{period:str}",
    **route(
        Permission.REPORT_READ, "getStatement", "A statement, such as 2026-11; `current` is the open period", 404, 500,
        within="tenant",
    ),
)  # fmt: skip
async def read_statement(
    call: ThisCall, tenant_id: TenantPath, period: Annotated[str, PathParameter(max_length=20)]
) -> StatementView:
    return await statement_of(call, TenantId(tenant_id), period)


async def statement_of(call: Call, tenant_id: TenantId, period: str) -> StatementView:
    """Give a statement, closed first if its period is over."""
    tenant = await tenant_of(call, tenant_id)
    statements = Statements(call.api.pool)
    if period == "current":
        current = await statements.current(tenant_id, tenant.time_zone, call.api.clock())
        if current is None:
            raise ApiError("not_found", "Nothing has happened in this wallet yet.")
        return statement_view(current, None, None)
    await statements.close(tenant_id, tenant.time_zone, call.api.clock())
    kept = await statements.read(tenant_id, period)
    return statement_view(kept.statement, kept.closed_at, kept.sha256)


@get(
    "/reports/prices",
    **route(
        Permission.REPORT_READ, "getPriceAt", "The price and multiplier of a model, now or as of a past moment",
        404, 422, within="entity",
    ),
)  # fmt: skip
async def price(
    call: ThisCall,
    *,
    model: Names,
    tenant_id: TenantNumber = None,
    at: At = None,
    user_group: Names = "",
    channel_groups: Names = "default",
) -> PriceAtView:
    group = await price_group_of(call, scope_of(call, tenant_id), user_group)
    found = await price_at(
        call.api.pool,
        call.api.administration,
        at=moment_of(call, at),
        model=model,
        user_group=group,
        channel_groups=tuple(part.strip() for part in channel_groups.split(",") if part.strip()) or (ALL,),
    )
    return PriceAtView(
        at=found.at,
        model=model,
        card_id=found.card.card_id if found.card is not None else None,
        card_version=found.card.version if found.card is not None else None,
        effective_from=found.card.effective_from if found.card is not None else None,
        price=msgspec.convert(msgspec.to_builtins(found.price), PriceBody) if found.price is not None else None,
        multiplier=f"{found.multiplier:f}",
        multiplier_id=found.multiplier_id,
        user_group=found.user_group,
        channel_group=found.channel_group,
    )


async def price_group_of(call: Call, scope: Scope, user_group: str) -> str:
    """Give the user group whose multipliers are asked for: what others pay is none of a tenant's business."""
    if scope.tenant_id is not None:
        return (await tenant_of(call, scope.tenant_id)).user_group
    return user_group or "default"


@get(
    "/reports/charges/{request_id:str}",
    **route(
        Permission.REQUEST_READ, "explainCharge", "Why a request cost what it cost, computed again twice", 404,
        within="entity",
    ),
)  # fmt: skip
async def explain_charge(call: ThisCall, request_id: FromPath[str]) -> ChargeView:
    principal = call.principal
    mine = [each for each in principal.tenant_ids if principal.may(Permission.REQUEST_READ, each)]
    receipt = await call.api.receipts.read(request_id, None if principal.may(Permission.REQUEST_READ) else mine)
    await call.looked_at(receipt.tenant_id)
    captured = receipt.terminal.value if receipt.terminal is not None else None
    made = receipt.price
    if made is None or not isinstance(captured, HoldCaptured):
        raise ApiError("not_found", "Nothing was charged for this request.")
    card = await check_card(call.api.administration, receipt)
    return ChargeView(
        request_id=receipt.request_id,
        tenant_id=receipt.tenant_id,
        charged=format_amount(made.charged_nanos),
        from_factors=format_amount(made.recomputed_nanos),
        factors_match=made.matches,
        from_card=format_amount(card.amount_nanos) if card.amount_nanos is not None else None,
        card_matches=card.matches,
        card_id=captured.card_id,
        card_version=captured.card_version,
        multiplier=f"{made.factors.multiplier:f}",
        rounding=made.factors.rounding,
        exact_nanos=made.exact,
        paid_by_allowance=made.paid_by_allowance,
        lines=tuple(
            FactorView(
                meter=line.meter,
                quantity=line.quantity,
                price=f"{line.price:f}",
                per=line.per,
                subtotal_nanos=line.subtotal_nanos,
            )
            for line in made.factors.lines
        ),
        text=receipt.text,
    )


@get(
    "/tenants/{tenant_id:int}/refusals/{row_id:str}",
    **route(
        Permission.REPORT_READ, "explainRefusal", "Why requests were refused: the numbers in the way", 404, 422,
        within="tenant",
    ),
)  # fmt: skip
async def explain_refusal(
    call: ThisCall, tenant_id: TenantPath, row_id: Annotated[str, PathParameter(max_length=100)]
) -> RefusalView:
    row = cursor_of(row_id)
    tenant = await tenant_of(call, TenantId(tenant_id))
    refusal = await read_refusal(call.api.pool, tenant, row.lane, row.position)
    event = refusal.event
    return RefusalView(
        tenant_id=tenant_id,
        position=row.position,
        at=refusal.recorded_at,
        reason=event.reason,
        count=event.count,
        first_at=event.first_at,
        last_at=event.last_at,
        token_id=event.token_id,
        model_asked=event.model_asked,
        limit_name=event.limit_name,
        unit=refusal.unit,
        needed=event.needed,
        limit=event.limit,
        used=refusal.used,
        text=refusal.text,
    )


@get(
    "/rate-cards/{card_id:str}/what-if",
    **route(Permission.COST_READ, "tryRateCard", "A past range of usage under a card, drafts included", 404, 422),
)
async def try_rate_card(
    call: ThisCall,
    card_id: FromPath[str],
    *,
    tenant_id: TenantNumber = None,
    starts_at: From = None,
    ends_at: To = None,
    limit: Limit = 500,
) -> WhatIfView:
    span, found = await what_if_of(call, card_id, tenant_id, starts_at, ends_at)
    priced = [row for row in found.rows if row.rerated_nanos is not None]
    return WhatIfView(
        card_id=card_id,
        starts_at=span.starts_at,
        ends_at=span.ends_at,
        charged=format_amount(sum(row.charged_nanos for row in priced)),
        rerated=format_amount(sum(row.rerated_nanos or 0 for row in priced)),
        unpriced=len(found.rows) - len(priced),
        rounding_bound=format_amount(found.rounding_bound_nanos),
        rows=tuple(
            WhatIfRow(
                tenant_id=row.tenant_id,
                model=row.model,
                requests=row.requests,
                charged=format_amount(row.charged_nanos),
                rerated=format_amount(row.rerated_nanos) if row.rerated_nanos is not None else None,
                difference=format_amount(row.difference_nanos) if row.difference_nanos is not None else None,
            )
            for row in found.rows[:limit]
        ),
    )


async def what_if_of(
    call: Call, card_id: str, tenant_id: int | None, starts_at: dt.datetime | None, ends_at: dt.datetime | None
) -> tuple[Bucket, WhatIf]:
    """Price a past range under a card; raises ApiError `forbidden`, NotFoundError, ReportRangeError."""
    if not call.principal.may(Permission.PRICING_READ):
        raise ApiError("forbidden")
    stored = await call.api.administration.get("rate_card", card_id)
    span = span_of(call, starts_at, ends_at)
    tenant = TenantId(tenant_id) if tenant_id is not None else None
    return span, await what_if(call.api.pool, stored.entity.card, span, tenant)


ROUTES: Sequence[BaseRouteHandler] = (
    balances,
    list_statements,
    read_statement,
    price,
    explain_charge,
    explain_refusal,
    try_rate_card,
)
