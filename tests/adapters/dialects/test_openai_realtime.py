"""OpenAI's Realtime contract: what is read of its messages, and what a conversation comes to."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channel_types import TYPES
from adapters.dialects.openai.realtime import read_client, read_vendor, usage_of
from domain.relay.call import Call, InvalidRequestError
from domain.relay.realtime import Asked, Context, SessionState
from tests.support.dialects import classes, odd_json, target

CALL = Call(surface="realtime", model="asked", headers={"openai-beta": "realtime=v1"})
NAMES = [
    "type",
    "session",
    "model",
    "response",
    "id",
    "usage",
    "status",
    "delta",
    "audio",
    "item",
    "content",
    "input_tokens",
    "output_tokens",
    "total_tokens",
    "input_token_details",
    "output_token_details",
    "cached_tokens",
    "cached_tokens_details",
    "audio_tokens",
    "text_tokens",
    "image_tokens",
    "seconds",
    "max_output_tokens",
    "transcription",
    "format",
    "response.done",
    "response.created",
    "session.created",
    "response.output_audio.delta",
    "conversation.item.input_audio_transcription.completed",
    "session.update",
    "conversation.item.create",
    "response.create",
    "input_audio_buffer.append",
]


def heard(event: Any) -> Any:
    return read_vendor(json.dumps(event).encode(), CALL, "routed")


def asked(event: Any) -> Asked:
    return read_client(json.dumps(event).encode(), CALL, "routed")


@pytest.mark.parametrize(
    ("type_", "base_url", "options", "url", "headers"),
    [
        (
            "openai",
            "https://api.openai.com",
            {},
            "wss://api.openai.com/v1/realtime?model=m%2F1",
            {"Authorization": "Bearer vendor-key", "openai-beta": "realtime=v1"},
        ),
        (
            "azure",
            "https://r.openai.azure.com",
            {"api_version": "2025-04-01-preview"},
            "wss://r.openai.azure.com/openai/realtime?api-version=2025-04-01-preview&deployment=m%2F1",
            {"api-key": "vendor-key"},
        ),
        (
            "azure",
            "https://r.openai.azure.com",
            {"api": "v1"},
            "wss://r.openai.azure.com/openai/v1/realtime?model=m%2F1",
            {"api-key": "vendor-key"},
        ),
    ],
)
def test_a_session_has_its_models_address(
    type_: str, base_url: str, options: dict[str, str], url: str, headers: dict[str, str]
) -> None:
    dialect: Any = TYPES[type_].dialect

    request = dialect.realtime_request(CALL, target("m/1", base_url=base_url, options=options))

    assert request.url == url
    assert headers.items() <= request.headers.items()


def test_types_that_converse_have_a_dialect_that_can() -> None:
    conversing = [row for row in TYPES.values() if "realtime" in row.surfaces]

    assert {row.name for row in conversing} >= {"openai", "azure", "openai_compatible", "custom"}
    for row in conversing:
        assert callable(getattr(row.dialect, "realtime_request", None))


def test_usage_is_a_partition_in_which_what_is_cached_is_nothing_else() -> None:
    usage = usage_of(
        {
            "input_tokens": 300,
            "output_tokens": 40,
            "input_token_details": {
                "text_tokens": 100,
                "audio_tokens": 180,
                "image_tokens": 20,
                "cached_tokens": 64,
                "cached_tokens_details": {"text_tokens": 40, "audio_tokens": 20, "image_tokens": 4},
            },
            "output_token_details": {"text_tokens": 10, "audio_tokens": 30},
        }
    )

    assert classes(usage) == {
        "input_tokens": 60,
        "cached_input_tokens": 64,
        "audio_input_tokens": 160,
        "image_input_tokens": 16,
        "output_tokens": 10,
        "audio_output_tokens": 30,
    }


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "input_tokens": st.integers(-5, 10**20) | st.text(max_size=3),
            "output_tokens": st.integers(-5, 10**20) | st.none(),
            "input_token_details": odd_json(NAMES),
            "output_token_details": odd_json(NAMES),
        },
    )
)
def test_no_usage_makes_a_class_negative_or_the_sum_another(usage: dict[str, Any]) -> None:
    found = usage_of(usage)

    if found is not None:
        assert all(count > 0 for count in classes(found).values())
        read = usage.get("input_tokens")
        if isinstance(read, int) and 0 <= read <= 10**9:
            assert found.input_total == read


def test_both_forms_of_the_contract_are_read() -> None:
    sound = base64.b64encode(b"12345678").decode()
    for text, audio in (
        ("response.text.delta", "response.audio.delta"),
        ("response.output_text.delta", "response.output_audio.delta"),
    ):
        assert heard({"type": text, "response_id": "r", "delta": "hi"}).text == "hi"
        assert heard({"type": audio, "response_id": "r", "delta": sound}).audio_bytes in (8, 9)
    new = heard(
        {
            "type": "session.updated",
            "session": {
                "max_output_tokens": 50,
                "audio": {
                    "input": {"format": {"type": "audio/pcm"}, "transcription": {"model": "scribe"}},
                    "output": {"format": {"type": "audio/pcmu"}},
                },
            },
        }
    )
    assert new.session == SessionState(50, "scribe", 4_800, 400)
    old = heard({"type": "session.created", "session": {"input_audio_format": "pcm16", "model": "routed"}})
    assert old.session is not None
    assert (old.session.heard_bytes_per_token, old.session.output_tokens_max) == (4_800, None)
    assert json.loads(old.data)["session"]["model"] == "asked"


def test_odd_members_do_not_keep_usage_from_being_read() -> None:
    event = {"type": "response.done", "response_id": None, "response": {"id": 7, "usage": {"input_tokens": 3}}}

    assert classes(heard(event).usage) == {"input_tokens": 3}


def test_of_a_member_that_a_message_has_twice_only_the_one_that_was_read_goes_on() -> None:
    message = b'{"type":"session.update","session":{"model":"dearer"},"type":"response.cancel"}'

    sent = read_client(message, CALL, "routed").data

    assert sent.count(b'"type"') == 1
    assert json.loads(sent)["type"] == "response.cancel"


@pytest.mark.parametrize(
    ("event", "param"),
    [
        ({"type": "session.update", "session": {"model": "dearer"}}, "session.model"),
        ({"type": "session.update", "session": {"type": "transcription"}}, "session.type"),
        ({"type": "session.update"}, "session"),
        ({"type": ""}, "type"),
        ({}, "type"),
        ([], None),
    ],
)
def test_what_cannot_go_on_is_refused_by_name(event: Any, param: str | None) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        asked(event)
    assert refused.value.param == param


def test_a_picture_is_measured_as_one_and_sound_by_its_length() -> None:
    sound = base64.b64encode(b"\0" * 9_000).decode()
    content = [
        {"type": "input_image", "image_url": "data:image/png;base64," + "A" * 100_000},
        {"type": "input_audio", "audio": sound},
        {"type": "input_text", "text": "x" * 500},
    ]

    found = asked({"type": "conversation.item.create", "item": {"content": content}})

    assert (found.images, found.audio_bytes) == (1, 9_000)
    assert 500 <= found.text_bytes < 1_000


def test_a_conversation_is_what_its_last_answer_read_and_said_and_what_came_since() -> None:
    context = Context()
    context.state = SessionState(heard_bytes_per_token=4_800)
    context.add(Asked(data=b"", text_bytes=400, audio_bytes=48_000))
    assert context.estimate().prompt_tokens_upper == 400 + 10
    context.began("r1")
    context.add(Asked(data=b"", text_bytes=40))

    context.ended("r1", usage_of({"input_tokens": 200, "output_tokens": 100}))

    assert context.estimate().prompt_tokens_upper == 300 + 40
    context.began("aside")
    context.ended("aside", usage_of({"input_tokens": 5, "output_tokens": 5}))
    assert context.estimate().prompt_tokens_upper == 300 + 40


@settings(max_examples=300)
@given(st.binary(max_size=200) | odd_json(NAMES).map(lambda value: json.dumps(value).encode()))
def test_no_message_upsets_the_readers(message: bytes) -> None:
    assert read_vendor(message, CALL, "routed").kind
    try:
        sent = read_client(message, CALL, "routed")
    except InvalidRequestError:
        return
    assert min(sent.text_bytes, sent.audio_bytes, sent.images) >= 0
