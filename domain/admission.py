"""From a request to a hold, and from what a vendor did to the hold's one terminal: the rules, with no effects.

A `Quote` pins everything that the price depends on before a vendor is called: the model whose price is charged, the
card's version, the multiplier of each candidate channel. What happens to prices afterwards does not matter to it.
"""

import datetime as dt
import re
from decimal import Decimal
from functools import cached_property

import msgspec

from domain.accounts import wallet
from domain.admin.entities import Budget, Channel, Group, RoutingPolicy, Tenant, Token
from domain.events import encode, type_name
from domain.holds.events import (
    Attempt,
    AttemptFailed,
    HoldAuthorized,
    HoldCaptured,
    HoldVoided,
    LimitHeld,
    Outcome,
    RoutingNote,
    UsageAdjusted,
)
from domain.ids import EntityId, EventId, HoldId, derive_id, first_lane
from domain.ledger.commands import Command, Kind
from domain.limits import Needs, limit_legs
from domain.metering.estimate import Estimate
from domain.metering.usage import Basis, TokenClass, TokenUsage
from domain.pricing.charge import Charge, affordable_output_tokens, charge, worst_case
from domain.pricing.multipliers import MultiplierEntry
from domain.pricing.rate_card import ModelPrice, RateCard
from domain.relay.call import Call
from domain.routing.policy import DEFAULT_POLICY

OUTPUT_TOKENS_WORTHWHILE = 16
"""An output limit is not lowered below this: an answer cut off so early is of no use, and not worth its price."""

_MULTIPLIER_STEP = Decimal("1e-9")
"""The finest multiplier that there is."""

_ASKS_FOR_AN_HOUR = re.compile(rb'"(?:1|\\u0031)(?:h|\\u0068)"')
"""The word "1h" of a cache control, also with its letters escaped."""
_KEPT_AN_HOUR: tuple[TokenClass, ...] = ("cache_write_1h_tokens",)
_TEXT_ONLY: tuple[TokenClass, ...] = ("audio_input_tokens", "audio_output_tokens", "image_output_tokens")
_WITH_AUDIO: tuple[TokenClass, ...] = ("image_output_tokens",)
_WITH_IMAGES: tuple[TokenClass, ...] = ("audio_input_tokens", "audio_output_tokens")
_IMAGE_SURFACES = frozenset({"images", "image_edits"})
_AUDIO_SURFACES = frozenset({"speech", "transcriptions", "translations", "realtime"})


class Payer(msgspec.Struct, frozen=True, kw_only=True):
    """Who pays for a request, and within which limits."""

    token: Token
    tenant: Tenant
    user_budgets: tuple[Budget, ...] = ()
    group: Group | None = None


class Route(msgspec.Struct, frozen=True):
    """One channel that can serve a request, and what that would cost."""

    channel: Channel
    model_routed: str
    """The vendor's own name for the model."""
    multiplier: MultiplierEntry
    multiplier_id: EntityId | None
    cost_price: ModelPrice | None = None
    """What the vendor charges the operator, where the channel has a cost card."""
    model_billed: str = ""
    """Whose price is charged on this route, where it is not the quote's: a fallback's own."""
    price: ModelPrice | None = None
    """The price of that model."""


