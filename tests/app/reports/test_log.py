"""The request log is looked through by index, whatever it is filtered by."""

import datetime as dt
from typing import TYPE_CHECKING, Final

import pytest

from app.reports import log
from app.reports.log import EQUAL, RANGES

if TYPE_CHECKING:
    from tests.app.reports.conftest import Pool

_VALUES: Final = {"text": "''", "integer": "7", "numeric": "7"}
_BY_ANOTHER_INDEX: Final = {"request_id"}
_HALF_OF_ALL: Final = {"stream", "cached"}
"""Rows with either value are never far."""


@pytest.mark.parametrize(
    "condition",
    [
        *(f"{name} = {_VALUES[kind]}" for name, kind in EQUAL.items() if name not in _BY_ANOTHER_INDEX | _HALF_OF_ALL),
        *(f"{expression} >= 7" for expression in RANGES.values()),
        *(f"{expression} <= 7" for expression in RANGES.values()),
        "state = ANY (ARRAY['voided', 'expired'])",
        "channel_id = ANY (ARRAY['one', 'other'])",
    ],
)
async def test_stretches_without_what_is_looked_for_are_passed_over(pool: "Pool", condition: str) -> None:
    async with pool.acquire() as connection, connection.transaction():
        # So that the plan tells what can be done, and not what is worth it in an empty table.
        await connection.execute("SET LOCAL enable_seqscan = off")
        plan = await connection.fetch(f"EXPLAIN SELECT FROM projection.request_log WHERE {condition}")
    lines = [row[0].lstrip(" ->") for row in plan]
    assert any(line.startswith("Bitmap Index Scan") for line in lines), lines
    assert any(line.startswith("Index Cond") for line in lines), lines


@pytest.mark.parametrize(
    ("rows", "longest"), [(0, dt.timedelta(days=16)), (200_000, dt.timedelta(days=1)), (10**9, dt.timedelta(hours=1))]
)
async def test_a_slice_holds_no_more_rows_than_can_be_looked_through_at_once(
    pool: "Pool", rows: int, longest: dt.timedelta
) -> None:
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "UPDATE pg_class SET reltuples = $1 WHERE oid = 'projection.request_log_default'::regclass", float(rows)
        )
        assert await log._longest_slice(connection) == longest
