"""/api/mappings: other names of models, for everybody or for one tenant."""

from collections.abc import Sequence

from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.api.call import (
    IfMatch,
    Limit,
    Resource,
    TenantNumber,
    ThisCall,
    Why,
    route,
)
from app.api.listing import Label, ThisListing
from app.api.permissions import Permission
from app.api.schemas.common import History, Listing
from app.api.schemas.mappings import MappingChange, MappingState, MappingView, NewMapping, mapping_state
from domain.admin.entities import Mapping
from domain.ids import EntityId, TenantId

MAPPINGS = Resource(
    "mapping", state=mapping_state, view=MappingView, read=Permission.PRICING_READ, write=Permission.PRICING_WRITE
)


@post("/mappings", **route(Permission.PRICING_WRITE, "createMapping", "Make a mapping", 409, 422))
async def create_mapping(call: ThisCall, data: JSONBody[NewMapping]) -> Response[MappingView]:
    mapping = Mapping(
        mapping_id=EntityId(""),
        model=data.model,
        target=data.target,
        tenant_id=data.tenant_id,
        billed=data.billed,
        enabled=data.enabled,
    )
    return await MAPPINGS.created(call, mapping, data.reason)


@get("/mappings", **route(Permission.PRICING_READ, "listMappings", "List mappings", 422))
async def list_mappings(
    call: ThisCall,
    listing: ThisListing,
    *,
    model: Label = None,
    target: Label = None,
    enabled: FromQuery[bool | None] = None,
    tenant_id: TenantNumber = None,
) -> Listing[MappingView]:
    return await MAPPINGS.list(
        call,
        listing,
        filters={"model": model, "target": target, "enabled": enabled},
        tenant_id=TenantId(tenant_id) if tenant_id is not None else None,
    )


@get("/mappings/{mapping_id:str}", **route(Permission.PRICING_READ, "getMapping", "Read a mapping", 404))
async def read_mapping(call: ThisCall, mapping_id: FromPath[str]) -> Response[MappingView]:
    return await MAPPINGS.read(call, mapping_id)


@patch(
    "/mappings/{mapping_id:str}",
    **route(Permission.PRICING_WRITE, "changeMapping", "Change a mapping", 404, 409, 412, 422, 428),
)
async def change_mapping(
    call: ThisCall, mapping_id: FromPath[str], data: JSONBody[MappingChange], if_match: IfMatch = None
) -> Response[MappingView]:
    return await MAPPINGS.change(call, mapping_id, if_match, data)


@delete(
    "/mappings/{mapping_id:str}",
    status_code=200,
    **route(Permission.PRICING_WRITE, "archiveMapping", "Take a mapping out of use for good", 404, 409, 412, 428),
)
async def archive_mapping(
    call: ThisCall, mapping_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[MappingView]:
    return await MAPPINGS.archive(call, mapping_id, if_match, reason)


@get(
    "/mappings/{mapping_id:str}/history",
    **route(Permission.PRICING_READ, "getMappingHistory", "Who changed a mapping, and how", 404),
)
async def mapping_history(call: ThisCall, mapping_id: FromPath[str], limit: Limit = 50) -> History[MappingState]:
    return await MAPPINGS.history(call, mapping_id, limit)


ROUTES: Sequence[BaseRouteHandler] = (
    MAPPINGS.restoring("/mappings", "Mapping"),
    create_mapping,
    list_mappings,
    read_mapping,
    change_mapping,
    archive_mapping,
    mapping_history,
)
