"""One tenant's lane: how its people call models, pay, run dry and get over it.

Every hold, price and refusal is decided by the product's own rules; what is made up is who calls what when, and how
vendors behave.
"""

import heapq
import itertools
import math
from bisect import bisect_right
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import msgspec

from app.demo_data.cast import MIXES, Rhythm, Task
from app.demo_data.clerk import admin_command, note
from app.demo_data.lane import LaneBook, time_of
from app.demo_data.people import Story
from app.demo_data.plan import DAY, HOUR, MINUTE, NODES, SECOND, Ids
from app.demo_data.terms import Terms
from app.demo_data.world import World
from app.relay import errors
from app.wallets import grant_command
from domain.accounts import credit_line, grant_account, wallet
from domain.admin.entities import Limits, RoutingPolicy, Token
from domain.admin.events import Changed, Created, TenantLooked
from domain.admission import (
    Payer,
    Quote,
    Route,
    adjustment_command,
    attempt_failed_command,
    cached_command,
    capture_command,
    cost_of,
    hold_command,
    lower,
    void_command,
)
from domain.events import decode, encode, type_name
from domain.grants.events import CodeRedeemed, CreditAdjusted, CreditGranted, CreditLapsed
from domain.holds.events import Attempt, HoldExpired, Outcome, RequestsRefused, RoutingNote
from domain.ids import EntityId, EventId, HoldId, derive_id, first_lane
from domain.ledger.commands import Answer, Code, Command, Kind, Leg, Op
from domain.limits import milliseconds_to_next_minute
from domain.metering.estimate import Estimate
from domain.metering.usage import Basis, TokenUsage
from domain.pricing.charge import charge
from domain.relay.call import Call
from domain.routing.chance import seed_of
from domain.routing.choice import Decision, Need, Now, decide
from domain.routing.events import ExperimentMeasured
from domain.routing.policy import DEFAULT_POLICY, arm_of

_HOLD_SECONDS: Final = 900
_FLUSH: Final = 5 * SECOND
_OUTPUTS: Final = (1024, 2048, 4096)
_ATTEMPTS_MAX: Final = 3
_UNIT: Final = 10**9

# How likely things are.
_GONE: Final = 0.012
"""Clients that go away in the middle of a stream."""
_GONE_EARLY: Final = 0.0015
_DIED: Final = 0.00002
"""Requests whose node dies: their holds expire."""
_FAILING: Final = 0.97
"""Calls that fail to a channel that is in trouble."""
_CACHED: Final = 0.06
_BEST: Final = 0.03
"""Calls of gpt-5 that ask for `best`."""

_CURVES: Final[dict[Rhythm, tuple[int, ...]]] = {
    "office": (1, 1, 1, 1, 1, 2, 5, 14, 40, 80, 95, 92, 70, 85, 96, 90, 72, 45, 22, 12, 8, 5, 3, 2),
    "evening": (20, 9, 4, 2, 2, 3, 6, 12, 20, 26, 30, 34, 38, 36, 38, 44, 54, 66, 80, 95, 100, 92, 70, 42),
    "night": (60, 90, 100, 100, 95, 60, 20, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 8, 16, 32),
    "steady": (60, 56, 54, 52, 54, 58, 66, 74, 84, 92, 96, 98, 96, 97, 98, 98, 96, 94, 90, 86, 82, 78, 72, 66),
}
_WEEKENDS: Final[dict[Rhythm, float]] = {"office": 0.18, "evening": 1.25, "night": 1.0, "steady": 0.85}
_SATURDAY: Final = 5

_STATUS: Final = {"timeout": 0, "connect": 0, "server": 500, "rate_limit": 429}
_OUTCOMES: Final[dict[str, Outcome]] = {
    "timeout": "timeout",
    "connect": "connect",
    "server": "vendor_error",
    "rate_limit": "refused_by_vendor",
}
_CODES: Final = {"timeout": "first_byte_timeout", "connect": "connect", "server": "server_error",
                 "rate_limit": "rate_limit_exceeded"}  # fmt: skip
_LATENCY: Final = {"timeout": 30_000, "connect": 10_000, "server": 420, "rate_limit": 90}


