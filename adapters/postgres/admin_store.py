"""Queries over what people administer, and the tables that hold its secrets.

Reads see the generation of the read model that is live at that moment. What `projections.entities` has not folded yet
is not there.
"""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from adapters.postgres.admin_lists import DEFAULT_SORT, conditions, cursor, order_of, read_cursor
from adapters.postgres.row_security import confined_to, owner_of
from adapters.vault import Sealed
from domain.admin.entities import KINDS, User
from domain.admin.events import Bulk
from domain.admin.rules import id_of
from domain.events import decode
from domain.ids import PLATFORM, EventId, TenantId, day_of

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_OF_TENANTS: Final = frozenset({"tenant", "token"})
"""Kinds that stand in the lane of the tenant whose they are, and that tenants read."""

LIVE: Final = "(SELECT generation FROM projection.generation WHERE name = 'entities' AND state = 'live')"

_COLUMNS: Final = "kind, entity_id, tenant_id, version, position, archived, created_at, updated_at, state"

PAGE_MAX: Final = 500

_MEMBER: Final = (
    "EXISTS (SELECT FROM admin.entity_key AS k WHERE k.key = {} AND k.kind = 'member'"
    " AND k.entity_id = e.entity_id AND k.tenant_id = e.tenant_id AND k.generation = e.generation)"
)

_DECODERS: Final = {kind: msgspec.json.Decoder(type_) for kind, type_ in KINDS.items()}


class Stored(msgspec.Struct, frozen=True, kw_only=True):
    """An administered thing as it stands."""

    kind: str
    entity_id: str
    tenant_id: TenantId
    """In whose lane its events are: the tenant's own, or the platform's."""
    version: int
    """How often it changed, its creation included: what a change must name."""
    position: int
    """Of its last event in the lane."""
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime
    entity: Any
    """One of `domain.admin.entities`, as `kind` says."""


class Page(msgspec.Struct, frozen=True):
    """A part of a list."""

    items: tuple[Stored, ...]
    next: str | None
    """What to ask for next; None at the end."""


class HistoryEntry(msgspec.Struct, frozen=True):
    """One change of a thing: an event with before, after and reason."""

    version: int
    position: int
    event_id: EventId
    type: str
    value: Any
    actor: str
    correlation_id: str
    recorded_at: dt.datetime


class _Reasoned(msgspec.Struct):
    reason: str = ""


_REASON: Final = msgspec.json.Decoder(_Reasoned).decode


class Claim(msgspec.Struct, frozen=True):
    """An idempotency key as it was first used."""

    event_id: EventId
    body_hash: bytes
    response: bytes | None
    fresh: bool
    """Whether this call was the first with the key."""
    address: str = ""
    """Whence the first one came."""


