"""Verification that is broken off and gone on with, and verification by somebody who may only read."""

import contextlib
import itertools
import secrets
from collections.abc import AsyncIterator
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

import asyncpg
import pytest

from adapters.seal_keys import SealKeys
from app.projections import PROJECTIONS
from app.sealer import Sealer
from app.verification import lanes, state
from app.verification.state import StateError, StateFile
from app.verify import Checked, Options, Verification, verify
from domain.ids import first_lane
from projections.runner import advance, ensure
from tests.projections.workload import Connection, Workload
from tests.support.scratch import scratch_on

if TYPE_CHECKING:
    Pool = asyncpg.Pool[asyncpg.Record]


class BrokenOffError(Exception):
    """What ends a run half-way."""


@pytest.fixture
async def pool(database: str) -> AsyncIterator["Pool"]:
    async with asyncpg.create_pool(database, min_size=1, max_size=4) as pool:
        await ensure(pool, PROJECTIONS)
        yield pool


@pytest.fixture
async def writer(database: str) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(database)
    yield connection
    await connection.close()


@pytest.fixture
async def history(pool: "Pool", writer: Connection, tmp_path: Path) -> Workload:
    workload = Workload(seed=8)
    await workload.begin(writer)
    await workload.run(writer, 25)
    for projection in PROJECTIONS:
        for tenant_id in workload.lanes:
            await advance(pool, projection, tenant_id, first_lane(tenant_id))
    keys = SealKeys.open(tmp_path / "seal.key")
    await Sealer(pool, lambda: keys, round_events=60).seal_all()
    return workload


@pytest.fixture
def options(postgres_dsn: str, template_database: str, tmp_path: Path, history: Workload) -> Options:
    assert history.events
    return Options(
        trusted_keys=SealKeys.read(tmp_path / "seal.key").public_keys,
        scratch=scratch_on(postgres_dsn, template_database),
        state=StateFile(tmp_path / "verify.state"),
    )


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """Read a few events at a time, mostly outside of the snapshot, and keep the state after each page."""
    monkeypatch.setattr(lanes, "PAGE_EVENTS", 7)
    monkeypatch.setattr(lanes, "TAIL_EVENTS", 3)
    monkeypatch.setattr(state, "SAVE_SECONDS", 0.0)


async def in_pieces(pool: "Pool", options: Options, reports: int) -> tuple[Verification, list[Checked]]:
    """Break off after so many reports again and again, until a run comes to its end."""
    seen: list[Checked] = []
    broken: set[str] = set()
    while True:
        left = reports

        def report(checked: Checked) -> None:
            nonlocal left
            seen.append(checked)
            # A projection is folded anew after a break: it is broken off once, the others often.
            left -= checked.part in {"ledger", "seals"}
            if left == 0 or (checked.part not in broken and checked.part not in {"ledger", "seals"}):
                broken.add(checked.part)
                raise BrokenOffError

        with contextlib.suppress(BrokenOffError):
            return await verify(pool, PROJECTIONS, report, options), seen


@pytest.mark.parametrize("reports", [2, 3, 11])
@pytest.mark.usefixtures("small_pages")
async def test_a_run_in_pieces_finds_what_one_run_finds(
    pool: "Pool", history: Workload, options: Options, tmp_path: Path, reports: int
) -> None:
    whole = await verify(pool, PROJECTIONS, options=options)
    clean, seen = await in_pieces(pool, options, reports)

    assert whole.clean
    assert (clean.findings, clean.events, clean.sealed, clean.lanes, clean.seals) == (
        whole.findings,
        whole.events,
        whole.sealed,
        whole.lanes,
        whole.seals,
    )
    assert whole.sealed == history.events
    # Gone on with, not begun again: of what was done no more is done twice than a page for each break.
    done = [checked.done for checked in seen if checked.part == "ledger"]
    assert all(later >= earlier for earlier, later in itertools.pairwise(done))
    assert not (tmp_path / "verify.state").exists()


