"""What one piece of a vendor's answer says, in no vendor's words."""

import msgspec

from domain.metering.usage import TokenUsage
from domain.relay.vendor_errors import VendorError


class UsageReport(msgspec.Struct, frozen=True, gc=False):
    """What a vendor says a call used."""

    usage: TokenUsage | None
    """The report as a partition into classes; None if its numbers cannot be believed, and the gateway's own
    count holds. An explicit zero is a report of zero."""
    vendor_total: int | None = None
    """The vendor's own total, as it was sent, to be compared with the classes' sum."""
    flags: tuple[str, ...] = ()
    """What was odd about the report; stored with the capture. Empty for a clean one."""


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

    @property
    def usage(self) -> TokenUsage | None:
        """The classes of the report, where there is one that can be believed."""
        return None if self.report is None else self.report.usage


class UsageTally:
    """Keeps the last usage report of a stream: reports are cumulative, and a broken one replaces nothing."""

    __slots__ = ("flags", "last", "reports")

    def __init__(self) -> None:
        """Start with no report."""
        self.last: UsageReport | None = None
        self.flags: tuple[str, ...] = ()
        self.reports = 0

    def add(self, report: UsageReport | None) -> None:
        """Take what a delta reported, if anything."""
        if report is None:
            return
        self.flags = tuple(dict.fromkeys((*self.flags, *report.flags)))
        if report.usage is not None:
            self.reports += 1
            self.last = report
