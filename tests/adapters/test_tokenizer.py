import asyncio
import base64
import threading
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters import tokenizer as module
from adapters.tokenizer import OFF_LOOP_CHARACTERS, SLICE_CHARACTERS, Tokenizer, encoding_for, is_known, tokens_bound

TOKENIZER = Tokenizer()


@pytest.mark.parametrize(
    ("text", "model", "tokens"),
    [
        # Counts that OpenAI's own tokenizer gives.
        ("hello world", "gpt-4o", 2),
        ("hello world", "gpt-4", 2),
        ("tiktoken is great!", "gpt-4", 6),
        ("antidisestablishmentarianism", "gpt-4", 6),
        ("antidisestablishmentarianism", "gpt-4o", 6),
        ("お誕生日おめでとう", "gpt-4", 9),
        ("お誕生日おめでとう", "gpt-4o", 8),
        ("", "gpt-4o", 0),
    ],
)
def test_counts_are_those_of_the_vendor(text: str, model: str, tokens: int) -> None:
    assert TOKENIZER.count(text, model) == tokens
    assert TOKENIZER.count(text, model) == tokens


@pytest.mark.parametrize(
    ("model", "encoding"),
    [
        ("gpt-4o-mini", "o200k_base"),
        ("openai/gpt-4o", "o200k_base"),
        ("gpt-5.2", "o200k_base"),
        ("o3-mini", "o200k_base"),
        ("gpt-4.1", "o200k_base"),
        ("claude-sonnet", "o200k_base"),
        ("gpt-4", "cl100k_base"),
        ("gpt-4-turbo-2024-04-09", "cl100k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
        ("text-embedding-3-small", "cl100k_base"),
        ("GPT-4", "cl100k_base"),
    ],
)
def test_each_family_of_models_has_its_vocabulary(model: str, encoding: str) -> None:
    assert encoding_for(model) == encoding


def test_only_the_makers_models_count_as_known() -> None:
    assert is_known("gpt-4o")
    assert is_known("gpt-4")
    assert is_known("demo-chat")
    assert not is_known("claude-sonnet-4-5")
    assert not is_known("llama-3.3-70b")


@given(st.text(max_size=300))
def test_no_text_has_more_tokens_than_bytes(text: str) -> None:
    assert TOKENIZER.count(text, "gpt-4o") <= tokens_bound(text)


def test_a_lone_surrogate_is_counted_rather_than_refused() -> None:
    assert TOKENIZER.count("a\ud800b", "gpt-4o") > 0
    assert tokens_bound("\ud800") == 3


def test_a_long_text_counts_as_much_in_slices_as_in_one() -> None:
    text = "The quick brown fox jumps over the lazy dog, 12 times.\n" * 2_000
    assert TOKENIZER._encodings is not None

    whole = TOKENIZER._encodings["o200k_base"].count(text)

    assert abs(TOKENIZER.count(text, "gpt-4o") - whole) <= len(text) // SLICE_CHARACTERS + 1


@pytest.mark.parametrize("text", ["a" * 50_000, " " * 50_000, "\n" * 50_000, "🙂" * 20_000, "界" * 50_000])
def test_text_without_a_place_to_cut_is_counted_all_the_same(text: str) -> None:
    assert 0 < TOKENIZER.count(text, "gpt-4o") <= tokens_bound(text)


async def test_a_large_text_is_counted_in_another_thread_and_a_small_one_here(monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    counted = Tokenizer.count

    def spy(self: Tokenizer, text: str, model: str) -> int:
        threads.append(threading.current_thread())
        return counted(self, text, model)

    monkeypatch.setattr(Tokenizer, "count", spy)

    small = await TOKENIZER.count_off_loop("word " * 10, "gpt-4o")
    large = await TOKENIZER.count_off_loop("word " * OFF_LOOP_CHARACTERS, "gpt-4o")

    assert small < large
    assert [thread is threading.main_thread() for thread in threads] == [True, False]


async def test_the_event_loop_turns_while_a_large_text_is_counted() -> None:
    text = base64.b64encode(bytes(range(256)) * 8_000).decode()
    counting = asyncio.create_task(TOKENIZER.count_off_loop(text, "gpt-4o"))
    turns = 0

    while not counting.done():
        await asyncio.sleep(0)
        turns += 1

    # Counted under one hold of the interpreter's lock, the whole text would let the loop turn a few times only.
    assert turns > len(text) // SLICE_CHARACTERS // 4


async def test_a_large_body_is_estimated_off_the_loop_with_the_same_result() -> None:
    body: dict[str, Any] = {"model": "alias", "messages": [{"role": "user", "content": "word " * 5_000}]}

    here = await TOKENIZER.estimate(body, 10, model="gpt-4o", context_tokens_max=128_000)
    there = await TOKENIZER.estimate(body, 25_000, model="gpt-4o", context_tokens_max=128_000)

    assert here == there
    assert 5_000 <= here.prompt_tokens <= 5_020


async def test_the_bound_of_a_foreign_model_is_wider() -> None:
    body: dict[str, Any] = {"messages": [{"role": "user", "content": "The quick brown fox. " * 50}]}

    own = await TOKENIZER.estimate(body, 1_100, model="gpt-4o")
    foreign = await TOKENIZER.estimate(body, 1_100, model="claude-sonnet-4-5")

    assert own.prompt_tokens == foreign.prompt_tokens
    assert own.prompt_tokens_upper < foreign.prompt_tokens_upper


def test_what_is_remembered_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CACHE_ENTRIES_MAX", 10)
    small = Tokenizer()

    for number in range(100):
        small.count(f"text {number}", "gpt-4o")
    small.count("x" * 5_000, "gpt-4o")

    assert len(small._cache) <= 10
    assert all(len(text) < 5_000 for _, text in small._cache)


def test_loading_twice_loads_once() -> None:
    fresh = Tokenizer()
    fresh.load()
    encodings = fresh._encodings

    fresh.load()

    assert fresh._encodings is encodings
