import datetime as dt
from decimal import Decimal

import msgspec
import pytest

from domain import events
from domain.accounts import tenant_account, token_account, user_account, wallet
from domain.admin.entities import Budget, Channel, Group, Limits, Tenant, Token
from domain.admission import (
    Payer,
    Quote,
    Route,
    adjustment_command,
    cached_command,
    capture_command,
    cost_of,
    hold_command,
    lower,
    void_command,
)
from domain.holds.events import Attempt, HoldAuthorized, HoldCaptured, HoldVoided, RoutingNote, UsageAdjusted
from domain.ids import AccountId, EntityId, HoldId, TenantId, account_id, derive_id
from domain.ledger.commands import NO_FLOOR, Kind, Unit
from domain.metering.estimate import Estimate
from domain.metering.usage import TokenUsage
from domain.pricing.charge import reprice
from domain.pricing.multipliers import NEUTRAL, MultiplierEntry
from domain.pricing.rate_card import ModelPrice, RateCard
from domain.relay.call import Call

NOW = dt.datetime(2026, 11, 23, 22, 15, 40, tzinfo=dt.UTC)
HOLD = HoldId("019abcde-0000-7000-8000-000000000001")
TENANT = Tenant(tenant_id=TenantId(7), name="Acme", time_zone="Asia/Shanghai")
TOKEN = Token(
    token_id=EntityId("tok"), tenant_id=TenantId(7), user_id=EntityId("usr"), name="t", sha256="0" * 64, hint="h"
)
PRICE = ModelPrice(input=Decimal("0.15"), output=Decimal("0.60"))
CARD = RateCard(
    card_id=EntityId("card"),
    version=3,
    currency="USD",
    source="test",
    effective_from=dt.datetime(2026, 1, 1, tzinfo=dt.UTC),
    models={"m": PRICE},
)
ATTEMPT = Attempt(channel_id=EntityId("ch"), model_routed="m", outcome="completed")


def _route(multiplier: MultiplierEntry = NEUTRAL, *, cost: ModelPrice | None = None) -> Route:
    channel = Channel(channel_id=EntityId("ch"), name="ch", type="demo", models=("m",))
    return Route(channel, "m", multiplier, None, cost)


def _quote(
    *routes: Route,
    token: Token = TOKEN,
    tenant: Tenant = TENANT,
    group: Group | None = None,
    user_budgets: tuple[Budget, ...] = (),
) -> Quote:
    return Quote(
        hold_id=HOLD,
        call=Call(surface="chat", model="m"),
        payer=Payer(token=token, tenant=tenant, group=group, user_budgets=user_budgets),
        model_billed="m",
        price=PRICE,
        card=CARD,
        routes=routes or (_route(),),
        estimate=Estimate(prompt_tokens=8, prompt_tokens_upper=10),
        output_tokens_max=100,
        output_limit=None,
    )


def test_a_hold_covers_the_worst_case_on_tenant_user_token_and_wallet() -> None:
    command, limits = hold_command(_quote(), now=NOW, timeout_seconds=900, node="n")

    # 10 x 150 + 100 x 600 nano-units.
    assert command.money_nanos == 61_500
    assert command.pool_id == wallet(TenantId(7))
    assert [leg.account_id for leg in command.legs] == [
        tenant_account(TenantId(7)),
        user_account(TenantId(7), EntityId("usr")),
        token_account(EntityId("tok")),
    ]
    assert all(leg.amount == 61_500 and leg.floor == NO_FLOOR and leg.op == Unit.MONEY for leg in command.legs)
    assert len(limits) == len(command.legs)
    event = events.decode(command.type, command.data)
    assert isinstance(event, HoldAuthorized)
    assert (event.card_version, event.authorized_nanos) == (3, 61_500)


