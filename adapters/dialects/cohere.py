"""Cohere's v2 dialect: chat, embeddings and rerank.

Source: Cohere's published OpenAPI document and its Python SDK 7.3.1. The tokens charged are `usage.tokens`, which are
what the model read and wrote; `billed_units` leaves out Cohere's own template.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.cohere import FAILED, FINISH, decode_models, models_request, root, usage_of
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    bearer,
    clamped,
    fitted,
    floats,
    given,
    image_url,
    input_report,
    items,
    json_text,
    member,
    openai_calls,
    openai_tools,
    post,
    results_of,
    text_of,
    texts_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media, Message, Part, Text, budget_of
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import Frame, StreamDecoder, Target, UnsupportedParameterError
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Embeddings, EmbeddingsRequest, Ranking, RerankRequest
from domain.relay.vendor_errors import VendorError

_TAKES: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "response_format",
        "reasoning",
    }
)
_EXTRAS: Final = ("documents", "citation_options", "safety_mode", "priority")


class CohereDialect(BaseDialect):
    """Cohere v2."""

    surfaces: frozenset[Surface] = frozenset({"chat", "embeddings", "rerank"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of `/v2/chat`."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        choice = asked.tool_choice
        tools = asked.tools
        if choice is not None and choice.mode == "named":
            # There is no naming of a tool: only that one is offered, and one must be called.
            tools = tuple(tool for tool in tools if tool.name == choice.name)
        body = given(
            model=target.model,
            messages=[each for message in asked.messages for each in _messages(message)],
            max_tokens=target.output_tokens_max,
            temperature=clamped(asked.temperature, 0, 1),
            p=clamped(asked.top_p, 0.01, 0.99),
            k=asked.top_k,
            stop_sequences=list(asked.stop),
            seed=asked.seed,
            frequency_penalty=clamped(asked.frequency_penalty, 0, 1),
            presence_penalty=clamped(asked.presence_penalty, 0, 1),
            logprobs=asked.logprobs,
            tools=openai_tools(tools),
            strict_tools=True if any(tool.strict for tool in tools) else None,
            tool_choice=_tool_choice(asked),
            response_format=_format(asked),
            thinking=_thinking(asked),
            **asked.others,
        )
        return post(f"{root(target)}/v2/chat", body | {"stream": call.stream}, bearer(target.key))

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of `/v2/embed`; without a task the texts are taken for documents."""
        body = given(
            model=target.model,
            texts=texts_of(request),
            input_type=request.task or "search_document",
            embedding_types=["float"],
            output_dimension=request.dimensions,
        )
        return post(f"{root(target)}/v2/embed", body, bearer(target.key))

    def rerank(self, request: RerankRequest, target: Target) -> VendorRequest:
        """Give the body of `/v2/rerank`."""
        body = given(model=target.model, query=request.query, documents=list(request.documents), top_n=request.top_n)
        return post(f"{root(target)}/v2/rerank", body, bearer(target.key))

    def decoder(self, call: Call) -> StreamDecoder:
        """Read named events; the name is in the data, too."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        match call.surface:
            case "embeddings":
                return _embeddings(answer)
            case "rerank":
                return _ranking(answer)
            case _:
                return _answer(answer)

    def models_request(self, target: Target) -> VendorRequest:
        """List models."""
        return models_request(target)

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read their names."""
        return decode_models(body)


def _messages(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {"role": "tool", "tool_call_id": result.call_id, "content": text_of(result.parts)}
            for result in results_of(message)
        ]
    if message.role == "assistant":
        spoken = given(content=text_of(message.parts), tool_calls=openai_calls(message.parts))
        return [{"role": "assistant", **spoken}] if spoken else []
    return [{"role": message.role, "content": _content(message.parts)}]


def _content(parts: tuple[Part, ...]) -> str | list[dict[str, Any]]:
    if not any(isinstance(part, Media) for part in parts):
        return text_of(parts)
    content: list[dict[str, Any]] = []
    for part in parts:
        if isinstance(part, Media):
            if part.kind != "image":
                raise UnsupportedParameterError("messages", f"This model's vendor takes no {part.kind}.")
            content.append({"type": "image_url", "image_url": given(url=image_url(part), detail=part.detail)})
        elif isinstance(part, Text):
            content.append({"type": "text", "text": part.text})
    return content


def _tool_choice(request: ChatRequest) -> str | None:
    match request.tool_choice:
        case None:
            return None
        case choice:
            return {"required": "REQUIRED", "named": "REQUIRED", "none": "NONE"}.get(choice.mode)


def _format(request: ChatRequest) -> dict[str, Any] | None:
    shape = request.response_format
    if shape is None or shape.kind == "text":
        return None
    return given(type="json_object", json_schema=shape.schema)


