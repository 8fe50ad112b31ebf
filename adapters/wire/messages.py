"""Anthropic's Messages: the body of a call, for whoever serves it (Anthropic, Vertex).

Source: the vendor's SDK for Python, 2.12.
"""

from collections.abc import Iterable
from typing import Any, Final

import msgspec

from adapters.wire.claude_models import ClaudeModel, claude_model
from adapters.wire.kit import arguments_of, fitted, given
from adapters.wire.media import media_type_of, must_be_inline, refuse_media
from adapters.wire.schemas import strict_schema
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import (
    Cache,
    ChatRequest,
    Media,
    Message,
    Part,
    Reasoning,
    ReasoningOptions,
    Refusal,
    Text,
    Tool,
    ToolCall,
    ToolResult,
    budget_of,
    effort_of,
)
from domain.relay.dialect import Target, UnsupportedParameterError

VERSION: Final = "2023-06-01"
ANSWER_TOOL: Final = "structured_answer"
"""The tool that stands in for an answer's schema where the model takes none; its call is read back as text."""
BUDGET_LEAST: Final = 1_024
"""The fewest tokens that a model can be given to think with."""

_TAKES: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "response_format",
        "reasoning",
    }
)
_JSON_ONLY: Final = "Answer with a single JSON object and nothing else: no code fence, no words around it."
_TIERS: Final = {"auto": "auto", "default": "standard_only", "standard_only": "standard_only"}
_EFFORTS: Final = {"minimal": "low", "low": "low", "medium": "medium", "high": "high", "xhigh": "xhigh", "max": "max"}


def messages_body(call: Call, request: ChatRequest, target: Target, *, takes_addresses: bool = True) -> dict[str, Any]:
    """Give the body, without the model where the address names it.

    `takes_addresses` is whether images and documents may be addresses.
    """
    model = claude_model(target.model)
    # What a client of this very contract said beyond the canonical is said again in its own words.
    extras = [name for name in request.others if "[" not in name] if call.dialect == "anthropic" else []
    asked = fitted(_without_needless(request), target, takes=_TAKES, others=extras)
    limit = output_limit(call, target, model)
    thinking, effort = thinking_of(asked, model, limit, target, says_effort_alone=call.dialect == "anthropic")
    is_thinking = thinking is not None and thinking["type"] != "disabled"
    if is_thinking and asked.tool_choice is not None and asked.tool_choice.mode in ("required", "named"):
        _refuse(
            "tool_choice", target, "This model cannot be made to call a tool while it thinks: leave one of both out."
        )
        thinking, effort, is_thinking = None, None, False
    asked = _sampling(asked, model, target, is_thinking=is_thinking)
    tools, choice, shape, note = _tools(asked, model, is_thinking=is_thinking)
    stop = _stop(asked, target)
    others = {name: value for name, value in asked.others.items() if name != "tools"}
    return given(
        model=target.model,
        max_tokens=limit,
        system=_system(asked, note),
        messages=_turns(asked, takes_addresses=takes_addresses),
        tools=[*tools, *asked.others.get("tools", ())],
        tool_choice=choice,
        stop_sequences=stop,
        temperature=asked.temperature,
        top_p=asked.top_p,
        top_k=asked.top_k,
        thinking=thinking,
        output_config=given(format=shape, effort=effort),
        metadata=given(user_id=_end_user(asked.user)),
        service_tier=_TIERS.get(asked.service_tier),
        stream=True if call.stream else None,
        **others,
    )


def output_limit(call: Call, target: Target, model: ClaudeModel) -> int:
    """Give the output limit, which must be said: the gateway's or the client's, else the model's usual one."""
    limit = call.output_tokens_max if target.output_tokens_max is None else target.output_tokens_max
    return model.output_tokens_max if limit is None else limit


def _without_needless(request: ChatRequest) -> ChatRequest:
    """Leave out what says nothing: a choice about parallel calls, where there is nothing to call."""
    return request if request.tools else msgspec.structs.replace(request, parallel_tool_calls=None)


def _end_user(user: str) -> str:
    # The vendor wants no addresses or names of people; what it gets must only be the same for the same person.
    return "" if "@" in user else user


def _refuse(param: str, target: Target, message: str = "") -> None:
    if not target.drops_unsupported:
        raise UnsupportedParameterError(param, message)


# ---- Sampling and thinking


def _sampling(request: ChatRequest, model: ClaudeModel, target: Target, *, is_thinking: bool) -> ChatRequest:
    temperature, top_p, top_k = request.temperature, request.top_p, request.top_k
    if temperature is not None and temperature > 1:
        _refuse("temperature", target, "This model's vendor takes a temperature from 0 to 1: lower 'temperature'.")
        temperature = 1.0
    is_fixed = is_thinking or not model.takes_sampling
    if is_fixed and temperature is not None:
        if temperature != 1:
            _refuse("temperature", target)
        temperature = None
    if not model.takes_sampling:
        if top_p is not None and top_p != 1:
            _refuse("top_p", target)
        if top_k is not None:
            _refuse("top_k", target)
        top_p = top_k = None
    if temperature is not None and top_p is not None and model.version >= (4, 1):
        # Both together are refused; one of them that changes nothing is left out without a word.
        if temperature == 1:
            temperature = None
        else:
            if top_p != 1:
                _refuse("top_p", target, "This model takes one of 'temperature' and 'top_p': leave one out.")
            top_p = None
    return msgspec.structs.replace(request, temperature=temperature, top_p=top_p, top_k=top_k)


