"""/api/ledger and /api/system: whether the books are sound and keep up, what runs, and on what."""

import datetime as dt
import os
import platform
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Annotated, Any, Final, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter

from adapters.postgres.row_security import owner_of
from app.api.call import NO_STORE, Call, Limit, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Amount, Body, Listing
from app.jobs import Job
from app.node import PoolUse
from app.parked import retry_parked
from app.projections import PROJECTIONS
from app.reports.health import (
    DatabaseState,
    LedgerHealth,
    Node,
    config_position,
    read_database,
    read_health,
    read_nodes,
    read_samples,
)
from app.runs import Run, RunKind, Runs
from app.settings import SETTINGS
from app.version import VERSION
from domain.admin.events import ParkedRetried, RunStarted
from domain.admin.settings import SETTINGS as STORED_SETTINGS
from domain.ids import PLATFORM, EntityId, Lane, TenantId
from domain.money import format_amount

SILENT_SECONDS: Final = 30
"""A node that has said nothing for so long is not there."""
_Hours = Annotated[int, QueryParameter(name="hours", ge=1, le=48)]

CHECKS: Final[Mapping[str, str]] = {
    "readable": "Every event can be read.",
    "positions": "The positions of each lane are 1 to its head, without a gap.",
    "time": "Recorded time rises in each lane.",
    "terminals": "No request ends twice, and none ends that did not begin.",
    "accounts": "What accounts have posted and held is what the log says.",
    "holds": "Open holds are those that the log has not ended.",
    "postings": "The postings of each event add up to zero.",
    "price": "Each charge, priced again from its factors, comes to what was charged.",
    "overrun": "What was charged beyond a hold is what is flagged as that.",
    "burn_order": "Grants burn in their order.",
    "expiry": "No credit burns after it has expired, unless it was held before.",
    "wallet": "What is left of the grants adds up to the balance.",
    "floor": "No account is below its floor by more than flagged overruns.",
    "projection": "Folding the log gives each read model as it is, byte for byte.",
    "seal": "Sealed history is as it was sealed.",
}

# ---- The books


class Disagreement(msgspec.Struct, frozen=True, kw_only=True):
    """Something that must not be."""

    tenant_id: TenantId
    lane: int
    position: int
    """Of the event at which it shows first."""
    check: str
    message: str


class RunView(msgspec.Struct, frozen=True, kw_only=True):
    """A verification of the books, or a projection that is made again."""

    id: str
    kind: Literal["verification", "rebuild"]
    projection: str | None
    """That is rebuilt; null for a verification."""
    state: Literal["running", "done", "failed", "cancelled", "lost"]
    """`lost`: the node that ran it has died."""
    asked_by: str
    asked_at: dt.datetime
    node: str
    ended_at: dt.datetime | None
    part: str
    """What it is at: `ledger`, `seals`, or a projection."""
    done: int
    total: int
    """Events, each counted once for each part."""
    error: str
    clean: bool | None
    """Of a verification that is done: whether nothing was found."""
    events: int | None
    seconds: float | None
    findings: tuple[Disagreement, ...]
    """The first thousand."""
    findings_total: int
    notes: tuple[str, ...]
    """What could not be compared, and why."""


class CheckView(msgspec.Struct, frozen=True, kw_only=True):
    """An invariant, and what the last verification found of it."""

    check: str
    meaning: str
    findings: int | None
    """Among the first thousand of the last verification; null before the first one."""
    checked_at: dt.datetime | None


class ProjectionView(msgspec.Struct, frozen=True, kw_only=True):
    """A read model, and how far it is behind the log."""

    name: str
    generation: int
    version: int
    events_behind: int
    lanes_behind: int
    parked: int
    """Lanes that stand still at an event that cannot be folded."""
    filling: int | None
    """The generation that is being filled beside it."""
    filled: int
    """Events that are in that one; it takes over at `events` of the log."""


