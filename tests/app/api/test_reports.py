"""Reports over HTTP: paging, exports, the live log, explanations, and who sees what."""

import asyncio
import csv
import datetime as dt
import io
import re
from decimal import Decimal
from typing import Any

import aiohttp
import msgspec
import pyarrow.parquet as pq
import pytest

from adapters.clock import now
from app.api import reports
from app.reports.log import LogQuery, cursor_of, id_of
from domain.ids import PLATFORM, TenantId, first_lane
from domain.pricing.charge import charge
from domain.reports.periods import Bucket
from projections.multipliers import MULTIPLIERS
from projections.runner import advance, ensure
from projections.usage import USAGE
from tests.app.api.conftest import Person, World
from tests.app.api.test_conformance import served
from tests.app.api.test_receipts import USAGE as CONSUMED
from tests.app.api.test_receipts import Spender, _spender


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, [USAGE, MULTIPLIERS])


async def _spend(world: World, spender: Spender, tenant: TenantId, requests: int) -> list[str]:
    made = []
    for _ in range(requests):
        hold = await spender.hold(20_000_000)
        await spender.capture(hold)
        made.append(str(hold))
    await advance(world.pool, USAGE, tenant, first_lane(tenant))
    return made


async def test_a_page_goes_on_where_the_last_one_ended_whatever_comes_in(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    first = await _spend(world, spender, tenant, 7)

    one = (await owner.get("/reports/requests?limit=3")).json()
    await _spend(world, spender, tenant, 4)
    two = (await owner.get(f"/reports/requests?limit=3&after={one['next']}")).json()
    three = (await owner.get(f"/reports/requests?limit=3&after={two['next']}")).json()

    seen = [row["request_id"] for page in (one, two, three) for row in page["items"]]
    assert seen == first[::-1]
    assert three["next"] is None


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("states=voided", 1),
        ("states=captured", 2),
        ("states=voided,captured", 3),
        ("model_asked=best&states=captured", 2),
        ("model_asked=worst", 0),
        ("channel_id=channel-1&outcome=completed", 2),
        ("code=vendor_failed", 1),
        ("tokens_min=1334", 2),
        ("tokens_min=1335", 0),
        ("charged_min=0.008", 2),
        ("charged_max=0.008", 1),
        ("latency_min=1200&latency_max=1200", 2),
        ("basis=vendor", 2),
        ("multiplier=1.5", 2),
        ("tag=none", 0),
        ("stream=true", 0),
        ("card_version=3&surface=chat", 3),
    ],
)
async def test_the_log_is_filtered_by_every_column(world: World, root: Person, query: str, count: int) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 2)
    await spender.void(await spender.hold(1000))
    await advance(world.pool, USAGE, tenant, first_lane(tenant))

    page = (await owner.get(f"/reports/requests?{query}")).json()

    assert len(page["items"]) == count


async def test_usage_counts_what_was_charged_and_tells_cost_to_the_operator_only(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 3)

    theirs = (await owner.get("/reports/usage?by=model_asked")).json()
    ours = (await root.get(f"/reports/usage?by=model_asked&tenant_id={tenant}")).json()

    (row,) = theirs["rows"]
    assert (row["keys"], row["sums"]["requests"]) == ({"model_asked": "best"}, 3)
    assert Decimal(row["sums"]["charged"]) == Decimal("0.00874875") * 3
    assert row["sums"]["cost"] is row["sums"]["margin"] is None
    assert Decimal(ours["rows"][0]["sums"]["cost"]) == Decimal("0.000987654") * 3
    assert (await owner.get("/reports/usage?order=cost&by=token")).json()["code"] == "forbidden"
    assert (await owner.get("/reports/requests?cost_min=1")).json()["code"] == "forbidden"
    assert (await owner.get("/reports/usage?by=colour")).json()["code"] == "invalid_request"


