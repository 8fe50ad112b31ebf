"""Reads the log as hashes, and keeps blocks and seals: the tables of the schema `proof`."""

import datetime as dt
import struct
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from domain.ids import PLATFORM
from domain.proof.checks import ClaimedBlock, StoredBlock, StoredSeal
from domain.proof.event import EPOCH_DAYS, EPOCH_MICROSECONDS, TAG, EventRecord, event_hash
from domain.proof.seals import START, Block, Seal, SignedSeal, Tip, entry_of, pack_entries

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_EPOCH: Final = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)

EVENT_HASH: Final = f"""
sha256('\\x{TAG.hex()}'::bytea || int8send(e.tenant_id) || int8send(e.lane) || int8send(e.position)
    || timestamptz_send(e.recorded_at) || int8send(e.digest) || date_send(e.day)
    || uuid_send(e.event_id) || uuid_send(e.correlation_id) || uuid_send(e.causation_id)
    || int4send(octet_length(convert_to(e.type, 'UTF8'))) || convert_to(e.type, 'UTF8')
    || int4send(octet_length(convert_to(e.actor, 'UTF8'))) || convert_to(e.actor, 'UTF8')
    || int4send(cardinality(e.account_ids)) || substr(array_send(e.account_ids), 21)
    || int4send(cardinality(e.posted)) || substr(array_send(e.posted), 21)
    || int4send(cardinality(e.held)) || substr(array_send(e.held), 21)
    || int4send(octet_length(e.data)) || e.data)
"""
"""What `domain.proof.event.event_hash` gives, made where the event is: a thirtieth of it goes over the wire."""

# The tenants as an array beside the join would be sorted again for every lane: half of the server's time under load.
_HASHES: Final = f"""
SELECT e.lane, e.position, {EVENT_HASH} AS leaf
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[]) AS u (tenant_id, lane, low, high)
CROSS JOIN LATERAL (
    SELECT * FROM ledger.event
    WHERE event.tenant_id = u.tenant_id AND event.lane = u.lane
        AND event.position > u.low AND event.position <= u.high{{days}}
    ORDER BY event.position
) AS e
"""  # noqa: S608  # constants of this module
_ALL_DAYS: Final = _HASHES.format(days="")
_RECENT_DAYS: Final = _HASHES.format(days=" AND event.day >= $5::date")

_COLUMNS: Final = """
    e.tenant_id, e.lane, e.position, e.event_id, e.type, e.data, e.actor, e.correlation_id, e.causation_id,
    timestamptz_send(e.recorded_at), date_send(e.day), e.digest, e.account_ids, e.posted, e.held
"""

_PAGE: Final = f"""
SELECT {_COLUMNS} FROM ledger.event AS e
WHERE e.tenant_id = $1 AND e.lane = $2 AND e.position > $3 AND e.position <= $4
ORDER BY e.position LIMIT $5
"""  # noqa: S608  # constants of this module

_EVENT: Final = f"""
SELECT {_COLUMNS} FROM ledger.event AS e
WHERE e.event_id = $1 AND e.day = $2 AND ($3::bigint[] IS NULL OR e.tenant_id = ANY ($3))
"""  # noqa: S608  # constants of this module

_MOVED: Final = """
SELECT l.tenant_id, l.lane, l.head, coalesce(t.position, 0) AS position
FROM ledger.lane AS l LEFT JOIN proof.tip AS t ON t.lane = l.lane AND t.tenant_id = l.tenant_id
WHERE l.head > coalesce(t.position, 0) AND NOT (l.lane = ANY ($1::bigint[]))
ORDER BY l.head - coalesce(t.position, 0), l.lane LIMIT $2
"""

_TIPS: Final = """
SELECT b.lane, b.number, b.hash, b.last_position
FROM unnest($1::bigint[], $2::bigint[]) AS u (tenant_id, lane)
CROSS JOIN LATERAL (
    SELECT * FROM proof.block
    WHERE block.tenant_id = u.tenant_id AND block.lane = u.lane
    ORDER BY block.number DESC LIMIT 1
) AS b
"""

