"""/api/routing/policies: how channels are to be chosen, and how the arms of an experiment compare."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from litestar import Response, delete, get, patch, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody, QueryParameter
from msgspec import UNSET, UnsetType

from app.api.call import IfMatch, Limit, Resource, ThisCall, Why, route
from app.api.listing import ThisListing
from app.api.permissions import Permission
from app.api.routing_desk import desk_of
from app.api.schemas.common import History, Listing, Name, Reasoned
from app.routing.desk import ArmFigures
from domain.admin import entities as e
from domain.admin.entities import Arm, RoutingMode
from domain.ids import EntityId, TenantId
from domain.money import format_amount

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
    found = {figures.arm: figures for figures in await desk_of(call).arms(policy_id, since=since)}
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
)
