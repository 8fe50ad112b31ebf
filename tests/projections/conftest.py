from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import asyncpg
import pytest

from app.projections import PROJECTIONS
from projections.runner import ensure
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    from projections.folder import Pool


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=8) as pool:
        await ensure(pool, PROJECTIONS)
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def workload(writer: Connection) -> Workload:
    """Three tenants with credit, and nothing spent yet."""
    made = Workload(seed=20260101)
    await made.begin(writer)
    return made