def _stop(request: ChatRequest, target: Target) -> list[str]:
    blank = [each for each in request.stop if not each.strip()]
    if blank:
        _refuse("stop", target, "This model's vendor takes no stop sequence of blanks only: leave it out.")
    return [each for each in request.stop if each.strip()]


def thinking_of(
    request: ChatRequest, model: ClaudeModel, limit: int, target: Target, *, says_effort_alone: bool
) -> tuple[dict[str, Any] | None, str | None]:
    """Give `thinking` and the word for effort, which in this contract are two things; in others effort is thinking."""
    asked = request.reasoning
    if asked is None:
        return None, None
    if says_effort_alone and asked.budget_tokens is None:
        return None, _EFFORTS.get(asked.effort)
    budget = budget_of(asked)
    if budget == 0:
        return ({"type": "disabled"} if model.thinks else None), None
    if not model.thinks:
        _refuse("reasoning_effort", target)
        return None, None
    shown = {True: "summarized", False: "omitted"}.get(asked.show) if asked.show is not None else None
    explicit = asked.budget_tokens is not None and asked.budget_tokens > 0 and not asked.effort
    if model.is_adaptive and not (explicit and model.takes_budget):
        effort = "" if asked.budget_tokens == -1 and not asked.effort else effort_of(asked)
        return given(type="adaptive", display=shown), _EFFORTS.get(effort)
    if budget is None or _resumes_without_thoughts(request):
        return None, None
    if limit <= BUDGET_LEAST:
        _refuse("reasoning_effort", target, f"Thinking takes an output limit above {BUDGET_LEAST} tokens: raise it.")
        return None, None
    whole = _usual_budget(asked) if budget < 0 else budget
    return given(type="enabled", budget_tokens=min(max(whole, BUDGET_LEAST), limit - 1), display=shown), None


def _usual_budget(asked: ReasoningOptions) -> int:
    return budget_of(ReasoningOptions(effort=asked.effort or "medium")) or BUDGET_LEAST


def _resumes_without_thoughts(request: ChatRequest) -> bool:
    """Tell whether a turn goes on after tool results whose thoughts the client did not keep.

    The vendor refuses to think on then, and most clients of other contracts keep no thoughts: the turn ends without.
    """
    for message in reversed(request.turns):
        if message.role == "assistant":
            thoughts = any(isinstance(part, Reasoning) and (part.signature or part.redacted) for part in message.parts)
            return not thoughts and any(isinstance(part, ToolCall) for part in message.parts)
        if message.role == "user":
            return False
    return False


# ---- Tools and the answer's shape


def _tools(
    request: ChatRequest, model: ClaudeModel, *, is_thinking: bool
) -> tuple[list[dict[str, Any]], dict[str, Any] | None, dict[str, Any] | None, str]:
    """Give the tools, the choice among them, the answer's native format, and a note for the system."""
    tools = [_tool(tool) for tool in request.tools]
    choice = _choice(request)
    shape = request.response_format
    if shape is None or shape.kind == "text":
        return tools, choice, None, ""
    if shape.kind == "json_object" or shape.schema is None:
        return tools, choice, None, _JSON_ONLY
    if model.takes_schema:
        return tools, choice, {"type": "json_schema", "schema": strict_schema(shape.schema)}, ""
    stand_in = given(
        name=ANSWER_TOOL,
        description=shape.description or "Gives the answer.",
        input_schema=_object_schema(shape.schema),
    )
    if is_thinking:
        # No tool can be forced then: the model is asked to call it.
        return [*tools, stand_in], {"type": "auto"}, None, f"Give your answer by calling the tool {ANSWER_TOOL}."
    forced = {"type": "any"} if request.tools else {"type": "tool", "name": ANSWER_TOOL}
    return [*tools, stand_in], forced, None, ""


def _tool(tool: Tool) -> dict[str, Any]:
    return given(
        name=tool.name,
        description=tool.description,
        strict=tool.strict,
        cache_control=cache_control(tool.cache),
    ) | {"input_schema": _object_schema(tool.parameters or {})}


