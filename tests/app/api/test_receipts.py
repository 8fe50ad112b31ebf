import datetime as dt
from decimal import Decimal
from typing import Any

from adapters.ids import new_id
from domain.accounts import token_account, wallet
from domain.events import Event, encode, type_name
from domain.holds.events import Attempt, AttemptFailed, HoldAuthorized, HoldCaptured, HoldVoided, UsageAdjusted
from domain.ids import EntityId, EventId, HoldId, TenantId, derive_id, first_lane
from domain.ledger.commands import NO_POOL, Command, Kind, Leg, Unit
from domain.metering.usage import TokenUsage
from domain.money import format_amount
from domain.pricing.charge import charge
from domain.pricing.rate_card import ModelPrice
from tests.app.api.conftest import Person, World

CHANNEL, CARD = EntityId("channel-1"), EntityId("card-1")
PRICE = ModelPrice(input=Decimal("2.5"), output=Decimal(10))
USAGE = TokenUsage(input_tokens=1001, output_tokens=333)


class Spender:
    """Sends what the relay sends, for one token of a tenant."""

    def __init__(self, world: World, tenant: TenantId, token: str, user: str) -> None:
        self._world = world
        self._tenant = tenant
        self._token = EntityId(token)
        self._user = EntityId(user)

    async def hold(self, authorized_nanos: int = 1_000_000_000) -> HoldId:
        hold_id = HoldId(new_id())
        event = HoldAuthorized(
            hold_id=hold_id,
            token_id=self._token,
            user_id=self._user,
            surface="chat",
            model_asked="best",
            model_billed="m",
            authorized_nanos=authorized_nanos,
            prompt_tokens_upper=1200,
            output_tokens_max=500,
            card_id=CARD,
            card_version=3,
            timeout_seconds=60,
        )
        await self._send(
            event,
            Kind.HOLD,
            EventId(hold_id),
            hold_id,
            timeout_seconds=60,
            pool_id=wallet(self._tenant),
            money_nanos=authorized_nanos,
            legs=(Leg(token_account(self._token), authorized_nanos, op=Unit.MONEY),),
        )
        return hold_id

    async def fail(self, hold_id: HoldId, number: int) -> None:
        event = AttemptFailed(hold_id=hold_id, number=number, attempt=_attempt("timeout"))
        await self._send(event, Kind.POST, derive_id(hold_id, f"attempt-{number}"), hold_id)

    async def capture(self, hold_id: HoldId, *, nanos: int | None = None) -> int:
        charged = charge(USAGE, PRICE, Decimal("1.5"))
        captured = charged.amount_nanos if nanos is None else nanos
        event = HoldCaptured(
            hold_id=hold_id,
            captured_nanos=captured,
            basis="vendor",
            usage=USAGE,
            factors=charged.factors,
            token_id=self._token,
            user_id=self._user,
            surface="chat",
            model_asked="best",
            model_routed="m",
            model_billed="m",
            channel_id=CHANNEL,
            card_id=CARD,
            card_version=3,
            outcome="completed",
            attempt=_attempt("completed"),
        )
        await self._send(event, Kind.END, derive_id(hold_id, "terminal"), hold_id, money_nanos=captured)
        return captured

    async def void(self, hold_id: HoldId) -> None:
        event = HoldVoided(
            hold_id=hold_id, reason="vendor_failed", token_id=self._token, user_id=self._user, model_asked="best"
        )
        await self._send(event, Kind.END, derive_id(hold_id, "terminal"), hold_id)

    async def adjust(self, hold_id: HoldId, nanos: int) -> None:
        event = UsageAdjusted(
            hold_id=hold_id,
            charged_nanos=nanos,
            reason="late_usage",
            basis="vendor",
            usage=USAGE,
            factors=charge(USAGE, PRICE).factors,
            token_id=self._token,
            user_id=self._user,
            model_asked="best",
            model_billed="m",
            channel_id=CHANNEL,
            card_id=CARD,
            card_version=3,
        )
        await self._send(
            event,
            Kind.POST,
            derive_id(hold_id, "adjustment"),
            None,
            pool_id=wallet(self._tenant),
            money_nanos=nanos,
            strict=False,
        )

    async def _send(self, event: Event, kind: Kind, event_id: EventId, hold_id: HoldId | None, **fields: Any) -> None:
        answer = await self._world.ledger.submit(
            Command(
                tenant_id=self._tenant,
                lane=first_lane(self._tenant),
                kind=kind,
                event_id=event_id,
                type=type_name(event),
                data=encode(event),
                actor=f"token:{self._token}",
                correlation_id=hold_id or event_id,
                causation_id=hold_id or event_id,
                hold_id=hold_id if kind in {Kind.HOLD, Kind.END} else None,
                **{"pool_id": NO_POOL, **fields},
            )
        )
        assert answer.accepted, answer


def _attempt(outcome: Any) -> Attempt:
    return Attempt(channel_id=CHANNEL, model_routed="m", outcome=outcome, latency_milliseconds=1200, cost_nanos=987_654)


async def _spender(world: World, root: Person, amount: str = "10") -> tuple[TenantId, Person, Spender]:
    tenant = await world.tenant()
    owner = await world.person(tenants={tenant: "owner"})
    token = (await owner.post("/tokens", {"tenant_id": tenant, "name": "CI"})).json()
    await root.pay(f"/tenants/{tenant}/top-ups", {"amount": amount})
    return tenant, owner, Spender(world, tenant, token["id"], owner.user.user_id)


