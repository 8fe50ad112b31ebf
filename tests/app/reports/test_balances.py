"""Balances as of a past moment, and statements: what was recorded by then, for ever, and what the ledger has."""

import datetime as dt
import itertools
from typing import TYPE_CHECKING

import asyncpg
import msgspec
import pytest

from app.reports.balances import read_balances
from app.reports.closing import Closer
from app.reports.statements import Statements, StatementTamperedError, UnknownPeriodError
from domain.ids import TenantId
from tests.app.reports.conftest import fold, spread
from tests.projections.workload import Connection, Workload

if TYPE_CHECKING:
    from tests.app.reports.conftest import Pool

# What the wallet's accounts had after every event, from what each did to them.
_BY_EVENT = """
SELECT e.recorded_at, sum(sum(coalesce(p.posted, 0))) OVER (ORDER BY e.recorded_at) AS balance,
    sum(sum(coalesce(p.held, 0))) OVER (ORDER BY e.recorded_at) AS held
FROM ledger.event AS e
LEFT JOIN LATERAL (
    SELECT u.posted, u.held FROM unnest(e.account_ids, e.posted, e.held) AS u (id, posted, held)
    JOIN ledger.account AS a ON a.account_id = u.id AND a.tenant_id = e.tenant_id AND a.pool_id IS NOT NULL
) AS p ON true
WHERE e.tenant_id = $1 GROUP BY e.recorded_at ORDER BY e.recorded_at
"""


async def _posted(pool: "Pool", tenant_id: TenantId) -> int:
    return int(
        await pool.fetchval(
            "SELECT sum(posted) FROM ledger.account WHERE pool_id IS NOT NULL AND tenant_id = $1", tenant_id
        )
    )


@pytest.mark.parametrize("closed", [False, True])
async def test_as_of_answers_equal_what_the_accounts_had_then(
    pool: "Pool", writer: Connection, workload: Workload, *, closed: bool
) -> None:
    await workload.run(writer, 40)
    await spread(writer, 4)
    await fold(pool, workload.lanes)
    if closed:
        await Closer(pool).close()
        assert await pool.fetchval("SELECT count(DISTINCT day) FROM projection.balance_day") >= 3
    now = dt.datetime.now(dt.UTC)
    for customer in workload.customers:
        rows = await pool.fetch(_BY_EVENT, customer.tenant_id)
        for row in rows[::7]:
            found = await read_balances(pool, at=row[0], tenant_id=customer.tenant_id, now=now, limit=1)
            assert found.wallets[0].balance_nanos == row["balance"]
        everything = await read_balances(pool, at=rows[-1][0], tenant_id=None, now=now, limit=100)
        assert next(w for w in everything.wallets if w.tenant_id == customer.tenant_id).balance_nanos == rows[-1][1]
        assert rows[-1]["balance"] == await _posted(pool, customer.tenant_id)


async def test_a_past_balance_does_not_change_when_time_goes_on(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 15)
    await fold(pool, workload.lanes)
    moment = await pool.fetchval("SELECT max(recorded_at) FROM ledger.event")
    now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    before = await read_balances(pool, at=moment, tenant_id=None, now=now, limit=100)

    await workload.run(writer, 15)
    await fold(pool, workload.lanes)
    await Closer(pool, settle=dt.timedelta(days=-1)).close()

    assert await read_balances(pool, at=moment, tenant_id=None, now=now, limit=100) == before


async def test_what_was_held_then_is_known_too(pool: "Pool", writer: Connection, workload: Workload) -> None:
    await workload.run(writer, 20)
    await fold(pool, workload.lanes)
    tenant_id = workload.customers[0].tenant_id
    now = dt.datetime.now(dt.UTC) + dt.timedelta(hours=1)
    seen = set()
    for row in (await pool.fetch(_BY_EVENT, tenant_id))[::5]:
        found = await read_balances(pool, at=row[0], tenant_id=tenant_id, now=now, limit=1)
        assert found.wallets[0].held_nanos == row["held"]
        seen.add(row["held"])
    assert len(seen) > 2


