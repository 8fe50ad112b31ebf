"""The reference model of the ledger core: the rules of `ledger.apply`, to be read rather than to be fast.

`Ledger.apply` answers a batch of commands exactly as the SQL function does, and keeps the same lanes, accounts, open
holds and events. A stateful property test drives both; `verify` folds the log with `fold`.

How one command is decided, in this order:
1. Its lane must be there, and its event must be new.
2. A draft is made: a copy of every account that the command touches. Legs are tried one after the other, each seeing
   what those before it did; then the wallet pays. The first thing that cannot be refuses the command, and the draft
   is thrown away.
3. What is left is accepted: the draft replaces the accounts, and the event takes the lane's next position.
"""

import datetime as dt
from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from domain.ids import AccountId, EventId, HoldId, Lane, TenantId, day_of
from domain.ledger.commands import (
    AMOUNT_MAX,
    NO_FLOOR,
    NO_POOL,
    Answer,
    Code,
    Command,
    Kind,
    Leg,
    Op,
    Opening,
    Unit,
)

ACCOUNT_MAX: Final = 2 * AMOUNT_MAX
"""No account's posted or held gets further from zero: what is computed from them stays within 64 bits."""
BALANCE_MAX: Final = 4 * AMOUNT_MAX
"""A wallet's balance is reported no further from zero than this; a floor below it is no floor."""
FOREVER: Final = 2**63 - 1
"""The time that never comes, in microseconds."""

_DAYS_BEHIND_MAX: Final = 7
_DAYS_AHEAD_MAX: Final = 1
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class AccountKey(msgspec.Struct, frozen=True, order=True):
    """An account belongs to one lane: the same id in another lane is another account."""

    tenant_id: TenantId
    lane: Lane
    account_id: AccountId


class Account(msgspec.Struct, kw_only=True):
    """What is left of a limit is `posted - held`."""

    key: AccountKey
    name: str
    unit: Unit
    posted: int = 0
    held: int = 0
    open: bool = True
    opened_at_micros: int
    expires_at_micros: int
    purge_at_micros: int
    pool_id: AccountId
    credit_line: bool
    priority: int
    pool_floor: int = 0

    def spendable(self) -> int:
        """Give what a hold may take of it inside its wallet; below zero where more is owed than the floor allows."""
        return self.posted - self.held - self.pool_floor

    def usable(self, at_micros: int) -> bool:
        """Say whether it may pay for something new."""
        return self.open and self.expires_at_micros > at_micros

    def burn_key(self) -> tuple[bool, int, int, int, AccountId]:
        """Order the members of a wallet: the credit line last; before it priority, then expiry, then age."""
        return (
            self.credit_line,
            self.priority,
            self.expires_at_micros,
            self.opened_at_micros,
            self.key.account_id,
        )


class Effect(msgspec.Struct, frozen=True):
    """What an event did to one account."""

    account_id: AccountId
    posted: int
    held: int


class HoldLeg(msgspec.Struct, frozen=True):
    """What an open hold has set aside on one account."""

    account_id: AccountId
    unit: Unit
    pooled: bool
    """Set aside in burn order: the terminal's money takes from these in turn. Other legs take their own unit whole."""
    amount: int


class Hold(msgspec.Struct, frozen=True):
    """Credit set aside, until its one terminal."""

    lane: Lane
    deadline_micros: int
    pool_id: AccountId
    legs: tuple[HoldLeg, ...]


class Event(msgspec.Struct, frozen=True):
    """An accepted command, as the log has it."""

    tenant_id: TenantId
    lane: Lane
    position: int
    event_id: EventId
    day: dt.date
    type: str
    digest: int
    recorded_at_micros: int
    effects: tuple[Effect, ...]


class LaneState(msgspec.Struct):
    """The head of a lane's log."""

    head: int = 0
    last_at_micros: int = 0

    def time(self, now_micros: int) -> int:
        """Give the lane's time: the clock's, but always after the last event. Every decision uses it."""
        return max(now_micros, self.last_at_micros + 1)


class _RefusedError(Exception):
    """Inside a decision only: outside, a refusal is a code."""

    def __init__(self, code: Code, leg: int = 0) -> None:
        super().__init__(code)
        self.code = code
        self.leg = leg


