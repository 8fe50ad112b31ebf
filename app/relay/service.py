"""The life of a request on the model routes, from its token to its last byte.

    authenticate -> read -> quote -> hold -> call vendors in turn -> settle -> last bytes

Each request runs in a task of this module, so that neither the framework's nor the client's going can lose a
settlement. Nothing is sent to a vendor before the hold has committed, and no answer ends before its capture has.
"""

import asyncio
import functools
import time
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
import structlog

from app.relay.authentication import Authenticator, Caller
from app.relay.errors import ApiError, as_api_error, refusal, shed, unavailable
from app.relay.failover import Failover
from app.relay.line import CHARGE_MARK, charge_headers, charge_words
from app.relay.media import Fetch
from app.relay.progress import CountText, Progress
from app.relay.quoting import Quoting
from app.relay.realtime import Session
from app.relay.refusals import Refusals
from app.relay.repeats import Repeats
from app.relay.settlement import Settlements
from app.relay.vendors import Vendors
from app.relay.wire import Exchange, SocketExchange
from app.routing.cache import AnswerCache, Kept, wish_of
from app.routing.service import Routing
from app.routing.shedding import ShedError
from domain.admission import Payer, Quote, Route, cached_command, hold_command, lower, void_command
from domain.ids import HoldId
from domain.ledger.commands import Answer, Code, Command
from domain.limits import milliseconds_to_next_minute
from domain.metering.usage import TokenUsage
from domain.money import format_amount
from domain.relay.call import Call, Surface
from domain.relay.dialect import CanonicalRequest, ClientSurface

HOLD_PATIENCE_SECONDS: Final = 5.0
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
        routing: Routing,
        vendors: Vendors,
        fetch: Fetch,
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
        self.routing = routing
        self.vendors = vendors
        self.fetch = fetch
        self.count = count
        self.clock = clock
        self.node = node
        self.body_bytes_max = body_bytes_max
        self.hold_timeout_seconds = hold_timeout_seconds
        self._running: dict[asyncio.Task[None], Run | Session] = {}
        self.stopping = False

    @property
    def running(self) -> int:
        """How many requests are under way."""
        return len(self._running)

    async def handle(self, exchange: Exchange, surface: Surface, *, model: str = "", stream: bool = False) -> None:
        """Serve one request; returns when its answer is out and its hold has ended.

        `model` and `stream` are what the path says, where it does.
        """
        await self._serve(Run(self, exchange, surface, model=model, stream=stream))

    async def converse(self, exchange: SocketExchange, model: str) -> None:
        """Serve one conversation; returns when it is over and every hold of it has ended."""
        await self._serve(Session(self, exchange, model))

    async def _serve(self, run: "Run | Session") -> None:
        task = asyncio.get_running_loop().create_task(run.serve())
        self._running[task] = run
        task.add_done_callback(self._running.pop)
        await asyncio.shield(task)

    async def stop(self, drain_seconds: float) -> None:
        """Admit nothing more; let what runs come to its end, and interrupt and settle what takes too long."""
        self.stopping = True
        for run in list(self._running.values()):
            run.retire()
        if self._running:
            await asyncio.wait(set(self._running), timeout=drain_seconds)
        for run in list(self._running.values()):
            await run.interrupt()
        if self._running:
            await asyncio.wait(set(self._running), timeout=10.0)
        await self.settlements.drain()


