"""/api/reports/prices/export and those of charges and refusals: what a price is made of, as files."""

import datetime as dt
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Annotated, Any, Final

from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, PathParameter
from litestar.response import Stream

from app.api.call import TenantNumber, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.report_exports import file_of
from app.api.report_money import At, TenantPath, moment_of, price_group_of
from app.api.report_scope import FormatName, Names, scope_of, tenant_of
from app.reports.explain import PriceAt, price_at, read_refusal
from app.reports.log import cursor_of
from domain.holds.events import HoldCaptured
from domain.ids import TenantId
from domain.money import NANOS_PER_UNIT
from domain.pricing.charge import exact_text
from domain.pricing.multipliers import ALL
from domain.pricing.rates import Rate
from domain.reports.focus import Kind

_PIECE: Final = 2000

PRICE_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "x_At": "time",
    "SkuId": "text",
    "SkuPriceId": "text",
    "SkuMeter": "text",
    "x_Variant": "text",
    "x_InputTokensFrom": "number",
    "PricingUnit": "text",
    "ListUnitPrice": "text",
    "ContractedUnitPrice": "text",
    "BillingCurrency": "text",
    "x_EffectiveFrom": "time",
    "x_Multiplier": "text",
    "x_MultiplierId": "text",
    "x_UserGroup": "text",
    "x_ChannelGroup": "text",
}
"""Unit prices are exact decimals as text: they may have more places than an amount has."""
CHARGE_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "ChargePeriodStart": "time",
    "x_RequestId": "text",
    "SkuId": "text",
    "SkuPriceId": "text",
    "SkuMeter": "text",
    "ConsumedQuantity": "number",
    "PricingUnit": "text",
    "ListUnitPrice": "text",
    "x_Multiplier": "text",
    "x_ExactCost": "text",
    "x_Rounding": "text",
    "x_RequestBilledCost": "amount",
    "BillingCurrency": "text",
}
REFUSAL_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "x_Lane": "number",
    "x_Position": "number",
    "x_At": "time",
    "x_Reason": "text",
    "x_Count": "number",
    "x_FirstAt": "text",
    "x_LastAt": "text",
    "ResourceId": "text",
    "x_ModelAsked": "text",
    "x_LimitName": "text",
    "x_Unit": "text",
    "x_Needed": "number",
    "x_Limit": "number",
    "x_Used": "number",
}

_UNITS: Final[Mapping[str, str]] = {
    "calls": "Calls",
    "images": "Images",
    "milliseconds": "Milliseconds",
    "characters": "Characters",
    "searches": "Searches",
}


def _unit(meter: str, per: int) -> str:
    name = _UNITS.get(meter, "Tokens")
    return name if per == 1 else f"{per} {name}"


@get(
    "/reports/prices/export",
    media_type="text/csv",
    **route(
        Permission.REPORT_READ, "exportPrices", "Every price and its multiplier, now or as of a past moment, as a file",
        404, 422, within="entity",
    ),
)  # fmt: skip
async def export_prices(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    model: Names = "",
    tenant_id: TenantNumber = None,
    at: At = None,
    user_group: Names = "",
    channel_groups: Names = "default",
) -> Stream:
    scope = scope_of(call, tenant_id)
    found = await price_at(
        call.api.pool,
        call.api.administration,
        at=moment_of(call, at),
        model=model,
        user_group=await price_group_of(call, scope, user_group),
        channel_groups=tuple(part.strip() for part in channel_groups.split(",") if part.strip()) or (ALL,),
    )

    async def chunks() -> AsyncIterator[Sequence[Mapping[str, Any]]]:
        rows = []
        for row in _price_rows(found, model, scope.tenant_id):
            rows.append(row)
            if len(rows) == _PIECE:
                yield rows
                rows = []
        yield rows

    return await file_of(format_, "prices", chunks(), PRICE_COLUMNS)


def _price_rows(found: PriceAt, model: str, tenant_id: TenantId | None) -> Iterator[dict[str, Any]]:
    card = found.card
    if card is None:
        return
    names = [model] if model else sorted(card.models)
    for name in names:
        price = card.find(name)
        if price is None:
            continue
        about = {
            "BillingAccountId": "tallygate",
            "SubAccountId": str(tenant_id) if tenant_id is not None else None,
            "x_At": found.at,
            "SkuId": name,
            "SkuPriceId": f"{card.card_id}:{card.version}",
            "BillingCurrency": card.currency,
            "x_EffectiveFrom": card.effective_from,
            "x_Multiplier": f"{found.multiplier:f}",
            "x_MultiplierId": found.multiplier_id,
            "x_UserGroup": found.user_group,
            "x_ChannelGroup": found.channel_group,
        }
        for tier in price.rates.tiers:
            for rate in tier.rates:
                yield about | _rate(found, rate, "", tier.input_tokens_from)
        for variant, rate in price.rates.image_rates.items():
            yield about | _rate(found, rate, variant, 0)


