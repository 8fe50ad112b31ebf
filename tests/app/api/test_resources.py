import asyncio
from typing import Any

import pytest

from domain.accounts import tenant_account
from tests.app.api.conftest import Person, World

_CARD = {
    "effective_from": "2026-11-01T00:00:00Z",
    "source": "typed in",
    "models": {"m": {"input": "1.25", "cached_input": "0.125", "output": "10"}},
}

# Each resource: where it is, what makes one, a change, and what the change shows.
_LIVES: list[tuple[str, dict[str, Any], dict[str, Any]]] = [
    ("/groups", {"side": "user", "label": "gold", "name": "Gold"}, {"name": "Gold plus", "allowance": "2.5"}),
    ("/multipliers", {"user_group": "default", "channel_group": "all", "multiplier": "0.8"}, {"multiplier": "0.75"}),
    ("/mappings", {"model": "best", "target": "gpt-x"}, {"target": "gpt-y", "billed": "asked"}),
    ("/settings", {"name": "output_tokens_default", "value": 2048}, {"value": 1024}),
    ("/rate-cards", _CARD, {"source": "typed in again"}),
    (
        "/channels",
        {"name": "Vendor", "type": "openai", "base_url": "https://vendor.example/v1", "models": ["m"]},
        {"weight": 50, "enabled": False},
    ),
    ("/tenants", {"name": "Acme", "time_zone": "Asia/Shanghai"}, {"name": "Acme Ltd", "credit_limit": "12.5"}),
    ("/code-batches", {"name": "Spring", "count": 2, "amount": "5"}, {"name": "Summer"}),
    ("/users", {"login": "ada", "name": "Ada", "password": "long enough"}, {"name": "Ada L."}),
]


@pytest.mark.parametrize(("path", "new", "change"), _LIVES, ids=[life[0] for life in _LIVES])
async def test_a_thing_is_made_read_listed_changed_and_archived_with_all_of_it_in_its_history(
    root: Person, path: str, new: dict[str, Any], change: dict[str, Any]
) -> None:
    made = await root.post(path, {**new, "reason": "needed"})
    assert made.status_code == 201, made.text
    thing, version = made.json(), made.json()["version"]
    own = f"{path}/{thing['id']}"
    assert made.headers["etag"] == f'"{version}"'

    read = await root.get(own)
    assert read.json() == {name: value for name, value in thing.items() if name != "codes"}
    assert thing["id"] in [each["id"] for each in (await root.get(path)).json()["items"]]

    changed = await root.patch(own, {**change, "reason": "better so"}, version)
    assert changed.status_code == 200, changed.text
    assert {name: changed.json()[name] for name in change} == change
    assert changed.headers["etag"] == f'"{version + 1}"'

    archived = await root.delete(f"{own}?reason=done", version + 1)
    assert archived.status_code == 200, archived.text
    assert archived.json()["archived"] is True
    assert thing["id"] not in [each["id"] for each in (await root.get(path)).json()["items"]]
    listed = (await root.get(f"{path}?include_archived=true")).json()["items"]
    assert thing["id"] in [each["id"] for each in listed]
    assert (await root.patch(own, change, version + 2)).json()["code"] == "archived"

    last, middle, *_, first = (await root.get(f"{own}/history")).json()["items"]
    assert [last["reason"], middle["reason"], first["reason"]] == ["done", "better so", "needed"]
    assert {each["actor"] for each in (last, middle, first)} == {f"user:{root.user.user_id}"}
    assert first["before"] is None
    assert last["after"] is None
    assert {name: middle["after"][name] for name in change if name in middle["after"]}.items() <= change.items()
    assert middle["before"] != middle["after"]


async def test_a_change_without_a_version_is_refused_and_one_from_an_old_version_too(root: Person) -> None:
    tenant = (await root.post("/tenants", {"name": "Acme"})).json()
    path = f"/tenants/{tenant['id']}"

    without = await root.patch(path, {"name": "B"})
    await root.patch(path, {"name": "C"}, 1)
    old = await root.patch(path, {"name": "D"}, 1)

    assert (without.status_code, without.json()["code"]) == (428, "version_required")
    assert (old.status_code, old.json()["code"]) == (412, "version_conflict")
    assert (await root.get(path)).json()["name"] == "C"


@pytest.mark.parametrize(("path", "new", "change"), _LIVES, ids=[life[0] for life in _LIVES])
async def test_of_many_changes_from_one_version_exactly_one_is_made(
    root: Person, path: str, new: dict[str, Any], change: dict[str, Any]
) -> None:
    made = (await root.post(path, new)).json()
    own, version = f"{path}/{made['id']}", made["version"]

    answers = await asyncio.gather(*(root.patch(own, change, version) for _ in range(20)))

    assert sorted({(answer.status_code, answer.json().get("code")) for answer in answers}, key=str) == [
        (200, None),
        (412, "version_conflict"),
    ]
    assert [answer.status_code for answer in answers].count(200) == 1
    now_there = (await root.get(own)).json()
    assert now_there["version"] == version + 1
    assert {name: now_there[name] for name in change} == change
    history = (await root.get(f"{own}/history")).json()["items"]
    assert len([entry for entry in history if entry["before"] and entry["after"]]) >= 1


