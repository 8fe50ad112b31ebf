"""/api/alerts/...: where alerts are told, what was told to whom, and a test."""

import asyncio
import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody, QueryParameter

from adapters.postgres.row_security import owner_of
from app.api.call import Call, Limit, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Body, Listing
from app.routing.alerts import Notice, Sink
from domain.ids import PLATFORM
from projections.base import live

_TEST_SECONDS: Final = 20.0
_SINKS_SINCE: Final = dt.timedelta(days=30)
_After = Annotated[
    str | None, QueryParameter(name="after", pattern=r"^[0-9]{1,18}$", description="`next` of the part before.")
]

# A position of the log is that of the event which raised or resolved an alert; deliveries come in that order.
_DELIVERIES: Final = f"""
SELECT t.position, t.sink, t.told_at, t.error, a.event_id AS alert_id, a.kind, a.subject,
    CASE WHEN a.position = t.position THEN a.title ELSE a.resolved_title END AS title,
    CASE WHEN a.position = t.position THEN 'alert.raised' ELSE 'alert.resolved' END AS event, a.severity
FROM routing.alert_told AS t
JOIN routing.alert AS a ON a.tenant_id = $1 AND a.generation = {live("routing")}
    AND (a.position = t.position OR a.resolved_position = t.position)
WHERE ($2::bigint IS NULL OR t.position < $2) AND ($3::text IS NULL OR t.sink = $3)
    AND ($4::boolean IS NULL OR (t.error <> '') = $4)
ORDER BY t.position DESC, t.sink LIMIT $5
"""  # noqa: S608 -- constants only

_BY_SINK: Final = """
SELECT sink, count(*) FILTER (WHERE error = '') AS told, count(*) FILTER (WHERE error <> '') AS failed,
    max(told_at) FILTER (WHERE error = '') AS last_told_at
FROM routing.alert_told WHERE told_at >= $1 GROUP BY sink
"""


class SinkView(msgspec.Struct, frozen=True, kw_only=True):
    """A place where alerts are told. Its address is no part of its name, for it may hold a password."""

    name: str
    """The kind, and a few characters that tell it from others: `webhook:1f2e3d4c5b6a`."""
    configured: bool
    """Whether it is among the settings of this server now; else it was told earlier."""
    told: int
    """In the last 30 days."""
    failed: int
    """Given up after three attempts, in the last 30 days."""
    last_told_at: dt.datetime | None


class Sinks(msgspec.Struct, frozen=True, kw_only=True):
    """Where alerts are told, the log first."""

    items: tuple[SinkView, ...]


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An alert that was told, or could not be, to one place."""

    position: int
    sink: str
    at: dt.datetime
    error: str
    """The class of what went wrong; empty if it was told."""
    alert_id: str
    event: str
    """`alert.raised` or `alert.resolved`."""
    kind: str
    subject: str
    title: str
    severity: str


class TestAsked(Body, frozen=True, kw_only=True):
    """Where to tell a test; everywhere if left out."""

    __test__ = False  # no test, whatever pytest thinks of the name

    sink: Annotated[str, msgspec.Meta(max_length=100)] | None = None


class TestResult(msgspec.Struct, frozen=True, kw_only=True):
    """How telling a test went."""

    __test__ = False

    sink: str
    told: bool
    error: str
    """The class of what went wrong; empty if it was told."""


class TestResults(msgspec.Struct, frozen=True, kw_only=True):
    """For each place."""

    __test__ = False

    items: tuple[TestResult, ...]


def _sinks(call: Call) -> Sequence[Sink]:
    if call.api.routing is None:
        raise ApiError("unavailable")
    return call.api.routing.sinks


@get("/alerts/sinks", **route(Permission.ROUTING_READ, "listAlertSinks", "Where alerts are told, and how that went"))
async def list_sinks(call: ThisCall) -> Sinks:
    configured = [sink.name for sink in _sinks(call)]
    rows = await owner_of(call.api.pool).fetch(_BY_SINK, call.api.clock() - _SINKS_SINCE)
    found = {row["sink"]: row for row in rows}
    names = [*configured, *sorted(found.keys() - set(configured))]
    return Sinks(
        items=tuple(
            SinkView(
                name=name,
                configured=name in configured,
                told=found[name]["told"] if name in found else 0,
                failed=found[name]["failed"] if name in found else 0,
                last_told_at=found[name]["last_told_at"] if name in found else None,
            )
            for name in names
        )
    )


@get(
    "/alerts/deliveries",
    **route(Permission.ROUTING_READ, "listAlertDeliveries", "What was told to whom, the latest first"),
)
async def deliveries(
    call: ThisCall,
    *,
    sink: Annotated[str | None, QueryParameter(max_length=100)] = None,
    failed: Annotated[bool | None, QueryParameter(description="Only those that failed, or that did not.")] = None,
    after: _After = None,
    limit: Limit = 50,
) -> Listing[Delivery]:
    before = int(after) if after is not None else None
    rows = await owner_of(call.api.pool).fetch(_DELIVERIES, PLATFORM, before, sink, failed, limit + 1)
    part = list(rows[:limit])
    following = None
    if len(rows) > limit:
        # What was told to several at once stays together.
        last = rows[limit]["position"]
        part = [row for row in part if row["position"] != last] or part
        following = str(part[-1]["position"])
    return Listing(
        items=tuple(
            Delivery(
                position=row["position"],
                sink=row["sink"],
                at=row["told_at"],
                error=row["error"],
                alert_id=row["alert_id"],
                event=row["event"],
                kind=row["kind"],
                subject=row["subject"],
                title=row["title"],
                severity=row["severity"],
            )
            for row in part
        ),
        next=following,
    )


@post(
    "/alerts/test",
    status_code=200,
    **route(Permission.SYSTEM_WRITE, "testAlerts", "Tell a test, to see whether it arrives", 404),
)
async def test_alerts(call: ThisCall, data: JSONBody[TestAsked]) -> TestResults:
    chosen = [sink for sink in _sinks(call) if data.sink in {None, sink.name}]
    if not chosen:
        raise ApiError("not_found", "Alerts are told to no such place: /api/alerts/sinks lists them.")
    notice = Notice(
        event="alert.raised",
        kind="test",
        subject=call.principal.user.login,
        title=f"A test, asked for by {call.principal.user.login}: nothing is wrong.",
        severity="warning",
        at=call.api.clock(),
    )
    return TestResults(items=tuple(await asyncio.gather(*(_tell(sink, notice) for sink in chosen))))


async def _tell(sink: Sink, notice: Notice) -> TestResult:
    try:
        async with asyncio.timeout(_TEST_SECONDS):
            await sink.tell(notice)
    except Exception as error:  # noqa: BLE001 -- whatever a sink does; by its class alone, for the text may hold secrets
        return TestResult(sink=sink.name, told=False, error=type(error).__name__)
    return TestResult(sink=sink.name, told=True, error="")


ROUTES: Sequence[BaseRouteHandler] = (list_sinks, deliveries, test_alerts)
