"""How vendors say that something went wrong, in at least a dozen shapes: most are OpenAI's or close to it."""

import email.utils
import http
import math
import re
from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.lenient import loads
from domain.relay.vendor_errors import Kind, VendorError, safe_message

RETRY_AFTER_SECONDS_MAX: Final = 86_400.0

_SAFE_CODE: Final = re.compile(r"[A-Za-z0-9_.\-]{1,64}")
_SAFE_PARAM: Final = re.compile(r"[A-Za-z0-9_.\-\[\]]{1,128}")

_CODES: Final[dict[Kind, str]] = {
    "auth": """
        invalid_api_key incorrect_api_key wrong_api_key api_key_empty invalid_authentication
        invalid_authentication_error authentication_error authenticationerror account_deactivated accessdenied
        permission_denied_error permission_error unsupported_country_region_territory""",
    "quota": """
        insufficient_quota exceeded_current_quota_error billing_hard_limit_reached billing_not_active
        insufficient_balance insufficient_user_quota accountoverdueerror quota_exceeded 30001""",
    "rate_limit": """
        rate_limit_exceeded rate_limit_error rate_limit_reached_error request_quota_exceeded too_many_requests
        too_many_requests_error token_quota_exceeded quotaexceeded ratelimitexceeded
        modelaccounttpmratelimitexceeded modelaccountrpmratelimitexceeded requests tokens""",
    "overloaded": """
        engine_overloaded_error overloaded_error overloaded serveroverloaded unavailable_error
        capacity_exceeded insufficient_system_resource 20015""",
    "server": "server_error internal_server_error internalserviceerror",
    "not_found": """
        model_not_found resource_not_found_error modelnotopen model_not_available invalidendpointormodel
        20012""",
    "content": """
        content_filter content_policy_violation sensitivecontentdetected inputtextsensitivecontentdetected
        moderation_blocked responsible_ai_policy_violation data_inspection_failed""",
    "bad_request": """
        context_length_exceeded exceed_context_size_error unsupported_parameter unsupported_value
        unknown_parameter invalid_value missing_required_parameter tool_use_failed badrequesterror""",
}
_KINDS_BY_CODE: Final = {code: kind for kind, codes in _CODES.items() for code in codes.split()}
_KINDS_BY_STATUS: Final[dict[int, Kind]] = {
    401: "auth",
    402: "quota",
    403: "auth",
    404: "not_found",
    408: "timeout",
    412: "auth",  # Fireworks: the account is suspended
    429: "rate_limit",
    451: "content",
    498: "overloaded",  # Groq: no capacity in the flex tier
    503: "overloaded",
    504: "timeout",
    529: "overloaded",
}
_TOO_LONG: Final = (
    "maximum context length",
    "context length",
    "too many tokens",
    "prompt is too long",
    "exceeds the available context size",
)
_KINDS_BY_WORDS: Final[dict[str, Kind]] = {
    **dict.fromkeys(_TOO_LONG, "bad_request"),
    "insufficient balance": "quota",
    "insufficient quota": "quota",
    "credit balance": "quota",
    "exceeded your current quota": "quota",
    "incorrect api key": "auth",
    "invalid api key": "auth",
    "api key not valid": "auth",
    "invalid token": "auth",
    "rate limit": "rate_limit",
    "overloaded": "overloaded",
    "busy": "overloaded",
}
_NO_KINDS: Final[Mapping[str, Kind]] = {}
_CODE_MAX: Final = 10**12
_REDIRECT, _CLIENT_ERROR, _SERVER_ERROR = 300, 400, 500


def decode_error(
    status: int,
    headers: Mapping[str, str],
    body: bytes,
    *,
    secrets: tuple[str, ...] = (),
    kinds: Mapping[str, Kind] = _NO_KINDS,
) -> VendorError:
    """Read a failed answer. Nothing is raised, whatever it holds.

    `secrets` are values that must not reach the client even if the vendor quotes them: the channel's key. `kinds`
    says what a vendor's own codes mean, in lower case; they come before the common ones.
    """
    content = loads(body)
    if content is None:
        content = _plain_text(status, body)
    return classify(content, status=status, headers=headers, secrets=secrets, kinds=kinds)


def classify(
    content: object,
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
    secrets: tuple[str, ...] = (),
    kinds: Mapping[str, Kind] = _NO_KINDS,
) -> VendorError:
    """Say what a decoded error means; with status 200 it stood in an answer that had begun well."""
    words = _words(content)
    lowered = words["message"].lower()
    kind = _own_kind(kinds, words["code"].lower()) or _kind(status, words["code"], words["type"], lowered)
    vendor_code: str | None = words["code"] if _SAFE_CODE.fullmatch(words["code"]) else None
    if vendor_code is None and _SAFE_CODE.fullmatch(words["type"]):
        vendor_code = words["type"]
    if kind == "bad_request" and any(phrase in lowered for phrase in _TOO_LONG):
        vendor_code = "context_length_exceeded"
    is_callers = kind in ("bad_request", "content")
    return VendorError(
        kind,
        status=status,
        vendor_code=vendor_code,
        message=safe_message(words["message"], secrets) if is_callers else None,
        param=words["param"] if is_callers and _SAFE_PARAM.fullmatch(words["param"]) else None,
        retry_after_seconds=None if headers is None else retry_after_seconds(headers),
    )


