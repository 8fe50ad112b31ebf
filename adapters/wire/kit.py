"""What the dialects of vendors with a format of their own share: fitting requests, shaping messages, reading usage."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

import msgspec

from adapters.wire.counts import CountReader
from domain.metering.usage import TokenUsage, partition_openai
from domain.relay.call import InvalidRequestError
from domain.relay.chat import (
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
    budget_of,
)
from domain.relay.delta import Delta, UsageReport
from domain.relay.dialect import (
    Target,
    UnsupportedParameterError,
)
from domain.relay.ports import VendorRequest
from domain.relay.tasks import EmbeddingsRequest
from domain.relay.vendor_errors import VendorError

JSON: Final = "application/json"
HEADERS: Final = {"Content-Type": JSON, "Accept-Encoding": "identity", "User-Agent": "Tallygate"}
"""Answers are asked for uncompressed: unpacking would hold tokens back."""

_ALWAYS: Final = frozenset({"messages", "others", "user", "metadata", "prompt_cache_key", "service_tier"})
"""What changes no answer, so that a vendor without it may be spared it: who asks, and hints on caching and speed."""
_HINTS: Final = frozenset({"store", "prompt_cache_retention", "prompt_cache_options"})
"""The same among members that only OpenAI's contracts have."""


def refused(surface: str) -> InvalidRequestError:
    """Give the error of a kind of call that the vendor does not have."""
    return InvalidRequestError(f"This model's vendor has no such call ({surface}).", param="model")


def fitted(
    request: ChatRequest, target: Target, *, takes: Collection[str], others: Collection[str] = ()
) -> ChatRequest:
    """Give the request without what the vendor cannot do, where the channel says so; else UnsupportedParameterError.

    `takes` names the canonical parameters that the vendor knows, `others` the client's own members that it does.
    """
    surplus: dict[str, Any] = {}
    for field in _FIELDS:
        if field.name not in takes and not _says_nothing(field.name, getattr(request, field.name), field.default):
            _refuse(_PUBLIC.get(field.name, field.name), target)
            surplus[field.name] = field.default
    unknown = [name for name in request.others if name not in others]
    for name in unknown:
        if name not in _HINTS:
            _refuse(name, target)
    if unknown:
        surplus["others"] = {name: value for name, value in request.others.items() if name in others}
    return msgspec.structs.replace(request, **surplus) if surplus else request


_FIELDS: Final = tuple(field for field in msgspec.structs.fields(ChatRequest) if field.name not in _ALWAYS)


def _says_nothing(name: str, value: Any, default: Any) -> bool:
    """Tell whether a parameter asks for what would be done in any case."""
    if value == default or (name in _HARMLESS and value in _HARMLESS[name]):
        return True
    match value:
        case ResponseFormat(kind="text") | ToolChoice(mode="auto"):
            return True
        case ReasoningOptions():
            return budget_of(value) == 0  # not to think is what a model does that cannot
        case _:
            return False


_HARMLESS: Final[Mapping[str, tuple[Any, ...]]] = {
    "presence_penalty": (0, 0.0),
    "frequency_penalty": (0, 0.0),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "logit_bias": ({},),
    "parallel_tool_calls": (True,),
    "modalities": (("text",),),
}
_PUBLIC: Final = {"reasoning": "reasoning_effort"}


def _refuse(param: str, target: Target) -> None:
    if not target.drops_unsupported:
        raise UnsupportedParameterError(param)


def check_tool_choice(request: ChatRequest, target: Target, *modes: str) -> None:
    """Refuse a choice of tools other than `auto` and those that the vendor knows, unless the channel drops it."""
    choice = request.tool_choice
    if choice is not None and choice.mode not in ("auto", *modes):
        _refuse("tool_choice", target)


# ---- Requests


def post(url: str, body: object, headers: Mapping[str, str], *, streams: bool | None = None) -> VendorRequest:
    """Give a POST of JSON."""
    return VendorRequest(url=url, headers={**HEADERS, **headers}, body=msgspec.json.encode(body), streams=streams)


def get(url: str, headers: Mapping[str, str], *, delay_seconds: float = 0.0) -> VendorRequest:
    """Give a GET."""
    sent = {name: value for name, value in {**HEADERS, **headers}.items() if name != "Content-Type"}
    return VendorRequest(url=url, headers=sent, body=b"", method="GET", delay_seconds=delay_seconds)


def bearer(key: str) -> dict[str, str]:
    """Give the usual header for a key; none for no key."""
    return {"Authorization": f"Bearer {key}"} if key else {}


def given(**members: Any) -> dict[str, Any]:
    """Give the members that were said: None and empty ones are left out."""
    return {name: value for name, value in members.items() if value is not None and value not in ("", (), [], {})}


def clamped(value: float | None, low: float, high: float) -> float | None:
    """Give a number within what the vendor takes."""
    return None if value is None else min(max(value, low), high)


def texts_of(request: EmbeddingsRequest) -> list[str]:
    """Give the inputs as texts; token ids mean nothing to another vendor's tokenizer."""
    texts = [each for each in request.inputs if isinstance(each, str)]
    if len(texts) != len(request.inputs):
        raise InvalidRequestError("This model's vendor takes texts only, no token ids.", param="input")
    return texts


# ---- Messages


def text_of(parts: Collection[Part], *, joint: str = "\n") -> str:
    """Give the words of a message; UnsupportedParameterError for media, which would be lost without a word."""
    words: list[str] = []
    for part in parts:
        match part:
            case Text() | Refusal():
                words.append(part.text)
            case Media():
                raise UnsupportedParameterError(
                    "messages", f"This model's vendor takes no {part.kind} here: send text only."
                )
            case ToolResult():
                words.append(text_of(part.parts))
            case ToolCall() | Reasoning():
                pass
    return joint.join(word for word in words if word)


