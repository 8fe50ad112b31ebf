"""What an administered thing must satisfy before it may be stored: pure checks, a refusal each.

The shape of each field is checked by the types of `domain.admin.entities`; here is what a type cannot say, such as a
group that must exist or a loop of names. Only what holds in the ledger (names, versions, the last root) is exact under
concurrency; a check against other things may be outrun by a change of the same moment, which every reader survives.
"""

import datetime as dt
import ipaddress
import re
import zoneinfo
from collections.abc import Callable, Iterable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec

from domain.admin.entities import (
    KINDS,
    Announcement,
    Arm,
    Budget,
    Channel,
    CodeBatch,
    Entity,
    Group,
    Mapping,
    Membership,
    Multiplier,
    PriceBook,
    RoutingPolicy,
    Setting,
    Tenant,
    Token,
    User,
)
from domain.admin.errors import InUseError, InvalidEntityError, MappingLoopError
from domain.admin.settings import SETTINGS
from domain.ids import PLATFORM, TenantId, derive_id
from domain.pricing.lint import lint, refuse_errors
from domain.pricing.multipliers import ALL, check_multiplier
from domain.pricing.rate_card import CardPublishedError, ModelPrice, RateCard, RateCards
from domain.relay.channel_type import ChannelType

CODES_PER_BATCH_MAX: Final = 1000
BUDGETS_MAX: Final = 8
ARMS_MAX: Final = 8
FALLBACKS_MAX: Final = 8
_TENANT_EPOCH_MILLISECONDS: Final = 1_735_689_600_000
"""2025-01-01, as in `adapters.ids`: 41 bits of milliseconds last until 2094."""
_NUL: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
_CARD_AHEAD_MAX: Final = dt.timedelta(days=5 * 366)


class Surroundings(msgspec.Struct, frozen=True, kw_only=True):
    """What a check has to know of other things."""

    now: dt.datetime
    user_groups: frozenset[str] = frozenset()
    """Labels."""
    channel_groups: frozenset[str] = frozenset()
    channel_type: ChannelType | None = None
    """What a channel says it is, where that is known."""
    cards: tuple[PriceBook, ...] = ()
    """The published cards of both uses, in the order of their publication."""
    mappings: tuple[Mapping, ...] = ()
    """All that could meet this one: the platform's, and those of its tenant."""
    tenants: frozenset[TenantId] = frozenset()
    """Of those that the thing names, the ones that are there and not archived."""
    owner: User | None = None
    """The user whom a token is for, unless archived."""
    users_of: int = 0
    """How many things refer to this one."""


def home(kind: str, entity: Entity) -> TenantId:
    """Give the tenant in whose first lane the events of a thing stand: its own, or the platform."""
    if kind in {"tenant", "token"} or (kind == "mapping" and entity.tenant_id is not None):  # type: ignore[union-attr]
        return TenantId(int(entity.tenant_id))  # type: ignore[union-attr,arg-type]
    return PLATFORM


_ID_FIELDS: Final = {
    "tenant": "tenant_id",
    "user": "user_id",
    "token": "token_id",
    "channel": "channel_id",
    "group": "group_id",
    "multiplier": "multiplier_id",
    "rate_card": "card_id",
    "mapping": "mapping_id",
    "setting": "setting_id",
    "code_batch": "batch_id",
    "routing_policy": "policy_id",
    "announcement": "announcement_id",
}


def id_of(kind: str, entity: Entity) -> str:
    """Give the id that a thing is known by, as text."""
    return str(getattr(entity, _ID_FIELDS[kind]))


def with_id(kind: str, entity: Any, event_id: str) -> Any:
    """Give the thing with an id, made from that of the event that creates it, unless it has one already.

    So a repeated creation makes the same thing. An empty id, or the tenant number 0, stands for none.
    """
    field = _ID_FIELDS[kind]
    if getattr(entity, field):
        return entity
    if kind == "tenant":
        return msgspec.structs.replace(entity, tenant_id=tenant_id_from(event_id))
    return msgspec.structs.replace(entity, **{field: derive_id(event_id, kind)})


def tenant_id_from(uuid7: str) -> TenantId:
    """Give a tenant's number for an id: its milliseconds since 2025, then 12 bits; below 2**53.

    Two ids of one millisecond can meet in one number; the ledger refuses the second.
    """
    milliseconds = int(uuid7[:8] + uuid7[9:13], 16) - _TENANT_EPOCH_MILLISECONDS
    return TenantId(milliseconds << 12 | int(derive_id(uuid7, "tenant")[-3:], 16))


