"""Heads go out: each at least once, in order, however targets and processes fail."""

import asyncio
import base64
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest

from adapters.seal_keys import SealKeys
from app.seal_heads import HeadFile, HistoryChangedError, Publisher, PublishError, Target, Webhook
from app.sealer import Sealer
from app.verification.seals import AnchorError, read_anchors
from domain.proof.checks import Head
from domain.proof.seals import Seal, SignedSeal, is_signed_by
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

URL = "https://notary.example/heads?token=very-secret"


class Notary:
    """A webhook's receiver that fails as it is told to."""

    def __init__(self) -> None:
        self.heads: list[Head] = []
        self.calls = 0
        self.answers: list[int | Exception] = []
        self.got: asyncio.Event = asyncio.Event()

    async def __call__(self, url: str, body: bytes) -> int:
        assert url == URL
        self.calls += 1
        self.got.set()
        answer = self.answers.pop(0) if self.answers else 204
        if isinstance(answer, Exception):
            raise answer
        if answer < 300:
            self.heads += [msgspec.convert(each, Head) for each in msgspec.json.decode(body)["heads"]]
        return answer


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=4) as pool:
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
def keys(tmp_path: Path) -> SealKeys:
    return SealKeys.open(tmp_path / "seal.key")


@pytest.fixture
async def seal(pool: "Pool", writer: Connection, keys: SealKeys) -> Callable[[], object]:
    """What writes a little, and seals it."""
    workload = Workload(seed=2, customers=1)
    await workload.begin(writer)
    sealer = Sealer(pool, lambda: keys)

    async def once() -> int:
        await workload.run(writer, 1)
        return (await sealer.seal()).seal

    return once


Once = Callable[[], object]


async def sealed(seal: Once, times: int) -> int:
    number = 0
    for _ in range(times):
        number = await seal()  # type: ignore[misc]  # what the fixture gives
    return number


def lines(path: Path) -> list[Head]:
    return [msgspec.json.decode(line, type=Head) for line in path.read_bytes().splitlines()]


async def test_a_file_gets_every_head_from_the_first_look_on(
    pool: "Pool", seal: Once, keys: SealKeys, tmp_path: Path
) -> None:
    path = tmp_path / "anchors" / "heads.jsonl"
    publisher, target = Publisher(pool, []), HeadFile(path)
    assert await publisher.publish(target) == 0
    await sealed(seal, 3)
    assert await publisher.publish(target) == 1
    await sealed(seal, 2)
    assert await publisher.publish(target) == 2
    assert await publisher.publish(target) == 0

    heads = lines(path)
    assert [head.number for head in heads] == [3, 4, 5]
    assert heads[1].previous == heads[0].hash
    assert read_anchors(path) == {head.number: head.hash for head in heads}
    for head in heads:
        # A head can be checked by itself.
        rebuilt = Seal(
            number=head.number,
            blocks=head.blocks,
            events=head.events,
            sealed_at=head.sealed_at,
            root=bytes.fromhex(head.root),
            previous=bytes.fromhex(head.previous),
            key_id=head.key_id,
        )
        assert rebuilt.hash.hex() == head.hash
        assert is_signed_by(keys.public_key, SignedSeal(rebuilt, base64.b64decode(head.signature)))


