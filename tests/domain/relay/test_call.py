import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.relay.call import InvalidRequestError, TextSurface, parse_call


def _chat(**members: Any) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], **members}).encode()


def _refusal(surface: TextSurface, body: bytes) -> InvalidRequestError:
    with pytest.raises(InvalidRequestError) as caught:
        parse_call(surface, body)
    return caught.value


def test_plain_chat_has_the_contracts_defaults() -> None:
    call = parse_call("chat", _chat())

    assert (call.model, call.stream, call.include_usage, call.output_tokens_max, call.choices_max) == (
        "m",
        False,
        False,
        None,
        1,
    )
    assert not call.has_tools
    assert not call.has_images


def test_the_newer_limit_wins() -> None:
    assert parse_call("chat", _chat(max_tokens=9, max_completion_tokens=5)).output_tokens_max == 5
    assert parse_call("chat", _chat(max_tokens=9, max_completion_tokens=None)).output_tokens_max == 9
    assert parse_call("chat", _chat(max_completion_tokens=0, max_tokens=9)).output_tokens_max == 0


def test_of_a_member_given_twice_the_last_counts() -> None:
    body = _chat(max_tokens=1)[:-1] + b',"max_tokens":7}'

    assert parse_call("chat", body).output_tokens_max == 7


def test_nulls_stand_for_nothing_given() -> None:
    nothing = dict.fromkeys(("stream", "stream_options", "max_tokens", "n", "tools", "user"))

    assert parse_call("chat", _chat(**nothing)).choices_max == 1


def test_body_is_kept_as_it_came() -> None:
    body = b'  {"model":"m" ,"messages":[{}],"zz":1.50}\n'

    assert parse_call("chat", body).body is body


@pytest.mark.parametrize(
    ("content", "want"),
    [
        ([{"type": "text", "text": "x"}, {"type": "image_url", "image_url": {"url": "data:"}}], True),
        ([{"type": "text", "text": '"image_url"'}], False),
        ("image_url", False),
    ],
)
def test_images_are_noticed(content: object, want: bool) -> None:  # noqa: FBT001 - a table
    assert parse_call("chat", _chat(messages=[{"role": "user", "content": content}])).has_images is want


def test_image_written_with_escapes_is_noticed() -> None:
    body = _chat(messages=[{"content": [{"type": "image_url"}]}]).replace(b"image_url", b"image\\u005furl")

    assert parse_call("chat", body).has_images


@pytest.mark.parametrize("name", ["tools", "functions"])
def test_tools_are_noticed(name: str) -> None:
    assert parse_call("chat", _chat(**{name: [{}]})).has_tools
    assert not parse_call("chat", _chat(**{name: []})).has_tools


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [("a", 1), (["a", "b", "c"], 3), ([1, 2, 3], 1), ([[1, 2], [3]], 2)],
)
def test_every_prompt_and_every_candidate_is_a_choice(prompt: object, prompts: int) -> None:
    body = json.dumps({"model": "m", "prompt": prompt, "n": 2, "best_of": 5}).encode()

    assert parse_call("completions", body).choices_max == 5 * prompts


@pytest.mark.parametrize("given_input", ["a", ["a", "b"], [1, 2], [[1], [2]]])
def test_embeddings_take_every_form_of_input(given_input: object) -> None:
    call = parse_call("embeddings", json.dumps({"model": "e", "input": given_input}).encode())

    assert (call.surface, call.output_tokens_max) == ("embeddings", None)


@pytest.mark.parametrize(
    ("surface", "body", "param", "reason"),
    [
        ("chat", b'{"messages":[{}]}', "model", "missing_required_parameter"),
        ("chat", b'{"model":"m"}', "messages", "missing_required_parameter"),
        ("completions", b'{"model":"m"}', "prompt", "missing_required_parameter"),
        ("embeddings", b'{"model":"m"}', "input", "missing_required_parameter"),
        ("chat", _chat(stream="yes"), "stream", "invalid_type"),
        ("chat", _chat(max_tokens="5"), "max_tokens", "invalid_type"),
        ("chat", _chat(max_tokens=5.5), "max_tokens", "invalid_type"),
        ("chat", _chat(max_tokens=True), "max_tokens", "invalid_type"),
        ("chat", _chat(max_tokens=-1), "max_tokens", "invalid_value"),
        ("chat", _chat(max_completion_tokens=2**31), "max_completion_tokens", "invalid_value"),
        ("chat", _chat(n=0), "n", "invalid_value"),
        ("chat", _chat(n=129), "n", "invalid_value"),
        ("chat", _chat(messages=[]), "messages", "invalid_value"),
        ("chat", _chat(messages="Hi"), "messages", "invalid_type"),
        ("chat", _chat(model=5), "model", "invalid_type"),
        ("chat", _chat(model=""), "model", "invalid_value"),
        ("chat", _chat(stream_options={"include_usage": 1}), "stream_options.include_usage", "invalid_type"),
        ("embeddings", b'{"model":"m","input":""}', "input", "invalid_value"),
        ("embeddings", b'{"model":"m","input":[]}', "input", "invalid_value"),
    ],
)
def test_what_cannot_be_priced_is_refused_by_name(surface: TextSurface, body: bytes, param: str, reason: str) -> None:
    refusal = _refusal(surface, body)

    assert (refusal.param, refusal.reason) == (param, reason)
    assert param in refusal.message


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        _chat() + b"x",
        _chat(max_tokens=float("nan")),
        _chat(max_tokens=float("inf")),
        _chat()[:-1] + b',"max_tokens":' + b"9" * 5000 + b"}",
        _chat()[:-1] + b',"max_tokens":1e999}',
        _chat()[:-1] + b',"x":' + b"[" * 200_000 + b"]" * 200_000 + b"}",
        _chat()[:-1] + b',"x":' + b'{"a":' * 200_000 + b"1" + b"}" * 200_000 + b"}",
    ],
    ids=lambda body: repr(body[:20]),
)
def test_hostile_bodies_are_refused_in_words(body: bytes) -> None:
    assert _refusal("chat", body).message


@given(st.sampled_from(["chat", "completions", "embeddings"]), st.binary())
def test_any_bytes_are_parsed_or_refused(surface: TextSurface, body: bytes) -> None:
    try:
        parse_call(surface, body)
    except InvalidRequestError as refusal:
        assert refusal.message  # noqa: PT017 - either outcome is right, an exception of another class is not
