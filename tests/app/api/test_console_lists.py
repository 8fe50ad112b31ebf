"""What lists, plots and preferences of the console are made of: credit over time, statements, files, sessions."""

import csv
import datetime as dt
import io
from decimal import Decimal
from typing import Any

import pytest

from adapters.clock import now
from app.reports.closing import Closer
from app.reports.statement_closing import StatementCloser
from domain.ids import TenantId, first_lane
from projections.multipliers import MULTIPLIERS
from projections.redemptions import REDEMPTIONS
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.app.api.conftest import Person, World
from tests.app.api.test_receipts import Spender, _spender


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, [USAGE, MULTIPLIERS, REDEMPTIONS])


async def _spend(world: World, spender: Spender, tenant: TenantId, requests: int) -> None:
    for _ in range(requests):
        await spender.capture(await spender.hold(20_000_000))
    await _fold(world, tenant)


async def _fold(world: World, tenant: TenantId) -> None:
    await advance(world.pool, USAGE, tenant, first_lane(tenant))


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


async def _session(world: World, person: Person) -> dict[str, str]:
    opened = await world.sessions.open(person.user.user_id, now=now(), user_agent="Firefox", address="192.0.2.9")
    return {"cookie": f"tallygate_session={opened.secret}", "x-csrf-token": opened.csrf_token}


async def test_preferences_are_kept_with_the_person_and_need_no_version(world: World, root: Person) -> None:
    session = await _session(world, root)
    change: dict[str, Any] = {"language": "zh-CN", "theme": "dark", "time_zone": "Asia/Shanghai"}

    answer = await world.client.patch("/api/me", json=change, headers=session)
    again = await world.client.patch("/api/me", json={"theme": "light"}, headers=session)

    assert answer.status_code == 200, answer.text
    user = (await root.get("/me")).json()["user"]
    assert again.json()["user"] == user
    assert {name: user[name] for name in change} == {**change, "theme": "light"}
    assert (await root.patch("/me", change)).json()["code"] == "session_required"
    refused = await world.client.patch("/api/me", json={"time_zone": "Mars/Olympus"}, headers=session)
    assert refused.status_code == 422, refused.text


async def test_the_operator_sees_and_ends_a_persons_sessions_and_it_is_in_the_log(world: World, root: Person) -> None:
    person = await world.person(tenants={await world.tenant(): "owner"})
    theirs, other = await _session(world, person), await _session(world, person)
    path = f"/users/{person.user.user_id}/sessions"

    listed = (await root.get(path)).json()["items"]
    assert [(each["user_agent"], each["address"]) for each in listed] == [("Firefox", "192.0.2.9")] * 2
    assert (await root.delete(f"{path}/{listed[0]['id']}")).status_code == 204
    assert (await root.delete(f"{path}/{listed[0]['id']}")).status_code == 404
    assert len((await root.get(path)).json()["items"]) == 1
    assert (await root.delete(path)).status_code == 204

    answers = [await world.client.get("/api/me", headers=each) for each in (theirs, other)]
    assert [answer.status_code for answer in answers] == [401, 401]
    platform = TenantId(1)
    assert [each["how"] for each in await world.events(platform, "session.ended.v1")] == ["one", "all"]


async def test_sessions_of_a_higher_role_are_not_ended_and_others_are_nobody_elses_to_see(
    world: World, root: Person
) -> None:
    admin, support = await world.person("admin"), await world.person("support")
    await _session(world, root)

    assert (await admin.delete(f"/users/{root.user.user_id}/sessions")).status_code == 403
    assert (await support.delete(f"/users/{admin.user.user_id}/sessions")).status_code == 403
    assert (await support.get(f"/users/{admin.user.user_id}/sessions")).status_code == 200
    owner = await world.person(tenants={await world.tenant(): "owner"})
    assert (await owner.get(f"/users/{owner.user.user_id}/sessions")).status_code == 403


async def test_credit_over_time_ties_to_the_balance(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 3)
    await root.pay(f"/tenants/{tenant}/adjustments", {"amount": "0.5", "reason": "x"})
    await _fold(world, tenant)

    flows = (await owner.get("/reports/credit?bucket=day")).json()
    balance = (await owner.get(f"/tenants/{tenant}/balance")).json()

    assert len(flows["rows"]) == len(flows["buckets"])
    came = sum(Decimal(row["inflow"]) for row in flows["rows"])
    went = sum(Decimal(row["outflow"]) for row in flows["rows"])
    last = flows["rows"][-1]
    assert Decimal(last["unspent"]) - Decimal(last["owed"]) == came - went == Decimal(balance["balance"])
    assert Decimal(last["charged"]) == Decimal("0.00874875") * 3
    assert {(way["kind"], way["source"]) for row in flows["rows"] for way in row["ways"]} == {
        ("granted", "top_up"),
        ("adjusted", ""),
    }
    all_tenants = (await root.get("/reports/credit?bucket=day")).json()
    assert all_tenants["rows"][-1]["unspent"] == last["unspent"]


async def test_every_movement_shows_the_balance_after_it_whether_its_hour_is_closed_or_not(
    world: World, root: Person
) -> None:
    tenant, owner, spender = await _spender(world, root)
    wanted = []
    for amount in ("1", "2"):
        await _spend(world, spender, tenant, 2)
        await root.pay(f"/tenants/{tenant}/top-ups", {"amount": amount})
        wanted.append((await owner.get(f"/tenants/{tenant}/balance")).json()["balance"])
    await _spend(world, spender, tenant, 1)

    listed = (await owner.get(f"/tenants/{tenant}/movements?limit=2")).json()["items"]

    assert [Decimal(each["balance"]) for each in listed[::-1]] == [Decimal(each) for each in wanted]
    await Closer(world.pool).close()
    assert (await owner.get(f"/tenants/{tenant}/movements?limit=2")).json()["items"] == listed
    rows = _csv((await owner.get(f"/tenants/{tenant}/movements/export")).text)
    assert [row["balance"] for row in rows[:2]] == [each["balance"] for each in listed]
    assert len(rows) == 3
    # A transfer that was cut goes on after the position of its last row.
    rest = _csv((await owner.get(f"/tenants/{tenant}/movements/export?after={rows[0]['position']}")).text)
    assert rest == rows[1:]