_ADD_SEAL: Final = """
INSERT INTO proof.seal (number, tenant_id, blocks, events, sealed_at, root, previous, key_id, hash, signature, entries)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
"""

_ADD_BLOCKS: Final = """
INSERT INTO proof.block (tenant_id, lane, number, first_position, last_position, root, previous, hash, leaves,
    seal, place)
SELECT u.tenant_id, u.lane, u.number, u.first_position, u.last_position, u.root, u.previous, u.hash, u.leaves,
    $10, u.place - 1
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bytea[], $7::bytea[],
    $8::bytea[], $9::bytea[]) WITH ORDINALITY
    AS u (tenant_id, lane, number, first_position, last_position, root, previous, hash, leaves, place)
"""

_MOVE_TIPS: Final = """
INSERT INTO proof.tip (tenant_id, lane, position)
SELECT u.tenant_id, u.lane, u.position
FROM unnest($1::bigint[], $2::bigint[], $3::bigint[]) AS u (tenant_id, lane, position)
ON CONFLICT (lane, tenant_id) DO UPDATE SET position = excluded.position
"""

_SEAL: Final = """
    s.number, s.blocks, s.events, timestamptz_send(s.sealed_at), s.root, s.previous, s.key_id, s.hash, s.signature,
    s.entries
"""

_BLOCK: Final = "b.tenant_id, b.lane, b.number, b.first_position, b.last_position, b.root, b.previous"


class Behind(NamedTuple):
    """A lane with events that are not sealed."""

    tenant_id: int
    lane: int
    head: int
    position: int
    """Up to which it is sealed."""


class Stretch(NamedTuple):
    """Positions of a lane: above `low`, up to `high`."""

    tenant_id: int
    lane: int
    low: int
    high: int


class ClosedBlock(NamedTuple):
    """A block that is about to be stored."""

    block: Block
    leaves: bytes


class PlacedBlock(NamedTuple):
    """A block with its place in a seal."""

    stored: StoredBlock
    seal: int
    place: int


async def read_moved(connection: "Connection", without: Sequence[int], limit: int) -> list[Behind]:
    """Give lanes that have unsealed events, those with the fewest first."""
    return [Behind(*row) for row in await connection.fetch(_MOVED, list(without), limit)]


async def read_tips(connection: "Connection", lanes: Sequence[Behind]) -> dict[int, Tip]:
    """Give the last block of each lane that has one."""
    rows = await connection.fetch(_TIPS, [each.tenant_id for each in lanes], [each.lane for each in lanes])
    return {lane: Tip(number, hash_, last) for lane, number, hash_, last in rows}


async def read_hashes(
    connection: "Connection", stretches: Sequence[Stretch], since: dt.date
) -> dict[int, list[tuple[int, bytes]]]:
    """Give by lane the positions and hashes of its events, in order; a position that is missing is left out.

    The latest days are looked at first, which spares the tail of the log the look into each of a year's partitions.
    """
    columns = [list(column) for column in zip(*stretches, strict=True)]
    rows = await connection.fetch(_RECENT_DAYS, *columns, since)
    if len(rows) != sum(stretch.high - stretch.low for stretch in stretches):
        rows = await connection.fetch(_ALL_DAYS, *columns)
    found: dict[int, list[tuple[int, bytes]]] = {}
    for lane, position, leaf in rows:
        found.setdefault(lane, []).append((position, leaf))
    return {lane: sorted(events) for lane, events in found.items()}


async def read_last_seal(connection: "Connection") -> Tip:
    """Give the number and hash of the latest seal."""
    row = await connection.fetchrow(
        "SELECT number, hash FROM proof.seal WHERE tenant_id = $1 ORDER BY number DESC LIMIT 1", PLATFORM
    )
    return Tip(row["number"], row["hash"]) if row is not None else START