@pytest.mark.usefixtures("small_pages")
async def test_findings_before_and_after_the_break_are_all_kept_and_told_once(
    pool: "Pool", writer: Connection, history: Workload, options: Options
) -> None:
    lane = history.customers[0].tenant_id
    await writer.execute("ALTER TABLE ledger.event DISABLE TRIGGER event_append_only")
    for position in (5, 30):
        await writer.execute("UPDATE ledger.event SET actor = 'x' WHERE lane = $1 AND position = $2", lane, position)
    await writer.execute("UPDATE ledger.account SET posted = posted + 1 WHERE lane = $1 AND NOT credit_line", lane)
    await writer.execute("UPDATE projection.balances SET voids = voids + 1 WHERE tenant_id = $1", lane)

    whole = await verify(pool, PROJECTIONS, options=options)
    pieces, _ = await in_pieces(pool, options, 3)

    assert {"seal", "accounts", "projection"} <= {finding.check for finding in whole.findings}
    assert pieces.findings == whole.findings


@pytest.mark.usefixtures("small_pages")
async def test_what_was_written_during_the_break_is_checked_too(
    pool: "Pool", writer: Connection, history: Workload, options: Options
) -> None:
    """Holds end, grants are made and windows purged and opened anew between two pieces."""
    count = 0

    def break_off(_: Checked) -> None:
        nonlocal count
        count += 1
        if count % 4 == 0:
            raise BrokenOffError

    while True:
        try:
            result = await verify(pool, (), break_off, options)
        except BrokenOffError:
            if count < 40:
                for customer in history.customers:
                    await history.send(writer, [customer.void(held, None) for held in list(customer.open.values())])
                await writer.execute("UPDATE ledger.account SET purge_at = '2020-01-01Z' WHERE name LIKE 'rpm.%'")
                for customer in history.customers:
                    await writer.fetchval("SELECT ledger.purge_windows($1, $1, 100)", customer.tenant_id)
                await history.run(writer, 2)
        else:
            break

    assert result.findings == ()
    assert count > 20


async def test_a_state_of_another_database_or_none_at_all_is_refused(
    pool: "Pool", options: Options, tmp_path: Path
) -> None:
    path = tmp_path / "verify.state"
    path.write_bytes(b"nonsense")
    with pytest.raises(StateError, match="delete it"):
        await verify(pool, (), options=options)
    StateFile(path).save(state.State(database="elsewhere"))
    with pytest.raises(StateError, match="another database"):
        await verify(pool, (), options=options)
    assert path.stat().st_mode & 0o777 == 0o600


def as_role(dsn: str, role: str) -> str:
    """Give the address with another user, who can only read."""
    parts = urlsplit(dsn)
    query = [(name, value) for name, value in parse_qsl(parts.query) if name != "user"]
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{role}@{host}", query=urlencode(query, safe="/")))


async def test_a_role_that_may_only_read_is_enough(
    database: str, writer: Connection, history: Workload, options: Options
) -> None:
    role = f"auditor_{secrets.token_hex(4)}"
    await writer.execute(f"CREATE ROLE {role} LOGIN")
    schemas = await writer.fetch("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_schema)'")
    for schema in (row["nspname"] for row in schemas):
        await writer.execute(f"GRANT USAGE ON SCHEMA {schema} TO {role}")
        await writer.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}")
    try:
        async with asyncpg.create_pool(
            as_role(database, role),
            min_size=1,
            max_size=1,
            server_settings={"default_transaction_read_only": "on"},
        ) as pool:
            with pytest.raises(asyncpg.PostgresError):
                await pool.execute("DELETE FROM projection.balances")
            result = await verify(pool, PROJECTIONS, options=options)
    finally:
        await writer.execute(f"DROP OWNED BY {role}")
        await writer.execute(f"DROP ROLE {role}")

    assert result.findings == ()
    assert result.notes == ()
    assert (result.events, result.sealed) == (history.events, history.events)
