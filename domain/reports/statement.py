"""What a statement says: a period's movements from an opening to a closing balance."""

import datetime as dt
import hashlib
from collections.abc import Sequence

import msgspec

from domain.ids import TenantId


class CreditLine(msgspec.Struct, frozen=True, kw_only=True):
    """Credit that came, lapsed or was taken back."""

    at: dt.datetime
    lane: int
    position: int
    """Of its event in the lane."""
    kind: str
    source: str
    amount_nanos: int
    """What it did to the balance."""
    grant_id: str = ""
    reference: str = ""


class ModelLine(msgspec.Struct, frozen=True, kw_only=True):
    """What one model's use came to."""

    model: str
    requests: int
    adjustments: int
    input_tokens: int
    output_tokens: int
    charged_nanos: int


class DayLine(msgspec.Struct, frozen=True, kw_only=True):
    """A day of the tenant's calendar on which the balance moved."""

    day: str
    credited_nanos: int
    charged_nanos: int
    balance_nanos: int
    """At its end."""


class Statement(msgspec.Struct, frozen=True, kw_only=True):
    """A period of one tenant. Once the period is over it never changes: what is late is in the period that is open."""

    tenant_id: TenantId
    period: str
    """The month that it ends in: `2026-11`."""
    starts_at: dt.datetime
    ends_at: dt.datetime
    zone: str
    currency: str
    opening_nanos: int
    credited_nanos: int
    charged_nanos: int
    closing_nanos: int
    """Opening + credited - charged; what the wallet's accounts held by then."""
    credits: tuple[CreditLine, ...]
    models: tuple[ModelLine, ...]
    days: tuple[DayLine, ...]


class DayMoves(msgspec.Struct, frozen=True):
    """What moved on one day, to be put into a running balance."""

    day: str
    credited_nanos: int
    charged_nanos: int


def running(opening_nanos: int, days: Sequence[DayMoves]) -> tuple[DayLine, ...]:
    """Give the days on which something moved, with the balance at the end of each."""
    balance, lines = opening_nanos, []
    for day in days:
        balance += day.credited_nanos - day.charged_nanos
        if day.credited_nanos or day.charged_nanos:
            lines.append(
                DayLine(
                    day=day.day,
                    credited_nanos=day.credited_nanos,
                    charged_nanos=day.charged_nanos,
                    balance_nanos=balance,
                )
            )
    return tuple(lines)


def seal(statement: Statement) -> tuple[bytes, str]:
    """Give the bytes that are kept, and their SHA-256."""
    body = msgspec.json.encode(statement)
    return body, hashlib.sha256(body).hexdigest()