async def test_the_last_call_of_each_tenant_of_a_list_is_told_to_the_operator(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    quiet = await world.tenant("Quiet")
    await _spend(world, spender, tenant, 2)

    found = (await root.get(f"/tenants/last-calls?tenant_ids={tenant},{quiet}")).json()["items"]

    newest = (await root.get(f"/reports/requests?tenant_id={tenant}&limit=1")).json()["items"][0]
    assert found == [{"tenant_id": tenant, "at": newest["at"]}]
    assert (await root.get("/tenants/last-calls?tenant_ids=x")).status_code in {400, 422}
    assert (await owner.get(f"/tenants/last-calls?tenant_ids={tenant}")).status_code == 403


async def test_lists_come_as_files_of_what_was_narrowed(world: World, root: Person) -> None:
    tenant, other = await world.tenant("=Acme"), await world.tenant("Other")
    owner = await world.person(tenants={tenant: "owner"})
    for name in ("one", "two"):
        await owner.post("/tokens", {"tenant_id": tenant, "name": name, "tags": [name]})
    await root.post("/tokens", {"tenant_id": other, "user_id": root.user.user_id, "name": "theirs"})

    tokens = await owner.get("/tokens/export")
    tagged = await owner.get("/tokens/export?tag=two")
    mine = await owner.get("/tenants/export")

    assert tokens.headers["content-disposition"] == 'attachment; filename="tokens.csv"'
    assert {row["name"] for row in _csv(tokens.text)} == {"one", "two"}
    assert "sha256" not in tokens.text
    assert [row["name"] for row in _csv(tagged.text)] == ["two"]
    # A name that a spreadsheet would run is kept from running.
    assert [row["name"] for row in _csv(mine.text)] == ["'=Acme"]
    assert {"'=Acme", "Other"} <= {row["name"] for row in _csv((await root.get("/tenants/export")).text)}
    assert (await owner.get("/users/export")).status_code == 403
    assert owner.user.login in (await root.get("/users/export")).text


async def test_redemptions_come_as_a_file(world: World, root: Person) -> None:
    tenant, owner, _ = await _spender(world, root)
    batch = (await root.post("/code-batches", {"name": "b", "count": 1, "amount": "3"})).json()
    await owner.pay(f"/tenants/{tenant}/redeem", {"code": batch["codes"][0]})
    await advance(world.pool, REDEMPTIONS, TenantId(1), first_lane(TenantId(1)))

    (row,) = _csv((await root.get(f"/code-batches/{batch['id']}/redemptions/export")).text)

    assert (row["tenant_id"], row["amount"]) == (str(tenant), "3")
    assert _csv((await root.get(f"/code-batches/{batch['id']}/redemptions/export?after={row['position']}")).text) == []


async def test_one_call_gives_a_line_for_each_key_of_a_list(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 2)
    (token,) = [row["keys"]["token"] for row in (await owner.get("/reports/top?by=token")).json()["rows"]]

    lines = (await owner.get(f"/reports/usage?by=token&token_ids={token},none")).json()["rows"]
    nothing = (await owner.get("/reports/usage?by=token&token_ids=none")).json()["rows"]

    assert [(row["keys"]["token"], row["sums"]["requests"]) for row in lines] == [(token, 2)]
    assert nothing == []


async def test_statements_of_all_tenants_are_written_unasked_and_listed_page_by_page(
    world: World, root: Person
) -> None:
    first, owner, spender = await _spender(world, root)
    second, _, other = await _spender(world, root)
    await _spend(world, spender, first, 2)
    await _spend(world, other, second, 1)
    # Twelve months are over a year later, and on the first of a month some hours after it.
    later = now() + dt.timedelta(days=370)

    written = await StatementCloser(world.pool, clock=lambda: later).close()

    assert written >= 24
    seen: list[dict[str, Any]] = []
    after = ""
    while True:
        page = (await root.get(f"/reports/statements?limit=7{after}")).json()
        seen += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"
    assert len({(each["tenant_id"], each["period"]) for each in seen}) == len(seen) == written
    assert seen == sorted(seen, key=lambda each: (each["starts_at"], each["tenant_id"]), reverse=True)
    earliest = min(each["period"] for each in seen)
    charged = {
        each["tenant_id"]: Decimal(each["charged"])
        for each in (await root.get(f"/reports/statements?period={earliest}")).json()["items"]
    }
    assert charged == {first: Decimal("0.0174975"), second: Decimal("0.00874875")}
    own = (await owner.get("/reports/statements")).json()["items"]
    assert {each["tenant_id"] for each in own} == {first}


async def test_a_setting_tells_who_set_it_when_and_why(world: World, root: Person) -> None:
    admin = await world.person("admin")
    await root.put("/setting-values/site_name", {"value": "One", "reason": "first"}, 0)
    answer = await admin.put("/setting-values/site_name", {"value": "Two", "reason": "second"}, 1)

    (entry,) = [e for e in (await root.get("/setting-values")).json()["items"] if e["name"] == "site_name"]

    assert (entry["updated_by"], entry["updated_by_login"]) == (f"user:{admin.user.user_id}", admin.user.login)
    assert (entry["reason"], entry["updated_at"] is not None) == ("second", True)
    assert answer.json() == entry
