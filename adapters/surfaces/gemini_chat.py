"""A body of Gemini's contract, read into canonical requests.

Names are read in camel case and in snake case, as the vendor reads them. What only a vendor of this contract could do
stays under the client's names, so that any other vendor refuses it by name.
"""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec

from adapters.wire.gemini import speech_config
from adapters.wire.kit import member
from adapters.wire.lenient import leaves
from adapters.wire.schemas import json_schema
from domain.relay.call import Call, InvalidRequestError, decoded, refusal_of
from domain.relay.chat import (
    AudioOutput,
    ChatRequest,
    Media,
    MediaKind,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    ResponseFormat,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from domain.relay.tasks import EmbeddingsRequest

_OBJECT: Final = msgspec.json.Decoder(dict[str, Any])
_T = TypeVar("_T")
_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Choices = Annotated[int, msgspec.Meta(ge=1, le=8)]


class _Camel(msgspec.Struct, rename="camel", kw_only=True):
    """A message of this contract."""


class _Blob(_Camel):
    data: str
    mime_type: str = ""


class _File(_Camel):
    file_uri: str
    mime_type: str = ""


class _FunctionCall(_Camel):
    name: str
    args: dict[str, Any] | None = None
    id: str = ""


class _FunctionResponse(_Camel):
    name: str
    response: dict[str, Any] | None = None
    id: str = ""


class _Part(_Camel):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str = ""
    inline_data: _Blob | None = None
    file_data: _File | None = None
    function_call: _FunctionCall | None = None
    function_response: _FunctionResponse | None = None


class _Content(_Camel):
    parts: list[dict[str, Any]] = []
    role: Literal["", "user", "model", "function", "system"] = ""


class _Thinking(_Camel):
    include_thoughts: bool | None = None
    thinking_budget: Annotated[int, msgspec.Meta(ge=-1, le=2**31 - 1)] | None = None
    thinking_level: str | None = None


class _Config(_Camel):
    """What of `generationConfig` has a canonical place."""

    max_output_tokens: _Count | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    candidate_count: _Choices | None = None
    stop_sequences: list[str] | None = None
    seed: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    response_logprobs: bool | None = None
    logprobs: int | None = None
    response_mime_type: str | None = None
    response_schema: dict[str, Any] | None = None
    response_json_schema: dict[str, Any] | None = None
    response_modalities: list[str] | None = None
    thinking_config: _Thinking | None = None
    speech_config: dict[str, Any] | None = None


class _Declaration(_Camel):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    parameters_json_schema: dict[str, Any] | None = None


class _Calling(_Camel):
    mode: str = ""
    allowed_function_names: list[str] | None = None


class _ToolConfig(_Camel):
    function_calling_config: _Calling | None = None


class _Body(_Camel):
    contents: list[_Content] | _Content
    system_instruction: _Content | str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_config: dict[str, Any] | None = None
    generation_config: dict[str, Any] | None = None


class _Embed(_Camel):
    content: _Content
    task_type: str = ""
    title: str = ""
    output_dimensionality: Annotated[int, msgspec.Meta(ge=1, le=100_000)] | None = None


_FREE: Final = frozenset(
    {"args", "response", "parameters", "parametersJsonSchema", "responseSchema", "responseJsonSchema", "labels"}
)
"""Members whose own members are the client's, not the contract's: their names are not to be touched."""
_SNAKE: Final = re.compile(r"_([a-z0-9])")
_DEPTH_MAX: Final = 64
_OF_THE_CALL: Final = frozenset({"model"})


def _camel(value: Any, depth: int = 0) -> Any:
    if depth > _DEPTH_MAX:
        raise InvalidRequestError("The request body is nested too deeply.")
    if isinstance(value, list):
        return [_camel(each, depth + 1) for each in value]
    if not isinstance(value, dict):
        return value
    named = {_SNAKE.sub(lambda found: found[1].upper(), name): each for name, each in value.items()}
    if len(named) < len(value):
        # Gateway and vendor must not read two different things out of one body, such as two limits.
        twice = next(name for name in value if name not in named)
        raise InvalidRequestError(
            f"'{twice}' is given twice, once in each spelling: give it once.", param=twice, reason="invalid_value"
        )
    return {name: each if name in _FREE else _camel(each, depth + 1) for name, each in named.items()}


def _name(field: Any) -> str:
    name: str = field.encode_name
    return name


def read_members(body: bytes) -> dict[str, Any]:
    """Give the members of a body, named in camel case; InvalidRequestError if it is no object."""
    members: dict[str, Any] = decoded(_read_object, body)
    return members


def _read_object(body: bytes) -> Any:
    return _camel(_OBJECT.decode(body))


def _converted(value: Any, kind: type[_T], path: str) -> _T:
    try:
        return msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        what, _, where = str(error).partition(" - at `$")
        where = where.rstrip("`")
        if not path and not where:
            raise refusal_of(what) from None
        place = f"{path}{where}" if path else where.removeprefix(".")
        raise refusal_of(f"{what} - at `$.{place}`") from None


def read_generate(call: Call) -> ChatRequest:
    """Read a chat, or a count of its tokens; InvalidRequestError naming the member at fault."""
    members = read_members(call.body)
    if call.surface == "count_tokens" and isinstance(members.get("generateContentRequest"), dict):
        members = members["generateContentRequest"]
    body = _converted(members, _Body, "")
    known = {_name(field) for field in msgspec.structs.fields(_Body)} | _OF_THE_CALL
    others = {name: value for name, value in members.items() if name not in known and value is not None}
    return _Reader(others).request(body)


def read_limits(members: dict[str, Any]) -> tuple[int | None, int]:
    """Give what routing and pricing need of the settings: the output limit, and how many candidates."""
    config = members.get("generationConfig")
    asked = _converted(config if isinstance(config, dict) else {}, _Config, "generationConfig")
    return asked.max_output_tokens, asked.candidate_count or 1


class _Reader:
    """Reads one body; `others` gathers what has no canonical place."""

    def __init__(self, others: dict[str, Any]) -> None:
        self._others = others
        self._open: list[tuple[str, str]] = []
        """Calls that no result has answered yet: (id, name)."""
        self._calls = 0

    def request(self, body: _Body) -> ChatRequest:
        config = _converted(body.generation_config or {}, _Config, "generationConfig")
        messages = [*self._system(body.system_instruction)]
        contents = body.contents if isinstance(body.contents, list) else [body.contents]
        if not contents:
            raise InvalidRequestError("'contents' must not be empty.", param="contents", reason="invalid_value")
        for place, content in enumerate(contents):
            messages += self._messages(content, f"contents[{place}]")
        self._keep_config(body.generation_config or {}, config)
        voice = _voice(config.speech_config)
        shown = config.thinking_config
        return ChatRequest(
            messages=tuple(messages),
            tools=tuple(self._tools(body.tools or [])),
            tool_choice=self._choice(body.tool_config),
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=None if config.top_k is None else int(config.top_k),
            stop=tuple(config.stop_sequences or ()),
            seed=config.seed,
            n=config.candidate_count or 1,
            presence_penalty=config.presence_penalty,
            frequency_penalty=config.frequency_penalty,
            logprobs=config.response_logprobs,
            top_logprobs=config.logprobs,
            response_format=_shape(config),
            reasoning=None if shown is None else _thinking(shown),
            modalities=tuple(each.lower() for each in config.response_modalities or ()),
            audio=AudioOutput(voice, "pcm16") if voice else None,
            others=self._others,
        )

    def _keep_config(self, members: dict[str, Any], config: _Config) -> None:
        known = {_name(field) for field in msgspec.structs.fields(_Config)}
        rest = {name: value for name, value in members.items() if name not in known and value is not None}
        if config.speech_config and not _voice(config.speech_config):
            rest["speechConfig"] = config.speech_config
        if config.response_mime_type not in (None, "", "text/plain", "application/json"):
            rest["responseMimeType"] = config.response_mime_type
        if rest:
            self._others["generationConfig"] = rest

    def _system(self, said: _Content | str | None) -> Iterator[Message]:
        if isinstance(said, str):
            yield Message("system", (Text(said),))
        elif said is not None and said.parts:
            parts = [self._part(part, f"systemInstruction.parts[{n}]") for n, part in enumerate(said.parts)]
            yield Message("system", tuple(parts))

    def _messages(self, content: _Content, path: str) -> Iterator[Message]:
        """Give a turn; what functions gave is a message of its own before the user's words."""
        parts = [self._part(part, f"{path}.parts[{place}]") for place, part in enumerate(content.parts)]
        if content.role == "model":
            yield Message("assistant", tuple(parts))
            return
        results = tuple(part for part in parts if isinstance(part, ToolResult))
        rest = tuple(part for part in parts if not isinstance(part, ToolResult))
        if results:
            yield Message("tool", results)
        if rest:
            yield Message("system" if content.role == "system" else "user", rest)

    def _part(self, members: dict[str, Any], path: str) -> Part:
        part = _converted(members, _Part, path)
        known = {_name(field) for field in msgspec.structs.fields(_Part)}
        unknown = {name: value for name, value in members.items() if name not in known and value is not None}
        if unknown:
            # Its words stay where they stood, so that they are counted.
            self._others[path] = members
            return Text(leaves(members))
        if part.function_call is not None:
            return self._call(part.function_call, part.thought_signature)
        if part.function_response is not None:
            return self._result(part.function_response)
        if part.inline_data is not None:
            return _media(part.inline_data.mime_type, path, data=part.inline_data.data)
        if part.file_data is not None:
            return _media(part.file_data.mime_type, path, uri=part.file_data.file_uri)
        if part.thought or (part.thought_signature and not part.text):
            return Reasoning(text=part.text or "", signature=part.thought_signature)
        if part.text is None:
            raise InvalidRequestError(f"'{path}' says nothing.", param=path, reason="invalid_value")
        return Text(part.text)

    def _call(self, call: _FunctionCall, signature: str) -> ToolCall:
        call_id = call.id or f"call_{self._calls}"
        self._calls += 1
        self._open.append((call_id, call.name))
        arguments = msgspec.json.encode(call.args or {}).decode()
        return ToolCall(call_id=call_id, name=call.name, arguments=arguments, signature=signature)

    def _result(self, given: _FunctionResponse) -> ToolResult:
        """Give a result; without an id it answers the first open call of its name."""
        call_id = given.id or next((known for known, name in self._open if name == given.name), f"call_{given.name}")
        self._open = [(known, name) for known, name in self._open if known != call_id]
        text = msgspec.json.encode(given.response or {}).decode()
        return ToolResult(call_id=call_id, name=given.name, parts=(Text(text),))

    def _tools(self, tools: list[dict[str, Any]]) -> Iterator[Tool]:
        """Give the client's functions; the vendor's own tools stay under the client's name."""
        own: list[dict[str, Any]] = []
        for place, tool in enumerate(tools):
            declared = tool.get("functionDeclarations")
            rest = {name: value for name, value in tool.items() if name != "functionDeclarations"}
            if rest:
                own.append(rest)
            for number, each in enumerate(declared if isinstance(declared, list) else []):
                read = _converted(each, _Declaration, f"tools[{place}].functionDeclarations[{number}]")
                parameters = read.parameters_json_schema
                if parameters is None and read.parameters is not None:
                    parameters = json_schema(read.parameters)
                yield Tool(name=read.name, description=read.description, parameters=parameters)
        if own:
            self._others["tools"] = own

    def _choice(self, asked: dict[str, Any] | None) -> ToolChoice | None:
        if asked is None:
            return None
        rest = {name: value for name, value in asked.items() if name != "functionCallingConfig"}
        if rest:
            self._others["toolConfig"] = rest
        config = _converted(asked, _ToolConfig, "toolConfig").function_calling_config
        if config is None:
            return None
        names = config.allowed_function_names or []
        if len(names) > 1:
            self._others["toolConfig.functionCallingConfig.allowedFunctionNames"] = names
        match config.mode:
            case "ANY":
                return ToolChoice("named", names[0]) if len(names) == 1 else ToolChoice("required")
            case "NONE":
                return ToolChoice("none")
            case _:
                return ToolChoice("auto")


def _voice(speech: object) -> str:
    """Give the name of the voice, where a speech config says nothing else."""
    name = member(speech, "voiceConfig", "prebuiltVoiceConfig", "voiceName")
    return name if isinstance(name, str) and speech == speech_config(name) else ""


def _thinking(asked: _Thinking) -> ReasoningOptions:
    return ReasoningOptions(
        effort=(asked.thinking_level or "").lower(), budget_tokens=asked.thinking_budget, show=asked.include_thoughts
    )


def _shape(config: _Config) -> ResponseFormat | None:
    schema = config.response_json_schema
    if schema is None and config.response_schema is not None:
        schema = json_schema(config.response_schema)
    if config.response_mime_type != "application/json":
        return None
    if schema is None:
        return ResponseFormat(kind="json_object")
    return ResponseFormat(kind="json_schema", name="answer", schema=schema)


_KINDS: Final[dict[str, MediaKind]] = {"image": "image", "audio": "audio", "video": "video"}


def _media(media_type: str, path: str, *, data: str = "", uri: str = "") -> Media:
    kind = _KINDS.get(media_type.partition("/")[0], "file")
    if not (data or uri):
        raise InvalidRequestError(f"'{path}' holds no data.", param=path, reason="invalid_value")
    if uri.startswith(("http://", "https://")):
        return Media(kind=kind, url=uri, media_type=media_type)
    return Media(kind=kind, data=data, file_id=uri, media_type=media_type)


def read_embeddings(call: Call) -> EmbeddingsRequest:
    """Read one text, or a batch of them that ask for the same; InvalidRequestError naming the member at fault."""
    members = read_members(call.body)
    asked = members.get("requests", [members])
    if not isinstance(asked, list) or not asked:
        raise InvalidRequestError("'requests' must be a list of requests.", param="requests", reason="invalid_value")
    read = [
        _converted(each, _Embed, f"requests[{place}]" if "requests" in members else "")
        for place, each in enumerate(asked)
    ]
    first = read[0]
    wants = {(each.task_type, each.title, each.output_dimensionality) for each in read}
    if len(wants) > 1:
        raise InvalidRequestError(
            "All requests of a batch must ask for the same task, title and dimensions.", param="requests"
        )
    return EmbeddingsRequest(
        inputs=tuple(_text(each.content) for each in read),
        dimensions=first.output_dimensionality,
        task=first.task_type,
        title=first.title,
    )


def _text(content: _Content) -> str:
    texts = [part.get("text") for part in content.parts]
    words = [text for text in texts if isinstance(text, str)]
    if len(words) != len(texts) or not words:
        raise InvalidRequestError("Only text can be turned into vectors.", param="content", reason="invalid_value")
    return "\n".join(words)
