"""Every metric, declared once: docs/observability.md and the figures that are counted are both made from here.

Names are those of OpenTelemetry's semantic conventions as Prometheus spells them, where there is one. No label has a
value that a client or a tenant can choose: models are those of the rate card, everything else is ours to name.
"""

from typing import Final, Literal

import msgspec

Kind = Literal["counter", "gauge", "histogram"]
Scope = Literal["node", "database"]

_HTTP_SECONDS: Final = (
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0, 120.0, 300.0,
)  # fmt: skip
"""OpenTelemetry's for HTTP servers, and beyond them: an answer of a model may take minutes."""
_FIRST_TOKEN_SECONDS: Final = (
    0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0, 30.0, 60.0,
)  # fmt: skip
"""OpenTelemetry's for `gen_ai.server.time_to_first_token`, and two for vendors that think first."""
_OPERATION_SECONDS: Final = (
    0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84,
)  # fmt: skip
"""OpenTelemetry's for `gen_ai.client.operation.duration`, and one more."""
_LEDGER_SECONDS: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_BATCH_COMMANDS: Final = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)
_LAG_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0)


class Metric(msgspec.Struct, frozen=True):
    """One metric."""

    name: str
    """As Prometheus shows it, without the `_total`, `_bucket`, `_sum` and `_count` that it adds."""
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()
    merge: Literal["sum", "max"] = "sum"
    """How the figures of several workers become one."""
    scope: Scope = "node"
    """Figures of the database are the same from every node: take their maximum, never their sum."""


HTTP_DURATION: Final = Metric(
    "http_server_request_duration_seconds",
    "histogram",
    "From the first byte of a request to the last of its answer.",
    ("http_request_method", "http_route", "http_response_status_code"),
    _HTTP_SECONDS,
)
HTTP_ACTIVE: Final = Metric(
    "http_server_active_requests", "gauge", "Requests in flight: model routes, and all others.", ("part",)
)
STREAM_FIRST_BYTE: Final = Metric(
    "tallygate_stream_first_byte_seconds",
    "histogram",
    "From a request's arrival to the first byte of its stream, admission and failover included: what clients feel.",
    ("http_route",),
    _FIRST_TOKEN_SECONDS,
)
FIRST_TOKEN: Final = Metric(
    "gen_ai_server_time_to_first_token_seconds",
    "histogram",
    "From calling the vendor to the first byte of its stream, of the attempt that answered.",
    ("gen_ai_request_model", "channel_type"),
    _FIRST_TOKEN_SECONDS,
)
OPERATION: Final = Metric(
    "gen_ai_client_operation_duration_seconds",
    "histogram",
    "One call to a vendor, failed ones included, from sending to the end of its answer.",
    ("channel_type",),
    _OPERATION_SECONDS,
)
ATTEMPTS: Final = Metric(
    "tallygate_vendor_attempts",
    "counter",
    "Calls to vendors by how they ended.",
    ("channel_type", "outcome"),
)
REQUESTS: Final = Metric(
    "tallygate_requests",
    "counter",
    "Admitted requests by how their hold ended (captured, voided, expired), and the outcome or the reason.",
    ("end", "reason"),
)
TOKENS: Final = Metric(
    "tallygate_tokens",
    "counter",
    "Tokens charged, by class. The classes are a partition: they add up to the total.",
    ("gen_ai_request_model", "token_class"),
)
SPEND: Final = Metric(
    "tallygate_spend_nanos",
    "counter",
    "Charged to wallets, in 10^-9 of the currency.",
    ("gen_ai_request_model", "currency"),
)
VENDOR_COST: Final = Metric(
    "tallygate_vendor_cost_nanos",
    "counter",
    "What vendors charge for it by their cost cards, in 10^-9 of the currency.",
    ("gen_ai_request_model", "currency"),
)
REFUSALS: Final = Metric(
    "tallygate_refusals", "counter", "Requests refused before their hold, by the code that the client saw.", ("code",)
)
LEDGER_BATCH: Final = Metric(
    "tallygate_ledger_batch_commands", "histogram", "Commands per call of the ledger.", (), _BATCH_COMMANDS
)
LEDGER_DURATION: Final = Metric(
    "tallygate_ledger_batch_duration_seconds",
    "histogram",
    "One call of the ledger: round trip and commit.",
    (),
    _LEDGER_SECONDS,
)
LEDGER_COMMANDS: Final = Metric(
    "tallygate_ledger_commands", "counter", "Commands by kind and the ledger's answer.", ("kind", "code")
)
LEDGER_AVAILABLE: Final = Metric(
    "tallygate_ledger_available", "gauge", "Workers whose last call of the ledger came through."
)
JOURNAL_HOLDS: Final = Metric(
    "tallygate_journal_open_holds", "gauge", "Requests whose end is in the journal and not yet acknowledged by the log."
)
JOURNAL_BYTES: Final = Metric("tallygate_journal_bytes", "gauge", "Size of the journals of the workers.")
JOURNAL_BYTES_MAX: Final = Metric(
    "tallygate_journal_bytes_max", "gauge", "What they may grow to before no request is admitted."
)
LOOP_LAG: Final = Metric(
    "tallygate_event_loop_lag_seconds",
    "histogram",
    "How much later than asked the event loop wakes, measured four times a second.",
    (),
    _LAG_SECONDS,
)
LOOP_LAG_MAX: Final = Metric(
    "tallygate_event_loop_lag_max_seconds", "gauge", "The worst of it in the last second, of any worker.", merge="max"
)
WORKERS: Final = Metric("tallygate_workers", "gauge", "Workers that run.")
WORKER_STARTS: Final = Metric(
    "tallygate_worker_starts", "counter", "Starts of workers: more than there are workers means that some have died."
)
CPU_SECONDS: Final = Metric(
    "process_cpu_seconds", "counter", "CPU time of the workers and the process beside them, user and system."
)
RESIDENT: Final = Metric(
    "process_resident_memory_bytes", "gauge", "Resident memory of the workers and the process beside them."
)
OPEN_FILES: Final = Metric(
    "process_open_fds", "gauge", "Open files and sockets of the workers and the process beside them."
)
SPANS: Final = Metric("tallygate_spans", "counter", "Spans of traces: exported, failed to export, dropped.", ("fate",))
BUILD: Final = Metric("tallygate_build_info", "gauge", "1, with the version that runs.", ("version",), merge="max")

