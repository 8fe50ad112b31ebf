"""Our figures in the words of FOCUS, the FinOps Open Cost and Usage Specification (1.2): docs/reports.md has the table.

Columns that FOCUS does not have begin with `x_`, as it asks for. Amounts are exact: decimals of nine places at most.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from domain.metering.usage import INPUT_CLASSES, OUTPUT_CLASSES, TOKEN_CLASSES
from domain.money import format_amount

Kind = Literal["text", "time", "amount", "number"]

FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""What makes a spreadsheet take text for a formula, in its full-width forms too."""


def _camel(name: str) -> str:
    return "x_" + "".join(part.capitalize() for part in name.split("_"))


_METERS: Final = (*TOKEN_CLASSES, "images", "milliseconds", "characters", "searches")

REQUEST_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "ChargePeriodStart": "time",
    "ChargePeriodEnd": "time",
    "ChargeCategory": "text",
    "ChargeClass": "text",
    "ChargeDescription": "text",
    "BilledCost": "amount",
    "EffectiveCost": "amount",
    "BillingCurrency": "text",
    "ConsumedQuantity": "number",
    "ConsumedUnit": "text",
    "ServiceCategory": "text",
    "ServiceName": "text",
    "PublisherName": "text",
    "SkuId": "text",
    "SkuPriceId": "text",
    "ResourceId": "text",
    "ResourceType": "text",
    "Tags": "text",
    "x_Lane": "number",
    "x_Position": "number",
    "x_State": "text",
    "x_RequestId": "text",
    "x_UserId": "text",
    "x_ModelAsked": "text",
    "x_ModelRouted": "text",
    "x_ChannelId": "text",
    "x_Outcome": "text",
    "x_Code": "text",
    "x_Basis": "text",
    "x_LatencyMilliseconds": "number",
    "x_FirstByteMilliseconds": "number",
    **dict.fromkeys(map(_camel, _METERS), "number"),
    "x_AllowanceCost": "amount",
    "x_Multiplier": "text",
    "x_Count": "number",
}
COST_COLUMNS: Final[Mapping[str, Kind]] = {"x_VendorCost": "amount", "x_Margin": "amount"}
"""For the operator only."""

USAGE_COLUMNS: Final[Mapping[str, Kind]] = {
    "BillingAccountId": "text",
    "SubAccountId": "text",
    "ChargePeriodStart": "time",
    "ChargePeriodEnd": "time",
    "ChargeCategory": "text",
    "BilledCost": "amount",
    "EffectiveCost": "amount",
    "BillingCurrency": "text",
    "ConsumedQuantity": "number",
    "ConsumedUnit": "text",
    "ServiceCategory": "text",
    "x_Requests": "number",
    "x_Voids": "number",
    "x_Refusals": "number",
    "x_InputTokens": "number",
    "x_OutputTokens": "number",
}

_CATEGORY: Final = "AI and Machine Learning"
_MICROSECOND: Final = dt.timedelta(microseconds=1)


def request_row(row: Mapping[str, Any], vendors: Mapping[str, str], currency: str) -> dict[str, Any]:
    """Give a row of the request log in the words of FOCUS; amounts stay in nano-units."""
    tokens = sum(row[name] for name in TOKEN_CLASSES)
    amount = row["captured_nanos"]
    return {
        "BillingAccountId": "tallygate",
        "SubAccountId": str(row["tenant_id"]),
        "ChargePeriodStart": row["recorded_at"],
        "ChargePeriodEnd": row["recorded_at"] + _MICROSECOND,
        "ChargeCategory": "Usage",
        "ChargeClass": "Correction" if row["state"] == "adjusted" else None,
        "ChargeDescription": f"{row['model_billed'] or row['model_asked']} {row['surface']}".strip(),
        "BilledCost": amount,
        "EffectiveCost": amount,
        "BillingCurrency": currency,
        "ConsumedQuantity": tokens,
        "ConsumedUnit": "Tokens",
        "ServiceCategory": _CATEGORY,
        "ServiceName": row["surface"] or None,
        "PublisherName": vendors.get(row["channel_id"]),
        "SkuId": row["model_billed"] or None,
        "SkuPriceId": f"{row['card_id']}:{row['card_version']}" if row["card_id"] else None,
        "ResourceId": row["token_id"] or None,
        "ResourceType": "API token",
        "Tags": ",".join(row["tags"]) or None,
        "x_Lane": row["lane"],
        "x_Position": row["position"],
        "x_State": row["state"],
        "x_RequestId": str(row["request_id"]) if row["request_id"] else None,
        "x_UserId": row["user_id"] or None,
        "x_ModelAsked": row["model_asked"] or None,
        "x_ModelRouted": row["model_routed"] or None,
        "x_ChannelId": row["channel_id"] or None,
        "x_Outcome": row["outcome"] or None,
        "x_Code": row["code"] or None,
        "x_Basis": row["basis"] or None,
        "x_LatencyMilliseconds": row["latency_milliseconds"],
        "x_FirstByteMilliseconds": row["first_byte_milliseconds"],
        **{_camel(name): row[name] for name in _METERS},
        "x_AllowanceCost": row["allowance_nanos"],
        "x_Multiplier": f"{row['multiplier']:f}",
        "x_Count": row["count"],
        "x_VendorCost": row["cost_nanos"],
        "x_Margin": amount - row["cost_nanos"],
    }


def usage_row(
    span: tuple[dt.datetime, dt.datetime], sums: Mapping[str, int], tenant_id: int | None, currency: str
) -> dict[str, Any]:
    """Give the sums of a bucket in the words of FOCUS; amounts stay in nano-units."""
    charged = sums["captured_nanos"]
    return {
        "BillingAccountId": "tallygate",
        "SubAccountId": str(tenant_id) if tenant_id is not None else None,
        "ChargePeriodStart": span[0],
        "ChargePeriodEnd": span[1],
        "ChargeCategory": "Usage",
        "BilledCost": charged,
        "EffectiveCost": charged,
        "BillingCurrency": currency,
        "ConsumedQuantity": sum(sums[name] for name in TOKEN_CLASSES),
        "ConsumedUnit": "Tokens",
        "ServiceCategory": _CATEGORY,
        "x_Requests": sums["requests"],
        "x_Voids": sums["voids"],
        "x_Refusals": sums["refusals"],
        "x_InputTokens": sum(sums[name] for name in INPUT_CLASSES),
        "x_OutputTokens": sum(sums[name] for name in OUTPUT_CLASSES),
        "x_VendorCost": sums["cost_nanos"],
        "x_Margin": charged - sums["cost_nanos"],
    }


def csv_cells(row: Mapping[str, Any], columns: Mapping[str, Kind]) -> Sequence[str]:
    """Give a row as the cells of a CSV file; text that a spreadsheet would run is kept from running."""
    return [_cell(row[name], kind) for name, kind in columns.items()]


def _cell(value: Any, kind: Kind) -> str:
    if value is None:
        return ""
    match kind:
        case "amount":
            return format_amount(value)
        case "time":
            return str(value.astimezone(dt.UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"))
        case "number":
            return str(value)
        case _:
            return guarded(str(value))


def guarded(text: str) -> str:
    """Give text that no spreadsheet takes for a formula: with an apostrophe before it, if it would."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text
