"""Checks sealed history against what is there now, and names the first position that differs.

Pure: whoever reads the tables hands in the blocks and events of a lane in order, then the seals in order with the
blocks that say that they are in them.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from domain.ids import PLATFORM
from domain.proof import merkle
from domain.proof.seals import (
    START,
    Block,
    Entry,
    SignedSeal,
    Tip,
    entry_hash,
    entry_of,
    is_signed_by,
    unpack_entries,
)


class SealFinding(NamedTuple):
    """Something about sealed history that must not be."""

    tenant_id: int
    lane: int
    position: int
    message: str


class StoredBlock(NamedTuple):
    """A block with what is stored beside it."""

    block: Block
    hash: bytes
    leaves: bytes
    """The hashes of its events, one after another: they tell which event was changed. The root vouches for them."""

    def leaf(self, position: int) -> bytes:
        """Give the hash of an event as it was sealed."""
        at = (position - self.block.first_position) * merkle.HASH_BYTES
        return self.leaves[at : at + merkle.HASH_BYTES]


class LaneSeals:
    """Checks one lane: `block` for each of its blocks in order, `event` for each event in order, then `finish`.

    An event comes after the block that it is in; `wants_block` says when the next block is due.
    """

    def __init__(self, tenant_id: int, lane: int, tip: Tip = START, position: int = 0) -> None:
        """Begin at the start of the lane, or go on behind a position; `tip` is then the last block that ends there."""
        self.findings: list[SealFinding] = []
        self.sealed = 0
        """Events that were found as they were sealed."""
        self._tenant_id = tenant_id
        self._lane = lane
        self._tip = tip
        self._block: StoredBlock | None = None
        self._position = position
        self._is_bad = False

    @property
    def tip(self) -> Tip:
        """The last block that was handed in."""
        return self._tip

    def wants_block(self, position: int) -> bool:
        """Say whether an event lies behind all blocks so far."""
        return position > self._tip.position

    def block(self, stored: StoredBlock) -> None:
        """Check a block against the one before and against its own hashes."""
        block, first = stored.block, self._tip.position + 1
        self._skip_to(first)
        if block.number != self._tip.number + 1 or block.first_position != first:
            self._find(first, f"block {self._tip.number + 1} of the lane is missing, or was moved")
        elif block.previous != self._tip.hash:
            self._find(first, f"block {block.number} does not follow from the block before it")
        leaves = _split(stored.leaves)
        intact = len(leaves) == block.events > 0 and stored.hash == block.hash and merkle.root(leaves) == block.root
        self._is_bad = not intact
        if self._is_bad:
            self._find(block.first_position, f"block {block.number} of the lane was changed after it was sealed")
        self._block = stored
        # A forged number must not make all that follows look unsealed.
        self._tip = Tip(block.number, stored.hash, max(block.last_position, self._tip.position))

    def event(self, position: int, leaf: bytes | None) -> None:
        """Check an event by its hash, None being one that cannot be hashed."""
        self._skip_to(position)
        self._position = position
        stored = self._block
        if stored is None or not stored.block.first_position <= position <= stored.block.last_position:
            return
        if stored.leaf(position) == leaf:
            self.sealed += 1
        elif not self._is_bad:
            self._find(position, "the event is not the one that was sealed at this position")

    def finish(self, rest: Iterable[StoredBlock]) -> None:
        """Take the blocks that no event has asked for: the log must not end before them."""
        for stored in rest:
            self.block(stored)
        self._skip_to(self._tip.position + 1)

    def _skip_to(self, position: int) -> None:
        """Note what is sealed between the last event and this position, and is not there."""
        missing = self._position + 1
        end = min(position - 1, self._tip.position)
        if missing <= end:
            upto = f" to {end}" if end > missing else ""
            self._find(missing, f"position {missing}{upto} was sealed, and is not in the log")
            self._position = end

    def _find(self, position: int, message: str) -> None:
        self.findings.append(SealFinding(self._tenant_id, self._lane, position, message))


class StoredSeal(NamedTuple):
    """A seal with what is stored beside it."""

    signed: SignedSeal
    hash: bytes
    entries: bytes
    """`pack_entries` of its blocks; the root vouches for them."""


class ClaimedBlock(NamedTuple):
    """A block as a row of the database says that it is in a seal."""

    seal: int
    place: int
    block: Block


class Head(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A seal as it is published: one line of JSON."""

    number: int
    hash: str
    previous: str
    root: str
    blocks: int
    events: int
    sealed_at: int
    """Microseconds since 1970."""
    key_id: str
    signature: str
    """Base64."""


