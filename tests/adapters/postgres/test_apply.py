"""`ledger.apply` by example: every code, every operation, and what a batch may hold."""

import datetime as dt
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import msgspec
import pytest

from adapters.postgres.ledger import apply
from domain.ids import AccountId, HoldId, account_id, derive_id
from domain.ledger.commands import AMOUNT_MAX, Answer, Code, Command, Leg, Op, Unit
from domain.ledger.model import Account, AccountKey, Ledger
from tests.support.ledger import (
    GRANT,
    LINE,
    PAST,
    TOKEN,
    USER,
    WALLET,
    Connection,
    Sender,
    counter,
    make_days,
    member,
    new_id,
    read_ledger,
)

SECOND_GRANT = account_id("grant", "second")
T = Sender(7)


@pytest.fixture
async def connection(module_database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(module_database)
    await connection.execute("TRUNCATE ledger.lane, ledger.account, ledger.hold, ledger.event")
    await make_days(connection)
    await connection.execute("SELECT ledger.open_lane(7, 7), ledger.open_lane(7, 8), ledger.open_lane(9, 9)")
    yield connection
    await connection.close()


async def one(connection: Connection, command: Command) -> Answer:
    (answer,) = await apply(connection, [command])
    return answer


async def codes(connection: Connection, *commands: Command) -> list[Code]:
    return [answer.code for answer in await apply(connection, commands)]


async def account(connection: Connection, account: AccountId, sender: Sender = T) -> Account:
    ledger = await read_ledger(connection, [sender.tenant_id])
    return ledger.accounts[AccountKey(sender.tenant_id, sender.lane, account)]


async def left(connection: Connection, name: AccountId, sender: Sender = T) -> tuple[int, int]:
    found = await account(connection, name, sender)
    return found.posted, found.held


async def ledger_of(connection: Connection, sender: Sender = T) -> Ledger:
    return await read_ledger(connection, [sender.tenant_id])


async def test_a_hold_sets_aside_and_its_capture_takes_what_was_used(connection: Connection) -> None:
    await one(connection, T.wallet(1_000))
    legs = (Leg(TOKEN, 300, op=Unit.MONEY), Leg(USER, 1, op=Unit.REQUESTS))

    held = await one(connection, T.hold("h", *legs, pool_id=WALLET, money_nanos=300))
    assert (held.code, held.position, held.balance_nanos) == (Code.OK, 2, 700)
    assert await left(connection, GRANT) == (1_000, 300)
    assert await left(connection, TOKEN) == (0, 300)

    captured = await one(connection, T.end("h", 250, requests=1))
    assert (captured.code, captured.position, captured.balance_nanos) == (Code.OK, 3, 750)
    assert await left(connection, GRANT) == (750, 0)
    assert await left(connection, TOKEN) == (-250, 0)
    assert await left(connection, USER) == (-1, 0)
    assert (await ledger_of(connection)).holds == {}


async def test_a_void_gives_everything_back(connection: Connection) -> None:
    await apply(connection, [T.wallet(1_000), T.hold("h", Leg(TOKEN, 10), pool_id=WALLET, money_nanos=300)])

    assert await codes(connection, T.end("h")) == [Code.OK]
    assert await left(connection, GRANT) == (1_000, 0)
    assert await left(connection, TOKEN) == (0, 0)


async def test_a_hold_of_nothing_can_be_ended(connection: Connection) -> None:
    assert await codes(connection, T.hold("free")) == [Code.OK]
    assert await codes(connection, T.end("free")) == [Code.OK]


async def test_each_leg_settles_by_its_own_unit(connection: Connection) -> None:
    accounts = {unit: account_id("unit", unit.name) for unit in Unit}
    await one(connection, T.post("open", openings=tuple(counter(name, unit) for unit, name in accounts.items())))
    await one(connection, T.wallet(0))
    legs = tuple(Leg(name, 9, op=unit) for unit, name in accounts.items())
    await one(connection, T.hold("h", *legs))

    end = T.end("h", 1, requests=2, tokens=3, allowance_nanos=4)
    assert await codes(connection, end) == [Code.OK]

    taken = {unit: await left(connection, name) for unit, name in accounts.items()}
    assert taken == {
        Unit.MONEY: (-1, 0),
        Unit.REQUESTS: (-2, 0),
        Unit.TOKENS: (-3, 0),
        Unit.ALLOWANCE: (-4, 0),
        Unit.SLOTS: (0, 0),
        Unit.VERSION: (0, 0),
    }


async def test_what_a_capture_takes_beyond_its_hold_burns_grants_then_the_credit_line(connection: Connection) -> None:
    await apply(connection, [T.wallet(1_000), T.hold("h", pool_id=WALLET, money_nanos=300)])

    answer = await one(connection, T.end("h", 1_200))

    assert (answer.code, answer.balance_nanos) == (Code.OK, -200)
    assert await left(connection, GRANT) == (0, 0)
    assert await left(connection, LINE) == (-200, 0)


async def test_the_same_command_again_answers_exists_with_the_first_position(connection: Connection) -> None:
    await one(connection, T.wallet(1_000))
    hold = T.hold("h", pool_id=WALLET, money_nanos=300)
    first = await one(connection, hold)

    again = await one(connection, hold)
    both = await apply(connection, [hold, hold])

    assert (again.code, again.position, again.recorded_at_micros) == (
        Code.EXISTS,
        first.position,
        first.recorded_at_micros,
    )
    assert [answer.code for answer in both] == [Code.EXISTS, Code.EXISTS]
    assert again.balance_nanos == 700
    assert await left(connection, GRANT) == (1_000, 300)


async def test_duplicates_within_a_batch_execute_once(connection: Connection) -> None:
    hold = T.hold("h", pool_id=WALLET, money_nanos=300)
    other = T.hold("h", pool_id=WALLET, money_nanos=301)

    assert await codes(connection, T.wallet(1_000), hold, hold, other) == [
        Code.OK,
        Code.OK,
        Code.EXISTS,
        Code.CONFLICT,
    ]
    assert await codes(connection, T.end("h", 5), T.end("h", 5), T.end("h", 6)) == [Code.OK, Code.EXISTS, Code.ENDED]
    assert await left(connection, GRANT) == (995, 0)


async def test_a_duplicate_after_a_refusal_and_an_acceptance_executes_once(connection: Connection) -> None:
    hold = T.hold("h", pool_id=WALLET, money_nanos=300)
    top_up = T.post("top-up", Leg(GRANT, 500))

    assert await codes(connection, T.wallet(0), hold, top_up, hold, hold) == [
        Code.OK,
        Code.INSUFFICIENT,
        Code.OK,
        Code.OK,
        Code.EXISTS,
    ]
    assert await codes(connection, T.expire("h", days=0), T.end("h", 7), T.end("h", 7)) == [
        Code.OK,
        Code.ENDED,
        Code.ENDED,
    ]


async def test_a_capture_after_a_void_is_refused_and_told_where_the_void_stands(connection: Connection) -> None:
    await apply(connection, [T.wallet(1_000), T.hold("h", pool_id=WALLET, money_nanos=300)])
    void = await one(connection, T.end("h"))

    late = await one(connection, T.end("h", 300))

    assert (late.code, late.position) == (Code.ENDED, void.position)
    assert await left(connection, GRANT) == (1_000, 0)


async def test_a_hold_ends_once_even_under_two_event_ids(connection: Connection) -> None:
    await apply(connection, [T.wallet(1_000), T.hold("h", pool_id=WALLET, money_nanos=300)])
    rogue = msgspec.structs.replace(T.end("h", 10), event_id=new_id("rogue"))

    assert await codes(connection, T.end("h", 10), rogue) == [Code.OK, Code.UNKNOWN_HOLD]
    assert await left(connection, GRANT) == (990, 0)


async def test_a_terminal_in_the_batch_of_its_hold_is_to_be_sent_again(connection: Connection) -> None:
    hold = T.hold("h", pool_id=WALLET, money_nanos=300)

    assert await codes(connection, T.wallet(1_000), T.end("h", 1), hold, T.end("h", 1)) == [
        Code.OK,
        Code.UNKNOWN_HOLD,
        Code.OK,
        Code.RESEND,
    ]
    assert await codes(connection, T.end("h", 1)) == [Code.OK]


async def test_a_hold_is_unknown_in_any_other_lane(connection: Connection) -> None:
    await apply(connection, [T.wallet(1_000), T.hold("h", pool_id=WALLET, money_nanos=300)])

    assert await codes(connection, Sender(7, 8).end("h", 300)) == [Code.UNKNOWN_HOLD]
    assert await codes(connection, Sender(9).end("h", 300)) == [Code.UNKNOWN_HOLD]
    assert await left(connection, GRANT) == (1_000, 300)


async def test_one_id_in_two_tenants_is_two_events(connection: Connection) -> None:
    other = Sender(9)
    batch = [sender.hold("h", pool_id=WALLET, money_nanos=300) for sender in (T, other)]
    await apply(connection, [T.wallet(1_000), other.wallet(500)])

    answers = await apply(connection, batch)
    assert [(answer.code, answer.balance_nanos) for answer in answers] == [(Code.OK, 700), (Code.OK, 200)]

    assert await codes(connection, T.end("h", 300)) == [Code.OK]
    assert await left(connection, GRANT, other) == (500, 300)


async def test_two_lanes_of_a_tenant_keep_accounts_of_the_same_name_apart(connection: Connection) -> None:
    lanes = [T, Sender(7, 8)]
    wallets = [
        msgspec.structs.replace(sender.wallet(credit), event_id=new_id(("w", credit)))
        for sender, credit in zip(lanes, (1_000, 500), strict=True)
    ]
    holds = [sender.hold(str(sender.lane), Leg(TOKEN, 3), pool_id=WALLET, money_nanos=300) for sender in lanes]

    # Both lanes in one call, and the second lane first: the adapter sorts, and answers in the order asked.
    answers = await apply(connection, [wallets[1], holds[1], wallets[0], holds[0]])

    assert [answer.position for answer in answers] == [1, 2, 1, 2]
    assert [answer.balance_nanos for answer in answers] == [500, 200, 1_000, 700]
    assert await left(connection, GRANT, lanes[0]) == (1_000, 300)
    assert await left(connection, GRANT, lanes[1]) == (500, 300)


async def test_a_batch_outlives_every_kind_of_refusal(connection: Connection) -> None:
    closed, expired, full = (account_id("counter", name) for name in ("closed", "expired", "full"))
    await apply(
        connection,
        [
            T.wallet(100),
            T.post(
                "open",
                Leg(closed, op=Op.CLOSE),
                openings=(counter(closed), counter(expired, expires_at=PAST), counter(full)),
            ),
        ],
    )
    refused: dict[str, tuple[Command, Code, int]] = {
        "unknown hold": (T.end("none"), Code.UNKNOWN_HOLD, 0),
        "unknown account": (T.hold("a", Leg(TOKEN, 1), Leg(account_id("no", "one"), 1)), Code.UNKNOWN_ACCOUNT, 2),
        "unknown wallet": (T.hold("b", pool_id=account_id("wallet", "none")), Code.UNKNOWN_ACCOUNT, 0),
        "closed": (T.hold("c", Leg(TOKEN, 1), Leg(closed, 1)), Code.CLOSED, 2),
        "expired": (T.hold("d", Leg(expired, 1)), Code.EXPIRED, 1),
        "limit": (T.hold("e", Leg(TOKEN, 1), Leg(full, 6, floor=-5)), Code.LIMIT, 2),
        "insufficient": (T.hold("f", Leg(TOKEN, 1), pool_id=WALLET, money_nanos=101), Code.INSUFFICIENT, 0),
        "version": (T.post("g", Leg(TOKEN, 1, floor=3, op=Op.EXPECT)), Code.VERSION, 1),
        "unknown lane": (Sender(404).post("h"), Code.UNKNOWN_LANE, 0),
        "another's lane": (Sender(9, 7).post("i"), Code.UNKNOWN_LANE, 0),
        "not due": (T.post("j", Leg(GRANT, op=Op.DRAIN)), Code.NOT_DUE, 1),
        "negative": (T.hold("k", Leg(TOKEN, -1)), Code.RANGE, 1),
        "huge": (T.hold("l", Leg(TOKEN, AMOUNT_MAX + 1)), Code.RANGE, 1),
        "huge money": (T.post("m", money_nanos=2**63 - 1, pool_id=WALLET), Code.RANGE, 0),
        "old": (T.post("n", days=-8), Code.BAD_DAY, 0),
        "future": (T.post("o", days=2), Code.BAD_DAY, 0),
        "a hold under another's event": (
            msgspec.structs.replace(T.hold("p"), event_id=new_id("q")),
            Code.CONFLICT,
            0,
        ),
    }
    good = [T.hold(("good", name), Leg(TOKEN, 1)) for name in refused]
    mixed = [command for pair in zip([c for c, _, _ in refused.values()], good, strict=True) for command in pair]

    answers = await apply(connection, mixed)

    got = {name: (a.code, a.leg) for name, a in zip(refused, answers[::2], strict=True)}
    assert got == {name: (code, leg) for name, (_, code, leg) in refused.items()}
    assert {answer.code for answer in answers[1::2]} == {Code.OK}
    # Nothing of a refused command stays behind: one unit per good hold, and no money.
    assert await left(connection, TOKEN) == (0, len(good))
    assert await left(connection, GRANT) == (100, 0)
    state = await ledger_of(connection)
    assert state.lanes[T.tenant_id, T.lane].head == 2 + len(good)


async def test_a_command_cannot_pass_a_floor_by_naming_an_account_twice(connection: Connection) -> None:
    await one(connection, T.wallet(100))
    twice = (Leg(TOKEN, 60, floor=-100), Leg(TOKEN, 60, floor=-100))
    out = (Leg(GRANT, -60, floor=0), Leg(GRANT, -60, floor=0))

    answers = await apply(connection, [T.hold("h", *twice), T.post("p", *out)])

    assert [(answer.code, answer.leg) for answer in answers] == [(Code.LIMIT, 2), (Code.LIMIT, 2)]
    assert await left(connection, TOKEN) == (0, 0)
    assert await left(connection, GRANT) == (100, 0)


async def test_expect_admits_one_of_two_changes_of_the_same_version(connection: Connection) -> None:
    await one(connection, T.wallet(0))
    change = [T.post(name, Leg(TOKEN, 1, floor=0, op=Op.EXPECT)) for name in ("a", "b")]

    assert await codes(connection, *change) == [Code.OK, Code.VERSION]


async def test_close_and_open_turn_holds_away_and_let_them_in_again(connection: Connection) -> None:
    await one(connection, T.wallet(0))

    assert await codes(
        connection,
        T.post("close", Leg(TOKEN, op=Op.CLOSE)),
        T.hold("a", Leg(TOKEN, 1)),
        T.post("open", Leg(TOKEN, op=Op.OPEN)),
        T.hold("b", Leg(TOKEN, 1)),
    ) == [Code.OK, Code.CLOSED, Code.OK, Code.OK]
    assert (await account(connection, TOKEN)).open


async def test_floor_lets_the_credit_line_pay_as_far_as_it_goes(connection: Connection) -> None:
    await one(connection, T.wallet(100, floor_nanos=50))

    assert await codes(connection, T.hold("a", pool_id=WALLET, money_nanos=151)) == [Code.INSUFFICIENT]
    answer = await one(connection, T.hold("b", pool_id=WALLET, money_nanos=150))

    assert (answer.code, answer.balance_nanos) == (Code.OK, -50)
    assert await left(connection, LINE) == (0, 50)


async def test_debt_counts_against_new_credit_and_repay_settles_it(connection: Connection) -> None:
    await apply(connection, [T.wallet(100), T.hold("a", pool_id=WALLET, money_nanos=100)])
    await one(connection, T.end("a", 180))
    opened = T.post("top-up", Leg(SECOND_GRANT, 200), openings=(member(SECOND_GRANT),), pool_id=WALLET)

    assert (await one(connection, opened)).balance_nanos == 120
    assert await codes(connection, T.hold("b", pool_id=WALLET, money_nanos=121)) == [Code.INSUFFICIENT]

    repaid = await one(connection, T.post("repay", Leg(SECOND_GRANT, op=Op.REPAY), pool_id=WALLET))
    assert (repaid.code, repaid.balance_nanos) == (Code.OK, 120)
    assert await left(connection, SECOND_GRANT) == (120, 0)
    assert await left(connection, LINE) == (0, 0)


async def test_drain_takes_what_lapsed_and_leaves_what_is_held(connection: Connection) -> None:
    await apply(connection, [T.wallet(100), T.hold("a", pool_id=WALLET, money_nanos=30)])
    await connection.execute("UPDATE ledger.account SET expires_at = now() WHERE account_id = $1", GRANT)

    drained = await one(connection, T.post("drain", Leg(GRANT, op=Op.DRAIN), pool_id=WALLET))
    assert drained.code is Code.OK
    assert await left(connection, GRANT) == (30, 30)
    assert await codes(connection, T.hold("b", pool_id=WALLET, money_nanos=1)) == [Code.INSUFFICIENT]

    # What was held before may still be taken; what comes back lapses with the next drain.
    assert await codes(connection, T.end("a", 20)) == [Code.OK]
    assert await left(connection, GRANT) == (10, 0)
    assert await codes(connection, T.post("again", Leg(GRANT, op=Op.DRAIN))) == [Code.OK]
    assert await left(connection, GRANT) == (0, 0)


async def test_grants_burn_by_priority_then_expiry_then_age(connection: Connection) -> None:
    soon, later = ((dt.datetime.now(dt.UTC) + dt.timedelta(days=days)).isoformat() for days in (1, 2))
    order: dict[str, dict[str, Any]] = {
        "first": {"priority": 0, "expires_at": later},
        "second": {"priority": 1, "expires_at": soon},
        "third": {"priority": 1, "expires_at": later},
        "fourth": {"priority": 1},
        "fifth": {"priority": 1},
    }
    accounts = {name: account_id("grant", name) for name in order}
    await one(connection, T.post("line", openings=(member(LINE, credit_line=True),)))
    for name in ("second", "fourth", "first", "fifth", "third"):
        opening = member(accounts[name], **order[name])
        await one(connection, T.post(name, Leg(accounts[name], 10), openings=(opening,)))

    await one(connection, T.hold("h", pool_id=WALLET, money_nanos=45))

    (hold,) = (await ledger_of(connection)).holds.values()
    assert [(leg.account_id, leg.amount) for leg in hold.legs] == [
        (accounts[name], amount) for name, amount in zip(order, (10, 10, 10, 10, 5), strict=True)
    ]


async def test_grants_opened_in_one_batch_burn_in_the_order_opened_at_once_and_later(connection: Connection) -> None:
    first, second = sorted((GRANT, SECOND_GRANT), reverse=True)
    await one(connection, T.post("line", openings=(member(LINE, credit_line=True),)))
    top_ups = [T.post(name, Leg(name, 10), openings=(member(name),)) for name in (first, second)]

    await apply(connection, [*top_ups, T.hold("now", pool_id=WALLET, money_nanos=5)])
    assert await left(connection, first) == (10, 5)
    await one(connection, T.hold("later", pool_id=WALLET, money_nanos=7))
    assert await left(connection, first) == (10, 10)
    assert await left(connection, second) == (10, 2)


async def test_a_spent_grant_that_gets_credit_back_pays_again(connection: Connection) -> None:
    await apply(connection, [T.wallet(100), T.hold("a", pool_id=WALLET, money_nanos=100)])
    await one(connection, T.end("a", 100))
    assert await connection.fetchval("SELECT spent FROM ledger.account WHERE account_id = $1", GRANT)

    await one(connection, T.post("refund", Leg(GRANT, 40)))

    assert await codes(connection, T.hold("b", pool_id=WALLET, money_nanos=40)) == [Code.OK]


async def test_a_post_takes_money_in_burn_order_and_a_correction_may_owe(connection: Connection) -> None:
    await one(connection, T.wallet(100))

    assert await codes(connection, T.post("a", pool_id=WALLET, money_nanos=101)) == [Code.INSUFFICIENT]
    answer = await one(connection, T.post("b", pool_id=WALLET, money_nanos=101, strict=False))

    assert (answer.code, answer.balance_nanos) == (Code.OK, -1)
    assert await left(connection, LINE) == (-1, 0)


async def test_accounts_are_opened_by_accepted_commands_only_and_once(connection: Connection) -> None:
    window = account_id("window", "now")
    opening = counter(window, Unit.REQUESTS)
    leg = Leg(window, 1, floor=-2, op=Unit.REQUESTS)

    answers = await codes(
        connection,
        T.hold("refused", leg, Leg(account_id("no", "one"), 1), openings=(opening,)),
        T.hold("without", leg),
        *(T.hold(number, leg, openings=(opening,)) for number in range(3)),
    )

    assert answers == [Code.UNKNOWN_ACCOUNT, Code.UNKNOWN_ACCOUNT, Code.OK, Code.OK, Code.LIMIT]
    assert await left(connection, window) == (0, 2)


async def test_a_refused_opening_leaves_no_account(connection: Connection) -> None:
    window = account_id("window", "now")

    await one(connection, T.hold("h", Leg(window, 2, floor=-1), openings=(counter(window),)))

    assert (await ledger_of(connection)).accounts == {}


async def test_two_openings_of_one_account_in_a_batch_must_agree_or_come_again(connection: Connection) -> None:
    no_one = Leg(account_id("no", "one"), 1)
    await one(connection, T.wallet(0))

    batch = [
        T.post("a", no_one, openings=(member(SECOND_GRANT, priority=1),)),
        T.post("b", Leg(SECOND_GRANT, 5), openings=(member(SECOND_GRANT, priority=0),)),
    ]
    assert await codes(connection, *batch) == [Code.UNKNOWN_ACCOUNT, Code.RESEND]
    assert await codes(connection, batch[1]) == [Code.OK]
    assert (await account(connection, SECOND_GRANT)).priority == 0


async def test_a_hold_outlives_its_purged_window(connection: Connection) -> None:
    window = account_id("window", "old")
    await one(connection, T.hold("h", Leg(window, 1, op=Unit.REQUESTS), openings=(counter(window),)))
    await connection.execute("DELETE FROM ledger.account WHERE account_id = $1", window)

    assert await codes(connection, T.end("h", requests=1)) == [Code.OK]
    assert (await ledger_of(connection)).accounts == {}


async def test_a_hold_expires_once_its_deadline_has_passed(connection: Connection) -> None:
    await apply(
        connection,
        [
            T.wallet(100),
            T.hold("now", pool_id=WALLET, money_nanos=10, timeout_seconds=0),
            T.hold("later", pool_id=WALLET, money_nanos=10, timeout_seconds=60),
        ],
    )

    assert await codes(connection, T.expire("now"), T.expire("later")) == [Code.OK, Code.NOT_DUE]
    assert await codes(connection, T.end("now", 5), T.end("later", 5)) == [Code.ENDED, Code.OK]
    assert await left(connection, GRANT) == (95, 0)


@pytest.mark.parametrize("late", ["end", "expire"])
async def test_over_midnight_a_hold_has_one_terminal_in_the_partition_of_its_own_day(
    connection: Connection, late: str
) -> None:
    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    await apply(connection, [T.wallet(100), T.hold("h", days=-1, pool_id=WALLET, money_nanos=10)])
    end, expire = T.end("h", 5, days=-1), T.expire("h", days=-1)
    first, second = (end, expire) if late == "expire" else (expire, end)

    assert await codes(connection, first) == [Code.OK]
    assert await codes(connection, second, first) == [Code.ENDED, Code.EXISTS]

    events = (await ledger_of(connection)).events.values()
    terminal = derive_id(new_id("h", days=-1), "terminal")
    assert [event.day for event in events if event.event_id == terminal] == [yesterday]
    rows = await connection.fetch("SELECT tableoid::regclass::text FROM ledger.event WHERE event_id = $1", terminal)
    assert [row[0] for row in rows] == [f"ledger.event_{yesterday:%Y%m%d}"]


async def test_a_terminal_is_taken_however_old_its_hold_is(connection: Connection) -> None:
    old = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=40)
    await connection.execute("SELECT ledger.create_days($1, 1)", old)
    await apply(connection, [T.wallet(100), T.hold("h", pool_id=WALLET, money_nanos=10)])
    hold_id = HoldId(new_id("h", day=old))
    await connection.execute("UPDATE ledger.hold SET hold_id = $1, day = $2", hold_id, old)
    end = msgspec.structs.replace(T.end("h", 4), hold_id=hold_id, event_id=derive_id(hold_id, "terminal"))

    assert await codes(connection, end) == [Code.OK]
    assert await left(connection, GRANT) == (96, 0)


