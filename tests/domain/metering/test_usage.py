from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metering.usage import (
    COUNT_MAX,
    INPUT_CLASSES,
    OUTPUT_CLASSES,
    TOKEN_CLASSES,
    CountedMeter,
    TokenCounts,
    TokenUsage,
    UsageError,
    partition_openai,
)

claims = st.integers(-(10**4), 10**5) | st.sampled_from([COUNT_MAX, COUNT_MAX + 1, 10**30])


DETAILS = ("cached", "cache_write", "cache_write_1h", "audio_in", "image_in", "reasoning", "audio_out", "image_out")


@given(claims, claims, st.fixed_dictionaries({}, optional=dict.fromkeys(DETAILS, claims)))
def test_classes_are_never_negative_and_sum_to_the_vendor_totals(
    prompt: int, completion: int, details: dict[str, int]
) -> None:
    usage, _ = partition_openai(prompt_tokens=prompt, completion_tokens=completion, **details)

    assert all(getattr(usage, name) >= 0 for name in (*INPUT_CLASSES, *OUTPUT_CLASSES))
    assert usage.input_total == min(max(prompt, 0), COUNT_MAX)
    assert usage.output_total == min(max(completion, 0), COUNT_MAX)
    assert usage.total == usage.input_total + usage.output_total


def test_an_honest_report_is_taken_apart_without_force() -> None:
    usage, clamped = partition_openai(
        prompt_tokens=100,
        completion_tokens=50,
        cached=60,
        cache_write=5,
        cache_write_1h=3,
        audio_in=10,
        reasoning=20,
        audio_out=8,
    )

    assert not clamped
    assert usage == TokenUsage(
        input_tokens=22,
        cached_input_tokens=60,
        cache_write_tokens=5,
        cache_write_1h_tokens=3,
        audio_input_tokens=10,
        output_tokens=22,
        reasoning_tokens=20,
        audio_output_tokens=8,
    )


def test_every_class_of_tokens_is_a_quantity_of_a_usage_and_adds_to_its_total() -> None:
    assert TokenCounts.__struct_fields__ == TOKEN_CLASSES
    assert {name: msgspec.convert({name: 5}, TokenUsage).total for name in TOKEN_CLASSES} == dict.fromkeys(
        TOKEN_CLASSES, 5
    )
    for name in (*TOKEN_CLASSES, *get_args(CountedMeter)):
        with pytest.raises(UsageError):
            msgspec.structs.replace(TokenUsage(), **{name: -1})


def test_an_explicit_zero_is_zero() -> None:
    usage, clamped = partition_openai(prompt_tokens=0, completion_tokens=0)

    assert (usage.total, clamped) == (0, False)


@pytest.mark.parametrize(
    ("report", "classes"),
    [
        ({"prompt_tokens": 10, "completion_tokens": 0, "cached": 11}, {"cached_input_tokens": 10}),
        ({"prompt_tokens": 10, "completion_tokens": 0, "cached": -1}, {"input_tokens": 10}),
        (
            {"prompt_tokens": 10, "completion_tokens": 0, "cached": 7, "audio_in": 7},
            {"cached_input_tokens": 7, "audio_input_tokens": 3},
        ),
        ({"prompt_tokens": 0, "completion_tokens": 5, "reasoning": 9}, {"reasoning_tokens": 5}),
        ({"prompt_tokens": -3, "completion_tokens": 5}, {"output_tokens": 5}),
        ({"prompt_tokens": 10**30, "completion_tokens": 0}, {"input_tokens": COUNT_MAX}),
    ],
    ids=[
        "cached above total",
        "negative detail",
        "overlap",
        "reasoning above total",
        "negative total",
        "absurd",
    ],
)
def test_a_report_that_contradicts_itself_is_cut_to_its_totals_and_flagged(
    report: dict[str, int], classes: dict[str, int]
) -> None:
    usage, clamped = partition_openai(**report)

    assert clamped
    assert usage == msgspec.convert(classes, TokenUsage)


@pytest.mark.parametrize("quantity", [-1, COUNT_MAX + 1])
def test_a_quantity_out_of_range_is_refused(quantity: int) -> None:
    with pytest.raises(UsageError):
        TokenUsage(output_tokens=quantity)


def test_a_stored_quantity_below_zero_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.json.decode(b'{"output_tokens":-1}', type=TokenUsage)


def test_usage_survives_storage() -> None:
    usage = TokenUsage(input_tokens=3, reasoning_tokens=2, images=1, image_variant="1024x1024/hd", milliseconds=1234)

    assert msgspec.json.decode(msgspec.json.encode(usage), type=TokenUsage) == usage


def test_details_that_exceed_their_total_are_believed_in_the_order_of_the_billing_rules() -> None:
    kept = partition_openai(
        prompt_tokens=100, completion_tokens=70, cached=60, cache_write=60, reasoning=60, audio_out=60
    )
    hour = partition_openai(prompt_tokens=100, completion_tokens=0, cache_write=60, cache_write_1h=60, audio_in=60)
    seen = partition_openai(prompt_tokens=100, completion_tokens=70, cache_write=60, audio_in=60)
    drawn = partition_openai(
        prompt_tokens=100, completion_tokens=70, audio_in=60, image_in=60, audio_out=60, image_out=60
    )

    assert kept.usage == TokenUsage(
        cached_input_tokens=60, cache_write_tokens=40, reasoning_tokens=60, audio_output_tokens=10
    )
    assert hour.usage == TokenUsage(cache_write_tokens=60, cache_write_1h_tokens=40)
    assert seen.usage == TokenUsage(cache_write_tokens=60, audio_input_tokens=40, output_tokens=70)
    assert drawn.usage == TokenUsage(
        audio_input_tokens=60, image_input_tokens=40, audio_output_tokens=60, image_output_tokens=10
    )
    assert kept.clamped
    assert hour.clamped
    assert seen.clamped
    assert drawn.clamped
