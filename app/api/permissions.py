"""Who may do what: the one table of permissions, and the pure rule that reads it.

A permission is a thing and a verb. A person has those of their platform role everywhere, and those of their role in
a tenant for that tenant alone. What is in no row of the table is allowed to nobody.
"""

import datetime as dt
from collections.abc import Iterable
from enum import StrEnum
from typing import Final, Literal

import msgspec

from domain.admin.entities import PlatformRole, TenantRole, User
from domain.ids import TenantId

Scope = Literal["read", "write", "money", "secrets"]
"""What a personal access token may do at most; a session may do everything, some of it after asking the password again.

`read`: what reads. `write`: what changes. `money`: what moves credit. `secrets`, beside the others: what gives out or
takes in a secret, such as a new API key, a vendor's key, a password.
"""

ALL_SCOPES: Final[frozenset[Scope]] = frozenset({"read", "write", "money", "secrets"})


class Permission(StrEnum):
    """One thing that a route lets a person do."""

    SELF = "self"
    """One's own password, sessions and personal tokens."""
    TENANT_READ = "tenant:read"
    TENANT_CREATE = "tenant:create"
    TENANT_WRITE = "tenant:write"
    """Name, time zone, policies: what a tenant decides about itself."""
    TENANT_GOVERN = "tenant:govern"
    """Group, credit limit, limits, suspension: what the operator decides about a tenant."""
    MEMBER_READ = "member:read"
    MEMBER_WRITE = "member:write"
    USER_READ = "user:read"
    USER_WRITE = "user:write"
    TOKEN_READ = "token:read"  # noqa: S105 -- the name of a permission
    TOKEN_WRITE = "token:write"  # noqa: S105 -- the name of a permission
    """Every token of the tenant."""
    OWN_TOKEN_READ = "own_token:read"  # noqa: S105 -- the name of a permission
    OWN_TOKEN_WRITE = "own_token:write"  # noqa: S105 -- the name of a permission
    """One's own tokens of the tenant; every holder of TOKEN_WRITE has it too, for it opens the door of the routes."""
    BALANCE_READ = "balance:read"
    REQUEST_READ = "request:read"
    REPORT_READ = "report:read"
    """Usage, request log, balances and statements of the whole tenant."""
    OWN_REPORT_READ = "own_report:read"
    """One's own usage and requests; every holder of REPORT_READ has it too, for it opens the door of the routes."""
    COST_READ = "cost:read"
    """What vendors charge, and the margin: the operator's."""
    PROOF_READ = "proof:read"
    """Any event as it was sealed, with everything that it holds."""
    LOOK_READ = "look:read"
    """Which of the operator's people looked at the tenant's data, and at what."""
    AUDIT_READ = "audit:read"
    """Who did what, with before and after, and how things were."""
    SYSTEM_READ = "system:read"
    """The health of the books, nodes, the database, runs; the support bundle."""
    SYSTEM_WRITE = "system:write"
    """Verify, rebuild, let parked lanes try again, send test alerts."""
    CREDIT_GRANT = "credit:grant"
    CREDIT_ADJUST = "credit:adjust"
    CODE_READ = "code:read"
    CODE_WRITE = "code:write"
    CODE_REDEEM = "code:redeem"
    CHANNEL_READ = "channel:read"
    CHANNEL_WRITE = "channel:write"
    PRICING_READ = "pricing:read"
    """Groups, multipliers, rate cards, mappings."""
    PRICING_WRITE = "pricing:write"
    ROUTING_READ = "routing:read"
    """Routing policies and explanations, the health of channels, alerts."""
    ROUTING_WRITE = "routing:write"
    SETTING_READ = "setting:read"
    SETTING_WRITE = "setting:write"


P = Permission

_OPERATOR_READ: Final = frozenset(
    {
        P.SELF, P.TENANT_READ, P.MEMBER_READ, P.USER_READ, P.TOKEN_READ, P.BALANCE_READ, P.REQUEST_READ,
        P.REPORT_READ, P.OWN_REPORT_READ, P.COST_READ, P.OWN_TOKEN_READ,
        P.CHANNEL_READ, P.PRICING_READ, P.SETTING_READ, P.CODE_READ, P.ROUTING_READ, P.PROOF_READ,
        P.LOOK_READ, P.AUDIT_READ, P.SYSTEM_READ,
    }
)  # fmt: skip

