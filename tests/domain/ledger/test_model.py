"""The reference model by itself: properties that its rules must have, whatever they are."""

import datetime as dt
import itertools
from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from domain.ids import AccountId, account_id
from domain.ledger.commands import NO_FLOOR, Code, Command, Leg, Op, Opening, Unit
from domain.ledger.model import Account, AccountKey, Hold, Ledger, fold, micros_of
from tests.support.ledger import LINE, TOKEN, WALLET, Sender, counter, member

NOW = round(dt.datetime.now(dt.UTC).timestamp() * 1_000_000)
MINUTE = 60_000_000
T = Sender(7)


def in_minutes(minutes: int) -> str:
    return (dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=NOW + minutes * MINUTE)).isoformat()


def ledger() -> Ledger:
    state = Ledger()
    state.open_lane(T.tenant_id, T.lane)
    return state


def code(state: Ledger, command: Command, minutes: int = 0) -> Code:
    (answer,) = state.apply([command], NOW + minutes * MINUTE)
    return answer.code


def account(state: Ledger, name: AccountId) -> Account:
    return state.accounts[AccountKey(T.tenant_id, T.lane, name)]


grants = st.lists(
    st.tuples(st.integers(0, 50), st.integers(0, 2), st.sampled_from([-5, 5, 10, None])), min_size=1, max_size=6
)


def wallet(state: Ledger, given_credit: Sequence[tuple[int, int, int | None]], floor: int = 0) -> None:
    """Give a wallet grants of (amount, priority, minutes until expiry)."""
    line = member(LINE, credit_line=True)
    assert code(state, T.post("line", Leg(LINE, floor, op=Op.FLOOR), openings=(line,))) is Code.OK
    for number, (amount, priority, minutes) in enumerate(given_credit):
        expires = "infinity" if minutes is None else in_minutes(minutes)
        name = account_id("grant", str(number))
        opening = member(name, priority=priority, expires_at=expires)
        assert code(state, T.post(("grant", number), Leg(name, amount), openings=(opening,))) is Code.OK


def the_hold(state: Ledger) -> Hold:
    (hold,) = state.holds.values()
    return hold


@given(grants, st.integers(1, 200), st.integers(-60, 0))
def test_a_hold_is_covered_to_the_last_unit_or_refused(
    given_credit: list[tuple[int, int, int | None]], money: int, floor: int
) -> None:
    state = ledger()
    wallet(state, given_credit, floor)
    spendable = sum(amount for amount, _, minutes in given_credit if minutes is None or minutes > 0) - floor

    got = code(state, T.hold("h", pool_id=WALLET, money_nanos=money))

    assert got is (Code.OK if money <= spendable else Code.INSUFFICIENT)
    assert sum(leg.amount for hold in state.holds.values() for leg in hold.legs) == (money if got is Code.OK else 0)


@given(grants, st.integers(1, 200))
def test_nothing_burns_while_something_before_it_has_credit(
    given_credit: list[tuple[int, int, int | None]], money: int
) -> None:
    state = ledger()
    wallet(state, given_credit, floor=-1_000)
    code(state, T.hold("h", pool_id=WALLET, money_nanos=money))

    burnt = [leg.account_id for leg in the_hold(state).legs]
    members = state.members(T.tenant_id, T.lane, WALLET)
    names = [found.key.account_id for found in members]
    assert burnt == [name for name in names if name in burnt]
    for found in members[: names.index(burnt[-1])]:
        assert found.spendable() == 0 or found.expires_at_micros <= NOW
    keys = [(m.priority, m.expires_at_micros, m.opened_at_micros) for m in members if not m.credit_line]
    assert keys == sorted(keys)
    assert members[-1].credit_line


@given(grants, st.integers(1, 150), st.integers(0, 300))
def test_what_a_terminal_takes_is_what_the_wallet_loses(
    given_credit: list[tuple[int, int, int | None]], money: int, price: int
) -> None:
    state = ledger()
    wallet(state, given_credit, floor=-1_000)
    before = sum(found.posted for found in state.accounts.values())
    code(state, T.hold("h", pool_id=WALLET, money_nanos=money))

    assert code(state, T.end("h", price)) is Code.OK

    assert sum(found.posted for found in state.accounts.values()) == before - price
    assert all(found.held == 0 for found in state.accounts.values())
    # An overrun falls on the credit line; no grant is ever below zero.
    assert all(found.posted >= 0 for found in state.accounts.values() if not found.credit_line)


