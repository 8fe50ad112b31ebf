"""What a vendor of OpenAI's dialect reports as used, with the oddities of its many speakers."""

from typing import Any

import msgspec

from adapters.wire.counts import CountReader
from adapters.wire.kit import member
from domain.metering.usage import partition_openai
from domain.relay.delta import UsageReport


def decode_usage(usage: object, *, input_only: bool = False) -> UsageReport | None:
    """Read a decoded `usage` member; None if there is no report. Nothing is raised, whatever the vendor sent.

    Totals that cannot be believed give a report without usage, so that the gateway's own count holds;
    details are fitted into the totals. `input_only` is for embeddings, where some vendors give only a
    total.
    """
    if not isinstance(usage, dict) or not usage:
        return None
    read = CountReader()
    prompt = read.count(usage.get("prompt_tokens", usage.get("input_tokens")), "prompt")
    completion = read.count(usage.get("completion_tokens", usage.get("output_tokens")), "completion")
    total = read.count(usage.get("total_tokens"), "total")
    if prompt is None and completion is None and total is None and not read.flags:
        return None
    if input_only and not read.flags:
        prompt, completion = total if prompt is None else prompt, completion or 0
    if prompt is not None and completion is None and total is not None and total >= prompt:
        completion = total - prompt
    if prompt is None or completion is None:
        return UsageReport(None, total, (*read.flags, "usage_incomplete"))
    return _partition(usage, prompt, completion, total, read)


def _partition(
    usage: dict[str, Any], prompt: int, completion: int, total: int | None, read: CountReader
) -> UsageReport:
    into = _details(usage, "prompt_tokens_details", "input_tokens_details")
    out = _details(usage, "completion_tokens_details", "output_tokens_details")
    cached = read.first(
        ((into, "cached_tokens"), (usage, "prompt_cache_hit_tokens"), (usage, "cached_tokens")), "cached"
    )
    reasoning = read.first(((out, "reasoning_tokens"), (usage, "reasoning_tokens")), "reasoning")
    # xAI counts reasoning beside the completion and says so only by its total: 12 + 1 + 290 = 303.
    if reasoning and total == prompt + completion + reasoning:
        completion += reasoning
        read.flags.append("reasoning_outside_completion")
    # More cached than read: the vendor counts the cached part beside the prompt, unless its total denies
    # that.
    if cached > prompt and total in (None, prompt + cached + completion):
        prompt += cached
        read.flags.append("cached_outside_prompt")
    written = read.first(
        ((into, "cache_write_tokens"), (into, "cache_creation_input_tokens"), (into, "cache_creation_tokens")),
        "cache_write",
    )
    # Of Anthropic's models some hosts say how long; the part is in the total, which may be left out.
    hour = read.count(
        member(into, "cache_creation", "ephemeral_1h_input_tokens")
        or member(into, "cache_creation_token_details", "ephemeral_1h_input_tokens"),
        "cache_write_1h",
    )
    hour = min(hour or 0, written) if written else hour or 0
    parts = partition_openai(
        prompt_tokens=prompt,
        completion_tokens=completion,
        cached=cached,
        cache_write=max(0, written - hour),
        cache_write_1h=hour,
        audio_in=read.first(((into, "audio_tokens"),), "audio_input"),
        image_in=read.first(((into, "image_tokens"),), "image_input"),
        reasoning=reasoning,
        audio_out=read.first(((out, "audio_tokens"),), "audio_output"),
        image_out=read.first(((out, "image_tokens"),), "image_output"),
    )
    if parts.clamped:
        read.flags.append("details_exceed_total")
    if total is not None and total != parts.usage.total:
        read.flags.append("total_mismatch")
    searches = read.first(
        (
            (_details(usage, "server_tool_use"), "web_search_requests"),
            (usage, "num_search_queries"),
            (usage, "num_sources_used"),
        ),
        "searches",
    )
    used = msgspec.structs.replace(parts.usage, searches=searches) if searches else parts.usage
    return UsageReport(used, total, tuple(read.flags))


def _details(usage: dict[str, Any], *names: str) -> dict[str, Any]:
    for name in names:
        found = usage.get(name)
        if isinstance(found, dict):
            return found
    return {}
