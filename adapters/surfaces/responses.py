"""OpenAI's Responses API as clients speak it: `/v1/responses`, plain and as a stream of named events.

Earlier responses are kept by the vendor that made them, and by nobody else: `previous_response_id` works where the
bytes pass through, and is refused by name otherwise.
"""

from typing import Annotated, Any, Final

import msgspec

from adapters.surfaces.openai_answers import JSON, error_body
from adapters.surfaces.responses_reading import read_response_request, unsupported
from adapters.surfaces.responses_writing import ResponseWriter
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, ClientDialect, Surface, decoded
from domain.relay.delta import Delta
from domain.relay.dialect import AnswerWriter, CanonicalRequest, ClientError, Said

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _Head(msgspec.Struct):
    model: _Name
    input: str | Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    stream: bool | None = None
    max_output_tokens: _Count | None = None
    tools: list[msgspec.Raw] | None = None
    background: bool | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


_head: Final = msgspec.json.Decoder(_Head)


class ResponsesSurface:
    """The contract of /v1/responses."""

    dialect: ClientDialect = "responses"
    headers: frozenset[str] = frozenset()
    """The client's headers that go on to a vendor of this contract."""
    takes_comments: bool = True
    """Whether the SDKs of this contract pass over comments in a stream."""
    passes_bytes: bool = True
    """Whether a vendor's stream may pass through as it comes."""

    def parse(
        self,
        surface: Surface,
        body: bytes,
        *,
        content_type: str = JSON,
        model: str = "",
        stream: bool = False,
    ) -> Call:
        """Read what routing and pricing need; InvalidRequestError. Usage is part of every answer."""
        asked = decoded(_head.decode, body)
        if asked.background:
            raise unsupported("background", "Responses are not made in the background here")
        return Call(
            surface="chat",
            dialect="responses",
            model=asked.model,
            body=body,
            stream=bool(asked.stream),
            include_usage=True,
            output_tokens_max=asked.max_output_tokens,
            has_tools=bool(asked.tools),
            has_images=b'"input_image"' in body,
            user=asked.safety_identifier or asked.prompt_cache_key or asked.user,
        )

    def canonical(self, call: Call) -> CanonicalRequest:
        """Read the whole body; InvalidRequestError naming the member at fault."""
        return read_response_request(call)

    def writer(self, call: Call, said: Said) -> AnswerWriter:
        """Give a writer for one stream."""
        return ResponseWriter(call, said)

    def answer(self, call: Call, said: Said, delta: Delta, usage: TokenUsage) -> tuple[bytes, str]:
        """Give a whole response."""
        writer = ResponseWriter(call, said)
        writer.write(delta)
        body: dict[str, Any] = writer.whole(usage)
        return msgspec.json.encode(body), JSON

    def error(self, error: ClientError) -> bytes:
        """Give the envelope of a refusal."""
        return error_body(error)


SURFACE: Final = ResponsesSurface()
