"""What has to happen without anybody asking: day partitions, overdue holds, expired credit, half-done redemptions.

Every process may run it. Nothing is claimed or locked for longer than a statement: two processes that find the same
thing to do send the same command, and the ledger accepts one.
"""

import asyncio
import contextlib
import datetime as dt
import random
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import msgspec
import structlog

from adapters.ids import new_id
from adapters.postgres.errors import AWAY
from app.jobs import Jobs
from app.wallets import Wallets
from domain.accounts import wallet
from domain.events import Event, encode, type_name
from domain.grants.events import CreditLapsed
from domain.holds.events import HoldExpired
from domain.ids import AccountId, EntityId, EventId, HoldId, Lane, TenantId, derive_id
from domain.ledger.commands import Answer, Code, Command, Kind, Leg, Op
from domain.ports import Ledger, LedgerUnavailableError

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

GRACE_SECONDS: Final = 60.0
"""How long past its deadline a hold is left to the process that made it."""
KEYS_KEPT: Final = dt.timedelta(days=30)
"""How long a repeated Idempotency-Key is recognized."""
CLOCK_JUMP_SECONDS: Final = 30.0
"""How far the database's clock may run ahead of ours between two looks before it is not believed."""
DAYS_BEHIND: Final = 8
DAYS_AHEAD: Final = 8
"""Partitions are there for ids that are a week late, and for a week in which nobody runs this."""
CLAIMS_SINCE: Final = dt.timedelta(days=6)
"""Claims of the last week are looked at: the ledger takes no id that is older."""
BATCH: Final = 500

_log = structlog.get_logger(__name__)


class Housework(msgspec.Struct):
    """What was done."""

    days_made: int = 0
    holds_expired: int = 0
    grants_lapsed: int = 0
    redemptions_finished: int = 0
    windows_purged: int = 0
    leftovers_dropped: int = 0


class ClockGuard:
    """Tells whether the database's clock can be believed, by comparing its pace with a clock that cannot be set.

    After a leap ahead every open hold looks overdue, although its request is running. So nothing is expired until all
    holds made before the leap are truly overdue (`pause_seconds`), or the clock is back.
    """

    def __init__(self, pause_seconds: float, jump_seconds: float = CLOCK_JUMP_SECONDS) -> None:
        self._pause_seconds = pause_seconds
        self._jump_seconds = jump_seconds
        self._offset: float | None = None
        self._until: float | None = None

    def trusts(self, database: dt.datetime, monotonic_seconds: float) -> bool:
        """Compare a reading of both clocks with the one before."""
        offset = database.timestamp() - monotonic_seconds
        if self._offset is None or offset - self._offset <= self._jump_seconds:
            self._offset, self._until = offset, None
            return True
        if self._until is None:
            self._until = monotonic_seconds + self._pause_seconds
            _log.warning(
                "database_clock_jumped",
                ahead_seconds=round(offset - self._offset),
                pause_seconds=round(self._pause_seconds),
                consequence="no hold, grant or window is ended meanwhile",
            )
        if monotonic_seconds < self._until:
            return False
        self._offset, self._until = offset, None
        return True


