"""Figures of the whole installation, which only its database knows: asked for when somebody looks, and not often."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

import asyncpg

from app.observability import metrics as m
from app.observability.exposition import Figure
from app.observability.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Sequence

    Pool = asyncpg.Pool[asyncpg.Record]

KEPT_SECONDS: Final = 5.0
QUERY_SECONDS_MAX: Final = 2.0
_AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

_HOLDS: Final = (
    "SELECT count(*) AS open, count(*) FILTER (WHERE deadline < now() - interval '10 minutes') AS overdue"
    " FROM ledger.hold"
)


class _Lag(Protocol):
    @property
    def projection(self) -> str: ...

    @property
    def events(self) -> int: ...

    @property
    def parked(self) -> int: ...


class _Runner(Protocol):
    async def lag(self) -> "Sequence[_Lag]": ...


class Sealer(Protocol):
    """What tells how far the sealer is behind."""

    async def lag_events(self) -> int:
        """Give how many events are in no signed block yet."""


class DatabaseFigures:
    """Holds, read models and the sealer; several scrapers at once ask the database once."""

    def __init__(self, pool: "Pool", runner: _Runner, *, sealer: Sealer | None = None) -> None:
        """Take the database, and who knows of read models and seals."""
        self._pool = pool
        self._runner = runner
        self._figures = Probe(self._ask, QUERY_SECONDS_MAX)
        self.sealer = sealer
        self._busy = asyncio.Lock()
        self._kept: list[Figure] = []
        self._until = 0.0

    async def read(self) -> list[Figure]:
        """Give the figures, at most a few seconds old; only that it is away, where the database is."""
        async with self._busy:
            clock = asyncio.get_running_loop().time
            if clock() >= self._until:
                try:
                    self._kept = [(m.DATABASE_UP, (), 1.0), *await self._figures.answer()]
                except _AWAY:
                    self._kept = [(m.DATABASE_UP, (), 0.0)]
                self._until = clock() + KEPT_SECONDS
            return self._kept

    async def _ask(self) -> list[Figure]:
        row = await self._pool.fetchrow(_HOLDS)
        assert row is not None
        figures: list[Figure] = [(m.HOLDS_OPEN, (), row["open"]), (m.HOLDS_OVERDUE, (), row["overdue"])]
        for lag in await self._runner.lag():
            figures.append((m.PROJECTION_LAG, (lag.projection,), lag.events))
            figures.append((m.PROJECTION_PARKED, (lag.projection,), lag.parked))
        if self.sealer is not None:
            figures.append((m.SEALER_LAG, (), await self.sealer.lag_events()))
        return figures
