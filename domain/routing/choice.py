"""The choice: from all channels that could be meant to the few to try, in order, and why each other one fell out.

`Pools` works out per configuration what does not depend on the request, so that a decision costs microseconds.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Final, TypeAlias

import msgspec

from domain.admin.entities import Channel, RoutingMode
from domain.ids import EntityId
from domain.routing.chance import Draws, rendezvous, waiting
from domain.routing.health import SOUND, Health

Reason: TypeAlias = str
"""Why a channel is no candidate: `disabled`, `model`, `channel_group`, `surface`, `capability:<name>`, `context`,
`excluded`, `unhealthy:<cause>` or `limit:<name>`; the last three concern this moment, the others the request."""

PASSING: Final = ("unhealthy", "limit")
"""What a reason begins with that will be over by itself."""


class Traits(msgspec.Struct, frozen=True, kw_only=True):
    """What channels of a type can do; None is everything."""

    surfaces: frozenset[str] | None = None
    capabilities: frozenset[str] | None = None
    limits_output: bool = True
    """Whether an output limit that is said to the vendor is kept."""


ANYTHING: Final = Traits()


class Member(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A channel that serves a model."""

    channel: Channel
    channel_id: EntityId
    model: str
    """As clients know it."""
    model_routed: str
    """As the vendor knows it."""
    traits: Traits = ANYTHING


