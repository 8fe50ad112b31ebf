"""Brings a database to the schema of this code: numbered SQL files, each applied once, in order, whole or not at all.

A file is sent statement by statement: Citus refuses several utility statements in one string. Its number, name and
checksum are kept in the table schema_migration, so that a database of newer code, or a file that was changed after it
had been applied, is refused before anything is touched.
"""

import asyncio
import contextlib
import hashlib
import importlib.resources
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from importlib.resources.abc import Traversable
from itertools import pairwise
from typing import TypeAlias

import asyncpg
import msgspec
import structlog

from adapters.postgres.errors import AWAY, SchemaError, UnreachableError
from adapters.postgres.row_security import prepare

VERSION_MIN = 15

_LOCK_KEY = 0x7A11_96A7_E5C4_E3A0  # Any number that no other program takes.
_LOCK_TIMEOUT_SECONDS = 15
_CONNECT_TIMEOUT_SECONDS = 10
_FILE_NAME = re.compile(r"(\d{4})_(\w+)\.sql")

_CREATE_TABLE = """
CREATE TABLE IF NOT EXISTS schema_migration (
    number integer PRIMARY KEY,
    name text NOT NULL,
    sha256 text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""

_log = structlog.get_logger(__name__)

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


class Migration(msgspec.Struct, frozen=True):
    """One file: its number and name, its statements in order, the checksum of its bytes."""

    number: int
    name: str
    sha256: str
    statements: tuple[str, ...]

    @property
    def title(self) -> str:
        """The file's name without its ending."""
        return f"{self.number:04d}_{self.name}"


async def migrate(dsn: str, folder: Traversable | None = None) -> list[str]:
    """Apply what is missing and give its titles; nothing to do gives an empty list.

    Several callers may race: one works, the others wait for it. Raises SchemaError.
    """
    migrations = await asyncio.to_thread(read_migrations, folder)
    async with _connected(dsn) as connection:
        await _refuse_old_server(connection)
        async with _locked(connection):
            pending = _pending(migrations, await _applied(connection))
            if pending:
                await connection.execute(_CREATE_TABLE)
            for migration in pending:
                await _apply(connection, migration)
            if folder is None:
                await prepare(connection)
    return [migration.title for migration in pending]


async def check(dsn: str, folder: Traversable | None = None) -> None:
    """Raise SchemaError unless the database is exactly at the schema of this code; changes nothing."""
    pending = await find_pending(dsn, folder)
    if pending:
        raise SchemaError(f"the database lacks {', '.join(pending)}: run `tallygate migrate`")


async def find_pending(dsn: str, folder: Traversable | None = None) -> list[str]:
    """Give the titles that `migrate` would apply; changes nothing. Raises SchemaError as `migrate` does."""
    migrations = await asyncio.to_thread(read_migrations, folder)
    async with _connected(dsn) as connection:
        await _refuse_old_server(connection)
        pending = _pending(migrations, await _applied(connection))
    return [migration.title for migration in pending]


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """Give the migrations of a folder, by default the package's own, in their order."""
    found = []
    for file in (folder or importlib.resources.files("migrations")).iterdir():
        if not file.name.endswith(".sql"):
            continue
        match = _FILE_NAME.fullmatch(file.name)
        if match is None:
            raise SchemaError(f"{file.name} is not named NNNN_name.sql")
        content = file.read_bytes()
        statements = tuple(split_statements(content.decode()))
        found.append(Migration(int(match[1]), match[2], hashlib.sha256(content).hexdigest(), statements))
    found.sort(key=lambda migration: migration.number)
    for one, next_one in pairwise(found):
        if one.number == next_one.number:
            raise SchemaError(f"{one.title} and {next_one.title} have the same number")
    return found


_TOKEN = re.compile(
    r"""
      (?P<line_comment> --[^\n]* )
    | (?P<block_comment> /\* )
    | (?P<escape_string> \b[eE]'(?:[^'\\]|\\.|'')*' )
    | (?P<string> '(?:[^']|'')*' )
    | (?P<identifier> "(?:[^"]|"")*" )
    | (?P<dollar> (?<![\w$])\$(?P<tag>[^\W\d]\w*)?\$ )
    | (?P<begin_atomic> \bbegin\s+atomic\b )
    | (?P<semicolon> ; )
    """,
    re.VERBOSE | re.DOTALL | re.IGNORECASE,
)


