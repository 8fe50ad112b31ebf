"""The contract of a request that is passed on as it is: its method, its path, those of its headers that may go on."""

from collections.abc import Iterable
from typing import Final

from adapters.surfaces.openai import OpenAISurface
from domain.relay.call import Call, InvalidRequestError, Method, Surface
from domain.relay.dialect import CanonicalRequest

METHODS: Final[frozenset[str]] = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE"})
_KEPT_BACK: Final = frozenset(
    {
        # Credentials, of the client's with us or of its with anybody.
        "authorization",
        "proxy-authorization",
        "x-api-key",
        "api-key",
        "x-goog-api-key",
        "cookie",
        # Of one connection, or of one hop.
        "connection",
        "keep-alive",
        "te",  # codespell:ignore te
        "trailer",
        "transfer-encoding",
        "upgrade",
        "expect",
        "host",
        "content-length",
        "content-type",
        "accept-encoding",
        "via",
        "forwarded",
        # Where the client is, and what it asks of us.
        "x-real-ip",
        "idempotency-key",
    }
)
_KEPT_BACK_BEGINNINGS: Final = ("x-forwarded-", "x-tallygate-", "x-stainless-", "cf-", "proxy-")


class RawSurface(OpenAISurface):
    """One request's; errors are OpenAI's."""

    takes_comments: bool = False

    def __init__(self, method: Method, path: str, names: Iterable[bytes]) -> None:
        """Take the request's method, its path with its query, and the names of its headers, in lower case."""
        self._method: Method = method
        self._path = path
        given = (name.decode("latin-1") for name in names)
        self.headers = frozenset(
            name for name in given if name not in _KEPT_BACK and not name.startswith(_KEPT_BACK_BEGINNINGS)
        )

    def parse(
        self,
        surface: Surface,
        body: bytes,
        *,
        content_type: str = "",
        model: str = "",
        stream: bool = False,
    ) -> Call:
        """Read nothing: the path names the model, which names the channel and the price."""
        return Call(
            surface="raw",
            model=model,
            body=body,
            content_type=content_type or "application/octet-stream",
            method=self._method,
            path=self._path,
        )

    def canonical(self, call: Call) -> CanonicalRequest:
        """Refuse: nothing is known of it."""
        raise InvalidRequestError("This request can only be passed on.")
