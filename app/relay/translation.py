"""Between one client and one vendor: what is sent, and what of the answer the client gets and when.

Two ways. `Passing`, where both speak one dialect: bytes go through, usage and errors are read on the way. And
`Translating` for all other pairs, by the canonical request and the deltas.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Final, NamedTuple, Protocol, cast

import msgspec

from app.relay.errors import ApiError
from domain.metering.usage import TokenUsage
from domain.relay.assemble import Assembler, increments
from domain.relay.call import Call
from domain.relay.channel_type import ChannelType
from domain.relay.chat import ChatRequest, ResponseFormat
from domain.relay.delta import Delta
from domain.relay.dialect import (
    AnswerWriter,
    CanonicalRequest,
    ClientSurface,
    Frame,
    Native,
    Said,
    StreamDecoder,
    Target,
    VendorDialect,
)
from domain.relay.ports import VendorRequest
from domain.relay.stops import StopTrimmer
from domain.relay.structured import fault_of, in_words, needs_words, unfenced
from domain.relay.vendor_errors import UNFIT, VendorError

EVENT_STREAM: Final = "text/event-stream; charset=utf-8"


_OWN_TYPES: Final = frozenset({"speech", "transcriptions", "translations", "raw"})
"""Surfaces whose answers may be other than JSON: sound, subtitles, plain text."""


class Step(NamedTuple):
    """What one frame means, and what the client gets of it."""

    delta: Delta
    out: bytes = b""
    is_held: bool = False
    """Whether it leaves only after the capture: usage, and whatever ends the answer."""


class Translation(Protocol):
    """One attempt's translation, in order: encode, then either frames or a whole body, then the end."""

    @property
    def media_type(self) -> str:
        """Of the client's stream."""

    def encode(self, target: Target) -> VendorRequest:
        """Give the request; UnsupportedParameterError or InvalidRequestError if the vendor cannot be asked that."""

    def frame(self, frame: Frame) -> list[Step]:
        """Read one frame of a stream."""

    def end(self) -> list[Step]:
        """Read the end of a stream's body."""

    def read(self, body: bytes, headers: Mapping[str, str]) -> Delta:
        """Read a whole answer."""

    def pieces(self) -> Iterator[bytes]:
        """Give the answer that was read as a stream, for a client that streams from a vendor that does not."""

    def answer(self, usage: TokenUsage) -> tuple[bytes, str]:
        """Give the client's whole answer and its media type, from what was read, whole or in frames."""

    def fault(self) -> VendorError | None:
        """Give what is wrong with a stream that seems to have ended well."""

    def close(self, usage: TokenUsage, note: bytes, *, is_reported: bool) -> bytes:
        """Give the end of the client's stream; `note` says the charge, where the stream has room for comments."""

    def fail(self, error: ApiError) -> bytes:
        """Give an error in mid-stream."""


