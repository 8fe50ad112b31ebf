"""No dialect at all: a client's request goes to the channel's address as it is, and is paid for by the call.

The way is One API's proxy channel's: the vendor's key is the whole value of a header, `Authorization` if no other is
named. Of the client's own headers none that holds a credential goes on.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import unquote

from adapters.wire.base import BaseDialect
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.delta import Delta
from domain.relay.dialect import CanonicalRequest, Frame, Framing, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

_PASSED: Final = Delta(text=".", finish_reason="stop", choices=1)
"""Something came, and may be its end: what it is nobody here knows."""
_HEADER: Final = re.compile(r"[A-Za-z0-9-]+")


class RawDialect(BaseDialect):
    """Whatever the vendor speaks."""

    framing: Framing = "raw"
    surfaces: frozenset[Surface] = frozenset({"raw"})
    end_mark: bytes = b""

    def encode(self, call: Call, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Refuse: nothing is known that could be written anew."""
        raise InvalidRequestError("Channels of this type only pass requests on.", param="model")

    def encode_native(self, call: Call, target: Target) -> VendorRequest:
        """Give the client's own request, under the channel's address and with its key."""
        path, _, query = call.path.partition("?")
        if any(unquote(part) in (".", "..") for part in path.split("/")) or "\\" in unquote(path):
            raise InvalidRequestError("The path must not lead out of the channel's address.", param="path")
        headers = {**call.headers, "Accept-Encoding": "identity"}
        if call.body:
            headers["Content-Type"] = call.content_type
        name = target.options.get("key_header") or "Authorization"
        if target.key and _HEADER.fullmatch(name):
            headers[name] = target.key
        url = target.base_url + path + (f"?{query}" if query else "")
        return VendorRequest(url=url, headers=headers, body=call.body, method=call.method, streams=True)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer in any of the common shapes; the key is a secret without its scheme, too."""
        bare = tuple(secret.rpartition(" ")[2] for secret in secrets if " " in secret)
        return super().decode_error(status, headers, body, secrets=(*secrets, *bare))

    def decoder(self, call: Call) -> StreamDecoder:
        """Refuse: nothing is read."""
        raise VendorError("protocol", vendor_code="not_a_dialect")

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read nothing."""
        return _PASSED

    def decode_native(self, frame: Frame) -> Delta:
        """Read nothing."""
        return _PASSED

    def rewrite_frame(self, frame: Frame, delta: Delta, call: Call, model: str) -> bytes | None:
        """Change nothing."""
        return frame.data

    def decode_native_body(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read nothing."""
        return _PASSED

    def rewrite_body(self, body: bytes, call: Call, model: str) -> bytes:
        """Change nothing."""
        return body

    def missing_usage(self, like: bytes, usage: TokenUsage, call: Call) -> bytes:
        """Add nothing."""
        return b""


DIALECT: Final = RawDialect()
