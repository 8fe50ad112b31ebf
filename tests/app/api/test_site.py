import asyncio
import datetime as dt
import hashlib
from typing import Any

import httpx
import msgspec
import pytest

from adapters.clock import now
from projections.runner import ensure
from projections.usage import USAGE
from tests.app.api.conftest import Person, World

_PRICES = {"m": {"input": "1.25", "output": "10"}, "unserved": {"input": "1", "output": "2"}}


async def _set(root: Person, name: str, value: Any, version: int = 0) -> httpx.Response:
    return await root.put(f"/setting-values/{name}", {"value": value, "reason": "test"}, version)


async def _publish(root: Person, effective_from: dt.datetime, models: dict[str, Any], version: int = 1) -> None:
    body = {"effective_from": effective_from.isoformat(), "models": models, "card_version": version}
    card = (await root.post("/rate-cards", body)).json()
    answer = await root.post(f"/rate-cards/{card['id']}/publish", {"force": True}, if_match='"1"')
    assert answer.status_code == 200, answer.text


async def _channel(root: Person, **more: Any) -> dict[str, Any]:
    body = {"name": "c", "type": "openai", "base_url": "https://v.example/v1", "models": ["m"], **more}
    answer = await root.post("/channels", body)
    assert answer.status_code == 201, answer.text
    channel: dict[str, Any] = answer.json()
    return channel


# Settings.


async def test_every_setting_is_listed_with_its_meaning_and_set_by_its_name(root: Person) -> None:
    listed = {each["name"]: each for each in (await root.get("/setting-values")).json()["items"]}
    assert listed["site_name"]["value"] == "Tallygate"
    assert (listed["site_name"]["is_default"], listed["site_name"]["version"]) == (True, 0)
    assert all(each["meaning"] and each["expected"] for each in listed.values())

    first = await _set(root, "site_name", "Acme AI")
    again = await _set(root, "site_name", "Acme", 1)
    back = await _set(root, "site_name", None, 2)

    assert (first.json()["value"], first.headers["etag"]) == ("Acme AI", '"1"')
    assert (again.json()["value"], again.json()["is_default"]) == ("Acme", False)
    assert (back.json()["value"], back.json()["is_default"], back.json()["version"]) == ("Tallygate", True, 3)
    history = (await root.get(f"/settings/{back.json()['id']}/history")).json()["items"]
    assert [each["after"]["value"] for each in history] == [None, "Acme", "Acme AI"]


async def test_two_who_set_a_setting_at_once_do_not_overwrite_each_other(root: Person) -> None:
    answers = await asyncio.gather(*(_set(root, "site_footer", f"by {n}") for n in range(6)))

    assert [answer.status_code for answer in answers].count(200) == 1
    assert {answer.status_code for answer in answers} <= {200, 409, 412}
    assert (await _set(root, "site_footer", "later", 7)).json()["code"] == "version_conflict"
    assert (await _set(root, "no_such_setting", "x")).status_code == 404


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site_color", "red"),
        ("site_theme", "sepia"),
        ("site_logo", "javascript:alert(1)"),
        ("site_logo", "data:text/html;base64,AAAA"),
        ("site_logo", "http://logo.example/x.png"),
        ("site_logo", "data:image/png;base64,PHN2Zy8+"),
        ("site_logo", "data:image/svg+xml;base64,PGh0bWw+"),
        ("site_logo", "data:image/webp;base64,iVBORw0KGgo="),
        ("site_logo", "data:image/png;base64,iVBORw0KGg=o"),
        ("site_home_kind", "pdf"),
        ("site_home_frame", "http://www.acme.example"),
        ("site_home_frame", "https://user@www.acme.example"),
        ("site_home_frame", "https://www.acme.example; script-src *"),
        ("site_links", '[{"label": "x", "url": "javascript:alert(1)"}]'),
        ("site_links", "not json"),
        ("site_links", '[{"label": "", "url": "https://a.example"}]'),
        ("currency", "usd"),
        ("public_prices", "yes"),
        ("site_name", "x" * 101),
        ("output_tokens_default", 0),
    ],
)
async def test_a_value_that_cannot_be_shown_safely_is_refused_with_what_is_accepted(
    root: Person, name: str, value: Any
) -> None:
    answer = await _set(root, name, value)

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert name in answer.json()["detail"].lower()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("site_logo", "data:image/svg+xml;base64,PHN2Zy8+"),
        (
            "site_logo",
            "data:image/svg+xml;base64,PD94bWwgdmVyc2lvbj0iMS4wIj8+CjwhLS0geCAtLT4KPHN2ZyB3aWR0aD0iMSI+PC9zdmc+",
        ),
        ("site_logo", "data:image/webp;base64,UklGRiQAAABXRUJQVlA4IA=="),
        ("site_logo", "data:image/jpeg;base64,/9j/4AAQ"),
        ("site_logo", ""),
        ("site_home_frame", "https://www.acme.example:8443/home?x=1"),
        ("site_home_frame", ""),
    ],
)
async def test_a_value_that_can_be_shown_is_kept(root: Person, name: str, value: str) -> None:
    answer = await _set(root, name, value)

    assert (answer.status_code, answer.json()["value"]) == (200, value)