class ParkedView(msgspec.Struct, frozen=True, kw_only=True):
    """A lane that stands still in a projection."""

    projection: str
    tenant_id: TenantId
    lane: int
    position: int
    """Of the event that cannot be folded."""
    error: str
    since: dt.datetime | None


class HoldAges(msgspec.Struct, frozen=True, kw_only=True):
    """Open holds of an age."""

    seconds_from: int
    seconds_to: int | None
    """Null: any age beyond."""
    holds: int
    held: Amount


class HourOfExpiries(msgspec.Struct, frozen=True, kw_only=True):
    """Holds that expired in an hour, for nobody had ended them."""

    at: dt.datetime
    expired: int


class SealsView(msgspec.Struct, frozen=True, kw_only=True):
    """How far history is sealed."""

    number: int | None
    """Of the last seal; null before the first."""
    sealed_at: dt.datetime | None
    unsealed: int
    unsealed_since: dt.datetime | None
    """When the oldest of the events that are not sealed was recorded."""


class JournalView(msgspec.Struct, frozen=True, kw_only=True):
    """What a node owes the log, for PostgreSQL was away."""

    node: str
    holds: int
    bytes: int
    bytes_max: int


class LedgerHealthView(msgspec.Struct, frozen=True, kw_only=True):
    """How the books are kept: everything that can be told without reading all of them."""

    at: dt.datetime
    lanes: int
    events: int
    checks: tuple[CheckView, ...]
    verification: RunView | None
    """The last that came to its end."""
    running: tuple[RunView, ...]
    projections: tuple[ProjectionView, ...]
    parked: tuple[ParkedView, ...]
    """At most five hundred."""
    holds: tuple[HoldAges, ...]
    holds_open: int
    holds_overdue: int
    """Past their deadline, and not ended yet."""
    oldest_hold_seconds: int | None
    expired: tuple[HourOfExpiries, ...]
    """Of the last 24 hours; an hour without any is not there."""
    seals: SealsView
    journals: tuple[JournalView, ...]


@get("/ledger/health", **route(Permission.SYSTEM_READ, "getLedgerHealth", "Whether the books are sound and keep up"))
async def ledger_health(call: ThisCall) -> LedgerHealthView:
    return await _health(call)


async def _health(call: Call) -> LedgerHealthView:
    pool, now = owner_of(call.api.pool), call.api.clock()
    found = await read_health(pool, now)
    runs = call.api.runs
    last = await runs.last_verification() if runs is not None else None
    running = [run for run in await runs.list() if run.state == "running"] if runs is not None else []
    verification = _run(last) if last is not None else None
    return LedgerHealthView(
        at=now,
        lanes=found.lanes,
        events=found.events,
        checks=tuple(_check(name, meaning, verification) for name, meaning in CHECKS.items()),
        verification=verification,
        running=tuple(_run(run) for run in running),
        projections=tuple(ProjectionView(**msgspec.structs.asdict(each)) for each in found.projections),
        parked=tuple(
            ParkedView(
                projection=each.projection,
                tenant_id=TenantId(each.tenant_id),
                lane=each.lane,
                position=each.position,
                error=each.error,
                since=each.since,
            )
            for each in found.parked
        ),
        holds=tuple(
            HoldAges(
                seconds_from=each.seconds_from,
                seconds_to=each.seconds_to,
                holds=each.holds,
                held=format_amount(each.held_nanos),
            )
            for each in found.holds
        ),
        holds_open=sum(each.holds for each in found.holds),
        holds_overdue=found.holds_overdue,
        oldest_hold_seconds=_whole(found.oldest_hold_seconds),
        expired=tuple(HourOfExpiries(at=at, expired=count) for at, count in found.expired),
        seals=_seals(found),
        journals=tuple(
            JournalView(
                node=node.node,
                holds=node.report.vitals.journal_holds,
                bytes=node.report.vitals.journal_bytes,
                bytes_max=node.report.vitals.journal_bytes_max,
            )
            for node in await read_nodes(pool)
        ),
    )


