"""OpenTelemetry traces of model requests: the request, its hold, each attempt at a vendor, its end. Off by default.

Everything is recorded from outside: around the application, around the ledger, around vendors. Nothing of a prompt or
an answer is in a span, nor a header but `traceparent`. Spans are handed to a thread by way of a bounded queue; when the
collector is slow or away they are dropped, and counted.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, Protocol
from urllib.parse import urlsplit

import msgspec
import structlog
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.trace import Span, SpanKind, Status, StatusCode, Tracer, set_span_in_context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from app.observability.span_outbox import SpanOutbox
from app.observability.spans import OPERATIONS, PROVIDERS
from app.version import VERSION
from domain.holds.events import HoldAuthorized, HoldCaptured
from domain.ledger.commands import Answer, Code, Command, Kind
from domain.ports import LedgerUnavailableError
from domain.relay.ports import Vendor, VendorReply, VendorRequest
from domain.relay.vendor_errors import VendorError

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export import SpanExporter

_log = structlog.get_logger(__name__)
_ERROR_STATUS: Final = 400
_FAULT_STATUS: Final = 500
_captured: Final = msgspec.json.Decoder(HoldCaptured).decode
_authorized: Final = msgspec.json.Decoder(HoldAuthorized).decode


class Ledger(Protocol):
    """What the relay asks of the ledger."""

    @property
    def available(self) -> bool:
        """Whether the last call came through."""

    def enqueue(self, command: Command) -> asyncio.Future[Answer]:
        """Queue a command."""

    async def submit(
        self,
        command: Command,
        *,
        patience_seconds: float | None = None,
        on_late: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Apply a command, and wait for its commit."""


class RequestTrace:
    """The spans of one request, found by whatever works for it by way of a context variable."""

    def __init__(self, span: Span) -> None:
        """Take the request's own span."""
        self.span = span
        self.context = set_span_in_context(span)
        self.attempt: Span | None = None
        self.operation = ""
        self.model = ""

    def failed(self, error: BaseException) -> None:
        """Note what the application raised."""
        self.span.set_attribute("error.type", type(error).__name__)

    def ended(self, method: str, route: str, status: int) -> None:
        """End the request's span."""
        span = self.span
        span.set_attributes({"http.request.method": method, "http.route": route, "http.response.status_code": status})
        if status >= _ERROR_STATUS:
            span.set_attribute("error.type", str(status))
        if status >= _FAULT_STATUS:
            span.set_status(Status(StatusCode.ERROR))
        span.end()
        _current.set(None)


_current: Final[ContextVar[RequestTrace | None]] = ContextVar("_current", default=None)


class Tracing:
    """Makes spans; what it wraps works the same, and says what it does."""

    def __init__(
        self, exporter: "SpanExporter", *, node: str, accept_context: bool, send_context: bool, **outbox: Any
    ) -> None:
        """Take where spans go, and whether to believe callers' `traceparent`, and to send one to vendors."""
        self.outbox = SpanOutbox(exporter, **outbox)
        resource = Resource.create({"service.version": VERSION, "service.instance.id": node})
        if resource.attributes.get("service.name", "unknown_service").startswith("unknown_service"):  # type: ignore[union-attr]
            resource = resource.merge(Resource({"service.name": "tallygate"}))
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        provider.add_span_processor(self.outbox)
        self._tracer = provider.get_tracer("tallygate", VERSION)
        self._accepts = accept_context
        self._sends = send_context

    def stop(self) -> None:
        """Send what is left, within a second or two."""
        self.outbox.shutdown()

    def request(self, scope: Any) -> RequestTrace:
        """Begin the span of a request, below the caller's where that is believed."""
        context = None
        if self._accepts:
            carrier = {
                name.decode("latin-1"): value.decode("latin-1")
                for name, value in scope["headers"]
                if name in {b"traceparent", b"tracestate"}
            }
            context = _propagator.extract(carrier)
        trace = RequestTrace(self._tracer.start_span(scope["method"], context=context, kind=SpanKind.SERVER))
        _current.set(trace)
        return trace

    def ledger(self, ledger: Ledger) -> "TracedLedger":
        """Give a ledger that says what it does for requests."""
        return TracedLedger(ledger, self._tracer)

    def vendor(self, channel_type: str, vendor: Vendor) -> "TracedVendor":
        """Give a vendor that says what it does."""
        return TracedVendor(vendor, channel_type, self._tracer, sends_context=self._sends)


_propagator: Final = TraceContextTextMapPropagator()


