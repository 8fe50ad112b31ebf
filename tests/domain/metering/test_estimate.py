import base64
import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.metering.estimate import CONTEXT_TOKENS_UNKNOWN, Estimate, choices_requested, estimate_prompt
from tests.domain.metering.test_images import data_url, jpeg


def words(text: str, _model: str) -> int:
    """Stand in for a tokenizer: one token a word."""
    return len(text.split())


def chat(*parts: Any, **fields: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": list(parts)}], **fields}


def estimate(body: dict[str, Any], **options: Any) -> Estimate:
    return estimate_prompt(body, words, **options)


EMPTY = estimate(chat()).prompt_tokens
"""3 for the message, 1 for its role, 3 at the end."""


def test_a_chat_costs_its_text_and_three_per_message_one_per_name_and_three_at_the_end() -> None:
    body = {
        "model": "gpt-4o",
        "messages": [
            {"role": "system", "content": "be brief"},
            {"role": "user", "name": "ann", "content": "what is the time"},
        ],
    }

    # Roles are a token each; 3 + 1 + 2; 3 + 1 + (1 + 1) + 4; 3 at the end.
    assert estimate(body).prompt_tokens == 6 + 10 + 3
    assert estimate(body).prompt_tokens_upper > estimate(body).prompt_tokens


def test_tools_functions_and_schemas_count_as_the_text_they_are() -> None:
    tool = {"type": "function", "function": {"name": "f", "description": "one two three four"}}
    schema = {"type": "json_schema", "json_schema": {"name": "x", "description": "one two"}}

    assert estimate(chat(tools=[tool])).prompt_tokens == EMPTY + 4
    assert estimate(chat(functions=[tool["function"]])).prompt_tokens == EMPTY + 4
    assert estimate(chat(response_format=schema)).prompt_tokens == EMPTY + 2
    assert estimate(chat(response_format={"type": "text"})).prompt_tokens == EMPTY


def test_what_an_assistant_said_counts_whatever_it_said_it_in() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": '{"a": "b c"}'}}
    body = {
        "messages": [
            {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None},
            {"role": "assistant", "content": [{"type": "refusal", "refusal": "no and no"}]},
            {"role": "assistant", "content": "x", "reasoning_content": "think hard"},
        ]
    }

    # Roles are a token each: 3 + 1 + 3; 3 + 1 + 3; 3 + 1 + 1 + 2; 3 at the end.
    assert estimate(body).prompt_tokens == 7 + 7 + 7 + 3


def test_an_image_is_never_counted_as_text() -> None:
    url = data_url(jpeg(1024, 1024) + b"x" * 3_000_000, "image/jpeg")

    found = estimate(chat({"type": "image_url", "image_url": {"url": url, "detail": "high"}}))

    assert found.image_tokens == 765
    assert found.prompt_tokens == EMPTY + 765


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "image_url", "image_url": "https://example.com/a.png"},
        {"type": "input_image", "image_url": "https://example.com/a.png", "detail": "auto"},
        {"type": "image_url", "image_url": {"file_id": "f"}},
        {"type": "image", "source": {"data": "x y z"}},
    ],
)
def test_an_image_that_cannot_be_measured_counts_as_the_largest(part: dict[str, Any]) -> None:
    assert estimate(chat(part)).image_tokens == 1445


def test_images_are_held_for_twice_where_the_vendor_publishes_no_rule() -> None:
    part = {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}
    empty = estimate(chat(), known_tokenizer=False).prompt_tokens_upper

    assert estimate(chat(part), known_tokenizer=False, model="x").prompt_tokens_upper == empty + 2 * 1445
    claude = estimate(chat(part), known_tokenizer=False, model="claude-x")
    assert claude.prompt_tokens_upper == empty + 4784


def wav(seconds: int, bytes_per_second: int = 32_000, samples: int = 16_000, codec: int = 1) -> str:
    head = b"RIFF\x00\x00\x00\x00WAVEfmt " + struct.pack("<IHHIIHH", 16, codec, 1, samples, bytes_per_second, 2, 16)
    return base64.b64encode(head + b"\x00" * (seconds * 32_000)).decode()


def sound(data: str) -> dict[str, Any]:
    return {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}


def test_plain_sound_counts_ten_tokens_a_second() -> None:
    found = estimate(chat(sound(wav(60))))

    assert found.has_audio
    assert 600 <= found.audio_tokens <= 601
    assert found.prompt_tokens == EMPTY + found.audio_tokens


def test_a_rate_that_contradicts_itself_is_read_the_longer_way() -> None:
    honest, lying = estimate(chat(sound(wav(6)))), estimate(chat(sound(wav(6, bytes_per_second=2**31))))

    assert lying.prompt_tokens_upper == honest.prompt_tokens_upper


