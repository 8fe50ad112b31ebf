"""What one piece of a vendor's answer says, in no vendor's words."""

from typing import Any, Literal, TypeAlias

import msgspec

from domain.metering.usage import INPUT_CLASSES, TokenUsage
from domain.relay.chat import Media
from domain.relay.tasks import TaskResult
from domain.relay.vendor_errors import VendorError

FinishReason: TypeAlias = Literal["stop", "length", "tool_calls", "content_filter"]
"""Why a choice ended. A vendor's other words are mapped onto these by its dialect."""


class UsageReport(msgspec.Struct, frozen=True, gc=False):
    """What a vendor says a call used."""

    usage: TokenUsage | None
    """The report as a partition into classes; None if its numbers cannot be believed, and the gateway's own
    count holds. An explicit zero is a report of zero."""
    vendor_total: int | None = None
    """The vendor's own total, as it was sent, to be compared with the classes' sum."""
    flags: tuple[str, ...] = ()
    """What was odd about the report; stored with the capture. Empty for a clean one."""
    is_partial: bool = False
    """Said before anything was generated: its input holds, and its output is no count of what came since."""
    lacks_input: bool = False
    """Said at the end, and only what was generated: the input is the partial report's."""


class ToolDelta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A piece of one tool call. The first piece of a call names it; all pieces of a call share its index."""

    index: int
    """Counts the calls of a choice from 0."""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    """The next characters of the arguments' JSON text."""
    signature: str = ""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """What one event adds to one choice; a plain answer is pieces too, each whole."""

    choice: int = 0
    text: str = ""
    reasoning: str = ""
    signature: str = ""
    """Ends a block of reasoning: the vendor's proof of it."""
    redacted: str = ""
    """A block of reasoning that is shown only encrypted."""
    refusal: str = ""
    tool: ToolDelta | None = None
    media: Media | None = None
    """A generated image or sound, always as a whole."""
    annotations: tuple[dict[str, Any], ...] = ()
    """Citations, in OpenAI's form (`url_citation` ...)."""
    logprobs: dict[str, Any] | None = None
    """In OpenAI's form: `content` and `refusal` lists."""
    finish_reason: FinishReason | None = None
    stop_sequence: str = ""
    """Which of the client's stop sequences ended it, where the vendor says."""


class Delta(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One event of a stream, or a plain answer as a whole."""

    text: str = ""
    """Everything generated, reasoning, refusals and tool arguments included: what is counted if no usage
    comes."""
    finish_reason: str | None = None
    report: UsageReport | None = None
    """Cumulative: of several reports in one stream the last one counts, they are never added up."""
    error: VendorError | None = None
    choices: int = 0
    """Choices that this event speaks of."""
    is_done: bool = False
    """The vendor's end mark. It may be missing: the end of the body ends the stream as well."""
    usage_only: bool = False
    """Nothing for the client in it but usage, or nothing at all."""
    pieces: tuple[Piece, ...] = ()
    """What a client of another dialect gets written; empty where bytes pass through."""
    result: TaskResult | None = None
    """What a call that is no chat gave."""
    searches: int = 0
    """Searches of the vendor's that this event tells of: what is counted if no usage comes."""

    @property
    def usage(self) -> TokenUsage | None:
        """The classes of the report, where there is one that can be believed."""
        return None if self.report is None else self.report.usage


def said(*pieces: Piece, report: UsageReport | None = None) -> Delta:
    """Give the delta of pieces: what is counted and what is passed on are the same words."""
    finish: str | None = None
    words: list[str] = []
    for piece in pieces:
        words += (piece.reasoning, piece.text, piece.refusal)
        if piece.tool is not None:
            words += (piece.tool.name, piece.tool.arguments)
        finish = piece.finish_reason or finish
    return Delta(
        text="".join(words),
        finish_reason=finish,
        report=report,
        choices=len({piece.choice for piece in pieces}),
        usage_only=not pieces,
        pieces=pieces,
    )


class UsageTally:
    """Keeps the last usage report of a stream: reports are cumulative, and a broken one replaces nothing."""

    __slots__ = ("begun", "flags", "last", "reports")

    def __init__(self) -> None:
        """Start with no report."""
        self.last: UsageReport | None = None
        self.begun: TokenUsage | None = None
        """What a partial report said was read: good for a stream that breaks off before its last report."""
        self.flags: tuple[str, ...] = ()
        self.reports = 0

    def add(self, report: UsageReport | None) -> None:
        """Take what a delta reported, if anything."""
        if report is None:
            return
        self.flags = tuple(dict.fromkeys((*self.flags, *report.flags)))
        usage = report.usage
        if usage is None:
            return
        if report.is_partial:
            self.begun = usage
            return
        if report.lacks_input:
            if self.begun is None:
                # Half a report: taken for a whole one it would say that nothing was read.
                self.flags = tuple(dict.fromkeys((*self.flags, "usage_incomplete")))
                return
            report = msgspec.structs.replace(report, usage=_with_input(usage, self.begun), lacks_input=False)
        elif self.begun is not None and usage.input_total < self.begun.input_total:
            # Counts are cumulative: an end that says less than the beginning leaves out what was cached, or all of it.
            self.flags = tuple(dict.fromkeys((*self.flags, "input_shrinks")))
            whole = _with_input(usage, self.begun)
            report = msgspec.structs.replace(report, usage=whole, flags=(*report.flags, "input_shrinks"))
        elif self.begun is not None:
            report = msgspec.structs.replace(report, usage=_with_hours(usage, self.begun))
        if self.last is not None and report.usage is not None and self.last.usage is not None:
            # Each part of an answer tells of its own searches, or of all so far: the most that was told holds.
            most = max(report.usage.searches, self.last.usage.searches)
            if most > report.usage.searches:
                report = msgspec.structs.replace(report, usage=msgspec.structs.replace(report.usage, searches=most))
        self.reports += 1
        self.last = report


def _with_hours(usage: TokenUsage, begun: TokenUsage) -> TokenUsage:
    """Keep what the beginning says is cached for an hour: an end repeats how much was written, but not for how long."""
    hour = min(begun.cache_write_1h_tokens, usage.cache_writes)
    if hour <= usage.cache_write_1h_tokens:
        return usage
    return msgspec.structs.replace(usage, cache_write_tokens=usage.cache_writes - hour, cache_write_1h_tokens=hour)


def _with_input(usage: TokenUsage, begun: TokenUsage) -> TokenUsage:
    return msgspec.structs.replace(usage, **{name: getattr(begun, name) for name in INPUT_CLASSES})
