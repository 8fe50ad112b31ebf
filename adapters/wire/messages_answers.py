"""Anthropic's Messages: what is answered, whole and as a stream of named events."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from adapters.wire.counts import CountReader
from adapters.wire.errors import classify
from adapters.wire.kit import BROKEN, items, json_text, member, words
from adapters.wire.lenient import loads
from adapters.wire.messages import ANSWER_TOOL
from domain.metering.usage import partition_openai
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, UsageReport, said
from domain.relay.dialect import Frame
from domain.relay.vendor_errors import Kind, VendorError

FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "length",
    "compaction": "length",
}
OPEN_BLOCKS_MAX: Final = 1_000
"""More blocks open at once than any answer has; further ones are not read."""

# ---- Errors

_KINDS: Final[Mapping[str, Kind]] = {
    "authentication_error": "auth",
    "permission_error": "auth",
    "billing_error": "quota",
    "rate_limit_error": "rate_limit",
    "overloaded_error": "overloaded",
    "timeout_error": "timeout",
    "api_error": "server",
    "not_found_error": "not_found",
}
_STATUSES: Final = {"invalid_request_error": 400, "request_too_large": 413, "not_found_error": 404}
_FAILED: Final = 400
_GENERIC: Final = frozenset({"invalid_request_error", "error"})
_FILTERED: Final = ("content filtering policy", "usage policy", "usage policies")


def messages_error(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None, secrets: tuple[str, ...] = ()
) -> VendorError:
    """Say what an error means; with status 200 it came in mid-stream, and its type says what the status would."""
    type_ = words(member(content, "error", "type"))
    message = words(member(content, "error", "message"))
    if not type_ and not message:
        return classify(content, status=status, headers=headers, secrets=secrets)
    error = classify(
        {"error": {"message": message, "code": "" if type_ in _GENERIC else type_}},
        status=status if status >= _FAILED else _STATUSES.get(type_, status),
        headers=headers,
        secrets=secrets,
        kinds=_KINDS,
    )
    if error.kind == "bad_request" and any(phrase in message.lower() for phrase in _FILTERED):
        return VendorError(
            "content",
            status=error.status,
            vendor_code="content_filter",
            message=error.message,
            retry_after_seconds=error.retry_after_seconds,
        )
    return error


# ---- Usage


def messages_usage(usage: object, *, is_partial: bool = False) -> UsageReport | None:
    """Read counts: what was read from the cache or written to it is beside `input_tokens`, not in it."""
    if not isinstance(usage, dict) or not usage:
        return None
    read = CountReader()
    plain = read.count(usage.get("input_tokens"), "input")
    out = read.count(usage.get("output_tokens"), "output")
    cached = read.count(usage.get("cache_read_input_tokens"), "cached")
    written, hour = _cache_writes(usage, read)
    if plain is None and out is None and not read.flags:
        return None
    if out is None and is_partial:
        out = 0  # what nothing has been generated of may be left unsaid
    if out is None or (plain is None and read.flags):
        return UsageReport(None, None, (*read.flags, "usage_incomplete"))
    parts = partition_openai(
        prompt_tokens=(plain or 0) + (cached or 0) + written + hour,
        completion_tokens=out,
        cached=cached or 0,
        cache_write=written,
        cache_write_1h=hour,
        reasoning=read.count(member(usage, "output_tokens_details", "thinking_tokens"), "reasoning") or 0,
    )
    if parts.clamped:
        read.flags.append("details_exceed_total")
    searches = read.count(member(usage, "server_tool_use", "web_search_requests"), "searches") or 0
    used = msgspec.structs.replace(parts.usage, searches=searches) if searches else parts.usage
    return UsageReport(used, None, tuple(read.flags), is_partial, lacks_input=plain is None)


def _cache_writes(usage: dict[str, Any], read: CountReader) -> tuple[int, int]:
    """Give what was written to the cache for minutes, and for an hour; the total is believed before its parts."""
    whole = read.count(usage.get("cache_creation_input_tokens"), "cache_write")
    short = read.count(member(usage, "cache_creation", "ephemeral_5m_input_tokens"), "cache_write_5m") or 0
    long = read.count(member(usage, "cache_creation", "ephemeral_1h_input_tokens"), "cache_write_1h") or 0
    if whole is None:
        return short, long
    if (short or long) and whole != short + long:
        read.flags.append("cache_write_mismatch")
    return whole - min(long, whole), min(long, whole)


_COUNTED: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "cache_creation",
    "output_tokens_details",
    "server_tool_use",
)


def merged_usage(begun: Mapping[str, Any], ended: object) -> dict[str, Any]:
    """Give the counts of a stream's start and end as one: cumulative, so the greater holds, and nothing is added up."""
    merged = dict(begun)
    for name in _COUNTED:
        value, known = member(ended, name), merged.get(name)
        if value is not None and not (type(value) is int and type(known) is int and value < known):
            merged[name] = value
    return merged


