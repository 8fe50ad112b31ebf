"""Configuration and tokens in memory, at most about a second behind the log.

One query a second asks how far the configuration of each tenant in memory has come; only what moved is read. What must
hold at once (a revoked token, a suspended tenant, a spent budget) does not wait for this: the ledger refuses it. While
PostgreSQL is away what is here goes on being served.
"""

import asyncio
import contextlib
from collections import OrderedDict, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import structlog

from adapters.postgres.admin_store import AdminStore, Stored
from adapters.postgres.errors import AWAY
from adapters.vault import Vault, VaultError
from app.snapshot import KINDS, Snapshot, TokenContext
from domain.ids import PLATFORM, TenantId
from domain.routing.choice import Traits

if TYPE_CHECKING:
    import asyncpg

    from domain.admin.entities import Channel

    Pool = asyncpg.Pool[asyncpg.Record]

POLL_SECONDS: Final = 1.0
TOKENS_MAX: Final = 100_000
"""Tokens kept in memory; the one that was not asked for the longest goes first."""
UNKNOWN_MAX: Final = 10_000
UNKNOWN_SECONDS: Final = 1.0
"""How long a token that nobody knows is not looked for again: one made on another node works after that."""
_QUERY_SECONDS: Final = 5.0
_LOOKUPS_AT_ONCE: Final = 500


_log = structlog.get_logger(__name__)

__all__ = ["Catalog", "CatalogUnavailableError", "NoChannelKeyError", "Snapshot", "TokenContext"]


class CatalogUnavailableError(Exception):
    """PostgreSQL is away, and the token is not in memory: it cannot be told whether it is good."""


class NoChannelKeyError(Exception):
    """A channel's key cannot be read: it has none, or it does not decrypt."""


