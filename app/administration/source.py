"""Where a change comes from: the client's address, noted at the API's door, for the events of what people do."""

from contextvars import ContextVar
from typing import TypeVar

import msgspec

E = TypeVar("E", bound=msgspec.Struct)

_address: ContextVar[str] = ContextVar("address", default="")


def come_from(address: str) -> None:
    """Say where what follows in this context was asked for; empty where nobody asked from outside."""
    _address.set(address)


def source() -> str:
    """Give the address; empty where nobody asked from outside."""
    return _address.get()


def with_source(event: E) -> E:
    """Give an event with the address, if it is of a kind that has one and it is known."""
    address = _address.get()
    if not address or "address" not in event.__struct_fields__:
        return event
    return msgspec.structs.replace(event, address=address)
