"""What visitors may read: worked out once for all of them, and again when it could have changed.

Each page is kept in memory until the platform's configuration moves on, and for half a minute at most, so that a flood
of visitors is one query per request, by a key.
"""

import asyncio
import datetime as dt
import hashlib
from collections.abc import Awaitable, Callable, Collection, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

import msgspec

from adapters.channel_types import TYPES
from adapters.postgres.admin_store import AdminStore
from app.api.schemas.announcements import Notice
from app.api.schemas.site import (
    DayStatus,
    HourStatus,
    Incident,
    ModelStatus,
    PriceChange,
    PriceHistory,
    PublicPrices,
    SiteView,
    StatusView,
)
from app.reports.pulse import PulseQuery, PulseRow, joined, percentile, read_pulse
from app.reports.usage import UsageQuery, read_usage
from app.routing.router import traits_of
from app.routing.service import NO_CHANNEL
from app.snapshot import KINDS, Snapshot
from app.version import VERSION
from domain.admin.entities import Announcement
from domain.admin.settings import SETTINGS, links_of
from domain.ids import PLATFORM
from domain.pricing.rate_card import ModelPrice, RateCards
from domain.reports.periods import Bucket
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

KEEP: Final = dt.timedelta(seconds=30)
STATUS_DAYS: Final = 90
HOURS: Final = 24
_HOUR: Final = dt.timedelta(hours=1)
_INCIDENTS_MAX: Final = 100
MODELS_MAX: Final = 200
_RECENT: Final = dt.timedelta(hours=2)
_UP_PERCENT: Final = 99
_DEGRADED_PERCENT: Final = 90
_GRAVITY: Final = {"critical": 0, "warning": 1, "info": 2}


_INCIDENTS: Final = f"""
SELECT event_id AS id, subject AS model, raised_at AS began_at, resolved_at AS ended_at FROM routing.alert
WHERE tenant_id = $1 AND generation = {live("routing")} AND kind = $2 AND raised_at >= $3 AND subject = ANY ($4)
ORDER BY raised_at DESC LIMIT $5
"""  # noqa: S608 -- constants only


class _Kept(NamedTuple):
    """A page as it was worked out."""

    position: int
    at: dt.datetime
    page: Any