async def test_an_archive_from_an_old_version_is_refused(root: Person) -> None:
    for path, new, change in _LIVES:
        made = (await root.post(path, new)).json()
        own, version = f"{path}/{made['id']}", made["version"]
        await root.patch(own, change, version)

        old = await root.delete(own, version)

        assert (old.status_code, old.json()["code"]) == (412, "version_conflict"), path


async def test_lists_are_read_in_parts_that_neither_overlap_nor_leave_out(root: Person) -> None:
    made = [(await root.post("/tenants", {"name": f"T{number}"})).json()["id"] for number in range(7)]
    found: list[int] = []
    after = ""
    for _ in range(4):
        part = (await root.get(f"/tenants?limit=3{after}")).json()
        found += [each["id"] for each in part["items"]]
        if part["next"] is None:
            break
        after = f"&after={part['next']}"

    assert found == made[::-1]
    assert (await root.get("/tenants?after=rubbish")).json()["code"] == "invalid"
    assert (await root.get("/tenants?limit=0")).status_code == 400


async def test_a_tokens_secret_is_shown_once_and_stored_nowhere(world: World, root: Person) -> None:
    tenant = await world.tenant()
    member = await world.user(tenants={tenant: "member"})
    body = {"tenant_id": tenant, "user_id": member.user_id, "name": "CI", "limits": {"requests_per_minute": 60}}

    made = await root.post("/tokens", body)
    token = made.json()
    answers = [await root.get(f"/tokens/{token['id']}"), await root.get("/tokens")]
    answers.append(await root.get(f"/tokens/{token['id']}/history"))

    assert made.status_code == 201
    assert made.headers["cache-control"] == "no-store"
    assert token["secret"].startswith("sk-")
    assert all(token["secret"] not in answer.text and "sha256" not in answer.text for answer in answers)
    everything = await world.pool.fetch("SELECT convert_from(data, 'UTF8') AS data FROM ledger.event")
    assert all(token["secret"] not in row["data"] for row in everything)
    found = await world.administration.get("token", token["id"])
    assert found.entity.sha256 != token["secret"]


async def test_a_revoked_token_stays_revoked(world: World, root: Person) -> None:
    tenant = await world.tenant()
    member = await world.user(tenants={tenant: "member"})
    token = (await root.post("/tokens", {"tenant_id": tenant, "user_id": member.user_id, "name": "CI"})).json()

    revoked = await root.patch(f"/tokens/{token['id']}", {"revoked": True}, 1)
    back = await root.patch(f"/tokens/{token['id']}", {"revoked": False}, 2)

    assert revoked.json()["revoked"] is True
    assert back.status_code == 400
    is_open = await world.pool.fetchval("SELECT open FROM ledger.account WHERE name = $1", f"token:{token['id']}")
    assert is_open is False


async def test_a_channels_key_goes_in_and_never_comes_out(world: World, root: Person) -> None:
    key = "vendor-key-that-must-stay-secret-7777"
    body = {"name": "V", "type": "openai", "base_url": "https://v.example/v1", "models": ["m"], "key": key}

    made = await root.post("/channels", body)
    path = f"/channels/{made.json()['id']}"
    replaced = await root.post(f"{path}/key", {"key": key + "-new"}, if_match='"1"')
    answers = [made, replaced, await root.get(path), await root.get("/channels"), await root.get(f"{path}/history")]

    assert [answer.status_code for answer in answers] == [201, 200, 200, 200, 200]
    assert all(key not in answer.text for answer in answers)
    assert replaced.json()["key_version"] == 2
    everything = await world.pool.fetch("SELECT convert_from(data, 'UTF8') AS data FROM ledger.event")
    assert all(key not in row["data"] for row in everything)


_RESTORABLE = [life for life in _LIVES if life[0] not in {"/settings", "/rate-cards"}]