def _check(name: str, meaning: str, last: RunView | None) -> CheckView:
    return CheckView(
        check=name,
        meaning=meaning,
        findings=sum(finding.check == name for finding in last.findings) if last is not None else None,
        checked_at=last.ended_at if last is not None else None,
    )


def _seals(found: LedgerHealth) -> SealsView:
    return SealsView(
        number=found.seal_number,
        sealed_at=found.sealed_at,
        unsealed=found.unsealed,
        unsealed_since=found.unsealed_since,
    )


def _whole(seconds: float | None) -> int | None:
    return round(seconds) if seconds is not None else None


def _run(run: Run) -> RunView:
    result: dict[str, Any] = msgspec.json.decode(run.result) if run.result is not None else {}
    rebuilt = result.get("rebuilt") or [{}]
    findings = result.get("findings", [])
    return RunView(
        id=run.run_id,
        kind=run.kind,
        projection=run.subject or None,
        state=run.state,
        asked_by=run.asked_by,
        asked_at=run.asked_at,
        node=run.node,
        ended_at=run.ended_at,
        part=run.part,
        done=run.done,
        total=run.total,
        error=run.error,
        clean=result.get("clean"),
        events=result.get("events", rebuilt[0].get("events")),
        seconds=result.get("seconds", rebuilt[0].get("seconds")),
        findings=tuple(Disagreement(**each) for each in findings),
        findings_total=result.get("findings_total", 0),
        notes=tuple(result.get("notes", ())),
    )


# ---- Verifications and rebuilds


class RebuildAsked(Body, frozen=True, kw_only=True):
    """Which projection is to be made again from the log, while everything runs."""

    projection: Annotated[str, msgspec.Meta(min_length=1, max_length=40)]


def _runs(call: Call) -> Runs:
    if call.api.runs is None:
        raise ApiError("unavailable", "Nothing can be run here.")
    return call.api.runs


async def _start(call: Call, kind: RunKind, subject: str) -> Response[RunView]:
    run_id = call.api.ids()
    run = await _runs(call).start(run_id, kind, subject, actor=call.principal.actor)
    await call.api.administration.note(
        RunStarted(run_id=EntityId(run_id), kind=kind, projection=subject),
        actor=call.principal.actor,
        correlation_id=call.correlation_id,
    )
    return Response(_run(run), status_code=202, headers=dict(NO_STORE))


@post(
    "/ledger/verifications",
    status_code=202,
    **route(Permission.SYSTEM_WRITE, "startVerification", "Prove the books right, or name what is wrong", 409),
)
async def start_verification(call: ThisCall) -> Response[RunView]:
    return await _start(call, "verification", "")


@post(
    "/ledger/rebuilds",
    status_code=202,
    **route(Permission.SYSTEM_WRITE, "startRebuild", "Make a projection again from the log", 404, 409),
)
async def start_rebuild(call: ThisCall, data: JSONBody[RebuildAsked]) -> Response[RunView]:
    if data.projection not in {projection.name for projection in PROJECTIONS}:
        raise ApiError("not_found", "There is no such projection: /api/ledger/health lists them.")
    return await _start(call, "rebuild", data.projection)


@get("/ledger/runs", **route(Permission.SYSTEM_READ, "listRuns", "Verifications and rebuilds, the latest first"))
async def list_runs(
    call: ThisCall, *, kind: FromQuery[Literal["verification", "rebuild"] | None] = None, limit: Limit = 20
) -> Listing[RunView]:
    found = await _runs(call).list(kind=kind, limit=limit)
    return Listing(items=tuple(_run(run) for run in found), next=None)


@get("/ledger/runs/{run_id:str}", **route(Permission.SYSTEM_READ, "getRun", "How far a run is, and what it found", 404))
async def read_run(call: ThisCall, run_id: FromPath[str]) -> RunView:
    found = await _runs(call).get(run_id)
    if found is None:
        raise ApiError("not_found")
    return _run(found)


