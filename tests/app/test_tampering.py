"""Sealed history, changed by somebody who may do everything to the database: each change is found, where it was made.

The untampered copy passes first, in every test: a check that always complains would prove nothing.
"""

import asyncio
import datetime as dt
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import pytest

from adapters.postgres import seals
from adapters.seal_keys import SealKeys
from app.sealer import Sealer
from app.verify import Options, Verification, verify
from domain.ids import TenantId
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    from domain.verification import Finding

    Pool = asyncpg.Pool[asyncpg.Record]


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    """Somebody who can do everything to the database, and has switched the triggers off."""
    connection = await asyncpg.connect(database)
    for table in ("ledger.event", "proof.block", "proof.seal", "proof.public_key"):
        trigger = f"{table.partition('.')[2]}_append_only"
        await connection.execute(f"ALTER TABLE {table} DISABLE TRIGGER {trigger}")
    yield connection
    await connection.close()


@pytest.fixture
def keys(tmp_path: Path) -> SealKeys:
    return SealKeys.open(tmp_path / "seal.key")


class Books:
    """A sealed history, and its verification."""

    def __init__(self, pool: "Pool", keys: SealKeys, workload: Workload) -> None:
        self.pool = pool
        self.keys = keys
        self.workload = workload
        self.tenant_id = workload.customers[0].tenant_id
        self.other_id = workload.customers[1].tenant_id
        self.heads: dict[int, str] = {}

    async def verify(self, heads: dict[int, str] | None = None) -> Verification:
        return await verify(self.pool, (), options=Options(trusted_keys=self.keys.public_keys, anchors=heads or {}))

    async def seal_findings(self, heads: dict[int, str] | None = None) -> "list[Finding]":
        result = await self.verify(heads)
        return [finding for finding in result.findings if finding.check == "seal"]

    async def assert_found(self, position: int, tenant_id: TenantId | None = None) -> "Finding":
        """The first finding of the seals is in this lane, at this position."""
        lane = tenant_id or self.tenant_id
        found = [finding for finding in await self.seal_findings() if finding.lane == lane]
        assert found, "not found"
        assert (found[0].tenant_id, found[0].lane, found[0].position) == (lane, lane, position), found[:3]
        return found[0]


@pytest.fixture
async def books(pool: "Pool", writer: Connection, keys: SealKeys) -> Books:
    workload = Workload(seed=5)
    await workload.begin(writer)
    sealer = Sealer(pool, lambda: keys, round_events=70)
    for _ in range(3):
        await workload.run(writer, 12)
        await sealer.seal_all()
    made = Books(pool, keys, workload)
    rows = await writer.fetch("SELECT number, hash FROM proof.seal")
    made.heads = {row["number"]: row["hash"].hex() for row in rows}
    assert len(made.heads) > 5

    control = await made.verify(made.heads)
    assert control.findings == ()
    assert control.notes == ()
    assert control.events == control.sealed == workload.events
    assert control.seals == len(made.heads)
    return made


POSITION = 23


@pytest.mark.parametrize(
    "change",
    [
        "data = data || ' '",
        "data = set_byte(data, 20, get_byte(data, 20) # 1)",
        "actor = 'system:tess'",
        "type = 'hold.voided.v2'",
        "event_id = correlation_id, correlation_id = '01990000-0000-7000-8000-000000000000'",
        "causation_id = '01990000-0000-7000-8000-000000000000'",
        "recorded_at = recorded_at + interval '1 us'",
        "recorded_at = 'infinity'",
        "digest = digest # 1",
        "day = day + 1",
        "account_ids = account_ids[2:] || account_ids[1:1]",
        "posted = array_append(posted, 0::bigint)",
        "posted = array_append(posted, NULL)",
        "held = ARRAY[held, held]",
        "held = '{}'",
    ],
)
async def test_one_flipped_column_is_found_at_its_position(books: Books, writer: Connection, change: str) -> None:
    position = await writer.fetchval(
        "SELECT min(position) FROM ledger.event WHERE lane = $1 AND position >= $2 AND cardinality(account_ids) > 1",
        books.tenant_id,
        POSITION,
    )
    done = await writer.execute(
        f"UPDATE ledger.event SET {change} WHERE lane = $1 AND position = $2", books.tenant_id, position
    )
    assert done == "UPDATE 1"

    found = await books.assert_found(position)
    assert "not the one that was sealed" in found.message


async def test_a_deleted_event_is_found(books: Books, writer: Connection) -> None:
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = $2", books.tenant_id, POSITION)

    found = await books.assert_found(POSITION)
    assert "is not in the log" in found.message


