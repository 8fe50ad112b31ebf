"""The model routes as Litestar serves them: raw ASGI, for every layer between would cost each request."""

from typing import Any, Final
from urllib.parse import parse_qs, unquote

from litestar import asgi
from litestar.handlers import ASGIRouteHandler

from adapters.surfaces.raw import METHODS, RawSurface
from app.relay.catalog_routes import CatalogRoutes
from app.relay.counting import TokenCounts
from app.relay.errors import ApiError
from app.relay.service import Relay
from app.relay.surfaces import GEMINI_ARRAY, SURFACES
from app.relay.wire import Exchange, Scope, SocketExchange
from domain.relay.call import ClientDialect, Surface

_PATHS: Final[dict[str, tuple[ClientDialect, Surface]]] = {
    "/v1/chat/completions": ("openai", "chat"),
    "/v1/completions": ("openai", "completions"),
    "/v1/embeddings": ("openai", "embeddings"),
    "/v1/images/generations": ("openai", "images"),
    "/v1/images/edits": ("openai", "image_edits"),
    "/v1/audio/speech": ("openai", "speech"),
    "/v1/audio/transcriptions": ("openai", "transcriptions"),
    "/v1/audio/translations": ("openai", "translations"),
    "/v1/moderations": ("openai", "moderations"),
    "/v1/rerank": ("openai", "rerank"),
    "/v1/responses": ("responses", "chat"),
    "/v1/messages": ("anthropic", "chat"),
    "/v1/messages/count_tokens": ("anthropic", "count_tokens"),
}
_GEMINI: Final[dict[str, tuple[Surface, bool]]] = {
    "generateContent": ("chat", False),
    "streamGenerateContent": ("chat", True),
    "embedContent": ("embeddings", False),
    "batchEmbedContents": ("embeddings", False),
    "countTokens": ("count_tokens", False),
}
_GEMINI_MODELS: Final = ("/v1beta/models/", "/v1/models/")
"""Google's SDK calls the second since its version 3."""


_RAW: Final = ("/v1/proxy/", "/v1/oneapi/proxy/")
"""The second is One API's, with a channel's number where we have a model's name."""


def model_routes(relay: Relay, catalog: CatalogRoutes, counts: TokenCounts) -> list[ASGIRouteHandler]:
    """Give every route under /v1 and /v1beta; a path that is none of them is answered in the same envelope."""
    routes = _Routes(relay, catalog, counts)

    @asgi(["/v1", "/v1beta"], is_mount=True, copy_scope=False, name="model.other")
    async def other(scope: Any, receive: Any, send: Any) -> None:
        # A mount gets every path that begins like it, so that "/v1" has those of "/v1beta", too: the path decides.
        serve = routes.gemini if _is_gemini(scope) else routes.other
        await serve(scope, receive, send)

    @asgi("/v1/realtime", copy_scope=False, name="model.openai.realtime")
    async def realtime(scope: Any, receive: Any, send: Any) -> None:
        await routes.realtime(scope, receive, send)

    return [*(routes.handler(path, *kind) for path, kind in _PATHS.items()), realtime, other]