def check(kind: str, before: Any, after: Any, around: Surroundings, *, force: bool = False) -> None:
    """Raise the refusal of a new thing (`before` is None) or of a change, or return.

    `force` lets a rate card pass whose prices look wrong. Raises InvalidEntityError and its kin, and pricing's errors.
    """
    check_shape(kind, after)
    _frozen_fields(kind, before, after)
    _CHECKS[kind](before, after, around)
    if kind == "rate_card" and after.published:
        _publishable(after, around, force=force)


def check_shape(kind: str, entity: Entity) -> None:
    """Raise InvalidEntityError for what the types of the fields refuse, as they would when reading it from a client."""
    stored = msgspec.json.encode(entity)
    if _NUL.search(stored):
        # PostgreSQL reads no such JSON, and a list that is narrowed by a field reads every row.
        raise InvalidEntityError("", "A text holds no NUL.")
    try:
        msgspec.json.decode(stored, type=KINDS[kind])
    except msgspec.ValidationError as error:
        message = str(error)
        found = re.search(r"`\$\.([A-Za-z0-9_]+)", message)
        raise InvalidEntityError(found.group(1) if found else "", message) from None


def check_archive(kind: str, entity: Any, around: Surroundings) -> None:
    """Raise the refusal of taking a thing out of use, or return."""
    if kind == "group":
        if entity.label == "default":
            raise InUseError("The group 'default' is what everything without a group of its own belongs to.")
        if around.users_of:
            raise InUseError(f"The group {entity.label!r} is still used by {around.users_of} others: move them first.")
    if kind == "rate_card" and entity.published and entity.card.effective_from <= around.now:
        raise CardPublishedError(
            "A card that is or was in force stays, for charges refer to it: publish a later one instead."
        )
    if kind == "tenant" and entity.tenant_id == PLATFORM:
        raise InUseError("The platform itself cannot be archived.")


_FROZEN: Final = {
    "tenant": ("tenant_id",),
    "user": ("user_id",),
    "token": ("token_id", "tenant_id", "user_id"),
    "channel": ("channel_id", "key_hint", "key_version"),
    "group": ("group_id", "side", "label"),
    "multiplier": ("multiplier_id", "user_group", "channel_group"),
    "rate_card": ("card_id", "use"),
    "mapping": ("mapping_id", "tenant_id"),
    "setting": ("setting_id", "name"),
    "routing_policy": ("policy_id",),
    "announcement": ("announcement_id",),
    "code_batch": (
        "batch_id", "amount_nanos", "kind", "priority", "uses_per_code", "uses_per_tenant", "expires_at", "grant_days",
        "hashes",
    ),
}  # fmt: skip
"""What never changes: others refer to it, or it stands in accounts that were opened by it."""


def _frozen_fields(kind: str, before: Any, after: Any) -> None:
    if before is None:
        return
    if kind == "rate_card" and before.published:
        raise CardPublishedError("A published card never changes: publish a later version instead.")
    for field in _FROZEN[kind]:
        if getattr(before, field) != getattr(after, field):
            raise InvalidEntityError(field, f"The {field} of a {kind.replace('_', ' ')} never changes.")


def _check_tenant(_before: Tenant | None, after: Tenant, around: Surroundings) -> None:
    _time_zone(after.time_zone)
    _budgets(after.budgets)
    _existing("user_group", (after.user_group,), around.user_groups)


def _check_user(_before: User | None, after: User, around: Surroundings) -> None:
    places = [membership.tenant_id for membership in after.memberships]
    if len(set(places)) != len(places):
        raise InvalidEntityError("memberships", "A user has one place in a tenant, not several.")
    lost = sorted(set(places) - around.tenants)
    if lost:
        raise InvalidEntityError("memberships", f"There is no tenant {lost[0]}.")
    for membership in after.memberships:
        _budgets(membership.budgets)
    if after.time_zone:
        _time_zone(after.time_zone)


