"""What if: a past range under a draft card, per tenant and model."""

import datetime as dt
from decimal import Decimal
from typing import TYPE_CHECKING, Final

import msgspec

from app.reports.usage import UsageQuery, read_usage
from domain.ids import TenantId
from domain.pricing.rate_card import RateCard
from domain.reports.periods import Bucket, ReportRangeError
from domain.reports.rerate import Rerated, UsageGroup, needs_rows, rerate, tier_starts
from projections.base import live
from projections.usage import METERS

if TYPE_CHECKING:
    import asyncpg

ROWS_RANGE_MAX: Final = dt.timedelta(days=31)
_GROUPS_MAX: Final = 100_000

_ROWS: Final = f"""
SELECT tenant_id, model_billed, multiplier, width_bucket(input_total, $4::bigint[]) AS tier, image_variant,
    min(input_total) AS each, count(*) AS requests, sum(captured_nanos) AS captured_nanos,
    {", ".join(f"sum({name}) AS {name}" for name in METERS)}
FROM (
    SELECT *, input_tokens + cached_input_tokens + cache_write_tokens + audio_input_tokens + image_input_tokens
        AS input_total
    FROM projection.request_log
    WHERE generation = {live("usage")} AND recorded_at >= $1 AND recorded_at < $2
        AND ($3::bigint IS NULL OR tenant_id = $3) AND state IN ('captured', 'adjusted')
) AS r
GROUP BY tenant_id, model_billed, multiplier, tier, image_variant
"""  # noqa: S608 -- names of this package


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """The answer."""

    rows: list[Rerated]
    rounding_bound_nanos: int
    """The sums of single charges would differ from these by no more than this."""
    from_rows: bool
    """Whether every request was looked at, since the card has tiers or prices kinds of images."""


async def what_if(
    pool: "asyncpg.Pool[asyncpg.Record]", card: RateCard, span: Bucket, tenant_id: TenantId | None
) -> WhatIf:
    """Price a range of usage under a card; raises ReportRangeError."""
    from_rows = needs_rows(card)
    if from_rows and span.ends_at - span.starts_at > ROWS_RANGE_MAX:
        raise ReportRangeError("A card with tiers or kinds of images is tried on at most 31 days at once.")
    if from_rows:
        groups = await _from_rows(pool, card, span, tenant_id)
    else:
        groups = await _from_sums(pool, span, tenant_id)
    requests = sum(group.requests for group in groups)
    # Half a nano for each charge, and half for each sum.
    return WhatIf(
        rows=rerate(groups, card), rounding_bound_nanos=(requests + len(groups) + 1) // 2, from_rows=from_rows
    )


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
    pool: "asyncpg.Pool[asyncpg.Record]", card: RateCard, span: Bucket, tenant_id: TenantId | None
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
        for row in await pool.fetch(_ROWS, *span, tenant_id, starts)
    ]
