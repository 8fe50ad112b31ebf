"""A call as a client makes it: the few fields that the gateway reads, and the body that it forwards."""

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Final, Literal, TypeVar

import msgspec

from domain.errors import TallygateError

T = TypeVar("T")

Surface = Literal[
    "chat",
    "completions",
    "embeddings",
    "images",
    "image_edits",
    "speech",
    "transcriptions",
    "translations",
    "moderations",
    "rerank",
    "count_tokens",
    "realtime",
    "raw",
]
"""What kind of work a call asks for; also decides how it is priced. `raw` is a pass-through priced by the call."""

Method = Literal["GET", "POST", "PUT", "PATCH", "DELETE"]

TextSurface = Literal["chat", "completions", "embeddings"]
"""The surfaces whose prompt is text, in OpenAI's form of a JSON body."""

ClientDialect = Literal["openai", "responses", "anthropic", "gemini"]
"""Whose contract the client speaks; with the surface it decides the shape of the answer."""

CHOICES_MAX: Final = 128
"""Choices (`n`, `best_of`) one call may ask for; OpenAI's own limit."""

_COUNT_MAX: Final = 2**31 - 1


class InvalidRequestError(TallygateError):
    """The client's body cannot be served as it stands: what is wrong, and with which member of it."""

    code: ClassVar[str] = "invalid_request_error"

    def __init__(self, message: str, *, param: str | None = None, reason: str | None = None) -> None:
        """Take a message for the caller, the member at fault, and the envelope's `code` if there is one."""
        super().__init__(message)
        self.message = message
        self.param = param
        self.reason = reason


