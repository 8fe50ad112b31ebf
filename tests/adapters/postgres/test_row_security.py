"""Row-level security against queries that forgot to name the tenant, on every table that has tenants' rows."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest

from adapters.postgres import row_security
from adapters.postgres.row_security import GUARDED, OPEN, ROLE, TenantPool, confine, find_gap, unconfined
from domain.ids import TenantId

OURS, THEIRS, NOBODY = TenantId(7001), TenantId(7002), TenantId(7003)

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]

_VALUES = {
    "uuid": "gen_random_uuid()",
    "timestamp with time zone": "now()",
    "date": "current_date",
    "text": "'x'",
    "bytea": "'\\x00'",
    "boolean": "false",
    "ARRAY": "'{}'",
}


def _value(column: Any, tenant_id: TenantId) -> str:
    if column["column_name"] in {"kind", "secret_hash"}:
        return "'invitation'" if column["column_name"] == "kind" else f"'{tenant_id}'"
    return _VALUES.get(column["data_type"], str(tenant_id % 1000))


async def _fill(pool: "Pool", table: str, tenant_id: TenantId) -> None:
    """Insert a row of a tenant, whatever the table: nothing here depends on what its columns mean."""
    schema, name = table.split(".")
    columns = await pool.fetch(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_schema = $1 AND table_name = $2"
        " AND column_default IS NULL AND is_nullable = 'NO' AND column_name <> 'tenant_id'",
        schema,
        name,
    )
    named = ["tenant_id", *(f'"{column["column_name"]}"' for column in columns)]
    values = [str(tenant_id), *(_value(column, tenant_id) for column in columns)]
    await pool.execute(f"INSERT INTO {table} ({', '.join(named)}) VALUES ({', '.join(values)})")


@pytest.fixture
async def owner(database: str) -> "AsyncIterator[Pool]":
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as pool:
        await pool.execute("SELECT ledger.create_days(current_date - 1, 3)")
        yield pool


@pytest.fixture
async def walled(database: str, owner: "Pool") -> "AsyncIterator[Pool]":
    async with asyncpg.create_pool(database, min_size=1, max_size=2) as confined:
        for table in GUARDED:
            for tenant_id in (OURS, THEIRS):
                await _fill(owner, table, tenant_id)
        yield TenantPool.over(owner, confined)


@contextlib.contextmanager
def only(*tenants: TenantId) -> Iterator[None]:
    """Confine a block as a request is."""
    with unconfined():
        confine(tenants)
        yield


async def _tenants_seen(pool: Any, table: str) -> set[int]:
    return {row["tenant_id"] for row in await pool.fetch(f"SELECT tenant_id FROM {table}")}


async def test_a_migrated_database_has_the_second_wall(owner: "Pool") -> None:
    assert await find_gap(owner) is None


async def test_a_query_without_any_predicate_sees_the_rows_of_the_named_tenants_only(walled: "Pool") -> None:
    for table in GUARDED:
        seen = {}
        for name, tenants in (("ours", [OURS]), ("both", [OURS, THEIRS]), ("nobody", [NOBODY]), ("none", [])):
            with only(*tenants):
                seen[name] = await _tenants_seen(walled, table)
        everything = await _tenants_seen(walled, table)

        assert seen == {"ours": {OURS}, "both": {OURS, THEIRS}, "nobody": set(), "none": set()}, table
        # The control: there was something to see.
        assert everything >= {OURS, THEIRS}, table


async def test_without_the_policies_the_same_queries_see_everything(owner: "Pool", walled: "Pool") -> None:
    for table in GUARDED:
        await owner.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")
    with only(OURS):
        leaking = [table for table in GUARDED if THEIRS in await _tenants_seen(walled, table)]

    assert leaking == list(GUARDED)
    gap = await find_gap(owner)
    assert gap is not None
    assert "proof.block" in gap


async def test_every_table_that_tenants_rows_are_read_from_is_guarded(owner: "Pool") -> None:
    rows = await owner.fetch(
        "SELECT format('%I.%I', table_schema, table_name) AS name FROM information_schema.role_table_grants"
        " WHERE grantee = $1 AND privilege_type = 'SELECT'",
        ROLE,
    )

    # Grants are on parents, not on partitions: a parent's policy does not guard a partition that is named directly.
    assert {row["name"] for row in rows} == {*GUARDED, *OPEN}


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT * FROM admin.password",
        "SELECT * FROM admin.session",
        "SELECT * FROM admin.personal_token",
        "SELECT * FROM admin.channel_key",
        "SELECT * FROM projection.request_log_default",
        "UPDATE ledger.account SET posted = 1 RETURNING 1",
        "DELETE FROM projection.credit_log RETURNING 1",
        "INSERT INTO admin.idempotency VALUES ('k', 's', 7002, gen_random_uuid(), '') RETURNING 1",
    ],
)
async def test_the_role_reads_no_secret_and_changes_nothing_of_others(walled: "Pool", statement: str) -> None:
    with only(OURS), pytest.raises(asyncpg.InsufficientPrivilegeError):
        await walled.fetch(statement)


async def test_a_transaction_and_what_follows_it_are_confined_alike(walled: "Pool") -> None:
    look = "SELECT current_user::text AS who, array_agg(tenant_id) AS seen FROM ledger.lane"
    with only(OURS):
        async with walled.acquire() as connection:
            async with connection.transaction(isolation="repeatable_read", readonly=True):
                inside = [dict(row) for _ in range(2) for row in await connection.fetch(look)]
            after = [dict(row) for row in await connection.fetch(look)]

    assert inside + after == [{"who": ROLE, "seen": [OURS]}] * 3


async def test_an_error_leaves_the_connection_as_it_was(walled: "Pool") -> None:
    with only(OURS):
        for _ in range(5):
            with pytest.raises(asyncpg.DivisionByZeroError):
                await walled.fetchval("SELECT 1 / (tenant_id - tenant_id) FROM ledger.lane")
        seen = await _tenants_seen(walled, "ledger.lane")

    assert seen == {OURS}
    assert await walled.fetchval("SELECT current_user") != ROLE


@contextlib.asynccontextmanager
async def _somebody(dsn: str, owner: "Pool", name: str) -> "AsyncIterator[Pool]":
    """Give the connections of a user who owns nothing and was granted what a server needs to read."""
    await owner.execute(f"CREATE ROLE {name} NOLOGIN")
    await owner.execute(f"GRANT USAGE ON SCHEMA ledger, admin, projection, proof TO {name}")
    await owner.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA ledger, admin, projection, proof TO {name}")

    async def be(connection: Any) -> None:
        await connection.execute(f"SET SESSION AUTHORIZATION {name}")

    try:
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2, init=be) as pool:
            yield pool
    finally:
        await owner.execute(f"DROP OWNED BY {name}")
        await owner.execute(f"DROP ROLE {name}")


async def test_a_server_that_owns_nothing_works_behind_the_wall_once_it_may_become_the_role(
    database: str, owner: "Pool", walled: "Pool"
) -> None:
    assert await _tenants_seen(walled, "ledger.lane") >= {OURS, THEIRS}
    async with _somebody(database, owner, "tallygate_test_server") as pool:
        before = await find_gap(pool)
        await owner.execute(f"GRANT {ROLE} TO tallygate_test_server")
        after = await find_gap(pool)
        with only(OURS):
            confined = await _tenants_seen(TenantPool.over(pool, pool), "ledger.event")
        unbound = await _tenants_seen(TenantPool.over(pool, pool), "ledger.event")

    assert before is not None
    assert f"GRANT {ROLE} TO" in before
    assert after is None
    assert confined == {OURS}
    # The policies let every other role pass: an auditor reads the whole log.
    assert unbound >= {OURS, THEIRS}


async def test_a_role_that_is_not_there_is_told_with_what_to_do(owner: "Pool", monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(row_security, "ROLE", "tallygate_nowhere")

    gap = await find_gap(owner)

    assert gap is not None
    assert "there is no role tallygate_nowhere" in gap
    assert "CREATE ROLE" in gap
