"""Users and the members of tenants as the API takes and gives them."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType

from app.api.schemas.common import Body, BudgetBody, Budgets, Login, Name, Password, Reasoned, budgets_in, budgets_out
from domain.admin import entities as e
from domain.admin.entities import Language, PlatformRole, TenantRole, Theme
from domain.ids import EntityId, TenantId


class MembershipBody(Body, frozen=True, kw_only=True):
    """A user's place in a tenant."""

    tenant_id: TenantId
    role: TenantRole
    budgets: Budgets = ()


class UserState(msgspec.Struct, frozen=True, kw_only=True):
    """A person who logs in."""

    id: EntityId
    login: str
    name: str
    platform_role: PlatformRole | None
    memberships: tuple[MembershipBody, ...]
    disabled: bool
    must_change_password: bool
    language: Language
    """Of the console; empty is the browser's."""
    theme: Theme
    time_zone: str
    """In which the console shows times; empty is the browser's."""


class UserView(UserState, frozen=True, kw_only=True):
    """A user as they stand."""

    version: int
    archived: bool
    created_at: dt.datetime
    updated_at: dt.datetime


class NewUser(Reasoned, frozen=True, kw_only=True):
    """A person, who must change this password at the first login."""

    login: Login
    name: Name
    password: Password
    platform_role: PlatformRole | None = None
    memberships: Annotated[tuple[MembershipBody, ...], msgspec.Meta(max_length=100)] = ()


class UserChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different."""

    login: Login | UnsetType = UNSET
    name: Name | UnsetType = UNSET
    platform_role: PlatformRole | UnsetType | None = UNSET
    memberships: Annotated[tuple[MembershipBody, ...], msgspec.Meta(max_length=100)] | UnsetType = UNSET
    disabled: bool | UnsetType = UNSET


class PasswordReset(Reasoned, frozen=True, kw_only=True):
    """A new first password for somebody else, to be changed at their next login."""

    password: Password


class MemberState(msgspec.Struct, frozen=True, kw_only=True):
    """A user as their tenant sees them: nothing of other tenants, nothing of the platform."""

    user_id: EntityId
    login: str
    name: str
    role: TenantRole
    budgets: tuple[BudgetBody, ...]
    disabled: bool


class MemberView(MemberState, frozen=True, kw_only=True):
    """A member as they stand."""

    version: int


class NewMember(Reasoned, frozen=True, kw_only=True):
    """A new person in a tenant, who must change this password at the first login."""

    login: Login
    name: Name
    password: Password
    role: TenantRole = "member"
    budgets: Budgets = ()


class MemberChange(Reasoned, frozen=True, kw_only=True):
    """What is to be different of a member's place."""

    role: TenantRole | UnsetType = UNSET
    budgets: Budgets | UnsetType = UNSET


def memberships_in(bodies: Sequence[MembershipBody]) -> tuple[e.Membership, ...]:
    """Give the memberships that a body names."""
    return tuple(e.Membership(body.tenant_id, body.role, budgets_in(body.budgets)) for body in bodies)


def user_state(user: e.User) -> UserState:
    """Give a user as the API shows them to the operator."""
    return UserState(
        id=user.user_id,
        login=user.login,
        name=user.name,
        platform_role=user.platform_role,
        memberships=tuple(
            MembershipBody(tenant_id=each.tenant_id, role=each.role, budgets=budgets_out(each.budgets))
            for each in user.memberships
        ),
        disabled=user.disabled,
        must_change_password=user.must_change_password,
        language=user.language,
        theme=user.theme,
        time_zone=user.time_zone,
    )
