"""Figures of the whole installation, which only its database knows: asked for when somebody looks, and not often."""

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from adapters.postgres.errors import AWAY
from app.observability import metrics as m
from app.observability.exposition import Figure
from app.observability.probe import Probe

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

KEPT_SECONDS: Final = 5.0
QUERY_SECONDS_MAX: Final = 2.0

_HOLDS: Final = (
    "SELECT count(*) AS open, count(*) FILTER (WHERE deadline < now() - interval '10 minutes') AS overdue"
    " FROM ledger.hold"
)
_UNSEALED: Final = (
    "SELECT coalesce(sum(l.head - coalesce(t.position, 0)), 0)::bigint FROM ledger.lane AS l"
    " LEFT JOIN proof.tip AS t ON t.lane = l.lane AND t.tenant_id = l.tenant_id"
    " HAVING EXISTS (SELECT FROM proof.seal)"
)
"""Nothing where no sealer has ever run."""


class _Lag(Protocol):
    @property
    def projection(self) -> str: ...

    @property
    def events(self) -> int: ...

    @property
    def parked(self) -> int: ...


class DatabaseFigures:
    """Holds, read models and the sealer; several scrapers at once ask the database once."""

    def __init__(self, pool: "Pool", lag: "Callable[[], Awaitable[Sequence[_Lag]]]") -> None:
        """Take the database, and who knows how far read models are behind."""
        self._pool = pool
        self._lag = lag
        self._figures = Probe(self._ask, QUERY_SECONDS_MAX)
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
                except AWAY:
                    self._kept = [(m.DATABASE_UP, (), 0.0)]
                self._until = clock() + KEPT_SECONDS
            return self._kept

    async def _ask(self) -> list[Figure]:
        row = await self._pool.fetchrow(_HOLDS)
        assert row is not None
        figures: list[Figure] = [(m.HOLDS_OPEN, (), row["open"]), (m.HOLDS_OVERDUE, (), row["overdue"])]
        for lag in await self._lag():
            figures.append((m.PROJECTION_LAG, (lag.projection,), lag.events))
            figures.append((m.PROJECTION_PARKED, (lag.projection,), lag.parked))
        unsealed = await self._pool.fetchval(_UNSEALED)
        if unsealed is not None:
            figures.append((m.SEALER_LAG, (), unsealed))
        return figures
