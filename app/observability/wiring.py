"""What the composition root needs of this package before anything else is there."""

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from app.settings import Settings

if TYPE_CHECKING:
    from app.observability.tracing import Tracing


def metrics_folder(data: Path) -> Path:
    """Give where the workers of a data directory keep their figures."""
    return data / "metrics"


def open_tracing(settings: Settings, node: str, stack: contextlib.AsyncExitStack) -> "Tracing | None":
    """Begin to export traces, if that is asked for; where to is said by the exporter's own OTEL_ variables."""
    if not settings.traces:
        return None
    # Imported here: half a second and ten megabytes that nobody without traces should pay for.
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter  # noqa: PLC0415

    from app.observability.tracing import Tracing  # noqa: PLC0415

    tracing = Tracing(
        OTLPSpanExporter(),
        node=node,
        accept_context=settings.trace_context in {"accept", "both"},
        send_context=settings.trace_context in {"send", "both"},
    )
    stack.callback(tracing.stop)
    return tracing