class TracedLedger:
    """A ledger with a span around each hold and each end of one."""

    def __init__(self, ledger: Ledger, tracer: Tracer) -> None:
        """Take the ledger itself."""
        self._ledger = ledger
        self._tracer = tracer

    @property
    def available(self) -> bool:
        """Whether the last call came through."""
        return self._ledger.available

    async def submit(
        self,
        command: Command,
        *,
        patience_seconds: float | None = None,
        on_late: Callable[[Answer], None] | None = None,
    ) -> Answer:
        """Apply a command, and wait for its commit."""
        trace = _current.get()
        if trace is None or command.kind is not Kind.HOLD:
            return await self._ledger.submit(command, patience_seconds=patience_seconds, on_late=on_late)
        self._describe(trace, command)
        span = self._tracer.start_span("hold", context=trace.context)
        try:
            answer = await self._ledger.submit(command, patience_seconds=patience_seconds, on_late=on_late)
        except LedgerUnavailableError:
            span.set_attribute("error.type", "ledger_unavailable")
            raise
        else:
            span.set_attribute("tallygate.code", answer.code.name.lower())
            return answer
        finally:
            span.end()

    def enqueue(self, command: Command) -> asyncio.Future[Answer]:
        """Queue a command."""
        trace = _current.get()
        if trace is None or command.kind is not Kind.END:
            return self._ledger.enqueue(command)
        name = "void"
        if command.type == "hold.captured.v1":
            name = "capture"
            _tell_captured(trace, _captured(command.data))
        span = self._tracer.start_span(name, context=trace.context)
        answer = self._ledger.enqueue(command)
        answer.add_done_callback(lambda done: _end_settled(span, done))
        return answer

    def _describe(self, trace: RequestTrace, command: Command) -> None:
        hold = _authorized(command.data)
        trace.operation = OPERATIONS.get(hold.surface, hold.surface)
        trace.model = hold.model_asked
        trace.span.update_name(f"{trace.operation} {trace.model}")
        trace.span.set_attributes(
            {
                "gen_ai.operation.name": trace.operation,
                "gen_ai.request.model": trace.model,
                "gen_ai.request.stream": hold.stream,
                "tallygate.request_id": hold.hold_id,
                "tallygate.tenant_id": command.tenant_id,
            }
        )


def _end_settled(span: Span, done: asyncio.Future[Answer]) -> None:
    if done.cancelled() or done.exception() is not None:
        span.set_attribute("error.type", "cancelled" if done.cancelled() else type(done.exception()).__name__)
    else:
        answer = done.result()
        span.set_attribute("tallygate.code", answer.code.name.lower())
        if answer.code not in {Code.OK, Code.EXISTS}:
            span.set_status(Status(StatusCode.ERROR))
    span.end()


def _tell_captured(trace: RequestTrace, event: HoldCaptured) -> None:
    usage = event.usage
    attributes: dict[str, str | int] = {
        "gen_ai.response.model": event.model_routed,
        "gen_ai.usage.input_tokens": usage.input_total,
        "gen_ai.usage.output_tokens": usage.output_total,
    }
    details = {
        "gen_ai.usage.cache_read.input_tokens": usage.cached_input_tokens,
        "gen_ai.usage.cache_creation.input_tokens": usage.cache_writes,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    attributes |= {name: count for name, count in details.items() if count}
    if trace.attempt is not None:
        trace.attempt.set_attributes(attributes)
    trace.span.set_attributes({**attributes, "tallygate.charge_nanos": event.captured_nanos})


class TracedVendor:
    """A vendor with a span around each attempt, which ends when its answer is let go of."""

    def __init__(self, vendor: Vendor, channel_type: str, tracer: Tracer, *, sends_context: bool) -> None:
        """Take the vendor itself."""
        self._vendor = vendor
        self._provider = PROVIDERS.get(channel_type, channel_type)
        self._tracer = tracer
        self._sends = sends_context

    async def send(self, request: VendorRequest) -> VendorReply:
        """Send a request and wait for the status."""
        trace = _current.get()
        if trace is None:
            return await self._vendor.send(request)
        parts = urlsplit(request.url)
        span = self._tracer.start_span(
            f"{trace.operation} {trace.model}",
            context=trace.context,
            kind=SpanKind.CLIENT,
            attributes={
                "gen_ai.provider.name": self._provider,
                "gen_ai.operation.name": trace.operation,
                "gen_ai.request.model": trace.model,
                "server.address": parts.hostname or "",
                "server.port": parts.port or (443 if parts.scheme == "https" else 80),
            },
        )
        if self._sends:
            carrier = dict(request.headers)
            _propagator.inject(carrier, set_span_in_context(span))
            request = msgspec.structs.replace(request, headers=carrier)
        try:
            reply = await self._vendor.send(request)
        except BaseException as error:
            _fail(span, error)
            span.end()
            raise
        span.set_attribute("http.response.status_code", reply.status)
        if reply.status >= _ERROR_STATUS:
            span.set_attribute("error.type", str(reply.status))
            span.set_status(Status(StatusCode.ERROR))
        trace.attempt = span
        return _TracedReply(reply, span, trace)


class _TracedReply:
    def __init__(self, reply: VendorReply, span: Span, trace: RequestTrace) -> None:
        self._reply = reply
        self._span = span
        self._trace = trace
        self._began = time.perf_counter()

    @property
    def status(self) -> int:
        return self._reply.status

    @property
    def headers(self) -> Mapping[str, str]:
        return self._reply.headers

    async def read(self, bytes_max: int) -> bytes:
        try:
            return await self._reply.read(bytes_max)
        except VendorError as error:
            _fail(self._span, error)
            raise

    async def chunks(self) -> AsyncIterator[bytes]:
        is_first = True
        try:
            async for chunk in self._reply.chunks():
                if is_first:
                    is_first = False
                    waited = time.perf_counter() - self._began
                    self._span.set_attribute("gen_ai.response.time_to_first_chunk", waited)
                yield chunk
        except VendorError as error:
            _fail(self._span, error)
            raise

    async def close(self) -> None:
        await self._reply.close()
        if self._trace.attempt is self._span:
            self._trace.attempt = None
            self._span.end()


def _fail(span: Span, error: BaseException) -> None:
    """Name the class of a failure; its words may be a vendor's, and stay out."""
    kind = (error.vendor_code or error.kind) if isinstance(error, VendorError) else type(error).__name__
    span.set_attribute("error.type", kind[:64])
    span.set_status(Status(StatusCode.ERROR))
