"""/api/requests: the receipt of a request."""

from collections.abc import Sequence
from typing import Any

from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath

from app.api.call import ThisCall, route
from app.api.permissions import Permission
from app.api.schemas.receipts import (
    AdjustmentView,
    AttemptView,
    BurnView,
    EntryView,
    LimitView,
    PriceLine,
    PriceView,
    ReceiptEnd,
    ReceiptHold,
    ReceiptView,
    RoutingView,
)
from app.receipts import Price, Receipt, Step
from domain.holds.events import Attempt, HoldAuthorized, HoldCaptured, RoutingNote, UsageAdjusted
from domain.money import format_amount


@get(
    "/requests/{request_id:str}",
    **route(
        Permission.REQUEST_READ, "getRequest", "A request's receipt: why it cost what it cost", 404, within="entity"
    ),
)
async def read_request(call: ThisCall, request_id: FromPath[str]) -> ReceiptView:
    principal = call.principal
    mine = [each for each in principal.tenant_ids if principal.may(Permission.REQUEST_READ, each)]
    everywhere = principal.may(Permission.REQUEST_READ)
    receipt = await call.api.receipts.read(request_id, None if everywhere else mine)
    await call.looked_at(receipt.tenant_id)
    return _receipt(receipt, with_cost=everywhere)


def _receipt(receipt: Receipt, *, with_cost: bool) -> ReceiptView:
    hold: HoldAuthorized = receipt.hold.value
    captured = receipt.terminal.value if receipt.terminal is not None and receipt.price is not None else None
    return ReceiptView(
        request_id=receipt.request_id,
        tenant_id=receipt.tenant_id,
        state=receipt.state,
        currency=hold.currency,
        hold=_hold(receipt.hold, hold, with_cost=with_cost),
        attempts=tuple(_attempt(each, with_cost=with_cost) for each in receipt.attempts),
        end=_end(receipt.terminal) if receipt.terminal is not None else None,
        price=_price(receipt.price, captured) if receipt.price is not None and captured is not None else None,
        adjustments=tuple(_adjustment(step, step.value) for step in receipt.adjustments),
        burnt=tuple(BurnView(account=each.account, amount=format_amount(each.amount_nanos)) for each in receipt.burnt),
        text=receipt.text,
    )


def _hold(step: Step, hold: HoldAuthorized, *, with_cost: bool) -> ReceiptHold:
    return ReceiptHold(
        event_id=step.event_id,
        at=step.recorded_at,
        surface=hold.surface,
        stream=hold.stream,
        model_asked=hold.model_asked,
        model_billed=hold.model_billed,
        token_id=hold.token_id,
        user_id=hold.user_id,
        authorized=format_amount(hold.authorized_nanos),
        allowance=format_amount(hold.allowance_nanos),
        prompt_tokens_upper=hold.prompt_tokens_upper,
        output_tokens_max=hold.output_tokens_max,
        output_limit_lowered=hold.output_limit_lowered,
        user_group=hold.user_group,
        channel_group=hold.channel_group,
        tags=hold.tags,
        limits=tuple(LimitView(name=each.name, amount=each.amount, limit=each.limit) for each in hold.limits),
        routing=_routing(hold.routing) if with_cost and hold.routing is not None else None,
        entries=_entries(step),
    )


def _routing(routing: RoutingNote) -> RoutingView:
    return RoutingView(
        mode=routing.mode,
        policy_id=routing.policy_id,
        arm=routing.arm or None,
        candidates=routing.candidates,
        fell_out=routing.fell_out,
    )


def _entries(step: Step) -> tuple[EntryView, ...]:
    return tuple(EntryView(account=each.account, posted=each.posted, held=each.held) for each in step.entries)


def _attempt(attempt: Attempt, *, with_cost: bool) -> AttemptView:
    return AttemptView(
        channel_id=attempt.channel_id,
        model_routed=attempt.model_routed,
        outcome=attempt.outcome,
        status=attempt.status,
        code=attempt.code,
        began_milliseconds=attempt.began_milliseconds,
        latency_milliseconds=attempt.latency_milliseconds,
        first_byte_milliseconds=attempt.first_byte_milliseconds,
        cost=format_amount(attempt.cost_nanos) if with_cost else None,
    )


def _end(step: Step) -> ReceiptEnd:
    event: Any = step.value
    captured = event if isinstance(event, HoldCaptured) else None
    return ReceiptEnd(
        event_id=step.event_id,
        type=step.type,
        at=step.recorded_at,
        actor=step.actor,
        reason=getattr(event, "reason", None),
        outcome=captured.outcome if captured else None,
        basis=captured.basis if captured else None,
        usage=captured.usage if captured else None,
        cached=captured.cached if captured else False,
        overrun=format_amount(captured.overrun_nanos if captured else 0),
        entries=_entries(step),
    )


def _price(price: Price, captured: HoldCaptured) -> PriceView:
    return PriceView(
        charged=format_amount(price.charged_nanos),
        recomputed=format_amount(price.recomputed_nanos),
        matches=price.matches,
        exact_nanos=price.exact,
        rounding=price.factors.rounding,
        multiplier=f"{price.factors.multiplier:f}",
        multiplier_id=captured.multiplier_id,
        card_id=captured.card_id,
        card_version=captured.card_version,
        input_tokens_from=price.factors.input_tokens_from,
        paid_by_allowance=price.paid_by_allowance,
        lines=tuple(
            PriceLine(
                meter=line.meter,
                quantity=line.quantity,
                price=f"{line.price:f}",
                per=line.per,
                subtotal_nanos=line.subtotal_nanos,
            )
            for line in price.factors.lines
        ),
    )


def _adjustment(step: Step, adjusted: UsageAdjusted) -> AdjustmentView:
    return AdjustmentView(
        event_id=step.event_id,
        at=step.recorded_at,
        charged=format_amount(adjusted.charged_nanos),
        reason=adjusted.reason,
        basis=adjusted.basis,
        usage=adjusted.usage,
        entries=_entries(step),
    )


ROUTES: Sequence[BaseRouteHandler] = (read_request,)
