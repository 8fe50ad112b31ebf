"""What people ask: why a request goes where it goes, how a channel came to its health, how arms compare."""

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from app.catalog import Catalog
from app.routing.alerts import Alert, Sink, listed
from app.routing.board import HealthBoard
from app.routing.router import Aim, Plan, Router, explain_others
from app.snapshot import TokenContext
from domain.admin.entities import Channel
from domain.events import decode
from domain.ids import PLATFORM, EntityId
from domain.metering.usage import TokenUsage
from domain.pricing.charge import charge
from domain.relay.call import Call
from domain.routing.chance import Draws
from domain.routing.choice import FellOut, Member
from domain.routing.events import ChannelProbed, HealthChanged
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_TIMELINE_TYPES: Final = {"changed": "channel_health.changed.v1", "probed": "channel.probed.v1"}


class Explained(msgspec.Struct, frozen=True, kw_only=True):
    """A decision, with what it was made from."""

    aim: Aim
    plan: Plan
    others: tuple[FellOut, ...]
    """Channels that serve none of the models."""
    costs: dict[EntityId, int | None]
    """What the vendor would charge, by channel."""


class TimelineEntry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that happened to a channel."""

    at: dt.datetime
    actor: str
    event: HealthChanged | ChannelProbed


class ArmFigures(msgspec.Struct, frozen=True, kw_only=True):
    """How the requests of an arm went."""

    arm: str
    requests: int
    completed: int
    attempts: int
    latency_milliseconds: int
    """Of all requests together, as are the figures below but the longest."""
    latency_milliseconds_max: int
    first_byte_milliseconds: int
    first_bytes: int
    """Requests that had one."""
    tokens: int
    charged_nanos: int
    cost_nanos: int


class Desk:
    """Answers, from this node's own knowledge and from the read model."""

    def __init__(
        self, pool: "Pool", catalog: Catalog, router: Router, board: HealthBoard, sinks: Sequence[Sink] = ()
    ) -> None:
        """Take what is known."""
        self._pool = pool
        self._catalog = catalog
        self._router = router
        self.board = board
        self.sinks: Sequence[Sink] = sinks
        """Where alerts are told, the log first."""

    def explain(
        self, context: TokenContext, call: Call, *, seed: int, usage: TokenUsage, now: dt.datetime
    ) -> Explained:
        """Make the decision that a request of this kind would get now, and keep everything that led to it."""
        snapshot = self._catalog.snapshot
        aim = self._router.aim(snapshot, context, call)

        def cost(member: Member) -> int | None:
            price = snapshot.cost_price(member.channel, member.model_routed, now)
            return charge(usage, price).amount_nanos if price is not None else None

        plan = self._router.plan(snapshot, aim, call, seed=seed, tokens=usage.total, cost=cost)
        return Explained(
            aim=aim,
            plan=plan,
            others=tuple(explain_others(snapshot, aim)),
            costs={member.channel_id: cost(member) for _, member in plan.chosen},
        )

    def shares(self, context: TokenContext, call: Call, *, usage: TokenUsage, draws: int = 1000) -> dict[EntityId, int]:
        """Give how often each channel would be the first, in a thousand requests of this kind."""
        snapshot = self._catalog.snapshot
        aim = self._router.aim(snapshot, context, call)
        seeds = Draws(1)
        firsts: dict[EntityId, int] = {}
        for _ in range(draws):
            plan = self._router.plan(snapshot, aim, call, seed=int(seeds() * 2**63), tokens=usage.total)
            if plan.chosen:
                first = plan.chosen[0][1].channel_id
                firsts[first] = firsts.get(first, 0) + 1
        return firsts

    def channel(self, channel_id: EntityId) -> Channel | None:
        """Give a channel of the present configuration."""
        return self._catalog.snapshot.channels_by_id.get(channel_id)

    async def timeline(self, channel_id: str, *, limit: int) -> list[TimelineEntry]:
        """Give what happened to a channel, the latest first."""
        rows = await self._pool.fetch(
            "SELECT kind, at, actor, data FROM routing.channel_timeline"  # noqa: S608 -- constants only
            f" WHERE channel_id = $1 AND tenant_id = $2 AND generation = {live('routing')}"
            " ORDER BY position DESC LIMIT $3",
            channel_id,
            PLATFORM,
            limit,
        )
        return [
            TimelineEntry(at=row["at"], actor=row["actor"], event=decode(_TIMELINE_TYPES[row["kind"]], row["data"]))
            for row in rows
        ]

    async def alerts(self, *, limit: int) -> list[Alert]:
        """Give alerts, those that are raised first."""
        return await listed(self._pool, limit=limit)

    async def arms(self, policy_id: str, *, since: dt.date) -> list[ArmFigures]:
        """Give the figures of each arm of a policy's experiment since a day, over all tenants."""
        sums = [name for name in ArmFigures.__struct_fields__ if name not in {"arm", "latency_milliseconds_max"}]
        columns = ", ".join(f"sum({name})::bigint AS {name}" for name in sums)
        rows: list[Any] = await self._pool.fetch(
            f"SELECT arm, max(latency_milliseconds_max) AS latency_milliseconds_max, {columns}"  # noqa: S608 -- constants only
            f" FROM routing.experiment WHERE policy_id = $1 AND day >= $2 AND generation = {live('routing')}"
            " GROUP BY arm ORDER BY arm",
            policy_id,
            since,
        )
        return [ArmFigures(**dict(row)) for row in rows]
