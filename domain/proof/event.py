"""An event as it is hashed: every stored column, in one encoding that no two events share.

Numbers are big-endian and of fixed width, texts and lists are preceded by their length, so that nothing can be moved
from one column into the next. A column that is added to the table one day needs a new tag.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

import msgspec

_TAG: Final = b"\x00tallygate event 1\x00"
"""The first byte makes it the hash of a leaf, see merkle.py."""
_FIXED: Final = struct.Struct(">qqqqqi")
_pack_length: Final = struct.Struct(">I").pack


class EventRecord(msgspec.Struct, frozen=True, gc=False):
    """One row of the log, in primitives."""

    tenant_id: int
    lane: int
    position: int
    event_id: bytes
    """16 bytes, as are all ids here."""
    type: str
    """Its version is the end of the name."""
    data: bytes
    actor: str
    correlation_id: bytes
    causation_id: bytes
    recorded_at: int
    """Microseconds since 1970."""
    day: int
    """Days since 1970."""
    digest: int
    """By which the ledger knows a repeated command from another one."""
    account_ids: Sequence[bytes]
    posted: Sequence[int]
    held: Sequence[int]


def event_hash(event: EventRecord) -> bytes:
    """Give the leaf that stands for an event; struct.error for a number that no column can hold."""
    type_, actor, data = event.type.encode(), event.actor.encode(), event.data
    accounts = b"".join(event.account_ids)
    parts = (
        _TAG,
        _FIXED.pack(event.tenant_id, event.lane, event.position, event.recorded_at, event.digest, event.day),
        event.event_id,
        event.correlation_id,
        event.causation_id,
        _pack_length(len(type_)),
        type_,
        _pack_length(len(actor)),
        actor,
        _pack_length(len(data)),
        data,
        _pack_length(len(event.account_ids)),
        accounts,
        _numbers(event.posted),
        _numbers(event.held),
    )
    return hashlib.sha256(b"".join(parts)).digest()


def _numbers(numbers: Sequence[int]) -> bytes:
    return struct.pack(f">I{len(numbers)}q", len(numbers), *numbers)
