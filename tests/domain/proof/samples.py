"""Sealed events for tests, with no database."""

import hashlib

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from domain.proof import merkle
from domain.proof.event import EventRecord, event_hash
from domain.proof.proofs import Parts
from domain.proof.seals import (
    START,
    Block,
    SignedSeal,
    block_of,
    entry_hash,
    entry_of,
    key_id_of,
    seal_of,
    sign,
)

KEY = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"a key for tests").digest())
PUBLIC = KEY.public_key().public_bytes_raw()
KEY_ID = key_id_of(PUBLIC)


def uuid(name: object) -> bytes:
    return hashlib.sha256(repr(name).encode()).digest()[:16]


def event(position: int = 7, lane: int = 9, **fields: object) -> EventRecord:
    values: dict[str, object] = {
        "tenant_id": 9,
        "lane": lane,
        "position": position,
        "event_id": uuid(("event", position)),
        "type": "hold.captured.v1",
        "data": b'{"captured_nanos":12,"note":"\xc3\xa9 \\" \\n"}',
        "actor": "token:abc",
        "correlation_id": uuid("correlation"),
        "causation_id": uuid("causation"),
        "recorded_at": 1_790_000_000_123_456,
        "day": 20_717,
        "digest": -5_000_000_000_000_000_001,
        "account_ids": (uuid("wallet"), uuid("token")),
        "posted": (-12, -12),
        "held": (-40, -40),
    }
    return EventRecord(**values | fields)  # type: ignore[arg-type]  # made of parts


def sealed(lane: int, count: int, first: int = 1) -> tuple[Block, list[bytes]]:
    leaves = [event_hash(event(position, lane)) for position in range(first, first + count)]
    after = START._replace(position=first - 1, number=3, hash=merkle.leaf_hash(b"before"))
    return block_of(9, lane, after, leaves), leaves


def signed(*blocks: Block) -> SignedSeal:
    return sign(seal_of(blocks, START._replace(number=4), 1_790_000_009_000_000, KEY_ID), KEY.sign)


def parts(position: int = 7, *, events: int = 11, blocks: int = 5) -> Parts:
    """Give the parts of a proof of an event in the third of some blocks."""
    many = [sealed(lane, events, 3) for lane in range(7, 7 + blocks)]
    (block, leaves) = many[2]
    seal = signed(*(each for each, _ in many))
    entries = [entry_hash(entry_of(each)) for each, _ in many]
    return Parts(
        event(position, block.lane),
        block,
        merkle.path(leaves, position - block.first_position),
        seal,
        2,
        merkle.path(entries, 2),
        PUBLIC,
    )
