"""How Google's interfaces say that something went wrong: one envelope, with a status in words and typed details.

Source: google-genai 3.4 (errors) and recorded answers.
"""

import math
from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.errors import RETRY_AFTER_SECONDS_MAX, classify, decode_error
from adapters.wire.kit import items, member, words
from adapters.wire.lenient import loads
from domain.relay.vendor_errors import Kind, VendorError, safe_message

_KINDS: Final[Mapping[str, Kind]] = {
    "INVALID_ARGUMENT": "bad_request",
    "OUT_OF_RANGE": "bad_request",
    "FAILED_PRECONDITION": "bad_request",
    "ALREADY_EXISTS": "bad_request",
    "UNIMPLEMENTED": "bad_request",
    "UNAUTHENTICATED": "auth",
    "PERMISSION_DENIED": "auth",
    "NOT_FOUND": "not_found",
    "RESOURCE_EXHAUSTED": "rate_limit",
    "UNAVAILABLE": "overloaded",
    "DEADLINE_EXCEEDED": "timeout",
    "CANCELLED": "server",
    "INTERNAL": "server",
    "UNKNOWN": "server",
    "ABORTED": "server",
    "DATA_LOSS": "server",
}
_STATUSES: Final = {"bad_request": 400, "not_found": 404}
_OURS: Final = ("location is not supported", "billing", "consumer", "has not been used in project", "is disabled")
"""What is wrong with the operator's project, though it is said as if the request were wrong."""
_TOO_LONG: Final = ("input token count", "maximum number of tokens", "request payload size exceeds")


def google_failure(
    status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
) -> VendorError:
    """Read an answer of status 400 or above; what is not in Google's form came from something before it."""
    content = unwrapped(loads(body))
    if not isinstance(member(content, "error"), dict):
        return decode_error(status, headers, body, secrets=secrets)
    return google_error(content, status=status, headers=headers, secrets=secrets)


def unwrapped(content: Any) -> Any:
    """Give what a list of one holds: endpoints that stream without events wrap their errors so."""
    return content[0] if isinstance(content, list) and len(content) == 1 else content


def google_error(
    content: object, *, status: int = 200, headers: Mapping[str, str] | None = None, secrets: tuple[str, ...] = ()
) -> VendorError:
    """Say what an error means; with status 200 it came in mid-stream, and its words say what the status would."""
    error = member(content, "error")
    name, message = words(member(error, "status")), words(member(error, "message"))
    details = items(member(error, "details"))
    usual = classify(
        {"error": {"message": message, "code": name}}, status=_status(status, error), headers=headers, secrets=secrets
    )
    kind = _kind(name, message.lower(), details) or usual.kind
    is_callers = kind in ("bad_request", "content")
    code = name.lower() or usual.vendor_code
    if kind == "bad_request" and (
        usual.vendor_code == "context_length_exceeded" or all(each in message.lower() for each in _TOO_LONG[:1])
    ):
        code = "context_length_exceeded"
    elif kind == "bad_request" and name == "INVALID_ARGUMENT":
        code = None
    elif kind == "quota":
        code = "daily_quota"
    return VendorError(
        kind,
        status=usual.status if status >= _FAILED else _STATUSES.get(kind, usual.status),
        vendor_code=code,
        message=safe_message(message, secrets) if is_callers else None,
        retry_after_seconds=_retry_delay(details) or usual.retry_after_seconds,
    )


_FAILED: Final = 400


def _status(status: int, error: object) -> int:
    code = member(error, "code")
    return code if status < _FAILED and type(code) is int and _FAILED <= code < _BEYOND else status


_BEYOND: Final = 600


def _kind(name: str, message: str, details: list[Any]) -> Kind | None:
    if any(member(each, "reason") in ("API_KEY_INVALID", "API_KEY_SERVICE_BLOCKED") for each in details):
        return "auth"
    if "api key not valid" in message or "api key expired" in message:
        return "auth"
    if name == "FAILED_PRECONDITION" and any(phrase in message for phrase in _OURS):
        return "auth"
    if name == "RESOURCE_EXHAUSTED" and any(_is_daily(each) for each in details):
        return "quota"
    return _KINDS.get(name)


def _is_daily(detail: object) -> bool:
    """Tell whether a detail names a quota that is only given again tomorrow."""
    return any("PerDay" in words(member(each, "quotaId")) for each in items(member(detail, "violations")))


def _retry_delay(details: list[Any]) -> float | None:
    """Give the delay of a RetryInfo, written as `34s` or `0.5s`."""
    for detail in details:
        delay = words(member(detail, "retryDelay"))
        if delay.endswith("s"):
            try:
                seconds = float(delay[:-1])
            except ValueError:
                continue
            if math.isfinite(seconds) and seconds >= 0:
                return min(seconds, RETRY_AFTER_SECONDS_MAX)
    return None
