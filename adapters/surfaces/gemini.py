"""Gemini's contract as clients speak it: `/v1beta/models/{model}:generateContent` and its neighbors.

Source: google-genai 3.4.
"""

from typing import Final

from adapters.surfaces.gemini_answers import (
    JSON,
    ArrayWriter,
    EventWriter,
    count_answer,
    embeddings_answer,
    error_body,
    generated_answer,
)
from adapters.surfaces.gemini_chat import read_embeddings, read_generate, read_limits, read_members
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, ClientDialect, InvalidRequestError, Surface
from domain.relay.delta import Delta
from domain.relay.dialect import AnswerWriter, CanonicalRequest, ClientError, Said
from domain.relay.tasks import Embeddings


class GeminiSurface:
    """The contract of Google's SDKs; `is_array` for streams that are one list, for clients that ask for no events."""

    dialect: ClientDialect = "gemini"
    headers: frozenset[str] = frozenset()
    """The client's headers that go on to a vendor of this contract: none."""
    takes_comments: bool = False
    """Whether the SDKs of this contract pass over comments in a stream: Google's for Python fails on them."""

    def __init__(self, *, is_array: bool = False) -> None:
        """Take how a stream is framed."""
        self._is_array = is_array

    @property
    def passes_bytes(self) -> bool:
        """Whether a stream may pass through: a list is cut from events, so that it must be written anew."""
        return not self._is_array

    def parse(
        self,
        surface: Surface,
        body: bytes,
        *,
        content_type: str = JSON,
        model: str = "",
        stream: bool = False,
    ) -> Call:
        """Read what routing and pricing need; the path names the model."""
        if surface not in ("chat", "count_tokens", "embeddings"):
            raise InvalidRequestError(f"There is no {surface} in this contract.")
        members = read_members(body)
        counted = members.get("generateContentRequest") if surface == "count_tokens" else None
        holder = counted if isinstance(counted, dict) else members
        limit, candidates = read_limits(holder)
        return Call(
            surface=surface,
            dialect="gemini",
            model=model.removeprefix("models/"),
            body=body,
            content_type=content_type,
            stream=stream and surface == "chat",
            output_tokens_max=limit,
            n=candidates,
            has_tools=bool(holder.get("tools")),
            has_images=b"mage/" in body or b"\\u00" in body,
        )

    def canonical(self, call: Call) -> CanonicalRequest:
        """Read the whole body; InvalidRequestError naming the member at fault."""
        return read_embeddings(call) if call.surface == "embeddings" else read_generate(call)

    def writer(self, call: Call, said: Said) -> AnswerWriter:
        """Give a writer for one stream."""
        return ArrayWriter(call, said) if self._is_array else EventWriter(call, said)

    def answer(self, call: Call, said: Said, delta: Delta, usage: TokenUsage) -> tuple[bytes, str]:
        """Give a whole answer and its media type."""
        if call.surface == "count_tokens":
            return count_answer(usage.input_total), JSON
        if isinstance(delta.result, Embeddings):
            return embeddings_answer(delta.result, is_batch="requests" in read_members(call.body)), JSON
        return generated_answer(call, said, delta, usage), JSON

    def error(self, error: ClientError) -> bytes:
        """Give a refusal's body."""
        return error_body(error)


SURFACE: Final = GeminiSurface()
SURFACE_ARRAY: Final = GeminiSurface(is_array=True)
"""For `:streamGenerateContent` without `alt=sse`."""
