"""Which of a channel's keys a request goes out with."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.routing.keys import Key, choose_key, split_keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("", ("",)),
        ("sk-one", ("sk-one",)),
        ("sk-one\n", ("sk-one",)),
        ("sk-one\nsk-two\n\n sk-three ", ("sk-one", "sk-two", "sk-three")),
        ('{\n"type": "service_account"\n}', ('{\n"type": "service_account"\n}',)),
    ],
)
def test_keys_stand_on_lines_of_their_own(text: str, keys: tuple[str, ...]) -> None:
    assert split_keys(text) == keys


def test_a_channels_only_key_has_no_number_and_no_second_try() -> None:
    assert choose_key(("sk",), lambda _: "auth", seed=1) == Key("sk")
    assert choose_key(("sk",), lambda _: None, seed=1, tried=frozenset({0})) is None


@given(st.integers(2, 6), st.sets(st.integers(1, 6)), st.sets(st.integers(1, 6)), st.integers(0, 2**63), st.booleans())
def test_a_key_that_is_out_or_was_tried_is_chosen_only_where_all_are_out_and_none_was_tried(
    count: int,
    out: set[int],
    tried: set[int],
    seed: int,
    first: bool,  # noqa: FBT001 -- drawn by hypothesis
) -> None:
    secrets = tuple(f"sk-{number}" for number in range(1, count + 1))
    tried = set() if first else tried & set(range(1, count + 1))

    key = choose_key(secrets, lambda number: "auth" if number in out else None, seed=seed, tried=frozenset(tried))

    usable = set(range(1, count + 1)) - out - tried
    if usable:
        assert key is not None
        assert key.number in usable
    elif tried:
        assert key is None
    else:
        assert key is not None
        assert 1 <= key.number <= count
    if key is not None:
        assert (key.secret, key.count) == (f"sk-{key.number}", count)


def test_keys_share_the_load() -> None:
    counts = [0, 0, 0]
    for seed in range(9_000):
        key = choose_key(("a", "b", "c"), lambda _: None, seed=seed * 7919)
        assert key is not None
        counts[key.number - 1] += 1
    assert all(count == pytest.approx(3_000, abs=200) for count in counts)
