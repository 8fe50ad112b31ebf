"""Nothing of tenant B can be seen, changed or inferred by anybody of tenant A, by whatever route and parameter."""

from collections.abc import Iterator
from itertools import groupby
from typing import Any, NamedTuple

import asyncpg
import pytest

from adapters.clock import now
from adapters.ids import new_id
from adapters.postgres.admin_store import AdminStore, Page, Stored
from adapters.postgres.row_security import GUARDED
from app.api import reports
from app.api.permissions import TENANT_PERMISSIONS, Permission, Principal
from app.receipts import Receipt, Receipts
from app.reports import log
from domain.admin.entities import TenantRole
from domain.ids import TenantId, first_lane
from projections.multipliers import MULTIPLIERS
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.app.api.conftest import Monotonic, Person, World
from tests.app.api.sweep import Ids, Operation, call, everything, placings, shape
from tests.app.api.test_receipts import _spender

_GONE = {"logout", "endOtherSessions", "login"}
"""What ends the caller's own session, or has none."""


class Side(NamedTuple):
    """A tenant with all that a tenant can have."""

    tenant: TenantId
    people: dict[TenantRole, Person]
    ids: Ids
    marks: tuple[str, ...]
    """Texts that nobody else may ever read."""


async def _side(world: World, root: Person, name: str) -> Side:
    tenant, owner, spender = await _spender(world, root)
    people: dict[TenantRole, Person] = {role: await world.person(tenants={tenant: role}) for role in TENANT_PERMISSIONS}
    made = await owner.post("/tokens", {"tenant_id": tenant, "name": f"{name} token", "tags": [f"{name}-tag"]})
    hold = await spender.hold(20_000_000)
    await spender.capture(hold)
    await advance(world.pool, USAGE, tenant, first_lane(tenant))
    row = (await owner.get("/reports/requests")).json()["items"][0]
    event = await world.pool.fetchval("SELECT event_id::text FROM ledger.event WHERE tenant_id = $1 LIMIT 1", tenant)
    personal = (await owner.get("/personal-tokens")).json()["items"][0]["id"]
    invited = await owner.post(f"/tenants/{tenant}/invitations", {"login": f"{name}-guest"})
    user_id = people["member"].user.user_id
    await world.sessions.open(user_id, now=now(), user_agent=f"{name} browser", address="192.0.2.7")
    (session,) = await world.sessions.of_user(user_id, now=now())
    ids = {
        "invitation_id": invited.json()["id"],
        "session_id": session.session_id,
        "tenant_id": str(tenant),
        "user_id": people["member"].user.user_id,
        "token_id": made.json()["id"],
        "request_id": str(hold),
        "row_id": row["id"],
        "event_id": event,
        "personal_token_id": personal,
    }
    marks = (
        *ids.values(),
        f"{name} token",
        f"{name}-tag",
        f"{name}-guest",
        *(each.user.login for each in people.values()),
    )
    return Side(tenant, people, ids, marks)


def _absent() -> dict[str, str]:
    return {
        "invitation_id": new_id(),
        "session_id": new_id(),
        "tenant_id": "987654321012",
        "user_id": new_id(),
        "token_id": new_id(),
        "request_id": new_id(),
        "row_id": "",
        "event_id": new_id(),
        "personal_token_id": new_id(),
    }


