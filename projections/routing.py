"""Routing: the health of channels and how it came to it, alerts, and how the arms of experiments compare."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from domain.events import encode
from domain.ids import day_of
from domain.routing.events import AlertRaised, AlertResolved, ChannelProbed, ExperimentMeasured, HealthChanged
from projections.base import StoredEvent

if TYPE_CHECKING:
    import asyncpg

    Connection = asyncpg.Connection[asyncpg.Record]

_HEALTH: Final = """
INSERT INTO routing.channel_health (channel_id, key, tenant_id, generation, version, position, changed_at, state)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
ON CONFLICT (channel_id, key, tenant_id, generation) DO UPDATE SET version = excluded.version,
    position = excluded.position, changed_at = excluded.changed_at, state = excluded.state
"""

_TIMELINE: Final = """
INSERT INTO routing.channel_timeline (channel_id, position, tenant_id, generation, kind, at, actor, data)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
"""

_RAISE: Final = """
INSERT INTO routing.alert (position, tenant_id, generation, event_id, kind, subject, title, severity, raised_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
"""

_RESOLVE: Final = """
UPDATE routing.alert SET resolved_at = $5, resolved_position = $6, resolved_title = $7
WHERE kind = $1 AND subject = $2 AND tenant_id = $3 AND generation = $4 AND resolved_at IS NULL
"""

_MEASURE: Final = """
INSERT INTO routing.experiment AS x (policy_id, arm, day, tenant_id, generation, requests, completed, attempts,
    latency_milliseconds, latency_milliseconds_max, first_byte_milliseconds, first_bytes, tokens, charged_nanos,
    cost_nanos)
VALUES ($1, $2, $3, $4, $5, 1, $6, $7, $8, $8, $9, $10, $11, $12, $13)
ON CONFLICT (policy_id, arm, day, tenant_id, generation) DO UPDATE SET requests = x.requests + 1,
    completed = x.completed + excluded.completed, attempts = x.attempts + excluded.attempts,
    latency_milliseconds = x.latency_milliseconds + excluded.latency_milliseconds,
    latency_milliseconds_max = greatest(x.latency_milliseconds_max, excluded.latency_milliseconds_max),
    first_byte_milliseconds = x.first_byte_milliseconds + excluded.first_byte_milliseconds,
    first_bytes = x.first_bytes + excluded.first_bytes, tokens = x.tokens + excluded.tokens,
    charged_nanos = x.charged_nanos + excluded.charged_nanos, cost_nanos = x.cost_nanos + excluded.cost_nanos
"""


class Routing:
    """The projection `routing`."""

    name = "routing"
    version = 1
    tables = ("routing.channel_health", "routing.channel_timeline", "routing.alert", "routing.experiment")
    types = frozenset(
        {
            "channel_health.changed.v1",
            "channel.probed.v1",
            "alert.raised.v1",
            "alert.resolved.v1",
            "experiment.measured.v1",
        }
    )

    async def apply(self, connection: "Connection", generation: int, events: Sequence[StoredEvent]) -> None:
        """Fold events of one lane, in order; the caller commits."""
        for event in events:
            match event.value:
                case HealthChanged() as changed:
                    await self._health(connection, generation, event, changed)
                case ChannelProbed() as probed:
                    await self._note(connection, generation, event, "probed", probed)
                case AlertRaised() as alert:
                    words = (alert.kind, alert.subject, alert.title, alert.severity, event.recorded_at)
                    await connection.execute(
                        _RAISE, event.position, event.tenant_id, generation, event.event_id, *words
                    )
                case AlertResolved(kind=kind, subject=subject, title=title):
                    end = (event.recorded_at, event.position, title)
                    await connection.execute(_RESOLVE, kind, subject, event.tenant_id, generation, *end)
                case ExperimentMeasured() as measured:
                    await self._measure(connection, generation, event, measured)
                case _:
                    raise TypeError(f"not an event of routing: {event.type}")

    async def _health(
        self, connection: "Connection", generation: int, event: StoredEvent, changed: HealthChanged
    ) -> None:
        await connection.execute(
            _HEALTH,
            changed.channel_id,
            changed.key,
            event.tenant_id,
            generation,
            changed.version,
            event.position,
            event.recorded_at,
            encode(changed.after),
        )
        await self._note(connection, generation, event, "changed", changed)

    async def _note(
        self,
        connection: "Connection",
        generation: int,
        event: StoredEvent,
        kind: str,
        value: HealthChanged | ChannelProbed,
    ) -> None:
        await connection.execute(
            _TIMELINE,
            value.channel_id,
            event.position,
            event.tenant_id,
            generation,
            kind,
            event.recorded_at,
            event.actor,
            encode(value),
        )

    async def _measure(
        self, connection: "Connection", generation: int, event: StoredEvent, measured: ExperimentMeasured
    ) -> None:
        day = day_of(event.event_id)
        values: tuple[Any, ...] = (
            int(measured.completed),
            measured.attempts,
            measured.latency_milliseconds,
            measured.first_byte_milliseconds,
            int(measured.first_byte_milliseconds > 0),
            measured.tokens,
            measured.charged_nanos,
            measured.cost_nanos,
        )
        await connection.execute(_MEASURE, measured.policy_id, measured.arm, day, event.tenant_id, generation, *values)
