"""Replicate: predictions that are made, then streamed from an address of their own or polled.

Source: the vendor's Python SDK replicate 1.0.7.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from adapters.wire.base import BaseDialect
from adapters.wire.errors import classify, decode_error
from adapters.wire.kit import (
    BROKEN,
    bearer,
    fitted,
    get,
    given,
    image_url,
    items,
    member,
    post,
    refused,
    report,
    text_of,
    words,
)
from adapters.wire.lenient import loads
from domain.relay.call import Call, Surface
from domain.relay.chat import ChatRequest, Media, Part
from domain.relay.delta import Delta, Piece, UsageReport, said
from domain.relay.dialect import CanonicalRequest, Frame, StreamDecoder, Target
from domain.relay.ports import VendorRequest
from domain.relay.tasks import Images, ImagesRequest, MadeImage
from domain.relay.vendor_errors import VendorError

_TAKES: Final = frozenset({"temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty", "stop", "seed"})
_WORKING: Final = frozenset({"starting", "processing"})
_POLL_SECONDS: Final = 1.0
_JUDGED: Final = ("nsfw", "flagged", "safety")


class ReplicateDialect(BaseDialect):
    """A model is `owner/name`, or the 64 digits of a version."""

    surfaces: frozenset[Surface] = frozenset({"chat", "images"})

    def chat(self, call: Call, request: ChatRequest, target: Target) -> VendorRequest:
        """Make a prediction of a prompt; models take no turns, so that these are written out."""
        asked = fitted(request, target, takes=_TAKES, others=tuple(request.others))
        images = [part for turn in asked.turns for part in turn.parts if isinstance(part, Media)]
        prediction = given(
            prompt=_prompt(asked),
            system_prompt=asked.system,
            max_tokens=target.output_tokens_max,
            temperature=asked.temperature,
            top_p=asked.top_p,
            top_k=asked.top_k,
            presence_penalty=asked.presence_penalty,
            frequency_penalty=asked.frequency_penalty,
            stop_sequences=",".join(asked.stop),
            seed=asked.seed,
            image=image_url(images[-1]) if images else None,
            **asked.others,
        )
        return self._prediction(target, prediction, stream=call.stream)

    def task(self, request: CanonicalRequest, target: Target) -> VendorRequest:
        """Make a prediction of images."""
        if not isinstance(request, ImagesRequest) or request.images:
            raise refused(type(request).__name__)
        prediction = given(
            prompt=request.prompt,
            num_outputs=request.n,
            aspect_ratio=_ratio(request.size),
            output_format=request.output_format,
            **request.others,
        )
        return self._prediction(target, prediction, stream=False)

    @staticmethod
    def _prediction(target: Target, prediction: dict[str, Any], *, stream: bool) -> VendorRequest:
        body: dict[str, Any] = {"input": prediction}
        if stream:
            body["stream"] = True
        if "/" in target.model and ":" not in target.model:
            url = f"{target.base_url}/v1/models/{target.model}/predictions"
        else:
            url = f"{target.base_url}/v1/predictions"
            body["version"] = target.model.rpartition(":")[2]
        # The stream begins at once; what is not streamed may be waited for.
        waiting = {} if stream else {"Prefer": "wait"}
        return post(url, body, bearer(target.key) | waiting)

    def follow(self, reply: bytes, previous: VendorRequest, target: Target) -> VendorRequest | None:
        """Go to the stream's address, or ask again until the prediction has ended."""
        prediction = loads(reply)
        status = words(member(prediction, "status"))
        stream = words(member(prediction, "urls", "stream"))
        if _is_own(stream, target) and b'"stream":true' in previous.body and status != "failed":
            headers = bearer(target.key) | {"Accept": "text/event-stream", "Cache-Control": "no-store"}
            return get(stream, headers)
        if status not in _WORKING:
            return None
        poll = f"{target.base_url}/v1/predictions/{words(member(prediction, 'id'))}"
        return get(poll, bearer(target.key), delay_seconds=_POLL_SECONDS)

    def decoder(self, call: Call) -> StreamDecoder:
        """Read events whose data is text, and no JSON."""
        return _Stream()

    def decode(self, body: bytes, headers: Mapping[str, str], call: Call) -> Delta:
        """Read a prediction that has ended."""
        prediction = loads(body)
        if not isinstance(prediction, dict):
            return BROKEN
        if prediction.get("status") != "succeeded":
            return Delta(error=_failure(prediction))
        output = prediction.get("output")
        if call.surface == "images":
            urls = [words(each) for each in (output if isinstance(output, list) else [output])]
            made = tuple(MadeImage(url=url) for url in urls if url)
            return Delta(result=Images(made)) if made else BROKEN
        text = words(output) or "".join(words(each) for each in items(output))
        return said(Piece(text=text), Piece(finish_reason="stop"), report=_usage(prediction.get("metrics")))

    def models_request(self, target: Target) -> VendorRequest | None:
        """Ask whose the token is: the list of models is everybody's."""
        return get(f"{target.base_url}/v1/account", bearer(target.key))

    def decode_models(self, body: bytes) -> tuple[str, ...]:
        """Give none."""
        return ()

    def decode_error(
        self, status: int, headers: Mapping[str, str], body: bytes, *, secrets: tuple[str, ...] = ()
    ) -> VendorError:
        """Read a problem document; its title is no code."""
        content = loads(body)
        if isinstance(content, dict) and "detail" in content:
            return classify({"message": content["detail"]}, status=status, headers=headers, secrets=secrets)
        return decode_error(status, headers, body, secrets=secrets)


