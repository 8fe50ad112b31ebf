"""One lane of the ledger, kept in memory: what `ledger.apply` would have done at moments that are past.

`ledger.apply` stamps what it accepts with the time of its clock, so nothing can be recorded in the past with it. These
are the same rules on one lane, fast enough for millions of commands; a test sends the same commands to the reference
model (`domain.ledger.model`), and `tallygate verify` finds nothing in what was loaded.
"""

import bisect
import datetime as dt
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from domain.ids import AccountId, HoldId, Lane, TenantId
from domain.ledger.commands import NO_FLOOR, NO_POOL, Code, Command, Kind, Leg, Op, Opening, Unit
from domain.ledger.model import FOREVER, micros_of

EVENT_COLUMNS: Final = (
    "event_id", "tenant_id", "day", "lane", "position", "recorded_at", "correlation_id", "causation_id", "digest",
    "type", "actor", "data", "account_ids", "posted", "held",
)  # fmt: skip
ACCOUNT_COLUMNS: Final = (
    "account_id", "tenant_id", "lane", "name", "unit", "posted", "held", "open", "opened_at", "expires_at", "purge_at",
    "pool_id", "credit_line", "priority", "pool_floor", "spent",
)  # fmt: skip
HOLD_COLUMNS: Final = (
    "hold_id", "tenant_id", "lane", "day", "deadline", "pool_id", "accounts", "units", "pooled", "amounts",
)  # fmt: skip

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_INFINITY: Final = dt.datetime.max.replace(tzinfo=dt.UTC)
_FIRST_DAY: Final = dt.date(1970, 1, 1)
_DAY_MILLISECONDS: Final = 86_400_000

Row = tuple[Any, ...]


def time_of(micros: int) -> dt.datetime:
    """Give the moment of microseconds since 1970; asyncpg sends the largest one as PostgreSQL's infinity."""
    return _INFINITY if micros >= FOREVER else _EPOCH + dt.timedelta(microseconds=micros)


class Refused(NamedTuple):
    """A command that the ledger would have refused; nothing has happened."""

    code: Code
    leg: int
    """Counted from 1; 0 where it is about none."""


class LaneError(Exception):
    """A history did what none can do: the command is wrong, not the wallet empty."""


class _Account:
    __slots__ = (
        "account_id", "burn_key", "credit_line", "expires", "held", "name", "open", "opened", "pool_floor", "pool_id",
        "posted", "priority", "purge", "unit",
    )  # fmt: skip

    def __init__(self, opening: Opening, at_micros: int) -> None:
        self.account_id = opening.account_id
        self.name = opening.name
        self.unit = int(opening.unit)
        self.posted = 0
        self.held = 0
        self.open = True
        self.opened = at_micros
        self.expires = micros_of(opening.expires_at)
        self.purge = micros_of(opening.purge_at)
        self.pool_id = opening.pool_id
        self.credit_line = opening.credit_line
        self.priority = opening.priority
        self.pool_floor = 0
        self.burn_key = (self.credit_line, self.priority, self.expires, self.opened, self.account_id)

    @property
    def is_spent(self) -> bool:
        return (
            self.pool_id != NO_POOL
            and not self.credit_line
            and self.posted == 0
            and self.held == 0
            and self.pool_floor >= 0
        )

    def row(self, tenant_id: TenantId, lane: Lane) -> Row:
        return (
            self.account_id, tenant_id, lane, self.name, self.unit, self.posted, self.held, self.open,
            time_of(self.opened), time_of(self.expires), time_of(self.purge),
            self.pool_id if self.pool_id != NO_POOL else None, self.credit_line, self.priority, self.pool_floor,
            self.is_spent,
        )  # fmt: skip


class _HoldLeg(NamedTuple):
    account: _Account
    unit: int
    pooled: bool
    amount: int


class _Hold(NamedTuple):
    day: dt.date
    deadline: int
    pool_id: AccountId
    legs: list[_HoldLeg]