@post(
    "/ledger/runs/{run_id:str}/cancel",
    status_code=202,
    **route(Permission.SYSTEM_WRITE, "cancelRun", "End a run; a rebuild goes on from there the next time", 404),
)
async def cancel_run(call: ThisCall, run_id: FromPath[str]) -> RunView:
    found = await _runs(call).cancel(run_id)
    if found is None:
        raise ApiError("not_found")
    return _run(found)


class RetryAsked(Body, frozen=True, kw_only=True):
    """Which parked lanes are to try again; all if nothing is named."""

    projection: Annotated[str, msgspec.Meta(min_length=1, max_length=40)] | None = None
    tenant_id: TenantId | None = None
    lane: Annotated[int, msgspec.Meta(ge=1, le=2**53 - 1)] | None = None


class Retried(msgspec.Struct, frozen=True, kw_only=True):
    """How many lanes try again; one whose event still cannot be folded parks again."""

    lanes: int


@post(
    "/ledger/parked/retry",
    status_code=200,
    **route(Permission.SYSTEM_WRITE, "retryParked", "Let lanes try again that stand still in a projection", 404),
)
async def retry(call: ThisCall, data: JSONBody[RetryAsked]) -> Retried:
    if data.projection is not None and data.projection not in {projection.name for projection in PROJECTIONS}:
        raise ApiError("not_found", "There is no such projection: /api/ledger/health lists them.")
    lane = Lane(data.lane) if data.lane is not None else None
    lanes = await retry_parked(owner_of(call.api.pool), data.projection, tenant_id=data.tenant_id, lane=lane)
    await call.api.administration.note(
        ParkedRetried(projection=data.projection or "", lanes=lanes),
        actor=call.principal.actor,
        correlation_id=call.correlation_id,
    )
    return Retried(lanes=lanes)


# ---- The installation


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
    return await _system(call)


