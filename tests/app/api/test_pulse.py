"""Latency, availability, refusals and the overview: right against the log, and each for who may see it."""

import datetime as dt
from itertools import pairwise
from typing import Any

import pytest

from adapters.clock import now
from app.reports.pulse import PulseQuery, percentile, stretches_of
from domain.events import encode
from domain.holds.events import RequestsRefused
from domain.ids import EntityId, TenantId, first_lane
from domain.ledger.commands import Kind
from domain.reports.periods import ReportRangeError, buckets
from projections.multipliers import MULTIPLIERS
from projections.pulse import BOUNDS, CLASSES, DAY, HOUR, PULSE
from projections.routing import Routing
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.app.api.conftest import Person, World
from tests.app.api.test_receipts import Spender, _spender
from tests.projections.workload import post


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, [USAGE, MULTIPLIERS, PULSE, Routing()])


async def _fold(world: World, tenant: TenantId) -> None:
    for projection in (USAGE, PULSE):
        await advance(world.pool, projection, tenant, first_lane(tenant))


async def _work(world: World, spender: Spender, tenant: TenantId) -> None:
    for _ in range(3):
        await spender.capture(await spender.hold(20_000_000))
    await spender.void(await spender.hold(1000))
    stamp = now().isoformat()
    event = RequestsRefused(
        token_id=None, reason="unpriced_model", count=4, first_at=stamp, last_at=stamp, model_asked="nope"
    )
    command = post(tenant, event, type="requests.refused.v1")
    assert command.kind is Kind.POST
    assert command.data == encode(event)
    assert (await world.ledger.submit(command)).accepted
    await _fold(world, tenant)


async def _json(person: Person, path: str) -> Any:
    answer = await person.get(path)
    assert answer.status_code == 200, answer.text
    return answer.json()


def test_a_percentile_lies_in_the_class_of_the_request_that_it_is() -> None:
    classes = [0] * CLASSES
    classes[8], classes[15], classes[-1] = 50, 45, 5

    assert percentile([0] * CLASSES, 95) is None
    p50, p95, p99 = (percentile(classes, percent) for percent in (50, 95, 99))
    assert p50 is not None
    assert p95 is not None
    assert p99 is not None
    assert BOUNDS[7] < p50 <= BOUNDS[8]
    assert BOUNDS[14] < p95 <= BOUNDS[15]
    assert p99 > BOUNDS[-1]
    assert all(later > earlier for earlier, later in pairwise(BOUNDS))


@pytest.mark.parametrize("bucket", ["five_minutes", "hour", "day"])
async def test_latency_is_told_by_model_and_channel_and_bucket(world: World, root: Person, bucket: str) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _work(world, spender, tenant)
    since = (now() - dt.timedelta(hours=30)).isoformat().replace("+00:00", "Z")

    theirs = await _json(
        owner, f"/reports/latency?by=model&bucket={bucket.replace('five_minutes', 'hour')}&from={since}"
    )
    ours = await _json(root, f"/reports/latency?by=channel&bucket={bucket}&from={since}")

    (row,) = theirs["rows"]
    assert row["keys"] == {"model": "best"}
    assert (row["requests"], row["voids"], row["error_permille"]) == (3, 1, 250)
    # Each of them took 1200 ms, and the class of that ends at 1280.
    assert 905 < row["latency_p50"] <= row["latency_p95"] <= row["latency_p99"] <= 1280
    by_channel = {row["keys"]["channel"]: row for row in ours["rows"]}
    assert by_channel["channel-1"]["requests"] == 3
    assert by_channel[""]["voids"] == 1
    # The last bucket, or the one before if one has just begun.
    assert by_channel["channel-1"]["bucket"] >= len(ours["buckets"]) - 2


