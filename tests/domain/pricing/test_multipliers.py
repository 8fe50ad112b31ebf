from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.pricing.multipliers import NEUTRAL, InvalidMultiplierError, MultiplierEntry, MultiplierMatrix

EXACT = MultiplierEntry("vip", "premium", Decimal("0.7"))
USER = MultiplierEntry("vip", "all", Decimal("0.8"))
CHANNEL = MultiplierEntry("all", "premium", Decimal("0.5"))
EVERYONE = MultiplierEntry("all", "all", Decimal("1.5"))


@pytest.mark.parametrize(
    ("entries", "winner"),
    [
        ((EXACT, USER, CHANNEL, EVERYONE), EXACT),
        ((USER, CHANNEL, EVERYONE), USER),
        ((CHANNEL, EVERYONE), CHANNEL),
        ((EVERYONE,), EVERYONE),
        ((), NEUTRAL),
    ],
)
def test_the_most_specific_entry_wins_whatever_the_order(
    entries: tuple[MultiplierEntry, ...], winner: MultiplierEntry
) -> None:
    assert MultiplierMatrix(entries).resolve("vip", "premium") == winner
    assert MultiplierMatrix(entries[::-1]).resolve("vip", "premium") == winner


def test_entries_of_other_groups_say_nothing() -> None:
    assert MultiplierMatrix((EXACT, USER, CHANNEL)).resolve("basic", "cheap") is NEUTRAL
    assert MultiplierMatrix((EXACT, USER, CHANNEL)).resolve("basic") is NEUTRAL
    assert NEUTRAL.multiplier == 1


def test_the_lowest_of_equally_specific_entries_wins_for_a_channel_in_several_groups() -> None:
    dear, cheap = (MultiplierEntry("vip", name, Decimal(value)) for name, value in (("a", 2), ("b", 1)))

    assert MultiplierMatrix((dear, cheap)).resolve("vip", "a", "b") == cheap
    assert MultiplierMatrix((dear, cheap)).resolve("vip", "b", "a") == cheap


def test_of_equal_multipliers_the_first_group_by_name_is_on_the_receipt() -> None:
    first, second = (MultiplierEntry("all", name, Decimal(2)) for name in ("a", "b"))

    assert MultiplierMatrix((second, first)).resolve("vip", "b", "a") == first


def test_a_specific_entry_beats_a_cheaper_general_one() -> None:
    assert MultiplierMatrix((EXACT, CHANNEL)).resolve("vip", "premium") == EXACT


def test_a_multiplier_of_zero_is_an_entry_like_any_other() -> None:
    free = MultiplierEntry("trial", "all", Decimal(0))

    assert MultiplierMatrix((free, EVERYONE)).resolve("trial", "premium") == free


def test_two_entries_for_one_pair_of_groups_are_refused() -> None:
    with pytest.raises(InvalidMultiplierError, match="two things"):
        MultiplierMatrix((EXACT, MultiplierEntry("vip", "premium", Decimal(1))))


@pytest.mark.parametrize("text", ["-0.1", "NaN", "Infinity", "1000001", "0.0000000001"])
def test_what_cannot_scale_a_price_is_refused(text: str) -> None:
    with pytest.raises(InvalidMultiplierError):
        MultiplierEntry("vip", "all", Decimal(text))


groups = st.sampled_from(["all", "a", "b", "c"])
cells = st.dictionaries(st.tuples(groups, groups), st.integers(0, 5).map(Decimal))


@given(cells, groups, st.lists(groups, max_size=3))
def test_there_is_always_exactly_one_answer_and_it_matches_the_groups(
    wanted: dict[tuple[str, str], Decimal], user: str, channels: list[str]
) -> None:
    matrix = MultiplierMatrix(tuple(MultiplierEntry(*cell, value) for cell, value in wanted.items()))

    entry = matrix.resolve(user, *channels)

    assert entry.user_group in {user, "all"}
    assert entry.channel_group in {*channels, "all"}
    assert entry in matrix.entries or entry is NEUTRAL
