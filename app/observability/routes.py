"""/health/live, /health/ready and /metrics."""

import hmac
import ipaddress
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from litestar import Request, Response, get
from litestar.handlers import HTTPRouteHandler

from app.observability.database_figures import DatabaseFigures
from app.observability.exposition import page
from app.observability.health import Readiness
from app.observability.instruments import Instruments

_FORWARDED: Final = ("forwarded", "x-forwarded-for", "x-real-ip", "via")
"""Whoever sends one of these speaks for somebody else, who need not be on this machine."""


def observability_routes(
    *,
    readiness: Readiness,
    instruments: Instruments,
    figures: DatabaseFigures,
    folder: Path | None,
    token: str | None,
) -> Sequence[HTTPRouteHandler]:
    """Give the routes; without a token the metrics are for this machine alone."""

    @get("/health/live", include_in_schema=False, sync_to_thread=False)
    def live() -> dict[str, str]:
        return {"status": "live"}

    @get("/health/ready", include_in_schema=False)
    async def ready() -> Response[dict[str, Any]]:
        reasons = await readiness.reasons()
        if not reasons:
            return Response({"status": "ready"})
        first = next(iter(reasons.values()))
        return Response({"status": "not ready", "reason": first, "reasons": reasons}, status_code=503)

    @get("/metrics", include_in_schema=False)
    async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
        refusal = _refusal(request, token)
        if refusal is not None:
            return refusal
        body, content_type = page(
            instruments.cells.read(folder), await figures.read(), request.headers.get("accept", "")
        )
        return Response(body, headers={"content-type": content_type, "cache-control": "no-store"})

    return [live, ready, metrics]


def _refusal(request: Request[Any, Any, Any], token: str | None) -> Response[bytes] | None:
    if token is not None:
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), token.encode()):
            return None
        return _text(401, "Send the metrics token: Authorization: Bearer <TALLYGATE_METRICS_TOKEN>.", bearer=True)
    if _is_local(request.client.host if request.client else "") and not any(n in request.headers for n in _FORWARDED):
        return None
    return _text(403, "Metrics are for this machine alone unless TALLYGATE_METRICS_TOKEN is set.")


def _text(status: int, words: str, *, bearer: bool = False) -> Response[bytes]:
    headers = {"content-type": "text/plain; charset=utf-8"} | ({"www-authenticate": "Bearer"} if bearer else {})
    return Response(f"{words}\n".encode(), status_code=status, headers=headers)


def _is_local(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
