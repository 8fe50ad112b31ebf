"""One answer of a conversation while it runs: what it is held by, and what has come of it."""

import time
from collections.abc import Callable
from typing import Final

from domain.admission import Quote
from domain.metering.usage import TokenUsage
from domain.relay.realtime import Heard

CHECKPOINT_SECONDS: Final = 2.0


class Answering:
    """One answer of the model, held for, and what is known of it while it runs."""

    def __init__(self, quote: Quote) -> None:
        """Take what it is held by."""
        self.quote = quote
        self.held_at = self.began = time.monotonic()
        self.first: float | None = None
        self.checkpoint_at = self.began + CHECKPOINT_SECONDS
        self._texts: list[str] = []
        self._audio_bytes = 0

    def add(self, heard: Heard) -> None:
        """Take a piece of it."""
        if self.first is None:
            self.first = time.monotonic()
        if heard.text:
            self._texts.append(heard.text)
        self._audio_bytes += heard.audio_bytes

    @property
    def has_output(self) -> bool:
        """Whether the client has had anything of it."""
        return bool(self._texts) or self._audio_bytes > 0

    def counted(self, count: Callable[[str, str], int], model: str, spoken_bytes_per_token: int) -> TokenUsage:
        """Give our own count, for an answer whose vendor has not told."""
        estimate = self.quote.estimate
        return TokenUsage(
            input_tokens=max(0, estimate.prompt_tokens - estimate.audio_tokens - estimate.image_tokens),
            audio_input_tokens=estimate.audio_tokens,
            image_input_tokens=estimate.image_tokens,
            output_tokens=count("".join(self._texts), model),
            audio_output_tokens=-(-self._audio_bytes // spoken_bytes_per_token),
        )