async def append(connection: "Connection", signed: SignedSeal, closed: Sequence[ClosedBlock]) -> None:
    """Store a seal with its blocks, in one commit; asyncpg.UniqueViolationError if somebody else was first."""
    seal, blocks = signed.seal, [each.block for each in closed]
    entries = pack_entries([entry_of(block) for block in blocks])
    async with connection.transaction():
        await connection.execute(
            _ADD_SEAL,
            *(seal.number, PLATFORM, seal.blocks, seal.events, time_of(seal.sealed_at), seal.root, seal.previous),
            *(seal.key_id, seal.hash, signed.signature, entries),
        )
        rows = [
            (b.tenant_id, b.lane, b.number, b.first_position, b.last_position, b.root, b.previous, b.hash, each.leaves)
            for b, each in zip(blocks, closed, strict=True)
        ]
        await connection.execute(_ADD_BLOCKS, *_turned(rows), seal.number)
        last = {block.lane: (block.tenant_id, block.lane, block.last_position) for block in blocks}
        await connection.execute(_MOVE_TIPS, *_turned(sorted(last.values())))


async def correct_tips(connection: "Connection", tips: Iterable[tuple[int, int, int]]) -> None:
    """Put right how far lanes are said to be sealed: tenant, lane, position."""
    await connection.execute(_MOVE_TIPS, *_turned(sorted(tips)))


async def put_public_key(connection: "Connection", key_id: str, public_key: bytes) -> None:
    """Keep the public half of a key that signs."""
    await connection.execute(
        "INSERT INTO proof.public_key (key_id, tenant_id, public_key) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        key_id,
        PLATFORM,
        public_key,
    )


async def read_public_keys(connection: "Connection | asyncpg.Pool[asyncpg.Record]") -> list["asyncpg.Record"]:
    """Give key_id, public_key and added_at of every key that has signed, the latest first."""
    return await connection.fetch(
        "SELECT key_id, public_key, added_at FROM proof.public_key WHERE tenant_id = $1 ORDER BY added_at DESC, key_id",
        PLATFORM,
    )


class EventRow(NamedTuple):
    """An event as it is stored, and its hash."""

    record: EventRecord
    leaf: bytes | None
    """None if a column holds what it cannot hold."""


async def read_events(
    connection: "Connection", tenant_id: int, lane: int, after: int, *, up_to: int, limit: int
) -> list[EventRow]:
    """Give the events of a lane above a position, in order, hashed here from all of their columns."""
    return [_event(row) for row in await connection.fetch(_PAGE, tenant_id, lane, after, up_to, limit)]


async def find_event(
    connection: "Connection", event_id: str, day: dt.date, tenant_ids: Sequence[int] | None
) -> EventRow | None:
    """Give an event of these tenants, None being all."""
    row = await connection.fetchrow(_EVENT, event_id, day, tenant_ids)
    return _event(row) if row is not None else None


async def read_blocks(
    connection: "Connection", tenant_id: int, lane: int, after_number: int, limit: int
) -> list[StoredBlock]:
    """Give the blocks of a lane in the order of their numbers."""
    rows = await connection.fetch(
        f"SELECT {_BLOCK}, b.hash, b.leaves FROM proof.block AS b"  # noqa: S608  # constants of this module
        " WHERE b.tenant_id = $1 AND b.lane = $2 AND b.number > $3 ORDER BY b.number LIMIT $4",
        tenant_id,
        lane,
        after_number,
        limit,
    )
    return [StoredBlock(_block(row), row["hash"], row["leaves"]) for row in rows]


async def read_tip_before(connection: "Connection", tenant_id: int, lane: int, position: int) -> Tip:
    """Give the last block of a lane that ends at or before a position."""
    row = await connection.fetchrow(
        "SELECT number, hash, last_position FROM proof.block"
        " WHERE tenant_id = $1 AND lane = $2 AND last_position <= $3 ORDER BY last_position DESC LIMIT 1",
        tenant_id,
        lane,
        position,
    )
    return Tip(*row) if row is not None else START


async def read_block_of(connection: "Connection", tenant_id: int, lane: int, position: int) -> PlacedBlock | None:
    """Give the block that an event is in."""
    row = await connection.fetchrow(
        f"SELECT {_BLOCK}, b.hash, b.leaves, b.seal, b.place FROM proof.block AS b"  # noqa: S608  # constants
        " WHERE b.tenant_id = $1 AND b.lane = $2 AND b.last_position >= $3 ORDER BY b.last_position LIMIT 1",
        tenant_id,
        lane,
        position,
    )
    if row is None:
        return None
    return PlacedBlock(StoredBlock(_block(row), row["hash"], row["leaves"]), row["seal"], row["place"])


