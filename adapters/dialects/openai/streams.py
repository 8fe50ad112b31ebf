"""Whole streams and answers of OpenAI's dialect, read in full."""

from typing import Any

import msgspec

from adapters.dialects.openai.answers import error_in, report_anywhere
from adapters.dialects.openai.pieces import BROKEN_REASONS, ChoiceReader, broken
from adapters.dialects.openai.profile import Profile
from adapters.wire.errors import classify
from adapters.wire.lenient import loads
from domain.relay.delta import Delta, Piece, said
from domain.relay.dialect import Frame
from domain.relay.vendor_errors import VendorError

CHOICES_MAX = 256
"""More choices than any call can ask for."""


class ChunkDecoder:
    """Reads one stream of chunks into pieces."""

    def __init__(self, profile: Profile) -> None:
        """Take the vendor's quirks."""
        self._profile = profile
        self._choices: dict[int, ChoiceReader] = {}
        self._is_done = False
        self._has_said = False
        self._has_failed = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Give what one chunk says."""
        data = frame.data.strip()
        if not data or self._is_done or self._has_failed:
            return []
        if data == b"[DONE]":
            self._is_done = True
            if not self._choices:
                return [self._failed(VendorError("protocol", vendor_code="empty_stream"))]
            owed = self._owed()
            return [said(*owed), Delta(is_done=True)] if owed else [Delta(is_done=True)]
        event = loads(data)
        if self._profile.events and frame.event and frame.event not in self._profile.events:
            return self._named(frame.event, event)
        return [self._read(event)]

    def finish(self) -> list[Delta]:
        """Give what the end of the body completes; an error if the answer has no end."""
        if self._is_done or self._has_failed:
            return []
        is_whole = bool(self._choices) and all(choice.finished for choice in self._choices.values())
        if not is_whole and (self._profile.needs_finish or not self._choices):
            return [Delta(error=VendorError("protocol", vendor_code="stream_truncated"))]
        owed = self._owed()
        return [said(*owed)] if owed else []

    def _named(self, name: bytes, event: object) -> list[Delta]:
        """Read an event of the vendor's own: of them all only an error concerns the client."""
        if name != b"error":
            return []
        return [self._failed(classify(event, kinds=self._profile.error_kinds))]

    def _failed(self, error: VendorError) -> Delta:
        self._has_failed = True
        return Delta(error=error)

    def _read(self, event: object) -> Delta:
        if isinstance(event, list) and len(event) == 1:
            event = event[0]
        if not isinstance(event, dict):
            return self._failed(VendorError("protocol", vendor_code="invalid_json"))
        error = error_in(event, self._profile)
        if error is not None:
            return self._failed(error)
        choices = event.get("choices")
        found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
        pieces: list[Piece] = []
        for choice in found:
            reason = choice.get("finish_reason")
            if isinstance(reason, str) and reason in BROKEN_REASONS and not (self._has_said or pieces):
                return self._failed(broken(reason))
            pieces += self._choice(choice, event)
        self._has_said = self._has_said or bool(pieces)
        report = report_anywhere(event, found) if self._profile.believes_usage else None
        return said(*pieces, report=report)

    def _choice(self, choice: dict[str, Any], event: dict[str, Any]) -> list[Piece]:
        index = choice.get("index")
        index = index if type(index) is int and 0 <= index < CHOICES_MAX else 0
        reader = self._choices.get(index)
        if reader is None:
            reader = self._choices[index] = ChoiceReader(index, self._profile)
        if reader.finished:
            return []
        delta = choice.get("delta")
        if delta is None and not self._profile.message_ends_stream:
            delta = choice.get("message")
        pieces = reader.read(delta, choice) if isinstance(delta, dict) else []
        reason = choice.get("finish_reason")
        if isinstance(reason, str) and reason not in ("", "null"):
            pieces += [*_citations(event, index), *reader.end(reason)]
        return pieces

    def _owed(self) -> list[Piece]:
        return [piece for choice in self._choices.values() for piece in choice.end(None)]


def read_answer(body: bytes, profile: Profile) -> Delta:
    """Read a whole chat answer into pieces; nothing is raised, an error inside it is a delta with an error."""
    answer = loads(body)
    if isinstance(answer, list) and len(answer) == 1:
        answer = answer[0]
    if not isinstance(answer, dict):
        return Delta(error=VendorError("protocol", vendor_code="invalid_json"))
    error = error_in(answer, profile)
    if error is not None:
        return Delta(error=error)
    choices = answer.get("choices")
    found = [choice for choice in choices if isinstance(choice, dict)] if isinstance(choices, list) else []
    report = report_anywhere(answer, found) if profile.believes_usage else None
    if not found:
        return Delta(report=report, error=VendorError("protocol", vendor_code="no_choices"))
    pieces: list[Piece] = []
    for place, choice in enumerate(found[:CHOICES_MAX]):
        message = choice.get("message")
        reason = choice.get("finish_reason")
        reader = ChoiceReader(place, profile)
        said_here = reader.read(message, choice) if isinstance(message, dict) else []
        if isinstance(reason, str) and reason in BROKEN_REASONS and not said_here:
            return Delta(report=report, error=broken(reason))
        pieces += [*said_here, *_citations(answer, place), *reader.end(reason if isinstance(reason, str) else None)]
    return msgspec.structs.replace(said(*pieces, report=report), usage_only=False)


def _citations(event: dict[str, Any], index: int) -> list[Piece]:
    """Give the addresses that an answer rests on, which Perplexity lists beside the choices."""
    cited = event.get("citations")
    urls = [url for url in cited if isinstance(url, str)] if isinstance(cited, list) else []
    if not urls:
        return []
    titles = {
        result.get("url"): result.get("title")
        for result in (event.get("search_results") if isinstance(event.get("search_results"), list) else None) or ()
        if isinstance(result, dict) and isinstance(result.get("url"), str) and isinstance(result.get("title"), str)
    }
    notes = tuple(
        {
            "type": "url_citation",
            "url_citation": {"start_index": 0, "end_index": 0, "url": url, "title": titles.get(url) or url},
        }
        for url in urls
    )
    return [Piece(choice=index, annotations=notes)]
