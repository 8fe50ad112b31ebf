"""What can be asked of the ledger core, and what it answers.

The core knows accounts, amounts and order, and nothing of prices, models or groups. The same rules stand three times:
here as words, in `domain.ledger.model` as Python, in migrations/0002_apply.sql as the function that runs.
"""

import enum
import hashlib

import msgspec

from domain.ids import AccountId, EventId, HoldId, Lane, TenantId

NO_POOL = AccountId("00000000-0000-0000-0000-000000000000")
NO_FLOOR = -(2**63) + 1
AMOUNT_MAX = 10**18
"""No single amount is larger, and no account gets further from zero than twice this: sums cannot overflow 64 bits."""


_encode = msgspec.msgpack.Encoder().encode


class Kind(enum.IntEnum):
    """What a command does to holds."""

    HOLD = 1
    """Set amounts aside on every leg, or on none."""
    END = 2
    """End a hold: take what was used (nothing, for a void), give back the rest."""
    EXPIRE = 3
    """End a hold whose deadline has passed."""
    POST = 4
    """Change accounts at once; also an event that changes none."""


class Unit(enum.IntEnum):
    """What an account counts. A terminal names one amount per unit, and each exact leg of its hold takes its own."""

    MONEY = 0
    """Nano-units of the wallet's currency."""
    REQUESTS = 1
    TOKENS = 2
    ALLOWANCE = 3
    """Nano-units at list price, for use that a multiplier of 0 makes free."""
    SLOTS = 4
    """Requests in flight: held, never posted."""
    VERSION = 5
    """Changes of an administered thing, so that two people cannot change the same version."""


class Op(enum.IntEnum):
    """What a leg of a POST does to its account."""

    POST = 1
    """Add the amount; a negative one must leave `posted - held` at or above the floor."""
    EXPECT = 2
    """Refuse unless `posted` equals the floor field; then add the amount."""
    CLOSE = 3
    """Refuse every later hold."""
    OPEN = 4
    DRAIN = 5
    """Take all that is not held, once the account has expired: credit that lapses."""
    REPAY = 6
    """Move what the wallet's credit line owes from this account to it, as far as this account goes."""
    FLOOR = 7
    """Set how far the account may go below zero inside its pool: a credit limit, as a negative amount."""


class Code(enum.IntEnum):
    """The answer to one command. Only OK leaves an event behind."""

    OK = 0
    EXISTS = 1
    """The same command was accepted before; its position is the answer."""
    CONFLICT = 2
    """The id was used before with another body."""
    ENDED = 3
    """The hold has ended another way."""
    UNKNOWN_HOLD = 4
    UNKNOWN_ACCOUNT = 5
    CLOSED = 6
    EXPIRED = 7
    LIMIT = 8
    """A leg's floor is in the way; the answer names the leg."""
    INSUFFICIENT = 9
    """The wallet cannot cover the amount."""
    VERSION = 10
    UNKNOWN_LANE = 11
    RESEND = 12
    """The hold was made in the same batch: send the terminal again."""
    NOT_DUE = 13
    RANGE = 14
    BAD_DAY = 15
    """The event's id is dated more than a day ahead of the database's clock, or more than a week behind."""


class Leg(msgspec.Struct, frozen=True):
    """One account of a command."""

    account_id: AccountId
    amount: int = 0
    floor: int = NO_FLOOR
    """HOLD: `posted - held` may not fall below it. POST and EXPECT: see `Op`."""
    op: int = Op.POST
    """An `Op` in a POST; in a HOLD the account's `Unit`, which the terminal settles it by."""


class Opening(msgspec.Struct, frozen=True):
    """An account that a command opens if it is not there yet, and only if the command is accepted."""

    account_id: AccountId
    name: str
    """Kind, owner and window in words, for people: `budget.token:<id>:2026-11-23`."""
    unit: Unit
    expires_at: str = "infinity"
    """ISO time from which it takes no more holds and its rest lapses, or "infinity"."""
    purge_at: str = "infinity"
    """ISO time from which a window that nobody can touch any more may be deleted."""
    pool_id: AccountId = NO_POOL
    """The wallet that it is a member of."""
    credit_line: bool = False
    """The last member of a wallet: may go below zero, as far as its own floor for holds."""
    priority: int = 0
    """Burn order within a wallet: priority, then expiry, then age."""


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """One two-phase or one-phase transfer, and the event that records it."""

    tenant_id: TenantId
    lane: Lane
    kind: Kind
    event_id: EventId
    type: str
    """The event's stored name with its version."""
    data: bytes
    """The event's body as stored."""
    actor: str
    """Who: `token:<id>`, `user:<id>`, `system:<part>`."""
    correlation_id: str
    """The request or administrative call that this belongs to."""
    causation_id: str
    """The event that led to this one; its own id where nothing did."""
    hold_id: HoldId | None = None
    timeout_seconds: int = 0
    """HOLD: from when on it may be expired, counted on the database's clock."""
    pool_id: AccountId = NO_POOL
    strict: bool = True
    """Refuse what the wallet cannot cover. A HOLD is always strict; a correction of what happened need not be."""
    money_nanos: int = 0
    """HOLD: to set aside in the wallet. END and EXPIRE: taken. POST: to take from the wallet in burn order."""
    requests: int = 0
    tokens: int = 0
    allowance_nanos: int = 0
    legs: tuple[Leg, ...] = ()
    openings: tuple[Opening, ...] = ()

    def digest(self) -> int:
        """Give 64 bits that tell this body from another under the same id, as a signed integer."""
        amounts = (
            self.kind,
            self.pool_id,
            self.money_nanos,
            self.requests,
            self.tokens,
            self.allowance_nanos,
        )
        body = hashlib.blake2b(self.data, digest_size=8)
        body.update(_encode((self.type, amounts, self.legs)))
        return int.from_bytes(body.digest(), "big", signed=True)


class Answer(msgspec.Struct, frozen=True):
    """What the core said to one command."""

    code: Code
    leg: int = 0
    """The leg that a refusal is about, counted from 1; 0 when it is about none."""
    position: int = 0
    """Where the event stands in its lane, for OK and EXISTS (and ENDED: where the other terminal stands)."""
    recorded_at_micros: int = 0
    """Microseconds since 1970, on the database's clock."""
    balance_nanos: int = 0
    """What the command's wallet has left afterwards: posted minus held over its members."""
    left: tuple[int, ...] = ()
    """Of an accepted HOLD: what each leg may still take above its floor."""

    @property
    def accepted(self) -> bool:
        return self.code in {Code.OK, Code.EXISTS}
