"""A random but repeatable history, written through the ledger's function: tenants, credit, requests, multipliers."""

import datetime as dt
import random
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from adapters.ids import new_id, new_tenant_id
from adapters.postgres import ledger
from domain.accounts import grant_account, tenant_account, tenant_openings, token_account, user_account, wallet
from domain.admin.entities import Multiplier
from domain.admin.events import Archived, Changed, Created
from domain.events import Event, admin_type_name, encode, type_name
from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.holds.events import (
    Attempt,
    AttemptFailed,
    HoldAuthorized,
    HoldCaptured,
    HoldExpired,
    HoldVoided,
    LimitHeld,
    RequestsRefused,
    UsageAdjusted,
)
from domain.ids import (
    PLATFORM,
    EntityId,
    EventId,
    HoldId,
    TenantId,
    account_id,
    derive_id,
    first_lane,
)
from domain.ledger.commands import NO_FLOOR, Code, Command, Kind, Leg, Op, Opening, Unit
from domain.metering.usage import TokenUsage
from domain.pricing.charge import ChargeFactors, ChargeLine, reprice

if TYPE_CHECKING:
    import asyncpg

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"

DAY = dt.datetime.now(dt.UTC).date()
MODELS = ("gpt-5", "gpt-5-mini", "claude")
CHANNELS = (EntityId("00000000-0000-7000-8000-00000000000a"), EntityId("00000000-0000-7000-8000-00000000000b"))
CARD = EntityId("00000000-0000-7000-8000-0000000000ca")


def post(tenant_id: TenantId, event: Event, **fields: Any) -> Command:
    event_id = fields.pop("event_id", None) or EventId(new_id())
    values: dict[str, Any] = {
        "tenant_id": tenant_id,
        "lane": first_lane(tenant_id),
        "kind": Kind.POST,
        "event_id": event_id,
        "type": fields.pop("type", None) or type_name(event),
        "data": encode(event),
        "actor": "system:test",
        "correlation_id": event_id,
        "causation_id": event_id,
    }
    return Command(**values | fields)


