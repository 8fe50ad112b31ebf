"""The proof that an event stands in the sealed log: made by the server, checked by anybody, from the file alone.

A proof file is the JSON of `EventProof`, byte for byte as it was given out. The check computes every field again from
what was hashed and signed, and wants the same bytes: so no byte of the file is free to be another one.
"""

import base64
import binascii
import datetime as dt
import struct
import uuid
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

import msgspec

from domain.errors import TallygateError
from domain.proof import merkle
from domain.proof.event import EventRecord, event_hash
from domain.proof.seals import (
    Block,
    Seal,
    SignedSeal,
    entry_hash,
    entry_of,
    is_signed_by,
    key_id_of,
)

FORMAT: Final = "tallygate-proof-1"
PROOF_BYTES_MAX: Final = 64 * 1024 * 1024
"""A proof is as long as its event and a few kilobytes more; a longer file is none."""

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_FIRST_DAY: Final = dt.date(1970, 1, 1)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class InvalidProofError(TallygateError):
    """A file proves nothing; the message says why."""

    code = "invalid_proof"


class ProvenEvent(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The event, every column of it."""

    tenant_id: int
    lane: int
    position: int
    event_id: str
    type: str
    data: str
    """The stored body: JSON, as a text."""
    actor: str
    correlation_id: str
    causation_id: str
    recorded_at: dt.datetime
    day: dt.date
    digest: str
    """Eight bytes in hexadecimal."""
    account_ids: tuple[str, ...]
    posted: tuple[int, ...]
    """Nano-units or counts that were added to each account, and with `held` set aside of it."""
    held: tuple[int, ...]


class ProvenBlock(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The block of the lane that the event is in. Hashes are in hexadecimal."""

    number: int
    first_position: int
    last_position: int
    root: str
    previous: str
    path: tuple[str, ...]
    """From the event's hash to `root`."""


class ProvenSeal(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The seal that the block is in."""

    number: int
    blocks: int
    events: int
    sealed_at: dt.datetime
    root: str
    previous: str
    key_id: str
    place: int
    """The block's place in the seal, from 0."""
    path: tuple[str, ...]
    """From the block's entry to `root`."""
    hash: str
    """What is signed, and what is published as the head."""
    signature: str
    """Ed25519, base64."""


class EventProof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that it takes to check that an event is in the sealed log, and unchanged."""

    format: Literal["tallygate-proof-1"] = FORMAT
    event: ProvenEvent
    block: ProvenBlock
    seal: ProvenSeal
    public_key: str
    """Base64. It says which key signed, not that the key is to be trusted: compare it with the one you know."""


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """What a proof proves."""

    event: ProvenEvent
    seal_number: int
    seal_hash: str
    sealed_at: dt.datetime
    key_id: str
    trusted: bool
    """Whether the key that signed is one that the reader trusts; without one, the file vouches for itself only."""


class Parts(NamedTuple):
    """What a proof is made of, as it is hashed and signed."""

    event: EventRecord
    block: Block
    block_path: Sequence[bytes]
    signed: SignedSeal
    place: int
    seal_path: Sequence[bytes]
    public_key: bytes


def prove(parts: Parts) -> EventProof:
    """Make the proof of an event.

    Raises InvalidProofError if the parts do not belong together: then one of them was changed since it was sealed.
    """
    proof = _written(parts)
    check(encode(proof))
    return proof


def encode(proof: EventProof) -> bytes:
    """Give the bytes of a proof file."""
    return msgspec.json.encode(proof)


def check(file: bytes, trusted_keys: Mapping[str, bytes] | None = None) -> Verified:
    """Check a proof file, against keys (by their ids) if the reader has any; raises InvalidProofError."""
    if len(file) > PROOF_BYTES_MAX:
        raise InvalidProofError("it is too long for a proof")
    try:
        proof = msgspec.json.decode(file, type=EventProof)
        parts = _read(proof)
        leaf = event_hash(parts.event)
        # Whatever can be written in two ways is written in one.
        again = encode(_written(parts))
    except msgspec.DecodeError as error:
        raise InvalidProofError(f"it is not a proof file: {error}") from None
    except (ValueError, OverflowError, struct.error, binascii.Error, RecursionError):
        raise InvalidProofError("a field holds what it cannot hold: the file was changed") from None
    _check_hashes(proof, parts, leaf)
    signed, key_id = parts.signed, key_id_of(parts.public_key)
    if key_id != signed.seal.key_id or not is_signed_by(parts.public_key, signed):
        raise InvalidProofError("the signature is not that of the key it names")
    if trusted_keys and trusted_keys.get(key_id) != parts.public_key:
        raise InvalidProofError(f"it was signed with the key {key_id}, which is not a key that you trust")
    if again != file:
        raise InvalidProofError("the file is not byte for byte as it was given out: do not format or edit it")
    return Verified(
        event=proof.event,
        seal_number=signed.seal.number,
        seal_hash=signed.seal.hash.hex(),
        sealed_at=proof.seal.sealed_at,
        key_id=key_id,
        trusted=bool(trusted_keys),
    )


def _check_hashes(proof: EventProof, parts: Parts, leaf: bytes) -> None:
    event, block, seal = parts.event, parts.block, parts.signed.seal
    at = event.position - block.first_position
    if merkle.root_of_path(leaf, at, block.events, parts.block_path) != block.root:
        raise InvalidProofError("the event is not the one that was sealed")
    entry = entry_hash(entry_of(block))
    if merkle.root_of_path(entry, parts.place, seal.blocks, parts.seal_path) != seal.root:
        raise InvalidProofError("the block is not in the seal")
    if seal.hash.hex() != proof.seal.hash:
        raise InvalidProofError("the seal is not the one that was signed")


def _written(parts: Parts) -> EventProof:
    event, block, seal = parts.event, parts.block, parts.signed.seal
    try:
        data = event.data.decode()
    except UnicodeDecodeError:
        raise InvalidProofError("the event's body is no text: it is not what was sealed") from None
    return EventProof(
        event=ProvenEvent(
            tenant_id=event.tenant_id,
            lane=event.lane,
            position=event.position,
            event_id=_uuid_text(event.event_id),
            type=event.type,
            data=data,
            actor=event.actor,
            correlation_id=_uuid_text(event.correlation_id),
            causation_id=_uuid_text(event.causation_id),
            recorded_at=_time(event.recorded_at),
            day=_FIRST_DAY + dt.timedelta(days=event.day),
            digest=event.digest.to_bytes(8, "big", signed=True).hex(),
            account_ids=tuple(_uuid_text(account) for account in event.account_ids),
            posted=tuple(event.posted),
            held=tuple(event.held),
        ),
        block=ProvenBlock(
            number=block.number,
            first_position=block.first_position,
            last_position=block.last_position,
            root=block.root.hex(),
            previous=block.previous.hex(),
            path=tuple(each.hex() for each in parts.block_path),
        ),
        seal=ProvenSeal(
            number=seal.number,
            blocks=seal.blocks,
            events=seal.events,
            sealed_at=_time(seal.sealed_at),
            root=seal.root.hex(),
            previous=seal.previous.hex(),
            key_id=seal.key_id,
            place=parts.place,
            path=tuple(each.hex() for each in parts.seal_path),
            hash=seal.hash.hex(),
            signature=base64.b64encode(parts.signed.signature).decode(),
        ),
        public_key=base64.b64encode(parts.public_key).decode(),
    )


def _read(proof: EventProof) -> Parts:
    event, block, seal = proof.event, proof.block, proof.seal
    return Parts(
        EventRecord(
            tenant_id=event.tenant_id,
            lane=event.lane,
            position=event.position,
            event_id=uuid.UUID(event.event_id).bytes,
            type=event.type,
            data=event.data.encode(),
            actor=event.actor,
            correlation_id=uuid.UUID(event.correlation_id).bytes,
            causation_id=uuid.UUID(event.causation_id).bytes,
            recorded_at=_micros(event.recorded_at),
            day=(event.day - _FIRST_DAY).days,
            digest=int.from_bytes(bytes.fromhex(event.digest), "big", signed=True),
            account_ids=tuple(uuid.UUID(account).bytes for account in event.account_ids),
            posted=event.posted,
            held=event.held,
        ),
        Block(
            tenant_id=event.tenant_id,
            lane=event.lane,
            number=block.number,
            first_position=block.first_position,
            last_position=block.last_position,
            root=bytes.fromhex(block.root),
            previous=bytes.fromhex(block.previous),
        ),
        [bytes.fromhex(each) for each in block.path],
        SignedSeal(
            Seal(
                number=seal.number,
                blocks=seal.blocks,
                events=seal.events,
                sealed_at=_micros(seal.sealed_at),
                root=bytes.fromhex(seal.root),
                previous=bytes.fromhex(seal.previous),
                key_id=seal.key_id,
            ),
            base64.b64decode(seal.signature, validate=True),
        ),
        seal.place,
        [bytes.fromhex(each) for each in seal.path],
        base64.b64decode(proof.public_key, validate=True),
    )


def _uuid_text(uuid_bytes: bytes) -> str:
    return str(uuid.UUID(bytes=uuid_bytes))


def _time(micros: int) -> dt.datetime:
    return _EPOCH + dt.timedelta(microseconds=micros)


def _micros(time: dt.datetime) -> int:
    if time.tzinfo is None:
        raise ValueError("a time without a zone")
    return (time - _EPOCH) // _MICROSECOND
