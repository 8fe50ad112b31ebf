"""Which limits a request is checked against, as legs of its hold: rates, budgets, concurrency, the free allowance.

All of them are accounts in the tenant's lane, so that they are checked together with the wallet, at once on every node.
"""

import datetime as dt

import msgspec

from domain.accounts import tenant_account, token_account, user_account
from domain.admin.entities import Budget, Group, Limits, Tenant, Token
from domain.billing_windows import window
from domain.holds.events import LimitHeld
from domain.ids import account_id
from domain.ledger.commands import NO_FLOOR, Leg, Opening, Unit

_RATE_PURGE: dt.timedelta = dt.timedelta(hours=1)
_BUDGET_PURGE: dt.timedelta = dt.timedelta(days=8)
"""Windows are deleted when no hold that counted on them can still be open."""

MILLISECONDS_PER_MINUTE = 60_000


class Needs(msgspec.Struct, frozen=True, kw_only=True):
    """What a request may take of each unit at most."""

    money_nanos: int
    tokens: int
    allowance_nanos: int = 0


class LimitLegs(msgspec.Struct, frozen=True):
    """Legs, what has to be opened for them, and both in words; `limits[n]` describes `legs[n]`."""

    legs: tuple[Leg, ...]
    openings: tuple[Opening, ...]
    limits: tuple[LimitHeld, ...]


class _Builder:
    def __init__(self, now: dt.datetime, zone: str) -> None:
        self.now = now
        self.zone = zone
        self.legs: list[Leg] = []
        self.openings: list[Opening] = []
        self.limits: list[LimitHeld] = []

    def count(self, account: str, name: str, amount: int) -> None:
        """Count on an account that is there already and has no limit of its own."""
        self.legs.append(Leg(account, amount, NO_FLOOR, Unit.MONEY))  # type: ignore[arg-type]
        self.limits.append(LimitHeld(name, amount))

    def limit(self, kind: str, owner: str, unit: Unit, *, period: str, amount: int, limit: int) -> None:
        """Count on the account of a window, and refuse what would pass the limit."""
        held = window(period, self.now, self.zone)  # type: ignore[arg-type]
        account = account_id(kind, owner, held.key)
        name = f"{kind}:{owner}:{held.key}"
        purge_at = "infinity"
        if held.ends_at is not None:
            purge_at = (held.ends_at + (_RATE_PURGE if period == "minute" else _BUDGET_PURGE)).isoformat()
        self.legs.append(Leg(account, amount, -limit, unit))
        self.openings.append(Opening(account, name, unit, purge_at=purge_at))
        self.limits.append(LimitHeld(name, amount, limit))

    def limits_of(self, side: str, owner: str, limits: Limits, needs: Needs) -> None:
        if limits.requests_per_minute is not None:
            self.limit(f"rpm.{side}", owner, Unit.REQUESTS, period="minute", amount=1, limit=limits.requests_per_minute)
        if limits.tokens_per_minute is not None:
            self.limit(
                f"tpm.{side}", owner, Unit.TOKENS, period="minute", amount=needs.tokens, limit=limits.tokens_per_minute
            )
        if limits.concurrency is not None:
            self.limit(f"concurrency.{side}", owner, Unit.SLOTS, period="total", amount=1, limit=limits.concurrency)

    def budgets_of(self, side: str, owner: str, budgets: tuple[Budget, ...], needs: Needs) -> None:
        for budget in budgets:
            kind = f"budget.{side}.{budget.unit}.{budget.period}"
            if budget.unit == "money":
                unit, amount = Unit.MONEY, needs.money_nanos
            else:
                unit, amount = Unit.TOKENS, needs.tokens
            self.limit(kind, owner, unit, period=budget.period, amount=amount, limit=budget.amount)


def limit_legs(
    *,
    tenant: Tenant,
    token: Token,
    user_budgets: tuple[Budget, ...],
    group: Group | None,
    needs: Needs,
    now: dt.datetime,
) -> LimitLegs:
    """Give every account besides the wallet that a request touches.

    The tenant's, user's and token's own accounts come first: they count what was spent, and being closed they refuse.
    """
    build = _Builder(now, tenant.time_zone)
    tenant_name = str(tenant.tenant_id)
    user_name = f"{tenant.tenant_id}:{token.user_id}"
    build.count(tenant_account(tenant.tenant_id), f"tenant:{tenant_name}", needs.money_nanos)
    build.count(user_account(tenant.tenant_id, token.user_id), f"user:{user_name}", needs.money_nanos)
    build.count(token_account(token.token_id), f"token:{token.token_id}", needs.money_nanos)
    build.limits_of("token", token.token_id, token.limits, needs)
    build.limits_of("tenant", tenant_name, tenant.limits, needs)
    build.budgets_of("token", token.token_id, token.budgets, needs)
    build.budgets_of("user", user_name, user_budgets, needs)
    build.budgets_of("tenant", tenant_name, tenant.budgets, needs)
    if needs.allowance_nanos:
        allowance = group.allowance_nanos if group is not None else 0
        period = group.allowance_period if group is not None else "month"
        build.limit(
            f"allowance.{period}",
            tenant_name,
            Unit.ALLOWANCE,
            period=period,
            amount=needs.allowance_nanos,
            limit=allowance,
        )
    return LimitLegs(tuple(build.legs), tuple(build.openings), tuple(build.limits))


def milliseconds_to_next_minute(now: dt.datetime) -> int:
    """Give when the current rate window ends: what a client is told to wait."""
    return MILLISECONDS_PER_MINUTE - (now.second * 1000 + now.microsecond // 1000)
