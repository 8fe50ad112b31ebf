"""Where a change comes from: the client's address, noted at the API's door, for the events of what people do."""

from contextvars import ContextVar
from typing import Any

import msgspec

_address: ContextVar[str] = ContextVar("address", default="")


def come_from(address: str) -> None:
    """Say where what follows in this context was asked for; empty where nobody asked from outside."""
    _address.set(address)


def with_source(event: Any) -> Any:
    """Give an event with the address, if it is of a kind that has one and it is known."""
    address = _address.get()
    if not address or "address" not in event.__struct_fields__:
        return event
    return msgspec.structs.replace(event, address=address)
