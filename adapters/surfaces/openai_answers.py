"""Answers in OpenAI's form, written from deltas: streams chunk by chunk, and whole."""

import base64
import struct
from collections.abc import Iterable
from typing import Any, Final

import msgspec

from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.chat import Media
from domain.relay.delta import Delta, Piece, ToolDelta
from domain.relay.dialect import ClientError, Said
from domain.relay.tasks import Embeddings

JSON: Final = "application/json"
EVENTS: Final = "text/event-stream; charset=utf-8"

_FLOAT32_MAX: Final = 3.4028234663852886e38

_encode: Final = msgspec.json.encode
_decode: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


def error_body(error: ClientError) -> bytes:
    """Give the envelope; all four members are always there."""
    return _encode({"error": {"message": error.message, "type": error.type, "param": error.param, "code": error.code}})


def usage_body(usage: TokenUsage) -> dict[str, Any]:
    """Give the usage of a chat: totals that include their details."""
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.total,
        "prompt_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_writes,
            "audio_tokens": usage.audio_input_tokens,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning_tokens,
            "audio_tokens": usage.audio_output_tokens,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }


def calls_legacy_functions(call: Call) -> bool:
    """Tell whether the client speaks of functions, as before there were tools: it is answered in kind."""
    if b'"functions"' not in call.body:
        return False
    members = _decode.decode(call.body)
    return "functions" in members and members.get("tools", msgspec.Raw(b"null")) == msgspec.Raw(b"null")


class _Choice:
    """What of one choice has been written."""

    __slots__ = ("calls", "finished", "has_tools")

    def __init__(self) -> None:
        self.calls: set[int] = set()
        self.has_tools = False
        self.finished = False


class ChatWriter:
    """Writes chunks as OpenAI does: per choice one role first and one finish reason last."""

    media_type = EVENTS

    def __init__(self, call: Call, said: Said) -> None:
        """Take the call, for what the client asked to be told, and the envelope."""
        self._call = call
        self._head = {
            "id": f"chatcmpl-{said.answer_id}",
            "object": "chat.completion.chunk",
            "created": said.created,
            "model": call.model,
        }
        self._end: dict[str, Any] = {"usage": None} if call.include_usage else {}
        self._choices: dict[int, _Choice] = {}
        self._is_legacy = calls_legacy_functions(call)

    def write(self, delta: Delta) -> bytes:
        """Give the chunks of a delta."""
        return b"".join(chunk for piece in delta.pieces for chunk in self._chunks(piece))

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Give owed finish reasons, the usage if it was asked for, the note, the end mark."""
        chunks: list[bytes] = []
        if not self._choices:
            chunks += self._chunks(Piece())
        for index, choice in self._choices.items():
            if not choice.finished:
                chunks += self._finished(index, choice, "tool_calls" if choice.has_tools else "stop")
        if self._call.include_usage:
            chunks.append(_event(self._head | {"choices": [], "usage": usage_body(usage)}))
        if note:
            chunks.append(b": " + note + b"\n\n")
        chunks.append(b"data: [DONE]\n\n")
        return b"".join(chunks)

    def fail(self, error: ClientError) -> bytes:
        """Give an error in mid-stream. No end mark follows: what is not whole must not look whole."""
        return b"data: " + error_body(error) + b"\n\n"

    def _chunks(self, piece: Piece) -> list[bytes]:
        chunks: list[bytes] = []
        choice = self._choices.get(piece.choice)
        if choice is None:
            choice = self._choices[piece.choice] = _Choice()
            is_call = piece.tool is not None and not piece.text
            role = {"role": "assistant", "content": None if is_call else "", "refusal": None}
            chunks.append(self._chunk(piece.choice, role))
        if choice.finished:
            return chunks
        delta = self._delta(piece, choice)
        if delta or piece.logprobs is not None:
            chunks.append(self._chunk(piece.choice, delta, logprobs=piece.logprobs))
        if piece.finish_reason is not None:
            chunks += self._finished(piece.choice, choice, piece.finish_reason)
        return chunks

    def _delta(self, piece: Piece, choice: _Choice) -> dict[str, Any]:
        delta: dict[str, Any] = {}
        if piece.reasoning:
            delta["reasoning_content"] = piece.reasoning
        details = reasoning_details((piece,), proofs_only=True)
        if details:
            delta["reasoning_details"] = details
        if piece.text:
            delta["content"] = piece.text
        if piece.refusal:
            delta["refusal"] = piece.refusal
        if piece.annotations:
            delta["annotations"] = list(piece.annotations)
        if piece.media is not None:
            delta |= media_members(piece.media)
        if piece.tool is not None:
            delta |= self._tool(piece.tool, choice)
        return delta

    def _tool(self, tool: ToolDelta, choice: _Choice) -> dict[str, Any]:
        choice.has_tools = True
        is_first = tool.index not in choice.calls
        choice.calls.add(tool.index)
        function: dict[str, Any] = {"arguments": tool.arguments}
        if is_first:
            function = {"name": tool.name, "arguments": tool.arguments}
        if self._is_legacy:
            return {"function_call": function}
        body: dict[str, Any] = {"index": tool.index}
        if is_first:
            body |= {"id": tool.call_id, "type": "function"}
        body["function"] = function
        return {"tool_calls": [body | signature_members(tool.signature)]}

    def _finished(self, index: int, choice: _Choice, reason: str) -> list[bytes]:
        choice.finished = True
        if self._is_legacy and reason == "tool_calls":
            reason = "function_call"
        return [self._chunk(index, {}, reason=reason)]

    def _chunk(
        self, index: int, delta: dict[str, Any], *, logprobs: dict[str, Any] | None = None, reason: str | None = None
    ) -> bytes:
        choice = {"index": index, "delta": delta, "logprobs": logprobs_body(logprobs), "finish_reason": reason}
        return _event(self._head | {"choices": [choice]} | self._end)


def _event(body: dict[str, Any]) -> bytes:
    return b"data: " + _encode(body) + b"\n\n"


class TextWriter:
    """Writes chunks of legacy completions."""

    media_type = EVENTS

    def __init__(self, call: Call, said: Said) -> None:
        """Take the call and the envelope."""
        self._call = call
        self._head = {
            "id": f"cmpl-{said.answer_id}",
            "object": "text_completion",
            "created": said.created,
            "model": call.model,
        }
        self._end: dict[str, Any] = {"usage": None} if call.include_usage else {}
        self._open: dict[int, bool] = {}

    def write(self, delta: Delta) -> bytes:
        """Give the chunks of a delta: its text only, for this contract has no place for more."""
        chunks: list[bytes] = []
        for piece in delta.pieces:
            if not self._open.setdefault(piece.choice, True):
                continue
            reason = text_reason(piece.finish_reason)
            words = piece.text + piece.refusal
            if words or reason is not None:
                self._open[piece.choice] = reason is None
                chunks.append(self._chunk(piece.choice, words, reason))
        return b"".join(chunks)

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Give owed finish reasons, the usage if it was asked for, the note, the end mark."""
        chunks = [self._chunk(index, "", "stop") for index, is_open in (self._open or {0: True}).items() if is_open]
        if self._call.include_usage:
            chunks.append(_event(self._head | {"choices": [], "usage": usage_body(usage)}))
        if note:
            chunks.append(b": " + note + b"\n\n")
        return b"".join([*chunks, b"data: [DONE]\n\n"])

    def fail(self, error: ClientError) -> bytes:
        """Give an error in mid-stream; no end mark follows."""
        return b"data: " + error_body(error) + b"\n\n"

    def _chunk(self, index: int, text: str, reason: str | None) -> bytes:
        choice = {"text": text, "index": index, "logprobs": None, "finish_reason": reason}
        return _event(self._head | {"choices": [choice]} | self._end)


