"""What a call may cost and who can serve it: the catalog's present state, pinned into a quote."""

import datetime as dt
import random
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from adapters.tokenizer import Tokenizer
from app.catalog import Catalog, NoChannelKeyError
from app.relay.authentication import Caller
from app.relay.errors import ApiError, unavailable
from domain.admin.entities import Channel
from domain.admission import Quote, Route
from domain.ids import HoldId
from domain.metering.usage import TokenUsage
from domain.pricing.rate_card import ModelPrice
from domain.relay.call import Call
from domain.relay.channel_type import ChannelType
from domain.relay.dialect import CanonicalRequest
from domain.relay.measure import consumes, measurable
from domain.relay.vendor_errors import VendorError
from domain.routing import attempt_order

_TEXTS: Final = frozenset({"chat", "completions", "embeddings"})
_NO_OUTPUT: Final = frozenset({"embeddings", "moderations", "rerank"})
_LIMITED: Final = frozenset({"chat", "completions"})
_ONE_CALL: Final = TokenUsage()


class Quoting:
    """Makes quotes."""

    def __init__(self, catalog: Catalog, tokenizer: Tokenizer, types: Mapping[str, ChannelType]) -> None:
        """Take the configuration, what measures prompts, and the channel types."""
        self._catalog = catalog
        self._types = types
        self._tokenizer = tokenizer

    def key(self, channel: Channel) -> str:
        """Give a channel's vendor key, one of several by chance; VendorError if it cannot be read.

        A channel of several keys has one on each line.
        """
        try:
            key = self._catalog.channel_key(channel)
            # A service account's key is one value of many lines.
            return random.choice(key.split()) if "\n" in key and key[:1] != "{" else key  # noqa: S311 -- shares the load
        except NoChannelKeyError as error:
            raise VendorError("auth", vendor_code="channel_key_unreadable") from error

    async def quote(
        self,
        caller: Caller,
        call: Call,
        hold_id: HoldId,
        now: dt.datetime,
        canonical: Callable[[], CanonicalRequest],
    ) -> Quote:
        """Pin everything that the price of a call depends on; ApiError if nobody can serve or price it.

        `canonical` gives the request in no vendor's words, and is asked only where the body is not OpenAI's.
        """
        token = caller.payer.token
        if token.models is not None and call.model not in token.models:
            raise _no_model(call.model)
        snapshot = self._catalog.snapshot
        mapping = snapshot.mapping(caller.context, call.model)
        model = mapping.target if mapping is not None else call.model
        enabled = snapshot.channels(model)
        if not enabled:
            if snapshot.knows_model(model):
                raise unavailable(f"No channel for the model '{call.model}' is enabled.", code="no_channel")
            raise _no_model(call.model)
        channels = [channel for channel in enabled if self._serves(channel, call)]
        if not channels:
            raise ApiError(
                400,
                f"The model '{call.model}' cannot be used for this kind of call ({call.surface}).",
                code="unsupported_surface",
                param="model",
                may_retry=False,
            )
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
        body, other = _measured(call, canonical)
        estimate = await self._tokenizer.estimate(
            body, len(call.body), model=model, context_tokens_max=price.context_tokens_max
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
            other=other,
        )

    def _serves(self, channel: Channel, call: Call) -> bool:
        """Whether a channel's type can do this kind of call; legacy completions are chats of one message."""
        channel_type = self._types.get(channel.type)
        if channel_type is None or channel_type.retired is not None:
            return False
        surfaces = channel_type.surfaces
        return call.surface in surfaces or (call.surface == "completions" and "chat" in surfaces)


def _measured(call: Call, canonical: Callable[[], CanonicalRequest]) -> tuple[dict[str, Any], TokenUsage]:
    """Give the body to be measured, and what the call consumes besides tokens."""
    if call.dialect == "openai" and call.surface in _TEXTS:
        return msgspec.json.decode(call.body), _ONE_CALL
    request = canonical()
    return measurable(request), consumes(request)


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
