"""Lists as files: what a person has narrowed a list to, all of it, as CSV or Parquet."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Annotated, Any, Final

from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, QueryParameter
from litestar.response import Stream

from adapters.postgres.admin_store import Stored
from app.api.call import Call, Search, TenantNumber, ThisCall, route
from app.api.codes import BATCHES
from app.api.listing import IncludeArchived, Label, Since, Until
from app.api.money import MovementKind, TenantPath, recorded, searched
from app.api.permissions import Permission
from app.api.report_exports import file_of
from app.api.report_scope import FormatName
from app.api.schemas.money import MovementRecord
from app.api.tokens import whose_tokens
from app.reports.credit import MovementFilters, read_movements, read_redemptions, search_movements
from app.reports.log import cursor_of
from domain.admin.entities import Budget, PlatformRole, Tenant, Token, User
from domain.grants.events import Source
from domain.ids import PLATFORM, TenantId
from domain.money import format_amount, parse_amount
from domain.reports.focus import Kind

_PIECE: Final = 500
_Resume = Annotated[
    int | None,
    QueryParameter(
        name="after", ge=1, le=2**53 - 1,
        description="Where a file was cut: the position of its last row. The rest follows.",
    ),
]  # fmt: skip
Chunks = AsyncIterator[Sequence[Mapping[str, Any]]]

TOKEN_COLUMNS: Final[Mapping[str, Kind]] = {
    "id": "text",
    "tenant_id": "text",
    "user_id": "text",
    "name": "text",
    "hint": "text",
    "revoked": "text",
    "archived": "text",
    "expires_at": "text",
    "models": "text",
    "networks": "text",
    "tags": "text",
    "budgets": "text",
    "requests_per_minute": "number",
    "tokens_per_minute": "number",
    "concurrency": "number",
    "created_at": "time",
    "updated_at": "time",
}
TENANT_COLUMNS: Final[Mapping[str, Kind]] = {
    "id": "text",
    "name": "text",
    "user_group": "text",
    "time_zone": "text",
    "suspended": "text",
    "archived": "text",
    "credit_limit": "amount",
    "budgets": "text",
    "created_at": "time",
    "updated_at": "time",
}
USER_COLUMNS: Final[Mapping[str, Kind]] = {
    "id": "text",
    "login": "text",
    "name": "text",
    "platform_role": "text",
    "tenants": "text",
    "disabled": "text",
    "archived": "text",
    "created_at": "time",
    "updated_at": "time",
}
MOVEMENT_COLUMNS: Final[Mapping[str, Kind]] = {
    "at": "time",
    "tenant_id": "text",
    "position": "number",
    "kind": "text",
    "source": "text",
    "amount": "amount",
    "balance": "amount",
    "currency": "text",
    "grant_id": "text",
    "grant_kind": "text",
    "reference": "text",
    "reason": "text",
    "actor": "text",
    "event_id": "text",
}
REDEMPTION_COLUMNS: Final[Mapping[str, Kind]] = {
    "at": "time",
    "tenant_id": "text",
    "user_id": "text",
    "amount": "amount",
    "code_sha256": "text",
    "grant_id": "text",
    "position": "number",
}


async def _walk(call: Call, kind: str, row: Callable[[Stored], Mapping[str, Any]], **narrowed: Any) -> Chunks:
    """Give all of a list of administered things, a part at a time."""
    after = None
    while True:
        page = await call.api.administration.list(kind, after=after, limit=_PIECE, **narrowed)
        yield [row(stored) for stored in page.items]
        after = page.next
        if after is None:
            return


def _archived(*, include: bool) -> bool | None:
    return None if include else False


def _words(values: Sequence[str] | None) -> str:
    return " ".join(values) if values is not None else "*"


def _flag(value: bool) -> str:  # noqa: FBT001 -- a cell of a file
    return "true" if value else "false"


def _budgets(budgets: Sequence[Budget]) -> str:
    return "; ".join(
        f"{format_amount(each.amount) if each.unit == 'money' else each.amount} {each.unit} per {each.period}"
        for each in budgets
    )


def _times(stored: Stored) -> dict[str, Any]:
    return {
        "archived": _flag(stored.archived),
        "created_at": stored.created_at,
        "updated_at": stored.updated_at,
    }


def _token(stored: Stored) -> dict[str, Any]:
    token: Token = stored.entity
    return {
        "id": token.token_id,
        "tenant_id": str(token.tenant_id),
        "user_id": token.user_id,
        "name": token.name,
        "hint": token.hint,
        "revoked": _flag(token.revoked),
        "expires_at": token.expires_at or "",
        "models": _words(token.models),
        "networks": _words(token.networks),
        "tags": _words(token.tags),
        "budgets": _budgets(token.budgets),
        "requests_per_minute": token.limits.requests_per_minute,
        "tokens_per_minute": token.limits.tokens_per_minute,
        "concurrency": token.limits.concurrency,
        **_times(stored),
    }


@get(
    "/tokens/export",
    media_type="text/csv",
    **route(
        Permission.OWN_TOKEN_READ, "exportTokens", "API keys as a file, as they are listed", 404, 422, within="entity"
    ),
)
async def export_tokens(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    search: Search = "",
    include_archived: IncludeArchived = False,
    tenant_id: TenantNumber = None,
    user_id: Label = None,
    revoked: FromQuery[bool | None] = None,
    tag: Label = None,
    model: Label = None,
) -> Stream:
    tenant, owner = whose_tokens(call, tenant_id, user_id)
    chunks = _walk(
        call,
        "token",
        _token,
        search=search,
        archived=_archived(include=include_archived),
        filters={"revoked": revoked, "tags": tag, "models": model},
        tenant_id=tenant,
        owner=owner,
    )
    return await file_of(format_, "tokens", chunks, TOKEN_COLUMNS)


def _tenant(stored: Stored) -> dict[str, Any]:
    tenant: Tenant = stored.entity
    return {
        "id": str(tenant.tenant_id),
        "name": tenant.name,
        "user_group": tenant.user_group,
        "time_zone": tenant.time_zone,
        "suspended": _flag(tenant.suspended),
        "credit_limit": tenant.credit_limit_nanos,
        "budgets": _budgets(tenant.budgets),
        **_times(stored),
    }


@get(
    "/tenants/export",
    media_type="text/csv",
    **route(
        Permission.TENANT_READ, "exportTenants", "Tenants as a file, as they are listed", 422, within="entity"
    ),
)  # fmt: skip
async def export_tenants(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    search: Search = "",
    include_archived: IncludeArchived = False,
    user_group: Label = None,
    suspended: FromQuery[bool | None] = None,
) -> Stream:
    chunks = _walk(
        call,
        "tenant",
        _tenant,
        search=search,
        archived=_archived(include=include_archived),
        filters={"suspended": suspended},
        owner=user_group,
        tenant_ids=None if call.principal.is_operator else sorted(call.principal.tenant_ids),
    )
    return await file_of(format_, "tenants", chunks, TENANT_COLUMNS)


def _user(stored: Stored) -> dict[str, Any]:
    user: User = stored.entity
    return {
        "id": user.user_id,
        "login": user.login,
        "name": user.name,
        "platform_role": user.platform_role or "",
        "tenants": _words([f"{each.tenant_id}:{each.role}" for each in user.memberships]),
        "disabled": _flag(user.disabled),
        **_times(stored),
    }


@get(
    "/users/export",
    media_type="text/csv",
    **route(Permission.USER_READ, "exportUsers", "People as a file, as they are listed", 422),
)
async def export_users(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    search: Search = "",
    include_archived: IncludeArchived = False,
    platform_role: FromQuery[PlatformRole | None] = None,
    disabled: FromQuery[bool | None] = None,
    tenant_id: TenantNumber = None,
) -> Stream:
    chunks = _walk(
        call,
        "user",
        _user,
        search=search,
        archived=_archived(include=include_archived),
        filters={"platform_role": platform_role, "disabled": disabled},
        tenant_id=PLATFORM,
        member_of=TenantId(tenant_id) if tenant_id is not None else None,
    )
    return await file_of(format_, "users", chunks, USER_COLUMNS)


@get(
    "/tenants/{tenant_id:int}/movements/export",
    media_type="text/csv",
    **route(
        Permission.BALANCE_READ, "exportMovements", "Movements of credit as a file, as they are listed", 404, 422,
        within="tenant",
    ),
)  # fmt: skip
async def export_movements(
    call: ThisCall,
    tenant_id: TenantPath,
    *,
    format_: FormatName = "csv",
    kind: FromQuery[MovementKind | None] = None,
    source: FromQuery[Source | None] = None,
    grant_id: Label = None,
    starts_at: Since = None,
    ends_at: Until = None,
    after: _Resume = None,
) -> Stream:
    filters = MovementFilters(kind=kind, source=source, grant_id=grant_id, starts_at=starts_at, ends_at=ends_at)

    async def chunks() -> Chunks:
        before = after
        while True:
            found = await read_movements(call.api.pool, TenantId(tenant_id), filters, before=before, limit=_PIECE)
            views = await recorded(call, TenantId(tenant_id), found)
            yield [_movement(each, tenant_id) | {"balance": parse_amount(each.balance)} for each in views]
            if len(found) < _PIECE:
                return
            before = found[-1].position

    return await file_of(format_, f"movements-{tenant_id}", chunks(), MOVEMENT_COLUMNS)


def _movement(moved: MovementRecord, tenant_id: int) -> dict[str, Any]:
    return {
        "at": moved.at,
        "tenant_id": str(tenant_id),
        "position": moved.position,
        "kind": moved.kind,
        "source": moved.source,
        "amount": parse_amount(moved.amount),
        "currency": moved.currency,
        "grant_id": moved.grant_id or "",
        "grant_kind": moved.grant_kind or "",
        "reference": moved.reference,
        "reason": moved.reason,
        "actor": moved.actor,
        "event_id": moved.event_id,
    }


@get(
    "/reports/movements/export",
    media_type="text/csv",
    **route(Permission.BALANCE_READ, "exportAllMovements", "Movements of credit of all tenants or one, as a file", 422),
)
async def export_all_movements(
    call: ThisCall,
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    kind: FromQuery[MovementKind | None] = None,
    source: FromQuery[Source | None] = None,
    starts_at: Since = None,
    ends_at: Until = None,
) -> Stream:
    filters = MovementFilters(
        tenant_id=TenantId(tenant_id) if tenant_id is not None else None,
        kind=kind,
        source=source,
        starts_at=starts_at,
        ends_at=ends_at,
    )

    async def chunks() -> Chunks:
        before = None
        while True:
            found = await search_movements(call.api.pool, filters, before=before, limit=_PIECE)
            yield [_movement(searched(each), each.tenant_id) for each in found]
            if len(found) < _PIECE:
                return
            before = cursor_of(found[-1].place)

    columns = {name: kind_ for name, kind_ in MOVEMENT_COLUMNS.items() if name != "balance"}
    return await file_of(format_, "movements", chunks(), columns)


@get(
    "/code-batches/{batch_id:str}/redemptions/export",
    media_type="text/csv",
    **route(Permission.CODE_READ, "exportRedemptions", "Who redeemed a batch's codes, as a file", 404, 422),
)
async def export_redemptions(
    call: ThisCall,
    batch_id: FromPath[str],
    *,
    format_: FormatName = "csv",
    tenant_id: TenantNumber = None,
    after: _Resume = None,
) -> Stream:
    await BATCHES.find(call, batch_id)
    tenant = TenantId(tenant_id) if tenant_id is not None else None

    async def chunks() -> Chunks:
        before = after
        while True:
            found = await read_redemptions(call.api.pool, batch_id, tenant_id=tenant, before=before, limit=_PIECE)
            yield [
                {
                    "at": each.redeemed_at,
                    "tenant_id": str(each.redeemed_for),
                    "user_id": each.user_id,
                    "amount": each.amount_nanos,
                    "code_sha256": each.code_hash,
                    "grant_id": each.grant_id,
                    "position": each.position,
                }
                for each in found
            ]
            if len(found) < _PIECE:
                return
            before = found[-1].position

    return await file_of(format_, "redemptions", chunks(), REDEMPTION_COLUMNS)


ROUTES: Sequence[BaseRouteHandler] = (
    export_tokens,
    export_tenants,
    export_users,
    export_movements,
    export_all_movements,
    export_redemptions,
)