# The site.


async def test_visitors_see_the_brand_as_it_was_set_a_moment_ago(world: World, root: Person) -> None:
    before = await world.client.get("/api/site")
    await _set(root, "site_name", "Acme AI")
    await _set(root, "site_links", '[{"label": "Terms", "url": "https://acme.example/terms"}]')
    await _set(root, "site_top_up", "Pay by **invoice**.")
    await _set(root, "site_logo", "data:image/png;base64,iVBORw0KGgo=")

    answer = await world.client.get("/api/site")

    site = answer.json()
    assert before.json()["name"] == "Tallygate"
    assert (site["name"], site["theme"], site["currency"]) == ("Acme AI", "system", "USD")
    assert (before.json()["top_up"], site["top_up"]) == ("", "Pay by **invoice**.")
    assert site["links"] == [{"label": "Terms", "url": "https://acme.example/terms"}]
    assert answer.headers["cache-control"] == "public, max-age=60"
    same = await world.client.get("/api/site", headers={"if-none-match": answer.headers["etag"]})
    assert (same.status_code, same.content) == (304, b"")
    assert before.headers["etag"] != answer.headers["etag"]


async def test_announcements_reach_those_whom_they_are_for_while_they_last(world: World, root: Person) -> None:
    tomorrow = (now() + dt.timedelta(days=1)).isoformat()
    yesterday = (now() - dt.timedelta(days=1)).isoformat()
    for title, more in (
        ("all", {"audience": "everyone", "level": "critical"}),
        ("people", {}),
        ("staff", {"audience": "operators", "level": "warning"}),
        ("later", {"starts_at": tomorrow}),
        ("over", {"ends_at": yesterday}),
    ):
        made = await root.post("/announcements", {"title": title, "body": "text", **more})
        assert made.status_code == 201, made.text
    tenant = await world.tenant()
    member = await world.person(tenants={tenant: "member"})

    async def seen(person: Person) -> list[str]:
        return [each["title"] for each in (await person.get("/notices")).json()["items"]]

    assert await seen(root) == ["all", "staff", "people"]
    assert await seen(member) == ["all", "people"]
    assert [each["title"] for each in (await world.client.get("/api/site")).json()["announcements"]] == ["all"]
    assert (await member.get("/announcements")).status_code == 403


async def test_an_announcement_is_changed_taken_down_and_its_history_kept(root: Person) -> None:
    made = (await root.post("/announcements", {"title": "Maintenance", "level": "warning"})).json()
    path = f"/announcements/{made['id']}"
    wrong = {"starts_at": "2027-01-02T00:00:00Z", "ends_at": "2027-01-01T00:00:00Z"}

    refused = await root.patch(path, wrong, 1)
    changed = await root.patch(path, {"ends_at": "2027-01-01T00:00:00Z", "reason": "done by then"}, 1)
    gone = await root.delete(path, 2)

    assert (refused.status_code, refused.json()["code"]) == (422, "invalid")
    assert dt.datetime.fromisoformat(changed.json()["ends_at"]) == dt.datetime(2027, 1, 1, tzinfo=dt.UTC)
    assert gone.json()["archived"]
    assert (await root.get("/notices")).json()["items"] == []
    history = (await root.get(f"{path}/history")).json()["items"]
    assert [(each["type"], each["reason"]) for each in history][1] == ("announcement.changed.v1", "done by then")
    assert (await root.get("/announcements?level=warning&include_archived=true")).json()["items"][0]["id"] == made["id"]


