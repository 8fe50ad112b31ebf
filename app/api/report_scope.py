"""What every report asks first: of which tenant, for whom, over which stretch of time."""

import datetime as dt
from typing import Annotated, Any, Final, Literal, NamedTuple

from litestar.params import QueryParameter

from app.api.call import Call
from app.api.permissions import Permission
from app.api.problems import ApiError
from domain.admin.entities import Tenant
from domain.admin.errors import NotFoundError
from domain.ids import PLATFORM, TenantId
from domain.money import parse_amount
from domain.reports.periods import Bucket, check_range

From = Annotated[
    dt.datetime | None, QueryParameter(name="from", description="The first moment; by default 30 days before `to`.")
]
To = Annotated[dt.datetime | None, QueryParameter(name="to", description="The first moment after; by default now.")]
Zone = Annotated[
    str | None,
    QueryParameter(name="zone", max_length=64, description="An IANA zone; by default the tenant's, else UTC."),
]
Text = Annotated[str | None, QueryParameter(max_length=200)]
Names = Annotated[str, QueryParameter(max_length=200)]
FormatName = Annotated[Literal["csv", "parquet"], QueryParameter(name="format")]
AmountText = Annotated[str | None, QueryParameter(max_length=40)]

DEFAULT_RANGE: Final = dt.timedelta(days=30)


class Scope(NamedTuple):
    """Whose figures a person asked for, and may see."""

    tenant_id: TenantId | None
    """None: the whole platform."""
    user_id: str | None
    """Only this member's own; None: everybody's."""
    with_cost: bool
    """Whether vendor cost and margin are for their eyes."""


def scope_of(call: Call, tenant_id: int | None) -> Scope:
    """Say what a person sees; without a tenant operators see the platform, others the one tenant that is theirs.

    Raises ApiError `not_found`, `forbidden` or `invalid_request`.
    """
    principal = call.principal
    with_cost = principal.may(Permission.COST_READ)
    if tenant_id is None:
        if principal.may(Permission.REPORT_READ):
            return Scope(None, None, with_cost)
        if len(principal.tenant_ids) != 1:
            raise ApiError("invalid_request", "You are in several tenants: name one as `tenant_id`.")
        tenant = next(iter(principal.tenant_ids))
    else:
        tenant = TenantId(tenant_id)
    if not principal.sees(tenant):
        raise ApiError("not_found")
    if principal.may(Permission.REPORT_READ, tenant):
        return Scope(tenant, None, with_cost)
    if principal.may(Permission.OWN_REPORT_READ, tenant):
        return Scope(tenant, principal.user.user_id, with_cost)
    raise ApiError("forbidden")


async def zone_of(call: Call, scope: Scope, zone: str | None) -> str:
    """Give the zone that a report is in: the one asked for, else the tenant's, else UTC."""
    if zone is not None:
        return zone
    return (await tenant_of(call, scope.tenant_id)).time_zone if scope.tenant_id is not None else "UTC"


async def tenant_of(call: Call, tenant_id: TenantId) -> Tenant:
    """Give a tenant; raises ApiError `not_found`."""
    if tenant_id == PLATFORM:
        return Tenant(tenant_id=PLATFORM, name="Platform")
    try:
        stored = await call.api.administration.get("tenant", str(tenant_id))
    except NotFoundError:
        raise ApiError("not_found") from None
    tenant: Tenant = stored.entity
    return tenant


def span_of(call: Call, starts_at: dt.datetime | None, ends_at: dt.datetime | None) -> Bucket:
    """Give the range of a report; raises ReportRangeError."""
    last = ends_at if ends_at is not None else call.api.clock()
    if starts_at is not None:
        return check_range(starts_at, last)
    try:
        return check_range(last - DEFAULT_RANGE, last)
    except OverflowError:
        return check_range(last, last)


async def vendors_of(call: Call) -> dict[str, str]:
    """Give the vendor type of each channel, archived ones included."""
    types: dict[str, str] = {}
    after = None
    while True:
        page = await call.api.administration.list("channel", archived=None, after=after, limit=500)
        types |= {stored.entity_id: stored.entity.type for stored in page.items}
        after = page.next
        if after is None:
            return types


def channels_of(vendors: dict[str, str], vendor: str | None) -> list[str] | None:
    """Give the channels that a filter by vendor leaves; None without one."""
    return None if vendor is None else [channel for channel, type_ in vendors.items() if type_ == vendor]


def nanos_of(text: str | None) -> int | None:
    """Read an amount of a filter; raises MoneyError."""
    return None if text is None else parse_amount(text)


def only_given(**values: Any) -> dict[str, Any]:
    """Leave out what was not asked for."""
    return {name: value for name, value in values.items() if value is not None}
