"""Random commands against `ledger.apply` and against the reference model: nobody must be able to tell them apart.

`TALLYGATE_LEDGER_EXAMPLES=2000 pytest ...` runs longer, and with other examples each time.
"""

import asyncio
import datetime as dt
import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
import msgspec
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from domain.ids import AccountId, Lane, TenantId, account_id, derive_id
from domain.ledger.commands import (
    AMOUNT_MAX,
    NO_FLOOR,
    NO_POOL,
    Answer,
    Code,
    Command,
    Leg,
    Op,
    Opening,
    Unit,
)
from domain.ledger.model import AccountKey, Ledger, fold
from tests.support.ledger import Connection, Sender, call, make_days, new_id, read_ledger

EXAMPLES = int(os.environ.get("TALLYGATE_LEDGER_EXAMPLES", "0"))
APPLY_SQL = Path(__file__).parents[3] / "migrations" / "0082_apply_at_once.sql"

# Everything is few, so that commands meet. The same account ids are used in every lane.
PLAIN = [account_id("plain", str(number)) for number in range(3)]
WINDOWS = [account_id("window", str(number)) for number in range(2)]
GRANTS = [account_id("grant", str(number)) for number in range(4)]
WALLETS = [account_id("wallet", str(number)) for number in range(2)]
LINES = [account_id("line", str(number)) for number in range(2)]
MISSING = account_id("missing", "0")

START = dt.datetime.now(dt.UTC)
AHEAD = dt.timedelta(hours=1)
"""How far lanes are ahead of the clock: their time is then their own, and known to the microsecond."""
TIMES = ["infinity", *((START + AHEAD + dt.timedelta(minutes=m)).isoformat() for m in (-30, 15, 45))]

amounts = st.one_of(
    st.integers(0, 30), st.integers(0, 300), st.sampled_from([0, 100, AMOUNT_MAX, AMOUNT_MAX + 1, 2**63 - 1])
)
signed = st.one_of(st.integers(-200, 200), st.sampled_from([AMOUNT_MAX, -AMOUNT_MAX, -AMOUNT_MAX - 1, -(2**62)]))
small = st.one_of(st.integers(0, 60), amounts)
floors = st.sampled_from([NO_FLOOR, NO_FLOOR, 0, -50, -300])
wallets = st.sampled_from([WALLETS[0], WALLETS[0], WALLETS[0], WALLETS[1], NO_POOL])
everything = st.sampled_from([*PLAIN, *WINDOWS, *GRANTS, *LINES, MISSING])
window_openings = st.builds(
    lambda account, purge: Opening(account, f"window:{account}", Unit.REQUESTS, purge_at=purge),
    st.sampled_from(WINDOWS),
    st.sampled_from(TIMES),
)
member_openings = st.builds(
    lambda account, wallet, expires, priority: Opening(
        account, f"grant:{account}", Unit.MONEY, expires_at=expires, pool_id=wallet, priority=priority
    ),
    st.sampled_from(GRANTS),
    st.sampled_from(WALLETS),
    st.sampled_from(TIMES),
    st.integers(0, 1),
)
line_openings = st.builds(
    lambda number: Opening(LINES[number], f"line:{number}", Unit.MONEY, pool_id=WALLETS[number], credit_line=True),
    st.integers(0, 1),
)
openings = st.lists(st.one_of(window_openings, member_openings, line_openings), max_size=2).map(tuple)
hold_legs = st.lists(
    st.builds(
        Leg,
        st.one_of(st.sampled_from([*PLAIN, *WINDOWS]), everything),
        st.one_of(st.integers(0, 30), signed),
        floors,
        st.sampled_from(list(Unit)).map(int),
    ),
    max_size=3,
).map(tuple)
post_legs = st.lists(
    st.one_of(
        st.builds(Leg, st.sampled_from(GRANTS), st.integers(0, 300)),
        st.builds(Leg, everything, signed, floors, st.sampled_from(list(Op)).map(int)),
        st.builds(Leg, everything, st.integers(-1, 1), st.integers(0, 2), st.just(int(Op.EXPECT))),
        st.builds(Leg, st.sampled_from(LINES), st.integers(-300, 0), st.just(0), st.just(int(Op.FLOOR))),
        st.builds(Leg, st.sampled_from(GRANTS), st.just(0), st.just(0), st.sampled_from([5, 5, 6])),
    ),
    max_size=3,
).map(tuple)
lanes = st.sampled_from([0] * 6 + [1] * 3 + [2] * 3 + [3, 4, 5])
days = st.sampled_from([0] * 12 + [-7, -8, 1, 2])
holds = st.integers(0, 7)


