"""What a vendor of OpenAI's dialect answers: chunks of a stream and plain answers, read and passed on.

Between a client and a vendor of this dialect bytes pass through: a chunk or answer is patched member by
member, and what is not patched keeps its own bytes.
"""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.mend import mended_body, mended_chunk
from adapters.dialects.openai.pieces import BROKEN_REASONS, broken
from adapters.dialects.openai.profile import OPENAI, Profile
from adapters.dialects.openai.usage import decode_usage
from adapters.wire.errors import classify
from adapters.wire.lenient import leaves, loads
from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.delta import Delta, UsageReport
from domain.relay.vendor_errors import VendorError

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode


class _Function(msgspec.Struct, gc=False):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(msgspec.Struct, gc=False):
    function: _Function | None = None
    custom: dict[str, Any] | None = None


class _Said(msgspec.Struct, gc=False):
    """What a chunk's `delta` or an answer's `message` says."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None
    function_call: _Function | None = None


class _Choice(msgspec.Struct, gc=False):
    delta: _Said | None = None
    message: _Said | None = None
    text: str | None = None
    finish_reason: str | None = None
    usage: Any = None


class _XGroq(msgspec.Struct, gc=False):
    usage: Any = None
    error: Any = None


class _Event(msgspec.Struct, gc=False):
    """The common shape; whatever does not fit it is read by the patient path."""

    choices: list[_Choice] | None = None
    usage: Any = None
    error: Any = None
    x_groq: _XGroq | None = None
    base_resp: Any = None
    bot_usage: Any = None


_event: Final = msgspec.json.Decoder(_Event)
_FINE, _FAILED, _BEYOND = 200, 400, 600
_DONE: Final = Delta(is_done=True)


def decode_chunk(data: bytes, profile: Profile = OPENAI) -> Delta:
    """Read one payload of a stream; what is no answer gives a delta with an error, nothing is raised."""
    if data == b"[DONE]":
        return _DONE
    try:
        event = _event.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _decode_oddly_shaped(data, profile)
    if (
        event.error is not None
        or event.base_resp is not None
        or event.bot_usage is not None
        or (event.x_groq is not None and event.x_groq.error is not None)
        or (event.choices is None and event.usage is None and event.x_groq is None)
    ):
        return _decode_oddly_shaped(data, profile)
    return _checked(_delta(event))


def _checked(delta: Delta) -> Delta:
    """Take a finish reason that means a fault for an error, where nothing was said with it."""
    if delta.finish_reason in BROKEN_REASONS and not delta.text:
        return msgspec.structs.replace(delta, error=broken(str(delta.finish_reason)), finish_reason=None)
    return delta


def _delta(event: _Event) -> Delta:
    choices = event.choices or ()
    text = ""
    finish_reason = None
    for choice in choices:
        said = choice.delta or choice.message
        if said is not None:
            text += _words(said)
        elif choice.text:
            text += choice.text
        if choice.finish_reason is not None:
            finish_reason = choice.finish_reason
    report = None
    if event.usage is not None:
        report = decode_usage(event.usage)
    if report is None and event.x_groq is not None:
        report = decode_usage(event.x_groq.usage)
    if report is None and choices:
        report = decode_usage(choices[0].usage)
    return Delta(
        text=text,
        finish_reason=finish_reason,
        report=report,
        choices=len(choices),
        usage_only=not choices,
    )


def _words(said: _Said) -> str:
    text = said.content or ""
    if said.reasoning_content or said.reasoning:
        # Some send the same reasoning under both names: it was generated once.
        text += said.reasoning_content or said.reasoning or ""
    if said.refusal:
        text += said.refusal
    if said.tool_calls:
        for call in said.tool_calls:
            if call.function is not None:
                text += (call.function.name or "") + (call.function.arguments or "")
            if call.custom:
                text += leaves(call.custom)
    if said.function_call is not None:
        text += (said.function_call.name or "") + (said.function_call.arguments or "")
    return text


# ---- Shapes that vendors are known to send and no schema allows


def _decode_oddly_shaped(data: bytes, profile: Profile) -> Delta:
    return read_event(loads(data), profile)


def read_event(event: object, profile: Profile) -> Delta:
    """Read a decoded payload whatever its shape: text, usage, finish reason, error; no pieces."""
    if isinstance(event, list) and len(event) == 1:
        event = event[0]
    if not isinstance(event, dict):
        return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
    error = error_in(event, profile)
    if error is not None:
        return Delta(error=error)
    choices = event.get("choices")
    found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    reasons = [choice["finish_reason"] for choice in found if isinstance(choice.get("finish_reason"), str)]
    return _checked(
        Delta(
            text="".join(_spoken(choice) for choice in found),
            finish_reason=reasons[-1] if reasons else None,
            report=report_anywhere(event, found),
            choices=len(found),
            usage_only=not found,
        )
    )


def error_in(event: dict[str, Any], profile: Profile) -> VendorError | None:
    """Give the error in an answer of status 200, if it is one."""
    x_groq = event.get("x_groq")
    error = event.get("error") or (x_groq.get("error") if isinstance(x_groq, dict) else None)
    if error:
        told = event if event.get("error") else {"error": error}
        return classify(told, status=_status_told(error), kinds=profile.error_kinds)
    base = event.get("base_resp")
    if isinstance(base, dict) and base.get("status_code") not in (None, 0):
        return classify(event, kinds=profile.error_kinds)
    choices = event.get("choices")
    if choices is None and not any(event.get(name) for name in ("usage", "x_groq", "object")) and event:
        return None if event.get("data") and not event.get("code") else classify(event, kinds=profile.error_kinds)
    return None


def _status_told(error: object) -> int:
    """Give the HTTP status that an error within an answer names as its code, as gateways do; else 200."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, str) and code.isascii() and code.isdecimal():
        code = int(code[:4])
    return code if type(code) is int and _FAILED <= code < _BEYOND else _FINE


