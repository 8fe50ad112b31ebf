"""Calls of OpenAI's contract that are no chats: read, sent to vendors of the dialect, answered, and counted."""

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects.openai import OPENAI, OpenAIDialect, Profile, vendors
from adapters.surfaces.openai import SURFACE
from adapters.wire.multipart import FormPart, read_form, write_form
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.delta import Delta
from domain.relay.dialect import Said, Target
from domain.relay.tasks import (
    Images,
    ImagesRequest,
    MadeImage,
    Moderation,
    ModerationRequest,
    Ranking,
    RerankRequest,
    Speech,
    SpeechRequest,
    TaskResult,
    Transcript,
    TranscriptionRequest,
    Upload,
)

ALL: frozenset[Surface] = frozenset(
    {"images", "image_edits", "speech", "transcriptions", "translations", "moderations", "rerank"}
)
SAID = Said(answer_id="abc", created=1700000000)
TARGET = Target(
    base_url="https://vendor.example",
    key="sk-v",
    model="vendor-m",
    now=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    request_id="00000000-0000-7000-8000-000000000000",
)
JSON = {"Content-Type": "application/json; charset=utf-8"}
AUDIO = FormPart(name="file", content=b"RIFF", filename="a.wav", media_type="audio/wav")
PICTURE = FormPart(name="image", content=b"\x89PNG", filename="a.png", media_type="image/png")


def _call(surface: Surface, **members: Any) -> Call:
    return SURFACE.parse(surface, json.dumps({"model": "m", **members}).encode())


def _form(surface: Surface, *parts: FormPart, **fields: str) -> Call:
    texts = [FormPart(name=name, content=value.encode()) for name, value in {"model": "m", **fields}.items()]
    body, content_type = write_form([*texts, *parts], "client")
    return SURFACE.parse(surface, body, content_type=content_type)


def _dialect(profile: Profile = OPENAI) -> OpenAIDialect:
    return OpenAIDialect(profile, ALL)


def _read(call: Call, body: Any, headers: dict[str, str] = JSON, profile: Profile = OPENAI) -> Delta:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    whole = _dialect(profile).decode(data, headers, call)
    native = _dialect(profile).decode_native_body(data, headers, call)
    assert (native.report, native.error) == (whole.report, whole.error)
    return whole


def _answer(call: Call, result: TaskResult, usage: TokenUsage | None = None) -> Any:
    body, media_type = SURFACE.answer(call, SAID, Delta(result=result), usage or TokenUsage())
    return json.loads(body) if media_type == "application/json" else (body, media_type)


# ---- Reading the client


def test_each_kind_of_call_is_read() -> None:
    assert SURFACE.canonical(_call("images", prompt="cat", n=2, size="1024x1024", quality="auto", seed=5)) == (
        ImagesRequest(prompt="cat", n=2, size="1024x1024", others={"seed": 5})
    )
    assert SURFACE.canonical(_call("speech", input="Hi", voice={"id": "v"}, speed=1.5)) == (
        SpeechRequest(text="Hi", voice="v", speed=1.5)
    )
    assert SURFACE.canonical(_call("moderations", input=["a", {"type": "text", "text": "b"}])) == (
        ModerationRequest(inputs=("a", {"type": "text", "text": "b"}))
    )
    assert SURFACE.canonical(_call("rerank", query="q", documents=["a", {"text": "b"}], top_n=1)) == (
        RerankRequest(query="q", documents=("a", "b"), top_n=1)
    )
    stamps = FormPart(name="timestamp_granularities[]", content=b"word")
    assert SURFACE.canonical(_form("translations", AUDIO, stamps, temperature="0.5", response_format="srt")) == (
        TranscriptionRequest(
            file=Upload("a.wav", "audio/wav", b"RIFF"),
            translate=True,
            response_format="srt",
            temperature=0.5,
            timestamps=("word",),
        )
    )
    two = (PICTURE, FormPart(name="image[]", content=b"2", filename="b.png"), FormPart(name="mask", content=b"m"))
    edit = SURFACE.canonical(_form("image_edits", *two, prompt="cat", n="3"))
    assert isinstance(edit, ImagesRequest)
    assert [image.content for image in edit.images] == [b"\x89PNG", b"2"]
    assert edit.n == 3
    assert edit.mask is not None


def test_what_pricing_needs_is_read_before_the_rest() -> None:
    assert _call("images", prompt="cat", n=4).n == 4
    assert _form("image_edits", PICTURE, prompt="cat").has_images
    assert SURFACE.parse("moderations", b'{"input":"x"}').model == "omni-moderation-latest"