@pytest.mark.parametrize(
    ("body", "asks"),
    [
        (b'{"cache_control":{"type":"ephemeral","ttl":"1h"}}', True),
        (b'{"cachePoint": {"type": "default", "ttl" : "1h"}}', True),
        (b'{"cache_control":{"ttl":"\\u0031\\u0068"}}', True),
        (b'{"cache_control":{"ttl":"5m"}}', False),
        (b'{"content":"wait 1h, or \\"1h\\""}', False),
    ],
)
def test_a_request_that_has_its_prompt_kept_for_an_hour_is_held_for_at_that_price(body: bytes, *, asks: bool) -> None:
    price = ModelPrice(input=Decimal(3), cache_write=Decimal("3.75"), cache_write_1h=Decimal(6), output=Decimal(15))
    call = Call(surface="chat", model="m", body=body)
    quote = msgspec.structs.replace(_quote(), call=call, price=price)

    # 10 tokens of the prompt at 6 or 3.75 by the million, 100 of the answer at 15.
    assert quote.authorized_nanos == (60_000 if asks else 37_500) + 1_500_000
    written = TokenUsage(cache_write_1h_tokens=10, output_tokens=100)
    command, charged = capture_command(
        quote, quote.routes[0], usage=written, basis="vendor", adjusted=False, outcome="completed", attempt=ATTEMPT,
        attempts=1,
    )  # fmt: skip
    assert charged == 1_560_000
    event = events.decode(command.type, command.data)
    assert isinstance(event, HoldCaptured)
    assert event.overrun_nanos == (0 if asks else 22_500)


def test_limits_become_legs_with_their_windows_in_the_tenants_zone() -> None:
    token = msgspec.structs.replace(
        TOKEN,
        limits=Limits(requests_per_minute=5, tokens_per_minute=1000, concurrency=2),
        budgets=(Budget("money", "day", 10**9), Budget("tokens", "total", 5000)),
    )

    command, limits = hold_command(_quote(token=token), now=NOW, timeout_seconds=900, node="n")

    shown = {limit.name: (limit.amount, limit.limit) for limit in limits[3:]}
    assert shown == {
        "rpm.token:tok:2026-11-23T22:15Z": (1, 5),
        "tpm.token:tok:2026-11-23T22:15Z": (110, 1000),
        "concurrency.token:tok:total": (1, 2),
        # 22:15 UTC is the next morning in Shanghai.
        "budget.token.money.day:tok:2026-11-24": (61_500, 10**9),
        "budget.token.tokens.total:tok:total": (110, 5000),
    }
    legs = {leg.account_id: leg for leg in command.legs[3:]}
    daily = legs[account_id("budget.token.money.day", "tok", "2026-11-24")]
    assert (daily.floor, daily.op) == (-(10**9), Unit.MONEY)
    assert {opening.account_id for opening in command.openings} == set(legs)


def test_multiplier_zero_holds_the_allowance_at_list_price_and_nothing_in_the_wallet() -> None:
    free = MultiplierEntry("free", "all", Decimal(0))
    group = Group(
        group_id=EntityId("g"), side="user", label="free", name="Free", allowance_nanos=10**9, allowance_period="month"
    )

    command, limits = hold_command(_quote(_route(free), group=group), now=NOW, timeout_seconds=900, node="n")

    assert command.money_nanos == 0
    assert limits[-1].name == "allowance.month:7:2026-11"
    assert (limits[-1].amount, limits[-1].limit) == (61_500, 10**9)
    assert command.legs[-1].op == Unit.ALLOWANCE

    capture, charged = capture_command(
        _quote(_route(free), group=group),
        _route(free),
        usage=TokenUsage(input_tokens=8, output_tokens=10),
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=1,
    )
    assert (charged, capture.money_nanos, capture.allowance_nanos) == (0, 0, 8 * 150 + 10 * 600)


def test_multiplier_zero_without_an_allowance_holds_against_a_limit_of_nothing() -> None:
    free = MultiplierEntry("free", "all", Decimal(0))

    _, limits = hold_command(_quote(_route(free)), now=NOW, timeout_seconds=900, node="n")

    assert limits[-1].limit == 0


