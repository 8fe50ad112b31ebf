"""What a vendor of OpenAI's dialect answers, read in full.

It is read so for clients of another contract, and of vendors that stray too far from this one for their bytes to pass
through. Seen in recorded traffic: tool calls without index or type, with repeated ids, with arguments as an object;
content as an array of parts; thoughts under three names or between tags; finish reasons of the vendor's own making.
"""

from typing import Any, Final

import msgspec

from adapters.dialects.openai.profile import Profile
from adapters.dialects.openai.thoughts import ThoughtSplitter
from adapters.wire.lenient import leaves
from domain.relay.chat import Media
from domain.relay.delta import FinishReason, Piece, ToolDelta
from domain.relay.vendor_errors import VendorError

FINISH_REASONS: Final[dict[str, FinishReason]] = {
    "stop": "stop",
    "length": "length",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
    "function_call": "tool_calls",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "end_turn": "stop",
    "normal": "stop",
    "max_tokens": "length",
    "max_length": "length",
    "model_length": "length",
    "model_context_window_exceeded": "length",
    "insufficient_system_resource": "length",
    "sensitive": "content_filter",
    "safety": "content_filter",
    "recitation": "content_filter",
}
BROKEN_REASONS: Final = frozenset({"error", "network_error", "insufficient_system_resource"})
"""Reasons that mean a fault of the vendor's: an error, unless the answer had already begun."""

_CALLS_MAX: Final = 512
_AUDIO_CHARACTERS_MAX: Final = 64 * 2**20