def arrivals(world: World) -> list[list[int]]:
    """Give by tenant how many calls it makes in each hour; they add up to the plan's."""
    plan = world.plan
    hours = plan.days * 24
    weights = [[_weight(world, story, hour) for hour in range(hours)] for story in world.stories]
    total = sum(map(sum, weights))
    counts, done, before = [], 0.0, 0
    for row in weights:
        out = []
        for weight in row:
            done += weight
            after = round(plan.requests * done / total) if total else 0
            out.append(after - before)
            before = after
        counts.append(out)
    return counts


def _weight(world: World, story: Story, hour: int) -> float:
    plan, company = world.plan, story.company
    at = plan.first + hour * HOUR
    if at < story.joined + MINUTE:
        return 0.0
    local = time_of(at).astimezone(ZoneInfo(company.time_zone))
    weekend = _WEEKENDS[company.rhythm] if local.weekday() >= _SATURDAY else 1.0
    growth = 1 + 0.7 * (at - plan.first) / (plan.end - plan.first)
    # The same for every run: a day is a little better or worse than the one before.
    day = at // DAY
    mood = 1 + 0.12 * math.sin(day * 2.399 + story.share)
    return story.share * _CURVES[company.rhythm][local.hour] * weekend * growth * mood


class _Refusals:
    """Refusals of one token for one reason that are not recorded yet."""

    __slots__ = ("count", "error", "first_at", "last_at", "model")

    def __init__(self, at: int) -> None:
        self.count = 0
        self.first_at = self.last_at = at
        self.error: errors.ApiError | None = None
        self.model = ""


class _Ask(NamedTuple):
    """A call, and what it will come to if a vendor answers."""

    call: Call
    token: Token
    usage: TokenUsage
    other: TokenUsage
    upper: int
    output_max: int
    model: str