async def test_a_deleted_event_is_found_when_the_gap_was_closed(books: Books, writer: Connection) -> None:
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = $2", books.tenant_id, POSITION)
    await writer.execute(
        "UPDATE ledger.event SET position = -position WHERE lane = $1 AND position > $2", books.tenant_id, POSITION
    )
    await writer.execute(
        "UPDATE ledger.event SET position = -position - 1 WHERE lane = $1 AND position < 0", books.tenant_id
    )
    await writer.execute("UPDATE ledger.lane SET head = head - 1 WHERE lane = $1", books.tenant_id)

    assert not [finding for finding in (await books.verify()).findings if finding.check == "positions"]
    await books.assert_found(POSITION)


async def test_an_inserted_event_is_found(books: Books, writer: Connection) -> None:
    for change in ("position = -position", "position = -position + 1"):
        await writer.execute(
            f"UPDATE ledger.event SET {change} WHERE lane = $1 AND (position >= $2 OR position < 0)",
            books.tenant_id,
            POSITION,
        )
    await writer.execute(
        "INSERT INTO ledger.event SELECT gen_random_uuid(), tenant_id, day, lane, position + 1,"
        " recorded_at + interval '1 us', correlation_id, causation_id, digest, type, actor, data,"
        " account_ids, posted, held FROM ledger.event WHERE lane = $1 AND position = $2",
        books.tenant_id,
        POSITION - 1,
    )
    await writer.execute("UPDATE ledger.lane SET head = head + 1 WHERE lane = $1", books.tenant_id)

    await books.assert_found(POSITION)


async def exchange(writer: Connection, columns: Sequence[str], one: tuple[int, int], other: tuple[int, int]) -> None:
    """Exchange columns of two events, each a lane and a position."""
    parts = ", ".join(columns)
    query = f"SELECT {parts} FROM ledger.event WHERE lane = $1 AND position = $2"
    values = [await writer.fetchrow(query, *where) for where in (one, other)]
    await writer.execute("UPDATE ledger.event SET position = -position WHERE lane = $1 AND position = $2", *one)
    sets = ", ".join(f"{column} = ${n}" for n, column in enumerate(columns, 3))
    update = f"UPDATE ledger.event SET {sets} WHERE lane = $1 AND position = $2"
    assert values[0] is not None
    assert values[1] is not None
    await writer.execute(update, *other, *values[0])
    await writer.execute(
        "UPDATE ledger.event SET position = -position WHERE lane = $1 AND position = $2", one[0], -one[1]
    )
    await writer.execute(update, *one, *values[1])


async def test_events_in_another_order_are_found(books: Books, writer: Connection) -> None:
    """Everything but position and record time changes places, so that order and time look right."""
    lane = books.tenant_id
    columns = ["type", "data", "actor", "correlation_id", "causation_id", "digest", "account_ids", "posted", "held"]
    await exchange(writer, columns, (lane, POSITION), (lane, POSITION + 4))

    assert not [f for f in (await books.verify()).findings if f.check in {"positions", "time"}]
    await books.assert_found(POSITION)
    positions = {finding.position for finding in await books.seal_findings()}
    assert positions == {POSITION, POSITION + 4}


async def test_bodies_swapped_between_tenants_are_found_in_both(books: Books, writer: Connection) -> None:
    await exchange(writer, ["data"], (books.tenant_id, POSITION), (books.other_id, POSITION + 2))

    await books.assert_found(POSITION)
    await books.assert_found(POSITION + 2, books.other_id)


async def cut_log(writer: Connection, lane: int, keep: int) -> None:
    """Cut the end of a lane off, and make its row agree."""
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position > $2", lane, keep)
    await writer.execute(
        "UPDATE ledger.lane SET head = $2,"
        " last_at = (SELECT recorded_at FROM ledger.event WHERE lane = $1 AND position = $2) WHERE lane.lane = $1",
        lane,
        keep,
    )


async def test_a_lane_that_was_cut_off_is_found(books: Books, writer: Connection) -> None:
    await cut_log(writer, books.tenant_id, POSITION)

    assert not [f for f in (await books.verify()).findings if f.check in {"positions", "time"}]
    found = await books.assert_found(POSITION + 1)
    assert "is not in the log" in found.message


