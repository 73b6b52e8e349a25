from __future__ import annotations

import json
import multiprocessing
import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from contrafact.core.errors import MatchIndexError, MatchingError
from contrafact.matching.fingerprint import SAMPLE_RATE, FingerprintIndex

Samples = NDArray[np.float32]


def _excerpt(tune: Samples) -> Samples:
    return tune[4 * SAMPLE_RATE : 12 * SAMPLE_RATE]


def test_recordings_are_added_to_what_is_there(
    tmp_path: Path, tunes: list[Samples]
) -> None:
    """An index that is opened again for writing keeps what it had."""
    FingerprintIndex.create(tmp_path).add("A", tunes[0])
    FingerprintIndex.create(tmp_path).add("B", tunes[1])
    index = FingerprintIndex.open(tmp_path)
    assert set(index.recording_ids) == {"A", "B"}
    assert index.identify(_excerpt(tunes[0]))[0].recording_id == "A"


def test_many_small_additions_are_merged_and_all_found(
    tmp_path: Path, tunes: list[Samples]
) -> None:
    """Twenty additions leave few segments, and every recording is found."""
    index = FingerprintIndex.create(tmp_path)
    for i in range(20):
        part = tunes[i % 10][:: 1 if i < 10 else -1]
        index.add(f"R-{i}", part[: 14 * SAMPLE_RATE])
    assert len(list(tmp_path.glob("*.segment"))) < 10
    assert len(index.recording_ids) == 20
    for i in (0, 5, 9):
        assert index.identify(_excerpt(tunes[i]))[0].recording_id == f"R-{i}"


def test_what_is_deleted_is_not_found_and_may_come_back(
    tmp_path: Path, tunes: list[Samples]
) -> None:
    """Deletion holds at once, through merging, and until it is added again."""
    index = FingerprintIndex.create(tmp_path)
    index.add_many([("A", tunes[0]), ("B", tunes[1])])
    index.delete("A")
    assert index.recording_ids == ("B",)
    assert index.identify(_excerpt(tunes[0])) == ()
    for i in range(2, 10):
        index.add(f"R-{i}", tunes[i])
    assert index.identify(_excerpt(tunes[0])) == ()
    assert index.identify(_excerpt(tunes[1]))[0].recording_id == "B"
    index.add("A", tunes[0])
    assert index.identify(_excerpt(tunes[0]))[0].recording_id == "A"


def test_the_last_recording_may_be_deleted(
    tmp_path: Path, tunes: list[Samples]
) -> None:
    """An empty index is an index."""
    index = FingerprintIndex.create(tmp_path)
    index.add("A", tunes[0])
    index.delete("A")
    assert FingerprintIndex.open(tmp_path).recording_ids == ()
    assert FingerprintIndex.open(tmp_path).identify(tunes[0]) == ()


def test_an_open_index_stays_as_it_was(tmp_path: Path, tunes: list[Samples]) -> None:
    """A reader goes on finding what a writer has deleted and merged away."""
    writer = FingerprintIndex.create(tmp_path)
    writer.add("A", tunes[0])
    reader = FingerprintIndex.open(tmp_path)
    writer.delete("A")
    for i in range(1, 10):
        writer.add(f"R-{i}", tunes[i])
    assert reader.identify(_excerpt(tunes[0]))[0].recording_id == "A"


def test_silence_and_nothing_can_be_added(tmp_path: Path, tunes: list[Samples]) -> None:
    """They are listed, never found, and do not disturb what is."""
    index = FingerprintIndex.create(tmp_path)
    index.add("silence", np.zeros(80_000, np.float32))
    index.add("one", np.zeros(1, np.float32))
    index.add("nothing", np.zeros(0, np.float32))
    index.add("A", tunes[0])
    found = index.identify(_excerpt(tunes[0]))
    assert [match.recording_id for match in found] == ["A"]


