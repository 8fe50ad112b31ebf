"""Every kind of vendor that a channel can be connected to: one table, a row each.

A new family is a module with `ROWS`, and one line here.
"""

from collections.abc import Mapping
from typing import Final

from adapters.channel_types import amazon, anthropic, chinese, demo, google, openai_family, others
from domain.relay.channel_type import ChannelType

_FAMILIES: Final[tuple[tuple[ChannelType, ...], ...]] = (
    demo.ROWS,
    openai_family.ROWS,
    chinese.ROWS,
    others.ROWS,
    anthropic.ROWS,
    google.ROWS,
    amazon.ROWS,
)

TYPES: Final[Mapping[str, ChannelType]] = {row.name: row for family in _FAMILIES for row in family}
"""By name."""


def _by_any_name() -> dict[str, ChannelType]:
    known = {alias.lower(): row for row in TYPES.values() for alias in row.aliases}
    known |= {str(row.number): row for row in TYPES.values() if row.number is not None}
    return known | dict(TYPES)


_BY_ANY_NAME: Final = _by_any_name()


def find(name: str | int) -> ChannelType | None:
    """Give a type by its name, One API's number or another alias; None if there is none."""
    return _BY_ANY_NAME.get(str(name).strip().lower())
