"""Anthropic's contract as clients speak it: `/v1/messages` and `/v1/messages/count_tokens`.

Source: the vendor's SDK for Python, 2.12.
"""

from typing import Annotated, Final

import msgspec

from adapters.surfaces.anthropic_answers import JSON, MessageWriter, count_answer, error_body, message_answer
from adapters.surfaces.anthropic_chat import read_messages
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, ClientDialect, InvalidRequestError, Surface, decoded
from domain.relay.delta import Delta
from domain.relay.dialect import AnswerWriter, CanonicalRequest, ClientError, Said

_Count = Annotated[int, msgspec.Meta(ge=0, le=2**31 - 1)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]


class _Metadata(msgspec.Struct):
    user_id: str | None = None


class _Head(msgspec.Struct):
    """What routing and pricing need."""

    model: _Name
    messages: Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]
    max_tokens: _Count | None = None
    stream: bool | None = None
    tools: list[msgspec.Raw] | None = None
    metadata: _Metadata | None = None


_HEAD: Final = msgspec.json.Decoder(_Head)


class AnthropicSurface:
    """The contract of Anthropic's SDKs."""

    dialect: ClientDialect = "anthropic"
    headers: frozenset[str] = frozenset({"anthropic-beta", "anthropic-version"})
    """The client's headers that go on to a vendor of this contract (`Call.headers`)."""
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
        """Read what routing and pricing need."""
        if surface not in ("chat", "count_tokens"):
            raise InvalidRequestError(f"There is no {surface} in this contract.")
        head = decoded(_HEAD.decode, body)
        if surface == "chat" and head.max_tokens is None:
            raise InvalidRequestError(
                "max_tokens: Field required", param="max_tokens", reason="missing_required_parameter"
            )
        return Call(
            surface=surface,
            dialect="anthropic",
            model=head.model,
            body=body,
            stream=bool(head.stream) and surface == "chat",
            output_tokens_max=head.max_tokens,
            has_tools=bool(head.tools),
            has_images=b'"image"' in body or b"\\u00" in body,
            user=None if head.metadata is None else head.metadata.user_id,
        )

    def canonical(self, call: Call) -> CanonicalRequest:
        """Read the whole body; InvalidRequestError naming the member at fault."""
        return read_messages(call)

    def writer(self, call: Call, said: Said) -> AnswerWriter:
        """Give a writer for one stream."""
        return MessageWriter(call, said)

    def answer(self, call: Call, said: Said, delta: Delta, usage: TokenUsage) -> tuple[bytes, str]:
        """Give a whole answer and its media type."""
        if call.surface == "count_tokens":
            return count_answer(usage.input_total), JSON
        return message_answer(call, said, delta, usage), JSON

    def error(self, error: ClientError) -> bytes:
        """Give a refusal's body."""
        return error_body(error)


SURFACE: Final = AnthropicSurface()
