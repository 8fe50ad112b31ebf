"""The made-up history: repeatable, and decided as the ledger would have decided it."""

import datetime as dt
import hashlib
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator

import pytest

from app.demo_data.arrivals import arrivals
from app.demo_data.history import History
from app.demo_data.lane import EVENT_COLUMNS, LaneBook, Refused, Row
from app.demo_data.plan import Plan
from app.demo_data.world import World
from domain.events import decode
from domain.ids import first_lane
from domain.ledger.commands import Code, Command
from domain.ledger.model import Account, AccountKey, Effect, Ledger

UNTIL = dt.datetime(2026, 11, 30, tzinfo=dt.UTC)
PLAN = Plan(until=UNTIL, days=10, tenants=20, requests=3000, seed=7)
AT = {name: index for index, name in enumerate(EVENT_COLUMNS)}


def histories(plan: Plan) -> tuple[World, list[History]]:
    world = World(plan)
    counts = arrivals(world)
    made = [History(world, number, counts[number]) for number in range(plan.tenants)]
    for day in range(plan.days):
        for history in made:
            history.day(day)
    return world, made


def rows(plan: Plan) -> Iterator[Row]:
    world, made = histories(plan)
    for book in (world.platform, *(history.diary.book for history in made)):
        yield from book.take()


def fingerprint(plan: Plan) -> str:
    digest = hashlib.sha256()
    for row in rows(plan):
        digest.update(repr(row).encode())
    return digest.hexdigest()


@pytest.fixture(scope="module")
def written() -> list[Row]:
    return list(rows(PLAN))


def test_same_plan_gives_the_same_events_byte_for_byte_in_another_process() -> None:
    plan = Plan(until=UNTIL, days=3, tenants=6, requests=400, seed=3)
    program = (
        "from tests.app.demo_data.test_history import *; import datetime as dt;"
        " print(fingerprint(Plan(until=UNTIL, days=3, tenants=6, requests=400, seed=3)))"
    )
    # Another seed for hashes: nothing may hang on the order of a set.
    environment = os.environ | {"PYTHONHASHSEED": "4711"}
    out = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=120
    )

    assert out.stdout.strip() == fingerprint(plan)


def test_another_seed_gives_another_history() -> None:
    plan = Plan(until=UNTIL, days=2, tenants=3, requests=100, seed=1)

    assert fingerprint(plan) != fingerprint(Plan(until=UNTIL, days=2, tenants=3, requests=100, seed=2))


def test_calls_add_up_to_what_was_asked_for() -> None:
    for requests in (1, 999, 2_000_000):
        plan = Plan(until=UNTIL, days=5, tenants=25, requests=requests)
        assert sum(map(sum, arrivals(World(plan)))) == requests


def test_lanes_are_dense_and_rise_in_time_within_the_plan(written: list[Row]) -> None:
    heads: dict[int, int] = {}
    times: dict[int, dt.datetime] = {}
    for row in written:
        lane, position, at = row[AT["lane"]], row[AT["position"]], row[AT["recorded_at"]]
        assert position == heads.get(lane, 0) + 1
        assert UNTIL - dt.timedelta(days=PLAN.days) <= at < UNTIL
        assert lane not in times or times[lane] < at
        heads[lane], times[lane] = position, at
    assert len(heads) == PLAN.tenants + 1


def test_ids_are_all_different(written: list[Row]) -> None:
    assert len({row[AT["event_id"]] for row in written}) == len(written)


def test_every_event_can_be_read_and_everything_that_happens_in_life_happens() -> None:
    plan = Plan(until=UNTIL, days=30, tenants=20, requests=25_000, seed=1)
    types = Counter[str]()
    reasons, outcomes = Counter[str](), Counter[str]()
    for row in rows(plan):
        types[row[AT["type"]]] += 1
        value = decode(row[AT["type"]], row[AT["data"]])
        if row[AT["type"]] == "requests.refused.v1":
            reasons[value.reason] += value.count
        elif row[AT["type"]] == "hold.captured.v1":
            outcomes[value.outcome] += 1

    assert set(types) >= {
        "hold.authorized.v1", "hold.captured.v1", "hold.voided.v1", "attempt.failed.v1", "requests.refused.v1",
        "credit.granted.v1", "credit.lapsed.v1", "credit.adjusted.v1", "code.claimed.v1", "code.redeemed.v1",
        "experiment.measured.v1", "channel_health.changed.v1", "channel.probed.v1", "alert.raised.v1",
        "alert.resolved.v1", "session.opened.v1", "tenant.looked.v1", "announcement.created.v1", "mapping.created.v1",
        *(f"{kind}.created.v1" for kind in ("tenant", "user", "token", "channel", "group", "multiplier", "rate_card")),
        *(f"{kind}.changed.v1" for kind in ("tenant", "token", "multiplier", "rate_card", "routing_policy")),
    }  # fmt: skip
    assert {"insufficient_quota", "tenant_suspended"} <= set(reasons)
    assert outcomes["client_gone"] > 0
    assert outcomes["completed"] > 0.9 * outcomes.total()


class Watched(LaneBook):
    """A book that keeps what it was asked and what it answered."""

    def __init__(self, book: LaneBook) -> None:
        super().__init__(book.tenant_id, book.lane)
        self.asked: list[tuple[Command, int, Refused | None]] = []

    def apply(self, command: Command, at_micros: int) -> Refused | None:
        answer = super().apply(command, at_micros)
        self.asked.append((command, at_micros, answer))
        return answer


@pytest.mark.parametrize("number", [1, 5, 13, 16])
def test_the_reference_model_of_the_ledger_decides_the_same(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # Little money, so that wallets run dry.
    monkeypatch.setattr(History, "_nanos_a_day", lambda _: 10.0)
    plan = Plan(until=UNTIL, days=12, tenants=20, requests=12_000, seed=5)
    world = World(plan)
    counts = arrivals(world)
    history = History(world, number, [min(count, 2) for count in counts[number]])
    book = history.diary.book = Watched(history.diary.book)
    for day in range(plan.days):
        history.day(day)
    model = Ledger()
    model.open_lane(book.tenant_id, first_lane(book.tenant_id))

    assert len(book.asked) > 30
    if number == 1:
        assert any(refused is not None and refused.code is Code.INSUFFICIENT for _, _, refused in book.asked)
    for command, at, refused in book.asked:
        (answer,) = model.apply([command], at)
        assert (answer.code, answer.leg) == ((Code.OK, 0) if refused is None else (refused.code, refused.leg))

    events = list(model.events.values())
    taken = book.take()
    assert len(events) == len(taken)
    for event, row in zip(sorted(events, key=lambda each: each.position), taken, strict=True):
        assert (event.event_id, event.day, event.position, event.digest) == (
            row[AT["event_id"]],
            row[AT["day"]],
            row[AT["position"]],
            row[AT["digest"]],
        )
        effects = zip(row[AT["account_ids"]], row[AT["posted"]], row[AT["held"]], strict=True)
        assert list(event.effects) == [Effect(*effect) for effect in effects]
    for row in book.account_rows():
        account: Account = model.accounts[AccountKey(book.tenant_id, book.lane, row[0])]
        assert (account.posted, account.held, account.open, account.pool_floor) == (row[5], row[6], row[7], row[14])
