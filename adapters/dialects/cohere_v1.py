"""Cohere's first chat, for hosts that serve no other: one message with its history, answers as lines of JSON.

Source: Cohere's published OpenAPI document and its Python SDK 7.3.1. It is a dialect and a type of its own beside v2,
for framing, parameters and content differ. Calls of tools have no ids here: ours are numbered within one answer, and a
result is sent with the call that it answers. The tokens charged are `meta.tokens`, for the reason that v2 has.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.cohere import FAILED, FINISH, decode_models, models_request, root, usage_of
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    arguments_of,
    bearer,
    clamped,
    fitted,
    given,
    items,
    json_text,
    member,
    merged,
    post,
    results_of,
    text_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Message, Tool, ToolCall
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import Frame, Framing, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

_TAKES: Final = frozenset(
    {
        "tools",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "response_format",
    }
)
_EXTRAS: Final = (
    "documents",
    "citation_quality",
    "prompt_truncation",
    "safety_mode",
    "max_input_tokens",
)
_PYTHON_TYPES: Final = {
    "string": "str",
    "integer": "int",
    "number": "float",
    "boolean": "bool",
    "array": "list",
    "object": "dict",
}
_CALLS_MAX: Final = 1_000


class CohereV1Dialect(BaseDialect):
    """Cohere v1: chats alone, for v2 has the rest."""

    framing: Framing = "ndjson"
    surfaces: frozenset[Surface] = frozenset({"chat"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of `/v1/chat`: the last turn is the message, or results; what was before is the history."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        turns = _turns(merged(asked.turns))
        last = turns.pop() if turns else {}
        if last.get("role") not in ("USER", "TOOL"):
            raise InvalidRequestError(
                "The last message must be the user's or a tool's result: this vendor continues no answer.",
                param="messages",
            )
        body = given(
            model=target.model,
            preamble=asked.system,
            chat_history=turns,
            tool_results=last.get("tool_results"),
            max_tokens=target.output_tokens_max,
            temperature=clamped(asked.temperature, 0, 1),
            p=clamped(asked.top_p, 0.01, 0.99),
            k=asked.top_k,
            stop_sequences=list(asked.stop),
            seed=asked.seed,
            frequency_penalty=clamped(asked.frequency_penalty, 0, 1),
            presence_penalty=clamped(asked.presence_penalty, 0, 1),
            tools=[_tool(tool) for tool in asked.tools],
            response_format=_format(asked),
            **asked.others,
        )
        # A message is required, also where there is none: results are answered to what was asked before.
        body |= {"message": last.get("message", ""), "stream": call.stream}
        return post(f"{root(target)}/v1/chat", body, bearer(target.key))

    def decoder(self, call: Call) -> StreamDecoder:
        """Read lines of JSON; what each is stands in `event_type`."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        if not isinstance(answer.get("text"), str):
            return Delta(error=classify(answer))
        calls = items(answer.get("tool_calls"))
        reason = words(answer.get("finish_reason"))
        if reason in FAILED and not (calls or answer["text"]):
            return Delta(error=VendorError("server", vendor_code=reason.lower()))
        finish = Piece(finish_reason="tool_calls" if calls else FINISH.get(reason, "stop"))
        return said(*_spoken(answer["text"], calls), *_called(calls), finish, report=usage_of(answer.get("meta")))

    def models_request(self, target: Target) -> VendorRequest:
        """List models."""
        return models_request(target)

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read their names."""
        return decode_models(body)


def _turns(messages: Iterable[Message]) -> list[dict[str, Any]]:
    turns: list[dict[str, Any]] = []
    calls: dict[str, dict[str, Any]] = {}
    for message in messages:
        if message.role == "tool":
            turns.append({"role": "TOOL", "tool_results": [_result(each, calls) for each in results_of(message)]})
            continue
        made = {
            part.call_id: {"name": part.name, "parameters": arguments_of(part)}
            for part in message.parts
            if isinstance(part, ToolCall)
        }
        calls |= made
        turn = {"message": text_of(message.parts), **given(tool_calls=list(made.values()))}
        if turn != {"message": ""}:
            turns.append({"role": "USER" if message.role == "user" else "CHATBOT"} | turn)
    return turns


def _result(result: Any, calls: Mapping[str, dict[str, Any]]) -> dict[str, Any]:
    call = calls.get(result.call_id)
    if call is None:
        raise InvalidRequestError(
            f"There is a result of tool call '{result.call_id}', and no such call before it.", param="messages"
        )
    return {"call": call, "outputs": _outputs(text_of(result.parts))}


def _outputs(text: str) -> list[dict[str, Any]]:
    """Give a result as the objects that the vendor wants; what is none stands in one."""
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        value = None
    listed = value if isinstance(value, list) else [value]
    return listed if listed and all(isinstance(each, dict) for each in listed) else [{"result": text}]


def _tool(tool: Tool) -> dict[str, Any]:
    """Give a tool with a flat list of parameters: what of a parameter's schema has no place there is told in words."""
    schema = tool.parameters or {}
    needed = items(schema.get("required"))
    properties = schema.get("properties")
    definitions = {
        name: _parameter(each if isinstance(each, dict) else {}, needed=name in needed)
        for name, each in (properties if isinstance(properties, dict) else {}).items()
    }
    return {
        "name": tool.name,
        # It is required, also where the client says nothing.
        "description": tool.description or tool.name,
        **given(parameter_definitions=definitions),
    }


