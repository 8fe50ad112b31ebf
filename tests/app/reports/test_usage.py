"""Report figures are sums over the log: for any history, range, zone, bucket and grouping."""

import datetime as dt
import random
from collections import defaultdict
from typing import TYPE_CHECKING, Any, get_args

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.reports.closing import Closer
from app.reports.usage import REST, Dimension, UsageQuery, read_usage
from domain.events import decode
from domain.holds.events import AttemptFailed, HoldAuthorized, HoldCaptured, HoldVoided, UsageAdjusted
from domain.ids import TenantId
from domain.reports.periods import Bucket, BucketSize, buckets
from tests.app.reports.conftest import fold, spread
from tests.projections.workload import CHANNELS, Connection, Workload

if TYPE_CHECKING:
    from tests.app.reports.conftest import Pool

ZONES = ("UTC", "Asia/Shanghai", "Asia/Kolkata", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe")
VENDORS = {CHANNELS[0]: "openai", CHANNELS[1]: "anthropic"}
# Platform-wide questions that no table of closed days answers are refused beyond a week; see the test of it.
SAFE_RANGE = dt.timedelta(days=6)


class LogSums:
    """The same figures by another way: one event of the log at a time, in Python."""

    def __init__(self, rows: list[Any]) -> None:
        self.entries: list[tuple[dt.datetime, int, dict[str, str], dict[str, int]]] = []
        holds: dict[str, HoldAuthorized] = {}
        for row in rows:
            value = decode(row["type"], row["data"])
            if isinstance(value, HoldAuthorized):
                holds[value.hold_id] = value
        for row in rows:
            made = self._entry(decode(row["type"], row["data"]), holds)
            if made is not None:
                keys, sums = made
                self.entries.append((row["recorded_at"], row["tenant_id"], keys, sums))

    def _entry(self, value: Any, holds: dict[str, HoldAuthorized]) -> tuple[dict[str, str], dict[str, int]] | None:
        match value:
            case HoldCaptured():
                keys = self._keys(value, value.channel_id, value.model_routed, value.model_billed)
                return keys, {
                    "requests": 1,
                    "captured_nanos": value.captured_nanos,
                    "allowance_nanos": value.allowance_nanos,
                    "cost_nanos": value.attempt.cost_nanos,
                    "input_tokens": value.usage.input_tokens,
                    "output_tokens": value.usage.output_tokens,
                }
            case UsageAdjusted():
                keys = self._keys(value, value.channel_id, "", value.model_billed)
                return keys, {
                    "adjustments": 1,
                    "captured_nanos": value.charged_nanos,
                    "input_tokens": value.usage.input_tokens,
                    "output_tokens": value.usage.output_tokens,
                }
            case HoldVoided():
                attempt, held = value.attempt, holds[value.hold_id]
                keys = self._keys(
                    value, attempt.channel_id if attempt else "", attempt.model_routed if attempt else "",
                    held.model_billed,
                )  # fmt: skip
                return keys, {"voids": 1, "cost_nanos": attempt.cost_nanos if attempt else 0}
            case AttemptFailed():
                held = holds[value.hold_id]
                keys = self._keys(held, value.attempt.channel_id, value.attempt.model_routed, held.model_billed)
                return keys, {"failed_attempts": 1, "cost_nanos": value.attempt.cost_nanos}
            case _:
                return None

    def _keys(self, value: Any, channel: str, routed: str, billed: str) -> dict[str, str]:
        return {
            "token": value.token_id,
            "user": value.user_id,
            "model_asked": value.model_asked,
            "model_routed": routed,
            "model_billed": billed,
            "channel": channel,
            "vendor": VENDORS.get(channel, ""),  # type: ignore[call-overload]  # an id or nothing
        }

    def sums(
        self, tiles: tuple[Bucket, ...], tenant: int | None, groups: tuple[str, ...], filters: dict[str, str]
    ) -> dict[tuple[int, tuple[str, ...]], dict[str, int]]:
        found: dict[tuple[int, tuple[str, ...]], dict[str, int]] = defaultdict(lambda: defaultdict(int))
        for at, owner, keys, sums in self.entries:
            named = keys | {"tenant": str(owner)}
            if (tenant is not None and owner != tenant) or any(named[name] != want for name, want in filters.items()):
                continue
            for number, tile in enumerate(tiles):
                if tile.starts_at <= at < tile.ends_at:
                    row = found[number, tuple(named[name] for name in groups)]
                    for name, amount in sums.items():
                        row[name] += amount
        return {key: dict(row) for key, row in found.items()}


COMPARED = (
    "requests", "adjustments", "voids", "failed_attempts", "captured_nanos", "allowance_nanos", "cost_nanos",
    "input_tokens", "output_tokens",
)  # fmt: skip


async def _history(writer: Connection, workload: Workload, pool: "Pool", days: int) -> LogSums:
    await workload.run(writer, 40)
    await spread(writer, days)
    await fold(pool, workload.lanes)
    return LogSums(await writer.fetch("SELECT * FROM ledger.event ORDER BY tenant_id, lane, position"))


async def _compare(  # noqa: PLR0917 -- one question, told in full
    pool: "Pool", log: LogSums, tiles: tuple[Bucket, ...], tenant: int | None, groups: tuple[str, ...],
    filters: dict[str, str],
) -> None:  # fmt: skip
    query = UsageQuery(
        tiles=tiles,
        tenant_id=TenantId(tenant) if tenant is not None else None,
        groups=groups,  # type: ignore[arg-type]  # drawn from them
        filters=filters,
        top=1000,
    )
    rows = await read_usage(pool, query, VENDORS)  # type: ignore[arg-type]  # ids are texts
    got = {(row.bucket, row.keys): {name: row.sums[name] for name in COMPARED} for row in rows}
    want = log.sums(tiles, tenant, groups, filters)
    # Rows of what the comparison does not count (refusals, expiries) are all zero here.
    got = {key: sums for key, sums in got.items() if any(sums.values())}
    assert got == {
        key: {name: sums.get(name, 0) for name in COMPARED} for key, sums in want.items() if any(sums.values())
    }


@pytest.mark.parametrize("closed", [False, True])
async def test_figures_equal_sums_over_the_log(
    pool: "Pool", writer: Connection, workload: Workload, *, closed: bool
) -> None:
    log = await _history(writer, workload, pool, 5)
    if closed:
        assert await Closer(pool).close() > 100
    first, last = min(e[0] for e in log.entries), max(e[0] for e in log.entries)
    rng = random.Random(7)

    @settings(max_examples=40, suppress_health_check=list(HealthCheck), database=None)
    @given(
        size=st.sampled_from(["hour", "day", "week", "month"]),
        zone=st.sampled_from(ZONES),
        begin=st.floats(0, 0.9),
        length=st.floats(0.01, 1.1),
        groups=st.lists(
            st.sampled_from(["tenant", "user", "token", "model_asked", "model_routed", "channel", "vendor"]),
            unique=True,
            max_size=3,
        ),
        whose=st.integers(-1, 2),
        filtered=st.sampled_from(["", "model_asked", "token", "channel"]),
    )
    def prepare(  # noqa: PLR0917 -- hypothesis calls it by name
        size: BucketSize, zone: str, begin: float, length: float, groups: list[str], whose: int, filtered: str
    ) -> None:
        starts_at = first + begin * (last - first)
        tiles = buckets(size, starts_at, starts_at + length * SAFE_RANGE, zone)
        tenant = workload.customers[whose].tenant_id if whose >= 0 else None
        filters = {filtered: rng.choice(log.entries)[2][filtered]} if filtered else {}
        drawn.append((tiles, tenant, tuple(groups), filters))

    drawn: list[Any] = []
    prepare()
    for tiles, tenant, groups, filters in drawn:
        await _compare(pool, log, tiles, tenant, groups, filters)


async def test_minutes_are_added_up_from_the_log_itself(pool: "Pool", writer: Connection, workload: Workload) -> None:
    log = await _history(writer, workload, pool, 1)
    last = max(e[0] for e in log.entries)

    await _compare(
        pool, log, buckets("minute", last - dt.timedelta(hours=5), last, "Asia/Kolkata"), None, ("channel",), {}
    )


async def test_groups_beyond_the_top_ones_are_added_up_as_the_rest(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    log = await _history(writer, workload, pool, 2)
    tiles = buckets("month", min(e[0] for e in log.entries), dt.datetime.now(dt.UTC), "UTC")
    query = UsageQuery(tiles=tiles, by_bucket=False, groups=("token",), top=2)

    rows = await read_usage(pool, query, {})

    totals = sorted(
        (
            (sums.get("captured_nanos", 0), keys[0])
            for (_, keys), sums in log.sums(
                (Bucket(tiles[0].starts_at, tiles[-1].ends_at),), None, ("token",), {}
            ).items()
        ),
        reverse=True,
    )
    assert [row.keys[0] for row in rows] == [totals[0][1], totals[1][1], REST]
    assert rows[2].sums["captured_nanos"] == sum(amount for amount, _ in totals[2:])


async def test_what_comes_in_late_opens_a_closed_hour_again(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 30)
    await spread(writer, 3)
    late = workload.customers[0].tenant_id
    await fold(pool, [each for each in workload.lanes if each != late])
    await Closer(pool).close()
    closed = await pool.fetchval("SELECT closed_until FROM projection.usage_closed")

    await fold(pool, [late])

    assert await pool.fetchval("SELECT closed_until FROM projection.usage_closed") < closed
    log = LogSums(await writer.fetch("SELECT * FROM ledger.event ORDER BY tenant_id, lane, position"))
    tiles = buckets("day", min(e[0] for e in log.entries), dt.datetime.now(dt.UTC), "UTC")
    await _compare(pool, log, tiles, None, ("tenant",), {})
    await Closer(pool).close()
    assert await pool.fetchval("SELECT closed_until FROM projection.usage_closed") >= closed
    await _compare(pool, log, tiles, None, ("tenant",), {})
    await _compare(pool, log, tiles, None, ("model_asked", "channel"), {})
    await _compare(pool, log, tiles, None, ("token", "user"), {})


def test_every_dimension_can_be_asked_for() -> None:
    assert {"tenant", "user", "token", "model_asked", "model_routed", "channel", "vendor", "tag"} <= set(
        get_args(Dimension)
    )
