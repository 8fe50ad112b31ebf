"""What `usage.py` reads of each event: decoding few fields takes a fraction of the time of the whole."""

from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import msgspec

from domain.metering.usage import TokenCounts


class Usage(TokenCounts, gc=False, frozen=True):
    """What a call consumed; its fields are in the order of the tables' columns."""

    images: int = 0
    milliseconds: int = 0
    characters: int = 0
    searches: int = 0
    image_variant: str = ""

    def counts(self) -> tuple[int, ...]:
        """Give the quantities."""
        counts: tuple[int, ...] = _counts(self)
        return counts


METERS: Final = tuple(name for name in Usage.__struct_fields__ if name != "image_variant")
"""The columns of quantities."""
_counts: Final = attrgetter(*METERS)

NO_USAGE: Final = Usage()


class Attempt(msgspec.Struct, gc=False):
    channel_id: str
    model_routed: str = ""
    outcome: str = ""
    status: int = 0
    code: str = ""
    latency_milliseconds: int = 0
    first_byte_milliseconds: int | None = None
    cost_nanos: int = 0


class Factors(msgspec.Struct, gc=False):
    multiplier: Decimal = Decimal(1)


class Captured(msgspec.Struct, gc=False):
    hold_id: str
    captured_nanos: int
    basis: str
    usage: Usage
    factors: Factors
    token_id: str
    user_id: str
    surface: str
    model_asked: str
    model_routed: str
    model_billed: str
    channel_id: str
    card_id: str
    card_version: int
    outcome: str
    attempt: Attempt
    allowance_nanos: int = 0
    overrun_nanos: int = 0
    stream: bool = False
    multiplier_id: str | None = None
    attempts: int = 1
    tags: tuple[str, ...] = ()
    cached: bool = False


class Adjusted(msgspec.Struct, gc=False):
    hold_id: str
    charged_nanos: int
    reason: str
    basis: str
    usage: Usage
    factors: Factors
    token_id: str
    user_id: str
    model_asked: str
    model_billed: str
    channel_id: str
    card_id: str
    card_version: int


class Voided(msgspec.Struct, gc=False):
    hold_id: str
    reason: str
    token_id: str
    user_id: str
    model_asked: str
    attempts: int = 0
    attempt: Attempt | None = None


class Expired(msgspec.Struct, gc=False):
    hold_id: str


class FailedAttempt(msgspec.Struct, gc=False):
    hold_id: str
    number: int
    attempt: Attempt


class Refused(msgspec.Struct, gc=False):
    token_id: str | None
    reason: str
    count: int
    model_asked: str = ""
    limit_name: str = ""
    needed: int = 0
    limit: int = 0


class Authorized(msgspec.Struct, gc=False):
    """What a hold says of its request; empty where there is no hold."""

    token_id: str = ""
    user_id: str = ""
    surface: str = ""
    stream: bool = False
    model_asked: str = ""
    model_billed: str = ""
    card_id: str = ""
    card_version: int = 0
    multiplier: Decimal = Decimal(1)
    multiplier_id: str | None = None
    tags: tuple[str, ...] = ()


class Granted(msgspec.Struct, gc=False):
    grant_id: str
    kind: str
    source: str
    amount_nanos: int
    currency: str = "USD"
    reference: str = ""
    reason: str = ""

    def terms(self) -> tuple[Any, ...]:
        """Give the columns of the credit log from `source` on."""
        return (
            self.source,
            self.grant_id,
            self.kind,
            self.amount_nanos,
            self.currency,
            self.reference,
            self.reason,
        )


class Redeemed(msgspec.Struct, gc=False):
    grant: Granted


class Lapsed(msgspec.Struct, gc=False):
    """The amount is in the event's effects."""

    grant_id: str


class CreditTaken(msgspec.Struct, gc=False):
    amount_nanos: int
    reason: str = ""
    reference: str = ""