@pytest.mark.parametrize(("path", "new", "change"), _RESTORABLE, ids=[life[0] for life in _RESTORABLE])
async def test_what_was_archived_is_put_into_use_again_as_it_was(
    root: Person, path: str, new: dict[str, Any], change: dict[str, Any]
) -> None:
    thing = (await root.post(path, new)).json()
    own, version = f"{path}/{thing['id']}", thing["version"]
    in_use = await root.post(f"{own}/restore", {}, if_match=f'"{version}"')
    await root.delete(own, version)

    stale = await root.post(f"{own}/restore", {}, if_match=f'"{version}"')
    restored = await root.post(f"{own}/restore", {"reason": "needed again"}, if_match=f'"{version + 1}"')

    assert (in_use.status_code, in_use.json()["code"]) == (409, "not_archived")
    assert (stale.status_code, stale.json()["code"]) == (412, "version_conflict")
    assert restored.status_code == 200, restored.text
    same = {name: value for name, value in thing.items() if name not in {"version", "updated_at", "codes"}}
    assert {name: restored.json()[name] for name in same} == same
    assert restored.headers["etag"] == f'"{version + 2}"'
    latest = (await root.get(f"{own}/history")).json()["items"][0]
    assert (latest["type"].split(".")[1], latest["reason"]) == ("restored", "needed again")
    assert (await root.patch(own, change, version + 2)).status_code == 200


async def test_a_name_that_went_to_another_meanwhile_keeps_a_thing_archived(root: Person) -> None:
    body = {"side": "user", "label": "vip", "name": "VIP"}
    first = (await root.post("/groups", body)).json()
    await root.delete(f"/groups/{first['id']}", 1)
    await root.post("/groups", body)

    answer = await root.post(f"/groups/{first['id']}/restore", {}, if_match='"2"')

    assert (answer.status_code, answer.json()["code"]) == (409, "name_taken")


async def test_a_restored_tenant_spends_again_and_only_root_restores_a_root(world: World, root: Person) -> None:
    tenant = await world.tenant()
    await root.delete(f"/tenants/{tenant}", 1)
    account = "SELECT open FROM ledger.account WHERE tenant_id = $1 AND account_id = $2"
    closed = await world.pool.fetchval(account, tenant, tenant_account(tenant))
    await root.post(f"/tenants/{tenant}/restore", {}, if_match='"2"')
    other = await world.user(platform="root")
    await root.delete(f"/users/{other.user_id}", 1)
    admin = await world.person("admin")

    refused = await admin.post(f"/users/{other.user_id}/restore", {}, if_match='"2"')
    allowed = await root.post(f"/users/{other.user_id}/restore", {}, if_match='"2"')

    assert (closed, await world.pool.fetchval(account, tenant, tenant_account(tenant))) == (False, True)
    assert (refused.status_code, allowed.status_code) == (403, 200)


async def test_a_rate_card_is_drafted_linted_published_and_then_fixed(root: Person) -> None:
    good = (await root.post("/rate-cards", _CARD)).json()
    published = await root.post(f"/rate-cards/{good['id']}/publish", {"reason": "go"}, if_match='"1"')
    assert published.json()["published"] is True
    fixed = await root.patch(f"/rate-cards/{good['id']}", {"source": "changed"}, 2)
    assert (fixed.status_code, fixed.json()["code"]) == (409, "rate_card_published")

    wrong = {**_CARD, "effective_from": "2026-11-20T00:00:00Z", "card_version": 2, "series_id": good["id"]}
    wrong = {**wrong, "models": {"m": {"input": "1250", "cached_input": "2000", "output": "10"}}}
    draft = (await root.post("/rate-cards", wrong)).json()
    findings = (await root.get(f"/rate-cards/{draft['id']}/lint")).json()["items"]
    refused = await root.post(f"/rate-cards/{draft['id']}/publish", {}, if_match='"1"')
    forced = await root.post(f"/rate-cards/{draft['id']}/publish", {"force": True}, if_match='"1"')

    assert {"cached_dearer", "price_jump"} <= {each["code"] for each in findings if each["severity"] == "error"}
    assert (refused.status_code, refused.json()["code"]) == (422, "rate_card_refused")
    assert len(refused.json()["findings"]) >= 2
    assert forced.json()["published"] is True


