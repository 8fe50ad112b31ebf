"""The second wall between tenants: a role that sees the rows of named tenants only, and a pool that becomes it.

Every query of a tenant's request names the tenant; that is the first wall. Should one forget to, row-level security
(migrations/0041) leaves it with the rows of the tenants that its transaction names, and with none if it names none.
"""

import contextlib
from collections.abc import AsyncIterator, Iterable, Iterator
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, cast

import asyncpg

from domain.ids import TenantId

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]
    Connection = asyncpg.Connection[asyncpg.Record]

ROLE: Final = "tallygate_tenant"

GUARDED: Final = (
    *("ledger.lane", "ledger.account", "ledger.hold", "ledger.event"),
    *("admin.entity", "admin.entity_key", "admin.entity_change", "admin.idempotency"),
    "admin.link",
    *("projection.balances", "projection.request_log", "projection.credit_log", "projection.usage_hourly"),
    *("projection.audit_log", "projection.pulse", "projection.refusal_hour"),
    *("projection.usage_hour_tenant", "projection.usage_day", "projection.balance_day", "projection.statement"),
    "proof.block",
)
"""Whose rows belong to tenants, and are seen by them alone."""
OPEN: Final = (
    *("projection.generation", "projection.usage_closed", "projection.multipliers"),
    *("proof.seal", "proof.public_key"),
)
"""Which generations are live, how far sums are worked out, what everybody pays, who signed what: of no tenant."""
GRANTS: Final = (
    f"GRANT USAGE ON SCHEMA ledger, admin, projection, proof TO {ROLE}",
    f"GRANT SELECT ON {', '.join(GUARDED + OPEN)} TO {ROLE}",
    f"GRANT INSERT, UPDATE ON admin.idempotency TO {ROLE}",
)

_tenants: ContextVar[frozenset[TenantId] | None] = ContextVar("tenants", default=None)


async def prepare(connection: "Connection") -> None:
    """Make the role if it is not there, and grant it what it reads, as far as this user may.

    What is missing is for `find_gap` to tell: whoever migrates need not be the one who serves.
    """
    if await _gap(connection) is None:
        return
    # Not in one transaction: the first thing that is not allowed must not undo the others.
    for statement in (f"CREATE ROLE {ROLE} NOLOGIN", f"GRANT {ROLE} TO CURRENT_USER", *GRANTS):
        with contextlib.suppress(
            asyncpg.DuplicateObjectError,
            asyncpg.UniqueViolationError,
            asyncpg.UndefinedObjectError,
            asyncpg.InsufficientPrivilegeError,
            # Two who grant at the same time, each in a database of their own: the role is the whole server's.
            asyncpg.InternalServerError,
        ):
            await connection.execute(statement)


async def find_gap(pool: "Pool") -> str | None:
    """Give why row-level security cannot be relied on here, with what would mend it; None if it can."""
    async with pool.acquire() as connection:
        return await _gap(cast("Connection", connection))


async def _gap(connection: "Connection") -> str | None:
    role = await connection.fetchval("SELECT rolsuper OR rolbypassrls FROM pg_roles WHERE rolname = $1", ROLE)
    if role is None:
        return f"there is no role {ROLE}, and this user may not make one: {_RECIPE}"
    if role:
        return f"row-level security does not bind {ROLE}: run ALTER ROLE {ROLE} NOSUPERUSER NOBYPASSRLS"
    try:
        async with connection.transaction():
            await _become(connection, frozenset())
    except asyncpg.InsufficientPrivilegeError:
        return f"this user may not become {ROLE}: {_RECIPE}"
    missing = await connection.fetchval(_MISSING, list(GUARDED), [*GUARDED, *OPEN], ROLE)
    if missing:
        return f"the role {ROLE} is not granted, or row-level security does not guard, {', '.join(missing)}: {_RECIPE}"
    return None


_RECIPE: Final = (
    f"let an administrator run CREATE ROLE {ROLE} NOLOGIN; GRANT {ROLE} TO the user of TALLYGATE_DATABASE_URL; then run"
    " `tallygate migrate` as the owner of the tables"
)
_MISSING: Final = """
SELECT array_agg(n ORDER BY n) FROM unnest($2::text[]) AS n LEFT JOIN pg_class AS c ON c.oid = to_regclass(n)
WHERE c.oid IS NULL OR NOT has_table_privilege($3, c.oid, 'SELECT')
    OR (n = 'admin.idempotency' AND NOT (has_table_privilege($3, c.oid, 'INSERT')
        AND has_table_privilege($3, c.oid, 'UPDATE')))
    OR NOT has_schema_privilege($3, c.relnamespace, 'USAGE')
    OR (n = ANY ($1::text[]) AND NOT (c.relrowsecurity
        AND EXISTS (SELECT FROM pg_policy AS p WHERE p.polrelid = c.oid AND p.polname = 'tenant_rows')))
"""


