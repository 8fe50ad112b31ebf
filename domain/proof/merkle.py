"""Merkle trees over SHA-256, shaped as in RFC 6962: leaves and nodes are hashed apart, an odd node moves up as it is.

A tree's size is never taken from a path: it stands in a signed header, so that no path fits two shapes.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

HASH_BYTES: Final = 32


def leaf_hash(content: bytes) -> bytes:
    """Give the hash of what a leaf stands for."""
    return hashlib.sha256(b"\x00" + content).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Give the hash of two nodes beside each other."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def root(leaves: Sequence[bytes]) -> bytes:
    """Give the root over at least one leaf hash."""
    level = list(leaves)
    if not level:
        raise ValueError("a tree has a leaf")
    while len(level) > 1:
        level = _above(level)
    return level[0]


def path(leaves: Sequence[bytes], index: int) -> tuple[bytes, ...]:
    """Give the hashes beside the way from a leaf up to the root, the lowest first."""
    level, found = list(leaves), []
    while len(level) > 1:
        beside = index ^ 1
        if beside < len(level):
            found.append(level[beside])
        level, index = _above(level), index // 2
    return tuple(found)


def root_of_path(leaf: bytes, index: int, size: int, hashes: Sequence[bytes]) -> bytes | None:
    """Give the root that a leaf at `index` of `size` comes to along a path; None if the path is too long or short."""
    if not 0 <= index < size:
        return None
    node, rest = leaf, list(reversed(hashes))
    while size > 1:
        beside = index ^ 1
        if beside < size:
            if not rest:
                return None
            other = rest.pop()
            node = node_hash(other, node) if beside < index else node_hash(node, other)
        index, size = index // 2, (size + 1) // 2
    return node if not rest else None


def _above(level: Sequence[bytes]) -> list[bytes]:
    pairs = [node_hash(level[at], level[at + 1]) for at in range(0, len(level) - 1, 2)]
    return [*pairs, level[-1]] if len(level) % 2 else pairs
