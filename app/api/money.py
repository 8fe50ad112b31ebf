"""Money in and out of a tenant's wallet, and what is in it."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromQuery, JSONBody, PathParameter, QueryParameter

from app.api.call import Call, TenantNumber, ThisCall, route
from app.api.idempotency import IdempotencyKey, once
from app.api.listing import AfterPosition, Label, Limit, Since, Until, position_of
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Listing
from app.api.schemas.money import (
    Adjustment,
    BalanceView,
    GrantView,
    HoldView,
    MovementView,
    NewGrant,
    RecordedMovementView,
    Refund,
    SpendView,
    TenantMovementView,
    TopUp,
)
from app.reports.balances import balances_after
from app.reports.credit import MovementFilters, RecordedMovement, SearchedMovement, read_movements, search_movements
from app.reports.log import cursor_of
from app.wallets import Balance, GrantTerms, Movement, Spend
from domain.grants.events import Source
from domain.ids import PLATFORM, EventId, TenantId
from domain.money import format_amount, parse_amount

TenantPath = Annotated[int, PathParameter(ge=1, le=2**53 - 1)]
MovementKind = Literal["granted", "redeemed", "lapsed", "adjusted"]
AfterPlace = Annotated[
    str | None, QueryParameter(name="after", max_length=80, description="`next` of the part before.")
]
_SHOWN = 100


@post(
    "/tenants/{tenant_id:int}/top-ups",
    **route(
        Permission.CREDIT_GRANT, "createTopUp", "Put money that was paid in into a wallet", 404, 409, 422,
        within="tenant",
    ),
)  # fmt: skip
async def top_up(
    call: ThisCall, tenant_id: TenantPath, data: JSONBody[TopUp], idempotency_key: IdempotencyKey = None
) -> MovementView:
    terms = GrantTerms(amount_nanos=parse_amount(data.amount), reference=data.reference, reason=data.reason)
    return await _grant(call, ("top_up", TenantId(tenant_id)), data, terms, idempotency_key)


@post(
    "/tenants/{tenant_id:int}/grants",
    **route(Permission.CREDIT_GRANT, "createGrant", "Give credit on terms of its own", 404, 409, 422, within="tenant"),
)
async def grant(
    call: ThisCall, tenant_id: TenantPath, data: JSONBody[NewGrant], idempotency_key: IdempotencyKey = None
) -> MovementView:
    terms = GrantTerms(
        amount_nanos=parse_amount(data.amount),
        kind=data.kind,
        source="allowance" if data.kind == "allowance" else "adjustment",
        priority=data.priority,
        expires_at=data.expires_at,
        reference=data.reference,
        reason=data.reason,
    )
    return await _grant(call, ("grant", TenantId(tenant_id)), data, terms, idempotency_key)


async def _grant(
    call: Call, place: tuple[str, TenantId], body: TopUp | NewGrant, terms: GrantTerms, key: str | None
) -> MovementView:
    async def run(event_id: EventId) -> MovementView:
        return await _granted(call, place[1], event_id, terms)

    return await once(call, key, place, body, answers=MovementView, run=run)


async def _granted(call: Call, tenant_id: TenantId, event_id: EventId, terms: GrantTerms) -> MovementView:
    return movement(
        await call.api.wallets.grant(
            tenant_id=tenant_id, event_id=event_id, terms=terms, actor=call.principal.actor, now=call.api.clock()
        )
    )


@post(
    "/tenants/{tenant_id:int}/adjustments",
    **route(
        Permission.CREDIT_ADJUST, "createAdjustment", "Take credit back, in burn order", 404, 409, 422,
        within="tenant",
    ),
)  # fmt: skip
async def adjust(
    call: ThisCall, tenant_id: TenantPath, data: JSONBody[Adjustment], idempotency_key: IdempotencyKey = None
) -> MovementView:
    async def run(event_id: EventId) -> MovementView:
        return movement(
            await call.api.wallets.adjust(
                tenant_id=TenantId(tenant_id),
                event_id=event_id,
                amount_nanos=parse_amount(data.amount),
                strict=data.strict,
                actor=call.principal.actor,
                reason=data.reason,
                reference=data.reference,
            )
        )

    return await once(call, idempotency_key, ("adjustment", TenantId(tenant_id)), data, answers=MovementView, run=run)


@post(
    "/tenants/{tenant_id:int}/refunds",
    **route(
        Permission.CREDIT_GRANT, "createRefund", "Give back what a request was charged, or a part of it", 404, 409, 422,
        within="tenant",
    ),
)  # fmt: skip
async def refund(
    call: ThisCall, tenant_id: TenantPath, data: JSONBody[Refund], idempotency_key: IdempotencyKey = None
) -> MovementView:
    tenant = TenantId(tenant_id)

    async def run(event_id: EventId) -> MovementView:
        amount = parse_amount(data.amount)
        receipt = await call.api.receipts.read(data.request_id, [tenant])
        paid = receipt.price.charged_nanos if receipt.price is not None and not receipt.price.paid_by_allowance else 0
        if amount > paid:
            raise ApiError("refund_too_large", f"The wallet paid {format_amount(paid)} for the request.")
        terms = GrantTerms(amount_nanos=amount, source="refund", reference=receipt.request_id, reason=data.reason)
        return await _granted(call, tenant, event_id, terms)

    return await once(call, idempotency_key, ("refund", tenant), data, answers=MovementView, run=run)


@get(
    "/tenants/{tenant_id:int}/movements",
    **route(
        Permission.BALANCE_READ, "listMovements", "Credit given, lapsed and taken back, the latest first", 404, 422,
        within="tenant",
    ),
)  # fmt: skip
async def list_movements(
    call: ThisCall,
    tenant_id: TenantPath,
    *,
    after: AfterPosition = None,
    limit: Limit = 50,
    kind: FromQuery[MovementKind | None] = None,
    source: FromQuery[Source | None] = None,
    grant_id: Label = None,
    starts_at: Since = None,
    ends_at: Until = None,
) -> Listing[RecordedMovementView]:
    filters = MovementFilters(kind=kind, source=source, grant_id=grant_id, starts_at=starts_at, ends_at=ends_at)
    found = await read_movements(
        call.api.pool, TenantId(tenant_id), filters, before=position_of(after), limit=limit + 1
    )
    return Listing(
        items=await recorded(call, TenantId(tenant_id), found[:limit]),
        next=str(found[limit - 1].position) if len(found) > limit else None,
    )


async def recorded(
    call: Call, tenant_id: TenantId, movements: Sequence[RecordedMovement]
) -> tuple[RecordedMovementView, ...]:
    """Give movements as the API shows them, with the balance after each."""
    balances = await balances_after(call.api.pool, tenant_id, [each.recorded_at for each in movements])
    return tuple(_recorded(each, balance) for each, balance in zip(movements, balances, strict=True))


def _recorded(moved: RecordedMovement, balance_nanos: int) -> RecordedMovementView:
    return RecordedMovementView(**_facts(moved), balance=format_amount(balance_nanos))


def searched(moved: SearchedMovement) -> TenantMovementView:
    """Give a movement as it is shown in the list over all tenants."""
    return TenantMovementView(**_facts(moved), tenant_id=moved.tenant_id)


def _facts(moved: RecordedMovement) -> dict[str, Any]:
    return {
        "event_id": moved.event_id,
        "position": moved.position,
        "at": moved.recorded_at,
        "kind": moved.kind,
        "source": moved.source,
        "amount": format_amount(moved.amount_nanos),
        "currency": moved.currency,
        "grant_id": moved.grant_id or None,
        "grant_kind": moved.grant_kind or None,
        "reference": moved.reference,
        "reason": moved.reason,
        "actor": moved.actor,
    }


@get(
    "/reports/movements",
    **route(
        Permission.BALANCE_READ, "searchMovements", "Movements of credit, of all tenants or one, the latest first", 422
    ),
)
async def search_all_movements(
    call: ThisCall,
    *,
    tenant_id: TenantNumber = None,
    after: AfterPlace = None,
    limit: Limit = 50,
    kind: FromQuery[MovementKind | None] = None,
    source: FromQuery[Source | None] = None,
    starts_at: Since = None,
    ends_at: Until = None,
) -> Listing[TenantMovementView]:
    filters = MovementFilters(
        tenant_id=TenantId(tenant_id) if tenant_id is not None else None,
        kind=kind,
        source=source,
        starts_at=starts_at,
        ends_at=ends_at,
    )
    before = cursor_of(after) if after is not None else None
    found = await search_movements(call.api.pool, filters, before=before, limit=limit + 1)
    return Listing(
        items=tuple(searched(each) for each in found[:limit]),
        next=found[limit - 1].place if len(found) > limit else None,
    )


@get(
    "/tenants/{tenant_id:int}/balance",
    **route(
        Permission.BALANCE_READ, "getBalance", "What a wallet has, holds and owes, grant by grant", 404,
        within="tenant",
    ),
)  # fmt: skip
async def balance(call: ThisCall, tenant_id: TenantPath) -> BalanceView:
    tenant = TenantId(tenant_id)
    found = await call.api.wallets.balance(tenant, call.api.clock())
    administration = call.api.administration
    tokens = await administration.list("token", tenant_id=tenant, archived=None, limit=_SHOWN)
    users = await administration.list("user", tenant_id=PLATFORM, member_of=tenant, limit=_SHOWN)
    names = {each.entity.token_id: each.entity.name for each in tokens.items}
    people = {each.entity.user_id: each.entity.name for each in users.items}
    by_token, by_user = await call.api.wallets.spend(tenant, tokens=list(names), users=list(people))
    return _balance(tenant, found, _spends(by_token, names), _spends(by_user, people))


def movement(moved: Movement) -> MovementView:
    """Give a movement as the API shows it."""
    return MovementView(
        event_id=moved.event_id,
        amount=format_amount(moved.amount_nanos),
        balance=format_amount(moved.balance_nanos),
        grant_id=moved.grant_id,
        expires_at=moved.expires_at,
    )


def _spends(spends: Sequence[Spend], names: dict[str, str]) -> tuple[SpendView, ...]:
    return tuple(
        SpendView(
            id=each.id,
            name=names[each.id],
            spent=format_amount(each.spent_nanos),
            held=format_amount(each.held_nanos),
        )
        for each in spends
    )


def _balance(
    tenant_id: TenantId, found: Balance, tokens: tuple[SpendView, ...], users: tuple[SpendView, ...]
) -> BalanceView:
    return BalanceView(
        tenant_id=tenant_id,
        currency="USD",
        balance=format_amount(found.balance_nanos),
        held=format_amount(found.held_nanos),
        available=format_amount(found.available_nanos),
        owed=format_amount(found.owed_nanos),
        credit_limit=format_amount(found.credit_limit_nanos),
        grants=tuple(
            GrantView(
                id=each.grant_id,
                kind=each.kind,
                remaining=format_amount(each.remaining_nanos),
                held=format_amount(each.held_nanos),
                priority=each.priority,
                expires_at=each.expires_at,
                granted_at=each.opened_at,
            )
            for each in found.grants
        ),
        holds=tuple(
            HoldView(
                request_id=each.request_id,
                held=format_amount(each.held_nanos),
                expires_at=each.expires_at,
                token_id=each.token_id,
                user_id=each.user_id,
                model=each.model,
            )
            for each in found.holds
        ),
        holds_open=found.holds_open,
        tokens=tokens,
        users=users,
    )


ROUTES: Sequence[BaseRouteHandler] = (top_up, grant, adjust, refund, list_movements, search_all_movements, balance)
