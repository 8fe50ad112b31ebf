"""A canonical chat, written as a body in OpenAI's form."""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.quirks import Members, say_thinking, unsupported
from domain.relay.call import Call
from domain.relay.chat import (
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
    ToolChoice,
    ToolResult,
)
from domain.relay.dialect import Target, UnsupportedParameterError

_PLAIN: Final = (
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "presence_penalty",
    "frequency_penalty",
    "logit_bias",
    "logprobs",
    "top_logprobs",
)
_OPTIONAL: Final = ("metadata", "user", "service_tier", "prompt_cache_key")


def chat_members(call: Call, request: ChatRequest, profile: Profile, target: Target) -> Members:
    """Give the members of a chat body, before the vendor's quirks; UnsupportedParameterError for what has no form."""
    members: Members = {"model": target.model, "messages": _messages(request.messages, profile)}
    if request.tools:
        members["tools"] = [_tool(tool, profile) for tool in request.tools]
    if request.tool_choice is not None:
        members["tool_choice"] = _choice(request.tool_choice)
    for name in _PLAIN:
        value = getattr(request, name)
        if value is not None:
            members[name] = value
    for name in _OPTIONAL:
        value = getattr(request, name)
        if value and not (name == "service_tier" and value in ("auto", "default")):
            members[name] = value
    members |= _shaping(request)
    if request.reasoning is not None:
        say_thinking(members, request.reasoning, profile)
    _add_others(members, call, request, target)
    limit = call.output_tokens_max if target.output_tokens_max is None else target.output_tokens_max
    if limit is not None:
        members[profile.output_limit_field] = limit
    if call.stream:
        members["stream"] = True
        if profile.takes_stream_options:
            members["stream_options"] = {"include_usage": True}
    return members


def _shaping(request: ChatRequest) -> Members:
    """Give the members that say when the answer ends, how many there are and what it looks like."""
    members: Members = {}
    if request.stop:
        members["stop"] = list(request.stop)
    if request.n != 1:
        members["n"] = request.n
    if request.response_format is not None:
        members["response_format"] = _format(request.response_format)
    if request.modalities:
        members["modalities"] = list(request.modalities)
    if request.audio is not None:
        members["audio"] = {"voice": request.audio.voice, "format": request.audio.format}
    return members


def _add_others(members: Members, call: Call, request: ChatRequest, target: Target) -> None:
    """Add what only the client's own contract has words for: the vendor knows them if the contract is its own."""
    for name, value in request.others.items():
        if call.dialect == "openai" and call.surface == "chat":
            members[name] = [*members.get(name, ()), *value] if name == "tools" else value
        else:
            unsupported(name, target)


def _tool(tool: Tool, profile: Profile) -> dict[str, Any]:
    function: dict[str, Any] = {"name": tool.name}
    if tool.description:
        function["description"] = tool.description
    # Not every speaker of the dialect takes a function without parameters.
    function["parameters"] = {"type": "object", "properties": {}} if tool.parameters is None else tool.parameters
    if tool.strict is not None:
        function["strict"] = tool.strict
    body: dict[str, Any] = {"type": "function", "function": function}
    if tool.cache and profile.takes_cache_control:
        body["cache_control"] = _cache(tool.cache)
    return body


def _cache(ttl: str) -> dict[str, str]:
    return {"type": "ephemeral"} if ttl == "5m" else {"type": "ephemeral", "ttl": ttl}


def _choice(choice: ToolChoice) -> Any:
    return {"type": "function", "function": {"name": choice.name}} if choice.mode == "named" else choice.mode


def _format(shape: ResponseFormat) -> dict[str, Any]:
    if shape.kind != "json_schema":
        return {"type": shape.kind}
    schema: dict[str, Any] = {"name": shape.name or "answer", "schema": shape.schema or {}}
    if shape.description:
        schema["description"] = shape.description
    if shape.strict is not None:
        schema["strict"] = shape.strict
    return {"type": "json_schema", "json_schema": schema}


def _messages(messages: tuple[Message, ...], profile: Profile) -> list[dict[str, Any]]:
    out: list[dict[str, Any]] = []
    # Every result of a turn must stand before anything else is said, so pictures among them wait.
    waiting: list[Media] = []
    for place, message in enumerate(messages):
        path = f"messages[{place}]"
        if message.role != "tool" and waiting:
            out.append({"role": "user", "content": [_part(media, path, profile) for media in waiting]})
            waiting = []
        if message.role == "tool":
            out += [_result(part, waiting) for part in message.parts if isinstance(part, ToolResult)]
        elif message.role == "assistant":
            out.append(_assistant(message, path, profile))
        else:
            out.append(_said(message, path, profile))
    if waiting:
        out.append({"role": "user", "content": [_part(media, "messages", profile) for media in waiting]})
    return out