class ChoiceReader:
    """Reads one choice, whole or piece by piece; keeps which tool calls are open."""

    __slots__ = ("_audio", "_audio_id", "_by_id", "_by_index", "_calls", "_profile", "_thoughts", "finished", "index")

    def __init__(self, index: int, profile: Profile) -> None:
        self.index = index
        self.finished = False
        self._profile = profile
        self._thoughts = ThoughtSplitter() if profile.think_tags else None
        self._calls: list[bool] = []  # per call, whether any arguments have come
        self._by_index: dict[int, tuple[int, str]] = {}
        self._by_id: dict[str, int] = {}
        self._audio: list[str] = []
        self._audio_id = ""

    def read(self, said: dict[str, Any], choice: dict[str, Any]) -> list[Piece]:
        """Give what a `delta` or a `message` adds, without the end of the choice."""
        pieces = [*self._reasoning(said), *self._content(said.get("content"))]
        refusal = leaves(said.get("refusal"))
        if refusal:
            pieces.append(self._piece(refusal=refusal))
        pieces += self._media(said)
        for tool in self._tools(said):
            pieces.append(self._piece(tool=tool))
        notes = tuple(note for note in _list(said.get("annotations")) if isinstance(note, dict))
        logprobs = choice.get("logprobs")
        if notes or (isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list)):
            known = logprobs if isinstance(logprobs, dict) and isinstance(logprobs.get("content"), list) else None
            first = pieces[0] if pieces else self._piece()
            pieces[:1] = [msgspec.structs.replace(first, annotations=notes, logprobs=known)]
        return pieces

    def end(self, reason: str | None) -> list[Piece]:
        """Give the end of the choice: what was held back, arguments that a call never got, the reason."""
        if self.finished:
            return []
        self.finished = True
        pieces = [] if self._thoughts is None else self._split(self._thoughts.finish())
        if self._audio:
            sound = Media(kind="audio", data="".join(self._audio), file_id=self._audio_id)
            pieces.append(self._piece(media=sound))
        for place, has_arguments in enumerate(self._calls):
            if not has_arguments:
                pieces.append(self._piece(tool=ToolDelta(index=place, arguments="{}")))
        mapped = finish_reason(reason) or "stop"
        if self._calls and mapped == "stop":
            mapped = "tool_calls"
        return [*pieces, self._piece(finish_reason=mapped)]

    def _piece(self, **members: Any) -> Piece:
        return Piece(choice=self.index, **members)

    def _reasoning(self, said: dict[str, Any]) -> list[Piece]:
        # Some send the same thoughts under two names: they were thought once.
        text = leaves(said.get("reasoning_content")) or leaves(said.get("reasoning"))
        pieces = []
        signature = redacted = ""
        for detail in _list(said.get("reasoning_details")):
            if isinstance(detail, dict):
                if detail.get("type") == "reasoning.encrypted":
                    redacted = _string(detail.get("data"))
                elif not text:
                    text = _string(detail.get("text")) or _string(detail.get("summary"))
                signature = _string(detail.get("signature")) or signature
        if text or signature:
            pieces.append(self._piece(reasoning=text, signature=signature))
        if redacted:
            pieces.append(self._piece(redacted=redacted))
        return pieces

    def _content(self, content: object) -> list[Piece]:
        if isinstance(content, str):
            if not content:
                return []
            if self._thoughts is not None:
                return self._split(self._thoughts.feed(leaves(content)))
            return [self._piece(text=leaves(content))]
        pieces: list[Piece] = []
        for part in _list(content):
            if isinstance(part, dict) and part.get("type") in ("thinking", "reasoning"):
                thought = leaves(part.get("thinking")) or leaves(part.get("text"))
                if thought:
                    pieces.append(self._piece(reasoning=thought))
            elif isinstance(part, dict) and isinstance(part.get("image_url"), dict | str):
                pieces += self._image(part["image_url"])
            else:
                text = leaves(part.get("text")) if isinstance(part, dict) else leaves(part)
                if text:
                    pieces.append(self._piece(text=text))
        return pieces

    def _split(self, found: list[tuple[bool, str]]) -> list[Piece]:
        return [self._piece(reasoning=text) if is_thought else self._piece(text=text) for is_thought, text in found]

    def _media(self, said: dict[str, Any]) -> list[Piece]:
        pieces: list[Piece] = []
        for image in _list(said.get("images")):
            if isinstance(image, dict):
                pieces += self._image(image.get("image_url"))
        sound = said.get("audio")
        if isinstance(sound, dict):
            # The words are streamed, the sound is kept: it is handed on as a whole.
            words = _string(sound.get("transcript"))
            if words:
                pieces.append(self._piece(text=words))
            data = _string(sound.get("data"))
            if data and sum(map(len, self._audio)) + len(data) <= _AUDIO_CHARACTERS_MAX:
                self._audio.append(data)
            self._audio_id = self._audio_id or _string(sound.get("id"))
        return pieces

    def _image(self, address: object) -> list[Piece]:
        url = _string(address.get("url")) if isinstance(address, dict) else _string(address)
        if url.startswith("data:"):
            head, _, data = url.partition(",")
            return [self._piece(media=Media(kind="image", data=data, media_type=head[5:].partition(";")[0]))]
        return [self._piece(media=Media(kind="image", url=url))] if url else []

    def _tools(self, said: dict[str, Any]) -> list[ToolDelta]:
        calls = said.get("tool_calls")
        if isinstance(calls, dict):
            calls = [calls]  # Spark sends one call as it is
        found = [self._tool(call, len(_list(calls))) for call in _list(calls) if isinstance(call, dict)]
        legacy = said.get("function_call")
        if isinstance(legacy, dict):
            found.append(self._tool({"index": 0, "function": legacy}, 1))
        return [tool for tool in found if tool is not None]

    def _tool(self, call: dict[str, Any], together: int) -> ToolDelta | None:
        custom = call.get("custom")
        function = call.get("function")
        body = function if isinstance(function, dict) else custom if isinstance(custom, dict) else call
        name = _string(body.get("name"))
        arguments = body.get("arguments", body.get("input"))
        text = arguments if isinstance(arguments, str) else _json(arguments)
        call_id = _string(call.get("id"))
        place, is_new = self._place(call.get("index"), call_id, name, together)
        if place >= _CALLS_MAX:
            return None
        if text:
            self._calls[place] = True
        google = call.get("extra_content")
        google = google.get("google") if isinstance(google, dict) else None
        signature = _string(google.get("thought_signature")) if isinstance(google, dict) else ""
        if not is_new:
            # A repeated id or name is the same one again, and never a part of it.
            return ToolDelta(index=place, arguments=text, signature=signature) if text or signature else None
        return ToolDelta(
            index=place, call_id=call_id or f"call_{self.index}_{place}", name=name, arguments=text, signature=signature
        )

    def _place(self, index: object, call_id: str, name: str, together: int) -> tuple[int, bool]:
        """Give the place of the call that a delta is about, and whether it begins there.

        The index decides, unless another id stands under it: a few vendors count every call as 0. Without an
        index the id decides; without both a name begins a call, and anything else continues the last one.
        """
        if type(index) is int:
            known = self._by_index.get(index)
            if known is not None and (not call_id or not known[1] or call_id == known[1] or not name):
                return known[0], False
            place = self._begin(call_id)
            self._by_index[index] = (place, call_id)
            return place, True
        if call_id:
            if call_id in self._by_id:
                return self._by_id[call_id], False
            return self._begin(call_id), True
        if self._calls and (not name or together == 0):
            return len(self._calls) - 1, False
        return self._begin(call_id), True

    def _begin(self, call_id: str) -> int:
        place = len(self._calls)
        if place < _CALLS_MAX:
            self._calls.append(False)
            if call_id:
                self._by_id[call_id] = place
        return place


def finish_reason(reason: str | None) -> FinishReason | None:
    """Give OpenAI's word for a vendor's; None where nothing has ended."""
    if not reason or reason == "null":
        return None
    return FINISH_REASONS.get(reason.lower(), "stop")


def broken(reason: str) -> VendorError:
    """Give the error that a finish reason of the vendor's stands for."""
    return VendorError("overloaded" if reason == "insufficient_system_resource" else "server", vendor_code=reason)


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _string(value: object) -> str:
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else ""


def _json(value: object) -> str:
    """Give arguments that came as an object as the text that they should have been."""
    return msgspec.json.encode(value).decode() if isinstance(value, dict | list) else ""
