"""Anthropic's own API: Messages, and counting their tokens."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from adapters.wire.base import BaseDialect
from adapters.wire.claude_models import claude_model
from adapters.wire.errors import decode_error
from adapters.wire.kit import BROKEN, get, input_report, items, member, post, words
from adapters.wire.lenient import loads
from adapters.wire.messages import VERSION, messages_body, output_limit
from adapters.wire.messages_answers import MessagesStream, decode_event, decode_message, messages_error
from domain.metering.usage import TokenUsage
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta
from domain.relay.dialect import Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

_FILES_BETA: Final = "files-api-2025-04-14"
_members: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_encode: Final = msgspec.json.encode


class AnthropicDialect(BaseDialect):
    """Messages, for clients of any contract; bytes pass through for those of its own."""

    surfaces: frozenset[Surface] = frozenset({"chat", "count_tokens"})
    end_mark: bytes = b""
    """A stream ends with an event of its own; one that lacks it has been cut off, and must not look whole."""

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of `/v1/messages`, or of its count of tokens."""
        body = messages_body(call, request, target)
        if call.surface == "count_tokens":
            body = _countable(body)
        uses_files = any(getattr(part, "file_id", "") for message in request.messages for part in message.parts)
        betas = (_FILES_BETA,) if uses_files else ()
        return post(_address(call, target), body, _headers(call, target, betas))

    def decoder(self, call: Call) -> StreamDecoder:
        """Read named events."""
        return MessagesStream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer."""
        return _counted(body) if call.surface == "count_tokens" else decode_message(body)

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a failed answer; what is not in the vendor's form came from something before it."""
        content = loads(body)
        if not isinstance(member(content, "error"), dict):
            return decode_error(status, headers, body, secrets=secrets)
        return messages_error(content, status=status, headers=headers, secrets=secrets)

    # ---- Native

    def encode_native(self, call: Call, target: Target) -> VendorRequest:
        """Give the client's own body under the routed model, with the output limit if it is lower."""
        members = _members.decode(call.body)
        if target.model != call.model:
            members["model"] = msgspec.Raw(_encode(target.model))
        if call.surface == "chat":
            limit = output_limit(call, target, claude_model(target.model))
            if call.output_tokens_max != limit:
                members["max_tokens"] = msgspec.Raw(_encode(limit))
                _fit_thinking(members, limit)
        return VendorRequest(
            url=_address(call, target),
            headers={**_COMMON, **_headers(call, target)},
            body=_encode(members),
        )

    def decode_native(self, frame: Frame) -> Delta:
        """Read one event."""
        return decode_event(frame.data)

    def rewrite_frame(self, frame: Frame, delta: Delta, call: Call, model: str) -> bytes | None:
        """Give the payload: as it came, but for the model's name in the first event."""
        if b'"message_start"' not in frame.data or model == call.model:
            return frame.data
        event = loads(frame.data)
        if not isinstance(member(event, "message"), dict) or "model" not in event["message"]:
            return frame.data
        event["message"]["model"] = call.model
        return _encode(event)

    def decode_native_body(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer: usage, text, error."""
        return msgspec.structs.replace(self.decode(body, headers, call), pieces=())

    def rewrite_body(self, body: bytes, call: Call, model: str) -> bytes:
        """Give the whole answer under the model name that the client used."""
        if model == call.model:
            return body
        try:
            members = _members.decode(body)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return body
        if "model" not in members:
            return body
        members["model"] = msgspec.Raw(_encode(call.model))
        return _encode(members)

    def missing_usage(self, like: bytes, usage: TokenUsage, call: Call) -> bytes:
        """Usage is part of the events themselves: there is no frame for it alone."""
        return b""

    # ---- The channel itself

    def models_request(self, target: Target) -> VendorRequest:
        """List models."""
        headers = {"x-api-key": target.key, "anthropic-version": VERSION}
        return get(f"{target.base_url}/v1/models?limit=1000", headers)

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Read their names."""
        return tuple(name for each in items(member(loads(body), "data")) if (name := words(member(each, "id"))))

    def balance_request(self, target: Target) -> VendorRequest | None:
        """Give nothing: the vendor tells nobody's balance."""
        return None

    def decode_balance(self, body: bytes) -> Mapping[str, Any]:
        """Read nothing, for nothing is asked."""
        return {}


_COMMON: Final = {"Content-Type": "application/json", "Accept-Encoding": "identity", "User-Agent": "Tallygate"}


def _address(call: Call, target: Target) -> str:
    tail = "/count_tokens" if call.surface == "count_tokens" else ""
    return f"{target.base_url}/v1/messages{tail}"


def _headers(call: Call, target: Target, betas: tuple[str, ...] = ()) -> dict[str, str]:
    """Give the credential, the version, and the betas: the client's, the operator's and those that the body needs."""
    named = (call.headers.get("anthropic-beta", ""), target.options.get("betas", ""), *betas)
    asked = ",".join(dict.fromkeys(beta.strip() for each in named for beta in each.split(",") if beta.strip()))
    version = call.headers.get("anthropic-version") or target.options.get("api_version") or VERSION
    # A token of the OAuth flow is no key; only its header differs.
    is_token = target.key.startswith("sk-ant-oat")
    credential = {"Authorization": f"Bearer {target.key}"} if is_token else {"x-api-key": target.key}
    return {**credential, "anthropic-version": version} | ({"anthropic-beta": asked} if asked else {})


def _countable(body: dict[str, Any]) -> dict[str, Any]:
    """Give what can be counted: nothing in it about how to answer."""
    kept = ("model", "system", "messages", "tools", "tool_choice", "thinking", "output_config")
    return {name: value for name, value in body.items() if name in kept}


def _counted(body: bytes) -> Delta:
    answer = loads(body)
    if not isinstance(answer, dict):
        return BROKEN
    report = input_report(answer.get("input_tokens"))
    if report is None or report.usage is None:
        return Delta(error=messages_error(answer))
    return Delta(report=report)


def _fit_thinking(members: dict[str, msgspec.Raw], limit: int) -> None:
    """Keep the thinking's budget below a limit that was lowered; the vendor refuses any other."""
    thinking = loads(members.get("thinking", msgspec.Raw(b"null")))
    budget = member(thinking, "budget_tokens")
    if type(budget) is not int or budget < limit:
        return
    if limit > _BUDGET_LEAST:
        members["thinking"] = msgspec.Raw(_encode({**thinking, "budget_tokens": limit - 1}))
    else:
        del members["thinking"]


_BUDGET_LEAST: Final = 1_024

DIALECT: Final = AnthropicDialect()