PLATFORM_PERMISSIONS: Final[dict[PlatformRole, frozenset[Permission]]] = {
    "root": frozenset(Permission),
    "admin": frozenset(Permission),
    "auditor": _OPERATOR_READ,
    "support": _OPERATOR_READ - {P.SETTING_READ, P.CODE_READ, P.PROOF_READ, P.AUDIT_READ, P.SYSTEM_READ}
    | {P.TOKEN_WRITE, P.OWN_TOKEN_WRITE, P.MEMBER_WRITE},
}
"""What a role of the platform allows, in every tenant. Who may make whom root: `may_assign`."""

_TENANT_READ: Final = frozenset(
    {
        P.SELF, P.TENANT_READ, P.BALANCE_READ, P.REQUEST_READ, P.REPORT_READ, P.OWN_REPORT_READ, P.TOKEN_READ,
        P.OWN_TOKEN_READ, P.MEMBER_READ,
    }
)  # fmt: skip

_TENANT_RULE: Final = frozenset(
    {
        P.TENANT_WRITE, P.MEMBER_WRITE, P.TOKEN_WRITE, P.OWN_TOKEN_WRITE, P.CODE_REDEEM, P.PROOF_READ, P.LOOK_READ,
        P.AUDIT_READ,
    }
)  # fmt: skip

TENANT_PERMISSIONS: Final[dict[TenantRole, frozenset[Permission]]] = {
    "owner": _TENANT_READ | _TENANT_RULE,
    "admin": _TENANT_READ | _TENANT_RULE,
    "member": _TENANT_READ - {P.TOKEN_READ, P.REPORT_READ} | {P.OWN_TOKEN_WRITE},
    "billing": _TENANT_READ | {P.CODE_REDEEM, P.PROOF_READ},
    "viewer": _TENANT_READ,
}
"""What a role in a tenant allows, in that tenant."""

_MONEY: Final = frozenset({P.CREDIT_GRANT, P.CREDIT_ADJUST, P.CODE_WRITE, P.CODE_REDEEM})


def scope_of(permission: Permission) -> Scope:
    """Give the scope that a personal access token needs for a permission."""
    if permission in _MONEY:
        return "money"
    return "read" if permission.value.endswith(":read") else "write"


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """A person who is known, and what they came with."""

    user: User
    scopes: frozenset[Scope] = ALL_SCOPES
    session_hash: str | None = None
    """The session's key in admin.session; None with a personal access token."""
    session_id: str | None = None
    """The same session, as its owner may see it."""
    confirmed_at: dt.datetime | None = None
    """When the session's password was last asked for."""

    @property
    def actor(self) -> str:
        """The name under which events record this person."""
        return f"user:{self.user.user_id}"

    @property
    def is_operator(self) -> bool:
        """Whether this person has any role on the platform."""
        return self.user.platform_role is not None

    @property
    def tenant_ids(self) -> frozenset[TenantId]:
        """The tenants that this person is a member of."""
        return frozenset(membership.tenant_id for membership in self.user.memberships)

    def may(self, permission: Permission, tenant_id: TenantId | None = None) -> bool:
        """Say whether this person has a permission: in a tenant, or with None on the platform itself."""
        if scope_of(permission) not in self.scopes and permission is not Permission.SELF:
            return False
        return permission in self._permissions(tenant_id)

    def sees(self, tenant_id: TenantId) -> bool:
        """Say whether a tenant exists at all, as far as this person can know."""
        return self.is_operator or tenant_id in self.tenant_ids

    def _permissions(self, tenant_id: TenantId | None) -> frozenset[Permission]:
        role = self.user.platform_role
        granted = PLATFORM_PERMISSIONS[role] if role is not None else frozenset({Permission.SELF})
        for membership in self.user.memberships:
            if membership.tenant_id == tenant_id:
                granted |= TENANT_PERMISSIONS[membership.role]
        return granted


def may_assign(
    principal: Principal, *, platform_role: PlatformRole | None, tenant_roles: Iterable[tuple[TenantId, TenantRole]]
) -> bool:
    """Say whether a person may give (or take) these roles: nobody hands out more than they have.

    Only root makes and unmakes root and admin; an operator who may write members gives any role in a tenant; within
    a tenant only an owner makes and unmakes owners.
    """
    own = principal.user.platform_role
    if platform_role is not None and own != "root" and not (own == "admin" and platform_role in {"auditor", "support"}):
        return False
    for tenant_id, role in tenant_roles:
        if not principal.may(Permission.MEMBER_WRITE, tenant_id):
            return False
        if role == "owner" and own not in {"root", "admin"} and not _is_owner(principal, tenant_id):
            return False
    return True


def _is_owner(principal: Principal, tenant_id: TenantId) -> bool:
    return any(each.tenant_id == tenant_id and each.role == "owner" for each in principal.user.memberships)
