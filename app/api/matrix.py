"""The matrix of roles and permissions as tables of docs/security.md, made from the one that is enforced."""

from collections.abc import Iterator

from app.api.guards import ACCESS, Access
from app.api.permissions import PLATFORM_PERMISSIONS, TENANT_PERMISSIONS, Permission, scope_of
from app.api.routes import PATH, ROUTES


def permissions_table() -> str:
    """Give who has which permission: platform roles in every tenant, the others in their own."""
    columns = [(name, PLATFORM_PERMISSIONS[name]) for name in PLATFORM_PERMISSIONS]
    tenants = [(name, TENANT_PERMISSIONS[name]) for name in TENANT_PERMISSIONS]
    names = [*(name for name, _ in columns), *(f"tenant {name}" for name, _ in tenants)]
    rows = [
        f"| `{permission.value}` | {'-' if permission is Permission.SELF else scope_of(permission)} | "
        + " | ".join("yes" if permission in allowed else "" for _, allowed in [*columns, *tenants])
        + " |"
        for permission in Permission
    ]
    head = ["permission", "scope", *names]
    return "\n".join([f"| {' | '.join(head)} |", "|---" * len(head) + "|", *rows])


def operations_table() -> str:
    """Give what each operation asks for."""
    return "\n".join(["| operation | route | asks for | and |", "|---|---|---|---|", *sorted(_operations())])


def _operations() -> Iterator[str]:
    for handlers in ROUTES.values():
        for handler in handlers:
            access: Access = handler.opt[ACCESS]
            methods = sorted(set(getattr(handler, "http_methods", ())) - {"HEAD", "OPTIONS"})
            path = PATH + min(handler.paths).replace(":int", "").replace(":str", "")
            asked = f"`{access.permission.value}`" if access.permission is not None else "nothing"
            where = {"tenant": ", in the tenant", "entity": ", where the thing is"}.get(access.within, "")
            extra = [
                *(["a session"] if access.session_only else []),
                *([f"step-up ({access.step_up})"] if access.step_up is not None else []),
            ]
            name = getattr(handler, "operation_id", None)
            yield f"| `{name}` | `{' '.join(methods)} {path}` | {asked}{where} | {', '.join(extra)} |"
