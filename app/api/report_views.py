"""What the reports of the API look like. Cost and margin are null for everybody but the operator."""

import datetime as dt
from collections.abc import Mapping
from typing import Any

import msgspec

from app.api.schemas.common import Amount
from app.api.schemas.rate_cards import PriceBody
from app.reports.explain import RefusalUnit
from app.reports.log import id_of
from domain.money import format_amount
from domain.reports.statement import Statement


class Quantities(msgspec.Struct, frozen=True, kw_only=True):
    """What was consumed: tokens by class, and what is counted otherwise."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    cache_write_1h_tokens: int
    audio_input_tokens: int
    image_input_tokens: int
    output_tokens: int
    reasoning_tokens: int
    audio_output_tokens: int
    image_output_tokens: int
    images: int
    milliseconds: int
    characters: int
    searches: int


class UsageSums(Quantities, frozen=True, kw_only=True):
    """Sums over requests. `requests` were answered and charged; the others were not, and are not among them."""

    requests: int
    voids: int
    expired: int
    refusals: int
    failed_attempts: int
    adjustments: int
    charged: Amount
    allowance: Amount
    cost: Amount | None
    margin: Amount | None
    latency_milliseconds: int | None
    """On average."""
    first_byte_milliseconds: int | None
    """On average, of those that have one."""


class UsageGroupView(msgspec.Struct, frozen=True, kw_only=True):
    """One group in one bucket."""

    bucket: int
    """The index in `buckets`."""
    keys: dict[str, str]
    """By dimension; `(rest)` stands for all groups that are not among the top ones."""
    sums: UsageSums


class BucketView(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of time."""

    starts_at: dt.datetime
    ends_at: dt.datetime


class UsageView(msgspec.Struct, frozen=True, kw_only=True):
    """Usage over time. A bucket with nothing in it has no row."""

    zone: str
    currency: str
    buckets: tuple[BucketView, ...]
    rows: tuple[UsageGroupView, ...]


class LogRow(Quantities, frozen=True, kw_only=True):
    """One row of the log: how a request ended, a failed attempt, an adjustment, or refusals of a few seconds."""

    id: str
    tenant_id: int
    lane: int
    position: int
    at: dt.datetime
    state: str
    """`captured`, `voided`, `expired`, `adjusted`, `attempt_failed` or `refused`."""
    request_id: str | None
    token_id: str | None
    user_id: str | None
    surface: str
    stream: bool
    cached: bool
    model_asked: str
    model_routed: str
    model_billed: str
    channel_id: str | None
    vendor: str | None
    tags: tuple[str, ...]
    outcome: str
    status: int
    code: str
    basis: str
    attempts: int
    count: int
    latency_milliseconds: int | None
    first_byte_milliseconds: int | None
    charged: Amount
    allowance: Amount
    overrun: Amount
    cost: Amount | None
    margin: Amount | None
    multiplier: str
    card_id: str | None
    card_version: int
    limit_name: str
    needed: int
    limit: int


