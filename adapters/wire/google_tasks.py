"""Google's calls that are no chats: vectors, images and speech, in the forms that AI Studio and Vertex share."""

import base64
import struct
from typing import Any, Final

import msgspec

from adapters.wire.gemini import speech_config
from adapters.wire.gemini_answers import GeminiReader, prompt_blocked
from adapters.wire.google_errors import google_error, unwrapped
from adapters.wire.kit import BROKEN, floats, given, input_report, items, member, refused, words
from adapters.wire.lenient import loads
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import Media
from domain.relay.delta import Delta, UsageReport
from domain.relay.dialect import Target, UnsupportedParameterError
from domain.relay.tasks import Embeddings, Images, ImagesRequest, MadeImage, Speech, SpeechRequest
from domain.relay.vendor_errors import VendorError

_RATIOS: Final = {"1:1": 1.0, "3:4": 0.75, "4:3": 4 / 3, "9:16": 0.5625, "16:9": 16 / 9}
_PCM_RATE: Final = 24_000
_DIMENSION_MAX: Final = 100_000

# ---- Images


def aspect_ratio(size: str) -> str | None:
    """Give the ratio nearest to a size such as 1024x1792; None for none, InvalidRequestError for what is no size."""
    if size in ("", "auto"):
        return None
    if size in _RATIOS:
        return size
    width, _, height = size.lower().partition("x")
    if not (width.isdecimal() and height.isdecimal()) or not 0 < int(height) < _DIMENSION_MAX:
        raise InvalidRequestError(f"'{size}' is no size such as 1024x1024.", param="size", reason="invalid_value")
    asked = int(width) / int(height)
    return min(_RATIOS, key=lambda name: abs(_RATIOS[name] - asked))


def imagen_body(request: ImagesRequest, target: Target) -> dict[str, Any]:
    """Give the body of an Imagen prediction."""
    _refuse_unknown(request, target)
    if request.images or request.mask is not None:
        raise refused("images/edits")
    parameters = given(sampleCount=request.n, aspectRatio=aspect_ratio(request.size), outputOptions=_output(request))
    return {"instances": [{"prompt": request.prompt}], "parameters": parameters}


def image_chat_body(request: ImagesRequest, target: Target) -> dict[str, Any]:
    """Give the body of a chat whose answer is an image; images to be changed come before the words."""
    _refuse_unknown(request, target)
    if request.n > 1:
        raise UnsupportedParameterError("n", "This model makes one image per call: ask for one.")
    if request.mask is not None:
        raise UnsupportedParameterError("mask")
    parts: list[dict[str, Any]] = [
        {"inlineData": {"mimeType": each.media_type, "data": base64.b64encode(each.content).decode()}}
        for each in request.images
    ]
    config = given(responseModalities=["TEXT", "IMAGE"], imageConfig=given(aspectRatio=aspect_ratio(request.size)))
    return {
        "contents": [{"role": "user", "parts": [*parts, {"text": request.prompt}]}],
        "generationConfig": config,
    }


def _refuse_unknown(request: ImagesRequest, target: Target) -> None:
    if target.drops_unsupported:
        return
    asked = given(style=request.style, background=request.background, quality=request.quality) | request.others
    for name, value in asked.items():
        if value not in ("auto", "standard", "b64_json"):
            raise UnsupportedParameterError(name)
    if request.response_format == "url":
        raise UnsupportedParameterError("response_format", "This model's vendor gives images as base64 only.")


def _output(request: ImagesRequest) -> dict[str, str]:
    return {"mimeType": f"image/{request.output_format}"} if request.output_format else {}


def decode_images(body: bytes) -> Delta:
    """Read images, from a prediction or from a chat; what a filter took out of either is not among them."""
    answer = unwrapped(loads(body))
    if not isinstance(answer, dict):
        return BROKEN
    if "error" in answer:
        return Delta(error=google_error(answer))
    predictions = items(answer.get("predictions"))
    found = [
        MadeImage(data=data, media_type=words(member(each, "mimeType")) or "image/png")
        for each in predictions
        if (data := words(member(each, "bytesBase64Encoded")))
    ]
    delta = GeminiReader().read(body)
    made = [piece.media for piece in delta.pieces if isinstance(piece.media, Media) and piece.media.data]
    found += [MadeImage(data=each.data, media_type=each.media_type) for each in made]
    if delta.error is not None:
        return delta
    if not found:
        # With status 200: every image was filtered, or the model answered in words.
        return Delta(error=prompt_blocked())
    return Delta(result=Images(tuple(found)), report=_with_images(delta.report, len(found)))