class Ledger:
    """All lanes with their accounts, open holds and events."""

    def __init__(self) -> None:
        self.lanes: dict[tuple[TenantId, Lane], LaneState] = {}
        self.accounts: dict[AccountKey, Account] = {}
        self.holds: dict[tuple[TenantId, HoldId], Hold] = {}
        self.events: dict[tuple[TenantId, EventId, dt.date], Event] = {}

    def open_lane(self, tenant_id: TenantId, lane: Lane, last_at_micros: int = 0) -> None:
        """Make a lane, unless it is there."""
        self.lanes.setdefault((tenant_id, lane), LaneState(last_at_micros=last_at_micros))

    def apply(self, commands: Sequence[Command], now_micros: int) -> list[Answer]:
        """Apply the commands lane by lane, within a lane in the order given; answer in the order given."""
        order = sorted(range(len(commands)), key=lambda index: (commands[index].lane, commands[index].tenant_id))
        batch = _Batch(self, [commands[index] for index in order], now_micros)
        answers = dict(zip(order, batch.apply(), strict=True))
        return [answers[index] for index in range(len(commands))]

    def members(self, tenant_id: TenantId, lane: Lane, pool_id: AccountId) -> list[Account]:
        """Give the accounts of a wallet in burn order."""
        if pool_id == NO_POOL:
            return []
        found = (
            account
            for key, account in self.accounts.items()
            if account.pool_id == pool_id and (key.tenant_id, key.lane) == (tenant_id, lane)
        )
        return sorted(found, key=Account.burn_key)


class _Batch:
    """The commands of one call, sorted by lane: a few rules look at what else is in it."""

    def __init__(self, ledger: Ledger, commands: Sequence[Command], now_micros: int) -> None:
        self._ledger = ledger
        self._commands = commands
        self._now_micros = now_micros
        self._made: set[tuple[TenantId, HoldId]] = set()
        self._wallets = [self._wallet_of(command) for command in commands]
        self._first_openings: dict[AccountKey, tuple[int, Opening]] = {}
        for number, command in enumerate(commands):
            for opening in command.openings:
                self._first_openings.setdefault(_key(command, opening.account_id), (number, opening))

    def apply(self) -> list[Answer]:
        return [self._answer(number) for number in range(len(self._commands))]

    def _wallet_of(self, command: Command) -> AccountId:
        """Give the wallet that a command is about: a terminal's is its hold's, if that was open before the batch."""
        hold = self._open_hold(command)
        return command.pool_id if hold is None else hold.pool_id

    def _open_hold(self, command: Command) -> Hold | None:
        if command.kind not in {Kind.END, Kind.EXPIRE}:
            return None
        hold = self._ledger.holds.get((command.tenant_id, _hold_id(command)))
        return hold if hold is not None and hold.lane == command.lane else None

    def _answer(self, number: int) -> Answer:
        command = self._commands[number]
        lane = self._ledger.lanes.get((command.tenant_id, command.lane))
        if lane is None:
            return Answer(Code.UNKNOWN_LANE, recorded_at_micros=self._now_micros)
        at_micros = lane.time(self._now_micros)
        seen = self._ledger.events.get((command.tenant_id, command.event_id, _day(command)))
        if seen is not None:
            answer = _answer_seen(command, seen)
        else:
            try:
                answer = self._accept(number, command, lane, at_micros)
            except _RefusedError as refusal:
                answer = Answer(refusal.code, refusal.leg, recorded_at_micros=at_micros)
        members = self._ledger.members(command.tenant_id, command.lane, self._wallets[number])
        return msgspec.structs.replace(answer, balance_nanos=_balance(members, at_micros))

    def _accept(self, number: int, command: Command, lane: LaneState, at_micros: int) -> Answer:
        draft = _Draft(self._ledger, command, self._wallets[number], at_micros)
        left: tuple[int, ...] = ()
        hold_key = (command.tenant_id, _hold_id(command))
        match command.kind:
            case Kind.HOLD:
                self._check_new(number, command)
                legs, left = _try_hold(draft, command)
                deadline_micros = at_micros + command.timeout_seconds * 1_000_000
                self._ledger.holds[hold_key] = Hold(command.lane, deadline_micros, command.pool_id, legs)
                self._made.add(hold_key)
            case Kind.END | Kind.EXPIRE:
                _try_end(draft, command, self._hold_to_end(command, at_micros))
                del self._ledger.holds[hold_key]
            case Kind.POST:
                self._check_new(number, command)
                _try_post(draft, command)
        draft.commit()
        lane.head += 1
        lane.last_at_micros = at_micros
        self._ledger.events[command.tenant_id, command.event_id, _day(command)] = Event(
            tenant_id=command.tenant_id,
            lane=command.lane,
            position=lane.head,
            event_id=command.event_id,
            day=_day(command),
            type=command.type,
            digest=command.digest(),
            recorded_at_micros=at_micros,
            effects=tuple(draft.effects),
        )
        return Answer(Code.OK, position=lane.head, recorded_at_micros=at_micros, left=left)

    def _hold_to_end(self, command: Command, at_micros: int) -> Hold:
        if (command.tenant_id, _hold_id(command)) in self._made:
            # The function reads open holds once, before the batch.
            raise _RefusedError(Code.RESEND)
        hold = self._open_hold(command)
        if hold is None:
            raise _RefusedError(Code.UNKNOWN_HOLD)
        if command.kind is Kind.EXPIRE and hold.deadline_micros > at_micros:
            raise _RefusedError(Code.NOT_DUE)
        amounts = (command.money_nanos, command.requests, command.tokens, command.allowance_nanos)
        if any(not 0 <= amount <= AMOUNT_MAX for amount in amounts):
            raise _RefusedError(Code.RANGE)
        return hold

    def _check_new(self, number: int, command: Command) -> None:
        if command.kind is Kind.HOLD and _hold_id(command) != HoldId(command.event_id):
            raise _RefusedError(Code.CONFLICT)
        today = (_EPOCH + self._now_micros * _MICROSECOND).date()
        if not -_DAYS_BEHIND_MAX <= (_day(command) - today).days <= _DAYS_AHEAD_MAX:
            raise _RefusedError(Code.BAD_DAY)
        if not 0 <= command.money_nanos <= AMOUNT_MAX:
            raise _RefusedError(Code.RANGE)
        for opening in command.openings:
            self._check_opening(number, _key(command, opening.account_id), opening)

    def _check_opening(self, number: int, key: AccountKey, opening: Opening) -> None:
        """Refuse to open what an earlier command of the batch would have opened otherwise, had it been accepted.

        The function lays out the accounts once, by the batch's first opening of each.
        """
        first_number, first = self._first_openings[key]
        if key in self._ledger.accounts or first_number == number:
            return
        if opening.pool_id != NO_POOL or _layout(opening) != _layout(first):
            raise _RefusedError(Code.RESEND)