class LogView(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the request log, the newest first."""

    items: tuple[LogRow, ...]
    next: str | None
    """What to send as `after` for the next part; null at the end. A part may be short, even empty, and have one."""
    searched_to: dt.datetime
    """Everything from this moment on has been looked at."""


class WalletView(msgspec.Struct, frozen=True, kw_only=True):
    """What one tenant had."""

    tenant_id: int
    balance: Amount
    held: Amount | None


class LiabilitiesView(msgspec.Struct, frozen=True, kw_only=True):
    """Balances at a moment."""

    at: dt.datetime
    currency: str
    unspent: Amount
    """Credit that was there and not spent: what the operator owed in use."""
    owed: Amount
    """What tenants owed the operator."""
    tenants: int
    wallets: tuple[WalletView, ...]


class CreditLineView(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that came, lapsed or was taken back."""

    at: dt.datetime
    lane: int
    position: int
    kind: str
    source: str
    amount: Amount
    grant_id: str
    reference: str


class ModelLineView(msgspec.Struct, frozen=True, kw_only=True):
    """What one model's use came to."""

    model: str
    requests: int
    adjustments: int
    input_tokens: int
    output_tokens: int
    charged: Amount


class DayLineView(msgspec.Struct, frozen=True, kw_only=True):
    """A day on which the balance moved, with the balance at its end."""

    day: str
    credited: Amount
    charged: Amount
    balance: Amount


class StatementView(msgspec.Struct, frozen=True, kw_only=True):
    """A period: opening + credited - charged = closing."""

    tenant_id: int
    period: str
    closed: bool
    closed_at: dt.datetime | None
    sha256: str | None
    """Of the statement as it is stored; null while the period is open."""
    starts_at: dt.datetime
    ends_at: dt.datetime
    zone: str
    currency: str
    opening: Amount
    credited: Amount
    charged: Amount
    closing: Amount
    credits: tuple[CreditLineView, ...]
    models: tuple[ModelLineView, ...]
    days: tuple[DayLineView, ...]


class StatementLine(msgspec.Struct, frozen=True, kw_only=True):
    """A closed statement in the list."""

    period: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    closing: Amount
    sha256: str
    closed_at: dt.datetime


class StatementList(msgspec.Struct, frozen=True, kw_only=True):
    """The closed statements of a tenant, the latest first."""

    items: tuple[StatementLine, ...]


class FactorView(msgspec.Struct, frozen=True, kw_only=True):
    """One meter of a charge."""

    meter: str
    quantity: int
    price: str
    per: int
    subtotal_nanos: str


class ChargeView(msgspec.Struct, frozen=True, kw_only=True):
    """A charge, computed again from what was stored with it, and from the card as it was published."""

    request_id: str
    tenant_id: int
    charged: Amount
    from_factors: Amount
    factors_match: bool
    from_card: Amount | None
    """Null if the card's version is not there any more."""
    card_matches: bool | None
    card_id: str
    card_version: int
    multiplier: str
    rounding: str
    exact_nanos: str
    paid_by_allowance: bool
    lines: tuple[FactorView, ...]
    text: tuple[str, ...]


class RefusalView(msgspec.Struct, frozen=True, kw_only=True):
    """Why requests were refused: the numbers that were in the way."""

    tenant_id: int
    position: int
    at: dt.datetime
    reason: str
    count: int
    first_at: str
    last_at: str
    token_id: str | None
    model_asked: str
    limit_name: str
    """`wallet`, or the limit in words: what it counts, whose it is, the window."""
    unit: RefusalUnit
    needed: int
    """What the last request might have taken of it."""
    limit: int
    """Of a wallet: what was left in it."""
    used: int | None
    """What had been used in the limit's window by then; what requests under way held comes on top."""
    text: tuple[str, ...]


class PriceAtView(msgspec.Struct, frozen=True, kw_only=True):
    """What a model cost at a moment, before and after the multiplier."""

    at: dt.datetime
    model: str
    card_id: str | None
    card_version: int | None
    effective_from: dt.datetime | None
    price: PriceBody | None
    """Null: it had none."""
    multiplier: str
    multiplier_id: str | None
    user_group: str
    channel_group: str


class WhatIfRow(msgspec.Struct, frozen=True, kw_only=True):
    """One tenant's use of one model."""

    tenant_id: int
    model: str
    requests: int
    charged: Amount
    rerated: Amount | None
    """Null: the draft has no price for the model."""
    difference: Amount | None


class WhatIfView(msgspec.Struct, frozen=True, kw_only=True):
    """A past range under another card, the largest differences first."""

    card_id: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    charged: Amount
    """Of the models that the draft prices."""
    rerated: Amount
    unpriced: int
    rounding_bound: Amount
    rows: tuple[WhatIfRow, ...]


_SAME = tuple(
    name
    for name in UsageSums.__struct_fields__
    if name not in {"charged", "allowance", "cost", "margin", "latency_milliseconds", "first_byte_milliseconds"}
)


def sums_view(sums: Mapping[str, int], *, with_cost: bool) -> UsageSums:
    """Give sums as the API shows them."""
    charged, cost = sums["captured_nanos"], sums["cost_nanos"]
    return UsageSums(
        **{name: sums[name] for name in _SAME},
        charged=format_amount(charged),
        allowance=format_amount(sums["allowance_nanos"]),
        cost=format_amount(cost) if with_cost else None,
        margin=format_amount(charged - cost) if with_cost else None,
        latency_milliseconds=sums["latency_milliseconds"] // sums["latencies"] if sums["latencies"] else None,
        first_byte_milliseconds=(
            sums["first_byte_milliseconds"] // sums["first_bytes"] if sums["first_bytes"] else None
        ),
    )


def log_row(row: Any, vendors: Mapping[str, str], *, with_cost: bool) -> LogRow:
    """Give a row of the log as the API shows it."""
    charged, cost = row["captured_nanos"], row["cost_nanos"]
    return LogRow(
        id=id_of(row),
        at=row["recorded_at"],
        request_id=str(row["request_id"]) if row["request_id"] is not None else None,
        token_id=row["token_id"] or None,
        user_id=row["user_id"] or None,
        channel_id=row["channel_id"] or None,
        vendor=vendors.get(row["channel_id"]),
        tags=tuple(row["tags"]),
        charged=format_amount(charged),
        allowance=format_amount(row["allowance_nanos"]),
        overrun=format_amount(row["overrun_nanos"]),
        cost=format_amount(cost) if with_cost else None,
        margin=format_amount(charged - cost) if with_cost else None,
        multiplier=f"{row['multiplier']:f}",
        card_id=row["card_id"] or None,
        limit=row["limit_amount"],
        **{name: row[name] for name in _PLAIN},
    )


_PLAIN = (
    "tenant_id", "lane", "position", "state", "surface", "stream", "cached", "model_asked", "model_routed",
    "model_billed", "outcome", "status", "code", "basis", "attempts", "count", "latency_milliseconds",
    "first_byte_milliseconds", "card_version", "limit_name", "needed", *Quantities.__struct_fields__,
)  # fmt: skip


def statement_view(statement: Statement, closed_at: dt.datetime | None, sha256: str | None) -> StatementView:
    """Give a statement as the API shows it."""
    return StatementView(
        tenant_id=statement.tenant_id,
        period=statement.period,
        closed=closed_at is not None,
        closed_at=closed_at,
        sha256=sha256,
        starts_at=statement.starts_at,
        ends_at=statement.ends_at,
        zone=statement.zone,
        currency=statement.currency,
        opening=format_amount(statement.opening_nanos),
        credited=format_amount(statement.credited_nanos),
        charged=format_amount(statement.charged_nanos),
        closing=format_amount(statement.closing_nanos),
        credits=tuple(
            CreditLineView(
                at=each.at,
                lane=each.lane,
                position=each.position,
                kind=each.kind,
                source=each.source,
                amount=format_amount(each.amount_nanos),
                grant_id=each.grant_id,
                reference=each.reference,
            )
            for each in statement.credits
        ),
        models=tuple(
            ModelLineView(
                model=each.model,
                requests=each.requests,
                adjustments=each.adjustments,
                input_tokens=each.input_tokens,
                output_tokens=each.output_tokens,
                charged=format_amount(each.charged_nanos),
            )
            for each in statement.models
        ),
        days=tuple(
            DayLineView(
                day=each.day,
                credited=format_amount(each.credited_nanos),
                charged=format_amount(each.charged_nanos),
                balance=format_amount(each.balance_nanos),
            )
            for each in statement.days
        ),
    )