@pytest.mark.parametrize(
    ("surface", "members", "param"),
    [
        ("images", {}, "prompt"),
        ("images", {"prompt": "x", "n": 0}, "n"),
        ("images", {"prompt": "x", "stream": True}, "stream"),
        ("speech", {"input": "x"}, "voice"),
        ("speech", {"input": "x", "voice": "v", "stream_format": "sse"}, "stream_format"),
        ("moderations", {}, "input"),
        ("rerank", {"query": "q", "documents": []}, "documents"),
        ("rerank", {"query": "q", "documents": ["a"], "top_n": 0}, "top_n"),
    ],
)
def test_what_cannot_be_read_is_refused_by_name(surface: Surface, members: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        _call(surface, **members)

    assert refused.value.param == param


def test_forms_without_their_file_are_refused() -> None:
    needed: dict[Surface, str] = {"transcriptions": "file", "image_edits": "image"}
    for surface, param in needed.items():
        with pytest.raises(InvalidRequestError) as refused:
            _form(surface, prompt="x")
        assert refused.value.param == param
    with pytest.raises(InvalidRequestError):
        SURFACE.parse("transcriptions", b"{}")


# ---- To a vendor of the same contract


def test_bodies_pass_with_the_routed_model_and_the_vendors_names() -> None:
    call = _call("images", prompt="cat", size="512x512", n=2)
    made = _dialect(vendors.SILICONFLOW).encode_native(call, TARGET)

    assert made.url == "https://vendor.example/v1/images/generations"
    assert json.loads(made.body) == {"model": "vendor-m", "prompt": "cat", "image_size": "512x512", "batch_size": 2}


def test_a_form_passes_with_its_files_and_the_routed_model() -> None:
    made = _dialect().encode_native(_form("transcriptions", AUDIO, language="de"), TARGET)
    parts = read_form(made.body, made.headers["Content-Type"])

    assert made.url.endswith("/v1/audio/transcriptions")
    assert parts == (
        FormPart(name="model", content=b"vendor-m"),
        FormPart(name="language", content=b"de"),
        AUDIO,
    )


@pytest.mark.parametrize(
    "call",
    [
        _call("images", prompt="cat", n=2, size="512x512", output_format="webp", response_format="url"),
        _call("speech", input="Hi", voice="alloy", response_format="wav", speed=1.5, instructions="calm"),
        _call("moderations", input="x"),
        _call("rerank", query="q", documents=["a", "b"], top_n=1, return_documents=True),
        _form("transcriptions", AUDIO, language="de", prompt="names"),
        _form("image_edits", PICTURE, prompt="cat", size="512x512"),
    ],
    ids=lambda call: call.surface,
)
def test_a_canonical_request_says_what_the_client_said(call: Call) -> None:
    made = _dialect().encode(call, SURFACE.canonical(call), TARGET)
    again = SURFACE.parse(call.surface, made.body, content_type=made.headers["Content-Type"])

    assert again.model == "vendor-m"
    assert SURFACE.canonical(again) == SURFACE.canonical(call)


def test_work_that_a_vendor_does_not_do_is_refused() -> None:
    call = _call("speech", input="x", voice="v")

    with pytest.raises(InvalidRequestError):
        OpenAIDialect(OPENAI).encode_native(call, TARGET)


# ---- What comes back, and what it used


def test_images_are_counted_by_piece_and_by_token() -> None:
    call = _call("images", prompt="cat", size="1024x1024", quality="hd")
    usage = {
        "input_tokens": 50,
        "output_tokens": 1000,
        "total_tokens": 1050,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 40},
    }
    delta = _read(call, {"data": [{"b64_json": "QUJD"}, {"url": "https://x.example/1"}], "usage": usage})

    assert delta.result == Images(
        (MadeImage(data="QUJD", media_type="image/png"), MadeImage(url="https://x.example/1"))
    )
    assert delta.usage == TokenUsage(
        input_tokens=10, image_input_tokens=40, image_output_tokens=1000, images=2, image_variant="1024x1024/hd"
    )