@pytest.fixture
async def sides(world: World, root: Person, monkeypatch: pytest.MonkeyPatch) -> tuple[Side, Side]:
    monkeypatch.setattr(reports, "STREAM_SECONDS", 0.0)
    # How long a look takes decides how it is cut into statements: on a busy machine that would differ by chance.
    monkeypatch.setattr(log, "_QUICK_SECONDS", 3600.0)
    monkeypatch.setattr(log, "LOOK_SECONDS", 3600.0)
    await ensure(world.pool, [USAGE, MULTIPLIERS])
    return await _side(world, root, "antelope"), await _side(world, root, "zebra")


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement with parameters that is sent to the database, in order."""
    sent: list[str] = []
    execute = asyncpg.Connection._execute  # type: ignore[attr-defined]  # its own, below fetch, fetchrow and fetchval

    async def counted(self: Any, query: str, *rest: Any, **options: Any) -> Any:
        if "ledger.apply" not in query:
            sent.append(query)
        return await execute(self, query, *rest, **options)

    monkeypatch.setattr(asyncpg.Connection, "_execute", counted)
    return sent


def _twin(row_id: str) -> str:
    """Give a row's id that is nobody's: the same text but for its last figure."""
    return row_id[:-1] + ("1" if row_id[-1] != "1" else "2")


async def _state(world: World, tenant: TenantId) -> list[Any]:
    return [
        [tuple(row) for row in await world.pool.fetch(query, tenant)]
        for query in (
            "SELECT head FROM ledger.lane WHERE tenant_id = $1",
            "SELECT entity_id, version FROM admin.entity WHERE tenant_id = $1 ORDER BY entity_id",
            "SELECT key, scope FROM admin.idempotency WHERE tenant_id = $1",
        )
    ]


async def test_whatever_is_asked_for_another_tenant_s_things_are_as_those_that_do_not_exist(
    world: World, sides: tuple[Side, Side], statements: list[str], monotonic: Monotonic
) -> None:
    ours, theirs = sides
    before = await _state(world, theirs.tenant)
    absent = _absent() | {"row_id": _twin(theirs.ids["row_id"])}
    found: list[Any] = []
    asked = 0
    for role, person in ours.people.items():
        await person.get("/me")
        for operation in everything(theirs.ids):
            if operation.name in _GONE:
                continue
            pairs = (
                zip(placings(operation, ours.ids, theirs.ids), placings(operation, ours.ids, absent), strict=True)
                if operation.spots
                else [(({}, {}), ({}, {}))]
            )
            for foreign, missing in pairs:
                seen, work = [], []
                for (path, placed), ids in ((foreign, theirs.ids), (missing, absent)):
                    monotonic.seconds += 60
                    statements.clear()
                    answer = await call(person, operation, path, placed)
                    used = {name: value for name, value in ids.items() if value in {*path.values(), *placed.values()}}
                    seen.append(shape(answer, used))
                    # The log of requests is read in slices, as many as there is time for: each counts once.
                    work.append([statement for statement, _ in groupby(statements)])
                    asked += 1
                    leaks = [mark for mark in theirs.marks if mark in answer.text and mark not in used.values()]
                    if leaks or answer.status_code == 500:
                        found.append((role, operation.name, foreign, answer.status_code, leaks))
                if operation.spots and (seen[0] != seen[1] or work[0] != work[1]):
                    found.append((role, operation.name, foreign, seen, work))

    assert found == []
    assert asked > 2000, asked
    assert await _state(world, theirs.tenant) == before


# The second wall alone: everything that asks whose a thing is is taken out of the first.


def _take_out_the_first_wall(monkeypatch: pytest.MonkeyPatch) -> None:
    anything = frozenset().union(*TENANT_PERMISSIONS.values())
    get, page, read = AdminStore.get, AdminStore.page, Receipts.read

    def sees(_self: Principal, _tenant_id: TenantId) -> bool:
        return True

    def may(_self: Principal, permission: Permission, tenant_id: TenantId | None = None) -> bool:
        return permission in anything if tenant_id is not None else permission is Permission.SELF

    async def get_any(self: AdminStore, kind: str, entity_id: str, _tenant_id: TenantId | None) -> Stored | None:
        return await get(self, kind, entity_id, None)

    async def page_any(self: AdminStore, kind: str, **options: Any) -> Page:
        return await page(self, kind, **{**options, "tenant_id": None, "tenant_ids": None, "member_of": None})

    async def read_any(self: Receipts, request_id: str, _tenant_ids: Any) -> Receipt:
        return await read(self, request_id, None)

    monkeypatch.setattr(Principal, "sees", sees)
    monkeypatch.setattr(Principal, "may", may)
    monkeypatch.setattr(AdminStore, "get", get_any)
    monkeypatch.setattr(AdminStore, "page", page_any)
    monkeypatch.setattr(Receipts, "read", read_any)


def _reads(theirs: Side) -> Iterator[Operation]:
    return (each for each in everything(theirs.ids) if each.method == "GET" and each.name not in _GONE)


async def _leaks(sides: tuple[Side, Side], monotonic: Monotonic) -> set[str]:
    """Give the operations by which an owner of the first side reads something of the second."""
    ours, theirs = sides
    person = ours.people["owner"]
    leaking = set()
    for operation in _reads(theirs):
        for path, placed in [({}, {}), *placings(operation, ours.ids, theirs.ids)]:
            monotonic.seconds += 60
            answer = await call(person, operation, path, placed)
            used = {*path.values(), *placed.values()}
            told = [mark for mark in theirs.marks if mark in answer.text and mark not in used]
            # The receipt of a request that was asked for by its id tells of a token and a user that were not.
            if told or (answer.status_code == 200 and operation.name == "getTenant" and str(theirs.tenant) in used):
                leaking.add(operation.name)
    return leaking


async def test_with_every_check_of_whose_it_is_taken_out_the_rows_of_others_are_still_not_there(
    sides: tuple[Side, Side], monotonic: Monotonic, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_out_the_first_wall(monkeypatch)

    assert await _leaks(sides, monotonic) == set()


async def test_with_both_walls_taken_out_the_sweep_finds_what_leaks(
    world: World, sides: tuple[Side, Side], monotonic: Monotonic, monkeypatch: pytest.MonkeyPatch
) -> None:
    _take_out_the_first_wall(monkeypatch)
    for table in GUARDED:
        await world.pool.execute(f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY")

    leaking = await _leaks(sides, monotonic)

    assert {"getTenant", "listTokens", "getToken", "getRequest", "listRequests", "getBalance"} <= leaking
