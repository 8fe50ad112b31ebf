"""How many tokens a request's prompt has, before any vendor has said so.

Two figures: what it probably is, for a vendor that reports nothing, and what it is at most, for the hold. The
second is conservative by these rules:

- Text of a model whose tokenizer we have counts by it, plus 5 % for what vendors wrap around it. Of other
  models it counts twice, for their vocabularies are smaller; but never more than one token per UTF-8 byte,
  which no byte-level vocabulary exceeds.
- A chat costs 3 tokens per message, 1 per name and 3 at the end; at most twice that. A tool adds up to 16.
- An image counts by its published rule (`images.py`), and twice that for vendors whose rule we do not have.
- Audio is 10 tokens a second. A file that says its byte rate is believed; otherwise 1,000 bytes a second, the
  lowest rate of an MP3, is the upper bound and 16,000 the guess.
- A file in the request is at most a token per byte, and probably one per eight. What is only named (a file id,
  earlier audio) cannot be measured: then the upper bound is the model's context.
- No prompt is longer than the model's context, which caps everything.

Nothing here judges whether a request is valid: what is not recognized is counted as the JSON text it is.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from domain.metering.images import GENERAL_RULE, Base64Window, image_tokens, rule_for

Count = Callable[[str, str], int]
"""Tokens of a text (first) for a model (second)."""

TOKENS_PER_MESSAGE: Final = 3
TOKENS_PER_NAME: Final = 1
TOKENS_AT_END: Final = 3
TOKENS_PER_TOOL_UPPER: Final = 16
MARGIN_KNOWN_PERCENT: Final = 5
MARGIN_UNKNOWN_PERCENT: Final = 100

AUDIO_TOKENS_PER_SECOND: Final = 10
AUDIO_BYTES_PER_SECOND: Final = 16_000
AUDIO_BYTES_PER_SECOND_LEAST: Final = 1_000
FILE_BYTES_PER_TOKEN: Final = 8

CONTEXT_TOKENS_UNKNOWN: Final = 1_000_000
"""The context assumed for a prompt that cannot be measured, of a model whose context is not known."""


class Estimate(msgspec.Struct, frozen=True, kw_only=True):
    """What a prompt has, or may have."""

    prompt_tokens: int
    """The likely number, all classes together."""
    prompt_tokens_upper: int
    """The number to hold credit for."""
    image_tokens: int = 0
    """The part of `prompt_tokens` that images make up; likewise audio."""
    audio_tokens: int = 0
    has_audio: bool = False
    """Whether any part of the prompt is audio, so that a hold need not reckon with it where there is none."""
    unmeasured: bool = False
    """Something is only named, so that the upper bound is the model's whole context."""


def estimate_prompt(
    body: Mapping[str, Any],
    count: Count,
    *,
    model: str | None = None,
    known_tokenizer: bool = True,
    context_tokens_max: int | None = None,
) -> Estimate:
    """Estimate the prompt of a decoded request for a chat, a completion or embeddings.

    `model` is the one that answers, if it is not the one that was asked for. `known_tokenizer` says whether
    `count` is exact for it.
    """
    tally = _Tally(model if model is not None else _text(body.get("model")), count, known=known_tokenizer)
    if "messages" in body:
        tally.chat(body)
    else:
        for field in ("prompt", "input", "suffix", "instructions"):
            tally.prompt(body.get(field))
    return tally.estimate(context_tokens_max)


def choices_requested(body: Mapping[str, Any]) -> int:
    """Give how many answers a request makes the vendor write: each of them can be as long as the limit."""
    prompt = body.get("prompt")
    prompts = len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1
    wanted = [value for value in (body.get("n"), body.get("best_of")) if isinstance(value, int)]
    return prompts * max([1, *wanted])


