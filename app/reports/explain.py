"""Why: what a charge was made of, proved by computing it twice more, and which numbers were behind a refusal."""

import datetime as dt
from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from adapters.postgres.row_security import owner_of
from app.administration import Administration
from app.receipts import Receipt, UnknownRequestError
from app.reports.usage import UsageQuery, read_usage
from domain.admin.entities import Tenant
from domain.admin.errors import NotFoundError
from domain.billing_windows import window
from domain.events import decode
from domain.holds.events import HoldCaptured, RequestsRefused
from domain.ids import PLATFORM, TenantId
from domain.metering.usage import TOKEN_CLASSES
from domain.money import AmountRangeError, format_amount
from domain.pricing.charge import charge
from domain.pricing.multipliers import MultiplierEntry, MultiplierMatrix
from domain.pricing.rate_card import ModelPrice, RateCard
from domain.reports.periods import Bucket
from projections.base import live

if TYPE_CHECKING:
    import asyncpg

    Pool = asyncpg.Pool[asyncpg.Record]


RefusalUnit = Literal["money", "tokens", "requests", "slots", ""]
"""What the numbers of a refusal count; money in 10^-9 of the currency."""
CURRENCY: Final = "USD"
_BEGINNING: Final = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
_MICROSECOND: Final = dt.timedelta(microseconds=1)


class CardCheck(msgspec.Struct, frozen=True, kw_only=True):
    """What the published card makes of the recorded usage."""

    found: bool
    """Whether the card's version is still there, with a price for the model."""
    amount_nanos: int | None = None
    matches: bool | None = None
    """Whether it gives what was charged."""


async def check_card(administration: Administration, receipt: Receipt) -> CardCheck:
    """Price the recorded usage with the published card itself: the third way to the same amount."""
    captured = receipt.terminal.value if receipt.terminal is not None else None
    if not isinstance(captured, HoldCaptured):
        return CardCheck(found=False)
    card = await _card(administration, captured.card_id, captured.card_version)
    price = card.find(captured.model_billed) if card is not None else None
    if price is None:
        return CardCheck(found=False)
    try:
        again = charge(captured.usage, price, captured.factors.multiplier)
    except AmountRangeError:
        return CardCheck(found=False)
    paid = captured.captured_nanos or captured.allowance_nanos
    due = again.due.wallet_nanos or again.due.allowance_nanos
    return CardCheck(found=True, amount_nanos=due, matches=due == paid)


async def _card(administration: Administration, card_id: str, version: int) -> RateCard | None:
    """Find a version of a card: by its own id, or by that of the series that it belongs to."""
    try:
        stored = await administration.get("rate_card", card_id)
    except NotFoundError:
        return await _of_series(administration, card_id, version)
    if stored.entity.card.version == version:
        card: RateCard = stored.entity.card
        return card
    return await _of_series(administration, card_id, version)


async def _of_series(administration: Administration, card_id: str, version: int) -> RateCard | None:
    async for stored in published_cards(administration):
        card: RateCard = stored.entity.card
        if card.card_id == card_id and card.version == version:
            return card
    return None


async def published_cards(administration: Administration) -> Any:
    """Give every card for sale that was ever published, the newest first."""
    after = None
    while True:
        page = await administration.list("rate_card", owner="sale", archived=None, after=after, limit=100)
        for stored in page.items:
            if stored.entity.published:
                yield stored
        after = page.next
        if after is None:
            return