def _result(result: ToolResult, waiting: list[Media]) -> dict[str, Any]:
    waiting += [part for part in result.parts if isinstance(part, Media)]
    text = "\n".join(part.text for part in result.parts if isinstance(part, Text))
    return {"role": "tool", "tool_call_id": result.call_id, "content": text}


def _said(message: Message, path: str, profile: Profile) -> dict[str, Any]:
    body: dict[str, Any] = {"role": message.role, "content": _content(message.parts, path, profile)}
    if message.name:
        body["name"] = message.name
    return body


def _content(parts: tuple[Part, ...], path: str, profile: Profile) -> Any:
    match parts:
        case (Text(text=text, cache=cache),) if not cache or not profile.takes_cache_control:
            return text
        case _:
            return [_part(part, f"{path}.content[{place}]", profile) for place, part in enumerate(parts)]


def _part(part: Part, path: str, profile: Profile) -> dict[str, Any]:
    match part:
        case Text():
            body: dict[str, Any] = {"type": "text", "text": part.text}
        case Refusal():
            body = {"type": "text", "text": part.text}
        case Media():
            body = _media(part, path, profile)
        case _:
            raise UnsupportedParameterError(path, f"'{path}' has no place in this role's messages.")
    cache = part.cache if isinstance(part, Text | Media) else ""
    if cache and profile.takes_cache_control:
        body["cache_control"] = _cache(cache)
    return body


def _media(part: Media, path: str, profile: Profile) -> dict[str, Any]:
    if part.kind not in profile.media:
        raise UnsupportedParameterError(path, f"This model's vendor takes no {part.kind} content ('{path}').")
    match part.kind:
        case "image" | "video":
            if part.file_id:
                raise UnsupportedParameterError(path, f"This model's vendor takes no stored {part.kind} ('{path}').")
            fallback = "image/png" if part.kind == "image" else "video/mp4"
            address: dict[str, Any] = {"url": part.url or _data_url(part, fallback)}
            if part.detail:
                address["detail"] = part.detail
            name = f"{part.kind}_url"
            return {"type": name, name: address}
        case "audio":
            if not part.data:
                raise UnsupportedParameterError(path, f"Send the sound itself, as base64 ('{path}').")
            format_ = "mp3" if part.media_type in ("audio/mpeg", "audio/mp3") else _subtype(part.media_type, "wav")
            return {"type": "input_audio", "input_audio": {"data": part.data, "format": format_}}
        case "file":
            return {"type": "file", "file": _file(part, path)}


def _file(part: Media, path: str) -> dict[str, Any]:
    if part.file_id:
        return {"file_id": part.file_id}
    if not part.data:
        raise UnsupportedParameterError(path, f"Send the file itself, as base64 ('{path}').")
    name = part.name or f"file.{_subtype(part.media_type, 'pdf')}"
    return {"filename": name, "file_data": _data_url(part, "application/pdf")}


def _data_url(part: Media, fallback: str) -> str:
    return f"data:{part.media_type or fallback};base64,{part.data}"


def _subtype(media_type: str, fallback: str) -> str:
    return media_type.rpartition("/")[2].removeprefix("x-") or fallback


def _assistant(message: Message, path: str, profile: Profile) -> dict[str, Any]:
    texts = [part for part in message.parts if isinstance(part, Text)]
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    thoughts = [part for part in message.parts if isinstance(part, Reasoning)]
    refusal = "".join(part.text for part in message.parts if isinstance(part, Refusal))
    if any(isinstance(part, Media | ToolResult) for part in message.parts):
        raise UnsupportedParameterError(path, f"An assistant's message may hold text and tool calls only ('{path}').")
    body: dict[str, Any] = {"role": "assistant", "content": None if calls and not texts else _joined(texts)}
    if message.name:
        body["name"] = message.name
    if refusal:
        body["refusal"] = refusal
    thought = "".join(part.text for part in thoughts)
    if thought:
        body["reasoning_content"] = thought
    if profile.keeps_reasoning_details and any(part.signature or part.redacted for part in thoughts):
        body["reasoning_details"] = [_detail(part) for part in thoughts]
    if calls:
        body["tool_calls"] = [_call(call, profile) for call in calls]
    return body


def _joined(texts: list[Text]) -> str:
    return "".join(part.text for part in texts)


def _detail(thought: Reasoning) -> dict[str, str]:
    if thought.redacted:
        return {"type": "reasoning.encrypted", "data": thought.redacted}
    return {"type": "reasoning.text", "text": thought.text, "signature": thought.signature}


def _call(call: ToolCall, profile: Profile) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments or "{}"}
    body: dict[str, Any] = {"id": call.call_id, "type": "function", "function": function}
    if call.signature and profile.keeps_signatures:
        body["extra_content"] = {"google": {"thought_signature": call.signature}}
    return body


def json_body(members: Members) -> bytes:
    """Give the bytes of a body."""
    return msgspec.json.encode(members)
