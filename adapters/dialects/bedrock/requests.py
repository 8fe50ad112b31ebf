"""Converse: the body of a call.

Source: botocore 1.44.5, the service model bedrock-runtime 2023-09-30.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from adapters.wire.claude_models import ClaudeModel, claude_model
from adapters.wire.kit import arguments_of, fitted, given
from adapters.wire.media import media_type_of, must_be_inline, refuse_media
from adapters.wire.messages import ANSWER_TOOL, output_limit, thinking_of
from adapters.wire.schemas import strict_schema
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import (
    Cache,
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolResult,
)
from domain.relay.dialect import Target, UnsupportedParameterError

_TAKES: Final = frozenset(
    {"tools", "tool_choice", "temperature", "top_p", "top_k", "stop", "response_format", "reasoning"}
)
_JSON_ONLY: Final = "Answer with a single JSON object and nothing else: no code fence, no words around it."
_IMAGES: Final = {"image/png": "png", "image/jpeg": "jpeg", "image/gif": "gif", "image/webp": "webp"}
_DOCUMENTS: Final = {
    "application/pdf": "pdf",
    "text/csv": "csv",
    "application/msword": "doc",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.ms-excel": "xls",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/html": "html",
    "text/plain": "txt",
    "text/markdown": "md",
}
_VIDEOS: Final = {
    "video/mp4": "mp4",
    "video/x-matroska": "mkv",
    "video/quicktime": "mov",
    "video/webm": "webm",
    "video/x-flv": "flv",
    "video/mpeg": "mpeg",
    "video/x-ms-wmv": "wmv",
    "video/3gpp": "three_gp",
}
_SOUNDS: Final = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/wav": "wav",
    "audio/flac": "flac",
    "audio/ogg": "ogg",
    "audio/aac": "aac",
    "audio/opus": "opus",
    "audio/webm": "webm",
    "audio/mp4": "mp4",
}
_UNNAMABLE: Final = re.compile(r"[^A-Za-z0-9 \-()\[\]]+")
_TIERS: Final = ("priority", "flex", "reserved")


def converse_body(call: Call, request: ChatRequest, target: Target) -> dict[str, Any]:
    """Give the body; the model is in the address."""
    claude = claude_model(target.model) if "claude" in target.model.lower() else None
    takes = _TAKES if claude is not None else _TAKES - {"top_k", "reasoning"}
    asked = fitted(_harmless(request), target, takes=takes)
    limit = call.output_tokens_max if target.output_tokens_max is None else target.output_tokens_max
    fields, effort = _claude_fields(call, asked, claude, target)
    if "thinking" in fields and limit is None and claude is not None:
        limit = claude.output_tokens_max
    asked = _sampling(
        asked, claude, target, is_thinking=fields.get("thinking", {}).get("type", "disabled") != "disabled"
    )
    tools, shape, note = _tools(asked, claude, target)
    return given(
        system=_system(asked, note),
        messages=_turns(asked),
        inferenceConfig=given(
            maxTokens=limit,
            temperature=asked.temperature,
            topP=asked.top_p,
            stopSequences=[each for each in asked.stop if each.strip()],
        ),
        toolConfig=tools,
        outputConfig=given(textFormat=shape, effort=effort),
        additionalModelRequestFields=fields,
        serviceTier=given(type=asked.service_tier) if asked.service_tier in _TIERS else None,
    )


def _harmless(request: ChatRequest) -> ChatRequest:
    """Leave out what says nothing: a choice about parallel calls, where there is nothing to call."""
    return request if request.tools else msgspec.structs.replace(request, parallel_tool_calls=None)


def _refuse(param: str, target: Target, message: str = "") -> None:
    if not target.drops_unsupported:
        raise UnsupportedParameterError(param, message)


def _claude_fields(
    call: Call, request: ChatRequest, model: ClaudeModel | None, target: Target
) -> tuple[dict[str, Any], str | None]:
    """Give what only Claude's models take, and the word for effort, which has a place of its own."""
    if model is None:
        return {}, None
    limit = output_limit(call, target, model)
    thinking, effort = thinking_of(request, model, limit, target, says_effort_alone=call.dialect == "anthropic")
    return given(thinking=thinking, top_k=request.top_k), effort


def _sampling(request: ChatRequest, model: ClaudeModel | None, target: Target, *, is_thinking: bool) -> ChatRequest:
    temperature = request.temperature
    if temperature is not None and temperature > 1:
        _refuse("temperature", target, "This model's vendor takes a temperature from 0 to 1: lower 'temperature'.")
        temperature = 1.0
    is_fixed = is_thinking or (model is not None and not model.takes_sampling)
    if is_fixed and temperature is not None:
        if temperature != 1:
            _refuse("temperature", target)
        temperature = None
    return msgspec.structs.replace(request, temperature=temperature)


# ---- Tools and the answer's shape


def _tools(
    request: ChatRequest, claude: ClaudeModel | None, target: Target
) -> tuple[dict[str, Any] | None, dict[str, Any] | None, str]:
    """Give the tools with the choice among them, the answer's native format, and a note for the system."""
    tools = list(request.tools)
    called = _called(request)
    choice = request.tool_choice
    mode = choice.mode if choice is not None else "auto"
    if mode == "none":
        # There is no such choice: tools are left out, unless the conversation has called some, which demands them.
        if called:
            _refuse(
                "tool_choice", target, "This model's vendor cannot be kept from calling tools after it has called some."
            )
        else:
            tools = []
    if not tools and called:
        tools = [Tool(name=name) for name in called]
    shape, note, stand_in = _shape(request.response_format, claude)
    if stand_in is not None:
        mode = "required" if tools else "named"
        tools.append(stand_in)
    if not tools:
        return None, shape, note
    named = ANSWER_TOOL if stand_in is not None or choice is None else choice.name
    choices: dict[str, dict[str, Any]] = {"required": {"any": {}}, "named": {"tool": {"name": named}}}
    if mode == "auto" and choice is not None:
        choices["auto"] = {"auto": {}}
    return given(tools=list(_specs(tools)), toolChoice=choices.get(mode)), shape, note


