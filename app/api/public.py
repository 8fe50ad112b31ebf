"""What visitors read without logging in: the site's looks, the prices, the status. Each can be kept by caches."""

import hashlib
from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec
from litestar import Response, get
from litestar.handlers import BaseRouteHandler
from litestar.params import HeaderParameter, QueryParameter

from app.api.call import ThisApi, route
from app.api.feed import feed
from app.api.guards import Api
from app.api.problems import ApiError
from app.api.schemas.site import PriceHistory, PublicPrices, SiteView, StatusView

T = TypeVar("T")

IfNoneMatch = Annotated[
    str | None, HeaderParameter(name="If-None-Match", description="The ETag of the answer that you have.")
]
MAX_AGE_SECONDS: Final = 60


@get("/site", **route(None, "getSite", "How the site looks, and what it tells everyone"))
async def site(api: ThisApi, if_none_match: IfNoneMatch = None) -> Response[SiteView]:
    return _cacheable(await api.public.site(), if_none_match)


@get("/public/prices", **route(None, "getPublicPrices", "The list prices of the models that are served", 404))
async def prices(api: ThisApi, if_none_match: IfNoneMatch = None) -> Response[PublicPrices]:
    await _require(api, "public_prices")
    return _cacheable(await api.public.prices(), if_none_match)


@get("/public/prices/history", **route(None, "getPublicPriceHistory", "What a model has cost, and will cost", 404))
async def price_history(
    api: ThisApi,
    model: Annotated[str, QueryParameter(min_length=1, max_length=200)],
    if_none_match: IfNoneMatch = None,
) -> Response[PriceHistory]:
    await _require(api, "public_prices")
    found = await api.public.price_history(model)
    if not found.items:
        raise ApiError("not_found")
    return _cacheable(found, if_none_match)


@get("/public/status", **route(None, "getPublicStatus", "How available the models are", 404))
async def status(api: ThisApi, if_none_match: IfNoneMatch = None) -> Response[StatusView]:
    await _require(api, "public_status")
    return _cacheable(await api.public.status(), if_none_match)


@get(
    "/public/status.atom",
    media_type="application/atom+xml",
    **route(None, "getPublicStatusFeed", "The incidents of the status page as an Atom feed", 404),
)
async def status_feed(api: ThisApi) -> Response[str]:
    await _require(api, "public_status")
    site, page = await api.public.site(), await api.public.status()
    return Response(
        feed(site.name, page, api.public.base_url),
        media_type="application/atom+xml",
        headers={"cache-control": f"public, max-age={MAX_AGE_SECONDS}"},
    )


async def _require(api: Api, switch: str) -> None:
    if not await api.public.setting(switch):
        raise ApiError("not_found")


def _cacheable(page: T, known: str | None) -> Response[T]:
    """Give a page, or 304 to who has it."""
    tag = f'"{hashlib.sha256(msgspec.json.encode(page)).hexdigest()[:32]}"'
    headers = {"cache-control": f"public, max-age={MAX_AGE_SECONDS}", "etag": tag}
    if known is not None and tag in {each.strip().removeprefix("W/") for each in known.split(",")}:
        nothing: Response[Any] = Response(None, status_code=304, headers=headers)
        return nothing
    return Response(page, headers=headers)


ROUTES: Sequence[BaseRouteHandler] = (site, prices, price_history, status, status_feed)
