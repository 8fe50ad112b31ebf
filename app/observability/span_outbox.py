"""Where ended spans wait for the exporter's thread: a bounded queue that never waits, and counts what it drops."""

import threading
from collections import deque
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import Span

QUEUE_MAX: Final = 4096
BATCH_MAX: Final = 128
"""Encoding is work of Python's that the event loop waits for: little of it at a time."""
EVERY_SECONDS: Final = 1.0
STOP_SECONDS_MAX: Final = 2.0

_log = structlog.get_logger(__name__)


class SpanOutbox(SpanProcessor):
    """Hands spans to an exporter, in a thread of its own that nothing waits for."""

    def __init__(
        self,
        exporter: SpanExporter,
        *,
        queue_max: int = QUEUE_MAX,
        batch_max: int = BATCH_MAX,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        """Take the exporter; its own time-out and retries are its own affair."""
        self._exporter = exporter
        self._queue: deque[ReadableSpan] = deque()
        self._queue_max = queue_max
        self._batch_max = batch_max
        self._every_seconds = every_seconds
        self._stopping = threading.Event()
        self._wake = threading.Event()
        self.dropped = 0
        """Spans for which there was no room; written by those who end spans alone."""
        self.exported = 0
        self.failed = 0
        """Spans that the exporter gave up; written, as `exported`, by its thread alone."""
        # A daemon: an exporter that hangs must not keep the process from ending.
        self._thread = threading.Thread(target=self._run, name="span-exporter", daemon=True)
        self._thread.start()

    def on_start(self, span: "Span", parent_context: "Context | None" = None) -> None:
        """Do nothing: a span is taken when it has ended."""

    def on_end(self, span: ReadableSpan) -> None:
        """Take a span, or drop it."""
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if len(self._queue) >= self._queue_max or self._stopping.is_set():
            self.dropped += 1
            return
        self._queue.append(span)
        if len(self._queue) >= self._batch_max:
            self._wake.set()

    def shutdown(self) -> None:
        """Send what is queued, if that takes no longer than a moment; what is left is dropped."""
        self._stopping.set()
        self._wake.set()
        self._thread.join(STOP_SECONDS_MAX)
        left = len(self._queue)
        self.dropped += left
        if left:
            _log.warning("spans_dropped", count=left)
        # In a thread of its own, too: an exporter may wait in here for a collector that hangs.
        threading.Thread(target=self._exporter.shutdown, daemon=True).start()

    def force_flush(self, timeout_millis: int = 30000) -> bool:
        """Say that flushing is the thread's affair."""
        del timeout_millis
        self._wake.set()
        return True

    def _run(self) -> None:
        while True:
            self._wake.wait(self._every_seconds)
            self._wake.clear()
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(self._batch_max, len(self._queue)))]
                try:
                    done = self._exporter.export(batch) is SpanExportResult.SUCCESS
                except Exception as error:  # noqa: BLE001 -- the thread must go on
                    _log.warning("span_export_failed", error=type(error).__name__)
                    done = False
                if done:
                    self.exported += len(batch)
                else:
                    self.failed += len(batch)
            if self._stopping.is_set():
                return
