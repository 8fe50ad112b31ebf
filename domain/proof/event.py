"""An event as it is hashed: every stored column, in one encoding that no two events share.

Numbers are big-endian and of fixed width, times count from 2000 as PostgreSQL's do, texts and list elements are
preceded by their length, lists by their count: nothing can be moved from one column into the next. PostgreSQL makes the
same bytes in `EVENT_HASH` of adapters/postgres/seals.py. A column that is added to the table one day needs a new tag.
"""

import hashlib
import struct
from collections.abc import Sequence
from typing import Final

import msgspec

TAG: Final = b"\x00tallygate event 1\x00"
"""The first byte makes it the hash of a leaf, see merkle.py."""
EPOCH_MICROSECONDS: Final = 946_684_800_000_000
EPOCH_DAYS: Final = 10_957
"""From 1970 to 2000."""
_FIXED: Final = struct.Struct(">qqqqqi")
_pack_count: Final = struct.Struct(">I").pack
_pack_number: Final = struct.Struct(">Iq").pack
_UUID_LENGTH: Final = _pack_count(16)


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
    type_, actor = event.type.encode(), event.actor.encode()
    recorded_at, day = event.recorded_at - EPOCH_MICROSECONDS, event.day - EPOCH_DAYS
    parts = (
        TAG,
        _FIXED.pack(event.tenant_id, event.lane, event.position, recorded_at, event.digest, day),
        event.event_id,
        event.correlation_id,
        event.causation_id,
        _pack_count(len(type_)),
        type_,
        _pack_count(len(actor)),
        actor,
        _pack_count(len(event.account_ids)),
        *(_UUID_LENGTH + account for account in event.account_ids),
        _pack_count(len(event.posted)),
        *(_pack_number(8, number) for number in event.posted),
        _pack_count(len(event.held)),
        *(_pack_number(8, number) for number in event.held),
        _pack_count(len(event.data)),
        event.data,
    )
    return hashlib.sha256(b"".join(parts)).digest()
