"""How one vendor's idea of OpenAI's dialect differs, as data."""

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

import msgspec

from domain.relay.call import Surface
from domain.relay.chat import MediaKind
from domain.relay.vendor_errors import Kind

Thinking: TypeAlias = Literal["effort", "thinking", "enable_thinking", "reasoning", "none"]
"""How the vendor is told how much to think: OpenAI's word, `thinking` with a type, a switch with a budget,
OpenRouter's object, or not at all."""
ReasoningBack: TypeAlias = Literal["reasoning_content", "reasoning", "after_tools", ""]
"""Where thoughts go when they are given back: a member of the message, only beside tool calls, or nowhere."""

ALL_FORMATS: Final = frozenset({"text", "json_object", "json_schema"})
ALL_TOOL_CHOICES: Final = frozenset({"auto", "none", "required", "named"})


class Range(msgspec.Struct, frozen=True):
    """What a number may be."""

    least: float
    most: float
    slack: float = 0.0
    """How far outside a value is still moved in without a word: for bounds that the vendor excludes."""


class Profile(msgspec.Struct, frozen=True, kw_only=True):
    """The quirks of one vendor; the defaults are OpenAI itself."""

    # Addresses and headers.
    prefix: str = "/v1"
    """What stands between the vendor's host and the paths; empty where the base URL is all there is. A word in
    braces is a field of the channel."""
    paths: Mapping[Surface, str] = {}
    """Paths other than OpenAI's own."""
    headers: Mapping[str, str] = {}
    """Headers beside those that every vendor gets."""
    option_headers: Mapping[str, str] = {}
    """Headers whose values are fields of the channel, by the field's name."""
    key_separator: str = ""
    """What a composite key is cut at."""
    key_format: str = "{0}"
    """How the parts of a composite key make the one that is sent."""

    # Parameters.
    cannot: frozenset[str] = frozenset()
    """What the vendor cannot do: refused by name, or dropped where the channel says so."""
    ignores: frozenset[str] = frozenset()
    """Hints that do not change the answer and that the vendor refuses: left out."""
    renamed: Mapping[str, str] = {}
    ranges: Mapping[str, Range] = {}
    stops_max: int | None = None
    choices_max: int | None = None
    tool_choices: frozenset[str] = ALL_TOOL_CHOICES
    formats: frozenset[str] = ALL_FORMATS
    """Of `response_format`. Where schemas are missing they are asked for in words."""
    strict_tools: bool = True
    """Whether functions may say `strict`."""
    thinking: Thinking = "effort"
    efforts: tuple[str, ...] = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
    """The words for effort that it knows, least first."""
    output_limit_field: Literal["max_completion_tokens", "max_tokens"] = "max_completion_tokens"
    output_limit_only: bool = False
    """Whether it knows no other member for the output limit than the one above."""
    takes_stream_options: bool = True
    """Whether `stream_options` may be sent: a few vendors refuse it and report usage unasked."""
    extra: Mapping[str, object] = {}
    """Members that every chat is sent with, unless the client says otherwise."""

    # Messages.
    has_developer_role: bool = False
    takes_names: bool = True
    joins_text: bool = False
    """Whether text parts are sent as one string: for vendors whose text models take no arrays."""
    alternates: bool = False
    """Whether neighbors of one role must be joined."""
    short_tool_ids: bool = False
    """Whether ids of tool calls must be nine letters and digits."""
    reasoning_back: ReasoningBack = "reasoning_content"
    keeps_reasoning_details: bool = False
    keeps_signatures: bool = False
    """Whether tool calls may carry Gemini's proof of the thought behind them."""
    takes_cache_control: bool = False
    raw_image_data: bool = False
    """Whether images are sent as bare base64, without the head of a data URL."""
    audio_by_url: bool = False
    """Whether sounds are sent as `audio_url`."""
    media: frozenset[MediaKind] = frozenset({"image", "audio", "file"})
    is_strict: bool = False
    """Whether members of messages that it does not know are refused: nulls and extensions stay behind."""

    # Other work than chats.
    takes_token_ids: bool = False
    """Whether inputs of embeddings may be token ids."""
    packs_vectors: bool = True
    """Whether it knows `encoding_format`; otherwise the gateway packs."""
    dimensions_field: str = "dimensions"
    image_fields: Mapping[str, str] = {}
    """Its own names for members of an image request."""
    rerank_top_field: str = "top_n"

    # Answers.
    think_tags: bool = False
    """Whether thoughts may stand in the text, between <think> and </think>, at its beginning."""
    message_ends_stream: bool = False
    """Whether the last event of a stream repeats the whole message, which must not be told twice."""
    believes_usage: bool = True
    events: frozenset[bytes] = frozenset()
    """The named events that carry chunks, where a vendor sends others as well; empty: all do."""
    needs_finish: bool = True
    """Whether a stream without a finish reason or end mark is a broken one."""
    error_kinds: Mapping[str, Kind] = {}
    """What the vendor's own error codes mean."""
    balance_path: str = ""
    """Where the operator's credit can be asked for; empty for nowhere."""
    balance_places: tuple[tuple[str, str], ...] = ()
    """(dotted path of an amount in that answer, currency)."""
    models_path: str = "/models"

    @property
    def is_reference(self) -> bool:
        """Whether this is OpenAI itself, at whatever address: then nothing needs to be fitted or mended."""
        return self.has_developer_role

    @property
    def touches_messages(self) -> bool:
        """Whether messages must be looked at one by one."""
        return (
            self.joins_text
            or self.alternates
            or self.short_tool_ids
            or self.raw_image_data
            or self.audio_by_url
            or self.is_strict
            or not self.takes_names
        )


OPENAI: Final = Profile(
    option_headers={"organization": "OpenAI-Organization", "project": "OpenAI-Project"},
    has_developer_role=True,
    reasoning_back="",
    takes_token_ids=True,
    cannot=frozenset({"top_k"}),
)
COMPATIBLE: Final = Profile(media=frozenset({"image", "audio", "video", "file"}))
"""A vendor of whom nothing is known: everything is passed on, and the vendor judges."""