def _check_token(before: Token | None, after: Token, around: Surroundings) -> None:
    if before is not None and before.revoked and not after.revoked:
        raise InvalidEntityError("revoked", "A revoked token never works again: make a new one.")
    if before is not None:
        _check_rotation(before, after)
    _budgets(after.budgets)
    _moment("expires_at", after.expires_at)
    _moment("previous_until", after.previous_until)
    for network in after.networks:
        _network(network)
    if after.models is not None and not all(after.models):
        raise InvalidEntityError("models", "A model's name is not empty.")
    if before is None:
        if after.tenant_id not in around.tenants:
            raise InvalidEntityError("tenant_id", f"There is no tenant {after.tenant_id}.")
        if membership_of(around.owner, after.tenant_id) is None:
            raise InvalidEntityError("user_id", "A token's user must be a member of its tenant.")
        if around.owner is not None and around.owner.disabled:
            # The member's account may not be there yet, and would be opened along with the token's.
            raise InvalidEntityError("user_id", "A disabled user gets no tokens.")


def _check_rotation(before: Token, after: Token) -> None:
    """Check that a token's secret goes to a new one, and no other than the one before works on beside it."""
    rotated = before.sha256 != after.sha256
    if rotated and before.revoked:
        raise InvalidEntityError("revoked", "A revoked token gets no new secret: make a new token.")
    allowed = {"", before.sha256 if rotated else before.previous_sha256}
    if after.previous_sha256 not in allowed or bool(after.previous_sha256) != (after.previous_until is not None):
        raise InvalidEntityError("previous_sha256", "Only the secret before works on, and only until a time.")
    if not rotated and before.hint != after.hint:
        raise InvalidEntityError("hint", "The hint is that of the secret.")


def _check_channel(_before: Channel | None, after: Channel, around: Surroundings) -> None:
    if not after.models or not all(after.models):
        raise InvalidEntityError("models", "A channel serves at least one model, each with a name.")
    if not after.channel_groups:
        raise InvalidEntityError("channel_groups", "A channel is in at least one channel group.")
    for asked, own in after.model_map.items():
        if not asked or not own:
            raise InvalidEntityError("model_map", "Both names of a mapped model must be given.")
    _existing("channel_groups", after.channel_groups, around.channel_groups)
    _check_of_type(after, around.channel_type)
    if after.cost_card_id is not None and not any(
        book.use == "cost" and book.card.card_id == after.cost_card_id for book in around.cards
    ):
        raise InvalidEntityError("cost_card_id", "There is no published cost card of that series.")


def _check_of_type(channel: Channel, channel_type: ChannelType | None) -> None:
    """Check what only the channel's type can tell: its address, and the fields of its form."""
    if channel_type is None:
        raise InvalidEntityError("type", f"There is no channel type {channel.type!r}: see GET /api/channel-types.")
    if channel_type.retired is not None:
        raise InvalidEntityError("type", channel_type.retired.en)
    if channel_type.name == "demo":
        if channel.base_url:
            raise InvalidEntityError("base_url", "The demo vendor is inside this process and has no address.")
    elif channel.base_url or not channel_type.base_url:
        _base_url(channel.base_url)
    _check_options(channel, channel_type)


def _check_options(channel: Channel, channel_type: ChannelType) -> None:
    known = {field.name: field for field in channel_type.fields}
    for name, value in channel.options.items():
        if name not in known:
            raise InvalidEntityError("options", f"A channel of this type has no field {name!r}.")
        if known[name].choices and value and value not in known[name].choices:
            allowed = ", ".join(known[name].choices)
            raise InvalidEntityError("options", f"The field {name!r} is one of: {allowed}.")
    for field in channel_type.fields:
        if field.required and not channel.options.get(field.name):
            raise InvalidEntityError("options", f"The field {field.name!r} must be given: {field.help.en}")


def _check_group(_before: Group | None, after: Group, _around: Surroundings) -> None:
    if after.label == ALL:
        raise InvalidEntityError("label", "'all' stands for every group in the multiplier matrix.")
    if after.side == "channel" and after.allowance_nanos:
        raise InvalidEntityError("allowance_nanos", "Only user groups have an allowance.")


def _check_multiplier(_before: Multiplier | None, after: Multiplier, around: Surroundings) -> None:
    check_multiplier(after.value)
    _existing("user_group", (after.user_group,), around.user_groups | {ALL})
    _existing("channel_group", (after.channel_group,), around.channel_groups | {ALL})


