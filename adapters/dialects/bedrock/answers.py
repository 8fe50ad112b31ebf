"""Converse: what is answered, whole and as a stream of named messages, and what goes wrong."""

from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.counts import CountReader
from adapters.wire.errors import classify, decode_error
from adapters.wire.kit import BROKEN, floats, input_report, items, json_text, member, words
from adapters.wire.lenient import loads
from adapters.wire.messages import ANSWER_TOOL
from domain.metering.usage import partition_openai
from domain.relay.chat import Media
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, UsageReport, said
from domain.relay.dialect import Frame
from domain.relay.tasks import Embeddings
from domain.relay.vendor_errors import Kind, VendorError

FINISH: Final[Mapping[str, FinishReason]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "guardrail_intervened": "content_filter",
    "content_filtered": "content_filter",
    "malformed_model_output": "stop",
    "malformed_tool_use": "stop",
}
OPEN_BLOCKS_MAX: Final = 1_000

# ---- Errors

_KINDS: Final[Mapping[str, Kind]] = {
    "validationexception": "bad_request",
    "accessdeniedexception": "auth",
    "unrecognizedclientexception": "auth",
    "invalidsignatureexception": "auth",
    "signaturedoesnotmatch": "auth",
    "expiredtokenexception": "auth",
    "incompletesignatureexception": "auth",
    "missingauthenticationtokenexception": "auth",
    "resourcenotfoundexception": "not_found",
    "modeltimeoutexception": "timeout",
    "modelerrorexception": "server",
    "modelstreamerrorexception": "server",
    "throttlingexception": "rate_limit",
    "toomanyrequestsexception": "rate_limit",
    "modelnotreadyexception": "overloaded",
    "servicequotaexceededexception": "rate_limit",
    "internalserverexception": "server",
    "serviceunavailableexception": "overloaded",
}
_TOO_LONG: Final = ("too many input tokens", "input is too long", "prompt is too long", "too many tokens")
_NO_MODEL: Final = ("model identifier is invalid", "on-demand throughput", "end of its life", "model id")
_OURS: Final = ("security token", "bearer token", "api key", "signature")
"""What validation exceptions say of the operator's credential."""


def converse_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
) -> VendorError:
    """Read an answer of status 400 or above: its kind is named in a header, or in the body."""
    content = loads(body)
    name = headers.get("x-amzn-errortype") or words(member(content, "__type")) or words(member(content, "code"))
    name = name.partition(":")[0].rpartition("#")[2]
    if not isinstance(content, dict):
        return decode_error(status, headers, body, secrets=secrets, kinds=_KINDS)
    return converse_error(name, content, status=status, headers=headers, secrets=secrets)


def converse_error(
    name: str,
    content: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    secrets: tuple[str, ...] = (),
) -> VendorError:
    """Say what an exception means; with status 200 it came in mid-stream."""
    message = words(member(content, "message")) or words(member(content, "Message"))
    lowered = message.lower()
    kind = _KINDS.get(name.lower())
    code = name
    if kind == "bad_request":
        if any(phrase in lowered for phrase in _TOO_LONG):
            code = "context_length_exceeded"
        elif any(phrase in lowered for phrase in _NO_MODEL):
            kind, code = "not_found", "model_not_found"
        elif any(phrase in lowered for phrase in _OURS):
            kind = "auth"
        else:
            code = ""
    return classify(
        {"error": {"message": message, "code": code}},
        status=_mid_stream(kind) if status == _OK else status,
        headers=headers,
        secrets=secrets,
        kinds={} if kind is None or not code else {code.lower(): kind},
    )


_OK: Final = 200


def _mid_stream(kind: Kind | None) -> int:
    return 400 if kind == "bad_request" else 200


# ---- Usage