# Prices.


async def test_visitors_see_what_served_models_cost_now_and_how_that_came_to_be(world: World, root: Person) -> None:
    nothing = (await world.client.get("/api/public/prices")).json()
    await _channel(root)
    await root.post("/mappings", {"model": "best", "target": "m"})
    await _publish(root, now() - dt.timedelta(days=9), _PRICES)
    await _publish(root, now() + dt.timedelta(days=9), {"m": {"input": "2.5", "output": "10"}}, 2)

    prices = (await world.client.get("/api/public/prices")).json()
    history = (await world.client.get("/api/public/prices/history?model=m")).json()["items"]

    assert (nothing["card_id"], nothing["models"]) == (None, {})
    assert set(prices["models"]) == {"m"}
    assert (prices["models"]["m"]["input"], prices["card_version"]) == ("1.25", 1)
    canonical = msgspec.json.encode(prices["models"], order="sorted")
    assert prices["sha256"] == hashlib.sha256(canonical).hexdigest()
    assert [each["price"]["input"] for each in history] == ["2.5", "1.25"]
    assert (await world.client.get("/api/public/prices/history?model=none")).status_code == 404


async def test_what_is_switched_off_is_not_there(world: World, root: Person) -> None:
    await _set(root, "public_prices", value=False)
    await _set(root, "public_status", value=False)

    answers = [await world.client.get(f"/api/public/{path}") for path in ("prices", "prices/history?model=m", "status")]

    assert [answer.status_code for answer in answers] == [404] * 3
    site = (await world.client.get("/api/site")).json()
    assert (site["prices_open"], site["status_open"]) == (False, False)


async def test_visitors_who_ask_too_often_are_told_to_wait(world: World) -> None:
    answers = [await world.client.get("/api/site") for _ in range(60)]

    assert answers[0].status_code == 200
    assert (answers[-1].status_code, answers[-1].json()["code"]) == (429, "rate_limited")


# Status.


async def test_the_status_says_of_each_model_how_many_requests_were_answered(world: World, root: Person) -> None:
    await _channel(root, models=["m", "quiet"])
    await ensure(world.pool, [USAGE])
    tenant = await world.tenant()
    hour = now().replace(minute=0, second=0, microsecond=0)
    generation = await world.pool.fetchval(
        "SELECT generation FROM projection.generation WHERE name = 'usage' AND state = 'live'"
    )
    columns = await world.pool.fetch(
        "SELECT column_name AS name, data_type AS type FROM information_schema.columns"
        " WHERE table_schema = 'projection' AND table_name = 'usage_hourly'"
    )
    for moment, answered, failed in ((hour, 99, 1), (hour - dt.timedelta(days=3), 1, 1)):
        row: dict[str, Any] = {each["name"]: 0 if each["type"] in {"bigint", "integer"} else "" for each in columns}
        row.update(
            hour=moment,
            tenant_id=tenant,
            part="00000000-0000-7000-8000-000000000001",
            generation=generation,
            model_asked="m",
            requests=answered,
            voids=failed,
            first_bytes=answered,
            first_byte_milliseconds=answered * 250,
        )
        places = ", ".join(f"${n}" for n in range(1, len(row) + 1))
        await world.pool.execute(
            f"INSERT INTO projection.usage_hourly ({', '.join(row)}) VALUES ({places})", *row.values()
        )

    status = (await world.client.get("/api/public/status")).json()

    (model,) = status["models"]
    assert (model["model"], model["state"], model["first_byte_milliseconds"]) == ("m", "up", 250)
    assert len(model["days"]) == 90
    told = {each["day"]: each["available_percent"] for each in model["days"]}
    assert told[f"{hour:%Y-%m-%d}"] == "99.00"
    assert told[f"{hour - dt.timedelta(days=3):%Y-%m-%d}"] == "50.00"
    assert list(told.values()).count(None) == len(told) - 2
    assert "requests" not in model
