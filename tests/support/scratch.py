"""Scratch databases for verifications in tests: on the tests' server, which is up already."""

import contextlib
from collections.abc import AsyncIterator

from app.verification.projections import Scratch
from tests.support.postgres import create_database, drop_database


def scratch_on(postgres_dsn: str, template_database: str) -> Scratch:
    """Give what makes a database of the current schema on a server."""

    @contextlib.asynccontextmanager
    async def scratch() -> AsyncIterator[str]:
        dsn = await create_database(postgres_dsn, template=template_database)
        try:
            yield dsn
        finally:
            await drop_database(dsn)

    return scratch
