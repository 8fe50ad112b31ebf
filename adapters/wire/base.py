"""What most dialects of vendors with a format of their own leave as it is."""

from collections.abc import Mapping
from typing import ClassVar

from adapters.wire.errors import decode_error
from adapters.wire.kit import refused
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta
from domain.relay.dialect import AccessToken, CanonicalRequest, Framing, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import EmbeddingsRequest, RerankRequest
from domain.relay.vendor_errors import Kind, VendorError


class BaseDialect:
    """What most dialects leave as it is; a dialect names itself and says how its requests and answers read."""

    framing: Framing = "sse"
    surfaces: frozenset[Surface] = frozenset({"chat"})
    kinds: ClassVar[Mapping[str, Kind]] = {}
    """What the vendor's own error codes mean, in lower case."""

    def encode(self, call: Call, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give the first request of a call, by what is asked for."""
        match request:
            case ChatRequest():
                return self.chat(call, request, target)
            case EmbeddingsRequest():
                return self.embeddings(request, target)
            case RerankRequest():
                return self.rerank(request, target)
            case _:
                return self.task(request, target)

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the request for a chat."""
        raise refused(call.surface)

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the request for embeddings."""
        raise refused("embeddings")

    def rerank(self, request: RerankRequest, target: Target) -> VendorRequest:
        """Give the request for a ranking."""
        raise refused("rerank")

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give the request for images, speech, transcriptions and judgments."""
        raise refused(type(request).__name__)

    def follow(self, reply: bytes, previous: VendorRequest, target: Target) -> VendorRequest | None:
        """Nearly every answer is whole at the first request."""
        return None

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer in any of the common shapes, with the vendor's own codes."""
        return decode_error(status, headers, body, secrets=secrets, kinds=self.kinds)

    def token_request(self, target: Target) -> VendorRequest | None:
        """Nearly every key is used as it is."""
        return None

    def decode_token(self, body: bytes) -> AccessToken:
        """Only dialects that exchange their key are asked."""
        raise VendorError("auth", vendor_code="no_access_token")


class BaseDecoder:
    """What most readers of streams leave as it is."""

    def finish(self) -> list[Delta]:
        """Add nothing: the last event has said it."""
        return []
