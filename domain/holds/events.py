"""What happens to a request's money, as stored.

Prompts, completions and tool arguments are in none of these; a vendor's error is reduced to its kind and code.
"""

from decimal import Decimal
from typing import Literal

import msgspec

from domain.admin.entities import RoutingMode
from domain.ids import EntityId, HoldId
from domain.metering.usage import Basis, TokenUsage
from domain.pricing.charge import ChargeFactors
from domain.relay.call import Surface

Outcome = Literal[
    "completed",
    "client_gone",
    "vendor_error",
    "interrupted",
    "refused_by_vendor",
    "timeout",
    "connect",
    "protocol",
    "hedge_lost",
]
"""How a call to a vendor ended. `interrupted`: this process was stopped, or died and found it in its journal.
`hedge_lost`: two vendors were asked, and the other one was first."""


class LimitHeld(msgspec.Struct, frozen=True, omit_defaults=True):
    """One limit that a hold was checked against, and counts on."""

    name: str
    """The account in words, window included: `budget.token.money.day:<id>:2026-11-23`."""
    amount: int
    limit: int | None = None
    """None: counted, and not limited."""


class RoutingNote(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How the channels to try were chosen."""

    mode: RoutingMode = "weighted"
    policy_id: EntityId | None = None
    arm: str = ""
    """Of the policy's experiment."""
    candidates: tuple[EntityId, ...] = ()
    """In the order of trying."""
    fell_out: dict[EntityId, str] = {}
    """Why each other channel that serves the model is none."""


class HoldAuthorized(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Credit for the worst case of one request was set aside; nothing has been asked of a vendor yet."""

    hold_id: HoldId
    token_id: EntityId
    user_id: EntityId
    surface: Surface
    stream: bool = False
    model_asked: str
    model_billed: str
    authorized_nanos: int
    """Set aside in the wallet, at the multiplier below."""
    allowance_nanos: int = 0
    """Set aside in the group's free allowance, at list price, when the multiplier is 0."""
    prompt_tokens_upper: int
    """More tokens than the prompt can have."""
    output_tokens_max: int
    """The limit sent to the vendor, for all choices together."""
    output_limit_lowered: bool = False
    """The client asked for more, or for no limit, and the wallet covers only this."""
    currency: str = "USD"
    card_id: EntityId
    card_version: int
    multiplier: Decimal = Decimal(1)
    multiplier_id: EntityId | None = None
    """The matrix entry that won; None for the default of 1."""
    user_group: str = "default"
    channel_group: str = "default"
    timeout_seconds: int
    limits: tuple[LimitHeld, ...] = ()
    tags: tuple[str, ...] = ()
    node: str = ""
    routing: RoutingNote | None = None


class Attempt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One call to one vendor."""

    channel_id: EntityId
    model_routed: str
    outcome: Outcome
    status: int = 0
    """The vendor's HTTP status, 0 where there was none."""
    code: str = ""
    """The vendor's error code, or our name for the fault."""
    began_milliseconds: int | None = None
    """From the request's arrival at its node to this call; None where that was not recorded. Before the first call it
    is the admission: who asks, what it may cost, and the hold."""
    latency_milliseconds: int = 0
    first_byte_milliseconds: int | None = None
    """Counted from the beginning of this call, as the latency is."""
    cost_nanos: int = 0
    """What the vendor charges the operator, by the channel's cost card (list price where it has none)."""


class AttemptFailed(msgspec.Struct, frozen=True, kw_only=True):
    """A vendor failed before the client had a byte; the next channel, if there is one, is tried."""

    hold_id: HoldId
    number: int
    """1 for the first attempt of the request."""
    attempt: Attempt


class HoldCaptured(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The final price was taken; the rest of the hold went back. Holds every factor of the price."""

    hold_id: HoldId
    captured_nanos: int
    """Nano-units taken from the wallet, the overrun included."""
    allowance_nanos: int = 0
    """Nano-units at list price taken from the free allowance."""
    overrun_nanos: int = 0
    """The part above what was authorized: what a vendor metered is owed, and flagged."""
    basis: Basis
    usage: TokenUsage
    usage_adjusted: bool = False
    """The vendor's numbers contradicted each other and were made a partition."""
    factors: ChargeFactors
    token_id: EntityId
    user_id: EntityId
    surface: Surface
    stream: bool = False
    model_asked: str
    model_routed: str
    model_billed: str
    channel_id: EntityId
    currency: str = "USD"
    card_id: EntityId
    card_version: int
    multiplier_id: EntityId | None = None
    outcome: Outcome
    attempt: Attempt
    attempts: int = 1
    tags: tuple[str, ...] = ()
    cached: bool = False
    """An answer that the gateway had already: no vendor was asked."""


class HoldVoided(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Nothing was taken: the client got nothing, or the vendor says that it used nothing."""

    hold_id: HoldId
    reason: str
    """A stable code: `vendor_failed`, `client_gone_early`, `no_channel`, `stopped`."""
    token_id: EntityId
    user_id: EntityId
    model_asked: str
    attempts: int = 0
    attempt: Attempt | None = None


class HoldExpired(msgspec.Struct, frozen=True, kw_only=True):
    """The hold's deadline passed with no word from its node; nothing was taken."""

    hold_id: HoldId


class UsageAdjusted(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Usage that turned up after the hold had ended; never a second terminal."""

    hold_id: HoldId
    charged_nanos: int
    """Taken from the wallet, its credit line included."""
    reason: str
    basis: Basis
    usage: TokenUsage
    factors: ChargeFactors
    token_id: EntityId
    user_id: EntityId
    model_asked: str
    model_billed: str
    channel_id: EntityId
    card_id: EntityId
    card_version: int


class RequestsRefused(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Requests that were refused at the door, coalesced: a flood of them must not be a flood of events."""

    token_id: EntityId | None
    reason: str
    """The error code that the client saw."""
    count: int
    first_at: str
    last_at: str
    model_asked: str = ""
    """Of the last one."""
    limit_name: str = ""
    """The limit in the way, for the last one."""
    needed: int = 0
    limit: int = 0
