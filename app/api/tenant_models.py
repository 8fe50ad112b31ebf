"""/api/tenants/{id}/models: which models a tenant may use, what it pays for each, and how they are."""

import datetime as dt
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Final, Literal

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import PathParameter

from app.api.call import Call, ThisCall, route
from app.api.permissions import Permission
from app.api.public_pages import HOURS, available_percent, state_of
from app.api.report_scope import tenant_of
from app.api.schemas.rate_cards import PriceBody
from app.api.schemas.site import HourStatus
from app.reports.pulse import PulseQuery, PulseRow, joined, percentile, read_pulse
from app.snapshot import Snapshot, TokenContext
from domain.admin.entities import Tenant, Token
from domain.ids import EntityId, TenantId
from domain.pricing.rate_card import ModelPrice, RateCard
from domain.pricing.scaling import scaled
from domain.reports.periods import Bucket
from domain.routing.choice import Member

_RECENT_HOURS: Final = 2
_NOBODY: Final = EntityId("")


class TenantModel(msgspec.Struct, frozen=True, kw_only=True):
    """A model as a tenant may ask for it."""

    model: str
    target: str
    """What the name leads to; itself if it is no other name of something."""
    price: PriceBody | None
    """What the tenant pays: list price times multiplier. Null: it has no price, and is refused."""
    list_price: PriceBody | None
    multiplier: str
    """Of the channel that is tried first."""
    multipliers: tuple[str, ...]
    """All that can apply, rising: channels may differ."""
    context_tokens_max: int | None
    output_tokens_max: int | None
    surfaces: tuple[str, ...]
    """Kinds of calls that a channel offers it for, such as `chat`; none where nothing is known."""
    capabilities: tuple[str, ...]
    """What a channel can do, such as `tools`; none where nothing is known."""
    state: Literal["up", "degraded", "down", "quiet"]
    """By the last two hours."""
    available_percent: str | None
    """Of the last 24 hours."""
    first_byte_p50: int | None
    """Milliseconds, of the last 24 hours."""
    first_byte_p95: int | None
    tokens_per_second: int | None
    hours: tuple[HourStatus, ...]
    """The last 24, the oldest first."""


class TenantModels(msgspec.Struct, frozen=True, kw_only=True):
    """The models of a tenant, by name."""

    at: dt.datetime
    currency: str
    user_group: str
    card_id: EntityId | None
    card_version: int | None
    scope: Literal["everybody", "tenant"]
    """Whose requests availability and speed are of: everybody's where the status page is open, else the tenant's."""
    items: tuple[TenantModel, ...]


@get(
    "/tenants/{tenant_id:int}/models",
    **route(
        Permission.TENANT_READ, "listTenantModels", "What a tenant may use, what it pays for it, and how it is", 404,
        within="tenant",
    ),
)  # fmt: skip
async def tenant_models(call: ThisCall, tenant_id: Annotated[int, PathParameter(ge=1, le=2**53 - 1)]) -> TenantModels:
    tenant = await tenant_of(call, TenantId(tenant_id))
    snapshot = await call.api.public.snapshot()
    mappings = [each.entity for each in await call.api.administration.store.all("mapping", tenant.tenant_id)]
    now = call.api.clock()
    card = snapshot.sale_card(now)
    is_open = bool(await call.api.public.setting("public_status"))
    pulse = await call.api.public.pulse() if is_open else await _own_pulse(call, tenant.tenant_id, now)
    own = [mapping for mapping in mappings if mapping.tenant_id == tenant.tenant_id]
    context = TokenContext(_token(tenant), tenant, None, own)
    return TenantModels(
        at=now,
        currency=card.currency if card is not None else "USD",
        user_group=tenant.user_group,
        card_id=card.card_id if card is not None else None,
        card_version=card.version if card is not None else None,
        scope="everybody" if is_open else "tenant",
        items=tuple(
            _model(snapshot, context, name, card, pulse.get(name, {})) for name in snapshot.model_names(context)
        ),
    )


def _token(tenant: Tenant) -> Token:
    return Token(token_id=_NOBODY, tenant_id=tenant.tenant_id, user_id=_NOBODY, name="none", sha256="0" * 64, hint="")


async def _own_pulse(call: Call, tenant_id: TenantId, now: dt.datetime) -> dict[str, dict[int, PulseRow]]:
    last = now.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)
    tiles = tuple(
        Bucket(last - dt.timedelta(hours=n + 1), last - dt.timedelta(hours=n)) for n in reversed(range(HOURS))
    )
    rows = await read_pulse(call.api.pool, PulseQuery(tiles=tiles, tenant_id=tenant_id, by=("model",)))
    found: dict[str, dict[int, PulseRow]] = {}
    for row in rows:
        found.setdefault(row.keys[0], {})[row.bucket] = row
    return found


def _model(
    snapshot: Snapshot, context: TokenContext, name: str, card: RateCard | None, hours: Mapping[int, PulseRow]
) -> TenantModel:
    mapping = snapshot.mapping(context, name)
    target = mapping.target if mapping is not None else name
    billed = target if mapping is not None and mapping.billed != "asked" else name
    members = _members(snapshot, context, name, target)
    listed = card.find(billed) if card is not None else None
    multipliers = [
        snapshot.multiplier(context.tenant.user_group, member.channel.channel_groups)[0].multiplier
        for member in members
    ]
    multiplier = multipliers[0] if multipliers else Decimal(1)
    nothing = joined(())
    rows = [hours.get(n, nothing) for n in range(HOURS)]
    whole = joined(rows)
    return TenantModel(
        model=name,
        target=target,
        price=_body(scaled(listed, multiplier)) if listed is not None else None,
        list_price=_body(listed) if listed is not None else None,
        multiplier=f"{multiplier:f}",
        multipliers=tuple(f"{value:f}" for value in sorted(set(multipliers))),
        context_tokens_max=listed.context_tokens_max if listed is not None else None,
        output_tokens_max=listed.output_tokens_max if listed is not None else None,
        surfaces=tuple(sorted({each for member in members for each in member.traits.surfaces or ()})),
        capabilities=tuple(sorted({each for member in members for each in member.traits.capabilities or ()})),
        state=state_of(joined(rows[-_RECENT_HOURS:])),
        available_percent=available_percent(whole),
        first_byte_p50=percentile(whole.first_byte, 50),
        first_byte_p95=percentile(whole.first_byte, 95),
        tokens_per_second=whole.tokens_per_second,
        hours=tuple(
            HourStatus(available_percent=available_percent(row), first_byte_p50=percentile(row.first_byte, 50))
            for row in rows
        ),
    )


def _members(snapshot: Snapshot, context: TokenContext, name: str, target: str) -> list[Member]:
    """Give the channels that may serve the tenant, the one that is tried first in front."""
    tenant = context.tenant
    policy = snapshot.policies.find(name, tenant.user_group, tenant.tenant_id)
    groups = set(policy.channel_groups) if policy is not None and policy.channel_groups else None
    return [
        member
        for member in snapshot.pools.members(target)
        if member.channel.enabled and (groups is None or groups & set(member.channel.channel_groups))
    ]


def _body(price: ModelPrice) -> PriceBody:
    return msgspec.convert(msgspec.to_builtins(price), PriceBody)


ROUTES: Sequence[BaseRouteHandler] = (tenant_models,)