def _check_rate_card(_before: PriceBook | None, after: PriceBook, _around: Surroundings) -> None:
    if not after.card.models:
        raise InvalidEntityError("card", "A rate card prices at least one model.")


def _publishable(book: PriceBook, around: Surroundings, *, force: bool) -> None:
    cards = series(around.cards, book)
    cards.publish(book.card)
    if book.card.effective_from > around.now + _CARD_AHEAD_MAX:
        raise InvalidEntityError("card", "A card takes effect within five years: is the year right?")
    in_force = cards.at(around.now)
    if in_force is not None and book.card.effective_from < in_force.effective_from:
        raise InvalidEntityError(
            "card",
            f"This card would never be in force: the present one took effect on {in_force.effective_from:%Y-%m-%d}.",
        )
    refuse_errors(lint(book.card, cards.at(book.card.effective_from)), forced=force)


def series(published: Iterable[PriceBook], book: PriceBook) -> RateCards:
    """Give the published cards that a card competes with: all sale cards, or the cost cards of its own series."""
    return RateCards(
        tuple(
            other.card
            for other in published
            if other.use == book.use and (book.use == "sale" or other.card.card_id == book.card.card_id)
        )
    )


def previous_card(published: Iterable[PriceBook], book: PriceBook) -> RateCard | None:
    """Give the card that this one would follow: what the price lint compares it with."""
    return series(published, book).at(book.card.effective_from)


def costs_of(
    channels: Iterable[Channel], published: Iterable[PriceBook], when: dt.datetime
) -> list[tuple[str, str, ModelPrice]]:
    """Give what channels with a cost card pay at a moment: the channel, the model as it is asked for, its cost."""
    books = [book for book in published if book.use == "cost"]
    costs = []
    for channel in channels:
        cards = RateCards(tuple(book.card for book in books if book.card.card_id == channel.cost_card_id))
        card = cards.at(when)
        for model in dict.fromkeys((*channel.models, *channel.model_map)):
            cost = card.find(channel.model_map.get(model, model)) if card is not None else None
            if cost is not None:
                costs.append((channel.name, model, cost))
    return costs


def _check_mapping(_before: Mapping | None, after: Mapping, around: Surroundings) -> None:
    if after.tenant_id is not None and after.tenant_id not in around.tenants:
        raise InvalidEntityError("tenant_id", f"There is no tenant {after.tenant_id}.")
    others = [m for m in around.mappings if m.mapping_id != after.mapping_id and m.enabled]
    # A tenant's own names come first, the platform's fill in: as they are resolved.
    names = {m.model: m.target for m in others if m.tenant_id is None}
    names |= {m.model: m.target for m in others if m.tenant_id is not None}
    if after.enabled and (after.model == after.target or leads_back(names | {after.model: after.target}, after.model)):
        raise MappingLoopError("target", f"{after.model!r} would lead back to itself.")


def leads_back(names: dict[str, str], start: str) -> bool:
    """Say whether following a name from `start` on runs in a circle."""
    seen = {start}
    name = start
    while name in names:
        name = names[name]
        if name in seen:
            return True
        seen.add(name)
    return False


def _check_setting(_before: Setting | None, after: Setting, _around: Surroundings) -> None:
    known = SETTINGS.get(after.name)
    if known is None:
        raise InvalidEntityError("name", f"{after.name!r} is not a setting; there are: {', '.join(SETTINGS)}.")
    if not known.accepts(after.value):
        raise InvalidEntityError("value", f"{after.name} must be {known.expected}.")


def _check_code_batch(before: CodeBatch | None, after: CodeBatch, _around: Surroundings) -> None:
    if after.amount_nanos == 0:
        raise InvalidEntityError("amount_nanos", "A code is worth something.")
    if not 0 < len(after.hashes) <= CODES_PER_BATCH_MAX or len(set(after.hashes)) != len(after.hashes):
        raise InvalidEntityError("hashes", f"A batch has 1 to {CODES_PER_BATCH_MAX} codes, each only once.")
    if not all(re.fullmatch("[0-9a-f]{64}", code) for code in after.hashes):
        raise InvalidEntityError("hashes", "A code is stored as its SHA-256.")
    _moment("expires_at", after.expires_at)
    if before is not None and before.revoked and not after.revoked:
        raise InvalidEntityError("revoked", "Revoked codes never work again: make new ones.")


