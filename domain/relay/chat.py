"""A chat in no vendor's words: what every client surface is read into, and every vendor's dialect is written from.

Names of parameters are OpenAI's, for most clients speak them; another surface that refuses one names its own word for
it. Floats are the client's own sampling settings: nothing here is money.
"""

from typing import Any, Literal, TypeAlias

import msgspec

Role: TypeAlias = Literal["system", "user", "assistant", "tool"]
MediaKind: TypeAlias = Literal["image", "audio", "video", "file"]
Cache: TypeAlias = Literal["", "5m", "1h"]
"""How long the vendor is asked to keep the prompt up to and with this part; empty is not at all."""


class Text(msgspec.Struct, frozen=True, tag="text"):
    """Words. In an assistant's message what was said, in a system message an instruction."""

    text: str
    cache: Cache = ""


class Refusal(msgspec.Struct, frozen=True, tag="refusal"):
    """What an assistant said when it declined."""

    text: str


class Media(msgspec.Struct, frozen=True, kw_only=True, tag="media"):
    """An image, a sound, a video or a document: by exactly one of `url`, `data` and `file_id`."""

    kind: MediaKind
    url: str = ""
    """An http(s) address. A data URL has been taken apart into `data` and `media_type`."""
    data: str = ""
    """Base64, standard alphabet, padded."""
    file_id: str = ""
    """The name of something that the client stored at its vendor before."""
    media_type: str = ""
    """Such as image/png; empty where the client did not say."""
    name: str = ""
    detail: str = ""
    """Images: `low`, `high`, `auto` or nothing."""
    cache: Cache = ""


class Reasoning(msgspec.Struct, frozen=True, kw_only=True, tag="reasoning"):
    """What a model thought, to be given back to it in the next turn."""

    text: str = ""
    signature: str = ""
    """The vendor's proof that the text is its own; opaque, and sent back byte for byte."""
    redacted: str = ""
    """Thoughts that the vendor shows only encrypted; then there is no text."""


class ToolCall(msgspec.Struct, frozen=True, kw_only=True, tag="tool_call"):
    """What an assistant asks the client to run."""

    call_id: str
    name: str
    arguments: str = "{}"
    """JSON text, as the model wrote it; it may be broken, for models do that."""
    signature: str = ""
    """Gemini's thought signature, opaque."""


class ToolResult(msgspec.Struct, frozen=True, kw_only=True, tag="tool_result"):
    """What running a tool gave."""

    call_id: str
    name: str = ""
    """The tool's name, where the surface says it or an earlier call tells it."""
    parts: "tuple[Text | Media, ...]" = ()
    is_error: bool = False
    cache: Cache = ""


Part: TypeAlias = Text | Refusal | Media | Reasoning | ToolCall | ToolResult


class Message(msgspec.Struct, frozen=True):
    """One turn. `developer` is `system`; a `tool` message holds tool results and nothing else."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""

    @property
    def text(self) -> str:
        """All of its words, joined."""
        return "".join(part.text for part in self.parts if isinstance(part, Text))


class Tool(msgspec.Struct, frozen=True, kw_only=True):
    """A function that the model may call."""

    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    """JSON Schema; None for a function without parameters."""
    strict: bool | None = None
    cache: Cache = ""


class ToolChoice(msgspec.Struct, frozen=True):
    """Whether tools must or must not be called."""

    mode: Literal["auto", "none", "required", "named"]
    name: str = ""


class ResponseFormat(msgspec.Struct, frozen=True, kw_only=True):
    """What the answer's text must be."""

    kind: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str = ""
    schema: dict[str, Any] | None = None
    strict: bool | None = None


class ReasoningOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How much to think. Surfaces speak of effort or of a budget; `budget_of` and `effort_of` convert."""

    effort: str = ""
    """none, minimal, low, medium, high, xhigh or nothing said."""
    budget_tokens: int | None = None
    """0 is no thinking, -1 the model's own choice, None nothing said."""
    show: bool | None = None
    """Whether the client wants to see the thoughts or a summary of them."""


class AudioOutput(msgspec.Struct, frozen=True):
    """How a spoken answer should sound."""

    voice: str
    format: str


class ChatRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One call for a chat answer. What is None or empty was not said by the client."""

    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    stop: tuple[str, ...] = ()
    seed: int | None = None
    n: int = 1
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logit_bias: dict[str, float] | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    response_format: ResponseFormat | None = None
    reasoning: ReasoningOptions | None = None
    modalities: tuple[str, ...] = ()
    audio: AudioOutput | None = None
    user: str = ""
    metadata: dict[str, Any] | None = None
    service_tier: str = ""
    prompt_cache_key: str = ""
    others: dict[str, Any] = {}
    """Members of the client's body that have no place above, by the client's own names: each is unsupported by a
    vendor of another dialect unless that dialect knows it."""

    @property
    def system(self) -> str:
        """The text of all system messages, joined by blank lines: for vendors that take one."""
        return "\n\n".join(message.text for message in self.messages if message.role == "system")

    @property
    def turns(self) -> tuple[Message, ...]:
        """All messages but the system's."""
        return tuple(message for message in self.messages if message.role != "system")


_BUDGETS: dict[str, int] = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24576, "xhigh": 32768}


def budget_of(options: ReasoningOptions) -> int | None:
    """Give the tokens to think with: the client's own number, else what its word for effort usually stands for."""
    return options.budget_tokens if options.budget_tokens is not None else _BUDGETS.get(options.effort)


def effort_of(options: ReasoningOptions) -> str:
    """Give the word for effort: the client's own, else the least whose usual budget covers the client's number."""
    if options.effort or options.budget_tokens is None:
        return options.effort
    if options.budget_tokens < 0:
        return "medium"
    return next((effort for effort, budget in _BUDGETS.items() if options.budget_tokens <= budget), "xhigh")