def _called(request: ChatRequest) -> list[str]:
    found = [part.name for message in request.turns for part in message.parts if isinstance(part, ToolCall)]
    return list(dict.fromkeys(found))


def _specs(tools: list[Tool]) -> Iterator[dict[str, Any]]:
    for tool in tools:
        schema = tool.parameters or {"type": "object", "properties": {}}
        spec = given(name=tool.name, description=tool.description or tool.name, strict=tool.strict)
        yield {"toolSpec": spec | {"inputSchema": {"json": schema}}}
        yield from _cache_point(tool.cache)


def _shape(asked: ResponseFormat | None, claude: ClaudeModel | None) -> tuple[dict[str, Any] | None, str, Tool | None]:
    """Give the native format, or a note for the system, or the tool that stands in for it."""
    if asked is None or asked.kind == "text":
        return None, "", None
    if asked.kind == "json_object" or asked.schema is None:
        return None, _JSON_ONLY, None
    if claude is not None and not claude.takes_schema:
        tool = Tool(name=ANSWER_TOOL, description=asked.description or "Gives the answer.", parameters=asked.schema)
        return None, "", tool
    schema = strict_schema(asked.schema) if claude is not None else asked.schema
    said = given(schema=msgspec.json.encode(schema).decode(), name=asked.name, description=asked.description)
    return {"type": "json_schema", "structure": {"jsonSchema": said}}, "", None


# ---- Messages


def _cache_point(cache: Cache) -> list[dict[str, Any]]:
    """Give the block that asks for what stands before it to be kept; five minutes are meant by silence."""
    return [{"cachePoint": given(type="default", ttl=cache if cache == "1h" else None)}] if cache else []


def _system(request: ChatRequest, note: str) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    for message in request.messages:
        if message.role != "system":
            continue
        for part in message.parts:
            if isinstance(part, Media):
                raise refuse_media(part, "This model's vendor takes only text in instructions.")
            if isinstance(part, Text) and part.text.strip():
                blocks += [{"text": part.text}, *_cache_point(part.cache)]
    return [*blocks, {"text": note}] if note else blocks


def _turns(request: ChatRequest) -> list[dict[str, Any]]:
    """Give turns that alternate; what a turn's tools gave stands first in the user's turn."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in request.turns:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message))
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    if not turns:
        raise InvalidRequestError("There must be a message with something in it.", param="messages")
    return [{"role": role, "content": _results_first(blocks)} for role, blocks in turns]


def _results_first(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Move results before other blocks; a cache point stays behind the block that it follows."""
    last_result = False
    keyed: list[tuple[bool, dict[str, Any]]] = []
    for block in blocks:
        last_result = "toolResult" in block or ("cachePoint" in block and last_result)
        keyed.append((not last_result, block))
    return [block for _, block in sorted(keyed, key=lambda each: each[0])]


def _blocks(message: Message) -> Iterator[dict[str, Any]]:
    for part in message.parts:
        block = _block(part)
        if block is not None:
            yield block
            yield from _cache_point(getattr(part, "cache", ""))


def _block(part: Part) -> dict[str, Any] | None:
    match part:
        case Text() | Refusal():
            # Blank text is refused.
            return {"text": part.text} if part.text.strip() else None
        case Media():
            return media_block(part)
        case Reasoning() if part.redacted:
            return {"reasoningContent": {"redactedContent": part.redacted}}
        case Reasoning():
            # Thoughts without the vendor's proof are refused, and a proof cannot be made up.
            thought = {"text": part.text, "signature": part.signature}
            return {"reasoningContent": {"reasoningText": thought}} if part.signature else None
        case ToolCall():
            return {"toolUse": {"toolUseId": part.call_id, "name": part.name, "input": arguments_of(part)}}
        case ToolResult():
            content = [block for each in part.parts if (block := _block(each)) is not None]
            status = {"status": "error"} if part.is_error else {}
            return {"toolResult": {"toolUseId": part.call_id, "content": content or [{"text": "(empty)"}]} | status}


def media_block(media: Media) -> dict[str, Any]:
    """Give media by its bytes, or by its place in S3; UnsupportedParameterError for what the vendor does not take."""
    if media.url or (media.file_id and not media.file_id.startswith("s3://")):
        raise must_be_inline(media)
    source = {"s3Location": {"uri": media.file_id}} if media.file_id else {"bytes": media.data}
    match media.kind:
        case "image":
            return {"image": {"format": _format(media, _IMAGES), "source": source}}
        case "video":
            return {"video": {"format": _format(media, _VIDEOS), "source": source}}
        case "audio":
            return {"audio": {"format": _format(media, _SOUNDS), "source": source}}
        case "file":
            return {"document": {"format": _format(media, _DOCUMENTS), "name": _name(media), "source": source}}


def _name(media: Media) -> str:
    """Give a document's name in the few letters that the vendor takes, blanks one at a time."""
    plain = _UNNAMABLE.sub(" ", media.name.rpartition(".")[0] or media.name)
    return " ".join(plain.split())[:200] or "document"


def _format(media: Media, formats: dict[str, str]) -> str:
    media_type = media_type_of(media).partition(";")[0]
    found = formats.get(media_type)
    if found is None:
        raise refuse_media(media, f"This model's vendor does not take '{media_type}': send another format.")
    return found
