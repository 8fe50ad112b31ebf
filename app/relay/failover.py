"""From a quote to its answer: channels are tried one after another, or two beside each other, until one answers.

Nothing has gone to the client before that, so another channel may serve the very same request. Every attempt is an
event; what it says about its channel goes to the health board, and what it took of the channel's limits is given back.
"""

import asyncio
import time
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec
import structlog

from app.relay.attempt import Attempt
from app.relay.errors import from_vendor, nobody_available
from app.relay.line import Line
from app.relay.progress import Progress, code_of, outcome_of
from domain.admission import Quote, Route, attempt_failed_command, void_command
from domain.holds.events import Attempt as AttemptRecord
from domain.relay.call import InvalidRequestError
from domain.relay.dialect import UnsupportedParameterError
from domain.relay.vendor_errors import VendorError
from domain.routing.chance import seed_of
from domain.routing.events import ExperimentMeasured
from domain.routing.keys import KEY_FAULTS

if TYPE_CHECKING:
    from app.relay.service import Run
    from app.routing.limits import Lease
    from domain.ids import EntityId

_log = structlog.get_logger(__name__)


class Failover:
    """The attempts of one request."""

    def __init__(self, run: "Run", quote: Quote) -> None:
        """Take the request, held, and the routes to try in their order."""
        self.run = run
        self.quote = quote
        self._routing = run.relay.routing
        self._waiting: deque[Route] = deque(quote.routes)
        self._excluded: set[EntityId] = set()
        self._tried_keys: dict[EntityId, frozenset[int]] = {}
        self._number = 0
        self._deadline = time.monotonic() + quote.policy.attempts_seconds
        self._is_over = False
        """Whether no other vendor may be asked."""
        self._failed: tuple[AttemptRecord, VendorError] | None = None
        self._unsupported: tuple[Progress, UnsupportedParameterError | InvalidRequestError] | None = None
        self._breaking: set[asyncio.Task[None]] = set()
        self.lines: list[Line] = []
        """The attempts under way."""

    async def serve(self) -> Progress:
        """Have the request answered and settled, or settle it and raise what its client is told."""
        hedge = self.quote.policy.hedge_milliseconds
        while (begun := await self._begin()) is not None:
            answered = await (self._go(*begun) if hedge is None else self._go_hedged(begun, hedge / 1000))
            if answered is not None:
                return answered
        raise await self._give_up()

    async def break_off(self) -> None:
        """Hang up on every vendor."""
        self._is_over = True
        for line in list(self.lines):
            await line.break_off()

    def claimed(self, winner: Line) -> None:
        """Leave the request to the attempt that answers first."""
        self._is_over = True
        for line in self.lines:
            if line is not winner:
                self._lose(line)

    def _lose(self, line: Line) -> None:
        line.has_lost = True
        task = asyncio.get_running_loop().create_task(line.break_off())
        self._breaking.add(task)
        task.add_done_callback(self._breaking.discard)

    async def _begin(self) -> "tuple[Line, Lease] | None":
        """Give the next attempt to make; None if nobody is left, or nobody else may be asked."""
        quote, routing = self.quote, self._routing
        while self._waiting and not self._is_over and not self.run.is_aborted:
            if self._number and (self._number >= quote.policy.attempts_max or time.monotonic() >= self._deadline):
                return None
            route = self._waiting.popleft()
            channel = route.channel
            if channel.channel_id in self._excluded or routing.is_out(channel):
                continue
            tried = self._tried_keys.get(channel.channel_id, frozenset())
            key = self.run.relay.quoting.key(channel, seed=seed_of(quote.hold_id) + self._number, tried=tried)
            if key is None:
                continue
            lease = await routing.begin(channel, quote.tokens_max)
            if lease is None:
                continue
            self._number += 1
            run = self.run
            progress = Progress(quote, route, self._number, run.relay.count, arrived=run.began)
            line = Line(self, route, key, progress)
            for other in self.lines:
                other.progress.attempts = self._number
            self.lines.append(line)
            return line, lease
        return None

    async def _go(self, line: Line, lease: "Lease") -> Progress | None:
        """Make an attempt; None if it leaves the request to others."""
        attempt = Attempt(line, self.quote, line.route, line.progress)
        try:
            await attempt.call()
        except VendorError as error:
            self._note_failure(line, error)
            return None
        except (UnsupportedParameterError, InvalidRequestError) as error:
            # This vendor cannot be asked that; another may. Nothing was sent.
            self._unsupported = line.progress, error
            return None
        except Exception:
            await self._end_for_our_fault(line)
            raise
        finally:
            self.lines.remove(line)
            self._end(line, lease)
        if attempt.broken is None:
            self._routing.succeeded(line.route.channel, key=line.key.number, keys=line.key.count)
        else:
            self._note_health(line, attempt.broken)
        return line.progress

    async def _go_hedged(self, begun: "tuple[Line, Lease]", seconds: float) -> Progress | None:
        """Ask a second channel where the first has not begun to answer in time: whoever is first answers."""
        loop = asyncio.get_running_loop()
        first = loop.create_task(self._go(*begun))
        await asyncio.wait({first}, timeout=seconds)
        if first.done() or begun[0].is_claimed or begun[0].progress.has_begun:
            return await first
        rival = await self._begin()
        if rival is None:
            return await first
        pending: set[asyncio.Task[Progress | None]] = {first, loop.create_task(self._go(*rival))}
        answered: Progress | None = None
        fault: BaseException | None = None
        while pending:
            done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                fault = fault or task.exception()
                answered = answered or (task.result() if task.exception() is None else None)
            if fault is not None or self._is_over:
                # Whoever still runs, unless it answers, has nobody left to answer.
                for line in self.lines:
                    if not line.is_claimed and not line.has_lost:
                        self._lose(line)
        if fault is not None:
            raise fault
        return answered

    # ---- What an attempt leaves behind

    def _note_failure(self, line: Line, error: VendorError) -> None:
        """Record an attempt that gave the client nothing, and say who may be asked next."""
        progress, channel = line.progress, line.route.channel
        if line.has_lost:
            self._record(progress, progress.attempt("hedge_lost", usage=progress.usage()[0]))
            return
        self._note_health(line, error)
        # What a vendor had generated before it failed is on its bill, if not on the client's.
        usage = progress.usage()[0] if progress.has_cost else None
        attempt = progress.attempt(outcome_of(error), code=code_of(error), usage=usage)
        self._failed = attempt, error
        if self.run.is_aborted or not error.is_retryable:
            self._is_over = True
            return
        self._record(progress, attempt)
        # The void tells the attempt again; its cost is told once.
        self._failed = msgspec.structs.replace(attempt, cost_nanos=0), error
        _log.warning(
            "attempt_failed",
            request_id=self.quote.hold_id,
            channel=channel.name,
            kind=error.kind,
            number=progress.number,
        )
        key = line.key
        if key.count > 1 and error.kind in KEY_FAULTS:
            # It was the key's fault, and the channel has others.
            tried = self._tried_keys.get(channel.channel_id, frozenset())
            self._tried_keys[channel.channel_id] = tried | {key.number}
            self._waiting.appendleft(line.route)
        elif error.kind != "not_found":
            self._excluded.add(channel.channel_id)

    def _note_health(self, line: Line, error: VendorError) -> None:
        """Tell the board of a fault, but of none that we made ourselves."""
        if not line.broke_off and not line.is_aborted:
            self._routing.failed(line.route.channel, error, key=line.key.number, keys=line.key.count)

    def _record(self, progress: Progress, attempt: AttemptRecord) -> None:
        self.run.relay.ledger.enqueue(attempt_failed_command(self.quote, progress.number, attempt))

    def _end(self, line: Line, lease: "Lease") -> None:
        progress = line.progress
        used = progress.usage()[0].total if lease.tokens and progress.has_cost else 0
        self._routing.end(
            line.route.channel, lease, tokens_used=used, first_byte_milliseconds=progress.first_byte_milliseconds
        )

    async def _end_for_our_fault(self, line: Line) -> None:
        """Leave no hold open for a fault of ours; what the client has had is charged."""
        if line.has_lost:
            return
        progress = line.progress
        if self.run.exchange.started and progress.has_output:
            await line.settle(progress.capture("interrupted", code="gateway_failed")[0])
        else:
            await line.settle(progress.void("gateway_failed", "interrupted"))

    # ---- The end

    async def _give_up(self) -> Exception:
        """Void the hold, and give what the client is told."""
        run, quote = self.run, self.quote
        if self._failed is not None:
            attempt, error = self._failed
            reason = ("stopped" if run.interrupted else "client_gone") if run.is_aborted else "vendor_failed"
            await self._void(reason, attempt)
            return from_vendor(error)
        if self._unsupported is not None:
            progress, unsupported = self._unsupported
            await self._void("unsupported", progress.attempt("refused_by_vendor", code=unsupported.code))
            return unsupported
        if run.is_aborted:
            await self._void("stopped" if run.interrupted else "client_gone", None)
            return from_vendor(VendorError("connect", vendor_code="broken_off"))
        # Since the choice was made the last ones have gone out, or others have used up what they may do.
        await self._void("no_channel", None)
        return nobody_available(quote.call.model, self._routing.retry_seconds(quote.routes))

    async def _void(self, reason: str, attempt: AttemptRecord | None) -> None:
        await self.run.relay.settlements.settle(
            void_command(self.quote, reason=reason, attempts=self._number, attempt=attempt)
        )

    def measured(self, progress: Progress | None, *, began: float) -> ExperimentMeasured | None:
        """Give how the request went, where it was one of an experiment; `progress` is that of the answer."""
        note = self.quote.routing
        if note is None or not note.arm or note.policy_id is None:
            return None
        figures: dict[str, Any] = {}
        if progress is not None and progress.charge is not None:
            usage, attempt, charged = progress.charge
            figures = {
                "model_routed": attempt.model_routed,
                "completed": attempt.outcome == "completed",
                "first_byte_milliseconds": progress.first_byte_since(began),
                "tokens": usage.total,
                "charged_nanos": charged,
                "cost_nanos": attempt.cost_nanos,
            }
        return ExperimentMeasured(
            policy_id=note.policy_id,
            arm=note.arm,
            tenant_id=self.quote.payer.tenant.tenant_id,
            model_asked=self.quote.call.model,
            attempts=self._number,
            latency_milliseconds=round((time.monotonic() - began) * 1000),
            **figures,
        )