async def test_statements_tile_time_tie_to_the_ledger_and_never_change(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 40)
    await spread(writer, 75)
    await fold(pool, workload.lanes)
    await Closer(pool).close()
    statements, now = Statements(pool), dt.datetime.now(dt.UTC)
    tenant_id = workload.customers[0].tenant_id

    assert await statements.close(tenant_id, "Asia/Kolkata", now) in {2, 3}
    listed = list(reversed(await statements.list(tenant_id, 10)))
    kept = [await statements.read(tenant_id, each.period) for each in listed]
    current = await statements.current(tenant_id, "Asia/Kolkata", now)

    assert current is not None
    chain = [each.statement for each in kept] + [current]
    for one, following in itertools.pairwise(chain):
        assert (one.ends_at, one.closing_nanos) == (following.starts_at, following.opening_nanos)
    for one in chain:
        assert one.opening_nanos + one.credited_nanos - one.charged_nanos == one.closing_nanos
        assert not one.days or one.days[-1].balance_nanos == one.closing_nanos
        assert sum(line.charged_nanos for line in one.models) == one.charged_nanos
        assert sum(line.amount_nanos for line in one.credits) == one.credited_nanos
    assert current.closing_nanos == await _posted(pool, tenant_id)
    for each in kept:
        balance = await pool.fetchval(
            "SELECT sum(u.posted) FROM ledger.event AS e, unnest(e.account_ids, e.posted) AS u (id, posted)"
            " JOIN ledger.account AS a ON a.account_id = u.id AND a.pool_id IS NOT NULL"
            " WHERE e.tenant_id = $1 AND a.tenant_id = $1 AND e.recorded_at < $2",
            tenant_id,
            each.statement.ends_at,
        )
        assert each.statement.closing_nanos == balance

    # Late usage lands in the open period, and the closed ones stay as they are, whatever the zone is by then.
    await workload.run(writer, 20)
    await fold(pool, workload.lanes)
    assert await statements.close(tenant_id, "America/New_York", now) == 0
    assert [await statements.read(tenant_id, each.period) for each in listed] == kept
    later = await statements.current(tenant_id, "America/New_York", dt.datetime.now(dt.UTC))
    assert later is not None
    assert later.starts_at == kept[-1].statement.ends_at
    assert later.closing_nanos == await _posted(pool, tenant_id)


async def test_nobody_can_change_a_statement_and_a_changed_one_is_told(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 20)
    await spread(writer, 40)
    await fold(pool, workload.lanes)
    statements, tenant_id = Statements(pool), workload.customers[1].tenant_id
    await statements.close(tenant_id, "UTC", dt.datetime.now(dt.UTC))
    period = (await statements.list(tenant_id, 1))[0].period

    for statement in ("UPDATE projection.statement SET closing_nanos = 0", "DELETE FROM projection.statement"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await writer.execute(statement)
    with pytest.raises(UnknownPeriodError):
        await statements.read(tenant_id, "1999-01")

    kept = (await statements.read(tenant_id, period)).statement
    forged = msgspec.json.encode(msgspec.structs.replace(kept, closing_nanos=0))
    await writer.execute("ALTER TABLE projection.statement DISABLE TRIGGER statement_immutable")
    await writer.execute("UPDATE projection.statement SET body = $1 WHERE period = $2", forged, period)
    with pytest.raises(StatementTamperedError):
        await statements.read(tenant_id, period)


async def test_a_tenant_that_moves_west_has_no_month_twice(
    pool: "Pool", writer: Connection, workload: Workload
) -> None:
    await workload.run(writer, 30)
    await spread(writer, 75)
    await fold(pool, workload.lanes)
    statements, tenant_id = Statements(pool), workload.customers[0].tenant_id
    now = dt.datetime.now(dt.UTC)
    await statements.close(tenant_id, "Asia/Shanghai", now - dt.timedelta(days=32))
    await statements.close(tenant_id, "America/New_York", now)

    listed = list(reversed(await statements.list(tenant_id, 10)))
    assert len({each.period for each in listed}) == len(listed) >= 2
    for one, following in itertools.pairwise(listed):
        assert one.ends_at == following.starts_at
