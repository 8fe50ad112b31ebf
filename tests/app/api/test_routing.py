"""Routing as people see it: policies, explanations, health, alerts, the comparison of arms."""

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from adapters.ids import new_id
from adapters.vault import Vault
from app.api.router import make_api
from app.catalog import Catalog
from app.projections import PROJECTIONS
from app.routing import platform
from app.routing.alerts import Alerts, Notice
from app.routing.board import HealthBoard
from app.routing.desk import Desk
from app.routing.limits import ChannelLimits
from app.routing.router import Router
from domain.ids import PLATFORM, EntityId
from domain.routing.events import ChannelProbed, ExperimentMeasured
from domain.routing.health import Sample
from projections.folder import ensure
from tests.app.api.conftest import Person, World, shared_application


def milliseconds() -> int:
    return time.time_ns() // 1_000_000


class Routed(NamedTuple):
    """A node whose API can be asked about routing."""

    root: Person
    board: HealthBoard
    catalog: Catalog
    world: World
    desk: Desk

    async def channel(self, name: str, **more: Any) -> str:
        body = {"name": name, "type": "demo", "models": ["m"], **more}
        answer = await self.root.post("/channels", body)
        assert answer.status_code == 201, answer.text
        await self.catalog.refresh()
        return str(answer.json()["id"])

    async def policy(self, **body: Any) -> str:
        answer = await self.root.post("/routing/policies", {"name": "a policy", **body})
        assert answer.status_code == 201, answer.text
        await self.catalog.refresh()
        return str(answer.json()["id"])

    async def explain(self, **question: Any) -> Any:
        answer = await self.root.post("/routing/explain", {"model": "m", **question})
        assert answer.status_code == 200, answer.text
        return answer.json()


@pytest.fixture
async def routed(world: World, tmp_path: Path) -> AsyncIterator[Routed]:
    await ensure(world.pool, PROJECTIONS)
    catalog = Catalog(world.pool, Vault.open(tmp_path / "secret.key"), poll_seconds=3600)
    await catalog.start()
    board = HealthBoard(world.ledger, world.pool, node="a", milliseconds=milliseconds)
    await board.start()
    router = Router(board, ChannelLimits(world.pool, node="a", milliseconds=milliseconds), milliseconds=milliseconds)
    desk = Desk(world.pool, catalog, router, board)
    api = make_api(
        administration=world.administration,
        wallets=world.wallets,
        pool=world.pool,
        secure_cookies=False,
        desk=desk,
    )
    async with world.client_of(shared_application(api)) as client:
        world.client = client
        yield Routed(await world.person("root"), board, catalog, world, desk)
    await board.stop()
    await catalog.stop()


async def test_a_choice_is_explained_with_shares_and_a_reason_for_every_other_channel(routed: Routed) -> None:
    big = await routed.channel("big", weight=70)
    small = await routed.channel("small", weight=30)
    off = await routed.channel("off", enabled=False)
    elsewhere = await routed.channel("elsewhere", models=["n"])
    ill = await routed.channel("ill")
    for _ in range(3):
        routed.board.note(EntityId(ill), Sample(class_="timeout", at_milliseconds=milliseconds()))

    explained = await routed.explain()

    assert {each["channel_id"]: each["weight_effective"] for each in explained["candidates"]} == {big: 70, small: 30}
    shares = {each["channel_id"]: each["share_permille"] for each in explained["candidates"]}
    assert shares[big] == pytest.approx(700, abs=40)
    assert sum(shares.values()) == 1000
    assert {each["channel_id"]: each["reason"] for each in explained["fell_out"]} == {
        off: "disabled",
        elsewhere: "model",
        ill: "unhealthy:timeout",
    }
    assert all(each["explanation"] for each in explained["fell_out"])
    assert explained["mode"] == "weighted"
    assert explained["policy_id"] is None


async def test_a_request_that_was_made_is_explained_by_its_id(routed: Routed) -> None:
    for number in range(5):
        await routed.channel(str(number))
    request_id = new_id()

    orders = [
        [each["channel_id"] for each in (await routed.explain(request_id=request_id))["candidates"]] for _ in range(3)
    ]

    assert orders[0] == orders[1] == orders[2]


async def test_nobody_being_left_says_when_to_ask_again(routed: Routed) -> None:
    only = await routed.channel("only")
    pause = Sample(class_="rate_limit", at_milliseconds=milliseconds(), retry_after_milliseconds=20_000)
    routed.board.note(EntityId(only), pause)

    explained = await routed.explain()

    assert explained["candidates"] == []
    assert 10 < explained["retry_after_seconds"] <= 20
    assert explained["fell_out"][0]["reason"] == "unhealthy:paused"


