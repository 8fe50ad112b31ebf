"""Whether this worker may be sent requests, and if not, why."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from adapters.postgres.errors import AWAY
from app.observability.probe import Probe

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

DATABASE_SECONDS_MAX: Final = 2.0
_MIGRATIONS: Final = "SELECT number FROM schema_migration"


class _Relay(Protocol):
    stopping: bool


class _Ledger(Protocol):
    @property
    def available(self) -> bool: ...


class _Catalog(Protocol):
    fresh: bool


class _Settlements(Protocol):
    @property
    def is_full(self) -> bool: ...


class Readiness:
    """Looks at everything that a request needs."""

    def __init__(
        self,
        *,
        relay: _Relay,
        ledger: _Ledger,
        catalog: _Catalog,
        settlements: _Settlements,
        pool: "Pool",
        migrations: Sequence[int],
    ) -> None:
        """Take what is looked at, and the numbers of the migrations that this version needs."""
        self._applied = Probe(lambda: pool.fetch(_MIGRATIONS), DATABASE_SECONDS_MAX)
        self._migrations = frozenset(migrations)
        self._checks: tuple[tuple[str, Callable[[], str | None]], ...] = (
            ("stopping", lambda: "stopping" if relay.stopping else None),
            ("ledger", lambda: None if ledger.available else "the ledger is catching up"),
            ("catalog", lambda: None if catalog.fresh else "the configuration is not fresh"),
            ("journal", lambda: "the journal has no room" if settlements.is_full else None),
        )

    async def reasons(self) -> dict[str, str]:
        """Give what is in the way, by check; nothing if requests may come."""
        found = {name: reason for name, check in self._checks if (reason := check()) is not None}
        if "stopping" not in found:
            # Whoever stops need not be asked about its database, which may be stopping as well.
            found |= await self._database()
        return found

    async def _database(self) -> dict[str, str]:
        try:
            rows = await self._applied.answer()
        except AWAY:
            return {"database": "the database is away"}
        missing = sorted(self._migrations - {row["number"] for row in rows})
        if missing:
            return {"migrations": f"the database lacks migration {missing[0]:04d}: run tallygate migrate"}
        return {}
