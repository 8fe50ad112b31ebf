"""One administrative command on its way to the ledger, and what its answer means."""

from typing import TYPE_CHECKING, Any, NamedTuple

from adapters.postgres.admin_store import AdminStore
from adapters.postgres.row_security import owner_of
from app.administration.source import with_source
from domain.admin.changes import Change
from domain.admin.errors import AdminError, IdempotencyConflictError, NotFoundError
from domain.events import Event, encode
from domain.ids import EventId, TenantId, first_lane
from domain.ledger.commands import Code, Command, Kind
from projections.entities import Entities
from projections.folder import advance

if TYPE_CHECKING:
    import asyncpg

    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]


class Step(NamedTuple):
    """An accepted change, for what follows from it."""

    before: Any
    """None for a creation."""
    after: Any
    """None for an archiving."""
    event_id: str
    actor: str


class Submission:
    """Sends commands to a tenant's first lane, and brings the read model up to them."""

    def __init__(self, ledger: "Ledger", pool: "Pool") -> None:
        self._ledger = ledger
        self._pool = owner_of(pool)
        self._store = AdminStore(pool)
        self._projection = Entities()

    async def open_lane(self, tenant_id: TenantId) -> None:
        """Make the lane of a new tenant."""
        await self._ledger.open_lane(tenant_id, first_lane(tenant_id))

    async def advance(self, tenant_id: TenantId) -> None:
        """Fold what is in the tenant's lane by now, so that it can be read."""
        await advance(self._pool, self._projection, tenant_id, first_lane(tenant_id))

    async def recorded(self, tenant_id: TenantId, event_id: str, type_: str) -> Any:
        """Give the event of a change that was made before, or None; IdempotencyConflictError if it was another one."""
        found = await self._store.recorded(tenant_id, event_id)
        if found is None:
            return None
        if found[0] != type_:
            raise IdempotencyConflictError
        return found[1]

    async def submit(
        self,
        tenant_id: TenantId,
        type_: str,
        event: Event,
        change: Change,
        *,
        event_id: str,
        actor: str,
        correlation_id: str | None,
        causation_id: str | None = None,
        dropped_key: str | None = None,
    ) -> None:
        """Send one command; raises what the ledger's refusal means. `dropped_key`: whose new key a refusal forgets."""
        answer = await self._ledger.submit(
            Command(
                tenant_id=tenant_id,
                lane=first_lane(tenant_id),
                kind=Kind.POST,
                event_id=EventId(event_id),
                type=type_,
                data=encode(with_source(event)),
                actor=actor,
                correlation_id=correlation_id or event_id,
                causation_id=causation_id or event_id,
                legs=change.legs,
                openings=change.openings,
            )
        )
        if answer.accepted:
            return
        if dropped_key is not None and answer.code is not Code.CONFLICT:
            await self._store.drop_channel_key(dropped_key, event_id)
        refusal = change.refusal(answer)
        if refusal is not None:
            raise refusal
        match answer.code:
            case Code.CONFLICT:
                raise IdempotencyConflictError
            case Code.UNKNOWN_LANE:
                raise NotFoundError("tenant", str(tenant_id))
            case _:
                raise AdminError(f"The ledger refused the change: {answer.code.name.lower()}.")
