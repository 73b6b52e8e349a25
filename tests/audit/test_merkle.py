from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contrafact.audit.merkle import (
    EMPTY_ROOT,
    HashTree,
    consistency_proof,
    inclusion_proof,
    leaf_hash,
    root_at,
    verify_consistency,
    verify_inclusion,
)

# From the tests of the first logs of RFC 6962: eight leaves, and their roots.
LEAVES = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
GOLDEN = Path(__file__).with_name("golden") / "tlog.json"

sizes = st.integers(1, 70)


# The tree of RFC 9162 word for word: slow, recursive, obvious.


def slow_split(n: int) -> int:
    """Return the largest power of two smaller than n (section 2.1.1)."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def slow_root(data: Sequence[bytes]) -> bytes:
    """Return MTH(D_n) (section 2.1.1)."""
    if not data:
        return hashlib.sha256(b"").digest()
    if len(data) == 1:
        return hashlib.sha256(b"\x00" + data[0]).digest()
    k = slow_split(len(data))
    return hashlib.sha256(b"\x01" + slow_root(data[:k]) + slow_root(data[k:])).digest()


def slow_path(m: int, data: Sequence[bytes]) -> list[bytes]:
    """Return PATH(m, D_n) (section 2.1.3.1)."""
    if len(data) == 1:
        return []
    k = slow_split(len(data))
    if m < k:
        return [*slow_path(m, data[:k]), slow_root(data[k:])]
    return [*slow_path(m - k, data[k:]), slow_root(data[:k])]


def slow_proof(m: int, data: Sequence[bytes]) -> list[bytes]:
    """Return PROOF(m, D_n) (section 2.1.4.1)."""
    return slow_subproof(m, data, True)


def slow_subproof(m: int, data: Sequence[bytes], is_whole: bool) -> list[bytes]:
    """Return SUBPROOF(m, D_n, b) (section 2.1.4.1)."""
    n = len(data)
    if m == n:
        return [] if is_whole else [slow_root(data)]
    k = slow_split(n)
    if m <= k:
        return [*slow_subproof(m, data[:k], is_whole), slow_root(data[k:])]
    return [*slow_subproof(m - k, data[k:], False), slow_root(data[:k])]


def data_of(size: int) -> list[bytes]:
    """Return leaves of their own bytes each."""
    return [b"leaf %d" % number for number in range(size)]


def tree_of(data: list[bytes]) -> HashTree:
    """Return the fast tree of leaves."""
    return HashTree(leaf_hash(leaf) for leaf in data)


def flipped(hash_: bytes, bit: int) -> bytes:
    """Return a hash with one bit altered."""
    bit %= 8 * len(hash_)
    place, mask = bit // 8, 1 << bit % 8
    return hash_[:place] + bytes([hash_[place] ^ mask]) + hash_[place + 1 :]


@pytest.mark.parametrize("size", range(1, 9))
def test_roots_are_the_published_ones(size: int) -> None:
    """The roots of the eight well-known leaves are those every log's tests know."""
    assert tree_of(LEAVES[:size]).root().hex() == ROOTS[size - 1]


def test_the_empty_tree_has_the_hash_of_nothing() -> None:
    """As RFC 9162 defines it."""
    assert HashTree([]).root() == EMPTY_ROOT == slow_root([])


@given(sizes, st.data())
def test_roots_and_proofs_are_those_of_the_slow_tree(
    size: int, draw: st.DataObject
) -> None:
    """The fast tree and the definition of the RFC say the same."""
    data = data_of(size)
    tree = tree_of(data)
    index = draw.draw(st.integers(0, size - 1))
    old = draw.draw(st.integers(1, size))
    assert tree.root() == slow_root(data)
    assert root_at(tree, old) == slow_root(data[:old])
    assert inclusion_proof(tree, index, size=size) == slow_path(index, data)
    assert consistency_proof(tree, old, size=size) == slow_proof(old, data)


