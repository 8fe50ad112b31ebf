"""/api/system: the nodes of the installation, what they run, how they were, and the database."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Final

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler
from litestar.params import QueryParameter

from adapters.postgres.row_security import owner_of
from app.api.call import Call, ThisCall, route
from app.api.permissions import Permission
from app.jobs import Job
from app.node import PoolUse, Vitals
from app.reports.health import DatabaseState, Node, config_position, read_database, read_nodes, read_samples
from app.version import VERSION

SILENT_SECONDS: Final = 30
"""A node that has said nothing for so long is not there."""
_Hours = Annotated[int, QueryParameter(name="hours", ge=1, le=48)]


class NodeView(msgspec.Struct, frozen=True, kw_only=True):
    """A process of the installation, as it said itself a few seconds ago."""

    node: str
    host: str
    pid: int
    version: str
    python: str
    started_at: dt.datetime
    seen_at: dt.datetime
    silent: bool
    """It has said nothing for half a minute: it has died, or cannot reach the database."""
    config_position: int
    config_behind: int
    """How many events of the platform's lane its configuration is behind."""
    config_fresh: bool
    pool: PoolUse
    cpu_permille: int
    """Of one core."""
    resident_bytes: int
    loop_lag_milliseconds: int
    requests_running: int
    journal_holds: int
    journal_bytes: int
    ledger_available: bool
    jobs: tuple[Job, ...]


class SystemView(msgspec.Struct, frozen=True, kw_only=True):
    """What the installation is made of."""

    at: dt.datetime
    version: str
    config_position: int
    nodes: tuple[NodeView, ...]
    database: DatabaseState


@get("/system", **route(Permission.SYSTEM_READ, "getSystem", "Nodes, their jobs, and the database"))
async def system(call: ThisCall) -> SystemView:
    return await system_of(call)


async def system_of(call: Call) -> SystemView:
    """Look at the nodes and the database."""
    pool, now = owner_of(call.api.pool), call.api.clock()
    head = await config_position(pool)
    return SystemView(
        at=now,
        version=VERSION,
        config_position=head,
        nodes=tuple(_node(node, now, head) for node in await read_nodes(pool)),
        database=await read_database(pool),
    )


def _node(node: Node, now: dt.datetime, head: int) -> NodeView:
    report = node.report
    # One that does not serve has no configuration that could be old, and owes the log nothing.
    vitals = report.vitals or Vitals(
        config_position=head,
        config_fresh=True,
        requests_running=0,
        journal_bytes=0,
        journal_bytes_max=0,
        journal_holds=0,
        ledger_available=True,
    )
    return NodeView(
        node=node.node,
        host=report.host,
        pid=report.pid,
        version=report.version,
        python=report.python,
        started_at=node.started_at,
        seen_at=node.seen_at,
        silent=now - node.seen_at > dt.timedelta(seconds=SILENT_SECONDS),
        config_position=vitals.config_position,
        config_behind=max(0, head - vitals.config_position),
        config_fresh=vitals.config_fresh,
        pool=report.pool,
        cpu_permille=report.cpu_permille,
        resident_bytes=report.resident_bytes,
        loop_lag_milliseconds=report.loop_lag_milliseconds,
        requests_running=vitals.requests_running,
        journal_holds=vitals.journal_holds,
        journal_bytes=vitals.journal_bytes,
        ledger_available=vitals.ledger_available,
        jobs=report.jobs,
    )


class SampleView(msgspec.Struct, frozen=True, kw_only=True):
    """How a node was in a step of time."""

    at: dt.datetime
    node: str
    cpu_permille: int
    """On average."""
    resident_bytes: int
    """At most, as is what follows."""
    loop_lag_milliseconds: int
    pool_used: int
    pool_size: int
    requests_running: int
    settle_milliseconds: int
    """The longest that the end of a request took into the ledger."""


class SamplesView(msgspec.Struct, frozen=True, kw_only=True):
    """How nodes were over time; a step that a node was not there for has no row."""

    step_seconds: int
    rows: tuple[SampleView, ...]


@get("/system/samples", **route(Permission.SYSTEM_READ, "getSystemSamples", "How nodes were over the last hours"))
async def samples(call: ThisCall, hours: _Hours = 6) -> SamplesView:
    # At most 288 steps for each node.
    step = dt.timedelta(minutes=max(1, hours * 60 // 288))
    since = call.api.clock() - dt.timedelta(hours=hours)
    rows = await read_samples(owner_of(call.api.pool), since, step)
    return SamplesView(step_seconds=int(step.total_seconds()), rows=tuple(SampleView(**dict(row)) for row in rows))


ROUTES: Sequence[BaseRouteHandler] = (system, samples)
