"""A chat body in OpenAI's form, read into the canonical request with everything in it."""

import re
from typing import Any, Final, Literal

import msgspec

from adapters.surfaces import openai_chat_body as wire
from domain.relay.call import Call, InvalidRequestError, decoded, refusal_of
from domain.relay.chat import (
    AudioOutput,
    Cache,
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_DATA_URL: Final = re.compile(r"data:([\w.+-]+/[\w.+-]+)?((?:;[\w.+-]+=[^;,]*)*)(;base64)?,", re.ASCII)
_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}", re.ASCII)
_BASE64_QUANTUM: Final = 4


_OF_THE_CALL: Final = frozenset({"model", "stream", "stream_options", "max_tokens", "max_completion_tokens"})
_KNOWN: Final = _OF_THE_CALL | {field.name for field in msgspec.structs.fields(wire.Body)}


# ---- Reading it


def read_chat(call: Call) -> ChatRequest:
    """Read a chat body; InvalidRequestError naming the member at fault."""
    members = read_members(call.body)
    try:
        body = msgspec.convert(members, wire.Body)
        tools, others = _tools(body)
        shape = _response_format(body.response_format)
        choice, other_choice = _tool_choice(body)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None
    others |= {name: value for name, value in members.items() if name not in _KNOWN and value is not None}
    if other_choice is not None:
        others["tool_choice"] = other_choice
    names: dict[str, str] = {}
    return ChatRequest(
        messages=tuple(_message(said, f"messages[{place}]", names) for place, said in enumerate(body.messages)),
        tools=tools,
        tool_choice=choice,
        parallel_tool_calls=body.parallel_tool_calls,
        temperature=body.temperature,
        top_p=body.top_p,
        top_k=body.top_k,
        stop=(body.stop,) if isinstance(body.stop, str) else tuple(body.stop or ()),
        seed=body.seed,
        n=body.n or 1,
        presence_penalty=body.presence_penalty,
        frequency_penalty=body.frequency_penalty,
        logit_bias=body.logit_bias,
        logprobs=body.logprobs,
        top_logprobs=body.top_logprobs,
        response_format=shape,
        reasoning=_reasoning(body),
        modalities=tuple(body.modalities or ()),
        audio=None if body.audio is None else AudioOutput(body.audio.voice, body.audio.format),
        user=body.user or body.safety_identifier or "",
        metadata=body.metadata,
        service_tier=body.service_tier or "",
        prompt_cache_key=body.prompt_cache_key or "",
        others=others,
    )


def read_members(body: bytes) -> dict[str, Any]:
    """Give the members of a JSON object; InvalidRequestError if it is none."""
    return decoded(_OBJECT.decode, body)


def _tools(body: wire.Body) -> tuple[tuple[Tool, ...], dict[str, Any]]:
    """Give the functions; tools of other kinds have no canonical place, and stay under the client's name."""
    tools: list[Tool] = []
    others: list[dict[str, Any]] = []
    for place, tool in enumerate(body.tools or ()):
        if tool.get("type", "function") != "function":
            others.append(tool)
            continue
        try:
            read = msgspec.convert(tool, wire.ToolBody)
        except msgspec.ValidationError as error:
            raise _within(f"tools[{place}]", error) from None
        tools.append(_tool(read.function, _cache(read.cache_control)))
    if not body.tools:
        tools += [_tool(function, "") for function in body.functions or ()]
    return tuple(tools), {"tools": others} if others else {}


def _within(path: str, error: msgspec.ValidationError) -> InvalidRequestError:
    what, _, where = str(error).partition(" - at `$")
    return refusal_of(f"{what} - at `$.{path}{where.rstrip('`')}`")


def _tool(function: wire.Function, cache: Cache) -> Tool:
    return Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters,
        strict=function.strict,
        cache=cache,
    )


def _cache(control: wire.CacheControl | None) -> Cache:
    return "" if control is None else control.ttl


