"""Counts of the pulse are sums over the log: for any range, zone, bucket and grouping, of a tenant and of everybody."""

import datetime as dt
import random
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from app.reports.pulse import By, PulseQuery, read_pulse, read_refusals
from domain.events import decode
from domain.holds.events import AttemptFailed, HoldCaptured, HoldExpired, HoldVoided, RequestsRefused
from domain.ids import TenantId, first_lane
from domain.reports.periods import Bucket, BucketSize, buckets
from projections.pulse import PULSE
from projections.runner import advance, ensure
from tests.app.reports.conftest import spread
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    from tests.app.reports.conftest import Pool

DAYS = 20
OF_ONE: tuple[tuple[By, ...], ...] = ((), ("model",))
OF_ALL: tuple[tuple[By, ...], ...] = (*OF_ONE, ("channel",), ("model", "channel"))
ZONES = ("UTC", "Asia/Shanghai", "America/New_York", "Pacific/Apia")


class Entry(NamedTuple):
    """What one event counts."""

    at: dt.datetime
    tenant_id: int
    what: str
    channel: str
    model: str
    times: int


def _entry(row: Any) -> Entry | None:
    value = decode(row["type"], row["data"])
    where = row["recorded_at"], row["tenant_id"]
    match value:
        case HoldCaptured():
            return Entry(*where, "requests", value.channel_id, value.model_asked, 1)
        case HoldVoided():
            return Entry(*where, "voids", value.attempt.channel_id if value.attempt else "", value.model_asked, 1)
        case HoldExpired():
            return Entry(*where, "expired", "", "", 1)
        case AttemptFailed():
            return Entry(*where, "failed_attempts", value.attempt.channel_id, "", 1)
        case RequestsRefused() if value.count:
            return Entry(*where, value.reason, "", value.model_asked, value.count)
        case _:
            return None


@pytest.fixture
async def entries(pool: "Pool", writer: Connection, workload: Workload) -> list[Entry]:
    await ensure(pool, [PULSE])
    await workload.run(writer, 60)
    await spread(writer, DAYS)
    for tenant_id in workload.lanes:
        await advance(pool, PULSE, tenant_id, first_lane(tenant_id))
    rows = await writer.fetch("SELECT * FROM ledger.event ORDER BY lane, position")
    return [entry for row in rows if (entry := _entry(row)) is not None]


def _floor(moment: dt.datetime, minutes: int) -> dt.datetime:
    return moment.replace(minute=moment.minute - moment.minute % minutes, second=0, microsecond=0)


def _within(tiles: tuple[Bucket, ...], at: dt.datetime, minutes: int = 60) -> int | None:
    """Give the bucket that a moment's row is in: a range that begins within a row has all of it."""
    beginning, first = _floor(at, minutes), _floor(tiles[0].starts_at, minutes)
    if not first <= beginning < tiles[-1].ends_at:
        return None
    return max(0, sum(tile.starts_at <= beginning for tile in tiles) - 1)


def _questions(rng: random.Random, now: dt.datetime) -> tuple[BucketSize, tuple[Bucket, ...], str]:
    size: BucketSize = rng.choice(("hour", "day", "week", "month"))
    zone = rng.choice(ZONES)
    starts_at = now - dt.timedelta(days=rng.uniform(1, DAYS))
    length = dt.timedelta(days=rng.choice((rng.uniform(0.2, 2), rng.uniform(2, 14 if size == "hour" else DAYS))))
    return size, buckets(size, starts_at, min(now, starts_at + length), zone), zone


async def test_counts_equal_sums_over_the_log(pool: "Pool", entries: list[Entry], workload: Workload) -> None:
    rng = random.Random(20261130)
    now = dt.datetime.now(dt.UTC)
    tenants = [customer.tenant_id for customer in workload.customers]
    compared = 0
    for _ in range(60):
        size, tiles, zone = _questions(rng, now)
        tenant = rng.choice((None, *tenants))
        by: tuple[By, ...] = rng.choice(OF_ALL if tenant is None else OF_ONE)
        is_short = tenant is None and len(by) < 2 and tiles[-1].ends_at - tiles[0].starts_at <= dt.timedelta(hours=48)
        wanted: Counter[tuple[int, tuple[str, ...], str]] = Counter()
        for entry in entries:
            bucket = _within(tiles, entry.at, 5 if is_short else 60)
            if bucket is None or entry.what not in {"requests", "voids", "expired", "failed_attempts"}:
                continue
            if tenant is None or entry.tenant_id == tenant:
                keys = tuple({"model": entry.model, "channel": entry.channel}[name] for name in by)
                wanted[bucket, keys, entry.what] += entry.times

        found: Counter[tuple[int, tuple[str, ...], str]] = Counter()
        for row in await read_pulse(pool, PulseQuery(tiles=tiles, tenant_id=tenant, by=by)):
            for what in ("requests", "voids", "expired", "failed_attempts"):
                found[row.bucket, row.keys, what] += row.counts[what]

        assert +found == +wanted, (size, zone, tiles[0], tiles[-1], tenant, by)
        compared += wanted.total()
    assert compared > 1000


async def test_refusals_equal_sums_over_the_log(pool: "Pool", entries: list[Entry], workload: Workload) -> None:
    rng = random.Random(20261130)
    now = dt.datetime.now(dt.UTC)
    compared = 0
    for _ in range(40):
        size, tiles, zone = _questions(rng, now)
        tenant: TenantId | None = rng.choice((None, *(customer.tenant_id for customer in workload.customers)))
        by_model = rng.random() < 0.5
        wanted: Counter[tuple[int, str, str | None]] = Counter()
        for entry in entries:
            bucket = _within(tiles, entry.at)
            if bucket is not None and entry.what == "quota" and tenant in {None, entry.tenant_id}:
                wanted[bucket, entry.what, entry.model if by_model else None] += entry.times

        rows = await read_refusals(pool, tiles, tenant_id=tenant, by_model=by_model, limit=10_000)

        assert {(row.bucket, row.reason, row.model): row.refusals for row in rows if row.refusals} == wanted, (
            size,
            zone,
        )
        compared += wanted.total()
    assert compared > 100
