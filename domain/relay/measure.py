"""A canonical request in the shape that prompts are measured in, whatever surface it came by."""

from collections.abc import Mapping
from typing import Any, Final

from domain.metering.recordings import length_of
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

SEARCH_DOCUMENTS: Final = 100
"""How many documents Cohere counts as one search; a longer document counts as several, of 500 tokens each."""
_SEARCH_BYTES: Final = 250
"""Fewer than 500 tokens and the query before them have."""


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


def consumes(request: CanonicalRequest) -> tuple[TokenUsage, TokenUsage]:
    """Give what a call consumes besides tokens: likely, for a vendor that says nothing, and at most, to be held for."""
    match request:
        case TranscriptionRequest():
            length = length_of(request.file.content)
            return TokenUsage(milliseconds=length.likely), TokenUsage(milliseconds=length.most)
        case RerankRequest():
            counted = sum(1 + len(document) // _SEARCH_BYTES for document in request.documents)
            return TokenUsage(), TokenUsage(calls=-(-counted // SEARCH_DOCUMENTS))
        case _:
            known = _consumes(request)
            return known, known


def translated_characters(body: Mapping[str, Any]) -> int:
    """Give the characters of a chat's last message: what a vendor that translates it is paid for."""
    messages = body.get("messages")
    last = messages[-1] if isinstance(messages, list) and messages else None
    content = last.get("content") if isinstance(last, dict) else None
    if isinstance(content, list):
        texts = [part.get("text") for part in content if isinstance(part, dict)]
        return min(sum(len(text) for text in texts if isinstance(text, str)), COUNT_MAX)
    return len(content) if isinstance(content, str) else 0


def _consumes(request: CanonicalRequest) -> TokenUsage:
    match request:
        case ImagesRequest():
            asked = (request.size, request.quality)
            # What is left to the vendor may come out as the dearest.
            variant = "" if "auto" in asked else "/".join(word for word in asked if word)
            return TokenUsage(images=request.n, image_variant=variant)
        case SpeechRequest():
            return TokenUsage(characters=len(request.text))
        case _:
            return TokenUsage()


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
