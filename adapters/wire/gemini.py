"""Gemini's `generateContent`: the body of a call, for whoever serves it (AI Studio, Vertex).

Source: google-genai 3.4, and what Google's own surface of OpenAI's dialect does with thought signatures.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from adapters.wire.kit import arguments_of, fitted, given, results_of, text_of, tool_names
from adapters.wire.lenient import loads
from adapters.wire.media import media_type_of, must_be_inline, refuse_media
from adapters.wire.schemas import openapi_schema
from domain.relay.call import Call, InvalidRequestError
from domain.relay.chat import (
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
)
from domain.relay.dialect import Target, UnsupportedParameterError

SKIP_SIGNATURE: Final = "skip_thought_signature_validator"
"""What stands for a thought signature that the client did not keep, or that another vendor's model never made."""

_TAKES: Final = frozenset(
    {
        "tools",
        "tool_choice",
        "temperature",
        "top_p",
        "top_k",
        "stop",
        "seed",
        "n",
        "presence_penalty",
        "frequency_penalty",
        "logprobs",
        "top_logprobs",
        "response_format",
        "reasoning",
        "modalities",
        "audio",
    }
)
_ALLOWED: Final = "toolConfig.functionCallingConfig.allowedFunctionNames"
_OWN: Final = (
    "safetySettings",
    "cachedContent",
    "labels",
    "store",
    "serviceTier",
    "tools",
    "toolConfig",
    _ALLOWED,
    "generationConfig",
)
"""Members of this contract that have no canonical place, and are said again as they came."""
_SAFETY: Final = (
    "HARM_CATEGORY_HARASSMENT",
    "HARM_CATEGORY_HATE_SPEECH",
    "HARM_CATEGORY_SEXUALLY_EXPLICIT",
    "HARM_CATEGORY_DANGEROUS_CONTENT",
    "HARM_CATEGORY_CIVIC_INTEGRITY",
)
SAFETY_THRESHOLDS: Final = ("BLOCK_NONE", "OFF", "BLOCK_ONLY_HIGH", "BLOCK_MEDIUM_AND_ABOVE", "BLOCK_LOW_AND_ABOVE")
_VERSION: Final = re.compile(r"gemini-(?:[a-z]+-)*?(\d{1,2})(?:\.(\d{1,2}))?")
_REFERENCES: Final = re.compile(
    r"(?:gs://|https://(?:generativelanguage\.googleapis\.com|www\.youtube\.com|youtube\.com|youtu\.be)/)"
)
"""Addresses that the vendor reads by itself."""
_LEVELS: Final = {
    "minimal": "minimal",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "high",
    "max": "high",
}


def model_version(model: str) -> tuple[int, int] | None:
    """Give the generation of a Gemini model; None for other models, and for aliases that do not say."""
    found = _VERSION.search(model.lower())
    return None if found is None else (int(found[1]), int(found[2] or 0))


def gemini_body(call: Call, request: ChatRequest, target: Target) -> dict[str, Any]:
    """Give the body; the model is in the address."""
    is_own = call.dialect == "gemini"
    others = _OWN if is_own else ("web_search_options",)
    asked = fitted(request, target, takes=_TAKES, others=others)
    speaks_system = "gemma" not in target.model.lower()
    own = asked.others if is_own else {}
    tools = _tools(asked, target) + list(own.get("tools", ()))
    return given(
        systemInstruction=_system(asked) if speaks_system else None,
        contents=_contents(call, asked, target, speaks_system=speaks_system),
        tools=tools,
        toolConfig=_tool_config(asked, own),
        safetySettings=own.get("safetySettings") or _safety(target.options),
        generationConfig=_config(call, asked, target) | dict(own.get("generationConfig", {})),
        **{name: own[name] for name in ("cachedContent", "labels", "store", "serviceTier") if name in own},
    )


def _safety(options: Mapping[str, str]) -> list[dict[str, str]]:
    """Give the channel's threshold for every category; nothing for the vendor's own."""
    threshold = options.get("safety", "")
    return [{"category": each, "threshold": threshold} for each in _SAFETY] if threshold else []


def _system(request: ChatRequest) -> dict[str, Any] | None:
    parts = [part for message in request.messages if message.role == "system" for part in message.parts]
    for part in parts:
        if isinstance(part, Media):
            raise refuse_media(part, "This model's vendor takes only text in instructions.")
    texts = [{"text": part.text} for part in parts if isinstance(part, Text) and part.text]
    return {"parts": texts} if texts else None


# ---- Settings


def _config(call: Call, request: ChatRequest, target: Target) -> dict[str, Any]:
    limit = call.output_tokens_max if target.output_tokens_max is None else target.output_tokens_max
    return given(
        maxOutputTokens=limit,
        temperature=request.temperature,
        topP=request.top_p,
        topK=request.top_k,
        candidateCount=request.n if request.n > 1 else None,
        stopSequences=list(request.stop),
        seed=request.seed,
        presencePenalty=request.presence_penalty,
        frequencyPenalty=request.frequency_penalty,
        responseLogprobs=True if request.logprobs else None,
        logprobs=request.top_logprobs or None,
        responseModalities=[each.upper() for each in request.modalities] if request.modalities != ("text",) else None,
        speechConfig=None if request.audio is None else speech_config(request.audio.voice),
        thinkingConfig=_thinking(call, request.reasoning, target),
        **_shape(request, target),
    )


