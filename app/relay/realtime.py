"""A conversation over a WebSocket, from its token to its last message: each answer in it is a request of its own.

    authenticate -> quote -> hold -> connect a vendor -> accept -> messages both ways -> settle what is open

No answer runs without a hold that covers it: one is always set aside for the next, of the size that the conversation
has come to, and another for each that a client asks for beside it. An answer's hold is captured by what its vendor
reports, before the client hears that it has ended. Where the next one can no longer be set aside the session ends.
"""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

import msgspec
import structlog

from app.relay.errors import ApiError, as_api_error, from_vendor, nobody_available, refusal, shed, unavailable
from app.relay.progress import code_of, outcome_of
from app.relay.wire import SocketExchange
from app.routing.shedding import ShedError
from domain.admission import (
    Quote,
    Route,
    attempt_failed_command,
    capture_command,
    cost_of,
    hold_command,
    void_command,
)
from domain.holds.events import Attempt, Outcome
from domain.ids import HoldId
from domain.ledger.commands import Command
from domain.limits import milliseconds_to_next_minute
from domain.metering.usage import Basis, TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.dialect import CanonicalRequest
from domain.relay.ports import VendorSocket
from domain.relay.realtime import OUTPUT_TOKENS_MAX, Asked, Context, Conversable, Heard
from domain.relay.vendor_errors import VendorError
from domain.routing.chance import seed_of

if TYPE_CHECKING:
    from app.relay.service import Relay
    from app.routing.limits import Lease
    from domain.ledger.commands import Answer
    from domain.routing.keys import Key

HOLD_PATIENCE_SECONDS: Final = 5.0
LAST_ANSWER_SECONDS: Final = 30.0
"""How long an answer is waited for whose client has gone, or whose session must end."""
CHECKPOINT_SECONDS: Final = 2.0
COVER_LEAST: Final = 2_048
"""Tokens of a conversation that a hold covers at least; above it, twice what there is: few holds for a long talk."""
_NORMAL, _AWAY, _UNSUPPORTED, _POLICY, _FAILED = 1000, 1001, 1003, 1008, 1011
_ERROR: Final = 400
_log = structlog.get_logger(__name__)


