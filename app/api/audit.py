"""/api/tenants/{id}/looks: what a tenant may know of who looked at its data."""

from collections.abc import Sequence
from typing import Annotated

from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter, QueryParameter

from app.api.call import ThisCall, route
from app.api.listing import Limit
from app.api.permissions import Permission
from app.api.schemas.common import Listing
from app.api.schemas.looks import LookView
from domain.ids import TenantId

Before = Annotated[
    str | None, QueryParameter(name="after", pattern=r"^[0-9]{1,18}$", description="`next` of the part before.")
]


@get(
    "/tenants/{tenant_id:int}/looks",
    **route(
        Permission.LOOK_READ, "listOperatorLooks", "Who of the operator looked at a tenant's data", 404, within="tenant"
    ),
)
async def list_looks(
    call: ThisCall,
    tenant_id: Annotated[int, PathParameter(ge=1, le=2**53 - 1)],
    after: Before = None,
    limit: Limit = 50,
) -> Listing[LookView]:
    found = await call.api.administration.store.looks(
        TenantId(tenant_id), before=int(after) if after is not None else None, limit=limit + 1
    )
    items = tuple(
        LookView(
            event_id=each.event_id,
            at=each.recorded_at,
            user_id=each.value.user_id,
            login=each.value.login,
            role=each.value.role,
            operation=each.value.operation,
        )
        for each in found[:limit]
    )
    return Listing(items=items, next=str(found[limit - 1].position) if len(found) > limit else None)


ROUTES: Sequence[BaseRouteHandler] = (list_looks,)
