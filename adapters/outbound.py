"""The guard at the one way out: every connection to an address that a user or a channel has named goes through it.

A name is resolved once per connection, its addresses are judged, and the connection is made to exactly those: no second
look-up can slip between the check and the connect. A redirect is a new address, checked like the first.
"""

import asyncio
import ipaddress
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Final, Self
from urllib.parse import urljoin

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.tracing import Trace
from yarl import URL

from domain.errors import TallygateError
from domain.outbound import OutboundRefusedError, OutboundRules, refused, target

REDIRECTS_MAX: Final = 3
FETCH_SECONDS_MAX: Final = 20.0
CONNECT_SECONDS_MAX: Final = 5.0
_ANSWER_HEAD_BYTES_MAX: Final = 16 * 1024
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OK: Final = 200


class FetchError(TallygateError):
    """An allowed address did not give what was asked of it; the message is for whoever named it."""

    code = "fetch_failed"


class AddressRefusedError(OSError):
    """A name resolved only to addresses that may not be called; an OSError, so that aiohttp takes it for one of its."""

    def __init__(self, refusal: OutboundRefusedError) -> None:
        """Take the words for it."""
        super().__init__(str(refusal))
        self.refusal = refusal


class GuardedConnector(aiohttp.TCPConnector):
    """Connects only where the rules allow; costs nothing for a request that finds an open connection."""

    def __init__(
        self,
        rules: OutboundRules,
        *,
        resolver: AbstractResolver | None = None,
        limit: int = 0,
        ttl_dns_cache: int = 60,
        keepalive_timeout: float | None = None,
        force_close: bool = False,
    ) -> None:
        """Take the rules, and what aiohttp's connector takes."""
        more = {} if keepalive_timeout is None else {"keepalive_timeout": keepalive_timeout}
        super().__init__(resolver=resolver, limit=limit, ttl_dns_cache=ttl_dns_cache, force_close=force_close, **more)  # type: ignore[arg-type]  # what it takes
        self._rules = rules

    async def _resolve_host(self, host: str, port: int, traces: Sequence[Trace] | None = None) -> list[ResolveResult]:
        """Give the addresses of a host that may be called: hosts written as addresses come this way, too."""
        found = await super()._resolve_host(host, port, traces)
        reason: str | None = None
        allowed: list[ResolveResult] = []
        for each in found:
            # An address of a link carries its interface after a percent sign.
            why = self._rules.refusal(ipaddress.ip_address(each["host"].partition("%")[0]), host)
            if why is None:
                allowed.append(each)
            else:
                reason = why
        if not allowed and reason is not None:
            raise AddressRefusedError(refused(host, reason))
        return allowed


def refusal_of(error: BaseException) -> OutboundRefusedError | None:
    """Give the guard's refusal behind an error of aiohttp's, if there is one."""
    cause = getattr(error, "os_error", None) or error
    return cause.refusal if isinstance(cause, AddressRefusedError) else None


class Fetched(msgspec.Struct, frozen=True):
    """What an address gave."""

    content_type: str
    """In lower case, without parameters; empty where the server said none."""
    body: bytes


class Outbound:
    """Fetches media and delivers webhooks; an async context manager, entered inside the event loop."""

    def __init__(
        self,
        rules: OutboundRules,
        *,
        resolver: AbstractResolver | None = None,
        seconds_max: float = FETCH_SECONDS_MAX,
        redirects_max: int = REDIRECTS_MAX,
    ) -> None:
        """Take the rules, and how long a whole exchange may take, redirects included."""
        self._rules = rules
        self._resolver = resolver
        self._seconds_max = seconds_max
        self._redirects_max = redirects_max

    async def __aenter__(self) -> Self:
        """Open the session."""
        self._session = aiohttp.ClientSession(
            # A new connection each: these addresses are strangers, and seldom the same twice.
            connector=GuardedConnector(self._rules, resolver=self._resolver, limit=64, force_close=True),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=CONNECT_SECONDS_MAX),
            trust_env=False,
            # What is compressed may be a thousand times larger when it is not.
            auto_decompress=False,
            max_line_size=_ANSWER_HEAD_BYTES_MAX,
            max_field_size=_ANSWER_HEAD_BYTES_MAX,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._session.close()

    def check(self, url: str) -> None:
        """Refuse, as OutboundRefusedError, what the text of a URL tells already; a name is judged when it is called."""
        target(url, self._rules)

    async def fetch(self, url: str, bytes_max: int) -> Fetched:
        """Give what is at a URL; FetchError if it cannot be had, and OutboundRefusedError if it must not be called.

        The latter also for where it redirects to. At most `bytes_max` bytes are read.
        """
        try:
            async with asyncio.timeout(self._seconds_max):
                return await self._follow(url, bytes_max)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _explained(error) from error

    async def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> int:
        """Send a body and give the status of the answer, whatever it is; a redirect is an answer, and not followed."""
        target(url, self._rules)
        try:
            async with (
                asyncio.timeout(self._seconds_max),
                self._session.post(URL(url), data=body, headers=headers, allow_redirects=False) as reply,
            ):
                return reply.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise _explained(error) from error

    async def _follow(self, url: str, bytes_max: int) -> Fetched:
        for _ in range(self._redirects_max + 1):
            target(url, self._rules)
            async with self._session.get(
                URL(url), headers={"Accept-Encoding": "identity"}, allow_redirects=False
            ) as reply:
                if reply.status in _REDIRECTS and "Location" in reply.headers:
                    url = urljoin(url, reply.headers["Location"])
                    continue
                return await _read(reply, bytes_max)
        raise FetchError("The address redirects too often.")


async def _read(reply: aiohttp.ClientResponse, bytes_max: int) -> Fetched:
    if reply.status != _OK:
        raise FetchError(f"The address answered with status {reply.status}.")
    if reply.headers.get("Content-Encoding", "identity").lower() not in {"", "identity"}:
        raise FetchError("The address answered with a compressed body, which was not asked for.")
    if (reply.content_length or 0) > bytes_max:
        raise _too_large(bytes_max)
    parts: list[bytes] = []
    size = 0
    while part := await reply.content.readany():
        size += len(part)
        if size > bytes_max:
            raise _too_large(bytes_max)
        parts.append(part)
    declared = reply.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return Fetched(declared, b"".join(parts))


def _too_large(bytes_max: int) -> FetchError:
    return FetchError(f"The address gives more than {bytes_max} bytes.")


def _explained(error: Exception) -> TallygateError:
    """Say what went wrong to whoever named the address, and nothing of our network."""
    refusal = refusal_of(error)
    if refusal is not None:
        return refusal
    if isinstance(error, TimeoutError):
        return FetchError("The address did not answer in time.")
    return FetchError("The address cannot be reached, or does not speak HTTP.")
