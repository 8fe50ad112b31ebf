"""Every route of the REST API, under the heading that the document and its page give it."""

from collections.abc import Mapping, Sequence
from typing import Final

from litestar.handlers import BaseRouteHandler

from app.api import (
    alert_sinks,
    announcements,
    audit,
    audit_log,
    auth,
    channel_types,
    channels,
    codes,
    groups,
    joining,
    limits,
    list_exports,
    mappings,
    money,
    multipliers,
    own_access,
    proofs,
    public,
    rate_cards,
    report_credit,
    report_exports,
    report_money,
    report_pulse,
    reports,
    requests,
    routing,
    settings,
    start,
    suggested_prices,
    system,
    tenant_models,
    tenants,
    tokens,
    users,
)

PATH: Final = "/api"

ROUTES: Final[Mapping[str, Sequence[BaseRouteHandler]]] = {
    "Start": start.ROUTES,
    "Sessions": (*auth.ROUTES, *own_access.ROUTES, *joining.ROUTES),
    "Tenants": (*tenants.ROUTES, *tenant_models.ROUTES, *audit.ROUTES),
    "Users": users.ROUTES,
    "Tokens": tokens.ROUTES,
    "Channels": (*channels.ROUTES, *channel_types.ROUTES, *suggested_prices.ROUTES),
    "Groups": groups.ROUTES,
    "Multipliers": multipliers.ROUTES,
    "Rate cards": rate_cards.ROUTES,
    "Mappings": mappings.ROUTES,
    "Routing": (*routing.ROUTES, *alert_sinks.ROUTES),
    "Settings": settings.ROUTES,
    "Announcements": announcements.ROUTES,
    "Site": public.ROUTES,
    "Money": money.ROUTES,
    "Redemption codes": codes.ROUTES,
    "Requests": requests.ROUTES,
    "Reports": (
        *reports.ROUTES,
        *report_money.ROUTES,
        *report_credit.ROUTES,
        *report_exports.ROUTES,
        *limits.ROUTES,
        *report_pulse.ROUTES,
    ),
    "Audit": audit_log.ROUTES,
    "System": system.ROUTES,
    "Exports of lists": list_exports.ROUTES,
    "Proof": proofs.ROUTES,
}