async def test_sums_stay_within_their_limits_whatever_is_sent(connection: Connection) -> None:
    await one(connection, T.wallet(AMOUNT_MAX))

    more = [T.post(number, Leg(GRANT, AMOUNT_MAX)) for number in range(4)]
    assert await codes(connection, *more) == [Code.OK, Code.RANGE, Code.RANGE, Code.RANGE]
    holds = [T.hold(("h", number), Leg(TOKEN, AMOUNT_MAX)) for number in range(4)]
    assert await codes(connection, *holds) == [Code.OK, Code.OK, Code.RANGE, Code.RANGE]
    owed = [T.post(("o", n), pool_id=WALLET, money_nanos=AMOUNT_MAX, strict=False) for n in range(6)]
    assert await codes(connection, *owed) == [Code.OK] * 4 + [Code.RANGE] * 2
    lowest = -(2**63)
    assert await codes(connection, T.post("low", Leg(GRANT, lowest)), T.hold("low", Leg(TOKEN, lowest))) == [
        Code.RANGE,
        Code.RANGE,
    ]


async def test_a_terminal_that_would_leave_the_range_changes_nothing(connection: Connection) -> None:
    await one(connection, T.wallet(0))
    holds = [T.hold(number, Leg(TOKEN, 1, op=Unit.MONEY), Leg(USER, 1, op=Unit.TOKENS)) for number in range(3)]
    await apply(connection, holds)
    ends = [T.end(number, AMOUNT_MAX, tokens=1) for number in range(3)]

    assert await codes(connection, *ends) == [Code.OK, Code.OK, Code.RANGE]
    assert await left(connection, TOKEN) == (-2 * AMOUNT_MAX, 1)
    assert await left(connection, USER) == (-2, 1)
    assert await codes(connection, T.end(2)) == [Code.OK]