class Customer:
    """A tenant with two users, who have two tokens each."""

    def __init__(self) -> None:
        self.tenant_id = TenantId(new_tenant_id())
        self.users = [EntityId(new_id()) for _ in range(2)]
        self.tokens = [(EntityId(new_id()), user) for user in self.users for _ in range(2)]
        self.open: dict[HoldId, HoldAuthorized] = {}
        self.ended: list[HoldCaptured] = []

    def openings(self) -> Command:
        counters = [
            Opening(user_account(self.tenant_id, user), f"user:{self.tenant_id}:{user}", Unit.MONEY)
            for user in self.users
        ] + [Opening(token_account(token), f"token:{token}", Unit.MONEY) for token, _ in self.tokens]
        return post(
            self.tenant_id,
            RequestsRefused(token_id=None, reason="none", count=0, first_at="", last_at=""),
            openings=(*tenant_openings(self.tenant_id), *counters),
        )

    def grant(self, amount_nanos: int, **terms: Any) -> Command:
        grant_id = EntityId(new_id())
        grant = CreditGranted(grant_id=grant_id, kind="paid", source="top_up", amount_nanos=amount_nanos, **terms)
        return self._granted(grant, grant)

    def redeem(self, amount_nanos: int) -> Command:
        claim_id, batch_id = new_id(), EntityId(new_id())
        grant = CreditGranted(
            grant_id=EntityId(derive_id(claim_id, "grant")),
            kind="promotional",
            source="redemption",
            amount_nanos=amount_nanos,
            priority=10,
        )
        redeemed = CodeRedeemed(claim_id=claim_id, batch_id=batch_id, user_id=self.users[0], grant=grant)
        return self._granted(grant, redeemed, event_id=derive_id(claim_id, "redeemed"))

    def _granted(self, grant: CreditGranted, event: Event, **fields: Any) -> Command:
        account = grant_account(grant.grant_id)
        opening = Opening(
            account,
            f"grant.{grant.kind}:{grant.grant_id}",
            Unit.MONEY,
            expires_at=grant.expires_at or "infinity",
            pool_id=wallet(self.tenant_id),
            priority=grant.priority,
        )
        return post(
            self.tenant_id,
            event,
            pool_id=wallet(self.tenant_id),
            legs=(Leg(account, grant.amount_nanos), Leg(account, op=Op.REPAY)),
            openings=(opening,),
            **fields,
        )

    def lapse(self, grant_id: EntityId) -> Command:
        leg = Leg(grant_account(grant_id), op=Op.DRAIN)
        return post(self.tenant_id, CreditLapsed(grant_id=grant_id), pool_id=wallet(self.tenant_id), legs=(leg,))

    def adjust(self, amount_nanos: int) -> Command:
        event = CreditAdjusted(amount_nanos=amount_nanos, reason="test", strict=False)
        return post(self.tenant_id, event, pool_id=wallet(self.tenant_id), money_nanos=amount_nanos, strict=False)

    def hold(self, rng: random.Random, *, amount_nanos: int | None = None, timeout_seconds: int = 300) -> Command:
        token, user = rng.choice(self.tokens)
        multiplier = rng.choice((Decimal(1), Decimal("1.5"), Decimal(0)))
        worst = amount_nanos if amount_nanos is not None else rng.randrange(1, 40_000_000)
        event = HoldAuthorized(
            hold_id=HoldId(new_id()),
            token_id=token,
            user_id=user,
            surface="chat",
            model_asked=rng.choice(MODELS),
            model_billed=MODELS[0],
            authorized_nanos=0 if multiplier == 0 else worst,
            allowance_nanos=worst if multiplier == 0 else 0,
            prompt_tokens_upper=100_000,
            output_tokens_max=100_000,
            card_id=CARD,
            card_version=1,
            multiplier=multiplier,
            timeout_seconds=timeout_seconds,
            limits=(LimitHeld(f"rpm.token:{token}:{DAY}", 1, 1_000_000),),
        )
        money = event.authorized_nanos
        minute = account_id("rpm.token", token, str(DAY))
        free = account_id("allowance.month", str(self.tenant_id), str(DAY))
        legs = [
            Leg(tenant_account(self.tenant_id), money, op=Unit.MONEY),
            Leg(user_account(self.tenant_id, user), money, op=Unit.MONEY),
            Leg(token_account(token), money, op=Unit.MONEY),
            Leg(minute, 1, -1_000_000, Unit.REQUESTS),
        ]
        openings = [
            Opening(minute, f"rpm.token:{token}:{DAY}", Unit.REQUESTS, purge_at=f"{DAY + dt.timedelta(days=2)}T00:00Z")
        ]
        if event.allowance_nanos:
            legs.append(Leg(free, worst, NO_FLOOR, Unit.ALLOWANCE))
            openings.append(Opening(free, f"allowance.month:{self.tenant_id}:{DAY}", Unit.ALLOWANCE))
        self.open[event.hold_id] = event
        return post(
            self.tenant_id,
            event,
            kind=Kind.HOLD,
            event_id=EventId(event.hold_id),
            hold_id=event.hold_id,
            timeout_seconds=timeout_seconds,
            pool_id=wallet(self.tenant_id),
            money_nanos=money,
            legs=tuple(legs),
            openings=tuple(openings),
        )

    def end(self, event: Event, held: HoldAuthorized, **fields: Any) -> Command:
        self.open.pop(held.hold_id, None)
        return post(
            self.tenant_id,
            event,
            kind=fields.pop("kind", Kind.END),
            event_id=derive_id(held.hold_id, "terminal"),
            hold_id=held.hold_id,
            correlation_id=held.hold_id,
            causation_id=held.hold_id,
            pool_id=wallet(self.tenant_id),
            **fields,
        )

    def capture(self, rng: random.Random, held: HoldAuthorized) -> Command:
        event = captured(rng, held)
        self.ended.append(event)
        return self.end(
            event,
            held,
            money_nanos=event.captured_nanos,
            allowance_nanos=event.allowance_nanos,
            requests=1,
            tokens=event.usage.total,
        )

    def void(self, held: HoldAuthorized, attempt: Attempt | None) -> Command:
        event = HoldVoided(
            hold_id=held.hold_id,
            reason="vendor_failed",
            token_id=held.token_id,
            user_id=held.user_id,
            model_asked=held.model_asked,
            attempt=attempt,
        )
        return self.end(event, held)

    def expire(self, held: HoldAuthorized) -> Command:
        return self.end(HoldExpired(hold_id=held.hold_id), held, kind=Kind.EXPIRE)

    def attempt_failed(self, held: HoldAuthorized, attempt: Attempt) -> Command:
        return post(self.tenant_id, AttemptFailed(hold_id=held.hold_id, number=1, attempt=attempt))

    def adjust_usage(self, before: HoldCaptured) -> Command:
        event = UsageAdjusted(
            hold_id=before.hold_id,
            charged_nanos=before.captured_nanos,
            reason="late",
            basis="vendor",
            usage=before.usage,
            factors=before.factors,
            token_id=before.token_id,
            user_id=before.user_id,
            model_asked=before.model_asked,
            model_billed=before.model_billed,
            channel_id=before.channel_id,
            card_id=before.card_id,
            card_version=1,
        )
        return post(
            self.tenant_id,
            event,
            event_id=derive_id(before.hold_id, "adjustment"),
            pool_id=wallet(self.tenant_id),
            money_nanos=event.charged_nanos,
            strict=False,
        )