def converse_usage(usage: object) -> UsageReport | None:
    """Read counts: what was read from the cache or written to it is beside `inputTokens`, not in it."""
    if not isinstance(usage, dict) or not usage:
        return None
    read = CountReader()
    plain = read.count(usage.get("inputTokens"), "input")
    out = read.count(usage.get("outputTokens"), "output")
    total = read.count(usage.get("totalTokens"), "total")
    cached = read.count(usage.get("cacheReadInputTokens"), "cached") or 0
    written = read.count(usage.get("cacheWriteInputTokens"), "cache_write") or 0
    if plain is None and out is None and total is None and not read.flags:
        return None
    if plain is None or out is None:
        return UsageReport(None, total, (*read.flags, "usage_incomplete"))
    hour = sum(
        read.count(member(each, "inputTokens"), "cache_write_1h") or 0
        for each in items(usage.get("cacheDetails"))[:16]
        if member(each, "ttl") == "1h"
    )
    if hour > written:
        read.flags.append("cache_write_mismatch")
        hour = written
    parts = partition_openai(
        prompt_tokens=plain + cached + written,
        completion_tokens=out,
        cached=cached,
        cache_write=written - hour,
        cache_write_1h=hour,
    )
    # Whether the vendor's total holds what came from the cache is not written down: either sum is right.
    if total is not None and total not in (parts.usage.total, plain + out):
        read.flags.append("total_mismatch")
    return UsageReport(parts.usage, total, tuple(read.flags))


# ---- Whole answers


def decode_converse(body: bytes) -> Delta:
    """Read a whole answer."""
    answer = loads(body)
    if not isinstance(answer, dict):
        return BROKEN
    content = member(answer, "output", "message", "content")
    if not isinstance(content, list):
        if "message" in answer or "Message" in answer:
            return Delta(error=converse_error(words(answer.get("__type")), answer))
        return Delta(error=VendorError("protocol", vendor_code="no_content"))
    pieces: list[Piece] = []
    calls = 0
    for block in content:
        piece = _piece(block, calls)
        if piece is not None:
            calls += piece.tool is not None
            pieces.append(piece)
    finish = Piece(finish_reason=_finish(answer.get("stopReason"), has_calls=calls > 0))
    return said(*pieces, finish, report=converse_usage(answer.get("usage")))


def _finish(reason: object, *, has_calls: bool) -> FinishReason:
    finish = FINISH.get(words(reason), "stop")
    if finish in ("stop", "tool_calls"):
        # A call of the tool that stands in for a schema is no call.
        return "tool_calls" if has_calls else "stop"
    return finish


def _piece(block: object, calls: int) -> Piece | None:
    if isinstance(text := member(block, "text"), str):
        return Piece(text=words(text))
    if isinstance(called := member(block, "toolUse"), dict):
        name, arguments = words(called.get("name")), json_text(called.get("input"))
        if name == ANSWER_TOOL:
            return Piece(text=arguments)
        call_id = words(called.get("toolUseId"))
        return Piece(tool=ToolDelta(index=calls, call_id=call_id, name=name, arguments=arguments))
    if isinstance(thought := member(block, "reasoningContent"), dict):
        whole = member(thought, "reasoningText")
        return Piece(
            reasoning=words(member(whole, "text")),
            signature=words(member(whole, "signature")),
            redacted=words(thought.get("redactedContent")),
        )
    if isinstance(cited := member(block, "citationsContent", "content"), list):
        return Piece(text="".join(words(member(each, "text")) for each in cited))
    if isinstance(data := member(block, "image", "source", "bytes"), str):
        return Piece(
            media=Media(kind="image", data=data, media_type=f"image/{words(member(block, 'image', 'format'))}")
        )
    return None


# ---- Streams


class _Block:
    """A tool call that is open."""

    __slots__ = ("has_arguments", "tool")

    def __init__(self, tool: int | None) -> None:
        self.tool = tool
        """Its number; None for the call that stands in for a schema."""
        self.has_arguments = False


