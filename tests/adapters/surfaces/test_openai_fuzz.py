"""Whatever a client sends is read or refused, and whatever is read can be said to any vendor or refused by name."""

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channel_types import TYPES
from adapters.channel_types.openai_family import ROWS
from adapters.dialects.openai import OpenAIDialect
from adapters.surfaces import openai, responses
from domain.relay.call import InvalidRequestError, Surface
from domain.relay.dialect import ClientSurface, Target, UnsupportedParameterError

WORDS = (
    "role content type text image_url url input_audio data format file file_id file_data refusal tool_calls id "
    "function name arguments tool_call_id function_call reasoning_content reasoning_details signature cache_control "
    "ttl parameters strict schema json_schema detail summary encrypted_content call_id output input_text output_text"
)
VALUES = (
    "system developer user assistant tool function text image_url input_audio file refusal message function_call "
    "function_call_output reasoning input_text input_image output_text json_schema auto none required x "
    "https://x.example/a data:image/png;base64,QUJD reasoning.text reasoning.encrypted"
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-3, 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(VALUES.split())
    | st.text(max_size=4)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(WORDS.split()), inner, max_size=5),
    max_leaves=15,
)
MEMBERS = (
    "temperature top_p top_k stop seed n presence_penalty frequency_penalty logit_bias logprobs top_logprobs tools "
    "functions tool_choice function_call response_format reasoning_effort reasoning thinking modalities audio user "
    "metadata stream stream_options max_tokens max_completion_tokens parallel_tool_calls service_tier prompt input "
    "instructions text include truncation previous_response_id max_output_tokens documents query voice dimensions "
    "encoding_format size quality response_format enable_thinking x_new"
)
messages = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "developer", "user", "assistant", "tool", "function"])},
        optional=dict.fromkeys(("content", "tool_calls", "tool_call_id", "name", "reasoning_content"), values),
    ),
    min_size=1,
    max_size=3,
)
plain = st.fixed_dictionaries(
    {"model": st.just("m"), "messages": messages, "input": st.just("x") | values, "prompt": st.just("x") | values}
    | {"voice": st.just("v"), "query": st.just("q"), "documents": st.just(["a"])}
)
# Few odd members at once, so that many bodies are read to their end.
bodies = st.builds(
    lambda body, odd: body | odd, plain, st.dictionaries(st.sampled_from(MEMBERS.split()), values, max_size=2)
)
CONTRACTS: tuple[tuple[ClientSurface, Surface], ...] = (
    (openai.SURFACE, "chat"),
    (openai.SURFACE, "completions"),
    (openai.SURFACE, "embeddings"),
    (openai.SURFACE, "images"),
    (openai.SURFACE, "speech"),
    (openai.SURFACE, "moderations"),
    (openai.SURFACE, "rerank"),
    (responses.SURFACE, "chat"),
)


def _target(*, drops: bool) -> Target:
    return Target(
        base_url="https://vendor.example",
        key="k",
        model="vendor-m",
        options={"account_id": "a"},
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
        output_tokens_max=9,
        drops_unsupported=drops,
    )


@settings(max_examples=60)
@given(body=bodies, row=st.sampled_from([row.name for row in ROWS]), drops=st.booleans())
@pytest.mark.parametrize(("surface", "kind"), CONTRACTS, ids=lambda each: each if isinstance(each, str) else "")
def test_bodies_are_read_and_said_or_refused(
    surface: ClientSurface,
    kind: Surface,
    body: dict[str, Any],
    row: str,
    drops: bool,  # noqa: FBT001 - drawn
) -> None:
    dialect = TYPES[row].dialect
    assert isinstance(dialect, OpenAIDialect)
    target = _target(drops=drops)
    try:
        call = surface.parse(kind, json.dumps(body).encode())
    except InvalidRequestError:
        return
    if kind in dialect.surfaces:
        _say(lambda: dialect.encode_native(call, target).body)
    try:
        request = surface.canonical(call)
    except InvalidRequestError:
        return
    _say(lambda: dialect.encode(call, request, target).body)


def _say(write: Callable[[], bytes]) -> None:
    """Write a body: JSON, or a refusal that names what it is about."""
    try:
        body = write()
    except (InvalidRequestError, UnsupportedParameterError) as refused:
        named = refused.param
    else:
        named = json.loads(body)["model"]
    assert named


@pytest.mark.parametrize("row", [row.name for row in ROWS])
@pytest.mark.parametrize("value", [None, 5, -1.5, True, "x", [], [[]], {}, {"type": []}, {"type": "x"}, [{"type": {}}]])
def test_no_member_of_any_shape_upsets_a_vendors_quirks(row: str, value: Any) -> None:
    """The gateway reads few members of a body that passes through; each quirk must bear what stands in the others."""
    dialect = TYPES[row].dialect
    assert isinstance(dialect, OpenAIDialect)
    for name in MEMBERS.split():
        body = {"model": "m", "messages": [{"role": "user", "content": value}, value], name: value}
        try:
            call = openai.SURFACE.parse("chat", json.dumps(body).encode())
        except InvalidRequestError:
            continue
        for drops in (False, True):
            target = _target(drops=drops)
            _say(lambda call=call, target=target: dialect.encode_native(call, target).body)  # type: ignore[misc]  # bound now


@settings(max_examples=100)
@given(st.binary(max_size=100))
def test_bytes_that_are_no_body_are_refused(body: bytes) -> None:
    for surface, kind in CONTRACTS:
        try:
            surface.parse(kind, body)
        except InvalidRequestError:
            continue


def test_bodies_that_never_end_their_nesting_are_refused() -> None:
    for surface, kind in CONTRACTS:
        for body in (b'{"model":"m","messages":' + b"[" * 100_000, b'{"a":' * 100_000):
            with pytest.raises(InvalidRequestError):
                surface.parse(kind, body)
