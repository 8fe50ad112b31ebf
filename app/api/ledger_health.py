"""/api/ledger/health: whether the books are sound and keep up; lanes that stand still are told to try again."""

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Annotated, Final

import msgspec
from litestar import get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import JSONBody

from adapters.postgres.row_security import owner_of
from app.api.call import Call, ThisCall, route
from app.api.ledger_runs import RunView, run_view
from app.api.permissions import Permission
from app.api.problems import ApiError
from app.api.schemas.common import Amount, Body
from app.parked import retry_parked
from app.projections import PROJECTIONS
from app.reports.health import LedgerHealth, read_health, read_nodes
from domain.admin.events import ParkedRetried
from domain.ids import Lane, TenantId
from domain.money import format_amount

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
    return await health_of(call)


async def health_of(call: Call) -> LedgerHealthView:
    """Look at the books, and at what is under way to prove them."""
    pool, now = owner_of(call.api.pool), call.api.clock()
    found = await read_health(pool, now)
    runs = call.api.runs
    last = await runs.last_verification() if runs is not None else None
    running = [run for run in await runs.list() if run.state == "running"] if runs is not None else []
    verification = run_view(last) if last is not None else None
    return LedgerHealthView(
        at=now,
        lanes=found.lanes,
        events=found.events,
        checks=tuple(_check(name, meaning, verification) for name, meaning in CHECKS.items()),
        verification=verification,
        running=tuple(run_view(run) for run in running),
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
                holds=vitals.journal_holds,
                bytes=vitals.journal_bytes,
                bytes_max=vitals.journal_bytes_max,
            )
            for node in await read_nodes(pool)
            if (vitals := node.report.vitals) is not None
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


# ---- Lanes that stand still


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


ROUTES: Sequence[BaseRouteHandler] = (ledger_health, retry)
