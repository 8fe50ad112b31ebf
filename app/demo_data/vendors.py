"""How vendors behave: which calls fail, how long answers take."""

import random
from typing import Final

import msgspec

from app.demo_data.world import World
from domain.admission import Route, cost_of
from domain.holds.events import Attempt, Outcome
from domain.ids import HoldId
from domain.metering.usage import TokenUsage

_FAILING: Final = 0.97
"""Calls that fail to a channel that is in trouble."""
_STATUS: Final = {"timeout": 0, "connect": 0, "server": 500, "rate_limit": 429}
_OUTCOMES: Final[dict[str, Outcome]] = {
    "timeout": "timeout",
    "connect": "connect",
    "server": "vendor_error",
    "rate_limit": "refused_by_vendor",
}
_CODES: Final = {"timeout": "first_byte_timeout", "connect": "connect", "server": "server_error",
                 "rate_limit": "rate_limit_exceeded"}  # fmt: skip
_LATENCY: Final = {"timeout": 30_000, "connect": 10_000, "server": 420, "rate_limit": 90}


class Vendors:
    """What one tenant's calls meet."""

    def __init__(self, world: World, chance: random.Random) -> None:
        """Take when channels are in trouble."""
        self._world = world
        self._chance = chance
        self._draw = chance.random

    def fault(self, route: Route, at: int) -> str | None:
        """Give how a call fails; None if it is answered."""
        channel_id = route.channel.channel_id
        spell = self._world.failing(channel_id, at)
        point = self._draw()
        if spell is not None:
            return spell if point < _FAILING else None
        if point >= self._world.fault_rates.get(channel_id, 0.0):
            return None
        return ("timeout", "server", "rate_limit", "rate_limit")[int(self._draw() * 4)]

    def attempt(self, route: Route, usage: TokenUsage, surface: str, *, stream: bool, outcome: Outcome) -> Attempt:
        """Give what is told of a call that was answered."""
        chance = self._chance
        first = int(_first_byte(route.channel.type) * chance.lognormvariate(0.0, 0.45))
        if surface == "transcriptions":
            latency = first + usage.milliseconds // 40
        else:
            latency = first + int(usage.output_total * 9 * (0.8 + 0.4 * self._draw()))
        return Attempt(
            channel_id=route.channel.channel_id,
            model_routed=route.model_routed,
            outcome=outcome,
            status=200,
            latency_milliseconds=latency,
            first_byte_milliseconds=first if stream else None,
            cost_nanos=cost_of(route, usage),
        )


def failed(route: Route, fault: str) -> Attempt:
    """Give what is told of a call that failed."""
    return Attempt(
        channel_id=route.channel.channel_id,
        model_routed=route.model_routed,
        outcome=_OUTCOMES[fault],
        status=_STATUS[fault],
        code=_CODES[fault],
        latency_milliseconds=_LATENCY[fault],
    )


def begun(attempt: Attempt, hold_id: HoldId, waited: int) -> Attempt:
    """Give an attempt that began so many microseconds after its hold; admission took a few milliseconds before that."""
    admission = 2 + int(hold_id[-2:], 16) % 9
    return msgspec.structs.replace(attempt, began_milliseconds=admission + waited // 1000)


def _first_byte(channel_type: str) -> int:
    return {"anthropic": 620, "gemini": 410, "deepseek": 900, "openrouter": 780}.get(channel_type, 480)
