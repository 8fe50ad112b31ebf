"""Tenants as the API takes and gives them."""

import datetime as dt

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Amount, BudgetBody, Budgets, LimitsBody, Name, Reasoned, budgets_out
from domain.admin import entities as e
from domain.admin.entities import Disconnect, Label, Limits
from domain.ids import TenantId
from domain.money import format_amount


class TenantState(msgspec.Struct, frozen=True, kw_only=True):
    """A billed customer."""

    id: TenantId
    name: str
    user_group: str
    time_zone: str
    suspended: bool
    disconnect: Disconnect
    lower_output_limit: bool
    credit_limit: str
    limits: Limits
    budgets: tuple[BudgetBody, ...]


class TenantView(TenantState, frozen=True, kw_only=True):
    """A tenant as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewTenant(Reasoned, frozen=True, kw_only=True):
    """What a tenant starts with."""

    name: Name
    user_group: Label = "default"
    time_zone: str = "UTC"
    disconnect: Disconnect = "drain"
    lower_output_limit: bool = True
    credit_limit: Amount = "0"
    limits: LimitsBody = LimitsBody()
    budgets: Budgets = ()


class TenantChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different. Group, credit limit, limits, budgets and suspension are the operator's."""

    name: Name | UnsetType = UNSET
    time_zone: str | UnsetType = UNSET
    disconnect: Disconnect | UnsetType = UNSET
    lower_output_limit: bool | UnsetType = UNSET
    user_group: Label | UnsetType = UNSET
    suspended: bool | UnsetType = UNSET
    credit_limit: Amount | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET


TENANTS_OWN = frozenset({"name", "time_zone", "disconnect", "lower_output_limit"})
"""What a tenant's own people may change of it."""


def tenant_state(tenant: e.Tenant) -> TenantState:
    """Give a tenant as the API shows it."""
    return TenantState(
        id=tenant.tenant_id,
        name=tenant.name,
        user_group=tenant.user_group,
        time_zone=tenant.time_zone,
        suspended=tenant.suspended,
        disconnect=tenant.disconnect,
        lower_output_limit=tenant.lower_output_limit,
        credit_limit=format_amount(tenant.credit_limit_nanos),
        limits=tenant.limits,
        budgets=budgets_out(tenant.budgets),
    )