def report_anywhere(event: dict[str, Any], choices: list[dict[str, Any]]) -> UsageReport | None:
    """Give the usage from whichever place a vendor puts it in."""
    x_groq = event.get("x_groq")
    places = [event.get("usage"), x_groq.get("usage") if isinstance(x_groq, dict) else None]
    places += [choice.get("usage") for choice in choices[:1]]
    bots = event.get("bot_usage")
    if isinstance(bots, dict) and isinstance(bots.get("model_usage"), list):
        places += bots["model_usage"][:1]
    return next((report for report in map(decode_usage, places) if report is not None), None)


def _spoken(choice: dict[str, Any]) -> str:
    said = choice.get("delta") or choice.get("message")
    if not isinstance(said, dict):
        return leaves(choice.get("text"))
    text = leaves(said.get("content"))
    text += leaves(said.get("reasoning_content")) or leaves(said.get("reasoning"))
    text += leaves(said.get("refusal"))
    calls = said.get("tool_calls")
    for call in [*(calls if isinstance(calls, list) else ()), {"function": said.get("function_call")}]:
        if isinstance(call, dict):
            text += leaves(call.get("function")) + leaves(call.get("custom"))
    return text


# ---- What the client gets


def rewrite_chunk(data: bytes, delta: Delta, call: Call, model: str, profile: Profile = OPENAI) -> bytes | None:
    """Give the payload for the client, or None for one that it must not see; `model` is the routed name.

    The usage that the gateway asked for goes only to a client that asked for it too. The model has the name
    that the client used. What only this vendor says is said as OpenAI does; everything else passes as it came.
    """
    if delta.is_done:
        return data
    if delta.usage_only and (delta.report is None or not call.include_usage):
        return None
    if _says_nothing(data, delta, call):
        return None
    mended = mended_chunk(data, delta, call, profile)
    if mended is not None:
        data = mended
    elif not call.include_usage and b'"usage"' in data:
        data = _without_usage(data)
    return data if model == call.model else _renamed(data, model, call.model)


def _says_nothing(data: bytes, delta: Delta, call: Call) -> bool:
    """Tell a chunk whose choices have no delta, such as Azure's on content filters: clients read it without a look."""
    return (
        call.surface == "chat"
        and not delta.text
        and delta.finish_reason is None
        and delta.report is None
        and b'"delta"' not in data
    )


def usage_chunk(like: bytes, usage: TokenUsage, call: Call) -> bytes:
    """Give the usage chunk that a client asked for and its vendor did not send; `like` is one of the stream's own."""
    members = _members_or_none(like) or {}
    kept = {name: members[name] for name in ("id", "object", "created", "system_fingerprint") if name in members}
    return _encode(
        kept
        | {
            "model": call.model,
            "choices": [],
            "usage": {
                "prompt_tokens": usage.input_total,
                "completion_tokens": usage.output_total,
                "total_tokens": usage.total,
            },
        }
    )


def rewrite_response(body: bytes, call: Call, model: str, profile: Profile = OPENAI) -> bytes:
    """Give a plain answer for the client: the vendor's own, under the model name that the client used."""
    body = mended_body(body, call, profile) or body
    return body if model == call.model else _renamed(body, model, call.model)


def _without_usage(data: bytes) -> bytes:
    # In a JSON string the quotes are escaped, so these bytes are a member and nothing else. Null means the
    # same wherever it stands.
    data = data.replace(b',"usage":null', b"")
    if b'"usage"' not in data:
        return data
    members = _members_or_none(data)
    if members is None or members.pop("usage", None) is None:
        return data
    return _encode(members)


def _renamed(data: bytes, model: str, asked: str) -> bytes:
    routed = b'"model":' + _encode(model)
    if routed in data:
        return data.replace(routed, b'"model":' + _encode(asked))
    # The vendor wrote blanks, or answered with a dated name of the model.
    members = _members_or_none(data)
    if members is None or "model" not in members:
        return data
    members["model"] = msgspec.Raw(_encode(asked))
    return _encode(members)


def _members_or_none(data: bytes) -> dict[str, msgspec.Raw] | None:
    try:
        return _members.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


# ---- Plain answers


class _Answer(msgspec.Struct, gc=False):
    choices: list[_Choice] | None = None
    data: msgspec.Raw = msgspec.Raw()
    usage: Any = None
    error: Any = None
    base_resp: Any = None


_answer: Final = msgspec.json.Decoder(_Answer)


def decode_response(body: bytes, profile: Profile = OPENAI) -> Delta:
    """Read a whole answer of status 200; an error inside it, or no answer in it, is a delta with an error."""
    try:
        answer = _answer.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return _whole(_decode_oddly_shaped(body, profile))
    if answer.error is not None or answer.base_resp is not None:
        return _whole(_decode_oddly_shaped(body, profile))
    if answer.choices:
        return _checked(_delta(_Event(choices=answer.choices, usage=answer.usage)))
    if bytes(answer.data)[:1] in (b"[", b"{"):
        return Delta(report=decode_usage(answer.usage, input_only=True))
    return _whole(_decode_oddly_shaped(body, profile))


def _whole(delta: Delta) -> Delta:
    """Turn an event without choices, which a stream may hold, into the error that it is as a whole answer."""
    if delta.error is None and not delta.choices:
        return Delta(report=delta.report, error=VendorError("protocol", vendor_code="no_choices"))
    return delta