class Passing:
    """Client and vendor speak the same dialect."""

    def __init__(self, call: Call, surface: ClientSurface, dialect: VendorDialect, model: str, said: Said) -> None:
        """Take the call, both sides, the routed model, and the envelope of answers that have none of their own."""
        self._call = call
        self._surface = surface
        self._dialect = dialect
        self._native = cast("Native", dialect)
        self._model = model
        self._said = said
        self._last = b""
        self._end = b""
        self._body = b""
        self._body_type = "application/json"
        self._has_comments = surface.takes_comments

    @property
    def media_type(self) -> str:
        """The same as its writer's; frames pass as events."""
        return EVENT_STREAM

    def encode(self, target: Target) -> VendorRequest:
        """Give the client's own body, patched."""
        return self._native.encode_native(self._call, target)

    def frame(self, frame: Frame) -> list[Step]:
        """Read a frame, and pass it on as it is where it may."""
        if not frame.data:
            return [Step(Delta(usage_only=True), frame.raw)] if self._has_comments else []
        delta = self._native.decode_native(frame)
        if delta.error is not None:
            return [Step(delta)]
        if delta.is_done:
            self._end = frame.raw
            return [Step(delta)]
        self._last = frame.data
        data = self._native.rewrite_frame(frame, delta, self._call, self._model)
        if data is None:
            return [Step(delta)]
        if data is frame.data:
            out = frame.raw
        else:
            out = b"data: " + data + b"\n\n"
            if frame.event:
                out = b"event: " + frame.event + b"\n" + out
        return [Step(delta, out, delta.usage_only and delta.report is not None)]

    def end(self) -> list[Step]:
        """Nothing is left at the end: what was held was a whole frame."""
        return []

    def read(self, body: bytes, headers: Mapping[str, str]) -> Delta:
        """Read usage and errors; the body is kept as it came."""
        self._body = body
        if self._call.surface in _OWN_TYPES:
            self._body_type = headers.get("Content-Type", self._body_type)
        return self._native.decode_native_body(body, headers, self._call)

    def pieces(self) -> Iterator[bytes]:
        """Write the vendor's whole answer as a stream: it was asked to stream, and did not."""
        writer = self._writer()
        whole = self._dialect.decode(self._body, {}, self._call)
        for part in increments(whole):
            yield writer.write(part)

    def answer(self, usage: TokenUsage) -> tuple[bytes, str]:
        """Give the vendor's own answer, under the client's name for the model."""
        del usage
        return self._native.rewrite_body(self._body, self._call, self._model), self._body_type

    def fault(self) -> VendorError | None:
        """Nothing: what the vendor said is what the client gets."""
        return None

    def close(self, usage: TokenUsage, note: bytes, *, is_reported: bool) -> bytes:
        """Give the vendor's own end mark; before it what the vendor left out and the client asked for."""
        if self._body:
            return self._writer().finish(usage, note)
        missing = b""
        if self._call.include_usage and not is_reported:
            missing = self._native.missing_usage(self._last, usage, self._call)
        comment = b": " + note + b"\n\n" if self._has_comments else b""
        return missing + comment + (self._end or self._native.end_mark)

    def fail(self, error: ApiError) -> bytes:
        """Give the error as the client's surface says it."""
        return self._writer().fail(error)

    def _writer(self) -> AnswerWriter:
        return self._surface.writer(self._call, self._said)