def captured(rng: random.Random, held: HoldAuthorized) -> HoldCaptured:
    """Make the capture of a hold: most cost less than was held, some more."""
    read = rng.randrange(4000)
    usage = TokenUsage(
        input_tokens=read,
        cached_input_tokens=rng.randrange(100),
        cache_write_1h_tokens=read % 64,
        output_tokens=rng.randrange(2000),
        searches=read % 3,
    )
    lines = (
        ChargeLine("input_tokens", usage.input_tokens, Decimal("1.25"), 1_000_000),
        ChargeLine("cached_input_tokens", usage.cached_input_tokens, Decimal("0.125"), 1_000_000),
        ChargeLine("cache_write_1h_tokens", usage.cache_write_1h_tokens, Decimal("2.5"), 1_000_000),
        ChargeLine("output_tokens", usage.output_tokens, Decimal(10), 1_000_000),
        ChargeLine("searches", usage.searches, Decimal("0.00001"), 1),
    )
    free = held.multiplier == 0
    factors = ChargeFactors(lines, held.multiplier)
    amount = reprice(ChargeFactors(lines) if free else factors)
    money = 0 if free else amount
    channel = rng.choice(CHANNELS)
    return HoldCaptured(
        hold_id=held.hold_id,
        captured_nanos=money,
        allowance_nanos=amount if free else 0,
        overrun_nanos=max(0, money - held.authorized_nanos),
        basis="vendor",
        usage=usage,
        factors=factors,
        token_id=held.token_id,
        user_id=held.user_id,
        surface="chat",
        model_asked=held.model_asked,
        model_routed=held.model_billed,
        model_billed=held.model_billed,
        channel_id=channel,
        card_id=CARD,
        card_version=1,
        outcome="completed",
        attempt=Attempt(
            channel_id=channel, model_routed=held.model_billed, outcome="completed", status=200, cost_nanos=amount // 2
        ),
    )


def failed_attempt(rng: random.Random) -> Attempt:
    return Attempt(
        channel_id=rng.choice(CHANNELS), model_routed=MODELS[0], outcome="vendor_error", cost_nanos=rng.randrange(9)
    )


