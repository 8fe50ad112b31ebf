"""The life of a request on the model routes, from its token to its last byte.

    authenticate -> read -> quote -> hold -> call vendors in turn -> settle -> last bytes

Each request runs in a task of this module, so that neither the framework's nor the client's going can lose a
settlement. Nothing is sent to a vendor before the hold has committed, and no answer ends before its capture has.
"""

import asyncio
import functools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, Protocol

import structlog

from adapters.dialects.openai import (
    decode_chunk,
    decode_error,
    decode_response,
    rewrite_chunk,
    rewrite_response,
    usage_chunk,
)
from adapters.sse import SseSplitter
from app.relay.authentication import Authenticator
from app.relay.errors import ApiError, from_vendor, refusal, unavailable
from app.relay.progress import CountText, Progress, code_of, outcome_of
from app.relay.quoting import Quoting
from app.relay.refusals import Refusals
from app.relay.repeats import Repeats
from app.relay.settlement import Settlements
from app.relay.vendors import Vendors
from app.relay.wire import Exchange, Scope
from domain.admission import Payer, Quote, Route, attempt_failed_command, hold_command, lower, void_command
from domain.errors import TallygateError
from domain.ids import HoldId
from domain.ledger.commands import Answer, Code, Command
from domain.limits import milliseconds_to_next_minute
from domain.money import format_amount
from domain.ports import LedgerUnavailableError
from domain.relay.call import InvalidRequestError, TextSurface, parse_call
from domain.relay.ports import VendorReply
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from domain.holds.events import Outcome

HOLD_PATIENCE_SECONDS: Final = 5.0
ATTEMPTS_MAX: Final = 4
ANSWER_BYTES_MAX: Final = 64 * 2**20
ERROR_BYTES_MAX: Final = 64 * 2**10
CHECKPOINT_SECONDS: Final = 2.0
"""How much of a stream may be lost to the operator if this process is killed."""
DRAIN_SECONDS_MAX: Final = 600.0
"""How long a vendor is read on for a client that has gone."""

_log = structlog.get_logger(__name__)


class _Ledger(Protocol):
    @property
    def available(self) -> bool: ...

    def enqueue(self, command: Command) -> asyncio.Future[Answer]: ...

    async def submit(
        self,
        command: Command,
        *,
        patience_seconds: float | None = None,
        on_late: Callable[[Answer], None] | None = None,
    ) -> Answer: ...


class Clock(Protocol):
    """The time, and new ids."""

    def now(self) -> Any: ...
    def new_id(self) -> str: ...


class Relay:
    """The model routes of one process."""

    def __init__(
        self,
        *,
        ledger: _Ledger,
        settlements: Settlements,
        refusals: Refusals,
        repeats: Repeats,
        authenticator: Authenticator,
        quoting: Quoting,
        vendors: Vendors,
        count: CountText,
        clock: Clock,
        node: str,
        body_bytes_max: int,
        hold_timeout_seconds: int,
    ) -> None:
        """Take everything that a request meets on its way."""
        self.ledger = ledger
        self.settlements = settlements
        self.refusals = refusals
        self.repeats = repeats
        self.authenticator = authenticator
        self.quoting = quoting
        self.vendors = vendors
        self.count = count
        self.clock = clock
        self.node = node
        self.body_bytes_max = body_bytes_max
        self.hold_timeout_seconds = hold_timeout_seconds
        self._running: dict[asyncio.Task[None], _Run] = {}
        self.stopping = False

    @property
    def running(self) -> int:
        """How many requests are under way."""
        return len(self._running)

    async def handle(self, surface: TextSurface, scope: Scope, receive: Any, send: Any) -> None:
        """Serve one request; returns when its answer is out and its hold has ended."""
        exchange = Exchange(scope, receive, send, self.clock.new_id())
        run = _Run(self, surface, exchange)
        task = asyncio.get_running_loop().create_task(run.serve())
        self._running[task] = run
        task.add_done_callback(self._running.pop)
        await asyncio.shield(task)

    async def stop(self, drain_seconds: float) -> None:
        """Admit nothing more; let what runs come to its end, and interrupt and settle what takes too long."""
        self.stopping = True
        if self._running:
            await asyncio.wait(set(self._running), timeout=drain_seconds)
        for run in list(self._running.values()):
            await run.interrupt()
        if self._running:
            await asyncio.wait(set(self._running), timeout=10.0)
        await self.settlements.drain()


