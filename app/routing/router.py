"""From a request to the channels to try: mapping, policy, experiment, fallbacks, and the choice for each model."""

from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

import msgspec

from app.routing.board import HealthBoard
from app.routing.limits import ChannelLimits
from app.snapshot import Snapshot, TokenContext
from domain.admin.entities import Arm, RoutingPolicy
from domain.holds.events import RoutingNote
from domain.ids import EntityId
from domain.relay.call import Call
from domain.relay.channel_type import ChannelType
from domain.routing.choice import Decision, FellOut, Member, Need, Now, Traits, decide, in_use, retry_milliseconds
from domain.routing.conversation import conversation_key
from domain.routing.policy import DEFAULT_POLICY, arm_of

CostOf: TypeAlias = Callable[[Member], int | None]


class Target(msgspec.Struct, frozen=True, gc=False):
    """One model of the chain that a request may be served by."""

    model: str
    billed: str
    """Whose price is charged if it is."""


class Aim(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What a request asks for, after mappings and policy."""

    policy: RoutingPolicy
    arm: Arm | None
    targets: tuple[Target, ...]
    """The model asked for, and its fallbacks."""
    key: str
    """What it sticks by."""


class Plan(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Whom to try, over the whole chain."""

    aim: Aim
    chosen: tuple[tuple[Target, Member], ...]
    decisions: tuple[Decision, ...]
    """One for each target."""
    retry_milliseconds: int = 0
    """Where nobody is chosen: when to ask again."""

    def note(self) -> RoutingNote | None:
        """Give what the receipt keeps of it; None where there was nothing to choose."""
        policy = self.aim.policy
        if policy is DEFAULT_POLICY and len(self.chosen) == 1 and not self.decisions[0].fell_out:
            return None
        fell_out = {out.channel.channel_id: out.reason for decision in self.decisions for out in decision.fell_out}
        candidates = tuple(member.channel_id for _, member in self.chosen)
        return RoutingNote(
            mode=policy.mode,
            policy_id=policy.policy_id or None,
            arm=self.aim.arm.name if self.aim.arm is not None else "",
            candidates=candidates if len(candidates) > 1 else (),
            fell_out={channel_id: why for channel_id, why in fell_out.items() if channel_id not in candidates},
        )


class Router:
    """Decides, from the configuration and what this node knows of its channels."""

    def __init__(self, board: HealthBoard, limits: ChannelLimits, *, milliseconds: Callable[[], int]) -> None:
        """Take what is known of the channels, and Unix time."""
        self.board = board
        self.limits = limits
        self._milliseconds = milliseconds

    def aim(self, snapshot: Snapshot, context: TokenContext, call: Call) -> Aim:
        """Give what a request is really about; the models of it may be served by nobody."""
        tenant = context.tenant
        policy = snapshot.policies.find(call.model, tenant.user_group, tenant.tenant_id) or DEFAULT_POLICY
        if policy is DEFAULT_POLICY:
            return Aim(policy=policy, arm=None, targets=(_target(snapshot, context, call.model),), key="")
        key = _key(policy, context, call)
        arm = arm_of(policy, key)
        asked = _target(snapshot, context, call.model)
        others = policy.fallbacks
        if arm is not None and arm.model:
            # The model that was asked for stays in the chain, behind the one on trial.
            others = (call.model, *others)
            asked = self._other(snapshot, context, policy, call.model, arm.model)
        targets = [asked, *(self._other(snapshot, context, policy, call.model, other) for other in others)]
        unique = {target.model: target for target in reversed(targets)}
        return Aim(policy=policy, arm=arm, targets=tuple(reversed(unique.values())), key=key)

    @staticmethod
    def _other(snapshot: Snapshot, context: TokenContext, policy: RoutingPolicy, asked: str, other: str) -> Target:
        target = _target(snapshot, context, other)
        if other != asked and policy.fallback_billed == "asked":
            return Target(target.model, _target(snapshot, context, asked).billed)
        return target

    def now(self) -> Now:
        """Give what this node knows of its channels at the moment."""
        return Now(
            milliseconds=self._milliseconds(),
            health=self.board.view,
            limits=self.limits.used_up,
            busy=self.board.busy,
            first_byte_milliseconds=self.board.first_byte,
        )

    def plan(
        self,
        snapshot: Snapshot,
        aim: Aim,
        call: Call,
        *,
        seed: int,
        tokens: int = 0,
        cost: CostOf | None = None,
        excluded: frozenset[EntityId] = frozenset(),
    ) -> Plan:
        """Choose for each model of the chain. `tokens`: prompt and output at most."""
        policy = aim.policy
        groups = aim.arm.channel_groups if aim.arm is not None and aim.arm.channel_groups else policy.channel_groups
        need = Need(
            surface=call.surface,
            capabilities=capabilities(call),
            tokens=tokens,
            channel_groups=frozenset(groups) if groups else None,
            excluded=excluded,
            key=aim.key,
        )
        now = self.now()

        def choose(target: Target, asked: Need = need) -> Decision:
            members = snapshot.pools.members(target.model)
            return decide(members, asked, now, seed=seed, mode=policy.mode, cost=cost)

        decisions = tuple(choose(target) for target in aim.targets)
        if need.capabilities and not any(decision.candidates for decision in decisions):
            # What a type can do is what we know of it: where nobody is known to, vendors may judge for themselves.
            anyway = msgspec.structs.replace(need, capabilities=_NONE)
            decisions = tuple(choose(target, anyway) for target in aim.targets)
        chosen = tuple(
            (target, candidate.member)
            for target, decision in zip(aim.targets, decisions, strict=True)
            for candidate in decision.candidates
        )
        retry = 0 if chosen else min((retry_milliseconds(decision, now) for decision in decisions), default=0)
        return Plan(aim=aim, chosen=chosen, decisions=decisions, retry_milliseconds=retry)

    def keeper(self, snapshot: Snapshot, aim: Aim, channel_id: str, model_routed: str) -> Plan | None:
        """Give the plan of an answer that is kept: where it came from, if that may still serve the request."""
        for target in aim.targets:
            for member in snapshot.pools.members(target.model):
                if (member.channel_id, member.model_routed) == (channel_id, model_routed) and member.channel.enabled:
                    return Plan(aim=aim, chosen=((target, member),), decisions=())
        return None

    def is_served(self, snapshot: Snapshot, model: str) -> bool:
        """Say whether any channel that serves a model is in use at the moment, whatever the request."""
        return in_use(snapshot.pools.members(model), self.now())


def traits_of(types: Mapping[str, ChannelType]) -> dict[str, Traits]:
    """Give what channels of each type can do. Legacy completions are chats of one message; retired types do nothing."""
    return {
        name: Traits(
            surfaces=frozenset[str]()
            if row.retired is not None
            else row.surfaces | ({"completions"} if "chat" in row.surfaces else set()),
            capabilities=frozenset(row.capabilities),
            limits_output=row.limits_output,
        )
        for name, row in types.items()
    }


def capabilities(call: Call) -> frozenset[str]:
    """Give what a call needs that not every vendor has."""
    if call.has_tools:
        return _BOTH if call.has_images else _TOOLS
    return _IMAGES if call.has_images else _NONE


def explain_others(snapshot: Snapshot, aim: Aim) -> list[FellOut]:
    """Give the channels that serve none of the models of a chain: they fell out before anything else was asked."""
    serving = {member.channel_id for target in aim.targets for member in snapshot.pools.members(target.model)}
    return [FellOut(each, "model") for each in snapshot.pools.channels if each.channel_id not in serving]


_NONE: Final[frozenset[str]] = frozenset()
_TOOLS: Final = frozenset({"tools"})
_IMAGES: Final = frozenset({"images"})
_BOTH: Final = _TOOLS | _IMAGES


def _target(snapshot: Snapshot, context: TokenContext, model: str) -> Target:
    mapping = snapshot.mapping(context, model)
    if mapping is None:
        return Target(model, model)
    return Target(mapping.target, model if mapping.billed == "asked" else mapping.target)


def _key(policy: RoutingPolicy, context: TokenContext, call: Call) -> str:
    own = conversation_key(call) if policy.sticky_by == "conversation" else call.user
    return f"{context.tenant.tenant_id}:{own or context.token.token_id}"
