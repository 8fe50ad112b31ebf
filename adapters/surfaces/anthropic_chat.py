"""A body of Anthropic's Messages, read into the canonical chat.

What only a vendor of this contract could do (its own tools, cited documents) stays under the client's names, so that
any other vendor refuses it by name.
"""

import base64
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal

import msgspec

from adapters.wire.kit import given
from adapters.wire.lenient import leaves
from domain.relay.call import Call, InvalidRequestError, decoded, refusal_of
from domain.relay.chat import (
    Cache,
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    ResponseFormat,
    Role,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]


class _CacheControl(msgspec.Struct):
    type: str = "ephemeral"
    ttl: Literal["5m", "1h"] = "5m"


class _Block(msgspec.Struct, kw_only=True):
    cache_control: _CacheControl | None = None

    @property
    def cache(self) -> Cache:
        return "" if self.cache_control is None else self.cache_control.ttl


class _TextBlock(_Block):
    text: str
    citations: Any = None


class _Source(msgspec.Struct):
    type: str
    media_type: str = ""
    data: str = ""
    url: str = ""
    file_id: str = ""


class _ImageBlock(_Block):
    source: _Source


class _Citations(msgspec.Struct):
    enabled: bool | None = None


class _DocumentBlock(_Block):
    source: _Source
    title: str | None = None
    citations: _Citations | None = None


class _ThinkingBlock(_Block):
    thinking: str = ""
    signature: str = ""


class _RedactedBlock(_Block):
    data: str


class _ToolUseBlock(_Block):
    id: str
    name: str
    input: dict[str, Any]
    caller: Any = None


class _ToolResultBlock(_Block):
    tool_use_id: str
    content: str | list[dict[str, Any]] | None = None
    is_error: bool | None = None


_BLOCKS: Final[dict[str, type[_Block]]] = {
    "text": _TextBlock,
    "image": _ImageBlock,
    "document": _DocumentBlock,
    "thinking": _ThinkingBlock,
    "redacted_thinking": _RedactedBlock,
    "tool_use": _ToolUseBlock,
    "tool_result": _ToolResultBlock,
}