@contextlib.contextmanager
def unconfined() -> Iterator[None]:
    """Confine nothing within the block, and leave the surroundings as they were."""
    token = _tenants.set(None)
    try:
        yield
    finally:
        _tenants.reset(token)


def confine(tenants: Iterable[TenantId] | None) -> None:
    """Confine what follows in this context to the rows of these tenants; None is not at all."""
    _tenants.set(None if tenants is None else frozenset(tenants))


def confined_to() -> frozenset[TenantId] | None:
    """Give the tenants that this context is confined to; None is not at all."""
    return _tenants.get()


class TenantPool:
    """A pool that becomes the tenants' role wherever `confine` has named tenants.

    Statements that change things go to the owner: the role may hardly change anything, and each names what it changes.
    """

    def __init__(self, owner: "Pool", confined: "Pool") -> None:
        """Take the connections of the owner, and those that become the role.

        Two pools, for a statement that is run by either role in turn would be planned anew each time.
        """
        self.owner = owner
        self._confined = confined

    @classmethod
    def over(cls, owner: "Pool", confined: "Pool") -> "Pool":
        """Give one for what takes a pool: as far as serving requests goes, it is one."""
        return cast("Pool", cls(owner, confined))

    async def execute(self, query: str, *values: Any, **options: Any) -> str:
        """Run a statement as the owner."""
        return await self.owner.execute(query, *values, **options)

    async def fetch(self, query: str, *values: Any) -> Any:
        """Give the rows that may be seen."""
        if _tenants.get() is None:
            return await self.owner.fetch(query, *values)
        async with self.acquire() as connection:
            return await connection.fetch(query, *values)

    async def fetchrow(self, query: str, *values: Any) -> Any:
        """Give the first of the rows that may be seen."""
        if _tenants.get() is None:
            return await self.owner.fetchrow(query, *values)
        async with self.acquire() as connection:
            return await connection.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        """Give the first value of the rows that may be seen."""
        if _tenants.get() is None:
            return await self.owner.fetchval(query, *values)
        async with self.acquire() as connection:
            return await connection.fetchval(query, *values)

    @contextlib.asynccontextmanager
    async def acquire(self) -> AsyncIterator[Any]:
        """Give a connection; confined, each of its statements and transactions is one of the role."""
        tenants = _tenants.get()
        if tenants is None:
            async with self.owner.acquire() as connection:
                yield connection
            return
        async with self._confined.acquire() as connection:
            yield _Confined(cast("Connection", connection), tenants)


class _Confined:
    """A connection that is the tenants' role in all that it does."""

    def __init__(self, connection: "Connection", tenants: frozenset[TenantId]) -> None:
        self._connection = connection
        self._tenants = tenants
        self._inside = False

    @contextlib.asynccontextmanager
    async def transaction(self, **options: Any) -> AsyncIterator[None]:
        async with self._connection.transaction(**options):
            await _become(self._connection, self._tenants)
            self._inside = True
            try:
                yield
            finally:
                self._inside = False

    async def fetch(self, query: str, *values: Any) -> Any:
        async with self._as_needed():
            return await self._connection.fetch(query, *values)

    async def fetchrow(self, query: str, *values: Any) -> Any:
        async with self._as_needed():
            return await self._connection.fetchrow(query, *values)

    async def fetchval(self, query: str, *values: Any) -> Any:
        async with self._as_needed():
            return await self._connection.fetchval(query, *values)

    def _as_needed(self) -> contextlib.AbstractAsyncContextManager[None]:
        return contextlib.nullcontext() if self._inside else self.transaction()


async def _become(connection: "Connection", tenants: frozenset[TenantId]) -> None:
    """Be the role until the transaction ends. The first setting is for Citus, to tell its workers of the others."""
    numbers = ",".join(str(int(tenant)) for tenant in sorted(tenants))
    await connection.execute(
        f"SET LOCAL citus.propagate_set_commands = 'local'; SET LOCAL app.tenant_ids = '{{{numbers}}}';"
        f" SET LOCAL ROLE {ROLE}"
    )


def owner_of(pool: "Pool") -> "Pool":
    """Give the connections of the owner, for what only the server itself may do, whoever asked for it."""
    owner: Pool = getattr(pool, "owner", pool)
    return owner
