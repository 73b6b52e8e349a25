from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from contrafact.core.errors import MatchIndexError, MatchingError
from contrafact.core.matches import ASPECTS
from contrafact.matching.versions import SAMPLE_RATE, VersionIndex

from .conftest import DURATION_S, Composer

N_WORKS = 8


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, compose: Composer) -> Path:
    """Return an index of eight unlike works, each once."""
    folder = tmp_path_factory.mktemp("index") / "works"
    index = VersionIndex.create(folder)
    for work in range(N_WORKS):
        notes = compose(work, work, work, errors=work)
        index.add_notes(f"r{work}", f"w{work}", notes, duration_s=DURATION_S)
    return folder


def test_another_performance_is_found_in_key_and_tempo(
    folder: Path, compose: Composer
) -> None:
    """A faster performance in another key is the work, and both are told."""
    notes = compose(5, 5, 5, semitones=3, tempo=1.15, errors=99)
    match, *others = VersionIndex.open(folder).identify_notes(
        notes, duration_s=DURATION_S
    )
    assert (match.work_id, match.recording_id, others) == ("w5", "r5", [])
    assert match.transposition_semitones == 3
    assert match.tempo_ratio == pytest.approx(1.15, rel=0.05)
    assert max(match.aspects[a].p_value for a in ASPECTS) <= 0.01


def test_unrelated_music_is_no_match(folder: Path, compose: Composer) -> None:
    """Works that are not in the index get no answer."""
    index = VersionIndex.open(folder)
    for work in range(100, 110):
        notes = compose(work, work, work)
        assert index.identify_notes(notes, duration_s=DURATION_S) == ()


@pytest.mark.parametrize("kept", ASPECTS)
def test_one_aspect_alone_is_found_by_that_aspect(
    folder: Path, compose: Composer, kept: str
) -> None:
    """What was kept is found, where it is, and the other two are not."""
    seeds = [7 if aspect == kept else 201 for aspect in ASPECTS]
    notes = compose(*seeds, semitones=-2, errors=5)
    (match,) = VersionIndex.open(folder).identify_notes(notes, duration_s=DURATION_S)
    assert match.work_id == "w7"
    found = {a for a in ASPECTS if match.aspects[a].p_value <= 0.01}
    assert found == {kept}
    span = match.aspects[kept].spans[0]
    assert span.query_end_s - span.query_start_s > 0.7 * DURATION_S
    assert [a for a in ASPECTS if match.aspects[a].spans] == [kept]


def test_no_p_value_is_far_below_what_the_null_can_show(
    folder: Path, compose: Composer
) -> None:
    """The fitted tail is trusted to a hundredth of what one comparison shows."""
    index = VersionIndex.open(folder)
    (match,) = index.identify_notes(compose(1, 1, 1), duration_s=DURATION_S)
    least = 0.01 / (1 + index.n_null_comparisons)
    assert match.joint == pytest.approx(N_WORKS * least, rel=0.05)
    assert match.joint <= 0.01


def test_two_works_suffice_to_be_certain(tmp_path: Path, compose: Composer) -> None:
    """In an index of two works a version is answered, and nothing else is."""
    index = VersionIndex.create(tmp_path)
    for work in (1, 2):
        notes = compose(work, work, work)
        index.add_notes(f"r{work}", f"w{work}", notes, duration_s=DURATION_S)
    again = compose(1, 1, 1, semitones=2, tempo=0.9, errors=4)
    (match,) = index.identify_notes(again, duration_s=DURATION_S)
    assert match.work_id == "w1"
    assert index.identify_notes(compose(9, 9, 9), duration_s=DURATION_S) == ()


def test_what_was_deleted_is_not_found_again(
    folder: Path, tmp_path: Path, compose: Composer
) -> None:
    """A deleted recording is gone at once and after opening again."""
    shutil.copytree(folder, tmp_path / "works")
    index = VersionIndex.create(tmp_path / "works")
    index.delete("r1")
    for opened in (index, VersionIndex.open(tmp_path / "works")):
        assert len(opened.recording_ids) == N_WORKS - 1
        found = opened.rank(compose(1, 1, 1), duration_s=DURATION_S)
        assert "r1" not in dict(found)
        assert opened.identify_notes(compose(1, 1, 1), duration_s=DURATION_S) == ()
    with pytest.raises(MatchingError, match="no recording 'r1'"):
        index.delete("r1")


def test_cliques_join_what_is_alike_and_what_names_one_work(
    folder: Path, tmp_path: Path, compose: Composer
) -> None:
    """Versions that name no work are found; those that name one are believed."""
    shutil.copytree(folder, tmp_path / "works")
    index = VersionIndex.create(tmp_path / "works")
    again = compose(2, 2, 2, semitones=4, tempo=0.9, errors=3)
    index.add_notes("again", None, again, duration_s=DURATION_S)
    index.add_notes("other", "w4", compose(60, 60, 60), duration_s=DURATION_S)
    assert index.cliques() == [("again", "r2"), ("other", "r4")]


