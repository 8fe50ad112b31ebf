"""AWS Bedrock's runtime: Converse for chat, InvokeModel for vectors, signed with SigV4 or sent with an API key."""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

from adapters.dialects.bedrock.answers import (
    ConverseStream,
    converse_failure,
    decode_converse,
    decode_count,
    decode_vectors,
)
from adapters.dialects.bedrock.requests import converse_body
from adapters.dialects.bedrock.signing import get_signed, post_signed
from adapters.wire.base import BaseDialect
from adapters.wire.kit import given, items, member, texts_of, words
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Media
from domain.relay.delta import Delta
from domain.relay.dialect import Framing, StreamDecoder, Target, UnsupportedParameterError
from domain.relay.ports import VendorRequest
from domain.relay.tasks import EmbeddingsRequest
from domain.relay.vendor_errors import VendorError


class BedrockDialect(BaseDialect):
    """Bedrock's models, whoever made them."""

    framing: Framing = "aws"
    surfaces: frozenset[Surface] = frozenset({"chat", "count_tokens", "embeddings"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a chat, or of its count of tokens."""
        body = converse_body(call, request, target)
        if call.surface == "count_tokens":
            kept = {name: body[name] for name in ("messages", "system", "toolConfig") if name in body}
            return post_signed(_path(target, "count-tokens"), {"input": {"converse": kept}}, target)
        return post_signed(_path(target, "converse-stream" if call.stream else "converse"), body, target)

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the model's own body for vectors: Cohere takes many texts, Titan one."""
        if not target.drops_unsupported:
            for name in request.others:
                raise UnsupportedParameterError(name)
        texts = texts_of(request)
        if "cohere" in target.model:
            body: dict[str, Any] = given(
                texts=texts, input_type=request.task or "search_document", output_dimension=request.dimensions
            )
            return post_signed(_path(target, "invoke"), body, target)
        if len(texts) != 1:
            raise InvalidRequestError("This model takes one text per call: send a call for each.", param="input")
        return post_signed(_path(target, "invoke"), given(inputText=texts[0], dimensions=request.dimensions), target)

    def must_fetch(self, media: Media) -> bool:
        """Tell whether an address in a request must be replaced by its bytes before it is encoded."""
        return bool(media.url)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read named messages."""
        return ConverseStream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        match call.surface:
            case "embeddings":
                return decode_vectors(body, headers)
            case "count_tokens":
                return decode_count(body)
            case _:
                return decode_converse(body)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer; the parts of a composite key are secrets, too."""
        parts = tuple(part for secret in secrets for part in secret.split("|") if len(part) >= _SECRET_LEAST)
        return converse_failure(status, headers, body, secrets=(*secrets, *parts))

    # ---- The channel itself

    def models_request(self, target: Target) -> VendorRequest | None:
        """List models, at the interface beside the runtime's; None for an address of the operator's own."""
        if "bedrock-runtime" not in target.base_url:
            return None
        return get_signed("/foundation-models", target)

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read their names."""
        found = items(member(loads(body), "modelSummaries"))
        return tuple(name for each in found if (name := words(member(each, "modelId"))))

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Give nothing: the vendor tells nobody's balance."""
        return None

    def decode_balance(self, body: bytes) -> Mapping[str, Any]:
        """Read nothing, for nothing is asked."""
        return {}


_SECRET_LEAST: Final = 8
"""Shorter parts of a key are no secrets, and would be cut out of words."""


def _path(target: Target, verb: str) -> str:
    # One segment, whatever is in the model's name: the slashes of an ARN too.
    return f"/model/{quote(target.model, safe='')}/{verb}"


DIALECT: Final = BedrockDialect()
