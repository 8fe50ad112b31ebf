"""Answers in Gemini's form, written from deltas: as events, as a list that grows, and whole."""

from typing import Any, Final

import msgspec

from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.chat import Media
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta
from domain.relay.dialect import ClientError, Said
from domain.relay.tasks import Embeddings

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream; charset=utf-8"

_encode: Final = msgspec.json.encode
_REASONS: Final[dict[FinishReason, str]] = {
    "stop": "STOP",
    "length": "MAX_TOKENS",
    "tool_calls": "STOP",
    "content_filter": "SAFETY",
}
_STATUSES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    402: "RESOURCE_EXHAUSTED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_SERVER_ERROR: Final = 500


def error_body(error: ClientError) -> bytes:
    """Give the envelope of a refusal."""
    usual = "INTERNAL" if error.status >= _SERVER_ERROR else "INVALID_ARGUMENT"
    status = _STATUSES.get(error.status, usual)
    return _encode({"error": {"code": error.status, "message": error.message, "status": status}})


def count_answer(tokens: int) -> bytes:
    """Give the answer to a count of tokens, whoever counted."""
    return _encode({"totalTokens": tokens})


def embeddings_answer(result: Embeddings, *, is_batch: bool) -> bytes:
    """Give vectors, one or many as they were asked for."""
    found = [{"values": vector} for vector in result.vectors]
    return _encode({"embeddings": found} if is_batch else {"embedding": found[0] if found else {"values": []}})


def usage_body(usage: TokenUsage) -> dict[str, Any]:
    """Give the counts: cached ones are in the prompt's, thoughts are beside the candidates'."""
    body: dict[str, Any] = {
        "promptTokenCount": usage.input_total,
        "candidatesTokenCount": usage.output_total - usage.reasoning_tokens,
        "totalTokenCount": usage.total,
    }
    if usage.cached_input_tokens:
        body["cachedContentTokenCount"] = usage.cached_input_tokens
    if usage.reasoning_tokens:
        body["thoughtsTokenCount"] = usage.reasoning_tokens
    modalities = {"IMAGE": usage.image_input_tokens, "AUDIO": usage.audio_input_tokens}
    details = [{"modality": name, "tokenCount": count} for name, count in modalities.items() if count]
    if details:
        rest = usage.input_total - sum(modalities.values())
        body["promptTokensDetails"] = [{"modality": "TEXT", "tokenCount": rest}, *details]
    return body


# ---- Parts


def _text_parts(piece: Piece) -> list[dict[str, Any]]:
    """Give everything of a piece but its call, which must be whole first."""
    parts: list[dict[str, Any]] = []
    text = piece.text + piece.refusal
    if piece.reasoning:
        parts.append({"text": piece.reasoning, "thought": True} | _signed("" if text else piece.signature))
    if text:
        parts.append({"text": text} | _signed(piece.signature))
    if piece.media is not None:
        parts.append(_media(piece.media))
    if piece.signature and not (piece.reasoning or text):
        parts.append({"text": ""} | _signed(piece.signature))
    return parts


def _signed(signature: str) -> dict[str, str]:
    return {"thoughtSignature": signature} if signature else {}


def _media(media: Media) -> dict[str, Any]:
    if media.data:
        return {"inlineData": {"mimeType": media.media_type or "image/png", "data": media.data}}
    return {"fileData": {"mimeType": media.media_type, "fileUri": media.url or media.file_id}}


def _call_part(tool: ToolDelta) -> dict[str, Any]:
    call = {"name": tool.name, "args": _arguments(tool.arguments)}
    return {"functionCall": call | ({"id": tool.call_id} if tool.call_id else {})} | _signed(tool.signature)


def _arguments(text: str) -> dict[str, Any]:
    """Give a call's arguments as the object that this contract wants; broken ones stay readable in one."""
    try:
        read = msgspec.json.decode(text or "{}")
    except (msgspec.DecodeError, RecursionError):
        read = None
    return read if isinstance(read, dict) else {"invalid_arguments": text}


def _grounding(notes: list[dict[str, Any]]) -> dict[str, Any]:
    pages = [note["url_citation"] for note in notes if isinstance(note.get("url_citation"), dict)]
    chunks = [{"web": {"uri": page.get("url", ""), "title": page.get("title", "")}} for page in pages]
    return {"groundingMetadata": {"groundingChunks": chunks}} if chunks else {}


def _logprobs(found: dict[str, Any] | None) -> dict[str, Any]:
    content = (found or {}).get("content")
    if not content:
        return {}
    chosen = [{"token": each.get("token", ""), "logProbability": each.get("logprob", 0.0)} for each in content]
    tops = [
        {
            "candidates": [
                {"token": rival.get("token", ""), "logProbability": rival.get("logprob", 0.0)}
                for rival in each.get("top_logprobs") or ()
            ]
        }
        for each in content
    ]
    return {"logprobsResult": {"chosenCandidates": chosen, "topCandidates": tops}}