def _object_schema(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") == "object":
        return schema
    return {"type": "object", "properties": {}, **schema} if "type" not in schema else {**schema, "type": "object"}


def _choice(request: ChatRequest) -> dict[str, Any] | None:
    asked = request.tool_choice
    one_by_one = True if request.parallel_tool_calls is False else None
    if not request.tools and not request.others.get("tools"):
        return None
    match asked.mode if asked is not None else "":
        case "none":
            return {"type": "none"}
        case "required":
            return given(type="any", disable_parallel_tool_use=one_by_one)
        case "named":
            assert asked is not None
            return given(type="tool", name=asked.name, disable_parallel_tool_use=one_by_one)
        case "auto":
            return given(type="auto", disable_parallel_tool_use=one_by_one)
        case _:
            return given(type="auto", disable_parallel_tool_use=True) if one_by_one else None


# ---- Messages


def cache_control(cache: Cache) -> dict[str, str] | None:
    """Give the mark that asks for the prompt to be kept; five minutes are what is meant by silence."""
    match cache:
        case "":
            return None
        case "5m":
            return {"type": "ephemeral"}
        case _:
            return {"type": "ephemeral", "ttl": cache}


def _system(request: ChatRequest, note: str) -> str | list[dict[str, Any]]:
    """Give all instructions; those in mid-conversation come first too, for they bind more than a user's words."""
    parts = [part for message in request.messages if message.role == "system" for part in message.parts]
    texts: list[Text] = []
    for part in parts:
        if isinstance(part, Media):
            raise refuse_media(part, "This model's vendor takes only text in instructions.")
        if isinstance(part, Text) and part.text:
            texts.append(part)
    if note:
        texts.append(Text(note))
    if len(texts) == 1 and not texts[0].cache:
        return texts[0].text
    return [given(type="text", text=text.text, cache_control=cache_control(text.cache)) for text in texts]


def _turns(request: ChatRequest, *, takes_addresses: bool) -> list[dict[str, Any]]:
    """Give turns that alternate; what a turn's tools gave stands first in the user's turn."""
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    for message in request.turns:
        role = "assistant" if message.role == "assistant" else "user"
        blocks = list(_blocks(message, takes_addresses=takes_addresses))
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(blocks)
        elif blocks:
            turns.append((role, blocks))
    if not turns:
        raise InvalidRequestError("There must be a message with something in it.", param="messages")
    return [{"role": role, "content": _results_first(blocks)} for role, blocks in turns]


def _results_first(blocks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _blocks(message: Message, *, takes_addresses: bool) -> Iterable[dict[str, Any]]:
    for part in message.parts:
        block = _block(part, takes_addresses=takes_addresses)
        if block is not None:
            yield block


def _block(part: Part, *, takes_addresses: bool) -> dict[str, Any] | None:
    """Give a part as a content block; None for one that has no place here."""
    match part:
        case Text():
            # Empty blocks are refused.
            return given(type="text", text=part.text, cache_control=cache_control(part.cache)) if part.text else None
        case Refusal():
            return given(type="text", text=part.text) if part.text else None
        case Media():
            return media_block(part, takes_addresses=takes_addresses)
        case Reasoning():
            return _thought(part)
        case ToolCall():
            return {"type": "tool_use", "id": part.call_id, "name": part.name, "input": arguments_of(part)}
        case ToolResult():
            return _result(part, takes_addresses=takes_addresses)


def _thought(part: Reasoning) -> dict[str, Any] | None:
    if part.redacted:
        return {"type": "redacted_thinking", "data": part.redacted}
    # Thoughts without the vendor's proof are refused, and a proof cannot be made up.
    return {"type": "thinking", "thinking": part.text, "signature": part.signature} if part.signature else None


def _result(part: ToolResult, *, takes_addresses: bool) -> dict[str, Any]:
    blocks = [block for each in part.parts if (block := _block(each, takes_addresses=takes_addresses)) is not None]
    content: str | list[dict[str, Any]] = blocks
    if len(blocks) == 1 and set(blocks[0]) == {"type", "text"}:
        content = blocks[0]["text"]
    return given(
        type="tool_result",
        tool_use_id=part.call_id,
        content=content,
        is_error=part.is_error or None,
        cache_control=cache_control(part.cache),
    )


def media_block(media: Media, *, takes_addresses: bool) -> dict[str, Any]:
    """Give an image or a document; UnsupportedParameterError for what the models cannot see."""
    if media.kind in ("audio", "video"):
        raise refuse_media(media)
    if media.url and not takes_addresses:
        raise must_be_inline(media)
    return given(
        type="image" if media.kind == "image" else "document",
        source=_source(media),
        title=media.name if media.kind == "file" else None,
        cache_control=cache_control(media.cache),
    )


def _source(media: Media) -> dict[str, str]:
    if media.file_id:
        return {"type": "file", "file_id": media.file_id}
    if media.url:
        return {"type": "url", "url": media.url}
    media_type = media_type_of(media)
    if media.kind == "file" and media_type.startswith("text/"):
        return {"type": "text", "media_type": "text/plain", "data": _decoded(media)}
    return {"type": "base64", "media_type": media_type, "data": media.data}


def _decoded(media: Media) -> str:
    try:
        return msgspec.convert(media.data, bytes).decode("utf-8", "replace")
    except msgspec.ValidationError:
        raise InvalidRequestError("A file's data is not valid base64.", param="file", reason="invalid_value") from None