class Workload:
    """Writes history; the same seed makes the same choices, under new ids."""

    def __init__(self, seed: int, customers: int = 3) -> None:
        self.rng = random.Random(seed)
        self.customers = [Customer() for _ in range(customers)]
        self.multipliers: list[Multiplier] = []
        self.events = 0

    @property
    def lanes(self) -> list[TenantId]:
        return [PLATFORM, *(customer.tenant_id for customer in self.customers)]

    async def begin(self, connection: Connection) -> None:
        await connection.execute("SELECT ledger.create_days($1, 10)", DAY - dt.timedelta(days=8))
        for lane in self.lanes:
            await connection.execute("SELECT ledger.open_lane($1, $2)", lane, lane)
        await self.send(connection, [customer.openings() for customer in self.customers])
        for customer in self.customers:
            soon = (dt.datetime.now(dt.UTC) - dt.timedelta(seconds=1)).isoformat()
            stale = customer.grant(5_000_000, expires_at=soon)
            await self.send(connection, [customer.grant(300_000_000), customer.redeem(200_000_000), stale])
            await self.send(connection, [customer.lapse(EntityId(stale.openings[0].name.partition(":")[2]))])

    async def send(self, connection: Connection, commands: list[Command]) -> None:
        answers = await ledger.apply(connection, commands)
        for command, answer in zip(commands, answers, strict=True):
            if answer.code is Code.INSUFFICIENT and command.kind is Kind.HOLD:
                assert command.hold_id is not None
                for customer in self.customers:
                    customer.open.pop(command.hold_id, None)
            else:
                assert answer.code is Code.OK, (answer, command)
                self.events += 1

    async def run(self, connection: Connection, batches: int, batch: int = 12) -> None:
        for _ in range(batches):
            ready = [list(customer.open.values()) for customer in self.customers]
            await self.send(connection, [command for n in range(batch) for command in self._step(ready, n)])

    def _step(self, ready: list[list[HoldAuthorized]], number: int) -> list[Command]:
        rng = self.rng
        index = rng.randrange(len(self.customers))
        customer = self.customers[index]
        held = ready[index].pop() if ready[index] and rng.random() < 0.6 else None
        if held is not None:
            return self._finish(customer, held)
        if number == 0:
            return [self._multiplier()]
        chance = rng.random()
        if chance < 0.05:
            command = customer.grant(rng.randrange(1, 100_000_000), priority=rng.randrange(100))
        elif chance < 0.08:
            command = customer.adjust(rng.randrange(1, 30_000_000))
        elif chance < 0.12 and customer.ended:
            command = customer.adjust_usage(customer.ended.pop())
        elif chance < 0.15:
            token = customer.tokens[0][0]
            refused = RequestsRefused(
                token_id=token, reason="quota", count=3, first_at="", last_at="", model_asked=MODELS[1]
            )
            command = post(customer.tenant_id, refused)
        else:
            command = customer.hold(rng, timeout_seconds=0 if rng.random() < 0.1 else 300)
        return [command]

    def _finish(self, customer: Customer, held: HoldAuthorized) -> list[Command]:
        rng = self.rng
        if held.timeout_seconds == 0:
            return [customer.expire(held)]
        commands = [customer.attempt_failed(held, failed_attempt(rng))] if rng.random() < 0.2 else []
        if rng.random() < 0.15:
            return [*commands, customer.void(held, failed_attempt(rng) if rng.random() < 0.5 else None)]
        return [*commands, customer.capture(rng, held)]

    def _multiplier(self) -> Command:
        rng = self.rng
        chance = rng.random()
        if self.multipliers and chance < 0.2:
            gone = self.multipliers.pop(rng.randrange(len(self.multipliers)))
            archived = Archived(before=gone)
            return post(PLATFORM, archived, type=admin_type_name("multiplier", archived))
        value = Decimal(rng.randrange(500)) / 100
        if self.multipliers and chance < 0.7:
            index = rng.randrange(len(self.multipliers))
            before = self.multipliers[index]
            after = Multiplier(
                multiplier_id=before.multiplier_id,
                user_group=before.user_group,
                channel_group=before.channel_group,
                value=value,
            )
            self.multipliers[index] = after
            changed = Changed(before=before, after=after, reason="test")
            return post(PLATFORM, changed, type=admin_type_name("multiplier", changed))
        made = Multiplier(
            multiplier_id=EntityId(new_id()), user_group=rng.choice(("all", "gold")), channel_group="all", value=value
        )
        self.multipliers.append(made)
        created = Created(after=made)
        return post(PLATFORM, created, type=admin_type_name("multiplier", created))