class History:
    """Writes one tenant's lane, day after day."""

    def __init__(self, world: World, number: int, counts: Sequence[int]) -> None:
        """Take what the tenant's calls in each hour are to be."""
        self._world = world
        self._plan = world.plan
        self._story = story = world.stories[number]
        self._number = number
        self._counts = counts
        self._chance = self._plan.chance(f"history {number}")
        self._draw = self._chance.random
        self._ids = Ids(self._plan.chance(f"ids {number}"))
        self._tasks = MIXES[story.company.mix]
        self._task_weights = list(itertools.accumulate(task.weight for task in self._tasks))
        self._member_weights = list(itertools.accumulate(member.share for member in story.members))
        self._calls: dict[tuple[str, str, bool], Call] = {}
        self._routes: dict[tuple[int, EntityId, str], Route] = {}
        self._queue: list[tuple[int, int, Command | Callable[[int], None]]] = []
        self._number_in_queue = itertools.count()
        self._refusals: dict[tuple[EntityId, str], _Refusals] = {}
        self._flush_at = 0
        self._grants: dict[EntityId, int] = {}
        daily = self._nanos_a_day()
        self._top_up = _round_sum(6 * daily)
        self.tenant = story.tenant
        if story.company.paying == "invoice":
            self.tenant = msgspec.structs.replace(story.tenant, credit_limit_nanos=_round_sum(45 * daily))
        self._version = 1
        self._tokens = {member.token.token_id: member.token for member in story.members}
        self._members = {user.user_id: user.memberships[0] for user in story.users}
        self._payers: dict[EntityId, Payer] = {}
        self._group = next((g for g in world.user_groups if g.label == self.tenant.user_group), None)
        self.book = LaneBook(story.tenant.tenant_id, first_lane(story.tenant.tenant_id))
        self._plan_ahead()

    def day(self, day: int) -> None:
        """Write a day of the plan, counted from 0."""
        for hour in range(day * 24, day * 24 + 24):
            begins = self._plan.first + hour * HOUR
            self._until(begins)
            self._look_at_wallet(begins)
            draw = self._draw
            for at in sorted(int(begins + draw() * HOUR) for _ in range(self._counts[hour])):
                self._until(at)
                self._request(at)
        end = self._plan.first + (day + 1) * DAY
        self._until(end - 1)
        if day == self._plan.days - 1:
            self._flush(end - 1)
            # Nothing is recorded after the end: what is under way by then stays open, and will expire.
        self.book.purge(end)

    # What is known beforehand.

    def _nanos_a_day(self) -> float:
        """Give what the tenant is likely to spend on an average day."""
        terms = self._world.terms(self._plan.end - HOUR)
        entry = terms.matrix.resolve(self._story.tenant.user_group, "default")
        total = sum(
            task.weight * charge(_usual(task), terms.card.price_of(task.model), entry.multiplier).amount_nanos
            for task in self._tasks
        )
        each = total / sum(task.weight for task in self._tasks)
        return each * sum(self._counts) / max(1, self._plan.days)

    def _plan_ahead(self) -> None:
        story, plan, joined = self._story, self._plan, self._story.joined
        self._put(joined, self._created("tenant", self.tenant, joined, "contract signed"))
        for member in story.members:
            self._put(
                member.created_at, self._created("token", member.token, member.created_at, "", story.users[0].user_id)
            )
        soon = joined + 10 * SECOND
        if story.company.paying == "prepaid":
            self._put(soon, lambda at: self._grant(at, self._top_up, reference=f"PAY-{self._number:03d}-0001"))
        if story.company.paying != "trial" and self._number % 2 == 0:
            expires = soon + 14 * DAY
            gift = max(_UNIT, self._top_up // 20 // _UNIT * _UNIT)
            self._put(
                soon + SECOND, lambda at: self._grant(at, gift, kind="promotional", expires=expires, reason="welcome")
            )
        if story.company.paying == "invoice":
            for part in (0.35, 0.7, 0.97):
                self._put(plan.at(part), self._pay_invoice)
        if story.claim is not None:
            at, claim_id, claim = story.claim
            self._put(at + SECOND // 20, self._redeemed(claim_id, claim))
        self._small_events()

    def _small_events(self) -> None:
        """Plan what happens to a tenant now and then: changes, looks of the operator, credit taken back or refunded."""
        plan, number = self._plan, self._number
        if number % 4 == 1:
            self._put(plan.at(0.52), self._raise_limit)
        if number % 6 == 5:  # noqa: PLR2004 -- one in six, as those around it
            self._put(plan.at(0.62), self._suspend)
            self._put(plan.at(0.62) + 5 * HOUR, self._resume)
        if number % 5 == 2:  # noqa: PLR2004
            self._put(plan.at(0.8), self._revoke)
        if number % 3 == 2:  # noqa: PLR2004
            self._put(plan.at(0.55), lambda at: self._adjust(at, _UNIT // 2))
        if number % 4 == 2:  # noqa: PLR2004
            self._put(
                plan.at(0.48), lambda at: self._grant(at, 2 * _UNIT, source="refund", reason="answer was cut off")
            )
        for part in (0.3, 0.61, 0.9):
            self._put(plan.at(part) + number * MINUTE, self._look)

    def _put(self, at: int, what: "Command | Callable[[int], None]") -> None:
        if at < self._plan.end:
            heapq.heappush(self._queue, (at, next(self._number_in_queue), what))

    def _until(self, at: int) -> None:
        """Do what is planned up to a moment."""
        queue = self._queue
        while queue and queue[0][0] <= at:
            due, _, what = heapq.heappop(queue)
            if isinstance(what, Command):
                self.book.must(what, due)
            else:
                what(due)
        if self._refusals and at >= self._flush_at:
            self._flush(at)

    # Money.

    def _look_at_wallet(self, at: int) -> None:
        """Pay when there is little left; a few people take their time."""
        if self._story.company.paying != "prepaid" or at < self._story.joined + HOUR:
            return
        local = time_of(at).astimezone(ZoneInfo(self.tenant.time_zone)).hour
        is_awake = 7 <= local <= 21  # noqa: PLR2004 -- hours of the day
        careless = self._number % 5 == 3  # noqa: PLR2004 -- one in five runs dry before somebody pays
        enough, likely = (self._top_up // 400, 0.12) if careless else (self._top_up // 12, 0.6)
        if is_awake and self.book.available(at) < enough and self._draw() < likely:
            self._grant(at, self._top_up, reference=f"PAY-{self._number:03d}-{len(self._grants) + 1:04d}")

    def _grant(
        self, at: int, amount: int, *, kind: Any = "paid", source: Any = "top_up", expires: int | None = None,
        reference: str = "", reason: str = "",
    ) -> None:  # fmt: skip
        event_id = EventId(self._ids.at(at))
        grant = CreditGranted(
            grant_id=EntityId(event_id),
            kind=kind,
            source=source,
            amount_nanos=amount,
            priority=50 if kind == "paid" else 10,
            expires_at=time_of(expires).isoformat() if expires is not None else None,
            reference=reference,
            reason=reason,
        )
        self._grants[grant.grant_id] = amount
        actor = f"user:{self._world.operators[0].user_id}"
        self.book.must(
            grant_command(self.tenant.tenant_id, event_id, grant, grant, actor=actor, causation_id=event_id), at
        )
        if expires is not None:
            self._put(expires + MINUTE, lambda due: self._lapse(due, grant.grant_id))

    def _lapse(self, at: int, grant_id: EntityId) -> None:
        event_id = EventId(self._ids.at(at))
        command = self._command(
            CreditLapsed(grant_id=grant_id), event_id, "system:expiry",
            pool_id=wallet(self.tenant.tenant_id), legs=(Leg(grant_account(grant_id), op=Op.DRAIN),),
        )  # fmt: skip
        # Where all of it was spent there is nothing to lapse.
        self.book.apply(command, at)

    def _pay_invoice(self, at: int) -> None:
        owed = -self.book.left_of(credit_line(self.tenant.tenant_id))
        if owed > 0:
            self._grant(at, owed, reference=f"INV-{time_of(at):%Y-%m}-{self._number:03d}", reason="invoice paid")

    def _adjust(self, at: int, amount: int) -> None:
        event = CreditAdjusted(amount_nanos=amount, reason="credited by mistake", strict=False)
        actor = f"user:{self._world.operators[0].user_id}"
        command = self._command(
            event,
            EventId(self._ids.at(at)),
            actor,
            pool_id=wallet(self.tenant.tenant_id),
            money_nanos=amount,
            strict=False,
        )
        self.book.must(command, at)

    def _redeemed(self, claim_id: EventId, claim: Any) -> Command:
        grant = CreditGranted(
            grant_id=claim.grant_id,
            kind=claim.kind,
            source="redemption",
            amount_nanos=claim.amount_nanos,
            priority=claim.priority,
            expires_at=claim.expires_at,
            reference=claim_id,
        )
        event = CodeRedeemed(claim_id=claim_id, batch_id=claim.batch_id, user_id=claim.user_id, grant=grant)
        return grant_command(
            self.tenant.tenant_id,
            derive_id(claim_id, "redeemed"),
            grant,
            event,
            actor=f"user:{claim.user_id}",
            causation_id=claim_id,
        )

    # Administration.

    def _created(self, kind: str, entity: Any, at: int, reason: str, user_id: str | None = None) -> Command:
        event: Created[Any] = Created(after=entity, reason=reason)
        actor = f"user:{user_id or self._world.operators[0].user_id}"
        return admin_command(kind, event, None, entity, version=0, event_id=self._ids.at(at), actor=actor)

    def _changed(self, at: int, kind: str, before: Any, after: Any, *, version: int, reason: str) -> None:
        event: Changed[Any] = Changed(before=before, after=after, reason=reason)
        actor = f"user:{self._world.operators[0].user_id}"
        command = admin_command(kind, event, before, after, version=version, event_id=self._ids.at(at), actor=actor)
        self.book.must(command, at)

    def _change_tenant(self, at: int, reason: str, **changes: Any) -> None:
        before, self.tenant = self.tenant, msgspec.structs.replace(self.tenant, **changes)
        self._changed(at, "tenant", before, self.tenant, version=self._version, reason=reason)
        self._version += 1
        self._payers.clear()

    def _raise_limit(self, at: int) -> None:
        self._change_tenant(at, "they asked for it", limits=Limits(requests_per_minute=3000))

    def _suspend(self, at: int) -> None:
        self._change_tenant(at, "payment was charged back", suspended=True)

    def _resume(self, at: int) -> None:
        self._change_tenant(at, "settled by phone", suspended=False)

    def _revoke(self, at: int) -> None:
        """Revoke a key that is used little, by somebody of the tenant."""
        member = self._story.members[-1]
        if member.created_at + HOUR > at or len(self._story.members) == 1:
            return
        before = self._tokens[member.token.token_id]
        after = msgspec.structs.replace(before, revoked=True)
        self._tokens[member.token.token_id] = after
        self._payers.clear()
        self._changed(at, "token", before, after, version=1, reason="found in a public repository")

    def _look(self, at: int) -> None:
        user = self._world.operators[2]
        look = TenantLooked(
            tenant_id=self.tenant.tenant_id, user_id=user.user_id, login=user.login, role="support",
            operation="listRequests",
        )  # fmt: skip
        if at > self._story.joined:
            command = note(look, self.tenant.tenant_id, event_id=self._ids.at(at), actor=f"user:{user.user_id}")
            self.book.must(command, at)

    def _command(self, event: msgspec.Struct, event_id: EventId, actor: str, **fields: Any) -> Command:
        tenant_id = self.tenant.tenant_id
        values: dict[str, Any] = {
            "kind": Kind.POST,
            "correlation_id": event_id,
            "causation_id": event_id,
        }
        return Command(
            tenant_id=tenant_id,
            lane=first_lane(tenant_id),
            event_id=event_id,
            type=type_name(event),
            data=encode(event),
            actor=actor,
            **values | fields,
        )

    # Requests.

    def _request(self, at: int) -> None:
        ask = self._ask(at)
        if ask is None:
            return
        terms = self._world.terms(at)
        hold_id = HoldId(self._ids.at(at))
        policy = terms.policies.find(ask.call.model, self.tenant.user_group, self.tenant.tenant_id) or DEFAULT_POLICY
        arm = arm_of(policy, f"{self.tenant.tenant_id}:{ask.token.token_id}:{at // MINUTE}") if policy.arms else None
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
            payer=self._payer(ask.token),
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

    def _ask(self, at: int) -> _Ask | None:
        draw, chance = self._draw, self._chance
        member = self._story.members[bisect_right(self._member_weights, draw() * self._member_weights[-1] * 0.999999)]
        if member.created_at > at:
            member = self._story.members[0]
        token = self._tokens[member.token.token_id]
        if token.revoked:
            # Whoever found it tries it, for a while; such calls are refused before anything is known of them.
            return None
        task = self._tasks[bisect_right(self._task_weights, draw() * self._task_weights[-1] * 0.999999)]
        size = max(1, int(task.prompt * chance.lognormvariate(0.0, 0.7)))
        surface = task.surface
        model = "best" if task.model == "gpt-5" and draw() < _BEST else task.model
        stream = bool(task.output) and draw() < task.stream
        key = (surface, model, stream)
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = Call(surface=surface, model=model, stream=stream)  # type: ignore[arg-type]
        if surface == "speech":
            other = TokenUsage(characters=size)
            return _Ask(call, token, other, other, 0, 0, task.model)
        if surface == "transcriptions":
            other = TokenUsage(milliseconds=size)
            return _Ask(call, token, other, other, 0, 0, task.model)
        cached = int(size * (0.4 + 0.5 * draw())) if draw() < task.cached else 0
        if not task.output:
            usage, output_max = TokenUsage(input_tokens=size), 0
        else:
            output_max = _OUTPUTS[int(draw() * 3)]
            output = min(output_max, max(1, int(task.output * chance.lognormvariate(0.0, 0.8))))
            reasoning = int(output * task.reasoning * 2 * draw()) if task.reasoning else 0
            usage = TokenUsage(
                input_tokens=size - cached,
                cached_input_tokens=cached,
                output_tokens=output - min(reasoning, output),
                reasoning_tokens=min(reasoning, output),
            )
        return _Ask(call, token, usage, _ONE, size + size // 16 + 12, output_max, task.model)

    def _payer(self, token: Token) -> Payer:
        payer = self._payers.get(token.token_id)
        if payer is None:
            payer = self._payers[token.token_id] = Payer(
                token=token, tenant=self.tenant, user_budgets=self._members[token.user_id].budgets, group=self._group
            )
        return payer

    def _route(self, terms: Terms, member: Any) -> Route:
        key = (terms.since, member.channel_id, member.model)
        route = self._routes.get(key)
        if route is None:
            channel = member.channel
            entry = terms.matrix.resolve(self.tenant.user_group, *channel.channel_groups)
            costs = terms.costs.get(channel.cost_card_id) if channel.cost_card_id is not None else None
            route = self._routes[key] = Route(
                channel=channel,
                model_routed=member.model_routed,
                multiplier=entry,
                multiplier_id=terms.multiplier_ids.get((entry.user_group, entry.channel_group)),
                cost_price=costs.find(member.model_routed) if costs is not None else None,
            )
        return route

    def _hold(self, quote: Quote, at: int, ask: _Ask) -> Quote | None:
        """Hold the worst case, or less output where the wallet covers no more; None if that was refused."""
        now = time_of(at)
        command, limits = hold_command(quote, now=now, timeout_seconds=_HOLD_SECONDS, node=NODES[at & 1])
        refused = self.book.apply(command, at)
        if refused is not None and refused.code is Code.INSUFFICIENT and self.tenant.lower_output_limit:
            lowered = lower(quote, self.book.available(at))
            if lowered is not None:
                quote = lowered
                command, limits = hold_command(quote, now=now, timeout_seconds=_HOLD_SECONDS, node=NODES[at & 1])
                refused = self.book.apply(command, at)
        if refused is None:
            return quote
        answer = Answer(refused.code, leg=refused.leg, balance_nanos=self.book.available(at))
        wait = milliseconds_to_next_minute(now) / 1000
        self._refuse(
            at,
            ask,
            errors.refusal(
                answer, limits, needed_nanos=quote.authorized_nanos, currency=quote.card.currency, window_seconds=wait
            ),
        )
        return None

    def _serve(self, quote: Quote, ask: _Ask, at: int) -> None:
        """Let channels answer, one after the other, and plan how the request ends."""
        draw = self._draw
        if ask.token.cache_seconds and ask.call.surface == "chat" and draw() < _CACHED:
            route = quote.routes[0]
            command, _ = cached_command(
                quote, route, usage=ask.usage, hit_percent=0, channel_id=route.channel.channel_id, milliseconds=3
            )
            self._put(at + 3_000, command)
            return
        if draw() < _DIED:
            self._put(at + (_HOLD_SECONDS + 3) * SECOND, self._expiry(quote.hold_id))
            if draw() < 0.5:  # noqa: PLR2004 -- half of them
                capture, _ = self._capture(
                    quote, quote.routes[0], ask, self._attempt(quote.routes[0], ask.usage, ask), 1
                )
                late = adjustment_command(capture, decode(capture.type, capture.data))
                self._put(at + 2 * HOUR, late)
            return
        moment, last = at, None
        for number, route in enumerate(quote.routes[:_ATTEMPTS_MAX], 1):
            fault = self._fault(route, moment)
            if fault is None:
                self._answer(quote, route, ask, moment, number, began=at)
                return
            last = _failed(route, fault)
            moment += last.latency_milliseconds * 1000
            if number < min(_ATTEMPTS_MAX, len(quote.routes)):
                self._put(moment, attempt_failed_command(quote, number, last))
        attempts = min(_ATTEMPTS_MAX, len(quote.routes))
        self._put(moment, void_command(quote, reason="vendor_failed", attempts=attempts, attempt=last))

    def _fault(self, route: Route, at: int) -> str | None:
        channel_id = route.channel.channel_id
        spell = self._world.failing(channel_id, at)
        point = self._draw()
        if spell is not None:
            return spell if point < _FAILING else None
        if point >= self._world.fault_rates.get(channel_id, 0.0):
            return None
        return ("timeout", "server", "rate_limit", "rate_limit")[int(self._draw() * 4)]

    def _answer(self, quote: Quote, route: Route, ask: _Ask, at: int, number: int, *, began: int) -> None:
        draw = self._draw
        usage, basis = ask.usage, "vendor"
        outcome: Outcome = "completed"
        if quote.output_tokens_max < ask.output_max:
            usage = _cut(usage, quote.output_tokens_max)
        if ask.call.stream and draw() < _GONE:
            outcome = "client_gone"
            if self.tenant.disconnect == "abort":
                usage, basis = _cut(usage, max(1, int(usage.output_total * draw()))), "stream"
        attempt = self._attempt(route, usage, ask, outcome)
        ends = at + attempt.latency_milliseconds * 1000
        if draw() < _GONE_EARLY:
            gone = msgspec.structs.replace(attempt, outcome="client_gone", cost_nanos=0, first_byte_milliseconds=None)
            self._put(ends, void_command(quote, reason="client_gone_early", attempts=number, attempt=gone))
            return
        command, charged = self._capture(quote, route, ask, attempt, number, usage=usage, basis=basis)
        self._put(ends, command)
        if quote.routing is not None and quote.routing.arm:
            self._put(ends, self._measured(quote, attempt, usage, number=number, charged=charged, took=ends - began))

    def _attempt(self, route: Route, usage: TokenUsage, ask: _Ask, outcome: Outcome = "completed") -> Attempt:
        chance = self._chance
        first = int(_first_byte(route.channel.type) * chance.lognormvariate(0.0, 0.45))
        if ask.call.surface == "transcriptions":
            latency = first + usage.milliseconds // 40
        else:
            latency = first + int(usage.output_total * 9 * (0.8 + 0.4 * self._draw()))
        return Attempt(
            channel_id=route.channel.channel_id,
            model_routed=route.model_routed,
            outcome=outcome,
            status=200,
            latency_milliseconds=latency,
            first_byte_milliseconds=first if ask.call.stream else None,
            cost_nanos=cost_of(route, usage),
        )

    def _capture(
        self, quote: Quote, route: Route, ask: _Ask, attempt: Attempt, number: int, *, usage: TokenUsage | None = None,
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
            tenant_id=self.tenant.tenant_id,
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
        return self._command(event, derive_id(quote.hold_id, "experiment"), "system:routing")

    def _expiry(self, hold_id: HoldId) -> Command:
        return self._command(
            HoldExpired(hold_id=hold_id), derive_id(hold_id, "terminal"), "system:reaper", kind=Kind.EXPIRE,
            hold_id=hold_id, correlation_id=hold_id, causation_id=hold_id,
        )  # fmt: skip

    # Refusals, coalesced as the relay does.

    def _refuse(self, at: int, ask: _Ask, error: errors.ApiError) -> None:
        key = (ask.token.token_id, error.code or error.type)
        kept = self._refusals.get(key)
        if kept is None:
            if not self._refusals:
                self._flush_at = at + _FLUSH
            kept = self._refusals[key] = _Refusals(at)
        kept.count += 1
        kept.last_at, kept.error, kept.model = at, error, ask.call.model

    def _flush(self, at: int) -> None:
        kept, self._refusals = self._refusals, {}
        for (token_id, reason), count in kept.items():
            limit = count.error.limit if count.error is not None else None
            event = RequestsRefused(
                token_id=token_id,
                reason=reason,
                count=count.count,
                first_at=time_of(count.first_at).isoformat(),
                last_at=time_of(count.last_at).isoformat(),
                model_asked=count.model,
                limit_name=limit.name if limit is not None else "",
                needed=limit.amount if limit is not None else 0,
                limit=(limit.limit or 0) if limit is not None else 0,
            )
            moment = max(self._flush_at, count.last_at)
            command = self._command(event, EventId(self._ids.at(moment)), f"system:{NODES[0]}")
            self.book.must(command, min(moment, at))


_ONE: Final = TokenUsage()


def _round_sum(nanos: float) -> int:
    """Give what a person would pay rather than an odd sum."""
    units = nanos / _UNIT
    step = 1 if units < 20 else 10 if units < 200 else 50  # noqa: PLR2004 -- as people round
    return max(1, math.ceil(units / step)) * step * _UNIT


def _note(policy: RoutingPolicy, arm: str, decision: Decision) -> RoutingNote:
    candidates = tuple(candidate.member.channel_id for candidate in decision.candidates)
    return RoutingNote(
        mode=policy.mode,
        policy_id=policy.policy_id or None,
        arm=arm,
        candidates=candidates if len(candidates) > 1 else (),
        fell_out={out.channel.channel_id: out.reason for out in decision.fell_out},
    )


def _failed(route: Route, fault: str) -> Attempt:
    return Attempt(
        channel_id=route.channel.channel_id,
        model_routed=route.model_routed,
        outcome=_OUTCOMES[fault],
        status=_STATUS[fault],
        code=_CODES[fault],
        latency_milliseconds=_LATENCY[fault],
    )


def _cut(usage: TokenUsage, output_tokens: int) -> TokenUsage:
    """Give a usage with so many tokens of output at most."""
    reasoning = min(usage.reasoning_tokens, output_tokens)
    return msgspec.structs.replace(
        usage, reasoning_tokens=reasoning, output_tokens=min(usage.output_tokens, output_tokens - reasoning)
    )


def _first_byte(channel_type: str) -> int:
    return {"anthropic": 620, "gemini": 410, "deepseek": 900, "openrouter": 780}.get(channel_type, 480)


def _usual(task: Task) -> TokenUsage:
    """Give what a call of a task uses on average: lognormal sizes have their mean above their middle."""
    if task.surface == "speech":
        return TokenUsage(characters=int(task.prompt * 1.28))
    if task.surface == "transcriptions":
        return TokenUsage(milliseconds=int(task.prompt * 1.28))
    prompt = int(task.prompt * 1.28)
    cached = int(prompt * task.cached * 0.65)
    return TokenUsage(input_tokens=prompt - cached, cached_input_tokens=cached, output_tokens=int(task.output * 1.38))
