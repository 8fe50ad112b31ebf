"""Answers in the form of OpenAI's Responses API: items that open, grow and close, and the object that holds them."""

from typing import Any, Final

import msgspec

from adapters.surfaces.openai_answers import EVENTS, logprobs_body, signature_members
from adapters.surfaces.responses_reading import REDACTED, SIGNED
from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.chat import Media
from domain.relay.delta import Delta, Piece, ToolDelta
from domain.relay.dialect import ClientError, Said

_encode: Final = msgspec.json.encode
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_FAILURES: Final = frozenset({"rate_limit_exceeded", "server_error", "invalid_prompt"})


def usage_body(usage: TokenUsage) -> dict[str, Any]:
    """Give the usage: totals that include their details."""
    return {
        "input_tokens": usage.input_total,
        "input_tokens_details": {
            "cached_tokens": usage.cached_input_tokens,
            "cache_write_tokens": usage.cache_writes,
        },
        "output_tokens": usage.output_total,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_tokens},
        "total_tokens": usage.total,
    }


class _Asked(msgspec.Struct):
    """What of the request the answer repeats."""

    instructions: Any = None
    max_output_tokens: Any = None
    metadata: dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    reasoning: dict[str, Any] | None = None
    temperature: float | None = None
    text: dict[str, Any] | None = None
    tool_choice: Any = None
    tools: list[dict[str, Any]] | None = None
    top_p: float | None = None
    user: str | None = None


