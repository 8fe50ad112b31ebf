"""In which order channels are tried: by priority, and within one by chance in proportion to weight."""

from collections.abc import Callable, Sequence
from itertools import groupby

from domain.admin.entities import Channel


def attempt_order(channels: Sequence[Channel], draw: Callable[[], float]) -> list[Channel]:
    """Give every enabled channel once; `draw` gives numbers from 0 up to, and without, 1.

    Within a priority each place goes to a remaining channel with a chance of its weight over theirs, so that shares of
    first attempts follow the weights. A weight of 0 is tried last, and only where nothing else is left.
    """
    order: list[Channel] = []
    enabled = sorted((channel for channel in channels if channel.enabled), key=lambda channel: -channel.priority)
    for _, tier in groupby(enabled, key=lambda channel: channel.priority):
        left = list(tier)
        while left:
            order.append(left.pop(_pick([channel.weight for channel in left], draw)))
    return order


def _pick(weights: list[int], draw: Callable[[], float]) -> int:
    if len(weights) == 1:
        return 0
    point = draw() * sum(weights)
    for index, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return index
    return len(weights) - 1
