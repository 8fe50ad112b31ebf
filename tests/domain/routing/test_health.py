"""Health: the table of effective weights, and every history against a model that anybody can follow."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.relay.vendor_errors import VendorError
from domain.routing.health import (
    PAUSE_MILLISECONDS,
    PAUSE_MILLISECONDS_MAX,
    SOUND,
    Health,
    Sample,
    class_of,
    evolve,
    is_news,
)

AT = 1_800_000_000_000


def fold(*classes: Any, health: Health = SOUND, is_probe: bool = False) -> Health:
    for each in classes:
        health = evolve(health, Sample(class_=each, at_milliseconds=AT, is_probe=is_probe))
    return health


def test_two_channels_of_70_and_30_the_first_times_out_three_times_and_recovers() -> None:
    weights = []
    first, second = SOUND, SOUND
    for each in ("timeout", "timeout", "timeout", "success", "success", "success", "success", "success", "success"):
        first = fold(each, health=first)
        second = fold("success", health=second)
        weights.append((first.weight(70, AT), second.weight(30, AT)))

    assert weights == [
        (70, 30),
        (70, 30),
        (0, 30),
        (14, 30),
        (28, 30),
        (42, 30),
        (56, 30),
        (70, 30),
        (70, 30),
    ]
    assert first is SOUND


def test_a_success_between_timeouts_breaks_the_row() -> None:
    assert fold("timeout", "timeout", "success", "timeout", "timeout").percent == 100


def test_a_fault_on_the_way_back_begins_it_again() -> None:
    back = fold("timeout", "timeout", "timeout", "success", "success")

    assert back.percent == 40
    assert fold("server", health=back).percent == 0
    assert fold("server", "success", health=back).percent == 20


def test_classes_of_faults_are_counted_apart() -> None:
    assert fold("timeout", "connect", "server", "timeout", "connect").percent == 100
    assert fold("timeout", "connect", "timeout", "server", "timeout").cause == "timeout"
    assert fold("connect", "connect", "connect").cause == "connect"
    assert fold(*["server"] * 4).percent == 100
    assert fold(*["server"] * 5).cause == "server"


@pytest.mark.parametrize("refusal", ["auth", "quota"])
def test_a_refused_key_is_out_until_a_probe_succeeds(refusal: str) -> None:
    out = fold(refusal)

    assert out.why_out(AT) == refusal
    assert fold(*["success"] * 9, health=out).why_out(AT) == refusal, "what was under way proves nothing"
    assert fold("success", health=out, is_probe=True) is SOUND


@pytest.mark.parametrize("own", ["client", "content"])
def test_what_a_client_does_never_counts_against_a_channel(own: str) -> None:
    two = fold("timeout", "timeout")

    assert fold(*[own] * 50, health=two) == two
    assert fold(own) is SOUND


def test_a_429_pauses_for_as_long_as_the_vendor_says_and_no_longer() -> None:
    paused = evolve(SOUND, Sample(class_="rate_limit", at_milliseconds=AT, retry_after_milliseconds=7_000))

    assert (paused.weight(70, AT + 6_999), paused.weight(70, AT + 7_000)) == (0, 70)
    assert evolve(SOUND, Sample(class_="rate_limit", at_milliseconds=AT)).paused_until_milliseconds == (
        AT + PAUSE_MILLISECONDS
    )
    forever = Sample(class_="rate_limit", at_milliseconds=AT, retry_after_milliseconds=10**9)
    assert evolve(SOUND, forever).paused_until_milliseconds == AT + PAUSE_MILLISECONDS_MAX


def test_a_small_weight_on_its_way_back_is_still_tried() -> None:
    assert Health(percent=20).weight(1, AT) == 1
    assert Health(percent=20).weight(0, AT) == 0


@pytest.mark.parametrize(
    ("kind", "says"),
    [("protocol", "server"), ("overloaded", "server"), ("not_found", "client"), ("bad_request", "client")],
)
def test_what_a_vendors_error_says(kind: Any, says: str) -> None:
    assert class_of(VendorError(kind).kind) == says


class Model:
    """The rules in other words: lists of what happened since the last success."""

    def __init__(self) -> None:
        self.since_success: list[str] = []
        self.steps: int | None = None
        """Successes in a row since the fall; None while standing."""
        self.key_refused: str | None = None
        self.paused_until = 0

    def happens(self, sample: Sample) -> None:
        kind = sample.class_
        if kind == "success":
            self.since_success.clear()
            if sample.is_probe:
                self.key_refused = None
                self.paused_until = 0
            if self.steps is not None:
                self.steps += 1
                if self.steps == 5:
                    self.steps = None
        elif kind in {"auth", "quota"}:
            self.key_refused = kind
        elif kind == "rate_limit":
            self.pause(sample, 1000)
        elif kind in {"timeout", "connect", "server"}:
            self.since_success.append(kind)
            enough = 5 if kind == "server" else 3
            if self.steps is not None or self.since_success.count(kind) >= enough:
                self.steps = 0
            if sample.retry_after_milliseconds is not None:
                self.pause(sample, 0)

    def pause(self, sample: Sample, default: int) -> None:
        asked = default if sample.retry_after_milliseconds is None else sample.retry_after_milliseconds
        self.paused_until = max(self.paused_until, sample.at_milliseconds + min(asked, 300_000))

    def weight(self, configured: int, now: int) -> int:
        if self.key_refused or self.steps == 0 or now < self.paused_until or not configured:
            return 0
        return configured if self.steps is None else max(1, configured * 20 * self.steps // 100)


samples = st.builds(
    Sample,
    class_=st.sampled_from(
        [
            "success",
            "success",
            "timeout",
            "timeout",
            "connect",
            "server",
            "rate_limit",
            "auth",
            "quota",
            "content",
            "client",
        ]
    ),
    at_milliseconds=st.just(0),
    is_probe=st.booleans(),
    retry_after_milliseconds=st.none() | st.integers(0, 400_000),
)


@given(st.lists(st.tuples(samples, st.integers(0, 200_000)), max_size=40), st.integers(0, 1000))
def test_every_history_leads_to_the_state_that_the_model_predicts(
    history: list[tuple[Sample, int]], configured: int
) -> None:
    model, health, now = Model(), SOUND, AT
    for drawn, pause in history:
        now += pause
        sample = Sample(
            class_=drawn.class_,
            at_milliseconds=now,
            is_probe=drawn.is_probe,
            retry_after_milliseconds=drawn.retry_after_milliseconds,
        )
        health = evolve(health, sample)
        model.happens(sample)

        for later in (now, now + 150_000, now + 300_000):
            assert health.weight(configured, later) == model.weight(configured, later)


@given(st.lists(samples, max_size=30))
def test_a_standing_channel_needs_no_more_than_five_successes_of_probes_to_be_whole(history: list[Sample]) -> None:
    health = SOUND
    for sample in history:
        health = evolve(health, sample)

    assert fold(*["success"] * 5, health=health, is_probe=True) is SOUND


def test_other_nodes_hear_of_what_changes_the_choice_and_of_nothing_else() -> None:
    assert not is_news(SOUND, fold("timeout", "timeout"), AT)
    assert is_news(fold("timeout", "timeout"), fold("timeout", "timeout", "timeout"), AT)
    assert is_news(SOUND, fold("auth"), AT)
    paused = fold("rate_limit")
    assert is_news(SOUND, paused, AT)
    assert not is_news(paused, Health(paused_until_milliseconds=AT + PAUSE_MILLISECONDS + 100), AT)
    assert not is_news(paused, SOUND, AT)