class _Draft:
    """Copies of the accounts that a command touches, and what it does to them."""

    def __init__(self, ledger: Ledger, command: Command, wallet: AccountId, at_micros: int) -> None:
        self._ledger = ledger
        self._command = command
        self._touched: dict[AccountKey, Account] = {}
        self._wallet = wallet
        self.at_micros = at_micros
        self.effects: list[Effect] = []

    def commit(self) -> None:
        self._ledger.accounts.update(self._touched)

    def account(self, account_id: AccountId) -> Account | None:
        key = _key(self._command, account_id)
        if key not in self._touched:
            if key not in self._ledger.accounts:
                return None
            self._touched[key] = msgspec.structs.replace(self._ledger.accounts[key])
        return self._touched[key]

    def open(self, opening: Opening) -> None:
        if self.account(opening.account_id) is None:
            key = _key(self._command, opening.account_id)
            self._touched[key] = _opened(key, opening, self.at_micros)

    def wallet(self) -> tuple[list[Account], Account]:
        """Give the members that burn, in order, and the credit line, which every wallet has."""
        keys = {account.key: account for account in self._stored_members()}
        keys |= {key: account for key, account in self._touched.items() if account.pool_id == self._wallet}
        members = sorted(keys.values(), key=Account.burn_key)
        if self._wallet == NO_POOL or not members or not members[-1].credit_line:
            raise _RefusedError(Code.UNKNOWN_ACCOUNT)
        *burning, line = [self._copy(member) for member in members]
        return burning, line

    def change(self, account: Account, *, posted: int = 0, held: int = 0) -> None:
        account.posted += posted
        account.held += held
        self.effects.append(Effect(account.key.account_id, posted, held))

    def _stored_members(self) -> list[Account]:
        return self._ledger.members(self._command.tenant_id, self._command.lane, self._wallet)

    def _copy(self, member: Account) -> Account:
        copied = self.account(member.key.account_id)
        assert copied is not None
        return copied


