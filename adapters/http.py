"""The one module that opens sockets to vendors: an aiohttp session per process behind the relay's port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextvars import ContextVar
from types import TracebackType
from typing import Final, Self

import aiohttp
import msgspec
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.tracing import Trace
from yarl import URL

from adapters.outbound import AddressRefusedError, GuardedConnector, refusal_of
from domain.outbound import OutboundRefusedError, OutboundRules, target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import Kind, VendorError

_CACHED_MAX: Final = 4096
_RACE_SECONDS: Final = 1.0
_STALL_SECONDS: Final = 0.1
"""A timer that is later than this tells of a process that was stopped, or of a machine that slept."""
_NEVER: Final = float("inf")
_FAILURES: Final = (aiohttp.ClientError, TimeoutError, OSError, ValueError)

_is_pooled: ContextVar[bool] = ContextVar("_is_pooled", default=False)
"""Whether the connection that this task's request went out on had served another request before."""


_SERVED: Final = "_tallygate_served"
"""Noted on the connection itself, for a set of weak references costs each request several microseconds."""


class HttpSettings(msgspec.Struct, frozen=True):
    """How the process talks to vendors."""

    connections_max: int = 0
    """Open connections in all; 0 leaves the limit to admission, which bounds the calls in flight."""
    keepalive_seconds: float = 25.0
    """How long an idle connection is kept. Below the usual 30 to 60 s of vendors, so that we close first."""
    read_buffer_bytes: int = 256 * 1024
    """Read ahead of the consumer, per connection; beyond it TCP slows the vendor down."""
    dns_cache_seconds: int = 60


_DEFAULTS: Final = HttpSettings()


class _Connector(GuardedConnector):
    """Notes whether a request got a connection that had served another one before."""

    async def connect(
        self,
        req: ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the signature of the base
    ) -> Connection:
        connection = await super().connect(req, traces, timeout)
        protocol = connection.protocol
        _is_pooled.set(hasattr(protocol, _SERVED))
        if protocol is not None:
            setattr(protocol, _SERVED, True)
        return connection


