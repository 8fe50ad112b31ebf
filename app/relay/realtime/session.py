"""A conversation over a WebSocket, from its token to its last message: each answer in it is a request of its own.

    authenticate -> quote -> hold -> connect a vendor -> accept -> messages both ways -> settle what is open

An answer's hold ends before the client hears that the answer has ended. Where the next one can no longer be set aside
the session ends.
"""

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from app.relay.errors import ApiError, as_api_error, from_vendor, nobody_available, shed, unavailable
from app.relay.realtime.connecting import Connecting, Connection
from app.relay.realtime.holds import Holds
from app.relay.wire import SocketExchange
from app.routing.shedding import ShedError
from domain.ids import HoldId
from domain.relay.call import Call, InvalidRequestError
from domain.relay.dialect import CanonicalRequest
from domain.relay.realtime import Asked, Heard
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from app.relay.service import Relay
    from domain.admission import Payer, Quote

LAST_ANSWER_SECONDS: Final = 30.0
"""How long an answer is waited for whose client has gone, or whose session must end."""
_NORMAL, _AWAY, _UNSUPPORTED, _POLICY, _FAILED = 1000, 1001, 1003, 1008, 1011
_log = structlog.get_logger(__name__)


class Session:
    """One conversation."""

    _holds: Holds
    _quote: "Quote"
    _vendor: Connection

    def __init__(self, relay: "Relay", exchange: SocketExchange, model: str) -> None:
        """Take the client's side, and the model that it names."""
        self._relay = relay
        self._exchange = exchange
        self._model = model
        self._payer: Payer | None = None
        self._lock = asyncio.Lock()
        """Around everything that sets aside or settles: nothing of that is ever cancelled."""
        self._over = asyncio.Event()
        """Set when this process wants the session to end."""
        self._closing = False
        """Whether the vendor's messages are read only until no answer runs."""
        self._interrupted = False
        self._is_held = False

    # ---- What a relay asks of whatever it runs

    async def serve(self) -> None:
        """Converse, whatever happens."""
        exchange, relay = self._exchange, self._relay
        await exchange.opened()
        try:
            await self._admit()
        except Exception as fault:  # noqa: BLE001  # the client gets an answer, the log the trace
            error = as_api_error(fault)
            if error is None:
                _log.exception("session_failed", request_id=exchange.request_id)
                error = ApiError(500, "The gateway had an internal error.", type_="server_error", code="internal_error")
            if not self._is_held:
                payer = self._payer
                relay.refusals.add(
                    payer.tenant.tenant_id if payer else None,
                    payer.token.token_id if payer else None,
                    error,
                    self._model,
                )
            if not exchange.started:
                await exchange.refuse(error)
            else:
                await self._part(error, _FAILED)

    async def interrupt(self) -> None:
        """End now; what was delivered is charged."""
        self._interrupted = True
        self._over.set()

    def retire(self) -> None:
        """End as soon as no answer runs: this process admits nothing more."""
        self._over.set()

    # ---- Up to the first message

    async def _admit(self) -> None:
        relay, exchange = self._relay, self._exchange
        if relay.stopping:
            raise unavailable("The gateway is restarting. Please try again.", code="stopping")
        caller = await relay.authenticator.context(exchange)
        self._payer = caller.payer
        tenant_id = caller.payer.tenant.tenant_id
        if not self._model:
            raise ApiError(
                400, "You must provide a 'model' parameter.", param="model", code="missing_required_parameter"
            )
        try:
            await relay.routing.shedder.enter(tenant_id)
        except ShedError as no_room:
            raise shed(no_room.retry_after_seconds, own=no_room.own) from None
        try:
            if relay.settlements.is_full:
                raise unavailable(
                    "The gateway cannot reach its ledger.", code="ledger_unavailable", retry_after_seconds=5.0
                )
            headers = {
                name: exchange.headers[name.encode()].decode("latin-1")
                for name in ("openai-beta", "openai-safety-identifier")
                if name.encode() in exchange.headers
            }
            self._call = Call(surface="realtime", model=self._model, stream=True, headers=headers)
            first = HoldId(exchange.request_id)
            quote = await relay.quoting.quote(caller, self._call, first, relay.clock.now(), _no_body)
            # Whoever cannot pay for one answer is told so before anybody is called.
            self._quote = msgspec.structs.replace(quote, session_id=first)
            self._holds = Holds(relay, exchange, self._quote, is_ending=lambda: self._closing or self._over.is_set())
            await self._holds.set_aside()
            self._is_held = True
            await self._converse()
        finally:
            relay.routing.shedder.leave(tenant_id)

    async def _converse(self) -> None:
        """Find a vendor, and pass messages until one side goes; then settle what is open."""
        connecting = Connecting(self._relay, self._quote, self._exchange.request_id)
        found = await connecting.connect(self._over.is_set)
        self._holds.attempts = connecting.attempts
        if not isinstance(found, Connection):
            await self._holds.void_spares("vendor_failed" if found is not None else "no_channel", found)
            raise (
                from_vendor(found)
                if found is not None
                else nobody_available(self._model, self._relay.routing.retry_seconds(self._quote.routes))
            )
        self._vendor = found
        self._holds.route = found.route
        try:
            await self._exchange.accept()
            await self._talk()
        finally:
            self._relay.routing.end(found.route.channel, found.lease, tokens_used=0, first_byte_milliseconds=None)

    # ---- Messages

    async def _talk(self) -> None:
        """Pass messages both ways until a side goes, or the session must end."""
        loop = asyncio.get_running_loop()
        client = loop.create_task(self._from_client())
        vendor = loop.create_task(self._from_vendor())
        over = loop.create_task(self._until_over())
        try:
            await asyncio.wait({client, vendor, over}, return_when=asyncio.FIRST_COMPLETED)
            if not vendor.done() and self._holds.running and not self._interrupted:
                await self._wait_for_last(vendor)
            fault = _fault_of(vendor) or _fault_of(client) or _fault_of(over)
        finally:
            # What sets aside or settles holds the lock, and is not cancelled.
            async with self._lock:
                for task in (client, vendor, over):
                    task.cancel()
            await asyncio.wait({client, vendor, over})
            with contextlib.suppress(Exception):
                await self._vendor.socket.close()
            async with self._lock:
                await self._holds.settle_open(_fault_of(vendor), interrupted=self._interrupted)
        await self._say_goodbye(fault, vendor_closed=vendor.done() and not vendor.cancelled())

    async def _wait_for_last(self, vendor: "asyncio.Task[None]") -> None:
        """Let what runs come to its end, or have the vendor stop it where its client has gone and wants it so."""
        if self._exchange.gone and self._quote.payer.tenant.disconnect == "abort":
            with contextlib.suppress(VendorError):
                await self._vendor.socket.send(b'{"type":"response.cancel"}')
        self._closing = True
        await asyncio.wait({vendor}, timeout=LAST_ANSWER_SECONDS)

    async def _until_over(self) -> None:
        """Wait until the session must end for our sake; meanwhile renew holds before they expire."""
        renew_seconds = max(1.0, self._relay.hold_timeout_seconds / 3)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), renew_seconds)
            async with self._lock:
                if not self._over.is_set():
                    await self._holds.renew(renew_seconds)

    async def _from_client(self) -> None:
        """Pass the client's messages on; ApiError if the session cannot go on."""
        dialect, model = self._vendor.dialect, self._vendor.route.model_routed
        while (message := await self._exchange.message()) is not None:
            try:
                asked = dialect.read_client(message, self._call, model)
                self._check_transcription(asked)
                async with self._lock:
                    refused = await self._holds.cover(asked)
            except InvalidRequestError as invalid:
                await self._tell_error(ApiError(400, invalid.message, param=invalid.param, code=invalid.reason))
                continue
            if refused is not None:
                await self._tell_error(refused)
                continue
            await self._vendor.socket.send(asked.data)

    def _check_transcription(self, asked: Asked) -> None:
        """Refuse a model for transcriptions that has no price: nothing is free by omission."""
        model = asked.transcription_model
        if model and self._quote.card.find(model) is None:
            raise InvalidRequestError(
                f"The model '{model}' has no price. Ask the operator to add it to the rate card.",
                param="session.audio.input.transcription.model",
                reason="unpriced_model",
            )

    async def _from_vendor(self) -> None:
        """Pass the vendor's messages on, and settle each answer that ends."""
        dialect, model = self._vendor.dialect, self._vendor.route.model_routed
        while (message := await self._vendor.socket.receive()) is not None:
            heard = dialect.read_vendor(message, self._call, model)
            refused = await self._hear(heard)
            await self._exchange.tell(self._without_secrets(heard.data))
            if refused is not None:
                raise refused
            if self._closing and not self._holds.running:
                return
        if self._holds.running:
            raise VendorError("protocol", vendor_code="broken_off")

    async def _hear(self, heard: Heard) -> ApiError | None:
        """Take what a message means; give why nothing may follow it."""
        holds = self._holds
        match heard.kind:
            case "session":
                holds.context.state = heard.session or holds.context.state
            case "began":
                async with self._lock:
                    await holds.begin(heard.response_id)
            case "piece":
                holds.add(heard)
            case "ended":
                async with self._lock:
                    return await holds.end(heard)
            case "transcribed":
                async with self._lock:
                    return await holds.charge_transcription(heard)
            case "error":
                holds.break_promise()
            case _:
                pass
        return None

    def _without_secrets(self, data: bytes) -> bytes:
        for secret in self._vendor.secrets:
            if secret in data:
                data = data.replace(secret, b"***")
        return data

    # ---- The end

    async def _tell_error(self, error: ApiError) -> None:
        told = {"type": error.type, "code": error.code, "message": error.message, "param": error.param}
        event = {"type": "error", "event_id": f"event_{self._relay.clock.new_id().replace('-', '')}", "error": told}
        await self._exchange.tell(msgspec.json.encode(event))

    async def _part(self, error: ApiError, code: int) -> None:
        await self._tell_error(error)
        await self._exchange.close(code, error.code or error.type)

    async def _say_goodbye(self, fault: BaseException | None, *, vendor_closed: bool) -> None:
        """Tell the client why, unless it was the one who went."""
        exchange = self._exchange
        if exchange.gone:
            return
        match fault:
            case ApiError(status=400):
                await self._part(fault, _UNSUPPORTED)
            case ApiError():
                await self._part(fault, _POLICY)
            case VendorError():
                self._relay.routing.failed(self._vendor.route.channel, fault)
                await self._part(from_vendor(fault), _FAILED)
            case None if vendor_closed:
                await exchange.close(_NORMAL)
            case None:
                await exchange.close(_AWAY, "the gateway is restarting")
            case _:
                raise fault


def _fault_of(task: "asyncio.Task[None]") -> BaseException | None:
    return task.exception() if task.done() and not task.cancelled() else None


def _no_body() -> CanonicalRequest:
    raise InvalidRequestError("A conversation has no body.")