def _with_money_covered(spec: tuple[Any, ...]) -> tuple[Any, ...]:
    """Ask for no money where no wallet is named."""
    kind, lane, number, fields = spec
    return (kind, lane, number, fields if fields["pool_id"] != NO_POOL else fields | {"money_nanos": 0})


hold_specs = st.tuples(
    st.just("hold"),
    lanes,
    holds,
    st.fixed_dictionaries(
        {
            "days": days,
            "pool_id": wallets,
            "money_nanos": small,
            "legs": hold_legs,
            "openings": openings,
            "timeout_seconds": st.sampled_from([0, 0, 600]),
        }
    ),
)
end_specs = st.tuples(
    st.sampled_from(["end", "end", "end", "expire"]),
    lanes,
    holds,
    st.fixed_dictionaries(
        {
            "days": days,
            "money_nanos": small,
            "requests": st.integers(0, 1),
            "tokens": small,
            "allowance_nanos": small,
            "pool_id": wallets,
        }
    ),
)
odd_end_specs = st.tuples(st.just("odd_end"), lanes, holds, st.fixed_dictionaries({"money_nanos": small}))
post_specs = st.tuples(
    st.just("post"),
    lanes,
    st.integers(100, 115),
    st.fixed_dictionaries(
        {
            "days": days,
            "pool_id": wallets,
            "money_nanos": st.one_of(st.just(0), small),
            "strict": st.booleans(),
            "legs": post_legs,
            "openings": openings,
        }
    ),
)
empty: dict[str, Any] = {}
again_specs = st.tuples(st.just("again"), lanes, st.integers(0, 40), st.just(empty))

# Most of what is random is refused: these are likely to be accepted, so that there is something to be refused against.
known_lanes = st.sampled_from([0, 0, 0, 1, 2])
likely_hold_specs = st.tuples(
    st.just("hold"),
    known_lanes,
    st.integers(0, 60),
    st.fixed_dictionaries(
        {
            "pool_id": st.sampled_from([WALLETS[0], WALLETS[0], WALLETS[0], NO_POOL]),
            "money_nanos": st.integers(0, 60),
            "legs": st.lists(
                st.builds(
                    Leg,
                    st.sampled_from(PLAIN),
                    st.integers(0, 30),
                    st.sampled_from([NO_FLOOR, -100]),
                    st.sampled_from(list(Unit)).map(int),
                ),
                max_size=3,
            ).map(tuple),
            "timeout_seconds": st.sampled_from([0, 600]),
        }
    ),
).map(_with_money_covered)
likely_end_specs = st.tuples(
    st.sampled_from(["end_open", "end_open", "end_open", "expire_open", "odd_end_open"]),
    known_lanes,
    st.integers(0, 7),
    st.fixed_dictionaries(
        {
            "money_nanos": st.one_of(st.integers(0, 60), st.integers(0, 400)),
            "requests": st.integers(0, 1),
            "tokens": st.integers(0, 60),
            "allowance_nanos": st.integers(0, 60),
        }
    ),
)
likely_post_specs = st.tuples(
    st.just("post"),
    known_lanes,
    st.integers(200, 400),
    st.fixed_dictionaries(
        {
            "pool_id": st.just(WALLETS[0]),
            "money_nanos": st.sampled_from([0, 0, 0, 25]),
            "strict": st.booleans(),
            "legs": st.one_of(
                st.tuples(st.builds(Leg, st.sampled_from(GRANTS[:2]), st.integers(0, 150))),
                st.tuples(
                    st.builds(Leg, st.just(GRANTS[0]), st.integers(0, 150)),
                    st.just(Leg(GRANTS[0], op=Op.REPAY)),
                ),
                st.tuples(st.builds(Leg, st.sampled_from(PLAIN), st.just(200), floors)),
                st.tuples(st.builds(Leg, st.just(LINES[0]), st.integers(-100, 0), st.just(0), st.just(int(Op.FLOOR)))),
                st.tuples(st.builds(Leg, st.sampled_from(GRANTS), st.just(0), st.just(0), st.just(int(Op.DRAIN)))),
            ),
            "openings": st.one_of(st.just(()), st.tuples(member_openings)),
        }
    ),
)
odd_specs = st.one_of(hold_specs, end_specs, post_specs, again_specs, odd_end_specs)
specs = st.one_of(
    likely_hold_specs, likely_hold_specs, likely_end_specs, likely_end_specs, likely_post_specs, again_specs, odd_specs
)
batches = st.lists(specs, min_size=1, max_size=8)


