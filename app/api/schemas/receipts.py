"""Receipts of requests as the API gives them."""

import datetime as dt
from typing import Literal

import msgspec

from domain.ids import EntityId, TenantId
from domain.metering.usage import TokenUsage


class EntryView(msgspec.Struct, frozen=True, kw_only=True):
    """What an event did to an account, in the account's own unit: nano-units for money."""

    account: str
    posted: int
    held: int


class LimitView(msgspec.Struct, frozen=True, kw_only=True):
    """A limit that the request was checked against; amounts in the limit's own unit."""

    name: str
    amount: int
    limit: int | None


class RoutingView(msgspec.Struct, frozen=True, kw_only=True):
    """How the channels to try were chosen."""

    mode: str
    policy_id: EntityId | None
    arm: str | None
    candidates: tuple[EntityId, ...]
    """In the order of trying, where there was more than one."""
    fell_out: dict[EntityId, str]
    """Why each other channel that serves the model was none."""


class ReceiptHold(msgspec.Struct, frozen=True, kw_only=True):
    """What was asked, and what was set aside for it."""

    event_id: str
    at: dt.datetime
    surface: str
    stream: bool
    model_asked: str
    model_billed: str
    token_id: EntityId
    user_id: EntityId
    authorized: str
    allowance: str
    prompt_tokens_upper: int
    output_tokens_max: int
    output_limit_lowered: bool
    user_group: str
    channel_group: str
    tags: tuple[str, ...]
    limits: tuple[LimitView, ...]
    routing: RoutingView | None
    """For the operator's eyes only."""
    entries: tuple[EntryView, ...]


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    """One call to one vendor."""

    channel_id: EntityId
    model_routed: str
    outcome: str
    status: int
    code: str
    began_milliseconds: int | None
    """From the request's arrival to this call: before the first one that is the admission. Null where unrecorded."""
    latency_milliseconds: int
    first_byte_milliseconds: int | None
    cost: str | None
    """What the vendor charges the operator; for the operator's eyes only."""


class ReceiptEnd(msgspec.Struct, frozen=True, kw_only=True):
    """How the request ended."""

    event_id: str
    type: str
    at: dt.datetime
    actor: str
    reason: str | None
    outcome: str | None
    basis: str | None
    usage: TokenUsage | None
    cached: bool
    """The gateway had the answer already: no vendor was asked."""
    overrun: str
    entries: tuple[EntryView, ...]


class PriceLine(msgspec.Struct, frozen=True, kw_only=True):
    """One meter of the charge."""

    meter: str
    quantity: int
    price: str
    per: int
    subtotal_nanos: str


class PriceView(msgspec.Struct, frozen=True, kw_only=True):
    """The charge, all its factors, and the proof that they make it."""

    charged: str
    recomputed: str
    matches: bool
    exact_nanos: str
    rounding: str
    multiplier: str
    multiplier_id: EntityId | None
    card_id: EntityId
    card_version: int
    input_tokens_from: int
    paid_by_allowance: bool
    lines: tuple[PriceLine, ...]


class AdjustmentView(msgspec.Struct, frozen=True, kw_only=True):
    """Usage that turned up after the end."""

    event_id: str
    at: dt.datetime
    charged: str
    reason: str
    basis: str
    usage: TokenUsage
    entries: tuple[EntryView, ...]


class BurnView(msgspec.Struct, frozen=True, kw_only=True):
    """What one grant, or the credit line, paid."""

    account: str
    amount: str


class ReceiptView(msgspec.Struct, frozen=True, kw_only=True):
    """All that the log knows of one request."""

    request_id: str
    tenant_id: TenantId
    state: Literal["held", "captured", "voided", "expired"]
    currency: str
    hold: ReceiptHold
    attempts: tuple[AttemptView, ...]
    end: ReceiptEnd | None
    price: PriceView | None
    adjustments: tuple[AdjustmentView, ...]
    burnt: tuple[BurnView, ...]
    text: tuple[str, ...]