def _tool_choice(body: wire.Body) -> tuple[ToolChoice | None, dict[str, Any] | None]:
    """Give the choice, or the client's own member where it has no canonical form."""
    asked = body.tool_choice
    if asked is None:
        legacy = body.function_call
        if isinstance(legacy, wire.Named):
            return ToolChoice("named", legacy.name), None
        return (None if legacy is None else ToolChoice(legacy)), None
    if isinstance(asked, str):
        return ToolChoice("required" if asked == "any" else asked), None
    try:
        choice = msgspec.convert(asked, wire.Choice)
    except msgspec.ValidationError as error:
        raise _within("tool_choice", error) from None
    if choice.type == "function" and choice.function is not None:
        return ToolChoice("named", choice.function.name), None
    return None, asked


def _response_format(asked: wire.Format | None) -> ResponseFormat | None:
    if asked is None:
        return None
    schema = asked.json_schema
    if asked.type != "json_schema":
        return ResponseFormat(kind=asked.type)
    if schema is None:
        raise InvalidRequestError(
            "You must provide a 'response_format.json_schema' parameter.",
            param="response_format.json_schema",
            reason="missing_required_parameter",
        )
    return ResponseFormat(
        kind="json_schema",
        name=schema.name,
        description=schema.description or "",
        schema=schema.schema,
        strict=schema.strict,
    )


def _reasoning(body: wire.Body) -> ReasoningOptions | None:
    """Give how much to think: OpenAI's word, or what other vendors of the dialect have made common."""
    if body.reasoning is not None:
        asked = body.reasoning
        effort = asked.effort or body.reasoning_effort or ("none" if asked.enabled is False else "")
        budget = -1 if asked.enabled and not effort and asked.max_tokens is None else asked.max_tokens
        return ReasoningOptions(
            effort=effort, budget_tokens=budget, show=None if asked.exclude is None else not asked.exclude
        )
    if body.thinking is not None:
        budgets = {"disabled": 0, "enabled": -1, "auto": -1, "adaptive": -1}
        budget = body.thinking.budget_tokens
        return ReasoningOptions(
            effort=body.reasoning_effort or "",
            budget_tokens=budgets.get(body.thinking.type) if budget is None else budget,
        )
    return None if not body.reasoning_effort else ReasoningOptions(effort=body.reasoning_effort)


def _message(said: wire.MessageBody, path: str, names: dict[str, str]) -> Message:
    """Give one turn; `names` remembers which tool each call id belongs to."""
    match said:
        case wire.System() | wire.Developer():
            return Message("system", _parts(said.content, path), said.name or "")
        case wire.User():
            return Message("user", _parts(said.content, path), said.name or "")
        case wire.Assistant():
            return Message("assistant", tuple(_spoken(said, path, names)), said.name or "")
        case wire.ToolSaid():
            parts = tuple(part for part in _parts(said.content, path) if isinstance(part, Text | Media))
            name = said.name or names.get(said.tool_call_id, "")
            return Message("tool", (ToolResult(call_id=said.tool_call_id, name=name, parts=parts),))
        case wire.FunctionSaid():
            parts = (Text(said.content),) if said.content else ()
            return Message("tool", (ToolResult(call_id=_legacy_id(said.name), name=said.name, parts=parts),))


def _legacy_id(name: str) -> str:
    """Give an id to a call of the time before calls had one: there is one per turn, known by its function."""
    return f"call_{name}"


def _spoken(said: wire.Assistant, path: str, names: dict[str, str]) -> list[Part]:
    parts: list[Part] = [*_thoughts(said)]
    if said.content is not None:
        parts += [part for part in _parts(said.content, path) if not isinstance(part, Text) or part.text]
    if said.refusal:
        parts.append(Refusal(said.refusal))
    for called in said.tool_calls or ():
        google = None if called.extra_content is None else called.extra_content.google
        signature = "" if google is None else google.thought_signature
        names[called.id] = called.function.name
        parts.append(_called(called.function, called.id, signature))
    if said.function_call is not None and not said.tool_calls:
        parts.append(_called(said.function_call, _legacy_id(said.function_call.name), ""))
    return parts


def _called(function: wire.CalledFunction, call_id: str, signature: str) -> ToolCall:
    arguments = function.arguments
    if isinstance(arguments, dict):
        arguments = msgspec.json.encode(arguments).decode()
    return ToolCall(call_id=call_id, name=function.name, arguments=arguments or "{}", signature=signature)