def test_packed_sound_is_held_for_at_the_lowest_rate_there_is() -> None:
    packed = estimate(chat(sound(base64.b64encode(b"\xff\xfb" + b"\x00" * 100_000).decode())))

    assert packed.prompt_tokens_upper >= 1000
    assert packed.audio_tokens < 100


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "content": [{"type": "file", "file": {"file_id": "file-1"}}]},
        {"role": "user", "content": [{"type": "input_audio", "input_audio": {"id": "a"}}]},
        {"role": "assistant", "audio": {"id": "audio_1"}},
    ],
)
def test_what_is_only_named_is_held_for_as_the_whole_context(message: dict[str, Any]) -> None:
    body = {"model": "gpt-4o", "messages": [message]}

    assert estimate(body).unmeasured
    assert estimate(body).prompt_tokens_upper == CONTEXT_TOKENS_UNKNOWN
    assert estimate(body, context_tokens_max=128_000).prompt_tokens_upper == 128_000


def test_a_file_in_the_request_is_at_most_a_token_per_byte() -> None:
    data = "data:application/pdf;base64," + base64.b64encode(b"%PDF" * 1000).decode()
    found = estimate(chat({"type": "file", "file": {"file_data": data, "filename": "a.pdf"}}))

    assert found.prompt_tokens == EMPTY + 501
    assert found.prompt_tokens_upper >= 4000
    assert not found.unmeasured


@pytest.mark.parametrize(
    ("prompt", "tokens"),
    [
        ("one two three", 3),
        (["one two", "three"], 3),
        ([1, 2, 3, 4], 4),
        ([[1, 2], [3, 4, 5]], 5),
        ([], 0),
        ("", 0),
        (None, 0),
        ([{"type": "text", "text": "one two"}], 2),
    ],
)
def test_prompts_and_inputs_count_by_text_or_by_token_ids(prompt: Any, tokens: int) -> None:
    assert estimate({"model": "gpt-4o", "prompt": prompt}).prompt_tokens == tokens
    assert estimate({"model": "gpt-4o", "input": prompt}).prompt_tokens == tokens


def test_the_model_that_answers_decides_how_tokens_are_counted() -> None:
    seen = []

    def spy(text: str, model: str) -> int:
        seen.append(model)
        return len(text)

    estimate_prompt({"model": "alias", "prompt": "x"}, spy, model="gpt-4o")
    estimate_prompt({"model": "asked", "prompt": "x"}, spy)

    assert seen == ["gpt-4o", "asked"]


def test_a_foreign_tokenizer_is_bounded_by_twice_the_count_and_by_the_bytes() -> None:
    assert estimate({"prompt": "abcdef " * 100}, known_tokenizer=False).prompt_tokens_upper == 200
    assert estimate({"prompt": "a b c d"}, known_tokenizer=False).prompt_tokens_upper == 7


def test_nothing_is_held_beyond_the_context() -> None:
    found = estimate({"prompt": "word " * 5000}, context_tokens_max=4096)

    assert (found.prompt_tokens, found.prompt_tokens_upper) == (4096, 4096)


@pytest.mark.parametrize(
    ("body", "choices"),
    [
        ({}, 1),
        ({"n": 3}, 3),
        ({"n": 2, "best_of": 5}, 5),
        ({"n": None}, 1),
        ({"n": "7"}, 1),
        ({"n": -4}, 1),
        ({"prompt": ["a", "b"], "n": 2}, 4),
        ({"prompt": [1, 2, 3]}, 1),
        ({"prompt": [[1], [2], [3]]}, 3),
        ({"prompt": []}, 1),
    ],
)
def test_every_answer_asked_for_is_counted(body: dict[str, Any], choices: int) -> None:
    assert choices_requested(body) == choices


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
types = st.sampled_from(["text", "image_url", "input_audio", "file", "refusal", "mystery"])
parts = st.fixed_dictionaries(
    {"type": types}, optional={"text": json_values, "image_url": json_values, "input_audio": json_values}
)
messages = json_values | st.fixed_dictionaries(
    {"role": json_values, "content": json_values | st.lists(parts | json_values, max_size=4)},
    optional={"name": json_values, "audio": json_values, "tool_calls": json_values},
)


@given(
    content=st.lists(messages, max_size=4) | json_values,
    tools=json_values,
    known=st.booleans(),
    context=st.none() | st.integers(1, 1000),
)
def test_no_body_upsets_the_estimate_and_the_bound_is_above_it(
    *, content: Any, tools: Any, known: bool, context: int | None
) -> None:
    body = {"model": "gpt-4o", "messages": content, "tools": tools, "response_format": tools}

    found = estimate(body, known_tokenizer=known, context_tokens_max=context)

    assert 0 <= found.prompt_tokens <= found.prompt_tokens_upper
    assert found.image_tokens + found.audio_tokens >= 0
    assert context is None or found.prompt_tokens_upper <= context


@given(json_values)
def test_no_prompt_upsets_the_estimate(prompt: Any) -> None:
    assert estimate({"prompt": prompt, "input": prompt}).prompt_tokens >= 0
