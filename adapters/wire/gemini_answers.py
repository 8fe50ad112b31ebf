"""Gemini's `generateContent`: what is answered, whole and as a stream of partial answers."""

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from adapters.wire.counts import CountReader
from adapters.wire.gemini import model_version
from adapters.wire.google_errors import google_error, unwrapped
from adapters.wire.kit import BROKEN, items, json_text, member, words
from adapters.wire.lenient import loads
from domain.metering.usage import partition_openai
from domain.relay.call import CHOICES_MAX
from domain.relay.chat import Media, MediaKind
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, UsageReport, said
from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError

_LENGTH: Final = frozenset({"MAX_TOKENS", "CONTINUATION"})
_STOP: Final = frozenset(
    {
        "STOP",
        "FINISH_REASON_UNSPECIFIED",
        "MALFORMED_FUNCTION_CALL",
        "UNEXPECTED_TOOL_CALL",
        "TOO_MANY_TOOL_CALLS",
        "MISSING_THOUGHT_SIGNATURE",
        "MALFORMED_RESPONSE",
    }
)


def finish_reason(reason: str, *, has_calls: bool) -> FinishReason:
    """Give the reason in our words; what is not known yet is a filter's, for the vendor invents no other."""
    if reason in _LENGTH:
        return "length"
    if reason in _STOP:
        return "tool_calls" if has_calls and reason == "STOP" else "stop"
    return "content_filter"


# ---- Usage


def gemini_usage(usage: object, searches: int = 0) -> UsageReport | None:
    """Read counts: cached tokens are in the prompt's, thoughts and the prompts of tools are beside the others.

    Searches are told of elsewhere in an answer.
    """
    if not isinstance(usage, dict) or not usage:
        return None
    read = CountReader()
    prompt = read.count(usage.get("promptTokenCount"), "prompt")
    tools = read.count(usage.get("toolUsePromptTokenCount"), "tool_prompt") or 0
    thoughts = read.count(usage.get("thoughtsTokenCount"), "thoughts") or 0
    spoken = read.count(usage.get("candidatesTokenCount"), "candidates")
    total = read.count(usage.get("totalTokenCount"), "total")
    if prompt is None and spoken is None and total is None and not read.flags:
        return None
    if prompt is None or (spoken is None and "candidates" in "".join(read.flags)):
        return UsageReport(None, total, (*read.flags, "usage_incomplete"))
    if spoken is None:
        # Left out while nothing but thoughts has come.
        spoken = max(0, total - prompt - tools - thoughts) if total is not None else 0
    cached_by = _by_modality(usage.get("cacheTokensDetails"), read)
    prompt_by = _by_modality(usage.get("promptTokensDetails"), read)
    tools_by = _by_modality(usage.get("toolUsePromptTokensDetails"), read)
    spoken_by = _by_modality(usage.get("candidatesTokensDetails"), read)
    parts = partition_openai(
        prompt_tokens=prompt + tools,
        completion_tokens=spoken + thoughts,
        cached=read.count(usage.get("cachedContentTokenCount"), "cached") or 0,
        audio_in=_fresh("AUDIO", prompt_by, tools_by, cached_by),
        image_in=_fresh("IMAGE", prompt_by, tools_by, cached_by),
        reasoning=thoughts,
        audio_out=spoken_by.get("AUDIO", 0),
        image_out=spoken_by.get("IMAGE", 0),
    )
    if parts.clamped:
        read.flags.append("details_exceed_total")
    if total is not None and total != parts.usage.total:
        read.flags.append("total_mismatch")
    used = msgspec.structs.replace(parts.usage, searches=searches) if searches else parts.usage
    return UsageReport(used, total, tuple(read.flags))


def grounded(answer: object) -> int:
    """Count searches as Google bills them: each query of a model from generation 3 on, before that the prompt once."""
    queries = sum(
        1
        for candidate in items(member(answer, "candidates"))[:CHOICES_MAX]
        for query in items(member(candidate, "groundingMetadata", "webSearchQueries"))[:_QUERIES_MAX]
        if words(query).strip()
    )
    version = model_version(words(member(answer, "modelVersion")))
    return min(queries, 1) if version is not None and version < _BY_QUERY else queries


_QUERIES_MAX: Final = 1_000
_BY_QUERY: Final = (3, 0)


def _by_modality(details: object, read: CountReader) -> dict[str, int]:
    found: dict[str, int] = {}
    for detail in items(details)[:16]:
        name = words(member(detail, "modality"))
        found[name] = found.get(name, 0) + (read.count(member(detail, "tokenCount"), "detail") or 0)
    return found


def _fresh(modality: str, prompt: Mapping[str, int], tools: Mapping[str, int], cached: Mapping[str, int]) -> int:
    """Give what was read of a modality at its own price: what came from the cache is in the cached class."""
    return max(0, prompt.get(modality, 0) + tools.get(modality, 0) - cached.get(modality, 0))


# ---- Answers and events, which have one form


class _Choice:
    __slots__ = ("calls", "is_finished")

    def __init__(self) -> None:
        self.calls = 0
        self.is_finished = False


