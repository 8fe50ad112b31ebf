"""The sealer: everything is sealed once, in order, whatever cuts in."""

import asyncio
import contextlib
import datetime as dt
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from adapters.postgres import seals
from adapters.seal_keys import SealKeyError, SealKeys, from_pem, rotate, to_pem
from app.sealer import KeyFile, Sealer
from domain.proof.seals import BLOCK_EVENTS_MAX
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=6) as pool:
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def history(writer: Connection) -> Workload:
    workload = Workload(seed=11)
    await workload.begin(writer)
    await workload.run(writer, 20)
    return workload


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    return KeyFile(tmp_path / "seal.key")


async def assert_sealed(connection: Connection) -> None:
    """Every position of every lane is in one block, and every block in one seal."""
    assert not await connection.fetch(
        "SELECT l.lane, l.head, coalesce(sum(b.last_position - b.first_position + 1), 0) FROM ledger.lane AS l"
        " LEFT JOIN proof.block AS b USING (lane, tenant_id) GROUP BY l.lane, l.head"
        " HAVING l.head <> coalesce(sum(b.last_position - b.first_position + 1), 0)"
        " OR l.head <> coalesce(max(b.last_position), 0)"
    )
    await assert_whole(connection)


async def assert_whole(connection: Connection) -> None:
    """No seal lacks a block, and no block a seal."""
    orphans = "SELECT number FROM proof.block WHERE seal NOT IN (SELECT number FROM proof.seal)"
    assert not await connection.fetch(orphans)
    assert not await connection.fetch(
        "SELECT s.number FROM proof.seal AS s LEFT JOIN proof.block AS b ON b.seal = s.number"
        " GROUP BY s.number, s.tenant_id"
        " HAVING s.blocks <> count(b.number) OR s.events <> sum(b.last_position - b.first_position + 1)"
    )
    numbers = [row["number"] for row in await connection.fetch("SELECT number FROM proof.seal ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))


async def test_a_history_is_sealed_in_one_round(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile
) -> None:
    done = await Sealer(pool, keys).seal()

    assert (done.seal, done.blocks, done.events, done.more) == (1, 4, history.events, False)
    await assert_sealed(writer)
    assert (await Sealer(pool, keys).seal()).seal == 0


async def test_the_database_hashes_events_as_we_do(pool: "Pool", history: Workload) -> None:
    async with pool.acquire() as connection:
        for lane in history.lanes:
            rows = await seals.read_events(connection, lane, lane, 0, up_to=10_000, limit=10_000)
            stretch = seals.Stretch(lane, lane, 0, len(rows))
            since = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
            hashes = await seals.read_hashes(connection, [stretch], since)
            assert [(row.record.position, row.leaf) for row in rows] == hashes[lane]


async def test_a_round_takes_what_it_may_and_the_next_goes_on(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile
) -> None:
    sealer = Sealer(pool, keys, round_events=50)
    first = await sealer.seal()

    assert first.more
    assert first.events <= 50
    assert first.events + await sealer.seal_all() == history.events
    await assert_sealed(writer)


async def test_long_stretches_are_cut_into_blocks(pool: "Pool", writer: Connection, keys: KeyFile) -> None:
    workload = Workload(seed=3, customers=1)
    await workload.begin(writer)
    customer = workload.customers[0]
    for _ in range(23):
        await workload.send(writer, [customer.grant(1000) for _ in range(100)])
    await Sealer(pool, keys).seal_all()

    await assert_sealed(writer)
    counts = [
        row["events"]
        for row in await writer.fetch(
            "SELECT last_position - first_position + 1 AS events FROM proof.block WHERE lane = $1 ORDER BY number",
            customer.tenant_id,
        )
    ]
    assert counts[:2] == [BLOCK_EVENTS_MAX, BLOCK_EVENTS_MAX]
    assert len(counts) == 3


async def test_a_round_that_is_cut_off_half_way_is_done_again(
    database: str, writer: Connection, history: Workload, keys: KeyFile
) -> None:
    """The connection is cut after each statement of a round in turn; what is there then is whole."""
    assert history.events

    async def round_that_ends_after(statements: int) -> None:
        left = statements

        async def watch(connection: Any) -> None:
            def cut(_query: object) -> None:
                nonlocal left
                left -= 1
                if left <= 0:
                    # As if the process were killed: nothing is said to the server any more.
                    connection.terminate()

            connection.add_query_logger(cut)

        pool = await asyncpg.create_pool(database, min_size=1, max_size=1, setup=watch)
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError, asyncpg.InternalClientError):
            await Sealer(pool, keys, round_events=100).seal()
        pool.terminate()

    cuts = 1
    while await writer.fetchval("SELECT sum(head) FROM ledger.lane") > await writer.fetchval(
        "SELECT coalesce(sum(events), 0) FROM proof.seal"
    ):
        await round_that_ends_after(cuts)
        await assert_whole(writer)
        cuts += 1
    assert cuts > 10
    await assert_sealed(writer)


async def test_two_sealers_at_once_seal_everything_once(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile
) -> None:
    assert history.events
    sealers = [Sealer(pool, keys, round_events=40) for _ in range(3)]

    async def work(sealer: Sealer) -> int:
        done = 0
        while await writing_or_waiting():
            done += (await sealer.seal()).events
        return done

    async def writing_or_waiting() -> bool:
        behind = await pool.fetchval(
            "SELECT sum(l.head - coalesce(t.position, 0)) FROM ledger.lane AS l LEFT JOIN proof.tip AS t USING (lane)"
        )
        return not writing.done() or behind > 0

    writing = asyncio.create_task(history.run(writer, 20))
    sealed = await asyncio.gather(*(work(sealer) for sealer in sealers))
    await writing

    assert sum(sealed) == history.events
    await assert_sealed(writer)


async def test_sealers_that_do_not_see_the_lock_do_no_harm(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As behind a pooler that hands a session's lock around: the keys of the tables decide."""
    assert history.events
    original = seals.append
    both = asyncio.Barrier(2)

    async def at_the_same_time(*arguments: object) -> None:
        await both.wait()
        await original(*arguments)  # type: ignore[arg-type]  # handed through

    monkeypatch.setattr(seals, "append", at_the_same_time)
    async with pool.acquire() as one, pool.acquire() as other:
        results = await asyncio.gather(
            *(Sealer(pool, keys)._round(connection) for connection in (one, other)), return_exceptions=True
        )

    assert sorted(type(result).__name__ for result in results) == ["Round", "UniqueViolationError"]
    await assert_sealed(writer)


async def test_writers_do_not_wait_for_a_round(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = seals.append
    wrote = 0

    async def in_the_middle(connection: "seals.Connection", *arguments: object) -> None:
        nonlocal wrote
        async with connection.transaction():
            await original(connection, *arguments)  # type: ignore[arg-type]  # handed through
            # The seal is written and not committed: everything is locked that a round ever locks.
            await writer.execute("SET lock_timeout = '1s'")
            before = history.events
            await history.run(writer, 2)
            await writer.fetchval("SELECT ledger.create_days(current_date + 20, 1)")
            wrote = history.events - before

    monkeypatch.setattr(seals, "append", in_the_middle)
    await Sealer(pool, keys).seal()

    assert wrote > 0


async def test_a_gap_stops_its_lane_before_it_and_no_other(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile
) -> None:
    tenant_id = history.customers[0].tenant_id
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    await writer.execute("DELETE FROM ledger.event WHERE lane = $1 AND position = 9", tenant_id)
    sealer = Sealer(pool, keys)
    await sealer.seal_all()

    tips = {row["lane"]: row["position"] for row in await writer.fetch("SELECT lane, position FROM proof.tip")}
    heads = {row["lane"]: row["head"] for row in await writer.fetch("SELECT lane, head FROM ledger.lane")}
    assert tips.pop(tenant_id) == 8
    assert heads.pop(tenant_id) > 8
    assert tips == heads
    assert (await sealer.seal()).seal == 0


@pytest.mark.parametrize("position", [0, 3, 1000])
async def test_what_is_noted_of_a_lane_cannot_mislead(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile, position: int
) -> None:
    sealer = Sealer(pool, keys)
    await sealer.seal_all()
    tenant_id = history.customers[0].tenant_id
    before = await writer.fetchval("SELECT head FROM ledger.lane WHERE lane = $1", tenant_id)
    await writer.execute(
        "UPDATE proof.tip SET position = least($2::bigint, $3) WHERE lane = $1", tenant_id, position, before
    )
    await history.run(writer, 3)
    await sealer.seal_all()

    await assert_sealed(writer)


async def test_it_seals_by_itself_what_has_waited_long_enough(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile
) -> None:
    assert history.events
    sealed = asyncio.Event()
    sealer = Sealer(pool, keys, age_seconds=0.05, on_seal=sealed.set)
    await sealer.start()
    async with asyncio.timeout(20):
        await sealed.wait()
    await sealer.stop()

    await assert_sealed(writer)


async def test_a_new_key_signs_from_the_next_seal_on(
    pool: "Pool", writer: Connection, history: Workload, tmp_path: Path
) -> None:
    keys = KeyFile(tmp_path / "seal.key")
    first = keys().key_id
    sealer = Sealer(pool, keys)
    await sealer.seal_all()
    rotated = rotate(tmp_path / "seal.key")
    await history.run(writer, 2)
    await sealer.seal_all()

    assert rotated.key_id != first
    assert [row["key_id"] for row in await writer.fetch("SELECT key_id FROM proof.seal ORDER BY number")] == [
        first,
        rotated.key_id,
    ]
    async with pool.acquire() as connection:
        known = {row["key_id"]: row["public_key"] for row in await seals.read_public_keys(connection)}
    assert known == rotated.public_keys
    assert from_pem("".join(to_pem(key) for key in known.values())) == known


async def test_history_cannot_be_changed_by_accident(
    pool: "Pool", writer: Connection, history: Workload, keys: KeyFile
) -> None:
    assert history.events
    await Sealer(pool, keys).seal_all()
    for table in ("block", "seal", "public_key"):
        for statement in (f"DELETE FROM proof.{table}", f"UPDATE proof.{table} SET tenant_id = tenant_id"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError, match="append-only"):
                await writer.execute(statement)


def test_the_key_file_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "seal.key"
    made = SealKeys.open(path)

    assert path.stat().st_mode & 0o777 == 0o600
    assert SealKeys.open(path).key_id == made.key_id
    assert made.public_keys == {made.key_id: made.public_key}
    secret = path.read_text().split()[2]
    assert secret not in repr(made)
    path.chmod(0o640)
    assert SealKeys.open(path).key_id == made.key_id
    path.chmod(0o644)
    with pytest.raises(SealKeyError, match="chmod 600"):
        SealKeys.open(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no key in it"),
        ("abc private !!!\n", "line 1"),
        ("abc private AAAA\n", "line 1"),
        ("abc secret AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "line 1"),
        ("abc private AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\n", "not the one of its id"),
    ],
)
def test_a_key_file_that_is_wrong_is_refused_without_a_word_of_its_secrets(
    tmp_path: Path, text: str, message: str
) -> None:
    path = tmp_path / "seal.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(SealKeyError, match=message) as refused:
        SealKeys.open(path)
    assert "AAAA" not in str(refused.value)


def test_a_key_file_without_a_private_key_cannot_sign(tmp_path: Path) -> None:
    path = tmp_path / "seal.key"
    SealKeys.open(path)
    rotate(path)
    lines = path.read_text().splitlines(keepends=True)
    assert [line.split()[1] for line in lines] == ["private", "public"]
    path.write_text(lines[1])
    with pytest.raises(SealKeyError, match="must be a private key"):
        SealKeys.open(path)


async def test_thousands_of_lanes_do_not_mean_thousands_of_statements(
    database: str, writer: Connection, keys: KeyFile
) -> None:
    await writer.execute("SELECT ledger.create_days(current_date - 1, 3)")
    await writer.execute(
        "INSERT INTO ledger.lane (tenant_id, lane, head) SELECT n, n, 2 FROM generate_series(1, 2500) AS n"
    )
    await writer.execute(
        "INSERT INTO ledger.event SELECT gen_random_uuid(), n, current_date, n, p, now() + p * interval '1 us',"
        " gen_random_uuid(), gen_random_uuid(), 0, 'test.v1', 'system:test', '{}', '{}', '{}', '{}'"
        " FROM generate_series(1, 2500) AS n, generate_series(1, 2) AS p"
    )
    statements: list[object] = []

    async def watch(connection: Any) -> None:
        connection.add_query_logger(statements.append)

    async with asyncpg.create_pool(database, min_size=1, max_size=1, setup=watch) as pool:
        assert await Sealer(pool, keys).seal_all() == 5000

    assert len(statements) < 50
    assert await writer.fetchval("SELECT count(*) FROM proof.seal") == 3
    await assert_sealed(writer)
