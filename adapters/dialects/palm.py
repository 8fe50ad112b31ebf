"""Google's PaLM API, which is no more: imported channels keep their type, and calls are told what to use instead."""

from collections.abc import Mapping
from typing import Final

from adapters.wire.base import BaseDialect
from domain.relay.call import Call, InvalidRequestError
from domain.relay.delta import Delta
from domain.relay.dialect import CanonicalRequest, Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

RETIRED: Final = (
    "Google has shut the PaLM API down: use a channel of the type Google Gemini, with a model such as gemini-2.5-flash."
)


class PalmDialect(BaseDialect):
    """Refuses."""

    def encode(self, call: Call, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give no request: InvalidRequestError saying what to use instead."""
        raise InvalidRequestError(RETIRED, param="model", reason="model_not_found")

    def decoder(self, call: Call) -> StreamDecoder:
        """Read a stream that can only be an error."""
        return _Ended()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read an answer that can only be an error."""
        return Delta(error=VendorError("not_found", vendor_code="model_not_found"))


class _Ended:
    def feed(self, frame: Frame) -> list[Delta]:
        """Nothing that comes is an answer."""
        return []

    def finish(self) -> list[Delta]:
        """Say that the model is gone."""
        return [Delta(error=VendorError("not_found", vendor_code="model_not_found"))]


DIALECT: Final = PalmDialect()