def text_reason(reason: str | None) -> str | None:
    """Give the reason in legacy completions, which know no tools."""
    return "stop" if reason == "tool_calls" else reason


# ---- Members that chunks and whole answers share


def logprobs_body(logprobs: dict[str, Any] | None) -> dict[str, Any] | None:
    """Give the log probabilities with both members that the schema demands."""
    if logprobs is None:
        return None
    return {"content": logprobs.get("content"), "refusal": logprobs.get("refusal")}


def reasoning_details(pieces: Iterable[Piece], *, proofs_only: bool = False) -> list[dict[str, Any]]:
    """Give thoughts with the vendor's proofs of them, which a client sends back untouched for the next turn.

    Empty where there are none: text without a proof needs no second place.
    """
    details: list[dict[str, Any]] = []
    for piece in pieces:
        if piece.redacted:
            details.append({"type": "reasoning.encrypted", "data": piece.redacted})
        elif piece.signature:
            text = {} if proofs_only else {"text": piece.reasoning}
            details.append({"type": "reasoning.text", **text, "signature": piece.signature})
    return details


def signature_members(signature: str) -> dict[str, Any]:
    """Give the place in which a tool call carries its proof, as Gemini's own surface of this dialect has it."""
    return {"extra_content": {"google": {"thought_signature": signature}}} if signature else {}


def media_members(media: Media) -> dict[str, Any]:
    """Give a generated image or sound, as a member of a message or delta."""
    if media.kind == "audio":
        return {"audio": {"id": media.file_id or "audio_0", "data": media.data, "expires_at": 0, "transcript": ""}}
    url = media.url or f"data:{media.media_type or 'image/png'};base64,{media.data}"
    return {"images": [{"type": "image_url", "image_url": {"url": url}}]}


# ---- Whole answers