def _thoughts(said: wire.Assistant) -> list[Reasoning]:
    """Give the thoughts that are sent back: the details hold the vendor's proofs, the plain member does not."""
    found: list[Reasoning] = []
    for detail in said.reasoning_details or ():
        if detail.type == "reasoning.encrypted" and detail.data:
            found.append(Reasoning(redacted=detail.data))
        elif detail.type == "reasoning.text" and (detail.text or detail.signature):
            found.append(Reasoning(text=detail.text or "", signature=detail.signature or ""))
    plain = said.reasoning_content or said.reasoning
    if plain and not any(thought.text for thought in found):
        signed = next((thought for thought in found if thought.signature), None)
        whole = Reasoning(text=plain, signature="" if signed is None else signed.signature)
        found = [whole, *(thought for thought in found if thought is not signed)]
    return found


def _parts(content: wire.Content, path: str) -> tuple[Part, ...]:
    if isinstance(content, str):
        return (Text(content),)
    return tuple(_part(part, f"{path}.content[{place}]") for place, part in enumerate(content))


def _part(part: wire.ContentPart, path: str) -> Part:
    match part:
        case wire.TextPart():
            return Text(part.text, _cache(part.cache_control))
        case wire.RefusalPart():
            return Refusal(part.refusal)
        case wire.ImagePart():
            address = wire.Address(part.image_url) if isinstance(part.image_url, str) else part.image_url
            media = media_at(address.url, "image", f"{path}.image_url.url")
            return msgspec.structs.replace(media, detail=address.detail or "", cache=_cache(part.cache_control))
        case wire.VideoPart():
            address = wire.Address(part.video_url) if isinstance(part.video_url, str) else part.video_url
            return media_at(address.url, "video", f"{path}.video_url.url")
        case wire.AudioPart():
            sound = part.input_audio
            data = padded_base64(sound.data, f"{path}.input_audio.data")
            media_type = "audio/mpeg" if sound.format == "mp3" else f"audio/{sound.format}"
            return Media(kind="audio", data=data, media_type=media_type, cache=_cache(part.cache_control))
        case wire.FilePart():
            return _file(part, f"{path}.file")


def _file(part: wire.FilePart, path: str) -> Media:
    file = part.file
    name, cache = file.filename or "", _cache(part.cache_control)
    if file.file_id:
        return Media(kind="file", file_id=file.file_id, name=name, cache=cache)
    if not file.file_data:
        raise InvalidRequestError(
            f"'{path}' must have 'file_data' or 'file_id'.", param=path, reason="missing_required_parameter"
        )
    if file.file_data.startswith(("data:", "http:", "https:")):
        media = media_at(file.file_data, "file", f"{path}.file_data")
        return msgspec.structs.replace(media, name=name, cache=cache)
    data = padded_base64(file.file_data, f"{path}.file_data")
    return Media(kind="file", data=data, media_type="application/pdf", name=name, cache=cache)


def media_at(url: str, kind: Literal["image", "audio", "video", "file"], path: str) -> Media:
    """Give what an address stands for; a data URL is taken apart."""
    if not url.startswith("data:"):
        if not url.startswith(("http://", "https://")):
            raise InvalidRequestError(
                f"'{path}' must be an http(s) address or a data URL in base64.", param=path, reason="invalid_value"
            )
        return Media(kind=kind, url=url)
    head = _DATA_URL.match(url[:256])
    if head is None or not head[3]:
        raise InvalidRequestError(f"'{path}' must be a data URL in base64.", param=path, reason="invalid_value")
    return Media(kind=kind, data=padded_base64(url[head.end() :], path), media_type=head[1] or "")


def padded_base64(data: str, path: str) -> str:
    """Give base64 as it was, padded; InvalidRequestError if it is something else."""
    if not _BASE64.fullmatch(data):
        raise InvalidRequestError(f"'{path}' is not valid base64.", param=path, reason="invalid_value")
    stripped = data.rstrip("=")
    if len(stripped) % _BASE64_QUANTUM == 1 or not stripped:
        raise InvalidRequestError(f"'{path}' is not valid base64.", param=path, reason="invalid_value")
    return stripped + "=" * (-len(stripped) % _BASE64_QUANTUM)
