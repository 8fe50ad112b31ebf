"""From the fields that a change names to those of what it changes."""

from decimal import Decimal
from typing import Any

import msgspec
from msgspec import UNSET

from app.api.schemas.common import budgets_in, limits_in
from app.api.schemas.rate_cards import prices_in
from app.api.schemas.users import memberships_in
from domain.money import parse_amount


def given(change: msgspec.Struct) -> dict[str, Any]:
    """Give the fields that a change names, by name; `reason` and `force` are not of the thing."""
    fields = {name: getattr(change, name) for name in change.__struct_fields__ if name not in {"reason", "force"}}
    values = {name: value for name, value in fields.items() if value is not UNSET}
    for name, convert in _CONVERSIONS.items():
        if name in values:
            renamed, function = convert
            values[renamed] = function(values.pop(name))
    return values


_CONVERSIONS: dict[str, tuple[str, Any]] = {
    "budgets": ("budgets", budgets_in),
    "limits": ("limits", limits_in),
    "models": ("models", lambda models: prices_in(models) if isinstance(models, dict) else models),
    "memberships": ("memberships", memberships_in),
    "credit_limit": ("credit_limit_nanos", parse_amount),
    "allowance": ("allowance_nanos", parse_amount),
    "expires_at": ("expires_at", lambda at: at.isoformat() if at is not None else None),
    "starts_at": ("starts_at", lambda at: at.isoformat() if at is not None else None),
    "ends_at": ("ends_at", lambda at: at.isoformat() if at is not None else None),
    "multiplier": ("value", Decimal),
}