class Need(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request asks of a channel."""

    surface: str = "chat"
    capabilities: frozenset[str] = frozenset()
    tokens: int = 0
    """Prompt and output at most, for channels whose context is known to be short."""
    channel_groups: frozenset[str] | None = None
    """The groups that may serve it; None is all."""
    excluded: frozenset[EntityId] = frozenset()
    key: str = ""
    """What a sticky choice sticks to; empty for nothing."""


class Now(msgspec.Struct, kw_only=True):
    """What a node knows of its channels at a moment. Mappings without a channel mean: nothing is known against it."""

    milliseconds: int
    """Unix time."""
    health: Mapping[EntityId, Health] = {}
    limits: Mapping[EntityId, tuple[str, int]] = {}
    """Channels whose limit is used up: the limit's name, and the Unix time in milliseconds up to which."""
    busy: Mapping[EntityId, int] = {}
    """Requests in flight."""
    first_byte_milliseconds: Mapping[EntityId, float] = {}
    """How long the first token takes of late."""


class Candidate(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A channel to try."""

    member: Member
    weight: int
    """Effective."""


class FellOut(msgspec.Struct, frozen=True, gc=False):
    """A channel that is not tried."""

    channel: Channel
    reason: Reason


class Decision(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whom to try, in order, and why nobody else."""

    mode: RoutingMode
    candidates: tuple[Candidate, ...]
    fell_out: tuple[FellOut, ...] = ()


Cost: TypeAlias = Callable[[Member], int | None]
"""What the vendor would charge for the request on a channel; None if that is not known."""


class Pools:
    """The channels by the models that they serve."""

    def __init__(self, channels: Iterable[Channel], traits: Mapping[str, Traits] | None = None) -> None:
        """Take every channel, switched off or not, and what their types can do."""
        known = traits or {}
        by_model: dict[str, list[Member]] = {}
        self.channels: tuple[Channel, ...] = tuple(sorted(channels, key=lambda c: (-c.priority, c.channel_id)))
        for channel in self.channels:
            for model in dict.fromkeys((*channel.models, *channel.model_map)):
                by_model.setdefault(model, []).append(
                    Member(
                        channel=channel,
                        channel_id=channel.channel_id,
                        model=model,
                        model_routed=channel.model_map.get(model, model),
                        traits=known.get(channel.type, ANYTHING),
                    )
                )
        self._by_model = {model: tuple(members) for model, members in by_model.items()}

    def members(self, model: str) -> tuple[Member, ...]:
        """Give the channels that serve a model, the highest priority first."""
        return self._by_model.get(model, ())

    def others(self, model: str) -> list[FellOut]:
        """Give the channels that do not serve a model at all: for people who ask why."""
        serving = {member.channel_id for member in self.members(model)}
        return [FellOut(channel, "model") for channel in self.channels if channel.channel_id not in serving]


def decide(
    members: Sequence[Member],
    need: Need,
    now: Now,
    *,
    seed: int,
    mode: RoutingMode = "weighted",
    cost: Cost | None = None,
) -> Decision:
    """Choose among the channels that serve a model. Each candidate comes once, in the order of trying."""
    stay: list[Candidate] = []
    fell_out: list[FellOut] = []
    for member in members:
        reason = _lasting(member, need)
        if reason is None:
            health = now.health.get(member.channel_id, SOUND)
            reason = _passing(member, health, now)
            if reason is None:
                weight = health.weight(member.channel.weight, now.milliseconds)
                stay.append(Candidate(member=member, weight=weight))
                continue
        fell_out.append(FellOut(member.channel, reason))
    if len(stay) > 1:
        stay = _ordered(stay, need, now, seed=seed, mode=mode, cost=cost)
    return Decision(mode=mode, candidates=tuple(stay), fell_out=tuple(fell_out))


def in_use(members: Sequence[Member], now: Now) -> bool:
    """Say whether any of the channels takes requests at a moment, whatever they ask for."""
    return any(
        member.channel.enabled and _passing(member, now.health.get(member.channel_id, SOUND), now) is None
        for member in members
    )


def retry_milliseconds(decision: Decision, now: Now) -> int:
    """Give when it is worth asking again, if nobody is a candidate: the first pause or limit that ends."""
    ends = []
    for out in decision.fell_out:
        until = 0
        if out.reason.startswith("limit"):
            until = now.limits.get(out.channel.channel_id, ("", 0))[1]
        elif out.reason == "unhealthy:paused":
            until = now.health.get(out.channel.channel_id, SOUND).paused_until_milliseconds
        if until > now.milliseconds:
            ends.append(until - now.milliseconds)
    return max(1_000, min(ends, default=5_000))


def _lasting(member: Member, need: Need) -> Reason | None:
    """Give what about the request or the channel's own state speaks against it."""
    channel, traits = member.channel, member.traits
    if not channel.enabled:
        return "disabled"
    if need.channel_groups is not None and need.channel_groups.isdisjoint(channel.channel_groups):
        return "channel_group"
    if traits.surfaces is not None and need.surface not in traits.surfaces:
        return "surface"
    if need.capabilities and traits.capabilities is not None and not need.capabilities <= traits.capabilities:
        return f"capability:{min(need.capabilities - traits.capabilities)}"
    if channel.context_tokens_max is not None and need.tokens > channel.context_tokens_max:
        return "context"
    return "excluded" if member.channel_id in need.excluded else None


def _passing(member: Member, health: Health, now: Now) -> Reason | None:
    if health is not SOUND:
        cause = health.why_out(now.milliseconds)
        if cause is not None:
            return f"unhealthy:{cause}"
    used_up = now.limits.get(member.channel_id)
    return f"limit:{used_up[0]}" if used_up is not None and now.milliseconds < used_up[1] else None


_priority = attrgetter("member.channel.priority")


def _ordered(
    candidates: list[Candidate], need: Need, now: Now, *, seed: int, mode: RoutingMode, cost: Cost | None
) -> list[Candidate]:
    """Order by priority, and within one by the mode; what a mode holds for equal is in chance order by weight."""
    draws = Draws(seed)
    order: list[Candidate] = []
    for _, tier in groupby(candidates, key=_priority):
        drawn = _draw(list(tier), draws)
        rank = _rank(need, now, mode, cost)
        if rank is not None:
            drawn.sort(key=rank)
        order += drawn
    return order


def _draw(tier: list[Candidate], draws: Draws) -> list[Candidate]:
    """Give each place to one that is left, with a chance of its weight over theirs. A weight of 0 is a last resort.

    Each waits for an event that comes as often as its weight says, so that one look at each orders them all.
    """
    if len(tier) == 1:
        return tier
    waits = [waiting(candidate.weight, draws()) for candidate in tier]
    return [tier[index] for index in sorted(range(len(tier)), key=waits.__getitem__)]


def _rank(
    need: Need, now: Now, mode: RoutingMode, cost: Cost | None
) -> Callable[[Candidate], tuple[bool, float]] | None:
    """Give what a mode sorts by; whoever has no weight stays behind whoever has some."""
    match mode:
        case "cheapest" if cost is not None:

            def price(candidate: Candidate) -> tuple[bool, float]:
                nanos = cost(candidate.member)
                return candidate.weight == 0, float("inf") if nanos is None else nanos

            return price
        case "fastest":
            # One that was never measured comes first, so that it is.
            latency = now.first_byte_milliseconds
            return lambda candidate: (candidate.weight == 0, latency.get(candidate.member.channel_id, 0.0))
        case "least_busy":
            busy = now.busy
            return lambda candidate: (
                candidate.weight == 0,
                busy.get(candidate.member.channel_id, 0) / max(1, candidate.weight),
            )
        case "sticky" if need.key:
            return lambda candidate: (
                candidate.weight == 0,
                -rendezvous(need.key, candidate.member.channel_id, candidate.weight),
            )
        case _:
            return None