class Catalog:
    """What the hot path reads."""

    def __init__(
        self,
        pool: "Pool",
        vault: Vault,
        *,
        poll_seconds: float = POLL_SECONDS,
        tokens_max: int = TOKENS_MAX,
        unknown_seconds: float = UNKNOWN_SECONDS,
        traits: Mapping[str, Traits] | None = None,
    ) -> None:
        """Take where configuration is kept, what opens the channels' keys, and what channel types can do."""
        self._traits = traits
        self._store = AdminStore(pool)
        self._vault = vault
        self._poll_seconds = poll_seconds
        self._tokens_max = tokens_max
        self._unknown_seconds = unknown_seconds
        self.snapshot = Snapshot(0, ())
        """The present configuration of the platform; take it once per request."""
        self.fresh = False
        """Whether the last look at the database came through."""
        self._things: dict[tuple[str, str], Stored] = {}
        self._keys: dict[tuple[str, int], str] = {}
        self._contexts: OrderedDict[str, TokenContext] = OrderedDict()
        self._positions: dict[TenantId, int] = {}
        self._by_tenant: dict[TenantId, set[str]] = defaultdict(set)
        self._by_user: dict[str, set[str]] = defaultdict(set)
        self._platform_position = 0
        self._users_position = 0
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._wanted: dict[str, asyncio.Future[TokenContext | None]] = {}
        self._busy = asyncio.Lock()
        self._tasks: list[asyncio.Task[None]] = []
        self._lookup: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read the configuration, and go on following it; raises what the database raises."""
        await self._read()
        self._tasks = [asyncio.create_task(self._follow(), name="catalog")]

    async def stop(self) -> None:
        """Follow no more; what is in memory stays readable."""
        for task in (*self._tasks, *([self._lookup] if self._lookup is not None else [])):
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        self._tasks = []
        for waiting in self._wanted.values():
            waiting.cancel()
        self._wanted.clear()

    @property
    def position(self) -> int:
        """How far the platform's configuration has been looked at, whether or not anything of it had changed."""
        return self._platform_position

    # The hot path.

    def cached_token(self, sha256: str) -> TokenContext | None:
        """Give what is in memory of a token; None says only that `token` has to be asked."""
        context = self._contexts.get(sha256)
        if context is not None:
            self._contexts.move_to_end(sha256)
        return context

    async def token(self, sha256: str) -> TokenContext | None:
        """Give a token by its secret's SHA-256, or None if there is none; CatalogUnavailableError if nobody can say."""
        context = self.cached_token(sha256)
        if context is not None:
            return context
        now = asyncio.get_running_loop().time()
        if self._unknown.get(sha256, 0.0) > now:
            return None
        waiting = self._wanted.get(sha256)
        if waiting is None:
            waiting = self._wanted[sha256] = asyncio.get_running_loop().create_future()
            if self._lookup is None or self._lookup.done():
                self._lookup = asyncio.create_task(self._look_up(), name="catalog-lookup")
        # One caller that gives up must not take the answer from the others.
        return await asyncio.shield(waiting)

    def channel_key(self, channel: "Channel") -> str:
        """Give a channel's vendor key, or "" if it was given none; NoChannelKeyError if it cannot be read."""
        if channel.key_version == 0:
            return ""
        # The next one is there when the key was changed between the reading of the channel and that of its key.
        key = self._keys.get((channel.channel_id, channel.key_version)) or self._keys.get(
            (channel.channel_id, channel.key_version + 1)
        )
        if key is None:
            raise NoChannelKeyError(f"the key of channel {channel.name!r} cannot be read")
        return key

    # Freshness.

    async def refresh(self, _tenant_id: TenantId | None = None) -> None:
        """Follow at once what has changed: the `on_change` of `Administration`. Never fails, for the change is made."""
        try:
            await self._read()
        except AWAY as error:
            self._note_stale(error)

    async def _read(self) -> None:
        async with self._busy, asyncio.timeout(_QUERY_SECONDS):
            # Anything may have been made: look for it again.
            self._unknown.clear()
            await self._refresh()

    async def _follow(self) -> None:
        while True:
            await asyncio.sleep(self._poll_seconds)
            try:
                async with self._busy, asyncio.timeout(_QUERY_SECONDS):
                    await self._refresh()
            except Exception as error:  # noqa: BLE001 -- whatever it is, what is here is served on and said to be stale
                self._note_stale(error)

    def _note_stale(self, error: Exception) -> None:
        if self.fresh:
            _log.warning("catalog_stale", error=f"{type(error).__name__}: {error}")
        self.fresh = False

    async def _refresh(self) -> None:
        tenants = list(self._by_tenant)
        positions = await self._store.positions([PLATFORM, *tenants])
        platform = positions.get(PLATFORM, 0)
        if platform > self._platform_position:
            await self._read_platform(platform)
        stale: set[str] = set()
        if platform > self._users_position:
            for user_id in await self._store.changed_ids(PLATFORM, self._users_position, "user"):
                stale |= self._by_user.get(user_id, set())
        for tenant_id in tenants:
            if positions.get(tenant_id, 0) > self._positions.get(tenant_id, 0):
                stale |= self._by_tenant[tenant_id]
        if stale:
            await self._load(sorted(stale))
        # Only now, for the reading may have failed. As far as was seen before it: more may have changed since.
        self._users_position = platform
        self._positions |= {
            tenant_id: positions.get(tenant_id, 0) for tenant_id in tenants if tenant_id in self._by_tenant
        }
        self._drop_expired()
        if not self.fresh:
            self.fresh = True
            _log.info("catalog_fresh", position=self.snapshot.position)

    async def _read_platform(self, position: int) -> None:
        """Read what changed on the platform, and only that: rate cards are large."""
        changed = await self._store.since(PLATFORM, self._platform_position, KINDS)
        if not changed:
            self._platform_position = position
            return
        for thing in changed:
            self._things[thing.kind, thing.entity_id] = thing
        channels = [thing.entity for thing in changed if thing.kind == "channel" and not thing.archived]
        await self._read_keys([channel for channel in channels if channel.key_version])
        self._platform_position = max([position, *(thing.position for thing in changed)])
        self.snapshot = Snapshot(self._platform_position, self._things.values(), self._traits)
        in_use = {(c.channel_id, c.key_version) for c in self.snapshot.channels_by_id.values()}
        # A request that began before the change may still want the former key: one version is kept.
        self._keys = {
            (channel_id, version): key
            for (channel_id, version), key in self._keys.items()
            if (channel_id, version) in in_use or (channel_id, version + 1) in in_use
        }

    async def _read_keys(self, channels: Sequence["Channel"]) -> None:
        missing = [c.channel_id for c in channels if (c.channel_id, c.key_version) not in self._keys]
        if not missing:
            return
        for (channel_id, version), sealed in (await self._store.channel_keys(missing)).items():
            try:
                self._keys[channel_id, version] = self._vault.unseal(sealed, f"channel:{channel_id}:{version}")
            except VaultError as error:
                _log.error("channel_key_unreadable", channel_id=channel_id, error=str(error))

    async def _look_up(self) -> None:
        """Answer all that wait for a token: together, for a flood of unknown ones must not be one of queries."""
        while self._wanted:
            hashes = list(self._wanted)[:_LOOKUPS_AT_ONCE]
            failure: Exception | None = None
            try:
                async with self._busy, asyncio.timeout(_QUERY_SECONDS):
                    await self._load(hashes)
            except Exception as error:  # noqa: BLE001 -- somebody waits for an answer, whatever it is
                failure = CatalogUnavailableError(f"a token cannot be looked for: {type(error).__name__}")
                self._note_stale(error)
            until = asyncio.get_running_loop().time() + self._unknown_seconds
            for sha256 in hashes:
                waiting = self._wanted.pop(sha256)
                if failure is None and sha256 not in self._contexts:
                    self._unknown.pop(sha256, None)
                    self._unknown[sha256] = until
                if waiting.done():
                    continue
                if failure is not None:
                    waiting.set_exception(failure)
                    # Nobody may be left to hear of it.
                    waiting.exception()
                else:
                    waiting.set_result(self._contexts.get(sha256))
            while len(self._unknown) > UNKNOWN_MAX:
                self._unknown.popitem(last=False)

    async def _load(self, hashes: Sequence[str]) -> None:
        """Read tokens with all that they need, and forget those of these that are there no more."""
        tokens = await self._store.tokens(hashes)
        tenant_ids = sorted({token.tenant_id for token in tokens})
        by_id = [str(tenant_id) for tenant_id in tenant_ids]
        tenants = await self._store.entities("tenant", tenant_ids, by_id) if tokens else []
        mappings = await self._store.entities("mapping", tenant_ids, None) if tokens else []
        user_ids = sorted({token.entity.user_id for token in tokens})
        users = await self._store.entities("user", [PLATFORM], user_ids) if tokens else []
        known = set(self._positions)
        self._forget(hashes)
        owners = {user.entity_id: user.entity for user in users if not user.archived}
        payers = {tenant.tenant_id: tenant.entity for tenant in tenants if not tenant.archived}
        own = defaultdict(list)
        for mapping in mappings:
            if not mapping.archived:
                own[mapping.tenant_id].append(mapping.entity)
        for stored in tokens:
            token = stored.entity
            # An archived tenant's tokens are as good as none; an archived token is like one that never was.
            if stored.archived or token.tenant_id not in payers:
                continue
            tenant = payers[token.tenant_id]
            context = TokenContext(token, tenant, owners.get(token.user_id), own[token.tenant_id])
            for sha256 in {token.sha256, token.previous_sha256}.intersection(hashes):
                self._remember(sha256, context)
        for stored in tokens:
            # What is read first says how far the rest is read at least. Of a known tenant other tokens may be older.
            if stored.tenant_id in self._by_tenant and stored.tenant_id not in known:
                self._positions[stored.tenant_id] = max(stored.position, self._positions.get(stored.tenant_id, 0))

    def _remember(self, sha256: str, context: TokenContext) -> None:
        self._contexts[sha256] = context
        self._by_tenant[context.tenant.tenant_id].add(sha256)
        self._by_user[context.token.user_id].add(sha256)
        self._unknown.pop(sha256, None)
        while len(self._contexts) > self._tokens_max:
            self._forget([next(iter(self._contexts))])

    def _forget(self, hashes: Iterable[str]) -> None:
        for sha256 in hashes:
            context = self._contexts.pop(sha256, None)
            if context is None:
                continue
            tenant_id, user_id = context.tenant.tenant_id, context.token.user_id
            self._by_tenant[tenant_id].discard(sha256)
            if not self._by_tenant[tenant_id]:
                del self._by_tenant[tenant_id]
                self._positions.pop(tenant_id, None)
            self._by_user[user_id].discard(sha256)
            if not self._by_user[user_id]:
                del self._by_user[user_id]

    def _drop_expired(self) -> None:
        now = asyncio.get_running_loop().time()
        while self._unknown and next(iter(self._unknown.values())) <= now:
            self._unknown.popitem(last=False)
