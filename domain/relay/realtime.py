"""A conversation over a WebSocket: what is read of the messages that pass, and how long a context they make.

Every answer of the model reads the whole conversation again, and its vendor bills it so. What the next answer may read
is therefore kept count of here, as a bound that a hold can be sized by, and as a likely number for answers whose vendor
breaks off before it has told.
"""

from typing import Final, Literal, Protocol

import msgspec

from domain.metering.estimate import Estimate
from domain.metering.usage import TokenUsage
from domain.relay.call import Call
from domain.relay.dialect import Target
from domain.relay.ports import VendorRequest

OUTPUT_TOKENS_MAX: Final = 4096
"""What one answer may come to where neither the session nor the price says: the limit of OpenAI's models."""
PCM_BYTES_PER_TOKEN: Final = 4_800
"""Heard: a token stands for 100 ms, of 24,000 samples a second in two bytes each."""
TELEPHONE_BYTES_PER_TOKEN: Final = 800
"""The same in G.711, the densest format that there is."""
SPOKEN_TOKENS_PER_HEARD: Final = 2
"""Spoken: a token stands for 50 ms."""
IMAGE_TOKENS_MAX: Final = 4_000
_CHARACTERS_PER_TOKEN: Final = 4

HeardKind = Literal["session", "began", "piece", "ended", "transcribed", "error", "other"]


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a vendor's."""

    kind: HeardKind = "other"
    data: bytes
    """As it goes on to the client."""
    response_id: str = ""
    usage: TokenUsage | None = None
    """What an answer, or a transcription, used, where the vendor says; None where it does not."""
    is_empty: bool = False
    """Whether an answer came to no good end, so that one of which nothing is reported is nothing."""
    has_failed: bool = False
    """Whether it failed at its vendor, so that one of which nothing came is nothing, whatever is reported."""
    text: str = ""
    audio_bytes: int = 0
    session: "SessionState | None" = None


class SessionState(msgspec.Struct, frozen=True):
    """What the vendor says of a session."""

    output_tokens_max: int | None = None
    """None: no limit of its own."""
    transcription_model: str = ""
    heard_bytes_per_token: int = TELEPHONE_BYTES_PER_TOKEN
    spoken_bytes_per_token: int = TELEPHONE_BYTES_PER_TOKEN // SPOKEN_TOKENS_PER_HEARD


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a client's."""

    data: bytes
    """As it goes on to the vendor."""
    asks_answer: bool = False
    text_bytes: int = 0
    audio_bytes: int = 0
    images: int = 0
    output_tokens_max: int | None = None
    transcription_model: str = ""
    """Wanted for what the client says; another model, with a price of its own."""


class Conversable(Protocol):
    """A dialect whose vendor converses over a WebSocket in OpenAI's contract."""

    def realtime_request(self, call: Call, target: Target) -> VendorRequest:
        """Give the address and headers of a session."""

    def read_vendor(self, message: bytes, call: Call, model: str) -> Heard:
        """Read a vendor's message; nothing is raised."""

    def read_client(self, message: bytes, call: Call, model: str) -> Asked:
        """Read a client's message; InvalidRequestError for what cannot go on."""


class _Added(msgspec.Struct):
    """What has come into a conversation."""

    text_bytes: int = 0
    audio_bytes: int = 0
    images: int = 0


class Context:
    """How much the next answer may read."""

    def __init__(self) -> None:
        """Start with an empty conversation."""
        self.state = SessionState()
        self._reported = 0
        self._added = _Added()
        self._marks: dict[str, _Added] = {}

    def add(self, asked: Asked) -> None:
        """Take what a client says."""
        self._added.text_bytes += asked.text_bytes
        self._added.audio_bytes += asked.audio_bytes
        self._added.images += asked.images

    def began(self, response_id: str) -> None:
        """Note what an answer has before it."""
        self._marks[response_id] = msgspec.structs.replace(self._added)

    def ended(self, response_id: str, usage: TokenUsage | None) -> None:
        """Take what an answer has read and said for what the conversation is, unless it was beside it."""
        mark = self._marks.pop(response_id, None)
        if usage is None or usage.total < self._reported:
            return
        self._reported = usage.total
        if mark is not None:
            self._added.text_bytes = max(0, self._added.text_bytes - mark.text_bytes)
            self._added.audio_bytes = max(0, self._added.audio_bytes - mark.audio_bytes)
            self._added.images = max(0, self._added.images - mark.images)

    def estimate(self) -> Estimate:
        """Give what the next answer reads: likely, and at most. A token of text is no shorter than a byte."""
        added, per_token = self._added, self.state.heard_bytes_per_token
        audio = -(-added.audio_bytes // per_token)
        images = added.images * IMAGE_TOKENS_MAX
        return Estimate(
            prompt_tokens=self._reported + added.text_bytes // _CHARACTERS_PER_TOKEN + audio + images,
            prompt_tokens_upper=self._reported + added.text_bytes + audio + images,
            image_tokens=images,
            audio_tokens=audio,
            has_audio=True,
        )
