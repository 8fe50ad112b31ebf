"""Alerts: one event and one message, however many nodes see the cause."""

import datetime as dt
import time
from collections.abc import AsyncIterator

import pytest

from app.routing.alerts import Alerts, LogSink, Notice, Teller, listed
from app.routing.sinks import AppriseSink, NotToldError, WebhookSink, sink_of, sinks_of
from domain.outbound import OutboundRefusedError, OutboundRules
from tests.app.routing.conftest import until
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
