import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.proof.merkle import leaf_hash, node_hash, path, root, root_of_path

LEAVES = st.lists(st.binary(max_size=4), min_size=1, max_size=70).map(lambda items: [leaf_hash(item) for item in items])


def _recursive(leaves: list[bytes]) -> bytes:
    """The tree as RFC 6962 words it: split at the largest power of two below the size."""
    if len(leaves) == 1:
        return leaves[0]
    cut = 1 << ((len(leaves) - 1).bit_length() - 1)
    return node_hash(_recursive(leaves[:cut]), _recursive(leaves[cut:]))


@given(LEAVES)
def test_the_tree_has_the_shape_of_the_standard(leaves: list[bytes]) -> None:
    assert root(leaves) == _recursive(leaves)


def test_the_published_root_of_three_leaves() -> None:
    # From the test vectors of Certificate Transparency: leaves "", 0x00, 0x10.
    leaves = [leaf_hash(b""), leaf_hash(b"\x00"), leaf_hash(b"\x10")]

    assert root(leaves).hex() == "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77"


@given(LEAVES, st.data())
def test_every_leaf_has_a_path_to_the_root(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    hashes = path(leaves, index)

    assert len(hashes) <= (len(leaves) - 1).bit_length()
    assert root_of_path(leaves[index], index, len(leaves), hashes) == root(leaves)


@given(LEAVES, st.data())
def test_a_path_fits_no_other_leaf_and_no_other_place(leaves: list[bytes], data: st.DataObject) -> None:
    index = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1).filter(lambda n: n != index)) if len(leaves) > 1 else None
    hashes = path(leaves, index)

    assert root_of_path(hashlib.sha256(b"else").digest(), index, len(leaves), hashes) != root(leaves)
    if other is not None and leaves[other] != leaves[index]:
        assert root_of_path(leaves[index], other, len(leaves), hashes) != root(leaves)


@pytest.mark.parametrize(
    ("index", "size", "count"), [(0, 1, 1), (0, 4, 1), (0, 4, 3), (4, 4, 2), (-1, 4, 2), (0, 0, 0)]
)
def test_a_path_of_another_length_leads_nowhere(index: int, size: int, count: int) -> None:
    assert root_of_path(leaf_hash(b"a"), index, size, [leaf_hash(b"b")] * count) is None


def test_an_empty_tree_has_no_root() -> None:
    with pytest.raises(ValueError, match="leaf"):
        root([])
