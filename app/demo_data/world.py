"""The part of the history that is the same for everybody: people, prices, channels, and what happened to them when.

All of it follows from the plan: every process that writes a part of the history makes the same world anew.
"""

import bisect
from collections.abc import Mapping
from functools import cached_property

from app.demo_data.cast import VENDORS
from app.demo_data.clerk import Clerk
from app.demo_data.lane import LaneBook
from app.demo_data.offers import code_batch, groups, multipliers, prices, with_claim
from app.demo_data.people import logins, operators, tenant_of
from app.demo_data.plan import Plan
from app.demo_data.supply import channels, mapping_and_news, policies
from app.demo_data.terms import Terms, segments
from app.demo_data.troubles import Troubles
from domain.ids import PLATFORM, EntityId, first_lane
from domain.routing.health import Fault, Health


class World:
    """Everything that all lanes have in common, and the platform's own lane."""

    def __init__(self, plan: Plan) -> None:
        """Work it out; takes a second, for the prices of two thousand models are read."""
        self.plan = plan
        clerk = Clerk(plan)
        self.operators = operators(clerk)
        self.user_groups = groups(clerk)
        cards = prices(clerk)
        self.channels = channels(clerk, cards)
        multipliers(clerk)
        stories = [tenant_of(clerk, number) for number in range(plan.tenants)]
        policies(clerk, stories)
        mapping_and_news(clerk)
        batch = code_batch(clerk)
        self.stories = [with_claim(clerk, batch, story, number) for number, story in enumerate(stories)]
        troubles = Troubles(clerk, self.channels)
        logins(clerk, self.operators, self.stories)
        self.platform = LaneBook(PLATFORM, first_lane(PLATFORM))
        for at, _, command in sorted(clerk.happenings, key=lambda each: each[:2]):
            self.platform.must(command, at)
        self._terms = list(segments(clerk.states))
        self._since = [terms.since for terms in self._terms]
        self._spells = troubles.spells
        self._health_since, self._healths = troubles.health()

    def terms(self, at: int) -> Terms:
        """Give the configuration at a moment."""
        return self._terms[max(0, bisect.bisect_right(self._since, at) - 1)]

    def health(self, at: int) -> Mapping[EntityId, Health]:
        """Give what nodes think of the channels at a moment."""
        return self._healths[bisect.bisect_right(self._health_since, at)]

    def failing(self, channel_id: EntityId, at: int) -> Fault | None:
        """Give what is the matter with a channel that is called at a moment, None if nothing in particular is."""
        return next((s.fault for s in self._spells if s.channel_id == channel_id and s.begins <= at < s.ends), None)

    @cached_property
    def fault_rates(self) -> Mapping[EntityId, float]:
        """Give the part of each channel's calls that fail on ordinary days."""
        rates = {vendor.name: vendor.fault_rate for vendor in VENDORS}
        return {channel.channel_id: rates.get(channel.name, 0.0) for channel in self.channels}
