"""Writes down what happens to the platform, in any order; the world plays it in the order of time."""

from typing import Any, Final

import msgspec

from app.demo_data.plan import SECOND, Ids, Plan
from domain.admin.changes import decide
from domain.admin.events import Changed, Created
from domain.admin.rules import check_shape, home
from domain.events import admin_type_name, encode, type_name
from domain.ids import EntityId, EventId, TenantId, first_lane
from domain.ledger.commands import Command, Kind

_REASON: Final = "demo data"


class Clerk:
    """What is to happen when, and how the things were that prices and the choice of channels depend on."""

    def __init__(self, plan: Plan) -> None:
        """Begin with nothing."""
        self.plan = plan
        self.ids = Ids(plan.chance("platform"))
        self.happenings: list[tuple[int, int, Command]] = []
        self.states: list[tuple[int, str, Any]] = []
        self.admin = "system:demo_data"
        """Who does what nobody else is said to do."""
        self.order = plan.first
        self._versions: dict[str, int] = {}

    def next_second(self) -> int:
        """Give the next second of the first minutes, in which everything is set up."""
        self.order += SECOND
        return self.order

    def put(self, at: int, command: Command) -> None:
        """Have a command happen at a moment."""
        self.happenings.append((at, len(self.happenings), command))

    def create(self, kind: str, entity: Any, at: int, *, actor: str | None = None, reason: str = _REASON) -> Any:
        """Have a thing made at a moment, and give it."""
        check_shape(kind, entity)
        event: Created[Any] = Created(after=entity, reason=reason)
        command = admin_command(
            kind, event, None, entity, version=0, event_id=self.ids.at(at), actor=actor or self.admin
        )
        self._note(kind, entity, at)
        self.put(at, command)
        return entity

    def change(self, kind: str, before: Any, after: Any, at: int, reason: str) -> Any:
        """Have a thing changed at a moment, and give it as it is then."""
        check_shape(kind, after)
        event: Changed[Any] = Changed(before=before, after=after, reason=reason)
        key = command_key(kind, before)
        command = admin_command(
            kind, event, before, after, version=self._versions[key], event_id=self.ids.at(at), actor=self.admin
        )
        self._note(kind, after, at)
        self.put(at, command)
        return after

    def _note(self, kind: str, entity: Any, at: int) -> None:
        key = command_key(kind, entity)
        self._versions[key] = self._versions.get(key, 0) + 1
        if kind in {"channel", "multiplier", "rate_card", "routing_policy"}:
            self.states.append((at, kind, entity))

    def id_at(self, at: int) -> EntityId:
        """Give a new id of a moment."""
        return EntityId(self.ids.at(at))


def command_key(kind: str, entity: Any) -> str:
    """Give the id of a thing, which is its first field."""
    return f"{kind}:{getattr(entity, entity.__struct_fields__[0])}"


def admin_command(
    kind: str,
    event: "Created[Any] | Changed[Any]",
    before: Any,
    after: Any,
    *,
    version: int,
    event_id: str,
    actor: str,
) -> Command:
    """Give the command that the administration sends for a change."""
    change = decide(kind, before, after, version)
    tenant_id = home(kind, after)
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.POST,
        event_id=EventId(event_id),
        type=admin_type_name(kind, event),
        data=encode(event),
        actor=actor,
        correlation_id=event_id,
        causation_id=event_id,
        legs=change.legs,
        openings=change.openings,
    )


def note(event: msgspec.Struct, tenant_id: TenantId, *, event_id: str, actor: str) -> Command:
    """Give the command for an event that moves no account."""
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.POST,
        event_id=EventId(event_id),
        type=type_name(event),
        data=encode(event),
        actor=actor,
        correlation_id=event_id,
        causation_id=event_id,
    )