async def test_a_lane_that_was_cut_off_with_its_blocks_is_found(books: Books, writer: Connection) -> None:
    """The seals remember which blocks they closed: those of the other lanes stand on them."""
    keep = await writer.fetchval(
        "SELECT last_position FROM proof.block WHERE lane = $1 ORDER BY number OFFSET 1 LIMIT 1", books.tenant_id
    )
    await cut_log(writer, books.tenant_id, keep)
    await writer.execute("DELETE FROM proof.block WHERE lane = $1 AND last_position > $2", books.tenant_id, keep)
    await writer.execute("UPDATE proof.tip SET position = $2 WHERE lane = $1", books.tenant_id, keep)

    found = await books.assert_found(keep + 1)
    assert "is missing" in found.message


async def test_a_whole_lane_that_is_gone_is_found(books: Books, writer: Connection) -> None:
    for table in ("ledger.event", "ledger.lane", "ledger.account", "ledger.hold", "proof.block", "proof.tip"):
        await writer.execute(f"DELETE FROM {table} WHERE lane = $1", books.tenant_id)

    await books.assert_found(1)


async def test_history_that_was_cut_off_everywhere_is_found_by_heads_that_were_published(
    books: Books, writer: Connection
) -> None:
    """Without a head that is kept elsewhere nothing can tell it from a history that ended there."""
    last = max(books.heads) - 2
    rows = await writer.fetch(
        "SELECT lane, min(first_position) AS first FROM proof.block WHERE seal > $1 GROUP BY 1", last
    )
    await writer.execute("DELETE FROM proof.block WHERE seal > $1", last)
    await writer.execute("DELETE FROM proof.seal WHERE number > $1", last)
    for row in rows:
        await cut_log(writer, row["lane"], row["first"] - 1)

    assert await books.seal_findings() == []
    (found,) = await books.seal_findings(books.heads)
    assert f"seal {last + 1} was published" in found.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("leaves = set_byte(leaves, 3, get_byte(leaves, 3) # 1)", "was changed"),
        ("leaves = substr(leaves, 33)", "was changed"),
        ("root = set_byte(root, 0, get_byte(root, 0) # 1)", "was changed"),
        ("hash = set_byte(hash, 0, get_byte(hash, 0) # 1)", "was changed"),
        ("previous = set_byte(previous, 0, get_byte(previous, 0) # 1)", "does not follow"),
        ("last_position = last_position - 1", "was changed"),
        ("seal = 99", "is in no seal"),
        ("place = place + 50", "is missing"),
    ],
)
async def test_a_block_that_was_changed_is_found(books: Books, writer: Connection, change: str, message: str) -> None:
    first = await writer.fetchval(
        "SELECT first_position FROM proof.block WHERE lane = $1 AND number = 2", books.tenant_id
    )
    await writer.execute(f"UPDATE proof.block SET {change} WHERE lane = $1 AND number = 2", books.tenant_id)

    await books.assert_found(first)
    assert [f for f in await books.seal_findings() if message in f.message and f.lane == books.tenant_id]


async def test_a_missing_block_is_found(books: Books, writer: Connection) -> None:
    first = await writer.fetchval(
        "DELETE FROM proof.block WHERE lane = $1 AND number = 2 RETURNING first_position", books.tenant_id
    )

    await books.assert_found(first)


async def test_a_block_that_was_made_to_fit_a_changed_event_is_found(books: Books, writer: Connection) -> None:
    """Whoever changes an event and makes all hashes of its lane anew still lacks the signature."""
    await writer.execute(
        "UPDATE ledger.event SET actor = 'system:forged' WHERE lane = $1 AND position = $2", books.tenant_id, POSITION
    )
    rows = await writer.fetch("SELECT * FROM proof.block WHERE lane = $1 ORDER BY number", books.tenant_id)
    covering = next(row for row in rows if row["last_position"] >= POSITION)
    await writer.execute("DELETE FROM proof.block WHERE lane = $1", books.tenant_id)
    await writer.execute("UPDATE proof.tip SET position = 0 WHERE lane = $1", books.tenant_id)
    await Sealer(books.pool, lambda: books.keys).seal_all()

    await books.assert_found(1)
    missing = [f.position for f in await books.seal_findings() if "is missing" in f.message]
    assert covering["first_position"] in missing


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("signature = set_byte(signature, 5, get_byte(signature, 5) # 1)", "does not have the signature"),
        ("sealed_at = sealed_at - interval '1 day'", "was changed"),
        ("key_id = '0123456789abcdef'", "not a trusted one"),
        ("entries = substr(entries, 65)", "was changed"),
        ("entries = substr(entries, 2)", "was changed"),
        ("previous = root", "does not follow"),
        ("number = 90", "are missing"),
    ],
)
async def test_a_seal_that_was_changed_is_found(books: Books, writer: Connection, change: str, message: str) -> None:
    assert await writer.execute(f"UPDATE proof.seal SET {change} WHERE number = 3") == "UPDATE 1"

    assert [finding for finding in await books.seal_findings() if message in finding.message]


