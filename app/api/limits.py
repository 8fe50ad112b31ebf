"""/api/limits: every budget and limit in its open window, the nearest to its end first."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, QueryParameter

from adapters.postgres.row_security import owner_of
from app.api.call import Limit, TenantNumber, ThisCall, route
from app.api.permissions import Permission
from app.api.report_scope import scope_of
from app.api.schemas.common import Listing
from app.reports.limits import Limit as Window
from app.reports.limits import Place, Scope, Unit, read_limits
from domain.ids import TenantId
from domain.money import format_amount

_SCOPES: Final[tuple[Scope, ...]] = ("tenant", "user", "token")
_PLACE: Final = r"^[0-9]{1,30}~(tenant|user|token):[0-9]{1,16}:[0-9a-f-]{1,40}:[a-z]{1,10}:[a-z]{1,10}$"
_After = Annotated[str | None, QueryParameter(name="after", pattern=_PLACE, description="`next` of the part before.")]


class LimitUse(msgspec.Struct, frozen=True, kw_only=True):
    """One budget or limit in its open window. Amounts are money for the unit `money`, else whole numbers."""

    scope: Literal["tenant", "user", "token"]
    tenant_id: TenantId
    owner_id: str
    """Of the tenant, the user or the token."""
    owner_name: str
    unit: Literal["money", "tokens", "requests", "slots"]
    """`requests` and `tokens` by the minute are rates; `slots` are requests at once."""
    period: Literal["minute", "day", "week", "month", "total"]
    limit: str
    used: str
    held: str
    """Set aside for requests under way; not among `used`."""
    left: str
    """Never below zero."""
    used_permille: int
    """Used and held, in thousandths of the limit."""
    ends_at: dt.datetime | None
    """When the window ends; null: never."""


@get(
    "/limits",
    **route(
        Permission.OWN_REPORT_READ, "listLimits", "Budgets and limits with what is used, the fullest first", 404, 422,
        within="entity",
    ),
)  # fmt: skip
async def list_limits(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    of: Annotated[Scope | None, QueryParameter(name="scope")] = None,
    unit: FromQuery[Unit | None] = None,
    after: _After = None,
    limit: Limit = 50,
) -> Listing[LimitUse]:
    whose = scope_of(call, tenant_id)
    found, following = await read_limits(
        call.api.pool,
        owner=owner_of(call.api.pool),
        tenant_id=whose.tenant_id,
        user_id=whose.user_id,
        scopes=_SCOPES if of is None else (of,),
        now=call.api.clock(),
        unit=unit,
        after=_place(after),
        limit=limit,
    )
    return Listing(
        items=tuple(_use(each) for each in found),
        next=f"{following.nearness}~{following.key}" if following is not None else None,
    )


def _place(after: str | None) -> Place | None:
    if after is None:
        return None
    nearness, _, key = after.partition("~")
    return Place(int(nearness), key)


def _use(window: Window) -> LimitUse:
    def shown(amount: int) -> str:
        return format_amount(amount) if window.unit == "money" else str(amount)

    return LimitUse(
        scope=window.scope,
        tenant_id=window.tenant_id,
        owner_id=window.owner_id,
        owner_name=window.owner_name,
        unit=window.unit,
        period=window.period,
        limit=shown(window.limit),
        used=shown(window.used),
        held=shown(window.held),
        left=shown(max(0, window.limit - window.used - window.held)),
        used_permille=window.permille,
        ends_at=window.ends_at,
    )


ROUTES: Sequence[BaseRouteHandler] = (list_limits,)
