"""Checks one lane: the log against itself, against its accounts and holds, and against its sealed blocks.

Most of it is read page by page with no snapshot, for what is committed never changes; only the last stretch is read in
one snapshot with the rows that it has to agree with. So a long lane holds no snapshot for long, on a live system or on
a standby, and can be broken off and gone on with.
"""

import datetime as dt
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final

import msgspec

from adapters.postgres import seals
from adapters.postgres.event_reader import LaneHead
from app.verification.state import LaneProgress
from domain import verification
from domain.errors import TallygateError
from domain.events import decode
from domain.proof.checks import LaneSeals, StoredBlock
from domain.verification import BEGINNING, FINDINGS_MAX, AccountRow, Finding, HoldRow, LaneCheck

if TYPE_CHECKING:
    import asyncpg

    from adapters.postgres.seals import Connection, EventRow

PAGE_EVENTS: Final = 2000
TAIL_EVENTS: Final = 4000
"""As much may be left for the snapshot at the end."""
_CHASES_MAX: Final = 4
"""After so many rounds behind a lane that grows as fast as it is read, the rest is read in the snapshot."""
_BLOCKS: Final = 16

_ACCOUNTS: Final = """
SELECT account_id::text, name, posted, held, opened_at, expires_at, purge_at, pool_id::text, credit_line, priority,
    pool_floor
FROM ledger.account WHERE tenant_id = $1 AND lane = $2
"""

_HOLDS: Final = "SELECT hold_id::text, accounts::text[], amounts FROM ledger.hold WHERE tenant_id = $1 AND lane = $2"


class LaneRun:
    """One lane under check."""

    def __init__(
        self, connection: "Connection", lane: LaneHead, progress: LaneProgress | None, on_page: Callable[[], None]
    ) -> None:
        """Begin, or go on; `on_page` is called after each page, when `progress` can be kept."""
        self._connection = connection
        self._where = (lane.tenant_id, lane.lane)
        self._before = progress
        self._on_page = on_page
        self._check = LaneCheck(*self._where, {}, progress.check if progress is not None else BEGINNING)
        self._seals = LaneSeals(*self._where)
        self._blocks: deque[StoredBlock] = deque()
        self.unsealed_since: int | None = None

    @property
    def events(self) -> int:
        """How many events were checked."""
        return self._check.position

    @property
    def sealed(self) -> int:
        """How many of them are as they were sealed."""
        return self._seals.sealed + (self._before.sealed if self._before is not None else 0)

    @property
    def findings(self) -> list[Finding]:
        """What was found."""
        return self._check.findings + self._seal_findings()

    def progress(self) -> LaneProgress:
        """Give what it takes to go on from here."""
        return LaneProgress(*self._where, self._check.state(), self.sealed, tuple(self._seal_findings()))

    async def run(self) -> None:
        """Check the whole lane as it is by the end."""
        if self._check.position:
            tip = await seals.read_tip_before(self._connection, *self._where, self._check.position)
            self._seals = LaneSeals(*self._where, tip, self._check.position)
        for chase in range(_CHASES_MAX + 1):
            async with self._connection.transaction(isolation="repeatable_read", readonly=True):
                row = await self._connection.fetchrow(
                    "SELECT head, last_at FROM ledger.lane WHERE tenant_id = $1 AND lane = $2", *self._where
                )
                assert row is not None
                self._check.refresh(_accounts(await self._connection.fetch(_ACCOUNTS, *self._where)))
                if row["head"] - self._check.position <= TAIL_EVENTS or chase == _CHASES_MAX:
                    await self._finish(row)
                    return
            await self._events(up_to=row["head"])

    async def _finish(self, row: "asyncpg.Record") -> None:
        await self._events(up_to=2**62)
        holds = [HoldRow(*hold) for hold in await self._connection.fetch(_HOLDS, *self._where)]
        self._check.finish(head=row["head"], last_at=row["last_at"], holds=holds)
        rest = list(self._blocks)
        while len(rest) < FINDINGS_MAX and (more := await self._next_blocks(rest[-1] if rest else None)):
            rest += more
        self._seals.finish(rest)

    async def _events(self, *, up_to: int) -> None:
        while page := await seals.read_events(
            self._connection, *self._where, self._check.position, up_to=up_to, limit=PAGE_EVENTS
        ):
            exhausted = False
            for row in page:
                while not exhausted and self._seals.wants_block(row.record.position):
                    exhausted = not await self._hand_in_block()
                self._event(row)
            self._on_page()

    async def _hand_in_block(self) -> bool:
        if not self._blocks:
            self._blocks.extend(await self._next_blocks(None))
        if not self._blocks:
            return False
        self._seals.block(self._blocks.popleft())
        return True

    async def _next_blocks(self, last: StoredBlock | None) -> list[StoredBlock]:
        after = last.block.number if last is not None else self._seals.tip.number
        return await seals.read_blocks(self._connection, *self._where, after, _BLOCKS)

    def _event(self, row: "EventRow") -> None:
        record = row.record
        self._check.event(_decoded(row))
        self._seals.event(record.position, row.leaf)
        if self._seals.wants_block(record.position):
            since = self.unsealed_since
            self.unsealed_since = record.recorded_at if since is None else min(since, record.recorded_at)

    def _seal_findings(self) -> list[Finding]:
        before = list(self._before.seal_findings) if self._before is not None else []
        now = [Finding(*each[:3], "seal", each.message) for each in self._seals.findings]
        return (before + now)[:FINDINGS_MAX]


def _accounts(rows: Iterable["asyncpg.Record"]) -> Mapping[str, AccountRow]:
    return {row["account_id"]: AccountRow(**{name: _aware(value) for name, value in row.items()}) for row in rows}


def _aware(value: Any) -> Any:
    # asyncpg gives PostgreSQL's infinity as the largest datetime there is, without a zone.
    return value.replace(tzinfo=dt.UTC) if isinstance(value, dt.datetime) and value.tzinfo is None else value


def _decoded(row: "EventRow") -> verification.LoggedEvent:
    event, value = row.record, None
    same_length = len(event.account_ids) == len(event.posted) == len(event.held)
    if row.leaf is not None and same_length:
        try:
            value = decode(event.type, event.data)
        except (msgspec.DecodeError, TallygateError, UnicodeDecodeError):
            # The check reports it, with its position.
            value = None
    try:
        recorded_at = seals.time_of(event.recorded_at)
    except OverflowError:
        recorded_at = dt.datetime.max.replace(tzinfo=dt.UTC)
    return verification.LoggedEvent(
        event.position,
        event.type,
        value,
        recorded_at,
        [uuid_text(account) for account in event.account_ids] if same_length else (),
        event.posted if same_length else (),
        event.held if same_length else (),
    )


def uuid_text(uuid_bytes: bytes) -> str:
    """Give an id as text; many times as fast as the standard library's class."""
    text = uuid_bytes.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"
