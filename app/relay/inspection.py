"""Asking a vendor about a channel: does it answer, which models has it, what credit is left. Billed to no tenant."""

import asyncio
import functools
import time
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final, TypeAlias, cast

import msgspec

from app.relay.attempt import SPLITTERS, is_stream
from app.relay.vendors import Vendors
from domain.admin.entities import Channel
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.channel_type import ChannelType, Inspectable
from domain.relay.chat import ChatRequest, Message, Text
from domain.relay.dialect import CanonicalRequest, Target, UnsupportedParameterError, VendorDialect
from domain.relay.ports import VendorReply, VendorRequest
from domain.relay.tasks import EmbeddingsRequest, RerankRequest
from domain.relay.vendor_errors import Kind, VendorError

_BODY_BYTES_MAX: Final = 4 * 2**20
_ERROR: Final = 400
_PROBE_TOKENS: Final = 1
_PATIENCE_SECONDS: Final = 30.0
"""How long somebody who asks may wait for the vendor."""
_PROBES: Final[Mapping[str, tuple[Surface, CanonicalRequest]]] = {
    "chat": ("chat", ChatRequest(messages=(Message("user", (Text("Hi"),)),))),
    "embeddings": ("embeddings", EmbeddingsRequest(inputs=("Hi",))),
    "rerank": ("rerank", RerankRequest(query="Hi", documents=("Hi",))),
}

Keys: TypeAlias = Callable[[Channel, int], str]
"""Gives a saved channel's key by its number, from 1; VendorError if it cannot be read."""


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

    def __init__(self, vendors: Vendors, new_id: Callable[[], str], keys: Keys) -> None:
        """Take how vendors are reached, what makes ids, and where the keys of saved channels are."""
        self._vendors = vendors
        self._new_id = new_id
        self._keys = keys

    async def test(self, channel: Channel, key: str | None = None, *, number: int = 1) -> ChannelTest:
        """Make the cheapest call that shows that address and key are right. Never raises for what the vendor did.

        Without `key` it is the channel's own of that number, from 1.
        """
        began = time.monotonic()
        try:
            key = self._keys(channel, number) if key is None else key
            # An access token of before would say nothing about the key.
            self._vendors.forget_token(channel, key)
            async with asyncio.timeout(_PATIENCE_SECONDS):
                models = await self.probe(channel, key)
        except (UnsupportedParameterError, InvalidRequestError) as error:
            # The dialect cannot even write the call: a field or the model's name is not what it must be.
            return ChannelTest(
                ok=False, latency_milliseconds=_since(began), kind="bad_request", code=error.code, message=error.message
            )
        except TimeoutError:
            late = VendorError("timeout")
            return ChannelTest(ok=False, latency_milliseconds=_since(began), kind=late.kind, message=late.message)
        except VendorError as error:
            return ChannelTest(
                ok=False,
                latency_milliseconds=_since(began),
                kind=error.kind,
                code=error.vendor_code or "",
                message=error.message,
            )
        return ChannelTest(ok=True, latency_milliseconds=_since(began), models=models)

    async def models(self, channel: Channel) -> tuple[str, ...]:
        """Give the vendor's list of models; empty where it has none. VendorError if it cannot be had."""
        key = self._keys(channel, 1)
        channel_type, target = await self._target(channel, key)
        request = _inspectable(channel_type, "models_request", target)
        if request is None:
            return ()
        body = await self._ask_in_time(channel_type, request, key)
        return cast("Inspectable", channel_type.dialect).decode_models(body)

    async def balance(self, channel: Channel) -> Mapping[str, Decimal]:
        """Give the operator's credit at the vendor by currency; empty where the vendor does not tell."""
        key = self._keys(channel, 1)
        channel_type, target = await self._target(channel, key)
        request = _inspectable(channel_type, "balance_request", target)
        if request is None:
            return {}
        body = await self._ask_in_time(channel_type, request, key)
        return cast("Inspectable", channel_type.dialect).decode_balance(body)

    def can_probe(self, channel: Channel) -> bool:
        """Whether a channel's type has anything cheap to ask; VendorError if this version does not know the type."""
        return self._vendors.type_of(channel).probe != "none"

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
        request = channel_type.dialect.encode(call, canonical, target)
        await self._ask(channel_type, request, key, check=functools.partial(_check, channel_type.dialect, call))
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

    async def _ask_in_time(self, channel_type: ChannelType, request: VendorRequest, key: str) -> bytes:
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                return await self._ask(channel_type, request, key)
        except TimeoutError:
            raise VendorError("timeout") from None

    async def _ask(
        self,
        channel_type: ChannelType,
        request: VendorRequest,
        key: str,
        *,
        check: Callable[[VendorReply, bytes], None] | None = None,
    ) -> bytes:
        reply = await self._vendors.send(request, channel_type.name)
        try:
            body = await self._body(reply, is_stream=bool(request.streams))
        finally:
            await reply.close()
        if reply.status >= _ERROR:
            raise channel_type.dialect.decode_error(reply.status, reply.headers, body, secrets=(key,))
        if check is not None:
            check(reply, body)
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


def _check(dialect: VendorDialect, call: Call, reply: VendorReply, body: bytes) -> None:
    """Raise the error of vendors that answer with status 200 when they refuse."""
    if is_stream(dialect.framing, reply):
        decoder = dialect.decoder(call)
        frames = [frame for frame in SPLITTERS[dialect.framing]().feed(body) if frame.data or frame.event]
        deltas = [delta for frame in frames for delta in decoder.feed(frame)]
    else:
        deltas = [dialect.decode(body, reply.headers, call)]
    for delta in deltas:
        if delta.error is not None:
            raise delta.error


def _since(began: float) -> int:
    return round((time.monotonic() - began) * 1000)
