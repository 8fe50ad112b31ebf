"""What is known of one call to a vendor while it runs: enough to end its hold at any moment."""

import time
from collections.abc import Callable
from typing import Final

import msgspec

from domain.admission import Quote, Route, capture_command, cost_of, void_command
from domain.holds.events import Attempt, Outcome
from domain.ledger.commands import Command
from domain.metering.usage import COUNT_MAX, Basis, TokenUsage
from domain.relay.delta import Delta, UsageTally
from domain.relay.tasks import Images, Ranking, TaskResult, Transcript
from domain.relay.vendor_errors import VendorError

_STREAMED: Final = frozenset({"chat", "completions"})

CountText = Callable[[str, str], int]
"""Tokens of a text in a model's tokenizer."""


class Progress:
    """One attempt: what the vendor reported, what was generated, how long it took."""

    def __init__(self, quote: Quote, route: Route, number: int, count: CountText, *, arrived: float) -> None:
        """Start the clock of an attempt of a request that arrived at a moment of `time.monotonic`."""
        self.quote = quote
        self.route = route
        self.number = number
        self.attempts = number
        """How many the request has had when this one answers: one that runs beside it counts, too."""
        self.charge: tuple[TokenUsage, Attempt, int] | None = None
        """What the last capture says: usage, attempt and amount."""
        self.tally = UsageTally()
        self.finish_reason: str | None = None
        self.status = 0
        self.searches_each = 0
        """Searches that the call comes to by its vendor's contract, which reports none."""
        self._searches = 0
        self._count = count
        self._texts: list[str] = []
        self._result: TaskResult | None = None
        self._counted_tokens = 0
        self._began = time.monotonic()
        self._arrived = arrived
        self._first_byte: float | None = None

    def first_byte(self) -> None:
        """Note that the vendor has begun to answer."""
        if self._first_byte is None:
            self._first_byte = time.monotonic()

    def add(self, delta: Delta) -> None:
        """Take what a piece of the answer says."""
        self.tally.add(delta.report)
        if delta.text:
            self._texts.append(delta.text)
        if delta.finish_reason is not None:
            self.finish_reason = delta.finish_reason
        self._searches += delta.searches
        if delta.result is not None:
            self._result = delta.result

    @property
    def has_output(self) -> bool:
        """Whether the vendor has generated anything."""
        return bool(self._texts) or self._counted_tokens > 0 or self._result is not None

    @property
    def has_cost(self) -> bool:
        """Whether the vendor has done anything that it may bill."""
        return self.tally.last is not None or self.has_output or self._searches > 0

    @property
    def has_begun(self) -> bool:
        """Whether the vendor has begun to answer."""
        return self._first_byte is not None

    @property
    def first_byte_milliseconds(self) -> int | None:
        """How long the attempt took to its first byte."""
        return None if self._first_byte is None else round((self._first_byte - self._began) * 1000)

    def first_byte_since(self, began: float) -> int:
        """Give milliseconds from an earlier moment to the first byte; 0 if there was none."""
        return 0 if self._first_byte is None else max(1, round((self._first_byte - began) * 1000))

    def attempt(self, outcome: Outcome, *, code: str = "", usage: TokenUsage | None = None) -> Attempt:
        """Give the record of this attempt as it stands."""
        return Attempt(
            channel_id=self.route.channel.channel_id,
            model_routed=self.route.model_routed,
            outcome=outcome,
            status=self.status,
            code=code,
            began_milliseconds=round((self._began - self._arrived) * 1000),
            latency_milliseconds=round((time.monotonic() - self._began) * 1000),
            first_byte_milliseconds=self.first_byte_milliseconds,
            cost_nanos=cost_of(self.route, usage) if usage is not None else 0,
        )

    def usage(self) -> tuple[TokenUsage, Basis]:
        """Give what was used: the vendor's last report, its zero included; else our own count of what came."""
        if self.tally.last is not None and self.tally.last.usage is not None:
            usage = self.tally.last.usage
            if self.searches_each > usage.searches:
                usage = msgspec.structs.replace(usage, searches=self.searches_each)
            return self._searched(usage), "vendor"
        if self.quote.call.surface == "raw":
            # Nothing of it is read, so nothing is counted but the call.
            return self.quote.likely, "policy"
        estimate = self.quote.estimate
        texts, self._texts = self._texts, []
        if texts:
            # Counted piece by piece between checkpoints; a token cut in two there counts twice, never not at all.
            self._counted_tokens += self._count("".join(texts), self.route.model_routed)
        usage = msgspec.structs.replace(
            self.quote.likely,
            input_tokens=max(0, estimate.prompt_tokens - estimate.image_tokens - estimate.audio_tokens),
            image_input_tokens=estimate.image_tokens,
            audio_input_tokens=estimate.audio_tokens,
            output_tokens=self._counted_tokens,
            searches=max(self._searches, self.searches_each),
        )
        if isinstance(self._result, Images):
            usage = msgspec.structs.replace(usage, images=len(self._result.images))
        elif isinstance(self._result, Transcript) and self._result.milliseconds:
            usage = msgspec.structs.replace(usage, milliseconds=self._result.milliseconds)
        return self._searched(usage), "stream" if self.quote.call.surface in _STREAMED else "estimate"

    def _searched(self, usage: TokenUsage) -> TokenUsage:
        """Count a ranking in its vendor's own unit, where it has one: many documents are several calls to pay for."""
        if isinstance(self._result, Ranking) and self._result.searches:
            return msgspec.structs.replace(usage, calls=min(self._result.searches, COUNT_MAX))
        return usage

    def capture(self, outcome: Outcome, *, code: str = "") -> tuple[Command, int]:
        """Give the capture of what was used so far, and what it charges."""
        usage, basis = self.usage()
        attempt = self.attempt(outcome, code=code, usage=usage)
        command, charged = capture_command(
            self.quote,
            self.route,
            usage=usage,
            basis=basis,
            adjusted=bool(self.tally.flags),
            outcome=outcome,
            attempt=attempt,
            attempts=self.attempts,
        )
        self.charge = usage, attempt, charged
        return command, charged

    def void(self, reason: str, outcome: Outcome, *, code: str = "") -> Command:
        """Give the void of a request that came to nothing."""
        # What a vendor had generated before it failed is on its bill, if not on the client's.
        usage = self.usage()[0] if self.has_cost else None
        attempt = self.attempt(outcome, code=code, usage=usage)
        return void_command(self.quote, reason=reason, attempts=self.attempts, attempt=attempt)


_OUTCOMES: dict[str, Outcome] = {
    "timeout": "timeout",
    "connect": "connect",
    "protocol": "protocol",
    "bad_request": "refused_by_vendor",
    "content": "refused_by_vendor",
}


def outcome_of(error: VendorError) -> Outcome:
    """Give how an attempt that ended in this error is recorded."""
    return _OUTCOMES.get(error.kind, "vendor_error")


def code_of(error: VendorError) -> str:
    """Give the code that is stored: the vendor's, cut, or our own name for the fault."""
    return (error.vendor_code or error.kind)[:64]
