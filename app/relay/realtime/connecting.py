"""From a quote to a vendor's open socket: channels are tried in turn until one converses."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from app.relay.progress import code_of, outcome_of
from domain.admission import Quote, Route, attempt_failed_command
from domain.holds.events import Attempt
from domain.relay.ports import VendorSocket
from domain.relay.realtime import Conversable
from domain.relay.vendor_errors import VendorError
from domain.routing.chance import seed_of

if TYPE_CHECKING:
    from app.relay.service import Relay
    from app.routing.limits import Lease
    from domain.routing.keys import Key

_ERROR: Final = 400


class Connection(NamedTuple):
    """A vendor that converses, and what was taken of its channel for that."""

    socket: VendorSocket
    dialect: Conversable
    route: Route
    lease: "Lease"
    secrets: tuple[bytes, ...]
    """What must not reach the client, even if the vendor says it."""


class Connecting:
    """The attempts of one conversation to reach a vendor."""

    def __init__(self, relay: "Relay", quote: Quote, request_id: str) -> None:
        """Take the routes to try, in the quote, and the id that the vendor's side is seeded by."""
        self._relay = relay
        self._quote = quote
        self._request_id = request_id
        self.attempts = 0

    async def connect(self, is_over: Callable[[], bool]) -> Connection | VendorError | None:
        """Give the first vendor that converses; the last one's error if none does, None if nobody could be asked."""
        error: VendorError | None = None
        for route in self._quote.routes:
            if self.attempts >= self._quote.policy.attempts_max or is_over():
                break
            found = await self._try(route)
            if isinstance(found, Connection):
                return found
            if found is not None:
                error = found
                if not error.is_retryable:
                    break
        return error

    async def _try(self, route: Route) -> Connection | VendorError | None:
        """Open one channel's vendor; its error if it will not, None if the channel may not be used now."""
        relay, channel = self._relay, route.channel
        if relay.routing.is_out(channel):
            return None
        key = relay.quoting.key(channel, seed=seed_of(self._quote.hold_id) + self.attempts)
        if key is None:
            return None
        lease = await relay.routing.begin(channel, self._quote.tokens_max)
        if lease is None:
            return None
        self.attempts += 1
        began = time.monotonic()
        try:
            connection = await self._open(route, key, lease)
        except VendorError as error:
            relay.routing.end(channel, lease, tokens_used=0, first_byte_milliseconds=None)
            relay.routing.failed(channel, error, key=key.number, keys=key.count)
            attempt = Attempt(
                channel_id=channel.channel_id,
                model_routed=route.model_routed,
                outcome=outcome_of(error),
                status=error.status or 0,
                code=code_of(error),
                latency_milliseconds=round((time.monotonic() - began) * 1000),
            )
            relay.ledger.enqueue(attempt_failed_command(self._quote, self.attempts, attempt))
            return error
        relay.routing.succeeded(channel, key=key.number, keys=key.count)
        return connection

    async def _open(self, route: Route, key: "Key", lease: "Lease") -> Connection:
        relay, channel = self._relay, route.channel
        if not key.is_readable:
            raise VendorError("auth", vendor_code="channel_key_unreadable")
        channel_type = relay.vendors.type_of(channel)
        dialect = cast("Conversable", channel_type.dialect)
        target = await relay.vendors.target(
            channel,
            key=key.secret,
            model=route.model_routed,
            request_id=self._request_id,
            output_tokens_max=None,
        )
        secrets = (key.secret, target.access_token)
        opened = await relay.vendors.converse(dialect.realtime_request(self._quote.call, target))
        if not isinstance(opened, VendorSocket):
            raise channel_type.dialect.decode_error(max(opened.status, _ERROR), opened.headers, b"", secrets=secrets)
        return Connection(opened, dialect, route, lease, tuple(secret.encode() for secret in secrets if secret))