# ---- Whole answers


def decode_message(body: bytes) -> Delta:
    """Read a whole answer."""
    answer = loads(body)
    if not isinstance(answer, dict):
        return BROKEN
    if answer.get("type") == "error" or "error" in answer:
        return Delta(error=messages_error(answer))
    if not isinstance(answer.get("content"), list):
        return Delta(error=VendorError("protocol", vendor_code="no_content"))
    pieces: list[Piece] = []
    calls = 0
    for block in answer["content"]:
        piece = _piece(block, calls)
        if piece is not None:
            calls += piece.tool is not None
            pieces.append(piece)
    return said(*pieces, *_end(answer, has_calls=calls > 0), report=messages_usage(answer.get("usage")))


def _piece(block: object, calls: int) -> Piece | None:
    match member(block, "type"):
        case "text":
            return Piece(text=words(member(block, "text")), annotations=_citations(member(block, "citations")))
        case "thinking":
            return Piece(reasoning=words(member(block, "thinking")), signature=words(member(block, "signature")))
        case "redacted_thinking":
            return Piece(redacted=words(member(block, "data")))
        case "tool_use":
            name, arguments = words(member(block, "name")), json_text(member(block, "input"))
            if name == ANSWER_TOOL:
                return Piece(text=arguments)
            call_id = words(member(block, "id"))
            return Piece(tool=ToolDelta(index=calls, call_id=call_id, name=name, arguments=arguments))
        case _:
            return None


def _end(answer: object, *, has_calls: bool) -> tuple[Piece, ...]:
    """Give why the answer ended; what it holds is either an answer or the `delta` of a stream's last event."""
    reason = words(member(answer, "stop_reason"))
    if not reason:
        return ()
    finish: FinishReason = FINISH.get(reason, "stop")
    if finish in ("stop", "tool_calls"):
        # A call of the tool that stands in for a schema is no call.
        finish = "tool_calls" if has_calls else "stop"
    last = Piece(finish_reason=finish, stop_sequence=words(member(answer, "stop_sequence")))
    why = words(member(answer, "stop_details", "explanation")) if reason == "refusal" else ""
    return (Piece(refusal=why), last) if why else (last,)


def _citations(found: object) -> tuple[dict[str, Any], ...]:
    """Give citations of pages in OpenAI's form; those of the client's own documents have no such form."""
    return tuple(
        {
            "type": "url_citation",
            "url_citation": {
                "url": words(member(each, "url")),
                "title": words(member(each, "title")),
                "start_index": 0,
                "end_index": 0,
            },
        }
        for each in items(found)
        if words(member(each, "url"))
    )


# ---- Streams


class _Block:
    """A content block that is open."""

    __slots__ = ("arguments", "has_arguments", "is_answer", "tool")

    def __init__(self, tool: int | None = None, arguments: str = "", *, is_answer: bool = False) -> None:
        self.tool = tool
        self.arguments = arguments
        self.has_arguments = False
        self.is_answer = is_answer