def _candidate(index: int, parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {"content": {"role": "model", "parts": parts}, "index": index}


# ---- Whole answers


def generated_answer(call: Call, said: Said, delta: Delta, usage: TokenUsage) -> bytes:
    """Give an answer."""
    by_choice: dict[int, list[Piece]] = {}
    for piece in delta.pieces:
        by_choice.setdefault(piece.choice, []).append(piece)
    candidates = [_whole(index, by_choice[index]) for index in sorted(by_choice)] or [_whole(0, [])]
    return _encode(
        {
            "candidates": candidates,
            "usageMetadata": usage_body(usage),
            "modelVersion": call.model,
            "responseId": said.answer_id,
        }
    )


def _whole(index: int, pieces: list[Piece]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    for piece in pieces:
        parts += _text_parts(piece)
        if piece.tool is not None:
            parts.append(_call_part(piece.tool))
    reason: FinishReason = next((piece.finish_reason for piece in reversed(pieces) if piece.finish_reason), "stop")
    notes = [note for piece in pieces for note in piece.annotations]
    logprobs = next((piece.logprobs for piece in pieces if piece.logprobs), None)
    return _candidate(index, parts) | {"finishReason": _REASONS[reason]} | _grounding(notes) | _logprobs(logprobs)


# ---- Streams


class _Open:
    """One candidate that has not ended."""

    __slots__ = ("calls", "reason")

    def __init__(self) -> None:
        self.calls: dict[int, ToolDelta] = {}
        self.reason: FinishReason = "stop"


class _Writer:
    """Makes partial answers; calls are held back until they are whole, and the reason to stop until usage is known."""

    def __init__(self, call: Call, said: Said) -> None:
        self._tail = {"modelVersion": call.model, "responseId": said.answer_id}
        self._choices: dict[int, _Open] = {}

    def _partial(self, delta: Delta) -> dict[str, Any] | None:
        candidates: list[dict[str, Any]] = []
        for piece in delta.pieces:
            choice = self._choices.setdefault(piece.choice, _Open())
            choice.reason = piece.finish_reason or choice.reason
            if piece.tool is not None:
                known = choice.calls.get(piece.tool.index)
                choice.calls[piece.tool.index] = piece.tool if known is None else _joined(known, piece.tool)
            parts = _text_parts(piece)
            rest = _grounding(list(piece.annotations)) | _logprobs(piece.logprobs)
            if parts or rest:
                candidates.append(_candidate(piece.choice, parts) | rest)
        return {"candidates": candidates, **self._tail} if candidates else None

    def _last(self, usage: TokenUsage) -> dict[str, Any]:
        choices = self._choices or {0: _Open()}
        candidates = [
            _candidate(index, [_call_part(tool) for tool in choice.calls.values()] or [{"text": ""}])
            | {"finishReason": _REASONS[choice.reason]}
            for index, choice in sorted(choices.items())
        ]
        return {"candidates": candidates, "usageMetadata": usage_body(usage), **self._tail}


def _joined(known: ToolDelta, more: ToolDelta) -> ToolDelta:
    return ToolDelta(
        index=known.index,
        call_id=known.call_id or more.call_id,
        name=known.name or more.name,
        arguments=known.arguments + more.arguments,
        signature=known.signature or more.signature,
    )


class EventWriter(_Writer):
    """Writes events, as with `alt=sse`."""

    media_type = EVENTS

    def write(self, delta: Delta) -> bytes:
        """Give the event of a delta."""
        partial = self._partial(delta)
        return b"" if partial is None else _event(_encode(partial))

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Give the last event, with calls, reasons and usage. Nothing marks the end.

        The note is left out: Google's SDK for Python takes a comment for an answer, and fails.
        """
        return _event(_encode(self._last(usage)))

    def fail(self, error: ClientError) -> bytes:
        """Give an error in mid-stream; nothing follows it."""
        return _event(error_body(error))


def _event(data: bytes) -> bytes:
    return b"data: " + data + b"\n\n"


class ArrayWriter(_Writer):
    """Writes one list that grows, as without `alt=sse`; it has no place for a note."""

    media_type = JSON

    def __init__(self, call: Call, said: Said) -> None:
        """Take the call and the envelope."""
        super().__init__(call, said)
        self._start = b"["

    def write(self, delta: Delta) -> bytes:
        """Give the next member of the list."""
        partial = self._partial(delta)
        return b"" if partial is None else self._next(_encode(partial))

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Give the last member and the end of the list."""
        return self._next(_encode(self._last(usage))) + b"]"

    def fail(self, error: ClientError) -> bytes:
        """Give an error as the last member."""
        return self._next(error_body(error)) + b"]"

    def _next(self, data: bytes) -> bytes:
        start, self._start = self._start, b",\n"
        return start + data
