"""What a vendor's dialect and a client's surface are: pure functions from values to bytes and back.

A dialect knows one vendor's wire format and opens no socket. Between a client and a vendor of one dialect bytes pass
through (`Native`); between two dialects everything goes by the canonical request and the deltas.
"""

import datetime as dt
from collections.abc import Mapping
from typing import Literal, Protocol, TypeAlias

import msgspec

from domain.errors import TallygateError
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, ClientDialect, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta
from domain.relay.ports import VendorRequest
from domain.relay.tasks import TaskRequest
from domain.relay.vendor_errors import VendorError

Framing: TypeAlias = Literal["sse", "ndjson", "aws", "websocket", "whole", "raw"]
"""How a streamed answer is cut into frames: events, lines of JSON, AWS's binary messages, WebSocket messages; or not
at all, when the vendor answers in one piece, or in pieces that nobody here reads."""

CanonicalRequest: TypeAlias = ChatRequest | TaskRequest


class UnsupportedParameterError(TallygateError):
    """The vendor cannot do what a parameter asks for, and the channel is not told to drop it."""

    code = "unsupported_parameter"

    def __init__(self, param: str, message: str = "") -> None:
        """Take the canonical name of the parameter, and what to do instead if that can be said."""
        self.param = param
        self.message = message or f"The parameter '{param}' is not supported by this model's vendor: leave it out."
        super().__init__(self.message)


class Frame(msgspec.Struct, frozen=True, gc=False):
    """One message of a stream, taken out of its framing."""

    data: bytes
    """The payload; empty for a comment (heartbeat), which carries nothing."""
    raw: bytes = b""
    """The frame as it can be passed on, where bytes may pass through."""
    event: bytes = b""
    """Its name, where the framing has names: SSE's `event`, AWS's `:event-type` (or `:exception-type`)."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where one attempt goes: the channel's address, credential and options, and what signing needs."""

    base_url: str
    """The channel's own, else its type's default; no slash at the end."""
    key: str = ""
    """The vendor key as the operator entered it: one value, or the type's composite such as `AK|SK`."""
    model: str
    """The vendor's own name for the model."""
    options: Mapping[str, str] = {}
    """The channel's fields other than key and address (region, api_version, app_id ...), as its type's form declares
    them."""
    access_token: str = ""
    """What `token_request` was exchanged for, where the type has one."""
    now: dt.datetime
    request_id: str
    """A UUID: seeds ids and nonces, so that encoding stays a function of its arguments."""
    output_tokens_max: int | None = None
    """The output limit per choice to be said to the vendor; the client's own, perhaps lowered. None: none is said,
    unless the vendor demands one."""
    drops_unsupported: bool = False
    """Whether a parameter that the vendor cannot do is left out; otherwise UnsupportedParameterError."""


class AccessToken(msgspec.Struct, frozen=True):
    """What a credential was exchanged for."""

    value: str
    lifetime_seconds: float


class StreamDecoder(Protocol):
    """Reads one stream, in order; keeps what spans frames, such as open content blocks."""

    def feed(self, frame: Frame) -> list[Delta]:
        """Give what a frame says; an error, too, is a delta. Nothing is raised, whatever the vendor sent."""

    def finish(self) -> list[Delta]:
        """Give what the end of the body completes. A stream that must not end here says so with an error delta."""


