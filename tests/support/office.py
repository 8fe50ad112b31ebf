"""Everything that administers, on a database of a test's own."""

import contextlib
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
from argon2 import PasswordHasher

from adapters.ids import new_id
from adapters.passwords import Passwords
from adapters.postgres.flusher import Flusher
from adapters.vault import Vault
from app.administration import Administration, new_token_secret, secret_hint, secret_sha256
from domain.admin.entities import Channel, Group, Membership, Tenant, Token, User
from domain.ids import PLATFORM, AccountId, EntityId, TenantId, first_lane
from domain.ledger.commands import Answer, Code, Command, Kind, Leg, Unit
from projections.entities import Entities
from projections.folder import ensure

KEY = b"k" * 32
ACTOR = "user:tester"
NOBODY = EntityId("")
"""An id that is left to the product."""


class Office:
    """An administration, and short ways to make things with it."""

    def __init__(self, pool: "asyncpg.Pool[asyncpg.Record]", ledger: Flusher) -> None:
        self.pool = pool
        self.ledger = ledger
        self.vault = Vault({"test": KEY})
        # The weakest parameters that argon2 takes: what is tested is who may log in, not how long it takes.
        self.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
        self.administration = Administration(ledger, pool, self.vault, passwords=self.passwords)

    async def create(self, kind: str, entity: Any, **more: Any) -> Any:
        return await self.administration.create(kind, entity, actor=ACTOR, **more)

    async def group(self, label: str = "default", side: Any = "user") -> Any:
        return await self.create("group", Group(group_id=NOBODY, side=side, label=label, name=label))

    async def tenant(self, **more: Any) -> Any:
        return await self.create("tenant", Tenant(tenant_id=TenantId(0), name="Acme", **more))

    async def user(self, login: str, *tenants: TenantId, **more: Any) -> Any:
        places = tuple(Membership(tenant_id, "member") for tenant_id in tenants)
        return await self.create("user", User(user_id=NOBODY, login=login, name=login, memberships=places, **more))

    async def token(
        self, tenant_id: TenantId, user_id: EntityId, *, secret: str | None = None, **more: Any
    ) -> tuple[Any, str]:
        secret = secret or new_token_secret()
        token = Token(
            token_id=NOBODY,
            tenant_id=tenant_id,
            user_id=user_id,
            name="a token",
            sha256=secret_sha256(secret),
            hint=secret_hint(secret),
            **more,
        )
        return await self.create("token", token), secret

    async def channel(self, name: str = "vendor", secret: str | None = None, **more: Any) -> Any:
        fields: dict[str, Any] = {"base_url": "https://api.example.com/v1", "models": ("model-a",)}
        channel = Channel(channel_id=NOBODY, name=name, type="openai", **(fields | more))
        return await self.create("channel", channel, secret=secret)

    async def customer(self) -> tuple[Any, Any, Any, str]:
        """Make a tenant with a member who has a token."""
        tenant = await self.tenant()
        user = await self.user(f"user-{tenant.tenant_id}", tenant.tenant_id)
        token, secret = await self.token(tenant.tenant_id, user.entity.user_id)
        return tenant, user, token, secret

    async def hold(self, tenant_id: TenantId, account: AccountId) -> Answer:
        """Try what a request would: a hold of nothing on an account, which is refused if it is closed."""
        hold_id = new_id()
        return await self.ledger.submit(
            Command(
                tenant_id=tenant_id,
                lane=first_lane(tenant_id),
                kind=Kind.HOLD,
                event_id=hold_id,  # type: ignore[arg-type]  # made here
                hold_id=hold_id,  # type: ignore[arg-type]
                type="hold.authorized.v1",
                data=b"{}",
                actor=ACTOR,
                correlation_id=hold_id,
                causation_id=hold_id,
                timeout_seconds=60,
                legs=(Leg(account, 0, op=Unit.MONEY),),
            )
        )

    async def is_open(self, tenant_id: TenantId, account: AccountId) -> bool:
        return (await self.hold(tenant_id, account)).code is Code.OK

    async def events(self, tenant_id: TenantId = PLATFORM) -> list[str]:
        rows = await self.pool.fetch(
            "SELECT type FROM ledger.event WHERE tenant_id = $1 ORDER BY lane, position", tenant_id
        )
        return [row["type"] for row in rows]


@contextlib.asynccontextmanager
async def open_office(dsn: str) -> AsyncIterator[Office]:
    """Give an office whose platform has the lane, and the read model its first generation."""
    ledger = Flusher(dsn)
    await ledger.start()
    async with asyncpg.create_pool(dsn, min_size=2, max_size=10) as pool:
        await pool.execute("SELECT ledger.create_days((now() AT TIME ZONE 'UTC')::date - 1, 3)")
        await ledger.open_lane(PLATFORM, first_lane(PLATFORM))
        await ensure(pool, [Entities()])
        try:
            yield Office(pool, ledger)
        finally:
            await ledger.stop(5.0)