class Quote(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """What a request may cost at most, and by which rules."""

    hold_id: HoldId
    call: Call
    payer: Payer
    model_billed: str
    price: ModelPrice
    card: RateCard
    routes: tuple[Route, ...]
    """In the order in which they are tried; at least one."""
    estimate: Estimate
    output_tokens_max: int
    """Over all choices; 0 for embeddings."""
    output_limit: int | None
    """Per choice, to send to the vendor; None leaves the client's own words alone."""
    is_limited: bool = True
    """Whether every vendor that may be asked keeps to an output limit."""
    other: TokenUsage = TokenUsage()
    """What the call consumes besides tokens, at most: images, audio, characters; its one call."""
    likely: TokenUsage = TokenUsage()
    """The same as it likely is: charged where the vendor says nothing of it."""
    lowered: bool = False
    routing: RoutingNote | None = None
    """How the routes were chosen."""
    policy: RoutingPolicy = DEFAULT_POLICY
    """How many of them are tried, and for how long."""
    session_id: HoldId | None = None
    """Where it is one answer of a conversation: the id of its first."""
    from_cache: bool = False
    """Whether the one route is where an answer came from that the gateway has already."""

    @property
    def tokens_max(self) -> int:
        """Tokens of all classes that the request can come to."""
        return self.estimate.prompt_tokens_upper + self.output_tokens_max

    def worst(self, multiplier: Decimal, price: ModelPrice | None = None) -> int:
        """Give the most that it can cost, in nano-units, at a multiplier, and a price other than the quote's."""
        return worst_case(
            self.estimate.prompt_tokens_upper,
            self.output_tokens_max,
            price or self.price,
            multiplier,
            other=self.other,
            impossible=self.impossible,
        )

    @cached_property
    def impossible(self) -> tuple[TokenClass, ...]:
        """Classes of tokens that the request rules out, so that nothing is held for them."""
        hour = () if _ASKS_FOR_AN_HOUR.search(self.call.body) else _KEPT_AN_HOUR
        return (*hour, *self._impossible_media)

    @property
    def _impossible_media(self) -> tuple[TokenClass, ...]:
        body = self.call.body
        if self.call.surface in _IMAGE_SURFACES or b'"IMAGE"' in body or b'"image"' in body:
            return _WITH_IMAGES
        spoken = self.call.surface in _AUDIO_SURFACES or b'"audio"' in body or b'"AUDIO"' in body
        return _WITH_AUDIO if self.estimate.has_audio or spoken else _TEXT_ONLY

    @cached_property
    def highest(self) -> Route:
        """The candidate that can cost the most: what the wallet must cover."""
        if all(route.price is None for route in self.routes):
            return max(self.routes, key=lambda route: route.multiplier.multiplier)
        return max(self.routes, key=lambda route: self.worst(route.multiplier.multiplier, route.price))

    @cached_property
    def authorized_nanos(self) -> int:
        """What is set aside in the wallet."""
        return self.worst(self.highest.multiplier.multiplier, self.highest.price)

    @cached_property
    def terms(self) -> tuple[tuple[Decimal, ModelPrice], ...]:
        """The multipliers and prices that may apply."""
        return tuple((route.multiplier.multiplier, route.price or self.price) for route in self.routes)


def lower(quote: Quote, available_nanos: int) -> Quote | None:
    """Give the quote with an output limit that the wallet covers; None where that is not worth the call."""
    if not quote.output_tokens_max or available_nanos <= 0 or not quote.is_limited:
        return None
    affordable = [
        affordable_output_tokens(
            available_nanos,
            quote.estimate.prompt_tokens_upper,
            quote.output_tokens_max,
            price,
            multiplier,
            other=quote.other,
            impossible=quote.impossible,
        )
        for multiplier, price in quote.terms
        if multiplier
    ]
    if not affordable or None in affordable:
        return None
    tokens = min(tokens for tokens in affordable if tokens is not None)
    each = tokens // quote.call.choices_max
    if each < OUTPUT_TOKENS_WORTHWHILE:
        return None
    return msgspec.structs.replace(
        quote, output_tokens_max=each * quote.call.choices_max, output_limit=each, lowered=True
    )


def hold_command(
    quote: Quote, *, now: dt.datetime, timeout_seconds: int, node: str
) -> tuple[Command, tuple[LimitHeld, ...]]:
    """Give the hold for a quote, and what each of its legs is: a refusal names the leg."""
    highest = quote.highest
    multiplier = highest.multiplier.multiplier
    money = quote.authorized_nanos
    free = [price for multiplier, price in quote.terms if multiplier == 0]
    allowance = max((quote.worst(Decimal(1), price) for price in free), default=0)
    payer = quote.payer
    made = limit_legs(
        tenant=payer.tenant,
        token=payer.token,
        user_budgets=payer.user_budgets,
        group=payer.group,
        needs=Needs(money_nanos=money, tokens=quote.tokens_max, allowance_nanos=allowance),
        now=now,
    )
    event = HoldAuthorized(
        hold_id=quote.hold_id,
        token_id=payer.token.token_id,
        user_id=payer.token.user_id,
        surface=quote.call.surface,
        stream=quote.call.stream,
        model_asked=quote.call.model,
        model_billed=highest.model_billed or quote.model_billed,
        authorized_nanos=money,
        allowance_nanos=allowance,
        prompt_tokens_upper=quote.estimate.prompt_tokens_upper,
        output_tokens_max=quote.output_tokens_max,
        output_limit_lowered=quote.lowered,
        currency=quote.card.currency,
        card_id=quote.card.card_id,
        card_version=quote.card.version,
        multiplier=multiplier,
        multiplier_id=highest.multiplier_id,
        user_group=payer.tenant.user_group,
        channel_group=highest.multiplier.channel_group,
        timeout_seconds=timeout_seconds,
        limits=made.limits[3:],
        tags=payer.token.tags,
        node=node,
        routing=quote.routing,
    )
    command = Command(
        tenant_id=payer.tenant.tenant_id,
        lane=first_lane(payer.tenant.tenant_id),
        kind=Kind.HOLD,
        event_id=EventId(quote.hold_id),
        hold_id=quote.hold_id,
        type=type_name(event),
        data=encode(event),
        actor=f"token:{payer.token.token_id}",
        correlation_id=quote.session_id or quote.hold_id,
        causation_id=quote.hold_id,
        timeout_seconds=timeout_seconds,
        pool_id=wallet(payer.tenant.tenant_id),
        money_nanos=money,
        legs=made.legs,
        openings=made.openings,
    )
    return command, made.limits


def _follow_up(quote: Quote, event: msgspec.Struct, *, kind: Kind, event_id: EventId, **amounts: int) -> Command:
    tenant_id = quote.payer.tenant.tenant_id
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=kind,
        event_id=event_id,
        hold_id=quote.hold_id if kind is Kind.END else None,
        type=type_name(event),
        data=encode(event),
        actor=f"token:{quote.payer.token.token_id}",
        correlation_id=quote.session_id or quote.hold_id,
        causation_id=quote.hold_id,
        pool_id=wallet(tenant_id),
        money_nanos=amounts.get("money_nanos", 0),
        requests=amounts.get("requests", 0),
        tokens=amounts.get("tokens", 0),
        allowance_nanos=amounts.get("allowance_nanos", 0),
    )


