"""The configuration as the hot path reads it: immutable, all in memory, every lookup worked out when it is made."""

import datetime as dt
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from adapters.postgres.admin_store import Stored
from domain.admin.entities import Budget, Channel, Group, Membership, Tenant, Token, User
from domain.admin.entities import Mapping as ModelMapping
from domain.admin.rules import membership_of
from domain.admin.settings import SETTINGS
from domain.ids import EntityId
from domain.pricing.multipliers import NEUTRAL, MultiplierEntry, MultiplierMatrix
from domain.pricing.rate_card import ModelPrice, RateCard, RateCards
from domain.routing.choice import Pools, Traits
from domain.routing.policy import Policies

KINDS: Final = ("channel", "group", "multiplier", "rate_card", "mapping", "setting", "routing_policy")
"""What a snapshot is made of."""


class TokenContext:
    """All that a request needs to know of the token that it came with; a revoked or archived token has one, too."""

    __slots__ = ("mappings", "tenant", "token", "user", "user_budgets", "user_disabled")

    def __init__(
        self,
        token: Token,
        tenant: Tenant,
        user: User | None,
        mappings: Iterable[ModelMapping] = (),
    ) -> None:
        """Take the parts; `user` is None if it is archived or gone."""
        self.token = token
        self.tenant = tenant
        self.user = user
        self.mappings: Mapping[str, ModelMapping] = {m.model: m for m in mappings if m.enabled}
        """The tenant's own names for models; they come before the platform's."""
        place = self.membership
        self.user_disabled = user is None or user.disabled or place is None
        """Whether the token's user may not spend the tenant's money: disabled, gone, or no member any more."""
        self.user_budgets: tuple[Budget, ...] = place.budgets if place is not None else ()

    @property
    def membership(self) -> Membership | None:
        """The user's place in the tenant."""
        return membership_of(self.user, self.tenant.tenant_id)