@given(sizes, st.data())
def test_a_true_inclusion_holds_and_nothing_near_it(
    size: int, draw: st.DataObject
) -> None:
    """One altered bit of leaf, root or proof, or another place, and it fails."""
    data = data_of(size)
    tree = tree_of(data)
    index = draw.draw(st.integers(0, size - 1))
    bit = draw.draw(st.integers(0, 8 * 32 * 8))
    leaf, root, proof = leaf_hash(data[index]), tree.root(), tree.inclusion(index)
    place = {"index": index, "size": size}
    assert verify_inclusion(leaf, proof, root=root, **place)
    assert not verify_inclusion(flipped(leaf, bit), proof, root=root, **place)
    assert not verify_inclusion(leaf, proof, root=flipped(root, bit), **place)
    for number, part in enumerate(proof):
        altered = [*proof[:number], flipped(part, bit), *proof[number + 1 :]]
        assert not verify_inclusion(leaf, altered, root=root, **place)
    for other in {index - 1, index + 1, size, -1} - {index}:
        assert not verify_inclusion(leaf, proof, index=other, size=size, root=root)
    assert not verify_inclusion(leaf, [*proof, root], root=root, **place)
    assert not verify_inclusion(leaf, [*proof, b"short"], root=root, **place)
    if proof:
        assert not verify_inclusion(leaf, proof[:-1], root=root, **place)


@given(sizes, st.data())
def test_a_true_consistency_holds_and_nothing_near_it(
    size: int, draw: st.DataObject
) -> None:
    """One altered bit of a root or of the proof, and it fails."""
    tree = tree_of(data_of(size))
    old = draw.draw(st.integers(0, size))
    bit = draw.draw(st.integers(0, 8 * 32 * 8))
    before, after = root_at(tree, old), tree.root()
    proof = consistency_proof(tree, old, size=size)
    place = {"old": old, "new": size}
    assert verify_consistency(before, after, proof=proof, **place)
    assert not verify_consistency(flipped(before, bit), after, proof=proof, **place)
    if old:
        assert not verify_consistency(before, flipped(after, bit), proof=proof, **place)
    for number, part in enumerate(proof):
        altered = [*proof[:number], flipped(part, bit), *proof[number + 1 :]]
        assert not verify_consistency(before, after, proof=altered, **place)
    assert not verify_consistency(before, after, proof=[*proof, after], **place)
    if proof:
        assert not verify_consistency(before, after, proof=proof[:-1], **place)
    assert not verify_consistency(before, after, old=size + 1, new=size, proof=proof)


def test_what_is_not_in_the_tree_is_not_proved() -> None:
    """Numbers outside the tree are refused."""
    tree = tree_of(data_of(3))
    for index in (-1, 3):
        with pytest.raises(IndexError, match="no leaf"):
            inclusion_proof(tree, index, size=3)
    with pytest.raises(IndexError, match="no beginning of 4"):
        consistency_proof(tree, 4, size=3)


def golden(part: str) -> list[Any]:
    """Return what the Go implementation said of some trees."""
    return list(json.loads(GOLDEN.read_text(encoding="utf-8"))[part])


@pytest.mark.parametrize("known", golden("inclusion"), ids=lambda k: str(k["size"]))
def test_inclusion_proofs_are_those_of_the_go_implementation(known: Any) -> None:
    """Roots and proofs are byte for byte those of golang.org/x/mod/sumdb/tlog."""
    tree = tree_of([b"leaf %d" % n for n in range(known["size"])])
    assert tree.root().hex() == known["root"]
    assert [part.hex() for part in tree.inclusion(known["index"])] == known["proof"]


@pytest.mark.parametrize("known", golden("consistency"), ids=lambda k: str(k["size"]))
def test_consistency_proofs_are_those_of_the_go_implementation(known: Any) -> None:
    """Proofs are byte for byte those of golang.org/x/mod/sumdb/tlog."""
    tree = tree_of([b"leaf %d" % n for n in range(known["size"])])
    proof = consistency_proof(tree, known["old"], size=known["size"])
    assert [part.hex() for part in proof] == known["proof"]
