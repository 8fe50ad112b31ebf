"""Reports of usage, whole and in two halves."""

import pytest

from domain.metering.usage import TokenUsage
from domain.relay.delta import UsageReport, UsageTally

BEGUN = UsageReport(TokenUsage(input_tokens=5, cached_input_tokens=3, output_tokens=1), is_partial=True)
ENDED = UsageReport(TokenUsage(output_tokens=9, reasoning_tokens=2), lacks_input=True)


def tally(*reports: UsageReport | None) -> UsageTally:
    kept = UsageTally()
    for report in reports:
        kept.add(report)
    return kept


def test_last_of_several_reports_counts_and_a_broken_one_replaces_nothing() -> None:
    first, last = UsageReport(TokenUsage(output_tokens=1)), UsageReport(TokenUsage(output_tokens=2))

    kept = tally(first, None, last, UsageReport(None, flags=("odd",)))

    assert kept.last == last
    assert (kept.reports, kept.flags) == (2, ("odd",))


def test_what_is_said_before_the_answer_is_no_report_of_it() -> None:
    kept = tally(BEGUN)

    assert kept.last is None
    assert kept.reports == 0
    assert kept.begun == BEGUN.usage


def test_two_halves_are_one_report() -> None:
    kept = tally(BEGUN, ENDED)

    assert kept.last == UsageReport(
        TokenUsage(input_tokens=5, cached_input_tokens=3, output_tokens=9, reasoning_tokens=2)
    )
    assert kept.flags == ()


def test_whole_report_needs_no_other_half() -> None:
    whole = UsageReport(TokenUsage(input_tokens=8, output_tokens=4))

    assert tally(BEGUN, whole).last == whole


@pytest.mark.parametrize("read", [0, 5, 7], ids=["nothing", "without what was cached", "less"])
def test_counts_are_cumulative_so_that_an_end_which_read_less_than_the_beginning_leaves_something_out(
    read: int,
) -> None:
    ended = UsageReport(TokenUsage(input_tokens=read, output_tokens=4))

    assert tally(BEGUN, ended).last == UsageReport(
        TokenUsage(input_tokens=5, cached_input_tokens=3, output_tokens=4), flags=("input_shrinks",)
    )


def test_second_half_alone_does_not_say_that_nothing_was_read() -> None:
    kept = tally(ENDED)

    assert kept.last is None
    assert kept.flags == ("usage_incomplete",)