async def test_a_policy_is_what_explains_a_tenants_choice(routed: Routed) -> None:
    tenant = await routed.world.tenant()
    first = await routed.channel("first", models=["m", "n"])
    await routed.channel("second")
    policy = await routed.policy(tenant_id=tenant, model="m", mode="sticky", fallbacks=["n"])

    mine = await routed.explain(tenant_id=tenant, user="alice")
    anybodys = await routed.explain()

    assert (mine["policy_id"], mine["mode"], mine["models"]) == (policy, "sticky", ["m", "n"])
    assert mine["candidates"][-1]["model"] == "n"
    assert mine["candidates"][-1]["channel_id"] == first
    assert anybodys["policy_id"] is None
    assert [await routed.explain(tenant_id=tenant, user="alice") for _ in range(3)] == [mine] * 3


async def test_an_arm_of_an_experiment_is_named_and_can_serve_another_model(routed: Routed) -> None:
    await routed.channel("old", models=["m"])
    new = await routed.channel("new", models=["m-next"])
    arms = [{"name": "control", "share": 0}, {"name": "trial", "share": 1, "model": "m-next"}]
    await routed.policy(model="m", arms=arms)

    explained = await routed.explain(user="alice")

    assert explained["arm"] == "trial"
    assert explained["models"] == ["m-next", "m"]
    assert explained["candidates"][0]["channel_id"] == new
    assert explained["candidates"][0]["model_billed"] == "m-next"


async def test_policies_are_changed_by_version_and_their_history_is_kept(routed: Routed) -> None:
    policy = await routed.policy(model="m")

    changed = await routed.root.patch(f"/routing/policies/{policy}", {"mode": "fastest", "reason": "try it"}, 1)
    stale = await routed.root.patch(f"/routing/policies/{policy}", {"mode": "sticky"}, 1)
    again = await routed.root.post("/routing/policies", {"name": "another", "model": "m"})
    history = (await routed.root.get(f"/routing/policies/{policy}/history")).json()["items"]
    archived = await routed.root.delete(f"/routing/policies/{policy}", 2)

    assert (changed.status_code, changed.json()["mode"], stale.status_code) == (200, "fastest", 412)
    assert (again.status_code, again.json()["code"]) == (409, "name_taken")
    assert [(item["reason"], item["after"]["mode"]) for item in history] == [("try it", "fastest"), ("", "weighted")]
    assert archived.json()["archived"]


async def test_a_policy_that_cannot_be_is_refused(routed: Routed) -> None:
    answer = await routed.root.post("/routing/policies", {"name": "p", "channel_groups": ["nobody"]})

    assert (answer.status_code, answer.json()["code"]) == (422, "invalid")
    assert (await routed.root.post("/routing/policies", {"name": "p", "mode": "random"})).status_code == 400


async def test_a_channels_health_is_told_with_its_history_and_can_be_reset_by_a_person(routed: Routed) -> None:
    channel = await routed.channel("c", weight=70)
    for _ in range(3):
        routed.board.note(EntityId(channel), Sample(class_="timeout", at_milliseconds=milliseconds()))
    await routed.board._propose((EntityId(channel), 0))
    probe = ChannelProbed(channel_id=EntityId(channel), outcome="connect", code="unreachable", node="a")
    sent = platform.command(probe, event_id=new_id(), actor="system:probes")
    await platform.submit(routed.world.ledger, routed.world.pool, sent)

    down = (await routed.root.get(f"/channels/{channel}/health")).json()
    reset = await routed.root.post(f"/channels/{channel}/health/reset", {"reason": "mended"})

    assert (down["health"]["state"], down["health"]["cause"], down["weight_effective"]) == ("out", "timeout", 0)
    assert [entry["kind"] for entry in down["timeline"]] == ["probed", "changed"]
    assert down["timeline"][1]["before"]["percent"] == 100
    assert down["timeline"][1]["after"]["percent"] == 0
    assert reset.json()["health"]["state"] == "sound"
    assert reset.json()["timeline"][0]["outcome"] == "reset"
    assert reset.json()["timeline"][0]["actor"] == f"user:{routed.root.user.user_id}"
    assert (await routed.root.get(f"/channels/{new_id()}/health")).status_code == 404


async def test_alerts_are_listed(routed: Routed) -> None:
    alerts = Alerts(routed.world.ledger, routed.world.pool, node="a")
    alerts.raise_("no_channel_available", "m", "No channel can serve m.")
    await alerts._write(alerts._queue[0])

    (alert,) = (await routed.root.get("/alerts")).json()["items"]

    assert (alert["kind"], alert["subject"], alert["severity"]) == ("no_channel_available", "m", "critical")
    assert alert["resolved_at"] is None


