"""What the log of a lane must satisfy, checked event by event, and at its end against the rows that it made.

Pure: whoever reads the log hands in events in order, then the rows as they were at the same moment. A finding names the
position at which it was seen first; those about rows name the last event that touched them.
"""

import bisect
import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple

import msgspec

from domain.admin.entities import Tenant
from domain.admin.events import Changed, Created, Restored
from domain.grants.events import CreditAdjusted
from domain.holds.events import (
    HoldAuthorized,
    HoldCaptured,
    HoldExpired,
    HoldVoided,
    LimitHeld,
    UsageAdjusted,
)
from domain.ids import account_id
from domain.money import format_amount
from domain.postings import postings, unbalanced
from domain.pricing.charge import ONE, ChargeFactors, reprice

Check = Literal[
    "readable",
    "positions",
    "time",
    "terminals",
    "accounts",
    "holds",
    "postings",
    "price",
    "overrun",
    "burn_order",
    "expiry",
    "wallet",
    "floor",
    "projection",
    "seal",
]

FINDINGS_MAX: Final = 50
"""Findings kept of one lane: the first ones tell, the rest follow from them."""


class Finding(msgspec.Struct, frozen=True, order=True):
    """Something that must not be."""

    tenant_id: int
    lane: int
    position: int
    """Of the event at which it shows first."""
    check: Check
    message: str


class LoggedEvent(msgspec.Struct, frozen=True, gc=False):
    """An event as the checks need it."""

    position: int
    type: str
    value: Any
    """None if it could not be decoded."""
    recorded_at: dt.datetime
    account_ids: Sequence[str]
    posted: Sequence[int]
    held: Sequence[int]


class AccountRow(msgspec.Struct, frozen=True, kw_only=True):
    """An account as the ledger has it."""

    account_id: str
    name: str
    posted: int
    held: int
    opened_at: dt.datetime
    expires_at: dt.datetime
    purge_at: dt.datetime
    pool_id: str | None = None
    credit_line: bool = False
    priority: int = 0
    pool_floor: int = 0

    @property
    def burn_key(self) -> "BurnKey":
        """Give the place in which it burns."""
        return BurnKey(self.credit_line, self.priority, self.expires_at, self.opened_at, self.account_id)


class HoldRow(msgspec.Struct, frozen=True):
    """An open hold as the ledger has it."""

    hold_id: str
    account_ids: Sequence[str]
    amounts: Sequence[int]


class BurnKey(NamedTuple):
    """The order in which the members of a wallet pay."""

    credit_line: bool
    priority: int
    expires_at: dt.datetime
    opened_at: dt.datetime
    account_id: str


class _Sum:
    """One account, as the log has it so far."""

    __slots__ = ("held", "position", "posted")

    def __init__(self, posted: int = 0, held: int = 0, position: int = 0) -> None:
        self.posted, self.held, self.position = posted, held, position


class OpenHold(msgspec.Struct, frozen=True):
    """A hold that the log has not ended yet."""

    authorized_nanos: int
    account_ids: Sequence[str]
    amounts: Sequence[int]


class LaneState(msgspec.Struct, frozen=True, kw_only=True):
    """A check of a lane that was broken off behind a position, to be gone on with later."""

    position: int = 0
    at: dt.datetime = dt.datetime.min.replace(tzinfo=dt.UTC)
    sums: dict[str, tuple[int, int, int]] = {}
    """Posted, held and the last position, by account."""
    open: dict[str, OpenHold] = {}
    windows: tuple[str, ...] = ()
    credit_limit_nanos: int = 0
    wallet_nanos: int = 0
    findings: tuple[Finding, ...] = ()


BEGINNING: Final = LaneState()


