"""A chat body in OpenAI's form, fitted to one vendor: what it cannot do is refused or dropped, never bent unsaid.

One set of rules serves the client's own body, whose members are raw bytes until a rule has to look at them, and
the body that is written from a canonical request.
"""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.messages import fitted
from adapters.dialects.openai.profile import Profile
from domain.relay.chat import ReasoningOptions, budget_of, effort_of
from domain.relay.dialect import Target, UnsupportedParameterError

Members = dict[str, Any]

_EPSILON: Final = 1e-9

# What asks for nothing is no parameter that a vendor could fail to have.
_IDLE: Final[dict[str, tuple[Any, ...]]] = {
    "n": (1,),
    "logprobs": (False, 0),
    "top_logprobs": (0,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "tool_choice": ("auto",),
    "parallel_tool_calls": (True,),
    "response_format": ({"type": "text"},),
    "service_tier": ("auto", "default"),
    "stop": ([], ""),
    "modalities": (["text"],),
    "tools": ([],),
    "functions": ([],),
    "metadata": ({},),
    "reasoning_effort": ("none",),
    "echo": (False,),
    "best_of": (1,),
}
_HINTS: Final = frozenset(
    {
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
        "store",
        "metadata",
        "stream_options",
    }
)
"""What changes no answer: a vendor that refuses it is simply not sent it."""


DEAR_TIERS: Final = frozenset({"priority", "fast", "scale"})
"""Tiers of OpenAI's service that cost more than its prices say."""


def fit_tier(members: Members, target: Target) -> None:
    """Refuse a tier that no rate card has a price for, unless the channel allows it; UnsupportedParameterError."""
    if "service_tier" not in members or target.options.get("dear_tiers") == "true":
        return
    tier = value_of(members, "service_tier")
    if isinstance(tier, str) and tier in DEAR_TIERS:
        unsupported(
            "service_tier",
            target,
            f"The service tier '{tier}' costs more than this model's price: leave 'service_tier' out.",
        )
        del members["service_tier"]


def value_of(members: Members, name: str) -> Any:
    """Give a member's value, decoded if it is still raw; None if it is absent or null."""
    value = members.get(name)
    return msgspec.json.decode(value) if isinstance(value, msgspec.Raw) else value


def fit_chat(members: Members, body: bytes, profile: Profile, target: Target) -> None:
    """Fit a chat to the vendor, in place; `body` is what the members came from, to see what need not be looked at.

    Raises UnsupportedParameterError.
    """
    _fit_thinking(members, profile)
    _leave_out(members, profile, target)
    _fit_ranges(members, profile, target)
    _fit_stops(members, profile, target)
    _fit_tool_choice(members, profile, target)
    _fit_tools(members, profile)
    _fit_format(members, profile)
    _fit_messages(members, body, profile)
    for old, new in profile.renamed.items():
        if old in members:
            members[new] = members.pop(old)
    for name, value in profile.extra.items():
        members.setdefault(name, value)


def unsupported(name: str, target: Target, message: str = "") -> bool:
    """Refuse a parameter, or say that it is to be dropped."""
    if target.drops_unsupported:
        return True
    raise UnsupportedParameterError(name, message)


def _leave_out(members: Members, profile: Profile, target: Target) -> None:
    for name in profile.ignores:
        members.pop(name, None)
    for name in profile.cannot:
        if name not in members:
            continue
        value = value_of(members, name)
        if value is None or name in _HINTS or value in _IDLE.get(name, ()) or unsupported(name, target):
            del members[name]
    if profile.choices_max is not None:
        asked = value_of(members, "n")
        if isinstance(asked, int) and asked > profile.choices_max:
            unsupported("n", target, f"This model's vendor gives at most {profile.choices_max} choices ('n').")
            members["n"] = profile.choices_max


def _fit_ranges(members: Members, profile: Profile, target: Target) -> None:
    for name, bounds in profile.ranges.items():
        value = value_of(members, name)
        if isinstance(value, bool) or not isinstance(value, int | float):
            continue
        near = min(max(value, bounds.least), bounds.most)
        if near == value:
            continue
        if abs(near - value) > bounds.slack + _EPSILON:
            unsupported(
                name,
                target,
                f"The parameter '{name}' must be between {bounds.least:g} and {bounds.most:g} for this model's vendor.",
            )
        members[name] = near


def _fit_stops(members: Members, profile: Profile, target: Target) -> None:
    if profile.stops_max is None:
        return
    stops = value_of(members, "stop")
    if isinstance(stops, str):
        stops = [stops]
        members["stop"] = stops
    if isinstance(stops, list) and len(stops) > profile.stops_max:
        unsupported("stop", target, f"This model's vendor takes at most {profile.stops_max} stop sequences ('stop').")
        members["stop"] = stops[: profile.stops_max]


def _fit_tool_choice(members: Members, profile: Profile, target: Target) -> None:
    if "tool_choice" not in members or profile.tool_choices >= {"auto", "none", "required", "named"}:
        return
    asked = value_of(members, "tool_choice")
    mode = "named" if isinstance(asked, dict) else asked
    if not isinstance(mode, str) or mode in profile.tool_choices:
        return  # what is no choice at all the vendor judges
    if mode == "none":
        # Without tools none can be called.
        members.pop("tools", None)
    elif mode != "auto":
        unsupported("tool_choice", target)
    del members["tool_choice"]
    if mode == "none":
        members.pop("parallel_tool_calls", None)


def _fit_tools(members: Members, profile: Profile) -> None:
    if profile.strict_tools or "tools" not in members:
        return
    tools = value_of(members, "tools")
    if not isinstance(tools, list):
        return
    members["tools"] = [
        {**tool, "function": {name: value for name, value in tool["function"].items() if name != "strict"}}
        if isinstance(tool, dict) and isinstance(tool.get("function"), dict)
        else tool
        for tool in tools
    ]


def _fit_format(members: Members, profile: Profile) -> None:
    """Ask in words for what the vendor has no member for."""
    if "response_format" not in members or profile.formats >= {"json_object", "json_schema"}:
        return
    asked = value_of(members, "response_format")
    if not isinstance(asked, dict) or not isinstance(asked.get("type"), str) or asked["type"] in profile.formats:
        return
    del members["response_format"]
    if asked.get("type") == "text":
        return
    if "json_object" in profile.formats:
        members["response_format"] = {"type": "json_object"}
    words = "Answer with one JSON object and nothing else."
    schema = asked.get("json_schema")
    if isinstance(schema, dict) and schema.get("schema") is not None:
        words += " It must match this JSON Schema: " + msgspec.json.encode(schema["schema"]).decode()
    messages = value_of(members, "messages")
    if isinstance(messages, list):
        members["messages"] = _instructed(messages, words)


def _instructed(messages: list[Any], words: str) -> list[Any]:
    first = messages[0] if messages else None
    if (
        isinstance(first, dict)
        and first.get("role") in ("system", "developer")
        and isinstance(first.get("content"), str)
    ):
        return [{**first, "content": first["content"] + "\n\n" + words}, *messages[1:]]
    return [{"role": "system", "content": words}, *messages]


def _fit_messages(members: Members, body: bytes, profile: Profile) -> None:
    raw = members.get("messages")
    if isinstance(raw, msgspec.Raw) and not _concerns(body, profile):
        return
    messages = value_of(members, "messages")
    if isinstance(messages, list):
        members["messages"] = fitted(messages, profile)


def _concerns(body: bytes, profile: Profile) -> bool:
    """Tell in a few passes over the bytes whether the messages need a closer look."""
    return (
        profile.touches_messages
        or (b'"developer"' in body and not profile.has_developer_role)
        or (b'"reasoning_content"' in body and profile.reasoning_back != "reasoning_content")
        or (b'"reasoning_details"' in body and not profile.keeps_reasoning_details)
        or (b'"cache_control"' in body and not profile.takes_cache_control)
        or any(mark in body for kind, mark in _MARKS.items() if kind not in profile.media)
    )


_MARKS: Final = {"image": b'"image_url"', "audio": b'"input_audio"', "file": b'"file"', "video": b'"video_url"'}


def _fit_thinking(members: Members, profile: Profile) -> None:
    """Say OpenAI's word for effort in the vendor's way, unless the client has used that way itself."""
    if profile.thinking in ("effort", "reasoning") or "reasoning_effort" not in members:
        return
    effort = value_of(members, "reasoning_effort")
    if profile.thinking == "none" or not isinstance(effort, str):
        return  # judged with the other parameters
    if not members.keys() & {"thinking", "enable_thinking", "thinking_budget"}:
        say_thinking(members, ReasoningOptions(effort=effort), profile)
    del members["reasoning_effort"]


def say_thinking(members: Members, options: ReasoningOptions, profile: Profile) -> None:
    """Write how much to think, as the vendor wants it said."""
    budget, effort = budget_of(options), effort_of(options)
    match profile.thinking:
        case "effort" | "none":
            if effort:
                members["reasoning_effort"] = nearest_effort(effort, profile.efforts)
        case "thinking" if budget is not None or effort:
            members["thinking"] = {"type": "disabled" if budget == 0 else "enabled"}
        case "enable_thinking" if budget is not None or effort:
            members["enable_thinking"] = budget != 0
            if options.budget_tokens is not None and options.budget_tokens > 0:
                members["thinking_budget"] = options.budget_tokens
        case "reasoning":
            asked: dict[str, Any] = {}
            if options.budget_tokens is not None and options.budget_tokens >= 0:
                asked["max_tokens"] = options.budget_tokens
            elif effort:
                asked["effort"] = effort
            if options.show is False:
                asked["exclude"] = True
            if asked:
                members["reasoning"] = asked
        case _:
            pass


_EFFORTS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def nearest_effort(effort: str, known: tuple[str, ...]) -> str:
    """Give the vendor's word for an effort: the next stronger one that it knows, else its strongest."""
    if effort in known or effort not in _EFFORTS or not known:
        return effort
    stronger = _EFFORTS[_EFFORTS.index(effort) :]
    return next((word for word in stronger if word in known), known[-1])
