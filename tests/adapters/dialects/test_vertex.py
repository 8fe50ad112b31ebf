"""Vertex AI: facts of google-genai 3.4, google-auth 2.62 and Anthropic's SDK 2.12, examples of our own."""

import datetime as dt
import json
from typing import Any
from urllib.parse import parse_qs

import anthropic
import httpx2
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google import genai
from google.auth import jwt as google_jwt
from google.genai import types
from google.oauth2 import credentials as google_credentials
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.dialects import palm
from adapters.dialects.vertex import DIALECT
from adapters.surfaces.anthropic import SURFACE as ANTHROPIC
from adapters.surfaces.gemini import SURFACE as GEMINI
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import ChatRequest, Media, Message, Text
from domain.relay.dialect import Frame, Target, UnsupportedParameterError
from domain.relay.tasks import Embeddings, EmbeddingsRequest, ImagesRequest, SpeechRequest
from domain.relay.vendor_errors import VendorError
from tests.support.dialects import body_of, odd_json, read_frames, read_stream, target

CALL = Call(surface="chat", model="m", output_tokens_max=50)
HI = ChatRequest(messages=(Message("user", (Text("hi"),)),))
BASE = "https://{location}-aiplatform.googleapis.com"
CLAUDE = "claude-sonnet-4-5@20250929"
GEMINI_MODEL = "gemini-2.5-flash"

_PRIVATE = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
PEM = _PRIVATE.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
).decode()
PUBLIC = _PRIVATE.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
EMAIL = "svc@test-project.iam.gserviceaccount.com"
ACCOUNT = {
    "type": "service_account",
    "project_id": "test-project",
    "private_key_id": "testkeyid0123456789",
    "private_key": PEM,
    "client_email": EMAIL,
}
KEY = json.dumps(ACCOUNT)


def place(model: str, location: str = "us-central1", **members: Any) -> Target:
    options = {"location": location} | members.pop("options", {})
    return target(model, **({"base_url": BASE, "key": KEY, "access_token": "ya29.x", "options": options} | members))


# ---- The credential


def test_service_account_signs_the_claims_of_the_vector_and_google_believes_them() -> None:
    request = DIALECT.token_request(place(GEMINI_MODEL))

    assert request is not None
    assert request.url == "https://oauth2.googleapis.com/token"
    assert request.headers["Content-Type"] == "application/x-www-form-urlencoded"
    form = parse_qs(request.body.decode())
    assert form["grant_type"] == ["urn:ietf:params:oauth:grant-type:jwt-bearer"]
    (assertion,) = form["assertion"]
    head, claims, _, _ = google_jwt._unverified_decode(assertion)  # type: ignore[no-untyped-call, unused-ignore]
    assert head == {"alg": "RS256", "typ": "JWT", "kid": "testkeyid0123456789"}
    assert claims == {
        "iss": EMAIL,
        "scope": "https://www.googleapis.com/auth/cloud-platform",
        "aud": "https://oauth2.googleapis.com/token",
        "iat": 1_700_000_000,
        "exp": 1_700_003_600,
    }
    public: Any = {head["kid"]: PUBLIC}
    fresh = DIALECT.token_request(msgspec_now(place(GEMINI_MODEL)))
    assert fresh is not None
    (assertion,) = parse_qs(fresh.body.decode())["assertion"]
    assert google_jwt.decode(assertion, certs=public)["iss"] == EMAIL  # type: ignore[no-untyped-call, unused-ignore]


def msgspec_now(where: Target) -> Target:
    """Give the target at this very moment, for Google's reader looks at the clock."""
    return Target(
        base_url=where.base_url,
        key=where.key,
        model=where.model,
        options=where.options,
        now=dt.datetime.now(dt.UTC),
        request_id=where.request_id,
    )


def test_token_is_read_with_its_lifetime() -> None:
    token = DIALECT.decode_token(b'{"access_token":"ya29.x","expires_in":3599,"token_type":"Bearer"}')
    assert (token.value, token.lifetime_seconds) == ("ya29.x", 3_599.0)
    assert DIALECT.decode_token(b'{"access_token":"t","expires_in":1e30}').lifetime_seconds == 3_600
    assert DIALECT.decode_token(b'{"access_token":"t","expires_in":"x"}').lifetime_seconds == 3_600


@pytest.mark.parametrize("body", [b"{}", b"nonsense", b'{"error":"invalid_grant","error_description":"x"}'])
def test_answer_without_a_token_speaks_against_the_channel(body: bytes) -> None:
    with pytest.raises(VendorError) as caught:
        DIALECT.decode_token(body)
    assert caught.value.kind == "auth"


