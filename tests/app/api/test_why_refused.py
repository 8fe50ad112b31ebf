"""Why requests were refused: the numbers that were in the way, for each kind of limit."""

import csv
import io
from decimal import Decimal
from typing import Any

import pytest

from adapters.clock import now
from adapters.ids import new_id
from app.relay import errors
from app.relay.refusals import Refusals
from domain.admin.entities import Budget, Limits, Tenant, Token
from domain.holds.events import LimitHeld
from domain.ids import EntityId, TenantId, first_lane
from domain.ledger.commands import Answer, Code
from domain.limits import Needs, limit_legs
from projections.multipliers import MULTIPLIERS
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.app.api.conftest import Person, World
from tests.app.api.test_receipts import USAGE as CONSUMED
from tests.app.api.test_receipts import _spender

CHARGED = 8_748_750
"""Of each request that the spender captures."""


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, [USAGE, MULTIPLIERS])


async def _refuse(world: World, tenant: TenantId, token: str, answer: Answer, limits: tuple[LimitHeld, ...]) -> None:
    """Refuse as the relay does, and record it as the relay does."""
    refusals = Refusals(world.ledger, now=now, new_id=new_id, node="a")
    error = errors.refusal(answer, limits, needed_nanos=70_000_000, currency="USD", window_seconds=1.0)
    refusals.add(tenant, EntityId(token), error, "best")
    await refusals.flush()
    await advance(world.pool, USAGE, tenant, first_lane(tenant))


async def _why(person: Person, tenant: TenantId) -> dict[str, Any]:
    row = (await person.get(f"/reports/requests?tenant_id={tenant}&states=refused&limit=1")).json()["items"][0]
    answer = await person.get(f"/tenants/{tenant}/refusals/{row['id']}")
    assert answer.status_code == 200, answer.text
    explained: dict[str, Any] = answer.json()
    (line,) = csv.DictReader(
        io.StringIO((await person.get(f"/tenants/{tenant}/refusals/{row['id']}/export")).text, newline="")
    )
    assert (line["x_Reason"], line["x_Position"]) == (explained["reason"], str(explained["position"]))
    numbers = [str(explained[name]) if explained[name] is not None else "" for name in ("needed", "limit", "used")]
    assert [line["x_Needed"], line["x_Limit"], line["x_Used"]] == numbers
    assert (explained["count"], explained["model_asked"]) == (1, "best")
    return explained


async def test_an_empty_wallet_says_what_it_had_and_what_was_needed(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)

    await _refuse(world, tenant, spender._token, Answer(Code.INSUFFICIENT, balance_nanos=1_250_000), ())

    why = await _why(owner, tenant)
    assert (why["reason"], why["limit_name"], why["unit"]) == ("insufficient_quota", "wallet", "money")
    assert (why["needed"], why["limit"], why["used"]) == (70_000_000, 1_250_000, None)
    assert "It might have cost up to 0.07 USD, and 0.00125 USD was left in the wallet." in why["text"]


_SIDES: list[tuple[str, dict[str, Any], str, str, int]] = [
    ("token", {"budgets": (Budget("money", "day", 20_000_000),)}, "budget_exceeded", "money", 2 * CHARGED),
    ("token", {"budgets": (Budget("tokens", "total", 5000),)}, "budget_exceeded", "tokens", 2 * CONSUMED.total),
    ("tenant", {"budgets": (Budget("money", "month", 20_000_000),)}, "budget_exceeded", "money", 2 * CHARGED),
    ("user", {"budgets": (Budget("money", "week", 20_000_000),)}, "budget_exceeded", "money", 2 * CHARGED),
]


@pytest.mark.parametrize(("side", "terms", "reason", "unit", "used"), _SIDES)
async def test_a_limit_says_how_much_of_it_had_been_used(
    world: World, root: Person, *, side: str, terms: dict[str, Any], reason: str, unit: str, used: int
) -> None:
    tenant, owner, spender = await _spender(world, root)
    for _ in range(2):
        await spender.capture(await spender.hold(20_000_000))
    token = Token(
        token_id=spender._token, tenant_id=tenant, user_id=spender._user, name="t", sha256="0" * 64, hint="",
        **(terms if side == "token" else {}),
    )  # fmt: skip
    made = limit_legs(
        tenant=Tenant(tenant_id=tenant, name="Acme", **(terms if side == "tenant" else {})),
        token=token,
        user_budgets=terms["budgets"] if side == "user" else (),
        group=None,
        needs=Needs(money_nanos=70_000_000, tokens=9000),
        now=now(),
    )

    await _refuse(world, tenant, spender._token, Answer(Code.LIMIT, leg=4), made.limits)

    why = await _why(owner, tenant)
    (limit,) = made.limits[3:]
    assert (why["reason"], why["unit"], why["used"]) == (reason, unit, used)
    assert (why["limit_name"], why["needed"], why["limit"]) == (limit.name, limit.amount, limit.limit)
    shown = f"{Decimal(used) / 10**9} USD" if unit == "money" else f"{used} tokens"
    assert f"of which {shown} had been used" in why["text"][2]


async def test_a_rate_says_its_numbers_too(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    token = Token(
        token_id=spender._token, tenant_id=tenant, user_id=spender._user, name="t", sha256="0" * 64, hint="",
        limits=Limits(requests_per_minute=1),
    )  # fmt: skip
    needs = Needs(money_nanos=1, tokens=1)
    limits = limit_legs(
        tenant=Tenant(tenant_id=tenant, name="Acme"), token=token, user_budgets=(), group=None, needs=needs, now=now()
    ).limits

    await _refuse(world, tenant, spender._token, Answer(Code.LIMIT, leg=4), limits)

    why = await _why(owner, tenant)
    assert (why["reason"], why["unit"], why["needed"], why["limit"]) == ("rate_limit_exceeded", "requests", 1, 1)
    assert why["used"] == 0
