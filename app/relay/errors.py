"""What a client of the model routes is told when something is refused: OpenAI's envelope, types, codes and statuses."""

from collections.abc import Sequence
from typing import Final

import msgspec

from domain.errors import TallygateError
from domain.holds.events import LimitHeld
from domain.ledger.commands import Answer, Code
from domain.money import format_amount
from domain.ports import LedgerUnavailableError
from domain.relay.call import InvalidRequestError
from domain.relay.dialect import UnsupportedParameterError
from domain.relay.vendor_errors import Kind, VendorError


class ApiError(Exception):
    """An answer other than success, ready to be sent; its `code` is also what refusals are counted by."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        type_: str = "invalid_request_error",
        code: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
        may_retry: bool | None = None,
        limit: LimitHeld | None = None,
    ) -> None:
        """Take the envelope's fields; `may_retry` tells the official SDKs whether to try again by themselves."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.type = type_
        self.code = code
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        self.may_retry = may_retry
        self.limit = limit

    def body(self) -> bytes:
        """Give the envelope; all four members are always there."""
        error = {"message": self.message, "type": self.type, "param": self.param, "code": self.code}
        return msgspec.json.encode({"error": error})

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Give what goes beside the envelope."""
        headers: list[tuple[bytes, bytes]] = []
        if self.retry_after_seconds is not None:
            milliseconds = max(1, round(self.retry_after_seconds * 1000))
            headers.append((b"retry-after-ms", str(milliseconds).encode()))
            headers.append((b"retry-after", str(-(-milliseconds // 1000)).encode()))
            headers += self._rate_headers(milliseconds)
        if self.may_retry is not None:
            headers.append((b"x-should-retry", b"true" if self.may_retry else b"false"))
        return headers

    def _rate_headers(self, reset_milliseconds: int) -> list[tuple[bytes, bytes]]:
        """Name the rate that is used up, as OpenAI does. What is left of tokens is not known: only that it is less."""
        if self.limit is None or self.limit.limit is None:
            return []
        kind = {"rpm": b"requests", "tpm": b"tokens"}.get(self.limit.name.partition(".")[0])
        if kind is None:
            return []
        headers = [
            (b"x-ratelimit-limit-" + kind, str(self.limit.limit).encode()),
            (b"x-ratelimit-reset-" + kind, f"{reset_milliseconds}ms".encode()),
        ]
        return [*headers, (b"x-ratelimit-remaining-requests", b"0")] if kind == b"requests" else headers


def invalid_key(
    message: str = "Incorrect API key provided. Check the key, or ask its owner for a new one.",
) -> ApiError:
    """Give the answer to a token that is unknown, revoked or expired: one, so that none can be told apart."""
    return ApiError(401, message, code="invalid_api_key", may_retry=False)


def unavailable(message: str, *, code: str = "overloaded", retry_after_seconds: float = 1.0) -> ApiError:
    """Give a 503 that says when to come back."""
    return ApiError(503, message, type_="server_error", code=code, retry_after_seconds=retry_after_seconds)


def nobody_available(model: str, retry_after_seconds: float) -> ApiError:
    """Give the answer where every channel that could serve a request is out, or has used up what it may do."""
    return unavailable(
        f"No channel can serve the model '{model}' at the moment. Please try again later.",
        code="no_channel_available",
        retry_after_seconds=retry_after_seconds,
    )


def shed(retry_after_seconds: float, *, own: bool) -> ApiError:
    """Give the answer to a request that there is no room for; `own`: the account's own requests fill the room."""
    if not own:
        return unavailable("The gateway is overloaded. Please try again.", retry_after_seconds=retry_after_seconds)
    return ApiError(
        429,
        "Too many requests of this account are under way. Please send fewer at a time.",
        type_="requests",
        code="too_many_requests",
        retry_after_seconds=retry_after_seconds,
    )


_RATES: Final = {
    "rpm": ("requests", "rate_limit_exceeded", "requests per minute"),
    "tpm": ("tokens", "rate_limit_exceeded", "tokens per minute"),
    "concurrency": ("requests", "concurrency_limit_exceeded", "requests at the same time"),
}
_OWNERS: Final = {"tenant": "this account", "user": "this user", "token": "this API key"}
_CLOSED: Final = ("tenant_suspended", "user_disabled")


