"""Alerts: raised once however often and on however many nodes the cause is seen, and told to every sink once.

An alert is an event of the platform's lane; the account that counts the events of its kind and subject is odd while it
is raised, so the ledger decides whose is the one. Telling is a duty of one node at a time, from the log: what a node
that died had not told yet the next one tells.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, Protocol

import msgspec
import structlog

from adapters.ids import new_id
from adapters.postgres.errors import AWAY
from app.routing import platform
from domain.ids import PLATFORM
from domain.ledger.commands import Code
from domain.ports import LedgerUnavailableError
from domain.routing.events import AlertRaised, AlertResolved, Severity
from projections.base import live

if TYPE_CHECKING:
    import datetime as dt

    import asyncpg

    from domain.ports import Ledger

    Pool = asyncpg.Pool[asyncpg.Record]

_RETRY_SECONDS: Final = 1.0
_QUEUE_MAX: Final = 1_000
_TELL_ATTEMPTS: Final = 3
_TELL_SECONDS: Final = 20.0
_AWAY: Final = (*AWAY, LedgerUnavailableError)

_log = structlog.get_logger(__name__)


class Alert(msgspec.Struct, frozen=True, kw_only=True):
    """An alert as it stands."""

    id: str
    kind: str
    subject: str
    title: str
    severity: str
    raised_at: "dt.datetime"
    resolved_at: "dt.datetime | None"
    resolved_title: str | None


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """What a sink is told: that an alert was raised, or that it is over."""

    event: str
    """`alert.raised` or `alert.resolved`."""
    kind: str
    subject: str
    title: str
    severity: str
    at: "dt.datetime"


class Sink(Protocol):
    """One place where people look."""

    name: str
    """Tells it from the others, and holds no secret."""

    async def tell(self, notice: Notice) -> None:
        """Deliver; whatever it raises is tried again."""


class LogSink:
    """The log of the node that has the duty."""

    name = "log"

    async def tell(self, notice: Notice) -> None:
        """Write a line."""
        said = {"kind": notice.kind, "subject": notice.subject, "title": notice.title}
        if notice.event == "alert.raised":
            _log.error("alert_raised", **said, severity=notice.severity)
        else:
            _log.warning("alert_resolved", **said)


class _Wanted(msgspec.Struct, frozen=True):
    kind: str
    subject: str
    title: str
    severity: Severity | None
    """None resolves it."""


class Alerts:
    """Raises and resolves; the callers never wait."""

    def __init__(self, ledger: "Ledger", pool: "Pool", *, node: str) -> None:
        """Take where alerts are written."""
        self._ledger = ledger
        self._pool = pool
        self._node = node
        self._queue: deque[_Wanted] = deque(maxlen=_QUEUE_MAX)
        self._open: set[tuple[str, str]] = set()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin."""
        self._task = asyncio.create_task(self._run(), name="alerts")

    async def stop(self) -> None:
        """End."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def raise_(self, kind: str, subject: str, title: str, severity: Severity = "critical") -> None:
        """Want an alert raised: nothing happens if this node knows that it is."""
        if (kind, subject) not in self._open:
            self._open.add((kind, subject))
            self._want(_Wanted(kind, subject, title, severity))

    def resolve(self, kind: str, subject: str, title: str) -> None:
        """Want an alert resolved: nothing happens if it is not raised."""
        self._open.discard((kind, subject))
        self._want(_Wanted(kind, subject, title, None))

    def is_open(self, kind: str, subject: str) -> bool:
        """Say whether this node has raised an alert that it has not seen resolved."""
        return (kind, subject) in self._open

    @property
    def waiting(self) -> int:
        """How many alerts are wanted and not written yet."""
        return len(self._queue)

    async def open_alerts(self) -> list[Alert]:
        """Give what is raised at the moment; also learns which alerts other nodes have resolved."""
        found = [alert for alert in await listed(self._pool, limit=500) if alert.resolved_at is None]
        queued = {(each.kind, each.subject) for each in self._queue}
        self._open = {(alert.kind, alert.subject) for alert in found} | queued
        return found

    def _want(self, wanted: _Wanted) -> None:
        self._queue.append(wanted)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._queue:
                try:
                    await self._write(self._queue[0])
                    self._queue.popleft()
                except _AWAY as error:
                    _log.warning("alert_delayed", error=type(error).__name__)
                    await asyncio.sleep(_RETRY_SECONDS)

    async def _write(self, wanted: _Wanted) -> None:
        owner = f"alert:{wanted.kind}:{wanted.subject}"
        count: int = (
            await self._pool.fetchval(
                "SELECT posted FROM ledger.account WHERE account_id = $1 AND tenant_id = $2 AND lane = $3",
                platform.counter(owner),
                PLATFORM,
                platform.LANE,
            )
            or 0
        )
        if (count % 2 == 1) == (wanted.severity is not None):
            return
        event: AlertRaised | AlertResolved
        if wanted.severity is not None:
            event = AlertRaised(
                kind=wanted.kind,
                subject=wanted.subject,
                title=wanted.title,
                severity=wanted.severity,
                node=self._node,
            )
        else:
            event = AlertResolved(kind=wanted.kind, subject=wanted.subject, title=wanted.title, node=self._node)
        sent = platform.command(event, event_id=new_id(), actor="system:alerts", owner=owner, version=count + 1)
        answer = await platform.submit(self._ledger, self._pool, sent)
        if not answer.accepted and answer.code not in {Code.VERSION, Code.UNKNOWN_ACCOUNT}:
            _log.error("alert_refused", kind=wanted.kind, code=answer.code.name)


async def listed(pool: "Pool", *, limit: int = 100) -> list[Alert]:
    """Give alerts: those that are raised first, then the newest."""
    rows = await pool.fetch(
        "SELECT event_id AS id, kind, subject, title, severity, raised_at, resolved_at, resolved_title"  # noqa: S608 -- constants only
        f" FROM routing.alert WHERE tenant_id = $1 AND generation = {live('routing')}"
        " ORDER BY resolved_at IS NOT NULL, raised_at DESC LIMIT $2",
        PLATFORM,
        limit,
    )
    return [Alert(**dict(row)) for row in rows]


_UNTOLD: Final = f"""
SELECT n.position, n.event, n.kind, n.subject, n.title, n.severity, n.at FROM (
    SELECT position, 'alert.raised' AS event, kind, subject, title, severity, raised_at AS at, generation, tenant_id
    FROM routing.alert
    UNION ALL
    SELECT resolved_position, 'alert.resolved', kind, subject, resolved_title, severity, resolved_at, generation,
        tenant_id
    FROM routing.alert WHERE resolved_at IS NOT NULL
) AS n
WHERE n.tenant_id = $1 AND n.generation = {live("routing")} AND n.at > now() - interval '1 day'
    AND NOT EXISTS (SELECT FROM routing.alert_told AS t WHERE t.position = n.position AND t.sink = $2)