async def test_a_draft_is_compared_with_the_card_before_it_and_linted_against_what_vendors_charge(root: Person) -> None:
    costs = {**_CARD, "use": "cost", "models": {"vendor-m": {"input": "1.5", "output": "3"}}}
    cost = (await root.post("/rate-cards", costs)).json()
    await root.post(f"/rate-cards/{cost['id']}/publish", {"force": True}, if_match='"1"')
    channel = {
        "name": "V",
        "type": "openai",
        "models": ["m", "unpriced"],
        "model_map": {"m": "vendor-m"},
        "cost_card_id": cost["series_id"],
    }
    assert (await root.post("/channels", channel)).status_code == 201
    first = (await root.post("/rate-cards", _CARD)).json()
    await root.post(f"/rate-cards/{first['id']}/publish", {}, if_match='"1"')
    later = {**_CARD, "effective_from": "2026-11-20T00:00:00Z", "card_version": 2, "series_id": first["id"]}
    later["models"] = {"m": {"input": "1.25", "cached_input": "0.125", "output": "12"}, "n": {"input": "1"}}
    draft = (await root.post("/rate-cards", later)).json()

    compared = (await root.get(f"/rate-cards/{draft['id']}/diff")).json()
    named = (await root.get(f"/rate-cards/{first['id']}/diff?against={draft['id']}")).json()
    findings = (await root.get(f"/rate-cards/{draft['id']}/lint")).json()["items"]

    told = [(each["model"], each["price"], each["change"], each["after"]) for each in compared["items"]]
    assert told == [("m", "output", "raised", "12"), ("n", "input", "added", "1")]
    assert (compared["against"], compared["against_version"]) == (first["series_id"], 1)
    assert [each["change"] for each in named["items"]] == ["lowered", "removed"]
    assert {("below_cost", "m"), ("served_unpriced", "unpriced")} <= {(f["code"], f["model"]) for f in findings}
    assert (await root.get(f"/rate-cards/{first['id']}/diff")).json()["against"] is None
    assert (await root.get(f"/rate-cards/{draft['id']}/diff?against=nothing")).status_code == 404


async def test_a_typing_error_in_a_price_is_refused_and_not_ignored(root: Person) -> None:
    answer = await root.post("/rate-cards", {**_CARD, "models": {"m": {"inptu": "1"}}})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "inptu" in answer.text


async def test_names_are_taken_once_even_when_asked_for_at_the_same_time(root: Person) -> None:
    body = {"side": "user", "label": "vip", "name": "VIP"}

    answers = await asyncio.gather(*(root.post("/groups", body) for _ in range(20)))

    assert [answer.status_code for answer in answers].count(201) == 1
    assert {answer.json()["code"] for answer in answers if answer.status_code != 201} == {"name_taken"}


async def test_a_member_is_made_changed_and_removed_by_the_tenant_itself(world: World) -> None:
    tenant = await world.tenant()
    owner = await world.person(tenants={tenant: "owner"})
    body = {"login": "bob", "name": "Bob", "password": "long enough", "role": "member"}

    made = await owner.post(f"/tenants/{tenant}/members", body)
    path = f"/tenants/{tenant}/members/{made.json()['user_id']}"
    budget = {"unit": "money", "period": "month", "amount": "10"}
    changed = await owner.patch(path, {"role": "billing", "budgets": [budget]}, made.json()["version"])
    removed = await owner.delete(path, changed.json()["version"])
    left = (await owner.get(f"/tenants/{tenant}/members")).json()["items"]

    assert made.status_code == 201, made.text
    assert changed.json()["role"] == "billing"
    assert changed.json()["budgets"] == [budget]
    assert removed.status_code == 200
    assert [each["user_id"] for each in left] == [owner.user.user_id]


async def test_a_members_history_is_of_their_place_in_this_tenant_and_nowhere_else(world: World, root: Person) -> None:
    tenant, elsewhere = await world.tenant(), await world.tenant("Elsewhere")
    owner = await world.person(tenants={tenant: "owner"})
    member = await world.user(tenants={tenant: "member", elsewhere: "admin"})
    path = f"/tenants/{tenant}/members/{member.user_id}"

    first = await owner.get(path)
    await owner.patch(path, {"role": "billing", "reason": "does the books"}, first.json()["version"])
    version = (await root.get(f"/users/{member.user_id}")).json()["version"]
    place = await root.patch(f"/tenants/{elsewhere}/members/{member.user_id}", {"role": "viewer"}, version)
    removed = await owner.delete(path, place.json()["version"])

    assert (first.json()["role"], first.headers["etag"]) == ("member", f'"{first.json()["version"]}"')
    assert (place.status_code, removed.status_code) == (200, 200), removed.text
    assert (await owner.get(path)).status_code == 404
    history = (await owner.get(f"{path}/history")).json()["items"]
    assert [[side and side["role"] for side in (each["before"], each["after"])] for each in history] == [
        ["billing", None],
        ["member", "billing"],
        [None, "member"],
    ]
    assert (history[1]["actor"], history[1]["reason"]) == (f"user:{owner.user.user_id}", "does the books")
    assert str(elsewhere) not in (await owner.get(f"{path}/history")).text
    stranger = await world.person(tenants={elsewhere: "owner"})
    assert (await stranger.get(f"{path}/history")).status_code == 404
    assert (await owner.get(f"/tenants/{tenant}/members/{root.user.user_id}/history")).status_code == 404


async def test_the_last_root_cannot_be_disabled(world: World, root: Person) -> None:
    found = await world.administration.get("user", root.user.user_id)

    answer = await root.patch(f"/users/{root.user.user_id}", {"disabled": True}, found.version)

    assert (answer.status_code, answer.json()["code"]) == (409, "last_root")
