"""The model routes as Litestar serves them: raw ASGI, for every layer between would cost each request."""

from typing import Any

from litestar import asgi
from litestar.handlers import ASGIRouteHandler

from app.relay.catalog_routes import CatalogRoutes
from app.relay.errors import ApiError
from app.relay.service import Relay
from app.relay.wire import Exchange, Scope
from domain.relay.call import TextSurface

_SURFACES: dict[str, TextSurface] = {
    "/v1/chat/completions": "chat",
    "/v1/completions": "completions",
    "/v1/embeddings": "embeddings",
}


def model_routes(relay: Relay, catalog: CatalogRoutes) -> list[ASGIRouteHandler]:
    """Give every route under /v1; a path that is none of them is answered in the same envelope."""

    def model_call(path: str, surface: TextSurface) -> ASGIRouteHandler:
        @asgi(path, copy_scope=False, name=f"model.{surface}")
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            if scope["method"] == "POST":
                await relay.handle(surface, scope, receive, send)
            else:
                await refuse(scope, receive, send, _not_allowed("POST"))

        return serve

    async def refuse(scope: Scope, receive: Any, send: Any, error: ApiError) -> None:
        exchange = Exchange(scope, receive, send, relay.clock.new_id())
        await exchange.refuse(error)

    @asgi("/v1", is_mount=True, copy_scope=False, name="model.other")
    async def other(scope: Any, receive: Any, send: Any) -> None:
        exchange = Exchange(scope, receive, send, relay.clock.new_id())
        if scope["method"] != "GET":
            await exchange.refuse(_unknown_url(scope["method"], exchange.path))
            return
        await catalog.get(exchange, scope.get("query_string", b"").decode("latin-1"))

    return [*(model_call(path, surface) for path, surface in _SURFACES.items()), other]


def _not_allowed(method: str) -> ApiError:
    return ApiError(405, f"Only {method} requests are accepted here.", code="method_not_allowed", may_retry=False)


def _unknown_url(method: str, path: str) -> ApiError:
    return ApiError(404, f"Unknown request URL: {method} {path}.", code="unknown_url", may_retry=False)