def merged(messages: Collection[Message]) -> list[Message]:
    """Give the turns with neighbors of one role as one, for vendors that insist on alternation."""
    turns: list[Message] = []
    for message in messages:
        if turns and turns[-1].role == message.role:
            last = turns[-1]
            blank: tuple[Part, ...] = (Text("\n\n"),) if last.text and message.text else ()
            turns[-1] = Message(last.role, (*last.parts, *blank, *message.parts), last.name)
        else:
            turns.append(message)
    return turns


def tool_names(messages: Collection[Message]) -> dict[str, str]:
    """Give the name of each tool call by its id: some vendors want results by name."""
    return {part.call_id: part.name for message in messages for part in message.parts if isinstance(part, ToolCall)}


def arguments_of(call: ToolCall) -> dict[str, Any]:
    """Give a call's arguments as an object, for vendors that want one; broken ones are told to the client."""
    try:
        arguments = msgspec.json.decode(call.arguments or "{}")
    except msgspec.DecodeError:
        arguments = None
    if not isinstance(arguments, dict):
        raise InvalidRequestError(f"The arguments of tool call '{call.call_id}' are no JSON object.", param="messages")
    return arguments


def openai_tools(tools: Collection[Tool]) -> list[dict[str, Any]]:
    """Give the tools in OpenAI's shape, which many vendors share."""
    return [
        {
            "type": "function",
            "function": {
                **given(name=tool.name, description=tool.description, strict=tool.strict),
                "parameters": tool.parameters or {"type": "object", "properties": {}},
            },
        }
        for tool in tools
    ]


def openai_calls(parts: Collection[Part]) -> list[dict[str, Any]]:
    """Give the tool calls among the parts in OpenAI's shape."""
    return [
        {"id": part.call_id, "type": "function", "function": {"name": part.name, "arguments": part.arguments or "{}"}}
        for part in parts
        if isinstance(part, ToolCall)
    ]


def results_of(message: Message) -> Iterator[ToolResult]:
    """Give the tool results of a message: each is a message of its own at most vendors."""
    return (part for part in message.parts if isinstance(part, ToolResult))


def image_url(part: Media) -> str:
    """Give an image as an address: its own, or a data URL."""
    return part.url or f"data:{part.media_type or 'image/png'};base64,{part.data}"


# ---- Answers


def report(
    prompt: object,
    completion: object,
    total: object = None,
    *,
    cached: object = None,
    cache_write: object = None,
    reasoning: object = None,
) -> UsageReport | None:
    """Read counts whose totals include their details; None if there are none.

    Counts that cannot be believed give a report without usage, so that the gateway's own count holds.
    """
    if prompt is None and completion is None and total is None:
        return None
    read = CountReader()
    whole = read.count(total, "total")
    into, out = read.count(prompt, "prompt"), read.count(completion, "completion")
    if into is not None and out is None and whole is not None and whole >= into:
        out = whole - into
    if into is None and out is not None and whole is not None and whole >= out:
        into = whole - out
    if into is None or out is None:
        return UsageReport(None, whole, (*read.flags, "usage_incomplete"))
    parts = partition_openai(
        prompt_tokens=into,
        completion_tokens=out,
        cached=read.count(cached, "cached") or 0,
        cache_write=read.count(cache_write, "cache_write") or 0,
        reasoning=read.count(reasoning, "reasoning") or 0,
    )
    if parts.clamped:
        read.flags.append("details_exceed_total")
    if whole is not None and whole != parts.usage.total:
        read.flags.append("total_mismatch")
    return UsageReport(parts.usage, whole, tuple(read.flags))


def input_report(tokens: object) -> UsageReport | None:
    """Read the one count of a call that writes nothing."""
    return report(tokens, 0) if tokens is not None else None


def characters_report(characters: int) -> UsageReport:
    """Give the report of a vendor that bills by the character."""
    return UsageReport(TokenUsage(characters=characters))


BROKEN: Final = Delta(error=VendorError("protocol", vendor_code="invalid_json"))
"""What is no answer at all."""


def member(value: object, *path: str | int) -> Any:
    """Give what is at a place in decoded JSON; None where the way there ends, whatever the vendor sent."""
    for name in path:
        if isinstance(value, dict) and isinstance(name, str):
            value = value.get(name)
        elif isinstance(value, list) and isinstance(name, int) and -len(value) <= name < len(value):
            value = value[name]
        else:
            return None
    return value


def words(value: object) -> str:
    """Give a text as it was sent; nothing for anything that is none."""
    # A half surrogate pair has no UTF-8 form, and the text is going to be written in that form.
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def items(value: object) -> list[Any]:
    """Give a list as it was sent; an empty one for anything else."""
    return value if isinstance(value, list) else []


def json_text(value: object) -> str:
    """Give arguments as JSON text: some vendors send the text, some the object, some nothing."""
    if isinstance(value, str):
        return words(value) or "{}"
    try:
        return msgspec.json.encode(value if value is not None else {}).decode()
    except (UnicodeEncodeError, TypeError, RecursionError):
        return "{}"


def floats(value: object) -> tuple[float, ...] | None:
    """Give a vector; None for what is none."""
    if not isinstance(value, list) or not all(isinstance(each, int | float) for each in value):
        return None
    return tuple(float(each) for each in value)
