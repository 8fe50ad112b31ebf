"""Errors of the REST API: application/problem+json, each with a stable code; docs/errors.md is made from this table."""

import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import asyncpg
import msgspec
import structlog
from litestar import Request, Response
from litestar.exceptions import HTTPException, ValidationException
from litestar.exceptions.responses import create_exception_response

from domain.admin.errors import BulkRefusedError
from domain.errors import TallygateError
from domain.ledger.commands import Answer, Code
from domain.ports import LedgerUnavailableError

if TYPE_CHECKING:
    from litestar.types import ExceptionHandler

MEDIA_TYPE: Final = "application/problem+json"

_log = structlog.get_logger(__name__)


class Entry(NamedTuple):
    """What the documentation says of a code."""

    status: int
    title: str
    meaning: str


PROBLEMS: Final[dict[str, Entry]] = {
    # Who you are.
    "not_authenticated": Entry(401, "Not logged in", "Log in, or send a personal access token that has not expired."),
    "invalid_credentials": Entry(401, "Wrong login or password", "The login or the password is wrong."),
    "too_many_attempts": Entry(
        429, "Too many attempts", "Logins or codes failed too often; the wait doubles with each. See Retry-After."
    ),
    "rate_limited": Entry(429, "Too many requests", "Slow down; Retry-After says for how long."),
    "csrf_token_required": Entry(
        403, "CSRF token missing", "With a session, a change needs the header X-CSRF-Token from the login's answer."
    ),
    "password_change_required": Entry(
        403, "Change the password first", "The first password must be changed before anything else: POST /api/password."
    ),
    "step_up_required": Entry(
        403,
        "Password needed again",
        "Money and secrets need a password given within the last 10 minutes: POST /api/step-up, then try again.",
    ),
    "session_required": Entry(403, "Needs a session", "This cannot be done with a personal access token: log in."),
    "forbidden": Entry(403, "Not allowed", "Your role, or the token's scopes, do not allow this."),
    "mail_off": Entry(404, "No e-mail here", "This server sends no e-mail: ask whoever runs it."),
    # What was asked.
    "not_found": Entry(404, "Not found", "There is no such thing, or it is not yours to see."),
    "method_not_allowed": Entry(405, "Method not allowed", "The path exists, but not with this method."),
    "invalid_request": Entry(400, "Invalid request", "The body or a parameter is wrong; `errors` says where."),
    "body_too_large": Entry(413, "Body too large", "A body may have at most 1 MiB."),
    "unsupported_media_type": Entry(415, "Unsupported media type", "Send JSON, as application/json."),
    "http_error": Entry(400, "Request refused", "The request was refused before it reached a route."),
    # Changes.
    "version_required": Entry(
        428, "If-Match missing", "Send the ETag of the version that you read as If-Match, so that no change is lost."
    ),
    "version_conflict": Entry(412, "Changed meanwhile", "Somebody else changed it: read it again, and decide again."),
    "archived": Entry(409, "Archived", "It is out of use for good, and can only be read."),
    "not_archived": Entry(409, "Cannot be restored", "It is in use, or of a kind that is archived for good."),
    "name_taken": Entry(409, "Name taken", "The name must be unique, and is in use."),
    "invalid": Entry(422, "Cannot be so", "A value contradicts another, or names what does not exist."),
    "mapping_loop": Entry(422, "Names in a circle", "The model names would lead back to themselves."),
    "last_root": Entry(409, "Last root", "Somebody with the role root must be left: give it to somebody else first."),
    "bulk_refused": Entry(
        422, "Some items cannot be done", "None of the items was done: `items` says what is wrong with which."
    ),
    "in_use": Entry(409, "In use", "Others still refer to it: change those first."),
    "idempotency_conflict": Entry(409, "Id reused", "The same id was used for another change."),
    "admin_error": Entry(409, "Change refused", "The ledger refused the change: read it again, and decide again."),
    "rate_card_published": Entry(409, "Published", "A published rate card never changes: make a new version."),
    "rate_card_refused": Entry(
        422, "Prices cannot be right", "The lint found errors: see `findings`; correct them, or publish with force."
    ),
    "unknown_time_zone": Entry(422, "Unknown time zone", "Name a zone of the IANA database, such as Europe/Berlin."),
    "invalid_price": Entry(422, "Invalid price", "A price is a number from 0 to 10^12 with at most 18 decimal places."),
    "invalid_rate_card": Entry(422, "Invalid rate card", "The card contradicts itself."),
    "invalid_multiplier": Entry(422, "Invalid multiplier", "A multiplier is from 0 to 10^6, with at most 9 decimals."),
    "password_refused": Entry(422, "Password unfit", "A password has 8 to 1024 characters, and differs from the last."),
    # Money.
    "invalid_amount": Entry(422, "Invalid amount", "The amount cannot be taken as given."),
    "invalid_amount_format": Entry(
        422, "Invalid amount", 'Write amounts as text with at most 9 decimal places, such as "12.50".'
    ),
    "amount_out_of_range": Entry(422, "Amount out of range", "The amount is more than can be booked at once."),
    "amount_not_positive": Entry(422, "Amount not above zero", "The amount must be above zero."),
    "expiry_in_past": Entry(422, "Already expired", "The expiry must lie in the future."),
    "idempotency_key_required": Entry(
        400, "Idempotency-Key missing", "Send an Idempotency-Key of 1 to 255 characters, new for each intent."
    ),
    "idempotency_key_reused": Entry(
        422, "Idempotency-Key reused", "The key was used with another body: use a new key for a new intent."
    ),
    "idempotency_key_expired": Entry(
        409, "Idempotency-Key too old", "The first call with this key did nothing, and is too old: use a new key."
    ),
    "insufficient_credit": Entry(
        409, "Not enough credit", "The wallet does not cover the amount; without `strict` the rest becomes a debt."
    ),
    "refund_too_large": Entry(422, "More than was charged", "A refund is at most what the request was charged."),
    "code_unknown": Entry(404, "Unknown code", "No redemption code reads like this: check it for a typing error."),
    "code_used_up": Entry(409, "Code used up", "The code has been redeemed as often as it can be."),
    "code_used_by_tenant": Entry(409, "Code used already", "You have redeemed this code as often as you may."),
    "code_expired": Entry(409, "Code expired", "The code has passed its last day."),
    "code_revoked": Entry(409, "Code revoked", "The operator has withdrawn the code."),
    # Proof.
    "not_sealed": Entry(
        409, "Not sealed yet", "The event is in the log, and will be sealed in a few seconds; see Retry-After."
    ),
    "seal_broken": Entry(
        409, "Not as it was sealed", "The event or its seal was changed after it was sealed: run `tallygate verify`."
    ),
    # Reports.
    "report_range": Entry(422, "No such range", "The range of time, or the place in the log, cannot be reported on."),
    "statement_tampered": Entry(
        500, "Statement was changed", "The stored statement is not the one that was written: run `tallygate verify`."
    ),
    # The other side.
    "vendor_failed": Entry(
        502, "The vendor did not answer well", "The channel's vendor cannot be asked: test the channel."
    ),
    "conflict": Entry(409, "Conflict", "The state of things does not allow this now: read it again."),
    "unavailable": Entry(503, "Not available now", "The database cannot be reached: ask again with the same key."),
    "internal_error": Entry(500, "Internal error", "Something is broken here; the server's log says where."),
}
"""Every code that /api can answer with."""