class MessagesStream:
    """Reads a stream; content blocks are numbered by the vendor, tool calls among them by us."""

    def __init__(self) -> None:
        """Start before the first event."""
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._usage: dict[str, Any] = {}
        self._has_ended = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event; those of types not known yet say nothing."""
        if not frame.data:
            return []
        if frame.data == b"[DONE]":
            return [Delta(is_done=True)]
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        match event.get("type"):
            case "message_start":
                self._usage = merged_usage({}, member(event, "message", "usage"))
                return [Delta(usage_only=True, report=messages_usage(self._usage, is_partial=True))]
            case "content_block_start":
                return self._start(event)
            case "content_block_delta":
                return self._more(event)
            case "content_block_stop":
                return self._stop(event)
            case "message_delta":
                return self._end(event)
            case "message_stop":
                self._has_ended = True
                return [Delta(is_done=True)]
            case "error":
                self._has_ended = True
                return [Delta(error=messages_error(event))]
            case None:
                self._has_ended = True
                return [Delta(error=messages_error(event))]
            case _:
                return []

    def finish(self) -> list[Delta]:
        """Nothing more, if the vendor said why it stopped; else it was cut off."""
        return [] if self._has_ended else [Delta(error=VendorError("protocol", vendor_code="stream_cut_off"))]

    def _start(self, event: dict[str, Any]) -> list[Delta]:
        index, block = _index(event), member(event, "content_block")
        if len(self._blocks) >= OPEN_BLOCKS_MAX:
            return []
        if member(block, "type") != "tool_use":
            self._blocks[index] = _Block()
            if _searches(block):
                return [Delta(usage_only=True, searches=1)]
            piece = _piece(block, 0)
            return [] if piece is None or piece == Piece() else [said(piece)]
        begun = member(block, "input")
        arguments = json_text(begun) if begun else ""
        name = words(member(block, "name"))
        if name == ANSWER_TOOL:
            self._blocks[index] = _Block(arguments=arguments, is_answer=True)
            return []
        number = self._calls
        self._calls += 1
        self._blocks[index] = _Block(number, arguments)
        return [said(Piece(tool=ToolDelta(index=number, call_id=words(member(block, "id")), name=name)))]

    def _more(self, event: dict[str, Any]) -> list[Delta]:
        delta = member(event, "delta")
        match member(delta, "type"):
            case "text_delta":
                piece = Piece(text=words(member(delta, "text")))
            case "thinking_delta":
                piece = Piece(reasoning=words(member(delta, "thinking")))
            case "signature_delta":
                piece = Piece(signature=words(member(delta, "signature")))
            case "citations_delta":
                piece = Piece(annotations=_citations([member(delta, "citation")]))
            case "input_json_delta":
                piece = self._input(event, words(member(delta, "partial_json")))
            case _:
                return []
        return [said(piece)] if piece != Piece() else []

    def _input(self, event: dict[str, Any], more: str) -> Piece:
        block = self._blocks.get(_index(event))
        if block is None or not more:
            return Piece()
        block.has_arguments = True
        if block.is_answer:
            return Piece(text=more)
        return Piece(tool=ToolDelta(index=block.tool, arguments=more)) if block.tool is not None else Piece()

    def _stop(self, event: dict[str, Any]) -> list[Delta]:
        block = self._blocks.pop(_index(event), None)
        if block is None or block.has_arguments:
            return []
        if block.is_answer:
            return [said(Piece(text=block.arguments or "{}"))]
        if block.tool is None:
            return []
        return [said(Piece(tool=ToolDelta(index=block.tool, arguments=block.arguments or "{}")))]

    def _end(self, event: dict[str, Any]) -> list[Delta]:
        self._usage = merged_usage(self._usage, event.get("usage"))
        pieces = _end(event.get("delta"), has_calls=self._calls > 0)
        self._has_ended = self._has_ended or bool(pieces)
        return [said(*pieces, report=messages_usage(self._usage))]


def _index(event: dict[str, Any]) -> int:
    index = event.get("index")
    return index if type(index) is int else -1


# ---- Streams that pass through


def decode_event(data: bytes) -> Delta:
    """Read one event by itself: what is counted, reported or wrong; the client gets its bytes."""
    event = loads(data) if data else {"type": "ping"}
    if not isinstance(event, dict):
        return BROKEN
    match event.get("type"):
        case "message_start":
            report = messages_usage(member(event, "message", "usage"), is_partial=True)
            return Delta(report=report, choices=1)
        case "content_block_start" | "content_block_delta":
            return Delta(text=_spoken(event), choices=1, searches=_searches(event.get("content_block")))
        case "message_delta":
            reason = FINISH.get(words(member(event, "delta", "stop_reason")))
            return Delta(finish_reason=reason, report=messages_usage(event.get("usage")), choices=1)
        case "message_stop":
            return Delta(is_done=True)
        case "error" | None:
            return Delta(error=messages_error(event))
        case _:
            return Delta(choices=1)


def _searches(block: object) -> int:
    """Count a search that the vendor begins: what is known of a stream that breaks off before its report."""
    return int(member(block, "type") == "server_tool_use" and member(block, "name") == "web_search")


def _spoken(event: dict[str, Any]) -> str:
    block, delta = member(event, "content_block"), member(event, "delta")
    return "".join(
        words(value)
        for value in (
            member(block, "text"),
            member(block, "thinking"),
            member(block, "name"),
            member(delta, "text"),
            member(delta, "thinking"),
            member(delta, "partial_json"),
        )
    )
