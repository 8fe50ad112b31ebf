"""Movements of money and balances as the API takes and gives them."""

import datetime as dt
from typing import Annotated, Literal

import msgspec

from app.api.schemas.common import Amount, Body, Reasoned, Reference
from domain.grants.events import GrantKind
from domain.ids import EntityId, TenantId


class TopUp(Reasoned, frozen=True, kw_only=True):
    """Money that was paid in."""

    amount: Amount
    reference: Reference = ""
    """The operator's payment or invoice number."""


class NewGrant(Reasoned, frozen=True, kw_only=True):
    """Credit, on terms of its own."""

    amount: Amount
    kind: GrantKind
    priority: Annotated[int, msgspec.Meta(ge=0, le=100)] = 50
    """0 burns first, 100 last; among equals the one that expires first, then the older."""
    expires_at: dt.datetime | None = None
    reference: Reference = ""


class Adjustment(Body, frozen=True, kw_only=True):
    """Credit to be taken back, in burn order."""

    amount: Amount
    strict: bool = True
    """Refuse what the wallet does not cover; otherwise the rest becomes a debt."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]
    reference: Reference = ""


class MovementView(msgspec.Struct, frozen=True, kw_only=True):
    """What a movement of money did."""

    event_id: str
    amount: str
    balance: str
    """What the wallet could spend at once afterwards."""
    grant_id: EntityId | None
    expires_at: str | None


class Refund(Body, frozen=True, kw_only=True):
    """Credit given back for a request that was charged; it burns like what was paid in."""

    amount: Amount
    request_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    """What it is for; no more than was charged for it is given back at once."""
    reason: Annotated[str, msgspec.Meta(min_length=1, max_length=1000, pattern=r"^[^\x00]+$")]


class MovementRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that was given, lapsed or taken back."""

    event_id: str
    position: int
    """In the tenant's lane of the log."""
    at: dt.datetime
    kind: Literal["granted", "redeemed", "lapsed", "adjusted"]
    source: Literal["top_up", "redemption", "allowance", "adjustment", "refund", ""]
    """Where granted credit came from; empty for what was taken or has lapsed."""
    amount: str
    """What it did to the wallet: below zero for what was taken or has lapsed."""
    currency: str
    grant_id: str | None
    grant_kind: str | None
    reference: str
    reason: str
    actor: str


class RecordedMovementView(MovementRecord, frozen=True, kw_only=True):
    """A movement of a wallet."""

    balance: str
    """Of the wallet right after it, what was spent meanwhile included."""


class TenantMovementView(MovementRecord, frozen=True, kw_only=True):
    """A movement in the list over all tenants."""

    tenant_id: TenantId


class GrantView(msgspec.Struct, frozen=True, kw_only=True):
    """What is left of a grant."""

    id: EntityId
    kind: str
    remaining: str
    held: str
    priority: int
    expires_at: dt.datetime | None
    granted_at: dt.datetime


class HoldView(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that is set aside for a request under way."""

    request_id: str
    held: str
    expires_at: dt.datetime
    token_id: EntityId | None
    user_id: EntityId | None
    model: str


class SpendView(msgspec.Struct, frozen=True, kw_only=True):
    """What a token or a member has spent in all."""

    id: EntityId
    name: str
    spent: str
    held: str


class BalanceView(msgspec.Struct, frozen=True, kw_only=True):
    """A wallet, straight from the ledger."""

    tenant_id: TenantId
    currency: str
    balance: str
    held: str
    available: str
    """What a new request can hold: balance minus held, plus what may still be owed."""
    owed: str
    credit_limit: str
    grants: tuple[GrantView, ...]
    """In the order in which they burn."""
    holds: tuple[HoldView, ...]
    """The hundred that expire first."""
    holds_open: int
    tokens: tuple[SpendView, ...]
    """The newest hundred."""
    users: tuple[SpendView, ...]
