"""What both versions of Cohere's chat share: finish reasons, counts, where the vendor is, and its list of models."""

from collections.abc import Mapping
from typing import Final

from adapters.wire.kit import bearer, get, items, member, report, words
from adapters.wire.lenient import loads
from domain.relay.delta import FinishReason, UsageReport
from domain.relay.dialect import Target
from domain.relay.ports import VendorRequest

FINISH: Final[Mapping[str, FinishReason]] = {
    "COMPLETE": "stop",
    "STOP_SEQUENCE": "stop",
    "MAX_TOKENS": "length",
    "ERROR_LIMIT": "length",
    "TOOL_CALL": "tool_calls",
    "ERROR_TOXIC": "content_filter",
}
FAILED: Final = frozenset({"ERROR", "TIMEOUT", "USER_CANCEL"})


def root(target: Target) -> str:
    """Give the vendor's address without a version at its end: the type says which one is spoken."""
    return target.base_url.removesuffix("/v1").removesuffix("/v2")


def usage_of(counts: object) -> UsageReport | None:
    """Read what was used: `tokens`, for `billed_units` leaves out Cohere's own template."""
    tokens = member(counts, "tokens") or member(counts, "billed_units")
    return report(
        member(tokens, "input_tokens"), member(tokens, "output_tokens"), cached=member(counts, "cached_tokens")
    )


def models_request(target: Target) -> VendorRequest:
    """List models."""
    return get(f"{root(target)}/v1/models?page_size=1000", bearer(target.key))


def decode_models(body: bytes) -> tuple[str, ...]:
    """Read their names."""
    return tuple(name for each in items(member(loads(body), "models")) if (name := words(member(each, "name"))))