class _MessageBody(msgspec.Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[dict[str, Any]]


class _ToolBody(msgspec.Struct):
    name: str
    input_schema: dict[str, Any]
    description: str | None = None
    strict: bool | None = None
    cache_control: _CacheControl | None = None
    type: Literal["custom"] | None = None


class _ToolChoiceBody(msgspec.Struct):
    type: Literal["auto", "any", "tool", "none"]
    name: str = ""
    disable_parallel_tool_use: bool | None = None


class _Thinking(msgspec.Struct):
    type: str
    budget_tokens: _Count | None = None
    display: str | None = None


class _Format(msgspec.Struct):
    type: Literal["json_schema"]
    schema: dict[str, Any]


class _OutputConfig(msgspec.Struct):
    format: _Format | None = None
    effort: str | None = None


class _Body(msgspec.Struct):
    messages: list[_MessageBody]
    system: str | list[dict[str, Any]] | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: _ToolChoiceBody | None = None
    thinking: _Thinking | None = None
    output_config: _OutputConfig | None = None
    output_format: _Format | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    metadata: dict[str, Any] | None = None
    service_tier: str | None = None


_KNOWN: Final = frozenset(field.name for field in msgspec.structs.fields(_Body)) | {"model", "stream", "max_tokens"}


def read_messages(call: Call) -> ChatRequest:
    """Read the whole body; InvalidRequestError naming the member at fault."""
    members = decoded(_OBJECT.decode, call.body)
    try:
        body = msgspec.convert(members, _Body)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None
    others = {name: value for name, value in members.items() if name not in _KNOWN and value is not None}
    return _Reader(others).request(body)


class _Reader:
    """Reads one body; `others` gathers what has no canonical place, by its path."""

    def __init__(self, others: dict[str, Any]) -> None:
        self._others = others
        self._names: dict[str, str] = {}

    def request(self, body: _Body) -> ChatRequest:
        messages = [*self._system(body.system)]
        for place, said in enumerate(body.messages):
            messages += self._messages(said, f"messages[{place}]")
        choice = body.tool_choice
        return ChatRequest(
            messages=tuple(messages),
            tools=tuple(self._tools(body.tools or [])),
            tool_choice=None if choice is None else _choice(choice),
            parallel_tool_calls=False if choice is not None and choice.disable_parallel_tool_use else None,
            temperature=body.temperature,
            top_p=body.top_p,
            top_k=body.top_k,
            stop=tuple(body.stop_sequences or ()),
            response_format=_shape(body),
            reasoning=self._reasoning(body),
            user=_user(body.metadata),
            metadata={name: value for name, value in (body.metadata or {}).items() if name != "user_id"} or None,
            service_tier=body.service_tier or "",
            others=self._others,
        )

    def _system(self, system: str | list[dict[str, Any]] | None) -> Iterator[Message]:
        if isinstance(system, str):
            if system:
                yield Message("system", (Text(system),))
        elif system:
            yield Message("system", tuple(self._parts(system, "system")))

    def _messages(self, said: _MessageBody, path: str) -> Iterator[Message]:
        """Give a turn; what tools gave is a message of its own before the user's words."""
        if isinstance(said.content, str):
            yield Message(said.role, (Text(said.content),))
            return
        parts = list(self._parts(said.content, f"{path}.content"))
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        rest = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            yield Message("tool", results)
        if rest or not results:
            role: Role = said.role
            yield Message(role, rest)

    def _parts(self, blocks: list[dict[str, Any]], path: str) -> Iterator[Part]:
        for place, block in enumerate(blocks):
            yield self._part(block, f"{path}[{place}]")

    def _part(self, block: dict[str, Any], path: str) -> Part:
        kind = _BLOCKS.get(str(block.get("type")))
        if kind is None or _is_unusual(block):
            return self._unknown(block, path)
        try:
            read = msgspec.convert(block, kind)
        except msgspec.ValidationError as error:
            what, _, where = str(error).partition(" - at `$")
            raise refusal_of(f"{what} - at `$.{path}{where.rstrip('`')}`") from None
        known = {field.name for field in msgspec.structs.fields(kind)} | {"type"}
        for name, value in block.items():
            if name not in known and value is not None:
                self._others[f"{path}.{name}"] = value
        return self._canonical(read, path)

    def _unknown(self, block: dict[str, Any], path: str) -> Text:
        """Keep a block that only this contract has; its words stay where they stood, so that they are counted."""
        self._others[path] = block
        return Text(leaves(block))

    def _canonical(self, block: _Block, path: str) -> Part:
        match block:
            case _TextBlock():
                return Text(block.text, block.cache)
            case _ImageBlock():
                return _media(block.source, "image", block.cache, path)
            case _DocumentBlock():
                if block.citations is not None and block.citations.enabled:
                    self._others[f"{path}.citations"] = {"enabled": True}
                media = _media(block.source, "file", block.cache, path)
                return msgspec.structs.replace(media, name=block.title or "")
            case _ThinkingBlock():
                return Reasoning(text=block.thinking, signature=block.signature)
            case _RedactedBlock():
                return Reasoning(redacted=block.data)
            case _ToolUseBlock():
                self._names[block.id] = block.name
                arguments = msgspec.json.encode(block.input).decode()
                return ToolCall(call_id=block.id, name=block.name, arguments=arguments)
            case _ToolResultBlock():
                return self._result(block, path)
        raise AssertionError(block)  # a kind of block without a reading

    def _result(self, block: _ToolResultBlock, path: str) -> ToolResult:
        content = block.content
        parts: tuple[Part, ...] = (Text(content),) if isinstance(content, str) and content else ()
        if isinstance(content, list):
            parts = tuple(self._parts(content, f"{path}.content"))
        return ToolResult(
            call_id=block.tool_use_id,
            name=self._names.get(block.tool_use_id, ""),
            parts=tuple(part for part in parts if isinstance(part, Text | Media)),
            is_error=bool(block.is_error),
            cache=block.cache,
        )

    def _tools(self, tools: list[dict[str, Any]]) -> Iterator[Tool]:
        """Give the client's own tools; the vendor's stay under the client's name."""
        own: list[dict[str, Any]] = []
        for place, tool in enumerate(tools):
            if tool.get("type", "custom") not in ("custom", None):
                own.append(tool)
                continue
            try:
                read = msgspec.convert(tool, _ToolBody)
            except msgspec.ValidationError as error:
                what, _, where = str(error).partition(" - at `$")
                raise refusal_of(f"{what} - at `$.tools[{place}]{where.rstrip('`')}`") from None
            known = {field.name for field in msgspec.structs.fields(_ToolBody)}
            for name, value in tool.items():
                if name not in known and value is not None:
                    self._others[f"tools[{place}].{name}"] = value
            yield Tool(
                name=read.name,
                description=read.description or "",
                parameters=read.input_schema,
                strict=read.strict,
                cache="" if read.cache_control is None else read.cache_control.ttl,
            )
        if own:
            self._others["tools"] = own

    def _reasoning(self, body: _Body) -> ReasoningOptions | None:
        effort = (body.output_config.effort if body.output_config is not None else None) or ""
        asked = body.thinking
        if asked is None:
            return ReasoningOptions(effort=effort) if effort else None
        if asked.type not in _BUDGETS:
            self._others["thinking"] = given(type=asked.type, budget_tokens=asked.budget_tokens)
            return ReasoningOptions(effort=effort) if effort else None
        budget = _BUDGETS[asked.type] if asked.budget_tokens is None else asked.budget_tokens
        show = {"summarized": True, "omitted": False}.get(asked.display or "")
        return ReasoningOptions(effort=effort, budget_tokens=budget, show=show)


_BUDGETS: Final = {"enabled": -1, "adaptive": -1, "disabled": 0}


def _is_unusual(block: dict[str, Any]) -> bool:
    """Tell whether a known block has a source that only this contract has, such as a list of blocks."""
    source = block.get("source")
    return isinstance(source, dict) and source.get("type") not in ("base64", "url", "file", "text")


def _media(source: _Source, kind: Literal["image", "file"], cache: Cache, path: str) -> Media:
    if source.type == "text":
        data = base64.b64encode(source.data.encode("utf-8", "replace")).decode()
        return Media(kind=kind, data=data, media_type=source.media_type or "text/plain", cache=cache)
    found = Media(
        kind=kind,
        url=source.url if source.type == "url" else "",
        data=source.data if source.type == "base64" else "",
        file_id=source.file_id if source.type == "file" else "",
        media_type=source.media_type,
        cache=cache,
    )
    if not (found.url or found.data or found.file_id):
        raise InvalidRequestError(f"'{path}.source' is empty.", param=f"{path}.source", reason="invalid_value")
    if found.url and not found.url.startswith(("http://", "https://")):
        raise InvalidRequestError(
            f"'{path}.source.url' must be an http(s) address.", param=f"{path}.source.url", reason="invalid_value"
        )
    return found


def _choice(asked: _ToolChoiceBody) -> ToolChoice:
    match asked.type:
        case "any":
            return ToolChoice("required")
        case "tool":
            return ToolChoice("named", asked.name)
        case mode:
            return ToolChoice(mode)


def _shape(body: _Body) -> ResponseFormat | None:
    asked = body.output_format or (body.output_config.format if body.output_config is not None else None)
    if asked is None:
        return None
    return ResponseFormat(kind="json_schema", name="answer", schema=asked.schema, strict=True)


def _user(metadata: dict[str, Any] | None) -> str:
    user = (metadata or {}).get("user_id")
    return user if isinstance(user, str) else ""
