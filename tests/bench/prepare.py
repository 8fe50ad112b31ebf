"""A data directory for the benchmark: tenants with tokens and credit, and channels to the mock vendors.

Groups, prices and channels come from the product's own first start and administration. The tenants' commands are those
that the administration sends, in batches: one by one, a thousand tenants would take most of a minute.
"""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import asyncpg
import msgspec

from adapters.clock import now
from adapters.ids import new_id, new_tenant_id
from adapters.postgres.embedded import EmbeddedPostgres
from adapters.postgres.flusher import Flusher
from adapters.postgres.migrate import migrate
from adapters.vault import Vault
from app.administration import Administration, new_token_secret, secret_hint, secret_sha256
from app.bootstrap import bootstrap
from app.projections import PROJECTIONS
from app.wallets import GrantTerms, Wallets
from domain.admin.changes import decide
from domain.admin.entities import Channel, Entity, Membership, Tenant, Token, User
from domain.admin.events import Created
from domain.admin.rules import home
from domain.events import admin_type_name, encode
from domain.ids import EntityId, EventId, TenantId, first_lane
from domain.ledger.commands import Code, Command, Kind
from projections.runner import Runner

ACTOR = "system:bench"
MODEL_AT_ONCE = "gpt-4o-mini"
MODEL_PACED = "gpt-4o"
"""Both are in the bundled rate card; each leads to a vendor of its own."""
_CREDIT_NANOS = 10**15
_FOLD_SECONDS_MAX = 60.0


class Customer(msgspec.Struct, frozen=True):
    """A tenant with one member, who has one token."""

    tenant: Tenant
    user: User
    token: Token
    secret: str

    @classmethod
    def make(cls, number: int) -> "Customer":
        tenant_id, user_id = TenantId(new_tenant_id()), EntityId(new_id())
        secret = new_token_secret()
        return cls(
            Tenant(tenant_id=tenant_id, name=f"Tenant {number}"),
            User(
                user_id=user_id,
                login=f"bench-{number}",
                name=f"User {number}",
                memberships=(Membership(tenant_id, "member"),),
            ),
            Token(
                token_id=EntityId(new_id()),
                tenant_id=tenant_id,
                user_id=user_id,
                name="Bench",
                sha256=secret_sha256(secret),
                hint=secret_hint(secret),
            ),
            secret,
        )


async def prepare(data: Path, base_urls: Mapping[str, str], tenants: int) -> list[str]:
    """Fill a new data directory, and give the tokens of so many tenants. `base_urls`: the vendor of each model."""
    async with EmbeddedPostgres(data) as server:
        await migrate(server.dsn)
        async with asyncpg.create_pool(server.dsn, min_size=1, max_size=8) as pool:
            runner = Runner(pool, PROJECTIONS)
            ledger = Flusher(server.dsn, on_lanes=runner.notice)
            await ledger.start()
            try:
                return await _fill(data, base_urls, tenants, ledger=ledger, pool=pool, runner=runner)
            finally:
                await ledger.stop(10.0)


async def _fill(
    data: Path,
    base_urls: Mapping[str, str],
    tenants: int,
    *,
    ledger: Flusher,
    pool: "asyncpg.Pool[asyncpg.Record]",
    runner: Runner,
) -> list[str]:
    await pool.execute("SELECT ledger.create_days(current_date - 1, 9)")
    administration = Administration(ledger, pool, Vault.open(data / "secret.key"))
    await bootstrap(administration, ledger, pool, root_password=new_token_secret())
    for model, base_url in base_urls.items():
        channel = Channel(
            channel_id=EntityId(""), name=f"Mock of {model}", type="openai", base_url=base_url, models=(model,)
        )
        await administration.create("channel", channel, actor=ACTOR, secret="sk-of-the-mock-vendor")
    customers = [Customer.make(number) for number in range(tenants)]
    await make_customers(customers, ledger, pool)
    await runner.start()
    async with asyncio.timeout(_FOLD_SECONDS_MAX):
        while any(lag.events for lag in await runner.lag()):  # noqa: ASYNC110  # the database tells nobody
            await asyncio.sleep(0.1)
    await runner.stop()
    return [customer.secret for customer in customers]


async def make_customers(customers: list[Customer], ledger: Flusher, pool: "asyncpg.Pool[asyncpg.Record]") -> None:
    """Make tenants, their members, tokens and credit."""
    await pool.execute(
        "SELECT ledger.open_lane(id, id) FROM unnest($1::bigint[]) AS id", [c.tenant.tenant_id for c in customers]
    )
    # Each kind needs the one before it.
    await _send(ledger, (_created("tenant", customer.tenant) for customer in customers))
    await _send(ledger, (_created("user", customer.user) for customer in customers))
    await _send(ledger, (_created("token", customer.token) for customer in customers))
    wallets, moment = Wallets(ledger, pool), now()
    terms = GrantTerms(amount_nanos=_CREDIT_NANOS, reason="bench")
    await asyncio.gather(
        *(
            wallets.grant(
                tenant_id=customer.tenant.tenant_id, event_id=EventId(new_id()), terms=terms, actor=ACTOR, now=moment
            )
            for customer in customers
        )
    )


def _created(kind: str, entity: Entity) -> Command:
    """Give the command that the administration sends for a new thing."""
    event: Created[Any] = Created(after=entity, reason="bench")
    change = decide(kind, None, entity, 0)
    event_id, tenant_id = EventId(new_id()), home(kind, entity)
    return Command(
        tenant_id=tenant_id,
        lane=first_lane(tenant_id),
        kind=Kind.POST,
        event_id=event_id,
        type=admin_type_name(kind, event),
        data=encode(event),
        actor=ACTOR,
        correlation_id=event_id,
        causation_id=event_id,
        legs=change.legs,
        openings=change.openings,
    )


async def _send(ledger: Flusher, commands: Iterable[Command]) -> None:
    answers = await asyncio.gather(*(ledger.submit(command) for command in commands))
    refused = [answer for answer in answers if answer.code is not Code.OK]
    if refused:
        raise RuntimeError(f"the ledger refused to make tenants: {refused[0]}")
