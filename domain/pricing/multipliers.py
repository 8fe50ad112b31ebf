"""The multiplier matrix: how prices scale for a group of users on a group of channels."""

from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import ClassVar, Final

import msgspec

from domain.pricing.rate_card import PricingError

ALL: Final = "all"
"""Stands for every group."""

DECIMALS_MAX: Final = 9
MULTIPLIER_MAX: Final = Decimal(1_000_000)


class InvalidMultiplierError(PricingError):
    """A multiplier below zero, absurdly large or fine, or said twice."""

    code: ClassVar[str] = "invalid_multiplier"


def check_multiplier(multiplier: Decimal) -> None:
    """Raise InvalidMultiplierError unless it is from 0 to a million, with at most 9 decimal places."""
    if not multiplier.is_finite() or multiplier < 0 or multiplier > MULTIPLIER_MAX:
        raise InvalidMultiplierError(f"a multiplier is a number from 0 to {MULTIPLIER_MAX}, not {multiplier}")
    exponent = multiplier.as_tuple().exponent
    if isinstance(exponent, int) and exponent < -DECIMALS_MAX:
        raise InvalidMultiplierError(f"a multiplier has at most {DECIMALS_MAX} decimal places, unlike {multiplier}")


class MultiplierEntry(msgspec.Struct, frozen=True):
    """One cell of the matrix."""

    user_group: str
    channel_group: str
    multiplier: Decimal
    """Scales the price. 0 makes use free within the group's allowance, and only within it."""

    def __post_init__(self) -> None:
        """Raise InvalidMultiplierError for what cannot scale a price."""
        check_multiplier(self.multiplier)


NEUTRAL: Final = MultiplierEntry(ALL, ALL, Decimal(1))
"""What applies where the matrix says nothing."""


class MultiplierMatrix(msgspec.Struct, frozen=True, dict=True):
    """The cells that operators have set; raises InvalidMultiplierError if a cell is there twice."""

    entries: tuple[MultiplierEntry, ...] = ()
    version: int = 0
    """Counts the changes of the matrix, so that a receipt can name the one that priced it."""

    def __post_init__(self) -> None:
        """Refuse two entries for one cell: which of them wins would be anybody's guess."""
        if len(self._cells) != len(self.entries):
            raise InvalidMultiplierError("the matrix says two things about one pair of groups")

    @cached_property
    def _cells(self) -> Mapping[tuple[str, str], MultiplierEntry]:
        return {(entry.user_group, entry.channel_group): entry for entry in self.entries}

    def resolve(self, user_group: str, *channel_groups: str) -> MultiplierEntry:
        """Give the entry that applies, for the receipt as well as for the price.

        The most specific wins: this user group on this channel group, then this user group on all channels,
        then all users on this channel group, then all on all, then 1. A channel may be in several groups; of
        entries equally specific the lowest multiplier wins, and of equal ones the first by name.
        """
        for user, channels in (
            (user_group, channel_groups),
            (user_group, (ALL,)),
            (ALL, channel_groups),
            (ALL, (ALL,)),
        ):
            found = [self._cells[user, channel] for channel in channels if (user, channel) in self._cells]
            if found:
                return min(found, key=lambda entry: (entry.multiplier, entry.channel_group))
        return NEUTRAL
