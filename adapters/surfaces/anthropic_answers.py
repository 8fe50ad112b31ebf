"""Answers in Anthropic's form, written from deltas: as the events of a stream, and whole."""

from typing import Any, Final

import msgspec

from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.chat import Media
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta
from domain.relay.dialect import ClientError, Said

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream; charset=utf-8"

_encode: Final = msgspec.json.encode
_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}
_ERRORS: Final = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    408: "timeout_error",
    413: "request_too_large",
    422: "invalid_request_error",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_SERVER_ERROR: Final = 500


def error_body(error: ClientError) -> bytes:
    """Give the envelope of a refusal."""
    usual = "api_error" if error.status >= _SERVER_ERROR else "invalid_request_error"
    type_ = "billing_error" if error.type == "insufficient_quota" else _ERRORS.get(error.status, usual)
    return _encode({"type": "error", "error": {"type": type_, "message": error.message}})


def count_answer(tokens: int) -> bytes:
    """Give the answer to a count of tokens, whoever counted."""
    return _encode({"input_tokens": tokens})


def usage_body(usage: TokenUsage) -> dict[str, Any]:
    """Give the usage of a message: what was read from the cache or written to it is beside the input, not in it."""
    body: dict[str, Any] = {
        "input_tokens": usage.input_total - usage.cached_input_tokens - usage.cache_writes,
        "cache_creation_input_tokens": usage.cache_writes,
        "cache_read_input_tokens": usage.cached_input_tokens,
        "output_tokens": usage.output_total,
    }
    if usage.cache_writes:
        body["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_tokens,
            "ephemeral_1h_input_tokens": usage.cache_write_1h_tokens,
        }
    if usage.searches:
        body["server_tool_use"] = {"web_search_requests": usage.searches}
    if usage.reasoning_tokens:
        body["output_tokens_details"] = {"thinking_tokens": usage.reasoning_tokens}
    return body


def _head(call: Call, said: Said) -> dict[str, Any]:
    return {"id": f"msg_{said.answer_id}", "type": "message", "role": "assistant", "model": call.model}


def _words_of(media: Media) -> str:
    """Give generated media as text: a message of an assistant holds nothing else here."""
    address = media.url or f"data:{media.media_type or 'image/png'};base64,{media.data}"
    return f"![{media.kind}]({address})" if media.kind == "image" else f"[{media.kind}]({address})"


def _citation(note: dict[str, Any]) -> dict[str, Any] | None:
    page = note.get("url_citation")
    if not isinstance(page, dict):
        return None
    return {
        "type": "web_search_result_location",
        "url": str(page.get("url", "")),
        "title": page.get("title"),
        "cited_text": "",
        "encrypted_index": "",
    }


# ---- Whole answers


def message_answer(call: Call, said: Said, delta: Delta, usage: TokenUsage) -> bytes:
    """Give a message."""
    pieces = [piece for piece in delta.pieces if piece.choice == 0]
    content = [block for piece in pieces for block in _blocks(piece)]
    has_calls = any(piece.tool is not None for piece in pieces)
    last = next((piece for piece in reversed(pieces) if piece.finish_reason), Piece())
    return _encode(
        _head(call, said)
        | {"content": content}
        | _stop(last.finish_reason, last.stop_sequence, has_calls=has_calls)
        | {"usage": usage_body(usage)}
    )


def _stop(reason: FinishReason | None, stop_sequence: str, *, has_calls: bool) -> dict[str, Any]:
    word = _REASONS[reason or "stop"]
    if word == "end_turn" and has_calls:
        word = "tool_use"
    if word == "end_turn" and stop_sequence:
        word = "stop_sequence"
    return {"stop_reason": word, "stop_sequence": stop_sequence or None}


def _blocks(piece: Piece) -> list[dict[str, Any]]:
    blocks: list[dict[str, Any]] = []
    if piece.reasoning or piece.signature:
        blocks.append({"type": "thinking", "thinking": piece.reasoning, "signature": piece.signature})
    if piece.redacted:
        blocks.append({"type": "redacted_thinking", "data": piece.redacted})
    text = piece.text + piece.refusal + ("" if piece.media is None else _words_of(piece.media))
    if text:
        citations = [cited for note in piece.annotations if (cited := _citation(note)) is not None]
        blocks.append({"type": "text", "text": text, "citations": citations or None})
    if piece.tool is not None:
        tool = piece.tool
        blocks.append({"type": "tool_use", "id": tool.call_id, "name": tool.name, "input": _input(tool.arguments)})
    return blocks