def _is_own(url: str, target: Target) -> bool:
    """Tell whether an address in an answer is the vendor's: the key goes nowhere else."""
    parts, base = urlsplit(url), urlsplit(target.base_url)
    host = parts.hostname or ""
    return parts.scheme == base.scheme and (host == base.hostname or host.endswith(".replicate.com"))


def _prompt(request: ChatRequest) -> str:
    turns = request.turns
    if len(turns) == 1:
        return _words(turns[0].parts)
    told = [f"{'Assistant' if turn.role == 'assistant' else 'User'}: {_words(turn.parts)}" for turn in turns]
    return "\n\n".join([*told, "Assistant:"])


def _words(parts: tuple[Part, ...]) -> str:
    return text_of(tuple(part for part in parts if not (isinstance(part, Media) and part.kind == "image")))


def _ratio(size: str) -> str | None:
    """Give the nearest ratio that models commonly take."""
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(height)):
        return size if ":" in size else None
    wanted = int(width) / int(height)
    known = {"1:1": 1.0, "16:9": 16 / 9, "9:16": 9 / 16, "3:2": 1.5, "2:3": 2 / 3, "4:3": 4 / 3, "3:4": 0.75}
    return min(known, key=lambda name: abs(known[name] - wanted))


def _usage(metrics: object) -> UsageReport | None:
    return report(member(metrics, "input_token_count"), member(metrics, "output_token_count"))


def _failure(prediction: dict[str, Any]) -> VendorError:
    told = words(prediction.get("error")) or words(prediction.get("detail"))
    if any(word in told.lower() for word in _JUDGED):
        return VendorError("content", vendor_code="content_filter")
    return VendorError("server", vendor_code="prediction_" + (words(prediction.get("status")) or "failed")[:32])


class _Stream:
    def __init__(self) -> None:
        """Start before the first event."""
        self._is_done = False

    def feed(self, frame: Frame) -> list[Delta]:
        """Read one event by its name."""
        match frame.event:
            case b"output":
                return [said(Piece(text=frame.data.decode("utf-8", "replace")))]
            case b"error":
                return [Delta(error=_failure({"error": words(member(loads(frame.data), "detail"))}))]
            case b"done":
                self._is_done = True
                reason = words(member(loads(frame.data), "reason"))
                if reason in ("error", "canceled"):
                    return [Delta(error=VendorError("server", vendor_code=f"prediction_{reason}"))]
                return [said(Piece(finish_reason="stop")), Delta(is_done=True)]
            case _:
                return []

    def finish(self) -> list[Delta]:
        """Say that a stream without its end is not whole."""
        return [] if self._is_done else [Delta(error=VendorError("protocol", vendor_code="stream_truncated"))]


DIALECT: Final = ReplicateDialect()