class HttpVendor:
    """Sends requests over pooled connections; an async context manager, entered inside the event loop."""

    def __init__(self, settings: HttpSettings = _DEFAULTS, *, rules: OutboundRules | None = None) -> None:
        """Take the settings, and which addresses channels may have; nothing is opened before the context is entered."""
        self._settings = settings
        self._rules = OutboundRules() if rules is None else rules
        self._urls: dict[str, URL] = {}
        self._timeouts: dict[float, aiohttp.ClientTimeout] = {}

    async def __aenter__(self) -> Self:
        """Open the session."""
        limit, ttl = self._settings.connections_max, self._settings.dns_cache_seconds
        keepalive, rules = self._settings.keepalive_seconds, self._rules
        self._session = self._open(_Connector(rules, limit=limit, ttl_dns_cache=ttl, keepalive_timeout=keepalive))
        self._fresh = self._open(_Connector(self._rules, limit=limit, ttl_dns_cache=ttl, force_close=True))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection; answers still being read break off."""
        await self._session.close()
        await self._fresh.close()

    def _open(self, connector: aiohttp.BaseConnector) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
            read_bufsize=self._settings.read_buffer_bytes,
        )

    async def send(self, request: VendorRequest) -> "HttpReply":
        """Send, and wait for the status; VendorError of kind connect, timeout or protocol if none comes.

        A pooled connection that the vendor closed just as we wrote to it is replaced, once. That is safe because
        all of this holds: the connection had idled in the pool, not one byte of an answer came, and it broke
        within a second, whereas a vendor that had begun to work would have kept it. Should one have crashed in
        that very second, the client is still charged once: only one answer can reach it.
        """
        loop = asyncio.get_running_loop()
        started = loop.time()
        try:
            return await self._attempt(self._session, request, started)
        except _FAILURES as error:
            if not _is_lost_race(error) or loop.time() - started > _RACE_SECONDS:
                raise _vendor_error(error) from error
        try:
            return await self._attempt(self._fresh, request, started)
        except _FAILURES as error:
            raise _vendor_error(error) from error

    async def _attempt(self, session: aiohttp.ClientSession, request: VendorRequest, started: float) -> "HttpReply":
        deadline = started + request.timeouts.first_byte_seconds
        async with asyncio.timeout_at(deadline):
            response = await session.request(
                request.method,
                self._url(request.url),
                data=request.body or None,
                headers=request.headers,
                timeout=self._timeout(request.timeouts.connect_seconds),
                allow_redirects=False,  # A redirect would carry the channel's key to wherever it points.
            )
        return HttpReply(response, deadline, request.timeouts.idle_seconds)

    def _url(self, url: str) -> URL:
        """Give the parsed address: parsing costs more than the rest of the bookkeeping together."""
        parsed = self._urls.get(url)
        if parsed is None:
            try:
                target(url, self._rules)
            except OutboundRefusedError as refusal:
                raise AddressRefusedError(refusal) from None
            # What a dialect has quoted stays so: a signature may be over it, twice quoted or not.
            parsed = URL(url, encoded="%" in url)
            if len(self._urls) >= _CACHED_MAX:
                self._urls.clear()
            self._urls[url] = parsed
        return parsed

    def _timeout(self, connect_seconds: float) -> aiohttp.ClientTimeout:
        timeout = self._timeouts.get(connect_seconds)
        if timeout is None:
            # Only connecting is left to aiohttp: its read time-out moves a timer at every chunk.
            timeout = aiohttp.ClientTimeout(total=None, connect=connect_seconds)
            if len(self._timeouts) >= _CACHED_MAX:
                self._timeouts.clear()
            self._timeouts[connect_seconds] = timeout
        return timeout


class HttpReply:
    """One answer. Its time-outs run only while somebody waits for bytes: a slow reader is not the vendor's fault."""

    __slots__ = ("_content", "_deadline", "_idle_seconds", "_is_first", "_loop", "_response", "_timer")

    def __init__(self, response: aiohttp.ClientResponse, deadline: float, idle_seconds: float) -> None:
        """Take the response, the loop time by which the body must begin, and the longest pause after that."""
        self._response = response
        self._content = response.content
        self._loop = asyncio.get_running_loop()
        self._deadline = deadline
        self._idle_seconds = idle_seconds
        self._is_first = True
        self._timer: asyncio.TimerHandle | None = None

    @property
    def status(self) -> int:
        """The HTTP status."""
        return self._response.status

    @property
    def headers(self) -> Mapping[str, str]:
        """The vendor's headers, found by name in any case."""
        return self._response.headers

    async def read(self, bytes_max: int) -> bytes:
        """Give the whole body, which may be `bytes_max` long."""
        first = await self._next()
        if self._content.at_eof():
            # Nearly every plain answer arrives in one piece.
            if len(first) > bytes_max:
                raise self._too_large()
            return first
        pieces = [first]
        length = len(first)
        while length <= bytes_max:
            piece = await self._next()
            if not piece:
                return b"".join(pieces)
            pieces.append(piece)
            length += len(piece)
        raise self._too_large()

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give what has arrived since the last time, as often as something has."""
        while chunk := await self._next():
            yield chunk

    async def close(self) -> None:
        """Give a connection read to its end back to the pool, and abort any other."""
        self._stop_timer()
        self._response.close()

    async def _next(self) -> bytes:
        """Give the bytes that are there, or wait for some; nothing at the end of the body."""
        content = self._content
        if not self._is_first:
            self._deadline = self._loop.time() + self._idle_seconds
        if self._timer is None and not content.is_eof():
            self._timer = self._loop.call_at(self._deadline, self._expire)
        try:
            chunk = await content.readany()
        except _FAILURES as error:
            raise self._failed(error) from error
        if self._is_first or not chunk:
            # The timer stood at the first byte's deadline, which may lie far beyond the next pause.
            self._is_first = False
            self._stop_timer()
        self._deadline = _NEVER
        return chunk

    def _expire(self) -> None:
        """Break a wait that has lasted too long; the timer is moved only here, not at every chunk."""
        now = self._loop.time()
        if now >= self._deadline:
            if self._timer is not None and now - self._timer.when() > _STALL_SECONDS:
                # It is we who stood still: what the vendor sent meanwhile is read after the timers, so look once more.
                self._timer = self._loop.call_at(now + _STALL_SECONDS, self._expire)
                return
            self._timer = None
            self._content.set_exception(TimeoutError())
            return
        wait = self._idle_seconds if self._deadline == _NEVER else self._deadline - now
        self._timer = self._loop.call_at(now + wait, self._expire)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _failed(self, error: Exception) -> VendorError:
        self._stop_timer()
        self._response.close()
        if isinstance(error, TimeoutError):
            return VendorError("timeout", vendor_code="first_byte_timeout" if self._is_first else "idle_timeout")
        return VendorError("protocol", vendor_code="broken_off")

    def _too_large(self) -> VendorError:
        self._stop_timer()
        self._response.close()
        return VendorError("protocol", vendor_code="response_too_large")


def _is_lost_race(error: Exception) -> bool:
    if not _is_pooled.get() or isinstance(error, aiohttp.ClientConnectorError | TimeoutError):
        return False
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return isinstance(error.message, str)  # otherwise it holds the part of an answer that came
    return isinstance(error, aiohttp.ClientOSError)


_EXPLANATIONS: Final[tuple[tuple[type[Exception], Kind, str], ...]] = (
    # From the most to the least exact class: aiohttp's errors inherit from several of these.
    (aiohttp.ConnectionTimeoutError, "timeout", "connect_timeout"),
    (TimeoutError, "timeout", "first_byte_timeout"),
    (aiohttp.ClientSSLError, "connect", "tls"),
    (aiohttp.ClientConnectorError, "connect", "unreachable"),
    (aiohttp.InvalidURL, "connect", "invalid_url"),
    (aiohttp.NonHttpUrlClientError, "connect", "invalid_url"),
    (aiohttp.ServerDisconnectedError, "connect", "disconnected"),
    (OSError, "connect", "disconnected"),
    (aiohttp.ClientError, "protocol", "invalid_http"),
    (ValueError, "connect", "invalid_request"),
)


def _vendor_error(error: Exception) -> VendorError:
    """Say in the relay's words what kept a request from its answer; nothing of the address is kept."""
    if refusal_of(error) is not None:
        return VendorError("connect", vendor_code="address_not_allowed")
    kind, code = next((kind, code) for cls, kind, code in _EXPLANATIONS if isinstance(error, cls))
    return VendorError(kind, vendor_code=code)
