"""When calls are made: by the clock of each tenant's people, more and more of them as time goes on."""

import math
from typing import Final
from zoneinfo import ZoneInfo

from app.demo_data.cast import Rhythm
from app.demo_data.lane import time_of
from app.demo_data.people import Story
from app.demo_data.plan import DAY, HOUR, MINUTE
from app.demo_data.world import World

_CURVES: Final[dict[Rhythm, tuple[int, ...]]] = {
    "office": (1, 1, 1, 1, 1, 2, 5, 14, 40, 80, 95, 92, 70, 85, 96, 90, 72, 45, 22, 12, 8, 5, 3, 2),
    "evening": (20, 9, 4, 2, 2, 3, 6, 12, 20, 26, 30, 34, 38, 36, 38, 44, 54, 66, 80, 95, 100, 92, 70, 42),
    "night": (60, 90, 100, 100, 95, 60, 20, 4, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 4, 8, 16, 32),
    "steady": (60, 56, 54, 52, 54, 58, 66, 74, 84, 92, 96, 98, 96, 97, 98, 98, 96, 94, 90, 86, 82, 78, 72, 66),
}
_WEEKENDS: Final[dict[Rhythm, float]] = {"office": 0.18, "evening": 1.25, "night": 1.0, "steady": 0.85}
_SATURDAY: Final = 5


def arrivals(world: World) -> list[list[int]]:
    """Give by tenant how many calls it makes in each hour; they add up to the plan's."""
    plan = world.plan
    hours = plan.days * 24
    weights = [[_weight(world, story, hour) for hour in range(hours)] for story in world.stories]
    total = sum(map(sum, weights))
    counts, done, before = [], 0.0, 0
    for row in weights:
        out = []
        for weight in row:
            done += weight
            after = round(plan.requests * done / total) if total else 0
            out.append(after - before)
            before = after
        counts.append(out)
    return counts


def _weight(world: World, story: Story, hour: int) -> float:
    plan, company = world.plan, story.company
    at = plan.first + hour * HOUR
    if at < story.joined + MINUTE:
        return 0.0
    local = time_of(at).astimezone(ZoneInfo(company.time_zone))
    weekend = _WEEKENDS[company.rhythm] if local.weekday() >= _SATURDAY else 1.0
    growth = 1 + 0.7 * (at - plan.first) / (plan.end - plan.first)
    # The same for every run: a day is a little better or worse than the one before.
    day = at // DAY
    mood = 1 + 0.12 * math.sin(day * 2.399 + story.share)
    return story.share * _CURVES[company.rhythm][local.hour] * weekend * growth * mood
