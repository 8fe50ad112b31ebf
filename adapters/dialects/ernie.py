"""Baidu's legacy ERNIE dialect (wenxinworkshop): an access token in the address, errors with HTTP 200.

Source: the vendor's Python SDK qianfan 0.4.12.3.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import quote

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    check_tool_choice,
    clamped,
    fitted,
    floats,
    given,
    input_report,
    items,
    json_text,
    member,
    merged,
    post,
    report,
    results_of,
    text_of,
    texts_of,
    tool_names,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Message, ToolCall
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, said
from domain.relay.dialect import AccessToken, Frame, StreamDecoder, Target, UnsupportedParameterError
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Embeddings, EmbeddingsRequest
from domain.relay.vendor_errors import Kind, VendorError

_TAKES: Final = frozenset({"tools", "tool_choice", "temperature", "top_p", "stop", "response_format"})
_EXTRAS: Final = ("disable_search", "enable_citation", "enable_trace", "penalty_score")
_WORKSHOP: Final = "/rpc/2.0/ai_custom/v1/wenxinworkshop"
_FINISH: Final[Mapping[str, FinishReason]] = {
    "normal": "stop",
    "stop": "stop",
    "length": "length",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
}
_SLUGS: Final[Mapping[str, str]] = {
    "ernie-4.0-8k": "completions_pro",
    "ernie-bot-4": "completions_pro",
    "ernie-4.0-8k-preview-0518": "completions_adv_pro",
    "ernie-3.5-8k": "completions",
    "ernie-bot": "completions",
    "ernie-speed-8k": "ernie_speed",
    "ernie-lite-8k-0922": "eb-instant",
    "ernie-bot-turbo": "eb-instant",
    "ernie-character-8k": "ernie-char-8k",
    "ernie-function-8k": "ernie-func-8k",
    "bloomz-7b": "bloomz_7b1",
    "yi-34b-chat": "yi_34b_chat",
    "bge-large-zh": "bge_large_zh",
    "bge-large-en": "bge_large_en",
    "tao-8k": "tao_8k",
}
"""Models whose address is not their name in lower case."""


class ErnieDialect(BaseDialect):
    """ERNIE before Qianfan v2."""

    surfaces: frozenset[Surface] = frozenset({"chat", "embeddings"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("6", "13", "14", "15", "100", "110", "111", "336004", "invalid_client"), "auth"),
        **dict.fromkeys(("17", "19"), "quota"),
        **dict.fromkeys(("4", "18", "336501", "336502"), "rate_limit"),
        **dict.fromkeys(("3", "336005", "336101"), "not_found"),
        **dict.fromkeys(("1", "2", "336000"), "server"),
        "336100": "overloaded",
        **dict.fromkeys(("336001", "336002", "336003", "336006", "336007", "336104", "336105"), "bad_request"),
    }

    def token_request(self, target: Target) -> VendorRequest:
        """Exchange `AK|SK` for an access token; the vendor wants both in the address."""
        access, _, secret = target.key.partition("|")
        query = (
            f"grant_type=client_credentials&client_id={quote(access, safe='')}&client_secret={quote(secret, safe='')}"
        )
        return VendorRequest(
            url=f"{target.base_url}/oauth/2.0/token?{query}", headers={"Content-Type": "application/json"}, body=b""
        )

    def decode_token(self, body: bytes) -> AccessToken:
        """Read the token, which lasts 30 days."""
        answer = loads(body)
        token, lifetime = words(member(answer, "access_token")), member(answer, "expires_in")
        if not token:
            raise VendorError("auth", vendor_code=words(member(answer, "error"))[:64] or "no_access_token")
        return AccessToken(token, float(lifetime) if isinstance(lifetime, int | float) else 3600.0)

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a chat: system text apart, turns that alternate and end with the user's."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        check_tool_choice(asked, target, "none", "named")
        choice = asked.tool_choice
        offers_tools = choice is None or choice.mode != "none"
        shape = asked.response_format
        if shape is not None and shape.kind == "json_schema" and not target.drops_unsupported:
            raise UnsupportedParameterError("response_format")
        body = given(
            system=asked.system,
            messages=_messages(asked.turns),
            max_output_tokens=None if target.output_tokens_max is None else max(2, target.output_tokens_max),
            # 0 itself is refused.
            temperature=clamped(asked.temperature, 0.01, 1.0),
            top_p=clamped(asked.top_p, 0.0, 1.0),
            stop=list(asked.stop),
            user_id=asked.user,
            functions=[
                given(name=tool.name, description=tool.description or tool.name)
                | {"parameters": tool.parameters or {"type": "object", "properties": {}}}
                for tool in asked.tools
            ]
            if offers_tools
            else [],
            tool_choice={"type": "function", "function": {"name": choice.name}}
            if choice is not None and choice.mode == "named"
            else None,
            response_format=None if shape is None or shape.kind == "text" else "json_object",
            **asked.others,
        )
        return post(_address(target, "chat"), body | {"stream": call.stream}, {})

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give the body of embeddings."""
        return post(_address(target, "embeddings"), given(input=texts_of(request), user_id=request.user), {})

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events; each is like a whole answer of a part of the text."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer; an error has status 200, too."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        if call.surface != "embeddings":
            return _read(answer, is_last=True)
        ordered = sorted(items(answer.get("data")), key=lambda each: _number(member(each, "index")))
        vectors = [floats(member(each, "embedding")) for each in ordered]
        if answer.get("error_code") or not vectors or None in vectors:
            return Delta(error=_error(answer))
        return Delta(
            result=Embeddings(tuple(each for each in vectors if each is not None)),
            report=input_report(member(answer, "usage", "total_tokens")),
        )


