"""Gemini as AI Studio serves it: chat, counting, vectors, images and speech."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import msgspec

from adapters.wire.base import BaseDialect
from adapters.wire.gemini import gemini_body, reads_address, restrained
from adapters.wire.gemini_answers import GeminiReader, decode_generated
from adapters.wire.google_errors import google_failure
from adapters.wire.google_tasks import (
    counted,
    decode_embeddings,
    decode_images,
    decode_speech,
    image_chat_body,
    imagen_body,
    speech_body,
)
from adapters.wire.kit import HEADERS, get, given, items, member, post, refused, texts_of, words
from adapters.wire.lenient import loads
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media
from domain.relay.delta import Delta
from domain.relay.dialect import CanonicalRequest, Frame, StreamDecoder, Target, UnsupportedParameterError
from domain.relay.ports import VendorRequest
from domain.relay.tasks import EmbeddingsRequest, ImagesRequest, SpeechRequest
from domain.relay.vendor_errors import VendorError

_VERSIONS: Final = ("/v1beta", "/v1", "/v1alpha")
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode


class GeminiDialect(BaseDialect):
    """AI Studio's Gemini and Imagen."""

    surfaces: frozenset[Surface] = frozenset({"chat", "count_tokens", "embeddings", "images", "image_edits", "speech"})
    end_mark: bytes = b""
    """A stream ends with its body; what lacks a reason to stop has been cut off."""

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a chat, or of its count of tokens."""
        body = gemini_body(call, request, target)
        if call.surface == "count_tokens":
            whole = {"model": f"models/{_plain(target.model)}", **body}
            return post(_address(target, "countTokens"), {"generateContentRequest": whole}, _headers(target))
        return post(_address(target, _chat_verb(call)), body, _headers(target))

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body for vectors, one request for each text."""
        if not target.drops_unsupported:
            for name in request.others:
                raise UnsupportedParameterError(name)
        asked = given(taskType=request.task, title=request.title, outputDimensionality=request.dimensions)
        model = f"models/{_plain(target.model)}"
        requests = [{"model": model, "content": {"parts": [{"text": text}]}, **asked} for text in texts_of(request)]
        return post(_address(target, "batchEmbedContents"), {"requests": requests}, _headers(target))

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give the body for images and speech."""
        match request:
            case ImagesRequest() if "imagen" in target.model:
                return post(_address(target, "predict"), imagen_body(request, target), _headers(target))
            case ImagesRequest():
                return post(_address(target, "generateContent"), image_chat_body(request, target), _headers(target))
            case SpeechRequest():
                return post(_address(target, "generateContent"), speech_body(request, target), _headers(target))
            case _:
                raise refused(type(request).__name__)

    def must_fetch(self, media: Media) -> bool:
        """Tell whether an address in a request must be replaced by its bytes before it is encoded."""
        return bool(media.url) and not reads_address(media)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read partial answers."""
        return GeminiReader()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        match call.surface:
            case "embeddings":
                return decode_embeddings(body)
            case "images" | "image_edits":
                return decode_images(body)
            case "speech":
                return decode_speech(body, call)
            case "count_tokens":
                return counted(body)
            case _:
                return decode_generated(body)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer."""
        return google_failure(status, headers, body, secrets=secrets)

    # ---- Native

    def encode_native(self, call: Call, target: Target) -> VendorRequest:
        """Give the client's own body, with the output limit if it is another; the model is in the address."""
        body = call.body
        if call.surface == "chat":
            body = restrained(body, target.output_tokens_max, call.output_tokens_max)
            verb = _chat_verb(call)
        elif call.surface == "count_tokens":
            verb = "countTokens"
        else:
            verb = "batchEmbedContents" if _is_batch(body) else "embedContent"
        if call.surface != "chat" and target.model != call.model:
            body = _renamed(body, target.model)
        return VendorRequest(url=_address(target, verb), headers={**HEADERS, **_headers(target)}, body=body)

    def decode_native(self, frame: Frame) -> Delta:
        """Read one partial answer."""
        if not frame.data:
            return Delta(usage_only=True)
        return msgspec.structs.replace(GeminiReader().read(frame.data), pieces=())

    def rewrite_frame(self, frame: Frame, delta: Delta, call: Call, model: str) -> bytes | None:
        """Give the payload as it came, but for the model's name."""
        return self.rewrite_body(frame.data, call, model)

    def decode_native_body(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer: usage, text, error."""
        return msgspec.structs.replace(self.decode(body, headers, call), pieces=())

    def rewrite_body(self, body: bytes, call: Call, model: str) -> bytes:
        """Give the answer under the model name that the client used."""
        if model == call.model or b'"modelVersion"' not in body:
            return body
        try:
            members = _members.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return body
        if "modelVersion" not in members:
            return body
        members["modelVersion"] = msgspec.Raw(_encode(call.model))
        return _encode(members)

    def missing_usage(self, like: bytes, usage: TokenUsage, call: Call) -> bytes:
        """Usage is part of the events themselves: nothing is owed that could be sent alone."""
        return b""

    # ---- The channel itself

    def models_request(self, target: Target) -> VendorRequest:
        """List models."""
        return get(f"{_base(target)}/models?pageSize=1000", _headers(target))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read their names."""
        found = (words(member(each, "name")) for each in items(member(loads(body), "models")))
        return tuple(name.removeprefix("models/") for name in found if name)

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Give nothing: the vendor tells nobody's balance."""
        return None

    def decode_balance(self, body: bytes) -> Mapping[str, Any]:
        """Read nothing, for nothing is asked."""
        return {}


def _headers(target: Target) -> dict[str, str]:
    return {"x-goog-api-key": target.key}


def _base(target: Target) -> str:
    if target.base_url.endswith(_VERSIONS):
        return target.base_url
    return f"{target.base_url}/{target.options.get('api_version') or 'v1beta'}"


def _plain(model: str) -> str:
    return model.removeprefix("models/")


def _address(target: Target, verb: str) -> str:
    model = _plain(target.model)
    folder = "" if model.startswith("tunedModels/") else "models/"
    return f"{_base(target)}/{folder}{quote(model, safe='/')}:{verb}"


def _chat_verb(call: Call) -> str:
    return "streamGenerateContent?alt=sse" if call.stream else "generateContent"


def _is_batch(body: bytes) -> bool:
    return b'"requests"' in body and isinstance(member(loads(body), "requests"), list)


def _renamed(body: bytes, model: str) -> bytes:
    """Give a body whose requests name the model again under the name that the vendor knows."""
    content = loads(body)
    name = f"models/{_plain(model)}"
    holders = [content, member(content, "generateContentRequest"), *items(member(content, "requests"))]
    named = [each for each in holders if isinstance(each, dict) and "model" in each]
    for each in named:
        each["model"] = name
    return _encode(content) if named else body


DIALECT: Final = GeminiDialect()