def _input(arguments: str) -> dict[str, Any]:
    """Give a call's arguments as the object that this contract wants; broken ones stay readable in one."""
    try:
        read = msgspec.json.decode(arguments or "{}")
    except (msgspec.DecodeError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {"invalid_arguments": arguments}


# ---- Streams


class _Waiting:
    """A tool call whose block cannot be opened yet, for another is not whole."""

    __slots__ = ("arguments", "call_id", "name")

    def __init__(self) -> None:
        self.call_id = ""
        self.name = ""
        self.arguments: list[str] = []

    def add(self, tool: ToolDelta) -> None:
        self.call_id = self.call_id or tool.call_id
        self.name = self.name or tool.name
        self.arguments.append(tool.arguments)


class MessageWriter:
    """Writes events: content blocks one after the other, each opened, filled and closed."""

    media_type = EVENTS

    def __init__(self, call: Call, said: Said) -> None:
        """Take the call and the envelope."""
        self._message = _head(call, said) | {"content": [], "stop_reason": None, "stop_sequence": None}
        self._has_begun = False
        self._usage = TokenUsage()
        self._index = -1
        self._open = ""
        """The kind of the block that is open, or nothing."""
        self._tool = -1
        self._arguments: list[str] = []
        self._waiting: dict[int, _Waiting] = {}
        self._has_calls = False
        self._reason: FinishReason | None = None
        self._stop_sequence = ""

    def write(self, delta: Delta) -> bytes:
        """Give the events of a delta."""
        if delta.usage is not None:
            self._usage = delta.usage
        pieces = [piece for piece in delta.pieces if piece.choice == 0]
        if not pieces:
            return b""
        return b"".join([*self._begin(), *(event for piece in pieces for event in self._piece(piece))])

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Give what is owed: the end of the last block, why it stopped, the usage, the note, the end."""
        events = [*self._begin(), *self._flush(at_end=True), *self._close()]
        stop = _stop(self._reason, self._stop_sequence, has_calls=self._has_calls)
        events.append(_event("message_delta", {"delta": stop, "usage": usage_body(usage)}))
        if note:
            events.append(b": " + note + b"\n\n")
        events.append(_event("message_stop", {}))
        return b"".join(events)

    def fail(self, error: ClientError) -> bytes:
        """Give an error in mid-stream; nothing follows it."""
        return b"event: error\ndata: " + error_body(error) + b"\n\n"

    def _begin(self) -> list[bytes]:
        if self._has_begun:
            return []
        self._has_begun = True
        return [_event("message_start", {"message": self._message | {"usage": usage_body(self._usage)}})]

    def _piece(self, piece: Piece) -> list[bytes]:
        events: list[bytes] = []
        if piece.reasoning or piece.signature:
            events += self._thoughts(piece)
        if piece.redacted:
            events += [
                *self._close(),
                *self._start({"type": "redacted_thinking", "data": piece.redacted}),
                *self._close(),
            ]
        text = piece.text + piece.refusal + ("" if piece.media is None else _words_of(piece.media))
        if text or (piece.annotations and self._open == "text"):
            events += self._text(text, piece)
        if piece.tool is not None:
            events += self._call(piece.tool)
        self._reason = piece.finish_reason or self._reason
        self._stop_sequence = piece.stop_sequence or self._stop_sequence
        return events

    def _thoughts(self, piece: Piece) -> list[bytes]:
        events = self._enter("thinking", {"type": "thinking", "thinking": "", "signature": ""})
        if piece.reasoning:
            events.append(self._delta({"type": "thinking_delta", "thinking": piece.reasoning}))
        if piece.signature:
            events.append(self._delta({"type": "signature_delta", "signature": piece.signature}))
            events += self._close()
        return events

    def _text(self, text: str, piece: Piece) -> list[bytes]:
        events = self._enter("text", {"type": "text", "text": ""})
        if text:
            events.append(self._delta({"type": "text_delta", "text": text}))
        for note in piece.annotations:
            cited = _citation(note)
            if cited is not None:
                events.append(self._delta({"type": "citations_delta", "citation": cited}))
        return events

    def _call(self, tool: ToolDelta) -> list[bytes]:
        """Give a piece of a call. Only one block may be open, but vendors may interleave calls: others wait."""
        self._has_calls = True
        if self._open == "tool_use" and tool.index == self._tool:
            events = self._more_input(tool.arguments)
        elif self._open == "tool_use" and not self._is_whole():
            self._waiting.setdefault(tool.index, _Waiting()).add(tool)
            return []
        elif tool.index in self._waiting:
            self._waiting[tool.index].add(tool)
            events = []
        else:
            return self._open_call(tool.index, tool.call_id, tool.name, tool.arguments)
        return [*events, *self._flush()] if self._waiting and self._is_whole() else events

    def _open_call(self, index: int, call_id: str, name: str, arguments: str) -> list[bytes]:
        events = [*self._close(), *self._start({"type": "tool_use", "id": call_id, "name": name, "input": {}})]
        self._tool = index
        return [*events, *self._more_input(arguments)]

    def _more_input(self, arguments: str) -> list[bytes]:
        if not arguments:
            return []
        self._arguments.append(arguments)
        return [self._delta({"type": "input_json_delta", "partial_json": arguments})]

    def _is_whole(self) -> bool:
        """Tell whether the open call's arguments are an object to its end, to which nothing can be added."""
        if self._open != "tool_use":
            return True
        if not self._arguments or not self._arguments[-1].rstrip().endswith("}"):
            return False
        try:
            msgspec.json.decode("".join(self._arguments))
        except (msgspec.DecodeError, RecursionError):
            return False
        return True

    def _flush(self, *, at_end: bool = False) -> list[bytes]:
        """Open the calls that have waited, as long as each is whole; at the end of the answer all of them."""
        events: list[bytes] = []
        while self._waiting and (at_end or self._is_whole()):
            index = next(iter(self._waiting))
            held = self._waiting.pop(index)
            events += self._open_call(index, held.call_id, held.name, "".join(held.arguments))
        return events

    def _enter(self, kind: str, block: dict[str, Any]) -> list[bytes]:
        return [] if self._open == kind else [*self._close(), *self._start(block)]

    def _start(self, block: dict[str, Any]) -> list[bytes]:
        self._index += 1
        self._open = block["type"]
        self._arguments = []
        return [_event("content_block_start", {"index": self._index, "content_block": block})]

    def _close(self) -> list[bytes]:
        if not self._open:
            return []
        self._open = ""
        return [_event("content_block_stop", {"index": self._index})]

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event("content_block_delta", {"index": self._index, "delta": delta})


def _event(name: str, body: dict[str, Any]) -> bytes:
    return b"event: " + name.encode() + b"\ndata: " + _encode({"type": name} | body) + b"\n\n"