class Refusal(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals of one token for one reason, within a few seconds; the numbers are those of the last one."""

    tenant_id: TenantId
    position: int
    recorded_at: dt.datetime
    event: RequestsRefused
    unit: RefusalUnit = ""
    used: int | None = None
    """What of the limit had been used in its window by then; what requests under way held comes on top. None where it
    is not counted so: of a wallet the limit itself is what was left."""

    @property
    def text(self) -> tuple[str, ...]:
        """Give the same for people."""
        event = self.event
        lines = [f"{event.count} requests were refused with {event.reason}, from {event.first_at} to {event.last_at}."]
        if event.model_asked:
            lines.append(f"The last one asked for {event.model_asked}.")
        if event.limit_name == "wallet":
            left = self._amount(max(0, event.limit))
            lines.append(f"It might have cost up to {self._amount(event.needed)}, and {left} was left in the wallet.")
        elif event.limit_name:
            used = "" if self.used is None else f", of which {self._amount(self.used)} had been used"
            lines.append(
                f"It needed up to {self._amount(event.needed)} of {event.limit_name}: the limit is"
                f" {self._amount(event.limit)}{used}. What requests under way hold counts as well."
            )
        return tuple(lines)

    def _amount(self, number: int) -> str:
        return f"{format_amount(number)} {CURRENCY}" if self.unit == "money" else f"{number} {self.unit}".strip()


async def read_refusal(pool: "Pool", tenant: Tenant, lane: int, position: int) -> Refusal:
    """Give what a refusal rests on; raises UnknownRequestError."""
    row = await pool.fetchrow(
        "SELECT data, recorded_at FROM ledger.event WHERE tenant_id = $1 AND lane = $2 AND position = $3"
        " AND type = 'requests.refused.v1'",
        tenant.tenant_id,
        lane,
        position,
    )
    if row is None:
        raise UnknownRequestError("There is no such refusal.")
    event: RequestsRefused = decode("requests.refused.v1", row["data"])
    unit, used = await _counted(pool, tenant, event)
    return Refusal(
        tenant_id=tenant.tenant_id,
        position=position,
        recorded_at=row["recorded_at"],
        event=event,
        unit=unit,
        used=used,
    )


_KINDS: Final[Mapping[str, RefusalUnit]] = {
    "wallet": "money",
    "rpm": "requests",
    "tpm": "tokens",
    "concurrency": "slots",
    "allowance": "money",
}


async def _counted(pool: "Pool", tenant: Tenant, event: RequestsRefused) -> tuple[RefusalUnit, int | None]:
    """Give what a limit counts, and how much had been used of it when it was in the way.

    Names are those of `domain.limits`: `budget.token.money.day:<token>:2026-11-23`, `rpm.tenant:<tenant>:<minute>`.
    """
    words, _, rest = event.limit_name.partition(":")
    kind, *parts = words.split(".")
    unit: RefusalUnit = "money" if kind == "budget" and parts[1:2] == ["money"] else _KINDS.get(kind, "")
    if kind == "budget" and unit != "money":
        unit = "tokens"
    if kind not in {"rpm", "tpm", "budget", "allowance"}:
        return unit, None
    period = {"rpm": "minute", "tpm": "minute"}.get(kind) or parts[-1]
    side = parts[0] if kind != "allowance" else "tenant"
    last_at = dt.datetime.fromisoformat(event.last_at)
    starts_at = window(period, last_at, tenant.time_zone).starts_at or _BEGINNING  # type: ignore[arg-type]
    owner = rest if period == "minute" else rest.rpartition(":")[0]
    filters = {
        "token": {"token": owner.partition(":")[0]},
        "user": {"user": owner.partition(":")[2]},
    }.get(side, {})
    query = UsageQuery(
        tiles=(Bucket(starts_at, max(last_at, starts_at)),),
        tenant_id=tenant.tenant_id,
        by_bucket=False,
        filters=filters,
    )
    rows = await read_usage(pool, query, {})
    sums = rows[0].sums if rows else {}
    counted = {"rpm": ("requests",), "tpm": TOKEN_CLASSES, "allowance": ("allowance_nanos",)}.get(kind)
    columns = counted or (("captured_nanos",) if unit == "money" else TOKEN_CLASSES)
    return unit, sum(sums.get(name, 0) for name in columns)


class PriceAt(msgspec.Struct, frozen=True, kw_only=True):
    """What a model cost at a moment."""

    at: dt.datetime
    model: str
    card: RateCard | None
    price: ModelPrice | None
    multiplier: Decimal
    user_group: str
    channel_group: str
    """Of the entry that won; `all` too where the matrix said nothing."""
    multiplier_id: str | None


async def price_at(
    pool: "Pool",
    administration: Administration,
    *,
    at: dt.datetime,
    model: str,
    user_group: str,
    channel_groups: tuple[str, ...],
) -> PriceAt:
    """Give the price and the multiplier in force at a moment, as the log had them by then."""
    # The platform's prices are everybody's to read: a tenant's request sees no other rows of the platform.
    card = await _card_at(owner_of(pool), administration, at)
    rows = await pool.fetch(
        "SELECT multiplier_id, user_group, channel_group, value FROM projection.multipliers"  # noqa: S608 -- constants
        f" WHERE generation = {live('multipliers')} AND valid_from <= $1 AND (valid_to IS NULL OR valid_to > $1)"
        " ORDER BY multiplier_id",
        at,
    )
    cells = {(row["user_group"], row["channel_group"]): row for row in rows}
    matrix = MultiplierMatrix(tuple(MultiplierEntry(*key, row["value"]) for key, row in cells.items()))
    entry = matrix.resolve(user_group, *channel_groups)
    cell = cells.get((entry.user_group, entry.channel_group))
    return PriceAt(
        at=at,
        model=model,
        card=card,
        price=card.find(model) if card is not None else None,
        multiplier=entry.multiplier,
        user_group=entry.user_group,
        channel_group=entry.channel_group,
        multiplier_id=cell["multiplier_id"] if cell is not None else None,
    )


class _CardMark(msgspec.Struct, frozen=True):
    """What of a card says when it is in force: the prices of two thousand models are passed over unread."""

    effective_from: dt.datetime


class _BookMark(msgspec.Struct, frozen=True):
    card: _CardMark
    published: bool = False


class _ChangeMark(msgspec.Struct, frozen=True):
    after: _BookMark | None = None


_BOOKS: Final = f"""
SELECT entity_id, position, state FROM admin.entity
WHERE kind = 'rate_card' AND owner = 'sale' AND tenant_id = $1 AND generation = {live("entities")}
"""  # noqa: S608 -- constants only

_BOOK_CHANGES: Final = f"""
SELECT c.entity_id, e.type, e.recorded_at, e.data FROM admin.entity_change AS c
JOIN ledger.event AS e ON e.event_id = c.event_id AND e.tenant_id = c.tenant_id AND e.day = c.day
WHERE c.kind = 'rate_card' AND c.entity_id = ANY ($2::text[]) AND c.tenant_id = $1
    AND c.generation = {live("entities")} ORDER BY c.version
"""  # noqa: S608 -- constants only


async def _card_at(pool: "Pool", administration: Administration, at: dt.datetime) -> RateCard | None:
    """Give the card in force: of those published by then, and not yet archived, the last to have taken effect."""
    books: dict[str, tuple[dt.datetime, int]] = {}
    for row in await pool.fetch(_BOOKS, PLATFORM):
        book = msgspec.json.decode(row["state"], type=_BookMark)
        if book.published and book.card.effective_from <= at:
            books[row["entity_id"]] = book.card.effective_from, row["position"]
    published: dict[str, dt.datetime] = {}
    archived: dict[str, dt.datetime] = {}
    for row in await pool.fetch(_BOOK_CHANGES, PLATFORM, list(books)):
        if row["type"].endswith(".archived.v1"):
            archived[row["entity_id"]] = row["recorded_at"]
            continue
        change = msgspec.json.decode(row["data"], type=_ChangeMark)
        if change.after is not None and change.after.published:
            published.setdefault(row["entity_id"], row["recorded_at"])
    in_force = [
        card_id
        for card_id in books
        if card_id in published and published[card_id] <= at and not archived.get(card_id, at + _MICROSECOND) <= at
    ]
    if not in_force:
        return None
    stored = await administration.get("rate_card", max(in_force, key=lambda card_id: books[card_id]))
    card: RateCard = stored.entity.card
    return card
