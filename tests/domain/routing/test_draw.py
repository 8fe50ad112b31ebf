import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.admin.entities import Channel
from domain.ids import EntityId
from domain.routing import attempt_order


def _channel(name: str, *, weight: int = 100, priority: int = 0, enabled: bool = True) -> Channel:
    return Channel(channel_id=EntityId(name), name=name, type="demo", weight=weight, priority=priority, enabled=enabled)


def test_shares_of_first_attempts_follow_the_weights() -> None:
    draw = random.Random(7).random
    channels = [_channel("a", weight=70), _channel("b", weight=30)]

    firsts = Counter(attempt_order(channels, draw)[0].name for _ in range(10_000))

    assert firsts["a"] / 10_000 == pytest.approx(0.7, abs=0.01)


def test_a_higher_priority_is_tried_first_whatever_its_weight() -> None:
    order = attempt_order([_channel("low", weight=1000), _channel("high", weight=1, priority=5)], lambda: 0.999)

    assert [channel.name for channel in order] == ["high", "low"]


def test_weight_zero_comes_last_of_its_priority() -> None:
    for point in (0.0, 0.5, 0.999999):
        order = attempt_order([_channel("zero", weight=0), _channel("some", weight=1)], lambda: point)  # noqa: B023  # used at once
        assert [channel.name for channel in order] == ["some", "zero"]


channels = st.lists(
    st.builds(
        lambda weight, priority, enabled: (weight, priority, enabled),
        st.integers(0, 1000),
        st.integers(-2, 2),
        st.booleans(),
    ),
    max_size=8,
)


@given(channels, st.randoms(use_true_random=False))
def test_every_enabled_channel_comes_once_and_no_other(drawn: list[tuple[int, int, bool]], rng: random.Random) -> None:
    given_channels = [
        _channel(str(index), weight=weight, priority=priority, enabled=enabled)
        for index, (weight, priority, enabled) in enumerate(drawn)
    ]

    order = attempt_order(given_channels, rng.random)

    assert sorted(c.name for c in order) == sorted(c.name for c in given_channels if c.enabled)
    assert [c.priority for c in order] == sorted((c.priority for c in order), reverse=True)
