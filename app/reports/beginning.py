"""How far a new installation has come: counts that stop where more would say nothing new."""

import datetime as dt
from typing import TYPE_CHECKING, Final

import msgspec

from adapters.postgres.admin_store import LIVE, AdminStore
from app.reports.limits import IS_LIMITED
from domain.ids import PLATFORM, TenantId
from domain.pricing.rate_card import RateCards
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]

COUNTED_MAX: Final = 1000
MODELS_SHOWN: Final = 50
_DEMO: Final = "demo"
_FIRST_TENANT: Final = TenantId(2)
_RECENT: Final = dt.timedelta(hours=3)

_COUNT: Final = f"""
SELECT
    (SELECT count(*) FROM (SELECT FROM admin.entity WHERE kind = 'tenant' AND NOT archived AND generation = {LIVE}
        AND tenant_id > $2 LIMIT $1) AS t) AS tenants,
    (SELECT count(*) FROM (SELECT FROM admin.entity WHERE kind = 'token' AND NOT archived AND generation = {LIVE}
        AND tenant_id > $2 LIMIT $1) AS t) AS tokens,
    (SELECT count(*) FROM (SELECT FROM admin.entity WHERE kind = 'user' AND NOT archived AND generation = {LIVE}
        LIMIT $1) AS t) AS people,
    (SELECT count(*) FROM (SELECT FROM admin.link WHERE kind = 'invitation' LIMIT $1) AS t) AS invitations,
    EXISTS (SELECT FROM admin.entity WHERE kind IN ('tenant', 'user', 'token') AND NOT archived AND generation = {LIVE}
        AND {IS_LIMITED}) AS budgets
"""  # noqa: S608 -- constants only

# By the index request_log_time, from either end of it.
_ANSWERED: Final = f"""
SELECT request_id::text, tenant_id, recorded_at AS at, model_asked FROM projection.request_log
WHERE generation = {live("usage")} AND state = 'captured' ORDER BY recorded_at {{}} LIMIT 1
"""  # noqa: S608 -- constants only

# What is over from the sums by the hour, the rest from the last hours of the log.
_CALLED: Final = f"""
SELECT EXISTS (SELECT FROM projection.usage_hour_route
        WHERE generation = {live("usage")} AND channel_id = ANY ($1) AND requests > 0)
    OR EXISTS (SELECT FROM projection.request_log
        WHERE generation = {live("usage")} AND channel_id = ANY ($1) AND state = 'captured' AND recorded_at > $2)
"""  # noqa: S608 -- constants only


class Answered(msgspec.Struct, frozen=True, kw_only=True):
    """A request that was answered."""

    request_id: str
    tenant_id: TenantId
    at: dt.datetime
    model_asked: str


class Beginning(msgspec.Struct, frozen=True, kw_only=True):
    """How far it has come; counts stop at a thousand."""

    demo_channels: int
    vendor_channels: int
    vendor_models: int
    unpriced_models: tuple[str, ...]
    tenants: int
    tokens: int
    people: int
    invitations: int
    budgets: bool
    first_call: Answered | None
    last_call: Answered | None
    vendor_called: bool


async def read_beginning(pool: "Pool", now: dt.datetime) -> Beginning:
    """Look at the whole installation."""
    store = AdminStore(pool)
    channels = [each.entity for each in await store.all("channel", PLATFORM)]
    vendors = [channel for channel in channels if channel.type != _DEMO and channel.enabled]
    counts = await pool.fetchrow(_COUNT, COUNTED_MAX, _FIRST_TENANT)
    assert counts is not None
    first = await pool.fetchrow(_ANSWERED.format("ASC"))
    last = await pool.fetchrow(_ANSWERED.format("DESC"))
    return Beginning(
        demo_channels=sum(channel.type == _DEMO for channel in channels),
        vendor_channels=len(vendors),
        vendor_models=len({name for channel in vendors for name in (*channel.models, *channel.model_map)}),
        unpriced_models=await unpriced_models(pool, now),
        first_call=Answered(**dict(first)) if first is not None else None,
        last_call=Answered(**dict(last)) if last is not None else None,
        vendor_called=bool(
            await pool.fetchval(_CALLED, [c.channel_id for c in channels if c.type != _DEMO], now - _RECENT)
        ),
        **dict(counts),
    )


async def unpriced_models(pool: "Pool", now: dt.datetime) -> tuple[str, ...]:
    """Give models that are served and that the rate card in force has no price for; at most fifty."""
    store = AdminStore(pool)
    channels = [each.entity for each in await store.all("channel", PLATFORM)]
    served = {name for channel in channels if channel.enabled for name in (*channel.models, *channel.model_map)}
    books = [each.entity for each in await store.all("rate_card", PLATFORM)]
    card = RateCards(tuple(book.card for book in books if book.published and book.use == "sale")).at(now)
    unpriced = sorted(name for name in served if card is None or card.find(name) is None)
    return tuple(unpriced[:MODELS_SHOWN])