class Call(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What routing, pricing and the vendor's dialect need to know about one request."""

    surface: Surface
    dialect: ClientDialect = "openai"
    model: str
    """The model as the client named it; the answer carries this name again."""
    body: bytes = b"{}"
    """The client's own bytes."""
    content_type: str = "application/json"
    """What the bytes are: JSON, or a multipart form with its boundary."""
    method: Method = "POST"
    path: str = ""
    """With the query; only of a request that is passed on as it is."""
    stream: bool = False
    include_usage: bool = False
    """Whether the client asked for the usage chunk at the end of a stream."""
    output_tokens_max: int | None = None
    """The client's limit per choice; `max_completion_tokens` wins over `max_tokens`."""
    prompts: int = 1
    """Prompts in one call; more than one only in legacy completions."""
    n: int = 1
    """Choices returned for each prompt."""
    best_of: int = 1
    """Choices generated for each prompt (legacy completions); those not returned are billed as well."""
    has_tools: bool = False
    has_images: bool = False
    user: str | None = None
    """The client's own key for its end user: `safety_identifier`, `prompt_cache_key` or `user`, the first
    given."""
    headers: Mapping[str, str] = {}
    """Those of the client's headers that belong to its contract and are passed on with the body to a vendor that
    speaks it, by lower-case name; which those are the surface says (`headers`). None of them is a credential."""

    @property
    def choices_max(self) -> int:
        """Choices that the vendor may generate, each up to the output limit."""
        return self.prompts * max(self.n, self.best_of)


class _StreamOptions(msgspec.Struct, gc=False):
    include_usage: bool | None = None


_Count = Annotated[int, msgspec.Meta(ge=0, le=_COUNT_MAX)]
_Choices = Annotated[int, msgspec.Meta(ge=1, le=CHOICES_MAX)]
_Name = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
_Items = Annotated[list[msgspec.Raw], msgspec.Meta(min_length=1)]


class _ChatBody(msgspec.Struct, gc=False):
    model: _Name
    messages: _Items
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: _Count | None = None
    max_tokens: _Count | None = None
    n: _Choices | None = None
    tools: list[msgspec.Raw] | None = None
    functions: list[msgspec.Raw] | None = None
    user: str | None = None
    safety_identifier: str | None = None
    prompt_cache_key: str | None = None


class _CompletionsBody(msgspec.Struct, gc=False):
    model: _Name
    prompt: str | _Items
    stream: bool | None = None
    stream_options: _StreamOptions | None = None
    max_completion_tokens: _Count | None = None
    max_tokens: _Count | None = None
    n: _Choices | None = None
    best_of: _Choices | None = None
    user: str | None = None


class _EmbeddingsBody(msgspec.Struct, gc=False):
    model: _Name
    input: Annotated[str, msgspec.Meta(min_length=1)] | _Items
    user: str | None = None


class _Part(msgspec.Struct, gc=False):
    type: str = ""


class _Message(msgspec.Struct, gc=False):
    content: str | list[_Part | str] | None = None


_CHAT: Final = msgspec.json.Decoder(_ChatBody)
_COMPLETIONS: Final = msgspec.json.Decoder(_CompletionsBody)
_EMBEDDINGS: Final = msgspec.json.Decoder(_EmbeddingsBody)
_MESSAGE: Final = msgspec.json.Decoder(_Message)


def parse_call(surface: TextSurface, body: bytes) -> Call:
    """Read a client's body: InvalidRequestError for what cannot be routed or priced.

    Only the members that the gateway itself needs are looked at; the vendor judges the rest. Of a member
    given twice the last counts, here and in what is forwarded.
    """
    match surface:
        case "chat":
            return decoded(_chat_call, body)
        case "completions":
            return decoded(_completions_call, body)
        case "embeddings":
            asked = decoded(_EMBEDDINGS.decode, body)
            return Call(surface="embeddings", model=asked.model, body=body, user=asked.user)


def decoded(decode: Callable[[bytes], T], body: bytes) -> T:
    """Give what a decoder of msgspec's makes of a client's JSON; InvalidRequestError, in words, for what it refuses."""
    try:
        return decode(body)
    except msgspec.ValidationError as error:
        raise refusal_of(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError):
        raise InvalidRequestError("The request body is not valid JSON.") from None
    except RecursionError:
        raise InvalidRequestError("The request body is nested too deeply.") from None


def _chat_call(body: bytes) -> Call:
    asked = _CHAT.decode(body)
    limit = asked.max_completion_tokens
    return Call(
        surface="chat",
        model=asked.model,
        body=body,
        stream=bool(asked.stream),
        include_usage=_asks_usage(asked.stream_options),
        output_tokens_max=asked.max_tokens if limit is None else limit,
        n=asked.n or 1,
        has_tools=bool(asked.tools or asked.functions),
        has_images=_may_hold_images(body) and any(map(_holds_image, asked.messages)),
        user=asked.safety_identifier or asked.prompt_cache_key or asked.user,
    )


def _completions_call(body: bytes) -> Call:
    asked = _COMPLETIONS.decode(body)
    limit = asked.max_completion_tokens
    return Call(
        surface="completions",
        model=asked.model,
        body=body,
        stream=bool(asked.stream),
        include_usage=_asks_usage(asked.stream_options),
        output_tokens_max=asked.max_tokens if limit is None else limit,
        prompts=_prompts(asked.prompt),
        n=asked.n or 1,
        best_of=asked.best_of or 1,
        user=asked.user,
    )


def _asks_usage(options: _StreamOptions | None) -> bool:
    return options is not None and options.include_usage is True


def _prompts(prompt: str | list[msgspec.Raw]) -> int:
    """Count the prompts: a list of numbers is one prompt of token ids, a list of strings or lists is many."""
    if isinstance(prompt, str) or bytes(prompt[0])[:1] not in b'"[':
        return 1
    return len(prompt)


def _may_hold_images(body: bytes) -> bool:
    """Tell in one pass over the bytes whether a closer look is worth it: nearly every body says no.

    Inside a JSON string a quote is escaped, so the quoted word is always a whole string of its own; the
    escape is looked for because the word itself can be written with it.
    """
    return b'"image_url"' in body or b'"input_image"' in body or b"\\u00" in body


def _holds_image(message: msgspec.Raw) -> bool:
    try:
        content = _MESSAGE.decode(message).content
    except msgspec.ValidationError:
        return False  # Not a message that any vendor knows: the vendor says so in its own words.
    return isinstance(content, list) and any(
        isinstance(part, _Part) and part.type in ("image_url", "input_image") for part in content
    )


def refusal_of(complaint: str) -> InvalidRequestError:
    """Word a validation error of msgspec's ("... - at `$.path`") for the client, naming the member at fault."""
    what, _, where = complaint.partition(" - at `$")
    if "missing required field" in what and not where:
        name = what.rsplit("`", 2)[1]
        return InvalidRequestError(
            f"You must provide a '{name}' parameter.", param=name, reason="missing_required_parameter"
        )
    path = where.strip("`").lstrip(".")
    if what.endswith("out of range"):
        return InvalidRequestError("A number in the request body is out of range.", reason="invalid_value")
    if not path:
        return InvalidRequestError("The request body must be a JSON object.")
    reason = "invalid_type" if "got `" in what else "invalid_value"
    return InvalidRequestError(f"Invalid value for '{path}': {what}.", param=path, reason=reason)