class Housekeeper:
    """Does the chores one after another, each at its own pace, and never all processes at once."""

    def __init__(
        self,
        ledger: Ledger,
        pool: "Pool",
        *,
        hold_timeout_seconds: float,
        grace_seconds: float = GRACE_SECONDS,
        jobs: Jobs | None = None,
    ) -> None:
        """Take the ledger to send to and a pool to read by; no hold is made for longer than `hold_timeout_seconds`."""
        self._ledger = ledger
        self._jobs = jobs or Jobs()
        self._pool = pool
        self._grace_seconds = grace_seconds
        self._guard = ClockGuard(hold_timeout_seconds + grace_seconds)
        self._wallets = Wallets(ledger, pool)
        self._task: asyncio.Task[None] | None = None
        self._chores: tuple[tuple[str, float, Callable[[], Awaitable[int]]], ...] = (
            ("days_made", 3600.0, self.make_days),
            ("holds_expired", 5.0, self.expire_holds),
            ("grants_lapsed", 30.0, self.lapse_grants),
            ("redemptions_finished", 60.0, self.finish_redemptions),
            ("windows_purged", 300.0, self.purge_windows),
            ("leftovers_dropped", 3600.0, self.drop_leftovers),
        )

    async def start(self) -> None:
        """Begin; event partitions are there when this returns, so that the first append finds its day."""
        await self.make_days()
        self._task = asyncio.create_task(self._run(), name="housekeeper")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def run_once(self) -> Housework:
        """Do every chore once, now."""
        return Housework(**{name: await chore() for name, _, chore in self._chores})

    async def make_days(self) -> int:
        """Make the partitions of the days to come."""
        made: int = await self._pool.fetchval(
            "SELECT ledger.create_days((now() AT TIME ZONE 'UTC')::date - $1::integer, $2)",
            DAYS_BEHIND,
            DAYS_BEHIND + 1 + DAYS_AHEAD,
        )
        return made

    async def drop_leftovers(self) -> int:
        """Forget idempotency keys and sessions that have had their day; the log keeps what they led to."""
        dropped: int = await self._pool.fetchval(
            "WITH keys AS (DELETE FROM admin.idempotency WHERE created_at < now() - $1::interval RETURNING 1),"
            " sessions AS (DELETE FROM admin.session WHERE expires_at < now() RETURNING 1)"
            " SELECT (SELECT count(*) FROM keys) + (SELECT count(*) FROM sessions)",
            KEYS_KEPT,
        )
        return dropped

    async def expire_holds(self) -> int:
        """End holds that nobody has ended, well past their deadline; nothing is charged for them."""
        if not await self._trusts_clock():
            return 0
        rows = await self._pool.fetch(
            "SELECT hold_id::text, tenant_id, lane FROM ledger.hold"
            " WHERE deadline < now() - make_interval(secs => $1) ORDER BY deadline LIMIT $2",
            self._grace_seconds,
            BATCH,
        )
        return await self._send(
            [_expiry(r["tenant_id"], r["lane"], HoldId(r["hold_id"])) for r in rows], "hold_expired"
        )

    async def lapse_grants(self) -> int:
        """Take what is left of expired grants, but for what requests still hold: that follows when it is free."""
        if not await self._trusts_clock():
            return 0
        rows = await self._pool.fetch(
            "SELECT account_id::text, name, tenant_id, lane FROM ledger.account"
            " WHERE expires_at < now() AND expires_at < 'infinity' AND pool_id IS NOT NULL AND NOT spent"
            " AND NOT credit_line AND posted > held ORDER BY expires_at LIMIT $1",
            BATCH,
        )
        return await self._send(
            [_lapse(r["tenant_id"], r["lane"], AccountId(r["account_id"]), r["name"]) for r in rows], "grant_lapsed"
        )

    async def finish_redemptions(self) -> int:
        """Give the credit of codes that were claimed by a process that died before the second half."""
        now: dt.datetime = await self._pool.fetchval("SELECT now()")
        return await self._wallets.finish_claims(now - CLAIMS_SINCE)

    async def purge_windows(self) -> int:
        """Delete the accounts of windows that are long over."""
        if not await self._trusts_clock():
            return 0
        lanes = await self._pool.fetch(
            "SELECT DISTINCT tenant_id, lane FROM"
            " (SELECT tenant_id, lane FROM ledger.account WHERE purge_at < now() AND held = 0"
            " ORDER BY purge_at LIMIT $1) AS old",
            20 * BATCH,
        )
        gone = 0
        for row in lanes:
            gone += await self._pool.fetchval("SELECT ledger.purge_windows($1, $2, $3)", row[0], row[1], 20 * BATCH)
        return gone

    async def _trusts_clock(self) -> bool:
        now = await self._pool.fetchval("SELECT clock_timestamp()")
        return self._guard.trusts(now, asyncio.get_running_loop().time())

    async def _send(self, commands: Sequence[Command], event: str) -> int:
        answers = await asyncio.gather(*(self._ledger.submit(command) for command in commands))
        done = sum(answer.code is Code.OK for answer in answers)
        if done:
            _log.info(event, count=done)
        _report_refusals(commands, answers)
        return done

    async def _run(self) -> None:
        clock = asyncio.get_running_loop().time
        due = {name: clock() + _jittered(period) for name, period, _ in self._chores}
        while True:
            name, period, chore = min(self._chores, key=lambda chore: due[chore[0]])
            await asyncio.sleep(max(0.0, due[name] - clock()))
            try:
                with self._jobs.running(f"housekeeper: {name}", period) as job:
                    done = job.done = await chore()
                # A full batch leaves more of the same: at once again.
                due[name] = clock() + (_jittered(period) if done < BATCH else 0.0)
            except (*AWAY, LedgerUnavailableError) as error:
                _log.warning("housekeeping_delayed", chore=name, error=str(error) or type(error).__name__)
                due[name] = clock() + _jittered(period)
            except Exception:  # noqa: BLE001 -- see below
                # One chore that fails must not end the others: the log has its traceback.
                _log.exception("housekeeping_failed", chore=name)
                due[name] = clock() + _jittered(period)


def _jittered(seconds: float) -> float:
    return seconds * random.uniform(0.5, 1.5)  # noqa: S311  # spreads processes over time, keeps no secret


def _expiry(tenant_id: int, lane: int, hold_id: HoldId) -> Command:
    return _command(
        tenant_id,
        lane,
        HoldExpired(hold_id=hold_id),
        kind=Kind.EXPIRE,
        event_id=derive_id(hold_id, "terminal"),
        hold_id=hold_id,
        correlation_id=hold_id,
        actor="system:reaper",
    )


def _lapse(tenant_id: int, lane: int, account_id: AccountId, name: str) -> Command:
    # A grant may lapse in parts, and long after it was made: a new id each time. A second process is told `not due`.
    event_id = EventId(new_id())
    return _command(
        tenant_id,
        lane,
        CreditLapsed(grant_id=EntityId(name.partition(":")[2])),
        kind=Kind.POST,
        event_id=event_id,
        correlation_id=event_id,
        actor="system:expiry",
        pool_id=wallet(TenantId(tenant_id)),
        legs=(Leg(account_id, op=Op.DRAIN),),
    )


def _command(
    tenant_id: int,
    lane: int,
    event: Event,
    *,
    kind: Kind,
    event_id: EventId,
    correlation_id: str,
    actor: str,
    **fields: object,
) -> Command:
    return Command(
        tenant_id=TenantId(tenant_id),
        lane=Lane(lane),
        kind=kind,
        event_id=event_id,
        type=type_name(event),
        data=encode(event),
        actor=actor,
        correlation_id=correlation_id,
        causation_id=correlation_id,
        **fields,  # type: ignore[arg-type]  # the few that differ, from the two callers above
    )


def _report_refusals(commands: Sequence[Command], answers: Sequence[Answer]) -> None:
    """Log what cannot be explained by another process having been there first."""
    for command, answer in zip(commands, answers, strict=True):
        if answer.code not in {Code.OK, Code.EXISTS, Code.ENDED, Code.UNKNOWN_HOLD, Code.NOT_DUE}:
            _log.error("housekeeping_refused", type=command.type, event_id=command.event_id, code=answer.code.name)