class ItemProblem(msgspec.Struct, frozen=True, kw_only=True):
    """What is wrong with one of several things that were to be done at once."""

    index: int
    """From 0, in the order of the request."""
    code: str
    detail: str


class Problem(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    code: str
    """Stable: programs branch on it."""
    detail: str
    """What happened and what to do, for people."""
    errors: tuple[str, ...] = ()
    """Where a body or parameter is wrong."""
    findings: tuple[Any, ...] = ()
    """What the price lint found."""
    items: tuple[ItemProblem, ...] = ()
    """Of a bulk request: which of its items cannot be done, and why."""


class ApiError(Exception):
    """A refusal with a code of the table."""

    def __init__(
        self,
        code: str,
        detail: str = "",
        *,
        errors: tuple[str, ...] = (),
        findings: tuple[Any, ...] = (),
        items: tuple[ItemProblem, ...] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take a code of PROBLEMS; the table's meaning stands in for a missing detail."""
        entry = PROBLEMS[code]
        super().__init__(detail or entry.meaning)
        self.headers = dict(headers or {})
        self.problem = Problem(
            type=f"urn:tallygate:problem:{code}",
            title=entry.title,
            status=entry.status,
            code=code,
            detail=detail or entry.meaning,
            errors=errors,
            findings=findings,
            items=items,
        )


_LEDGER: Final[dict[Code, str]] = {
    Code.VERSION: "version_conflict",
    Code.INSUFFICIENT: "insufficient_credit",
    Code.CONFLICT: "idempotency_key_reused",
    Code.BAD_DAY: "idempotency_key_expired",
    Code.RANGE: "amount_out_of_range",
    Code.UNKNOWN_LANE: "not_found",
    Code.UNKNOWN_ACCOUNT: "not_found",
    Code.RESEND: "unavailable",
}


def ledger_error(answer: Answer) -> ApiError:
    """Give the error that says what a refusal of the ledger means to a person."""
    return ApiError(_LEDGER.get(answer.code, "conflict"))


_STATUS: Final = {
    400: "invalid_request",
    401: "not_authenticated",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "body_too_large",
    415: "unsupported_media_type",
    429: "rate_limited",
}


_OUTAGES: Final = (
    LedgerUnavailableError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.TargetServerAttributeNotMatched,  # while a standby takes over
    TimeoutError,
    ConnectionError,
)


def error_of(exception: Exception) -> ApiError:
    """Give the error that stands for whatever was raised; what nobody foresaw is an internal error."""
    match exception:
        case ApiError():
            return exception
        case TallygateError():
            return _refusal(exception)
        case HTTPException():
            return _http_error(exception)
        case asyncpg.DataError():
            # A parameter that no column can hold, such as a NUL in a text.
            return ApiError("invalid_request")
        case _:
            if isinstance(exception, _OUTAGES):
                return ApiError("unavailable", headers={"retry-after": "1"})
            return ApiError("internal_error")


def _http_error(exception: HTTPException) -> ApiError:
    if isinstance(exception, ValidationException):
        return ApiError("invalid_request", errors=_places(exception))
    code = _STATUS.get(exception.status_code, "http_error")
    return ApiError(code if exception.status_code < 500 else "internal_error")  # noqa: PLR2004 -- a status


def _refusal(error: TallygateError) -> ApiError:
    if isinstance(error, BulkRefusedError):
        told = {index: _refusal(each).problem for index, each in sorted(error.refusals.items())}
        items = (ItemProblem(index=index, code=each.code, detail=each.detail) for index, each in told.items())
        return ApiError(error.code, _sentence(str(error)), items=tuple(items))
    # The nearest class of the tree whose code is documented: a new leaf is never an internal error.
    for class_ in type(error).__mro__:
        code = getattr(class_, "code", "")
        if code == "not_found":
            # One answer for what is not there and for what is somebody else's.
            return ApiError(code)
        if code in PROBLEMS:
            return ApiError(code, _sentence(str(error)), findings=tuple(getattr(error, "errors", ())))
    return ApiError("invalid", _sentence(str(error)))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def _places(error: ValidationException) -> tuple[str, ...]:
    extra = error.extra if isinstance(error.extra, list) else []
    return tuple(
        f"{each.get('key', 'body')}: {each.get('message', '')}".strip() for each in extra if isinstance(each, dict)
    ) or (error.detail,)


def handle(request: Request[Any, Any, Any], exception: Exception) -> Response[Problem]:
    """Answer with the problem document of an exception; an unforeseen one is logged without its message.

    The message of a database error quotes rows, and rows hold secrets; the frames are enough to find the place.
    """
    error = error_of(exception)
    if error.problem.code == "internal_error":
        _log.error(
            "unhandled_exception",
            error=type(exception).__name__,
            frames=traceback.format_tb(exception.__traceback__)[-12:],
            method=request.method,
            path=request.url.path,
        )
    headers = {"cache-control": "no-store", **error.headers}
    return Response(error.problem, status_code=error.problem.status, media_type=MEDIA_TYPE, headers=headers)


EXCEPTION_HANDLERS: Final[dict[int | type[Exception], "ExceptionHandler[Any]"]] = {
    HTTPException: handle,
    Exception: handle,
}
"""For the API's router; see also `handle_unrouted`."""


def handle_unrouted(request: Request[Any, Any, Any], exception: HTTPException) -> Response[Any]:
    """Answer for a path under /api that no route has, or not with this method; other paths as Litestar does.

    The application registers it for HTTPException: where no route matched, a router's own handlers are not asked.
    """
    if request.url.path.startswith("/api"):
        return handle(request, exception)
    return create_exception_response(request, exception)


def error_reference() -> str:
    """Give docs/errors.md: every code with its status and meaning."""
    rows = [
        f"| `{code}` | {entry.status} | {entry.title} | {entry.meaning} |" for code, entry in sorted(PROBLEMS.items())
    ]
    return "\n".join(
        [
            "# Errors of the REST API",
            "",
            "Every error under `/api` is a problem document (`application/problem+json`) with a `code` that stays the",
            "same, a `title`, and a `detail` that says what to do. Branch on `code`, show `detail`.",
            "",
            "This page is generated: `python -m app.api.problems > docs/errors.md`.",
            "",
            "| code | status | title | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


if __name__ == "__main__":
    print(error_reference(), end="")  # noqa: T201 -- the output is what it is for
