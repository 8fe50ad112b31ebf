"""How people come in: signing up, invitations, and a new password for who has forgotten theirs.

What strangers ask is answered alike whether there is an account or not: that a mail will come, if one has to.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Request, Response, delete, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, JSONBody

from adapters.passwords import LENGTH_MIN
from adapters.postgres.admin_store import Stored
from app.api.auth import check_password
from app.api.call import NO_STORE, ThisApi, ThisCall, route
from app.api.guards import Api, client_address
from app.api.permissions import Permission, Principal, may_assign
from app.api.problems import ApiError
from app.api.schemas.common import Listing
from app.api.schemas.joining import (
    Acceptance,
    CreatedInvitation,
    ForgottenPassword,
    InvitationView,
    LinkSecret,
    LinkView,
    NewInvitation,
    SignUp,
)
from app.links import Link, LinkKind
from domain.admin.entities import Membership, Tenant, User
from domain.admin.events import InvitationCreated, InvitationEnded
from domain.ids import PLATFORM, EntityId, TenantId

_STRANGER: Final = "system:visitor"


@post(
    "/sign-up",
    status_code=202,
    **route(None, "signUp", "Ask for a tenant of one's own; the link comes by e-mail", 404),
)
async def sign_up(request: Request[Any, Any, Any], api: ThisApi, data: JSONBody[SignUp]) -> None:
    if not await api.public.setting("sign_up_open"):
        raise ApiError("not_found", "Nobody can sign up here: ask for an invitation.")
    await _queue(request, api, "sign_up", data.email)


@post(
    "/password-reset",
    status_code=202,
    **route(None, "forgotPassword", "Ask for a link to set a new password; it comes by e-mail", 404),
)
async def forgot_password(request: Request[Any, Any, Any], api: ThisApi, data: JSONBody[ForgottenPassword]) -> None:
    await _queue(request, api, "password_reset", data.login)


async def _queue(request: Request[Any, Any, Any], api: Api, kind: LinkKind, login: str) -> None:
    if not api.sends_mail:
        raise ApiError("mail_off")
    # By address, so that nobody mails half the world from here; by login, so that nobody's mailbox is filled.
    api.mails.take(f"address {client_address(request, api.trusted_proxies)}")
    api.mails.take(f"login {login}")
    await api.links.queue(EntityId(api.ids()), kind, login, made_by=_STRANGER, now=api.clock())


@post("/links/read", status_code=200, **route(None, "readLink", "What a link is good for", 404))
async def read_link(api: ThisApi, data: JSONBody[LinkSecret]) -> Response[LinkView]:
    link = await _link(api, data.secret)
    tenant = await _tenant(api, link) if link.kind == "invitation" else None
    view = LinkView(
        kind=link.kind,
        login=link.login,
        tenant_name=tenant.name if tenant is not None else None,
        has_account=await api.administration.find("user", link.login) is not None,
        expires_at=link.expires_at,
    )
    return Response(view, status_code=200, headers=dict(NO_STORE))


@post(
    "/links/accept",
    status_code=204,
    **route(None, "acceptLink", "Follow a link: join, sign up, or set a new password", 401, 404, 409, 422),
)
async def accept_link(request: Request[Any, Any, Any], api: ThisApi, data: JSONBody[Acceptance]) -> None:
    link = await _link(api, data.secret)
    if len(data.password) < LENGTH_MIN:
        raise ApiError("password_refused")
    # Used first, and given back if nothing comes of it: of two who follow it at once, one gets in.
    if not await api.links.use(link, now=api.clock()):
        raise ApiError("not_found")
    try:
        match link.kind:
            case "invitation":
                await _join(request, api, link, data)
            case "sign_up":
                await _sign_up(api, link, data)
            case "password_reset":
                await _reset(api, link, data)
    except BaseException:
        await api.links.give_back(link)
        raise


async def _link(api: Api, secret: str) -> Link:
    link = await api.links.find(secret, now=api.clock())
    if link is None:
        raise ApiError("not_found", "The link was used, or its time is over: ask for a new one.")
    return link


async def _tenant(api: Api, link: Link) -> Tenant:
    stored = await api.administration.get("tenant", str(link.tenant_id))
    if stored.archived:
        raise ApiError("not_found")
    tenant: Tenant = stored.entity
    return tenant


async def _reset(api: Api, link: Link, data: Acceptance) -> None:
    found = await api.administration.find("user", link.login)
    if found is None or found.entity.disabled:
        raise ApiError("not_found")
    await api.administration.set_password(
        found.entity_id, data.password, actor=f"user:{found.entity_id}", reason="password reset by e-mail"
    )


async def _sign_up(api: Api, link: Link, data: Acceptance) -> None:
    if not await api.public.setting("sign_up_open") or await api.administration.find("user", link.login) is not None:
        raise ApiError("not_found")
    name = data.name or link.login
    tenant = Tenant(tenant_id=TenantId(0), name=data.tenant_name or name)
    made = await api.administration.create("tenant", tenant, actor=_STRANGER, reason="signed up")
    await _create(api, link, data, Membership(made.tenant_id, "owner"), "signed up")


async def _join(request: Request[Any, Any, Any], api: Api, link: Link, data: Acceptance) -> None:
    tenant = await _tenant(api, link)
    assert link.role is not None
    place = Membership(tenant.tenant_id, link.role)
    await _still_allowed(api, link, place)
    found = await api.administration.find("user", link.login)
    if found is None:
        joined = await _create(api, link, data, place, "invited")
    else:
        joined = await _add(request, api, link, data, place)
    await api.administration.note(
        InvitationEnded(invitation_id=link.link_id, tenant_id=tenant.tenant_id, login=link.login, how="accepted"),
        actor=f"user:{joined.entity_id}",
        tenant_id=tenant.tenant_id,
    )


async def _still_allowed(api: Api, link: Link, place: Membership) -> None:
    """Raise unless who invited may still give the role: they may have left since."""
    inviter = await api.administration.store.get("user", link.made_by.removeprefix("user:"), PLATFORM)
    if inviter is None or inviter.archived or inviter.entity.disabled:
        raise ApiError("not_found")
    if not may_assign(Principal(user=inviter.entity), platform_role=None, tenant_roles=[(place.tenant_id, place.role)]):
        raise ApiError("not_found")


async def _add(request: Request[Any, Any, Any], api: Api, link: Link, data: Acceptance, place: Membership) -> Stored:
    address = client_address(request, api.trusted_proxies)
    device = request.cookies.get(api.device_cookie)
    stored = await check_password(api, link.login, data.password, address, device)
    if stored is None or stored.entity.disabled:
        raise ApiError("invalid_credentials", "Accept the invitation with the password that you have.")

    def join(user: User) -> User:
        if any(each.tenant_id == place.tenant_id for each in user.memberships):
            return user
        return msgspec.structs.replace(user, memberships=(*user.memberships, place))

    actor = f"user:{stored.entity_id}"
    return await api.administration.change(
        "user", stored.entity_id, None, join, actor=actor, reason="invited", tenant_id=PLATFORM
    )


async def _create(api: Api, link: Link, data: Acceptance, place: Membership, reason: str) -> Stored:
    user = User(user_id=EntityId(""), login=link.login, name=data.name or link.login, memberships=(place,))
    stored = await api.administration.create("user", user, actor=link.made_by, reason=reason)
    await api.administration.set_password(
        stored.entity_id, data.password, actor=f"user:{stored.entity_id}", reason=reason
    )
    return stored


# Invitations, as the tenant sees them.


@post(
    "/tenants/{tenant_id:int}/invitations",
    **route(
        Permission.MEMBER_WRITE, "createInvitation", "Invite a person into a tenant", 404, 422,
        within="tenant", secrets=True,
    ),
)  # fmt: skip
async def create_invitation(
    call: ThisCall, tenant_id: FromPath[int], data: JSONBody[NewInvitation]
) -> Response[CreatedInvitation]:
    api, tenant = call.api, TenantId(tenant_id)
    if not may_assign(call.principal, platform_role=None, tenant_roles=[(tenant, data.role)]):
        raise ApiError("forbidden", "You cannot give this role: nobody hands out more than they have.")
    await api.administration.get("tenant", str(tenant), tenant_id=tenant)
    invitation_id, now = EntityId(api.ids()), api.clock()
    event = InvitationCreated(
        invitation_id=invitation_id, tenant_id=tenant, login=data.login, role=data.role, reason=data.reason
    )
    await api.administration.note(
        event, actor=call.principal.actor, tenant_id=tenant, correlation_id=call.correlation_id
    )
    made_by = call.principal.actor
    secret = await api.links.make(
        invitation_id, "invitation", data.login, made_by=made_by, now=now, tenant_id=tenant, role=data.role
    )
    by_mail = api.sends_mail and "@" in data.login
    if by_mail:
        await api.links.queue(
            invitation_id, "invitation", data.login, made_by=made_by, now=now, tenant_id=tenant, role=data.role
        )
    made = next(each for each in await api.links.invitations(tenant, now=now) if each.link_id == invitation_id)
    view = CreatedInvitation(**_fields(made), secret=None if by_mail else secret)
    return Response(view, status_code=201, headers=dict(NO_STORE))


@get(
    "/tenants/{tenant_id:int}/invitations",
    **route(Permission.MEMBER_READ, "listInvitations", "List the open invitations of a tenant", 404, within="tenant"),
)
async def list_invitations(call: ThisCall, tenant_id: FromPath[int]) -> Listing[InvitationView]:
    found = await call.api.links.invitations(TenantId(tenant_id), now=call.api.clock())
    return Listing(items=tuple(InvitationView(**_fields(each)) for each in found), next=None)


@delete(
    "/tenants/{tenant_id:int}/invitations/{invitation_id:str}",
    status_code=204,
    **route(Permission.MEMBER_WRITE, "withdrawInvitation", "Take an invitation back", 404, within="tenant"),
)
async def withdraw_invitation(call: ThisCall, tenant_id: FromPath[int], invitation_id: FromPath[str]) -> None:
    tenant = TenantId(tenant_id)
    open_now = await call.api.links.invitations(tenant, now=call.api.clock())
    link = next((each for each in open_now if each.link_id == invitation_id), None)
    if link is None or not await call.api.links.withdraw(tenant, invitation_id):
        raise ApiError("not_found")
    await call.api.administration.note(
        InvitationEnded(invitation_id=link.link_id, tenant_id=tenant, login=link.login, how="withdrawn"),
        actor=call.principal.actor,
        tenant_id=tenant,
        correlation_id=call.correlation_id,
    )


def _fields(link: Link) -> dict[str, Any]:
    return {
        "id": link.link_id,
        "login": link.login,
        "role": link.role,
        "made_by": link.made_by,
        "created_at": link.created_at,
        "expires_at": link.expires_at,
    }


ROUTES: Sequence[BaseRouteHandler] = (
    sign_up,
    forgot_password,
    read_link,
    accept_link,
    create_invitation,
    list_invitations,
    withdraw_invitation,
)