def _check_routing_policy(_before: RoutingPolicy | None, after: RoutingPolicy, around: Surroundings) -> None:
    if after.tenant_id is not None:
        if after.user_group:
            raise InvalidEntityError("user_group", "A policy is for a tenant or for a user group, not for both.")
        if after.tenant_id not in around.tenants:
            raise InvalidEntityError("tenant_id", f"There is no tenant {after.tenant_id}.")
    if after.user_group:
        _existing("user_group", (after.user_group,), around.user_groups)
    _existing("channel_groups", after.channel_groups, around.channel_groups)
    chain = [name for name in (after.model, *after.fallbacks) if name]
    if len(set(chain)) != len(chain):
        raise InvalidEntityError("fallbacks", "A model stands in a chain only once.")
    if len(after.fallbacks) > FALLBACKS_MAX:
        raise InvalidEntityError("fallbacks", f"There are at most {FALLBACKS_MAX} fallbacks.")
    _arms(after.arms, around)


def _arms(arms: tuple[Arm, ...], around: Surroundings) -> None:
    if not arms:
        return
    if not 1 < len(arms) <= ARMS_MAX or len({arm.name for arm in arms}) != len(arms):
        raise InvalidEntityError("arms", f"An experiment has 2 to {ARMS_MAX} arms, each with a name of its own.")
    if not sum(arm.share for arm in arms):
        raise InvalidEntityError("arms", "At least one arm has a share.")
    for arm in arms:
        _existing("arms", arm.channel_groups, around.channel_groups)


def _check_announcement(_before: Announcement | None, after: Announcement, _around: Surroundings) -> None:
    starts_at, ends_at = _moment("starts_at", after.starts_at), _moment("ends_at", after.ends_at)
    if starts_at is not None and ends_at is not None and ends_at <= starts_at:
        raise InvalidEntityError("ends_at", "An announcement ends after it starts.")


_CHECKS: Final[dict[str, Callable[[Any, Any, Surroundings], None]]] = {
    "tenant": _check_tenant,
    "user": _check_user,
    "token": _check_token,
    "channel": _check_channel,
    "group": _check_group,
    "multiplier": _check_multiplier,
    "rate_card": _check_rate_card,
    "mapping": _check_mapping,
    "setting": _check_setting,
    "code_batch": _check_code_batch,
    "routing_policy": _check_routing_policy,
    "announcement": _check_announcement,
}


def membership_of(user: User | None, tenant_id: TenantId) -> Membership | None:
    """Give a user's place in a tenant, if the user is there and has one."""
    if user is None:
        return None
    return next((place for place in user.memberships if place.tenant_id == tenant_id), None)


def _time_zone(name: str) -> None:
    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        raise InvalidEntityError("time_zone", f"{name!r} is not a time zone such as 'Europe/Berlin'.") from None


def _budgets(budgets: tuple[Budget, ...]) -> None:
    windows = [(budget.unit, budget.period) for budget in budgets]
    if len(set(windows)) != len(windows):
        raise InvalidEntityError("budgets", "There is one budget for each unit and period, not several.")
    if len(budgets) > BUDGETS_MAX:
        raise InvalidEntityError("budgets", f"There are at most {BUDGETS_MAX} budgets.")


def _network(text: str) -> None:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        raise InvalidEntityError("networks", f"{text!r} is not a network such as '192.0.2.0/24'.") from None


def _moment(field: str, text: str | None) -> dt.datetime | None:
    if text is None:
        return None
    try:
        moment = dt.datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise InvalidEntityError(field, f"{text!r} is not a time with a zone such as '2027-01-31T00:00:00Z'.")
    return moment


def _existing(field: str, labels: Iterable[str], known: Iterable[str]) -> None:
    unknown = sorted(set(labels) - set(known))
    if unknown:
        raise InvalidEntityError(field, f"There is no group {unknown[0]!r}.")


def _base_url(text: str) -> None:
    try:
        parts = urlsplit(text)
        _ = parts.port
        right = parts.scheme in {"http", "https", "ws", "wss"} and bool(parts.hostname) and parts.username is None
    except ValueError:
        right = False
        parts = urlsplit("")
    if not right or parts.query or parts.fragment or any(c.isspace() for c in text):
        raise InvalidEntityError(
            "base_url", "A vendor's address is an http or https URL such as 'https://api.example.com/v1'."
        )
