"""The money of one conversation: what is set aside for its answers, and how each hold ends.

No answer runs without a hold that covers it: one is always set aside for the next, of the size that the conversation
has come to, and another for each that a client asks for beside it. An answer's hold is captured by what its vendor
reports.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from app.relay.errors import ApiError, refusal
from app.relay.progress import code_of, outcome_of
from app.relay.realtime.answering import CHECKPOINT_SECONDS, Answering
from app.relay.wire import SocketExchange
from domain.admission import Quote, Route, capture_command, cost_of, hold_command, void_command
from domain.holds.events import Attempt, Outcome
from domain.ids import HoldId
from domain.ledger.commands import Command
from domain.limits import milliseconds_to_next_minute
from domain.metering.usage import Basis, TokenUsage
from domain.relay.realtime import OUTPUT_TOKENS_MAX, Asked, Context, Heard
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from app.relay.service import Relay
    from domain.ledger.commands import Answer

HOLD_PATIENCE_SECONDS: Final = 5.0
COVER_LEAST: Final = 2_048
"""Tokens of a conversation that a hold covers at least; above it, twice what there is: few holds for a long talk."""
_SWITCHED: Final = 101
_log = structlog.get_logger(__name__)


class Holds:
    """What is held for one conversation. Of its methods one alone may run at a time: its session has a lock."""

    def __init__(
        self, relay: "Relay", exchange: SocketExchange, quote: Quote, *, is_ending: Callable[[], bool]
    ) -> None:
        """Take the terms of the conversation, and what tells whether no answer will follow those that run."""
        self._relay = relay
        self._exchange = exchange
        self._quote = quote
        self._is_ending = is_ending
        self.context = Context()
        self.route: Route | None = None
        """Which channel converses, once one does."""
        self.attempts = 0
        """How many were asked for that."""
        self.running: dict[str, Answering] = {}
        self._spare: list[Answering] = []
        """Held for answers that have not begun."""
        self._promised = 0
        """Answers that the client has asked for and the vendor has not begun."""
        self._made = 0

    @property
    def _routed(self) -> Route:
        assert self.route is not None
        return self.route

    # ---- Setting aside

    async def set_aside(self) -> None:
        """Hold for one more answer of the conversation as it is, and some more; ApiError if that cannot be paid."""
        self._spare.append(await self._set_aside())

    async def cover(self, asked: Asked) -> ApiError | None:
        """See that what a message adds is covered; give why not, for an answer beside another that cannot be paid.

        ApiError, raised, ends the conversation.
        """
        self.context.add(asked)
        if asked.asks_answer:
            if len(self._spare) <= self._promised:
                try:
                    await self.set_aside()
                except ApiError as refused:
                    if not self.running:
                        raise
                    return refused
            self._promised += 1
        needed = self._needed_upper()
        for each in list(self._spare):
            if each.quote.estimate.prompt_tokens_upper < needed:
                await self._replace(each)
        return None

    async def renew(self, older_than_seconds: float) -> None:
        """Hold anew for answers that have not begun for so long, before what is set aside for them expires."""
        for each in [each for each in self._spare if time.monotonic() - each.held_at > older_than_seconds]:
            await self._replace(each)

    def _needed_upper(self) -> int:
        upper = self.context.estimate().prompt_tokens_upper
        known = self._quote.price.context_tokens_max
        return min(upper, known) if known else upper

    async def _set_aside(self) -> Answering:
        relay, quote = self._relay, self._quote
        estimate, upper = self.context.estimate(), max(COVER_LEAST, 2 * self._needed_upper())
        if quote.price.context_tokens_max:
            upper = min(upper, quote.price.context_tokens_max)
        known = quote.price.output_tokens_max or OUTPUT_TOKENS_MAX
        own = self.context.state.output_tokens_max
        made = msgspec.structs.replace(
            quote,
            hold_id=HoldId(relay.clock.new_id()) if self._made else quote.hold_id,
            estimate=msgspec.structs.replace(estimate, prompt_tokens_upper=upper),
            output_tokens_max=known if own is None else min(own, known),
            routes=(self._routed,) if self._made else quote.routes,
        )
        await self._hold(made)
        return Answering(made)

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
        self._made += 1

    async def _replace(self, old: Answering) -> None:
        """Hold anew for an answer that has not begun, of the size that the conversation has now."""
        self._spare.remove(old)
        await self._settle(void_command(old.quote, reason="session_goes_on", attempts=self.attempts, attempt=None))
        await self.set_aside()

    # ---- Answers

    async def begin(self, response_id: str) -> None:
        """Give an answer the hold that was set aside for it; one that nobody asked for gets its own."""
        answering = self._spare.pop(0) if self._spare else await self._set_aside()
        self._promised = max(0, self._promised - 1)
        answering.began = time.monotonic()
        # What it has before it is what it reads, should its vendor not tell.
        estimate = msgspec.structs.replace(
            self.context.estimate(), prompt_tokens_upper=answering.quote.estimate.prompt_tokens_upper
        )
        answering.quote = msgspec.structs.replace(answering.quote, estimate=estimate, routes=(self._routed,))
        self.running[response_id] = answering
        self.context.began(response_id)

    def add(self, heard: Heard) -> None:
        """Take a piece of an answer, and keep what the answer has come to for the case that this process dies."""
        answering = self.running.get(heard.response_id) or next(iter(self.running.values()), None)
        if answering is None:
            return
        answering.add(heard)
        if time.monotonic() >= answering.checkpoint_at:
            answering.checkpoint_at = time.monotonic() + CHECKPOINT_SECONDS
            command = self._captured(answering, self._counted(answering), "stream", "interrupted", self._routed)
            self._relay.settlements.checkpoint(command)

    def break_promise(self) -> None:
        """Expect one answer less: the vendor refuses to give it."""
        self._promised = max(0, self._promised - 1)

    async def end(self, heard: Heard) -> ApiError | None:
        """Settle an answer, and set the next one aside; give why not, where that cannot be paid."""
        if heard.response_id not in self.running:
            await self.begin(heard.response_id)
        answering = self.running.pop(heard.response_id)
        self.context.ended(heard.response_id, heard.usage)
        basis: Basis = "stream" if heard.usage is None else "vendor"
        usage = heard.usage or self._counted(answering)
        says_nothing = heard.is_empty and not (heard.usage is not None and heard.usage.total)
        if not answering.has_output and (heard.has_failed or says_nothing):
            await self._void(answering, "vendor_failed", "vendor_error", usage=heard.usage)
        else:
            await self._capture(answering, usage, basis, "client_gone" if self._exchange.gone else "completed")
        if self._spare or self._is_ending():
            return None
        try:
            await self.set_aside()
        except ApiError as refused:
            return refused
        return None

    async def charge_transcription(self, heard: Heard) -> ApiError | None:
        """Charge for what the client said being written down, by another model at its own price."""
        model = self.context.state.transcription_model
        price = self._quote.card.find(model) if model else None
        if heard.usage is None or price is None:
            return None
        route = msgspec.structs.replace(self._routed, model_routed=model, cost_price=None, model_billed="", price=None)
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
        await self._capture(Answering(quote), usage, "vendor", "completed", route=route)
        return None

    # ---- The end

    async def settle_open(self, fault: BaseException | None, *, interrupted: bool) -> None:
        """End every hold: an answer in the middle is charged as far as it came, what never began is not."""
        outcome: Outcome = "completed"
        if interrupted:
            outcome = "interrupted"
        elif self._exchange.gone:
            outcome = "client_gone"
        elif isinstance(fault, VendorError):
            outcome = outcome_of(fault)
        while self.running:
            _, answering = self.running.popitem()
            if answering.has_output:
                code = code_of(fault) if isinstance(fault, VendorError) else ""
                await self._capture(answering, self._counted(answering), "stream", outcome, code=code)
            else:
                await self._void(answering, "client_gone" if self._exchange.gone else "vendor_failed", outcome)
        await self.void_spares("session_ended", None)

    async def void_spares(self, reason: str, error: VendorError | None) -> None:
        """Give back what was set aside for answers that will not be."""
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
            await self._settle(void_command(quote, reason=reason, attempts=self.attempts, attempt=attempt))

    def _counted(self, answering: Answering) -> TokenUsage:
        per_token = self.context.state.spoken_bytes_per_token
        return answering.counted(self._relay.count, self._routed.model_routed, per_token)

    async def _void(
        self, answering: Answering, reason: str, outcome: Outcome, *, usage: TokenUsage | None = None
    ) -> None:
        attempt = self._attempt(answering, self._routed, outcome, usage=usage)
        await self._settle(void_command(answering.quote, reason=reason, attempts=self.attempts, attempt=attempt))

    async def _capture(
        self,
        answering: Answering,
        usage: TokenUsage,
        basis: Basis,
        outcome: Outcome,
        *,
        route: Route | None = None,
        code: str = "",
    ) -> None:
        await self._settle(self._captured(answering, usage, basis, outcome, route or self._routed, code=code))

    def _captured(
        self,
        answering: Answering,
        usage: TokenUsage,
        basis: Basis,
        outcome: Outcome,
        route: Route,
        *,
        code: str = "",
    ) -> Command:
        command, _ = capture_command(
            answering.quote,
            route,
            usage=usage,
            basis=basis,
            adjusted=False,
            outcome=outcome,
            attempt=self._attempt(answering, route, outcome, code=code, usage=usage),
            attempts=self.attempts,
        )
        return command

    async def _settle(self, command: Command) -> None:
        await self._relay.settlements.settle(command)

    @staticmethod
    def _attempt(
        answering: Answering, route: Route, outcome: Outcome, *, code: str = "", usage: TokenUsage | None = None
    ) -> Attempt:
        first = answering.first
        return Attempt(
            channel_id=route.channel.channel_id,
            model_routed=route.model_routed,
            outcome=outcome,
            status=_SWITCHED,
            code=code,
            latency_milliseconds=round((time.monotonic() - answering.began) * 1000),
            first_byte_milliseconds=None if first is None else round((first - answering.began) * 1000),
            cost_nanos=cost_of(route, usage) if usage is not None else 0,
        )
