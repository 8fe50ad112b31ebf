"""Ollama's native dialect: lines of JSON, images inside the request.

Source: Ollama's API documentation and its `api/types.go`.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    arguments_of,
    bearer,
    check_tool_choice,
    fitted,
    floats,
    get,
    given,
    input_report,
    items,
    json_text,
    member,
    openai_tools,
    post,
    report,
    results_of,
    text_of,
    texts_of,
    tool_names,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media, Message, Reasoning, ToolCall, effort_of
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, said
from domain.relay.dialect import Frame, Framing, StreamDecoder, Target, UnsupportedParameterError
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Embeddings, EmbeddingsRequest

_TAKES: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "response_format",
        "reasoning",
    }
)
_EXTRAS: Final = ("keep_alive", "num_ctx", "repeat_penalty", "min_p")
_FINISH: Final[Mapping[str, FinishReason]] = {"stop": "stop", "length": "length"}


class OllamaDialect(BaseDialect):
    """Ollama."""

    framing: Framing = "ndjson"
    surfaces: frozenset[Surface] = frozenset({"chat", "embeddings"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of `/api/chat`. Its own default is to stream, so that it is always said."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        check_tool_choice(asked, target, "none")
        offers_tools = asked.tool_choice is None or asked.tool_choice.mode != "none"
        names = tool_names(asked.messages)
        context = asked.others.get("num_ctx", target.options.get("num_ctx") or None)
        options = given(
            num_predict=target.output_tokens_max,
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            seed=asked.seed,
            stop=list(asked.stop),
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            num_ctx=int(context) if isinstance(context, int | str) and str(context).isdecimal() else None,
            repeat_penalty=asked.others.get("repeat_penalty"),
            min_p=asked.others.get("min_p"),
        )
        body = given(
            model=target.model,
            messages=[each for message in asked.messages for each in _messages(message, names)],
            options=options,
            tools=openai_tools(asked.tools) if offers_tools else [],
            format=_format(asked),
            think=_think(asked),
            logprobs=asked.logprobs,
            top_logprobs=asked.top_logprobs,
            keep_alive=asked.others.get("keep_alive"),
        )
        return post(f"{target.base_url}/api/chat", body | {"stream": call.stream}, bearer(target.key))

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of `/api/embed`."""
        body = given(model=target.model, input=texts_of(request), dimensions=request.dimensions)
        return post(f"{target.base_url}/api/embed", body, bearer(target.key))

    def decoder(self, call: Call) -> StreamDecoder:
        """Read lines."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        if call.surface == "embeddings":
            vectors = [floats(each) for each in items(answer.get("embeddings"))]
            if not vectors or None in vectors:
                return Delta(error=classify(answer))
            return Delta(
                result=Embeddings(tuple(each for each in vectors if each is not None)),
                report=input_report(answer.get("prompt_eval_count")),
            )
        deltas = _Stream().feed(Frame(body))
        return deltas[0]

    def models_request(self, target: Target) -> VendorRequest:
        """List what was pulled."""
        return get(f"{target.base_url}/api/tags", bearer(target.key))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read the names."""
        return tuple(name for each in items(member(loads(body), "models")) if (name := words(member(each, "name"))))


def _messages(message: Message, names: Mapping[str, str]) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            given(
                role="tool",
                tool_name=result.name or names.get(result.call_id, ""),
                tool_call_id=result.call_id,
            )
            | {"content": text_of(result.parts)}
            for result in results_of(message)
        ]
    images: list[str] = []
    for part in message.parts:
        if isinstance(part, Media):
            if part.kind != "image" or not part.data:
                raise UnsupportedParameterError("messages", f"This model's vendor takes no {part.kind} of that kind.")
            images.append(part.data)
    spoken = tuple(part for part in message.parts if not isinstance(part, Media))
    more = given(
        images=images,
        tool_calls=[
            {"id": part.call_id, "function": {"name": part.name, "arguments": arguments_of(part)}}
            for part in message.parts
            if isinstance(part, ToolCall)
        ],
        thinking="".join(part.text for part in message.parts if isinstance(part, Reasoning)),
    )
    return [{"role": message.role, "content": text_of(spoken), **more}]


def _format(request: ChatRequest) -> object:
    shape = request.response_format
    if shape is None or shape.kind == "text":
        return None
    return shape.schema if shape.schema is not None else "json"


def _think(request: ChatRequest) -> object:
    if request.reasoning is None:
        return None
    effort = effort_of(request.reasoning)
    return {"": None, "none": False, "minimal": "low", "xhigh": "high"}.get(effort, effort)


class _Stream(BaseDecoder):
    """A tool call arrives whole in one line; the last line has `done` and the counts."""

    def __init__(self) -> None:
        """Start before the first event."""
        self._calls = 0

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one line; `done` is the end mark as well."""
        line = loads(frame.data)
        if not isinstance(line, dict):
            return [BROKEN]
        if line.get("error") or not isinstance(line.get("message"), dict):
            return [Delta(error=classify(line))]
        message = line["message"]
        pieces = [Piece(reasoning=words(message.get("thinking")), text=words(message.get("content")))]
        for call in items(message.get("tool_calls")):
            tool = ToolDelta(
                index=self._calls,
                call_id=words(member(call, "id")) or f"call_{self._calls}",
                name=words(member(call, "function", "name")),
                arguments=json_text(member(call, "function", "arguments")),
            )
            pieces.append(Piece(tool=tool))
            self._calls += 1
        if line.get("done") is not True:
            return [said(*pieces)]
        # With tool calls, too, the reason given is that the model stopped.
        reason = words(line.get("done_reason"))
        pieces.append(Piece(finish_reason="tool_calls" if self._calls else _FINISH.get(reason, "stop")))
        # A prompt that was in the cache is not counted at all.
        usage = report(line.get("prompt_eval_count", 0), line["eval_count"]) if "eval_count" in line else None
        return [said(*pieces, report=usage)]


DIALECT: Final = OllamaDialect()
