"""Every route with every role, against the one matrix: app/api/permissions.py."""

from typing import NamedTuple

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from adapters.clock import now
from adapters.ids import new_id
from app.api import reports
from app.api.guards import ACCESS, Access
from app.api.permissions import PLATFORM_PERMISSIONS, TENANT_PERMISSIONS, Permission
from app.api.routes import PATH, ROUTES
from domain.admin.entities import User
from domain.ids import TenantId
from tests.app.api.conftest import Monotonic, World


class _Role(NamedTuple):
    name: str
    on_platform: frozenset[Permission]
    in_tenant: frozenset[Permission]
    user: User


async def _roles(world: World, tenant: TenantId) -> list[_Role]:
    roles = [
        _Role(name, allowed, allowed, await world.user(platform=name)) for name, allowed in PLATFORM_PERMISSIONS.items()
    ]
    alone = frozenset({Permission.SELF})
    for name, allowed in TENANT_PERMISSIONS.items():
        roles.append(_Role(f"tenant {name}", alone, allowed, await world.user(tenants={tenant: name})))
    roles.append(_Role("member of nothing", alone, alone, await world.user()))
    return roles


def _declared(access: Access, role: _Role) -> bool:
    if access.permission is None:
        return True
    return access.permission in (role.on_platform if access.within == "platform" else role.in_tenant)


async def _ask(world: World, handler: HTTPRouteHandler, user: User | None, tenant: TenantId) -> httpx.Response:
    (method,) = handler.http_methods - {"HEAD", "OPTIONS"}
    (path,) = handler.paths
    filled = "/".join(
        str(tenant) if part == "{tenant_id:int}" else new_id() if part.startswith("{") else part
        for part in path.split("/")
    )
    world.client.cookies.clear()
    headers = {}
    if user is not None:
        opened = await world.sessions.open(user.user_id, now=now(), user_agent="", address="")
        world.client.cookies.set("tallygate_session", opened.secret)
        headers = {"x-csrf-token": opened.csrf_token}
    body: dict[str, str] | None = {} if method in {"POST", "PATCH", "PUT"} else None
    return await world.client.request(method, f"{PATH}{filled}", json=body, headers=headers)


async def test_every_route_lets_in_whom_the_matrix_says_and_nobody_else(
    world: World, monotonic: Monotonic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "STREAM_SECONDS", 0.0)
    tenant = await world.tenant()
    roles = await _roles(world, tenant)
    handlers = [handler for each in ROUTES.values() for handler in each if isinstance(handler, HTTPRouteHandler)]
    wrong, asked = [], 0
    for handler in handlers:
        access: Access = handler.opt[ACCESS]
        for role in roles:
            monotonic.seconds += 60
            answer = await _ask(world, handler, role.user, tenant)
            code = answer.json().get("code") if answer.headers.get("content-type", "").endswith("json") else None
            asked += 1
            let_in = answer.status_code not in {401, 403}
            # Whoever belongs nowhere is told of a tenant's path that it does not exist.
            hidden = role.name == "member of nothing" and access.within == "tenant"
            fits = code == "not_found" if hidden else let_in == _declared(access, role)
            if (
                not fits
                or answer.status_code == 500
                or (not let_in and code not in {"forbidden", "invalid_credentials"})
            ):
                wrong.append((handler.operation_id, role.name, answer.status_code, code))
        monotonic.seconds += 60
        stranger = await _ask(world, handler, None, tenant)
        if (stranger.status_code == 401) == (access.permission is None):
            wrong.append((handler.operation_id, "stranger", stranger.status_code, None))

    assert wrong == []
    assert asked == len(handlers) * len(roles) > 1000


def test_every_route_is_declared_for_somebody_and_every_permission_is_asked_for() -> None:
    accesses = [handler.opt[ACCESS] for each in ROUTES.values() for handler in each]
    somebody = frozenset().union(*PLATFORM_PERMISSIONS.values(), *TENANT_PERMISSIONS.values())

    assert {access.permission for access in accesses if access.permission is not None} <= somebody
    # The rest is asked for within handlers, by what is changed or whose it is.
    asked = {access.permission for access in accesses}
    assert set(Permission) - asked <= {
        Permission.TENANT_GOVERN,
        Permission.TOKEN_READ,
        Permission.TOKEN_WRITE,
    }


def test_the_rows_of_the_matrix_fit_one_another() -> None:
    for allowed in (*PLATFORM_PERMISSIONS.values(), *TENANT_PERMISSIONS.values()):
        # The door of these routes asks for the lesser permission, which the greater one must bring along.
        for greater, lesser in (
            (Permission.TOKEN_READ, Permission.OWN_TOKEN_READ),
            (Permission.TOKEN_WRITE, Permission.OWN_TOKEN_WRITE),
            (Permission.REPORT_READ, Permission.OWN_REPORT_READ),
        ):
            assert greater not in allowed or lesser in allowed
