"""OpenAI's Responses API at vendors that have it: bytes pass through, and only usage, errors and the end are read."""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.quirks import fit_tier
from adapters.dialects.openai.usage import decode_usage
from adapters.wire.errors import classify
from adapters.wire.lenient import leaves, loads
from domain.relay.call import Call
from domain.relay.delta import Delta
from domain.relay.dialect import Frame, Target
from domain.relay.vendor_errors import VendorError

_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode
_DELTAS: Final = frozenset(
    {
        "response.output_text.delta",
        "response.refusal.delta",
        "response.function_call_arguments.delta",
        "response.custom_tool_call_input.delta",
        "response.mcp_call_arguments.delta",
        "response.reasoning_text.delta",
        "response.reasoning_summary_text.delta",
        "response.output_audio_transcript.delta",
    }
)
_REASONS: Final = {"max_output_tokens": "length", "content_filter": "content_filter"}


def encode_response(call: Call, target: Target, *, is_reference: bool = False) -> bytes:
    """Give the client's own body, with the routed model and the output limit; `is_reference` for OpenAI itself."""
    members: dict[str, Any] = _members.decode(call.body)
    if target.model != call.model:
        members["model"] = target.model
    if is_reference:
        fit_tier(members, target)
    limit = call.output_tokens_max if target.output_tokens_max is None else target.output_tokens_max
    if limit is not None:
        members["max_output_tokens"] = limit
    return _encode(members)


def is_response_event(frame: Frame) -> bool:
    """Tell an event of this API from a chunk of a chat."""
    return frame.event.startswith(b"response.") or frame.event == b"error" or b'"type":"response.' in frame.data[:64]


def decode_event(frame: Frame, profile: Profile) -> Delta:
    """Read one event; nothing is raised."""
    event = loads(frame.data)
    if not isinstance(event, dict):
        return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
    type_ = event.get("type")
    if type_ in _DELTAS:
        return Delta(text=leaves(event.get("delta")), choices=1)
    if type_ == "error" or event.get("error"):
        return Delta(error=classify(event, kinds=profile.error_kinds))
    if type_ == "response.output_item.done":
        return Delta(choices=1, searches=_searches([event.get("item")]))
    response = event.get("response")
    if type_ in ("response.completed", "response.incomplete", "response.failed") and isinstance(response, dict):
        return _ended(response, profile)
    return Delta(choices=1)


def _searches(output: list[Any]) -> int:
    """Count the searches among what was put out: opening a page that was found, or looking into it, is none."""
    calls = [item for item in output if isinstance(item, dict) and item.get("type") == "web_search_call"]
    return sum(1 for call in calls if not _looks(call.get("action")))


def _looks(action: object) -> bool:
    return isinstance(action, dict) and action.get("type") in ("open_page", "find_in_page", "find")


def _ended(response: dict[str, Any], profile: Profile) -> Delta:
    report = decode_usage(response.get("usage"))
    searches = _searches(_list(response.get("output")))
    if searches and report is not None and report.usage is not None:
        report = msgspec.structs.replace(report, usage=msgspec.structs.replace(report.usage, searches=searches))
    if response.get("status") == "failed" or response.get("error"):
        return Delta(report=report, error=classify({"error": response.get("error") or {}}, kinds=profile.error_kinds))
    details = response.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    finish = _REASONS.get(reason, "stop") if isinstance(reason, str) else "stop"
    return Delta(finish_reason=finish, report=report, choices=1)


def rewrite_event(data: bytes, call: Call, model: str) -> bytes:
    """Give an event under the model name that the client used: three events have the whole response in them."""
    if model == call.model or b'"response":' not in data:
        return data
    event = loads(data)
    response = event.get("response") if isinstance(event, dict) else None
    if not isinstance(response, dict) or "model" not in response:
        return data
    response["model"] = call.model
    return _encode(event)


def decode_response_body(body: bytes, profile: Profile) -> Delta:
    """Read a whole response: text, usage, error; no pieces."""
    response = loads(body)
    if not isinstance(response, dict):
        return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
    if response.get("error") or not isinstance(response.get("output"), list):
        error = classify(response, kinds=profile.error_kinds)
        return Delta(report=decode_usage(response.get("usage")), error=error)
    ended = _ended(response, profile)
    text = "".join(_words(item) for item in response["output"])
    return msgspec.structs.replace(ended, text=text, searches=_searches(response["output"]))


def _words(item: object) -> str:
    if not isinstance(item, dict):
        return ""
    said = [item.get(name) for name in ("name", "arguments", "input")]
    for part in [*_list(item.get("content")), *_list(item.get("summary"))]:
        if isinstance(part, dict):
            said += [part.get("text"), part.get("refusal")]
    return "".join(leaves(each) for each in said)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def rewrite_response_body(body: bytes, call: Call, model: str) -> bytes:
    """Give a whole response under the model name that the client used."""
    if model == call.model:
        return body
    try:
        members: dict[str, Any] = _members.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return body
    if "model" in members:
        members["model"] = call.model
    return _encode(members)