DATABASE_UP: Final = Metric(
    "tallygate_database_up", "gauge", "1 if the database answered this scrape; else what follows is missing.",
    scope="database",
)  # fmt: skip
HOLDS_OPEN: Final = Metric("tallygate_holds_open", "gauge", "Holds without an end.", scope="database")
HOLDS_OVERDUE: Final = Metric(
    "tallygate_holds_overdue", "gauge", "Of these, past their deadline by more than ten minutes.", scope="database"
)
PROJECTION_LAG: Final = Metric(
    "tallygate_projection_lag_events", "gauge", "Events that a read model has not folded yet.", ("projection",),
    scope="database",
)  # fmt: skip
PROJECTION_PARKED: Final = Metric(
    "tallygate_projection_parked_lanes", "gauge", "Lanes of a read model that wait at an event it cannot fold.",
    ("projection",), scope="database",
)  # fmt: skip
SEALER_LAG: Final = Metric(
    "tallygate_sealer_lag_events", "gauge", "Events that are not in a signed block yet; missing before the first seal.",
    scope="database",
)  # fmt: skip

METRICS: Final[tuple[Metric, ...]] = (
    HTTP_DURATION, HTTP_ACTIVE, STREAM_FIRST_BYTE, FIRST_TOKEN, OPERATION, ATTEMPTS, REQUESTS, TOKENS, SPEND,
    VENDOR_COST, REFUSALS, LEDGER_BATCH, LEDGER_DURATION, LEDGER_COMMANDS, LEDGER_AVAILABLE, JOURNAL_HOLDS,
    JOURNAL_BYTES, JOURNAL_BYTES_MAX, LOOP_LAG, LOOP_LAG_MAX, WORKERS, WORKER_STARTS, CPU_SECONDS, RESIDENT, OPEN_FILES,
    SPANS, BUILD, DATABASE_UP, HOLDS_OPEN, HOLDS_OVERDUE, PROJECTION_LAG, PROJECTION_PARKED, SEALER_LAG,
)  # fmt: skip
BY_NAME: Final = {metric.name: metric for metric in METRICS}
GAUGES: Final = frozenset(metric.name for metric in METRICS if metric.kind == "gauge")


def metrics_table() -> str:
    """Give the metrics as a table, for the documentation."""
    rows = [f"| `{_shown(m)}` | {m.kind} | {_labels(m)} | {m.help} |" for m in METRICS]
    return "\n".join(["| metric | type | labels | meaning |", "|---|---|---|---|", *rows])


def _shown(metric: Metric) -> str:
    return metric.name + "_total" if metric.kind == "counter" else metric.name


def _labels(metric: Metric) -> str:
    return ", ".join(f"`{label}`" for label in metric.labels)