class Snapshot:
    """The platform's configuration at one position of its lane."""

    def __init__(self, position: int, things: Iterable[Stored], traits: Mapping[str, Traits] | None = None) -> None:
        """Take the position, everything of `KINDS`, and what channel types can do; archived things are left out."""
        by_kind: dict[str, list[Stored]] = defaultdict(list)
        versions = 0
        for thing in things:
            if thing.kind == "multiplier":
                versions += thing.version
            if not thing.archived:
                by_kind[thing.kind].append(thing)
        self.position = position
        """Of the last configuration event of the platform's lane that is in here."""

        self.channels_by_id: Mapping[EntityId, Channel] = {
            stored.entity.channel_id: stored.entity for stored in _ordered(by_kind["channel"])
        }
        self.pools = Pools(self.channels_by_id.values(), traits)
        """Which channels serve which model, worked out for the choice."""
        self.acted_at: Mapping[EntityId, int] = {EntityId(s.entity_id): s.position for s in by_kind["channel"]}
        """Where in the platform's lane each channel was last changed by a person."""
        self.policies = Policies(stored.entity for stored in by_kind["routing_policy"])
        served: dict[str, list[Channel]] = defaultdict(list)
        created: dict[str, int] = {}
        for stored in _ordered(by_kind["channel"]):
            for model in dict.fromkeys((*stored.entity.models, *stored.entity.model_map)):
                created[model] = min(created.get(model, 2**53), int(stored.created_at.timestamp()))
                if stored.entity.enabled:
                    served[model].append(stored.entity)
        self._served = {model: tuple(sorted(found, key=_rank)) for model, found in served.items()}
        self._created = created

        groups: list[Group] = [stored.entity for stored in by_kind["group"]]
        self.user_groups: Mapping[str, Group] = {group.label: group for group in groups if group.side == "user"}
        self.channel_groups: Mapping[str, Group] = {group.label: group for group in groups if group.side == "channel"}

        cells = {
            (cell.user_group, cell.channel_group): (
                MultiplierEntry(cell.user_group, cell.channel_group, cell.value),
                cell,
            )
            for cell in (stored.entity for stored in _ordered(by_kind["multiplier"]))
        }
        self.multipliers = MultiplierMatrix(tuple(entry for entry, _ in cells.values()), version=versions)
        self._multiplier_ids = {key: cell.multiplier_id for key, (_, cell) in cells.items()}
        self._resolved: dict[tuple[str, tuple[str, ...]], tuple[MultiplierEntry, EntityId | None]] = {}

        books = [stored.entity for stored in sorted(by_kind["rate_card"], key=lambda s: s.position)]
        published = [book for book in books if book.published]
        self.sale = RateCards(tuple(book.card for book in published if book.use == "sale"))
        """What tenants pay, in the order of publication."""
        series: dict[EntityId, list[RateCard]] = defaultdict(list)
        for book in published:
            if book.use == "cost":
                series[book.card.card_id].append(book.card)
        self.cost: Mapping[EntityId, RateCards] = {
            card_id: RateCards(tuple(cards)) for card_id, cards in series.items()
        }
        """What vendors charge, by the id of the series, which is what a channel names."""

        self.mappings: Mapping[str, ModelMapping] = {
            stored.entity.model: stored.entity for stored in _ordered(by_kind["mapping"]) if stored.entity.enabled
        }
        self.settings: Mapping[str, Any] = {name: known.default for name, known in SETTINGS.items()} | {
            stored.entity.name: stored.entity.value for stored in by_kind["setting"] if stored.entity.value is not None
        }

    @property
    def output_tokens_default(self) -> int:
        """Output tokens that a request is taken to need at most where nobody says."""
        return int(self.settings["output_tokens_default"])

    def channels(self, model: str) -> tuple[Channel, ...]:
        """Give the enabled channels that serve a model, or map its name: the highest priority first, then by id."""
        return self._served.get(model, ())

    def knows_model(self, model: str) -> bool:
        """Say whether any channel has the model, be it disabled."""
        return model in self._created

    def model_created(self, model: str) -> int:
        """Give the Unix time at which a channel first had the model that a name leads to; 0 if none has."""
        target = self.mappings[model].target if model in self.mappings else model
        return self._created.get(target, 0)

    def model_names(self, context: TokenContext | None = None) -> list[str]:
        """Give the names that a caller may ask for, mapped ones included, sorted."""
        names = set(self._served)
        mapped = set(self.mappings) | set(context.mappings if context is not None else ())
        for name in mapped:
            found = self.mapping(context, name)
            if found is not None and found.target in self._served:
                names.add(name)
            else:
                names.discard(name)
        return sorted(names)

    def mapping(self, context: TokenContext | None, model: str) -> ModelMapping | None:
        """Give what a name is mapped to in the end, with the first mapping's say on whose price is charged.

        The tenant's own mappings come before the platform's. A name that leads in a circle, which only changes of the
        same moment can make, ends where it would begin again.
        """
        own = context.mappings if context is not None else {}
        first = own.get(model) or self.mappings.get(model)
        if first is None:
            return None
        target, seen = first.target, {model}
        while target not in seen and (following := own.get(target) or self.mappings.get(target)) is not None:
            seen.add(target)
            target = following.target
        if target == first.target:
            return first
        return ModelMapping(
            mapping_id=first.mapping_id, model=model, target=target, tenant_id=first.tenant_id, billed=first.billed
        )

    def multiplier(self, user_group: str, channel_groups: Sequence[str]) -> tuple[MultiplierEntry, EntityId | None]:
        """Give the cell of the matrix that applies, and its id; none where the matrix says nothing."""
        key = (user_group, tuple(channel_groups))
        found = self._resolved.get(key)
        if found is None:
            entry = self.multipliers.resolve(user_group, *channel_groups)
            entity_id = (
                self._multiplier_ids.get((entry.user_group, entry.channel_group)) if entry is not NEUTRAL else None
            )
            found = self._resolved[key] = (entry, entity_id)
        return found

    def sale_card(self, when: dt.datetime) -> RateCard | None:
        """Give the card that prices what tenants ask for at a moment."""
        return self.sale.at(when)

    def cost_price(self, channel: Channel, model: str, when: dt.datetime) -> ModelPrice | None:
        """Give what a channel's vendor charges for a model by the vendor's name, where the channel has a cost card."""
        cards = self.cost.get(channel.cost_card_id) if channel.cost_card_id is not None else None
        card = cards.at(when) if cards is not None else None
        return card.find(model) if card is not None else None


def _ordered(things: list[Stored]) -> list[Stored]:
    return sorted(things, key=lambda stored: stored.entity_id)


def _rank(channel: Channel) -> tuple[int, str]:
    return -channel.priority, channel.channel_id
