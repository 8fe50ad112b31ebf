"""What the operator's people look at of a tenant's data is an event that the tenant can read."""

import datetime as dt

import pytest

from adapters.ids import new_id
from app.api import looks
from app.api.looks import EVERY, look_id
from domain.admin.entities import PlatformRole
from domain.ids import EntityId, TenantId, day_of
from tests.app.api.conftest import Person, World


async def _looks(person: Person, tenant: TenantId) -> list[tuple[str, str, str]]:
    answer = (await person.get(f"/tenants/{tenant}/looks")).json()
    return [(each["login"], each["role"], each["operation"]) for each in answer["items"]]


@pytest.mark.parametrize("role", ["root", "admin", "auditor", "support"])
async def test_every_look_of_the_operator_is_shown_to_the_tenant(world: World, role: PlatformRole) -> None:
    tenant, other = await world.tenant(), await world.tenant("Other")
    owner = await world.person(tenants={tenant: "owner"})
    member = await world.person(tenants={tenant: "member"})
    operator = await world.person(role)
    token = (await owner.post("/tokens", {"tenant_id": tenant, "name": "T"})).json()

    for path in (f"/tenants/{tenant}/balance", f"/reports/usage?tenant_id={tenant}", f"/tokens/{token['id']}"):
        assert (await operator.get(path)).status_code == 200, path
    await operator.get(f"/tenants/{other}/members")

    login = operator.user.login
    assert await _looks(owner, tenant) == [
        (login, role, "getToken"),
        (login, role, "getUsage"),
        (login, role, "getBalance"),
    ]
    assert (await member.get(f"/tenants/{tenant}/looks")).status_code == 403
    (event,) = await world.events(other, "tenant.looked.v1")
    assert event["operation"] == "listMembers"


async def test_what_a_tenant_s_own_people_read_and_what_the_operator_changes_are_no_looks(
    world: World, root: Person
) -> None:
    tenant = await world.tenant()
    owner = await world.person(tenants={tenant: "owner"})
    both = await world.person("support", {tenant: "admin"})

    await owner.get(f"/tenants/{tenant}/balance")
    await both.get(f"/tenants/{tenant}/balance")
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "1"})

    assert await _looks(owner, tenant) == []


async def test_the_same_look_is_one_event_in_a_quarter_of_an_hour_over_all_nodes(
    world: World, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await world.tenant()
    async with world.client_of(world.app) as first, world.client_of(world.app) as second:
        for client in (first, second):
            await root.on(client).get(f"/tenants/{tenant}/balance")
    # As if there were no memory of it in the process: the id alone keeps it from being written again.
    monkeypatch.setattr(looks, "_KEPT_MAX", 0)
    await root.get(f"/tenants/{tenant}/history")
    await root.get(f"/tenants/{tenant}/history")

    operations = [each["operation"] for each in await world.events(tenant, "tenant.looked.v1")]

    assert sorted(set(operations)) == ["getBalance", "getTenantHistory"]
    # Two, if a quarter of an hour ended in between.
    assert len(operations) <= 4
    at = dt.datetime(2026, 11, 24, 10, 7, tzinfo=dt.UTC)
    person = EntityId(new_id())
    one = look_id(person, tenant, "getBalance", at)
    assert one == look_id(person, tenant, "getBalance", at + dt.timedelta(minutes=7))
    assert one != look_id(person, tenant, "getBalance", at + EVERY)
    assert one != look_id(person, TenantId(tenant + 1), "getBalance", at)
    assert day_of(one) == at.date()


async def test_looks_are_listed_in_parts(world: World, root: Person) -> None:
    tenant = await world.tenant()
    paths = ["", "/balance", "/members", "/history", "/statements"]
    for path in paths:
        await root.get(f"/tenants/{tenant}{path}")

    seen: list[str] = []
    after = ""
    while True:
        part = (await root.get(f"/tenants/{tenant}/looks?limit=2{after}")).json()
        seen += [each["operation"] for each in part["items"]]
        if part["next"] is None:
            break
        after = f"&after={part['next']}"

    names = {"listOperatorLooks", "getTenant", "getBalance", "listMembers", "getTenantHistory", "listStatements"}
    assert set(seen) == names
    assert len(seen) <= 2 * len(names)
    assert seen[-1] == "getTenant"


async def test_a_look_at_what_is_not_there_leaves_no_trace(world: World, root: Person) -> None:
    before = await world.pool.fetchval("SELECT count(*) FROM ledger.event")

    answers = [await root.get(path) for path in ("/tenants/987654321/balance", "/tokens?tenant_id=987654321")]

    assert [answer.status_code for answer in answers] == [404, 200]
    assert answers[1].json()["items"] == []
    assert await world.pool.fetchval("SELECT count(*) FROM ledger.event") == before
    assert (await root.get("/tokens?tenant_id=0")).status_code == 400
