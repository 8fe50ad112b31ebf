"""The keys of a channel that has several, and which of them a request goes out with."""

from collections.abc import Callable
from typing import Final

import msgspec

from domain.routing.chance import Draws

KEY_FAULTS: Final = frozenset({"auth", "quota", "rate_limit"})
"""Kinds of vendor errors that concern the key alone, where its channel has others."""


class Key(msgspec.Struct, frozen=True, gc=False):
    """A vendor key, and which of how many it is."""

    secret: str
    number: int = 0
    """From 1; 0 is a channel's only key."""
    count: int = 1
    is_readable: bool = True
    """False for one that does not decrypt: its channel is as good as refused."""


def split_keys(text: str) -> tuple[str, ...]:
    """Give the keys that a channel's secret holds: one on each line. A service account's is one of many lines."""
    if "\n" not in text or text.lstrip()[:1] == "{":
        return (text,)
    return tuple(line.strip() for line in text.splitlines() if line.strip()) or (text,)


def choose_key(
    secrets: tuple[str, ...], why_out: Callable[[int], str | None], *, seed: int, tried: frozenset[int] = frozenset()
) -> Key | None:
    """Give one of the keys that are in use, each as likely; None if there is none but those that were tried.

    `why_out` says of a key's number why it is not in use. Where all are out one is used all the same: whether the
    channel is to be left alone is not decided here.
    """
    count = len(secrets)
    if count == 1:
        return None if tried else Key(secrets[0])
    left = [number for number in range(1, count + 1) if number not in tried]
    usable = [number for number in left if why_out(number) is None]
    if not usable and tried:
        return None
    among = usable or left
    number = among[int(Draws(seed)() * len(among))]
    return Key(secrets[number - 1], number, count)
