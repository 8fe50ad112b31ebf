"""What happens to the credit of a wallet, as stored."""

from typing import Literal

import msgspec

from domain.ids import EntityId

GrantKind = Literal["paid", "promotional", "allowance"]
Source = Literal["top_up", "redemption", "allowance", "adjustment", "refund"]


class CreditGranted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A wallet has a new grant. What the credit line owed was repaid from it first."""

    grant_id: EntityId
    kind: GrantKind
    source: Source
    amount_nanos: int
    currency: str = "USD"
    priority: int = 50
    """0 burns first, 100 last; among equals the one that expires first, then the older."""
    expires_at: str | None = None
    reference: str = ""
    """The operator's payment or invoice number, or the redemption's id."""
    reason: str = ""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class CreditLapsed(msgspec.Struct, frozen=True, kw_only=True):
    """A grant expired; what nobody held is breakage. The amount is the event's effect on the grant's account."""

    grant_id: EntityId


class CreditAdjusted(msgspec.Struct, frozen=True, kw_only=True):
    """The operator took credit back, in burn order."""

    amount_nanos: int
    """Taken; above zero."""
    reason: str
    reference: str = ""
    strict: bool = True
    """Refused unless the wallet covered it; otherwise the rest is owed on the credit line."""
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class CodeClaimed(msgspec.Struct, frozen=True, kw_only=True):
    """One use of a redemption code was taken for a tenant; its credit follows, under the id derived from this one."""

    batch_id: EntityId
    code_hash: str
    tenant_id: int
    user_id: EntityId
    grant_id: EntityId
    amount_nanos: int
    kind: GrantKind = "promotional"
    priority: int = 50
    expires_at: str | None = None
    address: str = ""
    """Whence it was asked for; empty where that is not known."""


class CodeRedeemed(msgspec.Struct, frozen=True, kw_only=True):
    """A redemption code became a grant: the tenant's side of a claim, with the grant's terms."""

    claim_id: str
    batch_id: EntityId
    user_id: EntityId
    grant: CreditGranted
    address: str = ""
    """As the claim has it."""
