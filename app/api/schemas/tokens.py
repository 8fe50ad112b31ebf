"""API keys as the API takes and gives them."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import (
    Body,
    BudgetBody,
    Budgets,
    CacheSeconds,
    LimitsBody,
    ModelNames,
    Name,
    Reasoned,
    Tags,
    budgets_out,
)
from domain.admin import entities as e
from domain.admin.entities import Limits
from domain.ids import EntityId, TenantId


class TokenState(msgspec.Struct, frozen=True, kw_only=True):
    """An API key; the key itself was shown once."""

    id: EntityId
    tenant_id: TenantId
    user_id: EntityId
    name: str
    hint: str
    previous_until: str | None
    """Until when the secret before the last rotation works; null: only the present one does."""
    revoked: bool
    expires_at: str | None
    models: tuple[str, ...] | None
    networks: tuple[str, ...]
    limits: Limits
    budgets: tuple[BudgetBody, ...]
    tags: tuple[str, ...]
    cache_seconds: int


class TokenView(TokenState, frozen=True, kw_only=True):
    """A token as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class CreatedToken(TokenView, frozen=True, kw_only=True):
    """A new token with its secret, which is never shown again."""

    secret: str


class NewToken(Reasoned, frozen=True, kw_only=True):
    """An API key of a member of a tenant."""

    tenant_id: TenantId
    user_id: EntityId | None = None
    """Whose it is; oneself if left out."""
    name: Name
    expires_at: dt.datetime | None = None
    models: ModelNames | None = None
    networks: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] = ()
    limits: LimitsBody = LimitsBody()
    budgets: Budgets = ()
    tags: Tags = ()
    cache_seconds: CacheSeconds = 0
    """How long an answer may be given again to the very same request; 0 is never."""


class Rotation(Reasoned, frozen=True, kw_only=True):
    """A new secret for the same key: its terms, budgets and what it has spent stay."""

    overlap_seconds: Annotated[int, msgspec.Meta(ge=0, le=30 * 86_400)] = 86_400
    """How long the former secret works beside the new one."""


class TokenChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different; `revoked` cannot be taken back."""

    name: Name | UnsetType = UNSET
    revoked: Literal[True] | UnsetType = UNSET
    expires_at: dt.datetime | UnsetType | None = UNSET
    models: ModelNames | UnsetType | None = UNSET
    networks: Annotated[tuple[str, ...], msgspec.Meta(max_length=100)] | UnsetType = UNSET
    limits: LimitsBody | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET
    tags: Tags | UnsetType = UNSET
    cache_seconds: CacheSeconds | UnsetType = UNSET


class NewTokens(Reasoned, frozen=True, kw_only=True):
    """Several API keys: all are made, or none is."""

    items: Annotated[tuple[NewToken, ...], msgspec.Meta(min_length=1, max_length=200)]


class CreatedTokens(msgspec.Struct, frozen=True, kw_only=True):
    """New keys with their secrets, which are never shown again, in the order of the request."""

    items: tuple[CreatedToken, ...]


class TokenStep(Body, frozen=True, kw_only=True):
    """One of several changes."""

    id: EntityId
    version: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    """That the change was made from, as in If-Match."""
    change: TokenChange


class TokensChange(Reasoned, frozen=True, kw_only=True):
    """Several API keys to be changed: all are, or none is. The reason is that of the whole."""

    items: Annotated[tuple[TokenStep, ...], msgspec.Meta(min_length=1, max_length=200)]


class TokensView(msgspec.Struct, frozen=True, kw_only=True):
    """Several API keys as they stand, in the order of the request."""

    items: tuple[TokenView, ...]


def token_state(token: e.Token) -> TokenState:
    """Give a token as the API shows it: without its hash."""
    return TokenState(
        id=token.token_id,
        tenant_id=token.tenant_id,
        user_id=token.user_id,
        name=token.name,
        hint=token.hint,
        previous_until=token.previous_until,
        revoked=token.revoked,
        expires_at=token.expires_at,
        models=token.models,
        networks=token.networks,
        limits=token.limits,
        budgets=budgets_out(token.budgets),
        tags=token.tags,
        cache_seconds=token.cache_seconds,
    )
