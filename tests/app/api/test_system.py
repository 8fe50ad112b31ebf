"""The health of the books, verifications and rebuilds, nodes and the database, and the support bundle."""

import asyncio
import sys
from collections.abc import Callable
from typing import Any

import pytest

from adapters.ids import new_id
from adapters.postgres.row_security import owner_of
from app.jobs import Jobs
from app.node import NodeReporter, Vitals
from app.projections import PROJECTIONS
from app.runs import RunBusyError, Runs
from domain.ids import PLATFORM, TenantId, first_lane
from projections.runner import advance, ensure
from tests.app.api.conftest import Person, World
from tests.app.api.test_receipts import _spender


@pytest.fixture(autouse=True)
async def _projections(world: World) -> None:
    await ensure(owner_of(world.pool), PROJECTIONS)


async def _fold(world: World, *tenants: TenantId) -> None:
    for projection in PROJECTIONS:
        for tenant in (PLATFORM, *tenants):
            await advance(owner_of(world.pool), projection, tenant, first_lane(tenant))


async def _ended(root: Person, run_id: str) -> dict[str, Any]:
    return await _until(root, run_id, lambda run: run["state"] != "running")


async def _until(root: Person, run_id: str, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(120):
        while True:
            run: dict[str, Any] = (await root.get(f"/ledger/runs/{run_id}")).json()
            if is_so(run):
                return run
            await asyncio.sleep(0.1)


async def test_a_verification_runs_beside_the_server_and_its_result_is_kept(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    await spender.capture(await spender.hold(20_000_000))
    await _fold(world, tenant)

    started = await root.post("/ledger/verifications")
    run = await _ended(root, started.json()["id"])

    assert started.status_code == 202
    assert (run["state"], run["error"], run["clean"]) == ("done", "", True), run
    assert (run["findings"], run["asked_by"]) == ([], f"user:{root.user.user_id}")
    assert run["events"] > 5
    health = (await root.get("/ledger/health")).json()
    assert health["verification"]["id"] == run["id"]
    assert {each["findings"] for each in health["checks"]} == {0}
    assert len(health["checks"]) == 15


async def test_what_is_wrong_is_named_and_counted_at_its_invariant(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    await spender.capture(await spender.hold(20_000_000))
    await _fold(world, tenant)
    await world.pool.execute("UPDATE ledger.account SET posted = posted - 1 WHERE name LIKE 'grant.%'")

    run = await _ended(root, (await root.post("/ledger/verifications")).json()["id"])

    assert (run["state"], run["clean"]) == ("done", False), run
    assert run["findings_total"] == len(run["findings"]) > 0
    assert {finding["tenant_id"] for finding in run["findings"]} == {tenant}
    checks = {each["check"]: each["findings"] for each in (await root.get("/ledger/health")).json()["checks"]}
    assert checks["accounts"] > 0
    assert checks["positions"] == 0


async def _state_of(world: World, run_id: str) -> object:
    return await world.pool.fetchval("SELECT state FROM admin.run WHERE run_id = $1", run_id)


async def test_a_command_that_has_said_all_and_takes_a_while_to_end_is_not_broken_off(world: World) -> None:
    lingers = "import os, time; os.write(1, b'{\"clean\": true}'); os.close(1); time.sleep(0.5)"
    runs = Runs(owner_of(world.pool), node="test", environment={}, command=(sys.executable, "-c", lingers))

    run_id = (await runs.start(new_id(), "verification", "", actor="user:x")).run_id

    async with asyncio.timeout(60):
        # The row is the only thing that tells.
        while (state := await _state_of(world, run_id)) == "running":  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    assert state == "done"
    await runs.stop()


async def test_one_of_a_kind_runs_at_a_time_and_can_be_cancelled(world: World, root: Person) -> None:
    assert world.runs is not None
    # One that another node runs, as its row says.
    run_id = new_id()
    await world.pool.execute(
        "INSERT INTO admin.run (run_id, kind, subject, state, asked_by, node)"
        " VALUES ($1, 'verification', '', 'running', 'user:x', 'other')",
        run_id,
    )

    busy = await root.post("/ledger/verifications")
    cancelled = await root.post(f"/ledger/runs/{run_id}/cancel")

    assert (busy.status_code, busy.json()["code"]) == (409, "conflict")
    assert cancelled.status_code == 202
    assert await world.pool.fetchval("SELECT cancel FROM admin.run") is True
    with pytest.raises(RunBusyError):
        await world.runs.start(new_id(), "verification", "", actor="user:x")
    # The node has died: nobody waits for it.
    await world.pool.execute("UPDATE admin.run SET seen_at = now() - interval '1 minute'")
    assert (await root.get(f"/ledger/runs/{run_id}")).json()["state"] == "lost"
    assert (await root.post("/ledger/verifications")).status_code == 202


async def test_a_run_of_this_node_ends_when_it_is_cancelled(root: Person) -> None:
    started = (await root.post("/ledger/rebuilds", {"projection": "usage"})).json()
    await root.post(f"/ledger/runs/{started['id']}/cancel")

    run = await _ended(root, started["id"])

    assert run["state"] in {"cancelled", "done"}, run
    assert run["ended_at"] is not None
    assert (await root.post("/ledger/runs/nobody/cancel")).status_code == 404


async def test_a_projection_is_made_again_while_everything_runs(world: World, root: Person) -> None:
    tenant, owner, spender = await _spender(world, root)
    await spender.capture(await spender.hold(20_000_000))
    await _fold(world, tenant)
    before = (await owner.get("/reports/usage?bucket=month")).json()

    started = await root.post("/ledger/rebuilds", {"projection": "usage"})
    run = await _ended(root, started.json()["id"])

    assert (run["state"], run["projection"], run["error"]) == ("done", "usage", ""), run
    assert (await owner.get("/reports/usage?bucket=month")).json()["rows"] == before["rows"]
    usage = next(each for each in (await root.get("/ledger/health")).json()["projections"] if each["name"] == "usage")
    assert (usage["generation"], usage["filling"]) == (2, None)
    assert (await root.post("/ledger/rebuilds", {"projection": "nothing"})).status_code == 404
    kinds = [each["kind"] for each in (await root.get("/ledger/runs?kind=rebuild")).json()["items"]]
    assert kinds == ["rebuild"]


async def test_the_health_of_the_books_tells_lag_holds_and_what_stands_still(world: World, root: Person) -> None:
    tenant, _, spender = await _spender(world, root)
    await _fold(world, tenant)
    await spender.hold(20_000_000)
    await world.pool.execute(
        "INSERT INTO projection.checkpoint (name, generation, tenant_id, lane, position, error, parked_at)"
        " VALUES ('usage', 1, $1, $1, 1, 'KeyError: x', now()) ON CONFLICT (lane, name, generation, tenant_id)"
        " DO UPDATE SET error = excluded.error, parked_at = excluded.parked_at",
        tenant,
    )

    health = (await root.get("/ledger/health")).json()
    retried = await root.post("/ledger/parked/retry", {"projection": "usage", "tenant_id": tenant})

    behind = {each["name"]: each["events_behind"] for each in health["projections"]}
    assert behind.keys() == {projection.name for projection in PROJECTIONS}
    assert behind["balances"] >= 1
    assert [(each["projection"], each["error"]) for each in health["parked"]] == [("usage", "KeyError: x")]
    assert (health["holds_open"], health["holds"][0]["holds"], health["holds"][0]["held"]) == (1, 1, "0.02")
    assert health["oldest_hold_seconds"] < 10
    assert health["seals"]["unsealed"] == health["events"] > 0
    assert health["seals"]["unsealed_since"] is not None
    assert retried.json() == {"lanes": 1}
    assert (await root.get("/ledger/health")).json()["parked"] == []
    assert [each["lanes"] for each in await world.events(PLATFORM, "parked.retried.v1")] == [1]


async def test_nodes_say_what_they_are_and_how_their_jobs_went(world: World, root: Person) -> None:
    jobs = Jobs()
    with jobs.running("sealer", 2.0) as job:
        job.done = 7
    with pytest.raises(OSError, match="away"), jobs.running("closer", 60.0):
        raise OSError("away")
    vitals = Vitals(
        config_position=0, config_fresh=True, requests_running=3, journal_bytes=5, journal_bytes_max=9,
        journal_holds=2, settle_milliseconds=12, ledger_available=True,
    )  # fmt: skip
    reporter = NodeReporter(owner_of(world.pool), node="one", vitals=lambda: vitals, jobs=jobs)
    await reporter.sample(await reporter.say(), settle_milliseconds=34)

    seen = (await root.get("/system")).json()
    samples = (await root.get("/system/samples?hours=1")).json()

    (node,) = seen["nodes"]
    assert (node["node"], node["silent"], node["requests_running"]) == ("one", False, 3)
    assert node["config_behind"] == seen["config_position"] > 0
    assert [(each["name"], each["done"], each["error"], each["failures"]) for each in node["jobs"]] == [
        ("closer", 0, "OSError", 1),
        ("sealer", 7, "", 0),
    ]
    assert seen["database"]["size_bytes"] > 0
    assert "ledger.event" in {each["parent"] for each in seen["database"]["partitions"]}
    shown = [(row["node"], row["requests_running"], row["settle_milliseconds"]) for row in samples["rows"]]
    assert shown == [("one", 3, 34)]
    journals = (await root.get("/ledger/health")).json()["journals"]
    assert journals == [{"node": "one", "holds": 2, "bytes": 5, "bytes_max": 9}]
    await reporter.stop()
    assert (await root.get("/system")).json()["nodes"] == []


async def test_a_node_is_there_as_soon_as_it_has_started(world: World, root: Person) -> None:
    vitals = Vitals(
        config_position=0, config_fresh=True, requests_running=0, journal_bytes=0, journal_bytes_max=9,
        journal_holds=0, ledger_available=True,
    )  # fmt: skip
    reporter = NodeReporter(owner_of(world.pool), node="fresh", vitals=lambda: vitals, jobs=Jobs())

    await reporter.start()
    try:
        nodes = (await root.get("/system")).json()["nodes"]
    finally:
        await reporter.stop()

    assert [(node["node"], node["silent"]) for node in nodes] == [("fresh", False)]


async def test_the_support_bundle_has_no_secret_and_names_nobody(
    world: World, root: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in (("METRICS_TOKEN", "planted-metrics"), ("DATABASE_URL", "postgresql://u:planted-db@h/x")):
        monkeypatch.setenv(f"TALLYGATE_{name}", value)
    monkeypatch.setenv("TALLYGATE_WORKERS", "4")
    tenant = await world.tenant("planted-tenant")
    owner = await world.person(tenants={tenant: "owner"})
    token = (await owner.post("/tokens", {"tenant_id": tenant, "name": "planted-token"})).json()
    await root.post("/channels", {"name": "planted-channel", "type": "openai", "models": ["m"], "key": "planted" * 4})
    await root.put("/setting-values/site_footer", {"value": "planted-footer"}, 0)
    await root.put("/setting-values/cache_hit_percent", {"value": 10}, 0)

    answer = await root.get("/system/support-bundle")

    bundle = answer.json()
    assert answer.headers["content-disposition"].startswith('attachment; filename="tallygate-support-')
    assert "planted" not in answer.text
    for text in (token["secret"], owner.user.login, root.user.login):
        assert text not in answer.text
    assert bundle["environment"]["TALLYGATE_WORKERS"] == "4"
    assert bundle["environment"]["TALLYGATE_DATABASE_URL"] == "(set)"
    assert bundle["settings"] == {"site_footer": "(set)", "cache_hit_percent": 10}
    assert (bundle["things"]["tenant"], bundle["channels"]) == (1, {"openai": 1})
    licenses = {each["name"].lower(): each["license"] for each in bundle["licenses"]}
    assert "MIT" in licenses["litestar"]


async def test_only_who_runs_the_installation_sees_it_and_auditors_start_nothing(world: World, root: Person) -> None:
    owner = await world.person(tenants={await world.tenant(): "owner"})
    auditor, support = await world.person("auditor"), await world.person("support")

    for path in ("/ledger/health", "/ledger/runs", "/system", "/system/samples", "/system/support-bundle"):
        assert (await owner.get(path)).status_code == 403, path
        assert (await support.get(path)).status_code == 403, path
        assert (await auditor.get(path)).status_code == 200, path
    for path, body in (
        ("/ledger/verifications", None),
        ("/ledger/rebuilds", {"projection": "usage"}),
        ("/ledger/parked/retry", {}),
    ):
        assert (await auditor.post(path, body)).status_code == 403, path
    assert (await owner.get("/system/licenses")).status_code == 200
    assert root is not None