class LaneBook:
    """A lane: `apply` one command after the other, `take` what they have left, and write it."""

    def __init__(self, tenant_id: TenantId, lane: Lane) -> None:
        """Begin an empty lane."""
        self.tenant_id = tenant_id
        self.lane = lane
        self.head = 0
        self.last_at = 0
        self._accounts: dict[AccountId, _Account] = {}
        self._holds: dict[HoldId, _Hold] = {}
        # Those of the wallet that have something to give or to owe, in burn order.
        self._members: list[_Account] = []
        self._rows: list[Row] = []
        self._days: dict[int, dt.date] = {}

    def available(self, at_micros: int) -> int:
        """Give what a hold could take of the wallet."""
        return sum(m.posted - m.held - m.pool_floor for m in self._members if m.open and m.expires > at_micros)

    def left_of(self, account_id: AccountId) -> int:
        """Give what an account has, held or not."""
        account = self._accounts.get(account_id)
        return account.posted if account is not None else 0

    def apply(self, command: Command, at_micros: int) -> Refused | None:
        """Apply a command at a moment, or right after the one before if that was later; None: it is in the log."""
        at = max(at_micros, self.last_at + 1)
        match command.kind:
            case Kind.HOLD:
                effects = self._hold(command, at)
            case Kind.POST:
                effects = self._post(command, at)
            case _:
                effects = self._end(command, at)
        if isinstance(effects, Refused):
            return effects
        self.head += 1
        self.last_at = at
        accounts, posted, held = effects
        self._rows.append(
            (
                command.event_id, self.tenant_id, self._day_of(command.hold_id or command.event_id), self.lane,
                self.head, time_of(at), command.correlation_id, command.causation_id, command.digest(), command.type,
                command.actor, command.data, accounts, posted, held,
            )
        )  # fmt: skip
        return None

    def must(self, command: Command, at_micros: int) -> None:
        """Apply a command that nothing can be in the way of; LaneError if something is."""
        refused = self.apply(command, at_micros)
        if refused is not None:
            raise LaneError(f"{command.type} {command.event_id} was refused: {refused.code.name}, leg {refused.leg}")

    def take(self) -> list[Row]:
        """Give the events since the last call, as rows of EVENT_COLUMNS."""
        rows, self._rows = self._rows, []
        return rows

    @property
    def last_time(self) -> dt.datetime:
        """When the last event was recorded."""
        return time_of(self.last_at)

    def purge(self, now_micros: int) -> None:
        """Forget windows that nothing can count on any more, as the housekeeper does."""
        gone = [a.account_id for a in self._accounts.values() if a.purge < now_micros and not a.held]
        for account_id in gone:
            del self._accounts[account_id]

    def account_rows(self) -> Iterator[Row]:
        """Give the accounts as they are, as rows of ACCOUNT_COLUMNS."""
        return (account.row(self.tenant_id, self.lane) for account in self._accounts.values())

    def hold_rows(self) -> Iterator[Row]:
        """Give the open holds, as rows of HOLD_COLUMNS."""
        for hold_id, hold in self._holds.items():
            yield (
                hold_id, self.tenant_id, self.lane, hold.day, time_of(hold.deadline), hold.pool_id,
                [leg.account.account_id for leg in hold.legs], [leg.unit for leg in hold.legs],
                [leg.pooled for leg in hold.legs], [leg.amount for leg in hold.legs],
            )  # fmt: skip

    # One command.

    def _hold(self, command: Command, at: int) -> "tuple[list[str], list[int], list[int]] | Refused":
        fresh = self._fresh(command, at)
        legs: list[_HoldLeg] = []
        for number, leg in enumerate(command.legs, 1):
            account = self._named(leg, fresh)
            if not account.open:
                return Refused(Code.CLOSED, number)
            if account.expires <= at:
                return Refused(Code.EXPIRED, number)
            if leg.floor != NO_FLOOR and account.posted - account.held - leg.amount < leg.floor:
                return Refused(Code.LIMIT, number)
            legs.append(_HoldLeg(account, int(leg.op), False, leg.amount))
        parts = self._cover(command.money_nanos, at)
        if parts is None:
            return Refused(Code.INSUFFICIENT, 0)
        legs += [_HoldLeg(account, int(Unit.MONEY), True, amount) for account, amount in parts]
        self._accounts |= fresh
        for made in legs:
            made.account.held += made.amount
        hold_id = command.hold_id or HoldId(command.event_id)
        deadline = at + command.timeout_seconds * 1_000_000
        self._holds[hold_id] = _Hold(self._day_of(hold_id), deadline, command.pool_id, legs)
        return [leg.account.account_id for leg in legs], [0] * len(legs), [leg.amount for leg in legs]

    def _end(self, command: Command, at: int) -> "tuple[list[str], list[int], list[int]]":
        hold = self._holds.pop(command.hold_id or HoldId(command.event_id))
        if command.kind is Kind.EXPIRE and hold.deadline > at:
            raise LaneError(f"{command.event_id} expires a hold before its time")
        by_unit = (command.money_nanos, command.requests, command.tokens, command.allowance_nanos, 0, 0)
        left = command.money_nanos
        accounts: list[str] = []
        posted: list[int] = []
        held: list[int] = []
        for account, unit, pooled, amount in hold.legs:
            if pooled:
                taken = min(amount, left)
                left -= taken
            else:
                taken = by_unit[unit]
            account.posted -= taken
            account.held -= amount
            accounts.append(account.account_id)
            posted.append(-taken)
            held.append(-amount)
        if left:
            self._burn(left, at, accounts, posted)
            held += [0] * (len(accounts) - len(held))
        self._drop_spent()
        return accounts, posted, held

    def _post(self, command: Command, at: int) -> "tuple[list[str], list[int], list[int]] | Refused":
        fresh = self._fresh(command, at)
        refused = self._objection(command, fresh, at)
        if refused is not None:
            return refused
        self._accounts |= fresh
        for account in fresh.values():
            if account.pool_id != NO_POOL:
                bisect.insort(self._members, account, key=lambda member: member.burn_key)
        accounts: list[str] = []
        posted: list[int] = []
        for leg in command.legs:
            for account, amount in self._moves(self._accounts[leg.account_id], leg):
                account.posted += amount
                accounts.append(account.account_id)
                posted.append(amount)
        if command.money_nanos:
            self._burn(command.money_nanos, at, accounts, posted)
        for leg in command.legs:
            if leg.op in (Op.CLOSE, Op.OPEN):
                self._accounts[leg.account_id].open = leg.op == Op.OPEN
            elif leg.op == Op.FLOOR:
                self._accounts[leg.account_id].pool_floor = leg.amount
        self._drop_spent()
        return accounts, posted, [0] * len(accounts)

    def _objection(self, command: Command, fresh: dict[AccountId, _Account], at: int) -> Refused | None:
        """Give what is in the way of a POST."""
        for number, leg in enumerate(command.legs, 1):
            account = self._named(leg, fresh)
            left = account.posted + leg.amount - account.held
            match leg.op:
                case Op.EXPECT if account.posted != leg.floor:
                    return Refused(Code.VERSION, number)
                case Op.POST if leg.amount < 0 and leg.floor != NO_FLOOR and left < leg.floor:
                    return Refused(Code.LIMIT, number)
                case Op.DRAIN if account.expires > at or account.posted <= account.held:
                    return Refused(Code.NOT_DUE, number)
        if command.strict and self._cover(command.money_nanos, at) is None:
            return Refused(Code.INSUFFICIENT, 0)
        return None

    def _moves(self, account: _Account, leg: Leg) -> list[tuple[_Account, int]]:
        """Give what a leg of a POST does to accounts."""
        match leg.op:
            case Op.POST | Op.EXPECT:
                return [(account, leg.amount)] if leg.amount else []
            case Op.DRAIN:
                return [(account, account.held - account.posted)]
            case Op.REPAY:
                line = self._members[-1]
                amount = min(-line.posted, account.posted - account.held)
                return [(line, amount), (account, -amount)] if amount > 0 else []
            case _:
                return []

    def _fresh(self, command: Command, at: int) -> dict[AccountId, _Account]:
        return {
            opening.account_id: _Account(opening, at)
            for opening in command.openings
            if opening.account_id not in self._accounts
        }

    def _named(self, leg: Leg, fresh: dict[AccountId, _Account]) -> _Account:
        account = self._accounts.get(leg.account_id) or fresh.get(leg.account_id)
        if account is None:
            raise LaneError(f"account {leg.account_id} was never opened")
        return account

    def _cover(self, money_nanos: int, at: int) -> list[tuple[_Account, int]] | None:
        """Say what each member of the wallet pays, in burn order; None if all of them together cannot."""
        parts: list[tuple[_Account, int]] = []
        left, spare = money_nanos, 0
        for member in self._members:
            if not member.open or member.expires <= at:
                continue
            spendable = member.posted - member.held - member.pool_floor
            # What the credit line owes beyond its floor counts against what grants could pay.
            spare += spendable if member.credit_line else max(spendable, 0)
            amount = min(spendable, left)
            if amount > 0:
                left -= amount
                parts.append((member, amount))
        return parts if money_nanos <= max(spare, 0) else None

    def _burn(self, left: int, at: int, accounts: list[str], posted: list[int]) -> None:
        """Take from what is not held, in burn order; the credit line owes the rest."""
        *burning, line = self._members
        for member in burning:
            taken = min(member.posted - member.held, left)
            if taken > 0 and member.open and member.expires > at:
                left -= taken
                member.posted -= taken
                accounts.append(member.account_id)
                posted.append(-taken)
        if left > 0:
            line.posted -= left
            accounts.append(line.account_id)
            posted.append(-left)

    def _drop_spent(self) -> None:
        members = self._members
        if len(members) > 1 and any(member.posted == 0 == member.held for member in members):
            self._members = [member for member in members if not member.is_spent]

    def _day_of(self, uuid7: str) -> dt.date:
        """Give what `domain.ids.day_of` gives, without making the same day a million times."""
        number = int(uuid7[:8] + uuid7[9:13], 16) // _DAY_MILLISECONDS
        day = self._days.get(number)
        if day is None:
            day = self._days[number] = _FIRST_DAY + dt.timedelta(days=number)
        return day