async def _system(call: Call) -> SystemView:
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
    return NodeView(
        node=node.node,
        host=report.host,
        pid=report.pid,
        version=report.version,
        python=report.python,
        started_at=node.started_at,
        seen_at=node.seen_at,
        silent=now - node.seen_at > dt.timedelta(seconds=SILENT_SECONDS),
        config_position=report.vitals.config_position,
        config_behind=max(0, head - report.vitals.config_position),
        config_fresh=report.vitals.config_fresh,
        pool=report.pool,
        cpu_permille=report.cpu_permille,
        resident_bytes=report.resident_bytes,
        loop_lag_milliseconds=report.loop_lag_milliseconds,
        requests_running=report.vitals.requests_running,
        journal_holds=report.vitals.journal_holds,
        journal_bytes=report.vitals.journal_bytes,
        ledger_available=report.vitals.ledger_available,
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


class LicenseView(msgspec.Struct, frozen=True, kw_only=True):
    """A package that Tallygate is made of."""

    name: str
    version: str
    license: str
    """As the package says; empty if it does not."""
    url: str


class Licenses(msgspec.Struct, frozen=True, kw_only=True):
    """Every package that is installed here, by name."""

    items: tuple[LicenseView, ...]


@get("/system/licenses", **route(Permission.SELF, "listLicenses", "What Tallygate is made of, with licenses"))
async def licenses() -> Licenses:
    return _licenses()


def _licenses() -> Licenses:
    found = {}
    for distribution in metadata.distributions():
        about = distribution.metadata
        name = about["Name"]
        if name:
            found[name.lower()] = LicenseView(
                name=name, version=distribution.version, license=_license(about), url=_url(about)
            )
    return Licenses(items=tuple(found[name] for name in sorted(found)))


def _license(about: Any) -> str:
    named = about.get("License-Expression") or about.get("License") or ""
    if named and "\n" not in named and len(named) <= 100:  # noqa: PLR2004 -- longer is the license's whole text
        return str(named)
    classified = [each.rpartition(" :: ")[2] for each in about.get_all("Classifier") or () if "License" in each]
    return ", ".join(classified)


def _url(about: Any) -> str:
    if about.get("Home-page"):
        return str(about["Home-page"])
    urls = [each.partition(",")[2].strip() for each in about.get_all("Project-URL") or ()]
    return urls[0] if urls else ""


class SupportBundle(msgspec.Struct, frozen=True, kw_only=True):
    """What helps whoever is asked for help: no key, no password, no address, no name of a customer."""

    at: dt.datetime
    version: str
    python: str
    platform: str
    environment: dict[str, str]
    """Which settings are set, and those that are no secret with their values."""
    settings: dict[str, Any]
    """The stored settings that are not at their defaults, but for texts that people wrote."""
    things: dict[str, int]
    """How many things there are of each kind."""
    channels: dict[str, int]
    """How many channels of each type."""
    system: SystemView
    ledger: LedgerHealthView
    licenses: tuple[LicenseView, ...]


_COUNTS: Final = """
SELECT kind, count(*) AS things FROM admin.entity
WHERE generation = (SELECT generation FROM projection.generation WHERE name = 'entities' AND state = 'live')
    AND NOT archived GROUP BY kind
"""
_PLAIN: Final = frozenset({"integer", "boolean", "choice", "currency", "color"})


@get(
    "/system/support-bundle",
    **route(Permission.SYSTEM_READ, "getSupportBundle", "Everything that helps to find a fault, and no secret"),
)
async def support_bundle(call: ThisCall) -> Response[SupportBundle]:
    health = await _health(call)
    stored = await call.api.administration.store.all("setting", PLATFORM)
    channels: dict[str, int] = {}
    for each in await call.api.administration.store.all("channel", PLATFORM):
        channels[each.entity.type] = channels.get(each.entity.type, 0) + 1
    rows = await owner_of(call.api.pool).fetch(_COUNTS)
    bundle = SupportBundle(
        at=call.api.clock(),
        version=VERSION,
        python=platform.python_version(),
        platform=platform.platform(),
        environment=_environment(),
        settings={each.entity.name: _setting(each.entity.name, each.entity.value) for each in stored},
        things={row["kind"]: row["things"] for row in rows},
        channels=channels,
        system=await _system(call),
        ledger=health,
        licenses=_licenses().items,
    )
    name = f"tallygate-support-{bundle.at:%Y%m%dT%H%M%SZ}.json"
    headers = {**NO_STORE, "content-disposition": f'attachment; filename="{name}"'}
    return Response(bundle, headers=headers)


_ENVIRONMENT: Final = frozenset(
    {
        "row_security", "workers", "log_level", "drain_seconds", "body_max_bytes", "connect_timeout_seconds",
        "first_byte_timeout_seconds", "idle_timeout_seconds", "hold_timeout_seconds", "journal_max_bytes",
        "requests_max", "queue_max", "queue_seconds", "cache_max_bytes", "access_log", "traces", "trace_context",
        "shared_buffers_mebibytes", "console",
    }
)  # fmt: skip
"""Settings of the start whose values name no place and no person."""


def _environment() -> dict[str, str]:
    return {
        setting.variable: text if setting.field in _ENVIRONMENT else "(set)"
        for setting in SETTINGS
        if (text := os.environ.get(setting.variable))
    }


def _setting(name: str, value: Any) -> Any:
    known = STORED_SETTINGS.get(name)
    return value if known is not None and known.type in _PLAIN else "(set)"


ROUTES: Sequence[BaseRouteHandler] = (
    ledger_health,
    start_verification,
    start_rebuild,
    list_runs,
    read_run,
    cancel_run,
    retry,
    system,
    samples,
    licenses,
    support_bundle,
)
