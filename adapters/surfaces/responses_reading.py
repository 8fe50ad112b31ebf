"""A body of OpenAI's Responses API, read into the canonical chat."""

from typing import Annotated, Any, Final, Literal, TypeAlias

import msgspec

from adapters.surfaces.openai_chat import media_at, padded_base64, read_members
from domain.relay.call import Call, InvalidRequestError, refusal_of
from domain.relay.chat import (
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

SIGNED: Final = "tg-signature:"
REDACTED: Final = "tg-redacted:"
"""How a proof or a hidden thought of another vendor travels as `encrypted_content`, there and back."""


# ---- The body as it is written


class _TextPart(msgspec.Struct, tag="input_text"):
    text: str


class _SaidPart(msgspec.Struct, tag="output_text"):
    text: str


class _RefusalPart(msgspec.Struct, tag="refusal"):
    refusal: str


class _ImagePart(msgspec.Struct, tag="input_image"):
    image_url: str | None = None
    file_id: str | None = None
    detail: str | None = None


class _FilePart(msgspec.Struct, tag="input_file"):
    file_data: str | None = None
    file_id: str | None = None
    file_url: str | None = None
    filename: str | None = None


class _Sound(msgspec.Struct):
    data: str
    format: str = "wav"


class _AudioPart(msgspec.Struct, tag="input_audio"):
    input_audio: _Sound


_Part: TypeAlias = _TextPart | _SaidPart | _RefusalPart | _ImagePart | _FilePart | _AudioPart


class _Message(msgspec.Struct):
    role: Literal["user", "assistant", "system", "developer"]
    content: str | list[_Part]


class _Google(msgspec.Struct):
    thought_signature: str = ""


class _Extra(msgspec.Struct):
    google: _Google | None = None


class _Called(msgspec.Struct):
    call_id: str
    name: str
    arguments: str = "{}"
    extra_content: _Extra | None = None


class _Result(msgspec.Struct):
    call_id: str
    output: str | list[_Part]


class _Words(msgspec.Struct):
    text: str = ""


class _Thought(msgspec.Struct):
    summary: list[_Words] = []
    content: list[_Words] | None = None
    encrypted_content: str | None = None


class _Function(msgspec.Struct):
    name: Annotated[str, msgspec.Meta(min_length=1)]
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class _Named(msgspec.Struct):
    type: str
    name: str = ""


class _Format(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str | None = None
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class _TextOptions(msgspec.Struct):
    format: _Format | None = None
    verbosity: str | None = None


class _ReasoningOptions(msgspec.Struct):
    effort: str | None = None
    summary: str | None = None
    generate_summary: str | None = None


class _Body(msgspec.Struct):
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: Literal["none", "auto", "required"] | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_logprobs: int | None = None
    reasoning: _ReasoningOptions | None = None
    text: _TextOptions | None = None
    include: list[str] | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


_OF_THE_CALL: Final = frozenset(
    {"model", "stream", "stream_options", "max_output_tokens", "store", "background", "prompt_cache_retention"}
)
_KNOWN: Final = _OF_THE_CALL | {field.name for field in msgspec.structs.fields(_Body)}
_KEPT_ELSEWHERE: Final = ("previous_response_id", "conversation", "prompt")
_HARMLESS: Final[dict[str, tuple[Any, ...]]] = {"truncation": ("disabled",)}
_INCLUDED: Final = frozenset({"reasoning.encrypted_content", "message.output_text.logprobs"})


# ---- Reading it


def read_response_request(call: Call) -> ChatRequest:
    """Read a body; InvalidRequestError naming the member at fault, or what only the vendor that keeps it can serve."""
    members = read_members(call.body)
    for name in _KEPT_ELSEWHERE:
        if members.get(name) is not None:
            raise unsupported(name, "This model's vendor keeps no earlier responses: send the whole conversation")
    try:
        body = msgspec.convert(members, _Body)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None
    tools, others = _tools(body)
    choice, other_choice = _tool_choice(body)
    if other_choice is not None:
        others["tool_choice"] = other_choice
    others |= _others(members, body)
    options = body.text or _TextOptions()
    wants_logprobs = "message.output_text.logprobs" in (body.include or ())
    return ChatRequest(
        messages=_messages(body),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
        temperature=body.temperature,
        top_p=body.top_p,
        logprobs=True if wants_logprobs or body.top_logprobs else None,
        top_logprobs=body.top_logprobs or None,
        response_format=_format(options.format),
        reasoning=_reasoning(body.reasoning),
        user=body.user or body.safety_identifier or "",
        metadata=body.metadata,
        service_tier=body.service_tier or "",
        prompt_cache_key=body.prompt_cache_key or "",
        others=others,
    )


def unsupported(name: str, what: str) -> InvalidRequestError:
    """Give the refusal of a member that this vendor cannot serve."""
    return InvalidRequestError(f"{what} ('{name}').", param=name, reason="unsupported_parameter")


def _others(members: dict[str, Any], body: _Body) -> dict[str, Any]:
    others = {
        name: value
        for name, value in members.items()
        if name not in _KNOWN and value is not None and value not in _HARMLESS.get(name, ())
    }
    if body.text is not None and body.text.verbosity not in (None, "medium"):
        others["text.verbosity"] = body.text.verbosity
    asked = [each for each in body.include or () if each not in _INCLUDED]
    return others | ({"include": asked} if asked else {})


def _tools(body: _Body) -> tuple[tuple[Tool, ...], dict[str, Any]]:
    """Give the functions; tools that the vendor would run itself stay under the client's name."""
    tools: list[Tool] = []
    others: list[dict[str, Any]] = []
    for place, tool in enumerate(body.tools or ()):
        if tool.get("type") != "function":
            others.append(tool)
            continue
        function = _read(tool, _Function, f"tools[{place}]")
        tools.append(
            Tool(
                name=function.name,
                description=function.description or "",
                parameters=function.parameters,
                strict=function.strict,
            )
        )
    return tuple(tools), {"tools": others} if others else {}


def _read(value: dict[str, Any], type_: Any, path: str) -> Any:
    try:
        return msgspec.convert(value, type_)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        raise refusal_of(f"{what} - at `$.{path}{where.rstrip('`')}`") from None


def _tool_choice(body: _Body) -> tuple[ToolChoice | None, dict[str, Any] | None]:
    asked = body.tool_choice
    if asked is None or isinstance(asked, str):
        return (None if asked is None else ToolChoice(asked)), None
    named = _read(asked, _Named, "tool_choice")
    return (ToolChoice("named", named.name), None) if named.type == "function" and named.name else (None, asked)


def _format(asked: _Format | None) -> ResponseFormat | None:
    if asked is None:
        return None
    return ResponseFormat(
        kind=asked.type,
        name=asked.name,
        description=asked.description or "",
        schema=asked.schema,
        strict=asked.strict,
    )


def _reasoning(asked: _ReasoningOptions | None) -> ReasoningOptions | None:
    if asked is None or not (asked.effort or asked.summary or asked.generate_summary):
        return None
    return ReasoningOptions(effort=asked.effort or "", show=bool(asked.summary or asked.generate_summary) or None)


def _messages(body: _Body) -> tuple[Message, ...]:
    messages = [Message("system", (Text(body.instructions),))] if body.instructions else []
    if isinstance(body.input, str):
        return (*messages, Message("user", (Text(body.input),)))
    names: dict[str, str] = {}
    for place, item in enumerate(body.input):
        role, parts = _item(item, f"input[{place}]", names)
        last = messages[-1] if messages else None
        # An assistant's turn comes in items: thoughts, words and calls are one message.
        if last is not None and role == last.role and role in ("assistant", "tool"):
            messages[-1] = Message(role, last.parts + parts)
        else:
            messages.append(Message(role, parts))
    return tuple(messages)


def _item(item: dict[str, Any], path: str, names: dict[str, str]) -> tuple[Role, tuple[Part, ...]]:
    match item.get("type", "message"):
        case "message":
            said: _Message = _read(item, _Message, path)
            role: Role = "system" if said.role == "developer" else said.role
            return role, _parts(said.content, path + ".content")
        case "function_call":
            called: _Called = _read(item, _Called, path)
            names[called.call_id] = called.name
            google = None if called.extra_content is None else called.extra_content.google
            signature = "" if google is None else google.thought_signature
            call = ToolCall(
                call_id=called.call_id, name=called.name, arguments=called.arguments or "{}", signature=signature
            )
            return "assistant", (call,)
        case "function_call_output":
            result: _Result = _read(item, _Result, path)
            parts = tuple(part for part in _parts(result.output, path + ".output") if isinstance(part, Text | Media))
            return "tool", (ToolResult(call_id=result.call_id, name=names.get(result.call_id, ""), parts=parts),)
        case "reasoning":
            return "assistant", _thought(_read(item, _Thought, path))
        case other:
            raise unsupported(path, f"This model's vendor knows no item of the type {str(other)[:64]!r}")


def _thought(item: _Thought) -> tuple[Part, ...]:
    text = "".join(words.text for words in item.content or item.summary)
    sealed = item.encrypted_content or ""
    if sealed.startswith(REDACTED):
        return (Reasoning(redacted=sealed.removeprefix(REDACTED)),)
    # What another vendor has sealed means nothing to this one.
    signature = sealed.removeprefix(SIGNED) if sealed.startswith(SIGNED) else ""
    return (Reasoning(text=text, signature=signature),) if text or signature else ()


def _parts(content: str | list[_Part], path: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part, f"{path}[{place}]") for place, part in enumerate(content))


def _part(part: _Part, path: str) -> Part:
    match part:
        case _TextPart() | _SaidPart():
            return Text(part.text)
        case _RefusalPart():
            return Refusal(part.refusal)
        case _ImagePart():
            if part.file_id:
                return Media(kind="image", file_id=part.file_id, detail=part.detail or "")
            image = media_at(part.image_url or "", "image", f"{path}.image_url")
            return msgspec.structs.replace(image, detail=part.detail or "")
        case _AudioPart():
            sound = part.input_audio
            media_type = "audio/mpeg" if sound.format == "mp3" else f"audio/{sound.format}"
            return Media(
                kind="audio", data=padded_base64(sound.data, f"{path}.input_audio.data"), media_type=media_type
            )
        case _FilePart():
            return _file(part, path)


def _file(part: _FilePart, path: str) -> Media:
    name = part.filename or ""
    if part.file_id:
        return Media(kind="file", file_id=part.file_id, name=name)
    if part.file_url:
        return msgspec.structs.replace(media_at(part.file_url, "file", f"{path}.file_url"), name=name)
    data = part.file_data or ""
    if data.startswith("data:"):
        return msgspec.structs.replace(media_at(data, "file", f"{path}.file_data"), name=name)
    return Media(kind="file", data=padded_base64(data, f"{path}.file_data"), media_type="application/pdf", name=name)
