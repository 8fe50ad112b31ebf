"""iFlytek's Spark over WebSocket: an address signed with HMAC, one message out, messages in.

Source: the vendor's Python SDK spark-ai-python 0.4.5 and its documentation of the signed address.
"""

import base64
import datetime as dt
import email.utils
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlencode, urlsplit

import msgspec

from adapters.wire.base import BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    check_tool_choice,
    clamped,
    fitted,
    given,
    items,
    json_text,
    member,
    report,
    text_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media, Message, ToolCall, ToolResult
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import Frame, Framing, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import Kind, VendorError

_TAKES: Final = frozenset({"tools", "tool_choice", "temperature", "top_k"})
_ROUTES: Final[Mapping[str, tuple[str, str]]] = {
    # Model: (domain, path). The version in the path and the domain belong together.
    "spark-lite": ("lite", "/v1.1/chat"),
    "spark-v2": ("generalv2", "/v2.1/chat"),
    "spark-pro": ("generalv3", "/v3.1/chat"),
    "spark-pro-128k": ("pro-128k", "/chat/pro-128k"),
    "spark-max": ("generalv3.5", "/v3.5/chat"),
    "spark-max-32k": ("max-32k", "/chat/max-32k"),
    "spark-4.0-ultra": ("4.0Ultra", "/v4.0/chat"),
    "spark-image": ("image", "/v2.1/image"),
}
_BY_DOMAIN: Final = {domain.lower(): (domain, path) for domain, path in _ROUTES.values()}
_IMAGE_HOST: Final = "spark-api.cn-huabei-1.xf-yun.com"
_WITH_SYSTEM: Final = frozenset({"generalv3", "pro-128k", "generalv3.5", "max-32k", "4.0Ultra"})
_LAST: Final = 2
_KEY_PARTS: Final = 3


