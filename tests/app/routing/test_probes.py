"""Probes of channels that are out, and that one node at a time makes them."""

import asyncio
from typing import Any

import asyncpg
import pytest

from app.routing.board import HealthBoard
from app.routing.duty import Duty
from app.routing.probes import INTERVAL_SECONDS, INTERVAL_SECONDS_MAX, Probes
from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.relay.vendor_errors import VendorError
from domain.routing.health import Sample
from tests.app.routing.conftest import Clock, until
from tests.support.office import Office

CHANNEL = Channel(channel_id=EntityId("01935f00-0000-7000-8000-000000000007"), name="probed", type="openai")


class Vendor:
    """Answers probes, and keeps which keys they had."""

    def __init__(self) -> None:
        self.error: VendorError | None = None
        self.asked: list[int] = []

    async def __call__(self, _: Channel, key: int) -> int:
        self.asked.append(key)
        if self.error is not None:
            raise self.error
        return 200


class Probed:
    """A board, the probes that look after it, and the one channel there is."""

    def __init__(self, office: Office, clock: Clock) -> None:
        self.clock = clock
        self.channel = CHANNEL
        self.vendor = Vendor()
        self.board = HealthBoard(office.ledger, office.pool, node="a", milliseconds=clock)
        self.probes = Probes(
            office.ledger,
            office.pool,
            self.board,
            self.vendor,
            channels=lambda: {self.channel.channel_id: self.channel},
            node="a",
            milliseconds=clock,
            interval_seconds=0.0,
        )

    def happens(self, *classes: Any, key: int = 0, keys: int = 1) -> None:
        for each in classes:
            self.board.note(CHANNEL.channel_id, Sample(class_=each, at_milliseconds=self.clock()), key=key, keys=keys)

    @property
    def percent(self) -> int:
        return self.board.health(CHANNEL.channel_id).percent


@pytest.fixture
def probed(office: Office, clock: Clock) -> Probed:
    return Probed(office, clock)


async def test_a_channel_that_is_out_comes_back_by_five_probes_each_an_event_of_no_tenant(
    probed: Probed, office: Office
) -> None:
    probed.happens("timeout", "timeout", "timeout")
    seen = [probed.percent]

    for _ in range(5):
        assert await probed.probes.round() == 1
        seen.append(probed.percent)

    assert seen == [0, 20, 40, 60, 80, 100]
    assert await probed.probes.round() == 0, "what is sound is left alone"
    rows = await office.pool.fetch("SELECT tenant_id FROM ledger.event WHERE type = 'channel.probed.v1'")
    assert [row["tenant_id"] for row in rows] == [1] * 5


async def test_a_refused_channel_stays_out_until_a_probe_succeeds(probed: Probed) -> None:
    probed.happens("auth")
    probed.vendor.error = VendorError("auth", status=401)
    await probed.probes.round()
    assert probed.board.health(CHANNEL.channel_id).out == "auth"

    probed.vendor.error = None
    await probed.probes.round()

    assert probed.board.health(CHANNEL.channel_id).is_sound


async def test_a_request_that_the_vendor_judges_shows_that_it_works_but_a_missing_path_says_nothing_of_the_key(
    probed: Probed,
) -> None:
    probed.happens("auth")
    probed.vendor.error = VendorError("not_found", status=404)
    await probed.probes.round()
    assert probed.board.health(CHANNEL.channel_id).out == "auth"

    probed.vendor.error = VendorError("bad_request", status=400)
    await probed.probes.round()

    assert probed.board.health(CHANNEL.channel_id).is_sound


async def test_the_key_that_is_out_is_the_one_that_is_probed(probed: Probed) -> None:
    probed.happens("quota", key=2, keys=3)

    await probed.probes.round()

    assert probed.vendor.asked == [2]
    assert probed.board.key_out(CHANNEL.channel_id, 2) is None


async def test_what_a_person_has_switched_off_is_not_probed(probed: Probed) -> None:
    probed.channel = Channel(channel_id=CHANNEL.channel_id, name="off", type="openai", enabled=False)
    probed.happens("timeout", "timeout", "timeout")

    assert await probed.probes.round() == 0
    assert probed.vendor.asked == []


async def test_one_node_has_the_duty_and_the_other_one_takes_over(office: Office) -> None:
    rounds = {"a": 0, "b": 0}

    def duty(node: str) -> Duty:
        async def chore() -> None:
            rounds[node] += 1
            await asyncio.sleep(0)

        return Duty(office.pool, chore, seconds=0.01)

    a, b = duty("a"), duty("b")
    await a.start()
    await until(lambda: rounds["a"] > 2)
    await b.start()
    await until(lambda: rounds["a"] > 10)
    assert (a.is_mine, b.is_mine, rounds["b"]) == (True, False, 0)

    await a.stop()
    await until(lambda: b.is_mine and rounds["b"] > 2)
    await b.stop()


async def test_a_chore_that_fails_does_not_end_the_duty(office: Office) -> None:
    rounds = 0

    async def chore() -> None:
        nonlocal rounds
        rounds += 1
        if rounds == 1:
            raise RuntimeError("a fault of ours")

    duty = Duty(office.pool, chore, seconds=0.01)
    await duty.start()
    await until(lambda: rounds > 2)
    await duty.stop()


async def test_a_standby_that_takes_over_does_not_end_the_duty(office: Office) -> None:
    class Pool:
        failures = 3

        def acquire(self) -> Any:
            self.failures -= 1
            if self.failures >= 0:
                raise asyncpg.TargetServerAttributeNotMatched("none of the hosts is the primary")
            return office.pool.acquire()

    rounds = 0

    async def chore() -> None:
        nonlocal rounds
        rounds += 1

    duty = Duty(Pool(), chore, seconds=0.01)  # type: ignore[arg-type] # as much of a pool as it uses
    await duty.start()
    await until(lambda: rounds > 1)
    await duty.stop()


async def test_what_is_sound_is_never_probed(probed: Probed) -> None:
    assert await probed.probes.round() == 0
    assert probed.vendor.asked == []


async def test_a_bad_probe_on_the_way_back_begins_it_again(probed: Probed) -> None:
    probed.happens("connect", "connect", "connect")
    seen = []
    for error in (None, None, VendorError("server", status=500), None):
        probed.vendor.error = error
        probed.probes._due.clear()
        await probed.probes.round()
        seen.append(probed.percent)

    assert seen == [20, 40, 0, 20]


async def test_probes_of_what_stays_down_are_ever_further_apart_and_never_in_step(
    probed: Probed, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two seconds at first, a minute at most; a quarter more or less, by chance."""
    now = 1_000.0
    monkeypatch.setattr("app.routing.probes.time.monotonic", lambda: now)
    probed.probes._interval_seconds = INTERVAL_SECONDS
    probed.vendor.error = VendorError("connect")
    probed.happens("connect", "connect", "connect")
    await probed.probes.round()
    waits = []
    for _ in range(24):
        due, _interval = probed.probes._due[CHANNEL.channel_id, 0]
        waits.append(due - now)
        now = due - 0.001
        assert await probed.probes.round() == 0, "not before its time"
        now = due
        assert await probed.probes.round() == 1

    assert INTERVAL_SECONDS * 0.75 / 2 <= waits[0] <= INTERVAL_SECONDS * 1.25 / 2
    for number, wait in enumerate(waits[1:], 2):
        usual = min(INTERVAL_SECONDS_MAX, INTERVAL_SECONDS * 2 ** (number - 1))
        assert 0.75 * usual <= wait <= 1.25 * usual
    assert len(set(waits[-12:])) == 12, "nobody's probes fall into step"
