"""What tenants pay for which models, and what a channel's models might be sold for."""

import datetime as dt
from decimal import Decimal
from typing import Any

import pytest

from adapters.clock import now
from app.projections import PROJECTIONS
from domain.ids import first_lane
from projections.runner import advance, ensure
from tests.app.api.conftest import Person, World
from tests.app.api.test_receipts import _spender


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(world.pool, PROJECTIONS)


async def _card(root: Person, **models: dict[str, str]) -> str:
    body = {"effective_from": "2026-01-01T00:00:00Z", "models": models}
    made = (await root.post("/rate-cards", body)).json()
    answer = await root.post(f"/rate-cards/{made['id']}/publish", {"force": True}, if_match='"1"')
    assert answer.status_code == 200, answer.text
    return str(made["id"])


async def _channel(root: Person, name: str, models: list[str], **more: Any) -> str:
    answer = await root.post("/channels", {"name": name, "type": "openai", "models": models, "key": "k" * 20, **more})
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def test_a_tenant_sees_its_own_price_of_each_model_and_what_it_can_do(world: World, root: Person) -> None:
    await root.post("/groups", {"side": "user", "label": "gold", "name": "Gold"})
    await root.post("/multipliers", {"user_group": "gold", "channel_group": "all", "multiplier": "0.8"})
    await _card(root, m={"input": "2.5", "output": "10"}, other={"input": "1"})
    await _channel(root, "c", ["m", "unpriced"])
    await root.post("/mappings", {"model": "best", "target": "m"})
    tenant, owner, spender = await _spender(world, root)
    await root.patch(f"/tenants/{tenant}", {"user_group": "gold"}, 1)
    await spender.capture(await spender.hold(20_000_000))
    for projection in PROJECTIONS:
        await advance(world.pool, projection, tenant, first_lane(tenant))

    answer = await owner.get(f"/tenants/{tenant}/models")

    assert answer.status_code == 200, answer.text
    seen = answer.json()
    models = {each["model"]: each for each in seen["items"]}
    # Nobody serves `other`, so nobody can ask for it.
    assert models.keys() == {"m", "best", "unpriced"}
    assert (models["m"]["price"]["input"], models["m"]["price"]["output"]) == ("2", "8")
    assert (models["m"]["list_price"]["input"], models["m"]["multiplier"]) == ("2.5", "0.8")
    assert (models["best"]["target"], models["best"]["price"]) == ("m", models["m"]["price"])
    assert models["unpriced"]["price"] is None
    assert "chat" in models["m"]["surfaces"]
    assert (models["best"]["state"], models["best"]["available_percent"]) == ("up", "100.00")
    assert (models["m"]["state"], len(models["m"]["hours"])) == ("quiet", 24)
    assert models["best"]["first_byte_p50"] is not None or models["best"]["tokens_per_second"] is None
    assert (seen["user_group"], seen["scope"]) == ("gold", "everybody")


async def test_where_the_status_is_closed_a_tenant_sees_its_own_requests_only(world: World, root: Person) -> None:
    await _channel(root, "c", ["best"])
    tenant, owner, spender = await _spender(world, root)
    other, stranger, _ = await _spender(world, root)
    await spender.capture(await spender.hold(20_000_000))
    for projection in PROJECTIONS:
        await advance(world.pool, projection, tenant, first_lane(tenant))
    await root.put("/setting-values/public_status", {"value": False}, 0)

    mine = (await owner.get(f"/tenants/{tenant}/models")).json()
    theirs = (await stranger.get(f"/tenants/{other}/models")).json()

    assert (mine["scope"], theirs["scope"]) == ("tenant", "tenant")
    assert [each["available_percent"] for each in (*mine["items"], *theirs["items"])] == ["100.00", None]
    assert (await stranger.get(f"/tenants/{tenant}/models")).status_code == 404