class _Run:
    """One request."""

    def __init__(self, relay: Relay, surface: TextSurface, exchange: Exchange) -> None:
        self.relay = relay
        self.surface: TextSurface = surface
        self.exchange = exchange
        self.payer: Payer | None = None
        self.model = ""
        self.sending: asyncio.Task[VendorReply] | None = None
        self.reply: VendorReply | None = None
        self.interrupted = False
        self.is_held = False
        self.repeat_key: bytes | None = None
        self.watcher: asyncio.Task[None] | None = None
        self.began = time.monotonic()

    async def serve(self) -> None:
        """Answer the request, whatever happens."""
        exchange = self.exchange
        error: ApiError | None = None
        try:
            await self._admit_and_relay()
        except ApiError as refused:
            error = refused
        except InvalidRequestError as invalid:
            error = ApiError(400, invalid.message, param=invalid.param, code=invalid.reason, may_retry=False)
        except LedgerUnavailableError:
            error = unavailable("The gateway's ledger is not available. Please try again.", code="ledger_unavailable")
        except TallygateError as refused:
            error = ApiError(400, str(refused), code=refused.code, may_retry=False)
        except Exception:  # noqa: BLE001  # the client gets an answer, the log the trace
            _log.exception("request_failed", request_id=exchange.request_id, surface=self.surface)
            error = ApiError(500, "The gateway had an internal error.", type_="server_error", code="internal_error")
        finally:
            if self.watcher is not None:
                self.watcher.cancel()
        if error is not None:
            self._note_refusal(error)
            if not exchange.started:
                await exchange.refuse(error)

    def _note_refusal(self, error: ApiError) -> None:
        """Count what was turned away at the door; what failed later has its hold's events."""
        if self.is_held:
            return
        payer = self.payer
        self.relay.refusals.add(
            payer.tenant.tenant_id if payer else None, payer.token.token_id if payer else None, error, self.model
        )

    async def interrupt(self) -> None:
        """End the vendor's part now; what was delivered is charged."""
        self.interrupted = True
        await self._break_off()

    async def _break_off(self) -> None:
        """Hang up on the vendor, whether it answers already or not."""
        if self.reply is not None:
            await self.reply.close()
        elif self.sending is not None:
            self.sending.cancel()

    async def _admit_and_relay(self) -> None:
        relay, exchange = self.relay, self.exchange
        if relay.stopping:
            raise unavailable("The gateway is restarting. Please try again.", code="stopping")
        context = await relay.authenticator.context(exchange)
        self.payer = context.payer
        body = await exchange.body(relay.body_bytes_max)
        call = parse_call(self.surface, body)
        self.model = call.model
        if relay.settlements.is_full:
            raise unavailable(
                "The gateway cannot reach its ledger.", code="ledger_unavailable", retry_after_seconds=5.0
            )
        hold_id = HoldId(exchange.request_id)
        quote = await relay.quoting.quote(context, call, hold_id, relay.clock.now())
        self.repeat_key = exchange.headers.get(b"idempotency-key")
        if self.repeat_key is not None:
            await relay.repeats.claim(self.payer.tenant.tenant_id, self.repeat_key, body, hold_id)
        try:
            quote, answer = await self._hold(quote)
        except ApiError:
            if self.repeat_key is not None:
                await relay.repeats.release(self.payer.tenant.tenant_id, self.repeat_key, hold_id)
            raise
        self.is_held = True
        exchange.extra.append((b"x-tallygate-balance", format_amount(answer.balance_nanos).encode()))
        if call.stream or quote.payer.tenant.disconnect == "abort":
            self.watcher = asyncio.get_running_loop().create_task(self._watch(quote))
        await self._relay(quote)

    async def _hold(self, quote: Quote) -> tuple[Quote, Answer]:
        """Set the worst case aside; with a lower output limit, where the wallet covers only that."""
        relay = self.relay
        for last in (False, True):
            now = relay.clock.now()
            command, limits = hold_command(
                quote,
                now=now,
                timeout_seconds=relay.hold_timeout_seconds,
                node=relay.node,
            )
            answer = await relay.ledger.submit(
                command, patience_seconds=HOLD_PATIENCE_SECONDS, on_late=functools.partial(self._void_late, quote)
            )
            if answer.accepted:
                self._rate_headers(answer, limits, now)
                return quote, answer
            if answer.code is Code.INSUFFICIENT and not last and quote.payer.tenant.lower_output_limit:
                tenant = quote.payer.tenant
                lowered = lower(quote, answer.balance_nanos + tenant.credit_limit_nanos)
                if lowered is not None:
                    quote = lowered
                    continue
            break
        raise refusal(
            answer,
            limits,
            needed_nanos=command.money_nanos,
            currency=quote.card.currency,
            window_seconds=milliseconds_to_next_minute(now) / 1000,
        )

    def _void_late(self, quote: Quote, _: Answer) -> None:
        """Give back what was set aside after its client had been told that it could not be."""
        self.relay.ledger.enqueue(void_command(quote, reason="ledger_late", attempts=0, attempt=None))

    def _rate_headers(self, answer: Answer, limits: Any, now: Any) -> None:
        """Tell the client its rates as OpenAI does: of all that apply, the one with the least left."""
        if not answer.left:
            return
        best: dict[str, tuple[int, int]] = {}
        for limit, left in zip(limits, answer.left, strict=False):
            kind = {"rpm": "requests", "tpm": "tokens"}.get(limit.name[:3])
            if kind is not None and limit.limit is not None and (kind not in best or left < best[kind][1]):
                best[kind] = (limit.limit, left)
        reset = f"{milliseconds_to_next_minute(now)}ms".encode()
        for kind, (limit, left) in best.items():
            name = kind.encode()
            self.exchange.extra += [
                (b"x-ratelimit-limit-" + name, str(limit).encode()),
                (b"x-ratelimit-remaining-" + name, str(max(0, left)).encode()),
                (b"x-ratelimit-reset-" + name, reset),
            ]

    async def _watch(self, quote: Quote) -> None:
        """Notice the client's going; whether the vendor goes on is the tenant's policy."""
        await self.exchange.until_gone()
        if quote.payer.tenant.disconnect == "drain":
            await asyncio.sleep(DRAIN_SECONDS_MAX)
        await self._break_off()

    @property
    def is_aborted(self) -> bool:
        """Whether we ourselves have broken off the vendor's answer."""
        assert self.payer is not None
        return self.interrupted or (self.exchange.gone and self.payer.tenant.disconnect == "abort")

    async def _relay(self, quote: Quote) -> None:
        """Call vendors in turn until one answers; nothing has gone to the client before that."""
        relay = self.relay
        failed: VendorError | None = None
        progress: Progress | None = None
        for number, route in enumerate(quote.routes[:ATTEMPTS_MAX], 1):
            progress = Progress(quote, route, number, relay.count)
            try:
                await self._call(quote, route, progress)
            except VendorError as error:
                failed = error
                if self.is_aborted or not error.is_retryable:
                    break
                attempt = progress.attempt(outcome_of(error), code=code_of(error))
                relay.ledger.enqueue(attempt_failed_command(quote, number, attempt))
                _log.warning(
                    "attempt_failed",
                    request_id=quote.hold_id,
                    channel=route.channel.name,
                    kind=error.kind,
                    number=number,
                )
            except Exception:
                # A fault of ours: the hold must not stay open for it, and what the client has had is charged.
                if self.exchange.started and progress.has_output:
                    await self.settle(progress.capture("interrupted", code="gateway_failed")[0])
                else:
                    await self.settle(progress.void("gateway_failed", "interrupted"))
                raise
            else:
                return
        assert progress is not None
        assert failed is not None
        reason = ("stopped" if self.interrupted else "client_gone") if self.is_aborted else "vendor_failed"
        await self.settle(progress.void(reason, outcome_of(failed), code=code_of(failed)))
        raise from_vendor(failed)

    async def settle(self, command: Command) -> None:
        await self.relay.settlements.settle(command)

    async def _call(self, quote: Quote, route: Route, progress: Progress) -> None:
        """Make one attempt. VendorError: the client has had nothing, and another may try."""
        relay = self.relay
        key = relay.quoting.key(route.channel)
        if self.is_aborted:
            raise VendorError("connect")
        reply = self.reply = await self._send(quote, route, key)
        try:
            progress.status = reply.status
            if reply.status >= 400:  # noqa: PLR2004
                body = await reply.read(ERROR_BYTES_MAX)
                raise decode_error(reply.status, reply.headers, body, secrets=(key,))
            if not quote.call.stream:
                await self._plain(quote, progress, await reply.read(ANSWER_BYTES_MAX))
            elif "event-stream" not in reply.headers.get("Content-Type", "text/event-stream"):
                delta = decode_response(await reply.read(ERROR_BYTES_MAX))
                raise delta.error or VendorError("protocol")
            else:
                await _Stream(self, quote, progress, reply).relay()
        finally:
            self.reply = None
            await reply.close()

    async def _send(self, quote: Quote, route: Route, key: str) -> VendorReply:
        """Wait for the vendor's status; VendorError, too, when we break off meanwhile."""
        self.sending = asyncio.get_running_loop().create_task(self.relay.vendors.send(quote, route, key))
        try:
            return await self.sending
        except asyncio.CancelledError:
            if not self.sending.cancelled():
                raise
            raise VendorError("connect", vendor_code="broken_off") from None
        finally:
            self.sending = None

    async def _plain(self, quote: Quote, progress: Progress, body: bytes) -> None:
        progress.first_byte()
        delta = decode_response(body)
        if delta.error is not None:
            raise delta.error
        progress.add(delta)
        command, charged = progress.capture("client_gone" if self.exchange.gone else "completed")
        answer = await self.relay.settlements.settle(command)
        await self.exchange.answer(
            200, rewrite_response(body, quote.call, progress.route.model_routed), self._receipt(charged, answer)
        )

    def _receipt(self, charged: int, answer: Answer | None) -> list[tuple[bytes, bytes]]:
        headers = [(b"x-tallygate-charge", format_amount(charged).encode())]
        if answer is not None:
            extra = self.exchange.extra
            extra[:] = [header for header in extra if header[0] != b"x-tallygate-balance"]
            headers.append((b"x-tallygate-balance", format_amount(answer.balance_nanos).encode()))
        return headers


