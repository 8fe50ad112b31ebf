"""Compares each projection with what the log folds to, without writing a byte to the database that is verified.

The rows are copied, and the log is folded beside them, in a scratch database: an embedded PostgreSQL in a temporary
directory. What a projection reads of the log while it folds is read where the log is. So a role that may only read is
enough, a standby will do, and every projection is folded by its own code.
"""

import contextlib
import re
import tempfile
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import asyncpg

from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.migrate import migrate
from domain.ids import Lane, TenantId, first_lane
from domain.verification import Finding
from projections.base import Projection
from projections.checkpoints import TRANSIENT
from projections.generations import differences
from projections.pages import Reader, Stretch

if TYPE_CHECKING:
    from adapters.postgres.seals import Connection

FOLD_EVENTS: Final = 20_000

Scratch = Callable[[], AbstractAsyncContextManager[str]]
"""Gives the address of a database of this version's schema with nothing in it, for as long as it is needed."""
Report = Callable[[str, int, int], None]
"""Hears of a projection's name, and of how many events are folded, and how many there are."""

_OF_THE_LOG: Final = re.compile(r"\bledger\.\w")


class NotComparableError(Exception):
    """A projection cannot be folded apart from its database."""


class UnfoldableError(Exception):
    """An event cannot be folded."""

    def __init__(self, position: int, cause: Exception) -> None:
        """Name the event, and what the fold raised."""
        super().__init__(f"the event cannot be folded: {type(cause).__name__}: {cause}")
        self.position = position


@contextlib.asynccontextmanager
async def embedded_scratch() -> AsyncIterator[str]:
    """Give a database that is thrown away afterwards. Its start takes two seconds."""
    with tempfile.TemporaryDirectory(prefix="tallygate-verify-", ignore_cleanup_errors=True) as directory:
        data = Path(directory) / "data"
        async with EmbeddedPostgres(data, shared_buffers_mebibytes=64, durable=False) as server:
            await migrate(server.dsn)
            yield server.dsn


class _Split:
    """What a projection is given for its connection: its own tables are in the scratch database, the log is not."""

    def __init__(self, log: "Connection", scratch: "Connection", tables: Sequence[str]) -> None:
        self._log = log
        self._scratch = scratch
        self._tables = tables

    def __getattr__(self, name: str) -> Any:
        # Whatever names its table and no statement, such as a copy, can only be about the projection's own.
        return getattr(self._scratch, name)

    async def execute(self, query: str, *arguments: Any) -> str:
        return await self._of(query).execute(query, *arguments)

    async def fetch(self, query: str, *arguments: Any) -> list[asyncpg.Record]:
        return await self._of(query).fetch(query, *arguments)

    async def fetchrow(self, query: str, *arguments: Any) -> asyncpg.Record | None:
        return await self._of(query).fetchrow(query, *arguments)

    async def fetchval(self, query: str, *arguments: Any) -> Any:
        return await self._of(query).fetchval(query, *arguments)

    async def executemany(self, query: str, arguments: Any) -> None:
        await self._of(query).executemany(query, arguments)

    def _of(self, query: str) -> "Connection":
        if _OF_THE_LOG.search(query) is None:
            return self._scratch
        if any(table in query for table in self._tables):
            raise NotComparableError("one of its statements reads the log and its own rows at once")
        return self._log


