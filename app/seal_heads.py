"""Publishes the heads of the sealed log: to a file, and to a webhook, so that somebody else can keep them.

A head that is kept where the owner of the database cannot reach it is what makes the chain prove something to others.
Sealing never waits for it: each target has its own checkpoint and its own pace, and gets every head at least once.
"""

import asyncio
import base64
import contextlib
import fcntl
import hashlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

import msgspec
import structlog

from adapters.outbound import Outbound
from adapters.postgres import seals
from adapters.postgres.errors import AWAY
from domain.errors import TallygateError
from domain.ids import PLATFORM
from domain.outbound import OutboundRules
from domain.proof.checks import Head, StoredSeal

if TYPE_CHECKING:
    import asyncpg

    from adapters.postgres.seals import Connection

    Pool = asyncpg.Pool[asyncpg.Record]

POLL_SECONDS: Final = 10.0
"""How soon the seals of other nodes are noticed."""
BACKOFF_SECONDS: Final = (1.0, 300.0)
"""The first pause after a failure, doubled with each, and the longest."""
HEADS_MAX: Final = 100
"""Heads of one delivery."""
_LOCK_CLASS: Final = 7_424
_TAIL_BYTES: Final = 64 * 1024

Post = Callable[[str, bytes], Awaitable[int]]
"""Sends a body of JSON to an address, and gives the status of the answer."""

_log = structlog.get_logger(__name__)


class PublishError(Exception):
    """A target did not take the heads; the message has no address, for that may hold a secret."""


class HistoryChangedError(PublishError):
    """What was published is not what the database has: nothing more is published before somebody has looked at it."""


class Published(NamedTuple):
    """The last head that a target has."""

    number: int
    hash: str | None
    """Where it is known."""


class Target(Protocol):
    """Somewhere that heads go."""

    name: str

    async def last(self, connection: "Connection") -> Published | None:
        """Give what it has; None if nothing was ever published there."""
        ...

    async def put(self, connection: "Connection", heads: Sequence[Head]) -> None:
        """Hand heads over, in order; PublishError or OSError if it does not take them."""
        ...


def head_of(stored: StoredSeal) -> Head:
    """Give a seal as it is published."""
    seal = stored.signed.seal
    return Head(
        number=seal.number,
        hash=stored.hash.hex(),
        previous=seal.previous.hex(),
        root=seal.root.hex(),
        blocks=seal.blocks,
        events=seal.events,
        sealed_at=seal.sealed_at,
        key_id=seal.key_id,
        signature=base64.b64encode(stored.signed.signature).decode(),
    )


class HeadFile:
    """A file of JSON lines that only grows. It is its own checkpoint; processes of a node share it."""

    name = "file"

    def __init__(self, path: Path) -> None:
        """Take where it is; it is made when the first head is put there."""
        self._path = path

    async def last(self, _connection: "Connection") -> Published | None:
        """Give the last whole line."""
        return await asyncio.to_thread(self._last)

    async def put(self, _connection: "Connection", heads: Sequence[Head]) -> None:
        """Append the heads that are not there yet, and wait until they are on the disk."""
        await asyncio.to_thread(self._put, heads)

    def _last(self) -> Published | None:
        try:
            with self._path.open("rb") as file:
                return _last_of(file.fileno())
        except FileNotFoundError:
            return None

    def _put(self, heads: Sequence[Head]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            # Another worker may have put the same heads there a moment ago.
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            there = _last_of(descriptor)
            lines = [msgspec.json.encode(head) + b"\n" for head in heads if there is None or head.number > there.number]
            if lines:
                # What a crash cut off stays as a line that says nothing: the file only grows.
                start = b"" if _ends_whole(descriptor) else b"\n"
                os.write(descriptor, start + b"".join(lines))
                os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _last_of(descriptor: int) -> Published | None:
    size = os.fstat(descriptor).st_size
    tail = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES))
    for line in reversed(tail.split(b"\n")[:-1]):
        with contextlib.suppress(msgspec.DecodeError):
            head = msgspec.json.decode(line, type=Head)
            return Published(head.number, head.hash)
    return None


