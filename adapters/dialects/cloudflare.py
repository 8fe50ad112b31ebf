"""Cloudflare Workers AI's native dialect: any model by its path, answers in an envelope.

Source: Cloudflare's converter in public gateways and its documentation of `/ai/run`. Chats of most models are better
served by its OpenAI surface, which is a row of the compatible family.
"""

import base64
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    bearer,
    check_tool_choice,
    clamped,
    fitted,
    floats,
    get,
    given,
    items,
    json_text,
    member,
    openai_calls,
    openai_tools,
    post,
    refused,
    report,
    results_of,
    text_of,
    texts_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Message
from domain.relay.delta import Delta, Piece, ToolDelta, UsageReport, said
from domain.relay.dialect import CanonicalRequest, Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import (
    Embeddings,
    EmbeddingsRequest,
    Images,
    ImagesRequest,
    MadeImage,
    Speech,
    SpeechRequest,
    Transcript,
    TranscriptionRequest,
)
from domain.relay.vendor_errors import Kind, VendorError

_TAKES: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "response_format",
    }
)
_EXTRAS: Final = ("repetition_penalty", "lora", "raw")
_BYTES_TYPES: Final = ("image/", "audio/", "application/octet-stream")


class CloudflareDialect(BaseDialect):
    """Workers AI; the account is an option of the channel."""

    surfaces: frozenset[Surface] = frozenset({"chat", "embeddings", "images", "speech", "transcriptions"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("10000", "10001", "7000", "7003"), "auth"),
        "5007": "not_found",
        **dict.fromkeys(("3036", "4006"), "quota"),
        "3040": "rate_limit",
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a text generation."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        check_tool_choice(asked, target, "none")
        offers_tools = asked.tool_choice is None or asked.tool_choice.mode != "none"
        shape = asked.response_format
        body = given(
            messages=[each for message in asked.messages for each in _messages(message)],
            max_tokens=target.output_tokens_max,
            temperature=clamped(asked.temperature, 0, 5),
            top_p=asked.top_p,
            top_k=asked.top_k,
            seed=asked.seed,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            tools=openai_tools(asked.tools) if offers_tools else [],
            response_format=None
            if shape is None or shape.kind == "text"
            else given(type=shape.kind, json_schema=shape.schema),
            **asked.others,
        )
        return _run(target, body | {"stream": call.stream})

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of embeddings."""
        return _run(target, {"text": texts_of(request)})

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give the body for an image, a voice or a recording."""
        match request:
            case ImagesRequest(images=()):
                width, _, height = request.size.partition("x")
                size = {"width": int(width), "height": int(height)} if width.isdecimal() and height.isdecimal() else {}
                return _run(target, {"prompt": request.prompt, **size, **request.others})
            case SpeechRequest():
                return _run(target, given(prompt=request.text, lang=request.others.get("lang")))
            case TranscriptionRequest(translate=False):
                audio = base64.b64encode(request.file.content).decode()
                return _run(target, given(audio=audio, language=request.language, initial_prompt=request.prompt))
            case _:
                raise refused(type(request).__name__)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer; images and voices may be bare bytes."""
        media_type = headers.get("Content-Type", "")
        if media_type.startswith(_BYTES_TYPES):
            return _bytes(body, media_type, call)
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        result = answer.get("result")
        if answer.get("success") is False or not isinstance(result, dict):
            return Delta(error=classify(answer, kinds=self.kinds))
        match call.surface:
            case "embeddings":
                return _embeddings(result)
            case "images":
                image = words(result.get("image"))
                return Delta(result=Images((MadeImage(data=image),))) if image else BROKEN
            case "speech":
                return _spoken(words(result.get("audio")))
            case "transcriptions":
                return Delta(result=_transcript(result))
            case _:
                return _answer(result)

    def models_request(self, target: Target) -> VendorRequest | None:
        """Search all models."""
        return get(f"{_account(target)}/models/search?per_page=1000", bearer(target.key))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read their names."""
        return tuple(name for each in items(member(loads(body), "result")) if (name := words(member(each, "name"))))


def _account(target: Target) -> str:
    account = quote(target.options.get("account_id", ""), safe="")
    return f"{target.base_url}/client/v4/accounts/{account}/ai"


def _run(target: Target, body: dict[str, Any]) -> VendorRequest:
    return post(f"{_account(target)}/run/{quote(target.model, safe='/@')}", body, bearer(target.key))


def _messages(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {"role": "tool", "tool_call_id": result.call_id, "content": text_of(result.parts)}
            for result in results_of(message)
        ]
    calls = given(tool_calls=openai_calls(message.parts))
    return [{"role": message.role, "content": text_of(message.parts), **calls}]


def _usage(usage: object) -> UsageReport | None:
    return report(member(usage, "prompt_tokens"), member(usage, "completion_tokens"), member(usage, "total_tokens"))


def _answer(result: dict[str, Any]) -> Delta:
    spoken = result.get("response")
    # A model that was asked for JSON answers with the object itself.
    text = json_text(spoken) if isinstance(spoken, dict | list) else words(spoken)
    calls = items(result.get("tool_calls"))
    pieces = [Piece(text=text)] if text else []
    pieces += [Piece(tool=_call(index, call)) for index, call in enumerate(calls)]
    if not pieces:
        return Delta(error=VendorError("protocol", vendor_code="no_answer"), report=_usage(result.get("usage")))
    return said(*pieces, Piece(finish_reason="tool_calls" if calls else "stop"), report=_usage(result.get("usage")))


def _call(index: int, call: object) -> ToolDelta:
    function = member(call, "function") or call
    return ToolDelta(
        index=index,
        call_id=words(member(call, "id")) or f"call_{index}",
        name=words(member(function, "name")),
        arguments=json_text(member(function, "arguments")),
    )


def _embeddings(result: dict[str, Any]) -> Delta:
    vectors = [floats(each) for each in items(result.get("data"))]
    if not vectors or None in vectors:
        return BROKEN
    return Delta(result=Embeddings(tuple(each for each in vectors if each is not None)))


def _bytes(body: bytes, media_type: str, call: Call) -> Delta:
    if call.surface == "images":
        image = MadeImage(data=base64.b64encode(body).decode(), media_type=media_type)
        return Delta(result=Images((image,)))
    return Delta(result=Speech(body, media_type)) if call.surface == "speech" else BROKEN


def _spoken(audio: str) -> Delta:
    try:
        return Delta(result=Speech(base64.b64decode(audio, validate=True), "audio/mpeg")) if audio else BROKEN
    except ValueError:
        return BROKEN


def _transcript(result: dict[str, Any]) -> Transcript:
    found = [each for each in items(result.get("words")) if isinstance(each, dict)]
    last = member(found[-1], "end") if found else None
    milliseconds = round(last * 1000) if isinstance(last, int | float) and 0 <= last < 10**7 else 0
    return Transcript(text=words(result.get("text")), words=tuple(found), milliseconds=milliseconds)


class _Stream(BaseDecoder):
    def __init__(self) -> None:
        """Start before the first event."""
        self._calls = 0
        self._has_begun = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event; no reason for the end is ever given."""
        if frame.data == b"[DONE]":
            reason = Piece(finish_reason="tool_calls" if self._calls else "stop")
            return [said(reason), Delta(is_done=True)]
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        if event.get("errors") or event.get("success") is False:
            return [Delta(error=classify(event, kinds=CloudflareDialect.kinds))]
        pieces = [Piece(text=text)] if (text := words(event.get("response"))) else []
        for call in items(event.get("tool_calls")):
            pieces.append(Piece(tool=_call(self._calls, call)))
            self._calls += 1
        usage = _usage(event.get("usage"))
        return [said(*pieces, report=usage)] if pieces or usage is not None else []


DIALECT: Final = CloudflareDialect()
