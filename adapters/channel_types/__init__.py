"""Every kind of vendor that a channel can be connected to: one table, a row each.

A new family is a module with `ROWS`, and one line here.
"""

from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.channel_types import amazon, anthropic, chinese, demo, google, openai_family, others
from domain.relay.channel_type import ChannelType, Field, Words
from domain.relay.hosted import OPTION

_FAMILIES: Final[tuple[tuple[ChannelType, ...], ...]] = (
    demo.ROWS,
    openai_family.ROWS,
    chinese.ROWS,
    others.ROWS,
    anthropic.ROWS,
    google.ROWS,
    amazon.ROWS,
)

UNPRICED_TOOLS: Final = Field(
    name=OPTION,
    title=Words("Tools without a price", "没有价格的工具"),
    help=Words(
        "Choose true if clients may use tools that the vendor bills by the use and that you charge nobody for: searches"
        " of a model without a price per search, code interpreters, searches in stored files.",
        "供应商按次收费而价目表没有单价的工具（无搜索单价的模型的搜索、代码解释器、文件检索等），"
        "如允许客户端使用请选 true。",
    ),
    default="false",
    choices=("false", "true"),
)


def _with_tools(row: ChannelType) -> ChannelType:
    """Add the field that every vendor of chats has."""
    if "chat" not in row.surfaces or row.retired is not None:
        return row
    return msgspec.structs.replace(row, fields=(*row.fields, UNPRICED_TOOLS))


TYPES: Final[Mapping[str, ChannelType]] = {row.name: _with_tools(row) for family in _FAMILIES for row in family}
"""By name."""


def _by_any_name() -> dict[str, ChannelType]:
    known = {alias.lower(): row for row in TYPES.values() for alias in row.aliases}
    known |= {str(row.number): row for row in TYPES.values() if row.number is not None}
    return known | dict(TYPES)


_BY_ANY_NAME: Final = _by_any_name()


def find(name: str | int) -> ChannelType | None:
    """Give a type by its name, One API's number or another alias; None if there is none."""
    return _BY_ANY_NAME.get(str(name).strip().lower())
