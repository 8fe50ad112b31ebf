"""What a call may cost and who can serve it: the catalog's present state, pinned into a quote."""

import datetime as dt
from collections.abc import Callable
from typing import Any, Final

import msgspec

from adapters.tokenizer import Tokenizer
from app.catalog import Catalog, NoChannelKeyError, Snapshot
from app.relay.authentication import Caller
from app.relay.errors import ApiError, nobody_available, unavailable
from app.routing.cache import Kept
from app.routing.router import Aim, CostOf, Plan, Router, Target
from domain.admin.entities import Channel
from domain.admission import Quote, Route
from domain.ids import HoldId
from domain.metering.estimate import Estimate
from domain.metering.usage import TokenUsage
from domain.pricing.charge import charge
from domain.pricing.rate_card import ModelPrice, RateCard
from domain.relay.call import Call, InvalidRequestError, decoded
from domain.relay.chat import ChatRequest
from domain.relay.dialect import CanonicalRequest
from domain.relay.hosted import hosted_tools
from domain.relay.measure import consumes, measurable, translated_characters
from domain.relay.vendor_errors import VendorError
from domain.routing.chance import seed_of
from domain.routing.choice import PASSING, Member
from domain.routing.keys import Key, choose_key, split_keys

_TEXTS: Final = frozenset({"chat", "completions", "embeddings"})
_NO_OUTPUT: Final = frozenset({"embeddings", "moderations", "rerank", "raw"})
_LIMITED: Final = frozenset({"chat", "completions"})
_ONE_CALL: Final = TokenUsage()
_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_KEPT: Final = {"type": "file", "file": {"file_id": "kept by the vendor"}}
"""What is only named may be as long as the model's whole context."""
CANDIDATES_MAX: Final = 32
"""Channels that are pinned for a request: more than may be tried."""


