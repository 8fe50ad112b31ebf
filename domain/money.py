"""Money: integers of 10^-9 of a currency unit, and the one rounding.

An amount is an `int` whose name ends in `_nanos`. It becomes text, or comes from text, only at the edges, and
only as a plain decimal: an exponent, a separator or a tenth decimal place is refused, not guessed at.
"""

import re
from typing import ClassVar

from domain.errors import TallygateError

NANOS_PER_UNIT = 1_000_000_000
"""Nano-units in one unit of any currency."""

NANOS_MIN = -(2**63)
NANOS_MAX = 2**63 - 1
"""The bounds of a ledger column: about 9.2 billion units of the currency either way."""

_AMOUNT = re.compile(r"(-?)([0-9]{1,20})(?:\.([0-9]{1,9}))?")
"""ASCII digits only: `\\d` and `int` would take the digits of every script."""


class MoneyError(TallygateError):
    """An amount of money that cannot be taken as given."""

    code: ClassVar[str] = "invalid_amount"


class AmountFormatError(MoneyError):
    """The text is not a plain decimal number with at most nine decimal places."""

    code: ClassVar[str] = "invalid_amount_format"


class AmountRangeError(MoneyError):
    """The amount does not fit in a signed 64-bit number of nano-units."""

    code: ClassVar[str] = "amount_out_of_range"


def parse_amount(text: str) -> int:
    """Give the nano-units that a plain decimal such as "12.5" or "-0.000000001" stands for, exactly.

    Raises AmountFormatError for anything but digits with an optional minus sign and one to nine decimals, and
    AmountRangeError for what 64 bits cannot hold.
    """
    match = _AMOUNT.fullmatch(text)
    if match is None:
        shown = text if len(text) <= 40 else f"{text[:40]}..."  # noqa: PLR2004 -- a message, not a rule
        raise AmountFormatError(
            f"{shown!r} is not an amount: write a plain decimal with at most 9 decimal places, such as 12.50"
        )
    sign, whole, decimals = match[1], match[2], match[3] or ""
    nanos = int(whole) * NANOS_PER_UNIT + int(decimals.ljust(9, "0"))
    return check_nanos(-nanos if sign else nanos)


def format_amount(nanos: int) -> str:
    """Give an amount as a plain decimal: exact, with no exponent and no trailing zeros."""
    whole, rest = divmod(abs(nanos), NANOS_PER_UNIT)
    sign = "-" if nanos < 0 else ""
    decimals = f".{rest:09d}".rstrip("0") if rest else ""
    return f"{sign}{whole}{decimals}"


def round_half_even(numerator: int, denominator: int) -> int:
    """Give the integer nearest to numerator / denominator, the even one if two are as near.

    This is the only rounding of money there is. The denominator must be positive.
    """
    if denominator <= 0:
        raise ValueError(f"a denominator must be positive, not {denominator}")
    quotient, remainder = divmod(numerator, denominator)
    doubled = remainder * 2
    if doubled > denominator or (doubled == denominator and quotient & 1):
        return quotient + 1
    return quotient


def check_nanos(nanos: int) -> int:
    """Give the amount back if a ledger column can hold it, else raise AmountRangeError."""
    if NANOS_MIN <= nanos <= NANOS_MAX:
        return nanos
    raise AmountRangeError(
        f"{format_amount(nanos)} is beyond the {format_amount(NANOS_MAX)} that can be booked at once"
    )
