import asyncio
from typing import Any

import pytest

from domain.ids import TenantId
from tests.app.api.conftest import Person, World


async def _walk(person: Person, path: str, limit: int = 2) -> list[Any]:
    """Give a whole list, part by part."""
    found: list[Any] = []
    after = ""
    while True:
        answer = await person.get(f"{path}{'&' if '?' in path else '?'}limit={limit}{after}")
        assert answer.status_code == 200, answer.text
        found += answer.json()["items"]
        if answer.json()["next"] is None:
            return found
        after = f"&after={answer.json()['next']}"


async def _names(person: Person, path: str) -> list[str]:
    return [each["name"] for each in await _walk(person, path)]


async def test_every_order_gives_every_row_once_in_parts_of_any_size(world: World, root: Person) -> None:
    for name in ("delta", "Alpha", "charlie", "Bravo", "echo"):
        await world.tenant(name)
    first = (await root.get("/tenants?search=charlie")).json()["items"][0]
    await root.patch(f"/tenants/{first['id']}", {"time_zone": "Europe/Berlin"}, first["version"])

    by_name = ["Alpha", "Bravo", "charlie", "delta", "echo"]
    assert await _names(root, "/tenants?sort=name") == by_name
    assert await _names(root, "/tenants?sort=-name") == by_name[::-1]
    assert await _names(root, "/tenants") == ["echo", "Bravo", "charlie", "Alpha", "delta"]
    assert await _names(root, "/tenants?sort=created_at") == ["delta", "Alpha", "charlie", "Bravo", "echo"]
    assert (await _names(root, "/tenants?sort=-updated_at"))[0] == "charlie"
    assert (await _names(root, "/tenants?sort=updated_at"))[-1] == "charlie"


async def test_rows_that_come_meanwhile_neither_repeat_nor_hide_others(world: World, root: Person) -> None:
    for name in ("b", "d", "f"):
        await world.tenant(name)
    part = (await root.get("/tenants?sort=name&limit=2")).json()
    await world.tenant("a")
    await world.tenant("e")

    rest = (await root.get(f"/tenants?sort=name&after={part['next']}")).json()

    assert [each["name"] for each in part["items"] + rest["items"]] == ["b", "d", "e", "f"]


@pytest.mark.parametrize("after", ["", "x", "!!", "e30", "WyItbmFtZSIsMSwiYSJd", "WyItY3JlYXRlZF9hdCIsLTEsIiJd"])
async def test_a_place_that_is_none_is_refused(root: Person, after: str) -> None:
    answer = await root.get(f"/tenants?after={after}")

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")


async def test_a_place_of_one_order_is_none_of_another(world: World, root: Person) -> None:
    await asyncio.gather(*(world.tenant(name) for name in "abc"))
    part = (await root.get("/tenants?sort=name&limit=1")).json()

    assert (await root.get(f"/tenants?sort=-name&after={part['next']}")).status_code == 422
    assert (await root.get("/tenants?sort=age")).json()["code"] == "invalid_request"


async def test_filters_know_the_defaults_that_are_not_stored(world: World, root: Person) -> None:
    one, two = await world.tenant("one"), await world.tenant("two")
    await root.patch(f"/tenants/{two}", {"suspended": True}, 1)

    assert await _names(root, "/tenants?suspended=false") == ["one"]
    assert await _names(root, "/tenants?suspended=true") == ["two"]
    assert await _names(root, "/tenants?user_group=default") == ["two", "one"]
    owner = await world.person(tenants={one: "owner", two: "owner"})
    assert await _names(owner, "/tenants?suspended=true") == ["two"]
    assert await _names(owner, "/tenants?sort=name&search=o") == ["one", "two"]


async def test_tokens_are_found_by_tag_model_owner_and_state(world: World, root: Person) -> None:
    tenant = await world.tenant()
    ada, bob = await world.user(tenants={tenant: "member"}), await world.user(tenants={tenant: "member"})
    for user, name, more in (
        (ada, "build", {"tags": ["ci", "nightly"], "models": ["gpt-x"]}),
        (ada, "laptop", {"models": ["gpt-x", "gpt-y"]}),
        (bob, "server", {"tags": ["ci"]}),
    ):
        body = {"tenant_id": tenant, "user_id": user.user_id, "name": name, **more}
        made = await root.post("/tokens", body)
        assert made.status_code == 201, made.text
    await root.patch(f"/tokens/{made.json()['id']}", {"revoked": True}, 1)

    assert await _names(root, "/tokens?tag=ci&sort=name") == ["build", "server"]
    assert await _names(root, "/tokens?tag=ci&revoked=false") == ["build"]
    assert await _names(root, "/tokens?model=gpt-x&sort=name") == ["build", "laptop"]
    assert await _names(root, f"/tokens?user_id={bob.user_id}") == ["server"]
    assert await _names(root, "/tokens?tag=%27%20OR%20true--") == []


async def test_channels_groups_cards_and_people_are_narrowed_by_what_they_are(world: World, root: Person) -> None:
    for name, more in (
        ("one", {"type": "openai", "models": ["m"], "base_url": "https://v.example/v1"}),
        ("two", {"type": "anthropic", "models": ["n"], "enabled": False}),
    ):
        assert (await root.post("/channels", {"name": name, **more})).status_code == 201
    await world.person("auditor")
    tenant = await world.tenant()
    await world.user(tenants={TenantId(tenant): "viewer"})

    assert await _names(root, "/channels?type=anthropic") == ["two"]
    assert await _names(root, "/channels?enabled=true") == ["one"]
    assert await _names(root, "/channels?model=n&channel_group=default") == ["two"]
    assert await _names(root, "/channels?channel_group=none") == []
    assert [each["label"] for each in await _walk(root, "/groups?side=user")] == ["default"]
    assert [each["platform_role"] for each in await _walk(root, "/users?platform_role=auditor")] == ["auditor"]
    assert len(await _walk(root, f"/users?tenant_id={tenant}")) == 1
    assert await _walk(root, "/users?disabled=true") == []


async def test_every_filter_of_the_document_is_one_that_the_database_understands(world: World, root: Person) -> None:
    document = (await world.client.get("/api/openapi.json")).json()
    asked = 0
    for path, methods in document["paths"].items():
        operation = methods.get("get")
        names = {each["name"]: each for each in operation.get("parameters", ())} if operation else {}
        if "include_archived" not in names:
            continue
        for name, parameter in names.items():
            if parameter["in"] != "query" or name in {"after", "limit", "search", "include_archived", "sort"}:
                continue
            schema = parameter["schema"]
            kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
            value = "true" if "boolean" in kinds else "1" if "integer" in kinds else schema.get("enum", ["x"])[0]
            answer = await root.get(f"{path.removeprefix('/api')}?{name}={value}")
            if "{" in path:
                continue
            assert answer.status_code in {200, 404}, (path, name, answer.text)
            asked += 1
    assert asked > 15


async def test_a_nul_in_a_tag_is_refused_for_no_list_could_be_read_after_it(world: World, root: Person) -> None:
    tenant = await world.tenant()
    user = await world.user(tenants={tenant: "member"})

    answer = await root.post("/tokens", {"tenant_id": tenant, "user_id": user.user_id, "name": "t", "tags": ["a\0b"]})

    assert answer.status_code in {400, 422}
    kept = await root.post(
        "/tokens", {"tenant_id": tenant, "user_id": user.user_id, "name": "t", "tags": ["a\\u0000b"]}
    )
    assert kept.status_code == 201, kept.text
    assert await _names(root, "/tokens?tag=a%5Cu0000b") == ["t"]