class PublicPages:
    """The site, the prices and the status as visitors see them."""

    def __init__(
        self, pool: "asyncpg.Pool[asyncpg.Record]", clock: Callable[[], dt.datetime], *, base_url: str = ""
    ) -> None:
        """Take where the configuration and the sums are, a clock, and the address that the operator made known."""
        self._pool = pool
        self._store = AdminStore(pool)
        self._clock = clock
        self.base_url = base_url
        self._kept: dict[str, _Kept] = {}
        self._busy = asyncio.Lock()

    async def setting(self, name: str) -> Any:
        """Give a setting's value, be it the default."""
        return (await self._settings())[name]

    async def site(self) -> SiteView:
        """Give how the site looks, and what it tells everyone."""
        settings = await self._settings()
        return SiteView(
            name=settings["site_name"],
            logo=settings["site_logo"],
            color=settings["site_color"],
            footer=settings["site_footer"],
            theme=settings["site_theme"],
            home_kind=settings["site_home_kind"],
            home_page=settings["site_home_page"],
            home_frame=settings["site_home_frame"],
            notice=settings["site_notice"],
            top_up=settings["site_top_up"],
            links=links_of(settings["site_links"]),
            currency=settings["currency"],
            sign_up_open=settings["sign_up_open"],
            prices_open=settings["public_prices"],
            status_open=settings["public_status"],
            announcements=await self.notices({"everyone"}),
            base_url=self.base_url,
            version=VERSION,
        )

    async def notices(self, audiences: Collection[str]) -> tuple[Notice, ...]:
        """Give the announcements of now that are for one of these audiences, the gravest first, then the newest."""
        now = self._clock()
        current = [
            Notice(
                id=announcement.announcement_id,
                title=announcement.title,
                body=announcement.body,
                level=announcement.level,
                since=_time(announcement.starts_at) or created_at,
            )
            for announcement, created_at in await self._once("announcements", self._read_announcements)
            if announcement.audience in audiences and _is_current(announcement, now)
        ]
        newest = sorted(current, key=lambda notice: notice.since, reverse=True)
        return tuple(sorted(newest, key=lambda notice: _GRAVITY[notice.level]))

    async def prices(self) -> PublicPrices:
        """Give the list prices of the models that a channel serves."""
        prices: PublicPrices = await self._once("prices", self._read_prices)
        return prices

    async def price_history(self, model: str) -> PriceHistory:
        """Give what a model cost under each card that was published, the latest first."""
        cards: RateCards = await self._once("cards", self._read_cards)
        latest = sorted(enumerate(cards.cards), key=lambda each: (each[1].effective_from, each[0]), reverse=True)
        items = [
            PriceChange(effective_from=card.effective_from, card_version=card.version, price=card.find(model))
            for _, card in latest
        ]
        known = any(item.price is not None for item in items)
        return PriceHistory(model=model, items=tuple(items) if known else ())

    async def status(self) -> StatusView:
        """Give how available the models have been."""
        status: StatusView = await self._once("status", self._read_status)
        return status

    async def _once(self, name: str, read: Callable[[], Awaitable[Any]]) -> Any:
        """Give a page from memory if nothing can have changed, else read it; one reader at a time."""
        position = (await self._store.positions([PLATFORM])).get(PLATFORM, 0)
        kept = self._fresh(name, position)
        if kept is not None:
            return kept.page
        async with self._busy:
            kept = self._fresh(name, position)
            if kept is None:
                kept = self._kept[name] = _Kept(position, self._clock(), await read())
            return kept.page

    def _fresh(self, name: str, position: int) -> _Kept | None:
        kept = self._kept.get(name)
        return kept if kept is not None and kept.position >= position and self._clock() - kept.at < KEEP else None

    async def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = await self._once("settings", self._read_settings)
        return settings

    async def _read_settings(self) -> dict[str, Any]:
        stored = {each.entity.name: each.entity.value for each in await self._store.all("setting", PLATFORM)}
        return {
            name: value if (value := stored.get(name)) is not None and known.accepts(value) else known.default
            for name, known in SETTINGS.items()
        }

    async def _read_announcements(self) -> list[tuple[Announcement, dt.datetime]]:
        return [(each.entity, each.created_at) for each in await self._store.all("announcement", PLATFORM)]

    async def _read_cards(self) -> RateCards:
        books = [each.entity for each in await self._store.all("rate_card", PLATFORM)]
        return RateCards(tuple(book.card for book in books if book.published and book.use == "sale"))

    async def _read_prices(self) -> PublicPrices:
        card = (await self._read_cards()).at(self._clock())
        models: dict[str, ModelPrice] = {}
        if card is not None:
            found = ((name, card.find(name)) for name in await self._served())
            models = {name: price for name, price in found if price is not None}
        return PublicPrices(
            card_id=card.card_id if card is not None else None,
            card_version=card.version if card is not None else None,
            currency=card.currency if card is not None else "USD",
            effective_from=card.effective_from if card is not None else None,
            models=models,
            sha256=hashlib.sha256(msgspec.json.encode(models, order="sorted")).hexdigest(),
        )

    async def _served(self) -> list[str]:
        """Give the names that an enabled channel serves, and those that lead to one."""
        channels = [each.entity for each in await self._store.all("channel", PLATFORM) if each.entity.enabled]
        names = {name for channel in channels for name in (*channel.models, *channel.model_map)}
        mappings = [each.entity for each in await self._store.all("mapping", PLATFORM)]
        return sorted(names | {each.model for each in mappings if each.enabled and each.target in names})

    async def _read_status(self) -> StatusView:
        now = self._clock()
        today = now.replace(hour=0, minute=0, second=0, microsecond=0)
        first = today - dt.timedelta(days=STATUS_DAYS - 1)
        starts = [first + dt.timedelta(days=day) for day in range(STATUS_DAYS)]
        # Whole hours: an hour that is cut would be added up from single requests.
        until = now.replace(minute=0, second=0, microsecond=0) + dt.timedelta(hours=1)
        days = [Bucket(start, min(start + dt.timedelta(days=1), until)) for start in starts]
        by_day = await self._sums(tuple(days))
        recent = await self._sums((Bucket(until - _RECENT, until),))
        pulse = await self._read_pulse()
        # Only what is served by now, or was: what a visitor may ask for is no secret, what somebody mistyped is noise.
        models = [name for name in await self._served() if any(name == key for key, _ in by_day)]
        return StatusView(
            at=now,
            models=tuple(
                ModelStatus(
                    model=model,
                    state=_state(recent.get((model, 0))),
                    first_byte_milliseconds=_first_byte(recent.get((model, 0))),
                    first_byte_p50=percentile(_last_hours(pulse.get(model, {})).first_byte, 50),
                    first_byte_p95=percentile(_last_hours(pulse.get(model, {})).first_byte, 95),
                    days=tuple(
                        DayStatus(day=f"{day.starts_at:%Y-%m-%d}", available_percent=_percent(by_day.get((model, n))))
                        for n, day in enumerate(days)
                    ),
                    hours=_hours(pulse.get(model, {})),
                )
                for model in models[:MODELS_MAX]
            ),
            incidents=await self._incidents(now - dt.timedelta(days=STATUS_DAYS), set(models)),
        )

    async def pulse(self) -> dict[str, dict[int, PulseRow]]:
        """Give how each model was in each of the last hours, by everybody's requests."""
        pulse: dict[str, dict[int, PulseRow]] = await self._once("pulse", self._read_pulse)
        return pulse

    async def _read_pulse(self) -> dict[str, dict[int, PulseRow]]:
        last = self._clock().replace(minute=0, second=0, microsecond=0) + _HOUR
        tiles = tuple(Bucket(last - _HOUR * (n + 1), last - _HOUR * n) for n in reversed(range(HOURS)))
        found: dict[str, dict[int, PulseRow]] = {}
        for row in await read_pulse(self._pool, PulseQuery(tiles=tiles, by=("model",))):
            found.setdefault(row.keys[0], {})[row.bucket] = row
        return found

    async def snapshot(self) -> Snapshot:
        """Give the platform's configuration as requests are served by it."""
        snapshot: Snapshot = await self._once("snapshot", self._read_snapshot)
        return snapshot

    async def _read_snapshot(self) -> Snapshot:
        things = [stored for kind in KINDS for stored in await self._store.all(kind, PLATFORM)]
        return Snapshot(0, things, traits_of(TYPES))

    async def _incidents(self, since: dt.datetime, models: Collection[str]) -> tuple[Incident, ...]:
        # Only of models that are on the page; what else an alert says is for the operator.
        rows = await self._pool.fetch(_INCIDENTS, PLATFORM, NO_CHANNEL, since, list(models), _INCIDENTS_MAX)
        return tuple(Incident(**dict(row)) for row in rows)

    async def _sums(self, tiles: tuple[Bucket, ...]) -> dict[tuple[str, int], Any]:
        query = UsageQuery(tiles=tiles, groups=("model_asked",), order="requests", top=MODELS_MAX)
        return {(row.keys[0], row.bucket): row.sums for row in await read_usage(self._pool, query, {})}