def _rate(found: PriceAt, rate: Rate, variant: str, starts: int) -> dict[str, Any]:
    return {
        "SkuMeter": rate.meter,
        "x_Variant": variant or None,
        "x_InputTokensFrom": starts,
        "PricingUnit": _unit(rate.meter, rate.per),
        "ListUnitPrice": f"{rate.price:f}",
        "ContractedUnitPrice": exact_text(Fraction(rate.price) * Fraction(found.multiplier)),
    }


@get(
    "/reports/charges/{request_id:str}/export",
    media_type="text/csv",
    **route(
        Permission.REQUEST_READ, "exportCharge", "What a charge was made of, line by line, as a file", 404,
        within="entity",
    ),
)  # fmt: skip
async def export_charge(call: ThisCall, request_id: FromPath[str], *, format_: FormatName = "csv") -> Stream:
    principal = call.principal
    mine = [each for each in principal.tenant_ids if principal.may(Permission.REQUEST_READ, each)]
    receipt = await call.api.receipts.read(request_id, None if principal.may(Permission.REQUEST_READ) else mine)
    await call.looked_at(receipt.tenant_id)
    terminal, made = receipt.terminal, receipt.price
    if terminal is None or made is None or not isinstance(terminal.value, HoldCaptured):
        raise ApiError("not_found", "Nothing was charged for this request.")
    captured, factors = terminal.value, made.factors
    rows = [
        {
            "BillingAccountId": "tallygate",
            "SubAccountId": str(receipt.tenant_id),
            "ChargePeriodStart": terminal.recorded_at,
            "x_RequestId": receipt.request_id,
            "SkuId": captured.model_billed,
            "SkuPriceId": f"{captured.card_id}:{captured.card_version}",
            "SkuMeter": line.meter,
            "ConsumedQuantity": line.quantity,
            "PricingUnit": _unit(line.meter, line.per),
            "ListUnitPrice": f"{line.price:f}",
            "x_Multiplier": f"{factors.multiplier:f}",
            "x_ExactCost": exact_text(line.nanos * Fraction(factors.multiplier) / NANOS_PER_UNIT),
            "x_Rounding": factors.rounding,
            "x_RequestBilledCost": made.charged_nanos,
            "BillingCurrency": captured.currency,
        }
        for line in factors.lines
    ]
    return await file_of(format_, f"charge-{receipt.request_id}", _once(rows), CHARGE_COLUMNS)


@get(
    "/tenants/{tenant_id:int}/refusals/{row_id:str}/export",
    media_type="text/csv",
    **route(
        Permission.REPORT_READ, "exportRefusal", "Why requests were refused, as a file", 404, 422, within="tenant"
    ),
)  # fmt: skip
async def export_refusal(
    call: ThisCall,
    tenant_id: TenantPath,
    row_id: Annotated[str, PathParameter(max_length=100)],
    *,
    format_: FormatName = "csv",
) -> Stream:
    place = cursor_of(row_id)
    tenant = await tenant_of(call, TenantId(tenant_id))
    refusal = await read_refusal(call.api.pool, tenant, place.lane, place.position)
    event = refusal.event
    row = {
        "BillingAccountId": "tallygate",
        "SubAccountId": str(tenant_id),
        "x_Lane": place.lane,
        "x_Position": refusal.position,
        "x_At": refusal.recorded_at.astimezone(dt.UTC),
        "x_Reason": event.reason,
        "x_Count": event.count,
        "x_FirstAt": event.first_at,
        "x_LastAt": event.last_at,
        "ResourceId": event.token_id,
        "x_ModelAsked": event.model_asked or None,
        "x_LimitName": event.limit_name or None,
        "x_Unit": refusal.unit or None,
        "x_Needed": event.needed,
        "x_Limit": event.limit,
        "x_Used": refusal.used,
    }
    return await file_of(format_, f"refusal-{tenant_id}-{refusal.position}", _once([row]), REFUSAL_COLUMNS)


async def _once(rows: Sequence[Mapping[str, Any]]) -> AsyncIterator[Sequence[Mapping[str, Any]]]:
    yield rows


ROUTES: Sequence[BaseRouteHandler] = (export_prices, export_charge, export_refusal)
