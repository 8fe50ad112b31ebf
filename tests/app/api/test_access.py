from collections.abc import Iterator
from typing import Any

import pytest
from litestar import Litestar, get
from litestar.handlers import HTTPRouteHandler
from litestar.routes import HTTPRoute

from adapters.ids import new_id
from app.api.auth import login
from app.api.guards import ACCESS, Access, admit, refuse_undeclared
from app.api.permissions import (
    PLATFORM_PERMISSIONS,
    TENANT_PERMISSIONS,
    Permission,
    Principal,
    may_assign,
    scope_of,
)
from app.api.router import api_router
from domain.admin.entities import Membership, PlatformRole, TenantRole, User
from domain.ids import EntityId, TenantId
from tests.app.api.conftest import Person, World

A, B = TenantId(10), TenantId(20)
_DOCUMENT = {"/api/openapi.json", "/api/openapi.json/{path:str}"}
_PUBLIC = {
    "/api/docs",
    "/api/links/accept",
    "/api/links/read",
    "/api/login",
    "/api/password-reset",
    "/api/public/prices",
    "/api/public/prices/history",
    "/api/public/status",
    "/api/public/status.atom",
    "/api/sign-up",
    "/api/site",
}


def _handlers(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    for route in app.routes:
        if isinstance(route, HTTPRoute):
            for handler in route.route_handlers:
                if handler.http_methods != {"OPTIONS"}:
                    yield route.path, handler


async def test_every_route_says_who_may_pass_and_goes_through_the_door(world: World) -> None:
    seen = 0
    for path, handler in _handlers(world.app):
        if path in _DOCUMENT:
            continue
        access = handler.opt.get(ACCESS)
        assert isinstance(access, Access), f"{handler.http_methods} {path} does not say who may pass"
        assert admit in handler.resolve_guards(), path
        assert (access.permission is None) == (path in _PUBLIC), path
        seen += 1
    assert seen > 60


async def test_a_route_that_forgot_to_say_who_may_pass_is_open_to_nobody(world: World, root: Person) -> None:
    @get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    router = api_router(world.api())
    router.register(forgotten)
    async with world.client_of(Litestar([router], openapi_config=None)) as client:
        answer = await root.on(client).get("/forgotten")

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_the_server_does_not_start_with_a_route_that_does_not_say_who_may_pass() -> None:
    @get("/forgotten")
    async def forgotten() -> str:
        return "secret"

    with pytest.raises(TypeError, match="forgotten"):
        refuse_undeclared([login, forgotten])


async def test_nobody_gets_past_the_door_without_credentials(world: World) -> None:
    for path, handler in _handlers(world.app):
        if path in _PUBLIC | _DOCUMENT:
            continue
        concrete = path.replace("{tenant_id:int}", "7")
        for method in handler.http_methods - {"OPTIONS"}:
            # A new address each time: strangers are slowed down.
            answer = await world.client.request(method, concrete)
            assert answer.status_code in {401, 429}, (method, path, answer.text)


@pytest.mark.parametrize("role", list(PLATFORM_PERMISSIONS))
def test_a_platform_role_reads_every_tenant(role: PlatformRole) -> None:
    principal = _principal(platform=role)

    assert principal.may(Permission.TENANT_READ, A)
    assert principal.may(Permission.BALANCE_READ, B)
    assert principal.sees(A)


@pytest.mark.parametrize("role", list(TENANT_PERMISSIONS))
def test_a_tenant_role_counts_in_its_own_tenant_only(role: TenantRole) -> None:
    principal = _principal(tenants={A: role})

    assert principal.may(Permission.TENANT_READ, A)
    assert not any(principal.may(each, B) for each in Permission if each is not Permission.SELF)
    assert not any(principal.may(each) for each in Permission if each is not Permission.SELF)
    assert not principal.sees(B)


def test_auditors_change_nothing_and_tenants_never_give_themselves_credit() -> None:
    auditor = PLATFORM_PERMISSIONS["auditor"]
    everything_of_tenants = frozenset().union(*TENANT_PERMISSIONS.values())

    assert all(scope_of(each) == "read" for each in auditor - {Permission.SELF})
    for forbidden in (
        Permission.CREDIT_GRANT,
        Permission.CREDIT_ADJUST,
        Permission.TENANT_GOVERN,
        Permission.CHANNEL_READ,
        Permission.PRICING_WRITE,
        Permission.USER_READ,
    ):
        assert forbidden not in everything_of_tenants


@pytest.mark.parametrize(
    ("own", "given", "allowed"),
    [
        ("root", "root", True),
        ("admin", "root", False),
        ("admin", "admin", False),
        ("admin", "auditor", True),
        ("support", "support", False),
        ("auditor", "auditor", False),
        (None, "auditor", False),
    ],
)
def test_nobody_hands_out_more_of_the_platform_than_they_have(
    own: PlatformRole | None, given: PlatformRole, *, allowed: bool
) -> None:
    assert may_assign(_principal(platform=own), platform_role=given, tenant_roles=[]) is allowed


@pytest.mark.parametrize(
    ("own", "given", "allowed"),
    [
        ("owner", "owner", True),
        ("admin", "owner", False),
        ("admin", "admin", True),
        ("member", "viewer", False),
        ("billing", "viewer", False),
    ],
)
def test_within_a_tenant_only_owners_make_owners(own: TenantRole, given: TenantRole, *, allowed: bool) -> None:
    assert may_assign(_principal(tenants={A: own}), platform_role=None, tenant_roles=[(A, given)]) is allowed


def _principal(platform: PlatformRole | None = None, tenants: dict[TenantId, TenantRole] | None = None) -> Principal:
    return Principal(
        user=User(
            user_id=EntityId(new_id()),
            login="someone",
            name="Someone",
            platform_role=platform,
            memberships=tuple(Membership(tenant, role) for tenant, role in (tenants or {}).items()),
        )
    )


# What the table says, seen from outside.

_CASES: list[tuple[str, str, Any, set[str]]] = [
    ("GET", "/tenants/{t}", None, {"root", "admin", "auditor", "support", "owner", "t_admin", "member", "billing",
                                  "viewer"}),
    ("PATCH", "/tenants/{t}", {"name": "New"}, {"root", "admin", "owner", "t_admin"}),
    ("PATCH", "/tenants/{t}", {"credit_limit": "5"}, {"root", "admin"}),
    ("POST", "/tenants", {"name": "Other"}, {"root", "admin"}),
    ("GET", "/tenants/{t}/members", None, {"root", "admin", "auditor", "support", "owner", "t_admin", "billing",
                                          "viewer", "member"}),
    ("GET", "/tenants/{t}/balance", None, {"root", "admin", "auditor", "support", "owner", "t_admin", "member",
                                          "billing", "viewer"}),
    ("POST", "/tenants/{t}/top-ups", {"amount": "1"}, {"root", "admin"}),
    ("POST", "/tenants/{t}/adjustments", {"amount": "1", "reason": "x", "strict": False}, {"root", "admin"}),
    ("GET", "/users", None, {"root", "admin", "auditor", "support"}),
    ("GET", "/channels", None, {"root", "admin", "auditor", "support"}),
    ("POST", "/groups", {"side": "user", "label": "g{n}", "name": "G"}, {"root", "admin"}),
    ("GET", "/code-batches", None, {"root", "admin", "auditor"}),
    ("GET", "/settings", None, {"root", "admin", "auditor"}),
    ("POST", "/tokens", {"tenant_id": "{t}", "user_id": "{u}", "name": "T"}, {"root", "admin", "support", "owner",
                                                                            "t_admin"}),
]  # fmt: skip


async def test_each_role_may_do_what_the_table_says_and_nothing_else(world: World) -> None:
    tenant = await world.tenant()
    owner_of_token = await world.user(tenants={tenant: "member"})
    platform: tuple[PlatformRole, ...] = ("root", "admin", "auditor", "support")
    people: dict[str, Person] = {role: await world.person(role) for role in platform}
    roles: dict[str, TenantRole] = {
        "owner": "owner",
        "t_admin": "admin",
        "member": "member",
        "billing": "billing",
        "viewer": "viewer",
    }
    people |= {name: await world.person(tenants={tenant: role}) for name, role in roles.items()}
    number = 0
    for method, path, body, allowed in _CASES:
        for name, person in people.items():
            number += 1
            filled = _fill(body, t=tenant, u=owner_of_token.user_id, n=number)
            version = (await world.administration.get("tenant", str(tenant))).version
            headers = {"if_match": f'"{version}"', "idempotency_key": new_id()} if method != "GET" else {}
            answer = await person._send(method, path.replace("{t}", str(tenant)), filled, headers)
            if name in allowed:
                assert answer.status_code < 300, (name, method, path, answer.text)
            else:
                assert answer.status_code == 403, (name, method, path, answer.text)


def _fill(body: Any, **values: Any) -> Any:
    if body is None:
        return None
    filled = {}
    for key, value in body.items():
        if value == "{t}":
            filled[key] = values["t"]
        elif isinstance(value, str):
            filled[key] = value.replace("{u}", str(values["u"])).replace("{n}", str(values["n"]))
        else:
            filled[key] = value
    return filled


async def test_nothing_of_another_tenant_can_be_seen_and_the_answer_is_that_of_what_does_not_exist(
    world: World, root: Person
) -> None:
    ours, theirs = await world.tenant("Ours"), await world.tenant("Theirs")
    stranger = await world.person(tenants={ours: "owner"})
    member = await world.person(tenants={theirs: "owner"})
    token = (await member.post("/tokens", {"tenant_id": theirs, "name": "Secret token"})).json()
    nowhere, nobody = 987654321, new_id()
    pairs = [
        ("GET", f"/tenants/{theirs}", f"/tenants/{nowhere}", None),
        ("GET", f"/tenants/{theirs}/history", f"/tenants/{nowhere}/history", None),
        ("GET", f"/tenants/{theirs}/balance", f"/tenants/{nowhere}/balance", None),
        ("GET", f"/tenants/{theirs}/members", f"/tenants/{nowhere}/members", None),
        ("GET", f"/tokens?tenant_id={theirs}", f"/tokens?tenant_id={nowhere}", None),
        ("GET", f"/tokens/{token['id']}", f"/tokens/{nobody}", None),
        ("GET", f"/tokens/{token['id']}/history", f"/tokens/{nobody}/history", None),
        ("PATCH", f"/tenants/{theirs}", f"/tenants/{nowhere}", {"name": "Mine"}),
        ("PATCH", f"/tokens/{token['id']}", f"/tokens/{nobody}", {"name": "Mine"}),
        ("DELETE", f"/tokens/{token['id']}", f"/tokens/{nobody}", None),
        ("POST", f"/tenants/{theirs}/redeem", f"/tenants/{nowhere}/redeem", {"code": "x"}),
        ("POST", f"/tenants/{theirs}/members", f"/tenants/{nowhere}/members",
         {"login": "new", "name": "N", "password": "12345678"}),
        ("PATCH", f"/tenants/{theirs}/members/{member.user.user_id}", f"/tenants/{nowhere}/members/{nobody}",
         {"role": "viewer"}),
        ("PATCH", f"/tenants/{ours}/members/{member.user.user_id}", f"/tenants/{ours}/members/{nobody}",
         {"role": "viewer"}),
    ]  # fmt: skip

    for method, real, missing, body in pairs:
        headers = {} if method == "GET" else {"if_match": '"1"', "idempotency_key": "k"}
        seen = await stranger._send(method, real, body, headers)
        absent = await stranger._send(method, missing, body, headers)
        assert seen.status_code == 404, (method, real, seen.text)
        assert seen.content == absent.content, (method, real)
    made = await stranger.post("/tokens", {"tenant_id": theirs, "name": "Intruder"})
    assert made.status_code == 404

    tenants = (await stranger.get("/tenants")).json()["items"]
    tokens = (await stranger.get("/tokens")).json()["items"]
    assert [each["id"] for each in tenants] == [ours]
    assert tokens == []
    assert token["id"] in {each["id"] for each in (await root.get("/tokens")).json()["items"]}


async def test_a_member_sees_and_changes_their_own_tokens_only(world: World) -> None:
    tenant = await world.tenant()
    one, other = await world.person(tenants={tenant: "member"}), await world.person(tenants={tenant: "member"})
    mine = (await one.post("/tokens", {"tenant_id": tenant, "name": "Mine"})).json()

    assert [each["id"] for each in (await one.get("/tokens")).json()["items"]] == [mine["id"]]
    assert (await other.get("/tokens")).json()["items"] == []
    assert (await other.get(f"/tokens?user_id={one.user.user_id}")).status_code == 403
    assert (await other.get(f"/tokens/{mine['id']}")).status_code == 403
    assert (await one.patch(f"/tokens/{mine['id']}", {"name": "Renamed"}, 1)).status_code == 200
    for_another = await one.post("/tokens", {"tenant_id": tenant, "user_id": other.user.user_id, "name": "X"})
    assert for_another.status_code == 403


async def test_an_admin_of_a_tenant_cannot_make_or_unmake_an_owner_nor_touch_the_platform(world: World) -> None:
    tenant = await world.tenant()
    admin = await world.person(tenants={tenant: "admin"})
    owner = await world.user(tenants={tenant: "owner"})
    body = {"login": "fresh", "name": "F", "password": "long enough", "role": "owner"}

    assert (await admin.post(f"/tenants/{tenant}/members", body)).status_code == 403
    assert (await admin.patch(f"/tenants/{tenant}/members/{owner.user_id}", {"role": "viewer"}, 1)).status_code == 403
    assert (await admin.delete(f"/tenants/{tenant}/members/{owner.user_id}", 1)).status_code == 403
    assert (await admin.patch(f"/users/{owner.user_id}", {"disabled": True}, 1)).status_code == 403
    made = await admin.post(f"/tenants/{tenant}/members", {**body, "role": "viewer"})
    assert made.status_code == 201


async def test_an_admin_of_the_platform_cannot_touch_root(world: World, root: Person) -> None:
    admin = await world.person("admin")
    path = f"/users/{root.user.user_id}"

    assert (await admin.patch(path, {"name": "Nobody"}, 1)).status_code == 403
    assert (await admin.post(f"{path}/password", {"password": "taken over now"})).status_code == 403
    assert (await admin.delete(path, 1)).status_code == 403
    assert (await admin.patch(f"/users/{admin.user.user_id}", {"platform_role": "root"}, 1)).status_code == 403


async def test_a_member_of_two_tenants_shows_each_only_its_own_place(world: World) -> None:
    one, two = await world.tenant("One"), await world.tenant("Two")
    owner = await world.person(tenants={one: "owner"})
    both = await world.user(tenants={one: "member", two: "owner"})

    members = await owner.get(f"/tenants/{one}/members")

    shown = next(each for each in members.json()["items"] if each["user_id"] == both.user_id)
    assert shown["role"] == "member"
    assert str(two) not in members.text


async def test_strangers_are_slowed_down_by_address(world: World) -> None:
    answers = [await world.client.get("/api/me") for _ in range(60)]

    assert answers[0].status_code == 401
    assert answers[-1].json()["code"] == "rate_limited"
    assert int(answers[-1].headers["retry-after"]) >= 1
