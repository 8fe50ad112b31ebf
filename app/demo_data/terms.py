"""The configuration that requests met: prices, costs, multipliers, policies and channels, from change to change."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from adapters.channel_types import TYPES
from app.demo_data.clerk import command_key
from app.demo_data.plan import SECOND, moment
from app.routing.router import traits_of
from domain.ids import EntityId
from domain.pricing.multipliers import MultiplierEntry, MultiplierMatrix
from domain.pricing.rate_card import RateCard, RateCards
from domain.routing.choice import Pools
from domain.routing.policy import Policies


class Terms(NamedTuple):
    """The configuration between two changes of it."""

    since: int
    card: RateCard
    costs: Mapping[EntityId, RateCard]
    matrix: MultiplierMatrix
    multiplier_ids: Mapping[tuple[str, str], EntityId]
    policies: Policies
    pools: Pools


def segments(states: Sequence[tuple[int, str, Any]]) -> Iterator[Terms]:
    """Give the configuration from each of its changes on."""
    traits = traits_of(TYPES)
    current: dict[tuple[str, str], Any] = {}
    states = sorted(states, key=lambda each: each[0])
    for index, (at, kind, entity) in enumerate(states):
        current[kind, command_key(kind, entity)] = entity
        if index + 1 < len(states) and states[index + 1][0] <= at + 2 * SECOND:
            continue
        things = {name: [e for (k, _), e in current.items() if k == name] for name in ("channel", "multiplier")}
        books = [e for (k, _), e in current.items() if k == "rate_card" and e.published]
        sale = RateCards(tuple(b.card for b in books if b.use == "sale")).at(moment(at))
        if sale is None:
            continue
        yield Terms(
            since=at,
            card=sale,
            costs={b.card.card_id: b.card for b in books if b.use == "cost"},
            matrix=MultiplierMatrix(
                tuple(MultiplierEntry(m.user_group, m.channel_group, m.value) for m in things["multiplier"])
            ),
            multiplier_ids={(m.user_group, m.channel_group): m.multiplier_id for m in things["multiplier"]},
            policies=Policies(e for (k, _), e in current.items() if k == "routing_policy"),
            pools=Pools(things["channel"], traits),
        )