async def test_a_missing_seal_is_found(books: Books, writer: Connection) -> None:
    for number in (2, max(books.heads)):
        first = await writer.fetchrow("SELECT * FROM proof.block WHERE seal = $1 ORDER BY place LIMIT 1", number)
        await writer.execute("DELETE FROM proof.seal WHERE number = $1", number)
        assert first is not None
        found = [f for f in await books.seal_findings() if f"seal {number} is missing" in f.message]
        assert (first["lane"], first["first_position"]) in {(f.lane, f.position) for f in found}


async def test_a_chain_that_somebody_signed_anew_is_found(books: Books, writer: Connection, tmp_path: Path) -> None:
    """Whoever owns the database can make a new chain, and name its key there; the key file knows better."""
    thief = SealKeys.open(tmp_path / "thief.key")
    await writer.execute("UPDATE ledger.event SET actor = 'x' WHERE lane = $1 AND position = 3", books.tenant_id)
    for table in ("block", "seal", "tip", "public_key"):
        await writer.execute(f"DELETE FROM proof.{table}")
    await Sealer(books.pool, lambda: thief).seal_all()

    assert {finding.check for finding in (await books.verify()).findings} == {"seal"}
    assert all(thief.key_id in finding.message for finding in await books.seal_findings())
    assert any(
        "not the one that was published" in finding.message for finding in await books.seal_findings(books.heads)
    )
    # Only who asks nobody but the database is deceived, and told so.
    deceived = await verify(books.pool, ())
    assert deceived.clean
    assert "that the database names" in deceived.notes[0]


async def test_seals_by_a_key_that_was_replaced_still_count(
    books: Books, writer: Connection, keys: SealKeys, tmp_path: Path
) -> None:
    newer = SealKeys.open(tmp_path / "newer.key")
    await books.workload.run(writer, 2)
    await Sealer(books.pool, lambda: newer).seal_all()

    both = Options(trusted_keys=keys.public_keys | newer.public_keys)
    assert (await verify(books.pool, (), options=both)).clean
    assert not (await books.verify()).clean


async def test_what_is_not_sealed_is_said(books: Books, writer: Connection) -> None:
    before = (await books.verify()).sealed
    await books.workload.run(writer, 2)
    fresh = await books.verify()
    assert fresh.clean
    assert (fresh.sealed, fresh.events, fresh.notes) == (before, books.workload.events, ())

    await writer.execute(
        "UPDATE ledger.event AS e SET recorded_at = recorded_at - interval '20 minutes'"
        " FROM proof.tip AS t WHERE t.lane = e.lane AND e.position > t.position"
    )
    assert any("are not sealed" in note for note in (await books.verify()).notes)


async def test_verifying_while_it_is_written_and_sealed_finds_nothing(books: Books, writer: Connection) -> None:
    sealer = Sealer(books.pool, lambda: books.keys, round_events=25)

    async def write_and_seal() -> None:
        for _ in range(12):
            await books.workload.run(writer, 2)
            await sealer.seal()

    working = asyncio.create_task(write_and_seal())
    results = [await books.verify(books.heads)]
    while not working.done():
        results.append(await books.verify(books.heads))
    await working
    results.append(await books.verify(books.heads))

    assert len(results) > 2
    assert [result.findings for result in results] == [()] * len(results)
    assert results[-1].sealed > results[0].sealed


async def test_a_day_far_back_is_sealed_and_verified(books: Books, writer: Connection) -> None:
    """A hold that ends long after its day lies in an old partition."""
    old = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=40)
    await writer.execute("SELECT ledger.create_days($1, 1)", old)
    await books.workload.run(writer, 2)
    head = await writer.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", books.tenant_id)
    await writer.execute(
        "UPDATE ledger.event SET day = $3 WHERE lane = $1 AND position = $2", books.tenant_id, head, old
    )
    await Sealer(books.pool, lambda: books.keys).seal_all()
    async with books.pool.acquire() as connection:
        tip = await seals.read_tip_before(connection, books.tenant_id, books.tenant_id, 2**40)

    assert tip.position == head
    assert (await books.verify()).findings == ()