class ResponseWriter:
    """Writes one response; the same steps make the events of a stream and the object of a whole answer."""

    media_type = EVENTS

    def __init__(self, call: Call, said: Said) -> None:
        """Take the call, whose settings the answer repeats, and the envelope."""
        self._seed = said.answer_id
        self._items: list[dict[str, Any]] = []
        self._open: dict[str, Any] | None = None  # the message or the thought that still grows
        self._calls: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._out: list[bytes] = []
        self._reason = ""
        asked = msgspec.json.decode(call.body, type=_Asked)
        self._head: dict[str, Any] = {
            "id": f"resp_{said.answer_id}",
            "object": "response",
            "created_at": said.created,
            "status": "in_progress",
            "background": False,
            "error": None,
            "incomplete_details": None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "model": call.model,
            "output": [],
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "reasoning": {"effort": None, "summary": None} | (asked.reasoning or {}),
            "store": False,
            "temperature": asked.temperature,
            "text": {"format": {"type": "text"}} | (asked.text or {}),
            "tool_choice": asked.tool_choice or "auto",
            "tools": [_tool_body(tool) for tool in asked.tools or ()],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": None,
            "user": asked.user,
            "metadata": asked.metadata or {},
        }

    # ---- The port

    def write(self, delta: Delta) -> bytes:
        """Give the events of a delta."""
        self._begin()
        for piece in delta.pieces:
            if piece.choice == 0:
                self._piece(piece)
        return self._taken()

    def finish(self, usage: TokenUsage, note: bytes) -> bytes:
        """Close what is open, and give the note and the whole response: nothing follows its event."""
        self._begin()
        body = self.whole(usage)
        if note:
            self._out.append(b": " + note + b"\n\n")
        self._event(f"response.{body['status']}", response=body)
        return self._taken()

    def fail(self, error: ClientError) -> bytes:
        """Give an error in mid-stream: the event, and the response as it failed."""
        self._begin()
        self._event("error", code=error.code, message=error.message, param=error.param)
        code = error.code if error.code in _FAILURES else "server_error"
        body = self._head | {"status": "failed", "output": self._items}
        self._event("response.failed", response=body | {"error": {"code": code, "message": error.message}})
        return self._taken()

    def whole(self, usage: TokenUsage) -> dict[str, Any]:
        """Close what is open, and give the response as an object."""
        status = "incomplete" if self._reason in _INCOMPLETE else "completed"
        self._close(status)
        for item in self._calls.values():
            self._end_call(item, status)
        self._calls = {}
        details = {"reason": _INCOMPLETE[self._reason]} if status == "incomplete" else None
        return self._head | {
            "status": status,
            "incomplete_details": details,
            "output": self._items,
            "usage": usage_body(usage),
        }

    # ---- Events

    def _begin(self) -> None:
        if self._number == 0:
            self._event("response.created", response=self._head)
            self._event("response.in_progress", response=self._head)

    def _event(self, type_: str, **members: Any) -> None:
        body = {"type": type_, "sequence_number": self._number, **members}
        self._number += 1
        self._out.append(b"event: " + type_.encode() + b"\ndata: " + _encode(body) + b"\n\n")

    def _taken(self) -> bytes:
        out, self._out = b"".join(self._out), []
        return out

    # ---- Items

    def _add(self, prefix: str, **members: Any) -> dict[str, Any]:
        item = {"id": f"{prefix}_{self._seed}{len(self._items):04x}", **members}
        self._items.append(item)
        self._event("response.output_item.added", output_index=len(self._items) - 1, item=item)
        return item

    def _place(self, item: dict[str, Any]) -> dict[str, Any]:
        index = next(place for place, known in enumerate(self._items) if known is item)
        return {"item_id": item["id"], "output_index": index}

    def _piece(self, piece: Piece) -> None:
        if piece.reasoning:
            self._think(piece.reasoning)
        if piece.signature:
            self._seal(SIGNED + piece.signature)
        if piece.redacted:
            self._close("completed")
            self._thought()
            self._seal(REDACTED + piece.redacted)
        if piece.text:
            self._say("output_text", "text", piece.text, piece.logprobs)
        if piece.refusal:
            self._say("refusal", "refusal", piece.refusal, None)
        for note in piece.annotations:
            self._annotate(note)
        if piece.media is not None:
            self._show(piece.media)
        if piece.tool is not None:
            self._call(piece.tool)
        if piece.finish_reason is not None:
            self._reason = piece.finish_reason

    def _thought(self) -> dict[str, Any]:
        self._open = self._add("rs", type="reasoning", summary=[], status="in_progress")
        return self._open

    def _think(self, text: str) -> None:
        item = self._open
        if item is None or item["type"] != "reasoning":
            self._close("completed")
            item = self._thought()
        place = self._place(item) | {"summary_index": 0}
        if not item["summary"]:
            self._event("response.reasoning_summary_part.added", **place, part={"type": "summary_text", "text": ""})
            item["summary"].append({"type": "summary_text", "text": ""})
        item["summary"][0]["text"] += text
        self._event("response.reasoning_summary_text.delta", **place, delta=text)

    def _seal(self, sealed: str) -> None:
        """End a thought with the proof of it, which the client gives back in the next turn."""
        if self._open is None or self._open["type"] != "reasoning":
            self._close("completed")
            self._thought()
        assert self._open is not None
        self._open["encrypted_content"] = sealed
        self._close("completed")

    def _say(self, type_: str, member: str, text: str, logprobs: dict[str, Any] | None) -> None:
        item = self._open
        if item is None or item["type"] != "message":
            self._close("completed")
            item = self._open = self._add("msg", type="message", role="assistant", status="in_progress", content=[])
        content = item["content"]
        place = self._place(item)
        if not content or content[-1]["type"] != type_:
            self._close_part(item)
            part: dict[str, Any] = {"type": type_, member: ""}
            if type_ == "output_text":
                part |= {"annotations": [], "logprobs": []}
            self._event("response.content_part.added", **place, content_index=len(content), part=part)
            content.append(part)
        content[-1][member] += text
        place["content_index"] = len(content) - 1
        if type_ == "refusal":
            self._event("response.refusal.delta", **place, delta=text)
            return
        tokens = ((logprobs_body(logprobs) or {}).get("content")) or []
        content[-1]["logprobs"] += tokens
        self._event("response.output_text.delta", **place, delta=text, logprobs=tokens)

    def _annotate(self, note: dict[str, Any]) -> None:
        """Add a source; the chat's form holds its members one level deeper."""
        if self._open is None or self._open["type"] != "message" or self._open["content"][-1]["type"] != "output_text":
            self._say("output_text", "text", "", None)
        assert self._open is not None
        cited = note.get("url_citation")
        flat = {"type": "url_citation", **cited} if isinstance(cited, dict) else note
        content = self._open["content"]
        notes = content[-1]["annotations"]
        place = self._place(self._open) | {"content_index": len(content) - 1, "annotation_index": len(notes)}
        notes.append(flat)
        self._event("response.output_text.annotation.added", **place, annotation=flat)

    def _show(self, media: Media) -> None:
        """Give a picture as the item of a picture made; sounds have no item here."""
        if media.kind != "image":
            return
        self._close("completed")
        item = self._add("ig", type="image_generation_call", status="completed", result=media.data or media.url)
        self._event("response.output_item.done", output_index=len(self._items) - 1, item=item)

    def _call(self, tool: ToolDelta) -> None:
        item = self._calls.get(tool.index)
        if item is None:
            self._close("completed")
            item = self._calls[tool.index] = self._add(
                "fc", type="function_call", status="in_progress", call_id=tool.call_id, name=tool.name, arguments=""
            )
        item |= signature_members(tool.signature)
        if tool.arguments:
            item["arguments"] += tool.arguments
            self._event("response.function_call_arguments.delta", **self._place(item), delta=tool.arguments)

    def _end_call(self, item: dict[str, Any], status: str) -> None:
        item["arguments"] = item["arguments"] or "{}"
        item["status"] = status
        place = self._place(item)
        self._event("response.function_call_arguments.done", **place, name=item["name"], arguments=item["arguments"])
        self._event("response.output_item.done", output_index=place["output_index"], item=item)

    def _close_part(self, item: dict[str, Any]) -> None:
        if not item["content"]:
            return
        part = item["content"][-1]
        place = self._place(item) | {"content_index": len(item["content"]) - 1}
        if part["type"] == "refusal":
            self._event("response.refusal.done", **place, refusal=part["refusal"])
        else:
            self._event("response.output_text.done", **place, text=part["text"], logprobs=part["logprobs"])
        self._event("response.content_part.done", **place, part=part)

    def _close(self, status: str) -> None:
        item, self._open = self._open, None
        if item is None:
            return
        if item["type"] == "message":
            self._close_part(item)
        elif item["summary"]:
            part = item["summary"][0]
            place = self._place(item) | {"summary_index": 0}
            self._event("response.reasoning_summary_text.done", **place, text=part["text"])
            self._event("response.reasoning_summary_part.done", **place, part=part)
        item["status"] = status
        self._event("response.output_item.done", output_index=self._place(item)["output_index"], item=item)


def _tool_body(tool: dict[str, Any]) -> dict[str, Any]:
    """Repeat a tool with the members that the answer's schema demands of it."""
    if tool.get("type") != "function":
        return tool
    return {"type": "function", "name": "", "description": None, "parameters": None, "strict": None} | tool