def test_an_identifier_is_used_once(tmp_path: Path, tunes: list[Samples]) -> None:
    """A second recording of the name is refused, and so is deleting no recording."""
    index = FingerprintIndex.create(tmp_path)
    index.add("A", tunes[0])
    with pytest.raises(MatchingError, match="'A' is in the index already"):
        index.add("A", tunes[1])
    with pytest.raises(MatchingError, match="'B' is not in the index"):
        index.delete("B")
    with pytest.raises(MatchingError, match="'C' holds NaN"):
        index.add("C", np.full(9, np.nan, np.float32))


def test_a_reader_does_not_write(filled: Path, tunes: list[Samples]) -> None:
    """An index opened to be read refuses to be changed."""
    index = FingerprintIndex.open(filled)
    with pytest.raises(MatchIndexError, match="opened to be read"):
        index.add("A", tunes[0])
    with pytest.raises(MatchIndexError, match="opened to be read"):
        index.delete("R-0")


def test_where_there_is_no_index_it_says_so(tmp_path: Path) -> None:
    """Opening an empty folder is one clear error."""
    with pytest.raises(MatchIndexError, match="no fingerprint index"):
        FingerprintIndex.open(tmp_path)


def _damage_cut(folder: Path) -> None:
    path = next(folder.glob("*.segment"))
    path.write_bytes(path.read_bytes()[:-1_000])


def _damage_head(folder: Path) -> None:
    path = next(folder.glob("*.segment"))
    path.write_bytes(b"RIFFWAVE" + path.read_bytes()[8:])


def _damage_json(folder: Path) -> None:
    path = next(folder.glob("*.segment"))
    data = bytearray(path.read_bytes())
    data[20:40] = b"\0" * 20
    path.write_bytes(bytes(data))


def _damage_gone(folder: Path) -> None:
    next(folder.glob("*.segment")).unlink()


def _damage_manifest(folder: Path) -> None:
    (folder / "manifest.json").write_text("[1, 2")


def _damage_version(folder: Path) -> None:
    path = folder / "manifest.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps(document | {"version": 999}))


def _damage_path(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text().replace('"name": "', '"name": "../'))


@pytest.mark.parametrize(
    "damage",
    [
        _damage_cut,
        _damage_head,
        _damage_json,
        _damage_gone,
        _damage_manifest,
        _damage_version,
        _damage_path,
    ],
)
def test_damage_is_found_when_the_index_is_opened(
    filled: Path, tmp_path: Path, damage: object
) -> None:
    """Whatever was altered, opening it is one clear error."""
    folder = tmp_path / "copy"
    shutil.copytree(filled, folder)
    assert callable(damage)
    damage(folder)
    with pytest.raises(MatchIndexError, match="Build"):
        FingerprintIndex.open(folder)


def _add_and_die(folder: str, tunes: list[Samples]) -> None:
    import os

    from contrafact.matching.fingerprint import index as module

    kept = module.write_manifest
    count = 0

    def killed(directory: Path, parts: object) -> None:
        nonlocal count
        count += 1
        if count == 3:
            os._exit(9)
        kept(directory, parts)  # type: ignore[arg-type]

    module.write_manifest = killed  # type: ignore[assignment]
    index = FingerprintIndex.create(folder)
    for i, tune in enumerate(tunes):
        index.add(f"R-{i}", tune)


def test_a_writer_that_is_killed_leaves_the_index_whole(
    tmp_path: Path, tunes: list[Samples]
) -> None:
    """What was added before is there, and what was not whole is cleared away."""
    context = multiprocessing.get_context("fork")
    process = context.Process(target=_add_and_die, args=(str(tmp_path), tunes[:4]))
    process.start()
    process.join()
    assert process.exitcode == 9
    assert FingerprintIndex.open(tmp_path).recording_ids == ("R-0",)
    assert len(list(tmp_path.glob("*.segment"))) == 2
    index = FingerprintIndex.create(tmp_path)
    assert len(list(tmp_path.glob("*.segment"))) == 1
    index.add("R-1", tunes[1])
    assert index.identify(_excerpt(tunes[1]))[0].recording_id == "R-1"
