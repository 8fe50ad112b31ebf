"""/api/tokens: API keys of tenants' members. The secret is in the answer to its creation, and nowhere else."""

import datetime as dt
from collections.abc import Sequence
from typing import Final

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from msgspec import UNSET

from adapters.postgres.admin_store import Stored
from app.administration import BulkStep, new_token_secret, secret_hint, secret_sha256
from app.api.call import (
    NO_STORE,
    Call,
    IfMatch,
    Limit,
    Resource,
    TenantNumber,
    ThisCall,
    Why,
    join,
    route,
    versioned,
)
from app.api.listing import Label, ThisListing
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import History, Listing, budgets_in, limits_in
from app.api.schemas.tokens import (
    CreatedToken,
    CreatedTokens,
    NewToken,
    NewTokens,
    Rotation,
    TokenChange,
    TokensChange,
    TokenState,
    TokensView,
    TokenView,
    token_state,
)
from domain.admin.entities import Token
from domain.admin.errors import InvalidEntityError
from domain.ids import EntityId, TenantId

PLAYGROUND: Final = "playground"
"""The tag of the keys that the console tries models with. Their terms are fixed, for no password is asked for them."""

TOKENS = Resource("token", state=token_state, view=TokenView, read=Permission.TOKEN_READ, write=Permission.TOKEN_WRITE)


@post(
    "/tokens",
    **route(
        Permission.OWN_TOKEN_WRITE,
        "createToken",
        "Make an API key; its secret is shown once",
        404,
        409,
        422,
        within="entity",
        secrets=True,
    ),
)
async def create_token(call: ThisCall, data: JSONBody[NewToken]) -> Response[CreatedToken]:
    token, secret = _token(call, data)
    stored = await TOKENS.create(call, token, data.reason)
    return versioned(join(CreatedToken, TOKENS.view(stored), secret=secret), 201)


def _token(call: Call, data: NewToken) -> tuple[Token, str]:
    """Give a new token and its secret, if this person may make it."""
    _refuse_playground(data.tags)
    user_id = data.user_id or call.principal.user.user_id
    _allow(call, data.tenant_id, user_id, Permission.TOKEN_WRITE, Permission.OWN_TOKEN_WRITE)
    secret = new_token_secret()
    token = Token(
        token_id=EntityId(""),
        tenant_id=data.tenant_id,
        user_id=user_id,
        name=data.name,
        sha256=secret_sha256(secret),
        hint=secret_hint(secret),
        expires_at=data.expires_at.isoformat() if data.expires_at is not None else None,
        models=data.models,
        networks=data.networks,
        limits=limits_in(data.limits),
        budgets=budgets_in(data.budgets),
        tags=data.tags,
        cache_seconds=data.cache_seconds,
    )
    return token, secret


@post(
    "/tokens/bulk",
    **route(
        Permission.OWN_TOKEN_WRITE, "createTokens", "Make several API keys of a tenant, all or none", 404, 409, 422,
        within="entity", secrets=True,
    ),
)  # fmt: skip
async def create_tokens(call: ThisCall, data: JSONBody[NewTokens]) -> Response[CreatedTokens]:
    made = [_token(call, each) for each in data.items]
    stored = await TOKENS.bulk(call, [BulkStep(entity=token) for token, _ in made], data.reason)
    items = (
        join(CreatedToken, TOKENS.view(each), secret=secret) for each, (_, secret) in zip(stored, made, strict=True)
    )
    return Response(CreatedTokens(items=tuple(items)), status_code=201, headers=dict(NO_STORE))


@patch(
    "/tokens",
    **route(
        Permission.OWN_TOKEN_WRITE, "changeTokens", "Change or revoke several API keys of a tenant, all or none",
        404, 409, 412, 422, within="entity",
    ),
)  # fmt: skip
async def change_tokens(call: ThisCall, data: JSONBody[TokensChange]) -> TokensView:
    permissions = [await _write_permission(call, each.id) for each in data.items]
    for each in data.items:
        await _check_playground(call, each.id, each.change)
    return TokensView(items=await TOKENS.change_many(call, data.items, data.reason, permissions))


@get(
    "/tokens",
    **route(
        Permission.OWN_TOKEN_READ,
        "listTokens",
        "List API keys, all of a tenant's or one's own",
        404,
        422,
        within="entity",
    ),
)
async def list_tokens(
    call: ThisCall,
    listing: ThisListing,
    *,
    tenant_id: TenantNumber = None,
    user_id: Label = None,
    revoked: FromQuery[bool | None] = None,
    tag: Label = None,
    model: Label = None,
) -> Listing[TokenView]:
    tenant, user_id = whose_tokens(call, tenant_id, user_id)
    return await TOKENS.list(
        call,
        listing,
        filters={"revoked": revoked, "tags": tag, "models": model},
        tenant_id=tenant,
        owner=user_id,
    )


@get(
    "/tokens/{token_id:str}",
    **route(Permission.OWN_TOKEN_READ, "getToken", "Read an API key's terms", 404, within="entity"),
)
async def read_token(call: ThisCall, token_id: FromPath[str]) -> Response[TokenView]:
    return versioned(TOKENS.view(await _find(call, token_id, Permission.TOKEN_READ, Permission.OWN_TOKEN_READ)))


@patch(
    "/tokens/{token_id:str}",
    **route(
        Permission.OWN_TOKEN_WRITE, "changeToken", "Change an API key's terms, or revoke it", 404, 409, 412, 422, 428,
        within="entity",
    ),
)  # fmt: skip
async def change_token(
    call: ThisCall, token_id: FromPath[str], data: JSONBody[TokenChange], if_match: IfMatch = None
) -> Response[TokenView]:
    permission = await _write_permission(call, token_id)
    await _check_playground(call, token_id, data)
    return await TOKENS.change(call, token_id, if_match, data, permission=permission)


