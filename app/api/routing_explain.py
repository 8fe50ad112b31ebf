"""/api/routing/explain: which channels a request would be tried on, and why each other one falls out."""

from collections.abc import Sequence
from typing import Annotated, Final, Literal

import msgspec
from litestar import post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from app.api.call import Call, ThisCall, route
from app.api.permissions import Permission
from app.api.routing_desk import desk_of, rounded
from app.api.schemas.common import Body, Name
from app.snapshot import TokenContext
from domain.admin import entities as e
from domain.admin.entities import RoutingMode
from domain.ids import PLATFORM, EntityId, TenantId
from domain.metering.usage import COUNT_MAX, TokenUsage
from domain.money import format_amount
from domain.relay.call import Call as ModelCall
from domain.relay.call import Surface
from domain.routing.chance import seed_of


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


_EXPLANATIONS: Final = {
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


@post("/routing/explain", status_code=200, **route(Permission.ROUTING_READ, "explainRouting", "Explain a choice", 404))
async def explain(call: ThisCall, data: JSONBody[Question]) -> ExplanationView:
    desk = desk_of(call)
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
                first_byte_milliseconds=rounded(board.first_byte.get(member.channel_id)),
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


ROUTES: Sequence[BaseRouteHandler] = (explain,)