class Quoting:
    """Makes quotes."""

    def __init__(
        self, catalog: Catalog, tokenizer: Tokenizer, router: Router, *, on_nobody: Callable[[str], None]
    ) -> None:
        """Take the configuration, what measures prompts, who chooses channels, and who hears of a model without one."""
        self._catalog = catalog
        self._tokenizer = tokenizer
        self._router = router
        self._on_nobody = on_nobody

    @property
    def hit_percent(self) -> int:
        """What an answer from the cache costs, in percent of what it would cost anew."""
        return int(self._catalog.snapshot.settings["cache_hit_percent"])

    def key(self, channel: Channel, *, seed: int, tried: frozenset[int] = frozenset()) -> Key | None:
        """Give a channel's vendor key, one of several by chance; None if all were tried or the only one is unreadable.

        A key that cannot be read is refused without asking: the board hears of it as of a vendor's refusal.
        """
        try:
            keys = split_keys(self._catalog.channel_key(channel))
        except NoChannelKeyError:
            return None if tried else Key("", is_readable=False)
        board = self._router.board
        return choose_key(keys, lambda number: board.key_out(channel.channel_id, number), seed=seed, tried=tried)

    async def quote(
        self,
        caller: Caller,
        call: Call,
        hold_id: HoldId,
        now: dt.datetime,
        canonical: Callable[[], CanonicalRequest],
        *,
        kept: Kept | None = None,
    ) -> Quote:
        """Pin everything that the price of a call depends on; ApiError if nobody can serve or price it.

        `canonical` gives the request in no vendor's words, and is asked only where the body is not OpenAI's. `kept` is
        an answer to it that the gateway has: where it may still be given, the quote is `from_cache`.
        """
        token, tenant = caller.payer.token, caller.payer.tenant
        if token.models is not None and call.model not in token.models:
            raise _no_model(call.model)
        snapshot = self._catalog.snapshot
        aim = self._router.aim(snapshot, caller.context, call)
        _check_offered(snapshot, aim, call)
        aim, card, prices = _priced(snapshot, aim, call, now)
        billed = aim.targets[0].billed
        price = prices[billed]
        body, likely, other = _measured(call, price, canonical)
        estimate = await self._tokenizer.estimate(
            body, len(call.body), model=aim.targets[0].model, context_tokens_max=price.context_tokens_max
        )
        limit, sent = _output_limit(call, price, snapshot.output_tokens_default)
        output_tokens_max = limit * call.choices_max
        plan = self._router.keeper(snapshot, aim, kept.channel_id, kept.model_routed) if kept is not None else None
        from_cache = plan is not None
        if plan is None:
            plan = self._router.plan(
                snapshot,
                aim,
                call,
                seed=seed_of(hold_id),
                tokens=estimate.prompt_tokens + (sent or call.output_tokens_max or 0),
                cost=_cost(snapshot, estimate, output_tokens_max, now) if aim.policy.mode == "cheapest" else None,
            )
        if not plan.chosen:
            raise self._nobody(plan, call)
        searches, found = _searches(call, plan)
        if searches:
            other = msgspec.structs.replace(other, searches=searches)
            estimate = _with_found(estimate, found, price.context_tokens_max)
        is_limited = all(member.traits.limits_output for _, member in plan.chosen)
        if not is_limited and call.surface in _LIMITED:
            # The client's limit binds nobody: what the model can write is what may have to be paid.
            each = price.output_tokens_max or snapshot.output_tokens_default
            output_tokens_max = max(output_tokens_max, each * call.choices_max)
        return Quote(
            hold_id=hold_id,
            call=call,
            payer=caller.payer,
            model_billed=billed,
            price=price,
            card=card,
            routes=tuple(
                Route(
                    member.channel,
                    member.model_routed,
                    *snapshot.multiplier(tenant.user_group, member.channel.channel_groups),
                    snapshot.cost_price(member.channel, member.model_routed, now),
                    *(() if target.billed == billed else (target.billed, prices[target.billed])),
                )
                for target, member in plan.chosen[:CANDIDATES_MAX]
            ),
            estimate=estimate,
            output_tokens_max=output_tokens_max,
            output_limit=sent,
            is_limited=is_limited,
            other=other,
            likely=likely,
            routing=None if from_cache else plan.note(),
            policy=aim.policy,
            from_cache=from_cache,
        )

    def _nobody(self, plan: Plan, call: Call) -> ApiError:
        """Say why nobody can serve a call, and have people told if it is for want of a channel that works."""
        reasons = [out.reason for decision in plan.decisions for out in decision.fell_out]
        if any(reason.startswith(PASSING) for reason in reasons):
            if any(reason.startswith("unhealthy") for reason in reasons):
                self._on_nobody(plan.aim.targets[0].model)
            return nobody_available(call.model, plan.retry_milliseconds / 1000)
        if "context" in reasons:
            return ApiError(
                400,
                "This request may be longer than the context of every channel that serves the model: shorten the"
                " prompt, or lower max_completion_tokens.",
                code="context_length_exceeded",
                param="messages",
                may_retry=False,
            )
        return unavailable(f"No channel for the model '{call.model}' may be used.", code="no_channel")


def secret_of(catalog: Catalog, channel: Channel, number: int) -> str:
    """Give a key of a channel by its number, 0 for any; VendorError if it cannot be read, or is no more."""
    try:
        keys = split_keys(catalog.channel_key(channel))
    except NoChannelKeyError as error:
        raise VendorError("auth", vendor_code="channel_key_unreadable") from error
    if number > len(keys):
        raise VendorError("auth", vendor_code="channel_key_removed")
    return keys[max(0, number - 1)]


def _check_offered(snapshot: Snapshot, aim: Aim, call: Call) -> None:
    """Refuse what no channel serves, whatever its state: cheaper than to measure it first."""
    enabled = known = False
    for target in aim.targets:
        for member in snapshot.pools.members(target.model):
            known = True
            if member.channel.enabled:
                enabled = True
                if member.traits.surfaces is None or call.surface in member.traits.surfaces:
                    return
    if not known:
        raise _no_model(call.model)
    if not enabled:
        raise unavailable(f"No channel for the model '{call.model}' is enabled.", code="no_channel")
    raise ApiError(
        400,
        f"The model '{call.model}' cannot be used for this kind of call ({call.surface}).",
        code="unsupported_surface",
        param="model",
        may_retry=False,
    )


def _priced(snapshot: Snapshot, aim: Aim, call: Call, now: dt.datetime) -> tuple[Aim, RateCard, dict[str, ModelPrice]]:
    """Give the models of the chain that have a price, the card, and the prices by whose they are."""
    card = snapshot.sale_card(now)
    prices: dict[str, ModelPrice] = {}
    targets: list[Target] = []
    for target in aim.targets if card is not None else ():
        price = prices.get(target.billed) or (card.find(target.billed) if card is not None else None)
        if price is not None:
            prices[target.billed] = price
            targets.append(target)
    if card is None or not targets:
        raise ApiError(
            400,
            f"The model '{call.model}' has no price. Ask the operator to add it to the rate card.",
            code="unpriced_model",
            param="model",
            may_retry=False,
        )
    if len(targets) < len(aim.targets):
        aim = msgspec.structs.replace(aim, targets=tuple(targets))
    return aim, card, prices


