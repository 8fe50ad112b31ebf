"""/api/alerts: what needs, or needed, a person's eye."""

import datetime as dt
from collections.abc import Sequence

import msgspec
from litestar import get
from litestar.handlers import BaseRouteHandler

from app.api.call import Limit, ThisCall, route
from app.api.permissions import Permission
from app.api.routing_desk import desk_of


class AlertView(msgspec.Struct, frozen=True, kw_only=True):
    """Something that needs, or needed, a person's eye."""

    id: str
    kind: str
    subject: str
    title: str
    severity: str
    raised_at: dt.datetime
    resolved_at: dt.datetime | None
    resolved_title: str | None


class Alerts(msgspec.Struct, frozen=True, kw_only=True):
    """Those that are raised first, then the newest."""

    items: tuple[AlertView, ...]


@get("/alerts", **route(Permission.ROUTING_READ, "listAlerts", "What needs a person's eye"))
async def list_alerts(call: ThisCall, limit: Limit = 100) -> Alerts:
    found = await desk_of(call).alerts(limit=limit)
    return Alerts(items=tuple(AlertView(**msgspec.structs.asdict(alert)) for alert in found))


ROUTES: Sequence[BaseRouteHandler] = (list_alerts,)