class Comparison:
    """One projection under check."""

    def __init__(self, source: "Connection", scratch: "Connection", projection: Projection, report: Report) -> None:
        """Take where the rows and the log are, and where they may be copied and folded."""
        self._source = source
        self._scratch = scratch
        self._projection = projection
        self._report = report
        self._split: Any = _Split(source, scratch, projection.tables)
        self._reader = Reader(projection)

    async def run(self) -> tuple[list[Finding], list[str]]:
        """Give what is wrong, and what could not be compared."""
        name = self._projection.name
        transaction = self._scratch.transaction()
        await transaction.start()
        try:
            async with self._source.transaction(isolation="repeatable_read", readonly=True):
                generation = await self._source.fetchval(
                    "SELECT generation FROM projection.generation WHERE name = $1 AND version = $2 AND state = 'live'",
                    name,
                    self._projection.version,
                )
                if generation is None:
                    return [], [f"{name} is of another version, or was never filled: not compared"]
                checkpoints = await self._checkpoints(generation)
                for table in self._projection.tables:
                    await _copy(self._source, self._scratch, table, generation)
            return await self._compare(generation, checkpoints), []
        except NotComparableError as error:
            return [], [f"{name} was not compared: {error}"]
        finally:
            if not self._scratch.is_closed():
                await transaction.rollback()

    async def _checkpoints(self, generation: int) -> list[asyncpg.Record]:
        return await self._source.fetch(
            "SELECT c.tenant_id, c.lane, c.position, c.error, l.head FROM projection.position AS c"
            " LEFT JOIN ledger.lane AS l ON l.lane = c.lane AND l.tenant_id = c.tenant_id"
            " WHERE c.name = $1 AND c.generation = $2 ORDER BY c.lane",
            self._projection.name,
            generation,
        )

    async def _compare(self, generation: int, checkpoints: Sequence[asyncpg.Record]) -> list[Finding]:
        """Fold the log up to the checkpoints into a generation of its own, and compare the rows."""
        name = self._projection.name
        findings = []
        total, done = sum(row["position"] for row in checkpoints), 0
        for row in checkpoints:
            where = (row["tenant_id"], row["lane"])
            if row["error"] is not None:
                message = f"{name} is parked: {row['error']}"
                findings.append(Finding(*where, row["position"] + 1, "projection", message))
            if row["head"] is None or row["position"] > row["head"]:
                message = f"{name} is at {row['position']}, beyond the lane's head"
                findings.append(Finding(*where, row["position"], "projection", message))
                continue
            try:
                async for folded in self._fold(-generation, *where, row["position"]):
                    done += folded
                    self._report(name, done, max(total, 1))
            except UnfoldableError as error:
                findings.append(Finding(*where, error.position, "projection", f"{name}: {error}"))
                return findings
        positions = {row["tenant_id"]: row["position"] for row in checkpoints}
        for table, tenant_id, line in await differences(self._scratch, self._projection, generation, -generation):
            lane = first_lane(TenantId(tenant_id))
            message = f"{name}: a row of {table} is not what the log folds to: {line}"
            findings.append(Finding(tenant_id, lane, positions.get(tenant_id, 0), "projection", message))
        return findings

    async def _fold(self, generation: int, tenant_id: int, lane: int, until: int) -> AsyncIterator[int]:
        """Fold a lane from its beginning; gives how many events each page had. Raises UnfoldableError."""
        position, size = 0, FOLD_EVENTS
        while position < until:
            stretch = Stretch(TenantId(tenant_id), Lane(lane), position, min(until, position + size))
            try:
                await self._page(generation, stretch)
            except (*TRANSIENT, NotComparableError):
                raise
            except Exception as error:
                # Whatever was written into an event may keep it from being folded: halved, until it is known which.
                size = (stretch.high - position) // 2
                if size == 0:
                    raise UnfoldableError(stretch.high, error) from error
                continue
            yield stretch.high - position
            position = stretch.high

    async def _page(self, generation: int, stretch: Stretch) -> None:
        rows = await self._reader.rows(self._source, [stretch])
        async with self._scratch.transaction():
            events = self._reader.decode(rows)
            if events:
                await self._projection.apply(self._split, generation, events)


async def _copy(source: "Connection", scratch: "Connection", table: str, generation: int) -> None:
    """Copy the rows of a generation from one database to the other."""
    schema, _, name = table.partition(".")
    columns = [
        row["attname"]
        for row in await source.fetch(
            "SELECT attname FROM pg_catalog.pg_attribute WHERE attrelid = $1::regclass AND attnum > 0"
            " AND NOT attisdropped AND attgenerated = '' ORDER BY attnum",
            table,
        )
    ]
    quoted = ", ".join(f'"{column}"' for column in columns)
    query = f"SELECT {quoted} FROM {table} WHERE generation = {generation:d}"  # noqa: S608  # names from the catalog
    with tempfile.TemporaryFile() as file:
        await source.copy_from_query(query, output=file)
        file.seek(0)
        await scratch.copy_to_table(name, schema_name=schema, columns=columns, source=file)
