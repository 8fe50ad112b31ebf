"""When channels failed: what nodes came to think of them, and the alerts that followed."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import msgspec

from app.demo_data.clerk import Clerk
from app.demo_data.plan import HOUR, MINUTE, NODES, SECOND
from app.routing import platform
from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.routing.events import AlertRaised, AlertResolved, ChannelProbed, HealthChanged
from domain.routing.health import SOUND, Fault, Health, Sample, evolve, is_news


class Trouble(NamedTuple):
    """A time in which a channel fails."""

    vendor: str
    part: float
    fault: Fault
    minutes: int


_TROUBLES: Final = (
    Trouble("Bargain Reseller", 0.12, "timeout", 95),
    Trouble("DeepSeek", 0.27, "connect", 55),
    Trouble("Bargain Reseller", 0.41, "timeout", 45),
    Trouble("OpenAI, first account", 0.58, "server", 35),
    Trouble("Gemini", 0.66, "server", 25),
    Trouble("Bargain Reseller", 0.77, "server", 200),
    Trouble("Anthropic", 0.86, "timeout", 20),
)


class Spell(NamedTuple):
    """When calls to a channel fail although it is still chosen."""

    channel_id: EntityId
    fault: Fault
    begins: int
    out: int
    """From here on it is out of the choice."""
    ends: int


class Troubles:
    """Lets channels fail and come back, and knows afterwards how they were at any moment."""

    def __init__(self, clerk: Clerk, channels: Sequence[Channel]) -> None:
        """Take who writes it down, and the channels."""
        self.spells: list[Spell] = []
        self._clerk = clerk
        self._by_name = {channel.name: channel.channel_id for channel in channels}
        self._versions: dict[str, int] = {}
        self._news: list[tuple[int, EntityId, Health]] = []
        for trouble in _TROUBLES:
            begins = clerk.plan.at(trouble.part)
            ends = begins + trouble.minutes * MINUTE
            if ends <= clerk.plan.end - HOUR:
                self._happens(trouble, begins, ends)

    def health(self) -> tuple[list[int], list[Mapping[EntityId, Health]]]:
        """Give when what nodes think changed, and what they think before the first time and after each."""
        maps: list[Mapping[EntityId, Health]] = [{}]
        news = sorted(self._news, key=lambda each: each[0])
        for _, channel_id, health in news:
            maps.append({**maps[-1], channel_id: health})
        return [at for at, _, _ in news], maps

    def _happens(self, trouble: Trouble, begins: int, ends: int) -> None:
        clerk = self._clerk
        channel_id = self._by_name[trouble.vendor]
        health, at = SOUND, begins
        while health.percent:
            at += 11 * SECOND
            health = self._judge(channel_id, at, health, Sample(class_=trouble.fault, at_milliseconds=at // 1000))
        out = at
        alert = f"alert:channel_out:{channel_id}"
        title = f"The channel {trouble.vendor} is out of the choice: it fails."
        self._write(
            out + SECOND,
            AlertRaised(kind="channel_out", subject=channel_id, title=title, severity="warning", node=NODES[0]),
            alert,
        )
        for probe in range(out + 2 * MINUTE, ends, 10 * MINUTE):
            event = ChannelProbed(channel_id=channel_id, outcome=trouble.fault, code=trouble.fault, node=NODES[0])
            clerk.put(probe, platform.command(event, event_id=clerk.ids.at(probe), actor="system:probes"))
        at = ends
        while health != SOUND:
            at += 15 * SECOND
            sample = Sample(class_="success", at_milliseconds=at // 1000, is_probe=True)
            health = self._judge(channel_id, at, health, sample)
        title = f"The channel {trouble.vendor} works again."
        self._write(
            at + SECOND, AlertResolved(kind="channel_out", subject=channel_id, title=title, node=NODES[0]), alert
        )
        self.spells.append(Spell(channel_id, trouble.fault, begins, out, ends))

    def _judge(self, channel_id: EntityId, at: int, before: Health, sample: Sample) -> Health:
        """Give what a node thinks of a channel after a call to it, and tell the others if that is news."""
        after = evolve(before, sample)
        owner = f"health:{channel_id}:0"
        if is_news(before, after, at // 1000):
            event = HealthChanged(
                channel_id=channel_id,
                version=self._versions.get(owner, 0) + 1,
                before=before,
                after=after,
                outcome=sample.class_,
                is_probe=sample.is_probe,
                node=NODES[0],
            )
            self._write(at, event, owner)
            self._news.append((at, channel_id, after))
        return after

    def _write(self, at: int, event: msgspec.Struct, owner: str) -> None:
        self._versions[owner] = version = self._versions.get(owner, 0) + 1
        event_id = self._clerk.ids.at(at)
        self._clerk.put(
            at, platform.command(event, event_id=event_id, actor="system:health", owner=owner, version=version)
        )
