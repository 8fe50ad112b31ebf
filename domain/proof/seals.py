"""Blocks and seals: what is signed, and how each commits to what came before.

A block is a stretch of one lane: the Merkle root over its events, and the hash of the lane's block before it. A seal
closes the blocks of many lanes at once: the Merkle root over them, the hash of the seal before it, and a signature. So
the latest seal commits to all of the history behind it, whatever the number of lanes.
"""

import hashlib
import struct
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from domain.proof import merkle

BLOCK_EVENTS_MAX: Final = 1024
"""Ten hashes lead from an event to its block."""
GENESIS: Final = bytes(merkle.HASH_BYTES)
"""What stands for the one before the first."""

_BLOCK_TAG: Final = b"tallygate block 1\x00"
_SEAL_TAG: Final = b"tallygate seal 1\x00"
_SIGNED_TAG: Final = b"tallygate signed seal 1\x00"
_KEY_TAG: Final = b"tallygate seal key\x00"
_BLOCK: Final = struct.Struct(">qqqqq")
_ENTRY: Final = struct.Struct(">qqqq32s")
_SEAL: Final = struct.Struct(">qqqq")


class Block(msgspec.Struct, frozen=True, kw_only=True):
    """A sealed stretch of a lane."""

    tenant_id: int
    lane: int
    number: int
    """In the lane, from 1."""
    first_position: int
    last_position: int
    root: bytes
    """Over the hashes of its events."""
    previous: bytes
    """The hash of the lane's block before."""

    @property
    def events(self) -> int:
        """How many events it has."""
        return self.last_position - self.first_position + 1

    @property
    def hash(self) -> bytes:
        """What commits to all of it; struct.error for a number that no column can hold."""
        numbers = (self.tenant_id, self.lane, self.number, self.first_position, self.last_position)
        return hashlib.sha256(_BLOCK_TAG + _BLOCK.pack(*numbers) + self.root + self.previous).digest()


class Entry(NamedTuple):
    """A block as its seal names it, so that one that is gone can be named."""

    tenant_id: int
    lane: int
    first_position: int
    last_position: int
    block_hash: bytes


class Seal(msgspec.Struct, frozen=True, kw_only=True):
    """A signed list of blocks."""

    number: int
    """From 1, over all lanes."""
    blocks: int
    events: int
    """How many events the blocks have."""
    sealed_at: int
    """Microseconds since 1970, by the database's clock."""
    root: bytes
    """Over the entries of its blocks."""
    previous: bytes
    """The hash of the seal before."""
    key_id: str

    @property
    def hash(self) -> bytes:
        """What is signed, and published."""
        key_id = self.key_id.encode()
        numbers = _SEAL.pack(self.number, self.blocks, self.events, self.sealed_at)
        content = _SEAL_TAG + numbers + self.root + self.previous + len(key_id).to_bytes(4, "big") + key_id
        return hashlib.sha256(content).digest()


class SignedSeal(NamedTuple):
    """A seal and its Ed25519 signature."""

    seal: Seal
    signature: bytes


def block_of(tenant_id: int, lane: int, after: "Tip", leaves: Sequence[bytes]) -> Block:
    """Give the block of the events that follow the lane's last one."""
    return Block(
        tenant_id=tenant_id,
        lane=lane,
        number=after.number + 1,
        first_position=after.position + 1,
        last_position=after.position + len(leaves),
        root=merkle.root(leaves),
        previous=after.hash,
    )


class Tip(NamedTuple):
    """The end of a chain: of a lane's blocks, or with no position of the seals."""

    number: int = 0
    hash: bytes = GENESIS
    position: int = 0


START: Final = Tip()
"""The end of a chain with nothing in it."""


def tip_of(block: Block) -> Tip:
    """Give what the next block of the lane stands on."""
    return Tip(block.number, block.hash, block.last_position)


def entry_of(block: Block) -> Entry:
    """Give a block as its seal names it."""
    return Entry(block.tenant_id, block.lane, block.first_position, block.last_position, block.hash)


def entry_hash(entry: Entry) -> bytes:
    """Give the leaf that stands for a block in its seal."""
    return merkle.leaf_hash(_ENTRY.pack(*entry))


def pack_entries(entries: Sequence[Entry]) -> bytes:
    """Give the entries as they are stored."""
    return b"".join(_ENTRY.pack(*entry) for entry in entries)


def unpack_entries(packed: bytes) -> list[Entry]:
    """Give the entries of a stored seal; struct.error if their length is wrong."""
    return [Entry(*fields) for fields in _ENTRY.iter_unpack(packed)] if packed else []


def seal_of(blocks: Sequence[Block], after: Tip, sealed_at: int, key_id: str) -> Seal:
    """Give the seal over blocks of any lanes, in the order given."""
    return Seal(
        number=after.number + 1,
        blocks=len(blocks),
        events=sum(block.events for block in blocks),
        sealed_at=sealed_at,
        root=merkle.root([entry_hash(entry_of(block)) for block in blocks]),
        previous=after.hash,
        key_id=key_id,
    )


def sign(seal: Seal, sign_bytes: Callable[[bytes], bytes]) -> SignedSeal:
    """Sign a seal with whoever holds the key."""
    return SignedSeal(seal, sign_bytes(_SIGNED_TAG + seal.hash))


def is_signed_by(public_key: bytes, signed: SignedSeal) -> bool:
    """Say whether a signature was made with the private half of a key, which has 32 bytes."""
    try:
        key = Ed25519PublicKey.from_public_bytes(public_key)
        key.verify(signed.signature, _SIGNED_TAG + signed.seal.hash)
    except (InvalidSignature, ValueError):
        return False
    return True


def key_id_of(public_key: bytes) -> str:
    """Give the name of a key, which is made of it: two keys never share one."""
    return hashlib.sha256(_KEY_TAG + public_key).hexdigest()[:16]