def _ends_whole(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size == 0 or os.pread(descriptor, 1, size - 1) == b"\n"


class Webhook:
    """An address that heads are posted to, as `{"heads": [...]}`. Its checkpoint is in the database."""

    name = "webhook"

    def __init__(self, url: str, post: Post) -> None:
        """Take the address, and how to send: the guard of outbound calls."""
        self._url = url
        self._post = post
        # The address may hold a secret: it is known by its hash.
        self._target = f"webhook:{hashlib.sha256(url.encode()).hexdigest()[:32]}"

    async def last(self, connection: "Connection") -> Published | None:
        """Give the last head that was answered with a status of success."""
        number = await connection.fetchval(
            "SELECT number FROM proof.publication WHERE target = $1 AND tenant_id = $2", self._target, PLATFORM
        )
        return Published(number, None) if number is not None else None

    async def put(self, connection: "Connection", heads: Sequence[Head]) -> None:
        """Post the heads, then move the checkpoint: a crash in between posts them again."""
        status = await self._post(self._url, msgspec.json.encode({"heads": heads}))
        if not 200 <= status < 300:  # noqa: PLR2004 -- the statuses of success
            raise PublishError(f"answered with status {status}")
        await connection.execute(
            "INSERT INTO proof.publication (target, tenant_id, number) VALUES ($1, $2, $3)"
            " ON CONFLICT (target, tenant_id) DO UPDATE SET number = greatest(publication.number, excluded.number)",
            self._target,
            PLATFORM,
            heads[-1].number,
        )


class Publisher:
    """Brings the targets up to the latest seal, each in a task of its own; `notice` says that there is a new one."""

    def __init__(
        self,
        pool: "Pool",
        targets: Sequence[Target],
        *,
        poll_seconds: float = POLL_SECONDS,
        backoff_seconds: tuple[float, float] = BACKOFF_SECONDS,
    ) -> None:
        """Take the pool to read by, one connection per target at a time."""
        self._pool = pool
        self._targets = tuple(targets)
        self._poll_seconds = poll_seconds
        self._backoff_seconds = backoff_seconds
        self._woken = {target.name: asyncio.Event() for target in self._targets}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin."""
        self._tasks = [
            asyncio.create_task(self._run(target), name=f"seal-heads:{target.name}") for target in self._targets
        ]

    async def stop(self) -> None:
        """End; what was not delivered is delivered by the next start."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []

    def notice(self) -> None:
        """Say that there is a new seal."""
        for woken in self._woken.values():
            woken.set()

    async def publish(self, target: Target) -> int:
        """Bring one target up to the latest seal, and give how many heads it got.

        The first time it gets the latest head only: that one commits to all before. Raises PublishError, and what
        the target raises.
        """
        done = 0
        async with self._pool.acquire() as connection:
            key = int.from_bytes(hashlib.sha256(target.name.encode()).digest()[:4], "big", signed=True)
            if target.name != HeadFile.name and not await connection.fetchval(
                "SELECT pg_try_advisory_lock($1, $2)", _LOCK_CLASS, key
            ):
                return 0
            try:
                while heads := await self._next(connection, target):
                    await target.put(connection, heads)
                    done += len(heads)
            finally:
                if not connection.is_closed():
                    await connection.execute("SELECT pg_advisory_unlock_all()")
        return done

    async def _next(self, connection: "Connection", target: Target) -> list[Head]:
        last = await target.last(connection)
        latest = await seals.read_last_seal(connection)
        if last is None:
            after = max(0, latest.number - 1)
        elif last.number > latest.number:
            raise HistoryChangedError(
                f"has seal {last.number}, the database ends at {latest.number}: history was cut off"
            )
        else:
            await _compare(connection, last)
            after = last.number
        return [head_of(stored) for stored in await seals.read_seals(connection, after, HEADS_MAX)]

    async def _run(self, target: Target) -> None:
        shortest, longest = self._backoff_seconds
        pause = shortest
        while True:
            self._woken[target.name].clear()
            try:
                await self.publish(target)
            except (*AWAY, PublishError, TallygateError) as error:
                log = _log.error if isinstance(error, HistoryChangedError) else _log.warning
                log(
                    "seal_heads_delayed",
                    target=target.name,
                    error=str(error) or type(error).__name__,
                    retry_seconds=pause,
                )
                await asyncio.sleep(pause)
                pause = min(2 * pause, longest)
                continue
            pause = shortest
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._woken[target.name].wait(), self._poll_seconds)


@contextlib.asynccontextmanager
async def publishing(
    pool: "Pool", *, file: Path | None, url: str | None, rules: OutboundRules
) -> AsyncIterator[Publisher]:
    """Publish to what is named, for as long as the context lasts; the address is called only if the rules allow it."""
    async with contextlib.AsyncExitStack() as stack:
        targets: list[Target] = [HeadFile(file)] if file is not None else []
        if url is not None:
            outbound = await stack.enter_async_context(Outbound(rules))

            async def post(url: str, body: bytes) -> int:
                return await outbound.post(url, body, {"content-type": "application/json"})

            targets.append(Webhook(url, post))
        publisher = Publisher(pool, targets)
        await publisher.start()
        stack.push_async_callback(publisher.stop)
        yield publisher


async def _compare(connection: "Connection", last: Published) -> None:
    """Refuse to go on a file whose last head is not the database's: somebody must look at that first."""
    if last.number == 0 or last.hash is None:
        return
    found = await seals.read_seals(connection, last.number - 1, 1)
    if not found or found[0].signed.seal.number != last.number or found[0].hash.hex() != last.hash:
        raise HistoryChangedError(f"has another seal {last.number} than the database: run tallygate verify")