def refusal(
    answer: Answer, limits: Sequence[LimitHeld], *, needed_nanos: int, currency: str, window_seconds: float
) -> ApiError:
    """Put the ledger's refusal of a hold into words: which limit is in the way, and what it would have taken."""
    match answer.code:
        case Code.INSUFFICIENT:
            return ApiError(
                429,
                f"The balance does not cover this request: it may cost up to {format_amount(needed_nanos)} {currency}, "
                f"and {format_amount(max(0, answer.balance_nanos))} {currency} is left. Top up, or ask for less.",
                type_="insufficient_quota",
                code="insufficient_quota",
                may_retry=False,
                limit=LimitHeld("wallet", needed_nanos, answer.balance_nanos),
            )
        case Code.LIMIT:
            return _over_limit(limits[answer.leg - 1], currency, window_seconds)
        case Code.CLOSED if answer.leg == len(_CLOSED) + 1:
            return invalid_key()
        case Code.CLOSED:
            what = "This account is suspended." if answer.leg == 1 else "The owner of this API key is disabled."
            return ApiError(403, what, code=_CLOSED[answer.leg - 1], may_retry=False)
        case Code.BAD_DAY:
            return unavailable("The gateway's clock and its database's disagree.", code="clock_skew")
        case _:
            return ApiError(500, "The request could not be admitted.", type_="server_error", code="ledger_refused")


def _over_limit(limit: LimitHeld, currency: str, window_seconds: float) -> ApiError:
    kind, _, rest = limit.name.partition(".")
    parts = rest.partition(":")[0].split(".")
    owner = _OWNERS.get(parts[0], "this account")
    if kind in _RATES:
        type_, code, what = _RATES[kind]
        wait = window_seconds if kind != "concurrency" else 1.0
        if limit.limit is not None and limit.amount > limit.limit:
            return ApiError(
                400,
                f"This request may use {limit.amount} tokens, more than the limit of {limit.limit} {what} of {owner}: "
                "shorten the prompt, or lower max_completion_tokens.",
                code="request_too_large",
                may_retry=False,
                limit=limit,
            )
        return ApiError(
            429,
            f"Rate limit reached for {owner}: {limit.limit} {what}. Try again in {wait:.1f} s.",
            type_=type_,
            code=code,
            retry_after_seconds=wait,
            limit=limit,
        )
    if kind == "allowance":
        message = "The free allowance does not cover this request."
        code = "allowance_exhausted"
    else:
        shown = format_amount(limit.limit or 0) + f" {currency}" if parts[1] == "money" else f"{limit.limit} tokens"
        period = "" if parts[2] == "total" else f" per {parts[2]}"
        message = f"The budget of {owner}, {shown}{period}, does not cover this request."
        code = "budget_exceeded"
    return ApiError(429, message, type_="insufficient_quota", code=code, may_retry=False, limit=limit)


_VENDOR: Final[dict[Kind, tuple[int, str, str | None]]] = {
    # Status, type, code. Our own trouble with a vendor is never the client's 401 or 402.
    "auth": (503, "server_error", "vendor_unavailable"),
    "quota": (503, "server_error", "vendor_unavailable"),
    "rate_limit": (429, "requests", "rate_limit_exceeded"),
    "overloaded": (503, "server_error", "overloaded"),
    "server": (502, "server_error", "vendor_error"),
    "timeout": (504, "server_error", "timeout"),
    "connect": (503, "server_error", "vendor_unavailable"),
    "protocol": (502, "server_error", "vendor_error"),
    "not_found": (404, "invalid_request_error", "model_not_found"),
    "bad_request": (400, "invalid_request_error", None),
    "content": (400, "invalid_request_error", "content_filter"),
}


def as_api_error(fault: Exception) -> ApiError | None:
    """Give what the client is told of a refusal, wherever it comes from; None for a fault that is none."""
    match fault:
        case ApiError():
            return fault
        case InvalidRequestError():
            return ApiError(400, fault.message, param=fault.param, code=fault.reason, may_retry=False)
        case LedgerUnavailableError():
            return unavailable("The gateway's ledger is not available. Please try again.", code="ledger_unavailable")
        case UnsupportedParameterError():
            return ApiError(400, fault.message, code=fault.code, param=fault.param, may_retry=False)
        case TallygateError():
            return ApiError(400, str(fault), code=fault.code, may_retry=False)
        case _:
            return None


def from_vendor(error: VendorError) -> ApiError:
    """Give a client the vendor's failure, with its own class kept and nothing of ours in it."""
    status, type_, code = _VENDOR[error.kind]
    clients_own = error.is_clients_own
    if clients_own and error.status is not None and 400 <= error.status < 500:  # noqa: PLR2004
        status = error.status if error.status not in {401, 402, 403, 407} else status
    return ApiError(
        status,
        error.message,
        type_=type_,
        code=(error.vendor_code or code) if clients_own else code,
        param=error.param,
        retry_after_seconds=error.retry_after_seconds,
        may_retry=False if clients_own else None,
    )