@given(st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=12), st.integers(-200, 0))
def test_a_floor_is_passed_by_overruns_only(requests: list[tuple[int, int]], floor: int) -> None:
    state = ledger()
    code(state, T.post("open", openings=(counter(TOKEN),)))
    overruns = 0
    for number, (held, used) in enumerate(requests):
        if code(state, T.hold(number, Leg(TOKEN, held, floor=floor, op=Unit.MONEY))) is Code.OK:
            assert account(state, TOKEN).posted - account(state, TOKEN).held >= floor
        if number % 2 and code(state, T.end(number, used)) is Code.OK:
            overruns += max(0, used - held)
        found = account(state, TOKEN)
        assert found.posted - found.held >= floor - overruns


@given(st.lists(st.sampled_from(["end", "expire", "hold"]), max_size=8))
def test_a_hold_has_at_most_one_terminal(deliveries: list[str]) -> None:
    state = ledger()
    make = {"end": T.end("h"), "expire": T.expire("h"), "hold": T.hold("h")}

    got = [(name, code(state, make[name], minutes)) for minutes, name in enumerate(deliveries)]

    assert sum(name != "hold" and answer is Code.OK for name, answer in got) <= 1
    assert sum(name == "hold" and answer is Code.OK for name, answer in got) <= 1
    terminals = [event for event in state.events.values() if "hold" not in event.type]
    assert len(terminals) + len(state.holds) == ("hold" in deliveries)


def test_credit_held_before_it_expired_is_captured_after_and_the_rest_lapses() -> None:
    state = ledger()
    wallet(state, [(100, 0, 5)])
    grant = account_id("grant", "0")
    assert code(state, T.hold("h", pool_id=WALLET, money_nanos=60)) is Code.OK

    assert code(state, T.hold("late", pool_id=WALLET, money_nanos=1), minutes=6) is Code.INSUFFICIENT
    assert code(state, T.post("drain", Leg(grant, op=Op.DRAIN)), minutes=6) is Code.OK
    assert account(state, grant).posted == 60
    assert code(state, T.end("h", 50), minutes=7) is Code.OK
    assert account(state, grant).posted == 10
    assert account(state, LINE).posted == 0


def test_an_overrun_after_expiry_is_owed_and_does_not_take_lapsed_credit() -> None:
    state = ledger()
    wallet(state, [(100, 0, 5)])
    code(state, T.hold("h", pool_id=WALLET, money_nanos=60))

    assert code(state, T.end("h", 70), minutes=6) is Code.OK

    assert account(state, account_id("grant", "0")).posted == 40
    assert account(state, LINE).posted == -10


@given(st.lists(st.integers(0, 40), min_size=1, max_size=10), st.integers(1, 5))
def test_batches_decide_as_single_commands_do(moneys: list[int], size: int) -> None:
    single, batched = ledger(), ledger()
    for state in (single, batched):
        wallet(state, [(100, 0, None)])
    commands = [T.hold(number, pool_id=WALLET, money_nanos=money) for number, money in enumerate(moneys)]

    one_by_one = [single.apply([command], NOW)[0] for command in commands]
    together = [
        answer
        for start in range(0, len(commands), size)
        for answer in batched.apply(commands[start : start + size], NOW)
    ]

    assert together == one_by_one
    assert batched.accounts == single.accounts


@given(st.lists(st.tuples(st.integers(-50, 50), st.booleans()), max_size=12))
def test_folding_the_log_gives_the_accounts(changes: list[tuple[int, bool]]) -> None:
    state = ledger()
    code(state, T.post("open", openings=(counter(TOKEN),)))
    for number, (amount, is_hold) in enumerate(changes):
        leg = Leg(TOKEN, amount, floor=NO_FLOOR)
        code(state, T.hold(number, leg) if is_hold else T.post(number, leg))

    found = account(state, TOKEN)
    assert fold(state.events.values()).get(found.key, (0, 0)) == (found.posted, found.held)


def test_a_refusal_leaves_no_trace() -> None:
    state = ledger()
    wallet(state, [(100, 0, None)])
    before = repr(vars(state))
    new = Opening(account_id("window", "w"), "window", Unit.REQUESTS)

    refused = T.hold("h", Leg(new.account_id, 1), openings=(new,), pool_id=WALLET, money_nanos=101)

    assert code(state, refused) is Code.INSUFFICIENT
    assert repr(vars(state)) == before


def test_positions_are_dense_and_time_increases_even_when_the_clock_goes_back() -> None:
    state = ledger()
    answers = [state.apply([T.post(minutes)], NOW + minutes * MINUTE)[0] for minutes in (0, 5, 2, 9)]

    assert [answer.position for answer in answers] == [1, 2, 3, 4]
    times = [answer.recorded_at_micros for answer in answers]
    assert all(earlier < later for earlier, later in itertools.pairwise(times))
    assert times[2] == times[1] + 1


def test_times_are_read_as_microseconds_since_1970() -> None:
    assert micros_of("1970-01-01T00:00:01.000002+00:00") == 1_000_002
    assert micros_of("infinity") > NOW * 1_000