class LaneCheck:
    """Checks one lane: `event` for each event in order, then `finish`; `findings` has what was found."""

    def __init__(
        self, tenant_id: int, lane: int, accounts: Mapping[str, AccountRow], state: LaneState = BEGINNING
    ) -> None:
        """Take the lane's account rows, as of a moment up to which events will come; `refresh` takes later ones."""
        self.findings: list[Finding] = list(state.findings)
        self._tenant_id = tenant_id
        self._lane = lane
        self._sums: dict[str, _Sum] = {account: _Sum(*sums) for account, sums in state.sums.items()}
        self._open = dict(state.open)
        self._windows = set(state.windows)
        self._position = state.position
        self._at = state.at
        self._credit_limit_nanos = state.credit_limit_nanos
        self._wallet_nanos = state.wallet_nanos
        self.refresh(accounts)

    @property
    def position(self) -> int:
        """The last event that was checked."""
        return self._position

    def refresh(self, accounts: Mapping[str, AccountRow]) -> None:
        """Take the account rows as of a later moment: the events up to it come next."""
        self._rows = accounts
        self._members = {row.account_id: row.burn_key for row in accounts.values() if row.pool_id is not None}
        self._names = {row.name: row.account_id for row in accounts.values()}
        self._ready: list[BurnKey] = []
        for account, sums in self._sums.items():
            row = accounts.get(account)
            if row is not None and self._at < row.opened_at and row.purge_at.year < dt.MAXYEAR:
                # This window was purged meanwhile, and will be opened anew by an event that is still to come.
                self._sums[account] = _Sum()
            elif account in self._members:
                self._note_ready(self._members[account], sums)

    def state(self) -> LaneState:
        """Give what it takes to go on from here in another process."""
        return LaneState(
            position=self._position,
            at=self._at,
            sums={account: (each.posted, each.held, each.position) for account, each in self._sums.items()},
            open=dict(self._open),
            windows=tuple(sorted(self._windows)),
            credit_limit_nanos=self._credit_limit_nanos,
            wallet_nanos=self._wallet_nanos,
            findings=tuple(self.findings),
        )

    def event(self, event: LoggedEvent) -> None:
        """Check one event."""
        self._check_order(event)
        if event.value is None:
            self._find(event.position, "readable", f"the body of this {event.type} cannot be read")
        self._apply(event)
        self._check_postings(event)
        self._check_members(event)
        match event.value:
            case HoldAuthorized():
                self._authorized(event, event.value)
            case HoldCaptured() | HoldVoided() | HoldExpired():
                self._ended(event, event.value)
            case UsageAdjusted(factors=factors, charged_nanos=charged):
                due, _ = _due(factors)
                if due != charged:
                    self._find(event.position, "price", f"charged {charged}, but the factors give {due}")
            case (
                Created(after=Tenant() as tenant)
                | Changed(after=Tenant() as tenant)
                | Restored(after=Tenant() as tenant)
            ):
                self._credit_limit_nanos = tenant.credit_limit_nanos

    def finish(self, *, head: int, last_at: dt.datetime | None, holds: Iterable[HoldRow]) -> None:
        """Compare what the log comes to with the rows."""
        if self._position != head:
            message = f"the lane's head is {head}, and its last event {self._position}"
            self._find(min(head, self._position) + 1, "positions", message)
        elif last_at is not None and head and last_at != self._at:
            self._find(head, "time", f"the lane says that its last event was recorded at {last_at}, not {self._at}")
        rows = {row.hold_id: row for row in holds}
        self._compare_accounts()
        self._compare_holds(rows)
        self._compare_wallet()

    def _find(self, position: int, check: Check, message: str) -> None:
        if len(self.findings) < FINDINGS_MAX:
            self.findings.append(Finding(self._tenant_id, self._lane, position, check, message))

    def _check_order(self, event: LoggedEvent) -> None:
        if event.position != self._position + 1:
            self._find(
                self._position + 1, "positions", f"position {self._position + 1} is followed by {event.position}"
            )
        if event.recorded_at <= self._at:
            self._find(event.position, "time", f"recorded at {event.recorded_at}, not after the event before it")
        self._position, self._at = event.position, event.recorded_at

    def _apply(self, event: LoggedEvent) -> None:
        """Add the effects to the accounts, and keep track of which grants have something to give."""
        for account, posted, held in zip(event.account_ids, event.posted, event.held, strict=True):
            row = self._rows.get(account)
            if row is not None and event.recorded_at < row.opened_at and row.purge_at.year < dt.MAXYEAR:
                # This window had been purged, and was opened anew.
                continue
            sums = self._sums.get(account)
            if sums is None:
                sums = self._sums[account] = _Sum()
            sums.posted += posted
            sums.held += held
            sums.position = event.position
            if account in self._members:
                self._note_ready(self._members[account], sums)

    def _note_ready(self, key: BurnKey, sums: _Sum) -> None:
        index = bisect.bisect_left(self._ready, key)
        there = index < len(self._ready) and self._ready[index] == key
        if (sums.posted > sums.held) != there:
            if there:
                del self._ready[index]
            else:
                self._ready.insert(index, key)

    def _check_postings(self, event: LoggedEvent) -> None:
        pairs = zip(event.account_ids, event.posted, strict=True)
        made = postings(event.value, [posted for account, posted in pairs if account in self._members])
        for currency, amount in unbalanced(made).items():
            self._find(event.position, "postings", f"{event.type}: postings sum to {amount} nano-units of {currency}")
        self._wallet_nanos -= sum(posting.amount_nanos for posting in made if posting.book != "wallet")

    def _check_members(self, event: LoggedEvent) -> None:
        """Check burn order, expiry and floors of the wallet's members that this event took from."""
        takes: list[BurnKey] = []
        burns = isinstance(event.value, HoldCaptured | UsageAdjusted | CreditAdjusted)
        for account, posted, held in zip(event.account_ids, event.posted, event.held, strict=True):
            key = self._members.get(account)
            if key is None:
                continue
            took = held > 0 or (posted < 0 and held == 0 and burns)
            if took:
                takes.append(key)
            sums = self._sums.get(account)
            if sums is not None and not key.credit_line and min(sums.posted - sums.held, sums.held) < 0:
                self._find(
                    event.position, "floor", f"{self._named(account)} has {sums.posted}, of which {sums.held} is held"
                )
        for key in takes:
            if key.expires_at <= event.recorded_at:
                self._find(event.position, "expiry", f"{self._named(key.account_id)} had expired at {key.expires_at}")
        if takes:
            self._check_order_of(event, max(takes))

    def _check_order_of(self, event: LoggedEvent, last: BurnKey) -> None:
        for key in self._ready:
            if key >= last:
                return
            if key.expires_at > event.recorded_at and not key.credit_line:
                self._find(
                    event.position,
                    "burn_order",
                    f"{self._named(last.account_id)} paid although {self._named(key.account_id)} had something left",
                )
                return

    def _authorized(self, event: LoggedEvent, value: HoldAuthorized) -> None:
        if value.hold_id in self._open:
            self._find(event.position, "terminals", f"hold {value.hold_id} was made before")
        self._open[value.hold_id] = OpenHold(value.authorized_nanos, event.account_ids, event.held)
        pooled = sum(
            held for account, held in zip(event.account_ids, event.held, strict=True) if account in self._members
        )
        if pooled != value.authorized_nanos:
            message = f"authorized {value.authorized_nanos}, and {pooled} was set aside in the wallet"
            self._find(event.position, "holds", message)
        for limit in value.limits:
            self._check_limit(event, limit)
        for account, key in ((each, self._members[each]) for each in event.account_ids if each in self._members):
            if key.credit_line:
                self._check_floor(event, account, -self._credit_limit_nanos)

    def _check_limit(self, event: LoggedEvent, limit: LimitHeld) -> None:
        account = self._names.get(limit.name) or _account_of(limit.name, event.account_ids)
        if account is None:
            self._find(event.position, "holds", f"the limit {limit.name} is no account of this hold")
            return
        if not limit.name.endswith(":total"):
            self._windows.add(account)
        if limit.limit is not None:
            self._check_floor(event, account, -limit.limit)

    def _check_floor(self, event: LoggedEvent, account: str, floor: int) -> None:
        sums = self._sums.get(account)
        if sums is not None and sums.posted - sums.held < floor:
            left = sums.posted - sums.held
            self._find(event.position, "floor", f"{self._named(account)} fell to {left}, below its floor of {floor}")

    def _ended(self, event: LoggedEvent, value: HoldCaptured | HoldVoided | HoldExpired) -> None:
        hold = self._open.pop(value.hold_id, None)
        if hold is None:
            self._find(event.position, "terminals", f"hold {value.hold_id} was never made, or has ended before")
            return
        released = sorted(_pairs(event.account_ids, [-held for held in event.held]))
        if released != sorted(_pairs(hold.account_ids, hold.amounts)):
            self._find(event.position, "holds", f"hold {value.hold_id} was released by another amount than it had")
        if isinstance(value, HoldCaptured):
            self._captured(event, value, hold)
        elif any(event.posted):
            self._find(event.position, "holds", f"{event.type} took something")

    def _captured(self, event: LoggedEvent, value: HoldCaptured, hold: OpenHold) -> None:
        if (value.captured_nanos, value.allowance_nanos) != _due(value.factors):
            due = _due(value.factors)
            message = (
                f"captured {value.captured_nanos} and {value.allowance_nanos} of the allowance, factors give {due}"
            )
            self._find(event.position, "price", message)
        overrun = max(0, value.captured_nanos - hold.authorized_nanos)
        if overrun != value.overrun_nanos:
            self._find(event.position, "overrun", f"flagged {value.overrun_nanos}, was {overrun}")
        # The grants that the hold stood on pay in its order: one that gives something follows only such as gave all.
        gave_all = True
        for account, posted, held in zip(event.account_ids, event.posted, event.held, strict=True):
            if account in self._members and held < 0:
                if posted < 0 and not gave_all:
                    message = f"{self._named(account)} paid although a grant before it in the hold had not paid all"
                    self._find(event.position, "burn_order", message)
                gave_all = gave_all and posted == held

    def _compare_accounts(self) -> None:
        for account, sums in self._sums.items():
            row = self._rows.get(account)
            if row is None:
                if sums.held or account not in self._windows:
                    message = f"account {account} is missing; the log has posted {sums.posted}, held {sums.held}"
                    self._find(sums.position, "accounts", message)
            elif (row.posted, row.held) != (sums.posted, sums.held):
                message = (
                    f"{row.name} has posted {row.posted} and held {row.held},"
                    f" the log says {sums.posted} and {sums.held}"
                )
                self._find(sums.position, "accounts", message)
        for row in self._rows.values():
            if row.account_id not in self._sums and (row.posted or row.held):
                message = f"{row.name} has posted {row.posted} and held {row.held}, the log knows nothing of it"
                self._find(self._position, "accounts", message)
            if row.credit_line and -row.pool_floor != self._credit_limit_nanos:
                message = f"{row.name} may owe {-row.pool_floor}, the log says {self._credit_limit_nanos}"
                self._find(self._position, "floor", message)

    def _compare_holds(self, rows: Mapping[str, HoldRow]) -> None:
        held: dict[str, int] = {}
        for row in rows.values():
            for account, amount in _pairs(row.account_ids, row.amounts):
                held[account] = held.get(account, 0) + amount
        for hold_id in sorted(self._open.keys() ^ rows.keys()):
            where = "the log" if hold_id in self._open else "the table of open holds"
            self._find(self._position, "holds", f"hold {hold_id} is open only in {where}")
        for each in self._rows.values():
            own = held.get(each.account_id, 0)
            if each.held != own:
                sums = self._sums.get(each.account_id)
                message = f"{each.name} has {each.held} held, its open holds come to {own}"
                self._find(sums.position if sums else self._position, "holds", message)

    def _compare_wallet(self) -> None:
        remaining = sum(self._rows[account].posted for account in self._members)
        if remaining != self._wallet_nanos:
            message = (
                f"what is left of the grants comes to {format_amount(remaining)},"
                f" what was given less what was spent to {format_amount(self._wallet_nanos)}"
            )
            self._find(self._position, "wallet", message)

    def _named(self, account: str) -> str:
        row = self._rows.get(account)
        return row.name if row is not None else account


def _due(factors: ChargeFactors) -> tuple[int, int]:
    """Give what the wallet and the allowance pay by the recorded factors."""
    if factors.multiplier == 0:
        return 0, reprice(msgspec.structs.replace(factors, multiplier=ONE))
    return reprice(factors), 0


def _pairs(account_ids: Sequence[str], amounts: Sequence[int]) -> list[tuple[str, int]]:
    return [(account, amount) for account, amount in zip(account_ids, amounts, strict=True) if amount]


def _account_of(name: str, account_ids: Sequence[str]) -> str | None:
    """Give the account among these that a name stands for: owners may have a colon in them, so each split is tried."""
    kind, _, rest = name.partition(":")
    parts = rest.split(":")
    for cut in range(len(parts), 0, -1):
        account = account_id(kind, ":".join(parts[:cut]), ":".join(parts[cut:]))
        if account in account_ids:
            return account
    return None
