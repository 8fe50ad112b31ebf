"""A read model that stands still is an alert: one, however many lanes and nodes, until it goes on."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from adapters.ids import new_id
from app.parked import list_parked, retry_parked
from app.projections import PROJECTIONS
from app.routing.alerts import Alerts, listed
from app.routing.watch import PROJECTION_PARKED, watch_parked
from domain.ids import EventId, first_lane
from domain.ledger.commands import Code, Command, Kind
from projections.checkpoints import live_generation
from projections.folder import Folder
from tests.app.routing.conftest import until
from tests.support.office import Office


@pytest.fixture
async def nodes(office: Office) -> AsyncIterator[tuple[Alerts, Alerts]]:
    made = (Alerts(office.ledger, office.pool, node="a"), Alerts(office.ledger, office.pool, node="b"))
    for each in made:
        await each.start()
    yield made
    for each in made:
        await each.stop()


async def poison(office: Office) -> tuple[int, int]:
    """Write an event that the multipliers cannot fold into a tenant's lane; give the lane and its position."""
    tenant = (await office.tenant()).entity.tenant_id
    event_id = EventId(new_id())
    answer = await office.ledger.submit(
        Command(
            tenant_id=tenant,
            lane=first_lane(tenant),
            kind=Kind.POST,
            event_id=event_id,
            type="multiplier.created.v1",
            data=msgspec.json.encode({"after": 1}),
            actor="system:test",
            correlation_id=event_id,
            causation_id=event_id,
        )
    )
    assert answer.code is Code.OK
    multipliers = next(each for each in PROJECTIONS if each.name == "multipliers")
    async with office.pool.acquire() as connection:
        generation = await live_generation(connection, multipliers)
        assert generation is not None
        progress = None
        while progress is None or progress.parked is None:
            progress = await Folder(multipliers).lane(connection, generation, (tenant, first_lane(tenant)))
    return tenant, answer.position


async def watch(office: Office, node: Alerts) -> None:
    await watch_parked(office.pool, node, await node.open_alerts())


async def test_lanes_that_stand_still_are_one_alert_over_all_nodes_and_it_ends_with_them(
    office: Office, nodes: tuple[Alerts, Alerts]
) -> None:
    tenant, position = await poison(office)
    await poison(office)
    assert len(await list_parked(office.pool, "multipliers")) == 2

    for _ in range(2):
        for node in nodes:
            await watch(office, node)
    await until(lambda: not any(node.waiting for node in nodes))

    (alert,) = await listed(office.pool)
    assert (alert.kind, alert.subject, alert.severity) == (PROJECTION_PARKED, "multipliers", "critical")
    assert f"lane {tenant} of tenant {tenant} at position {position}, and 1 other lanes" in alert.title
    assert alert.resolved_at is None

    await retry_parked(office.pool)
    for node in nodes:
        await watch(office, node)
    await until(lambda: not any(node.waiting for node in nodes))

    (alert,) = await listed(office.pool)
    assert alert.resolved_title == "The read model multipliers goes on."
    assert (await office.events()).count("alert.raised.v1") == 1
    assert (await office.events()).count("alert.resolved.v1") == 1
