"""Coze's v3 chats with bots: always streamed, for its plain answers are jobs.

Source: the vendor's Python SDK cozepy 0.20.0.
"""

from collections.abc import Mapping
from typing import Any, ClassVar, Final

import msgspec

from adapters.wire.base import BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import BROKEN, bearer, fitted, get, items, json_text, member, post, report, text_of, words
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest, Media, Message, Text
from domain.relay.delta import Delta, Piece, ToolDelta, said
from domain.relay.dialect import Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import Kind, VendorError

_EXTRAS: Final = ("custom_variables", "parameters", "meta_data", "conversation_id")
_BOT: Final = "bot-"


class CozeDialect(BaseDialect):
    """A model is a bot, named `bot-<id>`; how it samples is set in the bot."""

    surfaces: frozenset[Surface] = frozenset({"chat"})
    kinds: ClassVar[Mapping[str, Kind]] = {
        **dict.fromkeys(("4000", "4001"), "bad_request"),
        **dict.fromkeys(("4100", "4101", "700012006"), "auth"),
        "4013": "rate_limit",
        **dict.fromkeys(("4011", "4028"), "quota"),
        **dict.fromkeys(("4015", "4200"), "not_found"),
        "5000": "server",
    }

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Give the body of a chat; history and system text are messages of the same list."""
        asked = fitted(request, target, takes=(), others=_EXTRAS)
        messages = [_message(message) for message in asked.messages]
        if not messages or messages[-1]["role"] != "user":
            raise InvalidRequestError("This model's vendor wants the last message to be the user's.", param="messages")
        body: dict[str, Any] = {
            "bot_id": target.model.removeprefix(_BOT),
            "user_id": asked.user or target.options.get("user_id") or "tallygate",
            "stream": True,
            "auto_save_history": False,
            "additional_messages": messages,
        }
        others = dict(asked.others)
        conversation = others.pop("conversation_id", None)
        url = f"{target.base_url}/v3/chat"
        if isinstance(conversation, str) and conversation.isalnum():
            url += f"?conversation_id={conversation}"
        return post(url, body | others, bearer(target.key), streams=True)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read named events."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read what came in place of a stream: an error with status 200."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        return Delta(error=classify(answer, kinds=self.kinds))

    def models_request(self, target: Target) -> VendorRequest | None:
        """Ask who the token is of: bots are listed by workspace, which no token names."""
        return get(f"{target.base_url}/v1/users/me", bearer(target.key))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Give none, but VendorError for a token that is refused with status 200."""
        answer = loads(body)
        if member(answer, "code") not in (None, 0):
            raise classify(answer, kinds=self.kinds)
        return ()


def _message(message: Message) -> dict[str, str]:
    is_answer = message.role == "assistant"
    told: dict[str, str] = {
        "role": "assistant" if is_answer else "user",
        "type": "answer" if is_answer else "question",
        "content_type": "text",
    }
    if not any(isinstance(part, Media) for part in message.parts):
        return told | {"content": text_of(message.parts)}
    objects: list[dict[str, str]] = []
    for part in message.parts:
        if isinstance(part, Media):
            if not part.url and not part.file_id:
                text_of((part,))
            kind = "image" if part.kind == "image" else "file"
            place = {"file_url": part.url} if part.url else {"file_id": part.file_id}
            objects.append({"type": kind, **place})
        elif isinstance(part, Text):
            objects.append({"type": "text", "text": part.text})
    return told | {"content_type": "object_string", "content": msgspec.json.encode(objects).decode()}


class _Stream:
    def __init__(self) -> None:
        """Start before the first event."""
        self._is_done = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event; what is `completed` repeats the text that its deltas have given."""
        event = loads(frame.data)
        match frame.event:
            case b"conversation.message.delta":
                return [_delta(event)]
            case b"conversation.chat.completed":
                self._is_done = True
                usage = member(event, "usage")
                counts = report(
                    member(usage, "input_count"), member(usage, "output_count"), member(usage, "token_count")
                )
                return [said(Piece(finish_reason="stop"), report=counts)]
            case b"conversation.chat.requires_action":
                self._is_done = True
                calls = items(member(event, "required_action", "submit_tool_outputs", "tool_calls"))
                pieces = [Piece(tool=_call(index, call)) for index, call in enumerate(calls)]
                return [said(*pieces, Piece(finish_reason="tool_calls"))]
            case b"conversation.chat.failed":
                last = member(event, "last_error")
                return [Delta(error=classify(last if isinstance(last, dict) else {}, kinds=CozeDialect.kinds))]
            case b"error":
                return [Delta(error=classify(event if isinstance(event, dict) else {}, kinds=CozeDialect.kinds))]
            case b"done":
                return [Delta(is_done=True)] if self._is_done else self.finish()
            case b"":
                return [Delta(error=classify(event, kinds=CozeDialect.kinds)) if isinstance(event, dict) else BROKEN]
            case _:
                return []

    def finish(self) -> list[Delta]:
        """Say that a stream without its completion is not whole."""
        return [] if self._is_done else [Delta(error=VendorError("protocol", vendor_code="stream_truncated"))]


def _delta(event: object) -> Delta:
    if not isinstance(event, dict):
        return BROKEN
    text = words(event.get("content")) if event.get("type") in ("answer", None) else ""
    return said(Piece(text=text, reasoning=words(event.get("reasoning_content"))))


def _call(index: int, call: object) -> ToolDelta:
    return ToolDelta(
        index=index,
        call_id=words(member(call, "id")),
        name=words(member(call, "function", "name")),
        arguments=json_text(member(call, "function", "arguments")),
    )


DIALECT: Final = CozeDialect()