class GeminiReader:
    """Reads partial answers in order; a whole answer is one that comes alone."""

    def __init__(self) -> None:
        """Start before the first."""
        self._choices: dict[int, _Choice] = {}
        self._has_failed = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event."""
        if not frame.data:
            return []
        if frame.data == b"[DONE]":
            return [Delta(is_done=True)]
        delta = self.read(frame.data)
        self._has_failed = self._has_failed or delta.error is not None
        return [delta]

    def finish(self) -> list[Delta]:
        """Nothing more, if the vendor said why each choice stopped; else it was cut off."""
        has_ended = bool(self._choices) and all(choice.is_finished for choice in self._choices.values())
        if has_ended or self._has_failed:
            return []
        return [Delta(error=VendorError("protocol", vendor_code="stream_cut_off"))]

    def read(self, data: bytes) -> Delta:
        """Read a partial or whole answer."""
        answer = unwrapped(loads(data))
        if not isinstance(answer, dict):
            return BROKEN
        if "error" in answer:
            return Delta(error=google_error(answer))
        report = gemini_usage(answer.get("usageMetadata"), grounded(answer))
        candidates = items(answer.get("candidates"))
        if not candidates and member(answer, "promptFeedback", "blockReason"):
            return Delta(error=prompt_blocked(), report=report)
        pieces: list[Piece] = []
        for place, candidate in enumerate(candidates[:CHOICES_MAX]):
            index = member(candidate, "index")
            number = index if type(index) is int and 0 <= index < CHOICES_MAX else place
            pieces += self._candidate(number, candidate, data)
        return said(*pieces, report=report)

    def _candidate(self, number: int, candidate: object, data: bytes) -> list[Piece]:
        choice = self._choices.setdefault(number, _Choice())
        pieces: list[Piece] = []
        for place, part in enumerate(items(member(candidate, "content", "parts"))):
            piece = _part(part, number, choice.calls, data + str(place).encode())
            if piece is not None:
                choice.calls += piece.tool is not None
                pieces.append(piece)
        reason = words(member(candidate, "finishReason"))
        if reason:
            choice.is_finished = True
            pieces.append(
                Piece(
                    choice=number,
                    finish_reason=finish_reason(reason, has_calls=choice.calls > 0),
                    annotations=_citations(member(candidate, "groundingMetadata")),
                    logprobs=_logprobs(member(candidate, "logprobsResult")),
                )
            )
        return pieces


def prompt_blocked() -> VendorError:
    """Give the error of a prompt that a filter refused: the vendor answers it with status 200."""
    return VendorError("content", status=400, vendor_code="content_filter")


def _part(part: object, choice: int, calls: int, seed: bytes) -> Piece | None:
    signature = words(member(part, "thoughtSignature"))
    called = member(part, "functionCall")
    if isinstance(called, dict):
        arguments = called.get("args")
        tool = ToolDelta(
            index=calls,
            # The vendor leaves ids out: one is made from the event, the same wherever it is read.
            call_id=words(called.get("id")) or "call_" + hashlib.sha256(seed).hexdigest()[:24],
            name=words(called.get("name")),
            arguments=json_text(arguments if arguments is not None else {}),
            signature=signature,
        )
        return Piece(choice=choice, tool=tool)
    text = words(member(part, "text"))
    if member(part, "thought") is True:
        # Drafts of images are thoughts, too: only the last image is the answer.
        return Piece(choice=choice, reasoning=text, signature=signature) if text or signature else None
    media = _media(part)
    text += _code(part)
    if text or signature or media is not None:
        return Piece(choice=choice, text=text, signature=signature, media=media)
    return None


def _code(part: object) -> str:
    """Give code that the vendor ran, and what came of it, as fenced text."""
    code, result = words(member(part, "executableCode", "code")), member(part, "codeExecutionResult")
    if code:
        language = words(member(part, "executableCode", "language")).lower()
        return f"\n```{language}\n{code}\n```\n"
    output = words(member(result, "output"))
    return f"\n```\n{output}\n```\n" if output else ""


def _media(part: object) -> Media | None:
    inline, stored = member(part, "inlineData"), member(part, "fileData")
    media_type = words(member(inline, "mimeType")) or words(member(stored, "mimeType"))
    kinds: dict[str, MediaKind] = {"image": "image", "audio": "audio", "video": "video"}
    kind = kinds.get(media_type.partition("/")[0], "file")
    if data := words(member(inline, "data")):
        return Media(kind=kind, data=data, media_type=media_type)
    if uri := words(member(stored, "fileUri")):
        return Media(kind=kind, url=uri, media_type=media_type)
    return None


def _citations(grounding: object) -> tuple[dict[str, Any], ...]:
    found = []
    for chunk in items(member(grounding, "groundingChunks")):
        url = words(member(chunk, "web", "uri"))
        if url:
            title = words(member(chunk, "web", "title"))
            page = {"url": url, "title": title, "start_index": 0, "end_index": 0}
            found.append({"type": "url_citation", "url_citation": page})
    return tuple(found)


def _logprobs(result: object) -> dict[str, Any] | None:
    chosen = items(member(result, "chosenCandidates"))
    if not chosen:
        return None
    tops = items(member(result, "topCandidates"))
    content = []
    for place, token in enumerate(chosen):
        rivals = items(member(tops, place, "candidates"))
        content.append(_logprob(token) | {"top_logprobs": [_logprob(each) for each in rivals]})
    return {"content": content, "refusal": None}


def _logprob(token: object) -> dict[str, Any]:
    text, value = words(member(token, "token")), member(token, "logProbability")
    return {
        "token": text,
        "logprob": float(value) if isinstance(value, int | float) and abs(value) < _LOGPROB_MAX else 0.0,
        "bytes": list(text.encode()),
    }


_LOGPROB_MAX: Final = 1e6


def decode_generated(body: bytes) -> Delta:
    """Read a whole answer; several partial ones in a list are one answer, too."""
    content = loads(body)
    reader = GeminiReader()
    delta = reader.read(body)
    if isinstance(content, dict) and delta.error is None and not delta.choices:
        return Delta(error=VendorError("protocol", vendor_code="no_candidates"), report=delta.report)
    return delta
