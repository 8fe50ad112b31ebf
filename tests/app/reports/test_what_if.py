"""Past usage under another card: what single requests would have cost, added up, for cards of every kind."""

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from app.reports import what_if as module
from app.reports.what_if import what_if
from domain.events import decode
from domain.ids import EntityId, TenantId
from domain.pricing.charge import charge
from domain.pricing.rate_card import ModelPrice, PriceTier, RateCard
from domain.reports import rerate
from domain.reports.periods import Bucket, ReportRangeError
from tests.app.reports.conftest import BEGAN, fold
from tests.projections.workload import MODELS, Connection, Workload

if TYPE_CHECKING:
    from tests.app.reports.conftest import Pool


def card(starts: tuple[int, ...]) -> RateCard:
    tiers = tuple(
        PriceTier(input_tokens_from=start, input=Decimal(n + 2), output=Decimal(7 * n + 1))
        for n, start in enumerate(starts)
    )
    tiered = ModelPrice(
        input=Decimal("1.1"), cached_input=Decimal("0.3"), output=Decimal(3), per_search=Decimal("0.0021"), tiers=tiers
    )
    return RateCard(
        card_id=EntityId("01900000-0000-7000-8000-000000000000"),
        version=1,
        currency="USD",
        source="test",
        effective_from=BEGAN,
        models={MODELS[0]: tiered},
    )


async def one_by_one(pool: "Pool", under: RateCard) -> dict[tuple[TenantId, str], list[int]]:
    """Price each recorded request by itself: requests, what was charged, what it would have been."""
    sums: dict[tuple[TenantId, str], list[int]] = {}
    for row in await pool.fetch(
        "SELECT tenant_id, type, data FROM ledger.event WHERE type IN ('hold.captured.v1', 'usage.adjusted.v1')"
    ):
        event: Any = decode(row["type"], row["data"])
        paid = event.captured_nanos if row["type"].startswith("hold") else event.charged_nanos
        again = charge(event.usage, under.price_of(event.model_billed), event.factors.multiplier).amount_nanos
        entry = sums.setdefault((row["tenant_id"], event.model_billed), [0, 0, 0])
        for index, amount in enumerate((1, paid, again)):
            entry[index] += amount
    return sums


@pytest.mark.parametrize("long_prompt", [1, 1000, 2500, 32_768])
@pytest.mark.parametrize("starts", [(), (2500,), (1200, 2600, 3900)])
async def test_a_range_under_another_card_is_what_its_requests_would_have_cost(
    pool: "Pool",
    writer: Connection,
    workload: Workload,
    monkeypatch: pytest.MonkeyPatch,
    *,
    long_prompt: int,
    starts: tuple[int, ...],
) -> None:
    # Prompts of the workload have up to 4100 tokens: what counts as long says which way each tier is looked at.
    monkeypatch.setattr(rerate, "LONG_PROMPT", long_prompt)
    monkeypatch.setattr(module, "_SPECIAL", module._SPECIAL.replace("32768", str(long_prompt)))
    await workload.run(writer, 25)
    await fold(pool, workload.lanes)
    under = card(starts)
    now = dt.datetime.now(dt.UTC)
    span = Bucket(now - dt.timedelta(days=2), now + dt.timedelta(hours=1))

    found = await what_if(pool, under, span, None)

    wanted = await one_by_one(pool, under)
    assert {(row.tenant_id, row.model): [row.requests, row.charged_nanos] for row in found.rows} == {
        key: sums[:2] for key, sums in wanted.items()
    }
    apart = sum(abs((row.rerated_nanos or 0) - wanted[row.tenant_id, row.model][2]) for row in found.rows)
    assert apart <= found.rounding_bound_nanos
    tenant = found.rows[0].tenant_id
    alone = await what_if(pool, under, span, tenant)
    assert [row for row in found.rows if row.tenant_id == tenant] == alone.rows


async def test_only_tiers_at_short_prompts_narrow_the_range(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 5)
    await fold(pool, workload.lanes)
    now = dt.datetime.now(dt.UTC)
    year = Bucket(now - dt.timedelta(days=360), now)

    assert (await what_if(pool, card((200_000,)), year, None)).rows
    with pytest.raises(ReportRangeError, match=MODELS[0]):
        await what_if(pool, card((1000,)), year, None)


def test_each_model_is_looked_at_as_closely_as_its_price_asks() -> None:
    plain = ModelPrice(input=Decimal(1), output=Decimal(1))
    tiered = {
        start: msgspec.structs.replace(plain, tiers=(PriceTier(input_tokens_from=start, input=Decimal(2)),))
        for start in (32_767, 32_768)
    }
    under = msgspec.structs.replace(
        card(()),
        models={
            "plain": plain,
            "short": tiered[32_767],
            "long": tiered[32_768],
            "images": ModelPrice(per_image_by={"1024x1024": Decimal("0.04")}),
        },
        aliases={"other": "long"},
    )

    looks = rerate.looks(under, ["plain", "short", "long", "images", "other", "unknown"])

    assert looks == rerate.Looks(whole=("short",), special=("images", "long", "other"))


async def test_the_index_of_long_prompts_is_by_all_that_was_read(pool: "Pool") -> None:
    predicate = await pool.fetchval(
        "SELECT pg_get_expr(indpred, indrelid) FROM pg_index"
        " WHERE indexrelid = 'projection.request_log_special'::regclass"
    )

    bare = str.maketrans("", "", "()")
    assert predicate.translate(bare) == module._SPECIAL.translate(bare)