def _last_hours(hours: Mapping[int, PulseRow]) -> PulseRow:
    return joined([row for n, row in hours.items() if n >= HOURS - 2])


def _hours(hours: Mapping[int, PulseRow]) -> tuple[HourStatus, ...]:
    nothing = joined(())
    rows = [hours.get(n, nothing) for n in range(HOURS)]
    return tuple(
        HourStatus(available_percent=available_percent(row), first_byte_p50=percentile(row.first_byte, 50))
        for row in rows
    )


def available_percent(row: PulseRow) -> str | None:
    """Give how many of the requests that were let in were answered, in percent; None without any."""
    return _percent(row.counts)


def state_of(row: PulseRow) -> Literal["up", "degraded", "down", "quiet"]:
    """Give how a model is by what was counted."""
    state: Literal["up", "degraded", "down", "quiet"] = _state(row.counts)
    return state


def _time(text: str | None) -> dt.datetime | None:
    return dt.datetime.fromisoformat(text) if text is not None else None


def _is_current(announcement: Announcement, now: dt.datetime) -> bool:
    starts_at, ends_at = _time(announcement.starts_at), _time(announcement.ends_at)
    return (starts_at is None or starts_at <= now) and (ends_at is None or now < ends_at)


def _share(sums: Any) -> Decimal | None:
    """Give the percentage of requests that were answered."""
    if sums is None:
        return None
    asked = sums["requests"] + sums["voids"] + sums["expired"]
    return Decimal(100) * sums["requests"] / asked if asked else None


def _percent(sums: Any) -> str | None:
    share = _share(sums)
    # Cut and not rounded: 99.999 % is not 100 %.
    return f"{share.quantize(Decimal('0.01'), ROUND_DOWN)}" if share is not None else None


def _state(sums: Any) -> Any:
    share = _share(sums)
    if share is None:
        return "quiet"
    return "up" if share >= _UP_PERCENT else "degraded" if share >= _DEGRADED_PERCENT else "down"


def _first_byte(sums: Any) -> int | None:
    return sums["first_byte_milliseconds"] // sums["first_bytes"] if sums is not None and sums["first_bytes"] else None