class Run:
    """One request."""

    def __init__(self, relay: Relay, exchange: Exchange, kind: Surface, *, model: str, stream: bool) -> None:
        self.relay = relay
        self.exchange = exchange
        self.kind: Surface = kind
        self.surface: ClientSurface = exchange.surface
        self.model = model
        self.stream = stream
        self.payer: Payer | None = None
        self.failover: Failover | None = None
        self.keep_key: bytes | None = None
        """Under which the answer is kept; None if it is not."""
        self.interrupted = False
        self.is_held = False
        self.repeat_key: bytes | None = None
        self.watcher: asyncio.Task[None] | None = None
        self.began = time.monotonic()
        self._call: Call | None = None
        self._canonical: CanonicalRequest | None = None

    def canonical(self) -> CanonicalRequest:
        """Give the whole request in no vendor's words, read at most once; InvalidRequestError if it makes no sense."""
        assert self._call is not None
        if self._canonical is None:
            self._canonical = self.surface.canonical(self._call)
        return self._canonical

    async def serve(self) -> None:
        """Answer the request, whatever happens."""
        exchange = self.exchange
        error: ApiError | None = None
        try:
            await self._admit_and_relay()
        except Exception as fault:  # noqa: BLE001  # the client gets an answer, the log the trace
            error = as_api_error(fault)
            if error is None:
                _log.exception("request_failed", request_id=exchange.request_id, surface=self.kind)
                error = ApiError(500, "The gateway had an internal error.", type_="server_error", code="internal_error")
        finally:
            if self.watcher is not None:
                self.watcher.cancel()
                # What cancels it keeps its frame, and that this: see `_relay`.
                self.watcher = None
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

    def retire(self) -> None:
        """Go on: a request comes to its end by itself."""

    async def interrupt(self) -> None:
        """End the vendor's part now; what was delivered is charged."""
        self.interrupted = True
        await self._break_off()

    async def _break_off(self) -> None:
        """Hang up on the vendors, whether they answer already or not."""
        if self.failover is not None:
            await self.failover.break_off()

    async def _admit_and_relay(self) -> None:
        relay = self.relay
        if relay.stopping:
            raise unavailable("The gateway is restarting. Please try again.", code="stopping")
        context = await relay.authenticator.context(self.exchange)
        self.payer = context.payer
        tenant_id = self.payer.tenant.tenant_id
        # Before the body is read: what waits must not fill the memory.
        try:
            await relay.routing.shedder.enter(tenant_id)
        except ShedError as no_room:
            raise shed(no_room.retry_after_seconds, own=no_room.own) from None
        try:
            await self._serve(context)
        finally:
            relay.routing.shedder.leave(tenant_id)

    async def _serve(self, context: Caller) -> None:
        """Read, quote, hold, and relay."""
        relay, exchange, payer = self.relay, self.exchange, context.payer
        body = await exchange.body(relay.body_bytes_max, is_opaque=self.kind == "raw")
        call = self.surface.parse(
            self.kind,
            body,
            content_type=exchange.headers.get(b"content-type", b"").decode("latin-1"),
            model=self.model,
            stream=self.stream,
        )
        call = self._call = msgspec.structs.replace(call, headers=exchange.headers_of(self.surface))
        self.model = call.model
        if relay.settlements.is_full:
            raise unavailable(
                "The gateway cannot reach its ledger.", code="ledger_unavailable", retry_after_seconds=5.0
            )
        hold_id = HoldId(exchange.request_id)
        kept = self._find_kept(call, payer)
        quote = await relay.quoting.quote(context, call, hold_id, relay.clock.now(), self.canonical, kept=kept)
        self.repeat_key = exchange.headers.get(b"idempotency-key")
        if self.repeat_key is not None:
            await relay.repeats.claim(payer.tenant.tenant_id, self.repeat_key, _asked(call, exchange) + body, hold_id)
        try:
            quote, answer = await self._hold(quote)
        except ApiError:
            if self.repeat_key is not None:
                await relay.repeats.release(payer.tenant.tenant_id, self.repeat_key, hold_id)
            raise
        self.is_held = True
        if quote.lowered:
            self.keep_key = None  # what was cut short for want of money is no answer to give again
        exchange.extra.append((b"x-tallygate-balance", format_amount(answer.balance_nanos).encode()))
        if payer.token.cache_seconds:
            exchange.extra.append((b"x-tallygate-cache", b"hit" if quote.from_cache else b"miss"))
        if kept is not None and quote.from_cache:
            await self._answer_again(quote, kept)
            return
        if call.stream or call.surface == "raw" or quote.payer.tenant.disconnect == "abort":
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
        """Have a vendor answer, and say how that went where somebody compares."""
        failover = self.failover = Failover(self, quote)
        answered: Progress | None = None
        try:
            answered = await failover.serve()
        finally:
            # The two know each other, so that only a garbage collection, which stops all requests, would free them.
            self.failover = None
            measured = failover.measured(answered, began=self.began)
            if measured is not None:
                self.relay.routing.measured(measured)

    # ---- Answers that are given again

    def _find_kept(self, call: Call, payer: Payer) -> Kept | None:
        """Give the answer to the very same request, if token and client want it; note whether a new one is kept."""
        seconds = payer.token.cache_seconds
        if not seconds or call.surface == "raw":
            return None
        wish = wish_of(self.exchange.headers.get(b"cache-control"))
        key = AnswerCache.key(payer.tenant.tenant_id, call, form="" if self.surface.passes_bytes else "array")
        self.keep_key = key if wish.may_keep else None
        return self.relay.routing.cache.get(key, seconds=seconds, wish=wish)

    async def _answer_again(self, quote: Quote, kept: Kept) -> None:
        """Give an answer that is kept, at the price that the operator asks for that."""
        exchange, call = self.exchange, quote.call
        command, charged = cached_command(
            quote,
            quote.routes[0],
            usage=kept.usage,
            hit_percent=self.relay.quoting.hit_percent,
            channel_id=quote.routes[0].channel.channel_id,
            milliseconds=round((time.monotonic() - self.began) * 1000),
        )
        answer = await self.settle(command)
        if call.stream:
            body = kept.body.replace(CHARGE_MARK, charge_words(charged, answer))
            await exchange.stream(body, media_type=kept.media_type)
            await exchange.end()
        else:
            headers = charge_headers(exchange, charged, answer)
            await exchange.answer(200, kept.body, headers, media_type=kept.media_type)

    def keep(self, body: bytes, *, media_type: str, usage: TokenUsage, route: Route) -> None:
        """Keep an answer for whoever asks the very same."""
        if self.keep_key is not None:
            self.relay.routing.cache.put(
                self.keep_key,
                body,
                media_type=media_type,
                usage=usage,
                model_routed=route.model_routed,
                channel_id=route.channel.channel_id,
            )

    async def settle(self, command: Command) -> Answer | None:
        """End the hold."""
        return await self.relay.settlements.settle(command)


def _asked(call: Call, exchange: Exchange) -> bytes:
    """Give what a request says beside its body: Gemini's paths name the model, and some bodies fit several paths."""
    return f"{call.method} {exchange.path}?".encode("latin-1") + exchange.query + b"\n"
