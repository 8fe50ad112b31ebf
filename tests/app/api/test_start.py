"""The first steps: a tenant with its key in one step, a key to try things with, limits, how far one has come."""

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from adapters.clock import now
from adapters.ids import new_id
from app.administration import secret_sha256
from app.api import start
from domain.errors import TallygateError
from domain.ids import TenantId, first_lane
from projections.multipliers import MULTIPLIERS
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.app.api.conftest import Person, World
from tests.app.api.test_receipts import _spender


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, [USAGE, MULTIPLIERS])


BODY: dict[str, Any] = {
    "name": "Acme",
    "time_zone": "Asia/Shanghai",
    "token_name": "first",
    "budgets": [{"unit": "money", "period": "month", "amount": "50"}],
    "credit": "5",
}


async def _session(world: World, person: Person) -> dict[str, str]:
    opened = await world.sessions.open(person.user.user_id, now=now(), user_agent="Firefox", address="192.0.2.9")
    return {"cookie": f"tallygate_session={opened.secret}", "x-csrf-token": opened.csrf_token}


async def _count(world: World, kind: str) -> int:
    return int(await world.pool.fetchval("SELECT count(*) FROM admin.entity WHERE kind = $1 AND NOT archived", kind))


async def test_a_tenant_its_key_and_its_credit_are_made_in_one_step_and_once(world: World, root: Person) -> None:
    key = new_id()

    first = await root.pay("/tenants/start", BODY, key)
    again = await root.pay("/tenants/start", BODY, key)

    assert first.status_code == 201, first.text
    made = first.json()
    found = await world.administration.find("token", secret_sha256(made["secret"]))
    assert found is not None
    assert (found.entity_id, found.tenant_id) == (made["token"]["id"], made["tenant"]["id"])
    assert again.json() == {**made, "secret": None}
    balance = (await root.get(f"/tenants/{made['tenant']['id']}/balance")).json()
    assert balance["balance"] == "5"
    assert (await _count(world, "tenant"), await _count(world, "token")) == (1, 1)
    (member,) = (await root.get(f"/tenants/{made['tenant']['id']}/members")).json()["items"]
    assert (member["user_id"], member["role"]) == (root.user.user_id, "owner")
    stored = await world.pool.fetch("SELECT response FROM admin.idempotency")
    assert made["secret"].encode() not in b"".join(row["response"] for row in stored)


async def test_what_is_refused_half_way_leaves_nothing_in_use_and_can_be_asked_for_again(
    world: World, root: Person
) -> None:
    key = new_id()
    wrong = {**BODY, "budgets": [*BODY["budgets"], *BODY["budgets"]]}

    refused = await root.pay("/tenants/start", wrong, key)

    assert refused.status_code == 422, refused.text
    assert (await _count(world, "tenant"), await _count(world, "token")) == (0, 0)
    assert (await world.administration.get("user", root.user.user_id)).entity.memberships == ()
    again = await root.pay("/tenants/start", wrong, key)
    assert (again.status_code, again.json()["code"]) == (422, refused.json()["code"])
    assert (await root.pay("/tenants/start", BODY, new_id())).status_code == 201
    assert (await _count(world, "tenant"), await _count(world, "token")) == (1, 1)


