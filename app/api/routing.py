"""/api/routing, /api/channels/{id}/health, /api/alerts: how channels are chosen, and why; policies are administered."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from app.api.call import Call, IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import ThisListing
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Body, History, Listing, Name, Reasoned
from app.routing.desk import ArmFigures, Desk
from app.snapshot import TokenContext
from domain.admin import entities as e
from domain.admin.entities import Arm, RoutingMode
from domain.ids import PLATFORM, EntityId, TenantId
from domain.metering.usage import COUNT_MAX, TokenUsage
from domain.money import format_amount
from domain.relay.call import Call as ModelCall
from domain.relay.call import Surface
from domain.routing.chance import seed_of
from domain.routing.events import HealthChanged
from domain.routing.health import Health

# ---- Policies

Attempts = Annotated[int, msgspec.Meta(ge=1, le=16)]
AttemptsSeconds = Annotated[int, msgspec.Meta(ge=1, le=3600)]
Hedge = Annotated[int, msgspec.Meta(ge=50, le=600_000)]
Labels = Annotated[tuple[e.Label, ...], msgspec.Meta(max_length=100)]
Arms = Annotated[tuple[Arm, ...], msgspec.Meta(max_length=8)]
Models = Annotated[tuple[Name, ...], msgspec.Meta(max_length=8)]
ModelOrAny = Annotated[str, msgspec.Meta(max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class RoutingPolicyState(msgspec.Struct, frozen=True, kw_only=True):
    """How a channel is chosen, for a model, a user group or a tenant; the most specific policy wins."""

    id: EntityId
    name: str
    model: str
    user_group: str
    tenant_id: TenantId | None
    mode: RoutingMode
    channel_groups: tuple[str, ...]
    fallbacks: tuple[str, ...]
    fallback_billed: Literal["asked", "routed"]
    arms: tuple[Arm, ...]
    sticky_by: Literal["user", "conversation"]
    attempts_max: int
    attempts_seconds: int
    hedge_milliseconds: int | None
    enabled: bool


class RoutingPolicyView(RoutingPolicyState, frozen=True, kw_only=True):
    """A policy as it stands."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewRoutingPolicy(Reasoned, frozen=True, kw_only=True):
    """A policy; empty fields of whom and what it is for mean everybody and everything."""

    name: Name
    model: ModelOrAny = ""
    user_group: ModelOrAny = ""
    tenant_id: TenantId | None = None
    mode: RoutingMode = "weighted"
    channel_groups: Labels = ()
    fallbacks: Models = ()
    fallback_billed: Literal["asked", "routed"] = "routed"
    arms: Arms = ()
    sticky_by: Literal["user", "conversation"] = "user"
    attempts_max: Attempts = 8
    attempts_seconds: AttemptsSeconds = 120
    hedge_milliseconds: Hedge | None = None
    enabled: bool = True


class RoutingPolicyChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    name: Name | UnsetType = UNSET
    model: ModelOrAny | UnsetType = UNSET
    user_group: ModelOrAny | UnsetType = UNSET
    tenant_id: TenantId | UnsetType | None = UNSET
    mode: RoutingMode | UnsetType = UNSET
    channel_groups: Labels | UnsetType = UNSET
    fallbacks: Models | UnsetType = UNSET
    fallback_billed: Literal["asked", "routed"] | UnsetType = UNSET
    arms: Arms | UnsetType = UNSET
    sticky_by: Literal["user", "conversation"] | UnsetType = UNSET
    attempts_max: Attempts | UnsetType = UNSET
    attempts_seconds: AttemptsSeconds | UnsetType = UNSET
    hedge_milliseconds: Hedge | UnsetType | None = UNSET
    enabled: bool | UnsetType = UNSET


def policy_state(policy: e.RoutingPolicy) -> RoutingPolicyState:
    """Give a policy as the API shows it."""
    fields = msgspec.structs.asdict(policy)
    return RoutingPolicyState(id=fields.pop("policy_id"), **fields)


POLICIES = Resource(
    "routing_policy",
    state=policy_state,
    view=RoutingPolicyView,
    read=Permission.ROUTING_READ,
    write=Permission.ROUTING_WRITE,
)


