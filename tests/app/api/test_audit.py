"""The audit timeline: everything that people do, with before, after, reason and source, each as far as one may know."""

import csv
import datetime as dt
import io
from typing import Any

import pytest

from adapters.clock import now
from adapters.ids import new_id
from domain.ids import PLATFORM, TenantId, first_lane
from projections.audit import AUDIT
from projections.runner import advance, ensure
from tests.app.api.conftest import Person, World


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, [AUDIT])


async def _fold(world: World, *tenants: TenantId) -> None:
    for tenant in (PLATFORM, *tenants):
        await advance(world.pool, AUDIT, tenant, first_lane(tenant))


async def _items(person: Person, query: str = "") -> list[dict[str, Any]]:
    answer = await person.get(f"/audit{query}")
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


def _said(items: list[dict[str, Any]]) -> list[tuple[str, str, str]]:
    return [(item["kind"], item["action"], item["name"]) for item in items]


async def test_a_change_is_there_with_who_what_why_before_after_and_whence(world: World, root: Person) -> None:
    tenant = (await root.post("/tenants", {"name": "Acme", "reason": "contract"})).json()["id"]
    await root.patch(f"/tenants/{tenant}", {"name": "Acme Inc.", "reason": "renamed"}, 1)
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "7", "reason": "paid", "reference": "INV-1"})
    await _fold(world, TenantId(tenant))

    items = await _items(root, f"?tenant_id={tenant}")
    credit, changed, created = (item for item in items if item["action"] != "looked")

    assert _said([credit, changed, created]) == [
        ("credit", "granted", "top_up"),
        ("tenant", "changed", "Acme Inc."),
        ("tenant", "created", "Acme"),
    ]
    assert (changed["before"]["name"], changed["after"]["name"], changed["changed"]) == ("Acme", "Acme Inc.", ["name"])
    assert (changed["reason"], created["reason"], credit["reason"]) == ("renamed", "contract", "paid")
    assert (credit["after"]["amount"], credit["after"]["reference"]) == ("7", "INV-1")
    assert {each["actor"] for each in (credit, changed, created)} == {f"user:{root.user.user_id}"}
    assert {each["actor_login"] for each in (credit, changed, created)} == {root.user.login}
    assert {each["address"] for each in (credit, changed, created)} == {"127.0.0.1"}


async def test_pages_give_everything_once_and_filters_narrow(world: World, root: Person) -> None:
    tenant, other = await world.tenant(), await world.tenant("Other")
    owner = await world.person(tenants={tenant: "owner"})
    bulk = {"items": [{"tenant_id": tenant, "name": f"key {n}"} for n in range(5)], "reason": "all at once"}
    made = (await owner.post("/tokens/bulk", bulk)).json()["items"]
    await owner.patch(f"/tokens/{made[0]['id']}", {"revoked": True, "reason": "leaked"}, 1)
    await _fold(world, tenant, other)

    seen: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await root.get(f"/audit?limit=3{after}")).json()
        seen += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    ids = [item["id"] for item in seen]

    assert len(ids) == len(set(ids))
    assert [item["at"] for item in seen] == sorted((item["at"] for item in seen), reverse=True)
    tokens = await _items(root, "?kind=token")
    assert _said(tokens)[0] == ("token", "changed", "key 0")
    assert sorted(item["name"] for item in tokens[1:]) == [f"key {n}" for n in range(5)]
    assert {item["reason"] for item in tokens[1:]} == {"all at once"}
    one = await _items(root, f"?entity_id={made[0]['id']}")
    assert [item["action"] for item in one] == ["changed", "created"]
    assert {item["actor_login"] for item in await _items(root, f"?actor={owner.user.user_id}")} == {owner.user.login}
    assert await _items(root, "?action=restored") == []
    moment = tokens[0]["at"].replace("+00:00", "Z")
    assert [item["id"] for item in await _items(root, f"?kind=token&from={moment}")] == [tokens[0]["id"]]
    assert (await root.get("/audit?after=nonsense")).status_code == 422


async def test_a_tenant_sees_its_own_and_its_people_and_nothing_else(world: World, root: Person) -> None:
    tenant, other = await world.tenant(), await world.tenant("Other")
    owner, stranger = await world.person(tenants={tenant: "owner"}), await world.person(tenants={other: "owner"})
    member = await world.person(tenants={tenant: "member"})
    await owner.patch(f"/tenants/{tenant}/members/{member.user.user_id}", {"role": "billing", "reason": "moved"}, 1)
    await root.patch(f"/users/{member.user.user_id}", {"platform_role": "support"}, 2)
    await root.patch(f"/tenants/{tenant}", {"suspended": True, "reason": "unpaid"}, 1)
    await root.post("/channels", {"name": "secret channel", "type": "openai", "models": ["m"], "key": "k" * 20})
    await _fold(world, tenant, other)

    theirs = await _items(owner)

    changed = next(item for item in theirs if item["kind"] == "member" and item["action"] == "changed")
    assert (changed["before"]["role"], changed["after"]["role"], changed["reason"]) == ("member", "billing", "moved")
    assert changed["address"] == "127.0.0.1"
    suspended = next(item for item in theirs if item["kind"] == "tenant" and item["action"] == "changed")
    # What the operator's people do is shown, from where they do it is not.
    assert (suspended["actor_login"], suspended["address"]) == (root.user.login, None)
    text = (await owner.get("/audit")).text
    for word in ("secret channel", stranger.user.login, "platform_role", str(other)):
        assert word not in text
    assert member.user.login not in (await stranger.get("/audit")).text
    for person, path, status in (
        (stranger, f"/audit?tenant_id={tenant}", 404),
        (stranger, f"/audit/state?kind=tenant&entity_id={tenant}&at=2100-01-01T00:00:00Z&tenant_id={tenant}", 404),
        (stranger, f"/audit/state?kind=tenant&entity_id={tenant}&at=2100-01-01T00:00:00Z", 404),
        (member, "/audit", 403),
        (await world.person("support"), "/audit", 403),
        (await world.person("auditor"), "/audit", 200),
    ):
        assert (await person.get(path)).status_code == status, path
    assert await _items(stranger, f"?entity_id={tenant}") == []


