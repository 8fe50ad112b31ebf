"""Double entry: what an event moved, wallet against counter-account, so that each event's postings sum to zero.

The wallet's side is what the ledger did, from the event's effects on accounts. The other side is what the event's own
body says. They come from different places, so that a difference is found.

    event                       wallet     counter-account
    credit granted, redeemed    +amount    cash, promotions, allowances, refunds or corrections, by source and kind
    credit lapsed               -rest      breakage
    credit adjusted             -amount    corrections
    hold captured               -captured  revenue
    usage adjusted              -charged   revenue
    all others                  0
"""

from collections.abc import Iterable
from typing import Any, Final, Literal

import msgspec

from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.holds.events import HoldCaptured, UsageAdjusted

Book = Literal["wallet", "cash", "promotions", "allowances", "refunds", "corrections", "breakage", "revenue"]

_DEFAULT_CURRENCY: Final = "USD"


class Posting(msgspec.Struct, frozen=True):
    """An amount that an account was given, or below zero lost."""

    book: Book
    currency: str
    amount_nanos: int


def postings(value: Any, wallet_effects: Iterable[int]) -> tuple[Posting, ...]:
    """Give the postings of an event; `wallet_effects` is what it did to `posted` of the wallet's members."""
    wallet = sum(wallet_effects)
    currency = _currency(value)
    book, amount = _counter(value, wallet)
    made = (Posting("wallet", currency, wallet), Posting(book, currency, amount))
    return tuple(posting for posting in made if posting.amount_nanos)


def unbalanced(made: Iterable[Posting]) -> dict[str, int]:
    """Give by currency what postings do not sum to zero by; empty for what is in order."""
    sums: dict[str, int] = {}
    for posting in made:
        sums[posting.currency] = sums.get(posting.currency, 0) + posting.amount_nanos
    return {currency: amount for currency, amount in sums.items() if amount}


def _counter(value: Any, wallet: int) -> tuple[Book, int]:
    match value:
        case HoldCaptured(captured_nanos=amount) | UsageAdjusted(charged_nanos=amount):
            return "revenue", amount
        case CreditGranted():
            return _source(value), -value.amount_nanos
        case CodeRedeemed():
            return _source(value.grant), -value.grant.amount_nanos
        case CreditAdjusted():
            return "corrections", value.amount_nanos
        case CreditLapsed():
            # The body has no amount: whatever was left is breakage, and only a rest can be left.
            return "breakage", max(0, -wallet)
        case _:
            return "corrections", 0


def _source(grant: CreditGranted) -> Book:
    by_source: dict[str, Book] = {"refund": "refunds", "adjustment": "corrections"}
    by_kind: dict[str, Book] = {"promotional": "promotions", "allowance": "allowances", "paid": "cash"}
    return by_source.get(grant.source) or by_kind[grant.kind]


def _currency(value: Any) -> str:
    match value:
        case HoldCaptured() | CreditGranted():
            return value.currency
        case CodeRedeemed():
            return value.grant.currency
        case _:
            return _DEFAULT_CURRENCY
