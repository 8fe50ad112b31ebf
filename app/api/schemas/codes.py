"""Redemption codes as the API takes and gives them."""

import datetime as dt
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Amount, Body, Name, Reasoned
from domain.admin import entities as e
from domain.grants.events import GrantKind
from domain.ids import EntityId, TenantId
from domain.money import format_amount


class BatchState(msgspec.Struct, frozen=True, kw_only=True):
    """Codes made together; the codes themselves were shown once."""

    id: EntityId
    name: str
    count: int
    amount: str
    kind: GrantKind
    priority: int
    uses_per_code: int
    uses_per_tenant: int
    expires_at: str | None
    grant_days: int | None
    revoked: bool


class BatchView(BatchState, frozen=True, kw_only=True):
    """A batch as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class CreatedBatch(BatchView, frozen=True, kw_only=True):
    """A new batch with its codes, which are never shown again."""

    codes: tuple[str, ...]


class NewBatch(Reasoned, frozen=True, kw_only=True):
    """Codes to be made."""

    name: Name
    count: Annotated[int, msgspec.Meta(ge=1, le=1000)]
    amount: Amount
    kind: GrantKind = "promotional"
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    uses_per_code: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    uses_per_tenant: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] = 1
    expires_at: dt.datetime | None = None
    """When the codes stop working."""
    grant_days: Annotated[int, msgspec.Meta(ge=1, le=36500)] | None = None
    """How long the credit lasts once redeemed."""


class BatchChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different; `revoked` cannot be taken back."""

    name: Name | UnsetType = UNSET
    revoked: Literal[True] | UnsetType = UNSET


class BatchStep(Body, frozen=True, kw_only=True):
    """One of several changes."""

    id: EntityId
    version: Annotated[int, msgspec.Meta(ge=0, le=2**53 - 1)]
    """That the change was made from, as in If-Match."""
    change: BatchChange


class BatchesChange(Reasoned, frozen=True, kw_only=True):
    """Several batches of codes to be changed: all are, or none is. The reason is that of the whole."""

    items: Annotated[tuple[BatchStep, ...], msgspec.Meta(min_length=1, max_length=200)]


class BatchesView(msgspec.Struct, frozen=True, kw_only=True):
    """Several batches of codes as they stand, in the order of the request."""

    items: tuple[BatchView, ...]


def batch_state(batch: e.CodeBatch) -> BatchState:
    """Give a batch as the API shows it: without the hashes of its codes."""
    return BatchState(
        id=batch.batch_id,
        name=batch.name,
        count=len(batch.hashes),
        amount=format_amount(batch.amount_nanos),
        kind=batch.kind,
        priority=batch.priority,
        uses_per_code=batch.uses_per_code,
        uses_per_tenant=batch.uses_per_tenant,
        expires_at=batch.expires_at,
        grant_days=batch.grant_days,
        revoked=batch.revoked,
    )


class RedeemedView(msgspec.Struct, frozen=True, kw_only=True):
    """What of a batch was redeemed so far; a batch of which nothing was is not told."""

    batch_id: EntityId
    uses: int
    amount: str
    tenants: int
    """How many tenants have redeemed at least one."""
    last_at: dt.datetime


class RedemptionView(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a code. The code itself is not stored; who has it finds it by its hash."""

    position: int
    batch_id: EntityId
    code_sha256: str
    tenant_id: TenantId
    user_id: EntityId
    grant_id: EntityId
    amount: str
    at: dt.datetime


class Redemption(Body, frozen=True, kw_only=True):
    """A code, however its letters and dashes were typed."""

    code: Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