def _parameter(schema: dict[str, Any], *, needed: bool) -> dict[str, Any]:
    kind = _PYTHON_TYPES.get(words(schema.get("type")))
    rest = {name: value for name, value in schema.items() if name != "description" and (name != "type" or kind is None)}
    told = [words(schema.get("description")), f"JSON Schema: {json_text(rest)}" if rest else ""]
    return {
        **given(description=" ".join(each for each in told if each)),
        "type": kind or "str",
        "required": needed,
    }


def _format(request: ChatRequest) -> dict[str, Any] | None:
    shape = request.response_format
    if shape is None or shape.kind == "text":
        return None
    return given(type="json_object", schema=shape.schema)


def _spoken(text: str, calls: list[Any]) -> list[Piece]:
    """Give what an answer says: beside calls of tools it is the plan."""
    spoken = words(text)
    if not spoken:
        return []
    return [Piece(reasoning=spoken) if calls else Piece(text=spoken)]


def _called(calls: list[Any]) -> list[Piece]:
    return [
        Piece(
            tool=ToolDelta(
                index=index,
                call_id=_call_id(index),
                name=words(member(call, "name")),
                arguments=json_text(member(call, "parameters")),
            )
        )
        for index, call in enumerate(calls[:_CALLS_MAX])
    ]


def _call_id(index: int) -> str:
    return f"call_{index}"


class _Stream(BaseDecoder):
    """Calls of tools may come in chunks, and then come whole; the end repeats the answer, with what was used."""

    def __init__(self) -> None:
        """Start before the first line."""
        self._has_text = False
        self._calls: dict[int, bool] = {}
        """The calls so far, and whether they have arguments."""

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one line."""
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        match event.get("event_type"):
            case "stream-start":
                return [said(Piece())]
            case "text-generation":
                text = words(event.get("text"))
                self._has_text = self._has_text or bool(text)
                return [said(Piece(text=text))]
            case "tool-calls-chunk":
                return self._chunk(event)
            case "tool-calls-generation":
                return self._whole(items(event.get("tool_calls")))
            case "stream-end":
                return self._end(event)
            case None:
                return [Delta(error=classify(event))]
            case _:
                return []

    def _chunk(self, event: dict[str, Any]) -> list[Delta]:
        call = member(event, "tool_call_delta")
        pieces = [Piece(reasoning=plan)] if (plan := words(member(call, "text")) or words(event.get("text"))) else []
        name, arguments = words(member(call, "name")), words(member(call, "parameters"))
        if name or arguments:
            index = self._index(member(call, "index"), is_new=bool(name))
            is_first = index not in self._calls
            self._calls[index] = self._calls.get(index, False) or bool(arguments)
            call_id = _call_id(index) if is_first else ""
            pieces.append(Piece(tool=ToolDelta(index=index, call_id=call_id, name=name, arguments=arguments)))
        return [said(*pieces)] if pieces else []

    def _index(self, told: object, *, is_new: bool) -> int:
        if isinstance(told, int | float) and 0 <= told < _CALLS_MAX:
            return int(told)
        last = max(self._calls, default=-1)
        return min(last + 1, _CALLS_MAX) if is_new else max(last, 0)

    def _whole(self, calls: list[Any]) -> list[Delta]:
        """Give the calls that did not come in chunks, and arguments to those that came without any."""
        if self._calls:
            bare_calls = [index for index, has_arguments in self._calls.items() if not has_arguments]
            self._calls.update(dict.fromkeys(bare_calls, True))
            late = {piece.tool.index: piece.tool.arguments for piece in _called(calls) if piece.tool is not None}
            filled = [ToolDelta(index=index, arguments=late.get(index, "{}")) for index in bare_calls]
            return [said(*(Piece(tool=tool) for tool in filled))] if filled else []
        pieces = _called(calls)
        self._calls.update(dict.fromkeys(range(len(pieces)), True))
        return [said(*pieces)] if pieces else []

    def _end(self, event: dict[str, Any]) -> list[Delta]:
        response = member(event, "response")
        reason = words(event.get("finish_reason")) or words(member(response, "finish_reason"))
        if reason in FAILED:
            return [Delta(error=VendorError("server", vendor_code=reason.lower()))]
        calls = items(member(response, "tool_calls"))
        rest = self._whole(calls)
        if not self._has_text and not self._calls:
            rest += [said(piece) for piece in _spoken(words(member(response, "text")), calls)]
        finish = "tool_calls" if self._calls else FINISH.get(reason, "stop")
        return [*rest, said(Piece(finish_reason=finish), report=usage_of(member(response, "meta")))]


DIALECT: Final = CohereV1Dialect()
