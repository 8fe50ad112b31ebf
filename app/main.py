"""The application: every route, wired to what it needs. What it needs is made in app/server.py."""

from collections.abc import Sequence
from typing import Any

from litestar import Litestar, get
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.response import Response
from litestar.types import ControllerRouterHandler

from app.api.problems import handle_unrouted
from app.relay.catalog_routes import CatalogRoutes
from app.relay.routes import model_routes
from app.relay.service import Relay


def create_app(
    *,
    relay: Relay,
    catalog_routes: CatalogRoutes,
    api: Sequence[ControllerRouterHandler],
    openapi: OpenAPIConfig,
    is_ready: Any,
) -> Litestar:
    """Give the whole application; nothing in it is global."""

    @get("/health/live", include_in_schema=False, sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, str]]:
        reason = await is_ready()
        if reason is None:
            return Response({"status": "ready"})
        return Response({"status": "not ready", "reason": reason}, status_code=503)

    return Litestar(
        route_handlers=[*model_routes(relay, catalog_routes), live, ready, *api],
        openapi_config=openapi,
        exception_handlers={HTTPException: handle_unrouted},
        logging_config=None,
        debug=False,
    )