@post("/routing/policies", **route(Permission.ROUTING_WRITE, "createRoutingPolicy", "Make a routing policy", 409, 422))
async def create_policy(call: ThisCall, data: JSONBody[NewRoutingPolicy]) -> Response[RoutingPolicyView]:
    fields = msgspec.structs.asdict(data)
    reason = fields.pop("reason")
    return await POLICIES.created(call, e.RoutingPolicy(policy_id=EntityId(""), **fields), reason)


@get("/routing/policies", **route(Permission.ROUTING_READ, "listRoutingPolicies", "List routing policies", 422))
async def list_policies(
    call: ThisCall,
    listing: ThisListing,
) -> Listing[RoutingPolicyView]:
    return await POLICIES.list(call, listing)


@get(
    "/routing/policies/{policy_id:str}",
    **route(Permission.ROUTING_READ, "getRoutingPolicy", "Read a routing policy", 404),
)
async def read_policy(call: ThisCall, policy_id: FromPath[str]) -> Response[RoutingPolicyView]:
    return await POLICIES.read(call, policy_id)


@patch(
    "/routing/policies/{policy_id:str}",
    **route(Permission.ROUTING_WRITE, "changeRoutingPolicy", "Change a routing policy", 404, 409, 412, 422, 428),
)
async def change_policy(
    call: ThisCall, policy_id: FromPath[str], data: JSONBody[RoutingPolicyChange], if_match: IfMatch = None
) -> Response[RoutingPolicyView]:
    return await POLICIES.change(call, policy_id, if_match, data)


@delete(
    "/routing/policies/{policy_id:str}",
    status_code=200,
    **route(Permission.ROUTING_WRITE, "archiveRoutingPolicy", "Take a policy out of use for good", 404, 409, 412, 428),
)
async def archive_policy(
    call: ThisCall, policy_id: FromPath[str], if_match: IfMatch = None, reason: Why = ""
) -> Response[RoutingPolicyView]:
    return await POLICIES.archive(call, policy_id, if_match, reason)


@get(
    "/routing/policies/{policy_id:str}/history",
    **route(Permission.ROUTING_READ, "getRoutingPolicyHistory", "Who changed a routing policy, and how", 404),
)
async def policy_history(call: ThisCall, policy_id: FromPath[str], limit: Limit = 50) -> History[RoutingPolicyState]:
    return await POLICIES.history(call, policy_id, limit)


# ---- Explanations