async def test_an_empty_batch_has_no_answers(connection: Connection) -> None:
    assert await apply(connection, []) == []


async def test_recorded_times_are_the_databases_and_strictly_increase(connection: Connection) -> None:
    before = await connection.fetchval("SELECT clock_timestamp()")
    answers = await apply(connection, [T.post(number) for number in range(200)])
    after = await connection.fetchval("SELECT clock_timestamp()")

    times = [answer.recorded_at_micros for answer in answers]
    assert times == sorted(set(times))
    assert before.timestamp() <= times[0] / 1e6 <= after.timestamp()


async def test_the_lanes_time_does_not_follow_a_clock_that_went_back(connection: Connection) -> None:
    await one(connection, T.wallet(100))
    ahead = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    await connection.execute("UPDATE ledger.lane SET last_at = $1 WHERE lane = 7", ahead)

    answer = await one(connection, T.post("p"))

    assert answer.recorded_at_micros == round(ahead.timestamp() * 1_000_000) + 1


async def test_an_account_sent_twice_is_an_error_of_the_caller_that_changes_nothing(connection: Connection) -> None:
    # The adapter numbers accounts; a caller that did not would have its sums split in two.
    with pytest.raises(asyncpg.InvalidParameterValueError, match="named twice"):
        await connection.execute(
            """
            SELECT ledger.apply(ARRAY[7], ARRAY[7], ARRAY[4::smallint], ARRAY[$1::uuid], ARRAY[now()::date], ARRAY[1],
                ARRAY['t'], ARRAY['a'], ARRAY[$1::uuid], ARRAY[$1::uuid], ARRAY[''::bytea], ARRAY[$1::uuid], ARRAY[0],
                ARRAY[$1::uuid], ARRAY[true], ARRAY[0], ARRAY[0], ARRAY[0], ARRAY[0], ARRAY[2],
                ARRAY[$1::uuid, $1::uuid], ARRAY[7, 7], ARRAY[7, 7],
                ARRAY[1, 2], ARRAY[1, 1]::smallint[], ARRAY[1, 1], ARRAY[0, 0],
                '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')
            """,
            new_id("x"),
        )
