"""MiniMax: OpenAI's dialect for chats, its own for vectors and speech."""

import binascii
import math
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from adapters.dialects.openai.answers import error_in
from adapters.dialects.openai.dialect import OpenAIDialect
from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.quirks import unsupported
from adapters.dialects.openai.usage import decode_usage
from adapters.wire.counts import CountReader
from adapters.wire.lenient import loads
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.delta import Delta, UsageReport
from domain.relay.dialect import CanonicalRequest, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Embeddings, EmbeddingsRequest, Speech, SpeechRequest
from domain.relay.vendor_errors import VendorError

SURFACES: Final[frozenset[Surface]] = frozenset({"chat", "embeddings", "speech"})

_FORMATS: Final = {"mp3": "audio/mpeg", "wav": "audio/wav", "flac": "audio/flac", "pcm": "audio/pcm"}
_KINDS: Final = frozenset({"db", "query"})
_NUMBER_MAX: Final = 1e300


class MiniMaxDialect(OpenAIDialect):
    """Never native: vectors and speech are asked for and given in another form altogether."""

    def __init__(self, profile: Profile) -> None:
        """Take the quirks of its chats."""
        super().__init__(profile, SURFACES)

    def encode(self, call: Call, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Write a request of any client's for this vendor."""
        match request:
            case EmbeddingsRequest():
                return self._own("/embeddings", _texts(request, target), target)
            case SpeechRequest():
                return self._own("/t2a_v2", _words(call, request, target), target)
            case _:
                return super().encode(call, request, target)

    def _own(self, path: str, members: dict[str, Any], target: Target) -> VendorRequest:
        group = target.key.partition("|")[2]
        query = f"?GroupId={quote(group, safe='')}" if group else ""
        return VendorRequest(
            url=self.root(target) + path + query,
            headers=self.headers(target),
            body=msgspec.json.encode(members),
            streams=False,
        )

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        if call.surface not in ("embeddings", "speech"):
            return super().decode(body, headers, call)
        answer = loads(body)
        if not isinstance(answer, dict):
            return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
        base = answer.get("base_resp")
        is_fine = isinstance(base, dict) and base.get("status_code") == 0
        error = None if is_fine else error_in(answer, self.profile)
        if error is not None:
            return Delta(error=error)
        return _read_vectors(answer) if call.surface == "embeddings" else _read_speech(answer)


def _texts(request: EmbeddingsRequest, target: Target) -> dict[str, Any]:
    if not all(isinstance(each, str) for each in request.inputs):
        raise InvalidRequestError(
            "This model's vendor takes texts, and no token ids.", param="input", reason="invalid_value"
        )
    if request.dimensions is not None:
        unsupported("dimensions", target)
    asked = request.others.get("type", request.task or "db")
    for name in request.others:
        if name != "type":
            unsupported(name, target)
    return {"model": target.model, "texts": list(request.inputs), "type": asked if asked in _KINDS else "db"}


def _words(call: Call, request: SpeechRequest, target: Target) -> dict[str, Any]:
    if request.format not in _FORMATS and unsupported("response_format", target):
        request = msgspec.structs.replace(request, format="mp3")
    if request.instructions:
        unsupported("instructions", target)
    members: dict[str, Any] = {
        "model": target.model,
        "text": request.text,
        "stream": False,
        "voice_setting": {"voice_id": request.voice, "speed": 1 if request.speed is None else request.speed},
        "audio_setting": {"format": request.format},
    }
    if call.dialect == "openai":
        return members | request.others
    return members


def _read_vectors(answer: dict[str, Any]) -> Delta:
    rows = answer.get("vectors")
    vectors = tuple(
        tuple(float(number) for number in row)
        for row in (rows if isinstance(rows, list) else [])
        if isinstance(row, list) and row and all(_is_number(number) for number in row)
    )
    report = decode_usage({"total_tokens": answer.get("total_tokens")}, input_only=True)
    if not vectors or not isinstance(rows, list) or len(vectors) != len(rows):
        return Delta(report=report, error=VendorError("protocol", vendor_code="no_embeddings"))
    return Delta(report=report, choices=1, result=Embeddings(vectors))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) < _NUMBER_MAX and math.isfinite(value)


def _read_speech(answer: dict[str, Any]) -> Delta:
    """Read the sound, which is written in hexadecimal digits, and the characters that it is charged by."""
    data = answer.get("data")
    audio = data.get("audio") if isinstance(data, dict) else None
    try:
        content = bytes.fromhex(audio) if isinstance(audio, str) else b""
    except (ValueError, binascii.Error):
        content = b""
    if not content:
        return Delta(error=VendorError("protocol", vendor_code="no_audio"))
    extra = answer.get("extra_info")
    extra = extra if isinstance(extra, dict) else {}
    format_ = extra.get("audio_format")
    characters = CountReader().count(extra.get("usage_characters"), "characters")
    return Delta(
        choices=1,
        report=None if characters is None else UsageReport(TokenUsage(characters=characters)),
        result=Speech(content, _FORMATS.get(format_, "audio/mpeg") if isinstance(format_, str) else "audio/mpeg"),
    )
