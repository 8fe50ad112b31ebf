"""Alibaba's native DashScope dialect: chat, embeddings, rerank, and images as jobs that are polled.

Source: the vendor's Python SDK dashscope 2.0.2.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    bearer,
    check_tool_choice,
    clamped,
    fitted,
    floats,
    get,
    given,
    image_url,
    input_report,
    items,
    json_text,
    member,
    openai_calls,
    openai_tools,
    post,
    refused,
    report,
    results_of,
    text_of,
    texts_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media, Message, Part, Text, budget_of
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, UsageReport, said
from domain.relay.dialect import CanonicalRequest, Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import (
    Embeddings,
    EmbeddingsRequest,
    Images,
    ImagesRequest,
    MadeImage,
    Ranking,
    RerankRequest,
)
from domain.relay.vendor_errors import Kind

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
        "n",
        "presence_penalty",
        "logprobs",
        "top_logprobs",
        "response_format",
        "reasoning",
    }
)
_EXTRAS: Final = ("enable_search", "search_options", "enable_thinking", "thinking_budget", "repetition_penalty")
_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_MULTIMODAL: Final = ("-vl", "-audio", "-omni", "qvq", "-ocr")
_SERVICES: Final = "/api/v1/services"
_POLL_SECONDS: Final = 2.0
_PENDING: Final = frozenset({"PENDING", "RUNNING", "SUSPENDED"})


class DashScopeDialect(BaseDialect):
    """DashScope."""

    surfaces: frozenset[Surface] = frozenset({"chat", "embeddings", "rerank", "images"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        "invalidapikey": "auth",
        "accessdenied": "auth",
        "model.accessdenied": "auth",
        "workspace.accessdenied": "auth",
        "workspacenotfound": "auth",
        "arrearage": "quota",
        "throttling": "rate_limit",
        "throttling.allocationquota": "quota",
        "limitrequests": "rate_limit",
        "prepaidbilloverdue": "quota",
        "postpaidbilloverdue": "quota",
        "commoditynotpurchased": "quota",
        "modelnotfound": "not_found",
        "datainspectionfailed": "content",
        "data_inspection_failed": "content",
        "requesttimeout": "timeout",
        "modelunavailable": "overloaded",
        "modelservingerror": "overloaded",
        "systemerror": "server",
        "internalerror": "server",
        "invalidparameter": "bad_request",
        "badrequest": "bad_request",
        "invalidurl": "bad_request",
        "unsupportedoperation": "bad_request",
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a generation; models that see and hear have an address and form of their own."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        is_multimodal = any(mark in target.model.lower() for mark in _MULTIMODAL)
        messages = [each for message in asked.messages for each in _messages(message, is_multimodal=is_multimodal)]
        check_tool_choice(asked, target, "none", "named")
        parameters = given(
            max_tokens=target.output_tokens_max,
            # 2 itself is refused, and so are 0 and 1 for top_p.
            temperature=clamped(asked.temperature, 0, 1.99),
            top_p=clamped(asked.top_p, 0.0001, 1.0),
            top_k=asked.top_k,
            seed=asked.seed,
            stop=list(asked.stop),
            presence_penalty=asked.presence_penalty,
            n=asked.n if asked.n > 1 else None,
            logprobs=asked.logprobs,
            top_logprobs=asked.top_logprobs,
            tools=openai_tools(asked.tools),
            tool_choice=_tool_choice(asked),
            parallel_tool_calls=asked.parallel_tool_calls,
            response_format=_format(asked),
            **_thinking(asked),
            **asked.others,
        )
        parameters["result_format"] = "message"
        headers = bearer(target.key)
        if call.stream:
            # Without this each event repeats the whole text.
            parameters["incremental_output"] = True
            headers |= {"X-DashScope-SSE": "enable", "Accept": "text/event-stream"}
        kind = "multimodal-generation" if is_multimodal else "text-generation"
        body = {"model": target.model, "input": {"messages": messages}, "parameters": parameters}
        return post(f"{target.base_url}{_SERVICES}/aigc/{kind}/generation", body, _scoped(headers, target))

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of text embeddings."""
        body = {
            "model": target.model,
            "input": {"texts": texts_of(request)},
            "parameters": given(text_type=request.task, dimension=request.dimensions),
        }
        url = f"{target.base_url}{_SERVICES}/embeddings/text-embedding/text-embedding"
        return post(url, body, _scoped(bearer(target.key), target))

    def rerank(self, request: RerankRequest, target: Target) -> VendorRequest:
        """Give the body of a ranking."""
        body = {
            "model": target.model,
            "input": {"query": request.query, "documents": list(request.documents)},
            "parameters": {**given(top_n=request.top_n), "return_documents": False},
        }
        url = f"{target.base_url}{_SERVICES}/rerank/text-rerank/text-rerank"
        return post(url, body, _scoped(bearer(target.key), target))

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Submit a job for images."""
        if not isinstance(request, ImagesRequest) or request.images:
            raise refused(type(request).__name__)
        body = {
            "model": target.model,
            "input": given(prompt=request.prompt, negative_prompt=request.others.get("negative_prompt")),
            "parameters": given(size=request.size.replace("x", "*"), n=request.n, seed=request.others.get("seed")),
        }
        headers = bearer(target.key) | {"X-DashScope-Async": "enable"}
        return post(f"{target.base_url}{_SERVICES}/aigc/text2image/image-synthesis", body, _scoped(headers, target))

    def follow(self, reply: bytes, previous: VendorRequest, target: Target) -> VendorRequest | None:
        """Poll a job until it is done, whichever way it ends."""
        output = member(loads(reply), "output")
        task_id, status = words(member(output, "task_id")), words(member(output, "task_status"))
        if not task_id or status not in _PENDING:
            return None
        return get(f"{target.base_url}/api/v1/tasks/{task_id}", bearer(target.key), delay_seconds=_POLL_SECONDS)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events; each is like a whole answer."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        match call.surface:
            case "embeddings":
                return self._embeddings(answer)
            case "rerank":
                return self._ranking(answer)
            case "images":
                return self._images(answer)
            case _:
                return _Stream().read(answer)

    def _embeddings(self, answer: dict[str, Any]) -> Delta:
        found = items(member(answer, "output", "embeddings"))
        ordered = sorted(found, key=lambda each: _number(member(each, "text_index")))
        vectors = [floats(member(each, "embedding")) for each in ordered]
        if not vectors or None in vectors:
            return Delta(error=classify(answer, kinds=self.kinds))
        return Delta(
            result=Embeddings(tuple(each for each in vectors if each is not None)),
            report=input_report(member(answer, "usage", "total_tokens")),
        )

    def _ranking(self, answer: dict[str, Any]) -> Delta:
        results = member(answer, "output", "results")
        if not isinstance(results, list):
            return Delta(error=classify(answer, kinds=self.kinds))
        ranked = [
            (index, float(score))
            for each in results
            if isinstance(index := member(each, "index"), int)
            and isinstance(score := member(each, "relevance_score"), int | float)
        ]
        return Delta(result=Ranking(tuple(ranked)), report=input_report(member(answer, "usage", "total_tokens")))

    def _images(self, answer: dict[str, Any]) -> Delta:
        made = [
            MadeImage(url=url)
            for each in items(member(answer, "output", "results"))
            if (url := words(member(each, "url")))
        ]
        if not made:
            output = member(answer, "output")
            # A failed job says so beside its status, an image that failed in its own place.
            told = output if member(output, "code") else member(output, "results", 0)
            return Delta(error=classify(told if isinstance(told, dict) else answer, kinds=self.kinds))
        return Delta(result=Images(tuple(made)))


def _scoped(headers: dict[str, str], target: Target) -> dict[str, str]:
    more = given(
        **{
            "X-DashScope-WorkSpace": target.options.get("workspace"),
            "X-DashScope-Plugin": target.options.get("plugin"),
        }
    )
    return headers | more


def _messages(message: Message, *, is_multimodal: bool) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            given(role="tool", tool_call_id=result.call_id, name=result.name) | {"content": text_of(result.parts)}
            for result in results_of(message)
        ]
    content = [_part(part) for part in message.parts if isinstance(part, Text | Media)] if is_multimodal else None
    spoken = text_of(message.parts) if content is None else content
    return [{"role": message.role, "content": spoken, **given(tool_calls=openai_calls(message.parts))}]


def _part(part: Part) -> dict[str, Any]:
    match part:
        case Media(kind="image"):
            return {"image": image_url(part)}
        case Media():
            kind = part.kind if part.kind in ("audio", "video") else "file"
            return {kind: part.url or f"data:{part.media_type};base64,{part.data}"}
        case Text():
            return {"text": part.text}
        case _:
            return {"text": ""}


def _tool_choice(request: ChatRequest) -> object:
    choice = request.tool_choice
    if choice is None:
        return None
    if choice.mode == "named":
        return {"type": "function", "function": {"name": choice.name}}
    return None if choice.mode == "required" else choice.mode


def _format(request: ChatRequest) -> dict[str, Any] | None:
    shape = request.response_format
    if shape is None or shape.kind == "text":
        return None
    if shape.schema is not None:
        return {"type": "json_schema", "json_schema": given(name=shape.name, schema=shape.schema, strict=shape.strict)}
    return {"type": "json_object"}


def _thinking(request: ChatRequest) -> dict[str, Any]:
    budget = None if request.reasoning is None else budget_of(request.reasoning)
    if budget is None or "enable_thinking" in request.others:
        return {}
    return {"enable_thinking": budget != 0} | ({"thinking_budget": budget} if budget > 0 else {})


def _usage(usage: object) -> UsageReport | None:
    return report(
        member(usage, "input_tokens"),
        member(usage, "output_tokens"),
        member(usage, "total_tokens"),
        cached=member(usage, "prompt_tokens_details", "cached_tokens"),
        cache_write=member(usage, "prompt_tokens_details", "cache_creation_input_tokens"),
        reasoning=member(usage, "output_tokens_details", "reasoning_tokens"),
    )


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


class _Stream(BaseDecoder):
    """Tool calls continue under their index; an empty id is no new one."""

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event; a comment that states the HTTP status carries no data."""
        if not frame.data:
            return []
        if frame.data == b"[DONE]" or frame.event == b"done":
            return [Delta(is_done=True)]
        event = loads(frame.data)
        return [self.read(event) if isinstance(event, dict) else BROKEN]

    def read(self, event: dict[str, Any]) -> Delta:
        """Read an event or a whole answer."""
        output = event.get("output")
        choices = member(output, "choices")
        text = member(output, "text")
        if not isinstance(choices, list) and isinstance(text, str):
            choices = [{"message": {"content": text}, "finish_reason": member(output, "finish_reason")}]
        if not isinstance(choices, list) or event.get("code"):
            return Delta(error=classify(event, kinds=DashScopeDialect.kinds))
        pieces: list[Piece] = []
        for place, choice in enumerate(choices):
            number = member(choice, "index")
            pieces += self._choice(number if isinstance(number, int) else place, choice)
        return said(*pieces, report=_usage(event.get("usage")))

    @staticmethod
    def _choice(number: int, choice: object) -> list[Piece]:
        message = member(choice, "message")
        pieces = []
        thoughts = words(member(message, "reasoning_content"))
        if thoughts:
            pieces.append(Piece(choice=number, reasoning=thoughts))
        content = member(message, "content")
        text = words(content) or "".join(words(member(part, "text")) for part in items(content))
        if text:
            pieces.append(Piece(choice=number, text=text))
        for place, call in enumerate(items(member(message, "tool_calls"))):
            index = member(call, "index")
            arguments = member(call, "function", "arguments")
            tool = ToolDelta(
                index=index if isinstance(index, int) else place,
                call_id=words(member(call, "id")),
                name=words(member(call, "function", "name")),
                arguments=words(arguments) if isinstance(arguments, str) or arguments is None else json_text(arguments),
            )
            pieces.append(Piece(choice=number, tool=tool))
        reason = words(member(choice, "finish_reason"))
        if reason and reason != "null":
            pieces.append(Piece(choice=number, finish_reason=_FINISH.get(reason, "stop")))
        return pieces


DIALECT: Final = DashScopeDialect()
