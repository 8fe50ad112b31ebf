"""What is asked for, and what follows from it alone: moments, chance and ids."""

import datetime as dt
import random
from typing import Final

import msgspec

SECOND: Final = 1_000_000
"""Times are microseconds since 1970."""
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

NODES: Final = ("app-1", "app-2")
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked for: the same plan gives the same history, byte for byte."""

    until: dt.datetime
    """The first moment that is not in it; UTC."""
    days: int = 30
    tenants: int = 20
    requests: int = 2_000_000
    """Calls that clients make; a few of them are refused."""
    seed: int = 1

    @property
    def first(self) -> int:
        """When it begins."""
        return self.end - self.days * DAY

    @property
    def end(self) -> int:
        """When it ends."""
        return (self.until - _EPOCH) // dt.timedelta(microseconds=1)

    def at(self, part: float) -> int:
        """Give the moment at a part of the time: 0 is the beginning, 1 the end."""
        return self.first + int((self.end - self.first) * part)

    def chance(self, purpose: str) -> random.Random:
        """Give chance for one purpose, which draws for another do not move."""
        return random.Random(f"{self.seed}/{purpose}")  # noqa: S311 -- made-up data keeps no secret


class Ids:
    """UUIDv7s of moments, from chance that can be repeated."""

    def __init__(self, chance: random.Random) -> None:
        """Take the chance."""
        self._bits = chance.getrandbits

    def at(self, micros: int) -> str:
        """Give a new id of a moment."""
        high, low = self._bits(12), self._bits(62)
        text = f"{(micros // 1000) << 80 | 7 << 76 | high << 64 | 2 << 62 | low:032x}"
        return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def moment(micros: int) -> dt.datetime:
    """Give the moment of microseconds since 1970."""
    return _EPOCH + dt.timedelta(microseconds=micros)