@delete(
    "/tokens/{token_id:str}",
    status_code=200,
    **route(
        Permission.OWN_TOKEN_WRITE, "archiveToken", "Revoke an API key for good, on every node at once", 404, 409, 412,
        428, within="entity",
    ),
)  # fmt: skip
async def archive_token(
    call: ThisCall, token_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[TokenView]:
    permission = await _write_permission(call, token_id)
    return await TOKENS.archive(call, token_id, if_match, reason, permission=permission)


@post(
    "/tokens/{token_id:str}/rotate",
    status_code=200,
    **route(
        Permission.OWN_TOKEN_WRITE, "rotateToken",
        "Give an API key a new secret, shown once; the former works on for a while",
        404, 409, 412, 422, 428, within="entity", secrets=True,
    ),
)  # fmt: skip
async def rotate_token(
    call: ThisCall, token_id: FromPath[str], data: JSONBody[Rotation], if_match: IfMatch = None
) -> Response[CreatedToken]:
    permission = await _write_permission(call, token_id)
    await _check_playground(call, token_id, TokenChange(name="rotated"))
    secret = new_token_secret()
    until = call.api.clock() + dt.timedelta(seconds=data.overlap_seconds)

    def rotated(token: Token) -> Token:
        return msgspec.structs.replace(
            token,
            sha256=secret_sha256(secret),
            hint=secret_hint(secret),
            previous_sha256=token.sha256 if data.overlap_seconds else "",
            previous_until=until.isoformat() if data.overlap_seconds else None,
        )

    view = await TOKENS.changed(call, token_id, if_match, data, transform=rotated, permission=permission)
    return versioned(join(CreatedToken, view, secret=secret))


@get(
    "/tokens/{token_id:str}/history",
    **route(Permission.OWN_TOKEN_READ, "getTokenHistory", "Who changed an API key, and how", 404, within="entity"),
)
async def token_history(call: ThisCall, token_id: FromPath[str], limit: Limit = 50) -> History[TokenState]:
    found = await _find(call, token_id, Permission.TOKEN_READ, Permission.OWN_TOKEN_READ)
    permission = (
        Permission.TOKEN_READ
        if call.principal.may(Permission.TOKEN_READ, found.tenant_id)
        else Permission.OWN_TOKEN_READ
    )
    return await TOKENS.history(call, token_id, limit, permission)


def _refuse_playground(tags: Sequence[str]) -> None:
    if PLAYGROUND in tags:
        raise InvalidEntityError("tags", f"The tag {PLAYGROUND!r} is for the keys that the console tries models with.")


async def _check_playground(call: Call, token_id: str, change: TokenChange) -> None:
    """Refuse to change the terms of a playground key, or to make another key one; revoking is always possible."""
    if change.tags is not UNSET:
        _refuse_playground(change.tags)
    named = [name for name in change.__struct_fields__ if getattr(change, name) is not UNSET]
    found = await call.api.administration.get("token", token_id)
    if PLAYGROUND in found.entity.tags and set(named) - {"revoked", "reason"}:
        raise ApiError("forbidden", "The terms of a playground key are fixed: make a key of your own, or revoke it.")


def whose_tokens(call: Call, tenant_id: int | None, user_id: str | None) -> tuple[TenantId | None, str | None]:
    """Give the tenant and the user whose tokens are listed; None is all that this person may see."""
    tenant = _tenant(call, tenant_id)
    if tenant is None:
        if not call.principal.may(Permission.TOKEN_READ):
            raise ApiError("forbidden")
    elif not call.principal.may(Permission.TOKEN_READ, tenant):
        # Those who may not see every token of the tenant see their own.
        user_id = user_id or call.principal.user.user_id
        _allow(call, tenant, user_id, Permission.TOKEN_READ, Permission.OWN_TOKEN_READ)
    return tenant, user_id


def _tenant(call: Call, tenant_id: int | None) -> TenantId | None:
    """Give the tenant to list: a person of one tenant need not name it; None is all, for operators only."""
    if tenant_id is not None:
        if not call.principal.sees(TenantId(tenant_id)):
            raise ApiError("not_found")
        return TenantId(tenant_id)
    if call.principal.is_operator:
        return None
    if len(call.principal.tenant_ids) != 1:
        raise ApiError("invalid_request", "You are in several tenants, or in none: name one as `tenant_id`.")
    return next(iter(call.principal.tenant_ids))


def _allow(call: Call, tenant_id: TenantId, user_id: str, every: Permission, own: Permission) -> None:
    """Raise unless this person may touch a tenant's tokens of a user."""
    if not call.principal.sees(tenant_id):
        raise ApiError("not_found")
    mine = user_id == call.principal.user.user_id
    if not (call.principal.may(every, tenant_id) or (mine and call.principal.may(own, tenant_id))):
        raise ApiError("forbidden")


async def _find(call: Call, token_id: str, every: Permission, own: Permission) -> Stored:
    stored = await call.api.administration.get("token", token_id)
    _allow(call, stored.tenant_id, stored.entity.user_id, every, own)
    await call.looked_at(stored.tenant_id)
    return stored


async def _write_permission(call: Call, token_id: str) -> Permission:
    found = await _find(call, token_id, Permission.TOKEN_WRITE, Permission.OWN_TOKEN_WRITE)
    every = call.principal.may(Permission.TOKEN_WRITE, found.tenant_id)
    return Permission.TOKEN_WRITE if every else Permission.OWN_TOKEN_WRITE


ROUTES: Sequence[BaseRouteHandler] = (
    create_token,
    create_tokens,
    change_tokens,
    list_tokens,
    read_token,
    change_token,
    archive_token,
    rotate_token,
    token_history,
)
