"""Events of the platform's lane that the machine itself writes, each at most once however many nodes see its cause."""

from typing import TYPE_CHECKING, Final

from domain.events import encode, type_name
from domain.ids import PLATFORM, AccountId, EventId, account_id, first_lane
from domain.ledger.commands import Answer, Command, Kind, Leg, Op, Opening, Unit
from projections.folder import advance
from projections.routing import Routing

if TYPE_CHECKING:
    import asyncpg
    import msgspec

    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]

LANE: Final = first_lane(PLATFORM)
_PROJECTION: Final = Routing()


def counter(owner: str) -> AccountId:
    """Name the account that counts what happened to something: `health:<channel>:<key>`, `alert:<kind>:<subject>`."""
    return account_id("version", owner)


def command(event: "msgspec.Struct", *, event_id: str, actor: str, owner: str = "", version: int = 0) -> Command:
    """Give the command for an event; with an owner it is refused unless it is that owner's event number `version`."""
    legs: tuple[Leg, ...] = ()
    openings: tuple[Opening, ...] = ()
    if owner:
        legs = (Leg(counter(owner), 1, version - 1, Op.EXPECT),)
        openings = (Opening(counter(owner), f"version:{owner}"[:200], Unit.VERSION),) if version == 1 else ()
    return Command(
        tenant_id=PLATFORM,
        lane=LANE,
        kind=Kind.POST,
        event_id=EventId(event_id),
        type=type_name(event),
        data=encode(event),
        actor=actor,
        correlation_id=event_id,
        causation_id=event_id,
        legs=legs,
        openings=openings,
    )


async def submit(ledger: "Ledger", pool: "Pool", sent: Command) -> Answer:
    """Write an event, and bring what all nodes read up to it."""
    answer = await ledger.submit(sent)
    if answer.accepted:
        await fold(pool)
    return answer


async def fold(pool: "Pool") -> None:
    """Bring the read model of routing up to the platform's lane as it is."""
    await advance(pool, _PROJECTION, PLATFORM, LANE)
