"""What the checks of a change have to know of other things, read for one change at a time."""

import datetime as dt
from collections.abc import Callable
from typing import Any

from adapters.channel_types import find
from adapters.postgres.admin_store import AdminStore
from domain.admin.entities import Token, User
from domain.admin.rules import Surroundings
from domain.ids import PLATFORM, TenantId


class SurroundingsReader:
    """Reads `domain.admin.rules.Surroundings`."""

    def __init__(self, store: AdminStore, clock: Callable[[], dt.datetime]) -> None:
        """Take where things stand, and a clock."""
        self._store = store
        self._clock = clock

    async def _users_of(self, group: Any) -> int:
        if group.side == "user":
            return await self._store.count("tenant", group.label)
        channels = await self._store.all("channel", PLATFORM)
        return sum(group.label in channel.entity.channel_groups for channel in channels)

    async def read(self, kind: str, entity: Any, *, archive: bool = False) -> Surroundings:
        """Read what the checks of a kind ask of other things."""
        labels: dict[str, set[str]] = {"user": set(), "channel": set()}
        if kind in {"tenant", "channel", "multiplier", "routing_policy"}:
            for group in await self._store.all("group", PLATFORM):
                labels[group.entity.side].add(group.entity.label)
        cards = []
        if kind == "rate_card" or (kind == "channel" and entity.cost_card_id is not None):
            cards = [book.entity for book in await self._store.all("rate_card", PLATFORM) if book.entity.published]
        named: list[TenantId] = []
        mappings = []
        owner = None
        if kind == "mapping":
            mappings = [mapping.entity for mapping in await self._store.all("mapping", PLATFORM)]
            if entity.tenant_id is not None:
                named = [entity.tenant_id]
                mappings += [mapping.entity for mapping in await self._store.all("mapping", entity.tenant_id)]
        elif kind == "user":
            named = [place.tenant_id for place in entity.memberships]
        elif kind == "routing_policy":
            named = [entity.tenant_id] if entity.tenant_id is not None else []
        elif kind == "token":
            named = [entity.tenant_id]
            owner = await self._owner(entity)
        return Surroundings(
            now=self._clock(),
            user_groups=frozenset(labels["user"]),
            channel_groups=frozenset(labels["channel"]),
            channel_type=find(entity.type) if kind == "channel" else None,
            cards=tuple(cards),
            mappings=tuple(mappings),
            tenants=await self._store.tenants(named) if named else frozenset(),
            owner=owner,
            users_of=await self._users_of(entity) if archive and kind == "group" else 0,
        )

    async def _owner(self, token: Token) -> User | None:
        found = await self._store.get("user", token.user_id, PLATFORM)
        return found.entity if found is not None and not found.archived else None
