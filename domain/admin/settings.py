"""The settings that an operator may store, each with its meaning: what is not known here cannot be saved."""

from typing import Final, Literal

import msgspec


class KnownSetting(msgspec.Struct, frozen=True):
    """One setting: its type, its value where nobody set it, and its meaning."""

    type: Literal["integer", "boolean", "text"]
    default: str | int | bool | None
    meaning: str
    lowest: int = 0
    highest: int = 2**53 - 1

    def accepts(self, value: object) -> bool:
        """Say whether a value can be stored; None goes back to the default."""
        if value is None:
            return True
        if self.type == "boolean":
            return isinstance(value, bool)
        if self.type == "text":
            return isinstance(value, str)
        return isinstance(value, int) and not isinstance(value, bool) and self.lowest <= value <= self.highest

    @property
    def expected(self) -> str:
        """What is accepted, in words."""
        if self.type == "integer":
            return f"a whole number from {self.lowest} to {self.highest}"
        return "true or false" if self.type == "boolean" else "a text"


SETTINGS: Final = {
    "output_tokens_default": KnownSetting(
        "integer",
        4096,
        "Output tokens that a request is taken to need at most where neither it nor the rate card says.",
        lowest=1,
        highest=10_000_000,
    ),
    "cache_hit_percent": KnownSetting(
        "integer",
        0,
        "What an answer from the cache costs, in percent of what it would cost anew.",
        highest=100,
    ),
    "setup_completed": KnownSetting("boolean", False, "Whether the first start has made everything that it makes."),
}
