"""What if: a past range under a draft card, per tenant and model."""

import datetime as dt
from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from app.reports.usage import UsageQuery, read_usage
from domain.ids import TenantId
from domain.metering.usage import INPUT_CLASSES
from domain.pricing.rate_card import RateCard
from domain.reports.periods import Bucket, ReportRangeError
from domain.reports.rerate import LONG_PROMPT, Rerated, UsageGroup, looks, rerate, tier_starts, without
from projections.base import live
from projections.usage_events import METERS

if TYPE_CHECKING:
    import asyncpg

ROWS_RANGE_MAX: Final = dt.timedelta(days=31)
_GROUPS_MAX: Final = 100_000

_INPUT: Final = " + ".join(INPUT_CLASSES)
# As the index request_log_special has it.
_SPECIAL: Final = f"({_INPUT} >= {LONG_PROMPT} OR images > 0)"

_ROWS: Final = f"""
SELECT tenant_id, model_billed, multiplier, width_bucket({_INPUT}, $4::bigint[]) AS tier, image_variant,
    min({_INPUT}) AS each, count(*) AS requests, sum(captured_nanos) AS captured_nanos,
    {", ".join(f"sum({name}) AS {name}" for name in METERS)}
FROM projection.request_log
WHERE generation = {live("usage")} AND recorded_at >= $1 AND recorded_at < $2
    AND ($3::bigint IS NULL OR tenant_id = $3) AND state IN ('captured', 'adjusted') AND model_billed = ANY ($5::text[])
    AND {{which}}
GROUP BY tenant_id, model_billed, multiplier, tier, image_variant
"""  # noqa: S608 -- names of this package


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    rows: list[Rerated]
    rounding_bound_nanos: int
    """The sums of single charges would differ from these by no more than this."""


async def what_if(
    pool: "asyncpg.Pool[asyncpg.Record]", card: RateCard, span: Bucket, tenant_id: TenantId | None
) -> WhatIf:
    """Price a range of usage under a card; raises ReportRangeError.

    Sums by model are priced at once. Where the card has tiers or kinds of images, the requests that reach them are
    looked at one by one, found by an index; only a tier that begins at short prompts means looking at all of a model's.
    """
    special: dict[tuple[TenantId, str, Decimal], list[UsageGroup]] = {}
    groups: list[UsageGroup] = []
    named = looks(card, (*card.models, *card.aliases)).special
    if named:
        # Read before the sums: what comes in between is in these, and never in the rows alone.
        for group in await _from_rows(pool, card, span, tenant_id, models=named, which=_SPECIAL):
            special.setdefault(_key(group), []).append(group)
            groups.append(group)
    known = await _from_sums(pool, span, tenant_id)
    whole = looks(card, (group.model for group in known)).whole
    if whole:
        if span.ends_at - span.starts_at > ROWS_RANGE_MAX:
            raise ReportRangeError(
                f"Models whose price changes below {LONG_PROMPT} tokens of input, such as {whole[0]!r}, are tried on at"
                f" most {ROWS_RANGE_MAX.days} days at once."
            )
        groups += await _from_rows(pool, card, span, tenant_id, models=whole, which="true")
    groups += [without(group, special.get(_key(group), ())) for group in known if group.model not in whole]
    requests = sum(group.requests for group in groups)
    # Half a nano for each charge, and half for each sum.
    return WhatIf(rows=rerate(groups, card), rounding_bound_nanos=(requests + len(groups) + 1) // 2)


def _key(group: UsageGroup) -> tuple[TenantId, str, Decimal]:
    return group.tenant_id, group.model, group.multiplier.normalize()


async def _from_sums(
    pool: "asyncpg.Pool[asyncpg.Record]", span: Bucket, tenant_id: TenantId | None
) -> list[UsageGroup]:
    query = UsageQuery(
        tiles=(span,),
        tenant_id=tenant_id,
        by_bucket=False,
        groups=("tenant", "model_billed", "multiplier"),
        top=_GROUPS_MAX,
    )
    return [
        UsageGroup(
            tenant_id=TenantId(int(row.keys[0])),
            model=row.keys[1],
            multiplier=Decimal(row.keys[2]),
            requests=row.sums["requests"] + row.sums["adjustments"],
            quantities={name: row.sums[name] for name in METERS},
            charged_nanos=row.sums["captured_nanos"],
        )
        for row in await read_usage(pool, query, {})
        if row.sums["requests"] or row.sums["adjustments"]
    ]


async def _from_rows(
    pool: "asyncpg.Pool[asyncpg.Record]",
    card: RateCard,
    span: Bucket,
    tenant_id: TenantId | None,
    *,
    models: Sequence[str],
    which: str,
) -> list[UsageGroup]:
    # width_bucket wants at least one threshold: one that nothing reaches.
    starts = tier_starts(card) or [2**62]
    return [
        UsageGroup(
            tenant_id=row["tenant_id"],
            model=row["model_billed"],
            multiplier=row["multiplier"],
            requests=row["requests"],
            quantities={name: int(row[name]) for name in METERS},
            charged_nanos=int(row["captured_nanos"]),
            input_tokens_each=row["each"],
            image_variant=row["image_variant"],
        )
        for row in await pool.fetch(_ROWS.format(which=which), *span, tenant_id, starts, list(models))
    ]