def test_refused_exchange_speaks_against_the_channel() -> None:
    error = DIALECT.decode_error(400, {}, b'{"error":"invalid_grant","error_description":"Invalid JWT"}')

    assert (error.kind, error.vendor_code) == ("auth", "invalid_grant")


@pytest.mark.parametrize("key", ["{", "{}", json.dumps(ACCOUNT | {"private_key": "no key"})])
def test_malformed_account_speaks_against_the_channel(key: str) -> None:
    with pytest.raises(VendorError) as caught:
        DIALECT.token_request(place(GEMINI_MODEL, key=key))
    assert (caught.value.kind, caught.value.vendor_code) == ("auth", "malformed_key")


def test_key_of_express_mode_is_sent_as_it_is() -> None:
    where = place(GEMINI_MODEL, key="AIzaExpress")

    assert DIALECT.token_request(where) is None
    sent = DIALECT.encode(CALL, HI, where)
    assert sent.url == (
        "https://aiplatform.googleapis.com/v1/publishers/google/models/gemini-2.5-flash:generateContent"
    )
    assert sent.headers["x-goog-api-key"] == "AIzaExpress"
    with pytest.raises(InvalidRequestError):
        DIALECT.encode(CALL, HI, place(CLAUDE, key="AIzaExpress"))


# ---- Addresses


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("us-central1", "https://us-central1-aiplatform.googleapis.com"),
        ("global", "https://aiplatform.googleapis.com"),
        ("us", "https://aiplatform.us.rep.googleapis.com"),
        ("eu", "https://aiplatform.eu.rep.googleapis.com"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_location_publisher_and_manner_are_in_the_address(location: str, host: str, *, stream: bool) -> None:
    call = Call(surface="chat", model="m", stream=stream)
    under = f"{host}/v1/projects/test-project/locations/{location}/publishers"

    gemini = DIALECT.encode(call, HI, place(GEMINI_MODEL, location))
    claude = DIALECT.encode(call, HI, place(CLAUDE, location))

    verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
    assert gemini.url == f"{under}/google/models/{GEMINI_MODEL}:{verb}"
    assert claude.url == f"{under}/anthropic/models/{CLAUDE}:{'streamRawPredict' if stream else 'rawPredict'}"
    assert gemini.headers["Authorization"] == claude.headers["Authorization"] == "Bearer ya29.x"


def test_project_and_address_may_be_the_channels_own() -> None:
    where = place(GEMINI_MODEL, base_url="https://proxy.test", options={"project": "other"})

    assert DIALECT.encode(CALL, HI, where).url.startswith("https://proxy.test/v1/projects/other/locations/us-central1/")


# ---- Bodies


def test_claude_gets_its_body_without_the_model_and_without_addresses() -> None:
    body = body_of(DIALECT.encode(CALL, HI, place(CLAUDE)))

    assert body == {
        "anthropic_version": "vertex-2023-10-16",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
    }
    image = Media(kind="image", url="https://files.test/a.png")
    assert DIALECT.must_fetch(image)
    with pytest.raises(UnsupportedParameterError, match="base64"):
        DIALECT.encode(CALL, ChatRequest(messages=(Message("user", (image,)),)), place(CLAUDE))


def test_claudes_own_clients_lose_nothing() -> None:
    asked = {
        "model": "claude",
        "max_tokens": 90,
        "messages": [{"role": "user", "content": [{"type": "search_result", "title": "t", "source": "s"}]}],
        "new_member": {"a": 1},
    }
    call = ANTHROPIC.parse("chat", json.dumps(asked).encode())
    with_beta = Call(
        **{name: getattr(call, name) for name in call.__struct_fields__} | {"headers": {"anthropic-beta": "b1"}}
    )

    sent = DIALECT.encode(with_beta, ANTHROPIC.canonical(call), place(CLAUDE, output_tokens_max=40))

    del asked["model"]
    assert body_of(sent) == asked | {"anthropic_version": "vertex-2023-10-16", "max_tokens": 40}
    assert sent.headers["anthropic-beta"] == "b1"


def test_geminis_own_clients_lose_nothing() -> None:
    body = b'{"contents":[{"parts":[{"text":"hi","newer":1}]}],"x":{"a" : 1}}'
    call = GEMINI.parse("chat", body, model="gemini")

    assert DIALECT.encode(call, GEMINI.canonical(call), place(GEMINI_MODEL)).body == body


def test_counting_goes_to_the_publishers_own_place() -> None:
    call = Call(surface="count_tokens", model="m")

    gemini = DIALECT.encode(call, HI, place(GEMINI_MODEL))
    claude = DIALECT.encode(call, HI, place(CLAUDE))

    assert gemini.url.endswith(f"/publishers/google/models/{GEMINI_MODEL}:countTokens")
    assert body_of(gemini) == {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]}
    assert claude.url.endswith("/publishers/anthropic/models/count-tokens:rawPredict")
    assert body_of(claude)["model"] == CLAUDE
    assert "max_tokens" not in body_of(claude)
    for answer in (b'{"totalTokens":7}', b'{"input_tokens":7}'):
        assert DIALECT.decode(answer, {}, call).usage == TokenUsage(input_tokens=7)