def _thinking(request: ChatRequest) -> dict[str, Any] | None:
    if request.reasoning is None:
        return None
    budget = budget_of(request.reasoning)
    if budget is None:
        return None
    return {"type": "disabled"} if budget == 0 else given(type="enabled", token_budget=budget if budget > 0 else None)


def _answer(answer: dict[str, Any]) -> Delta:
    message = answer.get("message")
    if not isinstance(message, dict):
        return Delta(error=classify(answer))
    pieces = [Piece(reasoning=plan)] if (plan := words(message.get("tool_plan"))) else []
    for part in items(message.get("content")):
        if thinking := words(member(part, "thinking")):
            pieces.append(Piece(reasoning=thinking))
        elif text := words(member(part, "text")):
            pieces.append(Piece(text=text))
    calls = items(message.get("tool_calls"))
    pieces += [Piece(tool=_call(index, each)) for index, each in enumerate(calls)]
    reason = words(answer.get("finish_reason"))
    if reason in FAILED and not pieces:
        return Delta(error=VendorError("server", vendor_code=reason.lower()))
    finish = Piece(finish_reason="tool_calls" if calls else FINISH.get(reason, "stop"))
    return said(*pieces, finish, report=usage_of(answer.get("usage")))


def _call(index: int, call: object) -> ToolDelta:
    return ToolDelta(
        index=index,
        call_id=words(member(call, "id")),
        name=words(member(call, "function", "name")),
        arguments=json_text(member(call, "function", "arguments")),
    )


class _Stream(BaseDecoder):
    """Content and tool calls are numbered apart from each other."""

    def __init__(self) -> None:
        """Start before the first event."""
        self._calls = -1
        self._has_arguments = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event."""
        if frame.data == b"[DONE]":
            return [Delta(is_done=True)]
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        message = member(event, "delta", "message")
        match event.get("type"):
            case "message-start":
                return [said(Piece())]
            case "content-delta":
                content = member(message, "content")
                piece = Piece(text=words(member(content, "text")), reasoning=words(member(content, "thinking")))
                return [said(piece)]
            case "tool-plan-delta":
                return [said(Piece(reasoning=words(member(message, "tool_plan"))))]
            case "tool-call-start":
                self._calls += 1
                call = member(message, "tool_calls")
                begun = words(member(call, "function", "arguments"))
                self._has_arguments = bool(begun)
                tool = ToolDelta(
                    index=self._calls,
                    call_id=words(member(call, "id")),
                    name=words(member(call, "function", "name")),
                    arguments=begun,
                )
                return [said(Piece(tool=tool))]
            case "tool-call-delta":
                more = words(member(message, "tool_calls", "function", "arguments"))
                self._has_arguments = self._has_arguments or bool(more)
                return [said(Piece(tool=ToolDelta(index=max(self._calls, 0), arguments=more)))] if more else []
            case "tool-call-end" if not self._has_arguments:
                return [said(Piece(tool=ToolDelta(index=max(self._calls, 0), arguments="{}")))]
            case "message-end":
                return [self._end(event)]
            case None:
                return [Delta(error=classify(event))]
            case _:
                return []

    def _end(self, event: dict[str, Any]) -> Delta:
        if member(event, "delta", "error"):
            return Delta(error=classify({"message": member(event, "delta", "error")}))
        reason = words(member(event, "delta", "finish_reason"))
        if reason in FAILED:
            return Delta(error=VendorError("server", vendor_code=reason.lower()))
        finish = "tool_calls" if self._calls >= 0 else FINISH.get(reason, "stop")
        return said(Piece(finish_reason=finish), report=usage_of(member(event, "delta", "usage")))


def _embeddings(answer: dict[str, Any]) -> Delta:
    vectors = [floats(each) for each in items(member(answer, "embeddings", "float"))]
    if not vectors or None in vectors:
        return Delta(error=classify(answer))
    return Delta(
        result=Embeddings(tuple(each for each in vectors if each is not None)),
        report=input_report(member(answer, "meta", "billed_units", "input_tokens")),
    )


def _ranking(answer: dict[str, Any]) -> Delta:
    results = answer.get("results")
    if not isinstance(results, list):
        return Delta(error=classify(answer))
    ranked = [
        (member(each, "index"), member(each, "relevance_score"))
        for each in results
        if isinstance(member(each, "index"), int) and isinstance(member(each, "relevance_score"), int | float)
    ]
    searches = member(answer, "meta", "billed_units", "search_units")
    return Delta(
        result=Ranking(
            tuple((index, float(score)) for index, score in ranked), searches if isinstance(searches, int) else 0
        )
    )


DIALECT: Final = CohereDialect()