class SealChain:
    """Checks the seals: `seal` for each in order, then `finish`."""

    def __init__(
        self,
        trusted_keys: Mapping[str, bytes],
        anchors: Mapping[int, str] | None = None,
        tip: Tip = START,
    ) -> None:
        """Take the keys that are trusted, and published hashes by the number of their seal."""
        self.findings: list[SealFinding] = []
        self._keys = trusted_keys
        self._anchors = dict(anchors or {})
        self._tip = tip
        self.events = 0
        """Events that the seals commit to."""

    @property
    def tip(self) -> Tip:
        """The last seal that was handed in."""
        return self._tip

    def seal(self, stored: StoredSeal, blocks: Sequence[ClaimedBlock]) -> None:
        """Check a seal against the one before, its key, and the blocks that are said to be in it, by place."""
        seal = stored.signed.seal
        entries = unpack_entries(stored.entries) if len(stored.entries) % _ENTRY_BYTES == 0 else []
        where = (entries[0].tenant_id, entries[0].lane, entries[0].first_position) if entries else (PLATFORM, 1, 0)
        for message in self._wrong_with(stored, entries):
            self.findings.append(SealFinding(*where, f"seal {seal.number} {message}"))
        if self._anchors.get(seal.number, stored.hash.hex()) != stored.hash.hex():
            message = f"seal {seal.number} is not the one that was published: {self._anchors[seal.number]}"
            self.findings.append(SealFinding(*where, message))
        self.findings += _compare(seal.number, entries, blocks)
        self._tip = Tip(seal.number, stored.hash)
        self.events += seal.events

    def finish(self, orphans: Iterable[ClaimedBlock]) -> None:
        """Take the blocks that belong to no seal: there must be none; nor may a published seal be missing."""
        for claimed in orphans:
            block = claimed.block
            message = (
                f"block {block.number} of the lane is in no seal: seal {claimed.seal} is missing, or it was forged"
            )
            self.findings.append(SealFinding(block.tenant_id, block.lane, block.first_position, message))
        gone = sorted(number for number in self._anchors if number > self._tip.number)
        if gone:
            message = f"seal {gone[0]} was published as {self._anchors[gone[0]]} and is not there: history was cut off"
            self.findings.append(SealFinding(PLATFORM, int(PLATFORM), 0, message))

    def _wrong_with(self, stored: StoredSeal, entries: Sequence[Entry]) -> Iterable[str]:
        seal = stored.signed.seal
        if seal.number != self._tip.number + 1:
            yield f"follows seal {self._tip.number}: those between are missing"
        elif seal.previous != self._tip.hash:
            yield "does not follow from the seal before it"
        intact = (
            seal.hash == stored.hash
            and len(entries) == seal.blocks > 0
            and sum(entry.last_position - entry.first_position + 1 for entry in entries) == seal.events
            and merkle.root([entry_hash(entry) for entry in entries]) == seal.root
        )
        if not intact:
            yield "was changed after it was signed"
        public_key = self._keys.get(seal.key_id)
        if public_key is None:
            yield f"is signed with the key {seal.key_id}, which is not a trusted one"
        elif not is_signed_by(public_key, stored.signed):
            yield f"does not have the signature of the key {seal.key_id}"


_ENTRY_BYTES = 64


def _compare(number: int, entries: Sequence[Entry], claimed: Sequence[ClaimedBlock]) -> list[SealFinding]:
    """Compare the blocks that a seal names with those that are there."""
    findings = []
    there: dict[int, list[Block]] = {}
    for each in claimed:
        there.setdefault(each.place, []).append(each.block)
    for place, entry in enumerate(entries):
        found = there.pop(place, [])
        if not found:
            what = "is missing"
        elif len(found) > 1 or entry_of(found[0]) != entry:
            what = "was changed"
        else:
            continue
        message = f"the block up to position {entry.last_position}, signed by seal {number}, {what}"
        findings.append(SealFinding(entry.tenant_id, entry.lane, entry.first_position, message))
    for block in (block for blocks in there.values() for block in blocks):
        message = f"block {block.number} of the lane says that it is in seal {number}, which does not know it"
        findings.append(SealFinding(block.tenant_id, block.lane, block.first_position, message))
    return findings


def _split(leaves: bytes) -> list[bytes]:
    if len(leaves) % merkle.HASH_BYTES:
        return []
    return [leaves[at : at + merkle.HASH_BYTES] for at in range(0, len(leaves), merkle.HASH_BYTES)]
