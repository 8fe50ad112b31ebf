import contextlib
import datetime as dt
import itertools
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec
import pytest
from argon2 import PasswordHasher
from litestar import Litestar
from litestar.exceptions import HTTPException

from adapters.clock import now
from adapters.ids import new_id
from adapters.passwords import Passwords
from adapters.postgres.flusher import Flusher
from adapters.postgres.row_security import TenantPool, owner_of
from adapters.vault import Vault
from app.administration import Administration
from app.api.document import openapi_config
from app.api.guards import Api
from app.api.problems import handle_unrouted
from app.api.router import api_router, make_api
from app.api.sessions import Sessions
from app.runs import Runs
from app.wallets import Wallets
from domain.admin.entities import Group, Membership, PlatformRole, Tenant, TenantRole, User
from domain.ids import PLATFORM, EntityId, EventId, TenantId, first_lane
from projections.entities import Entities
from projections.runner import ensure

_numbers = itertools.count(1)
_EVERYTHING = ("money", "read", "secrets", "write")


class Monotonic:
    """A clock that tests move by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0
        self.step = 0.0
        """How far it goes with each look."""

    def __call__(self) -> float:
        self.seconds += self.step
        return self.seconds


class Person:
    """Somebody who calls the API with a personal access token."""

    def __init__(self, client: httpx.AsyncClient, user: User, secret: str) -> None:
        self.user = user
        self._client = client
        self._headers = {"authorization": f"Bearer {secret}"}

    @property
    def headers(self) -> dict[str, str]:
        return dict(self._headers)

    def on(self, client: httpx.AsyncClient) -> "Person":
        other = Person(client, self.user, "")
        other._headers = self._headers
        return other

    async def get(self, path: str, **headers: str) -> httpx.Response:
        return await self._client.get(f"/api{path}", headers={**self._headers, **headers})

    async def post(self, path: str, body: Any = None, **headers: str) -> httpx.Response:
        return await self._send("POST", path, body, headers)

    async def patch(self, path: str, body: Any, version: int | None = None) -> httpx.Response:
        return await self._send("PATCH", path, body, {"if-match": f'"{version}"'} if version is not None else {})

    async def put(self, path: str, body: Any, version: int | None = None) -> httpx.Response:
        return await self._send("PUT", path, body, {"if-match": f'"{version}"'} if version is not None else {})

    async def delete(self, path: str, version: int | None = None) -> httpx.Response:
        headers = {"if-match": f'"{version}"'} if version is not None else {}
        return await self._send("DELETE", path, None, headers)

    async def pay(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        return await self._send("POST", path, body, {"idempotency-key": key or new_id()})

    async def _send(self, method: str, path: str, body: Any, headers: dict[str, str]) -> httpx.Response:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._client.request(method, f"/api{path}", json=body, headers={**self._headers, **names})


class World:
    """The API over a real database and ledger, and ways to make people for it."""

    client: httpx.AsyncClient
    app: Litestar

    def __init__(self, pool: Any, ledger: Flusher, administration: Administration, monotonic: Monotonic) -> None:
        self.pool = pool
        self.ledger = ledger
        self.administration = administration
        self.wallets = Wallets(ledger, pool)
        self.sessions = Sessions(owner_of(pool))
        self.monotonic = monotonic
        self.runs: Runs | None = None

    def api(self, *, secure_cookies: bool = False, sends_mail: bool = False) -> Api:
        return make_api(
            administration=self.administration,
            wallets=self.wallets,
            pool=self.pool,
            secure_cookies=secure_cookies,
            sends_mail=sends_mail,
            runs=self.runs,
            monotonic=self.monotonic,
        )

    @contextlib.asynccontextmanager
    async def client_of(self, app: Litestar) -> AsyncIterator[httpx.AsyncClient]:
        self.app = app
        # Litestar's own test client runs the application on another loop, where the pool cannot follow.
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)  # type: ignore[arg-type]  # stricter than ASGI
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            yield client

    async def tenant(self, name: str = "Acme") -> TenantId:
        stored = await self.administration.create(
            "tenant", Tenant(tenant_id=TenantId(0), name=name), actor="system:test"
        )
        return stored.tenant_id

    async def user(
        self, *, platform: PlatformRole | None = None, tenants: dict[TenantId, TenantRole] | None = None
    ) -> User:
        number = next(_numbers)
        stored = await self.administration.create(
            "user",
            User(
                user_id=EntityId(""),
                login=f"person{number}",
                name=f"Person {number}",
                platform_role=platform,
                memberships=tuple(Membership(tenant, role) for tenant, role in (tenants or {}).items()),
            ),
            actor="system:test",
        )
        user: User = stored.entity
        return user

    async def person(
        self,
        platform: PlatformRole | None = None,
        tenants: dict[TenantId, TenantRole] | None = None,
        scopes: tuple[str, ...] = _EVERYTHING,
    ) -> Person:
        user = await self.user(platform=platform, tenants=tenants)
        _, secret = await self.sessions.create_token(
            user.user_id,
            EntityId(new_id()),
            name="test",
            scopes=scopes,  # type: ignore[arg-type]  # literal texts
            expires_at=None,
            now=now(),
        )
        return Person(self.client, user, secret)

    def same(self, user: User, secret: str) -> Person:
        return Person(self.client, user, secret)

    async def events(self, tenant_id: TenantId, type_: str) -> list[Any]:
        rows = await self.pool.fetch(
            "SELECT data FROM ledger.event WHERE tenant_id = $1 AND type = $2 ORDER BY position", tenant_id, type_
        )
        return [msgspec.json.decode(row["data"]) for row in rows]


def environment(database: str, folder: Path) -> dict[str, str]:
    """Give what commands need that work on the database of a test."""
    mine = {"TALLYGATE_DATABASE_URL": database, "TALLYGATE_DATA": str(folder)}
    return {name: value for name, value in os.environ.items() if not name.startswith("TALLYGATE_")} | mine


def application(api: Api) -> Litestar:
    return Litestar(
        [api_router(api)],
        openapi_config=openapi_config(),
        exception_handlers={HTTPException: handle_unrouted},
        logging_config=None,
    )


_shared: list[tuple[Litestar, Api]] = []


def shared_application(api: Api) -> Litestar:
    """Give the one application of a test process, over this Api from now on.

    Making one takes longer than most tests, and whatever it remembers is in its Api.
    """
    if not _shared:
        stand_in = msgspec.structs.replace(api)
        _shared.append((application(stand_in), stand_in))
    ((app, stand_in),) = _shared
    for name in Api.__struct_fields__:
        msgspec.structs.force_setattr(stand_in, name, getattr(api, name))
    return app


@pytest.fixture
def monotonic() -> Monotonic:
    return Monotonic()


@pytest.fixture
async def world(database: str, tmp_path: Path, monotonic: Monotonic) -> AsyncIterator[World]:
    async with (
        asyncpg.create_pool(database, min_size=1, max_size=8) as owner,
        asyncpg.create_pool(database, min_size=1, max_size=4) as confined,
    ):
        pool = TenantPool.over(owner, confined)
        await pool.execute("SELECT ledger.create_days($1, 3)", dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1))
        ledger = Flusher(database)
        await ledger.start()
        await ensure(owner, [Entities()])
        await ledger.open_lane(PLATFORM, first_lane(PLATFORM))
        quick = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        administration = Administration(ledger, pool, Vault.open(tmp_path / "secret.key"), passwords=quick)
        for side in ("user", "channel"):
            await administration.create(
                "group",
                Group(group_id=EntityId(""), side=side, label="default", name="Default"),
                actor="system:test",
                event_id=EventId(new_id()),
            )
        world = World(pool, ledger, administration, monotonic)
        world.runs = Runs(owner, node="test", environment=environment(database, tmp_path))
        async with world.client_of(shared_application(world.api())) as client:
            world.client = client
            yield world
        await world.runs.stop()
        await ledger.stop(5.0)


@pytest.fixture
async def root(world: World) -> Person:
    return await world.person("root")