class Question(Body, frozen=True, kw_only=True):
    """A request that might be made."""

    model: Name
    surface: Surface = "chat"
    token_id: EntityId | None = None
    """Whose request it is; without one it is the tenant's, and without either it is of the group `default`."""
    tenant_id: TenantId | None = None
    user: Annotated[str, msgspec.Meta(max_length=1000)] = ""
    """The client's own key for its user."""
    needs: tuple[Literal["tools", "images"], ...] = ()
    prompt_tokens: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] = 1000
    output_tokens: Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)] = 500
    request_id: Annotated[str, msgspec.Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")] | None = None
    """Its chance is drawn as for this request; without one, as for none in particular."""


class CandidateView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that would be tried."""

    channel_id: EntityId
    name: str
    model: str
    """As clients know it: the one asked for, or a fallback."""
    model_routed: str
    model_billed: str
    priority: int
    weight: int
    weight_effective: int
    cost: str | None
    """What the vendor would charge the operator; null where the channel has no cost card."""
    first_byte_milliseconds: int | None
    in_flight: int
    share_permille: int
    """How often it would be the first in a thousand such requests."""


class FellOutView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel that would not be tried."""

    channel_id: EntityId
    name: str
    reason: str
    explanation: str


class ExplanationView(msgspec.Struct, frozen=True, kw_only=True):
    """A decision and what it was made from, as this node sees it now."""

    model_asked: str
    models: tuple[str, ...]
    """The model asked for after mappings, and its fallbacks."""
    policy_id: EntityId | None
    policy: str
    mode: RoutingMode
    arm: str | None
    candidates: tuple[CandidateView, ...]
    fell_out: tuple[FellOutView, ...]
    retry_after_seconds: int | None
    """Where there is no candidate."""


_EXPLANATIONS = {
    "disabled": "A person has switched it off.",
    "model": "It serves none of the models.",
    "channel_group": "The policy leaves its channel groups out.",
    "surface": "Its vendor does not offer this kind of call.",
    "capability": "Its vendor lacks what the request needs.",
    "context": "The request may be longer than its context.",
    "excluded": "It has been tried already.",
    "unhealthy": "The machine has taken it out of the choice.",
    "limit": "What its vendor allows is used up at the moment.",
}


def _desk(call: Call) -> Desk:
    desk = call.api.routing
    if desk is None:
        raise ApiError("unavailable")
    return desk


@post("/routing/explain", status_code=200, **route(Permission.ROUTING_READ, "explainRouting", "Explain a choice", 404))
async def explain(call: ThisCall, data: JSONBody[Question]) -> ExplanationView:
    desk = _desk(call)
    context = await _context(call, data)
    asked = ModelCall(
        surface=data.surface,
        model=data.model,
        user=data.user or None,
        has_tools="tools" in data.needs,
        has_images="images" in data.needs,
    )
    usage = TokenUsage(input_tokens=data.prompt_tokens, output_tokens=data.output_tokens)
    seed = seed_of(data.request_id) if data.request_id is not None else 0
    found = desk.explain(context, asked, seed=seed, usage=usage, now=call.api.clock())
    shares = desk.shares(context, asked, usage=usage)
    board, policy = desk.board, found.aim.policy
    weights = {
        candidate.member.channel_id: candidate.weight
        for decision in found.plan.decisions
        for candidate in decision.candidates
    }
    fell_out = {out.channel.channel_id: out for decision in found.plan.decisions for out in decision.fell_out}
    fell_out |= {out.channel.channel_id: out for out in found.others}
    return ExplanationView(
        model_asked=data.model,
        models=tuple(target.model for target in found.aim.targets),
        policy_id=policy.policy_id or None,
        policy=policy.name,
        mode=policy.mode,
        arm=found.aim.arm.name if found.aim.arm is not None else None,
        candidates=tuple(
            CandidateView(
                channel_id=member.channel_id,
                name=member.channel.name,
                model=target.model,
                model_routed=member.model_routed,
                model_billed=target.billed,
                priority=member.channel.priority,
                weight=member.channel.weight,
                weight_effective=weights[member.channel_id],
                cost=_amount(found.costs[member.channel_id]),
                first_byte_milliseconds=_rounded(board.first_byte.get(member.channel_id)),
                in_flight=board.busy.get(member.channel_id, 0),
                share_permille=shares.get(member.channel_id, 0),
            )
            for target, member in found.plan.chosen
        ),
        fell_out=tuple(
            FellOutView(
                channel_id=out.channel.channel_id,
                name=out.channel.name,
                reason=out.reason,
                explanation=_EXPLANATIONS[out.reason.partition(":")[0]],
            )
            for out in fell_out.values()
            if out.channel.channel_id not in weights
        ),
        retry_after_seconds=-(-found.plan.retry_milliseconds // 1000) or None,
    )


async def _context(call: Call, question: Question) -> TokenContext:
    """Give whose request it is; `not_found` for a token or tenant that is not there."""
    administration = call.api.administration
    token: e.Token | None = None
    if question.token_id is not None:
        token = (await administration.get("token", question.token_id)).entity
    tenant_id = token.tenant_id if token is not None else question.tenant_id
    if tenant_id is None:
        tenant = e.Tenant(tenant_id=PLATFORM, name="nobody in particular")
    else:
        tenant = (await administration.get("tenant", str(tenant_id))).entity
    mappings = [each.entity for each in await administration.store.all("mapping", tenant.tenant_id)]
    nobody = e.Token(
        token_id=EntityId(""),
        tenant_id=tenant.tenant_id,
        user_id=EntityId(""),
        name="none",
        sha256="0" * 64,
        hint="",
    )
    own = [mapping for mapping in mappings if mapping.tenant_id is not None]
    return TokenContext(token or nobody, tenant, None, own)


def _amount(nanos: int | None) -> str | None:
    return format_amount(nanos) if nanos is not None else None


def _rounded(value: float | None) -> int | None:
    return round(value) if value is not None else None


# ---- Health


class HealthView(msgspec.Struct, frozen=True, kw_only=True):
    """What the machine thinks of a channel."""

    state: Literal["sound", "recovering", "out", "paused"]
    cause: str | None
    percent: int
    """Of the configured weight."""
    paused_until: dt.datetime | None


class HealthEntryView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a channel."""

    at: dt.datetime
    kind: Literal["changed", "probed"]
    key: int
    """The number of the key that it is about; 0 is the channel as a whole."""
    outcome: str
    is_probe: bool
    actor: str
    node: str
    before: HealthView | None
    after: HealthView | None
    status: int
    code: str
    latency_milliseconds: int | None
    reason: str


class ChannelHealthView(msgspec.Struct, frozen=True, kw_only=True):
    """A channel's health as this node sees it, and how it came to it, the latest first."""

    channel_id: EntityId
    enabled: bool
    """A person's switch, which the machine never touches."""
    weight: int
    weight_effective: int
    health: HealthView
    in_flight: int
    first_byte_milliseconds: int | None
    timeline: tuple[HealthEntryView, ...]


def health_view(health: Health, now_milliseconds: int) -> HealthView:
    """Give what the machine thinks of a channel, as the API shows it."""
    why = health.why_out(now_milliseconds)
    until = health.paused_until_milliseconds
    state: Literal["sound", "recovering", "out", "paused"] = "sound" if health.percent == 100 else "recovering"  # noqa: PLR2004 -- all of it
    if why is not None:
        state = "paused" if why == "paused" else "out"
    return HealthView(
        state=state,
        cause=why or health.cause,
        percent=0 if health.out is not None else health.percent,
        paused_until=dt.datetime.fromtimestamp(until / 1000, dt.UTC) if until > now_milliseconds else None,
    )


@get(
    "/channels/{channel_id:str}/health",
    **route(Permission.ROUTING_READ, "getChannelHealth", "How a channel is, and how it came to that", 404),
)
async def channel_health(call: ThisCall, channel_id: FromPath[str], limit: Limit = 50) -> ChannelHealthView:
    desk = _desk(call)
    channel: e.Channel = (await call.api.administration.get("channel", channel_id, tenant_id=PLATFORM)).entity
    now = _milliseconds(call)
    health = desk.board.view.get(channel.channel_id, Health())
    entries = await desk.timeline(channel_id, limit=limit)
    return ChannelHealthView(
        channel_id=channel.channel_id,
        enabled=channel.enabled,
        weight=channel.weight,
        weight_effective=health.weight(channel.weight, now) if channel.enabled else 0,
        health=health_view(health, now),
        in_flight=desk.board.busy.get(channel.channel_id, 0),
        first_byte_milliseconds=_rounded(desk.board.first_byte.get(channel.channel_id)),
        timeline=tuple(_entry(entry.at, entry.actor, entry.event) for entry in entries),
    )


class HealthReset(Reasoned, frozen=True, kw_only=True):
    """Why the channel is thought to work again."""


@post(
    "/channels/{channel_id:str}/health/reset",
    status_code=200,
    **route(Permission.ROUTING_WRITE, "resetChannelHealth", "Give a channel and its keys a fresh start", 404),
)
async def reset_health(call: ThisCall, channel_id: FromPath[str], data: JSONBody[HealthReset]) -> ChannelHealthView:
    desk = _desk(call)
    await call.api.administration.get("channel", channel_id, tenant_id=PLATFORM)
    await desk.board.reset(EntityId(channel_id), actor=call.principal.actor, reason=data.reason)
    view: ChannelHealthView = await channel_health.fn(call, channel_id)
    return view


def _entry(at: dt.datetime, actor: str, event: Any) -> HealthEntryView:
    moment = round(at.timestamp() * 1000)
    changed = event if isinstance(event, HealthChanged) else None
    return HealthEntryView(
        at=at,
        kind="changed" if changed is not None else "probed",
        key=event.key,
        outcome=event.outcome,
        is_probe=changed is None or changed.is_probe,
        actor=actor,
        node=event.node,
        before=health_view(changed.before, moment) if changed is not None else None,
        after=health_view(changed.after, moment) if changed is not None else None,
        status=event.status if changed is None else 0,
        code=event.code if changed is None else "",
        latency_milliseconds=event.latency_milliseconds if changed is None else None,
        reason=changed.reason if changed is not None else "",
    )


def _milliseconds(call: Call) -> int:
    return round(call.api.clock().timestamp() * 1000)


# ---- Alerts


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that needs, or needed, a person's eye."""

    id: str
    kind: str
    subject: str
    title: str
    severity: str
    raised_at: dt.datetime
    resolved_at: dt.datetime | None
    resolved_title: str | None


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Those that are raised first, then the newest."""

    items: tuple[AlertView, ...]


@get("/alerts", **route(Permission.ROUTING_READ, "listAlerts", "What needs a person's eye"))
async def list_alerts(call: ThisCall, limit: Limit = 100) -> Alerts:
    found = await _desk(call).alerts(limit=limit)
    return Alerts(items=tuple(AlertView(**msgspec.structs.asdict(alert)) for alert in found))


# ---- Experiments


class ArmView(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of an arm went; means are per request."""

    arm: str
    share: int | None
    """As it is now; null for an arm that is no more."""
    requests: int
    completed: int
    failed: int
    attempts_mean: str
    latency_milliseconds_mean: int
    latency_milliseconds_max: int
    first_byte_milliseconds_mean: int
    tokens_mean: int
    charged: str
    cost: str
    margin: str


class ExperimentView(msgspec.Struct, frozen=True, kw_only=True):
    """The arms of a policy's experiment, side by side."""

    policy_id: EntityId
    name: str
    since: dt.date
    arms: tuple[ArmView, ...]


Days = Annotated[int, QueryParameter(name="days", ge=1, le=366, description="How many days (UTC) to look back.")]


@get(
    "/routing/policies/{policy_id:str}/report",
    **route(Permission.ROUTING_READ, "compareArms", "Compare the arms of an experiment", 404),
)
async def compare_arms(call: ThisCall, policy_id: FromPath[str], days: Days = 7) -> ExperimentView:
    policy: e.RoutingPolicy = (await POLICIES.find(call, policy_id)).entity
    since = (call.api.clock() - dt.timedelta(days=days - 1)).date()
    found = {figures.arm: figures for figures in await _desk(call).arms(policy_id, since=since)}
    shares = {arm.name: arm.share for arm in policy.arms}
    for name in shares:
        found.setdefault(name, _no_requests(name))
    return ExperimentView(
        policy_id=policy.policy_id,
        name=policy.name,
        since=since,
        arms=tuple(_arm(figures, shares.get(figures.arm)) for figures in found.values()),
    )


def _no_requests(arm: str) -> ArmFigures:
    counts = {name: 0 for name in ArmFigures.__struct_fields__ if name != "arm"}
    return ArmFigures(arm=arm, **counts)


def _arm(figures: ArmFigures, share: int | None) -> ArmView:
    requests = max(1, figures.requests)
    return ArmView(
        arm=figures.arm,
        share=share,
        requests=figures.requests,
        completed=figures.completed,
        failed=figures.requests - figures.completed,
        attempts_mean=f"{figures.attempts / requests:.2f}",
        latency_milliseconds_mean=figures.latency_milliseconds // requests,
        latency_milliseconds_max=figures.latency_milliseconds_max,
        first_byte_milliseconds_mean=figures.first_byte_milliseconds // max(1, figures.first_bytes),
        tokens_mean=figures.tokens // requests,
        charged=format_amount(figures.charged_nanos),
        cost=format_amount(figures.cost_nanos),
        margin=format_amount(figures.charged_nanos - figures.cost_nanos),
    )


ROUTES: Sequence[BaseRouteHandler] = (
    POLICIES.restoring("/routing/policies", "Routing policy"),
    create_policy,
    list_policies,
    read_policy,
    change_policy,
    archive_policy,
    policy_history,
    compare_arms,
    explain,
    channel_health,
    reset_health,
    list_alerts,
)