async def test_prices_of_a_channels_models_are_suggested_reviewed_and_adopted(root: Person) -> None:
    card = await _card(root, kept={"input": "9"}, **{"gpt-4o": {"input": "1", "output": "2"}})
    channel = await _channel(root, "c", ["gpt-4o", "nobody-knows"], model_map={"my-mini": "gpt-4o-mini"})

    seen = (await root.get(f"/channels/{channel}/suggested-prices?markup=2")).json()

    found = {each["model"]: each for each in seen["items"]}
    assert found.keys() == {"gpt-4o", "nobody-knows", "my-mini"}
    assert found["nobody-knows"]["suggested"] is None
    assert found["my-mini"]["vendor_model"] == "gpt-4o-mini"
    plain = {e["model"]: e for e in (await root.get(f"/channels/{channel}/suggested-prices")).json()["items"]}
    for model in ("gpt-4o", "my-mini"):
        doubled, once = (Decimal(each[model]["suggested"]["input"]) for each in (found, plain))
        assert doubled == 2 * once > 0
    assert found["gpt-4o"]["present"] == {"input": "1", "output": "2"}

    body = {"models": ["gpt-4o", "my-mini"], "markup": "2", "reason": "reviewed"}
    made = await root.post(f"/channels/{channel}/suggested-prices/adopt", body)

    assert made.status_code == 200, made.text
    draft = made.json()
    assert (draft["published"], draft["series_id"], draft["card_version"]) == (False, card, 2)
    assert draft["models"]["my-mini"]["input"] == found["my-mini"]["suggested"]["input"]
    # What was on the card stays on it.
    assert draft["models"]["kept"]["input"] == "9"
    again = await root.post(
        f"/channels/{channel}/suggested-prices/adopt",
        {"models": ["gpt-4o"], "markup": "3", "card_id": draft["id"]},
        if_match='"1"',
    )
    assert Decimal(again.json()["models"]["gpt-4o"]["input"]) == 3 * Decimal(plain["gpt-4o"]["suggested"]["input"])
    refused = await root.post(f"/channels/{channel}/suggested-prices/adopt", {"models": ["nobody-knows"]})
    assert (refused.status_code, refused.json()["code"]) == (400, "invalid_request")
    late = await root.post(
        f"/channels/{channel}/suggested-prices/adopt", {"models": ["gpt-4o"], "card_id": draft["id"]}
    )
    assert late.json()["code"] == "version_required"
    published = await root.post(
        f"/channels/{channel}/suggested-prices/adopt", {"models": ["gpt-4o"], "card_id": card}, if_match='"2"'
    )
    assert published.status_code == 409, published.text


async def test_the_status_page_has_hours_and_incidents_and_a_feed(world: World, root: Person) -> None:
    await _channel(root, "c", ["best"])
    tenant, _, spender = await _spender(world, root)
    await spender.capture(await spender.hold(20_000_000))
    for projection in PROJECTIONS:
        await advance(world.pool, projection, tenant, first_lane(tenant))
    began = now() - dt.timedelta(hours=3)
    for position, subject in ((901, "best"), (902, "<secret> & model")):
        await world.pool.execute(
            "INSERT INTO routing.alert (position, tenant_id, generation, event_id, kind, subject, title, severity,"
            " raised_at, resolved_at, resolved_position, resolved_title) VALUES ($1::bigint, 1, 1,"
            " '01990000-0000-7000-8000-000000000001', 'no_channel_available', $2, 'operators only', 'critical', $3, $4,"
            " $1::bigint + 10, 'over')",
            position,
            subject,
            began,
            began + dt.timedelta(hours=1),
        )

    status = (await world.client.get("/api/public/status")).json()
    feed = await world.client.get("/api/public/status.atom")

    (model,) = status["models"]
    assert (len(model["hours"]), model["hours"][-1]["available_percent"]) == (24, "100.00")
    assert [(each["model"], each["ended_at"] is not None) for each in status["incidents"]] == [("best", True)]
    assert feed.headers["content-type"].startswith("application/atom+xml")
    assert "<title>best was not available</title>" in feed.text
    assert "operators only" not in feed.text
    assert "secret" not in feed.text
    await root.put("/setting-values/public_status", {"value": False}, 0)
    assert (await world.client.get("/api/public/status.atom")).status_code == 404


async def test_when_people_last_signed_in_is_told_for_a_list_of_them(world: World, root: Person) -> None:
    person, other = await world.user(platform="admin"), await world.user(platform="auditor")
    await world.administration.set_password(person.user_id, "correct horse battery", actor="system:test")
    for _ in range(2):
        await world.client.post("/api/login", json={"login": person.login, "password": "correct horse battery"})
    world.client.cookies.clear()
    for projection in PROJECTIONS:
        await advance(world.pool, projection, first_lane(1), first_lane(1))  # type: ignore[arg-type]  # the platform

    seen = (await root.get(f"/users/sign-ins?user_ids={person.user_id},{other.user_id}")).json()["items"]

    assert [(each["user_id"], each["address"]) for each in seen] == [(person.user_id, "127.0.0.1")]
    opened = await world.pool.fetch("SELECT recorded_at FROM ledger.event WHERE type = 'session.opened.v1'")
    assert dt.datetime.fromisoformat(seen[0]["at"]) == max(row["recorded_at"] for row in opened)
