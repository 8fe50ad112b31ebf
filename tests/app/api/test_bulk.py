import asyncio
from typing import Any

from app.administration import secret_sha256
from domain.ids import PLATFORM, TenantId
from tests.app.api.conftest import Person, World

_CHANNEL = {"type": "openai", "models": ["m"]}


async def _tokens(world: World, root: Person, count: int = 3, **more: Any) -> tuple[TenantId, Any]:
    tenant = await world.tenant()
    user = await world.user(tenants={tenant: "member"})
    items = [{"tenant_id": tenant, "user_id": user.user_id, "name": f"t{n}", **more} for n in range(count)]
    return tenant, await root.post("/tokens/bulk", {"items": items, "reason": "new team"})


async def _names(root: Person, path: str) -> list[str]:
    return sorted(each["name"] for each in (await root.get(path)).json()["items"])


async def test_many_keys_are_made_by_one_event_each_with_its_secret_and_a_history_of_its_own(
    world: World, root: Person
) -> None:
    tenant, answer = await _tokens(world, root, 200, tags=["ci"])

    made = answer.json()["items"]
    assert answer.status_code == 201, answer.text
    assert [each["name"] for each in made] == [f"t{n}" for n in range(200)]
    assert len({each["secret"] for each in made}) == 200
    assert len(await world.events(tenant, "token.bulk.v1")) == 1
    (only,) = (await root.get(f"/tokens/{made[7]['id']}/history")).json()["items"]
    assert (only["reason"], only["after"]["name"], only["before"]) == ("new team", "t7", None)
    found = await world.administration.find("token", secret_sha256(made[9]["secret"]))
    assert found is not None
    assert found.entity_id == made[9]["id"]


async def test_one_key_that_cannot_be_made_keeps_all_others_from_being_made(world: World, root: Person) -> None:
    tenant = await world.tenant()
    user = await world.user(tenants={tenant: "member"})
    good = {"tenant_id": tenant, "user_id": user.user_id, "name": "good"}
    stranger = {**good, "user_id": root.user.user_id, "name": "stranger"}
    wrong = {**good, "networks": ["not a network"]}

    answer = await root.post("/tokens/bulk", {"items": [good, wrong, good, stranger]})

    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, "bulk_refused")
    assert [(each["index"], each["code"]) for each in problem["items"]] == [(1, "invalid"), (3, "invalid")]
    assert "not a network" in problem["items"][0]["detail"]
    assert await _names(root, f"/tokens?tenant_id={tenant}") == []


async def test_many_keys_are_changed_at_once_and_a_stale_version_stops_them_all(world: World, root: Person) -> None:
    tenant, answer = await _tokens(world, root)
    ids = [each["id"] for each in answer.json()["items"]]
    await root.patch(f"/tokens/{ids[2]}", {"name": "meanwhile"}, 1)

    def changes(third: int) -> dict[str, Any]:
        versions = (1, 1, third)
        steps = [
            {"id": id_, "version": version, "change": {"revoked": True}}
            for id_, version in zip(ids, versions, strict=True)
        ]
        return {"items": steps, "reason": "leak"}

    stale = await root.patch("/tokens", changes(1))
    fresh = await root.patch("/tokens", changes(2))

    assert (stale.status_code, stale.json()["code"]) == (422, "bulk_refused")
    assert [(each["index"], each["code"]) for each in stale.json()["items"]] == [(2, "version_conflict")]
    assert [each["revoked"] for each in fresh.json()["items"]] == [True] * 3
    assert [each["version"] for each in fresh.json()["items"]] == [2, 2, 3]
    accounts = await world.pool.fetch(
        "SELECT open FROM ledger.account WHERE tenant_id = $1 AND name = ANY ($2)",
        tenant,
        [f"token:{id_}" for id_ in ids],
    )
    assert [row["open"] for row in accounts] == [False] * 3
    latest = (await root.get(f"/tokens/{ids[0]}/history")).json()["items"][0]
    assert (latest["before"]["revoked"], latest["after"]["revoked"], latest["reason"]) == (False, True, "leak")


