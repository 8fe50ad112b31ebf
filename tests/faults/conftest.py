"""Installations for fault tests; those that share one prove everything over all that has happened to it."""

from collections.abc import AsyncIterator

import pytest

from tests.faults.world import World, world
from tests.support.postgres import create_database, drop_database


@pytest.fixture(scope="module")
async def shared_world(postgres_dsn: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server on a database that outlives it, with an impatient idle time-out."""
    dsn = await create_database(postgres_dsn)
    settings = {"DATABASE_URL": dsn, "IDLE_TIMEOUT_SECONDS": "0.6", "HOLD_TIMEOUT_SECONDS": "3", "DRAIN_SECONDS": "1"}
    async with world(tmp_path_factory.mktemp("shared") / "data", settings) as made:
        yield made
    await drop_database(dsn)


@pytest.fixture(scope="module")
async def embedded_world(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[World]:
    """A server with a PostgreSQL of its own, that can be killed and stopped."""
    async with world(tmp_path_factory.mktemp("embedded") / "data", {"DRAIN_SECONDS": "3"}) as made:
        yield made