def price_of(quote: Quote, route: Route, usage: TokenUsage) -> Charge:
    """Give what a usage costs the tenant on a route."""
    return charge(usage, route.price or quote.price, route.multiplier.multiplier)


def cost_of(route: Route, usage: TokenUsage) -> int:
    """Give what a usage costs the operator on a route; 0 where the channel has no cost card."""
    return charge(usage, route.cost_price).amount_nanos if route.cost_price is not None else 0


def capture_command(
    quote: Quote,
    route: Route,
    *,
    usage: TokenUsage,
    basis: Basis,
    adjusted: bool,
    outcome: Outcome,
    attempt: Attempt,
    attempts: int,
    cached: bool = False,
) -> tuple[Command, int]:
    """Give the capture for what was used, and what it charges."""
    charged = price_of(quote, route, usage)
    due = charged.due
    event = HoldCaptured(
        hold_id=quote.hold_id,
        captured_nanos=due.wallet_nanos,
        allowance_nanos=due.allowance_nanos,
        overrun_nanos=max(0, due.wallet_nanos - quote.authorized_nanos),
        basis=basis,
        usage=usage,
        usage_adjusted=adjusted,
        factors=charged.factors,
        token_id=quote.payer.token.token_id,
        user_id=quote.payer.token.user_id,
        surface=quote.call.surface,
        stream=quote.call.stream,
        model_asked=quote.call.model,
        model_routed=route.model_routed,
        model_billed=route.model_billed or quote.model_billed,
        channel_id=route.channel.channel_id,
        currency=quote.card.currency,
        card_id=quote.card.card_id,
        card_version=quote.card.version,
        multiplier_id=route.multiplier_id,
        outcome=outcome,
        attempt=attempt,
        attempts=attempts,
        tags=quote.payer.token.tags,
        cached=cached,
    )
    command = _follow_up(
        quote,
        event,
        kind=Kind.END,
        event_id=derive_id(quote.hold_id, "terminal"),
        money_nanos=due.wallet_nanos,
        requests=1,
        tokens=usage.total,
        allowance_nanos=due.allowance_nanos,
    )
    return command, due.wallet_nanos