async def test_whoever_was_cut_off_goes_on_with_the_same_key_and_gets_a_secret_that_works(
    world: World, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = new_id()

    class CutError(TallygateError):
        code = "unavailable"

    async def cut(_self: start._Start, _tenant_id: TenantId) -> None:
        raise OSError

    with monkeypatch.context() as patch:
        patch.setattr(start._Start, "_credit", cut)
        assert (await root.pay("/tenants/start", BODY, key)).status_code >= 500
    done = await root.pay("/tenants/start", BODY, key)

    assert done.status_code == 201, done.text
    assert await world.administration.find("token", secret_sha256(done.json()["secret"])) is not None
    assert (await _count(world, "tenant"), await _count(world, "token")) == (1, 1)
    assert (await root.get(f"/tenants/{done.json()['tenant']['id']}/balance")).json()["balance"] == "5"


async def test_only_who_may_do_each_part_starts_a_tenant(world: World, root: Person) -> None:
    tenant = await world.tenant()
    owner, support = await world.person(tenants={tenant: "owner"}), await world.person("support")
    writer = world.same(root.user, "")
    scoped = await world.person("admin", scopes=("read", "write", "secrets"))
    assert writer is not None

    assert (await owner.pay("/tenants/start", BODY)).status_code == 403
    assert (await support.pay("/tenants/start", BODY)).status_code == 403
    assert (await scoped.pay("/tenants/start", BODY)).status_code == 403
    assert (await scoped.pay("/tenants/start", {**BODY, "credit": None})).status_code == 201
    assert (await root.post("/tenants/start", BODY)).json()["code"] == "idempotency_key_required"


async def test_a_playground_key_is_one_for_each_person_with_terms_that_nobody_widens(world: World) -> None:
    tenant = await world.tenant()
    member = await world.person(tenants={tenant: "member"})
    session = await _session(world, member)
    path = f"/api/tenants/{tenant}/playground-key"

    first = (await world.client.post(path, headers=session)).json()
    again = (await world.client.post(path, headers=session)).json()

    assert first["token"]["id"] == again["token"]["id"]
    assert await world.administration.find("token", secret_sha256(first["secret"])) is None
    assert await world.administration.find("token", secret_sha256(again["secret"])) is not None
    token = again["token"]
    assert token["budgets"] == [{"unit": "money", "period": "day", "amount": "2"}]
    assert (token["tags"], token["expires_at"] is not None) == (["playground"], True)
    where = f"/tokens/{token['id']}"
    changes: list[dict[str, Any]] = [{"budgets": []}, {"tags": []}, {"expires_at": None}, {"limits": {}}]
    for change in changes:
        assert (await member.patch(where, change, token["version"])).status_code == 403, change
    assert (await member.post(f"{where}/rotate", {}, if_match=f'"{token["version"]}"')).status_code == 403
    bulk = {"items": [{"id": token["id"], "version": token["version"], "change": {"budgets": []}}]}
    assert (await member.patch("/tokens", bulk)).status_code == 403
    own = (await member.post("/tokens", {"tenant_id": tenant, "name": "own"})).json()
    assert (await member.patch(f"/tokens/{own['id']}", {"tags": ["playground"]}, 1)).status_code == 422
    made = await member.post("/tokens", {"tenant_id": tenant, "name": "own", "tags": ["playground"]})
    assert made.status_code == 422
    assert (await member.patch(where, {"revoked": True}, token["version"])).status_code == 200
    assert (await world.client.post(path, headers=session)).json()["token"]["id"] != token["id"]


async def test_twenty_calls_at_once_make_one_playground_key_and_the_last_secret_works(world: World) -> None:
    tenant = await world.tenant()
    member = await world.person(tenants={tenant: "member"})
    session = await _session(world, member)
    path = f"/api/tenants/{tenant}/playground-key"

    async def twenty() -> set[str]:
        answers = await asyncio.gather(*(world.client.post(path, headers=session) for _ in range(20)))
        assert [answer.status_code for answer in answers] == [201] * 20
        secrets = [secret_sha256(answer.json()["secret"]) for answer in answers]
        working = [secret for secret in secrets if await world.administration.find("token", secret) is not None]
        assert len(working) == 1
        return {answer.json()["token"]["id"] for answer in answers}

    (first,) = await twenty()
    token = (await world.administration.get("token", first)).entity
    assert (token.user_id, token.tags) == (member.user.user_id, ("playground",))
    version = (await world.administration.get("token", first)).version
    assert (await member.patch(f"/tokens/{first}", {"revoked": True}, version)).status_code == 200

    (second,) = await twenty()
    assert second != first
    assert len((await member.get(f"/tokens?tenant_id={tenant}")).json()["items"]) == 2


async def test_a_playground_key_needs_a_session_of_a_member_who_may_make_keys(world: World, root: Person) -> None:
    tenant = await world.tenant()
    viewer = await world.person(tenants={tenant: "viewer"})
    member = await world.person(tenants={tenant: "member"})
    path = f"/tenants/{tenant}/playground-key"

    assert (await member.post(path)).json()["code"] == "session_required"
    for person, code in ((viewer, 403), (root, 409)):
        assert (await world.client.post(f"/api{path}", headers=await _session(world, person))).status_code == code


async def test_limits_are_listed_by_how_full_they_are(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await root.patch(
        f"/tenants/{tenant}",
        {"budgets": [{"unit": "money", "period": "month", "amount": "10"}], "limits": {"concurrency": 7}},
        1,
    )
    other, stranger, _ = await _spender(world, root)
    await root.patch(f"/tenants/{other}", {"budgets": [{"unit": "tokens", "period": "day", "amount": "1000"}]}, 1)
    member = await world.person(tenants={tenant: "member"})
    place = {"budgets": [{"unit": "money", "period": "day", "amount": "3"}]}
    version = (await world.administration.get("user", member.user.user_id)).version
    assert (await owner.patch(f"/tenants/{tenant}/members/{member.user.user_id}", place, version)).status_code == 200
    assert spender is not None

    listed = (await owner.get("/limits")).json()["items"]

    assert {(each["scope"], each["unit"], each["period"], each["limit"]) for each in listed} == {
        ("tenant", "money", "month", "10"),
        ("tenant", "slots", "total", "7"),
        ("user", "money", "day", "3"),
    }
    assert {each["tenant_id"] for each in listed} == {tenant}
    assert {each["tenant_id"] for each in (await root.get("/limits")).json()["items"]} == {tenant, other}
    pages = (await root.get("/limits?limit=2")).json()
    rest = (await root.get(f"/limits?limit=2&after={pages['next']}")).json()
    assert (len(pages["items"]), len(rest["items"]), rest["next"]) == (2, 2, None)
    mine = (await member.get("/limits")).json()["items"]
    assert [each["scope"] for each in mine] == ["user"]
    assert (await stranger.get(f"/limits?tenant_id={tenant}")).status_code == 404
    assert [each["unit"] for each in (await root.get("/limits?unit=tokens")).json()["items"]] == ["tokens"]


async def test_limits_go_on_from_a_limit_whatever_moves_meanwhile(world: World, root: Person) -> None:
    tenants = []
    for number in range(3):
        tenant, owner, spender = await _spender(world, root)
        budgets = [{"unit": "tokens", "period": period, "amount": "1000"} for period in ("day", "month", "total")]
        await root.patch(f"/tenants/{tenant}", {"budgets": budgets[number:], "limits": {"concurrency": 7}}, 1)
        tenants.append((tenant, owner, spender))
    _, _, spender = tenants[0]
    holds = [await spender.hold(20_000_000)]

    seen: list[dict[str, Any]] = []
    path = "/limits?limit=2"
    while path:
        part = (await root.get(path)).json()
        seen += part["items"]
        path = f"/limits?limit=2&after={part['next']}" if part["next"] else ""
        # Whatever this does to the limits that were shown, or come yet, no other is told twice or left out.
        while holds:
            await spender.capture(holds.pop())

    keys = [(each["tenant_id"], each["unit"], each["period"]) for each in seen]
    assert len(keys) == len(set(keys)) == 9
    assert (await root.get("/limits?after=2")).status_code == 400
    assert (await root.get("/limits?after=1~token:1:x:y:z")).status_code == 400


async def test_setup_says_how_far_one_has_come(world: World, root: Person) -> None:
    before = (await root.get("/setup")).json()
    await root.post("/channels", {"name": "c", "type": "openai", "models": ["unpriced"], "key": "k" * 20})
    tenant, owner, spender = await _spender(world, root)
    await spender.capture(hold := await spender.hold(20_000_000))
    await advance(world.pool, USAGE, tenant, first_lane(tenant))

    after = (await root.get("/setup")).json()

    assert (before["vendor_channels"], before["first_call"], before["tenants"]) == (0, None, 0)
    assert (after["vendor_channels"], after["vendor_models"], after["unpriced_models"]) == (1, 1, ["unpriced"])
    assert (after["tenants"], after["tokens"]) == (1, 1)
    assert after["first_call"]["request_id"] == after["last_call"]["request_id"] == str(hold)
    assert (after["budgets"], after["vendor_called"]) == (False, False)
    assert (await owner.get("/setup")).status_code == 403
    assert Decimal((await owner.get(f"/tenants/{tenant}/balance")).json()["balance"]) > 0