async def test_nobody_sees_how_others_fare(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _work(world, spender, tenant)
    other = await world.tenant("Other")
    stranger = await world.person(tenants={other: "owner"})
    member = await world.person(tenants={tenant: "member"})

    for path in ("/reports/latency", "/reports/refusals"):
        assert (await _json(stranger, path))["rows"] == []
        assert (await stranger.get(f"{path}?tenant_id={tenant}")).status_code == 404
        assert (await member.get(path)).status_code == 403
    assert (await owner.get("/reports/latency?by=channel")).status_code == 400
    assert (await owner.get("/reports/overview")).status_code == 403
    assert (await owner.get("/channel-availability")).status_code == 403


async def test_refusals_are_counted_by_reason_and_model(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _work(world, spender, tenant)

    plain = (await _json(owner, "/reports/refusals"))["rows"]
    by_model = (await _json(root, "/reports/refusals?by_model=true&bucket=hour"))["rows"]

    assert [(row["reason"], row["model"], row["refusals"]) for row in plain] == [("unpriced_model", None, 4)]
    assert [(row["reason"], row["model"], row["refusals"]) for row in by_model] == [("unpriced_model", "nope", 4)]


async def test_refusals_of_everybody_are_those_of_all_tenants_together(world: World, root: Person) -> None:
    tenants = []
    for _ in range(2):
        tenant, owner, spender = await _spender(world, root)
        await _work(world, spender, tenant)
        tenants.append((tenant, owner))

    for by_model in ("false", "true"):
        path = f"/reports/refusals?bucket=month&by_model={by_model}"
        ours = (await _json(root, path))["rows"]
        theirs = [(await _json(owner, path))["rows"] for _, owner in tenants]
        of_one = (await _json(root, f"{path}&tenant_id={tenants[0][0]}"))["rows"]

        assert [row["refusals"] for row in ours] == [8]
        assert [[row["refusals"] for row in rows] for rows in theirs] == [[4], [4]]
        assert of_one == theirs[0]


async def test_a_range_that_begins_within_an_hour_has_one_row_for_each_group(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    await _work(world, spender, tenant)
    # The hour before the events', which the range cuts, has some too.
    for table, column in (("pulse", "at"), ("refusal_hour", "hour")):
        await world.pool.execute(
            f"CREATE TEMP TABLE earlier AS SELECT * FROM projection.{table};"
            f" UPDATE earlier SET {column} = {column} - interval '1 hour';"
            f" INSERT INTO projection.{table} SELECT * FROM earlier ON CONFLICT DO NOTHING; DROP TABLE earlier"
        )
    until = now() + dt.timedelta(seconds=1)
    since = until.replace(minute=0, second=0, microsecond=0) - dt.timedelta(minutes=30)
    span = f"bucket=month&from={since.isoformat()}&to={until.isoformat()}".replace("+00:00", "Z")

    latency = (await _json(root, f"/reports/latency?by=model&{span}"))["rows"]
    refused = (await _json(root, f"/reports/refusals?{span}"))["rows"]

    for rows in (latency, refused):
        keys = [(row["bucket"], str(row.get("keys", row.get("reason")))) for row in rows]
        assert len(keys) == len(set(keys)) > 0


@pytest.mark.parametrize(
    ("size", "starts_at", "days", "zone", "kinds"),
    [
        ("day", "2026-03-01T00:00:00Z", 30, "UTC", {DAY}),
        ("day", "2026-03-01T10:20:00Z", 30, "UTC", {DAY, HOUR}),
        ("hour", "2026-03-01T00:00:00Z", 30, "UTC", {HOUR}),
        ("day", "2026-03-01T00:00:00Z", 30, "Europe/Berlin", {HOUR}),
        ("week", "2026-03-01T00:00:00Z", 30, "Pacific/Apia", {DAY, HOUR}),
        ("month", "2025-06-11T07:00:00Z", 360, "America/New_York", {DAY, HOUR}),
    ],
)
def test_a_page_reads_the_longest_rows_that_its_buckets_allow_and_each_moment_once(
    size: Any, starts_at: str, days: int, zone: str, kinds: set[int]
) -> None:
    first = dt.datetime.fromisoformat(starts_at)
    tiles = buckets(size, first, first + dt.timedelta(days=days), zone)

    stretches = stretches_of(PulseQuery(tiles=tiles, tenant_id=TenantId(7)))

    assert {each.minutes for each in stretches} == kinds
    assert all(before.ends_at == after.starts_at for before, after in pairwise(stretches))
    assert stretches[0].starts_at == first.replace(minute=0)
    assert stretches[-1].ends_at == tiles[-1].ends_at
    for tile in tiles[1:]:
        inside = next(each for each in stretches if each.starts_at <= tile.starts_at < each.ends_at)
        assert (tile.starts_at - inside.starts_at) % dt.timedelta(minutes=inside.minutes) == dt.timedelta(0)


def test_more_single_hours_than_are_kept_are_refused() -> None:
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    tiles = buckets("day", first, first + dt.timedelta(days=60), "Europe/Berlin")

    with pytest.raises(ReportRangeError):
        stretches_of(PulseQuery(tiles=tiles))


def test_rows_for_each_of_many_buckets_and_models_are_refused_and_those_of_one_are_not() -> None:
    first = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    tiles = buckets("hour", first, first + dt.timedelta(days=30), "UTC")

    with pytest.raises(ReportRangeError):
        stretches_of(PulseQuery(tiles=tiles, by=("model",)))
    assert stretches_of(PulseQuery(tiles=tiles, by=("model",), model="m"))
    assert stretches_of(PulseQuery(tiles=tiles))
    assert stretches_of(PulseQuery(tiles=tiles[: 24 * 14], by=("model",)))


async def test_the_strip_of_a_channel_has_a_cell_for_each_five_minutes(world: World, root: Person) -> None:
    made = (await root.post("/channels", {"name": "c", "type": "openai", "models": ["m"], "key": "k" * 20})).json()
    tenant, _, spender = await _spender(world, root)
    await _work(world, spender, tenant)
    await world.pool.execute("UPDATE projection.pulse SET channel_id = $1 WHERE channel_id = 'channel-1'", made["id"])

    strips = await _json(root, "/channel-availability?hours=2")

    (channel,) = strips["channels"]
    assert (channel["name"], len(channel["answered"]), len(channel["first_byte_p50"])) == ("c", strips["cells"], 25)
    assert sum(channel["answered"]) == 3
    cell = next(n for n, count in enumerate(channel["answered"]) if count)
    assert 905 < channel["latency_p95"][cell] <= 1280
    assert strips["breakers"] == []


async def test_the_overview_ties_to_the_ledger_and_to_the_reports(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _work(world, spender, tenant)
    await spender.hold(3_000_000)

    seen = await _json(root, "/reports/overview")

    balance = await _json(owner, f"/tenants/{tenant}/balance")
    usage = (await _json(root, "/reports/usage?bucket=month"))["rows"]
    assert seen["money"]["unspent"] == balance["balance"]
    assert seen["money"]["held"] == balance["held"] == "0.003"
    assert seen["money"]["settled"] == usage[-1]["sums"]["charged"]
    assert (seen["requests"]["requests"], seen["requests"]["voids"]) == (3, 1)
    assert (seen["requests"]["refusals"], seen["requests"]["unpriced"]) == (4, 4)
    assert [row["reason"] for row in seen["refusals"]] == ["unpriced_model"]
    assert seen["open_alerts"] == 0
    assert EntityId("channel-1") not in [each["channel_id"] for each in seen["failing_channels"]]


async def test_rows_of_all_of_each_and_of_both_add_up_to_the_same(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    await _work(world, spender, tenant)

    sums = set()
    for by in ("", "model", "channel", "model,channel"):
        rows = (await _json(root, f"/reports/latency?bucket=day&by={by}"))["rows"]
        sums.add(tuple(sum(row[name] for row in rows) for name in ("requests", "voids", "expired", "failed_attempts")))
    own = (await _json(root, f"/reports/latency?bucket=day&tenant_id={tenant}"))["rows"]

    assert sums == {(3, 1, 0, 0)} == {tuple(own[-1][n] for n in ("requests", "voids", "expired", "failed_attempts"))}
    of_one = (await _json(root, "/reports/latency?bucket=day&channel_id=channel-1&by=model"))["rows"]
    assert [(row["keys"], row["requests"]) for row in of_one] == [({"model": "best"}, 3)]
    both = await root.get("/reports/latency?bucket=five_minutes&by=model,channel&from=2026-11-30T00:00:00Z")
    assert both.json()["code"] == "report_range"
