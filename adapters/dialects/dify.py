"""Dify's applications as models: one question, files beside it, and what the application says.

Source: Dify's published API reference.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

from adapters.wire.base import BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import BROKEN, bearer, fitted, get, given, member, post, report, text_of, words
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Media, Message, Text
from domain.relay.delta import Delta, Piece, UsageReport, said
from domain.relay.dialect import Frame, StreamDecoder, Target, UnsupportedParameterError
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import Kind, VendorError

_EXTRAS: Final = ("inputs", "conversation_id", "workflow_id")
_ROLES: Final = {"system": "System", "assistant": "Assistant", "user": "User", "tool": "Tool"}


class DifyDialect(BaseDialect):
    """An application of the kind that the channel's option `app` says: chat, completion or workflow."""

    surfaces: frozenset[Surface] = frozenset({"chat"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("invalid_param", "bad_request", "file_too_large", "unsupported_file_type"), "bad_request"),
        **dict.fromkeys(
            ("app_unavailable", "not_chat_app", "not_workflow_app", "completion_request_error"), "overloaded"
        ),
        **dict.fromkeys(("provider_not_initialize", "model_currently_not_support"), "overloaded"),
        **dict.fromkeys(("provider_quota_exceeded", "rate_limit_error"), "quota"),
        **dict.fromkeys(("unauthorized", "forbidden"), "auth"),
        "not_found": "not_found",
        "too_many_requests": "rate_limit",
        "internal_server_error": "server",
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a message; agents answer in streams only, so that it always streams."""
        asked = fitted(request, target, takes=(), others=_EXTRAS)
        query, files = _query(asked)
        app = target.options.get("app") or "chat"
        inputs = asked.others.get("inputs")
        inputs = dict(inputs) if isinstance(inputs, dict) else {}
        body: dict[str, Any] = {
            "inputs": inputs,
            "response_mode": "streaming",
            "user": asked.user or target.options.get("user") or "tallygate",
            **given(files=files),
        }
        if app == "workflow":
            body["inputs"] = {target.options.get("input") or "query": query, **inputs}
            return post(f"{target.base_url}/workflows/run", body, bearer(target.key), streams=True)
        if app == "completion":
            body["inputs"] = {target.options.get("input") or "query": query, **inputs}
            return post(f"{target.base_url}/completion-messages", body, bearer(target.key), streams=True)
        body |= {"query": query, "auto_generate_name": False}
        body |= given(conversation_id=asked.others.get("conversation_id"), workflow_id=asked.others.get("workflow_id"))
        return post(f"{target.base_url}/chat-messages", body, bearer(target.key), streams=True)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events; their name is in the data."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a blocking answer, or an error."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        if isinstance(answer.get("answer"), str):
            usage = _usage(member(answer, "metadata", "usage"))
            return said(Piece(text=words(answer["answer"])), Piece(finish_reason="stop"), report=usage)
        return Delta(error=classify(answer, kinds=self.kinds))

    def models_request(self, target: Target) -> VendorRequest | None:
        """Ask for the application's own description: it costs nothing."""
        return get(f"{target.base_url}/info", bearer(target.key))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Give the application's name: the model's name is only a label."""
        name = words(member(loads(body), "name"))
        return (name,) if name else ()


def _query(request: ChatRequest) -> tuple[str, list[dict[str, str]]]:
    """Give everything that was said as one text, for the application knows no history, and the files of the end."""
    if not request.turns or request.turns[-1].role != "user":
        raise InvalidRequestError("This model's vendor wants the last message to be the user's.", param="messages")
    *earlier, last = request.messages
    told = [f"{_ROLES[message.role]}: {text_of(message.parts)}" for message in earlier]
    question = text_of(tuple(part for part in last.parts if isinstance(part, Text)))
    return "\n\n".join([*told, f"User: {question}"]) if told else question, _files(last)


def _files(message: Message) -> list[dict[str, str]]:
    files = []
    for part in message.parts:
        if not isinstance(part, Media):
            continue
        kind = "document" if part.kind == "file" else part.kind
        if part.url:
            files.append({"type": kind, "transfer_method": "remote_url", "url": part.url})
        elif part.file_id:
            files.append({"type": kind, "transfer_method": "local_file", "upload_file_id": part.file_id})
        else:
            raise UnsupportedParameterError("messages", "This model's vendor takes files by address only.")
    return files


def _usage(usage: object) -> UsageReport | None:
    return report(member(usage, "prompt_tokens"), member(usage, "completion_tokens"), member(usage, "total_tokens"))


class _Stream:
    def __init__(self) -> None:
        """Start before the first event."""
        self._is_done = False
        self._is_agent = False
        self._has_text = False
        self._is_replaced = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event; pings have no data."""
        if not frame.data:
            return []
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        match event.get("event"):
            case "agent_message":
                self._is_agent = True
                return self._text(event.get("answer"))
            case "message" if not self._is_agent:
                return self._text(event.get("answer"))
            case "text_chunk":
                return self._text(member(event, "data", "text"))
            case "reasoning_chunk":
                thought = words(member(event, "data", "reasoning")) or words(event.get("reasoning"))
                return [said(Piece(reasoning=thought))] if thought else []
            case "message_replace":
                # What was said cannot be taken back; that it was judged can be told.
                self._is_replaced = True
                return []
            case "message_end":
                self._is_done = True
                reason = Piece(finish_reason="content_filter" if self._is_replaced else "stop")
                return [said(reason, report=_usage(member(event, "metadata", "usage")))]
            case "workflow_finished":
                return self._workflow(event)
            case "workflow_paused" | "human_input_required":
                return [Delta(error=VendorError("server", vendor_code="workflow_paused"))]
            case "error" | None:
                return [Delta(error=classify(event, kinds=DifyDialect.kinds))]
            case _:
                return []

    def _text(self, value: object) -> list[Delta]:
        text = words(value)
        self._has_text = self._has_text or bool(text)
        return [said(Piece(text=text))] if text else []

    def _workflow(self, event: dict[str, Any]) -> list[Delta]:
        """Read the end of a workflow: a chatflow has ended already, an application of its own ends here."""
        data = event.get("data")
        if member(data, "status") not in ("succeeded", "partial-succeeded"):
            return [Delta(error=VendorError("server", vendor_code="workflow_failed"))]
        if self._is_done:
            return []
        self._is_done = True
        outputs = member(data, "outputs")
        texts = [words(each) for each in outputs.values()] if isinstance(outputs, dict) else []
        deltas = [] if self._has_text else self._text("\n".join(text for text in texts if text))
        return [*deltas, said(Piece(finish_reason="stop"))]

    def finish(self) -> list[Delta]:
        """Say that a stream without its end is not whole."""
        return [] if self._is_done else [Delta(error=VendorError("protocol", vendor_code="stream_truncated"))]


DIALECT: Final = DifyDialect()