ORDER BY n.position LIMIT 50
"""  # noqa: S608 -- constants only


class Teller:
    """Tells the sinks what the log says; one node at a time has this duty."""

    def __init__(self, pool: "Pool", sinks: Sequence[Sink], *, clock: Callable[[], float]) -> None:
        """Take where alerts stand, and who is to hear of them."""
        self._pool = pool
        self._sinks = sinks
        self._clock = clock
        self._failures: dict[tuple[int, str], tuple[int, float]] = {}

    async def tell(self) -> int:
        """Tell each sink what it has not heard; give how much that was."""
        told = await asyncio.gather(*(self._tell(sink) for sink in self._sinks))
        return sum(told)

    async def _tell(self, sink: Sink) -> int:
        told = 0
        for row in await self._pool.fetch(_UNTOLD, PLATFORM, sink.name):
            notice = Notice(**{name: row[name] for name in ("event", "kind", "subject", "title", "severity", "at")})
            key = (row["position"], sink.name)
            tries, again_at = self._failures.get(key, (0, 0.0))
            if self._clock() < again_at:
                # In order, so that nobody hears of the recovery before the outage.
                break
            error = await self._try(sink, notice)
            if error and tries + 1 < _TELL_ATTEMPTS:
                self._failures[key] = (tries + 1, self._clock() + 2.0 ** (tries + 1))
                break
            self._failures.pop(key, None)
            await self._pool.execute(
                "INSERT INTO routing.alert_told (position, sink, error) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
                *key,
                error,
            )
            told += not error
        return told

    async def _try(self, sink: Sink, notice: Notice) -> str:
        """Deliver, or give what went wrong: by its class alone, for the text may hold the sink's secrets."""
        try:
            async with asyncio.timeout(_TELL_SECONDS):
                await sink.tell(notice)
        except Exception as error:  # noqa: BLE001 -- whatever a sink does, the others are told
            _log.warning("alert_not_told", sink=sink.name, kind=notice.kind, error=type(error).__name__)
            return type(error).__name__
        return ""
