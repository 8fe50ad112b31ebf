"""A round of folding rests in pieces: as long in sum as it would at its end, and never far from its share."""

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.ids import TenantId, first_lane
from projections.checkpoints import LaneKey
from projections.runner import Runner

SECONDS = st.floats(min_value=0.0001, max_value=10.0)


@given(st.lists(SECONDS, min_size=1, max_size=60))
def test_the_pieces_of_a_rest_are_the_rest(transactions: list[float]) -> None:
    worked = rested = 0.0
    for number, seconds in enumerate(transactions, start=1):
        worked += seconds
        due = Runner.rest_due(worked, number / len(transactions))
        rested = max(rested, due)
        assert rested <= Runner.REST_MAX_SECONDS

    whole = min(max(Runner.REST_MIN_SECONDS, Runner.REST_SHARE * worked), Runner.REST_MAX_SECONDS)
    assert rested >= whole * 0.999


@given(SECONDS, st.integers(min_value=2, max_value=60))
def test_even_transactions_get_even_rests(seconds: float, transactions: int) -> None:
    dues = [Runner.rest_due(seconds * n, n / transactions) for n in range(1, transactions + 1)]

    pieces = [after - before for before, after in zip([0.0, *dues], dues, strict=False)]
    assert max(pieces) - min(pieces) < 1e-9


class _Round(Runner):
    """A runner whose transactions take no time."""

    async def _fold_at_once(self, lanes: Sequence[LaneKey]) -> bool:
        return not lanes


async def test_a_round_rests_between_its_transactions(monkeypatch: pytest.MonkeyPatch) -> None:
    rests: list[float] = []

    async def rest(seconds: float) -> None:
        rests.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", rest)
    tenants = [TenantId(number) for number in range(1, 4 * Runner.LANES_AT_ONCE + 1)]
    no_pool = cast("Any", None)

    _, at_the_end = await _Round(no_pool, ())._fold(
        [(tenant, first_lane(tenant)) for tenant in tenants], asyncio.get_running_loop().time()
    )

    assert [*rests, at_the_end] == pytest.approx([Runner.REST_MIN_SECONDS / 4] * 4)