class SparkDialect(BaseDialect):
    """Spark with `APPID|APISecret|APIKey`, in that order as One API writes it."""

    framing: Framing = "websocket"
    surfaces: frozenset[Surface] = frozenset({"chat"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("10000", "10001", "10002", "10009", "10010", "10011", "10012", "10222"), "server"),
        **dict.fromkeys(("10003", "10004", "10005", "10163", "10907", "11501"), "bad_request"),
        **dict.fromkeys(("10006", "10007", "11202", "11203"), "rate_limit"),
        **dict.fromkeys(("10008", "10110"), "overloaded"),
        **dict.fromkeys(("10013", "10014", "10019"), "content"),
        **dict.fromkeys(("10015", "11500"), "auth"),
        **dict.fromkeys(("10016", "11200", "11201"), "quota"),
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the signed address and the one message. The vendor streams in any case."""
        asked = fitted(request, target, takes=_TAKES)
        check_tool_choice(asked, target, "none")
        app_id, secret, key = _credential(target.key)
        domain, path = _route(target.model)
        offers_tools = bool(asked.tools) and (asked.tool_choice is None or asked.tool_choice.mode != "none")
        chat = given(
            domain=domain,
            temperature=clamped(asked.temperature, 0.01, 1.0),
            top_k=asked.top_k,
            max_tokens=target.output_tokens_max,
        )
        payload: dict[str, Any] = {"message": {"text": _messages(asked, domain)}}
        if offers_tools:
            payload["functions"] = {
                "text": [
                    given(name=tool.name, description=tool.description)
                    | {"parameters": tool.parameters or {"type": "object", "properties": {}}}
                    for tool in asked.tools
                ]
            }
        body = {
            "header": given(app_id=app_id, uid=asked.user[:32]),
            "parameter": {"chat": chat},
            "payload": payload,
        }
        address = _address(target, path, is_image=domain.startswith("image"))
        return VendorRequest(
            url=signed_url(address, api_key=key, api_secret=secret, now=target.now),
            headers={},
            body=msgspec.json.encode(body),
            streams=True,
        )

    def decoder(self, call: Call) -> StreamDecoder:
        """Read messages."""
        return _Stream(call.output_tokens_max)

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Refuse: the vendor gives messages, never a whole answer."""
        return BROKEN


def _credential(key: str) -> list[str]:
    parts = key.split("|")
    if len(parts) != _KEY_PARTS or not all(parts):
        raise VendorError("auth", vendor_code="malformed_key")
    return parts


def _route(model: str) -> tuple[str, str]:
    name = model.lower()
    return _ROUTES.get(name) or _BY_DOMAIN.get(name) or _ROUTES["spark-max"]


def _address(target: Target, path: str, *, is_image: bool) -> str:
    host = urlsplit(target.base_url).netloc
    if is_image and host == "spark-api.xf-yun.com":
        host = _IMAGE_HOST
    scheme = "ws" if target.base_url.startswith(("ws://", "http://")) else "wss"
    return f"{scheme}://{host}{path}"


def _messages(request: ChatRequest, domain: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = []
    for message in request.messages:
        images = [part for part in message.parts if isinstance(part, Media) and part.kind == "image" and part.data]
        if images and domain.startswith("image"):
            messages[:0] = [{"role": "user", "content": each.data, "content_type": "image"} for each in images]
            message = Message(message.role, tuple(part for part in message.parts if part not in images))  # noqa: PLW2901 -- the rest of it
        text = text_of(message.parts)
        match message.role:
            case "system" if messages or domain not in _WITH_SYSTEM:
                messages.append({"role": "user", "content": text})
            case "tool":
                # There is no role for results: they are told as the user's words.
                results = (part for part in message.parts if isinstance(part, ToolResult))
                messages += [{"role": "user", "content": text_of(result.parts)} for result in results]
            case "assistant":
                called = [f"{part.name}({part.arguments})" for part in message.parts if isinstance(part, ToolCall)]
                messages.append({"role": "assistant", "content": text or "\n".join(called)})
            case role:
                messages.append({"role": role, "content": text})
    return messages


def signed_url(url: str, *, api_key: str, api_secret: str, now: dt.datetime) -> str:
    """Give the address with its signature over host, date and request line; good for five minutes."""
    parts = urlsplit(url)
    date = email.utils.format_datetime(now.astimezone(dt.UTC), usegmt=True)
    origin = f"host: {parts.netloc}\ndate: {date}\nGET {parts.path} HTTP/1.1"
    signature = base64.b64encode(hmac.new(api_secret.encode(), origin.encode(), hashlib.sha256).digest()).decode()
    words_ = f'api_key="{api_key}", algorithm="hmac-sha256", headers="host date request-line", signature="{signature}"'
    query = urlencode({"authorization": base64.b64encode(words_.encode()).decode(), "date": date, "host": parts.netloc})
    return f"{url}?{query}"


class _Stream:
    def __init__(self, output_tokens_max: int | None) -> None:
        """Take the limit: the vendor does not say that it was reached."""
        self._limit = output_tokens_max
        self._is_done = False
        self._has_call = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one message; status 2 is the last."""
        message = loads(frame.data)
        if not isinstance(message, dict):
            return [BROKEN]
        header = message.get("header")
        code = member(header, "code")
        if code != 0:
            told = {"message": member(header, "message") or message.get("message"), "code": code}
            return [Delta(error=classify(told, kinds=SparkDialect.kinds))]
        pieces = []
        for each in items(member(message, "payload", "choices", "text")):
            if words(member(each, "reasoning_content")) or words(member(each, "content")):
                pieces.append(
                    Piece(reasoning=words(member(each, "reasoning_content")), text=words(member(each, "content")))
                )
            call = member(each, "function_call")
            if isinstance(call, dict):
                self._has_call = True
                tool = ToolDelta(
                    index=0,
                    call_id="call_" + (words(member(header, "sid")) or "0"),
                    name=words(call.get("name")),
                    arguments=json_text(call.get("arguments")),
                )
                pieces.append(Piece(tool=tool))
        if _LAST not in (member(header, "status"), member(message, "payload", "choices", "status")):
            return [said(*pieces)] if pieces else []
        self._is_done = True
        usage = member(message, "payload", "usage", "text")
        completion = member(usage, "completion_tokens")
        is_cut = self._limit is not None and isinstance(completion, int) and completion >= self._limit
        pieces.append(Piece(finish_reason="tool_calls" if self._has_call else "length" if is_cut else "stop"))
        counts = report(member(usage, "prompt_tokens"), completion, member(usage, "total_tokens"))
        return [said(*pieces, report=counts), Delta(is_done=True)]

    def finish(self) -> list[Delta]:
        """Say that a stream which closes before its last message is not whole."""
        return [] if self._is_done else [Delta(error=VendorError("protocol", vendor_code="stream_truncated"))]


DIALECT: Final = SparkDialect()