class _Tally:
    """Adds up one prompt. Text is collected first and counted piece by piece, each with its bound."""

    def __init__(self, model: str, count: Count, *, known: bool) -> None:
        self._model = model
        self._count = count
        self._margin = MARGIN_KNOWN_PERCENT if known else MARGIN_UNKNOWN_PERCENT
        self._images_known = known or rule_for(model) is not GENERAL_RULE
        self._tokens = 0
        self._upper = 0
        self._images = 0
        self._audio = 0
        self._has_audio = False
        self._unmeasured = False

    def estimate(self, context_tokens_max: int | None) -> Estimate:
        upper = max(self._upper, self._tokens)
        if self._unmeasured:
            upper = max(upper, context_tokens_max or CONTEXT_TOKENS_UNKNOWN)
        if context_tokens_max is not None:
            upper = min(upper, context_tokens_max)
        return Estimate(
            prompt_tokens=min(self._tokens, upper),
            prompt_tokens_upper=upper,
            image_tokens=min(self._images, upper),
            audio_tokens=min(self._audio, upper),
            has_audio=self._has_audio,
            unmeasured=self._unmeasured,
        )

    def chat(self, body: Mapping[str, Any]) -> None:
        for message in _items(body.get("messages")):
            self._message(message)
        self._overhead(TOKENS_AT_END)
        for field in ("tools", "functions"):
            for tool in _items(body.get(field)):
                self._json(tool)
                self._upper += TOKENS_PER_TOOL_UPPER
        shape = body.get("response_format")
        if isinstance(shape, dict) and shape.get("type") == "json_schema":
            self._json(shape.get("json_schema"))

    def prompt(self, value: object) -> None:
        """Add a text, tokens given by number, or a list of either."""
        if isinstance(value, list):
            if value and isinstance(value[0], int):
                self._add(len(value), len(value))
                return
            for item in value:
                if isinstance(item, list) and item and isinstance(item[0], int):
                    self._add(len(item), len(item))
                else:
                    self._part(item)
        else:
            self._json(value)

    def _message(self, message: object) -> None:
        self._overhead(TOKENS_PER_MESSAGE)
        if not isinstance(message, dict):
            self._json(message)
            return
        for field, value in message.items():
            match field:
                case "content":
                    self._content(value)
                case "name":
                    self._overhead(TOKENS_PER_NAME)
                    self._add_text(_text(value))
                case "audio" if value is not None:
                    # An earlier answer in sound, named by its id: nobody but the vendor knows its length.
                    self._has_audio = self._unmeasured = True
                case "audio":
                    pass
                case "tool_calls":
                    for call in _items(value):
                        self._json(call)
                case _:
                    # The role, a refusal, reasoning handed back, the id of a tool's call, an extension.
                    self._json(value)

    def _content(self, content: object) -> None:
        if isinstance(content, list):
            for part in content:
                self._part(part)
        else:
            self._json(content)

    def _part(self, part: object) -> None:
        match part:
            case {"type": "text" | "input_text" | "output_text", "text": str(text)}:
                self._add_text(text)
            case {"type": "refusal", "refusal": str(text)}:
                self._add_text(text)
            case {"type": "image_url", "image_url": {"url": str(url), **rest}}:
                self._image(url, rest.get("detail"))
            case {"type": "image_url" | "input_image", "image_url": str(url), **rest}:
                self._image(url, rest.get("detail"))
            case {"type": "image_url" | "input_image" | "image"}:
                self._image("", "high")
            case {"type": "input_audio" | "file" | "input_file"}:
                self._attachment(part)
            case _:
                self._json(part)

    def _attachment(self, part: object) -> None:
        match part:
            case {"type": "input_audio", "input_audio": {"data": str(data)}}:
                self._sound(data)
            case {"type": "input_audio"}:
                self._has_audio = self._unmeasured = True
            case {"file": {"file_data": str(data)}} | {"file_data": str(data)}:
                self._file(data)
            case _:
                self._unmeasured = True

    def _image(self, url: str, detail: object) -> None:
        tokens, upper = image_tokens(url, _text(detail), self._model)
        self._images += tokens
        self._add(tokens, upper if self._images_known else upper * 2)

    def _sound(self, data: str) -> None:
        file = Base64Window(data)
        rate = _wav_bytes_per_second(file)
        tokens = _ceil_div(file.length * AUDIO_TOKENS_PER_SECOND, rate or AUDIO_BYTES_PER_SECOND)
        upper = _ceil_div(file.length * AUDIO_TOKENS_PER_SECOND, rate or AUDIO_BYTES_PER_SECOND_LEAST)
        self._has_audio = True
        self._audio += tokens
        self._add(tokens, upper + self._margin_of(upper))

    def _file(self, data: str) -> None:
        file = Base64Window(data, data.find(",", 0, 256) + 1)
        self._add(_ceil_div(file.length, FILE_BYTES_PER_TOKEN), file.length)

    def _json(self, value: object) -> None:
        """Add any value as the text that it is in JSON; a string as itself."""
        if isinstance(value, str):
            self._add_text(value)
        elif value is not None:
            self._add_text(msgspec.json.encode(value).decode())

    def _add_text(self, text: str) -> None:
        if not text:
            return
        tokens = self._count(text, self._model)
        # A lone surrogate, which JSON can smuggle in, has no bytes: it counts as the three of its replacement.
        in_bytes = len(text.encode("utf-8", "surrogatepass"))
        self._add(tokens, max(tokens, min(tokens + self._margin_of(tokens), in_bytes)))

    def _overhead(self, tokens: int) -> None:
        self._add(tokens, tokens * 2)

    def _add(self, tokens: int, upper: int) -> None:
        self._tokens += tokens
        self._upper += upper

    def _margin_of(self, tokens: int) -> int:
        return _ceil_div(tokens * self._margin, 100)


def _items(value: object) -> Iterator[Any]:
    return iter(value) if isinstance(value, list) else iter(())


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _ceil_div(numerator: int, denominator: int) -> int:
    return -(-numerator // denominator)


def _wav_bytes_per_second(file: Base64Window) -> int | None:
    """Give what a WAV file of plain samples says of its rate; None for all others."""
    head = file.read(0, 36)
    if len(head) < 36 or head[:4] != b"RIFF" or head[8:16] != b"WAVEfmt ":  # noqa: PLR2004 -- the format block's end
        return None
    samples, stated = int.from_bytes(head[24:28], "little"), int.from_bytes(head[28:32], "little")
    # The rate is stated twice, and a decoder may believe either: the lower one makes the sound longer.
    rate = min(stated, samples * int.from_bytes(head[32:34], "little"))
    uncompressed = int.from_bytes(head[20:22], "little") == 1
    return rate if uncompressed and rate >= AUDIO_BYTES_PER_SECOND_LEAST else None