async def test_a_line_that_was_cut_off_is_left_and_written_again(pool: "Pool", seal: Once, tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    publisher, target = Publisher(pool, []), HeadFile(path)
    await sealed(seal, 1)
    await publisher.publish(target)
    await sealed(seal, 1)
    await publisher.publish(target)
    whole = path.read_bytes()
    path.write_bytes(whole[:-30])

    assert await publisher.publish(target) == 1
    assert path.read_bytes().splitlines()[2] == whole.splitlines()[1]
    assert sorted(read_anchors(path)) == [1, 2]


async def test_workers_of_a_node_share_the_file(pool: "Pool", seal: Once, tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    await sealed(seal, 1)
    await Publisher(pool, []).publish(HeadFile(path))
    await sealed(seal, 3)
    await asyncio.gather(*(Publisher(pool, []).publish(HeadFile(path)) for _ in range(4)))

    assert [head.number for head in lines(path)] == [1, 2, 3, 4]


async def test_a_webhook_gets_every_head_and_again_what_it_refused(pool: "Pool", seal: Once) -> None:
    notary = Notary()
    publisher, target = Publisher(pool, []), Webhook(URL, notary)
    await sealed(seal, 1)
    await publisher.publish(target)
    await sealed(seal, 2)
    for failure in (500, OSError("away"), 302):
        notary.answers = [failure]
        with pytest.raises((OSError, PublishError)) as error:
            await publisher.publish(target)
        assert "secret" not in str(error.value)
    await publisher.publish(target)

    assert [head.number for head in notary.heads] == [1, 2, 3]
    rows = await pool.fetch("SELECT target, number FROM proof.publication")
    assert [row["number"] for row in rows] == [3]
    assert "secret" not in rows[0]["target"]


async def test_a_head_is_sent_again_when_a_crash_forgot_that_it_was_sent(pool: "Pool", seal: Once) -> None:
    notary = Notary()
    publisher, target = Publisher(pool, []), Webhook(URL, notary)
    await sealed(seal, 1)
    await publisher.publish(target)
    await sealed(seal, 1)
    await pool.execute("CREATE RULE crash AS ON UPDATE TO proof.publication DO INSTEAD SELECT 1 / 0")
    with pytest.raises(asyncpg.PostgresError):
        await publisher.publish(target)
    await pool.execute("DROP RULE crash ON proof.publication")
    await publisher.publish(target)

    assert [head.number for head in notary.heads] == [1, 2, 2]


async def test_a_webhook_that_is_down_does_not_keep_sealing_waiting(pool: "Pool", seal: Once, tmp_path: Path) -> None:
    notary = Notary()
    notary.answers = [OSError("away")] * 6
    path = tmp_path / "heads.jsonl"
    targets: list[Target] = [HeadFile(path), Webhook(URL, notary)]
    publisher = Publisher(pool, targets, poll_seconds=0.05, backoff_seconds=(0.01, 0.02))
    await sealed(seal, 1)
    await publisher.start()
    async with asyncio.timeout(20):
        while await sealed(seal, 1) < 4:
            publisher.notice()
        while not notary.heads or notary.heads[-1].number < 4:
            notary.got.clear()
            await notary.got.wait()
    await publisher.stop()
    await publisher.publish(targets[0])

    assert notary.calls > 6
    assert lines(path)[-1].number == 4
    numbers = [head.number for head in notary.heads]
    assert numbers == list(range(numbers[0], 5))


async def test_nothing_more_is_published_when_history_is_another_one(
    pool: "Pool", writer: Connection, seal: Once, tmp_path: Path
) -> None:
    path = tmp_path / "heads.jsonl"
    publisher, target = Publisher(pool, []), HeadFile(path)
    await sealed(seal, 1)
    await publisher.publish(target)
    await sealed(seal, 1)
    await publisher.publish(target)
    before = path.read_bytes()
    await writer.execute("ALTER TABLE proof.seal DISABLE TRIGGER ALL")
    await writer.execute("UPDATE proof.seal SET hash = root WHERE number = 2")
    with pytest.raises(HistoryChangedError, match="another seal 2"):
        await publisher.publish(target)
    await writer.execute("DELETE FROM proof.seal WHERE number = 2")
    with pytest.raises(HistoryChangedError, match="cut off"):
        await publisher.publish(target)

    assert path.read_bytes() == before


def test_files_of_heads_that_cannot_be_used_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "heads.jsonl"
    with pytest.raises(AnchorError, match="cannot be read"):
        read_anchors(path)
    path.write_text("nonsense\n\n{}\n")
    with pytest.raises(AnchorError, match="no published head"):
        read_anchors(path)
    head = Head(number=1, hash="aa", previous="", root="", blocks=1, events=1, sealed_at=0, key_id="", signature="")
    other = msgspec.structs.replace(head, hash="bb")
    path.write_bytes(b"\n".join(msgspec.json.encode(each) for each in (head, head, other)))
    with pytest.raises(AnchorError, match="line 3"):
        read_anchors(path)
