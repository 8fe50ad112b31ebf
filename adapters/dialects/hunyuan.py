"""Tencent's Hunyuan through the cloud API 3.0: members in Pascal case, requests signed with TC3-HMAC-SHA256.

Source: the vendor's Python SDK tencentcloud-sdk-python 3.1.
"""

import datetime as dt
import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, ClassVar, Final
from urllib.parse import urlsplit

import msgspec

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import (
    BROKEN,
    HEADERS,
    check_tool_choice,
    clamped,
    fitted,
    floats,
    given,
    image_url,
    input_report,
    items,
    json_text,
    member,
    merged,
    refused,
    report,
    results_of,
    text_of,
    texts_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media, Message, Text, ToolCall, budget_of
from domain.relay.delta import Delta, FinishReason, Piece, ToolDelta, said
from domain.relay.dialect import CanonicalRequest, Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Embeddings, EmbeddingsRequest, Images, ImagesRequest, MadeImage
from domain.relay.vendor_errors import Kind, VendorError

_VERSION: Final = "2023-09-01"
_SERVICE: Final = "hunyuan"
_TAKES: Final = frozenset({"tools", "tool_choice", "temperature", "top_p", "stop", "seed", "reasoning"})
_EXTRAS: Final = ("enable_enhancement", "force_search_enhancement", "search_info", "citation")
_FINISH: Final[Mapping[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "sensitive": "content_filter",
}
_SEED_MAX: Final = 10_000


class HunyuanDialect(BaseDialect):
    """Hunyuan with `SecretId|SecretKey`, or `AppId|SecretId|SecretKey` as One API writes it."""

    surfaces: frozenset[Surface] = frozenset({"chat", "embeddings", "images"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        "authfailure": "auth",
        "unauthorizedoperation": "auth",
        "failedoperation.userunautherror": "auth",
        "failedoperation.servicenotactivated": "auth",
        "failedoperation.resourcepackexhausted": "quota",
        "failedoperation.freeresourcepackexhausted": "quota",
        "failedoperation.servicestoparrears": "quota",
        "resourceunavailable": "quota",
        "resourceinsufficient": "quota",
        "requestlimitexceeded": "rate_limit",
        "limitexceeded": "rate_limit",
        "failedoperation.engineserverlimitexceeded": "rate_limit",
        "invalidparametervalue.model": "not_found",
        "invalidparameter": "bad_request",
        "invalidparametervalue": "bad_request",
        "operationdenied": "content",
        "failedoperation.enginerequesttimeout": "timeout",
        "internalerror": "server",
        "failedoperation.engineservererror": "server",
        "4000": "server",
        "4001": "timeout",
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give a signed ChatCompletions; it knows no output limit of its own."""
        asked = fitted(request, target, takes=_TAKES, others=_EXTRAS)
        check_tool_choice(asked, target, "none", "named")
        choice = asked.tool_choice
        budget = None if asked.reasoning is None else budget_of(asked.reasoning)
        body = given(
            Model=target.model,
            Messages=[each for message in merged(asked.messages) for each in _messages(message)],
            Temperature=clamped(asked.temperature, 0, 2),
            TopP=clamped(asked.top_p, 0, 1),
            Stop=list(asked.stop),
            Seed=None if asked.seed is None else abs(asked.seed) % _SEED_MAX or 1,
            Tools=[_tool(tool.name, tool.description, tool.parameters) for tool in asked.tools],
            ToolChoice={"none": "none", "named": "custom"}.get(choice.mode) if choice is not None else None,
            CustomTool=next(
                (
                    _tool(tool.name, tool.description, tool.parameters)
                    for tool in asked.tools
                    if choice is not None and choice.mode == "named" and tool.name == choice.name
                ),
                None,
            ),
            EnableThinking=None if budget is None else budget != 0,
            **{_pascal(name): value for name, value in asked.others.items()},
        )
        return _signed(target, "ChatCompletions", body | {"Stream": call.stream})

    def embeddings(self, request: EmbeddingsRequest, target: Target) -> VendorRequest:
        """Give a signed GetEmbedding."""
        return _signed(target, "GetEmbedding", {"InputList": texts_of(request)})

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Give a signed TextToImageLite, which makes one image."""
        if not isinstance(request, ImagesRequest) or request.images or request.n > 1:
            raise refused("images, more than one at a time")
        body = given(
            Prompt=request.prompt,
            NegativePrompt=request.others.get("negative_prompt"),
            Resolution=request.size.replace("x", ":"),
            RspImgType="url" if request.response_format == "url" else "base64",
        )
        return _signed(target, "TextToImageLite", body | {"LogoAdd": 0})

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events; they lack the envelope that whole answers have."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer; an error has status 200, too."""
        answer = member(loads(body), "Response")
        if not isinstance(answer, dict):
            return BROKEN
        if answer.get("Error"):
            return Delta(error=classify({"Response": answer}, kinds=self.kinds))
        match call.surface:
            case "embeddings":
                return self._embeddings(answer)
            case "images":
                image = words(answer.get("ResultImage"))
                made = MadeImage(url=image) if image.startswith("http") else MadeImage(data=image)
                return Delta(result=Images((made,))) if image else BROKEN
            case _:
                return _Stream().read(answer, "Message")

    def _embeddings(self, answer: dict[str, Any]) -> Delta:
        # The index may be 0 for all: they come in order.
        vectors = [floats(member(each, "Embedding")) for each in items(answer.get("Data"))]
        if not vectors or None in vectors:
            return BROKEN
        return Delta(
            result=Embeddings(tuple(each for each in vectors if each is not None)),
            report=input_report(member(answer, "Usage", "TotalTokens")),
        )


def _tool(name: str, description: str, parameters: dict[str, Any] | None) -> dict[str, Any]:
    schema = msgspec.json.encode(parameters or {"type": "object", "properties": {}}).decode()
    return {"Type": "function", "Function": given(Name=name, Description=description, Parameters=schema)}


def _messages(message: Message) -> list[dict[str, Any]]:
    if message.role == "tool":
        return [
            {"Role": "tool", "ToolCallId": result.call_id, "Content": text_of(result.parts)}
            for result in results_of(message)
        ]
    calls = [
        {"Id": part.call_id, "Type": "function", "Function": {"Name": part.name, "Arguments": part.arguments}}
        for part in message.parts
        if isinstance(part, ToolCall)
    ]
    if not any(isinstance(part, Media) for part in message.parts):
        return [{"Role": message.role, "Content": text_of(message.parts), **given(ToolCalls=calls)}]
    contents: list[dict[str, Any]] = []
    for part in message.parts:
        if isinstance(part, Media):
            if part.kind != "image":
                text_of((part,))
            contents.append({"Type": "image_url", "ImageUrl": {"Url": image_url(part)}})
        elif isinstance(part, Text):
            contents.append({"Type": "text", "Text": part.text})
    return [{"Role": message.role, "Contents": contents}]


def _pascal(name: str) -> str:
    return "".join(word.capitalize() for word in name.split("_"))


class _Stream(BaseDecoder):
    def __init__(self) -> None:
        """Start before the first event."""
        self._calls: dict[tuple[int, str], int] = {}

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event."""
        if frame.data == b"[DONE]":
            return [Delta(is_done=True)]
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        failed = event.get("ErrorMsg")
        if isinstance(failed, dict):
            named = {"message": failed.get("Msg"), "code": failed.get("Code")}
            return [Delta(error=classify(named, kinds=HunyuanDialect.kinds))]
        if isinstance(event.get("Response"), dict):
            return [Delta(error=classify(event, kinds=HunyuanDialect.kinds))]
        return [self.read(event, "Delta")]

    def read(self, answer: dict[str, Any], where: str) -> Delta:
        """Read choices whose words are in `Delta` or in `Message`."""
        choices = answer.get("Choices")
        if not isinstance(choices, list):
            return BROKEN
        pieces: list[Piece] = []
        for choice in choices:
            pieces += self._choice(choice, member(choice, where))
        usage = answer.get("Usage")
        counts = report(
            member(usage, "PromptTokens"),
            member(usage, "CompletionTokens"),
            member(usage, "TotalTokens"),
            cached=member(usage, "PromptTokensDetails", "CachedTokens"),
        )
        return said(*pieces, report=counts)

    def _choice(self, choice: object, message: object) -> list[Piece]:
        index = member(choice, "Index")
        number = index if isinstance(index, int) else 0
        pieces = []
        if thoughts := words(member(message, "ReasoningContent")):
            pieces.append(Piece(choice=number, reasoning=thoughts))
        if text := words(member(message, "Content")):
            pieces.append(Piece(choice=number, text=text))
        for place, call in enumerate(items(member(message, "ToolCalls"))):
            own = member(call, "Index")
            arguments = member(call, "Function", "Arguments")
            tool = ToolDelta(
                index=own if isinstance(own, int) else place,
                call_id=words(member(call, "Id")),
                name=words(member(call, "Function", "Name")),
                arguments=words(arguments) if isinstance(arguments, str) else json_text(arguments),
            )
            pieces.append(Piece(choice=number, tool=tool))
        reason = words(member(choice, "FinishReason"))
        if reason:
            pieces.append(Piece(choice=number, finish_reason=_FINISH.get(reason, "stop")))
        return pieces


# ---- TC3-HMAC-SHA256


def _signed(target: Target, action: str, body: dict[str, Any]) -> VendorRequest:
    """Give a POST to the root, signed over these very bytes."""
    payload = msgspec.json.encode(body)
    host = urlsplit(target.base_url).netloc
    timestamp = int(target.now.timestamp())
    headers = {
        **HEADERS,
        "X-TC-Action": action,
        "X-TC-Version": _VERSION,
        "X-TC-Timestamp": str(timestamp),
        "Authorization": authorization(*_credential(target.key), host=host, timestamp=timestamp, body=payload),
    }
    region = target.options.get("region")
    if region:
        headers["X-TC-Region"] = region
    return VendorRequest(url=f"{target.base_url}/", headers=headers, body=payload)


def _credential(key: str) -> tuple[str, str]:
    parts = key.split("|")
    if len(parts) not in (2, 3):
        raise VendorError("auth", vendor_code="malformed_key")
    return parts[-2], parts[-1]


def authorization(secret_id: str, secret_key: str, *, host: str, timestamp: int, body: bytes) -> str:
    """Give the Authorization header of a POST of JSON; `timestamp` is in Unix seconds."""
    date = dt.datetime.fromtimestamp(timestamp, dt.UTC).strftime("%Y-%m-%d")
    signed = "content-type;host"
    canonical = f"POST\n/\n\ncontent-type:application/json\nhost:{host}\n\n{signed}\n{hashlib.sha256(body).hexdigest()}"
    scope = f"{date}/{_SERVICE}/tc3_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    to_sign = f"TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{digest}"
    key = f"TC3{secret_key}".encode()
    for word in (date, _SERVICE, "tc3_request"):
        key = hmac.new(key, word.encode(), hashlib.sha256).digest()
    signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
    return f"TC3-HMAC-SHA256 Credential={secret_id}/{scope}, SignedHeaders={signed}, Signature={signature}"


DIALECT: Final = HunyuanDialect()