def split_statements(sql: str) -> Iterator[str]:
    """Give the statements of a script, without what lies between them, semicolons inside of quotes left alone.

    Raises SchemaError for what has no end, and for BEGIN ATOMIC, whose end only a full parser finds.
    """
    start, position, has_text = 0, 0, False
    while (match := _TOKEN.search(sql, position)) is not None:
        has_text = has_text or bool(sql[position : match.start()].strip())
        position = match.end()
        match match.lastgroup:
            case "semicolon":
                if has_text:
                    yield sql[start : match.start()].strip()
                start, has_text = position, False
            case "line_comment":
                pass
            case "block_comment":
                position = _end_of_block_comment(sql, match.start())
            case "begin_atomic":
                raise SchemaError("a function body in BEGIN ATOMIC cannot be split: quote it with dollars")
            case "dollar" | "tag":
                position = _end_of_dollar_quote(sql, match)
                has_text = True
            case _:
                has_text = True
    if has_text or sql[position:].strip():
        yield sql[start:].strip()


def _end_of_dollar_quote(sql: str, opening: re.Match[str]) -> int:
    quote = opening["dollar"]
    end = sql.find(quote, opening.end())
    if end < 0:
        raise SchemaError(f"a quote that begins with {quote} has no end")
    return end + len(quote)


def _end_of_block_comment(sql: str, start: int) -> int:
    """Give the position after a block comment; in SQL they nest."""
    depth = 0
    for match in re.compile(r"/\*|\*/").finditer(sql, start):
        depth += 1 if match[0] == "/*" else -1
        if depth == 0:
            return match.end()
    raise SchemaError("a comment that begins with /* has no end")


@contextlib.asynccontextmanager
async def _connected(dsn: str) -> AsyncIterator[Connection]:
    try:
        connection = await asyncpg.connect(dsn, timeout=_CONNECT_TIMEOUT_SECONDS)
    except (*AWAY, ValueError) as error:
        reason = str(error) or type(error).__name__
        raise UnreachableError(f"cannot connect to the database: {reason}") from error
    try:
        yield connection
    finally:
        await connection.close(timeout=_CONNECT_TIMEOUT_SECONDS)


@contextlib.asynccontextmanager
async def _locked(connection: Connection) -> AsyncIterator[None]:
    """Hold the one lock of all migrators; it ends with the connection, too."""
    await connection.execute(f"SET lock_timeout = '{_LOCK_TIMEOUT_SECONDS}s'")
    try:
        await connection.execute("SELECT pg_advisory_lock($1)", _LOCK_KEY)
    except asyncpg.LockNotAvailableError as error:
        raise SchemaError("another migration is running: try again when it is done") from error
    try:
        yield
    finally:
        await connection.execute("SELECT pg_advisory_unlock($1)", _LOCK_KEY)


async def _refuse_old_server(connection: Connection) -> None:
    number = int(await connection.fetchval("SHOW server_version_num"))
    if number < VERSION_MIN * 10_000:
        raise SchemaError(f"the database is PostgreSQL {number // 10_000}: {VERSION_MIN} or newer is needed")


async def _applied(connection: Connection) -> Sequence[asyncpg.Record]:
    if await connection.fetchval("SELECT to_regclass('schema_migration')") is None:
        return []
    return await connection.fetch("SELECT number, name, sha256 FROM schema_migration ORDER BY number")


def _pending(migrations: Sequence[Migration], applied: Sequence[asyncpg.Record]) -> list[Migration]:
    """Give what has not been applied; refuse a database that this code does not know."""
    known = {migration.number: migration for migration in migrations}
    for row in applied:
        title = f"{row['number']:04d}_{row['name']}"
        migration = known.pop(row["number"], None)
        if migration is None or migration.name != row["name"]:
            raise SchemaError(
                f"the database has {title}, which this version does not know: run the newer Tallygate that made it"
            )
        if migration.sha256 != row["sha256"]:
            raise SchemaError(f"{title}.sql is not what was applied to the database: restore the file")
    return sorted(known.values(), key=lambda migration: migration.number)


async def _apply(connection: Connection, migration: Migration) -> None:
    try:
        async with connection.transaction():
            for statement in migration.statements:
                await connection.execute(statement)
            await connection.execute(
                "INSERT INTO schema_migration (number, name, sha256) VALUES ($1, $2, $3)",
                migration.number,
                migration.name,
                migration.sha256,
            )
    except asyncpg.LockNotAvailableError as error:
        raise SchemaError(
            f"{migration.title} waited more than {_LOCK_TIMEOUT_SECONDS} s for a table that is in use: try again"
        ) from error
    except asyncpg.PostgresError as error:
        raise SchemaError(f"{migration.title} failed and was undone: {error}") from error
    _log.info("migrated", migration=migration.title)
