"""The control of all other tests here: each rule is broken on purpose, and the audit says so."""

import random
from collections.abc import AsyncIterator

import asyncpg
import pytest

from adapters.ids import new_id
from adapters.postgres.ledger import apply
from tests.faults.checks import audit
from tests.projections.workload import Workload
from tests.support.ledger import Connection

pytestmark = pytest.mark.faults

_A_CAPTURE = "(SELECT event_id FROM ledger.event WHERE type = 'hold.captured.v1' ORDER BY position LIMIT 1)"
_COPY = """
    INSERT INTO ledger.event
    SELECT '{id}', tenant_id, day, lane, (SELECT head + 1 FROM ledger.lane AS l WHERE l.lane = e.lane),
        now() + interval '1 hour', correlation_id, causation_id, digest, '{kind}', actor, {data},
        '{{}}', '{{}}', '{{}}'
    FROM ledger.event AS e WHERE event_id = {event};
    UPDATE ledger.lane SET head = (SELECT max(position) FROM ledger.event AS e WHERE e.lane = lane.lane) WHERE head > 0
"""


@pytest.fixture
async def connection(database: str) -> AsyncIterator[Connection]:
    """A history that is sound, with the triggers off that would keep it so."""
    connection = await asyncpg.connect(database)
    workload = Workload(random.Random(7).randrange(2**32))
    await workload.begin(connection)
    await workload.run(connection, 20)
    (answer,) = await apply(connection, [workload.customers[0].hold(workload.rng, timeout_seconds=60, amount_nanos=1)])
    assert answer.accepted
    assert await audit(connection) == []
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


def copy(kind: str, data: str = "data") -> str:
    """Give SQL that appends a copy of the first capture as an event of its own."""
    return _COPY.format(id=new_id(), kind=kind, data=data, event=_A_CAPTURE)


@pytest.mark.parametrize(
    ("words", "breach"),
    [
        ("positions are not 1..head", f"DELETE FROM ledger.event WHERE event_id = {_A_CAPTURE}"),
        ("positions are not 1..head", "UPDATE ledger.lane SET head = head + 1 WHERE head > 0"),
        (
            "time does not increase",
            f"UPDATE ledger.event SET recorded_at = recorded_at - interval '1 day' WHERE event_id = {_A_CAPTURE}",
        ),
        ("two terminals", copy("hold.expired.v1")),
        ("has no hold", copy("hold.expired.v1", data=f'\'{{"hold_id":"{new_id()}"}}\'')),
        ("adjusted twice", copy("usage.adjusted.v1") + ";" + copy("usage.adjusted.v1")),
        ("open holds are not", "DELETE FROM ledger.hold"),
        ("not what its events add up to", "UPDATE ledger.account SET posted = posted - 1 WHERE posted > 1"),
        ("not what its events add up to", "UPDATE ledger.account SET held = held + 1 WHERE held > 0"),
        ("less than nothing", "UPDATE ledger.account SET held = -1"),
        (
            "than its capture says",
            """
            UPDATE ledger.event
            SET data = convert_to(replace(convert_from(data, 'UTF8'), 'captured_nanos":', 'captured_nanos":1'), 'UTF8')
            WHERE type = 'hold.captured.v1'
            """,
        ),
    ],
)
async def test_a_breach_is_told(connection: Connection, words: str, breach: str) -> None:
    await connection.execute(breach)

    assert any(words in told for told in await audit(connection))
