"""Proofs that an event stands in the sealed log as it was written: made from the event, its block and its seal."""

import uuid
from collections.abc import Sequence
from typing import TYPE_CHECKING

from adapters.postgres import seals
from domain.errors import TallygateError
from domain.ids import TenantId, day_of
from domain.proof import merkle
from domain.proof.proofs import EventProof, InvalidProofError, Parts, prove
from domain.proof.seals import entry_hash, unpack_entries

if TYPE_CHECKING:
    import asyncpg

    from adapters.postgres.seals import EventRow, PlacedBlock
    from domain.proof.checks import StoredSeal


class UnknownEventError(TallygateError):
    """There is no such event, or it is not one of the reader's tenants."""

    code = "not_found"


class NotSealedError(TallygateError):
    """The event is too young to be sealed."""

    code = "not_sealed"


class SealBrokenError(TallygateError):
    """The event does not fit its seal: one of them was changed."""

    code = "seal_broken"


async def read_proof(
    pool: "asyncpg.Pool[asyncpg.Record]", event_id: str, tenant_ids: Sequence[TenantId] | None
) -> EventProof:
    """Give the proof of an event of these tenants, None being all.

    Raises UnknownEventError, NotSealedError, and SealBrokenError for what would not convince anybody.
    """
    try:
        event_id = str(uuid.UUID(event_id))
        day = day_of(event_id)
    except (ValueError, OverflowError):
        raise UnknownEventError("There is no such event.") from None
    async with pool.acquire() as connection:
        row = await seals.find_event(connection, event_id, day, tenant_ids)
        if row is None:
            raise UnknownEventError("There is no such event.")
        record = row.record
        placed = await seals.read_block_of(connection, record.tenant_id, record.lane, record.position)
        if placed is None:
            raise NotSealedError("The event is not sealed yet: ask again in a few seconds.")
        found = await seals.read_seals(connection, placed.seal - 1, 1)
        keys = {each["key_id"]: each["public_key"] for each in await seals.read_public_keys(connection)}
    if not found or found[0].signed.seal.number != placed.seal or row.leaf is None:
        raise SealBrokenError(_BROKEN)
    public_key = keys.get(found[0].signed.seal.key_id)
    if public_key is None:
        raise SealBrokenError(_BROKEN)
    return _prove(row, placed, found[0], public_key)


_BROKEN = "The event does not fit its seal: one of them was changed after it was sealed. Run `tallygate verify`."


def _prove(row: "EventRow", placed: "PlacedBlock", stored: "StoredSeal", public_key: bytes) -> EventProof:
    block, leaves = placed.stored.block, placed.stored.leaves
    if len(leaves) != block.events * merkle.HASH_BYTES or len(stored.entries) % _ENTRY_BYTES:
        raise SealBrokenError(_BROKEN)
    hashes = [leaves[at : at + merkle.HASH_BYTES] for at in range(0, len(leaves), merkle.HASH_BYTES)]
    entries = [entry_hash(entry) for entry in unpack_entries(stored.entries)]
    index = row.record.position - block.first_position
    if not (0 <= index < len(hashes) and 0 <= placed.place < len(entries)):
        raise SealBrokenError(_BROKEN)
    try:
        return prove(
            Parts(
                row.record,
                block,
                merkle.path(hashes, index),
                stored.signed,
                placed.place,
                merkle.path(entries, placed.place),
                public_key,
            )
        )
    except (InvalidProofError, OverflowError):
        raise SealBrokenError(_BROKEN) from None


_ENTRY_BYTES = 64