_TENANT_ROUTES = (
    "/reports/usage?tenant_id={}",
    "/reports/usage/export?tenant_id={}",
    "/reports/top?by=token&tenant_id={}",
    "/reports/requests?tenant_id={}",
    "/reports/requests/export?tenant_id={}",
    "/reports/requests/live?tenant_id={}",
    "/reports/balances?tenant_id={}",
    "/reports/balances/export?tenant_id={}",
    "/reports/prices?model=m&tenant_id={}",
    "/tenants/{}/statements",
    "/tenants/{}/statements/current",
    "/tenants/{}/statements/current/export",
    "/tenants/{}/refusals/1-1-1-1",
)


async def test_another_tenant_does_not_exist_on_any_report(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    (request,) = await _spend(world, spender, tenant, 1)
    stranger = await world.person(tenants={await world.tenant("Other"): "owner"})

    for path in _TENANT_ROUTES:
        answers = [await stranger.get(path.format(number)) for number in (tenant, 2**40 + 5)]
        assert [answer.status_code for answer in answers] == [404, 404], path
        assert answers[0].json() == answers[1].json(), path
    assert (await stranger.get(f"/reports/charges/{request}")).status_code == 404
    assert (await stranger.get("/rate-cards/x/what-if")).status_code == 403
    for path in ("/reports/usage?by=tenant", "/reports/requests", "/reports/balances", "/reports/requests/export"):
        text = (await stranger.get(path)).text
        assert request not in text
        assert str(tenant) not in text


async def test_a_member_sees_their_own_requests_and_no_balance(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 2)
    member = await world.person(tenants={tenant: "member"})

    assert (await member.get(f"/reports/requests?tenant_id={tenant}")).json()["items"] == []
    assert (await member.get(f"/reports/usage?tenant_id={tenant}&by=user")).json()["rows"] == []
    assert (await member.get(f"/reports/balances?tenant_id={tenant}")).status_code == 403
    assert (await member.get(f"/tenants/{tenant}/statements")).status_code == 403


async def test_an_export_that_was_cut_goes_on_by_lane_position(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 6)
    whole = _read((await owner.get("/reports/requests/export")).text)

    cut = whole[2]
    place = "-".join(cut[name] for name in ("SubAccountId", "x_Lane", "x_Position"))
    rest = _read((await owner.get(f"/reports/requests/export?after={place}")).text)

    assert whole[:3] + rest == whole
    assert len(whole) == 6
    assert {row["BilledCost"] for row in whole} == {"0.00874875"}
    assert "x_VendorCost" not in whole[0]
    operator = _read((await root.get(f"/reports/requests/export?tenant_id={tenant}")).text)
    assert {row["x_VendorCost"] for row in operator} == {"0.000987654"}
    assert (await owner.get("/reports/requests/export?after=x")).json()["code"] == "report_range"


@pytest.mark.parametrize("file", ["/reports/requests/export?request_id=%00", "/tokens/export?tag=%00"])
async def test_a_file_that_cannot_be_read_at_all_is_a_problem_and_no_empty_file(root: Person, file: str) -> None:
    for format_ in ("csv", "parquet"):
        answer = await root.get(f"{file}&format={format_}")

        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_a_file_of_nothing_has_its_columns(root: Person) -> None:
    for name in ("requests", "usage", "top", "balances", "prices"):
        text = (await root.get(f"/reports/{name}/export?by=token")).text
        content = (await root.get(f"/reports/{name}/export?by=token&format=parquet")).content

        (line,) = text.splitlines()
        table = pq.read_table(io.BytesIO(content))
        assert (table.num_rows, table.column_names) == (0, line.split(","))


async def test_parquet_has_the_same_rows_exactly(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 4)

    table = pq.read_table(io.BytesIO((await owner.get("/reports/requests/export?format=parquet")).content))
    usage = pq.read_table(io.BytesIO((await owner.get("/reports/usage/export?format=parquet&by=token")).content))

    assert table.num_rows == 4
    assert sum(table["BilledCost"].to_pylist()) == Decimal("0.00874875") * 4
    assert sum(usage["BilledCost"].to_pylist()) == Decimal("0.00874875") * 4
    for name in ("balances", "requests"):
        content = (await root.get(f"/reports/{name}/export?format=parquet")).content
        assert pq.read_table(io.BytesIO(content)).num_rows >= 1


async def test_the_live_log_goes_on_after_the_last_row_that_was_received(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    made = await _spend(world, spender, tenant, 5)
    rows = await world.pool.fetch("SELECT * FROM projection.request_log ORDER BY position")
    second = id_of(rows[1])
    call: Any = _StandIn(world)
    span = Bucket(now(), now())

    async with asyncio.timeout(20):
        stream: Any = reports.follow(
            call, LogQuery(range=span, tenant_id=tenant), cursor_of(second), {}, with_cost=False
        )
        received = [await anext(stream) for _ in range(2)]
        assert [id_of(row) for row in rows[2:]] == re.findall(r"^id: (.*)$", received[1].decode(), re.MULTILINE)
        more = await _spend(world, spender, tenant, 1)
        assert more[0].encode() in await anext(stream)
        await stream.aclose()
    assert made[1].encode() not in b"".join(received)


async def test_a_live_log_without_a_place_begins_with_the_last_seconds(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    made = await _spend(world, spender, tenant, 2)
    call: Any = _StandIn(world)

    async with asyncio.timeout(20):
        stream: Any = reports.follow(
            call, LogQuery(range=Bucket(now(), now()), tenant_id=tenant), None, {}, with_cost=False
        )
        _, rows = [await anext(stream) for _ in range(2)]
        await stream.aclose()

    assert [request.encode() in rows for request in made] == [True, True]


class _StandIn:
    """As much of a call as the live log needs."""

    def __init__(self, world: World) -> None:
        self.api = self
        self.pool = world.pool
        self.clock = now


async def test_a_charge_is_explained_by_its_factors_and_a_what_if_prices_it_again(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    requests = await _spend(world, spender, tenant, 3)

    charged = (await owner.get(f"/reports/charges/{requests[0]}")).json()
    assert charged["charged"] == charged["from_factors"] == "0.00874875"
    assert charged["factors_match"] is True
    assert charged["card_matches"] is None

    prices = {"m": {"input": "5", "output": "20"}}
    for tiers in ([], [{"input_tokens_from": 1000, "input": "7", "output": "30"}]):
        body = {
            "currency": "USD",
            "models": {"m": prices["m"] | {"tiers": tiers}},
            "effective_from": "2027-01-01T00:00:00Z",
            "use": "sale",
            "card_version": 1,
        }
        card = (await root.post("/rate-cards", body)).json()
        answer = (await root.get(f"/rate-cards/{card['id'] if 'id' in card else card['card_id']}/what-if")).json()
        (row,) = answer["rows"]
        book = await world.administration.get("rate_card", answer["card_id"])
        each = charge(CONSUMED, book.entity.card.models["m"], Decimal("1.5")).amount_nanos
        assert (row["tenant_id"], row["model"], row["requests"]) == (tenant, "m", 3)
        assert abs(int(Decimal(row["rerated"]) * 10**9) - 3 * each) <= 2
        assert Decimal(row["difference"]) == Decimal(row["rerated"]) - Decimal(row["charged"])


async def test_prices_and_statements_answer(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 2)

    price = (await owner.get("/reports/prices?model=m&user_group=vip")).json()
    assert (price["price"], price["multiplier"], price["user_group"]) == (None, "1", "all")
    statement = (await owner.get(f"/tenants/{tenant}/statements/current")).json()
    balance = (await owner.get(f"/tenants/{tenant}/balance")).json()
    assert statement["closing"] == balance["balance"]
    assert statement["closed"] is False
    lines = _read((await owner.get(f"/tenants/{tenant}/statements/current/export")).text)
    assert lines[-1]["x_Balance"] == balance["balance"]
    assert (await owner.get(f"/tenants/{tenant}/statements")).json() == {"items": []}
    assert (await owner.get(f"/tenants/{tenant}/statements/2001-01")).status_code == 404
    past = (dt.datetime.now(dt.UTC) - dt.timedelta(days=400)).isoformat().replace("+", "%2B")
    assert (await root.get(f"/reports/balances?at={past}")).json()["wallets"] == []
    now_ = (await root.get("/reports/balances")).json()
    assert now_["unspent"] == balance["balance"]


def _read(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


async def test_top_lists_and_what_ifs_come_as_files(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await _spend(world, spender, tenant, 3)
    body = {
        "currency": "USD",
        "models": {"m": {"input": "5", "output": "20"}},
        "effective_from": "2027-01-01T00:00:00Z",
    }
    card = (await root.post("/rate-cards", body)).json()["id"]

    (top,) = _read((await owner.get("/reports/top/export?by=token")).text)
    (tried,) = _read((await root.get(f"/rate-cards/{card}/what-if/export")).text)
    table = pq.read_table(io.BytesIO((await owner.get("/reports/top/export?by=token&format=parquet")).content))

    assert (top["x_Requests"], top["BilledCost"], top["ResourceId"]) == ("3", "0.02624625", str(spender._token))
    assert "x_VendorCost" not in top
    assert table["BilledCost"].to_pylist() == [Decimal("0.02624625")]
    page = (await root.get(f"/rate-cards/{card}/what-if")).json()["rows"][0]
    assert (tried["SubAccountId"], tried["SkuId"], tried["x_Requests"]) == (str(tenant), "m", "3")
    assert (tried["BilledCost"], tried["x_CostUnderCard"]) == (page["charged"], page["rerated"])
    assert tried["x_Difference"] == page["difference"]
    assert (await owner.get(f"/rate-cards/{card}/what-if/export")).status_code == 403
    assert (await owner.get("/reports/top/export?by=token&order=cost")).status_code == 403


async def test_a_charge_comes_as_a_file_whose_lines_add_up_to_it(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    (request,) = await _spend(world, spender, tenant, 1)
    stranger = await world.person(tenants={await world.tenant("Other"): "owner"})

    lines = _read((await owner.get(f"/reports/charges/{request}/export")).text)
    table = pq.read_table(io.BytesIO((await owner.get(f"/reports/charges/{request}/export?format=parquet")).content))

    charged = (await owner.get(f"/reports/charges/{request}")).json()
    assert [line["SkuMeter"] for line in lines] == [line["meter"] for line in charged["lines"]]
    assert sum(Decimal(line["x_ExactCost"]) for line in lines) == Decimal(charged["exact_nanos"]) / 10**9
    assert {line["x_RequestBilledCost"] for line in lines} == {charged["charged"]} == {"0.00874875"}
    assert table.column_names == list(lines[0])
    assert table["x_RequestBilledCost"].to_pylist() == [Decimal("0.00874875")] * len(lines)
    assert (await stranger.get(f"/reports/charges/{request}/export")).status_code == 404


async def test_prices_as_of_a_moment_come_as_a_file(world: World, root: Person) -> None:
    body = {
        "models": {
            "m": {"input": "1.25", "output": "10", "tiers": [{"input_tokens_from": 1000, "input": "2.5"}]},
            "picture": {"per_image": "0.04", "per_image_by": {"hd": "0.08"}},
        },
        "effective_from": "2026-01-01T00:00:00Z",
        "source": "typed in",
    }
    before = now().isoformat().replace("+", "%2B")
    card = (await root.post("/rate-cards", body)).json()
    published = await root.post(f"/rate-cards/{card['id']}/publish", {"force": True}, if_match='"1"')
    assert published.status_code == 200, published.text
    await root.post("/groups", {"side": "user", "label": "gold", "name": "Gold"})
    cell = await root.post("/multipliers", {"user_group": "gold", "channel_group": "all", "multiplier": "1.1"})
    assert cell.status_code == 201
    await advance(world.pool, MULTIPLIERS, PLATFORM, first_lane(PLATFORM))

    rows = _read((await root.get("/reports/prices/export?user_group=gold")).text)
    table = pq.read_table(io.BytesIO((await root.get("/reports/prices/export?format=parquet")).content))

    found = {(row["SkuId"], row["SkuMeter"], row["x_InputTokensFrom"], row["x_Variant"]): row for row in rows}
    assert found["m", "input_tokens", "0", ""]["ListUnitPrice"] == "1.25"
    assert found["m", "input_tokens", "0", ""]["ContractedUnitPrice"] == "1.375"
    assert found["m", "input_tokens", "1000", ""]["ListUnitPrice"] == "2.5"
    assert found["m", "input_tokens", "0", ""]["PricingUnit"] == "1000000 Tokens"
    assert found["picture", "images", "0", "hd"]["ContractedUnitPrice"] == "0.088"
    assert {row["x_Multiplier"] for row in rows} == {"1.1"}
    assert table.num_rows == len(rows)
    (one, *_) = _read((await root.get("/reports/prices/export?model=picture")).text)
    assert one["SkuId"] == "picture"
    assert _read((await root.get(f"/reports/prices/export?at={before}")).text) == []


async def test_prices_and_multipliers_as_of_equal_what_they_were(world: World, root: Person) -> None:
    await root.post("/groups", {"side": "user", "label": "gold", "name": "Gold"})
    cell = (await root.post("/multipliers", {"user_group": "gold", "channel_group": "all", "multiplier": "2"})).json()
    snapshots: list[tuple[str, dict[str, Any]]] = []

    async def keep() -> None:
        await advance(world.pool, MULTIPLIERS, PLATFORM, first_lane(PLATFORM))
        found = (await root.get("/reports/prices?model=m&user_group=gold")).json()
        snapshots.append((found.pop("at").replace("+", "%2B"), found))

    await keep()
    for version, price in enumerate(("5", "4", "3"), 1):
        body = {
            "models": {"m": {"input": price, "output": "20"}},
            "effective_from": f"2026-0{version}-01T00:00:00Z",
            "source": "typed in",
        }
        card = (await root.post("/rate-cards", body)).json()
        await keep()
        published = await root.post(f"/rate-cards/{card['id']}/publish", {"force": True}, if_match='"1"')
        assert published.status_code == 200, published.text
        await keep()
        changed = await root.patch(f"/multipliers/{cell['id']}", {"multiplier": f"1.{version}"}, version)
        assert changed.status_code == 200, changed.text
        await keep()
    await root.delete(f"/multipliers/{cell['id']}", 4)
    await keep()

    assert [found["multiplier"] for _, found in snapshots] == [
        "2",
        "2",
        "2",
        "1.1",
        "1.1",
        "1.1",
        "1.2",
        "1.2",
        "1.2",
        "1.3",
        "1",
    ]
    assert [(found["price"] or {}).get("input") for _, found in snapshots] == [
        None, None, "5", "5", "5", "4", "4", "4", "3", "3", "3",
    ]  # fmt: skip
    # A tenant sees its own prices, whatever group it names.
    tenant = await world.tenant()
    owner = await world.person(tenants={tenant: "owner"})
    at, was = snapshots[4]
    own = (await owner.get(f"/reports/prices?model=m&user_group=gold&at={at}")).json()
    assert (own["price"], own["card_id"], own["multiplier"]) == (was["price"], was["card_id"], "1")
    for at, found in snapshots:
        again = (await root.get(f"/reports/prices?model=m&user_group=gold&at={at}")).json()
        assert {name: again[name] for name in found} == found


async def test_a_live_log_that_was_cut_goes_on_over_http_by_its_last_event_id(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    made = await _spend(world, spender, tenant, 4)
    first = id_of((await world.pool.fetch("SELECT * FROM projection.request_log ORDER BY position"))[0])

    async def listen(session: aiohttp.ClientSession, url: str, last: str, count: int) -> list[tuple[str, str]]:
        headers = owner.headers | {"last-event-id": last}
        received: list[tuple[str, str]] = []
        async with session.get(f"{url}/api/reports/requests/live", headers=headers) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            async for line in answer.content:
                if line.startswith(b"id: "):
                    received.append((line[4:].strip().decode(), ""))
                elif line.startswith(b"data: "):
                    received[-1] = (received[-1][0], msgspec.json.decode(line[6:])["request_id"])
                    if len(received) == count:
                        # The client goes away in mid-stream, as a laptop that is closed does.
                        return received
        return received

    async with asyncio.timeout(60), served(world) as url, aiohttp.ClientSession() as session:
        one = await listen(session, url, first, 2)
        later = await _spend(world, spender, tenant, 2)
        two = await listen(session, url, one[-1][0], 3)

    assert [request for _, request in one + two] == made[1:] + later