class Translating:
    """Client and vendor speak different dialects."""

    def __init__(
        self,
        call: Call,
        surface: ClientSurface,
        channel_type: ChannelType,
        canonical: Callable[[], CanonicalRequest],
        said: Said,
    ) -> None:
        """Take the call, both sides, and what gives the canonical request."""
        self._call = call
        self._surface = surface
        self._dialect = channel_type.dialect
        self._capabilities = channel_type.capabilities
        self._keeps_stops = channel_type.keeps_stops
        self._stops = StopTrimmer(())
        self._shape: ResponseFormat | None = None
        self._canonical = canonical
        self._said = said
        self._writer: Final = surface.writer(call, said)
        self._assembler: Final = Assembler()
        self._decoder: StreamDecoder | None = None
        self._whole: Delta | None = None

    @property
    def media_type(self) -> str:
        """As the client's surface streams."""
        return self._writer.media_type

    def encode(self, target: Target) -> VendorRequest:
        """Give the canonical request in the vendor's words."""
        request = self._canonical()
        if isinstance(request, ChatRequest) and needs_words(request, self._capabilities):
            self._shape = request.response_format
            request = in_words(request, self._capabilities)
        if self._keeps_stops and isinstance(request, ChatRequest):
            self._stops = StopTrimmer(request.stop)
        return self._dialect.encode(self._call, request, target)

    def frame(self, frame: Frame) -> list[Step]:
        """Read a frame into deltas, and write what the client gets of them."""
        if not frame.data and not frame.event:
            return []
        if self._decoder is None:
            self._decoder = self._dialect.decoder(self._call)
        return self._steps(self._decoder.feed(frame))

    def end(self) -> list[Step]:
        """Read what the end completes."""
        return [] if self._decoder is None else self._steps(self._decoder.finish())

    def _steps(self, deltas: list[Delta]) -> list[Step]:
        if self._keeps_stops:
            deltas = [self._trimmed(delta) for delta in deltas]
        if not self._call.stream or self._shape is not None:
            for delta in deltas:
                self._assembler.add(delta)
        if not self._call.stream:
            return [Step(delta) for delta in deltas]
        return [Step(delta, self._writer.write(delta) if delta.pieces else b"") for delta in deltas]

    def _trimmed(self, delta: Delta) -> Delta:
        return msgspec.structs.replace(delta, pieces=self._stops.trim(delta.pieces)) if delta.pieces else delta

    def read(self, body: bytes, headers: Mapping[str, str]) -> Delta:
        """Read a whole answer."""
        whole = self._dialect.decode(body, headers, self._call)
        if self._keeps_stops:
            whole = self._trimmed(whole)
        if self._shape is not None and whole.error is None:
            fault = _shape_fault(whole, self._shape)
            whole = (
                _without_fences(whole) if fault is None else Delta(text=whole.text, report=whole.report, error=fault)
            )
        self._whole = whole
        return whole

    def pieces(self) -> Iterator[bytes]:
        """Write the whole answer as a stream."""
        assert self._whole is not None
        for part in increments(self._whole):
            yield self._writer.write(part)

    def answer(self, usage: TokenUsage) -> tuple[bytes, str]:
        """Give the answer as the client's surface has it."""
        whole = self._whole
        if whole is None:
            whole = self._assembler.whole()
            whole = whole if self._shape is None else _without_fences(whole)
        return self._surface.answer(self._call, self._said, whole, usage)

    def fault(self) -> VendorError | None:
        """Check an answer that was asked for in a format which the vendor could only be told in words."""
        return None if self._shape is None else _shape_fault(self._assembler.whole(), self._shape)

    def close(self, usage: TokenUsage, note: bytes, *, is_reported: bool) -> bytes:
        """Give the end as the client's surface has it."""
        del is_reported
        return self._writer.finish(usage, note)

    def fail(self, error: ApiError) -> bytes:
        """Give the error as the client's surface says it."""
        return self._writer.fail(error)


def translation(
    call: Call,
    *,
    surface: ClientSurface,
    channel_type: ChannelType,
    model: str,
    canonical: Callable[[], CanonicalRequest],
    said: Said,
) -> Translation:
    """Choose the way between a client and a channel: bytes pass wherever both speak the same."""
    passes = call.dialect in channel_type.native and call.surface in channel_type.surfaces
    if passes and (surface.passes_bytes or not call.stream) and not _wants_words(call, channel_type, canonical):
        return Passing(call, surface, channel_type.dialect, model, said)
    return Translating(call, surface, channel_type, canonical, said)


def _wants_words(call: Call, channel_type: ChannelType, canonical: Callable[[], CanonicalRequest]) -> bool:
    """Tell whether a format is asked for that the vendor has no parameter for."""
    if call.surface != "chat" or b'"response_format"' not in call.body or "json_schema" in channel_type.capabilities:
        return False
    request = canonical()
    return isinstance(request, ChatRequest) and needs_words(request, channel_type.capabilities)


def _shape_fault(whole: Delta, shape: ResponseFormat) -> VendorError | None:
    """Give the error of an answer that is not what was asked for; a call of a tool is an answer, too."""
    for choice in {piece.choice for piece in whole.pieces}:
        pieces = [piece for piece in whole.pieces if piece.choice == choice]
        text = "".join(piece.text for piece in pieces)
        if not text and any(piece.tool is not None or piece.refusal for piece in pieces):
            continue
        if fault_of(unfenced(text), shape):
            return VendorError("protocol", vendor_code=UNFIT)
    return None


def _without_fences(whole: Delta) -> Delta:
    pieces = tuple(
        msgspec.structs.replace(piece, text=unfenced(piece.text)) if piece.text else piece for piece in whole.pieces
    )
    return msgspec.structs.replace(whole, pieces=pieces)
