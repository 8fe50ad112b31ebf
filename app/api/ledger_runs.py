"""/api/ledger/verifications, /rebuilds, /runs: the books proved right and projections made again, while all runs."""

import datetime as dt
from collections.abc import Sequence
from typing import Annotated, Any, Literal

import msgspec
from litestar import Response, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody

from app.api.call import NO_STORE, Call, Limit, ThisCall, route
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Body, Listing
from app.projections import PROJECTIONS
from app.runs import Run, RunKind, Runs
from domain.admin.events import RunStarted
from domain.ids import EntityId, TenantId


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


def run_view(run: Run) -> RunView:
    """Give a run as the API shows it."""
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
    return Response(run_view(run), status_code=202, headers=dict(NO_STORE))


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
    return Listing(items=tuple(run_view(run) for run in found), next=None)


@get("/ledger/runs/{run_id:str}", **route(Permission.SYSTEM_READ, "getRun", "How far a run is, and what it found", 404))
async def read_run(call: ThisCall, run_id: FromPath[str]) -> RunView:
    found = await _runs(call).get(run_id)
    if found is None:
        raise ApiError("not_found")
    return run_view(found)


@post(
    "/ledger/runs/{run_id:str}/cancel",
    status_code=202,
    **route(Permission.SYSTEM_WRITE, "cancelRun", "End a run; a rebuild goes on from there the next time", 404),
)
async def cancel_run(call: ThisCall, run_id: FromPath[str]) -> RunView:
    found = await _runs(call).cancel(run_id)
    if found is None:
        raise ApiError("not_found")
    return run_view(found)


ROUTES: Sequence[BaseRouteHandler] = (start_verification, start_rebuild, list_runs, read_run, cancel_run)
