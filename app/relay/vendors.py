"""From a channel to its vendor: its type, a transport, its address, and the tokens that some exchange keys for."""

import asyncio
import contextlib
import datetime as dt
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Final

import msgspec

from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.relay.channel_type import ChannelType
from domain.relay.dialect import AccessToken, Target
from domain.relay.ports import SocketVendor, Timeouts, Vendor, VendorReply, VendorRequest, VendorSocket
from domain.relay.vendor_errors import VendorError

_TOKEN_BYTES_MAX: Final = 64 * 1024
_TOKEN_MARGIN_SECONDS: Final = 60.0
"""An access token is given up so long before its end: the call that it is for takes its time, too."""
_ERROR: Final = 400


class Vendors:
    """Every way to reach a vendor."""

    def __init__(
        self,
        types: Mapping[str, ChannelType],
        transports: Mapping[str, Vendor],
        timeouts: Timeouts,
        *,
        now: Callable[[], dt.datetime],
        watch: Callable[[str, Vendor], Vendor] | None = None,
        sockets: SocketVendor | None = None,
    ) -> None:
        """Take the channel types, a transport for each scheme of an address, and how long a vendor may take.

        `watch` wraps a transport for a channel type, to tell of what it does. `sockets` opens conversations.
        """
        self._sockets = sockets
        self._types: Final = types
        self._transports: Final = dict(transports)
        self._timeouts = timeouts
        self._now = now
        self._watch = watch
        self._watched: dict[tuple[str, str], Vendor] = {}
        self._tokens: dict[tuple[EntityId, str], tuple[AccessToken, float]] = {}
        self._exchanges: defaultdict[tuple[EntityId, str], asyncio.Lock] = defaultdict(asyncio.Lock)

    @property
    def patience_seconds(self) -> float:
        """How long all the steps of one call may take before its answer begins."""
        return self._timeouts.first_byte_seconds

    def type_of(self, channel: Channel) -> ChannelType:
        """Give a channel's type; VendorError if this version does not know it, so that another channel is tried."""
        found = self._types.get(channel.type)
        if found is None or found.retired is not None:
            raise VendorError("connect", vendor_code="unknown_channel_type")
        return found

    async def target(
        self, channel: Channel, *, key: str, model: str, request_id: str, output_tokens_max: int | None
    ) -> Target:
        """Give where an attempt goes, with an access token where the type needs one; VendorError if it gets none."""
        channel_type = self.type_of(channel)
        target = Target(
            base_url=(channel.base_url or channel_type.base_url).rstrip("/"),
            key=key,
            model=model,
            options=channel.options,
            now=self._now(),
            request_id=request_id,
            output_tokens_max=output_tokens_max,
            drops_unsupported=channel.drops_unsupported,
        )
        known = self._tokens.get((channel.channel_id, key))
        if known is not None and known[1] > time.monotonic():
            return msgspec.structs.replace(target, access_token=known[0].value)
        exchange = channel_type.dialect.token_request(target)
        if exchange is None:
            return target
        token = await self._token(channel_type, channel.channel_id, key, exchange)
        return msgspec.structs.replace(target, access_token=token)

    async def send(self, request: VendorRequest, channel_type: str) -> VendorReply:
        """Send one request; VendorError if no answer begins."""
        transport = self._transport(request.url.partition("://")[0], channel_type)
        return await transport.send(msgspec.structs.replace(request, timeouts=self._timeouts))

    async def converse(self, request: VendorRequest) -> VendorSocket | VendorReply:
        """Open a conversation, or give the answer that refuses it; VendorError if there is neither."""
        if self._sockets is None:
            raise VendorError("connect", vendor_code="invalid_url")
        return await self._sockets.converse(msgspec.structs.replace(request, timeouts=self._timeouts))

    def _transport(self, scheme: str, channel_type: str) -> Vendor:
        transport = self._transports.get(scheme)
        if transport is None:
            raise VendorError("connect", vendor_code="invalid_url")
        if self._watch is None:
            return transport
        watched = self._watched.get((scheme, channel_type))
        if watched is None:
            watched = self._watched[scheme, channel_type] = self._watch(channel_type, transport)
        return watched

    def forget_token(self, channel: Channel, key: str) -> None:
        """Drop an access token that the vendor has refused, so that the next call gets a new one."""
        self._tokens.pop((channel.channel_id, key), None)

    async def _token(self, channel_type: ChannelType, channel_id: EntityId, key: str, exchange: VendorRequest) -> str:
        """Give the access token of a key; a crowd of callers makes one exchange."""
        place = (channel_id, key)
        async with self._exchanges[place]:
            known = self._tokens.get(place)
            if known is not None and known[1] > time.monotonic():
                return known[0].value
            reply = await self.send(exchange, channel_type.name)
            try:
                body = await reply.read(_TOKEN_BYTES_MAX)
            finally:
                with contextlib.suppress(VendorError):
                    await reply.close()
            if reply.status >= _ERROR:
                raise channel_type.dialect.decode_error(reply.status, reply.headers, body, secrets=(key,))
            token = channel_type.dialect.decode_token(body)
            lasts = max(token.lifetime_seconds - _TOKEN_MARGIN_SECONDS, token.lifetime_seconds / 2)
            self._tokens[place] = (token, time.monotonic() + lasts)
            return token.value