def test_the_hold_is_for_the_dearest_candidate_and_the_capture_for_the_one_that_served() -> None:
    cheap, dear = _route(MultiplierEntry("u", "a", Decimal("0.5"))), _route(MultiplierEntry("u", "b", Decimal(2)))
    quote = _quote(cheap, dear)

    command, _ = hold_command(quote, now=NOW, timeout_seconds=900, node="n")
    capture, charged = capture_command(
        quote,
        cheap,
        usage=TokenUsage(input_tokens=8, output_tokens=10),
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=1,
    )

    assert command.money_nanos == 2 * 61_500
    assert charged == (8 * 150 + 10 * 600) // 2
    event = events.decode(capture.type, capture.data)
    assert isinstance(event, HoldCaptured)
    assert reprice(event.factors) == charged


def test_a_report_above_the_hold_is_charged_and_flagged_as_an_overrun() -> None:
    capture, charged = capture_command(
        _quote(),
        _route(),
        usage=TokenUsage(input_tokens=10, output_tokens=150),
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=1,
    )

    event = events.decode(capture.type, capture.data)
    assert charged == 10 * 150 + 150 * 600
    assert event.overrun_nanos == charged - 61_500
    assert (capture.requests, capture.tokens) == (1, 160)


def test_every_terminal_of_a_hold_has_one_id() -> None:
    capture, _ = capture_command(
        _quote(),
        _route(),
        usage=TokenUsage(),
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=1,
    )
    void = void_command(_quote(), reason="vendor_failed", attempts=1, attempt=None)

    assert capture.event_id == void.event_id == derive_id(HOLD, "terminal")
    assert isinstance(events.decode(void.type, void.data), HoldVoided)
    assert (void.kind, void.money_nanos, void.requests) == (Kind.END, 0, 0)


def test_usage_after_expiry_is_an_adjustment_with_an_id_of_its_own() -> None:
    capture, charged = capture_command(
        _quote(),
        _route(),
        usage=TokenUsage(input_tokens=8, output_tokens=10),
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=1,
    )

    late = adjustment_command(capture, events.decode(capture.type, capture.data))

    assert late.kind is Kind.POST
    assert late.event_id != capture.event_id
    assert (late.money_nanos, late.strict, late.hold_id) == (charged, False, None)
    assert isinstance(events.decode(late.type, late.data), UsageAdjusted)


@pytest.mark.parametrize(
    ("available_nanos", "limit"),
    [
        (61_500, 100),
        (61_499, 99),
        (1_500 + 16 * 600, 16),
        (1_500 + 16 * 600 - 1, None),
        (1_499, None),
        (0, None),
        (-5, None),
    ],
)
def test_the_output_limit_is_lowered_to_what_the_wallet_covers_or_not_at_all(
    available_nanos: int, limit: int | None
) -> None:
    lowered = lower(_quote(), available_nanos)

    assert (lowered.output_limit if lowered is not None else None) == limit
    if lowered is not None:
        assert lowered.lowered
        assert lowered.worst(Decimal(1)) <= available_nanos


def test_a_channel_without_a_cost_card_costs_nothing_that_we_know_of() -> None:
    usage = TokenUsage(input_tokens=8, output_tokens=10)

    assert cost_of(_route(), usage) == 0
    assert cost_of(_route(cost=ModelPrice(input=Decimal(1), output=Decimal(1))), usage) == 18_000


def test_no_two_limits_share_an_account() -> None:
    budgets = tuple(
        Budget(unit, period, 10) for unit in ("money", "tokens") for period in ("total", "day", "week", "month")
    )
    limits = Limits(requests_per_minute=5, tokens_per_minute=1000, concurrency=2)
    quote = _quote(
        token=msgspec.structs.replace(TOKEN, limits=limits, budgets=budgets),
        tenant=msgspec.structs.replace(TENANT, limits=limits, budgets=budgets),
        user_budgets=budgets,
    )

    command, _ = hold_command(quote, now=NOW, timeout_seconds=900, node="n")

    accounts: list[AccountId] = [leg.account_id for leg in command.legs]
    assert len(set(accounts)) == len(accounts) == 3 + 2 * 3 + 3 * 8


