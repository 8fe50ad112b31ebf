"""Answers whose bytes pass through, mended where a vendor's own words would reach the client.

Looking for the words costs a few passes over a few hundred bytes; only what holds one is decoded and written anew.
"""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.pieces import finish_reason
from adapters.dialects.openai.profile import Profile
from adapters.wire.lenient import leaves, loads
from domain.relay.call import Call
from domain.relay.delta import Delta

_KNOWN: Final = frozenset({None, "stop", "length", "tool_calls", "content_filter", "function_call"})


class _Ended(msgspec.Struct, gc=False):
    finish_reason: str | None = None


class _Reasons(msgspec.Struct, gc=False):
    choices: list[_Ended] = []


_reasons: Final = msgspec.json.Decoder(_Reasons)


def mended_chunk(data: bytes, delta: Delta, call: Call, profile: Profile) -> bytes | None:
    """Give a chunk as OpenAI would have written it; None where it already is so."""
    if (
        delta.finish_reason in _KNOWN
        and (profile.is_reference or not (_strays(data) or _has_bare_calls(data)))
        and not _repeats(delta, profile)
    ):
        return None
    event = loads(data)
    if not isinstance(event, dict):
        return None
    event["object"] = "text_completion" if call.surface == "completions" else "chat.completion.chunk"
    _mend(event, "delta")
    if not call.include_usage or _is_running(event):
        event.pop("usage", None)
    elif "usage" not in event and delta.report is not None:
        event["usage"] = _usage_elsewhere(event) or _told(delta)
    for choice in _choices(event):
        choice.pop("usage", None)
    event.pop("x_groq", None)
    return msgspec.json.encode(event)


def _told(delta: Delta) -> dict[str, int] | None:
    """Say in OpenAI's members what a vendor said in its own."""
    usage = delta.usage
    if usage is None:
        return None
    return {
        "prompt_tokens": usage.input_total,
        "completion_tokens": usage.output_total,
        "total_tokens": usage.total,
    }


def mended_body(body: bytes, call: Call, profile: Profile) -> bytes | None:
    """Give a whole answer as OpenAI would have written it; None where it already is so."""
    if call.surface not in ("chat", "completions"):
        return None
    if profile.is_reference or not (_strays(body) or _has_strange_reason(body)):
        return None
    answer = loads(body)
    if not isinstance(answer, dict) or not isinstance(answer.get("choices"), list):
        return None
    answer["object"] = "text_completion" if call.surface == "completions" else "chat.completion"
    _mend(answer, "message")
    if not isinstance(answer.get("usage"), dict):
        answer["usage"] = _usage_elsewhere(answer)
    for choice in _choices(answer):
        choice.pop("usage", None)
    answer.pop("x_groq", None)
    return msgspec.json.encode(answer)


def _strays(data: bytes) -> bool:
    """Tell whether words of some vendor's own may be in it."""
    return (
        b'"reasoning"' in data
        or b'"x_groq"' in data
        or b'"chat.completion.done"' in data
        or b'"content":[' in data
        or b'"content": [' in data
        or data.count(b'"usage"') > 1
        or b'"object"' not in data
    )


def _has_bare_calls(data: bytes) -> bool:
    """Tell whether there are tool calls in a stream that nothing numbers: the choice has an index, and each call."""
    begun = data.find(b'"tool_calls"')
    return begun >= 0 and b'"function"' in data and not (b'"index"' in data[begun:] and b'"type"' in data[begun:])


def _has_strange_reason(body: bytes) -> bool:
    """Tell whether a whole answer ends for a reason that OpenAI does not know."""
    try:
        answer = _reasons.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return True
    return any(choice.finish_reason not in _KNOWN for choice in answer.choices)


def _repeats(delta: Delta, profile: Profile) -> bool:
    """Tell whether usage is said before its time, where a client that adds it up would count it twice.

    It belongs to the end: to a chunk without choices, or to the one with the finish reason; there it may stand in
    a place where no client looks.
    """
    if delta.usage_only or delta.report is None:
        return False
    return delta.finish_reason is None or not profile.is_reference


def _is_running(event: dict[str, Any]) -> bool:
    choices = _choices(event)
    return bool(choices) and all(finish_reason(_text(choice.get("finish_reason"))) is None for choice in choices)


def _usage_elsewhere(event: dict[str, Any]) -> Any:
    x_groq = event.get("x_groq")
    found = x_groq.get("usage") if isinstance(x_groq, dict) else None
    return found or next((choice["usage"] for choice in _choices(event) if choice.get("usage")), None)


def _mend(event: dict[str, Any], name: str) -> None:
    for choice in _choices(event):
        reason = _text(choice.get("finish_reason"))
        if reason not in _KNOWN:
            choice["finish_reason"] = finish_reason(reason)
        said = choice.get(name)
        if not isinstance(said, dict):
            continue
        if isinstance(said.get("content"), list):
            _split_content(said)
        if name == "delta" and isinstance(said.get("tool_calls"), list):
            _number_calls(said["tool_calls"])
        if "reasoning" in said:
            thoughts = leaves(said.pop("reasoning"))
            if thoughts and not said.get("reasoning_content"):
                said["reasoning_content"] = thoughts


def _number_calls(calls: list[Any]) -> None:
    """Give calls the numbers of their places: vendors that leave the index out send each call whole, in one chunk."""
    for place, call in enumerate(calls):
        if isinstance(call, dict) and type(call.get("index")) is not int:
            call["index"] = place
            call.setdefault("type", "function")


def _split_content(said: dict[str, Any]) -> None:
    """Tell thoughts from words in an array of parts."""
    thoughts, words = "", ""
    for part in said["content"]:
        if isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
            thoughts += leaves(part.get("thinking")) or leaves(part.get("text"))
        else:
            words += leaves(part.get("text")) if isinstance(part, dict) else leaves(part)
    said["content"] = words
    if thoughts:
        said["reasoning_content"] = thoughts


def _choices(event: dict[str, Any]) -> list[dict[str, Any]]:
    choices = event.get("choices")
    return [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
