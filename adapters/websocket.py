"""Vendors behind a WebSocket: one message out, messages in until the vendor closes, behind the relay's port."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from types import MappingProxyType, SimpleNamespace, TracebackType
from typing import Final, Self

import aiohttp

from adapters.outbound import GuardedConnector, refusal_of
from domain.outbound import OutboundRefusedError, OutboundRules, target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

MESSAGE_BYTES_MAX: Final = 16 * 1024 * 1024
_HEARTBEAT_SECONDS: Final = 20.0
_SWITCHED: Final = 200
"""What the dialect is told when the handshake was accepted: the vendor's answer comes in messages."""
_CLOSED_WELL: Final = frozenset({1000, 1001})
_NOT_A_SOCKET: Final = 502
"""What a redirect is for the dialect: an answer of somebody in between."""
_NONE: Final[Mapping[str, str]] = MappingProxyType({})


class WebSocketVendor:
    """Opens one connection per call; an async context manager, entered inside the event loop."""

    def __init__(self, *, rules: OutboundRules | None = None) -> None:
        """Take which addresses channels may have."""
        self._rules = OutboundRules() if rules is None else rules

    async def __aenter__(self) -> Self:
        """Open the session."""
        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(_refuse_redirect)
        self._session = aiohttp.ClientSession(
            trace_configs=[tracing],
            connector=GuardedConnector(self._rules),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        await self._session.close()

    async def send(self, request: VendorRequest) -> "WebSocketReply | RefusedHandshake":
        """Connect and send the body as one message; VendorError of kind connect, timeout or protocol otherwise."""
        deadline = asyncio.get_running_loop().time() + request.timeouts.first_byte_seconds
        socket = await self._connect(request)
        if isinstance(socket, RefusedHandshake):
            return socket
        reply = WebSocketReply(socket, deadline, request.timeouts.idle_seconds)
        try:
            if request.body:
                await socket.send_str(request.body.decode())
        except (aiohttp.ClientError, OSError) as error:
            await reply.close()
            raise VendorError("connect", vendor_code="disconnected") from error
        except BaseException:
            await reply.close()
            raise
        return reply

    async def converse(self, request: VendorRequest) -> "Conversation | RefusedHandshake":
        """Connect, and leave both sides to speak; a peer that answers no ping is gone."""
        socket = await self._connect(request, heartbeat=_HEARTBEAT_SECONDS)
        return socket if isinstance(socket, RefusedHandshake) else Conversation(socket)

    async def _connect(
        self, request: VendorRequest, *, heartbeat: float | None = None
    ) -> "aiohttp.ClientWebSocketResponse | RefusedHandshake":
        timeouts = request.timeouts
        try:
            target(request.url, self._rules, sockets=True)
            async with asyncio.timeout(timeouts.connect_seconds):
                return await self._session.ws_connect(
                    request.url,
                    headers=request.headers,
                    max_msg_size=MESSAGE_BYTES_MAX,
                    autoping=True,
                    heartbeat=heartbeat,
                )
        except aiohttp.WSServerHandshakeError as error:
            return RefusedHandshake(error.status, error.headers or _NONE)
        except TimeoutError as error:
            raise VendorError("timeout", vendor_code="connect_timeout") from error
        except OutboundRefusedError as error:
            raise VendorError("connect", vendor_code="address_not_allowed") from error
        except (aiohttp.ClientError, OSError, ValueError) as error:
            code = "unreachable" if refusal_of(error) is None else "address_not_allowed"
            raise VendorError("connect", vendor_code=code) from error


async def _refuse_redirect(
    _session: aiohttp.ClientSession, _context: SimpleNamespace, params: aiohttp.TraceRequestRedirectParams
) -> None:
    """Follow no redirect: it would carry the channel's key to wherever it points."""
    response = params.response
    raise aiohttp.WSServerHandshakeError(
        response.request_info, response.history, status=_NOT_A_SOCKET, headers=response.headers
    )


class RefusedHandshake:
    """An answer that is no WebSocket: only its status is known."""

    def __init__(self, status: int, headers: Mapping[str, str]) -> None:
        """Take what came."""
        self.status = status
        self.headers = headers

    async def read(self, bytes_max: int) -> bytes:
        """Give nothing: aiohttp does not keep the body of a refused handshake."""
        del bytes_max
        return b""

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give nothing."""
        nothing: tuple[bytes, ...] = ()
        for piece in nothing:
            yield piece

    async def close(self) -> None:
        """Nothing is open."""


class WebSocketReply:
    """The messages of one call; each chunk is one message."""

    status: Final = _SWITCHED
    headers: Mapping[str, str] = _NONE

    def __init__(self, socket: aiohttp.ClientWebSocketResponse, deadline: float, idle_seconds: float) -> None:
        """Take the socket, the loop time by which a first message must come, and the longest pause after that."""
        self._socket = socket
        self._deadline = deadline
        self._idle_seconds = idle_seconds
        self._is_first = True

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give each message; the vendor's closing ends them, VendorError if it stalls or breaks off."""
        loop = asyncio.get_running_loop()
        while True:
            deadline = self._deadline if self._is_first else loop.time() + self._idle_seconds
            try:
                async with asyncio.timeout_at(deadline):
                    message = await self._socket.receive()
            except TimeoutError as error:
                code = "first_byte_timeout" if self._is_first else "idle_timeout"
                raise VendorError("timeout", vendor_code=code) from error
            self._is_first = False
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    yield message.data.encode()
                case aiohttp.WSMsgType.BINARY:
                    yield message.data
                case aiohttp.WSMsgType.ERROR:
                    raise VendorError("protocol", vendor_code="broken_off")
                case _:
                    return

    async def read(self, bytes_max: int) -> bytes:
        """Give all messages joined by line ends; VendorError if they are longer than `bytes_max`."""
        pieces: list[bytes] = []
        length = 0
        async for piece in self.chunks():
            length += len(piece) + 1
            if length > bytes_max:
                raise VendorError("protocol", vendor_code="response_too_large")
            pieces.append(piece)
        return b"\n".join(pieces)

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()


class Conversation:
    """Both sides of an open socket, a message at a time; text and bytes are not told apart."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        """Take the socket."""
        self._socket = socket

    async def send(self, message: bytes) -> None:
        """Send a message of text; VendorError if the vendor is gone."""
        try:
            await self._socket.send_str(message.decode())
        except (aiohttp.ClientError, OSError) as error:
            raise VendorError("connect", vendor_code="disconnected") from error

    async def receive(self) -> bytes | None:
        """Wait for the next message; None at the vendor's closing."""
        message = await self._socket.receive()
        match message.type:
            case aiohttp.WSMsgType.TEXT:
                return str(message.data).encode()
            case aiohttp.WSMsgType.BINARY:
                return bytes(message.data)
            case aiohttp.WSMsgType.ERROR:
                raise VendorError("protocol", vendor_code="broken_off")
            case _ if self._socket.close_code in _CLOSED_WELL:
                return None
            case _:
                raise VendorError("protocol", vendor_code="broken_off")

    async def close(self) -> None:
        """Hang up."""
        await self._socket.close()
