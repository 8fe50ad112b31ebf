"""Alerts: one event and one message, however many nodes see the cause; probes and the duty of one node."""

import asyncio
import contextlib
import datetime as dt
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from app.routing.alerts import Alerts, LogSink, Notice, Teller, listed
from app.routing.board import HealthBoard
from app.routing.duty import Duty
from app.routing.probes import Probes
from app.routing.sinks import AppriseSink, NotToldError, WebhookSink, sink_of, sinks_of
from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.outbound import OutboundRefusedError, OutboundRules
from domain.relay.vendor_errors import VendorError
from domain.routing.health import SOUND, Sample
from tests.app.routing.conftest import Clock, until
from tests.support.listeners import mailbox, webhook
from tests.support.office import Office

LOOPBACK = OutboundRules.parse("127.0.0.0/8")
Nodes = tuple[Alerts, Alerts]


class Heard:
    """A sink that remembers, and may fail."""

    name = "heard"

    def __init__(self, failures: int = 0) -> None:
        self.notices: list[Notice] = []
        self.failures = failures
        self.tries = 0

    async def tell(self, notice: Notice) -> None:
        self.tries += 1
        if self.failures:
            self.failures -= 1
            raise NotToldError("not now")
        self.notices.append(notice)


@pytest.fixture
async def nodes(office: Office) -> AsyncIterator[Nodes]:
    made = tuple(Alerts(office.ledger, office.pool, node=node) for node in "ab")
    for each in made:
        await each.start()
    yield made[0], made[1]
    for each in made:
        await each.stop()


async def count(office: Office, kind: str) -> int:
    return (await office.events()).count(f"alert.{kind}.v1")


async def settled(*nodes: Alerts) -> None:
    await until(lambda: not any(each._queue for each in nodes))


async def test_a_thousand_causes_on_two_nodes_are_one_alert(nodes: Nodes, office: Office) -> None:
    for _ in range(500):
        for node in nodes:
            node.raise_("no_channel_available", "m", "No channel can serve m.")
    await settled(*nodes)

    assert await count(office, "raised") == 1
    (alert,) = await listed(office.pool)
    assert (alert.kind, alert.subject, alert.resolved_at) == ("no_channel_available", "m", None)


async def test_it_is_resolved_once_and_can_be_raised_again(nodes: Nodes, office: Office) -> None:
    a, b = nodes
    a.raise_("channel_out", "c", "The channel c is out.", "warning")
    await settled(a)

    for node in nodes:
        node.resolve("channel_out", "c", "The channel c is back.")
        node.resolve("channel_out", "c", "The channel c is back.")
    await settled(*nodes)
    b.raise_("channel_out", "c", "The channel c is out again.", "warning")
    await settled(b)

    assert [await count(office, "raised"), await count(office, "resolved")] == [2, 1]
    assert [alert.title for alert in await listed(office.pool) if alert.resolved_at is None] == [
        "The channel c is out again."
    ]


async def test_what_was_never_raised_is_not_resolved(nodes: Nodes, office: Office) -> None:
    nodes[0].resolve("channel_out", "c", "The channel c is back.")
    await settled(nodes[0])

    assert await count(office, "resolved") == 0


async def test_a_node_learns_what_others_have_resolved(nodes: Nodes) -> None:
    a, b = nodes
    a.raise_("channel_out", "c", "The channel c is out.")
    await settled(a)
    b.resolve("channel_out", "c", "The channel c is back.")
    await settled(b)

    assert a.is_open("channel_out", "c")
    assert await a.open_alerts() == []
    assert not a.is_open("channel_out", "c")


async def test_every_sink_hears_of_it_once_whoever_has_the_duty(nodes: Nodes, office: Office) -> None:
    heard = Heard()
    nodes[0].raise_("channel_out", "c", "The channel c is out.")
    await settled(nodes[0])
    nodes[0].resolve("channel_out", "c", "The channel c is back.")
    await settled(nodes[0])

    for _ in range(3):
        await Teller(office.pool, [heard, LogSink()], clock=time.monotonic).tell()

    assert [notice.event for notice in heard.notices] == ["alert.raised", "alert.resolved"]
    assert [notice.title for notice in heard.notices] == ["The channel c is out.", "The channel c is back."]


async def test_a_sink_that_fails_is_tried_again_later_and_given_up_in_the_end(nodes: Nodes, office: Office) -> None:
    now = 0.0
    lazy, dead = Heard(failures=1), Heard(failures=10**9)
    dead.name = "dead"
    teller = Teller(office.pool, [lazy, dead], clock=lambda: now)
    nodes[0].raise_("channel_out", "c", "The channel c is out.")
    await settled(nodes[0])

    await teller.tell()
    await teller.tell()
    assert (lazy.tries, lazy.notices) == (1, []), "not at once again"
    for _ in range(6):
        now += 10.0
        await teller.tell()

    assert len(lazy.notices) == 1
    assert dead.tries == 3
    assert await office.pool.fetchval("SELECT error FROM routing.alert_told WHERE sink = 'dead'") == "NotToldError"