async def test_a_receipt_computes_the_charge_again_and_names_who_paid(world: World, root: Person) -> None:
    _, owner, spender = await _spender(world, root)
    hold = await spender.hold()
    await spender.fail(hold, 1)
    captured = await spender.capture(hold)

    receipt = (await owner.get(f"/requests/{hold}")).json()

    # 1.5 x (1001 x 2.5 + 333 x 10) / 10^6 = 0.00874875
    assert captured == 8_748_750
    assert receipt["state"] == "captured"
    assert receipt["price"]["charged"] == receipt["price"]["recomputed"] == "0.00874875"
    assert receipt["price"]["matches"] is True
    assert [(line["meter"], line["quantity"]) for line in receipt["price"]["lines"]] == [
        ("input_tokens", 1001),
        ("output_tokens", 333),
    ]
    assert [each["outcome"] for each in receipt["attempts"]] == ["timeout", "completed"]
    assert [each["amount"] for each in receipt["burnt"]] == ["0.00874875"]
    assert receipt["burnt"][0]["account"].startswith("grant.paid:")
    assert any("0.00874875" in line for line in receipt["text"])
    assert sum(entry["posted"] for entry in receipt["end"]["entries"] if entry["account"].startswith("grant")) == -(
        captured
    )


async def test_a_receipt_says_so_when_the_charge_is_not_what_its_factors_make(world: World, root: Person) -> None:
    _, owner, spender = await _spender(world, root)
    hold = await spender.hold()
    await spender.capture(hold, nanos=8_748_751)

    price = (await owner.get(f"/requests/{hold}")).json()["price"]

    assert price["matches"] is False
    assert (price["charged"], price["recomputed"]) == ("0.008748751", "0.00874875")


async def test_a_charge_is_paid_from_each_grant_in_turn_and_the_receipt_shows_both(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root, "1")
    await root.pay(f"/tenants/{tenant}/grants", {"amount": "0.001", "kind": "promotional", "priority": 1})
    hold = await spender.hold()
    await spender.capture(hold)

    burnt = (await owner.get(f"/requests/{hold}")).json()["burnt"]

    assert [each["amount"] for each in burnt] == ["0.001", "0.00774875"]
    assert burnt[0]["account"].startswith("grant.promotional:")


async def test_receipts_of_what_is_under_way_voided_and_adjusted(world: World, root: Person) -> None:
    _, owner, spender = await _spender(world, root)
    open_hold, voided = await spender.hold(), await spender.hold()
    await spender.void(voided)
    await spender.adjust(voided, 5)

    under_way = (await owner.get(f"/requests/{open_hold}")).json()
    ended = (await owner.get(f"/requests/{voided}")).json()

    assert (under_way["state"], under_way["end"], under_way["price"]) == ("held", None, None)
    assert (ended["state"], ended["end"]["reason"]) == ("voided", "vendor_failed")
    assert [each["charged"] for each in ended["adjustments"]] == ["0.000000005"]
    assert [each["amount"] for each in ended["burnt"]] == ["0.000000005"]


async def test_what_the_vendor_costs_is_for_the_operator_only(world: World, root: Person) -> None:
    _, owner, spender = await _spender(world, root)
    hold = await spender.hold()
    await spender.capture(hold)

    tenants, operators = await owner.get(f"/requests/{hold}"), await root.get(f"/requests/{hold}")

    assert operators.json()["attempts"][0]["cost"] == "0.000987654"
    assert "987654" not in tenants.text


async def test_a_receipt_of_another_tenant_is_like_one_that_never_was(world: World, root: Person) -> None:
    _, _, spender = await _spender(world, root)
    hold = await spender.hold()
    stranger = await world.person(tenants={await world.tenant("Other"): "owner"})

    theirs = await stranger.get(f"/requests/{hold}")
    nothing = [await stranger.get(f"/requests/{name}") for name in (new_id(), "rubbish", "%00")]

    assert theirs.status_code == 404
    assert {answer.content for answer in nothing} == {theirs.content}


async def test_the_balance_shows_open_holds_and_who_holds_them(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    hold = await spender.hold(2_500_000_000)
    await spender.capture(await spender.hold())

    balance = (await owner.get(f"/tenants/{tenant}/balance")).json()

    assert balance["balance"] == "9.99125125"
    assert balance["held"] == "2.5"
    assert balance["available"] == "7.49125125"
    assert [(each["request_id"], each["held"], each["model"]) for each in balance["holds"]] == [(hold, "2.5", "best")]
    assert balance["holds"][0]["user_id"] == owner.user.user_id
    assert dt.datetime.fromisoformat(balance["holds"][0]["expires_at"]) > dt.datetime.now(dt.UTC)
    assert balance["tokens"][0]["spent"] == "0.00874875"


async def test_a_refund_gives_back_at_most_what_the_request_cost_and_names_it(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    hold_id = await spender.hold()
    nanos = await spender.capture(hold_id)
    path, cost = f"/tenants/{tenant}/refunds", format_amount(nanos)
    body = {"amount": cost, "request_id": hold_id, "reason": "cut off"}

    too_much = await root.pay(path, {**body, "amount": format_amount(nanos + 1)})
    elsewhere = await root.pay(f"/tenants/{await world.tenant('Other')}/refunds", body)
    forbidden = await owner.pay(path, body)
    answers = [await root.pay(path, body, "key") for _ in range(3)]

    assert (too_much.status_code, too_much.json()["code"]) == (422, "refund_too_large")
    assert (elsewhere.status_code, forbidden.status_code) == (404, 403)
    assert {answer.status_code for answer in answers} == {201}
    assert {answer.content for answer in answers} == {answers[0].content}
    assert answers[0].json()["balance"] == "10"
    (event,) = [each for each in await world.events(tenant, "credit.granted.v1") if each["source"] == "refund"]
    assert (event["reference"], event["amount_nanos"], event["reason"]) == (hold_id, nanos, "cut off")
