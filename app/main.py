"""The application: every route, wired to what it needs. What it needs is made in app/server.py."""

from collections.abc import Sequence

from litestar import Litestar
from litestar.exceptions import HTTPException
from litestar.openapi import OpenAPIConfig
from litestar.types import ControllerRouterHandler

from app.api.problems import handle_unrouted
from app.relay.catalog_routes import CatalogRoutes
from app.relay.counting import TokenCounts
from app.relay.routes import model_routes
from app.relay.service import Relay


def create_app(
    *,
    relay: Relay,
    catalog_routes: CatalogRoutes,
    token_counts: TokenCounts,
    api: Sequence[ControllerRouterHandler],
    openapi: OpenAPIConfig,
    observability: Sequence[ControllerRouterHandler],
) -> Litestar:
    """Give the whole application; nothing in it is global."""
    return Litestar(
        route_handlers=[*model_routes(relay, catalog_routes, token_counts), *observability, *api],
        openapi_config=openapi,
        exception_handlers={HTTPException: handle_unrouted},
        logging_config=None,
        debug=False,
    )
