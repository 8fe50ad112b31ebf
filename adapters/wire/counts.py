"""Reading counts as vendors send them: as floats, as text, negative, absurd or not at all."""

from typing import Any, Final

TOKENS_MAX: Final = 10**9
"""The most tokens of a class that one call can be believed to have used: a hundred times the longest context."""

_DIGITS_MAX: Final = 19


class CountReader:
    """Reads counts, and remembers what was odd about them."""

    __slots__ = ("flags",)

    def __init__(self) -> None:
        self.flags: list[str] = []

    def count(self, value: object, name: str) -> int | None:
        """Give a count from 0 to TOKENS_MAX, or None for what is absent, no number, negative or absurd."""
        if value is None:
            return None
        if type(value) is not int:
            self.flags.append(f"{name}_not_integer")
            value = _whole_number(value)
            if value is None:
                return None
        if value < 0:
            self.flags.append(f"{name}_negative")
            return None
        if value > TOKENS_MAX:
            self.flags.append(f"{name}_absurd")
            return None
        return value

    def first(self, places: tuple[tuple[dict[str, Any], str], ...], name: str) -> int:
        """Give the first count other than zero, for vendors fill in one of several names."""
        for members, member in places:
            found = self.count(members.get(member), name)
            if found:
                return found
        return 0


def _whole_number(value: object) -> int | None:
    """Read a count that was sent as a float or a string; None if it is not a whole number."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) <= _DIGITS_MAX:
        return int(value)
    return None
