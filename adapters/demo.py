"""A vendor inside the process, so that the first call works with no key and no network. It says plainly what it is.

It answers in OpenAI's dialect, with usage that adds up, and does the same for the same request every time; nothing is
generated, and nothing of the request is sent anywhere.
"""

import asyncio
import base64
import hashlib
import math
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from typing import Any, Final

import msgspec

from domain.relay.ports import VendorRequest
from domain.relay.vendor_errors import VendorError

CHAT_MODEL: Final = "demo-chat"
EMBEDDING_MODEL: Final = "demo-embedding"
DIMENSIONS_DEFAULT: Final = 256
DIMENSIONS_MAX: Final = 4096

_TEXT: Final = (
    "This is a demo answer from Tallygate itself: no model was asked and nothing left this machine. The call was "
    "admitted, priced, relayed and billed as any other would be, so the tokens and the charge that you see are real "
    "figures of the demo's own rate card. Connect a vendor in the settings to get real answers; the demo channel can "
    "then be removed."
)
_PIECES: Final = 20
_MESSAGE_TOKENS: Final = 4
"""What the wrapping of one message costs, as with chat models."""
_IMAGE_TOKENS: Final = 85
_SCHEMA_DEPTH_MAX: Final = 8


class _Refused(Exception):  # noqa: N818 - becomes an answer, never an error of the program
    """A request that a real vendor would refuse, with the answer it would give."""

    def __init__(self, status: int, message: str, *, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
        self.body = msgspec.json.encode({"error": error})


class _Message(msgspec.Struct):
    role: str = "user"
    content: str | list[dict[str, Any]] | None = None


class _StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class _Asked(msgspec.Struct):
    model: str
    messages: list[_Message] = []
    prompt: str | list[Any] = ""
    input: str | list[Any] = ""
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    n: int | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: dict[str, Any] | None = None
    dimensions: int | None = None
    encoding_format: str | None = None

    @property
    def output_tokens_max(self) -> int | None:
        return self.max_tokens if self.max_completion_tokens is None else self.max_completion_tokens


class _Said(msgspec.Struct):
    """What the demo says, in the pieces in which it is streamed."""

    pieces: list[str]
    tokens: int
    finish_reason: str
    tool: str | None = None
    """The tool that is called; the pieces are its arguments then."""


class DemoVendor:
    """Answers demo-chat and demo-embedding."""

    def __init__(
        self,
        *,
        count: Callable[[str], int] | None = None,
        chunk_delay_seconds: float = 0.02,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Take the token counter (words, if none), the pause before each chunk, and a clock for `created`."""
        self._count = count or _words
        self._delay_seconds = chunk_delay_seconds
        self._now = now

    async def send(self, request: VendorRequest) -> "DemoReply":
        """Answer at once; a request that a vendor would refuse is refused by status, as a vendor would."""
        try:
            return self._answer(request)
        except _Refused as refused:
            return DemoReply(refused.status, refused.body)

    def _answer(self, request: VendorRequest) -> "DemoReply":
        try:
            asked = msgspec.json.decode(request.body, type=_Asked)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            raise _Refused(400, "The demo cannot read this request.") from None
        is_embedding = request.url.endswith("/embeddings")
        if asked.model != (EMBEDDING_MODEL if is_embedding else CHAT_MODEL):
            raise _Refused(404, f"The demo has no model '{asked.model}' here.", code="model_not_found")
        digest = hashlib.blake2b(request.body, digest_size=12).hexdigest()
        if is_embedding:
            return DemoReply(200, msgspec.json.encode(self._embeddings(asked)))
        is_chat = request.url.endswith("/chat/completions")
        shape = _Shape(
            is_chat=is_chat, id=f"{'chatcmpl' if is_chat else 'cmpl'}-demo-{digest}", created=int(self._now())
        )
        choices = max(asked.n or 1, 1) * (1 if is_chat else _prompt_count(asked.prompt))
        said = self._say(asked)
        usage = _usage(self._prompt_tokens(asked), said.tokens * choices)
        if not asked.stream:
            return DemoReply(200, msgspec.json.encode(shape.answer(said, choices, usage)))
        asks_usage = asked.stream_options is not None and asked.stream_options.include_usage is True
        frames = shape.stream(said, choices, usage if asks_usage else None)
        return DemoReply(200, b"", frames=frames, delay_seconds=self._delay_seconds)

    def _say(self, asked: _Asked) -> _Said:
        """Choose what to say, and cut it to the output limit."""
        tool = _wanted_tool(asked)
        if tool is not None:
            text = _filled_json(tool.get("parameters"))
        elif asked.response_format is not None and asked.response_format.get("type") in ("json_object", "json_schema"):
            schema = asked.response_format.get("json_schema")
            text = _filled_json(schema.get("schema") if isinstance(schema, dict) else None)
        else:
            text = _TEXT
        pieces, tokens, is_cut = self._cut(_pieces(text), asked.output_tokens_max)
        reason = "length" if is_cut else "stop" if tool is None else "tool_calls"
        return _Said(pieces, tokens, reason, None if tool is None else str(tool.get("name", "tool")))

    def _cut(self, pieces: list[str], tokens_max: int | None) -> tuple[list[str], int, bool]:
        """Give as many whole words as the limit allows, their tokens, and whether something is missing."""
        text = "".join(pieces)
        tokens = self._count(text)
        if tokens_max is None or tokens <= tokens_max:
            return pieces, tokens, False
        words = text.split(" ")
        low, high = 0, len(words)
        while low < high:
            middle = (low + high + 1) // 2
            if self._count(" ".join(words[:middle])) <= tokens_max:
                low = middle
            else:
                high = middle - 1
        kept = " ".join(words[:low])
        return _pieces(kept), self._count(kept), True

    def _prompt_tokens(self, asked: _Asked) -> int:
        if not asked.messages:
            return self._input_tokens(asked.prompt)
        tokens = 0
        for message in asked.messages:
            tokens += _MESSAGE_TOKENS + self._count(_text_of(message))
            if isinstance(message.content, list):
                tokens += _IMAGE_TOKENS * sum(part.get("type") == "image_url" for part in message.content)
        return tokens

    def _input_tokens(self, value: str | list[Any]) -> int:
        """Count a prompt or an embedding's input: text, token ids, or a list of either."""
        if isinstance(value, str):
            return self._count(value)
        return sum(1 if isinstance(item, int) else self._input_tokens(item) for item in value if item is not None)

    def _embeddings(self, asked: _Asked) -> dict[str, Any]:
        dimensions = DIMENSIONS_DEFAULT if asked.dimensions is None else asked.dimensions
        if not 1 <= dimensions <= DIMENSIONS_MAX:
            raise _Refused(400, f"The demo's embeddings have 1 to {DIMENSIONS_MAX} dimensions.", param="dimensions")
        inputs: list[Any] = asked.input if isinstance(asked.input, list) else [asked.input]
        if inputs and isinstance(inputs[0], int):
            inputs = [inputs]
        data = [
            {
                "object": "embedding",
                "index": index,
                "embedding": _encoded(_vector(each, dimensions), asked.encoding_format),
            }
            for index, each in enumerate(inputs)
        ]
        tokens = self._input_tokens(asked.input)
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        return {"object": "list", "data": data, "model": asked.model, "usage": usage}


class DemoReply:
    """An answer that is ready, or frames with a pause before each."""

    def __init__(
        self, status: int, body: bytes, *, frames: Iterator[bytes] | None = None, delay_seconds: float = 0.0
    ) -> None:
        """Take the whole body, or the frames of a stream."""
        self.status: Final = status
        content_type = "application/json" if frames is None else "text/event-stream"
        self.headers: Final[Mapping[str, str]] = {"content-type": content_type}
        self._body = body
        self._frames = frames
        self._delay_seconds = delay_seconds
        self._is_closed = False

    async def read(self, bytes_max: int) -> bytes:
        """Give the whole body; VendorError if it is longer than `bytes_max`."""
        body = b"".join([chunk async for chunk in self.chunks()])
        if len(body) > bytes_max:
            raise VendorError("protocol", vendor_code="response_too_large")
        return body

    async def chunks(self) -> AsyncIterator[bytes]:
        """Give the frames one by one; after `close` there are no more."""
        if self._frames is None:
            yield self._body
            return
        for frame in self._frames:
            if self._delay_seconds:
                await asyncio.sleep(self._delay_seconds)
            if self._is_closed:
                return
            yield frame

    async def close(self) -> None:
        """Stop."""
        self._is_closed = True


class _Shape(msgspec.Struct, frozen=True):
    """The wrapping of one answer in OpenAI's shapes."""

    is_chat: bool
    id: str
    created: int

    def answer(self, said: _Said, choices: int, usage: dict[str, Any]) -> dict[str, Any]:
        text = "".join(said.pieces)
        return self._object("chat.completion", [self._choice(index, said, text) for index in range(choices)]) | {
            "usage": usage
        }

    def stream(self, said: _Said, choices: int, usage: dict[str, Any] | None) -> Iterator[bytes]:
        if self.is_chat:
            yield self._event([self._delta(index, self._opening(said)) for index in range(choices)])
        for piece in said.pieces:
            yield self._event([self._delta(index, self._piece(said, piece)) for index in range(choices)])
        yield self._event([self._delta(index, {}, said.finish_reason) for index in range(choices)])
        if usage is not None:
            yield self._event([], usage)
        yield b"data: [DONE]\n\n"

    def _choice(self, index: int, said: _Said, text: str) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": said.finish_reason}
        if not self.is_chat:
            return choice | {"text": text}
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if said.tool is not None:
            function = {"name": said.tool, "arguments": text}
            message |= {"content": None, "tool_calls": [{"id": "call_demo", "type": "function", "function": function}]}
        return choice | {"message": message}

    def _opening(self, said: _Said) -> dict[str, Any]:
        if said.tool is None:
            return {"role": "assistant", "content": "", "refusal": None}
        function = {"name": said.tool, "arguments": ""}
        call = {"index": 0, "id": "call_demo", "type": "function", "function": function}
        return {"role": "assistant", "content": None, "tool_calls": [call]}

    @staticmethod
    def _piece(said: _Said, piece: str) -> dict[str, Any]:
        if said.tool is None:
            return {"content": piece}
        return {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}

    def _delta(self, index: int, delta: dict[str, Any], finish_reason: str | None = None) -> dict[str, Any]:
        choice: dict[str, Any] = {"index": index, "logprobs": None, "finish_reason": finish_reason}
        return choice | ({"delta": delta} if self.is_chat else {"text": delta.get("content", "")})

    def _event(self, choices: list[dict[str, Any]], usage: dict[str, Any] | None = None) -> bytes:
        event = self._object("chat.completion.chunk", choices)
        if usage is not None:
            event["usage"] = usage
        return b"data: " + msgspec.json.encode(event) + b"\n\n"

    def _object(self, name: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": name if self.is_chat else "text_completion",
            "created": self.created,
            "model": CHAT_MODEL,
            "system_fingerprint": "demo",
            "choices": choices,
        }


def _words(text: str) -> int:
    return len(text.split())


def _pieces(text: str) -> list[str]:
    """Cut a text into at most about twenty pieces at its blanks."""
    if not text:
        return []
    words = text.split(" ")
    size = math.ceil(len(words) / _PIECES)
    pieces = [" ".join(words[start : start + size]) for start in range(0, len(words), size)]
    return [piece if index == 0 else " " + piece for index, piece in enumerate(pieces)]


def _prompt_count(prompt: str | list[Any]) -> int:
    return len(prompt) if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else 1


def _usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    return {
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "total_tokens": prompt_tokens + completion_tokens,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def _text_of(message: _Message) -> str:
    if isinstance(message.content, list):
        return " ".join(part["text"] for part in message.content if isinstance(part.get("text"), str))
    return message.content or ""


def _wanted_tool(asked: _Asked) -> dict[str, Any] | None:
    """Give the function to call: the one demanded, or one whose name the last user message mentions."""
    functions: list[dict[str, Any]] = [
        tool["function"] for tool in asked.tools or () if isinstance(tool.get("function"), dict)
    ]
    if not functions or asked.tool_choice == "none":
        return None
    if isinstance(asked.tool_choice, dict):
        named = asked.tool_choice.get("function")
        name = named.get("name") if isinstance(named, dict) else None
        return next((function for function in functions if function.get("name") == name), functions[0])
    if asked.tool_choice == "required":
        return functions[0]
    if not asked.messages or asked.messages[-1].role != "user":
        return None  # The tool has been called already: answer in words.
    text = _text_of(asked.messages[-1])
    return next((function for function in functions if function.get("name") and str(function["name"]) in text), None)


def _filled_json(schema: object) -> str:
    """Write a value that fits a JSON schema, as text; without one an object that says what it is."""
    if not isinstance(schema, dict):
        schema = {"type": "object", "properties": {"demo": {"type": "boolean"}}}
    return msgspec.json.encode(_filled(schema, _SCHEMA_DEPTH_MAX)).decode()


def _filled(schema: dict[str, Any], depth: int) -> object:
    if schema.get("enum"):
        return schema["enum"][0]
    if "const" in schema:
        return schema["const"]
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    properties = schema.get("properties")
    if isinstance(properties, dict) and depth:
        return {name: _filled(each, depth - 1) for name, each in properties.items() if isinstance(each, dict)}
    plain: dict[object, object] = {"object": {}, "array": [], "integer": 1, "number": 1, "boolean": True, "null": None}
    return plain.get(kind, "demo")


def _vector(value: object, dimensions: int) -> list[float]:
    """Give a unit vector that depends on nothing but the input."""
    digest = hashlib.shake_256(msgspec.json.encode(value)).digest(2 * dimensions)
    numbers = [(number - 32767.5) / 32768 for number in struct.unpack(f"<{dimensions}H", digest)]
    length = math.sqrt(sum(number * number for number in numbers))
    return [number / length for number in numbers]


def _encoded(vector: list[float], encoding_format: str | None) -> list[float] | str:
    if encoding_format != "base64":
        return vector
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()