def test_texts_become_vectors_with_their_count() -> None:
    call = Call(surface="embeddings", model="m")

    sent = DIALECT.encode(
        call, EmbeddingsRequest(inputs=("a", "b"), dimensions=2, task="T"), place("text-embedding-005")
    )

    assert sent.url.endswith("/publishers/google/models/text-embedding-005:predict")
    assert body_of(sent) == {
        "instances": [{"content": "a", "task_type": "T"}, {"content": "b", "task_type": "T"}],
        "parameters": {"outputDimensionality": 2},
    }
    prediction = {"embeddings": {"values": [1, 2], "statistics": {"token_count": 3, "truncated": False}}}
    delta = DIALECT.decode(json.dumps({"predictions": [prediction, prediction]}).encode(), {}, call)
    assert delta.result == Embeddings(((1.0, 2.0), (1.0, 2.0)))
    assert delta.usage == TokenUsage(input_tokens=6)


def test_images_and_speech_go_to_their_models() -> None:
    images = Call(surface="images", model="m")
    imagen = DIALECT.encode(images, ImagesRequest(prompt="p"), place("imagen-4.0"))
    chat = DIALECT.encode(images, ImagesRequest(prompt="p"), place("gemini-2.5-flash-image"))
    speech = DIALECT.encode(
        Call(surface="speech", model="m"), SpeechRequest(text="t", voice="Kore", format="wav"), place("gemini-tts")
    )

    assert imagen.url.endswith("imagen-4.0:predict")
    assert chat.url.endswith("gemini-2.5-flash-image:generateContent")
    assert body_of(speech)["generationConfig"]["responseModalities"] == ["AUDIO"]


# ---- SDKs as oracles


def _refuse(seen: list[httpx2.Request]) -> httpx2.Client:
    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(400, json={"error": {"code": 400, "message": "x", "status": "INVALID_ARGUMENT"}})

    return httpx2.Client(transport=httpx2.MockTransport(answer))


@pytest.mark.parametrize("location", ["global", "eu", "europe-west1"])
def test_what_anthropics_sdk_sends_and_what_we_send_is_equal(location: str) -> None:
    seen: list[httpx2.Request] = []
    asked: dict[str, Any] = {
        "model": "claude-sonnet-4-5@of-a-test",
        "max_tokens": 50,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        "stop_sequences": ["END"],
    }
    with (
        anthropic.AnthropicVertex(
            region=location, project_id="test-project", access_token="ya29.x", http_client=_refuse(seen)
        ) as client,
        pytest.raises(anthropic.BadRequestError),
    ):
        client.messages.create(**asked)
    call = ANTHROPIC.parse("chat", json.dumps(asked).encode())

    ours = DIALECT.encode(call, ANTHROPIC.canonical(call), place(asked["model"], location))

    assert str(seen[0].url) == ours.url
    theirs = json.loads(seen[0].content)
    # The SDK speaks of a later version than the one that our reading is made for; the channel may say it, too.
    newer = theirs["anthropic_version"]
    again = DIALECT.encode(
        call, ANTHROPIC.canonical(call), place(asked["model"], location, options={"anthropic_version": newer})
    )
    assert body_of(again) == theirs
    assert body_of(ours) == theirs | {"anthropic_version": "vertex-2023-10-16"}
    assert seen[0].headers["Authorization"] == ours.headers["Authorization"]