async def test_a_bulk_is_of_one_tenant_and_of_those_whom_it_may_touch(world: World) -> None:
    one, two = await world.tenant("One"), await world.tenant("Two")
    owner = await world.person(tenants={one: "owner", two: "owner"})
    stranger = await world.person(tenants={two: "owner"})
    items = [{"tenant_id": tenant, "name": "t"} for tenant in (one, two)]

    mixed = await owner.post("/tokens/bulk", {"items": items})
    foreign = await stranger.post("/tokens/bulk", {"items": items})
    made = (await owner.post("/tokens/bulk", {"items": items[:1]})).json()["items"][0]
    step = {"id": made["id"], "version": 1, "change": {"name": "mine"}}

    assert (mixed.status_code, mixed.json()["items"][0]["index"]) == (422, 1)
    assert foreign.status_code == 404
    assert (await stranger.patch("/tokens", {"items": [step]})).status_code == 404
    assert (await owner.patch("/tokens", {"items": []})).status_code == 400
    assert (await owner.patch("/tokens", {"items": [step, step]})).json()["items"][0]["index"] == 1


async def test_channels_with_keys_are_made_and_changed_together(world: World, root: Person) -> None:
    keys = [f"vendor-key-number-{n}-of-two" for n in range(2)]
    items = [{**_CHANNEL, "name": f"c{n}", "key": key} for n, key in enumerate(keys)]
    made = (await root.post("/channels/bulk", {"items": items})).json()["items"]
    steps = [{"id": each["id"], "version": 1, "change": {"enabled": False, "weight": 7}} for each in made]

    changed = await root.patch("/channels", {"items": steps, "reason": "vendor down"})

    assert changed.status_code == 200, changed.text
    assert [(each["enabled"], each["weight"]) for each in changed.json()["items"]] == [(False, 7)] * 2
    stored = await world.administration.store.channel_keys([each["id"] for each in made])
    assert {key for key, _ in stored} == {each["id"] for each in made}
    events = await world.pool.fetchval("SELECT string_agg(convert_from(data, 'UTF8'), '') FROM ledger.event")
    assert all(key not in events for key in keys)


async def test_a_name_that_is_taken_or_given_twice_is_told_and_leaves_no_key_behind(world: World, root: Person) -> None:
    await root.post("/channels", {**_CHANNEL, "name": "taken"})
    items = [{**_CHANNEL, "name": name, "key": "k" * 20} for name in ("fresh", "taken")]

    taken = await root.post("/channels/bulk", {"items": items})
    twice = await root.post("/channels/bulk", {"items": [items[0], items[0]]})

    assert [(each["index"], each["code"]) for each in taken.json()["items"]] == [(1, "name_taken")]
    assert [(each["index"], each["code"]) for each in twice.json()["items"]] == [(1, "name_taken")]
    assert await _names(root, "/channels") == ["taken"]
    assert await world.pool.fetchval("SELECT count(*) FROM admin.channel_key") == 0


async def test_two_bulks_for_the_same_names_have_one_winner_and_never_a_mixture(world: World, root: Person) -> None:
    items = [{**_CHANNEL, "name": f"c{n}"} for n in range(5)]
    turned = items[::-1]

    answers = await asyncio.gather(*(root.post("/channels/bulk", {"items": each}) for each in [items, turned] * 4))

    assert [answer.status_code for answer in answers].count(201) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} == {"bulk_refused"}
    assert await _names(root, "/channels") == [f"c{n}" for n in range(5)]
    assert len(await world.events(PLATFORM, "channel.bulk.v1")) == 1


async def test_batches_of_codes_are_revoked_together(root: Person) -> None:
    batches = [
        (await root.post("/code-batches", {"name": f"b{n}", "count": 1, "amount": "1"})).json() for n in range(3)
    ]
    steps = [{"id": each["id"], "version": 1, "change": {"revoked": True}} for each in batches]

    answer = await root.patch("/code-batches", {"items": steps})

    assert [each["revoked"] for each in answer.json()["items"]] == [True] * 3