def _own_kind(kinds: Mapping[str, Kind], code: str) -> Kind | None:
    """Look a code up among a vendor's own, as a whole or by what stands before a dot."""
    return kinds.get(code) or kinds.get(code.partition(".")[0])


def _kind(status: int, code: str, type_: str, message: str) -> Kind:
    for word in (code.lower(), type_.lower()):
        # Ark qualifies its codes: RateLimitExceeded.EndpointRPMExceeded, InvalidEndpointOrModel.NotFound.
        kind = _KINDS_BY_CODE.get(word) or _KINDS_BY_CODE.get(word.partition(".")[0])
        if kind is not None:
            return kind
    by_words = next((kind for words, kind in _KINDS_BY_WORDS.items() if words in message), None)
    if by_words is not None and (status < _SERVER_ERROR or by_words == "overloaded"):
        return by_words
    if status in _KINDS_BY_STATUS:
        return _KINDS_BY_STATUS[status]
    if status >= _SERVER_ERROR:
        return "server"
    if status >= _CLIENT_ERROR:
        return "bad_request"
    # A redirect means a wrong base URL; below that the vendor failed after it had promised an answer.
    return "protocol" if status >= _REDIRECT else "server"


def _words(content: object) -> dict[str, str]:
    """Find message, type, code and param in any of the shapes that vendors use; what is absent is empty."""
    if isinstance(content, list) and len(content) == 1:
        content = content[0]
    if isinstance(content, str):
        return _named(content, {})
    if not isinstance(content, dict):
        return _named("", {})
    error = content.get("error")
    if isinstance(error, dict):
        return _named(_text(error.get("message") or error.get("msg")), error)
    if isinstance(error, str) and error:
        return _named(error, content)
    return _flat(content)


def _flat(content: dict[str, Any]) -> dict[str, str]:
    base = content.get("base_resp")
    if isinstance(base, dict):
        return _named(_text(base.get("status_msg")), {"code": base.get("status_code")})
    header = content.get("header")
    if isinstance(header, dict):
        return _named(_text(header.get("message")), header)
    response = content.get("Response")
    if isinstance(response, dict) and isinstance(response.get("Error"), dict):
        error = response["Error"]
        return _named(_text(error.get("Message")), {"code": error.get("Code")})
    errors = content.get("errors")
    if isinstance(errors, list) and errors and isinstance(errors[0], dict):
        return _named(_text(errors[0].get("message")), errors[0])
    for name in ("message", "error_msg", "msg", "detail", "title"):
        if content.get(name):
            code = content.get("code", content.get("error_code"))
            return _named(_text(content[name]), {**content, "code": code})
    return _named("", content)


def _named(message: str, members: dict[str, Any]) -> dict[str, str]:
    found = {name: _text(members.get(name)) for name in ("type", "code", "param")}
    return {"message": message, **found}


def _text(value: object) -> str:
    """Give a scalar as text: codes come as numbers too, and details as a list of complaints."""
    if isinstance(value, str):
        # A half surrogate pair could not be sent on.
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) < _CODE_MAX:
        return str(value)
    if isinstance(value, list) and value and isinstance(value[0], dict):
        return _text(value[0].get("msg"))
    return ""


def _plain_text(status: int, body: bytes) -> str:
    """Give the text of a body that is no JSON; a web page says no more than its status does."""
    text = body[:4096].decode("utf-8", "replace").strip()
    if text.startswith("<"):
        try:
            return http.HTTPStatus(status).phrase
        except ValueError:
            return ""
    return text


def retry_after_seconds(headers: Mapping[str, str]) -> float | None:
    """Give how long the vendor asks to wait, in the order in which OpenAI's clients look."""
    milliseconds = _seconds(headers.get("retry-after-ms"))
    if milliseconds is not None:
        return milliseconds / 1000
    value = headers.get("retry-after")
    seconds = _seconds(value)
    if seconds is None and value:
        # A date counts from the vendor's own clock, which came with the same answer.
        seconds = _span(headers.get("date"), value)
    return seconds


def _seconds(value: str | None) -> float | None:
    if value is None:
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return min(number, RETRY_AFTER_SECONDS_MAX) if math.isfinite(number) and number >= 0 else None


def _span(start: str | None, end: str) -> float | None:
    if start is None:
        return None
    try:
        span = email.utils.parsedate_to_datetime(end) - email.utils.parsedate_to_datetime(start)
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(span.total_seconds(), 0.0), RETRY_AFTER_SECONDS_MAX)
