"""Servers and databases for tests."""

import asyncio
import contextlib
import os
import secrets
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from testcontainers.community.postgres import PostgresContainer

from adapters.postgres.embedded import EmbeddedPostgres

CONTAINER_IMAGE = "postgres:18-alpine"


@contextlib.asynccontextmanager
async def run_server(kind: str) -> AsyncIterator[str]:
    """Give the address of a server: "embedded", "container", or an address that is used as it is."""
    if kind == "embedded":
        with tempfile.TemporaryDirectory(prefix="tallygate-test-") as directory:
            server = EmbeddedPostgres(
                Path(directory) / "data",
                shared_buffers_mebibytes=64,
                parameters={"max_connections": "200"},
                durable=False,
            )
            async with server:
                yield server.dsn
    elif kind == "container":
        container = await asyncio.to_thread(_start_container)
        try:
            yield container.get_connection_url(driver=None)
        finally:
            await asyncio.to_thread(container.stop)
    elif kind.startswith(("postgresql://", "postgres://")):
        yield kind
    else:
        raise pytest.UsageError(f"--postgres={kind}: give embedded, container or postgresql://...")


def _start_container() -> PostgresContainer:
    # Ryuk, the reaper, is a second container from a second image: the fixture stops what it started by itself.
    os.environ.setdefault("TESTCONTAINERS_RYUK_DISABLED", "true")
    try:
        return PostgresContainer(CONTAINER_IMAGE).start()
    except Exception as error:
        raise pytest.UsageError(f"--postgres=container needs a Docker engine that works: {error}") from error


def with_database(dsn: str, database: str) -> str:
    """Give the address of another database on the same server."""
    return urlunsplit(urlsplit(dsn)._replace(path=f"/{database}", netloc=urlsplit(dsn).netloc))


async def create_database(dsn: str, *, template: str = "template1") -> str:
    """Make a database and give its address."""
    name = f"t_{secrets.token_hex(6)}"
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}"')
    finally:
        await connection.close()
    return with_database(dsn, name)


async def drop_database(dsn: str) -> None:
    """Drop the database that `dsn` names, whoever is still connected to it."""
    name = urlsplit(dsn).path.lstrip("/")
    connection = await asyncpg.connect(with_database(dsn, "postgres"))
    try:
        await connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    finally:
        await connection.close()