def chat_answer(call: Call, said: Said, delta: Delta, usage: TokenUsage) -> bytes:
    """Give a chat completion."""
    is_legacy = calls_legacy_functions(call)
    by_choice: dict[int, list[Piece]] = {}
    for piece in delta.pieces:
        by_choice.setdefault(piece.choice, []).append(piece)
    choices = [_choice(index, by_choice[index], is_legacy=is_legacy) for index in sorted(by_choice)]
    return _encode(
        {
            "id": f"chatcmpl-{said.answer_id}",
            "object": "chat.completion",
            "created": said.created,
            "model": call.model,
            "choices": choices or [_choice(0, [], is_legacy=is_legacy)],
            "usage": usage_body(usage),
        }
    )


def _choice(index: int, pieces: list[Piece], *, is_legacy: bool) -> dict[str, Any]:
    text = "".join(piece.text for piece in pieces)
    refusal = "".join(piece.refusal for piece in pieces)
    calls = [piece.tool for piece in pieces if piece.tool is not None]
    message: dict[str, Any] = {
        "role": "assistant",
        "content": text if text or not (calls or refusal) else None,
        "refusal": refusal or None,
        "annotations": [note for piece in pieces for note in piece.annotations],
    }
    reasoning = "".join(piece.reasoning for piece in pieces)
    if reasoning:
        message["reasoning_content"] = reasoning
    details = reasoning_details(pieces)
    if details:
        message["reasoning_details"] = details
    _add_media(message, [piece.media for piece in pieces if piece.media is not None])
    reason: str = next((piece.finish_reason for piece in reversed(pieces) if piece.finish_reason), "stop")
    if calls and is_legacy:
        message["function_call"] = {"name": calls[0].name, "arguments": calls[0].arguments or "{}"}
    elif calls:
        message["tool_calls"] = [_call(tool) for tool in calls]
    if reason in ("stop", "tool_calls") and calls:
        reason = "function_call" if is_legacy else "tool_calls"
    logprobs = [piece.logprobs for piece in pieces if piece.logprobs is not None]
    return {
        "index": index,
        "message": message,
        "logprobs": _joined_logprobs(logprobs) if logprobs else None,
        "finish_reason": reason,
    }


def _call(tool: ToolDelta) -> dict[str, Any]:
    function = {"name": tool.name, "arguments": tool.arguments or "{}"}
    return {"id": tool.call_id, "type": "function", "function": function} | signature_members(tool.signature)


def _add_media(message: dict[str, Any], made: list[Media]) -> None:
    for media in made:
        for name, value in media_members(media).items():
            message[name] = message[name] + value if isinstance(message.get(name), list) else value


def _joined_logprobs(parts: list[dict[str, Any]]) -> dict[str, Any]:
    return {name: [each for part in parts for each in part.get(name) or ()] or None for name in ("content", "refusal")}


def text_answer(call: Call, said: Said, delta: Delta, usage: TokenUsage) -> bytes:
    """Give a legacy completion."""
    by_choice: dict[int, list[Piece]] = {}
    for piece in delta.pieces:
        by_choice.setdefault(piece.choice, []).append(piece)
    choices = [
        {
            "text": "".join(piece.text + piece.refusal for piece in pieces),
            "index": index,
            "logprobs": None,
            "finish_reason": text_reason(
                next((piece.finish_reason for piece in reversed(pieces) if piece.finish_reason), "stop")
            ),
        }
        for index, pieces in sorted((by_choice or {0: []}).items())
    ]
    return _encode(
        {
            "id": f"cmpl-{said.answer_id}",
            "object": "text_completion",
            "created": said.created,
            "model": call.model,
            "choices": choices,
            "usage": usage_body(usage),
        }
    )


class _Encoding(msgspec.Struct):
    encoding_format: str | None = None


def wants_base64(call: Call) -> bool:
    """Tell whether vectors are asked for as base64, as the official SDK does unless told otherwise."""
    return b'"base64"' in call.body and msgspec.json.decode(call.body, type=_Encoding).encoding_format == "base64"


def packed(vector: Iterable[float]) -> str:
    """Give a vector as base64 of little-endian 32-bit floats."""
    values = tuple(min(max(value, -_FLOAT32_MAX), _FLOAT32_MAX) for value in vector)
    return base64.b64encode(struct.pack(f"<{len(values)}f", *values)).decode()


def embeddings_answer(call: Call, result: Embeddings, usage: TokenUsage) -> bytes:
    """Give vectors in the order of their inputs."""
    is_packed = wants_base64(call)
    data = [
        {"object": "embedding", "index": index, "embedding": packed(vector) if is_packed else vector}
        for index, vector in enumerate(result.vectors)
    ]
    counts = {"prompt_tokens": usage.input_total, "total_tokens": usage.total}
    return _encode({"object": "list", "data": data, "model": call.model, "usage": counts})
