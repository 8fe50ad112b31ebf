"""What a call may cost and who can serve it: the catalog's present state, pinned into a quote."""

import datetime as dt
import random

import msgspec

from adapters.tokenizer import Tokenizer
from app.catalog import Catalog, NoChannelKeyError
from app.relay.authentication import Caller
from app.relay.errors import ApiError, unavailable
from domain.admin.entities import Channel
from domain.admission import Quote, Route
from domain.ids import HoldId
from domain.pricing.rate_card import ModelPrice
from domain.relay.call import Call
from domain.relay.vendor_errors import VendorError
from domain.routing import attempt_order


class Quoting:
    """Makes quotes."""

    def __init__(self, catalog: Catalog, tokenizer: Tokenizer) -> None:
        """Take the configuration, and what measures prompts."""
        self._catalog = catalog
        self._tokenizer = tokenizer

    def key(self, channel: Channel) -> str:
        """Give a channel's vendor key; a key that cannot be read is a VendorError, so that another channel is tried."""
        try:
            return self._catalog.channel_key(channel)
        except NoChannelKeyError as error:
            raise VendorError("auth", vendor_code="channel_key_unreadable") from error

    async def quote(self, caller: Caller, call: Call, hold_id: HoldId, now: dt.datetime) -> Quote:
        """Pin everything that the price of a call depends on; ApiError if nobody can serve or price it."""
        token = caller.payer.token
        if token.models is not None and call.model not in token.models:
            raise _no_model(call.model)
        snapshot = self._catalog.snapshot
        mapping = snapshot.mapping(caller.context, call.model)
        model = mapping.target if mapping is not None else call.model
        channels = snapshot.channels(model)
        if not channels:
            if snapshot.knows_model(model):
                raise unavailable(f"No channel for the model '{call.model}' is enabled.", code="no_channel")
            raise _no_model(call.model)
        billed = call.model if mapping is not None and mapping.billed == "asked" else model
        card = snapshot.sale_card(now)
        price = card.find(billed) if card is not None else None
        if card is None or price is None:
            raise ApiError(
                400,
                f"The model '{call.model}' has no price. Ask the operator to add it to the rate card.",
                code="unpriced_model",
                param="model",
                may_retry=False,
            )
        group = caller.payer.tenant.user_group
        routes = tuple(
            Route(
                channel,
                channel.model_map.get(model, model),
                *snapshot.multiplier(group, channel.channel_groups),
                snapshot.cost_price(channel, channel.model_map.get(model, model), now),
            )
            for channel in attempt_order(channels, random.random)  # shares of traffic, not secrets
        )
        estimate = await self._tokenizer.estimate(
            msgspec.json.decode(call.body),
            len(call.body),
            model=model,
            context_tokens_max=price.context_tokens_max,
        )
        limit, sent = _output_limit(call, price, snapshot.output_tokens_default)
        return Quote(
            hold_id=hold_id,
            call=call,
            payer=caller.payer,
            model_billed=billed,
            price=price,
            card=card,
            routes=routes,
            estimate=estimate,
            output_tokens_max=limit * call.choices_max,
            output_limit=sent,
        )


def _output_limit(call: Call, price: ModelPrice, default: int) -> tuple[int, int | None]:
    """Give the output limit per choice, and what of it must be said to the vendor for it to hold."""
    if call.surface == "embeddings":
        return 0, None
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