def test_an_index_opened_to_read_is_not_written(folder: Path) -> None:
    """Adding to or deleting from it is refused."""
    index = VersionIndex.open(folder)
    with pytest.raises(MatchIndexError, match="opened to read"):
        index.delete("r1")
    with pytest.raises(MatchIndexError, match="opened to read"):
        index.add("r", None, np.zeros(10, np.float32))


@pytest.mark.parametrize("cut", [0.5, 0.99])
def test_a_truncated_file_is_named(
    folder: Path, tmp_path: Path, compose: Composer, cut: float
) -> None:
    """A file that was cut short is refused, with what to do."""
    index = VersionIndex.create(tmp_path)
    index.add_notes("a", None, compose(1, 1, 1).between(0, 5), duration_s=5.0)
    (path,) = (tmp_path / "recordings").iterdir()
    data = path.read_bytes()
    path.write_bytes(data[: int(cut * len(data))])
    with pytest.raises(MatchIndexError, match=r"is damaged.*add the recording again"):
        VersionIndex.open(tmp_path)


def test_a_flipped_bit_is_noticed(tmp_path: Path, compose: Composer) -> None:
    """Content that does not fit its checksum is refused."""
    index = VersionIndex.create(tmp_path)
    index.add_notes("a", None, compose(1, 1, 1).between(0, 5), duration_s=5.0)
    (path,) = (tmp_path / "recordings").iterdir()
    data = bytearray(path.read_bytes())
    data[-100] ^= 4
    path.write_bytes(data)
    with pytest.raises(MatchIndexError, match="checksum"):
        VersionIndex.open(tmp_path)


def test_a_killed_write_leaves_the_index_as_it_was(
    tmp_path: Path, compose: Composer
) -> None:
    """What a killed process left half-written is not read, and is removed."""
    index = VersionIndex.create(tmp_path)
    index.add_notes("a", None, compose(1, 1, 1).between(0, 5), duration_s=5.0)
    (path,) = (tmp_path / "recordings").iterdir()
    half = path.with_name(f".{path.stem}.tmp-0123456789abcdef.safetensors")
    half.write_bytes(path.read_bytes()[:100])
    assert VersionIndex.open(tmp_path).recording_ids == ("a",)
    assert VersionIndex.create(tmp_path).recording_ids == ("a",)
    assert not half.exists()


def test_a_folder_of_something_else_is_not_taken(tmp_path: Path) -> None:
    """Neither creating nor opening touches what is not an index."""
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(MatchIndexError, match="no index of works"):
        VersionIndex.create(tmp_path)
    with pytest.raises(MatchIndexError, match="no index of works"):
        VersionIndex.open(tmp_path)


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros(0, np.float32),
        np.ones(1, np.float32),
        np.zeros(20 * SAMPLE_RATE, np.float32),
        np.full(20 * SAMPLE_RATE, 0.5, np.float32),
        np.eye(1, 20 * SAMPLE_RATE, 5000, dtype=np.float32)[0],
        np.random.default_rng(1).normal(0, 0.1, 9 * SAMPLE_RATE).astype(np.float32),
    ],
    ids=["nothing", "one value", "silence", "offset", "click", "noise"],
)
def test_what_is_no_music_is_no_match(
    folder: Path, samples: np.ndarray[tuple[int], np.dtype[np.float32]]
) -> None:
    """Silence, clicks, offsets and noise are like no work."""
    assert VersionIndex.open(folder).identify(samples) == ()


def test_what_is_no_music_can_be_added(tmp_path: Path) -> None:
    """Silence has a record of its own and matches nothing."""
    index = VersionIndex.create(tmp_path)
    for name in ("a", "../b", "c" * 300):
        index.add(name, None, np.zeros(SAMPLE_RATE, np.float32))
    assert VersionIndex.open(tmp_path).cliques() == []
    assert len(VersionIndex.open(tmp_path).recording_ids) == 3


@pytest.mark.parametrize(
    "samples",
    [
        np.zeros((2, 100), np.float32),
        np.zeros(100),
        np.full(100, np.nan, np.float32),
    ],
)
def test_samples_of_another_kind_are_refused(
    folder: Path, samples: np.ndarray[tuple[int, ...], np.dtype[np.float32]]
) -> None:
    """Stereo, doubles and what is not a number are named, not guessed at."""
    with pytest.raises(MatchingError, match="Audio to match"):
        VersionIndex.open(folder).identify(samples)