async def read_seals(connection: "Connection", after: int, limit: int) -> list[StoredSeal]:
    """Give seals in the order of their numbers."""
    rows = await connection.fetch(
        f"SELECT {_SEAL} FROM proof.seal AS s WHERE s.tenant_id = $1 AND s.number > $2 ORDER BY s.number LIMIT $3",  # noqa: S608  # constants
        PLATFORM,
        after,
        limit,
    )
    return [_seal(row) for row in rows]


async def read_claimed(connection: "Connection", first: int, last: int) -> list[ClaimedBlock]:
    """Give the blocks that say that they are in these seals."""
    rows = await connection.fetch(
        f"SELECT {_BLOCK}, b.seal, b.place FROM proof.block AS b WHERE b.seal BETWEEN $1 AND $2"  # noqa: S608  # constants
        " ORDER BY b.seal, b.place",
        first,
        last,
    )
    return [ClaimedBlock(row["seal"], row["place"], _block(row)) for row in rows]


async def read_orphans(connection: "Connection", limit: int) -> list[ClaimedBlock]:
    """Give blocks that are in no seal that is there."""
    rows = await connection.fetch(
        f"SELECT {_BLOCK}, b.seal, b.place FROM proof.block AS b"  # noqa: S608  # constants of this module
        " WHERE NOT EXISTS (SELECT FROM proof.seal AS s WHERE s.number = b.seal AND s.tenant_id = $1)"
        " ORDER BY b.tenant_id, b.lane, b.number LIMIT $2",
        PLATFORM,
        limit,
    )
    return [ClaimedBlock(row["seal"], row["place"], _block(row)) for row in rows]


def _turned(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]


def _block(row: "asyncpg.Record") -> Block:
    return Block(
        tenant_id=row["tenant_id"],
        lane=row["lane"],
        number=row["number"],
        first_position=row["first_position"],
        last_position=row["last_position"],
        root=row["root"],
        previous=row["previous"],
    )


def _seal(row: "asyncpg.Record") -> StoredSeal:
    (number, blocks, events, sealed_at, root, previous, key_id, hash_, signature, entries) = row.values()
    seal = Seal(
        number=number,
        blocks=blocks,
        events=events,
        sealed_at=_micros(sealed_at),
        root=root,
        previous=previous,
        key_id=key_id,
    )
    return StoredSeal(SignedSeal(seal, signature), hash_, entries)


def _event(row: "asyncpg.Record") -> EventRow:
    (tenant_id, lane, position, event_id, type_, data, actor, correlation_id, causation_id, recorded_at, day, digest,
     account_ids, posted, held) = row.values()  # fmt: skip
    # A list that a hand has put a NULL or a list into has no place here: it is shown as an empty one, without a hash.
    whole = all(type(each) is int for each in (*posted, *held)) and not any(
        each is None or isinstance(each, list) for each in account_ids
    )
    record = EventRecord(
        tenant_id,
        lane,
        position,
        event_id.bytes,
        type_,
        data,
        actor,
        correlation_id.bytes,
        causation_id.bytes,
        _micros(recorded_at),
        int.from_bytes(day, "big", signed=True) + EPOCH_DAYS,
        digest,
        [account.bytes for account in account_ids] if whole else (),
        posted if whole else (),
        held if whole else (),
    )
    try:
        return EventRow(record, event_hash(record) if whole else None)
    except struct.error:
        return EventRow(record, None)


def time_of(micros: int) -> dt.datetime:
    """Give a time of microseconds since 1970; OverflowError for one that no calendar has."""
    return _EPOCH + dt.timedelta(microseconds=micros)


def micros_of(time: dt.datetime) -> int:
    """Give the microseconds since 1970."""
    return (time - _EPOCH) // _MICROSECOND


def _micros(sent: bytes) -> int:
    return int.from_bytes(sent, "big", signed=True) + EPOCH_MICROSECONDS
