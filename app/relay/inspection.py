"""Asking a vendor about a channel: does it answer, which models has it, what credit is left. Billed to no tenant."""

import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, cast

import msgspec

from app.relay.vendors import Vendors
from domain.admin.entities import Channel
from domain.relay.call import Call, Surface
from domain.relay.channel_type import ChannelType, Inspectable
from domain.relay.chat import ChatRequest, Message, Text
from domain.relay.dialect import CanonicalRequest, Target
from domain.relay.ports import VendorReply, VendorRequest
from domain.relay.tasks import EmbeddingsRequest, RerankRequest
from domain.relay.vendor_errors import Kind, VendorError

_BODY_BYTES_MAX: Final = 4 * 2**20
_ERROR: Final = 400
_PROBE_TOKENS: Final = 1
_PROBES: Final[Mapping[str, tuple[Surface, CanonicalRequest]]] = {
    "chat": ("chat", ChatRequest(messages=(Message("user", (Text("Hi"),)),))),
    "embeddings": ("embeddings", EmbeddingsRequest(inputs=("Hi",))),
    "rerank": ("rerank", RerankRequest(query="Hi", documents=("Hi",))),
}


class ChannelTest(msgspec.Struct, frozen=True, kw_only=True):
    """What a test of a channel found."""

    ok: bool
    latency_milliseconds: int
    kind: Kind | None = None
    """What is wrong, where something is: `auth` is the key, `connect` the address."""
    code: str = ""
    """The vendor's own word for it, if that is safe to show."""
    message: str = ""
    models: tuple[str, ...] = ()
    """The vendor's models, where the test listed them."""


class Inspection:
    """Asks vendors."""

    def __init__(self, vendors: Vendors, new_id: Callable[[], str]) -> None:
        """Take how vendors are reached, and what makes ids."""
        self._vendors = vendors
        self._new_id = new_id

    async def test(self, channel: Channel, key: str) -> ChannelTest:
        """Make the cheapest call that shows that address and key are right. Never raises for what the vendor did."""
        began = time.monotonic()
        try:
            models = await self.probe(channel, key)
        except VendorError as error:
            return ChannelTest(
                ok=False,
                latency_milliseconds=_since(began),
                kind=error.kind,
                code=error.vendor_code or "",
                message=error.message,
            )
        return ChannelTest(ok=True, latency_milliseconds=_since(began), models=models)

    async def models(self, channel: Channel, key: str) -> tuple[str, ...]:
        """Give the vendor's list of models; empty where it has none. VendorError if it cannot be had."""
        channel_type, target = await self._target(channel, key)
        request = _inspectable(channel_type, "models_request", target)
        if request is None:
            return ()
        body = await self._ask(channel_type, request, key)
        return cast("Inspectable", channel_type.dialect).decode_models(body)

    async def balance(self, channel: Channel, key: str) -> Mapping[str, Decimal]:
        """Give the operator's credit at the vendor by currency; empty where the vendor does not tell."""
        channel_type, target = await self._target(channel, key)
        request = _inspectable(channel_type, "balance_request", target)
        if request is None:
            return {}
        body = await self._ask(channel_type, request, key)
        return cast("Inspectable", channel_type.dialect).decode_balance(body)

    async def probe(self, channel: Channel, key: str) -> tuple[str, ...]:
        """Make the cheapest call that shows that address and key are right, and give the models if it lists them.

        VendorError if they are not.
        """
        channel_type, target = await self._target(channel, key)
        if channel_type.probe == "none":
            return ()
        if channel_type.probe == "models":
            request = _inspectable(channel_type, "models_request", target)
            if request is not None:
                body = await self._ask(channel_type, request, key)
                return cast("Inspectable", channel_type.dialect).decode_models(body)
        surface, canonical = _PROBES.get(channel_type.probe, _PROBES["chat"])
        call = Call(surface=surface, model=target.model, output_tokens_max=_PROBE_TOKENS)
        await self._ask(channel_type, channel_type.dialect.encode(call, canonical, target), key)
        return ()

    async def _target(self, channel: Channel, key: str) -> tuple[ChannelType, Target]:
        channel_type = self._vendors.type_of(channel)
        model = next(iter(channel.models), "")
        target = await self._vendors.target(
            channel,
            key=key,
            model=channel.model_map.get(model, model),
            request_id=self._new_id(),
            output_tokens_max=_PROBE_TOKENS,
        )
        return channel_type, target

    async def _ask(self, channel_type: ChannelType, request: VendorRequest, key: str) -> bytes:
        reply = await self._vendors.send(request, channel_type.name)
        try:
            body = await self._body(reply, is_stream=bool(request.streams))
        finally:
            await reply.close()
        if reply.status >= _ERROR:
            raise channel_type.dialect.decode_error(reply.status, reply.headers, body, secrets=(key,))
        return body

    @staticmethod
    async def _body(reply: VendorReply, *, is_stream: bool) -> bytes:
        """Give the whole body; of a stream its first piece, which is proof enough."""
        if not is_stream or reply.status >= _ERROR:
            return await reply.read(_BODY_BYTES_MAX)
        async for chunk in reply.chunks():
            return chunk
        return b""


def _inspectable(channel_type: ChannelType, what: str, target: Target) -> VendorRequest | None:
    """Ask a dialect for a request that only some have."""
    ask = getattr(channel_type.dialect, what, None)
    return ask(target) if ask is not None else None


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
