"""Credit over time: what came in and by what way, what was spent, and what was left at the end of each bucket.

Usage comes from the sums by hour and tenant, credit from the log of credit, and the first balance from the last closed
day: nothing reads the log of requests but for the hours that a bucket's border cuts.
"""

import datetime as dt
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from app.reports.balances import read_balances
from app.reports.usage import UsageQuery, read_usage
from domain.ids import TenantId
from domain.reports.periods import Bucket
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

_TENANTS_MAX: Final = 100_000
_CREDIT: Final = f"""
SELECT width_bucket(recorded_at, $2::timestamptz[]) - 1 AS n, tenant_id, kind, source,
    sum(amount_nanos)::numeric AS nanos, count(*) AS moved
FROM projection.credit_log
WHERE generation = {live("usage")} AND recorded_at >= $3 AND recorded_at < $4 AND ($1::bigint IS NULL OR tenant_id = $1)
GROUP BY 1, 2, 3, 4
"""  # noqa: S608 -- constants only


class Flow(msgspec.Struct, frozen=True, kw_only=True):
    """What moved in one bucket."""

    credits: Mapping[tuple[str, str], int]
    """By kind and source."""
    charged_nanos: int
    unspent_nanos: int
    """At the end: the balances above zero together, which is what the operator owes in use."""
    owed_nanos: int
    """At the end: what tenants owed the operator."""


async def read_flows(pool: "Pool", tiles: Sequence[Bucket], tenant_id: TenantId | None) -> list[Flow]:
    """Give the flows of each bucket, of a tenant or of all together."""
    first, last = tiles[0].starts_at, tiles[-1].ends_at
    before = first - dt.timedelta(microseconds=1)
    opening = await read_balances(pool, at=before, tenant_id=tenant_id, now=last, limit=_TENANTS_MAX)
    usage = await read_usage(
        pool,
        UsageQuery(tiles=tuple(tiles), tenant_id=tenant_id, groups=("tenant",), top=_TENANTS_MAX),
        {},
    )
    rows = await pool.fetch(_CREDIT, tenant_id, [tile.starts_at for tile in tiles], first, last)
    charged: list[dict[int, int]] = [{} for _ in tiles]
    for used in usage:
        charged[used.bucket][int(used.keys[0])] = used.sums["captured_nanos"]
    credited: list[dict[int, int]] = [defaultdict(int) for _ in tiles]
    ways: list[dict[tuple[str, str], int]] = [defaultdict(int) for _ in tiles]
    for row in rows:
        credited[row["n"]][row["tenant_id"]] += int(row["nanos"])
        ways[row["n"]][row["kind"], row["source"]] += int(row["nanos"])
    left = {int(wallet.tenant_id): wallet.balance_nanos for wallet in opening.wallets}
    flows = []
    for n in range(len(tiles)):
        for tenant in charged[n].keys() | credited[n].keys():
            left[tenant] = left.get(tenant, 0) + credited[n].get(tenant, 0) - charged[n].get(tenant, 0)
        flows.append(
            Flow(
                credits=dict(ways[n]),
                charged_nanos=sum(charged[n].values()),
                unspent_nanos=sum(max(0, balance) for balance in left.values()),
                owed_nanos=-sum(min(0, balance) for balance in left.values()),
            )
        )
    return flows