def _fallback(price: str, multiplier: str = "1") -> Route:
    entry = MultiplierEntry("all", "all", Decimal(multiplier))
    return msgspec.structs.replace(
        _route(entry),
        model_billed="large",
        price=ModelPrice(input=Decimal(price), output=Decimal(price)),
    )


def test_the_hold_covers_a_fallback_that_costs_more_and_its_capture_is_at_its_own_price() -> None:
    quote = _quote(_route(), _fallback("3"))

    held, _ = hold_command(quote, now=NOW, timeout_seconds=900, node="n")
    usage = TokenUsage(input_tokens=8, output_tokens=10)
    as_asked = capture_command(
        quote,
        quote.routes[0],
        usage=usage,
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=1,
    )
    as_routed = capture_command(
        quote,
        quote.routes[1],
        usage=usage,
        basis="vendor",
        adjusted=False,
        outcome="completed",
        attempt=ATTEMPT,
        attempts=2,
    )

    # 110 tokens x 3000 nano-units for the hold; 8 x 150 + 10 x 600, or 18 x 3000, for what was used.
    assert held.money_nanos == 330_000
    assert (as_asked[1], as_routed[1]) == (7_200, 54_000)
    assert events.decode(as_asked[0].type, as_asked[0].data).model_billed == "m"
    assert events.decode(as_routed[0].type, as_routed[0].data).model_billed == "large"


def test_no_limit_is_lowered_for_a_vendor_that_keeps_none() -> None:
    assert lower(_quote(), 61_499) is not None

    assert lower(msgspec.structs.replace(_quote(), is_limited=False), 61_499) is None


def test_the_output_limit_is_lowered_to_what_covers_every_candidate() -> None:
    lowered = lower(_quote(_route(), _fallback("3")), 10 * 3_000 + 40 * 3_000)

    assert lowered is not None
    assert lowered.output_limit == 40


@pytest.mark.parametrize(("percent", "charged", "tokens"), [(0, 0, 0), (50, 3_600, 18), (100, 7_200, 18)])
def test_an_answer_from_the_cache_costs_its_part_and_says_so(percent: int, charged: int, tokens: int) -> None:
    usage = TokenUsage(input_tokens=8, output_tokens=10)

    command, cost = cached_command(
        _quote(), _route(), usage=usage, hit_percent=percent, channel_id=EntityId("ch"), milliseconds=3
    )

    event = events.decode(command.type, command.data)
    assert isinstance(event, HoldCaptured)
    assert (cost, command.money_nanos, command.tokens) == (charged, charged, tokens)
    assert (event.cached, event.attempts, event.attempt.code, event.attempt.cost_nanos) == (True, 0, "cached", 0)
    assert reprice(event.factors) == charged


def test_how_the_routes_were_chosen_is_in_the_hold() -> None:
    note = RoutingNote(
        mode="sticky", arm="trial", candidates=(EntityId("ch"), EntityId("d")), fell_out={EntityId("x"): "disabled"}
    )
    quote = msgspec.structs.replace(_quote(), routing=note)

    command, _ = hold_command(quote, now=NOW, timeout_seconds=900, node="n")

    assert events.decode(command.type, command.data).routing == note


@pytest.mark.parametrize(("hit_percent", "charged"), [(0, 0), (50, 1_000_000), (100, 2_000_000)])
def test_an_answer_that_is_given_again_for_nothing_costs_nothing_by_the_call_either(
    hit_percent: int, charged: int
) -> None:
    quote = msgspec.structs.replace(_quote(), price=ModelPrice(per_call=Decimal("0.002")))

    _, cost = cached_command(
        quote,
        quote.routes[0],
        usage=TokenUsage(),
        hit_percent=hit_percent,
        channel_id=EntityId("ch"),
        milliseconds=1,
    )

    assert cost == charged