def speech_config(voice: str) -> dict[str, Any]:
    """Give a voice by its name."""
    return {"voiceConfig": {"prebuiltVoiceConfig": {"voiceName": voice}}}


def _shape(request: ChatRequest, target: Target) -> dict[str, Any]:
    asked = request.response_format
    if asked is None or asked.kind == "text":
        return {}
    said: dict[str, Any] = {"responseMimeType": "application/json"}
    if asked.kind == "json_schema" and asked.schema is not None:
        version = model_version(target.model)
        if version is not None and version < (2, 5):
            said["responseSchema"] = openapi_schema(asked.schema)
        else:
            said["responseJsonSchema"] = asked.schema
    return said


def _thinking(call: Call, asked: ReasoningOptions | None, target: Target) -> dict[str, Any] | None:
    """Give how much to think, by a word for newer models and in tokens for older ones; never both."""
    if asked is None:
        return None
    if call.dialect == "gemini":
        # The client has said it in this contract, and knows its model.
        return given(thinkingLevel=asked.effort, thinkingBudget=None if asked.effort else asked.budget_tokens) | given(
            includeThoughts=asked.show
        )
    budget = budget_of(asked)
    version = model_version(target.model) or (2, 5)
    if version < (2, 5):
        if budget != 0 and not target.drops_unsupported:
            raise UnsupportedParameterError("reasoning_effort")
        return None
    # Clients of other contracts cannot ask for thoughts apart from asking for thinking.
    shown = asked.show if asked.show is not None else (True if budget else None)
    if version >= (3, 0):
        level = "minimal" if budget == 0 else _LEVELS.get(asked.effort) or _level(asked.budget_tokens)
        return given(thinkingLevel=level, includeThoughts=shown)
    return given(thinkingBudget=None if budget is None else _fitted_budget(budget, target.model), includeThoughts=shown)


def _level(budget: int | None) -> str | None:
    """Give the word for a number of tokens; the model's own choice is left to it."""
    if budget is None or budget < 0:
        return None
    return next((word for word, most in (("low", 2_048), ("medium", 8_192)) if budget <= most), "high")


def _fitted_budget(budget: int, model: str) -> int:
    """Give a budget within what a model of generation 2.5 takes; the large one cannot leave thinking off."""
    if budget < 0:
        return -1
    least, most = (128, 32_768) if "pro" in model else (0, 24_576)
    return min(max(budget, least), most)


# ---- Tools


def _tools(request: ChatRequest, target: Target) -> list[dict[str, Any]]:
    version = model_version(target.model)
    takes_json_schema = version is None or version >= (2, 0)
    declared = [_declaration(tool, takes_json_schema=takes_json_schema) for tool in request.tools]
    tools: list[dict[str, Any]] = [{"functionDeclarations": declared}] if declared else []
    if "web_search_options" in request.others:
        tools.append({"googleSearch": {}})
    return tools


def _declaration(tool: Tool, *, takes_json_schema: bool) -> dict[str, Any]:
    said = given(name=tool.name, description=tool.description)
    schema = tool.parameters
    if not schema or (schema.get("type") == "object" and not schema.get("properties")):
        # An object without properties is refused.
        return said
    return said | ({"parametersJsonSchema": schema} if takes_json_schema else {"parameters": openapi_schema(schema)})


def _tool_config(request: ChatRequest, own: Mapping[str, Any]) -> dict[str, Any]:
    config = _calling(request)
    if config is not None and _ALLOWED in own:
        config["allowedFunctionNames"] = own[_ALLOWED]
    return given(functionCallingConfig=config) | dict(own.get("toolConfig", {}))


def _calling(request: ChatRequest) -> dict[str, Any] | None:
    choice = request.tool_choice
    is_strict = any(tool.strict for tool in request.tools)
    match choice.mode if choice is not None else "":
        case "none":
            config: dict[str, Any] = {"mode": "NONE"}
        case "required":
            config = {"mode": "ANY"}
        case "named":
            assert choice is not None
            config = {"mode": "ANY", "allowedFunctionNames": [choice.name]}
        case "auto":
            config = {"mode": "VALIDATED" if is_strict else "AUTO"}
        case _ if is_strict:
            config = {"mode": "VALIDATED"}
        case _:
            return None
    return config


# ---- Contents