def _cost(snapshot: Snapshot, estimate: Estimate, output_tokens_max: int, now: dt.datetime) -> CostOf:
    """Give what a channel's vendor would charge for a request of this size."""
    usage = TokenUsage(input_tokens=estimate.prompt_tokens, output_tokens=output_tokens_max)

    def cost(member: Member) -> int | None:
        price = snapshot.cost_price(member.channel, member.model_routed, now)
        return charge(usage, price).amount_nanos if price is not None else None

    return cost


def _measured(
    call: Call, price: ModelPrice, canonical: Callable[[], CanonicalRequest]
) -> tuple[dict[str, Any], TokenUsage, TokenUsage]:
    """Give the body to be measured, and what the call consumes besides tokens: likely, and at most."""
    if call.surface in {"realtime", "raw"}:
        return {}, _ONE_CALL, _ONE_CALL
    if call.dialect == "openai" and call.surface in _TEXTS:
        body = decoded(_OBJECT.decode, call.body)
        return body, *_characters(call, price, body)
    try:
        request = canonical()
    except InvalidRequestError as error:
        if call.dialect != "responses" or error.reason != "unsupported_parameter":
            raise
        # An earlier response, say: only the vendor that keeps it knows how long it is. Others refuse it when asked.
        return {"messages": [{"role": "user", "content": [_text_of(call), _KEPT]}]}, _ONE_CALL, _ONE_CALL
    if isinstance(request, ChatRequest):
        body = measurable(request)
        return body, *_characters(call, price, body)
    return measurable(request), *consumes(request)


def _characters(call: Call, price: ModelPrice, body: dict[str, Any]) -> tuple[TokenUsage, TokenUsage]:
    """Give the characters of a chat that is priced by them, as translations are."""
    if price.per_character is None or call.surface != "chat":
        return _ONE_CALL, _ONE_CALL
    known = TokenUsage(characters=translated_characters(body))
    return known, known


def _searches(call: Call, plan: Plan) -> tuple[int, int]:
    """Give the most searches that the vendor of any candidate may make, and the tokens that they bring in."""
    if call.surface not in _LIMITED:
        return 0, 0
    models = {member.model_routed for _, member in plan.chosen[:CANDIDATES_MAX]}
    asked = [hosted_tools(call.body, model=model) for model in models]
    return max(each.searches for each in asked), max(each.tokens for each in asked)


def _with_found(estimate: Estimate, found: int, context_tokens_max: int | None) -> Estimate:
    """Add what searches bring in to what a prompt has at most; nothing is longer than the model's context."""
    upper = estimate.prompt_tokens_upper + found
    if context_tokens_max is not None:
        upper = max(estimate.prompt_tokens_upper, min(upper, context_tokens_max))
    return msgspec.structs.replace(estimate, prompt_tokens_upper=upper)


def _text_of(call: Call) -> dict[str, str]:
    return {"type": "text", "text": call.body.decode("utf-8", "replace")}


def _output_limit(call: Call, price: ModelPrice, default: int) -> tuple[int, int | None]:
    """Give the output limit per choice, and what of it must be said to the vendor for it to hold."""
    if call.surface in _NO_OUTPUT:
        return 0, None
    if call.surface not in _LIMITED:
        # What these write cannot be limited; a card that prices it by tokens says how many there can be.
        return (
            price.output_tokens_max or default if price.output is not None or price.image_output is not None else 0
        ), None
    known = price.output_tokens_max
    if call.output_tokens_max is not None:
        return (min(call.output_tokens_max, known) if known else call.output_tokens_max), None
    if call.surface == "completions":
        # OpenAI's own limit for legacy completions that name none is 16; it is said, for others have another.
        return 16, 16
    return (known, None) if known else (default, default)


def _no_model(model: str) -> ApiError:
    return ApiError(
        404,
        f"The model '{model}' does not exist or you do not have access to it.",
        code="model_not_found",
        may_retry=False,
    )
