"""One tenant's lane: how its people call models, pay, run dry and get over it.

Every hold, price and refusal is decided by the product's own rules; what is made up is who calls what when, and how
vendors behave.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from app.demo_data.asks import Ask, Asks, usual
from app.demo_data.customer import Customer
from app.demo_data.diary import Diary
from app.demo_data.lane import time_of
from app.demo_data.plan import DAY, HOUR, MINUTE, NODES, SECOND, Ids
from app.demo_data.purse import UNIT, Purse, round_sum
from app.demo_data.refusals import Refusals
from app.demo_data.terms import Terms
from app.demo_data.vendors import Vendors, begun, failed
from app.demo_data.world import World
from app.relay import errors
from domain.admin.entities import RoutingPolicy
from domain.admission import (
    Quote,
    Route,
    adjustment_command,
    attempt_failed_command,
    cached_command,
    capture_command,
    hold_command,
    lower,
    void_command,
)
from domain.events import decode
from domain.holds.events import Attempt, HoldExpired, Outcome, RoutingNote
from domain.ids import EntityId, HoldId, derive_id
from domain.ledger.commands import Answer, Code, Command, Kind
from domain.limits import milliseconds_to_next_minute
from domain.metering.estimate import Estimate
from domain.metering.usage import Basis, TokenUsage
from domain.pricing.charge import charge
from domain.routing.chance import seed_of
from domain.routing.choice import Decision, Need, Now, decide
from domain.routing.events import ExperimentMeasured
from domain.routing.policy import DEFAULT_POLICY, arm_of

_HOLD_SECONDS: Final = 900
_ATTEMPTS_MAX: Final = 3

# How likely things are.
_GONE: Final = 0.012
"""Clients that go away in the middle of a stream."""
_GONE_EARLY: Final = 0.0015
_DIED: Final = 0.00002
"""Requests whose node dies: their holds expire."""
_CACHED: Final = 0.06


class History:
    """Writes one tenant's lane, day after day."""

    def __init__(self, world: World, number: int, counts: Sequence[int]) -> None:
        """Take what the tenant's calls in each hour are to be."""
        self._world = world
        self._plan = world.plan
        self._story = story = world.stories[number]
        self._number = number
        self._counts = counts
        chance = self._plan.chance(f"history {number}")
        self._draw = chance.random
        self._asks = Asks(story, chance)
        self._vendors = Vendors(world, chance)
        self._routes: dict[tuple[int, EntityId, str], Route] = {}
        self.diary = Diary(self._plan, story.tenant.tenant_id, Ids(self._plan.chance(f"ids {number}")))
        self._refusals = Refusals(self.diary)
        daily = self._nanos_a_day()
        self._purse = Purse(world, story, self.diary, number=number, top_up=round_sum(6 * daily), chance=chance)
        credit = round_sum(45 * daily) if story.company.paying == "invoice" else 0
        self._customer = Customer(world, story, self.diary, credit_limit_nanos=credit)
        self._plan_ahead()

    def day(self, day: int) -> None:
        """Write a day of the plan, counted from 0."""
        for hour in range(day * 24, day * 24 + 24):
            begins = self._plan.first + hour * HOUR
            self._until(begins)
            self._purse.look(begins)
            draw = self._draw
            for at in sorted(int(begins + draw() * HOUR) for _ in range(self._counts[hour])):
                self._until(at)
                self._request(at)
        end = self._plan.first + (day + 1) * DAY
        self._until(end - 1)
        if day == self._plan.days - 1:
            self._refusals.flush(end - 1)
            # Nothing is recorded after the end: what is under way by then stays open, and will expire.
        self.diary.book.purge(end)

    # What is known beforehand.

    def _nanos_a_day(self) -> float:
        """Give what the tenant is likely to spend on an average day."""
        terms = self._world.terms(self._plan.end - HOUR)
        entry = terms.matrix.resolve(self._story.tenant.user_group, "default")
        total = sum(
            task.weight * charge(usual(task), terms.card.price_of(task.model), entry.multiplier).amount_nanos
            for task in self._asks.tasks
        )
        each = total / sum(task.weight for task in self._asks.tasks)
        return each * sum(self._counts) / max(1, self._plan.days)

    def _plan_ahead(self) -> None:
        story, plan, joined = self._story, self._plan, self._story.joined
        soon = joined + 10 * SECOND
        if story.company.paying == "prepaid":
            self.diary.put(
                soon, lambda at: self._purse.grant(at, self._purse.top_up, reference=f"PAY-{self._number:03d}-0001")
            )
        if story.company.paying != "trial" and self._number % 2 == 0:
            expires = soon + 14 * DAY
            gift = max(UNIT, self._purse.top_up // 20 // UNIT * UNIT)
            self.diary.put(
                soon + SECOND,
                lambda at: self._purse.grant(at, gift, kind="promotional", expires=expires, reason="welcome"),
            )
        if story.company.paying == "invoice":
            for part in (0.35, 0.7, 0.97):
                self.diary.put(plan.at(part), self._purse.pay_invoice)
        if story.claim is not None:
            at, claim_id, claim = story.claim
            self.diary.put(at + SECOND // 20, self._purse.redeemed(claim_id, claim))
        self._small_events()

    def _small_events(self) -> None:
        """Plan what happens to a tenant now and then: changes, looks of the operator, credit taken back or refunded."""
        plan, number = self._plan, self._number
        if number % 4 == 1:
            self.diary.put(plan.at(0.52), self._customer.raise_limit)
        if number % 6 == 5:  # noqa: PLR2004 -- one in six, as those around it
            self.diary.put(plan.at(0.62), self._customer.suspend)
            self.diary.put(plan.at(0.62) + 5 * HOUR, self._customer.resume)
        if number % 5 == 2:  # noqa: PLR2004
            self.diary.put(plan.at(0.8), self._customer.revoke)
        if number % 3 == 2:  # noqa: PLR2004
            self.diary.put(plan.at(0.55), lambda at: self._purse.adjust(at, UNIT // 2))
        if number % 4 == 2:  # noqa: PLR2004
            self.diary.put(
                plan.at(0.48), lambda at: self._purse.grant(at, 2 * UNIT, source="refund", reason="answer was cut off")
            )
        for part in (0.3, 0.61, 0.9):
            self.diary.put(plan.at(part) + number * MINUTE, self._customer.look)

    def _until(self, at: int) -> None:
        """Do what is planned up to a moment."""
        self.diary.until(at)
        self._refusals.until(at)

    # Requests.

    def _request(self, at: int) -> None:
        ask = self._asks.draw(at, self._customer.tokens)
        if ask is None:
            return
        terms = self._world.terms(at)
        hold_id = HoldId(self.diary.ids.at(at))
        policy = (
            terms.policies.find(ask.call.model, self._customer.tenant.user_group, self._customer.tenant.tenant_id)
            or DEFAULT_POLICY
        )
        arm = (
            arm_of(policy, f"{self._customer.tenant.tenant_id}:{ask.token.token_id}:{at // MINUTE}")
            if policy.arms
            else None
        )
        groups = arm.channel_groups if arm is not None else policy.channel_groups
        need = Need(
            surface=ask.call.surface, tokens=ask.upper + ask.output_max, channel_groups=frozenset(groups) or None
        )
        now = Now(milliseconds=at // 1000, health=self._world.health(at))
        decision = decide(terms.pools.members(ask.model), need, now, seed=seed_of(hold_id), mode=policy.mode)
        if not decision.candidates:
            self._refuse(at, ask, errors.nobody_available(ask.call.model, 1.0))
            return
        quote = Quote(
            hold_id=hold_id,
            call=ask.call,
            payer=self._customer.payer(ask.token),
            model_billed=ask.model,
            price=terms.card.price_of(ask.model),
            card=terms.card,
            routes=tuple(self._route(terms, candidate.member) for candidate in decision.candidates),
            estimate=Estimate(prompt_tokens=ask.upper, prompt_tokens_upper=ask.upper),
            output_tokens_max=ask.output_max,
            output_limit=None,
            other=ask.other,
            routing=_note(policy, arm.name if arm is not None else "", decision),
        )
        held = self._hold(quote, at, ask)
        if held is not None:
            self._serve(held, ask, at)

    def _route(self, terms: Terms, member: Any) -> Route:
        key = (terms.since, member.channel_id, member.model)
        route = self._routes.get(key)
        if route is None:
            channel = member.channel
            entry = terms.matrix.resolve(self._customer.tenant.user_group, *channel.channel_groups)
            costs = terms.costs.get(channel.cost_card_id) if channel.cost_card_id is not None else None
            route = self._routes[key] = Route(
                channel=channel,
                model_routed=member.model_routed,
                multiplier=entry,
                multiplier_id=terms.multiplier_ids.get((entry.user_group, entry.channel_group)),
                cost_price=costs.find(member.model_routed) if costs is not None else None,
            )
        return route

    def _refuse(self, at: int, ask: Ask, error: errors.ApiError) -> None:
        self._refusals.add(at, ask.token.token_id, ask.call.model, error)

    def _hold(self, quote: Quote, at: int, ask: Ask) -> Quote | None:
        """Hold the worst case, or less output where the wallet covers no more; None if that was refused."""
        now = time_of(at)
        command, limits = hold_command(quote, now=now, timeout_seconds=_HOLD_SECONDS, node=NODES[at & 1])
        refused = self.diary.book.apply(command, at)
        if refused is not None and refused.code is Code.INSUFFICIENT and self._customer.tenant.lower_output_limit:
            lowered = lower(quote, self.diary.book.available(at))
            if lowered is not None:
                quote = lowered
                command, limits = hold_command(quote, now=now, timeout_seconds=_HOLD_SECONDS, node=NODES[at & 1])
                refused = self.diary.book.apply(command, at)
        if refused is None:
            return quote
        answer = Answer(refused.code, leg=refused.leg, balance_nanos=self.diary.book.available(at))
        wait = milliseconds_to_next_minute(now) / 1000
        self._refuse(
            at,
            ask,
            errors.refusal(
                answer, limits, needed_nanos=quote.authorized_nanos, currency=quote.card.currency, window_seconds=wait
            ),
        )
        return None

    def _serve(self, quote: Quote, ask: Ask, at: int) -> None:
        """Let channels answer, one after the other, and plan how the request ends."""
        draw = self._draw
        if ask.token.cache_seconds and ask.call.surface == "chat" and draw() < _CACHED:
            route = quote.routes[0]
            command, _ = cached_command(
                quote, route, usage=ask.usage, hit_percent=0, channel_id=route.channel.channel_id, milliseconds=3
            )
            self.diary.put(at + 3_000, command)
            return
        if draw() < _DIED:
            self.diary.put(at + (_HOLD_SECONDS + 3) * SECOND, self._expiry(quote.hold_id))
            if draw() < 0.5:  # noqa: PLR2004 -- half of them
                capture, _ = self._capture(
                    quote, quote.routes[0], ask, self._attempt(quote.routes[0], ask.usage, ask), 1
                )
                late = adjustment_command(capture, decode(capture.type, capture.data))
                self.diary.put(at + 2 * HOUR, late)
            return
        moment, last = at, None
        for number, route in enumerate(quote.routes[:_ATTEMPTS_MAX], 1):
            fault = self._vendors.fault(route, moment)
            if fault is None:
                self._answer(quote, route, ask, moment, number, began=at)
                return
            last = begun(failed(route, fault), quote.hold_id, moment - at)
            moment += last.latency_milliseconds * 1000
            if number < min(_ATTEMPTS_MAX, len(quote.routes)):
                self.diary.put(moment, attempt_failed_command(quote, number, last))
        attempts = min(_ATTEMPTS_MAX, len(quote.routes))
        self.diary.put(moment, void_command(quote, reason="vendor_failed", attempts=attempts, attempt=last))

    def _answer(self, quote: Quote, route: Route, ask: Ask, at: int, number: int, *, began: int) -> None:
        draw = self._draw
        usage, basis = ask.usage, "vendor"
        outcome: Outcome = "completed"
        if quote.output_tokens_max < ask.output_max:
            usage = _cut(usage, quote.output_tokens_max)
        if ask.call.stream and draw() < _GONE:
            outcome = "client_gone"
            if self._customer.tenant.disconnect == "abort":
                usage, basis = _cut(usage, max(1, int(usage.output_total * draw()))), "stream"
        attempt = begun(self._attempt(route, usage, ask, outcome), quote.hold_id, at - began)
        ends = at + attempt.latency_milliseconds * 1000
        if draw() < _GONE_EARLY:
            gone = msgspec.structs.replace(attempt, outcome="client_gone", cost_nanos=0, first_byte_milliseconds=None)
            self.diary.put(ends, void_command(quote, reason="client_gone_early", attempts=number, attempt=gone))
            return
        command, charged = self._capture(quote, route, ask, attempt, number, usage=usage, basis=basis)
        self.diary.put(ends, command)
        if quote.routing is not None and quote.routing.arm:
            self.diary.put(
                ends, self._measured(quote, attempt, usage, number=number, charged=charged, took=ends - began)
            )

    def _attempt(self, route: Route, usage: TokenUsage, ask: Ask, outcome: Outcome = "completed") -> Attempt:
        call = ask.call
        return self._vendors.attempt(route, usage, call.surface, stream=call.stream, outcome=outcome)

    def _capture(
        self, quote: Quote, route: Route, ask: Ask, attempt: Attempt, number: int, *, usage: TokenUsage | None = None,
        basis: str = "vendor",
    ) -> tuple[Command, int]:  # fmt: skip
        kind: Basis = "stream" if basis == "stream" else "vendor"
        return capture_command(
            quote,
            route,
            usage=usage or ask.usage,
            basis=kind,
            adjusted=False,
            outcome=attempt.outcome,
            attempt=attempt,
            attempts=number,
        )

    def _measured(
        self, quote: Quote, attempt: Attempt, usage: TokenUsage, *, number: int, charged: int, took: int
    ) -> Command:
        assert quote.routing is not None
        assert quote.routing.policy_id is not None
        event = ExperimentMeasured(
            policy_id=quote.routing.policy_id,
            arm=quote.routing.arm,
            tenant_id=self._customer.tenant.tenant_id,
            model_asked=quote.call.model,
            model_routed=attempt.model_routed,
            completed=attempt.outcome == "completed",
            attempts=number,
            latency_milliseconds=took // 1000,
            first_byte_milliseconds=attempt.first_byte_milliseconds or 0,
            tokens=usage.total,
            charged_nanos=charged,
            cost_nanos=attempt.cost_nanos,
        )
        return self.diary.command(event, derive_id(quote.hold_id, "experiment"), "system:routing")

    def _expiry(self, hold_id: HoldId) -> Command:
        return self.diary.command(
            HoldExpired(hold_id=hold_id), derive_id(hold_id, "terminal"), "system:reaper", kind=Kind.EXPIRE,
            hold_id=hold_id, correlation_id=hold_id, causation_id=hold_id,
        )  # fmt: skip


def _note(policy: RoutingPolicy, arm: str, decision: Decision) -> RoutingNote:
    candidates = tuple(candidate.member.channel_id for candidate in decision.candidates)
    return RoutingNote(
        mode=policy.mode,
        policy_id=policy.policy_id or None,
        arm=arm,
        candidates=candidates if len(candidates) > 1 else (),
        fell_out={out.channel.channel_id: out.reason for out in decision.fell_out},
    )


def _cut(usage: TokenUsage, output_tokens: int) -> TokenUsage:
    """Give a usage with so many tokens of output at most."""
    reasoning = min(usage.reasoning_tokens, output_tokens)
    return msgspec.structs.replace(
        usage, reasoning_tokens=reasoning, output_tokens=min(usage.output_tokens, output_tokens - reasoning)
    )
