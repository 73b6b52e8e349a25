from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contrafact.core.errors import RegistryError
from contrafact.rights.material import (
    MaterialIndex,
    hash_keys,
    recording_key,
    work_key,
)

_KEYS = st.sets(st.sampled_from([work_key(str(n)) for n in range(12)]))


@given(batches=st.lists(st.lists(_KEYS, max_size=7), max_size=3))
@settings(max_examples=40, deadline=None)
def test_holders_are_those_that_hold_it(batches: list[list[set[str]]]) -> None:
    """In whatever batches they come, a look-up finds what a plain search finds."""
    held: dict[str, set[str]] = {}
    with TemporaryDirectory() as folder:
        path = Path(folder) / "index"
        index = MaterialIndex.open(path)
        for number, batch in enumerate(batches):
            new = {f"{number}-{i}": keys for i, keys in enumerate(batch)}
            held |= new
            index = index.add(new)
        again = MaterialIndex.open(path)
        for key in [work_key(str(n)) for n in range(12)]:
            wanted = {root for root, keys in held.items() if key in keys}
            assert index.holders([key]) == again.holders([key]) == wanted
    assert index.manifests == tuple(held)


def test_kinds_of_names_are_kept_apart(tmp_path: Path) -> None:
    """A recording that is called like a work is not the work."""
    index = MaterialIndex.open(tmp_path / "index").add({"m": [work_key("x")]})
    assert index.holders([work_key("x")]) == {"m"}
    assert index.holders([recording_key("x")]) == frozenset()


def test_a_manifest_that_is_known_stays_as_it_is(tmp_path: Path) -> None:
    """Entering it again, even with other content, changes nothing."""
    index = MaterialIndex.open(tmp_path / "index").add({"m": [work_key("x")]})
    again = index.add({"m": [work_key("y")]})
    assert again.holders([work_key("y")]) == frozenset()


def test_hashes_can_be_given_instead_of_keys(tmp_path: Path) -> None:
    """Who enters many manifests of the same works hashes each work once."""
    index = MaterialIndex.open(tmp_path / "index")
    assert index.add({"m": hash_keys([work_key("x")])}).holders([work_key("x")]) == {
        "m"
    }


@pytest.mark.parametrize("damage", [b"", b"nonsense\n", b"cut"])
def test_a_damaged_index_is_refused(tmp_path: Path, damage: bytes) -> None:
    """It never passes for one in which nothing is held."""
    path = tmp_path / "index"
    MaterialIndex.open(path).add({"m": [work_key("x"), work_key("y")]})
    path.write_bytes(path.read_bytes()[:-3] if damage == b"cut" else damage)
    with pytest.raises(RegistryError, match="damaged"):
        MaterialIndex.open(path)