class _Answering:
    """One answer of the model, held for, and what is known of it while it runs."""

    def __init__(self, quote: Quote) -> None:
        self.quote = quote
        self.held_at = self.began = time.monotonic()
        self.first: float | None = None
        self.checkpoint_at = self.began + CHECKPOINT_SECONDS
        self._texts: list[str] = []
        self._audio_bytes = 0

    def add(self, heard: Heard) -> None:
        """Take a piece of it."""
        if self.first is None:
            self.first = time.monotonic()
        if heard.text:
            self._texts.append(heard.text)
        self._audio_bytes += heard.audio_bytes

    @property
    def has_output(self) -> bool:
        """Whether the client has had anything of it."""
        return bool(self._texts) or self._audio_bytes > 0

    def counted(self, count: Callable[[str, str], int], model: str, spoken_bytes_per_token: int) -> TokenUsage:
        """Give our own count, for an answer whose vendor has not told."""
        estimate = self.quote.estimate
        return TokenUsage(
            input_tokens=max(0, estimate.prompt_tokens - estimate.audio_tokens - estimate.image_tokens),
            audio_input_tokens=estimate.audio_tokens,
            image_input_tokens=estimate.image_tokens,
            output_tokens=count("".join(self._texts), model),
            audio_output_tokens=-(-self._audio_bytes // spoken_bytes_per_token),
        )


class Session:
    """One conversation."""

    def __init__(self, relay: "Relay", exchange: SocketExchange, model: str) -> None:
        """Take the client's side, and the model that it names."""
        self._relay = relay
        self._exchange = exchange
        self._model = model
        self._context = Context()
        self._lock = asyncio.Lock()
        """Around everything that sets aside or settles: nothing of that is ever cancelled."""
        self._over = asyncio.Event()
        """Set when this process wants the session to end."""
        self._spare: list[_Answering] = []
        """Held for answers that have not begun."""
        self._running: dict[str, _Answering] = {}
        self._promised = 0
        """Answers that the client has asked for and the vendor has not begun."""
        self._holds = 0
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
                payer = getattr(self, "_payer", None)
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
            self._spare.append(await self._set_aside())
            self._is_held = True
            await self._converse()
        finally:
            relay.routing.shedder.leave(tenant_id)

    async def _converse(self) -> None:
        """Find a vendor, and pass messages until one side goes; then settle what is open."""
        self._attempts = 0
        error: VendorError | None = None
        lease: Lease | None = None
        try:
            for route in self._quote.routes:
                if self._attempts >= self._quote.policy.attempts_max or self._over.is_set():
                    break
                found = await self._connect(route)
                if isinstance(found, VendorError):
                    error = found
                    if not error.is_retryable:
                        break
                    continue
                if found is None:
                    continue
                self._socket, lease = found
                break
            if lease is None:
                await self._void_spares("vendor_failed" if error is not None else "no_channel", error)
                raise (
                    from_vendor(error)
                    if error is not None
                    else nobody_available(self._model, self._relay.routing.retry_seconds(self._quote.routes))
                )
            await self._exchange.accept()
            await self._talk()
        finally:
            if lease is not None:
                self._relay.routing.end(self._route.channel, lease, tokens_used=0, first_byte_milliseconds=None)

    async def _connect(self, route: Route) -> "tuple[VendorSocket, Lease] | VendorError | None":
        """Open one channel's vendor; its error if it will not, None if the channel may not be used now."""
        relay, channel = self._relay, route.channel
        if relay.routing.is_out(channel):
            return None
        key = relay.quoting.key(channel, seed=seed_of(self._quote.hold_id) + self._attempts)
        if key is None:
            return None
        lease = await relay.routing.begin(channel, self._quote.tokens_max)
        if lease is None:
            return None
        self._attempts += 1
        began = time.monotonic()
        try:
            socket = await self._open(route, key)
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
            relay.ledger.enqueue(attempt_failed_command(self._quote, self._attempts, attempt))
            return error
        self._route = route
        relay.routing.succeeded(channel, key=key.number, keys=key.count)
        return socket, lease

    async def _open(self, route: Route, key: "Key") -> VendorSocket:
        relay, channel = self._relay, route.channel
        if not key.is_readable:
            raise VendorError("auth", vendor_code="channel_key_unreadable")
        channel_type = relay.vendors.type_of(channel)
        self._dialect = cast("Conversable", channel_type.dialect)
        target = await relay.vendors.target(
            channel,
            key=key.secret,
            model=route.model_routed,
            request_id=self._exchange.request_id,
            output_tokens_max=None,
        )
        self._secrets = tuple(secret.encode() for secret in (key.secret, target.access_token) if secret)
        opened = await relay.vendors.converse(self._dialect.realtime_request(self._call, target))
        if not isinstance(opened, VendorSocket):
            secrets = (key.secret, target.access_token)
            raise channel_type.dialect.decode_error(max(opened.status, _ERROR), opened.headers, b"", secrets=secrets)
        return opened

    # ---- Messages

    async def _talk(self) -> None:
        """Pass messages both ways until a side goes, or the session must end."""
        loop = asyncio.get_running_loop()
        client = loop.create_task(self._from_client())
        vendor = loop.create_task(self._from_vendor())
        over = loop.create_task(self._until_over())
        try:
            await asyncio.wait({client, vendor, over}, return_when=asyncio.FIRST_COMPLETED)
            if not vendor.done() and self._running and not self._interrupted:
                await self._wait_for_last(vendor)
            fault = _fault_of(vendor) or _fault_of(client) or _fault_of(over)
        finally:
            # What sets aside or settles holds the lock, and is not cancelled.
            async with self._lock:
                for task in (client, vendor, over):
                    task.cancel()
            await asyncio.wait({client, vendor, over})
            with contextlib.suppress(Exception):
                await self._socket.close()
            await self._settle_open(_fault_of(vendor))
        await self._say_goodbye(fault, vendor_closed=vendor.done() and not vendor.cancelled())

    async def _wait_for_last(self, vendor: "asyncio.Task[None]") -> None:
        """Let what runs come to its end, or have the vendor stop it where its client has gone and wants it so."""
        if self._exchange.gone and self._quote.payer.tenant.disconnect == "abort":
            with contextlib.suppress(VendorError):
                await self._socket.send(b'{"type":"response.cancel"}')
        self._closing = True
        await asyncio.wait({vendor}, timeout=LAST_ANSWER_SECONDS)

    _closing = False
    """Whether the vendor's messages are read only until no answer runs."""

    async def _until_over(self) -> None:
        """Wait until the session must end for our sake; meanwhile renew holds before they expire."""
        renew_seconds = max(1.0, self._relay.hold_timeout_seconds / 3)
        while not self._over.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), renew_seconds)
            async with self._lock:
                stale = [each for each in self._spare if time.monotonic() - each.held_at > renew_seconds]
                for each in stale if not self._over.is_set() else ():
                    await self._replace(each)

    async def _from_client(self) -> None:
        """Pass the client's messages on; ApiError if the session cannot go on."""
        while (message := await self._exchange.message()) is not None:
            try:
                asked = self._dialect.read_client(message, self._call, self._route.model_routed)
                self._check_transcription(asked)
                async with self._lock:
                    if not await self._cover(asked):
                        continue
            except InvalidRequestError as invalid:
                await self._tell_error(ApiError(400, invalid.message, param=invalid.param, code=invalid.reason))
                continue
            await self._socket.send(asked.data)

    def _check_transcription(self, asked: Asked) -> None:
        """Refuse a model for transcriptions that has no price: nothing is free by omission."""
        model = asked.transcription_model
        if model and self._quote.card.find(model) is None:
            raise InvalidRequestError(
                f"The model '{model}' has no price. Ask the operator to add it to the rate card.",
                param="session.audio.input.transcription.model",
                reason="unpriced_model",
            )

    async def _cover(self, asked: Asked) -> bool:
        """See that what a message adds is covered by the holds; False if an answer beside another cannot be paid."""
        self._context.add(asked)
        if asked.asks_answer:
            if len(self._spare) <= self._promised:
                try:
                    self._spare.append(await self._set_aside())
                except ApiError as refused:
                    if not self._running:
                        raise
                    await self._tell_error(refused)
                    return False
            self._promised += 1
        needed = self._needed_upper()
        for each in list(self._spare):
            if each.quote.estimate.prompt_tokens_upper < needed:
                await self._replace(each)
        return True

    async def _from_vendor(self) -> None:
        """Pass the vendor's messages on, and settle each answer that ends."""
        while (message := await self._socket.receive()) is not None:
            heard = self._dialect.read_vendor(message, self._call, self._route.model_routed)
            refused = await self._hear(heard)
            await self._exchange.tell(self._without_secrets(heard.data))
            if refused is not None:
                raise refused
            if self._closing and not self._running:
                return
        if self._running:
            raise VendorError("protocol", vendor_code="broken_off")

    async def _hear(self, heard: Heard) -> ApiError | None:
        """Take what a message means; give why nothing may follow it."""
        match heard.kind:
            case "session":
                self._context.state = heard.session or self._context.state
            case "began":
                async with self._lock:
                    await self._begin(heard.response_id)
            case "piece":
                running = self._running.get(heard.response_id) or next(iter(self._running.values()), None)
                if running is not None:
                    running.add(heard)
                    self._checkpoint(running)
            case "ended":
                async with self._lock:
                    return await self._end(heard)
            case "transcribed":
                async with self._lock:
                    return await self._charge_transcription(heard)
            case "error":
                self._promised = max(0, self._promised - 1)
            case _:
                pass
        return None

    def _without_secrets(self, data: bytes) -> bytes:
        for secret in self._secrets:
            if secret in data:
                data = data.replace(secret, b"***")
        return data

    # ---- Money

    def _needed_upper(self) -> int:
        upper = self._context.estimate().prompt_tokens_upper
        known = self._quote.price.context_tokens_max
        return min(upper, known) if known else upper

    async def _set_aside(self) -> _Answering:
        """Hold for one answer of the conversation as it is, and some more; ApiError if that cannot be paid."""
        relay, quote = self._relay, self._quote
        estimate, upper = self._context.estimate(), max(COVER_LEAST, 2 * self._needed_upper())
        if quote.price.context_tokens_max:
            upper = min(upper, quote.price.context_tokens_max)
        known = quote.price.output_tokens_max or OUTPUT_TOKENS_MAX
        own = self._context.state.output_tokens_max
        made = msgspec.structs.replace(
            quote,
            hold_id=HoldId(relay.clock.new_id()) if self._holds else quote.hold_id,
            estimate=msgspec.structs.replace(estimate, prompt_tokens_upper=upper),
            output_tokens_max=known if own is None else min(own, known),
            routes=(self._route,) if self._holds else quote.routes,
        )
        await self._hold(made)
        return _Answering(made)

    async def _hold(self, quote: Quote) -> None:
        relay, now = self._relay, self._relay.clock.now()
        command, limits = hold_command(quote, now=now, timeout_seconds=relay.hold_timeout_seconds, node=relay.node)

        def void_late(_: "Answer") -> None:
            relay.ledger.enqueue(void_command(quote, reason="ledger_late", attempts=0, attempt=None))

        answer = await relay.ledger.submit(command, patience_seconds=HOLD_PATIENCE_SECONDS, on_late=void_late)
        if not answer.accepted:
            raise refusal(
                answer,
                limits,
                needed_nanos=command.money_nanos,
                currency=quote.card.currency,
                window_seconds=milliseconds_to_next_minute(now) / 1000,
            )
        self._holds += 1

    async def _replace(self, old: _Answering) -> None:
        """Hold anew for an answer that has not begun, of the size that the conversation has now."""
        self._spare.remove(old)
        await self._settle(void_command(old.quote, reason="session_goes_on", attempts=self._attempts, attempt=None))
        self._spare.append(await self._set_aside())

    async def _begin(self, response_id: str) -> None:
        """Give an answer the hold that was set aside for it; one that nobody asked for gets its own."""
        answering = self._spare.pop(0) if self._spare else await self._set_aside()
        self._promised = max(0, self._promised - 1)
        answering.began = time.monotonic()
        # What it has before it is what it reads, should its vendor not tell.
        estimate = msgspec.structs.replace(
            self._context.estimate(), prompt_tokens_upper=answering.quote.estimate.prompt_tokens_upper
        )
        answering.quote = msgspec.structs.replace(answering.quote, estimate=estimate, routes=(self._route,))
        self._running[response_id] = answering
        self._context.began(response_id)

    async def _end(self, heard: Heard) -> ApiError | None:
        """Settle an answer, and set the next one aside; give why not, where that cannot be paid."""
        if heard.response_id not in self._running:
            await self._begin(heard.response_id)
        answering = self._running.pop(heard.response_id)
        self._context.ended(heard.response_id, heard.usage)
        basis: Basis = "stream" if heard.usage is None else "vendor"
        usage = heard.usage or self._counted(answering)
        is_nothing = heard.is_empty and not answering.has_output and not (heard.usage is not None and heard.usage.total)
        if is_nothing:
            await self._void(answering, "vendor_failed", "vendor_error")
        else:
            await self._capture(answering, usage, basis, "client_gone" if self._exchange.gone else "completed")
        if self._spare or self._closing or self._over.is_set():
            return None
        try:
            self._spare.append(await self._set_aside())
        except ApiError as refused:
            return refused
        return None

    async def _charge_transcription(self, heard: Heard) -> ApiError | None:
        """Charge for what the client said being written down, by another model at its own price."""
        model = self._context.state.transcription_model
        price = self._quote.card.find(model) if model else None
        if heard.usage is None or price is None:
            return None
        route = msgspec.structs.replace(self._route, model_routed=model, cost_price=None, model_billed="", price=None)
        usage = heard.usage
        quote = msgspec.structs.replace(
            self._quote,
            hold_id=HoldId(self._relay.clock.new_id()),
            model_billed=model,
            price=price,
            routes=(route,),
            estimate=msgspec.structs.replace(
                self._quote.estimate,
                prompt_tokens=usage.input_total,
                prompt_tokens_upper=usage.input_total,
                has_audio=True,
            ),
            output_tokens_max=usage.output_total,
            other=TokenUsage(milliseconds=usage.milliseconds),
        )
        try:
            await self._hold(quote)
        except ApiError as refused:
            _log.warning("transcription_not_charged", request_id=self._exchange.request_id, reason=refused.code)
            return refused
        await self._capture(_Answering(quote), usage, "vendor", "completed", route=route)
        return None

    def _counted(self, answering: _Answering) -> TokenUsage:
        per_token = self._context.state.spoken_bytes_per_token
        return answering.counted(self._relay.count, self._route.model_routed, per_token)

    async def _settle_open(self, fault: BaseException | None) -> None:
        """End every hold: an answer in the middle is charged as far as it came, what never began is not."""
        outcome: Outcome = "completed"
        if self._interrupted:
            outcome = "interrupted"
        elif self._exchange.gone:
            outcome = "client_gone"
        elif isinstance(fault, VendorError):
            outcome = outcome_of(fault)
        async with self._lock:
            while self._running:
                _, answering = self._running.popitem()
                if answering.has_output:
                    code = code_of(fault) if isinstance(fault, VendorError) else ""
                    await self._capture(answering, self._counted(answering), "stream", outcome, code=code)
                else:
                    await self._void(answering, "client_gone" if self._exchange.gone else "vendor_failed", outcome)
            await self._void_spares("session_ended", None)

    async def _void_spares(self, reason: str, error: VendorError | None) -> None:
        while self._spare:
            quote = self._spare.pop().quote
            attempt = None
            if error is not None:
                route = quote.routes[0]
                attempt = Attempt(
                    channel_id=route.channel.channel_id,
                    model_routed=route.model_routed,
                    outcome=outcome_of(error),
                    status=error.status or 0,
                    code=code_of(error),
                )
            await self._settle(void_command(quote, reason=reason, attempts=self._attempts, attempt=attempt))

    async def _void(self, answering: _Answering, reason: str, outcome: Outcome) -> None:
        attempt = self._attempt(answering, self._route, outcome)
        await self._settle(void_command(answering.quote, reason=reason, attempts=self._attempts, attempt=attempt))

    def _checkpoint(self, answering: _Answering) -> None:
        """Keep what an answer has come to, now and then, for the case that this process dies."""
        if time.monotonic() < answering.checkpoint_at:
            return
        answering.checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS
        command, _ = self._captured(answering, self._counted(answering), "stream", "interrupted", self._route)
        self._relay.settlements.checkpoint(command)

    async def _capture(
        self,
        answering: _Answering,
        usage: TokenUsage,
        basis: Basis,
        outcome: Outcome,
        *,
        route: Route | None = None,
        code: str = "",
    ) -> None:
        command, _ = self._captured(answering, usage, basis, outcome, route or self._route, code=code)
        await self._settle(command)

    def _captured(
        self,
        answering: _Answering,
        usage: TokenUsage,
        basis: Basis,
        outcome: Outcome,
        route: Route,
        *,
        code: str = "",
    ) -> tuple[Command, int]:
        return capture_command(
            answering.quote,
            route,
            usage=usage,
            basis=basis,
            adjusted=False,
            outcome=outcome,
            attempt=self._attempt(answering, route, outcome, code=code, usage=usage),
            attempts=self._attempts,
        )

    async def _settle(self, command: Command) -> None:
        await self._relay.settlements.settle(command)

    @staticmethod
    def _attempt(
        answering: _Answering, route: Route, outcome: Outcome, *, code: str = "", usage: TokenUsage | None = None
    ) -> Attempt:
        first = answering.first
        return Attempt(
            channel_id=route.channel.channel_id,
            model_routed=route.model_routed,
            outcome=outcome,
            status=101,
            code=code,
            latency_milliseconds=round((time.monotonic() - answering.began) * 1000),
            first_byte_milliseconds=None if first is None else round((first - answering.began) * 1000),
            cost_nanos=cost_of(route, usage) if usage is not None else 0,
        )

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
                self._relay.routing.failed(self._route.channel, fault)
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
