"""Lists of what people administer: which fields each kind can be narrowed and sorted by, and the place to go on from.

A list is read by key: `after` names the last row of the part before, never a number of rows to skip. The present state
is stored as JSON without the fields that stand at their defaults; the expressions below put the defaults back.
"""

import base64
import binascii
import datetime as dt
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from domain.admin.entities import KINDS
from domain.admin.errors import InvalidEntityError

_STATE: Final = "convert_from(e.state, 'UTF8')::jsonb"
_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECONDS_MAX: Final = 10**17
"""Beyond the year 5000."""
DEFAULT_SORT: Final = "-created_at"

_FIELDS: Final[dict[str, dict[str, str]]] = {
    "tenant": {"user_group": "text", "suspended": "boolean", "time_zone": "text"},
    "user": {"platform_role": "text", "disabled": "boolean", "must_change_password": "boolean"},
    "token": {"user_id": "text", "revoked": "boolean", "tags": "list", "models": "list"},
    "channel": {"type": "text", "enabled": "boolean", "channel_groups": "list", "models": "list"},
    "group": {"side": "text", "label": "text"},
    "multiplier": {"user_group": "text", "channel_group": "text"},
    "rate_card": {"use": "text", "published": "boolean", "card.card_id": "text"},
    "mapping": {"model": "text", "target": "text", "enabled": "boolean"},
    "setting": {"name": "text"},
    "code_batch": {"kind": "text", "revoked": "boolean"},
    "announcement": {"audience": "text", "level": "text"},
    "routing_policy": {"model": "text", "mode": "text", "enabled": "boolean"},
}
"""What a list can be narrowed by, by kind: fields of the domain's own values. A list matches if it has the value."""

_ORDERS: Final = {
    "created_at": ("e.created_at", "timestamptz"),
    "updated_at": ("e.updated_at", "timestamptz"),
    "name": ('e.name COLLATE "C"', "text"),
}
"""What every list can be sorted by; descending with a `-` before it."""


class Order(NamedTuple):
    """In which order a list is given."""

    name: str
    expression: str
    type: str
    descending: bool

    @property
    def sort(self) -> str:
        """How it is asked for."""
        return f"-{self.name}" if self.descending else self.name

    @property
    def clause(self) -> str:
        """What stands behind ORDER BY."""
        way = "DESC" if self.descending else "ASC"
        return f"{self.expression} {way}, e.entity_id {way}"

    def beyond(self, first: int) -> str:
        """Give the condition for what comes after a place whose values are the parameters `first` and the next."""
        sign = "<" if self.descending else ">"
        return f"({self.expression}, e.entity_id) {sign} (${first}::{self.type}, ${first + 1})"


def order_of(sort: str) -> Order:
    """Give an order by its name; raises InvalidEntityError."""
    name = sort.removeprefix("-")
    if name not in _ORDERS:
        raise InvalidEntityError("sort", f"A list is sorted by one of: {', '.join(_ORDERS)}; `-` before it turns it.")
    return Order(name, *_ORDERS[name], sort.startswith("-"))


def conditions(kind: str, filters: Mapping[str, Any]) -> dict[str, Any]:
    """Give conditions, a `{}` where the parameter stands, with their values; a filter of None narrows nothing."""
    return {_condition(kind, name): value for name, value in filters.items() if value is not None}


def _condition(kind: str, name: str) -> str:
    type_ = _FIELDS[kind][name]
    keys = ", ".join(f"'{key}'" for key in name.split("."))
    if type_ == "list":
        return f"jsonb_exists({_STATE} -> {keys}, {{}}::text)"
    path = f"jsonb_extract_path_text({_STATE}, {keys})"
    default = _default(kind, name)
    if default is not None:
        path = f"coalesce({path}, '{default}')"
    return f"{path}::boolean = {{}}" if type_ == "boolean" else f"{path} = {{}}"


def _default(kind: str, name: str) -> str | None:
    """Give what a field that is not in the stored JSON stands at, as that JSON would have it."""
    for field in msgspec.structs.fields(KINDS[kind]):
        if field.name == name and field.default is not msgspec.NODEFAULT and field.default is not None:
            return str(field.default).lower() if isinstance(field.default, bool) else str(field.default)
    return None


class _Place(msgspec.Struct, frozen=True, array_like=True):
    """The last row of a part."""

    sort: str
    value: int | str
    """Microseconds since 1970 for a time."""
    entity_id: str


def cursor(order: Order, row: Any) -> str:
    """Give the place of a row in a list of this order."""
    value = row[order.name]
    if isinstance(value, dt.datetime):
        value = (value - _EPOCH) // dt.timedelta(microseconds=1)
    place = msgspec.json.encode(_Place(order.sort, value, row["entity_id"]))
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def read_cursor(order: Order, text: str) -> tuple[Any, str]:
    """Give the place that a cursor names; InvalidEntityError if it is none, or one of another order."""
    place = _decode(text)
    if place is None or place.sort != order.sort or "\0" in f"{place.value}{place.entity_id}":
        raise InvalidEntityError("after", "This is not a place in a list of this order.")
    if order.type != "timestamptz":
        return str(place.value), place.entity_id
    if not isinstance(place.value, int) or not 0 <= place.value < _MICROSECONDS_MAX:
        raise InvalidEntityError("after", "This is not a place in a list of this order.")
    return _EPOCH + dt.timedelta(microseconds=place.value), place.entity_id


def _decode(text: str) -> _Place | None:
    try:
        padded = text + "=" * (-len(text) % 4)
        return msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True), type=_Place)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        return None