def _with_images(report: UsageReport | None, count: int) -> UsageReport | None:
    """Give the report with the number of images, where there is a report; else they are counted by the result."""
    if report is None or report.usage is None:
        return None
    return msgspec.structs.replace(report, usage=msgspec.structs.replace(report.usage, images=count))


# ---- Speech


def speech_body(request: SpeechRequest, target: Target) -> dict[str, Any]:
    """Give the body of a chat whose answer is sound; how to speak is said in the prompt."""
    if not target.drops_unsupported:
        if request.format not in ("wav", "pcm"):
            raise UnsupportedParameterError("response_format", "This model's vendor gives wav and pcm only.")
        if request.speed not in (None, 1, 1.0):
            raise UnsupportedParameterError("speed")
        for name in request.others:
            raise UnsupportedParameterError(name)
    text = f"{request.instructions}\n\n{request.text}" if request.instructions else request.text
    config = {"responseModalities": ["AUDIO"], "speechConfig": speech_config(request.voice)}
    return {"contents": [{"role": "user", "parts": [{"text": text}]}], "generationConfig": config}


def decode_speech(body: bytes, call: Call) -> Delta:
    """Read sound: 16-bit samples without a header, which get one unless the client asked for bare samples."""
    delta = GeminiReader().read(body)
    if delta.error is not None:
        return delta
    sound = next((piece.media for piece in delta.pieces if piece.media is not None and piece.media.data), None)
    if sound is None:
        return Delta(error=VendorError("protocol", vendor_code="no_audio"), report=delta.report)
    try:
        samples = base64.b64decode(sound.data)
    except ValueError:
        return Delta(error=VendorError("protocol", vendor_code="no_audio"), report=delta.report)
    media_type = sound.media_type.lower()
    if not media_type.startswith(("audio/l16", "audio/pcm")):
        return Delta(result=Speech(samples, sound.media_type), report=delta.report)
    if member(loads(call.body), "response_format") == "pcm":
        return Delta(result=Speech(samples, "audio/pcm"), report=delta.report)
    return Delta(result=Speech(_wav(samples, _rate(media_type)), "audio/wav"), report=delta.report)


def _rate(media_type: str) -> int:
    found = media_type.partition("rate=")[2].partition(";")[0].strip()
    return int(found) if found.isascii() and found.isdecimal() and 0 < len(found) < _RATE_DIGITS else _PCM_RATE


_RATE_DIGITS: Final = 7


def _wav(samples: bytes, rate: int) -> bytes:
    head = struct.pack(
        "<4sI4s4sIHHIIHH4sI",
        b"RIFF",
        (36 + len(samples)) & 0xFFFFFFFF,
        b"WAVE",
        b"fmt ",
        16,
        1,
        1,
        rate,
        rate * 2,
        2,
        16,
        b"data",
        len(samples) & 0xFFFFFFFF,
    )
    return head + samples


# ---- Vectors


def decode_embeddings(body: bytes) -> Delta:
    """Read vectors from any of the forms: one, a list, or predictions with counts of their tokens."""
    answer = unwrapped(loads(body))
    if not isinstance(answer, dict):
        return BROKEN
    if "error" in answer:
        return Delta(error=google_error(answer))
    predictions = items(answer.get("predictions"))
    found = [member(each, "embeddings", "values") for each in predictions]
    found += [member(each, "values") for each in items(answer.get("embeddings"))]
    if "embedding" in answer:
        found.append(member(answer, "embedding", "values"))
    vectors = [floats(each) for each in found]
    if not vectors or None in vectors:
        return Delta(error=VendorError("protocol", vendor_code="no_embeddings"))
    counts = [member(each, "embeddings", "statistics", "token_count") for each in predictions]
    tokens: object = member(answer, "usageMetadata", "promptTokenCount")
    if counts and all(isinstance(each, int) and not isinstance(each, bool) for each in counts):
        tokens = sum(counts)
    return Delta(
        result=Embeddings(tuple(each for each in vectors if each is not None)),
        report=input_report(tokens),
    )


def counted(body: bytes) -> Delta:
    """Read a count of tokens."""
    answer = unwrapped(loads(body))
    if not isinstance(answer, dict):
        return BROKEN
    report = input_report(answer.get("totalTokens"))
    if report is None or report.usage is None:
        return Delta(error=google_error(answer))
    cached = answer.get("cachedContentTokenCount")
    total = report.usage.input_tokens
    if type(cached) is int and 0 < cached <= total:
        return Delta(report=UsageReport(TokenUsage(input_tokens=total - cached, cached_input_tokens=cached), total))
    return Delta(report=report)