def test_what_googles_sdk_sends_and_what_we_send_is_equal() -> None:
    seen: list[httpx2.Request] = []
    client = genai.Client(
        vertexai=True,
        project="test-project",
        location="us-central1",
        credentials=google_credentials.Credentials(token="ya29.x"),  # type: ignore[no-untyped-call, unused-ignore]
        http_options=types.HttpOptions(api_version="v1", httpx_client=_refuse(seen)),
    )
    with pytest.raises(genai.errors.ClientError):
        client.models.generate_content(
            model=GEMINI_MODEL,
            contents="hi",
            config=types.GenerateContentConfig(max_output_tokens=50, temperature=0.5),
        )
    client.close()
    request = ChatRequest(messages=HI.messages, temperature=0.5)

    ours = DIALECT.encode(CALL, request, place(GEMINI_MODEL))

    assert str(seen[0].url) == ours.url
    assert json.loads(seen[0].content) == body_of(ours)


# ---- Answers

MESSAGES = (
    b'event: message_start\ndata: {"type":"message_start","message":{"usage":{"input_tokens":3,"output_tokens":1}}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":2}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)
GENERATED = (
    b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}],'
    b'"usageMetadata":{"promptTokenCount":3,"candidatesTokenCount":2,"totalTokenCount":5,"trafficType":"ON_DEMAND"}}\n\n'
)


@pytest.mark.parametrize("stream", [MESSAGES, GENERATED])
def test_stream_of_either_publisher_is_read(stream: bytes) -> None:
    deltas = read_stream(DIALECT, CALL, stream)

    assert "".join(delta.text for delta in deltas) == "Hi"
    assert [delta.usage for delta in deltas if delta.usage is not None][-1] == TokenUsage(
        input_tokens=3, output_tokens=2
    )
    assert [delta.finish_reason for delta in deltas if delta.finish_reason] == ["stop"]
    assert not any(delta.error for delta in deltas)


def test_whole_answer_of_either_publisher_is_read() -> None:
    claude = {"type": "message", "content": [{"type": "text", "text": "Hi"}], "stop_reason": "end_turn"}
    gemini = {"candidates": [{"content": {"parts": [{"text": "Hi"}]}, "finishReason": "STOP"}]}

    for answer in (claude, gemini):
        assert DIALECT.decode(json.dumps(answer).encode(), {}, CALL).text == "Hi"


def test_stream_without_a_word_was_cut_off() -> None:
    (delta,) = read_stream(DIALECT, CALL, b"")

    assert delta.error is not None
    assert delta.error.vendor_code == "stream_cut_off"


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (401, {"error": {"code": 401, "message": "expired", "status": "UNAUTHENTICATED"}}, "auth"),
        (403, {"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}, "auth"),
        (429, [{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}], "rate_limit"),
        (529, {"type": "error", "error": {"type": "overloaded_error", "message": "m"}}, "overloaded"),
        (404, {"error": {"code": 404, "message": "m", "status": "NOT_FOUND"}}, "not_found"),
    ],
)
def test_errors_of_either_publisher_are_told_apart(status: int, body: Any, kind: str) -> None:
    assert DIALECT.decode_error(status, {}, json.dumps(body).encode()).kind == kind


NAMES = ("type", "candidates", "error", "content", "message_start", "access_token", "expires_in", "input_tokens")


@settings(max_examples=100)
@given(st.lists(odd_json(NAMES), max_size=4), st.binary(max_size=100))
def test_odd_answers_raise_nothing(found: list[Any], noise: bytes) -> None:
    frames = [Frame(json.dumps(each).encode()) for each in found]

    read_frames(DIALECT.decoder(CALL), [*frames, Frame(noise)])
    for data in [frame.data for frame in frames] + [noise]:
        for surface in ("chat", "embeddings", "images", "speech", "count_tokens"):
            DIALECT.decode(data, {}, Call(surface=surface, model="m"))
        DIALECT.decode_error(400, {}, data)
        try:
            assert DIALECT.decode_token(data).lifetime_seconds >= 0
        except VendorError as error:
            assert error.kind == "auth"  # noqa: PT017 - either outcome is right


# ---- PaLM


def test_what_is_no_more_says_what_to_use_instead() -> None:
    with pytest.raises(InvalidRequestError, match="Gemini") as caught:
        palm.DIALECT.encode(CALL, HI, target("chat-bison-001"))
    assert (caught.value.param, caught.value.reason) == ("model", "model_not_found")

    for delta in (palm.DIALECT.decode(b"{}", {}, CALL), *read_frames(palm.DIALECT.decoder(CALL), [Frame(b"{}")])):
        assert delta.error is not None
        assert delta.error.kind == "not_found"