async def test_a_webhook_gets_the_notice_as_json() -> None:
    async with webhook() as hook:
        await WebhookSink(hook.url, LOOPBACK).tell(NOTICE)
        (notice,) = hook.notices
        assert (notice["event"], notice["title"]) == ("alert.raised", "Nobody serves m.")
        hook.status = 500
        with pytest.raises(NotToldError):
            await WebhookSink(hook.url, LOOPBACK).tell(NOTICE)
        with pytest.raises(OutboundRefusedError):
            await WebhookSink(hook.url, OutboundRules()).tell(NOTICE)


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by a library that apprise loads
async def test_apprise_takes_every_other_address_and_its_secret_is_in_no_name() -> None:
    (log, webhook, mail) = sinks_of(
        ["https://example.com/hook?key=secret", "mailtos://me:secret@example.com?to=you@example.com"], LOOPBACK
    )

    assert log.name == "log"
    assert webhook.name.startswith("webhook:")
    assert mail.name.startswith("mailtos:")
    assert not any("secret" in sink.name for sink in (webhook, mail))
    with pytest.raises(ValueError, match="apprise knows"):
        AppriseSink("nowhere://x")


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # by a library that apprise loads
async def test_mail_goes_out_by_smtp() -> None:
    async with mailbox() as box:
        await AppriseSink(box.url).tell(NOTICE)

    (mail,) = box.mails
    assert "Nobody serves m." in mail


async def test_one_node_at_a_time_has_the_duty_and_another_takes_over(office: Office) -> None:
    rounds = {"a": 0, "b": 0}

    def duty(node: str) -> Duty:
        async def chore() -> None:
            rounds[node] += 1

        return Duty(office.pool, chore, seconds=0.02)

    a, b = duty("a"), duty("b")
    await a.start()
    await until(lambda: a.is_mine)
    await b.start()
    before = rounds["a"]
    await until(lambda: rounds["a"] > before + 3)
    assert rounds["b"] == 0

    await a.stop()
    await until(lambda: b.is_mine and rounds["b"] > 1)
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


CHANNEL = Channel(channel_id=EntityId("01935f00-0000-7000-8000-000000000002"), name="c", type="demo")


@contextlib.asynccontextmanager
async def probing(office: Office, clock: Clock, answers: list[VendorError | int]) -> AsyncIterator[Any]:
    """A board and its probes, whose vendor answers as listed, the last answer for ever."""

    async def probe(_: Channel, __: int) -> int:
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        if isinstance(answer, VendorError):
            raise answer
        return answer

    board = HealthBoard(office.ledger, office.pool, node="a", milliseconds=clock)
    await board.start()
    probes = Probes(
        office.ledger,
        office.pool,
        board,
        probe,
        channels=lambda: {CHANNEL.channel_id: CHANNEL},
        node="a",
        milliseconds=clock,
        interval_seconds=0.01,
    )
    try:
        yield board, probes
    finally:
        await board.stop()


def happens(board: HealthBoard, clock: Clock, *classes: Any) -> None:
    for each in classes:
        board.note(CHANNEL.channel_id, Sample(class_=each, at_milliseconds=clock()))


async def rounds_until_sound(board: HealthBoard, probes: Probes) -> int:
    done = 0
    async with asyncio.timeout(5):
        while board.view.get(CHANNEL.channel_id, SOUND) != SOUND:
            done += await probes.round()
            await asyncio.sleep(0.005)
    return done


async def test_a_sound_channel_is_never_probed(office: Office, clock: Clock) -> None:
    async with probing(office, clock, [200]) as (_, probes):
        assert await probes.round() == 0


async def test_five_good_probes_bring_a_channel_back(office: Office, clock: Clock) -> None:
    async with probing(office, clock, [200]) as (board, probes):
        happens(board, clock, "timeout", "timeout", "timeout")

        assert await rounds_until_sound(board, probes) == 5
        assert (await office.events()).count("channel.probed.v1") == 5


async def test_a_bad_probe_on_the_way_back_begins_it_again(office: Office, clock: Clock) -> None:
    async with probing(office, clock, [200, 200, VendorError("server", status=500), 200]) as (board, probes):
        happens(board, clock, "connect", "connect", "connect")

        assert await rounds_until_sound(board, probes) == 8


async def test_a_refused_key_needs_one_good_probe(office: Office, clock: Clock) -> None:
    answers: list[VendorError | int] = [VendorError("auth", status=401), 200]
    async with probing(office, clock, answers) as (board, probes):
        happens(board, clock, "auth")

        assert await rounds_until_sound(board, probes) == 2


async def test_a_probe_whose_path_is_not_there_says_nothing_about_the_key(office: Office, clock: Clock) -> None:
    answers: list[VendorError | int] = [VendorError("not_found", status=404), VendorError("bad_request", status=400)]
    async with probing(office, clock, answers) as (board, probes):
        happens(board, clock, "auth")

        assert await rounds_until_sound(board, probes) == 2


NOTICE = Notice(
    event="alert.raised",
    kind="no_channel_available",
    subject="m",
    title="Nobody serves m.",
    severity="critical",
    at=dt.datetime(2026, 11, 23, 12, 0, tzinfo=dt.UTC),
)


def test_an_address_that_apprise_does_not_know_is_refused_and_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match="apprise knows") as refused:
        sink_of("nosuch://user:hunter2@example.com", OutboundRules())

    assert "hunter2" not in caplog.text + str(refused.value)