def _address(target: Target, kind: str) -> str:
    model = target.model.lower()
    slug = quote(_SLUGS.get(model, model), safe="")
    return f"{target.base_url}{_WORKSHOP}/{kind}/{slug}?access_token={quote(target.access_token, safe='')}"


def _messages(turns: tuple[Message, ...]) -> list[dict[str, Any]]:
    names = tool_names(turns)
    messages: list[dict[str, Any]] = []
    for message in merged(turns):
        if message.role == "tool":
            messages += [
                {
                    "role": "function",
                    "name": result.name or names.get(result.call_id, ""),
                    "content": text_of(result.parts),
                }
                for result in results_of(message)
            ]
            continue
        calls = [part for part in message.parts if isinstance(part, ToolCall)]
        if len(calls) > 1:
            raise InvalidRequestError("This model's vendor takes one tool call in a turn.", param="messages")
        text = text_of(message.parts)
        called = {"function_call": {"name": calls[0].name, "arguments": calls[0].arguments}} if calls else {}
        messages.append({"role": message.role, "content": text, **called})
    if not messages or messages[-1]["role"] == "assistant":
        raise InvalidRequestError("This model's vendor wants the last message to be the user's.", param="messages")
    if messages[0]["role"] == "assistant":
        raise InvalidRequestError("This model's vendor wants the first message to be the user's.", param="messages")
    return messages


def _error(answer: dict[str, Any]) -> VendorError:
    code = answer.get("error_code")
    named = {"message": answer.get("error_msg") or answer.get("error_description"), "code": code or answer.get("error")}
    return classify(named, kinds=ErnieDialect.kinds)


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


class _Stream(BaseDecoder):
    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event."""
        event = loads(frame.data)
        return [_read(event, is_last=member(event, "is_end") is True) if isinstance(event, dict) else BROKEN]


def _read(event: dict[str, Any], *, is_last: bool) -> Delta:
    if event.get("error_code") or not ("result" in event or "function_call" in event or "is_end" in event):
        return Delta(error=_error(event))
    usage = event.get("usage")
    counts = report(member(usage, "prompt_tokens"), member(usage, "completion_tokens"), member(usage, "total_tokens"))
    pieces = [Piece(text=words(event.get("result")))]
    called = event.get("function_call")
    if isinstance(called, dict):
        tool = ToolDelta(
            index=0,
            call_id="call_" + (words(event.get("id")) or "0"),
            name=words(called.get("name")),
            arguments=json_text(called.get("arguments")),
        )
        pieces.append(Piece(tool=tool))
    if is_last:
        pieces.append(Piece(finish_reason=_reason(event, has_call=isinstance(called, dict))))
    return said(*pieces, report=counts)


def _reason(event: dict[str, Any], *, has_call: bool) -> FinishReason:
    """Give why it ended; older models say it by flags only."""
    if has_call:
        return "tool_calls"
    if event.get("need_clear_history") is True:
        return "content_filter"
    if event.get("is_truncated") is True:
        return "length"
    return _FINISH.get(words(event.get("finish_reason")), "stop")


DIALECT: Final = ErnieDialect()
