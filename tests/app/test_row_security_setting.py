"""What the server does at its start where row-level security is not to be had."""

import contextlib

import asyncpg
import pytest
from structlog.testing import capture_logs

from adapters.postgres.errors import PostgresError
from adapters.postgres.row_security import TenantPool
from app import server
from app.settings import Settings

GAP = "there is no role tallygate_tenant: run CREATE ROLE"


async def _wall(dsn: str, setting: str) -> bool:
    """Say whether requests of tenants would be confined."""
    settings = Settings.load({"TALLYGATE_ROW_SECURITY": setting})
    async with contextlib.AsyncExitStack() as stack:
        pool = await stack.enter_async_context(asyncpg.create_pool(dsn, min_size=1, max_size=2))
        return isinstance(await server._wall(stack, settings, dsn, pool), TenantPool)


async def test_where_it_is_to_be_had_requests_are_confined_unless_it_is_off(database: str) -> None:
    assert await _wall(database, "auto") is True
    assert await _wall(database, "required") is True
    assert await _wall(database, "off") is False


async def test_where_it_is_not_the_server_says_so_or_refuses_to_start(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def find_gap(_pool: object) -> str:
        return GAP

    monkeypatch.setattr(server, "find_gap", find_gap)

    with capture_logs() as logs:
        confined = await _wall(database, "auto")
    with pytest.raises(PostgresError, match="TALLYGATE_ROW_SECURITY=required, but there is no role"):
        await _wall(database, "required")

    assert confined is False
    assert [(each["event"], each["log_level"], each["reason"]) for each in logs] == [
        ("row_security_off", "warning", GAP)
    ]
