"""What a call consumed: token classes that partition the vendor's totals, and counts of everything else."""

from operator import attrgetter
from typing import Annotated, ClassVar, Final, Literal, NamedTuple, get_args

import msgspec

from domain.errors import TallygateError

Basis = Literal["vendor", "stream", "estimate", "policy"]
"""Where a quantity comes from: the vendor's report (its zero is a zero), our count of what streamed, the
estimate made before the call, or the tenant's policy for calls that nobody metered."""

COUNT_MAX: Final = 10**12
"""The most of anything that one call can have consumed; a report above it is cut, and flagged."""

Count = Annotated[int, msgspec.Meta(ge=0, le=COUNT_MAX)]

InputClass = Literal[
    "input_tokens",
    "cached_input_tokens",
    "cache_write_tokens",
    "cache_write_1h_tokens",
    "audio_input_tokens",
    "image_input_tokens",
]
OutputClass = Literal["output_tokens", "reasoning_tokens", "audio_output_tokens", "image_output_tokens"]
TokenClass = InputClass | OutputClass
CountedMeter = Literal["calls", "images", "milliseconds", "characters", "searches"]
Meter = TokenClass | CountedMeter
"""Each thing that can be counted, and priced."""

INPUT_CLASSES: Final[tuple[InputClass, ...]] = get_args(InputClass)
OUTPUT_CLASSES: Final[tuple[OutputClass, ...]] = get_args(OutputClass)
TOKEN_CLASSES: Final[tuple[TokenClass, ...]] = (*INPUT_CLASSES, *OUTPUT_CLASSES)
"""Every class of tokens. Prices, read models and reports have their lists from here."""


class UsageError(TallygateError):
    """A quantity that nothing can have: below zero, or beyond belief."""

    code: ClassVar[str] = "invalid_usage"


class TokenCounts(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Tokens by class: each is in exactly one."""

    input_tokens: Count = 0
    """Text read at the full price."""
    cached_input_tokens: Count = 0
    """Read from the vendor's prompt cache, whatever they were before."""
    cache_write_tokens: Count = 0
    """Read, and stored in the vendor's prompt cache for the usual few minutes."""
    cache_write_1h_tokens: Count = 0
    """The same for an hour, which costs more."""
    audio_input_tokens: Count = 0
    image_input_tokens: Count = 0
    output_tokens: Count = 0
    """Text that the caller sees, tool calls included."""
    reasoning_tokens: Count = 0
    """Written by the model for itself; the caller pays for them and may never see them."""
    audio_output_tokens: Count = 0
    image_output_tokens: Count = 0

    @property
    def input_total(self) -> int:
        """All tokens read, cached ones included: what vendors call prompt or input tokens."""
        return sum(_read(self))

    @property
    def output_total(self) -> int:
        """All tokens written, reasoning included: what vendors call completion or output tokens."""
        return sum(_written(self))

    @property
    def cache_writes(self) -> int:
        """What was stored in the vendor's cache, for however long."""
        return self.cache_write_tokens + self.cache_write_1h_tokens

    @property
    def total(self) -> int:
        """Every token, each once."""
        return sum(_tokens(self))


_read: Final = attrgetter(*INPUT_CLASSES)
_written: Final = attrgetter(*OUTPUT_CLASSES)
_tokens: Final = attrgetter(*TOKEN_CLASSES)


class TokenUsage(TokenCounts, frozen=True, kw_only=True, omit_defaults=True):
    """What one call consumed. No token is in two classes; raises UsageError if a quantity is out of range."""

    calls: Count = 1
    images: Count = 0
    """Images made."""
    image_variant: str = ""
    """How the images were made, as the rate card names it: "1024x1024/hd", "1024x1024" or nothing."""
    milliseconds: Count = 0
    """Length of audio; whole milliseconds, so that a third of a second is nobody's rounding error."""
    characters: Count = 0
    """Unicode code points of text turned into speech; never bytes, which would charge Chinese three times."""
    searches: Count = 0
    """Searches that the vendor made for the answer, in its own unit: queries, grounded prompts, sources."""

    def __post_init__(self) -> None:
        """Refuse what the types promise cannot be, also when made in code rather than decoded."""
        quantities = _quantities(self)
        if min(quantities) < 0 or max(quantities) > COUNT_MAX:
            raise UsageError(f"a call cannot have consumed this: {quantities}")


_quantities: Final = attrgetter(*TOKEN_CLASSES, *get_args(CountedMeter))


class Partition(NamedTuple):
    """A usage report taken apart, and whether that needed force."""

    usage: TokenUsage
    clamped: bool
    """The report contradicted itself: a detail was negative, or the details exceeded their total."""


def partition_openai(
    *,
    prompt_tokens: int,
    completion_tokens: int,
    cached: int = 0,
    cache_write: int = 0,
    cache_write_1h: int = 0,
    audio_in: int = 0,
    image_in: int = 0,
    reasoning: int = 0,
    audio_out: int = 0,
    image_out: int = 0,
) -> Partition:
    """Take an OpenAI-style report apart, where the totals include their details.

    The totals are believed, the details only as far as they fit: each takes at most what the ones before it
    left, in the order of the arguments, and plain text is the rest. So the classes always add up to the
    vendor's totals, whatever the details claim. Cached comes first: cached audio is reported in both details,
    and the cached price is the one the vendor charges for it.
    """
    prompt, prompt_ok = _believable(prompt_tokens)
    completion, completion_ok = _believable(completion_tokens)
    (cached, cache_write, cache_write_1h, audio_in, image_in), text_in, input_ok = _take(
        prompt, (cached, cache_write, cache_write_1h, audio_in, image_in)
    )
    (reasoning, audio_out, image_out), text_out, output_ok = _take(completion, (reasoning, audio_out, image_out))
    usage = TokenUsage(
        input_tokens=text_in,
        cached_input_tokens=cached,
        cache_write_tokens=cache_write,
        cache_write_1h_tokens=cache_write_1h,
        audio_input_tokens=audio_in,
        image_input_tokens=image_in,
        output_tokens=text_out,
        reasoning_tokens=reasoning,
        audio_output_tokens=audio_out,
        image_output_tokens=image_out,
    )
    return Partition(usage, clamped=not (prompt_ok and completion_ok and input_ok and output_ok))


def _believable(total: int) -> tuple[int, bool]:
    bounded = min(max(total, 0), COUNT_MAX)
    return bounded, bounded == total


def _take(total: int, details: tuple[int, ...]) -> tuple[list[int], int, bool]:
    """Give what each detail gets of the total, what is left, and whether every detail got what it claims."""
    if not any(details):
        # So it is in nearly every report.
        return list(details), total, True
    rest, taken = total, []
    for detail in details:
        part = min(max(detail, 0), rest)
        taken.append(part)
        rest -= part
    return taken, rest, all(part == detail for part, detail in zip(taken, details, strict=True))