@pytest.mark.parametrize(
    ("asked", "told", "variant"),
    [
        ({}, {}, ""),
        ({"size": "auto", "quality": "auto"}, {}, ""),
        ({"size": "auto", "quality": "auto"}, {"size": "1024x1536", "quality": "high"}, "1024x1536/high"),
        ({"size": "1024x1024"}, {"quality": "low"}, "1024x1024/low"),
        ({"quality": "high"}, {"size": "1024x1024", "quality": "low"}, "1024x1024/high"),
        ({"size": "auto"}, {"size": 7, "quality": None}, ""),
    ],
)
def test_how_images_were_made_is_what_the_vendor_says_where_the_client_left_it_to_it(
    asked: dict[str, str], told: dict[str, Any], variant: str
) -> None:
    call = _call("images", prompt="cat", **asked)

    usage = _read(call, {"data": [{"b64_json": "QUJD"}], **told}).usage

    assert usage is not None
    assert usage.image_variant == variant


def test_images_under_another_name_reach_the_client_under_the_usual_one() -> None:
    call = _call("images", prompt="cat")
    body = b'{"images":[{"url":"https://x.example/1"}],"timings":{}}'

    assert _read(call, body).usage == TokenUsage(images=1)
    assert json.loads(_dialect().rewrite_body(body, call, "m"))["data"] == [{"url": "https://x.example/1"}]


def test_speech_is_bytes_and_an_error_where_it_is_json() -> None:
    call = _call("speech", input="Hi", voice="v")
    delta = _read(call, b"ID3\x00", {"content-type": "audio/mpeg"})

    assert delta.result == Speech(b"ID3\x00", "audio/mpeg")
    assert delta.report is None  # counted by the characters that were sent
    assert _dialect().rewrite_body(b"ID3\x00", call, "x") == b"ID3\x00"
    assert _read(call, {"error": {"message": "no such voice", "code": "invalid_value"}}).error is not None
    assert _read(call, b"", {}).error is not None


@pytest.mark.parametrize(
    ("body", "want"),
    [
        ({"text": "hi", "usage": {"type": "duration", "seconds": 3}}, TokenUsage(milliseconds=3000)),
        ({"text": "hi", "duration": 2.5, "language": "english"}, TokenUsage(milliseconds=2500)),
        ({"text": "hi", "duration": "2.5"}, TokenUsage(milliseconds=2500)),
        ({"text": "hi", "duration": 2.007, "language": "english"}, TokenUsage(milliseconds=2007)),
        ({"text": "hi", "duration": 2.0071}, TokenUsage(milliseconds=2008)),
        (
            {
                "text": "hi",
                "usage": {
                    "type": "tokens",
                    "input_tokens": 14,
                    "output_tokens": 5,
                    "total_tokens": 19,
                    "input_token_details": {"audio_tokens": 12, "text_tokens": 2},
                },
            },
            TokenUsage(input_tokens=2, audio_input_tokens=12, output_tokens=5),
        ),
        ({"text": "hi"}, None),
    ],
)
def test_recordings_are_counted_by_length_or_token(body: Any, want: TokenUsage | None) -> None:
    assert _read(_form("transcriptions", AUDIO), body).usage == want


def test_subtitles_pass_as_they_are() -> None:
    call = _form("transcriptions", AUDIO, response_format="srt")
    delta = _read(call, b"1\n00:00:00,000 --> 00:00:01,000\nhi\n", {"Content-Type": "text/plain"})

    assert delta.error is None
    assert delta.text.endswith("hi\n")


@pytest.mark.parametrize(
    ("body", "total"),
    [
        ({"results": [{"index": 1, "relevance_score": 0.2}, {"index": 0, "relevance_score": 0.9}],
          "usage": {"total_tokens": 7}}, 7),
        ({"results": [{"index": 0, "relevance_score": 0.9, "document": "a"}, {"index": 1, "relevance_score": 0.2}],
          "meta": {"tokens": {"input_tokens": 7, "output_tokens": 0}}}, 7),
        ({"data": [{"index": 0, "relevance_score": 0.9}, {"index": 1, "relevance_score": 0.2}],
          "usage": {"total_tokens": 7}}, 7),
        ([{"index": 1, "score": 0.2}, {"index": 0, "score": 0.9}], None),
    ],
)  # fmt: skip
def test_rankings_are_read_however_they_are_named(body: Any, total: int | None) -> None:
    call = _call("rerank", query="q", documents=["a", "b"])
    delta = _read(call, body)
    seen = json.loads(_dialect().rewrite_body(json.dumps(body).encode(), call, "vendor-m"))

    assert delta.result == Ranking(((0, 0.9), (1, 0.2)))
    assert (None if delta.usage is None else delta.usage.total) == total
    assert [(row["index"], row["relevance_score"]) for row in seen["results"]] == [(0, 0.9), (1, 0.2)]
    assert seen["usage"]["total_tokens"] == (total or 0)
    assert seen["model"] == "m"
    assert all(isinstance(row.get("document", {}), dict) for row in seen["results"])