class Core:
    """The database under test: one connection, driven from synchronous code."""

    def __init__(self, dsn: str, function: str = "ledger.apply") -> None:
        self._runner = asyncio.Runner()
        self.function = function
        self.connection: Connection = self.run(asyncpg.connect(dsn))
        self.run(make_days(self.connection))

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)

    def close(self) -> None:
        self.run(self.connection.close())
        self._runner.close()


class Machine(RuleBasedStateMachine):
    core: ClassVar[Core]
    tenants: ClassVar[Iterator[int]] = itertools.count(1_000, 10)

    @initialize()
    def open_lanes(self) -> None:
        first = next(self.tenants)
        # Two lanes of one tenant, one of another, one lane that is not there, and two under the wrong tenant.
        self.lanes = [
            Sender(first, first),
            Sender(first, first + 1),
            Sender(first + 5, first + 5),
            Sender(first + 5, first + 9),
            Sender(first, first + 5),
            Sender(first + 5, first),
        ]
        self.tenant_ids = [first, first + 5]
        self.model = Ledger()
        self.sent: list[Command] = []
        self.now_micros = round(START.timestamp() * 1_000_000)
        for sender in self.lanes[:3]:
            self.model.open_lane(sender.tenant_id, sender.lane)
            self.execute("SELECT ledger.open_lane($1, $2)", sender.tenant_id, sender.lane)
            self.set_time(sender.tenant_id, sender.lane, START + AHEAD)
        self.send([self._furnish(sender) for sender in self.lanes[:3]])

    def _furnish(self, sender: Sender) -> Command:
        opened = [Opening(account, "plain", Unit.MONEY) for account in PLAIN]
        opened += [
            Opening(line, "line", Unit.MONEY, pool_id=wallet, credit_line=True)
            for line, wallet in zip(LINES, WALLETS, strict=True)
        ]
        opened += [Opening(grant, "grant", Unit.MONEY, pool_id=WALLETS[0]) for grant in GRANTS[:2]]
        credit = tuple(Leg(grant, 100) for grant in GRANTS[:2])
        return sender.post("furnish", *credit, pool_id=WALLETS[0], openings=tuple(opened))

    def execute(self, query: str, *arguments: object) -> None:
        self.core.run(self.core.connection.execute(query, *arguments))

    def set_time(self, tenant_id: TenantId, lane: Lane, time: dt.datetime) -> None:
        self.model.lanes[tenant_id, lane].last_at_micros = round(time.timestamp() * 1_000_000)
        self.execute("UPDATE ledger.lane SET last_at = $3 WHERE tenant_id = $1 AND lane = $2", tenant_id, lane, time)

    @rule(batch=batches)
    def send_batch(self, batch: list[Any]) -> None:
        self.send([self._build(*spec) for spec in batch])

    @rule(batch=batches)
    def send_one_by_one(self, batch: list[Any]) -> None:
        for spec in batch:
            self.send([self._build(*spec)])

    @rule(lane=st.integers(0, 2), minutes=st.integers(1, 25))
    def time_passes(self, lane: int, minutes: int) -> None:
        sender = self.lanes[lane]
        last = self.model.lanes[sender.tenant_id, sender.lane].last_at_micros
        time = dt.datetime.fromtimestamp(0, dt.UTC) + dt.timedelta(microseconds=last, minutes=minutes)
        self.set_time(sender.tenant_id, sender.lane, time)

    @rule(lane=st.integers(0, 2), window=st.sampled_from(WINDOWS))
    def window_is_purged(self, lane: int, window: AccountId) -> None:
        sender = self.lanes[lane]
        self.model.accounts.pop(AccountKey(sender.tenant_id, sender.lane, window), None)
        self.execute(
            "DELETE FROM ledger.account WHERE account_id = $1 AND tenant_id = $2 AND lane = $3",
            window,
            sender.tenant_id,
            sender.lane,
        )

    def _build(self, kind: str, lane: int, number: int, fields: dict[str, Any]) -> Command:
        sender = self.lanes[lane]
        if kind == "again":
            return self.sent[number % len(self.sent)]
        if kind.endswith("_open"):
            return self._build_end_of_open(kind, sender, number, fields)
        if kind == "odd_end":
            # A terminal whose event is not the one that is derived from the hold.
            command = sender.end(number, **fields)
            return msgspec.structs.replace(command, event_id=new_id(("odd", number, str(fields))))
        make: dict[str, Callable[..., Command]] = {
            "hold": sender.hold,
            "end": sender.end,
            "expire": sender.expire,
            "post": sender.post,
        }
        legs = fields.get("legs", ())
        return make[kind](number, *legs, **{name: value for name, value in fields.items() if name != "legs"})

    def _build_end_of_open(self, kind: str, sender: Sender, number: int, fields: dict[str, Any]) -> Command:
        if not self.model.holds:
            return sender.end(number, **fields)
        (tenant_id, hold_id), hold = list(self.model.holds.items())[number % len(self.model.holds)]
        sender = Sender(tenant_id, hold.lane)
        command = sender.expire(0, **fields) if kind == "expire_open" else sender.end(0, **fields)
        event_id = new_id(("odd", hold_id, str(fields))) if kind == "odd_end_open" else derive_id(hold_id, "terminal")
        return msgspec.structs.replace(command, hold_id=hold_id, event_id=event_id)

    def send(self, commands: list[Command]) -> None:
        self.sent += commands
        expected = self.model.apply(commands, self.now_micros)
        ordered = sorted(range(len(commands)), key=lambda index: (commands[index].lane, commands[index].tenant_id))
        given = self.core.run(call(self.core.connection, [commands[index] for index in ordered], self.core.function))
        assert [_comparable(answer) for answer in given] == [_comparable(expected[index]) for index in ordered]

    @invariant()
    def tables_equal_the_model(self) -> None:
        stored = self.core.run(read_ledger(self.core.connection, self.tenant_ids))
        assert stored.lanes == self.model.lanes
        assert stored.holds == self.model.holds
        assert stored.events == self.model.events
        assert stored.accounts == self.model.accounts
        check_invariants(stored, purged=set(WINDOWS))