class ConverseStream:
    """Reads a stream; content blocks are numbered by the vendor, tool calls among them by us."""

    def __init__(self) -> None:
        """Start before the first message."""
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._has_ended = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one message; those of names not known yet say nothing."""
        event = loads(frame.data) if frame.data else {}
        if frame.event.endswith(b"Exception"):
            self._has_ended = True
            return [Delta(error=converse_error(_named(frame.event), event))]
        if not isinstance(event, dict):
            return [BROKEN]
        match frame.event:
            case b"contentBlockStart":
                return self._start(event)
            case b"contentBlockDelta":
                return self._more(event)
            case b"contentBlockStop":
                return self._stop(event)
            case b"messageStop":
                self._has_ended = True
                finish = _finish(event.get("stopReason"), has_calls=self._calls > 0)
                return [said(Piece(finish_reason=finish))]
            case b"metadata":
                return [Delta(usage_only=True, report=converse_usage(event.get("usage")))]
            case b"" if "message" in event:
                self._has_ended = True
                return [Delta(error=converse_error("", event))]
            case _:
                return []

    def finish(self) -> list[Delta]:
        """Nothing more, if the vendor said why it stopped; else it was cut off."""
        return [] if self._has_ended else [Delta(error=VendorError("protocol", vendor_code="stream_cut_off"))]

    def _start(self, event: dict[str, Any]) -> list[Delta]:
        called = member(event, "start", "toolUse")
        if not isinstance(called, dict) or len(self._blocks) >= OPEN_BLOCKS_MAX:
            return []
        name = words(called.get("name"))
        if name == ANSWER_TOOL:
            self._blocks[_index(event)] = _Block(None)
            return []
        number = self._calls
        self._calls += 1
        self._blocks[_index(event)] = _Block(number)
        return [said(Piece(tool=ToolDelta(index=number, call_id=words(called.get("toolUseId")), name=name)))]

    def _more(self, event: dict[str, Any]) -> list[Delta]:
        delta = member(event, "delta")
        thought = member(delta, "reasoningContent")
        piece = Piece(
            text=words(member(delta, "text")),
            reasoning=words(member(thought, "text")),
            signature=words(member(thought, "signature")),
            redacted=words(member(thought, "redactedContent")),
        )
        more = words(member(delta, "toolUse", "input"))
        if more:
            piece = self._input(event, more)
        return [said(piece)] if piece != Piece() else []

    def _input(self, event: dict[str, Any], more: str) -> Piece:
        block = self._blocks.get(_index(event))
        if block is None:
            return Piece()
        block.has_arguments = True
        return Piece(text=more) if block.tool is None else Piece(tool=ToolDelta(index=block.tool, arguments=more))

    def _stop(self, event: dict[str, Any]) -> list[Delta]:
        block = self._blocks.pop(_index(event), None)
        if block is None or block.has_arguments:
            return []
        if block.tool is None:
            return [said(Piece(text="{}"))]
        return [said(Piece(tool=ToolDelta(index=block.tool, arguments="{}")))]


def _index(event: dict[str, Any]) -> int:
    index = event.get("contentBlockIndex")
    return index if type(index) is int else -1


def _named(event: bytes) -> str:
    """Give an exception's name as headers write it: streams write it with a small first letter."""
    name = event.decode("utf-8", "replace")
    return name[:1].upper() + name[1:]


# ---- Vectors and counts


def decode_vectors(body: bytes, headers: Mapping[str, str]) -> Delta:
    """Read vectors: Titan gives one and its count of tokens, Cohere a list, its count in a header."""
    answer = loads(body)
    if not isinstance(answer, dict):
        return BROKEN
    many = answer.get("embeddings")
    if isinstance(many, dict):
        many = many.get("float")
    found = [floats(each) for each in items(many)] or [floats(answer.get("embedding"))]
    if None in found:
        return Delta(error=VendorError("protocol", vendor_code="no_embeddings"))
    tokens: object = answer.get("inputTextTokenCount")
    counted = headers.get("x-amzn-bedrock-input-token-count", "")
    if tokens is None and counted.isascii() and counted.isdecimal() and len(counted) < _DIGITS_MAX:
        tokens = int(counted)
    return Delta(result=Embeddings(tuple(each for each in found if each is not None)), report=input_report(tokens))


_DIGITS_MAX: Final = 12


def decode_count(body: bytes) -> Delta:
    """Read a count of tokens."""
    answer = loads(body)
    report = input_report(member(answer, "inputTokens"))
    if report is None or report.usage is None:
        return Delta(error=converse_error(words(member(answer, "__type")), answer))
    return Delta(report=report)
