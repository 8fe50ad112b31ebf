"""MiniMax's own forms of vectors and speech."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.channel_types import TYPES
from adapters.surfaces.openai import SURFACE
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.dialect import Target, UnsupportedParameterError
from domain.relay.tasks import Embeddings, Speech

DIALECT = TYPES["minimax"].dialect


def _target(*, drops: bool = False) -> Target:
    return Target(
        base_url="https://api.minimaxi.com",
        key="k|g&1",
        model="vendor-m",
        now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
        request_id="00000000-0000-7000-8000-000000000000",
        drops_unsupported=drops,
    )


def _vectors(**members: Any) -> Call:
    return SURFACE.parse("embeddings", json.dumps({"model": "m", "input": ["a", "b"], **members}).encode())


def _speech(**members: Any) -> Call:
    return SURFACE.parse("speech", json.dumps({"model": "m", "input": "Hi", "voice": "v", **members}).encode())


def _sent(call: Call, *, drops: bool = False) -> Any:
    made = DIALECT.encode(call, SURFACE.canonical(call), _target(drops=drops))
    assert made.headers["Authorization"] == "Bearer k"
    return made.url, json.loads(made.body)


def test_texts_are_sent_in_its_words_with_the_group() -> None:
    url, body = _sent(_vectors())

    assert url == "https://api.minimaxi.com/v1/embeddings?GroupId=g%261"
    assert body == {"model": "vendor-m", "texts": ["a", "b"], "type": "db"}
    assert _sent(_vectors(type="query"))[1]["type"] == "query"


def test_what_it_cannot_do_is_refused_or_dropped() -> None:
    for call in (_vectors(dimensions=5), _speech(response_format="opus"), _speech(instructions="calm")):
        with pytest.raises(UnsupportedParameterError):
            _sent(call)
        assert _sent(call, drops=True)
    with pytest.raises(InvalidRequestError):
        _sent(_vectors(input=[1, 2]))


def test_words_to_be_spoken_are_sent_in_its_words() -> None:
    url, body = _sent(_speech(speed=1.5, response_format="wav", language_boost="auto"))

    assert url.startswith("https://api.minimaxi.com/v1/t2a_v2?")
    assert body == {
        "model": "vendor-m",
        "text": "Hi",
        "stream": False,
        "voice_setting": {"voice_id": "v", "speed": 1.5},
        "audio_setting": {"format": "wav"},
        "language_boost": "auto",
    }


def test_vectors_and_speech_are_read_with_what_they_used() -> None:
    fine = {"status_code": 0, "status_msg": ""}
    vectors = {"vectors": [[0.5, 1], [2, 3]], "total_tokens": 5, "base_resp": fine}
    speech = {
        "data": {"audio": "494433", "status": 2},
        "extra_info": {"audio_format": "wav", "usage_characters": 12},
        "base_resp": fine,
    }
    read = DIALECT.decode(json.dumps(vectors).encode(), {}, _vectors())
    heard = DIALECT.decode(json.dumps(speech).encode(), {}, _speech())

    assert (read.result, read.usage) == (Embeddings(((0.5, 1.0), (2.0, 3.0))), TokenUsage(input_tokens=5))
    assert (heard.result, heard.usage) == (Speech(b"ID3", "audio/wav"), TokenUsage(characters=12))


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ({"vectors": None, "base_resp": {"status_code": 1004, "status_msg": "login fail"}}, "auth"),
        ({"base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, "quota"),
        ({"base_resp": {"status_code": 0}}, "protocol"),
        ({"vectors": [[]], "data": {"audio": "zz"}, "base_resp": {"status_code": 0}}, "protocol"),
        ([], "protocol"),
    ],
)
def test_an_error_with_status_200_is_an_error(body: Any, kind: str) -> None:
    for call in (_vectors(), _speech()):
        delta = DIALECT.decode(json.dumps(body).encode(), {}, call)
        assert delta.error is not None
        assert delta.error.kind == kind


@settings(max_examples=80)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just(10**400),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["vectors", "data", "audio", "base_resp", "status_code", "total_tokens", "extra_info"]),
                inner,
                max_size=4,
            )
        ),
    )
)
def test_no_answer_makes_the_decoder_raise(value: Any) -> None:
    for call in (_vectors(), _speech()):
        DIALECT.decode(json.dumps(value).encode(), {}, call)