def _contents(call: Call, request: ChatRequest, target: Target, *, speaks_system: bool) -> list[dict[str, Any]]:
    """Give turns that alternate; what tools gave is said by the user, in the order of the calls."""
    version = model_version(target.model)
    signs = version is not None and version >= (3, 0)
    names = tool_names(request.messages)
    turns: list[tuple[str, list[dict[str, Any]]]] = []
    if not speaks_system and request.system:
        turns.append(("user", [{"text": request.system}]))
    calls: list[str] = []
    for message in request.turns:
        if message.role == "assistant":
            calls = [part.call_id for part in message.parts if isinstance(part, ToolCall)]
            parts = _spoken(message, keeps_thoughts=call.dialect == "gemini", signs=signs)
        elif message.role == "tool":
            results = sorted(results_of(message), key=lambda each: _place(each.call_id, calls))
            parts = [said for each in results for said in _result(each, names)]
        else:
            parts = [said for part in message.parts if (said := _said(part)) is not None]
        role = "model" if message.role == "assistant" else "user"
        if turns and turns[-1][0] == role:
            turns[-1][1].extend(parts)
        elif parts:
            turns.append((role, parts))
    if not turns:
        raise InvalidRequestError("There must be a message with something in it.", param="messages")
    return [{"role": role, "parts": parts} for role, parts in turns]


def _place(call_id: str, calls: list[str]) -> int:
    return calls.index(call_id) if call_id in calls else len(calls)


def _said(part: Part) -> dict[str, Any] | None:
    match part:
        case Text() | Refusal():
            return {"text": part.text} if part.text else None
        case Media():
            return media_part(part)
        case _:
            return None


def _spoken(message: Message, *, keeps_thoughts: bool, signs: bool) -> list[dict[str, Any]]:
    parts: list[dict[str, Any]] = []
    is_first_call = True
    for part in message.parts:
        match part:
            case Reasoning() if keeps_thoughts and (part.signature or part.text):
                thought = {"text": part.text} | ({"thought": True} if part.text else {})
                parts.append(thought | given(thoughtSignature=part.signature))
            case Reasoning():
                # Another vendor's proof would be refused, and thoughts without one are of no use to the model.
                pass
            case ToolCall():
                # Only the first of parallel calls is signed.
                signature = part.signature or (SKIP_SIGNATURE if signs and is_first_call else "")
                is_first_call = False
                parts.append(_call(part) | given(thoughtSignature=signature))
            case _:
                said = _said(part)
                if said is not None:
                    parts.append(said)
    return parts


def _is_vendors(call_id: str) -> bool:
    """Tell whether an id may be the vendor's own; the ones that we or other vendors made up mean nothing to it."""
    return bool(call_id) and not call_id.startswith(("call_", "toolu_"))


def _call(part: ToolCall) -> dict[str, Any]:
    said: dict[str, Any] = {"name": part.name, "args": arguments_of(part)}
    return {"functionCall": said | ({"id": part.call_id} if _is_vendors(part.call_id) else {})}


def _result(part: ToolResult, names: Mapping[str, str]) -> list[dict[str, Any]]:
    """Give a result by its function's name; images in it follow it."""
    name = part.name or names.get(part.call_id, "")
    if not name:
        raise InvalidRequestError(
            f"The tool result '{part.call_id}' answers no call in this conversation.", param="messages"
        )
    said: dict[str, Any] = {"name": name, "response": _response(part)}
    if _is_vendors(part.call_id):
        said["id"] = part.call_id
    media = [media_part(each) for each in part.parts if isinstance(each, Media)]
    return [{"functionResponse": said}, *media]


def _response(part: ToolResult) -> dict[str, Any]:
    """Give what a tool gave as an object, which this contract wants."""
    text = text_of([each for each in part.parts if isinstance(each, Text)])
    if part.is_error:
        return {"error": text}
    found = loads(text.encode("utf-8", "replace")) if text[:1] == "{" else None
    return found if isinstance(found, dict) else {"result": text}


def media_part(media: Media) -> dict[str, Any]:
    """Give media by its bytes, or by an address that the vendor reads by itself."""
    address = media.file_id or media.url
    if address and not (media.file_id or _REFERENCES.match(address)):
        raise must_be_inline(media)
    if address:
        return {"fileData": given(mimeType=media.media_type, fileUri=_file_uri(address))}
    return {"inlineData": {"mimeType": media_type_of(media), "data": media.data}}


def reads_address(media: Media) -> bool:
    """Tell whether the vendor reads this address by itself; any other must be fetched and sent as bytes."""
    return bool(media.file_id) or _REFERENCES.match(media.url) is not None


def _file_uri(address: str) -> str:
    if address.startswith("files/"):
        return f"https://generativelanguage.googleapis.com/v1beta/{address}"
    return address


def restrained(body: bytes, limit: int | None, asked: int | None) -> bytes:
    """Give a client's own body with the output limit, if it is not what the client said itself."""
    if limit is None or limit == asked:
        return body
    members = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
    name = "generation_config" if "generation_config" in members else "generationConfig"
    config = loads(members[name]) if name in members else {}
    config = dict(config) if isinstance(config, dict) else {}
    config.pop("max_output_tokens", None)
    members[name] = msgspec.Raw(msgspec.json.encode(config | {"maxOutputTokens": limit}))
    return msgspec.json.encode(members)
