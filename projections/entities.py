"""The present state of what people administer, its other names, and how far each lane's configuration has come."""

from collections.abc import Mapping as PerType
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, assert_never

import msgspec

from domain.admin.entities import (
    ARCHIVED_FOR_GOOD,
    BULK_KINDS,
    KINDS,
    Announcement,
    Channel,
    CodeBatch,
    Entity,
    Group,
    Mapping,
    Multiplier,
    PriceBook,
    RoutingPolicy,
    Setting,
    Tenant,
    Token,
    User,
)
from domain.admin.events import (
    Archived,
    Bulk,
    Changed,
    ChannelKeyChanged,
    Created,
    PasswordChanged,
    Restored,
    TenantLooked,
)
from domain.events import TYPES, encode
from domain.ids import day_of

if TYPE_CHECKING:
    import asyncpg
    from asyncpg.pool import PoolConnectionProxy

    from projections.base import StoredEvent

    Connection = asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]

_VERBS: Final = ("created", "changed", "archived")

_LOAD: Final = """
SELECT e.tenant_id, e.kind, e.entity_id, e.version, e.position, e.archived, e.created_at, e.updated_at, e.state
FROM unnest($1::bigint[], $2::text[], $3::text[]) AS u (tenant_id, kind, entity_id)
JOIN admin.entity AS e ON e.entity_id = u.entity_id AND e.kind = u.kind AND e.tenant_id = u.tenant_id
WHERE e.generation = $4
"""

_SAVE: Final = """
INSERT INTO admin.entity (entity_id, kind, tenant_id, generation, version, position, name, owner, archived, created_at,
    updated_at, state)
SELECT u.entity_id, u.kind, u.tenant_id, $1, u.version, u.position, u.name, u.owner, u.archived, u.created_at,
    u.updated_at, u.state
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::text[], $8::text[], $9::boolean[],
    $10::timestamptz[], $11::timestamptz[], $12::bytea[])
    AS u (entity_id, kind, tenant_id, version, position, name, owner, archived, created_at, updated_at, state)
ON CONFLICT (entity_id, kind, tenant_id, generation) DO UPDATE SET version = excluded.version,
    position = excluded.position, name = excluded.name, owner = excluded.owner, archived = excluded.archived,
    updated_at = excluded.updated_at, state = excluded.state
"""

_NOTE: Final = """
INSERT INTO admin.entity_change (entity_id, kind, tenant_id, generation, version, position, event_id, day)
SELECT u.entity_id, u.kind, u.tenant_id, $1, u.version, u.position, u.event_id, u.day
FROM unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::uuid[], $8::date[])
    AS u (entity_id, kind, tenant_id, version, position, event_id, day)
"""

_FORGET_KEYS: Final = """
DELETE FROM admin.entity_key AS k USING unnest($1::text[], $2::bigint[]) AS u (entity_id, tenant_id)
WHERE k.entity_id = u.entity_id AND k.tenant_id = u.tenant_id AND k.kind = ANY ($3::text[]) AND k.generation = $4
"""

_FORGET_SECRETS: Final = """
DELETE FROM admin.entity_key AS k USING unnest($1::text[], $2::text[], $3::bigint[]) AS u (key, kind, tenant_id)
WHERE k.key = u.key AND k.kind = u.kind AND k.tenant_id = u.tenant_id AND k.generation = $4
"""

_KEYS: Final = """
INSERT INTO admin.entity_key (key, kind, entity_id, tenant_id, generation)
SELECT u.key, u.kind, u.entity_id, u.tenant_id, $1
FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[]) AS u (key, kind, entity_id, tenant_id)
"""

_MOVE: Final = """
INSERT INTO admin.config_position (tenant_id, lane, generation, position)
SELECT u.tenant_id, u.lane, $1, u.position FROM unnest($2::bigint[], $3::bigint[], $4::bigint[])
    AS u (tenant_id, lane, position)
ON CONFLICT (lane, tenant_id, generation) DO UPDATE SET position = excluded.position
"""