class VendorDialect(Protocol):
    """One vendor's wire format. Stateless: one value serves every channel of its types."""

    framing: Framing
    surfaces: frozenset[Surface]
    """What it can serve; chat also serves legacy completions."""

    def encode(self, call: Call, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give the first request of a call; UnsupportedParameterError or InvalidRequestError if it cannot be said.

        `call.stream` says whether the client streams; a dialect may stream from its vendor in any case, and says so by
        `VendorRequest.streams`.
        """

    def follow(self, reply: bytes, previous: VendorRequest, target: Target) -> VendorRequest | None:
        """Give the next request, where an answer of status 200 is only a step; None where it is the answer.

        Steps are a job to be polled, or an address where the result is to be read.
        """

    def decoder(self, call: Call) -> StreamDecoder:
        """Give a reader for one stream."""

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer of status 200: pieces or a result, usage, or the error inside it. Nothing is raised."""

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read an answer of status 400 or above."""

    def token_request(self, target: Target) -> VendorRequest | None:
        """Give the request that exchanges the credential for an access token; None for types without one."""

    def decode_token(self, body: bytes) -> AccessToken:
        """Read the answer to it; VendorError of kind auth if it holds none."""


class Native(Protocol):
    """A dialect that clients speak too, so that bytes may pass through; only usage and errors are read."""

    end_mark: bytes
    """The frame that ends a stream whose vendor sent none (`data: [DONE]` and a blank line); empty where there is none
    to send."""

    def encode_native(self, call: Call, target: Target) -> VendorRequest:
        """Give the client's own body, patched: model, output limit, the wish for usage. Unknown members stay."""

    def decode_native(self, frame: Frame) -> Delta:
        """Read a frame: text for our own count, usage, error, end; no pieces."""

    def rewrite_frame(self, frame: Frame, delta: Delta, call: Call, model: str) -> bytes | None:
        """Give the payload for the client; the same object if it passes unchanged, None if it must not be seen."""

    def decode_native_body(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer: usage, text, error; no pieces."""

    def rewrite_body(self, body: bytes, call: Call, model: str) -> bytes:
        """Give the whole answer for the client: the vendor's own, under the model name that the client used."""

    def missing_usage(self, like: bytes, usage: TokenUsage, call: Call) -> bytes:
        """Give the frame that tells a client the usage that it asked for and the vendor left out; empty for none.

        `like` is the data of one of the stream's own frames, for its ids.
        """


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """The envelope of an answer."""

    answer_id: str
    """A UUID without hyphens, to be dressed as the surface does (`chatcmpl-...`, `msg_...`)."""
    created: int
    """Unix seconds."""


class AnswerWriter(Protocol):
    """Writes one streamed answer for a client, from deltas, as bytes of its surface's stream."""

    media_type: str
    """Of the stream: `text/event-stream; charset=utf-8`, nearly always."""

    def write(self, delta: Delta) -> bytes:
        """Give what the client sees of a delta; empty for nothing."""

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Give the end: the finish reason if it is still owed, the usage if asked for, the end mark.

        `note` is a line about the charge, to be sent as a comment.
        """

    def fail(self, error: "ClientError") -> bytes:
        """Give an error in mid-stream, in the surface's form; nothing follows it."""


class ClientError(Protocol):
    """What a refusal needs to say on any surface."""

    status: int
    message: str
    type: str
    code: str | None
    param: str | None


class ClientSurface(Protocol):
    """One contract that clients speak: reading its calls, writing its answers and errors."""

    dialect: ClientDialect

    @property
    def headers(self) -> frozenset[str]:
        """The client's headers, in lower case, that go on to a vendor of this contract (`Call.headers`)."""

    @property
    def takes_comments(self) -> bool:
        """Whether the SDKs of this contract pass over comments in a stream."""

    @property
    def passes_bytes(self) -> bool:
        """Whether a vendor's stream may pass through as it comes."""

    def parse(
        self,
        surface: Surface,
        body: bytes,
        *,
        content_type: str = "application/json",
        model: str = "",
        stream: bool = False,
    ) -> Call:
        """Read what routing and pricing need; `model` and `stream` come from the path, where it says them.

        `content_type` is the request's own, with the boundary of a multipart form. InvalidRequestError for what
        cannot be routed or priced.
        """

    def canonical(self, call: Call) -> CanonicalRequest:
        """Read the whole body; InvalidRequestError naming the member at fault."""

    def writer(self, call: Call, said: Said) -> AnswerWriter:
        """Give a writer for one streamed chat answer."""

    def answer(self, call: Call, said: Said, delta: Delta, usage: TokenUsage) -> tuple[bytes, str]:
        """Give a whole answer and its media type; `delta` has all pieces, joined per block, or a result."""

    def error(self, error: ClientError) -> bytes:
        """Give a refusal's body."""