def _comparable(answer: Answer) -> Answer:
    if answer.code is Code.UNKNOWN_LANE:
        # There is no lane to take a time from: the clock's is as good as any.
        return Answer(answer.code, answer.leg, answer.position, 0, answer.balance_nanos)
    return answer


def check_invariants(ledger: Ledger, purged: set[AccountId]) -> None:
    """Hold a ledger's tables against each other, with none of the model's rules."""
    folded = fold(ledger.events.values())
    held: dict[AccountKey, int] = {}
    for (tenant_id, _), hold in ledger.holds.items():
        for leg in hold.legs:
            key = AccountKey(tenant_id, hold.lane, leg.account_id)
            held[key] = held.get(key, 0) + leg.amount
    for key, account in ledger.accounts.items():
        if key.account_id not in purged:
            assert (account.posted, account.held) == folded.get(key, (0, 0))
            assert account.held == held.get(key, 0)
    for (tenant_id, lane), state in ledger.lanes.items():
        log = sorted(
            (event for event in ledger.events.values() if (event.tenant_id, event.lane) == (tenant_id, lane)),
            key=lambda event: event.position,
        )
        assert [event.position for event in log] == list(range(1, state.head + 1))
        times = [event.recorded_at_micros for event in log]
        assert all(earlier < later for earlier, later in itertools.pairwise(times))