def fold(events: Iterable[Event]) -> dict[AccountKey, tuple[int, int]]:
    """Recompute posted and held of every account that the log has moved, from the effects of its events alone."""
    sums: dict[AccountKey, tuple[int, int]] = {}
    for event in events:
        for effect in event.effects:
            key = AccountKey(event.tenant_id, event.lane, effect.account_id)
            posted, held = sums.get(key, (0, 0))
            sums[key] = (posted + effect.posted, held + effect.held)
    return sums


def micros_of(time: str) -> int:
    """Give microseconds since 1970 for an ISO time, or `FOREVER` for "infinity"."""
    if time == "infinity":
        return FOREVER
    return (dt.datetime.fromisoformat(time) - _EPOCH) // _MICROSECOND


def _try_hold(draft: _Draft, command: Command) -> tuple[tuple[HoldLeg, ...], tuple[int, ...]]:
    """Give what is set aside, and what each leg leaves above its floor."""
    _open_accounts(draft, command)
    legs: list[HoldLeg] = []
    left: list[int] = []
    for number, leg in enumerate(command.legs, 1):
        account = _named(draft, leg, number)
        _check_hold_leg(account, leg, number, draft.at_micros)
        draft.change(account, held=leg.amount)
        left.append(account.posted - account.held - max(leg.floor, -BALANCE_MAX))
        legs.append(HoldLeg(leg.account_id, Unit(leg.op), pooled=False, amount=leg.amount))
    for account, amount in _cover(draft, command.money_nanos):
        draft.change(account, held=amount)
        legs.append(HoldLeg(account.key.account_id, Unit.MONEY, pooled=True, amount=amount))
    return tuple(legs), tuple(left)


def _check_hold_leg(account: Account, leg: Leg, number: int, at_micros: int) -> None:
    if leg.amount < 0:
        raise _RefusedError(Code.RANGE, number)
    if not account.open:
        raise _RefusedError(Code.CLOSED, number)
    if account.expires_at_micros <= at_micros:
        raise _RefusedError(Code.EXPIRED, number)
    if leg.floor != NO_FLOOR and account.posted - account.held - leg.amount < leg.floor:
        raise _RefusedError(Code.LIMIT, number)
    if account.held + leg.amount > ACCOUNT_MAX:
        raise _RefusedError(Code.RANGE, number)


def _cover(draft: _Draft, money_nanos: int) -> list[tuple[Account, int]]:
    """Say what each member of the wallet pays, in burn order; refuse what all of them together cannot.

    What the credit line owes beyond its floor counts against what the grants could pay.
    """
    if money_nanos == 0:
        return []
    burning, line = draft.wallet()
    usable = [account for account in (*burning, line) if account.usable(draft.at_micros)]
    spendable = sum(max(account.spendable(), 0) for account in usable)
    debt = max(-line.spendable(), 0) if line in usable else 0
    if spendable - debt < money_nanos:
        raise _RefusedError(Code.INSUFFICIENT)
    parts = []
    left = money_nanos
    for account in usable:
        amount = min(account.spendable(), left)
        if amount > 0:
            left -= amount
            parts.append((account, amount))
    return parts


def _try_end(draft: _Draft, command: Command, hold: Hold) -> None:
    by_unit = {
        Unit.MONEY: command.money_nanos,
        Unit.REQUESTS: command.requests,
        Unit.TOKENS: command.tokens,
        Unit.ALLOWANCE: command.allowance_nanos,
    }
    left = command.money_nanos
    for leg in hold.legs:
        if leg.pooled:
            taken = min(leg.amount, left)
            left -= taken
        else:
            taken = by_unit.get(leg.unit, 0)
        account = draft.account(leg.account_id)
        if account is None:
            # A purged window: nothing can be limited by it any more, but the log tells what was released.
            draft.effects.append(Effect(leg.account_id, -taken, -leg.amount))
        else:
            draft.change(account, posted=-taken, held=-leg.amount)
            if account.posted < -ACCOUNT_MAX:
                raise _RefusedError(Code.RANGE)
    if hold.pool_id != NO_POOL:
        _burn(draft, left)


def _burn(draft: _Draft, left: int) -> None:
    """Take from what is not held, in burn order; the credit line owes the rest, floor or no floor.

    Whatever a vendor metered above a hold is owed, and so is a correction of what happened.
    """
    if left == 0:
        return
    burning, line = draft.wallet()
    for account in burning:
        taken = min(account.posted - account.held, left)
        if taken > 0 and account.usable(draft.at_micros):
            left -= taken
            draft.change(account, posted=-taken)
    if left > 0:
        draft.change(line, posted=-left)
        if line.posted < -ACCOUNT_MAX:
            raise _RefusedError(Code.RANGE)


