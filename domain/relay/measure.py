"""A canonical request in the shape that prompts are measured in, whatever surface it came by."""

from typing import Any, Final

from domain.metering.usage import COUNT_MAX, TokenUsage
from domain.relay.chat import ChatRequest, Media, Message, Part, Reasoning, Refusal, Text, ToolCall, ToolResult
from domain.relay.dialect import CanonicalRequest
from domain.relay.tasks import (
    EmbeddingsRequest,
    ImagesRequest,
    ModerationRequest,
    RerankRequest,
    SpeechRequest,
    TaskRequest,
    TranscriptionRequest,
)

AUDIO_BYTES_PER_SECOND_LEAST: Final = 1_000
"""The lowest rate of an MP3: a recording that does not say its length is no longer than this makes it."""


def measurable(request: CanonicalRequest) -> dict[str, Any]:
    """Give what `estimate_prompt` reads."""
    return _chat(request) if isinstance(request, ChatRequest) else {"input": _inputs(request)}


def _chat(request: ChatRequest) -> dict[str, Any]:
    body: dict[str, Any] = {"messages": [_message(message) for message in request.messages]}
    if request.tools:
        body["tools"] = [
            {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
            for tool in request.tools
        ]
    shape = request.response_format
    if shape is not None and shape.schema is not None:
        body["response_format"] = {"type": "json_schema", "json_schema": shape.schema}
    return body


def _inputs(request: TaskRequest) -> list[Any]:
    match request:
        case EmbeddingsRequest():
            return [list(each) if isinstance(each, tuple) else each for each in request.inputs]
        case RerankRequest():
            # The query is read again with each document.
            return [request.query + "\n" + document for document in request.documents]
        case ModerationRequest():
            return list(request.inputs)
        case ImagesRequest():
            return [request.prompt, *({"type": "image"} for _ in request.images)]
        case SpeechRequest():
            return [request.text, request.instructions]
        case TranscriptionRequest():
            return [request.prompt]


def consumes(request: CanonicalRequest) -> TokenUsage:
    """Give what a call consumes besides tokens, at most: what is held for, and charged if its vendor says nothing."""
    match request:
        case ImagesRequest():
            variant = "/".join(word for word in (request.size, request.quality) if word)
            return TokenUsage(images=request.n, image_variant=variant)
        case SpeechRequest():
            return TokenUsage(characters=len(request.text))
        case TranscriptionRequest():
            return TokenUsage(milliseconds=_milliseconds(request.file.content))
        case _:
            return TokenUsage()


def _milliseconds(content: bytes) -> int:
    rate = AUDIO_BYTES_PER_SECOND_LEAST
    if content[:4] == b"RIFF" and content[8:16] == b"WAVEfmt ":
        rate = max(rate, int.from_bytes(content[28:32], "little"))
    return min(-(-len(content) * 1000 // rate), COUNT_MAX)


def _message(message: Message) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": [_part(part) for part in message.parts]}
    if message.name:
        body["name"] = message.name
    return body


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Text() | Refusal():
            return {"type": "text", "text": part.text}
        case Reasoning():
            return {"type": "text", "text": part.text + part.redacted}
        case ToolCall():
            return {"type": "text", "text": part.name + part.arguments}
        case ToolResult():
            words = "".join(each.text for each in part.parts if isinstance(each, Text))
            return {"type": "text", "text": words}
        case Media():
            return _media(part)


def _media(part: Media) -> dict[str, Any]:
    if part.kind == "image":
        data = f"data:{part.media_type or 'image/png'};base64,{part.data}"
        return {"type": "image_url", "image_url": {"url": data if part.data else part.url, "detail": part.detail}}
    if part.kind == "audio":
        return {"type": "input_audio", "input_audio": {"data": part.data} if part.data else {}}
    return {"type": "file", "file": {"file_data": part.data} if part.data else {}}
