"""What goes wrong at a vendor, in our own words, safe to show to a client.

The kind says what to do next; the vendor's words are reduced to a code and, where they help the caller to
mend the request, to a message without keys, addresses or account names.
"""

import re
from typing import ClassVar, Final, Literal

from domain.errors import TallygateError

Kind = Literal[
    "auth",
    "quota",
    "rate_limit",
    "overloaded",
    "server",
    "timeout",
    "connect",
    "protocol",
    "not_found",
    "bad_request",
    "content",
]
"""auth and quota: our credential at the vendor is refused or out of credit. protocol: the answer cannot be
understood. not_found: the vendor does not know the model. content: a safety system refused."""

MESSAGE_CHARACTERS_MAX: Final = 500

_CLIENTS_OWN: Final = frozenset({"bad_request", "content"})
_KEPT_ELSEWHERE: Final = "previous_response_not_found"
"""An earlier response is kept by the account that made it: another channel may be that one's."""
UNFIT: Final = "invalid_structured_output"
"""An answer that is not of the format which the vendor could only be asked for in words."""
_MESSAGES: Final[dict[Kind, str]] = {
    # An upstream 401 is no fault of the client's token, so nothing here may read as if it were.
    "auth": "The model's vendor refused the gateway. Please try again later.",
    "quota": "The model's vendor is not available to the gateway at the moment. Please try again later.",
    "rate_limit": "The model's vendor is limiting the rate of requests. Please try again later.",
    "overloaded": "The model's vendor is overloaded. Please try again later.",
    "server": "The model's vendor had an internal error. Please try again.",
    "timeout": "The model's vendor did not answer in time.",
    "connect": "The model's vendor could not be reached.",
    "protocol": "The model's vendor sent an answer that could not be understood.",
    "not_found": "The model is not available at its vendor.",
    "bad_request": "The model's vendor refused the request as invalid.",
    "content": "The request was refused by the vendor's content filter.",
}


class VendorError(TallygateError):
    """One failure at a vendor: raised by adapters, and carried as a value by a stream's delta."""

    code: ClassVar[str] = "vendor_error"

    def __init__(
        self,
        kind: Kind,
        *,
        status: int | None = None,
        vendor_code: str | None = None,
        message: str | None = None,
        param: str | None = None,
        retry_after_seconds: float | None = None,
    ) -> None:
        """Take the vendor's status, code and safe words; without words the kind's own sentence is used."""
        self.kind: Kind = kind
        self.status = status
        self.vendor_code = vendor_code
        self.message = message or _MESSAGES[kind]
        self.param = param
        self.retry_after_seconds = retry_after_seconds
        super().__init__(self.message)

    @property
    def is_clients_own(self) -> bool:
        """Tell whether the request is at fault, and the vendor's own words help its client."""
        return self.kind in _CLIENTS_OWN

    @property
    def is_retryable(self) -> bool:
        """Tell whether another channel may serve the very same request."""
        return not self.is_clients_own or self.vendor_code == _KEPT_ELSEWHERE

    @property
    def is_requests_own(self) -> bool:
        """Tell whether the vendor works, and only this request of it came to nothing: no word against its channel.

        Whoever asks for a schema that no model can keep to must not take channels from everybody else.
        """
        return self.is_clients_own or self.vendor_code in (_KEPT_ELSEWHERE, UNFIT)

    def _fields(self) -> tuple[object, ...]:
        return (self.kind, self.status, self.vendor_code, self.message, self.param, self.retry_after_seconds)

    def __eq__(self, other: object) -> bool:
        """Compare by value: golden tests hold errors beside deltas."""
        return isinstance(other, VendorError) and self._fields() == other._fields()

    def __hash__(self) -> int:
        return hash(self._fields())

    def __repr__(self) -> str:
        return f"VendorError({self.kind!r}, status={self.status}, {self.vendor_code!r}, {self.message!r})"


_SECRETS: Final = re.compile(
    r"""
      (?i:bearer|basic)\s+[^\s"',;]+                            # an authorization header, quoted back
    | \b(?:https?|wss?)://[^\s"'<>)\]]+                         # addresses
    | \b(?:sk|pk|rk|gsk|xai|key|nvapi|AIza|fw|csk|pplx|r8|hf)[-_*.][^\s"',;)\]}]{4,}   # keys
    | \bAIza[\w-]{8,}
    | \b(?:org|proj|acct|account|user|team|ws|req|resp|ep|asst)[-_](?=\w*\d)\w{6,}    # ids
    | \b[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\b  # uuids name accounts and requests
    | \b(?=[A-Za-z]*\d)[A-Za-z0-9]{24,}\b                       # any long run of letters and digits
    | \b[\w.+-]+@[\w-]+(?:\.[\w-]+)+                            # mail addresses
    | \b(?:\d{1,3}\.){3}\d{1,3}(?::\d+)?\b                      # network addresses
    | \b(?:[\w-]+\.)+(?:com|net|org|io|ai|cn|dev|cloud|internal|local)(?::\d+)?\b      # host names
    """,
    re.VERBOSE,
)
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\s]+")


def safe_message(text: str, secrets: tuple[str, ...] = ()) -> str:
    """Give a vendor's sentence without keys, addresses and account names, cut, on one line.

    `secrets` are values known to be secret, such as the channel's own key; the usual shapes go in any case.
    """
    # Cut first: the patterns never see more than a bounded text, whatever the vendor sent.
    text = text[: 4 * MESSAGE_CHARACTERS_MAX]
    for secret in secrets:
        if secret:
            text = text.replace(secret, "[redacted]")
    text = _SECRETS.sub("[redacted]", _CONTROL.sub(" ", text)).strip()
    return text if len(text) <= MESSAGE_CHARACTERS_MAX else text[: MESSAGE_CHARACTERS_MAX - 1] + "…"