async def test_anything_is_shown_as_it_was_at_any_past_moment(world: World, root: Person) -> None:
    tenant = await world.tenant("one")
    channel = (await root.post("/channels", {"name": "c", "type": "openai", "models": ["m"], "key": "k" * 20})).json()[
        "id"
    ]
    moments = [now()]
    for version, name in enumerate(("two", "three"), 1):
        await root.patch(f"/tenants/{tenant}", {"name": name}, version)
        moments.append(now())
    await root.post(f"/channels/{channel}/key", {"key": "n" * 20}, if_match='"1"')
    moments.append(now())
    await root.delete(f"/tenants/{tenant}", 3)
    await _fold(world, tenant)

    async def at(kind: str, entity_id: object, moment: dt.datetime) -> Any:
        stamp = moment.isoformat().replace("+00:00", "Z")
        return await root.get(f"/audit/state?kind={kind}&entity_id={entity_id}&at={stamp}")

    answers = [(await at("tenant", tenant, moment)).json() for moment in [*moments, now()]]

    assert [(each["state"]["name"], each["version"], each["archived"]) for each in answers] == [
        ("one", 1, False),
        ("two", 2, False),
        ("three", 3, False),
        ("three", 3, False),
        ("three", 4, True),
    ]
    assert (await at("tenant", tenant, now() - dt.timedelta(days=1))).status_code == 404
    assert (await at("token", tenant, now())).status_code == 404
    key = (await at("channel", channel, now())).json()
    assert (key["version"], key["state"]["name"]) == (2, "c")
    assert "k" * 20 not in str(key)


async def test_sign_ins_sessions_and_personal_tokens_are_in_it(world: World, root: Person) -> None:
    person = await world.user(platform="admin")
    await world.administration.set_password(person.user_id, "correct horse battery", actor="system:test")
    body = {"login": person.login, "password": "correct horse battery"}
    login = await world.client.post("/api/login", json=body)
    session = {"x-csrf-token": login.json()["csrf_token"]}
    await world.client.post("/api/personal-tokens", json={"name": "deploy", "scopes": ["read"]}, headers=session)
    await root.delete(f"/users/{person.user_id}/sessions")
    world.client.cookies.clear()
    await _fold(world)

    items = await _items(root, "?limit=10")

    assert {("user", "signed_in", ""), ("personal_token", "created", "deploy"), ("user", "sessions_ended", "all")} <= {
        *_said(items)
    }
    signed_in = next(item for item in items if item["action"] == "signed_in")
    assert (signed_in["address"], signed_in["actor_login"]) == ("127.0.0.1", person.login)


async def test_the_timeline_comes_as_a_file_and_is_counted_by_day(world: World, root: Person) -> None:
    tenant = await world.tenant("=1+1")
    owner = await world.person(tenants={tenant: "owner"})
    for name in ("one", "two"):
        await owner.post("/tokens", {"tenant_id": tenant, "name": name})
    await _fold(world, tenant)

    rows = list(csv.DictReader(io.StringIO((await owner.get("/audit/export?kind=token")).text)))
    counts = (await owner.get("/audit/changes?bucket=day")).json()

    assert [(row["name"], row["action"]) for row in rows] == [("two", "created"), ("one", "created")]
    assert '"name":"two"' in rows[0]["after"]
    tokens = [row for row in counts["rows"] if (row["kind"], row["action"]) == ("token", "created")]
    assert sum(row["changes"] for row in tokens) == 2
    whole = (await root.get("/audit/export?kind=tenant")).text
    assert "'=1+1" in whole


async def test_a_movement_that_is_asked_for_again_from_elsewhere_is_the_same_event(world: World, root: Person) -> None:
    tenant = await world.tenant()
    key = new_id()
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "1"}, key)
    # As if the answer had been lost before it was kept, and the client had moved to another network.
    await world.pool.execute("UPDATE admin.idempotency SET response = NULL, address = '198.51.100.7'")

    refused = await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "1"}, key)
    await world.pool.execute("UPDATE admin.idempotency SET response = NULL, address = '127.0.0.1'")
    again = await root.pay(f"/tenants/{tenant}/top-ups", {"amount": "1"}, key)

    # The address that the key was first used from is what counts: another one would be another event.
    assert refused.json()["code"] == "idempotency_key_reused"
    assert again.status_code == 201, again.text
    assert (await root.get(f"/tenants/{tenant}/balance")).json()["balance"] == "1"


async def test_a_rate_card_is_in_the_timeline_without_its_prices_and_whole_as_it_was(
    world: World, root: Person
) -> None:
    body = {"effective_from": "2026-11-01T00:00:00Z", "models": {"m": {"input": "1.25"}}}
    card = (await root.post("/rate-cards", body)).json()["id"]
    await _fold(world)

    (made,) = await _items(root, "?kind=rate_card")
    whole = (await root.get(f"/audit/state?kind=rate_card&entity_id={card}&at=2100-01-01T00:00:00Z")).json()

    assert (made["after"]["model_count"], "models" in made["after"]) == (1, False)
    assert whole["state"]["models"] == {"m": {"input": "1.25"}}
