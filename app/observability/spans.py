"""What spans are called and what they say, in the words of OpenTelemetry's GenAI conventions; docs are made from it."""

from collections.abc import Mapping
from typing import Final

OPERATIONS: Final[Mapping[str, str]] = {"completions": "text_completion"}
"""Surfaces whose name in OpenTelemetry's GenAI conventions is another."""
PROVIDERS: Final[Mapping[str, str]] = {
    "azure": "azure.ai.openai",
    "bedrock": "aws.bedrock",
    "gemini": "gcp.gemini",
    "mistral": "mistral_ai",
    "vertex": "gcp.vertex_ai",
    "xai": "x_ai",
}
"""Channel types whose `gen_ai.provider.name` is another."""
_REQUEST: Final = (
    "`http.request.method`, `http.route`, `http.response.status_code`, `gen_ai.operation.name`, `gen_ai.request.model`,"
    " `gen_ai.response.model`, `gen_ai.request.stream`, `gen_ai.usage.*`, `tallygate.request_id`,"
    " `tallygate.tenant_id`, `tallygate.charge_nanos`, `error.type`"
)
_ATTEMPT: Final = (
    "`gen_ai.provider.name`, `gen_ai.operation.name`, `gen_ai.request.model`, `gen_ai.response.model`,"
    " `gen_ai.usage.*`, `gen_ai.response.time_to_first_chunk`, `server.address`, `server.port`,"
    " `http.response.status_code`, `error.type`"
)
SPANS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("`{operation} {model}`", "server", "one request on a model route", _REQUEST),
    ("`hold`", "internal", "setting the worst case aside, commit included", "`tallygate.code`, `error.type`"),
    ("`{operation} {model}`", "client", "one attempt at a vendor, to the end of its answer", _ATTEMPT),
    ("`capture` or `void`", "internal", "the end of the hold, commit included", "`tallygate.code`, `error.type`"),
)
"""Name, kind, what it spans, attributes; docs/observability.md has them as a table."""


def spans_table() -> str:
    """Give the spans as a table, for the documentation."""
    rows = [f"| {name} | {kind} | {what} | {attributes} |" for name, kind, what, attributes in SPANS]
    return "\n".join(["| span | kind | what it spans | attributes |", "|---|---|---|---|", *rows])