def _settings(examples: int, **overrides: Any) -> settings:
    given: dict[str, Any] = {
        "max_examples": EXAMPLES or examples,
        "derandomize": not EXAMPLES,
        "stateful_step_count": 20,
        "deadline": None,
        "database": None,
        "suppress_health_check": list(HealthCheck),
        "print_blob": False,
        "phases": [Phase.generate, Phase.shrink],
    }
    return settings(**(given | overrides))


def test_the_function_and_the_model_cannot_be_told_apart(module_database: str) -> None:
    core = Core(module_database)
    machine = type("LiveMachine", (Machine,), {"core": core})
    try:
        run_state_machine_as_test(machine, settings=_settings(100))
    finally:
        core.close()


MUTANTS = {
    "a hold is not counted": ("acc_held[a] := acc_held[a] + v_amount;", "NULL;"),
    "a pooled hold is not counted": ("acc_held[a] := acc_held[a] + v_take;", "NULL;"),
    "what was seen in this batch is forgotten": ("accepted_as[first_event[i]] := i;", "NULL;"),
    "what the log has is forgotten": (
        "IF seen_any AND seen_position[i] > 0 THEN\n            v_code",
        "IF false THEN\n            v_code",
    ),
    "what is refused is not looked up": ("IF NOT looked THEN", "IF false THEN"),
    "a terminal on its own does not say what it took": ("base_posted[p] := -hl_taken[p];", "base_posted[p] := 0;"),
    "a refused leg is not undone": ("acc_held[a] := acc_held[a] - l_amount[j];", "NULL;"),
    "floors are not looked at": ("AND acc_posted[a] - acc_held[a] - v_amount >= l_floor[j]", ""),
    "an overrun is forgotten": ("v_take := v_left;\n", "v_take := 0;\n"),
    "wallets of many lanes lack the members that commands name": (
        "WHERE q.pool_id IS NOT NULL\n",
        "WHERE q.pool_id IS NOT NULL AND q.ord IS NULL\n",
    ),
    "a hold ends twice": ("hold_gone[first_hold[i]] := true;", "NULL;"),
}


@pytest.mark.parametrize("mutant", MUTANTS)
def test_a_broken_function_is_told_apart(module_database: str, mutant: str) -> None:
    line, instead = MUTANTS[mutant]
    text = APPLY_SQL.read_text()
    assert text.count(line) == 1
    core = Core(module_database, "ledger.apply_broken")
    machine = type("BrokenMachine", (Machine,), {"core": core})
    try:
        core.run(core.connection.execute("DROP FUNCTION IF EXISTS ledger.apply_broken"))
        text = text[text.index("CREATE FUNCTION ledger.apply(") :]
        broken = text.replace("ledger.apply(", "ledger.apply_broken(").replace(line, instead)
        core.run(core.connection.execute(broken))
        with pytest.raises((AssertionError, asyncpg.PostgresError)):
            run_state_machine_as_test(
                machine,
                settings=_settings(100, phases=[Phase.generate], report_multiple_bugs=False, derandomize=True),
            )
    finally:
        core.close()