class _Stream:
    """One streamed answer: bytes pass through untouched where they can; usage and errors are read on the way."""

    def __init__(self, run: _Run, quote: Quote, progress: Progress, reply: VendorReply) -> None:
        self.run = run
        self.quote = quote
        self.progress = progress
        self.reply = reply
        self.splitter = SseSplitter()
        self.tail: list[bytes] = []
        """What the client gets only after the capture: the usage it asked for, and the end mark."""
        self.is_done = False
        self.last_data = b""
        self.checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS

    async def relay(self) -> None:
        """Pass the stream on to its end, and settle. VendorError only while the client has had nothing."""
        exchange = self.run.exchange
        error: VendorError | None = None
        try:
            async for chunk in self.reply.chunks():
                self.progress.first_byte()
                await self._pass(self.splitter.feed(chunk))
                if self.is_done:
                    break
            else:
                await self._pass(self.splitter.finish())
            if not self.is_done and self.progress.finish_reason is None:
                # A cut that looks like an end: without an end mark or a reason the answer is not whole.
                raise VendorError("protocol", vendor_code="stream_truncated")  # noqa: TRY301
        except VendorError as broken:
            if not exchange.started and not self.progress.has_output:
                raise
            error = broken
        charged = await self._settle(error)
        if error is not None:
            # Also when it was us who broke off: what is not whole must not look whole.
            await exchange.stream(b"data: " + from_vendor(error).body() + b"\n\n")
        else:
            if self.quote.call.include_usage and self.progress.tally.last is None:
                # The client asked, and the vendor did not say: it gets the count that it is charged by.
                counted = usage_chunk(self.last_data, self.progress.usage()[0], self.quote.call)
                self.tail.append(b"data: " + counted + b"\n\n")
            await exchange.stream(b"".join([*self.tail, b": tallygate " + charged + b"\n\n", b"data: [DONE]\n\n"]))
        await exchange.end()

    async def _pass(self, frames: list[Any]) -> None:
        """Send what may go at once, and keep back what waits for the capture."""
        out: list[bytes] = []
        broken: VendorError | None = None
        for frame in frames:
            if not frame.data:
                if self.run.exchange.started:
                    out.append(frame.raw)
                continue
            delta = decode_chunk(frame.data)
            self.progress.add(delta)
            if delta.error is not None:
                broken = delta.error
                break
            if delta.is_done:
                self.is_done = True
                break
            self.last_data = frame.data
            data = rewrite_chunk(frame.data, delta, self.quote.call, self.progress.route.model_routed)
            if data is None:
                continue
            raw = frame.raw if data is frame.data else b"data: " + data + b"\n\n"
            (self.tail if delta.usage_only and delta.report is not None else out).append(raw)
        if out:
            await self.run.exchange.stream(b"".join(out))
        if broken is not None:
            raise broken
        if time.monotonic() >= self.checkpoint_at:
            self.checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS
            self.run.relay.settlements.checkpoint(self.progress.capture("interrupted")[0])

    async def _settle(self, error: VendorError | None) -> bytes:
        run, progress = self.run, self.progress
        code = code_of(error) if error is not None else ""
        outcome: Outcome = outcome_of(error) if error is not None else "completed"
        if run.interrupted:
            outcome = "interrupted"
        elif run.exchange.gone:
            outcome = "client_gone"
        if error is not None and not progress.has_output and progress.tally.last is None:
            await run.settle(progress.void("vendor_failed", outcome, code=code))
            return b"charge=0"
        command, charged = progress.capture(outcome, code=code)
        answer = await run.relay.settlements.settle(command)
        words = f"charge={format_amount(charged)}"
        if answer is not None:
            words += f" balance={format_amount(answer.balance_nanos)}"
        return words.encode()