_Key = tuple[int, str, str]
"""Whose lane it is in, its kind and its id: the order in which rows are locked."""


class _Row(msgspec.Struct):
    """One thing while it is folded."""

    tenant_id: int
    kind: str
    entity_id: str
    version: int
    position: int
    archived: bool
    created_at: Any
    updated_at: Any
    state: Any


class Entities:
    """Folds the events of administration. No two processes fold one lane at once: the caller holds its checkpoint."""

    name = "entities"
    version = 1
    tables: tuple[str, ...] = ("admin.entity", "admin.entity_key", "admin.entity_change", "admin.config_position")
    types: frozenset[str] = frozenset(
        {f"{kind}.{verb}.v1" for kind in KINDS for verb in _VERBS}
        | {f"{kind}.restored.v1" for kind in KINDS if kind not in ARCHIVED_FOR_GOOD}
        | {f"{kind}.bulk.v1" for kind in BULK_KINDS}
        | {"channel_key.changed.v1", "password.changed.v1", "tenant.looked.v1"}
    )
    shapes: PerType[str, Any] = {name: TYPES[name] for name in types & TYPES.keys()}
    effects: frozenset[str] = frozenset()
    names = True

    async def apply(self, connection: "Connection", generation: int, events: Sequence["StoredEvent"]) -> None:
        """Fold events of any lanes, each lane's in order; the caller commits."""
        if not events:
            return
        heads = {(event.lane, event.tenant_id): event.position for event in events}
        events = [part for event in events for part in _parts(event)]
        rows = await self._load(connection, generation, events)
        changes: list[tuple[Any, ...]] = []
        secrets: dict[tuple[str, str, int], str] = {}
        for event in events:
            tenant_id = event.tenant_id
            if isinstance(event.value, PasswordChanged):
                secrets[event.value.user_id, "password", tenant_id] = str(event.event_id)
                continue
            if isinstance(event.value, TenantLooked):
                # Of no thing's history, but found by the same key: the positions of looks at the tenant.
                at = event.position
                changes.append((str(tenant_id), "look", tenant_id, at, at, event.event_id, day_of(event.event_id)))
                continue
            key = _subject(event)
            row = rows[key] = _fold(rows.get(key), key, event)
            _, kind, entity_id = key
            changes.append(
                (entity_id, kind, tenant_id, row.version, row.position, event.event_id, day_of(event.event_id))
            )
            if kind == "channel" and isinstance(event.value, ChannelKeyChanged | Created) and row.state.key_version:
                secrets[f"{entity_id}:{row.state.key_version}", "channel_key", tenant_id] = str(event.event_id)
        if rows:
            await self._save(connection, generation, [rows[key] for key in sorted(rows)])
        if changes:
            await connection.execute(_NOTE, generation, *_columns(changes))
        if secrets:
            await connection.execute(_FORGET_SECRETS, *_columns(list(secrets)), generation)
            named = [(key, kind, event_id, tenant_id) for (key, kind, tenant_id), event_id in secrets.items()]
            await connection.execute(_KEYS, generation, *_columns(named))
        moved = [(tenant_id, lane, heads[lane, tenant_id]) for lane, tenant_id in sorted(heads)]
        await connection.execute(_MOVE, generation, *_columns(moved))

    async def _load(
        self, connection: "Connection", generation: int, events: Sequence["StoredEvent"]
    ) -> dict[_Key, _Row]:
        subjects = {_subject(event) for event in events if not isinstance(event.value, PasswordChanged | TenantLooked)}
        if not subjects:
            return {}
        rows = [_Row(**dict(row)) for row in await connection.fetch(_LOAD, *_columns(sorted(subjects)), generation)]
        for row in rows:
            row.state = msgspec.json.decode(row.state, type=KINDS[row.kind])
        return {(row.tenant_id, row.kind, row.entity_id): row for row in rows}

    async def _save(self, connection: "Connection", generation: int, rows: Sequence[_Row]) -> None:
        saved = [
            (
                row.entity_id, row.kind, row.tenant_id, row.version, row.position, _name(row.state), _owner(row.state),
                row.archived, row.created_at, row.updated_at, encode(row.state),
            )
            for row in rows
        ]  # fmt: skip
        await connection.execute(_SAVE, generation, *_columns(saved))
        forgotten = _columns([(row.entity_id, row.tenant_id) for row in rows])
        await connection.execute(_FORGET_KEYS, *forgotten, ["token", "user", "member", "code_batch"], generation)
        found = [(key, kind, row.entity_id, row.tenant_id) for row in rows for kind, key in _keys(row)]
        if found:
            await connection.execute(_KEYS, generation, *_columns(found))