async def test_the_arms_of_an_experiment_are_compared(routed: Routed) -> None:
    arms = [{"name": "control", "share": 90}, {"name": "trial", "share": 10}]
    policy = EntityId(await routed.policy(model="m", arms=arms))
    for completed, latency in ((True, 100), (True, 300), (False, 200)):
        measured = ExperimentMeasured(
            policy_id=policy,
            arm="trial",
            tenant_id=PLATFORM,
            model_asked="m",
            completed=completed,
            attempts=2,
            latency_milliseconds=latency,
            first_byte_milliseconds=latency // 10,
            tokens=10,
            charged_nanos=3_000_000_000,
            cost_nanos=1_000_000_000,
        )
        sent = platform.command(measured, event_id=new_id(), actor="system:routing")
        await platform.submit(routed.world.ledger, routed.world.pool, sent)

    report = (await routed.root.get(f"/routing/policies/{policy}/report")).json()

    control, trial = sorted(report["arms"], key=lambda arm: arm["arm"])
    assert (control["requests"], control["share"]) == (0, 90)
    assert (trial["requests"], trial["completed"], trial["failed"], trial["share"]) == (3, 2, 1, 10)
    assert (trial["latency_milliseconds_mean"], trial["latency_milliseconds_max"]) == (200, 300)
    assert (trial["attempts_mean"], trial["first_byte_milliseconds_mean"], trial["tokens_mean"]) == ("2.00", 20, 10)
    assert (trial["charged"], trial["cost"], trial["margin"]) == ("9", "3", "6")


async def test_where_nothing_is_relayed_nobody_can_be_asked(root: Person) -> None:
    assert (await root.post("/routing/explain", {"model": "m"})).json()["code"] == "unavailable"


async def test_a_channels_limits_and_a_tokens_cache_are_set_by_the_api(routed: Routed) -> None:
    channel = await routed.channel("c", limits={"requests_per_minute": 60}, context_tokens_max=8000)
    shown = (await routed.root.get(f"/channels/{channel}")).json()
    assert (shown["limits"]["requests_per_minute"], shown["context_tokens_max"]) == (60, 8000)

    explained = await routed.explain(prompt_tokens=9000)
    assert explained["fell_out"][0]["reason"] == "context"
    changed = await routed.root.patch(f"/channels/{channel}", {"context_tokens_max": None}, 1)
    assert changed.json()["context_tokens_max"] is None


class _Memory:
    """A place where alerts are told, which may be out of order."""

    def __init__(self, name: str, *, works: bool) -> None:
        self.name = name
        self.told: list[Notice] = []
        self._works = works

    async def tell(self, notice: Notice) -> None:
        if not self._works:
            raise OSError("the password is hunter2")
        self.told.append(notice)


async def test_a_test_is_told_to_every_place_or_one_and_says_what_went_wrong(routed: Routed) -> None:
    good, bad = _Memory("webhook:1", works=True), _Memory("mailto:2", works=False)
    routed.desk.sinks = (good, bad)

    everywhere = await routed.root.post("/alerts/test", {})
    one = await routed.root.post("/alerts/test", {"sink": "webhook:1"})

    assert everywhere.json()["items"] == [
        {"sink": "webhook:1", "told": True, "error": ""},
        {"sink": "mailto:2", "told": False, "error": "OSError"},
    ]
    assert "hunter2" not in everywhere.text
    assert [each["sink"] for each in one.json()["items"]] == ["webhook:1"]
    assert [notice.kind for notice in good.told] == ["test", "test"]
    assert (await routed.root.post("/alerts/test", {"sink": "nowhere"})).status_code == 404
    auditor = await routed.world.person("auditor")
    assert (await auditor.post("/alerts/test", {})).status_code == 403


async def test_what_was_told_to_whom_is_listed_page_by_page(routed: Routed) -> None:
    pool = routed.world.pool
    for position in (11, 12):
        await pool.execute(
            "INSERT INTO routing.alert (position, tenant_id, generation, event_id, kind, subject, title, severity,"
            " raised_at, resolved_at, resolved_position, resolved_title) VALUES ($1::bigint, 1, 1, 'e', 'k', 's',"
            " 'raised', 'critical', now(), now(), $1::bigint + 10, 'over')",
            position,
        )
        for told, sink, error in (
            (position, "log", ""),
            (position, "webhook:1", "NotToldError"),
            (position + 10, "log", ""),
        ):
            await pool.execute(
                "INSERT INTO routing.alert_told (position, sink, error) VALUES ($1, $2, $3)", told, sink, error
            )
    routed.desk.sinks = (_Memory("log", works=True),)

    seen: list[Any] = []
    after = ""
    while True:
        page = (await routed.root.get(f"/alerts/deliveries?limit=2{after}")).json()
        seen += page["items"]
        if page["next"] is None:
            break
        after = f"&after={page['next']}"

    assert [(each["position"], each["sink"], each["event"], each["title"]) for each in seen] == [
        (22, "log", "alert.resolved", "over"),
        (21, "log", "alert.resolved", "over"),
        (12, "log", "alert.raised", "raised"),
        (12, "webhook:1", "alert.raised", "raised"),
        (11, "log", "alert.raised", "raised"),
        (11, "webhook:1", "alert.raised", "raised"),
    ]
    failed = (await routed.root.get("/alerts/deliveries?failed=true")).json()["items"]
    assert {each["error"] for each in failed} == {"NotToldError"}
    sinks = (await routed.root.get("/alerts/sinks")).json()["items"]
    assert [(each["name"], each["configured"], each["told"], each["failed"]) for each in sinks] == [
        ("log", True, 4, 0),
        ("webhook:1", False, 0, 2),
    ]
