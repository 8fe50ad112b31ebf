"""AI Proxy Library: a question to a store of documents, answered with the documents beside it.

Source: One API's converter; whether the service still runs is not known.
"""

from collections.abc import Mapping
from typing import Any, Final

from adapters.wire.base import BaseDecoder, BaseDialect
from adapters.wire.errors import classify
from adapters.wire.kit import BROKEN, bearer, fitted, items, member, post, text_of, words
from adapters.wire.lenient import loads
from domain.relay.call import Call, InvalidRequestError, Surface
from domain.relay.chat import ChatRequest
from domain.relay.delta import Delta, Piece, said
from domain.relay.dialect import Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest


class AiProxyLibraryDialect(BaseDialect):
    """The library is an option of the channel."""

    surfaces: frozenset[Surface] = frozenset({"chat"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Ask the last message of the library."""
        asked = fitted(request, target, takes=())
        last = asked.turns[-1] if asked.turns else None
        if last is None or last.role != "user":
            raise InvalidRequestError("This model's vendor wants the last message to be the user's.", param="messages")
        body = {
            "model": target.model,
            "query": text_of(last.parts),
            "libraryId": target.options.get("library_id", ""),
            "stream": call.stream,
        }
        return post(f"{target.base_url}/api/library/ask", body, bearer(target.key))

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a whole answer; an error has status 200, too."""
        answer = loads(body)
        if not isinstance(answer, dict):
            return BROKEN
        if answer.get("errCode") or not isinstance(answer.get("answer"), str):
            return Delta(error=_error(answer))
        text = words(answer["answer"]) + _sources(answer.get("documents"))
        return said(Piece(text=text), Piece(finish_reason="stop"))


def _error(answer: dict[str, Any]) -> Any:
    return classify({"message": answer.get("message"), "code": answer.get("errCode")})


def _sources(documents: object) -> str:
    """Give the documents as a list in Markdown."""
    lines = [
        f"- [{words(member(each, 'title')) or url}]({url})"
        for each in items(documents)
        if (url := words(member(each, "url")))
    ]
    return "\n\n" + "\n".join(lines) if lines else ""


class _Stream(BaseDecoder):
    def __init__(self) -> None:
        """Start before the first event."""
        self._documents: object = None

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event; the documents are told at the end."""
        if frame.data == b"[DONE]":
            return [Delta(is_done=True)]
        event = loads(frame.data)
        if not isinstance(event, dict):
            return [BROKEN]
        if event.get("errCode"):
            return [Delta(error=_error(event))]
        self._documents = event.get("documents") or self._documents
        text = words(event.get("content"))
        if event.get("finish") is not True:
            return [said(Piece(text=text))] if text else []
        return [said(Piece(text=text + _sources(self._documents)), Piece(finish_reason="stop"))]


DIALECT: Final = AiProxyLibraryDialect()
