"""Thoughts that a model writes into its answer, between tags at the very beginning."""

from typing import Final

_OPEN: Final = "<think>"
_CLOSE: Final = "</think>"


class ThoughtSplitter:
    """Splits the text of one choice, cut anywhere, into thoughts and answer; a tag may be cut in two."""

    __slots__ = ("_held", "_is_fresh", "_state")

    def __init__(self) -> None:
        """Start before the first word."""
        self._state = "start"
        self._held = ""
        self._is_fresh = False  # after a tag: the line that it stands on is no part of what follows

    def feed(self, text: str) -> list[tuple[bool, str]]:
        """Give (is it a thought, text) for what can be told now."""
        self._held += text
        found: list[tuple[bool, str]] = []
        if self._state == "start" and not self._begin():
            return found
        self._trim()
        if self._state == "thinking":
            self._think(found)
            self._trim()
        if self._state == "answer" and self._held:
            found.append((False, self._held))
            self._held = ""
        return found

    def _trim(self) -> None:
        if self._is_fresh:
            self._held = self._held.lstrip("\n")
            self._is_fresh = not self._held

    def finish(self) -> list[tuple[bool, str]]:
        """Give what was held back: it was no tag."""
        rest, self._held = self._held, ""
        return [(self._state == "thinking", rest)] if rest else []

    def _begin(self) -> bool:
        """Tell whether the first words are known to be a tag, or not to be one."""
        begun = self._held.lstrip()
        if begun.startswith(_OPEN):
            self._state = "thinking"
            self._held = begun[len(_OPEN) :]
            self._is_fresh = True
        elif _OPEN.startswith(begun):
            return False
        else:
            self._state = "answer"
        return True

    def _think(self, found: list[tuple[bool, str]]) -> None:
        thought, tag, rest = self._held.partition(_CLOSE)
        if tag:
            self._state = "answer"
            self._held = rest
            self._is_fresh = True
        else:
            # What may be the beginning of the closing tag waits for the rest of it.
            keep = next((size for size in range(len(_CLOSE) - 1, 0, -1) if thought.endswith(_CLOSE[:size])), 0)
            thought, self._held = (thought[:-keep], thought[-keep:]) if keep else (thought, "")
        if thought:
            found.append((True, thought))