def test_moderations_cost_a_call() -> None:
    delta = _read(_call("moderations", input="x"), {"id": "modr-1", "model": "o", "results": [{"flagged": False}]})

    assert delta.result == Moderation(({"flagged": False},))
    assert delta.usage == TokenUsage()


@pytest.mark.parametrize("surface", ["images", "moderations", "rerank"])
def test_an_error_with_status_200_and_an_answer_of_nothing_are_errors(surface: Surface) -> None:
    call = {
        "images": _call("images", prompt="x"),
        "moderations": _call("moderations", input="x"),
        "rerank": _call("rerank", query="q", documents=["a"]),
    }[surface]

    bodies: list[Any] = [
        {"code": 20012, "message": "Model does not exist", "data": None},
        {},
        {"data": []},
        [],
        "x",
        b"<html>",
    ]
    for body in bodies:
        assert _read(call, body).error is not None


junk = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just(10**400),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["data", "images", "results", "usage", "url", "index", "relevance_score", "meta", "tokens", "text",
                 "duration", "seconds", "segments", "input_tokens", "output_tokens", "total_tokens", "type", "error"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=20,
)  # fmt: skip
CALLS = [
    _call("images", prompt="x"),
    _call("speech", input="x", voice="v"),
    _call("moderations", input="x"),
    _call("rerank", query="q", documents=["a"]),
    _form("transcriptions", AUDIO),
    _form("image_edits", PICTURE, prompt="x"),
]


@settings(max_examples=150)
@given(st.binary(max_size=200) | junk.map(lambda value: json.dumps(value).encode()))
def test_no_answer_makes_a_decoder_raise(body: bytes) -> None:
    for call in CALLS:
        delta = _dialect().decode(body, JSON, call)
        _dialect().rewrite_body(body, call, "other")
        if delta.usage is not None and delta.report is not None and delta.report.vendor_total is not None:
            assert delta.usage.total >= 0


# ---- Answers of vendors of other dialects


def test_results_are_written_in_the_contracts_form() -> None:
    images = _answer(_call("images", prompt="x"), Images((MadeImage(data="QUJD", revised_prompt="a cat"),)))
    assert images == {"created": 1700000000, "data": [{"b64_json": "QUJD", "revised_prompt": "a cat"}]}

    assert _answer(_call("speech", input="x", voice="v"), Speech(b"x", "audio/wav")) == (b"x", "audio/wav")

    moderation = _answer(_call("moderations", input="x"), Moderation(({"flagged": True},)))
    assert moderation == {"id": "modr-abc", "model": "m", "results": [{"flagged": True}]}

    rerank = _call("rerank", query="q", documents=["a", "b"], top_n=1, return_documents=True)
    ranking = _answer(rerank, Ranking(((0, 0.1), (1, 0.9))), TokenUsage(input_tokens=4))
    assert ranking["results"] == [{"index": 1, "relevance_score": 0.9, "document": {"text": "b"}}]
    assert ranking["usage"] == {"total_tokens": 4}


@pytest.mark.parametrize(
    ("form", "want"),
    [
        ("text", b"Hi there\n"),
        ("srt", b"1\n00:00:00,500 --> 00:01:01,250\nHi there\n"),
        ("vtt", b"WEBVTT\n\n00:00:00.500 --> 00:01:01.250\nHi there\n"),
    ],
)
def test_transcripts_come_as_text_and_subtitles(form: str, want: bytes) -> None:
    segments = ({"start": 0.5, "end": 61.25, "text": " Hi there"},)
    body, _ = _answer(
        _form("transcriptions", AUDIO, response_format=form), Transcript(text="Hi there", segments=segments)
    )

    assert body == want


def test_transcripts_in_json_say_what_they_used() -> None:
    call = _form("transcriptions", AUDIO)
    verbose = _form("translations", AUDIO, response_format="verbose_json")

    assert _answer(call, Transcript(text="Hi"), TokenUsage(milliseconds=2500))["usage"] == {
        "type": "duration",
        "seconds": 3,
    }
    assert _answer(verbose, Transcript(text="Hi", milliseconds=2500))["duration"] == 2.5
    assert _answer(verbose, Transcript(text="Hi"))["task"] == "translate"