def _parts(event: "StoredEvent") -> list["StoredEvent"]:
    """Give an event about several things as one about each of them."""
    if not isinstance(event.value, Bulk):
        return [event]
    return [msgspec.structs.replace(event, value=part) for part in event.value.parts()]


def _subject(event: "StoredEvent") -> _Key:
    """Give what an event is about."""
    if isinstance(event.value, ChannelKeyChanged):
        return event.tenant_id, "channel", event.value.channel_id
    kind = event.type.split(".", 1)[0]
    entity = event.value.before if isinstance(event.value, Archived) else event.value.after
    return event.tenant_id, kind, str(getattr(entity, KINDS[kind].__struct_fields__[0]))


def _fold(row: _Row | None, key: _Key, event: "StoredEvent") -> _Row:
    """Give a thing as an event left it; the fact has happened, so nothing is refused."""
    match event.value:
        case Created(after=after) | Changed(after=after) | Restored(after=after):
            state, archived = after, False
        case Archived(before=before):
            state, archived = before, True
        case ChannelKeyChanged(hint=hint, version=version):
            assert row is not None
            state, archived = msgspec.structs.replace(row.state, key_hint=hint, key_version=version), row.archived
        case _:
            raise TypeError(f"not an event of administration: {event.type}")
    created_at = row.created_at if row is not None else event.recorded_at
    changes = row.version + 1 if row is not None else 1
    return _Row(*key, changes, event.position, archived, created_at, event.recorded_at, state)


def _keys(row: _Row) -> list[tuple[str, str]]:
    """Give the other names of a thing. A revoked token keeps its: whoever shows it is told that it is revoked."""
    match row.state:
        case Token(sha256=sha256, previous_sha256=previous):
            return [("token", each) for each in (sha256, previous) if each]
        case CodeBatch(hashes=hashes):
            return [("code_batch", code) for code in hashes]
        case User(login=login, memberships=memberships) if not row.archived:
            return [("user", login), *(("member", str(place.tenant_id)) for place in memberships)]
        case _:
            return []


def _name(entity: Entity) -> str:
    """Give what people search a list for."""
    match entity:
        case User():
            text = f"{entity.login} {entity.name}"
        case Token():
            text = f"{entity.name} {entity.hint}"
        case Group():
            text = f"{entity.label} {entity.name}"
        case Mapping():
            text = f"{entity.model} {entity.target}"
        case PriceBook():
            text = f"{entity.card.card_id} {entity.card.source}"
        case Announcement():
            text = entity.title
        case Multiplier():
            text = f"{entity.user_group} {entity.channel_group}"
        case Tenant() | Channel() | CodeBatch() | Setting() | RoutingPolicy():
            text = entity.name
        case _:
            assert_never(entity)
    return text.casefold()


def _owner(entity: Entity) -> str:
    """Give what lists are narrowed by: a token's user, a tenant's group, a group's side, a card's use."""
    match entity:
        case Token():
            return entity.user_id
        case Tenant():
            return entity.user_group
        case Group():
            return entity.side
        case PriceBook():
            return entity.use
        case _:
            return ""


def _columns(rows: Sequence[tuple[Any, ...]]) -> list[list[Any]]:
    return [list(column) for column in zip(*rows, strict=True)]
