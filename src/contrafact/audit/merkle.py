"""Merkle trees of RFC 9162: roots, proofs, and what checks them.

A tree is read through a `HashReader`, so that the same code proves things
about leaves in memory and about the tiles of a log. Nothing here signs, and
nothing here knows what a leaf says.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from itertools import islice

__all__ = [
    "EMPTY_ROOT",
    "HASH_SIZE",
    "HashReader",
    "HashTree",
    "consistency_proof",
    "inclusion_proof",
    "leaf_hash",
    "node_hash",
    "root_at",
    "verify_consistency",
    "verify_inclusion",
]

HASH_SIZE = 32
EMPTY_ROOT = hashlib.sha256().digest()
"""The root of a tree without leaves: SHA-256 of nothing."""

HashReader = Callable[[int, int], bytes]
"""`(level, index)` to the root of leaves `index * 2**level` to before
`(index + 1) * 2**level`, all of which the tree must hold."""

_sha256 = hashlib.sha256


def leaf_hash(data: bytes) -> bytes:
    """Return the hash of a leaf, 32 bytes: SHA-256 of 0x00 and its bytes.

    References:
        RFC 9162, section 2.1.1.
    """
    return _sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the hash of an inner node, 32 bytes: SHA-256 of 0x01 and both.

    References:
        RFC 9162, section 2.1.1.
    """
    return _sha256(b"\x01" + left + right).digest()


class HashTree:
    """A tree in memory, from the hashes of its leaves; call it as a `HashReader`.

    A million leaves take about 130 MB and a second.
    """

    def __init__(self, leaf_hashes: Iterable[bytes]) -> None:
        """Hash all complete subtrees, level by level."""
        level = list(leaf_hashes)
        self._levels = [level]
        while len(level) > 1:
            level = _level_above(level)
            self._levels.append(level)

    def __len__(self) -> int:
        """Return how many leaves there are."""
        return len(self._levels[0])

    def __call__(self, level: int, index: int) -> bytes:
        """Return the root of a complete subtree, 32 bytes."""
        return self._levels[level][index]

    def root(self) -> bytes:
        """Return the root of all leaves, 32 bytes."""
        return root_at(self, len(self))

    def inclusion(self, index: int) -> list[bytes]:
        """Return the proof that leaf `index` is in the tree."""
        return inclusion_proof(self, index, size=len(self))


def _level_above(level: list[bytes]) -> list[bytes]:
    """Return the hashes of pairs; the last of an odd number has no partner."""
    sha256 = _sha256  # looked up once: this runs a million times a second
    left, right = islice(level, 0, None, 2), islice(level, 1, None, 2)
    return [sha256(b"\x01" + a + b).digest() for a, b in zip(left, right, strict=False)]


def root_at(read: HashReader, size: int) -> bytes:
    """Return the root of the first `size` leaves, 32 bytes.

    References:
        RFC 9162, section 2.1.1.
    """
    return _root(read, 0, size) if size else EMPTY_ROOT


def _root(read: HashReader, start: int, end: int) -> bytes:
    """Return the root of leaves `start` to before `end`, which are not none."""
    n = end - start
    if n & (n - 1) == 0:
        level = n.bit_length() - 1
        return read(level, start >> level)
    middle = start + _split(n)
    return node_hash(_root(read, start, middle), _root(read, middle, end))


def _split(n: int) -> int:
    """Return the largest power of two below `n`, for `n > 1`."""
    return 1 << ((n - 1).bit_length() - 1)


def inclusion_proof(read: HashReader, index: int, *, size: int) -> list[bytes]:
    """Return the proof that leaf `index` is in the tree of `size` leaves.

    Args:
        read: The tree.
        index: From 0 to before `size`.
        size: At most what the tree holds.

    Returns:
        Hashes of 32 bytes, from the leaf's sibling to the root's child.

    Raises:
        IndexError: If there is no such leaf.

    References:
        RFC 9162, section 2.1.3.1.
    """
    if not 0 <= index < size:
        raise IndexError(f"there is no leaf {index} in a tree of {size}")
    start, end = 0, size
    path: list[bytes] = []
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_root(read, middle, end))
            end = middle
        else:
            path.append(_root(read, start, middle))
            start = middle
    return path[::-1]


def consistency_proof(read: HashReader, old: int, *, size: int) -> list[bytes]:
    """Return the proof that the tree of `size` leaves begins with that of `old`.

    Args:
        read: The tree.
        old: From 0 to `size`; for 0 and `size` the proof is empty.
        size: At most what the tree holds.

    Raises:
        IndexError: If `old` is not in that range.

    References:
        RFC 9162, section 2.1.4.1.
    """
    if not 0 <= old <= size:
        raise IndexError(f"a tree of {size} leaves has no beginning of {old}")
    if old in (0, size):
        return []
    start, end, is_known = 0, size, True
    path: list[bytes] = []
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_root(read, middle, end))
            end = middle
        else:
            path.append(_root(read, start, middle))
            start, is_known = middle, False
    if not is_known:
        path.append(_root(read, start, end))
    return path[::-1]


def verify_inclusion(
    leaf: bytes, proof: Sequence[bytes], *, index: int, size: int, root: bytes
) -> bool:
    """Tell whether the proof shows that the leaf is in the tree of this root.

    Args:
        leaf: The leaf's hash, 32 bytes.
        proof: As `inclusion_proof` returns it.
        index: The leaf's number.
        size: How many leaves the tree has.
        root: The tree's root, 32 bytes.

    References:
        RFC 9162, section 2.1.3.2.
    """
    if not 0 <= index < size or any(len(p) != HASH_SIZE for p in (leaf, *proof)):
        return False
    number, last, found = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            return False
        if number & 1 or number == last:
            found = node_hash(sibling, found)
            while number & 1 == 0 and number:
                number, last = number >> 1, last >> 1
        else:
            found = node_hash(found, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and found == root


def verify_consistency(
    old_root: bytes, new_root: bytes, *, old: int, new: int, proof: Sequence[bytes]
) -> bool:
    """Tell whether the proof shows that the new tree begins with the old one.

    Args:
        old_root: The root of the first `old` leaves, 32 bytes.
        new_root: The root of all `new` leaves, 32 bytes.
        old: How many leaves there were.
        new: How many there are.
        proof: As `consistency_proof` returns it.

    References:
        RFC 9162, section 2.1.4.2.
    """
    if not 0 <= old <= new or any(len(p) != HASH_SIZE for p in proof):
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof and old_root == EMPTY_ROOT
    path = [old_root, *proof] if old & (old - 1) == 0 else list(proof)
    if not path:
        return False
    number, last = old - 1, new - 1
    while number & 1:
        number, last = number >> 1, last >> 1
    before = after = path[0]
    for sibling in path[1:]:
        if last == 0:
            return False
        if number & 1 or number == last:
            before, after = node_hash(sibling, before), node_hash(sibling, after)
            while number & 1 == 0 and number:
                number, last = number >> 1, last >> 1
        else:
            after = node_hash(after, sibling)
        number, last = number >> 1, last >> 1
    return last == 0 and before == old_root and after == new_root