def _try_post(draft: _Draft, command: Command) -> None:
    _open_accounts(draft, command)
    for number, leg in enumerate(command.legs, 1):
        _try_post_leg(draft, _named(draft, leg, number), leg, number)
    if command.strict:
        _cover(draft, command.money_nanos)
    _burn(draft, command.money_nanos)
    # Closing, opening and floors are for commands after this one.
    for leg in command.legs:
        account = draft.account(leg.account_id)
        assert account is not None
        if leg.op in {Op.CLOSE, Op.OPEN}:
            account.open = leg.op == Op.OPEN
        elif leg.op == Op.FLOOR:
            account.pool_floor = leg.amount


def _try_post_leg(draft: _Draft, account: Account, leg: Leg, number: int) -> None:
    match leg.op:
        case Op.EXPECT if account.posted != leg.floor:
            raise _RefusedError(Code.VERSION, number)
        case Op.POST | Op.EXPECT:
            _try_change(draft, account, leg, number)
        case Op.DRAIN:
            if account.expires_at_micros > draft.at_micros or account.posted <= account.held:
                raise _RefusedError(Code.NOT_DUE, number)
            draft.change(account, posted=account.held - account.posted)
        case Op.REPAY:
            _repay(draft, account)
        case _:
            pass  # CLOSE, OPEN and FLOOR move nothing


def _try_change(draft: _Draft, account: Account, leg: Leg, number: int) -> None:
    posted = account.posted + leg.amount
    if abs(posted) > ACCOUNT_MAX:
        raise _RefusedError(Code.RANGE, number)
    floored = leg.op == Op.POST and leg.amount < 0 and leg.floor != NO_FLOOR
    if floored and posted - account.held < leg.floor:
        raise _RefusedError(Code.LIMIT, number)
    if leg.amount != 0:
        draft.change(account, posted=leg.amount)


def _repay(draft: _Draft, account: Account) -> None:
    """Let new credit first pay what an overrun left owing on the wallet's credit line."""
    _, line = draft.wallet()
    amount = min(-line.posted, account.posted - account.held)
    if amount > 0:
        draft.change(line, posted=amount)
        draft.change(account, posted=-amount)


def _open_accounts(draft: _Draft, command: Command) -> None:
    for opening in command.openings:
        draft.open(opening)
    if command.pool_id != NO_POOL or command.money_nanos > 0:
        draft.wallet()


def _opened(key: AccountKey, opening: Opening, at_micros: int) -> Account:
    return Account(
        key=key,
        name=opening.name,
        unit=opening.unit,
        opened_at_micros=at_micros,
        expires_at_micros=micros_of(opening.expires_at),
        purge_at_micros=micros_of(opening.purge_at),
        pool_id=opening.pool_id,
        credit_line=opening.credit_line,
        priority=opening.priority,
    )


def _named(draft: _Draft, leg: Leg, number: int) -> Account:
    account = draft.account(leg.account_id)
    if account is None:
        raise _RefusedError(Code.UNKNOWN_ACCOUNT, number)
    if abs(leg.amount) > AMOUNT_MAX:
        raise _RefusedError(Code.RANGE, number)
    return account


def _answer_seen(command: Command, seen: Event) -> Answer:
    if seen.digest == command.digest() and seen.lane == command.lane:
        code = Code.EXISTS
    elif command.kind in {Kind.END, Kind.EXPIRE}:
        code = Code.ENDED
    else:
        code = Code.CONFLICT
    return Answer(code, position=seen.position, recorded_at_micros=seen.recorded_at_micros)


def _balance(members: Iterable[Account], at_micros: int) -> int:
    total = 0
    for account in members:
        if account.expires_at_micros > at_micros:
            total += account.posted - account.held
            total = max(-BALANCE_MAX, min(total, BALANCE_MAX))
    return total


def _layout(opening: Opening) -> tuple[AccountId, bool, int, int]:
    return (opening.pool_id, opening.credit_line, opening.priority, micros_of(opening.expires_at))


def _key(command: Command, account_id: AccountId) -> AccountKey:
    return AccountKey(command.tenant_id, command.lane, account_id)


def _hold_id(command: Command) -> HoldId:
    return command.hold_id or HoldId(command.event_id)


def _day(command: Command) -> dt.date:
    """Give the day that the event is stored under: a terminal takes its hold's."""
    return day_of(command.hold_id or command.event_id)