class _Routes:
    def __init__(self, relay: Relay, catalog: CatalogRoutes, counts: TokenCounts) -> None:
        self._relay = relay
        self._catalog = catalog
        self._counts = counts

    def handler(self, path: str, dialect: ClientDialect, surface: Surface) -> ASGIRouteHandler:
        """Give the handler of one fixed path."""

        @asgi(path, copy_scope=False, name=f"model.{dialect}.{surface}")
        async def serve(scope: Any, receive: Any, send: Any) -> None:
            exchange = self._exchange(scope, receive, send, dialect)
            if scope["type"] != "http":
                await _refuse_socket(exchange)
            elif scope["method"] == "POST":
                await self._call(exchange, surface)
            else:
                await exchange.refuse(_not_allowed("POST"))

        return serve

    async def other(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve what else is under /v1: the reading calls, and Gemini's, whose SDK has come to call them there."""
        exchange = self._exchange(scope, receive, send, _speaker(scope["headers"]))
        if scope["type"] != "http":
            await _refuse_socket(exchange)
            return
        prefix = next((each for each in _RAW if exchange.path.startswith(each)), None)
        if prefix is not None:
            await self._raw(exchange, scope, exchange.path.removeprefix(prefix))
            return
        if scope["method"] == "POST" and exchange.path.startswith(_GEMINI_MODELS[1]):
            exchange.surface = SURFACES["gemini"]
            await self._gemini(exchange, "POST", _GEMINI_MODELS[1])
            return
        if scope["method"] != "GET":
            await exchange.refuse(_unknown_url(scope["method"], exchange.path))
            return
        await self._catalog.get(exchange, exchange.query.decode("latin-1"))

    async def gemini(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve Gemini's paths, which name the model and the method."""
        exchange = self._exchange(scope, receive, send, "gemini")
        if scope["type"] != "http":
            await _refuse_socket(exchange)
        elif scope["method"] == "GET" and exchange.path.rstrip("/").startswith(_GEMINI_MODELS[0].rstrip("/")):
            await self._catalog.get(exchange, exchange.query.decode("latin-1"))
        else:
            await self._gemini(exchange, scope["method"], _GEMINI_MODELS[0])

    async def _gemini(self, exchange: Exchange, http_method: str, prefix: str) -> None:
        model, _, method = unquote(exchange.path.removeprefix(prefix)).rpartition(":")
        known = _GEMINI.get(method)
        if known is None or not model or not exchange.path.startswith(prefix):
            await exchange.refuse(_unknown_url(http_method, exchange.path))
        elif http_method != "POST":
            await exchange.refuse(_not_allowed("POST"))
        else:
            surface, stream = known
            if stream and parse_qs(exchange.query).get(b"alt") != [b"sse"]:
                exchange.surface = GEMINI_ARRAY
            await self._call(exchange, surface, model=model, stream=stream)

    async def _raw(self, exchange: Exchange, scope: Scope, rest: str) -> None:
        """Pass a request on as it is: `<model>/<path>`, a slash in the model's name written as %2F."""
        name, slash, path = rest.partition("/")
        model, method = unquote(name), scope["method"]
        if method not in METHODS:
            await exchange.refuse(_not_allowed(", ".join(sorted(METHODS))))
            return
        if not model:
            await exchange.refuse(_unknown_url(method, exchange.path))
            return
        # A key in the query is the client's with us.
        kept = [part for part in exchange.query.decode("latin-1").split("&") if part and not part.startswith("key=")]
        query = "?" + "&".join(kept) if kept else ""
        exchange.surface = RawSurface(method, slash + path + query, exchange.headers)
        await self._relay.handle(exchange, "raw", model=model)

    async def realtime(self, scope: Scope, receive: Any, send: Any) -> None:
        """Serve a conversation over a WebSocket."""
        exchange = self._exchange(scope, receive, send, "openai")
        if not isinstance(exchange, SocketExchange):
            await exchange.refuse(_upgrade_required())
            return
        asked = parse_qs(exchange.query.decode("latin-1"))
        # Azure's clients call a model a deployment.
        model = (asked.get("model") or asked.get("deployment") or [""])[0]
        await self._relay.converse(exchange, model)

    def _exchange(self, scope: Scope, receive: Any, send: Any, dialect: ClientDialect) -> Exchange:
        kind = SocketExchange if scope["type"] == "websocket" else Exchange
        return kind(scope, receive, send, self._relay.clock.new_id(), SURFACES[dialect])

    async def _call(self, exchange: Exchange, surface: Surface, *, model: str = "", stream: bool = False) -> None:
        if surface == "count_tokens":
            await self._counts.serve(exchange, model=model)
        else:
            await self._relay.handle(exchange, surface, model=model, stream=stream)


def _is_gemini(scope: Scope) -> bool:
    path: bytes = scope.get("raw_path") or scope["path"].encode()
    return path.partition(b"?")[0] == b"/v1beta" or path.startswith(b"/v1beta/")


def _speaker(headers: list[tuple[bytes, bytes]]) -> ClientDialect:
    """Tell whose contract a client speaks on a path that several have."""
    names = {name for name, _ in headers}
    if b"anthropic-version" in names:
        return "anthropic"
    return "gemini" if b"x-goog-api-key" in names else "openai"


async def _refuse_socket(exchange: Exchange) -> None:
    if isinstance(exchange, SocketExchange):
        await exchange.opened()
    await exchange.refuse(_unknown_url("GET", exchange.path))


def _upgrade_required() -> ApiError:
    return ApiError(426, "Open a WebSocket to this address.", code="websocket_required", may_retry=False)


def _not_allowed(method: str) -> ApiError:
    return ApiError(405, f"Only {method} requests are accepted here.", code="method_not_allowed", may_retry=False)


def _unknown_url(method: str, path: str) -> ApiError:
    return ApiError(404, f"Unknown request URL: {method} {path}.", code="unknown_url", may_retry=False)