def stored(row: "asyncpg.Record") -> Stored:
    """Give the value of a row of admin.entity."""
    kind = row["kind"]
    return Stored(
        kind=kind,
        entity_id=row["entity_id"],
        tenant_id=TenantId(row["tenant_id"]),
        version=row["version"],
        position=row["position"],
        archived=row["archived"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
        entity=_DECODERS[kind].decode(row["state"]),
    )


class AdminStore:
    """What the tables of the schema `admin` can be asked."""

    def __init__(self, pool: "Pool") -> None:
        """Take a pool; one of `row_security` confines what is read of tenants' things.

        People and the platform's own things stand in the platform's lane: reading them names whose they are, or what.
        """
        self._pool = owner_of(pool)
        self._confined = pool

    def _reading(self, kind: str) -> "Pool":
        return self._confined if kind in _OF_TENANTS else self._pool

    async def get(self, kind: str, entity_id: str, tenant_id: TenantId | None) -> Stored | None:
        """Give a thing of a tenant, or of anybody if no tenant is named."""
        row = await self._reading(kind).fetchrow(
            f"SELECT {_COLUMNS} FROM admin.entity WHERE entity_id = $1 AND kind = $2"  # noqa: S608 -- constants only
            f" AND ($3::bigint IS NULL OR tenant_id = $3) AND generation = {LIVE}",
            entity_id,
            kind,
            tenant_id,
        )
        return stored(row) if row is not None else None

    async def find(self, kind: str, key: str) -> Stored | None:
        """Give the token of a hash, the user of a login, or the batch of a code's hash."""
        row = await self._reading(kind).fetchrow(
            f"SELECT {_columns('e')} FROM admin.entity_key AS k"  # noqa: S608 -- constants only
            " JOIN admin.entity AS e ON e.entity_id = k.entity_id AND e.kind = k.kind AND e.tenant_id = k.tenant_id"
            f" AND e.generation = k.generation WHERE k.key = $1 AND k.kind = $2 AND k.generation = {LIVE}",
            key,
            kind,
        )
        return stored(row) if row is not None else None

    async def all(self, kind: str, tenant_id: TenantId) -> list[Stored]:
        """Give all things of a kind in a tenant's lane that are not archived, in the order of their last change."""
        rows = await self._reading(kind).fetch(
            f"SELECT {_COLUMNS} FROM admin.entity WHERE tenant_id = $1 AND kind = $2 AND NOT archived"  # noqa: S608 -- constants only
            f" AND generation = {LIVE} ORDER BY position",
            tenant_id,
            kind,
        )
        return [stored(row) for row in rows]

    async def page(
        self,
        kind: str,
        *,
        tenant_id: TenantId | None = None,
        tenant_ids: Sequence[TenantId] | None = None,
        owner: str | None = None,
        member_of: TenantId | None = None,
        search: str = "",
        archived: bool | None = False,
        filters: Mapping[str, Any] | None = None,
        sort: str = DEFAULT_SORT,
        after: str | None = None,
        limit: int = 50,
    ) -> Page:
        """Give a part of the list of a kind; see `app.administration.Administration.list`."""
        limit = max(1, min(limit, PAGE_MAX))
        order = order_of(sort)
        wanted = {
            "e.kind = {}": kind,
            "e.tenant_id = {}": tenant_id,
            "e.tenant_id = ANY ({}::bigint[])": tenant_ids,
            "e.owner = {}": owner,
            "e.archived = {}": archived,
            "strpos(e.name, {}) > 0": search.casefold() or None,
            _MEMBER: None if member_of is None else str(member_of),
            **conditions(kind, filters or {}),
        }
        # Only what is asked for is in the statement, so that each kind of list has a plan, and an index, of its own.
        where, values = [f"e.generation = {LIVE}"], []
        for condition, value in wanted.items():
            if value is not None:
                values.append(value)
                where.append(condition.format(f"${len(values)}"))
        if after is not None:
            where.append(order.beyond(len(values) + 1))
            values += read_cursor(order, after)
        rows = await self._reading(kind).fetch(
            f"SELECT {_COLUMNS}, name FROM admin.entity AS e WHERE {' AND '.join(where)}"  # noqa: S608 -- constants only
            f" ORDER BY {order.clause} LIMIT {limit + 1}",
            *values,
        )
        items = tuple(each for each in map(stored, rows[:limit]) if _may_see(each))
        return Page(items, cursor(order, rows[limit - 1]) if len(rows) > limit else None)

    async def history(self, kind: str, entity_id: str, tenant_id: TenantId | None, limit: int) -> list[HistoryEntry]:
        """Give the changes of a thing, the latest first."""
        rows = await self._reading(kind).fetch(
            "SELECT c.version, e.position, e.event_id, e.type, e.data, e.actor, e.correlation_id, e.recorded_at"  # noqa: S608 -- constants only
            " FROM (SELECT * FROM admin.entity_change WHERE entity_id = $1 AND kind = $2"
            f" AND ($3::bigint IS NULL OR tenant_id = $3) AND generation = {LIVE} ORDER BY version DESC LIMIT $4) AS c"
            " JOIN ledger.event AS e ON e.event_id = c.event_id AND e.tenant_id = c.tenant_id AND e.day = c.day"
            " ORDER BY c.version DESC",
            entity_id,
            kind,
            tenant_id,
            limit,
        )
        return [_entry(row, lambda value: _about(kind, entity_id, value)) for row in rows]

    async def member(self, user_id: str, tenant_id: TenantId) -> Stored | None:
        """Give somebody who is a member of a tenant; people are behind no policy, so a tenant is asked for here."""
        found = await self.get("user", user_id, PLATFORM) if _is_open(tenant_id) else None
        if found is None or found.archived:
            return None
        return found if any(place.tenant_id == tenant_id for place in found.entity.memberships) else None

    async def member_history(self, user_id: str, tenant_id: TenantId, limit: int) -> list[HistoryEntry]:
        """Give the changes of a person, the latest first, to be narrowed to what is about the tenant."""
        return await self.history("user", user_id, PLATFORM, limit) if _is_open(tenant_id) else []

    async def authors(self, kind: str, tenant_id: TenantId, things: Sequence[Stored]) -> dict[str, tuple[str, str]]:
        """Give who made each thing what it is, and why, by its id."""
        rows = await self._reading(kind).fetch(
            "SELECT c.entity_id, e.actor, e.data FROM admin.entity_change AS c"  # noqa: S608 -- constants only
            " JOIN ledger.event AS e ON e.event_id = c.event_id AND e.tenant_id = c.tenant_id AND e.day = c.day"
            " WHERE (c.entity_id, c.version) IN (SELECT * FROM unnest($3::text[], $4::bigint[]))"
            f" AND c.kind = $1 AND c.tenant_id = $2 AND c.generation = {LIVE}",
            kind,
            tenant_id,
            [thing.entity_id for thing in things],
            [thing.version for thing in things],
        )
        return {row["entity_id"]: (row["actor"], _REASON(row["data"]).reason) for row in rows}

    async def looks(self, tenant_id: TenantId, *, before: int | None, limit: int) -> list[HistoryEntry]:
        """Give the operator's looks at a tenant's data, the latest first; `before` is a position."""
        rows = await self._confined.fetch(
            "SELECT c.version, e.position, e.event_id, e.type, e.data, e.actor, e.correlation_id, e.recorded_at"  # noqa: S608 -- constants only
            " FROM (SELECT * FROM admin.entity_change WHERE entity_id = $1 AND kind = 'look' AND tenant_id = $2"
            f" AND version < $3 AND generation = {LIVE} ORDER BY version DESC LIMIT $4) AS c"
            " JOIN ledger.event AS e ON e.event_id = c.event_id AND e.tenant_id = c.tenant_id AND e.day = c.day"
            " ORDER BY c.version DESC",
            str(tenant_id),
            tenant_id,
            before if before is not None else 2**63 - 1,
            limit,
        )
        return [_entry(row) for row in rows]

    async def count(self, kind: str, owner: str) -> int:
        """Give how many things that are not archived name this owner, over all tenants."""
        found: int = await self._pool.fetchval(
            "SELECT count(*) FROM admin.entity WHERE owner = $1 AND kind = $2 AND NOT archived"  # noqa: S608 -- constants only
            f" AND generation = {LIVE}",
            owner,
            kind,
        )
        return found

    async def tenants(self, tenant_ids: Sequence[TenantId]) -> frozenset[TenantId]:
        """Give those of the tenants that are there and not archived."""
        rows = await self._pool.fetch(
            "SELECT tenant_id FROM admin.entity WHERE entity_id = ANY ($1::text[]) AND kind = 'tenant'"  # noqa: S608 -- constants only
            f" AND tenant_id = ANY ($2::bigint[]) AND NOT archived AND generation = {LIVE}",
            [str(tenant_id) for tenant_id in tenant_ids],
            list(tenant_ids),
        )
        return frozenset(TenantId(row["tenant_id"]) for row in rows)

    async def recorded(self, tenant_id: TenantId, event_id: str) -> tuple[str, Any] | None:
        """Give the stored name and the value of an event that the log has."""
        row = await self._pool.fetchrow(
            "SELECT type, data FROM ledger.event WHERE event_id = $1 AND tenant_id = $2 AND day = $3",
            event_id,
            tenant_id,
            day_of(event_id),
        )
        return (row["type"], decode(row["type"], row["data"])) if row is not None else None

    async def account(self, tenant_id: TenantId, account_id: str) -> int | None:
        """Give what is posted on an account of a tenant's first lane."""
        found: int | None = await self._pool.fetchval(
            "SELECT posted FROM ledger.account WHERE account_id = $1 AND tenant_id = $2", account_id, tenant_id
        )
        return found

    async def account_states(self, tenant_ids: Sequence[TenantId], account_ids: Sequence[str]) -> dict[str, bool]:
        """Give which of these accounts are there, and whether each is open."""
        rows = await self._pool.fetch(
            "SELECT account_id, open FROM ledger.account"
            " WHERE account_id = ANY ($1::uuid[]) AND tenant_id = ANY ($2::bigint[])",
            list(account_ids),
            list(tenant_ids),
        )
        return {str(row["account_id"]): row["open"] for row in rows}

    # What caches ask.

    async def positions(self, tenant_ids: Sequence[TenantId]) -> dict[TenantId, int]:
        """Give how far the configuration of each tenant has come; a tenant without any is left out."""
        rows = await self._pool.fetch(
            "SELECT tenant_id, position FROM admin.config_position WHERE lane = ANY ($1::bigint[])"  # noqa: S608 -- constants only
            f" AND tenant_id = ANY ($1::bigint[]) AND generation = {LIVE}",
            list(tenant_ids),
        )
        return {TenantId(row["tenant_id"]): row["position"] for row in rows}

    async def since(self, tenant_id: TenantId, position: int, kinds: Sequence[str]) -> list[Stored]:
        """Give what changed after a position, archived things included, in the order of change."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM admin.entity WHERE tenant_id = $1 AND position > $2"  # noqa: S608 -- constants only
            f" AND kind = ANY ($3::text[]) AND generation = {LIVE} ORDER BY position",
            tenant_id,
            position,
            list(kinds),
        )
        return [stored(row) for row in rows]

    async def changed_ids(self, tenant_id: TenantId, position: int, kind: str) -> list[str]:
        """Give the ids of what changed after a position."""
        rows = await self._pool.fetch(
            "SELECT entity_id FROM admin.entity WHERE tenant_id = $1 AND position > $2 AND kind = $3"  # noqa: S608 -- constants only
            f" AND generation = {LIVE}",
            tenant_id,
            position,
            kind,
        )
        return [row["entity_id"] for row in rows]

    async def tokens(self, hashes: Sequence[str]) -> list[Stored]:
        """Give the tokens of these hashes, revoked and archived ones included."""
        rows = await self._pool.fetch(
            f"SELECT {_columns('e')} FROM admin.entity_key AS k"  # noqa: S608 -- constants only
            " JOIN admin.entity AS e ON e.entity_id = k.entity_id AND e.kind = k.kind AND e.tenant_id = k.tenant_id"
            " AND e.generation = k.generation WHERE k.key = ANY ($1::text[]) AND k.kind = 'token'"
            f" AND k.generation = {LIVE}",
            list(hashes),
        )
        return [stored(row) for row in rows]

    async def entities(self, kind: str, tenant_ids: Sequence[TenantId], ids: Sequence[str] | None) -> list[Stored]:
        """Give the things of a kind in these tenants' lanes, all or those with these ids, archived ones included."""
        rows = await self._pool.fetch(
            f"SELECT {_COLUMNS} FROM admin.entity WHERE tenant_id = ANY ($1::bigint[]) AND kind = $2"  # noqa: S608 -- constants only
            f" AND ($3::text[] IS NULL OR entity_id = ANY ($3)) AND generation = {LIVE} ORDER BY entity_id",
            list(tenant_ids),
            kind,
            None if ids is None else list(ids),
        )
        return [stored(row) for row in rows]

    # Secrets.

    async def save_channel_key(self, channel_id: str, version: int, event_id: str, sealed: Sealed) -> None:
        """Keep a channel's key; it counts once the event is in the log."""
        await self._pool.execute(
            "INSERT INTO admin.channel_key (channel_id, version, event_id, key_id, nonce, ciphertext)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (channel_id, version, event_id)"
            " DO UPDATE SET key_id = $4, nonce = $5, ciphertext = $6",
            channel_id,
            version,
            event_id,
            *sealed,
        )

    async def drop_channel_keys(self, channel_id: str, version: int, event_id: str) -> None:
        """Forget a channel's keys of this version and before, but for the one of this event."""
        await self._pool.execute(
            "DELETE FROM admin.channel_key WHERE channel_id = $1 AND version <= $2 AND event_id <> $3",
            channel_id,
            version,
            event_id,
        )

    async def drop_channel_key(self, channel_id: str, event_id: str) -> None:
        """Forget a key whose event was refused."""
        await self._pool.execute(
            "DELETE FROM admin.channel_key WHERE channel_id = $1 AND event_id = $2", channel_id, event_id
        )

    async def channel_keys(self, channel_ids: Sequence[str]) -> dict[tuple[str, int], Sealed]:
        """Give the keys of these channels that count, by channel and version."""
        rows = await self._pool.fetch(
            "SELECT s.channel_id, s.version, s.key_id, s.nonce, s.ciphertext FROM admin.channel_key AS s"  # noqa: S608 -- constants only
            " JOIN admin.entity_key AS k ON k.key = s.channel_id || ':' || s.version AND k.kind = 'channel_key'"
            f" AND k.entity_id = s.event_id::text AND k.tenant_id = $2 AND k.generation = {LIVE}"
            " WHERE s.channel_id = ANY ($1::uuid[])",
            list(channel_ids),
            PLATFORM,
        )
        return {
            (str(row["channel_id"]), row["version"]): Sealed(row["key_id"], row["nonce"], row["ciphertext"])
            for row in rows
        }

    async def save_password(self, user_id: str, event_id: str, hashed: str) -> None:
        """Keep a password's hash; it counts once the event is in the log."""
        await self._pool.execute(
            "INSERT INTO admin.password (user_id, event_id, hash) VALUES ($1, $2, $3)"
            " ON CONFLICT (user_id, event_id) DO UPDATE SET hash = $3",
            user_id,
            event_id,
            hashed,
        )

    async def password(self, user_id: str) -> str | None:
        """Give the hash of the password that counts."""
        found: str | None = await self._pool.fetchval(
            "SELECT p.hash FROM admin.entity_key AS k JOIN admin.password AS p"  # noqa: S608 -- constants only
            " ON p.user_id = $1::uuid AND p.event_id::text = k.entity_id"
            f" WHERE k.key = $1::uuid::text AND k.kind = 'password' AND k.tenant_id = $2 AND k.generation = {LIVE}",
            user_id,
            PLATFORM,
        )
        return found

    async def replace_hash(self, user_id: str, old: str, new: str) -> None:
        """Store the same password under stronger parameters."""
        await self._pool.execute(
            "UPDATE admin.password SET hash = $3 WHERE user_id = $1 AND hash = $2", user_id, old, new
        )

    async def end_sessions(self, user_id: str, *, keep: str | None = None) -> int:
        """End a user's sessions, but for the one of this hash; give how many."""
        done = await self._pool.execute(
            "DELETE FROM admin.session WHERE user_id = $1 AND ($2::text IS NULL OR session_hash <> $2)", user_id, keep
        )
        return int(done.split()[-1])

    async def drop_passwords(self, user_id: str, event_id: str) -> None:
        """Forget a user's former passwords."""
        await self._pool.execute("DELETE FROM admin.password WHERE user_id = $1 AND event_id < $2", user_id, event_id)

    async def claim(
        self, tenant_id: TenantId, scope: str, key: str, event_id: str, body_hash: bytes, *, address: str = ""
    ) -> Claim:
        """Bind an idempotency key to an event id, or give what it was bound to before.

        The caller compares the body's hash, and does its work under the claim's event id either way: the ledger answers
        `exists` for what was done already.
        """
        row = await self._confined.fetchrow(
            "INSERT INTO admin.idempotency (key, scope, tenant_id, event_id, body_hash, address)"
            " VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (key, scope, tenant_id) DO UPDATE SET key = excluded.key"
            " RETURNING event_id, body_hash, response, address",
            key,
            scope,
            tenant_id,
            event_id,
            body_hash,
            address,
        )
        assert row is not None
        found = EventId(str(row["event_id"]))
        return Claim(found, row["body_hash"], row["response"], fresh=found == event_id, address=row["address"])

    async def answer_claim(self, tenant_id: TenantId, scope: str, key: str, response: bytes) -> None:
        """Keep what was answered, so that the same question gets the same answer."""
        await self._pool.execute(
            "UPDATE admin.idempotency SET response = $4 WHERE key = $2 AND scope = $3 AND tenant_id = $1",
            tenant_id,
            key,
            scope,
            response,
        )

    async def drop_claims(self, before: dt.datetime) -> int:
        """Forget old idempotency keys; give how many."""
        done = await self._pool.execute("DELETE FROM admin.idempotency WHERE created_at < $1", before)
        return int(done.split()[-1])


def _is_open(tenant_id: TenantId) -> bool:
    tenants = confined_to()
    return tenants is None or tenant_id in tenants


def _may_see(each: Stored) -> bool:
    """Say whether a request may list a thing: people are behind no policy, for they belong to several tenants."""
    tenants = confined_to()
    if tenants is None or not isinstance(each.entity, User):
        return True
    return any(place.tenant_id in tenants for place in each.entity.memberships)


def _entry(row: "asyncpg.Record", about: Callable[[Any], Any] = lambda value: value) -> HistoryEntry:
    return HistoryEntry(
        row["version"],
        row["position"],
        EventId(str(row["event_id"])),
        row["type"],
        about(decode(row["type"], row["data"])),
        row["actor"],
        str(row["correlation_id"]),
        row["recorded_at"],
    )


def _about(kind: str, entity_id: str, value: Any) -> Any:
    """Give what an event says of one thing."""
    if not isinstance(value, Bulk):
        return value
    return next(part for part in value.parts() if id_of(kind, part.after) == entity_id)


def _columns(alias: str) -> str:
    return ", ".join(f"{alias}.{column}" for column in _COLUMNS.split(", "))
