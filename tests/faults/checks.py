"""What must hold of the log after any fault, checked in SQL and by nothing of the product.

`audit` gives what is wrong, in words; nothing is the only good answer. tests/faults/test_checks.py breaks each rule on
purpose, and sees it told.
"""

import json
from typing import Any, Final

from tests.support.ledger import Connection

_RULES: Final = {
    "a lane's positions are not 1..head": """
        SELECT l.lane FROM ledger.lane AS l
        LEFT JOIN (
            SELECT tenant_id, lane, count(*) AS events, min(position) AS first, max(position) AS last
            FROM ledger.event GROUP BY 1, 2
        ) AS e USING (tenant_id, lane)
        WHERE l.head <> coalesce(e.events, 0) OR e.events > 0 AND (e.first <> 1 OR e.last <> l.head)
    """,
    "recorded time does not increase": """
        SELECT lane, position FROM (
            SELECT lane, position, recorded_at,
                lag(recorded_at) OVER (PARTITION BY tenant_id, lane ORDER BY position) AS before
            FROM ledger.event
        ) AS e WHERE recorded_at <= before
    """,
    "a hold has two terminals": """
        SELECT hold_id FROM terminals GROUP BY hold_id HAVING count(*) > 1
    """,
    "a terminal has no hold": """
        SELECT hold_id FROM terminals AS t WHERE NOT EXISTS (SELECT FROM holds AS h WHERE h.hold_id = t.hold_id)
    """,
    "usage was adjusted twice": "SELECT hold_id FROM adjustments GROUP BY hold_id HAVING count(*) > 1",
    "the open holds are not those without a terminal": """
        SELECT coalesce(o.hold_id, h.hold_id) FROM ledger.hold AS o
        FULL JOIN (
            SELECT hold_id::uuid FROM holds AS g
            WHERE NOT EXISTS (SELECT FROM terminals AS t WHERE t.hold_id = g.hold_id)
        ) AS h USING (hold_id)
        WHERE (o.hold_id IS NULL OR h.hold_id IS NULL)
    """,
    "an account is not what its events add up to": """
        SELECT a.account_id, a.name FROM ledger.account AS a
        LEFT JOIN (
            SELECT e.tenant_id, e.lane, u.account_id, sum(u.posted) AS posted, sum(u.held) AS held
            FROM ledger.event AS e, unnest(e.account_ids, e.posted, e.held) AS u (account_id, posted, held)
            GROUP BY 1, 2, 3
        ) AS s USING (tenant_id, lane, account_id)
        WHERE a.posted <> coalesce(s.posted, 0) OR a.held <> coalesce(s.held, 0)
    """,
    "an account holds less than nothing": "SELECT account_id, name FROM ledger.account WHERE held < 0",
    "a request took more or less from its wallet than its capture says": """
        SELECT t.hold_id FROM terminals AS t
        JOIN ledger.event AS e ON e.event_id = t.event_id,
        LATERAL (
            SELECT coalesce(sum(u.posted), 0) AS taken
            FROM unnest(e.account_ids, e.posted) AS u (account_id, posted)
            JOIN ledger.account AS a ON a.account_id = u.account_id AND a.pool_id IS NOT NULL
        ) AS w
        WHERE -w.taken <> coalesce((t.body->>'captured_nanos')::bigint, 0)
    """,
}

_VIEWS: Final = """
    WITH bodies AS MATERIALIZED (
        SELECT event_id, type, convert_from(data, 'UTF8')::jsonb AS body FROM ledger.event
        WHERE type LIKE 'hold.%' OR type = 'usage.adjusted.v1'
    ), named AS MATERIALIZED (
        SELECT event_id, type, body, body->>'hold_id' AS hold_id FROM bodies
    ), holds AS MATERIALIZED (
        SELECT * FROM named WHERE type = 'hold.authorized.v1'
    ), terminals AS MATERIALIZED (
        SELECT * FROM named WHERE type IN ('hold.captured.v1', 'hold.voided.v1', 'hold.expired.v1')
    ), adjustments AS MATERIALIZED (
        SELECT * FROM named WHERE type = 'usage.adjusted.v1'
    )
"""


async def audit(connection: Connection) -> list[str]:
    """Give every rule that the log breaks, with the first places."""
    found = []
    for words, query in _RULES.items():
        rows = await connection.fetch(f"{_VIEWS} {query} LIMIT 3")
        found += [f"{words}: {[tuple(map(str, row)) for row in rows]}"] if rows else []
    return found


async def bodies(connection: Connection, *types: str) -> list[dict[str, Any]]:
    """Give the bodies of the events of some types, in the order of the log, with the type as `type`."""

    rows = await connection.fetch(
        "SELECT type, data FROM ledger.event WHERE type = ANY ($1) ORDER BY lane, position", list(types)
    )
    return [json.loads(row["data"]) | {"type": row["type"]} for row in rows]


async def charged(connection: Connection) -> int:
    """Give what captures and adjustments took, in nano-units."""
    taken = await bodies(connection, "hold.captured.v1", "usage.adjusted.v1")
    return sum(body.get("captured_nanos", 0) + body.get("charged_nanos", 0) for body in taken)