def cached_command(
    quote: Quote, route: Route, *, usage: TokenUsage, hit_percent: int, channel_id: EntityId, milliseconds: int
) -> tuple[Command, int]:
    """Give the capture of an answer that the gateway had already, and what it charges.

    `usage` is what the answer took when it was new, `hit_percent` the part of its price that is charged. At 0, and
    where use is free, nothing is: then nothing counts as used, either, for no vendor was asked.
    """
    multiplier = (route.multiplier.multiplier * hit_percent / 100).quantize(_MULTIPLIER_STEP)
    entry = msgspec.structs.replace(route.multiplier, multiplier=multiplier) if multiplier else route.multiplier
    return capture_command(
        quote,
        msgspec.structs.replace(route, multiplier=entry),
        usage=usage if multiplier else TokenUsage(calls=0),
        basis="policy",
        adjusted=False,
        outcome="completed",
        attempt=Attempt(
            channel_id=channel_id,
            model_routed=route.model_routed,
            outcome="completed",
            code="cached",
            latency_milliseconds=milliseconds,
        ),
        attempts=0,
        cached=True,
    )


def void_command(quote: Quote, *, reason: str, attempts: int, attempt: Attempt | None) -> Command:
    """Give the void of a request that gave the client nothing."""
    event = HoldVoided(
        hold_id=quote.hold_id,
        reason=reason,
        token_id=quote.payer.token.token_id,
        user_id=quote.payer.token.user_id,
        model_asked=quote.call.model,
        attempts=attempts,
        attempt=attempt,
    )
    return _follow_up(quote, event, kind=Kind.END, event_id=derive_id(quote.hold_id, "terminal"))


def attempt_failed_command(quote: Quote, number: int, attempt: Attempt) -> Command:
    """Give the record of a vendor that failed before the client had a byte."""
    event = AttemptFailed(hold_id=quote.hold_id, number=number, attempt=attempt)
    return _follow_up(quote, event, kind=Kind.POST, event_id=derive_id(quote.hold_id, f"attempt-{number}"))


def adjustment_command(capture: Command, captured: HoldCaptured) -> Command:
    """Give the charge for usage that turned up after its hold had expired: by its own id, never a second terminal."""
    event = UsageAdjusted(
        hold_id=captured.hold_id,
        charged_nanos=captured.captured_nanos,
        reason="hold_expired_before_capture",
        basis=captured.basis,
        usage=captured.usage,
        factors=captured.factors,
        token_id=captured.token_id,
        user_id=captured.user_id,
        model_asked=captured.model_asked,
        model_billed=captured.model_billed,
        channel_id=captured.channel_id,
        card_id=captured.card_id,
        card_version=captured.card_version,
    )
    return msgspec.structs.replace(
        capture,
        kind=Kind.POST,
        event_id=derive_id(captured.hold_id, "adjustment"),
        hold_id=None,
        type=type_name(event),
        data=encode(event),
        strict=False,
        requests=0,
        tokens=0,
        allowance_nanos=0,
    )
