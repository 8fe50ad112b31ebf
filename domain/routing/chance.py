"""Chance that can be repeated: numbers and scores that follow from a seed or a key, the same in every process."""

import hashlib
import math
from collections.abc import Sequence
from typing import Final

_MASK: Final = 2**64 - 1
_STEP: Final = 0x9E3779B97F4A7C15


class Draws:
    """SplitMix64: an endless row of numbers from 0 up to, and without, 1, that follows from its seed."""

    __slots__ = ("_state",)

    def __init__(self, seed: int) -> None:
        """Take any whole number."""
        self._state = seed & _MASK

    def __call__(self) -> float:
        """Give the next number."""
        self._state = state = (self._state + _STEP) & _MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & _MASK
        return ((state ^ (state >> 31)) >> 11) / 2**53


def seed_of(request_id: str) -> int:
    """Give the seed of a request: the random bits of its id, so that its decision can be made again."""
    return int(request_id[-17:-13] + request_id[-12:], 16)


def fraction(*words: str) -> float:
    """Give a number above 0 and below 1 that follows from words: the same words, the same number."""
    digest = hashlib.blake2b("\x00".join(words).encode(), digest_size=7).digest()
    return (int.from_bytes(digest, "big") + 0.5) / 2**56


def pick(weights: Sequence[int], point: float) -> int:
    """Give the index that a point from 0 up to 1 falls on, each as likely as its weight; the last if all are 0."""
    left = point * sum(weights)
    for index, weight in enumerate(weights):
        left -= weight
        if left < 0:
            return index
    return len(weights) - 1


def waiting(weight: int, point: float) -> float:
    """Give how long a point from 0 up to 1 makes one wait whose event comes `weight` times a second; for ever at 0.

    Of several, each is the first with a chance of its weight over all, and so is whoever is next among the rest.
    """
    return -math.log1p(-point) / weight if weight > 0 else math.inf


def rendezvous(key: str, name: str, weight: int) -> float:
    """Score a name for a key: whoever scores highest has the key, in shares that follow the weights.

    A name that goes, or whose weight changes, moves no key but those that it gives up or wins.
    """
    return -weight / math.log(fraction(key, name)) if weight > 0 else 0.0
